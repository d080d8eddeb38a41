//! A day of a camera's archive: when it recorded and when it did not, playing it, taking a part of it away, erasing a part.
//! Without JavaScript each recording is a film of its own and a download.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::SegmentState;
use jiff::civil::DateTime;

use super::cameras::{bytes_words, named};
use super::form::Form;
use super::refusal::Fault;
use super::said;
use super::view::View;
use super::{go, shown};
use crate::audit::Note;
use crate::cameras::Piece;
use crate::policy::Verb;
use crate::web::Desk;
use crate::web::api::cameras as api;

/// So many films are listed by themselves.
const MOST_LISTED: usize = 800;

/// What was recorded without a break.
struct Stretch {
    /// Seconds of the day.
    from: i64,
    length: i64,
    words: String,
    bytes: String,
    films: Vec<Film>,
}

struct Film {
    id: String,
    words: String,
    trouble: Option<String>,
}

#[derive(Template)]
#[template(path = "camera-archive.html")]
struct ArchivePage {
    v: View,
    id: String,
    name: String,
    day: Date,
    /// For a field of a form: `2026-11-21`.
    day_field: String,
    before: String,
    after: Option<String>,
    from_ms: i64,
    to_ms: i64,
    seconds: i64,
    /// A recording of this moment is shown first, in seconds of the day.
    at: i64,
    zone: String,
    stretches: Vec<Stretch>,
    /// What is wrong with recordings of the day.
    troubles: Vec<String>,
    /// One of them, shown without JavaScript.
    film: Option<(String, String)>,
    export_from: String,
    export_to: String,
    exports: bool,
    erases: bool,
}

fn field(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.chars().take(64).collect())
}

fn date_of(text: &str) -> Option<Date> {
    let date: jiff::civil::Date = text.parse().ok()?;
    Date::new(date.year(), date.month().unsigned_abs(), date.day().unsigned_abs())
}

