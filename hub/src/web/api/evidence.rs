//! How warm watched rooms were, over the API: for a recalculation of the heating fee. Who may see a room's thermometer is
//! asked of its property, as history asks it.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;
use domovoi_model::Id;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::consumption::{day, told};
use super::history_cells::escaped;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::metering::insight::days::Unit;
use crate::metering::insight::{InsightError, Place, Warmth, WarmthPaper};
use crate::policy::{Decision, Kind, Verb, decide};
use crate::web::{Caller, Desk, Doors, problem, rule};

pub(super) fn doors(desk: &Desk) -> Doors {
    use Kind::{Device, Home};
    use Verb::{Edit, See};
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    let one = rule(Edit, Device).which("place");
    const EXPORT: &str = "evidence.exported";
    Doors::new(desk, super::MAX_BODY)
        .door(get, "/api/v1/evidence/places", rule(See, Home), list)
        .door(post, "/api/v1/evidence/places", rule(Edit, Device).deed("evidence-place.added"), add)
        .door(put, "/api/v1/evidence/places/{place}", one.deed("evidence-place.changed"), change)
        .door(delete, "/api/v1/evidence/places/{place}", one.deed("evidence-place.removed"), remove)
        .door(get, "/api/v1/evidence/places/{place}", rule(See, Home), show)
        .door(get, "/api/v1/evidence/places/{place}/export.csv", rule(See, Home).deed(EXPORT), csv)
        .door(get, "/api/v1/evidence/places/{place}/export.json", rule(See, Home).deed(EXPORT), json)
}

/// Whether this caller may see a room's thermometer.
fn may(desk: &Desk, caller: &Caller, place: &Place) -> Decision {
    decide(&caller.who, Verb::See, &desk.devices.object(&place.sensor, Some(&place.property)), desk.now())
}

fn seen(desk: &Desk, caller: &Caller, text: &str) -> Result<(Id, Place), ApiProblem> {
    let id = text.parse::<Id>().map_err(|_| told(InsightError::NoSuch("place"), caller.language))?;
    let place = desk.insight.place(id).map_err(|error| told(error, caller.language))?;
    match may(desk, caller, &place) {
        Decision::Allow => Ok((id, place)),
        Decision::Refuse(refusal) => Err(problem(&refusal, caller.language)),
    }
}

/// A watched room.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceView {
    /// Its id.
    pub place: String,
    #[serde(flatten)]
    pub paper: WarmthPaper,
}

/// Every watched room that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceList {
    pub places: Vec<PlaceView>,
}

/// A span of days.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EvidenceQuery {
    /// The first day; the first of the running month if nothing is said.
    from: Option<String>,
    /// The last day, included; today if nothing is said. At most 370 days.
    to: Option<String>,
}

/// When it was too cold.
#[derive(Debug, Serialize, ToSchema)]
pub struct ColdView {
    pub from: String,
    pub to: String,
    pub minutes: i64,
    /// °C
    pub lowest: String,
    /// °C, over the time.
    pub mean: String,
}

/// When nothing is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapView {
    pub from: String,
    pub to: String,
    pub minutes: i64,
}

/// A month.
#[derive(Debug, Serialize, ToSchema)]
pub struct ColdMonthView {
    pub month: String,
    /// Hours below what is allowed, to the hundredth.
    pub hours_below: String,
    /// Hours of which something is known.
    pub hours_known: String,
    /// Hours of which nothing is.
    pub hours_unknown: String,
    /// Hours times degrees below what is allowed.
    pub degree_hours: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowest: Option<String>,
}

/// What can be shown of a room's warmth.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    pub place: PlaceView,
    pub from: String,
    pub to: String,
    pub months: Vec<ColdMonthView>,
    pub cold: Vec<ColdView>,
    pub gaps: Vec<GapView>,
    /// How many samples it rests on.
    pub samples: u64,
    /// In how many intervals of recording,
    pub intervals: usize,
    /// each so many minutes long.
    pub interval_minutes: i64,
    /// SHA-256 over those intervals, in the spelling of the reference.
    pub sha256: String,
    /// How much of history could not be read.
    pub unreadable: usize,
    /// What it comes to, and what it is not, in the caller's language.
    pub sentences: Vec<String>,
}

/// Hours, to the hundredth.
pub fn hours(millis: i64) -> Decimal {
    (Decimal::from(millis) / Decimal::from(3_600_000)).round_dp(2).normalize()
}

