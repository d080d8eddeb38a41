//! Whole answers of the user API: the account, one device, what became of actions. Single devices are in the captures.

use domovoi_model::{Command, CommandTarget, DeviceRef, Moment, Timestamp, Value};
use proptest::prelude::*;

use super::*;
use crate::clouds::{Outcome, Refusal};
use crate::{Decoded, What};

const ACCOUNT: &str = r#"{"status":"ok","request_id":"r","rooms":[{"id":"r1","name":"Кухня","household_id":"h","devices":["b"]}],
 "groups":[{"id":"g1","name":"Свет","type":"devices.types.light","devices":["a","b"],"capabilities":[{"retrievable":true,"type":"devices.capabilities.on_off","state":{"instance":"on","value":true}}]}],
 "devices":[
  {"id":"b","name":"Лампа","type":"devices.types.light","external_id":"zigbee2mqtt:0x1","skill_id":"5fad4a27","room":"r1","capabilities":[],"properties":[]},
  {"id":"a","name":"Чайник","type":"devices.types.cooking.kettle","room":"r9"},
  {"id":"a","name":"Другой"},
  {"id":"../x","name":"Плохой"},
  7],
 "scenarios":[{"id":"s1","name":"Утро","is_active":true},{"id":"s2","name":"Ночь","is_active":false},{"name":"без имени"}],
 "households":[{"id":"h","name":"Дом"}]}"#;

fn envelope<'a>(topic: &'a str, payload: &'a [u8]) -> Envelope<'a> {
    let received_at = Moment::Wall(Timestamp(1_795_300_000_000));
    Envelope { road: Road::Cloud, sender: CLOUD_NAME, topic, payload, retained: false, received_at }
}

fn read(topic: &str, payload: &[u8], directory: &Directory) -> Option<Decoded> {
    let envelope = envelope(topic, payload);
    let claim = claim(&envelope, directory)?;
    read::decode(&claim, &envelope, directory).ok()
}

#[test]
fn an_account_is_taken_apart_and_what_is_broken_loses_nothing_else() {
    let listing = account::listing(ACCOUNT.as_bytes()).unwrap();
    let ids: Vec<&str> = listing.pieces.iter().map(|piece| piece.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "group.g1"]);
    let [kettle, lamp, group] = &listing.pieces[..] else { panic!("three") };
    assert_eq!((kettle.name.as_str(), kettle.room.as_deref()), ("Чайник", None));
    assert_eq!(lamp.room.as_deref(), Some("Кухня"));
    assert_eq!((lamp.external.as_deref(), lamp.giver.as_deref()), (Some("zigbee2mqtt:0x1"), Some("5fad4a27")));
    assert_eq!((lamp.topic.as_str(), &group.members), ("$cloud/yandex/b", &vec!["a".to_owned(), "b".to_owned()]));
    let whats: Vec<What> = listing.faults.iter().map(|fault| fault.what).collect();
    assert_eq!(whats, [What::SaidTwice, What::BadName, What::WrongType, What::BadName]);
    let scenes: Vec<(&str, bool)> = listing.scenes.iter().map(|scene| (scene.id.as_str(), scene.is_on)).collect();
    assert_eq!(scenes, [("s1", true), ("s2", false)]);
    let said = read(&lamp.topic, &lamp.payload, &Directory::default()).unwrap();
    assert_eq!(said.announcements[0].area.as_deref(), Some("Кухня"));
    let said = read(&group.topic, &group.payload, &Directory::default()).unwrap();
    assert_eq!(said.observations[0].value, Value::Bool(true));
}

