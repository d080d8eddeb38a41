//! What a session is opened with: where, as whom, how far it may go, and what is known of the camera's habits.
//! Deliberately without files or defaults from a configuration: whoever opens a session has read those.

use std::sync::Arc;
use std::time::Duration;

use retina::client as rtsp;
use tokio::time::Instant;

use super::WallClock;
use crate::address::{Address, Login, Policy};
use crate::trust::Trust;

#[derive(Clone)]
pub struct Options {
    pub address: Address,
    pub login: Option<Login>,
    pub transport: Transport,
    pub trust: Trust,
    pub audio: Audio,
    pub policy: Policy,
    pub limits: Limits,
    pub quirks: Quirks,
    /// Milliseconds since 1970: wall time is handed in, never read here.
    pub wall: WallClock,
    /// Shared by all sessions with one camera.
    pub visits: Visits,
}

impl Options {
    pub fn new(address: Address, login: Option<Login>, wall: WallClock) -> Options {
        Options {
            address,
            login,
            transport: Transport::default(),
            trust: Trust::default(),
            audio: Audio::default(),
            policy: Policy::default(),
            limits: Limits::default(),
            quirks: Quirks::default(),
            wall,
            visits: Visits::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// RTP inside the RTSP connection.
    #[default]
    Tcp,
    /// RTP by datagrams, by the owner's explicit choice for cameras that stutter over TCP: the stream is in clear, whoever
    /// is on the network can forge it, what is lost is lost.
    Udp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audio {
    #[default]
    Keep,
    Leave,
}

/// How long and how much. No limit is there for a camera that works; each one ends a way to hold the hub.
#[derive(Clone, Debug)]
pub struct Limits {
    pub connect: Duration,
    /// Each of TLS, DESCRIBE, SETUP and PLAY, to its end: a header that drips does not extend it.
    pub step: Duration,
    /// Between two pictures. Encoders that save send one in ten seconds at night; restreamers that loop a file send it in
    /// one burst and fall silent for its length.
    pub frame: Duration,
    /// From PLAY to the first key frame. An intra-refresh H.264 camera never sends one.
    pub key_frame: Duration,
    pub teardown: Duration,
    /// When a session that does not play yet is to have failed: for a check, which has ten seconds for all of its steps.
    pub playing_by: Option<Instant>,
    /// Without one byte from the camera: longer than from one keepalive of the client to the next (half of the session's
    /// time-out and at most 30 s), which every camera that is alive answers. One without power is noticed by the kernel
    /// sooner.
    pub silence: Duration,
    /// Bytes of an answer before PLAY.
    pub answer_bytes: u64,
    /// Bytes since the last frame, while playing. The client's ring buffer doubles at each power of two, so that this
    /// bound keeps it at 4 MiB; a flood of the smallest packets costs about three times its bytes beside it. A key frame
    /// of an 8-megapixel camera is below half of it.
    pub unanswered_bytes: u64,
    pub access_unit_bytes: usize,
    /// For longer than five seconds. MJPEG at 1080p30 is below half of it.
    pub pace_bytes_per_second: u64,
    pub frames_per_second: u32,
    /// Each run is a file of the archive, and making one durable keeps the disk busy for all cameras.
    pub runs_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            step: Duration::from_secs(10),
            frame: Duration::from_secs(40),
            key_frame: Duration::from_secs(40),
            teardown: Duration::from_secs(5),
            playing_by: None,
            silence: Duration::from_secs(35),
            answer_bytes: 256 << 10,
            unanswered_bytes: 7 << 19,
            access_unit_bytes: 3 << 20,
            pace_bytes_per_second: 16_000_000,
            frames_per_second: 500,
            runs_per_minute: 60,
        }
    }
}

impl Limits {
    /// What is left of a time before everything is to have ended.
    pub(crate) fn left_of(&self, time: Duration) -> Duration {
        self.playing_by.map_or(time, |by| time.min(by.saturating_duration_since(Instant::now())))
    }
}

/// The sessions that a camera may still believe in after we have left: cameras serve one to four viewers, and the next
/// session waits until the last one is told to be over.
#[derive(Clone, Default)]
pub struct Visits(pub(super) Arc<rtsp::SessionGroup>);

/// Habits of cameras that need another reading than the standard's. Each has the default that most cameras need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    pub start_times: StartTimes,
    pub first_sequence: FirstSequence,
    pub foreign_reports: ForeignReports,
    pub session_ids: SessionIds,
    pub stray_channels: StrayChannels,
}

/// The `rtptime` of PLAY's answer, which places audio beside video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTimes {
    /// Taken where all streams have one. Where it is half a second or more from what the arrival says, the arrival wins
    /// anyway.
    #[default]
    WhereGiven,
    /// For cameras whose value has nothing to do with the stream (Geovision).
    Ignored,
}

/// The `seq` of PLAY's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstSequence {
    /// 0 and 1 are not believed: Hikvision DS-2CD2032-I and Tapo C320WS send them and begin elsewhere.
    #[default]
    Plausible,
    /// For cameras that send another wrong number.
    Ignored,
}

/// RTCP of a source that the stream does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForeignReports {
    /// TP-Link Tapo and some Reolink report under another SSRC than they send.
    #[default]
    Dropped,
    EndSession,
}

/// A second SETUP that answers with another session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionIds {
    #[default]
    MustMatch,
    /// Some Foscam-like firmware counts up with each SETUP and means the first.
    FirstCounts,
}

/// Data on channels that nobody set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StrayChannels {
    /// Ignored, unless the camera runs a live555 before 2017.06.04: that one goes on with sessions of dead connections on
    /// new ones.
    #[default]
    Auto,
    Ignored,
}

impl Quirks {
    pub(super) fn play(&self) -> rtsp::PlayOptions {
        rtsp::PlayOptions::default()
            .initial_timestamp(match self.start_times {
                StartTimes::WhereGiven => rtsp::InitialTimestampPolicy::Permissive,
                StartTimes::Ignored => rtsp::InitialTimestampPolicy::Ignore,
            })
            .initial_seq(match self.first_sequence {
                FirstSequence::Plausible => rtsp::InitialSequenceNumberPolicy::IgnoreSuspiciousValues,
                FirstSequence::Ignored => rtsp::InitialSequenceNumberPolicy::Ignore,
            })
            .unknown_rtcp_ssrc(match self.foreign_reports {
                ForeignReports::Dropped => rtsp::UnknownRtcpSsrcPolicy::DropPackets,
                ForeignReports::EndSession => rtsp::UnknownRtcpSsrcPolicy::AbortSession,
            })
    }

    pub(super) fn session(&self) -> rtsp::SessionOptions {
        rtsp::SessionOptions::default()
            .session_id(match self.session_ids {
                SessionIds::MustMatch => rtsp::SessionIdPolicy::RequireMatch,
                SessionIds::FirstCounts => rtsp::SessionIdPolicy::UseFirst,
            })
            .unassigned_channel_data(match self.stray_channels {
                StrayChannels::Auto => rtsp::UnassignedChannelDataPolicy::Auto,
                StrayChannels::Ignored => rtsp::UnassignedChannelDataPolicy::Ignore,
            })
    }
}
