//! `[presence]`: how long the house waits before somebody has left. By what people are seen is in the store, not here.

use std::time::Duration;

use crate::reader::Section;

const MINUTE: Duration = Duration::from_secs(60);

/// Who is at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceSection {
    /// After so long without a word of «home» somebody has left.
    pub quiet: Duration,
}

pub(crate) fn read(mut section: Section<'_>) -> PresenceSection {
    let quiet = section.take_duration("quiet", MINUTE..=12 * 60 * MINUTE).unwrap_or(10 * MINUTE);
    section.finish();
    PresenceSection { quiet }
}
