//! Cameras that want the hub's memory, its time or its attention. Each ends with its own reason, and the memory of a whole
//! process under attack is measured, not believed.

use super::camera::{Camera, SDP_PCMU, SDP_VIDEO, Talk};
use super::*;

/// What kernel buffers on both ways may hold beside what was let through.
const KERNEL_BYTES: u64 = 24 << 20;
/// What an attack may cost beside the process as it is.
const MEMORY_KIB: u64 = 32 << 10;

const FLOODS: [&str; 11] = [
    "body",
    "sdp",
    "header",
    "fu-a",
    "tiny-fu-a",
    "tiny-nal",
    "other-channel",
    "rtcp",
    "garbage",
    "large-frame",
    "keys",
];

async fn flood(mut talk: Talk, kind: &str) -> Option<()> {
    let head = |length: u64| {
        format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n")
    };
    match kind {
        "body" => {
            talk.request().await?;
            talk.send(head(2_000_000_000).as_bytes()).await?;
            loop {
                talk.send(&[0; 65536]).await?;
            }
        }
        "sdp" => {
            talk.request().await?;
            talk.send(format!("{}{SDP_VIDEO}", head(u64::from(u32::MAX))).as_bytes()).await?;
            loop {
                talk.send(SDP_PCMU.repeat(100).as_bytes()).await?;
            }
        }
        "header" => {
            talk.request().await?;
            talk.send(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n").await?;
            loop {
                talk.send("X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(100).as_bytes()).await?;
            }
        }
        _ => talk.until_play(&[SDP_VIDEO, SDP_PCMU].concat()).await?,
    }
    let mut first = true;
    for ticks in 0u32.. {
        let packets = match kind {
            "fu-a" => {
                let start = if std::mem::take(&mut first) { 0x85 } else { 0x05 };
                talk.packet(0, 0, false, &[&[0x7c, start][..], &[0x55; 60_000]].concat())
            }
            "tiny-fu-a" => {
                let mut packets = Vec::new();
                for _ in 0..500 {
                    let start = if std::mem::take(&mut first) { 0x85 } else { 0x05 };
                    packets.extend(talk.packet(0, 0, false, &[0x7c, start, 0x55]));
                }
                packets
            }
            "tiny-nal" => (0..500).flat_map(|_| talk.packet(0, 0, false, &[0x06, 0x55])).collect(),
            "other-channel" => [&b"$\x09\xff\xff"[..], &[0x33; 65535]].concat(),
            // Receiver reports of nobody.
            "rtcp" => [&b"$\x01\x00\x08"[..], &[0x80, 201, 0, 1, 0, 0, 0, 1]].concat().repeat(500),
            // A length that the packet does not have, so that what follows is no message.
            "garbage" => [&b"$\x00\x00\x05"[..], &[0x80; 400]].concat(),
            "large-frame" => {
                let mut packets = Vec::new();
                for part in 0..100u32 {
                    let start = if part == 0 {
                        0x85
                    } else if part == 99 {
                        0x45
                    } else {
                        0x05
                    };
                    let payload = [&[0x7c, start][..], &[0x55; 60_000]].concat();
                    packets.extend(talk.packet(0, ticks, part == 99, &payload));
                }
                packets
            }
            // Frames that are frames, as fast as the network is.
            "keys" => {
                talk.key(ticks * 6_000, 40).await?;
                continue;
            }
            _ => return None,
        };
        talk.send(&packets).await?;
    }
    None
}

/// The defaults, but for a pace that an unoptimised camera reaches.
fn attacked(url: &str, kind: &str) -> Options {
    let mut options = options(url);
    if kind == "keys" {
        options.limits.pace_bytes_per_second = 200_000;
    }
    options
}

fn is_expected(kind: &str, trouble: &Trouble) -> bool {
    match (kind, trouble) {
        ("large-frame", Trouble::TooMuch { of: Excess::AccessUnit | Excess::Unanswered, .. }) => true,
        ("keys", Trouble::TooMuch { of: Excess::Frames | Excess::Pace, .. }) => true,
        ("garbage", Trouble::Protocol { .. }) => true,
        ("large-frame" | "keys" | "garbage", _) => false,
        (_, trouble) => matches!(trouble, Trouble::TooMuch { of: Excess::Unanswered, .. }),
    }
}

#[tokio::test]
async fn floods_end_with_their_reason_after_few_bytes() {
    for kind in FLOODS {
        let camera = Camera::start(move |talk, _| flood(talk, kind)).await;
        let options = attacked(&camera.url(), kind);
        let limit = options.limits.unanswered_bytes;
        let trouble = trouble_of(options).await;
        assert!(is_expected(kind, &trouble), "{kind}: {trouble}");
        assert!(camera.sent() < limit + KERNEL_BYTES, "{kind}: {}", camera.sent());
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The process under attack: this very test program, started again with the attack's name.
#[test]
#[ignore = "needs its parent, a_whole_process_under_attack_stays_small"]
fn under_attack() {
    let Ok(kind) = std::env::var("DOMOVOI_ATTACK") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // What a session costs anyway, and the camera's own bytes, are there before.
        let camera = Camera::start(|mut talk, _| async move {
            talk.until_play(SDP_VIDEO).await?;
            talk.key(0, 1).await?;
            None
        })
        .await;
        trouble_of(options(&camera.url())).await;
        let before = peak_kib();
        for _ in 0..2 {
            let script = kind.clone();
            let camera = Camera::start(move |talk, _| {
                let kind = script.clone();
                async move { flood(talk, &kind).await }
            })
            .await;
            trouble_of(attacked(&camera.url(), &kind)).await;
        }
        println!("COST {}", peak_kib() - before);
    });
}

#[test]
fn a_whole_process_under_attack_stays_small() {
    for kind in FLOODS {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "session::tests::hostile::under_attack", "--include-ignored", "--nocapture"])
            .env("DOMOVOI_ATTACK", kind)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let cost = text.lines().find_map(|line| line.split_once("COST ")).and_then(|(_, kib)| kib.parse::<u64>().ok());
        let cost = cost.unwrap_or_else(|| panic!("{kind}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        println!("{kind}: {cost} KiB");
        assert!(cost < MEMORY_KIB, "{kind}: {cost} KiB");
    }
}

#[tokio::test]
async fn a_header_that_drips_does_not_extend_its_step() {
    for until_play in [false, true] {
        let camera = Camera::start(move |mut talk, _| async move {
            if until_play {
                loop {
                    let request = talk.request().await?;
                    if request.method == "PLAY" {
                        break;
                    }
                    talk.obey(&request, SDP_VIDEO).await?;
                }
            } else {
                talk.request().await?;
            }
            loop {
                for byte in b"RTSP/1.0 200 OK\r\nX-Slow: yes\r\n" {
                    talk.send(&[*byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        })
        .await;
        let mut options = options(&camera.url());
        options.limits.step = SHORT;
        let step = if until_play { Step::Play } else { Step::Describe };
        assert_eq!(trouble_of(options).await, Trouble::Timeout { step, after: SHORT });
    }
}

#[tokio::test]
async fn a_stream_that_drips_or_falls_silent_is_left() {
    for drips in [true, false] {
        let camera = Camera::start(move |mut talk, _| async move {
            talk.until_play(SDP_VIDEO).await?;
            talk.key(0, 1).await?;
            if drips {
                let packet = talk.packet(0, 6_000, true, &[0x41; 60_000]);
                for byte in packet {
                    talk.send(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            talk.stay().await
        })
        .await;
        let mut options = options(&camera.url());
        options.limits.silence = SHORT;
        options.limits.frame = SHORT * 3;
        let wanted = if drips {
            Trouble::Timeout { step: Step::Frame, after: SHORT * 3 }
        } else {
            Trouble::Silent { seconds: SHORT }
        };
        assert_eq!(trouble_of(options).await, wanted);
    }
}
