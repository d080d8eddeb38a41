//! Search in the journal: a bounded scan that opens rows, newest first, with a cursor. Only the time is looked at without
//! opening a row. Knows no words: it searches codes, ids and values.

use domovoi_store::StoreError;

use super::entry::{Actor, Entry, Page, Query, Record};
use super::{Journal, form};

/// One search opens at most so many rows; the cursor goes on behind them.
const OPENED_AT_MOST: usize = 5000;

/// Rows fetched at once.
const BATCH: usize = 200;

/// The largest page.
const LIMIT: usize = 500;

impl Journal {
    /// Entries, newest first. What was counted and not written yet is written before the first page.
    pub async fn search(&self, query: &Query) -> Result<Page, StoreError> {
        if query.before.is_none()
            && let Err(error) = self.flush().await
        {
            // A full disk must not keep anybody from reading.
            tracing::warn!("what was counted could not be written to the journal: {error}");
        }
        let wanted = Wanted::new(query);
        let limit = query.limit.clamp(1, LIMIT);
        let mut records = Vec::new();
        let mut before = query.before;
        let mut opened = 0;
        while opened < OPENED_AT_MOST {
            let rows = self.0.store.audit().before(before, query.since, query.until, BATCH as u32).await?;
            let last = rows.len() < BATCH;
            opened += rows.len();
            for (row, deed) in rows {
                before = Some(row);
                let record = match &deed {
                    Ok(deed) => form::of_deed(deed),
                    Err(error) => {
                        tracing::warn!("{error}");
                        None
                    }
                };
                let record = record.unwrap_or_else(|| form::unreadable(row));
                if !wanted.fits(&record) {
                    continue;
                }
                records.push(record);
                if records.len() == limit {
                    return Ok(Page { records, next: before.filter(|row| *row > 1) });
                }
            }
            if last {
                return Ok(Page { records, next: None });
            }
        }
        Ok(Page { records, next: before })
    }
}

struct Wanted<'a> {
    query: &'a Query,
    person: Option<String>,
    text: Option<String>,
}

impl<'a> Wanted<'a> {
    fn new(query: &'a Query) -> Self {
        Wanted {
            query,
            person: query.person.map(|person| person.to_string()),
            text: query.text.as_ref().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty()),
        }
    }

    fn fits(&self, record: &Record) -> bool {
        let entry = &record.entry;
        self.query.deed.as_ref().is_none_or(|deed| entry.deed.starts_with(deed))
            && self.query.outcome.as_ref().is_none_or(|outcome| entry.outcome.code() == outcome)
            && self.is_theirs(entry)
            && self.text.as_ref().is_none_or(|text| texts(entry).any(|said| said.to_lowercase().contains(text)))
    }

    /// Theirs: what they did, and what was done to them by nobody known, the hub or its console. What another person did
    /// to them holds that person's address and perhaps others' data.
    fn is_theirs(&self, entry: &Entry) -> bool {
        let Some(person) = self.query.person else { return true };
        if let Actor::Person(actor) = entry.actor {
            return actor == person;
        }
        let object = entry.object.as_ref().and_then(|(_, which)| which.as_ref());
        object == self.person.as_ref() && entry.changes.iter().all(|change| change.of.is_none_or(|of| of == person))
    }
}

/// Every text of an entry.
fn texts(entry: &Entry) -> impl Iterator<Item = String> {
    let username = match &entry.actor {
        Actor::Credential(username) => Some(username.clone()),
        Actor::Person(person) => Some(person.to_string()),
        _ => None,
    };
    let object = entry.object.clone();
    let changes = entry.changes.clone();
    std::iter::once(entry.deed.clone())
        .chain(username)
        .chain(entry.origin.address.map(|address| address.to_string()))
        .chain(entry.origin.device.clone())
        .chain(entry.outcome.why().map(str::to_owned))
        .chain(object.into_iter().flat_map(|(kind, which)| std::iter::once(kind).chain(which)))
        .chain(changes.into_iter().flat_map(|change| [Some(change.field), change.before, change.after]).flatten())
}
