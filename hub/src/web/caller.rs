//! Who makes a request: found once, from the control socket, a session cookie, a bearer token or a client certificate.
//! It decides nothing about what the caller may do; it does refuse what cannot be the caller's own wish: a change that
//! another site's page asks for, and a secret in an address.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use domovoi_config::Language;
use domovoi_vault::Secret;

use super::origin::{Site, changes, site};
use super::{Desk, cookies, limits, refused};
use crate::audit::{Actor, Entry, Origin, Outcome, Road};
use crate::policy::{Kind, Network, Refusal, Subject, Who};
use crate::signin::{SessionView, SignInError};

/// What a peer says it is, in characters.
const MAX_DEVICE: usize = 200;

/// A bearer token of ours is a fifth of it.
const MAX_TOKEN: usize = 512;

/// The header that repeats the session's token against forged requests.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The header of a request that a page makes by itself.
const RESTING_HEADER: &str = "x-domovoi-resting";

/// The one who makes a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For the policy.
    pub who: Who,
    /// For the journal.
    pub origin: Origin,
    /// The session, if a cookie brought one.
    pub session: Option<SessionView>,
    /// The language of sentences for the caller.
    pub language: Language,
    /// What the caller has shown; an answer that lasts asks again with it.
    pub shown: Shown,
}

/// What somebody has shown.
#[derive(Debug, Clone, Default)]
pub enum Shown {
    /// Nothing.
    #[default]
    Nothing,
    /// The machine itself.
    Console,
    /// A session's cookie.
    Cookie(Arc<Secret<String>>),
    /// A bearer token.
    Token(Arc<Secret<String>>),
    /// A client certificate, by its fingerprint.
    Certificate([u8; 32]),
}

impl Caller {
    /// Somebody of whom nothing is known.
    pub fn nobody() -> Self {
        Caller {
            who: Who::nobody(Network::Outside),
            origin: Origin::default(),
            session: None,
            language: Language::Russian,
            shown: Shown::Nothing,
        }
    }

    /// Whoever holds the machine.
    pub fn console(language: Language) -> Self {
        Caller {
            who: Who::console(),
            origin: Origin { road: Road::Console, ..Origin::default() },
            language,
            shown: Shown::Console,
            ..Self::nobody()
        }
    }

    /// For the journal.
    pub fn actor(&self) -> Actor {
        match &self.who.subject {
            Subject::Nobody => Actor::Nobody,
            Subject::House => Actor::House,
            Subject::Console => Actor::Console,
            Subject::Person(id) => Actor::Person(*id),
            Subject::Credential { username, .. } => Actor::Credential(username.clone()),
        }
    }

    /// What the journal says of a deed that was refused inside its door.
    pub fn refused(&self, deed: &str, object: (Kind, String), refusal: &Refusal) -> Entry {
        Entry {
            actor: self.actor(),
            origin: self.origin.clone(),
            deed: deed.to_owned(),
            object: Some((object.0.code().to_owned(), Some(object.1))),
            outcome: Outcome::Refused(refusal.code().to_owned()),
            changes: Vec::new(),
        }
    }

    /// Who this is now: a session may have ended, a token expired, rights may have changed. `None`: nobody any more.
    pub async fn again(&self, desk: &Desk) -> Option<Who> {
        let network = self.who.network;
        let answer = match &self.shown {
            Shown::Nothing => return None,
            Shown::Console => return Some(Who::console()),
            Shown::Cookie(cookie) => {
                desk.signin.by_resting_cookie(cookie.expose(), network).await.map(|found| found.map(|(who, _)| who))
            }
            Shown::Token(token) => desk.signin.by_token(token.expose(), network).await,
            Shown::Certificate(fingerprint) => desk.signin.by_certificate(fingerprint, network).await,
        };
        answer.ok().flatten()
    }
}

/// Put into each request by [`know_the_caller`], or by the control socket's router. One without is nobody's.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::nobody))
    }
}

/// What the listener knows of a connection; put into each of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// SHA-256 of the client's certificate, if it showed one that our authority signed.
    pub certificate: Option<[u8; 32]>,
}

