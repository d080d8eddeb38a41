//! The home daemon as a library: rooms that talk by bus events and the named functions of their front doors.
//! The binary `domovoi` is a thin edge around it. The map is docs/architecture.md.

pub mod bus;
pub mod cli;
pub mod clock;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
pub mod house;
pub mod ingest;
pub mod metering;
pub mod portal;
pub mod web;
pub mod words;

pub use house::{House, HouseError, Sockets, run};
