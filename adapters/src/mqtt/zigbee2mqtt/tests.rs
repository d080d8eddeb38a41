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

/// A device of which the definition says these words, with these exposes; its name is `a`.
fn described(words: &str, exposes: &str) -> Directory {
    let list = format!(
        r#"[{{"ieee_address":"0x0000000000000001","type":"Router","friendly_name":"a","definition":{{"vendor":"V","model":"M","description":"{words}","exposes":[{exposes}]}}}}]"#
    );
    let mut directory = Directory::default();
    hear(&mut directory, "zigbee2mqtt/bridge/devices", &list);
    directory
}

fn device() -> DeviceRef {
    DeviceRef::new(NAME, "0x0000000000000001")
}

const SWITCH: &str = r#"{"type":"switch","features":[{"type":"binary","name":"state","property":"state","access":7,"value_on":"ON","value_off":"OFF"}]}"#;

#[test]
fn an_output_whose_own_words_call_it_a_valves_is_a_valve() {
    let binary = |property: &str, on: &str, off: &str, text: &str| {
        format!(
            r#"{{"type":"binary","name":"{property}","property":"{property}","access":7,"value_on":"{on}","value_off":"{off}","description":"{text}"}}"#
        )
    };
    // As SiHAS GCM-300Z, GIEX GX03, Neptun Smart and a relay of the last name themselves in zigbee-herdsman-converters 26.
    let outputs = [
        binary("gas_valve_state", "OPEN", "CLOSE", "Valve state if open or closed"),
        binary("valve_1", "ON", "OFF", "Valve 1 state"),
        binary("state_valve_group_1", "ON", "OFF", ""),
        binary("state", "ON", "OFF", "Open/close control of the electric valve"),
        binary("relay_1", "ON", "OFF", "Auxiliary relay"),
        binary("valve_detection", "ON", "OFF", "Whether it looks for its valve"),
    ];
    let kind = |words: &str, property: &str| {
        let directory = described(words, &outputs.join(","));
        directory.property(&device(), property).unwrap().kind.clone()
    };
    for property in ["gas_valve_state", "valve_1", "state_valve_group_1", "state"] {
        assert_eq!(kind("Leak protection controller", property).as_deref(), Some("valve"), "{property}");
    }
    assert_ne!(kind("Leak protection controller", "relay_1").as_deref(), Some("valve"));
    // What lets heat through is no danger, and whether it is looked for even less.
    for property in ["valve_1", "state", "valve_detection"] {
        assert_ne!(kind("Radiator thermostat", property).as_deref(), Some("valve"), "{property}");
    }

    // How far one is open.
    let level = |property: &str| {
        format!(
            r#"{{"type":"numeric","name":"{property}","property":"{property}","access":3,"value_min":0,"value_max":100}}"#
        )
    };
    let levels = format!("{},{}", level("valve_state"), level("position"));
    for (words, property, yes) in [
        ("Smart water valve", "valve_state", true),
        ("Smart water valve", "position", true),
        ("Curtain motor", "position", false),
        ("Radiator thermostat", "valve_state", false),
    ] {
        let directory = described(words, &levels);
        let kind = directory.property(&device(), property).unwrap().kind.clone();
        assert_eq!(kind.as_deref() == Some("valve"), yes, "{words}: {property}");
    }
}

