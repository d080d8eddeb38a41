//! RTP by datagrams for a client that believes it is interleaved: SETUP is rewritten on its way, what comes by UDP is handed
//! on inside the client's connection. So UDP has the bounds, the address check and the order that retina's own UDP lacks:
//! that one sends to whatever host a camera names as `source`, holds endless fragments, drops what is out of order, and
//! says TEARDOWN again to any address the camera gave as its base, with the password.
//! Deliberately no more of RTSP than the Transport header and the length of a body.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::sieve::cleaned;
use super::{CHUNK, Gauge, Meter, lost};
use crate::session::{Limits, Trouble, clean};

/// Streams of one session: video and audio, and one more to be refused by the camera.
const STREAMS: usize = 3;
/// Datagrams that wait for the client. What comes while it is full is lost, as on the network.
const WAITING: usize = 256;
/// Packets that are held while an earlier one is missing.
const HELD: usize = 16;
/// Our own requests.
const REQUEST_BYTES: usize = 64 << 10;
/// Of an answer; it is searched from its beginning with each piece of it that comes.
const HEAD_BYTES: usize = 32 << 10;
/// A receiver that is never heard of is taken for gone by some cameras, and by firewalls on the way.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// An empty receiver report (RFC 3550, 6.4.2) of a source that sends nothing.
const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 0];
const DATAGRAM: usize = 65_536;
const SOCKET_BYTES: usize = 1 << 20;

/// One stream's sockets and the client's channel for it.
struct Pair {
    channel: u8,
    ports: (u16, u16),
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
    heard: bool,
    order: Order,
}

/// Passes requests, answers and datagrams until one side ends. `None`: the client went away.
pub(super) async fn pass(client: TcpStream, camera: TcpStream, limits: &Limits, gauge: &Gauge) -> Option<Trouble> {
    let ends = camera.local_addr().and_then(|local| Ok((local.ip(), camera.peer_addr()?.ip())));
    let (local, peer) = match ends {
        Ok(ends) => ends,
        Err(error) => return Some(lost(&error)),
    };
    let (mut from_client, to_client) = client.into_split();
    let (mut from_camera, to_camera) = camera.into_split();
    let (heard, mut datagrams) = mpsc::channel(WAITING);
    let mut exchange = Exchange {
        to_client,
        to_camera,
        local,
        peer,
        pairs: Vec::new(),
        asked: None,
        readers: JoinSet::new(),
        heard,
        meter: Meter::new(limits, gauge),
    };
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    let mut reports = interval(REPORT_EVERY);
    let mut last = Instant::now();
    loop {
        tokio::select! {
            read = some(&mut from_client, &mut requests) => match read {
                Ok(0) | Err(_) => return None,
                Ok(_) => {
                    if let Err(end) = exchange.requests(&mut requests).await {
                        return end;
                    }
                }
            },
            read = some(&mut from_camera, &mut answers) => match read {
                Ok(0) => return Some(Trouble::Closed),
                Err(error) => return Some(lost(&error)),
                Ok(bytes) => {
                    last = Instant::now();
                    if let Err(end) = exchange.meter.count(bytes) {
                        return Some(end);
                    }
                    if let Err(end) = exchange.answers(&mut answers, limits).await {
                        return end;
                    }
                }
            },
            Some((channel, datagram)) = datagrams.recv() => {
                last = Instant::now();
                if let Err(end) = exchange.meter.count(datagram.len()) {
                    return Some(end);
                }
                if let Err(end) = exchange.datagram(channel, datagram).await {
                    return end;
                }
            },
            _ = reports.tick() => exchange.report(),
            () = tokio::time::sleep_until(last + limits.silence) => {
                return Some(Trouble::Silent { seconds: limits.silence });
            }
        }
    }
}

/// Reads a little more; can be given up and begun again.
async fn some(from: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.reserve(CHUNK);
    from.read_buf(buffer).await
}

struct Exchange<'a> {
    to_client: OwnedWriteHalf,
    to_camera: OwnedWriteHalf,
    local: IpAddr,
    peer: IpAddr,
    pairs: Vec<Pair>,
    /// The channel of the SETUP that was asked last and not answered yet.
    asked: Option<u8>,
    readers: JoinSet<()>,
    heard: mpsc::Sender<(u8, Vec<u8>)>,
    meter: Meter<'a>,
}

