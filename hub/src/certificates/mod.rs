//! Certificates: the hub's own authority, the certificate of its page, the owner's own one or ACME's, and certificates
//! for clients. It opens no socket but ACME's, and decides nothing about who may come in.
//!
//! Whatever the settings say, the hub's own certificate is there too: it is shown to whoever comes by an address, and to
//! everybody while the other one cannot be had, because a page that warns is better than one that does not answer.

mod acme;
mod addresses;
mod authority;
mod files;
mod paper;
mod profile;
mod renewal;
mod shown;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_config::{Certificate, Challenge, OldestTls, Web};
use domovoi_model::Timestamp;
use domovoi_store::{Store, StoreError};
use domovoi_vault::Secret;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::bus::Bus;
use crate::clock::Clock;
use acme::Answers;
use authority::{Authority, Purpose};
use renewal::State;
use shown::{HouseTime, Shown};

pub use addresses::private as home_addresses;
pub use authority::Pair;
pub use paper::{Paper, shown_by, spelled};
pub use profile::mobileconfig;
pub use shown::ACME_TLS;

/// The longest life of a client's certificate.
pub const MAX_CLIENT_DAYS: u32 = 825;

/// The longest name of one.
const MAX_CLIENT_NAME: usize = 64;

/// Names in the vault.
const AUTHORITY: &str = "certificate.authority";
const CLIENTS: &str = "certificate.clients";

/// Why a certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The library refused to make it.
    #[error("the certificate cannot be made: {0}")]
    Make(rcgen::Error),
    /// Certificate or key cannot be used for TLS.
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] paper::Unreadable),
    /// What the vault keeps is not what was put there.
    #[error("the hub's own certificate in the store is damaged: restore it from a backup")]
    Kept,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] domovoi_vault::RandomError),
    /// Not possible here and now; the sentence says why.
    #[error("{0}")]
    Refused(&'static str),
}

type Result<T, E = CertificateError> = std::result::Result<T, E>;

/// The room. Clones are the same room.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    web: Web,
    provider: Arc<CryptoProvider>,
    tls: Arc<ServerConfig>,
    shown: Arc<Shown>,
    answers: Answers,
    authority: RwLock<Arc<Authority>>,
    clients: Authority,
    state: tokio::sync::Mutex<State>,
    trouble: Mutex<Option<String>>,
}

/// The authority that the home's devices are told to trust.
#[derive(Debug, Clone)]
pub struct AuthorityView {
    /// The certificate.
    pub der: Vec<u8>,
    /// The same as text.
    pub pem: String,
    /// SHA-256, as telephones show it.
    pub fingerprint: String,
    /// Until when.
    pub not_after: Timestamp,
}

/// What is shown to whoever comes, for the doctor.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Whether the settings want another certificate than the hub's own.
    pub wants_other: bool,
    /// Why that one cannot be had, or why it was not renewed.
    pub trouble: Option<String>,
    /// What is shown, the preferred first.
    pub papers: Vec<Paper>,
}

/// A client's certificate, shown once.
#[derive(Debug)]
pub struct IssuedClient {
    /// PEM.
    pub certificate: String,
    /// PEM, PKCS #8. The hub keeps no copy.
    pub key: Secret<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// Until when.
    pub until: Timestamp,
}

