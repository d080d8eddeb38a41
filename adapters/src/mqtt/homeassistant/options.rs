//! The options of a config: short spellings made long, `~` put in, values read as Home Assistant reads them, which is
//! leniently: a number may stand in quotes, a truth value may be a word, a list of one may be the one.
//!
//! Values stay raw JSON until they are asked for. Deliberately no schema: keys that nobody asks for are ignored, as the
//! contract wants, so that a producer may be newer than the house.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::abbreviations::{Place, long};
use super::filter;
use crate::bases::is_base;
use crate::fault::What;
use crate::json::{self, Json, MAX_MEMBERS};
use crate::number;
use crate::template::{self, Template};

/// Why a config, or one key of it, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    /// The kind of mistake.
    pub(super) what: What,
    /// At which key.
    pub(super) key: String,
    /// The sentence for whoever set it up.
    pub(super) why: String,
}

impl Bad {
    pub(super) fn new(what: What, key: &str, why: impl Into<String>) -> Self {
        Bad { what, key: key.to_owned(), why: why.into() }
    }

    pub(super) fn missing(key: &str) -> Self {
        Bad::new(What::WrongType, key, "is missing")
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

/// The options of one object of a config.
#[derive(Debug, Clone, Default)]
pub(super) struct Options<'a> {
    list: Vec<(Cow<'a, str>, &'a str)>,
    /// What `~` stands for.
    base: Option<String>,
}

impl<'a> Options<'a> {
    /// Reads an object. Where both spellings of a key stand, the long one counts; of a key that stands twice the last.
    pub(super) fn read(raw: &'a str, place: Place) -> Result<Self, What> {
        let members = json::members(raw)?;
        let mut list: Vec<(Cow<'a, str>, &'a str)> = Vec::with_capacity(members.list.len());
        let mut short = Vec::new();
        // `twice` names the values of a contested key in the order of the text.
        for (key, raw) in members.list.iter().chain(&members.twice) {
            let full = long(place, key);
            if full == key { put(&mut list, full.to_owned(), raw) } else { short.push((full.to_owned(), *raw)) }
        }
        let longs = list.len();
        for (key, raw) in short {
            if !list.iter().take(longs).any(|(other, _)| *other == key) {
                put(&mut list, key, raw);
            }
        }
        let mut options = Options { list, base: None };
        options.base = options.text("~");
        Ok(options)
    }

    /// The options of the root that a component has none of its own for.
    pub(super) fn inherit(&mut self, root: &Options<'a>, keys: &[&'static str]) {
        for key in keys {
            if !self.has(key)
                && let Some(raw) = root.raw(key)
            {
                self.list.push((Cow::Borrowed(key), raw));
            }
        }
        if self.base.is_none() {
            self.base.clone_from(&root.base);
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(key, _)| key.as_ref())
    }

