//! The rules of the reflex: in which danger, told by which sensors, what is set. Plain values and their checks; what follows
//! from them is `reflex`. A rule can close, cut and sound; there is none that opens a valve when a danger is over.

use domovoi_model::{DeviceRef, Hazard, Value};
use rust_decimal::Decimal;

use super::home::{Home, Organ};

/// The most rules a home has.
pub const MAX_RULES: usize = 64;

/// The most sensors or answers that a rule names.
pub const MAX_NAMED: usize = 64;

/// The longest name of a rule, in characters.
pub const MAX_NAME: usize = 64;

/// Battery sensors of Zigbee report at least once a day, some only just.
const SILENT_AFTER_S: u32 = 25 * 3600;

/// Below five minutes every Wi-Fi hiccup is a silence.
const LEAST_SILENCE_S: u32 = 300;

/// A danger; the graver ones come first, and their rules prevail where two want different things of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Danger {
    /// Combustible gas.
    Gas,
    /// Carbon monoxide.
    CarbonMonoxide,
    /// Smoke.
    Smoke,
    /// Water where none should be.
    WaterLeak,
    /// A temperature below the bound of a rule.
    Freezing,
    /// A sensor that warns of the others is not heard any more.
    Silence,
}

impl Danger {
    /// All of them, the gravest first.
    pub const ALL: [Danger; 6] =
        [Danger::Gas, Danger::CarbonMonoxide, Danger::Smoke, Danger::WaterLeak, Danger::Freezing, Danger::Silence];

    /// Of what a device reports.
    pub fn of(hazard: Hazard) -> Self {
        match hazard {
            Hazard::WaterLeak => Danger::WaterLeak,
            Hazard::Gas => Danger::Gas,
            Hazard::Smoke => Danger::Smoke,
            Hazard::CarbonMonoxide => Danger::CarbonMonoxide,
        }
    }

    /// Its code on the wire, in the store and in the locale files (`danger-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            Danger::Gas => "gas",
            Danger::CarbonMonoxide => "carbon-monoxide",
            Danger::Smoke => "smoke",
            Danger::WaterLeak => "water-leak",
            Danger::Freezing => "freezing",
            Danger::Silence => "silence",
        }
    }

    /// The danger of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|danger| danger.code() == code)
    }

    /// Whether a sensor tells of it by itself, whatever rules there are: it is always an alert.
    pub fn is_reported(self) -> bool {
        !matches!(self, Danger::Freezing | Danger::Silence)
    }
}

/// A property of a device. For silence, and where a rule means all of a device, the property is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which device.
    pub device: DeviceRef,
    /// Which of its properties.
    pub property: String,
}

impl Place {
    /// From its two parts.
    pub fn new(device: DeviceRef, property: impl Into<String>) -> Self {
        Place { device, property: property.into() }
    }
}

/// Whose word a rule hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sensors {
    /// Every accepted one.
    Any,
    /// Every accepted one of a room.
    Room(String),
    /// These; an empty property means all of the device.
    These(Vec<Place>),
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Closes every accepted valve, of a room or of the home.
    Valves(Option<String>),
    /// Sounds every accepted siren, of a room or of the home. When nothing needs it any more, it is told to be silent.
    Sirens(Option<String>),
    /// Sets one property of one device: cuts a plug, closes this valve. It stays so.
    Set(Place, Value),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Opaque; the built-in ones are called after their danger.
    pub id: String,
    /// What people call it. Built-in ones have none: their words are in the locale files.
    pub name: String,
    /// It counts.
    pub is_on: bool,
    /// In which danger.
    pub danger: Danger,
    /// Told by whom.
    pub sensors: Sensors,
    /// For freezing: at and below so many °C.
    pub below: Option<Decimal>,
    /// For silence: after so long.
    pub silent_after_s: Option<u32>,
    /// What it does, besides raising the alert.
    pub answers: Vec<Answer>,
}

/// Why a rule cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Its name.
    #[error("a rule's name has 1 to {MAX_NAME} characters, none of them a control character")]
    Name,
    /// Too much is named.
    #[error("a rule names at most {MAX_NAMED} sensors and {MAX_NAMED} answers")]
    TooMany,
    /// It hears nobody.
    #[error("a rule without sensors hears nothing: name some, a room, or leave them out for all")]
    NoSensors,
    /// A bound of cold without sense.
    #[error("freezing: give the temperature in °C at which it begins, from -40 to 30")]
    Below,
    /// It would freeze every winter.
    #[error("freezing: name the thermometers or a room, since one outdoors freezes every winter")]
    Anywhere,
    /// A silence without sense.
    #[error("silence: from {LEAST_SILENCE_S} seconds to 31 days")]
    Silence,
    /// It would have to open a valve.
    #[error("a rule closes valves and never opens one: {0} would be opened")]
    Opens(String),
    /// It is said again until it is confirmed, and would be undone by that.
    #[error("a rule says things again until they are confirmed: {0} would be turned over and over; name the state")]
    Toggles(String),
    /// A property that does not take this.
    #[error("{0}")]
    Answer(String),
}

