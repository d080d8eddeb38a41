//! Watches one camera and prints what comes: the tracks of each run, then a line per group (`each`: and per picture). For whoever wants to know what
//! a camera really sends. Deliberately without files and pictures.
//!
//! `cargo run -p domovoi-video --example watch -- rtsp://user:password@camera/stream [seconds] [udp] [noaudio] [each] [sha256]`

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use domovoi_video::address::{Address, Allow, Policy};
use domovoi_video::session::{Audio, Options, Session, Transport};
use domovoi_video::trust::{Fingerprint, Trust};
use domovoi_video::{Item, Kind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let typed = words.next().ok_or("an address is missing")?;
    let (address, login) = Address::parse(&typed)?;
    let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let mut options = Options::new(address, login, Arc::new(wall));
    options.policy = Policy { loopback: Allow::Yes, link_local: Allow::Yes, ..Policy::default() };
    let (mut seconds, mut each) = (10, false);
    for word in words {
        match word.as_str() {
            "udp" => options.transport = Transport::Udp,
            "each" => each = true,
            "noaudio" => options.audio = Audio::Leave,
            number if number.parse::<u64>().is_ok() => seconds = number.parse()?,
            print => options.trust = Trust::Pinned(fingerprint(print).ok_or("that is no SHA-256")?),
        }
    }
    let begun = Instant::now();
    let mut session = Session::open(options).await?;
    println!("{:6.2} s  playing; left out: {:?}", begun.elapsed().as_secs_f64(), session.left_out());
    let (mut video, mut audio, mut bytes, mut last) = (0u32, 0u32, 0usize, 0);
    let outcome = loop {
        let left = Duration::from_secs(seconds).saturating_sub(begun.elapsed());
        let item = match tokio::time::timeout(left, session.next()).await {
            Err(_) => break Ok(()),
            Ok(Err(trouble)) => break Err(trouble),
            Ok(Ok(item)) => item,
        };
        match item {
            Item::Begins { tracks, started } => {
                let v = &tracks.video;
                println!(
                    "{:6.2} s  begins at {started} ms: {:?} {} {}x{}, {:?} mHz; audio {:?}",
                    begun.elapsed().as_secs_f64(),
                    v.codec,
                    v.rfc6381,
                    v.width,
                    v.height,
                    v.declared_millihz,
                    tracks.audio.as_ref().map(|a| (a.codec, a.clock_hz, a.channels)),
                );
                last = 0;
            }
            Item::Frame(frame) if frame.kind == Kind::Audio => audio += 1,
            Item::Frame(frame) => {
                if frame.starts_group {
                    println!(
                        "{:6.2} s  group at {} shown {} (+{}): {video} pictures, {audio} of audio, {bytes} bytes before",
                        begun.elapsed().as_secs_f64(),
                        frame.decoded,
                        frame.shown,
                        frame.decoded - last,
                    );
                    last = frame.decoded;
                    (video, audio, bytes) = (0, 0, 0);
                }
                if each {
                    println!("    decoded {} shown {} of {} bytes", frame.decoded, frame.shown, frame.data.len());
                }
                video += 1;
                bytes += frame.data.len();
            }
            Item::Placed { started } => println!("{:6.2} s  began at {started} ms", begun.elapsed().as_secs_f64()),
            Item::Gap { frames } => println!("{:6.2} s  {frames} missing", begun.elapsed().as_secs_f64()),
        }
    };
    println!("{} bytes, camera's clock ahead by {:?} ms", session.bytes(), session.clock_offset_ms());
    session.close().await;
    outcome.map_err(Into::into)
}

fn fingerprint(text: &str) -> Option<Fingerprint> {
    let bytes: Vec<u8> = text.split(':').map(|pair| u8::from_str_radix(pair, 16).ok()).collect::<Option<_>>()?;
    Some(Fingerprint(bytes.try_into().ok()?))
}
