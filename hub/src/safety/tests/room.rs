//! The room with a whole house behind it: what goes over the lock, the store and the registry.

use std::path::Path;
use std::time::Duration;

use domovoi_adapters::Road;
use domovoi_config::Settings;
use domovoi_model::{Id, Sample};
use domovoi_store::Urgency;
use tokio::task::JoinSet;

use super::*;
use crate::clock::Clock;
use crate::devices::{Devices, Wish};
use crate::house::House;
use crate::ingest::{Arrival, Ingest};
use crate::safety::hand::Order;
use crate::safety::kept;
use crate::safety::rule::{Rule, Sensors};
use crate::tests::until;

async fn open(folder: &Path) -> House {
    let settings = Settings::parse("", "test.toml", folder).unwrap();
    let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
    Box::pin(House::open(settings, clock, None)).await.unwrap()
}

fn hear(ingest: &Ingest, topic: &str, payload: &str) {
    let (road, sender, payload) = (Road::Embedded, "bridge", payload.as_bytes());
    drop(ingest.take(Arrival { road, sender, topic, payload, retained: false, again: false }));
}

async fn accepted(devices: &Devices, name: &str) -> DeviceRef {
    let view = until(name, || devices.list().into_iter().find(|view| view.name == name)).await;
    devices.accept(view.device(), Wish::default()).await.unwrap();
    view.device().clone()
}

fn own(name: &str) -> Rule {
    Rule {
        id: "own".into(),
        name: name.into(),
        is_on: true,
        danger: Danger::WaterLeak,
        sensors: Sensors::Any,
        below: None,
        silent_after_s: None,
        answers: Vec::new(),
    }
}

#[tokio::test]
async fn switching_a_rule_does_not_undo_an_edit_that_was_made_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let safety = open(folder.path()).await.desk(false).safety;
    safety.put_rule(own("before")).await.unwrap();
    let editing = safety.0.editing.lock().await;
    let (one, two) = (safety.clone(), safety.clone());
    let edited = tokio::spawn(async move { one.put_rule(own("after")).await });
    tokio::task::yield_now().await;
    let switched = tokio::spawn(async move { two.switch_rule("own", false).await });
    tokio::task::yield_now().await;
    drop(editing);
    edited.await.unwrap().unwrap();
    let rule = switched.await.unwrap().unwrap();
    assert_eq!((rule.name.as_str(), rule.is_on), ("after", false));
}

#[tokio::test]
async fn the_reflex_speaks_on_no_topic_that_nobody_has_agreed_to() {
    let folder = tempfile::tempdir().unwrap();
    let house = open(folder.path()).await;
    let mut rooms = JoinSet::new();
    house.start_rooms(&mut rooms);
    let desk = house.desk(false);
    let valve = |topic: &str| {
        let config =
            format!(r#"{{"uniq_id":"v1","stat_t":"v1/state","cmd_t":"{topic}","dev":{{"ids":["v1"],"name":"v1"}}}}"#);
        hear(&desk.ingest, "homeassistant/valve/v1/config", &config);
    };
    valve("v1/set");
    let device = accepted(&desk.devices, "v1").await;
    desk.safety.look_at_devices();
    let agreed = desk.safety.standing().home.find(&device).and_then(|device| device.agreed.clone());
    assert!(agreed.is_some_and(|agreed| agreed == ["v1/set"]), "there it was accepted");
    valve("esp-door/lock/command");
    until("it has said so", || {
        let directory = desk.ingest.directory();
        directory.known(&device)?.listens.iter().any(|topic| topic.starts_with("esp-door")).then_some(())
    })
    .await;
    desk.safety.look_at_devices();
    let (answer, answered) = tokio::sync::oneshot::channel();
    desk.safety.give(Order::Test { rule: "water-leak".into(), in_earnest: true, answer });
    assert!(answered.await.unwrap().is_some());
    let standing = desk.safety.standing();
    let (_, told, _) = standing.pursuits.iter().find(|(place, ..)| place.device == device).unwrap();
    assert!(told.error.as_ref().is_some_and(|why| why.contains("esp-door/lock/command")) && told.accept_again);
}

fn kept_leaks(names: &[&str]) -> Keep {
    let one = |name: &&str| Remembered {
        key: Key { danger: Danger::WaterLeak, place: place(name, "alarm"), test: None },
        since: at(0).moment,
        value: Value::Bool(true),
        answered: false,
        hushed: false,
    };
    Keep { dangers: names.iter().map(one).collect(), ..Keep::default() }
}

fn leaks(names: &[&str]) -> Arc<Home> {
    Arc::new(Home::new(names.iter().map(|name| sensor(name, "bath", Hazard::WaterLeak, true)).collect()))
}

#[tokio::test]
async fn who_takes_over_from_a_standby_loses_nothing_and_wakes_nothing_that_is_over() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let standby = open(first.path()).await.desk(false).safety;
    let house = open(second.path()).await.desk(false);
    let names = ["over", "lasts", "younger", "late"];
    for safety in [&standby, &house.safety] {
        safety.give(Order::Home(leaks(&names)));
    }
    standby.give(Order::Remember(kept_leaks(&["over", "lasts"])));
    {
        let mut hand = standby.0.hand.lock().unwrap();
        let hand = hand.as_mut().unwrap();
        let deeds = hand.reflex.felt(&calm("over"), at(1), &same);
        hand.perform(deeds);
        hand.show();
    }
    // Nobody feels it any more, since the standby stops.
    standby.0.senses.feel(&alarm("late", Hazard::WaterLeak), || 1);
    let rows = kept::rows_of(&kept_leaks(&["over", "lasts", "younger"]));
    house.store.safety().keep_dangers(&rows).await.unwrap();
    house.safety.take_over(standby.hand_over());
    assert_eq!(*house.safety.0.keep.borrow(), None, "what the store remembers is not written over before it is read");
    house.safety.remember().await;
    let standing = house.safety.standing();
    let mut open: Vec<&str> = standing.dangers.iter().map(|(key, ..)| key.place.device.id.as_str()).collect();
    open.sort_unstable();
    assert_eq!(open, ["lasts", "younger"]);
    let unfelt = house.safety.0.senses.wait(Duration::ZERO).observations;
    assert_eq!(unfelt, [alarm("late", Hazard::WaterLeak)]);
}

