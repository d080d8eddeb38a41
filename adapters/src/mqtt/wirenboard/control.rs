//! The controls of one device: what is known of each, values that wait for their type, and errors that stand.

use domovoi_model::{Hazard, Unit, Value};
use rust_decimal::Decimal;

use super::error;
use super::types::{self, Kind};
use crate::colour::Colour;
use crate::dangers;
use crate::fault::{What, printable};
use crate::json::MAX_TEXT;
use crate::report::{self, Report};
use crate::{Announcement, Category, Lore, Preset, PropertyInfo, Shape, Warning};

/// More controls than any module has.
const MAX_CONTROLS: usize = 256;
/// A value that waits for its type; what is longer is a text, and comes again.
const MAX_WAITING: usize = 64;

/// What a control says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) kind: Option<String>,
    pub(super) units: Option<String>,
    pub(super) readonly: Option<bool>,
    pub(super) min: Option<Decimal>,
    pub(super) max: Option<Decimal>,
    pub(super) step: Option<Decimal>,
    pub(super) title: Option<String>,
    pub(super) presets: Vec<Preset>,
    /// What was said before anybody knew what it means.
    pub(super) waiting: Option<String>,
    /// The letters of the error that stands.
    pub(super) error: String,
}

/// Those of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Controls(Vec<(String, Control)>);

impl Controls {
    pub(super) fn of(about: &Announcement) -> Self {
        about.lore.as_ref().and_then(|lore| lore.get::<Controls>()).cloned().unwrap_or_default()
    }

    /// Puts them back; a device of which nothing changed has the same lore.
    pub(super) fn keep(self, about: &mut Announcement) {
        let is_same = about.lore.as_ref().and_then(|lore| lore.get::<Controls>()) == Some(&self);
        if !is_same {
            about.lore = Some(Lore::new(self));
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    fn get(&self, name: &str) -> Option<&Control> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, control)| control)
    }

    /// The control of this name, made if there is none and there is room for it.
    pub(super) fn entry(&mut self, name: &str) -> Option<&mut Control> {
        let at = match self.0.iter().position(|(known, _)| known == name) {
            Some(at) => at,
            None if self.0.len() >= MAX_CONTROLS => return None,
            None => {
                self.0.push((name.to_owned(), Control::default()));
                self.0.len().checked_sub(1)?
            }
        };
        self.0.get_mut(at).map(|(_, control)| control)
    }

    /// The driver took it away.
    pub(super) fn forget(&mut self, report: &mut Report<'_>, name: &str) {
        self.0.retain(|(known, _)| known != name);
        report.about.properties.retain(|info| info.name != name && info.name != error_of(name));
        let (base, topic) = (report.about.speaks.first().cloned().unwrap_or_default(), format!("controls/{name}/on"));
        report.about.listens.retain(|listens| *listens != format!("{base}/{topic}"));
    }

    /// What it says. Pressed buttons that were retained were pressed long ago.
    pub(super) fn value(&mut self, report: &mut Report<'_>, name: &str, text: &str, retained: bool) {
        let known = self.get(name).filter(|control| control.kind.is_some());
        let Some(control) = known else {
            let too_many = match self.entry(name) {
                Some(control) => {
                    control.waiting =
                        Some(text.to_owned()).filter(|text| text.len() <= MAX_WAITING && !text.is_empty());
                    false
                }
                None => true,
            };
            return if too_many {
                report.fault(What::TooMany, name, "")
            };
        };
        if control.kind().0 == Kind::Button && (retained || text.trim() != "1") {
            return;
        }
        say(report, name, control, text);
    }

    /// Once its type is known, what waited is said.
    pub(super) fn settle(&mut self, report: &mut Report<'_>, name: &str) {
        let base = report.about.speaks.first().cloned().unwrap_or_default();
        let Some(control) = self.entry(name).filter(|control| control.kind.is_some()) else { return };
        let info = property(name, control, &report.about.device.id);
        let topic = format!("{base}/controls/{name}/on");
        report.about.listens.retain(|listens| *listens != topic);
        if info.writable {
            report.about.listens.push(topic);
        }
        report.is_now(info);
        if let Some(text) = control.waiting.take() {
            let control = control.clone();
            say(report, name, &control, &text);
        }
    }

    /// `meta/error`: an empty one takes it back.
    pub(super) fn error(&mut self, report: &mut Report<'_>, name: &str, letters: &str) {
        let letters = printable(letters.trim());
        let Some(control) = self.entry(name) else { return report.fault(What::TooMany, name, "") };
        if control.error == letters {
            return;
        }
        control.error = letters;
        let is_wrong = !control.error.is_empty();
        let info = PropertyInfo::new(error_of(name), report::flag()).with(|one| {
            one.class = Some("problem".into());
            one.category = Category::Diagnostic;
            one.warning = Some(Warning::Fault);
        });
        report.say(info, Value::Bool(is_wrong));
    }
}

