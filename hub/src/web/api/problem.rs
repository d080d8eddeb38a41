//! Errors as the API says them (RFC 9457), and the one place where a room's error becomes an HTTP status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;
use domovoi_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::devices::{DevicesError, Refused};
use crate::metering::MeteringError;
use crate::people::PeopleError;
use crate::signin::{SignInError, Unmet};
use crate::words::words;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiProblem {
    /// `https://domovoi.local/problems/<code>`
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, again.
    pub status: u16,
    /// The sentence for the person.
    pub title: String,
    /// Every rule that a chosen password or PIN does not meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<UnmetView>,
    /// Seconds to wait, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// Where the sentence stands in the locale files.
    #[serde(skip)]
    #[schema(ignore)]
    key: Option<&'static str>,
}

/// A rule that is not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnmetView {
    /// `short`, `common`, `about-you`, …
    pub code: String,
    /// A number that the rule needs: the length wanted.
    pub number: Option<usize>,
    /// The rule in words.
    pub sentence: String,
}

impl UnmetView {
    pub fn of(unmet: &Unmet, language: Language) -> Self {
        let number = unmet.number.unwrap_or_default().to_string();
        UnmetView {
            code: unmet.code.to_owned(),
            number: unmet.number,
            sentence: words(language).say(&format!("rule-{}", unmet.code), &[("number", &number)]),
        }
    }
}

impl ApiProblem {
    /// With a code of our own.
    pub fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        ApiProblem {
            kind: format!("https://domovoi.local/problems/{code}"),
            status: status.as_u16(),
            title: title.into(),
            unmet: Vec::new(),
            wait: None,
            key: None,
        }
    }

    /// What a person stated cannot be taken.
    pub fn invalid(title: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title)
    }

    /// There is no such thing.
    pub fn not_found(title: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", title)
    }

    /// Not now, or not like this.
    pub fn refused(title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "refused", title)
    }

    fn keyed(self, key: &'static str) -> Self {
        ApiProblem { key: Some(key), ..self }
    }

    /// The same in the caller's language, where the locale files have it.
    pub fn in_words(&self, language: Language) -> Option<Self> {
        let mut said = self.clone();
        if let Some(key) = self.key {
            let wait = self.wait.unwrap_or_default().to_string();
            let text = words(language).say(key, &[("seconds", &wait)]);
            if text != key {
                said.title = text;
            }
        }
        for unmet in &mut said.unmet {
            let number = unmet.number.unwrap_or_default().to_string();
            unmet.sentence = words(language).say(&format!("rule-{}", unmet.code), &[("number", &number)]);
        }
        (said != *self).then_some(said)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // The document is a few plain strings: writing it cannot fail.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"domovoi\""));
        }
        if let Some(wait) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The status of a store's error.
pub fn status_of(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::Conflict { .. } => StatusCode::CONFLICT,
        StoreError::NotFound { .. } => StatusCode::NOT_FOUND,
        StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        StoreError::Damaged { .. } | StoreError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        ApiProblem::new(status_of(&error), "store", error.to_string())
    }
}

impl From<MeteringError> for ApiProblem {
    fn from(error: MeteringError) -> Self {
        let text = error.to_string();
        match error {
            MeteringError::Store(error) => error.into(),
            MeteringError::NoSuch(_) => ApiProblem::not_found(text),
            MeteringError::Invalid(_) | MeteringError::NoSupplier(_) => ApiProblem::invalid(text),
            MeteringError::Closed
            | MeteringError::NotChecked(_)
            | MeteringError::NotCorrectable { .. }
            | MeteringError::LaterMonthStated { .. }
            | MeteringError::NothingToSay(_)
            | MeteringError::ClockNotTrusted => ApiProblem::refused(text),
            MeteringError::Key(_) | MeteringError::Document(_) | MeteringError::Random(_) => {
                ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
            }
        }
    }
}

impl From<DevicesError> for ApiProblem {
    fn from(error: DevicesError) -> Self {
        let text = error.to_string();
        match error {
            DevicesError::Store(error) => error.into(),
            DevicesError::NoDevice(_) | DevicesError::NoRoom(_) => ApiProblem::not_found(text),
            DevicesError::Invalid(_) => ApiProblem::invalid(text),
            DevicesError::Conflict(_) => ApiProblem::refused(text),
        }
    }
}

impl From<Refused> for ApiProblem {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::NoDevice(_) => ApiProblem::not_found(text),
            Refused::Cannot(_) => ApiProblem::invalid(text),
            Refused::AcceptAgain(..) => ApiProblem::new(StatusCode::CONFLICT, "accept-again", text),
            Refused::NotAccepted(_) => {
                ApiProblem::new(StatusCode::CONFLICT, "not-accepted", text).keyed("problem-not-accepted")
            }
            Refused::TooMany => ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-commands", text)
                .keyed("problem-too-many-commands"),
        }
    }
}

impl From<PeopleError> for ApiProblem {
    fn from(error: PeopleError) -> Self {
        let text = error.to_string();
        match error {
            PeopleError::Store(error) => error.into(),
            PeopleError::NoSuch(_) => ApiProblem::not_found(text),
            PeopleError::Invalid(_) => ApiProblem::invalid(text),
            PeopleError::Refused(_) => ApiProblem::refused(text),
            PeopleError::WrongCode => {
                ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-code", text).keyed("problem-wrong-code")
            }
        }
    }
}

impl From<SignInError> for ApiProblem {
    fn from(error: SignInError) -> Self {
        let text = error.to_string();
        match error {
            SignInError::Store(error) => error.into(),
            SignInError::People(error) => error.into(),
            SignInError::Wrong => ApiProblem::new(StatusCode::UNAUTHORIZED, "wrong", text).keyed("problem-wrong"),
            SignInError::Throttled(seconds) => ApiProblem {
                wait: Some(seconds),
                ..ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", text).keyed("problem-too-many-tries")
            },
            SignInError::Expired => ApiProblem::new(StatusCode::GONE, "expired", text).keyed("problem-expired"),
            SignInError::Weak(unmet) => ApiProblem {
                unmet: unmet.iter().map(|unmet| UnmetView::of(unmet, Language::English)).collect(),
                ..ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "weak", text).keyed("problem-weak")
            },
            SignInError::Refused(_) => ApiProblem::refused(text),
            SignInError::NoSuch(_) => ApiProblem::not_found(text),
        }
    }
}

/// The answer where there is no route.
pub async fn no_such_route() -> ApiProblem {
    ApiProblem::not_found("there is no such resource in this version of the API")
}

/// The answer where the route has no such method; `Allow` is added by the router.
pub async fn no_such_method() -> ApiProblem {
    ApiProblem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no-such-method",
        "this resource does not have this method; see Allow",
    )
}
