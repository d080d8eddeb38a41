//! JSON from strangers, walked under caps: size, depth, members, length of texts. Values stay raw text until they are
//! wanted, so that a number never becomes a float.
//!
//! Deliberately no tree: a tree of a hostile megabyte is fifty megabytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use domovoi_model::Value;
use serde::Deserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fault::{DecodeError, What};
use crate::number;

/// Bytes in an ordinary message.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;
/// Levels of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 32;
/// Members of one object.
pub(crate) const MAX_MEMBERS: usize = 512;
/// So few that each may be compared with each.
const FEW_MEMBERS: usize = 24;
/// Bytes of one text.
pub(crate) const MAX_TEXT: usize = 4096;

/// What kind of value a piece of raw JSON is.
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(&'a str),
    Array(&'a str),
    Object(&'a str),
}

impl<'a> Json<'a> {
    /// `raw` must be a piece of a document that `document` let through.
    pub(crate) fn of(raw: &'a str) -> Self {
        let raw = raw.trim();
        match raw.bytes().next() {
            Some(b'{') => Json::Object(raw),
            Some(b'[') => Json::Array(raw),
            Some(b'"') => Json::Text(raw),
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            Some(b'n') | None => Json::Null,
            Some(_) => Json::Number(raw),
        }
    }
}

/// The payload as text, if it is not too large and UTF-8.
pub(crate) fn text(payload: &[u8], limit: usize) -> Result<&str, DecodeError> {
    if payload.len() > limit {
        let head = String::from_utf8_lossy(payload.get(..64).unwrap_or_default());
        let at = format!("byte {limit} of {}", payload.len());
        return Err(DecodeError::new(What::TooLarge, &at, &head));
    }
    std::str::from_utf8(payload).map_err(|error| {
        let at = error.valid_up_to();
        let around = payload.get(at.saturating_sub(20)..payload.len().min(at + 40)).unwrap_or_default();
        DecodeError::new(What::NotText, &format!("byte {at}"), &String::from_utf8_lossy(around))
    })
}

/// The payload as a whole JSON document.
///
/// Python's `json.dumps` and some Tasmota drivers write a bare NaN. That is not JSON, but refusing the message would
/// lose its other properties, a leak among them; the bare word is put in quotes and then found wanting where it stands.
pub(crate) fn document(payload: &[u8], limit: usize) -> Result<Cow<'_, str>, DecodeError> {
    let text = text(payload, limit)?;
    check_depth(text)?;
    let Err(error) = serde_json::from_str::<&RawValue>(text) else { return Ok(Cow::Borrowed(text)) };
    if let Some(mended) = quote_bare_nan(text)
        && serde_json::from_str::<&RawValue>(&mended).is_ok()
    {
        return Ok(Cow::Owned(mended));
    }
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = if error.is_eof() { text.len() } else { line_start + error.column().saturating_sub(1) }.min(text.len());
    let around = payload.get(at.saturating_sub(20)..text.len().min(at + 40)).unwrap_or_default();
    Err(DecodeError::new(What::NotJson, &format!("byte {at}"), &String::from_utf8_lossy(around)))
}

/// Counted before any parser sees the text, so that no parser's stack depends on it.
fn check_depth(text: &str) -> Result<(), DecodeError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(DecodeError::new(What::TooDeep, &format!("byte {at}"), ""));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn quote_bare_nan(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut found = false;
    while let Some(c) = rest.chars().next() {
        let taken = if c == '"' {
            string_len(rest)
        } else if c == '-' || c.is_ascii_alphabetic() {
            1 + rest.bytes().skip(1).take_while(u8::is_ascii_alphanumeric).count()
        } else {
            c.len_utf8()
        };
        let (token, after) = rest.split_at_checked(taken)?;
        if is_nan(token) {
            found = true;
            out.push('"');
            out.push_str(token);
            out.push('"');
        } else {
            out.push_str(token);
        }
        rest = after;
    }
    found.then_some(out)
}

/// Bytes of the string literal that `text` begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_nan(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["nan", "inf", "infinity"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The members of an object.
#[derive(Default)]
pub(crate) struct Members<'a> {
    /// In the order of the text; each name once.
    pub(crate) list: Vec<(String, &'a str)>,
    /// Names that were given again with another value, and all of those values. RFC 8259 §4 leaves their meaning open,
    /// and a meter register is never guessed.
    pub(crate) twice: Vec<(String, &'a str)>,
}

impl<'a> Members<'a> {
    /// The raw value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.list.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    /// A text that is not empty; `None` when it is absent, null, or of another kind.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|raw| string(raw).ok()).filter(|text| !text.is_empty())
    }
}

/// Reads an object of at most 512 members.
pub(crate) fn members(raw: &str) -> Result<Members<'_>, What> {
    members_up_to(raw, MAX_MEMBERS)
}

