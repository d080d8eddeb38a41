//! History over the API: which series there are, raw samples, rollups with their gaps, the value at a time, what a counter
//! counted. Who may see what is asked for each property, as the stream of events asks it. Nothing is computed here that
//! history does not say; taking away and bringing in stand in the files beside this one. A little over 500 lines because
//! the shapes of questions and answers stand beside the calls that take and give them.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use domovoi_model::{DeviceRef, Quality, Timestamp, Value};
use domovoi_store::{Bucket, Health, Level, NAME_LIMIT, Point, SeriesInfo, Trouble};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::millis_of;
use super::paging::{Paging, answer};
use crate::policy::{Decision, Kind, Now, Object, Verb, decide};
use crate::web::{Caller, Desk, problem};

/// As many samples as are given where nobody says how many, and at the most.
const USUAL_SAMPLES: usize = 1000;
const MOST_SAMPLES: usize = 10_000;

/// As many buckets as an answer may have: a month of five minutes is 8,928.
const MOST_BUCKETS: i64 = 20_000;

/// What is meant where nobody says since when.
const USUAL_SPAN_MILLIS: i64 = 86_400_000;

/// As many rows that do not open are counted.
const SET_ASIDE_COUNTED: u32 = 1000;

/// A property of a device, in one unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesView {
    /// `dialect:id`
    pub device: String,
    pub property: String,
    /// Empty where the number has none, and where it is no number.
    pub unit: &'static str,
    /// When it was said last.
    pub newest: Option<String>,
}

/// Every series that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesListView {
    pub series: Vec<SeriesView>,
    pub next: Option<String>,
}

/// A sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct SampleView {
    /// When the hub heard it, UTC.
    pub at: String,
    /// Exact, as it was said.
    pub value: String,
    /// `number`, `bool`, `text`
    pub is: &'static str,
    pub unit: &'static str,
    /// What the device itself held against it; absent when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect: Option<String>,
    /// What the device said of the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_time: Option<String>,
}

/// Something within the span that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct TroubleView {
    pub from: String,
    pub to: String,
    pub what: String,
}

/// Raw samples, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SamplesView {
    pub device: String,
    pub property: String,
    pub from: String,
    pub to: String,
    pub samples: Vec<SampleView>,
    /// Where it goes on: the next page's `from`.
    pub next: Option<String>,
    /// Before this, raw samples have been thinned out: ask for rollups.
    pub raw_since: Option<String>,
    /// What could not be read. It is not silence.
    pub troubles: Vec<TroubleView>,
}

/// What became of a property in one interval.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketView {
    /// Its beginning.
    pub from: String,
    pub count: u64,
    pub min: String,
    pub mean: String,
    pub max: String,
    pub last: String,
    /// What a counter counted: the sum of its increases.
    pub increase: String,
}

/// Buckets, oldest first. An interval without samples has none: a gap is a gap.
#[derive(Debug, Serialize, ToSchema)]
pub struct RollupsView {
    pub device: String,
    pub property: String,
    /// `5m`, `1h`, `1d`
    pub level: &'static str,
    pub from: String,
    pub to: String,
    pub buckets: Vec<BucketView>,
    /// Before this, buckets of this level have been thinned out: ask for a coarser one.
    pub since: Option<String>,
    /// What could not be read. It is not silence.
    pub troubles: Vec<TroubleView>,
}

/// The last sample at or before a moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct AtView {
    pub device: String,
    pub property: String,
    /// The moment that was asked about.
    pub asked: String,
    /// `null`: nothing is known from before it.
    pub sample: Option<SampleView>,
    /// Whether nothing later can have been there; if not, samples were thinned out (then it is the end of a rollup's
    /// interval), or could not be read.
    pub exact: bool,
    /// What could not be read and may have held a later one.
    pub troubles: Vec<TroubleView>,
}

/// What a counter counted between two moments.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumptionView {
    pub device: String,
    pub property: String,
    pub from: String,
    pub to: String,
    /// The sample at or before the beginning.
    pub first: Option<SampleView>,
    /// The sample at or before the end.
    pub last: Option<SampleView>,
    /// The sum of the increases between them.
    pub increase: String,
    /// How often it fell: a reset, or another meter.
    pub resets: u32,
    /// Whether it comes from samples, all of which could be read; if not, the borders may be those of a rollup.
    pub exact: bool,
    /// What could not be read; the first hundred.
    pub troubles: Vec<TroubleView>,
}

