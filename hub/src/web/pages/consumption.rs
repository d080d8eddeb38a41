//! Consumption: what each meter used by day, month and year, with a picture and a table of the same numbers, what it costs,
//! what the month will come to, what is suspected; and the month by the household's tariffs. Every sentence is the API's too.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use domovoi_model::{Date, Period};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::refusal::Fault;
use super::view::View;
use super::{said, shown};
use crate::metering::insight::InsightError;
use crate::metering::insight::compare::span_before;
use crate::metering::insight::days::Unit;
use crate::metering::insight::stretches::Gaps;
use crate::metering::insight::usage::Use;
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;
use crate::web::consumption::{Asked, Report, error_words, label_long, leak_words, money, number, report, unit};

impl Fault {
    /// A mistake of the room, in the reader's words.
    pub fn of_insight(view: &View, error: InsightError) -> Self {
        match error {
            InsightError::NoSuch(_) => Fault::NotFound,
            InsightError::Metering(error) => error.into(),
            InsightError::Store(error) => error.into(),
            error => {
                let text = error_words(view.language(), &error);
                Fault::Words(axum::http::StatusCode::UNPROCESSABLE_ENTITY, text)
            }
        }
    }
}

struct PointLine {
    id: String,
    name: String,
    resource: &'static str,
    month: String,
    today: String,
    leak: Option<String>,
}

struct BillRow {
    name: String,
    charge: String,
    used: String,
    fee: String,
    total: String,
    notes: Vec<String>,
}

#[derive(Template)]
#[template(path = "consumption.html")]
struct ListPage {
    v: View,
    points: Vec<PointLine>,
    month: String,
    earlier: String,
    later: Option<String>,
    bill: Vec<BillRow>,
    sums: Vec<String>,
}

struct Row {
    when: String,
    all: String,
    zones: Vec<String>,
    before: Option<String>,
    costs: Vec<String>,
    notes: Vec<String>,
}

#[derive(Template)]
#[template(path = "consumption-point.html")]
struct PointPage {
    v: View,
    id: String,
    name: String,
    unit: &'static str,
    measure: &'static str,
    sentences: Vec<String>,
    svg: String,
    zones: Vec<&'static str>,
    rows: Vec<Row>,
    has_costs: bool,
    unknown: Vec<String>,
    earlier: String,
    later: Option<String>,
    strict: bool,
    here: String,
}

/// What is asked of the list.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    month: Option<String>,
}

/// What is asked of a point. What cannot be read is as if it was not there.
#[derive(Debug, Default, Deserialize)]
pub struct PointQuery {
    unit: Option<String>,
    from: Option<String>,
    to: Option<String>,
    gaps: Option<String>,
}

fn sees(view: &View, id: domovoi_model::PointId) -> bool {
    view.may(Verb::See, &Object::one(Kind::Meter, id.to_string()))
}

pub async fn list(State(desk): State<Desk>, view: View, Query(query): Query<ListQuery>) -> Result<Response, Fault> {
    let today = desk.insight.today();
    let language = view.language();
    let fault = |error| Fault::of_insight(&view, error);
    let register = desk.metering.register();
    let mut points = Vec::new();
    for point in register.points.iter().filter(|point| sees(&view, point.id)) {
        let (from, to) = (Unit::Month.begin(today), Unit::Day.end(today));
        let used = desk.insight.consumption(&point.id.to_string(), from, to, Gaps::USUAL).await.map_err(fault)?;
        let found = desk.insight.findings(point, desk.clock.wall()).await.map_err(fault)?;
        let total: Decimal = used.asked().iter().map(Use::total).sum();
        let now: Decimal = used.asked().last().map(Use::total).unwrap_or_default();
        let measure = unit(language, point.resource.unit());
        points.push(PointLine {
            id: point.id.to_string(),
            name: point.name.clone(),
            resource: point.resource.code(),
            month: view.t2("page-use-month", "total", number(language, total), "unit", measure),
            today: view.t2("page-use-today", "total", number(language, now), "unit", measure),
            leak: found.leak.map(|leak| leak_words(language, &leak)),
        });
    }
    let period = query.month.as_deref().and_then(|text| text.parse::<Period>().ok()).unwrap_or(today.period());
    let period = period.min(today.period());
    let bill = desk.insight.bill(period, |point| sees(&view, point.id)).await.map_err(fault)?;
    let mut sums: Vec<(String, Decimal)> = Vec::new();
    let mut rows = Vec::new();
    for line in &bill.lines {
        let currency = &line.tariff.currency;
        match sums.iter_mut().find(|(known, _)| known == currency) {
            Some((_, sum)) => *sum += line.cost.total(),
            None => sums.push((currency.clone(), line.cost.total())),
        }
        let measure = charge_unit(&view, line.tariff.charge);
        let mut notes = Vec::new();
        if !line.used.is_whole() {
            notes.push(view.t("page-bill-partly"));
        }
        if !line.cost.unpriced.is_zero() {
            let amount = number(language, line.cost.unpriced);
            notes.push(view.t2("page-bill-unpriced", "amount", amount, "unit", measure));
        }
        rows.push(BillRow {
            name: line.tariff.name.clone(),
            charge: view.t(&format!("page-charge-{}", line.tariff.charge.code().replace('_', "-"))),
            used: format!("{} {measure}", number(language, line.used.total())),
            fee: money(language, line.cost.fee, currency),
            total: money(language, line.cost.total(), currency),
            notes,
        });
    }
    Ok(shown(&ListPage {
        points,
        month: said::period(language, period),
        earlier: period.previous().to_string(),
        later: (period < today.period()).then(|| period.next().to_string()),
        bill: rows,
        sums: sums.into_iter().map(|(currency, sum)| money(language, sum, &currency)).collect(),
        v: view,
    }))
}

