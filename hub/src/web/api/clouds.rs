//! Makers' clouds: how each stands, linking, what is there, the cloud's own scenarios, the end of a link.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode};
use domovoi_config::Language;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done, MAX_BODY, status_of};
use crate::audit::Note;
use crate::clouds::{CloudView, CloudsError, LinkState, Progress, ThingView};
use crate::policy::{Decision, Kind, Object, Verb, decide};
use crate::web::{Caller, Desk, Doors, cloud_words as said, rule};

/// A permission that is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeAnswer {
    pub scope: String,
    /// In words.
    pub words: String,
}

/// A code for another screen.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudCode {
    pub user_code: String,
    /// Where it is typed in.
    pub page: String,
    /// The same page with the code in it, where there is one.
    pub page_with_code: Option<String>,
    pub expires_in_s: u64,
}

/// How far a linking is.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudLinking {
    /// `idle`, `begun`, `code`, `page`, `failed`, `linked`
    pub state: &'static str,
    /// For whoever may link.
    pub code: Option<CloudCode>,
    /// The page to agree on, whose code is to be copied; likewise.
    pub page: Option<String>,
    pub why: Option<String>,
}

/// A thing of a cloud.
#[derive(Debug, Serialize, ToSchema)]
pub struct ThingAnswer {
    /// As a device of the house.
    pub device: String,
    pub name: String,
    pub room: Option<String>,
    /// It came from this very hub, and is not taken.
    pub ours: bool,
    /// `waiting`, `accepted`, `ignored`; none: the house has not found it yet, or has forgotten it.
    pub standing: Option<String>,
    pub since: String,
    /// It is not there any more since then.
    pub gone_at: Option<String>,
}

/// A scenario of the cloud's own.
#[derive(Debug, Serialize, ToSchema)]
pub struct SceneAnswer {
    pub scenario: String,
    pub name: String,
    pub on: bool,
}

/// A maker's cloud.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudAnswer {
    pub cloud: &'static str,
    /// What it is called.
    pub name: String,
    /// Whether the settings name a program for it.
    pub set: bool,
    /// `unlinked`, `linked`, `ending`, `relink`
    pub state: &'static str,
    /// How it stands, in words.
    pub words: String,
    pub asks_for: Vec<ScopeAnswer>,
    pub granted: Vec<ScopeAnswer>,
    /// It can be linked by a code that is typed in there.
    pub by_device: bool,
    /// It can be linked by a code that is copied from there.
    pub by_page: bool,
    pub linking: CloudLinking,
    pub since: Option<String>,
    /// When an access that cannot be renewed ends.
    pub until: Option<String>,
    /// When it last answered.
    pub looked_at: Option<String>,
    /// Why not since.
    pub trouble: Option<String>,
    /// Parts of the last answer that could not be read.
    pub faults: usize,
    /// Times that it was asked for everything since the start.
    pub rounds: u64,
    /// Calls of the last hour, and how many there may be.
    pub calls: usize,
    pub per_hour: u32,
    pub things: Vec<ThingAnswer>,
    pub scenarios: Vec<SceneAnswer>,
}

/// Makers' clouds.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudsAnswer {
    pub clouds: Vec<CloudAnswer>,
}

/// How to link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudLinkForm {
    /// `device`: a code that is typed in there; `page`: a code that is copied from there.
    pub way: String,
}

/// The code that the cloud's page shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudCodeForm {
    #[schema(min_length = 1, max_length = 512)]
    pub code: String,
}

/// How to end a link.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UnlinkQuery {
    /// Forget everything that came from there, too: devices with their history.
    #[serde(default)]
    pub forget: bool,
}

/// What became of the end of a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudUnlinked {
    pub was_linked: bool,
    /// The cloud confirmed that the tokens are worthless now.
    pub told_cloud: bool,
    /// Where it did not: why.
    pub detail: Option<String>,
    /// How many devices were forgotten.
    pub forgotten: usize,
}

