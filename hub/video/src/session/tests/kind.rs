//! Cameras that keep to the standard: what comes out, what their refusals mean, and whose certificate is taken.

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::camera::{Camera, SDP_PCMU, SDP_VIDEO, Talk};
use super::*;
use crate::address::Refusal;
use crate::check::{Group, Missing, Playable, check};
use crate::frame::{AudioCodec, Kind};
use crate::picture::Darkroom;
use crate::trust::{AuthorityError, Names, Trust};

async fn plays(mut talk: Talk) -> Option<()> {
    talk.until_play(SDP_VIDEO).await?;
    for n in 0..40 {
        if n % 10 == 0 { talk.key(n * 6_000, 1).await? } else { talk.delta(n * 6_000).await? }
    }
    talk.stay().await
}

#[tokio::test]
async fn frames_come_from_the_first_key_frame_on_and_the_camera_is_told_the_end() {
    let camera = Camera::start(|mut talk, _| async move {
        talk.until_play(SDP_VIDEO).await?;
        // It plays from the middle of a group.
        for n in 1..4 {
            talk.delta(n * 6_000).await?;
        }
        for n in 4..30 {
            if n % 10 == 4 { talk.key(n * 6_000, 2).await? } else { talk.delta(n * 6_000).await? }
        }
        talk.stay().await
    })
    .await;
    let mut session = Session::open(options(&camera.url())).await.unwrap();
    let items = items(&mut session, 25).await;
    let Item::Begins { tracks, started } = &items[0] else { panic!("{items:?}") };
    assert_eq!((tracks.video.width, tracks.video.height, tracks.video.clock_hz), (32, 16, 90_000));
    assert!(tracks.video.rfc6381.starts_with("avc1.42") && !tracks.video.sample_entry.is_empty());
    assert!(tracks.audio.is_none() && (MIDNIGHT..MIDNIGHT + 60_000).contains(started));
    let starts: Vec<i64> = frames(&items).filter(|frame| frame.starts_group).map(|frame| frame.decoded).collect();
    assert_eq!(starts, [0, 60_000, 120_000]);
    assert!(frames(&items).zip(0..).all(|(frame, n)| frame.shown == n * 6_000 && frame.decoded == frame.shown));
    assert_eq!(runs(&items), 1);
    assert!(session.bytes() > 1_000);
    session.close().await;
    assert_eq!(camera.heard(), ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);
}

#[tokio::test]
async fn audio_goes_along_and_what_is_not_kept_is_named() {
    let camera = Camera::start(|mut talk, _| async move {
        let opus = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:opus\r\n";
        let meta = "m=application 0 RTP/AVP 98\r\na=rtpmap:98 vnd.onvif.metadata/90000\r\na=control:meta\r\n";
        talk.until_play(&[SDP_VIDEO, opus, SDP_PCMU, meta].concat()).await?;
        for n in 0..20 {
            if n == 0 {
                talk.key(0, 1).await?
            } else {
                talk.delta(n * 9_000).await?
            }
            talk.rtp(2, n * 800, false, &[0xff; 800]).await?;
        }
        talk.stay().await
    })
    .await;
    let mut session = Session::open(options(&camera.url())).await.unwrap();
    assert_eq!(session.left_out(), ["audio/opus", "application/vnd.onvif.metadata"]);
    let items = items(&mut session, 20).await;
    let Item::Begins { tracks, .. } = &items[0] else { panic!() };
    let audio = tracks.audio.as_ref().unwrap();
    assert_eq!((audio.codec, audio.clock_hz, audio.channels), (AudioCodec::Pcmu, 8_000, 1));
    let sound: Vec<&Frame> = items
        .iter()
        .filter_map(|item| match item {
            Item::Frame(frame) if frame.kind == Kind::Audio => Some(frame),
            _ => None,
        })
        .collect();
    assert!(sound.len() >= 18 && sound.iter().all(|frame| frame.data.len() == 800));
    assert!(sound.windows(2).all(|pair| pair[1].decoded - pair[0].decoded == 800));
}

#[tokio::test]
async fn video_goes_on_where_audio_is_described_and_then_refused() {
    let camera = Camera::start(|mut talk, _| async move {
        loop {
            let request = talk.request().await?;
            if request.method == "SETUP" && request.head.contains("/audio") {
                talk.answer(&request, "461 Unsupported Transport", "", "").await?;
                continue;
            }
            talk.obey(&request, &[SDP_VIDEO, SDP_PCMU].concat()).await?;
            if request.method == "PLAY" {
                talk.key(0, 1).await?;
            }
        }
    })
    .await;
    let mut session = Session::open(options(&camera.url())).await.unwrap();
    let items = items(&mut session, 1).await;
    assert!(matches!(&items[0], Item::Begins { tracks, .. } if tracks.audio.is_none()));
    assert_eq!(session.left_out(), ["audio"]);
}

