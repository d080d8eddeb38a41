//! What an organisation's key signs in a request to ЕСИА, byte for byte, and who signs it.
//!
//! The key is GOST R 34.10-2012-256, held by an operator's gateway or a token; this program has none, and no cipher of
//! that family. Only the bytes to sign and the form of the signature are known here.

use std::future::Future;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use domovoi_model::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A raw signature of GOST R 34.10-2012-256.
pub const SIGNATURE_LEN: usize = 64;

/// The signature could not be made; in words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct SignerError(pub String);

/// Holds the organisation's key.
pub trait Signer: Send + Sync {
    /// Signs the bytes: 64 raw bytes, in the order that ЕСИА expects. CryptoPro gives them reversed; whoever drives it
    /// turns them round.
    fn sign(&self, bytes: &[u8]) -> impl Future<Output = Result<Vec<u8>, SignerError>> + Send;

    /// Streebog-256 of the DER certificate: 64 upper-case hex digits. (A SHA-1 of 40 digits is the classic mistake.)
    fn certificate_hash(&self) -> &str;
}

/// What a request is for; decides what is signed after the common part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed<'a> {
    /// v2/ac, and v3/te with `client_credentials`.
    Redirect { redirect_uri: &'a str },
    /// v3/te with `authorization_code`.
    Code { redirect_uri: &'a str, code: &'a str },
    /// v3/te with `refresh_token`. Without the redirect: as AISGorod does it.
    Refresh { refresh_token: &'a str },
}

/// Plain concatenation without separators, UTF-8: `client_id + scope + timestamp + state`, then what the request is for.
pub(super) fn string_to_sign(client_id: &str, scope: &str, timestamp: &str, state: &str, what: Signed<'_>) -> String {
    let (first, second) = match what {
        Signed::Redirect { redirect_uri } => (redirect_uri, ""),
        Signed::Code { redirect_uri, code } => (redirect_uri, code),
        Signed::Refresh { refresh_token } => (refresh_token, ""),
    };
    [client_id, scope, timestamp, state, first, second].concat()
}

/// `yyyy.MM.dd HH:mm:ss ±HHMM`.
pub(super) fn timestamp(at: Timestamp, offset: Offset) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
    Some(at.to_zoned(TimeZone::fixed(offset)).strftime("%Y.%m.%d %H:%M:%S %z").to_string())
}

/// `client_secret`: the signature, base64url.
pub(super) async fn client_secret(signer: &impl Signer, text: &str) -> Result<String, SignerError> {
    let hash = signer.certificate_hash();
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)) {
        return Err(SignerError(
            "the certificate's hash must be 64 upper-case hex digits (GOST R 34.11-2012-256 of the DER certificate)"
                .to_owned(),
        ));
    }
    let signature = signer.sign(text.as_bytes()).await?;
    if signature.len() != SIGNATURE_LEN {
        return Err(SignerError(format!(
            "the signer gave {} bytes, a raw signature has {SIGNATURE_LEN}: CMS/PKCS#7 was v1",
            signature.len()
        )));
    }
    Ok(B64.encode(signature))
}
