//! From an RTSP address to frames: one session with one camera, on retina behind the relay. Each step has a time, each
//! quantity a bound, each end a reason (`Trouble`).
//! Deliberately no second try (`supervise`), no decoding (`picture`), and no word of files.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use retina::client::{self as rtsp, Demuxed, SetupOptions, TcpTransportOptions};
use retina::codec::{CodecItem, FrameFormat};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

mod clock;
mod feed;
mod flow;
pub(crate) mod hevc;
pub(crate) mod nal;
mod options;
mod order;
mod supervise;
#[cfg(test)]
mod tests;
mod tracks;
mod trouble;

pub use clock::WallClock;
pub use feed::{Feed, Reader, feed};
pub use options::{
    Audio, FirstSequence, ForeignReports, Limits, Options, Quirks, SessionIds, StartTimes, StrayChannels, Transport,
    Visits,
};
pub use supervise::{State, Status, supervise};
pub use trouble::{Excess, Step, Trouble};

use supervise::words_of;
pub(crate) use trouble::clean;

use crate::frame::{Item, Tracks, VideoCodec};
use crate::relay::{self, Gauge};
use clock::Arrival;
use flow::{Flow, Unit};
use tracks::Choice;

/// Datagrams that cannot be made a frame of, one after another, before the session is given up: what is left of a frame
/// whose beginning was lost. Over TCP nothing is lost, and after the first bad packet there is no second: retina 0.4.21 may
/// still hold a frame on which the next packet makes it panic.
const BAD_PACKETS: u32 = 8;
/// For how long frames may come as fast as they like: what a looped file or a stalled network held back.
const BURST: Duration = Duration::from_secs(5);
/// NTP counts from 1900.
const NTP_TO_UNIX_SECONDS: i64 = 2_208_988_800;

/// A playing session. It has to be read without long pauses: the camera's bytes are bounded by what was handed out.
pub struct Session {
    /// `None` once it is closed.
    demuxed: Option<Demuxed>,
    gauge: Arc<Gauge>,
    options: Options,
    veil: Veil,
    choice: Choice,
    flow: Flow,
    playing_since: Instant,
    last_picture: Instant,
    group_seen: bool,
    pictures_without_group: u32,
    bad_packets: u32,
    /// What was wrong with the last of them.
    bad: Option<Trouble>,
    frames: Count,
    runs: Count,
    clock_offset_ms: Option<i64>,
}

impl Session {
    /// Connects, asks what there is, sets it up and plays.
    pub async fn open(options: Options) -> Result<Session, Trouble> {
        if options.transport == Transport::Udp && options.address.tls {
            return Err(Trouble::UdpOverTls);
        }
        options.visits.settle(options.limits.teardown).await;
        let session = Session::describe(&options, rtsp::TeardownPolicy::Auto).await?;
        // For a live555 before 2017.06.04 retina repeats TEARDOWN with new connections to the address that the camera gave
        // as its base, past the relay and with the password: a camera could name any host there.
        let (session, gauge, veil) = if session.0.tool().is_some_and(rtsp::Tool::has_live555_tcp_bug) {
            drop(session);
            Session::describe(&options, rtsp::TeardownPolicy::Never).await?
        } else {
            session
        };
        Session::play(options, session, gauge, veil).await
    }

    async fn describe(
        options: &Options,
        teardown: rtsp::TeardownPolicy,
    ) -> Result<(rtsp::Session<rtsp::Described>, Arc<Gauge>, Veil), Trouble> {
        let limits = &options.limits;
        let relay =
            relay::open(&options.address, &options.policy, &options.trust, limits, &options.wall, options.transport)
                .await?;
        let (entrance, gauge) = (relay.entrance, relay.gauge);
        let url = format!("rtsp://{entrance}{}", options.address.path());
        let url = Url::parse(&url).map_err(|error| Trouble::Ours { text: clean(&error.to_string(), &[]) })?;
        let credentials = options
            .login
            .as_ref()
            .map(|login| rtsp::Credentials { username: login.user.clone(), password: login.password.expose().clone() });
        let veil = options.veil(entrance);
        let session_options = options
            .quirks
            .session()
            .creds(credentials)
            .user_agent("domovoi".to_owned())
            .session_group(Arc::clone(&options.visits.0))
            .teardown(teardown);
        let given = options.login.is_some();
        let session = within(
            Step::Describe,
            limits.left_of(limits.step),
            &gauge,
            given,
            &veil,
            rtsp::Session::describe(url, session_options),
        )
        .await?;
        gauge.handed_out();
        gauge.described();
        Ok((session, gauge, veil))
    }