/// An end with its reason, or that of a client that is gone.
type Ends = Result<(), Option<Trouble>>;

fn ours(error: &io::Error) -> Option<Trouble> {
    Some(Trouble::Ours { text: format!("no socket for datagrams: {error}") })
}

impl Exchange<'_> {
    async fn requests(&mut self, requests: &mut Vec<u8>) -> Ends {
        while let Some(end) = end_of_head(requests) {
            let request: Vec<u8> = requests.drain(..end).collect();
            let text = String::from_utf8_lossy(&request).into_owned();
            let sent = match text.starts_with("SETUP ").then(|| channel_of(&text)).flatten() {
                Some(channel) => {
                    let (rtp, rtcp) = self.prepare(channel).await?;
                    let wanted = format!("RTP/AVP/UDP;unicast;client_port={rtp}-{rtcp}");
                    self.asked = Some(channel);
                    self.to_camera.write_all(with_transport(&text, &wanted).as_bytes()).await
                }
                None => self.to_camera.write_all(&request).await,
            };
            sent.map_err(|error| Some(lost(&error)))?;
        }
        if requests.len() > REQUEST_BYTES {
            return Err(Some(Trouble::Ours { text: "a request without an end".to_owned() }));
        }
        Ok(())
    }

    /// The ports for a channel; a SETUP that is repeated with a password has the same.
    async fn prepare(&mut self, channel: u8) -> Result<(u16, u16), Option<Trouble>> {
        if let Some(pair) = self.pairs.iter().find(|pair| pair.channel == channel) {
            return Ok(pair.ports);
        }
        if self.pairs.len() >= STREAMS {
            return Err(Some(Trouble::Ours { text: "too many streams".to_owned() }));
        }
        let (rtp, rtcp) = pair_of_sockets(self.local).await.map_err(|error| ours(&error))?;
        let port = |socket: &UdpSocket| socket.local_addr().map(|at| at.port()).map_err(|error| ours(&error));
        let ports = (port(&rtp)?, port(&rtcp)?);
        let (rtp, rtcp) = (Arc::new(rtp), Arc::new(rtcp));
        self.pairs.push(Pair { channel, ports, rtp, rtcp, heard: false, order: Order::default() });
        Ok(ports)
    }

    async fn answers(&mut self, answers: &mut Vec<u8>, limits: &Limits) -> Ends {
        loop {
            if answers.first() == Some(&b'$') {
                let text = "RTP came inside a connection that was set up for datagrams".to_owned();
                return Err(Some(Trouble::Protocol { text }));
            }
            let Some(end) = end_of_head(answers) else {
                if answers.len() > HEAD_BYTES {
                    return Err(Some(Trouble::Protocol { text: "a head without an end".to_owned() }));
                }
                break;
            };
            let head = String::from_utf8_lossy(answers.get(..end).unwrap_or_default()).into_owned();
            let body = header(&head, "content-length").and_then(|length| length.trim().parse::<usize>().ok());
            let whole = end.saturating_add(body.unwrap_or(0));
            if answers.len() < whole {
                break;
            }
            let answer: Vec<u8> = answers.drain(..whole).collect();
            let described = self.meter.gauge.is_described();
            let answer = if described { answer } else { cleaned(&answer, end, &head) };
            let success = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
            // No other request is on its way while a SETUP is.
            let rewritten = match self.asked.take().filter(|_| success) {
                Some(channel) => Some(self.agreed(channel, &head).await?),
                None => None,
            };
            let sent = match rewritten {
                Some(head) => {
                    let body = answer.get(end..).unwrap_or_default();
                    self.to_client.write_all(&[head.as_bytes(), body].concat()).await
                }
                None => self.to_client.write_all(&answer).await,
            };
            sent.map_err(|_| None)?;
        }
        // A body that says it is larger than any answer may be is not waited for.
        let bound = usize::try_from(limits.answer_bytes).unwrap_or(usize::MAX);
        if answers.len() > bound {
            return Err(Some(Trouble::Protocol { text: "an answer without an end".to_owned() }));
        }
        Ok(())
    }

    /// The camera took a SETUP: its ports are heard from now on, and nobody else's.
    async fn agreed(&mut self, channel: u8, head: &str) -> Result<String, Option<Trouble>> {
        let broken = |text: &str| Some(Trouble::Protocol { text: clean(text, &[]) });
        let transport = header(head, "transport").ok_or_else(|| broken("SETUP is answered without a transport"))?;
        let part = |name: &str| transport.split(';').find_map(|part| part.trim().strip_prefix(name));
        let ports = part("server_port=").ok_or_else(|| broken("SETUP is answered without the camera's ports"))?;
        let (rtp, rtcp) = ports.split_once('-').unwrap_or((ports, ""));
        let rtp: u16 = rtp.trim().parse().map_err(|_| broken("the camera's port is no number"))?;
        let rtcp: u16 = rtcp.trim().parse().unwrap_or(rtp.saturating_add(1));
        // `source` is left alone: whoever is not the camera's checked address is not spoken to.
        let ssrc = part("ssrc=").map(|ssrc| format!(";ssrc={ssrc}")).unwrap_or_default();
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.channel == channel) else {
            return Err(Some(Trouble::Ours { text: "an answer without its request".to_owned() }));
        };
        for (socket, port) in [(&pair.rtp, rtp), (&pair.rtcp, rtcp)] {
            if port == 0 {
                return Err(broken("the camera's port is no number"));
            }
            socket.connect(SocketAddr::new(self.peer, port)).await.map_err(|error| ours(&error))?;
            // Opens the way back through a firewall; the camera ignores it.
            let _ = socket.send(&REPORT).await;
        }
        if !std::mem::replace(&mut pair.heard, true) {
            for (channel, socket) in [(channel, &pair.rtp), (channel.saturating_add(1), &pair.rtcp)] {
                self.readers.spawn(listen(channel, Arc::clone(socket), self.heard.clone()));
            }
        }
        let last = channel.saturating_add(1);
        Ok(with_transport(head, &format!("RTP/AVP/TCP;unicast;interleaved={channel}-{last}{ssrc}")))
    }

    async fn datagram(&mut self, channel: u8, datagram: Vec<u8>) -> Ends {
        match self.pairs.iter_mut().find(|pair| pair.channel == channel) {
            Some(pair) => {
                for datagram in pair.order.sort(datagram) {
                    interleave(&mut self.to_client, channel, &datagram).await?;
                }
                Ok(())
            }
            None => interleave(&mut self.to_client, channel, &datagram).await,
        }
    }

    fn report(&self) {
        for pair in self.pairs.iter().filter(|pair| pair.heard) {
            // Nothing depends on one report.
            let _ = pair.rtcp.try_send(&REPORT);
        }
    }
}

