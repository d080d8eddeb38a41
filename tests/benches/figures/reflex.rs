//! From the publish of a leak to the valve's command on the wire, as two sockets see it: at rest and with 5,000 messages a
//! second of other traffic; and with a disk that is stalled, and one that is full. Beside it, in the same run and with the same sockets, what Mosquitto takes from a publish to its
//! delivery: what no house can do faster by doing more.

use std::time::{Duration, Instant};

use domovoi_model::{DeviceRef, Moment, Timestamp};
use domovoi_store::DeviceCard;
use firmware_sim::load::{Histogram, Pace, Progress, Settings, Shape};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::broker::Peer;
use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::load_watched;

const LEAK: &str = "0x00124b0000000002";
const VALVE: &str = "0x00124b0000000003";

/// Other traffic.
const BESIDE: f64 = 5_000.0;

pub fn reflex(figures: &mut Figures) {
    let times = if figures.brief { 200 } else { 1_000 };
    let house = furnished();
    let daemon = house.start();
    let mosquitto = Peer::mosquitto();
    for (what, beside, target) in [("at rest", false, 3.0), ("with 5,000 msg/s beside", true, 15.0)] {
        let login = Some((house.credentials.username.as_str(), house.credentials.password.as_str()));
        let ours = {
            let _traffic = beside.then(|| Traffic::begin(house.load(Duration::from_secs(600))));
            on_wire(house.port, login, Course::Reflex, times)
        };
        let theirs = mosquitto.as_ref().map(|peer| {
            let settings = Settings {
                shape: Shape::Bytes(100),
                topic: "load/{n}".into(),
                ..Settings::new(format!("127.0.0.1:{}", peer.port))
            };
            let _traffic = beside.then(|| Traffic::begin(settings));
            on_wire(peer.port, None, Course::Delivery, times)
        });
        let millis = |took: &Histogram, permille| took.at_permille(permille) as f64 / 1e6;
        figures.add(format!("{what}: leak to valve command, p50"), millis(&ours, 500), "ms", Target::None);
        figures.add(format!("{what}: leak to valve command, p99"), millis(&ours, 990), "ms", Target::AtMost(target));
        figures.add(format!("{what}: leak to valve command, worst"), millis(&ours, 1000), "ms", Target::None);
        if let Some(theirs) = theirs {
            figures.add(
                format!("{what}: Mosquitto, publish to delivery, p50"),
                millis(&theirs, 500),
                "ms",
                Target::None,
            );
            figures.add(
                format!("{what}: Mosquitto, publish to delivery, p99"),
                millis(&theirs, 990),
                "ms",
                Target::None,
            );
            let ratio = millis(&ours, 990) / millis(&theirs, 990);
            figures.add(format!("{what}: p99, times Mosquitto's"), ratio, "×", Target::AtMost(3.0));
        }
    }
    drop(daemon);
    // «Unchanged»: the same targets as on a disk that is well.
    for (what, rules) in [("disk stalled for 30 s", "delay_ms 30000"), ("disk full", "room 0")] {
        let house = furnished();
        let _daemon = house.start_on_disk();
        for (beside, target) in [(false, 3.0), (true, 15.0)] {
            let login = Some((house.credentials.username.as_str(), house.credentials.password.as_str()));
            house.disk(rules);
            let ours = {
                let _traffic = beside.then(|| Traffic::begin(house.load(Duration::from_secs(600))));
                on_wire(house.port, login, Course::Reflex, times / 4)
            };
            house.disk("");
            let millis = |permille| ours.at_permille(permille) as f64 / 1e6;
            let load = if beside { "with 5,000 msg/s beside" } else { "at rest" };
            figures.add(format!("{what}, {load}: leak to valve command, p50"), millis(500), "ms", Target::None);
            figures.add(
                format!("{what}, {load}: leak to valve command, p99"),
                millis(990),
                "ms",
                Target::AtMost(target),
            );
        }
    }
}

/// A house in which a leak sensor and a valve were accepted.
pub fn furnished() -> House {
    House::found("", async |store| {
        let cards: Vec<DeviceCard> = [LEAK, VALVE].iter().map(|id| accepted(id)).collect();
        store.devices().put(&cards).await.unwrap();
    })
}

pub fn accepted(id: &str) -> DeviceCard {
    let at = Moment::Wall(Timestamp(1_795_176_000_000));
    DeviceCard { accepted_at: Some(at), ..DeviceCard::new(DeviceRef::new("zigbee2mqtt", id), "accepted", at) }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// A leak is said, a command is heard.
    Reflex,
    /// What is said is heard.
    Delivery,
}

/// Runs until it is dropped.
struct Traffic {
    progress: Arc<Progress>,
    running: Option<std::thread::JoinHandle<()>>,
}

