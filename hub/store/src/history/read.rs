//! What can be asked of history: ranges, rollups, the value at a time, the change between two instants; and what comes
//! back. Times are wall times in milliseconds since 1970, UTC; every span is `from <= at < to`.
//!
//! Nobody outside of `history` knows whether an answer came from blocks, from the journal or from the live tail.

use domovoi_model::{DeviceRef, Quality, Sample, Timestamp, Unit, Value};
use rust_decimal::Decimal;

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
    /// Exact: from raw samples. Otherwise the borders are those of the finest rollup that is left.
    pub exact: bool,
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
    /// Sealed bytes of the journal.
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
    // SKELETON
    pub async fn series(&self) -> Result<Vec<SeriesInfo>, StoreError> {
        Ok(Vec::new())
    }

    /// Raw samples of a property in `from <= at < to`, at most `limit`.
    // SKELETON
    pub async fn range(
        &self,
        _device: &DeviceRef,
        _property: &str,
        _from: Timestamp,
        _to: Timestamp,
        _limit: usize,
    ) -> Result<Stretch, StoreError> {
        Ok(Stretch::default())
    }

    /// Buckets of a property whose beginning lies in `from <= begin < to`.
    // SKELETON
    pub async fn rolled(
        &self,
        _device: &DeviceRef,
        _property: &str,
        _level: Level,
        _from: Timestamp,
        _to: Timestamp,
    ) -> Result<Rolled, StoreError> {
        Ok(Rolled::default())
    }

    /// The last sample at or before a moment.
    // SKELETON
    pub async fn last_at(
        &self,
        _device: &DeviceRef,
        _property: &str,
        _at: Timestamp,
    ) -> Result<Option<Point>, StoreError> {
        Ok(None)
    }

    /// What a counter counted between two instants.
    // SKELETON
    pub async fn change(
        &self,
        _device: &DeviceRef,
        _property: &str,
        _from: Timestamp,
        _to: Timestamp,
    ) -> Result<Option<Change>, StoreError> {
        Ok(None)
    }

    /// Takes samples of the past in, straight into blocks; what is there already (same series, time and value) is
    /// counted and left out. Moments that are not wall times are refused.
    // SKELETON
    pub async fn import(&self, _samples: Vec<Sample>) -> Result<Imported, StoreError> {
        Ok(Imported::default())
    }

    /// What it takes.
    // SKELETON
    pub fn usage(&self) -> Usage {
        Usage::default()
    }
}
