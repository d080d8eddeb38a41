//! Cameras and recordings as they are shown: put together when somebody asks.

use std::path::PathBuf;
use std::sync::Arc;

use domovoi_model::{Id, Timestamp};
use domovoi_store::{
    ArchiveTotals, CameraCard, Cursor, Looked, OpenNotice, Segment, SegmentBrief, SegmentPlace, SegmentState,
};
use domovoi_vault::DayKey;
use domovoi_video::Tracks;
use domovoi_video::archive::{ReadAt, Space, Trailer};
use domovoi_video::session::{State, Status, Trouble};

use super::retention::{self, Load, Outlook, Pause};
use super::seat::Seat;
use super::{ArchiveState, Cameras, CamerasError, Inner, naming};

/// A camera.
#[derive(Debug, Clone)]
pub struct CameraView {
    /// What is known of it. Its password and its paths are in it: nothing of that is shown.
    pub card: CameraCard,
    /// It was forgotten, and its recordings stay until they are too old.
    pub is_former: bool,
    /// Whether it is online, since when, and why not.
    pub status: Status,
    /// Whether it is recorded, and why not.
    pub recording: Recording,
    /// What is kept of it.
    pub kept: ArchiveTotals,
    /// So much more of segments that are open.
    pub growing_bytes: u64,
    /// How many days will be held; `None`: it is not recorded on this machine.
    pub outlook: Option<Outlook>,
    /// What it sends now: codec, size, sound.
    pub sends: Option<Arc<Tracks>>,
    /// What was told of it last and is open, the newest last.
    pub notices: Vec<OpenNotice>,
}

/// Whether a camera is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// It is.
    On {
        /// Because something happened, until then; `None`: because of the plan.
        event_until: Option<Timestamp>,
    },
    /// It is not.
    Off(Off),
}

/// Why a camera is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Off {
    /// Nothing has come yet.
    Starting,
    /// It is switched off.
    Disabled,
    /// It is never to be.
    Never,
    /// Not at this time.
    Plan {
        /// Then it is.
        until: Option<Timestamp>,
    },
    /// Nothing has happened.
    NoEvent,
    /// It sends nothing.
    Offline,
    /// The archive's disk is not there, or another one is.
    Archive(ArchiveState),
    /// There is no room.
    Paused(Pause),
    /// The disk fails, or is too slow.
    Failing,
}

impl Off {
    /// Its code on the wire; the sentence is `camera-off-` and this.
    pub fn code(&self) -> &'static str {
        match self {
            Off::Starting => "starting",
            Off::Disabled => "disabled",
            Off::Never => "never",
            Off::Plan { .. } => "plan",
            Off::NoEvent => "no-event",
            Off::Offline => "offline",
            Off::Archive(ArchiveState::Absent) => "no-disk",
            Off::Archive(ArchiveState::Other) => "other-disk",
            Off::Archive(_) => "archive",
            Off::Paused(Pause::Quota) => "quota",
            Off::Paused(Pause::Disk) => "disk-full",
            Off::Failing => "failing",
        }
    }
}

/// The archive as a whole.
#[derive(Debug, Clone)]
pub struct ArchiveView {
    /// Whether its disk is there.
    pub state: ArchiveState,
    /// Where.
    pub folder: PathBuf,
    /// The disk.
    pub space: Option<Space>,
    /// So much stays free.
    pub floor: u64,
    /// So much is kept there, of all cameras.
    pub bytes: u64,
}

/// A recording on the timeline. Between two of them nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Of the segment.
    pub id: Id,
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; of one that is being written, as far as it is durable.
    pub until: Timestamp,
    /// It is being written.
    pub is_open: bool,
    /// How it stands with it.
    pub state: SegmentState,
    /// Where its file is.
    pub place: SegmentPlace,
    /// The file's length.
    pub bytes: u64,
    /// Why it ended: a code.
    pub reason: String,
    /// What is wrong with it: a code.
    pub trouble: String,
    /// As [`run_of`] spells it.
    pub run: String,
}

/// A span of a camera's past.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Oldest first.
    pub pieces: Vec<Piece>,
    /// There may be more: ask again from here.
    pub next: Option<Cursor>,
}

/// A segment's file, to be read.
#[derive(Debug, Clone)]
pub struct SegmentFile {
    /// Its row.
    pub segment: Segment,
    /// Its file.
    pub path: PathBuf,
    /// What opens it.
    pub day: DayKey,
    /// So much later than its file says it really was: the clock was set while it was recorded. In milliseconds.
    pub later_ms: i64,
    /// Of one that is being written, as far as it is durable (`SegmentReader::growing`).
    pub growing: Option<Trailer>,
    /// Of one in a store elsewhere: what reads it there, on a thread that may wait (`SegmentReader::elsewhere`).
    pub elsewhere: Option<Arc<dyn ReadAt>>,
}

