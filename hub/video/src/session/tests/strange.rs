//! Cameras whose clocks, parameters and ends are not as they should be, and what a session makes of them.

use super::camera::{Camera, SDP_VIDEO};
use super::*;
use crate::frame::Kind;

fn rising(items: &[Item]) -> bool {
    let mut last = i64::MIN;
    items.iter().all(|item| match item {
        Item::Begins { .. } => {
            last = i64::MIN;
            true
        }
        Item::Frame(frame) if frame.kind == Kind::Video => {
            let rises = frame.decoded > last && frame.shown >= frame.decoded;
            last = frame.decoded;
            rises
        }
        _ => true,
    })
}

#[tokio::test]
async fn times_that_jump_begin_another_run_and_lose_nothing() {
    // Back to the start at a key frame; back, and on by a minute, in the middle of a group; a small step at a key frame.
    for jumps in [
        vec![(20, 0u32), (40, 0)],
        vec![(15, 0), (35, 9_000_000)],
        vec![(15, 90_000_000)],
        vec![(20, 19 * 6_000 - 100)],
    ] {
        let expected = jumps.len() + 1;
        let camera = Camera::start(move |mut talk, _| {
            let jumps = jumps.clone();
            async move {
                talk.until_play(SDP_VIDEO).await?;
                let mut ticks = 1_000_000_000u32;
                let base = ticks;
                for n in 0..60 {
                    if let Some((_, to)) = jumps.iter().find(|(at, _)| *at == n) {
                        ticks = base.wrapping_add(*to);
                    }
                    if n % 10 == 0 {
                        talk.key(ticks, 1).await?
                    } else {
                        talk.delta(ticks).await?
                    }
                    ticks = ticks.wrapping_add(6_000);
                }
                talk.stay().await
            }
        })
        .await;
        let mut session = Session::open(options(&camera.url())).await.unwrap();
        let items = items(&mut session, 60).await;
        assert_eq!(runs(&items), expected);
        assert!(rising(&items), "{items:?}");
        let after = items.windows(2).filter(|pair| matches!(pair[0], Item::Begins { .. }));
        assert!(after.into_iter().all(|pair| matches!(&pair[1], Item::Frame(frame) if frame.starts_group)));
    }
}

#[tokio::test]
async fn other_parameters_begin_another_run_with_other_tracks() {
    let camera = Camera::start(|mut talk, _| async move {
        talk.until_play(SDP_VIDEO).await?;
        for n in 0..20 {
            match n {
                0 => talk.key(0, 1).await?,
                10 => talk.key(60_000, 3).await?,
                _ => talk.delta(n * 6_000).await?,
            }
        }
        talk.stay().await
    })
    .await;
    let mut session = Session::open(options(&camera.url())).await.unwrap();
    let items = items(&mut session, 20).await;
    let widths: Vec<u16> = items
        .iter()
        .filter_map(|item| match item {
            Item::Begins { tracks, .. } => Some(tracks.video.width),
            _ => None,
        })
        .collect();
    assert_eq!(widths, [16, 48]);
    assert!(rising(&items));
}

#[tokio::test]
async fn a_wall_clock_that_is_set_begins_another_run_at_the_next_group() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let camera = Camera::start(move |mut talk, _| {
        let mut wait = wait.clone();
        async move {
            talk.until_play(SDP_VIDEO).await?;
            talk.key(0, 1).await?;
            talk.delta(6_000).await?;
            wait.wait_for(|go| *go).await.ok()?;
            talk.delta(12_000).await?;
            talk.key(18_000, 1).await?;
            talk.stay().await
        }
    })
    .await;
    let wall = Wall::new();
    let mut session = Session::open(Options { wall: wall.clock(), ..options(&camera.url()) }).await.unwrap();
    let before = items(&mut session, 2).await;
    wall.set_ahead(3_600_000);
    go.send(true).unwrap();
    let after = items(&mut session, 2).await;
    assert_eq!((runs(&before), runs(&after)), (1, 1));
    assert!(matches!(&after[0], Item::Frame(frame) if frame.decoded == 12_000), "the group is ended first");
    let started = after.iter().find_map(|item| match item {
        Item::Begins { started, .. } => Some(*started),
        _ => None,
    });
    assert!(started.unwrap() >= MIDNIGHT + 3_600_000);
}

