//! What a capture cannot show: orders of arrival, what is shared, what never panics, how much memory many entities take.

use std::collections::BTreeMap;

use domovoi_model::{CommandTarget, Moment, Timestamp, Value};
use proptest::prelude::*;

mod devices;

use super::*;
use crate::{Announcement, Road};

fn envelope<'a>(topic: &'a str, payload: &'a [u8]) -> Envelope<'a> {
    let received_at = Moment::Wall(Timestamp(1_795_300_000_000));
    Envelope { road: Road::Embedded, sender: "test", topic, payload, retained: false, received_at }
}

/// Claims, decodes, learns.
fn take(directory: &mut Directory, topic: &str, payload: &str) -> Option<Decoded> {
    let envelope = envelope(topic, payload.as_bytes());
    let claim = claim(&envelope, directory)?;
    let decoded = decode(&claim, &envelope, directory).ok()?;
    for announcement in &decoded.announcements {
        directory.learn(announcement);
    }
    Some(decoded)
}

/// Everything known, without what depends on when it was said.
fn known(directory: &Directory) -> Vec<Announcement> {
    directory.devices().map(|known| Announcement { lore: None, ..known.clone() }).collect()
}

const CONFIGS: &[(&str, &str)] = &[
    ("homeassistant/sensor/d/a/config", r#"{"stat_t":"d/a","uniq_id":"d_x","dev":{"ids":["d"],"name":"D"}}"#),
    ("homeassistant/switch/d/a/config", r#"{"cmd_t":"d/b","uniq_id":"d_x","dev":{"ids":["d"]}}"#),
    (
        "homeassistant/binary_sensor/d/a/config",
        r#"{"stat_t":"d/c","uniq_id":"d_x","dev_cla":"gas","dev":{"ids":["d"]}}"#,
    ),
    (
        "homeassistant/light/d/l/config",
        r#"{"schema":"json","cmd_t":"d/l","uniq_id":"d_l","brightness":true,"dev":{"ids":["d"]}}"#,
    ),
    ("homeassistant/sensor/d/l/config", r#"{"stat_t":"d/lb","uniq_id":"d_l_brightness","dev":{"ids":["d"]}}"#),
    ("homeassistant/sensor/e/config", r#"{"stat_t":"d/a","uniq_id":"e"}"#),
];

/// Name and topics of each property: what a command to it would do.
fn names(directory: &Directory) -> BTreeMap<(String, String), String> {
    let mut out = BTreeMap::new();
    for known in directory.devices() {
        for property in &known.properties {
            let (entity, _) = Facts::borrowed(known).unwrap().property(&property.name).unwrap();
            out.insert((known.device.id.clone(), property.name.clone()), format!("{:?}", entity.key));
        }
    }
    out
}

#[test]
fn who_has_a_name_keeps_it_in_whatever_order_configs_come() {
    for turn in 0..2 * CONFIGS.len() {
        let mut turned = CONFIGS.to_vec();
        turned.rotate_left(turn % CONFIGS.len());
        if turn >= CONFIGS.len() {
            turned.reverse();
        }
        let mut directory = Directory::default();
        let mut before = BTreeMap::new();
        for (topic, payload) in &turned {
            take(&mut directory, topic, payload).unwrap();
            let now = names(&directory);
            for (name, entity) in &before {
                assert_eq!(now.get(name), Some(entity), "{turn}: {name:?} when {topic} comes");
            }
            before = now;
        }
        assert_eq!(before.len(), 7, "{turn}");
        // Said again, whatever the order, nothing changes.
        for (topic, payload) in CONFIGS {
            take(&mut directory, topic, payload).unwrap();
        }
        assert_eq!(names(&directory), before, "{turn}");
        // Read again in the order in which they were heard first, they have the same names.
        let mut again = Directory::default();
        for (topic, payload) in &turned {
            take(&mut again, topic, payload).unwrap();
        }
        assert_eq!(known(&again), known(&directory), "{turn}");
    }
}

/// A crowd that hears the topic of a leak sensor, with templates that fail or that never end, does not stand in its way.
#[test]
fn no_crowd_pushes_a_danger_out_of_a_message() {
    let mut directory = Directory::default();
    let crowd = |at: usize, template: &str| {
        format!(
            r#"{{"stat_t":"leak/1","uniq_id":"x{at}","val_tpl":"{template}","json_attr_t":"leak/1","dev":{{"ids":["x"]}}}}"#
        )
    };
    for at in 0..600 {
        let template = if at % 2 == 0 {
            format!("{{{{ value_json.water + 'x{at}' }}}}")
        } else {
            format!("{{% for i in range(3000) %}}{{% set x = value[1:] ~ value %}}{{% endfor %}}{at}")
        };
        take(&mut directory, &format!("homeassistant/sensor/x{at}/config"), &crowd(at, &template)).unwrap();
    }
    let leak = r#"{"stat_t":"leak/1","uniq_id":"l","dev_cla":"moisture","pl_on":"1","val_tpl":"{{ value_json.water | int }}","dev":{"ids":["l"]}}"#;
    take(&mut directory, "homeassistant/binary_sensor/l/config", leak).unwrap();
    let decoded = take(&mut directory, "leak/1", r#"{"water":1}"#).unwrap();
    let first = decoded.observations.first().unwrap();
    assert_eq!((first.device.id.as_str(), first.hazard), ("l", Some(domovoi_model::Hazard::WaterLeak)));
    let stopped = |fault: &&crate::Fault| fault.excerpt.contains("too much time");
    assert_eq!(decoded.faults.iter().filter(stopped).count(), 1, "said once");
}

/// What says yes and no to a danger in one breath says yes.
#[test]
fn a_danger_that_is_told_twice_is_heard() {
    let mut directory = Directory::default();
    let leak = r#"{"stat_t":"l","uniq_id":"l","dev_cla":"moisture","val_tpl":"{{ value_json.water }}"}"#;
    take(&mut directory, "homeassistant/binary_sensor/l/config", leak).unwrap();
    for payload in [r#"{"water":"ON","water":"OFF"}"#, r#"{"water":"OFF","a":1,"water":"ON"}"#] {
        let decoded = take(&mut directory, "l", payload).unwrap();
        assert!(decoded.observations.iter().any(|said| said.hazard.is_some()), "{payload}");
        assert_eq!(decoded.faults[0].what, crate::What::SaidTwice);
    }
    let decoded = take(&mut directory, "l", r#"{"water":"OFF","water":"off"}"#).unwrap();
    assert!(decoded.observations.is_empty());
}

#[test]
fn said_again_nothing_is_new_and_taken_away_nothing_is_left() {
    let mut directory = Directory::default();
    for (topic, payload) in CONFIGS {
        take(&mut directory, topic, payload).unwrap();
    }
    let before = directory.clone();
    for (topic, payload) in CONFIGS {
        for announcement in take(&mut directory, topic, payload).unwrap().announcements {
            assert!(!directory.learn(&announcement).changed, "{topic}");
        }
    }
    assert_eq!(directory, before);
    assert!(is_command("d/b", &directory));
    for (topic, _) in CONFIGS {
        take(&mut directory, topic, "").unwrap();
    }
    assert_eq!(directory.devices().count(), 0);
    assert!(directory.hearers(NAME, "d/a").is_empty() && !is_command("d/b", &directory));
    assert!(claim(&envelope("d/a", b"1"), &directory).is_none());
}

#[test]
fn a_stranger_makes_no_command_of_what_others_say() {
    let mut directory = Directory::default();
    take(&mut directory, "homeassistant/sensor/a/config", r#"{"stat_t":"leak/1","uniq_id":"a"}"#).unwrap();
    for target in ["leak/1", "zigbee2mqtt/bridge/state", "wmbusmeters/1"] {
        let config = format!(r#"{{"cmd_t":"{target}","uniq_id":"b"}}"#);
        take(&mut directory, "homeassistant/switch/b/config", &config).unwrap();
        assert!(!is_command(target, &directory), "{target}");
    }
}

#[test]
fn brokers_are_asked_for_configs_and_what_they_name() {
    let mut directory = Directory::default();
    directory.set_bases(NAME, &["ha".to_owned()]).unwrap();
    take(&mut directory, "ha/sensor/a/config", r#"{"stat_t":"x/+/y","uniq_id":"a","avty_t":"x/lwt"}"#).unwrap();
    assert_eq!(topics(&directory), ["ha/+/+/config", "ha/+/+/+/config", "x/+/y", "x/lwt"]);
    let gone = take(&mut directory, "ha/sensor/a/config", r#"{"stat_t":"z","uniq_id":"a"}"#).unwrap();
    assert_eq!(gone.announcements[0].shares, ["z"]);
    assert!(directory.hearers(NAME, "x/1/y").is_empty());
    assert_eq!(directory.hearers(NAME, "z").len(), 1);
}

#[test]
fn before_the_clock_is_trusted_there_is_no_now() {
    let mut directory = Directory::default();
    let config = r#"{"stat_t":"t","uniq_id":"a","val_tpl":"{{ now().year }}"}"#;
    take(&mut directory, "homeassistant/sensor/a/config", config).unwrap();
    let boot = domovoi_model::BootId(domovoi_model::Id([0; 16]));
    let early = Envelope { received_at: Moment::SinceBoot { boot, millis: 5 }, ..envelope("t", b"x") };
    let decoded = decode(&claim(&early, &directory).unwrap(), &early, &directory).unwrap();
    assert_eq!((decoded.observations.len(), decoded.faults.len()), (0, 0));
    assert_eq!(take(&mut directory, "t", "x").unwrap().observations[0].value, Value::Number(2026.into()));
}

#[test]
fn a_dialect_that_nobody_speaks_claims_nothing() {
    let mut directory = Directory::default();
    let (topic, payload) = CONFIGS[0];
    let bridge = "zigbee2mqtt/bridge/state";
    assert!(crate::claim(&envelope(topic, payload.as_bytes()), &directory).is_some());
    directory.silence(NAME);
    assert!(crate::claim(&envelope(topic, payload.as_bytes()), &directory).is_none());
    assert!(crate::claim(&envelope(bridge, b"online"), &directory).is_some());
    directory.silence("zigbee2mqtt");
    assert!(crate::claim(&envelope(bridge, b"online"), &directory).is_none());
}

/// Words of configs, with values that fit and values that do not.
fn configish() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "stat_t",
        "cmd_t",
        "val_tpl",
        "cmd_tpl",
        "uniq_id",
        "dev",
        "o",
        "cmps",
        "p",
        "avty",
        "avty_t",
        "avty_mode",
        "~",
        "schema",
        "bri_cmd_t",
        "rgb_cmd_t",
        "brightness",
        "sup_clrm",
        "pos_t",
        "set_pos_t",
        "pos_open",
        "pos_clsd",
        "min",
        "max",
        "step",
        "ops",
        "modes",
        "mode_cmd_t",
        "temp_cmd_t",
        "min_temp",
        "dev_cla",
        "stat_cla",
        "unit_of_meas",
        "exp_aft",
        "off_dly",
        "ids",
        "cns",
        "name",
        "t",
        "topic",
        "type",
        "stype",
        "atype",
        "evt_typ",
        "reports_position",
        "json_attr_t",
        "pct_cmd_t",
        "spd_rng_min",
        "spd_rng_max",
        "bri_scl",
        "cmd_on_tpl",
        "cmd_off_tpl",
        "migrate_discovery",
        "code",
        "tilt_cmd_t",
        "ent_cat",
    ]);
    let leaf = prop_oneof![
        "-?[0-9]{1,30}(\\.[0-9]{1,30})?",
        prop::sample::select(vec![
            "true",
            "false",
            "null",
            "\"a/b\"",
            "\"x/state\"",
            "\"+/x\"",
            "\"~/y\"",
            "\"{{ value }}\"",
            "\"{{ value_json.a }}\"",
            "\"{{ value | float }}\"",
            "\"{{\"",
            "\"sensor\"",
            "\"light\"",
            "\"cover\"",
            "\"climate\"",
            "\"json\"",
            "\"template\"",
            "\"all\"",
            "\"gas\"",
            "\"1\"",
            "\"\"",
            "\"rgb\"",
            "\"trigger\"",
        ])
        .prop_map(str::to_owned),
        any::<String>().prop_map(|text| crate::json::quoted(&text)),
    ];
    leaf.prop_recursive(4, 64, 10, move |inner| {
        prop_oneof![
            prop::collection::vec((key.clone(), inner.clone()), 0..10).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

fn component() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "device",
        "sensor",
        "binary_sensor",
        "switch",
        "light",
        "cover",
        "valve",
        "climate",
        "fan",
        "humidifier",
        "lock",
        "number",
        "select",
        "text",
        "siren",
        "alarm_control_panel",
        "event",
        "device_automation",
        "vacuum",
        "lawn_mower",
        "update",
        "device_tracker",
        "tag",
        "camera",
        "image",
        "water_heater",
        "notify",
    ])
}

proptest! {
    #[test]
    fn no_config_and_no_state_panics(
        configs in prop::collection::vec((component(), configish()), 1..5),
        states in prop::collection::vec((prop::sample::select(vec!["a/b", "x/state", "q/x", "t"]), "(\\{\"a\":[0-9]{1,30}\\}|ON|[0-9.]{1,9}|.{0,9})"), 0..6),
        value in prop_oneof![any::<bool>().prop_map(Value::Bool), any::<i64>().prop_map(|n| Value::Number(n.into())), any::<String>().prop_map(Value::Text)],
    ) {
        let mut directory = Directory::default();
        for (at, (component, config)) in configs.iter().enumerate() {
            // Always with ways to be heard, so that many of them are whole.
            let config = match config.strip_prefix('{').filter(|rest| *rest != "}") {
                Some(rest) => format!("{{\"state_topic\":\"x/state\",\"command_topic\":\"a/c\",{rest}"),
                None => config.clone(),
            };
            take(&mut directory, &format!("homeassistant/{component}/n{at}/config"), &config);
        }
        for (topic, payload) in &states {
            take(&mut directory, topic, payload);
        }
        for known in directory.devices() {
            let mut names: Vec<&str> = known.properties.iter().map(|property| property.name.as_str()).collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            prop_assert_eq!(names.len(), all, "each name once");
            for property in &known.properties {
                prop_assert!(crate::json::is_name(&property.name), "{:?}", property.name);
                let target = CommandTarget { device: known.device.clone(), property: property.name.clone() };
                let command = Command { target, value: value.clone() };
                for out in encode(&command, &directory).iter().flatten() {
                    prop_assert!(!out.retain && !out.topic.contains(['+', '#', '\0']), "{:?}", out);
                    prop_assert!(known.listens.contains(&out.topic), "{:?}", out);
                }
            }
        }
    }
}

/// Ten thousand entities of a thousand devices within 60 MiB: `cargo test -p domovoi-adapters memory -- --ignored --nocapture`.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs a process of its own: it measures its memory"]
fn memory_of_ten_thousand_entities() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    let mut directory = Directory::default();
    take(
        &mut directory,
        "homeassistant/sensor/w/config",
        r#"{"stat_t":"w","uniq_id":"w","val_tpl":"{{ value | int }}"}"#,
    );
    let before = resident();
    for device in 0..1000 {
        for entity in 0..10 {
            let component = ["sensor", "switch", "light", "binary_sensor", "number"][entity % 5];
            // Half of them have a template of their own, which nobody shares.
            let template = if entity % 2 == 0 {
                format!("{{{{ value_json.v{device}_{entity} | float(0) | round(1) }}}}")
            } else {
                "{{ value_json.state }}".to_owned()
            };
            let config = format!(
                r#"{{"name":"Sensor {entity}","unique_id":"device{device}_{component}_{entity}","state_topic":"gateway/floor/device{device}/{entity}/state","value_template":"{template}","command_topic":"gateway/floor/device{device}/{entity}/set","brightness_state_topic":"gateway/floor/device{device}/{entity}/bri","brightness_command_topic":"gateway/floor/device{device}/{entity}/bri/set","unit_of_measurement":"W","availability":[{{"topic":"gateway/state"}},{{"topic":"gateway/device{device}/lwt"}}],"availability_mode":"all","device":{{"identifiers":["device{device}"],"name":"Device {device}","manufacturer":"Maker","model":"Model {device}"}}}}"#
            );
            let topic = format!("homeassistant/{component}/device{device}/{entity}/config");
            assert!(take(&mut directory, &topic, &config).unwrap().faults.is_empty());
        }
    }
    let properties: usize = directory.devices().map(|known| known.properties.len()).sum();
    let taken = resident() - before;
    println!("10000 entities, {properties} properties: {} KiB, {} B for each entity", taken, taken * 1024 / 10_000);
    assert!(taken <= 60 << 10, "{taken} KiB");
}
