//! TLS on the same port, silent peers, limits at the door: against a TLS library's client and raw sockets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domovoi_broker::{Door, Publish, Settings, TlsSource};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
        server::WebPkiClientVerifier,
    },
};

use crate::{
    client::{Client, PATIENCE, message, v3, v5},
    gate::Rig,
};

pub struct Identity {
    pub certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

pub fn identity(name: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Identity { certificate: made.cert.der().clone(), key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()) }
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }
}

fn roots(of: &[&Identity]) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    of.iter().for_each(|identity| roots.add(identity.certificate.clone()).unwrap());
    Arc::new(roots)
}

/// A server that looks at a client's certificate if it shows one.
pub fn server(own: &Identity, clients: &[&Identity]) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = if clients.is_empty() {
        builder.with_no_client_auth()
    } else {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(clients), provider);
        builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
    };
    Arc::new(builder.with_single_cert(vec![own.certificate.clone()], own.key()).unwrap())
}

pub fn always(config: Arc<ServerConfig>) -> TlsSource {
    Arc::new(move || config.clone())
}

pub async fn tls(rig: &Rig, server: &Identity, own: Option<&Identity>) -> TlsStream<TcpStream> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&[server]));
    let config = match own {
        Some(own) => builder.with_client_auth_cert(vec![own.certificate.clone()], own.key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let socket = TcpStream::connect(rig.address).await.unwrap();
    let name = ServerName::try_from("broker.test").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
    timeout(PATIENCE, connecting).await.expect("a handshake in time").expect("a handshake")
}

/// Reads exactly these bytes.
pub async fn hears<S: AsyncRead + Unpin>(stream: &mut S, wanted: &[u8]) {
    let mut heard = vec![0; wanted.len()];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.expect("an answer in time").expect("an answer");
    assert_eq!(heard, wanted);
}

/// Reads nothing more than the end.
pub async fn ends<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the broker closes");
    assert_eq!(rest, b"");
}

/// CONNACK of MQTT 3.1.1 without a session.
pub const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

#[tokio::test]
async fn tls_and_mqtt_share_a_port_and_the_gate_hears_which_it_was() {
    let own = identity("broker.test");
    let door = Door { tls: Some(always(server(&own, &[]))), ..Door::plain() };
    let rig = Rig::behind(Settings::default(), door).await;
    let mut ciphered = tls(&rig, &own, None).await;
    ciphered.write_all(&v3("ciphered").bytes()).await.unwrap();
    hears(&mut ciphered, &WELCOME).await;
    let mut plain = Client::connect(rig.address, &v5("plain")).await;
    plain.ping().await;
    rig.gate.with(|log| {
        let road = |id: &str| log.connects.iter().find(|connect| connect.client_id == id).unwrap().road;
        assert!(road("ciphered").tls && !road("ciphered").websocket);
        assert!(!road("plain").tls && !road("plain").websocket);
        assert!(log.connects.iter().all(|connect| connect.certificate.is_none()));
    });
}

#[tokio::test]
async fn a_door_of_tls_lets_nothing_in_without() {
    let own = identity("broker.test");
    let rig = Rig::behind(Settings::default(), Door::tls(always(server(&own, &[])))).await;
    for bytes in [v3("plain").bytes(), b"GET /mqtt HTTP/1.1\r\n\r\n".to_vec(), vec![0]] {
        let mut socket = TcpStream::connect(rig.address).await.unwrap();
        socket.write_all(&bytes).await.unwrap();
        ends(&mut socket).await;
    }
    assert_eq!(rig.broker.counters().failed_handshakes, 3);
    rig.gate.with(|log| assert!(log.connects.is_empty()));
    // Where no TLS is spoken, a ClientHello is no MQTT either.
    let rig = Rig::new().await;
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    socket.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).await.unwrap();
    ends(&mut socket).await;
}

#[tokio::test]
async fn silent_peers_hold_up_nobody_and_are_sent_away() {
    let own = identity("broker.test");
    let settings = Settings { connect_timeout: Duration::from_secs(2), ..Settings::default() };
    let rig = Rig::behind(settings, Door::tls(always(server(&own, &[])))).await;
    let mut silent = Vec::new();
    for n in 0..60 {
        let mut socket = TcpStream::connect(rig.address).await.unwrap();
        // Nothing at all, the head of a record, half a ClientHello.
        socket.write_all([&[][..], &[0x16, 3, 1], &[0x16, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3]][n % 3]).await.unwrap();
        silent.push(socket);
    }
    rig.until(|counters| counters.accepted_sockets == 60).await;
    let mut good = tls(&rig, &own, None).await;
    good.write_all(&v3("good").bytes()).await.unwrap();
    hears(&mut good, &WELCOME).await;
    // Ciphered, but without a word of MQTT.
    let mut mute = tls(&rig, &own, None).await;
    for mut socket in silent {
        ends(&mut socket).await;
    }
    ends(&mut mute).await;
    rig.until(|counters| counters.failed_handshakes == 61).await;
    good.write_all(&[0xC0, 0]).await.unwrap();
    hears(&mut good, &[0xD0, 0]).await;
}

