//! Whose word counts: the directory against those who announce what is not theirs, and more than they may.

use domovoi_model::{DeviceRef, Value};

use crate::announcer::{Announcer, Contested, Owner, Right, Rights, Scale};
use crate::*;

fn device(id: &str) -> DeviceRef {
    DeviceRef::new("homeassistant", id)
}

fn by(sender: &str) -> Announcer<'_> {
    Announcer { road: Road::Embedded, sender, scale: Scale::Many, rights: None, topic: "t", bytes: 100 }
}

fn announced(id: &str, speaks: &[&str], listens: &[&str]) -> Announcement {
    let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    Announcement { speaks: owned(speaks), listens: owned(listens), ..Announcement::of(device(id)) }
}

fn codes(learned: &Learned) -> Vec<&'static str> {
    learned.contested.iter().map(|contest| contest.what.code()).collect()
}

/// Filters that a credential has.
struct Has {
    publish: &'static [&'static str],
    subscribe: &'static [&'static str],
}

impl Rights for Has {
    fn reaches(&self, right: Right, topic: &str) -> bool {
        let all = if right == Right::Speak { self.publish } else { self.subscribe };
        all.iter().any(|own| common(own, &format!("{topic}/#")).is_some())
    }

    fn narrowed(&self, filter: &str) -> Vec<String> {
        self.publish.iter().filter_map(|own| common(own, filter)).collect()
    }
}

#[test]
fn anothers_word_on_a_device_changes_nothing_until_it_is_forgotten() {
    let mut directory = Directory::default();
    let valve = Announcement { name: Some("Valve".into()), ..announced("valve", &["c/valve"], &["valve/set"]) };
    assert!(directory.learn_from(&valve, &by("valve")).changed);
    let forged = announced("valve", &["c/valve"], &["lamp/set"]);
    let learned = directory.learn_from(&forged, &by("lamp"));
    assert!(learned.refused && !learned.changed);
    assert_eq!(codes(&learned), ["device"]);
    assert_eq!(directory.known(&device("valve")), Some(&valve));
    let gone = Announcement { gone: true, ..Announcement::of(device("valve")) };
    assert!(directory.learn_from(&gone, &by("lamp")).refused && directory.known(&device("valve")).is_some());
    // Said again it is no news, and it can be looked up.
    assert!(directory.learn_from(&forged, &by("lamp")).contested.is_empty());
    let contest = &directory.contests(&device("valve"))[0];
    assert_eq!((contest.what, &contest.by), (Contested::Device, &Owner::Credential("lamp".into())));
    // A second gateway that says the same of it is no forger.
    let same = directory.learn_from(&valve, &by("gateway"));
    assert!(same.refused && same.contested.is_empty());
    // Forgotten, it may be somebody else's: it was given a new credential.
    directory.learn(&gone);
    assert!(directory.contests(&device("valve")).is_empty());
    assert!(directory.learn_from(&valve, &by("valve-2")).changed);
    assert_eq!(directory.owner(&device("valve")), Some(&Owner::Credential("valve-2".into())));
    // The same without forgetting it, once its credential was withdrawn.
    assert!(directory.learn_from(&valve, &by("valve-3")).refused);
    directory.release("valve-2");
    directory.learn_from(&valve, &by("valve-3"));
    assert_eq!(directory.owner(&device("valve")), Some(&Owner::Credential("valve-3".into())));
}

#[test]
fn topics_belong_to_the_credential_that_said_so_first() {
    let mut directory = Directory::default();
    let of = |id: &str, topic: &str| Announcement {
        speaks: vec![topic.to_owned()],
        ..Announcement::of(DeviceRef::new("tasmota", id))
    };
    directory.learn_from(&of("A", "tele/boiler"), &by("boiler"));
    let learned = directory.learn_from(&of("B", "tele/boiler"), &by("lamp"));
    assert_eq!((codes(&learned), learned.displaced.len()), (vec!["topic"], 0));
    let speaker = |directory: &Directory| directory.speaker("tasmota", "tele/boiler/SENSOR").map(|(d, _)| d.id.clone());
    assert_eq!(speaker(&directory).as_deref(), Some("A"));
    assert!(directory.is_rivalled("tasmota", "tele/boiler/SENSOR"));
    // Nor does it come back with the next word of either.
    directory.learn_from(&of("A", "tele/boiler"), &by("boiler"));
    directory.learn_from(&of("B", "tele/boiler"), &by("lamp"));
    assert_eq!(speaker(&directory).as_deref(), Some("A"));
    // When the first is gone, the other has it without saying anything again.
    directory.learn_from(&Announcement { gone: true, ..of("A", "") }, &by("boiler"));
    assert_eq!(speaker(&directory).as_deref(), Some("B"));
    assert!(!directory.is_rivalled("tasmota", "tele/boiler/SENSOR"));
    // A bridge may give one of its devices the name of another.
    let of = |id: &str, topic: &str| Announcement { speaks: vec![topic.to_owned()], ..announced(id, &[], &[]) };
    directory.learn_from(&of("a", "z/1"), &by("bridge"));
    assert_eq!(directory.learn_from(&of("b", "z/1"), &by("bridge")).displaced, [device("a")]);
}

