//! What a CAP message makes of what stands: chains of updates, cancels before their originals, the same told by two feeds. Pure.

use std::sync::Arc;

use domovoi_adapters::cap::{CapMessage, MessageType};
use domovoi_config::Language;
use domovoi_model::{Alert, AlertOrigin, AlertState, AlertStatus, Id, Timestamp};

use super::board::{Board, FeedRef, Heard, Now};
use super::geography::Place;
use super::marks::{self, Mark};
use super::message::{self, About, Told};
use crate::bus::AlertNews;

/// A message is remembered so long after its end.
const REMEMBERED_MILLIS: i64 = 30 * DAY_MILLIS;

/// One that was replaced before it was heard, so long: a country's feed replaces thousands in a day, and what is late comes
/// soon.
const REPLACED_MILLIS: i64 = 3 * DAY_MILLIS;

const DAY_MILLIS: i64 = 86_400_000;

impl Board {
    fn mark(&mut self, name: String, mark: Mark) {
        // What is known already is not written once more for a few hours of being remembered.
        if let Some(known) = self.marks.get(&name) {
            let longer = mark.keep_until.0.saturating_sub(known.keep_until.0);
            if longer < DAY_MILLIS && *known == (Mark { keep_until: known.keep_until, ..mark.clone() }) {
                return;
            }
        }
        self.dirty_marks.insert(name.clone());
        self.marks.put(name, mark);
    }

    /// A CAP message.
    pub fn hear(
        &mut self,
        message: &CapMessage,
        feed: &FeedRef,
        place: &Place,
        language: Language,
        new_id: impl FnOnce() -> Id,
        now: Now,
    ) -> (Heard, Vec<AlertNews>) {
        let nothing = |heard| (heard, Vec::new());
        let Some(status) = message.status else { return nothing(Heard::Ignored("draft")) };
        if matches!(message.kind, MessageType::Ack | MessageType::Error) {
            return nothing(Heard::Ignored("answer"));
        }
        if !feed.believes(&message.sender) {
            return nothing(Heard::NotTrusted(message.sender.clone()));
        }
        let name = marks::name(&message.sender, &message.identifier, message.sent);
        let was_taken_back = self.marks.is_over_by_pair(&message.sender, &message.identifier);
        let known = self.marks.get(&name).cloned();
        let is_over = was_taken_back || known.as_ref().is_some_and(|mark| mark.is_over);
        if let Some(known) = &known
            && (!known.is_cut || message.is_cut)
            && !is_over
        {
            return nothing(Heard::Known);
        }
        let mut news = Vec::new();
        // What it refers to is replaced, whether that was heard or not; and so it is if this one has itself been replaced by
        // a later one that came first.
        let (linked, was_new) = self.take_back(message, feed, now);
        let keep_until = now.at_least.plus_millis(REMEMBERED_MILLIS);
        if message.kind != MessageType::Cancel && !is_over && self.is_stale(&linked, message) {
            let feed = feed.name.clone();
            let alert = linked.first().copied();
            self.mark(name, Mark { alert, is_over: true, is_cut: message.is_cut, feed, keep_until });
            return nothing(Heard::Known);
        }
        if is_over || message.kind == MessageType::Cancel {
            let over = self.over(&linked, AlertState::Cancelled, now, &mut news);
            let is_cancel = message.kind == MessageType::Cancel;
            if is_cancel && known.is_none() {
                let feed = feed.name.clone();
                self.mark(name, Mark { alert: None, is_over: true, is_cut: message.is_cut, feed, keep_until });
            }
            let heard = match over {
                Some(id) => Heard::Over(id),
                None if is_cancel && was_new => Heard::Remembered,
                None => Heard::Known,
            };
            return (heard, news);
        }
        let about = message::about(message, place, feed.local, language, now.trusted, now.at_least);
        let told = match about {
            About::Home(told) => told,
            About::Elsewhere | About::TooLate => {
                let late = about == About::TooLate;
                let state = if late { AlertState::Expired } else { AlertState::Cancelled };
                let linked: Vec<Id> = linked.into_iter().chain(known.and_then(|mark| mark.alert)).collect();
                let over = self.over(&linked, state, now, &mut news);
                if over.is_some() {
                    let feed = feed.name.clone();
                    self.mark(name, Mark { alert: over, is_over: true, is_cut: message.is_cut, feed, keep_until });
                }
                let heard = match over {
                    Some(id) => Heard::Over(id),
                    None if late => Heard::TooLate,
                    None => Heard::Elsewhere,
                };
                return (heard, news);
            }
        };
        let keep_until = Timestamp(told.expires.0.max(now.at_least.0)).plus_millis(REMEMBERED_MILLIS);
        let stands = |id: &Id| self.standing.get(id).cloned();
        let own = known.and_then(|mark| mark.alert);
        let mut chain: Vec<Arc<Alert>> = own.iter().chain(&linked).filter_map(stands).collect();
        chain.dedup_by_key(|alert| alert.id);
        let before = chain.first().cloned();
        let twin = if before.is_none() { self.twin(&told, status, message, feed) } else { None };
        let mark = |alert| Mark {
            alert: Some(alert),
            is_over: false,
            is_cut: message.is_cut,
            feed: feed.name.clone(),
            keep_until,
        };
        if let Some(twin) = twin {
            self.mark(name, mark(twin));
            return (Heard::Updated(twin), news);
        }
        let id = before.as_ref().map_or_else(new_id, |alert| alert.id);
        let key = before.as_ref().map_or_else(|| name.clone(), |alert| alert.key.clone());
        self.mark(name, mark(id));
        let alert = alert_of(*told, message, feed, status, id, key, now);
        let is_new = before.is_none();
        news.extend(self.become_(before, alert).1);
        // What else the message replaced is one with it from now on.
        let rest: Vec<Id> = chain.iter().skip(1).map(|alert| alert.id).filter(|other| *other != id).collect();
        self.over(&rest, AlertState::Cancelled, now, &mut news);
        (if is_new { Heard::Raised(id) } else { Heard::Updated(id) }, news)
    }

