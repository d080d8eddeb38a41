//! A road between a session and a real camera, on which datagrams overtake one another and are lost: what a kernel's
//! network emulation does, without root and without that kernel.
//! Deliberately for sessions over UDP only; of RTSP it changes the ports in SETUP and its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

pub(super) struct Road {
    at: SocketAddr,
    passed: Arc<Passed>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Passed {
    overtaken: AtomicU32,
    lost: AtomicU32,
}

/// Every so many datagrams, one; 0: none.
#[derive(Clone, Copy)]
struct Weather {
    overtaken: u32,
    lost: u32,
}

impl Drop for Road {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Road {
    pub(super) async fn start(camera: SocketAddr, overtaken: u32, lost: u32) -> Road {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let passed = Arc::new(Passed::default());
        let counted = Arc::clone(&passed);
        let accepting = tokio::spawn(async move {
            let mut roads = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                roads.spawn(road(client, camera, Weather { overtaken, lost }, Arc::clone(&counted)));
            }
        });
        Road { at, passed, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("rtsp://{}/live", self.at)
    }

    pub(super) fn overtaken(&self) -> u32 {
        self.passed.overtaken.load(Ordering::SeqCst)
    }

    pub(super) fn lost(&self) -> u32 {
        self.passed.lost.load(Ordering::SeqCst)
    }
}

async fn road(client: TcpStream, camera: SocketAddr, weather: Weather, passed: Arc<Passed>) -> Option<()> {
    let (from_client, mut to_client) = client.into_split();
    let (mut from_camera, to_camera) = TcpStream::connect(camera).await.ok()?.into_split();
    // RTP and its reports; each serves both ends, told apart by the sender's port.
    let (rtp, rtcp) = (UdpSocket::bind("127.0.0.1:0").await.ok()?, UdpSocket::bind("127.0.0.1:0").await.ok()?);
    let ours = (rtp.local_addr().ok()?.port(), rtcp.local_addr().ok()?.port());
    let theirs: [Arc<AtomicU32>; 4] = std::array::from_fn(|_| Arc::default());
    let mut ways = JoinSet::new();
    for (socket, client, camera, weather) in [
        (rtp, Arc::clone(&theirs[0]), Arc::clone(&theirs[2]), weather),
        (rtcp, Arc::clone(&theirs[1]), Arc::clone(&theirs[3]), Weather { overtaken: 0, lost: 0 }),
    ] {
        ways.spawn(datagrams(socket, client, camera, weather, Arc::clone(&passed)));
    }
    let ports = theirs.clone();
    ways.spawn(async move { requests(from_client, to_camera, ours, &ports).await.unwrap_or(()) });
    let mut chunk = vec![0; 65536];
    loop {
        let read = from_camera.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        let mut text = String::from_utf8(chunk[..read].to_vec()).ok()?;
        if let Some((rtp, rtcp)) = ports_after(&text, "server_port=") {
            theirs[2].store(rtp.into(), Ordering::SeqCst);
            theirs[3].store(rtcp.into(), Ordering::SeqCst);
            let said = format!("server_port={rtp}-{rtcp}");
            text = text.replace(&said, &format!("server_port={}-{}", ours.0, ours.1));
        }
        to_client.write_all(text.as_bytes()).await.ok()?;
    }
}

async fn requests(
    mut from_client: OwnedReadHalf,
    mut to_camera: OwnedWriteHalf,
    ours: (u16, u16),
    theirs: &[Arc<AtomicU32>; 4],
) -> Option<()> {
    let mut chunk = vec![0; 65536];
    loop {
        let read = from_client.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        let mut text = String::from_utf8(chunk[..read].to_vec()).ok()?;
        if let Some((rtp, rtcp)) = ports_after(&text, "client_port=") {
            theirs[0].store(rtp.into(), Ordering::SeqCst);
            theirs[1].store(rtcp.into(), Ordering::SeqCst);
            let said = format!("client_port={rtp}-{rtcp}");
            text = text.replace(&said, &format!("client_port={}-{}", ours.0, ours.1));
        }
        to_camera.write_all(text.as_bytes()).await.ok()?;
    }
}

fn ports_after(text: &str, name: &str) -> Option<(u16, u16)> {
    let rest = text.split_once(name)?.1;
    let ports = rest.split([';', '\r']).next()?;
    let (rtp, rtcp) = ports.split_once('-')?;
    Some((rtp.parse().ok()?, rtcp.parse().ok()?))
}

async fn datagrams(
    socket: UdpSocket,
    client: Arc<AtomicU32>,
    camera: Arc<AtomicU32>,
    weather: Weather,
    passed: Arc<Passed>,
) {
    let mut buffer = vec![0; 65536];
    let mut held: Option<(Vec<u8>, u32)> = None;
    let mut count = 0u32;
    let port = |of: &AtomicU32| u16::try_from(of.load(Ordering::SeqCst)).unwrap_or(0);
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = buffer[..length].to_vec();
        if from.port() == port(&client) {
            let _ = socket.send_to(&datagram, ("127.0.0.1", port(&camera))).await;
            continue;
        }
        let to = ("127.0.0.1", port(&client));
        count += 1;
        if weather.lost > 0 && count.is_multiple_of(weather.lost) {
            passed.lost.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        // The first one says where the numbers begin.
        if weather.overtaken > 0 && count > 1 && held.is_none() && count.is_multiple_of(weather.overtaken) {
            held = Some((datagram, 2));
            continue;
        }
        let _ = socket.send_to(&datagram, to).await;
        if let Some((late, left)) = held.take() {
            if left > 1 {
                held = Some((late, left - 1));
            } else {
                passed.overtaken.fetch_add(1, Ordering::SeqCst);
                let _ = socket.send_to(&late, to).await;
            }
        }
    }
}
