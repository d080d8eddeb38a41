//! Devices that are heard for the first time: into the inbox, or into the home where somebody waits for them. What was
//! heard under a makeshift name (`name:…`, `topic:…`) gives its card to the device once that says who it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use domovoi_adapters::{Announcement, Road};
use domovoi_model::{DeviceRef, Observation};
use domovoi_store::DeviceCard;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::card::Standing;
use super::{Devices, DevicesError, Inner, MAX_DEVICES, MAX_WAITING, Wish};
use crate::ingest::Telling;

/// How many are remembered between two looks.
const AT_ONCE: usize = 1024;

/// How many credentials are waited for at a time.
const MAX_EXPECTED: usize = 64;

/// How dialects call a device that has not said who it is.
const MAKESHIFT: [&str; 2] = ["name:", "topic:"];

/// A device that somebody is about to connect, known by the credential that was issued for it.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The credential's user name.
    pub username: String,
    /// What is wanted of it.
    pub wish: Wish,
    /// Until when it is waited for.
    pub until: Instant,
}

/// Who was heard and is not in the registry.
#[derive(Default)]
pub(super) struct FoundDevices {
    found: Mutex<BTreeMap<DeviceRef, Found>>,
    /// What the devices say that they are, or that they are gone, since the last look.
    told: Mutex<HashMap<DeviceRef, Told>>,
    expected: Mutex<HashMap<String, Expected>>,
    pub(super) bell: Notify,
}

#[derive(Debug)]
struct Found {
    /// The how many-th it is: of several that speak with one credential, the first is the one that was waited for.
    order: usize,
    road: Road,
    sender: String,
}

#[derive(Debug, Clone, Default)]
struct Told {
    gone: bool,
    /// Something about it is new.
    changed: bool,
    /// Who said so.
    sender: String,
    /// Under which names it may have been heard before.
    before: Vec<DeviceRef>,
}

/// Under which names a device may have been heard before it said who it is.
fn makeshift(announcement: &Announcement) -> Vec<DeviceRef> {
    let dialect = &announcement.device.dialect;
    let names = announcement.alias.iter().map(|alias| format!("{}{alias}", MAKESHIFT[0]));
    let topics = announcement.speaks.iter().map(|topic| format!("{}{topic}", MAKESHIFT[1]));
    // Tasmota's topic is its alias; what is behind another bridge than the first carries its base.
    let short = announcement.alias.iter().map(|alias| format!("{}{alias}", MAKESHIFT[1]));
    let based = announcement.speaks.iter().map(|topic| format!("{}{topic}", MAKESHIFT[0]));
    names.chain(topics).chain(short).chain(based).map(|id| DeviceRef::new(dialect.clone(), id)).collect()
}

impl FoundDevices {
    /// Nobody waits for this credential's device any more.
    pub(super) fn expect_no_more(&self, username: &str) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).remove(username);
    }

    /// Whether somebody does.
    fn is_expected(&self, road: Road, sender: &str) -> bool {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        road == Road::Embedded && !expected.is_empty() && expected.contains_key(sender)
    }

    fn add(&self, device: &DeviceRef, road: Road, sender: &str) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < AT_ONCE && !found.contains_key(device) {
            let order = found.len();
            found.insert(device.clone(), Found { order, road, sender: sender.to_owned() });
            self.bell.notify_one();
        }
    }
}

impl Inner {
    pub(super) fn find_said(&self, observations: &[Observation], telling: &Telling<'_>) {
        for said in observations.chunk_by(|a, b| a.device == b.device) {
            let Some(first) = said.first() else { continue };
            self.farewells.spoke(&first.device, telling.news);
            if self.is_to_be_found(&first.device, telling) {
                self.found.add(&first.device, telling.road, telling.sender);
            }
        }
    }

    /// One that is not known; or one that waits, perhaps since long before somebody began to connect it.
    fn is_to_be_found(&self, device: &DeviceRef, telling: &Telling<'_>) -> bool {
        !self.knows(device) || self.found.is_expected(telling.road, telling.sender) && !self.is_old(telling.sender)
    }

    /// It is being connected once more, and whoever speaks has come with what opened it before: that is nobody's arrival.
    pub(super) fn is_old(&self, sender: &str) -> bool {
        self.store.credentials().waits_for_the_new(sender)
    }

