//! One telegram of the port: `/XXX5…` to `!CRC`, a line for each value with its OBIS code (DSMR 5.0.2 §6). Units stand with
//! the values and are believed only where they are those of the code.

use domovoi_model::{Unit, Value};

use crate::fault::{DecodeError, What, printable};
use crate::json;
use crate::number;
use crate::report::{Report, measured};
use crate::stamp;

/// Bytes of a telegram; a full one of three phases has 1 KB.
const MAX_TELEGRAM: usize = 16 << 10;
/// Lines of a telegram.
const MAX_LINES: usize = 256;

/// The codes that are read, what they are called here, unit, class.
const CODES: &[(&str, &str, Unit, &str)] = &[
    ("1-0:1.8.0", "energy_delivered", Unit::KilowattHour, "energy"),
    ("1-0:1.8.1", "energy_delivered_t1", Unit::KilowattHour, "energy"),
    ("1-0:1.8.2", "energy_delivered_t2", Unit::KilowattHour, "energy"),
    ("1-0:2.8.0", "energy_returned", Unit::KilowattHour, "energy"),
    ("1-0:2.8.1", "energy_returned_t1", Unit::KilowattHour, "energy"),
    ("1-0:2.8.2", "energy_returned_t2", Unit::KilowattHour, "energy"),
    ("1-0:3.8.0", "reactive_delivered", Unit::KilovarHour, ""),
    ("1-0:4.8.0", "reactive_returned", Unit::KilovarHour, ""),
    ("1-0:1.7.0", "power_delivered", Unit::Kilowatt, "power"),
    ("1-0:2.7.0", "power_returned", Unit::Kilowatt, "power"),
    ("1-0:21.7.0", "power_delivered_l1", Unit::Kilowatt, "power"),
    ("1-0:41.7.0", "power_delivered_l2", Unit::Kilowatt, "power"),
    ("1-0:61.7.0", "power_delivered_l3", Unit::Kilowatt, "power"),
    ("1-0:22.7.0", "power_returned_l1", Unit::Kilowatt, "power"),
    ("1-0:42.7.0", "power_returned_l2", Unit::Kilowatt, "power"),
    ("1-0:62.7.0", "power_returned_l3", Unit::Kilowatt, "power"),
    ("1-0:32.7.0", "voltage_l1", Unit::Volt, "voltage"),
    ("1-0:52.7.0", "voltage_l2", Unit::Volt, "voltage"),
    ("1-0:72.7.0", "voltage_l3", Unit::Volt, "voltage"),
    ("1-0:31.7.0", "current_l1", Unit::Ampere, "current"),
    ("1-0:51.7.0", "current_l2", Unit::Ampere, "current"),
    ("1-0:71.7.0", "current_l3", Unit::Ampere, "current"),
];

/// The number of the meter, which is written as the hexadecimal codes of its letters.
pub(super) fn identity(payload: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(payload.get(..payload.len().min(MAX_TELEGRAM))?).ok()?;
    let line = text
        .lines()
        .take(MAX_LINES)
        .find_map(|line| line.strip_prefix("0-0:96.1.1(").or_else(|| line.strip_prefix("0-0:96.1.0(")))?;
    letters(line.strip_suffix(')')?)
}

fn letters(hex: &str) -> Option<String> {
    if !hex.len().is_multiple_of(2) || hex.is_empty() || hex.len() > 96 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    let text = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    let text = text.trim().to_owned();
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    Some(if is_number { text } else { hex.to_ascii_lowercase() })
}

pub(super) fn read(report: &mut Report<'_>, payload: &[u8]) -> Result<(), DecodeError> {
    let text = json::text(payload, MAX_TELEGRAM)?;
    check(text)?;
    let head = text.lines().next().unwrap_or_default();
    report.about.model = Some(printable(head.trim_start_matches('/')));
    report.about.serial = Some(report.about.device.id.clone());
    report.about.name = report.about.name.take().or_else(|| Some("P1".to_owned()));
    let mut lines = text.lines().take(MAX_LINES).peekable();
    while let Some(line) = lines.next() {
        let Some((code, rest)) = line.split_once('(') else { continue };
        if code == "0-0:1.0.0" {
            report.device_time = rest.strip_suffix(')').and_then(time);
            continue;
        }
        let found = CODES.iter().find(|(known, ..)| *known == code);
        if let Some((_, name, unit, class)) = found {
            let class = Some(*class).filter(|class| !class.is_empty());
            value(report, name, rest.trim_end_matches(')'), *unit, class);
        } else if code == "0-0:96.14.0" {
            let tariff = rest.trim_end_matches(')').trim_start_matches('0');
            report.plain(measured("tariff", Unit::None, None), if tariff.is_empty() { "0" } else { tariff });
        } else if let Some(channel) = code.strip_prefix("0-").and_then(|code| code.strip_suffix(":24.2.1")) {
            // `(210204163500W)(12785.123*m3)`: the time of the reading, and the reading.
            behind(report, channel, rest);
        } else if let Some(channel) = code.strip_prefix("0-").and_then(|code| code.strip_suffix(":24.3.0")) {
            // DSMR 2.2 and 3: the value stands alone on the next line.
            let next = lines.next_if(|line| line.starts_with('(')).unwrap_or_default();
            let name = format!("channel_{}_volume", printable(channel));
            value(report, &name, &format!("{}*m3", next.trim_matches(['(', ')'])), Unit::CubicMetre, Some("gas"));
        }
    }
    Ok(())
}

