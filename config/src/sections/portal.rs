//! `[portal]`: whom the hub may be linked with, and how it introduces itself. Whether it is linked is in the store.

use std::path::PathBuf;

use url::Url;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

/// Readings, what is to be paid, messages both ways, alerts. The owner sees them in words before anything is allowed, and
/// what the portal grants of them is what is done.
const DEFAULT_SCOPES: [&str; 8] = [
    "accounts.read",
    "acts.write",
    "acts.read",
    "charges.read",
    "notifications.read",
    "notifications.write",
    "alerts.read",
    "offline_access",
];

/// The portal, or the operator's gateway before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// The manner of its authorization server.
    pub profile: Profile,
    /// The issuer exactly as written: RFC 8414 section 3.3 compares it character by character, and a parsed address
    /// would have gained a `/`.
    pub issuer: String,
    /// Where the calls of `portal-api.yaml` begin.
    pub api_base: Url,
    /// Who the hub is to the authorization server. A public client: there is no client secret.
    pub client_id: String,
    /// What the owner is asked to allow.
    pub scopes: Vec<String>,
    /// Whether tokens are bound to the hub's key (RFC 9449).
    pub dpop: Dpop,
    /// A PEM file of the authorities to trust instead of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// What the token is for (RFC 8707), where the server wants to be told.
    pub resource: Option<Url>,
}

/// The manner of an authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Plain OAuth 2.0 with discovery (RFC 8414).
    Generic,
    /// ЕСИА; only through an operator that holds the client's key.
    Esia,
}

/// When to bind tokens to the hub's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dpop {
    /// A server without it is not linked.
    Required,
    /// Where its metadata says it can.
    IfOffered,
    /// Never; for servers that say they can and cannot.
    Off,
}

pub(crate) fn read(mut section: Section<'_>) -> Option<Portal> {
    section.must_have("issuer", "\"https://id.portal.example\"");
    section.must_have("api_base", "\"https://portal.example/api/v1\"");
    let dpop_at = section.place_of("dpop");
    let base_dir = section.base_dir();
    let profile = section
        .take_enum("profile", &[("generic", Profile::Generic), ("esia", Profile::Esia)])
        .unwrap_or(Profile::Generic);
    let issuer = section.take_parsed("issuer", |text| without_query(text).map(|_| text.to_owned()));
    let api_base = section.take_parsed("api_base", without_query);
    let client_id = section.take_string("client_id", 256).unwrap_or_else(|| "domovoi-hub".to_owned());
    let mut seen: Vec<String> = Vec::new();
    let scopes = section.take_list("scopes", 1..=32, |item| {
        item.parsed(|text| {
            let scope = scope(text)?;
            if seen.contains(&scope) {
                return Err(Wrong::new("is in the list twice"));
            }
            seen.push(scope.clone());
            Ok(scope)
        })
    });
    let dpop = section
        .take_enum("dpop", &[("required", Dpop::Required), ("if_offered", Dpop::IfOffered), ("off", Dpop::Off)])
        .unwrap_or(Dpop::IfOffered);
    let ca_file = section.take_path("ca_file", base_dir);
    let resource = section.take_url("resource");
    if profile == Profile::Esia && dpop == Dpop::Required {
        section.wrong_at(
            dpop_at,
            "dpop",
            Wrong::new("the requests of the profile \"esia\" have no DPoP").hint("write `dpop = \"if_offered\"`"),
        );
    }
    section.finish();
    Some(Portal {
        profile,
        issuer: issuer?,
        api_base: api_base?,
        client_id,
        scopes: scopes.unwrap_or_else(|| DEFAULT_SCOPES.map(str::to_owned).to_vec()),
        dpop,
        ca_file,
        resource,
    })
}

/// Neither an issuer (RFC 8414 section 2) nor a base of calls may have a query.
fn without_query(text: &str) -> Result<Url, Wrong> {
    let url = scalar::url(text)?;
    match url.query() {
        None => Ok(url),
        Some(_) => Err(Wrong::new("must not have a query").hint("remove everything from `?` on")),
    }
}

/// RFC 6749 section 3.3: printable ASCII without space, `"` and `\`.
fn scope(text: &str) -> Result<String, Wrong> {
    if text.contains(' ') {
        return Err(Wrong::new("holds a space").hint("write each scope as an element of its own"));
    }
    let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if text.is_empty() || text.len() > 128 || !text.bytes().all(fits) {
        return Err(Wrong::new(format!("{} is not a scope", scalar::quoted(text))));
    }
    Ok(text.to_owned())
}
