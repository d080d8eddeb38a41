//! Who of the household is at home: from devices that see people, from what people say by hand, and from their phones by
//! secret addresses. What comes of it is decided in `rules`; here it is heard, kept, and told. Nobody is followed unless
//! somebody set it up, and nothing but how it stands now is kept: no history of comings and goings is written here.

mod links;
mod row;
pub mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domovoi_model::{DeviceRef, Id, Moment, PersonId, Timestamp};
use domovoi_store::{PresenceDrawer, Store, StoreError};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};

use crate::bus::{Bus, Event, PresenceNews, PropertyState};
use crate::clock::Clock;

pub use links::{LinkView, Tapped};
use row::{CardRow, LinkRow};
pub use rules::{By, Hand, Meaning, Seen, Tracker, Why};
use rules::{Card, Said, anybody};

/// By so many properties somebody may be seen.
pub const MAX_TRACKERS: usize = 8;
/// So many words of a property may mean «home», each so long.
pub const MAX_WORDS: usize = 8;
const MAX_WORD: usize = 64;
/// How long «quiet» may be, in minutes.
pub const QUIET_MINUTES: std::ops::RangeInclusive<u32> = 1..=720;

/// Nothing is due: it is looked again all the same, because a clock may have been turned.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// After a failure of the store trackers are asked again.
const RETRY: Duration = Duration::from_secs(5);

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// There is no such address.
    #[error("there is no such secret address")]
    NoLink,
    /// What was stated cannot be taken; which field.
    #[error("{0} cannot be taken")]
    Invalid(&'static str),
    /// There are as many as there may be, of what.
    #[error("there are as many {0} as there may be")]
    Full(&'static str),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How somebody stands, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceView {
    /// Who.
    pub person: PersonId,
    /// `None`: nobody can say.
    pub home: Option<bool>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why.
    pub why: Why,
    /// What was said by hand and still counts.
    pub hand: Option<Hand>,
    /// It stands as before the restart; nothing was heard since.
    pub last_known: bool,
    /// So long until it will stand otherwise, unless something is heard.
    pub turning: Option<(Option<bool>, Duration)>,
    /// By what the person is seen.
    pub seen: Vec<Seen>,
    /// The person's own quiet time; `None`: as the settings have it.
    pub quiet_minutes: Option<u32>,
}

type Ask = Box<dyn Fn(&DeviceRef, &str) -> Option<PropertyState> + Send + Sync>;

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    quiet_millis: i64,
    state: Mutex<State>,
    /// One change after the other.
    changing: tokio::sync::Mutex<()>,
    states: OnceLock<Ask>,
    woken: Notify,
    ears: Mutex<Option<broadcast::Receiver<Event>>>,
}

#[derive(Default)]
struct State {
    cards: BTreeMap<PersonId, Card>,
    links: BTreeMap<Id, LinkRow>,
    taps: links::Taps,
    damaged: usize,
}

