//! Whatever speaks no dialect: topics that the owner of the home mapped to devices himself, see [`crate::mapping`]. Others
//! are asked first, so that no mapping takes a leak sensor's words away from whoever knows what they mean.

#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Moment, Observation, Value};
use rust_decimal::Decimal;

use crate::bases::is_base;
use crate::fault::{What, printable};
use crate::filters::fits;
use crate::json::{MAX_TEXT, text};
use crate::mapping::{Mapped, filled};
use crate::report::{Report, value_of};
use crate::template::{Given, Message};
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Lore, Outgoing, PropertyInfo,
    Reach, Reached, Row, Shape, plain,
};

const NAME: &str = "mapping";

/// The dialect. It has no topics but those of the mappings; a base switches it on.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["mapping"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained,
    confirms_within: Duration::from_secs(30),
};

/// What stood in a device's topics for each `+`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Captured(Vec<String>);

fn topics(directory: &Directory) -> Vec<String> {
    let of = |mapped: &Mapped| {
        let rows = mapped.mapping.rows.iter().map(|row| row.topic.clone());
        rows.chain(mapped.mapping.presence.iter().map(|(topic, ..)| topic.clone())).collect::<Vec<_>>()
    };
    let mut out: Vec<String> = directory.mappings().iter().flat_map(of).collect();
    out.sort();
    out.dedup();
    out
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let mut mappings = directory.mappings().iter().enumerate();
    let (at, id) = mappings.find_map(|(at, mapped)| {
        let captured = mapped.hears(envelope.topic)?;
        Some((at, filled(&mapped.mapping.id, &captured)))
    })?;
    Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: at.to_string() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let mapped = claim.part.parse().ok().and_then(|at: usize| directory.mappings().get(at));
    let Some(mapped) = mapped.filter(|_| !envelope.payload.is_empty()) else { return Ok(Decoded::default()) };
    let mut report = Report::of(&claim.device, directory);
    let topic = envelope.topic;
    introduce(&mut report.about, mapped, topic);
    if let Some((filter, online, offline)) = &mapped.mapping.presence
        && fits(filter, topic)
    {
        let word = text(envelope.payload, MAX_TEXT)?.trim();
        let available = if word == online { Some(true) } else { (word == offline).then_some(false) };
        match available {
            Some(available) => {
                let device = report.about.device.clone();
                report.out.reached.push(Reached { device, group: 0, source: 0, available });
            }
            None => report.fault(What::WrongType, topic, word),
        }
    }
    let at = match envelope.received_at {
        Moment::Wall(at) => Some(at),
        _ => None,
    };
    let document = OnceCell::new();
    let message = Message::new(envelope.payload, at, &document)?;
    let rows = mapped.mapping.rows.iter().zip(&mapped.reads);
    let heard: Vec<_> = rows.filter(|(row, _)| fits(&row.topic, topic)).collect();
    let mut left = heard.len();
    for (row, template) in heard {
        message.share(100 / left.max(1) as u64, 1);
        left = left.saturating_sub(1);
        if row.is_event && envelope.retained {
            continue;
        }
        match template.read(&message) {
            Ok(out) => {
                if let Some(said) = out.said() {
                    say(&mut report, row, said);
                }
            }
            Err(fault) => report.fault(fault.what, &row.property, &fault.excerpt),
        }
    }
    Ok(report.finish())
}

/// What the owner said of the device; the last word of a page counts, whatever was known.
fn introduce(about: &mut Announcement, mapped: &Mapped, topic: &str) {
    let captured = mapped.hears(topic).unwrap_or_default();
    *about = announcement(about.device.clone(), mapped, captured, about.lore.take());
}

fn announcement(device: DeviceRef, mapped: &Mapped, captured: Vec<String>, lore: Option<Lore>) -> Announcement {
    let mapping = &mapped.mapping;
    let mut about = Announcement::of(device);
    about.name = mapping.name.as_ref().map(|name| printable(&filled(name, &captured)));
    about.sleeps = mapping.sleeps;
    about.silent_after_s = mapping.silent_after_s;
    about.reaches = mapping.presence.iter().map(|_| Reach::Latest).collect();
    about.properties = mapping.rows.iter().map(property).collect();
    let told = mapping.rows.iter().filter_map(|row| row.told.as_ref());
    for topic in told.map(|told| filled(&told.topic, &captured)).filter(|topic| is_base(topic)) {
        if !about.listens.contains(&topic) {
            about.listens.push(topic);
        }
    }
    let captured = Captured(captured);
    let is_same = lore.as_ref().and_then(|lore| lore.get::<Captured>()) == Some(&captured);
    about.lore = if is_same { lore } else { Some(Lore::new(captured)) };
    about
}

/// Devices that mappings name whole, before they have said anything: one that only takes commands never will.
pub(crate) fn announced(directory: &Directory) -> Vec<Announcement> {
    let is_one = |mapped: &&Mapped| mapped.mapping.rows.iter().all(|row| !row.topic.contains('+'));
    let of = |mapped: &Mapped| {
        let device = DeviceRef::new(NAME, filled(&mapped.mapping.id, &[]));
        let lore = directory.known(&device).and_then(|known| known.lore.clone());
        announcement(device, mapped, Vec::new(), lore)
    };
    directory.mappings().iter().filter(is_one).map(of).collect()
}

