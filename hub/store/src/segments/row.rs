//! A segment's row: what it says, its columns, and the sealed bytes beside them. Numbers are big-endian; a text has its
//! length in two bytes before it. JSON would be twice as large, and there are hundreds of thousands of rows.
//!
//! `camera 16 | key u64 | day i64 | started i64 | ended i64 | bytes u64 | state u8 | place u8 | flags u8 | tag 16 |
//! previous 16 | records u32 | frames u32 | store | reason | trouble | run`

use domovoi_model::{Date, Id, Timestamp};
use domovoi_vault::Vault;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{ChainTag, Chained, Segment, SegmentPlace, SegmentState};
use crate::cameras::date_of;
use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::SEGMENT;

/// No text of a row is longer; what is longer is cut.
pub(super) const LONGEST_TEXT: usize = 512;

const ENDED: u8 = 1;
const TAGGED: u8 = 2;
const FOLLOWS: u8 = 4;
const EXCUSED: u8 = 8;

/// The columns that `read` wants, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, camera, day, started, ended, bytes, state, place, sealed FROM segment ", $rest)
    };
}
pub(super) use select;

pub(super) const STATES: [SegmentState; 5] =
    [SegmentState::Open, SegmentState::Done, SegmentState::Garbage, SegmentState::Missing, SegmentState::Damaged];

pub(super) const PLACES: [SegmentPlace; 3] = [SegmentPlace::Local, SegmentPlace::Spool, SegmentPlace::Remote];

/// What a code of a column stands for.
pub(super) fn state_of(code: i64) -> Option<SegmentState> {
    STATES.get(usize::try_from(code).ok()?).copied()
}

pub(super) fn place_of(code: i64) -> Option<SegmentPlace> {
    PLACES.get(usize::try_from(code).ok()?).copied()
}

/// What a row's columns say, without opening it. Columns that this program never wrote are taken for something that it can
/// delete: no row may be in the way of the others.
pub(super) fn brief(row: &SqliteRow) -> Result<super::SegmentBrief, StoreError> {
    Ok(super::SegmentBrief {
        id: id_of(row.try_get(0)?)?,
        camera: id_of(row.try_get(1)?)?,
        day: date_of(row.try_get(2)?).or_else(|| date_of(0)).ok_or_else(|| StoreError::damaged("segment: no day"))?,
        started: Timestamp(row.try_get(3)?),
        ended: row.try_get::<Option<i64>, _>(4)?.map(Timestamp),
        bytes: u64::try_from(row.try_get::<i64, _>(5)?).unwrap_or(0),
        state: state_of(row.try_get(6)?).unwrap_or(SegmentState::Damaged),
        place: place_of(row.try_get(7)?).unwrap_or(SegmentPlace::Local),
    })
}

pub(super) fn read(vault: &Vault, row: &SqliteRow) -> Result<Segment, StoreError> {
    let head = brief(row)?;
    let plaintext = SEGMENT.open(vault, &head.id.0, row.try_get(8)?)?;
    let segment = decode(head.id, &plaintext)
        .ok_or_else(|| SEGMENT.damaged(&head.id.0, "its content is not what this program writes"))?;
    let same = segment.brief() == head;
    if same { Ok(segment) } else { Err(SEGMENT.damaged(&head.id.0, "its columns were changed")) }
}

