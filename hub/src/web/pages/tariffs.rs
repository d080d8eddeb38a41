//! Tariffs: what a unit of a resource costs, from when on, as the household writes it. A form has the newest prices and room
//! for the next; older ones stay as they are.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::Id;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::metering::insight::tariff::{Charge, Version};
use crate::metering::insight::{InsightError, StepPaper, TariffPaper, VersionPaper};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;
use crate::web::consumption::{error_words, money, number};

/// So many versions stand in a form, the newest; and so many steps at least.
const VERSIONS: usize = 6;
const STEPS: usize = 3;

struct Line {
    id: String,
    name: String,
    charge: String,
    prices: Vec<String>,
}

#[derive(Template)]
#[template(path = "tariffs.html")]
struct ListPage {
    v: View,
    tariffs: Vec<Line>,
    edits: bool,
}

struct StepField {
    number: usize,
    up_to: String,
    prices: String,
}

struct VersionField {
    from: String,
    fee: String,
    steps: Vec<StepField>,
}

struct Choice {
    value: String,
    words: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "tariff.html")]
struct FormPage {
    v: View,
    trouble: Trouble,
    /// `None`: a new one.
    id: Option<String>,
    name: String,
    currency: String,
    charges: Vec<Choice>,
    points: Vec<Choice>,
    versions: Vec<VersionField>,
}

fn charge_words(view: &View, charge: Charge) -> String {
    view.t(&format!("page-charge-{}", charge.code().replace('_', "-")))
}

fn line(view: &View, currency: &str, version: &Version) -> String {
    let language = view.language();
    let steps = version.steps.iter().map(|step| {
        let prices: Vec<String> = step.prices.iter().map(|price| number(language, *price)).collect();
        let limit = step.up_to.map(|up_to| format!(" (≤ {})", number(language, up_to))).unwrap_or_default();
        format!("{}{limit}", prices.join(" / "))
    });
    let mut parts = vec![view.t1("page-tariff-since", "from", view.date(&version.from))];
    parts.extend(steps);
    if !version.fee.is_zero() {
        parts.push(view.t1("page-tariff-fee-line", "money", money(language, version.fee, currency)));
    }
    parts.join("; ")
}

pub async fn list(State(desk): State<Desk>, view: View) -> Response {
    let tariffs = desk.insight.tariffs();
    let tariffs = tariffs.iter().map(|(id, tariff)| Line {
        id: id.to_string(),
        name: tariff.name.clone(),
        charge: charge_words(&view, tariff.charge),
        prices: tariff.versions.iter().rev().take(3).map(|version| line(&view, &tariff.currency, version)).collect(),
    });
    let tariffs = tariffs.collect();
    shown(&ListPage { tariffs, edits: view.may(Verb::Edit, &Object::all(Kind::Meter)), v: view })
}

/// The form with what a paper says, and one empty version behind.
fn form_page(desk: &Desk, view: View, id: Option<String>, paper: &TariffPaper, empty: bool) -> FormPage {
    let newest = paper.versions.len().saturating_sub(VERSIONS);
    let field = |version: &VersionPaper| VersionField {
        from: version.from.clone(),
        fee: version.fee.clone(),
        steps: (0..version.steps.len().max(STEPS))
            .map(|place| {
                let step = version.steps.get(place);
                StepField {
                    number: place + 1,
                    up_to: step.and_then(|step| step.up_to.clone()).unwrap_or_default(),
                    prices: step.map(|step| step.prices.join("; ")).unwrap_or_default(),
                }
            })
            .collect(),
    };
    let mut versions: Vec<VersionField> = paper.versions.iter().skip(newest).map(field).collect();
    if empty {
        versions.push(field(&VersionPaper { from: String::new(), fee: String::new(), steps: Vec::new() }));
    }
    let register = desk.metering.register();
    FormPage {
        trouble: Trouble::default(),
        id,
        name: paper.name.clone(),
        currency: paper.currency.clone(),
        charges: Charge::ALL
            .iter()
            .map(|charge| Choice {
                value: charge.code().to_owned(),
                words: charge_words(&view, *charge),
                chosen: paper.charge == charge.code(),
            })
            .collect(),
        points: register
            .points
            .iter()
            .map(|point| Choice {
                value: point.id.to_string(),
                words: point.name.clone(),
                chosen: paper.points.contains(&point.id.to_string()),
            })
            .collect(),
        versions,
        v: view,
    }
}