fn property(row: &Row) -> PropertyInfo {
    PropertyInfo::new(&row.property, row.shape.clone()).with(|one| {
        one.unit = row.unit;
        one.label = row.label.as_deref().map(|label| printable(label).into());
        one.class = row.class.as_deref().map(Into::into);
        one.writable = row.told.is_some();
        one.hazard = row.hazard;
        one.warning = row.warning;
        one.hearsay = row.hearsay;
        one.expires_after_s = row.expires_after_s;
    })
}

fn say(report: &mut Report<'_>, row: &Row, said: &str) {
    let info = property(row);
    // What a template makes of `true` is Python's word for it.
    let word = match (&row.shape, said.trim()) {
        (Shape::Switch { on, off }, said) => {
            let of = |word: &Value| word.to_string();
            let is = |word: &Value| of(word).eq_ignore_ascii_case(said);
            match (is(on), is(off)) {
                (true, false) => of(on),
                (false, true) => of(off),
                _ => said.to_owned(),
            }
        }
        (_, said) => said.to_owned(),
    };
    let value = value_of(&word, &row.shape).and_then(|value| match value {
        Value::Number(number) => scaled(row, number).map(Value::Number).ok_or(What::OutOfRange),
        value => Ok(value),
    });
    match value {
        Ok(value) => report.say(info, value),
        Err(what) => report.fault(what, &row.property, said),
    }
}

fn scaled(row: &Row, number: Decimal) -> Option<Decimal> {
    let number = row.factor.map_or(Some(number), |factor| number.checked_mul(factor))?;
    row.offset.map_or(Some(number), |offset| number.checked_add(offset))
}

/// A value in the words of the device: its own for yes and no, a number before factor and offset.
fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let captured = known.lore.as_ref().and_then(|lore| lore.get::<Captured>()).map_or(&[][..], |captured| &captured.0);
    let found = directory.mappings().iter().find(|mapped| filled(&mapped.mapping.id, captured) == device.id);
    let mapped = found.ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let rows = mapped.mapping.rows.iter().zip(&mapped.tells);
    let Some((row, template)) = rows.into_iter().find(|(row, _)| row.property == *property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    let (Some(told), Some(template)) = (&row.told, template) else {
        return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() });
    };
    let bad = |wanted: String| EncodeError::BadValue { device: device.clone(), property: property.clone(), wanted };
    let words;
    let given = match (&row.shape, &command.value) {
        (Shape::Switch { on, off }, Value::Bool(flag)) => {
            words = if *flag { on } else { off }.to_string();
            Given::Text(&words)
        }
        (Shape::Switch { .. }, _) => return Err(bad("yes or no".to_owned())),
        (Shape::Number { min, max }, Value::Number(number)) => {
            let is_within = min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max);
            let raw = unscaled(row, *number).filter(|_| is_within);
            Given::Number(raw.ok_or_else(|| bad("a number within its bounds".to_owned()))?)
        }
        (Shape::Number { .. }, _) => return Err(bad("a number".to_owned())),
        (Shape::Choice(words), Value::Text(word)) if !words.contains(word) => {
            return Err(bad(format!("one of {}", words.join(", "))));
        }
        (_, Value::Text(word)) if word.len() <= MAX_TEXT => Given::Text(word),
        _ => return Err(bad("a text".to_owned())),
    };
    let payload = template.say(&[("value", given)]).map_err(bad)?;
    let topic = filled(&told.topic, captured);
    if !is_base(&topic) {
        return Err(EncodeError::UnknownDevice(device.clone()));
    }
    Ok(vec![Outgoing::command(topic, payload)])
}

fn unscaled(row: &Row, number: Decimal) -> Option<Decimal> {
    let number = row.offset.map_or(Some(number), |offset| number.checked_sub(offset))?;
    let number = row.factor.map_or(Some(number), |factor| number.checked_div(factor))?;
    Some(number.normalize())
}

fn is_command(topic: &str, directory: &Directory) -> bool {
    directory.listens(NAME, topic)
}

/// A number that was worked out to and fro may differ in its last digit.
fn confirms(command: &Command, report: &Observation, _: &Directory) -> bool {
    match (&command.value, &report.value) {
        (Value::Number(wanted), Value::Number(said)) => {
            let apart = wanted.checked_sub(*said).map(|apart| apart.abs());
            apart.is_some_and(|apart| apart <= Decimal::new(1, 6))
        }
        (wanted, said) => wanted == said,
    }
}

/// The topics of the mapping, if the device retains them.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let known = directory.known(device);
    let captured =
        known.and_then(|known| known.lore.as_ref()?.get::<Captured>()).map_or(&[][..], |captured| &captured.0);
    let found = directory.mappings().iter().find(|mapped| filled(&mapped.mapping.id, captured) == device.id);
    let of = |filter: &String| {
        let mut levels = captured.iter();
        let fill = |level: &str| if level == "+" { levels.next().cloned() } else { Some(level.to_owned()) };
        let topic: Option<Vec<String>> = filter.split('/').map(fill).collect();
        topic.map(|levels| levels.join("/"))
    };
    let rows = found.into_iter().flat_map(|mapped| &mapped.mapping.rows);
    let mut out: Vec<String> = rows.filter_map(|row| of(&row.topic)).collect();
    out.dedup();
    out
}
