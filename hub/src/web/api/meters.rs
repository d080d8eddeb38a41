//! Points, meters and readings. A little over 500 lines because the shapes of forms and answers stand beside the calls
//! that take and give them.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_model::{Date, Meter, Reminder, Resource, Verdict};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Paging, answer, cursor_of};
use super::{ApiProblem, source_said};
use crate::audit::Note;
use crate::metering::{NewMeter, NewPoint, parse_binding, parse_values, photo};
use crate::web::{Caller, Desk};

/// A meter as a person states it; every field as text, so that each mistake can be named.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterForm {
    pub serial: String,
    pub model: Option<String>,
    pub digits: String,
    pub tariffs: u8,
    pub multiplier: String,
    pub installed: String,
    pub start: String,
    pub verified: Option<String>,
    pub valid_until: Option<String>,
}

/// A point as a person states it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PointForm {
    pub supplier: String,
    pub account: String,
    pub els: Option<String>,
    pub resource: String,
    pub name: String,
    pub meter: MeterForm,
    pub device: Option<String>,
    #[serde(default)]
    pub registers: Vec<String>,
    pub unit: Option<String>,
    pub remind: Option<String>,
}

/// Another meter at a point.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceForm {
    pub end: String,
    pub meter: MeterForm,
}

/// A reading that a person made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingForm {
    #[schema(max_length = 200)]
    pub values: String,
    /// Who read it: from the command line only. Whoever signed in reads in their own name.
    #[serde(default)]
    pub person: String,
    #[serde(default)]
    pub confirm: bool,
    /// Base64 of a JPEG or PNG, at most 5 MB.
    #[serde(default)]
    pub photo: Option<String>,
}

/// A decision about a held reading.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionForm {
    pub accept: bool,
}

/// A meter.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeterView {
    pub id: String,
    pub serial: String,
    pub model: Option<String>,
    pub digits: String,
    pub tariffs: u8,
    pub multiplier: String,
    pub installed: String,
    pub verified: Option<String>,
    pub valid_until: Option<String>,
}

/// A register and its last value.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterView {
    pub tariff: &'static str,
    pub value: String,
    pub seen_at: Option<String>,
}

/// A metering point with its meter.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointView {
    pub id: String,
    pub name: String,
    pub resource: &'static str,
    pub unit: &'static str,
    pub supplier: Option<String>,
    pub account: Option<String>,
    pub device: Option<String>,
    pub remind: &'static str,
    pub meter: Option<MeterView>,
    pub registers: Vec<RegisterView>,
    /// How many readings wait for a decision.
    pub held: usize,
}

/// Metering points.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointsView {
    pub points: Vec<PointView>,
    pub next: Option<String>,
}

/// A point that was added.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedView {
    pub id: String,
    pub name: String,
}

/// What the ledger decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerdictView {
    /// `accepted`, `held`, `dismissed`, `confirmed_by_person`, …
    pub is: &'static str,
    pub finding: Option<&'static str>,
    pub detail: Option<String>,
}

/// A register of a reading that was handed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct JudgedView {
    pub tariff: &'static str,
    pub value: String,
    pub verdict: VerdictView,
}

/// A reading that was handed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmittedView {
    /// Whether it was taken. If not, look again; if it is right, `confirm`.
    pub taken: bool,
    pub registers: Vec<JudgedView>,
}

/// A line of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingView {
    pub reading: i64,
    pub tariff: &'static str,
    pub value: String,
    pub at: Option<String>,
    /// Who says so, in words.
    pub source: String,
    pub verdict: VerdictView,
    /// What was decided before.
    pub earlier: Vec<VerdictView>,
    /// Where it stands in the journal of samples.
    pub journal: Option<u64>,
}

/// Readings of a point, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingsView {
    pub readings: Vec<ReadingView>,
    pub next: Option<String>,
}

/// A decision that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedView {
    pub reading: i64,
    pub accepted: bool,
}

