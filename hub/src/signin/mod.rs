//! Signing in: who is let in, for how long, and how they prove it. It knows factors and sessions and lets the policy
//! judge what a person may then do. Every wrong answer looks the same from outside and costs the same work.

pub mod factors;
mod view;

use domovoi_model::PersonId;
use domovoi_store::{Store, StoreError};
use domovoi_vault::Secret;
use serde_json::Value;

use crate::audit::{Journal, Origin};
use crate::clock::Clock;
use crate::courier::Courier;
use crate::people::{NewPerson, People};
use crate::policy::{Network, Scope, Who};

pub use view::{
    Answer, CertificateView, FactorKind, FactorView, IssuedToken, Opened, Pairing, PairingKind, PairingState, Policy,
    SessionView, Step, TokenView, TotpOffer, Unmet,
};

/// Why not. What a stranger is told never depends on whether the login exists.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The login, password, code, PIN or passkey is wrong, or was used already.
    #[error("that is not right: check the login and the password or code")]
    Wrong,
    /// Too many tries; this many seconds to wait.
    #[error("too many tries: wait {0} s")]
    Throttled(u64),
    /// The step was begun too long ago, or never.
    #[error("this took too long: begin again")]
    Expired,
    /// The chosen password or PIN is too weak; every unmet rule.
    #[error("the password does not meet {} rule(s)", .0.len())]
    Weak(Vec<Unmet>),
    /// Not possible here and now; the sentence says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// There is no such session, factor, token, pairing.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// The people's room refused.
    #[error(transparent)]
    People(#[from] crate::people::PeopleError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Result<T> = std::result::Result<T, SignInError>;

/// The sign-in room. Clones are the same room.
#[derive(Clone)]
pub struct SignIn {
    store: Store,
    clock: Clock,
    people: People,
    journal: Journal,
    courier: Courier,
    policy: Policy,
}

// SKELETON: every body below is to be written whole, in the files of this room.
impl SignIn {
    /// Opens the room.
    pub async fn open(
        store: Store,
        clock: Clock,
        people: People,
        journal: Journal,
        courier: Courier,
        policy: Policy,
    ) -> Result<Self> {
        Ok(SignIn { store, clock, people, journal, courier, policy })
    }

    /// Whether nobody owns the home yet.
    pub fn needs_owner(&self) -> bool {
        let _ = (&self.store, &self.clock, &self.journal, &self.courier, &self.policy);
        !self.people.list().iter().any(|person| person.role == crate::policy::Role::Owner)
    }

    /// A one-time token for `/setup?…` in the fragment, valid for ten minutes; a new one ends the one before.
    pub async fn setup_token(&self) -> Result<Secret<String>> {
        Err(SignInError::Expired)
    }

    /// Makes the first owner with a password, signed in. The token is used up only when it succeeds.
    pub async fn set_up(
        &self,
        token: &str,
        owner: NewPerson,
        password: Secret<String>,
        from: &Origin,
    ) -> Result<Opened> {
        let _ = (token, owner, password, from);
        Err(SignInError::Expired)
    }

    /// A one-time link token with which a person who is locked out (console), or was invited, chooses new factors.
    /// Valid for ten minutes (console) or a day (invitation).
    pub async fn entry_token(&self, person: PersonId, invited: bool) -> Result<Secret<String>> {
        let _ = (person, invited);
        Err(SignInError::Expired)
    }

    /// Uses an entry token: signed in, with a password chosen if one is given.
    pub async fn enter(&self, token: &str, password: Option<Secret<String>>, from: &Origin) -> Result<Opened> {
        let _ = (token, password, from);
        Err(SignInError::Expired)
    }

    /// Login and password. The same work is done for a login that does not exist.
    pub async fn with_password(&self, login: &str, password: Secret<String>, from: &Origin) -> Result<Step> {
        let _ = (login, password, from);
        Err(SignInError::Wrong)
    }

    /// Answers the second factor that a `Step::SecondFactor` asked for.
    pub async fn second_factor(&self, pending: &str, answer: Answer, from: &Origin) -> Result<Step> {
        let _ = (pending, answer, from);
        Err(SignInError::Wrong)
    }

    /// WebAuthn options for `navigator.credentials.get` without a login (discoverable); the pending id goes back.
    pub async fn passkey_challenge(&self, from: &Origin) -> Result<(String, Value)> {
        let _ = from;
        Err(SignInError::Expired)
    }

    /// A passkey's answer.
    pub async fn with_passkey(&self, pending: &str, response: Value, from: &Origin) -> Result<Step> {
        let _ = (pending, response, from);
        Err(SignInError::Wrong)
    }

    /// Sends a one-time code to a login, if it is a confirmed contact. The answer is the same if it is not.
    pub async fn send_code(&self, login: &str, from: &Origin) -> Result<String> {
        let _ = (login, from);
        Err(SignInError::Expired)
    }

    /// The code that was sent.
    pub async fn with_code(&self, pending: &str, code: &str, from: &Origin) -> Result<Step> {
        let _ = (pending, code, from);
        Err(SignInError::Wrong)
    }

    /// A PIN on a paired wall tablet; `device` is the tablet's own session cookie.
    pub async fn with_pin(&self, device: &str, person: PersonId, pin: &str, from: &Origin) -> Result<Opened> {
        let _ = (device, person, pin, from);
        Err(SignInError::Wrong)
    }

    /// People who may sign in with a PIN on this tablet: id and name.
    pub async fn pin_people(&self, device: &str) -> Result<Vec<(PersonId, String)>> {
        let _ = device;
        Err(SignInError::Expired)
    }

    /// Opens a session for a person whom the portal's id_token names by this issuer and subject.
    pub async fn with_portal_account(&self, issuer: &str, subject: &str, from: &Origin) -> Result<Step> {
        let _ = (issuer, subject, from);
        Err(SignInError::Wrong)
    }

    /// Ties a portal account to a person who is signed in.
    pub async fn add_portal_account(&self, person: PersonId, issuer: &str, subject: &str) -> Result<FactorView> {
        let _ = (person, issuer, subject);
        Err(SignInError::NoSuch("person"))
    }

    /// Shows a factor again, for a dangerous verb: five minutes of trust for this session (`SessionView::id`). The
    /// session gets a new cookie; the old one is worth nothing from then on.
    pub async fn step_up(&self, session: &str, answer: Answer, from: &Origin) -> Result<Opened> {
        let _ = (session, answer, from);
        Err(SignInError::Wrong)
    }

    /// A passkey challenge for a signed-in person's step-up or second factor.
    pub async fn passkey_challenge_for(&self, person: PersonId) -> Result<(String, Value)> {
        let _ = person;
        Err(SignInError::NoSuch("passkey"))
    }

    // --- who a request is

    /// Who has this session cookie now, and their session; a session that is over is `None`.
    pub async fn by_cookie(&self, cookie: &str, network: Network) -> Result<Option<(Who, SessionView)>> {
        let _ = (cookie, network);
        Ok(None)
    }

    /// Who has this bearer token.
    pub async fn by_token(&self, token: &str, network: Network) -> Result<Option<Who>> {
        let _ = (token, network);
        Ok(None)
    }

    /// Who has the client certificate with this SHA-256 fingerprint.
    pub async fn by_certificate(&self, fingerprint: &[u8; 32], network: Network) -> Result<Option<Who>> {
        let _ = (fingerprint, network);
        Ok(None)
    }

    /// The address from which a session cookie or a token was used just now, for the lists of sessions and tokens.
    /// Memory only; it never fails.
    pub fn came_from(&self, secret: &str, address: std::net::IpAddr) {
        let _ = (secret, address);
    }

    // --- factors of a person

    /// A person's factors.
    pub async fn factors(&self, person: PersonId) -> Result<Vec<FactorView>> {
        let _ = person;
        Ok(Vec::new())
    }

    /// Every rule that a password would not meet for this person, without setting it.
    pub async fn judge_password(&self, person: Option<PersonId>, password: &Secret<String>) -> Vec<Unmet> {
        let _ = (person, password);
        Vec::new()
    }

    /// Sets a password; every other session of the person ends.
    pub async fn set_password(&self, person: PersonId, password: Secret<String>, keep: Option<&str>) -> Result<()> {
        let _ = (person, password, keep);
        Err(SignInError::NoSuch("person"))
    }

    /// Options for `navigator.credentials.create`.
    pub async fn passkey_offer(&self, person: PersonId) -> Result<(String, Value)> {
        let _ = person;
        Err(SignInError::NoSuch("person"))
    }

    /// Keeps the passkey that was made.
    pub async fn add_passkey(
        &self,
        person: PersonId,
        pending: &str,
        name: &str,
        response: Value,
    ) -> Result<FactorView> {
        let _ = (person, pending, name, response);
        Err(SignInError::Expired)
    }

    /// A TOTP secret to scan; it counts once a code of it was given.
    pub async fn totp_offer(&self, person: PersonId) -> Result<TotpOffer> {
        let _ = person;
        Err(SignInError::NoSuch("person"))
    }

    /// Confirms the offered TOTP secret with a code.
    pub async fn add_totp(&self, person: PersonId, pending: &str, code: &str) -> Result<FactorView> {
        let _ = (person, pending, code);
        Err(SignInError::Expired)
    }

    /// Ten new recovery codes, shown this once; the old ones are worth nothing now.
    pub async fn new_recovery_codes(&self, person: PersonId) -> Result<Vec<Secret<String>>> {
        let _ = person;
        Err(SignInError::NoSuch("person"))
    }

    /// Sets the four-digit PIN for paired tablets.
    pub async fn set_pin(&self, person: PersonId, pin: Secret<String>) -> Result<()> {
        let _ = (person, pin);
        Err(SignInError::NoSuch("person"))
    }

    /// Removes a factor; the last way to sign in stays.
    pub async fn remove_factor(&self, person: PersonId, factor: &str) -> Result<()> {
        let _ = (person, factor);
        Err(SignInError::NoSuch("factor"))
    }

    // --- sessions

    /// A person's sessions, the latest used first.
    pub async fn sessions(&self, person: PersonId) -> Result<Vec<SessionView>> {
        let _ = person;
        Ok(Vec::new())
    }

    /// Names a session («Телефон Анны»).
    pub async fn name_session(&self, person: PersonId, session: &str, name: &str) -> Result<()> {
        let _ = (person, session, name);
        Err(SignInError::NoSuch("session"))
    }

    /// Ends a session.
    pub async fn end_session(&self, person: PersonId, session: &str) -> Result<()> {
        let _ = (person, session);
        Err(SignInError::NoSuch("session"))
    }

    /// Ends all sessions of a person, but for one.
    pub async fn end_sessions(&self, person: PersonId, keep: Option<&str>) -> Result<usize> {
        let _ = (person, keep);
        Ok(0)
    }

    // --- pairing: a new phone or tablet shows a QR code, a signed-in person approves it

    /// Begins a pairing on the new device.
    pub async fn pair(&self, kind: PairingKind, from: &Origin) -> Result<Pairing> {
        let _ = (kind, from);
        Err(SignInError::Expired)
    }

    /// What is being approved, for the person who scanned the code.
    pub async fn pairing(&self, code: &str) -> Result<Pairing> {
        let _ = code;
        Err(SignInError::NoSuch("pairing"))
    }

    /// A person approves, and names the device; it is theirs then (a phone) or the home's (a tablet).
    pub async fn approve_pairing(&self, code: &str, person: PersonId, name: &str) -> Result<()> {
        let _ = (code, person, name);
        Err(SignInError::NoSuch("pairing"))
    }

    /// A person says no.
    pub async fn refuse_pairing(&self, code: &str) -> Result<()> {
        let _ = code;
        Err(SignInError::NoSuch("pairing"))
    }

    /// The new device asks whether it was approved, with the secret that only it has.
    pub async fn pairing_state(&self, secret: &str, from: &Origin) -> Result<PairingState> {
        let _ = (secret, from);
        Err(SignInError::NoSuch("pairing"))
    }

    // --- tokens and certificates

    /// Issues an API token, shown this once: at most as much as the person may do, for at most a year.
    pub async fn issue_token(
        &self,
        person: PersonId,
        name: &str,
        scopes: Vec<Scope>,
        days: u32,
    ) -> Result<IssuedToken> {
        let _ = (person, name, scopes, days);
        Err(SignInError::NoSuch("person"))
    }

    /// A person's tokens.
    pub async fn tokens(&self, person: PersonId) -> Result<Vec<TokenView>> {
        let _ = person;
        Ok(Vec::new())
    }

    /// Ends a token.
    pub async fn end_token(&self, person: PersonId, token: &str) -> Result<()> {
        let _ = (person, token);
        Err(SignInError::NoSuch("token"))
    }

    /// Ties a client certificate (its SHA-256 fingerprint) to a person.
    pub async fn add_certificate(
        &self,
        person: PersonId,
        name: &str,
        fingerprint: [u8; 32],
        until: domovoi_model::Timestamp,
    ) -> Result<CertificateView> {
        let _ = (person, name, fingerprint, until);
        Err(SignInError::NoSuch("person"))
    }

    /// A person's certificates.
    pub async fn certificates(&self, person: PersonId) -> Result<Vec<CertificateView>> {
        let _ = person;
        Ok(Vec::new())
    }

    /// Ends a certificate.
    pub async fn end_certificate(&self, person: PersonId, certificate: &str) -> Result<()> {
        let _ = (person, certificate);
        Err(SignInError::NoSuch("certificate"))
    }
}
