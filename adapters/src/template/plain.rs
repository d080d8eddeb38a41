//! The templates that only name a place: `{{ value }}`, `{{ value_json.x }}`, `{{ value_json['a b'].c[0] }}`,
//! `{{ value_json.events.0.event | is_defined }}`. Anything with an operator, a call or another filter is the engine's.

use std::sync::Arc;

use super::Template;

/// One step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member of an object.
    Key(Box<str>),
    /// An element of an array, or the member of this name.
    Index(usize),
}

/// Reads a template that only names a place.
pub(super) fn read(source: &str) -> Option<Template> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner).trim();
    // What is missing leaves the state as it is anyhow; that is all that the filter says.
    let inner = match inner.rsplit_once('|') {
        Some((place, filter)) if filter.trim() == "is_defined" => place.trim_end(),
        Some(_) => return None,
        None => inner,
    };
    if inner == "value" {
        return Some(Template::Value);
    }
    let mut rest = inner.strip_prefix("value_json")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('.') {
            Some(dotted) => name(dotted)?,
            None => bracket(rest.strip_prefix('[')?)?,
        };
        steps.push(step);
        rest = after;
    }
    Some(Template::Path(Arc::from(steps)))
}

fn name(text: &str) -> Option<(Step, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    // A method is not called here: that would be followed by a bracket, which is no step.
    let step = match word.parse() {
        Ok(index) => Step::Index(index),
        Err(_) if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) => return None,
        // `value_json.items` is the method of that name in Python, unless it is called it prints itself: no honest use.
        Err(_) => Step::Key(word.into()),
    };
    Some((step, rest))
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    let text = text.trim_start();
    let (step, rest) = match text.chars().next()? {
        quote @ ('"' | '\'') => {
            let (word, rest) = text.get(1..)?.split_once(quote)?;
            // An escape is for the engine to read.
            if word.contains('\\') {
                return None;
            }
            (Step::Key(word.into()), rest)
        }
        _ => {
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            let (digits, rest) = text.split_at_checked(end)?;
            (Step::Index(digits.parse().ok()?), rest)
        }
    };
    Some((step, rest.trim_start().strip_prefix(']')?))
}

/// The place, for a person.
pub(super) fn spell(steps: &[Step]) -> String {
    let mut out = "value_json".to_owned();
    for step in steps {
        out.push('.');
        match step {
            Step::Key(key) => out.push_str(key),
            Step::Index(index) => out.push_str(&index.to_string()),
        }
    }
    out
}