    async fn play(
        options: Options,
        mut session: rtsp::Session<rtsp::Described>,
        gauge: Arc<Gauge>,
        veil: Veil,
    ) -> Result<Session, Trouble> {
        let limits = options.limits.clone();
        let given = options.login.is_some();
        let mut choice = tracks::choose(session.streams(), options.audio == Audio::Keep)?;
        let setup = || {
            // Datagrams as well: the relay hands them on.
            let transport = rtsp::Transport::Tcp(TcpTransportOptions::default());
            SetupOptions::default().transport(transport).frame_format(FrameFormat::MP4)
        };
        within(Step::Setup, limits.left_of(limits.step), &gauge, given, &veil, session.setup(choice.video, setup()))
            .await?;
        gauge.handed_out();
        if let Some((audio, _)) = choice.audio {
            match within(Step::Setup, limits.left_of(limits.step), &gauge, given, &veil, session.setup(audio, setup()))
                .await
            {
                Ok(()) => {}
                // The video goes on where a camera describes audio and then does not give it.
                Err(Trouble::Refused { .. } | Trouble::NotFound | Trouble::TransportRefused | Trouble::Busy { .. }) => {
                    choice.audio = None;
                    choice.left_out.push("audio".to_owned());
                }
                Err(trouble) => return Err(trouble),
            }
            gauge.handed_out();
        }
        gauge.allow(limits.unanswered_bytes);
        let playing =
            within(Step::Play, limits.left_of(limits.step), &gauge, given, &veil, session.play(options.quirks.play()))
                .await?;
        gauge.handed_out();
        let demuxed = playing.demuxed().map_err(|error| translate(&error, &gauge, given, &veil))?;
        let now = Instant::now();
        Ok(Session {
            demuxed: Some(demuxed),
            gauge,
            veil,
            choice,
            flow: Flow::default(),
            playing_since: now,
            last_picture: now,
            group_seen: false,
            pictures_without_group: 0,
            bad_packets: 0,
            bad: None,
            frames: Count { window: BURST, since: now, seen: 0 },
            runs: Count { window: Duration::from_secs(60), since: now, seen: 0 },
            clock_offset_ms: None,
            options,
        })
    }

    /// Streams of the camera that are not kept, in its words.
    pub fn left_out(&self) -> &[String] {
        &self.choice.left_out
    }

