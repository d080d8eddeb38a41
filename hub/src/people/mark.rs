//! How other rooms write down who did something without writing down a name: a mark that becomes the person's present
//! name when it is shown, and nobody's once the person is erased. Ledgers cannot be rewritten; a mark need not be.

use domovoi_config::Language;
use domovoi_model::{PersonId, Source};

use super::People;

const MARK: &str = "person:";

impl People {
    /// What a ledger keeps of whoever read a meter: the caller where nobody else is named; a mark where the name that was
    /// typed is one of the home's, and only one's; else the name as it was typed.
    pub fn reader(&self, caller: Option<PersonId>, typed: &str) -> String {
        let typed = typed.trim();
        if typed.is_empty() {
            return caller.map(mark).unwrap_or_default();
        }
        let wanted = typed.to_lowercase();
        let named: Vec<PersonId> = self.seen(|roster| {
            roster.iter().filter(|person| person.name.to_lowercase() == wanted).map(|person| person.id).collect()
        });
        match (named.as_slice(), caller) {
            ([one], _) => mark(*one),
            (several, Some(caller)) if several.contains(&caller) => mark(caller),
            // Whoever writes a mark as a name means no person.
            _ => typed.strip_prefix(MARK).unwrap_or(typed).to_owned(),
        }
    }

    /// Writes into a source who that is now, for showing.
    pub fn name_reader(&self, source: &mut Source, language: Language) {
        if let Source::Person(reader) | Source::Photo { person: reader, .. } = source {
            *reader = self.called(reader, language);
        }
    }

    /// A reader as people call them now.
    pub fn called(&self, reader: &str, language: Language) -> String {
        let Some(id) = reader.strip_prefix(MARK) else { return reader.to_owned() };
        let person = id.parse().ok().and_then(|id| self.get(id));
        person.map_or_else(
            || match language {
                Language::Russian => "удалённый человек".to_owned(),
                Language::English => "an erased person".to_owned(),
            },
            |person| person.name,
        )
    }
}

/// The mark of a person.
pub fn mark(id: PersonId) -> String {
    format!("{MARK}{id}")
}
