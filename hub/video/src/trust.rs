//! Whom an rtsps camera's certificate may come from. Cameras have self-signed certificates that no root store knows, so the
//! first one seen is shown to the owner and pinned by its SHA-256; or the owner's own authority signs them.
//! Deliberately no way to accept just any certificate, and no TLS below 1.2 (`relay` connects).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::session::{Trouble, WallClock, clean};

/// The SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A leaf certificate as it is shown to the person who decides about it. The texts are the camera's own claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub fingerprint: Fingerprint,
    pub subject: String,
    pub issuer: String,
    /// Milliseconds since 1970; `None` where the certificate could not be read any further than its bytes.
    pub valid_from: Option<i64>,
    pub valid_until: Option<i64>,
}

impl Certificate {
    pub fn of(der: &[u8]) -> Certificate {
        let fingerprint = Fingerprint(Sha256::digest(der).into());
        match x509_parser::parse_x509_certificate(der) {
            Ok((_, read)) => Certificate {
                fingerprint,
                subject: clean(&read.subject().to_string(), &[]),
                issuer: clean(&read.issuer().to_string(), &[]),
                valid_from: read.validity().not_before.timestamp().checked_mul(1000),
                valid_until: read.validity().not_after.timestamp().checked_mul(1000),
            },
            Err(_) => Certificate {
                fingerprint,
                subject: String::new(),
                issuer: String::new(),
                valid_from: None,
                valid_until: None,
            },
        }
    }
}

/// Whether a certificate of the owner's authority must also name the camera's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    #[default]
    Checked,
    /// For certificates that name a model and a serial number: Axis devices with their factory IEEE 802.1AR identity.
    Ignored,
}

/// Which certificate of an rtsps camera is the right one.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// None yet: the handshake goes as far as the certificate, and that is what the trouble tells.
    #[default]
    Unknown,
    /// This leaf and no other, whatever its names and dates say.
    Pinned(Fingerprint),
    /// Those signed by the owner's authority, at the time the wall clock shows.
    Authority { roots: Arc<RootCertStore>, names: Names },
}

/// Why a text is no authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    #[error("there is no certificate in PEM (-----BEGIN CERTIFICATE-----) in it")]
    Empty,
    #[error("certificate {0} of it cannot be read")]
    Unreadable(usize),
    #[error("it is larger than {AUTHORITY_BYTES} bytes")]
    TooLarge,
}

const AUTHORITY_BYTES: usize = 256 * 1024;

impl Trust {
    /// The owner's authority, in PEM.
    pub fn authority(pem: &[u8], names: Names) -> Result<Trust, AuthorityError> {
        if pem.len() > AUTHORITY_BYTES {
            return Err(AuthorityError::TooLarge);
        }
        let mut roots = RootCertStore::empty();
        for (i, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|_| AuthorityError::Unreadable(i + 1))?;
            roots.add(certificate).map_err(|_| AuthorityError::Unreadable(i + 1))?;
        }
        if roots.is_empty() {
            Err(AuthorityError::Empty)
        } else {
            Ok(Trust::Authority { roots: Arc::new(roots), names })
        }
    }
}

/// One handshake's judge, and what it saw.
#[derive(Debug)]
pub(crate) struct Judge {
    rule: Rule,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Certificate>>,
}

#[derive(Debug)]
enum Rule {
    Nobody,
    Pinned(Fingerprint),
    Authority(Arc<WebPkiServerVerifier>, Names),
}

impl Judge {
    pub(crate) fn new(trust: &Trust) -> Result<Arc<Judge>, Trouble> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let rule = match trust {
            Trust::Unknown => Rule::Nobody,
            Trust::Pinned(fingerprint) => Rule::Pinned(*fingerprint),
            Trust::Authority { roots, names } => {
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| Trouble::Tls { why: clean(&error.to_string(), &[]) })?;
                Rule::Authority(verifier, *names)
            }
        };
        Ok(Arc::new(Judge { rule, provider, seen: Mutex::default() }))
    }

    /// A client for exactly this handshake: 1.3, and 1.2 because many cameras know nothing later. No resumption, so
    /// that each connection is judged.
    pub(crate) fn client(self: &Arc<Judge>, wall: WallClock) -> Result<ClientConfig, Trouble> {
        let mut config = ClientConfig::builder_with_details(Arc::clone(&self.provider), Arc::new(Time(wall)))
            .with_safe_default_protocol_versions()
            .map_err(|error| Trouble::Tls { why: clean(&error.to_string(), &[]) })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Judge>::clone(self))
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// The certificate of the last handshake, whether it was taken or not.
    pub(crate) fn seen(&self) -> Option<Certificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a failed handshake means.
    pub(crate) fn trouble(&self, error: &std::io::Error) -> Trouble {
        match (&self.rule, self.seen()) {
            (Rule::Nobody, Some(found)) => Trouble::CertificateUnknown { found: Box::new(found) },
            (Rule::Pinned(pinned), Some(found)) if found.fingerprint != *pinned => {
                Trouble::CertificateChanged { pinned: *pinned, found: Box::new(found) }
            }
            _ => Trouble::Tls { why: clean(&error.to_string(), &[]) },
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = Certificate::of(end_entity);
        let fingerprint = certificate.fingerprint;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
        match &self.rule {
            Rule::Pinned(pinned) if *pinned == fingerprint => Ok(ServerCertVerified::assertion()),
            Rule::Nobody | Rule::Pinned(_) => {
                Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Rule::Authority(verifier, names) => {
                match verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    // The chain is verified before the name is looked at.
                    Err(rustls::Error::InvalidCertificate(
                        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                    )) if *names == Names::Ignored => Ok(ServerCertVerified::assertion()),
                    verdict => verdict,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The hub's clock for the dates of certificates.
struct Time(WallClock);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from((self.0)()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_millis(millis)))
    }
}