#[test]
fn a_valve_that_is_listed_as_a_switch_is_a_valve() {
    // Tuya TS0601_water_valve, Sonoff SWV, and a socket; the words as zigbee-herdsman-converters 25 has them.
    for (words, class) in [
        ("Water valve", "valve"),
        ("Zigbee smart water valve", "valve"),
        ("Smart gas shut-off controller", "valve"),
        ("Smart plug", "switch"),
    ] {
        let directory = described(words, SWITCH);
        let state = directory.property(&device(), "state").unwrap();
        assert_eq!((state.class.as_deref(), state.kind.as_deref()), (Some(class), Some(class)), "{words}");
        // What is sent stays what the device takes.
        let target = CommandTarget { device: device(), property: "state".into() };
        let said = command::encode(&Command { target, value: Value::Bool(false) }, &directory).unwrap();
        assert_eq!(said[0].payload, br#"{"state":"OFF"}"#);
    }
    // A radiator's is a thermostat, whatever else of it can be switched.
    let climate = r#"{"type":"climate","features":[{"type":"numeric","name":"current_heating_setpoint","property":"current_heating_setpoint","access":3}]}"#;
    for words in ["Thermostatic radiator valve", "Zigbee valve"] {
        let directory = described(words, &format!("{climate},{SWITCH}"));
        assert_eq!(directory.property(&device(), "state").unwrap().class.as_deref(), Some("switch"), "{words}");
    }
    // A slot of its timer is in use or not: PSBZS A1.
    let slot = r#"{"type":"composite","name":"slot","property":"slot","access":3,"features":[{"type":"binary","name":"state","property":"state","access":3,"value_on":"ON","value_off":"OFF"}]}"#;
    let directory = described("Water valve", &format!("{SWITCH},{slot}"));
    let state = directory.property(&device(), "slot_state").unwrap();
    assert_eq!((state.class.as_deref(), state.kind.as_deref()), (None, None));
    // A garage door is a button beside a contact.
    let trigger =
        r#"{"type":"binary","name":"trigger","property":"trigger","access":3,"value_on":true,"value_off":false}"#;
    let directory = described("Garage door opener", trigger);
    assert!(directory.property(&device(), "trigger").unwrap().is_of(&["garage"]));
}

fn confirms(directory: &Directory, property: &str, wanted: &str, said: &str) -> bool {
    let value = |text: &str| Value::Number(text.parse().unwrap());
    let target = CommandTarget { device: device(), property: property.to_owned() };
    let claim = Claim { dialect: NAME, device: device(), part: String::new() };
    let report = state::plain(&claim, property, value(said), domovoi_model::Unit::None);
    command::confirms(&Command { target, value: value(wanted) }, &report, directory)
}

#[test]
fn a_state_of_before_confirms_nothing() {
    let numeric = |name: &str, more: &str| {
        format!(r#"{{"type":"numeric","name":"{name}","property":"{name}","access":7{more}}}"#)
    };
    let exposes = [
        numeric("setpoint", r#","value_min":5,"value_max":35,"value_step":0.5"#),
        numeric("level", r#","value_min":1,"value_max":100,"value_step":1"#),
        numeric("countdown", r#","value_min":0,"value_max":43200"#),
        format!(r#"{{"type":"light","features":[{}]}}"#, numeric("brightness", r#","value_min":0,"value_max":254"#)),
        numeric("wide", r#","value_min":-79228162514264337593543950335,"value_max":79228162514264337593543950335"#),
    ];
    let directory = described("T", &exposes.join(","));
    for (property, wanted, said, yes) in [
        ("setpoint", "21", "20.5", false),
        ("setpoint", "21", "21.0", true),
        ("setpoint", "21.2", "21.0", true),
        ("level", "51", "50", false),
        ("countdown", "300", "310", false),
        ("brightness", "128", "127", true),
        ("brightness", "128", "120", false),
        ("brightness", "0", "1", false),
        // Numbers that cannot be taken from each other.
        ("wide", "1", "-79228162514264337593543950335", false),
        ("setpoint", "79228162514264337593543950335", "-79228162514264337593543950335", false),
    ] {
        assert_eq!(confirms(&directory, property, wanted, said), yes, "{property} {wanted} {said}");
    }
}

/// Shapes of zigbee-herdsman-converters 25 and Zigbee2MQTT 2.6, written down after their documentation of `exposes`.
#[test]
fn a_house_of_all_shapes_is_read_without_a_fault() {
    let cover = |endpoint: &str| {
        format!(
            r#"{{"type":"cover","endpoint":"{endpoint}","features":[
            {{"type":"enum","name":"state","property":"state_{endpoint}","endpoint":"{endpoint}","access":3,"values":["OPEN","CLOSE","STOP"]}},
            {{"type":"numeric","name":"position","property":"position_{endpoint}","endpoint":"{endpoint}","access":7,"value_min":0,"value_max":100,"unit":"%"}},
            {{"type":"numeric","name":"tilt","property":"tilt_{endpoint}","endpoint":"{endpoint}","access":7,"value_min":0,"value_max":100,"unit":"%"}}]}}"#
        )
    };
    let lock = r#"{"type":"lock","features":[{"type":"binary","name":"state","property":"state","access":7,"value_on":"LOCK","value_off":"UNLOCK"},
        {"type":"enum","name":"lock_state","property":"lock_state","access":1,"values":["not_fully_locked","locked","unlocked"]}]},
        {"type":"composite","name":"pin_code","property":"pin_code","access":7,"features":[{"type":"numeric","name":"user","property":"user","access":2},
        {"type":"text","name":"pin_code","property":"pin_code","access":2}]}"#;
    let thermostat = r#"{"type":"climate","features":[
        {"type":"numeric","name":"occupied_heating_setpoint","property":"occupied_heating_setpoint","access":7,"unit":"°C","value_min":5,"value_max":30,"value_step":0.5,"presets":[{"name":"eco","value":16}]},
        {"type":"numeric","name":"local_temperature","property":"local_temperature","access":5,"unit":"°C"},
        {"type":"enum","name":"system_mode","property":"system_mode","access":7,"values":["off","heat","auto"]},
        {"type":"enum","name":"running_state","property":"running_state","access":1,"values":["idle","heat"]}]},
        {"type":"list","name":"schedule","property":"schedule","access":3,"item_type":{"type":"composite","name":"day","features":[{"type":"numeric","name":"hour","property":"hour","access":3}]}},
        {"type":"composite","name":"programme","property":"programme","access":2,"features":[{"type":"composite","name":"monday","property":"monday","access":2,"features":[{"type":"text","name":"at","property":"at","access":2}]}]}"#;
    let device = |n: usize, name: &str, exposes: &str| {
        format!(
            r#"{{"ieee_address":"0x{n:016x}","type":"Router","network_address":{n},"supported":true,"friendly_name":"{name}","disabled":false,"power_source":"Mains (single phase)",
            "endpoints":{{"1":{{"name":null,"bindings":[],"clusters":{{"input":[],"output":[]}},"configured_reportings":[],"scenes":[{{"id":1,"name":"Вечер"}}]}}}},
            "interview_completed":true,"interviewing":false,"interview_state":"SUCCESSFUL","software_build_id":"1.2",
            "definition":{{"source":"native","model":"M{n}","vendor":"V","description":"D","supports_ota":true,"options":[],"icon":"x","exposes":[{exposes}]}}}}"#
        )
    };
    let list = [
        r#"{"ieee_address":"0x00000000000000ff","type":"Coordinator","friendly_name":"Coordinator","definition":null,"endpoints":{"1":{}}}"#.to_owned(),
        device(1, "Зал/Шторы", &format!("{},{}", cover("left"), cover("right"))),
        device(2, "Дверь", lock),
        device(3, "Батарея", thermostat),
        device(4, "Неизвестно", ""),
    ];
    let mut directory = Directory::default();
    let decoded = hear(&mut directory, "zigbee2mqtt/bridge/devices", &format!("[{}]", list.join(",")));
    assert_eq!((decoded.announcements.len(), &decoded.faults), (5, &Vec::new()));
    let groups = r#"[{"id":1,"friendly_name":"Все шторы","description":null,"scenes":[{"id":2,"name":"Утро"}],"members":[{"ieee_address":"0x0000000000000001","endpoint":1}]},
        {"id":901,"friendly_name":"default_bind_group","scenes":[],"members":[]}]"#;
    let decoded = hear(&mut directory, "zigbee2mqtt/bridge/groups", groups);
    assert_eq!((decoded.announcements.len(), decoded.faults.len()), (1, 0));
    let of = |n: usize| DeviceRef::new(NAME, format!("0x{n:016x}"));
    for (n, property, kind, writable) in [
        (1, "state_left", Some("cover"), true),
        (1, "position_right", Some("cover"), true),
        (1, "tilt_right", Some("cover"), true),
        (2, "state", Some("lock"), true),
        (2, "pin_code", None, true),
        (3, "occupied_heating_setpoint", Some("climate"), true),
        (3, "schedule", None, true),
        (3, "programme", None, true),
        (3, "update_state", None, false),
    ] {
        let info = directory.property(&of(n), property).unwrap_or_else(|| panic!("{property}"));
        assert_eq!((info.kind.as_deref(), info.writable), (kind, writable), "{property}");
    }
    for (name, state, wanted) in [
        (
            "Зал/Шторы",
            r#"{"state_left":"OPEN","position_left":100,"state_right":"CLOSE","position_right":0,"tilt_right":null,"linkquality":90,"update":{"state":"available","installed_version":1,"latest_version":2}}"#,
            6,
        ),
        ("Дверь", r#"{"state":"LOCK","lock_state":"locked","pin_code":{"user":1,"pin_code":"1234"}}"#, 3),
        (
            "Батарея",
            r#"{"occupied_heating_setpoint":21.5,"local_temperature":20.1,"system_mode":"heat","running_state":"idle","schedule":[{"hour":6}],"update_available":null}"#,
            5,
        ),
    ] {
        let decoded = hear(&mut directory, &format!("zigbee2mqtt/{name}"), state);
        assert_eq!((decoded.observations.len(), &decoded.faults), (wanted, &Vec::new()), "{name}: {decoded:?}");
        let said = format!("{decoded:?}");
        assert!(!said.contains("1234"), "a code is nobody's business: {said}");
    }
}

#[test]
fn a_device_of_a_second_bridge_is_called_there_by_its_own_name() {
    let mut directory = Directory::default();
    directory.set_bases(NAME, &["zigbee2mqtt".to_owned(), "attic".to_owned()]).unwrap();
    let device = DeviceRef::new(NAME, "name:attic/Лампа");
    let errand = crate::Errand::Rename { device, to: "Свет".to_owned() };
    let said = errands::errand(&errand, "t", &directory).unwrap();
    assert_eq!(said[0].topic, "attic/bridge/request/device/rename");
    assert!(std::str::from_utf8(&said[0].payload).unwrap().contains(r#""from":"Лампа""#), "{said:?}");
}

#[test]
fn a_danger_at_an_endpoint_is_one_before_the_list_is_there() {
    let mut directory = Directory::default();
    for (name, is_danger) in
        [("water_leak", true), ("water_leak_l1", true), ("smoke_2", true), ("gas_left", true), ("gas_test", false)]
    {
        let decoded = hear(&mut directory, "zigbee2mqtt/x", &format!(r#"{{"{name}":true}}"#));
        assert_eq!(decoded.observations[0].hazard.is_some(), is_danger, "{name}");
    }
}