/// Every door of makers' clouds.
pub fn doors(desk: &Desk) -> Doors {
    use Verb::{Command, Edit, See};
    let of = |verb| rule(verb, Kind::Cloud).which("cloud");
    let (get, post, delete) = (&Method::GET, &Method::POST, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/clouds", rule(See, Kind::Cloud), list)
        .door(get, "/api/v1/clouds/{cloud}", of(See), show)
        .door(post, "/api/v1/clouds/{cloud}/link", of(Edit).dangerous().deed("cloud.linking"), link)
        .door(post, "/api/v1/clouds/{cloud}/link/code", of(Edit).dangerous().deed("cloud.linked"), copied)
        .door(delete, "/api/v1/clouds/{cloud}/linking", of(Edit), cancel)
        .door(delete, "/api/v1/clouds/{cloud}/link", of(Edit).dangerous().deed("cloud.unlinked"), unlink)
        .door(post, "/api/v1/clouds/{cloud}/look", of(Command), look)
        .door(
            post,
            "/api/v1/clouds/{cloud}/scenarios/{scenario}/start",
            of(Command).deed("cloud.scenario-started"),
            start,
        )
}

/// Why something is not done, with its status.
pub fn told(error: CloudsError, language: Language) -> ApiProblem {
    let words = said::error(&error, language);
    match error {
        CloudsError::NoSuch(_) => ApiProblem::not_found(words),
        CloudsError::NotSet(_) | CloudsError::Conflict(_) => ApiProblem::refused(words),
        CloudsError::Invalid(_) => ApiProblem::invalid(words),
        CloudsError::Cloud(_) => ApiProblem::new(StatusCode::BAD_GATEWAY, "cloud", words),
        CloudsError::Store(error) => ApiProblem::new(status_of(&error), "store", error.to_string()),
    }
}

/// Who may link: with a code somebody could link the home with an account of their own.
pub fn may_link(desk: &Desk, caller: &Caller, cloud: &str) -> bool {
    decide(&caller.who, Verb::Edit, &Object::one(Kind::Cloud, cloud), desk.now()) == Decision::Allow
}

impl CloudAnswer {
    fn of(desk: &Desk, view: &CloudView, caller: &Caller) -> Self {
        let language = caller.language;
        let scope =
            |scope: &str| ScopeAnswer { scope: scope.to_owned(), words: said::scope(view.name, scope, language) };
        let (granted, since, until) = match &view.state {
            LinkState::Linked { granted, since } => {
                (granted.iter().map(|one| scope(one)).collect(), Some(since.to_string()), None)
            }
            LinkState::Ending { until, .. } => (Vec::new(), None, until.map(|until| until.to_string())),
            LinkState::Unlinked | LinkState::RelinkNeeded { .. } => (Vec::new(), None, None),
        };
        CloudAnswer {
            cloud: view.name,
            name: said::title(view.name, language),
            set: view.is_set,
            state: view.state.code(),
            words: said::standing(view, language),
            asks_for: view.scopes.iter().map(|one| scope(one)).collect(),
            granted,
            by_device: view.ways.0,
            by_page: view.ways.1,
            linking: linking(&view.progress, may_link(desk, caller, view.name)),
            since,
            until,
            looked_at: view.looked_at.map(|at| at.to_string()),
            trouble: view.trouble.clone(),
            faults: view.faults,
            rounds: view.rounds,
            calls: view.calls.0,
            per_hour: view.calls.1,
            things: view.things.iter().map(|thing| thing_of(desk, thing)).collect(),
            scenarios: view
                .scenes
                .iter()
                .map(|scene| SceneAnswer { scenario: scene.id.clone(), name: scene.name.clone(), on: scene.is_on })
                .collect(),
        }
    }
}

fn thing_of(desk: &Desk, thing: &ThingView) -> ThingAnswer {
    ThingAnswer {
        device: thing.device.to_string(),
        name: thing.name.clone(),
        room: thing.room.clone(),
        ours: thing.ours,
        standing: desk.devices.standing_of(&thing.device).map(|standing| standing.code().to_owned()),
        since: thing.since.to_string(),
        gone_at: thing.gone_at.map(|at| at.to_string()),
    }
}

fn linking(progress: &Progress, may_link: bool) -> CloudLinking {
    let (state, code, page, why) = match progress {
        Progress::Idle => ("idle", None, None, None),
        Progress::Begun => ("begun", None, None, None),
        Progress::Code(code) => {
            let code = CloudCode {
                user_code: code.user_code.clone(),
                page: code.page.to_string(),
                page_with_code: code.page_with_code.as_ref().map(ToString::to_string),
                expires_in_s: code.expires_in.as_secs(),
            };
            ("code", Some(code), None, None)
        }
        Progress::Page(page) => ("page", None, Some(page.to_string()), None),
        Progress::Failed(why) => ("failed", None, None, Some(why.clone())),
        Progress::Linked => ("linked", None, None, None),
    };
    CloudLinking { state, code: code.filter(|_| may_link), page: page.filter(|_| may_link), why }
}

/// Makers' clouds, linked or not.
#[utoipa::path(get, path = "/api/v1/clouds", tag = "clouds", responses((status = 200, body = CloudsAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<CloudsAnswer> {
    let views = desk.clouds.list();
    Json(CloudsAnswer { clouds: views.iter().map(|view| CloudAnswer::of(&desk, view, &caller)).collect() })
}

