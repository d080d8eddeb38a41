//! What captures cannot say: that no notification of any making panics, and that a register keeps its digits.

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

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "-3.5",
        "null",
        "true",
        "\"open\"",
        "[1,2,3]",
        "[\"overtemp\"]",
        "1e999",
        "79228162514264337593543950335",
        "\"\\u0007\"",
    ]);
    let key = prop::sample::select(vec![
        "output",
        "aenergy",
        "total",
        "apower",
        "rgb",
        "errors",
        "state",
        "events",
        "component",
        "event",
        "ts",
        "id",
        "name",
        "switch:0",
        "cover:1",
        "rgb:0",
        "em:0",
        "input:2",
        "flood:0",
        "sys",
        "a_voltage",
        "temperature",
        "tC",
        "xcounts",
        "unit",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 32, 6, move |inner| {
        prop::collection::vec((key.clone(), inner), 0..6).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    })
}

proptest! {
    #[test]
    fn no_message_panics(messages in prop::collection::vec((
        prop::sample::select(vec!["NotifyStatus", "NotifyFullStatus", "NotifyEvent", "result", "Other"]), json_value(),
    ), 1..8)) {
        let mut directory = Directory::default();
        for (method, value) in messages {
            let payload = match method {
                "result" => format!(r#"{{"id":1,"src":"shellyplus1-a8032ab12345","dst":"x","result":{value}}}"#),
                method => format!(r#"{{"src":"shellyplus1-a8032ab12345","method":"{method}","params":{value}}}"#),
            };
            take(&mut directory, "garden/events/rpc", payload.as_bytes());
            take(&mut directory, "shellyplus1-a8032ab12345/events/rpc", payload.as_bytes());
            take(&mut directory, "shellyplus1-a8032ab12345/status/cover:0", value.as_bytes());
        }
        let known = directory.known(&DeviceRef::new(NAME, "A8032AB12345")).cloned();
        for property in known.iter().flat_map(|known| &known.properties) {
            let target = CommandTarget { device: DeviceRef::new(NAME, "A8032AB12345"), property: property.name.clone() };
            for value in [Value::Bool(true), Value::Number(rust_decimal::Decimal::MAX), Value::Text("open".to_owned())] {
                for out in order::encode(&Command { target: target.clone(), value }, &directory).iter().flatten() {
                    prop_assert!(json::document(&out.payload, MAX_PAYLOAD).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_register_keeps_its_digits(whole in any::<u32>(), fraction in 0u32..1000) {
        let text = format!("{whole}.{fraction:03}");
        let payload = format!(
            r#"{{"src":"shellypro3em-a8032ab12345","method":"NotifyStatus","params":{{"emdata:0":{{"id":0,"total_act":{text}}}}}}}"#
        );
        let said = take(&mut Directory::default(), "shellypro3em-a8032ab12345/events/rpc", payload.as_bytes()).unwrap();
        prop_assert_eq!(said.observations[0].value.to_string(), text);
    }
}
