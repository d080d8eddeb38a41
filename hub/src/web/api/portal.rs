//! The link to the portal: linking as it goes, status, consent, the portal's accounts.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use domovoi_store::ActFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ApiProblem;
use crate::audit::Note;
use crate::people::{Consent, Person, READINGS};
use crate::policy::{Decision, Kind, Object, Role, Verb, decide};
use crate::portal::calls::get_accounts;
use crate::portal::{CallError, LinkProgress, LinkState, Portal, scopes_in_words};
use crate::web::{Caller, Desk};
use crate::words::words;

/// A linking as the command line follows it.
#[derive(Debug, Default)]
pub struct LinkingView {
    task: Option<tokio::task::AbortHandle>,
    code: Option<Value>,
    browser: Option<String>,
    failed: Option<String>,
    linked: bool,
}

/// How to link.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkForm {
    #[serde(default)]
    pub browser: bool,
}

/// Standing consent, given or withdrawn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingForm {
    pub given: bool,
}

/// Whether acts are approved without asking each time.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingView {
    pub standing_consent: bool,
}

fn portal(desk: &Desk) -> Result<&Portal, ApiProblem> {
    desk.portal
        .as_ref()
        .ok_or_else(|| ApiProblem::refused("no portal is named in the settings: add a [portal] section"))
}

/// How the link stands, and what was sent.
#[utoipa::path(get, path = "/api/v1/portal", tag = "portal", responses((status = 200, body = Object)))]
pub async fn status(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let portal = portal(&desk)?;
    let acts = desk.store.acts().list(ActFilter::default()).await?;
    let count = |code: &str| acts.iter().filter(|act| act.state.code() == code).count();
    let sent: Value = ["draft", "checked", "approved", "sent", "confirmed", "received", "refused", "superseded"]
        .into_iter()
        .map(|code| (code.to_owned(), json!(count(code))))
        .collect();
    let settings = portal.settings();
    Ok(Json(json!({
        "issuer": settings.issuer.as_str(),
        "api_base": settings.api_base.as_str(),
        "link": state_json(&portal.status()),
        "asks_for": scopes_json(&settings.scopes),
        "standing_consent": desk.metering.standing_consent().await?,
        "acts": sent,
    })))
}

/// Begins to link this hub to the citizen's account.
#[utoipa::path(post, path = "/api/v1/portal/link", tag = "portal", request_body = LinkForm, responses((status = 200, body = Object)))]
pub async fn link(State(desk): State<Desk>, Json(form): Json<LinkForm>) -> Result<Json<Value>, ApiProblem> {
    let portal = portal(&desk)?.clone();
    match portal.status() {
        LinkState::Unlinked | LinkState::RelinkNeeded { .. } => {}
        LinkState::Linking => return Err(ApiProblem::refused("a linking is under way already")),
        _ => return Err(ApiProblem::refused("the portal is linked already: unlink it first")),
    }
    let mut view = desk.linking.0.lock().unwrap_or_else(PoisonError::into_inner);
    *view = LinkingView::default();
    let shared = desk.linking.clone();
    let task = tokio::spawn(async move {
        let told = shared.clone();
        let progress = move |step: LinkProgress| {
            let mut view = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            match step {
                LinkProgress::ShowCode(code) => {
                    view.code = Some(json!({
                        "user_code": code.user_code,
                        "verification_uri": code.verification_uri.as_str(),
                        "verification_uri_complete": code.verification_uri_complete.as_ref().map(|uri| uri.as_str()),
                        "expires_in_s": code.expires_in.as_secs(),
                    }));
                }
                LinkProgress::OpenBrowser(url) => view.browser = Some(url.to_string()),
                LinkProgress::Permissions(_) | LinkProgress::Linked(_) => {}
            }
        };
        let outcome =
            if form.browser { portal.link_browser(progress).await } else { portal.link_device(progress).await };
        let mut view = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => view.linked = true,
            Err(error) => view.failed = Some(error.to_string()),
        }
    });
    view.task = Some(task.abort_handle());
    Ok(Json(json!({ "state": "linking" })))
}

/// How far a linking is.
#[utoipa::path(get, path = "/api/v1/portal/linking", tag = "portal", responses((status = 200, body = Object)))]
pub async fn linking(State(desk): State<Desk>, caller: Caller) -> Result<Json<Value>, ApiProblem> {
    // With the code somebody could link the home with an account of their own: it is for whoever may link.
    let may_link = decide(&caller.who, Verb::Edit, &Object::all(Kind::Portal), desk.now()) == Decision::Allow;
    let link = state_json(&portal(&desk)?.status());
    let view = desk.linking.0.lock().unwrap_or_else(PoisonError::into_inner);
    let state = match (&view.failed, view.linked, &view.task) {
        (Some(_), ..) => "failed",
        (None, true, _) => "linked",
        (None, false, Some(_)) => "linking",
        (None, false, None) => "idle",
    };
    let (code, browser) = if may_link { (&view.code, &view.browser) } else { (&None, &None) };
    Ok(Json(json!({ "state": state, "code": code, "browser": browser, "why": view.failed, "link": link })))
}

/// Ends a linking that is under way.
#[utoipa::path(delete, path = "/api/v1/portal/linking", tag = "portal", responses((status = 200, body = Object)))]
pub async fn cancel(State(desk): State<Desk>) -> Json<Value> {
    let mut view = desk.linking.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(task) = view.task.take() {
        task.abort();
    }
    *view = LinkingView::default();
    Json(json!({ "state": "idle" }))
}

