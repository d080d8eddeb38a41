//! A person's ways to sign in: shown, made, removed. What makes a factor good is known to the sign-in room.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domovoi_config::Language;
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::UnmetView;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::signin::FactorView as Factor;
use crate::web::{Caller, Desk, Of};

/// A factor.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorView {
    /// Opaque.
    pub id: String,
    /// `passkey`, `password`, `totp`, `recovery`, `pin`, `portal`
    pub kind: &'static str,
    pub name: String,
    pub added_at: Option<String>,
    pub used_at: Option<String>,
    /// How many recovery codes are left.
    pub left: Option<usize>,
}

/// Factors.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorsView {
    pub factors: Vec<FactorView>,
}

/// A password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordForm {
    #[schema(max_length = 1024)]
    pub password: String,
}

/// What a password would not meet.
#[derive(Debug, Serialize, ToSchema)]
pub struct JudgementView {
    pub good: bool,
    pub unmet: Vec<UnmetView>,
}

/// What the browser needs to make or use a passkey.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChallengeView {
    /// Goes back with the answer.
    pub pending: String,
    /// For `navigator.credentials`, as WebAuthn has it; binary fields are base64url.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// A passkey that was made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyForm {
    pub pending: String,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What `navigator.credentials.create` gave.
    #[schema(value_type = Object)]
    pub response: Value,
}

/// A TOTP secret, shown this once.
#[derive(Serialize, ToSchema)]
pub struct TotpView {
    /// Goes back with the code.
    pub pending: String,
    /// `otpauth://totp/…`, for a QR code.
    pub uri: String,
    /// The secret in base32, for typing.
    pub secret: String,
}

/// A code of an offered TOTP secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpForm {
    pub pending: String,
    #[schema(max_length = 16)]
    pub code: String,
}

/// Recovery codes, shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryView {
    pub codes: Vec<String>,
}

/// A PIN for paired wall tablets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinForm {
    #[schema(min_length = 4, max_length = 4)]
    pub pin: String,
}

impl From<Factor> for FactorView {
    fn from(factor: Factor) -> Self {
        FactorView {
            id: factor.id,
            kind: factor.kind.code(),
            name: factor.name,
            added_at: factor.added_at.map(|at| at.to_string()),
            used_at: factor.used_at.map(|at| at.to_string()),
            left: factor.left,
        }
    }
}

/// The caller's session, if it is this person's: the one that a change of factors leaves open.
pub fn own_session(caller: &Caller, of: Of) -> Option<&str> {
    caller.session.as_ref().filter(|session| session.person == Some(of.0)).map(|session| session.id.as_str())
}

/// A person's factors.
#[utoipa::path(get, path = "/api/v1/people/{person}/factors", tag = "factors", responses((status = 200, body = FactorsView)))]
pub async fn list(State(desk): State<Desk>, of: Of) -> Result<Json<FactorsView>, ApiProblem> {
    let factors = desk.signin.factors(of.0).await?;
    Ok(Json(FactorsView { factors: factors.into_iter().map(FactorView::from).collect() }))
}

/// Removes a factor; the last way to sign in stays.
#[utoipa::path(delete, path = "/api/v1/people/{person}/factors/{factor}", tag = "factors", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    of: Of,
    Path((_, factor)): Path<(String, String)>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let kind = desk.signin.factors(of.0).await?.into_iter().find(|one| one.id == factor).map(|one| one.kind.code());
    desk.signin.remove_factor(of.0, &factor).await?;
    note.change("factor", kind.map(str::to_owned), None);
    Ok(Done::json())
}

/// Sets a password. The person's other sessions end.
#[utoipa::path(put, path = "/api/v1/people/{person}/password", tag = "factors", request_body = PasswordForm, responses((status = 200, body = Done)))]
pub async fn set_password(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Json(form): Json<PasswordForm>,
) -> Result<Json<Done>, ApiProblem> {
    desk.signin.set_password(of.0, Secret::new(form.password), own_session(&caller, of)).await?;
    Ok(Done::json())
}

