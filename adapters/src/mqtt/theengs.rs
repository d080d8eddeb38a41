//! OpenMQTTGateway and Theengs Gateway: what Bluetooth sensors say to everybody, one JSON for each advertisement in
//! `<base>/BTtoMQTT/<mac>`; `<base>/LWT` says whether the gateway is there.
//!
//! The identity is the sensor's MAC; several gateways that hear one sensor say the same of it. Nobody vouches for a Bluetooth
//! advertisement, so that every value is marked as overheard. Deliberately left alone: advertisements that no decoder knew
//! (phones of whoever walks by), raw data, distances, and the gateway's other radios.

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Unit, Value};

use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD, Members};
use crate::report::{self, Report, measured};
use crate::{
    Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Hearsay, Outgoing, PropertyInfo,
    Reach, Reached, Shape, Warning, What, dangers, plain,
};

const NAME: &str = "theengs";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["home/OpenMQTTGateway", "home/TheengsGateway"],
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

/// Field, unit, class; Theengs Decoder's table of properties.
const NUMBERS: &[(&str, Unit, &str)] = &[
    ("tempc", Unit::Celsius, "temperature"),
    ("tempc2", Unit::Celsius, "temperature"),
    ("tempc3", Unit::Celsius, "temperature"),
    ("tempc4", Unit::Celsius, "temperature"),
    ("hum", Unit::Percent, "humidity"),
    ("moi", Unit::Percent, "moisture"),
    ("batt", Unit::Percent, "battery"),
    ("volt", Unit::Volt, "voltage"),
    ("current", Unit::Ampere, "current"),
    ("power", Unit::Watt, "power"),
    ("energy", Unit::KilowattHour, "energy"),
    ("lux", Unit::Lux, "illuminance"),
    ("co2", Unit::PartsPerMillion, "carbon_dioxide"),
    ("pm25", Unit::MicrogramPerCubicMetre, "pm25"),
    ("pm10", Unit::MicrogramPerCubicMetre, "pm10"),
    ("dp", Unit::Celsius, "temperature"),
    ("weight", Unit::Kilogram, "weight"),
    ("rssi", Unit::DecibelMilliwatt, "signal_strength"),
];

/// Yes or no, and what is warned of.
const FLAGS: &[(&str, &str, Option<Warning>)] = &[
    ("open", "opening", None),
    ("motion", "motion", None),
    ("moving", "moving", None),
    ("presence", "occupancy", None),
    ("lowbatt", "battery", Some(Warning::Battery)),
    ("tamper", "tamper", Some(Warning::Tamper)),
];

fn topics(directory: &Directory) -> Vec<String> {
    let of = |base: &String| [format!("{base}/BTtoMQTT/+"), format!("{base}/LWT")];
    directory.bases(NAME).iter().flat_map(of).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let below = |base: &'_ String| Some((base.clone(), envelope.topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    let (base, rest) = directory.bases(NAME).iter().find_map(below)?;
    let claim = |id: String| Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: base.clone() });
    match rest.split_once('/') {
        None if rest == "LWT" => claim(format!("gateway:{base}")),
        Some(("BTtoMQTT", mac)) => claim(mac_of(mac)?),
        _ => None,
    }
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    // An advertisement that a broker kept is as old as it is.
    let is_gateway = claim.device.id.starts_with("gateway:");
    if envelope.payload.is_empty() || (envelope.retained && !is_gateway) {
        return Ok(Decoded::default());
    }
    let mut report = Report::of(&claim.device, directory);
    if is_gateway {
        gateway(&mut report, &claim.part, json::text(envelope.payload, MAX_PAYLOAD)?.trim())?;
        return Ok(report.finish());
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "the advertisement", &document))?;
    // What no decoder knew has no model, and as often as not an address that is another tomorrow.
    let Some(model) = members.text("model_id").or_else(|| members.text("model")) else { return Ok(Decoded::default()) };
    introduce(&mut report, &claim.part, &members, &model);
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, key, raw);
    }
    for (key, raw) in &members.list {
        field(&mut report, key, raw);
    }
    Ok(report.finish())
}

/// `online`, `offline`: another gateway may hear the same sensors, so that nothing follows for those.
fn gateway(report: &mut Report<'_>, base: &str, word: &str) -> Result<(), DecodeError> {
    let available = match word {
        "online" => true,
        "offline" => false,
        _ => return Err(DecodeError::new(What::WrongType, "LWT", word)),
    };
    let about = &mut report.about;
    about.name = Some(printable(base.rsplit('/').next().unwrap_or(base)));
    about.model = Some("OpenMQTTGateway".to_owned());
    about.reaches = vec![Reach::Latest];
    let device = about.device.clone();
    report.out.reached.push(Reached { device, group: 0, source: 0, available });
    Ok(())
}

fn introduce(report: &mut Report<'_>, base: &str, members: &Members<'_>, model: &str) {
    let about = &mut report.about;
    let words = [members.text("brand"), members.text("model").or_else(|| Some(model.to_owned()))];
    about.model = Some(printable(&words.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    about.name = members.text("name").map(|name| printable(&name)).or(about.name.take());
    about.via = about.via.take().or_else(|| Some(DeviceRef::new(NAME, format!("gateway:{base}"))));
    about.sleeps = true;
}

fn field(report: &mut Report<'_>, key: &str, raw: &str) {
    if let Some((name, unit, class)) = NUMBERS.iter().find(|(name, ..)| *name == key) {
        let info = measured(*name, *unit, Some(class)).with(|one| {
            if matches!(*name, "batt" | "rssi" | "volt") {
                one.category = Category::Diagnostic;
            }
        });
        return report.raw(overheard(info), raw);
    }
    let flag = FLAGS.iter().find(|(name, ..)| *name == key);
    let danger = dangers::of_name(key);
    if flag.is_none() && danger.is_none() {
        return;
    }
    let said = match json::scalar(raw) {
        Ok(Some(Value::Bool(flag))) => flag,
        Ok(Some(Value::Number(number))) if number.is_integer() => !number.is_zero(),
        Ok(None) => return,
        _ => return report.fault(What::WrongType, key, raw),
    };
    let info = PropertyInfo::new(key, report::flag()).with(|one| {
        one.class = flag.map(|(_, class, _)| (*class).into());
        one.warning = flag.and_then(|(.., warning)| *warning);
        if let Some((hazard, class)) = danger.filter(|_| flag.is_none()) {
            one.hazard = Some(hazard);
            one.class = Some(class.into());
        }
    });
    report.say(overheard(info), Value::Bool(said));
}

fn overheard(info: PropertyInfo) -> PropertyInfo {
    debug_assert!(!matches!(info.shape, Shape::Unknown), "each has a shape");
    info.with(|one| one.hearsay = Some(Hearsay::Overheard))
}

/// Twelve hexadecimal digits, perhaps with colons.
fn mac_of(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    (digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

/// Sensors only speak.
fn encode(command: &Command, _: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let target = command.target.clone();
    Err(EncodeError::ReadOnly { device: target.device, property: target.property })
}

/// `commands/MQTTtoBT/config` and its kin set the gateway.
fn is_command(topic: &str, directory: &Directory) -> bool {
    directory
        .bases(NAME)
        .iter()
        .any(|base| topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with("/commands/")))
}
