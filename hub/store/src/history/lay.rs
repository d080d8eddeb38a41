//! What the samples of a day say now, laid among the intervals that are stored. Knows no table and reads no sample.
//!
//! Where samples are gone or cannot be read, what is stored knows more than what is left: a stored interval stands, and what
//! comes late only widens its least and its greatest. An interval that is missing is made from what came. Its increase
//! counts unless the interval behind it has counted it already: that one counted from the last value before itself, over
//! everything that was not there yet. Only an interval that began its series, when it was rolled, has not.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::read::{Bucket, Level};
use super::rollup::{Piece, rise, tidy};

/// A day of a series at one level, as its samples are now.
#[derive(Debug)]
pub(super) struct Fresh {
    pub level: Level,
    pub pieces: Vec<Piece>,
    /// The last value before the day, from which its first increase counts.
    pub before: Option<Decimal>,
    /// Intervals that begin up to this moment stand as they are stored.
    pub stands_to: Option<i64>,
    /// What is stored of the day had no value before it when it was rolled.
    pub begun: bool,
    /// What is stored behind the day stands too, and has counted from a value before it.
    pub counted_behind: bool,
}

impl Fresh {
    /// A day of which nothing is gone.
    pub fn new(level: Level, pieces: Vec<Piece>, before: Option<Decimal>) -> Self {
        Fresh { level, pieces, before, stands_to: None, begun: false, counted_behind: false }
    }

    pub fn stands(&self, at: i64) -> bool {
        self.stands_to.is_some_and(|to| at <= to)
    }

    /// The stored buckets with those of the day, which lies in `from <= at < to`, put in their place.
    pub fn lay(self, stored: Vec<Bucket>, from: i64, to: i64) -> Vec<Bucket> {
        let mut all: BTreeMap<i64, Bucket> = BTreeMap::new();
        let mut standing: BTreeMap<i64, Bucket> = BTreeMap::new();
        for bucket in stored {
            let at = bucket.from.0;
            if !(from..to).contains(&at) {
                all.insert(at, bucket);
            } else if self.stands(at) {
                standing.insert(at, bucket);
            }
        }
        let first_standing = standing.keys().next().copied();
        let last_standing = standing.keys().next_back().copied();
        let counted = |at: i64| match (first_standing, last_standing) {
            (Some(first), Some(last)) if at < last => at > first || !self.begun,
            _ => self.counted_behind,
        };
        let mut fresh: BTreeMap<i64, &Piece> = self.pieces.iter().map(|piece| (piece.bucket.from.0, piece)).collect();
        let begins: BTreeSet<i64> = standing.keys().chain(fresh.keys()).copied().collect();
        let mut before = self.before;
        for at in begins {
            let bucket = match (standing.remove(&at), fresh.remove(&at)) {
                (Some(mut stands), piece) => {
                    if let Some(Piece { bucket, .. }) = piece {
                        stands.min = stands.min.min(bucket.min);
                        stands.max = stands.max.max(bucket.max);
                    }
                    stands
                }
                (None, Some(piece)) => {
                    let mut bucket = piece.bucket.clone();
                    let since = before.map_or(Decimal::ZERO, |before| rise(before, piece.first));
                    bucket.increase = match self.stands(at) && counted(at) {
                        true => Decimal::ZERO,
                        false => bucket.increase.checked_add(since).unwrap_or(Decimal::MAX),
                    };
                    tidy(bucket)
                }
                (None, None) => continue,
            };
            before = Some(bucket.last);
            all.insert(at, bucket);
        }
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::Timestamp;

    use super::*;

    const STEP: i64 = 300_000;

    fn dec(n: i64) -> Decimal {
        Decimal::from(n)
    }

    fn bucket(at: i64, values: &[i64], increase: i64) -> Bucket {
        let mean = dec(values.iter().sum::<i64>()) / dec(values.len() as i64);
        Bucket {
            from: Timestamp(at * STEP),
            count: values.len() as u64,
            min: dec(values.iter().copied().min().unwrap()),
            mean,
            max: dec(values.iter().copied().max().unwrap()),
            last: dec(values[values.len() - 1]),
            increase: dec(increase),
        }
    }

    fn piece(at: i64, values: &[i64]) -> Piece {
        let inner = values.windows(2).map(|pair| (pair[1] - pair[0]).max(0)).sum();
        Piece { bucket: bucket(at, values, inner), first: dec(values[0]) }
    }

    fn laid(fresh: Fresh, stored: &[Bucket]) -> Vec<Bucket> {
        fresh.lay(stored.to_vec(), 0, 288 * STEP)
    }

    fn gone(pieces: Vec<Piece>) -> Fresh {
        Fresh { stands_to: Some(287 * STEP), ..Fresh::new(Level::FiveMinutes, pieces, Some(dec(10))) }
    }

    #[test]
    fn where_nothing_is_gone_the_samples_say_all() {
        let stored = [bucket(1, &[11], 1), bucket(2, &[12], 1), bucket(300, &[99], 5)];
        let fresh = Fresh::new(Level::FiveMinutes, vec![piece(0, &[10, 12]), piece(2, &[3, 5])], Some(dec(7)));
        assert_eq!(laid(fresh, &stored), [bucket(0, &[10, 12], 5), bucket(2, &[3, 5], 2), bucket(300, &[99], 5)]);
    }

    #[test]
    fn what_is_stored_stands_however_much_comes_late() {
        let stored = [bucket(1, &[11], 1), bucket(5, &[15, 16], 5)];
        // As many as are stored, and more.
        let late = vec![piece(1, &[9]), piece(5, &[12, 17, 13, 18])];
        let mut widened = stored.clone();
        (widened[0].min, widened[1].min, widened[1].max) = (dec(9), dec(12), dec(18));
        assert_eq!(laid(gone(late), &stored), widened);
    }

    #[test]
    fn an_increase_that_is_counted_already_is_not_counted_again() {
        let stored = [bucket(1, &[11], 1), bucket(5, &[15], 4)];
        let late = vec![piece(0, &[10]), piece(3, &[12, 13]), piece(7, &[16, 18])];
        let increases = |fresh: Fresh| -> Vec<i64> {
            laid(fresh, &stored).iter().map(|bucket| bucket.increase.mantissa() as i64).collect()
        };
        // The one behind them all counts from the last that is stored.
        assert_eq!(increases(gone(late.clone())), [0, 1, 0, 4, 3]);
        assert_eq!(increases(Fresh { counted_behind: true, ..gone(late.clone()) }), [0, 1, 0, 4, 0]);
        // What is stored began the series: nobody has counted what lies before it.
        let earlier = vec![piece(0, &[4, 6]), piece(3, &[12, 13])];
        let begun = Fresh { begun: true, before: Some(dec(1)), ..gone(earlier) };
        assert_eq!(increases(begun), [5, 1, 0, 4]);
    }

    #[test]
    fn what_begins_after_the_last_that_is_gone_is_made_anew() {
        let stored = [bucket(1, &[11], 1), bucket(5, &[15], 4)];
        let fresh = Fresh { stands_to: Some(STEP), ..gone(vec![piece(1, &[8]), piece(3, &[12]), piece(5, &[15, 14])]) };
        let mut first = stored[0].clone();
        first.min = dec(8);
        assert_eq!(laid(fresh, &stored), [first, bucket(3, &[12], 1), bucket(5, &[15, 14], 3)]);
    }
}
