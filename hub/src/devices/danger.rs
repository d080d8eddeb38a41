//! Which commands can flood a home, open it, or silence its alarm: for those a factor has to have been shown lately, and
//! they stand in the journal. By what the device says that the property is, not by its name, which people choose.

use domovoi_adapters::PropertyInfo;
use domovoi_model::Value;
use rust_decimal::Decimal;

/// Whatever is told to them.
const ALWAYS: [&str; 6] = ["lock", "garage", "garage_door", "gate", "alarm", "alarm_control_panel"];

/// Unless it closes them. Home Assistant's valves have the medium as their device class.
const OPENING: [&str; 4] = ["valve", "water_valve", "gas_valve", "gas"];

/// Whether a command to this property is dangerous.
pub fn is_dangerous(info: &PropertyInfo, value: &Value) -> bool {
    is_of(info, &ALWAYS) || (is_of(info, &OPENING) && !closes(value))
}

/// Whether any command to this property is.
pub fn can_be_dangerous(info: &PropertyInfo) -> bool {
    is_of(info, &ALWAYS) || is_of(info, &OPENING)
}

fn is_of(info: &PropertyInfo, classes: &[&str]) -> bool {
    info.class.as_deref().is_some_and(|class| classes.iter().any(|one| one.eq_ignore_ascii_case(class)))
}

/// Whether a value means "closed" to whatever has it.
fn closes(value: &Value) -> bool {
    match value {
        Value::Bool(open) => !open,
        Value::Number(position) => *position == Decimal::ZERO,
        Value::Text(word) => {
            ["close", "closed", "closing", "off", "stop"].contains(&word.trim().to_ascii_lowercase().as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use domovoi_adapters::Shape;

    use super::*;

    #[test]
    fn opening_and_unlocking_are_dangerous_and_closing_a_valve_is_not() {
        let of = |class: Option<&str>| PropertyInfo {
            class: class.map(Into::into),
            ..PropertyInfo::new("state", Shape::Unknown)
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
        ] {
            assert_eq!(is_dangerous(&of(class), &value), dangerous, "{class:?} {value}");
        }
    }
}
