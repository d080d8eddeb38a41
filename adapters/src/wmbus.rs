//! Wireless M-Bus (EN 13757-4, OMS) as it came from the air, checksums taken out: whose a telegram is, and what it says. For
//! dialects whose receivers hand telegrams on unread.
//!
//! What is encrypted is believed only if the key proves itself: AES-CBC opens anything with any key, and a wrong one makes
//! registers of noise. Deliberately not read: ciphers other than mode 5 (Kamstrup's ELL, Diehl, Techem), which wmbusmeters
//! knows, and pictures of a telegram that are only half there.

use domovoi_model::{Quality, Unit, Value};
use m_bus_parser::{DecodeOptions, DecodedOutput, decode_bytes};

use crate::complaints;
use crate::fault::{What, printable};
use crate::json::is_name;
use crate::number;
use crate::report::{self, Report};
use crate::slug::slug;
use crate::{Directory, Hearsay, Lock, Locked, PropertyInfo, Shape, Warning};

/// Bytes of a frame: its length is one byte.
const MAX_FRAME: usize = 256;
/// Records of a telegram.
const MAX_RECORDS: usize = 64;
/// How the plain text of a telegram begins (OMS vol. 2, 7.2.4.4): two idle fillers, so that a key proves itself.
const PROOF: &str = "2F2F";

/// The bytes of a telegram written in hexadecimal digits.
pub(crate) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.trim().trim_start_matches("0x").bytes().filter(|b| *b != b' ').collect();
    let fits = !digits.is_empty() && digits.len() <= 2 * MAX_FRAME && digits.len().is_multiple_of(2);
    if !fits || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

/// The number of the meter, as it stands on its face: of the long header, if there is one (a radio module may speak for a
/// meter with another number), else of the link layer.
pub(crate) fn identity(frame: &[u8]) -> Option<String> {
    // L C MM AAAA V T CI; the long header begins behind its CI.
    let at = if matches!(frame.get(10)?, 0x72 | 0x53 | 0x6b | 0x6f | 0x73) { 11 } else { 4 };
    let number = frame.get(at..at + 4)?;
    Some(number.iter().rev().map(|byte| format!("{byte:02x}")).collect())
}

/// What a telegram says, with the key of its meter if the owner has given it.
pub(crate) fn read(report: &mut Report<'_>, hex: &str, directory: &Directory) {
    let Some(frame) = bytes(hex) else { return report.fault(What::WrongType, "data", hex) };
    let Some(id) = identity(&frame) else { return report.fault(What::Foreign, "data", hex) };
    let key = directory.key(&id).copied();
    let decoded = match parse(&frame, key) {
        Ok(decoded) => decoded,
        // What a wrong key makes of a telegram may be past reading; without it, it is only shut.
        Err(word) => match parse(&frame, None) {
            Ok(decoded) if key.is_some() && lock(&decoded, false).is_some() => decoded,
            _ => return report.fault(What::Foreign, "the telegram", word),
        },
    };
    introduce(report, &decoded, &id);
    let has_key = decoded.security.key_supplied || key.is_some();
    let why = lock(&decoded, has_key).map(|why| if why == Lock::NoKey && has_key { Lock::WrongKey } else { why });
    if let Some(why) = why {
        let device = report.about.device.clone();
        report.out.locked.push(Locked { device, why });
        return;
    }
    // A record that cannot be read throws doubt on those before it: lengths are given by what stands before.
    if decoded.decode_state != "complete" {
        return report.fault(What::Foreign, "the telegram's records", hex);
    }
    let warnings = status(&decoded);
    report.quality = match warnings.first() {
        Some(_) => Quality::Suspect(words(&warnings)),
        None => Quality::Good,
    };
    for record in decoded.records.iter().take(MAX_RECORDS) {
        say(report, record, &decoded);
    }
    report.quality = Quality::Good;
    complaints::say(report, &warnings);
}

