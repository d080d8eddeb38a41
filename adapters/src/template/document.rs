//! Places in a JSON document that many templates ask for: each object and each array on the way is gone through once,
//! however many ask. Nothing becomes a value here; what is found is a piece of the document.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::plain::Step;
use crate::json::Json;

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<'d> {
    /// There is no such place.
    Nothing,
    /// A piece of the document.
    Once(&'d str),
    /// The name stands there again with another value (RFC 8259 §4 leaves open what that means).
    Twice(Vec<&'d str>),
}

/// Values of one name that are told apart.
const MAX_TWICE: usize = 8;

#[derive(Debug)]
enum Inside<'d> {
    Object(HashMap<Cow<'d, str>, Found<'d>>),
    Array(Vec<&'d str>),
}

/// What was gone through so far, by where it begins.
#[derive(Debug, Default)]
pub(super) struct Index<'d>(HashMap<*const u8, Option<Inside<'d>>>);

impl<'d> Index<'d> {
    /// Goes the way of the steps. Of a name on the way that stands there twice, nobody knows which way is meant.
    pub(super) fn walk(&mut self, document: &'d str, steps: &[Step]) -> Found<'d> {
        let mut raw = document.trim();
        let mut left = steps.iter().peekable();
        while let Some(step) = left.next() {
            let inside = self.0.entry(raw.as_ptr()).or_insert_with(|| inside(raw));
            let found = match (inside, step) {
                (Some(Inside::Object(members)), Step::Key(key)) => members.get(key.as_ref()).cloned(),
                (Some(Inside::Object(members)), Step::Index(index)) => members.get(index.to_string().as_str()).cloned(),
                (Some(Inside::Array(elements)), Step::Index(index)) => elements.get(*index).map(|raw| Found::Once(raw)),
                _ => None,
            };
            raw = match found {
                None | Some(Found::Nothing) => return Found::Nothing,
                Some(Found::Once(raw)) => raw.trim(),
                Some(twice) => return if left.peek().is_none() { twice } else { Found::Nothing },
            };
        }
        Found::Once(raw)
    }
}

fn inside(raw: &str) -> Option<Inside<'_>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = HashMap<Cow<'de, str>, Found<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out: Self::Value = HashMap::new();
            while let Some((key, value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                let new = value.get();
                match out.entry(key.0).or_insert(Found::Nothing) {
                    found @ Found::Nothing => *found = Found::Once(new),
                    found @ Found::Once(_) => {
                        let Found::Once(old) = *found else { continue };
                        if old != new {
                            *found = Found::Twice(vec![old, new]);
                        }
                    }
                    Found::Twice(all) => {
                        if all.len() < MAX_TWICE && !all.contains(&new) {
                            all.push(new);
                        }
                    }
                }
            }
            Ok(out)
        }
    }
    struct Elements;
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while let Some(element) = seq.next_element::<&RawValue>()? {
                out.push(element.get());
            }
            Ok(out)
        }
    }
    match Json::of(raw) {
        Json::Object(raw) => serde_json::Deserializer::from_str(raw).deserialize_map(Members).ok().map(Inside::Object),
        Json::Array(raw) => serde_json::Deserializer::from_str(raw).deserialize_seq(Elements).ok().map(Inside::Array),
        _ => None,
    }
}

/// A name, borrowed where nothing in it is escaped.
#[derive(PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn walk<'d>(document: &'d str, steps: &[Step]) -> Found<'d> {
        let mut index = Index::default();
        let found = index.walk(document, steps);
        assert_eq!(index.walk(document, steps), found, "asked again");
        found
    }

    #[test]
    fn a_name_that_stands_there_twice() {
        let key = |word: &str| Step::Key(word.into());
        let document = r#"{"a":1,"b":{"c":[1,{"d":"x"}]},"a":2,"a":1,"e\u0031":3,"s":4,"s":4}"#;
        assert_eq!(walk(document, &[key("a")]), Found::Twice(vec!["1", "2"]));
        assert_eq!(walk(document, &[key("a"), key("x")]), Found::Nothing);
        assert_eq!(walk(document, &[key("b"), key("c"), Step::Index(1), key("d")]), Found::Once("\"x\""));
        assert_eq!(walk(document, &[key("e1")]), Found::Once("3"));
        assert_eq!(walk(document, &[key("s")]), Found::Once("4"));
        assert_eq!(walk(document, &[Step::Index(0)]), Found::Nothing);
        assert_eq!(walk(document, &[]), Found::Once(document));
    }
}
