//! One device's message while it is read: what it says, and what of that is news about the device itself. For dialects
//! whose devices do not list what they have, so that a property becomes known when it is first reported.
//!
//! Deliberately knows no dialect: names, units and shapes are given by whoever reads the message.

use domovoi_model::{DeviceRef, Observation, Quality, Timestamp, Unit, Value};

use crate::fault::What;
use crate::json::{self, MAX_MEMBERS, MAX_TEXT};
use crate::{Announcement, Decoded, Directory, Fault, PropertyInfo, Shape, is_secret, number};

/// What a message of one device says, as it is put together.
pub(crate) struct Report<'a> {
    known: Option<&'a Announcement>,
    /// What is known of the device, with what this message adds.
    pub(crate) about: Announcement,
    /// What was read so far.
    pub(crate) out: Decoded,
    /// How far the values that follow can be believed.
    pub(crate) quality: Quality,
    /// The device's own time for the values that follow.
    pub(crate) device_time: Option<Timestamp>,
}

impl<'a> Report<'a> {
    /// Of a device, on top of what is known of it.
    pub(crate) fn of(device: &DeviceRef, directory: &'a Directory) -> Self {
        let known = directory.known(device);
        Report {
            known,
            about: known.cloned().unwrap_or_else(|| Announcement::of(device.clone())),
            out: Decoded::default(),
            quality: Quality::Good,
            device_time: None,
        }
    }

    /// What cannot be read.
    pub(crate) fn fault(&mut self, what: What, at: &str, excerpt: &str) {
        if self.out.faults.len() < MAX_MEMBERS {
            self.out.faults.push(Fault::new(what, at, excerpt));
        }
    }

    /// The device has this property, whether or not it says anything of it now. What was known of one of that name stays.
    pub(crate) fn has(&mut self, info: PropertyInfo) {
        if self.about.property(&info.name).is_none()
            && self.about.properties.len() < MAX_MEMBERS
            && json::is_name(&info.name)
            && !is_secret(&info.name)
        {
            self.about.properties.push(info);
        }
    }

    /// The device has this property from now on, whatever was known of one of that name.
    pub(crate) fn is_now(&mut self, info: PropertyInfo) {
        match self.about.properties.iter_mut().find(|known| known.name == info.name) {
            Some(known) => *known = info,
            None => self.has(info),
        }
    }

    /// A value, which must be of the property's shape.
    pub(crate) fn say(&mut self, info: PropertyInfo, value: Value) {
        if is_secret(&info.name) {
            return;
        }
        if !json::is_name(&info.name) {
            return self.fault(What::BadName, &info.name, &value.to_string());
        }
        if self.out.observations.len() >= MAX_MEMBERS {
            if self.out.faults.last().is_none_or(|fault| fault.what != What::TooMany) {
                self.fault(What::TooMany, &info.name, "");
            }
            return;
        }
        let fits = match (&info.shape, &value) {
            (Shape::Number { .. }, Value::Number(_)) | (Shape::Switch { .. }, Value::Bool(_)) => true,
            (Shape::Number { .. } | Shape::Switch { .. }, _) => false,
            (Shape::Choice(_) | Shape::Text, value) => matches!(value, Value::Text(_)),
            (Shape::Unknown, _) => true,
        };
        if !fits {
            return self.fault(What::WrongType, &info.name, &value.to_string());
        }
        let is_number = value.number().is_some();
        self.out.observations.push(Observation {
            device: self.about.device.clone(),
            property: info.name.clone(),
            unit: if is_number { info.unit } else { Unit::None },
            // A complaint is about what was measured; words say what they say.
            quality: if is_number { self.quality.clone() } else { Quality::Good },
            device_time: self.device_time,
            hazard: info.hazard.filter(|_| info.warns(&value)),
            value,
        });
        self.has(info);
    }

    /// A value of a JSON document; null is none.
    pub(crate) fn raw(&mut self, info: PropertyInfo, raw: &str) {
        match json::scalar(raw) {
            Ok(Some(value)) => self.say(info, value),
            Ok(None) => self.has(info),
            Err(what) => self.fault(what, &info.name, raw),
        }
    }

