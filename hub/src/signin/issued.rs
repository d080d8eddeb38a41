//! What the hub issues to programs: API tokens, and client certificates that are tied to a person. Both follow the
//! person's rights as they are now, and are over when the person is locked, past, or erased. All are in memory too, so
//! that a request costs no read of the store; the last use is written down rarely.

use std::collections::HashMap;
use std::net::IpAddr;

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{Drawer, Paper, Store};
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::term::Term;
use super::throttle::Key;
use super::view::{CertificateView, IssuedToken, TokenView};
use super::{Result, SignIn, SignInError, Why, could_be_secret, label, locked, new_secret};
use crate::policy::{Assurance, Kind, Network, Scope, Verb, Who};

const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;
const DAYS_MAX: u32 = 365;
/// Tokens, and certificates, of one person.
const PER_PERSON: usize = 50;
const SCOPES_MAX: usize = 64;
/// How often the last use is written down.
const FLUSH_MILLIS: i64 = 10 * MINUTE_MILLIS;
/// What a token begins with, so that a scanner of leaked secrets knows it.
const PREFIX: &str = "dmv_";

/// What lies in the drawer of tokens.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Row {
    Token(TokenRow),
    Certificate(CertificateRow),
    Entry(EntryRow),
}

/// An API token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TokenRow {
    secret: Key,
    name: String,
    /// Verb and kind, by code.
    scopes: Vec<(String, Option<String>)>,
    issued_at: i64,
    ends_at: i64,
    used_at: Option<i64>,
    used_from: Option<IpAddr>,
}

/// A client certificate.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct CertificateRow {
    fingerprint: String,
    name: String,
    ends_at: i64,
    used_at: Option<i64>,
}

/// A one-time link; see `entry`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct EntryRow {
    pub invited: bool,
    pub epoch: u32,
    pub term: Term,
}

struct Held<R> {
    person: PersonId,
    row: R,
    flushed_run: i64,
}

/// Tokens and certificates.
#[derive(Default)]
pub(super) struct Issued {
    tokens: HashMap<Id, Held<TokenRow>>,
    by_secret: HashMap<Key, Id>,
    certificates: HashMap<Id, Held<CertificateRow>>,
    by_fingerprint: HashMap<String, Id>,
}

/// Reads the drawer.
pub(super) async fn load(store: &Store) -> Result<Issued> {
    let mut issued = Issued::default();
    for paper in store.papers().readable(Drawer::Token).await?.0 {
        let Some(person) = paper.person else { continue };
        match serde_json::from_slice(&paper.body) {
            Ok(Row::Token(row)) => issued.insert_token(paper.id, person, row),
            Ok(Row::Certificate(row)) => issued.insert_certificate(paper.id, person, row),
            Ok(Row::Entry(_)) => {}
            Err(error) => tracing::warn!("a token in the store cannot be read and lets nobody in: {error}"),
        }
    }
    Ok(issued)
}

impl Issued {
    fn insert_token(&mut self, id: Id, person: PersonId, row: TokenRow) {
        self.by_secret.insert(row.secret, id);
        self.tokens.insert(id, Held { person, row, flushed_run: 0 });
    }

    fn insert_certificate(&mut self, id: Id, person: PersonId, row: CertificateRow) {
        self.by_fingerprint.insert(row.fingerprint.clone(), id);
        self.certificates.insert(id, Held { person, row, flushed_run: 0 });
    }
}

impl SignIn {
    /// Who has this bearer token.
    pub async fn by_token(&self, token: &str, network: Network) -> Result<Option<Who>> {
        let Some(secret) = self.token_key(token) else { return Ok(None) };
        // What ends at a time has ended while nobody knows the time.
        let Some(now) = self.0.clock.trusted() else { return Ok(None) };
        let run = self.0.clock.since_boot_millis();
        let (id, person, scopes, due) = {
            let mut issued = locked(&self.0.issued);
            let Some(id) = issued.by_secret.get(&secret).copied() else { return Ok(None) };
            let Some(held) = issued.tokens.get_mut(&id).filter(|held| held.row.ends_at > now.0) else {
                return Ok(None);
            };
            held.row.used_at = Some(to_the_minute(now));
            let due = is_due(&mut held.flushed_run, run);
            (id, held.person, scopes_of(&held.row), due)
        };
        let Some(person) = self.0.people.get(person).filter(|person| self.is_welcome(person)) else { return Ok(None) };
        if due {
            self.write_token(id).await?;
        }
        let scopes = (!scopes.is_empty()).then_some(scopes);
        Ok(Some(Who { scopes, ..self.who(&person, network, Assurance::Single) }))
    }

