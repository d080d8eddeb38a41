//! What captures cannot say: that no tree of any making panics, and that a value means the same before its type and after.

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
    fn no_tree_panics(
        messages in prop::collection::vec((
            "/devices/(a|wb-mwac_1)/(meta|meta/error|controls/(x|F1)(/meta(/(type|error|units|min|readonly))?)?)",
            prop_oneof![
                Just(r#"{"type":"switch","readonly":false,"title":{"ru":"Р"}}"#.to_owned()),
                Just(r#"{"type":"value","units":"m^3","min":-1e28,"precision":1e-28,"enum":{"1":"a","x":{"en":"b"}}}"#.to_owned()),
                Just(r#"{"type":"rgb","error":"rwp"}"#.to_owned()),
                "[0-9rwp;.eE+-]{0,12}",
                any::<String>(),
            ]), 1..12),
    ) {
        let mut directory = Directory::default();
        for (topic, payload) in messages {
            take(&mut directory, &topic, payload.as_bytes());
        }
    }

    #[test]
    fn a_value_means_the_same_before_its_type_and_after(whole in 0u32..1_000_000, fraction in 0u32..1000) {
        let (topic, meta) = ("/devices/m/controls/t", r#"{"type":"water_consumption"}"#);
        let text = format!("{whole}.{fraction:03}");
        let values = |first: (&str, &str), second: (&str, &str)| {
            let mut directory = Directory::default();
            let mut out = Vec::new();
            for (topic, payload) in [first, second] {
                out.extend(take(&mut directory, topic, payload.as_bytes()).unwrap().observations);
            }
            out
        };
        let meta_topic = format!("{topic}/meta");
        let before = values((topic, &text), (&meta_topic, meta));
        prop_assert_eq!(&before, &values((&meta_topic, meta), (topic, &text)));
        prop_assert_eq!(before[0].value.to_string(), text);
    }
}
