//! What somebody wants to be told and how; the ways to reach people and the house; inboxes; what was told, and why. An address
//! that a channel keeps secret is never told again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{Method, StatusCode};
use domovoi_config::Language;
use domovoi_model::{Id, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::telling_ledger as ledger;
use super::telling_wishes as wished;
use super::{ApiProblem, Done, MAX_BODY, MAX_SIGN_IN_BODY};
use crate::audit::Note;
use crate::notify::channels::Address;
use crate::notify::record::{HouseUse, Household, Route};
use crate::notify::{NewWay, NotifyError};
use crate::policy::{Kind, Verb};
use crate::web::doors::Rule;
use crate::web::{Caller, Desk, Doors, Of, rule};
use crate::words::words;

/// Telling.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::{Home, Telling, Threshold};
    use Verb::{Command, Edit, See, Submit};
    const fn of(verb: Verb) -> Rule {
        rule(verb, Telling).of("person")
    }
    let (get, post, put, patch, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::PATCH, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/people/{person}/wishes", of(See), wished::show)
        .door(put, "/api/v1/people/{person}/wishes", of(Edit).deed("wishes.changed"), wished::set)
        .door(get, "/api/v1/people/{person}/ways", of(See), list)
        .door(post, "/api/v1/people/{person}/ways", of(Edit).deed("way.added"), add)
        .door(patch, "/api/v1/people/{person}/ways/{way}", of(Edit).which("way").deed("way.switched"), switch)
        .door(delete, "/api/v1/people/{person}/ways/{way}", of(Edit).which("way").deed("way.removed"), remove)
        .door(post, "/api/v1/people/{person}/ways/{way}/test", of(Command).which("way").deed("way.tested"), test)
        .door(post, "/api/v1/people/{person}/ways/code", of(Edit), code)
        .door(get, "/api/v1/people/{person}/inbox", of(See), ledger::inbox)
        .door(post, "/api/v1/people/{person}/inbox/seen", of(Command), ledger::seen)
        .door(get, "/api/v1/people/{person}/deliveries", of(See), ledger::of_person)
        .door(get, "/api/v1/people/{person}/deliveries/why", of(See), ledger::why_of_person)
        .door(post, "/api/v1/people/{person}/deliveries/{letter}/seen", of(Command), ledger::letter_seen)
        .door(get, "/api/v1/deliveries", rule(See, Telling), ledger::all)
        .door(get, "/api/v1/deliveries/why", rule(See, Telling), ledger::why)
        .door(get, "/api/v1/telling/channels", rule(See, Home), channels)
        .door(get, "/api/v1/telling/household", rule(See, Home), household)
        .door(put, "/api/v1/telling/household", rule(Edit, Home).deed("telling.order"), set_household)
        .door(get, "/api/v1/telling/ways", rule(See, Home), house_ways)
        .door(post, "/api/v1/telling/ways", rule(Edit, Home).deed("house-way.added"), add_house_way)
        .door(patch, "/api/v1/telling/ways/{way}", rule(Edit, Home).deed("house-way.switched"), switch_house_way)
        .door(delete, "/api/v1/telling/ways/{way}", rule(Edit, Home).deed("house-way.removed"), remove_house_way)
        // It may sound.
        .door(post, "/api/v1/telling/ways/{way}/test", rule(Edit, Home).deed("house-way.tested"), test_house_way)
        .with_limit(MAX_SIGN_IN_BODY)
        // What a letter says opens a page and answers nothing: mail readers open links ahead. The token guards itself.
        .door(post, "/api/v1/telling/answer", rule(Submit, Threshold), ledger::answer)
}

/// A channel's part of an address.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldView {
    pub name: &'static str,
    /// It is not shown again once it is kept.
    pub secret: bool,
    pub required: bool,
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelView {
    pub name: &'static str,
    pub fields: Vec<FieldView>,
    /// It is the home's and nobody's own.
    pub house: bool,
    /// A message costs money.
    pub costs: bool,
}

/// The channels that there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelsView {
    pub channels: Vec<ChannelView>,
    /// The hub's public key, as a browser wants it to subscribe to push messages; base64url.
    pub push_key: Option<String>,
}

