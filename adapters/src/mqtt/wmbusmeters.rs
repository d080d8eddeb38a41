//! wmbusmeters: one JSON object per wM-Bus telegram, on a topic that the operator's shell line chose, whatever the driver;
//! and what its alarm shell tells of a receiver that fell silent.
//!
//! The identity is the meter's `id`, never the topic. Units are the last word of a field's name. It judges nothing:
//! a negative register passes here, and the ledger says what it thinks of it. Meters take no commands.

mod dates;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Quality, Value};

use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::report::{self, Report};
use crate::{
    Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, PropertyInfo, Shape,
    Warning, What, complaints, plain, stamp, suffix,
};

const NAME: &str = "wmbusmeters";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["wmbusmeters"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained: plain::nothing_retained,
    confirms_within: Duration::from_secs(10),
};

/// Fields that say who or when and are no property of the meter.
const ABOUT: &[&str] = &["_", "media", "meter", "name", "id", "timestamp", "device"];
/// How the alarm shell's message begins: `[ALARM DeviceInactivity] 4 seconds of inactivity …`.
const ALARM: &[u8] = b"[ALARM ";
/// Meters speak each quarter of a minute, or at least some times a day while their reader is there.
const SILENT_AFTER_S: u32 = 86_400;

/// Any topic below the base: the operator's shell line decides.
fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

/// Everything below the base, so that a telegram that cannot be read is reported and not overlooked.
fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let below = |base: &String| Some((base.clone(), envelope.topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    let (base, rest) = directory.bases(NAME).iter().find_map(below)?;
    if rest.is_empty() {
        return None;
    }
    let (id, part) = if envelope.payload.starts_with(ALARM) {
        (format!("receiver:{base}"), "alarm")
    } else {
        (identity(envelope.payload).unwrap_or_else(|| format!("topic:{rest}")), "")
    };
    Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    if claim.part == "alarm" {
        return alarm(claim, envelope, directory);
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let telegram = json::members(&document).map_err(|what| DecodeError::new(what, "the telegram", &document))?;
    // Versions before 1.17 do not write `_`.
    if telegram.get("_").is_some_and(|raw| raw != r#""telegram""#) {
        return Err(DecodeError::new(What::Foreign, "_", telegram.get("_").unwrap_or_default()));
    }
    if claim.device.id.starts_with("topic:") {
        let said = telegram.get("id").unwrap_or_default();
        return Err(DecodeError::new(What::BadName, "id (8 hex digits are wanted)", said));
    }
    let status = status(&telegram);
    let quality = if status.is_empty() { Quality::Good } else { Quality::Suspect(printable(&status)) };
    let mut report = Report::of(&claim.device, directory);
    introduce(&mut report, &telegram);
    report.device_time = telegram.text("timestamp").and_then(|text| stamp::timestamp(&text));
    for (field, raw) in telegram.list.iter().filter(|(field, _)| !ABOUT.contains(&field.as_str())) {
        // The radio's own field strength is true whatever the meter complains of.
        report.quality = if field == "rssi_dbm" { Quality::Good } else { quality.clone() };
        observe(&mut report, field, raw, &telegram);
    }
    for (field, raw) in &telegram.twice {
        report.fault(What::SaidTwice, field, raw);
    }
    complaints::say(&mut report, &complaints::of_words(&status));
    Ok(report.finish())
}

fn introduce(report: &mut Report<'_>, telegram: &Members<'_>) {
    let about = &mut report.about;
    if let Some(name) = telegram.text("name") {
        about.alias = Some(printable(&name));
        about.name = about.alias.clone();
    }
    let model = match (telegram.text("meter"), telegram.text("media")) {
        (Some(meter), Some(media)) => Some(format!("{meter} ({media})")),
        (Some(only), None) | (None, Some(only)) => Some(only),
        (None, None) => None,
    };
    about.model = model.map(|model| printable(&model)).or(about.model.take());
    about.silent_after_s = Some(SILENT_AFTER_S);
}

/// What the alarm shell wrote: `[ALARM <type>] <sentence>`. Of the reader, not of a meter; there is no message that takes it
/// back, so it ends by itself.
fn alarm(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let text = json::text(envelope.payload, json::MAX_TEXT)?;
    let mut report = Report::of(&claim.device, directory);
    report.about.name = report.about.name.take().or_else(|| Some("wmbusmeters".to_owned()));
    let (kind, words) = text.strip_prefix("[ALARM ").and_then(|rest| rest.split_once(']')).unwrap_or(("", text));
    let info = PropertyInfo::new("alarm", report::flag()).with(|one| {
        one.class = Some("problem".into());
        one.category = Category::Diagnostic;
        one.warning = Some(Warning::Fault);
        one.off_after_s = Some(3600);
    });
    // One that was retained is as old as the message.
    if !envelope.retained {
        report.say(info, Value::Bool(true));
        let words = printable(&format!("{}: {}", kind.trim(), words.trim()));
        let info = PropertyInfo::new("alarm_message", Shape::Text).with(|one| one.category = Category::Diagnostic);
        report.say(info, Value::Text(words));
    }
    Ok(report.finish())
}

/// wM-Bus meters are listened to; nothing can be said to them.
fn encode(command: &Command, _directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let target = command.target.clone();
    Err(EncodeError::ReadOnly { device: target.device, property: target.property })
}

/// Meters are only listened to.
fn is_command(_topic: &str, _directory: &Directory) -> bool {
    false
}

fn identity(payload: &[u8]) -> Option<String> {
    let document = json::document(payload, MAX_PAYLOAD).ok()?;
    let id = json::members(&document).ok()?.text("id")?;
    let is_id = id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| id.to_ascii_lowercase())
}

/// `status`, and `current_status` of older drivers: "OK", empty, or words such as "LEAKAGE DRY". Empty if nothing is wrong.
fn status(telegram: &Members<'_>) -> String {
    let status = telegram.text("status").or_else(|| telegram.text("current_status")).unwrap_or_default();
    let status = status.trim();
    if status.eq_ignore_ascii_case("OK") { String::new() } else { status.to_owned() }
}

fn observe(report: &mut Report<'_>, field: &str, raw: &str, telegram: &Members<'_>) {
    if matches!(Json::of(raw), Json::Array(_) | Json::Object(_)) {
        return report.fault(What::WrongType, field, raw);
    }
    let value = match json::scalar(raw) {
        Ok(Some(value)) => value,
        Ok(None) => return,
        Err(what) => return report.fault(what, field, raw),
    };
    let unit = suffix::unit(field);
    let shape = match &value {
        _ if unit.is_some() => report::number(),
        Value::Number(_) => report::number(),
        Value::Bool(_) => report::flag(),
        Value::Text(_) => Shape::Text,
    };
    let info = PropertyInfo::new(field, shape).with(|one| {
        one.unit = unit.unwrap_or(domovoi_model::Unit::None);
        one.dated_by = dates::of_field(field, telegram).map(Into::into);
    });
    report.say(info, value);
}