    /// Who has the client certificate with this SHA-256 fingerprint.
    pub async fn by_certificate(&self, fingerprint: &[u8; 32], network: Network) -> Result<Option<Who>> {
        let Some(now) = self.0.clock.trusted() else { return Ok(None) };
        let run = self.0.clock.since_boot_millis();
        let (id, person, due) = {
            let mut issued = locked(&self.0.issued);
            let Some(id) = issued.by_fingerprint.get(&hex(fingerprint)).copied() else { return Ok(None) };
            let Some(held) = issued.certificates.get_mut(&id).filter(|held| held.row.ends_at > now.0) else {
                return Ok(None);
            };
            held.row.used_at = Some(to_the_minute(now));
            (id, held.person, is_due(&mut held.flushed_run, run))
        };
        let Some(person) = self.0.people.get(person).filter(|person| self.is_welcome(person)) else { return Ok(None) };
        if due {
            self.write_certificate(id).await?;
        }
        Ok(Some(self.who(&person, network, Assurance::Single)))
    }

    /// Issues an API token, shown this once: at most as much as the person may do, for at most a year.
    pub async fn issue_token(
        &self,
        person: PersonId,
        name: &str,
        scopes: Vec<Scope>,
        days: u32,
    ) -> Result<IssuedToken> {
        let person = self.person(person)?;
        let name = label(name)?;
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(Why::Days.into());
        }
        let Some(now) = self.0.clock.trusted() else { return Err(Why::NoClock.into()) };
        if scopes.len() > SCOPES_MAX || self.tokens(person.id).await?.len() >= PER_PERSON {
            return Err(Why::TooMany.into());
        }
        let token = Secret::new(format!("{PREFIX}{}", new_secret()?.expose()));
        let row = TokenRow {
            secret: self.token_key(token.expose()).ok_or(Why::Keep)?,
            name,
            scopes: scopes
                .iter()
                .map(|scope| (scope.verb.code().to_owned(), scope.kind.map(|kind| kind.code().to_owned())))
                .collect(),
            issued_at: now.0,
            ends_at: now.0.saturating_add(i64::from(days) * DAY_MILLIS),
            used_at: None,
            used_from: None,
        };
        let id = Id(domovoi_vault::random()?);
        self.put_issued(id, person.id, &Row::Token(row.clone())).await?;
        let view = token_view(id, &row);
        locked(&self.0.issued).insert_token(id, person.id, row);
        Ok(IssuedToken { token, view })
    }

    /// A person's tokens; those that have ended go by themselves.
    pub async fn tokens(&self, person: PersonId) -> Result<Vec<TokenView>> {
        let now = self.0.clock.trusted();
        let ended = |ends_at: i64| now.is_some_and(|now| now.0 >= ends_at);
        let (mut views, over) = {
            let issued = locked(&self.0.issued);
            let mine = || issued.tokens.iter().filter(|(_, held)| held.person == person);
            let views: Vec<TokenView> = mine()
                .filter(|(_, held)| !ended(held.row.ends_at))
                .map(|(id, held)| token_view(*id, &held.row))
                .collect();
            let over: Vec<Id> = mine().filter(|(_, held)| ended(held.row.ends_at)).map(|(id, _)| *id).collect();
            (views, over)
        };
        for id in over {
            self.forget_token(id).await?;
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.issued_at));
        Ok(views)
    }

    /// Ends a token.
    pub async fn end_token(&self, person: PersonId, token: &str) -> Result<()> {
        let id: Id = token.parse().map_err(|_| SignInError::NoSuch("token"))?;
        let is_mine = locked(&self.0.issued).tokens.get(&id).is_some_and(|held| held.person == person);
        if !is_mine {
            return Err(SignInError::NoSuch("token"));
        }
        self.forget_token(id).await
    }

    /// Ties a client certificate (its SHA-256 fingerprint) to a person.
    pub async fn add_certificate(
        &self,
        person: PersonId,
        name: &str,
        fingerprint: [u8; 32],
        until: Timestamp,
    ) -> Result<CertificateView> {
        let person = self.person(person)?;
        let name = label(name)?;
        let Some(now) = self.0.clock.trusted() else { return Err(Why::NoClock.into()) };
        if until <= now {
            return Err(Why::Over.into());
        }
        if self.certificates(person.id).await?.len() >= PER_PERSON {
            return Err(Why::TooMany.into());
        }
        let row = CertificateRow { fingerprint: hex(&fingerprint), name, ends_at: until.0, used_at: None };
        // The same certificate has the same id: it is never two people's.
        let id = Id(self.key("signin.certificate", &[&fingerprint]));
        let _turn = self.0.changing.lock().await;
        let taken = locked(&self.0.issued).certificates.get(&id).map(|held| held.person);
        if taken.is_some_and(|other| self.0.people.get(other).is_some()) {
            return Err(Why::OthersCertificate.into());
        }
        self.put_issued(id, person.id, &Row::Certificate(row.clone())).await?;
        let view = certificate_view(id, &row);
        locked(&self.0.issued).insert_certificate(id, person.id, row);
        Ok(view)
    }

    /// A person's certificates; those that have ended go by themselves.
    pub async fn certificates(&self, person: PersonId) -> Result<Vec<CertificateView>> {
        let now = self.0.clock.trusted();
        let ended = |ends_at: i64| now.is_some_and(|now| now.0 >= ends_at);
        let (mut views, over) = {
            let issued = locked(&self.0.issued);
            let mine = || issued.certificates.iter().filter(|(_, held)| held.person == person);
            let alive = mine().filter(|(_, held)| !ended(held.row.ends_at));
            let views: Vec<CertificateView> = alive.map(|(id, held)| certificate_view(*id, &held.row)).collect();
            let over: Vec<Id> = mine().filter(|(_, held)| ended(held.row.ends_at)).map(|(id, _)| *id).collect();
            (views, over)
        };
        for id in over {
            self.forget_certificate(id).await?;
        }
        views.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(views)
    }

    /// Ends a certificate.
    pub async fn end_certificate(&self, person: PersonId, certificate: &str) -> Result<()> {
        let id: Id = certificate.parse().map_err(|_| SignInError::NoSuch("certificate"))?;
        let is_mine = locked(&self.0.issued).certificates.get(&id).is_some_and(|held| held.person == person);
        if !is_mine {
            return Err(SignInError::NoSuch("certificate"));
        }
        self.forget_certificate(id).await
    }

    /// A token was used from there.
    pub(super) fn token_came_from(&self, token: &str, address: IpAddr) {
        let Some(secret) = self.token_key(token) else { return };
        let mut issued = locked(&self.0.issued);
        if let Some(id) = issued.by_secret.get(&secret).copied()
            && let Some(held) = issued.tokens.get_mut(&id)
        {
            held.row.used_from = Some(address);
        }
    }

    fn token_key(&self, token: &str) -> Option<Key> {
        let bare = token.strip_prefix(PREFIX).filter(|bare| could_be_secret(bare))?;
        Some(self.key("signin.token", &[bare.as_bytes()]))
    }

    async fn put_issued(&self, id: Id, person: PersonId, row: &Row) -> Result<()> {
        let body = Zeroizing::new(serde_json::to_vec(row).map_err(|_| Why::Keep)?);
        Ok(self.0.store.papers().put(Drawer::Token, &Paper { id, person: Some(person), body }).await?)
    }

    /// In turns with those who end one: a late note of the last use must not bring it back.
    async fn write_token(&self, id: Id) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        let now = locked(&self.0.issued).tokens.get(&id).map(|held| (held.person, held.row.clone()));
        match now {
            Some((person, row)) => self.put_issued(id, person, &Row::Token(row)).await,
            None => Ok(()),
        }
    }

    async fn write_certificate(&self, id: Id) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        let now = locked(&self.0.issued).certificates.get(&id).map(|held| (held.person, held.row.clone()));
        match now {
            Some((person, row)) => self.put_issued(id, person, &Row::Certificate(row)).await,
            None => Ok(()),
        }
    }

    async fn forget_token(&self, id: Id) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        {
            let mut issued = locked(&self.0.issued);
            if let Some(held) = issued.tokens.remove(&id) {
                issued.by_secret.remove(&held.row.secret);
            }
        }
        self.0.store.papers().delete(Drawer::Token, id).await?;
        Ok(())
    }

    async fn forget_certificate(&self, id: Id) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        {
            let mut issued = locked(&self.0.issued);
            if let Some(held) = issued.certificates.remove(&id) {
                issued.by_fingerprint.remove(&held.row.fingerprint);
            }
        }
        self.0.store.papers().delete(Drawer::Token, id).await?;
        Ok(())
    }
}