async fn interleave(to_client: &mut OwnedWriteHalf, channel: u8, datagram: &[u8]) -> Ends {
    let Ok(length) = u16::try_from(datagram.len()) else { return Ok(()) };
    let [high, low] = length.to_be_bytes();
    let packet = [&[b'$', channel, high, low], datagram].concat();
    to_client.write_all(&packet).await.map_err(|_| None)
}

async fn listen(channel: u8, socket: Arc<UdpSocket>, heard: mpsc::Sender<(u8, Vec<u8>)>) {
    let mut buffer = vec![0; DATAGRAM];
    let mut refused = 0;
    while !heard.is_closed() && refused < 100 {
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                refused = 0;
                let _ = heard.try_send((channel, buffer.get(..length).unwrap_or_default().to_vec()));
            }
            // A camera whose port is not open yet answers our first packets that way.
            Err(_) => refused += 1,
        }
    }
}

/// An even port and the next (RFC 3550, 11), at the address from which the camera is reached.
async fn pair_of_sockets(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut error = io::Error::other("no two neighbouring ports are free");
    for _ in 0..50 {
        let rtp = UdpSocket::bind((local, 0)).await?;
        let port = rtp.local_addr()?.port();
        if port % 2 != 0 || port == u16::MAX {
            continue;
        }
        match UdpSocket::bind((local, port + 1)).await {
            Ok(rtcp) => {
                // As much of a key frame's burst as the system lets a socket hold.
                let _ = socket2::SockRef::from(&rtp).set_recv_buffer_size(SOCKET_BYTES);
                return Ok((rtp, rtcp));
            }
            Err(taken) => error = taken,
        }
    }
    Err(error)
}

