//! What this room has to be told about a portal. Plain values; the settings file has its own section for them.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::address::{self, AddressError};

/// Which dialect of OAuth the portal speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// RFC 8414 metadata, device grant or authorization code with PKCE, DPoP: a portal of the contract, or an operator's
    /// gateway before some other one.
    Generic,
    /// ЕСИА v2/v3. Only a registered organisation has a client there; see `esia`.
    Esia,
}

/// Whether tokens are bound to a key of this hub (RFC 9449).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dpop {
    /// A portal that does not offer it is refused.
    Required,
    /// Where the metadata offers ES256.
    IfOffered,
    /// Never. For a server whose implementation is broken.
    Off,
}

/// The oldest TLS that is spoken to this portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFloor {
    /// The default.
    V1_3,
    /// For a portal that has nothing newer.
    V1_2,
}

/// An issuer identifier (RFC 8414 section 2), letter for letter: it is compared as text, and an address type would add
/// a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Applies the address rule; an issuer has no query.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let mut url = address::parse(text)?;
        url.set_query(None);
        Ok(Issuer { text: text.to_owned(), url })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As an address.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// What this room has to be told about a portal.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// Which dialect of OAuth.
    pub profile: Profile,
    /// The authorization server.
    pub issuer: Issuer,
    /// Where the calls of portal-api.yaml begin. The access token is sent nowhere else.
    pub api_base: Url,
    /// The name under which the portal knows this kind of program. A public client: there is no secret.
    pub client_id: String,
    /// What the owner is asked to allow.
    pub scopes: Vec<String>,
    /// The audience of the token (RFC 8707), where the portal wants one.
    pub resource: Option<Url>,
    /// Whether tokens are bound to a key.
    pub dpop: Dpop,
    /// PEM file of further certificate authorities, trusted beside those of the system.
    pub extra_roots: Option<PathBuf>,
    /// The oldest TLS.
    pub tls_floor: TlsFloor,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for a whole answer.
    pub total_timeout: Duration,
    /// How long a person may take in the browser (`link_browser`).
    pub browser_timeout: Duration,
}

impl PortalSettings {
    /// A generic portal with every default: all scopes of the contract, DPoP where offered, TLS 1.3.
    pub fn new(issuer: &str, api_base: &str, client_id: &str) -> Result<Self, AddressError> {
        Ok(PortalSettings {
            profile: Profile::Generic,
            issuer: Issuer::new(issuer)?,
            api_base: address::parse(api_base)?,
            client_id: client_id.to_owned(),
            scopes: super::scopes::all_names(),
            resource: None,
            dpop: Dpop::IfOffered,
            extra_roots: None,
            tls_floor: TlsFloor::V1_3,
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            browser_timeout: Duration::from_secs(600),
        })
    }

    /// Fields are public, so an address may have been put in without the rule: it is applied again at opening.
    pub(crate) fn check(&self) -> Result<(), AddressError> {
        address::check(&self.issuer.url)?;
        address::check(&self.api_base)?;
        self.resource.as_ref().map_or(Ok(()), address::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_keeps_its_spelling() {
        assert_eq!(Issuer::new("https://portal.example").unwrap().as_str(), "https://portal.example");
        assert_eq!(Issuer::new("https://portal.example/").unwrap().as_str(), "https://portal.example/");
        assert!(Issuer::new("http://portal.example").is_err(), "plain http on a host that is not loopback");
    }
}
