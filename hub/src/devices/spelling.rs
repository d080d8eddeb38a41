//! A value as people and programs write it, read by what the property can be: `on`, `true` and `1` switch a lamp, `21.5`
//! sets a thermostat, and a word that nobody here knows goes to the dialect as it is.

use domovoi_adapters::{PropertyInfo, Shape};
use domovoi_model::Value;
use rust_decimal::Decimal;

const YES: [&str; 4] = ["true", "on", "yes", "1"];
const NO: [&str; 4] = ["false", "off", "no", "0"];

/// Reads a value.
pub fn read(info: Option<&PropertyInfo>, text: &str) -> Value {
    let text = text.trim();
    let lower = text.to_lowercase();
    let word = || Value::Text(text.to_owned());
    let number = || text.parse::<Decimal>().map(Value::Number).unwrap_or_else(|_| word());
    match info.map(|info| &info.shape) {
        Some(Shape::Number { .. }) => number(),
        Some(Shape::Switch { on, off }) => {
            let is = |value: &Value| value.to_string().to_lowercase() == lower;
            if is(on) || (YES.contains(&&*lower) && !is(off)) {
                Value::Bool(true)
            } else if is(off) || NO.contains(&&*lower) {
                Value::Bool(false)
            } else {
                word()
            }
        }
        Some(Shape::Choice(_) | Shape::Text) => word(),
        Some(Shape::Unknown) | None => match &*lower {
            "true" | "on" => Value::Bool(true),
            "false" | "off" => Value::Bool(false),
            _ => number(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_what_the_property_can_be() {
        let text = |word: &str| Value::Text(word.into());
        let switch = Shape::Switch { on: text("ON"), off: text("OFF") };
        let inverted = Shape::Switch { on: text("0"), off: text("1") };
        let number = Shape::Number { min: None, max: None };
        let choice = Shape::Choice(vec!["1".into(), "auto".into()]);
        for (shape, written, read_as) in [
            (Some(&switch), "on", Value::Bool(true)),
            (Some(&switch), "TRUE", Value::Bool(true)),
            (Some(&switch), "0", Value::Bool(false)),
            (Some(&switch), "TOGGLE", text("TOGGLE")),
            (Some(&inverted), "1", Value::Bool(false)),
            (Some(&inverted), "0", Value::Bool(true)),
            (Some(&number), " 21.5 ", Value::Number("21.5".parse().unwrap())),
            (Some(&number), "warmest", text("warmest")),
            (Some(&choice), "1", text("1")),
            (None, "on", Value::Bool(true)),
            (None, "7", Value::Number(7.into())),
            (None, "blue", text("blue")),
        ] {
            let info = shape.map(|shape| PropertyInfo::new("x", shape.clone()));
            assert_eq!(read(info.as_ref(), written), read_as, "{shape:?} {written}");
        }
    }
}