/// What tells that a control is in error.
fn error_of(name: &str) -> String {
    format!("{name}.error")
}

impl Control {
    fn kind(&self) -> (Kind, &'static str, Option<&'static str>) {
        types::of(self.kind.as_deref().unwrap_or_default())
    }
}

/// Says a value. One that the bus could not read is the last that it could: it is shown, and no reading.
fn say(report: &mut Report<'_>, name: &str, control: &Control, text: &str) {
    let info = property(name, control, &report.about.device.id);
    report.quality = error::quality(&control.error);
    match control.kind().0 {
        Kind::Button => report.say(info, Value::Text("press".to_owned())),
        Kind::Colour => match channels(text) {
            Some(colour) => report.say(info, Value::Text(colour.to_string())),
            // A lamp that is dark has no colour.
            None if text.split(';').all(|channel| channel.trim() == "0") => {}
            None => report.fault(What::WrongType, name, text),
        },
        Kind::Text if text.len() > MAX_TEXT => report.fault(What::TooLong, name, text),
        Kind::Text => report.say(info, Value::Text(text.to_owned())),
        _ => report.plain(info, text),
    }
}

/// `R;G;B`.
fn channels(text: &str) -> Option<Colour> {
    let mut channels = text.split(';').map(|channel| channel.trim().parse::<u8>().ok().map(f64::from));
    let mut next = || channels.next().flatten();
    next().zip(next()).zip(next()).and_then(|((r, g), b)| Colour::of(r, g, b))
}

/// `#rrggbb` as `R;G;B`.
pub(super) fn colour_of(text: &str) -> Option<String> {
    Colour::parse(text).map(|Colour { r, g, b }| format!("{r};{g};{b}"))
}

fn property(name: &str, control: &Control, device: &str) -> PropertyInfo {
    let (kind, usual, class) = control.kind();
    let shape = match kind {
        Kind::Switch | Kind::Alarm => report::switch("1", "0"),
        Kind::Button => Shape::Choice(vec!["press".to_owned()]),
        Kind::Range | Kind::Value => Shape::Number { min: control.min, max: control.max },
        Kind::Colour | Kind::Text => Shape::Text,
    };
    // What may be set unless it says so, as the controller's own page has it.
    let settable = matches!(kind, Kind::Switch | Kind::Button | Kind::Range | Kind::Colour);
    PropertyInfo::new(name, shape).with(|one| {
        one.writable = !control.readonly.unwrap_or(!settable);
        one.reported = kind != Kind::Button;
        one.label = control.title.as_deref().map(Into::into);
        one.class = class.map(Into::into);
        one.step = control.step;
        one.presets = control.presets.clone();
        if kind == Kind::Switch && !one.writable {
            one.class = None;
        }
        measure(one, control.units.as_deref().unwrap_or(usual), name);
        if kind == Kind::Range && matches!((control.min, control.max), (None, None)) {
            one.shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::from(255)) };
        }
        endanger(one, name, device, kind);
    })
}

/// A unit that the house does not know stands with the name.
fn measure(one: &mut crate::About, spelling: &str, name: &str) {
    let Some(unit) = types::unit(spelling) else {
        let label = one.label.as_deref().unwrap_or(name);
        one.label = Some(printable(&format!("{label}, {}", spelling.trim())).into());
        return;
    };
    one.unit = unit;
    if unit != Unit::None && one.class.is_none() {
        one.class = types::class(unit).map(Into::into);
    }
}

/// WB-MWAC watches for leaks: F1…F5 are its sensors, «Leakage Mode» what it has found, K1 and K2 move its valves. Which way
/// a relay turns a valve is a setting of the module, so that neither of its commands is harmless.
fn endanger(one: &mut crate::About, name: &str, device: &str, kind: Kind) {
    if !matches!(kind, Kind::Switch | Kind::Alarm) {
        return;
    }
    let numbered = |letter: char| {
        name.strip_prefix(letter).is_some_and(|digits| digits.len() == 1 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    if device.rsplit('/').next().is_some_and(|device| device.starts_with("wb-mwac")) {
        if numbered('F') || name.eq_ignore_ascii_case("Leakage Mode") {
            one.hazard = Some(Hazard::WaterLeak);
            one.class = Some("moisture".into());
        }
        if numbered('K') {
            one.kind_class = Some("gate".into());
        }
        return;
    }
    if one.writable {
        return;
    }
    let words = format!("{name} {}", one.label.as_deref().unwrap_or_default());
    if let Some((hazard, class)) = dangers::of_name(&words) {
        one.hazard = Some(hazard);
        one.class = Some(class.into());
    }
}
