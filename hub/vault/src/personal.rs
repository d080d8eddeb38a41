//! A person's own key, under which a record that is kept for ever holds what is personal: without the key the record
//! stands, and the person is gone from it. Where the key is kept, and when it goes, is decided elsewhere.
//!
//! A part: `format u8 = 1 | nonce 12 bytes | ciphertext | tag 16 bytes`. The additional data are `"domovoi personal" |
//! format | len(place) u32 BE | place`.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use crate::seal::{OpenError, SealError};
use crate::{RandomError, random};

const FORMAT: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// A person's key.
pub struct PersonalKey {
    raw: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for PersonalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonalKey(***)")
    }
}

impl PersonalKey {
    /// A new one.
    pub fn generate() -> Result<Self, RandomError> {
        Ok(PersonalKey { raw: Zeroizing::new(random()?) })
    }

    /// From the bytes that were kept.
    pub fn from_raw(raw: Zeroizing<[u8; 32]>) -> Self {
        PersonalKey { raw }
    }

    /// The bytes to keep, sealed.
    pub fn raw(&self) -> &[u8; 32] {
        &self.raw
    }

    /// Encrypts a part for one place. It opens nowhere else.
    pub fn seal(&self, place: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE] = random()?;
        let aad = additional_data(place);
        let sealed = Aes256Gcm::new((&*self.raw).into())
            .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: &aad })
            .map_err(|_| SealError::TooLong)?;
        let mut part = Vec::with_capacity(1 + NONCE + sealed.len());
        part.push(FORMAT);
        part.extend_from_slice(&nonce);
        part.extend_from_slice(&sealed);
        Ok(part)
    }

    /// Opens a part of exactly this place.
    pub fn open(&self, place: &[u8], part: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, sealed) = match part.split_first() {
            Some((&FORMAT, rest)) => rest.split_first_chunk::<NONCE>().ok_or(OpenError::Truncated)?,
            _ => return Err(OpenError::Truncated),
        };
        if sealed.len() < TAG {
            return Err(OpenError::Truncated);
        }
        let aad = additional_data(place);
        Aes256Gcm::new((&*self.raw).into())
            .decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Forged)
    }
}

fn additional_data(place: &[u8]) -> Vec<u8> {
    let mut aad = b"domovoi personal".to_vec();
    aad.push(FORMAT);
    aad.extend_from_slice(&(place.len() as u32).to_be_bytes());
    aad.extend_from_slice(place);
    aad
}
