//! The catalogue: types of devices that a household may have, by brand and model, with what is to be done to connect one.
//! What is in `config/catalogue` is built in; a folder that the settings name adds types and replaces those of the same id.
//!
//! It is for people who choose. What a device is, it says itself, in its dialect: a device that is in no catalogue is
//! connected all the same.

mod read;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use crate::Language;
use crate::mistake::Mistake;

pub use topics::{Named, Serial, TopicError};

/// The files that are built in. A test compares them with the folder.
const BUILT_IN: [(&str, &str); 7] = [
    ("boards.toml", include_str!("../../catalogue/boards.toml")),
    ("bridges.toml", include_str!("../../catalogue/bridges.toml")),
    ("makers.toml", include_str!("../../catalogue/makers.toml")),
    ("meters.toml", include_str!("../../catalogue/meters.toml")),
    ("shelly.toml", include_str!("../../catalogue/shelly.toml")),
    ("tasmota.toml", include_str!("../../catalogue/tasmota.toml")),
    ("zigbee.toml", include_str!("../../catalogue/zigbee.toml")),
];

/// A file of this size was not written by a person.
const MAX_FILE: u64 = 1 << 20;

/// More files and types than any household wants to read through.
const MAX_FILES: usize = 64;
const MAX_TYPES: usize = 2000;

/// What can be offered once a device is there: a rule for danger that fits it.
pub const PRESETS: [&str; 6] =
    ["leak-closes", "gas-closes", "smoke-cuts", "frost-tells", "closed-by-leaks", "cut-by-smoke"];

/// What a device is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    Leak,
    Smoke,
    Gas,
    Valve,
    Siren,
    Plug,
    Lamp,
    Climate,
    Heating,
    Contact,
    Motion,
    Button,
    Cover,
    Lock,
    Meter,
    Board,
    Bridge,
}

impl DeviceKind {
    /// All of them, in the order in which they are shown: what keeps a home safe comes first.
    pub const ALL: [(&'static str, DeviceKind); 17] = [
        ("leak", DeviceKind::Leak),
        ("smoke", DeviceKind::Smoke),
        ("gas", DeviceKind::Gas),
        ("valve", DeviceKind::Valve),
        ("siren", DeviceKind::Siren),
        ("meter", DeviceKind::Meter),
        ("plug", DeviceKind::Plug),
        ("lamp", DeviceKind::Lamp),
        ("climate", DeviceKind::Climate),
        ("heating", DeviceKind::Heating),
        ("contact", DeviceKind::Contact),
        ("motion", DeviceKind::Motion),
        ("button", DeviceKind::Button),
        ("cover", DeviceKind::Cover),
        ("lock", DeviceKind::Lock),
        ("board", DeviceKind::Board),
        ("bridge", DeviceKind::Bridge),
    ];

    /// Its code in the files, on the wire and in the locale files.
    pub fn code(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("", |(code, _)| code)
    }
}

/// How a device of a type comes to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectBy {
    /// It joins the network of a bridge, which has to permit that.
    Bridge,
    /// It is given an access to the broker: the hub issues one, a person (or the hub) enters it.
    Access,
    /// It shows a code, or has a serial number and a token from its maker.
    Code,
    /// It is heard by itself, and waits in the inbox.
    Heard,
}

impl ConnectBy {
    const ALL: [(&'static str, ConnectBy); 4] = [
        ("bridge", ConnectBy::Bridge),
        ("access", ConnectBy::Access),
        ("code", ConnectBy::Code),
        ("heard", ConnectBy::Heard),
    ];

    /// Its code in the files, on the wire and in the locale files.
    pub fn code(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, way)| *way == self).map_or("", |(code, _)| code)
    }
}

/// In whose own page the access is entered by the hub itself, if the maker's name and password for that page are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Tasmota's `cm` (Tasmota's documentation, "Commands", "with web requests").
    Tasmota,
}

/// A text in the languages of the house.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Russian.
    pub ru: String,
    /// English.
    pub en: String,
}

impl Text {
    /// The text in a language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::Russian => &self.ru,
            Language::English => &self.en,
        }
    }
}

/// A type of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceType {
    /// Lower-case words with hyphens.
    pub id: String,
    pub brand: String,
    /// As it stands on the box; empty for a type of several makers.
    pub model: String,
    pub name: Text,
    pub kind: DeviceKind,
    /// How it speaks: a dialect of the adapters.
    pub dialect: String,
    pub by: ConnectBy,
    /// What it says and does, in the codes of the locale files.
    pub measures: Vec<String>,
    /// What is to be done with the device.
    pub hint: Text,
    /// How it calls its model itself; nothing where any will do.
    pub recognised: Vec<String>,
    pub presets: Vec<String>,
    /// For an access: what is asked of the person, who then may publish and hear what.
    pub serial: Serial,
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// It speaks for many devices.
    pub is_bridge: bool,
    pub maker: Option<Maker>,
}

