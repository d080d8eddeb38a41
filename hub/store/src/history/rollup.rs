//! What became of a series in every interval: computed from its samples, and packed as the row of one chunk. Knows no
//! table and no clock. Only numbers are rolled.
//!
//! ```text
//! chunk := 2, series number, level u8, from signed, count number,
//!          begins ints (after `from`), counts ints,
//!          0, scale u8, mean scale u8, last wides, last - min wides, max - last wides, mean - last wides,
//!             increase - max(0, last - last before) wides
//!        | 1, last, min, max, mean, increase: decimals           where the differences do not fit
//!          then: 0 | n number, begins ints                        those that had no value before them
//! ```
//! A chunk of format 1 ends before that.
//!
//! Most intervals hold one sample, or samples that rise: the differences are then zero and take no room.

use std::collections::BTreeSet;

use domovoi_model::Timestamp;
use rust_decimal::Decimal;

use super::columns::{Reader, Writer};
use super::encoding::Malformed;
use super::read::{Bucket, Level};
use super::settings::HomeTime;

const VERSION: u8 = 2;

/// How many more digits than the samples the mean has.
const MEAN_DIGITS: u32 = 3;

/// More intervals than any chunk has: a year of days, with room for zones that change.
const MOST_BUCKETS: usize = 2000;

/// One row of rollups, opened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub series: u64,
    pub level: Level,
    pub from: i64,
    pub buckets: Vec<Bucket>,
    /// The beginnings of those whose first sample had none before it: their increase counts from that sample.
    pub begun: BTreeSet<i64>,
}

impl Chunk {
    pub fn empty(series: u32, level: Level, from: i64) -> Self {
        Chunk { series: u64::from(series), level, from, buckets: Vec::new(), begun: BTreeSet::new() }
    }
}

/// What the samples of one interval say by themselves: its increase counts from the first of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub bucket: Bucket,
    pub first: Decimal,
}

/// Rolls numbers as they come in the order of time, at one level.
pub(super) struct Roller<'a> {
    home: &'a HomeTime,
    level: Level,
    open: Option<Open>,
    pieces: Vec<Piece>,
}

impl<'a> Roller<'a> {
    pub fn new(home: &'a HomeTime, level: Level) -> Self {
        Roller { home, level, open: None, pieces: Vec::new() }
    }

    pub fn add(&mut self, at: i64, value: Decimal) {
        match &mut self.open {
            Some(open) if at < open.until => open.add(value),
            _ => {
                let from = self.home.interval_of(self.level, at);
                let until = self.home.end_of(self.level, from).max(at.saturating_add(1));
                self.pieces.extend(self.open.take().map(Open::close));
                self.open = Some(Open::new(from, until, value));
            }
        }
    }

    pub fn close(mut self) -> Vec<Piece> {
        self.pieces.extend(self.open.map(Open::close));
        self.pieces
    }
}

/// By how much a counter rose; a fall is a reset and counts for nothing.
pub(super) fn rise(before: Decimal, after: Decimal) -> Decimal {
    after.checked_sub(before).map_or(Decimal::ZERO, |rise| rise.max(Decimal::ZERO))
}

struct Open {
    until: i64,
    /// `None` once it does not fit: the mean is then the last value, and nothing is made up.
    sum: Option<Decimal>,
    scale: u32,
    first: Decimal,
    bucket: Bucket,
}

impl Open {
    fn new(from: i64, until: i64, value: Decimal) -> Self {
        let (from, increase) = (Timestamp(from), Decimal::ZERO);
        let bucket = Bucket { from, count: 1, min: value, mean: value, max: value, last: value, increase };
        Open { until, sum: Some(value), scale: value.scale(), first: value, bucket }
    }

    fn add(&mut self, value: Decimal) {
        let bucket = &mut self.bucket;
        let rise = rise(bucket.last, value);
        bucket.count += 1;
        bucket.min = bucket.min.min(value);
        bucket.max = bucket.max.max(value);
        bucket.last = value;
        bucket.increase = bucket.increase.checked_add(rise).unwrap_or(Decimal::MAX);
        self.sum = self.sum.and_then(|sum| sum.checked_add(value));
        self.scale = self.scale.max(value.scale());
    }

    fn close(self) -> Piece {
        let mut bucket = self.bucket;
        let mean = self.sum.and_then(|sum| sum.checked_div(Decimal::from(bucket.count)));
        bucket.mean = mean.unwrap_or(bucket.last).round_dp((self.scale + MEAN_DIGITS).min(28));
        Piece { bucket: tidy(bucket), first: self.first }
    }
}

/// Without zeros at the end, as a chunk gives it back.
pub(super) fn tidy(bucket: Bucket) -> Bucket {
    Bucket {
        min: bucket.min.normalize(),
        mean: bucket.mean.normalize(),
        max: bucket.max.normalize(),
        last: bucket.last.normalize(),
        increase: bucket.increase.normalize(),
        ..bucket
    }
}

