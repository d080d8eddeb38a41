//! What stands in a certificate: names, times, fingerprint. Reads X.509 and judges nothing.

use std::net::IpAddr;

use domovoi_model::Timestamp;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// More names than a certificate of a home ever has.
const MAX_NAMES: usize = 200;

/// A certificate that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this is no certificate that can be read")]
pub struct Unreadable;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// DNS names, in lower case; `*.x.example` stands for one label.
    pub names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
}

impl Paper {
    /// Reads one.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Unreadable)?;
        let mut paper = Paper {
            names: Vec::new(),
            addresses: Vec::new(),
            not_before: millis(certificate.validity().not_before.timestamp()),
            not_after: millis(certificate.validity().not_after.timestamp()),
            fingerprint: Sha256::digest(der.as_ref()).into(),
        };
        if let Some(names) = certificate.subject_alternative_name().map_err(|_| Unreadable)? {
            for name in names.value.general_names.iter().take(MAX_NAMES) {
                match name {
                    GeneralName::DNSName(name) => paper.names.push(name.to_lowercase()),
                    GeneralName::IPAddress(bytes) => paper.addresses.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        Ok(paper)
    }

    /// Whether it speaks for this DNS name (RFC 9525 section 6.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => *name == host,
        })
    }

    /// When two thirds of its life are over.
    pub fn renewal(&self) -> Timestamp {
        let life = self.not_after.0.saturating_sub(self.not_before.0);
        Timestamp(self.not_before.0.saturating_add(life / 3 * 2))
    }
}

/// Whose a client's certificate says it is (its common name), and its SHA-256.
pub fn shown_by(der: &[u8]) -> Option<(String, [u8; 32])> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some((name.to_owned(), Sha256::digest(der).into()))
}

/// Groups of two hexadecimal digits, as every browser and every telephone shows a fingerprint.
pub fn spelled(fingerprint: &[u8; 32]) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn millis(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000))
}
