//! Consumption over the API: what each point used by day, month and year, what it costs, what the month will come to, what
//! is suspected; and the month's bill by the household's tariffs. Who may see a meter is asked for each.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::Method;
use domovoi_config::Language;
use domovoi_model::{Date, MeteringPoint, Period};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, evidence, tariffs};
use crate::metering::insight::InsightError;
use crate::metering::insight::days::Unit;
use crate::metering::insight::forecast::Forecast;
use crate::metering::insight::stretches::Gaps;
use crate::metering::insight::tariff::Cost;
use crate::metering::insight::usage::Use;
use crate::policy::{Decision, Kind, Object, Verb, decide};
use crate::web::consumption::{Asked, Priced, Report, error_words, leak_words, report};
use crate::web::{Caller, Desk, Doors, rule};

/// Every door of insight.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::Meter;
    use Verb::See;
    let get = &Method::GET;
    Doors::new(desk, super::MAX_BODY)
        .door(get, "/api/v1/consumption", rule(See, Meter), list)
        .door(get, "/api/v1/consumption/{point}", rule(See, Meter).which("point"), show)
        .door(get, "/api/v1/bill", rule(See, Meter), bill)
        .and(tariffs::doors(desk))
        .and(evidence::doors(desk))
}

/// A problem of the room, in the caller's language.
pub(super) fn told(error: InsightError, language: Language) -> ApiProblem {
    let text = error_words(language, &error);
    match error {
        InsightError::NoSuch(_) => ApiProblem::not_found(text),
        InsightError::Unreadable(_) | InsightError::Span(_) => ApiProblem::invalid(text),
        InsightError::Full(_) => ApiProblem::refused(text),
        InsightError::Metering(error) => error.into(),
        InsightError::Store(error) => error.into(),
    }
}

/// Whether a caller may see a point.
fn sees(desk: &Desk, caller: &Caller, point: &MeteringPoint) -> bool {
    decide(&caller.who, Verb::See, &Object::one(Kind::Meter, point.id.to_string()), desk.now()) == Decision::Allow
}

/// A day of a query.
pub(super) fn day(name: &str, text: &str) -> Result<Date, ApiProblem> {
    text.parse().map_err(|why| ApiProblem::invalid(format!("{name}: {why}")))
}

/// What is asked of a point.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsumptionQuery {
    /// `day`, `month` or `year`; `day` if nothing is said.
    unit: Option<String>,
    /// The first day, `2026-11-01`; the running month, year or five years if nothing is said.
    from: Option<String>,
    /// The last day, included.
    to: Option<String>,
    /// `spread`: stretches of up to 62 days without readings are laid evenly on their days and marked; `unknown`: none is.
    gaps: Option<String>,
}

impl ConsumptionQuery {
    pub(super) fn asked(&self, today: Date) -> Result<Asked, ApiProblem> {
        let unit = match self.unit.as_deref() {
            None => Unit::Day,
            Some(text) => Unit::from_code(text).ok_or_else(|| ApiProblem::invalid("unit: day, month or year"))?,
        };
        let mut asked = Asked::usual(unit, today);
        match (&self.from, &self.to) {
            (None, None) => {}
            (Some(from), to) => {
                asked.from = day("from", from)?;
                let last = to.as_ref().map_or(Ok(today), |to| day("to", to))?;
                asked.to = Unit::Day.end(last);
            }
            (None, Some(_)) => return Err(ApiProblem::invalid("to: say `from` too")),
        }
        asked.gaps = match self.gaps.as_deref() {
            None | Some("spread") => Gaps::USUAL,
            Some("unknown") => Gaps::STRICT,
            Some(_) => return Err(ApiProblem::invalid("gaps: spread or unknown")),
        };
        Ok(asked)
    }
}

/// What something costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostView {
    /// The tariff's id.
    pub tariff: String,
    pub name: String,
    pub charge: &'static str,
    pub currency: String,
    /// To the hundredth.
    pub total: String,
    /// Of it, what the month itself costs.
    pub fee: String,
    /// An amount that no price was found for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<String>,
}

