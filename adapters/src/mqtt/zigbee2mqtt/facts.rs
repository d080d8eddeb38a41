//! What only this dialect knows of its devices and bridges beside what an announcement says: how a property is asked
//! for, what a composite is made of, who belongs to a group. Kept in the announcement as its lore.

use std::any::Any;

use domovoi_model::{DeviceRef, Value};

use super::{Announcement, Directory, PropertyInfo};
use crate::Lore;

/// Of a device or a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// What can be asked for with `/get`.
    pub(super) gets: Vec<Get>,
    /// Words that turn a switch over, by property.
    pub(super) toggles: Vec<(String, Value)>,
    /// What is commanded as one object.
    pub(super) composites: Vec<Composite>,
    /// What is commanded and reported as one array.
    pub(super) lists: Vec<String>,
    /// Choices whose words are numbers on the wire.
    pub(super) numbered: Vec<String>,
    /// What of it a group that it belongs to can be commanded, without the suffix of an endpoint.
    pub(super) features: Vec<PropertyInfo>,
    /// Of a group: the addresses of those that belong to it.
    pub(super) members: Vec<String>,
    /// The owner switched it off in the bridge.
    pub(super) is_disabled: bool,
}

/// One thing that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Get {
    /// The property.
    pub(super) property: String,
    /// The value that the question has, as JSON.
    pub(super) question: String,
    /// It is what the device is there for.
    pub(super) is_main: bool,
}

/// A property that is an object on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Composite {
    /// The property.
    pub(super) property: String,
    /// Its members; an object or an array inside has [`super::Shape::Unknown`].
    pub(super) members: Vec<PropertyInfo>,
}

impl Composite {
    fn has(&self, names: [&str; 2]) -> bool {
        names.iter().all(|name| self.members.iter().any(|member| member.name == *name))
    }

    /// A colour that takes CIE x and y.
    pub(super) fn is_xy(&self) -> bool {
        self.has(["x", "y"])
    }

    /// A colour that takes hue and saturation.
    pub(super) fn is_hs(&self) -> bool {
        self.has(["hue", "saturation"])
    }

    /// A colour of either kind.
    pub(super) fn is_colour(&self) -> bool {
        self.is_xy() || self.is_hs()
    }
}

impl Facts {
    /// The composite of this name.
    pub(super) fn composite(&self, property: &str) -> Option<&Composite> {
        self.composites.iter().find(|composite| composite.property == property)
    }

    /// Whether this word turns this property over.
    pub(super) fn is_toggle(&self, property: &str, value: &Value) -> bool {
        self.toggles.iter().any(|(name, word)| name == property && word == value)
    }

    /// Whether the property is an array on the wire.
    pub(super) fn is_list(&self, property: &str) -> bool {
        self.lists.iter().any(|name| name == property)
    }
}

/// Of a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BridgeFacts {
    /// What it last said of itself.
    pub(super) online: Option<bool>,
    /// How it writes states.
    pub(super) output: Output,
}

/// `advanced.output`: the one word of the bridge's configuration that is looked at, since states are read by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Output {
    /// It has not said: what stands below a known name is taken for an attribute only where a danger is at stake.
    #[default]
    Unknown,
    /// One object for each device, alone or beside one topic for each attribute: the topics say nothing more then, and
    /// a button's press would be heard twice.
    Json,
    /// One topic for each attribute and nothing else.
    Attribute,
}

/// What is known of a device.
pub(super) fn of(known: Option<&Announcement>) -> Option<&Facts> {
    known?.lore.as_ref()?.get()
}

/// What is known of a bridge.
pub(super) fn of_bridge(device: &DeviceRef, directory: &Directory) -> BridgeFacts {
    let lore = directory.known(device).and_then(|known| known.lore.as_ref());
    lore.and_then(|lore| lore.get::<BridgeFacts>()).cloned().unwrap_or_default()
}

/// The lore of these facts: the one that is known where nothing has changed, so that a list that says the same again
/// changes nothing.
pub(super) fn lore<T: Any + Send + Sync + PartialEq>(known: Option<&Announcement>, facts: T) -> Lore {
    match known.and_then(|known| known.lore.as_ref()) {
        Some(lore) if lore.get::<T>() == Some(&facts) => lore.clone(),
        _ => Lore::new(facts),
    }
}