#[test]
fn nobody_announces_beyond_what_his_credential_names() {
    let mut directory = Directory::default();
    let has = Has { publish: &["lamp/#", "homeassistant/+/lamp/config"], subscribe: &["lamp/set/#", "cmnd/plug/#"] };
    let by = Announcer { rights: Some(&has), scale: Scale::One, ..by("lamp") };
    let said = Announcement {
        shares: ["lamp/state", "valve/state", "+/+/BT/x", "lamp/#"].map(str::to_owned).to_vec(),
        ..announced(
            "lamp",
            &["homeassistant/light/lamp/config"],
            // The last is another dialect's, and its own all the same: the household gave it to it.
            &["lamp/set", "zigbee2mqtt/valve/set", "cmnd/plug/POWER"],
        )
    };
    let learned = directory.learn_from(&said, &by);
    assert_eq!(codes(&learned), ["not_allowed", "not_allowed"]);
    let known = directory.known(&device("lamp")).unwrap();
    assert_eq!(known.shares, ["lamp/state", "lamp/+/BT/x", "lamp/#"]);
    assert_eq!(known.listens, ["lamp/set", "cmnd/plug/POWER"]);
    assert!(directory.hearers("homeassistant", "valve/state").is_empty());
    assert!(directory.hearers("homeassistant", "home/gateway/BT/x").is_empty());
    assert_eq!(directory.hearers("homeassistant", "lamp/gateway/BT/x").len(), 1);
    assert!(!directory.may_be_told(&device("lamp"), "zigbee2mqtt/valve/set"));
    assert!(directory.may_be_told(&device("lamp"), "lamp/set"));
    // Said again nothing is new.
    assert_eq!(directory.learn_from(&said, &by), Learned::default());
    // What it does not claim any more is not held against it.
    let mended = Announcement { listens: vec!["lamp/set".into()], shares: vec![], ..said };
    directory.learn_from(&mended, &by);
    assert!(directory.contests(&device("lamp")).is_empty());
}

#[test]
fn a_lamp_is_nobodys_valve_not_even_where_nobody_has_a_name() {
    let link = Announcer { road: Road::External, scale: Scale::Home, ..by("link") };
    let with = |id: &str, listens: &[&str], kind: &str| {
        let info = PropertyInfo::new("x", Shape::Unknown).with(|one| {
            one.writable = true;
            one.kind = Some(kind.into());
        });
        Announcement { properties: vec![info], ..announced(id, &[], listens) }
    };
    for first_is_lamp in [true, false] {
        let mut directory = Directory::default();
        let lamp = with("lamp", &["water/set", "lamp/set"], "light");
        let valve = with("valve", &["water/set"], "valve");
        let mut both = [&lamp, &valve];
        if !first_is_lamp {
            both.reverse();
        }
        for one in both {
            directory.learn_from(one, &link);
        }
        assert!(!directory.may_be_told(&device("lamp"), "water/set"), "{first_is_lamp}");
        assert!(directory.may_be_told(&device("lamp"), "lamp/set"));
        assert!(directory.may_be_told(&device("valve"), "water/set"));
    }
    // Nor is it a bridge, or a Tasmota.
    let mut directory = Directory::default();
    let plug = Announcement { listens: vec!["cmnd/plug".into()], ..Announcement::of(DeviceRef::new("tasmota", "A")) };
    directory.learn_from(&plug, &link);
    let lamp =
        with("lamp", &["zigbee2mqtt/bridge/request/permit_join", "cmnd/plug/POWER", "cmnd/other/POWER"], "light");
    assert_eq!(codes(&directory.learn_from(&lamp, &link)), ["foreign", "foreign"]);
    assert_eq!(directory.known(&device("lamp")).unwrap().listens, ["cmnd/other/POWER"]);
}

