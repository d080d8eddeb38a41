//! Tests of sealing, keys and the master key's file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use crate::*;

fn place<'a>(table: &'a str, row: &'a [u8], version: u16) -> Place<'a> {
    Place { table, row, version }
}

fn vault() -> (MasterKey, Vault, Vec<WrappedKey>) {
    let master = MasterKey::generate().unwrap();
    let (vault, wraps) = Vault::create(&master).unwrap();
    (master, vault, wraps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else(
        table in "[a-z]{1,12}", other in "[a-z]{1,12}",
        row in prop::collection::vec(any::<u8>(), 0..20), other_row in prop::collection::vec(any::<u8>(), 0..20),
        version in any::<u16>(), plain in prop::collection::vec(any::<u8>(), 0..300),
        cut in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
    ) {
        let (_, vault, _) = vault();
        let home = place(&table, &row, version);
        let blob = vault.seal(home, &plain).unwrap();
        prop_assert_eq!(&*vault.open_sealed(home, &blob).unwrap(), &plain);
        prop_assert_eq!(key_id_of(&blob), Some(1));

        if other != table {
            prop_assert_eq!(vault.open_sealed(place(&other, &row, version), &blob), Err(OpenError::Forged));
        }
        if other_row != row {
            prop_assert_eq!(vault.open_sealed(place(&table, &other_row, version), &blob), Err(OpenError::Forged));
        }
        prop_assert_eq!(vault.open_sealed(place(&table, &row, version ^ 1), &blob), Err(OpenError::Forged));
        prop_assert!(vault.open_sealed(home, &blob[..cut.index(blob.len())]).is_err());

        let mut flipped = blob.clone();
        let bit = bit.index(blob.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(vault.open_sealed(home, &flipped).is_err());
    }

    #[test]
    fn noise_is_an_error_and_not_a_panic(noise in prop::collection::vec(any::<u8>(), 0..80)) {
        let (_, vault, _) = vault();
        prop_assert!(vault.open_sealed(place("t", b"r", 1), &noise).is_err());
    }
}

#[test]
fn table_and_row_cannot_trade_bytes() {
    let (_, vault, _) = vault();
    let blob = vault.seal(place("ab", b"c", 1), b"x").unwrap();
    assert_eq!(vault.open_sealed(place("a", b"bc", 1), &blob), Err(OpenError::Forged));
}

#[test]
fn a_vault_opens_with_its_own_master_only() {
    let (master, vault, mut wraps) = vault();
    let home = place("t", b"r", 1);
    let blob = vault.seal(home, b"hello").unwrap();
    let again = Vault::open(&master, &wraps).unwrap();
    assert_eq!(&**again.open_sealed(home, &blob).unwrap(), b"hello");
    assert_eq!(again.keyed_hash("d", &[b"x"]), vault.keyed_hash("d", &[b"x"]));

    let stranger = MasterKey::generate().unwrap();
    assert_eq!(Vault::open(&stranger, &wraps).unwrap_err(), UnwrapError::WrongMaster);
    assert_eq!(Vault::open(&master, &[]).unwrap_err(), UnwrapError::Incomplete);
    assert_eq!(Vault::open(&master, &wraps[..1]).unwrap_err(), UnwrapError::Incomplete);
    *wraps[1].bytes.last_mut().unwrap() ^= 1;
    assert_eq!(Vault::open(&master, &wraps).unwrap_err(), UnwrapError::Damaged { key_id: 1 });
    wraps[1].bytes.truncate(9);
    assert_eq!(Vault::open(&master, &wraps).unwrap_err(), UnwrapError::Damaged { key_id: 1 });
}

#[test]
fn a_wrap_cannot_claim_to_be_another_key() {
    let (master, vault, mut wraps) = vault();
    let pending = vault.prepare_rotation(&master).unwrap();
    wraps.push(pending.wrapped().clone());
    wraps[1].key_id = 2;
    wraps[2].key_id = 1;
    assert_eq!(Vault::open(&master, &wraps).unwrap_err(), UnwrapError::Damaged { key_id: 2 });
}

#[test]
fn rotation_seals_with_the_new_key_and_opens_with_the_old() {
    let (master, vault, _) = vault();
    let home = place("t", b"r", 1);
    let old = vault.seal(home, b"old").unwrap();
    let hash = vault.keyed_hash("d", &[b"x"]);
    let pending = vault.prepare_rotation(&master).unwrap();
    assert_eq!(key_id_of(&vault.seal(home, b"x").unwrap()), Some(1), "not before its wrap is durable");
    vault.adopt(pending);
    let new = vault.seal(home, b"new").unwrap();
    assert_eq!((key_id_of(&old), key_id_of(&new)), (Some(1), Some(2)));
    assert_eq!(&**vault.open_sealed(home, &old).unwrap(), b"old");
    assert_eq!(vault.keyed_hash("d", &[b"x"]), hash);

    let other = MasterKey::generate().unwrap();
    let moved = Vault::open(&other, &vault.rewrap(&other).unwrap()).unwrap();
    assert_eq!(moved.current_key(), 2);
    assert_eq!(&**moved.open_sealed(home, &old).unwrap(), b"old");

    vault.retire(2);
    vault.retire(1);
    assert_eq!(vault.key_ids(), [2], "the current key stays");
    assert_eq!(vault.open_sealed(home, &old), Err(OpenError::UnknownKey(1)));
}

#[test]
fn a_key_wears_out() {
    let (_, vault, _) = vault();
    vault.note_seals(1, SEALS_LIMIT - 1);
    assert!(vault.seal(place("t", b"r", 1), b"last").is_ok());
    assert_eq!(vault.seal(place("t", b"r", 1), b"one too many"), Err(SealError::WornOut { key_id: 1 }));
    assert_eq!(vault.seals(1), SEALS_LIMIT + 1);
}

#[test]
fn credentials_verify_for_their_owner_only() {
    let (_, vault, _) = vault();
    let hash = vault.credential_hash("plug", "s3cret");
    assert!(vault.verify_credential("plug", "s3cret", &hash));
    assert!(!vault.verify_credential("plug", "s3creT", &hash));
    assert!(!vault.verify_credential("lamp", "s3cret", &hash));
}

#[test]
fn keyed_hashes_are_unambiguous() {
    let (_, vault, _) = vault();
    let hashes = [
        vault.keyed_hash("d", &[b"a", b"bc"]),
        vault.keyed_hash("d", &[b"ab", b"c"]),
        vault.keyed_hash("d", &[b"abc"]),
        vault.keyed_hash("da", &[b"bc"]),
    ];
    for (i, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..i].contains(hash));
    }
}

