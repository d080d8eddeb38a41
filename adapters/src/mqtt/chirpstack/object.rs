//! What a codec made of a device's bytes: any JSON object. Leaves are properties, called by their path: `probe.1.temperature`.
//! Units stand where the name ends in one, where the whole name is a quantity that codecs give in one unit only, and where
//! the codec is Cayenne LPP, which has them in its specification.

use domovoi_model::{Unit, Value};

use super::as_flag;
use crate::dangers;
use crate::fault::What;
use crate::json::{self, Json};
use crate::report::{self, Report, measured};
use crate::{Category, PropertyInfo, Shape, Warning, suffix};

/// Objects and arrays within one another.
const MAX_LEVELS: usize = 4;
/// Elements of an array.
const MAX_ELEMENTS: usize = 32;

/// Cayenne LPP, by ChirpStack's own names of its types.
const LPP: &[(&str, Unit, &str)] = &[
    ("temperatureSensor", Unit::Celsius, "temperature"),
    ("humiditySensor", Unit::Percent, "humidity"),
    ("illuminanceSensor", Unit::Lux, "illuminance"),
    ("barometer", Unit::Hectopascal, "pressure"),
];

/// Whole names whose unit is the same in every codec that was seen.
const USUAL: &[(&str, Unit, &str)] = &[
    ("battery", Unit::Percent, "battery"),
    ("battery_level", Unit::Percent, "battery"),
    ("humidity", Unit::Percent, "humidity"),
    ("BatV", Unit::Volt, "voltage"),
    ("co2", Unit::PartsPerMillion, "carbon_dioxide"),
];

pub(super) fn read(report: &mut Report<'_>, raw: &str) {
    walk(report, "", raw, None, 0);
}

fn walk(report: &mut Report<'_>, path: &str, raw: &str, lpp: Option<(Unit, &'static str)>, level: usize) {
    let at = if path.is_empty() { "object" } else { path };
    if level > MAX_LEVELS {
        return;
    }
    match Json::of(raw) {
        Json::Object(raw) => match json::members(raw) {
            Ok(members) => {
                for (key, raw) in &members.twice {
                    report.fault(What::SaidTwice, &join(path, key), raw);
                }
                for (key, raw) in &members.list {
                    let found = LPP.iter().find(|(name, ..)| *name == key && level == 0);
                    let lpp = found.map(|(_, unit, class)| (*unit, *class)).or(lpp);
                    walk(report, &join(path, key), raw, lpp, level + 1);
                }
            }
            Err(what) => report.fault(what, at, raw),
        },
        Json::Array(raw) => match json::elements(raw, MAX_ELEMENTS) {
            Ok(elements) => {
                for (n, raw) in elements.iter().enumerate() {
                    walk(report, &join(path, &(n + 1).to_string()), raw, lpp, level + 1);
                }
            }
            Err(what) => report.fault(what, at, raw),
        },
        _ => leaf(report, path, raw, lpp),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn leaf(report: &mut Report<'_>, path: &str, raw: &str, lpp: Option<(Unit, &'static str)>) {
    let value = match json::scalar(raw) {
        Ok(Some(value)) => value,
        Ok(None) => return,
        Err(what) => return report.fault(what, path, raw),
    };
    let name = path.rsplit('.').next().unwrap_or(path);
    let usual = USUAL.iter().find(|(usual, ..)| *usual == name).map(|(_, unit, class)| (*unit, *class));
    let of_name = suffix::unit(name).map(|unit| (unit, suffix::class(unit).unwrap_or_default()));
    let known = lpp.or(of_name).or(usual);
    let danger = dangers::of_name(path);
    let info = match &value {
        Value::Number(_) => {
            let (unit, class) = known.unwrap_or((Unit::None, ""));
            measured(path, unit, Some(class).filter(|class| !class.is_empty()))
        }
        Value::Bool(_) => PropertyInfo::new(path, report::flag()),
        Value::Text(_) => PropertyInfo::new(path, Shape::Text),
    };
    let is_aside = matches!(name, "battery" | "battery_level" | "BatV");
    let tampers = name.to_ascii_lowercase().contains("tamper");
    let info = info.with(|one| {
        if is_aside {
            one.category = Category::Diagnostic;
        }
        if let (Some((hazard, class)), Shape::Switch { .. }) = (danger, &one.shape) {
            one.hazard = Some(hazard);
            one.class = Some(class.into());
        } else if tampers && matches!(one.shape, Shape::Switch { .. }) {
            one.warning = Some(Warning::Tamper);
        }
    });
    // Dragino says 1, Milesight «leak»: a danger stands beside them as yes or no.
    let alarm = match (&value, danger) {
        (Value::Number(number), Some(_)) => as_flag(*number),
        (Value::Text(word), Some(_)) => match word.to_ascii_lowercase().as_str() {
            "leak" | "leaking" | "alarm" | "wet" | "flood" | "smoke" | "triggered" => Some(true),
            "normal" | "no leak" | "no_leak" | "dry" | "ok" | "none" | "clear" => Some(false),
            _ => None,
        },
        _ => None,
    };
    if let (Some(alarm), Some((hazard, class))) = (alarm, danger) {
        let info = PropertyInfo::new(format!("{path}.alarm"), report::flag()).with(|one| {
            one.hazard = Some(hazard);
            one.class = Some(class.into());
        });
        report.say(info, Value::Bool(alarm));
    }
    // The same field may be a number now and a word later.
    let info = match report.about.property(path) {
        Some(known) if std::mem::discriminant(&known.shape) != std::mem::discriminant(&info.shape) => {
            info.with(|one| one.shape = Shape::Unknown)
        }
        _ => info,
    };
    report.say(info, value);
}
