//! Secret addresses under which phones and other programs read this calendar: anybody who has one may, until it is revoked.
//! The secret is told once, when it is made; what is kept is a keyed hash of it. A wrong one learns nothing, not even how
//! many there are.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domovoi_config::Language;
use domovoi_model::{Id, Moment, PersonId, Timestamp};
use domovoi_store::{CalendarDrawer, CalendarShelf, StoreError};
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::draft::{text, wrong};
use super::event::{MAX_TITLE, Origin};
use super::{Calendar, CalendarError, State, ics, kept};
use crate::words::words;

/// 256 bits.
const SECRET_BYTES: usize = 32;

/// So many addresses a person has.
const MAX_EACH: usize = 16;
const MAX_ALL: usize = 256;

/// An address is read so often at once, and so often in the long run.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_secs(10);

/// An address, as the room has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FeedCard {
    label: String,
    /// None: the machine's owner made it at the console, for the home.
    person: Option<String>,
    made_at: Option<i64>,
    /// The day on which it was last read; kept so that one that nobody reads can be told.
    read_on: Option<i64>,
}

/// An address, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedView {
    /// What it is revoked by. It opens nothing.
    pub id: Id,
    /// What its owner calls it.
    pub label: String,
    /// Whose it is.
    pub person: Option<PersonId>,
    /// When it was made.
    pub made_at: Option<Timestamp>,
    /// When it was last read, to the day.
    pub read_on: Option<Timestamp>,
}

/// What an address answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// There is no such address.
    Unknown,
    /// It is read too often; so many seconds to wait.
    Busy(u64),
    /// It is as the reader has it.
    NotModified {
        /// The tag of what the reader has.
        etag: String,
    },
    /// The calendar.
    Calendar {
        /// Of this content.
        etag: String,
        /// iCalendar.
        body: String,
    },
}

/// How often each address was read lately.
#[derive(Debug, Default)]
pub(super) struct Taps(HashMap<Id, (u32, Instant)>);

impl Taps {
    /// Whether it may be read now; else after how long.
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

pub(super) async fn load(shelf: &CalendarShelf, state: &mut State) -> Result<(), StoreError> {
    let (papers, damaged) = shelf.all(CalendarDrawer::Feed).await?;
    state.damaged += damaged;
    for paper in &papers {
        match kept::row::<FeedCard>(paper) {
            Some(card) => {
                state.feeds.insert(paper.id, card);
            }
            None => state.damaged += 1,
        }
    }
    Ok(())
}

fn view(id: Id, card: &FeedCard) -> FeedView {
    FeedView {
        id,
        label: card.label.clone(),
        person: card.person.as_deref().and_then(|person| person.parse().ok()),
        made_at: card.made_at.map(Timestamp),
        read_on: card.read_on.map(|day| Timestamp(day.saturating_mul(86_400_000))),
    }
}

impl Calendar {
    /// Makes a secret address. The secret is told here and never again.
    pub async fn make_feed(
        &self,
        person: Option<PersonId>,
        label: &str,
    ) -> Result<(FeedView, Secret<String>), CalendarError> {
        let label = text("label", label, MAX_TITLE, false)?;
        if label.is_empty() {
            return Err(wrong("label", "blank", "say what the address is for").into());
        }
        let _turn = self.0.changing.lock().await;
        let (all, own) = {
            let state = self.state();
            let spelled = person.map(|person| person.to_string());
            (state.feeds.len(), state.feeds.values().filter(|card| card.person == spelled).count())
        };
        if own >= MAX_EACH || all >= MAX_ALL {
            let most = u32::try_from(if own >= MAX_EACH { MAX_EACH } else { MAX_ALL }).unwrap_or(u32::MAX);
            return Err(CalendarError::Full { what: "secret addresses", most });
        }
        let mut bytes = [0u8; SECRET_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| CalendarError::Store(StoreError::Io(format!("no random numbers: {error}"))))?;
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let shelf = self.0.store.calendar();
        let id = shelf.id_of("calendar_feed", &[secret.as_bytes()]);
        let made_at = match self.0.clock.moment() {
            Moment::Wall(at) => Some(at.0),
            Moment::SinceBoot { .. } => None,
        };
        let card = FeedCard { label, person: person.map(|person| person.to_string()), made_at, read_on: None };
        shelf.put(CalendarDrawer::Feed, &[kept::paper(id, &card)]).await?;
        let shown = view(id, &card);
        self.state().feeds.insert(id, card);
        Ok((shown, Secret::new(secret)))
    }