/// What history takes, and what it has written.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    pub journal_samples: u64,
    pub journal_bytes: u64,
    pub block_samples: u64,
    pub block_bytes: u64,
    pub rollup_bytes: u64,
    /// By commits, since the daemon's start.
    pub written_bytes: u64,
    pub commits: u64,
    /// What is left of today's write budget, in bytes.
    pub budget_left: u64,
    /// The newest sample that stands in a block.
    pub compacted_to: u64,
    /// The newest durable sample.
    pub newest: u64,
    /// `healthy`, `telemetry-stopped`, `registers-stopped`, `failing`
    pub health: &'static str,
    /// Rows that do not open and were set aside; counted up to 1,000.
    pub set_aside: u64,
}

/// One property of one device, in a span of time.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpanQuery {
    /// `dialect:id`
    device: String,
    property: String,
    /// RFC 3339, or milliseconds since 1970; a day before `to` if nothing is said.
    from: Option<String>,
    /// Likewise, not included; now if nothing is said.
    to: Option<String>,
}

/// The same, in pages.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SamplesQuery {
    /// `dialect:id`
    device: String,
    property: String,
    /// RFC 3339, or milliseconds since 1970; a day before `to` if nothing is said. On the next page: `next`.
    from: Option<String>,
    /// Likewise, not included; now if nothing is said.
    to: Option<String>,
    /// At most so many, 1 to 10,000; 1,000 if nothing is said.
    limit: Option<usize>,
}

/// The same, in intervals.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RollupsQuery {
    /// `dialect:id`
    device: String,
    property: String,
    /// `5m`, `1h` or `1d`; `1h` if nothing is said.
    level: Option<String>,
    /// RFC 3339, or milliseconds since 1970; a day before `to` if nothing is said.
    from: Option<String>,
    /// Likewise, not included; now if nothing is said.
    to: Option<String>,
}

/// One property of one device at a moment.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AtQuery {
    /// `dialect:id`
    device: String,
    property: String,
    /// RFC 3339, or milliseconds since 1970; now if nothing is said.
    at: Option<String>,
}

/// A moment as RFC 3339 spells it, or as milliseconds since 1970.
pub(super) fn moment_of(name: &str, text: &str) -> Result<Timestamp, ApiProblem> {
    let digits = !text.is_empty() && text.len() <= 13 && text.bytes().all(|byte| byte.is_ascii_digit());
    let at = if digits {
        text.parse().ok().filter(|millis| (0..=super::MOST_MILLIS).contains(millis)).map(Timestamp)
    } else {
        // A plus that nobody escaped has become a space on its way here.
        millis_of(&text.replace(' ', "+"))
    };
    at.ok_or_else(|| {
        ApiProblem::invalid(format!(
            "{name}: expected a moment as 2026-11-21T12:00:00Z, or milliseconds since 1970, up to the year 2200"
        ))
    })
}

/// `from <= at < to`.
pub(super) fn span(
    desk: &Desk,
    from: Option<&str>,
    to: Option<&str>,
    usual: Option<i64>,
) -> Result<(Timestamp, Timestamp), ApiProblem> {
    let to = match to {
        Some(text) => moment_of("to", text)?,
        // Whoever takes everything takes what a wrong clock has put into the future too.
        None if usual.is_none() => Timestamp(super::MOST_MILLIS),
        // What was said in this millisecond is meant too.
        None => desk.clock.wall().plus_millis(1),
    };
    let from = match (from, usual) {
        (Some(text), _) => moment_of("from", text)?,
        (None, Some(usual)) => Timestamp(to.0.saturating_sub(usual).max(0)),
        (None, None) => Timestamp(0),
    };
    if from >= to {
        return Err(ApiProblem::invalid(format!("from: {from} is not before to, {to}")));
    }
    Ok((from, to))
}

/// The device that is meant.
pub(super) fn device_of(text: &str) -> Result<DeviceRef, ApiProblem> {
    DeviceRef::parse(text).filter(|_| text.len() <= NAME_LIMIT).ok_or_else(|| {
        ApiProblem::invalid("device: expected dialect:id, as `domovoi history series` lists them".to_owned())
    })
}

/// The object that the policy is asked about: one capability of one device, as the stream of events asks.
fn object_of(device: &DeviceRef, property: &str) -> Object {
    Object { capability: Some(property.to_owned()), ..Object::one(Kind::Device, device.to_string()) }
}

/// The property that is meant, if this caller may see it.
fn named(desk: &Desk, caller: &Caller, device: &str, property: &str) -> Result<DeviceRef, ApiProblem> {
    let device = device_of(device)?;
    if property.is_empty() || property.len() > NAME_LIMIT {
        return Err(ApiProblem::invalid(format!("property: 1 to {NAME_LIMIT} bytes")));
    }
    match may(caller, Verb::See, &device, property, desk.now()) {
        Decision::Allow => Ok(device),
        Decision::Refuse(refusal) => Err(problem(&refusal, caller.language)),
    }
}

/// A value, and of which sort it is.
pub(super) fn sort_of(value: &Value) -> &'static str {
    match value {
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Text(_) => "text",
    }
}

