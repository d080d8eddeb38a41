//! What is deleted before a file is opened, whether recording must pause, and how many days will be held. Pure: sizes, ages
//! and rates are handed in, and somebody else deletes.
//!
//! The order is: what is too old, then what is over its own camera's quota, and then, for the disk's sake, the oldest of all,
//! whosever it is. An open segment is never deleted, and nothing more than is needed. What open segments still grow by is
//! within the floor, which is five minutes of all cameras.

use domovoi_model::{Id, Timestamp};

/// A segment that could be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// Which.
    pub id: Id,
    /// When it began.
    pub started: Timestamp,
    /// Where it ends.
    pub ended: Timestamp,
    /// How much room it takes in the place that is made room in: nothing, if its file is missing.
    pub bytes: u64,
}

/// A camera's part of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub camera: Id,
    /// Everything of it, what is open too.
    pub bytes: u64,
    /// How much it may be.
    pub quota: u64,
    /// How long it is kept.
    pub keep_days: u32,
    /// How large a segment is that is about to be opened; 0: none is.
    pub next: u64,
    /// Its oldest segments in the order of their beginning, open ones left out.
    pub oldest: Vec<Old>,
    /// There are more behind these.
    pub more: bool,
}

/// The disk of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// What a program may still write.
    pub free: u64,
    /// What is to stay free: see [`floor`].
    pub floor: u64,
    /// What files that are about to be deleted still take.
    pub pending: u64,
}

/// Why a segment is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is older than it was to be kept.
    Age,
    /// Its camera is over its quota.
    Quota,
    /// The disk is short.
    Disk,
}

/// A segment to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Whose.
    pub camera: Id,
    /// Which.
    pub id: Id,
    /// How much room that makes.
    pub bytes: u64,
    /// Why.
    pub why: Why,
}

/// Why a camera cannot be recorded now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pause {
    /// Its quota has no room for one segment, and nothing of it is left to delete.
    Quota,
    /// The disk has none, and nothing of anybody is left to delete.
    Disk,
}

impl Pause {
    /// The kind of the notice: `camera` is filled in.
    pub fn notice(self) -> &'static str {
        match self {
            Pause::Quota => "camera_paused_quota",
            Pause::Disk => "camera_paused_disk",
        }
    }
}

/// What to do before a segment is opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// In this order.
    pub delete: Vec<Deletion>,
    /// Whose recording pauses.
    pub pause: Vec<(Id, Pause)>,
    /// There was too little to choose from: delete these, and ask again with what is oldest then.
    pub again: bool,
}

/// What stays free: as the settings say, and not less than all cameras record in five minutes.
pub fn floor(setting: u64, bytes_per_second: impl IntoIterator<Item = u64>) -> u64 {
    let rate: u64 = bytes_per_second.into_iter().fold(0, u64::saturating_add);
    setting.max(rate.saturating_mul(300))
}

/// What to delete before the segments of these cameras are opened. `now` is `None` while the clock is not trusted: nothing is
/// too old then. `disk` is `None` for a place that has no end but the quotas.
pub fn decide(now: Option<Timestamp>, disk: Option<Disk>, cameras: &[Held]) -> Verdict {
    let mut piles: Vec<Pile> = cameras.iter().map(Pile::new).collect();
    let mut verdict = Verdict::default();
    for pile in &mut piles {
        if let Some(now) = now {
            let before = now.plus_millis(-i64::from(pile.held.keep_days).saturating_mul(DAY));
            // By the beginning they are in order; by the end nearly.
            while pile.first().is_some_and(|old| old.ended <= before) {
                pile.delete(Why::Age, &mut verdict.delete);
            }
        }
        while pile.over() > 0 && pile.skip_empty() {
            pile.delete(Why::Quota, &mut verdict.delete);
        }
    }
    if let Some(disk) = disk {
        let freed: u64 = verdict.delete.iter().fold(disk.pending, |sum, gone| sum.saturating_add(gone.bytes));
        let wanted: u64 = cameras.iter().fold(disk.floor, |sum, held| sum.saturating_add(held.next));
        let mut lacking = wanted.saturating_sub(disk.free.saturating_add(freed));
        while lacking > 0 {
            let Some(pile) = whose_turn(&mut piles) else { break };
            let bytes = pile.delete(Why::Disk, &mut verdict.delete);
            lacking = lacking.saturating_sub(bytes);
        }
        if lacking > 0 {
            verdict.again = piles.iter().any(|pile| pile.held.more);
            if !verdict.again {
                // The smallest first: so most of the cameras go on.
                let mut room = wanted.saturating_sub(disk.floor).saturating_sub(lacking);
                let mut waiting: Vec<_> = wanting(&piles).collect();
                waiting.sort_by_key(|pile| pile.held.next);
                for pile in waiting {
                    match room.checked_sub(pile.held.next) {
                        Some(left) => room = left,
                        None => verdict.pause.push((pile.held.camera, Pause::Disk)),
                    }
                }
            }
        }
    }
    for pile in wanting(&piles).filter(|pile| pile.over() > 0) {
        match pile.held.more {
            true => verdict.again = true,
            false if verdict.pause.iter().any(|(camera, _)| *camera == pile.held.camera) => {}
            false => verdict.pause.push((pile.held.camera, Pause::Quota)),
        }
    }
    verdict
}

const DAY: i64 = 86_400_000;

struct Pile<'a> {
    held: &'a Held,
    left: &'a [Old],
    bytes: u64,
}

impl<'a> Pile<'a> {
    fn new(held: &'a Held) -> Self {
        Pile { held, left: &held.oldest, bytes: held.bytes }
    }

    fn first(&self) -> Option<&Old> {
        self.left.first()
    }

