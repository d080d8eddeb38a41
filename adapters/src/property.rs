//! What is known of one property of a device: its unit, its values, what may be done with it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use domovoi_model::{Hazard, Unit, Value};
use rust_decimal::Decimal;

use crate::fault::printable;

/// Whatever is told to these can be dangerous.
pub const ENDANGER_ALWAYS: &[&str] = &["lock", "garage", "garage_door", "gate", "alarm", "alarm_control_panel"];

/// What is told to these can be, unless it closes them. What belongs to a valve is of that kind, whatever the medium is that
/// its class names.
pub const ENDANGER_OPEN: &[&str] = &["valve", "water_valve", "gas_valve"];

/// One property of a device. What may be the same for many is held once: a copy costs little, and who changes one has
/// his own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyInfo {
    /// Its name, as observations and commands have it.
    pub name: String,
    /// Which of the device's [`Reach`]es it hangs on; 0 is the device's own.
    pub reach: u8,
    about: Arc<About>,
}

/// What is known of a property besides its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct About {
    /// The unit of its numbers.
    pub unit: Unit,
    /// Whether it takes commands.
    pub writable: bool,
    /// Whether the device reports it: what only takes commands (a button, a siren without a state) cannot confirm one.
    pub reported: bool,
    /// What values it has.
    pub shape: Shape,
    /// The least difference between two numbers that the device knows.
    pub step: Option<Decimal>,
    /// Values that have a name of their own: `warmest`, `previous`. A command may use the name.
    pub presets: Vec<Preset>,
    /// What people call it, where the device says more than the name.
    pub label: Option<Arc<str>>,
    /// What it measures or does, in the words of Home Assistant's device classes and components: `temperature`,
    /// `moisture`, `valve`, `light`.
    pub class: Option<Arc<str>>,
    /// What kind of thing it belongs to, in the words of Home Assistant's components: the position of a `valve`, the tilt
    /// of a `cover`. Apart from the class, which may be the medium (`water`) or the feature (`cover.position`).
    pub kind: Option<Arc<str>>,
    /// The class of that thing as a whole: `garage` of a cover, whatever of it this property is.
    pub kind_class: Option<Arc<str>>,
    /// For whom it is.
    pub category: Category,
    /// The danger that it reports when it is true; a choice, when it says so (`alarm`, `water_leakage`).
    pub hazard: Option<Hazard>,
    /// What it warns of when it is true: the device wants somebody's attention, and the house is in no danger.
    pub warning: Option<Warning>,
    /// Why its value is not the word of the thing itself: it may be shown, and no reading is submitted from it unseen.
    pub hearsay: Option<Hearsay>,
    /// The property of the same device that says of which day this one's value is: a meter tells besides what it showed on
    /// the last day of the month.
    pub dated_by: Option<Arc<str>>,
    /// Its value says nothing any more so many seconds after it came.
    pub expires_after_s: Option<u32>,
    /// It is false again so many seconds after it became true: its device reports only beginnings.
    pub off_after_s: Option<u32>,
    /// How long it takes to do what it is told, where that is longer than with most of its dialect: a motor takes its time.
    pub settles_within_s: Option<u16>,
    /// Why it does not work, if something in what the device said of it is wrong: a template that cannot be read.
    pub broken: Option<Arc<str>>,
}

impl Deref for PropertyInfo {
    type Target = About;

    fn deref(&self) -> &About {
        &self.about
    }
}

impl DerefMut for PropertyInfo {
    fn deref_mut(&mut self) -> &mut About {
        Arc::make_mut(&mut self.about)
    }
}

impl PropertyInfo {
    /// One that is only reported, and of which no more is known.
    pub fn new(name: impl Into<String>, shape: Shape) -> Self {
        let about = About {
            unit: Unit::None,
            writable: false,
            reported: true,
            shape,
            step: None,
            presets: Vec::new(),
            label: None,
            class: None,
            kind: None,
            kind_class: None,
            category: Category::Main,
            hazard: None,
            warning: None,
            hearsay: None,
            dated_by: None,
            expires_after_s: None,
            off_after_s: None,
            settles_within_s: None,
            broken: None,
        };
        PropertyInfo { name: name.into(), reach: 0, about: Arc::new(about) }
    }

    /// The same, but for what is changed.
    pub fn with(mut self, change: impl FnOnce(&mut About)) -> Self {
        change(&mut self);
        self
    }

