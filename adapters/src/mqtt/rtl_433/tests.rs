//! What captures cannot say: that no event of any making panics, and that everything that is said is marked as overheard.

use domovoi_model::{Moment, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Road;

fn take(directory: &mut Directory, payload: &[u8]) -> Option<Decoded> {
    let envelope = Envelope {
        road: Road::Embedded,
        sender: "test",
        topic: "rtl_433/pi/events",
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
    fn no_event_panics(
        model in "(Wireless-MBus|Acurite|Дом|.{0,8})",
        data in "[0-9A-F]{0,60}",
        fields in prop::collection::vec(("(battery_ok|tamper|temperature_C|leak|consumption_data|[a-z_]{1,10})", "(null|true|[0-9.e-]{1,8}|\"[a-z]{0,6}\"|\\[1\\])"), 0..8),
    ) {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect();
        let payload = format!(r#"{{"model":{},"id":7,"data":"{data}"{}}}"#, json::quoted(&model), fields.concat());
        let mut directory = Directory::default();
        take(&mut directory, payload.as_bytes());
        for known in directory.devices() {
            let measured = known.properties.iter().filter(|info| info.warning.is_none());
            for info in measured {
                prop_assert_eq!(info.hearsay, Some(Hearsay::Overheard), "{}", &info.name);
            }
        }
    }
}
