//! Seals the records of a file that grows: each record opens alone, and only at its own place in its own file.
//!
//! STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over the house's AEAD: the nonce is `prefix 7 bytes | position u32
//! BE | last u8`, so that a record moved, spliced in from another file, or passed off as the last one does not open. The
//! key and the prefix are of that one file: `HKDF-SHA256(ikm = day key, salt, info = "rec1" | heading)`, 39 bytes; the
//! counter can therefore never meet the same key twice, and whoever destroys a day key destroys that day, wherever copies
//! of its files lie. The additional data are `SHA-256(heading) | what the caller adds`.
//!
//! It does not write files, does not know what a record holds, and keeps no day key: it wraps one for the store.

use std::fmt;

use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use aes_gcm::aead::{Buffer, Error as CipherError};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::seal::{OpenError, Place, SealError, Vault};
use crate::{RandomError, random};

/// Bytes by which a sealed record is longer than what is in it.
pub const RECORD_TAG: usize = 16;

/// A file's salt.
pub const RECORD_SALT: usize = 32;

/// Separates these keys from whatever else may one day be derived of a day key.
const DOMAIN: &[u8] = b"rec1";

const PREFIX: usize = 7;

/// The key of one camera's day. Destroying every copy of its wrap makes that day unreadable and nothing else.
#[derive(Clone)]
pub struct DayKey {
    raw: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DayKey(***)")
    }
}

impl DayKey {
    /// A new one.
    pub fn generate() -> Result<Self, RandomError> {
        Ok(DayKey { raw: Zeroizing::new(random()?) })
    }

    /// From bytes that were kept elsewhere than in a wrap.
    pub fn from_raw(raw: Zeroizing<[u8; 32]>) -> Self {
        DayKey { raw }
    }

    /// What to keep: the key sealed for one row of the store.
    pub fn wrap(&self, vault: &Vault, place: Place<'_>) -> Result<Vec<u8>, SealError> {
        vault.seal(place, &*self.raw)
    }

    /// The key of a wrap.
    pub fn unwrap(vault: &Vault, place: Place<'_>, wrap: &[u8]) -> Result<Self, OpenError> {
        let opened = vault.open_sealed(place, wrap)?;
        let raw = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| OpenError::Truncated)?;
        Ok(DayKey { raw: Zeroizing::new(raw) })
    }
}

/// Why a record was not sealed or not opened. It does not say which of the ways to be wrong it was: the cipher cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Shorter than a tag, or `from` lies beyond the buffer.
    #[error("the record is cut short")]
    Truncated,
    /// Changed, moved, of another file, or another day's key.
    #[error("the record was changed, moved, or sealed under another key")]
    Forged,
    /// Longer than the cipher seals at once.
    #[error("the record is longer than can be sealed at once")]
    TooLong,
}

/// The key of one file. It seals and opens any record, in any order; two records must never be sealed at one `position`
/// with the same `last`.
pub struct RecordKey {
    stream: StreamBE32<Aes256Gcm>,
    bound: [u8; 32],
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(***)")
    }
}

impl RecordKey {
    /// The key of the file with this salt and this heading, the clear bytes it begins with. Salts are random: two files
    /// with the same salt and heading would share a key.
    pub fn derive(day: &DayKey, salt: &[u8; RECORD_SALT], heading: &[u8]) -> Self {
        let mut okm = Zeroizing::new([0u8; 32 + PREFIX]);
        #[expect(clippy::expect_used, reason = "RFC 5869 section 2.3 refuses more than 255 × 32 bytes only")]
        Hkdf::<Sha256>::new(Some(salt), &*day.raw)
            .expand_multi_info(&[DOMAIN, heading], &mut *okm)
            .expect("39 bytes are within HKDF's limit");
        let mut key = Zeroizing::new([0u8; 32]);
        let mut prefix = [0u8; PREFIX];
        let (head, tail) = okm.split_at(32);
        key.copy_from_slice(head);
        prefix.copy_from_slice(tail);
        let stream = StreamBE32::from_aead(Aes256Gcm::new((&*key).into()), &prefix.into());
        RecordKey { stream, bound: Sha256::digest(heading).into() }
    }

    /// Seals `buffer[from..]` in place and appends the tag; what stands before `from` stays clear and is bound only as
    /// far as `aad` says it.
    pub fn seal(
        &self,
        position: u32,
        last: bool,
        aad: &[u8],
        buffer: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), RecordError> {
        if from > buffer.len() {
            return Err(RecordError::Truncated);
        }
        let bound = self.bind(aad);
        self.stream
            .encrypt_in_place(position, last, &bound, &mut Tail { buffer, from })
            .map_err(|_| RecordError::TooLong)
    }

    /// Opens `buffer[from..]` in place and cuts the tag off. After an error the buffer holds nothing to be read.
    pub fn open(
        &self,
        position: u32,
        last: bool,
        aad: &[u8],
        buffer: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), RecordError> {
        if buffer.len().checked_sub(from).is_none_or(|sealed| sealed < RECORD_TAG) {
            return Err(RecordError::Truncated);
        }
        let bound = self.bind(aad);
        self.stream.decrypt_in_place(position, last, &bound, &mut Tail { buffer, from }).map_err(|_| {
            buffer.truncate(from);
            RecordError::Forged
        })
    }

    fn bind(&self, aad: &[u8]) -> Vec<u8> {
        let mut bound = Vec::with_capacity(self.bound.len() + aad.len());
        bound.extend_from_slice(&self.bound);
        bound.extend_from_slice(aad);
        bound
    }
}

/// The part of a buffer from an offset on, so that a record is sealed where its file's framing already stands before it.
struct Tail<'a> {
    buffer: &'a mut Vec<u8>,
    from: usize,
}

impl AsRef<[u8]> for Tail<'_> {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(self.from..).unwrap_or_default()
    }
}

impl AsMut<[u8]> for Tail<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.from..).unwrap_or_default()
    }
}

impl Buffer for Tail<'_> {
    fn extend_from_slice(&mut self, other: &[u8]) -> Result<(), CipherError> {
        self.buffer.extend_from_slice(other);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.buffer.truncate(self.from.saturating_add(len));
    }
}

#[cfg(test)]
mod tests;
