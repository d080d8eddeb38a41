//! Linking through a browser on this machine (RFC 8252): authorization code, PKCE S256, state, the `iss` check of RFC
//! 9207, and a listener on a loopback port that serves the redirect and nothing else.
//!
//! The listener believes nobody: anything on this machine can connect to it, so only a request with our state counts,
//! the rest gets a short refusal and does not end the waiting.

use std::borrow::Cow;
use std::time::Duration;

use oauth2::{AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, RedirectUrl};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::{Url, form_urlencoded};

use super::LinkError;
use super::discovery::Metadata;
use super::dpop::DpopKey;
use super::link::Inner;
use super::tokens::{Binding, Granted, granted, oauth_client, scopes, token_error};
use crate::outside::tame;

/// What a portal registers as `http://127.0.0.1/domovoi/linked`; the port varies (RFC 8252 section 7.3).
pub const REDIRECT_PATH: &str = "/domovoi/linked";
/// A browser's request head with a long code fits well; nothing else has to.
const HEAD_MAX: usize = 16 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Connections that are not the redirect (a favicon, a scanner) before it counts as an attack.
const STRANGERS_MAX: u32 = 64;

/// The parameters of a redirect.
#[derive(Default)]
pub(super) struct Redirect {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Opens the listener, has the browser opened by `open`, waits for the redirect, exchanges the code.
pub(crate) async fn run(
    inner: &Inner,
    metadata: &Metadata,
    key: Option<&DpopKey>,
    binding: Binding,
    open: impl FnOnce(Url),
) -> Result<Granted, LinkError> {
    let Some(endpoint) = &metadata.authorization_endpoint else {
        return Err(LinkError::NotOffered("the portal offers no page to link through; use a device code".to_owned()));
    };
    if metadata.pkce_s256 == Some(false) {
        return Err(LinkError::NotOffered("the portal does not take PKCE with S256".to_owned()));
    }
    let settings = &inner.settings;
    let no_port = |why: std::io::Error| LinkError::Failed(format!("no port on 127.0.0.1 can be opened: {why}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(no_port)?;
    let port = listener.local_addr().map_err(no_port)?.port();
    // The literal address, not `localhost` (RFC 8252 section 8.3).
    let redirect = RedirectUrl::new(format!("http://127.0.0.1:{port}{REDIRECT_PATH}"))
        .map_err(|why| LinkError::Failed(format!("no redirect address: {why}")))?;

    let client = oauth_client(&settings.client_id, &metadata.token_endpoint)
        .set_auth_uri(AuthUrl::from_url(endpoint.clone()))
        .set_redirect_uri(redirect.clone());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(|| CsrfToken::new_random_len(32))
        .add_scopes(scopes(&settings.scopes))
        .set_pkce_challenge(challenge);
    if settings.scopes.iter().any(|scope| scope == "offline_access") {
        // OpenID Connect Core section 11: without it the scope is ignored, and no refresh token comes.
        request = request.add_extra_param("prompt", "consent");
    }
    if let Some(resource) = &settings.resource {
        request = request.add_extra_param("resource", resource.as_str());
    }
    let (url, state) = request.url();
    open(url);

    let waiting = wait_for_redirect(&listener, state.secret(), settings.issuer.as_str(), metadata.sends_iss);
    let code = tokio::time::timeout(settings.browser_timeout, waiting).await.map_err(|_| LinkError::Expired)??;
    drop(listener);

    let mut request = client
        .exchange_code(AuthorizationCode::new(code))
        .set_pkce_verifier(verifier)
        .set_redirect_uri(Cow::Borrowed(&redirect));
    if let Some(resource) = &settings.resource {
        request = request.add_extra_param("resource", resource.as_str());
    }
    let answer = request.request_async(&inner.token_http(key)).await.map_err(token_error)?;
    Ok(granted(answer, binding)?)
}

async fn wait_for_redirect(
    listener: &TcpListener,
    state: &str,
    issuer: &str,
    sends_iss: bool,
) -> Result<String, LinkError> {
    for _ in 0..STRANGERS_MAX {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let Ok(Some(redirect)) = tokio::time::timeout(HEAD_TIME, read_redirect(&mut stream)).await else {
            respond(stream, "404 Not Found", "Здесь ничего нет.", "There is nothing here.").await;
            continue;
        };
        match judge(redirect, state, issuer, sends_iss) {
            Verdict::Stranger => {
                let (ru, en) =
                    ("Эта ссылка не от этой попытки подключения.", "This link is not of this attempt to link.");
                respond(stream, "400 Bad Request", ru, en).await;
            }
            Verdict::Code(code) => {
                let (ru, en) = (
                    "Разрешение получено. Эту страницу можно закрыть и вернуться к Домовому.",
                    "Permission received. You can close this page and return to Domovoi.",
                );
                respond(stream, "200 OK", ru, en).await;
                return Ok(code);
            }
            Verdict::Ended(why) => {
                let (ru, en) = (
                    "Подключение не состоялось. Подробности показывает Домовой.",
                    "The link was not made. Domovoi shows the details.",
                );
                respond(stream, "200 OK", ru, en).await;
                return Err(why);
            }
        }
    }
    Err(LinkError::Failed("too many strange connections to the redirect's port; nothing was linked".to_owned()))
}

pub(super) enum Verdict {
    Stranger,
    Code(String),
    Ended(LinkError),
}

pub(super) fn judge(redirect: Redirect, state: &str, issuer: &str, sends_iss: bool) -> Verdict {
    // Hashes are compared, so that the time it takes tells nothing about the state.
    let same = |text: &str| Sha256::digest(text) == Sha256::digest(state);
    if !redirect.state.as_deref().is_some_and(same) {
        return Verdict::Stranger;
    }
    match &redirect.iss {
        Some(iss) if iss != issuer => {
            let words = format!("the redirect came from the issuer `{}`, not from `{issuer}`", tame(iss, 200));
            return Verdict::Ended(LinkError::Failed(words));
        }
        None if sends_iss => {
            let words = "the redirect does not say which issuer it is from, although the portal promises that";
            return Verdict::Ended(LinkError::Failed(words.to_owned()));
        }
        _ => {}
    }
    match (redirect.error, redirect.code) {
        (Some(error), _) if error == "access_denied" => Verdict::Ended(LinkError::Denied),
        (Some(error), _) => {
            Verdict::Ended(LinkError::Failed(format!("the portal refused to link: {}", tame(&error, 200))))
        }
        (None, Some(code)) if !code.is_empty() => Verdict::Code(code),
        _ => Verdict::Ended(LinkError::Failed("the redirect carries neither a code nor an error".to_owned())),
    }
}

/// `None`: no request for our path within the caps.
async fn read_redirect(stream: &mut TcpStream) -> Option<Redirect> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= HEAD_MAX {
            return None;
        }
        let mut part = [0u8; 2048];
        let n = stream.read(&mut part).await.ok()?;
        if n == 0 {
            return None;
        }
        head.extend_from_slice(part.get(..n)?);
    }
    let line = std::str::from_utf8(&head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    let (Some("GET"), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let (path, query) = target.split_once('?')?;
    if path != REDIRECT_PATH {
        return None;
    }
    Redirect::from_query(query)
}

impl Redirect {
    /// The parameters of a redirect's query; `None` if one of them is given twice.
    pub(super) fn from_query(query: &str) -> Option<Self> {
        let mut redirect = Redirect::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).take(32) {
            let slot = match name.as_ref() {
                "code" => &mut redirect.code,
                "state" => &mut redirect.state,
                "iss" => &mut redirect.iss,
                "error" => &mut redirect.error,
                _ => continue,
            };
            // A parameter given twice is an attempt to have two readers see different things (RFC 6749 section 3.1).
            if slot.is_some() {
                return None;
            }
            *slot = Some(value.into_owned());
        }
        Some(redirect)
    }
}

async fn respond(mut stream: TcpStream, status: &str, ru: &str, en: &str) {
    let page = format!(
        "<!doctype html><html lang=\"ru\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Домовой</title>\
         <h1>Домовой</h1><p>{ru}</p><p lang=\"en\">{en}</p></html>"
    );
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\ncontent-security-policy: default-src 'none'\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    // The browser may be gone; what matters has arrived already.
    let sending = async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(HEAD_TIME, sending).await;
}

#[cfg(test)]
mod tests {
    use oauth2::PkceCodeVerifier;

    use super::*;

    #[test]
    fn pkce_of_rfc_7636_appendix_b() {
        let verifier = PkceCodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        assert_eq!(challenge.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    fn redirect(code: Option<&str>, state: Option<&str>, iss: Option<&str>, error: Option<&str>) -> Redirect {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Redirect { code: own(code), state: own(state), iss: own(iss), error: own(error) }
    }

    #[test]
    fn only_our_state_and_our_issuer_count() {
        let issuer = "https://portal.example";
        let stranger = judge(redirect(Some("c"), Some("other"), None, None), "s", issuer, false);
        assert!(matches!(stranger, Verdict::Stranger));
        let stranger = judge(redirect(None, None, None, Some("access_denied")), "s", issuer, false);
        assert!(matches!(stranger, Verdict::Stranger), "an error without our state ends nothing");
        let good = judge(redirect(Some("c"), Some("s"), Some(issuer), None), "s", issuer, true);
        assert!(matches!(good, Verdict::Code(code) if code == "c"));
        let mixed_up = judge(redirect(Some("c"), Some("s"), Some("https://evil.example"), None), "s", issuer, false);
        assert!(matches!(mixed_up, Verdict::Ended(LinkError::Failed(_))));
        let silent = judge(redirect(Some("c"), Some("s"), None, None), "s", issuer, true);
        assert!(matches!(silent, Verdict::Ended(LinkError::Failed(_))));
        let denied = judge(redirect(None, Some("s"), None, Some("access_denied")), "s", issuer, false);
        assert!(matches!(denied, Verdict::Ended(LinkError::Denied)));
    }
}