/// A crate of others reads what a stranger sent: should it stumble (0.5.3 subtracts below zero on some noise), one telegram
/// is lost and not the house. The error is a word for it.
fn parse(frame: &[u8], key: Option<[u8; 16]>) -> Result<DecodedOutput, &'static str> {
    let options = DecodeOptions { key, include_enrichment: false };
    match std::panic::catch_unwind(|| decode_bytes(frame, &options)) {
        Ok(Ok(decoded)) if decoded.protocol == "wireless" => Ok(decoded),
        Ok(Ok(_)) => Err("it is of a wire"),
        Ok(Err(error)) => Err(error.code()),
        Err(_) => Err("it cannot be read"),
    }
}

fn introduce(report: &mut Report<'_>, decoded: &DecodedOutput, id: &str) {
    let identity = decoded.meter.identity.as_ref();
    let maker = identity.and_then(|identity| identity.manufacturer_code.clone());
    let kind = identity.and_then(|identity| identity.device_type.clone());
    let words: Vec<String> = maker.into_iter().chain(kind).map(|word| printable(&word)).collect();
    if !words.is_empty() {
        report.about.model = Some(words.join(" "));
    }
    report.about.serial = Some(id.to_owned());
}

/// Why it stays shut, if it does.
fn lock(decoded: &DecodedOutput, has_key: bool) -> Option<Lock> {
    let security = &decoded.security;
    if decoded.diagnostics.iter().any(|one| one.code == "security.unsupported_mode") {
        return Some(Lock::UnknownCipher);
    }
    match security.decryption_state.as_str() {
        "not_applicable" => None,
        "key_missing" => Some(Lock::NoKey),
        _ => {
            let opened = security.decrypted_payload_hex.as_ref();
            let proves = opened.is_some_and(|plain| plain.get(..PROOF.len()) == Some(PROOF));
            // Two bytes are right by chance once in 65,536 telegrams; noise is no records to its very end as well.
            let is_whole = decoded.decode_state == "complete" && !decoded.records.is_empty();
            match (proves && is_whole, has_key) {
                (true, _) => None,
                (false, true) => Some(Lock::WrongKey),
                (false, false) => Some(Lock::NoKey),
            }
        }
    }
}

/// The status byte (EN 13757-3, 7.5.5): what it warns of.
fn status(decoded: &DecodedOutput) -> Vec<Warning> {
    let raw = decoded.transport.statuses.iter().filter_map(|status| u8::from_str_radix(&status.raw, 16).ok());
    let status = raw.fold(0, |all, one| all | one);
    let mut out = Vec::new();
    if status & 0x04 != 0 {
        out.push(Warning::Battery);
    }
    if status & 0x18 != 0 || status & 0x03 >= 2 {
        out.push(Warning::Fault);
    }
    out
}

fn words(warnings: &[Warning]) -> String {
    let words: Vec<&str> = warnings.iter().map(|warning| warning.code()).collect();
    format!("the meter warns: {}", words.join(", "))
}

fn say(report: &mut Report<'_>, record: &m_bus_parser::output::RecordOutput, decoded: &DecodedOutput) {
    let name = name(record);
    if !is_name(&name) || record.quantities.is_empty() {
        return;
    }
    let Some(value) = &record.value.value else { return };
    let value = match (record.value.kind.as_str(), value) {
        ("decimal" | "integer" | "real" | "float", value) => {
            let digits = match value {
                serde_json::Value::String(digits) => digits.clone(),
                serde_json::Value::Number(digits) => digits.to_string(),
                _ => return,
            };
            match number::decimal(&digits) {
                Some(number) => Value::Number(number),
                None => return report.fault(What::OutOfRange, &name, &digits),
            }
        }
        ("date" | "datetime" | "text" | "string", serde_json::Value::String(text)) if !text.trim().is_empty() => {
            Value::Text(printable(text))
        }
        // A day without a year, a duration of nothing.
        _ => return,
    };
    let unit = record.unit.as_deref().and_then(unit);
    let shape = match &value {
        Value::Number(_) => report::number(),
        _ => Shape::Text,
    };
    let info = PropertyInfo::new(&name, shape).with(|one| {
        one.hearsay = Some(Hearsay::Overheard);
        if matches!(one.shape, Shape::Number { .. }) {
            one.unit = unit.unwrap_or(Unit::None);
            one.dated_by = dated_by(record, decoded).map(Into::into);
        }
    });
    report.say(info, value);
}

