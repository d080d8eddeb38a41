//! Radio meters that encrypt what they say: whose telegrams do not open and why, the keys that the owner gave, and whether a
//! key opens the telegram that was heard last. A key is never shown again, and stands in no log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domovoi_adapters::{Decoded, Directory, Envelope, Lock, Road};
use domovoi_model::{DeviceRef, Moment};
use domovoi_store::{MappingDrawer, StoreError};
use domovoi_vault::Secret;
use zeroize::Zeroizing;

use super::Ingest;

/// Meters that are remembered as locked: a street has some hundred.
const MAX_LOCKED: usize = 512;
/// Bytes of a telegram's message.
const MAX_MESSAGE: usize = 2048;

/// How a meter whose telegrams were locked stands.
#[derive(Debug, Clone)]
pub struct LockedMeter {
    /// Which.
    pub device: DeviceRef,
    /// Why it does not open; `None`: it opens now.
    pub why: Option<Lock>,
    /// When it was heard last.
    pub at: Moment,
    /// It was heard in this run; otherwise it is only known that people were told.
    pub is_heard: bool,
}

#[derive(Debug)]
struct Kept {
    why: Option<Lock>,
    at: Moment,
    road: Road,
    sender: String,
    topic: String,
    payload: Vec<u8>,
}

/// The meters whose telegrams do not open, or did not.
#[derive(Debug, Default)]
pub(super) struct Locks {
    kept: Mutex<BTreeMap<DeviceRef, Kept>>,
    /// There is one: nothing is looked up as long as there is none.
    some: AtomicBool,
    keys: Mutex<BTreeSet<String>>,
}

/// What a key makes of the telegram that was heard last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCheck {
    /// It opens.
    Opens,
    /// It does not.
    Shut,
    /// Nothing of this meter was heard yet that wants a key.
    Unheard,
}

impl KeyCheck {
    /// Its code on the wire and in the locale files (`meter-key-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            KeyCheck::Opens => "opens",
            KeyCheck::Shut => "shut",
            KeyCheck::Unheard => "unheard",
        }
    }
}

/// Why a key is not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefused {
    /// That is no number of a meter.
    #[error("a meter's number is the eight digits on its face")]
    NoMeter,
    /// That is no key.
    #[error("a key is 32 hexadecimal digits")]
    NoKey,
    /// The store would not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The number of a meter, as the dialects write it: `12345678`, also out of `rtl_433:wmbus-12345678`.
pub fn meter_number(text: &str) -> Option<String> {
    let text = text.trim();
    let number = text.rsplit([':', '-']).next().unwrap_or(text).to_ascii_lowercase();
    (number.len() == 8 && number.bytes().all(|b| b.is_ascii_hexdigit())).then_some(number)
}

/// A key as it is printed: 32 hexadecimal digits, perhaps with spaces or colons between them.
pub fn meter_key(text: &Secret<String>) -> Option<Secret<[u8; 16]>> {
    let digits = Zeroizing::new(text.expose().chars().filter(|c| !c.is_whitespace() && *c != ':').collect::<String>());
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = Zeroizing::new([0u8; 16]);
    for (byte, at) in key.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(Secret::new(*key))
}

impl Locks {
    /// Takes note of what a message opened or did not; says whether that is news.
    pub fn note(&self, decoded: &Decoded, envelope: &Envelope<'_>) -> bool {
        if decoded.locked.is_empty() && !self.some.load(Ordering::Relaxed) {
            return false;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_news = false;
        for locked in &decoded.locked {
            if kept.len() >= MAX_LOCKED && !kept.contains_key(&locked.device) {
                continue;
            }
            let now = Kept {
                why: Some(locked.why),
                at: envelope.received_at,
                road: envelope.road,
                sender: envelope.sender.to_owned(),
                topic: envelope.topic.to_owned(),
                payload: envelope.payload.get(..MAX_MESSAGE).unwrap_or(envelope.payload).to_vec(),
            };
            let before = kept.insert(locked.device.clone(), now);
            is_news |= before.is_none_or(|before| before.why != Some(locked.why));
            self.some.store(true, Ordering::Relaxed);
        }
        for said in decoded.observations.chunk_by(|a, b| a.device == b.device) {
            let Some(device) = said.first().map(|one| &one.device) else { continue };
            if decoded.locked.iter().any(|locked| locked.device == *device) {
                continue;
            }
            if let Some(meter) = kept.get_mut(device) {
                is_news |= meter.why.take().is_some();
                meter.at = envelope.received_at;
            }
        }
        is_news
    }

    /// Whether a telegram of a meter, as it was heard last, opens with what the directory knows.
    fn check(&self, number: &str, directory: &Directory) -> KeyCheck {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |device: &DeviceRef| meter_number(&device.id).as_deref() == Some(number);
        let found = kept.iter_mut().find(|(device, meter)| is_it(device) && !meter.topic.is_empty());
        let Some((device, meter)) = found else { return KeyCheck::Unheard };
        let envelope = Envelope {
            road: meter.road,
            sender: &meter.sender,
            topic: &meter.topic,
            payload: &meter.payload,
            retained: false,
            received_at: meter.at,
        };
        let Some((dialect, claim)) = domovoi_adapters::claim(&envelope, directory) else { return KeyCheck::Unheard };
        let decoded = (dialect.decode)(&claim, &envelope, directory);
        let still = decoded.as_ref().ok().and_then(|decoded| decoded.locked.iter().find(|one| one.device == *device));
        meter.why = match (&decoded, still) {
            (Ok(_), None) => None,
            (Ok(_), Some(locked)) => Some(locked.why),
            (Err(_), _) => Some(Lock::WrongKey),
        };
        if meter.why.is_none() { KeyCheck::Opens } else { KeyCheck::Shut }
    }
}

impl Ingest {
    /// The meters whose telegrams do not open, or did not before.
    pub fn locked_meters(&self) -> Vec<LockedMeter> {
        let kept = self.locks.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(device, meter): (&DeviceRef, &Kept)| LockedMeter {
            device: device.clone(),
            why: meter.why,
            at: meter.at,
            is_heard: !meter.topic.is_empty() || meter.why.is_none(),
        };
        kept.iter().map(of).collect()
    }

