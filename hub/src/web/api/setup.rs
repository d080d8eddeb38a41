//! The first owner, and one-time links: who has one may come in once and choose factors.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domovoi_vault::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiProblem;
use super::people::LinkView;
use super::sign_in::{StepView, done};
use crate::people::{NewPerson, Profile};
use crate::policy::Role;
use crate::web::{Caller, Desk};

/// The first owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupForm {
    /// What stands behind `#` in the link that the hub printed.
    #[schema(max_length = 256)]
    pub token: String,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// A phone number, an e-mail address or a login name.
    #[schema(max_length = 254)]
    pub login: String,
    #[schema(max_length = 1024)]
    pub password: String,
}

/// A one-time link is used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryForm {
    #[schema(max_length = 256)]
    pub token: String,
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub password: Option<String>,
}

/// Makes the first owner, signed in. The token is used up only when it succeeds.
#[utoipa::path(post, path = "/api/v1/setup", tag = "sign-in", request_body = SetupForm, responses((status = 200, body = StepView)))]
pub async fn set_up(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<SetupForm>,
) -> Result<Response, ApiProblem> {
    let owner = NewPerson {
        name: form.name,
        role: Role::Owner,
        contacts: vec![form.login],
        profile: Profile::default(),
        until: None,
    };
    let opened = desk.signin.set_up(&form.token, owner, Secret::new(form.password), &caller.origin).await?;
    Ok(done(&desk, &caller, &opened))
}

/// The link with which the first owner is made. Only for whoever holds the machine.
#[utoipa::path(post, path = "/api/v1/setup-link", tag = "sign-in", responses((status = 200, body = LinkView)))]
pub async fn setup_link(State(desk): State<Desk>) -> Result<Json<LinkView>, ApiProblem> {
    if !desk.signin.needs_owner() {
        return Err(ApiProblem::refused(
            "the home has an owner: a locked-out owner comes in with `domovoi people recover LOGIN`",
        ));
    }
    let token = desk.signin.setup_token().await?;
    let origin = desk.front.origins.first().map(String::as_str).unwrap_or_default();
    Ok(Json(LinkView { link: format!("{origin}/setup#{}", token.expose()), minutes: 10 }))
}

/// Uses a one-time link: signed in, with a password chosen if one is given.
#[utoipa::path(post, path = "/api/v1/entry", tag = "sign-in", request_body = EntryForm, responses((status = 200, body = StepView)))]
pub async fn enter(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<EntryForm>,
) -> Result<Response, ApiProblem> {
    let opened = desk.signin.enter(&form.token, form.password.map(Secret::new), &caller.origin).await?;
    Ok(done(&desk, &caller, &opened))
}
