//! What the journal holds, series by series, in memory: a range of one series must not decode the whole journal. Holds
//! nothing that is not durable, and no more than a cap; what does not fit is read from the rows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domovoi_model::{Moment, Quality, Sample, Timestamp, Unit, Value};

use super::encoding::Numbered;
use super::read::Point;

/// So many samples are held, some six megabytes: more than the journal has before it is folded into blocks.
const MOST_SAMPLES: usize = 65_536;

/// And so many bytes of texts.
const MOST_TEXT: usize = 4 << 20;

/// A sample of the journal, small.
#[derive(Debug)]
struct Entry {
    seq: u64,
    at: Moment,
    value: Value,
    doubt: Option<Box<str>>,
    device_time: Option<Timestamp>,
}

impl Entry {
    fn new(seq: u64, at: Moment, value: Value, quality: &Quality, device_time: Option<Timestamp>) -> Self {
        let doubt = match quality {
            Quality::Good => None,
            Quality::Suspect(complaint) => Some(complaint.as_str().into()),
        };
        Entry { seq, at, value, doubt, device_time }
    }

    fn text(&self) -> usize {
        let value = if let Value::Text(text) = &self.value { text.len() } else { 0 };
        value + self.doubt.as_ref().map_or(0, |doubt| doubt.len())
    }
}

#[derive(Debug, Default)]
struct Inner {
    by_series: HashMap<u32, Vec<Entry>>,
    /// The rows that are in here: first and last seq, oldest first.
    rows: VecDeque<(u64, u64)>,
    samples: usize,
    text: usize,
    /// Rows of the journal from this one on are in here, or no longer in the journal.
    whole_from: u64,
}

/// The index.
#[derive(Debug)]
pub(super) struct Recent(Mutex<Inner>);

impl Recent {
    /// `next` is the first seq that was never given out: nothing before it is in here.
    pub fn new(next: u64) -> Self {
        Recent(Mutex::new(Inner { whole_from: next, ..Inner::default() }))
    }

    /// A row has become durable; its samples with the numbers of their series.
    pub fn push<'a>(&self, first: u64, samples: impl Iterator<Item = (u32, &'a Sample)>) {
        let mut inner = self.lock();
        // A commit whose answer was lost is in the journal and not in here: from there on it is read from the rows.
        let expected = inner.rows.back().map_or(inner.whole_from, |(_, last)| last + 1);
        if first > expected {
            *inner = Inner { whole_from: first, ..Inner::default() };
        }
        let mut last = first;
        for (seq, (series, sample)) in (first..).zip(samples) {
            let entry = Entry::new(seq, sample.at, sample.value.clone(), &sample.quality, sample.device_time);
            inner.add(series, entry);
            last = seq;
        }
        inner.rows.push_back((first, last));
        if inner.samples > MOST_SAMPLES || inner.text > MOST_TEXT {
            inner.shrink();
        }
    }

    /// A row of before, read back: rows are given newest first, right before the oldest that is in here. False when there
    /// is no room for it.
    pub fn push_older(&self, first: u64, last: u64, samples: Vec<Numbered>) -> bool {
        let mut inner = self.lock();
        if last >= inner.whole_from || inner.samples >= MOST_SAMPLES / 2 || inner.text >= MOST_TEXT / 2 {
            return false;
        }
        for (seq, sample) in (first..).zip(samples) {
            inner.add(sample.series, Entry::new(seq, sample.at, sample.value, &sample.quality, sample.device_time));
        }
        inner.rows.push_front((first, last));
        inner.whole_from = first;
        true
    }

    /// Nothing of the journal before this seq is missing any more: there is nothing older.
    pub fn whole(&self) {
        self.lock().whole_from = 0;
    }

    /// These rows have left the journal.
    pub fn forget(&self, rows: &[(u64, u64)]) {
        let mut inner = self.lock();
        let gone = |seq: u64| {
            let after = rows.partition_point(|(first, _)| *first <= seq);
            after > 0 && rows[after - 1].1 >= seq
        };
        inner.rows.retain(|(first, _)| !gone(*first));
        inner.retain(|entry| !gone(entry.seq));
    }

    /// The samples of some series in `from <= at < to`, with their seqs, and the seq before which the journal's rows have
    /// to be read as well.
    pub fn of(
        &self,
        series: &[(u32, Unit)],
        from: i64,
        to: i64,
        resolve: impl Fn(Moment) -> Moment,
    ) -> (Vec<(u64, Point)>, u64) {
        let inner = self.lock();
        let mut found = Vec::new();
        for (number, unit) in series {
            for entry in inner.by_series.get(number).into_iter().flatten() {
                if let Moment::Wall(at) = resolve(entry.at)
                    && (from..to).contains(&at.0)
                {
                    found.push((entry.seq, entry.point(at, *unit)));
                }
            }
        }
        (found, inner.whole_from)
    }

    /// Rows of the journal before this seq are not in here.
    pub fn whole_from(&self) -> u64 {
        self.lock().whole_from
    }

    /// How many samples are in here.
    #[cfg(test)]
    pub fn samples(&self) -> usize {
        self.lock().samples
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn point(&self, at: Timestamp, unit: Unit) -> Point {
        let quality = self.doubt.as_ref().map_or(Quality::Good, |doubt| Quality::Suspect(doubt.to_string()));
        Point { at, value: self.value.clone(), unit, quality, device_time: self.device_time }
    }
}

