//! `bridge/devices` of the pretend bridge: what each device says that it can. Shapes after lib/extension/bridge.ts and
//! zigbee-herdsman-converters' exposes (2.x); models are real ones of their kind.

use serde_json::{Value, json};

use super::{
    super::things::{Hazard, Thing},
    words::alarm_word,
};

/// Bits of `access`.
const STATE: u8 = 1;
const STATE_SET: u8 = 3;
const STATE_GET: u8 = 5;
const ALL: u8 = 7;

fn numeric(name: &str, access: u8, unit: &str, (least, most): (i32, i32)) -> Value {
    json!({
        "type": "numeric", "name": name, "label": label(name), "property": name, "access": access, "unit": unit,
        "value_min": least, "value_max": most,
    })
}

/// Without bounds.
fn measured(name: &str, access: u8, unit: &str) -> Value {
    json!({ "type": "numeric", "name": name, "label": label(name), "property": name, "access": access, "unit": unit })
}

fn binary(name: &str, access: u8, on: Value, off: Value) -> Value {
    json!({
        "type": "binary", "name": name, "label": label(name), "property": name, "access": access,
        "value_on": on, "value_off": off,
    })
}

fn choice(name: &str, access: u8, values: &[&str]) -> Value {
    json!({ "type": "enum", "name": name, "label": label(name), "property": name, "access": access, "values": values })
}

fn diagnostic(mut expose: Value) -> Value {
    expose["category"] = "diagnostic".into();
    expose
}

fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn on_off() -> Value {
    let mut state = binary("state", ALL, "ON".into(), "OFF".into());
    state["value_toggle"] = "TOGGLE".into();
    state
}

fn colour(name: &str, parts: [&str; 2]) -> Value {
    json!({
        "type": "composite", "name": name, "label": label(name), "property": "color", "access": ALL,
        "features": parts.map(|part| json!({
            "type": "numeric", "name": part, "label": label(part), "property": part, "access": ALL,
        })),
    })
}

fn exposes(thing: &Thing) -> Vec<Value> {
    let mut exposes = match thing {
        Thing::Alarm { hazard, .. } => vec![
            binary(alarm_word(*hazard), STATE, true.into(), false.into()),
            diagnostic(binary("battery_low", STATE, true.into(), false.into())),
        ],
        Thing::Switch { .. } | Thing::Valve { .. } => vec![json!({ "type": "switch", "features": [on_off()] })],
        Thing::Socket { .. } => vec![
            json!({ "type": "switch", "features": [on_off()] }),
            measured("power", STATE_GET, "W"),
            measured("voltage", STATE_GET, "V"),
            measured("current", STATE_GET, "A"),
            measured("energy", STATE_GET, "kWh"),
        ],
        Thing::Lamp { .. } => vec![json!({ "type": "light", "features": [
            on_off(), numeric("brightness", ALL, "", (0, 254)), numeric("color_temp", ALL, "mired", (153, 500)),
            colour("color_xy", ["x", "y"]), colour("color_hs", ["hue", "saturation"]),
        ] })],
        Thing::Thermostat { .. } => {
            let mut setpoint = numeric("occupied_heating_setpoint", ALL, "°C", (5, 30));
            setpoint["value_step"] = json!(0.5);
            vec![json!({ "type": "climate", "features": [
                setpoint, measured("local_temperature", STATE_GET, "°C"),
                choice("system_mode", ALL, &["off", "heat", "auto"]),
                choice("running_state", STATE_GET, &["idle", "heat"]),
            ] })]
        }
        Thing::Cover { .. } => vec![
            json!({ "type": "cover", "features": [
                choice("state", STATE_SET, &["OPEN", "CLOSE", "STOP"]), numeric("position", ALL, "%", (0, 100)),
            ] }),
            choice("moving", STATE, &["UP", "STOP", "DOWN"]),
        ],
        Thing::Lock { .. } => vec![json!({ "type": "lock", "features": [
            binary("state", ALL, "LOCK".into(), "UNLOCK".into()),
            choice("lock_state", STATE, &["not_fully_locked", "locked", "unlocked"]),
        ] })],
        Thing::Button { .. } => vec![choice("action", STATE, &["single", "double", "hold", "release"])],
        Thing::Climate { .. } => vec![measured("temperature", STATE, "°C"), measured("humidity", STATE, "%")],
    };
    if thing.sleeps() {
        exposes.push(diagnostic(numeric("battery", STATE, "%", (0, 100))));
    }
    exposes.push(diagnostic(numeric("linkquality", STATE, "lqi", (0, 255))));
    exposes
}