/// Puts RTP packets into the order of their numbers, as far as a few packets' patience goes; what comes later is dropped.
#[derive(Default)]
struct Order {
    next: Option<u16>,
    /// By how far they are ahead of `next`.
    held: BTreeMap<u16, Vec<u8>>,
}

impl Order {
    fn sort(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        let Some([high, low]) = packet.get(2..4).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()) else {
            return Vec::new();
        };
        let number = u16::from_be_bytes([high, low]);
        let next = *self.next.get_or_insert(number);
        let ahead = number.wrapping_sub(next);
        // Half of the numbers are ahead, half behind; a jump of thousands is a camera that began anew.
        if (1000..0xff00).contains(&ahead) {
            self.held.clear();
            self.next = Some(number.wrapping_add(1));
            return vec![packet];
        }
        if ahead >= 0x8000 {
            return Vec::new();
        }
        self.held.insert(ahead, packet);
        let mut out = Vec::new();
        while let Some((first, _)) = self.held.first_key_value() {
            let first = *first;
            if first != 0 && self.held.len() <= HELD {
                break;
            }
            if let Some(packet) = self.held.remove(&first) {
                out.push(packet);
            }
            let passed = first.saturating_add(1);
            self.next = self.next.map(|next| next.wrapping_add(passed));
            self.held = std::mem::take(&mut self.held).into_iter().map(|(ahead, p)| (ahead - passed, p)).collect();
        }
        out
    }
}

/// Where the head of a message ends, its blank line included.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn channel_of(request: &str) -> Option<u8> {
    let channels = header(request, "transport")?.split(';').find_map(|part| part.strip_prefix("interleaved="))?;
    channels.split('-').next()?.parse().ok()
}

/// The head with another Transport header.
fn with_transport(head: &str, transport: &str) -> String {
    let mut out = String::with_capacity(head.len() + 64);
    for line in head.trim_end_matches("\r\n").split("\r\n") {
        let is_transport = line.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case("transport"));
        if is_transport {
            out.push_str("Transport: ");
            out.push_str(transport);
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(number: u16) -> Vec<u8> {
        [&[0x80, 96][..], &number.to_be_bytes()].concat()
    }

    fn sorted(numbers: &[u16]) -> Vec<u16> {
        let mut order = Order::default();
        let out = numbers.iter().flat_map(|number| order.sort(packet(*number))).collect::<Vec<_>>();
        out.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect()
    }

    #[test]
    fn packets_are_put_in_order_and_a_lost_one_is_not_waited_for_for_ever() {
        assert_eq!(sorted(&[65534, 0, 65535, 2, 1, 3]), [65534, 65535, 0, 1, 2, 3]);
        let numbers: Vec<u16> = (0..60).filter(|number| *number != 7).collect();
        assert_eq!(sorted(&numbers), numbers);
        assert_eq!(sorted(&[5, 4, 6]), [5, 6], "what is late is dropped");
        assert_eq!(sorted(&[5, 30_000, 30_001]), [5, 30_000, 30_001]);
    }

    #[test]
    fn only_the_transport_is_rewritten() {
        let request = "SETUP rtsp://c/1 RTSP/1.0\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\r\nCSeq: 4\r\n\r\n";
        assert_eq!(channel_of(request), Some(2));
        let wanted = "SETUP rtsp://c/1 RTSP/1.0\r\nTransport: X\r\nCSeq: 4\r\n\r\n";
        assert_eq!(with_transport(request, "X"), wanted);
    }

    proptest! {
        #[test]
        fn numbers_never_go_back_by_a_little(numbers in proptest::collection::vec(0u16..250, 1..300)) {
            let out = sorted(&numbers);
            for pair in out.windows(2) {
                prop_assert!(pair[1] > pair[0], "{:?}", out);
            }
        }

        #[test]
        fn any_head_is_survived(text in "[ -~\r\n]{0,200}") {
            let _ = (end_of_head(text.as_bytes()), header(&text, "transport"), channel_of(&text), with_transport(&text, "x"));
        }
    }
}