/// Reads an object of at most so many members.
pub(crate) fn members_up_to(raw: &str, limit: usize) -> Result<Members<'_>, What> {
    struct Walk(usize);
    impl<'de> Visitor<'de> for Walk {
        type Value = Vec<(String, &'de RawValue)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while out.len() <= self.0 {
                match map.next_entry()? {
                    Some(entry) => out.push(entry),
                    None => return Ok(out),
                }
            }
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(out)
        }
    }
    let Json::Object(raw) = Json::of(raw) else { return Err(What::WrongType) };
    let all = serde_json::Deserializer::from_str(raw).deserialize_map(Walk(limit)).map_err(|_| What::NotJson)?;
    if all.len() > limit {
        return Err(What::TooMany);
    }
    // A usual message has a dozen members, each once: to compare them with each other costs less than any map.
    let is_new = |at: usize, key: &str| all.iter().take(at).all(|(other, _)| other != key);
    if all.len() <= FEW_MEMBERS && all.iter().enumerate().all(|(at, (key, _))| is_new(at, key)) {
        let list = all.into_iter().map(|(key, value)| (key, value.get())).collect();
        return Ok(Members { list, twice: Vec::new() });
    }
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut contested: Vec<&str> = Vec::new();
    for (key, value) in &all {
        if *first.entry(key).or_insert(value.get()) != value.get() {
            contested.push(key);
        }
    }
    let mut out = Members::default();
    for (key, value) in &all {
        if contested.contains(&key.as_str()) {
            out.twice.push((key.clone(), value.get()));
        } else if first.remove(key.as_str()).is_some() {
            out.list.push((key.clone(), value.get()));
        }
    }
    Ok(out)
}

/// Reads an array of at most `limit` elements.
pub(crate) fn elements(raw: &str, limit: usize) -> Result<Vec<&str>, What> {
    struct Walk(usize);
    impl<'de> Visitor<'de> for Walk {
        type Value = Vec<&'de str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while out.len() <= self.0 {
                match seq.next_element::<&RawValue>()? {
                    Some(element) => out.push(element.get()),
                    None => return Ok(out),
                }
            }
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(out)
        }
    }
    let Json::Array(raw) = Json::of(raw) else { return Err(What::WrongType) };
    let all = serde_json::Deserializer::from_str(raw).deserialize_seq(Walk(limit)).map_err(|_| What::NotJson)?;
    if all.len() > limit { Err(What::TooMany) } else { Ok(all) }
}

/// Reads a text of at most 4 KiB.
pub(crate) fn string(raw: &str) -> Result<String, What> {
    let Json::Text(raw) = Json::of(raw) else { return Err(What::WrongType) };
    // One byte is at most six in the raw form: \u0041.
    if raw.len() > 6 * MAX_TEXT + 2 {
        return Err(What::TooLong);
    }
    let text: String = parse(raw).ok_or(What::NotText)?;
    if text.len() > MAX_TEXT { Err(What::TooLong) } else { Ok(text) }
}

/// Reads a number, a truth value or a text; `None` for null, which everybody writes for "I do not know".
pub(crate) fn scalar(raw: &str) -> Result<Option<Value>, What> {
    Ok(Some(match Json::of(raw) {
        Json::Null => return Ok(None),
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(text) => Value::Number(number::decimal(text).ok_or(What::OutOfRange)?),
        Json::Text(_) => {
            let text = string(raw)?;
            if is_nan(&text) {
                return Err(What::NotANumber);
            }
            Value::Text(text)
        }
        Json::Array(_) | Json::Object(_) => return Err(What::WrongType),
    }))
}

/// Writes a value. Written here and not by `serde_json`, whose numbers would be floats.
pub(crate) fn write(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => quoted(text),
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a name that a peer gave can be the name of a property.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control)
}

fn parse<T: DeserializeOwned>(raw: &str) -> Option<T> {
    serde_json::from_str(raw).ok()
}