impl MeterForm {
    fn read(self) -> Result<NewMeter, ApiProblem> {
        let (int, frac) = self.digits.split_once('.').unwrap_or((&self.digits, "0"));
        let digits = |text: &str| {
            text.trim().parse::<u8>().map_err(|_| {
                ApiProblem::invalid(format!(
                    "digits «{}»: expected the digits before and after the point, as 5.3",
                    self.digits
                ))
            })
        };
        let date = |what: &str, text: &str| {
            text.trim().parse::<Date>().map_err(|why| ApiProblem::invalid(format!("{what} «{text}»: {why}")))
        };
        let optional = |what: &str, text: &Option<String>| text.as_deref().map(|text| date(what, text)).transpose();
        let multiplier = self.multiplier.trim().parse::<Decimal>();
        Ok(NewMeter {
            digits_int: digits(int)?,
            digits_frac: digits(frac)?,
            tariffs: self.tariffs,
            multiplier: multiplier
                .map_err(|_| ApiProblem::invalid(format!("multiplier «{}» is not a number", self.multiplier)))?,
            installed: date("installed", &self.installed)?,
            start: parse_values(&self.start, self.tariffs)
                .map_err(|why| ApiProblem::invalid(format!("start: {why}")))?,
            verified: optional("verified", &self.verified)?,
            valid_until: optional("valid until", &self.valid_until)?,
            serial: self.serial,
            model: self.model,
        })
    }
}

/// Every metering point with its meter and last values.
#[utoipa::path(get, path = "/api/v1/meters", tag = "meters", params(Paging), responses((status = 200, body = PointsView)))]
pub async fn list(State(desk): State<Desk>, Query(paging): Query<Paging>, uri: Uri) -> Result<Response, ApiProblem> {
    let register = desk.metering.register();
    let (page, next) = paging.cut(register.points.clone(), |point| point.id.to_string())?;
    let mut points = Vec::new();
    for point in &page {
        let account = register.account(point.account);
        let standing = desk.metering.standing_of(point).await?;
        let registers = standing
            .into_iter()
            .map(|(tariff, value, seen)| RegisterView {
                tariff: tariff.code(),
                value: value.to_string(),
                seen_at: seen.map(|at| at.to_string()),
            })
            .collect();
        points.push(PointView {
            id: point.id.to_string(),
            name: point.name.clone(),
            resource: point.resource.code(),
            unit: point.resource.unit().symbol(),
            supplier: account.map(|a| a.supplier.clone()),
            account: account.map(|a| a.number.clone()),
            device: point.binding.as_ref().map(|binding| binding.device.to_string()),
            remind: reminder_code(point.reminder),
            meter: register.meter_at(point.id).map(MeterView::from),
            registers,
            held: desk.metering.held_now(point.id).await?,
        });
    }
    Ok(answer(PointsView { points, next: next.clone() }, next.as_deref(), &uri))
}

impl From<&Meter> for MeterView {
    fn from(meter: &Meter) -> Self {
        MeterView {
            id: meter.id.to_string(),
            serial: meter.serial.clone(),
            model: meter.model.clone(),
            digits: format!("{}.{}", meter.digits_int, meter.digits_frac),
            tariffs: meter.tariffs,
            multiplier: meter.multiplier.to_string(),
            installed: meter.installed.to_string(),
            verified: meter.verified.map(|date| date.to_string()),
            valid_until: meter.verification_valid_until.map(|date| date.to_string()),
        }
    }
}

/// Adds a metering point with its account and meter.
#[utoipa::path(post, path = "/api/v1/meters", tag = "meters", request_body = PointForm, responses((status = 200, body = AddedView)))]
pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Json(form): Json<PointForm>,
) -> Result<Json<AddedView>, ApiProblem> {
    let resource = Resource::from_code(&form.resource).ok_or_else(|| {
        let known = Resource::ALL.map(Resource::code).join(", ");
        ApiProblem::invalid(format!("there is no resource «{}»: {known}", form.resource))
    })?;
    let binding = match &form.device {
        Some(device) => {
            Some(parse_binding(device, &form.registers, form.unit.as_deref()).map_err(ApiProblem::invalid)?)
        }
        None if form.registers.is_empty() => None,
        None => return Err(ApiProblem::invalid("--register without --device: which device has this property?")),
    };
    let reminder = match form.remind.as_deref() {
        Some("never") => Reminder::Never,
        Some("monthly") => Reminder::Monthly,
        Some("quarterly") => Reminder::Quarterly,
        None if binding.is_some() => Reminder::Never,
        None => Reminder::Monthly,
        Some(other) => return Err(ApiProblem::invalid(format!("remind «{other}»: never, monthly or quarterly"))),
    };
    let point = desk
        .metering
        .add(NewPoint {
            supplier: form.supplier,
            account_number: form.account,
            els: form.els,
            resource,
            name: form.name,
            binding,
            reminder,
            meter: form.meter.read()?,
        })
        .await?;
    note.change("point", None, Some(point.id.to_string()));
    Ok(Json(AddedView { id: point.id.to_string(), name: point.name }))
}