    /// The raw value of a key; `None` also for null.
    pub(super) fn raw(&self, key: &str) -> Option<&'a str> {
        let raw = self.list.iter().find(|(name, _)| name == key).map(|(_, raw)| *raw)?;
        (!matches!(Json::of(raw), Json::Null)).then_some(raw)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// Whether the key stands there as null: «there is no such action».
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.list.iter().any(|(name, raw)| name == key && matches!(Json::of(raw), Json::Null))
    }

    /// A scalar as a text, in Python's spelling: `True`, `1.0`.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        scalar(self.raw(key)?)
    }

    /// As [`Options::text`], with what counts when it is absent.
    pub(super) fn text_or(&self, key: &str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// A payload: a scalar; one that is null is none.
    pub(super) fn payload(&self, key: &str, default: &str) -> Option<Box<str>> {
        if self.is_null(key) { None } else { Some(self.text_or(key, default).into_boxed_str()) }
    }

    /// A truth value as Home Assistant takes it: also `yes`, `on`, `enable`, 1 and their opposites.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, Bad> {
        let Some(text) = self.text(key) else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "enable" | "1" => Ok(true),
            "false" | "no" | "off" | "disable" | "0" => Ok(false),
            _ => Err(Bad::new(What::WrongType, key, "is neither yes nor no")),
        }
    }

    /// A number, also one in quotes.
    pub(super) fn number(&self, key: &str) -> Result<Option<Decimal>, Bad> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let text = scalar(raw).unwrap_or_default();
        let number = number::decimal(text.trim());
        number.map(Some).ok_or_else(|| Bad::new(What::WrongType, key, "is not a number"))
    }

    pub(super) fn number_or(&self, key: &str, default: i64) -> Result<Decimal, Bad> {
        Ok(self.number(key)?.unwrap_or_else(|| Decimal::from(default)))
    }

    /// Seconds, at most a year.
    pub(super) fn seconds(&self, key: &str) -> Result<Option<u32>, Bad> {
        let Some(number) = self.number(key)? else { return Ok(None) };
        let seconds = u32::try_from(number.ceil()).ok().filter(|seconds| *seconds <= 366 * 86_400);
        seconds.map(Some).ok_or_else(|| Bad::new(What::OutOfRange, key, "is not a number of seconds up to a year"))
    }

    /// A list of scalars, or a single one.
    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, Bad> {
        let Some(raw) = self.raw(key) else { return Ok(Vec::new()) };
        let wrong = |what| Bad::new(what, key, "is not a list of texts");
        match Json::of(raw) {
            Json::Array(raw) => {
                let elements = json::elements(raw, MAX_MEMBERS).map_err(wrong)?;
                elements.iter().map(|raw| scalar(raw).ok_or_else(|| wrong(What::WrongType))).collect()
            }
            Json::Object(_) | Json::Null => Err(wrong(What::WrongType)),
            _ => Ok(scalar(raw).into_iter().collect()),
        }
    }

    /// A topic or a filter to listen to.
    pub(super) fn hears(&self, key: &str) -> Result<Option<Arc<str>>, Bad> {
        let Some(topic) = self.topic(key) else { return Ok(None) };
        let ok = filter::is_valid(&topic);
        if ok {
            Ok(Some(topic.into()))
        } else {
            Err(Bad::new(What::BadName, key, "is no topic that may be listened to"))
        }
    }

    /// A topic to send commands to.
    pub(super) fn says(&self, key: &str) -> Result<Option<Arc<str>>, Bad> {
        let Some(topic) = self.topic(key) else { return Ok(None) };
        // A command into somebody's config would take devices out of the house.
        let ok = is_base(&topic) && !topic.ends_with("/config");
        if ok { Ok(Some(topic.into())) } else { Err(Bad::new(What::BadName, key, "is no topic that may be sent to")) }
    }

    fn topic(&self, key: &str) -> Option<String> {
        let topic = self.text(key).filter(|topic| !topic.is_empty())?;
        Some(match &self.base {
            Some(base) => tilde(&topic, base),
            None => topic,
        })
    }

    /// A template; an empty one is none.
    pub(super) fn template(&self, key: &str) -> Result<Option<Template>, Bad> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let source = template_source(raw).map_err(|what| Bad::new(what, key, format!("is no template: {what}")))?;
        if source.trim().is_empty() {
            return Ok(None);
        }
        Template::new(&source).map(Some).map_err(|why| Bad::new(What::Template, key, why))
    }

    /// The objects of a list, or the one that stands in its place.
    pub(super) fn objects(&self, key: &str) -> Result<Vec<Options<'a>>, Bad> {
        let Some(raw) = self.raw(key) else { return Ok(Vec::new()) };
        let wrong = |what| Bad::new(what, key, "is not a list of objects");
        let elements = match Json::of(raw) {
            Json::Array(raw) => json::elements(raw, MAX_MEMBERS).map_err(wrong)?,
            Json::Object(raw) => vec![raw],
            _ => return Err(wrong(What::WrongType)),
        };
        let mut out = Vec::with_capacity(elements.len());
        for raw in elements {
            let mut options = Options::read(raw, Place::General).map_err(wrong)?;
            options.base.clone_from(&self.base);
            out.push(options);
        }
        Ok(out)
    }
}

fn put<'a>(list: &mut Vec<(Cow<'a, str>, &'a str)>, key: String, raw: &'a str) {
    match list.iter_mut().find(|(other, _)| *other == key) {
        Some(known) => known.1 = raw,
        None => list.push((Cow::Owned(key), raw)),
    }
}

/// `~` counts as the first or the last character of a topic.
fn tilde(topic: &str, base: &str) -> String {
    match (topic.strip_prefix('~'), topic.strip_suffix('~')) {
        (Some(rest), _) => format!("{base}{rest}"),
        (None, Some(rest)) => format!("{rest}{base}"),
        (None, None) => topic.to_owned(),
    }
}

/// A scalar as Python prints it; `None` for what is none, and for null.
pub(super) fn scalar(raw: &str) -> Option<String> {
    match Json::of(raw) {
        Json::Bool(flag) => Some(if flag { "True" } else { "False" }.to_owned()),
        Json::Number(text) => Some(text.to_owned()),
        Json::Text(_) => json::string(raw).ok(),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn template_source(raw: &str) -> Result<String, What> {
    let Json::Text(raw) = Json::of(raw) else { return scalar(raw).ok_or(What::WrongType) };
    if raw.len() > 6 * template::MAX_SOURCE + 2 {
        return Err(What::TooLong);
    }
    serde_json::from_str(raw).map_err(|_| What::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tilde_stands_first_or_last() {
        assert_eq!(tilde("~/state", "a/b"), "a/b/state");
        assert_eq!(tilde("cmnd/~", "a/b"), "cmnd/a/b");
        assert_eq!(tilde("a/~/b", "x"), "a/~/b");
    }

    #[test]
    fn the_long_spelling_wins_and_the_last_of_two() {
        let options = Options::read(r#"{"stat_t":"a","state_topic":"b","dev_cla":"x","dev_cla":"y"}"#, Place::General);
        let options = options.unwrap();
        assert_eq!(options.text("state_topic").as_deref(), Some("b"));
        assert_eq!(options.text("device_class").as_deref(), Some("y"));
    }
}