#[test]
fn only_an_answer_that_says_so_is_one() {
    for body in ["", "[]", "{}", r#"{"status":"error","message":"x"}"#, "<html>", r#"{"devices":[]}"#] {
        assert!(account::listing(body.as_bytes()).is_err(), "{body}");
        assert!(account::one(body.as_bytes(), None).is_err() && account::outcomes(body.as_bytes()).is_err(), "{body}");
    }
    let empty = account::listing(br#"{"status":"ok"}"#).unwrap();
    assert!(empty.pieces.is_empty() && empty.faults.is_empty());
    let odd = account::listing(br#"{"status":"ok","groups":{},"rooms":"x"}"#).unwrap();
    assert_eq!(odd.faults.len(), 2);
    let none = account::listing(br#"{"status":"ok","devices":{}}"#);
    assert!(none.is_err(), "what cannot be read is not an empty house");
}

#[test]
fn one_device_stays_in_its_room() {
    let body = br#"{"status":"ok","request_id":"r","id":"a","name":"Lamp","type":"devices.types.light","state":"offline","room":"r1","capabilities":[]}"#;
    let piece = account::one(body, Some("Кухня")).unwrap();
    assert_eq!((piece.id.as_str(), piece.reachable, piece.room.as_deref()), ("a", Some(false), Some("Кухня")));
    let said = read(&piece.topic, &piece.payload, &Directory::default()).unwrap();
    assert_eq!(said.announcements[0].area.as_deref(), Some("Кухня"));
    assert!(!said.reached[0].available);
    let body = br#"{"status":"ok","id":"g1","name":"Light","devices":[{"id":"a"},{"id":"b"}],"capabilities":[]}"#;
    let group = account::one(body, None).unwrap();
    assert_eq!((group.id.as_str(), group.members.len()), ("group.g1", 2));
}

#[test]
fn what_became_of_an_action_is_told_by_property() {
    let body = br#"{"status":"ok","devices":[
      {"id":"a","capabilities":[
        {"type":"devices.capabilities.on_off","state":{"instance":"on","action_result":{"status":"DONE"}}},
        {"type":"devices.capabilities.range","state":{"instance":"open","action_result":{"status":"ERROR","error_code":"DEVICE_BUSY","error_message":"later"}}},
        {"type":"devices.capabilities.mode","state":{"instance":"fan_speed","action_result":7}},
        {"type":"devices.capabilities.other","state":{}}]},
      {"id":"b","action_result":{"status":"ERROR","error_code":"DEVICE_NOT_FOUND"}}]}"#;
    let refused = |code: &str, words: &str| Some(Refusal { code: code.into(), words: words.into() });
    let of = |id: &str, property: Option<&str>, refused| Outcome {
        id: id.into(),
        property: property.map(Into::into),
        refused,
    };
    assert_eq!(
        account::outcomes(body).unwrap(),
        [
            of("a", Some("on"), None),
            of("a", Some("position"), refused("DEVICE_BUSY", "later")),
            of("a", Some("mode.fan_speed"), refused("UNREADABLE", "")),
            of("b", None, refused("DEVICE_NOT_FOUND", "")),
        ]
    );
}

#[test]
fn calls_name_what_they_are_about() {
    assert_eq!(order::list().path, "/v1.0/user/info");
    assert_eq!(order::show("group.g").map(|call| call.path).as_deref(), Some("/v1.0/groups/g"));
    let act = order::act("a", &["{\"x\":1}", "{\"y\":2}"]).unwrap();
    assert_eq!(
        (act.path.as_str(), act.body.as_str()),
        ("/v1.0/devices/actions", r#"{"devices":[{"id":"a","actions":[{"x":1},{"y":2}]}]}"#)
    );
    assert!(act.changes && !order::list().changes);
    assert_eq!(order::start("s1").map(|call| call.path).as_deref(), Some("/v1.0/scenarios/s1/actions"));
}

#[test]
fn a_name_is_enough_to_know_the_capability() {
    for capability in table::Capability::ALL {
        for instance in
            ["on", "temperature", "humidity", "open", "brightness", "backlight", "temperature_k", "rgb", "scene"]
        {
            let property = capability.property(instance);
            let instance = if capability == table::Capability::OnOff { "on" } else { instance };
            let behind = table::Capability::behind(&property);
            let colour = matches!(instance, "temperature_k" | "rgb" | "scene" | "hsv");
            if capability != table::Capability::Colour || colour {
                assert_eq!(behind, Some((capability, instance)), "{property}");
            }
        }
    }
}

/// Something like an account: the words of one in any order and of any kind.
fn jsonish() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("\"id\""),
        Just("\"a\""),
        Just("\"status\""),
        Just("\"ok\""),
        Just("\"devices\""),
        Just("\"capabilities\""),
        Just("\"properties\""),
        Just("\"state\""),
        Just("\"instance\""),
        Just("\"value\""),
        Just("\"parameters\""),
        Just("\"devices.capabilities.range\""),
        Just("\"devices.properties.event\""),
        Just("\"type\""),
        Just("\"water_leak\""),
        Just("\"leak\""),
        Just("\"last_updated\""),
        Just("1e400"),
        Just("-0.0000000000000000000000000001"),
        Just("true"),
        Just("null"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn rubbish_never_panics(body in any::<Vec<u8>>(), text in jsonish()) {
        for bytes in [&body[..], text.as_bytes()] {
            let _ = account::listing(bytes);
            let _ = account::one(bytes, Some("x"));
            let _ = account::outcomes(bytes);
            let _ = read("$cloud/yandex/a", bytes, &Directory::default());
        }
    }

    #[test]
    fn whatever_a_device_says_can_be_read_again_and_is_then_no_news(value in any::<i64>(), scale in 0u32..20, on in any::<bool>(), word in "[a-z_]{1,12}") {
        let number = rust_decimal::Decimal::new(value, scale);
        let raw = format!(
            r#"{{"status":"ok","devices":[{{"id":"a","name":"n","capabilities":[{{"type":"devices.capabilities.on_off","state":{{"instance":"on","value":{on}}}}},{{"type":"devices.capabilities.range","parameters":{{"instance":"{word}"}},"state":{{"instance":"{word}","value":{number}}}}}]}}]}}"#
        );
        let listing = account::listing(raw.as_bytes()).unwrap();
        let piece = &listing.pieces[0];
        let mut directory = Directory::default();
        let first = read(&piece.topic, &piece.payload, &directory).unwrap();
        prop_assert_eq!(&first.observations[0].value, &Value::Bool(on));
        prop_assert_eq!(first.observations[1].value.number(), Some(number));
        first.announcements.iter().for_each(|one| drop(directory.learn(one)));
        let again = read(&piece.topic, &piece.payload, &directory).unwrap();
        prop_assert!(again.announcements.is_empty());
        // And what was said can be wished for, in the same words.
        let target = CommandTarget { device: DeviceRef::new(NAME, "a"), property: first.observations[1].property.clone() };
        let command = Command { target, value: first.observations[1].value.clone() };
        let said = order::encode(&command, &directory).unwrap();
        let action = std::str::from_utf8(&said[0].payload).unwrap();
        let body: serde_json::Value = serde_json::from_str(&order::act("a", &[action]).unwrap().body).unwrap();
        prop_assert_eq!(&body["devices"][0]["actions"][0]["state"]["instance"], word.as_str());
    }
}
