//! Help with the certificate: how to trust the hub's own authority, its certificate to download, and the answers to a
//! public authority's challenges. In clear on 8080, where nothing secret is shown or taken and everything else leads to
//! https; the same help stands on the site too.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domovoi_config::{Certificate, Challenge};

use super::serve::ChallengeOnly;
use super::{Caller, Desk, Doors, Peer, cookies, headers, pages, rule};
use crate::certificates::{AuthorityView, mobileconfig};
use crate::policy::{Kind, Verb, Who};

/// No body is taken.
const MAX_BODY: usize = 0;

/// Where an authority looks for the answer to its challenge (RFC 8555 section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Every door on 8080.
pub fn doors(desk: &Desk) -> Doors {
    let look = rule(Verb::See, Kind::Threshold);
    shared(desk)
        .door(&Method::GET, "/", look, pages::trust)
        .door(&Method::GET, "/assets/{file}", look, pages::asset)
        .door(&Method::GET, "/{*rest}", look, to_https)
}

/// Those of them that stand on the site too.
pub fn shared(desk: &Desk) -> Doors {
    let (get, look) = (Method::GET, rule(Verb::See, Kind::Threshold));
    Doors::new(desk, MAX_BODY)
        .door(&get, "/trust", look, pages::trust)
        .door(&get, "/trust/domovoi-ca.pem", look, as_pem)
        .door(&get, "/trust/domovoi-ca.cer", look, as_der)
        .door(&get, "/trust/domovoi-ca.mobileconfig", look, as_profile)
        .door(&get, "/.well-known/acme-challenge/{token}", look, challenge)
}

/// What 8080 serves.
pub fn site(desk: &Desk) -> Router {
    let router = doors(desk).into_router();
    let router = router.layer(from_fn_with_state(desk.clone(), as_a_stranger)).layer(from_fn(without_secrets));
    headers::around(router, desk).with_state(desk.clone())
}

/// Nobody signs in here, but everybody has a language and a network.
async fn as_a_stranger(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    let network = request.extensions().get::<Peer>().map(|peer| crate::policy::Network::of(peer.address));
    let mut caller = Caller { language: super::language_of(request.headers(), &desk), ..Caller::nobody() };
    if let Some(network) = network {
        caller.who = Who::nobody(network);
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// What was sent in clear has been seen: it is told so, and nothing is done with it. Cookies of other programs of the same
/// machine come along by themselves and are none of our business.
async fn without_secrets(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_challenge = path.starts_with(CHALLENGES);
    if request.extensions().get::<ChallengeOnly>().is_some() && !is_challenge {
        return (StatusCode::FORBIDDEN, "not from here\n").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "Nothing is taken here, because whatever is sent here can be read on the way. Use https.\n\
                    Здесь ничего не принимают: отправленное сюда видно всем по дороге. Откройте https.\n";
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], text).into_response();
    }
    if request.headers().contains_key(header::AUTHORIZATION) || cookies::is_there(request.headers()) {
        let text = "A secret was sent here in clear and may have been read on the way: end that session or token, and use \
                    https.\nСюда без шифрования прислали секрет, и его могли прочесть по дороге: завершите этот сеанс \
                    или отзовите токен и откройте https.\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    next.run(request).await
}

/// The same page on https, by the name that was asked for.
async fn to_https(State(desk): State<Desk>, uri: Uri, headers: HeaderMap) -> Response {
    let web = &desk.settings.web;
    let port = web.listen.first().map_or(443, std::net::SocketAddr::port);
    // It was found among our own names before; without one there is the host.
    let host = headers::host_of(&uri, &headers).unwrap_or_else(|| web.host.clone());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let path = uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let authority = if port == 443 { host } else { format!("{host}:{port}") };
    match HeaderValue::try_from(format!("https://{authority}{path}")) {
        Ok(location) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn challenge(State(desk): State<Desk>, Path(token): Path<String>) -> Response {
    let http = matches!(&desk.settings.web.certificate, Certificate::Acme(acme) if acme.challenge == Challenge::Http01);
    match desk.certificates.as_ref().filter(|_| http).and_then(|room| room.challenge_answer(&token)) {
        Some(answer) => ([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The authority, where there is one that devices have to be told to trust.
pub fn authority(desk: &Desk) -> Option<AuthorityView> {
    match desk.certificates.as_ref()?.authority() {
        Ok(authority) => Some(authority),
        Err(error) => {
            tracing::error!("the authority's certificate cannot be shown: {error}");
            None
        }
    }
}

async fn as_pem(State(desk): State<Desk>) -> Response {
    file(&desk, "application/x-pem-file", "domovoi-ca.pem", |authority| authority.pem.into_bytes())
}

/// The type by which Android and Windows know a certificate (RFC 2585 section 4.1 has another that they do not know).
async fn as_der(State(desk): State<Desk>) -> Response {
    file(&desk, "application/x-x509-ca-cert", "domovoi-ca.cer", |authority| authority.der)
}

async fn as_profile(State(desk): State<Desk>) -> Response {
    let home = desk.settings.home.name.clone();
    file(&desk, "application/x-apple-aspen-config", "domovoi-ca.mobileconfig", |authority| {
        mobileconfig(&authority.der, &home).into_bytes()
    })
}

fn file(desk: &Desk, kind: &'static str, name: &str, bytes: impl FnOnce(AuthorityView) -> Vec<u8>) -> Response {
    let Some(authority) = authority(desk) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, bytes(authority)).into_response()
}
