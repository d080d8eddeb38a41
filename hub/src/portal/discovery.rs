//! What the authorization server says of itself (RFC 8414), believed only where it may be: the issuer must equal the
//! configured one letter for letter, and every endpoint passes the address rule.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::address;
use super::http::{Http, Outgoing};
use super::problem::{CallError, classify};
use super::settings::Issuer;
use crate::outside::tame;

const FRESH: Duration = Duration::from_secs(24 * 3600);

/// The endpoints and abilities that this program uses.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub token_endpoint: Url,
    pub authorization_endpoint: Option<Url>,
    pub device_authorization_endpoint: Option<Url>,
    pub revocation_endpoint: Option<Url>,
    /// Its public keys, for an id_token.
    pub jwks_uri: Option<Url>,
    /// ES256 proofs are taken (RFC 9449 section 5.1).
    pub dpop_es256: bool,
    /// The redirect carries `iss` (RFC 9207), so one without it is refused.
    pub sends_iss: bool,
    /// `None` where the server does not list its PKCE methods.
    pub pkce_s256: Option<bool>,
}

#[derive(Deserialize)]
struct MetadataDto {
    issuer: String,
    token_endpoint: String,
    authorization_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    jwks_uri: Option<String>,
    dpop_signing_alg_values_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// RFC 8414 section 3.1: the well-known part goes between the host and the issuer's path.
pub(crate) fn well_known(issuer: &Issuer) -> Url {
    let mut url = issuer.url().clone();
    let path = issuer.url().path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    url
}

/// The metadata, read when first needed, and again after a day.
#[derive(Default)]
pub(crate) struct Discovery {
    known: Mutex<Option<(Instant, Metadata)>>,
}

impl Discovery {
    /// What is known, if it is fresh and has what the caller needs; otherwise it is read anew.
    pub async fn metadata(
        &self,
        http: &Http,
        issuer: &Issuer,
        has_what_is_needed: impl Fn(&Metadata) -> bool,
    ) -> Result<Metadata, CallError> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = known.as_ref()
            && at.elapsed() < FRESH
            && has_what_is_needed(metadata)
        {
            return Ok(metadata.clone());
        }
        let metadata = read(http, issuer).await?;
        *known = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }
}

async fn read(http: &Http, issuer: &Issuer) -> Result<Metadata, CallError> {
    let outgoing = Outgoing::new(Method::GET, well_known(issuer)).accept("application/json");
    let answer = http.send(&outgoing).await?;
    if let Some(error) = classify(&answer) {
        return Err(error);
    }
    let wrong = |detail: String| CallError::Unknown { detail };
    let dto: MetadataDto = answer.json().map_err(wrong)?;
    if dto.issuer != issuer.as_str() {
        return Err(wrong(format!(
            "the metadata at {} is of the issuer `{}`, the settings name `{}`: they must be equal to the letter",
            answer.from,
            tame(&dto.issuer, 200),
            issuer.as_str()
        )));
    }
    let endpoint = |name: &str, text: &str| {
        address::parse(text).map_err(|why| wrong(format!("the portal's metadata: {name}: {why}")))
    };
    let maybe = |name: &str, text: &Option<String>| text.as_deref().map(|text| endpoint(name, text)).transpose();
    let lists = |list: &Option<Vec<String>>, item: &str| list.as_ref().map(|list| list.iter().any(|i| i == item));
    Ok(Metadata {
        token_endpoint: endpoint("token_endpoint", &dto.token_endpoint)?,
        authorization_endpoint: maybe("authorization_endpoint", &dto.authorization_endpoint)?,
        device_authorization_endpoint: maybe("device_authorization_endpoint", &dto.device_authorization_endpoint)?,
        revocation_endpoint: maybe("revocation_endpoint", &dto.revocation_endpoint)?,
        jwks_uri: maybe("jwks_uri", &dto.jwks_uri)?,
        dpop_es256: lists(&dto.dpop_signing_alg_values_supported, "ES256") == Some(true),
        sends_iss: dto.authorization_response_iss_parameter_supported,
        pkce_s256: lists(&dto.code_challenge_methods_supported, "S256"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_goes_before_the_path() {
        for (issuer, at) in [
            ("https://portal.example", "https://portal.example/.well-known/oauth-authorization-server"),
            ("https://portal.example/", "https://portal.example/.well-known/oauth-authorization-server"),
            ("https://portal.example/a/b", "https://portal.example/.well-known/oauth-authorization-server/a/b"),
            ("https://portal.example/a/", "https://portal.example/.well-known/oauth-authorization-server/a"),
        ] {
            assert_eq!(well_known(&Issuer::new(issuer).unwrap()).as_str(), at);
        }
    }
}
