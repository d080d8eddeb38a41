//! A range of time over several segments as one MP4 that plays from its first byte: the fragments of the archive,
//! decrypted and verified one by one, with their decode times and sequence numbers rewritten.
//!
//! Segments with the same initialisation are joined, whatever days' keys and gaps lie between them. Where the parameters
//! change (another resolution, sound switched on), a new part begins, which is a file of its own: a second sample entry
//! in one file is allowed by ISO/IEC 14496-12 and played by ffmpeg, but browsers stop there. The length of each part is
//! known before its first byte, and one record at a time is in memory.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use domovoi_vault::DayKey;
use mp4_atom::{Codec, Decode, Ftyp, Moov};

use crate::mp4::{self, AUDIO_TRACK, Extent, Mp4Error, Reference, Shift, TICKS_HZ, VIDEO_TRACK, scale};

use super::file::ReadAt;
use super::format::Media;
use super::reader::{ReadError, SegmentReader, records_of};
use super::trailer::{Entry, Reason, Trailer};

/// A run's place in time becomes better known while it goes on: so far a segment that follows its chain's last one may lie
/// before or after its end and is still its continuation.
const PLACED_MS: i64 = 2_000;

/// A gap longer than this is not kept open in one file: its length would not fit beside a fragment.
pub(super) const LONGEST_GAP_MS: i64 = 6 * 60 * 60 * 1000;

/// More fragments in one download than a week has.
pub(super) const MOST_FRAGMENTS: usize = 1 << 20;

/// A segment with its key.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    pub day: DayKey,
    /// Of one that is being written: as far as it is durable.
    pub growing: Option<Arc<Trailer>>,
    /// Of one whose file is in a store elsewhere: what reads it there.
    pub elsewhere: Option<Arc<dyn ReadAt>>,
}

impl Source {
    /// A closed one.
    pub fn closed(path: PathBuf, day: DayKey) -> Self {
        Source { path, day, growing: None, elsewhere: None }
    }

    /// One in a store elsewhere; `path` is what errors call it.
    pub fn elsewhere(path: PathBuf, day: DayKey, file: Arc<dyn ReadAt>) -> Self {
        Source { path, day, growing: None, elsewhere: Some(file) }
    }

    /// Opens it. What was growing may be closed by now: its records lie where they lay.
    pub fn open(&self) -> Result<SegmentReader, ReadError> {
        if let Some(file) = &self.elsewhere {
            return SegmentReader::elsewhere(Arc::clone(file), &self.path, &self.day);
        }
        match &self.growing {
            Some(trailer) => SegmentReader::growing(&self.path, &self.day, Trailer::clone(trailer)),
            None => SegmentReader::open(&self.path, &self.day),
        }
    }
}

/// What becomes of the time in which nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// The next picture follows at once; [`Part::jumps`] says what time it is there.
    Closed,
    /// The last picture stands as long as the gap was.
    Kept,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{path}: {source}")]
    Mp4 { path: PathBuf, source: Mp4Error },
    /// Of MJPEG [`plan_pictures`](super::plan_pictures) makes a film.
    #[error("{0} holds single pictures")]
    Pictures(PathBuf),
    #[error("the range has more fragments than one download holds")]
    TooLong,
}

/// From `ticks` of the part on (1/90,000 s), the wall time is `wall_ms` and what passed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    pub ticks: u64,
    pub wall_ms: i64,
}

/// One file of an export.
#[derive(Debug)]
pub struct Part {
    /// The whole file's length.
    pub bytes: u64,
    /// The wall times of its beginning and its end, in milliseconds since 1970.
    pub wall_ms: Range<i64>,
    /// The first one is the beginning.
    pub jumps: Vec<Jump>,
    head: Bytes,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) source: Source,
    pub(super) record: u32,
    /// As it stands in the file.
    pub(super) bytes: u32,
    pub(super) make: Make,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Make {
    /// A fragment is moved; `anew`: what leads into its first group is taken off.
    Moved { shift: Shift, anew: bool },
    /// A picture becomes a fragment; in ticks.
    Picture { base: u64, duration: u32 },
}

/// What an initialisation says of its tracks.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    video_hz: u32,
    audio_hz: u32,
    is_h265: bool,
}