/// Packs buckets that are in the order of time.
pub(super) fn encode(chunk: &Chunk) -> Vec<u8> {
    let Chunk { series, level, from, buckets, begun } = chunk;
    let mut out = Writer::default();
    out.byte(VERSION);
    out.number(*series);
    out.byte(level.code() as u8);
    out.signed(*from);
    out.number(buckets.len() as u64);
    out.ints(&buckets.iter().map(|bucket| bucket.from.0.wrapping_sub(*from)).collect::<Vec<_>>());
    out.ints(&buckets.iter().map(|bucket| bucket.count as i64).collect::<Vec<_>>());
    match differences(buckets) {
        Some((scale, mean_scale, columns)) => {
            out.byte(0);
            out.byte(scale as u8);
            out.byte(mean_scale as u8);
            columns.iter().for_each(|column| out.wides(column));
        }
        None => {
            out.byte(1);
            for part in PARTS {
                out.decimals(&buckets.iter().map(part).collect::<Vec<_>>());
            }
        }
    }
    out.number(begun.len() as u64);
    if !begun.is_empty() {
        out.ints(&begun.iter().map(|at| at.wrapping_sub(*from)).collect::<Vec<_>>());
    }
    out.bytes
}

const PARTS: [fn(&Bucket) -> Decimal; 5] =
    [|bucket| bucket.last, |bucket| bucket.min, |bucket| bucket.max, |bucket| bucket.mean, |bucket| bucket.increase];

