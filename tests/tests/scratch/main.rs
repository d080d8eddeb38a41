//! Temporary: a view on some of the stories while others are being written.
mod bad_input;
mod command_line;
mod contract;
mod external;
mod raw_files;