/// What hangs on the meter's own bus: gas, water, heat, by the unit that it says.
fn behind(report: &mut Report<'_>, channel: &str, rest: &str) {
    let mut parts = rest.split(")(").map(|part| part.trim_end_matches(')'));
    let (Some(at), Some(said)) = (parts.next(), parts.next()) else {
        return report.fault(What::WrongType, &format!("0-{channel}:24.2.1"), rest);
    };
    let before = report.device_time;
    report.device_time = time(at);
    let unit = said.rsplit_once('*').and_then(|(_, unit)| Unit::parse(unit));
    match unit {
        Some(unit @ (Unit::CubicMetre | Unit::Gigajoule)) => {
            let what = if unit == Unit::CubicMetre { "volume" } else { "energy" };
            value(report, &format!("channel_{}_{what}", printable(channel)), said, unit, None);
        }
        _ => report.fault(What::WrongType, &format!("0-{channel}:24.2.1"), rest),
    }
    report.device_time = before;
}

fn value(report: &mut Report<'_>, name: &str, said: &str, unit: Unit, class: Option<&str>) {
    let info = measured(name, unit, class);
    let Some((digits, spelling)) = said.rsplit_once('*') else {
        return report.fault(What::WrongType, name, said);
    };
    // «kWh» of a power, «W» of another make: a value in a unit that is not the code's is another value.
    if Unit::parse(spelling) != Some(unit) {
        return report.fault(What::WrongType, name, said);
    }
    match number::decimal(digits) {
        Some(number) => report.say(info, Value::Number(number)),
        None => report.fault(What::WrongType, name, said),
    }
}

/// `YYMMDDhhmmssX`, X being S in summer and W in winter, in the time of Amsterdam and Brussels.
fn time(text: &str) -> Option<domovoi_model::Timestamp> {
    let (digits, zone) = text.split_at_checked(12)?;
    let zone = match zone {
        "S" => "+02:00",
        "W" => "+01:00",
        _ => return None,
    };
    let pair = |at: usize| digits.get(at..at + 2);
    let date = format!("20{}-{}-{}", pair(0)?, pair(2)?, pair(4)?);
    stamp::timestamp(&format!("{date}T{}:{}:{}{zone}", pair(6)?, pair(8)?, pair(10)?))
}

/// The checksum behind `!`: CRC-16/ARC over everything from `/` to `!`. Telegrams before DSMR 4 have none.
fn check(text: &str) -> Result<(), DecodeError> {
    let Some(end) = text.rfind('!') else {
        return Err(DecodeError::new(What::Foreign, "the telegram's end", ""));
    };
    let (body, sum) = text.split_at_checked(end + 1).unwrap_or((text, ""));
    let sum = sum.trim();
    if sum.is_empty() {
        return Ok(());
    }
    let said = u16::from_str_radix(sum, 16).ok().filter(|_| sum.len() == 4);
    // Programs on the way may have changed the ends of its lines.
    let as_sent = |body: &str| said == Some(crc(body.as_bytes()));
    if as_sent(body) || as_sent(&body.replace("\r\n", "\n").replace('\n', "\r\n")) {
        return Ok(());
    }
    Err(DecodeError::new(What::Foreign, "the telegram's checksum", sum))
}

fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
pub(super) fn with_checksum(body: &str) -> String {
    format!("{body}{:04X}\r\n", crc(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_arc() {
        // The check value of CRC-16/ARC.
        assert_eq!(crc(b"123456789"), 0xBB3D);
    }

    #[test]
    fn times_of_amsterdam() {
        let at = |text: &str| time(text).map(|at| at.to_string());
        assert_eq!(at("261121222640W").as_deref(), Some("2026-11-21T21:26:40.000Z"));
        assert_eq!(at("260621222640S").as_deref(), Some("2026-06-21T20:26:40.000Z"));
        assert_eq!(at("261121222640X"), None);
        assert_eq!(at("2611"), None);
        assert_eq!(at("ПриветПривет"), None);
    }
}