/// What it comes to, and what it is not.
pub fn sentences(warmth: &Warmth, language: Language) -> Vec<String> {
    use crate::web::consumption::number;
    let say = |key: &str, variables: &[(&str, &str)]| crate::words::words(language).say(key, variables);
    let below = warmth.evidence.months.iter().map(|month| month.below_millis).sum();
    let gaps: i64 = warmth.evidence.months.iter().map(|month| month.gap_millis).sum();
    let norm = number(language, warmth.place.norm.day);
    let hours_below = number(language, hours(below));
    let mut said = vec![say("insight-cold", &[("room", &warmth.place.name), ("norm", &norm), ("hours", &hours_below)])];
    if gaps > 0 {
        said.push(say("insight-cold-gaps", &[("hours", &number(language, hours(gaps)))]));
    }
    if warmth.troubles > 0 {
        said.push(say("insight-cold-troubles", &[]));
    }
    said.push(say("insight-cold-own", &[]));
    said
}

impl EvidenceView {
    fn of(id: Id, warmth: &Warmth, language: Language) -> Self {
        let minutes = |from: domovoi_model::Timestamp, to: domovoi_model::Timestamp| (to.0 - from.0) / 60_000;
        let evidence = &warmth.evidence;
        EvidenceView {
            place: PlaceView { place: id.to_string(), paper: (&warmth.place).into() },
            from: warmth.from.to_string(),
            to: warmth.to.to_string(),
            months: evidence
                .months
                .iter()
                .map(|month| ColdMonthView {
                    month: month.period.to_string(),
                    hours_below: hours(month.below_millis).to_string(),
                    hours_known: hours(month.known_millis).to_string(),
                    hours_unknown: hours(month.gap_millis).to_string(),
                    degree_hours: month.degree_hours.normalize().to_string(),
                    lowest: month.lowest.map(|lowest| lowest.normalize().to_string()),
                })
                .collect(),
            cold: evidence
                .cold
                .iter()
                .map(|cold| ColdView {
                    from: cold.from.to_string(),
                    to: cold.to.to_string(),
                    minutes: minutes(cold.from, cold.to),
                    lowest: cold.lowest.normalize().to_string(),
                    mean: cold.mean.normalize().to_string(),
                })
                .collect(),
            gaps: evidence
                .gaps
                .iter()
                .map(|gap| GapView {
                    from: gap.from.to_string(),
                    to: gap.to.to_string(),
                    minutes: minutes(gap.from, gap.to),
                })
                .collect(),
            samples: evidence.samples,
            intervals: warmth.intervals,
            interval_minutes: warmth.interval_millis / 60_000,
            sha256: warmth.digest.clone(),
            unreadable: warmth.troubles,
            sentences: sentences(warmth, language),
        }
    }
}

async fn warmth(desk: &Desk, caller: &Caller, id: Id, query: &EvidenceQuery) -> Result<Warmth, ApiProblem> {
    let today = desk.insight.today();
    let from = query.from.as_deref().map_or_else(|| Ok(Unit::Month.begin(today)), |text| day("from", text))?;
    let last = query.to.as_deref().map_or(Ok(today), |text| day("to", text))?;
    let warmth = desk.insight.warmth(id, from, Unit::Day.end(last)).await;
    warmth.map_err(|error| told(error, caller.language))
}

/// Rooms whose warmth is watched.
#[utoipa::path(get, path = "/api/v1/evidence/places", tag = "consumption", responses((status = 200, body = PlaceList)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<PlaceList> {
    let all = desk.insight.places();
    let places = all
        .iter()
        .filter(|(_, place)| may(&desk, &caller, place) == Decision::Allow)
        .map(|(id, place)| PlaceView { place: id.to_string(), paper: place.into() })
        .collect();
    Json(PlaceList { places })
}

/// The thermometer that a form names, if the caller may see it.
fn known(desk: &Desk, caller: &Caller, form: &WarmthPaper) -> Result<(), ApiProblem> {
    let place = crate::metering::insight::read_warmth(form);
    let place = place.map_err(|error| told(InsightError::Unreadable(error), caller.language))?;
    match may(desk, caller, &place) {
        Decision::Allow => Ok(()),
        Decision::Refuse(refusal) => Err(problem(&refusal, caller.language)),
    }
}

/// Watches a room's warmth.
#[utoipa::path(post, path = "/api/v1/evidence/places", tag = "consumption", request_body = WarmthPaper, responses((status = 201, body = PlaceView)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<WarmthPaper>,
) -> Result<(StatusCode, Json<PlaceView>), ApiProblem> {
    known(&desk, &caller, &form)?;
    let kept = desk.insight.keep_place(None, &form).await;
    let (id, place) = kept.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(place.name.clone()));
    Ok((StatusCode::CREATED, Json(PlaceView { place: id.to_string(), paper: (&place).into() })))
}

