//! What is sent to a lamp, by its schema.

use domovoi_model::Value;
use rust_decimal::Decimal;

use super::super::super::entity::{Entity, Extra, Property, Say};
use super::super::super::saying::{bounded, one_of, with};
use super::{COLOURS, First, Lamp, Schema};
use crate::colour::{self, Colour};
use crate::template::Given;
use crate::{Outgoing, Shape, json};

type Answer = Result<Vec<Outgoing>, String>;

/// A command to one property of a lamp.
pub(super) fn say(entity: &Entity, property: &Property, _: &Say, value: &Value) -> Answer {
    let Extra::Light(lamp) = &entity.extra else { return Ok(Vec::new()) };
    let wish = Wish::of(property, lamp.mode, value)?;
    match lamp.schema {
        Schema::Basic => basic(lamp, &wish),
        Schema::Json => in_json(lamp, &wish),
        Schema::Template => by_template(lamp, &wish),
    }
}

/// What is asked of a lamp.
enum Wish {
    On,
    Off,
    Number(&'static str, Decimal),
    Word(&'static str, String),
    /// The mode, and the numbers of its colour.
    Colour(&'static str, &'static [&'static str], Vec<Decimal>),
}

impl Wish {
    fn of(property: &Property, mode: &'static str, value: &Value) -> Result<Self, String> {
        let (suffix, shape) = (property.suffix, &property.info.shape);
        if suffix.is_empty() {
            return match (value, shape) {
                (Value::Bool(true), _) => Ok(Wish::On),
                (Value::Bool(false), _) => Ok(Wish::Off),
                (value, Shape::Switch { on, .. }) if value == on => Ok(Wish::On),
                (value, Shape::Switch { off, .. }) if value == off => Ok(Wish::Off),
                _ => Err("yes or no".to_owned()),
            };
        }
        if let Shape::Number { .. } = shape {
            return bounded(value, shape).map(|number| match suffix {
                // Firmwares differ on what `ON` without brightness is; Home Assistant never says it.
                "brightness" if number.is_zero() => Wish::Off,
                _ => Wish::Number(suffix, number),
            });
        }
        let Value::Text(text) = value else { return Err("a text".to_owned()) };
        if suffix == "color" {
            let colour = Colour::parse(text).ok_or_else(|| colour::WANTED.to_owned())?;
            let parts = COLOURS.iter().find(|(name, _)| *name == mode).map_or(&[][..], |(_, parts)| parts);
            return Ok(Wish::Colour(mode, parts, numbers(mode, colour)));
        }
        match shape {
            Shape::Choice(words) if !words.contains(text) => Err(one_of(words)),
            _ => Ok(Wish::Word(suffix, text.clone())),
        }
    }
}

/// A colour in the numbers of a mode; the white channels of a lamp that has them stay dark.
fn numbers(mode: &str, colour: Colour) -> Vec<Decimal> {
    let exact = |number: f64| format!("{number:.4}").parse().unwrap_or(Decimal::ZERO);
    match mode {
        "hs" => {
            let (hue, saturation) = colour.hs();
            vec![Decimal::from(hue), Decimal::from(saturation)]
        }
        "xy" => {
            let (x, y) = colour.xy();
            vec![exact(x), exact(y)]
        }
        _ => {
            let whites = mode.len().saturating_sub("rgb".len());
            let channels = [colour.r, colour.g, colour.b].into_iter().chain(std::iter::repeat_n(0, whites));
            channels.map(Decimal::from).collect()
        }
    }
}

fn plain(number: &Decimal) -> String {
    number.normalize().to_string()
}

fn basic(lamp: &Lamp, wish: &Wish) -> Answer {
    let on = || Outgoing::command(lamp.command.to_string(), lamp.on.as_bytes());
    let send = |name: &str, text: &str, given: &[(&str, Given<'_>)]| {
        let feature = lamp.features.iter().find(|(feature, ..)| *feature == name);
        feature.map(|(_, topic, template)| with(topic, template.as_ref(), text, given)).transpose()
    };
    let sent = match wish {
        Wish::Off => return Ok(vec![Outgoing::command(lamp.command.to_string(), lamp.off.as_bytes())]),
        Wish::On if lamp.first == First::Brightness => {
            let full = plain(&lamp.scale);
            return match send("brightness", &full, &[("value", Given::Number(lamp.scale))])? {
                Some(out) => Ok(vec![out]),
                None => Ok(vec![on()]),
            };
        }
        Wish::On => return Ok(vec![on()]),
        Wish::Number(name, number) => send(name, &plain(number), &[("value", Given::Number(*number))])?,
        Wish::Word(name, word) => send(name, word, &[("value", Given::Text(word))])?,
        Wish::Colour(name, _, numbers) => {
            let names: &[&str] = match *name {
                "hs" => &["hue", "sat"],
                "xy" => &["x", "y"],
                "rgbw" => &["red", "green", "blue", "white"],
                _ => &["red", "green", "blue", "cold_white", "warm_white"],
            };
            let given: Vec<(&str, Given<'_>)> =
                names.iter().zip(numbers).map(|(name, number)| (*name, Given::Number(*number))).collect();
            let text: Vec<String> = numbers.iter().map(plain).collect();
            send(name, &text.join(","), &given)?
        }
    };
    let sent = sent.ok_or("nothing: this cannot be set")?;
    Ok(match (lamp.first, wish) {
        (First::Brightness, _) => vec![sent],
        (First::On, _) => vec![on(), sent],
        (First::Feature, _) => vec![sent, on()],
    })
}

fn in_json(lamp: &Lamp, wish: &Wish) -> Answer {
    let body = match wish {
        Wish::Off => format!("{{\"state\":{}}}", json::quoted(&lamp.off)),
        _ => {
            let beside = match wish {
                Wish::Number(name, number) => format!(",{}:{}", json::quoted(name), plain(number)),
                Wish::Word(name, word) => format!(",{}:{}", json::quoted(name), json::quoted(word)),
                Wish::Colour(_, parts, numbers) => {
                    let parts: Vec<String> = parts
                        .iter()
                        .zip(numbers)
                        .map(|(part, number)| format!("{}:{}", json::quoted(part), plain(number)))
                        .collect();
                    format!(",\"color\":{{{}}}", parts.join(","))
                }
                Wish::On | Wish::Off => String::new(),
            };
            format!("{{\"state\":{}{beside}}}", json::quoted(&lamp.on))
        }
    };
    Ok(vec![Outgoing::command(lamp.command.to_string(), body)])
}

fn by_template(lamp: &Lamp, wish: &Wish) -> Answer {
    let Some(templates) = &lamp.templates else { return Ok(Vec::new()) };
    let (on, off) = templates.as_ref();
    let state = if matches!(wish, Wish::Off) { "off" } else { "on" };
    let mut given = vec![("state", Given::Text(state)), ("value", Given::Text(state))];
    match wish {
        Wish::Number(name, number) => given.push((name, Given::Number(*number))),
        Wish::Word(name, word) => given.push((name, Given::Text(word))),
        Wish::Colour(_, _, numbers) => {
            given.extend(["red", "green", "blue"].into_iter().zip(numbers).map(|(name, n)| (name, Given::Number(*n))));
        }
        Wish::On | Wish::Off => {}
    }
    let template = if matches!(wish, Wish::Off) { off } else { on };
    with(&lamp.command, Some(template), "", &given).map(|out| vec![out])
}
