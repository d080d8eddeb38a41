//! Victron Venus OS (dbus-flashmq, and dbus-mqtt before it): batteries, chargers, inverters, tanks behind a GX device.
//! `N/<portal>/<service>/<instance>/<path>` carries `{"value": …}`; the same below `W/` writes, below `R/` asks.
//!
//! A service with its instance is a device of its own behind the GX, whose identity is its portal id. It speaks only to who
//! asks it at least once a minute: it is asked when the broker is there again and when it is first heard, and on every tenth of
//! its heartbeats it is told that somebody listens. Deliberately left alone: `settings`, and paths that are not in the tables.

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Unit, Value};
use rust_decimal::Decimal;

use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report, measured};
use crate::slug::slug;
use crate::{
    Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, PropertyInfo, Reach,
    Reached, Shape, Warning, What, plain,
};

const NAME: &str = "venus";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["N"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    underway: plain::never_underway,
    greetings,
    errand: plain::no_errands,
    retained: plain::nothing_retained,
    confirms_within: Duration::from_secs(30),
};

/// Told to a GX that is awake: it need not say everything again.
const STILL_HERE: &str = r#"{"keepalive-options":["suppress-republish"]}"#;

/// The last words of a path, unit, class; whatever the service. The longest that fits counts.
const NUMBERS: &[(&str, Unit, &str)] = &[
    ("Soc", Unit::Percent, "battery"),
    ("TimeToGo", Unit::Second, "duration"),
    ("Voltage", Unit::Volt, "voltage"),
    ("Current", Unit::Ampere, "current"),
    ("Power", Unit::Watt, "power"),
    ("Frequency", Unit::Hertz, "frequency"),
    ("Temperature", Unit::Celsius, "temperature"),
    ("Humidity", Unit::Percent, "humidity"),
    ("Energy/Forward", Unit::KilowattHour, "energy"),
    ("Energy/Reverse", Unit::KilowattHour, "energy"),
    ("Yield/User", Unit::KilowattHour, "energy"),
    ("Yield/System", Unit::KilowattHour, "energy"),
    ("Pv/V", Unit::Volt, "voltage"),
    ("Level", Unit::Percent, ""),
    ("Remaining", Unit::CubicMetre, "volume"),
    ("Capacity", Unit::CubicMetre, "volume"),
];

/// The same of a Multi or Quattro, whose phases have letters only.
const VEBUS: &[(&str, Unit, &str)] = &[
    ("V", Unit::Volt, "voltage"),
    ("I", Unit::Ampere, "current"),
    ("P", Unit::Watt, "power"),
    ("S", Unit::VoltAmpere, "apparent_power"),
    ("F", Unit::Hertz, "frequency"),
];

fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

/// The base, the portal, and what is left.
fn split<'d, 't>(topic: &'t str, directory: &'d Directory) -> Option<(&'d str, &'t str, &'t str)> {
    let below = |base: &'d String| Some((base.as_str(), topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    let (base, rest) = directory.bases(NAME).iter().find_map(below)?;
    let (portal, rest) = rest.split_once('/')?;
    let is_portal = (6..=32).contains(&portal.len()) && portal.bytes().all(|b| b.is_ascii_alphanumeric());
    is_portal.then_some((base, portal, rest))
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let (_, portal, rest) = split(envelope.topic, directory)?;
    let claim =
        |id: String, part: &str| Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: part.to_owned() });
    let mut levels = rest.splitn(3, '/');
    match (levels.next()?, levels.next(), levels.next()) {
        (word @ ("heartbeat" | "keepalive" | "full_publish_completed"), None, None) => claim(portal.to_owned(), word),
        ("settings" | "platform", ..) => None,
        (service, Some(instance), Some(path)) if is_word(service) && instance.parse::<u32>().is_ok() => {
            claim(format!("{portal}-{service}-{instance}"), path)
        }
        _ => None,
    }
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let Some((base, portal, rest)) = split(envelope.topic, directory) else { return Ok(Decoded::default()) };
    let mut report = Report::of(&claim.device, directory);
    if claim.device.id == portal {
        gx(&mut report, base, portal);
        let is_tenth = claim.part == "heartbeat" && seconds(envelope.payload).is_some_and(|at| at.rem_euclid(30) < 3);
        if is_tenth {
            report.out.asks.push(Outgoing::command(format!("{}/{portal}/keepalive", beside(base, "R")), STILL_HERE));
        }
        return Ok(report.finish());
    }
    let is_first = directory.known(&DeviceRef::new(NAME, portal)).is_none();
    introduce(&mut report, base, portal, rest, &claim.part);
    // The service is gone from the bus, as an inverter is at night.
    if !envelope.payload.is_empty() {
        let document = json::document(envelope.payload, MAX_PAYLOAD)?;
        let members = json::members(&document).map_err(|what| DecodeError::new(what, &claim.part, &document))?;
        let raw = members.get("value").ok_or_else(|| DecodeError::new(What::Foreign, &claim.part, &document))?;
        value(&mut report, &claim.part, raw);
    }
    let mut out = report.finish();
    if is_first {
        let mut about = Report::of(&DeviceRef::new(NAME, portal), directory);
        gx(&mut about, base, portal);
        out.announcements.extend(about.finish().announcements);
        out.asks.push(Outgoing::command(format!("{}/{portal}/keepalive", beside(base, "R")), ""));
    }
    Ok(out)
}

/// The GX device itself: where it is asked and told.
fn gx(report: &mut Report<'_>, base: &str, portal: &str) {
    let about = &mut report.about;
    about.name = Some(format!("Venus {portal}"));
    about.model = Some("Victron GX".to_owned());
    about.listens = vec![format!("{}/{portal}", beside(base, "R"))];
}

