//! OpenDTU: micro-inverters on a balcony or a roof. `<base>/<serial>/0/power` and its kin, `…/status/reachable`,
//! `…/cmd/…`, `<base>/dtu/status`, `<base>/ac/…` of all together.
//!
//! The identity of an inverter is its serial number; of the gateway its base. An inverter that sleeps at night is out of
//! reach, and nobody's fault. Deliberately left alone: addresses and networks of the gateway, statistics of its radio.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Observation, Unit, Value};
use rust_decimal::Decimal;

use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report, measured};
use crate::{
    Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, PropertyInfo, Reach,
    Reached, Shape, What, plain, stamp,
};

const NAME: &str = "opendtu";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["solar"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained,
    // An inverter is asked in turn, and answers when the sun lets it.
    confirms_within: Duration::from_secs(120),
};

/// Strings of an inverter; the largest has six.
const MAX_STRINGS: u8 = 8;

/// Quantity, unit, class.
type Row = (&'static str, Unit, Option<&'static str>);

/// What channels measure: 0 is the grid's side, 1 and up are the strings.
const CHANNEL: &[Row] = &[
    ("power", Unit::Watt, Some("power")),
    ("powerdc", Unit::Watt, Some("power")),
    ("voltage", Unit::Volt, Some("voltage")),
    ("current", Unit::Ampere, Some("current")),
    ("frequency", Unit::Hertz, Some("frequency")),
    ("temperature", Unit::Celsius, Some("temperature")),
    ("powerfactor", Unit::None, Some("power_factor")),
    ("reactivepower", Unit::Var, Some("reactive_power")),
    ("efficiency", Unit::Percent, None),
    ("irradiation", Unit::Percent, None),
    ("yieldday", Unit::WattHour, Some("energy")),
    ("yieldtotal", Unit::KilowattHour, Some("energy")),
];

/// Of the gateway itself.
const DTU: &[Row] = &[
    ("uptime", Unit::Second, Some("duration")),
    ("rssi", Unit::DecibelMilliwatt, Some("signal_strength")),
    ("temperature", Unit::Celsius, Some("temperature")),
];

fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let (base, rest) = split(envelope.topic, directory)?;
    let (head, part) = rest.split_once('/')?;
    let levels: Vec<&str> = part.split('/').collect();
    let claim = |device, part: String| Some(Claim { dialect: NAME, device, part });
    match (head, levels.as_slice()) {
        ("dtu", ["status"]) => claim(dtu(base), "dtu/status".to_owned()),
        ("dtu", [quantity]) if row(DTU, quantity).is_some() => claim(dtu(base), format!("dtu/{quantity}")),
        ("ac" | "dc", [_]) => claim(dtu(base), rest.to_owned()),
        (serial, levels) if is_serial(serial) => {
            let ours = match levels {
                ["name"] => true,
                ["status", _] => true,
                ["device", _] => true,
                [channel, "name"] | [channel, _] => channel.parse::<u8>().is_ok_and(|n| n <= MAX_STRINGS),
                _ => false,
            };
            if ours { claim(DeviceRef::new(NAME, serial), part.to_owned()) } else { None }
        }
        _ => None,
    }
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    if text.is_empty() {
        return Ok(Decoded::default());
    }
    let Some((base, _)) = split(envelope.topic, directory) else { return Ok(Decoded::default()) };
    let mut report = Report::of(&claim.device, directory);
    let levels: Vec<&str> = claim.part.split('/').collect();
    match levels.as_slice() {
        ["dtu", "status"] => gateway(&mut report, base, text, directory)?,
        ["dtu", quantity] => {
            if let Some((name, unit, class)) = row(DTU, quantity) {
                report.plain(aside(measured(*name, *unit, *class)), text);
            }
        }
        [side @ ("ac" | "dc"), quantity] => {
            if let Some((name, unit, class)) = row(CHANNEL, quantity) {
                report.plain(measured(format!("{side}.{name}"), *unit, *class), text);
            }
        }
        _ => inverter(&mut report, base, &levels, text)?,
    }
    Ok(report.finish())
}

/// `online`, `offline`: behind a gateway that is away no inverter is in reach.
fn gateway(report: &mut Report<'_>, base: &str, text: &str, directory: &Directory) -> Result<(), DecodeError> {
    let available = match text {
        "online" => true,
        "offline" => false,
        _ => return Err(DecodeError::new(What::WrongType, "dtu/status", text)),
    };
    let about = &mut report.about;
    about.name = about.name.take().or_else(|| Some(format!("OpenDTU {}", printable(base))));
    about.model = Some("OpenDTU".to_owned());
    about.reaches = vec![Reach::Latest];
    let device = about.device.clone();
    let behind = directory.devices_of(NAME).filter(|known| known.via.as_ref() == Some(&device));
    let said: Vec<Reached> =
        behind.map(|known| Reached { device: known.device.clone(), group: 0, source: 1, available }).collect();
    report.out.reached.push(Reached { device, group: 0, source: 0, available });
    report.out.reached.extend(said);
    Ok(())
}

