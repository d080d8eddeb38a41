//! How a refusal is said: a problem document to a program, a page to a person, a redirect to the sign-in page where
//! signing in would help.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{ApiProblem, Caller};
use crate::policy::Refusal;

/// The answer to a request that the policy refused.
pub fn answer(refusal: &Refusal, _request: &Request, _caller: &Caller) -> Response {
    // SKELETON: pages get a page (pages::refusal), SignIn and StepUp on a page redirect; sentences come from Fluent.
    let status = if *refusal == Refusal::SignIn { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    ApiProblem::new(status, refusal.code(), refusal.code()).into_response()
}

/// The path names nobody.
pub fn no_such_person(_request: &Request) -> ApiProblem {
    ApiProblem::not_found("there is no such person")
}
