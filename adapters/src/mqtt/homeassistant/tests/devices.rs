//! Whose an entity is when configs change: no ghosts, no order of arrival, nothing lost by what cannot be read.

use domovoi_model::{CommandTarget, DeviceRef, Quality, Unit};

use super::*;

fn device(id: &str) -> DeviceRef {
    DeviceRef::new(NAME, id)
}

fn ids(directory: &Directory) -> Vec<String> {
    directory.devices().map(|known| known.device.id.clone()).collect()
}

fn property<'d>(directory: &'d Directory, id: &str, name: &str) -> &'d crate::PropertyInfo {
    directory.property(&device(id), name).unwrap_or_else(|| panic!("{id} has no {name}"))
}

/// What is observed of the one property of a message.
fn heard(directory: &mut Directory, topic: &str, payload: &str) -> Vec<(String, Value)> {
    let decoded = take(directory, topic, payload).map(|decoded| decoded.observations).unwrap_or_default();
    decoded.into_iter().map(|said| (format!("{} {}", said.device.id, said.property), said.value)).collect()
}

const TOPIC: &str = "homeassistant/switch/valve/config";

fn valve(device: &str) -> String {
    format!(r#"{{"stat_t":"v","cmd_t":"v/set","uniq_id":"v"{device}}}"#)
}

#[test]
fn a_config_that_moves_to_another_device_leaves_nothing_behind() {
    for (before, after) in [
        (r#","dev":{"ids":["one"]}"#, r#","dev":{"ids":["two"]}"#),
        ("", r#","dev":{"ids":["two"]}"#),
        (r#","dev":{"ids":["one"]}"#, ""),
    ] {
        let mut directory = Directory::default();
        take(&mut directory, TOPIC, &valve(before)).unwrap();
        take(&mut directory, TOPIC, &valve(after)).unwrap();
        assert_eq!(directory.devices().count(), 1, "{before} {after}: {:?}", ids(&directory));
        assert_eq!(heard(&mut directory, "v", "ON").len(), 1);
        take(&mut directory, TOPIC, "").unwrap();
        assert_eq!(directory.devices().count(), 0);
    }
    // The same in a device's config.
    let whole = |id: &str| {
        format!(
            r#"{{"dev":{{"ids":["{id}"]}},"o":{{"name":"x"}},"cmps":{{"a":{{"p":"sensor","stat_t":"t","uniq_id":"a"}}}}}}"#
        )
    };
    let mut directory = Directory::default();
    for id in ["one", "two"] {
        take(&mut directory, "homeassistant/device/x/config", &whole(id)).unwrap();
    }
    assert_eq!(ids(&directory), ["two"]);
}

#[test]
fn a_bad_device_changes_nothing_and_the_good_one_is_no_second() {
    for bad in [r#","dev":{}"#, r#","dev":{"ids":["one"],"cns":[["mac"]]}"#, r#","dev":7"#] {
        let mut directory = Directory::default();
        take(&mut directory, TOPIC, &valve(r#","dev":{"ids":["one"]}"#)).unwrap();
        let decoded = take(&mut directory, TOPIC, &valve(bad)).unwrap();
        assert_eq!(decoded.faults.len(), 1, "{bad}");
        assert_eq!(heard(&mut directory, "v", "ON"), [("one v".to_owned(), Value::Bool(true))], "{bad}");
        take(&mut directory, TOPIC, &valve(r#","dev":{"ids":["one"],"name":"One"}"#)).unwrap();
        assert_eq!(ids(&directory), ["one"], "{bad}");
        // Where none was before, it is there and says why, until it is mended.
        let mut directory = Directory::default();
        take(&mut directory, TOPIC, &valve(bad)).unwrap();
        assert!(directory.devices().all(|known| known.properties[0].broken.is_some()));
        take(&mut directory, TOPIC, &valve(r#","dev":{"ids":["one"]}"#)).unwrap();
        assert_eq!(ids(&directory), ["one"], "{bad}");
    }
    // Moved and broken at once: it stays where it worked.
    let mut directory = Directory::default();
    take(&mut directory, TOPIC, &valve(r#","dev":{"ids":["one"]}"#)).unwrap();
    let decoded = take(&mut directory, TOPIC, &valve(r#","val_tpl":"{{","dev":{"ids":["two"]}"#)).unwrap();
    assert_eq!((decoded.faults.len(), ids(&directory)), (1, vec!["one".to_owned()]));
}

#[test]
fn of_many_ids_the_first_in_a_fixed_order_counts() {
    for (list, id) in [
        (r#""ids":["b","a"]"#, "a"),
        (r#""ids":["a","b"]"#, "a"),
        (r#""ids":["a"],"cns":[["mac","AA-BB-CC-DD-EE-FF"],["upnp","0"]]"#, "mac:aa:bb:cc:dd:ee:ff"),
    ] {
        let mut directory = Directory::default();
        take(&mut directory, TOPIC, &valve(&format!(r#","dev":{{{list}}}"#))).unwrap();
        assert_eq!(ids(&directory), [id], "{list}");
    }
}

#[test]
fn a_config_that_names_two_devices_makes_one_of_them() {
    let config = |uid: &str, ids: &str| format!(r#"{{"stat_t":"t/{uid}","uniq_id":"{uid}","dev":{{"ids":{ids}}}}}"#);
    let mut ends = Vec::new();
    for order in [["a", "b", "c"], ["b", "a", "c"]] {
        let mut directory = Directory::default();
        for uid in order {
            let ids = match uid {
                "a" => r#"["a"]"#,
                "b" => r#"["b"]"#,
                _ => r#"["b","a"]"#,
            };
            take(&mut directory, &format!("homeassistant/sensor/{uid}/config"), &config(uid, ids)).unwrap();
        }
        assert_eq!(ids(&directory), ["a"]);
        for uid in ["a", "b", "c"] {
            assert_eq!(heard(&mut directory, &format!("t/{uid}"), "5").len(), 1);
        }
        assert_eq!(directory.identified(NAME, "b"), Some(&device("a")));
        ends.push(known(&directory));
    }
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_bridge_that_comes_later_is_the_one_that_was_meant() {
    let mut directory = Directory::default();
    let child = r#"{"stat_t":"t","uniq_id":"c","dev":{"ids":["c"],"via_device":"bridge_1"}}"#;
    take(&mut directory, "homeassistant/sensor/c/config", child).unwrap();
    let bridge = r#"{"stat_t":"b","uniq_id":"b","dev":{"ids":["bridge_1"],"cns":[["mac","aabbccddeeff"]]}}"#;
    take(&mut directory, "homeassistant/sensor/b/config", bridge).unwrap();
    let via = directory.known(&device("c")).unwrap().via.clone();
    assert_eq!(via, Some(device("mac:aa:bb:cc:dd:ee:ff")));
}

#[test]
fn a_part_that_cannot_be_read_is_there_all_the_same() {
    let whole = |leak: &str| {
        format!(
            r#"{{"dev":{{"ids":["d"]}},"o":{{"name":"x"}},"cmps":{{"ok":{{"p":"sensor","stat_t":"o","uniq_id":"o"}},{leak}}}}}"#
        )
    };
    let good = r#""leak":{"p":"binary_sensor","dev_cla":"moisture","stat_t":"l","uniq_id":"l"}"#;
    let many: Vec<String> = (0..600).map(|n| format!("\"k{n}\":{n}")).collect();
    for bad in [
        r#""leak":"?""#.to_owned(),
        format!(r#""leak":{{{}}}"#, many.join(",")),
        r#""leak":{"p":"binary_sensor","stat_t":"l"},"leak":{"p":"binary_sensor","stat_t":"m"}"#.to_owned(),
        r#""leak":{"p":"no_such","stat_t":"l"}"#.to_owned(),
    ] {
        let mut directory = Directory::default();
        take(&mut directory, "homeassistant/device/d/config", &whole(good)).unwrap();
        for n in 0..3 {
            let again = whole(&bad).replace("\"x\"", &format!("\"x{n}\""));
            let decoded = take(&mut directory, "homeassistant/device/d/config", &again).unwrap();
            assert_eq!(decoded.faults.len(), 1, "{bad:.80}");
        }
        assert_eq!(heard(&mut directory, "l", "ON").len(), 1, "{bad:.80}");
    }
    // A large gateway is no mistake.
    let parts: Vec<String> =
        (0..1000).map(|n| format!(r#""s{n}":{{"p":"sensor","stat_t":"s/{n}","uniq_id":"s{n}"}}"#)).collect();
    let mut directory = Directory::default();
    take(&mut directory, "homeassistant/device/d/config", &whole(&parts.join(","))).unwrap();
    assert_eq!(directory.known(&device("d")).unwrap().properties.len(), 1001);
}

#[test]
fn an_attribute_takes_nobodys_name_and_no_secret_is_told() {
    let mut directory = Directory::default();
    let plug =
        |more: &str| format!(r#"{{"stat_t":"p","uniq_id":"p_{more}","json_attr_t":"p/attr","dev":{{"ids":["p"]}}}}"#);
    take(&mut directory, "homeassistant/sensor/p/plug/config", &plug("plug")).unwrap();
    take(&mut directory, "homeassistant/sensor/p/total/config", &plug("plug_energy_total")).unwrap();
    let payload = r#"{"energy_total":7,"linkquality":90,"wifi_password":"x","pin_code":"1","ssid":"home"}"#;
    let said = heard(&mut directory, "p/attr", payload);
    assert_eq!(said, [("p plug_linkquality".to_owned(), Value::Number(90.into()))], "once, and only that");
}

#[test]
fn names_cannot_move_a_cursor_and_an_error_quotes_no_code() {
    let mut directory = Directory::default();
    let config =
        r#"{"stat_t":"t","uniq_id":"a","name":"A\u001b[2J","dev":{"ids":["d"],"name":"D\u202e","mf":"M\u0007"}}"#;
    take(&mut directory, "homeassistant/sensor/a/config", config).unwrap();
    let known = directory.known(&device("d")).unwrap();
    let texts = [known.name.clone(), known.model.clone(), known.properties[0].label.as_deref().map(str::to_owned)];
    for text in texts.into_iter().flatten() {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text:?}");
    }
    let topic = "homeassistant/alarm_control_panel/a/config";
    for bad in [r#"["code","1234"]"#, r#"{"code":"1234","#, r#"{"code":"1234","cmps":{"a":"1234"},"device":7}"#] {
        for topic in [topic, "homeassistant/device/a/config"] {
            let envelope = envelope(topic, bad.as_bytes());
            let claim = claim(&envelope, &directory).unwrap();
            let said = match decode(&claim, &envelope, &directory) {
                Ok(decoded) => format!("{:?}", decoded.faults),
                Err(error) => error.to_string(),
            };
            assert!(!said.contains("1234"), "{said}");
        }
    }
}

#[test]
fn one_prefix_may_stand_within_another() {
    let mut directory = Directory::default();
    directory.set_bases(NAME, &["ha".to_owned(), "ha/attic".to_owned()]).unwrap();
    for topic in ["ha/sensor/a/config", "ha/attic/sensor/b/node/config", "ha/attic/sensor/c/config"] {
        let config = format!(r#"{{"stat_t":"t","uniq_id":"{}"}}"#, topic.len());
        assert!(take(&mut directory, topic, &config).is_some(), "{topic}");
    }
    assert_eq!(directory.devices().count(), 3);
}

fn command(property: &str, value: Value) -> Command {
    Command { target: CommandTarget { device: device("m"), property: property.to_owned() }, value }
}

#[test]
fn what_is_on_its_way_is_not_late() {
    let mut directory = Directory::default();
    let dev = r#""dev":{"ids":["m"]}"#;
    let cover = format!(r#"{{"cmd_t":"c/set","stat_t":"c","pos_t":"c/p","set_pos_t":"c/p/set","uniq_id":"c",{dev}}}"#);
    let valve = format!(r#"{{"cmd_t":"v/set","stat_t":"v","uniq_id":"v",{dev}}}"#);
    let lock = format!(r#"{{"cmd_t":"l/set","stat_t":"l","pl_open":"OPEN","uniq_id":"l",{dev}}}"#);
    for (component, config) in [("cover", cover), ("valve", valve), ("lock", lock)] {
        take(&mut directory, &format!("homeassistant/{component}/m/config"), &config).unwrap();
    }
    let text = |word: &str| Value::Text(word.to_owned());
    let said = |property: &str, word: &str| Observation {
        device: device("m"),
        property: property.to_owned(),
        value: text(word),
        unit: Unit::None,
        quality: Quality::Good,
        device_time: None,
        hazard: None,
    };
    for (property, value, report, word, wanted) in [
        ("c", Value::Bool(true), "c_state", "opening", true),
        ("c", Value::Bool(true), "c_state", "closing", false),
        ("c", Value::Bool(false), "c_state", "closing", true),
        ("c", text("CLOSE"), "c_state", "closing", true),
        ("c_position", Value::Number(40.into()), "c_state", "closing", true),
        ("c_position", Value::Number(40.into()), "c_state", "stopped", false),
        ("v", text("close"), "v_state", "closing", true),
        ("v", text("close"), "c_state", "closing", false),
        ("l", Value::Bool(true), "l_state", "locking", true),
        ("l", Value::Bool(false), "l_state", "unlocking", true),
        ("l", Value::Bool(false), "l_state", "jammed", false),
        ("l", text("open"), "l_state", "opening", true),
    ] {
        let command = command(property, value);
        assert_eq!(underway(&command, &said(report, word), &directory), wanted, "{command:?} {word}");
    }
    for (name, seconds) in [("c", Some(90)), ("c_position", Some(90)), ("v", Some(60)), ("l", Some(20))] {
        assert_eq!(property(&directory, "m", name).settles_within_s, seconds, "{name}");
    }
}

#[test]
fn what_another_dialect_reads_says_why_it_is_silent() {
    let mut directory = Directory::default();
    let listed = envelope("zigbee2mqtt/bridge/devices", br#"[{"ieee_address":"0x00158d0001a2b3c4","friendly_name":"lamp","type":"Router","supported":true,"definition":{"model":"m","vendor":"v","exposes":[]}}]"#);
    let (dialect, found) = crate::claim(&listed, &directory).unwrap();
    for announcement in (dialect.decode)(&found, &listed, &directory).unwrap().announcements {
        directory.learn(&announcement);
    }
    for (uid, topic, other) in [
        ("a", "zigbee2mqtt/lamp", Some("zigbee2mqtt")),
        ("b", "wmbusmeters/cellar", Some("wmbusmeters")),
        ("c", "esp/sensor", None),
        ("d", "tele/plug/SENSOR", None),
    ] {
        let config = format!(r#"{{"stat_t":"{topic}","uniq_id":"{uid}","dev":{{"ids":["x"]}}}}"#);
        take(&mut directory, &format!("homeassistant/sensor/{uid}/config"), &config).unwrap();
        let broken = property(&directory, "x", uid).broken.clone();
        let wanted = other.map(|other| format!("its topic is read as {other}'s: the device is there under that name"));
        assert_eq!(broken.as_deref(), wanted.as_deref(), "{topic}");
    }
}
