//! Seals a file for somebody outside the house, in the format of `age` (age-encryption.org/v1, as C2SP specifies it): for
//! X25519 recipients or with a passphrase. It opens none, and does not know what is in it.
//!
//! Written down here and not taken from the crate of that name: 0.12 brings a second generation of every cipher of this
//! house, two post-quantum ones that nobody asked for, and a machinery of translations. The primitives are ring's, which
//! the house has for TLS, and scrypt's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{RandomError, Secret, random};

const INTRO: &str = "age-encryption.org/v1\n";

/// Plaintext bytes of a chunk.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const NONCE: usize = 16;

/// 2^15 × 1 KiB = 32 MiB of memory, a third of a second on a Raspberry Pi 4. The tool's own 2^18 is a quarter of a GiB.
const SCRYPT_LOG_N: u8 = 15;

/// A header of more recipients than a household has.
const MOST_RECIPIENTS: usize = 16;

/// A passphrase that is worth the name, in characters: the file can be tried at leisure for ever.
const LEAST_PASSPHRASE: usize = 12;
const MOST_PASSPHRASE: usize = 1024;

/// Who can open a parcel: an X25519 public key, written `age1…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParcelError {
    #[error("it is no recipient of age: one begins with age1 and has 62 characters")]
    NoRecipient,
    #[error("a character of the recipient is wrong: its check sum does not agree")]
    Mistyped,
    #[error("a parcel is for 1 to {MOST_RECIPIENTS} recipients")]
    Recipients,
    #[error("a passphrase for a file has at least {LEAST_PASSPHRASE} characters")]
    WeakPassphrase,
    #[error("the operating system gave no random bytes")]
    Random,
    /// The recipient's key is one that no secret can be agreed on with.
    #[error("nothing can be sealed for this recipient: its key is not a real one")]
    Unusable,
}

impl From<RandomError> for ParcelError {
    fn from(_: RandomError) -> Self {
        ParcelError::Random
    }
}

/// Seals what is handed to it, piece by piece.
pub struct Parcel {
    key: LessSafeKey,
    counter: u64,
    waiting: Zeroizing<Vec<u8>>,
}

impl Recipient {
    /// Reads `age1…` (BIP 173, of 32 bytes).
    pub fn parse(text: &str) -> Result<Self, ParcelError> {
        let text = text.trim();
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
        if upper && lower || text.len() != 62 {
            return Err(ParcelError::NoRecipient);
        }
        let text = text.to_ascii_lowercase();
        let data = text.strip_prefix("age1").ok_or(ParcelError::NoRecipient)?;
        let digits = data.bytes().map(bech32_digit).collect::<Option<Vec<u8>>>().ok_or(ParcelError::NoRecipient)?;
        if bech32_sum(&digits) != 1 {
            return Err(ParcelError::Mistyped);
        }
        let payload = digits.get(..52).ok_or(ParcelError::NoRecipient)?;
        let mut bits = 0u32;
        let mut held = 0u32;
        let mut key = Vec::with_capacity(32);
        for digit in payload {
            bits = (bits << 5 | u32::from(*digit)) & 0xffff;
            held += 5;
            if held >= 8 {
                held -= 8;
                key.push((bits >> held & 0xff) as u8);
            }
        }
        // What is left over is padding, and zero.
        if bits & ((1 << held) - 1) != 0 {
            return Err(ParcelError::NoRecipient);
        }
        key.try_into().map(Recipient).map_err(|_| ParcelError::NoRecipient)
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({})", STANDARD_NO_PAD.encode(self.0))
    }
}

fn bech32_digit(letter: u8) -> Option<u8> {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    LETTERS.iter().position(|known| *known == letter).and_then(|digit| u8::try_from(digit).ok())
}

/// The check sum over `age` and these digits; 1 where it agrees.
fn bech32_sum(digits: &[u8]) -> u32 {
    const STEPS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let prefix = b"age".iter().map(|letter| letter >> 5).chain([0]).chain(b"age".iter().map(|letter| letter & 31));
    prefix.chain(digits.iter().copied()).fold(1u32, |sum, digit| {
        let top = sum >> 25;
        let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(digit);
        (0..).zip(STEPS).filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |sum, (_, step)| sum ^ step)
    })
}

