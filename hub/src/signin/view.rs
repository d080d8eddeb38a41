//! What the sign-in room shows of itself. Plain values without secrets, except where a secret is shown once.

use std::time::Duration;

use domovoi_model::{PersonId, Timestamp};
use domovoi_vault::Secret;
use serde_json::Value;

use crate::policy::Scope;

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The WebAuthn relying party: the configured host.
    pub host: String,
    /// Origins from which passkeys are taken: `https://domovoi.local:8443`, in the demo `http://localhost:8080`.
    pub origins: Vec<String>,
    /// The home's name, as an authenticator shows it.
    pub home: String,
    /// A session ends after so long without use.
    pub idle: Duration,
    /// And after so long in any case.
    pub absolute: Duration,
}

/// What a step of signing in led to.
#[derive(Debug)]
pub enum Step {
    /// Signed in.
    Done(Opened),
    /// One more factor is wanted; `offered` are those the person has.
    SecondFactor {
        /// Goes back with the answer; valid for five minutes.
        pending: String,
        /// Any of these.
        offered: Vec<FactorKind>,
        /// WebAuthn options, where a passkey is offered.
        passkey: Option<Value>,
    },
}

/// A session that was opened just now.
#[derive(Debug)]
pub struct Opened {
    /// The cookie's value; nowhere else to be had.
    pub cookie: Secret<String>,
    /// The session.
    pub session: SessionView,
}

/// A factor that is shown.
#[derive(Debug)]
pub enum Answer {
    /// A password.
    Password(Secret<String>),
    /// Six digits.
    Totp(String),
    /// A recovery code; it is used up.
    Recovery(Secret<String>),
    /// A passkey's response to the challenge with this pending id.
    Passkey(String, Value),
}

/// Kinds of factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorKind {
    /// WebAuthn.
    Passkey,
    /// Argon2id.
    Password,
    /// RFC 6238.
    Totp,
    /// Recovery codes.
    Recovery,
    /// Four digits, on a paired tablet.
    Pin,
    /// The linked portal's account.
    Portal,
}

impl FactorKind {
    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            FactorKind::Passkey => "passkey",
            FactorKind::Password => "password",
            FactorKind::Totp => "totp",
            FactorKind::Recovery => "recovery",
            FactorKind::Pin => "pin",
            FactorKind::Portal => "portal",
        }
    }
}

/// A factor as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorView {
    /// Opaque.
    pub id: String,
    /// Which.
    pub kind: FactorKind,
    /// What its owner calls it.
    pub name: String,
    /// When it was added.
    pub added_at: Option<Timestamp>,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
    /// How many recovery codes are left.
    pub left: Option<usize>,
}

/// A session as it is shown.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Opaque; not the cookie.
    pub id: String,
    /// Whose. `None` is a wall tablet on which nobody has typed a PIN.
    pub person: Option<PersonId>,
    /// What its owner calls it, or what the browser says it is.
    pub name: String,
    /// A paired wall tablet.
    pub tablet: bool,
    /// Where it was last used from.
    pub address: Option<std::net::IpAddr>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last used.
    pub used_at: Timestamp,
    /// When it ends, unless it is used before.
    pub ends_at: Timestamp,
    /// Against forged forms: put into every form, compared on every change. Derived from the session, not stored.
    pub csrf: Secret<String>,
}

/// A TOTP secret to scan, shown this once.
#[derive(Debug)]
pub struct TotpOffer {
    /// Goes back with the code.
    pub pending: String,
    /// `otpauth://totp/…`
    pub uri: Secret<String>,
    /// The secret in base32, for typing.
    pub secret: Secret<String>,
}

/// A rule that a chosen password or PIN does not meet; the locale files name it `rule-<code>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// `short`, `long`, `common`, `guessable`, `about-you`, `digits`, `sequence`, …
    pub code: &'static str,
    /// A number that the sentence needs: the length wanted.
    pub number: Option<usize>,
}

/// What is paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairingKind {
    /// A person's own phone.
    Phone,
    /// A tablet on the wall: nobody's until a PIN is typed.
    Tablet,
}

/// A pairing under way.
#[derive(Debug, Clone)]
pub struct Pairing {
    /// Eight letters and digits, in the QR code's address and for typing.
    pub code: String,
    /// What the new device proves itself with. Empty when another asks.
    pub secret: Secret<String>,
    /// What is paired.
    pub kind: PairingKind,
    /// What the new device says it is.
    pub device: String,
    /// Where it is.
    pub address: Option<std::net::IpAddr>,
    /// When the code ends.
    pub ends_at: Timestamp,
}

/// How a pairing stands.
#[derive(Debug)]
pub enum PairingState {
    /// Nobody has looked yet.
    Waiting,
    /// Approved: the device's session.
    Approved(Opened),
    /// Refused, or too late.
    Over,
}

/// A token, shown this once.
#[derive(Debug)]
pub struct IssuedToken {
    /// `dmv_…`
    pub token: Secret<String>,
    /// What is kept of it.
    pub view: TokenView,
}

/// A token as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    /// Opaque.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do; empty is all that the person may.
    pub scopes: Vec<Scope>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// From where.
    pub used_from: Option<std::net::IpAddr>,
}

/// A client certificate as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateView {
    /// Opaque.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: String,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}