/// A scope that this version does not know is kept as one that allows nothing, so that the token does not become
/// unlimited by being misread.
fn scopes_of(row: &TokenRow) -> Vec<Scope> {
    let read = |(verb, kind): &(String, Option<String>)| {
        let kind = match kind {
            Some(kind) => Some(Kind::from_code(kind)?),
            None => None,
        };
        Some(Scope { verb: Verb::from_code(verb)?, kind })
    };
    let known: Vec<Scope> = row.scopes.iter().filter_map(read).collect();
    match known.is_empty() && !row.scopes.is_empty() {
        true => vec![Scope { verb: Verb::See, kind: Some(Kind::Threshold) }],
        false => known,
    }
}

fn token_view(id: Id, row: &TokenRow) -> TokenView {
    TokenView {
        id: id.to_string(),
        name: row.name.clone(),
        scopes: scopes_of(row),
        issued_at: Timestamp(row.issued_at),
        ends_at: Timestamp(row.ends_at),
        used_at: row.used_at.map(Timestamp),
        used_from: row.used_from,
    }
}

fn certificate_view(id: Id, row: &CertificateRow) -> CertificateView {
    CertificateView {
        id: id.to_string(),
        name: row.name.clone(),
        fingerprint: row.fingerprint.clone(),
        ends_at: Timestamp(row.ends_at),
        used_at: row.used_at.map(Timestamp),
    }
}

fn to_the_minute(at: Timestamp) -> i64 {
    at.0 - at.0.rem_euclid(MINUTE_MILLIS)
}

/// The first use of a run is written down at once, so that a token that is used once a day has a last use.
fn is_due(flushed_run: &mut i64, run: i64) -> bool {
    let due = *flushed_run == 0 || run.saturating_sub(*flushed_run) >= FLUSH_MILLIS;
    if due {
        *flushed_run = run.max(1);
    }
    due
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
