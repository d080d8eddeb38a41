//! Which commands can flood a home, open it, or silence its alarm: for those a factor has to have been shown lately, and
//! they stand in the journal. By what the device says that it and the property are, not by names, which people choose. And
//! what of a command's value is nobody's business: codes are given to locks and alarms, and told to nobody.

use domovoi_adapters::{Announcement, Category, ENDANGER_ALWAYS, ENDANGER_OPEN, PropertyInfo, is_secret};
use domovoi_model::{Command, Value};
use rust_decimal::Decimal;

/// What sits beside a lock or a valve in one device and moves neither, by class or kind.
const HARMLESS: [&str; 7] = ["light", "fan", "climate", "humidifier", "media_player", "child_lock", "identify"];

/// The same by name, for settings that have no class.
const HARMLESS_NAMES: [&str; 9] = [
    "identify",
    "child_lock",
    "led_enable",
    "led_indication",
    "led_indicator",
    "backlight",
    "backlight_mode",
    "language",
    "temperature_unit",
];

/// What stands in the place of what is nobody's business.
const STARS: &str = "***";

/// Whether a command to this property is dangerous. What belongs to a lock (a code, how soon it locks itself) opens the
/// door as surely as its bolt; a device that says nothing of itself may be a lock.
pub fn is_dangerous(known: Option<&Announcement>, property: &str, value: &Value) -> bool {
    let Some(known) = known else { return true };
    match known.property(property) {
        Some(info) if info.is_of(ENDANGER_ALWAYS) => !is_harmless(info),
        Some(info) if info.is_of(ENDANGER_OPEN) => !closes(value),
        Some(info) => guards(known) && !is_harmless(info),
        None => guards(known),
    }
}

/// Whether any command to this property is.
pub fn can_be_dangerous(known: Option<&Announcement>, info: &PropertyInfo) -> bool {
    !is_harmless(info) && (is_guard(info) || known.is_some_and(guards))
}

/// A command as it is told and written down: without codes and passwords. The dialects say alarms `disarmed 1234`.
pub fn shown(known: Option<&Announcement>, command: &Command) -> Command {
    let name = &command.target.property;
    let info = known.and_then(|known| known.property(name));
    let stars = || Value::Text(STARS.into());
    let value = match &command.value {
        _ if is_secret(name) => stars(),
        Value::Text(text) if known.is_none_or(guards) => {
            let first = text.split_whitespace().next().unwrap_or_default();
            let is_structure = text.trim_start().starts_with(['{', '[']);
            let is_silent = info.is_some_and(|info| !info.reported && !info.can_endanger());
            match first.len() < text.trim().len() {
                _ if is_structure || is_silent => stars(),
                true => Value::Text(format!("{first} {STARS}")),
                false => command.value.clone(),
            }
        }
        value => value.clone(),
    };
    Command { value, target: command.target.clone() }
}

/// Whether a device is what the reflex hears or sets by itself: a sensor of a danger, a valve, a siren.
pub fn is_for_danger(known: &Announcement) -> bool {
    let is_organ = |one: &PropertyInfo| one.writable && (one.is_main_of("valve") || one.is_main_of("siren"));
    known.properties.iter().any(|one| one.hazard.is_some() || is_organ(one))
}

/// Whether the home's safety hangs on a device: it senses a danger, or is closed or sounded in one. What says nothing of
/// itself may do either.
pub fn keeps_safe(known: Option<&Announcement>) -> bool {
    known.is_none_or(|known| {
        guards(known)
            || known.properties.iter().any(|one| one.hazard.is_some() || (one.writable && one.is_of(&["siren"])))
    })
}

/// Whether a device is there to keep something shut: then all that can be set of it counts.
fn guards(known: &Announcement) -> bool {
    known.properties.iter().any(|one| one.writable && one.category == Category::Main && is_guard(one))
}

fn is_guard(info: &PropertyInfo) -> bool {
    info.can_endanger() && !is_harmless(info)
}

fn is_harmless(info: &PropertyInfo) -> bool {
    info.is_of(&HARMLESS) || HARMLESS_NAMES.contains(&info.name.as_str())
}

/// Whether a value means "closed" to whatever has it. To stop is not to close: a valve that is stopped on its way stands
/// half open.
fn closes(value: &Value) -> bool {
    match value {
        Value::Bool(open) => !open,
        Value::Number(position) => *position == Decimal::ZERO,
        Value::Text(word) => ["close", "closed", "closing", "off"].contains(&word.trim().to_ascii_lowercase().as_str()),
    }
}

#[cfg(test)]
mod tests {
    use domovoi_adapters::Shape;
    use domovoi_model::{CommandTarget, DeviceRef};

    use super::*;

    fn device(properties: Vec<PropertyInfo>) -> Announcement {
        let properties = properties.into_iter().map(|info| info.with(|one| one.writable = true)).collect();
        Announcement { properties, ..Announcement::of(DeviceRef::new("zigbee2mqtt", "0x1")) }
    }

    fn is_dangerous_alone(info: &PropertyInfo, value: &Value) -> bool {
        is_dangerous(Some(&device(vec![info.clone()])), &info.name, value)
    }

