//! Tests of the room, with a whole house behind it.

mod guarded;

use std::time::Duration;

use domovoi_adapters::Road;
use domovoi_config::Settings;
use domovoi_model::{Command, CommandTarget, Id, Timestamp, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::audit::{Actor, Origin};
use crate::bus::CommandState;
use crate::house::House;
use crate::ingest::Arrival;
use crate::tests::{until, until_async};

const LAMP: &str = "0x00124b0000000001";

struct Home {
    devices: Devices,
    ingest: Arc<Ingest>,
    house: House,
    rooms: JoinSet<()>,
    folder: tempfile::TempDir,
}

impl Home {
    async fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    async fn in_folder(folder: tempfile::TempDir) -> Self {
        let settings = Settings::parse("", "test.toml", folder.path()).unwrap();
        let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
        let house = Box::pin(House::open(settings, clock, None)).await.unwrap();
        let desk = house.desk(false);
        let mut rooms = JoinSet::new();
        house.start_rooms(&mut rooms);
        Home { devices: desk.devices, ingest: desk.ingest, house, rooms, folder }
    }

    async fn again(self) -> Self {
        let Home { devices, ingest, house, rooms, folder } = self;
        drop((devices, ingest));
        house.close(rooms).await;
        Self::in_folder(folder).await
    }

    fn hear(&self, topic: &str, payload: &str) {
        self.hear_from("bridge", topic, payload);
    }

    fn hear_from(&self, sender: &str, topic: &str, payload: &str) {
        let road = Road::Embedded;
        let payload = payload.as_bytes();
        drop(self.ingest.take(Arrival { road, sender, topic, payload, retained: false, again: false }));
    }

    async fn found(&self, device: &DeviceRef) -> DeviceView {
        until("the device is found", || self.devices.show(device)).await
    }

    async fn shows(&self, device: &DeviceRef, property: &str, wanted: impl Fn(&crate::bus::PropertyState) -> bool) {
        until(&format!("{device} {property}"), || self.devices.state(device, property).filter(&wanted)).await;
    }
}

fn list(name: &str) -> String {
    format!(
        r#"[{{"ieee_address":"{LAMP}","type":"Router","friendly_name":"{name}","supported":true,"disabled":false,
        "interview_state":"SUCCESSFUL","definition":{{"model":"T","vendor":"T","description":"T","exposes":[
        {{"type":"light","features":[{{"type":"binary","name":"state","property":"state","access":7,"value_on":"ON",
        "value_off":"OFF","value_toggle":"TOGGLE"}}]}}]}}}}]"#
    )
}

fn lamp() -> DeviceRef {
    DeviceRef::new("zigbee2mqtt", LAMP)
}

fn asker() -> Asker {
    Asker { actor: Actor::House, origin: Origin::default() }
}

fn switch(on: bool) -> Command {
    Command { target: CommandTarget { device: lamp(), property: "state".into() }, value: Value::Bool(on) }
}

#[tokio::test]
async fn what_was_heard_under_a_makeshift_name_gives_its_card_to_the_device() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/desk", r#"{"state":"ON"}"#);
    let makeshift = DeviceRef::new("zigbee2mqtt", "name:desk");
    home.found(&makeshift).await;
    home.devices.accept(&makeshift, Wish { name: Some("Стол".into()), ..Wish::default() }).await.unwrap();
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    let view = home.found(&lamp()).await;
    assert_eq!((view.name.as_str(), Standing::of(&view.card)), ("Стол", Standing::Accepted));
    assert!(home.devices.show(&makeshift).is_none(), "one device has one card");
    // A name is not who it is: renamed at the bridge, it is the same.
    home.hear("zigbee2mqtt/bridge/devices", &list("shelf"));
    home.hear("zigbee2mqtt/shelf", r#"{"state":"OFF"}"#);
    home.shows(&lamp(), "state", |state| state.value == Some(Value::Bool(false))).await;
    let home = home.again().await;
    assert_eq!(home.devices.find("стол"), Some(lamp()));
    assert!(home.devices.is_accepted(&lamp()));
}

#[tokio::test]
async fn what_leaves_before_anybody_decided_leaves_the_inbox_and_what_is_ours_stays() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    home.hear("zigbee2mqtt/bridge/devices", "[]");
    until("it left the inbox", || home.devices.show(&lamp()).is_none().then_some(())).await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    let room = home.devices.add_room("Зал").await.unwrap();
    let wish = Wish { room: Some(room.id), ..Wish::default() };
    home.devices.accept(&lamp(), wish).await.unwrap();
    home.hear("zigbee2mqtt/bridge/devices", "[]");
    until("the bridge's word was taken", || home.ingest.directory().known(&lamp()).is_none().then_some(())).await;
    let home = home.again().await;
    let view = home.devices.show(&lamp()).expect("what people gave it is kept until they forget it");
    assert_eq!(view.card.room, Some(room.id));
    // Its bridge knows it by its address, so it is tried all the same.
    assert_eq!(home.devices.command(asker(), switch(true)).unwrap().state, CommandState::Sent);
}

