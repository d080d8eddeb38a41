//! Which commands can flood a home, open it, or silence its alarm: for those a factor has to have been shown lately, and
//! they stand in the journal. By what the device says that the property is, not by its name, which people choose.

use domovoi_adapters::{ENDANGER_ALWAYS, ENDANGER_OPEN, PropertyInfo};
use domovoi_model::Value;
use rust_decimal::Decimal;

/// Whether a command to this property is dangerous.
pub fn is_dangerous(info: &PropertyInfo, value: &Value) -> bool {
    info.is_of(ENDANGER_ALWAYS) || (info.is_of(ENDANGER_OPEN) && !closes(value))
}

/// Whether any command to this property is.
pub fn can_be_dangerous(info: &PropertyInfo) -> bool {
    info.can_endanger()
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

    #[test]
    fn a_part_of_a_valve_or_a_garage_door_is_as_dangerous_as_the_whole() {
        let of = |class: &str, kind: &str, whole: Option<&str>| PropertyInfo {
            class: Some(class.into()),
            kind: Some(kind.into()),
            kind_class: whole.map(Into::into),
            ..PropertyInfo::new("x", Shape::Unknown)
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
            assert_eq!(is_dangerous(&info, &value), dangerous, "{info:?} {value}");
        }
    }
}
