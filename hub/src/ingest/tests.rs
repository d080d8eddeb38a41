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
