//! Things as Home Assistant's discovery lays them out: which components a thing becomes, with which options, what each of
//! their topics says and takes (home-assistant.io/integrations/mqtt and the pages of its components, 2025.x).

use serde_json::{Map, Value, json};

use super::super::{
    colour::{Colour, byte},
    things::{Hazard, Heating, Order, Thing, celsius, kwh, permille, scaled, tenths},
};

/// One component of one thing.
pub(super) struct Entity {
    pub(super) component: &'static str,
    /// Its id within the device.
    pub(super) object: String,
    pub(super) name: String,
    pub(super) options: Map<String, Value>,
    /// Key of the topic, key of the template, what is said there.
    pub(super) says: Vec<(&'static str, &'static str, &'static str)>,
    /// Key of the topic, what is ordered there.
    pub(super) hears: Vec<(&'static str, &'static str)>,
}

const STATE: (&str, &str, &str) = ("state_topic", "value_template", "state");
const SET: (&str, &str) = ("command_topic", "set");

pub(super) fn entities(id: &str, name: &str, thing: &Thing) -> Vec<Entity> {
    let one = |component, object: String, name: String, options: Value, says: &[_], hears: &[_]| Entity {
        component,
        object,
        name,
        options: options.as_object().cloned().unwrap_or_default(),
        says: says.to_vec(),
        hears: hears.to_vec(),
    };
    let same =
        |component, options, says: &[_], hears: &[_]| one(component, id.into(), name.into(), options, says, hears);
    let measure = |object: &str, class: &str, unit: &str, state_class: &str, leaf| {
        one(
            "sensor",
            format!("{id}_{object}"),
            format!("{name} {object}"),
            json!({ "device_class": class, "unit_of_measurement": unit, "state_class": state_class }),
            &[("state_topic", "value_template", leaf)],
            &[],
        )
    };
    match thing {
        Thing::Alarm { hazard, .. } => {
            let class = match hazard {
                Hazard::Leak => "moisture",
                Hazard::Smoke => "smoke",
                Hazard::Gas => "gas",
                Hazard::CarbonMonoxide => "carbon_monoxide",
            };
            vec![same("binary_sensor", json!({ "device_class": class }), &[STATE], &[])]
        }
        Thing::Switch { .. } => vec![same("switch", json!({}), &[STATE], &[SET])],
        Thing::Socket { .. } => vec![
            same("switch", json!({ "device_class": "outlet" }), &[STATE], &[SET]),
            measure("power", "power", "W", "measurement", "power"),
            measure("energy", "energy", "kWh", "total_increasing", "energy"),
        ],
        Thing::Valve { .. } => vec![same("valve", json!({ "device_class": "water" }), &[STATE], &[SET])],
        Thing::Lamp { .. } => vec![same(
            "light",
            json!({
                "schema": "json", "brightness": true, "supported_color_modes": ["color_temp", "rgb"],
                "min_mireds": 153, "max_mireds": 500,
            }),
            // The schema's own JSON: no template.
            &[("state_topic", "", "state")],
            &[SET],
        )],
        Thing::Thermostat { .. } => vec![same(
            "climate",
            json!({ "modes": ["off", "heat", "auto"], "min_temp": 5, "max_temp": 30, "temp_step": 0.5 }),
            &[
                ("mode_state_topic", "mode_state_template", "mode"),
                ("temperature_state_topic", "temperature_state_template", "setpoint"),
                ("current_temperature_topic", "current_temperature_template", "temperature"),
                ("action_topic", "action_template", "action"),
            ],
            &[("mode_command_topic", "set_mode"), ("temperature_command_topic", "set_setpoint")],
        )],
        Thing::Cover { .. } => vec![same(
            "cover",
            json!({ "device_class": "shutter" }),
            &[STATE, ("position_topic", "position_template", "position")],
            &[SET, ("set_position_topic", "set_position")],
        )],
        Thing::Lock { .. } => vec![same("lock", json!({}), &[STATE], &[SET])],
        Thing::Button { .. } => vec![same(
            "event",
            json!({ "event_types": ["single", "double", "hold", "release"], "device_class": "button" }),
            // Each press is a message of its own; it has no state.
            &[("state_topic", "", "event")],
            &[],
        )],
        Thing::Climate { .. } => vec![
            measure("temperature", "temperature", "°C", "measurement", "temperature"),
            measure("humidity", "humidity", "%", "measurement", "humidity"),
        ],
    }
}

/// `None`: it does not say this by itself.
pub(super) fn said(thing: &Thing, leaf: &str) -> Option<Value> {
    let word = |is, yes, no| Value::from(if is { yes } else { no });
    Some(match (thing, leaf) {
        (Thing::Alarm { on, .. } | Thing::Switch { on } | Thing::Socket { on, .. }, "state") => word(*on, "ON", "OFF"),
        (Thing::Socket { on, load_w, .. }, "power") => (if *on { *load_w } else { 0 }).into(),
        (Thing::Socket { energy_wh, .. }, "energy") => kwh(*energy_wh).into(),
        (Thing::Valve { open }, "state") => word(*open, "open", "closed"),
        (Thing::Lock { locked }, "state") => word(*locked, "LOCKED", "UNLOCKED"),
        (Thing::Lamp { on, brightness_permille, colour }, "state") => {
            let mut state =
                json!({ "state": if *on { "ON" } else { "OFF" }, "brightness": scaled(*brightness_permille, 255) });
            if let Colour::White { mired } = colour {
                state["color_mode"] = "color_temp".into();
                state["color_temp"] = (*mired).into();
            } else {
                let [r, g, b] = colour.rgb();
                state["color_mode"] = "rgb".into();
                state["color"] = json!({ "r": r, "g": g, "b": b });
            }
            state
        }
        (Thing::Thermostat { mode, .. }, "mode") => match mode {
            Heating::Off => "off".into(),
            Heating::Heat => "heat".into(),
            Heating::Auto => "auto".into(),
        },
        (Thing::Thermostat { setpoint_tenths_c, .. }, "setpoint") => celsius(*setpoint_tenths_c).into(),
        (Thing::Thermostat { room_tenths_c, .. }, "temperature") => celsius(*room_tenths_c).into(),
        (Thing::Thermostat { mode: Heating::Off, .. }, "action") => "off".into(),
        (Thing::Thermostat { .. }, "action") => word(thing.heats(), "heating", "idle"),
        (Thing::Cover { position_percent: at, target_percent: to }, "state") => match to.cmp(at) {
            std::cmp::Ordering::Greater => "opening".into(),
            std::cmp::Ordering::Less => "closing".into(),
            std::cmp::Ordering::Equal => word(*at > 0, "open", "closed"),
        },
        (Thing::Cover { position_percent, .. }, "position") => (*position_percent).into(),
        (Thing::Climate { tenths_c, .. }, "temperature") => celsius(*tenths_c).into(),
        (Thing::Climate { humidity_percent, .. }, "humidity") => (*humidity_percent).into(),
        _ => return None,
    })
}

/// What a publish on one of its command topics asks for.
pub(super) fn ordered(thing: &Thing, leaf: &str, payload: &[u8]) -> Vec<Order> {
    let text = String::from_utf8_lossy(payload);
    let word = text.trim();
    let one = |order: Option<Order>| order.into_iter().collect();
    match (thing, leaf) {
        (Thing::Lamp { .. }, "set") => lamp(&serde_json::from_slice(payload).unwrap_or_default()),
        (_, "set") => one(match word {
            "ON" | "OPEN" | "LOCK" => Some(Order::On(true)),
            "OFF" | "CLOSE" | "UNLOCK" => Some(Order::On(false)),
            "STOP" => Some(Order::Stop),
            _ => None,
        }),
        (_, "set_position") => one(word.parse().ok().map(|percent| Order::PositionPercent(byte(percent)))),
        (_, "set_setpoint") => one(word.parse().ok().map(|wanted| Order::SetpointTenthsC(tenths(wanted)))),
        (_, "set_mode") => one(match word {
            "off" => Some(Order::Heating(Heating::Off)),
            "heat" => Some(Order::Heating(Heating::Heat)),
            "auto" => Some(Order::Heating(Heating::Auto)),
            _ => None,
        }),
        _ => Vec::new(),
    }
}

fn lamp(asked: &Value) -> Vec<Order> {
    let mut orders = Vec::new();
    let colour = &asked["color"];
    if let (Some(r), Some(g), Some(b)) = (colour["r"].as_f64(), colour["g"].as_f64(), colour["b"].as_f64()) {
        orders.push(Order::Colour(Colour::from_rgb([r, g, b].map(byte))));
    } else if let Some(mired) = asked["color_temp"].as_f64() {
        orders.push(Order::Colour(Colour::white(mired)));
    }
    if let Some(level) = asked["brightness"].as_f64() {
        orders.push(Order::BrightnessPermille(permille(level, 255.0)));
    }
    match asked["state"].as_str() {
        Some("ON") => orders.push(Order::On(true)),
        Some("OFF") => orders.push(Order::On(false)),
        _ => {}
    }
    orders
}
