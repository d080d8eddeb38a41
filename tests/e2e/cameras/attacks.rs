//! Hostile cameras, each on a port of its own, in threads that know nothing of the hub: what they say is only as much RTSP
//! as an attack needs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

pub const KINDS: [&str; 9] = [
    "endless body",
    "endless fragment",
    "endless description",
    "endless head",
    "slow loris",
    "a byte a second",
    "flood of packets",
    "flood of frames",
    "wrong lengths",
];

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAH9oBQBbsBEAAAAMAQAAADIPGDKg=,aM4PyA==\r\na=control:t0\r\n";

/// One hostile camera. It stops with this value.
pub struct Attacker {
    pub at: SocketAddr,
    pub visits: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.at);
    }
}

/// A port at which nobody listens until somebody is started there. It is not among those that the system gives to whoever
/// connects (32768 and up): between now and then one of those would be taken.
pub fn port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::SeqCst)) % 12_000;
        let at = SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(next).unwrap()));
        if TcpListener::bind(at).is_ok() {
            return at;
        }
    }
}

impl Attacker {
    pub fn start(kind: &'static str, at: SocketAddr) -> Attacker {
        let listener = TcpListener::bind(at).unwrap();
        let (visits, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let attacker = Attacker { at, visits: Arc::clone(&visits), over: Arc::clone(&over) };
        std::thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (visits, over) = (Arc::clone(&visits), Arc::clone(&over));
                // An error is the visitor's end.
                std::thread::spawn(move || attack(kind, visitor, &visits, &over));
            }
        });
        attacker
    }

    pub fn visits(&self) -> u32 {
        self.visits.load(Ordering::SeqCst)
    }
}

fn request(visitor: &mut TcpStream) -> std::io::Result<(String, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        visitor.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let cseq = head.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("1").to_owned();
    Ok((head.split(' ').next().unwrap_or_default().to_owned(), cseq))
}

fn attack(kind: &str, mut visitor: TcpStream, visits: &AtomicU32, over: &AtomicBool) -> std::io::Result<()> {
    let (_, cseq) = request(&mut visitor)?;
    // A look whether anybody listens is no visit: it asks nothing.
    visits.fetch_add(1, Ordering::SeqCst);
    let head = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\n");
    match kind {
        "endless body" => {
            visitor.write_all(format!("{head}Content-Length: 2000000000\r\n\r\n").as_bytes())?;
            return for_ever(over, || visitor.write_all(&[0; 65536]));
        }
        "endless description" => {
            visitor.write_all(format!("{head}Content-Length: 4000000000\r\n\r\n{SDP}").as_bytes())?;
            return for_ever(over, || visitor.write_all("m=audio 0 RTP/AVP 0\r\n".repeat(500).as_bytes()));
        }
        "endless head" => {
            visitor.write_all(head.as_bytes())?;
            return for_ever(over, || visitor.write_all("X-And: so on\r\n".repeat(500).as_bytes()));
        }
        "slow loris" => {
            return for_ever(over, || {
                std::thread::sleep(Duration::from_millis(200));
                visitor.write_all(b"R")
            });
        }
        _ => visitor.write_all(format!("{head}Content-Length: {}\r\n\r\n{SDP}", SDP.len()).as_bytes())?,
    }
    loop {
        let (method, cseq) = request(&mut visitor)?;
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        let more = if method == "SETUP" { transport } else { "" };
        visitor
            .write_all(format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 1;timeout=60\r\n{more}\r\n").as_bytes())?;
        if method == "PLAY" {
            break;
        }
    }
    let mut number = 0u16;
    let mut packet = |ticks: u32, payload: &[u8]| {
        number = number.wrapping_add(1);
        let length = u16::try_from(payload.len() + 12).unwrap();
        let mut packet = vec![b'$', 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0x80, 96]);
        packet.extend(number.to_be_bytes());
        packet.extend(ticks.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(payload);
        packet
    };
    let mut ticks = 0u32;
    for_ever(over, || {
        ticks = ticks.wrapping_add(10);
        match kind {
            "endless fragment" => visitor.write_all(&packet(0, &[&[0x7c, 0x05][..], &[0x55; 60_000]].concat())),
            "a byte a second" => {
                std::thread::sleep(Duration::from_secs(1));
                visitor.write_all(b"$")
            }
            "flood of packets" => {
                let many: Vec<u8> = (0..500).flat_map(|_| packet(0, &[0x06, 0x55])).collect();
                visitor.write_all(&many)
            }
            // Each a key frame, none of which is a picture.
            "flood of frames" => {
                let mut frame = packet(ticks, &[&[0x65, 0x88, 0x84][..], &[0x77; 1000]].concat());
                frame[5] |= 0x80;
                visitor.write_all(&frame)
            }
            _ => visitor.write_all(&[&b"$\x00\x00\x05"[..], &[0x80; 400]].concat()),
        }
    })
}

fn for_ever(over: &AtomicBool, mut step: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
    while !over.load(Ordering::SeqCst) {
        step()?;
    }
    Ok(())
}
