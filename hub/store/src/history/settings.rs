//! What history is told once: how much it keeps, when the journal becomes blocks, and what time it is at home. Reads no
//! clock and knows no time zone itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::Timestamp;

/// How much of something is kept: whatever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Sealed bytes, with what SQLite adds to each row.
    pub bytes: u64,
    /// Age.
    pub days: u32,
}

/// History's part of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySettings {
    /// The journal becomes blocks when it holds more samples than this…
    pub compact_over: u64,
    /// …or one older than this.
    pub compact_after: Duration,
    /// Samples as they came.
    pub raw: Budget,
    /// Rollups of five minutes, those of registers apart: they are kept for ever.
    pub five_minutes: Budget,
    /// Rollups of an hour, likewise. Those of days are kept for ever.
    pub hours: Budget,
    /// The readers of the journal by the names of their cursors: what one of them has not read yet stays in the journal,
    /// also when it has never read anything.
    pub followers: Vec<String>,
    /// The home's clock and zone.
    pub home_time: HomeTime,
}

impl Default for HistorySettings {
    fn default() -> Self {
        HistorySettings {
            compact_over: 50_000,
            compact_after: Duration::from_secs(6 * 3600),
            raw: Budget { bytes: 32_000_000, days: 90 },
            five_minutes: Budget { bytes: 16_000_000, days: 366 },
            hours: Budget { bytes: 16_000_000, days: 3660 },
            followers: Vec::new(),
            home_time: HomeTime::default(),
        }
    }
}

type Now = dyn Fn() -> Option<Timestamp> + Send + Sync;
type UtcOffset = dyn Fn(Timestamp) -> i32 + Send + Sync;

/// What time it is at home, as whoever opens the store knows it. By default UTC, and a clock that nobody trusts.
#[derive(Clone, Default)]
pub struct HomeTime(Option<Arc<Clocks>>);

struct Clocks {
    now: Box<Now>,
    utc_offset: Box<UtcOffset>,
}

impl HomeTime {
    /// `now` says `None` while the clock is not trusted: then nothing is judged by its age. `utc_offset` says by how many
    /// seconds the home's clocks are ahead of UTC at a moment.
    pub fn new(
        now: impl Fn() -> Option<Timestamp> + Send + Sync + 'static,
        utc_offset: impl Fn(Timestamp) -> i32 + Send + Sync + 'static,
    ) -> Self {
        HomeTime(Some(Arc::new(Clocks { now: Box::new(now), utc_offset: Box::new(utc_offset) })))
    }

    pub(super) fn now(&self) -> Option<i64> {
        (self.0.as_ref()?.now)().map(|at| at.0)
    }

    /// In milliseconds, never more than a day.
    pub(super) fn offset(&self, at: i64) -> i64 {
        let seconds = self.0.as_ref().map_or(0, |clocks| (clocks.utc_offset)(Timestamp(at)));
        i64::from(seconds.clamp(-86_400, 86_400)) * 1000
    }
}

impl fmt::Debug for HomeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HomeTime")
    }
}

/// The same clock, not one that shows the same.
impl PartialEq for HomeTime {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for HomeTime {}
