//! The open vault: seals and opens rows, makes keyed hashes, and turns to a new data key when asked.
//!
//! A sealed row: `format u8 = 1 | key id u32 BE | nonce 12 bytes | ciphertext | tag 16 bytes`. The additional data are
//! `format | key id | len(table) u32 BE | table | len(row) u32 BE | row | version u16 BE`, so that a blob opens only in
//! the row it was sealed for. It does not protect against an *older* blob of the same row being put back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hmac::Mac;
use zeroize::Zeroizing;

use crate::master::{MasterKey, hmac};
use crate::wrap::{Purpose, UnwrapError, WrappedKey, unwrap, wrap};
use crate::{RandomError, random};

const SEAL_FORMAT: u8 = 1;
const HEADER: usize = 1 + 4 + 12;
const TAG: usize = 16;

/// The index key's id; data keys count from 1.
const INDEX_KEY_ID: u32 = 0;

/// So many seals under one key, and the owner should rotate soon.
pub const SEALS_WARNING: u64 = 1 << 30;

/// So many seals under one key, and it seals no more: NIST SP 800-38D section 8.3 allows 2^32 random nonces.
pub const SEALS_LIMIT: u64 = 1 << 32;

/// Where a sealed blob belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The row's id, as bytes.
    pub row: &'a [u8],
    /// The version of the plaintext's format.
    pub version: u16,
}

/// Why nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The data key has sealed as often as it safely may.
    #[error("data key {key_id} has sealed 2^32 times and seals no more: run `domovoi key rotate`")]
    WornOut {
        /// Which one.
        key_id: u32,
    },
    /// More than 64 GiB at once.
    #[error("the plaintext is longer than AES-GCM can seal")]
    TooLong,
}

/// Why a blob does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The key it names is not in this vault.
    #[error("it was sealed with data key {0}, which this store does not have")]
    UnknownKey(u32),
    /// Too short, or of a format that is not ours.
    #[error("it is cut short or in an unknown format")]
    Truncated,
    /// Changed, or moved here from another row.
    #[error("it was changed, or belongs to another row")]
    Forged,
}

struct DataKey {
    cipher: Aes256Gcm,
    raw: Zeroizing<[u8; 32]>,
    seals: AtomicU64,
}

impl DataKey {
    fn new(raw: Zeroizing<[u8; 32]>) -> Arc<Self> {
        Arc::new(DataKey { cipher: Aes256Gcm::new((&*raw).into()), raw, seals: AtomicU64::new(0) })
    }
}

struct Keys {
    data: BTreeMap<u32, Arc<DataKey>>,
    current: u32,
}

/// A new data key that seals nothing yet: its wrap must be durable first, or what it seals is lost with a power cut.
pub struct PendingKey {
    key_id: u32,
    raw: Zeroizing<[u8; 32]>,
    wrapped: WrappedKey,
}

impl PendingKey {
    /// What to keep before [`Vault::adopt`].
    pub fn wrapped(&self) -> &WrappedKey {
        &self.wrapped
    }
}

/// The open vault. All functions take `&self`; share it in an `Arc`.
pub struct Vault {
    keys: RwLock<Keys>,
    index: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault(keys {:?})", self.key_ids())
    }
}

impl Vault {
    /// A new vault, and the wraps without which it never opens again.
    pub fn create(master: &MasterKey) -> Result<(Self, Vec<WrappedKey>), SealError> {
        let index = Zeroizing::new(random()?);
        let first = Zeroizing::new(random()?);
        let wraps = vec![wrap(master, INDEX_KEY_ID, Purpose::Index, &index)?, wrap(master, 1, Purpose::Data, &first)?];
        let keys = Keys { data: BTreeMap::from([(1, DataKey::new(first))]), current: 1 };
        Ok((Vault { keys: RwLock::new(keys), index }, wraps))
    }