/// A part that is still growing.
struct Draft {
    init: Bytes,
    clocks: Clocks,
    references: Vec<Reference>,
    pieces: Vec<Piece>,
    jumps: Vec<Jump>,
    wall_start_ms: i64,
    /// The end of what is in it, in wall time and in the part's own, in ticks.
    wall_end: i64,
    end: i64,
    start: i64,
    /// The last record, to see how far its sound goes: `None` while it was not needed.
    last: Option<(usize, u32)>,
}

/// Plans the export of `wall_ms` (milliseconds since 1970) over segments in their order in time. Each part begins with
/// the key frame before the range, and ends with the fragment in which the range does.
pub fn plan(sources: &[Source], wall_ms: Range<i64>, gaps: Gaps) -> Result<Vec<Part>, ExportError> {
    let mut parts = Vec::new();
    let mut draft: Option<Draft> = None;
    let mut before: Option<SegmentReader> = None;
    let mut count = 0;
    for (number, source) in sources.iter().enumerate() {
        let reader = source.open()?;
        if reader.heading().media == Media::Jpeg {
            return Err(ExportError::Pictures(source.path.clone()));
        }
        let started_ms = reader.heading().started_ms;
        let ticks = |ms: i64| ms.saturating_sub(started_ms).max(0).unsigned_abs().saturating_mul(90);
        if wall_ms.end <= started_ms {
            continue;
        }
        let entries = &reader.trailer().entries;
        let end_ms = started_ms.saturating_add(i64::try_from(reader.trailer().end() / 90).unwrap_or(i64::MAX));
        // A recording that goes on before this one reaches into the range by itself.
        if end_ms <= wall_ms.start {
            continue;
        }
        let records = records_of(entries, ticks(wall_ms.start)..ticks(wall_ms.end));
        count += records.len();
        if count > MOST_FRAGMENTS {
            return Err(ExportError::TooLong);
        }
        let init = reader.init()?;
        let goes_on = before.as_ref().is_some_and(|before| continues(before, &reader));
        for record in records {
            let Some(entry) = entries.get(record as usize).copied() else { break };
            let wall = started_ms.saturating_mul(90).saturating_add(i64::try_from(entry.start).unwrap_or(i64::MAX));
            let gap = draft.as_ref().map(|draft| wall.saturating_sub(draft.wall_end));
            let fits = draft.as_ref().is_some_and(|draft| draft.init == init);
            let last = draft.as_ref().and_then(|draft| draft.last);
            let joined = fits
                && match last {
                    Some((source, last)) if source == number => last + 1 == record,
                    Some((source, last)) => {
                        // The first record after the initialisation, and the last one of the segment before.
                        let ended =
                            before.as_ref().is_some_and(|before| last as usize + 1 == before.trailer().entries.len());
                        source + 1 == number
                            && record == 1
                            && ended
                            && goes_on
                            && gap.is_some_and(|gap| gap.abs() <= PLACED_MS * 90)
                    }
                    None => false,
                };
            let far = gap.is_some_and(|gap| gap > LONGEST_GAP_MS * 90 && gaps == Gaps::Kept);
            if !joined && (!fits || far) {
                parts.extend(draft.take().map(Draft::finish).transpose()?);
            }
            if !joined && !entry.starts_group {
                // Nothing can be shown of it before the next key frame.
                continue;
            }
            let growing = match &mut draft {
                Some(growing) => growing,
                None => draft.insert(Draft::new(init.clone(), wall, source)?),
            };
            if !joined {
                let lead = growing.lead(&reader, record, before.as_ref(), number)?;
                let kept = gap.filter(|gap| gaps == Gaps::Kept && *gap > 0).unwrap_or(0);
                growing.jump(wall, lead.max(kept));
            }
            growing.add(source, number, record, &entry, wall, !joined);
        }
        before = Some(reader);
    }
    parts.extend(draft.map(Draft::finish).transpose()?);
    Ok(parts)
}

/// Whether a segment is what follows another without a frame between them.
fn continues(before: &SegmentReader, next: &SegmentReader) -> bool {
    before.trailer().reason == Reason::Turn && before.tag().is_some() && before.tag() == next.trailer().previous
}

