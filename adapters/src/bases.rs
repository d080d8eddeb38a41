//! Base topics of dialects: what the settings say, and what may stand for a device at all. Deliberately knows no device.

use std::fmt;

use crate::mqtt;

/// Why base topics are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasesError {
    /// There is no such dialect.
    UnknownDialect(String),
    /// This cannot be a base topic.
    BadTopic(String),
    /// A dialect without a base topic hears nothing; leave the setting out to have the default.
    Empty,
}

impl fmt::Display for BasesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BasesError::UnknownDialect(name) => {
                let names: Vec<&str> = mqtt::DIALECTS.iter().map(|dialect| dialect.name).collect();
                write!(f, "there is no dialect «{name}»; there are {}", names.join(", "))
            }
            BasesError::BadTopic(topic) => write!(
                f,
                "«{topic}» cannot be a base topic: it is empty, too long, has + # or control characters, or begins with $ or domovoi/"
            ),
            BasesError::Empty => f.write_str("no base topic is given; leave the setting out to have the default"),
        }
    }
}

impl std::error::Error for BasesError {}

/// Whether a topic from the settings or from a peer may stand for a device. Our own topics may not: a peer that
/// announced `domovoi/…` as the place where it listens would have the hub talk to itself.
pub(crate) fn is_base(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= 256
        && !topic.starts_with('$')
        && topic != "domovoi"
        && !topic.starts_with("domovoi/")
        && !topic.chars().any(|c| matches!(c, '+' | '#') || c.is_control())
}