fn spelled(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

pub async fn show(
    State(desk): State<Desk>,
    view: View,
    Path(camera): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    let query = query.as_deref();
    let at = field(query, "at").and_then(|text| text.parse::<i64>().ok()).map(Timestamp);
    let today = said::day_of(view.now, view.zone()).ok_or(Fault::NotFound)?;
    let asked = field(query, "day").and_then(|text| date_of(&text));
    let day = asked.or_else(|| at.and_then(|at| said::day_of(at, view.zone()))).unwrap_or(today);
    let (Some(from), Some(end)) = (said::start_of_day(day, view.zone()), said::end_of_day(day, view.zone())) else {
        return Err(Fault::NotFound);
    };
    let to = end.plus_millis(1);
    let name = desk.cameras.view(id).await?.card.name;
    let (pieces, _) = api::pieces(&desk, id, from, to, view.language())
        .await
        .map_err(|problem| Fault::Words(StatusCode::INTERNAL_SERVER_ERROR, problem.title))?;
    let wanted = field(query, "film");
    let film = pieces
        .iter()
        .find(|piece| Some(piece.id.to_string()) == wanted)
        .map(|piece| (piece.id.to_string(), if piece.run.starts_with("jpeg") { "jpeg" } else { "mp4" }.to_owned()));
    let last = pieces.last().map_or(to, |piece| piece.until.min(to));
    let begin = Timestamp(last.0.saturating_sub(10 * 60_000)).max(from);
    Ok(shown(&ArchivePage {
        id: id.to_string(),
        name,
        day_field: spelled(day),
        before: day.plus_days(-1).map(spelled).unwrap_or_default(),
        after: day.plus_days(1).filter(|next| *next <= today).map(spelled),
        day,
        from_ms: from.0,
        to_ms: to.0,
        seconds: (to.0 - from.0) / 1000,
        at: at.map_or(0, |at| (at.0 - from.0) / 1000),
        zone: view.zone().iana_name().unwrap_or("UTC").to_owned(),
        stretches: stretches(&view, &pieces, from, to),
        troubles: troubles(&view, &pieces),
        film,
        export_from: local(&view, begin),
        export_to: local(&view, last),
        exports: view.may(Verb::Export, &desk.cameras.recordings_object(id)),
        erases: view.may(Verb::Edit, &desk.cameras.recordings_object(id)),
        v: view,
    }))
}

fn stretches(view: &View, pieces: &[Piece], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let mut left = MOST_LISTED;
    let all = api::stretches(pieces);
    let stretch = |(start, end): (Timestamp, Timestamp)| {
        let of = |piece: &&Piece| api::is_playable(piece) && piece.from >= start && piece.from < end;
        let films: Vec<&Piece> = pieces.iter().filter(of).take(left).collect();
        left = left.saturating_sub(films.len());
        let bytes = films.iter().map(|piece| piece.bytes).fold(0, u64::saturating_add);
        let (begin, until) = (start.max(from), end.min(to));
        Stretch {
            from: (begin.0 - from.0) / 1000,
            length: ((until.0 - begin.0) / 1000).max(1),
            words: format!("{} – {}", clock(view, begin), clock(view, until)),
            bytes: bytes_words(view, bytes),
            films: films.into_iter().map(|piece| film(view, piece)).collect(),
        }
    };
    all.into_iter().map(stretch).collect()
}

fn film(view: &View, piece: &Piece) -> Film {
    Film {
        id: piece.id.to_string(),
        words: format!("{} – {}", clock(view, piece.from), clock(view, piece.until)),
        trouble: (piece.state == SegmentState::Damaged).then(|| view.t("page-archive-damaged")),
    }
}

fn troubles(view: &View, pieces: &[Piece]) -> Vec<String> {
    let of = |piece: &Piece| {
        let key = match piece.state {
            SegmentState::Missing => "page-archive-missing-at",
            SegmentState::Damaged => "page-archive-damaged-at",
            _ => return None,
        };
        Some(view.t2(key, "from", clock(view, piece.from), "to", clock(view, piece.until)))
    };
    pieces.iter().filter_map(of).take(20).collect()
}

/// `22:05:09` in the home's zone.
fn clock(view: &View, at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(view.zone().clone());
    at.strftime("%H:%M:%S").to_string()
}

/// For `datetime-local`.
fn local(view: &View, at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(view.zone().clone());
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// What was typed into `datetime-local`, in the home's zone.
fn moment(view: &View, text: &str) -> Option<Timestamp> {
    let at: DateTime = text.trim().parse().ok()?;
    Some(Timestamp(at.to_zoned(view.zone().clone()).ok()?.timestamp().as_millisecond()))
}

fn span(view: &View, form: &Form) -> Result<(Timestamp, Timestamp), Fault> {
    let both = moment(view, form.text("from")).zip(moment(view, form.text("to"))).filter(|(from, to)| from < to);
    both.ok_or_else(|| Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, view.t("page-archive-span-wrong")))
}

/// Takes a part of it away, sealed if that is wished.
pub async fn download(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(camera): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    let (from, to) = span(&view, &form)?;
    let words = |problem: crate::web::ApiProblem| {
        Fault::Words(StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT), problem.title)
    };
    let recipients: Vec<String> = form.text("recipient").split_whitespace().map(str::to_owned).collect();
    let passphrase = Some(form.secret("passphrase")).filter(|text| !text.expose().is_empty());
    let seal = api::seal_of(&recipients, passphrase, view.language()).map_err(words)?;
    let query = api::ExportQuery {
        from: from.to_string(),
        to: to.to_string(),
        part: form.text("part").parse().ok(),
        gaps: Some(if form.is("gaps") { "kept" } else { "closed" }.to_owned()),
        recipients: None,
    };
    api::download(&desk, id, &query, seal, &note, view.language()).await.map_err(words)
}

pub async fn erase(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(camera): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id: Id = named(&desk, &camera)?;
    let (from, to) = span(&view, &form)?;
    if !form.is("sure") {
        return Err(Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, view.t("page-archive-erase-unsure")));
    }
    let erased = desk.cameras.erase(id, from, to).await?;
    note.change("from", None, Some(from.to_string()));
    note.change("to", None, Some(to.to_string()));
    note.change("segments", Some(erased.to_string()), None);
    Ok(go(&format!("/cameras/{id}/archive?at={}", from.0)))
}
