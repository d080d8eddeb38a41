//! How long things took, in bounded memory: buckets that widen with the value, so that a percentile is right to 1.6 %
//! from nanoseconds to hours. Keeps no single measurement but the largest.

use std::time::Duration;

use serde::Serialize;

/// Buckets in each doubling of the value.
const STEPS: usize = 64;
/// Doublings; the last reaches past 2^50 ns, thirteen days.
const OCTAVES: usize = 46;

/// Counts of durations.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max_ns: u64,
}

/// What is told of a histogram, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; STEPS * OCTAVES].into_boxed_slice(), total: 0, max_ns: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        self.record_ns(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one, in nanoseconds.
    pub fn record_ns(&mut self, ns: u64) {
        if let Some(count) = self.counts.get_mut(bucket(ns)) {
            *count += 1;
        }
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The value that so many thousandths of all do not exceed, in nanoseconds; 0 when nothing was counted.
    pub fn at_permille(&self, permille: u64) -> u64 {
        let wanted = (self.total * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(index).min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// The usual ones.
    pub fn percentiles(&self) -> Percentiles {
        let millis = |ns: u64| (ns as f64 / 1e3).round() / 1e3;
        Percentiles {
            count: self.total,
            p50: millis(self.at_permille(500)),
            p90: millis(self.at_permille(900)),
            p99: millis(self.at_permille(990)),
            p999: millis(self.at_permille(999)),
            max: millis(self.max_ns),
        }
    }
}

/// Below 64 each value has its own bucket; above, each doubling has as many.
fn bucket(ns: u64) -> usize {
    if ns < STEPS as u64 {
        return ns as usize;
    }
    let octave = ns.ilog2() as usize - STEPS.ilog2() as usize;
    let step = (ns >> octave) as usize - STEPS;
    (STEPS + octave * STEPS + step).min(STEPS * OCTAVES - 1)
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let (octave, step) = ((index - STEPS) / STEPS, (index - STEPS) % STEPS);
    (((STEPS + step + 1) as u64) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_the_bucket_is_narrow() {
        for shift in 0..50 {
            for offset in [0u64, 1, 7] {
                let value = (1u64 << shift) + offset;
                let top = upper(bucket(value));
                assert!(top >= value, "{value} {top}");
                assert!((top - value) as f64 <= value as f64 / STEPS as f64 + 1.0, "{value} {top}");
            }
        }
        assert_eq!(bucket(u64::MAX), STEPS * OCTAVES - 1);
    }

    #[test]
    fn percentiles_of_a_thousand_are_where_they_must_be() {
        let mut one = Histogram::default();
        let mut other = Histogram::default();
        for millis in 1..=500u64 {
            one.record(Duration::from_millis(millis));
            other.record(Duration::from_millis(500 + millis));
        }
        one.merge(&other);
        let said = one.percentiles();
        assert_eq!((said.count, said.max), (1000, 1000.0));
        for (got, wanted) in [(said.p50, 500.0), (said.p90, 900.0), (said.p99, 990.0), (said.p999, 999.0)] {
            assert!((got - wanted).abs() <= wanted * 0.017, "{got} {wanted}");
        }
    }

    #[test]
    fn nothing_measured_is_nothing_told() {
        assert_eq!(Histogram::default().percentiles(), Percentiles::default());
    }
}
