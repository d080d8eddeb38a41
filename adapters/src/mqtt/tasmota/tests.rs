//! What captures cannot say: that no configuration, no tree and no telemetry of any making panics, and that the two
//! discovery messages mean the same in either order.

use domovoi_model::{Command, CommandTarget, Moment, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Road;

const MAC: &str = "AABBCCDDEEFF";

fn take(directory: &mut Directory, topic: &str, payload: &[u8]) -> Option<Decoded> {
    let envelope = Envelope {
        road: Road::Embedded,
        sender: "test",
        topic,
        payload,
        retained: false,
        received_at: Moment::Wall(Timestamp(1_795_300_000_000)),
    };
    let claimed = claim(&envelope, directory)?;
    let decoded = decode(&claimed, &envelope, directory).ok()?;
    for announcement in &decoded.announcements {
        directory.learn(announcement);
    }
    Some(decoded)
}

/// A configuration with numbers that no firmware would write.
fn config() -> impl Strategy<Value = String> {
    let numbers = prop::collection::vec(-2i64..20, 0..40);
    let small = -1i64..8;
    (numbers.clone(), numbers.clone(), numbers.clone(), numbers, [small.clone(), small.clone(), small], any::<[bool; 5]>())
        .prop_map(|(rl, swc, btn, sho, [lt_st, lk, ty], flags)| {
            let [so13, so30, so68, so82, is_fan] = flags.map(u8::from);
            format!(
                r#"{{"mac":"{MAC}","t":"x","ft":"%prefix%/%topic%/%id%/","rl":{rl:?},"swc":{swc:?},"swn":["Дверь",null,7],"btn":{btn:?},"sho":{sho:?},"sht":[[-90,90,10],[0],7],"lt_st":{lt_st},"lk":{lk},"ty":{ty},"if":{is_fan},"so":{{"13":{so13},"30":{so30},"68":{so68},"82":{so82}}}}}"#
            )
        })
}

fn tree() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["1", "-3.5", "null", "\"ON\"", "true", "[1,null,\"x\"]", "[[1]]", "1e999", "NaN"]);
    let key = prop::sample::select(vec![
        "ENERGY",
        "Total",
        "Temperature",
        "Switch1",
        "Дверь",
        "Shutter1",
        "Position",
        "Direction",
        "TempUnit",
        "Id",
        "",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 32, 5, move |inner| {
        prop::collection::vec((key.clone(), inner), 0..5).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    })
}

proptest! {
    #[test]
    fn either_message_of_discovery_may_come_first(config in config(), tree in tree()) {
        let sensors = format!(r#"{{"sn":{tree},"ver":1}}"#);
        let (at_config, at_sensors) = (format!("tasmota/discovery/{MAC}/config"), format!("tasmota/discovery/{MAC}/sensors"));
        let (mut one, mut other) = (Directory::default(), Directory::default());
        take(&mut one, &at_config, config.as_bytes());
        take(&mut one, &at_sensors, sensors.as_bytes());
        take(&mut other, &at_sensors, sensors.as_bytes());
        take(&mut other, &at_config, config.as_bytes());
        let device = DeviceRef::new(NAME, MAC);
        let (one, other) = (one.known(&device).unwrap(), other.known(&device).unwrap());
        prop_assert_eq!(&one.properties, &other.properties);
        prop_assert_eq!((&one.speaks, &one.listens), (&other.speaks, &other.listens));
        let mut names: Vec<&str> = one.properties.iter().map(|info| info.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), one.properties.len());
    }

    #[test]
    fn whatever_it_can_do_is_commanded_without_a_word_out_of_place(
        config in config(),
        value in prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            (0i32..100).prop_map(|n| Value::Number(n.into())),
            any::<String>().prop_map(Value::Text),
            Just(Value::Text("#ff8800".to_owned())),
            Just(Value::Text("OPEN".to_owned())),
        ],
    ) {
        let mut directory = Directory::default();
        take(&mut directory, &format!("tasmota/discovery/{MAC}/config"), config.as_bytes());
        let device = DeviceRef::new(NAME, MAC);
        for info in directory.known(&device).unwrap().properties.clone() {
            let target = CommandTarget { device: device.clone(), property: info.name.clone() };
            let said = command::encode(&Command { target, value: value.clone() }, &directory);
            prop_assert!(info.writable || said.is_err(), "{:?}", info);
            for out in said.into_iter().flatten() {
                let payload = String::from_utf8(out.payload).unwrap();
                // A semicolon would begin another command of a Backlog.
                prop_assert!(payload.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ',' | '=' | '-')), "{}", payload);
                prop_assert!(out.topic.starts_with("cmnd/x/") && !out.retain, "{}", out.topic);
            }
        }
    }

    #[test]
    fn no_telemetry_panics(
        config in config(),
        part in prop::sample::select(vec!["tele/x/AABBCCDDEEFF/SENSOR", "stat/x/DDEEFF/RESULT", "stat/x/DDEEFF/STATUS10", "tele/x/AABBCCDDEEFF/STATE"]),
        tree in tree(),
        word in prop::sample::select(vec!["Color", "HSBColor", "Channel", "Shutter1", "Button1", "Switch1", "POWER1", "Дверь"]),
        value in prop_oneof![Just("\"FF\"".to_owned()), Just("\"яяя\"".to_owned()), Just("\"1,2\"".to_owned()), Just("{\"Action\":7}".to_owned()), tree_value()],
    ) {
        let mut directory = Directory::default();
        take(&mut directory, &format!("tasmota/discovery/{MAC}/config"), config.as_bytes());
        for payload in [format!(r#"{{"{word}":{value}}}"#), format!(r#"{{"StatusSNS":{tree},"StatusSTS":{{"{word}":{value}}}}}"#), tree] {
            take(&mut directory, part, payload.as_bytes());
        }
    }
}

