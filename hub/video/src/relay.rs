//! The one connection between the RTSP client and a camera, with everything in it that the client lacks (retina 0.4.21 has
//! no TLS, no timeouts and no limits: one DESCRIBE answer of 2 GB or one endless fragment would take the daemon's memory).
//! A listener on loopback takes one connection, ours, and is gone; the bytes go on to the address that was checked.
//! Deliberately no understanding of RTSP over TCP but for the description (`sieve`): it counts bytes, and what was handed
//! out is told to it (`Gauge`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

mod datagrams;
mod ours;
mod sieve;

use crate::address::{Address, Policy};
use crate::session::{Excess, Limits, Step, Transport, Trouble, WallClock, clean};
use crate::trust::{Judge, Trust};
use sieve::Sieve;

/// Read at once from a camera.
const CHUNK: usize = 16 * 1024;
/// What the kernel may hold between relay and client: enough for a key frame, little enough that a client that does not
/// read is noticed.
const LOOPBACK_BUFFER: u32 = 256 * 1024;

/// What the relay and its session tell each other.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Bytes passed on to the client since the last frame or answer came out of it.
    unanswered: AtomicU64,
    /// How many of them there may be.
    allowed: AtomicU64,
    total: AtomicU64,
    /// The client knows the camera's streams.
    described: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

impl Gauge {
    /// A frame or an answer was handed out: what was read until now served a purpose.
    pub(crate) fn handed_out(&self) {
        self.unanswered.store(0, Ordering::Relaxed);
    }

    /// The client has the description: what comes from now on goes on as it is.
    pub(crate) fn described(&self) {
        self.described.store(true, Ordering::Relaxed);
    }

    fn is_described(&self) -> bool {
        self.described.load(Ordering::Relaxed)
    }

    /// From now on the camera sends pictures.
    pub(crate) fn allow(&self, bytes: u64) {
        self.allowed.store(bytes, Ordering::Relaxed);
    }

    /// All bytes that came from the camera.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Why the relay ended, if it did so on its own account. Set before the client's connection is closed, so whoever sees
    /// that end finds the reason here.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ended(&self, trouble: Trouble) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
    }
}

/// A relay that waits for its client at `entrance`. It ends with either connection, not with this value: the client still
/// says TEARDOWN when nobody waits for it any more.
pub(crate) struct Relay {
    pub(crate) entrance: SocketAddr,
    pub(crate) gauge: Arc<Gauge>,
}

/// Connects to the camera and opens the entrance.
pub(crate) async fn open(
    address: &Address,
    policy: &Policy,
    trust: &Trust,
    limits: &Limits,
    wall: &WallClock,
    transport: Transport,
) -> Result<Relay, Trouble> {
    let (camera, peer) = connect(address, policy, limits).await?;
    if transport == Transport::Udp {
        let limits = limits.clone();
        entrance(&limits.clone(), |client, gauge| async move { datagrams::pass(client, camera, &limits, &gauge).await })
    } else if address.tls {
        let judge = Judge::new(trust)?;
        let client = tokio_rustls::TlsConnector::from(Arc::new(judge.client(Arc::clone(wall))?));
        let name = ServerName::try_from(address.host()).unwrap_or_else(|_| ServerName::from(peer.ip()));
        let step = limits.left_of(limits.step);
        let shaken = timeout(step, client.connect(name, camera)).await;
        let camera = shaken
            .map_err(|_| Trouble::Timeout { step: Step::Tls, after: step })?
            .map_err(|error| judge.trouble(&error))?;
        let (from, to) = tokio::io::split(camera);
        let own = limits.clone();
        entrance(limits, |client, gauge| async move { pass(client, from, to, &own, &gauge).await })
    } else {
        let (from, to) = camera.into_split();
        let own = limits.clone();
        entrance(limits, |client, gauge| async move { pass(client, from, to, &own, &gauge).await })
    }
}

/// Whether anything listens at the address: the cheap look between two full tries. Nothing is sent.
pub(crate) async fn listens(address: &Address, policy: &Policy, limits: &Limits) -> bool {
    connect(address, policy, limits).await.is_ok()
}

/// A TCP connection to one of the checked addresses of the host, tried in turn within one time.
pub(crate) async fn connect(
    address: &Address,
    policy: &Policy,
    limits: &Limits,
) -> Result<(TcpStream, SocketAddr), Trouble> {
    let addresses = address.resolve(policy, limits.left_of(limits.connect)).await?;
    let whole = limits.left_of(limits.connect);
    let deadline = Instant::now() + whole;
    let mut trouble = None;
    let count = u32::try_from(addresses.len()).unwrap_or(1).max(1);
    for target in addresses {
        let until = deadline.min(Instant::now() + whole / count);
        match tokio::time::timeout_at(until, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => {
                tune(&stream).map_err(|error| Trouble::Ours { text: error.to_string() })?;
                return Ok((stream, target));
            }
            Ok(Err(error)) => {
                trouble = Some(Trouble::NoConnection { address: target, why: clean(&error.to_string(), &[]) });
            }
            Err(_) => {
                let late = Trouble::Timeout { step: Step::Connect, after: whole };
                trouble = trouble.or(Some(late));
            }
        }
    }
    Err(trouble.unwrap_or(Trouble::Timeout { step: Step::Connect, after: whole }))
}

/// Requests are small and must not wait. A camera that lost its power is noticed by the kernel after 15 s, and one that is
/// back says with the next probe that it knows nothing of this connection.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(3))
        .with_interval(Duration::from_secs(2))
        .with_retries(6);
    socket.set_tcp_keepalive(&keepalive)
}