impl CostView {
    fn of(id: domovoi_model::Id, tariff: &crate::metering::insight::tariff::Tariffs, cost: &Cost) -> Self {
        CostView {
            tariff: id.to_string(),
            name: tariff.name.clone(),
            charge: tariff.charge.code(),
            currency: tariff.currency.clone(),
            total: cost.total().to_string(),
            fee: crate::metering::insight::tariff::rounded(cost.fee).to_string(),
            unpriced: (!cost.unpriced.is_zero()).then(|| spelled(cost.unpriced)),
        }
    }
}

fn priced(all: &[Priced]) -> Vec<CostView> {
    all.iter().map(|one| CostView::of(one.id, &one.tariff, &one.cost)).collect()
}

fn spelled(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// What was used in a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct UseView {
    /// The first day.
    pub from: String,
    /// The day behind the last.
    pub to: String,
    /// The instant at which it begins; a day can have 23 or 25 hours.
    pub begin: String,
    pub end: String,
    /// All of it, exact.
    pub total: String,
    /// By tariff register.
    pub zones: Vec<String>,
    /// Of it, what was laid evenly on days without readings.
    pub spread: String,
    /// Of it, what rests on readings by hand.
    pub by_hand: String,
    /// Of it, what was used somewhen in the period; no zone has it.
    pub unknown: String,
    /// A stretch of unknown use reaches in or out.
    pub touches_unknown: bool,
    /// Nothing of it is missing.
    pub whole: bool,
    /// For so many minutes of it use is known.
    pub covered_minutes: i64,
    /// The same period before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Without fees, which are of the month: see the bill.
    pub costs: Vec<CostView>,
}

impl UseView {
    fn of(period: &Use, zones: usize, before: Option<&Use>, costs: &[Priced]) -> Self {
        UseView {
            from: period.from.to_string(),
            to: period.to.to_string(),
            begin: period.begin.to_string(),
            end: period.end.to_string(),
            total: spelled(period.total()),
            zones: period.amounts.iter().take(zones).map(|amount| spelled(*amount)).collect(),
            spread: spelled(period.spread),
            by_hand: spelled(period.hand),
            unknown: spelled(period.unknown),
            touches_unknown: period.touches_unknown,
            whole: period.is_whole(),
            covered_minutes: period.covered_millis / 60_000,
            before: before.map(|before| spelled(before.total())),
            costs: priced(costs),
        }
    }
}

/// A stretch whose use lies on no day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnknownView {
    pub zone: String,
    pub from: String,
    pub to: String,
    pub amount: String,
}

/// What the month will come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastView {
    /// From so many whole days.
    pub days: usize,
    /// Where there are too few: so many are wanted. Then nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub so_far: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likely: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<String>,
    /// `weekdays` or `mean`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// What that costs, without fees.
    pub costs: Vec<CostView>,
}

impl ForecastView {
    fn of(forecast: &Forecast, costs: &[Priced]) -> Self {
        let mut view = ForecastView {
            days: 0,
            wanted: None,
            so_far: None,
            likely: None,
            low: None,
            high: None,
            method: None,
            costs: priced(costs),
        };
        match forecast {
            Forecast::TooEarly { days, wanted } => (view.days, view.wanted) = (*days, Some(*wanted)),
            Forecast::Says { so_far, likely, low, high, method, days, .. } => {
                let [so_far, likely, low, high] = [so_far, likely, low, high].map(|amount| Some(spelled(*amount)));
                (view.so_far, view.likely, view.low, view.high) = (so_far, likely, low, high);
                (view.days, view.method) = (*days, Some(method.code()));
            }
        }
        view
    }
}