impl Presence {
    /// Reads how everybody stood, and listens from now on. `quiet`: after so long without «home» somebody has left.
    pub async fn open(store: Store, clock: Clock, bus: Bus, quiet: Duration) -> Self {
        let mut state = State::default();
        if let Err(error) = load(&store, &mut state).await {
            tracing::error!("who is at home cannot be read: {error}");
            state.damaged += 1;
        }
        let ears = Mutex::new(Some(bus.listen()));
        Presence(Arc::new(Inner {
            store,
            clock,
            bus,
            quiet_millis: i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX),
            state: Mutex::new(state),
            changing: tokio::sync::Mutex::new(()),
            states: OnceLock::new(),
            woken: Notify::new(),
            ears,
        }))
    }

    /// Who says how a property of a device stands. Told twice, the first counts.
    pub fn states_are(&self, ask: impl Fn(&DeviceRef, &str) -> Option<PropertyState> + Send + Sync + 'static) {
        let _ = self.0.states.set(Box::new(ask));
    }

    /// Follows trackers until `stop` turns true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let ears = self.0.ears.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut ears = ears.unwrap_or_else(|| self.0.bus.listen());
        let mut wait = self.ask_all().await;
        loop {
            tokio::select! {
                heard = ears.recv() => match heard {
                    Ok(Event::State(states)) => {
                        if states.iter().any(|state| self.follows(&state.device, &state.property)) {
                            wait = self.hear(&states).await;
                        }
                    }
                    // It may be gone, or known by another property.
                    Ok(Event::Device(device)) if self.follows_device(&device) => wait = self.ask_all().await,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => wait = self.ask_all().await,
                    Err(RecvError::Closed) => return,
                },
                () = tokio::time::sleep(wait) => wait = self.ask_all().await,
                () = self.0.woken.notified() => wait = self.ask_all().await,
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Looks again at once: the clock was turned, a test goes on.
    pub fn nudge(&self) {
        self.0.woken.notify_one();
    }

    /// How many rows could not be read at the start.
    pub fn damaged(&self) -> usize {
        self.state().damaged
    }

    /// Whether somebody is at home; `None`: nobody can say.
    pub fn is_home(&self, person: PersonId) -> Option<bool> {
        self.state().cards.get(&person).and_then(|card| card.standing.home)
    }

    /// Whether anybody is, of those who are followed.
    pub fn anybody(&self) -> Option<bool> {
        self.state().anybody()
    }

    /// Everybody who is followed.
    pub fn list(&self) -> Vec<PresenceView> {
        let now = self.0.clock.ticking_millis();
        self.state().cards.iter().map(|(person, card)| view(*person, card, now)).collect()
    }

    /// How somebody stands; one who is not followed is nowhere.
    pub fn of(&self, person: PersonId) -> PresenceView {
        let now = self.0.clock.ticking_millis();
        let card = self.state().cards.get(&person).cloned().unwrap_or_default();
        view(person, &card, now)
    }

    /// Somebody is at home, or has left, because they say so; `None`: what was said counts no longer.
    pub async fn say(&self, person: PersonId, hand: Option<Hand>) -> Result<PresenceView, PresenceError> {
        self.alter(person, |card| card.say(hand)).await?;
        self.0.woken.notify_one();
        Ok(self.of(person))
    }

    /// By what somebody is seen from now on, and how long «quiet» is for them.
    pub async fn track(
        &self,
        person: PersonId,
        trackers: Vec<Tracker>,
        quiet_minutes: Option<u32>,
    ) -> Result<PresenceView, PresenceError> {
        if trackers.len() > MAX_TRACKERS {
            return Err(PresenceError::Full("trackers"));
        }
        if quiet_minutes.is_some_and(|minutes| !QUIET_MINUTES.contains(&minutes)) {
            return Err(PresenceError::Invalid("quiet_minutes"));
        }
        for tracker in &trackers {
            if tracker.property.is_empty() || tracker.property.len() > 256 {
                return Err(PresenceError::Invalid("property"));
            }
            if let Meaning::Is(words) = &tracker.home {
                let fits = |word: &String| !word.trim().is_empty() && word.chars().count() <= MAX_WORD;
                if words.is_empty() || words.len() > MAX_WORDS || !words.iter().all(fits) {
                    return Err(PresenceError::Invalid("is"));
                }
            }
        }
        self.alter(person, |card| {
            card.track(trackers);
            card.quiet_millis = quiet_minutes.map(|minutes| i64::from(minutes) * 60_000);
        })
        .await?;
        self.0.woken.notify_one();
        Ok(self.of(person))
    }

    /// What is kept about somebody, for the person.
    pub fn export(&self, person: PersonId) -> Json {
        let view = self.of(person);
        json!({
            "home": view.home,
            "since": view.since.map(|at| at.to_string()),
            "why": view.why.code(),
            "trackers": view.seen.iter().map(|seen| json!({
                "device": seen.tracker.device.to_string(), "property": seen.tracker.property,
            })).collect::<Vec<_>>(),
            "addresses": self.links(person).iter().map(|link| json!({
                "label": link.label,
                "made_at": link.made_at.map(|at| at.to_string()),
                "used_on": link.used_on.map(|at| at.to_string()),
            })).collect::<Vec<_>>(),
        })
    }

    /// A person is gone: so is everything that was kept about them.
    pub async fn forget_person(&self, person: PersonId) -> Result<(), PresenceError> {
        let _turn = self.0.changing.lock().await;
        let links: Vec<Id> = self.links(person).iter().map(|link| link.id).collect();
        let mut gone = vec![(PresenceDrawer::Person, person.0)];
        gone.extend(links.iter().map(|id| (PresenceDrawer::Link, *id)));
        self.0.store.presence().remove(&gone).await?;
        let (was, anybody) = {
            let mut state = self.state();
            state.links.retain(|id, _| !links.contains(id));
            (state.cards.remove(&person), state.anybody())
        };
        if was.is_some_and(|card| card.standing.home.is_some()) {
            let news = PresenceNews { person, home: None, anybody, at: self.0.clock.moment() };
            self.0.bus.tell(Event::Presence(news));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follows(&self, device: &DeviceRef, property: &str) -> bool {
        let of = |seen: &Seen| seen.tracker.device == *device && seen.tracker.property == property;
        self.state().cards.values().any(|card| card.seen.iter().any(of))
    }

    fn follows_device(&self, device: &DeviceRef) -> bool {
        self.state().cards.values().any(|card| card.seen.iter().any(|seen| seen.tracker.device == *device))
    }

    /// Trackers said something; how long nothing will be due.
    async fn hear(&self, states: &[PropertyState]) -> Duration {
        self.look(|seen| {
            let of =
                |state: &&PropertyState| state.device == seen.tracker.device && state.property == seen.tracker.property;
            states.iter().rev().find(of).map(|state| said(seen, Some(state)))
        })
        .await
    }

    /// Asks every tracker how it stands; how long nothing will be due.
    async fn ask_all(&self) -> Duration {
        self.look(|seen| {
            let ask = self.0.states.get()?;
            Some(said(seen, ask(&seen.tracker.device, &seen.tracker.property).as_ref()))
        })
        .await
    }

    async fn look(&self, says: impl Fn(&Seen) -> Option<Said>) -> Duration {
        let people: Vec<PersonId> = self.state().cards.keys().copied().collect();
        let mut wait = LONGEST_SLEEP;
        for person in people {
            let looked = self.alter(person, |card| {
                for which in 0..card.seen.len() {
                    if let Some(said) = card.seen.get(which).and_then(&says) {
                        card.hear(which, said);
                    }
                }
            });
            if let Err(error) = looked.await {
                tracing::error!("who is at home could not be written down: {error}");
                wait = wait.min(RETRY);
            }
        }
        let now = self.0.clock.ticking_millis();
        let due = self.state().cards.values().filter_map(|card| Some(card.turning?.1)).min();
        let due = due.map_or(LONGEST_SLEEP, |due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
        wait.min(due.max(Duration::from_millis(10)))
    }

    /// Changes how somebody stands: kept before it counts, and told after it. What only says what a tracker says now is
    /// not kept, so that a restless tracker does not wear the card out.
    async fn alter(&self, person: PersonId, change: impl FnOnce(&mut Card)) -> Result<(), PresenceError> {
        let _turn = self.0.changing.lock().await;
        let known = self.state().cards.get(&person).cloned();
        let before = known.clone().unwrap_or_default();
        let mut card = before.clone();
        change(&mut card);
        let moment = self.0.clock.moment();
        card.settle(self.0.clock.ticking_millis(), moment.wall(), self.0.quiet_millis);
        let trackers = |card: &Card| card.seen.iter().map(|seen| seen.tracker.clone()).collect::<Vec<_>>();
        let kept = |card: &Card| (card.hand, card.standing, card.quiet_millis, trackers(card));
        // Who is seen by nothing and has said nothing is not followed: the house does not wait for word of them.
        let followed = !card.seen.is_empty() || card.hand.is_some();
        let shelf = self.0.store.presence();
        if !followed && known.is_some() {
            shelf.remove(&[(PresenceDrawer::Person, person.0)]).await?;
        } else if followed && (known.is_none() || kept(&card) != kept(&before)) {
            shelf.put(PresenceDrawer::Person, &row::paper(person.0, &CardRow::from(&card))).await?;
        }
        let (stands, home) = (card.standing.home != before.standing.home, card.standing.home);
        let anybody = {
            let mut state = self.state();
            if followed {
                state.cards.insert(person, card);
            } else {
                state.cards.remove(&person);
            }
            state.anybody()
        };
        if stands {
            self.tell(person, home, anybody, moment);
        }
        Ok(())
    }

    fn tell(&self, person: PersonId, home: Option<bool>, anybody: Option<bool>, at: Moment) {
        self.0.bus.tell(Event::Presence(PresenceNews { person, home, anybody, at }));
    }
}

impl State {
    fn anybody(&self) -> Option<bool> {
        anybody(self.cards.values().map(|card| card.standing.home))
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the house is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What a tracker says by how its property stands: nothing, if the device is out of reach or has been silent for too long.
fn said(seen: &Seen, state: Option<&PropertyState>) -> Said {
    match state {
        Some(state) if !state.expired && state.reachable != Some(false) => {
            state.value.as_ref().map_or(Said::Unknown, |value| seen.tracker.home.of(value))
        }
        _ => Said::Unknown,
    }
}

fn view(person: PersonId, card: &Card, now: i64) -> PresenceView {
    let left = |due: i64| Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or(0));
    PresenceView {
        person,
        home: card.standing.home,
        since: card.standing.since,
        why: card.standing.why,
        hand: card.hand,
        last_known: card.last_known,
        turning: card.turning.map(|(to, due)| (to, left(due))),
        seen: card.seen.clone(),
        quiet_minutes: card.quiet_millis.and_then(|millis| u32::try_from(millis / 60_000).ok()),
    }
}

async fn load(store: &Store, state: &mut State) -> Result<(), StoreError> {
    let shelf = store.presence();
    let (papers, damaged) = shelf.all(PresenceDrawer::Person).await?;
    state.damaged += damaged;
    for paper in &papers {
        match row::row::<CardRow>(paper).and_then(CardRow::card) {
            Some(card) => {
                state.cards.insert(PersonId(paper.id), card);
            }
            None => state.damaged += 1,
        }
    }
    let (papers, damaged) = shelf.all(PresenceDrawer::Link).await?;
    state.damaged += damaged;
    for paper in &papers {
        match row::row::<LinkRow>(paper) {
            Some(row) => {
                state.links.insert(paper.id, row);
            }
            None => state.damaged += 1,
        }
    }
    Ok(())
}