/// All types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    types: BTreeMap<String, DeviceType>,
}

impl Catalogue {
    /// What is built in.
    pub fn built_in() -> Self {
        static ALL: LazyLock<Catalogue> = LazyLock::new(|| {
            let mut catalogue = Catalogue::default();
            // A test reads each of them without a mistake.
            BUILT_IN.iter().for_each(|(file, text)| drop(catalogue.add(file, text)));
            catalogue
        });
        ALL.clone()
    }

    /// What is built in, and what a folder adds or replaces. What cannot be read is told and left out: a home does not
    /// stay dark for a mistake in its catalogue.
    pub fn with_folder(folder: &Path) -> (Self, Vec<Mistake>) {
        let mut catalogue = Self::built_in();
        let mut mistakes = Vec::new();
        let shown = folder.display().to_string();
        let paths = match std::fs::read_dir(folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()),
            Err(error) => {
                let hint = Some("`devices.catalogue` names a folder with files that end in .toml");
                return (catalogue, vec![Mistake::of_file(&shown, format!("cannot be read: {error}"), hint)]);
            }
        };
        let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
        paths.sort();
        if paths.len() > MAX_FILES {
            let rest = format!("has {} files; only the first {MAX_FILES} are read", paths.len());
            mistakes.push(Mistake::of_file(&shown, rest, None));
            paths.truncate(MAX_FILES);
        }
        for path in paths {
            let file = path.display().to_string();
            match read_text(&path) {
                Ok(text) => mistakes.extend(catalogue.add(&file, &text)),
                Err(why) => mistakes.push(Mistake::of_file(&file, why, None)),
            }
        }
        (catalogue, mistakes)
    }

    /// Adds the types of a file, in the place of those of the same id; gives what is wrong with the rest.
    pub fn add(&mut self, file: &str, text: &str) -> Vec<Mistake> {
        let (types, mut mistakes) = read::types(file, text);
        for one in types {
            if self.types.len() >= MAX_TYPES && !self.types.contains_key(&one.id) {
                mistakes.push(Mistake::of_file(file, format!("there are {MAX_TYPES} types already"), None));
                break;
            }
            self.types.insert(one.id.clone(), one);
        }
        mistakes
    }

    /// The type of an id.
    pub fn find(&self, id: &str) -> Option<&DeviceType> {
        self.types.get(id)
    }

    /// All types, what keeps a home safe first, then by brand.
    pub fn all(&self) -> Vec<&DeviceType> {
        let mut all: Vec<&DeviceType> = self.types.values().collect();
        let place = |kind: DeviceKind| DeviceKind::ALL.iter().position(|(_, other)| *other == kind);
        // Those of no brand are what is left when no other fits.
        all.sort_by_key(|one| (place(one.kind), one.brand.is_empty(), one.brand.to_lowercase(), one.model.clone()));
        all
    }

    /// Those in which every word of a text occurs, in either language.
    pub fn search(&self, text: &str) -> Vec<&DeviceType> {
        let words: Vec<String> = text.split_whitespace().take(16).map(str::to_lowercase).collect();
        let mut found = self.all();
        found.retain(|one| {
            let Text { ru, en } = &one.name;
            let said = format!("{} {} {ru} {en} {}", one.brand, one.model, one.recognised.join(" ")).to_lowercase();
            words.iter().all(|word| said.contains(word))
        });
        found
    }

    /// The type that calls itself so.
    pub fn recognise(&self, dialect: &str, model: &str) -> Option<&DeviceType> {
        let of = |one: &&DeviceType| one.dialect == dialect && one.calls_itself(model);
        self.types.values().find(|one| !one.recognised.is_empty() && of(one))
    }
}

impl DeviceType {
    /// Whether a device that calls its model so may be of this type. A type that names no model does not mind.
    pub fn calls_itself(&self, model: &str) -> bool {
        let said = model.to_lowercase();
        self.recognised.is_empty() || self.recognised.iter().any(|own| said.contains(&own.to_lowercase()))
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| format!("cannot be read as text: {error}"))?;
    if text.len() as u64 > MAX_FILE { Err("is larger than 1 MiB".to_owned()) } else { Ok(text) }
}
