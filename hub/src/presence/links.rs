//! Secret addresses by which a phone's automation says that its owner came or left. The secret is told once, when it is made;
//! what is kept is a keyed hash of it. A wrong one learns nothing.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{PresenceDrawer, StoreError};
use domovoi_vault::Secret;
use tokio::time::Instant;

use super::row::{self, LinkRow};
use super::rules::{By, Hand};
use super::{Presence, PresenceError};

/// 256 bits.
const SECRET_BYTES: usize = 32;

/// No secret is longer; what is longer is not even hashed.
const MAX_SECRET: usize = 128;

/// So many addresses a person has, and all of them.
const MAX_EACH: usize = 8;
const MAX_ALL: usize = 128;

const MAX_LABEL: usize = 64;

/// An address may be used so often at once, and so often in the long run.
const BURST: u32 = 10;
const REFILL: Duration = Duration::from_secs(15);

/// An address, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// What it is revoked by. It opens nothing.
    pub id: Id,
    /// What its owner calls it.
    pub label: String,
    /// Whose it is.
    pub person: PersonId,
    /// When it was made.
    pub made_at: Option<Timestamp>,
    /// When it was last used, to the day.
    pub used_on: Option<Timestamp>,
}

/// What an address answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tapped {
    /// There is no such address.
    Unknown,
    /// It is used too often; so many seconds to wait.
    Busy(u64),
    /// It is known; of whom.
    Done(PersonId),
    /// It could not be written down: the phone should try again.
    NotKept,
}

/// How often each address was used lately.
#[derive(Debug, Default)]
pub(super) struct Taps(HashMap<Id, (u32, Instant)>);

impl Taps {
    /// Whether it may be used now; else after how long.
    fn take(&mut self, id: Id) -> Result<(), Duration> {
        let now = Instant::now();
        let (left, since) = self.0.entry(id).or_insert((BURST, now));
        let refilled = u32::try_from(now.duration_since(*since).as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if refilled > 0 {
            *left = left.saturating_add(refilled).min(BURST);
            *since = now;
        }
        match left.checked_sub(1) {
            Some(rest) => {
                *left = rest;
                Ok(())
            }
            None => Err(REFILL.saturating_sub(now.duration_since(*since))),
        }
    }
}

pub(super) fn view(id: Id, row: &LinkRow) -> Option<LinkView> {
    Some(LinkView {
        id,
        label: row.label.clone(),
        person: row.person.parse().ok()?,
        made_at: row.made_at.map(Timestamp),
        used_on: row.used_on.map(|day| Timestamp(day.saturating_mul(86_400_000))),
    })
}

impl Presence {
    /// Makes a secret address for somebody. The secret is told here and never again.
    pub async fn make_link(&self, person: PersonId, label: &str) -> Result<(LinkView, Secret<String>), PresenceError> {
        let label = label.trim();
        if label.is_empty() || label.chars().count() > MAX_LABEL || label.chars().any(char::is_control) {
            return Err(PresenceError::Invalid("label"));
        }
        let _turn = self.0.changing.lock().await;
        let (all, own) = {
            let state = self.state();
            let spelled = person.to_string();
            (state.links.len(), state.links.values().filter(|link| link.person == spelled).count())
        };
        if own >= MAX_EACH || all >= MAX_ALL {
            return Err(PresenceError::Full("links"));
        }
        let bytes: [u8; SECRET_BYTES] = domovoi_vault::random().map_err(|error| StoreError::Io(error.to_string()))?;
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let shelf = self.0.store.presence();
        let id = shelf.id_of(secret.as_bytes());
        let made_at = self.0.clock.trusted().map(|at| at.0);
        let row = LinkRow { label: label.to_owned(), person: person.to_string(), made_at, used_on: None };
        shelf.put(PresenceDrawer::Link, &row::paper(id, &row)).await?;
        let shown =
            LinkView { id, label: row.label.clone(), person, made_at: row.made_at.map(Timestamp), used_on: None };
        self.state().links.insert(id, row);
        Ok((shown, Secret::new(secret)))
    }

    /// The addresses of a person.
    pub fn links(&self, person: PersonId) -> Vec<LinkView> {
        let state = self.state();
        let views = state.links.iter().filter_map(|(id, row)| view(*id, row));
        let mut views: Vec<LinkView> = views.filter(|view| view.person == person).collect();
        views.sort_by_key(|view| (view.made_at, view.id));
        views
    }

    /// Takes an address of this person away; from then on it answers like one that never was.
    pub async fn revoke_link(&self, person: PersonId, id: Id) -> Result<LinkView, PresenceError> {
        let _turn = self.0.changing.lock().await;
        let found = self.links(person).into_iter().find(|link| link.id == id).ok_or(PresenceError::NoLink)?;
        // First it opens nothing any more, then it is forgotten.
        let row = self.state().links.remove(&id);
        let removed = self.0.store.presence().remove(&[(PresenceDrawer::Link, id)]).await;
        if let (Err(_), Some(row)) = (&removed, row) {
            self.state().links.insert(id, row);
        }
        removed?;
        Ok(found)
    }

    /// A phone says by its secret address that its owner is at home, or has left.
    pub async fn tapped(&self, secret: &str, home: bool) -> Tapped {
        let shelf = self.0.store.presence();
        let id = shelf.id_of(secret.as_bytes().get(..MAX_SECRET).unwrap_or(secret.as_bytes()));
        let (person, used) = {
            let mut state = self.state();
            let Some(person) = state.links.get(&id).and_then(|row| row.person.parse().ok()) else {
                return Tapped::Unknown;
            };
            if let Err(wait) = state.taps.take(id) {
                return Tapped::Busy(wait.as_secs().max(1));
            }
            let today = self.0.clock.at_least().0.div_euclid(86_400_000);
            let used = state.links.get_mut(&id).filter(|row| row.used_on != Some(today)).map(|row| {
                row.used_on = Some(today);
                row.clone()
            });
            (person, used)
        };
        if let Some(row) = used
            && let Err(error) = shelf.put(PresenceDrawer::Link, &row::paper(id, &row)).await
        {
            tracing::warn!("when a secret address was used could not be written down: {error}");
        }
        match self.say(person, Some(Hand { home, by: By::Link(id) })).await {
            Ok(_) => Tapped::Done(person),
            Err(error) => {
                tracing::warn!("what a phone said could not be written down: {error}");
                Tapped::NotKept
            }
        }
    }
}
