//! One viewer of the pretend camera: RTSP 1.0 (RFC 2326) with interleaved RTP (RFC 3550), H.264 as RFC 6184 packs it. Enough
//! of each for a client that keeps to them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Picture, Shared};

/// The largest piece of a packet.
const PIECE: usize = 1400;

/// The longest request that is read.
const LONGEST: usize = 8192;

const CLOCK_HZ: u32 = 90_000;

struct Request {
    method: String,
    url: String,
    cseq: String,
    authorization: Option<String>,
}

struct Sender {
    wire: OwnedWriteHalf,
    picture: Picture,
    sequence: u16,
    frame: u32,
}

/// Serves a viewer until they go, or all are dropped.
pub(super) async fn serve(stream: TcpStream, shared: &Shared) {
    let mut dropped = shared.dropped.subscribe();
    dropped.borrow_and_update();
    tokio::select! {
        _ = talk(stream, shared) => {}
        _ = dropped.changed() => {}
    }
}

async fn talk(stream: TcpStream, shared: &Shared) -> Option<()> {
    let (mut wire, answers) = stream.into_split();
    let settings = &shared.settings;
    let picture = Picture::new(settings.width, settings.height);
    let mut sender = Sender { wire: answers, picture, sequence: 100, frame: 0 };
    let step = Duration::from_secs(1) / settings.fps.max(1);
    let mut ticks = interval_at(Instant::now() + step, step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut plays = false;
    let mut request = Vec::new();
    loop {
        tokio::select! {
            byte = wire.read_u8() => {
                request.push(byte.ok()?);
                if request.first() == Some(&b'$') {
                    // A receiver's report: read and thrown away.
                    let channel_and_length = wire.read_u8().await.ok().zip(wire.read_u16().await.ok())?;
                    skip(&mut wire, usize::from(channel_and_length.1)).await?;
                    request.clear();
                } else if request.ends_with(b"\r\n\r\n") {
                    let asked = parse(&request)?;
                    request.clear();
                    plays |= sender.answer(&asked, shared).await?;
                    if asked.method == "TEARDOWN" {
                        return None;
                    }
                } else if request.len() > LONGEST {
                    return None;
                }
            }
            _ = ticks.tick(), if plays => {
                if !shared.frozen.load(Ordering::SeqCst) {
                    sender.send_frame(shared).await?;
                }
            }
        }
    }
}

async fn skip(wire: &mut OwnedReadHalf, bytes: usize) -> Option<()> {
    let mut rest = vec![0; bytes];
    wire.read_exact(&mut rest).await.ok().map(drop)
}

fn parse(bytes: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, url) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |name: &str| {
        text.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    Some(Request { method, url, cseq: header("CSeq")?, authorization: header("Authorization") })
}

impl Sender {
    /// True if it is to play from now on.
    async fn answer(&mut self, asked: &Request, shared: &Shared) -> Option<bool> {
        let wanted = shared.settings.login.as_ref();
        let wanted = wanted.map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        if asked.method != "OPTIONS" && wanted.is_some() && wanted != asked.authorization {
            shared.told.refused.fetch_add(1, Ordering::SeqCst);
            self.say(asked, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"camera\"\r\n", "").await?;
            return Some(false);
        }
        match asked.method.as_str() {
            "OPTIONS" => {
                let methods = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n";
                self.say(asked, "200 OK", methods, "").await?;
            }
            "DESCRIBE" => {
                let sdp = self.sdp();
                let headers = format!("Content-Type: application/sdp\r\nContent-Base: {}/\r\n", asked.url);
                self.say(asked, "200 OK", &headers, &sdp).await?;
            }
            "SETUP" => {
                let headers = "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
                self.say(asked, "200 OK", headers, "").await?;
            }
            "PLAY" => {
                shared.told.plays.fetch_add(1, Ordering::SeqCst);
                self.say(asked, "200 OK", "Session: 1\r\nRange: npt=0.000-\r\n", "").await?;
                return Some(true);
            }
            "GET_PARAMETER" => self.say(asked, "200 OK", "Session: 1\r\n", "").await?,
            "TEARDOWN" => {
                shared.told.farewells.fetch_add(1, Ordering::SeqCst);
                self.say(asked, "200 OK", "", "").await?;
            }
            _ => self.say(asked, "405 Method Not Allowed", "", "").await?,
        }
        Some(false)
    }

    async fn say(&mut self, asked: &Request, status: &str, headers: &str, body: &str) -> Option<()> {
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let answer = format!("RTSP/1.0 {status}\r\nCSeq: {}\r\n{headers}{length}\r\n{body}", asked.cseq);
        self.wire.write_all(answer.as_bytes()).await.ok()
    }

    fn sdp(&self) -> String {
        let (sps, pps) = (self.picture.sps(), self.picture.pps());
        let sets = format!("{},{}", STANDARD.encode(&sps), STANDARD.encode(&pps));
        let profile: String = sps.iter().skip(1).take(3).map(|byte| format!("{byte:02X}")).collect();
        format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}\r\na=control:video\r\n"
        )
    }

    async fn send_frame(&mut self, shared: &Shared) -> Option<()> {
        let settings = &shared.settings;
        let (group, in_group) = (self.frame / settings.group.max(1), self.frame % settings.group.max(1));
        let nal = match in_group {
            0 => self.picture.key_frame(group, u8::try_from(group % 200).unwrap_or(0) + 16),
            number => self.picture.same(number),
        };
        let time = self.frame.wrapping_mul(CLOCK_HZ / settings.fps.max(1));
        let time = time.wrapping_add(shared.jump.load(Ordering::SeqCst));
        self.send_unit(&nal, time).await?;
        self.frame = self.frame.wrapping_add(1);
        shared.told.frames.fetch_add(1, Ordering::SeqCst);
        if in_group == 0 {
            shared.told.key_frames.fetch_add(1, Ordering::SeqCst);
        }
        Some(())
    }

    /// One NAL unit, which is a whole frame: as it is, or in fragments (RFC 6184, 5.8).
    async fn send_unit(&mut self, nal: &[u8], time: u32) -> Option<()> {
        if nal.len() <= PIECE {
            return self.send_packet(&[], nal, time, true).await;
        }
        let (header, payload) = nal.split_first()?;
        let count = payload.chunks(PIECE).count();
        for (number, piece) in payload.chunks(PIECE).enumerate() {
            let (starts, ends) = (number == 0, number + 1 == count);
            let indicator = header & 0xe0 | 28;
            let fragment = u8::from(starts) << 7 | u8::from(ends) << 6 | header & 0x1f;
            self.send_packet(&[indicator, fragment], piece, time, ends).await?;
        }
        Some(())
    }

    async fn send_packet(&mut self, front: &[u8], payload: &[u8], time: u32, ends: bool) -> Option<()> {
        let length = u16::try_from(12 + front.len() + payload.len()).ok()?;
        let mut packet = vec![b'$', 0];
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&[0x80, u8::from(ends) << 7 | 96]);
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&time.to_be_bytes());
        packet.extend_from_slice(&[0x11, 0x22, 0x33, 0x44]);
        packet.extend_from_slice(front);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.wire.write_all(&packet).await.ok()
    }
}