    #[test]
    fn opening_and_unlocking_are_dangerous_and_closing_a_valve_is_not() {
        let of = |class: Option<&str>| {
            PropertyInfo::new("state", Shape::Unknown).with(|one| one.class = class.map(Into::into))
        };
        let text = |word: &str| Value::Text(word.into());
        for (class, value, dangerous) in [
            (None, Value::Bool(true), false),
            (Some("light"), Value::Bool(true), false),
            (Some("lock"), Value::Bool(true), true),
            (Some("Lock"), Value::Bool(false), true),
            (Some("garage"), text("CLOSE"), true),
            (Some("alarm_control_panel"), text("DISARM"), true),
            (Some("valve"), Value::Bool(true), true),
            (Some("valve"), text("OPEN"), true),
            (Some("valve"), text("TOGGLE"), true),
            (Some("valve"), Value::Number(5.into()), true),
            (Some("valve"), Value::Number(0.into()), false),
            (Some("valve"), Value::Bool(false), false),
            (Some("valve"), text("CLOSE"), false),
            (Some("valve"), text("STOP"), true),
        ] {
            assert_eq!(is_dangerous_alone(&of(class), &value), dangerous, "{class:?} {value}");
        }
    }

    #[test]
    fn a_part_of_a_valve_or_a_garage_door_is_as_dangerous_as_the_whole() {
        let of = |class: &str, kind: &str, whole: Option<&str>| {
            PropertyInfo::new("x", Shape::Unknown).with(|one| {
                one.class = Some(class.into());
                one.kind = Some(kind.into());
                one.kind_class = whole.map(Into::into);
            })
        };
        let number = |number: i64| Value::Number(number.into());
        for (info, value, dangerous) in [
            (of("valve.position", "valve", None), number(100), true),
            (of("valve.position", "valve", None), number(0), false),
            (of("water", "valve", Some("water")), Value::Bool(true), true),
            (of("gas", "valve", Some("gas")), Value::Bool(false), false),
            (of("cover.position", "cover", Some("garage")), number(50), true),
            (of("cover.tilt", "cover", Some("gate")), number(50), true),
            (of("cover.position", "cover", Some("blind")), number(50), false),
            (of("door", "lock", Some("door")), Value::Bool(false), true),
            // What reports gas opens nothing.
            (of("gas", "binary_sensor", Some("gas")), Value::Bool(true), false),
        ] {
            assert_eq!(is_dangerous_alone(&info, &value), dangerous, "{info:?} {value}");
        }
    }

    fn named(name: &str, class: Option<&str>, shape: Shape) -> PropertyInfo {
        PropertyInfo::new(name, shape).with(|one| one.class = class.map(Into::into))
    }

    #[test]
    fn what_belongs_to_a_lock_or_a_valve_is_as_dangerous_as_it_is_itself() {
        let beside = |guard: &str| {
            let name = |name, class| named(name, class, Shape::Unknown);
            device(vec![
                name("state", Some(guard)),
                name("pin_code", None),
                name("auto_relock", None),
                name("led_enable", None),
                name("lamp", Some("light")),
            ])
        };
        let on = Value::Bool(true);
        for guard in ["lock", "garage", "gate", "alarm_control_panel", "valve"] {
            let known = beside(guard);
            for (property, dangerous) in
                [("state", true), ("pin_code", true), ("auto_relock", true), ("led_enable", false), ("lamp", false)]
            {
                assert_eq!(is_dangerous(Some(&known), property, &on), dangerous, "{guard} {property}");
                let info = known.property(property).unwrap();
                assert_eq!(can_be_dangerous(Some(&known), info), dangerous, "{guard} {property}");
            }
        }
        // The lock that keeps children from a thermostat's buttons opens no door.
        for other in ["light", "child_lock"] {
            let known = beside(other);
            assert!(known.properties.iter().all(|info| !is_dangerous(Some(&known), &info.name, &on)), "{other}");
        }
        assert!(is_dangerous(None, "state", &on), "what says nothing of itself may be a lock");
        let read_only = Announcement {
            properties: vec![named("gate", Some("gate"), Shape::Unknown), named("relay", None, Shape::Unknown)],
            ..device(Vec::new())
        };
        assert!(!is_dangerous(Some(&read_only), "relay", &on), "what only reports a gate opens none");
    }

    #[test]
    fn codes_are_told_to_nobody() {
        let silent = named("codes", None, Shape::Text).with(|one| one.reported = false);
        let lock = device(vec![named("state", Some("lock"), Shape::Unknown), silent]);
        let alarm = device(vec![named("panel", Some("alarm_control_panel"), Shape::Unknown)]);
        let lamp = device(vec![named("effect", Some("light"), Shape::Text)]);
        for (known, property, value, told) in [
            (&lock, "pin_code", r#"{"user":1,"pin_code":4321}"#, "***"),
            (&lock, "pin_code", "4321", "***"),
            (&lock, "codes", "4321", "***"),
            (&lock, "user", r#" {"code":"4321"}"#, "***"),
            (&lock, "state", "LOCK", "LOCK"),
            (&alarm, "panel", "disarmed 1234", "disarmed ***"),
            (&alarm, "panel", "armed_away", "armed_away"),
            (&lamp, "effect", "fast blink", "fast blink"),
            (&lamp, "wifi_password", "qwerty", "***"),
        ] {
            let target = CommandTarget { device: known.device.clone(), property: property.into() };
            let command = Command { target, value: Value::Text(value.into()) };
            assert_eq!(shown(Some(known), &command).value, Value::Text(told.into()), "{property} {value}");
        }
    }
}