#[tokio::test]
async fn each_refusal_is_told_apart() {
    for (status, method, wanted) in [
        ("404 Not Found", "DESCRIBE", Trouble::NotFound),
        ("453 Not Enough Bandwidth", "SETUP", Trouble::Busy { status: 453 }),
        ("503 Service Unavailable", "SETUP", Trouble::Busy { status: 503 }),
        ("461 Unsupported Transport", "SETUP", Trouble::TransportRefused),
        ("500 Internal Server Error", "PLAY", Trouble::Refused { status: 500 }),
        ("403 Forbidden", "DESCRIBE", Trouble::Unauthorized { given: false }),
    ] {
        let camera = Camera::start(move |mut talk, _| async move {
            loop {
                let request = talk.request().await?;
                if request.method == method {
                    talk.answer(&request, status, "", "").await?;
                } else {
                    talk.obey(&request, SDP_VIDEO).await?;
                }
            }
        })
        .await;
        assert_eq!(trouble_of(options(&camera.url())).await, wanted, "{status}");
    }
    for (sdp, wanted) in [
        (SDP_VIDEO.replace("H264", "VP8"), Trouble::Unsupported { codec: "vp8".to_owned() }),
        (
            SDP_VIDEO.replace("m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 0").replace("96 H264/90000", "0 PCMU/8000"),
            Trouble::NoVideo { offered: vec![] },
        ),
    ] {
        let camera = Camera::start(move |mut talk, _| {
            let sdp = sdp.clone();
            async move { talk.until_play(&sdp).await }
        })
        .await;
        assert_eq!(trouble_of(options(&camera.url())).await, wanted);
    }
}

#[tokio::test]
async fn a_password_is_sent_as_a_digest_and_a_wrong_one_is_told() {
    let challenge = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\"\r\n";
    for right in [true, false] {
        let camera = Camera::start(move |mut talk, _| async move {
            loop {
                let request = talk.request().await?;
                let signed = request.head.contains("Authorization: Digest username=\"admin\"");
                assert!(!request.head.contains("s3cret"));
                if signed && right {
                    talk.obey(&request, SDP_VIDEO).await?;
                    if request.method == "PLAY" {
                        talk.key(0, 1).await?;
                    }
                } else {
                    talk.answer(&request, "401 Unauthorized", challenge, "").await?;
                }
            }
        })
        .await;
        let with = |login| Options { login, ..options(&camera.url()) };
        if right {
            let mut session = Session::open(with(login("admin", "s3cret"))).await.unwrap();
            items(&mut session, 1).await;
        } else {
            let trouble = trouble_of(with(login("admin", "s3cret"))).await;
            assert_eq!(trouble, Trouble::Unauthorized { given: true });
        }
        assert_eq!(trouble_of(with(None)).await, Trouble::Unauthorized { given: false });
    }
}

#[tokio::test]
async fn nobody_there_and_places_that_are_not_to_be_reached() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let trouble = trouble_of(options(&format!("rtsp://{free}/"))).await;
    assert!(matches!(trouble, Trouble::NoConnection { .. }) && trouble.is_absence(), "{trouble}");
    let strict = Options { policy: Policy::default(), ..options(&format!("rtsp://{free}/")) };
    let trouble = trouble_of(strict).await;
    assert_eq!(trouble, Trouble::RefusedAddress { address: free, why: Refusal::Loopback });
    let udp = Options { transport: Transport::Udp, ..options("rtsps://127.0.0.1/") };
    assert_eq!(trouble_of(udp).await, Trouble::UdpOverTls);
}

struct Identity {
    acceptor: tokio_rustls::TlsAcceptor,
    fingerprint: crate::trust::Fingerprint,
    pem: String,
}

/// A self-signed certificate for 127.0.0.1, as a camera makes it for itself; signed by `by` when there is one.
fn identity(
    name: &str,
    by: Option<&Issuer<'static, KeyPair>>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Identity {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = match by {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    Identity {
        acceptor: Arc::new(config).into(),
        fingerprint: crate::trust::Certificate::of(certificate.der()).fingerprint,
        pem: certificate.pem(),
    }
}