impl Draft {
    fn new(init: Bytes, wall: i64, source: &Source) -> Result<Self, ExportError> {
        let clocks = clocks(&init).map_err(|error| ExportError::Mp4 { path: source.path.clone(), source: error })?;
        Ok(Draft {
            init,
            clocks,
            references: Vec::new(),
            pieces: Vec::new(),
            jumps: Vec::new(),
            wall_start_ms: wall.div_euclid(90),
            wall_end: wall,
            end: 0,
            start: 0,
            last: None,
        })
    }

    /// How much later than the end of what is there a record must begin, so that its sound, which may begin before its
    /// pictures, does not begin within the sound that is there.
    fn lead(
        &self,
        reader: &SegmentReader,
        record: u32,
        before: Option<&SegmentReader>,
        number: usize,
    ) -> Result<i64, ExportError> {
        let next = self.extent(reader, record)?;
        let early = next.audio_start.map_or(0, |audio| next.video_start.saturating_sub(audio));
        let late = match self.last {
            Some((source, last)) => {
                let reader = if source == number { Some(reader) } else { before.filter(|_| source + 1 == number) };
                let end = reader.map(|reader| self.extent(reader, last)).transpose()?;
                end.map_or(0, |end| end.audio_end.map_or(0, |audio| audio.saturating_sub(end.video_end)))
            }
            None => 0,
        };
        Ok(early.max(0).saturating_add(late.max(0)))
    }

    fn extent(&self, reader: &SegmentReader, record: u32) -> Result<Times, ExportError> {
        let payload = reader.read(record)?;
        let extent =
            mp4::extent(&payload).map_err(|source| ExportError::Mp4 { path: reader.path().to_owned(), source })?;
        Ok(Times::of(&extent, self.clocks))
    }

    /// Time passes of which nothing is there.
    fn jump(&mut self, wall: i64, by: i64) {
        self.end = self.end.saturating_add(by);
        match self.references.last_mut() {
            Some(last) => last.duration = last.duration.saturating_add(u32::try_from(by).unwrap_or(u32::MAX)),
            None => self.start = self.end,
        }
        self.jumps.push(Jump { ticks: self.end.max(0).unsigned_abs(), wall_ms: wall.div_euclid(90) });
    }

    fn add(&mut self, source: &Source, number: usize, record: u32, entry: &Entry, wall: i64, anew: bool) {
        let by = self.end.saturating_sub(i64::try_from(entry.start).unwrap_or(i64::MAX));
        let shift = Shift {
            video: scale(by, TICKS_HZ, self.clocks.video_hz),
            audio: scale(by, TICKS_HZ, self.clocks.audio_hz),
        };
        self.pieces.push(Piece {
            source: source.clone(),
            record,
            bytes: entry.bytes,
            make: Make::Moved { shift, anew: anew && self.clocks.is_h265 },
        });
        self.references.push(Reference {
            bytes: entry.bytes,
            duration: entry.duration,
            starts_group: entry.starts_group,
        });
        self.end = self.end.saturating_add(i64::from(entry.duration));
        self.wall_end = wall.saturating_add(i64::from(entry.duration));
        self.last = Some((number, record));
    }

    fn finish(self) -> Result<Part, ExportError> {
        let path = || self.pieces.first().map(|piece| piece.source.path.clone()).unwrap_or_default();
        let start = self.start.max(0).unsigned_abs();
        let head = mp4::indexed(&self.init, start, &self.references)
            .map_err(|source| ExportError::Mp4 { path: path(), source })?;
        let wall_ms = self.wall_start_ms..self.wall_end.div_euclid(90);
        Ok(Part::of(head.into(), self.pieces, self.jumps, wall_ms))
    }
}

/// When the tracks of a record begin and end, in ticks of 1/90,000 s since its segment's beginning.
struct Times {
    video_start: i64,
    video_end: i64,
    audio_start: Option<i64>,
    audio_end: Option<i64>,
}

impl Times {
    fn of(extent: &Extent, clocks: Clocks) -> Self {
        let ticks = |value: u64, hz| scale(i64::try_from(value).unwrap_or(i64::MAX), hz, TICKS_HZ);
        let of = |track: u32, hz| extent.track(track).map(|range| (ticks(range.start, hz), ticks(range.end, hz)));
        let audio = of(AUDIO_TRACK, clocks.audio_hz);
        let video = of(VIDEO_TRACK, clocks.video_hz).or(audio).unwrap_or((0, 0));
        Times {
            video_start: video.0,
            video_end: video.1,
            audio_start: audio.map(|audio| audio.0),
            audio_end: audio.map(|audio| audio.1),
        }
    }
}