pub async fn new(State(desk): State<Desk>, view: View) -> Response {
    let paper = TariffPaper {
        name: String::new(),
        charge: Charge::ColdWater.code().to_owned(),
        points: Vec::new(),
        currency: "RUB".to_owned(),
        versions: Vec::new(),
    };
    shown(&form_page(&desk, view, None, &paper, true))
}

fn id_of(text: &str) -> Result<Id, Fault> {
    text.parse().map_err(|_| Fault::NotFound)
}

pub async fn show(State(desk): State<Desk>, view: View, Path(tariff): Path<String>) -> Result<Response, Fault> {
    let id = id_of(&tariff)?;
    let kept = desk.insight.tariff(id).map_err(|error| Fault::of_insight(&view, error))?;
    Ok(shown(&form_page(&desk, view, Some(id.to_string()), &TariffPaper::from(&kept), true)))
}

/// What a form says. Versions without a day are not there; steps without a price neither.
fn paper(form: &Form) -> TariffPaper {
    let prices = |text: &str| -> Vec<String> {
        text.split(';').map(str::trim).filter(|price| !price.is_empty()).map(str::to_owned).collect()
    };
    let version = |number: usize| -> Option<VersionPaper> {
        let from = form.text(&format!("from-{number}")).to_owned();
        let step = |place: usize| {
            let prices = prices(form.text(&format!("prices-{number}-{place}")));
            let up_to = form.text(&format!("up-to-{number}-{place}"));
            let up_to = Some(up_to.to_owned()).filter(|up_to| !up_to.is_empty());
            (!prices.is_empty() || up_to.is_some()).then_some(StepPaper { up_to, prices })
        };
        let fee = Some(form.text(&format!("fee-{number}"))).filter(|fee| !fee.is_empty()).unwrap_or("0").to_owned();
        let steps = (1..=6).filter_map(step).collect();
        (!from.is_empty()).then_some(VersionPaper { from, fee, steps })
    };
    TariffPaper {
        name: form.text("name").to_owned(),
        charge: form.text("charge").to_owned(),
        points: form.all("point").map(str::to_owned).collect(),
        currency: form.text("currency").to_owned(),
        versions: (0..=VERSIONS).filter_map(version).collect(),
    }
}

fn again(
    desk: &Desk,
    view: View,
    id: Option<String>,
    paper: &TariffPaper,
    error: InsightError,
) -> Result<Response, Fault> {
    if !matches!(error, InsightError::Unreadable(_)) {
        return Err(Fault::of_insight(&view, error));
    }
    let words = error_words(view.language(), &error);
    let mut page = form_page(desk, view, id, paper, true);
    page.trouble.add("name", words);
    Ok(wrong(&page))
}

pub async fn add(
    State(desk): State<Desk>,
    view: View,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    let paper = paper(&form);
    match desk.insight.keep_tariff(None, &paper).await {
        Ok((_, kept)) => {
            note.change("name", None, Some(kept.name));
            Ok(go("/tariffs"))
        }
        Err(error) => again(&desk, view, None, &paper, error),
    }
}

pub async fn change(
    State(desk): State<Desk>,
    view: View,
    Extension(note): Extension<Note>,
    Path(tariff): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id = id_of(&tariff)?;
    let before = desk.insight.tariff(id).map_err(|error| Fault::of_insight(&view, error))?;
    let written = paper(&form);
    // What the form had no room for stays as it is.
    let mut whole = TariffPaper::from(&before);
    whole.versions.truncate(whole.versions.len().saturating_sub(VERSIONS));
    whole.versions.extend(written.versions.clone());
    let whole = TariffPaper { versions: whole.versions, ..written.clone() };
    match desk.insight.keep_tariff(Some(id), &whole).await {
        Ok((_, kept)) => {
            note.change("name", Some(before.name), Some(kept.name));
            Ok(go("/tariffs"))
        }
        Err(error) => again(&desk, view, Some(id.to_string()), &written, error),
    }
}

pub async fn remove(
    State(desk): State<Desk>,
    view: View,
    Extension(note): Extension<Note>,
    Path(tariff): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let removed = desk.insight.remove_tariff(id_of(&tariff)?).await;
    note.change("name", Some(removed.map_err(|error| Fault::of_insight(&view, error))?.name), None);
    Ok(go("/tariffs"))
}