    /// Opens a vault from what was kept. Wraps under other masters are passed over; the newest data key is current.
    pub fn open(master: &MasterKey, wraps: &[WrappedKey]) -> Result<Self, UnwrapError> {
        let master_id = master.id();
        let mut index = None;
        let mut data = BTreeMap::new();
        for wrapped in wraps.iter().filter(|wrapped| wrapped.master_id == master_id) {
            let key = unwrap(master, wrapped)?;
            match wrapped.purpose {
                Purpose::Index => index = Some(key),
                Purpose::Data => {
                    data.insert(wrapped.key_id, DataKey::new(key));
                }
            }
        }
        let current = data.keys().next_back().copied();
        match (index, current) {
            (Some(index), Some(current)) => Ok(Vault { keys: RwLock::new(Keys { data, current }), index }),
            (None, None) if !wraps.is_empty() => Err(UnwrapError::WrongMaster),
            _ => Err(UnwrapError::Incomplete),
        }
    }

    /// Seals `plaintext` for one place, under the current data key.
    pub fn seal(&self, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let (key_id, key) = {
            let keys = self.read();
            match keys.data.get(&keys.current) {
                Some(key) => (keys.current, Arc::clone(key)),
                None => return Err(SealError::WornOut { key_id: keys.current }),
            }
        };
        if key.seals.fetch_add(1, Ordering::Relaxed) >= SEALS_LIMIT {
            return Err(SealError::WornOut { key_id });
        }
        let nonce: [u8; 12] = random()?;
        let mut blob = Vec::with_capacity(HEADER + plaintext.len() + TAG);
        blob.push(SEAL_FORMAT);
        blob.extend_from_slice(&key_id.to_be_bytes());
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(plaintext);
        let aad = additional_data(key_id, place);
        let body = blob.get_mut(HEADER..).ok_or(SealError::TooLong)?;
        let tag = key
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &aad, body.into())
            .map_err(|_| SealError::TooLong)?;
        blob.extend_from_slice(&tag);
        Ok(blob)
    }

    /// Opens what was sealed for exactly this place.
    pub fn open_sealed(&self, place: Place<'_>, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key_id = key_id_of(blob).ok_or(OpenError::Truncated)?;
        let nonce = blob.get(5..HEADER).and_then(|n| <[u8; 12]>::try_from(n).ok()).ok_or(OpenError::Truncated)?;
        let body = blob.get(HEADER..).unwrap_or_default();
        if body.len() < TAG {
            return Err(OpenError::Truncated);
        }
        let key = self.read().data.get(&key_id).map(Arc::clone).ok_or(OpenError::UnknownKey(key_id))?;
        let mut opened = Zeroizing::new(body.to_vec());
        key.cipher
            .decrypt_in_place(&Nonce::from(nonce), &additional_data(key_id, place), &mut *opened)
            .map_err(|_| OpenError::Forged)?;
        Ok(opened)
    }

    /// HMAC-SHA-256 under the index key, which no rotation changes: the way to find a sealed row, and to forbid two of
    /// one kind, without saying what is in it. Domain and parts are length-prefixed, so ("a","bc") is not ("ab","c").
    pub fn keyed_hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.keyed(domain, parts).finalize().into_bytes().into()
    }

    /// What is kept of a secret of at least 128 bits that the hub issued. Not for what people choose: that wants
    /// Argon2id. `whose` binds it, so that a hash moved to another owner verifies nothing.
    pub fn credential_hash(&self, whose: &str, secret: &str) -> [u8; 32] {
        self.keyed_hash("credential", &[whose.as_bytes(), secret.as_bytes()])
    }

    /// Whether `secret` is the one that `hash` was made of, in constant time.
    pub fn verify_credential(&self, whose: &str, secret: &str, hash: &[u8; 32]) -> bool {
        self.keyed("credential", &[whose.as_bytes(), secret.as_bytes()]).verify_slice(hash).is_ok()
    }

    /// Makes the next data key. It seals nothing until its wrap is durable and [`Vault::adopt`] is called.
    pub fn prepare_rotation(&self, master: &MasterKey) -> Result<PendingKey, SealError> {
        let newest = self.read().data.keys().next_back().copied().unwrap_or(INDEX_KEY_ID);
        let key_id = newest.checked_add(1).ok_or(SealError::WornOut { key_id: newest })?;
        let raw = Zeroizing::new(random()?);
        let wrapped = wrap(master, key_id, Purpose::Data, &raw)?;
        Ok(PendingKey { key_id, raw, wrapped })
    }

    /// A data key whose wrap is durable already: the rotation that made it was cut short before [`Vault::adopt`].
    pub fn resume_rotation(&self, master: &MasterKey, wrapped: &WrappedKey) -> Result<PendingKey, UnwrapError> {
        if wrapped.purpose != Purpose::Data || wrapped.master_id != master.id() {
            return Err(UnwrapError::WrongMaster);
        }
        Ok(PendingKey { key_id: wrapped.key_id, raw: unwrap(master, wrapped)?, wrapped: wrapped.clone() })
    }

    /// From here on everything is sealed with `pending`; older keys still open.
    pub fn adopt(&self, pending: PendingKey) {
        let mut keys = self.write();
        keys.data.insert(pending.key_id, DataKey::new(pending.raw));
        keys.current = keys.current.max(pending.key_id);
    }

    /// Forgets a data key that seals nothing any more. The current one stays.
    pub fn retire(&self, key_id: u32) {
        let mut keys = self.write();
        if key_id != keys.current {
            keys.data.remove(&key_id);
        }
    }

    /// Every key of the vault, wrapped under another master.
    pub fn rewrap(&self, master: &MasterKey) -> Result<Vec<WrappedKey>, SealError> {
        let mut wraps = vec![wrap(master, INDEX_KEY_ID, Purpose::Index, &self.index)?];
        for (key_id, key) in &self.read().data {
            wraps.push(wrap(master, *key_id, Purpose::Data, &key.raw)?);
        }
        Ok(wraps)
    }

    /// The data key that seals now.
    pub fn current_key(&self) -> u32 {
        self.read().current
    }

    /// The data keys that open, oldest first.
    pub fn key_ids(&self) -> Vec<u32> {
        self.read().data.keys().copied().collect()
    }

    /// How often a data key has sealed, as far as this vault was told with [`Vault::note_seals`].
    pub fn seals(&self, key_id: u32) -> u64 {
        self.read().data.get(&key_id).map_or(0, |key| key.seals.load(Ordering::Relaxed))
    }

    /// Adds what a data key had sealed before this vault was opened.
    pub fn note_seals(&self, key_id: u32, seals: u64) {
        if let Some(key) = self.read().data.get(&key_id) {
            key.seals.fetch_add(seals, Ordering::Relaxed);
        }
    }

    fn keyed(&self, domain: &str, parts: &[&[u8]]) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = hmac(&self.index);
        for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    // A panic under this lock leaves at worst a map with one key more or less: it is safe to go on.
    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which data key a blob names, if it is a sealed blob at all.
pub fn key_id_of(blob: &[u8]) -> Option<u32> {
    let ([format], rest) = blob.split_first_chunk::<1>()?;
    let (key_id, _) = rest.split_first_chunk::<4>()?;
    (*format == SEAL_FORMAT).then(|| u32::from_be_bytes(*key_id))
}

fn additional_data(key_id: u32, place: Place<'_>) -> Vec<u8> {
    let mut aad = Vec::with_capacity(16 + place.table.len() + place.row.len());
    aad.push(SEAL_FORMAT);
    aad.extend_from_slice(&key_id.to_be_bytes());
    for part in [place.table.as_bytes(), place.row] {
        aad.extend_from_slice(&(part.len() as u32).to_be_bytes());
        aad.extend_from_slice(part);
    }
    aad.extend_from_slice(&place.version.to_be_bytes());
    aad
}
