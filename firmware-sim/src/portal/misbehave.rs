//! What the portal can be asked to do wrong, once per entry, and the layer through which every request passes so that it
//! can. What needs the handler's knowledge (verdicts, refresh) is only handed on from here.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{Portal, line::Line, problem::Problem, state::Revoked};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misbehaviour {
    /// Does the work, then cuts the TCP connection without an answer.
    AnswerLostAfterCommit,
    /// Cuts the connection and does nothing.
    AnswerLostBeforeCommit,
    ServerError500,
    /// A proxy's error page instead of JSON.
    BadGateway502Html,
    TooManyRequests {
        retry_after_s: u64,
    },
    /// One `slow_down` at the next device poll.
    SlowDown,
    /// Every access token dies just before the next request.
    ExpireAccessTokens,
    /// Every grant dies: resources answer 403 `consent-withdrawn`, the token endpoint `invalid_grant`.
    WithdrawConsent,
    /// RFC 3339.
    WindowClosed {
        opens_at: String,
    },
    /// The first `reject` readings of the next new act are rejected with `code`.
    PartialAcceptance {
        reject: usize,
        code: String,
    },
    /// The next new act is `processing` for so many read-backs.
    SlowReadBack {
        polls: u32,
    },
    /// A captive portal's page, with status 200. The work is not done.
    Html200,
    /// The work is done; the answer is 32 MiB of JSON that never closes.
    HugeAnswer,
    /// The work is done; the right JSON comes as `text/plain`.
    WrongContentType,
    WrongHashInStatus,
    /// The refresh token is rotated, the answer is cut.
    RefreshAnswerLost,
    SlowAnswer {
        millis: u64,
    },
    AccountPending,
    AccountBlocked,
    /// The next request is told to come again with a DPoP nonce.
    NonceChallenge,
}

/// The kinds of requests that the portal tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Metadata,
    DeviceAuthorization,
    Pages,
    Token,
    Revocation,
    Accounts,
    HubKey,
    PutAct,
    GetAct,
    Receipt,
    Photo,
    Charges,
    Notifications,
    Alerts,
    Devices,
    ServiceRequests,
    Sandbox,
    Other,
}

impl Endpoint {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let Some(path) = path.strip_prefix("/api/v1/") else {
            return match path {
                "/.well-known/oauth-authorization-server" => Self::Metadata,
                "/oauth/device_authorization" => Self::DeviceAuthorization,
                "/oauth/device" | "/oauth/authorize" => Self::Pages,
                "/oauth/token" => Self::Token,
                "/oauth/revoke" => Self::Revocation,
                _ if path.starts_with("/_sandbox/") => Self::Sandbox,
                _ => Self::Other,
            };
        };
        let mut parts = path.split('/');
        match (parts.next().unwrap_or_default(), parts.nth(1)) {
            ("accounts", _) => Self::Accounts,
            ("hub-keys", _) => Self::HubKey,
            ("acts", Some("receipt")) => Self::Receipt,
            ("acts", Some("photos")) => Self::Photo,
            ("acts", _) if method == Method::PUT => Self::PutAct,
            ("acts", _) => Self::GetAct,
            ("charges", _) => Self::Charges,
            ("notifications", _) => Self::Notifications,
            ("alerts", _) => Self::Alerts,
            ("devices", _) => Self::Devices,
            ("service-requests", _) => Self::ServiceRequests,
            _ => Self::Other,
        }
    }

    fn is_oauth(self) -> bool {
        matches!(self, Self::Metadata | Self::DeviceAuthorization | Self::Pages | Self::Token | Self::Revocation)
    }
}

/// Which requests an entry of the queue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Any,
    /// Everything under `/api/v1`.
    Resources,
    OauthServer,
    /// `PUT` and `GET` of an act.
    ActStatus,
    Only(Endpoint),
}

impl Reach {
    fn covers(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Any => endpoint != Endpoint::Sandbox,
            Self::Resources => !endpoint.is_oauth() && !matches!(endpoint, Endpoint::Sandbox | Endpoint::Other),
            Self::OauthServer => endpoint.is_oauth(),
            Self::ActStatus => matches!(endpoint, Endpoint::PutAct | Endpoint::GetAct),
            Self::Only(only) => only == endpoint,
        }
    }
}

impl Misbehaviour {
    /// Where it strikes when nobody says where.
    pub fn usual_reach(&self) -> Reach {
        match self {
            Self::SlowDown | Self::RefreshAnswerLost => Reach::Only(Endpoint::Token),
            Self::WindowClosed { .. }
            | Self::AccountPending
            | Self::AccountBlocked
            | Self::PartialAcceptance { .. }
            | Self::SlowReadBack { .. } => Reach::Only(Endpoint::PutAct),
            Self::WrongHashInStatus => Reach::ActStatus,
            _ => Reach::Resources,
        }
    }