/// What is found about a point now.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingsView {
    /// `never_rests`, `nights` or `nobody_home`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak_words: Option<String>,
    /// How long water can have rested at a stretch in the last day, minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_rest_minutes: Option<i64>,
    /// Yesterday used far more than such days do: so much,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusual_used: Option<String>,
    /// where this is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusual_usual: Option<String>,
    /// Nothing was heard since then, which is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<String>,
}

/// What a point used.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumptionReport {
    pub point: String,
    pub name: String,
    pub resource: &'static str,
    /// Of all amounts.
    pub measure: &'static str,
    /// `day`, `month`, `year`
    pub unit: &'static str,
    pub total: String,
    pub periods: Vec<UseView>,
    pub unknown: Vec<UnknownView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastView>,
    pub findings: FindingsView,
    /// The same in sentences of the caller's language, the one that matters most first.
    pub sentences: Vec<String>,
    /// A picture of the periods: SVG.
    pub chart: String,
}

impl ConsumptionReport {
    fn of(report: &Report, language: Language) -> Self {
        let (used, found) = (&report.used, &report.findings);
        let periods = report.periods.iter().zip(&report.before).zip(&report.costs);
        let within = |one: &&crate::metering::insight::usage::UnknownSpan| {
            report.periods.iter().any(|period| one.to > period.begin && one.from < period.end)
        };
        ConsumptionReport {
            point: used.point.id.to_string(),
            name: used.point.name.clone(),
            resource: used.point.resource.code(),
            measure: used.point.resource.unit().symbol(),
            unit: report.asked.unit.code(),
            total: spelled(report.total()),
            periods: periods
                .map(|((period, before), costs)| UseView::of(period, used.zones, before.as_ref(), costs))
                .collect(),
            unknown: used
                .unknown
                .iter()
                .filter(within)
                .map(|one| UnknownView {
                    zone: one.tariff.to_string(),
                    from: one.from.to_string(),
                    to: one.to.to_string(),
                    amount: spelled(one.amount),
                })
                .collect(),
            forecast: report.forecast.as_ref().map(|forecast| ForecastView::of(forecast, &report.likely_costs)),
            findings: FindingsView {
                leak: found.leak.as_ref().map(crate::metering::insight::flow::Leak::code),
                leak_words: found.leak.as_ref().map(|leak| leak_words(language, leak)),
                longest_rest_minutes: found.flow.map(|flow| flow.longest_rest_millis / 60_000),
                unusual_used: found.unusual.as_ref().map(|one| spelled(one.used)),
                unusual_usual: found.unusual.as_ref().map(|one| spelled(one.usual)),
                silent_since: found.silent_since.map(|at| at.to_string()),
            },
            sentences: report.sentences(language),
            chart: report.chart(language).svg(),
        }
    }
}

/// What a point uses in the running month.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointUseView {
    pub point: String,
    pub name: String,
    pub resource: &'static str,
    pub measure: &'static str,
    /// Since the month began.
    pub month: String,
    /// Today.
    pub today: String,
    /// Yesterday.
    pub yesterday: String,
    /// `never_rests`, `nights` or `nobody_home`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<&'static str>,
}

/// Every point that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumptionList {
    pub points: Vec<PointUseView>,
}

/// What every point uses in the running month.
#[utoipa::path(get, path = "/api/v1/consumption", tag = "consumption", responses((status = 200, body = ConsumptionList)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Result<Json<ConsumptionList>, ApiProblem> {
    let today = desk.insight.today();
    let yesterday = today.plus_days(-1).unwrap_or(today);
    let from = Unit::Month.begin(today).min(yesterday);
    let register = desk.metering.register();
    let mut points = Vec::new();
    for point in register.points.iter().filter(|point| sees(&desk, &caller, point)) {
        let used = desk.insight.consumption(&point.id.to_string(), from, Unit::Day.end(today), Gaps::USUAL).await;
        let used = used.map_err(|error| told(error, caller.language))?;
        let found = desk.insight.findings(point, desk.clock.wall()).await;
        let found = found.map_err(|error| told(error, caller.language))?;
        let of = |wanted: &dyn Fn(&Use) -> bool| -> String {
            spelled(used.asked().iter().filter(|day| wanted(day)).map(Use::total).sum())
        };
        points.push(PointUseView {
            point: point.id.to_string(),
            name: point.name.clone(),
            resource: point.resource.code(),
            measure: point.resource.unit().symbol(),
            month: of(&|day| day.from.period() == today.period()),
            today: of(&|day| day.from == today),
            yesterday: of(&|day| day.from == yesterday),
            leak: found.leak.map(|leak| leak.code()),
        });
    }
    Ok(Json(ConsumptionList { points }))
}

