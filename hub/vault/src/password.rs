//! What people choose: passwords and PINs, kept as Argon2id in PHC strings. A pepper that is derived from the vault's
//! index key goes into each evaluation, so that a stolen database without the master key allows no guessing at all,
//! not even of a four-digit PIN.
//!
//! What makes a good password, how many tries there are and how many evaluations may run at a time is decided
//! elsewhere. The index key never changes, so a rotation of data keys leaves every password good.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::seal::Vault;
use crate::{RandomError, random};

/// More than OWASP's least (19 MiB, 2 passes): 32 MiB and 3 passes take some 200 ms on one core of a Pi 4, and two at a
/// time hold 64 MiB of a machine that may have 1 GB. RFC 9106's 64 MiB are for the master key's passphrase, which is
/// stretched once per start. One lane, because the other cores have a home to run.
const MEMORY_KIB: u32 = 32 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// A stored string that asks for more than this was not written here: it is refused before it takes the memory.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 4;

/// A salt for the evaluation that only takes time.
const NOBODY: &[u8; 16] = b"nobody has this!";

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// No random bytes for the salt.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Argon2 itself, in words; the memory was not to be had, for example.
    #[error("the password could not be hashed: {0}")]
    Argon2(String),
}

/// What a guess is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right {
        /// It was hashed with other parameters than today's: hash it again while it is known.
        renew: bool,
    },
    /// It is not, or there is none.
    Wrong,
}

/// Hashes and verifies what people choose. Cheap to clone; each evaluation takes 32 MiB and a good part of a second.
#[derive(Clone)]
pub struct Passwords {
    pepper: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(***)")
    }
}

impl Vault {
    /// The hasher of what people choose, with this vault's pepper.
    pub fn passwords(&self) -> Passwords {
        Passwords { pepper: Zeroizing::new(self.keyed_hash("password.pepper", &[])) }
    }
}

impl Passwords {
    /// A PHC string with a fresh salt. The caller has normalised the text and judged it.
    pub fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let salt: [u8; 16] = random()?;
        let hash: PasswordHash =
            self.argon2()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(in_words)?;
        Ok(hash.to_string())
    }

    /// Compares in constant time. Where there is nothing to compare with (`None`, or a string that is none of ours), the
    /// same work is done for nothing, so that time does not tell who has a password.
    pub fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict, PasswordError> {
        let argon2 = self.argon2()?;
        let Some(kept) = kept.and_then(|text| PasswordHash::new(text).ok()).filter(is_ours) else {
            let mut out = Zeroizing::new([0u8; 32]);
            argon2.hash_password_into(password.as_bytes(), NOBODY, &mut *out).map_err(in_words)?;
            std::hint::black_box(&*out);
            return Ok(Verdict::Wrong);
        };
        match argon2.verify_password(password.as_bytes(), &kept) {
            Ok(()) => Ok(Verdict::Right { renew: parameters(&kept) != Some((MEMORY_KIB, PASSES, LANES)) }),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(why) => Err(in_words(why)),
        }
    }

    fn argon2(&self) -> Result<Argon2<'_>, PasswordError> {
        self.argon2_with(MEMORY_KIB, PASSES)
    }

    fn argon2_with(&self, memory_kib: u32, passes: u32) -> Result<Argon2<'_>, PasswordError> {
        let params = Params::new(memory_kib, passes, LANES, Some(32)).map_err(in_words)?;
        Argon2::new_with_secret(&*self.pepper, Algorithm::Argon2id, Version::V0x13, params).map_err(in_words)
    }
}

fn in_words(why: impl std::fmt::Display) -> PasswordError {
    PasswordError::Argon2(why.to_string())
}

fn parameters(hash: &PasswordHash) -> Option<(u32, u32, u32)> {
    let number = |name: &str| hash.params.get_decimal(name);
    Some((number("m")?, number("t")?, number("p")?))
}

fn is_ours(hash: &PasswordHash) -> bool {
    let modest = |(memory_kib, passes, lanes): (u32, u32, u32)| {
        memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX
    };
    hash.algorithm.as_str() == "argon2id" && hash.hash.is_some() && parameters(hash).is_some_and(modest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MasterKey;

    fn passwords() -> Passwords {
        Vault::create(&MasterKey::generate().unwrap()).unwrap().0.passwords()
    }

    #[test]
    fn a_password_verifies_and_another_does_not() {
        let passwords = passwords();
        let kept = passwords.hash("верный конь и батарейка").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=32768,t=3,p=1$"), "{kept}");
        assert_eq!(passwords.verify("верный конь и батарейка", Some(&kept)), Ok(Verdict::Right { renew: false }));
        assert_eq!(passwords.verify("верный конь и батарейкА", Some(&kept)), Ok(Verdict::Wrong));
        assert_eq!(passwords.verify("верный конь и батарейка", None), Ok(Verdict::Wrong));
        assert_ne!(kept, passwords.hash("верный конь и батарейка").unwrap(), "each has a salt of its own");
    }

    #[test]
    fn a_hash_is_worthless_under_another_pepper() {
        let kept = passwords().hash("1379").unwrap();
        assert_eq!(passwords().verify("1379", Some(&kept)), Ok(Verdict::Wrong));
    }

    #[test]
    fn older_parameters_are_good_and_to_be_renewed() {
        let passwords = passwords();
        let old: PasswordHash =
            passwords.argon2_with(8 * 1024, 1).unwrap().hash_password_with_salt(b"old", b"sixteen bytes ok").unwrap();
        assert_eq!(passwords.verify("old", Some(&old.to_string())), Ok(Verdict::Right { renew: true }));
        assert_eq!(passwords.verify("new", Some(&old.to_string())), Ok(Verdict::Wrong));
    }

    #[test]
    fn a_stored_string_cannot_ask_for_the_whole_machine() {
        let greedy =
            "$argon2id$v=19$m=4194304,t=3,p=1$c2l4dGVlbiBieXRlcyBvaw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(!is_ours(&PasswordHash::new(greedy).unwrap()));
        let other = "$argon2d$v=19$m=8192,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(!is_ours(&PasswordHash::new(other).unwrap()));
        assert_eq!(passwords().verify("x", Some(greedy)), Ok(Verdict::Wrong));
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", passwords()), "Passwords(***)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn noise_in_the_store_is_a_wrong_password(noise in "\\$?argon2id\\$?[ -~]{0,80}") {
            prop_assert_eq!(passwords().verify("x", Some(&noise)), Ok(Verdict::Wrong));
        }
    }
}
