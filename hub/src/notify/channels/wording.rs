//! What the channels say alike: words around a letter, its shape in JSON, and texts cut to a length without cutting a
//! character. Which words a letter itself has is decided before it gets here.

use domovoi_model::{Moment, Severity};
use serde_json::{Map, Value, json};

use super::{Letter, Pressing};
use crate::notify::Subject;
use crate::words::words;

/// One of the channels' own words, in the language of the letter.
pub(super) fn say(letter: &Letter, key: &str) -> String {
    words(letter.language).say(key, &[])
}

/// How bad it is, in words; nothing where nobody said or where it is over.
pub(super) fn severity(letter: &Letter) -> Option<String> {
    let bad = !letter.over && letter.severity != Severity::Unknown;
    bad.then(|| say(letter, &format!("channel-severity-{}", letter.severity.code())))
}

/// A sign before the title, where letters look alike in a list.
pub(super) fn sign(letter: &Letter) -> &'static str {
    match (letter.over, letter.severity) {
        (true, _) => "✅",
        (false, Severity::Extreme) => "🆘",
        (false, Severity::Severe) => "🚨",
        (false, Severity::Moderate) => "⚠️",
        (false, Severity::Minor | Severity::Unknown) => "ℹ️",
    }
}

/// What it is about, in letters that fit into a topic, a header and a message id: `alert-…`.
pub(super) fn subject_code(subject: &Subject) -> String {
    match subject {
        Subject::Alert(id) => format!("alert-{id}"),
        Subject::Message(id) => format!("message-{id}"),
        Subject::Reminder(id, occurrence) => format!("reminder-{id}-{occurrence}"),
        Subject::Scenario(id) => format!("scenario-{id}"),
        Subject::Test(id) => format!("test-{id}"),
        Subject::Digest(id) => format!("digest-{id}"),
    }
}

/// The code of how much it presses.
pub(super) fn pressing_code(pressing: Pressing) -> &'static str {
    match pressing {
        Pressing::Low => "low",
        Pressing::Normal => "normal",
        Pressing::High => "high",
        Pressing::Life => "life",
    }
}

/// A letter as JSON, without what only its reader may have (how it is answered). The shape is in
/// docs/reference/channels.md; fields may be added, none changes its meaning.
pub(super) fn document(letter: &Letter) -> Value {
    let mut members = Map::new();
    let (kind, id) = match &letter.subject {
        Subject::Alert(id) => ("alert", id),
        Subject::Message(id) => ("message", id),
        Subject::Reminder(id, _) => ("reminder", id),
        Subject::Scenario(id) => ("scenario", id),
        Subject::Test(id) => ("test", id),
        Subject::Digest(id) => ("digest", id),
    };
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("id", json!(letter.id.to_string()));
    put("kind", json!(kind));
    put("subject", json!(id.to_string()));
    put("topic", json!(letter.topic.code()));
    put("severity", json!(letter.severity.code()));
    put("pressing", json!(pressing_code(letter.pressing)));
    put("language", json!(letter.language.code()));
    put("title", json!(letter.title));
    put("body", json!(letter.body));
    put("over", json!(letter.over));
    if let Subject::Reminder(_, occurrence) = letter.subject {
        put("occurrence", json!(occurrence));
    }
    // A moment before the clock was known is no time that others could read.
    if let Moment::Wall(at) = letter.at {
        put("at", json!(at.to_string()));
    }
    if let Some(link) = &letter.link {
        put("link", json!(link));
    }
    Value::Object(members)
}

/// At most so many bytes of UTF-8, ending in `…` if something is left out.
pub(super) fn fit_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub('…'.len_utf8());
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default().trim_end())
}

/// At most so many units of UTF-16, ending in `…` if something is left out.
pub(super) fn fit_utf16(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(1);
    let fits = |c: &char| match left.checked_sub(c.len_utf16()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let cut: String = text.chars().take_while(fits).collect();
    format!("{}…", cut.trim_end())
}

/// One line that nothing can break out of.
pub(super) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_fits(text in "\\PC{0,80}", most in 4usize..60) {
            let cut = fit_bytes(&text, most);
            prop_assert!(cut.len() <= most);
            prop_assert!(cut == text || cut.ends_with('…') && text.starts_with(cut.trim_end_matches('…')));
            let cut = fit_utf16(&text, most);
            prop_assert!(cut.encode_utf16().count() <= most);
            prop_assert!(cut == text || cut.ends_with('…'));
        }
    }

    #[test]
    fn a_line_is_a_line() {
        assert_eq!(one_line(" Дом\r\nBcc: x@y\u{85} z\t"), "Дом Bcc: x@y z");
    }
}
