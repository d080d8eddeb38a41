//! What a cloud has, compared with what it had: what is new, what is gone, what is back, what is this hub's own and does not
//! come in a second time. Pure.

use std::collections::BTreeMap;

use domovoi_adapters::clouds::{Listing, Piece};

use super::shelf::Thing;

/// A thing that is missing in so many answers in a row is gone. One answer may be half of one.
const MISSED: u32 = 2;

/// What is known of the things of a cloud.
#[derive(Debug, Default)]
pub(super) struct Things {
    pub known: BTreeMap<String, Thing>,
    missed: BTreeMap<String, u32>,
}

/// What an answer changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// To be kept.
    pub changed: Vec<Thing>,
    /// The ids of those that are gone now.
    pub gone: Vec<String>,
    /// The ids of those that are there again.
    pub back: Vec<String>,
}

impl Things {
    pub fn of(things: impl Iterator<Item = Thing>) -> Self {
        Things { known: things.map(|thing| (thing.id.clone(), thing)).collect(), missed: BTreeMap::new() }
    }

    /// Compares. `is_ours`: whether a thing came from this very hub.
    pub fn compare(&self, cloud: &str, listing: &Listing, is_ours: impl Fn(&Piece) -> bool, now: i64) -> Changes {
        let mut changes = Changes::default();
        let ours: Vec<&str> =
            listing.pieces.iter().filter(|piece| is_ours(piece)).map(|piece| piece.id.as_str()).collect();
        for piece in &listing.pieces {
            // A group of nothing but our own would switch them by way of the internet.
            let is_group_of_ours =
                !piece.members.is_empty() && piece.members.iter().all(|member| ours.contains(&member.as_str()));
            let thing = Thing {
                version: 1,
                cloud: cloud.to_owned(),
                id: piece.id.clone(),
                name: piece.name.clone(),
                room: piece.room.clone(),
                ours: ours.contains(&piece.id.as_str()) || is_group_of_ours,
                since: now,
                gone_at: None,
            };
            match self.known.get(&piece.id) {
                Some(before) => {
                    let thing = Thing { since: before.since, ..thing };
                    if before.gone_at.is_some() {
                        changes.back.push(thing.id.clone());
                    }
                    if *before != thing {
                        changes.changed.push(thing);
                    }
                }
                None => changes.changed.push(thing),
            }
        }
        for (id, before) in &self.known {
            let is_there = listing.pieces.iter().any(|piece| piece.id == *id);
            let missed = self.missed.get(id).copied().unwrap_or(0) + 1;
            if !is_there && before.gone_at.is_none() && missed >= MISSED {
                changes.gone.push(id.clone());
                changes.changed.push(Thing { gone_at: Some(now), ..before.clone() });
            }
        }
        changes
    }

    /// Takes in what was found, once it is kept.
    pub fn take(&mut self, listing: &Listing, changes: &Changes) {
        for id in self.known.keys() {
            if listing.pieces.iter().any(|piece| piece.id == *id) {
                self.missed.remove(id);
            } else {
                *self.missed.entry(id.clone()).or_default() += 1;
            }
        }
        for thing in &changes.changed {
            self.known.insert(thing.id.clone(), thing.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(id: &str, external: Option<&str>, members: &[&str]) -> Piece {
        Piece {
            id: id.into(),
            name: id.to_uppercase(),
            room: None,
            external: external.map(Into::into),
            giver: None,
            members: members.iter().map(|member| (*member).to_owned()).collect(),
            reachable: None,
            topic: String::new(),
            payload: Vec::new(),
        }
    }

    fn listing(pieces: &[Piece]) -> Listing {
        Listing { pieces: pieces.to_vec(), ..Listing::default() }
    }

    fn step(things: &mut Things, listing: &Listing, now: i64) -> Changes {
        let changes = things.compare("c", listing, |piece| piece.external.as_deref() == Some("ours"), now);
        things.take(listing, &changes);
        changes
    }

    #[test]
    fn what_vanishes_is_kept_and_what_comes_back_is_the_same() {
        let mut things = Things::default();
        let (a, b) = (piece("a", None, &[]), piece("b", None, &[]));
        assert_eq!(step(&mut things, &listing(&[a.clone(), b.clone()]), 1).changed.len(), 2);
        assert_eq!(step(&mut things, &listing(&[a.clone(), b.clone()]), 2), Changes::default());
        assert_eq!(
            step(&mut things, &listing(std::slice::from_ref(&a)), 3),
            Changes::default(),
            "one answer may be half of one"
        );
        let gone = step(&mut things, &listing(std::slice::from_ref(&a)), 4);
        assert_eq!((gone.gone.as_slice(), things.known["b"].gone_at), (["b".to_owned()].as_slice(), Some(4)));
        assert_eq!(step(&mut things, &listing(std::slice::from_ref(&a)), 5), Changes::default(), "told once");
        let back = step(&mut things, &listing(&[a, b]), 6);
        assert_eq!((back.back.as_slice(), things.known["b"].gone_at), (["b".to_owned()].as_slice(), None));
        assert_eq!(things.known["b"].since, 1);
    }

    #[test]
    fn what_we_gave_and_a_group_of_nothing_else_is_ours() {
        let mut things = Things::default();
        let all = [
            piece("lamp", Some("ours"), &[]),
            piece("other", Some("theirs"), &[]),
            piece("group.own", None, &["lamp"]),
            piece("group.both", None, &["lamp", "other"]),
            piece("group.empty", None, &[]),
        ];
        step(&mut things, &listing(&all), 1);
        let ours: Vec<&str> = things.known.values().filter(|thing| thing.ours).map(|thing| thing.id.as_str()).collect();
        assert_eq!(ours, ["group.own", "lamp"]);
    }
}