impl Rule {
    /// Whether a rule can be, in a home. What a device takes is asked of its dialect where the rule is added.
    pub fn check(&self, home: &Home) -> Result<(), RuleError> {
        let length = self.name.chars().count();
        if length == 0 || length > MAX_NAME || self.name.chars().any(char::is_control) {
            return Err(RuleError::Name);
        }
        let named = match &self.sensors {
            Sensors::These(named) if named.is_empty() => return Err(RuleError::NoSensors),
            Sensors::These(named) => named.len(),
            _ => 0,
        };
        if named > MAX_NAMED || self.answers.len() > MAX_NAMED {
            return Err(RuleError::TooMany);
        }
        match (self.danger, self.below) {
            (Danger::Freezing, Some(below)) if (Decimal::from(-40)..=Decimal::from(30)).contains(&below) => {}
            (Danger::Freezing, _) => return Err(RuleError::Below),
            (_, Some(_)) => return Err(RuleError::Below),
            _ => {}
        }
        if self.danger == Danger::Freezing && self.sensors == Sensors::Any {
            return Err(RuleError::Anywhere);
        }
        let silence = self.silent_after_s;
        if silence
            .is_some_and(|after| self.danger != Danger::Silence || !(LEAST_SILENCE_S..=31 * 86_400).contains(&after))
        {
            return Err(RuleError::Silence);
        }
        for answer in &self.answers {
            let Answer::Set(place, value) = answer else { continue };
            if home.opens(place, value) {
                return Err(RuleError::Opens(home.name(&place.device)));
            }
            let is_pressed = home.property(place).is_some_and(|info| info.is_of(&["button"]));
            if is_pressed || matches!(value, Value::Text(word) if word.eq_ignore_ascii_case("toggle")) {
                return Err(RuleError::Toggles(home.name(&place.device)));
            }
        }
        Ok(())
    }

    /// After how much silence it acts, in milliseconds.
    pub fn silent_after_ms(&self) -> i64 {
        i64::from(self.silent_after_s.unwrap_or(SILENT_AFTER_S)) * 1000
    }

    /// Whether it hears this property of this device. Whoever was not accepted is heard by no rule.
    pub fn hears(&self, place: &Place, home: &Home) -> bool {
        let Some(device) = home.find(&place.device).filter(|device| device.accepted) else { return false };
        match &self.sensors {
            Sensors::Any => true,
            Sensors::Room(room) => device.room.as_ref() == Some(room),
            Sensors::These(named) => named.iter().any(|named| {
                let whole = named.property.is_empty() || place.property.is_empty();
                named.device == place.device && (whole || named.property == place.property)
            }),
        }
    }

    /// The devices that it names.
    pub fn named(&self) -> impl Iterator<Item = &DeviceRef> {
        self.places().map(|place| &place.device)
    }

    /// The properties that it names: the sensors that it listens to, and what it sets.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        let sensors = match &self.sensors {
            Sensors::These(places) => places.as_slice(),
            _ => &[],
        };
        let set = self.answers.iter().filter_map(|answer| match answer {
            Answer::Set(place, _) => Some(place),
            _ => None,
        });
        sensors.iter().chain(set)
    }

    /// What it sets in this home.
    pub fn targets(&self, home: &Home) -> Vec<Target> {
        let mut targets = Vec::new();
        for answer in &self.answers {
            let (organ, room) = match answer {
                Answer::Valves(room) => (Organ::Valve, room),
                Answer::Sirens(room) => (Organ::Siren, room),
                Answer::Set(place, value) => {
                    // A valve that was put in where a plug was named would be opened by what was to switch the plug.
                    // What nobody describes just now may be one, too: it is told nothing but to be off.
                    let is_known = home.property(place).is_some() || *value == Value::Bool(false);
                    if is_known && !home.opens(place, value) && home.accepts(&place.device) {
                        targets.push(Target { place: place.clone(), value: value.clone(), is_siren: false });
                    }
                    continue;
                }
            };
            let target = |(place, value): (&Place, &Value)| Target {
                place: place.clone(),
                value: value.clone(),
                is_siren: organ == Organ::Siren,
            };
            targets.extend(home.organs(organ, room.as_deref()).map(target));
        }
        targets
    }
}

/// What a rule sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub place: Place,
    /// To what.
    pub value: Value,
    /// It is told to be silent when nothing needs it any more; everything else stays as it was set.
    pub is_siren: bool,
}

/// The rules that every home has until somebody switches them off. They need no store.
pub fn built_in() -> Vec<Rule> {
    let rule = |danger: Danger, answers: Vec<Answer>| Rule {
        id: danger.code().to_owned(),
        name: String::new(),
        is_on: true,
        danger,
        sensors: Sensors::Any,
        below: None,
        silent_after_s: None,
        answers,
    };
    let (valves, sirens) = (Answer::Valves(None), Answer::Sirens(None));
    vec![
        // Nobody knows which of the valves is the gas's: water that is off for an hour harms nobody.
        rule(Danger::Gas, vec![valves.clone(), sirens.clone()]),
        rule(Danger::CarbonMonoxide, vec![valves.clone(), sirens.clone()]),
        rule(Danger::Smoke, vec![sirens]),
        rule(Danger::WaterLeak, vec![valves]),
        rule(Danger::Silence, Vec::new()),
    ]
}

/// Whether a rule is one of those.
pub fn is_built_in(id: &str) -> bool {
    Danger::ALL.iter().any(|danger| danger.code() == id)
}
