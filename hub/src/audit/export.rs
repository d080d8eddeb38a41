//! The journal as a table for a spreadsheet: RFC 4180 with a head, in UTF-8 with the mark by which spreadsheets know it.
//! Newest first, in pieces, so that ten years of it need no memory. Who may take it is decided elsewhere.

use domovoi_store::StoreError;
use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::entry::{Actor, Page, Query, Record};
use super::{Journal, NameOf};

/// Entries in a piece.
const PIECE: usize = 500;

impl Journal {
    /// Everything that fits the query, whatever its `limit`: pieces of bytes (`text/csv; charset=utf-8`), to be sent on
    /// as they come.
    pub fn table(
        &self,
        query: Query,
        name_of: NameOf,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + use<> {
        let mut head = "\u{feff}".to_owned();
        line(&mut head, COLUMNS.iter().map(|column| (*column).to_owned()));
        let query = Query { limit: PIECE, ..query };
        try_unfold((self.clone(), Some(query), head), move |(journal, query, mut piece)| {
            let name_of = NameOf::clone(&name_of);
            async move {
                let Some(mut query) = query else { return Ok(None) };
                let Page { records, next } = journal.search(&query).await?;
                for record in &records {
                    line(&mut piece, cells(record, &name_of).into_iter());
                }
                let query = next.map(|before| {
                    query.before = Some(before);
                    query
                });
                Ok(Some((piece.into_bytes(), (journal, query, String::new()))))
            }
        })
    }
}

/// Who did it, as a code, an id and perhaps a name.
fn who(actor: &Actor, name_of: &NameOf) -> (&'static str, Option<String>, Option<String>) {
    match actor {
        Actor::Nobody => ("nobody", None, None),
        Actor::House => ("house", None, None),
        Actor::Console => ("console", None, None),
        Actor::Person(person) => ("person", Some(person.to_string()), name_of(*person)),
        Actor::Credential(username) => ("credential", Some(username.clone()), None),
    }
}

const COLUMNS: [&str; 15] = [
    "row",
    "at",
    "since",
    "times",
    "who",
    "who_id",
    "who_name",
    "road",
    "address",
    "device",
    "deed",
    "object_kind",
    "object",
    "outcome",
    "changes",
];

fn cells(record: &Record, name_of: &NameOf) -> [String; 15] {
    let entry = &record.entry;
    let (who, id, name) = who(&entry.actor, name_of);
    let (kind, which) = entry.object.clone().unwrap_or_default();
    let changes: Vec<String> = entry
        .changes
        .iter()
        .map(|change| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".into());
            format!("{}: {} → {}", change.field, value(&change.before), value(&change.after))
        })
        .collect();
    let outcome = match entry.outcome.why() {
        Some(why) => format!("{}: {why}", entry.outcome.code()),
        None => entry.outcome.code().to_owned(),
    };
    let time = |at: Option<domovoi_model::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    [
        record.row.to_string(),
        time(record.at),
        time(record.since),
        record.times.to_string(),
        who.to_owned(),
        id.unwrap_or_default(),
        name.unwrap_or_default(),
        entry.origin.road.code().to_owned(),
        entry.origin.address.map(|address| address.to_string()).unwrap_or_default(),
        entry.origin.device.clone().unwrap_or_default(),
        entry.deed.clone(),
        kind,
        which.unwrap_or_default(),
        outcome,
        changes.join("; "),
    ]
}

/// One line. A cell that a spreadsheet would take for a formula gets an apostrophe (OWASP, «CSV Injection»): names and
/// devices are what strangers say of themselves.
fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push('"');
        if cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
            out.push('\'');
        }
        out.push_str(&cell.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
}
