//! Taking history away: samples as CSV or as JSON Lines, page by page, so that years are never in memory at once and a
//! reader that is slow or goes away costs a page. What could not be read stands in the file where it would have stood.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domovoi_model::{DeviceRef, Quality, Timestamp};
use domovoi_store::{Point, Trouble};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::history::{device_of, every_series, may, sort_of, span};
use super::history_cells::{COLUMNS, TROUBLE, cells, escaped};
use crate::audit::Note;
use crate::policy::{Decision, Verb};
use crate::web::{Caller, Desk, problem};

/// As many samples are in memory at once: with a reader that takes its time, for hours.
const PAGE: usize = 2000;

/// As which sort of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// What is to be taken away.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `csv` or `jsonl`; `csv` if nothing is said.
    format: Option<String>,
    /// RFC 3339, or milliseconds since 1970; from the beginning if nothing is said.
    from: Option<String>,
    /// Likewise, not included; to the end if nothing is said.
    to: Option<String>,
    /// `dialect:id`: only of this device.
    device: Option<String>,
    /// Only this property.
    property: Option<String>,
}

/// A line of the JSON Lines; one with `trouble` says what could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportLine<'a> {
    pub at: String,
    pub device: &'a str,
    pub property: &'a str,
    /// A number stands as text, because it is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `number`, `bool`, `text`, `trouble`
    pub is: &'static str,
    pub unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<&'a str>,
}

/// Where the export is.
struct Pages {
    desk: Desk,
    format: Format,
    /// What is still to come, the next last.
    left: Vec<(DeviceRef, String)>,
    from: Timestamp,
    to: Timestamp,
    /// Where the property that is under way goes on.
    at: Timestamp,
    begun: bool,
}

/// Samples as a file, a property after the other, oldest first. Only what the caller may take away is in it.
#[utoipa::path(get, path = "/api/v1/history/export", tag = "history", params(ExportQuery), responses((status = 200, body = ExportLine, content_type = "application/x-ndjson")))]
pub async fn export(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiProblem> {
    let (format, kind, name) = match query.format.as_deref() {
        None | Some("csv") => (Format::Csv, "text/csv; charset=utf-8; header=present", "domovoi-history.csv"),
        Some("jsonl") => (Format::JsonLines, "application/x-ndjson", "domovoi-history.jsonl"),
        Some(_) => return Err(ApiProblem::invalid("format: csv or jsonl")),
    };
    let (from, to) = span(&desk, query.from.as_deref(), query.to.as_deref(), None)?;
    let wanted = query.device.as_deref().map(device_of).transpose()?;
    let now = desk.now();
    let refused = |device: &DeviceRef, property: &str| match may(&caller, Verb::Export, device, property, now) {
        Decision::Allow => None,
        Decision::Refuse(refusal) => Some(problem(&refusal, caller.language)),
    };
    if let (Some(device), Some(property)) = (&wanted, &query.property)
        && let Some(problem) = refused(device, property)
    {
        // Who names one thing hears that it is refused; who takes everything gets everything that is theirs.
        return Err(problem);
    }
    let (mut left, mut all_refused) = (Vec::new(), None);
    for one in every_series(&desk).await? {
        let meant = wanted.as_ref().is_none_or(|wanted| *wanted == one.device)
            && query.property.as_ref().is_none_or(|wanted| *wanted == one.property);
        match meant.then(|| refused(&one.device, &one.property)) {
            Some(None) => left.push((one.device, one.property)),
            Some(Some(problem)) => all_refused = Some(problem),
            None => {}
        }
    }
    // Nothing of it is theirs: that is no empty file.
    if let (true, Some(problem)) = (left.is_empty(), all_refused) {
        return Err(problem);
    }
    // One property in two units is two series, and one range.
    left.dedup();
    left.reverse();
    for (field, value) in [("device", &query.device), ("property", &query.property)] {
        if let Some(value) = value {
            note.change(field, None, Some(value.clone()));
        }
    }
    note.change("from", None, Some(from.to_string()));
    note.change("to", None, Some(to.to_string()));
    let pages = Pages { desk, format, left, from, to, at: from, begun: false };
    let body = stream::try_unfold(pages, |mut pages| async move {
        let page = pages.next().await.map_err(|error| {
            tracing::error!("an export ends early: {error}");
            std::io::Error::other(error)
        })?;
        Ok::<_, std::io::Error>(page.map(|page| (page, pages)))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

impl Pages {
    /// The next page; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        if !self.begun {
            self.begun = true;
            if self.format == Format::Csv {
                return Ok(Some(Bytes::from(format!("{}\r\n", COLUMNS.join(",")))));
            }
        }
        loop {
            let Some((device, property)) = self.left.last() else { return Ok(None) };
            let history = self.desk.store.history();
            let stretch = history.range(device, property, self.at, self.to, PAGE).await;
            let stretch = stretch.map_err(|error| error.to_string())?;
            let name = device.to_string();
            let mut page = Vec::new();
            for trouble in &stretch.troubles {
                self.format.trouble(&mut page, &name, property, trouble)?;
            }
            for point in &stretch.points {
                self.format.point(&mut page, &name, property, point)?;
            }
            match stretch.next {
                // A page that leads nowhere would be asked for for ever.
                Some(next) if next > self.at => self.at = next,
                Some(next) => return Err(format!("{name} {property}: history does not get past {next}")),
                None => {
                    self.left.pop();
                    self.at = self.from;
                }
            }
            if !page.is_empty() {
                return Ok(Some(Bytes::from(page)));
            }
        }
    }
}

impl Format {
    fn point(self, page: &mut Vec<u8>, device: &str, property: &str, point: &Point) -> Result<(), String> {
        match self {
            Format::Csv => csv_line(page, &cells(device, property, point)),
            Format::JsonLines => json_line(
                page,
                &ExportLine {
                    at: point.at.to_string(),
                    device,
                    property,
                    value: Some(point.value.to_string()),
                    is: sort_of(&point.value),
                    unit: point.unit.symbol(),
                    suspect: match &point.quality {
                        Quality::Good => None,
                        Quality::Suspect(words) => Some(words),
                    },
                    device_time: point.device_time.map(|at| at.to_string()),
                    trouble: None,
                },
            ),
        }
    }

    fn trouble(self, page: &mut Vec<u8>, device: &str, property: &str, trouble: &Trouble) -> Result<(), String> {
        let what = format!("{} to {}: {}", trouble.from, trouble.to, trouble.what);
        let at = trouble.from.to_string();
        match self {
            Format::Csv => {
                let (device, property, what) = (escaped(device), escaped(property), escaped(&what));
                csv_line(page, &[&at, &*device, &*property, &*what, TROUBLE, "", "", ""])
            }
            Format::JsonLines => json_line(
                page,
                &ExportLine {
                    at,
                    device,
                    property,
                    value: None,
                    is: TROUBLE,
                    unit: "",
                    suspect: None,
                    device_time: None,
                    trouble: Some(&what),
                },
            ),
        }
    }
}

fn csv_line<T: AsRef<[u8]>>(page: &mut Vec<u8>, cells: &[T]) -> Result<(), String> {
    // RFC 4180 ends lines with both.
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).buffer_capacity(512).from_writer(page);
    writer.write_record(cells).and_then(|()| writer.flush().map_err(Into::into)).map_err(|error| error.to_string())
}

fn json_line(page: &mut Vec<u8>, line: &ExportLine<'_>) -> Result<(), String> {
    serde_json::to_writer(&mut *page, line).map_err(|error| error.to_string())?;
    page.push(b'\n');
    Ok(())
}