    /// Holds what is known of it together with all others of which the same is known: a house has hundreds of temperatures,
    /// and a bridge a hundred lamps of one model.
    pub(crate) fn share(&mut self) {
        self.about = alike(&self.about);
    }

    /// The same under another name.
    pub(crate) fn named(&self, name: impl Into<String>) -> Self {
        PropertyInfo { name: name.into(), ..self.clone() }
    }
}

/// What is known of properties, by its hash, as long as somebody has it.
static KEPT: LazyLock<Mutex<HashMap<u64, Weak<About>>>> = LazyLock::new(Mutex::default);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn alike(about: &Arc<About>) -> Arc<About> {
    let hash = HASHER.hash_one(about);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(&hash).and_then(Weak::upgrade).filter(|known| known == about) {
        return known;
    }
    // Those whom nobody has any more are swept out when the table would grow.
    if kept.len() == kept.capacity() {
        kept.retain(|_, known| known.strong_count() > 0);
    }
    kept.insert(hash, Arc::downgrade(about));
    Arc::clone(about)
}

/// The longest unit that is a unit; what is longer is a sentence.
const MAX_UNIT: usize = 24;

impl PropertyInfo {
    /// Its unit as its device spells it. One that the house does not know stands with its name: a number of miles is not passed
    /// off as a bare one.
    pub(crate) fn measured_in(&mut self, unit: Option<Unit>, spelling: &str) {
        self.unit = unit.unwrap_or(Unit::None);
        let spelling = spelling.trim();
        if unit.is_none()
            && !spelling.is_empty()
            && spelling.len() <= MAX_UNIT
            && let Some(label) = &self.label
        {
            self.label = Some(printable(&format!("{label}, {spelling}")).into());
        }
    }

    /// Whether it is, or belongs to, something of one of these classes or kinds.
    pub fn is_of(&self, words: &[&str]) -> bool {
        let own = [&self.class, &self.kind, &self.kind_class];
        own.into_iter().flatten().any(|own| words.iter().any(|word| word.eq_ignore_ascii_case(own)))
    }

    /// Whether a command to it can open the home, flood it or silence its alarm.
    pub fn can_endanger(&self) -> bool {
        self.is_of(ENDANGER_ALWAYS) || self.is_of(ENDANGER_OPEN)
    }

    /// Whether this value, which the device told, says that the danger it reports is there.
    pub fn warns(&self, value: &Value) -> bool {
        self.hazard.is_some()
            && match value {
                Value::Bool(warns) => *warns,
                Value::Text(word) => is_alarm(word),
                Value::Number(_) => false,
            }
    }

    /// Whether this value, which the device told, says that what it warns of is so.
    pub fn cautions(&self, value: &Value) -> bool {
        self.warning.is_some()
            && match value {
                Value::Bool(cautions) => *cautions,
                Value::Text(word) => is_alarm(word),
                Value::Number(_) => false,
            }
    }

    /// Whether it is what things of this kind are there for: of a valve whether it is open, not where it stands.
    pub fn is_main_of(&self, kind: &str) -> bool {
        let class = self.class.as_deref();
        class == Some(kind) || (self.kind.as_deref() == Some(kind) && class.is_some_and(|class| !class.contains('.')))
    }
}

/// Whether a word of a choice tells of its danger: `alarm`, `water_leakage_yes`, and Sonoff's `water_shortage & water_leakage`.
pub(crate) fn is_alarm(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let tells = |part: &str| part == "alarm" || (part.starts_with("water_leak") && !part.ends_with("_no"));
    word.split([',', '&']).any(|part| tells(part.trim()))
}

/// What a device warns of beside the dangers of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    /// Its battery is nearly empty.
    Battery,
    /// Somebody opened it, moved it or brought a magnet near.
    Tamper,
    /// It does not work, or does not measure, as it should.
    Fault,
    /// It carries more than it may, or is too hot.
    Overload,
    /// Water that never rests: a leak behind the meter.
    Leak,
    /// Water or heat flows the wrong way.
    Backflow,
    /// More flows than should: a pipe has burst.
    Burst,
    /// It freezes.
    Frost,
}

impl Warning {
    /// All of them.
    pub const ALL: [Warning; 8] = [
        Warning::Battery,
        Warning::Tamper,
        Warning::Fault,
        Warning::Overload,
        Warning::Leak,
        Warning::Backflow,
        Warning::Burst,
        Warning::Frost,
    ];

