//! AI-on-the-edge-device: a camera in front of a meter, and a program that reads its digits. `<topic>/<number>/json` with
//! everything that was read at one time, the same field by field, and how the device fares.
//!
//! A base is the main topic of one device; its identity is the MAC that it tells there, and until then `topic:<base>`. What
//! was read from a picture is the program's word and not the meter's: it is marked so. With `error` it is no reading at all.
//! The unit is not told. Deliberately left alone: pictures, and the settings of the device.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Quality, Unit, Value};
use rust_decimal::Decimal;

use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report, measured};
use crate::{
    Announcement, Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Hearsay, Lore,
    Outgoing, PropertyInfo, Reach, Reached, Shape, Warning, What, plain, stamp,
};

const NAME: &str = "ai_on_the_edge";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["watermeter"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained,
    // A round of taking and reading a picture.
    confirms_within: Duration::from_secs(300),
};

/// What nothing is wrong with.
const NO_ERROR: &str = "no error";
/// Numbers that one device reads; more do not fit a picture.
const MAX_NUMBERS: usize = 16;

/// What was heard of each number: the error that stands, and whether it says everything in one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Numbers(Vec<Number>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Number {
    name: String,
    error: String,
    is_whole: bool,
}

fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().flat_map(|base| [format!("{base}/+"), format!("{base}/+/+")]).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let (base, part) = split(envelope.topic, directory)?;
    let levels: Vec<&str> = part.split('/').collect();
    let ours = match levels.as_slice() {
        ["MAC" | "Connection" | "Uptime" | "wifiRSSI" | "CPUtemp" | "Status"] => true,
        ["ctrl", _] => false,
        [number, "value" | "raw" | "error" | "rate" | "json"] => json::is_name(number),
        _ => false,
    };
    if !ours {
        return None;
    }
    let mac = if part == "MAC" { std::str::from_utf8(envelope.payload).ok().and_then(mac_of) } else { None };
    let device = match (mac, directory.speaker(NAME, envelope.topic)) {
        (Some(mac), _) => DeviceRef::new(NAME, mac),
        (None, Some((device, _))) => device.clone(),
        (None, None) => DeviceRef::new(NAME, format!("topic:{base}")),
    };
    Some(Claim { dialect: NAME, device, part: part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let Some((base, _)) = split(envelope.topic, directory) else { return Ok(Decoded::default()) };
    let mut report = Report::of(&claim.device, directory);
    let mut gone = Vec::new();
    if claim.part == "MAC" {
        if mac_of(text).is_none() {
            return Err(DecodeError::new(What::BadName, "MAC", text));
        }
        gone = inherit(&mut report, base, directory);
    }
    introduce(&mut report.about, base);
    let levels: Vec<&str> = claim.part.split('/').collect();
    match levels.as_slice() {
        ["Connection"] => connection(&mut report, text),
        ["Uptime"] => report.plain(aside(measured("uptime", Unit::Second, Some("duration"))), text),
        ["wifiRSSI"] => report.plain(aside(measured("rssi", Unit::DecibelMilliwatt, Some("signal_strength"))), text),
        ["CPUtemp"] => report.plain(aside(measured("cpu_temperature", Unit::Celsius, Some("temperature"))), text),
        ["Status"] if !text.is_empty() => {
            report.say(aside(PropertyInfo::new("status", Shape::Text)), Value::Text(printable(text)));
        }
        [number, field] => read(&mut report, number, field, text)?,
        _ => {}
    }
    let mut out = report.finish();
    out.announcements.splice(0..0, gone);
    Ok(out)
}

/// Who was called after its topic until now is this one.
fn inherit(report: &mut Report<'_>, base: &str, directory: &Directory) -> Vec<Announcement> {
    let makeshift = DeviceRef::new(NAME, format!("topic:{base}"));
    let Some(before) = directory.known(&makeshift) else { return Vec::new() };
    for info in &before.properties {
        report.has(info.clone());
    }
    report.about.lore = report.about.lore.take().or_else(|| before.lore.clone());
    vec![Announcement { gone: true, ..Announcement::of(makeshift) }]
}

fn introduce(about: &mut Announcement, base: &str) {
    if about.speaks.first().is_some_and(|speaks| speaks == base) {
        return;
    }
    about.alias = Some(base.to_owned());
    about.name = Some(printable(base));
    about.model = Some("AI-on-the-edge-device".to_owned());
    about.speaks = vec![base.to_owned()];
    about.listens = vec![format!("{base}/ctrl")];
    about.reaches = vec![Reach::Latest];
    let start = PropertyInfo::new("flow_start", Shape::Choice(vec!["start".to_owned()])).with(|one| {
        one.writable = true;
        one.reported = false;
        one.class = Some("button".into());
        one.category = Category::Setting;
    });
    if about.property(&start.name).is_none() {
        about.properties.push(start);
    }
}

fn connection(report: &mut Report<'_>, text: &str) {
    let available = match text {
        "connected" => true,
        "connection lost" | "disconnected" => false,
        _ => return report.fault(What::WrongType, "Connection", text),
    };
    let device = report.about.device.clone();
    report.out.reached.push(Reached { device, group: 0, source: 0, available });
}

/// What was read of one number.
fn read(report: &mut Report<'_>, name: &str, field: &str, text: &str) -> Result<(), DecodeError> {
    let mut numbers = report.about.lore.as_ref().and_then(|lore| lore.get::<Numbers>()).cloned().unwrap_or_default();
    let before = numbers.clone();
    let Some(number) = numbers.entry(name) else {
        return Err(DecodeError::new(What::TooMany, name, ""));
    };
    let prevalue = PropertyInfo::new(format!("{name}.prevalue"), report::number()).with(|one| {
        one.writable = true;
        one.reported = false;
        one.category = Category::Setting;
        one.shape = Shape::Number { min: Some(Decimal::ZERO), max: None };
    });
    report.has(prevalue);
    match field {
        "json" => {
            number.is_whole = true;
            let document = json::document(text.as_bytes(), MAX_PAYLOAD)?;
            let members = json::members(&document).map_err(|what| DecodeError::new(what, name, &document))?;
            for (key, raw) in &members.twice {
                report.fault(What::SaidTwice, &format!("{name}.{key}"), raw);
            }
            report.device_time = members.text("timestamp").and_then(|text| stamp::timestamp(&text));
            number.error = members.text("error").map(|error| printable(&error)).unwrap_or_default();
            error(report, number);
            for key in ["value", "rate", "raw"] {
                if let Some(raw) = members.get(key) {
                    // All are texts; some builds write numbers.
                    let text = json::string(raw).unwrap_or_else(|_| raw.to_owned());
                    say(report, number, key, &text);
                }
            }
        }
        "error" => {
            number.error = printable(text);
            error(report, number);
        }
        // Field by field they come in no order that would say which error is of which value.
        _ if number.is_whole => {}
        field => say(report, number, field, text),
    }
    if numbers != before {
        report.about.lore = Some(Lore::new(numbers));
    }
    Ok(())
}

impl Numbers {
    fn entry(&mut self, name: &str) -> Option<&mut Number> {
        let at = match self.0.iter().position(|number| number.name == name) {
            Some(at) => at,
            None if self.0.len() >= MAX_NUMBERS => return None,
            None => {
                self.0.push(Number { name: name.to_owned(), ..Number::default() });
                self.0.len().checked_sub(1)?
            }
        };
        self.0.get_mut(at)
    }
}

impl Number {
    fn complains(&self) -> bool {
        !self.error.is_empty() && !self.error.eq_ignore_ascii_case(NO_ERROR)
    }
}

fn error(report: &mut Report<'_>, number: &Number) {
    let info = PropertyInfo::new(format!("{}.error", number.name), report::flag()).with(|one| {
        one.class = Some("problem".into());
        one.category = Category::Diagnostic;
        one.warning = Some(Warning::Fault);
    });
    report.say(info, Value::Bool(number.complains()));
}

/// A value; one that the device itself complains of is kept as suspect, and a bill is never written on it.
fn say(report: &mut Report<'_>, number: &Number, field: &str, text: &str) {
    let text = text.trim();
    report.quality = if number.complains() { Quality::Suspect(number.error.clone()) } else { Quality::Good };
    let name = format!("{}.{field}", number.name);
    match field {
        // With digits that could not be read: 00521.1N.
        "raw" => {
            let info = PropertyInfo::new(name, Shape::Text);
            if !text.is_empty() {
                report.say(aside(info), Value::Text(printable(text)));
            }
        }
        _ => {
            let info = measured(name, Unit::None, None).with(|one| one.hearsay = Some(Hearsay::Estimated));
            report.plain(info, text);
        }
    }
}

fn aside(info: PropertyInfo) -> PropertyInfo {
    info.with(|one| one.category = Category::Diagnostic)
}

/// `ctrl/flow_start`, and the value that the next picture is compared with.
fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).filter(|known| !known.speaks.is_empty());
    let known = known.ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    if !info.writable {
        return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() });
    }
    let base = known.speaks.first().map_or("", String::as_str);
    let bad = |wanted: &str| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted: wanted.to_owned(),
    };
    match (property.strip_suffix(".prevalue"), &command.value) {
        // A negative one would mean: whatever the picture says.
        (Some(number), Value::Number(value)) if !value.is_sign_negative() => {
            let payload = format!("{{\"numbersname\":{},\"value\":{value}}}", json::quoted(number));
            Ok(vec![Outgoing::command(format!("{base}/ctrl/set_prevalue"), payload)])
        }
        (Some(_), _) => Err(bad("a number that is not negative")),
        (None, Value::Text(word)) if word == "start" => {
            Ok(vec![Outgoing::command(format!("{base}/ctrl/flow_start"), "start")])
        }
        (None, _) => Err(bad("start")),
    }
}

fn is_command(topic: &str, directory: &Directory) -> bool {
    split(topic, directory).is_some_and(|(_, part)| part.starts_with("ctrl/"))
}

/// Everything is retained, if the device is set so.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let numbers = known.lore.as_ref().and_then(|lore| lore.get::<Numbers>());
    let fields = ["value", "raw", "error", "rate", "json"];
    let of = |base: &String| {
        let numbers = numbers.iter().flat_map(|numbers| &numbers.0);
        let own = ["MAC", "Connection", "Uptime", "wifiRSSI", "CPUtemp", "Status"].map(|word| format!("{base}/{word}"));
        let of_numbers: Vec<String> =
            numbers.flat_map(|number| fields.map(|field| format!("{base}/{}/{field}", number.name))).collect();
        own.into_iter().chain(of_numbers)
    };
    known.speaks.iter().flat_map(of).collect()
}

fn split<'d, 't>(topic: &'t str, directory: &'d Directory) -> Option<(&'d str, &'t str)> {
    let below = |base: &'d String| Some((base.as_str(), topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    directory.bases(NAME).iter().find_map(below)
}

fn mac_of(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != ':').collect();
    let ok = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| digits.to_ascii_uppercase())
}
