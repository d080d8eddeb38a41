//! What captures cannot say: that no description of any making panics, and that words in any order mean the same.

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
    fn no_description_panics(
        datatype in "(integer|float|boolean|enum|color|json|percent|x)?",
        format in "[0-9:.,a-z-]{0,16}",
        unit in ".{0,30}",
        values in prop::collection::vec("([0-9.,eE+-]{0,40}|true|rgb,[0-9]{1,4},[0-9]{1,4},[0-9]{1,4}|.{0,10})", 0..4),
    ) {
        let mut directory = Directory::default();
        let quoted = json::quoted(&unit);
        let description = format!(
            r#"{{"homie":"5.0","nodes":{{"n":{{"properties":{{"p":{{"datatype":"{datatype}","format":"{format}","unit":{quoted},"settable":true}}}}}}}}}}"#
        );
        take(&mut directory, "homie/5/d/$description", description.as_bytes());
        take(&mut directory, "homie/d4/n/p/$datatype", datatype.as_bytes());
        take(&mut directory, "homie/d4/n/p/$format", format.as_bytes());
        for value in values {
            for topic in ["homie/5/d/n/p", "homie/5/d/n/p/$target", "homie/d4/n/p", "homie/d4/$state", "homie/5/d/$alert/x"] {
                take(&mut directory, topic, value.as_bytes());
            }
        }
    }

    #[test]
    fn words_in_any_order_mean_the_same(order in Just(vec![0usize, 1, 2, 3, 4]).prop_shuffle()) {
        let words = [
            ("homie/d/n/p/$datatype", "float"),
            ("homie/d/n/p/$unit", "m³"),
            ("homie/d/n/p/$settable", "true"),
            ("homie/d/n/p/$format", "0:100"),
            ("homie/d/n/p/$name", "Вода"),
        ];
        let mut directory = Directory::default();
        for at in order {
            take(&mut directory, words[at].0, words[at].1.as_bytes());
        }
        let known = directory.known(&DeviceRef::new(NAME, "d")).unwrap();
        prop_assert_eq!(&known.listens, &["homie/d/n/p/set"]);
        let info = known.property("n/p").unwrap();
        prop_assert_eq!((info.unit, info.writable, info.label.as_deref()), (domovoi_model::Unit::CubicMetre, true, Some("Вода")));
    }
}
