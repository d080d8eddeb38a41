//! How a refusal is said: a problem document to a program, a page to a person, a redirect to the sign-in page where
//! signing in would help. It judges nothing.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;

use super::caller::Unknown;
use super::limits::Room;
use super::origin::own_path;
use super::{ApiProblem, Caller};
use crate::policy::Refusal;
use crate::words::words;

/// How lately a factor has to have been shown, in seconds (RFC 9470 says it to programs).
const STEP_UP_MAX_AGE: u32 = 300;

/// The answer to a request that the policy refused.
pub fn answer(refusal: &Refusal, request: &Request, caller: &Caller) -> Response {
    if !in_api(request) {
        return match refusal {
            Refusal::SignIn => go("/sign-in", request),
            Refusal::StepUp => go("/step-up", request),
            _ => super::pages::refusal(caller, refusal),
        };
    }
    let status = if *refusal == Refusal::SignIn { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let mut response = ApiProblem::new(status, refusal.code(), sentence(refusal, caller.language)).into_response();
    let challenge = match refusal {
        Refusal::SignIn => Some("Bearer realm=\"domovoi\"".to_owned()),
        Refusal::Scope => Some("Bearer realm=\"domovoi\", error=\"insufficient_scope\"".to_owned()),
        Refusal::StepUp | Refusal::Stronger => Some(format!(
            "Bearer realm=\"domovoi\", error=\"insufficient_user_authentication\", max_age={STEP_UP_MAX_AGE}"
        )),
        _ => None,
    };
    if let Some(value) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// Why, in a sentence for the person.
pub fn sentence(refusal: &Refusal, language: Language) -> String {
    let variables = refusal.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    words(language).say(&format!("refusal-{}", refusal.code()), &variables)
}

/// The answer to a request that was not even looked at.
pub fn unknown(why: Unknown, request: &Request, language: Language) -> Response {
    let (status, code) = why.said();
    if let Unknown::Failed(error) = &why {
        tracing::error!("a caller could not be looked up: {error}");
    }
    let text = words(language).say(&format!("request-{code}"), &[]);
    let mut response = if in_api(request) {
        ApiProblem::new(status, code, text).into_response()
    } else {
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
    };
    if matches!(why, Unknown::BadToken) {
        let value = HeaderValue::from_static("Bearer realm=\"domovoi\", error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// Too many requests from one caller or one address.
pub fn too_many(room: &Room) -> Response {
    let wait = if let Room::Full { wait, .. } = room { *wait } else { 1 };
    let problem = ApiProblem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many",
        format!("too many requests / слишком много запросов: {wait} s"),
    );
    let mut response = problem.into_response();
    room.write(response.headers_mut());
    response
}

/// Why the policy said no, from inside a handler that asked it once more.
pub fn problem(refusal: &Refusal, language: Language) -> ApiProblem {
    ApiProblem::new(StatusCode::FORBIDDEN, refusal.code(), sentence(refusal, language))
}

/// The path names nobody.
pub fn no_such_person(language: Language) -> ApiProblem {
    ApiProblem::not_found(words(language).say("request-no-such-person", &[]))
}

fn in_api(request: &Request) -> bool {
    request.uri().path().starts_with("/api/")
}

/// To a page of ours, and from there back to where the person wanted to go. What a form was to do is not repeated.
fn go(page: &str, request: &Request) -> Response {
    let wanted = match *request.method() {
        Method::GET | Method::HEAD => request.uri().path_and_query().map(axum::http::uri::PathAndQuery::as_str),
        _ => None,
    };
    let location = match wanted.and_then(own_path).filter(|path| *path != "/") {
        Some(to) => {
            let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            format!("{page}?to={to}")
        }
        None => page.to_owned(),
    };
    let location = HeaderValue::try_from(location).unwrap_or_else(|_| HeaderValue::from_static("/sign-in"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(method: Method, uri: &str) -> Request {
        axum::http::Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
    }

    fn location(refusal: &Refusal, method: Method, uri: &str) -> String {
        let response = answer(refusal, &asked(method, uri), &Caller::nobody());
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        response.headers()[header::LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_page_leads_to_the_sign_in_page_and_back_to_our_own_pages_only() {
        assert_eq!(location(&Refusal::SignIn, Method::GET, "/people?x=1&y=2"), "/sign-in?to=%2Fpeople%3Fx%3D1%26y%3D2");
        assert_eq!(location(&Refusal::SignIn, Method::GET, "/"), "/sign-in");
        assert_eq!(location(&Refusal::SignIn, Method::GET, "//evil.example/a"), "/sign-in");
        assert_eq!(location(&Refusal::SignIn, Method::POST, "/people"), "/sign-in", "a form is not sent again");
        assert_eq!(location(&Refusal::StepUp, Method::GET, "/security"), "/step-up?to=%2Fsecurity");
    }

    #[test]
    fn a_program_is_told_what_to_show() {
        let refused = |refusal| answer(&refusal, &asked(Method::GET, "/api/v1/people"), &Caller::nobody());
        let response = refused(Refusal::SignIn);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"domovoi\"");
        let response = refused(Refusal::StepUp);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().contains("max_age=300"));
        assert!(!refused(Refusal::Role).headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