#[test]
fn a_strangers_announcements_leave_room_for_a_leak_sensor() {
    let mut directory = Directory::default();
    let stranger = Announcer { scale: Scale::One, bytes: 1000, ..by("stranger") };
    let mut n = 0;
    while !directory.learn_from(&announced(&format!("{n}"), &[], &[]), &stranger).full {
        n += 1;
        assert!(n < 1000);
    }
    assert!(directory.learn_from(&announced("leak", &[], &[]), &by("leak")).changed);
    // Bytes are counted, and given back.
    let mut directory = Directory::default();
    let wide = |bytes: usize, topic: &'static str| Announcer { scale: Scale::One, bytes, topic, ..by("stranger") };
    let big = announced("big", &["c"], &[]);
    assert!(directory.learn_from(&big, &wide(1 << 20, "one")).changed);
    assert!(directory.learn_from(&big, &wide(2 << 20, "two")).full);
    assert!(directory.learn_from(&big, &wide(10, "one")).changed);
    assert!(directory.learn_from(&big, &wide(1 << 20, "two")).changed);
    // So are filters with wildcards.
    let filters: Vec<String> = (0..20).map(|n| format!("+/{n}")).collect();
    let learned = directory.learn_from(&Announcement { shares: filters, ..announced("wild", &[], &[]) }, &by("w"));
    assert_eq!(codes(&learned).first(), Some(&"quota"));
    assert_eq!(directory.known(&device("wild")).unwrap().shares.len(), 8);
}

fn envelope<'a>(topic: &'a str, payload: &'a [u8]) -> Envelope<'a> {
    let received_at = Moment::Wall(domovoi_model::Timestamp(1_795_300_000_000));
    Envelope { road: Road::External, sender: "link", topic, payload, retained: false, received_at }
}

fn hear(directory: &mut Directory, topic: &str, payload: &str) -> Vec<(String, String, Value)> {
    let envelope = envelope(topic, payload.as_bytes());
    let mut out = Vec::new();
    for Reading { dialect, claim, only_hazards } in readings(&envelope, directory) {
        let decoded = (dialect.decode)(&claim, &envelope, directory).unwrap();
        for announcement in &decoded.announcements {
            directory.learn(announcement);
        }
        let said = decoded.observations.into_iter().filter(|one| !only_hazards || one.hazard.is_some());
        out.extend(said.map(|one| (one.device.to_string(), one.property, one.value)));
    }
    out
}

fn sensor(topic: &str) -> String {
    format!(
        r#"{{"unique_id":"s1","name":"S","state_topic":"{topic}","value_template":"{{{{ value_json.x }}}}","device":{{"identifiers":["d1"]}}}}"#
    )
}