/// Another meter hangs at a point: the old one's end reading, the new one's start.
#[utoipa::path(post, path = "/api/v1/meters/{point}/replacement", tag = "meters", request_body = ReplaceForm, responses((status = 200, body = MeterView)))]
pub async fn replace(
    State(desk): State<Desk>,
    Path(point): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<ReplaceForm>,
) -> Result<Json<MeterView>, ApiProblem> {
    let register = desk.metering.register();
    let before = register.find(&point).ok().and_then(|point| register.meter_at(point.id)).map(|old| old.serial.clone());
    let tariffs = tariffs_at(&desk, &point)?;
    let end = parse_values(&form.end, tariffs).map_err(|why| ApiProblem::invalid(format!("end: {why}")))?;
    let meter = desk.metering.replace(&point, end, form.meter.read()?).await?;
    note.change("serial", before, Some(meter.serial.clone()));
    Ok(Json((&meter).into()))
}

/// Hands in a reading that a person took.
#[utoipa::path(post, path = "/api/v1/meters/{point}/readings", tag = "meters", request_body = ReadingForm, responses((status = 200, body = SubmittedView)))]
pub async fn submit(
    state: State<Desk>,
    caller: Caller,
    point: Path<String>,
    note: Extension<Note>,
    form: Json<ReadingForm>,
) -> Result<Json<SubmittedView>, ApiProblem> {
    taken(state, caller, point, note, form).await
}

/// The same, in a body that is large enough for a photo.
#[utoipa::path(post, path = "/api/v1/meters/{point}/readings/with-photo", tag = "meters", request_body = ReadingForm, responses((status = 200, body = SubmittedView)))]
pub async fn submit_with_photo(
    state: State<Desk>,
    caller: Caller,
    point: Path<String>,
    note: Extension<Note>,
    form: Json<ReadingForm>,
) -> Result<Json<SubmittedView>, ApiProblem> {
    taken(state, caller, point, note, form).await
}

/// Who read the meter. Somebody who signed in reads in their own name; the console has none and states one.
fn reader(desk: &Desk, caller: &Caller, stated: &str) -> Result<String, ApiProblem> {
    if caller.who.person().is_some() {
        if !stated.is_empty() {
            return Err(ApiProblem::invalid("person: a reading is handed in in your own name; leave it out"));
        }
    } else if stated.is_empty() || stated.chars().count() > 100 {
        return Err(ApiProblem::invalid("who read it? a name of 1 to 100 characters"));
    }
    Ok(desk.people.reader(caller.who.person(), stated))
}

async fn taken(
    State(desk): State<Desk>,
    caller: Caller,
    Path(point): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<ReadingForm>,
) -> Result<Json<SubmittedView>, ApiProblem> {
    let person = reader(&desk, &caller, form.person.trim())?;
    let values = parse_values(&form.values, tariffs_at(&desk, &point)?).map_err(ApiProblem::invalid)?;
    let photo = match form.photo {
        None => None,
        Some(text) => {
            let bytes = STANDARD.decode(text).map_err(|_| ApiProblem::invalid("the photo is not base64"))?;
            let cleaned = tokio::task::spawn_blocking(move || photo::clean(&bytes)).await;
            let cleaned = cleaned.map_err(|_| ApiProblem::invalid("the picture could not be read"))?;
            Some(cleaned.map_err(|why| ApiProblem::invalid(why.to_string()))?)
        }
    };
    let submitted = desk.metering.submit(&point, values, &person, photo, form.confirm).await?;
    for (tariff, value, _) in &submitted.verdicts {
        note.change(tariff.code(), None, Some(value.to_string()));
    }
    note.change("taken", None, Some(submitted.taken.to_string()));
    let registers = submitted
        .verdicts
        .iter()
        .map(|(tariff, value, verdict)| JudgedView {
            tariff: tariff.code(),
            value: value.to_string(),
            verdict: verdict.into(),
        })
        .collect();
    Ok(Json(SubmittedView { taken: submitted.taken, registers }))
}

/// A meter was verified.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationForm {
    pub verified: String,
    pub valid_until: String,
}

/// A meter was verified («поверка»).
#[utoipa::path(put, path = "/api/v1/meters/{point}/verification", tag = "meters", request_body = VerificationForm, responses((status = 200, body = MeterView)))]
pub async fn verify(
    State(desk): State<Desk>,
    Path(point): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<VerificationForm>,
) -> Result<Json<MeterView>, ApiProblem> {
    let date = |what: &str, text: &str| {
        text.trim().parse::<Date>().map_err(|why| ApiProblem::invalid(format!("{what} «{text}»: {why}")))
    };
    let (verified, valid_until) = (date("verified", &form.verified)?, date("valid until", &form.valid_until)?);
    let meter = desk.metering.verify(&point, verified, valid_until).await?;
    note.change("valid_until", None, Some(valid_until.to_string()));
    Ok(Json((&meter).into()))
}