    /// The one of this word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|warning| warning.code() == code)
    }

    /// A short, stable word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Warning::Battery => "battery",
            Warning::Tamper => "tamper",
            Warning::Fault => "fault",
            Warning::Overload => "overload",
            Warning::Leak => "leak",
            Warning::Backflow => "backflow",
            Warning::Burst => "burst",
            Warning::Frost => "frost",
        }
    }
}

/// Why a value is not the word of the thing that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hearsay {
    /// Another program worked it out: it read a picture of the meter, or filled in a digit.
    Estimated,
    /// It came by radio from whoever sends: nobody vouches that it is this device.
    Overheard,
    /// A maker's cloud passed it on, later than it was, and cannot when the internet is away.
    Relayed,
}

impl Hearsay {
    /// The one of this word.
    pub fn from_code(code: &str) -> Option<Self> {
        [Hearsay::Estimated, Hearsay::Overheard, Hearsay::Relayed].into_iter().find(|hearsay| hearsay.code() == code)
    }

    /// A short, stable word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Hearsay::Estimated => "estimated",
            Hearsay::Overheard => "overheard",
            Hearsay::Relayed => "relayed",
        }
    }
}

/// A value with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Preset {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// For whom a property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Category {
    /// For everybody: what the device is there for.
    #[default]
    Main,
    /// A setting of the device.
    Setting,
    /// How the device itself fares: signal, battery, uptime.
    Diagnostic,
}

/// What values a property has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Nobody has said.
    Unknown,
    /// A number, within bounds where the device names them.
    Number {
        /// The least.
        min: Option<Decimal>,
        /// The greatest.
        max: Option<Decimal>,
    },
    /// Yes or no, and what the device writes for them.
    Switch {
        /// For yes, on, open, locked.
        on: Value,
        /// For no, off, closed, unlocked.
        off: Value,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// Any text.
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_danger_warns_only_where_a_danger_is_reported() {
        let words = Shape::Choice(vec!["normal".to_owned(), "alarm".to_owned()]);
        let mut info = PropertyInfo::new("smoke_state", words);
        assert!(!info.warns(&Value::Text("alarm".to_owned())));
        info.hazard = Some(Hazard::Smoke);
        let warns = |value: Value| info.warns(&value);
        let says = |word: &str| warns(Value::Text(word.to_owned()));
        assert!(says("alarm") && says("Alarm") && says("water_leakage_yes") && says("water_shortage & water_leakage"));
        assert!(!says("normal") && !says("water_leakage_no") && !says("water_shortage") && !says("silent_alarm"));
        assert!(warns(Value::Bool(true)) && !warns(Value::Bool(false)) && !warns(Value::Number(Decimal::ONE)));
    }

    #[test]
    fn what_is_known_of_many_is_held_once_until_one_of_them_differs() {
        let of = |name: &str| {
            let mut info = PropertyInfo::new(name, Shape::Text).with(|one| one.label = Some("Held once".into()));
            info.share();
            info
        };
        let (one, mut other) = (of("one"), of("other"));
        assert!(Arc::ptr_eq(&one.about, &other.about));
        other.writable = true;
        assert!(other.writable && !one.writable && !Arc::ptr_eq(&one.about, &other.about));
        other.share();
        assert!(other.writable && !one.writable);
    }

    #[test]
    fn a_unit_that_nobody_knows_stands_with_the_name() {
        let of = |label: Option<&str>, spelling: &str| {
            let mut info = PropertyInfo::new("wind", Shape::Unknown);
            info.label = label.map(Into::into);
            info.measured_in(Unit::parse(spelling), spelling);
            (info.unit, info.label.as_ref().map(ToString::to_string))
        };
        assert_eq!(of(Some("Wind"), "mph"), (Unit::None, Some("Wind, mph".to_owned())));
        assert_eq!(of(Some("Wind"), "m/s"), (Unit::MetrePerSecond, Some("Wind".to_owned())));
        assert_eq!(of(Some("Flow"), "L/h"), (Unit::LitrePerHour, Some("Flow".to_owned())));
        assert_eq!(of(Some("Wind"), ""), (Unit::None, Some("Wind".to_owned())));
        assert_eq!(of(Some("Wind"), &"x".repeat(25)), (Unit::None, Some("Wind".to_owned())));
        assert_eq!(of(None, "mph"), (Unit::None, None));
    }
}
