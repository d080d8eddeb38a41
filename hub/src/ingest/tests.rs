//! What comes in, with a whole house behind it.

use std::sync::atomic::Ordering;

use domovoi_adapters::Road;
use domovoi_config::Settings;
use domovoi_model::{Id, Timestamp, Unit};
use domovoi_store::{Recorded, Seq};

use super::*;
use crate::house::House;

fn arrival<'a>(topic: &'a str, payload: &'a [u8], again: bool) -> Arrival<'a> {
    Arrival { road: Road::Embedded, sender: "bridge", topic, payload, retained: false, again }
}

struct Home {
    ingest: Arc<Ingest>,
    _house: House,
    _folder: tempfile::TempDir,
}

impl Home {
    async fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::parse(settings, "test.toml", folder.path()).unwrap();
        let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
        let house = Box::pin(House::open(settings, clock, None)).await.unwrap();
        Home { ingest: house.desk(false).ingest, _house: house, _folder: folder }
    }

    fn say(&self, payload: &str, again: bool) -> Option<Commit> {
        self.ingest.take(arrival("zigbee2mqtt/plug", payload.as_bytes(), again))
    }

    async fn recorded(&self) -> Vec<String> {
        let found = self.ingest.store().history().after(Seq(0), 1000).await.unwrap();
        found.iter().map(|Recorded { item, .. }| format!("{} {}", item.property, item.value)).collect()
    }
}