impl Inner {
    fn add(&mut self, series: u32, entry: Entry) {
        self.samples += 1;
        self.text += entry.text();
        self.by_series.entry(series).or_default().push(entry);
    }

    /// Lets the older rows go until half of the room is free.
    fn shrink(&mut self) {
        while let Some((_, last)) = self.rows.pop_front() {
            // Some rows at a time: each time everything is walked over.
            let step = self.rows.len() / 8;
            let last = self.rows.drain(..step).next_back().map_or(last, |(_, last)| last);
            self.whole_from = self.whole_from.max(last + 1);
            self.retain(|entry| entry.seq > last);
            if self.samples <= MOST_SAMPLES / 2 && self.text <= MOST_TEXT / 2 {
                return;
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let (mut samples, mut text) = (0, 0);
        self.by_series.retain(|_, entries| {
            entries.retain(&keep);
            entries.shrink_to(entries.len() * 2);
            samples += entries.len();
            text += entries.iter().map(Entry::text).sum::<usize>();
            !entries.is_empty()
        });
        (self.samples, self.text) = (samples, text);
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::DeviceRef;
    use rust_decimal::Decimal;

    use super::*;

    fn sample(n: i64) -> Sample {
        Sample {
            device: DeviceRef::new("a", "b"),
            property: "c".into(),
            value: Value::Number(Decimal::from(n)),
            unit: Unit::None,
            quality: Quality::Good,
            at: Moment::Wall(Timestamp(n)),
            device_time: None,
        }
    }

    fn push(recent: &Recent, range: std::ops::Range<i64>) {
        let samples: Vec<Sample> = range.clone().map(sample).collect();
        recent.push(range.start as u64, samples.iter().map(|sample| (7, sample)));
    }

    fn held(recent: &Recent) -> (Vec<u64>, u64) {
        let (found, whole) = recent.of(&[(7, Unit::None)], 0, i64::MAX, |at| at);
        (found.into_iter().map(|(seq, _)| seq).collect(), whole)
    }

    #[test]
    fn rows_come_and_go() {
        let recent = Recent::new(10);
        push(&recent, 10..13);
        push(&recent, 13..14);
        push(&recent, 14..20);
        assert_eq!(held(&recent), ((10..20).collect(), 10));
        let older = |n: i64| {
            let sample = sample(n);
            let (value, quality) = (sample.value, sample.quality);
            Numbered { series: 7, value, quality, at: sample.at, device_time: None }
        };
        assert!(recent.push_older(8, 9, vec![older(8), older(9)]));
        assert!(!recent.push_older(9, 9, vec![older(9)]), "it is in here already");
        recent.forget(&[(8, 9), (13, 13)]);
        let (mut seqs, whole) = held(&recent);
        seqs.sort_unstable();
        assert_eq!((seqs, whole), ([10, 11, 12, 14, 15, 16, 17, 18, 19].into(), 8));
        assert_eq!(recent.samples(), 9);
    }

    #[test]
    fn a_gap_is_read_from_the_rows() {
        let recent = Recent::new(1);
        push(&recent, 1..5);
        push(&recent, 9..11);
        assert_eq!(held(&recent), (vec![9, 10], 9));
    }

    #[test]
    fn what_does_not_fit_is_let_go_oldest_first() {
        let recent = Recent::new(1);
        for n in 0..250 {
            push(&recent, 1 + n * 1000..1 + (n + 1) * 1000);
            let (seqs, whole) = held(&recent);
            assert_eq!(seqs, (whole..=(n as u64 + 1) * 1000).collect::<Vec<_>>());
            assert!(recent.samples() <= MOST_SAMPLES);
        }
        let mut long = sample(250_001);
        for n in 0..10 {
            long.value = Value::Text("x".repeat(1 << 20));
            recent.push(250_001 + n, std::iter::once((7, &long)));
        }
        assert!(recent.lock().text <= MOST_TEXT);
    }
}
