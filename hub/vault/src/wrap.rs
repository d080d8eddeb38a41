//! Data keys at rest: wrapped by the master key with AES-256-GCM, the wrap bound to what it claims to be.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use crate::master::{MasterId, MasterKey};
use crate::random;
use crate::seal::SealError;

const WRAP_FORMAT: u8 = 1;

/// What a data key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Seals rows. Rotation makes a new one.
    Data,
    /// Makes keyed hashes. There is one for the life of the store: a new one would lose every row that is found by one.
    Index,
}

impl Purpose {
    /// For the column that names it.
    pub fn code(self) -> u8 {
        match self {
            Purpose::Data => 0,
            Purpose::Index => 1,
        }
    }

    /// Reads what `code` wrote.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Purpose::Data),
            1 => Some(Purpose::Index),
            _ => None,
        }
    }
}

/// A data key as it is kept: useless without the master it names.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key.
    pub key_id: u32,
    /// Which master opens this wrap.
    pub master_id: MasterId,
    /// What the key is for.
    pub purpose: Purpose,
    /// Format byte, 12 bytes of nonce, 32 bytes of key and 16 bytes of tag, the last two sealed.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({:?} key {} under {:02x?})", self.purpose, self.key_id, self.master_id)
    }
}

/// Why the vault stays shut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// Everything is wrapped under other masters.
    #[error("this master key is not the one that the store was sealed with: look for the right key file or passphrase")]
    WrongMaster,
    /// There are no keys at all, or one of the two kinds is missing.
    #[error("the store's key table is incomplete: restore the store from a backup")]
    Incomplete,
    /// A wrap under this very master does not open.
    #[error("the wrapped key {key_id} is damaged: restore the store from a backup")]
    Damaged {
        /// Which one.
        key_id: u32,
    },
}

fn aad(key_id: u32, master_id: MasterId, purpose: Purpose) -> Vec<u8> {
    let mut aad = b"domovoi wrap".to_vec();
    aad.push(WRAP_FORMAT);
    aad.push(purpose.code());
    aad.extend_from_slice(&key_id.to_be_bytes());
    aad.extend_from_slice(&master_id);
    aad
}

pub(crate) fn wrap(master: &MasterKey, key_id: u32, purpose: Purpose, key: &[u8; 32]) -> Result<WrappedKey, SealError> {
    let master_id = master.id();
    let nonce: [u8; 12] = random()?;
    let aad = aad(key_id, master_id, purpose);
    let sealed = Aes256Gcm::new((&*master.wrapping_key()).into())
        .encrypt(&Nonce::from(nonce), Payload { msg: key, aad: &aad })
        .map_err(|_| SealError::TooLong)?;
    let mut bytes = vec![WRAP_FORMAT];
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&sealed);
    Ok(WrappedKey { key_id, master_id, purpose, bytes })
}

pub(crate) fn unwrap(master: &MasterKey, wrapped: &WrappedKey) -> Result<Zeroizing<[u8; 32]>, UnwrapError> {
    let damaged = UnwrapError::Damaged { key_id: wrapped.key_id };
    let Some((&[format], rest)) = wrapped.bytes.split_first_chunk::<1>() else { return Err(damaged) };
    let Some((nonce, sealed)) = rest.split_first_chunk::<12>() else { return Err(damaged) };
    if format != WRAP_FORMAT {
        return Err(damaged);
    }
    let aad = aad(wrapped.key_id, wrapped.master_id, wrapped.purpose);
    let opened = Aes256Gcm::new((&*master.wrapping_key()).into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &aad })
        .map(Zeroizing::new);
    let Ok(opened) = opened else { return Err(damaged) };
    let Ok(key) = <[u8; 32]>::try_from(opened.as_slice()) else { return Err(damaged) };
    Ok(Zeroizing::new(key))
}
