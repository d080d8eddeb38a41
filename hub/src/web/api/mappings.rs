//! The owner's own mappings: listed, written, tried on what was heard, forgotten; topics that nobody claims. Whoever may
//! change which devices there are may do all of it; what is written names topics that the house will speak on, so that it
//! wants a factor that was shown lately.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::Method;
use domovoi_config::Language;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done, MAX_BODY, meter_keys};
use crate::audit::Note;
use crate::ingest::{MappingPaper, MappingRefused, Overheard, Tried, places};
use crate::policy::{Kind, Verb};
use crate::web::{Caller, Desk, Doors, mapping_words as said, rule};

/// A payload that is tried out.
const MAX_PAYLOAD: usize = 64 << 10;

/// The doors of mappings and of the keys of meters.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::{Device, Secret};
    use Verb::{Edit, See};
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    let edit = rule(Edit, Device);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/mappings", edit, list)
        .door(put, "/api/v1/mappings", edit.dangerous().deed("mapping.written"), put_several)
        .door(get, "/api/v1/mappings/{mapping}", edit, show)
        .door(put, "/api/v1/mappings/{mapping}", edit.dangerous().deed("mapping.written"), put_one)
        .door(delete, "/api/v1/mappings/{mapping}", edit.dangerous().deed("mapping.removed"), remove)
        .door(get, "/api/v1/overheard-topics", edit, topics)
        // It changes nothing: what comes of it is told to the asker alone.
        .door(post, "/api/v1/mapping-trials", edit, trial)
        .door(get, "/api/v1/meter-keys", rule(See, Secret), meter_keys::list)
        .door(
            put,
            "/api/v1/meter-keys/{meter}",
            rule(Edit, Secret).which("meter").dangerous().deed("meter-key.set"),
            meter_keys::set,
        )
        .door(
            delete,
            "/api/v1/meter-keys/{meter}",
            rule(Edit, Secret).which("meter").dangerous().deed("meter-key.forgotten"),
            meter_keys::forget,
        )
}

/// Mappings, by their ids.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingsBody {
    pub mappings: Vec<MappingPaper>,
}

/// Which topics are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TopicsQuery {
    /// Also those that a mapping means.
    #[serde(default)]
    mapped: bool,
}

/// Topics that nobody claims.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopicsAnswer {
    /// The latest first.
    pub topics: Vec<TopicView>,
}

/// A topic on which something was heard.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopicView {
    pub topic: String,
    /// The credential that spoke last.
    pub sender: String,
    pub times: u64,
    pub at: Option<String>,
    /// A mapping means it.
    pub mapped: bool,
    /// The last messages, newest first, shortened; bytes that are no text stand as �.
    pub payloads: Vec<String>,
    /// The values of the newest.
    pub places: Vec<PlaceView>,
}

/// A value in a payload.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceView {
    /// What a row reads it by; empty: all of the payload.
    pub read: String,
    pub value: String,
}

/// What is to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrialForm {
    pub mapping: MappingPaper,
    pub topic: String,
    /// Nothing: the last messages that were heard on the topic.
    pub payload: Option<String>,
}

/// What a mapping would read.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialAnswer {
    /// One for each message, newest first.
    pub readings: Vec<TrialReading>,
}

/// What a mapping would read out of one message.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialReading {
    pub payload: String,
    /// None of its rows means the topic.
    pub unheard: bool,
    pub device: Option<String>,
    pub name: Option<String>,
    pub reachable: Option<bool>,
    pub values: Vec<TrialValue>,
    /// What could not be read, in words.
    pub faults: Vec<String>,
    /// A dialect that knows this topic and is asked first.
    pub claimed_by: Option<&'static str>,
}

/// A value that was read.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialValue {
    pub property: String,
    pub value: String,
    pub unit: &'static str,
    pub danger: bool,
    pub warns: bool,
}

/// What a room's error is to a program.
fn told(error: MappingRefused, language: Language) -> ApiProblem {
    let text = said::refused(&error, language);
    match error {
        MappingRefused::Wrong(_) => ApiProblem::invalid(text),
        MappingRefused::NoSuch(_) => ApiProblem::not_found(text),
        MappingRefused::Silenced => ApiProblem::refused(text),
        MappingRefused::Store(error) => error.into(),
    }
}

