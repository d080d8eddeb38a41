//! The customer port of Dutch, Belgian and Scandinavian electricity meters (DSMR 2.2 to 5, eMUCs), as programs that read it
//! hand it on: whole telegrams as they came from the port, and DSMR-reader's own topics (`dsmr/reading/<field>`, one JSON in
//! `dsmr/json`).
//!
//! The identity is the meter's number where a telegram names it (0-0:96.1.1), else the base. A telegram with a checksum that
//! does not fit it is no reading. Deliberately left alone: text messages of the grid, logs of power failures, and the totals
//! by day that a program works out by itself.

mod telegram;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Unit};

use crate::json::{self, MAX_PAYLOAD};
use crate::report::{Report, measured};
use crate::{Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, What, plain, stamp};

const NAME: &str = "dsmr";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["dsmr"],
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
    confirms_within: Duration::from_secs(10),
};

/// Fields of DSMR-reader, their units and classes.
const FIELDS: &[(&str, Unit, &str)] = &[
    ("electricity_delivered_1", Unit::KilowattHour, "energy"),
    ("electricity_delivered_2", Unit::KilowattHour, "energy"),
    ("electricity_returned_1", Unit::KilowattHour, "energy"),
    ("electricity_returned_2", Unit::KilowattHour, "energy"),
    ("electricity_currently_delivered", Unit::Kilowatt, "power"),
    ("electricity_currently_returned", Unit::Kilowatt, "power"),
    ("phase_currently_delivered_l1", Unit::Kilowatt, "power"),
    ("phase_currently_delivered_l2", Unit::Kilowatt, "power"),
    ("phase_currently_delivered_l3", Unit::Kilowatt, "power"),
    ("phase_currently_returned_l1", Unit::Kilowatt, "power"),
    ("phase_currently_returned_l2", Unit::Kilowatt, "power"),
    ("phase_currently_returned_l3", Unit::Kilowatt, "power"),
    ("phase_voltage_l1", Unit::Volt, "voltage"),
    ("phase_voltage_l2", Unit::Volt, "voltage"),
    ("phase_voltage_l3", Unit::Volt, "voltage"),
    ("phase_power_current_l1", Unit::Ampere, "current"),
    ("phase_power_current_l2", Unit::Ampere, "current"),
    ("phase_power_current_l3", Unit::Ampere, "current"),
    // Gas, or water: what hangs on the meter's second bus.
    ("extra_device_delivered", Unit::CubicMetre, "gas"),
];

fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().flat_map(|base| [base.clone(), format!("{base}/#")]).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let base = directory.bases(NAME).iter().find(|base| {
        envelope.topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    let part = envelope.topic.get(base.len()..)?.trim_start_matches('/');
    let by_base = || DeviceRef::new(NAME, base.as_str());
    if envelope.payload.starts_with(b"/") {
        let meter = telegram::identity(envelope.payload);
        let device = meter.map_or_else(by_base, |meter| DeviceRef::new(NAME, meter));
        return Some(Claim { dialect: NAME, device, part: "telegram".to_owned() });
    }
    let field = part.strip_prefix("reading/");
    let ours = part == "json" || field.is_some_and(|field| FIELDS.iter().any(|(name, ..)| *name == field));
    ours.then(|| Claim { dialect: NAME, device: by_base(), part: part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    let mut report = Report::of(&claim.device, directory);
    // A meter speaks each second, or at least each ten; what a broker lost comes soon again.
    report.about.silent_after_s = Some(3600);
    if claim.part == "telegram" {
        telegram::read(&mut report, envelope.payload)?;
        return Ok(report.finish());
    }
    report.about.name = report.about.name.take().or_else(|| Some("DSMR".to_owned()));
    if let Some(field) = claim.part.strip_prefix("reading/") {
        let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
        if let Some((name, unit, class)) = FIELDS.iter().find(|(name, ..)| *name == field)
            && !matches!(text, "None" | "null")
        {
            report.plain(measured(*name, *unit, Some(class)), text);
        }
        return Ok(report.finish());
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "json", &document))?;
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, key, raw);
    }
    report.device_time = members.text("timestamp").and_then(|text| stamp::timestamp(&text));
    for (name, unit, class) in FIELDS {
        let Some(raw) = members.get(name) else { continue };
        // Numbers in quotes, so that no program on the way rounds them.
        match json::string(raw) {
            Ok(text) => report.plain(measured(*name, *unit, Some(class)), &text),
            Err(_) => report.raw(measured(*name, *unit, Some(class)), raw),
        }
    }
    Ok(report.finish())
}

/// A meter is only listened to.
fn encode(command: &Command, _: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let target = command.target.clone();
    Err(EncodeError::ReadOnly { device: target.device, property: target.property })
}

fn is_command(_: &str, _: &Directory) -> bool {
    false
}

fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let base = directory.bases(NAME).iter().find(|base| **base == device.id);
    let fields = |base: &String| FIELDS.iter().map(|(name, ..)| format!("{base}/reading/{name}")).collect::<Vec<_>>();
    base.map(fields).unwrap_or_default()
}
