//! Devices at a broker that the home already has, and the traps of joining it: each is a story that is told here to
//! `rumqttd`, in this process, and once more to Mosquitto (`peers/foreign.rs`).
//!
//! What they hold against: subscriptions, commands and acknowledgements that a client library loses or mixes up at a
//! reconnect; a broker that answers nothing, or acknowledges nothing; retained messages that are replayed; lists larger
//! than the library's default; topics that its matcher panics on; a window of unacknowledged messages that a stalled disk
//! fills.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use domovoi_model::Timestamp;
use e2e::{Home, NOON, Speaker, hand_clock, settings_text, until};
use firmware_sim::existing_broker::ExistingBroker;
use firmware_sim::world::Credentials;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::devices::{ask, list};
use crate::safety::{LEAK, VALVE, accept, closes, get, guarded};

const LAMP: &str = "zigbee2mqtt:0x00124b0000000001";

/// The settings of a hub that has no broker of its own.
pub fn joins(broker: SocketAddr) -> String {
    let own = "[mqtt]\nlisten = [\"127.0.0.1:1\"]\nlisten_tls = [\"127.0.0.1:0\"]\n";
    let joined = format!(
        "[mqtt]\nenabled = false\n\n[external_broker]\nhost = \"{}\"\nport = {}\nusername = \"domovoi\"\nkeep_alive = \"5 s\"\n",
        broker.ip(),
        broker.port()
    );
    let text = settings_text(None);
    assert!(text.contains(own));
    text.replace(own, &joined)
}

fn broker() -> ExistingBroker {
    e2e::crypto();
    ExistingBroker::with_users(&[("domovoi", ""), ("device", "d")]).expect("a broker")
}

pub async fn speaker(broker: SocketAddr, name: &str) -> Speaker {
    let device = Credentials { client_id: name.into(), username: "device".into(), password: "d".into() };
    Speaker::connect(broker, &device).await.unwrap()
}

async fn is_joined(home: &Home) {
    home.doctor_says(&["fine", "the home's broker at 127.0.0.1", "is joined"]).await;
}

/// A bridge's list in which the leak sensor can be asked.
fn askable() -> String {
    let mut devices: Value = serde_json::from_str(&list()).unwrap();
    devices[2]["definition"]["exposes"][0]["access"] = json!(5);
    devices.to_string()
}

/// A home whose leak sensor and valve are accepted, and what they are called is known.
async fn armed(folder: &std::path::Path, broker: SocketAddr) -> Home {
    let home = Home::start(folder, &joins(broker), hand_clock(NOON)).await;
    is_joined(&home).await;
    let mut bridge = speaker(broker, "bridge").await;
    bridge.say_retained("zigbee2mqtt/bridge/devices", askable()).await.unwrap();
    for device in [LAMP, LEAK, VALVE] {
        until("it waits in the inbox", || async {
            let inbox = get(&home, "/api/v1/inbox").await;
            inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device).then_some(())
        })
        .await;
        accept(&home, device).await;
    }
    guarded(&home, 1, 1).await;
    home
}

async fn only_danger(home: &Home) -> Value {
    until("a danger is open", || async {
        get(home, "/api/v1/safety").await["dangers"].as_array().unwrap().first().cloned()
    })
    .await
}