    /// How far the camera's own clock is ahead of ours, by its last RTCP sender report; some cameras send none.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.clock_offset_ms
    }

    /// Bytes that came from the camera.
    pub fn bytes(&self) -> u64 {
        self.gauge.total()
    }

    /// The next item. After a trouble there is none.
    pub async fn next(&mut self) -> Result<Item, Trouble> {
        loop {
            if let Some(item) = self.flow.next() {
                let limit = self.options.limits.runs_per_minute;
                if matches!(item, Item::Begins { .. }) && !self.runs.allows(limit) {
                    return Err(Trouble::TooMuch { of: Excess::Runs, limit: u64::from(limit) });
                }
                return Ok(item);
            }
            self.advance().await?;
        }
    }

    /// The items as a stream that ends after the first trouble. The session is not torn down by its end.
    pub fn items(&mut self) -> impl Stream<Item = Result<Item, Trouble>> + '_ {
        futures_util::stream::unfold(Some(self), |session| async move {
            let session = session?;
            match session.next().await {
                Ok(item) => Some((Ok(item), Some(session))),
                Err(trouble) => Some((Err(trouble), None)),
            }
        })
    }

    /// Tells the camera that its place is free, and waits for its answer as long as the limits say.
    pub async fn close(mut self) {
        drop(self.demuxed.take());
        self.options.visits.settle(self.options.limits.teardown).await;
    }

    async fn advance(&mut self) -> Result<(), Trouble> {
        let limits = &self.options.limits;
        let Some(demuxed) = self.demuxed.as_mut() else { return Err(Trouble::Closed) };
        let picture = self.last_picture + limits.frame;
        let group = self.playing_since + limits.key_frame;
        let until = if self.group_seen { picture } else { picture.min(group) };
        // A camera whose packets never make a frame does not reach the time-out above by being read.
        let got = timeout_at(until, guarded(demuxed.next())).await;
        let given = self.options.login.is_some();
        let got = match got {
            Ok(Err(trouble)) => {
                self.demuxed = None;
                return Err(trouble);
            }
            Ok(Ok(got)) => Ok(got),
            Err(late) => Err(late),
        };
        match got {
            Err(_) => Err(self.gauge.trouble().unwrap_or_else(|| self.late())),
            // After some errors the client has no more to say.
            Ok(None) => Err(self.gauge.trouble().or(self.bad.take()).unwrap_or(Trouble::Closed)),
            Ok(Some(Err(error))) => {
                self.bad_packets = self.bad_packets.saturating_add(1);
                let trouble = translate(&error, &self.gauge, given, &self.veil);
                if self.options.transport == Transport::Tcp
                    || self.bad_packets >= BAD_PACKETS
                    || self.gauge.trouble().is_some()
                {
                    return Err(trouble);
                }
                self.bad = Some(trouble);
                self.flow.gap(1);
                Ok(())
            }
            Ok(Some(Ok(item))) => self.take(item),
        }
    }

    /// What is to be said when waiting is over.
    pub(crate) fn late(&self) -> Trouble {
        let limits = &self.options.limits;
        let waited = self.playing_since.elapsed();
        if !self.group_seen && self.pictures_without_group > 0 {
            Trouble::NoKeyFrame { within: waited.min(limits.key_frame) }
        } else {
            Trouble::Timeout { step: Step::Frame, after: waited.min(limits.frame) }
        }
    }

    fn take(&mut self, item: CodecItem) -> Result<(), Trouble> {
        let now = std::time::Instant::now();
        let wall_now = (self.options.wall)();
        match item {
            CodecItem::VideoFrame(frame) if frame.stream_id() == self.choice.video => {
                self.handed_out(frame.data().len())?;
                self.last_picture = Instant::now();
                if frame.loss() > 0 {
                    // Packets are counted, not frames: at least one.
                    self.flow.gap(1);
                }
                if frame.has_new_parameters() || self.flow.codec().is_none() {
                    self.read_parameters()?;
                }
                let time = frame.timestamp();
                let hz = i64::from(time.clock_rate().get());
                let unit = Unit {
                    ticks: time.timestamp(),
                    since_play_ms: time.elapsed().saturating_mul(1000) / hz,
                    arrival: Arrival { received: frame.end_ctx().received(), now, wall_now },
                    data: self.whole(frame.into_data()),
                };
                if self.flow.video(unit) {
                    self.group_seen = true;
                } else {
                    self.pictures_without_group = self.pictures_without_group.saturating_add(1);
                    if self.playing_since.elapsed() > self.options.limits.key_frame {
                        return Err(self.late());
                    }
                }
            }
            CodecItem::AudioFrame(frame) => {
                self.handed_out(frame.data().len())?;
                let time = frame.timestamp();
                let hz = i64::from(time.clock_rate().get());
                self.flow.audio(Unit {
                    ticks: time.timestamp(),
                    since_play_ms: time.elapsed().saturating_mul(1000) / hz,
                    arrival: Arrival { received: frame.ctx().received(), now, wall_now },
                    data: Bytes::copy_from_slice(frame.data()),
                });
            }
            CodecItem::Rtcp(report) => {
                for packet in report.pkts() {
                    if let Ok(Some(sender)) = packet.as_sender_report() {
                        let ntp = sender.ntp_timestamp().0;
                        let seconds = i64::try_from(ntp >> 32).unwrap_or(0).saturating_sub(NTP_TO_UNIX_SECONDS);
                        let millis = i64::try_from((ntp & 0xffff_ffff).saturating_mul(1000) >> 32).unwrap_or(0);
                        let told = seconds.saturating_mul(1000).saturating_add(millis);
                        // Cameras without a clock report zero or their time since power-on.
                        self.clock_offset_ms = (ntp != 0).then(|| told.saturating_sub(wall_now));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 2435 leaves the end marker of a JPEG to the sender, and most send none. Where there is one, a second does no
    /// harm, and ffmpeg overlooks the first behind the scans of GStreamer's encoder.
    fn whole(&self, mut data: Vec<u8>) -> Bytes {
        if self.choice.video_codec == VideoCodec::Jpeg {
            data.extend_from_slice(&[0xff, 0xd9]);
        }
        Bytes::from(data)
    }

    /// A frame came out of the client: what was read until here served a purpose, in bounds.
    fn handed_out(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.gauge.handed_out();
        self.bad_packets = 0;
        self.bad = None;
        let limits = &self.options.limits;
        if bytes > limits.access_unit_bytes {
            let limit = u64::try_from(limits.access_unit_bytes).unwrap_or(u64::MAX);
            return Err(Trouble::TooMuch { of: Excess::AccessUnit, limit });
        }
        let burst = u32::try_from(BURST.as_secs()).unwrap_or(1);
        if !self.frames.allows(limits.frames_per_second.saturating_mul(burst)) {
            let limit = u64::from(limits.frames_per_second);
            return Err(Trouble::TooMuch { of: Excess::Frames, limit });
        }
        Ok(())
    }

    fn read_parameters(&mut self) -> Result<(), Trouble> {
        let Some(demuxed) = &self.demuxed else { return Ok(()) };
        let streams = demuxed.streams();
        let read = || {
            let video = tracks::video_track(streams.get(self.choice.video)?, self.choice.video_codec)?;
            let audio = self
                .choice
                .audio
                .and_then(|(i, codec)| streams.get(i).and_then(|stream| tracks::audio_track(stream, codec)));
            Some(video.map(|video| Tracks { video, audio }))
        };
        // Sample entries are written by retina as well.
        let tracks = std::panic::catch_unwind(AssertUnwindSafe(read)).map_err(|panic| gave_way(&*panic))?;
        if let Some(tracks) = tracks {
            self.flow.set_tracks(tracks?);
        }
        Ok(())
    }
}

impl Options {
    /// What must not stand in any text: the password and what the path hides; and our own end of the relay.
    fn veil(&self, entrance: std::net::SocketAddr) -> Veil {
        let mut secrets = self.address.secrets();
        if let Some(login) = &self.login {
            secrets.push(login.password.expose().clone());
        }
        let place = format!("{}:{}", self.address.host(), self.address.port);
        Veil { secrets, entrance: entrance.to_string(), place }
    }
}

/// What is taken out of the client's texts before anybody reads them.
struct Veil {
    secrets: Vec<String>,
    entrance: String,
    place: String,
}

impl Veil {
    fn clean(&self, text: &str) -> String {
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        clean(&text.replace(&self.entrance, &self.place), &secrets)
    }
}

impl Visits {
    /// Waits until the sessions that were ended are ended for the camera as well, for at most this long.
    async fn settle(&self, at_most: Duration) {
        if timeout(at_most, self.0.await_teardown()).await.is_err() {
            tracing::debug!("a camera did not answer TEARDOWN in time");
        }
    }
}

/// How often something came within a window of time; the next begins when it is over.
struct Count {
    window: Duration,
    since: Instant,
    seen: u32,
}

impl Count {
    fn allows(&mut self, limit: u32) -> bool {
        if self.since.elapsed() >= self.window {
            self.since = Instant::now();
            self.seen = 0;
        }
        self.seen = self.seen.saturating_add(1);
        self.seen <= limit
    }
}

/// A step with its time; the relay's reason goes before the client's.
async fn within<T>(
    step: Step,
    after: Duration,
    gauge: &Gauge,
    given: bool,
    veil: &Veil,
    work: impl Future<Output = Result<T, retina::Error>>,
) -> Result<T, Trouble> {
    match timeout(after, guarded(work)).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(error))) => Err(translate(&error, gauge, given, veil)),
        Ok(Err(trouble)) => Err(trouble),
        Err(_) => Err(gauge.trouble().unwrap_or(Trouble::Timeout { step, after })),
    }
}

/// What retina 0.4.21 does with a camera's bytes may panic: when a packet is bad with which a frame without a mark ended,
/// the next packet finds that frame still waiting (`push with data already pending`). It is the camera's fault then.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Trouble> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| gave_way(&*panic))
}

fn gave_way(panic: &(dyn std::any::Any + Send)) -> Trouble {
    Trouble::Protocol { text: clean(&format!("what it sends cannot be read: {}", words_of(panic)), &[]) }
}

/// retina's errors tell their kind only in words, apart from the status of an answer.
fn translate(error: &retina::Error, gauge: &Gauge, given: bool, veil: &Veil) -> Trouble {
    if let Some(status) = error.status_code().filter(|status| !(200..300).contains(status)) {
        return Trouble::of_status(status, given);
    }
    if let Some(trouble) = gauge.trouble() {
        return trouble;
    }
    let text = error.to_string();
    // What follows a blank line are our own addresses on loopback.
    let text = text.split("\n\n").next().unwrap_or_default();
    Trouble::Protocol { text: veil.clean(text) }
}
