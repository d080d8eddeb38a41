//! How a page says no: what the policy refused, what is not there, what a form did wrong, what failed. A handler answers
//! with a [`Fault`]; the page around it is made here, in the reader's language, after the handler is done.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domovoi_store::StoreError;

use super::page;
use super::view::View;
use crate::metering::MeteringError;
use crate::people::PeopleError;
use crate::policy::Refusal;
use crate::signin::SignInError;
use crate::web::origin::own_path;
use crate::web::{Caller, Desk, sentence, status_of};

/// Why there is no page.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The policy says no.
    Refused(Refusal),
    /// There is no such page or thing.
    NotFound,
    /// The form is not from one of our pages, or from a session that is over.
    Forged,
    /// More bytes than any of our forms has.
    TooLarge,
    /// No browser sends a form like this.
    BadForm,
    /// Too many tries; so many seconds to wait.
    Wait(u64),
    /// What was begun is over.
    Expired,
    /// A room will not, in its own words.
    Words(StatusCode, String),
    /// The room of cameras will not; said in the reader's language.
    Camera(StatusCode, std::sync::Arc<crate::cameras::CamerasError>),
}

impl Fault {
    fn status(&self) -> StatusCode {
        match self {
            Fault::Refused(_) | Fault::Forged => StatusCode::FORBIDDEN,
            Fault::NotFound => StatusCode::NOT_FOUND,
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::BadForm => StatusCode::BAD_REQUEST,
            Fault::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            Fault::Expired => StatusCode::GONE,
            Fault::Words(status, _) | Fault::Camera(status, _) => *status,
        }
    }
}

/// Bare: [`dress`] makes the page.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Fault::NotFound,
            error => Fault::Words(status_of(&error), error.to_string()),
        }
    }
}

impl From<PeopleError> for Fault {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::NoSuch(_) => Fault::NotFound,
            PeopleError::Store(error) => error.into(),
            error => Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        }
    }
}

impl From<SignInError> for Fault {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NoSuch(_) => Fault::NotFound,
            SignInError::Throttled(seconds) => Fault::Wait(seconds),
            SignInError::Expired => Fault::Expired,
            SignInError::People(error) => error.into(),
            SignInError::Store(error) => error.into(),
            // In Russian first; what this says is for the few errors that no page expects.
            error => Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, error.say(domovoi_config::Language::Russian)),
        }
    }
}

impl From<MeteringError> for Fault {
    fn from(error: MeteringError) -> Self {
        match error {
            MeteringError::NoSuch(_) => Fault::NotFound,
            MeteringError::Store(error) => error.into(),
            error => Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        }
    }
}

/// What the policy refused, said as a page; where signing in or proving oneself would help, the way there.
pub fn refusal(_caller: &Caller, refusal: &Refusal) -> Response {
    Fault::Refused(refusal.clone()).into_response()
}

/// The page where there is none.
pub async fn no_such_page(view: View) -> Response {
    said(&view, &Fault::NotFound, "/")
}

/// Makes the page of a fault that a door answered with.
pub async fn dress(State(desk): State<Desk>, caller: Caller, request: Request, next: Next) -> Response {
    let (headers, uri, method) = (request.headers().clone(), request.uri().clone(), request.method().clone());
    let mut response = next.run(request).await;
    // A form that was refused for want of a factor is not sent again: the reader goes back to the page that held it.
    if response.headers().get(header::LOCATION).is_some_and(|to| to == "/step-up")
        && let Some(from) = came_from(&desk, &headers)
    {
        let from: String = url::form_urlencoded::byte_serialize(from.as_bytes()).collect();
        if let Ok(to) = HeaderValue::try_from(format!("/step-up?to={from}")) {
            response.headers_mut().insert(header::LOCATION, to);
        }
    }
    let Some(fault) = response.extensions().get::<Fault>().cloned() else { return response };
    let from = if method == Method::GET { None } else { came_from(&desk, &headers) };
    let from = from.unwrap_or_else(|| "/".to_owned());
    said(&View::of(&desk, &caller, &headers, uri.path()), &fault, &from)
}

/// The page of ours that the browser says it comes from.
fn came_from(desk: &Desk, headers: &HeaderMap) -> Option<String> {
    let referer = headers.get(header::REFERER)?.to_str().ok()?;
    let own = desk.front.origins.iter().find_map(|origin| referer.strip_prefix(origin.as_str()))?;
    own_path(own).map(str::to_owned)
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage {
    v: View,
    title: String,
    text: String,
    detail: Option<String>,
    back: String,
}

fn said(view: &View, fault: &Fault, back: &str) -> Response {
    let status = fault.status();
    let (title, text, detail) = match fault {
        Fault::Refused(refusal) => (view.t("page-fault-refused"), sentence(refusal, view.language()), None),
        Fault::NotFound => (view.t("page-fault-missing"), view.t("page-fault-missing-text"), None),
        Fault::Forged => (view.t("page-fault-forged"), view.t("page-fault-forged-text"), None),
        Fault::TooLarge => (view.t("page-fault-large"), view.t("page-fault-large-text"), None),
        Fault::BadForm => (view.t("page-fault-form"), view.t("page-fault-form-text"), None),
        Fault::Wait(seconds) => {
            let minutes = seconds.div_ceil(60);
            (view.t("page-fault-wait"), view.t1("page-fault-wait-text", "minutes", minutes), None)
        }
        Fault::Expired => (view.t("page-fault-expired"), view.t("page-fault-expired-text"), None),
        Fault::Words(status, words) if status.is_server_error() => {
            tracing::error!("a page could not be made: {words}");
            (view.t("page-fault-broken"), view.t("page-fault-broken-text"), None)
        }
        Fault::Camera(_, error) => {
            let words = crate::web::camera_words::error(error, view.language());
            (view.t("page-fault-no"), view.t("page-fault-no-text"), Some(words))
        }
        Fault::Words(_, words) => (view.t("page-fault-no"), view.t("page-fault-no-text"), Some(words.clone())),
    };
    page(status, &FaultPage { v: view.clone(), title, text, detail, back: back.to_owned() })
}
