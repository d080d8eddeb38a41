//! What can be asked of history: ranges, rollups, the value at a time, the change between two instants; and what comes
//! back. Times are wall times in milliseconds since 1970, UTC; every span is `from <= at < to`.
//!
//! Nobody outside of `history` knows whether an answer came from blocks, from the journal or from the live tail.

use std::sync::atomic::Ordering;

use domovoi_model::{DeviceRef, Quality, Sample, Timestamp, Unit, Value};
use rust_decimal::Decimal;

use super::archive::SetAside;
use super::compact::Compacted;
use super::roll::RolledUp;
use super::thin::Thinned;
use super::{History, Seq};
use crate::error::StoreError;

/// One property of one device, as long as its unit stays the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesInfo {
    /// Whose.
    pub device: DeviceRef,
    /// Which property.
    pub property: String,
    /// In which unit.
    pub unit: Unit,
    /// The newest sample since the start of the daemon or, before there is one, the newest that is stored.
    pub newest: Option<Timestamp>,
}

/// A sample in its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When the hub heard it.
    pub at: Timestamp,
    /// What was believed.
    pub value: Value,
    /// In which unit.
    pub unit: Unit,
    /// Good, or why not.
    pub quality: Quality,
    /// What the device said of the time.
    pub device_time: Option<Timestamp>,
}

impl Point {
    /// A sample without its series, if its time is known.
    pub(super) fn of(sample: Sample) -> Option<Self> {
        let at = sample.at.wall()?;
        let Sample { value, unit, quality, device_time, .. } = sample;
        Some(Point { at, value, unit, quality, device_time })
    }
}

/// Something within a span that could not be read: it is set aside, told, and never taken for silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Which row, and why.
    pub what: String,
}

/// A stretch of raw samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stretch {
    /// In the order of time.
    pub points: Vec<Point>,
    /// Where to go on if `limit` cut it short.
    pub next: Option<Timestamp>,
    /// Before this, raw samples have been thinned out: ask for rollups.
    pub raw_since: Option<Timestamp>,
    /// What could not be read.
    pub troubles: Vec<Trouble>,
}

/// The last sample at or before a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// The sample, or, where samples have been thinned out, the last number of the last interval that had ended: its time
    /// is then the interval's end.
    pub point: Option<Point>,
    /// Nothing later can have been there: it comes from samples, none have been thinned out behind it, and all could be read.
    pub exact: bool,
    /// What could not be read and may have held a later one.
    pub troubles: Vec<Trouble>,
}

/// How fine a rollup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
    /// A day of the home's time zone.
    Day,
}

/// What became of a property in one interval. An interval without samples has no bucket: a gap is shown as a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Its beginning.
    pub from: Timestamp,
    /// Samples in it.
    pub count: u64,
    /// The least.
    pub min: Decimal,
    /// The mean of the samples.
    pub mean: Decimal,
    /// The greatest.
    pub max: Decimal,
    /// The last.
    pub last: Decimal,
    /// Sum of all increases, decreases left out: what a counter counted, resets borne. From the last sample before
    /// the interval on, if there is one.
    pub increase: Decimal,
}

/// A stretch of buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rolled {
    /// In the order of time; those without samples are missing.
    pub buckets: Vec<Bucket>,
    /// Before this, buckets of this level have been thinned out: ask for a coarser one.
    pub since: Option<Timestamp>,
    /// What could not be read.
    pub troubles: Vec<Trouble>,
}

/// What a counter counted between two instants.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The sample at or before the beginning.
    pub first: Option<Point>,
    /// The sample at or before the end.
    pub last: Option<Point>,
    /// The sum of the increases between them.
    pub increase: Decimal,
    /// Where it fell: a reset, or a new meter.
    pub resets: u32,
    /// Exact: from samples, all of which could be read. Otherwise the borders may be those of the finest rollups that are
    /// left.
    pub exact: bool,
    /// What could not be read; the first hundred.
    pub troubles: Vec<Trouble>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// New and durable.
    pub kept: u64,
    /// Were there already.
    pub duplicates: u64,
}

/// What history takes, and what it has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Samples in the journal and their sealed bytes.
    pub journal_samples: u64,
    /// Sealed bytes of the journal, when that was last looked at: once a minute.
    pub journal_bytes: u64,
    /// Samples in blocks.
    pub block_samples: u64,
    /// Sealed bytes of the blocks.
    pub block_bytes: u64,
    /// Sealed bytes of the rollups.
    pub rollup_bytes: u64,
    /// Bytes that this process has had written by commits, since its start: an estimate by pages.
    pub written_bytes: u64,
    /// Commits since the start.
    pub commits: u64,
    /// What is left of today's write budget, in bytes.
    pub budget_left: u64,
    /// The newest seq that the compaction has taken into blocks.
    pub compacted_to: Seq,
}

