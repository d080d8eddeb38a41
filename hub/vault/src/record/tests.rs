//! Tests of the record sealer: a known answer made by other code, and every way to move a record.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::*;
use crate::MasterKey;

fn day(byte: u8) -> DayKey {
    DayKey::from_raw(Zeroizing::new([byte; 32]))
}

fn key(day_byte: u8, salt: u8, heading: &[u8]) -> RecordKey {
    RecordKey::derive(&day(day_byte), &[salt; 32], heading)
}

fn sealed(key: &RecordKey, position: u32, last: bool, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    key.seal(position, last, aad, &mut buffer, 0).unwrap();
    buffer
}

fn opened(key: &RecordKey, position: u32, last: bool, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut buffer = sealed.to_vec();
    key.open(position, last, aad, &mut buffer, 0)?;
    Ok(buffer)
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// RFC 5869 and the STREAM nonce written out by hand, so that neither crate's change of mind passes unseen.
#[test]
fn a_record_is_what_the_format_says_it_is() {
    let heading = b"the clear heading of a file";
    let prk = hmac(&[9; 32], &[&[7; 32]]);
    let first = hmac(&prk, &[b"rec1", heading, &[1]]);
    let second = hmac(&prk, &[&first, b"rec1", heading, &[2]]);
    let mut nonce = [0u8; 12];
    nonce[..7].copy_from_slice(&second[..7]);
    nonce[7..11].copy_from_slice(&258u32.to_be_bytes());
    nonce[11] = 1;
    let mut aad = Sha256::digest(heading).to_vec();
    aad.extend_from_slice(b"kind");
    let expected =
        Aes256Gcm::new(&first.into()).encrypt(&Nonce::from(nonce), Payload { msg: b"a fragment", aad: &aad }).unwrap();

    let key = key(7, 9, heading);
    assert_eq!(sealed(&key, 258, true, b"kind", b"a fragment"), expected);
    assert_eq!(opened(&key, 258, true, b"kind", &expected).unwrap(), b"a fragment");
}

/// Bytes, so that files written today open under every later build.
#[test]
fn the_known_answer() {
    let key = key(1, 2, b"heading");
    let bytes = sealed(&key, 0, false, b"\0", b"domovoi");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "6e57e651489fca3830ae768149607de76bab614ab93576");
}

#[test]
fn what_stands_before_the_record_stays_clear() {
    let key = key(1, 2, b"h");
    let mut buffer = b"clearplain".to_vec();
    key.seal(3, false, b"", &mut buffer, 5).unwrap();
    assert_eq!(&buffer[..5], b"clear");
    assert_eq!(buffer.len(), 5 + 5 + RECORD_TAG);
    key.open(3, false, b"", &mut buffer, 5).unwrap();
    assert_eq!(buffer, b"clearplain");

    assert_eq!(key.seal(3, false, b"", &mut buffer, 11), Err(RecordError::Truncated));
    let mut forged = b"clear, and then something that was never sealed".to_vec();
    assert_eq!(key.open(3, false, b"", &mut forged, 5), Err(RecordError::Forged));
    assert_eq!(forged, b"clear", "nothing unverified is left to read");
}

#[test]
fn a_day_key_opens_from_its_own_row_only() {
    let master = MasterKey::generate().unwrap();
    let (vault, _) = Vault::create(&master).unwrap();
    let place = |row: &'static [u8]| Place { table: "camera_days", row, version: 1 };
    let key = DayKey::generate().unwrap();
    let wrap = key.wrap(&vault, place(b"1")).unwrap();
    let again = DayKey::unwrap(&vault, place(b"1"), &wrap).unwrap();
    assert_eq!(*again.raw, *key.raw);
    assert_eq!(DayKey::unwrap(&vault, place(b"2"), &wrap).unwrap_err(), OpenError::Forged);
    let short = vault.seal(place(b"1"), &[1; 31]).unwrap();
    assert_eq!(DayKey::unwrap(&vault, place(b"1"), &short).unwrap_err(), OpenError::Truncated);
    assert_eq!(format!("{key:?} {:?}", RecordKey::derive(&key, &[0; 32], b"")), "DayKey(***) RecordKey(***)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_record_opens_at_its_place_and_nowhere_else(
        plain in prop::collection::vec(any::<u8>(), 0..200), aad in prop::collection::vec(any::<u8>(), 0..8),
        position in any::<u32>(), other in any::<u32>(), last in any::<bool>(),
        cut in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
    ) {
        let home = key(1, 1, b"heading");
        let record = sealed(&home, position, last, &aad, &plain);
        prop_assert_eq!(opened(&home, position, last, &aad, &record), Ok(plain.clone()));
        // Reordered; the last as a middle one and the other way round; other words about it.
        prop_assert!(other == position || opened(&home, other, last, &aad, &record).is_err());
        prop_assert!(opened(&home, position, !last, &aad, &record).is_err());
        let mut words = aad.clone();
        words.push(0);
        prop_assert!(opened(&home, position, last, &words, &record).is_err());
        // Spliced into another file: of another day, another salt, another heading.
        for foreign in [key(2, 1, b"heading"), key(1, 2, b"heading"), key(1, 1, b"headinh")] {
            prop_assert!(opened(&foreign, position, last, &aad, &record).is_err());
        }
        // Cut and flipped.
        prop_assert!(opened(&home, position, last, &aad, &record[..cut.index(record.len())]).is_err());
        let bit = bit.index(record.len() * 8);
        let mut flipped = record;
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(opened(&home, position, last, &aad, &flipped).is_err());
    }

    #[test]
    fn two_places_never_look_alike(a in any::<u32>(), b in any::<u32>()) {
        let home = key(1, 1, b"heading");
        prop_assert!(a == b || sealed(&home, a, false, b"", b"same") != sealed(&home, b, false, b"", b"same"));
        prop_assert!(sealed(&home, a, false, b"", b"same") != sealed(&home, a, true, b"", b"same"));
    }
}