fn charge_unit(view: &View, charge: crate::metering::insight::tariff::Charge) -> &'static str {
    let resource = domovoi_model::Resource::ALL.into_iter().find(|resource| charge.takes(*resource));
    resource.map_or("", |resource| unit(view.language(), resource.unit()))
}

fn day(text: Option<&String>) -> Option<Date> {
    text?.parse().ok()
}

pub async fn show(
    State(desk): State<Desk>,
    view: View,
    Path(point): Path<String>,
    Query(query): Query<PointQuery>,
) -> Result<Response, Fault> {
    let today = desk.insight.today();
    let by = query.unit.as_deref().and_then(Unit::from_code).unwrap_or(Unit::Day);
    let mut asked = Asked::usual(by, today);
    if let Some(from) = day(query.from.as_ref()) {
        // Without an end: the month, year or years that begin there.
        let usual = Asked::usual(by, from);
        let to = day(query.to.as_ref()).map_or(usual.to, |last| Unit::Day.end(last));
        let first = if by == Unit::Year { from } else { usual.from };
        asked = Asked { from: if query.to.is_some() { from } else { first }, to, ..asked };
    }
    let strict = query.gaps.as_deref() == Some("unknown");
    if strict {
        asked.gaps = Gaps::STRICT;
    }
    let register = desk.metering.register();
    let found = register.find(&point)?;
    if !sees(&view, found.id) {
        return Err(Fault::NotFound);
    }
    let report = report(&desk, &found.id.to_string(), asked).await.map_err(|error| Fault::of_insight(&view, error))?;
    Ok(shown(&page(view, &report, strict)))
}

fn page(view: View, report: &Report, strict: bool) -> PointPage {
    let language = view.language();
    let measure = unit(language, report.used.point.resource.unit());
    let all_zones = ["T1", "T2", "T3", "T4"];
    let zones: &[&'static str] = if report.used.zones > 1 { &all_zones[..report.used.zones] } else { &[] };
    let rows = report.periods.iter().zip(&report.before).zip(&report.costs).map(|((period, before), costs)| Row {
        when: match report.asked.unit {
            Unit::Day => view.date(&period.from),
            Unit::Month => said::period(language, period.from.period()),
            Unit::Year => label_long(Unit::Year, period.from),
        },
        all: number(language, period.total()),
        zones: period.amounts.iter().take(zones.len()).map(|amount| number(language, *amount)).collect(),
        before: before.as_ref().map(|before| number(language, before.total())),
        costs: costs
            .iter()
            .map(|one| format!("{}: {}", one.tariff.name, money(language, one.cost.total(), &one.tariff.currency)))
            .collect(),
        notes: notes(&view, period, report.asked.unit),
    });
    let rows: Vec<Row> = rows.collect();
    let mut sentences = report.sentences(language);
    for one in &report.likely_costs {
        let money = money(language, one.cost.total(), &one.tariff.currency);
        sentences.push(view.t2("page-use-likely-cost", "money", money, "tariff", &one.tariff.name));
    }
    let unknown = report
        .used
        .unknown
        .iter()
        .filter(|one| report.periods.iter().any(|period| one.to > period.begin && one.from < period.end));
    let unknown = unknown.map(|one| {
        let (amount, zone) = (number(language, one.amount), one.tariff.to_string());
        let (from, to) = (view.moment(&one.from), view.moment(&one.to));
        let variables = [("zone", zone.as_str()), ("amount", &amount), ("unit", measure), ("from", &from), ("to", &to)];
        view.say("page-use-unknown-line", &variables)
    });
    let (before, _) = span_before(report.asked.from, report.asked.to);
    let code = report.asked.unit.code();
    let gaps = if strict { "&gaps=unknown" } else { "" };
    let last = |to: Date| to.plus_days(-1).unwrap_or(to);
    let link = |from: Date, to: Date| format!("unit={code}&from={from}&to={}{gaps}", last(to));
    let next = report.asked.to;
    let length = next.days_since_epoch() - report.asked.from.days_since_epoch();
    let ends = [Unit::Month, Unit::Year].into_iter().find(|unit| {
        unit.begin(report.asked.from) == report.asked.from && unit.end(report.asked.from) == report.asked.to
    });
    let next_end = ends.map_or_else(|| next.plus_days(length).unwrap_or(next), |unit| unit.end(next));
    PointPage {
        id: report.used.point.id.to_string(),
        name: report.used.point.name.clone(),
        unit: code,
        measure,
        sentences,
        svg: report.chart(language).svg(),
        zones: zones.to_vec(),
        has_costs: rows.iter().any(|row| !row.costs.is_empty()),
        rows,
        unknown: unknown.collect(),
        earlier: link(before, report.asked.from),
        later: (next <= report.today).then(|| link(next, next_end)),
        strict,
        here: format!("unit={code}&from={}&to={}", report.asked.from, last(report.asked.to)),
        v: view,
    }
}

fn notes(view: &View, period: &Use, by: Unit) -> Vec<String> {
    let mut notes = Vec::new();
    if !period.spread.is_zero() {
        notes.push(view.t("page-use-estimated"));
    }
    if !period.hand.is_zero() {
        notes.push(view.t("page-use-by-hand"));
    }
    if !period.is_whole() && period.begin <= view.now {
        notes.push(view.t("page-use-partly"));
    }
    let hours = period.millis() / 3_600_000;
    if by == Unit::Day && hours != 24 {
        notes.push(view.t1("page-use-hours", "hours", hours));
    }
    notes
}