    /// The addresses of a person, or of everybody.
    pub fn feeds(&self, of: Option<PersonId>) -> Vec<FeedView> {
        let state = self.state();
        let views = state.feeds.iter().map(|(id, card)| view(*id, card));
        let mut views: Vec<FeedView> = views.filter(|view| of.is_none() || view.person == of).collect();
        views.sort_by_key(|view| (view.made_at, view.id));
        views
    }

    /// Takes an address away; from then on it answers like one that never was.
    pub async fn revoke_feed(&self, id: Id) -> Result<(), CalendarError> {
        let _turn = self.0.changing.lock().await;
        if !self.state().feeds.contains_key(&id) {
            return Err(CalendarError::NoSuch("secret address"));
        }
        // First it opens nothing any more, then it is forgotten.
        let card = self.state().feeds.remove(&id);
        let removed = self.0.store.calendar().remove(&[(CalendarDrawer::Feed, id)]).await;
        if let (Err(_), Some(card)) = (&removed, card) {
            self.state().feeds.insert(id, card);
        }
        Ok(removed?)
    }

    /// A person is gone: so are their addresses.
    pub async fn forget_person(&self, person: PersonId) -> Result<(), CalendarError> {
        for feed in self.feeds(Some(person)) {
            self.revoke_feed(feed.id).await?;
        }
        Ok(())
    }

    /// What a secret address answers. `known`: what the reader says it has (`If-None-Match`).
    pub async fn serve(&self, secret: &str, known: Option<&str>, language: Language) -> Served {
        // A text of another length is hashed all the same: every wrong one takes as long.
        let shelf = self.0.store.calendar();
        let id = shelf.id_of("calendar_feed", &[secret.as_bytes()]);
        let now = self.0.clock.at_least();
        let (events, home, seen) = {
            let mut state = self.state();
            if !state.feeds.contains_key(&id) {
                return Served::Unknown;
            }
            if let Err(wait) = state.taps.take(id) {
                return Served::Busy(wait.as_secs().max(1));
            }
            // What is read from elsewhere is read there by phones too; handed on it would stand there twice.
            let ours = |event: &&std::sync::Arc<super::Event>| !matches!(event.origin, Origin::Elsewhere(_));
            let mut events: Vec<_> = state.agenda.events().filter(ours).cloned().collect();
            events.sort_by(|a, b| a.uid.cmp(&b.uid));
            let today = now.0.div_euclid(86_400_000);
            let seen = state.feeds.get_mut(&id).filter(|card| card.read_on != Some(today)).map(|card| {
                card.read_on = Some(today);
                card.clone()
            });
            (events, state.agenda.home.clone(), seen)
        };
        if let Some(card) = seen
            && let Err(error) = shelf.put(CalendarDrawer::Feed, &[kept::paper(id, &card)]).await
        {
            tracing::warn!("when a calendar's address was read could not be written down: {error}");
        }
        let name = words(language).say("calendar-name", &[]);
        let body = ics::write(&events, &home, language, &name, now);
        let digest = Sha256::digest(body.as_bytes());
        let etag = format!("\"{}\"", digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
        let same = |tag: &str| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*";
        if known.is_some_and(|known| known.split(',').any(same)) {
            return Served::NotModified { etag };
        }
        Served::Calendar { etag, body }
    }
}
