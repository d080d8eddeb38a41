//! `[scenarios]`: how many there may be, when states count as settled after a start, and how long traces are kept. Scenarios
//! themselves are in the store.

use std::time::Duration;

use crate::reader::Section;

const SECOND: Duration = Duration::from_secs(1);

/// Scenarios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenariosSection {
    /// How many there may be.
    pub max: u32,
    /// After a start nothing begins before no more states have become known for this long.
    pub settles_in: Duration,
    /// And after this long in any case.
    pub settles_at_latest: Duration,
    /// How many traces of each are kept.
    pub keep_traces: u32,
    /// And for how many days.
    pub keep_days: u32,
}

pub(crate) fn read(mut section: Section<'_>) -> ScenariosSection {
    let mut count = |key, least: i64, most: i64, default: u32| {
        section.take_int(key, least..=most).and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
    };
    let max = count("max", 0, 5000, 1000);
    let (keep_traces, keep_days) = (count("keep_traces", 1, 1000, 50), count("keep_days", 1, 366, 30));
    let scenarios = ScenariosSection {
        max,
        settles_in: section.take_duration("settles_in", Duration::ZERO..=60 * SECOND).unwrap_or(3 * SECOND),
        settles_at_latest: section
            .take_duration("settles_at_latest", Duration::ZERO..=600 * SECOND)
            .unwrap_or(60 * SECOND),
        keep_traces,
        keep_days,
    };
    section.finish();
    scenarios
}
