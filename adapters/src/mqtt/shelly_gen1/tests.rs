//! What captures cannot say: that no topic and no payload of any making panics, and that every command is said below the
//! device's own topic.

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
    fn no_topic_panics(messages in prop::collection::vec((
        "(announce|x/announce|shelly1-AABBCC/(relay|roller|light|color|emeter|valve)/[0-9]{1,2}(/(power|energy|pos|status|state|total))?|shelly1-AABBCC/(online|sensor/(flood|gas|battery)|input_event/0))",
        prop_oneof![
            Just(r#"{"id":"x","mac":"AABBCCDDEEFF","model":"SHSW-1"}"#.to_owned()),
            Just(r#"{"ison":true,"mode":"color","red":1,"green":300,"blue":"x","gain":5,"brightness":1e999}"#.to_owned()),
            Just("79228162514264337593543950335".to_owned()),
            "(on|off|true|overpower|open|[0-9.-]{1,8})",
            any::<String>(),
        ]), 1..8))
    {
        let mut directory = Directory::default();
        for (topic, payload) in messages {
            take(&mut directory, &format!("shellies/{topic}"), payload.as_bytes());
        }
        for known in directory.devices() {
            for property in &known.properties {
                let target = CommandTarget { device: known.device.clone(), property: property.name.clone() };
                for value in [Value::Bool(true), Value::Number(50.into()), Value::Text("open".to_owned())] {
                    for out in order::encode(&Command { target: target.clone(), value }, &directory).iter().flatten() {
                        let is_below = out.topic.strip_prefix(&known.speaks[0]).is_some_and(|rest| rest.starts_with('/'));
                        prop_assert!(is_below, "{}", out.topic);
                        prop_assert!(is_command(&out.topic, &directory));
                    }
                }
            }
        }
    }
}
