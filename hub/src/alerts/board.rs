//! What stands, from memory, and what dangers, notices and people make of it; what messages do is in `chain`. Pure: it is given
//! the time and hands back what everybody is to be told; nobody here waits for a disk or a network.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domovoi_model::{
    Acknowledged, Alert, AlertOrigin, AlertState, AlertStatus, Concern, Id, Moment, PersonId, Timestamp,
};

use super::marks::Marks;
use super::own::OwnAlert;
use crate::bus::{AlertChange, AlertNews};

/// As many alerts are in memory; beyond that the gravest are, and history has all.
pub(super) const MAX_STANDING: usize = 500;

/// Those that ended last are at hand a while.
const MAX_ENDED: usize = 200;

/// A feed, as far as its messages are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRef {
    /// Its name.
    pub name: String,
    /// Where what it tells is born.
    pub origin: AlertOrigin,
    /// It is about this place only.
    pub local: bool,
    /// Only these are believed; empty: everybody.
    pub senders: Vec<String>,
}

impl FeedRef {
    /// Whether a sender is one of those.
    pub(super) fn believes(&self, sender: &str) -> bool {
        self.senders.is_empty() || self.senders.iter().any(|one| one.trim().eq_ignore_ascii_case(sender.trim()))
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A new alert.
    Raised(Id),
    /// An alert that stands says something else, or was told by a second feed.
    Updated(Id),
    /// An alert is over.
    Over(Id),
    /// It was heard before, or was taken back before it came.
    Known,
    /// It took back what nobody here had heard of; it is remembered.
    Remembered,
    /// It is about other places.
    Elsewhere,
    /// Its time is over.
    TooLate,
    /// Its sender is not one of those that the settings name.
    NotTrusted(String),
    /// It says nothing to people: a draft, an answer to another system.
    Ignored(&'static str),
    /// It cannot be read; why.
    Refused(String),
}

/// When.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// As it is kept.
    pub moment: Moment,
    /// As far as it is known; nothing expires before the clock can be true.
    pub trusted: Option<Timestamp>,
    /// At least so late.
    pub at_least: Timestamp,
}

/// The alerts that stand, and the messages that are remembered.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) standing: BTreeMap<Id, Arc<Alert>>,
    by_key: HashMap<(AlertOrigin, String), Id>,
    ended: std::collections::VecDeque<Arc<Alert>>,
    pub marks: Marks,
    /// Names of marks that are to be written down.
    pub dirty_marks: HashSet<String>,
    /// Some that stand are in history only.
    pub has_spilled: bool,
    /// Alerts in history only whose message was taken back.
    pub to_end: Vec<Id>,
}

