//! How often what comes and goes is written down: a few times in a minute, and then as it stands at its end. A card does not
//! live through a sensor that flaps, and people are not told twenty times a second that a danger is over.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::danger::{Key, News};
use super::rule::Place;

/// A danger that comes and goes is written down so many times in a minute, and so is what becomes of one thing that is
/// told; then only how it stands at the end of it. That it began again after people were told that it is over waits for
/// nothing.
const TURNS: u32 = 4;
pub const TURNS_OF_PLACE: u32 = 12;
const TURNS_IN: Duration = Duration::from_secs(60);

/// Of so many dangers it is known how often they came and went.
const TURNING: usize = 1024;

/// How often each danger came and went, and each thing that is told.
#[derive(Debug, Default)]
pub struct Turns {
    dangers: HashMap<Key, Turn>,
    places: HashMap<Place, Turn>,
}

/// When something came or went first within the minute, how often since, and whether people know that it is so.
#[derive(Debug)]
struct Turn {
    since: Instant,
    many: u32,
    is_told: bool,
}

impl Turns {
    /// When news is to be written: at once, unless its danger, or what is told to its device, comes and goes all the time.
    /// Then the news that waited for it is forgotten, and this one is written at the end of the minute. `None`: it is not.
    pub fn due(&mut self, news: &News, now: Instant) -> Option<Instant> {
        let at_once = match news {
            News::Began(key, _) | News::Over(key, ..) => {
                let begins = matches!(news, News::Began(..));
                let Some(turns) = turns_of(&mut self.dangers, key, now) else { return Some(now) };
                let at_once = turns.many <= TURNS || (begins && !turns.is_told);
                turns.is_told = if at_once { begins } else { turns.is_told };
                if at_once { None } else { turns.since.checked_add(TURNS_IN) }
            }
            News::Said(place, _)
            | News::NotSaid(place, _)
            | News::Confirmed(place, _)
            | News::Undone(place, _)
            | News::Unanswered(place, _)
            | News::Ended(place, _) => {
                let Some(turns) = turns_of(&mut self.places, place, now) else { return Some(now) };
                match news {
                    _ if turns.many <= TURNS_OF_PLACE => None,
                    News::Unanswered(..) => None,
                    News::Said(..) => return None,
                    _ => turns.since.checked_add(TURNS_IN),
                }
            }
            News::Hushed(_) | News::Tested(_) => return Some(now),
        };
        Some(at_once.unwrap_or(now))
    }
}

fn turns_of<'a, K: Hash + Eq + Clone>(all: &'a mut HashMap<K, Turn>, key: &K, now: Instant) -> Option<&'a mut Turn> {
    if all.len() >= TURNING {
        all.retain(|_, turns| now.duration_since(turns.since) < TURNS_IN);
    }
    if all.len() >= TURNING && !all.contains_key(key) {
        return None;
    }
    let turns = all.entry(key.clone()).or_insert(Turn { since: now, many: 0, is_told: false });
    if now.duration_since(turns.since) >= TURNS_IN {
        (turns.since, turns.many) = (now, 0);
    }
    turns.many += 1;
    Some(turns)
}

/// Whether two pieces of news are of the same danger, or of the same thing that is told.
pub fn is_of_same(one: &News, other: &News) -> bool {
    match (danger_of(one), danger_of(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => place_of(one).is_some_and(|place| Some(place) == place_of(other)),
        _ => false,
    }
}

fn danger_of(news: &News) -> Option<&Key> {
    match news {
        News::Began(key, _) | News::Over(key, ..) => Some(key),
        _ => None,
    }
}

fn place_of(news: &News) -> Option<&Place> {
    match news {
        News::Said(place, _)
        | News::NotSaid(place, _)
        | News::Confirmed(place, _)
        | News::Undone(place, _)
        | News::Unanswered(place, _)
        | News::Ended(place, _) => Some(place),
        News::Began(..) | News::Over(..) | News::Hushed(_) | News::Tested(_) => None,
    }
}
