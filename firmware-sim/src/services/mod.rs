//! Pretended services of the outside world that carry messages to people or news into the home: a mail server, a push service,
//! gateways for short messages, ntfy, a bot, a webhook's receiver, feeds, the cloud of a maker. Each listens on a port of its own, checks what a real
//! one would check, keeps what it took, and fails on request. None of them sends anything anywhere.

pub mod bot;
pub mod feeds;
pub mod ntfy;
pub mod push;
mod record;
mod served;
pub mod sms;
pub mod smtp;
#[cfg(test)]
mod tests;
pub mod webhook;
pub mod yandex;

pub use record::{Record, Script};
pub use served::Fault;

/// A service cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the pretended {what} cannot listen: {source}; choose another address or port 0")]
pub struct StartError {
    what: &'static str,
    source: std::io::Error,
}
