//! The one end-to-end test binary. Each file is a story; the harness is the library beside it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and says where"
)]

mod bad_input;
mod browser;
mod cameras;
mod clouds;
mod command_line;
mod connecting;
mod contract;
mod devices;
mod doors;
mod exactly_once;
mod external;
mod faults;
mod flow;
mod foreign;
mod hostile;
mod mappings;
mod matrix;
mod peers;
mod portal_account;
mod process;
mod raw_files;
mod safety;
mod spellings;
mod telling;
mod tidy;
