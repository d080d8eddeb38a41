//! Looking for a camera among real sockets: two devices on addresses of the loopback network, of which one is the camera.

mod moved;

use std::sync::Arc;

use tokio::net::TcpListener;

use super::*;
use crate::address::Allow;
use crate::onvif::tests::device::{Device, Habits, Wants, answer_probes};
use crate::trust::{Certificate, Fingerprint};

const ENDPOINT: &str = "urn:uuid:5f5a69c2-e0ae-504f-829b-00fc4a111111";

fn seeking(also: Vec<SocketAddr>) -> Seeking {
    let policy = Policy { loopback: Allow::Yes, ..Policy::default() };
    let seeking = Seeking::new(policy, Arc::new(|| 1_795_368_434_000));
    Seeking { network: Multicast::Nowhere, within: Duration::from_secs(1), also, ..seeking }
}

fn known(port: u16) -> Known {
    Known {
        stream: Address::parse(&format!("rtsp://127.0.0.5:{port}/a")).unwrap().0,
        trust: Trust::Unknown,
        host_name: None,
        mac: None,
        endpoint: Some(ENDPOINT.to_ascii_uppercase()),
    }
}

/// Takes connections and writes down whether anything was said.
async fn stream_at(ip: &str, port: u16) -> (TcpListener, u16) {
    let listener = TcpListener::bind((ip.parse::<IpAddr>().unwrap(), port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_camera_that_answers_by_name_elsewhere_has_moved() {
    let (_stream, port) = stream_at("127.0.0.9", 0).await;
    let habits = Habits { wants: Wants::Nobody, ..Habits::default() };
    let camera = Device::start_at("127.0.0.9:0".parse().unwrap(), habits, None).await;
    let stranger = Habits { endpoint: "urn:uuid:other".to_owned(), ..Habits::default() };
    let stranger = Device::start_at("127.0.0.66:0".parse().unwrap(), stranger, None).await;
    let asked = seeking(vec![camera.udp, stranger.udp]);
    let outcome = loop {
        // On a machine that is busy the answer may come too late.
        match find(&known(port), &asked).await {
            Outcome::Unseen => {}
            outcome => break outcome,
        }
    };
    let Outcome::Moved { to, proof: Proof::Endpoint, service: Some(service) } = outcome else { panic!("{outcome:?}") };
    assert_eq!(to, "127.0.0.9".parse::<IpAddr>().unwrap());
    assert_eq!(service.host_str(), Some("127.0.0.9"));
    assert_eq!(camera.calls(), [] as [&str; 0], "nothing was asked that it could want a password for");
}

#[tokio::test]
async fn who_claims_its_name_without_its_certificate_is_not_it() {
    let made = rcgen::generate_simple_self_signed(vec!["camera".to_owned()]).unwrap();
    let fingerprint = Certificate::of(made.cert.der()).fingerprint;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (stream, port) = stream_at("127.0.0.9", 0).await;
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = stream.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    let habits = Habits::default();
    let camera = Device::start_at("127.0.0.9:0".parse().unwrap(), habits, None).await;
    let found = |pinned: Fingerprint| Known {
        stream: Address::parse(&format!("rtsps://127.0.0.5:{port}/a")).unwrap().0,
        trust: Trust::Pinned(pinned),
        ..known(port)
    };
    let outcome = loop {
        match find(&found(fingerprint), &seeking(vec![camera.udp])).await {
            Outcome::Unseen => {}
            outcome => break outcome,
        }
    };
    let Outcome::Moved { proof: Proof::Certificate, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(find(&found(Fingerprint([1; 32])), &seeking(vec![camera.udp])).await, Outcome::Unseen);
    serving.abort();
}

#[tokio::test]
async fn a_camera_in_its_place_has_not_moved() {
    let (_stream, port) = stream_at("127.0.0.5", 0).await;
    let udp = UdpSocket::bind("127.0.0.5:0").await.unwrap();
    let at = udp.local_addr().unwrap();
    let answering = tokio::spawn(answer_probes(udp, "http://127.0.0.5/onvif".to_owned(), ENDPOINT.to_owned()));
    let outcome = loop {
        match find(&known(port), &seeking(vec![at])).await {
            Outcome::Unseen => {}
            outcome => break outcome,
        }
    };
    assert_eq!(outcome, Outcome::Unmoved);
    answering.abort();
}

#[tokio::test]
async fn a_name_is_asked_for_in_the_network() {
    let responder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = responder.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 2000];
        while let Ok((length, from)) = responder.recv_from(&mut buffer).await {
            let answer = mdns::reply(&buffer[..length], "door.local", "192.168.1.9".parse().unwrap());
            let _ = responder.send_to(&answer, from).await;
        }
    });
    let asked = || mdns::ask_at("Door.local", Duration::from_secs(20), network::direct(std::iter::once(to)));
    assert_eq!(asked().await, ["192.168.1.9".parse::<IpAddr>().unwrap()]);
    answering.abort();
}