    /// By how much it is, or will be, over its quota.
    fn over(&self) -> u64 {
        self.bytes.saturating_add(self.held.next).saturating_sub(self.held.quota)
    }

    /// Passes over what makes no room; false if nothing is left.
    fn skip_empty(&mut self) -> bool {
        while let Some((first, rest)) = self.left.split_first() {
            if first.bytes > 0 {
                return true;
            }
            self.left = rest;
        }
        false
    }

    fn delete(&mut self, why: Why, into: &mut Vec<Deletion>) -> u64 {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        self.bytes = self.bytes.saturating_sub(first.bytes);
        into.push(Deletion { camera: self.held.camera, id: first.id, bytes: first.bytes, why });
        first.bytes
    }
}

/// Those that are about to open a segment.
fn wanting<'p, 'a>(piles: &'p [Pile<'a>]) -> impl Iterator<Item = &'p Pile<'a>> {
    piles.iter().filter(|pile| pile.held.next > 0)
}

/// Whoever has the oldest.
fn whose_turn<'p, 'a>(piles: &'p mut [Pile<'a>]) -> Option<&'p mut Pile<'a>> {
    let able = piles.iter_mut().filter_map(|pile| pile.skip_empty().then_some(pile));
    able.min_by_key(|pile| pile.first().map_or(i64::MAX, |old| old.started.0))
}

/// What a camera will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Whose.
    pub camera: Id,
    /// So much comes in a day, pauses of the plan counted in; 0: not known yet.
    pub bytes_per_day: u64,
    /// How much it may be.
    pub quota: u64,
    /// How long it was to be kept.
    pub keep_days: u32,
}

/// What ends a camera's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// The days it was to be kept.
    Days,
    /// Its quota.
    Quota,
    /// The disk, which it shares with the others.
    Disk,
}

/// How much of a camera's past will be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Whose.
    pub camera: Id,
    /// How many whole hours; `None`: nothing was recorded yet that one could reckon with.
    pub hours: Option<u64>,
    /// What it ends at.
    pub bound: Bound,
    /// So many days were promised.
    pub promised_days: u32,
}

impl Outlook {
    /// Whole days.
    pub fn days(&self) -> Option<u64> {
        self.hours.map(|hours| hours / 24)
    }

    /// The promise cannot be kept, and somebody is to be told.
    pub fn falls_short(&self) -> bool {
        self.bound != Bound::Days
    }

    /// The kind of the notice, if somebody is to be told: `camera`, `hours` and `promised` are filled in.
    pub fn notice(&self) -> Option<&'static str> {
        match self.bound {
            Bound::Days => None,
            Bound::Quota => Some("camera_keeps_less_quota"),
            Bound::Disk => Some("camera_keeps_less_disk"),
        }
    }

    /// The sentence for people: `days`, `hours` and `promised` are filled in.
    pub fn message(&self) -> &'static str {
        match (self.hours, self.bound) {
            (None, _) => "camera-holds-unknown",
            (Some(_), Bound::Days) => "camera-holds-days",
            (Some(hours), Bound::Quota) if hours < 48 => "camera-holds-quota-hours",
            (Some(_), Bound::Quota) => "camera-holds-quota",
            (Some(hours), Bound::Disk) if hours < 48 => "camera-holds-disk-hours",
            (Some(_), Bound::Disk) => "camera-holds-disk",
        }
    }
}

/// How many days will be held, and why not more. `room` is what all recordings together may take of the disk: what they take
/// now and what is free, without the floor; `None` where only quotas count.
pub fn outlook(room: Option<u64>, loads: &[Load]) -> Vec<Outlook> {
    // Everybody's past goes back equally far, but where a quota or the days end it: the oldest of all goes first.
    let own = |load: &Load| {
        let by_quota = hours(load.quota, load.bytes_per_day);
        let by_days = u64::from(load.keep_days).saturating_mul(24);
        if by_quota < by_days { (by_quota, Bound::Quota) } else { (by_days, Bound::Days) }
    };
    let shared = room.and_then(|room| horizon(room, loads.iter().map(|load| (load.bytes_per_day, own(load).0))));
    loads
        .iter()
        .map(|load| {
            let (hours, bound) = own(load);
            let (hours, bound) = match shared {
                Some(shared) if shared < hours => (shared, Bound::Disk),
                _ => (hours, bound),
            };
            let known = load.bytes_per_day > 0;
            let bound = if known { bound } else { Bound::Days };
            Outlook { camera: load.camera, hours: known.then_some(hours), bound, promised_days: load.keep_days }
        })
        .collect()
}

/// How many hours of such a stream fit.
fn hours(bytes: u64, bytes_per_day: u64) -> u64 {
    match bytes_per_day {
        0 => u64::MAX,
        rate => u64::try_from(u128::from(bytes) * 24 / u128::from(rate)).unwrap_or(u64::MAX),
    }
}

/// How many hours fit into the room, if each stream stops counting at its own end; `None` if all of it fits.
fn horizon(room: u64, streams: impl Iterator<Item = (u64, u64)>) -> Option<u64> {
    let mut streams: Vec<(u64, u64)> = streams.filter(|(rate, _)| *rate > 0).collect();
    streams.sort_by_key(|(_, own)| *own);
    // In bytes × 24, so that nothing is rounded on the way.
    let mut room = u128::from(room) * 24;
    let mut rate: u128 = streams.iter().map(|(rate, _)| u128::from(*rate)).sum();
    let mut reached = 0u64;
    for (of_one, own) in streams {
        let step = rate.saturating_mul(u128::from(own - reached));
        if step > room {
            return Some(reached.saturating_add(u64::try_from(room / rate.max(1)).unwrap_or(u64::MAX)));
        }
        room -= step;
        reached = own;
        rate -= u128::from(of_one);
    }
    None
}

#[cfg(test)]
mod tests;