impl Board {
    pub fn standing(&self) -> Vec<Arc<Alert>> {
        self.standing.values().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// One that stands, or ended lately.
    pub fn get(&self, id: Id) -> Option<Arc<Alert>> {
        self.standing.get(&id).or_else(|| self.ended.iter().rev().find(|alert| alert.id == id)).cloned()
    }

    pub fn find(&self, origin: AlertOrigin, key: &str) -> Option<Arc<Alert>> {
        let id = self.by_key.get(&(origin, key.to_owned()))?;
        self.standing.get(id).cloned()
    }

    /// Takes in one that stood before.
    pub fn adopt(&mut self, alert: Arc<Alert>) {
        if alert.stands() {
            self.put(alert);
        }
    }

    /// Room for so many more.
    pub fn room(&self) -> usize {
        MAX_STANDING.saturating_sub(self.standing.len())
    }

    fn put(&mut self, alert: Arc<Alert>) {
        self.by_key.insert((alert.origin, alert.key.clone()), alert.id);
        self.standing.insert(alert.id, alert);
        if self.standing.len() <= MAX_STANDING {
            return;
        }
        let least = self
            .standing
            .values()
            .min_by_key(|alert| (alert.life, alert.severity, alert.urgency, alert.raised_at.wall()));
        if let Some(least) = least.cloned() {
            self.standing.remove(&least.id);
            self.by_key.remove(&(least.origin, least.key.clone()));
            self.has_spilled = true;
        }
    }

    /// Something of the home itself. `None`: it stands already, and says the same.
    pub fn raise(&mut self, own: OwnAlert, id: Id, now: Now) -> (Id, Option<AlertNews>) {
        let before = self.find(own.origin, &own.key);
        let base = Alert {
            id: before.as_ref().map_or(id, |alert| alert.id),
            origin: own.origin,
            key: own.key,
            status: own.status,
            state: AlertState::Raised,
            severity: own.severity,
            urgency: own.urgency,
            certainty: own.certainty,
            categories: vec![own.category],
            peril: own.peril,
            life: own.life && own.status == AlertStatus::Actual,
            texts: own.texts,
            areas: Vec::new(),
            concerns: vec![Concern::Home],
            sender: own.sender,
            web: None,
            feed: None,
            device: own.device,
            room: own.room,
            raised_at: own.at.filter(|at| at.wall().is_some()).unwrap_or(now.moment),
            changed_at: now.moment,
            sent: None,
            onset: None,
            expires: own.expires,
            expires_assumed: false,
            ended_at: None,
            acknowledged: Vec::new(),
            steps_done: Vec::new(),
            telling: 1,
        };
        self.become_(before, base)
    }

    /// Puts an alert in the place of what stood before it, and says what is otherwise.
    pub(super) fn become_(&mut self, before: Option<Arc<Alert>>, mut alert: Alert) -> (Id, Option<AlertNews>) {
        let id = alert.id;
        let change = match before {
            None => AlertChange::Raised,
            Some(before) => {
                alert.id = before.id;
                alert.raised_at = before.raised_at;
                alert.acknowledged.clone_from(&before.acknowledged);
                alert.steps_done.clone_from(&before.steps_done);
                let worse =
                    alert.severity > before.severity || alert.urgency > before.urgency || (alert.life && !before.life);
                alert.telling = before.telling.saturating_add(u32::from(worse));
                alert.state = AlertState::Updated;
                let same = Alert { state: before.state, changed_at: before.changed_at, ..alert.clone() };
                if same == *before {
                    return (before.id, None);
                }
                AlertChange::Updated { worse }
            }
        };
        let alert = Arc::new(alert);
        self.put(Arc::clone(&alert));
        (id, Some(AlertNews { alert, change }))
    }

    /// It is over; `None`: it did not stand.
    pub fn end(&mut self, id: Id, state: AlertState, now: Now) -> Option<AlertNews> {
        let alert = self.standing.remove(&id)?;
        self.by_key.remove(&(alert.origin, alert.key.clone()));
        let ended = Arc::new(Alert { state, changed_at: now.moment, ended_at: Some(now.moment), ..(*alert).clone() });
        self.remember_ended(Arc::clone(&ended));
        Some(AlertNews { alert: ended, change: AlertChange::Over })
    }

    pub fn remember_ended(&mut self, alert: Arc<Alert>) {
        self.ended.retain(|other| other.id != alert.id);
        self.ended.push_back(alert);
        if self.ended.len() > MAX_ENDED {
            self.ended.pop_front();
        }
    }

    /// Those whose time is over.
    pub fn expire(&mut self, now: Now) -> Vec<AlertNews> {
        let Some(at) = now.trusted else { return Vec::new() };
        let late = |alert: &&Arc<Alert>| alert.expires.is_some_and(|expires| expires <= at);
        let ids: Vec<Id> = self.standing.values().filter(late).map(|alert| alert.id).collect();
        ids.into_iter().filter_map(|id| self.end(id, AlertState::Expired, now)).collect()
    }

    /// When the next one expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.standing.values().filter_map(|alert| alert.expires).min()
    }

    /// Changes what people said of one; `None`: nothing is otherwise.
    pub fn answer(&mut self, alert: &Alert, change: impl FnOnce(&mut Alert) -> bool, now: Now) -> Option<AlertNews> {
        let mut changed = alert.clone();
        if !change(&mut changed) {
            return None;
        }
        changed.changed_at = now.moment;
        let alert = Arc::new(changed);
        if alert.stands() && self.standing.contains_key(&alert.id) {
            self.standing.insert(alert.id, Arc::clone(&alert));
        } else if !alert.stands() {
            self.remember_ended(Arc::clone(&alert));
        }
        Some(AlertNews { alert, change: AlertChange::Acknowledged })
    }
}

/// Somebody says "I know"; true if that is new.
pub(super) fn acknowledge(alert: &mut Alert, by: PersonId, at: Moment) -> bool {
    if alert.acknowledged.iter().any(|one| one.by == by) {
        return false;
    }
    alert.acknowledged.push(Acknowledged { by, at });
    true
}

/// Somebody has done a step, or not after all; true if that is new.
pub(super) fn step(alert: &mut Alert, step: &str, by: PersonId, at: Moment, done: bool) -> bool {
    let place = alert.steps_done.iter().position(|(key, _)| key == step);
    match (place, done) {
        (None, true) => alert.steps_done.push((step.to_owned(), Acknowledged { by, at })),
        (Some(place), false) => drop(alert.steps_done.remove(place)),
        _ => return false,
    }
    true
}