#[tokio::test]
async fn silent_peers_make_room_for_whoever_comes_the_oldest_first() {
    let own = identity("broker.test");
    let settings = Settings { max_connections: 3, ..Settings::default() };
    let rig = Rig::behind(settings, Door::tls(always(server(&own, &[])))).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(rig.address).await.unwrap());
    }
    rig.until(|counters| counters.accepted_sockets == 3).await;
    let mut inside = Vec::new();
    for (n, mut oldest) in silent.into_iter().enumerate() {
        let mut good = tls(&rig, &own, None).await;
        ends(&mut oldest).await;
        good.write_all(&v3(&format!("good {n}")).bytes()).await.unwrap();
        hears(&mut good, &WELCOME).await;
        inside.push(good);
    }
    rig.until(|counters| counters.failed_handshakes == 3 && counters.refused_sockets == 0).await;
    // Those who were let in make room for nobody.
    ends(&mut TcpStream::connect(rig.address).await.unwrap()).await;
    assert_eq!(rig.broker.counters().refused_sockets, 1);
    for good in &mut inside {
        good.write_all(&[0xC0, 0]).await.unwrap();
        hears(good, &[0xD0, 0]).await;
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_one_and_nobody_is_cut_off() {
    let (old, new) = (identity("broker.test"), identity("broker.test"));
    let shown = Arc::new(Mutex::new(server(&old, &[])));
    let source = shown.clone();
    let rig = Rig::behind(Settings::default(), Door::tls(Arc::new(move || source.lock().unwrap().clone()))).await;
    let mut first = tls(&rig, &old, None).await;
    first.write_all(&v3("first").bytes()).await.unwrap();
    hears(&mut first, &WELCOME).await;
    *shown.lock().unwrap() = server(&new, &[]);
    let mut second = tls(&rig, &new, None).await;
    second.write_all(&v3("second").bytes()).await.unwrap();
    hears(&mut second, &WELCOME).await;
    first.write_all(&[0xC0, 0]).await.unwrap();
    hears(&mut first, &[0xD0, 0]).await;
}

#[tokio::test]
async fn the_gate_is_shown_the_certificate_of_a_client_and_a_strangers_gets_no_further() {
    let (own, client, stranger) = (identity("broker.test"), identity("client"), identity("stranger"));
    let rig = Rig::behind(Settings::default(), Door::tls(always(server(&own, &[&client])))).await;
    let mut known = tls(&rig, &own, Some(&client)).await;
    known.write_all(&v3("known").bytes()).await.unwrap();
    hears(&mut known, &WELCOME).await;
    rig.gate.with(|log| assert_eq!(log.connects[0].certificate.as_deref(), Some(&client.certificate[..])));
    // With TLS 1.3 a client learns only afterwards that it was refused.
    let mut unknown = tls(&rig, &own, Some(&stranger)).await;
    let _ = unknown.write_all(&v3("unknown").bytes()).await;
    let mut rest = Vec::new();
    assert!(timeout(PATIENCE, unknown.read_to_end(&mut rest)).await.unwrap().is_err() && rest.is_empty());
    rig.gate.with(|log| assert_eq!(log.connects.len(), 1));
}

#[tokio::test]
async fn large_messages_go_both_ways_through_tls() {
    let own = identity("broker.test");
    let rig = Rig::behind(Settings::default(), Door::tls(always(server(&own, &[])))).await;
    let mut client = tls(&rig, &own, None).await;
    let payload = "x".repeat(1 << 20);
    let publish = message("big", &payload).bytes(false);
    let subscribe = [&[0x82, 8, 0, 1, 0, 3][..], b"big", &[0]].concat();
    client.write_all(&[v3("big").bytes(), subscribe].concat()).await.unwrap();
    hears(&mut client, &[&WELCOME[..], &[0x90, 3, 0, 1, 0]].concat()).await;
    for _ in 0..3 {
        client.write_all(&publish).await.unwrap();
        hears(&mut client, &publish).await;
    }
}

#[tokio::test]
async fn whoever_takes_nothing_from_a_ciphered_connection_is_cut_off() {
    let own = identity("broker.test");
    let settings = Settings { write_timeout: Duration::from_millis(300), ..Settings::default() };
    let rig = Rig::behind(settings, Door::tls(always(server(&own, &[])))).await;
    let mut client = tls(&rig, &own, None).await;
    let subscribe = [&[0x82, 6, 0, 1, 0, 1][..], b"#", &[0]].concat();
    client.write_all(&[v3("deaf").bytes(), subscribe].concat()).await.unwrap();
    hears(&mut client, &[&WELCOME[..], &[0x90, 3, 0, 1, 0]].concat()).await;
    // More than the sockets hold between them; queues have a bound and drop what is past it.
    let pushing = async {
        loop {
            rig.broker.publish(Publish::new("t", "x".repeat(256 << 10))).unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let cut_off = rig.gate.until(|log| !log.endings.is_empty());
    tokio::select! {
        () = pushing => {}
        () = cut_off => {}
    }
    rig.gate.with(|log| assert_eq!(log.endings[0].1, domovoi_broker::Ending::WriteTimeout));
}
