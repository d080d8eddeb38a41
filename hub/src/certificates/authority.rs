//! An authority of the hub's own, and what it signs. Two of them exist: one for the page, which may sign for names and
//! addresses of the home only, and one for clients, which nobody but this hub believes. Keys leave the vault as bytes in
//! memory and never reach the disk in clear; time comes from outside.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_config::WebName;
use domovoi_model::Timestamp;
use domovoi_vault::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CertificateError;
use super::shown::Ready;

/// How long an authority lives: a television is told once whom to trust.
const AUTHORITY_DAYS: i64 = 3653;

/// The longest life that browsers like (CA/Browser Forum baseline requirements 6.3.2; Apple refuses above 825 days).
pub const LEAF_DAYS: i64 = 397;

/// Clients whose clock is a little behind must not be told that the certificate is of tomorrow.
const EARLIER_MILLIS: i64 = 86_400_000;

const DAY_MILLIS: i64 = 86_400_000;

/// Names that no public site has (RFC 6761, RFC 6762, RFC 8375; `lan` and `home` are what routers hand out). The authority
/// signs for these only, so that whoever steals its key can pretend to be a printer and never a bank.
const HOME_ENDINGS: [&str; 6] = ["local", "localhost", "home.arpa", "internal", "lan", "home"];

/// The private ranges (RFC 1918, RFC 3927, RFC 4193, RFC 4291) and loopback.
const HOME_NETWORKS: [(&str, u8); 8] = [
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("169.254.0.0", 16),
    ("127.0.0.0", 8),
    ("fc00::", 7),
    ("fe80::", 10),
    ("::1", 128),
];

/// A certificate, those above it, and its key. What is kept sealed in the store is this as JSON.
#[derive(Clone)]
pub struct Pair {
    /// The certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8.
    pub key: Secret<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct KeptPair {
    chain: Vec<String>,
    key: String,
}

impl Pair {
    /// For the vault.
    pub fn to_bytes(&self) -> Result<Secret<Vec<u8>>, CertificateError> {
        let kept = KeptPair {
            chain: self.chain.iter().map(|der| STANDARD.encode(der)).collect(),
            key: STANDARD.encode(self.key.expose()),
        };
        serde_json::to_vec(&kept).map(Secret::new).map_err(|_| CertificateError::Kept)
    }

    /// From the vault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let kept: KeptPair = serde_json::from_slice(bytes).map_err(|_| CertificateError::Kept)?;
        let decode = |text: &String| STANDARD.decode(text).map_err(|_| CertificateError::Kept);
        let chain: Result<Vec<_>, _> = kept.chain.iter().map(|text| decode(text).map(CertificateDer::from)).collect();
        let pair = Pair { chain: chain?, key: Secret::new(decode(&kept.key)?) };
        if pair.chain.is_empty() { Err(CertificateError::Kept) } else { Ok(pair) }
    }

    /// The certificate itself.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        // Both ways in see to it that there is one.
        static NONE: CertificateDer<'static> = CertificateDer::from_slice(&[]);
        self.chain.first().unwrap_or(&NONE)
    }

    /// The key as TLS wants it.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.expose().clone()))
    }
}

/// A new P-256 key.
pub fn new_key() -> Result<KeyPair, CertificateError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Make)
}

/// What an authority is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The page.
    Page,
    /// Clients that show a certificate instead of a password.
    Clients,
}

/// An authority.
pub struct Authority {
    /// Its certificate and key.
    pub pair: Pair,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one at a moment. `outside`: what it has to sign for beside the names and addresses of homes.
    pub fn make(purpose: Purpose, at: Timestamp, outside: &[WebName]) -> Result<Self, CertificateError> {
        Self::certified(purpose, new_key()?, at, outside)
    }

    /// The same key with a certificate that allows more.
    pub fn widened(&self, at: Timestamp, outside: &[WebName]) -> Result<Self, CertificateError> {
        Self::certified(Purpose::Page, key_of(&self.pair)?, at, outside)
    }

    fn certified(purpose: Purpose, key: KeyPair, at: Timestamp, outside: &[WebName]) -> Result<Self, CertificateError> {
        // Two hubs in one home are told apart by the end of the name; some clients also mix up authorities of one name.
        let mark: String = Sha256::digest(key.public_key_raw()).iter().take(4).map(|b| format!("{b:02x}")).collect();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = match purpose {
            Purpose::Page => format!("Domovoi {mark}"),
            Purpose::Clients => format!("Domovoi clients {mark}"),
        };
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        set_life(&mut params, at.0 - EARLIER_MILLIS, at.0 + AUTHORITY_DAYS * DAY_MILLIS);
        if purpose == Purpose::Page {
            params.name_constraints = Some(constraints(outside));
        }
        let certificate = params.self_signed(&key).map_err(CertificateError::Make)?;
        let pair = Pair { chain: vec![certificate.der().clone()], key: Secret::new(key.serialize_der()) };
        Ok(Authority { pair, issuer: Issuer::new(params, key) })
    }

