//! External mode: the broker that a home already has (`rumqttd`, nobody's here), joined through `rumqttc`, the hub's own
//! broker off.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::{Home, NOON, POINT, Speaker, WATER_ID, hand_clock, sandbox, settings_text, until, water_world};
use firmware_sim::existing_broker::ExistingBroker;
use firmware_sim::portal::SandboxPortal;
use firmware_sim::world::Credentials;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const PASSWORD: &str = "с трёх раз не угадать";

fn settings(portal: Option<&SandboxPortal>, broker: SocketAddr) -> String {
    let own = "[mqtt]\nlisten = [\"127.0.0.1:1\"]\nlisten_tls = [\"127.0.0.1:0\"]\n";
    let joined = format!(
        "[mqtt]\nenabled = false\n\n[external_broker]\nhost = \"{}\"\nport = {}\nusername = \"domovoi\"\n\
         password_secret = \"home_broker\"\n",
        broker.ip(),
        broker.port()
    );
    let text = settings_text(portal);
    assert!(text.contains(own));
    text.replace(own, &joined)
}

fn device(name: &str) -> Credentials {
    Credentials { client_id: name.into(), username: "device".into(), password: "d".into() }
}

fn broker() -> ExistingBroker {
    ExistingBroker::with_users(&[("domovoi", PASSWORD), ("device", "d")]).expect("a broker")
}

/// Before the daemon runs, as `domovoi secret set` does it.
async fn set_password(folder: &std::path::Path, broker: SocketAddr, password: &str) {
    let settings = domovoi_config::Settings::parse(&settings(None, broker), "test.toml", folder).unwrap();
    let house = domovoi::House::open(settings, hand_clock(NOON), None).await.unwrap();
    let name = domovoi::web::secret_name("home_broker");
    house.store().secrets().put(&name, password.as_bytes()).await.unwrap();
    house.close(tokio::task::JoinSet::new()).await;
}

