//! Ways by which people and the house are reached: added, taken off, tried. Confirmed contacts are ways by themselves, and so
//! are the house's own means that need no address.

use std::collections::BTreeMap;

use domovoi_model::{Id, PersonId};

use super::channels::{Address, Channel, Failed, Fate};
use super::desk::{Desk, Job};
use super::members::Household;
use super::policy::{MOST_NAMES, accepts};
use super::record::{HouseUse, Off, Route};
use super::{Notify, NotifyError, letters, wish_paper};
use crate::people::ContactKind;

/// The page's own inbox is kept by this room; it is no way of reaching somebody who does not look.
const INBOX: &str = "inbox";
/// The longest part of an address.
const MOST_BYTES: usize = 2048;

/// A way that somebody adds.
#[derive(Debug, Clone)]
pub struct NewWay {
    /// By which channel.
    pub channel: String,
    /// What its owner calls it; at most 100 characters.
    pub label: String,
    /// What the channel's address consists of.
    pub address: Address,
    /// Of the house's: when it is taken.
    pub used: HouseUse,
    /// The weekly test is wanted although it sounds or costs.
    pub test_anyway: bool,
}

impl Notify {
    /// The channels that there are.
    pub fn channels(&self) -> impl Iterator<Item = &dyn Channel> {
        self.0.channels.iter().map(|channel| &**channel).filter(|channel| channel.name() != INBOX)
    }

    /// Somebody's ways, in the order in which they are tried; `None`: the house's.
    pub fn routes(&self, person: Option<PersonId>) -> Vec<Route> {
        let home = self.home();
        let mut desk = self.desk();
        self.sync_contacts(&mut desk, &home);
        match person {
            Some(person) => desk.ways_of(person).into_iter().cloned().collect(),
            None => desk.routes().filter(|route| route.person.is_none()).cloned().collect(),
        }
    }

    /// Adds a way. The same address by the same channel again is the same way, on again.
    pub async fn add_route(&self, person: Option<PersonId>, new: NewWay) -> Result<Route, NotifyError> {
        let _turn = self.0.turn.lock().await;
        let channel = self.channels().find(|channel| channel.name() == new.channel);
        let channel = channel.ok_or(NotifyError::NoSuch("channel"))?;
        if channel.is_of_the_house() != person.is_none() {
            return Err(NotifyError::NoSuch("channel"));
        }
        if let Some(person) = person
            && self.0.people.get(person).is_none()
        {
            return Err(NotifyError::NoSuch("person"));
        }
        let fields = channel.fields();
        for field in fields.iter().filter(|field| field.required) {
            if new.address.get(field.name).is_none_or(|value| value.trim().is_empty()) {
                return Err(NotifyError::Address(format!("`{}` is missing", field.name)));
            }
        }
        for (name, value) in &new.address.0 {
            if fields.iter().all(|field| field.name != name) {
                return Err(NotifyError::Address(format!("«{}» has no `{}`", channel.name(), letters::clip(name, 64))));
            }
            if value.len() > MOST_BYTES {
                return Err(NotifyError::Address(format!("`{name}` is longer than {MOST_BYTES} bytes")));
            }
        }
        channel.check(&new.address).map_err(NotifyError::Address)?;
        let same =
            |route: &&Route| route.person == person && route.channel == new.channel && route.address == new.address;
        let (known, count) = {
            let desk = self.desk();
            let theirs = desk.routes().filter(|route| route.person == person);
            (desk.routes().find(same).cloned(), theirs.count())
        };
        let fresh = known.is_none();
        if fresh && count >= MOST_NAMES {
            return Err(super::policy::WishRefusal::TooMany("ways", MOST_NAMES).into());
        }
        let route = Route {
            id: match &known {
                Some(route) => route.id,
                None => Id(domovoi_vault::random().map_err(|error| domovoi_store::StoreError::Io(error.to_string()))?),
            },
            person,
            channel: new.channel,
            label: letters::clip(new.label.trim(), 100),
            address: new.address,
            of_contact: known.as_ref().is_some_and(|route| route.of_contact),
            used: new.used,
            added_at: known.as_ref().and_then(|route| route.added_at).or(self.0.clock.trusted()),
            off: None,
            last_ok: known.as_ref().and_then(|route| route.last_ok),
            last_failure: None,
            tested_at: known.and_then(|route| route.tested_at),
            test_anyway: new.test_anyway,
        };
        self.0.store.tellings().put_wishes(&[wish_paper::of_route(&route)], &[]).await?;
        self.desk().put_route(route.clone());
        self.look();
        Ok(route)
    }

    /// A way of somebody's, by its id.
    pub fn way(&self, person: Option<PersonId>, id: Id) -> Result<Route, NotifyError> {
        let found = self.desk().way(id).filter(|route| route.person == person).cloned();
        found.ok_or(NotifyError::NoSuch("way"))
    }

    /// Switches a way off or on.
    pub async fn switch_route(&self, person: Option<PersonId>, id: Id, on: bool) -> Result<Route, NotifyError> {
        let _turn = self.0.turn.lock().await;
        let mut route = self.way(person, id)?;
        if !on {
            self.may_do_without(id)?;
        }
        route.off = if on { None } else { Some(Off::ByOwner) };
        self.0.store.tellings().put_wishes(&[wish_paper::of_route(&route)], &[]).await?;
        self.desk().put_route(route.clone());
        self.look();
        Ok(route)
    }