impl Parcel {
    /// A parcel that each of these can open; and the bytes with which its file begins.
    pub fn to(recipients: &[Recipient]) -> Result<(Self, Vec<u8>), ParcelError> {
        if !(1..=MOST_RECIPIENTS).contains(&recipients.len()) {
            return Err(ParcelError::Recipients);
        }
        let file_key = Zeroizing::new(random::<16>()?);
        let stanzas = recipients.iter().map(|recipient| x25519_stanza(&file_key, recipient));
        let stanzas = stanzas.collect::<Result<String, _>>()?;
        Self::begin(&file_key, &stanzas)
    }

    /// A parcel that opens with this. Takes a third of a second and 32 MiB: to be called where waiting is allowed.
    pub fn with_passphrase(passphrase: &Secret<String>) -> Result<(Self, Vec<u8>), ParcelError> {
        let characters = passphrase.expose().chars().count();
        if !(LEAST_PASSPHRASE..=MOST_PASSPHRASE).contains(&characters) {
            return Err(ParcelError::WeakPassphrase);
        }
        let file_key = Zeroizing::new(random::<16>()?);
        let salt = random::<16>()?;
        let mut whole_salt = b"age-encryption.org/v1/scrypt".to_vec();
        whole_salt.extend_from_slice(&salt);
        let mut wrap = Zeroizing::new([0u8; 32]);
        let params = scrypt::Params::new(SCRYPT_LOG_N, 8, 1).map_err(|_| ParcelError::Unusable)?;
        scrypt::scrypt(passphrase.expose().as_bytes(), &whole_salt, &params, &mut *wrap)
            .map_err(|_| ParcelError::Unusable)?;
        let salt = STANDARD_NO_PAD.encode(salt);
        let body = wrapped(&wrap, &file_key)?;
        Self::begin(&file_key, &format!("-> scrypt {salt} {SCRYPT_LOG_N}\n{body}\n"))
    }

    fn begin(file_key: &[u8; 16], stanzas: &str) -> Result<(Self, Vec<u8>), ParcelError> {
        let header = format!("{INTRO}{stanzas}---");
        let mac_key = derived(file_key, &[], b"header");
        let mut mac = Hmac::<Sha256>::new_from_slice(&*mac_key).map_err(|_| ParcelError::Unusable)?;
        mac.update(header.as_bytes());
        let mac = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
        let nonce = random::<NONCE>()?;
        let mut begin = format!("{header} {mac}\n").into_bytes();
        begin.extend_from_slice(&nonce);
        let key = cipher(&derived(file_key, &nonce, b"payload"))?;
        Ok((Parcel { key, counter: 0, waiting: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)) }, begin))
    }

    /// How long the sealed part is for so many bytes; the file's beginning comes to it.
    pub fn sealed_len(plain: u64) -> u64 {
        plain.saturating_add(plain.div_ceil(CHUNK as u64).max(1).saturating_mul(TAG as u64))
    }

    /// Takes in plaintext, and appends what is sealed with it.
    pub fn push(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), ParcelError> {
        while !plain.is_empty() {
            // A whole chunk waits for the next byte: the last one is marked, and it may be whole.
            if self.waiting.len() == CHUNK {
                self.seal(false, out)?;
            }
            let (taken, rest) = plain.split_at(plain.len().min(CHUNK - self.waiting.len()));
            self.waiting.extend_from_slice(taken);
            plain = rest;
        }
        Ok(())
    }

    /// The end: without it the file counts as cut short.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ParcelError> {
        self.seal(true, out)
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), ParcelError> {
        let mut nonce = [0u8; 12];
        // 11 bytes of counter, big-endian, and the mark of the last one.
        let (_, low) = nonce.split_at_mut(3);
        let (count, mark) = low.split_at_mut(8);
        count.copy_from_slice(&self.counter.to_be_bytes());
        mark.fill(u8::from(last));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut self.waiting);
        let tag = tag.map_err(|_| ParcelError::Unusable)?;
        out.extend_from_slice(&self.waiting);
        out.extend_from_slice(tag.as_ref());
        self.waiting.clear();
        self.counter += 1;
        Ok(())
    }
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcel").field("counter", &self.counter).finish_non_exhaustive()
    }
}

