//! Seals a message for one browser or phone: Message Encryption for Web Push (RFC 8291), which is one record of aes128gcm
//! (RFC 8188). It opens none, signs nothing, and knows no push service.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes128Gcm, KeyInit, Nonce};
use hkdf::Hkdf;
use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{RandomError, random};

/// A service takes 4,096 bytes at the least (RFC 8030 section 7.2): so much text fits, with its padding.
pub const PUSH_LIMIT: usize = 4096 - HEADER - DELIMITER - TAG;

/// Salt, record size, length of the key, the key (RFC 8188 section 2.1, RFC 8291 section 4).
const HEADER: usize = 16 + 4 + 1 + POINT;
const POINT: usize = 65;
const DELIMITER: usize = 1;
const TAG: usize = 16;
/// The last record, and the only one.
const LAST: u8 = 2;
/// The record size that is declared. Ours are no longer.
const RECORD: u32 = 4096;

/// What a browser said when it subscribed: its public key and its secret.
#[derive(Clone)]
pub struct PushTarget {
    public: PublicKey,
    auth: Zeroizing<[u8; 16]>,
}

impl std::fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushTarget(***)")
    }
}

/// Nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The key is no point of the curve P-256 in its long form, or the secret has not 16 bytes.
    #[error("these are not the keys of a subscription: p256dh has 65 bytes and is a point of P-256, auth has 16")]
    Keys,
    /// More than fits.
    #[error("a pushed message has at most {PUSH_LIMIT} bytes")]
    TooLong,
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl PushTarget {
    /// Reads the two of them, as bytes.
    pub fn new(p256dh: &[u8], auth: &[u8]) -> Result<Self, PushError> {
        let auth: [u8; 16] = auth.try_into().map_err(|_| PushError::Keys)?;
        if p256dh.len() != POINT {
            return Err(PushError::Keys);
        }
        let public = PublicKey::from_sec1_bytes(p256dh).map_err(|_| PushError::Keys)?;
        Ok(PushTarget { public, auth: Zeroizing::new(auth) })
    }

    /// The body of the request that carries a message. It is filled up to `padded` bytes of text first, so that whoever
    /// carries it learns nothing from its length.
    pub fn seal(&self, message: &[u8], padded: usize) -> Result<Vec<u8>, PushError> {
        let ours = SecretKey::try_generate().map_err(|why| PushError::Random(RandomError(why.to_string())))?;
        self.seal_with(&ours, random()?, message, padded)
    }

    fn seal_with(&self, ours: &SecretKey, salt: [u8; 16], message: &[u8], padded: usize) -> Result<Vec<u8>, PushError> {
        if message.len() > PUSH_LIMIT || padded > PUSH_LIMIT {
            return Err(PushError::TooLong);
        }
        let our_point = ours.public_key().to_sec1_point(false);
        let their_point = self.public.to_sec1_point(false);
        let shared = ours.diffie_hellman(&self.public);
        // RFC 8291 section 3.4: the secret of the subscription is the salt here.
        let mut keying = Zeroizing::new([0u8; 32]);
        let info = [b"WebPush: info\0".as_slice(), their_point.as_bytes(), our_point.as_bytes()].concat();
        expand(&*self.auth, shared.raw_secret_bytes(), &info, &mut *keying);
        // RFC 8188 section 2.2 and 2.3. There is one record, so its nonce is not counted on.
        let (mut key, mut nonce) = (Zeroizing::new([0u8; 16]), [0u8; 12]);
        expand(&salt, &*keying, b"Content-Encoding: aes128gcm\0", &mut *key);
        expand(&salt, &*keying, b"Content-Encoding: nonce\0", &mut nonce);

        let mut record = Zeroizing::new(Vec::with_capacity(message.len().max(padded) + DELIMITER));
        record.extend_from_slice(message);
        record.push(LAST);
        record.resize(message.len().max(padded) + DELIMITER, 0);
        let cipher = Aes128Gcm::new(&(*key).into());
        let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &record, aad: &[] });
        // AES-GCM refuses texts of 64 GiB only.
        let sealed = sealed.map_err(|_| PushError::TooLong)?;

        let mut body = Vec::with_capacity(HEADER + sealed.len());
        body.extend_from_slice(&salt);
        body.extend_from_slice(&RECORD.to_be_bytes());
        body.push(POINT as u8);
        body.extend_from_slice(our_point.as_bytes());
        body.extend_from_slice(&sealed);
        Ok(body)
    }
}

/// HKDF with SHA-256 (RFC 5869).
fn expand(salt: &[u8], from: &[u8], info: &[u8], into: &mut [u8]) {
    // It fails for outputs above 255 × 32 bytes; ours have 32 at the most.
    let _ = Hkdf::<Sha256>::new(Some(salt), from).expand(info, into);
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    fn target() -> PushTarget {
        let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        PushTarget::new(&bytes(public), &bytes("BTBZMqHH6r4Tts7J_aSIgg")).unwrap()
    }

    /// RFC 8291 appendix A.
    #[test]
    fn it_agrees_with_the_rfc() {
        let ours = SecretKey::from_slice(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let sealed = target().seal_with(&ours, salt, b"When I grow up, I want to be a watermelon", 0).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(sealed),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6\
             PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn every_message_is_as_long_as_the_other() {
        let lengths: Vec<_> = ["", "a", &"x".repeat(3000)]
            .iter()
            .map(|text| target().seal(text.as_bytes(), 3000).unwrap().len())
            .collect();
        assert_eq!(lengths, [3103; 3]);
        assert_eq!(target().seal(&vec![7; PUSH_LIMIT], 0).unwrap().len(), 4096);
        assert_eq!(target().seal(&vec![7; PUSH_LIMIT + 1], 0).err(), Some(PushError::TooLong));
        assert_eq!(target().seal(b"", PUSH_LIMIT + 1).err(), Some(PushError::TooLong));
        assert_ne!(target().seal(b"x", 0), target().seal(b"x", 0), "each has a key and a salt of its own");
    }

    #[test]
    fn what_are_no_keys_is_refused() {
        let public = bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let mut off_the_curve = public.clone();
        off_the_curve[64] ^= 1;
        let short = PublicKey::from_sec1_bytes(&public).unwrap().to_sec1_point(true);
        for (key, auth) in [
            (off_the_curve.as_slice(), [1; 16].as_slice()),
            (short.as_bytes(), &[1; 16]),
            (&[0], &[1; 16]),
            (&[], &[1; 16]),
            (&public, &[1; 15]),
            (&public, &[]),
        ] {
            assert_eq!(PushTarget::new(key, auth).err(), Some(PushError::Keys));
        }
    }
}