/// Finds out who makes a request.
pub async fn know_the_caller(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    let strange = desk.limits.by_address(peer.as_ref().map(|peer| peer.address));
    if let limits::Room::Full { .. } = strange {
        return refused::too_many(&strange);
    }
    // A body cannot be looked at by two threads, and a look-up may change threads: it stays out of it.
    let (parts, body) = request.into_parts();
    let found = find(&desk, peer.as_ref(), &parts).await;
    let mut request = Request::from_parts(parts, body);
    let caller = match found {
        Ok(caller) => caller,
        Err(why) => return refused::unknown(why, &request, language_of(request.headers(), &desk)),
    };
    let room = desk.limits.by_caller(&caller).unwrap_or(strange);
    if let limits::Room::Full { .. } = room {
        return refused::too_many(&room);
    }
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    room.write(response.headers_mut());
    response
}

/// Why a request is not even looked at.
#[derive(Debug)]
pub enum Unknown {
    /// A bearer token or another authorization that counts for nothing.
    BadToken,
    /// A secret in the address.
    TokenInAddress,
    /// A change that another site's page asks for.
    ForeignSite,
    /// The session's token is missing or wrong.
    Forged,
    /// Nobody could be looked up.
    Failed(SignInError),
}

async fn find(desk: &Desk, peer: Option<&Peer>, request: &Parts) -> Result<Caller, Unknown> {
    let headers = &request.headers;
    if has_token(&request.uri) {
        return Err(Unknown::TokenInAddress);
    }
    let network = peer.map_or(Network::Outside, |peer| Network::of(peer.address));
    let in_api = request.uri.path().starts_with("/api/");
    let mut caller = Caller {
        who: Who::nobody(network),
        origin: Origin { road: Road::Page, address: peer.map(|peer| peer.address), device: device_of(headers) },
        session: None,
        language: language_of(headers, desk),
        shown: Shown::Nothing,
    };
    if let Some(token) = bearer(headers)? {
        // A bad token is an error, not «nobody»: a program must hear that it has expired, not see an emptier house.
        let who = desk.signin.by_token(&token, network).await.map_err(Unknown::Failed)?;
        caller.who = who.ok_or(Unknown::BadToken)?;
        if let Some(address) = caller.origin.address {
            desk.signin.came_from(&token, address);
        }
        caller.origin.road = Road::Api;
        caller.shown = Shown::Token(Arc::new(Secret::new(token)));
        set_language(&mut caller, desk);
        return Ok(caller);
    }
    let from = site(&desk.front, headers, &request.uri);
    let changing = changes(&request.method);
    let found = match cookies::read(&desk.front, headers) {
        None => None,
        // A page that refreshes itself says so; saying it wrongly only lets the session end sooner.
        Some(cookie) if !changing && is_resting(request) => {
            desk.signin.by_resting_cookie(&cookie, network).await.map_err(Unknown::Failed)?.map(|found| (cookie, found))
        }
        Some(cookie) => {
            desk.signin.by_cookie(&cookie, network).await.map_err(Unknown::Failed)?.map(|found| (cookie, found))
        }
    };
    if let Some((cookie, (who, session))) = found {
        caller.who = who;
        if let Some(address) = caller.origin.address {
            desk.signin.came_from(&cookie, address);
        }
        caller.shown = Shown::Cookie(Arc::new(Secret::new(cookie)));
        set_language(&mut caller, desk);
        if changing && from != Site::Own {
            return Err(Unknown::ForeignSite);
        }
        if changing && in_api && !shows_csrf(headers, &session) {
            return Err(Unknown::Forged);
        }
        caller.session = Some(session);
    } else if let Some(fingerprint) = peer.and_then(|peer| peer.certificate)
        && let Some(who) = desk.signin.by_certificate(&fingerprint, network).await.map_err(Unknown::Failed)?
    {
        caller.who = who;
        caller.origin.road = Road::Api;
        caller.shown = Shown::Certificate(fingerprint);
        set_language(&mut caller, desk);
    }
    // Programs say nothing about their origin; a browser does, and shows a certificate to whichever page asks it to. No
    // page of another site has any business with the API, be it only to look.
    if from == Site::Foreign && (changing || in_api) {
        return Err(Unknown::ForeignSite);
    }
    Ok(caller)
}

/// Whether a page makes this request by itself, and nobody has touched it.
fn is_resting(request: &Parts) -> bool {
    let is_stream = matches!(request.uri.path(), "/api/v1/events" | "/api/v1/live");
    is_stream || request.headers.contains_key(RESTING_HEADER)
}

/// The token of `Authorization: Bearer …`; another scheme, or two of them, is refused.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, Unknown> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.to_str().map_err(|_| Unknown::BadToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Unknown::BadToken)?;
    let token = token.trim();
    let plain = !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if lines.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || !plain {
        return Err(Unknown::BadToken);
    }
    Ok(Some(token.to_owned()))
}

