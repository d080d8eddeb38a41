//! Meters: what each register shows, how old that is, what was read before, and the form with which a person hands in a
//! reading. What is plausible is the ledger's judgement; here it is put into words.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::{Finding, MeteringPoint, RegisterValues, Source, Tariff, Timestamp, Verdict};
use domovoi_store::LedgerRow;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::metering::{MeteringError, parse_values, photo};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;

/// Rows of history on a page.
const ROWS: u32 = 60;

/// A point as the list shows it.
pub struct PointCard {
    pub id: String,
    pub name: String,
    pub resource: &'static str,
    pub registers: Vec<Register>,
    pub held: usize,
}

/// A register as it is shown.
pub struct Register {
    /// `T1`, or nothing on a meter with one register.
    pub label: &'static str,
    pub code: &'static str,
    pub value: Option<String>,
    pub unit: &'static str,
    pub seen: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "meters.html")]
struct MetersPage {
    v: View,
    points: Vec<PointCard>,
}

/// A row of the history.
struct Row {
    id: i64,
    at: Option<Timestamp>,
    tariff: &'static str,
    value: String,
    source: String,
    verdict: &'static str,
    finding: Option<String>,
    /// A person's word is wanted.
    waits: bool,
}

/// A reading that the ledger doubts, as the form shows it again.
struct Doubt {
    words: Vec<String>,
}

#[derive(Template)]
#[template(path = "meter.html")]
struct MeterPage {
    v: View,
    trouble: Trouble,
    card: PointCard,
    supplier: String,
    account: String,
    serial: String,
    verified_until: Option<String>,
    device: Option<String>,
    rows: Vec<Row>,
    typed: Vec<String>,
    doubt: Option<Doubt>,
    done: bool,
    submits: bool,
    decides: bool,
}

impl MeterPage {
    fn typed_at(&self, index: &usize) -> &str {
        self.typed.get(*index).map_or("", String::as_str)
    }
}

/// Every point, as the list and the front page show it.
pub async fn cards(desk: &Desk, view: &View) -> Result<Vec<PointCard>, Fault> {
    let register = desk.metering.register();
    let mut cards = Vec::new();
    for point in &register.points {
        cards.push(card(desk, view, point).await?);
    }
    Ok(cards)
}

async fn card(desk: &Desk, view: &View, point: &MeteringPoint) -> Result<PointCard, Fault> {
    let register = desk.metering.register();
    let standing = desk.metering.standing_of(point).await?;
    let unit = view.unit(point.resource.unit());
    let tariffs = register.meter_at(point.id).map_or(&[][..], |meter| meter.tariff_registers());
    let registers = tariffs.iter().map(|tariff| {
        let known = standing.iter().find(|(of, ..)| of == tariff);
        Register {
            label: if tariffs.len() > 1 { label(*tariff) } else { "" },
            code: tariff.code(),
            value: known.map(|(_, value, _)| view.number(value)),
            unit,
            seen: known.and_then(|(_, _, seen)| *seen),
        }
    });
    Ok(PointCard {
        id: point.id.to_string(),
        name: point.name.clone(),
        resource: point.resource.code(),
        registers: registers.collect(),
        held: desk.metering.held_now(point.id).await?,
    })
}

fn label(tariff: Tariff) -> &'static str {
    ["T1", "T2", "T3", "T4"][tariff.index()]
}

pub async fn list(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let points = cards(&desk, &view).await?;
    Ok(shown(&MetersPage { v: view, points }))
}

