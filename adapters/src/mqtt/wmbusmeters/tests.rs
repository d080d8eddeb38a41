//! What captures cannot say: that no telegram of any driver panics, and that a register keeps its digits whatever it is called.

use domovoi_model::{Moment, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Road;

fn take(directory: &mut Directory, payload: &[u8]) -> Option<Decoded> {
    let envelope = Envelope {
        road: Road::Embedded,
        sender: "test",
        topic: "wmbusmeters/x",
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
    fn no_telegram_panics(fields in prop::collection::vec(("[a-z_0-9]{1,20}(_m3|_kwh|_at_set_date_1_m3|_date|_c)?", "(null|true|-?[0-9]{1,30}(\\.[0-9]{1,9})?|\"[A-Z_ ]{0,20}\")"), 0..12), status in "[A-Z_ ]{0,30}") {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let comma = if fields.is_empty() { "" } else { "," };
        let payload = format!(r#"{{"id":"12345699","status":"{status}"{comma}{}}}"#, fields.join(","));
        let mut directory = Directory::default();
        take(&mut directory, payload.as_bytes());
        take(&mut directory, format!("[ALARM {status}").as_bytes());
    }

    #[test]
    fn a_register_keeps_its_digits(whole in any::<u32>(), fraction in 0u32..100_000, what in "(total|target|consumption_at_history_1|foo_bar)") {
        let text = format!("{whole}.{fraction:05}");
        let payload = format!(r#"{{"_":"telegram","id":"12345699","{what}_m3":{text}}}"#);
        let said = take(&mut Directory::default(), payload.as_bytes()).unwrap();
        prop_assert_eq!(said.observations[0].value.to_string(), text);
        prop_assert_eq!(said.observations[0].unit, domovoi_model::Unit::CubicMetre);
    }
}
