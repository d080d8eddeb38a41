//! Taking alerts away: CSV as RFC 4180 has it, or a JSON list; page by page, so that years are never in memory at once.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domovoi_model::Alert;
use futures_util::stream;
use serde::Deserialize;

use super::ApiProblem;
use super::alerts::{AlertView, AlertsQuery, sees, view};
use super::history_cells::escaped;
use crate::alerts::Filter;
use crate::audit::Note;
use crate::web::{Caller, Desk};

/// Alerts that are in memory at once.
const PAGE: usize = 200;

/// What spreadsheets know UTF-8 by.
const BOM: &str = "\u{feff}";

const COLUMNS: [&str; 21] = [
    "raised_at",
    "ended_at",
    "origin",
    "status",
    "state",
    "severity",
    "urgency",
    "certainty",
    "peril",
    "life",
    "event",
    "headline",
    "description",
    "areas",
    "sender",
    "feed",
    "onset",
    "expires",
    "acknowledged",
    "steps_done",
    "alert",
];

/// What is to be taken away: as the list has it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsExportQuery {
    /// RFC 3339: raised then or later.
    since: Option<String>,
    /// RFC 3339: raised before then.
    until: Option<String>,
    /// `feed`, `portal`, `hazard`, …
    origin: Option<String>,
    /// `flood`, `gas`, …
    peril: Option<String>,
    /// At least so bad.
    severity: Option<String>,
    /// `raised`, `updated`, `cancelled`, `expired`
    state: Option<String>,
    /// `actual`, `exercise`, `system`, `test`
    status: Option<String>,
    /// Whether somebody has said "I know".
    acknowledged: Option<bool>,
    /// Where this occurs in any text.
    text: Option<String>,
    /// CSV only: begin with a byte order mark, by which spreadsheets know the encoding.
    #[serde(default)]
    bom: bool,
}

impl AlertsExportQuery {
    fn filter(self, note: &Note) -> Result<Filter, ApiProblem> {
        let query = AlertsQuery {
            history: true,
            since: self.since,
            until: self.until,
            origin: self.origin,
            peril: self.peril,
            severity: self.severity,
            state: self.state,
            status: self.status,
            acknowledged: self.acknowledged,
            text: self.text,
            limit: Some(PAGE),
            cursor: None,
        };
        let filter = query.filter()?;
        for (field, value) in [("since", query.since), ("until", query.until), ("origin", query.origin)] {
            if let Some(value) = value {
                note.change(field, None, Some(value));
            }
        }
        Ok(filter)
    }
}

/// Alerts as a table, the newest first.
#[utoipa::path(get, path = "/api/v1/alerts/export.csv", tag = "alerts", params(AlertsExportQuery), responses((status = 200, body = String, content_type = "text/csv")))]
pub async fn csv(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Query(query): Query<AlertsExportQuery>,
) -> Result<Response, ApiProblem> {
    let bom = if query.bom { BOM } else { "" };
    let filter = query.filter(&note)?;
    let head = format!("{bom}{}\r\n", COLUMNS.join(","));
    let line = |view: &AlertView, alert: &Alert, page: &mut Vec<u8>| row(view, alert, page);
    Ok(taken(desk, caller, filter, head, "", line, "text/csv; charset=utf-8; header=present", "domovoi-alerts.csv"))
}

/// Alerts as one JSON list, the newest first.
#[utoipa::path(get, path = "/api/v1/alerts/export.json", tag = "alerts", params(AlertsExportQuery), responses((status = 200, body = Vec<AlertView>)))]
pub async fn json(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Query(query): Query<AlertsExportQuery>,
) -> Result<Response, ApiProblem> {
    let filter = query.filter(&note)?;
    let line = |view: &AlertView, _: &Alert, page: &mut Vec<u8>| {
        // A list of objects, one on a line: the comma stands before each but the first.
        page.extend_from_slice(b",\n");
        serde_json::to_writer(page, view).map_err(|error| error.to_string())
    };
    Ok(taken(desk, caller, filter, "[".to_owned(), "\n]\n", line, "application/json", "domovoi-alerts.json"))
}

/// How a page is written.
type Line = fn(&AlertView, &Alert, &mut Vec<u8>) -> Result<(), String>;

struct Pages {
    desk: Desk,
    caller: Caller,
    filter: Option<Filter>,
    head: Option<String>,
    tail: &'static str,
    line: Line,
    is_list: bool,
}

#[allow(clippy::too_many_arguments)] // two doors, one road
fn taken(
    desk: Desk,
    caller: Caller,
    filter: Filter,
    head: String,
    tail: &'static str,
    line: Line,
    kind: &'static str,
    name: &'static str,
) -> Response {
    let is_list = !tail.is_empty();
    let pages = Pages { desk, caller, filter: Some(filter), head: Some(head), tail, line, is_list };
    let body = stream::try_unfold(pages, |mut pages| async move {
        let page = pages.next().await.map_err(|error| {
            tracing::error!("an export of alerts ends early: {error}");
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
    response
}

impl Pages {
    /// The next page; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let Some(filter) = self.filter.take() else { return Ok(None) };
        let found = self.desk.alerts.find(&filter).await.map_err(|error| error.to_string())?;
        let mut page = Vec::new();
        for alert in found.alerts.iter().filter(|alert| sees(&self.desk, &self.caller, alert)) {
            (self.line)(&view(&self.desk, &self.caller, alert), alert, &mut page)?;
        }
        let mut out = Vec::new();
        if self.is_list {
            let is_first = self.head.is_some();
            if let Some(rest) = page.strip_prefix(b",").filter(|_| is_first) {
                out.extend_from_slice(self.head.take().unwrap_or_default().as_bytes());
                out.extend_from_slice(rest);
            } else {
                out.extend_from_slice(&page);
            }
        } else {
            out.extend_from_slice(self.head.take().unwrap_or_default().as_bytes());
            out.extend_from_slice(&page);
        }
        match found.next {
            Some(next) => self.filter = Some(Filter { before: Some(next), ..filter }),
            None => {
                // Nothing was found at all: the list begins all the same.
                out.extend_from_slice(self.head.take().unwrap_or_default().as_bytes());
                out.extend_from_slice(self.tail.as_bytes());
            }
        }
        Ok(Some(Bytes::from(out)))
    }
}

fn row(view: &AlertView, alert: &Alert, page: &mut Vec<u8>) -> Result<(), String> {
    let text = |text: &str| escaped(text).into_owned();
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let known: Vec<String> = view
        .acknowledged
        .iter()
        .map(|one| format!("{} {}", one.name, one.at.clone().unwrap_or_default()).trim().to_owned())
        .collect();
    let steps: Vec<&str> = alert.steps_done.iter().map(|(step, _)| step.as_str()).collect();
    let cells = [
        optional(&view.raised_at),
        optional(&view.ended_at),
        view.origin.to_owned(),
        view.status.to_owned(),
        view.state.to_owned(),
        view.severity.to_owned(),
        view.urgency.to_owned(),
        view.certainty.to_owned(),
        view.peril.to_owned(),
        view.life.to_string(),
        text(&view.event),
        text(&view.headline),
        text(&view.description),
        text(&view.areas.join("; ")),
        text(&view.sender),
        text(&optional(&view.feed)),
        optional(&view.onset),
        optional(&view.expires),
        text(&known.join("; ")),
        steps.join("; "),
        view.alert.clone(),
    ];
    // RFC 4180 ends lines with both.
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).buffer_capacity(512).from_writer(page);
    writer.write_record(cells).and_then(|()| writer.flush().map_err(Into::into)).map_err(|error| error.to_string())
}