/// A way by which somebody, or the house, is reached.
#[derive(Debug, Serialize, ToSchema)]
pub struct WayView {
    pub way: String,
    pub channel: String,
    pub label: String,
    /// What of its address is no secret.
    pub address: BTreeMap<String, String>,
    /// It is a confirmed contact, and goes with it.
    pub contact: bool,
    pub on: bool,
    /// `by-owner`, `gone`: why it is not on.
    pub off: Option<&'static str>,
    /// Of the house's: `silent`, `speaks`, `last`.
    pub used: Option<&'static str>,
    pub costs: bool,
    pub added_at: Option<String>,
    pub last_ok: Option<String>,
    pub last_failure: Option<String>,
    /// Why it last failed.
    pub failure: Option<String>,
    pub tested_at: Option<String>,
}

/// Ways, in the order in which they are tried.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaysView {
    pub ways: Vec<WayView>,
    /// Nobody grown up can be reached when life is at stake: a sentence that says so, and what to do.
    pub warning: Option<String>,
}

/// A new way.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WayForm {
    #[schema(max_length = 64)]
    pub channel: String,
    #[serde(default)]
    #[schema(max_length = 100)]
    pub label: String,
    #[serde(default)]
    pub address: BTreeMap<String, String>,
    /// Of the house's: `silent`, `speaks`, `last`.
    #[serde(default)]
    pub used: Option<String>,
    /// The weekly test is wanted although it sounds or costs.
    #[serde(default)]
    pub test_anyway: bool,
}

/// On or off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchForm {
    pub on: bool,
}

/// A code to be shown at the other end of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeView {
    pub code: String,
    pub minutes: u32,
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestView {
    /// `sent`, `delivered`, `seen`
    pub state: &'static str,
}

/// What the household chose together.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HouseholdView {
    /// Who is asked first when somebody is to say that it is known and life is not at stake; empty: everybody at once.
    #[schema(max_items = 64)]
    pub order: Vec<String>,
}

/// A problem of telling, in the caller's language.
pub(super) fn told(error: NotifyError, language: Language) -> ApiProblem {
    match error {
        NotifyError::NoSuch(what) => ApiProblem::not_found(format!("there is no such {what}")),
        NotifyError::Wish(refusal) => {
            let variables = refusal.variables();
            let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let text = words(language).say(&format!("wish-{}", refusal.code()), &variables);
            match refusal {
                crate::notify::policy::WishRefusal::NobodyForLife => {
                    ApiProblem::new(StatusCode::CONFLICT, "nobody-for-life", text)
                }
                _ => ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.code(), text),
            }
        }
        NotifyError::Address(why) => ApiProblem::invalid(why),
        NotifyError::NotCarried(why) => ApiProblem::new(StatusCode::BAD_GATEWAY, "undelivered", why),
        NotifyError::Store(error) => error.into(),
    }
}

pub(super) fn id_in(text: &str, what: &'static str) -> Result<Id, ApiProblem> {
    text.parse().map_err(|_| ApiProblem::not_found(format!("there is no such {what}")))
}

fn view(desk: &Desk, route: &Route) -> WayView {
    let channel = desk.notify.channels().find(|channel| channel.name() == route.channel);
    let fields = channel.map(|channel| channel.fields()).unwrap_or_default();
    let open = |name: &str| fields.iter().any(|field| field.name == name && !field.secret);
    let address = route.address.0.iter().filter(|(name, _)| open(name));
    WayView {
        way: route.id.to_string(),
        channel: route.channel.clone(),
        label: route.label.clone(),
        address: address.map(|(name, value)| (name.clone(), value.clone())).collect(),
        contact: route.of_contact,
        on: route.off.is_none(),
        off: route.off.map(|off| off.code()),
        used: route.person.is_none().then(|| route.used.code()),
        costs: channel.is_some_and(|channel| channel.costs()),
        added_at: route.added_at.map(|at| at.to_string()),
        last_ok: route.last_ok.map(|at| at.to_string()),
        last_failure: route.last_failure.as_ref().map(|(at, _)| at.to_string()),
        failure: route.last_failure.as_ref().map(|(_, why)| why.clone()),
        tested_at: route.tested_at.map(|at| at.to_string()),
    }
}

/// What the home is to be warned of, if nobody grown up can be reached when life is at stake.
pub(super) fn warning(desk: &Desk, language: Language) -> Option<String> {
    (!desk.notify.reaches_somebody()).then(|| words(language).say("wish-nobody-yet", &[]))
}

fn ways(desk: &Desk, person: Option<PersonId>, language: Language) -> Json<WaysView> {
    let ways = desk.notify.routes(person).iter().map(|route| view(desk, route)).collect();
    Json(WaysView { ways, warning: warning(desk, language) })
}

