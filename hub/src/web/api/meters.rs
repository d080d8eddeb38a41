//! Points, meters and readings.

use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_model::{Date, Meter, Reminder, Resource, Verdict};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiProblem;
use crate::metering::{NewMeter, NewPoint, parse_binding, parse_values, photo, source_in_words};
use crate::web::{Caller, Desk};

/// A meter as a person states it; every field as text, so that each mistake can be named.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceForm {
    pub end: String,
    pub meter: MeterForm,
}

/// A reading that a person made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingForm {
    pub values: String,
    /// Who read it; the caller, where nobody is named.
    #[serde(default)]
    pub person: String,
    #[serde(default)]
    pub confirm: bool,
    /// Base64 of a JPEG or PNG.
    pub photo: Option<String>,
}

/// A decision about a held reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionForm {
    pub accept: bool,
}

#[derive(Debug, Deserialize)]
pub struct HistoryQuery {
    #[serde(default = "fifty")]
    limit: u32,
}

fn fifty() -> u32 {
    50
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

pub async fn list(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let register = desk.metering.register();
    let mut points = Vec::new();
    for point in &register.points {
        let account = register.account(point.account);
        let standing = desk.metering.standing_of(point).await?;
        let registers: Vec<Value> = standing
            .into_iter()
            .map(|(tariff, value, seen)| {
                json!({ "tariff": tariff.code(), "value": value.to_string(), "seen_at": seen.map(|at| at.to_string()) })
            })
            .collect();
        let held = desk.metering.held_now(point.id).await?;
        points.push(json!({
            "id": point.id.to_string(),
            "name": point.name,
            "resource": point.resource.code(),
            "unit": point.resource.unit().symbol(),
            "supplier": account.map(|a| a.supplier.clone()),
            "account": account.map(|a| a.number.clone()),
            "device": point.binding.as_ref().map(|binding| binding.device.to_string()),
            "remind": reminder_code(point.reminder),
            "meter": register.meter_at(point.id).map(meter_json),
            "registers": registers,
            "held": held,
        }));
    }
    Ok(Json(json!({ "points": points })))
}

fn meter_json(meter: &Meter) -> Value {
    json!({
        "id": meter.id.to_string(),
        "serial": meter.serial,
        "model": meter.model,
        "digits": format!("{}.{}", meter.digits_int, meter.digits_frac),
        "tariffs": meter.tariffs,
        "multiplier": meter.multiplier.to_string(),
        "installed": meter.installed.to_string(),
        "verified": meter.verified.map(|date| date.to_string()),
        "valid_until": meter.verification_valid_until.map(|date| date.to_string()),
    })
}

pub async fn add(State(desk): State<Desk>, Json(form): Json<PointForm>) -> Result<Json<Value>, ApiProblem> {
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
    Ok(Json(json!({ "id": point.id.to_string(), "name": point.name })))
}

pub async fn replace(
    State(desk): State<Desk>,
    Path(point): Path<String>,
    Json(form): Json<ReplaceForm>,
) -> Result<Json<Value>, ApiProblem> {
    let tariffs = tariffs_at(&desk, &point)?;
    let end = parse_values(&form.end, tariffs).map_err(|why| ApiProblem::invalid(format!("end: {why}")))?;
    let meter = desk.metering.replace(&point, end, form.meter.read()?).await?;
    Ok(Json(meter_json(&meter)))
}

pub async fn submit(
    State(desk): State<Desk>,
    caller: Caller,
    Path(point): Path<String>,
    Json(form): Json<ReadingForm>,
) -> Result<Json<Value>, ApiProblem> {
    let values = parse_values(&form.values, tariffs_at(&desk, &point)?).map_err(ApiProblem::invalid)?;
    let person = desk.people.reader(caller.who.person(), &form.person);
    if person.is_empty() || person.chars().count() > 100 {
        return Err(ApiProblem::invalid("who read it? a name of 1 to 100 characters"));
    }
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
    let registers: Vec<Value> = submitted
        .verdicts
        .iter()
        .map(|(tariff, value, verdict)| {
            json!({ "tariff": tariff.code(), "value": value.to_string(), "verdict": verdict_json(verdict) })
        })
        .collect();
    Ok(Json(json!({ "taken": submitted.taken, "registers": registers })))
}

/// A meter was verified.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationForm {
    pub verified: String,
    pub valid_until: String,
}

pub async fn verify(
    State(desk): State<Desk>,
    Path(point): Path<String>,
    Json(form): Json<VerificationForm>,
) -> Result<Json<Value>, ApiProblem> {
    let date = |what: &str, text: &str| {
        text.trim().parse::<Date>().map_err(|why| ApiProblem::invalid(format!("{what} «{text}»: {why}")))
    };
    let (verified, valid_until) = (date("verified", &form.verified)?, date("valid until", &form.valid_until)?);
    Ok(Json(meter_json(&desk.metering.verify(&point, verified, valid_until).await?)))
}

/// How many registers the meter at a point has: a comma means something else on a meter with one.
fn tariffs_at(desk: &Desk, point: &str) -> Result<u8, ApiProblem> {
    let register = desk.metering.register();
    let point = register.find(point)?;
    Ok(register.meter_at(point.id).map_or(1, |meter| meter.tariffs))
}

pub async fn history(
    State(desk): State<Desk>,
    caller: Caller,
    Path(point): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Value>, ApiProblem> {
    let rows = desk.metering.history(&point, query.limit).await?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|mut row| {
            desk.people.name_reader(&mut row.reading.source, caller.language);
            json!({
                "reading": row.id,
                "tariff": row.reading.tariff.code(),
                "value": row.reading.value.to_string(),
                "at": row.reading.at.wall().map(|at| at.to_string()),
                "source": source_in_words(&row.reading.source),
                "verdict": verdict_json(&row.reading.verdict),
                "earlier": row.earlier.iter().map(verdict_json).collect::<Vec<_>>(),
                "journal": row.seq.map(|seq| seq.0),
            })
        })
        .collect();
    Ok(Json(json!({ "readings": rows })))
}

pub async fn decide(
    State(desk): State<Desk>,
    Path(row): Path<i64>,
    Json(form): Json<DecisionForm>,
) -> Result<Json<Value>, ApiProblem> {
    desk.metering.decide(row, form.accept).await?;
    Ok(Json(json!({ "reading": row, "accepted": form.accept })))
}

fn verdict_json(verdict: &Verdict) -> Value {
    let detail = match verdict.finding() {
        Some(domovoi_model::Finding::Gap { hours }) => Some(format!("{hours} h")),
        Some(domovoi_model::Finding::DeviceComplaint(words)) => Some(words.clone()),
        _ => None,
    };
    json!({ "is": verdict.code(), "finding": verdict.finding().map(|finding| finding.code()), "detail": detail })
}

fn reminder_code(reminder: Reminder) -> &'static str {
    match reminder {
        Reminder::Never => "never",
        Reminder::Monthly => "monthly",
        Reminder::Quarterly => "quarterly",
    }
}