fn inverter(report: &mut Report<'_>, base: &str, levels: &[&str], text: &str) -> Result<(), DecodeError> {
    introduce(report, base);
    match levels {
        ["name"] => report.about.name = Some(printable(text)),
        ["device", "hwpartnumber"] => report.about.model = Some(format!("Hoymiles {}", printable(text))),
        ["status", "reachable"] => {
            let available = match text {
                "1" => true,
                "0" => false,
                _ => return Err(DecodeError::new(What::WrongType, "status/reachable", text)),
            };
            let device = report.about.device.clone();
            report.out.reached.push(Reached { device, group: 0, source: 0, available });
        }
        ["status", "producing"] => {
            let info = PropertyInfo::new("producing", report::switch("1", "0")).with(|one| {
                one.writable = true;
                one.class = Some("switch".into());
                one.settles_within_s = Some(120);
            });
            report.plain(info, text);
        }
        ["status", "limit_relative"] => {
            let info = measured("limit_relative", Unit::Percent, None).with(|one| {
                one.shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) };
                one.writable = true;
                one.category = Category::Setting;
            });
            report.plain(info, text);
        }
        ["status", "limit_absolute"] => {
            let info = measured("limit_absolute", Unit::Watt, Some("power")).with(|one| {
                one.shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::from(10_000)) };
                one.writable = true;
                one.category = Category::Setting;
            });
            report.plain(info, text);
        }
        ["status", "last_update"] => {
            // When the values beside it were true; nobody needs it twice.
            let seconds: Option<i64> = text.parse().ok();
            if seconds.and_then(|seconds| stamp::plausible(seconds.checked_mul(1000)?)).is_none() && text != "0" {
                report.fault(What::WrongType, "status/last_update", text);
            }
        }
        [channel, quantity] => {
            if let Some((name, unit, class)) = row(CHANNEL, quantity) {
                report.plain(measured(format!("{channel}.{name}"), *unit, *class), text);
            }
        }
        _ => {}
    }
    Ok(())
}

fn introduce(report: &mut Report<'_>, base: &str) {
    let about = &mut report.about;
    let topic = format!("{base}/{}", about.device.id);
    if about.speaks.first() == Some(&topic) {
        return;
    }
    about.listens = vec![format!("{topic}/cmd")];
    about.alias = Some(about.device.id.clone());
    about.serial = Some(about.device.id.clone());
    about.via = Some(dtu(base));
    about.speaks = vec![topic];
    about.reaches = vec![Reach::All(2)];
}

/// `cmd/power`, and limits that the inverter forgets at night.
fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    let read_only = || EncodeError::ReadOnly { device: device.clone(), property: property.clone() };
    let listens = known.listens.first().filter(|_| info.writable).ok_or_else(read_only)?;
    let bad = |wanted: String| EncodeError::BadValue { device: device.clone(), property: property.clone(), wanted };
    let (word, payload) = match (property.as_str(), &command.value, &info.shape) {
        ("producing", Value::Bool(flag), _) => ("power", if *flag { "1" } else { "0" }.to_owned()),
        ("producing", ..) => return Err(bad("yes or no".to_owned())),
        (_, Value::Number(number), Shape::Number { min: Some(min), max: Some(max) })
            if number >= min && number <= max =>
        {
            let word = match property.as_str() {
                "limit_relative" => "limit_nonpersistent_relative",
                _ => "limit_nonpersistent_absolute",
            };
            (word, number.normalize().to_string())
        }
        (_, _, Shape::Number { min: Some(min), max: Some(max) }) => {
            return Err(bad(format!("a number from {min} to {max}")));
        }
        _ => return Err(read_only()),
    };
    Ok(vec![Outgoing::command(format!("{listens}/{word}"), payload)])
}

fn is_command(topic: &str, directory: &Directory) -> bool {
    let Some((_, rest)) = split(topic, directory) else { return false };
    rest.split_once('/').is_some_and(|(serial, part)| is_serial(serial) && part.starts_with("cmd/"))
}

/// An inverter keeps its limit in tenths of a per cent.
fn confirms(command: &Command, report: &Observation, _: &Directory) -> bool {
    match (&command.value, &report.value) {
        (Value::Number(wanted), Value::Number(said)) => {
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= Decimal::ONE)
        }
        (wanted, said) => wanted == said,
    }
}

/// Everything, if the gateway is set so.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let Some(topic) = known.speaks.first() else { return Vec::new() };
    let fixed = ["name", "status/reachable", "status/producing", "status/limit_relative", "status/limit_absolute"];
    let values = known.properties.iter().filter(|info| info.name.contains('.'));
    let values = values.map(|info| format!("{topic}/{}", info.name.replace('.', "/")));
    fixed.iter().map(|part| format!("{topic}/{part}")).chain(values).collect()
}

fn aside(info: PropertyInfo) -> PropertyInfo {
    info.with(|one| one.category = Category::Diagnostic)
}

fn row(table: &'static [Row], quantity: &str) -> Option<&'static Row> {
    table.iter().find(|(name, ..)| *name == quantity)
}

fn dtu(base: &str) -> DeviceRef {
    DeviceRef::new(NAME, format!("dtu:{base}"))
}

/// Twelve digits.
fn is_serial(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn split<'d, 't>(topic: &'t str, directory: &'d Directory) -> Option<(&'d str, &'t str)> {
    let below = |base: &'d String| Some((base.as_str(), topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    directory.bases(NAME).iter().find_map(below)
}