fn way_of(form: WayForm) -> Result<NewWay, ApiProblem> {
    let used = match form.used.as_deref() {
        None => HouseUse::Last,
        Some(code) => {
            HouseUse::from_code(code).ok_or_else(|| ApiProblem::invalid("`used` is one of: silent, speaks, last"))?
        }
    };
    let WayForm { channel, label, address, test_anyway, .. } = form;
    Ok(NewWay { channel, label, address: Address(address), used, test_anyway })
}

async fn add_to(
    desk: &Desk,
    caller: &Caller,
    person: Option<PersonId>,
    note: &Note,
    form: WayForm,
) -> Result<(StatusCode, Json<WayView>), ApiProblem> {
    let route = desk.notify.add_route(person, way_of(form)?).await.map_err(|error| told(error, caller.language))?;
    note.change("channel", None, Some(route.channel.clone()));
    Ok((StatusCode::CREATED, Json(view(desk, &route))))
}

async fn switch_of(
    desk: &Desk,
    caller: &Caller,
    person: Option<PersonId>,
    way: &str,
    note: &Note,
    on: bool,
) -> Result<Json<WayView>, ApiProblem> {
    let way = id_in(way, "way")?;
    let route = desk.notify.switch_route(person, way, on).await.map_err(|error| told(error, caller.language))?;
    note.change("on", None, Some(on.to_string()));
    Ok(Json(view(desk, &route)))
}

async fn test_of(
    desk: &Desk,
    caller: &Caller,
    person: Option<PersonId>,
    way: &str,
) -> Result<Json<TestView>, ApiProblem> {
    use crate::notify::channels::Fate;
    let way = id_in(way, "way")?;
    let fate = desk.notify.test_route(person, way).await.map_err(|error| told(error, caller.language))?;
    let state = match fate {
        Fate::Sent => "sent",
        Fate::Delivered => "delivered",
        Fate::Seen => "seen",
    };
    Ok(Json(TestView { state }))
}

/// A person's ways.
#[utoipa::path(get, path = "/api/v1/people/{person}/ways", tag = "telling", responses((status = 200, body = WaysView)))]
pub async fn list(State(desk): State<Desk>, caller: Caller, of: Of) -> Json<WaysView> {
    ways(&desk, Some(of.0), caller.language)
}

/// Adds a way of a person.
#[utoipa::path(post, path = "/api/v1/people/{person}/ways", tag = "telling", request_body = WayForm, responses((status = 201, body = WayView)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<WayForm>,
) -> Result<(StatusCode, Json<WayView>), ApiProblem> {
    add_to(&desk, &caller, Some(of.0), &note, form).await
}

/// Switches a way of a person on or off.
#[utoipa::path(patch, path = "/api/v1/people/{person}/ways/{way}", tag = "telling", request_body = SwitchForm, responses((status = 200, body = WayView)))]
pub async fn switch(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Path((_, way)): Path<(String, String)>,
    Extension(note): Extension<Note>,
    Json(form): Json<SwitchForm>,
) -> Result<Json<WayView>, ApiProblem> {
    switch_of(&desk, &caller, Some(of.0), &way, &note, form.on).await
}

/// A code that a person shows at the other end of a channel (a bot) within a quarter of an hour, to be reached there.
#[utoipa::path(post, path = "/api/v1/people/{person}/ways/code", tag = "telling", responses((status = 200, body = CodeView)))]
pub async fn code(State(desk): State<Desk>, caller: Caller, of: Of) -> Result<Json<CodeView>, ApiProblem> {
    let code = desk.notify.link_code(of.0).map_err(|error| told(error, caller.language))?;
    Ok(Json(CodeView { code, minutes: 15 }))
}

/// Takes a way of a person off. A contact is only switched off: it goes when it is no contact any more.
#[utoipa::path(delete, path = "/api/v1/people/{person}/ways/{way}", tag = "telling", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Path((_, way)): Path<(String, String)>,
) -> Result<Json<Done>, ApiProblem> {
    let way = id_in(&way, "way")?;
    desk.notify.remove_route(Some(of.0), way).await.map_err(|error| told(error, caller.language))?;
    Ok(Done::json())
}

/// Tries a way of a person now.
#[utoipa::path(post, path = "/api/v1/people/{person}/ways/{way}/test", tag = "telling", responses((status = 200, body = TestView)))]
pub async fn test(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Path((_, way)): Path<(String, String)>,
) -> Result<Json<TestView>, ApiProblem> {
    test_of(&desk, &caller, Some(of.0), &way).await
}

