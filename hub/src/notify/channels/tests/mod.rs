//! The channels against what they are to write, and against pretended services.

pub mod letters;
#[cfg(feature = "demo")]
mod services;
