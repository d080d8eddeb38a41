//! From readings of registers to stretches of use: between two readings that are believed, so much was used. A register
//! that rolls over its digits, a meter that is swapped, a value that was taken back and a register that began anew are told
//! apart here. Pure; whether a reading is believed is the ledger's judgement.

use domovoi_model::{MeterId, Tariff, Timestamp};
use rust_decimal::Decimal;

use super::days::HOUR;

/// Who said what a register shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A device.
    Device,
    /// A person, by eye or by photo.
    Hand,
    /// It stood so when the meter was put in or taken out.
    Installation,
}

/// What the ledger knows of a reading beside its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// Nothing.
    #[default]
    None,
    /// A person confirmed that the register went over its last digit.
    Rollover,
    /// It was held because another meter may hang there, or the device began anew; a person let it through.
    Anew,
}

/// A believed reading of one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// The order of entry, where two are of one moment.
    pub order: i64,
    /// Of which meter.
    pub meter: MeterId,
    /// Of which register.
    pub tariff: Tariff,
    /// What it showed, in the resource's unit.
    pub value: Decimal,
    /// Who says so.
    pub how: How,
    /// What else is known.
    pub turn: Turn,
}

/// What of a meter matters for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// Which.
    pub meter: MeterId,
    /// The value at which it begins again at 0.
    pub rollover_at: Decimal,
    /// What its movement is multiplied with.
    pub multiplier: Decimal,
}

/// How sure it is when in the stretch it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A device reported at both ends, not long after one another.
    Measured,
    /// A person read one of its ends.
    Hand,
    /// It is long: the use is spread evenly over it, which is an estimate.
    Spread,
    /// It is too long for that: how much is known, when is not.
    Unknown,
}

impl Kind {
    /// `measured`, `hand`, `spread`, `unknown`.
    pub fn code(self) -> &'static str {
        ["measured", "hand", "spread", "unknown"][self as usize]
    }
}

/// Between two readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Of which register.
    pub tariff: Tariff,
    /// The earlier reading.
    pub from: Timestamp,
    /// The later one.
    pub to: Timestamp,
    /// What was used, multiplied; never negative.
    pub amount: Decimal,
    /// How sure it is when.
    pub kind: Kind,
}

/// What is made of stretches without readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// Between two readings that are further apart, use is spread, and marked so.
    pub spread_after_millis: i64,
    /// Between two that are further apart than this, it is not spread at all.
    pub unknown_after_millis: i64,
}

impl Gaps {
    /// The ledger calls 36 hours a gap. Two months let a household that reads its meters by hand see months.
    pub const USUAL: Gaps = Gaps { spread_after_millis: 36 * HOUR, unknown_after_millis: 62 * 24 * HOUR };
    /// Nothing is estimated: every gap stands as what it is.
    pub const STRICT: Gaps = Gaps { spread_after_millis: 36 * HOUR, unknown_after_millis: 36 * HOUR };
}

/// A device that fell behind more than so many of its own readings was not wrong before: it began anew.
pub const TAKEN_BACK_AT_MOST: usize = 3;

/// Past this part of its digits a register that falls has gone over them, if it stands in the first part after it.
fn is_over_the_end(limit: Decimal, before: Decimal, after: Decimal) -> bool {
    before >= limit * Decimal::new(9, 1) && after <= limit * Decimal::new(1, 1)
}

/// The stretches of one register of a point, all its meters, in the order of time.
pub fn stretches(readings: &[Reading], tariff: Tariff, faces: &[Face], gaps: Gaps) -> Vec<Stretch> {
    let mut all = Vec::new();
    for face in faces {
        let mut own: Vec<&Reading> =
            readings.iter().filter(|reading| reading.meter == face.meter && reading.tariff == tariff).collect();
        own.sort_by_key(|reading| (reading.at, reading.order));
        all.extend(of_meter(&own, face, gaps));
    }
    all.sort_by_key(|stretch: &Stretch| (stretch.from, stretch.to));
    all
}

fn of_meter(readings: &[&Reading], face: &Face, gaps: Gaps) -> Vec<Stretch> {
    let mut runs: Vec<Vec<&Reading>> = vec![Vec::new()];
    for reading in readings {
        let Some(run) = runs.last_mut() else { break };
        let fell = run.last().is_some_and(|last| reading.value < last.value);
        if fell && reading.turn == Turn::Anew {
            runs.push(vec![reading]);
            continue;
        }
        let rolls = |last: &&Reading| {
            reading.turn == Turn::Rollover || is_over_the_end(face.rollover_at, last.value, reading.value)
        };
        if fell && !run.last().is_some_and(rolls) {
            // What stands above it, back to a rollover or to a value below, was wrong; unless that is too much to be.
            let behind = run.iter().rev().take_while(|earlier| earlier.value > reading.value).count();
            let devices = run.iter().rev().take(behind).filter(|earlier| earlier.how == How::Device).count();
            if devices > TAKEN_BACK_AT_MOST {
                runs.push(vec![reading]);
                continue;
            }
            run.truncate(run.len() - behind);
        }
        run.push(reading);
    }
    let mut stretches = Vec::new();
    for pair in runs.iter().flat_map(|run| run.windows(2)) {
        let [before, after] = pair else { continue };
        let rise = after.value - before.value;
        let moved = if rise.is_sign_negative() { rise + face.rollover_at } else { rise };
        let amount = (moved * face.multiplier).max(Decimal::ZERO);
        // Two of one moment: the use between them has no length, and is dropped into the millisecond before.
        let (from, to) = (before.at.min(Timestamp(after.at.0.saturating_sub(1))), after.at);
        stretches.push(Stretch { tariff: after.tariff, from, to, amount, kind: kind(before, after, gaps) });
    }
    stretches
}

fn kind(before: &Reading, after: &Reading, gaps: Gaps) -> Kind {
    let millis = after.at.0.saturating_sub(before.at.0);
    if millis > gaps.unknown_after_millis {
        Kind::Unknown
    } else if millis > gaps.spread_after_millis {
        Kind::Spread
    } else if before.how == How::Hand || after.how == How::Hand {
        Kind::Hand
    } else {
        Kind::Measured
    }
}