    /// From now on it is seen when this meter's telegrams open: people were told that they do not.
    pub fn watch_lock(&self, device: &DeviceRef) {
        let mut kept = self.locks.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_LOCKED {
            self.locks.some.store(true, Ordering::Relaxed);
            kept.entry(device.clone()).or_insert_with(|| Kept {
                why: Some(Lock::NoKey),
                at: self.clock.moment(),
                road: Road::Embedded,
                sender: String::new(),
                topic: String::new(),
                payload: Vec::new(),
            });
        }
    }

    /// The numbers of the meters whose keys were given.
    pub fn meter_keys(&self) -> Vec<String> {
        self.locks.keys.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Keeps the key of a meter, and says what it makes of the telegram that was heard last. One that does not fit is kept
    /// all the same: what was heard may have been noise, or somebody else's.
    pub async fn set_meter_key(&self, meter: &str, key: &Secret<[u8; 16]>) -> Result<KeyCheck, KeyRefused> {
        let number = meter_number(meter).ok_or(KeyRefused::NoMeter)?;
        let mut body = Zeroizing::new(number.clone().into_bytes());
        body.extend_from_slice(key.expose());
        self.store().mappings().put(MappingDrawer::MeterKey, &[(&number, body)]).await?;
        self.give_key(&number, Some(key));
        let checked = self.locks.check(&number, &self.directory());
        self.hooks.lock_is_news();
        Ok(checked)
    }

    /// Forgets the key of a meter, and says whether there was one.
    pub async fn forget_meter_key(&self, meter: &str) -> Result<bool, KeyRefused> {
        let number = meter_number(meter).ok_or(KeyRefused::NoMeter)?;
        let was_there = self.store().mappings().remove(MappingDrawer::MeterKey, &number).await?;
        self.give_key(&number, None);
        Ok(was_there)
    }

    /// Reads the keys from the store; says how many do not open.
    pub(super) async fn load_meter_keys(&self) -> Result<usize, StoreError> {
        let (bodies, damaged) = self.store().mappings().all(MappingDrawer::MeterKey).await?;
        for body in bodies {
            let Some((number, key)) = body.split_first_chunk::<8>() else { continue };
            let key = <[u8; 16]>::try_from(key).map(Secret::new);
            if let (Ok(number), Ok(key)) = (std::str::from_utf8(number), key) {
                self.give_key(number, Some(&key));
            }
        }
        Ok(damaged)
    }

    fn give_key(&self, number: &str, key: Option<&Secret<[u8; 16]>>) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut directory).set_key(number, key.map(|key| *key.expose()));
        drop(directory);
        let mut keys = self.locks.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match key {
            Some(_) => drop(keys.insert(number.to_owned())),
            None => drop(keys.remove(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_keys_as_people_type_them() {
        for (text, wanted) in [
            ("12345678", Some("12345678")),
            (" rtl_433:wmbus-12345678 ", Some("12345678")),
            ("wmbus-1234ABCD", Some("1234abcd")),
            ("1234567", None),
            ("123456789", None),
            ("1234567g", None),
            ("", None),
        ] {
            assert_eq!(meter_number(text).as_deref(), wanted, "{text}");
        }
        let key = |text: &str| meter_key(&Secret::new(text.to_owned())).map(|key| *key.expose());
        let wanted = Some(std::array::from_fn(|n| n as u8));
        assert_eq!(key("000102030405060708090A0B0C0D0E0F"), wanted);
        assert_eq!(key(" 00:01:02:03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n"), wanted);
        for bad in ["", "00", "000102030405060708090A0B0C0D0E0", "ключ", "000102030405060708090A0B0C0D0E0FF"] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
