//! The sandbox portal asked over HTTP, as a hub asks it.

mod acts;
mod client;
mod faults;
mod oauth;
