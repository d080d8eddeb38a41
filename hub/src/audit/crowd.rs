//! What comes in crowds is counted: refusals, failures and whatever strangers do. The first few of a kind stand in the
//! journal one by one, the others as one row for each ten minutes, with how many they were. Pure: it keeps counts, and
//! writes nothing.
//!
//! What is guaranteed: of each kind (who, from where, what, and how it ended) the first three are durable at once; what
//! is counted is written when its ten minutes are over, when something else is done from the same place, when the journal
//! is read, and when the house stops. A power cut loses at most the counts of the last ten minutes. Strangers, however
//! many and from however many addresses, cause at most 60 rows an hour one by one and as many rows in ten minutes as there
//! are kinds kept apart: 64, and those that are not told apart any more.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use domovoi_model::Timestamp;

use super::entry::{Actor, Entry, Outcome};
use super::form::Counted;

/// So many of a kind are written one by one.
const ONE_BY_ONE: u32 = 3;

/// After so long without another one a kind is new again.
const FORGOTTEN_AFTER_MILLIS: i64 = 60 * 60_000;

/// One row of a kind in so long.
const WINDOW_MILLIS: i64 = 10 * 60_000;

/// So many kinds of strangers' deeds are told apart.
const KINDS_OF_STRANGERS: usize = 64;

/// So many kinds of the others' refusals.
const KINDS_OF_KNOWN: usize = 256;

/// So many deeds of strangers are written one by one in an hour.
const STRANGERS_AN_HOUR: i64 = 60;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    actor: Actor,
    /// An IPv6 network stands for all its addresses: whoever has one has 2^64.
    from: Option<IpAddr>,
    deed: String,
    outcome: Outcome,
}

#[derive(Debug)]
struct Held {
    one_by_one: u32,
    began: i64,
    seen: i64,
    counted: Option<Counted>,
}

/// The counts.
#[derive(Debug)]
pub(super) struct Crowd {
    held: HashMap<Kind, Held>,
    /// What is left of the hour's rows, in thousandths of a row.
    left: i64,
    left_at: i64,
}

impl Default for Crowd {
    fn default() -> Self {
        Crowd { held: HashMap::new(), left: STRANGERS_AN_HOUR * 1000, left_at: 0 }
    }
}

impl Crowd {
    /// Whether the entry is to be written now. Otherwise it was counted. `now`: milliseconds since the start of the run.
    pub fn offer(&mut self, entry: &Entry, at: Option<Timestamp>, now: i64) -> bool {
        if entry.outcome == Outcome::Done && entry.actor != Actor::Nobody {
            return true;
        }
        let stranger = entry.actor == Actor::Nobody;
        let mut kind = Kind {
            actor: entry.actor.clone(),
            from: entry.origin.address.map(network),
            deed: entry.deed.clone(),
            outcome: entry.outcome.clone(),
        };
        if !self.held.contains_key(&kind) {
            let most = if stranger { KINDS_OF_STRANGERS } else { KINDS_OF_KNOWN };
            if self.held.keys().filter(|known| (known.actor == Actor::Nobody) == stranger).count() >= most {
                // From here on only what the program itself names is told apart: there is an end of that.
                (kind.from, kind.actor) = (None, Actor::Nobody);
            }
        }
        let may_write = kind.actor != Actor::Nobody || self.refill(now) >= 1000;
        let held = self.held.entry(kind).or_insert(Held { one_by_one: 0, began: now, seen: now, counted: None });
        held.seen = now;
        if held.one_by_one < ONE_BY_ONE && held.counted.is_none() && may_write {
            held.one_by_one += 1;
            if stranger {
                self.left -= 1000;
            }
            return true;
        }
        match &mut held.counted {
            None => {
                held.began = now;
                held.counted = Some(Counted { entry: entry.clone(), times: 1, since: at, at });
            }
            Some(counted) => {
                counted.times = counted.times.saturating_add(1);
                counted.at = at.or(counted.at);
                alike(&mut counted.entry, entry);
            }
        }
        false
    }

    /// What is due, to be written. `from` and all that is over, or everything.
    pub fn due(&mut self, now: i64, from: Option<&Entry>, all: bool) -> Vec<Counted> {
        let near = |kind: &Kind| {
            from.is_some_and(|entry| {
                let same_place = entry.origin.address.is_some() && entry.origin.address.map(network) == kind.from;
                let same_actor = entry.actor != Actor::Nobody && entry.actor == kind.actor;
                same_place || same_actor
            })
        };
        let mut due = Vec::new();
        self.held.retain(|kind, held| {
            if all || near(kind) || now.saturating_sub(held.began) >= WINDOW_MILLIS {
                due.extend(held.counted.take());
            }
            held.counted.is_some() || now.saturating_sub(held.seen) < FORGOTTEN_AFTER_MILLIS
        });
        due.sort_by_key(|counted| (counted.at, counted.since));
        due
    }

    /// Takes back what could not be written: it is counted on.
    pub fn take_back(&mut self, counted: Vec<Counted>, now: i64) {
        for back in counted {
            let kind = Kind {
                actor: back.entry.actor.clone(),
                from: back.entry.origin.address.map(network),
                deed: back.entry.deed.clone(),
                outcome: back.entry.outcome.clone(),
            };
            let held =
                self.held.entry(kind).or_insert(Held { one_by_one: ONE_BY_ONE, began: now, seen: now, counted: None });
            match &mut held.counted {
                None => held.counted = Some(back),
                Some(counted) => {
                    counted.times = counted.times.saturating_add(back.times);
                    counted.since = back.since.or(counted.since);
                    alike(&mut counted.entry, &back.entry);
                }
            }
        }
    }

    fn refill(&mut self, now: i64) -> i64 {
        let gained = now.saturating_sub(self.left_at).max(0).saturating_mul(STRANGERS_AN_HOUR) / 3600;
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(STRANGERS_AN_HOUR * 1000);
            self.left_at = now;
        }
        self.left
    }
}

/// What differs among those that are counted together is not said of all of them.
fn alike(first: &mut Entry, next: &Entry) {
    if first.object != next.object {
        let kind = first.object.take().filter(|(kind, _)| next.object.as_ref().is_some_and(|(other, _)| other == kind));
        first.object = kind.map(|(kind, _)| (kind, None));
    }
    if first.changes != next.changes {
        first.changes.clear();
    }
    if first.origin.address != next.origin.address {
        first.origin.address = None;
    }
    if first.origin.device != next.origin.device {
        first.origin.device = None;
    }
    if first.actor != next.actor {
        first.actor = Actor::Nobody;
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        v4 => v4,
    }
}