#[tokio::test]
async fn a_device_that_is_waited_for_is_ours_when_it_speaks_with_its_credential() {
    let home = Home::new().await;
    let wish = Wish { name: Some("Лампа".into()), presets: vec!["lamp".into()], ..Wish::default() };
    let until_then = Instant::now() + Duration::from_secs(60);
    let expected = Expected { username: "lamp-1".into(), wish, until: until_then };
    home.devices.expect(expected).unwrap();
    home.hear_from("somebody", "tele/other/STATE", r#"{"POWER":"ON"}"#);
    home.hear_from("lamp-1", "tele/lamp/STATE", r#"{"POWER":"ON"}"#);
    let device = until("it is ours", || home.devices.of_credential("lamp-1")).await;
    let view = home.devices.show(&device).unwrap();
    assert_eq!((view.name.as_str(), Standing::of(&view.card)), ("Лампа", Standing::Accepted));
    assert_eq!(view.card.presets, ["lamp"]);
    let other = home.found(&DeviceRef::new("tasmota", "topic:other")).await;
    assert_eq!(Standing::of(&other.card), Standing::Waiting);
}

#[tokio::test]
async fn the_inbox_has_a_bound() {
    let home = Home::new().await;
    let last = 10_000_000 + MAX_WAITING + 200;
    for id in 10_000_000..last {
        let telegram = format!(r#"{{"_":"telegram","media":"water","id":"{id}","total_m3":1}}"#);
        home.hear(&format!("wmbusmeters/{id}"), &telegram);
        if id % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    until("the inbox is full", || (home.devices.list().len() == MAX_WAITING).then_some(())).await;
    home.devices.0.settle_found().await;
    assert_eq!(home.devices.list().len(), MAX_WAITING);
}

#[tokio::test]
async fn a_command_that_nothing_answers_ends_and_says_so() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    assert!(matches!(home.devices.command(asker(), switch(true)), Err(Refused::NotAccepted(_))));
    home.devices.accept(&lamp(), Wish::default()).await.unwrap();
    let life = home.devices.command(asker(), switch(true)).unwrap();
    assert_eq!(life.state, CommandState::Sent);
    home.devices.0.commands.let_time_pass();
    let life = home.devices.outcome(life.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(life.state, CommandState::TimedOut);
    // A word that comes too late makes it no other.
    home.hear("zigbee2mqtt/desk", r#"{"state":"ON"}"#);
    home.shows(&lamp(), "state", |state| state.value == Some(Value::Bool(true))).await;
    assert_eq!(home.devices.life(life.id).unwrap().state, CommandState::TimedOut);
    // Each is remembered until it is one of thousands; those that wait are bounded.
    assert_eq!(home.devices.lives_of(&lamp()).len(), 1);
}

#[tokio::test]
async fn a_device_that_reports_only_beginnings_is_believed_to_have_ended_and_a_silent_one_has_no_word() {
    let home = Home::new().await;
    let device = r#""dev":{"ids":["m1"],"name":"Датчик"}"#;
    home.hear(
        "homeassistant/binary_sensor/m1/motion/config",
        &format!(r#"{{"uniq_id":"m1_motion","stat_t":"m1/motion","dev_cla":"motion","off_dly":1,{device}}}"#),
    );
    home.hear(
        "homeassistant/sensor/m1/temp/config",
        &format!(r#"{{"uniq_id":"m1_temp","stat_t":"m1/temp","unit_of_meas":"°C","exp_aft":1,{device}}}"#),
    );
    let view = until("the sensor is found", || home.devices.list().into_iter().next()).await;
    let device = view.device().clone();
    let name = |class: Option<u32>| {
        let directory = home.ingest.directory();
        let known = directory.known(&device)?;
        known.properties.iter().find(|one| one.off_after_s == class).map(|one| one.name.clone())
    };
    let motion = until("motion is announced", || name(Some(1))).await;
    let temperature = {
        let directory = home.ingest.directory();
        let known = directory.known(&device).unwrap();
        known.properties.iter().find(|one| one.expires_after_s == Some(1)).unwrap().name.clone()
    };
    home.hear("m1/motion", "ON");
    home.hear("m1/temp", "21.5");
    home.shows(&device, &motion, |state| state.value == Some(Value::Bool(true))).await;
    home.shows(&device, &motion, |state| state.value == Some(Value::Bool(false))).await;
    home.shows(&device, &temperature, |state| state.expired && state.value.is_some()).await;
    home.hear("m1/temp", "21.5");
    home.shows(&device, &temperature, |state| !state.expired).await;
    // The belief is history, too.
    let history = home.house.store().history();
    let range = history.range(&device, &motion, Timestamp(0), Timestamp(i64::MAX), 10).await.unwrap();
    assert_eq!(
        range.points.iter().map(|point| point.value.clone()).collect::<Vec<_>>(),
        [true, false].map(Value::Bool)
    );
}

#[tokio::test]
async fn rooms_have_one_name_each_and_an_order_and_what_was_in_one_that_goes_is_in_none() {
    let home = Home::new().await;
    let kitchen = home.devices.add_room(" Кухня ").await.unwrap();
    let hall = home.devices.add_room("Зал").await.unwrap();
    assert!(matches!(home.devices.add_room("кухня").await, Err(DevicesError::Conflict(_))));
    assert!(matches!(home.devices.add_room("  ").await, Err(DevicesError::Invalid(_))));
    assert!(matches!(home.devices.add_room("a\nb").await, Err(DevicesError::Invalid(_))));
    home.devices.edit_room(hall.id, None, Some(0)).await.unwrap();
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    home.devices.accept(&lamp(), Wish { room: Some(kitchen.id), ..Wish::default() }).await.unwrap();
    assert_eq!(home.devices.object(&lamp(), Some("state")).room, Some(kitchen.id.to_string()));
    let home = home.again().await;
    assert_eq!(home.devices.rooms().iter().map(|room| room.name.as_str()).collect::<Vec<_>>(), ["Зал", "Кухня"]);
    home.devices.remove_room(kitchen.id).await.unwrap();
    assert_eq!(home.devices.show(&lamp()).unwrap().card.room, None);
    let unknown = Wish { room: Some(kitchen.id), ..Wish::default() };
    assert!(matches!(home.devices.accept(&lamp(), unknown).await, Err(DevicesError::NoRoom(_))));
}

const VALVE: &str = "homeassistant/valve/v1/config";

fn valve_config(command_topic: &str) -> String {
    format!(
        r#"{{"unique_id":"v1","name":null,"device_class":"water","state_topic":"v1/state","command_topic":"{command_topic}","device":{{"identifiers":["v1"],"name":"Вентиль"}}}}"#
    )
}

fn valve() -> DeviceRef {
    DeviceRef::new("homeassistant", "v1")
}

/// Its main property.
fn valve_property(home: &Home) -> String {
    let directory = home.ingest.directory();
    let known = directory.known(&valve()).unwrap();
    known.properties.iter().find(|info| info.is_main_of("valve")).unwrap().name.clone()
}

async fn issue(home: &Home, username: &str) {
    let info = domovoi_store::CredentialInfo {
        username: username.into(),
        publish: vec!["#".into()],
        subscribe: vec!["#".into()],
        role: "bridge".into(),
        certificate: None,
        created_at: domovoi_model::Moment::Wall(Timestamp(1_795_262_400_000)),
    };
    home.house.store().credentials().issue(&info).await.unwrap();
}

#[tokio::test]
async fn whose_a_device_is_outlives_a_restart_and_ends_with_its_credential() {
    let home = Home::new().await;
    for username in ["board", "stranger"] {
        issue(&home, username).await;
    }
    home.hear_from("board", VALVE, &valve_config("v1/set"));
    home.found(&valve()).await;
    let listens = |home: &Home| home.ingest.directory().known(&valve()).unwrap().listens.clone();
    home.hear_from("stranger", VALVE, &valve_config("stranger/set"));
    assert_eq!(listens(&home), ["v1/set"]);
    let contested = home.devices.show(&valve()).unwrap().contested;
    assert!(contested.iter().any(|contest| contest.to_string().contains("stranger")), "{contested:?}");
    assert!(home.ingest.misread_lately().iter().any(|one| one.sender == "stranger"), "it is told");
    let home = home.again().await;
    home.hear_from("stranger", VALVE, &valve_config("stranger/set"));
    assert_eq!(listens(&home), ["v1/set"]);
    // Taken out of the broker by somebody else, it is still there.
    home.hear_from("stranger", VALVE, "");
    assert_eq!(listens(&home), ["v1/set"]);
    // The board has a new credential: the old one was withdrawn.
    home.ingest.released("board");
    home.hear_from("stranger", VALVE, &valve_config("stranger/set"));
    assert_eq!(listens(&home), ["stranger/set"]);
    // Forgotten and paired again it is whoever it says that it is now.
    home.devices.forget(&valve(), Forget::default()).await.unwrap();
    home.hear_from("board", VALVE, &valve_config("v1/set"));
    assert_eq!(listens(&home), ["v1/set"]);
}

#[tokio::test]
async fn an_accepted_valve_that_wants_its_commands_elsewhere_is_opened_when_it_is_accepted_again() {
    let home = Home::new().await;
    home.hear_from("board", VALVE, &valve_config("v1/set"));
    home.found(&valve()).await;
    home.devices.accept(&valve(), Wish::default()).await.unwrap();
    let property = valve_property(&home);
    let command = |home: &Home, open: bool| {
        let target = CommandTarget { device: valve(), property: property.clone() };
        home.devices.command(asker(), Command { target, value: Value::Bool(open) })
    };
    assert!(command(&home, true).is_ok());
    home.hear_from("board", VALVE, &valve_config("elsewhere/set"));
    assert!(matches!(command(&home, true), Err(Refused::AcceptAgain(_, topic)) if topic == "elsewhere/set"));
    assert!(command(&home, false).is_ok(), "it is closed wherever it says that it is");
    let home = home.again().await;
    assert!(matches!(command(&home, true), Err(Refused::AcceptAgain(..))));
    home.devices.accept(&valve(), Wish::default()).await.unwrap();
    assert!(command(&home, true).is_ok());
}

#[tokio::test]
async fn what_was_out_of_reach_before_its_bridge_listed_it_still_is() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/desk/availability", r#"{"state":"offline"}"#);
    home.hear("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#);
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    let view = home.found(&lamp()).await;
    assert_eq!(view.reachable, Some(false));
    home.hear("zigbee2mqtt/desk/availability", r#"{"state":"online"}"#);
    assert_eq!(home.devices.show(&lamp()).unwrap().reachable, Some(true));
    // Tasmota's will, before its discovery.
    home.hear("tele/plug/LWT", "Offline");
    home.hear(
        "tasmota/discovery/AABBCCDDEEFF/config",
        r#"{"mac":"AABBCCDDEEFF","t":"plug","ft":"%prefix%/%topic%/","rl":[1]}"#,
    );
    let plug = home.found(&DeviceRef::new("tasmota", "AABBCCDDEEFF")).await;
    assert_eq!(plug.reachable, Some(false));
}

#[tokio::test]
async fn what_a_device_said_before_confirms_nothing() {
    let home = Home::new().await;
    let exposes = r#"{"type":"light","features":[{"type":"numeric","name":"brightness","property":"brightness","access":7,"value_min":0,"value_max":254}]}"#;
    let listed = format!(
        r#"[{{"ieee_address":"{LAMP}","type":"Router","friendly_name":"desk","definition":{{"model":"T","vendor":"T","description":"T","exposes":[{exposes}]}}}}]"#
    );
    home.hear("zigbee2mqtt/bridge/devices", &listed);
    home.found(&lamp()).await;
    home.devices.accept(&lamp(), Wish::default()).await.unwrap();
    home.hear("zigbee2mqtt/desk", r#"{"brightness":100}"#);
    home.shows(&lamp(), "brightness", |state| state.value.is_some()).await;
    let target = CommandTarget { device: lamp(), property: "brightness".into() };
    let life = home.devices.command(asker(), Command { target, value: Value::Number(102.into()) }).unwrap();
    // The bridge sends its cache because the signal is another.
    home.hear("zigbee2mqtt/desk", r#"{"brightness":100,"linkquality":7}"#);
    assert_eq!(home.devices.life(life.id).unwrap().state, CommandState::Sent);
    home.hear("zigbee2mqtt/desk", r#"{"brightness":101,"linkquality":7}"#);
    assert_eq!(home.devices.life(life.id).unwrap().state, CommandState::Confirmed);
}

#[tokio::test]
async fn what_is_to_be_retained_on_our_own_broker_is_news() {
    let home = Home::new().await;
    let road = Road::Embedded;
    let say = |topic: &str, payload: &str| {
        let payload = payload.as_bytes();
        drop(home.ingest.take(Arrival { road, sender: "bridge", topic, payload, retained: true, again: false }));
    };
    say("zigbee2mqtt/panic", r#"{"action":"single"}"#);
    let button = DeviceRef::new("zigbee2mqtt", "name:panic");
    home.found(&button).await;
    home.shows(&button, "action", |state| state.value == Some(Value::Text("single".into()))).await;
}

#[tokio::test]
async fn configs_of_one_device_that_come_at_once_are_all_taken_in() {
    let home = Home::new().await;
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let ingest = Arc::clone(&home.ingest);
            std::thread::spawn(move || {
                for n in 0..25 {
                    let id = format!("{thread}_{n}");
                    let topic = format!("homeassistant/sensor/{id}/config");
                    let payload = format!(
                        r#"{{"unique_id":"s{id}","state_topic":"many/{id}","device":{{"identifiers":["many"]}}}}"#
                    );
                    let payload = payload.as_bytes();
                    let (road, topic) = (Road::Embedded, topic.as_str());
                    drop(ingest.take(Arrival { road, sender: "many", topic, payload, retained: false, again: false }));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let known = home.ingest.directory();
    assert_eq!(known.known(&DeviceRef::new("homeassistant", "many")).unwrap().properties.len(), 100);
}

#[tokio::test]
async fn connecting_a_sensor_once_more_and_giving_up_does_not_lock_it_out() {
    let home = Home::new().await;
    let how =
        || How::Type { id: "esphome".into(), serial: Some("bath".into()), token: None, bridge: None, maker_page: None };
    let begin = async || {
        let plan = home.devices.plan(how()).unwrap();
        let username = plan.username.clone();
        let begun = home.devices.connect(plan, Wish::default(), None).await.unwrap();
        (begun.view.id, username, begun.password.unwrap())
    };
    let credentials = home.house.store().credentials();
    let opens = async |username: &str, password: &domovoi_vault::Secret<String>| {
        let found = credentials.at_hand(username).await.unwrap();
        found.is_some_and(|credential| credential.verify(password.expose()))
    };
    // The first time there is nothing to give back: what nobody uses counts for nothing.
    let (id, username, unused) = begin().await;
    home.devices.cancel_connection(id).await.unwrap();
    assert!(!opens(&username, &unused).await);
    let (_, username, own) = begin().await;
    assert!(opens(&username, &own).await);
    home.hear_from(&username, "homeassistant/sensor/bath/t/config", BATH);
    let bath = DeviceRef::new("homeassistant", "bath");
    home.found(&bath).await;
    // Somebody looks what happens, and the sensor works on.
    let (id, _, new) = begin().await;
    assert!(opens(&username, &own).await && opens(&username, &new).await);
    home.hear_from(&username, "bath/t", "21.5");
    home.devices.0.settle_found().await;
    let progress = home.devices.connection(id).unwrap().progress;
    assert!(!progress.is_over(), "the old one is nobody's arrival: {progress:?}");
    home.devices.cancel_connection(id).await.unwrap();
    assert!(opens(&username, &own).await && !opens(&username, &new).await);
    // Once the new one is used it is the only one, whatever is cancelled then.
    let (id, _, new) = begin().await;
    credentials.used(&username).await.unwrap();
    home.devices.cancel_connection(id).await.unwrap();
    assert!(opens(&username, &new).await && !opens(&username, &own).await);
}

const BATH: &str = r#"{"uniq_id":"bath_t","stat_t":"bath/t","unit_of_meas":"°C","dev":{"ids":["bath"],"name":"bath"}}"#;

#[tokio::test]
async fn cards_that_do_not_open_and_certificates_that_end_are_told() {
    const DAY: i64 = 86_400_000;
    let home = Home::new().await;
    let notices = async || {
        let open = home.house.store().notices().open().await.unwrap();
        open.into_iter().map(|open| open.notice.kind).collect::<Vec<_>>()
    };
    let ends_in = |days: i64| domovoi_store::CredentialInfo {
        username: "leak".into(),
        publish: vec!["leak/#".into()],
        subscribe: Vec::new(),
        role: "device".into(),
        certificate: Some(domovoi_store::CredentialCertificate {
            fingerprint: [1; 32],
            ends_at: Timestamp(1_795_262_400_000 + days * DAY),
        }),
        created_at: domovoi_model::Moment::Wall(Timestamp(1_795_262_400_000)),
    };
    let credentials = home.house.store().credentials();
    for (days, expected) in
        [(31, vec![]), (29, vec!["credential_ending"]), (0, vec!["credential_ended"]), (300, vec![])]
    {
        credentials.issue_anew(&ends_in(days)).await.unwrap();
        home.devices.0.look_at_certificates().await.unwrap();
        assert_eq!(notices().await, expected, "{days}");
    }
    let damaged = upkeep::Damaged { cards: 1, credentials: 2 };
    home.devices.0.tell_of_damage(damaged).await.unwrap();
    assert_eq!(notices().await, ["devices_damaged", "credentials_damaged"]);
}
