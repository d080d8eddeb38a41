//! `bridge/devices` of the pretend Zigbee2MQTT: what the coordinator, a lamp, a leak sensor and a valve say of themselves.

use serde_json::{Value, json};

use super::zigbee::ZigbeeSettings;

/// Bits of `access`.
const STATE: u8 = 1;
const STATE_SET_GET: u8 = 7;
const STATE_GET: u8 = 5;

pub(crate) fn devices(settings: &ZigbeeSettings) -> Value {
    let link_quality = json!({
        "type": "numeric", "name": "linkquality", "label": "Linkquality", "property": "linkquality", "access": STATE,
        "unit": "lqi", "value_min": 0, "value_max": 255, "category": "diagnostic",
    });
    let battery = json!({
        "type": "numeric", "name": "battery", "label": "Battery", "property": "battery", "access": STATE,
        "unit": "%", "value_min": 0, "value_max": 100, "category": "diagnostic",
    });
    let on_off = json!({
        "type": "binary", "name": "state", "label": "State", "property": "state", "access": STATE_SET_GET,
        "value_on": "ON", "value_off": "OFF", "value_toggle": "TOGGLE",
    });
    let brightness = json!({
        "type": "numeric", "name": "brightness", "label": "Brightness", "property": "brightness",
        "access": STATE_SET_GET, "value_min": 0, "value_max": 254,
    });
    let leak = json!({
        "type": "binary", "name": "water_leak", "label": "Water leak", "property": "water_leak", "access": STATE,
        "value_on": true, "value_off": false, "description": "Indicates whether the device detected a water leak",
    });
    let battery_low = json!({
        "type": "binary", "name": "battery_low", "label": "Battery low", "property": "battery_low", "access": STATE_GET,
        "value_on": true, "value_off": false, "category": "diagnostic",
    });
    json!([
        {
            "ieee_address": "0x00124b0014d9a0b1", "type": "Coordinator", "network_address": 0, "supported": true,
            "friendly_name": "Coordinator", "disabled": false, "interview_completed": true,
            "interview_state": "SUCCESSFUL", "endpoints": {}, "definition": null,
        },
        device(&settings.lamp_ieee, &settings.lamp_name, "Router", "Mains (single phase)",
            ("LED1545G12", "IKEA", "TRADFRI bulb E26/E27"),
            &[json!({ "type": "light", "features": [on_off, brightness] }), link_quality.clone()]),
        device(&settings.leak_ieee, &settings.leak_name, "EndDevice", "Battery",
            ("SJCGQ11LM", "Aqara", "Water leak sensor"),
            &[battery, leak, battery_low, link_quality.clone()]),
        device(&settings.valve_ieee, &settings.valve_name, "Router", "DC Source",
            ("TS0001_switch_module", "Tuya", "Water valve"),
            &[json!({ "type": "switch", "features": [on_off] }), link_quality]),
    ])
}

fn device(
    ieee: &str,
    name: &str,
    kind: &str,
    power: &str,
    (model, vendor, description): (&str, &str, &str),
    exposes: &[Value],
) -> Value {
    json!({
        "ieee_address": ieee, "type": kind, "network_address": 4660, "supported": true, "friendly_name": name,
        "disabled": false, "description": "", "power_source": power, "model_id": model, "manufacturer": vendor,
        "interviewing": false, "interview_completed": true, "interview_state": "SUCCESSFUL",
        "endpoints": { "1": { "bindings": [], "configured_reportings": [], "clusters": { "input": [], "output": [] } } },
        "definition": {
            "model": model, "vendor": vendor, "description": description, "exposes": exposes, "options": [],
            "supports_ota": false, "source": "native",
        },
    })
}