#[test]
fn a_key_file_is_written_once_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let key = MasterKey::create_file(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.len() == 65 && text.ends_with('\n'));
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), key.id());
    assert!(matches!(MasterKey::create_file(&path), Err(MasterError::Exists { .. })));
    assert_eq!(format!("{key:?}"), "MasterKey(***)");
}

#[test]
fn an_unfit_key_file_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let said = |content: &[u8], mode: u32| {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        MasterKey::from_file(&path).unwrap_err().to_string()
    };
    let good = [b'a'; 64];
    assert!(said(&good[..63], 0o600).contains("expected 64 hex digits and a line feed, found 63 bytes"));
    assert!(said(&[b'a'; 5000], 0o600).contains("expected 64 hex digits"));
    assert!(said(&[b'g'; 64], 0o600).contains("found other characters"));
    assert!(said(&[b'0'; 64], 0o600).contains("all zeroes"));
    assert!(said(b"", 0o600).contains("found 0 bytes"));
    for mode in [0o640, 0o604, 0o620] {
        assert!(said(&good, mode).contains("chmod 600"), "{mode:o}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(MasterKey::from_file(&path), Err(MasterError::Missing { .. })));
    std::fs::create_dir(&path).unwrap();
    assert!(MasterKey::from_file(&path).unwrap_err().to_string().contains("not a regular file"));
}

#[test]
fn a_passphrase_is_stretched_with_stored_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.kdf");
    let kdf = Kdf { memory_kib: 8 * 1024, passes: 1, lanes: 1, salt: [7; 16] };
    kdf.create_file(&path).unwrap();
    let read = Kdf::from_file(&path).unwrap();
    assert_eq!(read, kdf);
    let key = MasterKey::from_passphrase("домовой дремлет", &read).unwrap();
    assert_eq!(key.id(), MasterKey::from_passphrase("домовой дремлет", &kdf).unwrap().id());
    assert_ne!(key.id(), MasterKey::from_passphrase("домовой дремлеТ", &kdf).unwrap().id());
    let salted = Kdf { salt: [8; 16], ..kdf.clone() };
    assert_ne!(key.id(), MasterKey::from_passphrase("домовой дремлет", &salted).unwrap().id());

    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("memory_kib 8192", "memory_kib 64"),
        ("memory_kib 8192", "memory_kib 4294967295"),
        ("passes 1", "passes 0"),
        ("lanes 1", "lanes 99"),
        ("salt 07", "salt "),
        ("salt 07", "salt +7"),
        ("domovoi kdf", "somebody's kdf"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        assert!(matches!(Kdf::from_file(&path), Err(MasterError::Malformed { .. })), "{to}");
    }
}