fn tree_value() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| json::quoted(&text))
}

#[test]
fn discovery_that_says_the_same_again_changes_nothing_and_asks_nothing() {
    let mut directory = Directory::default();
    let config = format!(r#"{{"mac":"{MAC}","t":"x","ft":"%prefix%/%topic%/","rl":[1],"swc":[1],"swn":["Дверь"]}}"#);
    let sensors = br#"{"sn":{"ENERGY":{"Total":1}},"ver":1}"#;
    let asked = take(&mut directory, &format!("tasmota/discovery/{MAC}/config"), config.as_bytes()).unwrap();
    assert_eq!(asked.asks.len(), 2);
    take(&mut directory, &format!("tasmota/discovery/{MAC}/sensors"), sensors);
    let before = directory.clone();
    let again = take(&mut directory, &format!("tasmota/discovery/{MAC}/config"), config.as_bytes()).unwrap();
    take(&mut directory, &format!("tasmota/discovery/{MAC}/sensors"), sensors);
    assert!(again.asks.is_empty());
    assert_eq!(directory, before);
}

#[test]
fn nothing_of_a_result_or_a_status_is_quoted() {
    let directory = Directory::default();
    for topic in ["stat/x/RESULT", "stat/x/STATUS0", "stat/x/COLOR"] {
        let payload = br#"{"Password1":"topsecret""#;
        let envelope = Envelope {
            road: Road::Embedded,
            sender: "test",
            topic,
            payload,
            retained: false,
            received_at: Moment::Wall(Timestamp(1_795_300_000_000)),
        };
        let claimed = claim(&envelope, &directory).unwrap();
        let error = decode(&claimed, &envelope, &directory).unwrap_err();
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }
}

const LARGEST: &str = "79228162514264337593543950335";

fn device() -> DeviceRef {
    DeviceRef::new(NAME, MAC)
}

fn shutter_with_a_dimmer() -> Directory {
    let mut directory = Directory::default();
    let config =
        format!(r#"{{"mac":"{MAC}","t":"x","ft":"%prefix%/%topic%/","rl":[3,3,2],"sho":[1],"lt_st":1,"if":0}}"#);
    take(&mut directory, &format!("tasmota/discovery/{MAC}/config"), config.as_bytes()).unwrap();
    directory
}

#[test]
fn a_position_from_which_nothing_can_be_taken_is_a_fault() {
    let mut directory = shutter_with_a_dimmer();
    for (topic, number) in [("stat/x/RESULT", format!("-{LARGEST}")), ("tele/x/SENSOR", format!("-{LARGEST}"))] {
        let said = format!(r#"{{"Shutter1":{{"Position":{number},"Direction":{LARGEST},"Target":30}}}}"#);
        let decoded = take(&mut directory, topic, said.as_bytes()).unwrap();
        assert_eq!(decoded.faults.iter().map(|fault| fault.what).collect::<Vec<_>>(), [What::OutOfRange], "{topic}");
        let target = decoded.observations.iter().find(|one| one.property == "shutter1_target").unwrap();
        assert_eq!(target.value, Value::Number(70.into()), "{topic}");
    }
}

#[test]
fn a_state_of_before_confirms_nothing() {
    let directory = shutter_with_a_dimmer();
    for (property, wanted, said, yes) in [
        ("dimmer", "50", "49", true),
        ("dimmer", "50", "48", false),
        ("dimmer", "0", "1", false),
        ("scheme", "2", "1", false),
        ("speed", "5", "4", false),
        ("shutter1_position", "30", "31", true),
        ("shutter1_position", LARGEST, &format!("-{LARGEST}"), false),
    ] {
        let number = |text: &str| Value::Number(text.parse().unwrap());
        let target = CommandTarget { device: device(), property: property.to_owned() };
        let mut reading = Said::new(&target.device, &directory, false, "");
        reading.push(property, number(said), Unit::None);
        let report = reading.out.observations.remove(0);
        let command = Command { target: target.clone(), value: number(wanted) };
        assert_eq!(command::confirms(&command, &report, &directory), yes, "{property} {wanted} {said}");
    }
}

/// Shapes of Tasmota 14 and 15, written down after the documentation of its commands and of `tasmota/discovery`.
#[test]
fn dimmers_shutters_phases_and_single_answers_are_read_without_a_fault() {
    let configured = |config: &str| {
        let mut directory = Directory::default();
        let config = format!(r#"{{"mac":"{MAC}","t":"x","ft":"%prefix%/%topic%/",{config}}}"#);
        take(&mut directory, &format!("tasmota/discovery/{MAC}/config"), config.as_bytes()).unwrap();
        directory
    };
    for (config, topic, payload, wanted) in [
        // A three-phase meter behind a Modbus adapter.
        (
            r#""rl":[0],"if":0"#,
            "tele/x/SENSOR",
            r#"{"Time":"2026-11-21T22:25:00","ENERGY":{"TotalStartTime":"2025-01-01T00:00:00","Total":123.456,"Power":[10,20,30],"Voltage":[229,230,231],"Factor":[0.9,1.0,null]}}"#,
            &["energy_total", "energy_power_1", "energy_power_3", "energy_voltage_2", "energy_factor_2"][..],
        ),
        // A dimmer behind a TuyaMCU, and what the adapter says of its serial link.
        (
            r#""rl":[2],"lt_st":1,"ty":1"#,
            "stat/x/RESULT",
            r#"{"TuyaReceived":{"Data":"55AA","DpType2Id2":50},"POWER":"ON","Dimmer":50}"#,
            &["power", "dimmer"][..],
        ),
        // Two channels that are lamps of their own (SetOption68).
        (
            r#""rl":[2,2],"lt_st":2,"so":{"68":1}"#,
            "tele/x/STATE",
            r#"{"POWER1":"ON","Channel1":40,"POWER2":"OFF","Channel2":0,"Wifi":{"RSSI":80,"Signal":-60,"SSId":"home"}}"#,
            &["power1", "power2", "channel1", "channel2", "wifi_rssi"][..],
        ),
        // SetOption4: each answer under the name of its command.
        (r#""rl":[2],"lt_st":1"#, "stat/x/DIMMER", r#"{"Dimmer":7}"#, &["dimmer"][..]),
        (r#""rl":[1,1]"#, "stat/x/POWER2", r#"{"POWER2":"ON"}"#, &["power2"][..]),
        (
            r#""rl":[3,3],"sho":[0]"#,
            "stat/x/SHUTTERPOSITION",
            r#"{"Shutter1":{"Position":40,"Direction":1,"Target":100,"Tilt":0}}"#,
            &["shutter1", "shutter1_position", "shutter1_target"][..],
        ),
    ] {
        let mut directory = configured(config);
        let decoded = take(&mut directory, topic, payload.as_bytes()).unwrap();
        assert_eq!(decoded.faults, [], "{payload}");
        for property in wanted {
            assert!(decoded.observations.iter().any(|one| one.property == *property), "{property}: {decoded:?}");
        }
        assert!(!format!("{decoded:?}").contains("\"home\""), "nobody's network is kept");
    }
}

#[test]
fn of_two_devices_with_one_topic_the_first_has_it_and_both_are_doubted() {
    let mut directory = Directory::default();
    let config = |mac: &str| format!(r#"{{"mac":"{mac}","t":"plug","ft":"%prefix%/%topic%/","rl":[1]}}"#);
    let (one, other) = ("AABBCCDDEE01", "AABBCCDDEE02");
    for mac in [one, other, one, other] {
        take(&mut directory, &format!("tasmota/discovery/{mac}/config"), config(mac).as_bytes()).unwrap();
        let said = take(&mut directory, "tele/plug/SENSOR", br#"{"ENERGY":{"Total":5}}"#).unwrap();
        assert_eq!(said.observations[0].device.id, one);
    }
    let said = take(&mut directory, "tele/plug/SENSOR", br#"{"ENERGY":{"Total":5}}"#).unwrap();
    assert!(matches!(said.observations[0].quality, domovoi_model::Quality::Suspect(_)));
    assert!(!directory.contests(&DeviceRef::new(NAME, other)).is_empty());
    take(&mut directory, &format!("tasmota/discovery/{one}/config"), b"").unwrap();
    let said = take(&mut directory, "tele/plug/SENSOR", br#"{"ENERGY":{"Total":6}}"#).unwrap();
    assert_eq!(said.observations[0].device.id, other);
    assert_eq!(said.observations[0].quality, domovoi_model::Quality::Good);
}
