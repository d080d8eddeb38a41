//! Keys, seal, open, rotate: the only crate of the house that names a cipher.
//!
//! A 32-byte master key (a 0600 file, or a passphrase stretched with Argon2id) wraps random data keys; data keys seal
//! rows with AES-256-GCM; a key of its own makes the keyed hashes by which sealed rows are found. This crate decides
//! how bytes are sealed and nothing else: it does not know what a row means, where wraps are kept, or what time it is. What
//! leaves the house sealed for somebody else (a parcel, a push) is sealed here too.

mod kdf;
mod master;
mod parcel;
mod password;
mod personal;
mod push;
mod record;
mod replace;
mod seal;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod wrap;

pub use kdf::Kdf;
pub use master::{MasterError, MasterId, MasterKey};
pub use parcel::{Parcel, ParcelError, Recipient};
pub use password::{PasswordError, Passwords, Verdict};
pub use personal::PersonalKey;
pub use push::{PUSH_LIMIT, PushError, PushTarget};
pub use record::{DayKey, RECORD_SALT, RECORD_TAG, RecordError, RecordKey};
pub use replace::Replacement;
pub use seal::{OpenError, PendingKey, Place, SEALS_LIMIT, SEALS_WARNING, SealError, Vault, key_id_of};
pub use secret::Secret;
pub use settings::{Absent, MasterSource, PassphraseSource, Settings};
pub use wrap::{Purpose, UnwrapError, WrappedKey};

/// The operating system gave no random bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct RandomError(String);

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|error| RandomError(error.to_string()))?;
    Ok(bytes)
}