/// What a run's stream is like, as rows have it: codec, size, what browsers call it, sound, what they call that; `-` for
/// what there is not.
pub fn run_of(tracks: &Tracks) -> String {
    use domovoi_video::{AudioCodec, VideoCodec};
    let video = match tracks.video.codec {
        VideoCodec::H264 => "h264",
        VideoCodec::H265 => "h265",
        VideoCodec::Jpeg => "jpeg",
    };
    let audio = tracks.audio.as_ref().map_or("-", |audio| match audio.codec {
        AudioCodec::Aac => "aac",
        AudioCodec::Pcma => "pcma",
        AudioCodec::Pcmu => "pcmu",
    });
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.chars().take(64).collect() };
    let sound = tracks.audio.as_ref().map_or("", |audio| &audio.rfc6381);
    let (width, height) = (tracks.video.width, tracks.video.height);
    format!("{video} {width}x{height} {} {audio} {}", or_none(&tracks.video.rfc6381), or_none(sound))
}

/// The sentence for a session's trouble: what is wrong, and what to do.
pub fn trouble_message(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Unresolved { .. } => "camera-trouble-unresolved",
        Trouble::RefusedAddress { .. } => "camera-trouble-refused-address",
        Trouble::NoConnection { .. } => "camera-trouble-no-connection",
        Trouble::Timeout { .. } => "camera-trouble-timeout",
        Trouble::Unauthorized { given: true } => "camera-trouble-unauthorized",
        Trouble::Unauthorized { given: false } => "camera-trouble-login-wanted",
        Trouble::NotFound => "camera-trouble-not-found",
        Trouble::Busy { .. } => "camera-trouble-busy",
        Trouble::TransportRefused => "camera-trouble-transport-refused",
        Trouble::Refused { .. } => "camera-trouble-refused",
        Trouble::CertificateUnknown { .. } => "camera-trouble-certificate-unknown",
        Trouble::CertificateChanged { .. } => "camera-trouble-certificate-changed",
        Trouble::Tls { .. } => "camera-trouble-tls",
        Trouble::UdpOverTls => "camera-trouble-udp-over-tls",
        Trouble::NoVideo { .. } => "camera-trouble-no-video",
        Trouble::Unsupported { .. } => "camera-trouble-unsupported",
        Trouble::NoKeyFrame { .. } => "camera-trouble-no-key-frame",
        Trouble::TooMuch { .. } => "camera-trouble-too-much",
        Trouble::Silent { .. } => "camera-trouble-silent",
        Trouble::Closed => "camera-trouble-closed",
        Trouble::Protocol { .. } => "camera-trouble-protocol",
        Trouble::Ours { .. } => "camera-trouble-ours",
    }
}

impl Cameras {
    /// All cameras, by name; whoever asks leaves out what is not to be seen.
    pub async fn list(&self) -> Result<Vec<CameraView>, CamerasError> {
        let open = self.0.store.notices().open().await?;
        let outlooks = self.0.outlooks().await?;
        let mut all = Vec::new();
        for seat in self.0.seats().values() {
            all.push(self.0.view(seat, &open, &outlooks).await?);
        }
        all.sort_by_cached_key(|view| (view.is_former, view.card.name.to_lowercase(), view.card.id));
        Ok(all)
    }

    /// One of them.
    pub async fn view(&self, id: Id) -> Result<CameraView, CamerasError> {
        let seat = self.0.seat(id)?;
        let open = self.0.store.notices().open().await?;
        let outlooks = self.0.outlooks().await?;
        self.0.view(&seat, &open, &outlooks).await
    }

    /// The archive as a whole.
    pub async fn archive_view(&self) -> Result<ArchiveView, CamerasError> {
        let totals = self.0.store.segments().totals().await?;
        let growing: u64 = self.0.seats().keys().map(|id| self.0.archive.growing_bytes(*id)).sum();
        Ok(ArchiveView {
            state: self.0.archive.state(),
            folder: self.0.settings.folder.clone(),
            space: self.0.archive.space().await,
            floor: self.0.floor(),
            bytes: totals.iter().fold(growing, |sum, (_, of)| sum.saturating_add(of.here())),
        })
    }

    /// What was recorded of a camera in a span (`from` included, `to` not), oldest first. A page has at most 2,000 pieces.
    pub async fn timeline(
        &self,
        camera: Id,
        from: Timestamp,
        to: Timestamp,
        after: Option<Cursor>,
    ) -> Result<Timeline, CamerasError> {
        self.0.seat(camera)?;
        let looked = self.0.store.segments().list(camera, from, to, after, domovoi_store::LOOK_LIMIT).await?;
        let Looked { segments, damaged, next } = looked;
        let mut pieces: Vec<Piece> = segments.iter().map(|segment| self.0.piece(segment)).collect();
        pieces.extend(damaged.iter().map(unreadable));
        pieces.retain(|piece| piece.until > from || piece.from >= from);
        pieces.sort_by_key(|piece| (piece.from, piece.id));
        Ok(Timeline { pieces, next })
    }