impl From<&Point> for SampleView {
    fn from(point: &Point) -> Self {
        SampleView {
            at: point.at.to_string(),
            value: point.value.to_string(),
            is: sort_of(&point.value),
            unit: point.unit.symbol(),
            suspect: match &point.quality {
                Quality::Good => None,
                Quality::Suspect(words) => Some(words.clone()),
            },
            device_time: point.device_time.map(|at| at.to_string()),
        }
    }
}

impl From<Trouble> for TroubleView {
    fn from(trouble: Trouble) -> Self {
        TroubleView { from: trouble.from.to_string(), to: trouble.to.to_string(), what: trouble.what }
    }
}

impl From<Bucket> for BucketView {
    fn from(bucket: Bucket) -> Self {
        BucketView {
            from: bucket.from.to_string(),
            count: bucket.count,
            min: bucket.min.normalize().to_string(),
            mean: bucket.mean.normalize().to_string(),
            max: bucket.max.normalize().to_string(),
            last: bucket.last.normalize().to_string(),
            increase: bucket.increase.normalize().to_string(),
        }
    }
}

/// Whether a caller may do this with a property. To take samples away, or to bring some in and hear which were there
/// already, is to see them: whom their sight was taken from has neither.
pub(super) fn may(caller: &Caller, verb: Verb, device: &DeviceRef, property: &str, now: Now) -> Decision {
    let object = object_of(device, property);
    match decide(&caller.who, Verb::See, &object, now) {
        Decision::Allow if verb != Verb::See => decide(&caller.who, verb, &Object { dangerous: true, ..object }, now),
        decision => decision,
    }
}

/// Every series, by name.
pub(super) async fn every_series(desk: &Desk) -> Result<Vec<SeriesInfo>, ApiProblem> {
    let mut series = desk.store.history().series().await?;
    series.sort_by(|a, b| (&a.device, &a.property, a.unit).cmp(&(&b.device, &b.property, b.unit)));
    Ok(series)
}

