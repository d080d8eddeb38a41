//! A camera that a test plays: enough RTSP 1.0 over TCP to be taken for one, and every step of it can be done wrongly.
//! Deliberately without a depacketiser or an encoder: pictures are those that a test writes by hand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::picture::tests::h264_pcm;
use crate::session::nal;

pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub(super) struct Camera {
    pub(super) at: SocketAddr,
    /// Methods of all requests, in their order.
    pub(super) heard: Arc<Mutex<Vec<String>>>,
    /// Bytes that the camera could hand to the kernel.
    pub(super) sent: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Camera {
    /// Plays `script` to each connection, which it is told the number of.
    pub(super) async fn start<F>(script: impl Fn(Talk, usize) -> F + Send + 'static) -> Camera
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        Camera::start_at("127.0.0.1:0".parse().unwrap(), None, script).await
    }

    pub(super) async fn start_at<F>(
        at: SocketAddr,
        tls: Option<tokio_rustls::TlsAcceptor>,
        script: impl Fn(Talk, usize) -> F + Send + 'static,
    ) -> Camera
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(at).unwrap();
        let listener: TcpListener = socket.listen(16).unwrap();
        let at = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicU64::new(0));
        let (all_heard, all_sent) = (Arc::clone(&heard), Arc::clone(&sent));
        let accepting = tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let wire: Box<dyn Wire> = match &tls {
                    None => Box::new(stream),
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                };
                let (heard, sent) = (Arc::clone(&all_heard), Arc::clone(&all_sent));
                let talk = Talk { wire, heard, sent, seq: 100, spoils: None, said: 0 };
                talks.spawn(script(talk, number));
            }
        });
        Camera { at, heard, sent, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("rtsp://{}/live", self.at)
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

/// One connection, from the camera's side. Each function ends with `None` when the client is gone.
pub(super) struct Talk {
    wire: Box<dyn Wire>,
    heard: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicU64>,
    seq: u16,
    spoils: Option<(u64, [u8; 8])>,
    said: u64,
}

pub(super) struct Request {
    pub(super) method: String,
    pub(super) head: String,
    cseq: String,
}

pub(super) const SDP_VIDEO: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
    a=rtpmap:96 H264/90000\r\na=control:video\r\n";
pub(super) const SDP_PCMU: &str = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:audio\r\n";

impl Talk {
    /// From the given byte on, eight are changed by these bits.
    pub(super) fn spoil(&mut self, at: u64, bits: u64) {
        self.spoils = Some((at, bits.to_be_bytes()));
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        let mut spoiled = bytes.to_vec();
        if let Some((from, bits)) = self.spoils {
            for (at, byte) in (self.said..).zip(&mut spoiled) {
                let bit = at.checked_sub(from).and_then(|n| bits.get(usize::try_from(n).ok()?));
                *byte ^= bit.copied().unwrap_or(0);
            }
        }
        self.said += bytes.len() as u64;
        for part in spoiled.chunks(4096) {
            self.wire.write_all(part).await.ok()?;
            self.sent.fetch_add(part.len() as u64, Ordering::SeqCst);
        }
        self.wire.flush().await.ok()
    }

    pub(super) async fn request(&mut self) -> Option<Request> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.wire.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let method = head.split(' ').next()?.to_owned();
        let cseq = head.lines().find_map(|line| line.strip_prefix("CSeq: "))?.to_owned();
        self.heard.lock().unwrap().push(method.clone());
        Some(Request { method, head, cseq })
    }

    pub(super) async fn answer(&mut self, request: &Request, status: &str, headers: &str, body: &str) -> Option<()> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let answer = format!("RTSP/1.0 {status}\r\nCSeq: {}\r\n{headers}{length}\r\n{body}", request.cseq);
        self.send(answer.as_bytes()).await
    }

    /// Answers as a camera should, up to and with PLAY.
    pub(super) async fn until_play(&mut self, sdp: &str) -> Option<()> {
        loop {
            let request = self.request().await?;
            self.obey(&request, sdp).await?;
            if request.method == "PLAY" {
                return Some(());
            }
        }
    }

    pub(super) async fn obey(&mut self, request: &Request, sdp: &str) -> Option<()> {
        match request.method.as_str() {
            "DESCRIBE" => self.answer(request, "200 OK", "Content-Type: application/sdp\r\n", sdp).await,
            "SETUP" => {
                let transport = request.head.lines().find(|line| line.starts_with("Transport: "))?;
                let headers = format!("Session: 7;timeout=60\r\n{transport}\r\n");
                self.answer(request, "200 OK", &headers, "").await
            }
            "PLAY" => self.answer(request, "200 OK", "Session: 7\r\n", "").await,
            _ => self.answer(request, "200 OK", "Session: 7\r\nPublic: OPTIONS, GET_PARAMETER\r\n", "").await,
        }
    }

    pub(super) async fn rtp(&mut self, channel: u8, ticks: u32, mark: bool, payload: &[u8]) -> Option<()> {
        let packet = self.packet(channel, ticks, mark, payload);
        self.send(&packet).await
    }

    pub(super) fn packet(&mut self, channel: u8, ticks: u32, mark: bool, payload: &[u8]) -> Vec<u8> {
        self.seq = self.seq.wrapping_add(1);
        let length = u16::try_from(payload.len() + 12).unwrap();
        let kind = if channel == 0 { 96 } else { 0 } | if mark { 0x80 } else { 0 };
        let mut packet = vec![b'$', channel];
        packet.extend(length.to_be_bytes());
        packet.extend([0x80, kind]);
        packet.extend(self.seq.to_be_bytes());
        packet.extend(ticks.to_be_bytes());
        packet.extend([0, 0, 0, 1 + channel]);
        packet.extend(payload);
        packet
    }

    /// A key frame with its parameter sets.
    pub(super) async fn key(&mut self, ticks: u32, width_mbs: u32) -> Option<()> {
        let (sets, frame) = h264_pcm(width_mbs, 90, 100, 150);
        for set in nal::annex_b_units(&sets) {
            self.rtp(0, ticks, false, set).await?;
        }
        let unit = nal::units(&frame).next()?;
        self.rtp(0, ticks, true, unit).await
    }

    /// A frame that needs the ones before.
    pub(super) async fn delta(&mut self, ticks: u32) -> Option<()> {
        self.rtp(0, ticks, true, &[0x41, 0x9a, 0x00, 0x80]).await
    }

    /// Waits, and obeys what is asked meanwhile.
    pub(super) async fn pause(&mut self, time: std::time::Duration) -> Option<()> {
        match tokio::time::timeout(time, self.request()).await {
            Ok(request) => self.obey(&request?, SDP_VIDEO).await,
            Err(_) => Some(()),
        }
    }

    /// Keeps the connection until the client closes it, answering what it asks.
    pub(super) async fn stay(&mut self) -> Option<()> {
        loop {
            let request = self.request().await?;
            self.obey(&request, SDP_VIDEO).await?;
        }
    }
}
