//! `device`: who it is, by any identifier or connection that it shares with one known, and what it says of itself.

use domovoi_model::DeviceRef;

use super::NAME;
use super::abbreviations::Place;
use super::options::{Bad, Options};
use crate::fault::printable;
use crate::json::{self, Json};
use crate::{Announcement, Directory, What};

/// Identifiers and connections of one device.
const MAX_IDS: usize = 32;

/// The `device` of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Identifiers, then connections as `mac:aa:bb:…`; at least one.
    pub(super) ids: Vec<String>,
    pub(super) card: Card,
}

/// What a device says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Card {
    ids: Vec<String>,
    name: Option<String>,
    manufacturer: Option<String>,
    model: Option<String>,
    model_id: Option<String>,
    serial: Option<String>,
    area: Option<String>,
    /// An id of the device through which it speaks, and the device that has it.
    via: Option<(String, DeviceRef)>,
}

impl Block {
    /// Reads the block; a device without any id is none.
    pub(super) fn read(raw: &str, directory: &Directory) -> Result<Self, Bad> {
        let bad = |what| Bad::new(what, "device", "is no object");
        let options = Options::read(raw, Place::Device).map_err(bad)?;
        let mut ids: Vec<String> = options.list("identifiers")?.into_iter().filter(|id| json::is_name(id)).collect();
        if let Some(raw) = options.raw("connections") {
            for pair in
                json::elements(raw, MAX_IDS).map_err(|what| Bad::new(what, "device.connections", "is no list"))?
            {
                let pair = match Json::of(pair) {
                    Json::Array(raw) => json::elements(raw, 2).unwrap_or_default(),
                    _ => Vec::new(),
                };
                let text = |at: usize| pair.get(at).and_then(|raw| super::options::scalar(raw));
                let (Some(kind), Some(id)) = (text(0), text(1)) else {
                    return Err(Bad::new(
                        What::WrongType,
                        "device.connections",
                        "has something that is no pair of texts",
                    ));
                };
                let id = if kind == "mac" { mac(&id) } else { id };
                ids.push(format!("{kind}:{id}"));
            }
        }
        ids.retain(|id| json::is_name(id));
        ids.truncate(MAX_IDS);
        if ids.is_empty() {
            return Err(Bad::new(What::WrongType, "device", "has neither an identifier nor a connection"));
        }
        let via = options.text("via_device").filter(|via| json::is_name(via));
        let via = via.map(|via| {
            let device = directory.identified(NAME, &via).cloned();
            (via.clone(), device.unwrap_or_else(|| DeviceRef::new(NAME, via)))
        });
        let word = |key| options.text(key).filter(|text| !text.trim().is_empty()).map(|text| printable(&text));
        let card = Card {
            ids: Vec::new(),
            name: word("name"),
            manufacturer: word("manufacturer"),
            model: word("model"),
            model_id: word("model_id"),
            serial: word("serial_number"),
            area: word("suggested_area"),
            via,
        };
        Ok(Block { ids, card })
    }

    /// The device that it is, and those that are known and, as it now turns out, the same. Of several ids, and of several
    /// devices, the first in a fixed order counts, never the one that came first. A device that is known keeps its own.
    pub(super) fn device(&self, directory: &Directory) -> (DeviceRef, Vec<DeviceRef>) {
        let mut known: Vec<DeviceRef> =
            self.ids.iter().filter_map(|id| directory.identified(NAME, id).cloned()).collect();
        known.sort_by(|one, other| order(&one.id).cmp(&order(&other.id)));
        known.dedup();
        if known.is_empty() {
            let first = self.ids.iter().min_by_key(|id| order(id)).cloned().unwrap_or_default();
            return (DeviceRef::new(NAME, first), known);
        }
        let device = known.remove(0);
        (device, known)
    }
}

/// A MAC address stays what it is over every firmware; of the rest the alphabet decides.
fn order(id: &str) -> (bool, &str) {
    (!id.starts_with("mac:"), id)
}

impl Card {
    /// Takes in what a newer block says. Many producers describe the device in one config of many, so that what is not
    /// said is not unsaid.
    pub(super) fn learn(&mut self, block: &Block) {
        for id in &block.ids {
            if !self.ids.contains(id) && self.ids.len() < MAX_IDS {
                self.ids.push(id.clone());
            }
        }
        let new = block.card.clone();
        let newer = |old: &mut Option<String>, new: Option<String>| {
            if new.is_some() {
                *old = new;
            }
        };
        newer(&mut self.name, new.name);
        newer(&mut self.manufacturer, new.manufacturer);
        newer(&mut self.model, new.model);
        newer(&mut self.model_id, new.model_id);
        newer(&mut self.serial, new.serial);
        newer(&mut self.area, new.area);
        if new.via.is_some() {
            self.via = new.via;
        }
    }

    /// Takes over what a device said that has become one with this.
    pub(super) fn join(&mut self, other: &Card) {
        let mut all = other.clone();
        all.learn(&Block { ids: self.ids.clone(), card: self.clone() });
        *self = all;
    }

    /// Its ids.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The id of the device through which it speaks.
    pub(super) fn via(&self) -> Option<(&str, &DeviceRef)> {
        self.via.as_ref().map(|(id, device)| (id.as_str(), device))
    }

    /// The device through which it speaks is this one.
    pub(super) fn is_via(&mut self, device: &DeviceRef) {
        if let Some((_, via)) = &mut self.via {
            via.clone_from(device);
        }
    }

    /// An entity without a device is one by itself.
    pub(super) fn alone(&mut self, id: &str, name: Option<String>) {
        if !self.ids.iter().any(|known| known == id) {
            self.ids.push(id.to_owned());
        }
        if let Some(name) = name {
            self.name = Some(printable(&name));
        }
    }

    /// Puts it into an announcement.
    pub(super) fn describe(&self, out: &mut Announcement) {
        out.name.clone_from(&self.name);
        let model = match (&self.model, &self.model_id) {
            (Some(model), Some(id)) if model != id => Some(format!("{model} ({id})")),
            (model, id) => model.clone().or_else(|| id.clone()),
        };
        out.model = match (&self.manufacturer, model) {
            (Some(maker), Some(model)) if !model.starts_with(maker.as_str()) => Some(format!("{maker} {model}")),
            (maker, model) => model.or_else(|| maker.clone()),
        };
        out.serial.clone_from(&self.serial);
        out.area.clone_from(&self.area);
        out.via = self.via.as_ref().map(|(_, via)| via.clone()).filter(|via| *via != out.device);
        out.identities.clone_from(&self.ids);
    }
}

/// A MAC address in the one spelling that all others are brought to: `aa:bb:cc:dd:ee:ff`.
fn mac(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    let separators = text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.'));
    if digits.len() != 12 || !separators {
        return text.to_owned();
    }
    let pairs: Vec<&str> = (0..6).filter_map(|at| digits.get(2 * at..2 * at + 2)).collect();
    pairs.join(":")
}