pub async fn show(
    State(desk): State<Desk>,
    view: View,
    Path(point): Path<String>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, Fault> {
    let mut page = meter_page(&desk, view, &point).await?;
    page.done = query.as_deref() == Some("done");
    Ok(shown(&page))
}

async fn meter_page(desk: &Desk, view: View, point: &str) -> Result<MeterPage, Fault> {
    let register = desk.metering.register();
    let point = register.find(point)?;
    let meter = register.meter_at(point.id);
    let account = register.account(point.account);
    let supplier = account.map(|account| match desk.metering.supplier(&account.supplier) {
        Some(terms) => terms.name.clone(),
        None => account.supplier.clone(),
    });
    let mut rows = desk.metering.history(&point.id.to_string(), ROWS).await?;
    for row in &mut rows {
        desk.people.name_reader(&mut row.reading.source, view.language());
    }
    Ok(MeterPage {
        trouble: Trouble::default(),
        card: card(desk, &view, point).await?,
        supplier: supplier.unwrap_or_default(),
        account: account.map(|account| account.number.clone()).unwrap_or_default(),
        serial: meter.map(|meter| meter.serial.clone()).unwrap_or_default(),
        verified_until: meter.and_then(|meter| meter.verification_valid_until).map(|date| view.date(&date)),
        device: point.binding.as_ref().map(|binding| binding.device.to_string()),
        rows: history(&view, &rows),
        typed: Vec::new(),
        doubt: None,
        done: false,
        submits: view.may(Verb::Submit, &Object::one(Kind::Meter, point.id.to_string())),
        decides: view.may(Verb::Edit, &Object::all(Kind::Meter)),
        v: view,
    })
}

fn history(view: &View, rows: &[LedgerRow]) -> Vec<Row> {
    let mut believed: Vec<(Tariff, i64)> = Vec::new();
    for row in rows.iter().filter(|row| row.reading.verdict.is_accepted()) {
        if !believed.iter().any(|(tariff, _)| *tariff == row.reading.tariff) {
            believed.push((row.reading.tariff, row.id));
        }
    }
    rows.iter()
        .map(|row| {
            let overtaken = believed.iter().any(|(tariff, id)| *tariff == row.reading.tariff && *id > row.id);
            Row {
                id: row.id,
                at: row.reading.at.wall(),
                tariff: label(row.reading.tariff),
                value: view.number(&row.reading.value),
                source: source(view, &row.reading.source),
                verdict: row.reading.verdict.code(),
                finding: row.reading.verdict.finding().map(|finding| finding_words(view, finding)),
                waits: matches!(row.reading.verdict, Verdict::Held(_)) && !overtaken,
            }
        })
        .collect()
}

/// Who says so.
pub fn source(view: &View, source: &Source) -> String {
    match source {
        Source::Device(device) => view.t1("page-source-device", "device", device),
        Source::Person(name) => name.clone(),
        Source::Photo { person, .. } => view.t1("page-source-photo", "name", person),
        Source::Installation => view.t("page-source-installation"),
    }
}

fn finding_words(view: &View, finding: &Finding) -> String {
    let key = format!("finding-{}", finding.code().replace('_', "-"));
    match finding {
        Finding::Gap { hours } => view.say(&key, &[("hours", &hours.to_string())]),
        Finding::DeviceComplaint(words) => view.say(&key, &[("complaint", words)]),
        _ => view.say(&key, &[]),
    }
}

pub async fn submit(
    State(desk): State<Desk>,
    view: View,
    Path(point): Path<String>,
    mut form: Form,
) -> Result<Response, Fault> {
    let mut page = meter_page(&desk, view, &point).await?;
    let mut values = RegisterValues::default();
    for register in &page.card.registers {
        let typed = form.text(register.code).to_owned();
        // A space between the thousands is how many people write a long number.
        let plain: String = typed.chars().filter(|letter| !letter.is_whitespace()).collect();
        match (Tariff::from_code(register.code), parse_values(&plain, 1)) {
            (Some(tariff), Ok(read)) if read.get(Tariff::T2).is_none() => {
                if let Some(value) = read.get(Tariff::T1) {
                    values.set(tariff, value);
                }
            }
            _ if typed.is_empty() => page.trouble.add(register.code, page.v.t("page-meter-value-missing")),
            _ => page.trouble.add(register.code, page.v.t1("page-meter-value-wrong", "typed", &typed)),
        }
        page.typed.push(typed);
    }
    let photo = match form.take_file() {
        None => None,
        Some(bytes) => match tokio::task::spawn_blocking(move || photo::clean(&bytes)).await {
            Ok(Ok(photo)) => Some(photo),
            Ok(Err(photo::PhotoError::TooLarge(_))) => {
                page.trouble.add("photo", page.v.t("page-fault-large-text"));
                None
            }
            _ => {
                page.trouble.add("photo", page.v.t("page-meter-photo-wrong"));
                None
            }
        },
    };
    if page.trouble.any() {
        return Ok(wrong(&page));
    }
    let reader = desk.people.reader(page.v.me.as_ref().map(|me| me.id), "");
    match desk.metering.submit(&page.card.id, values, &reader, photo, form.is("confirm")).await {
        Ok(submitted) if submitted.taken => Ok(go(&format!("/meters/{}?done", page.card.id))),
        Ok(submitted) => {
            let doubts = submitted.verdicts.iter().filter(|(.., verdict)| !verdict.is_accepted());
            let words =
                doubts.filter_map(|(.., verdict)| verdict.finding().map(|finding| finding_words(&page.v, finding)));
            page.doubt = Some(Doubt { words: words.collect() });
            Ok(wrong(&page))
        }
        Err(MeteringError::Invalid(words)) => {
            let first = page.card.registers.first().map_or("t1", |register| register.code);
            page.trouble.add(first, page.v.t1("page-meter-not-taken", "why", words));
            Ok(wrong(&page))
        }
        Err(error) => Err(error.into()),
    }
}

/// A person's word about a held reading.
pub async fn decide(State(desk): State<Desk>, Path(row): Path<i64>, form: Form) -> Result<Response, Fault> {
    let accept = match form.text("decision") {
        "accept" => true,
        "ignore" => false,
        _ => return Err(Fault::BadForm),
    };
    desk.metering.decide(row, accept).await?;
    let register = desk.metering.register();
    let point = register.find(form.text("point")).map(|point| point.id.to_string()).unwrap_or_default();
    Ok(go(&format!("/meters/{point}")))
}
