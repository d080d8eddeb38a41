//! How components stand (`NotifyStatus`, `Shelly.GetStatus`, `status/<component>`), what happened to them (`NotifyEvent`),
//! and what was set of them (`Shelly.GetConfig`). A notification names only what changed; what it leaves out stays.

use domovoi_model::{Hazard, Unit, Value};
use rust_decimal::Decimal;

use super::component::{self, Field};
use crate::colour::Colour;
use crate::fault::{What, printable};
use crate::json::{self, Json, Members};
use crate::report::{self, Report, measured};
use crate::{Category, PropertyInfo, Shape, is_secret, stamp};

/// Components of one device; a Pro 4PM with everything has forty.
const MAX_COMPONENTS: usize = 128;
/// Events of one notification.
const MAX_EVENTS: usize = 32;

/// `{"switch:0":{…},"sys":{…}}`.
pub(super) fn all(report: &mut Report<'_>, params: &Members<'_>, retained: bool) {
    let at = params.get("ts").and_then(seconds);
    report.device_time = at;
    for (name, raw) in params.list.iter().filter(|(name, _)| name != "ts").take(MAX_COMPONENTS) {
        match json::members(raw) {
            Ok(members) => component(report, name, &members, retained),
            // Null: a component that is there and has no status.
            Err(_) if matches!(Json::of(raw), Json::Null) => {}
            Err(what) => report.fault(what, name, raw),
        }
    }
}

/// Seconds since 1970, with a fraction.
fn seconds(raw: &str) -> Option<domovoi_model::Timestamp> {
    let seconds = json::scalar(raw).ok()??.number()?;
    let millis = seconds.checked_mul(Decimal::ONE_THOUSAND)?.trunc();
    stamp::plausible(i64::try_from(millis).ok()?)
}

/// One component.
pub(super) fn component(report: &mut Report<'_>, name: &str, members: &Members<'_>, _retained: bool) {
    let kind = name.split(':').next().unwrap_or_default();
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, &format!("{name}.{key}"), raw);
    }
    let Some(fields) = component::fields(kind) else { return };
    for (path, field) in fields {
        let Some(raw) = at(members, &path) else { continue };
        let info = property(name, kind, &path, field);
        match (field, Json::of(raw)) {
            // `state` of an input that is a button, `tC` of a sensor that failed.
            (_, Json::Null) => report.has(info),
            (Field::Word, Json::Text(raw)) => match json::string(raw) {
                Ok(word) => report.say(info, Value::Text(word)),
                Err(what) => report.fault(what, &info.name, raw),
            },
            _ => report.raw(info, raw),
        }
    }
    if matches!(kind, "rgb" | "rgbw")
        && let Some(raw) = members.get("rgb")
    {
        colour(report, name, raw);
    }
    errors(report, name, members);
}

/// A field, `a.b` in the object of that name.
fn at<'a>(members: &Members<'a>, path: &str) -> Option<&'a str> {
    match path.split_once('.') {
        Some((object, field)) => json::members(members.get(object)?).ok()?.get(field),
        None => members.get(path),
    }
}

/// The name of a property: `switch:0.output`, as the device itself has it.
pub(super) fn property(name: &str, kind: &str, path: &str, field: Field) -> PropertyInfo {
    let full = format!("{name}.{path}");
    let diagnostic = matches!(kind, "wifi" | "sys" | "devicepower") || path == "temperature.tC";
    let info = match field {
        Field::Number(unit, class) => measured(full, unit, class),
        Field::Flag(class) => PropertyInfo::new(full, report::flag()).with(|one| one.class = class.map(Into::into)),
        Field::Danger(hazard, class) => PropertyInfo::new(full, report::flag()).with(|one| {
            one.hazard = Some(hazard);
            one.class = Some(class.into());
        }),
        Field::Warning(warning) => PropertyInfo::new(full, report::flag()).with(|one| one.warning = Some(warning)),
        Field::Word => PropertyInfo::new(full, Shape::Choice(STATES.iter().map(|word| (*word).to_owned()).collect()))
            .with(|one| one.class = Some(kind.into())),
    };
    info.with(|one| {
        if diagnostic {
            one.category = Category::Diagnostic;
        }
        settable(one, kind, path);
    })
}

/// What a cover says, and the words that it is told besides.
const STATES: &[&str] = &["open", "closed", "opening", "closing", "stopped", "calibrating", "stop", "close"];

/// What of a kind may be told.
fn settable(one: &mut crate::About, kind: &str, path: &str) {
    let percent = || Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) };
    match (kind, path) {
        ("switch" | "light" | "rgb" | "rgbw" | "cct", "output") | ("thermostat", "enable") => one.writable = true,
        ("light" | "rgb" | "rgbw" | "cct", "brightness") => (one.writable, one.shape) = (true, percent()),
        ("cover", "state" | "current_pos" | "slat_pos") => {
            one.writable = true;
            one.kind = Some("cover".into());
            one.settles_within_s = Some(120);
            if path != "state" {
                one.shape = percent();
            }
        }
        ("cct", "ct") => {
            one.writable = true;
            one.shape = Shape::Number { min: Some(Decimal::from(2700)), max: Some(Decimal::from(6500)) };
        }
        ("rgbw", "white") => {
            one.writable = true;
            one.shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::from(255)) };
        }
        ("thermostat", "target_C") => {
            one.writable = true;
            one.shape = Shape::Number { min: Some(Decimal::from(5)), max: Some(Decimal::from(35)) };
        }
        _ => {}
    }
}

