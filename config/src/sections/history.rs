//! `[history]`: how much of the past is kept. Rollups of days, and all rollups of meters' registers, are kept for ever and
//! have no setting.

use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// How much of something is kept: whatever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// In bytes, sealed.
    pub size: u64,
    /// In age.
    pub time: Duration,
}

/// What history keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySection {
    /// Samples as they came.
    pub raw: Kept,
    /// What became of every five minutes.
    pub five_minutes: Kept,
    /// Of every hour.
    pub hours: Kept,
    /// The journal becomes blocks when it holds something older than this…
    pub compact_after: Duration,
    /// …or more samples than these.
    pub compact_over: u32,
}

pub(crate) fn read(mut section: Section<'_>) -> HistorySection {
    let sizes = 1_000_000..=100_000_000_000;
    let hours_at = section.place_of("hours_time");
    let history = HistorySection {
        raw: Kept {
            size: section.take_size("raw_size", sizes.clone()).unwrap_or(32_000_000),
            time: section.take_duration("raw_time", 2 * DAY..=36_500 * DAY).unwrap_or(90 * DAY),
        },
        five_minutes: Kept {
            size: section.take_size("five_minutes_size", sizes.clone()).unwrap_or(16_000_000),
            time: section.take_duration("five_minutes_time", 2 * DAY..=36_500 * DAY).unwrap_or(366 * DAY),
        },
        hours: Kept {
            size: section.take_size("hours_size", sizes).unwrap_or(16_000_000),
            time: section.take_duration("hours_time", 31 * DAY..=36_500 * DAY).unwrap_or(3660 * DAY),
        },
        compact_after: section.take_duration("compact_after", HOUR..=7 * DAY).unwrap_or(6 * HOUR),
        compact_over: section
            .take_int("compact_over", 1000..=1_000_000)
            .and_then(|samples| u32::try_from(samples).ok())
            .unwrap_or(50_000),
    };
    if history.hours.time < history.five_minutes.time {
        let (hours, minutes) =
            (scalar::show_duration(history.hours.time), scalar::show_duration(history.five_minutes.time));
        let wrong = Wrong::new(format!("hours would be kept for {hours}, and the finer five minutes for {minutes}"));
        section.wrong_at(hours_at, "hours_time", wrong.hint("make `hours_time` at least `five_minutes_time`"));
    }
    section.finish();
    history
}