fn text_of(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

impl TopicView {
    fn of(one: Overheard) -> Self {
        let newest = one.payloads.front().map(Vec::as_slice).unwrap_or_default();
        let of_places = places(newest).into_iter().map(|place| PlaceView { read: place.path, value: place.value });
        TopicView {
            places: of_places.collect(),
            payloads: one.payloads.iter().map(|payload| text_of(payload)).collect(),
            topic: one.topic,
            sender: one.sender,
            times: one.times,
            at: one.at.wall().map(|at| at.to_string()),
            mapped: one.mapped,
        }
    }
}

impl TrialReading {
    fn of(payload: &[u8], tried: Tried, language: Language) -> Self {
        let value = |one: crate::ingest::TriedValue| TrialValue {
            property: one.property,
            value: one.value,
            unit: one.unit,
            danger: one.danger,
            warns: one.warns,
        };
        TrialReading {
            payload: text_of(payload),
            unheard: tried.unheard,
            device: tried.device,
            name: tried.name,
            reachable: tried.reachable,
            values: tried.said.into_iter().map(value).collect(),
            faults: tried.faults.iter().map(|fault| said::fault(fault, language)).collect(),
            claimed_by: tried.claimed_by,
        }
    }
}

/// The owner's own mappings.
#[utoipa::path(get, path = "/api/v1/mappings", tag = "mappings", responses((status = 200, body = MappingsBody)))]
pub async fn list(State(desk): State<Desk>) -> Json<MappingsBody> {
    Json(MappingsBody { mappings: desk.ingest.mappings() })
}

/// One of them.
#[utoipa::path(get, path = "/api/v1/mappings/{mapping}", tag = "mappings", responses((status = 200, body = MappingPaper)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(mapping): Path<String>,
) -> Result<Json<MappingPaper>, ApiProblem> {
    let found = desk.ingest.mappings().into_iter().find(|paper| paper.id == mapping);
    found.map(Json).ok_or_else(|| told(MappingRefused::NoSuch(mapping), caller.language))
}

/// Writes several mappings down, each in the place of the one of its id; all of them or none.
#[utoipa::path(put, path = "/api/v1/mappings", tag = "mappings", request_body = MappingsBody, responses((status = 200, body = Done)))]
pub async fn put_several(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<MappingsBody>,
) -> Result<Json<Done>, ApiProblem> {
    let ids: Vec<String> = form.mappings.iter().map(|paper| paper.id.clone()).collect();
    desk.ingest.put_mappings(form.mappings).await.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(ids.join(", ")));
    Ok(Done::json())
}

/// Writes a mapping down.
#[utoipa::path(put, path = "/api/v1/mappings/{mapping}", tag = "mappings", request_body = MappingPaper, responses((status = 200, body = MappingPaper)))]
pub async fn put_one(
    State(desk): State<Desk>,
    caller: Caller,
    Path(mapping): Path<String>,
    Extension(note): Extension<Note>,
    Json(paper): Json<MappingPaper>,
) -> Result<Json<MappingPaper>, ApiProblem> {
    if paper.id != mapping {
        return Err(ApiProblem::invalid("id: the mapping's id and the path's are two"));
    }
    desk.ingest.put_mappings(vec![paper.clone()]).await.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(paper.id.clone()));
    Ok(Json(paper))
}

/// Forgets a mapping. Its devices say nothing any more and stay until they are forgotten themselves.
#[utoipa::path(delete, path = "/api/v1/mappings/{mapping}", tag = "mappings", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Path(mapping): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let gone = desk.ingest.remove_mapping(&mapping).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(gone.id), None);
    Ok(Done::json())
}

/// Topics that nobody claims, with what was said on them last. They are in memory only, and not many.
#[utoipa::path(get, path = "/api/v1/overheard-topics", tag = "mappings", params(TopicsQuery), responses((status = 200, body = TopicsAnswer)))]
pub async fn topics(State(desk): State<Desk>, Query(query): Query<TopicsQuery>) -> Json<TopicsAnswer> {
    let all = desk.ingest.overheard().into_iter().filter(|one| query.mapped || !one.mapped);
    Json(TopicsAnswer { topics: all.map(TopicView::of).collect() })
}

/// Says what a mapping would read: out of a payload, or out of the last messages that were heard on a topic.
#[utoipa::path(post, path = "/api/v1/mapping-trials", tag = "mappings", request_body = TrialForm, responses((status = 200, body = TrialAnswer)))]
pub async fn trial(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<TrialForm>,
) -> Result<Json<TrialAnswer>, ApiProblem> {
    let payloads: Vec<Vec<u8>> = match form.payload {
        Some(payload) if payload.len() > MAX_PAYLOAD => {
            return Err(ApiProblem::invalid("payload: longer than 64 KiB"));
        }
        Some(payload) => vec![payload.into_bytes()],
        None => desk.ingest.overheard_on(&form.topic).map(|one| one.payloads.into()).unwrap_or_default(),
    };
    let mut readings = Vec::with_capacity(payloads.len());
    // What is wrong with the mapping is told though nothing was heard.
    let probe = desk.ingest.try_mapping(&form.mapping, &form.topic, b"");
    probe.map_err(|error| told(error, caller.language))?;
    for payload in payloads {
        let tried = desk.ingest.try_mapping(&form.mapping, &form.topic, &payload);
        let tried = tried.map_err(|error| told(error, caller.language))?;
        readings.push(TrialReading::of(&payload, tried, caller.language));
    }
    Ok(Json(TrialAnswer { readings }))
}