/// How many registers the meter at a point has: a comma means something else on a meter with one.
fn tariffs_at(desk: &Desk, point: &str) -> Result<u8, ApiProblem> {
    let register = desk.metering.register();
    let point = register.find(point)?;
    Ok(register.meter_at(point.id).map_or(1, |meter| meter.tariffs))
}

/// Readings of a point, newest first, with every verdict.
#[utoipa::path(get, path = "/api/v1/meters/{point}/readings", tag = "meters", params(Paging), responses((status = 200, body = ReadingsView)))]
pub async fn history(
    State(desk): State<Desk>,
    caller: Caller,
    Path(point): Path<String>,
    Query(paging): Query<Paging>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let limit = paging.limit()?;
    // The ledger is read from its newest end: a cursor says how far one was, and which line stood there.
    let (shown, last) = match paging.after()? {
        None => (0, None),
        Some(cursor) => {
            let parts = cursor.split_once(':').and_then(|(n, id)| Some((n.parse().ok()?, id.parse::<i64>().ok()?)));
            let (shown, last): (usize, i64) = parts.filter(|(shown, _)| *shown <= MOST_SHOWN).ok_or_else(strange)?;
            (shown, Some(last))
        }
    };
    // Lines that came since move the place: a few more are read, and the line itself is looked for.
    let wanted = u32::try_from(shown + limit + CAME_SINCE).unwrap_or(u32::MAX);
    let rows = desk.metering.history(&point, wanted).await?;
    let start = match last {
        None => 0,
        Some(last) => rows.iter().position(|row| row.id == last).ok_or_else(strange)? + 1,
    };
    let more = rows.len() > start + limit;
    let readings: Vec<ReadingView> = rows
        .into_iter()
        .skip(start)
        .take(limit)
        .map(|row| ReadingView {
            reading: row.id,
            tariff: row.reading.tariff.code(),
            value: row.reading.value.to_string(),
            at: row.reading.at.wall().map(|at| at.to_string()),
            source: source_said(&desk, &caller, &row.reading.source),
            verdict: (&row.reading.verdict).into(),
            earlier: row.earlier.iter().map(VerdictView::from).collect(),
            journal: row.seq.map(|seq| seq.0),
        })
        .collect();
    let next =
        if more { readings.last().map(|row| cursor_of(&format!("{}:{}", start + limit, row.reading))) } else { None };
    Ok(answer(ReadingsView { readings, next: next.clone() }, next.as_deref(), &uri))
}

/// So many lines can have been shown: ten years of three tariffs, hourly.
const MOST_SHOWN: usize = 300_000;

/// So many lines may have come between two pages.
const CAME_SINCE: usize = 200;

fn strange() -> ApiProblem {
    ApiProblem::invalid("cursor: use `next` of the page before, or begin without it")
}

/// Decides about a reading that the ledger holds.
#[utoipa::path(post, path = "/api/v1/readings/{row}/decision", tag = "meters", request_body = DecisionForm, responses((status = 200, body = DecidedView)))]
pub async fn decide(
    State(desk): State<Desk>,
    Path(row): Path<i64>,
    Extension(note): Extension<Note>,
    Json(form): Json<DecisionForm>,
) -> Result<Json<DecidedView>, ApiProblem> {
    desk.metering.decide(row, form.accept).await?;
    note.change("accepted", None, Some(form.accept.to_string()));
    Ok(Json(DecidedView { reading: row, accepted: form.accept }))
}

impl From<&Verdict> for VerdictView {
    fn from(verdict: &Verdict) -> Self {
        let detail = match verdict.finding() {
            Some(domovoi_model::Finding::Gap { hours }) => Some(format!("{hours} h")),
            Some(domovoi_model::Finding::DeviceComplaint(words)) => Some(words.clone()),
            _ => None,
        };
        VerdictView { is: verdict.code(), finding: verdict.finding().map(|finding| finding.code()), detail }
    }
}

fn reminder_code(reminder: Reminder) -> &'static str {
    match reminder {
        Reminder::Never => "never",
        Reminder::Monthly => "monthly",
        Reminder::Quarterly => "quarterly",
    }
}
