//! Things as Zigbee2MQTT spells them (2.x, `lib/` at 6835cbf): the state's JSON, and orders read from it. Lenient as the
//! real one: numbers may come as text, words in any case.

use serde_json::{Map, Value, json};

use super::super::{
    colour::{Colour, byte},
    things::{Hazard, Heating, Order, Thing, celsius, kwh, permille, scaled, tenths},
};

pub(super) fn alarm_word(hazard: Hazard) -> &'static str {
    match hazard {
        Hazard::Leak => "water_leak",
        Hazard::Smoke => "smoke",
        Hazard::Gas => "gas",
        Hazard::CarbonMonoxide => "carbon_monoxide",
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

pub(super) fn state(thing: &Thing) -> Map<String, Value> {
    let mut state = match thing {
        Thing::Alarm { hazard, on } => json!({ alarm_word(*hazard): on, "battery_low": false }),
        Thing::Switch { on } | Thing::Valve { open: on } => json!({ "state": on_off(*on) }),
        Thing::Socket { on, load_w, energy_wh } => {
            let power = if *on { *load_w } else { 0 };
            json!({
                "state": on_off(*on), "power": power, "voltage": 230, "current": f64::from(power * 100 / 230) / 100.0,
                "energy": kwh(*energy_wh),
            })
        }
        Thing::Lamp { on, brightness_permille, colour } => {
            let mut state = json!({ "state": on_off(*on), "brightness": scaled(*brightness_permille, 254) });
            let (x, y) = colour.xy();
            match colour {
                Colour::White { mired } => {
                    state["color_mode"] = "color_temp".into();
                    state["color_temp"] = (*mired).into();
                    state["color"] = json!({ "x": x, "y": y });
                }
                Colour::HueSaturation { hue_degrees, saturation_percent } => {
                    state["color_mode"] = "hs".into();
                    state["color"] = json!({ "hue": hue_degrees, "saturation": saturation_percent, "x": x, "y": y });
                }
                Colour::Xy { .. } => {
                    state["color_mode"] = "xy".into();
                    state["color"] = json!({ "x": x, "y": y });
                }
            }
            state
        }
        Thing::Thermostat { mode, setpoint_tenths_c, room_tenths_c } => json!({
            "occupied_heating_setpoint": celsius(*setpoint_tenths_c), "local_temperature": celsius(*room_tenths_c),
            "system_mode": match mode { Heating::Off => "off", Heating::Heat => "heat", Heating::Auto => "auto" },
            "running_state": if thing.heats() { "heat" } else { "idle" },
        }),
        Thing::Cover { position_percent, target_percent } => json!({
            "position": position_percent, "state": if *position_percent > 0 { "OPEN" } else { "CLOSE" },
            "moving": match target_percent.cmp(position_percent) {
                std::cmp::Ordering::Greater => "UP",
                std::cmp::Ordering::Less => "DOWN",
                std::cmp::Ordering::Equal => "STOP",
            },
        }),
        Thing::Lock { locked } => json!({
            "state": if *locked { "LOCK" } else { "UNLOCK" },
            "lock_state": if *locked { "locked" } else { "unlocked" },
        }),
        Thing::Button { .. } => json!({}),
        Thing::Climate { tenths_c, humidity_percent } => {
            json!({ "temperature": celsius(*tenths_c), "humidity": humidity_percent })
        }
    };
    if thing.sleeps() {
        state["battery"] = 97.into();
    }
    state["linkquality"] = 120.into();
    match state {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A bare word is a state; `/set/<attribute>` brings the value only.
pub(super) fn orders(attribute: Option<&str>, payload: &[u8]) -> Vec<Order> {
    let said = serde_json::from_slice::<Value>(payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).trim().to_owned()));
    match (attribute, &said) {
        (Some(attribute), value) => order(attribute, value).into_iter().collect(),
        (None, Value::Object(map)) => map.iter().filter_map(|(attribute, value)| order(attribute, value)).collect(),
        (None, word) => order("state", word).into_iter().collect(),
    }
}

fn order(attribute: &str, value: &Value) -> Option<Order> {
    let number = || value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    Some(match attribute {
        "state" => match value.as_str()?.to_ascii_uppercase().as_str() {
            "ON" | "OPEN" | "LOCK" => Order::On(true),
            "OFF" | "CLOSE" | "UNLOCK" => Order::On(false),
            "TOGGLE" => Order::Toggle,
            "STOP" => Order::Stop,
            _ => return None,
        },
        "brightness" => Order::BrightnessPermille(permille(number()?, 254.0)),
        "color_temp" => Order::Colour(Colour::white(number()?)),
        "color" => Order::Colour(colour(value)?),
        "occupied_heating_setpoint" => Order::SetpointTenthsC(tenths(number()?)),
        "system_mode" => Order::Heating(match value.as_str()? {
            "off" => Heating::Off,
            "heat" => Heating::Heat,
            "auto" => Heating::Auto,
            _ => return None,
        }),
        "position" => Order::PositionPercent(byte(number()?)),
        _ => return None,
    })
}

fn colour(value: &Value) -> Option<Colour> {
    if let Some(hex) = value.as_str().or_else(|| value["hex"].as_str()) {
        return Colour::from_hex(hex);
    }
    let part = |name: &str| value[name].as_f64();
    if let (Some(x), Some(y)) = (part("x"), part("y")) {
        return Some(Colour::from_xy(x, y));
    }
    let hue = part("hue").or_else(|| part("h"));
    let saturation = part("saturation").or_else(|| part("s"));
    if let (Some(hue), Some(saturation)) = (hue, saturation) {
        return Some(Colour::hs(hue, saturation));
    }
    let (red, green, blue) = (part("r")?, part("g")?, part("b")?);
    Some(Colour::from_rgb([red, green, blue].map(byte)))
}