fn clocks(init: &[u8]) -> Result<Clocks, Mp4Error> {
    let mut rest = init;
    let moov = Ftyp::decode(&mut rest).and_then(|_| Moov::decode(&mut rest));
    let moov = moov.map_err(|_| Mp4Error::Malformed("an initialisation that does not parse"))?;
    let clock = |track: u32| {
        let trak = moov.trak.iter().find(|trak| trak.tkhd.track_id == track);
        trak.map(|trak| trak.mdia.mdhd.timescale).filter(|hz| *hz > 0)
    };
    let video_hz = clock(VIDEO_TRACK).ok_or(Mp4Error::Malformed("an initialisation without pictures"))?;
    let mut codecs = moov.trak.iter().flat_map(|trak| &trak.mdia.minf.stbl.stsd.codecs);
    let is_h265 = codecs.any(|codec| matches!(codec, Codec::Hvc1(_)));
    Ok(Clocks { video_hz, audio_hz: clock(AUDIO_TRACK).unwrap_or(TICKS_HZ), is_h265 })
}

impl Part {
    pub(super) fn of(head: Bytes, pieces: Vec<Piece>, jumps: Vec<Jump>, wall_ms: Range<i64>) -> Part {
        let payload: u64 = pieces.iter().map(|piece| u64::from(piece.bytes)).sum();
        Part { bytes: head.len() as u64 + payload, wall_ms, jumps, head, pieces }
    }

    /// How long it plays.
    pub fn duration(&self) -> std::time::Duration {
        let ticks = self.jumps.iter().map(|jump| jump.ticks).max().unwrap_or(0);
        let wall = self.jumps.last().map_or(0, |jump| self.wall_ms.end.saturating_sub(jump.wall_ms));
        mp4::duration(ticks.saturating_add(wall.max(0).unsigned_abs().saturating_mul(90)))
    }

    /// The file in pieces: its head, then a fragment each. Reads the disk: to be called where waiting is allowed.
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks { part: self, next: None, sequence: 0, reader: None }
    }
}

/// The file of a part, in order. After an error there is nothing more.
#[derive(Debug)]
pub struct Chunks<'a> {
    part: &'a Part,
    /// `None` before the head.
    next: Option<usize>,
    sequence: u32,
    reader: Option<SegmentReader>,
}

impl Chunks<'_> {
    fn piece(&mut self, piece: &Piece) -> Result<Bytes, ExportError> {
        let reader = match self.reader.take().filter(|reader| reader.path() == piece.source.path) {
            Some(reader) => reader,
            None => piece.source.open()?,
        };
        let payload = reader.read(piece.record)?;
        self.reader = Some(reader);
        let path = || piece.source.path.clone();
        let made = match piece.make {
            Make::Moved { shift, anew } => {
                let mut bytes = Vec::from(payload);
                let changed = if anew { mp4::begin_anew(&mut bytes) } else { Ok(()) };
                changed.and_then(|()| mp4::rebase(&mut bytes, &mut self.sequence, shift)).map(|()| bytes)
            }
            Make::Picture { base, duration } => {
                self.sequence = self.sequence.saturating_add(1);
                mp4::picture(self.sequence, base, duration, payload)
            }
        };
        let bytes = made.map_err(|source| ExportError::Mp4 { path: path(), source })?;
        // The length was promised; a file that was exchanged since is noticed here.
        if bytes.len() != piece.bytes as usize {
            return Err(ExportError::Read(ReadError::Damaged { path: path(), record: piece.record }));
        }
        Ok(bytes.into())
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<Bytes, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.part;
        let Some(at) = self.next else {
            self.next = Some(0);
            return Some(Ok(part.head.clone()));
        };
        let piece = part.pieces.get(at)?;
        let chunk = self.piece(piece);
        self.next = Some(if chunk.is_ok() { at + 1 } else { usize::MAX });
        Some(chunk)
    }
}