impl History {
    /// Every series there is.
    pub async fn series(&self) -> Result<Vec<SeriesInfo>, StoreError> {
        let stored = self.archive.newest_stored().await?;
        let all = self.catalogue.all().into_iter();
        Ok(all
            .map(|series| SeriesInfo {
                newest: series.newest().max(stored.get(&series.number).copied().map(Timestamp)),
                device: series.device.clone(),
                property: series.property.clone(),
                unit: series.unit,
            })
            .collect())
    }

    /// Raw samples of a property in `from <= at < to`, about `limit` of them: those of one moment stay together, so that
    /// `next` misses none and repeats none.
    pub async fn range(
        &self,
        device: &DeviceRef,
        property: &str,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Stretch, StoreError> {
        let raw = self.archive.raw(&self.catalogue.of_property(device, property), from.0, to.0, limit).await?;
        let thinned = self.archive.tally().thinned_to.filter(|thinned| from.0 <= *thinned);
        Ok(Stretch {
            points: raw.points,
            next: raw.next.map(Timestamp),
            raw_since: thinned.map(|thinned| Timestamp(thinned).plus_millis(1)),
            troubles: raw.troubles,
        })
    }

    /// Buckets of a property whose beginning lies in `from <= begin < to`. Where its unit changed, those of one unit stand
    /// behind those of the other.
    pub async fn rolled(
        &self,
        device: &DeviceRef,
        property: &str,
        level: Level,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Rolled, StoreError> {
        let mut answer = Rolled::default();
        for series in self.catalogue.of_property(device, property) {
            let rolled = self.archive.rolled_of(&series, level, from.0, to.0).await?;
            answer.buckets.extend(rolled.buckets);
            answer.troubles.extend(rolled.troubles);
            answer.since = answer.since.max(rolled.since);
        }
        answer.buckets.sort_by_key(|bucket| bucket.from);
        Ok(answer)
    }

    /// The last sample at or before a moment.
    pub async fn last_at(&self, device: &DeviceRef, property: &str, at: Timestamp) -> Result<Latest, StoreError> {
        self.archive.latest(&self.catalogue.of_property(device, property), at.0).await
    }

    /// What a counter counted between two instants: from the last sample at or before `from` to the last at or before
    /// `to`. `None` where there is none.
    pub async fn change(
        &self,
        device: &DeviceRef,
        property: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Change>, StoreError> {
        let series = self.catalogue.of_property(device, property);
        // Two units of one property do not add up: the one that is heard now counts.
        match self.archive.heard_last(series).await? {
            Some(series) => self.archive.change_of(&series, from.0, to.0).await,
            None => Ok(None),
        }
    }

    /// Takes samples of the past in, straight into blocks; what is there already (same series, time and value) is
    /// counted and left out. Moments that are not wall times are refused, and more than [`super::IMPORT_LIMIT`] at once.
    pub async fn import(&self, samples: Vec<Sample>) -> Result<Imported, StoreError> {
        self.archive.import(samples).await
    }

    /// Erases what one device said; how many samples went. A sample of it that is being written in this moment may be
    /// heard of once more.
    pub async fn erase(&self, device: &DeviceRef) -> Result<u64, StoreError> {
        self.archive.erase(device).await
    }

    /// What it takes.
    pub fn usage(&self) -> Usage {
        let tally = self.archive.tally();
        Usage {
            journal_samples: self.last_seq().0.saturating_sub(tally.compacted_to),
            journal_bytes: self.archive.journal_bytes.load(Ordering::Relaxed),
            block_samples: tally.block_samples,
            block_bytes: tally.block_bytes,
            rollup_bytes: tally.rollup_bytes.iter().chain(&tally.register_bytes).sum(),
            compacted_to: Seq(tally.compacted_to),
            written_bytes: self.counters.written_bytes.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            budget_left: self.counters.budget_left.load(Ordering::Relaxed),
        }
    }

    /// Rows that do not open and were set aside, at most `limit`: the owner should hear of them.
    pub async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        self.archive.list_set_aside(limit).await
    }

    /// Everything of the journal that may go into blocks, goes. The daemon does it by itself.
    pub async fn compact_once(&self) -> Result<Compacted, StoreError> {
        self.archive.compact_once().await
    }

    /// Rolls the days that had ended some hours before `now`. The daemon does it by itself.
    pub async fn roll_at(&self, now: Timestamp) -> Result<RolledUp, StoreError> {
        self.archive.roll_at(now.0).await
    }

    /// Brings history back into its budgets. The daemon does it by itself.
    pub async fn thin_once(&self) -> Result<Thinned, StoreError> {
        self.archive.thin_once().await
    }
}