fn x25519_stanza(file_key: &[u8; 16], recipient: &Recipient) -> Result<String, ParcelError> {
    let rng = SystemRandom::new();
    let own = EphemeralPrivateKey::generate(&X25519, &rng).map_err(|_| ParcelError::Random)?;
    let share = own.compute_public_key().map_err(|_| ParcelError::Random)?;
    let mut salt = share.as_ref().to_vec();
    salt.extend_from_slice(&recipient.0);
    // A key of small order agrees on zero with everybody; ring refuses it.
    let wrap = agree_ephemeral(own, &UnparsedPublicKey::new(&X25519, recipient.0), |shared| {
        derived(shared, &salt, b"age-encryption.org/v1/X25519")
    });
    let wrap = wrap.map_err(|_| ParcelError::Unusable)?;
    Ok(format!("-> X25519 {}\n{}\n", STANDARD_NO_PAD.encode(share.as_ref()), wrapped(&wrap, file_key)?))
}

/// The file's key under another: used for this one alone, so the nonce may be zero.
fn wrapped(wrap: &[u8; 32], file_key: &[u8; 16]) -> Result<String, ParcelError> {
    let mut sealed = file_key.to_vec();
    cipher(wrap)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut sealed)
        .map_err(|_| ParcelError::Unusable)?;
    Ok(STANDARD_NO_PAD.encode(sealed))
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, ParcelError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| ParcelError::Unusable)
}

fn derived(from: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0u8; 32]);
    // 32 bytes are what one block of it gives: it cannot be too much.
    let _ = Hkdf::<Sha256>::new(Some(salt), from).expand(info, &mut *key);
    key
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Of the test vectors of age's specification: a key that somebody else made.
    const KNOWN: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

    fn sealed(mut parcel: Parcel, begin: Vec<u8>, plain: &[u8], piece: usize) -> Vec<u8> {
        let mut out = begin;
        let header = out.len();
        for piece in plain.chunks(piece.max(1)) {
            parcel.push(piece, &mut out).unwrap();
        }
        parcel.finish(&mut out).unwrap();
        assert_eq!((out.len() - header) as u64, Parcel::sealed_len(plain.len() as u64));
        out
    }

    #[test]
    fn a_recipient_is_read_and_a_mistyped_one_is_not() {
        let known = Recipient::parse(KNOWN).unwrap();
        assert_eq!(Recipient::parse(&format!(" {}\n", KNOWN.to_uppercase())), Ok(known));
        assert_eq!(Recipient::parse(&KNOWN.replacen("zvk", "zvz", 1)), Err(ParcelError::Mistyped));
        let mixed = KNOWN.replacen('z', "Z", 1);
        for bad in ["", "age1", &KNOWN[..61], &mixed, &KNOWN.replace('1', "b"), &"ж".repeat(31)] {
            assert_eq!(Recipient::parse(bad), Err(ParcelError::NoRecipient), "{bad}");
        }
    }

    #[test]
    fn lengths_are_known_before() {
        let to = [Recipient::parse(KNOWN).unwrap()];
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let (parcel, begin) = Parcel::to(&to).unwrap();
            assert!(begin.starts_with(b"age-encryption.org/v1\n-> X25519 "));
            sealed(parcel, begin, &vec![7; length], 1000);
        }
        assert_eq!(Parcel::to(&[]).err(), Some(ParcelError::Recipients));
        assert_eq!(Parcel::with_passphrase(&Secret::new("short".into())).err(), Some(ParcelError::WeakPassphrase));
        assert_eq!(Parcel::to(&[Recipient([0; 32])]).err(), Some(ParcelError::Unusable), "a key of small order");
    }

    #[test]
    #[ignore = "needs age"]
    fn the_tool_of_others_opens_it_and_refuses_it_changed_or_cut() {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("identity");
        let made = Command::new("age-keygen").arg("-o").arg(&identity).output().unwrap();
        assert!(made.status.success());
        let said = String::from_utf8(made.stderr).unwrap();
        let own = Recipient::parse(said.split_whitespace().last().unwrap()).unwrap();
        let other = Recipient::parse(KNOWN).unwrap();
        let open = |bytes: &[u8]| {
            let path = folder.path().join("parcel.age");
            std::fs::write(&path, bytes).unwrap();
            Command::new("age").arg("-d").arg("-i").arg(&identity).arg(&path).output().unwrap()
        };
        for length in [0, 1, CHUNK, CHUNK + 1, 5 * CHUNK + 77] {
            let plain: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
            let (parcel, begin) = Parcel::to(&[other, own]).unwrap();
            let whole = sealed(parcel, begin, &plain, 70_001);
            let opened = open(&whole);
            assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
            assert!(opened.stdout == plain, "{length} bytes come back as they were");
            let mut changed = whole.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert!(!open(&changed).status.success());
            assert!(!open(&whole[..whole.len() - 17.min(whole.len())]).status.success());
        }
    }
}
