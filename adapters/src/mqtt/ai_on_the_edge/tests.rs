//! What captures cannot say: that nothing of any making panics, and that a value with an error is never good.

use domovoi_model::{Moment, Timestamp};
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
    fn nothing_panics(messages in prop::collection::vec(("watermeter/(MAC|Connection|Uptime|[a-zа-я]{1,4}/(value|raw|error|json))", prop_oneof![
        Just("AA:BB:CC:DD:EE:FF".to_owned()),
        Just(r#"{"value":"1.5","error":"x","rate":1e999,"raw":null}"#.to_owned()),
        ".{0,20}",
    ]), 1..8)) {
        let mut directory = Directory::default();
        for (topic, payload) in messages {
            take(&mut directory, &topic, payload.as_bytes());
        }
    }

    #[test]
    fn with_an_error_no_value_is_good(error in "[A-Za-z. ]{1,20}", value in 0u32..100_000) {
        prop_assume!(!error.trim().is_empty() && !error.trim().eq_ignore_ascii_case(NO_ERROR));
        let payload = format!(r#"{{"value":"{value}","error":"{error}"}}"#);
        let said = take(&mut Directory::default(), "watermeter/main/json", payload.as_bytes()).unwrap();
        let is_good = |one: &domovoi_model::Observation| one.value.number().is_some() && one.quality == Quality::Good;
        prop_assert!(!said.observations.iter().any(is_good));
    }
}
