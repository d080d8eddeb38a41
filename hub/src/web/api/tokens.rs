//! API tokens and client certificates of a person.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::certificates::Certificates;
use crate::policy::{Kind, Scope, Verb};
use crate::signin::{CertificateView as Certificate, TokenView as Token};
use crate::web::{Desk, Of};

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Opaque.
    pub id: String,
    pub name: String,
    /// As `see:meter` or `submit:*`; none is all that the person may.
    pub scopes: Vec<String>,
    pub issued_at: String,
    pub ends_at: String,
    /// To the minute.
    pub used_at: Option<String>,
    pub used_from: Option<String>,
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensView {
    pub tokens: Vec<TokenView>,
}

/// A token to be issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenForm {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// As `see:meter` or `submit:*`; none is all that the person may.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub scopes: Vec<String>,
    /// It ends after so many days.
    #[schema(minimum = 1, maximum = 365)]
    pub days: u32,
}

/// A token, shown this once.
#[derive(Serialize, ToSchema)]
pub struct TokenIssued {
    /// `dmv_…`
    pub token: String,
    pub view: TokenView,
}

/// A client certificate.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateView {
    /// Opaque.
    pub id: String,
    pub name: String,
    /// SHA-256, in hex.
    pub fingerprint: String,
    pub ends_at: String,
    pub used_at: Option<String>,
}

/// Client certificates.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificatesView {
    pub certificates: Vec<CertificateView>,
}

/// A client certificate to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateForm {
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// It ends after so many days.
    #[schema(minimum = 1, maximum = 825)]
    pub days: u32,
}

/// A client certificate with its key, shown this once.
#[derive(Serialize, ToSchema)]
pub struct CertificateIssued {
    /// PEM.
    pub certificate: String,
    /// PEM, PKCS #8. The hub keeps no copy.
    pub key: String,
    pub view: CertificateView,
}

/// A scope as it is spelled.
pub fn spelled(scope: &Scope) -> String {
    format!("{}:{}", scope.verb.code(), scope.kind.map_or("*", Kind::code))
}

fn scope_of(text: &str) -> Result<Scope, ApiProblem> {
    let wrong = || ApiProblem::invalid("scopes: VERB:KIND, as see:meter or submit:*");
    let (verb, kind) = text.split_once(':').ok_or_else(wrong)?;
    let verb = Verb::from_code(verb).ok_or_else(wrong)?;
    let kind = if kind == "*" { None } else { Some(Kind::from_code(kind).ok_or_else(wrong)?) };
    Ok(Scope { verb, kind })
}

impl From<&Token> for TokenView {
    fn from(token: &Token) -> Self {
        TokenView {
            id: token.id.clone(),
            name: token.name.clone(),
            scopes: token.scopes.iter().map(spelled).collect(),
            issued_at: token.issued_at.to_string(),
            ends_at: token.ends_at.to_string(),
            used_at: token.used_at.map(|at| at.to_string()),
            used_from: token.used_from.map(|address| address.to_string()),
        }
    }
}

impl From<&Certificate> for CertificateView {
    fn from(certificate: &Certificate) -> Self {
        CertificateView {
            id: certificate.id.clone(),
            name: certificate.name.clone(),
            fingerprint: certificate.fingerprint.clone(),
            ends_at: certificate.ends_at.to_string(),
            used_at: certificate.used_at.map(|at| at.to_string()),
        }
    }
}

/// A person's API tokens.
#[utoipa::path(get, path = "/api/v1/people/{person}/tokens", tag = "tokens", responses((status = 200, body = TokensView)))]
pub async fn list(State(desk): State<Desk>, of: Of) -> Result<Json<TokensView>, ApiProblem> {
    let tokens = desk.signin.tokens(of.0).await?;
    Ok(Json(TokensView { tokens: tokens.iter().map(TokenView::from).collect() }))
}

