//! The issuer's public keys (JWKS, RFC 7517): read when first needed, kept for an hour, and read once more when a token
//! names a key that is not among them, because a portal may have changed its keys; but not oftener than once a minute,
//! whatever comes.
//!
//! A key that cannot be used is passed over; two that could both be meant are nobody's.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::IdentityError;
use super::jws::{Algorithm, Header, PublicKey, TokenFault};
use crate::portal::http::{Http, Outgoing};
use crate::portal::problem::classify;

const FRESH: Duration = Duration::from_secs(3600);
const AGAIN_AFTER: Duration = Duration::from_secs(60);
const SET_BYTES_MAX: usize = 64 * 1024;
const KEYS_MAX: usize = 32;
/// Below 2048 bits `ring` refuses; above 4096 a verification takes the machine's time for nothing.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
const RSA_EXPONENT_BYTES_MAX: usize = 4;

/// The members of a JWK that are looked at.
#[derive(Deserialize)]
struct JwkDto {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Clone)]
struct Jwk {
    kid: Option<String>,
    /// What the portal says it signs with; `None` is any that fits the key.
    alg: Option<String>,
    key: PublicKey,
}

struct Known {
    at: Instant,
    address: Url,
    keys: Vec<Jwk>,
}

/// The keys as they were read last.
#[derive(Default)]
pub(in crate::portal) struct KeySet {
    known: Mutex<Option<Known>>,
}

impl KeySet {
    /// The one key that this header can mean. The outer error is that of the way to the keys.
    pub(super) async fn find(
        &self,
        http: &Http,
        address: &Url,
        header: &Header,
    ) -> Result<Result<PublicKey, TokenFault>, IdentityError> {
        let mut known = self.known.lock().await;
        let usable = |known: &Known| known.address == *address && known.at.elapsed() < FRESH;
        let have = known.as_ref().filter(|known| usable(known));
        let again = match have.map(|have| (choose(&have.keys, header), have.at.elapsed())) {
            Some((Err(TokenFault::UnknownKey), age)) => age >= AGAIN_AFTER,
            Some((found, _)) => return Ok(found),
            None => true,
        };
        if !again {
            return Ok(Err(TokenFault::UnknownKey));
        }
        let keys = read(http, address).await?;
        let found = choose(&keys, header);
        *known = Some(Known { at: Instant::now(), address: address.clone(), keys });
        Ok(found)
    }

    /// As if the keys had been read earlier.
    #[cfg(test)]
    pub(super) async fn age(&self, by: Duration) {
        if let Some(known) = self.known.lock().await.as_mut() {
            known.at -= by;
        }
    }
}

async fn read(http: &Http, address: &Url) -> Result<Vec<Jwk>, IdentityError> {
    let mut outgoing = Outgoing::new(Method::GET, address.clone()).accept("application/json");
    outgoing.cap = SET_BYTES_MAX;
    let answer = http.send(&outgoing).await.map_err(crate::portal::CallError::from)?;
    if let Some(error) = classify(&answer) {
        return Err(error.into());
    }
    let set: Value = answer.json().map_err(IdentityError::Refused)?;
    Ok(keys_of(&set))
}

#[cfg(test)]
/// The keys of a set that can verify a signature here.
pub(super) fn keys_of_text(set: &str) -> Vec<PublicKey> {
    let set: Value = serde_json::from_str(set).unwrap_or_default();
    keys_of(&set).into_iter().map(|jwk| jwk.key).collect()
}

fn keys_of(set: &Value) -> Vec<Jwk> {
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    keys.iter().take(KEYS_MAX).filter_map(|key| JwkDto::deserialize(key).ok()).filter_map(usable).collect()
}

fn usable(jwk: JwkDto) -> Option<Jwk> {
    let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    let bytes = |text: &Option<String>| B64.decode(text.as_deref()?).ok();
    let coordinate = |text: &Option<String>| bytes(text).filter(|bytes| bytes.len() == 32);
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            // A leading zero is somebody's sign byte (RFC 7518 section 6.3.1.1 forbids it, and it occurs).
            let trimmed = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
            let (n, e) = (trimmed(bytes(&jwk.n)?), trimmed(bytes(&jwk.e)?));
            (RSA_BYTES.contains(&n.len()) && (1..=RSA_EXPONENT_BYTES_MAX).contains(&e.len()))
                .then_some(PublicKey::Rsa { n, e })
        }
        ("EC", Some("P-256")) => {
            let point = [&[4], coordinate(&jwk.x)?.as_slice(), coordinate(&jwk.y)?.as_slice()].concat();
            Some(PublicKey::P256(point))
        }
        ("OKP", Some("Ed25519")) => coordinate(&jwk.x).map(PublicKey::Ed25519),
        _ => None,
    }?;
    for_signatures.then_some(Jwk { kid: jwk.kid, alg: jwk.alg, key })
}

fn choose(keys: &[Jwk], header: &Header) -> Result<PublicKey, TokenFault> {
    let fits = |jwk: &&Jwk| {
        let kind = match (header.alg, &jwk.key) {
            (Algorithm::Rs256, PublicKey::Rsa { .. }) => "RS256",
            (Algorithm::Ps256, PublicKey::Rsa { .. }) => "PS256",
            (Algorithm::Es256, PublicKey::P256(_)) => "ES256",
            (Algorithm::EdDsa, PublicKey::Ed25519(_)) => "EdDSA",
            _ => return false,
        };
        // RFC 9864 renames EdDSA; a key set may be ahead of the tokens.
        let alg = jwk.alg.as_deref().is_none_or(|alg| alg == kind || (kind == "EdDSA" && alg == "Ed25519"));
        // A token without a kid means the only key there is (OpenID Connect Core section 10.1).
        alg && header.kid.as_ref().is_none_or(|kid| jwk.kid.as_ref() == Some(kid))
    };
    let mut fitting = keys.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(jwk), None) => Ok(jwk.key.clone()),
        (Some(_), Some(_)) => Err(TokenFault::AmbiguousKey),
        (None, _) => Err(TokenFault::UnknownKey),
    }
}
