//! Which certificate a client is shown. New ones take the place of old ones while connections go on; a name of nobody's
//! gets the first one, because a page that warns is better than one that does not answer.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;

use super::{CertificateError, Pair, Paper};
use crate::clock::Clock;

/// The protocol name by which an authority asks for its challenge (RFC 8737 section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// A certificate ready to be shown.
#[derive(Clone)]
pub struct Ready {
    /// What stands in it.
    pub paper: Paper,
    /// The certificate first.
    pub key: Arc<CertifiedKey>,
}

impl Ready {
    /// Checks that certificate and key belong together.
    pub fn new(pair: &Pair, provider: &CryptoProvider) -> Result<Self, CertificateError> {
        let paper = Paper::read(pair.certificate())?;
        let key = CertifiedKey::from_der(pair.chain.clone(), pair.private_key(), provider)?;
        Ok(Ready { paper, key: Arc::new(key) })
    }

    /// The answer to a challenge. It holds a critical extension that only its authority understands (RFC 8737 section 3),
    /// so that nothing which checks certificates will read it; we made it from this key a moment ago.
    pub fn for_challenge(pair: &Pair, provider: &CryptoProvider) -> Result<Self, CertificateError> {
        let paper = Paper::read(pair.certificate())?;
        let key = provider.key_provider.load_private_key(pair.private_key())?;
        Ok(Ready { paper, key: Arc::new(CertifiedKey::new(pair.chain.clone(), key)) })
    }

    /// The same as `new` for a key in any of the forms that files have.
    pub fn from_file(
        chain: Vec<rustls::pki_types::CertificateDer<'static>>,
        key: rustls::pki_types::PrivateKeyDer<'static>,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let paper = Paper::read(chain.first().ok_or(super::paper::Unreadable)?)?;
        Ok(Ready { paper, key: Arc::new(CertifiedKey::from_der(chain, key, provider)?) })
    }
}

#[derive(Default)]
struct Board {
    /// In the order of preference.
    shown: Vec<Ready>,
    /// Name and certificate of the challenges that wait to be looked at.
    challenges: Vec<(String, Arc<CertifiedKey>)>,
}

/// The certificates that are shown now.
#[derive(Default)]
pub struct Shown(RwLock<Board>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl Shown {
    /// Shows these from the next handshake on.
    pub fn put(&self, shown: Vec<Ready>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).shown = shown;
    }

    /// What stands in those that are shown, the preferred first.
    pub fn papers(&self) -> Vec<Paper> {
        let board = self.0.read().unwrap_or_else(PoisonError::into_inner);
        board.shown.iter().map(|ready| ready.paper.clone()).collect()
    }

    /// Shows an authority the answers to its challenges.
    pub fn challenge(&self, answers: Vec<(String, Ready)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).challenges =
            answers.into_iter().map(|(name, ready)| (name, ready.key)).collect();
    }

    /// Whether an authority is expected to look.
    pub fn is_challenged(&self) -> bool {
        !self.0.read().unwrap_or_else(PoisonError::into_inner).challenges.is_empty()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let board = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if hello.alpn().is_some_and(|mut names| names.any(|name| name == ACME_TLS)) {
            let name = hello.server_name()?;
            return board.challenges.iter().find(|(asked, _)| asked == name).map(|(_, key)| Arc::clone(key));
        }
        let fitting = match hello.server_name() {
            Some(name) => board.shown.iter().find(|ready| ready.paper.covers(name)),
            // Whoever came by an address says no name (RFC 6066 section 3).
            None => board.shown.iter().find(|ready| !ready.paper.addresses.is_empty()),
        };
        fitting.or(board.shown.first()).map(|ready| Arc::clone(&ready.key))
    }
}

/// The time by which clients' certificates are judged: the house's own, or, while that is not believed, the latest moment
/// that has certainly been.
#[derive(Clone)]
pub struct HouseTime(pub Clock);

impl fmt::Debug for HouseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HouseTime")
    }
}

impl TimeProvider for HouseTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.at_least().0 / 1000).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}