/// Changes how a room is watched, as a whole.
#[utoipa::path(put, path = "/api/v1/evidence/places/{place}", tag = "consumption", request_body = WarmthPaper, responses((status = 200, body = PlaceView)))]
pub async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Path(place): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<WarmthPaper>,
) -> Result<Json<PlaceView>, ApiProblem> {
    let (id, before) = seen(&desk, &caller, &place)?;
    known(&desk, &caller, &form)?;
    let kept = desk.insight.keep_place(Some(id), &form).await;
    let (id, place) = kept.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(before.name), Some(place.name.clone()));
    Ok(Json(PlaceView { place: id.to_string(), paper: (&place).into() }))
}

/// Watches a room no longer. What its thermometer said stays in history.
#[utoipa::path(delete, path = "/api/v1/evidence/places/{place}", tag = "consumption", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Path(place): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let (id, _) = seen(&desk, &caller, &place)?;
    let removed = desk.insight.remove_place(id).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(removed.name), None);
    Ok(Done::json())
}

/// When a room was colder than the norm.
#[utoipa::path(get, path = "/api/v1/evidence/places/{place}", tag = "consumption", params(EvidenceQuery), responses((status = 200, body = EvidenceView)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(place): Path<String>,
    Query(query): Query<EvidenceQuery>,
) -> Result<Json<EvidenceView>, ApiProblem> {
    let (id, _) = seen(&desk, &caller, &place)?;
    let warmth = warmth(&desk, &caller, id, &query).await?;
    Ok(Json(EvidenceView::of(id, &warmth, caller.language)))
}

/// The same to take away.
#[utoipa::path(get, path = "/api/v1/evidence/places/{place}/export.json", tag = "consumption", params(EvidenceQuery), responses((status = 200, body = EvidenceView)))]
pub async fn json(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(place): Path<String>,
    Query(query): Query<EvidenceQuery>,
) -> Result<Response, ApiProblem> {
    let (id, _) = seen(&desk, &caller, &place)?;
    let warmth = warmth(&desk, &caller, id, &query).await?;
    noted(&note, &warmth);
    let body = Json(EvidenceView::of(id, &warmth, caller.language));
    Ok(([(header::CONTENT_DISPOSITION, "attachment; filename=\"domovoi-temperature.json\"")], body).into_response())
}

/// Which room, which span and which data were taken away.
pub fn noted(note: &Note, warmth: &Warmth) {
    note.change("name", None, Some(warmth.place.name.clone()));
    note.change("since", None, Some(warmth.from.to_string()));
    note.change("until", None, Some(warmth.to.to_string()));
    note.change("sha256", None, Some(warmth.digest.clone()));
}

/// The same as a table: stretches of cold and of no data in the order of time.
#[utoipa::path(get, path = "/api/v1/evidence/places/{place}/export.csv", tag = "consumption", params(EvidenceQuery), responses((status = 200, body = String, content_type = "text/csv")))]
pub async fn csv(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(place): Path<String>,
    Query(query): Query<EvidenceQuery>,
) -> Result<Response, ApiProblem> {
    let (id, _) = seen(&desk, &caller, &place)?;
    let warmth = warmth(&desk, &caller, id, &query).await?;
    noted(&note, &warmth);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"domovoi-temperature.csv\""),
    ];
    Ok((headers, table(&warmth)?).into_response())
}

fn table(warmth: &Warmth) -> Result<Vec<u8>, ApiProblem> {
    let failed = |error: csv::Error| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string());
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer
        .write_record(["what", "from", "to", "hours", "lowest", "mean", "norm", "room", "source", "sha256"])
        .map_err(failed)?;
    let norm = warmth.place.norm.day.normalize().to_string();
    let source = format!("{} {}", warmth.place.sensor, warmth.place.property);
    let mut rows: Vec<(i64, [String; 10])> = Vec::new();
    let mut row = |what: &str, from: domovoi_model::Timestamp, to: domovoi_model::Timestamp, degrees: [String; 2]| {
        let [lowest, mean] = degrees;
        let row = [
            what.to_owned(),
            from.to_string(),
            to.to_string(),
            hours(to.0 - from.0).to_string(),
            lowest,
            mean,
            norm.clone(),
            escaped(&warmth.place.name).into_owned(),
            escaped(&source).into_owned(),
            warmth.digest.clone(),
        ];
        rows.push((from.0, row));
    };
    for cold in &warmth.evidence.cold {
        row("below", cold.from, cold.to, [cold.lowest.normalize().to_string(), cold.mean.normalize().to_string()]);
    }
    for gap in &warmth.evidence.gaps {
        row("no-data", gap.from, gap.to, Default::default());
    }
    rows.sort_by_key(|(from, _)| *from);
    for (_, row) in &rows {
        writer.write_record(row).map_err(failed)?;
    }
    let failed = |what: String| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", what);
    writer.into_inner().map_err(|error| failed(error.to_string()))
}
