//! Signing in with the portal account, and tying one to oneself: the browser goes to the portal and comes back with an
//! answer that counts for this browser only. Who the portal says it is, the portal room verifies; whose session that
//! opens, the sign-in room knows.
//!
//! A form leads to the portal over a page with a link: our forms may be sent to our own pages only (`form-action`), and
//! browsers hold redirects to it too.

use askama::Template;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use url::Url;

use super::form::Form;
use super::refusal::Fault;
use super::signin::{Next, after, refused, sign_in_page};
use super::trouble::Trouble;
use super::view::View;
use super::{go, next_address, shown, wrong};
use crate::audit::{Actor, Entry, Outcome};
use crate::policy::{Decision, Kind, Object, Verb, decide};
use crate::portal::{Identity, IdentityError, Portal};
use crate::signin::SignInError;
use crate::web::{Caller, Desk, Front};

/// Where the portal sends the browser back to; it must have this address registered.
const RETURN_PATH: &str = "/sign-in/portal/return";

/// The cookie of a browser that is at the portal.
const COOKIE: &str = "domovoi-portal";

/// As long as the portal waits for a person, and a little.
const COOKIE_SECONDS: u32 = 900;

#[derive(Template)]
#[template(path = "portal-account.html")]
struct OnwardPage {
    v: View,
    address: String,
}

/// To the portal, to sign in.
pub async fn leave(
    State(desk): State<Desk>,
    uri: Uri,
    headers: HeaderMap,
    view: View,
    Query(next): Query<Next>,
) -> Result<Response, Fault> {
    let portal = desk.portal.as_ref().ok_or(Fault::NotFound)?;
    let next = next_address(&next.to);
    match begun(portal, &desk.front, &uri, &headers, format!("to {next}")).await {
        Ok((address, cookie)) => Ok(with_cookie(go(&address), cookie)),
        Err(why) => Ok(wrong(&sign_in_page(&desk, view.clone(), trouble(&view, &why), "", next))),
    }
}

/// To the portal, to tie the account there to oneself.
pub async fn leave_to_tie(
    State(desk): State<Desk>,
    uri: Uri,
    headers: HeaderMap,
    view: View,
    _form: Form,
) -> Result<Response, Fault> {
    let portal = desk.portal.as_ref().ok_or(Fault::NotFound)?;
    let me = view.me.as_ref().ok_or(Fault::NotFound)?.id;
    match begun(portal, &desk.front, &uri, &headers, format!("tie {me}")).await {
        Ok((address, cookie)) => Ok(with_cookie(shown(&OnwardPage { v: view, address }), cookie)),
        Err(why) => Ok(wrong(&sign_in_page(&desk, view.clone(), trouble(&view, &why), "", "/security"))),
    }
}

/// Back from the portal.
pub async fn come_back(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    view: View,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let portal = desk.portal.as_ref().ok_or(Fault::NotFound)?;
    let secret = cookie(&headers, name(&desk.front));
    let held = secret.and_then(|secret| portal.take_sign_in(secret));
    let done = match held {
        Some((pending, note)) => {
            let finishing = portal.finish_sign_in(pending, query.as_deref().unwrap_or_default());
            Box::pin(finishing).await.map(|identity| (identity, note))
        }
        None => Err(IdentityError::Stranger),
    };
    let response = match done {
        Ok((identity, note)) => match (note.strip_prefix("to "), note.strip_prefix("tie ")) {
            (Some(next), _) => signed_in(&desk, &caller, view, &identity, next).await?,
            (_, Some(person)) => tied(&desk, &caller, view, &identity, person).await?,
            _ => return Err(Fault::NotFound),
        },
        Err(why) => wrong(&sign_in_page(&desk, view.clone(), trouble(&view, &why), "", "/")),
    };
    Ok(with_cookie(response, written(&desk.front, "", 0)))
}

async fn signed_in(
    desk: &Desk,
    caller: &Caller,
    view: View,
    identity: &Identity,
    next: &str,
) -> Result<Response, Fault> {
    match desk.signin.with_portal_account(&identity.issuer, &identity.subject, &caller.origin).await {
        Ok(step) => Ok(after(desk, view, step, next_address(next))),
        Err(error) => {
            let trouble = refused(&view, error, "login", "portal-account-unknown")?;
            Ok(wrong(&sign_in_page(desk, view, trouble, "", next)))
        }
    }
}

