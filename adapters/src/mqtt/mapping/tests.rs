//! What captures cannot say: what is refused of a mapping, and that nothing that an owner or a device writes panics.

use domovoi_model::{CommandTarget, Timestamp, Unit};
use proptest::prelude::*;

use super::*;
use crate::report::{number, switch};
use crate::{Mapping, Road, Told};

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
    decoded.announcements.iter().for_each(|announcement| drop(directory.learn(announcement)));
    Some(decoded)
}

fn mapping(id: &str, row: Row) -> Mapping {
    Mapping { id: id.to_owned(), rows: vec![row], ..Mapping::default() }
}

#[test]
fn what_is_wrong_is_named() {
    let row = || Row::new("t", "garden/+/t", number());
    for (given, wanted) in [
        (vec![mapping("", row())], "mapping 1: bad-id"),
        (vec![mapping("a:b", row())], "mapping 1: bad-id"),
        (vec![mapping("a", row()), mapping("a", row())], "mapping 2: same-id a"),
        (vec![Mapping { id: "a".to_owned(), ..Mapping::default() }], "mapping 1: rows"),
        (vec![mapping("{1}-{2}", row())], "mapping 1, row 1: no-level 2"),
        (vec![mapping("a", Row { topic: "garden/#".to_owned(), ..row() })], "mapping 1, row 1: bad-topic"),
        (vec![mapping("a", Row { topic: "+/x".to_owned(), ..row() })], "mapping 1, row 1: bad-topic"),
        (vec![mapping("a", Row { topic: "domovoi/x".to_owned(), ..row() })], "mapping 1, row 1: bad-topic"),
        (vec![mapping("a", Row { read: "{{ value".to_owned(), ..row() })], "mapping 1, row 1: template "),
        (vec![mapping("a", Row { property: "password".to_owned(), ..row() })], "mapping 1, row 1: bad-property"),
        (
            vec![mapping("a", Row { unit: Unit::Watt, ..Row::new("s", "s", switch("1", "0")) })],
            "mapping 1, row 1: not-a-number",
        ),
        (
            vec![mapping("a", Row { told: Some(Told { topic: "a/+".to_owned(), payload: String::new() }), ..row() })],
            "mapping 1, row 1: bad-target",
        ),
    ] {
        let said = Directory::default().set_mappings(given).unwrap_err().to_string();
        assert!(said.starts_with(wanted), "{said} should begin with {wanted}");
    }
    let many = (0..200).map(|n| mapping(&format!("a{n}"), row())).collect();
    assert!(Directory::default().set_mappings(many).is_err());
}

#[test]
fn a_device_that_only_takes_commands_is_there() {
    let mut directory = Directory::default();
    let told = Some(Told { topic: "bell/ring".to_owned(), payload: "now".to_owned() });
    let row = Row { told, ..Row::new("ring", "bell/state", Shape::Choice(vec!["ring".to_owned()])) };
    directory.set_mappings(vec![mapping("bell", row)]).unwrap();
    assert_eq!(directory.known(&DeviceRef::new(NAME, "bell")).unwrap().listens, ["bell/ring"]);
    directory.set_mappings(Vec::new()).unwrap();
    assert!(directory.known(&DeviceRef::new(NAME, "bell")).is_none(), "who takes a mapping back takes its device back");
}

proptest! {
    #[test]
    fn nothing_panics(
        read in prop_oneof![
            ".{0,20}",
            Just("a.b[0]".to_owned()),
            Just("{{ value_json.a | float / 0 }}".to_owned()),
            Just("{% for i in range(9999999) %}{{ i }}{% endfor %}".to_owned()),
        ],
        topic in "(garden|\\+|a)/(\\+|b)(/[a-z{}1+#]{0,4})?",
        id in "[a-z{}1-5]{0,8}",
        payload in "(\\{\"a\":[0-9]{1,40}\\}|[0-9.]{1,40}|.{0,20})",
        factor in any::<i64>(),
    ) {
        let mut directory = Directory::default();
        let told = Some(Told { topic: format!("{topic}/set").replace('+', "{1}"), payload: read.clone() });
        let row = Row {
            read,
            factor: Some(Decimal::new(factor, 9)),
            offset: Some(Decimal::MAX),
            told,
            ..Row::new("p", topic.clone(), number())
        };
        if directory.set_mappings(vec![mapping(&id, row)]).is_ok() {
            let heard = topic.replace('+', "x");
            take(&mut directory, &heard, payload.as_bytes());
            let devices: Vec<DeviceRef> = directory.devices().map(|known| known.device.clone()).collect();
            for device in devices {
                let target = CommandTarget { device, property: "p".to_owned() };
                for out in encode(&Command { target, value: Value::Number(1.into()) }, &directory).iter().flatten() {
                    prop_assert!(!out.topic.contains(['+', '#', '\0']) && !out.topic.starts_with("domovoi/"));
                }
            }
        }
    }

    #[test]
    fn a_register_keeps_its_digits(whole in any::<u32>(), fraction in 0u32..1000) {
        let mut directory = Directory::default();
        let row = Row { read: "meter['total in']".to_owned(), ..Row::new("total", "garden/m", number()) };
        directory.set_mappings(vec![mapping("m", row)]).unwrap();
        let text = format!("{whole}.{fraction:03}");
        let payload = format!(r#"{{"meter":{{"total in":{text}}}}}"#);
        let said = take(&mut directory, "garden/m", payload.as_bytes()).unwrap();
        prop_assert_eq!(said.observations[0].value.to_string(), text);
    }
}
