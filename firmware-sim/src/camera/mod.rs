//! A pretend IP camera: RTSP over TCP with H.264 that it draws itself, for tests in the same process. It is polite where a
//! test does not ask for anything else, and knows what it has sent. It sends no sound, no UDP and no TLS, and is no proof of
//! what real cameras do.

mod picture;
mod rtsp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use picture::Picture;

/// What a camera is like.
#[derive(Debug, Clone)]
pub struct CameraSettings {
    /// Pixels, each a multiple of 16.
    pub width: u16,
    /// Likewise.
    pub height: u16,
    /// Frames a second.
    pub fps: u32,
    /// Frames from one key frame to the next.
    pub group: u32,
    /// Who may watch, by Basic authentication; `None`: everybody.
    pub login: Option<(String, String)>,
    /// Where it listens; port 0: any.
    pub listen: SocketAddr,
}

impl Default for CameraSettings {
    fn default() -> Self {
        CameraSettings {
            width: 64,
            height: 64,
            fps: 15,
            group: 15,
            login: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
}

/// What a camera has really done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CameraTruth {
    /// Connections that were taken.
    pub connections: u64,
    /// Sessions that began to play.
    pub plays: u64,
    /// Sessions that took their leave with TEARDOWN.
    pub farewells: u64,
    /// Requests with a wrong login, or none.
    pub refused: u64,
    /// Frames that were handed to a connection.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
}

#[derive(Default)]
struct Told {
    connections: AtomicU64,
    plays: AtomicU64,
    farewells: AtomicU64,
    refused: AtomicU64,
    frames: AtomicU64,
    key_frames: AtomicU64,
}

struct Shared {
    settings: CameraSettings,
    told: Told,
    /// Grows with each time that all viewers are dropped.
    dropped: watch::Sender<u64>,
    /// Does not send frames, and keeps connections open.
    frozen: AtomicBool,
    /// Times of RTP are this far ahead.
    jump: AtomicU32,
}

/// A camera that runs until it is dropped.
pub struct Camera {
    at: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Camera {
    /// Starts one.
    pub async fn start(settings: CameraSettings) -> std::io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        // A camera that was switched off and on listens on the same port again.
        socket.set_reuseaddr(true)?;
        socket.bind(settings.listen)?;
        let listener = socket.listen(16)?;
        let at = listener.local_addr()?;
        let shared = Arc::new(Shared {
            settings,
            told: Told::default(),
            dropped: watch::Sender::new(0),
            frozen: AtomicBool::new(false),
            jump: AtomicU32::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Camera { at, shared, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// The address of its stream, without a login.
    pub fn url(&self) -> String {
        format!("rtsp://{}/live", self.at)
    }

    /// Drops all viewers, as a restart does; it listens on.
    pub fn drop_viewers(&self) {
        self.shared.dropped.send_modify(|number| *number += 1);
    }

    /// Sends nothing more, or goes on.
    pub fn freeze(&self, frozen: bool) {
        self.shared.frozen.store(frozen, Ordering::SeqCst);
    }

    /// Lets the times of its stream jump, back too: a camera whose clock was set.
    pub fn jump(&self, by: Duration, back: bool) {
        let ticks = u32::try_from(by.as_millis().wrapping_mul(90) & u128::from(u32::MAX)).unwrap_or(0);
        let ticks = if back { ticks.wrapping_neg() } else { ticks };
        self.shared.jump.fetch_add(ticks, Ordering::SeqCst);
    }

    /// What it has really done.
    pub fn truth(&self) -> CameraTruth {
        let told = &self.shared.told;
        let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        CameraTruth {
            connections: of(&told.connections),
            plays: of(&told.plays),
            farewells: of(&told.farewells),
            refused: of(&told.refused),
            frames: of(&told.frames),
            key_frames: of(&told.key_frames),
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.accepting.abort();
        self.drop_viewers();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut viewers = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => {
                let Ok((stream, _)) = taken else { return };
                shared.told.connections.fetch_add(1, Ordering::SeqCst);
                let ours = Arc::clone(&shared);
                viewers.spawn(async move { rtsp::serve(stream, &ours).await });
            }
            Some(_) = viewers.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn it_plays_to_whoever_has_the_password() {
        let login = Some(("admin".to_owned(), "s3cret".to_owned()));
        let camera = Camera::start(CameraSettings { login, fps: 50, ..CameraSettings::default() }).await.unwrap();
        let mut stream = TcpStream::connect(camera.address()).await.unwrap();
        let url = camera.url();
        let refused = ask(&mut stream, &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await;
        assert!(refused.starts_with("RTSP/1.0 401"), "{refused}");
        let login = "Authorization: Basic YWRtaW46czNjcmV0\r\n";
        let described = ask(&mut stream, &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 2\r\n{login}\r\n")).await;
        let length = described.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let mut sdp = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut sdp).await.unwrap();
        assert!(String::from_utf8(sdp).unwrap().contains("sprop-parameter-sets="));
        let setup = format!(
            "SETUP {url}/video RTSP/1.0\r\nCSeq: 3\r\n{login}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        );
        assert!(ask(&mut stream, &setup).await.starts_with("RTSP/1.0 200"));
        let play = format!("PLAY {url} RTSP/1.0\r\nCSeq: 4\r\n{login}Session: 1\r\n\r\n");
        assert!(ask(&mut stream, &play).await.starts_with("RTSP/1.0 200"));
        for _ in 0..8 {
            assert_eq!(stream.read_u8().await.unwrap(), b'$');
            assert_eq!(stream.read_u8().await.unwrap(), 0);
            let length = stream.read_u16().await.unwrap();
            let mut packet = vec![0; usize::from(length)];
            stream.read_exact(&mut packet).await.unwrap();
            assert_eq!(packet[0], 0x80, "RTP version 2");
        }
        let truth = camera.truth();
        assert_eq!((truth.plays, truth.refused), (1, 1));
        assert!(truth.key_frames >= 1);
        camera.drop_viewers();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    }
}
