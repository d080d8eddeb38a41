//! ONVIF against a device that the tests play: who asks, whose clock counts, whose addresses are believed, and what a
//! hostile device gets out of it.

pub(crate) mod device;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use device::{Device, Habits, Wants};

use super::*;
use crate::address::Allow;
use crate::frame::VideoCodec;
use crate::trust::Fingerprint;

const HUB_NOW: i64 = 1_795_368_434_000;

fn here() -> Policy {
    Policy { loopback: Allow::Yes, ..Policy::default() }
}

fn options(device: &Device) -> Options {
    let at = device_service(&format!("http://{}", device.at)).unwrap();
    Options { policy: here(), ..Options::new(at, Some(Device::login()), Arc::new(|| HUB_NOW)) }
}

#[tokio::test]
async fn a_camera_with_a_wrong_clock_is_surveyed() {
    for wants in [Wants::Token, Wants::Digest, Wants::Nobody] {
        let device = Device::start(Habits { wants, ..Habits::default() }).await;
        let told = survey(&options(&device)).await.unwrap();
        assert_eq!(told.clock_offset_ms, Some(1_600_000_000_000 - HUB_NOW));
        assert_eq!(told.information.maker, "Acme & Co");
        assert_eq!(told.information.serial, "SN 7");
        assert_eq!(told.information.firmware_built(), Some((2019, 9, 9)));
        assert_eq!(told.mac, Some([2, 0, 0, 0, 0, 2]), "that of the interface that was reached");
        assert_eq!(told.reached, Some(device.at.ip()));
        let [channel] = &told.channels[..] else { panic!("one sensor: {told:?}") };
        assert_eq!(channel.main.address.to_string(), "rtsp://127.0.0.1:554/Streaming/1");
        assert_eq!(channel.main.profile.codec, Some(VideoCodec::H265));
        assert_eq!((channel.main.profile.width, channel.main.profile.millihz), (2560, Some(20_000)));
        assert_eq!(channel.main.profile.bits_per_second, Some(4_096_000));
        let sub = channel.sub.as_ref().unwrap();
        assert_eq!(sub.address.to_string(), "rtsp://127.0.0.1:554/Streaming/2?a=1&b=2");
        assert_eq!(sub.profile.codec, Some(VideoCodec::H264));
        assert_eq!(channel.snapshot.as_ref().unwrap().to_string(), format!("http://{}/snap.jpg", device.at));
        for (call, request) in device.heard.lock().unwrap().iter() {
            assert!(!request.contains("пароль"), "{call} has the password in clear");
            let named = request.contains("admin");
            assert!(call != "GetSystemDateAndTime" || !named, "asked before the camera's time is known");
        }
    }
}

#[tokio::test]
async fn an_old_camera_is_asked_the_old_way() {
    let device = Device::start(Habits { media2: false, old: true, ..Habits::default() }).await;
    let told = survey(&options(&device)).await.unwrap();
    assert_eq!(told.channels[0].main.profile.codec, Some(VideoCodec::H264));
    assert_eq!(told.channels[0].snapshot, None);
    assert!(device.calls().contains(&"GetCapabilities".to_owned()));
}