    pub(super) fn find_told(&self, announcements: &[Announcement], telling: &Telling<'_>) {
        let new: HashSet<&DeviceRef> = telling.changed.iter().collect();
        let mut told = self.found.told.lock().unwrap_or_else(PoisonError::into_inner);
        for announcement in announcements {
            if told.len() >= MAX_DEVICES {
                break;
            }
            // Two devices that turned out to be one: the other is gone in the same breath.
            let ids = announcement.identities.iter();
            let ids = ids.map(|id| DeviceRef::new(announcement.device.dialect.clone(), id.clone()));
            let joined = ids.filter(|id| {
                announcements.iter().any(|other| other.gone && other.device == *id && *id != announcement.device)
            });
            let before = makeshift(announcement).into_iter().chain(joined).collect();
            let device = &announcement.device;
            if !announcement.gone {
                self.farewells.spoke(device, telling.news);
            }
            let changed = new.contains(device) || told.get(device).is_some_and(|told| told.changed);
            let sender = telling.sender.to_owned();
            told.insert(device.clone(), Told { gone: announcement.gone, changed, sender, before });
            if !announcement.gone && self.is_to_be_found(device, telling) {
                self.found.add(&announcement.device, telling.road, telling.sender);
            }
        }
        self.found.bell.notify_one();
    }

    /// What was heard of whether a device can be reached before it said who it is, and before its groups were others.
    pub(super) fn take_over(&self, announcements: &[Announcement]) {
        for announcement in announcements.iter().filter(|announcement| !announcement.gone) {
            self.live.regroup(announcement);
            for before in makeshift(announcement) {
                self.live.take_over(&before, &announcement.device);
            }
        }
    }

    /// Puts what was found into the registry. Where the store fails, it is known until the restart all the same.
    pub(super) async fn settle_found(&self) {
        let _turn = self.turn.lock().await;
        let began = Instant::now();
        let told = std::mem::take(&mut *self.found.told.lock().unwrap_or_else(PoisonError::into_inner));
        let found = std::mem::take(&mut *self.found.found.lock().unwrap_or_else(PoisonError::into_inner));
        let mut found: Vec<(DeviceRef, Found)> = found.into_iter().collect();
        found.sort_by_key(|(_, found)| found.order);
        let (mut gone, mut new, mut contested, mut left_out) = (HashSet::new(), Vec::new(), Vec::new(), 0usize);
        let mut renamed: Vec<(DeviceRef, DeviceRef)> = Vec::new();
        let (mut all, mut waiting) = self.counts();
        for (device, Found { road, sender, .. }) in found {
            // What was removed before anybody looked was never ours.
            if told.get(&device).is_some_and(|told| told.gone) {
                continue;
            }
            let known = self.cards().get(&device).cloned();
            if let Some(mut card) = known {
                // It was known, and is connected once more, or with an access of its own now. One that has an access is not
                // taken for another's, whatever that one says of itself.
                let own = card.credential.as_ref().is_none_or(|own| *own == sender);
                if own
                    && !self.is_old(&sender)
                    && let Some(expected) = self.expected(road, &sender)
                {
                    self.welcome(&mut card, expected);
                    new.push(card);
                }
                continue;
            }
            // Whoever claims a name gets what was decided about who bears it only if it was he that was heard under it.
            let claimed = told.get(&device).and_then(|told| self.heard_before(told));
            let claimed = claimed.filter(|(card, _)| !gone.contains(&card.device));
            let makeshift = claimed.filter(|(card, theirs)| {
                if !theirs && Standing::of(card) != Standing::Waiting {
                    contested.push((device.clone(), card.device.clone()));
                }
                *theirs
            });
            let makeshift = makeshift.map(|(card, _)| card);
            let mut card = makeshift.clone().unwrap_or_else(|| self.blank(&device));
            (card.device, card.external) = (device.clone(), road == Road::External);
            card.heard_from = Some(sender.clone());
            if let Some(expected) = self.expected(road, &sender) {
                self.welcome(&mut card, expected);
            }
            match makeshift {
                Some(before) => {
                    renamed.push((before.device.clone(), device.clone()));
                    gone.insert(before.device);
                }
                None if all >= MAX_DEVICES => continue,
                None if waiting >= MAX_WAITING && Standing::of(&card) == Standing::Waiting => {
                    left_out += 1;
                    continue;
                }
                None => {
                    all += 1;
                    waiting += usize::from(Standing::of(&card) == Standing::Waiting);
                }
            }
            new.push(card);
        }
        {
            let cards = self.cards();
            for (device, told) in &told {
                // Nobody decided anything about it, and it has left: no ghost is kept. What was accepted stays, with its
                // name and its room, until somebody forgets it.
                let waits = |card: &&DeviceCard| Standing::of(card) == Standing::Waiting && card.name.is_none();
                if told.gone && cards.get(device).as_ref().is_some_and(waits) {
                    gone.insert(device.clone());
                }
                // It was known already when it was heard under a makeshift name.
                for before in told.before.iter().filter(|_| !told.gone) {
                    if cards.get(before).as_ref().is_some_and(|card| waits(card) && is_theirs(card, told)) {
                        gone.insert(before.clone());
                    }
                }
            }
        }
        let gone: Vec<DeviceRef> = gone.into_iter().collect();
        // Before anybody can see that the old one is gone: a danger of its must not end by that.
        if let Some(tell) = self.renames.get() {
            renamed.iter().for_each(|(before, after)| tell(before, after));
        }
        if !gone.is_empty() || !new.is_empty() {
            if let Err(error) = self.store.devices().replace(&gone, &new).await {
                tracing::error!("devices that were found cannot be kept: {error}");
            }
            let mut cards = self.cards_mut();
            for device in &gone {
                cards.remove(device);
            }
            for card in &new {
                cards.insert(card.device.clone(), card.clone());
            }
        }
        if let Err(error) = self.agree_at_first(told.keys()).await {
            tracing::error!("where devices take commands cannot be kept: {error}");
        }
        for card in &new {
            if let Some(username) = &card.credential {
                self.connecting.fulfilled(username, &card.device);
            }
        }
        self.live.keep(began, |device| self.knows(device));
        for card in &new {
            tracing::info!(device = %card.device, standing = %card.standing, "a device was found");
        }
        for (device, bearer) in contested {
            tracing::warn!(%device, %bearer, "it claims the name of another, and waits in the inbox");
        }
        if left_out > 0 {
            tracing::warn!(left_out, "the inbox is full: accept, ignore or forget what waits there");
        }
        let altered = told.iter().filter(|(_, told)| told.changed || told.gone).map(|(device, _)| device);
        let changed: HashSet<&DeviceRef> = new.iter().map(|card| &card.device).chain(&gone).chain(altered).collect();
        for device in changed {
            self.tell(device);
        }
        // One that was waited for is ours now, and is asked how it is.
        for card in new.iter().filter(|card| Standing::of(card) == Standing::Accepted) {
            self.refresh(&card.device);
        }
    }