#[test]
fn a_filter_does_not_take_what_another_dialect_guesses() {
    for (filter, topic) in [("tele/+/SENSOR", "tele/boiler/SENSOR"), ("zigbee2mqtt/+", "zigbee2mqtt/boiler")] {
        let mut directory = Directory::default();
        hear(&mut directory, "homeassistant/sensor/x/config", &sensor(filter));
        let said = hear(&mut directory, topic, r#"{"x":5,"power":7,"ENERGY":{"Total":3}}"#);
        let devices: Vec<&str> = said.iter().map(|(device, ..)| device.as_str()).collect();
        assert!(devices.iter().any(|device| device.ends_with(":boiler")), "{filter}: {said:?}");
        assert!(devices.contains(&"homeassistant:d1"), "{filter}: it is heard beside it: {said:?}");
    }
}

#[test]
fn a_danger_is_heard_whoever_else_named_the_topic() {
    let mut directory = Directory::default();
    hear(&mut directory, "homeassistant/sensor/x/config", &sensor("zigbee2mqtt/cellar"));
    let said = hear(&mut directory, "zigbee2mqtt/cellar", r#"{"x":5,"water_leak":true,"battery":90}"#);
    let names: Vec<&str> = said.iter().map(|(_, name, _)| name.as_str()).collect();
    assert!(names.contains(&"water_leak") && !names.contains(&"battery"), "{said:?}");
    // Once its bridge has listed the device, it is the device's own word, and nobody else's.
    let list =
        r#"[{"ieee_address":"0x0000000000000001","type":"EndDevice","friendly_name":"cellar","definition":null}]"#;
    hear(&mut directory, "zigbee2mqtt/bridge/devices", list);
    let said = hear(&mut directory, "zigbee2mqtt/cellar", r#"{"x":5,"water_leak":true,"battery":90}"#);
    let battery = said.iter().filter(|(_, name, _)| name == "battery").count();
    assert!(battery == 1 && said.iter().all(|(device, ..)| device == "zigbee2mqtt:0x0000000000000001"), "{said:?}");
}

#[test]
fn a_command_is_said_only_where_the_device_takes_it() {
    let mut directory = Directory::default();
    let lamp = r#"{"unique_id":"l1","name":null,"command_topic":"zigbee2mqtt/valve/set","payload_on":"{\"state\":\"OPEN\"}","device":{"identifiers":["lamp"]}}"#;
    let envelope = envelope("homeassistant/switch/l/config", lamp.as_bytes());
    let (dialect, claim) = claim(&envelope, &directory).unwrap();
    let decoded = (dialect.decode)(&claim, &envelope, &directory).unwrap();
    let link = Announcer { road: Road::External, scale: Scale::Home, ..by("link") };
    let learned = directory.learn_from(&decoded.announcements[0], &link);
    assert_eq!(codes(&learned), ["foreign"]);
    let known = directory.known(&device("lamp")).unwrap();
    let property = known.properties.iter().find(|property| property.writable).unwrap().name.clone();
    let target = domovoi_model::CommandTarget { device: device("lamp"), property };
    let command = Command { target, value: Value::Bool(true) };
    assert!(matches!(dialect.say(&command, &directory), Err(EncodeError::NotItsTopic { .. })));
}

#[test]
fn what_a_device_says_under_a_commands_name_is_no_command() {
    let mut directory = Directory::default();
    assert!(is_command("home/lamp/set", &directory));
    hear(&mut directory, "homeassistant/sensor/x/config", &sensor("home/lamp/set"));
    assert!(!is_command("home/lamp/set", &directory));
    // But a filter makes nobody's command a state.
    let mut directory = Directory::default();
    hear(&mut directory, "homeassistant/sensor/x/config", &sensor("home/#"));
    assert!(is_command("home/lamp/set", &directory));
}

#[test]
fn a_config_of_a_large_device_touches_only_what_is_another() {
    let mut directory = Directory::default();
    let topics: Vec<String> = (0..1000).map(|n| format!("d/{n}/state")).collect();
    let large = Announcement { shares: topics.clone(), ..announced("large", &[], &["d/set"]) };
    directory.learn_from(&large, &by("large"));
    let mut more = large.clone();
    more.shares.push("d/new/state".into());
    more.shares.remove(0);
    directory.learn_from(&more, &by("large"));
    assert!(directory.hearers("homeassistant", "d/0/state").is_empty());
    assert_eq!(directory.hearers("homeassistant", "d/new/state").len(), 1);
    assert_eq!(directory.hearers("homeassistant", "d/999/state").len(), 1);
    directory.learn(&Announcement { gone: true, ..more });
    assert!(directory.hearers("homeassistant", "d/999/state").is_empty() && !directory.takes("homeassistant", "d/set"));
}

#[test]
fn who_announces_himself_below_a_base_that_gives_way_is_told_there() {
    let announced = |topic: &str| {
        let mut directory = Directory::default();
        let device =
            Announcement { listens: vec![topic.to_owned()], ..Announcement::of(DeviceRef::new("homeassistant", "x")) };
        let learned = directory.learn_from(&device, &by("bridge"));
        codes(&learned).first().map(|code| (*code).to_owned())
    };
    // A script that announces Shellies of the first generation in the way of Home Assistant was there before their dialect.
    assert_eq!(announced("shellies/shelly1-B929CC/relay/0/command"), None);
    assert_eq!(announced("solar/116180123456/cmd/power"), None);
    assert_eq!(announced("zigbee2mqtt/lock/set").as_deref(), Some("foreign"));
}