/// A leak that is retained at the broker from before the hub was there is asked about, told, and closes nothing until the
/// sensor says it itself.
pub async fn a_replayed_leak_is_no_news(broker: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let home = armed(folder.path(), broker).await;
    home.stop().await;
    let mut sensor = speaker(broker, "sensor").await;
    sensor.hear("zigbee2mqtt/leak/get").await.unwrap();
    let mut valve = speaker(broker, "valve").await;
    valve.hear("zigbee2mqtt/valve/set").await.unwrap();
    let mut ghost = speaker(broker, "ghost").await;
    ghost.say_retained("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    // The hub's session has that waiting as news; a hub that comes with another session hears the retained one alone.
    let clock = hand_clock(NOON);
    let text = joins(broker).replace("username", "client_id = \"another\"\nusername");
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    is_joined(&home).await;
    let danger = only_danger(&home).await;
    assert_eq!((&danger["device"], &danger["remembered"]), (&json!(LEAK), &json!(true)), "{danger}");
    assert_eq!(sensor.heard("zigbee2mqtt/leak/get").await.0, "zigbee2mqtt/leak/get", "it is asked");
    // Its last question is asked long after the time in which it may deny what had been begun.
    for at in [3_000, 6_000, 10_000, 60_000] {
        clock.set(Timestamp(NOON.0 + at));
        sensor.heard("zigbee2mqtt/leak/get").await;
        assert_eq!(get(&home, "/api/v1/safety").await["setting"], json!([]));
    }
    let path = format!("/api/v1/devices/{}", LEAK.replace(':', "%3A"));
    let shown = get(&home, &path).await;
    assert!(shown["properties"].as_array().unwrap().iter().all(|one| one["value"].is_null()), "not recorded: {shown}");
    ghost.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    home.stop().await;
}

/// The sensor had said no, the hub was away, and what is replayed says yes: it was said meanwhile, and nobody denies it.
pub async fn a_leak_that_was_said_while_the_hub_was_away_closes_the_valve(broker: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let home = armed(folder.path(), broker).await;
    let mut sensor = speaker(broker, "sensor").await;
    sensor.say_retained("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    let path = format!("/api/v1/devices/{}", LEAK.replace(':', "%3A"));
    until("its no is recorded", || async {
        let shown = get(&home, &path).await;
        shown["properties"].as_array()?.iter().any(|one| one["value"] == "false").then_some(())
    })
    .await;
    home.stop().await;
    sensor.say_retained("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    let mut valve = speaker(broker, "valve").await;
    valve.hear("zigbee2mqtt/valve/set").await.unwrap();
    let clock = hand_clock(NOON);
    let text = joins(broker).replace("username", "client_id = \"another\"\nusername");
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    only_danger(&home).await;
    // However the two come, in the end it is known that it had said no.
    let told = until("it counts", || async {
        clock.set(Timestamp(clock.wall().0 + 11_000));
        let setting = get(&home, "/api/v1/safety").await["setting"].clone();
        (!setting.as_array()?.is_empty()).then_some(setting)
    })
    .await;
    assert_eq!(told[0]["device"], VALVE, "{told}");
    closes(&mut valve).await;
    home.stop().await;
}

/// A danger that was open is open after a restart although nobody replays a word of it; and an old retained «no» is none.
pub async fn that_nothing_is_replayed_is_no_all_clear(broker: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let home = armed(folder.path(), broker).await;
    let mut sensor = speaker(broker, "sensor").await;
    sensor.say_retained("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    only_danger(&home).await;
    home.stop().await;
    for clears in [false, true] {
        if clears {
            sensor.say_retained("zigbee2mqtt/leak", "").await.unwrap();
        }
        let home = Home::start(folder.path(), &joins(broker), hand_clock(NOON)).await;
        is_joined(&home).await;
        assert_eq!(only_danger(&home).await["device"], LEAK, "nothing was cleared by silence");
        sensor.say("wmbusmeters/marker", "{}").await.unwrap();
        until("what came after the replay was heard", || async {
            (home.ingest.counters().claimed.load(std::sync::atomic::Ordering::Relaxed) > 0).then_some(())
        })
        .await;
        assert_eq!(only_danger(&home).await["device"], LEAK);
        home.stop().await;
    }
}

/// A cable that can be pulled out, or cut so that nobody notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cable {
    Plugged,
    Pulled,
    /// Bytes go in and nothing comes out.
    Swallows,
}

async fn cable(to: SocketAddr, state: watch::Receiver<Cable>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut state = state.clone();
            tokio::spawn(async move {
                if *state.borrow() != Cable::Plugged {
                    return;
                }
                let mut far = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                    _ = state.wait_for(|state| *state != Cable::Plugged) => {}
                }
                if *state.borrow() == Cable::Swallows {
                    let mut bytes = [0; 4096];
                    while near.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
                }
            });
        }
    });
    address
}