    /// What was decided about a device that was heard under one of the names that are claimed now, and whether it was the
    /// same that was heard.
    fn heard_before(&self, told: &Told) -> Option<(DeviceCard, bool)> {
        let cards = self.cards();
        let known = told.before.iter().filter_map(|before| cards.get(before));
        let mut known: Vec<(DeviceCard, bool)> = known.map(|card| (card.clone(), is_theirs(card, told))).collect();
        known.sort_by_key(|(_, theirs)| !theirs);
        known.into_iter().next()
    }

    fn counts(&self) -> (usize, usize) {
        let cards = self.cards();
        (cards.len(), cards.values().filter(|card| Standing::of(card) == Standing::Waiting).count())
    }

    fn blank(&self, device: &DeviceRef) -> DeviceCard {
        DeviceCard::new(device.clone(), Standing::Waiting.code(), self.clock.moment())
    }

    /// Who waits for what speaks with this credential. On the external road the sender is the link itself.
    fn expected(&self, road: Road, sender: &str) -> Option<Expected> {
        let mut expected = self.found.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.retain(|_, one| one.until > Instant::now());
        if road == Road::Embedded { expected.remove(sender) } else { None }
    }

    fn welcome(&self, card: &mut DeviceCard, expected: Expected) {
        card.standing = Standing::Accepted.code().to_owned();
        card.accepted_at = card.accepted_at.or_else(|| Some(self.clock.moment()));
        card.name = expected.wish.name.or(card.name.take());
        card.room = expected.wish.room.filter(|room| self.has_room(*room)).or(card.room);
        if !expected.wish.presets.is_empty() {
            card.presets = expected.wish.presets;
        }
        card.credential = Some(expected.username);
    }
}

/// Whether it was the one who announces now that was heard under the name of this card. On a broker of others nobody knows
/// who speaks: there all have one name.
fn is_theirs(card: &DeviceCard, told: &Told) -> bool {
    card.heard_from.as_deref() == Some(told.sender.as_str())
}

impl Devices {
    /// From now on the first device that speaks with this credential is accepted as it is wished. Whoever asks has seen to
    /// the right to accept devices.
    pub fn expect(&self, expected: Expected) -> Result<(), DevicesError> {
        if let Some(name) = &expected.wish.name {
            super::card::named("the name", name)?;
        }
        if let Some(room) = expected.wish.room.filter(|room| !self.0.has_room(*room)) {
            return Err(DevicesError::NoRoom(room.to_string()));
        }
        let mut all = self.0.found.expected.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.until > Instant::now());
        if all.len() >= MAX_EXPECTED && !all.contains_key(&expected.username) {
            return Err(DevicesError::Conflict("too many devices are being connected at once".into()));
        }
        all.insert(expected.username.clone(), expected);
        Ok(())
    }

    /// The device for which this credential was issued, once it has spoken.
    pub fn of_credential(&self, username: &str) -> Option<DeviceRef> {
        let cards = self.0.cards();
        let of = |card: &&DeviceCard| card.credential.as_deref() == Some(username);
        cards.values().find(of).map(|card| card.device.clone())
    }
}
