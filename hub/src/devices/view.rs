//! A device as it is shown: what was decided about it, what it says that it is, how it stands. Put together when somebody
//! asks.

use std::sync::Arc;

use domovoi_adapters::{Announcement, Category, Contest, Directory, PropertyInfo};
use domovoi_model::{DeviceRef, Moment};
use domovoi_store::DeviceCard;
use tokio::time::Instant;

use super::live::{LiveDevice, Now, lock};
use super::{Devices, Inner};
use crate::bus::PropertyState;

/// A device.
#[derive(Debug, Clone)]
pub struct DeviceView {
    /// What was decided about it.
    pub card: DeviceCard,
    /// What it is called: here, else by itself, else its id.
    pub name: String,
    /// What it says that it is, if it says so.
    pub announcement: Option<Arc<Announcement>>,
    /// Whether it can be reached, as far as it says.
    pub reachable: Option<bool>,
    /// When anything came from it, in this run; else its newest value.
    pub heard_at: Option<Moment>,
    /// What was claimed of it and is not believed.
    pub contested: Vec<Contest>,
    /// Its properties, in the order in which it names them.
    pub properties: Vec<PropertyView>,
}

/// A property of it.
#[derive(Debug, Clone)]
pub struct PropertyView {
    /// What is known of it, if it was announced.
    pub info: Option<PropertyInfo>,
    /// How it stands.
    pub state: PropertyState,
    /// Lists leave it out.
    pub hidden: bool,
}

/// What a device is called.
pub(super) fn name_of(card: &DeviceCard, directory: &Directory) -> String {
    if let Some(name) = &card.name {
        return name.clone();
    }
    let known = directory.known(&card.device);
    let own = known.and_then(|known| known.name.clone().or_else(|| known.alias.clone()));
    own.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| card.device.id.clone())
}

impl Devices {
    /// All devices, by name; whoever asks leaves out what is not to be seen.
    pub fn list(&self) -> Vec<DeviceView> {
        let mut all = self.each(Some);
        all.sort_by_cached_key(|view| (view.name.to_lowercase(), view.card.device.clone()));
        all
    }

    /// Which devices there are whose cards are of this kind, by name.
    pub fn in_order(&self, of: impl Fn(&DeviceCard) -> bool) -> Vec<DeviceRef> {
        let directory = self.0.ingest.directory();
        let cards = self.0.cards();
        let named = |card: &DeviceCard| (name_of(card, &directory).to_lowercase(), card.device.clone());
        let mut all: Vec<(String, DeviceRef)> = cards.values().filter(|card| of(card)).map(named).collect();
        drop(cards);
        all.sort_unstable();
        all.into_iter().map(|(_, device)| device).collect()
    }

    /// What is made of each of them, one after the other, in no order: with thousands of properties the whole list would be
    /// megabytes. What is made of one may be nothing.
    pub fn each<T>(&self, made: impl Fn(DeviceView) -> Option<T>) -> Vec<T> {
        let cards: Vec<DeviceCard> = self.0.cards().values().cloned().collect();
        let mut all = Vec::new();
        for card in cards {
            all.extend(made(self.0.view(card)));
        }
        all.shrink_to_fit();
        all
    }

    /// One of them.
    pub fn show(&self, device: &DeviceRef) -> Option<DeviceView> {
        let card = self.0.cards().get(device).cloned()?;
        Some(self.0.view(card))
    }

    /// How one property stands; `None` if there is no such device or property.
    pub fn state(&self, device: &DeviceRef, property: &str) -> Option<PropertyState> {
        let directory = self.0.ingest.directory();
        let known = self.0.live.of(device)?;
        let known = lock(&known);
        let there = known.properties.contains_key(property) || directory.property(device, property).is_some();
        there.then(|| known.state(device, property, &directory, self.0.now()))
    }
}

impl Inner {
    pub(super) fn now(&self) -> Now {
        Now { instant: Instant::now(), wall: self.clock.trusted() }
    }

    fn view(&self, card: DeviceCard) -> DeviceView {
        let directory = self.ingest.directory();
        let announcement = directory.shared(&card.device);
        let name = name_of(&card, &directory);
        let known = self.live.of(&card.device);
        let nothing = LiveDevice::default();
        let guard = known.as_ref().map(|known| lock(known));
        let live = guard.as_deref().unwrap_or(&nothing);
        let now = self.now();
        let mut names: Vec<&str> = announcement.iter().flat_map(|known| &known.properties).map(|p| &*p.name).collect();
        let unannounced: Vec<&str> =
            live.properties.keys().map(|k| &**k).filter(|name| !names.contains(name)).collect();
        names.extend(unannounced);
        let properties = names
            .into_iter()
            .map(|name| PropertyView {
                info: announcement.and_then(|known| known.property(name)).cloned(),
                state: live.state(&card.device, name, &directory, now),
                hidden: card.hidden_properties.iter().any(|hidden| hidden == name),
            })
            .collect::<Vec<_>>();
        let newest = properties.iter().filter_map(|property| property.state.at).max_by_key(|at| at.wall());
        DeviceView {
            name,
            reachable: live.reachable(announcement.map(Arc::as_ref), 0),
            heard_at: live.heard_at.or(newest),
            properties,
            announcement: announcement.cloned(),
            contested: directory.contests(&card.device).to_vec(),
            card,
        }
    }
}

impl PropertyView {
    /// For whom it is.
    pub fn category(&self) -> Category {
        self.info.as_ref().map_or(Category::Main, |info| info.category)
    }
}

impl DeviceView {
    /// Which device.
    pub fn device(&self) -> &DeviceRef {
        &self.card.device
    }
}
