//! What captures cannot say: that no event of any making panics, and that a register keeps its digits.

use domovoi_model::{CommandTarget, Moment, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Road;

const TOPIC: &str = "application/a/device/a840410000000001/event/up";

fn take(directory: &mut Directory, payload: &[u8]) -> Option<Decoded> {
    let envelope = Envelope {
        road: Road::Embedded,
        sender: "test",
        topic: TOPIC,
        payload,
        retained: false,
        received_at: Moment::Wall(Timestamp(1_795_300_000_000)),
    };
    let claimed = claim(&envelope, directory)?;
    let decoded = decode(&claimed, &envelope, directory).ok()?;
    decoded.announcements.iter().for_each(|announcement| drop(directory.learn(announcement)));
    Some(decoded)
}

fn object() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["1", "0", "-3.5", "null", "true", "\"leak\"", "\"x\"", "1e999", "\"\\u0007\""]);
    let key = prop::sample::select(vec!["leak", "temperatureSensor", "1", "total_m3", "battery", "password", "a", ""]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec((key.clone(), inner.clone()), 0..6).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..5).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_panics(objects in prop::collection::vec(object(), 1..5)) {
        let mut directory = Directory::default();
        for object in objects {
            let payload = format!(
                r#"{{"deviceInfo":{{"devEui":"a840410000000001"}},"object":{object},"rxInfo":{object},"fCnt":{object}}}"#
            );
            for observation in take(&mut directory, payload.as_bytes()).unwrap().observations {
                prop_assert!(!crate::is_secret(&observation.property));
            }
        }
    }

    #[test]
    fn a_downlink_is_json_whatever_is_asked(text in ".{0,40}") {
        let mut directory = Directory::default();
        take(&mut directory, br#"{"deviceInfo":{"devEui":"a840410000000001"}}"#).unwrap();
        let device = DeviceRef::new(NAME, "a840410000000001");
        for text in [text.clone(), format!("10:{text}"), format!("10:{{{text}}}")] {
            let target = CommandTarget { device: device.clone(), property: DOWNLINK.to_owned() };
            for out in encode(&Command { target, value: Value::Text(text) }, &directory).iter().flatten() {
                prop_assert!(json::document(&out.payload, MAX_PAYLOAD).is_ok());
            }
        }
    }
}
