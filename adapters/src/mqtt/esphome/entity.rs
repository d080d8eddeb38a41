//! What the states of components mean. A property is called after its topic, with dots: `switch.relay`,
//! `cover.blinds.position`.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use crate::colour::Colour;
use crate::dangers;
use crate::fault::What;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report, measured};
use crate::{DecodeError, Envelope, PropertyInfo, Shape};

/// The components that say something, by the name of their level.
const COMPONENTS: &[&str] = &[
    "sensor",
    "binary_sensor",
    "switch",
    "light",
    "cover",
    "valve",
    "lock",
    "fan",
    "climate",
    "number",
    "select",
    "text",
    "text_sensor",
    "event",
    "alarm_control_panel",
];
/// Fields with a topic of their own.
const FIELDS: &[&str] = &[
    "position",
    "tilt",
    "speed_level",
    "oscillation",
    "mode",
    "action",
    "current_temperature",
    "target_temperature",
    "target_temperature_low",
    "target_temperature_high",
    "fan_mode",
    "swing_mode",
    "preset",
];

/// Component, object and field of `<component>/<object>[/<field>]/state`.
pub(super) fn split(part: &str) -> Option<(&str, &str, &str)> {
    let above = part.strip_suffix("/state")?;
    let mut levels = above.split('/');
    let (component, object, field) = (levels.next()?, levels.next()?, levels.next().unwrap_or_default());
    let fits = COMPONENTS.contains(&component)
        && json::is_name(object)
        && (field.is_empty() || FIELDS.contains(&field))
        && levels.next().is_none();
    fits.then_some((component, object, field))
}

/// The topic of a property's state, below the prefix. What is said of a lamp in one message has one topic.
pub(super) fn topic(name: &str) -> Option<String> {
    let (component, rest) = name.split_once('.').filter(|(component, _)| COMPONENTS.contains(component))?;
    let (object, field) = match rest.rsplit_once('.') {
        Some((object, field)) if FIELDS.contains(&field) => (object, Some(field)),
        Some((object, _)) if component == "light" => (object, None),
        _ => (rest, None),
    };
    Some(match field {
        Some(field) => format!("{component}/{object}/{field}/state"),
        None => format!("{component}/{object}/state"),
    })
}

