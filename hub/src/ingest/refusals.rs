//! What the gate refused, and that somebody told devices something through it, on its way to the journal of deeds. The reader of a socket only counts; a task of its own
//! writes the first refusal of a peer at once and what repeats in one entry per quarter of an hour, so that a device with
//! a wrong topic neither waits for the disk nor wears it out. It decides nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::printable;
use crate::audit::{Actor, Change, Entry, Journal, Origin, Outcome, Road};

/// What repeats is told once in this time.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// How many peers are told apart; those beyond are counted together.
const PEERS_KEPT: usize = 256;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tried {
    /// To come in.
    Connect,
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
    /// To tell a device something. It is not refused, and written down all the same: the broker does not know what a payload
    /// opens.
    Command,
}

impl Tried {
    fn deed(self) -> &'static str {
        match self {
            Tried::Connect => "mqtt.connect",
            Tried::Publish => "mqtt.publish",
            Tried::Subscribe => "mqtt.subscribe",
            Tried::Command => "mqtt.commanded",
        }
    }
}

/// One peer, at one address, that tries one thing.
#[derive(Debug)]
struct Held {
    /// Since it was last told.
    times: u64,
    told: Option<Instant>,
    actor: Actor,
    address: Option<IpAddr>,
    /// The latest: a topic, or the user name that was claimed.
    what: String,
    code: &'static str,
}

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    held: Mutex<HashMap<(Tried, Actor, IpAddr), Held>>,
    wake: Notify,
}

impl Refusals {
    /// Counts a refusal; says whether it is the first of its kind in a while, which is worth a line in the log.
    pub(super) fn add(&self, tried: Tried, actor: &Actor, address: IpAddr, what: &str, code: &'static str) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tried, actor.clone(), address);
        let full = held.len() >= PEERS_KEPT && !held.contains_key(&key);
        let key = if full { (tried, Actor::Nobody, IpAddr::from([0; 4])) } else { key };
        let actor = key.1.clone();
        let entry = held.entry(key).or_insert_with(|| Held {
            times: 0,
            told: None,
            actor,
            address: None,
            what: String::new(),
            code,
        });
        entry.times = entry.times.saturating_add(1);
        if entry.times > 1 {
            return false;
        }
        (entry.address, entry.what, entry.code) = (Some(address), printable(what), code);
        let first = entry.told.is_none();
        drop(held);
        self.wake.notify_one();
        first
    }

    /// What is due now, and when the next will be.
    pub(super) fn due(&self, now: Instant, all: bool) -> (Vec<Entry>, Option<Instant>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::new();
        let mut next = None::<Instant>;
        held.retain(|(tried, ..), held| {
            let at = held.told.map_or(now, |told| told + QUIET);
            if at > now && !all {
                next = Some(next.map_or(at, |next| next.min(at)));
                return true;
            }
            if held.times == 0 {
                return false;
            }
            entries.push(held.entry(*tried));
            held.times = 0;
            held.told = Some(now);
            next = Some(next.map_or(now + QUIET, |next| next.min(now + QUIET)));
            true
        });
        (entries, next)
    }

    /// Writes what is to be told until the house stops, and then the rest.
    pub(super) async fn tell(&self, journal: &Journal, mut stop: watch::Receiver<bool>) {
        let mut next = None::<Instant>;
        loop {
            let quiet = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let stopped = tokio::select! {
                () = self.wake.notified() => false,
                () = quiet => false,
                // An error means that the house is gone, which is a stop too.
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let (entries, at) = self.due(Instant::now(), stopped);
            for entry in entries {
                journal.note(entry).await;
            }
            if stopped {
                return;
            }
            next = at;
        }
    }
}

impl Held {
    fn entry(&self, tried: Tried) -> Entry {
        let kind = if tried == Tried::Connect { "credential" } else { "topic" };
        let times = Change { field: "times".into(), before: None, after: Some(self.times.to_string()), of: None };
        Entry {
            actor: self.actor.clone(),
            origin: Origin { road: Road::Mqtt, address: self.address, device: None },
            deed: tried.deed().into(),
            object: Some((kind.into(), Some(self.what.clone()))),
            outcome: if tried == Tried::Command { Outcome::Done } else { Outcome::Refused(self.code.into()) },
            changes: if self.times > 1 { vec![times] } else { Vec::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> Actor {
        Actor::Credential("bridge".into())
    }

    fn times(entry: &Entry) -> &str {
        entry.changes.first().and_then(|change| change.after.as_deref()).unwrap_or("1")
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_together() {
        let refusals = Refusals::default();
        let here = IpAddr::from([192, 168, 1, 5]);
        let start = Instant::now();
        assert!(refusals.add(Tried::Publish, &bridge(), here, "a/set", "topic"));
        let (entries, next) = refusals.due(start, false);
        assert_eq!((entries.len(), next), (1, Some(start + QUIET)));
        assert_eq!(entries[0].deed, "mqtt.publish");
        assert_eq!(entries[0].object, Some(("topic".into(), Some("a/set".into()))));
        assert_eq!(entries[0].outcome, Outcome::Refused("topic".into()));
        for n in 0..1000 {
            assert!(!refusals.add(Tried::Publish, &bridge(), here, &format!("b/{n}"), "topic"));
        }
        assert!(refusals.add(Tried::Subscribe, &bridge(), here, "#", "topic"), "another deed");
        let (entries, next) = refusals.due(start, false);
        assert_eq!(entries.len(), 1);
        assert_eq!(next, Some(start + QUIET));
        let (entries, _) = refusals.due(start + QUIET, false);
        assert_eq!(entries.iter().map(times).collect::<Vec<_>>(), ["1000"]);
        let (entries, next) = refusals.due(start + QUIET * 2, false);
        assert!(entries.is_empty() && next.is_none(), "what has been quiet is forgotten");
    }

    #[test]
    fn a_crowd_takes_no_more_room_than_its_cap() {
        let refusals = Refusals::default();
        let here = IpAddr::from([192, 168, 1, 5]);
        for n in 0..PEERS_KEPT * 4 {
            refusals.add(Tried::Connect, &Actor::Credential(format!("u{n}")), here, "x", "sign-in");
        }
        let (entries, _) = refusals.due(Instant::now(), true);
        assert_eq!(entries.len(), PEERS_KEPT + 1);
        let all: usize = entries.iter().filter_map(|entry| times(entry).parse::<usize>().ok()).sum();
        assert_eq!(all, PEERS_KEPT * 4, "every one is counted");
    }

    #[test]
    fn what_is_left_is_told_when_the_house_stops() {
        let refusals = Refusals::default();
        let here = IpAddr::from([192, 168, 1, 5]);
        let start = Instant::now();
        refusals.add(Tried::Publish, &bridge(), here, "a", "topic");
        assert_eq!(refusals.due(start, false).0.len(), 1);
        refusals.add(Tried::Publish, &bridge(), here, "a", "topic");
        assert_eq!(refusals.due(start, false).0.len(), 0);
        assert_eq!(refusals.due(start, true).0.len(), 1);
    }
}
