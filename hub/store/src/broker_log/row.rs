//! The rows of the broker's log and what a start makes of them. Pure: rows in, frames out.
//!
//! ```text
//! row   := 0, lost, first, frame*      appended: the number of the first frame, and the highest number that was lost
//!                                      before (0: none is missing)
//!        | 1, of, frame*               a part of a rewrite; `of` is the row id of its first row
//!        | 2, of, up_to, frame*        its last part: all frames up to number `up_to` are replaced
//! frame := len, bytes                  all numbers are LEB128
//! ```
//!
//! The last part of a rewrite is written when all others are durable: it alone makes the rewrite count.

use crate::history::{Malformed, Reader, put_number};

const APPENDED: u8 = 0;
const PART: u8 = 1;
const LAST: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    Appended { lost: u64, first: u64, frames: Vec<Vec<u8>> },
    Part { of: i64, frames: Vec<Vec<u8>> },
    Last { of: i64, up_to: u64, frames: Vec<Vec<u8>> },
}

pub(super) fn appended(lost: u64, first: u64, frames: &[Vec<u8>]) -> Vec<u8> {
    pack(APPENDED, &[lost, first], frames)
}

pub(super) fn part(of: i64, frames: &[Vec<u8>]) -> Vec<u8> {
    pack(PART, &[of.unsigned_abs()], frames)
}

pub(super) fn last(of: i64, up_to: u64, frames: &[Vec<u8>]) -> Vec<u8> {
    pack(LAST, &[of.unsigned_abs(), up_to], frames)
}

fn pack(kind: u8, numbers: &[u64], frames: &[Vec<u8>]) -> Vec<u8> {
    let size: usize = frames.iter().map(|frame| frame.len() + 5).sum();
    let mut bytes = Vec::with_capacity(size + 16);
    bytes.push(kind);
    for number in numbers {
        put_number(&mut bytes, u128::from(*number));
    }
    for frame in frames {
        put_number(&mut bytes, frame.len() as u128);
        bytes.extend_from_slice(frame);
    }
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<Row, Malformed> {
    let mut input = Reader(bytes);
    let kind = input.byte()?;
    let number = |input: &mut Reader<'_>| u64::try_from(input.number()?).map_err(|_| Malformed);
    let head = number(&mut input)?;
    let second = if kind == PART { 0 } else { number(&mut input)? };
    let mut frames = Vec::new();
    while !input.is_empty() {
        frames.push(input.blob()?.to_vec());
    }
    let of = i64::try_from(head).map_err(|_| Malformed);
    match kind {
        APPENDED if second.checked_add(frames.len() as u64).is_some() => {
            Ok(Row::Appended { lost: head, first: second, frames })
        }
        PART => Ok(Row::Part { of: of?, frames }),
        LAST => Ok(Row::Last { of: of?, up_to: second, frames }),
        _ => Err(Malformed),
    }
}

/// A row that counts: its id, the numbers of its frames, and the highest number that was lost before it.
#[derive(Debug)]
struct Tail {
    id: i64,
    lost: u64,
    first: u64,
    frames: Vec<Vec<u8>>,
}

/// Reads the log row by row, oldest first.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Parts of a rewrite whose last part has not come yet.
    parts: Vec<(i64, Vec<Vec<u8>>)>,
    of: i64,
    /// The rewrite that counts.
    whole: Vec<Vec<u8>>,
    whole_rows: Vec<i64>,
    up_to: u64,
    rewritten: bool,
    tail: Vec<Tail>,
    seen: Vec<i64>,
    newest: u64,
    /// The last row did not open.
    damage_behind_parts: bool,
}

/// What is left of the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub frames: Vec<Vec<u8>>,
    /// Rows that count for nothing any more.
    pub garbage: Vec<i64>,
    /// The rows of the rewrite, and those behind it with the number of their last frame.
    pub rewrite: Vec<i64>,
    pub appended: Vec<(i64, u64)>,
    /// The number of the newest frame.
    pub newest: u64,
}

impl Reading {
    pub fn row(&mut self, id: i64, row: Row) {
        self.seen.push(id);
        match row {
            Row::Appended { lost, first, frames } => {
                self.newest = self.newest.max((first + frames.len() as u64).saturating_sub(1));
                self.tail.push(Tail { id, lost, first, frames });
            }
            Row::Part { of, frames } => {
                if of != self.of {
                    self.parts.clear();
                    self.of = of;
                }
                self.damage_behind_parts = false;
                self.parts.push((id, frames));
            }
            Row::Last { of, up_to, frames } => {
                if of != self.of {
                    self.parts.clear();
                }
                self.parts.push((id, frames));
                self.newest = self.newest.max(up_to);
                self.adopt(up_to);
            }
        }
    }

    /// A row that does not open was here.
    pub fn damaged(&mut self) {
        self.damage_behind_parts = !self.parts.is_empty();
    }

    fn adopt(&mut self, up_to: u64) {
        self.up_to = up_to;
        self.rewritten = true;
        self.whole_rows = self.parts.iter().map(|(id, _)| *id).collect();
        self.whole = std::mem::take(&mut self.parts).into_iter().flat_map(|(_, frames)| frames).collect();
        // Not before the end: what was appended meanwhile is behind it.
        self.tail.retain(|row| row.first + row.frames.len() as u64 > up_to + 1);
    }