/// Issues a token, shown this once: at most as much as the person may do, for at most a year.
#[utoipa::path(post, path = "/api/v1/people/{person}/tokens", tag = "tokens", request_body = TokenForm, responses((status = 201, body = TokenIssued)))]
pub async fn issue(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<TokenForm>,
) -> Result<(StatusCode, Json<TokenIssued>), ApiProblem> {
    if !(1..=365).contains(&form.days) {
        return Err(ApiProblem::invalid("days: 1 to 365"));
    }
    if form.scopes.len() > 64 {
        return Err(ApiProblem::invalid("scopes: at most 64"));
    }
    let scopes = form.scopes.iter().map(|scope| scope_of(scope)).collect::<Result<Vec<_>, _>>()?;
    let issued = desk.signin.issue_token(of.0, &form.name, scopes, form.days).await?;
    note.change("token", None, Some(issued.view.id.clone()));
    note.personal(of.0, "name", None, Some(issued.view.name.clone()));
    note.change("scopes", None, Some(issued.view.scopes.iter().map(spelled).collect::<Vec<_>>().join(" ")));
    let view = TokenIssued { token: issued.token.expose().clone(), view: (&issued.view).into() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/v1/people/{person}/tokens/{token}", tag = "tokens", responses((status = 200, body = Done)))]
pub async fn end(
    State(desk): State<Desk>,
    of: Of,
    Path((_, token)): Path<(String, String)>,
) -> Result<Json<Done>, ApiProblem> {
    desk.signin.end_token(of.0, &token).await?;
    Ok(Done::json())
}

/// A person's client certificates.
#[utoipa::path(get, path = "/api/v1/people/{person}/certificates", tag = "tokens", responses((status = 200, body = CertificatesView)))]
pub async fn certificates(State(desk): State<Desk>, of: Of) -> Result<Json<CertificatesView>, ApiProblem> {
    let certificates = desk.signin.certificates(of.0).await?;
    Ok(Json(CertificatesView { certificates: certificates.iter().map(CertificateView::from).collect() }))
}

/// Makes a client certificate for a person, shown this once with its key.
#[utoipa::path(post, path = "/api/v1/people/{person}/certificates", tag = "tokens", request_body = CertificateForm, responses((status = 201, body = CertificateIssued)))]
pub async fn add_certificate(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<CertificateForm>,
) -> Result<(StatusCode, Json<CertificateIssued>), ApiProblem> {
    let issued = authority(&desk)?.issue_client(&form.name, form.days);
    let issued = issued.map_err(|why| ApiProblem::invalid(why.to_string()))?;
    let view = desk.signin.add_certificate(of.0, &form.name, issued.fingerprint, issued.until).await?;
    note.change("certificate", None, Some(view.fingerprint.clone()));
    let made =
        CertificateIssued { certificate: issued.certificate, key: issued.key.expose().clone(), view: (&view).into() };
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) fn authority(desk: &Desk) -> Result<&Certificates, ApiProblem> {
    let refused = || ApiProblem::refused("the hub's own authority could not be opened: `domovoi doctor` says why");
    desk.certificates.as_ref().ok_or_else(refused)
}

/// The hub's own authority, which devices are told to trust.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorityView {
    /// SHA-256, as telephones show it.
    pub fingerprint: String,
    /// PEM.
    pub certificate: String,
    pub ends_at: String,
    /// Whether devices have to be told to trust it: with a public authority's certificate they need not.
    pub needed: bool,
}

/// The hub's own authority, which devices are told to trust.
#[utoipa::path(get, path = "/api/v1/authority", tag = "tokens", responses((status = 200, body = AuthorityView)))]
pub async fn show_authority(State(desk): State<Desk>) -> Result<Json<AuthorityView>, ApiProblem> {
    let certificates = authority(&desk)?;
    let shown = certificates.authority().map_err(|why| ApiProblem::refused(why.to_string()))?;
    Ok(Json(AuthorityView {
        fingerprint: shown.fingerprint,
        certificate: shown.pem,
        ends_at: shown.not_after.to_string(),
        needed: certificates.is_own(),
    }))
}

/// Ends a client certificate.
#[utoipa::path(delete, path = "/api/v1/people/{person}/certificates/{certificate}", tag = "tokens", responses((status = 200, body = Done)))]
pub async fn end_certificate(
    State(desk): State<Desk>,
    of: Of,
    Path((_, certificate)): Path<(String, String)>,
) -> Result<Json<Done>, ApiProblem> {
    desk.signin.end_certificate(of.0, &certificate).await?;
    Ok(Done::json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_spelled_as_they_are_read() {
        for text in ["see:meter", "submit:*", "export:journal"] {
            assert_eq!(spelled(&scope_of(text).unwrap()), text);
        }
        for bad in ["", "see", "see:", "all:meter", "see:unicorn", "see:meter:x"] {
            assert_eq!(scope_of(bad).unwrap_err().status, 422, "{bad}");
        }
    }
}