/// Model, vendor, words.
fn model(thing: &Thing) -> (&'static str, &'static str, &'static str) {
    match thing {
        Thing::Alarm { hazard: Hazard::Leak, .. } => ("SJCGQ11LM", "Aqara", "Water leak sensor"),
        Thing::Alarm { hazard: Hazard::Smoke, .. } => ("JTYJ-GD-01LM/BW", "Xiaomi", "Mi Honeywell smoke detector"),
        Thing::Alarm { hazard: Hazard::Gas, .. } => ("JTQJ-BF-01LM/BW", "Xiaomi", "Mi gas detector"),
        Thing::Alarm { hazard: Hazard::CarbonMonoxide, .. } => ("HS1CA-E", "HEIMAN", "Smart carbon monoxide sensor"),
        Thing::Switch { .. } => ("ZBMINI-L", "SONOFF", "Smart relay without neutral"),
        Thing::Socket { .. } => ("TS011F_plug_1", "Tuya", "Smart plug with power monitoring"),
        Thing::Valve { .. } => ("TS0001_switch_module", "Tuya", "Water valve"),
        Thing::Lamp { .. } => ("9290022166", "Philips", "Hue White and Color ambiance E26/E27"),
        Thing::Thermostat { .. } => ("TRVZB", "SONOFF", "Zigbee thermostatic radiator valve"),
        Thing::Cover { .. } => ("TS130F", "Tuya", "Curtain/blind switch"),
        Thing::Lock { .. } => ("YRD226HA2619", "Yale", "Assure lock"),
        Thing::Button { .. } => ("E1812", "IKEA", "TRADFRI shortcut button"),
        Thing::Climate { .. } => ("WSDCGQ11LM", "Aqara", "Temperature and humidity sensor"),
    }
}

/// The maker's definition.
pub(super) fn definition(thing: &Thing) -> Value {
    let (model, vendor, description) = model(thing);
    json!({
        "model": model, "vendor": vendor, "description": description, "exposes": exposes(thing), "options": [],
        "supports_ota": false, "source": "native", "icon": null,
    })
}

pub(super) fn device(ieee: &str, name: &str, thing: &Thing) -> Value {
    let (model, vendor, _) = model(thing);
    let asleep = thing.sleeps();
    json!({
        "ieee_address": ieee, "type": if asleep { "EndDevice" } else { "Router" }, "network_address": 4660,
        "supported": true, "friendly_name": name, "disabled": false, "description": "",
        "power_source": if asleep { "Battery" } else { "Mains (single phase)" },
        "model_id": model, "manufacturer": vendor, "software_build_id": "1.0.2",
        "interviewing": false, "interview_completed": true, "interview_state": "SUCCESSFUL",
        "endpoints": { "1": { "bindings": [], "configured_reportings": [], "clusters": { "input": [], "output": [] } } },
        "definition": definition(thing),
    })
}

pub(super) fn coordinator() -> Value {
    json!({
        "ieee_address": "0x00124b0014d9a0b1", "type": "Coordinator", "network_address": 0, "supported": true,
        "friendly_name": "Coordinator", "disabled": false, "interviewing": false, "interview_completed": true,
        "interview_state": "SUCCESSFUL", "endpoints": {}, "definition": null,
    })
}