    pub fn finish(mut self) -> Read {
        if !self.rewritten && self.damage_behind_parts {
            // The row that does not open was probably the last part: then the rows before the rewrite are gone, and
            // most of it is better than none of it.
            self.adopt(0);
        }
        let torn = self.tail.iter().position(|row| row.lost > self.up_to);
        self.tail.truncate(torn.unwrap_or(self.tail.len()));
        let mut read = Read { frames: self.whole, newest: self.newest, rewrite: self.whole_rows, ..Read::default() };
        for row in self.tail {
            read.appended.push((row.id, (row.first + row.frames.len() as u64).saturating_sub(1)));
            for (number, frame) in (row.first..).zip(row.frames) {
                if number > self.up_to {
                    read.frames.push(frame);
                }
            }
        }
        let counts = |id: &i64| read.rewrite.contains(id) || read.appended.iter().any(|(row, _)| row == id);
        read.garbage = self.seen.into_iter().filter(|id| !counts(id)).collect();
        read
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..5)
    }

    proptest! {
        #[test]
        fn rows_come_back(lost in any::<u64>(), first in 0..u64::MAX / 2, of in 0..i64::MAX, frames in frames()) {
            let row = Row::Appended { lost, first, frames: frames.clone() };
            prop_assert_eq!(read(&appended(lost, first, &frames)), Ok(row));
            prop_assert_eq!(read(&part(of, &frames)), Ok(Row::Part { of, frames: frames.clone() }));
            prop_assert_eq!(read(&last(of, first, &frames)), Ok(Row::Last { of, up_to: first, frames }));
        }

        #[test]
        fn noise_does_not_panic(noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..9)) {
            let mut reading = Reading::default();
            for (id, bytes) in (1..).zip(&noise) {
                match read(bytes) {
                    Ok(row) => reading.row(id, row),
                    Err(Malformed) => reading.damaged(),
                }
            }
            reading.finish();
        }
    }

    fn frame(number: u64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn log(rows: Vec<Option<Row>>) -> Read {
        let mut reading = Reading::default();
        for (id, row) in (1..).zip(rows) {
            match row {
                Some(row) => reading.row(id, row),
                None => reading.damaged(),
            }
        }
        reading.finish()
    }

    fn some(lost: u64, numbers: std::ops::RangeInclusive<u64>) -> Option<Row> {
        Some(Row::Appended { lost, first: *numbers.start(), frames: numbers.map(frame).collect() })
    }

    fn anew(of: i64, name: u64) -> Option<Row> {
        Some(Row::Part { of, frames: vec![frame(name)] })
    }

    fn end(of: i64, up_to: u64, name: u64) -> Option<Row> {
        Some(Row::Last { of, up_to, frames: vec![frame(name)] })
    }

    fn numbers(read: &Read) -> Vec<u64> {
        read.frames.iter().map(|frame| u64::from_be_bytes(frame.as_slice().try_into().unwrap())).collect()
    }

    #[test]
    fn what_was_appended_comes_in_order() {
        let read = log(vec![some(0, 1..=2), some(0, 3..=3)]);
        assert_eq!(numbers(&read), [1, 2, 3]);
        assert_eq!((read.newest, read.garbage.len()), (3, 0));
        assert_eq!(read.appended, [(1, 2), (2, 3)]);
    }

    #[test]
    fn a_rewrite_counts_from_its_last_part_on() {
        let unfinished = vec![some(0, 1..=4), anew(2, 100), some(0, 5..=6), anew(2, 101)];
        let read = log(unfinished.clone());
        assert_eq!(numbers(&read), [1, 2, 3, 4, 5, 6]);
        assert_eq!(read.garbage, [2, 4]);

        let mut finished = unfinished.clone();
        finished.extend([end(2, 5, 102), some(0, 7..=7)]);
        let read = log(finished.clone());
        assert_eq!(numbers(&read), [100, 101, 102, 6, 7]);
        assert_eq!((read.garbage, read.rewrite), (vec![1], vec![2, 4, 5]));
        assert_eq!(read.newest, 7);

        finished.extend([anew(7, 200), end(8, 7, 300)]);
        let read = log(finished);
        assert_eq!(numbers(&read), [300], "parts of another rewrite do not count");
    }

    #[test]
    fn nothing_behind_a_tear_counts_until_it_is_rewritten() {
        let torn = vec![some(0, 1..=2), some(4, 5..=6), some(4, 7..=7)];
        let read = log(torn.clone());
        assert_eq!(numbers(&read), [1, 2]);
        assert_eq!((read.garbage, read.newest), (vec![2, 3], 7));
        let mut mended = torn.clone();
        mended.push(end(4, 5, 100));
        assert_eq!(numbers(&log(mended)), [100, 6, 7]);
        let mut too_early = torn;
        too_early.push(end(4, 3, 100));
        assert_eq!(numbers(&log(too_early)), [100], "the tear is behind the rewrite");
    }

    #[test]
    fn damaged_rows_take_nothing_else_along() {
        assert_eq!(numbers(&log(vec![some(0, 1..=2), None, some(0, 4..=4)])), [1, 2, 4]);
        // The last part of a rewrite, after which the rows before it were deleted.
        assert_eq!(numbers(&log(vec![anew(1, 100), anew(1, 101), None, some(0, 7..=7)])), [100, 101, 7]);
        // A part in the middle.
        assert_eq!(numbers(&log(vec![anew(1, 100), None, end(1, 6, 102), some(0, 7..=7)])), [100, 102, 7]);
    }
}