async fn secured(identity: &Identity) -> (Camera, String) {
    let at = "127.0.0.1:0".parse().unwrap();
    let camera = Camera::start_at(at, Some(identity.acceptor.clone()), |talk, _| plays(talk)).await;
    let url = camera.url().replace("rtsp:", "rtsps:");
    (camera, url)
}

#[tokio::test]
async fn a_certificate_is_shown_then_pinned_then_noticed_when_it_changes() {
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let first = identity("127.0.0.1", None, versions);
        let (camera, url) = secured(&first).await;
        let Trouble::CertificateUnknown { found } = trouble_of(options(&url)).await else { panic!() };
        assert_eq!(found.fingerprint, first.fingerprint);
        assert!(!found.subject.is_empty() && found.valid_from < found.valid_until);
        assert!(camera.heard().is_empty(), "nothing was said to a stranger");
        let pinned = Options { trust: Trust::Pinned(found.fingerprint), ..options(&url) };
        let mut session = Session::open(pinned.clone()).await.unwrap();
        items(&mut session, 30).await;
        session.close().await;
        assert_eq!(camera.heard().last().unwrap(), "TEARDOWN");
        let second = identity("127.0.0.1", None, versions);
        let (_other, other_url) = secured(&second).await;
        let moved = Options { address: options(&other_url).address, ..pinned };
        let Trouble::CertificateChanged { pinned, found } = trouble_of(moved).await else { panic!() };
        assert_eq!((pinned, found.fingerprint), (first.fingerprint, second.fingerprint));
    }
}

#[tokio::test]
async fn an_owners_authority_is_believed_for_the_names_it_signed() {
    let versions = &[&rustls::version::TLS13];
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    // The wall clock of `options` stands in 2023, rcgen's certificates hold from 1975 on.
    let named = identity("127.0.0.1", Some(&issuer), versions);
    let other = identity("model-4711.example", Some(&issuer), versions);
    let stranger = identity("127.0.0.1", None, versions);
    for (camera, names, believed) in [
        (&named, Names::Checked, true),
        (&other, Names::Checked, false),
        (&other, Names::Ignored, true),
        (&stranger, Names::Checked, false),
        (&stranger, Names::Ignored, false),
    ] {
        let (_camera, url) = secured(camera).await;
        let trust = Trust::authority(pem.as_bytes(), names).unwrap();
        let opened = Session::open(Options { trust, ..options(&url) }).await;
        assert_eq!(opened.is_ok(), believed);
        if let Err(trouble) = opened {
            assert!(matches!(trouble, Trouble::Tls { .. }), "{trouble}");
        }
    }
    assert_eq!(Trust::authority(b"no PEM", Names::Checked).unwrap_err(), AuthorityError::Empty);
    assert!(Trust::authority(stranger.pem.as_bytes(), Names::Checked).is_ok());
}

#[tokio::test]
async fn a_plain_camera_behind_rtsps_is_no_tls() {
    let camera = Camera::start(|mut talk, _| async move {
        talk.send(b"RTSP/1.0 400 Bad Request\r\n\r\n").await?;
        talk.stay().await
    })
    .await;
    let trouble = trouble_of(options(&camera.url().replace("rtsp:", "rtsps:"))).await;
    assert!(matches!(trouble, Trouble::Tls { .. }), "{trouble}");
}

#[tokio::test]
async fn a_check_that_is_cut_short_tells_what_it_knows() {
    let camera = Camera::start(|mut talk, _| async move {
        let opus = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:opus\r\n";
        talk.until_play(&[SDP_VIDEO, opus].concat()).await?;
        talk.key(0, 4).await?;
        for n in 1..20 {
            talk.delta(n * 9_000).await?;
        }
        None
    })
    .await;
    let report = check(options(&camera.url()), &Darkroom::default()).await.unwrap();
    assert_eq!((report.video.width, report.millihz), (64, Some(10_000)));
    assert_eq!((report.group, report.trouble), (Group::LongerThan(1_900), Some(Trouble::Closed)));
    assert_eq!(report.missing, [Missing::GroupLength, Missing::ClockOffset]);
    assert_eq!((report.profile.as_str(), report.playable), ("Constrained Baseline", Playable::Everywhere));
    assert_eq!((report.picture.unwrap().width, report.left_out), (64, vec!["audio/opus".to_owned()]));
    let nothing = Camera::start(|mut talk, _| async move { talk.until_play(SDP_VIDEO).await }).await;
    assert_eq!(check(options(&nothing.url()), &Darkroom::default()).await.unwrap_err(), Trouble::Closed);
}
