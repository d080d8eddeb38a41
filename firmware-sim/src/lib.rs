//! The outside world of the house: a sandbox portal, pretend devices, pretended services that carry messages, and (feature `existing-broker`) the broker that a
//! home already has. It links none of our crates on purpose: a misreading of a contract that both sides share would
//! never be found. It is not a reference implementation and not safe to face the internet.

pub mod camera;
mod clock;
#[cfg(feature = "existing-broker")]
pub mod existing_broker;
pub mod load;
pub mod portal;
pub mod services;
pub mod world;

pub use clock::{Clock, system_clock};
