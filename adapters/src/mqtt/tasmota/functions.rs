//! What a device can do, by its configuration: relays, lights, shutters, a fan, buttons, switches; and how each is
//! commanded.

use std::sync::Arc;

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::facts::{Mode, Order, Shutter, Switch};
use super::{PropertyInfo, Shape};
use crate::Category;
use crate::fault::printable;
use crate::json::{self, Json, Members};

/// More than any firmware has of anything (MAX_RELAYS_SET is 32 on an ESP32).
const MAX_EACH: usize = 64;
/// Shutters at most (MAX_SHUTTERS_ESP32).
const MAX_SHUTTERS: usize = 16;

/// The kinds of `rl`.
const LIGHT: i64 = 2;
const SHUTTER: i64 = 3;

/// A property and how it is commanded.
pub(super) type Function = (PropertyInfo, Option<Order>);

/// The configuration, as far as functions need it.
pub(super) struct Device<'a> {
    pub(super) config: &'a Members<'a>,
    /// OFF, ON, TOGGLE, HOLD in the device's own words.
    pub(super) words: &'a [String; 4],
}

impl Device<'_> {
    fn number(&self, key: &str) -> i64 {
        self.config.get(key).and_then(|raw| raw.trim().parse().ok()).unwrap_or(0)
    }

    fn numbers(&self, key: &str) -> Vec<i64> {
        let all = self.config.get(key).and_then(|raw| json::elements(raw, MAX_EACH).ok()).unwrap_or_default();
        all.iter().map(|raw| raw.trim().parse().unwrap_or(0)).collect()
    }

    fn option(&self, number: &str) -> bool {
        let options = self.config.get("so").and_then(|raw| json::members(raw).ok());
        options.and_then(|options| options.get(number).map(|raw| raw.trim() == "1")).unwrap_or(false)
    }

    fn switch(&self, name: impl Into<String>) -> PropertyInfo {
        let [off, on, ..] = self.words;
        PropertyInfo::new(name, Shape::Switch { on: Value::Text(on.clone()), off: Value::Text(off.clone()) })
    }

    fn is_fan(&self) -> bool {
        self.number("if") == 1
    }

    /// `rl`: 0 none, 1 relay, 2 light, 3 shutter. A shutter's relays are not offered: switching them by hand can drive
    /// the motor both ways at once. One relay alone is POWER, several are POWER1,
    /// POWER2…, and so is one alone that is not the first.
    pub(super) fn relays(&self) -> Vec<Function> {
        let kinds = self.numbers("rl");
        let fitted = kinds.iter().filter(|kind| **kind != 0).count();
        let names = texts(self.config, "fn");
        let is_lit = self.option("30") || self.is_fan();
        let relays = kinds.iter().enumerate().filter(|(_, kind)| matches!(**kind, 1 | LIGHT));
        relays
            .map(|(i, kind)| {
                let name = if fitted == 1 && i == 0 { "power".to_owned() } else { format!("power{}", i + 1) };
                let class = if *kind == LIGHT || is_lit { "light" } else { "switch" };
                let label = names.get(i).cloned().flatten().map(|label| printable(&label).into());
                let order = Order::Flag(name.to_uppercase());
                let info = self.switch(name).with(|one| {
                    one.writable = true;
                    one.label = label;
                    one.class = Some(class.into());
                });
                (info, Some(order))
            })
            .collect()
    }

    /// `lt_st`: 1 a dimmer, 2 with colour temperature, 3 colours, 4 and white, 5 and white of any temperature. SetOption68
    /// makes each channel a lamp of its own; without `lk` the colours and the white are two lamps. SetOption20 (no power
    /// by brightness) is the owner's wish and stays it: nothing is switched on besides.
    pub(super) fn lights(&self) -> Vec<Function> {
        let kinds = self.numbers("rl");
        let lamps: Vec<usize> =
            kinds.iter().enumerate().filter(|(_, kind)| **kind == LIGHT).map(|(i, _)| i + 1).collect();
        let kind = self.number("lt_st");
        // The lamp of an iFan only goes on and off.
        if lamps.is_empty() || kind == 0 || self.is_fan() {
            return Vec::new();
        }
        if self.option("68") {
            return lamps.iter().map(|n| percent(&format!("channel{n}"), &format!("Channel{n}"))).collect();
        }
        let is_split = self.number("lk") == 0 && kind >= 4 && lamps.len() >= 2;
        let mut out = Vec::new();
        match (is_split, self.number("ty")) {
            (true, _) => out.extend([percent("dimmer1", "Dimmer1"), percent("dimmer2", "Dimmer2")]),
            // A dimmer behind a TuyaMCU takes its level as Dimmer3 and reports it as Dimmer.
            (false, 1) => out.push(percent("dimmer", "Dimmer3")),
            (false, _) => out.push(percent("dimmer", "Dimmer")),
        }
        if kind >= 3 {
            let colour = settable("color", Shape::Text).with(|one| one.class = Some("color".into()));
            out.push((colour, Some(Order::Colour(if is_split { "=" } else { "" }))));
            out.push(whole("hue", 0, 360, "HsbColor1"));
            out.push(percent("saturation", "HsbColor2"));
        }
        if kind == 2 || kind == 5 {
            // SetOption82: the range that Alexa understands.
            let (min, max) = if self.option("82") { (200, 380) } else { (153, 500) };
            let (ct, order) = whole("ct", min, max, "CT");
            out.push((ct.with(|one| one.unit = Unit::Mired), order));
        }
        if kind >= 4 && !is_split {
            out.push(percent("white", "White"));
        }
        let setting = |(info, order): Function| (info.with(|one| one.category = Category::Setting), order);
        out.push(whole("scheme", 0, 16, "Scheme"));
        out.push(setting((self.switch("fade").with(|one| one.writable = true), Some(Order::Flag("Fade".to_owned())))));
        out.push(setting(whole("speed", 1, 40, "Speed")));
        out
    }

    /// Shutters take two relays each, one after the other; a pair that is not whole is a mistake in the template, and
    /// the ones after it cannot be numbered.
    pub(super) fn shutters(&self) -> (Vec<Shutter>, Vec<Function>) {
        let (kinds, options) = (self.numbers("rl"), self.numbers("sho"));
        let tilts = self.config.get("sht").and_then(|raw| json::elements(raw, MAX_EACH).ok()).unwrap_or_default();
        let mut count = 0;
        let mut kinds = kinds.iter();
        while let Some(kind) = kinds.next() {
            if *kind == SHUTTER && kinds.next() != Some(&SHUTTER) {
                break;
            }
            count += usize::from(*kind == SHUTTER);
        }
        let mut out = Vec::new();
        let shutters = (0..count.min(MAX_SHUTTERS)).map(|i| {
            let tilt: Vec<i64> = tilts
                .get(i)
                .and_then(|raw| json::elements(raw, 3).ok())
                .map(|all| all.iter().filter_map(|raw| raw.trim().parse().ok()).collect())
                .unwrap_or_default();
            let turns = match tilt.as_slice() {
                [min, max, duration] if *duration != 0 && min < max => Some((*min, *max)),
                _ => None,
            };
            Shutter { is_inverted: options.get(i).is_some_and(|options| options & 1 != 0), tilt: turns }
        });
        let shutters: Vec<Shutter> = shutters.collect();
        for (i, shutter) in shutters.iter().enumerate() {
            let n = i + 1;
            let words = ["OPEN", "CLOSE", "STOP"].iter().map(|word| (*word).to_owned()).collect();
            let cover =
                settable(&format!("shutter{n}"), Shape::Choice(words)).with(|one| one.class = Some("cover".into()));
            out.push((cover, Some(Order::Shutter(n))));
            let (position, order) = percent(&format!("shutter{n}_position"), &format!("ShutterPosition{n}"));
            let order = order.map(|order| match order {
                Order::Number(command) if shutter.is_inverted => Order::Inverted(command),
                order => order,
            });
            out.push((position, order));
            let (target, _) = percent(&format!("shutter{n}_target"), "");
            out.push((
                target.with(|one| {
                    one.writable = false;
                    one.category = Category::Diagnostic;
                }),
                None,
            ));
            let (direction, _) = whole(&format!("shutter{n}_direction"), -1, 1, "");
            out.push((
                direction.with(|one| {
                    one.writable = false;
                    one.category = Category::Diagnostic;
                }),
                None,
            ));
            if let Some((min, max)) = shutter.tilt {
                out.push(whole(&format!("shutter{n}_tilt"), min, max, &format!("ShutterTilt{n}")));
            }
        }
        (shutters, out)
    }

    /// Sonoff iFan02 and iFan03: four speeds, of which 0 is off.
    pub(super) fn fan(&self) -> Option<Function> {
        let (speed, order) = whole("fanspeed", 0, 3, "FanSpeed");
        self.is_fan().then(|| (speed.with(|one| one.class = Some("fan".into())), order))
    }

    /// `btn`: those that tell of presses (SetOption73). SetOption13 leaves the single press alone.
    pub(super) fn buttons(&self) -> Vec<Function> {
        let words: &[&str] =
            if self.option("13") { &["SINGLE"] } else { &["SINGLE", "DOUBLE", "TRIPLE", "QUAD", "PENTA", "HOLD"] };
        let buttons = self.numbers("btn").into_iter().enumerate().filter(|(_, flag)| *flag == 1);
        buttons
            .map(|(i, _)| (event(format!("button{}", i + 1), words.iter().map(|word| (*word).to_owned())), None))
            .collect()
    }

    /// `swc` and `swn`: those that tell of themselves (SetOption114). What a switch means (a door, a leak) nobody says.
    pub(super) fn switches(&self) -> (Vec<Switch>, Vec<Function>) {
        let names = texts(self.config, "swn");
        let (mut switches, mut out) = (Vec::new(), Vec::new());
        for (i, mode) in self.numbers("swc").into_iter().enumerate() {
            let Some(mode) = Mode::of(mode) else { continue };
            let number = i + 1;
            let usual = format!("Switch{number}");
            let name = names.get(i).cloned().flatten().unwrap_or_else(|| usual.clone());
            let label: Option<Arc<str>> = (name != usual).then(|| printable(&name).into());
            let property = format!("switch{number}");
            if mode != Mode::Press {
                let off_after_s = (mode == Mode::Begin).then_some(1);
                out.push((
                    self.switch(property.clone()).with(|one| {
                        one.label = label.clone();
                        one.off_after_s = off_after_s;
                    }),
                    None,
                ));
            }
            if matches!(mode, Mode::Press | Mode::StateAndPress) {
                let [.., toggle, hold] = self.words;
                let press = event(format!("{property}_action"), [toggle, hold].into_iter().cloned());
                out.push((press.with(|one| one.label = label), None));
            }
            switches.push(Switch { number, name, mode });
        }
        (switches, out)
    }
}