    /// The token endpoint learns only from the form whether these concern it, so it takes them itself.
    fn waits_for_form(&self) -> bool {
        matches!(self, Self::SlowDown | Self::RefreshAnswerLost)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub(crate) what: Misbehaviour,
    pub(crate) reach: Reach,
    pub(crate) times: u32,
}

/// The entries not yet spent, first in first out among those that fit.
#[derive(Debug, Default)]
pub(crate) struct Queue(pub(crate) Vec<Queued>);

impl Queue {
    pub(crate) fn take(&mut self, fits: impl Fn(&Queued) -> bool) -> Option<Misbehaviour> {
        let at = self.0.iter().position(fits)?;
        let entry = self.0.get_mut(at)?;
        let what = entry.what.clone();
        entry.times = entry.times.saturating_sub(1);
        if entry.times == 0 {
            self.0.remove(at);
        }
        Some(what)
    }
}

/// Put into a request for its handler.
#[derive(Clone)]
pub(crate) struct Taken(pub(crate) Misbehaviour);

/// Put into a response by a handler: cut instead of answering.
#[derive(Clone, Copy)]
pub(crate) struct Cut;

const UNREAD_CAP_BYTES: usize = 8 * 1024 * 1024;
const HUGE_ANSWER_BYTES: usize = 32 * 1024 * 1024;

pub(crate) async fn pass(
    State(portal): State<Arc<Portal>>,
    ConnectInfo(line): ConnectInfo<Line>,
    mut request: Request,
    next: Next,
) -> Response {
    let endpoint = Endpoint::of(request.method(), request.uri().path());
    let taken = portal.update(|state| {
        *state.requests.entry(endpoint).or_default() += 1;
        // Counted here, because an answer may be lost before the handler. Somebody who sends ids without end shall not
        // fill the memory.
        if endpoint == Endpoint::PutAct && state.act_puts.len() < 100_000 {
            let id = request.uri().path().rsplit('/').next().unwrap_or_default();
            *state.act_puts.entry(id.to_owned()).or_default() += 1;
        }
        state.faults.take(|queued| queued.reach.covers(endpoint) && !queued.what.waits_for_form())
    });
    let Some(what) = taken else {
        let response = next.run(request).await;
        return cut_if_asked(&line, response);
    };
    portal.tell(format!("misbehaves at {endpoint:?}: {what:?}"));
    match what {
        Misbehaviour::AnswerLostBeforeCommit => cut(&line),
        Misbehaviour::AnswerLostAfterCommit => {
            next.run(request).await;
            cut(&line)
        }
        Misbehaviour::SlowAnswer { millis } => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            cut_if_asked(&line, next.run(request).await)
        }
        Misbehaviour::HugeAnswer => {
            let status = next.run(request).await.status();
            let mut body = br#"{"accounts":["#.to_vec();
            body.resize(HUGE_ANSWER_BYTES, b' ');
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Misbehaviour::WrongContentType => {
            let mut response = cut_if_asked(&line, next.run(request).await);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
        Misbehaviour::ExpireAccessTokens => {
            portal.update(|state| state.oauth.expire_access_tokens());
            cut_if_asked(&line, next.run(request).await)
        }
        Misbehaviour::WithdrawConsent => {
            if let Err(error) = portal.update_oauth(|oauth| oauth.revoke_all(Revoked::ConsentWithdrawn)) {
                return Problem::disk(&error).into_response();
            }
            cut_if_asked(&line, next.run(request).await)
        }
        other => match instead(&portal, endpoint, &other) {
            Some(response) => {
                // Unread, a long body would turn the answer into a reset at the peer.
                let _ = axum::body::to_bytes(request.into_body(), UNREAD_CAP_BYTES).await;
                response
            }
            None => {
                request.extensions_mut().insert(Taken(other));
                cut_if_asked(&line, next.run(request).await)
            }
        },
    }
}

/// Answers that replace the handler's.
fn instead(portal: &Portal, endpoint: Endpoint, what: &Misbehaviour) -> Option<Response> {
    let page = |status, text| (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    Some(match what {
        Misbehaviour::ServerError500 => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server-error", "on request").into_response()
        }
        Misbehaviour::BadGateway502Html => {
            page(StatusCode::BAD_GATEWAY, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
        }
        Misbehaviour::Html200 => {
            page(StatusCode::OK, "<!doctype html><title>Вход</title><p>Примите условия, чтобы выйти в интернет</p>")
        }
        Misbehaviour::TooManyRequests { retry_after_s } => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "on request")
                .with(header::RETRY_AFTER, retry_after_s.to_string())
                .into_response()
        }
        Misbehaviour::WindowClosed { opens_at } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "window-closed", "readings are not taken now")
                .opens_at(opens_at.clone())
                .into_response()
        }
        Misbehaviour::AccountPending => {
            Problem::new(StatusCode::FORBIDDEN, "account-pending", "the account waits for confirmation").into_response()
        }
        Misbehaviour::AccountBlocked => {
            Problem::new(StatusCode::FORBIDDEN, "account-blocked", "the account is blocked").into_response()
        }
        Misbehaviour::NonceChallenge => {
            let nonce = portal.update(|state| state.nonces.issue(true));
            super::oauth::dpop::nonce_challenge(endpoint.is_oauth(), &nonce)
        }
        _ => return None,
    })
}

fn cut(line: &Line) -> Response {
    line.cut();
    Response::new(Body::empty())
}

fn cut_if_asked(line: &Line, mut response: Response) -> Response {
    if response.extensions_mut().remove::<Cut>().is_some() {
        return cut(line);
    }
    // What the portal says is never a page's to cache.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