/// An address ends up in logs, in histories and in `Referer`: a secret has no place in it (RFC 6750, 5.3).
fn has_token(uri: &Uri) -> bool {
    let names = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    names.into_iter().any(|(name, _)| name.eq_ignore_ascii_case("access_token") || name.eq_ignore_ascii_case("token"))
}

fn shows_csrf(headers: &HeaderMap, session: &SessionView) -> bool {
    let shown = headers.get(CSRF_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    same(shown, session.csrf.expose().as_bytes())
}

/// Compares without telling by its time how much agrees.
pub fn same(shown: &[u8], wanted: &[u8]) -> bool {
    let differs = shown.iter().zip(wanted).fold(0u8, |differs, (a, b)| differs | (a ^ b));
    shown.len() == wanted.len() && !wanted.is_empty() && std::hint::black_box(differs) == 0
}

fn device_of(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(header::USER_AGENT)?.as_bytes()).into_owned();
    let printable: String = text.chars().filter(|c| !c.is_control()).take(MAX_DEVICE).collect();
    (!printable.trim().is_empty()).then(|| printable.trim().to_owned())
}

/// The first of our languages that the browser names; else the home's.
pub fn language_of(headers: &HeaderMap, desk: &Desk) -> Language {
    let wishes = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = wishes.split(',').take(16).find_map(|wish| {
        let tag = wish.split(';').next()?.trim().split('-').next()?.to_ascii_lowercase();
        [Language::Russian, Language::English].into_iter().find(|language| language.code() == tag)
    });
    known.unwrap_or(desk.settings.home.language)
}

/// A person's own language goes before the browser's.
fn set_language(caller: &mut Caller, desk: &Desk) {
    let person = caller.who.person().and_then(|id| desk.people.get(id));
    if let Some(language) = person.and_then(|person| person.profile.language) {
        caller.language = language;
    }
}

/// The status of a request whose maker could not be found out.
impl Unknown {
    /// Status, code of the problem and key of the sentence.
    pub fn said(&self) -> (StatusCode, &'static str) {
        match self {
            Unknown::BadToken => (StatusCode::UNAUTHORIZED, "bad-token"),
            Unknown::TokenInAddress => (StatusCode::BAD_REQUEST, "token-in-address"),
            Unknown::ForeignSite => (StatusCode::FORBIDDEN, "foreign-site"),
            Unknown::Forged => (StatusCode::FORBIDDEN, "forged"),
            Unknown::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_home_however_they_are_written() {
        for (address, home) in [
            ("127.0.0.1", true),
            ("192.168.1.7", true),
            ("10.0.0.1", true),
            ("172.31.255.1", true),
            ("169.254.1.1", true),
            ("::1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("::ffff:192.168.1.7", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()) == Network::Home, home, "{address}");
        }
    }

    #[test]
    fn a_device_is_printable_and_short_and_a_secret_in_an_address_is_seen() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, format!("A\tб{}", "x".repeat(300)).parse().unwrap());
        let device = device_of(&headers).unwrap();
        assert!(device.starts_with("Aб") && device.chars().count() == MAX_DEVICE, "{device}");
        for uri in ["/?token=a", "/?a=b&access_token=c", "/?Access_Token=c", "/?%74oken=c"] {
            assert!(has_token(&uri.parse().unwrap()), "{uri}");
        }
        assert!(!has_token(&"/?q=token".parse().unwrap()));
    }

    #[test]
    fn only_one_bearer_token_is_taken() {
        let with = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, line.parse().unwrap());
            }
            bearer(&headers)
        };
        assert!(matches!(with(&[]), Ok(None)));
        assert!(matches!(with(&["bearer dmv_1"]), Ok(Some(token)) if token == "dmv_1"));
        for bad in [&["Basic YTpi"][..], &["Bearer"], &["Bearer "], &["Bearer a b"], &["Bearer a", "Bearer b"]] {
            assert!(matches!(with(bad), Err(Unknown::BadToken)), "{bad:?}");
        }
    }

    #[test]
    fn comparing_needs_all_of_it() {
        assert!(same(b"abc", b"abc"));
        for shown in [&b""[..], b"ab", b"abd", b"abcd"] {
            assert!(!same(shown, b"abc"));
        }
        assert!(!same(b"", b""), "nothing to compare with is not agreement");
    }
}