async fn switches(home: &Home) -> (StatusCode, Value) {
    let path = format!("/api/v1/devices/{}/commands", LAMP.replace(':', "%3A"));
    ask(home, Method::POST, &path, Some(json!({ "property": "state", "value": true }))).await
}

/// After a broken connection everything is heard again, topics of single devices too; what could not be said is refused and
/// not said later; the reflex says it once the link is there.
pub async fn a_connection_that_breaks_loses_no_subscription_and_keeps_no_old_command(broker: SocketAddr) {
    for breaks in [Cable::Pulled, Cable::Swallows] {
        let folder = tempfile::tempdir().unwrap();
        let (plug, state) = watch::channel(Cable::Plugged);
        let link = cable(broker, state).await;
        let home = armed(folder.path(), link).await;
        let mut things = speaker(broker, "things").await;
        things.hear("zigbee2mqtt/+/set").await.unwrap();
        let mut cellar = speaker(broker, "cellar").await;
        let config = json!({ "uniq_id": "t1", "stat_t": "cellar/über/away", "unit_of_meas": "°C", "name": "T",
            "dev": { "ids": ["t1"], "name": "Погреб" } });
        cellar.say_retained("homeassistant/sensor/t1/t/config", config.to_string()).await.unwrap();
        let found = until("it is found", || async {
            let inbox = get(&home, "/api/v1/inbox").await;
            let found = inbox["devices"].as_array()?.iter().find(|one| one["own_name"] == "Погреб").cloned();
            Some(found?["device"].as_str()?.replace(':', "%3A"))
        })
        .await;
        plug.send_replace(breaks);
        // For half a minute nobody may know that it is cut: what is said then is lost, and told as timed out.
        home.doctor_says(&["broken", "the home's broker"]).await;
        let (status, refused) = switches(&home).await;
        assert!(!status.is_success() || refused["state"] == "refused", "{status} {refused}");
        plug.send_replace(Cable::Plugged);
        is_joined(&home).await;
        let cellar = tokio::sync::Mutex::new(cellar);
        until("its word is heard again", || async {
            cellar.lock().await.say("cellar/über/away", "7.5").await.unwrap();
            let shown = get(&home, &format!("/api/v1/devices/{found}")).await;
            shown["properties"].as_array()?.iter().any(|one| one["value"] == "7.5").then_some(())
        })
        .await;
        let mut sensor = speaker(broker, "sensor").await;
        sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
        let (topic, _) = things.heard("zigbee2mqtt/+/set").await;
        assert_eq!(topic, "zigbee2mqtt/valve/set", "the lamp's refused command was not kept for later");
        cellar.lock().await.say_retained("homeassistant/sensor/t1/t/config", "").await.unwrap();
        home.stop().await;
    }
}