impl Traffic {
    fn begin(settings: Settings) -> Traffic {
        let progress = Arc::new(Progress::default());
        let watched = Arc::clone(&progress);
        let settings = Settings {
            connections: 20,
            qos: 0,
            pace: Pace::PerSecond(BESIDE),
            duration: Some(Duration::from_secs(600)),
            ..settings
        };
        let running = std::thread::spawn(move || drop(load_watched(settings, watched)));
        // Until it flows; what comes first is thrown away by the warming up anyway.
        std::thread::sleep(Duration::from_secs(1));
        Traffic { progress, running: Some(running) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.progress.stop();
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

fn on_wire(port: u16, login: Option<(&str, &str)>, course: Course, times: usize) -> Histogram {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sensor = Wire::connect(port, "bench-sensor", login).await;
        let mut valve = Wire::connect(port, "bench-valve", login).await;
        valve.subscribe("zigbee2mqtt/valve/set").await;
        let (topic, payload) = match course {
            Course::Reflex => ("zigbee2mqtt/leak", &br#"{"water_leak":true}"#[..]),
            Course::Delivery => ("zigbee2mqtt/valve/set", &br#"{"state":"CLOSE"}"#[..]),
        };
        if course == Course::Reflex {
            sensor.announce().await;
        }
        let mut took = Histogram::default();
        let warming = 20;
        for round in 0..times + warming {
            let begun = Instant::now();
            sensor.publish(topic, payload).await;
            valve.hear_publish().await;
            if round >= warming {
                took.record(begun.elapsed());
            }
            if course == Course::Reflex {
                sensor.calm().await;
                // Whatever was repeated meanwhile belongs to this round.
                valve.drain();
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        took
    })
}

/// A bridge's list of a leak sensor and a valve.
fn list() -> String {
    let device = |ieee: &str, name: &str, exposes: &str| {
        format!(
            r#"{{"ieee_address":"{ieee}","type":"Router","friendly_name":"{name}","supported":true,"disabled":false,"interview_state":"SUCCESSFUL","definition":{{"model":"T-1","vendor":"Test","description":"{name}","exposes":[{exposes}]}}}}"#
        )
    };
    let leak =
        r#"{"type":"binary","name":"water_leak","property":"water_leak","access":1,"value_on":true,"value_off":false}"#;
    let valve = r#"{"type":"switch","features":[{"type":"binary","name":"state","property":"state","access":7,"value_on":"OPEN","value_off":"CLOSE"}]}"#;
    format!("[{},{}]", device(LEAK, "leak", leak), device(VALVE, "valve", valve))
}

/// A connection of MQTT 3.1.1 of whose time nothing is lost to a client library.
pub struct Wire(TcpStream);

impl Wire {
    pub async fn connect(port: u16, client_id: &str, login: Option<(&str, &str)>) -> Wire {
        let flags = if login.is_some() { 0xC2 } else { 0x02 };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0];
        let texts = std::iter::once(client_id).chain(login.into_iter().flat_map(|(user, password)| [user, password]));
        for text in texts {
            body.extend_from_slice(&(text.len() as u16).to_be_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut wire = Wire(stream);
        wire.send(0x10, &body).await;
        assert_eq!(wire.hear().await.0, 0x20);
        wire
    }

    pub async fn subscribe(&mut self, filter: &str) {
        let mut body = vec![0, 1];
        body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
        body.extend_from_slice(filter.as_bytes());
        body.push(0);
        self.send(0x82, &body).await;
        assert_eq!(self.hear().await.0, 0x90);
    }

    /// At QoS 0.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.put(0x30, topic, payload).await;
    }

    /// At QoS 0, retained.
    pub async fn retain(&mut self, topic: &str, payload: &[u8]) {
        self.put(0x31, topic, payload).await;
    }

    async fn put(&mut self, kind: u8, topic: &str, payload: &[u8]) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(payload);
        self.send(kind, &body).await;
    }

    /// The bridge lists both, and both are well.
    pub async fn announce(&mut self) {
        self.publish("zigbee2mqtt/bridge/devices", list().as_bytes()).await;
        self.calm().await;
    }

    /// The valve is closed and the leak is over; the reflex has time to believe it.
    pub async fn calm(&mut self) {
        self.publish("zigbee2mqtt/valve", br#"{"state":"CLOSE"}"#).await;
        self.publish("zigbee2mqtt/leak", br#"{"water_leak":false}"#).await;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }

    pub async fn hear_publish(&mut self) {
        self.hear_body().await;
    }

    /// The payload of the next publish at QoS 0.
    pub async fn hear_payload(&mut self) -> Vec<u8> {
        let body = self.hear_body().await;
        let topic = body.first_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        body.get(2 + topic..).unwrap_or_default().to_vec()
    }

    async fn hear_body(&mut self) -> Vec<u8> {
        loop {
            let Ok((kind, body)) = tokio::time::timeout(Duration::from_secs(60), self.hear()).await else {
                eprintln!("what was waited for has not come within a minute");
                std::process::exit(1);
            };
            if kind & 0xF0 == 0x30 {
                return body;
            }
        }
    }

    fn drain(&mut self) {
        let mut bytes = [0; 4096];
        while self.0.try_read(&mut bytes).is_ok_and(|read| read > 0) {}
    }

    async fn send(&mut self, kind: u8, body: &[u8]) {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let more = left >> 7;
            packet.push((left & 0x7F) as u8 | if more > 0 { 0x80 } else { 0 });
            if more == 0 {
                break;
            }
            left = more;
        }
        packet.extend_from_slice(body);
        self.0.write_all(&packet).await.unwrap();
    }

    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let kind = self.0.read_u8().await.unwrap();
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.0.read_u8().await.unwrap();
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (kind, body)
    }
}
