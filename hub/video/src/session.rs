//! From an RTSP address to frames: one session with one camera, on retina behind the relay. Each step has a time, each
//! quantity a bound, each end a reason (`Trouble`).
//! Deliberately no second try (`supervise`), no decoding (`picture`), and no word of files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
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

pub(crate) use trouble::clean;

use crate::frame::{Item, Tracks};
use crate::relay::{self, Gauge};
use clock::Arrival;
use flow::{Flow, Unit};
use tracks::Choice;

/// Packets that cannot be made a frame of, one after another, before the session is given up.
const BAD_PACKETS: u32 = 8;
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
    rate: Rate,
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
            rate: Rate { since: now, frames: 0 },
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
        let got = timeout_at(until, demuxed.next()).await;
        let given = self.options.login.is_some();
        match got {
            Err(_) => Err(self.gauge.trouble().unwrap_or_else(|| self.late())),
            Ok(None) => Err(self.gauge.trouble().unwrap_or(Trouble::Closed)),
            Ok(Some(Err(error))) => {
                self.bad_packets = self.bad_packets.saturating_add(1);
                if self.bad_packets >= BAD_PACKETS || self.gauge.trouble().is_some() {
                    return Err(translate(&error, &self.gauge, given, &self.veil));
                }
                self.flow.gap(1);
                Ok(())
            }
            Ok(Some(Ok(item))) => self.take(item),
        }
    }

    fn late(&self) -> Trouble {
        let limits = &self.options.limits;
        if !self.group_seen && self.pictures_without_group > 0 {
            Trouble::NoKeyFrame { within: self.playing_since.elapsed().min(limits.key_frame) }
        } else {
            Trouble::Timeout { step: Step::Frame, after: limits.frame }
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
                    data: Bytes::from(frame.into_data()),
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

    /// A frame came out of the client: what was read until here served a purpose, in bounds.
    fn handed_out(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.gauge.handed_out();
        self.bad_packets = 0;
        let limits = &self.options.limits;
        if bytes > limits.access_unit_bytes {
            let limit = u64::try_from(limits.access_unit_bytes).unwrap_or(u64::MAX);
            return Err(Trouble::TooMuch { of: Excess::AccessUnit, limit });
        }
        if !self.rate.allows(limits.frames_per_second) {
            let limit = u64::from(limits.frames_per_second);
            return Err(Trouble::TooMuch { of: Excess::Frames, limit });
        }
        Ok(())
    }

    fn read_parameters(&mut self) -> Result<(), Trouble> {
        let Some(demuxed) = &self.demuxed else { return Ok(()) };
        let streams = demuxed.streams();
        let Some(video) = streams.get(self.choice.video) else { return Ok(()) };
        let Some(video) = tracks::video_track(video, self.choice.video_codec) else { return Ok(()) };
        let audio = self
            .choice
            .audio
            .and_then(|(i, codec)| streams.get(i).and_then(|stream| tracks::audio_track(stream, codec)));
        self.flow.set_tracks(Tracks { video: video?, audio });
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

/// Frames a second, over windows of two.
struct Rate {
    since: Instant,
    frames: u32,
}

impl Rate {
    fn allows(&mut self, per_second: u32) -> bool {
        if self.since.elapsed() >= Duration::from_secs(2) {
            self.since = Instant::now();
            self.frames = 0;
        }
        self.frames = self.frames.saturating_add(1);
        self.frames <= per_second.saturating_mul(2)
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
    match timeout(after, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(translate(&error, gauge, given, veil)),
        Err(_) => Err(gauge.trouble().unwrap_or(Trouble::Timeout { step, after })),
    }
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