    /// A segment's file, with what opens it. It may be deleted at any moment: whoever has it open goes on.
    pub async fn segment(&self, camera: Id, id: Id) -> Result<SegmentFile, CamerasError> {
        self.0.seat(camera)?;
        self.0.segment_file(camera, id).await
    }
}

impl Inner {
    async fn view(&self, seat: &Seat, open: &[OpenNotice], all: &[Outlook]) -> Result<CameraView, CamerasError> {
        let card = seat.card();
        let about = |key: &str| key.strip_suffix(&card.id.to_string()).is_some_and(|front| front.ends_with('/'));
        Ok(CameraView {
            is_former: seat.is_former(),
            status: seat.status(),
            recording: seat.recording(),
            kept: self.store.segments().bytes_of(card.id).await?,
            growing_bytes: self.archive.growing_bytes(card.id),
            outlook: all.iter().find(|outlook| outlook.camera == card.id).copied(),
            sends: Some(seat.status()).filter(|now| matches!(now.state, State::Online { .. })).and(seat.live.tracks()),
            notices: open.iter().filter(|open| about(&open.key)).cloned().collect(),
            card,
        })
    }

    pub(super) async fn segment_file(&self, camera: Id, id: Id) -> Result<SegmentFile, CamerasError> {
        let segment = self.store.segments().get(id).await?.filter(|segment| segment.camera == camera);
        let segment = segment.ok_or(CamerasError::NoSegment)?;
        match (segment.state, segment.place) {
            (SegmentState::Garbage, _) => return Err(CamerasError::NoSegment),
            (SegmentState::Missing, _) => return Err(CamerasError::Unreadable("its file is not there")),
            _ => {}
        }
        let key = self.store.cameras().key(segment.key).await?;
        let day = key.ok_or(CamerasError::Unreadable("the key of its day was destroyed"))?.key;
        let elsewhere = match segment.place {
            SegmentPlace::Remote => Some(self.far_file(&segment).await?),
            SegmentPlace::Local | SegmentPlace::Spool => None,
        };
        let growing = self.archive.growing(id);
        if segment.state == SegmentState::Open && growing.as_ref().is_none_or(|growing| growing.durable.is_none()) {
            return Err(CamerasError::NoSegment);
        }
        Ok(SegmentFile {
            path: self.archive.folder.join(naming::segment_file(camera, segment.day, id)),
            day,
            later_ms: segment.started.0.saturating_sub(naming::began(id).0),
            growing: growing.and_then(|growing| growing.durable).map(|(_, trailer)| trailer),
            elsewhere,
            segment,
        })
    }

    fn piece(&self, segment: &Segment) -> Piece {
        let growing = self.archive.growing(segment.id).and_then(|growing| growing.durable);
        let reached = growing.as_ref().map(|(_, trailer)| i64::try_from(trailer.end() / 90).unwrap_or(0));
        Piece {
            id: segment.id,
            from: segment.started,
            until: segment.ended.unwrap_or_else(|| segment.started.plus_millis(reached.unwrap_or(0))),
            is_open: segment.state == SegmentState::Open,
            state: segment.state,
            place: segment.place,
            bytes: growing.map_or(segment.bytes, |(bytes, _)| bytes.max(segment.bytes)),
            reason: segment.reason.clone(),
            trouble: segment.trouble.clone(),
            run: segment.run.clone(),
        }
    }

    /// How many days each camera's recordings will be held.
    pub(super) async fn outlooks(&self) -> Result<Vec<Outlook>, CamerasError> {
        let mut loads = Vec::new();
        let mut taken = 0u64;
        for seat in self.seats().values() {
            let card = seat.card();
            let totals = self.store.segments().bytes_of(card.id).await?;
            taken = taken.saturating_add(totals.here());
            if seat.is_former() || !card.enabled {
                continue;
            }
            loads.push(Load {
                camera: card.id,
                bytes_per_day: self.bytes_per_day(seat, totals.bytes()).await?,
                quota: card.quota_bytes.unwrap_or(self.settings.quota),
                keep_days: card.keep_days.unwrap_or(self.settings.keep_days),
            });
        }
        let free = self.archive.space().await.map(|space| space.free.saturating_sub(self.floor()));
        Ok(retention::outlook(free.map(|free| free.saturating_add(taken)), &loads))
    }
}

/// Of a row that does not open, what its columns say.
fn unreadable(brief: &SegmentBrief) -> Piece {
    Piece {
        id: brief.id,
        from: brief.started,
        until: brief.ended.unwrap_or(brief.started),
        is_open: false,
        state: SegmentState::Damaged,
        place: brief.place,
        bytes: brief.bytes,
        reason: String::new(),
        trouble: "row".to_owned(),
        run: String::new(),
    }
}