#[tokio::test]
async fn a_stream_without_key_frames_is_given_up_with_that_reason() {
    let camera = Camera::start(|mut talk, _| async move {
        talk.until_play(SDP_VIDEO).await?;
        talk.rtp(0, 0, false, nal::annex_b_units(&crate::picture::tests::h264_pcm(1, 9, 9, 9).0)[0]).await?;
        for n in 1.. {
            talk.delta(n * 600).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    })
    .await;
    let mut options = options(&camera.url());
    options.limits.key_frame = SHORT;
    assert!(matches!(trouble_of(options).await, Trouble::NoKeyFrame { .. }));
}

#[tokio::test]
async fn an_end_in_mid_stream_is_an_end_and_an_echoed_password_is_not_repeated() {
    let camera = Camera::start(|mut talk, _| async move {
        talk.until_play(SDP_VIDEO).await?;
        talk.key(0, 1).await?;
        None
    })
    .await;
    assert_eq!(trouble_of(options(&camera.url())).await, Trouble::Closed);
    let camera = Camera::start(|mut talk, _| async move {
        let request = talk.request().await?;
        talk.answer(&request, "200 OK", "Content-Type: text/s3cret\r\n", "s3cret\u{7}").await?;
        talk.stay().await
    })
    .await;
    let with = Options { login: login("admin", "s3cret"), ..options(&camera.url()) };
    let Trouble::Protocol { text } = trouble_of(with).await else { panic!() };
    assert!(text.contains("***") && !text.contains("s3cret"), "{text}");
    assert!(text.contains(&camera.at.to_string()), "the camera's place, not that of the relay: {text}");
}

#[tokio::test]
async fn an_old_live555_never_leads_past_the_relay() {
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = elsewhere.local_addr().unwrap();
    let camera = Camera::start(move |mut talk, _| async move {
        loop {
            let request = talk.request().await?;
            if request.method == "DESCRIBE" {
                let headers = format!("Content-Type: application/sdp\r\nContent-Base: rtsp://{base}/x/\r\n");
                let sdp = SDP_VIDEO.replace("t=0 0", "t=0 0\r\na=tool:LIVE555 Streaming Media v2010.01.01");
                talk.answer(&request, "200 OK", &headers, &sdp).await?;
                continue;
            }
            talk.obey(&request, SDP_VIDEO).await?;
            if request.method == "PLAY" {
                talk.key(0, 1).await?;
            }
        }
    })
    .await;
    let mut session = Session::open(options(&camera.url())).await.unwrap();
    items(&mut session, 1).await;
    session.close().await;
    // retina would say TEARDOWN on this connection first, and only then go to the base.
    assert_eq!(camera.heard(), ["DESCRIBE", "DESCRIBE", "SETUP", "PLAY"]);
}

#[tokio::test]
async fn datagrams_are_put_in_order_and_come_from_the_camera_alone() {
    let camera = Camera::start(|mut talk, _| async move {
        let rtp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.ok()?;
        let rtcp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.ok()?;
        let (ours, reports) = (rtp.local_addr().ok()?.port(), rtcp.local_addr().ok()?.port());
        let mut theirs = 0u16;
        loop {
            let request = talk.request().await?;
            if request.method != "SETUP" {
                talk.obey(&request, SDP_VIDEO).await?;
                if request.method == "PLAY" {
                    break;
                }
                continue;
            }
            theirs = request.head.split_once("RTP/AVP/UDP;unicast;client_port=")?.1.split('-').next()?.parse().ok()?;
            assert!(theirs.is_multiple_of(2) && !request.head.contains("interleaved"));
            // It names another host as its source, to which nothing must be sent.
            let headers = format!(
                "Session: 7\r\nTransport: RTP/AVP/UDP;unicast;client_port={theirs}-{};server_port={ours}-{reports};\
                 source=192.0.2.1\r\n",
                theirs + 1
            );
            talk.answer(&request, "200 OK", &headers, "").await?;
        }
        let (sets, frame) = crate::picture::tests::h264_pcm(1, 90, 100, 150);
        let mut packets = Vec::new();
        for n in 0..20u32 {
            let ticks = n * 6_000;
            if n % 10 == 0 {
                for set in nal::annex_b_units(&sets) {
                    packets.push(talk.packet(0, ticks, false, set));
                }
                packets.push(talk.packet(0, ticks, true, nal::units(&frame).next()?));
            } else {
                packets.push(talk.packet(0, ticks, true, &[0x41, 0x9a, 0x00, 0x80]));
            }
        }
        // The first stays first; of the others each pair comes the wrong way round.
        for pair in packets[1..].chunks_mut(2) {
            pair.reverse();
        }
        // A stranger's packet with a number of its own.
        let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.ok()?;
        stranger.send_to(&[0x80, 96, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 0x65], ("127.0.0.1", theirs)).await.ok()?;
        for packet in packets {
            rtp.send_to(&packet[4..], ("127.0.0.1", theirs)).await.ok()?;
        }
        // The client is heard of at the camera's ports.
        let mut report = [0; 100];
        assert_eq!(rtcp.recv(&mut report).await.ok()?, 8);
        talk.stay().await
    })
    .await;
    let options = Options { transport: Transport::Udp, ..options(&camera.url()) };
    let mut session = Session::open(options).await.unwrap();
    let items = items(&mut session, 20).await;
    assert_eq!(runs(&items), 1);
    assert!(frames(&items).zip(0..).all(|(frame, n)| frame.decoded == n * 6_000), "{items:?}");
    assert!(!items.iter().any(|item| matches!(item, Item::Gap { .. })));
    session.close().await;
    assert_eq!(camera.heard(), ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);
}

#[tokio::test]
async fn datagrams_are_bounded_as_well() {
    let camera = Camera::start(|mut talk, _| async move {
        let request = talk.request().await?;
        talk.answer(&request, "200 OK", "Content-Type: application/sdp\r\n", SDP_VIDEO).await?;
        let request = talk.request().await?;
        talk.answer(&request, "200 OK", "Session: 7\r\nTransport: RTP/AVP/UDP;unicast\r\n", "").await?;
        talk.stay().await
    })
    .await;
    let udp = |url: String| Options { transport: Transport::Udp, ..options(&url) };
    assert!(matches!(trouble_of(udp(camera.url())).await, Trouble::Protocol { .. }));
    let camera = Camera::start(|mut talk, _| async move {
        talk.request().await?;
        talk.send(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 2000000000\r\n\r\n").await?;
        loop {
            talk.send(&[0; 65536]).await?;
        }
    })
    .await;
    let trouble = trouble_of(udp(camera.url())).await;
    assert!(matches!(trouble, Trouble::TooMuch { .. } | Trouble::Protocol { .. }), "{trouble}");
}