fn differences(buckets: &[Bucket]) -> Option<(u32, u32, [Vec<i128>; 5])> {
    let exact = |bucket: &Bucket| [bucket.last, bucket.min, bucket.max, bucket.increase];
    let scale = buckets.iter().flat_map(exact).map(|part| part.scale()).max().unwrap_or(0);
    let mean_scale = buckets.iter().map(|bucket| bucket.mean.scale()).max().unwrap_or(0).max(scale);
    let finer = 10i128.checked_pow(mean_scale - scale)?;
    let at = |decimal: Decimal, scale: u32| {
        let mantissa = decimal.mantissa().checked_mul(10i128.checked_pow(scale - decimal.scale())?)?;
        Decimal::try_from_i128_with_scale(mantissa, scale).is_ok().then_some(mantissa)
    };
    let mut columns: [Vec<i128>; 5] = Default::default();
    let mut before: Option<i128> = None;
    for bucket in buckets {
        let last = at(bucket.last, scale)?;
        let rise = before.map_or(0, |before| (last - before).max(0));
        before = Some(last);
        columns[0].push(last);
        columns[1].push(last - at(bucket.min, scale)?);
        columns[2].push(at(bucket.max, scale)? - last);
        columns[3].push(at(bucket.mean, mean_scale)?.checked_sub(last.checked_mul(finer)?)?);
        columns[4].push(at(bucket.increase, scale)? - rise);
    }
    Some((scale, mean_scale, columns))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Chunk, Malformed> {
    let mut input = Reader { rest: bytes };
    let version = input.byte()?;
    if !(1..=VERSION).contains(&version) {
        return Err(Malformed);
    }
    let series = input.number()?;
    let level = input.byte()?;
    let level = Level::ALL.into_iter().find(|known| known.code() == i64::from(level)).ok_or(Malformed)?;
    let from = input.signed()?;
    let count = input.count(MOST_BUCKETS)?;
    let begins = input.ints(count)?;
    let counts = input.ints(count)?;
    let [last, min, max, mean, increase] = match input.byte()? {
        0 => of_differences(&mut input, count)?,
        1 => {
            let mut columns: [Vec<Decimal>; 5] = Default::default();
            for column in &mut columns {
                *column = input.decimals(count)?;
            }
            columns
        }
        _ => return Err(Malformed),
    };
    let mut begun = BTreeSet::new();
    if version > 1 {
        let many = input.count(count)?;
        if many > 0 {
            begun.extend(input.ints(many)?.into_iter().map(|at| from.wrapping_add(at)));
        }
    }
    if !input.rest.is_empty() {
        return Err(Malformed);
    }
    let mut buckets: Vec<Bucket> = Vec::with_capacity(count);
    for n in 0..count {
        let begin = Timestamp(from.wrapping_add(begins[n]));
        if buckets.last().is_some_and(|before| before.from >= begin) {
            return Err(Malformed);
        }
        buckets.push(tidy(Bucket {
            from: begin,
            count: u64::try_from(counts[n]).map_err(|_| Malformed)?,
            min: min[n],
            mean: mean[n],
            max: max[n],
            last: last[n],
            increase: increase[n],
        }));
    }
    Ok(Chunk { series, level, from, buckets, begun })
}

fn of_differences(input: &mut Reader<'_>, count: usize) -> Result<[Vec<Decimal>; 5], Malformed> {
    let (scale, mean_scale) = (u32::from(input.byte()?), u32::from(input.byte()?));
    let finer = mean_scale.checked_sub(scale).and_then(|by| 10i128.checked_pow(by)).ok_or(Malformed)?;
    let mut columns: [Vec<i128>; 5] = Default::default();
    for column in &mut columns {
        *column = input.wides(count)?;
    }
    let [lasts, under, over, mean, rises] = columns;
    let mut parts: [Vec<Decimal>; 5] = Default::default();
    let mut before: Option<i128> = None;
    for (n, last) in lasts.into_iter().enumerate() {
        let rise = match before {
            Some(before) => last.checked_sub(before).ok_or(Malformed)?.max(0),
            None => 0,
        };
        before = Some(last);
        let wides = [
            (Some(last), scale),
            (last.checked_sub(under[n]), scale),
            (last.checked_add(over[n]), scale),
            (last.checked_mul(finer).and_then(|last| last.checked_add(mean[n])), mean_scale),
            (rises[n].checked_add(rise), scale),
        ];
        for (part, (wide, scale)) in parts.iter_mut().zip(wides) {
            part.push(Decimal::try_from_i128_with_scale(wide.ok_or(Malformed)?, scale).map_err(|_| Malformed)?);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::calendar::DAY;
    use crate::history::lay::Fresh;

    fn any_number() -> impl Strategy<Value = Decimal> {
        prop_oneof![
            6 => (-100_000i64..100_000, 0u32..4).prop_map(|(m, s)| Decimal::new(m, s)),
            1 => (any::<i64>(), 0u32..=28).prop_map(|(m, s)| Decimal::new(m, s)),
        ]
    }

    fn rolled(numbers: &[(i64, Decimal)], before: Option<Decimal>) -> Vec<Bucket> {
        let home = HomeTime::default();
        let mut roller = Roller::new(&home, Level::FiveMinutes);
        numbers.iter().for_each(|(at, number)| roller.add(*at, *number));
        Fresh::new(Level::FiveMinutes, roller.close(), before).lay(Vec::new(), 0, DAY)
    }

    fn chunk(series: u64, buckets: Vec<Bucket>) -> Chunk {
        let begun = buckets.first().map(|bucket| bucket.from.0).into_iter().collect();
        Chunk { series, level: Level::FiveMinutes, from: 0, buckets, begun }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_rolled_is_what_was_there_and_comes_back(
            mut numbers in prop::collection::vec((0..DAY, any_number()), 0..300),
            extreme in any::<bool>(),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            numbers.sort_by_key(|number| number.0);
            if extreme && !numbers.is_empty() {
                numbers[0].1 = Decimal::MAX;
            }
            let buckets = rolled(&numbers, None);
            for bucket in &buckets {
                let (from, to) = (bucket.from.0, bucket.from.0 + 300_000);
                let inside: Vec<Decimal> =
                    numbers.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, number)| *number).collect();
                prop_assert_eq!(bucket.count, inside.len() as u64);
                prop_assert_eq!(Some(bucket.min), inside.iter().min().copied());
                prop_assert_eq!(Some(bucket.max), inside.iter().max().copied());
                prop_assert_eq!(Some(bucket.last), inside.last().copied());
                // Rounding moves it by less than one in the last digit.
                prop_assert!(bucket.mean <= bucket.max.max(bucket.last) && bucket.mean >= bucket.min.min(bucket.last));
            }
            prop_assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), numbers.len() as u64);
            let mut chunk = chunk(3, buckets);
            let bytes = encode(&chunk);
            prop_assert_eq!(decode(&bytes), Ok(chunk.clone()));
            // As the first format had it.
            chunk.begun.clear();
            let mut old = encode(&chunk);
            old.pop();
            old[0] = 1;
            prop_assert_eq!(decode(&old), Ok(chunk));
            prop_assert_eq!(decode(&bytes[..at.index(bytes.len())]), Err(Malformed));
            let mut bent = bytes;
            let at = at.index(bent.len());
            bent[at] ^= flip;
            let _ = decode(&bent);
        }

        #[test]
        fn noise_is_an_error_and_not_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut headed = vec![VERSION, 1, 0, 0, 5];
            headed.extend_from_slice(&noise);
            let _ = decode(&headed);
            let _ = decode(&noise);
        }
    }

    #[test]
    fn a_reset_is_borne() {
        let dec = |n: i64| Decimal::new(n, 1);
        let numbers: Vec<(i64, Decimal)> =
            [10, 12, 15, 1, 4, 9].into_iter().zip(0..).map(|(n, i)| (i * 200_000, dec(n))).collect();
        let buckets = rolled(&numbers, Some(dec(7)));
        let increases: Vec<Decimal> = buckets.iter().map(|bucket| bucket.increase).collect();
        assert_eq!(increases, [dec(5), dec(3), dec(3), dec(5)]);
        assert_eq!(rolled(&numbers, None)[0].increase, dec(2));
    }

    #[test]
    fn a_quiet_day_takes_little() {
        let numbers: Vec<(i64, Decimal)> =
            (0..144).map(|n| (n * 600_000, Decimal::new(215 + (n * 7 % 11) - 5, 1))).collect();
        let bytes = encode(&chunk(900, rolled(&numbers, None))).len();
        assert!(bytes < 250, "{bytes}");
    }
}
