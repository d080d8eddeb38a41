//! What captures cannot say: that no state of any making panics, and that every command is said where a node listens.

use domovoi_model::{Command, CommandTarget, Moment, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Road;

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

proptest! {
    #[test]
    fn no_state_panics(messages in prop::collection::vec((
        "(node/(sensor|binary_sensor|switch|light|cover|valve|lock|fan|climate|number|select|event)/(a|leak|x\\.position)(/(position|mode|target_temperature))?/state|node/status|esphome/discover/node)",
        prop_oneof![
            Just(r#"{"name":"node","mac":"aabbccddeeff","board":"d1"}"#.to_owned()),
            Just(r#"{"state":"ON","brightness":1e999,"color":{"r":1,"g":2,"b":3},"color_temp":[]}"#.to_owned()),
            "(ON|OFF|open|LOCKED|online|nan|-?[0-9]{1,40}(\\.[0-9]{1,3})?)",
            any::<String>(),
        ]), 1..10))
    {
        let mut directory = Directory::default();
        for (topic, payload) in messages {
            take(&mut directory, &topic, payload.as_bytes());
        }
        for known in directory.devices() {
            for property in &known.properties {
                let target = CommandTarget { device: known.device.clone(), property: property.name.clone() };
                for value in [Value::Bool(true), Value::Number(50.into()), Value::Text("OPEN".to_owned())] {
                    for out in order::encode(&Command { target: target.clone(), value }, &directory).iter().flatten() {
                        prop_assert!(is_command(&out.topic, &directory), "{}", out.topic);
                    }
                }
            }
        }
    }
}