/// Only the person who began it, still signed in: another one may sit at the browser by now.
async fn tied(desk: &Desk, caller: &Caller, view: View, identity: &Identity, person: &str) -> Result<Response, Fault> {
    let Some(me) = view.me.as_ref().map(|me| me.id).filter(|me| me.to_string() == person) else {
        let trouble = trouble(&view, &IdentityError::Stranger);
        return Ok(wrong(&sign_in_page(desk, view, trouble, "", "/security")));
    };
    // Ten minutes may have passed at the portal, and the proof that was shown before may have been somebody else's.
    let own = Object::of(Kind::Factor, me).dangerous();
    if let Decision::Refuse(refusal) = decide(&caller.who, Verb::Edit, &own, desk.now()) {
        return Ok(super::refusal(caller, &refusal));
    }
    let outcome = match desk.signin.add_portal_account(me, &identity.issuer, &identity.subject).await {
        Ok(_) => Ok(Outcome::Done),
        Err(SignInError::Refused(why)) => Err((Outcome::Refused("refused".to_owned()), SignInError::Refused(why))),
        Err(error) => return Err(error.into()),
    };
    let entry = Entry {
        actor: Actor::Person(me),
        origin: caller.origin.clone(),
        deed: "portal-account.added".to_owned(),
        object: Some(("person".to_owned(), Some(me.to_string()))),
        outcome: outcome.as_ref().map_or_else(|(refused, _)| refused.clone(), Clone::clone),
        changes: Vec::new(),
    };
    desk.journal.note(entry).await;
    match outcome {
        Ok(_) => Ok(go("/security")),
        Err((_, error)) => Err(error.into()),
    }
}

/// Begins at the portal: where the browser is to go, and the cookie that it is to bring back.
async fn begun(
    portal: &Portal,
    front: &Front,
    uri: &Uri,
    headers: &HeaderMap,
    note: String,
) -> Result<(String, HeaderValue), IdentityError> {
    let home = home_of(front, uri, headers)
        .ok_or_else(|| IdentityError::NotOffered("the page has no address to come back to".to_owned()))?;
    let (pending, address) = Box::pin(portal.begin_sign_in(home)).await?;
    let secret = portal.hold_sign_in(pending, note).map_err(|why| IdentityError::Unreachable(why.to_string()))?;
    Ok((address.to_string(), written(front, secret.expose(), COOKIE_SECONDS)))
}

/// Back to where the browser is now, so that it brings the cookie; an address that is not ours is not used.
fn home_of(front: &Front, uri: &Uri, headers: &HeaderMap) -> Option<Url> {
    // HTTP/2 names the host in the address, HTTP/1.1 in a header.
    let host = uri.authority().map(axum::http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok()).unwrap_or_default();
    let is_here = |origin: &&String| origin.split_once("://").is_some_and(|(_, at)| at.eq_ignore_ascii_case(host));
    let origin = front.origins.iter().find(is_here).or_else(|| front.origins.first())?;
    Url::parse(origin).ok()?.join(RETURN_PATH).ok()
}

fn trouble(view: &View, why: &IdentityError) -> Trouble {
    let key = match why {
        IdentityError::Denied => "portal-account-denied",
        IdentityError::Expired | IdentityError::Stranger => "portal-account-again",
        IdentityError::Unreachable(_) => "portal-account-unreachable",
        IdentityError::ClockNotSet => "portal-account-clock",
        IdentityError::NotOffered(_) => "portal-account-not-offered",
        IdentityError::Refused(_) => "portal-account-refused",
    };
    if let IdentityError::NotOffered(why) | IdentityError::Unreachable(why) = why {
        tracing::warn!("no sign-in with the portal account: {why}");
    }
    Trouble::at("login", view.t(key))
}

fn name(front: &Front) -> &'static str {
    if front.secure { "__Host-domovoi-portal" } else { COOKIE }
}

/// `Lax`: the way back is a navigation from the portal's site.
fn written(front: &Front, value: &str, max_age: u32) -> HeaderValue {
    let secure = if front.secure { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", name(front));
    let mut line = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    line.set_sensitive(true);
    line
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.find(|(given, _)| *given == name).map(|(_, value)| value)?;
    // Two of them: somebody has planted one.
    (pairs.all(|(given, other)| given != name || other == value) && value.len() <= 64).then_some(value)
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
