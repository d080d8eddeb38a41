//! MJPEG over several segments as one MP4: each picture as it came, a sample of its own with its own time. Browsers do not
//! play that and are given pictures one by one; players and editors do, and a bare row of JPEGs would have lost the time.
//! Nothing is decoded.

use std::ops::Range;

use crate::mp4::{self, Reference};
use crate::picture;

use super::export::{ExportError, Gaps, Jump, LONGEST_GAP_MS, MOST_FRAGMENTS, Make, Part, Piece, Source};
use super::reader::SegmentReader;

/// Pictures that are further apart than the first of them was to stand are two recordings.
const APART_MS: i64 = 1_000;

/// A part that is still growing; times in ticks.
struct Draft {
    size: (u16, u16),
    pieces: Vec<Piece>,
    references: Vec<Reference>,
    jumps: Vec<Jump>,
    from_ms: i64,
    wall_end: i64,
    end: u64,
}

/// Plans the export of `wall_ms` (milliseconds since 1970) over segments of pictures in their order in time.
pub fn plan_pictures(sources: &[Source], wall_ms: Range<i64>, gaps: Gaps) -> Result<Vec<Part>, ExportError> {
    let mut parts = Vec::new();
    let mut draft: Option<Draft> = None;
    let mut count = 0;
    for source in sources {
        let reader = source.open()?;
        let mut size = None;
        for taken in reader.pictures() {
            if !wall_ms.contains(&taken.taken_ms) {
                continue;
            }
            count += 1;
            if count > MOST_FRAGMENTS {
                return Err(ExportError::TooLong);
            }
            // A camera's pictures change their size with its settings, and then a recording begins anew.
            let size = match size {
                Some(size) => size,
                None => *size.insert(size_of(&reader, taken.record)?),
            };
            let wall = taken.taken_ms.saturating_mul(90);
            let gap = draft.as_ref().map_or(0, |draft| wall.saturating_sub(draft.wall_end));
            let is_far = gaps == Gaps::Kept && gap > LONGEST_GAP_MS * 90;
            if draft.as_ref().is_some_and(|draft| draft.size != size || is_far) {
                parts.extend(draft.take().map(Draft::finish).transpose()?);
            }
            let growing = draft.get_or_insert_with(|| Draft::new(size, taken.taken_ms));
            if growing.pieces.is_empty() {
                growing.jump(taken.taken_ms);
            } else if gap.abs() > APART_MS * 90 {
                if gaps == Gaps::Kept {
                    growing.stands_for(gap);
                }
                growing.jump(taken.taken_ms);
            }
            let make = Make::Picture { base: growing.end, duration: taken.duration };
            let bytes = u32::try_from(mp4::picture_len(growing.end, taken.duration, taken.bytes)).unwrap_or(u32::MAX);
            growing.pieces.push(Piece { source: source.clone(), record: taken.record, bytes, make });
            growing.references.push(Reference { bytes, duration: taken.duration, starts_group: true });
            growing.end = growing.end.saturating_add(taken.duration.into());
            growing.wall_end = wall.saturating_add(taken.duration.into());
        }
    }
    parts.extend(draft.map(Draft::finish).transpose()?);
    Ok(parts)
}

/// As the picture says; nothing where it does not: whoever shows it looks into it anyway.
fn size_of(reader: &SegmentReader, record: u32) -> Result<(u16, u16), ExportError> {
    Ok(picture::jpeg_size(reader.read(record)?).unwrap_or_default())
}

impl Draft {
    fn new(size: (u16, u16), from_ms: i64) -> Self {
        let wall_end = from_ms.saturating_mul(90);
        Draft { size, pieces: Vec::new(), references: Vec::new(), jumps: Vec::new(), from_ms, wall_end, end: 0 }
    }

    fn jump(&mut self, wall_ms: i64) {
        self.jumps.push(Jump { ticks: self.end, wall_ms });
    }

    /// The last picture stands for so much longer.
    fn stands_for(&mut self, ticks: i64) {
        let more = u32::try_from(ticks).unwrap_or(0);
        if let (Some(piece), Some(reference)) = (self.pieces.last_mut(), self.references.last_mut()) {
            reference.duration = reference.duration.saturating_add(more);
            if let Make::Picture { duration, .. } = &mut piece.make {
                *duration = reference.duration;
            }
            self.end = self.end.saturating_add(more.into());
        }
    }

    fn finish(self) -> Result<Part, ExportError> {
        let path = || self.pieces.first().map(|piece| piece.source.path.clone()).unwrap_or_default();
        let head = mp4::pictures_init(self.size).and_then(|init| mp4::indexed(&init, 0, &self.references));
        let head = head.map_err(|source| ExportError::Mp4 { path: path(), source })?;
        Ok(Part::of(head.into(), self.pieces, self.jumps, self.from_ms..self.wall_end.div_euclid(90)))
    }
}
