//! A compact JWS (RFC 7515) with a signature by one of four algorithms, verified by `ring`, which is in the build as the
//! TLS provider. Algorithms are an enum: `none` and the HMACs cannot be spelled, so no key can be taken for a secret.
//!
//! What a token's header says of keys (`jwk`, `jku`, `x5c`) is never looked at: keys come from the issuer's own address.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// An id_token with every claim that anybody sends has some 3 KiB.
const TOKEN_MAX: usize = 16 * 1024;

/// What is wrong with a token, for the log. Nothing of the token itself is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenFault {
    #[error("it is larger than 16 KiB")]
    TooLarge,
    #[error("it is not three parts in base64url")]
    Malformed,
    #[error("its header cannot be read, or names an algorithm other than RS256, PS256, ES256, EdDSA")]
    Header,
    #[error("its header has `crit`, or a `typ` other than JWT: it is a token for something else")]
    ForSomethingElse,
    #[error("the portal publishes no key for it")]
    UnknownKey,
    #[error("the portal publishes several keys that it could be signed with")]
    AmbiguousKey,
    #[error("its signature is not the portal's")]
    Signature,
    #[error("its claims cannot be read")]
    Claims,
    #[error("`{0}` is not what it has to be")]
    Claim(&'static str),
}

/// The algorithms that are taken. RFC 8725 section 3.1: a list, and never what the token likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// The members of a header that are looked at. One given twice is an error of the parser.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub alg: Algorithm,
    pub kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// A public key, in the form that `ring` takes.
#[derive(Clone)]
pub(super) enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point of P-256.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A token whose signature has not been looked at.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub header: Header,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    pub fn parse(token: &'a str) -> Result<Self, TokenFault> {
        if token.len() > TOKEN_MAX {
            return Err(TokenFault::TooLarge);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed);
        };
        let decoded = |part: &str| B64.decode(part).map_err(|_| TokenFault::Malformed);
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(TokenFault::Malformed)?;
        let signature = decoded(signature)?;
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| TokenFault::Header)?;
        // RFC 8725 section 3.11: an access token or a logout token by the same key is no id_token.
        if header.crit.is_some() || header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(TokenFault::ForSomethingElse);
        }
        Ok(Compact { header, signed, payload, signature })
    }

    /// The claims, once the signature is the key's.
    pub fn verify(&self, key: &PublicKey) -> Result<Vec<u8>, TokenFault> {
        let (message, signature) = (self.signed.as_bytes(), self.signature.as_slice());
        let verified = match (self.header.alg, key) {
            (Algorithm::Rs256, PublicKey::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::Ps256, PublicKey::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PSS_2048_8192_SHA256, message, signature)
            }
            (Algorithm::Es256, PublicKey::P256(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Algorithm::EdDsa, PublicKey::Ed25519(point)) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature)
            }
            _ => return Err(TokenFault::UnknownKey),
        };
        verified.map_err(|_| TokenFault::Signature)?;
        B64.decode(self.payload).map_err(|_| TokenFault::Malformed)
    }
}
