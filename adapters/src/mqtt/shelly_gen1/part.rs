//! What each topic below a device means: its value, its unit, what may be told there. Names of properties are the topics
//! with dots: `relay.0.power`. What is not here is not reported.

use domovoi_model::{Hazard, Unit, Value};
use rust_decimal::Decimal;

use crate::colour::Colour;
use crate::fault::What;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report, measured};
use crate::{Category, DecodeError, Envelope, PropertyInfo, Shape, Warning};

/// Models that sleep on a battery: H&T, Flood, Door/Window, Door/Window 2, Button1, Button1 v2, Motion, Smoke.
pub(super) const SLEEPERS: &[&str] = &["SHHT-1", "SHWT-1", "SHDW-1", "SHDW-2", "SHBTN-1", "SHBTN-2", "SHSM-01"];

/// Channels of anything; a Shelly 4Pro has four relays.
const MAX_CHANNELS: u32 = 8;

/// One value.
pub(super) fn value(report: &mut Report<'_>, part: &str, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let levels: Vec<&str> = part.split('/').collect();
    let name = levels.join(".");
    let is_numbered = |n: &str| n.parse::<u32>().is_ok_and(|n| n < MAX_CHANNELS) && n.len() == 1;
    match levels.as_slice() {
        ["relay", n] if is_numbered(n) => {
            let info = switch(&name, "switch", "on", "off");
            // A relay that was cut off says why in the place of its state.
            if text == "overpower" {
                report.say(info, Value::Bool(false));
                report.say(overpower(&name), Value::Bool(true));
            } else {
                report.plain(info, text);
                if report.about.property(&overpower(&name).name).is_some() {
                    report.say(overpower(&name), Value::Bool(false));
                }
            }
        }
        ["light" | "white" | "color", n] if is_numbered(n) => {
            report.plain(switch(&name, "light", "on", "off"), text);
        }
        ["light" | "white" | "color", n, "status"] if is_numbered(n) => status(report, &levels, envelope)?,
        ["roller", n] if is_numbered(n) => {
            let words = ["open", "close", "stop"].map(str::to_owned).to_vec();
            let info = PropertyInfo::new(name, Shape::Choice(words)).with(|one| {
                one.writable = true;
                one.class = Some("cover".into());
                one.kind = Some("cover".into());
                one.settles_within_s = Some(120);
            });
            report.plain(info, text);
        }
        ["roller", n, "pos"] if is_numbered(n) => {
            // A roller that was not calibrated says −1.
            if text == "-1" {
                return Ok(());
            }
            let info = measured(name, Unit::Percent, Some("cover.position")).with(|one| {
                one.shape = percent();
                one.writable = true;
                one.kind = Some("cover".into());
                one.settles_within_s = Some(120);
            });
            report.plain(info, text);
        }
        ["relay" | "roller" | "light" | "white" | "color" | "emeter", n, "energy"] if is_numbered(n) => {
            energy(report, name, text);
        }
        ["relay" | "roller" | "light" | "white" | "color" | "emeter", n, quantity] if is_numbered(n) => {
            if let Some((_, unit, class)) = POWER.iter().find(|(known, ..)| known == quantity) {
                report.plain(measured(name, *unit, Some(class)), text);
            }
        }
        ["input", n] if is_numbered(n) => report.plain(PropertyInfo::new(name, report::switch("1", "0")), text),
        ["longpush", n] if is_numbered(n) => report.plain(PropertyInfo::new(name, report::switch("1", "0")), text),
        ["input_event", n] if is_numbered(n) => press(report, name, envelope)?,
        ["ext_temperature", n] if is_numbered(n) => {
            report.plain(measured(name, Unit::Celsius, Some("temperature")), text);
        }
        ["ext_humidity", n] if is_numbered(n) => report.plain(measured(name, Unit::Percent, Some("humidity")), text),
        ["ext_switch", n] if is_numbered(n) => report.plain(PropertyInfo::new(name, report::switch("1", "0")), text),
        ["adc", n] if is_numbered(n) => report.plain(measured(name, Unit::Volt, Some("voltage")), text),
        ["valve", n, "state"] if is_numbered(n) => valve(report, name, text),
        ["temperature"] => report.plain(aside(measured(name, Unit::Celsius, Some("temperature"))), text),
        ["voltage"] => report.plain(measured(name, Unit::Volt, Some("voltage")), text),
        ["overtemperature"] => report.plain(warning(name, Warning::Overload, "1", "0"), text),
        ["sensor", quantity] => sensor(report, name, quantity, text),
        _ => {}
    }
    Ok(())
}