/// One state.
pub(super) fn state(
    report: &mut Report<'_>,
    component: &str,
    object: &str,
    field: &str,
    envelope: &Envelope<'_>,
) -> Result<(), DecodeError> {
    let name = format!("{component}.{object}");
    if component == "light" {
        return light(report, &name, envelope);
    }
    let text = json::text(envelope.payload, MAX_PAYLOAD)?;
    let word = text.trim();
    // A sensor that has nothing to say says so.
    if word.eq_ignore_ascii_case("nan") || word.is_empty() {
        return Ok(());
    }
    let switch = |class: &str, on: &str, off: &str| {
        PropertyInfo::new(&name, report::switch(on, off)).with(|one| {
            one.writable = true;
            one.class = Some(class.into());
        })
    };
    match (component, field) {
        ("sensor" | "text_sensor", "") => report.plain(PropertyInfo::new(name, Shape::Unknown), word),
        ("binary_sensor", "") => {
            let danger = dangers::of_name(object);
            let info = PropertyInfo::new(name, report::switch("ON", "OFF")).with(|one| {
                one.hazard = danger.map(|(hazard, _)| hazard);
                one.class = danger.map(|(_, class)| class.into());
            });
            report.plain(info, word);
        }
        ("switch", "") => report.plain(switch("switch", "ON", "OFF"), word),
        ("fan", "") => report.plain(switch("fan", "ON", "OFF"), word),
        ("lock", "") => {
            let info = switch("lock", "LOCKED", "UNLOCKED");
            match word {
                "LOCKED" | "UNLOCKED" => report.plain(info, word),
                // On its way, or jammed: neither.
                _ => report.has(info),
            }
        }
        ("valve", "") => {
            let info = switch("valve", "open", "closed").with(|one| {
                one.kind = Some("valve".into());
                one.settles_within_s = Some(60);
            });
            match word {
                "open" | "closed" => report.plain(info, word),
                _ => report.has(info),
            }
        }
        ("cover", "") => {
            let words = ["OPEN", "CLOSE", "STOP", "OPENING", "CLOSING"].map(str::to_owned).to_vec();
            let info = PropertyInfo::new(name, Shape::Choice(words)).with(|one| moves(one, "cover"));
            let said = match word {
                "open" => "OPEN",
                "closed" => "CLOSE",
                "opening" => "OPENING",
                "closing" => "CLOSING",
                _ => return Err(DecodeError::new(What::WrongType, &info.name, word)),
            };
            report.say(info, Value::Text(said.to_owned()));
        }
        ("cover" | "valve", "position" | "tilt") => {
            let class = format!("{component}.{field}");
            let info = measured(format!("{name}.{field}"), Unit::Percent, Some(&class)).with(|one| {
                one.shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) };
                moves(one, component);
                one.class = Some(class.as_str().into());
            });
            report.plain(info, word);
        }
        ("climate", "current_temperature") => {
            report.plain(measured(format!("{name}.{field}"), Unit::Celsius, Some("temperature")), word);
        }
        ("climate", "target_temperature" | "target_temperature_low" | "target_temperature_high") => {
            let info = measured(format!("{name}.{field}"), Unit::Celsius, Some("climate.temperature"));
            report.plain(info.with(|one| one.writable = true), word);
        }
        ("climate", "action") => report.plain(PropertyInfo::new(format!("{name}.{field}"), Shape::Text), word),
        ("climate", _) if !field.is_empty() => {
            let info = PropertyInfo::new(format!("{name}.{field}"), Shape::Text).with(|one| {
                one.writable = true;
                one.class = Some("climate".into());
            });
            report.plain(info, word);
        }
        ("fan", "speed_level") => {
            let info = PropertyInfo::new(format!("{name}.{field}"), report::number());
            report.plain(info.with(|one| one.writable = true), word);
        }
        ("fan", "oscillation") => {
            let info = PropertyInfo::new(format!("{name}.{field}"), report::switch("oscillate_on", "oscillate_off"));
            report.plain(info.with(|one| one.writable = true), word);
        }
        ("number", "") => {
            report.plain(PropertyInfo::new(name, report::number()).with(|one| one.writable = true), word);
        }
        ("select" | "text", "") => {
            report.plain(PropertyInfo::new(name, Shape::Text).with(|one| one.writable = true), text);
        }
        ("event", "") if !envelope.retained => {
            let document = json::document(envelope.payload, MAX_PAYLOAD)?;
            let members = json::members(&document).map_err(|what| DecodeError::new(what, &name, &document))?;
            let info = PropertyInfo::new(name, Shape::Text).with(|one| one.class = Some("event".into()));
            match members.text("event_type") {
                Some(event) => report.say(info, Value::Text(event)),
                None => report.has(info),
            }
        }
        // A code may be wanted to arm it: it is only listened to.
        ("alarm_control_panel", "") => {
            let info = PropertyInfo::new(name, Shape::Text).with(|one| one.class = Some(component.into()));
            report.plain(info, word);
        }
        _ => {}
    }
    Ok(())
}

fn moves(one: &mut crate::About, kind: &str) {
    one.writable = true;
    one.class = Some(kind.into());
    one.kind = Some(kind.into());
    one.settles_within_s = Some(120);
}

/// `{"state":"ON","brightness":128,"color":{"r":…,"g":…,"b":…},"color_temp":300}`.
fn light(report: &mut Report<'_>, name: &str, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, name, &document))?;
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, &format!("{name}.{key}"), raw);
    }
    if let Some(word) = members.text("state") {
        let info = PropertyInfo::new(name, report::switch("ON", "OFF")).with(|one| {
            one.writable = true;
            one.class = Some("light".into());
        });
        report.plain(info, &word);
    }
    let settable = |key: &str, unit, class: &str, min: u32, max: u32| {
        measured(format!("{name}.{key}"), unit, Some(class)).with(|one| {
            one.writable = true;
            one.shape = Shape::Number { min: Some(min.into()), max: Some(max.into()) };
        })
    };
    if let Some(raw) = members.get("brightness") {
        report.raw(settable("brightness", Unit::None, "light.brightness", 0, 255), raw);
    }
    if let Some(raw) = members.get("color_temp") {
        report.raw(settable("color_temp", Unit::Mired, "color_temp", 100, 1000), raw);
    }
    if let Some(Ok(colour)) = members.get("color").map(json::members) {
        let channel = |key: &str| colour.get(key)?.trim().parse::<u8>().ok().map(f64::from);
        let info = PropertyInfo::new(format!("{name}.color"), Shape::Text).with(|one| {
            one.writable = true;
            one.class = Some("color".into());
        });
        if let (Some(r), Some(g), Some(b)) = (channel("r"), channel("g"), channel("b")) {
            match Colour::of(r, g, b) {
                Some(colour) => report.say(info, Value::Text(colour.to_string())),
                None => report.has(info),
            }
        }
    }
    Ok(())
}