fn settable(name: &str, shape: Shape) -> PropertyInfo {
    PropertyInfo::new(name, shape).with(|one| one.writable = true)
}

fn whole(name: &str, min: i64, max: i64, command: &str) -> Function {
    let shape = Shape::Number { min: Some(min.into()), max: Some(max.into()) };
    let info = settable(name, shape).with(|one| one.step = Some(Decimal::ONE));
    (info, Some(Order::Number(command.to_owned())))
}

fn percent(name: &str, command: &str) -> Function {
    let (info, order) = whole(name, 0, 100, command);
    (info.with(|one| one.unit = Unit::Percent), order)
}

fn event(name: String, words: impl Iterator<Item = String>) -> PropertyInfo {
    PropertyInfo::new(name, Shape::Choice(words.collect())).with(|one| one.class = Some("event".into()))
}

/// An array of texts and nulls.
pub(super) fn texts(config: &Members<'_>, key: &str) -> Vec<Option<String>> {
    let all = config.get(key).and_then(|raw| json::elements(raw, MAX_EACH).ok()).unwrap_or_default();
    let text = |raw: &&str| match Json::of(raw) {
        Json::Text(_) => json::string(raw).ok().filter(|text| !text.is_empty()),
        _ => None,
    };
    all.iter().map(text).collect()
}