/// `volume`, `energy_tariff_1`, `volume_storage_5`, `power_max`.
fn name(record: &m_bus_parser::output::RecordOutput) -> String {
    let quantities = record.quantities.iter().map(|quantity| match quantity.as_str() {
        "Accumulation only if value is negative" => "returned".to_owned(),
        "Accumulation only if value is positive" => "delivered".to_owned(),
        "Accumulation of absolute value both positive and negative contribution" => "absolute".to_owned(),
        quantity => slug(quantity),
    });
    let mut name = quantities.collect::<Vec<_>>().join("_");
    let function = record.function.to_ascii_lowercase();
    for (word, end) in [("max", "_max"), ("min", "_min"), ("error", "_error")] {
        if function.starts_with(word) || function.contains(&format!("during {word}")) {
            name.push_str(end);
        }
    }
    for (count, word) in [(record.subunit, "subunit"), (record.tariff, "tariff"), (record.storage_number, "storage")] {
        if count != 0 {
            name.push_str(&format!("_{word}_{count}"));
        }
    }
    name
}

/// What was stored is of the day that was stored with it.
fn dated_by(record: &m_bus_parser::output::RecordOutput, decoded: &DecodedOutput) -> Option<String> {
    if record.storage_number == 0 {
        return None;
    }
    let is_date = |other: &&m_bus_parser::output::RecordOutput| {
        matches!(other.value.kind.as_str(), "date" | "datetime") && other.storage_number == record.storage_number
    };
    decoded.records.iter().find(is_date).map(name)
}

/// Units as UCUM spells them.
fn unit(spelling: &str) -> Option<Unit> {
    Some(match spelling {
        "m3.h-1" => Unit::CubicMetrePerHour,
        "W.h" => Unit::WattHour,
        "kW.h" => Unit::KilowattHour,
        "Cel" => Unit::Celsius,
        "[degF]" => Unit::Fahrenheit,
        other => return Unit::parse(other),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use domovoi_model::DeviceRef;

    const GAS: &str = "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A";
    const KEY: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x11];

    fn take(hex: &str, key: Option<[u8; 16]>) -> crate::Decoded {
        let mut directory = Directory::default();
        let id = bytes(hex).and_then(|frame| identity(&frame)).unwrap_or_default();
        directory.set_key(&id, key);
        let mut report = Report::of(&DeviceRef::new("rtl_433", "x"), &directory);
        read(&mut report, hex, &directory);
        report.finish()
    }

    #[test]
    fn a_key_proves_itself() {
        let opened = take(GAS, Some(KEY));
        assert_eq!(opened.observations[0].value.to_string(), "28504.27");
        assert_eq!(opened.locked, []);
        let why = |key| take(GAS, key).locked.first().map(|locked| locked.why);
        assert_eq!(why(None), Some(Lock::NoKey));
        for last in 0..=255u8 {
            let mut key = KEY;
            key[15] = last;
            let wanted = (last != 0x11).then_some(Lock::WrongKey);
            assert_eq!(why(Some(key)), wanted, "{last:02x}");
        }
    }

    proptest! {
        #[test]
        fn no_telegram_panics(frame in prop::collection::vec(any::<u8>(), 0..80), key in any::<Option<[u8; 16]>>()) {
            let hex: String = frame.iter().map(|byte| format!("{byte:02X}")).collect();
            take(&hex, key);
        }

        #[test]
        fn nor_one_that_is_almost_right(at in 0usize..46, with in any::<u8>(), keep in 0usize..47) {
            let mut frame = bytes("1844AE4C4455223368077A55000000041389E20100023B00001844AE4C4455223368077A55000000041389E201000231").unwrap();
            frame[at] = with;
            frame.truncate(keep);
            let hex: String = frame.iter().map(|byte| format!("{byte:02X}")).collect();
            take(&hex, Some(KEY));
        }
    }
}
