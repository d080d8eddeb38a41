//! What a device says about itself, in the words that all dialects share. Deliberately believes nothing: whose word it is,
//! and how much of it may count, is the directory's business.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use domovoi_model::DeviceRef;

use crate::property::PropertyInfo;

/// What a device, or a bridge on its behalf, says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which device, by its stable identity.
    pub device: DeviceRef,
    /// What its topics call it: the friendly name, Tasmota's topic. Somebody may change it.
    pub alias: Option<String>,
    /// What people call it, as far as it says.
    pub name: Option<String>,
    /// Maker and model, as far as it says.
    pub model: Option<String>,
    /// The maker's number on the device itself, as far as it says.
    pub serial: Option<String>,
    /// The room in which it says it is.
    pub area: Option<String>,
    /// The bridge through which it speaks.
    pub via: Option<DeviceRef>,
    /// It sleeps to spare its battery: silence is its habit, and a command may wait long.
    pub sleeps: bool,
    /// It speaks at least once in so many seconds: who is silent for longer is missing, and a meter that is missing has to be
    /// told of before its reading is due. None: nobody can say.
    pub silent_after_s: Option<u32>,
    /// Its properties, as far as it says.
    pub properties: Vec<PropertyInfo>,
    /// Other stable identities of the same device: a MAC, a second identifier.
    pub identities: Vec<String>,
    /// The topics under which it reports, without a slash at the end. Each belongs to one device.
    pub speaks: Vec<String>,
    /// Whole topics that it hears together with others: a state or an availability that several devices share. They may
    /// be filters, with `+` and `#`.
    pub shares: Vec<String>,
    /// The topics under which it takes commands, without a slash at the end.
    pub listens: Vec<String>,
    /// When it can be reached, by the number of the group; without any it always can.
    pub reaches: Vec<Reach>,
    /// What its dialect alone understands.
    pub lore: Option<Lore>,
    /// Its topics were set in the device itself, so another one that was given the same does not take them from it: nobody
    /// could say any more which of the two speaks.
    pub holds_topics: bool,
    /// It was removed; everything else here is then of no account.
    pub gone: bool,
}

impl Announcement {
    /// Of a device of which nothing more is known yet.
    pub fn of(device: DeviceRef) -> Self {
        Announcement {
            device,
            alias: None,
            name: None,
            model: None,
            serial: None,
            area: None,
            via: None,
            sleeps: false,
            silent_after_s: None,
            properties: Vec::new(),
            identities: Vec::new(),
            speaks: Vec::new(),
            shares: Vec::new(),
            listens: Vec::new(),
            reaches: Vec::new(),
            lore: None,
            holds_topics: false,
            gone: false,
        }
    }

    /// Its property of this name.
    pub fn property(&self, name: &str) -> Option<&PropertyInfo> {
        self.properties.iter().find(|property| property.name == name)
    }
}

/// What several sources of [`crate::Reached`] mean together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// The last word of any of them counts.
    #[default]
    Latest,
    /// All of so many must say yes; of none at all, which is always.
    All(u8),
    /// One that says yes is enough.
    Any,
}

/// Facts about a device that only its own dialect can read: compiled templates, for example. Two are the same if they
/// are the same piece of memory.
#[derive(Clone)]
pub struct Lore(Arc<dyn Any + Send + Sync>);

impl Lore {
    /// Of whatever the dialect keeps.
    pub fn new<T: Any + Send + Sync>(facts: T) -> Self {
        Lore(Arc::new(facts))
    }

    /// As the type it was made of.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl PartialEq for Lore {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lore {}

impl fmt::Debug for Lore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lore(…)")
    }
}