impl Certificates {
    /// Opens the room: makes the authorities if there are none, and a certificate to be shown.
    pub async fn open(store: Store, clock: Clock, bus: Bus, web: Web) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let outside = renewal::outside(&web);
        let authority = keep_or_make(&store, AUTHORITY, || Authority::make(Purpose::Page, clock.at_least(), &outside));
        let authority = authority.await?;
        let clients =
            keep_or_make(&store, CLIENTS, || Authority::make(Purpose::Clients, clock.at_least(), &[])).await?;
        let shown = Arc::new(Shown::default());
        let tls = tls(&clients, &shown, &clock, &provider, &web)?;
        let state = tokio::sync::Mutex::new(State::new(&web));
        let room = Certificates(Arc::new(Inner {
            store,
            clock,
            bus,
            web,
            provider,
            tls: Arc::new(tls),
            shown,
            answers: Answers::default(),
            authority: RwLock::new(Arc::new(authority)),
            clients,
            state,
            trouble: Mutex::new(None),
        }));
        room.look().await?;
        Ok(room)
    }

    /// For the https listeners. It stays the same; what it shows changes.
    pub fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.tls)
    }

    /// For the broker's listeners: the same certificate, other protocols. A client's certificate is looked at if it shows
    /// one.
    pub fn mqtt_tls(&self, oldest: OldestTls) -> Result<Arc<ServerConfig>> {
        let versions: &[_] = match oldest {
            OldestTls::V1_3 => &[&rustls::version::TLS13],
            OldestTls::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let inner = &self.0;
        Ok(Arc::new(config(&inner.clients, &inner.shown, &inner.clock, &inner.provider, versions)?))
    }

    /// The authority that devices are told to trust.
    pub fn authority(&self) -> Result<AuthorityView> {
        let authority = self.current();
        let der = authority.pair.certificate();
        let paper = Paper::read(der)?;
        Ok(AuthorityView {
            der: der.to_vec(),
            pem: pem("CERTIFICATE", der),
            fingerprint: spelled(&paper.fingerprint),
            not_after: paper.not_after,
        })
    }

    /// Whether devices have to be told to trust it: with a public authority's certificate they need not.
    pub fn is_own(&self) -> bool {
        self.0.web.certificate == Certificate::OwnCa
    }

    /// How things stand.
    pub fn standing(&self) -> Standing {
        Standing {
            wants_other: !self.is_own(),
            trouble: self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            papers: self.0.shown.papers(),
        }
    }

    /// The answer to an authority's challenge of this token.
    pub fn challenge_answer(&self, token: &str) -> Option<String> {
        self.0.answers.file(token)
    }

    /// Whether an authority is expected to look, which comes from a public address.
    pub fn is_challenged(&self) -> bool {
        self.0.answers.are_there() || self.0.shown.is_challenged()
    }

    /// Makes a certificate for a client. Only this hub believes in it, and only while the sign-in room knows its
    /// fingerprint.
    pub fn issue_client(&self, name: &str, days: u32) -> Result<IssuedClient> {
        let Some(at) = self.0.clock.trusted() else {
            return Err(CertificateError::Refused("the clock cannot be true, so nobody knows when this would end"));
        };
        if name.trim().is_empty() || name.len() > MAX_CLIENT_NAME || name.chars().any(char::is_control) {
            return Err(CertificateError::Refused("a certificate's name has 1 to 64 bytes"));
        }
        if !(1..=MAX_CLIENT_DAYS).contains(&days) {
            return Err(CertificateError::Refused("a client's certificate lives 1 to 825 days"));
        }
        let end = Paper::read(self.0.clients.pair.certificate())?.not_after;
        // Certificates count whole seconds.
        let until = Timestamp((at.0 + i64::from(days) * 86_400_000).min(end.0) / 1000 * 1000);
        let pair = self.0.clients.sign_client(name, at, until)?;
        let paper = Paper::read(pair.certificate())?;
        Ok(IssuedClient {
            certificate: pem("CERTIFICATE", pair.certificate()),
            key: Secret::new(pem("PRIVATE KEY", pair.key.expose())),
            fingerprint: paper.fingerprint,
            until,
        })
    }

    fn current(&self) -> Arc<Authority> {
        Arc::clone(&self.0.authority.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn keep_or_make(store: &Store, name: &str, make: impl FnOnce() -> Result<Authority>) -> Result<Authority> {
    if let Some(kept) = store.secrets().get(name).await? {
        return Authority::kept(Pair::from_bytes(kept.expose())?);
    }
    let made = make()?;
    store.secrets().put(name, made.pair.to_bytes()?.expose()).await?;
    Ok(made)
}

/// TLS 1.3 only: whoever speaks to the hub is a browser of this decade or a program of the owner's.
fn tls(
    clients: &Authority,
    shown: &Arc<Shown>,
    clock: &Clock,
    provider: &Arc<CryptoProvider>,
    web: &Web,
) -> Result<ServerConfig> {
    let mut tls = config(clients, shown, clock, provider, &[&rustls::version::TLS13])?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if matches!(&web.certificate, Certificate::Acme(acme) if acme.challenge == Challenge::TlsAlpn01) {
        tls.alpn_protocols.push(ACME_TLS.to_vec());
    }
    Ok(tls)
}

fn config(
    clients: &Authority,
    shown: &Arc<Shown>,
    clock: &Clock,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(clients.pair.certificate().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let tls = ServerConfig::builder_with_details(Arc::clone(provider), Arc::new(HouseTime(clock.clone())))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(shown) as Arc<_>);
    Ok(tls)
}

/// RFC 7468: lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