    /// Takes a way off for good. A contact stays a way as long as it is one: it is switched off instead.
    pub async fn remove_route(&self, person: Option<PersonId>, id: Id) -> Result<(), NotifyError> {
        if self.way(person, id)?.of_contact {
            return self.switch_route(person, id, false).await.map(drop);
        }
        let _turn = self.0.turn.lock().await;
        self.may_do_without(id)?;
        self.0.writer.forget_way(id);
        self.0.store.tellings().put_wishes(&[], &[id]).await?;
        self.desk().remove_route(id);
        let _ = self.0.store.notices().clear(&format!("notify.way.{id}")).await;
        Ok(())
    }

    /// Nobody takes the last way away by which somebody grown up is reached when life is at stake; one that does not work is
    /// none.
    fn may_do_without(&self, id: Id) -> Result<(), NotifyError> {
        let adults = self.home().adults();
        let desk = self.desk();
        if desk.way(id).is_none_or(|route| route.off == Some(Off::Gone)) {
            return Ok(());
        }
        accepts(&desk.reachable(&adults, None, None), &desk.reachable(&adults, None, Some(id)))?;
        Ok(())
    }

    /// Tries a way now; how far the letter came.
    pub async fn test_route(&self, person: Option<PersonId>, id: Id) -> Result<Fate, NotifyError> {
        self.way(person, id)?;
        let mut out = self.desk().try_way(id, self.at());
        let send = out.jobs.iter().position(|job| matches!(job, Job::Send(_))).map(|place| out.jobs.remove(place));
        self.perform(out);
        let Some(Job::Send(dispatch)) = send else {
            return Err(NotifyError::NotCarried("the way cannot be used: look at its address and its channel".into()));
        };
        let letter = dispatch.id;
        self.desk().departs(letter);
        let outcome = self.carry(*dispatch).await;
        // A person waits for the answer and can try again: it is not tried again by itself.
        let outcome = outcome.map_err(|failed| match failed {
            Failed::Again { why, .. } => Failed::Refused(why),
            other => other,
        });
        let answer = outcome.as_ref().map(|sent| sent.fate).map_err(|why| NotifyError::NotCarried(why.to_string()));
        self.came(letter, outcome);
        answer
    }

    /// The house's own means that need no address are ways from the start.
    pub(super) fn find_ways(&self) {
        let home = self.home();
        let mut desk = self.desk();
        for channel in &self.0.channels {
            let bare = channel.fields().iter().all(|field| !field.required);
            let id = self.0.store.papers().id_of("telling.house", &[channel.name().as_bytes()]);
            if !channel.is_of_the_house() || !bare || desk.way(id).is_some() {
                continue;
            }
            desk.put_route(Route {
                id,
                person: None,
                channel: channel.name().to_owned(),
                label: String::new(),
                address: Address::default(),
                of_contact: false,
                used: used_at_first(channel.name()),
                added_at: None,
                off: None,
                last_ok: None,
                last_failure: None,
                tested_at: None,
                test_anyway: false,
            });
        }
        self.sync_contacts(&mut desk, &home);
    }

    /// Confirmed contacts are ways; one that is none any more is no way.
    pub(super) fn sync_contacts(&self, desk: &mut Desk, home: &Household) {
        let mut there = BTreeMap::new();
        for (person, kind, value) in home.contacts() {
            let Some((channel, field)) = self.carries(kind) else { continue };
            let parts: [&[u8]; 3] = [&person.0.0, kind.code().as_bytes(), value.as_bytes()];
            let id = self.0.store.papers().id_of("telling.contact", &parts);
            there.insert(id, (person, channel, field, value));
        }
        let gone: Vec<Id> = desk
            .routes()
            .filter(|route| route.of_contact && !there.contains_key(&route.id))
            .map(|route| route.id)
            .collect();
        for id in gone {
            desk.remove_route(id);
        }
        for (id, (person, channel, field, value)) in there {
            let address = Address(BTreeMap::from([(field.to_owned(), value.to_owned())]));
            match desk.way(id) {
                Some(route) if route.address == address => {}
                Some(route) => {
                    let route = Route { address, channel: channel.to_owned(), ..route.clone() };
                    desk.put_route(route);
                }
                None => desk.put_route(Route {
                    id,
                    person: Some(person),
                    channel: channel.to_owned(),
                    label: value.to_owned(),
                    address,
                    of_contact: true,
                    used: HouseUse::Last,
                    added_at: self.0.clock.trusted(),
                    off: None,
                    last_ok: None,
                    last_failure: None,
                    tested_at: None,
                    test_anyway: false,
                }),
            }
        }
    }

    /// The channel that carries to contacts of a kind, and the one field of its address.
    fn carries(&self, kind: ContactKind) -> Option<(&'static str, &'static str)> {
        let names: &[&str] = match kind {
            ContactKind::Email => &["mail", "email"],
            ContactKind::Phone => &["sms"],
            ContactKind::Name => &[],
        };
        let channel = self.0.channels.iter().find(|channel| names.contains(&channel.name()))?;
        let mut required = channel.fields().iter().filter(|field| field.required);
        let field = required.next()?;
        required.next().is_none().then(|| (channel.name(), field.name))
    }
}

/// A topic is silent and a voice speaks; whatever else the house has is for the end.
fn used_at_first(channel: &str) -> HouseUse {
    match channel {
        "mqtt" => HouseUse::Silent,
        "voice" => HouseUse::Speaks,
        _ => HouseUse::Last,
    }
}
