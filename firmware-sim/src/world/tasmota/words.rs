//! What the pretend Tasmota says and understands (14.x): STATE, SENSOR, RESULT, STATUS; Power, Dimmer, Color, HSBColor, CT,
//! Shutter…, Backlog. Command words in any case and with or without the number 1, as the real one takes them.

use serde_json::{Value, json};

use super::super::{
    colour::{Colour, byte},
    things::{Order, Thing, kwh, permille, scaled},
};

pub(super) fn power(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// What STATE and RESULT have of it.
pub(super) fn result(thing: &Thing) -> Value {
    match thing {
        Thing::Socket { on, .. } | Thing::Switch { on } => json!({ "POWER": power(*on) }),
        Thing::Lamp { on, brightness_permille, colour } => {
            let percent = scaled(*brightness_permille, 100);
            let (hue, saturation) = colour.hue_saturation();
            let white = matches!(colour, Colour::White { .. });
            let dimmed = colour.rgb().map(|part| if white { 0 } else { u32::from(part) * percent / 100 });
            let [r, g, b] = dimmed;
            let (cold, warm) = match colour {
                Colour::White { mired } => {
                    let full = 255 * percent / 100;
                    let warm = full * u32::from(mired.saturating_sub(153)) / 347;
                    (full - warm, warm)
                }
                _ => (0, 0),
            };
            let channels = [r, g, b, cold, warm].map(|part| part * 100 / 255);
            json!({
                "POWER": power(*on), "Dimmer": percent, "Color": format!("{r:02X}{g:02X}{b:02X}{cold:02X}{warm:02X}"),
                "HSBColor": format!("{hue},{saturation},{}", if white { 0 } else { percent }),
                "White": if white { percent } else { 0 },
                "CT": if let Colour::White { mired } = colour { *mired } else { 153 },
                "Channel": channels, "Fade": "OFF", "Speed": 1, "LedTable": "ON",
            })
        }
        Thing::Cover { .. } => json!({ "Shutter1": shutter(thing) }),
        _ => json!({}),
    }
}

fn shutter(thing: &Thing) -> Value {
    let Thing::Cover { position_percent, target_percent } = thing else { return Value::Null };
    let direction = match target_percent.cmp(position_percent) {
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Less => -1,
        std::cmp::Ordering::Equal => 0,
    };
    json!({ "Position": position_percent, "Direction": direction, "Target": target_percent, "Tilt": 0 })
}

/// What SENSOR has of it beside the time; nothing: there is no SENSOR.
pub(super) fn sensor(thing: &Thing) -> Value {
    match thing {
        Thing::Socket { on, load_w, energy_wh } => {
            let power = if *on { *load_w } else { 0 };
            json!({ "ENERGY": {
                "TotalStartTime": "2026-01-01T00:00:00", "Total": kwh(*energy_wh), "Yesterday": 1.234, "Today": 0.567,
                "Power": power, "ApparentPower": power, "ReactivePower": 0, "Factor": 1.0, "Voltage": 230,
                "Current": f64::from(power * 100 / 230) / 100.0,
            } })
        }
        Thing::Cover { .. } => json!({ "Shutter1": shutter(thing) }),
        _ => json!({}),
    }
}

/// What a command is for.
pub(super) enum Asked {
    Order(Order),
    /// Its state: STATE or STATUS with this number.
    State,
    Status(u32),
    Unknown,
}

pub(super) fn asked(command: &str, payload: &str) -> Asked {
    let command = command.to_ascii_uppercase();
    let word = payload.trim();
    let number = || word.parse::<f64>().ok();
    let order = match command.strip_suffix('1').unwrap_or(&command) {
        "POWER" => match word.to_ascii_uppercase().as_str() {
            "ON" | "1" | "TRUE" => Some(Order::On(true)),
            "OFF" | "0" | "FALSE" => Some(Order::On(false)),
            "TOGGLE" | "2" => Some(Order::Toggle),
            // Empty or unknown asks.
            _ => None,
        },
        "DIMMER" => number().map(|percent| Order::BrightnessPermille(permille(percent, 100.0))),
        "CT" => number().map(|mired| Order::Colour(Colour::white(mired))),
        "COLOR" => colour(word).map(Order::Colour),
        "HSBCOLOR" => hsb(word).map(Order::Colour),
        "SHUTTERPOSITION" => number().map(|percent| Order::PositionPercent(byte(percent).min(100))),
        "SHUTTEROPEN" => Some(Order::PositionPercent(100)),
        "SHUTTERCLOSE" => Some(Order::PositionPercent(0)),
        "SHUTTERSTOP" => Some(Order::Stop),
        "STATE" => None,
        "STATUS" => return word.parse().map_or(Asked::State, Asked::Status),
        _ => return Asked::Unknown,
    };
    order.map_or(Asked::State, Asked::Order)
}

fn colour(word: &str) -> Option<Colour> {
    if !word.contains(',') {
        return Colour::from_hex(word);
    }
    let mut parts = word.split(',').map(|part| part.trim().parse::<u8>().ok());
    Some(Colour::from_rgb([parts.next()??, parts.next()??, parts.next()??]))
}

/// Hue, saturation, brightness; the last is the dimmer's business.
fn hsb(word: &str) -> Option<Colour> {
    let mut parts = word.split(',').map(|part| part.trim().parse::<f64>().ok());
    Some(Colour::hs(parts.next()??, parts.next()??))
}