/// Opens the entrance, takes the client in and lets `pass` work for it.
fn entrance<F>(
    limits: &Limits,
    pass: impl FnOnce(TcpStream, Arc<Gauge>) -> F + Send + 'static,
) -> Result<Relay, Trouble>
where
    F: Future<Output = Option<Trouble>> + Send,
{
    let ours = |error: io::Error| Trouble::Ours { text: format!("no socket on loopback: {error}") };
    let socket = TcpSocket::new_v4().map_err(ours)?;
    socket.set_send_buffer_size(LOOPBACK_BUFFER).map_err(ours)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(ours)?;
    let listener = socket.listen(4).map_err(ours)?;
    let entrance = listener.local_addr().map_err(ours)?;
    let gauge = Arc::new(Gauge::default());
    gauge.allow(limits.answer_bytes);
    let (within, shared) = (limits.connect, Arc::clone(&gauge));
    tokio::spawn(async move {
        let client = match timeout(within, ours::accept(&listener)).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return shared.ended(Trouble::Ours { text: format!("loopback: {error}") }),
            Err(_) => return,
        };
        drop(listener);
        // A second handle keeps the connection open until the reason is written down: whoever sees its end finds it.
        let held = socket2::SockRef::from(&client).try_clone();
        let end = pass(client, Arc::clone(&shared)).await;
        if let Some(trouble) = end {
            shared.ended(trouble);
        }
        drop(held);
    });
    Ok(Relay { entrance, gauge })
}

/// Passes bytes both ways until one side ends. `None`: the client went away.
async fn pass<R, W>(
    client: TcpStream,
    mut from_camera: R,
    mut to_camera: W,
    limits: &Limits,
    gauge: &Gauge,
) -> Option<Trouble>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut from_client, mut to_client) = client.into_split();
    let requests = async {
        // Requests are the client's own and few. An error here is told better by the other direction.
        let _ = tokio::io::copy(&mut from_client, &mut to_camera).await;
        let _ = to_camera.shutdown().await;
    };
    tokio::select! {
        end = answers(&mut from_camera, &mut to_client, limits, gauge) => end,
        () = requests => None,
    }
}

async fn answers<R, W>(from_camera: &mut R, to_client: &mut W, limits: &Limits, gauge: &Gauge) -> Option<Trouble>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; CHUNK];
    let mut meter = Meter::new(limits, gauge);
    let mut sieve = Some(Sieve::default());
    loop {
        let read = match timeout(limits.silence, from_camera.read(&mut chunk)).await {
            Err(_) => return Some(Trouble::Silent { seconds: limits.silence }),
            Ok(Err(error)) => return Some(lost(&error)),
            Ok(Ok(0)) => return Some(Trouble::Closed),
            Ok(Ok(read)) => read,
        };
        if let Err(trouble) = meter.count(read) {
            return Some(trouble);
        }
        let read = chunk.get(..read).unwrap_or_default();
        let sent = match &mut sieve {
            Some(held) if gauge.is_described() => {
                let rest = held.rest();
                sieve = None;
                to_client.write_all(&[&rest, read].concat()).await
            }
            Some(sieve) => match sieve.pass(read) {
                Ok(bytes) => to_client.write_all(&bytes).await,
                Err(trouble) => return Some(trouble),
            },
            None => to_client.write_all(read).await,
        };
        if sent.is_err() {
            return None;
        }
    }
}

/// Counts what comes against what there may be.
struct Meter<'a> {
    gauge: &'a Gauge,
    pace: Pace,
}

impl Meter<'_> {
    fn new<'a>(limits: &Limits, gauge: &'a Gauge) -> Meter<'a> {
        Meter { gauge, pace: Pace::new(limits.pace_bytes_per_second) }
    }

    fn count(&mut self, read: usize) -> Result<(), Trouble> {
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        let gauge = self.gauge;
        gauge.total.fetch_add(bytes, Ordering::Relaxed);
        let unanswered = gauge.unanswered.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let limit = gauge.allowed.load(Ordering::Relaxed);
        if unanswered > limit {
            return Err(Trouble::TooMuch { of: Excess::Unanswered, limit });
        }
        if !self.pace.allows(bytes, Instant::now()) {
            return Err(Trouble::TooMuch { of: Excess::Pace, limit: self.pace.per_second });
        }
        Ok(())
    }
}

fn lost(error: &io::Error) -> Trouble {
    match error.kind() {
        // Cameras close TLS without saying goodbye.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Trouble::Closed,
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Trouble::Silent { seconds: Duration::from_secs(15) }
        }
        _ => Trouble::Protocol { text: clean(&error.to_string(), &[]) },
    }
}

/// A bucket that holds five seconds of the greatest pace: a camera's first burst passes, a flood does not.
struct Pace {
    per_second: u64,
    left: u64,
    since: Instant,
}

const BURST_SECONDS: u64 = 5;

impl Pace {
    fn new(per_second: u64) -> Pace {
        Pace { per_second, left: per_second.saturating_mul(BURST_SECONDS), since: Instant::now() }
    }

    fn allows(&mut self, bytes: u64, now: Instant) -> bool {
        let elapsed = u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX);
        let earned = self.per_second.saturating_mul(elapsed) / 1000;
        if earned > 0 {
            self.since = now;
            self.left = self.left.saturating_add(earned).min(self.per_second.saturating_mul(BURST_SECONDS));
        }
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}