#[tokio::test]
async fn addresses_in_answers_are_those_of_who_was_reached() {
    let device = Device::start(Habits { says: Some("192.168.1.10:80".to_owned()), ..Habits::default() }).await;
    let told = survey(&options(&device)).await.unwrap();
    assert_eq!(told.channels[0].main.address.host(), "127.0.0.1");
    let given = Options { hosts: AnswerHosts::AsGiven, ..options(&device) };
    let told = survey(&given).await.unwrap();
    assert_eq!(told.channels[0].main.address.host(), "192.168.1.10");
    // The services themselves never move.
    assert!(told.channels[0].snapshot.as_ref().unwrap().as_str().starts_with("http://127.0.0.1"));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_none_is_sent_in_clear() {
    let wrong = |device: &Device| {
        let mut login = Device::login();
        login.password = domovoi_vault::Secret::new("wrong".to_owned());
        Options { login: Some(login), ..options(device) }
    };
    for wants in [Wants::Token, Wants::Digest] {
        let device = Device::start(Habits { wants, ..Habits::default() }).await;
        let failure = survey(&wrong(&device)).await.unwrap_err();
        assert_eq!(failure, Failure::Trouble(Trouble::Unauthorized { given: true }));
        // Cameras lock a user out after a few wrong tries.
        assert!(device.calls().len() <= 3, "{:?}", device.calls());
        let nobody = Options { login: None, ..options(&device) };
        assert_eq!(survey(&nobody).await.unwrap_err(), Failure::Trouble(Trouble::Unauthorized { given: false }));
    }
    let basic = Device::start(Habits { wants: Wants::Basic, ..Habits::default() }).await;
    assert_eq!(survey(&options(&basic)).await.unwrap_err(), Failure::Trouble(Trouble::Unauthorized { given: true }));
    assert!(basic.heard.lock().unwrap().iter().all(|(_, request)| !request.contains("Basic")));
}

#[tokio::test]
async fn a_token_is_dated_as_the_policy_says() {
    let device = Device::start(Habits::default()).await;
    let hubs = Options { token_clock: TokenClock::Hubs, ..options(&device) };
    assert_eq!(survey(&hubs).await.unwrap_err(), Failure::Trouble(Trouble::Unauthorized { given: true }));
}

#[tokio::test]
async fn hostile_answers_end_in_an_error_and_soon() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n";
    let bomb = b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".to_vec();
    let raw = |text: String| Habits { raw: Some(text.into_bytes()), ..Habits::default() };
    let attacks = [
        (Habits { instead: Some(bomb), ..Habits::default() }, "onvif-xml"),
        (Habits { instead: Some(vec![b'<'; 2 << 20]), ..Habits::default() }, "too-much"),
        (Habits { instead: Some(b"<a>".repeat(50_000)), ..Habits::default() }, "onvif-xml"),
        (Habits { instead: Some(b"<html>hello</html>".to_vec()), ..Habits::default() }, "onvif-missing"),
        (Habits { instead: Some(Vec::new()), ..Habits::default() }, "onvif-xml"),
        (raw(format!("{head}Content-Length: 2000000000\r\n\r\n<a")), "too-much"),
        (raw(format!("{head}Content-Length: 100\r\n\r\n<a")), "closed"),
        (
            raw(format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{}",
                format!("10000\r\n{}\r\n", "x".repeat(65_536)).repeat(20)
            )),
            "too-much",
        ),
        (raw(format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000))), "protocol"),
        (raw("SSH-2.0-dropbear\r\n".to_owned()), "protocol"),
        (raw("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned()), "refused"),
    ];
    for (habits, code) in attacks {
        let device = Device::start(Habits { wants: Wants::Nobody, ..habits }).await;
        let failure = survey(&options(&device)).await.unwrap_err();
        let shown = failure.to_string();
        assert_eq!(failure.code(), code, "{shown}");
        assert!(shown.len() < 400, "{shown}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = device_service(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let within = Duration::from_millis(300);
    let silent_camera = Options { policy: here(), within, ..Options::new(at, None, Arc::new(|| HUB_NOW)) };
    let failure = survey(&silent_camera).await.unwrap_err();
    assert_eq!(failure.code(), "timeout");
}

#[tokio::test]
async fn nobody_is_asked_where_the_house_does_not_go() {
    let at = device_service("http://127.0.0.1:9").unwrap();
    let refused = survey(&Options::new(at, None, Arc::new(|| HUB_NOW))).await.unwrap_err();
    assert_eq!(refused.code(), "refused-address");
    let device = Device::start(Habits::default()).await;
    let own = Policy { own: vec![device.at], ..here() };
    let refused = survey(&Options { policy: own, ..options(&device) }).await.unwrap_err();
    assert_eq!(refused.code(), "refused-address");
    assert_eq!(device.calls().len(), 0);
}

fn acceptor() -> (tokio_rustls::TlsAcceptor, Fingerprint) {
    let made = rcgen::generate_simple_self_signed(vec!["camera".to_owned()]).unwrap();
    let fingerprint = Certificate::of(made.cert.der()).fingerprint;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config).into(), fingerprint)
}

#[tokio::test]
async fn over_tls_only_the_pinned_camera_is_asked() {
    let (tls, fingerprint) = acceptor();
    let at: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let device = Device::start_at(at, Habits::default(), Some(tls)).await;
    let https = device_service(&format!("https://{}", device.at)).unwrap();
    let unknown = Options { device: https, ..options(&device) };
    let failure = survey(&unknown).await.unwrap_err();
    let Failure::Trouble(Trouble::CertificateUnknown { found }) = &failure else { panic!("{failure:?}") };
    assert_eq!(found.fingerprint, fingerprint);
    let other = Options { trust: Trust::Pinned(Fingerprint([1; 32])), ..unknown.clone() };
    assert_eq!(survey(&other).await.unwrap_err().code(), "certificate-changed");
    assert_eq!(device.calls().len(), 0, "nothing was said before the certificate was known");
    let pinned = Options { trust: Trust::Pinned(fingerprint), ..unknown };
    let told = survey(&pinned).await.unwrap();
    assert_eq!(told.certificate.unwrap().fingerprint, fingerprint);
    assert!(told.channels[0].snapshot.as_ref().unwrap().as_str().starts_with("https://"));
}

#[tokio::test]
async fn a_device_answers_a_probe() {
    let device = Device::start(Habits::default()).await;
    let asked = Search {
        policy: here(),
        within: Duration::from_millis(400),
        multicast: Multicast::Nowhere,
        also: vec![device.udp],
    };
    // On a machine that is busy the answer may come after the search's end.
    let found = loop {
        let found = search(&asked).await.unwrap();
        if !found.is_empty() {
            break found;
        }
    };
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!(one.name.as_deref(), Some("Porch"));
    assert_eq!(one.endpoint, Habits::default().endpoint);
    let told = survey(&Options { device: one.services[0].clone(), ..options(&device) }).await.unwrap();
    assert_eq!(told.channels.len(), 1);
}