const POWER: &[(&str, Unit, &str)] = &[
    ("power", Unit::Watt, "power"),
    ("reactive_power", Unit::Var, "reactive_power"),
    ("voltage", Unit::Volt, "voltage"),
    ("current", Unit::Ampere, "current"),
    ("pf", Unit::None, "power_factor"),
    ("total", Unit::WattHour, "energy"),
    ("total_returned", Unit::WattHour, "energy"),
];

fn sensor(report: &mut Report<'_>, name: String, quantity: &str, text: &str) {
    let danger = |name: String, hazard, class: &str| {
        PropertyInfo::new(name, report::switch("true", "false")).with(|one| {
            one.hazard = Some(hazard);
            one.class = Some(class.into());
        })
    };
    match quantity {
        "temperature" => report.plain(measured(name, Unit::Celsius, Some("temperature")), text),
        "humidity" => report.plain(measured(name, Unit::Percent, Some("humidity")), text),
        "battery" => report.plain(aside(measured(name, Unit::Percent, Some("battery"))), text),
        "lux" => report.plain(measured(name, Unit::Lux, Some("illuminance")), text),
        "concentration" => report.plain(measured(name, Unit::PartsPerMillion, None), text),
        "tilt" => report.plain(measured(name, Unit::Degree, None), text),
        "flood" => report.plain(danger(name, Hazard::WaterLeak, "moisture"), text),
        "smoke" => report.plain(danger(name, Hazard::Smoke, "smoke"), text),
        // none, mild, heavy; «test» is somebody at the button.
        "gas" => {
            let alarm = danger(format!("{name}_alarm"), Hazard::Gas, "gas");
            report.say(alarm, Value::Bool(matches!(text, "mild" | "heavy")));
            report.plain(PropertyInfo::new(name, Shape::Text), text);
        }
        "state" => {
            let info = PropertyInfo::new(name, report::switch("open", "close"));
            report.plain(info.with(|one| one.class = Some("opening".into())), text);
        }
        "motion" | "vibration" | "charger" | "ext_power" => {
            let class = match quantity {
                "motion" => "motion",
                "vibration" => "vibration",
                _ => "plug",
            };
            // Firmware before 1.9 writes 0 and 1.
            let text = match text {
                "1" => "true",
                "0" => "false",
                text => text,
            };
            let info = PropertyInfo::new(name, report::switch("true", "false"));
            report.plain(info.with(|one| one.class = Some(class.into())), text);
        }
        "illumination" | "operation" | "self_test" => report.plain(aside(PropertyInfo::new(name, Shape::Text)), text),
        "error" => {
            let info = PropertyInfo::new(name, report::flag()).with(|one| {
                one.class = Some("problem".into());
                one.category = Category::Diagnostic;
                one.warning = Some(Warning::Fault);
            });
            report.say(info, Value::Bool(text != "0"));
        }
        _ => {}
    }
}

/// Watt-minutes. The house has no such unit; a thousandth of a watt-hour is finer than the device counts.
fn energy(report: &mut Report<'_>, name: String, text: &str) {
    let minutes_in_hour = Decimal::from(60);
    let info = measured(name, Unit::WattHour, Some("energy"));
    match report::value_of(text, &info.shape) {
        Ok(Value::Number(watt_minutes)) => match watt_minutes.checked_div(minutes_in_hour) {
            Some(watt_hours) => report.say(info, Value::Number(watt_hours.round_dp(3).normalize())),
            None => report.fault(What::OutOfRange, &info.name, text),
        },
        Ok(_) => {}
        Err(what) => report.fault(what, &info.name, text),
    }
}