    /// A value that stands alone in a payload, as its property wants it. Nothing at all says nothing.
    pub(crate) fn plain(&mut self, info: PropertyInfo, text: &str) {
        if text.trim().is_empty() && !matches!(info.shape, Shape::Text) {
            return;
        }
        match value_of(text, &info.shape) {
            Ok(value) => self.say(info, value),
            Err(what) => self.fault(what, &info.name, text),
        }
    }

    /// What was read; the device is announced if something about it is news.
    pub(crate) fn finish(mut self) -> Decoded {
        if self.known != Some(&self.about) {
            self.out.announcements.push(self.about);
        }
        self.out
    }
}

/// A plain text as a value of this shape.
pub(crate) fn value_of(text: &str, shape: &Shape) -> Result<Value, What> {
    if text.len() > MAX_TEXT {
        return Err(What::TooLong);
    }
    let trimmed = text.trim();
    match shape {
        Shape::Number { .. } => number_of(trimmed).map(Value::Number),
        Shape::Switch { on, off } => {
            let is = |word: &Value| word.to_string() == trimmed;
            match (is(on), is(off)) {
                (true, _) => Ok(Value::Bool(true)),
                (_, true) => Ok(Value::Bool(false)),
                _ => Err(What::WrongType),
            }
        }
        Shape::Choice(_) | Shape::Text => Ok(Value::Text(text.to_owned())),
        Shape::Unknown => Ok(number::decimal(trimmed).map_or_else(|| Value::Text(text.to_owned()), Value::Number)),
    }
}

/// A number as devices print it: also with a plus, or nothing, before its point.
fn number_of(text: &str) -> Result<rust_decimal::Decimal, What> {
    let bare = text.strip_prefix('+').unwrap_or(text);
    let padded = match bare.strip_prefix("-.").map(|rest| format!("-0.{rest}")) {
        Some(padded) => Some(padded),
        None => bare.strip_prefix('.').map(|rest| format!("0.{rest}")),
    };
    let text = padded.as_deref().unwrap_or(bare);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if ["nan", "inf", "infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        return Err(What::NotANumber);
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match number::decimal(text) {
        Some(number) => Ok(number),
        None if is_number => Err(What::OutOfRange),
        None => Err(What::WrongType),
    }
}

/// A number without bounds.
pub(crate) fn number() -> Shape {
    Shape::Number { min: None, max: None }
}

/// Yes or no, by what the device writes for them.
pub(crate) fn switch(on: &str, off: &str) -> Shape {
    Shape::Switch { on: Value::Text(on.to_owned()), off: Value::Text(off.to_owned()) }
}

/// Yes or no, as JSON has them.
pub(crate) fn flag() -> Shape {
    Shape::Switch { on: Value::Bool(true), off: Value::Bool(false) }
}

/// A number of this unit and class.
pub(crate) fn measured(name: impl Into<String>, unit: Unit, class: Option<&str>) -> PropertyInfo {
    PropertyInfo::new(name, number()).with(|one| {
        one.unit = unit;
        one.class = class.map(Into::into);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_devices_print_them() {
        for (text, wanted) in
            [("1.50", "1.50"), ("+2", "2"), (".5", "0.5"), ("-.25", "-0.25"), (" 7\n", "7"), ("1e3", "1000")]
        {
            assert_eq!(value_of(text, &number()).map(|value| value.to_string()).as_deref(), Ok(wanted), "{text}");
        }
        for (text, wanted) in [
            ("nan", What::NotANumber),
            ("-inf", What::NotANumber),
            ("1,5", What::WrongType),
            ("on", What::WrongType),
            ("1e99", What::OutOfRange),
            ("12345678901234567890123456789012", What::OutOfRange),
        ] {
            assert_eq!(value_of(text, &number()), Err(wanted), "{text}");
        }
    }
}
