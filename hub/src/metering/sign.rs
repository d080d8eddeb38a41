//! The hub's key for acts and the detached JWS over an act's stored bytes.
//!
//! ES256 as in RFC 7515 appendix F: `BASE64URL(header) .. BASE64URL(r‖s)`, with the payload's base64url in the signing
//! input. The bytes that were stored are signed and sent; nothing is ever serialised a second time. This key signs
//! acts only: the key that binds tokens (DPoP) is another one, made and kept with the portal link.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a signature does not hold, or a key cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key's bytes are not a P-256 key.
    #[error("this is not a P-256 key: {0}")]
    Key(&'static str),
    /// The text is not a detached JWS of the kind we use.
    #[error("this is not a detached ES256 signature: {0}")]
    Form(&'static str),
    /// Another key was used.
    #[error("signed with another key: the signature names {named}, the key given is {given}")]
    OtherKey {
        /// The `kid` of the signature.
        named: String,
        /// The thumbprint of the key given.
        given: String,
    },
    /// The bytes are not those that were signed.
    #[error("the signature does not fit these bytes: the document was changed, or another key signed it")]
    Mismatch,
}

/// The private key. Never shown; its bytes go to the sealed store only.
pub struct ActKey {
    key: SigningKey,
    public: PublicKey,
}

/// The public key, as the portal and `act verify` get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// `EC`
    pub kty: String,
    /// `P-256`
    pub crv: String,
    /// base64url of the x coordinate, 32 bytes.
    pub x: String,
    /// base64url of the y coordinate, 32 bytes.
    pub y: String,
    /// `sig`
    #[serde(rename = "use", default = "sig")]
    pub usage: String,
    /// `ES256`
    #[serde(default = "es256")]
    pub alg: String,
}

fn sig() -> String {
    "sig".into()
}

fn es256() -> String {
    "ES256".into()
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

impl ActKey {
    /// A key from 32 secret bytes (made by the vault's random source, or read back from the store).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let key = SigningKey::from_slice(bytes)
            .map_err(|_| SignatureError::Key("32 bytes in the curve's range are wanted"))?;
        let point = key.verifying_key().to_sec1_point(false);
        let (Some(x), Some(y)) = (point.x(), point.y()) else {
            return Err(SignatureError::Key("the point at infinity"));
        };
        let public = PublicKey {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: B64.encode(x),
            y: B64.encode(y),
            usage: sig(),
            alg: es256(),
        };
        Ok(ActKey { key, public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The public half, as the curve's point.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// Signs the stored bytes of an act: `header..signature`.
    pub fn sign(&self, document: &[u8]) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{}","typ":"JOSE"}}"#, self.public.thumbprint());
        let header = B64.encode(header);
        let signature: Signature = self.key.sign(signing_input(&header, document).as_bytes());
        format!("{header}..{}", B64.encode(signature.to_bytes()))
    }
}

impl PublicKey {
    /// RFC 7638: SHA-256 over the required members in lexical order, base64url. Both sides compute it.
    pub fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#, self.crv, self.kty, self.x, self.y);
        B64.encode(Sha256::digest(canonical))
    }

    /// Checks a detached signature over exactly these bytes.
    pub fn verify(&self, document: &[u8], signature: &str) -> Result<(), SignatureError> {
        const LONGEST: usize = 2048;
        if signature.len() > LONGEST {
            return Err(SignatureError::Form("longer than 2048 characters"));
        }
        let (header_text, signature_text) =
            signature.trim().split_once("..").ok_or(SignatureError::Form("expected header..signature"))?;
        let header = B64.decode(header_text).map_err(|_| SignatureError::Form("the header is not base64url"))?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|_| SignatureError::Form("the header is not JSON"))?;
        if header.alg != "ES256" {
            return Err(SignatureError::Form("only ES256 is accepted"));
        }
        let given = self.thumbprint();
        if header.kid != given {
            return Err(SignatureError::OtherKey { named: header.kid, given });
        }
        let signature =
            B64.decode(signature_text).map_err(|_| SignatureError::Form("the signature is not base64url"))?;
        let signature = Signature::from_slice(&signature).map_err(|_| SignatureError::Form("64 bytes are wanted"))?;
        self.key()?
            .verify(signing_input(header_text, document).as_bytes(), &signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    fn key(&self) -> Result<VerifyingKey, SignatureError> {
        if self.kty != "EC" || self.crv != "P-256" {
            return Err(SignatureError::Key("kty EC and crv P-256 are wanted"));
        }
        let coordinate = |text: &str| B64.decode(text).ok().filter(|bytes| bytes.len() == 32);
        let (Some(x), Some(y)) = (coordinate(&self.x), coordinate(&self.y)) else {
            return Err(SignatureError::Key("x and y are 32 bytes each in base64url"));
        };
        let mut point = Vec::with_capacity(65);
        point.push(4);
        point.extend_from_slice(&x);
        point.extend_from_slice(&y);
        VerifyingKey::from_sec1_bytes(&point).map_err(|_| SignatureError::Key("x and y are no point of the curve"))
    }
}

fn signing_input(header: &str, document: &[u8]) -> String {
    format!("{header}.{}", B64.encode(document))
}

/// SHA-256 of a document's bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ActKey {
        ActKey::from_bytes(&[7; 32]).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_bytes_and_its_key_only() {
        let key = key();
        let signature = key.sign(b"{\"a\":1}");
        assert_eq!(key.public().verify(b"{\"a\":1}", &signature), Ok(()));
        assert_eq!(key.public().verify(b"{\"a\":1} ", &signature), Err(SignatureError::Mismatch));
        let other = ActKey::from_bytes(&[8; 32]).unwrap();
        assert!(matches!(other.public().verify(b"{\"a\":1}", &signature), Err(SignatureError::OtherKey { .. })));
    }

    #[test]
    fn a_header_that_asks_for_another_algorithm_is_refused() {
        let key = key();
        let signature = key.sign(b"x");
        let (_, tail) = signature.split_once("..").unwrap();
        let none = B64.encode(format!(r#"{{"alg":"none","kid":"{}","typ":"JOSE"}}"#, key.public().thumbprint()));
        assert_eq!(
            key.public().verify(b"x", &format!("{none}..{tail}")),
            Err(SignatureError::Form("only ES256 is accepted"))
        );
        for text in ["", "..", "a.b.c", "é..é", &"A".repeat(5000)] {
            assert!(key.public().verify(b"x", text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_public_key_reads_back_from_json() {
        let key = key();
        let json = serde_json::to_string(key.public()).unwrap();
        let read: PublicKey = serde_json::from_str(&json).unwrap();
        assert_eq!(&read, key.public());
        assert_eq!(read.thumbprint().len(), 43);
    }
}