/// A maker's cloud: how the link stands, what is there.
#[utoipa::path(get, path = "/api/v1/clouds/{cloud}", tag = "clouds", responses((status = 200, body = CloudAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(cloud): Path<String>,
) -> Result<Json<CloudAnswer>, ApiProblem> {
    let view = desk.clouds.show(&cloud).map_err(|error| told(error, caller.language))?;
    Ok(Json(CloudAnswer::of(&desk, &view, &caller)))
}

/// Begins to link. How far that is, the cloud itself shows.
#[utoipa::path(post, path = "/api/v1/clouds/{cloud}/link", tag = "clouds", request_body = CloudLinkForm, responses((status = 200, body = CloudAnswer)))]
pub async fn link(
    State(desk): State<Desk>,
    caller: Caller,
    Path(cloud): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<CloudLinkForm>,
) -> Result<Json<CloudAnswer>, ApiProblem> {
    let begun = match form.way.as_str() {
        "device" => desk.clouds.link_by_device(&cloud),
        "page" => desk.clouds.link_by_page(&cloud).await.map(drop),
        _ => return Err(ApiProblem::invalid("way: device, page")),
    };
    begun.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(cloud.clone()));
    show(State(desk), caller, Path(cloud)).await
}

/// Ends a linking with the code that the cloud's page showed.
#[utoipa::path(post, path = "/api/v1/clouds/{cloud}/link/code", tag = "clouds", request_body = CloudCodeForm, responses((status = 200, body = CloudAnswer)))]
pub async fn copied(
    State(desk): State<Desk>,
    caller: Caller,
    Path(cloud): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<CloudCodeForm>,
) -> Result<Json<CloudAnswer>, ApiProblem> {
    desk.clouds.copied(&cloud, &form.code).await.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(cloud.clone()));
    show(State(desk), caller, Path(cloud)).await
}

/// Ends a linking that is under way.
#[utoipa::path(delete, path = "/api/v1/clouds/{cloud}/linking", tag = "clouds", responses((status = 200, body = Done)))]
pub async fn cancel(
    State(desk): State<Desk>,
    caller: Caller,
    Path(cloud): Path<String>,
) -> Result<Json<Done>, ApiProblem> {
    desk.clouds.cancel(&cloud).map_err(|error| told(error, caller.language))?;
    Ok(Done::json())
}

/// Takes the tokens back at the cloud and forgets them here; what came from there is kept, or forgotten as well.
#[utoipa::path(delete, path = "/api/v1/clouds/{cloud}/link", tag = "clouds", params(UnlinkQuery), responses((status = 200, body = CloudUnlinked)))]
pub async fn unlink(
    State(desk): State<Desk>,
    caller: Caller,
    Path(cloud): Path<String>,
    Query(query): Query<UnlinkQuery>,
    Extension(note): Extension<Note>,
) -> Result<Json<CloudUnlinked>, ApiProblem> {
    let gone = desk.clouds.unlink(&cloud, query.forget).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(cloud), None);
    Ok(Json(CloudUnlinked {
        was_linked: gone.was_linked,
        told_cloud: gone.told_cloud,
        detail: gone.detail,
        forgotten: gone.forgotten,
    }))
}

/// Asks the cloud for everything now.
#[utoipa::path(post, path = "/api/v1/clouds/{cloud}/look", tag = "clouds", responses((status = 200, body = Done)))]
pub async fn look(
    State(desk): State<Desk>,
    caller: Caller,
    Path(cloud): Path<String>,
) -> Result<Json<Done>, ApiProblem> {
    desk.clouds.look(&cloud).map_err(|error| told(error, caller.language))?;
    Ok(Done::json())
}

/// Starts a scenario of the cloud's own.
#[utoipa::path(post, path = "/api/v1/clouds/{cloud}/scenarios/{scenario}/start", tag = "clouds", responses((status = 200, body = Done)))]
pub async fn start(
    State(desk): State<Desk>,
    caller: Caller,
    Path((cloud, scenario)): Path<(String, String)>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    desk.clouds.start_scene(&cloud, &scenario).await.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(scenario));
    Ok(Done::json())
}
