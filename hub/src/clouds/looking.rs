//! How things stand: everything is asked for again and again, at the cloud's pace, and what is new of it travels the road of
//! every value. The internet being away is no event: what was said stays, and grows old.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Duration;

use domovoi_adapters::Road;
use domovoi_adapters::clouds::{Listing, Piece};
use domovoi_model::DeviceRef;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Inner;
use super::calls::CallError;
use super::pace::{For, pause};
use crate::ingest::Arrival;

/// What says the same as before is handed on all the same after so long: then it is known that it was said.
const AGAIN_AFTER: Duration = Duration::from_secs(1800);
/// So long a commit is waited for before it is taken to have failed.
const COMMITS: Duration = Duration::from_secs(30);
/// Somebody asked to look now, but not that often.
const NOT_SOONER: Duration = Duration::from_secs(2);

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// How looking went.
#[derive(Debug, Clone, Default)]
pub(super) struct Looked {
    /// When the last answer came that counts.
    pub at: Option<domovoi_model::Timestamp>,
    /// Since when there was none, by monotonic time.
    pub failing_since: Option<Instant>,
    pub failures: u32,
    pub trouble: Option<String>,
    /// Parts of the last answer that could not be read.
    pub faults: usize,
    /// Times that it was tried, for who waits for the next.
    pub rounds: u64,
}

