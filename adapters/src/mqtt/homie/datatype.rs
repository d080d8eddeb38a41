//! Datatypes, formats and units: what a property's own words say of its values. A format that nobody can read is no bounds.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use crate::colour::Colour;
use crate::dangers;
use crate::fault::{DecodeError, What, printable};
use crate::json::{self, MAX_PAYLOAD, MAX_TEXT};
use crate::number;
use crate::report::{self, Report};
use crate::{PropertyInfo, Shape};

/// What a description says of a property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) name: Option<String>,
    pub(super) datatype: Option<String>,
    pub(super) format: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) settable: bool,
    pub(super) transient: bool,
}

/// Names of an enum's values.
const MAX_CHOICES: usize = 128;

/// The payload as text. One zero byte is how an empty text is spelled, since an empty payload takes a topic back.
pub(super) fn text(payload: &[u8]) -> Result<&str, DecodeError> {
    Ok(match json::text(payload, MAX_PAYLOAD)? {
        "\0" => "",
        text => text,
    })
}

/// The property; `None` if the convention does not know its datatype.
pub(super) fn property(name: &str, words: &Words) -> Option<PropertyInfo> {
    let datatype = words.datatype.as_deref().unwrap_or("string");
    let format = words.format.as_deref().unwrap_or_default();
    let (min, max, step) = bounds(format);
    let shape = match datatype {
        "integer" | "float" => Shape::Number { min, max },
        // A percent has bounds without saying so.
        "percent" => Shape::Number { min: min.or(Some(Decimal::ZERO)), max: max.or(Some(Decimal::ONE_HUNDRED)) },
        "boolean" => report::switch("true", "false"),
        "enum" => Shape::Choice(format.split(',').take(MAX_CHOICES).map(printable).collect()),
        "string" | "datetime" | "duration" | "json" | "color" => Shape::Text,
        _ => return None,
    };
    let mut info = PropertyInfo::new(name, shape);
    info.label = words.name.as_deref().map(Into::into);
    info.writable = words.settable;
    info.step = step;
    match datatype {
        "color" => {
            info.class = Some("color".into());
            // Which of the spellings it takes stands in the format.
            info.kind = Some(format!("color.{}", format.split(',').next().unwrap_or("rgb")).into());
        }
        "percent" => info.unit = Unit::Percent,
        "boolean" if !words.settable => {
            let danger = dangers::of_name(&format!("{name} {}", words.name.as_deref().unwrap_or_default()));
            info.hazard = danger.map(|(hazard, _)| hazard);
            info.class = danger.map(|(_, class)| class.into());
        }
        "boolean" => info.class = Some("switch".into()),
        _ => {}
    }
    if words.transient {
        info.class = info.class.take().or_else(|| Some("event".into()));
    }
    if let Some(spelling) = &words.unit {
        // `#` is a count.
        if spelling != "#" {
            if info.label.is_none() && Unit::parse(spelling).is_none() {
                info.label = Some(printable(name).into());
            }
            info.measured_in(Unit::parse(spelling), spelling);
        }
    }
    Some(info)
}

/// `min:max`, `min:max:step`, any of them left out.
fn bounds(format: &str) -> (Option<Decimal>, Option<Decimal>, Option<Decimal>) {
    let mut parts = format.split(':').map(number::decimal);
    let mut next = || parts.next().flatten();
    let (min, max, step) = (next(), next(), next());
    let is_sound = min.zip(max).is_none_or(|(min, max)| min <= max);
    let step = step.filter(|step| step.is_sign_positive() && !step.is_zero());
    if is_sound { (min, max, step) } else { (None, None, None) }
}

/// Says a value as its property wants it.
pub(super) fn say(report: &mut Report<'_>, info: PropertyInfo, text: &str) {
    match &info.shape {
        Shape::Text if text.len() > MAX_TEXT => report.fault(What::TooLong, &info.name, text),
        Shape::Text if info.class.as_deref() == Some("color") => match colour(text, info.kind.as_deref()) {
            Some(colour) => report.say(info, Value::Text(colour.to_string())),
            // Black is no colour.
            None if text.split(',').filter_map(|part| part.trim().parse::<f64>().ok()).count() >= 3 => {}
            None => report.fault(What::WrongType, &info.name, text),
        },
        Shape::Text => report.say(info, Value::Text(text.to_owned())),
        Shape::Choice(words) if !words.iter().any(|word| word == text) => {
            if !text.is_empty() {
                report.fault(What::WrongType, &info.name, text);
            }
        }
        Shape::Choice(_) => report.say(info, Value::Text(text.to_owned())),
        _ => report.plain(info, text),
    }
}

/// Version 5: `rgb,255,128,0`, `hsv,30,100,100`, `xyz,0.5,0.4`. Versions 3 and 4: three numbers, as the format says.
fn colour(text: &str, format: Option<&str>) -> Option<Colour> {
    let (kind, rest) = match text.split_once(',') {
        Some((kind @ ("rgb" | "hsv" | "xyz"), rest)) => (kind, rest),
        _ => (if format == Some("color.hsv") { "hsv" } else { "rgb" }, text),
    };
    let mut parts = rest.split(',').map(|part| part.trim().parse::<f64>().ok().filter(|part| part.is_finite()));
    let mut next = || parts.next().flatten();
    match kind {
        "rgb" => Colour::of(next()?, next()?, next()?),
        "hsv" => Colour::from_hs(next()?, next()?),
        _ => Colour::from_xy(next()?, next()?),
    }
}
