//! Acts: how far each has come on its way to the portal, what it says, and the owner's approval.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::{Act, ActId, ActReading, ActState, PortalVerdict};
use domovoi_store::ActFilter;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, meters, said, shown, wrong};
use crate::metering::MeteringError;
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;

/// The way of an act. `approved` and `signed` are one moment of the hub and two of the person: the word, and the seal.
pub const STEPS: [&str; 6] = ["draft", "checked", "approved", "signed", "sent", "received"];

/// An act as the list shows it.
pub struct ActCard {
    pub id: String,
    pub period: String,
    pub supplier: String,
    pub account: String,
    pub state: &'static str,
}

#[derive(Template)]
#[template(path = "acts.html")]
struct ActsPage {
    v: View,
    acts: Vec<ActCard>,
}

struct Line {
    resource: &'static str,
    serial: String,
    values: Vec<String>,
    consumption: Vec<String>,
    unit: &'static str,
    date: String,
    source: String,
    verdict: String,
    rejected: bool,
}

struct Step {
    name: &'static str,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "act.html")]
struct ActPage {
    v: View,
    trouble: Trouble,
    card: ActCard,
    steps: Vec<Step>,
    story: String,
    problems: Vec<String>,
    lines: Vec<Line>,
    receipt: Option<(String, String)>,
    signature: Option<bool>,
    successor: Option<String>,
    approves: bool,
    incomplete: bool,
    corrects: bool,
}

fn card(desk: &Desk, view: &View, act: &Act) -> ActCard {
    let register = desk.metering.register();
    let account = register.account(act.account);
    let supplier = account.map(|account| account.supplier.clone()).unwrap_or_default();
    ActCard {
        id: act.id.to_string(),
        period: said::period(view.language(), act.period),
        supplier: desk.metering.supplier(&supplier).map_or(supplier, |terms| terms.name.clone()),
        account: account.map(|account| account.number.clone()).unwrap_or_default(),
        state: act.state.code(),
    }
}

/// Acts that wait for a person's approval.
pub async fn waiting(desk: &Desk, view: &View) -> Result<Vec<ActCard>, Fault> {
    let acts = desk.store.acts().list(ActFilter::default()).await?;
    Ok(acts.iter().filter(|act| matches!(act.state, ActState::Checked)).map(|act| card(desk, view, act)).collect())
}

pub async fn list(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let mut acts = desk.store.acts().list(ActFilter::default()).await?;
    acts.sort_by_key(|act| std::cmp::Reverse((act.period, act.created_at)));
    let acts = acts.iter().map(|act| card(&desk, &view, act)).collect();
    Ok(shown(&ActsPage { v: view, acts }))
}

pub async fn show(State(desk): State<Desk>, view: View, Path(act): Path<String>) -> Result<Response, Fault> {
    let mut act = find(&desk, &act).await?;
    for reading in &mut act.readings {
        desk.people.name_reader(&mut reading.source, view.language());
    }
    Ok(shown(&act_page(&desk, view, &act)))
}

async fn find(desk: &Desk, id: &str) -> Result<Act, Fault> {
    let id: ActId = id.parse().map_err(|_| Fault::NotFound)?;
    Ok(desk.metering.act(id).await?)
}

fn act_page(desk: &Desk, view: View, act: &Act) -> ActPage {
    let reached = match &act.state {
        ActState::Draft { .. } => 0,
        ActState::Checked => 1,
        ActState::Approved => 3,
        ActState::Sent { .. } | ActState::Confirmed { .. } | ActState::Refused { .. } => 4,
        ActState::Received { .. } => 5,
        // What was superseded has been signed at least.
        ActState::Superseded { .. } => 3,
    };
    let stopped = matches!(act.state, ActState::Refused { .. } | ActState::Superseded { .. });
    let steps = STEPS.iter().enumerate().map(|(place, name)| Step {
        name,
        class: match place.cmp(&reached) {
            std::cmp::Ordering::Less => "past",
            std::cmp::Ordering::Equal if stopped => "now stopped",
            std::cmp::Ordering::Equal => "now",
            std::cmp::Ordering::Greater => "",
        },
    });
    let may = view.may(Verb::Submit, &Object::one(Kind::Act, act.id.to_string()));
    ActPage {
        trouble: Trouble::default(),
        card: card(desk, &view, act),
        steps: steps.collect(),
        story: story(&view, act),
        problems: match &act.state {
            ActState::Draft { problems } => problems.clone(),
            _ => Vec::new(),
        },
        lines: act.readings.iter().map(|reading| line(&view, reading)).collect(),
        receipt: match &act.state {
            ActState::Received { receipt } => Some((receipt.id.clone(), view.moment(&receipt.issued_at))),
            _ => None,
        },
        signature: match (&act.document, &act.signature) {
            (Some(document), Some(signature)) => Some(desk.metering.public_key().verify(document, signature).is_ok()),
            _ => None,
        },
        successor: match &act.state {
            ActState::Superseded { by } => Some(by.to_string()),
            _ => None,
        },
        approves: may && matches!(act.state, ActState::Checked | ActState::Draft { .. }) && !act.readings.is_empty(),
        incomplete: matches!(act.state, ActState::Draft { .. }),
        corrects: may && (act.state.is_confirmed() || matches!(act.state, ActState::Refused { .. })),
        v: view,
    }
}

/// What has happened, and what comes next, in a sentence.
fn story(view: &View, act: &Act) -> String {
    match &act.state {
        ActState::Draft { .. } => view.t("page-act-story-draft"),
        ActState::Checked => view.t("page-act-story-checked"),
        ActState::Approved => view.t("page-act-story-approved"),
        ActState::Sent { first_at, .. } => view.t1("page-act-story-sent", "at", view.moment(first_at)),
        ActState::Confirmed { at } => view.t1("page-act-story-confirmed", "at", view.moment(at)),
        ActState::Received { receipt } => view.t1("page-act-story-received", "at", view.moment(&receipt.issued_at)),
        ActState::Refused { code, detail, .. } => view.t1("page-act-story-refused", "why", format!("{code} {detail}")),
        ActState::Superseded { .. } => view.t("page-act-story-superseded"),
    }
}

fn line(view: &View, reading: &ActReading) -> Line {
    let several = reading.values.iter().count() > 1;
    let spelled = |values: &domovoi_model::RegisterValues| {
        let value = |(tariff, value)| {
            let value = view.number(&value);
            if several { format!("{tariff}: {value}") } else { value }
        };
        values.iter().map(value).collect::<Vec<_>>()
    };
    let (verdict, rejected) = match &reading.portal_verdict {
        PortalVerdict::Pending => (view.t("page-act-portal-pending"), false),
        PortalVerdict::Accepted { .. } => (view.t("page-act-portal-accepted"), false),
        PortalVerdict::Rejected { code, detail } => {
            (view.t1("page-act-portal-rejected", "why", format!("{code} {detail}")), true)
        }
    };
    Line {
        resource: reading.resource.code(),
        serial: reading.serial.clone(),
        values: spelled(&reading.values),
        consumption: spelled(&reading.consumption),
        unit: view.unit(reading.resource.unit()),
        date: view.date(&reading.date_value),
        source: meters::source(view, &reading.source),
        verdict,
        rejected,
    }
}

pub async fn approve(
    State(desk): State<Desk>,
    view: View,
    Path(act): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let act = find(&desk, &act).await?;
    match desk.metering.approve(act.id, form.is("incomplete")).await {
        Ok(act) => Ok(go(&format!("/acts/{}", act.id))),
        Err(error) => refused(&desk, view, &act, error),
    }
}

pub async fn correct(
    State(desk): State<Desk>,
    view: View,
    Path(act): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let act = find(&desk, &act).await?;
    match desk.metering.correct(act.id).await {
        Ok(act) => Ok(go(&format!("/acts/{}", act.id))),
        Err(error) => refused(&desk, view, &act, error),
    }
}

/// The page again, with why not.
fn refused(desk: &Desk, view: View, act: &Act, error: MeteringError) -> Result<Response, Fault> {
    let words = match &error {
        MeteringError::ClockNotTrusted => view.t("page-act-no-clock"),
        MeteringError::NotChecked(_) => view.t("page-act-not-checked"),
        MeteringError::LaterMonthStated { .. } => view.t("page-act-later-month"),
        MeteringError::NotCorrectable { .. } | MeteringError::NothingToSay(_) => view.t("page-act-not-correctable"),
        _ => return Err(error.into()),
    };
    let mut page = act_page(desk, view, act);
    page.trouble.add("act", words);
    Ok(wrong(&page))
}
