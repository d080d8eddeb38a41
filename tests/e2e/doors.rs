//! The broker's doors as devices find them: TLS with the hub's own certificate, certificates in place of passwords,
//! WebSockets, and what the gate keeps from them: commands that would come again, floods, guesses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domovoi_model::{Moment, Timestamp};
use domovoi_store::{CredentialCertificate, CredentialInfo};
use e2e::{Home, NOON, Speaker, hand_clock, issue_as, settings_text};
use firmware_sim::world::Credentials;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

fn settings(mqtt: &str) -> String {
    settings_text(None).replace("[mqtt]\n", &format!("[mqtt]\n{mqtt}"))
}

/// The devices' clock stands where the hub's does.
#[derive(Debug)]
struct Noon;

impl TimeProvider for Noon {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(NOON.0.try_into().unwrap())))
    }
}

/// TLS that trusts the hub's own authority, with the client's certificate and key as PEM.
fn tls(home: &Home, own: Option<(&str, &str)>) -> Transport {
    let authority = home.desk.certificates.as_ref().unwrap().authority().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_details(provider, Arc::new(Noon))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config)))
}

/// Connects on TLS; the error is what came of it.
async fn dial(
    home: &Home,
    id: &str,
    login: Option<&Credentials>,
    own: Option<(&str, &str)>,
) -> Result<(AsyncClient, EventLoop), String> {
    let mut options = MqttOptions::new(id, "localhost", home.mqtt_tls.port());
    options.set_transport(tls(home, own));
    if let Some(login) = login {
        options.set_credentials(&login.username, &login.password);
    }
    let (client, mut events) = AsyncClient::new(options, 16);
    match timeout(PATIENCE, events.poll()).await.expect("an answer in time") {
        Ok(Event::Incoming(Incoming::ConnAck(_))) => Ok((client, events)),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Publishes with QoS 1 and waits for the acknowledgement.
async fn says(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> Result<(), String> {
    client.publish(topic, QoS::AtLeastOnce, false, "{}").await.unwrap();
    loop {
        match timeout(PATIENCE, events.poll()).await.expect("an answer in time") {
            Ok(Event::Incoming(Incoming::PubAck(_))) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_comes_in_by_tls_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(""), hand_clock(NOON)).await;
    let login = home.credential("bridge", &["zigbee2mqtt/#"], &[]).await;
    let (client, mut events) = dial(&home, "bridge", Some(&login), None).await.unwrap();
    says(&client, &mut events, "zigbee2mqtt/lamp").await.unwrap();
    // Nothing is said in clear there.
    let plain = Speaker::connect(home.mqtt_tls, &login).await;
    assert!(plain.is_err());
    drop((client, events));
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_stands_for_a_credential_until_it_is_withdrawn_or_ends() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings("refusals_311 = \"disconnect\"\n"), hand_clock(NOON)).await;
    let certificates = home.desk.certificates.clone().unwrap();
    let made = certificates.issue_client("plug", 30).unwrap();
    let info = CredentialInfo {
        username: "plug".into(),
        publish: vec!["tele/plug/#".into()],
        subscribe: vec!["cmnd/plug/#".into()],
        role: "device".into(),
        certificate: Some(CredentialCertificate { fingerprint: made.fingerprint, ends_at: made.until }),
        created_at: Moment::Wall(NOON),
    };
    let password = home.store.credentials().issue(&info).await.unwrap().expose().clone();
    let own = Some((made.certificate.as_str(), made.key.expose().as_str()));
    let (client, mut events) = dial(&home, "plug", None, own).await.unwrap();
    says(&client, &mut events, "tele/plug/STATE").await.unwrap();
    assert!(says(&client, &mut events, "tele/lamp/STATE").await.is_err(), "it touches its own topics only");
    // The password that nobody was told lets nobody in; neither does the certificate where there is no TLS.
    let login = Credentials { client_id: "x".into(), username: "plug".into(), password };
    assert!(dial(&home, "guess", Some(&login), None).await.is_err());
    assert!(dial(&home, "nobody", None, None).await.is_err());
    // One that this hub made and knows nothing of.
    let other = certificates.issue_client("plug", 30).unwrap();
    let others = Some((other.certificate.as_str(), other.key.expose().as_str()));
    assert!(dial(&home, "other", None, others).await.is_err());
    assert_eq!(home.ingest.counters().wrong_passwords.load(Ordering::Relaxed), 2);
    assert!(dial(&home, "plug", None, own).await.is_ok());
    home.clock.set(Timestamp(made.until.0 + 1000));
    assert!(dial(&home, "plug", None, own).await.is_err(), "it has ended");
    home.clock.set(NOON);
    assert!(dial(&home, "plug", None, own).await.is_ok());
    home.store.credentials().revoke("plug").await.unwrap();
    assert!(dial(&home, "plug", None, own).await.is_err(), "it was withdrawn");
    home.stop().await;
}

/// Asks for a WebSocket by hand, and returns the first line of the answer.
async fn asks(home: &Home, origin: Option<&str>) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(home.mqtt).await.unwrap();
    let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n{origin}\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    (socket, answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_somebody_else_opens_no_websocket_and_the_hubs_own_does() {
    let folder = tempfile::tempdir().unwrap();
    let text = settings("websocket_origins = [\"http://panel.lan\"]\n");
    let home = Home::start(folder.path(), &text, hand_clock(NOON)).await;
    let login = home.credential("panel", &["home/#"], &[]).await;
    let own = format!("https://domovoi.local:{}", home.https.port());
    for (origin, wanted) in [
        (None, "101"),
        (Some(own.as_str()), "101"),
        (Some("http://panel.lan"), "101"),
        (Some("https://evil.example"), "403"),
        (Some("null"), "403"),
    ] {
        let (mut socket, answer) = asks(&home, origin).await;
        assert_eq!(answer.split(' ').nth(1), Some(wanted), "{origin:?}");
        if wanted != "101" {
            continue;
        }
        let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
        let body = [text("MQTT"), vec![4, 0xC2, 0, 0], text("panel"), text("panel"), text(&login.password)].concat();
        let packet = [&[0x10, body.len() as u8][..], &body].concat();
        socket.write_all(&[&[0x82, 0x80 | packet.len() as u8, 0, 0, 0, 0][..], &packet].concat()).await.unwrap();
        let mut answer = [0; 6];
        timeout(PATIENCE, socket.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, [0x82, 4, 0x20, 2, 0, 0], "{origin:?}");
    }
    home.stop().await;
}

/// What is retained below a filter, up to a topic that is known to be.
async fn retained(home: &Home, login: &Credentials, filter: &str, last: &str) -> Vec<String> {
    let mut options = MqttOptions::new("watcher", home.mqtt.ip().to_string(), home.mqtt.port());
    options.set_credentials(&login.username, &login.password);
    let (client, mut events) = AsyncClient::new(options, 16);
    client.subscribe(filter, QoS::AtMostOnce).await.unwrap();
    client.subscribe(last, QoS::AtMostOnce).await.unwrap();
    let mut seen = Vec::new();
    loop {
        match timeout(PATIENCE, events.poll()).await.unwrap().unwrap() {
            Event::Incoming(Incoming::Publish(publish)) if publish.topic == last => return seen,
            Event::Incoming(Incoming::Publish(publish)) => seen.push(publish.topic),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_switches_its_device_once_whatever_the_sender_asked_for() {
    for (setting, kept) in [("", true), ("retained_commands = \"refuse\"\nrefusals_311 = \"disconnect\"\n", false)] {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::start(folder.path(), &settings(setting), hand_clock(NOON)).await;
        let login = home.credential("panel", &["zigbee2mqtt/#", "end"], &["zigbee2mqtt/#", "end"]).await;
        let mut speaker = Speaker::connect(home.mqtt, &login).await.unwrap();
        speaker.say_retained("zigbee2mqtt/lamp", "{\"state\":\"ON\"}").await.unwrap();
        speaker.say_retained("end", "x").await.unwrap();
        speaker.say_retained("zigbee2mqtt/lamp/set", "").await.unwrap();
        assert_eq!(home.ingest.counters().retained_commands.load(Ordering::Relaxed), 0, "taking one back is allowed");
        let said = speaker.say_retained("zigbee2mqtt/lamp/set", "ON").await;
        assert_eq!(said.is_ok(), kept, "{said:?}");
        assert_eq!(home.ingest.counters().retained_commands.load(Ordering::Relaxed), 1);
        assert_eq!(retained(&home, &login, "zigbee2mqtt/#", "end").await, ["zigbee2mqtt/lamp"]);
        drop(speaker);
        home.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_commands_nobody_and_sends_no_more_than_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        settings("device_max_messages_per_second = 1\ndevice_max_message = \"1 KiB\"\nrefusals_311 = \"disconnect\"\n");
    let home = Home::start(folder.path(), &text, hand_clock(NOON)).await;
    let login = issue_as(&home.store, "sensor", "device", &["zigbee2mqtt/#"], &[]).await;
    let counters = home.ingest.counters();
    let mut speaker = Speaker::connect(home.mqtt, &login).await.unwrap();
    assert!(speaker.say("zigbee2mqtt/lamp/set", "ON").await.is_err(), "a device commands nobody");
    assert_eq!(counters.refused.load(Ordering::Relaxed), 1);
    let mut speaker = Speaker::connect(home.mqtt, &login).await.unwrap();
    assert!(speaker.say("zigbee2mqtt/sensor", "x".repeat(2000)).await.is_err(), "it is too large");
    assert_eq!(counters.too_large.load(Ordering::Relaxed), 1);
    // A program beside it has a share of its own.
    let bridge = home.credential("bridge", &["zigbee2mqtt/#"], &[]).await;
    let mut speaker = Speaker::connect(home.mqtt, &login).await.unwrap();
    let mut said = 0;
    while said < 200 && speaker.say("zigbee2mqtt/sensor", "{}").await.is_ok() {
        said += 1;
    }
    assert!(said < 200, "it is stopped");
    assert_eq!(counters.over_limit.load(Ordering::Relaxed), 1);
    let mut other = Speaker::connect(home.mqtt, &bridge).await.unwrap();
    for _ in 0..50 {
        other.say("zigbee2mqtt/lamp", "{}").await.unwrap();
    }
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_waits_and_whoever_knows_the_password_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(""), hand_clock(NOON)).await;
    let login = home.credential("bridge", &["zigbee2mqtt/#"], &[]).await;
    let wrong = Credentials { password: "wrong".into(), client_id: "guesser".into(), ..login.clone() };
    for _ in 0..4 {
        assert!(Speaker::connect(home.mqtt, &wrong).await.is_err());
    }
    // A crowd of guesses from the same address, which all wait for their answers now.
    let guesses: Vec<_> = (0..8)
        .map(|n| {
            let (broker, wrong) = (home.mqtt, Credentials { client_id: format!("g{n}"), ..wrong.clone() });
            tokio::spawn(async move { Speaker::connect(broker, &wrong).await.is_err() })
        })
        .collect();
    e2e::until("the guesses are counted", || async {
        (home.ingest.counters().wrong_passwords.load(Ordering::Relaxed) >= 12).then_some(())
    })
    .await;
    let mut speaker = Speaker::connect(home.mqtt, &login).await.unwrap();
    speaker.say("zigbee2mqtt/lamp", "{}").await.unwrap();
    guesses.iter().for_each(|guess| guess.abort());
    home.stop().await;
}