    /// Whether a name is within what its certificate allows (RFC 5280 section 4.2.1.10).
    pub fn may_sign(&self, name: &WebName) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(self.pair.certificate()) else { return false };
        let Ok(Some(constraints)) = certificate.name_constraints() else { return false };
        let permitted = constraints.value.permitted_subtrees.as_deref().unwrap_or_default();
        permitted.iter().any(|subtree| match (&subtree.base, name) {
            (GeneralName::DNSName(base), WebName::Name(name)) => is_below(name, base),
            (GeneralName::IPAddress(network), WebName::Address(address)) => is_within(*address, network),
            _ => false,
        })
    }

    /// Whether a certificate is of this authority's key.
    pub fn signed(&self, ready: &Ready) -> bool {
        let issuer = |der| X509Certificate::from_der(der).map(|(_, read)| read.tbs_certificate.issuer.to_string());
        let own = X509Certificate::from_der(self.pair.certificate())
            .map(|(_, read)| read.tbs_certificate.subject.to_string());
        // The name holds a part of the key's hash.
        matches!((ready.key.cert.first().map(|der| issuer(der)), own), (Some(Ok(issuer)), Ok(own)) if issuer == own)
    }

    /// The one that was kept.
    pub fn kept(pair: Pair) -> Result<Self, CertificateError> {
        let key = key_of(&pair)?;
        let issuer = Issuer::from_ca_cert_der(pair.certificate(), key).map_err(CertificateError::Make)?;
        Ok(Authority { pair, issuer })
    }

    /// Signs a certificate of a server, valid from `at` for `LEAF_DAYS`, but no longer than `until`.
    pub fn sign_server(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        at: Timestamp,
        until: Timestamp,
    ) -> Result<Pair, CertificateError> {
        let mut params = CertificateParams::new(names.to_vec()).map_err(CertificateError::Make)?;
        params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = names.first() {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let until = until.0.min(at.0 + (LEAF_DAYS - 1) * DAY_MILLIS);
        self.sign(params, at.0 - EARLIER_MILLIS, until)
    }

    /// Signs a certificate of a client.
    pub fn sign_client(&self, name: &str, at: Timestamp, until: Timestamp) -> Result<Pair, CertificateError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, at.0 - EARLIER_MILLIS, until.0)
    }

    fn sign(&self, mut params: CertificateParams, from: i64, until: i64) -> Result<Pair, CertificateError> {
        let key = new_key()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        set_life(&mut params, from, until);
        let certificate = params.signed_by(&key, &self.issuer).map_err(CertificateError::Make)?;
        Ok(Pair { chain: vec![certificate.der().clone()], key: Secret::new(key.serialize_der()) })
    }
}

/// Whether it is a name that no public site has. Another gets a certificate of its own, so that devices which trust an
/// authority that was not allowed to sign for it yet go on believing the one of the home.
pub fn is_home_name(name: &str) -> bool {
    HOME_ENDINGS.iter().any(|ending| is_below(name, ending))
}

fn is_below(name: &str, base: &str) -> bool {
    name.strip_suffix(base).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Address and mask behind one another, as certificates have them.
fn is_within(address: IpAddr, network: &[u8]) -> bool {
    let address = match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (base, mask) = network.split_at(network.len() / 2);
    address.len() == base.len() && address.iter().zip(base).zip(mask).all(|((a, b), mask)| a & mask == b & mask)
}

fn constraints(outside: &[WebName]) -> NameConstraints {
    let names = HOME_ENDINGS.iter().map(|ending| GeneralSubtree::DnsName((*ending).to_owned()));
    let networks = HOME_NETWORKS.iter().filter_map(|(address, prefix)| {
        Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address.parse().ok()?, *prefix)))
    });
    let outside = outside.iter().map(|name| match name {
        WebName::Name(name) => GeneralSubtree::DnsName(name.clone()),
        WebName::Address(address @ IpAddr::V4(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, 32))
        }
        WebName::Address(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, 128)),
    });
    NameConstraints {
        permitted_subtrees: names.chain(networks).chain(outside).collect(),
        excluded_subtrees: Vec::new(),
    }
}

fn key_of(pair: &Pair) -> Result<KeyPair, CertificateError> {
    let key = PrivatePkcs8KeyDer::from(pair.key.expose().as_slice());
    KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Make)
}

/// 127 random bits: positive, and never the same twice.
fn serial() -> Result<SerialNumber, CertificateError> {
    let mut bytes = domovoi_vault::random::<16>()?;
    bytes[0] &= 0x7f;
    bytes[0] |= 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Writes both ends of a life. rcgen has its own type of a moment, which this file does not want to name.
fn set_life(params: &mut CertificateParams, from_millis: i64, until_millis: i64) {
    let after_1970 = |millis: i64| Duration::from_secs(u64::try_from(millis / 1000).unwrap_or(0));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + after_1970(from_millis);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + after_1970(until_millis);
}