fn telegram(value: &str) -> String {
    format!(r#"{{"_":"telegram","media":"water","id":"{WATER_ID}","total_m3":{value}}}"#)
}

async fn believed(home: &Home, value: &str) {
    until(&format!("{value} is in the ledger"), || async {
        (home.ledger(POINT).await.last().map(String::as_str) == Some(value)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_at_the_homes_own_broker_reaches_the_ledger_and_the_portal() {
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |_| {}).await;
    let broker = broker();
    set_password(folder.path(), broker.addr(), PASSWORD).await;
    let text = settings(Some(&portal), broker.addr());
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    home.add_water().await;
    home.metering.set_standing_consent(true).await.unwrap();
    home.link(&portal).await;
    home.doctor_says(&["fine", "the home's broker at 127.0.0.1", "is joined"]).await;

    let world = water_world(broker.addr(), device("wmbusmeters"), &clock, None);
    let water = world.water.as_ref().unwrap();
    water.telegram_now();
    let truth = water.wait_until(|truth| !truth.acknowledged_m3.is_empty()).await;
    let said = truth.acknowledged_m3.last().unwrap().clone();
    home.all_received(1).await;
    believed(&home, &said).await;
    let held = portal.accepted_acts();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].readings[0].values, [said.trim_end_matches('0').to_owned()]);

    // A Zigbee2MQTT of a large house: its list of devices is a megabyte, and retained. The link lives on.
    let mut bridge = Speaker::connect(broker.addr(), &device("bridge")).await.unwrap();
    let entry = |n: usize| {
        format!(
            r#"{{"ieee_address":"0x{n:016x}","friendly_name":"lamp {n}","type":"Router","supported":true,"interview_completed":true,"definition":{{"model":"x","vendor":"y","description":"{}","exposes":[]}}}}"#,
            "z".repeat(3000)
        )
    };
    let list = format!("[{}]", (0..320).map(entry).collect::<Vec<_>>().join(","));
    assert!(list.len() > 1_000_000, "{}", list.len());
    let claimed = || home.ingest.counters().claimed.load(std::sync::atomic::Ordering::Relaxed);
    let before = claimed();
    bridge.say_retained("zigbee2mqtt/bridge/devices", list).await.unwrap();
    until("the list was heard", || async { (claimed() > before).then_some(()) }).await;
    assert_eq!(home.ingest.misread_lately().len(), 0, "{:?}", home.ingest.misread_lately());
    bridge.say("wmbusmeters/ColdWater", telegram("123.777")).await.unwrap();
    believed(&home, "123.777").await;

    // What comes while the hub is away is kept by that broker, and taken in after a restart.
    world.stop().await;
    home.stop().await;
    bridge.say("wmbusmeters/ColdWater", telegram("123.888")).await.unwrap();
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    believed(&home, "123.888").await;
    home.doctor_says(&["fine", "it keeps what comes while the hub is away"]).await;
    bridge.say("wmbusmeters/ColdWater", telegram("123.999")).await.unwrap();
    believed(&home, "123.999").await;
    assert_eq!(portal.accepted_acts().len(), 1, "the month was told already");
    home.stop().await;
    portal.stop().await;
    broker.stop();
}

/// A cable to a broker that can be pulled out: while `plugged` is false nobody gets through.
async fn cable(to: SocketAddr, plugged: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut plugged = plugged.clone();
            tokio::spawn(async move {
                if !*plugged.borrow() {
                    return;
                }
                let mut far = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = plugged.wait_for(|plugged| !plugged) => {}
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_is_found_again_with_what_it_kept() {
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    let broker = broker();
    let (plug, plugged) = watch::channel(false);
    let address = cable(broker.addr(), plugged).await;
    set_password(folder.path(), address, PASSWORD).await;
    let home = Home::start(folder.path(), &settings(None, address), hand_clock(NOON)).await;
    home.add_water().await;
    home.doctor_says(&["broken", "the home's broker", "cannot be used"]).await;
    plug.send_replace(true);
    home.doctor_says(&["fine", "is joined"]).await;
    let mut radio = Speaker::connect(broker.addr(), &device("radio")).await.unwrap();
    radio.say("wmbusmeters/ColdWater", telegram("123.501")).await.unwrap();
    believed(&home, "123.501").await;

    plug.send_replace(false);
    home.doctor_says(&["broken", "the home's broker", "cannot be used"]).await;
    radio.say("wmbusmeters/ColdWater", telegram("123.502")).await.unwrap();
    plug.send_replace(true);
    believed(&home, "123.502").await;
    home.doctor_says(&["fine", "it keeps what comes while the hub is away"]).await;
    home.stop().await;
    broker.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_tried_again_without_hurry() {
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    // A broker that says to each CONNECT that it does not know this user (3.1.1, 3.2.2.3), and counts.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    set_password(folder.path(), address, "qwerty").await;
    let home = Home::start(folder.path(), &settings(None, address), hand_clock(NOON)).await;
    let began = Instant::now();
    for _ in 0..3 {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut connect = [0u8; 256];
        let read = socket.read(&mut connect).await.unwrap();
        let holds = |text: &[u8]| connect[..read].windows(text.len()).any(|window| window == text);
        assert!(holds(b"domovoi") && holds(b"qwerty"), "the user and the secret of `secret set`");
        socket.write_all(&[0x20, 2, 0, 4]).await.unwrap();
    }
    // The hub waits half a second at least, then a second at least. This can only take longer than that.
    assert!(began.elapsed() >= Duration::from_millis(1500), "three tries in {:?}", began.elapsed());
    let line = home.doctor_says(&["broken", "the home's broker", "BadUserNamePassword"]).await;
    assert!(line.contains("password_secret") && !line.contains("qwerty"), "{line}");
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_broker_that_refuses_the_password_is_told_too() {
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    let broker = broker();
    set_password(folder.path(), broker.addr(), "qwerty").await;
    let home = Home::start(folder.path(), &settings(None, broker.addr()), hand_clock(NOON)).await;
    home.doctor_says(&["broken", "the home's broker", "cannot be used"]).await;
    home.stop().await;
    broker.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_was_never_set_is_named_and_the_rest_of_the_house_runs() {
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(None, "127.0.0.1:18831".parse().unwrap()), hand_clock(NOON)).await;
    home.doctor_says(&["external_broker.password_secret", "domovoi secret set home_broker"]).await;
    home.stop().await;
}

/// Devices at the broker that the home already has: found, switched, and heard on topics that nobody knew before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_at_the_homes_own_broker_are_found_commanded_and_heard_wherever_they_speak() {
    use super::devices::{ask, list};
    use axum::http::Method;
    use serde_json::json;
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    let broker = broker();
    set_password(folder.path(), broker.addr(), PASSWORD).await;
    let home = Home::start(folder.path(), &settings(None, broker.addr()), hand_clock(NOON)).await;
    home.doctor_says(&["fine", "is joined"]).await;
    let mut bridge = Speaker::connect(broker.addr(), &device("bridge")).await.unwrap();
    bridge.hear("zigbee2mqtt/+/set").await.unwrap();
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    let found = async |name: &str| {
        until(&format!("{name} is found"), || async {
            let (_, inbox) = ask(&home, Method::GET, "/api/v1/inbox", None).await;
            let found = inbox["devices"].as_array()?.iter().find(|one| one["own_name"] == name).cloned();
            Some(found?["device"].as_str()?.replace(':', "%3A"))
        })
        .await
    };
    let lamp = found("lamp").await;
    let (status, shown) =
        ask(&home, Method::POST, &format!("/api/v1/devices/{lamp}/acceptance"), Some(json!({}))).await;
    assert!(status.is_success(), "{shown}");
    assert_eq!(shown["road"], "external");
    let command = json!({ "property": "state", "value": true });
    let (_, given) = ask(&home, Method::POST, &format!("/api/v1/devices/{lamp}/commands"), Some(command)).await;
    let (topic, _) = bridge.heard("zigbee2mqtt/+/set").await;
    assert_eq!(topic, "zigbee2mqtt/lamp/set");
    bridge.say("zigbee2mqtt/lamp", r#"{"state":"ON"}"#).await.unwrap();
    let path = format!("/api/v1/commands/{}?wait=30", given["id"].as_str().unwrap());
    assert_eq!(ask(&home, Method::GET, &path, None).await.1["state"], "confirmed");

    // Its state lies where no filter of a dialect reaches: it is subscribed to once it is announced.
    let config = json!({ "uniq_id": "t1", "stat_t": "cellar/far/away", "unit_of_meas": "°C", "name": "T",
        "dev": { "ids": ["t1"], "name": "Погреб" } });
    bridge.say_retained("homeassistant/sensor/t1/t/config", config.to_string()).await.unwrap();
    let cellar = found("Погреб").await;
    until("its word is heard", || async {
        bridge_says(broker.addr()).await;
        let (_, shown) = ask(&home, Method::GET, &format!("/api/v1/devices/{cellar}"), None).await;
        shown["properties"].as_array()?.iter().any(|one| one["value"] == "7.5").then_some(())
    })
    .await;
    home.stop().await;
}

async fn bridge_says(broker: SocketAddr) {
    let mut cellar = Speaker::connect(broker, &device("cellar")).await.unwrap();
    cellar.say("cellar/far/away", "7.5").await.unwrap();
}