    /// Marks what a message refers to as over, and says which alerts that were, and whether anything was not over before.
    /// A message may only take back what its own sender, or its own feed, has said.
    fn take_back(&mut self, message: &CapMessage, feed: &FeedRef, now: Now) -> (Vec<Id>, bool) {
        let is_cancel = message.kind == MessageType::Cancel;
        let keep_until = now.at_least.plus_millis(if is_cancel { REMEMBERED_MILLIS } else { REPLACED_MILLIS });
        let mut alerts = Vec::new();
        let mut was_new = false;
        for reference in &message.references {
            let found = self.marks.referred(reference);
            let is_own_sender = reference.sender.trim().eq_ignore_ascii_case(message.sender.trim());
            if found.is_empty() {
                if is_own_sender || feed.believes(&reference.sender) {
                    let name = marks::name(&reference.sender, &reference.identifier, reference.sent);
                    let feed = feed.name.clone();
                    self.mark(name, Mark { alert: None, is_over: true, is_cut: false, feed, keep_until });
                    was_new = true;
                }
                continue;
            }
            for name in found {
                let Some(mark) = self.marks.get(&name).cloned() else { continue };
                if !is_own_sender && mark.feed != feed.name {
                    tracing::warn!(
                        feed = feed.name,
                        "a message refers to another sender's of another feed: it is left as it is"
                    );
                    continue;
                }
                if let Some(alert) = mark.alert
                    && !alerts.contains(&alert)
                {
                    alerts.push(alert);
                }
                was_new |= !mark.is_over;
                self.mark(name, Mark { is_over: true, keep_until: keep_until.max(mark.keep_until), ..mark });
            }
        }
        // Many name the first message of a chain only: what the same sender said in between is replaced with it.
        for alert in &alerts {
            for name in self
                .live_of(*alert, message)
                .filter(|(_, sent)| *sent <= message.sent)
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
            {
                if let Some(mark) = self.marks.get(&name).cloned() {
                    self.mark(name, Mark { is_over: true, ..mark });
                }
            }
        }
        (alerts, was_new)
    }