/// The channels that there are, and what their addresses consist of.
#[utoipa::path(get, path = "/api/v1/telling/channels", tag = "telling", responses((status = 200, body = ChannelsView)))]
pub async fn channels(State(desk): State<Desk>) -> Result<Json<ChannelsView>, ApiProblem> {
    let channels: Vec<ChannelView> = desk
        .notify
        .channels()
        .map(|channel| ChannelView {
            name: channel.name(),
            fields: channel
                .fields()
                .iter()
                .map(|field| FieldView { name: field.name, secret: field.secret, required: field.required })
                .collect(),
            house: channel.is_of_the_house(),
            costs: channel.costs(),
        })
        .collect();
    let push = channels.iter().any(|channel| channel.name == "web-push");
    let push_key = match push {
        true => Some(crate::notify::channels::application_server_key(&desk.store).await?),
        false => None,
    };
    Ok(Json(ChannelsView { channels, push_key }))
}

/// The house's own ways: sirens, voices, topics.
#[utoipa::path(get, path = "/api/v1/telling/ways", tag = "telling", responses((status = 200, body = WaysView)))]
pub async fn house_ways(State(desk): State<Desk>, caller: Caller) -> Json<WaysView> {
    ways(&desk, None, caller.language)
}

/// Adds a way of the house's, or changes when one that needs no address is used.
#[utoipa::path(post, path = "/api/v1/telling/ways", tag = "telling", request_body = WayForm, responses((status = 201, body = WayView)))]
pub async fn add_house_way(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<WayForm>,
) -> Result<(StatusCode, Json<WayView>), ApiProblem> {
    add_to(&desk, &caller, None, &note, form).await
}

/// Switches a way of the house's on or off.
#[utoipa::path(patch, path = "/api/v1/telling/ways/{way}", tag = "telling", request_body = SwitchForm, responses((status = 200, body = WayView)))]
pub async fn switch_house_way(
    State(desk): State<Desk>,
    caller: Caller,
    Path(way): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<SwitchForm>,
) -> Result<Json<WayView>, ApiProblem> {
    switch_of(&desk, &caller, None, &way, &note, form.on).await
}

/// Takes a way of the house's off.
#[utoipa::path(delete, path = "/api/v1/telling/ways/{way}", tag = "telling", responses((status = 200, body = Done)))]
pub async fn remove_house_way(
    State(desk): State<Desk>,
    caller: Caller,
    Path(way): Path<String>,
) -> Result<Json<Done>, ApiProblem> {
    let way = id_in(&way, "way")?;
    desk.notify.remove_route(None, way).await.map_err(|error| told(error, caller.language))?;
    Ok(Done::json())
}

/// Tries a way of the house's now: a siren sounds.
#[utoipa::path(post, path = "/api/v1/telling/ways/{way}/test", tag = "telling", responses((status = 200, body = TestView)))]
pub async fn test_house_way(
    State(desk): State<Desk>,
    caller: Caller,
    Path(way): Path<String>,
) -> Result<Json<TestView>, ApiProblem> {
    test_of(&desk, &caller, None, &way).await
}

/// Who is asked first.
#[utoipa::path(get, path = "/api/v1/telling/household", tag = "telling", responses((status = 200, body = HouseholdView)))]
pub async fn household(State(desk): State<Desk>) -> Json<HouseholdView> {
    let order = desk.notify.household().order;
    Json(HouseholdView { order: order.iter().map(ToString::to_string).collect() })
}

/// Chooses who is asked first.
#[utoipa::path(put, path = "/api/v1/telling/household", tag = "telling", request_body = HouseholdView, responses((status = 200, body = HouseholdView)))]
pub async fn set_household(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<HouseholdView>,
) -> Result<Json<HouseholdView>, ApiProblem> {
    let no_such = || ApiProblem::not_found("there is no such person");
    let order: Vec<PersonId> =
        form.order.iter().take(64).map(|id| id.parse().map_err(|_| no_such())).collect::<Result<_, _>>()?;
    if order.iter().any(|id| desk.people.get(*id).is_none()) {
        return Err(no_such());
    }
    let before = desk.notify.household().order.len();
    desk.notify.set_household(Household { order }).await.map_err(|error| told(error, caller.language))?;
    let household = household(State(desk.clone())).await;
    note.change("order", Some(before.to_string()), Some(household.order.len().to_string()));
    Ok(household)
}