#[tokio::test]
async fn what_the_house_believed_to_be_over_is_no_word_of_the_sensor() {
    let folder = tempfile::tempdir().unwrap();
    let house = open(folder.path()).await;
    let safety = house.desk(false).safety;
    let mut falls_back = sensor("radio", "bath", Hazard::WaterLeak, true);
    falls_back.properties[0].off_after_s = Some(5);
    let home = Home::new(vec![falls_back, sensor("leak", "bath", Hazard::WaterLeak, true)]);
    safety.give(Order::Home(Arc::new(home)));
    let dry = |name: &str| Sample {
        device: device(name),
        property: "alarm".into(),
        value: Value::Bool(false),
        unit: Unit::None,
        quality: Quality::Good,
        at: at(0).moment,
        device_time: None,
    };
    house.store().history().record(vec![dry("radio"), dry("leak")], Urgency::Normal).await.unwrap();
    assert_eq!(safety.said_no().await, [place("leak", "alarm")]);
}

#[tokio::test]
async fn words_of_a_choice_are_understood_after_a_restart_as_they_were_before() {
    let folder = tempfile::tempdir().unwrap();
    let house = open(folder.path()).await;
    let safety = house.desk(false).safety;
    let words = ["normal", "water_leakage", "water_shortage & water_leakage", "unknown"];
    let choosing = |name: &str| {
        let mut choosing = sensor(name, "bath", Hazard::WaterLeak, true);
        choosing.properties[0].shape = Shape::Choice(words.map(str::to_owned).to_vec());
        choosing
    };
    safety.give(Order::Home(Arc::new(Home::new(["dry", "wet", "both", "dumb"].map(choosing).to_vec()))));
    let said = |(name, word): (&str, &str)| Sample {
        device: device(name),
        property: "alarm".into(),
        value: Value::Text(word.to_owned()),
        unit: Unit::None,
        quality: Quality::Good,
        at: safety.0.clock.moment(),
        device_time: None,
    };
    let samples = ["dry", "wet", "both", "dumb"].into_iter().zip(words).map(said).collect();
    house.store().history().record(samples, Urgency::Normal).await.unwrap();
    let mut open: Vec<Place> = safety.said_last().await.unwrap().into_iter().map(|last| last.key.place).collect();
    open.sort_unstable();
    assert_eq!(open, [place("both", "alarm"), place("wet", "alarm")]);
    assert_eq!(safety.said_no().await, [place("dry", "alarm")]);
}

#[tokio::test]
async fn a_sensor_that_says_who_it_is_is_the_same_to_the_reflex_and_its_card_says_what_it_is_for() {
    const LEAK: &str = "0x00124b0000000009";
    let folder = tempfile::tempdir().unwrap();
    let house = open(folder.path()).await;
    let mut rooms = JoinSet::new();
    house.start_rooms(&mut rooms);
    let desk = house.desk(false);
    hear(&desk.ingest, "zigbee2mqtt/bath", r#"{"battery":90}"#);
    let before = DeviceRef::new("zigbee2mqtt", "name:bath");
    until("it is found", || desk.devices.show(&before)).await;
    desk.devices.accept(&before, Wish::default()).await.unwrap();
    let list = format!(
        r#"[{{"ieee_address":"{LEAK}","type":"EndDevice","friendly_name":"bath","supported":true,"disabled":false,
        "interview_state":"SUCCESSFUL","definition":{{"model":"T","vendor":"T","description":"T","exposes":[
        {{"type":"binary","name":"water_leak","property":"water_leak","access":1,"value_on":true,"value_off":false}}]}}}}]"#
    );
    hear(&desk.ingest, "zigbee2mqtt/bridge/devices", &list);
    let after = DeviceRef::new("zigbee2mqtt", LEAK);
    until("its card says what it is for", || desk.devices.show(&after).filter(|view| view.card.guards)).await;
    let hand = desk.safety.0.hand.lock().unwrap();
    assert_eq!(hand.as_ref().unwrap().reflex.renamed.get(&before), Some(&after));
    drop(hand);
    assert_eq!(*desk.safety.0.renamed.lock().unwrap(), [(before, after)], "and its rules are to be kept so");
}