fn introduce(report: &mut Report<'_>, base: &str, portal: &str, rest: &str, path: &str) {
    let about = &mut report.about;
    let head = rest.strip_suffix(path).unwrap_or(rest).trim_end_matches('/');
    about.alias = Some(format!("{portal}/{head}"));
    about.via = Some(DeviceRef::new(NAME, portal));
    about.listens = vec![format!("{}/{portal}/{head}", beside(base, "W"))];
    about.speaks = vec![format!("{base}/{portal}/{head}")];
}

fn value(report: &mut Report<'_>, path: &str, raw: &str) {
    let said = match json::scalar(raw) {
        Ok(said) => said,
        Err(What::WrongType) => return,
        Err(what) => return report.fault(what, path, raw),
    };
    let text = match &said {
        Some(Value::Text(text)) if !text.is_empty() => Some(printable(text)),
        _ => None,
    };
    match path {
        "ProductName" => report.about.model = text.map(|name| format!("Victron {name}")).or(report.about.model.take()),
        "CustomName" => report.about.name = text.or(report.about.name.take()),
        "Serial" => report.about.serial = text.or(report.about.serial.take()),
        "Connected" => {
            let available = said == Some(Value::Number(Decimal::ONE));
            report.about.reaches = vec![Reach::Latest];
            let device = report.about.device.clone();
            report.out.reached.push(Reached { device, group: 0, source: 0, available });
        }
        _ => property(report, path, raw, said),
    }
}

fn property(report: &mut Report<'_>, path: &str, raw: &str, said: Option<Value>) {
    let name = path.split('/').map(slug).collect::<Vec<_>>().join(".");
    if let Some(alarm) = path.strip_prefix("Alarms/") {
        let info = PropertyInfo::new(name, report::flag()).with(|one| {
            one.label = Some(printable(alarm).into());
            one.category = Category::Diagnostic;
            one.class = Some("problem".into());
            one.warning = Some(warning(alarm));
        });
        // 0 none, 1 warning, 2 alarm.
        return match said {
            Some(Value::Number(number)) => report.say(info, Value::Bool(number > Decimal::ZERO)),
            Some(_) => report.fault(What::WrongType, path, raw),
            None => report.has(info),
        };
    }
    let is_vebus = report.about.device.id.contains("-vebus-");
    if is_relay(path) {
        let info = PropertyInfo::new(name, report::switch("1", "0")).with(|one| {
            one.writable = true;
            one.class = Some("switch".into());
        });
        return match said {
            Some(Value::Number(number)) if number == Decimal::ZERO || number == Decimal::ONE => {
                report.say(info, Value::Bool(!number.is_zero()));
            }
            Some(_) => report.fault(What::WrongType, path, raw),
            None => report.has(info),
        };
    }
    let ends = |(end, ..): &&(&str, Unit, &str)| path == *end || path.ends_with(&format!("/{end}"));
    let row = NUMBERS.iter().find(ends).or_else(|| VEBUS.iter().find(ends).filter(|_| is_vebus));
    if let Some((_, unit, class)) = row {
        report.raw(measured(name, *unit, Some(*class).filter(|class| !class.is_empty())), raw);
    }
}

/// What an alarm of a battery or an inverter warns of.
fn warning(alarm: &str) -> Warning {
    match alarm.rsplit('/').next().unwrap_or(alarm) {
        "LowSoc" | "LowBattery" | "LowVoltage" => Warning::Battery,
        "Overload" | "HighTemperature" | "HighCurrent" | "HighDischargeCurrent" => Warning::Overload,
        "LowTemperature" => Warning::Frost,
        _ => Warning::Fault,
    }
}

/// `{"value": 0}` below `W/`, on the same path.
fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    let read_only = || EncodeError::ReadOnly { device: device.clone(), property: property.clone() };
    let listens = known.listens.first().filter(|_| info.writable).ok_or_else(read_only)?;
    let relay = property.strip_prefix("relay.").and_then(|rest| rest.strip_suffix(".state")).ok_or_else(read_only)?;
    match (&command.value, &info.shape) {
        (Value::Bool(flag), Shape::Switch { .. }) => {
            let payload = format!(r#"{{"value":{}}}"#, u8::from(*flag));
            Ok(vec![Outgoing::command(format!("{listens}/Relay/{relay}/State"), payload)])
        }
        _ => {
            let wanted = "yes or no".to_owned();
            Err(EncodeError::BadValue { device: device.clone(), property: property.clone(), wanted })
        }
    }
}

/// Whatever is written or asked there.
fn is_command(topic: &str, directory: &Directory) -> bool {
    let below = |base: String| topic.strip_prefix(&base).is_some_and(|rest| rest.starts_with('/'));
    directory.bases(NAME).iter().any(|base| below(beside(base, "W")) || below(beside(base, "R")))
}

/// Every GX that is known says all that it has.
fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let all = directory.devices_of(NAME).filter(|known| known.via.is_none());
    let asked = all.flat_map(|known| &known.listens).map(|topic| format!("{topic}/keepalive"));
    asked.map(|topic| Outgoing::command(topic, "")).collect()
}

fn is_relay(path: &str) -> bool {
    let number = path.strip_prefix("Relay/").and_then(|rest| rest.strip_suffix("/State"));
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The base in which the last level is another: `N` → `W`, `boat/N` → `boat/W`.
fn beside(base: &str, word: &str) -> String {
    match base.rsplit_once('/') {
        Some((head, _)) => format!("{head}/{word}"),
        None => word.to_owned(),
    }
}

/// `{"value":1702459522}`
fn seconds(payload: &[u8]) -> Option<i64> {
    let document = json::document(payload, MAX_PAYLOAD).ok()?;
    let members = json::members(&document).ok()?;
    members.get("value")?.trim().parse().ok()
}