/// Every property of every device that was ever recorded.
#[utoipa::path(get, path = "/api/v1/history/series", tag = "history", params(Paging), responses((status = 200, body = SeriesListView)))]
pub async fn series(
    State(desk): State<Desk>,
    caller: Caller,
    Query(paging): Query<Paging>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let mut all = every_series(&desk).await?;
    let now = desk.now();
    all.retain(|one| may(&caller, Verb::See, &one.device, &one.property, now) == Decision::Allow);
    let key = |one: &SeriesInfo| format!("{} {} {}", one.device, one.property, one.unit.symbol());
    let (page, next) = paging.cut(all, |one| {
        crate::metering::sign::sha256(key(one).as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    })?;
    let series = page
        .into_iter()
        .map(|one| SeriesView {
            device: one.device.to_string(),
            unit: one.unit.symbol(),
            newest: one.newest.map(|at| at.to_string()),
            property: one.property,
        })
        .collect();
    Ok(answer(SeriesListView { series, next: next.clone() }, next.as_deref(), &uri))
}

/// Raw samples of a property, oldest first. `next` is the next page's `from`.
#[utoipa::path(get, path = "/api/v1/history/samples", tag = "history", params(SamplesQuery), responses((status = 200, body = SamplesView)))]
pub async fn samples(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<SamplesQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let device = named(&desk, &caller, &query.device, &query.property)?;
    let (from, to) = span(&desk, query.from.as_deref(), query.to.as_deref(), Some(USUAL_SPAN_MILLIS))?;
    let limit = match query.limit {
        None => USUAL_SAMPLES,
        Some(limit) if (1..=MOST_SAMPLES).contains(&limit) => limit,
        Some(_) => return Err(ApiProblem::invalid(format!("limit: 1 to {MOST_SAMPLES}"))),
    };
    let stretch = desk.store.history().range(&device, &query.property, from, to, limit).await?;
    let next = stretch.next.map(|at| at.to_string());
    let view = SamplesView {
        device: query.device,
        property: query.property,
        from: from.to_string(),
        to: to.to_string(),
        samples: stretch.points.iter().map(SampleView::from).collect(),
        next: next.clone(),
        raw_since: stretch.raw_since.map(|at| at.to_string()),
        troubles: stretch.troubles.into_iter().map(TroubleView::from).collect(),
    };
    let mut response = Json(view).into_response();
    if let Some(next) = next {
        // The end is said once more: where it was «now», the pages would else never end.
        let others = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(others.filter(|(name, _)| name != "from" && name != "to"));
        pairs.append_pair("from", &next).append_pair("to", &to.to_string());
        if let Ok(value) = HeaderValue::try_from(format!("<{}?{}>; rel=\"next\"", uri.path(), pairs.finish())) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    Ok(response)
}

/// Rollups of a property: least, mean, greatest, last and increase of each interval that has samples.
#[utoipa::path(get, path = "/api/v1/history/rollups", tag = "history", params(RollupsQuery), responses((status = 200, body = RollupsView)))]
pub async fn rollups(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<RollupsQuery>,
) -> Result<Json<RollupsView>, ApiProblem> {
    let device = named(&desk, &caller, &query.device, &query.property)?;
    let (from, to) = span(&desk, query.from.as_deref(), query.to.as_deref(), Some(USUAL_SPAN_MILLIS))?;
    let (level, code, millis) = match query.level.as_deref() {
        Some("5m") => (Level::FiveMinutes, "5m", 300_000),
        None | Some("1h") => (Level::Hour, "1h", 3_600_000),
        Some("1d") => (Level::Day, "1d", 86_400_000),
        Some(_) => return Err(ApiProblem::invalid("level: 5m, 1h or 1d")),
    };
    if (to.0 - from.0) / millis > MOST_BUCKETS {
        return Err(ApiProblem::invalid(format!(
            "an answer has at most {MOST_BUCKETS} intervals: ask for a shorter span, or for a coarser level"
        )));
    }
    let rolled = desk.store.history().rolled(&device, &query.property, level, from, to).await?;
    Ok(Json(RollupsView {
        device: query.device,
        property: query.property,
        level: code,
        from: from.to_string(),
        to: to.to_string(),
        buckets: rolled.buckets.into_iter().map(BucketView::from).collect(),
        since: rolled.since.map(|at| at.to_string()),
        troubles: rolled.troubles.into_iter().map(TroubleView::from).collect(),
    }))
}

/// The last sample of a property at or before a moment.
#[utoipa::path(get, path = "/api/v1/history/at", tag = "history", params(AtQuery), responses((status = 200, body = AtView)))]
pub async fn at(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<AtQuery>,
) -> Result<Json<AtView>, ApiProblem> {
    let device = named(&desk, &caller, &query.device, &query.property)?;
    let at = query.at.as_deref().map_or_else(|| Ok(desk.clock.wall()), |text| moment_of("at", text))?;
    let found = desk.store.history().last_at(&device, &query.property, at).await?;
    Ok(Json(AtView {
        device: query.device,
        property: query.property,
        asked: at.to_string(),
        sample: found.point.as_ref().map(SampleView::from),
        exact: found.exact,
        troubles: found.troubles.into_iter().map(TroubleView::from).collect(),
    }))
}

/// What a counter counted between two moments: consumption.
#[utoipa::path(get, path = "/api/v1/history/change", tag = "history", params(SpanQuery), responses((status = 200, body = ConsumptionView)))]
pub async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<SpanQuery>,
) -> Result<Json<ConsumptionView>, ApiProblem> {
    let device = named(&desk, &caller, &query.device, &query.property)?;
    let (from, to) = span(&desk, query.from.as_deref(), query.to.as_deref(), Some(USUAL_SPAN_MILLIS))?;
    let found = desk.store.history().change(&device, &query.property, from, to).await?;
    let Some(change) = found else {
        return Err(ApiProblem::not_found("no number of this property is known from that time"));
    };
    Ok(Json(ConsumptionView {
        device: query.device,
        property: query.property,
        from: from.to_string(),
        to: to.to_string(),
        first: change.first.as_ref().map(SampleView::from),
        last: change.last.as_ref().map(SampleView::from),
        increase: change.increase.normalize().to_string(),
        resets: change.resets,
        exact: change.exact,
        troubles: change.troubles.into_iter().map(TroubleView::from).collect(),
    }))
}

/// What history takes on the disk, what it has written, and what is left of today's budget.
#[utoipa::path(get, path = "/api/v1/history/usage", tag = "history", responses((status = 200, body = UsageView)))]
pub async fn usage(State(desk): State<Desk>) -> Result<Json<UsageView>, ApiProblem> {
    let history = desk.store.history();
    let usage = history.usage();
    let health = match &*history.health().borrow() {
        Health::Healthy => "healthy",
        Health::TelemetryStopped { .. } => "telemetry-stopped",
        Health::RegistersStopped => "registers-stopped",
        Health::Failing(_) => "failing",
    };
    Ok(Json(UsageView {
        health,
        set_aside: history.set_aside(SET_ASIDE_COUNTED).await?.len() as u64,
        journal_samples: usage.journal_samples,
        journal_bytes: usage.journal_bytes,
        block_samples: usage.block_samples,
        block_bytes: usage.block_bytes,
        rollup_bytes: usage.rollup_bytes,
        written_bytes: usage.written_bytes,
        commits: usage.commits,
        budget_left: usage.budget_left,
        compacted_to: usage.compacted_to.0,
        newest: history.last_seq().0,
    }))
}