#[tokio::test]
async fn what_comes_twice_is_recorded_once_and_acknowledged_with_the_first() {
    let home = Home::new("").await;
    let first = home.say(r#"{"power":5,"state":"ON"}"#, false).unwrap();
    let second = home.say(r#"{"power":5,"state":"ON"}"#, true).unwrap();
    assert_eq!(first.await.unwrap(), second.await.unwrap(), "the second stands on the first");
    // The connection may be gone before the first was answered.
    drop(home.say(r#"{"power":6}"#, false));
    assert!(home.say(r#"{"power":6}"#, true).unwrap().await.is_ok());
    assert_eq!(home.recorded().await, ["power 5", "state true", "power 6"]);
    assert_eq!(home.ingest.counters().repeated.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn of_what_there_is_no_room_for_hazards_are_heard_and_nothing_is_recorded() {
    let home = Home::new("").await;
    let payload = r#"{"water_leak":true,"battery":50,"linkquality":9}"#;
    home.ingest.glance(&arrival("zigbee2mqtt/leak", payload.as_bytes(), false), None);
    home.ingest.glance(&arrival("zigbee2mqtt/leak", b"{\"water_leak", false), None);
    let heard = home.ingest.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].1.properties.keys().collect::<Vec<_>>(), ["water_leak"]);
    assert_eq!(home.ingest.counters().hazards_unkept.load(Ordering::Relaxed), 1);
    assert!(home.recorded().await.is_empty());
}

#[tokio::test]
async fn what_may_be_another_is_recorded() {
    let home = Home::new("").await;
    for (payload, again) in [
        // Nobody said that it came before.
        (r#"{"power":5}"#, false),
        (r#"{"power":5}"#, false),
        // It is not what was said last.
        (r#"{"power":6}"#, false),
        (r#"{"power":5}"#, true),
        // A button that is pressed twice.
        (r#"{"action":"single"}"#, false),
        (r#"{"action":"single"}"#, true),
        // A danger.
        (r#"{"water_leak":true}"#, false),
        (r#"{"water_leak":true}"#, true),
    ] {
        home.say(payload, again).unwrap().await.unwrap();
    }
    assert_eq!(home.recorded().await.len(), 8);
    // With the device's time a message is itself, whatever came between.
    let timed = r#"{"action":"single","last_seen":"2026-11-21T11:59:00Z"}"#;
    home.say(timed, false).unwrap().await.unwrap();
    home.say(r#"{"power":7}"#, false).unwrap().await.unwrap();
    home.say(timed, true).unwrap().await.unwrap();
    assert_eq!(home.recorded().await.len(), 10);
}

#[tokio::test]
async fn the_memory_for_what_came_before_is_bounded() {
    let home = Home::new("").await;
    let kept = || home.ingest.store().history().record(Vec::new(), Urgency::Normal).shared();
    let mut repeats = Repeats::default();
    for n in 0..20_000 {
        let topic = format!("t/{n}");
        let mark = repeats.mark(&arrival(&topic, b"1", true));
        repeats.remember(mark, false, kept());
        assert!(repeats.before(mark, false, false).is_some());
    }
    assert!(repeats.len() <= 8192, "{}", repeats.len());
}

const RULES: &str = "[[sift]]\nproperty = \"power\"\ndeadband = \"1\"\n\
                     [[sift]]\nproperty = \"*\"\nchange_only = true\nat_least_every = \"10 min\"\n";

#[tokio::test]
async fn what_is_as_good_as_the_one_before_is_left_out_and_heard_all_the_same() {
    let home = Home::new(RULES).await;
    let mut answers = Vec::new();
    for payload in [
        r#"{"power":20,"state":"ON","energy":1.0}"#,
        r#"{"power":20.5,"state":"ON","energy":1.0}"#,
        r#"{"power":21,"state":"ON"}"#,
        r#"{"power":20.1,"state":"OFF"}"#,
        r#"{"power":20,"state":"OFF"}"#,
    ] {
        answers.push(home.say(payload, false).unwrap());
    }
    for answer in answers {
        answer.await.unwrap();
    }
    let expected = ["power 20", "state true", "energy 1.0", "energy 1.0", "power 21", "state false", "power 20"];
    assert_eq!(home.recorded().await, expected, "a register is beyond every rule");
    assert!(home.say(r#"{"state":"OFF"}"#, false).unwrap().await.is_ok(), "it is acknowledged with what it stands on");
    let (_, heard) = &home.ingest.heard()[0];
    assert_eq!(heard.packets, 6);
    assert_eq!(heard.properties["power"], "20 W");
}

#[tokio::test]
async fn after_a_while_the_same_is_a_sign_of_life() {
    let home = Home::new(RULES).await;
    let device = DeviceRef::new("zigbee2mqtt", "name:plug");
    let rule = home.ingest.sieve.rule_for(&device, "state").unwrap();
    let said = Observation {
        device,
        property: "state".into(),
        value: Value::Bool(true),
        unit: Unit::None,
        quality: domovoi_model::Quality::Good,
        device_time: None,
        hazard: None,
    };
    let mut sifted = sift::Sifted::new(rule);
    let then = Instant::now();
    assert!(sifted.stands_on(&said, then).is_none(), "the first is recorded");
    let offered = home.ingest.store().history().record(Vec::new(), Urgency::Normal).shared();
    sifted.recorded(&said, then, &offered);
    let minutes = |minutes: u64| then + std::time::Duration::from_secs(minutes * 60);
    assert!(sifted.stands_on(&said, minutes(9)).is_some());
    assert!(sifted.stands_on(&said, minutes(10)).is_none());
    let other = Observation { quality: domovoi_model::Quality::Suspect("low".into()), ..said };
    assert!(sifted.stands_on(&other, minutes(1)).is_none(), "a complaint is news");
}

#[tokio::test]
async fn what_stands_on_something_that_was_not_kept_is_recorded_itself() {
    let home = Home::new(RULES).await;
    home.say(r#"{"state":"ON"}"#, false).unwrap().await.unwrap();
    home._house.store().clone().close().await;
    assert!(home.say(r#"{"state":"OFF"}"#, false).unwrap().await.is_err());
    // The one before was lost: the next one is not acknowledged for its sake.
    assert!(home.say(r#"{"state":"OFF"}"#, false).unwrap().await.is_err());
    assert!(home.say(r#"{"state":"OFF"}"#, true).unwrap().await.is_err());
}

#[tokio::test]
async fn strangers_cannot_fill_the_memory_and_long_words_are_cut() {
    let home = Home::new("").await;
    let long = "ы".repeat(1000);
    home.say(&format!(r#"{{"note":"{long}"}}"#), false).unwrap().await.unwrap();
    for start in 0..10 {
        let many: Vec<String> = (0..100).map(|n| format!("\"p{}\":1", start * 100 + n)).collect();
        let _ = home.say(&format!("{{{}}}", many.join(",")), false);
    }
    let (_, heard) = &home.ingest.heard()[0];
    assert_eq!(heard.properties.len(), 256);
    assert!(heard.properties["note"].len() <= 64 && heard.properties["note"].starts_with("ыы"));
}

#[tokio::test]
async fn what_is_bound_to_a_meter_is_a_register_whatever_its_unit_says() {
    let folder = tempfile::tempdir().unwrap();
    let settings = domovoi_store::Settings { ballast: 0, ..domovoi_store::Settings::new(folder.path().join("data")) };
    let master = domovoi_vault::MasterKey::generate().unwrap();
    let store = Store::open(&settings, &master).await.unwrap();
    let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
    let ingest = Ingest::new(store, clock, Directory::default(), &[]);
    let observed = |property: &str, unit: Unit| Observation {
        device: DeviceRef::new("zigbee2mqtt", "pulses"),
        property: property.into(),
        value: Value::Number(5.into()),
        unit,
        quality: domovoi_model::Quality::Good,
        device_time: None,
        hazard: None,
    };
    assert!(!ingest.is_urgent(&observed("count", Unit::None)), "nobody has told yet what is bound");
    ingest.registers_are(|device, property| device.id == "pulses" && property == "count");
    assert!(ingest.is_urgent(&observed("count", Unit::None)));
    assert!(!ingest.is_urgent(&observed("battery", Unit::Percent)));
    assert!(ingest.is_urgent(&observed("total", Unit::CubicMetre)));
}

const LEAK: &[u8] =
    br#"[{"ieee_address":"0x00124b0000000002","type":"EndDevice","friendly_name":"leak","supported":true,
    "disabled":false,"interview_state":"SUCCESSFUL","definition":{"model":"T","vendor":"T","description":"T","exposes":[
    {"type":"binary","name":"water_leak","property":"water_leak","access":1,"value_on":true,"value_off":false}]}}]"#;
const WET: &[u8] = br#"{"water_leak":true}"#;
const DRY: &[u8] = br#"{"water_leak":false}"#;

/// A room without a house, that knows a leak sensor; and whether the reflex was told that it is wet, each time.
async fn with_a_reflex(road: Road) -> (Arc<Ingest>, Arc<Mutex<Vec<bool>>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = domovoi_store::Settings { ballast: 0, ..domovoi_store::Settings::new(folder.path().join("data")) };
    let master = domovoi_vault::MasterKey::generate().unwrap();
    let store = Store::open(&settings, &master).await.unwrap();
    store.credentials().read_all().await.unwrap();
    let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
    let ingest = Ingest::new(store, clock, Directory::default(), &[]);
    let told: Arc<Mutex<Vec<bool>>> = Arc::default();
    let hears = Arc::clone(&told);
    ingest.hooks().felt_by(move |observation, _, _| {
        if observation.property == "water_leak" {
            hears.lock().unwrap().push(observation.hazard.is_some());
        }
    });
    drop(ingest.take(said(road, "zigbee2mqtt/bridge/devices", LEAK, false)));
    (ingest, told, folder)
}

fn said<'a>(road: Road, topic: &'a str, payload: &'a [u8], again: bool) -> Arrival<'a> {
    Arrival { road, sender: "bridge", topic, payload, retained: false, again }
}

#[tokio::test]
async fn yesterdays_dry_that_the_first_link_brings_late_or_again_ends_no_danger() {
    let (ingest, told, _folder) = with_a_reflex(Road::External).await;
    let first = |payload, again| drop(ingest.take(said(Road::External, "zigbee2mqtt/leak", payload, again)));
    let near = |payload| ingest.feel(&said(Road::External, "zigbee2mqtt/leak", payload, false));
    let taken = || std::mem::take(&mut *told.lock().unwrap());
    // The disk is full: the heartbeat is not acknowledged, and is brought again and again.
    first(DRY, false);
    ingest.twice.waits("zigbee2mqtt/leak", DRY);
    ingest.twice.near_is(true);
    assert_eq!(taken(), [false]);
    near(WET);
    for _ in 0..3 {
        first(DRY, true);
        first(WET, false);
    }
    assert_eq!(taken(), [true; 4], "the dry is not told, the leak is");
    first(DRY, false);
    assert_eq!(taken(), [false; 0], "nor is one that merely comes late");
    near(DRY);
    assert_eq!(taken(), [false], "what is said now ends it");
    ingest.twice.near_is(false);
    first(DRY, true);
    first(DRY, false);
    assert_eq!(taken(), [false], "without the nearer link the first one is believed, once");
}

fn credential(certificate: Option<domovoi_store::CredentialCertificate>) -> domovoi_store::CredentialInfo {
    domovoi_store::CredentialInfo {
        username: "bridge".into(),
        publish: vec!["zigbee2mqtt/#".into()],
        subscribe: vec!["zigbee2mqtt/#".into()],
        role: "bridge".into(),
        certificate,
        created_at: Moment::Wall(Timestamp(1_795_262_400_000)),
    }
}

fn knock(password: &str) -> domovoi_broker::ConnectRequest {
    domovoi_broker::ConnectRequest {
        client_id: "leak".into(),
        username: Some("bridge".into()),
        password: Some(password.as_bytes().to_vec().into()),
        peer: "127.0.0.1:50000".parse().unwrap(),
        protocol: domovoi_broker::Protocol::V5,
        road: domovoi_broker::Road::default(),
        certificate: None,
        will: None,
    }
}

fn gate(ingest: &Arc<Ingest>, settings: &str) -> HubGate {
    let folder = tempfile::tempdir().unwrap();
    HubGate::new(Arc::clone(ingest), Settings::parse(settings, "test.toml", folder.path()).unwrap().mqtt)
}

#[tokio::test]
async fn whoever_connects_because_it_is_wet_waits_for_no_disk() {
    use domovoi_broker::Gate as _;
    let (ingest, _, _folder) = with_a_reflex(Road::Embedded).await;
    let credentials = ingest.store().credentials();
    let password = credentials.issue(&credential(None)).await.unwrap();
    let gate = gate(&ingest, "");
    ingest.store().clone().close().await;
    assert!(credentials.find("bridge").await.is_err(), "nothing is read any more");
    assert!(gate.connect(knock(password.expose())).await.is_ok());
    assert!(gate.connect(knock("wrong")).await.is_err());
}

#[tokio::test]
async fn the_new_password_of_one_that_is_connected_once_more_ends_the_old_one_when_it_is_used() {
    use domovoi_broker::Gate as _;
    let (ingest, _, _folder) = with_a_reflex(Road::Embedded).await;
    let credentials = ingest.store().credentials();
    let old = credentials.issue(&credential(None)).await.unwrap();
    let new = credentials.issue_anew(&credential(None)).await.unwrap();
    let gate = gate(&ingest, "");
    assert!(credentials.waits_for_the_new("bridge"));
    assert!(gate.connect(knock(old.expose())).await.is_ok(), "it works on until somebody has entered the new one");
    assert!(credentials.waits_for_the_new("bridge"));
    assert!(gate.connect(knock(new.expose())).await.is_ok());
    // Written down beside.
    while credentials.at_hand("bridge").await.unwrap().unwrap().verify(old.expose()) {
        tokio::task::yield_now().await;
    }
    assert!(gate.connect(knock(old.expose())).await.is_err());
    assert!(gate.connect(knock(new.expose())).await.is_ok());
}

#[tokio::test]
async fn a_leak_beyond_the_rate_and_one_with_a_certificate_that_has_just_ended_are_heard() {
    use domovoi_broker::{Gate as _, Peer, Publish, Refusal, Verdict};
    const SLOW: &str = "[mqtt]\nmax_messages_per_second = 1";
    let (ingest, told, _folder) = with_a_reflex(Road::Embedded).await;
    let taken = || std::mem::take(&mut *told.lock().unwrap());
    ingest.listen_closely(&[DeviceRef::new("zigbee2mqtt", "0x00124b0000000002")]);
    let password = ingest.store().credentials().issue(&credential(None)).await.unwrap();
    let gate = gate(&ingest, SLOW);
    let access = gate.connect(knock(password.expose())).await.unwrap();
    let mut peer = Peer {
        client_id: "leak".into(),
        username: Some("bridge".into()),
        address: "127.0.0.1:50000".parse().unwrap(),
        protocol: domovoi_broker::Protocol::V5,
        access,
    };
    let lamp = Publish::new("zigbee2mqtt/lamp", br#"{"state":"ON"}"#.to_vec());
    let refused = (0..300).filter(|_| matches!(gate.publish(&peer, &lamp).verdict, Verdict::Refuse(_))).count();
    assert!(refused > 290, "{refused}");
    let leak = Publish::new("zigbee2mqtt/leak", WET.to_vec());
    assert!(matches!(gate.publish(&peer, &leak).verdict, Verdict::Refuse(Refusal::QuotaExceeded)));
    assert_eq!(taken(), [true], "its own flood keeps nobody from hearing it");
    peer.access.ends = Some(0);
    assert!(matches!(gate.publish(&peer, &leak).verdict, Verdict::Disconnect(_)));
    assert_eq!(taken(), [true], "the last that is heard of it may be the leak");
    for _ in 0..1000 {
        let _ = gate.publish(&peer, &leak);
    }
    assert!(taken().len() < 200, "in bounds");
}

#[tokio::test]
async fn what_a_program_tells_devices_through_the_broker_is_written_down() {
    use domovoi_broker::{Gate as _, Peer, Publish, Verdict};
    let (ingest, _, _folder) = with_a_reflex(Road::Embedded).await;
    let info = domovoi_store::CredentialInfo { role: "service".into(), ..credential(None) };
    let password = ingest.store().credentials().issue(&info).await.unwrap();
    let gate = gate(&ingest, "");
    let access = gate.connect(knock(password.expose())).await.unwrap();
    let peer = Peer {
        client_id: "flows".into(),
        username: Some("bridge".into()),
        address: "127.0.0.1:50000".parse().unwrap(),
        protocol: domovoi_broker::Protocol::V5,
        access,
    };
    for _ in 0..9 {
        let open = Publish::new("zigbee2mqtt/valve/set", br#"{"state":"OPEN"}"#.to_vec());
        assert!(matches!(gate.publish(&peer, &open).verdict, Verdict::Forward));
        let said = Publish::new("zigbee2mqtt/lamp", br#"{"state":"ON"}"#.to_vec());
        let _ = gate.publish(&peer, &said);
    }
    let (entries, _) = ingest.refusals.due(Instant::now(), true);
    let told: Vec<_> = entries.iter().map(|entry| (entry.deed.as_str(), &entry.outcome, &entry.object)).collect();
    let topic = Some(("topic".to_owned(), Some("zigbee2mqtt/valve/set".to_owned())));
    assert_eq!(told, [("mqtt.commanded", &crate::audit::Outcome::Done, &topic)]);
}
