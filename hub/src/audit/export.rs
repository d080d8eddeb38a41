//! The journal to take away: one JSON object for each entry and line, or a table for a spreadsheet. Newest first, in
//! pieces, so that ten years of it need no memory. Who may take it is decided elsewhere.

use futures_util::Stream;
use futures_util::stream::try_unfold;
use serde_json::{Value, json};

use super::entry::{Actor, Page, Query, Record};
use super::{Journal, NameOf};
use domovoi_store::StoreError;

/// Entries in a piece.
const PIECE: usize = 500;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// A JSON object in each line (`application/x-ndjson`).
    Ndjson,
    /// RFC 4180 with a head, in UTF-8 with the mark by which spreadsheets know it (`text/csv`).
    Csv,
}

impl ExportForm {
    /// `ndjson` or `csv`, which is also the file's extension.
    pub fn code(self) -> &'static str {
        match self {
            ExportForm::Ndjson => "ndjson",
            ExportForm::Csv => "csv",
        }
    }

    /// The form of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [ExportForm::Ndjson, ExportForm::Csv].into_iter().find(|form| form.code() == code)
    }

    /// For `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            ExportForm::Ndjson => "application/x-ndjson",
            ExportForm::Csv => "text/csv; charset=utf-8",
        }
    }

    /// What stands before the first entry.
    fn head(self) -> Vec<u8> {
        match self {
            ExportForm::Ndjson => Vec::new(),
            ExportForm::Csv => {
                let mut head = "\u{feff}".to_owned();
                csv_line(&mut head, COLUMNS.iter().map(|column| (*column).to_owned()));
                head.into_bytes()
            }
        }
    }

    fn write(self, out: &mut Vec<u8>, record: &Record, name_of: &NameOf) {
        match self {
            ExportForm::Ndjson => {
                out.extend_from_slice(object(record, name_of).to_string().as_bytes());
                out.push(b'\n');
            }
            ExportForm::Csv => {
                let mut line = String::new();
                csv_line(&mut line, cells(record, name_of).into_iter());
                out.extend_from_slice(line.as_bytes());
            }
        }
    }
}

impl Journal {
    /// Everything that fits the query, whatever its `limit`: pieces of bytes, to be sent on as they come.
    pub fn export(
        &self,
        query: Query,
        form: ExportForm,
        name_of: NameOf,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + use<> {
        let journal = self.clone();
        let query = Query { limit: PIECE, ..query };
        try_unfold((journal, Some(query), form.head()), move |(journal, query, head)| {
            let name_of = NameOf::clone(&name_of);
            async move {
                let Some(mut query) = query else { return Ok(None) };
                let Page { records, next } = journal.search(&query).await?;
                let mut piece = head;
                for record in &records {
                    form.write(&mut piece, record, &name_of);
                }
                let query = next.map(|before| {
                    query.before = Some(before);
                    query
                });
                Ok(Some((piece, (journal, query, Vec::new()))))
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

fn object(record: &Record, name_of: &NameOf) -> Value {
    let entry = &record.entry;
    let (who, id, name) = who(&entry.actor, name_of);
    let changes: Vec<Value> = entry
        .changes
        .iter()
        .map(|change| {
            json!({
                "field": change.field,
                "before": change.before,
                "after": change.after,
                "of": change.of.map(|person| person.to_string()),
            })
        })
        .collect();
    json!({
        "row": record.row,
        "at": record.at.map(|at| at.to_string()),
        "since": record.since.map(|since| since.to_string()),
        "times": record.times,
        "who": { "kind": who, "id": id, "name": name },
        "road": entry.origin.road.code(),
        "address": entry.origin.address.map(|address| address.to_string()),
        "device": entry.origin.device,
        "deed": entry.deed,
        "object": entry.object.as_ref().map(|(kind, id)| json!({ "kind": kind, "id": id })),
        "outcome": entry.outcome.code(),
        "why": entry.outcome.why(),
        "changes": changes,
    })
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
fn csv_line(out: &mut String, cells: impl Iterator<Item = String>) {
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
