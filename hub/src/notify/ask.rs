//! What was told, asked for: inboxes, the ledger of letters, why somebody was or was not told.

use std::collections::BTreeMap;

use domovoi_model::{Id, PersonId};
use domovoi_store::{TellingFilter, TellingKind, TellingRow};

use super::policy::Reason;
use super::record::{Delivery, Line, Why};
use super::{Notify, NotifyError, Subject, paper};
use crate::words::words;

/// So many letters are told at once.
const MOST_LETTERS: u32 = 1000;

/// Which letters. Newest first.
#[derive(Debug, Clone, Default)]
pub struct LedgerFilter {
    /// About this only.
    pub subject: Option<Subject>,
    /// To this person only.
    pub person: Option<PersonId>,
    /// Older than this letter.
    pub before: Option<Id>,
    /// At most so many.
    pub limit: u32,
}

/// A letter, and what its way is called.
#[derive(Debug, Clone)]
pub struct LedgerLetter {
    /// The letter.
    pub letter: Delivery,
    /// What the owner of its way calls it, if it is still there.
    pub label: Option<String>,
}

impl Notify {
    /// The newest lines of somebody's inbox, the newest first, and how many are unseen.
    pub fn inbox(&self, person: PersonId) -> (Vec<Line>, usize) {
        self.desk().inbox(person)
    }

    /// Somebody saw these lines, or all; how many were not seen before.
    pub fn seen(&self, person: PersonId, which: Option<&[Id]>) -> usize {
        let (count, out) = self.desk().see(person, which, self.at());
        self.perform(out);
        count
    }

    /// Somebody's device says that a letter was seen.
    pub fn seen_letter(&self, person: PersonId, letter: Id) {
        let out = self.desk().seen_letter(letter, person, self.at());
        self.perform(out);
    }

    /// What people were told of, or are to be, and was not said to be over.
    pub fn unfinished(&self) -> Vec<Subject> {
        self.desk().unfinished()
    }

    /// Letters, as they stand now.
    pub async fn ledger(&self, filter: &LedgerFilter) -> Result<Vec<LedgerLetter>, NotifyError> {
        let limit = filter.limit.clamp(1, MOST_LETTERS);
        let asked = TellingFilter {
            kind: Some(TellingKind::Letter),
            subject: filter.subject.as_ref().map(ToString::to_string),
            person: filter.person,
            before: filter.before,
            limit,
            open: false,
        };
        let (rows, _) = self.0.store.tellings().find(&asked).await?;
        let mut letters: BTreeMap<Id, Delivery> =
            rows.iter().filter_map(paper::to_delivery).map(|letter| (letter.id, letter)).collect();
        let spelled = asked.subject.as_deref();
        let fits = |row: &TellingRow| {
            row.kind == TellingKind::Letter
                && spelled.is_none_or(|subject| row.subject == subject)
                && filter.person.is_none_or(|person| row.person == Some(person))
                && filter.before.is_none_or(|before| row.id < before)
        };
        for letter in self.0.writer.newer(fits).iter().filter_map(paper::to_delivery) {
            letters.insert(letter.id, letter);
        }
        let desk = self.desk();
        let labelled =
            |letter: Delivery| LedgerLetter { label: desk.way(letter.way).map(|route| route.label.clone()), letter };
        Ok(letters.into_values().rev().take(limit as usize).map(labelled).collect())
    }

    /// Everything that was decided about somebody and one subject; `None`: nothing was.
    pub async fn why(&self, subject: &Subject, person: PersonId) -> Result<Option<Why>, NotifyError> {
        if let Some(why) = self.desk().why(subject, person) {
            return Ok(Some(why));
        }
        let spelled = subject.to_string();
        let newer = self
            .0
            .writer
            .newer(|row| row.kind == TellingKind::Why && row.subject == spelled && row.person == Some(person));
        if let Some(why) = newer.iter().rev().find_map(paper::to_why) {
            return Ok(Some(why));
        }
        let asked = TellingFilter {
            kind: Some(TellingKind::Why),
            subject: Some(spelled),
            person: Some(person),
            limit: 1,
            ..TellingFilter::default()
        };
        let (rows, _) = self.0.store.tellings().find(&asked).await?;
        Ok(rows.iter().find_map(paper::to_why))
    }

    /// A reason in words.
    pub fn reason_in_words(&self, reason: &Reason, language: domovoi_config::Language) -> String {
        let variables = reason.variables(&self.0.zone);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        words(language).say(&format!("why-{}", reason.code()), &variables)
    }
}