/// `{"event":"S","event_cnt":2}`: short, long, double, triple. The count is of presses since the start; what the broker
/// retained was pressed long ago, and an empty event is how nothing is spelled.
fn press(report: &mut Report<'_>, name: String, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, &name, &document))?;
    let words = ["S", "L", "SS", "SSS", "SL", "LS"].map(str::to_owned).to_vec();
    let info = PropertyInfo::new(name, Shape::Choice(words)).with(|one| one.class = Some("event".into()));
    match members.text("event").filter(|_| !envelope.retained) {
        Some(event) => report.say(info, Value::Text(event)),
        None => report.has(info),
    }
    Ok(())
}

/// `light/0/status` and its kin: what is set of a lamp.
fn status(report: &mut Report<'_>, levels: &[&str], envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let lamp = levels.get(..2).unwrap_or_default().join(".");
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, &lamp, &document))?;
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, &format!("{lamp}.{key}"), raw);
    }
    if let Some(raw) = members.get("ison") {
        let info = switch(&lamp, "light", "on", "off");
        match json::scalar(raw) {
            Ok(Some(Value::Bool(on))) => report.say(info, Value::Bool(on)),
            _ => report.fault(What::WrongType, &lamp, raw),
        }
    }
    let is_coloured = members.text("mode").is_some_and(|mode| mode == "color") || levels.first() == Some(&"color");
    for key in ["brightness", "gain", "white"] {
        let Some(raw) = members.get(key) else { continue };
        let settable = |one: &mut crate::About| {
            one.writable = true;
            one.shape = if key == "white" {
                Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::from(255)) }
            } else {
                percent()
            };
        };
        let unit = if key == "white" { Unit::None } else { Unit::Percent };
        report.raw(measured(format!("{lamp}.{key}"), unit, Some("light.brightness")).with(settable), raw);
    }
    if let Some(raw) = members.get("temp").filter(|_| !is_coloured) {
        let info = measured(format!("{lamp}.temp"), Unit::Kelvin, Some("color_temp")).with(|one| {
            one.writable = true;
            one.shape = Shape::Number { min: Some(Decimal::from(2700)), max: Some(Decimal::from(6500)) };
        });
        report.raw(info, raw);
    }
    let channel = |key: &str| members.get(key)?.trim().parse::<u8>().ok().map(f64::from);
    if let (true, Some(r), Some(g), Some(b)) = (is_coloured, channel("red"), channel("green"), channel("blue")) {
        let info = PropertyInfo::new(format!("{lamp}.rgb"), Shape::Text).with(|one| {
            one.writable = true;
            one.class = Some("color".into());
        });
        match Colour::of(r, g, b) {
            Some(colour) => report.say(info, Value::Text(colour.to_string())),
            None => report.has(info),
        }
    }
    Ok(())
}

/// A Shelly Gas's valve: opened, closed, opening, closing, not_connected, failure, checking.
fn valve(report: &mut Report<'_>, name: String, text: &str) {
    let flow = name.trim_end_matches(".state").to_owned();
    let info = switch(&flow, "valve", "open", "close").with(|one| one.settles_within_s = Some(60));
    match text {
        "opened" => report.say(info, Value::Bool(true)),
        "closed" => report.say(info, Value::Bool(false)),
        _ => report.has(info),
    }
    report.plain(aside(PropertyInfo::new(name, Shape::Text)), text);
}

fn switch(name: &str, class: &str, on: &str, off: &str) -> PropertyInfo {
    PropertyInfo::new(name, report::switch(on, off)).with(|one| {
        one.writable = true;
        one.class = Some(class.into());
    })
}

fn overpower(name: &str) -> PropertyInfo {
    warning(format!("{name}.overpower"), Warning::Overload, "true", "false")
}

fn warning(name: String, warning: Warning, on: &str, off: &str) -> PropertyInfo {
    PropertyInfo::new(name, report::switch(on, off)).with(|one| {
        one.class = Some("problem".into());
        one.category = Category::Diagnostic;
        one.warning = Some(warning);
    })
}

fn aside(info: PropertyInfo) -> PropertyInfo {
    info.with(|one| one.category = Category::Diagnostic)
}

fn percent() -> Shape {
    Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) }
}