impl Inner {
    /// Looks again and again until `stop` turns true.
    pub(super) async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut wait = Duration::ZERO;
        loop {
            let works = self.state.borrow().works();
            let due = async { if works { tokio::time::sleep(wait).await } else { std::future::pending().await } };
            let in_turn = tokio::select! {
                () = due => true,
                () = self.bell.notified() => false,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if !in_turn {
                tokio::select! {
                    () = tokio::time::sleep(NOT_SOONER.min(wait)) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
            self.tell_standing().await;
            if !self.state.borrow().works() {
                wait = Duration::ZERO;
                continue;
            }
            let outcome = tokio::select! {
                outcome = self.look() => outcome,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let asked = match &outcome {
                Err(CallError::Later { after, .. }) => Some(*after),
                _ => None,
            };
            let failures = self.note(outcome.err().as_ref());
            self.tell_standing().await;
            wait = pause(self.section.poll_every, failures, asked, chance());
        }
    }

    fn note(&self, error: Option<&CallError>) -> u32 {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.rounds += 1;
        let before = looked.trouble.is_some();
        match error {
            None => {
                looked.at = Some(self.clock.wall());
                (looked.failures, looked.trouble, looked.failing_since) = (0, None, None);
            }
            Some(error) => {
                if !before {
                    tracing::info!(cloud = self.cloud.name, "not looked: {error}");
                }
                looked.failures = looked.failures.saturating_add(1);
                looked.trouble = Some(error.to_string());
                looked.failing_since = looked.failing_since.or_else(|| Some(Instant::now()));
            }
        }
        let (failures, changed) = (looked.failures, before != looked.trouble.is_some());
        drop(looked);
        if changed {
            self.tell();
        }
        failures
    }

    /// Asks for everything once.
    pub(super) async fn look(self: &Arc<Self>) -> Result<(), CallError> {
        let body = self.call(For::Looking, &(self.cloud.list)()).await?;
        let listing = (self.cloud.read_list)(&body).map_err(|error| CallError::Unreadable(error.to_string()))?;
        drop(body);
        for fault in listing.faults.iter().take(3) {
            tracing::debug!(cloud = self.cloud.name, "a part of the answer cannot be read: {fault}");
        }
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).faults = listing.faults.len();
        self.take_stock(&listing).await?;
        let ours: Vec<String> = {
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.known.values().filter(|thing| thing.ours).map(|thing| thing.id.clone()).collect()
        };
        let foreign = listing.pieces.iter().filter(|piece| !ours.contains(&piece.id));
        self.hand_on(foreign, false).await;
        // The list says nothing of who can be reached; asking for one thing alone does. One after the other.
        if let Some(id) = self.next_to_ask() {
            let _ = self.ask(&id, For::Looking).await;
        }
        Ok(())
    }

    /// What is new, gone, back.
    async fn take_stock(self: &Arc<Self>, listing: &Listing) -> Result<(), CallError> {
        let now = self.clock.wall().0;
        let changes = {
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.compare(self.cloud.name, listing, |piece| self.is_ours(piece), now)
        };
        if !changes.changed.is_empty()
            && let Err(error) = self.shelf.keep(&changes.changed).await
        {
            // It is found again by the next answer.
            return Err(CallError::NotSent(format!("what is there cannot be kept: {error}")));
        }
        self.things.lock().unwrap_or_else(PoisonError::into_inner).take(listing, &changes);
        *self.scenes.lock().unwrap_or_else(PoisonError::into_inner) = listing.scenes.clone();
        for id in &changes.gone {
            let topic = format!("{}{}/{id}", domovoi_adapters::clouds::ROOT, self.cloud.name);
            self.hand_one(&topic, br#"{"room":null,"thing":null}"#);
            self.handed.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
            self.tell_vanished(id, true).await;
        }
        for id in &changes.back {
            self.tell_vanished(id, false).await;
            let _ = self.ask(id, For::Looking).await;
        }
        if !changes.changed.is_empty() {
            self.tell();
        }
        Ok(())
    }

    /// It came from this very hub: by who gave it to the cloud, or by the name that it had there.
    fn is_ours(&self, piece: &Piece) -> bool {
        let giver = piece.giver.as_ref().is_some_and(|giver| self.section.own_skills.contains(giver));
        let named = |external: &String| {
            let external = external.strip_prefix("domovoi:").unwrap_or(external);
            let device = DeviceRef::parse(external).filter(|device| device.dialect != self.cloud.dialect.name);
            device.is_some_and(|device| self.hooks.get().is_some_and(|hooks| (hooks.knows)(&device)))
        };
        giver || piece.external.as_ref().is_some_and(named)
    }

    /// Of the things that the household took, the one that was not asked for alone for longest.
    fn next_to_ask(&self) -> Option<String> {
        let hooks = self.hooks.get()?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        let there = things.known.values().filter(|thing| !thing.ours && thing.gone_at.is_none());
        let taken: Vec<&String> =
            there.map(|thing| &thing.id).filter(|id| (hooks.is_taken)(&self.device(id))).collect();
        let after = taken.iter().find(|id| asked.as_ref().is_none_or(|asked| **id > asked));
        let next = after.or(taken.first()).map(|id| (*id).clone());
        asked.clone_from(&next);
        next
    }

    /// Asks for one thing, and hands on what it says whether it is new or not.
    pub(super) async fn ask(self: &Arc<Self>, id: &str, what: For) -> Result<(), CallError> {
        let request = (self.cloud.show)(id).ok_or_else(|| CallError::NotSent(format!("{id} is no id")))?;
        let room = {
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.known.get(id).and_then(|thing| thing.room.clone())
        };
        let body = self.call(what, &request).await?;
        let piece = (self.cloud.read_one)(&body, room.as_deref());
        let piece = piece.map_err(|error| CallError::Unreadable(error.to_string()))?;
        // Another thing's state must not be taken for this one's.
        if piece.id != id {
            return Err(CallError::Unreadable(format!("another thing was asked for than «{}»", piece.id)));
        }
        self.hand_on(std::iter::once(&piece), true).await;
        Ok(())
    }

    /// Hands on what is new, or `always`, and forgets that it was handed on where it is not kept.
    async fn hand_on(&self, pieces: impl Iterator<Item = &Piece>, always: bool) {
        let now = Instant::now();
        let mut waiting = Vec::new();
        for piece in pieces {
            let hash = HASHER.hash_one(&piece.payload);
            let is_news = {
                let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
                let before = handed.get(&piece.id);
                before.is_none_or(|(other, at)| *other != hash || now.saturating_duration_since(*at) >= AGAIN_AFTER)
            };
            if !is_news && !always {
                continue;
            }
            let commit = self.hand_one(&piece.topic, &piece.payload);
            // What is asked for alone has other members than in the list: it says nothing about the list's.
            if !always {
                self.handed.lock().unwrap_or_else(PoisonError::into_inner).insert(piece.id.clone(), (hash, now));
            }
            waiting.extend(commit.map(|commit| (piece.id.clone(), commit)));
        }
        for (id, commit) in waiting {
            if !matches!(tokio::time::timeout(COMMITS, commit).await, Ok(Ok(_))) {
                self.handed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
        }
    }

    fn hand_one(&self, topic: &str, payload: &[u8]) -> Option<crate::ingest::Commit> {
        let sender = self.cloud.name;
        self.ingest.take(Arrival { road: Road::Cloud, sender, topic, payload, retained: false, again: false })
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    let mut byte = [0u8; 1];
    // Without randomness all hubs are alike, which is no reason to stop.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
