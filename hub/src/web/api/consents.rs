//! What a person agreed to have sent where: each consent a document of its own (152-ФЗ), withdrawn when the person likes.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::people::moment;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::people::Consent;
use crate::web::{Desk, Of};

/// A consent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentView {
    /// Opaque.
    pub id: String,
    pub purpose: String,
    pub recipient: String,
    pub what: String,
    /// The words that were shown, whole.
    pub text: String,
    pub given_at: Option<String>,
    pub until: Option<String>,
    pub withdrawn_at: Option<String>,
}

/// Consents, withdrawn ones too, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentsView {
    pub consents: Vec<ConsentView>,
}

/// A consent to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentForm {
    /// What for: `portal.readings`, `portal.messages`, `portal.profile`, `code.mail`, …
    #[schema(min_length = 1, max_length = 100)]
    pub purpose: String,
    /// Who receives it.
    #[schema(min_length = 1, max_length = 200)]
    pub recipient: String,
    /// Which data, in words.
    #[schema(min_length = 1, max_length = 1000)]
    pub what: String,
    /// The words that were shown, whole.
    #[schema(min_length = 1, max_length = 10000)]
    pub text: String,
    /// RFC 3339.
    #[serde(default)]
    pub until: Option<String>,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        ConsentView {
            id: consent.id,
            purpose: consent.purpose,
            recipient: consent.recipient,
            what: consent.what,
            text: consent.text,
            given_at: consent.given_at.map(|at| at.to_string()),
            until: consent.until.map(|at| at.to_string()),
            withdrawn_at: consent.withdrawn_at.map(|at| at.to_string()),
        }
    }
}

/// What a person agreed to.
#[utoipa::path(get, path = "/api/v1/people/{person}/consents", tag = "consents", responses((status = 200, body = ConsentsView)))]
pub async fn list(State(desk): State<Desk>, of: Of) -> Result<Json<ConsentsView>, ApiProblem> {
    let consents = desk.people.consents(of.0).await?;
    Ok(Json(ConsentsView { consents: consents.into_iter().map(ConsentView::from).collect() }))
}

/// Records a consent in the words that were shown.
#[utoipa::path(post, path = "/api/v1/people/{person}/consents", tag = "consents", request_body = ConsentForm, responses((status = 201, body = ConsentView)))]
pub async fn give(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<ConsentForm>,
) -> Result<(StatusCode, Json<ConsentView>), ApiProblem> {
    for (what, text, most) in [
        ("purpose", &form.purpose, 100),
        ("recipient", &form.recipient, 200),
        ("what", &form.what, 1000),
        ("text", &form.text, 10_000),
    ] {
        if text.trim().is_empty() || text.chars().count() > most {
            return Err(ApiProblem::invalid(format!("{what}: 1 to {most} characters")));
        }
    }
    // Handing readings in is the home's own affair: its consent is given where the link with the portal is looked after,
    // by whoever may do that, or anybody's record would keep it standing when the owner withdraws theirs.
    if form.purpose == crate::people::READINGS {
        return Err(ApiProblem::invalid("this consent is given with PUT /api/v1/portal/consent"));
    }
    let consent = Consent {
        id: String::new(),
        purpose: form.purpose,
        recipient: form.recipient,
        what: form.what,
        text: form.text,
        given_at: None,
        until: form.until.as_deref().map(|text| moment("until", text)).transpose()?,
        withdrawn_at: None,
    };
    let consent = desk.people.give_consent(of.0, consent).await?;
    note.change("consent", None, Some(format!("{} → {}", consent.purpose, consent.recipient)));
    Ok((StatusCode::CREATED, Json(consent.into())))
}

/// Withdraws a consent. What was sent under it stays recorded.
#[utoipa::path(delete, path = "/api/v1/people/{person}/consents/{consent}", tag = "consents", responses((status = 200, body = Done)))]
pub async fn withdraw(
    State(desk): State<Desk>,
    of: Of,
    Path((_, consent)): Path<(String, String)>,
) -> Result<Json<Done>, ApiProblem> {
    desk.people.withdraw_consent(of.0, &consent).await?;
    Ok(Done::json())
}