    /// What still stands of an alert by the sender of a message, and when it was sent.
    fn live_of<'a>(
        &'a self,
        alert: Id,
        message: &'a CapMessage,
    ) -> impl Iterator<Item = (String, Option<Timestamp>)> + 'a {
        self.marks.of(alert).filter(|(_, mark)| !mark.is_over).filter_map(|(name, _)| {
            let (sender, _, sent) = marks::parts(name)?;
            sender.eq_ignore_ascii_case(message.sender.trim()).then(|| (name.clone(), sent))
        })
    }

    /// Whether a later message of the same chain came before this one.
    fn is_stale(&self, linked: &[Id], message: &CapMessage) -> bool {
        linked.iter().any(|alert| self.live_of(*alert, message).any(|(_, sent)| sent > message.sent))
    }

    /// Ends those of which no message stands any more, and says which was the first.
    fn over(&mut self, alerts: &[Id], state: AlertState, now: Now, news: &mut Vec<AlertNews>) -> Option<Id> {
        let mut first = None;
        for id in alerts {
            if self.marks.has_live(*id) && state == AlertState::Cancelled {
                continue;
            }
            match self.end(*id, state, now) {
                Some(told) => {
                    news.push(told);
                    first = first.or(Some(*id));
                }
                None if self.has_spilled && self.get(*id).is_none() => self.to_end.push(*id),
                None => {}
            }
        }
        first
    }

    /// The same event at the same places until the same moment, told by another feed or sender.
    fn twin(&self, told: &Told, status: AlertStatus, message: &CapMessage, feed: &FeedRef) -> Option<Id> {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let event =
            |texts: &[domovoi_model::AlertText]| texts.first().map(|text| plain(&text.event)).unwrap_or_default();
        let areas = |areas: &[String]| {
            let mut areas: Vec<String> = areas.iter().map(|area| plain(area)).collect();
            areas.sort();
            areas
        };
        let is_twin = |alert: &&Arc<Alert>| {
            let is_other = alert.feed.as_deref() != Some(feed.name.as_str())
                || self.marks.of(alert.id).all(|(name, _)| {
                    marks::parts(name).is_some_and(|(sender, _, _)| !sender.eq_ignore_ascii_case(message.sender.trim()))
                });
            is_other
                && matches!(alert.origin, AlertOrigin::Feed | AlertOrigin::Portal)
                && alert.status == status
                && alert.severity >= told.severity
                && alert.urgency >= told.urgency
                && alert.life >= told.life
                && alert.expires == Some(told.expires)
                && event(&alert.texts) == event(&told.texts)
                && areas(&alert.areas) == areas(&told.areas)
        };
        self.standing.values().find(is_twin).map(|alert| alert.id)
    }
}

fn alert_of(
    told: Told,
    message: &CapMessage,
    feed: &FeedRef,
    status: AlertStatus,
    id: Id,
    key: String,
    now: Now,
) -> Alert {
    Alert {
        id,
        origin: feed.origin,
        key,
        status,
        state: AlertState::Raised,
        severity: told.severity,
        urgency: told.urgency,
        certainty: told.certainty,
        categories: told.categories,
        peril: told.peril,
        life: told.life,
        texts: told.texts,
        areas: told.areas,
        concerns: told.concerns,
        sender: told.sender,
        web: told.web,
        feed: Some(feed.name.clone()),
        device: None,
        room: None,
        raised_at: now.moment,
        changed_at: now.moment,
        sent: message.sent,
        onset: told.onset,
        expires: Some(told.expires),
        expires_assumed: told.expires_assumed,
        ended_at: None,
        acknowledged: Vec::new(),
        steps_done: Vec::new(),
        telling: 1,
    }
}
