//! Templates of configs: what `value_template` and its kin make of a payload, `command_template` of a command.
//!
//! The plain ones (`{{ value }}`, `{{ value_json.a['b'].0 }}`), which are most of them, never see the engine: they walk
//! the raw JSON, so that a meter's number stays the digits that the meter wrote. The rest goes to [`engine`], which has a
//! price on everything that costs time or memory.

mod check;
mod engine;
mod filters;
mod numbers;
mod plain;
mod regexes;
#[cfg(test)]
mod tests;
mod times;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use domovoi_model::Timestamp;

use self::plain::Step;
use super::options;
use crate::fault::{DecodeError, Fault, What};
use crate::json::{self, Json, MAX_PAYLOAD};

/// Bytes of a template's source. The longest honest ones seen have four thousand.
pub(super) const MAX_SOURCE: usize = 16 << 10;

/// A template, by what it takes to evaluate it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Template {
    /// The payload as it came.
    Value,
    /// One place in the JSON of the payload.
    Path(Arc<[Step]>),
    /// Anything else, as its source. What it compiles to is shared with all of the same text, see [`engine`].
    Engine(Arc<str>),
}

impl Template {
    /// Reads a template; the error is the engine's sentence.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        if source.len() > MAX_SOURCE {
            return Err(format!("the template is longer than {} KiB", MAX_SOURCE >> 10));
        }
        if let Some(plain) = plain::read(source) {
            return Ok(plain);
        }
        engine::check(source)?;
        Ok(Template::Engine(source.into()))
    }

    /// What it makes of a payload.
    pub(super) fn read<'m>(&self, message: &Message<'m>) -> Result<Out<'m>, Fault> {
        match self {
            Template::Value => Ok(Out::Text(Cow::Borrowed(message.text))),
            Template::Path(steps) => match message.document().and_then(|document| plain::walk(document, steps)) {
                None => Ok(Out::Nothing),
                Some(raw) => match Json::of(raw) {
                    Json::Null => Ok(Out::Unknown),
                    Json::Text(_) => match json::string(raw) {
                        Ok(text) => Ok(Out::Text(Cow::Owned(text))),
                        Err(what) => Err(Fault::new(what, &plain::spell(steps), raw)),
                    },
                    Json::Number(number) => Ok(Out::Text(Cow::Borrowed(number))),
                    Json::Bool(_) => Ok(Out::Text(Cow::Owned(options::scalar(raw).unwrap_or_default()))),
                    Json::Array(_) | Json::Object(_) => Ok(Out::Json(raw)),
                },
            },
            Template::Engine(source) => {
                let variables = engine::Variables { message: Some(message), given: &[] };
                match engine::render(source, &variables, message.at) {
                    Ok(Some(text)) => Ok(Out::Text(Cow::Owned(text))),
                    Ok(None) => Ok(Out::Nothing),
                    Err(why) => Err(Fault::new(What::Template, &why, source)),
                }
            }
        }
    }

    /// What it makes of a command with these variables.
    pub(super) fn say(&self, given: &[(&str, Given<'_>)]) -> Result<String, String> {
        match self {
            Template::Value => {
                let value = given.iter().find(|(name, _)| *name == "value").map(|(_, value)| value.to_string());
                Ok(value.unwrap_or_default())
            }
            Template::Path(_) => Ok(String::new()),
            Template::Engine(source) => {
                let variables = engine::Variables { message: None, given };
                engine::render(source, &variables, None).map(Option::unwrap_or_default)
            }
        }
    }
}

/// Whether a text is what a pattern of a config describes; a pattern that cannot be read lets everything through.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    regexes::whole(pattern, text)
}

/// A variable of a command's template.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(rust_decimal::Decimal),
    /// No such thing in this command.
    None,
}

impl std::fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Given::Text(text) => f.write_str(text),
            Given::Number(number) => number.fmt(f),
            Given::None => f.write_str("None"),
        }
    }
}

/// A payload that templates look at; it becomes a document once, however many look.
#[derive(Debug)]
pub(super) struct Message<'m> {
    /// The payload.
    pub(super) text: &'m str,
    /// When it came, if the clock was trusted.
    pub(super) at: Option<Timestamp>,
    document: &'m OnceCell<Option<Cow<'m, str>>>,
    values: OnceCell<Option<minijinja::Value>>,
}

impl<'m> Message<'m> {
    pub(super) fn new(
        payload: &'m [u8],
        at: Option<Timestamp>,
        document: &'m OnceCell<Option<Cow<'m, str>>>,
    ) -> Result<Self, DecodeError> {
        Ok(Message { text: json::text(payload, MAX_PAYLOAD)?, at, document, values: OnceCell::new() })
    }

    /// The payload as a JSON document, if it is one.
    pub(super) fn document(&self) -> Option<&'m str> {
        self.document.get_or_init(|| json::document(self.text.as_bytes(), MAX_PAYLOAD).ok()).as_deref()
    }

    fn values(&self) -> Option<&minijinja::Value> {
        self.values.get_or_init(|| self.document().and_then(engine::values)).as_ref()
    }
}

/// What a template made of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out<'m> {
    /// A text; a number in its own digits; `True` and `False`.
    Text(Cow<'m, str>),
    /// An array or an object, raw.
    Json(&'m str),
    /// The payload says that it does not know.
    Unknown,
    /// The payload says nothing of it: there is no such key. What was known stays.
    Nothing,
}

impl Out<'_> {
    /// The text, if it says anything: neither empty nor Python's word for nothing.
    pub(super) fn said(&self) -> Option<&str> {
        match self {
            Out::Text(text) => Some(text.as_ref()).filter(|text| !matches!(text.trim(), "" | "None")),
            Out::Json(raw) => Some(raw),
            Out::Unknown | Out::Nothing => None,
        }
    }
}