#[test]
fn the_master_is_obtained_as_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    assert!(settings.key_lies_beside_the_data(folder.path()));
    assert!(matches!(settings.obtain(folder.path(), None, Absent::Refuse), Err(MasterError::Missing { .. })));
    let key = settings.obtain(folder.path(), None, Absent::Create).unwrap();
    assert_eq!(settings.obtain(folder.path(), None, Absent::Create).unwrap().id(), key.id());
    assert_eq!(settings.obtain(folder.path(), None, Absent::Refuse).unwrap().id(), key.id());

    let settings = Settings { master: MasterSource::Passphrase(PassphraseSource::Given) };
    assert!(settings.obtain(folder.path(), None, Absent::Create).unwrap_err().to_string().contains("nobody is there"));
    let phrase = Secret::new("correct horse".to_owned());
    let key = settings.obtain(folder.path(), Some(&phrase), Absent::Create).unwrap();
    assert_eq!(settings.obtain(folder.path(), Some(&phrase), Absent::Refuse).unwrap().id(), key.id());
    assert_eq!(format!("{phrase:?} {phrase}"), "*** ***");

    let settings = Settings { master: MasterSource::Passphrase(PassphraseSource::SystemdCredential("../x".into())) };
    assert!(settings.obtain(folder.path(), None, Absent::Refuse).unwrap_err().to_string().contains("plain file name"));
}

#[test]
fn a_cut_replacement_leaves_the_old_key_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let old = MasterKey::create_file(&path).unwrap();
    drop(Replacement::begin_file(&path).unwrap());
    assert!(folder.path().join("master.key.next").exists());
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), old.id());

    let replacement = Replacement::begin_file(&path).unwrap();
    let new = replacement.key().id();
    assert_eq!(replacement.finish().unwrap().id(), new);
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), new);
    assert_ne!(new, old.id());
    assert!(!folder.path().join("master.key.next").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_personal_part_opens_with_its_key_in_its_place(
        here in prop::collection::vec(any::<u8>(), 0..12), there in prop::collection::vec(any::<u8>(), 0..12),
        plain in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
    ) {
        let key = PersonalKey::generate().unwrap();
        let part = key.seal(&here, &plain).unwrap();
        prop_assert_eq!(&*key.open(&here, &part).unwrap(), &plain);
        let kept = PersonalKey::from_raw(zeroize::Zeroizing::new(*key.raw()));
        prop_assert_eq!(&*kept.open(&here, &part).unwrap(), &plain);
        if here != there {
            prop_assert_eq!(key.open(&there, &part), Err(OpenError::Forged));
        }
        prop_assert!(PersonalKey::generate().unwrap().open(&here, &part).is_err());
        prop_assert!(key.open(&here, &part[..cut.index(part.len())]).is_err());
        let mut spoilt = part.clone();
        let bit = bit.index(part.len() * 8);
        spoilt[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(key.open(&here, &spoilt).is_err());
        prop_assert_eq!(format!("{key:?}"), "PersonalKey(***)");
    }
}
