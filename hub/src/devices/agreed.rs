//! Where an accepted device took its commands when it was accepted. What it announces later is believed for all that is
//! harmless; a command that could open the home or flood it goes nowhere else until somebody accepts the device again: a
//! lamp that was accepted must not become the door of a neighbour by saying so. Who speaks with a credential of its own, and
//! what is below a base that the settings name, is exempt: there the household has said itself which topics are whose.

use domovoi_adapters::{Announcement, Directory, Outgoing};
use domovoi_model::DeviceRef;
use domovoi_store::DeviceCard;

use super::card::Standing;
use super::{DevicesError, Inner};

/// Where it takes commands, as it is agreed; `None`: it has not said so.
pub(super) fn listens(known: Option<&Announcement>) -> Option<Vec<String>> {
    known.filter(|known| !known.listens.is_empty()).map(|known| known.listens.clone())
}

/// The first topic to which nobody has agreed.
pub(super) fn not_agreed<'o>(card: &DeviceCard, outgoing: &'o [Outgoing], directory: &Directory) -> Option<&'o str> {
    crate::ingest::not_agreed(&card.device, card.agreed.as_deref(), card.credential.as_deref(), outgoing, directory)
}

impl Inner {
    /// Those that were accepted before they had said where they take commands, or before it was asked, have what they say
    /// first.
    pub(super) async fn agree_with_those_of_before(&self) -> Result<(), DevicesError> {
        let devices: Vec<DeviceRef> = self.cards().keys().cloned().collect();
        self.agree_at_first(devices.iter()).await
    }

    pub(super) async fn agree_at_first(&self, devices: impl Iterator<Item = &DeviceRef>) -> Result<(), DevicesError> {
        let directory = self.ingest.directory();
        let agreed: Vec<DeviceCard> = {
            let cards = self.cards();
            let ours = devices.filter_map(|device| cards.get(device));
            let ours = ours.filter(|card| Standing::of(card) == Standing::Accepted);
            let with = |card: &DeviceCard| {
                let known = directory.known(&card.device);
                let agreed = card.agreed.clone().or_else(|| listens(known));
                // It stays so when nobody describes it any more: then people are told.
                let guards = card.guards || known.is_some_and(super::danger::is_for_danger);
                (agreed != card.agreed || guards != card.guards).then(|| DeviceCard { agreed, guards, ..card.clone() })
            };
            ours.filter_map(with).collect()
        };
        if !agreed.is_empty() {
            self.store.devices().put(&agreed).await?;
            let mut cards = self.cards_mut();
            for card in agreed {
                cards.insert(card.device.clone(), card);
            }
        }
        Ok(())
    }
}
