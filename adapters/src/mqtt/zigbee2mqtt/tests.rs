//! What captures cannot say: that no exposes, no list and no state of any making panic or break what commands rest on.

use domovoi_model::{Command, CommandTarget, Moment, Timestamp, Value};
use proptest::prelude::*;

use super::*;
use crate::Road;
use crate::json;

fn envelope<'a>(topic: &'a str, payload: &'a [u8]) -> Envelope<'a> {
    Envelope {
        road: Road::Embedded,
        sender: "test",
        topic,
        payload,
        retained: false,
        received_at: Moment::Wall(Timestamp(1_795_300_000_000)),
    }
}

fn hear(directory: &mut Directory, topic: &str, payload: &str) -> Decoded {
    let envelope = envelope(topic, payload.as_bytes());
    let claimed = claim(&envelope, directory).unwrap();
    let decoded = decode(&claimed, &envelope, directory).unwrap();
    for announcement in &decoded.announcements {
        directory.learn(announcement);
    }
    decoded
}

/// An expose of any kind, nested up to four levels, well formed or nearly so.
fn expose() -> impl Strategy<Value = String> {
    let name =
        prop::sample::select(vec!["state", "color", "x", "y", "hue", "saturation", "action", "gas", "ступень", ""]);
    let access = prop::sample::select(vec!["0", "1", "2", "3", "5", "7", "\"7\"", "300"]);
    let kind = prop::sample::select(vec!["binary", "numeric", "enum", "text", "list", "switch", "?"]);
    let more = prop::sample::select(vec![
        "",
        r#","value_on":"ON","value_off":"OFF","value_toggle":"TOGGLE""#,
        r#","value_min":0,"value_max":254,"value_step":-1,"presets":{"0":{"name":"a","value":1}}"#,
        r#","values":["a",1,null,{}],"presets":[{"name":"","value":1},7]"#,
        r#","value_min":1e400,"unit":"°C","label":"\u0000","endpoint":"l1","category":"config""#,
    ]);
    let leaf = (kind, name.clone(), access.clone(), more).prop_map(|(kind, name, access, more)| {
        format!(r#"{{"type":"{kind}","name":"{name}","property":"{name}","access":{access}{more}}}"#)
    });
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let features = prop::collection::vec(inner, 0..6);
        (name.clone(), access.clone(), features, any::<bool>()).prop_map(|(name, access, features, is_composite)| {
            let features = features.join(",");
            if is_composite {
                format!(r#"{{"type":"composite","name":"{name}","property":"{name}","access":{access},"features":[{features}]}}"#)
            } else {
                format!(r#"{{"type":"light","features":[{features}]}}"#)
            }
        })
    })
}

fn list(exposes: &[String]) -> String {
    format!(
        r#"[{{"ieee_address":"0x0000000000000001","friendly_name":"a","power_source":"Mains (single phase)","definition":{{"exposes":[{}]}}}}]"#,
        exposes.join(",")
    )
}

proptest! {
    #[test]
    fn whatever_is_exposed_has_unique_names_and_takes_only_what_is_json(
        exposes in prop::collection::vec(expose(), 0..5),
        value in prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            any::<String>().prop_map(Value::Text),
            Just(Value::Text("#ff8800".to_owned())),
            Just(Value::Text(r#"{"x":1}"#.to_owned())),
            Just(Value::Text("[1,2]".to_owned())),
        ],
    ) {
        let mut directory = Directory::default();
        let decoded = hear(&mut directory, "zigbee2mqtt/bridge/devices", &list(&exposes));
        for out in &decoded.asks {
            prop_assert!(json::document(&out.payload, json::MAX_PAYLOAD).is_ok(), "{:?}", out);
        }
        let device = DeviceRef::new(NAME, "0x0000000000000001");
        let known = directory.known(&device).unwrap().clone();
        let mut names: Vec<&str> = known.properties.iter().map(|info| info.name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), count);
        for info in &known.properties {
            let target = CommandTarget { device: device.clone(), property: info.name.clone() };
            if let Ok(sends) = command::encode(&Command { target, value: value.clone() }, &directory) {
                prop_assert!(info.writable);
                for out in sends {
                    prop_assert!(!out.retain && json::document(&out.payload, json::MAX_PAYLOAD).is_ok(), "{:?}", out);
                }
            }
        }
    }

    #[test]
    fn no_message_of_a_bridge_panics(
        part in prop::sample::select(vec!["devices", "groups", "info", "event", "health", "state", "response/x"]),
        word in prop::sample::select(vec![
            r#"{"type":"device_joined","data":{"ieee_address":"0x0000000000000001","friendly_name":"я"}}"#,
            r#"[{"id":1,"friendly_name":"g","members":[{"ieee_address":"0x0000000000000001"}]}]"#,
            r#"{"transaction":{},"status":7}"#,
            r#"{"devices":{"0x0000000000000001":{"leave_count":1e99}}}"#,
            r#"{"permit_join":true,"config":{"advanced":{"output":"attribute"}}}"#,
        ]),
        cut in 0usize..90,
        noise in any::<Vec<u8>>(),
    ) {
        let directory = Directory::default();
        let topic = format!("zigbee2mqtt/bridge/{part}");
        for payload in [word.as_bytes().get(..cut.min(word.len())).unwrap_or_default(), word.as_bytes(), &noise] {
            let envelope = envelope(&topic, payload);
            let claimed = claim(&envelope, &directory).unwrap();
            let _ = decode(&claimed, &envelope, &directory);
        }
    }

    #[test]
    fn no_attribute_panics(name in "[a-zа-я_-]{0,12}", payload in any::<Vec<u8>>()) {
        let mut directory = Directory::default();
        hear(&mut directory, "zigbee2mqtt/bridge/info", r#"{"config":{"advanced":{"output":"attribute"}}}"#);
        let topic = format!("zigbee2mqtt/лампа/{name}");
        let envelope = envelope(&topic, &payload);
        if let Some(claimed) = claim(&envelope, &directory) {
            let _ = decode(&claimed, &envelope, &directory);
        }
    }
}

#[test]
fn nothing_of_a_bridges_configuration_is_quoted() {
    let directory = Directory::default();
    for (part, payload) in [
        ("info", r#"{"config":{"mqtt":{"password":"topsecret"}},"permit_join":tru"#),
        ("info", r#"["topsecret"]"#),
        ("response/options", r#"{"data":{"password":"topsecret""#),
        ("response/options", r#""topsecret""#),
    ] {
        let topic = format!("zigbee2mqtt/bridge/{part}");
        let envelope = envelope(&topic, payload.as_bytes());
        let claimed = claim(&envelope, &directory).unwrap();
        let error = decode(&claimed, &envelope, &directory).unwrap_err();
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }
}

#[test]
fn the_same_list_again_changes_nothing() {
    let mut directory = Directory::default();
    let exposes = r#"{"type":"light","features":[{"type":"binary","name":"state","property":"state","access":7,"value_on":"ON","value_off":"OFF"}]}"#;
    let devices = list(&[exposes.to_owned()]);
    let groups = r#"[{"id":5,"friendly_name":"g","members":[{"ieee_address":"0x0000000000000001","endpoint":1}]}]"#;
    hear(&mut directory, "zigbee2mqtt/bridge/groups", groups);
    hear(&mut directory, "zigbee2mqtt/bridge/devices", &devices);
    let before = directory.clone();
    let decoded = hear(&mut directory, "zigbee2mqtt/bridge/devices", &devices);
    hear(&mut directory, "zigbee2mqtt/bridge/groups", groups);
    assert!(decoded.asks.is_empty() && decoded.reached.is_empty(), "{decoded:?}");
    assert_eq!(directory, before);
    // The members came after the group, and it can do what they can.
    assert!(directory.property(&DeviceRef::new(NAME, "group:5"), "state").unwrap().writable);
}

#[test]
fn three_hundred_devices_are_read_whole() {
    let expose = |name: String| {
        format!(
            r#"{{"type":"numeric","name":"{name}","label":"A label of some length","property":"{name}","access":5,"unit":"%","description":"Remaining in percent, which takes up to 24 hours before it is reported after the first time"}}"#
        )
    };
    let device = |i: usize| {
        let exposes: Vec<String> = (0..12).map(|n| expose(format!("property_{n}"))).collect();
        let endpoints = r#"{"clusters":{"input":["genBasic","genPowerCfg"]},"bindings":[],"configured_reportings":[]}"#;
        format!(
            r#"{{"ieee_address":"0x{i:016x}","type":"Router","friendly_name":"Комната {i}/Датчик","power_source":"Mains (single phase)","endpoints":{{"1":{endpoints}}},"definition":{{"vendor":"V","model":"M","exposes":[{}]}}}}"#,
            exposes.join(",")
        )
    };
    let all: Vec<String> = (1..=300).map(device).collect();
    let list = format!("[{}]", all.join(","));
    assert!(list.len() > 700_000, "{}", list.len());
    let mut directory = Directory::default();
    let decoded = hear(&mut directory, "zigbee2mqtt/bridge/devices", &list);
    assert_eq!((decoded.announcements.len(), decoded.faults.len()), (301, 0));
    assert!(decoded.asks.len() <= 128 && (errands::greetings)(&directory).len() <= 128);
    assert!(
        directory.devices().skip(1).all(|known| known.device.id.starts_with("bridge:") || known.properties.len() == 12)
    );
}
