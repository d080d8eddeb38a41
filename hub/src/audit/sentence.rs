//! An entry in words for people: who did what, to what, and how it ended. What has no words is named by its code.

use domovoi_config::Language;
use domovoi_model::PersonId;

use super::entry::{Actor, Entry, Outcome, Record, Road};
use super::{Journal, NameOf};
use crate::words::{Words, words};

impl Journal {
    /// «Анна: вход в дом — отказано: неверный пароль (12 раз)».
    pub fn sentence(record: &Record, language: Language, name_of: &NameOf) -> String {
        let words = words(language);
        let entry = &record.entry;
        let who = Self::who(&entry.actor, language, name_of);
        let deed = Self::deed(&entry.deed, language);
        let what = match object(entry, words, name_of) {
            Some(object) => words.say("journal-deed-of-object", &[("deed", &deed), ("object", &object)]),
            None => deed,
        };
        let line = match &entry.outcome {
            Outcome::Done => words.say("journal-line-done", &[("who", &who), ("what", &what)]),
            Outcome::Refused(why) => {
                let why = why_in_words(why, words);
                words.say("journal-line-refused", &[("who", &who), ("what", &what), ("why", &why)])
            }
            Outcome::Failed(why) => {
                let why = why_in_words(why, words);
                words.say("journal-line-failed", &[("who", &who), ("what", &what), ("why", &why)])
            }
        };
        match record.times {
            0 | 1 => line,
            times => words.say("journal-line-times", &[("line", &line), ("times", &times.to_string())]),
        }
    }

    /// Who did it, in words.
    pub fn who(actor: &Actor, language: Language, name_of: &NameOf) -> String {
        let words = words(language);
        match actor {
            Actor::Nobody => words.say("journal-who-nobody", &[]),
            Actor::House => words.say("journal-who-house", &[]),
            Actor::Console => words.say("journal-who-console", &[]),
            Actor::Credential(username) => words.say("journal-who-credential", &[("name", username)]),
            Actor::Person(person) => name_of(*person).unwrap_or_else(|| words.say("journal-who-erased", &[])),
        }
    }

    /// A deed's name in words, without who and how: for a list to choose from.
    pub fn deed(code: &str, language: Language) -> String {
        say_or(words(language), &deed_key(code), code)
    }

    /// A road in words.
    pub fn road(road: Road, language: Language) -> String {
        words(language).say(&format!("journal-road-{}", road.code()), &[])
    }
}

/// The key of a deed's words: `session.opened` is `deed-session-opened`.
pub(super) fn deed_key(code: &str) -> String {
    format!("deed-{}", code.replace('.', "-"))
}

fn object(entry: &Entry, words: &Words, name_of: &NameOf) -> Option<String> {
    let (kind, which) = entry.object.as_ref()?;
    let kind_in_words = say_or(words, &format!("journal-object-{kind}"), "");
    let which = which.as_ref().map(|which| match which.parse::<PersonId>() {
        Ok(person) if Actor::Person(person) == entry.actor => String::new(),
        Ok(person) => name_of(person).unwrap_or_else(|| match kind.as_str() {
            // A person's id says nothing to anybody; another id of the same shape can be looked up.
            "person" => words.say("journal-who-erased", &[]),
            _ => which.clone(),
        }),
        Err(_) => which.clone(),
    });
    match (kind_in_words.as_str(), which) {
        ("", None) => None,
        (_, Some(which)) if which.is_empty() => None,
        ("", Some(which)) => Some(which),
        // The deed's own words say what kind of thing it is.
        (_, None) => None,
        (kind, Some(which)) => Some(words.say("journal-object-named", &[("kind", kind), ("name", &which)])),
    }
}

fn why_in_words(why: &str, words: &Words) -> String {
    if why.len() == 3 && why.bytes().all(|digit| digit.is_ascii_digit()) {
        return words.say("journal-why-status", &[("status", why)]);
    }
    say_or(words, &format!("journal-why-{why}"), why)
}

fn say_or(words: &Words, key: &str, otherwise: &str) -> String {
    let said = words.say(key, &[]);
    if said == key { otherwise.to_owned() } else { said }
}