/// Every rule that a password would not meet, without setting it.
#[utoipa::path(post, path = "/api/v1/people/{person}/password/judgement", tag = "factors", request_body = PasswordForm, responses((status = 200, body = JudgementView)))]
pub async fn judge_password(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Json(form): Json<PasswordForm>,
) -> Json<JudgementView> {
    Json(judged(&desk, Some(of.0), form.password, caller.language).await)
}

/// The judgement of a password that nobody has yet, or that a person would have.
pub async fn judged(
    desk: &Desk,
    person: Option<domovoi_model::PersonId>,
    password: String,
    language: Language,
) -> JudgementView {
    let unmet = desk.signin.judge_password(person, &Secret::new(password)).await;
    JudgementView { good: unmet.is_empty(), unmet: unmet.iter().map(|unmet| UnmetView::of(unmet, language)).collect() }
}

/// Options for `navigator.credentials.create`.
#[utoipa::path(post, path = "/api/v1/people/{person}/passkeys/offer", tag = "factors", responses((status = 200, body = ChallengeView)))]
pub async fn passkey_offer(State(desk): State<Desk>, of: Of) -> Result<Json<ChallengeView>, ApiProblem> {
    let (pending, options) = desk.signin.passkey_offer(of.0).await?;
    Ok(Json(ChallengeView { pending, options }))
}

/// Keeps the passkey that was made.
#[utoipa::path(post, path = "/api/v1/people/{person}/passkeys", tag = "factors", request_body = PasskeyForm, responses((status = 201, body = FactorView)))]
pub async fn add_passkey(
    State(desk): State<Desk>,
    of: Of,
    Json(form): Json<PasskeyForm>,
) -> Result<(StatusCode, Json<FactorView>), ApiProblem> {
    let factor = desk.signin.add_passkey(of.0, &form.pending, &form.name, form.response).await?;
    Ok((StatusCode::CREATED, Json(factor.into())))
}

/// A TOTP secret to scan; it counts once a code of it was given.
#[utoipa::path(post, path = "/api/v1/people/{person}/totp/offer", tag = "factors", responses((status = 200, body = TotpView)))]
pub async fn totp_offer(State(desk): State<Desk>, of: Of) -> Result<Json<TotpView>, ApiProblem> {
    let offer = desk.signin.totp_offer(of.0).await?;
    let (uri, secret) = (offer.uri.expose().clone(), offer.secret.expose().clone());
    Ok(Json(TotpView { pending: offer.pending, uri, secret }))
}

/// Confirms the offered TOTP secret with a code.
#[utoipa::path(post, path = "/api/v1/people/{person}/totp", tag = "factors", request_body = TotpForm, responses((status = 201, body = FactorView)))]
pub async fn add_totp(
    State(desk): State<Desk>,
    of: Of,
    Json(form): Json<TotpForm>,
) -> Result<(StatusCode, Json<FactorView>), ApiProblem> {
    let factor = desk.signin.add_totp(of.0, &form.pending, &form.code).await?;
    Ok((StatusCode::CREATED, Json(factor.into())))
}

/// Ten new recovery codes, shown this once; the old ones are worth nothing from now on.
#[utoipa::path(post, path = "/api/v1/people/{person}/recovery-codes", tag = "factors", responses((status = 201, body = RecoveryView)))]
pub async fn recovery_codes(State(desk): State<Desk>, of: Of) -> Result<(StatusCode, Json<RecoveryView>), ApiProblem> {
    let codes = desk.signin.new_recovery_codes(of.0).await?;
    let codes = codes.iter().map(|code| code.expose().clone()).collect();
    Ok((StatusCode::CREATED, Json(RecoveryView { codes })))
}

/// Sets the four-digit PIN for paired wall tablets.
#[utoipa::path(put, path = "/api/v1/people/{person}/pin", tag = "factors", request_body = PinForm, responses((status = 200, body = Done)))]
pub async fn set_pin(State(desk): State<Desk>, of: Of, Json(form): Json<PinForm>) -> Result<Json<Done>, ApiProblem> {
    desk.signin.set_pin(of.0, Secret::new(form.pin)).await?;
    Ok(Done::json())
}
