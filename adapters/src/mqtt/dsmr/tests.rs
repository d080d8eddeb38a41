//! What captures cannot say: that no telegram of any making panics, and that one wrong bit of it is noticed.

use domovoi_model::{Moment, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Road;

const BODY: &str = "/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(261121222640W)\r\n0-0:96.1.1(4530303433)\r\n1-0:1.8.1(001234.567*kWh)\r\n!";

fn take(directory: &mut Directory, payload: &[u8]) -> Option<Result<Decoded, DecodeError>> {
    let envelope = Envelope {
        road: Road::Embedded,
        sender: "test",
        topic: "dsmr/telegram",
        payload,
        retained: false,
        received_at: Moment::Wall(Timestamp(1_795_300_000_000)),
    };
    let claimed = claim(&envelope, directory)?;
    Some(decode(&claimed, &envelope, directory))
}

proptest! {
    #[test]
    fn no_telegram_panics(lines in prop::collection::vec("(0|1)-[0-9]:[0-9.]{1,8}(\\([0-9WS*kWhm3.]{0,14}\\)){0,2}", 0..20), tail in ".{0,6}") {
        let body = format!("/X\r\n{}\r\n!", lines.join("\r\n"));
        let _ = take(&mut Directory::default(), telegram::with_checksum(&body).as_bytes());
        let _ = take(&mut Directory::default(), format!("{body}{tail}").as_bytes());
        let _ = take(&mut Directory::default(), body.get(..body.len() / 2).unwrap_or("/").as_bytes());
    }

    #[test]
    fn a_wrong_bit_is_noticed(at in 1usize..BODY.len() - 1, bit in 0u8..7) {
        let mut bytes = telegram::with_checksum(BODY).into_bytes();
        bytes[at] ^= 1 << bit;
        let said = take(&mut Directory::default(), &bytes).map(|said| said.map(|said| said.observations));
        let is_reading = matches!(&said, Some(Ok(said)) if said.iter().any(|one| one.value.number().is_some()));
        // A line's end that another program would have written is mended, and nothing else.
        prop_assert!(!is_reading || matches!(bytes[at], b'\n' | b'\r'));
    }
}

#[test]
fn a_telegram_with_its_checksum_is_read() {
    let said = take(&mut Directory::default(), telegram::with_checksum(BODY).as_bytes()).unwrap().unwrap();
    assert_eq!(said.observations[0].value.to_string(), "1234.567");
    assert_eq!(said.announcements[0].device.id, "E0043");
}
