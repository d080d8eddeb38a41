//! The home daemon as a library: rooms that talk by bus events and the named functions of their front doors.
//! The binary `domovoi` is a thin edge around it. The map is docs/architecture.md.

pub mod alerts;
pub mod audit;
pub mod bus;
pub mod calendar;
pub mod cameras;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod clouds;
pub mod courier;
#[cfg(feature = "demo")]
pub mod demo;
pub mod devices;
pub mod doctor;
pub mod extract;
pub mod house;
pub mod ingest;
pub mod metering;
pub mod notify;
pub mod outside;
pub mod people;
pub mod policy;
pub mod portal;
pub mod presence;
pub mod recorder;
pub mod safety;
pub mod scenarios;
pub mod signin;
#[cfg(test)]
mod tests;
pub mod web;
pub mod words;

pub use house::{House, HouseError, Sockets, Stage, run};
