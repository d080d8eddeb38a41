//! What captures cannot say: that nothing of any making panics, and that a command is said below the inverter's own topic.

use domovoi_model::{CommandTarget, Moment, Timestamp};
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
    fn nothing_panics(messages in prop::collection::vec((
        "solar/(dtu/(status|uptime)|ac/power|116180123456/([0-9]{1,3}/(power|yieldtotal|name)|status/[a-z_]{1,16}|name))",
        "(online|1|0|[0-9.-]{1,40}|.{0,8})",
    ), 1..10), value in any::<i64>()) {
        let mut directory = Directory::default();
        for (topic, payload) in messages {
            take(&mut directory, &topic, payload.as_bytes());
        }
        let device = DeviceRef::new(NAME, "116180123456");
        for property in ["producing", "limit_relative", "limit_absolute", "0.power"] {
            for value in [Value::Bool(true), Value::Number(value.into())] {
                let target = CommandTarget { device: device.clone(), property: property.to_owned() };
                for out in encode(&Command { target, value }, &directory).iter().flatten() {
                    prop_assert!(is_command(&out.topic, &directory), "{}", out.topic);
                }
            }
        }
    }
}