/// `[r, g, b]`.
fn colour(report: &mut Report<'_>, name: &str, raw: &str) {
    let channels = json::elements(raw, 3).unwrap_or_default();
    let channel = |at: usize| channels.get(at)?.trim().parse::<u8>().ok().map(f64::from);
    let info = PropertyInfo::new(format!("{name}.rgb"), Shape::Text).with(|one| {
        one.class = Some("color".into());
        one.writable = true;
    });
    match (channel(0), channel(1), channel(2)) {
        (Some(r), Some(g), Some(b)) => match Colour::of(r, g, b) {
            Some(colour) => report.say(info, Value::Text(colour.to_string())),
            None => report.has(info),
        },
        _ => report.fault(What::WrongType, &info.name, raw),
    }
}

/// `errors` of a component: told when there are some, and when there were.
fn errors(report: &mut Report<'_>, name: &str, members: &Members<'_>) {
    let Some(raw) = members.get("errors") else { return };
    let words = match json::elements(raw, MAX_EVENTS) {
        Ok(words) => words,
        Err(what) => return report.fault(what, &format!("{name}.errors"), raw),
    };
    let words: Vec<String> = words.iter().filter_map(|raw| json::string(raw).ok()).collect();
    let full = format!("{name}.errors");
    let warning = words.first().map(|word| component::warning(word));
    let known = report.about.property(&full).and_then(|info| info.warning);
    let info = PropertyInfo::new(&full, report::flag()).with(|one| {
        one.class = Some("problem".into());
        one.category = Category::Diagnostic;
        one.warning = warning.or(known).or(Some(crate::Warning::Fault));
        one.label = words.first().map(|_| printable(&words.join(", ")).into());
    });
    report.is_now(info.clone());
    report.say(info, Value::Bool(!words.is_empty()));
}

/// `{"events":[{"component":"input:0","event":"single_push"},…]}`. What the broker retained happened long ago.
pub(super) fn events(report: &mut Report<'_>, params: &Members<'_>, retained: bool) {
    let Some(raw) = params.get("events") else { return };
    let events = match json::elements(raw, MAX_EVENTS) {
        Ok(events) => events,
        Err(what) => return report.fault(what, "events", raw),
    };
    for raw in events {
        let Ok(event) = json::members(raw) else {
            report.fault(What::WrongType, "events", raw);
            continue;
        };
        report.device_time = event.get("ts").and_then(seconds);
        let (Some(component), Some(word)) = (event.text("component"), event.text("event")) else { continue };
        let kind = component.split(':').next().unwrap_or_default();
        match (kind, word.as_str()) {
            // A flood sensor wakes to say this, and its status may come later.
            ("flood", "flood.alarm" | "alarm") => danger(report, &component, kind, true),
            ("flood", "flood.alarm_off" | "alarm_off") => danger(report, &component, kind, false),
            ("smoke", "smoke.alarm" | "alarm") => danger(report, &component, kind, true),
            ("smoke", "smoke.alarm_off" | "alarm_off") => danger(report, &component, kind, false),
            ("input" | "bthomesensor" | "bthomedevice" | "button", _) if !retained && !is_secret(&word) => {
                let info = PropertyInfo::new(format!("{component}.event"), Shape::Text);
                report.say(info.with(|one| one.class = Some("event".into())), Value::Text(word));
            }
            ("sys", "sleep") => {
                report.about.sleeps = true;
                report.about.reaches.clear();
            }
            _ => {}
        }
    }
}

fn danger(report: &mut Report<'_>, component: &str, kind: &str, warns: bool) {
    let (hazard, class) = if kind == "flood" { (Hazard::WaterLeak, "moisture") } else { (Hazard::Smoke, "smoke") };
    report.say(property(component, kind, "alarm", Field::Danger(hazard, class)), Value::Bool(warns));
}

/// The owner's names of components; what an input is there for.
pub(super) fn config(report: &mut Report<'_>, result: &Members<'_>) {
    for (component, raw) in result.list.iter().filter(|(name, _)| name.contains(':')).take(MAX_COMPONENTS) {
        let Ok(config) = json::members(raw) else { continue };
        let name = config.text("name").map(|name| printable(&name));
        let unit = config.get("xcounts").and_then(|raw| json::members(raw).ok()).and_then(|counts| counts.text("unit"));
        let prefix = format!("{component}.");
        if component.starts_with("input:") && config.text("type").as_deref() == Some("count") {
            report.has(measured(format!("{prefix}counts.total"), Unit::None, None));
        }
        for info in report.about.properties.iter_mut().filter(|info| info.name.starts_with(&prefix)) {
            if let Some(name) = &name
                && info.label.as_deref() != Some(name)
            {
                info.label = Some(name.as_str().into());
            }
            // The owner's own scale of a counter, in the unit that he wrote down.
            if let Some(spelling) = unit.as_deref().filter(|_| info.name.ends_with(".xtotal")) {
                let unit = Unit::parse(spelling);
                if info.unit != unit.unwrap_or(Unit::None) {
                    info.measured_in(unit, spelling);
                }
            }
        }
    }
}