/// A Zigbee2MQTT of a large house: its retained list is more than a megabyte, and comes again at each connection.
pub async fn a_list_of_a_megabyte_breaks_no_link(broker: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let mut devices: Value = serde_json::from_str(&askable()).unwrap();
    for n in 0..320u32 {
        let mut lamp = devices[1].clone();
        lamp["ieee_address"] = json!(format!("0x{:016x}", 0x1_0000 + n));
        lamp["friendly_name"] = json!(format!("lamp {n}"));
        lamp["definition"]["description"] = json!("z".repeat(3_000));
        devices.as_array_mut().unwrap().push(lamp);
    }
    let list = devices.to_string();
    assert!(list.len() > 1_000_000, "{}", list.len());
    let mut bridge = speaker(broker, "bridge").await;
    bridge.say_retained("zigbee2mqtt/bridge/devices", list).await.unwrap();
    for _ in 0..2 {
        let home = Home::start(folder.path(), &joins(broker), hand_clock(NOON)).await;
        until("all are found", || async {
            let inbox = get(&home, "/api/v1/inbox?limit=500").await;
            (inbox["devices"].as_array().unwrap().len() >= 323).then_some(())
        })
        .await;
        is_joined(&home).await;
        home.stop().await;
    }
    bridge.say_retained("zigbee2mqtt/bridge/devices", "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_that_the_homes_broker_replays_is_asked_about_and_is_no_news() {
    a_replayed_leak_is_no_news(broker().addr()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_that_was_said_while_the_hub_was_away_is_believed_unless_it_is_denied() {
    a_leak_that_was_said_while_the_hub_was_away_closes_the_valve(broker().addr()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_silence_nor_an_old_retained_no_of_the_homes_broker_ends_a_danger() {
    that_nothing_is_replayed_is_no_all_clear(broker().addr()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_link_to_the_homes_broker_loses_no_subscription_and_keeps_no_old_command() {
    a_connection_that_breaks_loses_no_subscription_and_keeps_no_old_command(broker().addr()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_a_megabyte_breaks_no_link_to_the_homes_broker() {
    a_list_of_a_megabyte_breaks_no_link(broker().addr()).await;
}

/// One packet of MQTT 3.1.1: its first byte and its body.
async fn packet(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = socket.read_u8().await.ok()?;
    let (mut length, mut shift) = (0usize, 0);
    loop {
        let byte = socket.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

/// A broker that grants everything and acknowledges no publish, or only every second one (out of order, as it looks to the
/// client). It says on which connection it heard which publish.
async fn forgetful(
    listener: TcpListener,
    heard: tokio::sync::mpsc::UnboundedSender<(usize, String)>,
    every_second: bool,
) {
    for connection in 0.. {
        let Ok((mut socket, _)) = listener.accept().await else { return };
        let heard = heard.clone();
        tokio::spawn(async move {
            let mut times = 0;
            while let Some((kind, body)) = packet(&mut socket).await {
                let answer = match kind >> 4 {
                    1 => vec![0x20, 2, 0, 0],
                    8 => {
                        // A grant for each filter: as many as there are qualities behind the texts.
                        let (mut at, mut granted) = (2, Vec::new());
                        while at + 2 <= body.len() {
                            at += 2 + usize::from(u16::from_be_bytes([body[at], body[at + 1]])) + 1;
                            granted.push(1);
                        }
                        [&[0x90, 2 + granted.len() as u8, body[0], body[1]][..], &granted].concat()
                    }
                    3 => {
                        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                        let topic = String::from_utf8_lossy(&body[2..2 + length]).into_owned();
                        let _ = heard.send((connection, topic));
                        times += 1;
                        let is_acknowledged = kind & 0b0110 != 0 && every_second && times % 2 == 0;
                        match is_acknowledged {
                            true => vec![0x40, 2, body[2 + length], body[3 + length]],
                            false => Vec::new(),
                        }
                    }
                    12 => vec![0xD0, 0],
                    _ => Vec::new(),
                };
                if socket.write_all(&answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The client library never speaks again once a packet number comes round that is not acknowledged: such a link is built
/// anew, and what is said afterwards goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_acknowledges_nothing_or_out_of_order_silences_nobody() {
    use domovoi_adapters::{Outgoing, Road};
    e2e::crypto();
    for every_second in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(forgetful(listener, heard, every_second));
        let home = Home::start(folder.path(), &joins(address), hand_clock(NOON)).await;
        is_joined(&home).await;
        // More than may be unacknowledged at once: the rest waits in the library, for good.
        for n in 0..60 {
            let one =
                Outgoing { topic: format!("zigbee2mqtt/x{n}/set"), payload: b"{}".to_vec(), qos: 1, retain: false };
            let _ = home.ingest.say(Road::External, vec![one]);
        }
        let (first, _) = hears.recv().await.unwrap();
        let spoken = async {
            loop {
                let last =
                    Outgoing { topic: "zigbee2mqtt/last/set".into(), payload: b"{}".to_vec(), qos: 1, retain: false };
                // Refused while there is no link.
                let _ = home.ingest.say(Road::External, vec![last]);
                let next = tokio::time::timeout(Duration::from_millis(100), hears.recv()).await;
                if matches!(next, Ok(Some((connection, topic))) if connection > first && topic == "zigbee2mqtt/last/set")
                {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), spoken).await.expect("something new goes out on another link");
        home.stop().await;
    }
}