/// What a point used, by days, months or years, with costs, the forecast and what is suspected.
#[utoipa::path(get, path = "/api/v1/consumption/{point}", tag = "consumption", params(ConsumptionQuery), responses((status = 200, body = ConsumptionReport)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(point): Path<String>,
    Query(query): Query<ConsumptionQuery>,
) -> Result<Json<ConsumptionReport>, ApiProblem> {
    let asked = query.asked(desk.insight.today())?;
    // A name or a serial number finds a point as well as its id, about which the door has asked: it is asked of what was found.
    let register = desk.metering.register();
    let found = register.find(&point)?;
    if !sees(&desk, &caller, found) {
        return Err(ApiProblem::not_found(error_words(caller.language, &InsightError::NoSuch("point"))));
    }
    let report = report(&desk, &found.id.to_string(), asked).await.map_err(|error| told(error, caller.language))?;
    Ok(Json(ConsumptionReport::of(&report, caller.language)))
}

/// Which month.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BillQuery {
    /// `2026-11`; the running month if nothing is said.
    month: Option<String>,
}

/// A line of a bill.
#[derive(Debug, Serialize, ToSchema)]
pub struct BillLineView {
    #[serde(flatten)]
    pub cost: CostView,
    /// What was used by all points that the tariff takes.
    pub used: String,
    /// Nothing of it is missing.
    pub whole: bool,
}

/// A month by the household's tariffs. It is no bill of a supplier.
#[derive(Debug, Serialize, ToSchema)]
pub struct BillView {
    pub month: String,
    pub lines: Vec<BillLineView>,
    /// Of each currency the sum.
    pub totals: Vec<SumView>,
}

/// A sum.
#[derive(Debug, Serialize, ToSchema)]
pub struct SumView {
    pub currency: String,
    pub total: String,
}

/// What a month costs by the household's own tariffs: prices by zone and step, and fees.
#[utoipa::path(get, path = "/api/v1/bill", tag = "consumption", params(BillQuery), responses((status = 200, body = BillView)))]
pub async fn bill(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<BillQuery>,
) -> Result<Json<BillView>, ApiProblem> {
    let today = desk.insight.today();
    let period = match &query.month {
        None => today.period(),
        Some(text) => text.parse::<Period>().map_err(|why| ApiProblem::invalid(format!("month: {why}")))?,
    };
    let bill = desk.insight.bill(period, |point| sees(&desk, &caller, point)).await;
    let bill = bill.map_err(|error| told(error, caller.language))?;
    let mut totals: Vec<(String, Decimal)> = Vec::new();
    for line in &bill.lines {
        match totals.iter_mut().find(|(currency, _)| *currency == line.tariff.currency) {
            Some((_, sum)) => *sum += line.cost.total(),
            None => totals.push((line.tariff.currency.clone(), line.cost.total())),
        }
    }
    let line = |line: &crate::metering::insight::BillLine| BillLineView {
        cost: CostView::of(line.id, &line.tariff, &line.cost),
        used: spelled(line.used.total()),
        whole: line.used.is_whole(),
    };
    Ok(Json(BillView {
        month: period.to_string(),
        lines: bill.lines.iter().map(line).collect(),
        totals: totals.into_iter().map(|(currency, sum)| SumView { currency, total: sum.to_string() }).collect(),
    }))
}