/// Revokes the link at the portal and forgets its tokens.
#[utoipa::path(delete, path = "/api/v1/portal/link", tag = "portal", responses((status = 200, body = Object)))]
pub async fn unlink(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let outcome = portal(&desk)?.unlink().await;
    let outcome =
        outcome.map_err(|error| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "store", error.to_string()))?;
    Ok(Json(json!({ "was_linked": outcome.was_linked, "told_portal": outcome.told_portal, "detail": outcome.detail })))
}

/// The accounts and metering points that the portal knows.
#[utoipa::path(get, path = "/api/v1/portal/accounts", tag = "portal", responses((status = 200, body = Object)))]
pub async fn accounts(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let portal = portal(&desk)?;
    if matches!(portal.status(), LinkState::Unlinked | LinkState::Linking) {
        return Err(ApiProblem::refused("the portal is not linked: run `domovoi portal link`"));
    }
    let accounts = get_accounts::call(portal).await;
    let accounts = accounts.map_err(|error| match error {
        CallError::RelinkNeeded(_) | CallError::AccountPending | CallError::AccountBlocked => {
            ApiProblem::refused(error.to_string())
        }
        _ => ApiProblem::new(StatusCode::BAD_GATEWAY, "portal", error.to_string()),
    })?;
    let accounts: Vec<Value> = accounts
        .into_iter()
        .map(|account| {
            let points: Vec<Value> = account
                .metering_points
                .iter()
                .map(|point| {
                    json!({
                        "resource": point.resource.code(),
                        "serial": point.serial,
                        "tariffs": point.tariff_count,
                        "valid_until": point.verification_valid_until.map(|date| date.to_string()),
                    })
                })
                .collect();
            json!({
                "supplier": account.supplier_id,
                "supplier_name": account.supplier_name,
                "account": account.account_number,
                "els": account.els,
                "points": points,
            })
        })
        .collect();
    Ok(Json(json!({ "accounts": accounts })))
}

/// Whether acts are approved without asking each time.
#[utoipa::path(get, path = "/api/v1/portal/consent", tag = "portal", responses((status = 200, body = StandingView)))]
pub async fn consent(State(desk): State<Desk>) -> Result<Json<StandingView>, ApiProblem> {
    Ok(Json(StandingView { standing_consent: desk.metering.standing_consent().await? }))
}

/// Gives or withdraws standing consent.
#[utoipa::path(put, path = "/api/v1/portal/consent", tag = "portal", request_body = StandingForm, responses((status = 200, body = StandingView)))]
pub async fn set_consent(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<StandingForm>,
) -> Result<Json<StandingView>, ApiProblem> {
    let before = desk.metering.standing_consent().await?;
    if form.given {
        consent_to_readings(&desk, &caller).await?
    } else {
        withdraw_readings(&desk).await?
    }
    note.change("standing_consent", Some(before.to_string()), Some(form.given.to_string()));
    Ok(Json(StandingView { standing_consent: form.given }))
}

/// Gives standing consent to hand readings in, with its record: who agreed, to what, in which words. The record is durable
/// before the consent counts.
pub async fn consent_to_readings(desk: &Desk, caller: &Caller) -> Result<(), ApiProblem> {
    let recipient = portal(desk)?.settings().api_base.to_string();
    if let Some(person) = who_agrees(desk, caller)? {
        let words = words(person.profile.language.unwrap_or(caller.language));
        let what = words.say("consent-readings-what", &[]);
        let home = desk.settings.home.name.as_str();
        let said = [("name", person.name.as_str()), ("home", home), ("recipient", &recipient), ("what", &what)];
        let text = words.say("consent-readings-text", &said);
        let consent = Consent {
            id: String::new(),
            purpose: READINGS.to_owned(),
            recipient,
            what,
            text,
            given_at: None,
            until: None,
            withdrawn_at: None,
        };
        desk.people.give_consent(person.id, consent).await?;
    }
    Ok(desk.metering.set_standing_consent(true).await?)
}

/// Withdraws it, whoever gave it: it is the household's.
pub async fn withdraw_readings(desk: &Desk) -> Result<(), ApiProblem> {
    desk.metering.set_standing_consent(false).await?;
    for (person, consent) in desk.people.who_consents(READINGS).await? {
        desk.people.withdraw_consent(person, &consent.id).await?;
    }
    Ok(())
}

/// Whoever is signed in. At the console it is the home's one owner; a home that nobody has set up yet has nobody who could
/// be named.
fn who_agrees(desk: &Desk, caller: &Caller) -> Result<Option<Person>, ApiProblem> {
    if let Some(id) = caller.who.person() {
        return Ok(desk.people.get(id));
    }
    let mut owners = desk.people.list().into_iter().filter(|person| person.role == Role::Owner && !person.locked);
    match (owners.next(), owners.next()) {
        (owner, None) => Ok(owner),
        _ => Err(ApiProblem::refused(
            "the home has several owners, and a consent is somebody's: sign in and give it on the page",
        )),
    }
}

fn scopes_json(scopes: &[String]) -> Vec<Value> {
    scopes_in_words(scopes).into_iter().map(|(scope, ru, en)| json!({ "scope": scope, "ru": ru, "en": en })).collect()
}

fn state_json(state: &LinkState) -> Value {
    match state {
        LinkState::Unlinked => json!({ "is": "unlinked" }),
        LinkState::Linking => json!({ "is": "linking" }),
        LinkState::Linked { granted, missing, subject, since } => json!({
            "is": "linked",
            "granted": scopes_json(granted),
            "missing": scopes_json(missing),
            "subject": subject,
            "since": since.to_string(),
        }),
        LinkState::RelinkNeeded { why } => json!({ "is": "relink_needed", "why": why }),
        LinkState::AccountPending => json!({ "is": "account_pending" }),
        LinkState::AccountBlocked { detail } => json!({ "is": "account_blocked", "detail": detail }),
    }
}
