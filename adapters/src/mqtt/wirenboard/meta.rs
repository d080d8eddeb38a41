//! What a device and its controls say about themselves: one JSON each (`meta`), or, from older firmware, one topic for each
//! word (`meta/type`, `meta/units`).

use crate::fault::{DecodeError, What, printable};
use crate::json::{self, Json, Members};
use crate::number;
use crate::report::Report;
use crate::{Preset, Reach, Reached};

use super::control::{Control, Controls};
use domovoi_model::Value;

/// `meta` of a device: its driver, its title, its error.
pub(super) fn device(report: &mut Report<'_>, text: &str) -> Result<(), DecodeError> {
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD)?;
    let meta = json::members(&document).map_err(|what| DecodeError::new(what, "meta", &document))?;
    report.about.model = meta.text("driver").map(|driver| printable(&driver)).or(report.about.model.take());
    report.about.name = meta.get("title").and_then(title).or(report.about.name.take());
    if let Some(raw) = meta.get("error") {
        reached(report, &json::string(raw).unwrap_or_default());
    }
    Ok(())
}

/// `meta/<field>` of a device.
pub(super) fn field_of_device(report: &mut Report<'_>, field: &str, text: &str) {
    match field {
        "name" if !text.is_empty() => report.about.name = Some(printable(text)),
        "driver" if !text.is_empty() => report.about.model = Some(printable(text)),
        "error" => reached(report, text),
        _ => {}
    }
}

/// A device whose bus does not answer is out of reach.
fn reached(report: &mut Report<'_>, letters: &str) {
    report.about.reaches = vec![Reach::Latest];
    let device = report.about.device.clone();
    report.out.reached.push(Reached { device, group: 0, source: 0, available: letters.trim().is_empty() });
}

/// `meta` of a control.
pub(super) fn control(
    report: &mut Report<'_>,
    controls: &mut Controls,
    name: &str,
    text: &str,
) -> Result<(), DecodeError> {
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD)?;
    let meta = json::members(&document).map_err(|what| DecodeError::new(what, name, &document))?;
    for (key, raw) in &meta.twice {
        report.fault(What::SaidTwice, &format!("{name}.{key}"), raw);
    }
    let Some(control) = controls.entry(name) else {
        report.fault(What::TooMany, name, "");
        return Ok(());
    };
    let before = std::mem::take(control);
    *control = Control { waiting: before.waiting, error: before.error, ..read(&meta) };
    if let Some(raw) = meta.get("error") {
        let letters = json::string(raw).unwrap_or_default();
        controls.error(report, name, &letters);
    }
    Ok(())
}

fn read(meta: &Members<'_>) -> Control {
    let decimal = |key: &str| match meta.get(key).map(Json::of)? {
        Json::Number(text) => number::decimal(text),
        // Some drivers put their numbers in quotes.
        Json::Text(raw) => number::decimal(json::string(raw).ok()?.trim()),
        _ => None,
    };
    Control {
        kind: meta.text("type").map(|kind| printable(&kind)),
        units: meta.text("units").map(|units| printable(&units)),
        readonly: meta.get("readonly").and_then(flag),
        min: decimal("min"),
        max: decimal("max"),
        step: decimal("precision").filter(|step| step.is_sign_positive() && !step.is_zero()),
        title: meta.get("title").and_then(title),
        presets: meta.get("enum").map(presets).unwrap_or_default(),
        ..Control::default()
    }
}

/// `meta/<field>` of a control, from older firmware.
pub(super) fn field(report: &mut Report<'_>, controls: &mut Controls, name: &str, field: &str, text: &str) {
    if !matches!(field, "type" | "units" | "readonly" | "writable" | "min" | "max" | "precision" | "name") {
        return;
    }
    let Some(control) = controls.entry(name) else { return report.fault(What::TooMany, name, "") };
    let some = Some(printable(text)).filter(|text| !text.is_empty());
    let decimal = number::decimal(text.trim());
    match field {
        "type" => control.kind = some,
        "units" => control.units = some,
        "readonly" => control.readonly = flag(text),
        "writable" => control.readonly = flag(text).map(|writable| !writable),
        "min" => control.min = decimal,
        "max" => control.max = decimal,
        "precision" => control.step = decimal.filter(|step| step.is_sign_positive() && !step.is_zero()),
        _ => control.title = some,
    }
}

/// `true`, `1`, or either in quotes.
fn flag(raw: &str) -> Option<bool> {
    match raw.trim().trim_matches('"') {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// `{"en": …, "ru": …}`, or a text. A home that this controller is in speaks Russian, if the title does.
fn title(raw: &str) -> Option<String> {
    match Json::of(raw) {
        Json::Text(raw) => json::string(raw).ok().filter(|text| !text.is_empty()).map(|text| printable(&text)),
        Json::Object(raw) => {
            let titles = json::members(raw).ok()?;
            titles.text("ru").or_else(|| titles.text("en")).map(|text| printable(&text))
        }
        _ => None,
    }
}

/// At most so many values of a control have names.
const MAX_PRESETS: usize = 64;

/// `enum`: the values that have names.
fn presets(raw: &str) -> Vec<Preset> {
    let Ok(members) = json::members_up_to(raw, MAX_PRESETS) else { return Vec::new() };
    let preset = |(value, raw): &(String, &str)| {
        let value = number::decimal(value).map_or_else(|| Value::Text(printable(value)), Value::Number);
        Some(Preset { name: title(raw)?, value })
    };
    members.list.iter().filter_map(preset).collect()
}