/// Writes a row anew, or for the first time: then a row of the same id is a conflict.
pub(super) async fn write(db: &Db, tx: &mut Tx<'_>, segment: &Segment, first: bool) -> Result<(), StoreError> {
    let query = if first {
        "INSERT INTO segment (id, camera, day, started, ended, bytes, state, place, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    } else {
        "UPDATE segment SET camera = ?2, day = ?3, started = ?4, ended = ?5, bytes = ?6, state = ?7, place = ?8, sealed = ?9
         WHERE id = ?1"
    };
    let bytes = i64::try_from(segment.bytes).map_err(|_| StoreError::damaged("a segment of more than 2^63 bytes"))?;
    sqlx::query(query)
        .bind(segment.id.0.to_vec())
        .bind(segment.camera.0.to_vec())
        .bind(segment.day.days_since_epoch())
        .bind(segment.started.0)
        .bind(segment.ended.map(|at| at.0))
        .bind(bytes)
        .bind(i64::from(segment.state.code()))
        .bind(i64::from(segment.place.code()))
        .bind(SEGMENT.seal(&db.vault, &segment.id.0, &encode(segment))?)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(super) fn encode(segment: &Segment) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(&segment.camera.0);
    out.extend_from_slice(&segment.key.to_be_bytes());
    out.extend_from_slice(&segment.day.days_since_epoch().to_be_bytes());
    out.extend_from_slice(&segment.started.0.to_be_bytes());
    out.extend_from_slice(&segment.ended.map_or(0, |at| at.0).to_be_bytes());
    out.extend_from_slice(&segment.bytes.to_be_bytes());
    out.push(segment.state.code());
    out.push(segment.place.code());
    let previous = segment.chained.previous;
    out.push(
        if segment.ended.is_some() { ENDED } else { 0 }
            | if segment.chained.tag.is_some() { TAGGED } else { 0 }
            | if previous.is_some() { FOLLOWS } else { 0 }
            | if segment.chained.excused { EXCUSED } else { 0 },
    );
    out.extend_from_slice(&segment.chained.tag.unwrap_or_default());
    out.extend_from_slice(&previous.unwrap_or_default());
    out.extend_from_slice(&segment.records.to_be_bytes());
    out.extend_from_slice(&segment.frames.to_be_bytes());
    for text in [&segment.store, &segment.reason, &segment.trouble, &segment.run] {
        let text = clip(text);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// At most [`LONGEST_TEXT`] bytes of it, in whole characters.
fn clip(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default()
}

/// `None` if this program does not write such a thing.
pub(super) fn decode(id: Id, plaintext: &[u8]) -> Option<Segment> {
    let mut rest = Fields(plaintext);
    let camera = Id(rest.take()?);
    let key = u64::from_be_bytes(rest.take()?);
    let day: Date = date_of(i64::from_be_bytes(rest.take()?))?;
    let started = Timestamp(i64::from_be_bytes(rest.take()?));
    let ended = Timestamp(i64::from_be_bytes(rest.take()?));
    let bytes = u64::from_be_bytes(rest.take()?);
    let [state, place, flags] = rest.take()?;
    let tag: ChainTag = rest.take()?;
    let previous: ChainTag = rest.take()?;
    let records = u32::from_be_bytes(rest.take()?);
    let frames = u32::from_be_bytes(rest.take()?);
    let [store, reason, trouble, run] = [rest.text()?, rest.text()?, rest.text()?, rest.text()?];
    let has = |flag: u8| flags & flag != 0;
    rest.0.is_empty().then_some(Segment {
        id,
        camera,
        key,
        day,
        started,
        ended: has(ENDED).then_some(ended),
        bytes,
        state: state_of(state.into())?,
        place: place_of(place.into())?,
        chained: Chained {
            tag: has(TAGGED).then_some(tag),
            previous: has(FOLLOWS).then_some(previous),
            excused: has(EXCUSED),
        },
        records,
        frames,
        store,
        reason,
        trouble,
        run,
    })
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.take()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        (text.len() <= LONGEST_TEXT).then(|| String::from_utf8(text.to_vec()).ok())?
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_segment()(
            ids in any::<([u8; 16], [u8; 16])>(), key in any::<u64>(), day in 0i64..40_000, started in any::<i64>(),
            ended in any::<Option<i64>>(), bytes in 0..u64::MAX >> 1, state in 0usize..5, place in 0usize..3,
            tags in any::<(Option<[u8; 16]>, Option<[u8; 16]>, bool)>(), counts in any::<(u32, u32)>(),
            texts in prop::array::uniform4("[а-яa-z ]{0,80}"),
        ) -> Segment {
            let [store, reason, trouble, run] = texts;
            Segment {
                id: Id(ids.0), camera: Id(ids.1), key, day: date_of(day).unwrap(), started: Timestamp(started),
                ended: ended.map(Timestamp), bytes, state: STATES[state], place: PLACES[place],
                chained: Chained { tag: tags.0, previous: tags.1, excused: tags.2 },
                records: counts.0, frames: counts.1, store, reason, trouble, run,
            }
        }
    }

    proptest! {
        #[test]
        fn a_row_reads_back(segment in any_segment()) {
            prop_assert_eq!(decode(segment.id, &encode(&segment)), Some(segment));
        }

        #[test]
        fn any_bytes_are_no_panic(segment in any_segment(), junk in any::<Vec<u8>>(), cut in any::<prop::sample::Index>(),
                                  flip in any::<prop::sample::Index>()) {
            let _ = decode(segment.id, &junk);
            let mut bytes = encode(&segment);
            let place = flip.index(bytes.len());
            bytes[place] ^= 0x55;
            let _ = decode(segment.id, &bytes);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert_eq!(decode(segment.id, &bytes), None);
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(clip(&"ж".repeat(300)).len(), 512);
        assert_eq!(clip(&format!("a{}", "ж".repeat(300))).len(), 511);
    }
}
