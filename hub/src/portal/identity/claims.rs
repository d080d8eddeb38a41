//! What an id_token must say (OpenID Connect Core 3.1.3.7), once its signature is known to be the portal's: from whom,
//! for whom, for which sign-in, and when.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use domovoi_model::Timestamp;
use ring::digest;
use serde::Deserialize;

use super::jws::{Algorithm, TokenFault};

/// How far the portal's clock and ours may be apart.
const LEEWAY_S: i64 = 60;
/// The token was made just now, by the request that asked for it.
const AGE_MAX_S: i64 = 10 * 60;
/// OpenID Connect Core section 2.
const SUBJECT_MAX: usize = 255;

/// What a token is compared with.
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub access_token: &'a str,
    /// From a trusted clock.
    pub now: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    at_hash: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The subject, if everything is as it has to be.
pub(super) fn check(claims: &[u8], alg: Algorithm, expected: &Expected<'_>) -> Result<String, TokenFault> {
    let claims: Claims = serde_json::from_slice(claims).map_err(|_| TokenFault::Claims)?;
    let must = |holds: bool, name: &'static str| if holds { Ok(()) } else { Err(TokenFault::Claim(name)) };
    must(claims.iss == expected.issuer, "iss")?;
    // A token for several is refused: the others are nobody whom this home trusts.
    let for_us_alone = match &claims.aud {
        Audience::One(audience) => audience == expected.client_id,
        Audience::Many(all) => matches!(all.as_slice(), [audience] if audience == expected.client_id),
    };
    must(for_us_alone, "aud")?;
    must(claims.azp.as_deref().is_none_or(|azp| azp == expected.client_id), "azp")?;
    must(claims.nonce.as_deref() == Some(expected.nonce), "nonce")?;
    // NumericDate may have a fraction (RFC 7519 section 2). Seconds of any year fit a double exactly.
    let now = expected.now.0.div_euclid(1000);
    let (early, late) = ((now - LEEWAY_S) as f64, (now + LEEWAY_S) as f64);
    must(claims.exp > early, "exp")?;
    must(claims.iat <= late && claims.iat > early - AGE_MAX_S as f64, "iat")?;
    must(claims.nbf.is_none_or(|nbf| nbf <= late), "nbf")?;
    must(claims.at_hash.is_none_or(|hash| hash == half_hash(alg, expected.access_token)), "at_hash")?;
    let spelled = claims.sub.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    must(spelled && (1..=SUBJECT_MAX).contains(&claims.sub.len()), "sub")?;
    Ok(claims.sub)
}

/// The left half of the hash that belongs to the signature's algorithm (section 3.1.3.6).
pub(super) fn half_hash(alg: Algorithm, access_token: &str) -> String {
    let hash = match alg {
        Algorithm::EdDsa => &digest::SHA512,
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
    };
    let hash = digest::digest(hash, access_token.as_bytes());
    let bytes = hash.as_ref();
    B64.encode(bytes.get(..bytes.len() / 2).unwrap_or_default())
}
