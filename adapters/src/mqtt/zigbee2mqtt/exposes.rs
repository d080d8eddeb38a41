//! `definition.exposes` of a device: the generic types (binary, numeric, enum, text, composite) and the specific ones
//! (light, switch, cover, lock, climate, fan), which are bundles of generic features. Lists are left out: no property
//! of ours holds an array.

use domovoi_model::{Unit, Value};

use super::{PropertyInfo, Shape};
use crate::json::{self, Json, MAX_MEMBERS, Members};
use crate::number;

/// The bit of `access` for "can be set with /set".
const SET: u8 = 2;

/// Every property that a device exposes, each name once; a composite's features as `<composite>_<feature>`.
pub(super) fn properties(raw: &str) -> Vec<PropertyInfo> {
    let mut out = Vec::new();
    walk(raw, None, &mut out);
    out
}

/// The depth of the document is capped, so the recursion is.
fn walk(raw: &str, composite: Option<&str>, out: &mut Vec<PropertyInfo>) {
    for raw in json::elements(raw, MAX_MEMBERS).unwrap_or_default() {
        let Ok(expose) = json::members(raw) else { continue };
        let property = expose.text("property");
        match (expose.get("features"), property) {
            // Only one level is nested in a state; deeper composites are left out.
            (Some(_), Some(_)) if composite.is_some() => {}
            (Some(features), Some(property)) => walk(features, Some(&property), out),
            (Some(features), None) => walk(features, composite, out),
            (None, Some(property)) => {
                let name = composite.map_or_else(|| property.clone(), |of| format!("{of}_{property}"));
                let fits = json::is_name(&name) && out.len() < MAX_MEMBERS;
                let Some(mut info) = generic(name, &expose) else { continue };
                // A composite is set as a whole; its parts cannot be commanded alone.
                info.writable &= composite.is_none();
                if fits && !out.iter().any(|other| other.name == info.name) {
                    out.push(info);
                }
            }
            (None, None) => {}
        }
    }
}

fn generic(name: String, expose: &Members<'_>) -> Option<PropertyInfo> {
    let bound = |key: &str| match Json::of(expose.get(key)?) {
        Json::Number(text) => number::decimal(text),
        _ => None,
    };
    let value = |key: &str| json::scalar(expose.get(key)?).ok().flatten();
    let shape = match expose.text("type")?.as_str() {
        "numeric" => Shape::Number { min: bound("value_min"), max: bound("value_max") },
        "binary" => Shape::Switch {
            on: value("value_on").unwrap_or(Value::Bool(true)),
            off: value("value_off").unwrap_or(Value::Bool(false)),
        },
        "enum" => {
            let words = expose.get("values").and_then(|raw| json::elements(raw, MAX_MEMBERS).ok()).unwrap_or_default();
            Shape::Choice(words.iter().filter_map(|raw| json::string(raw).ok()).collect())
        }
        "text" => Shape::Text,
        _ => return None,
    };
    let access = expose.get("access").and_then(|raw| raw.trim().parse::<u8>().ok()).unwrap_or(0);
    let unit = expose.text("unit").and_then(|text| Unit::parse(&text)).unwrap_or(Unit::None);
    Some(PropertyInfo { unit, writable: access & SET != 0, ..PropertyInfo::new(name, shape) })
}
