//! What stands around every answer: the headers that keep a browser from being used against its owner, a number for the
//! log, compression where it gives nothing away; and, before anything else, a look at the name by which the hub is asked.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response as HttpResponse, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use domovoi_config::WebName;
use tower_http::compression::{CompressionLayer, Predicate};

use super::Desk;
use super::serve::Reached;

/// Nothing but our own files: no other host, no script or style in the page's text, no frame around us and none in us.
/// `data:` is for pictures that are drawn on the spot (a QR code), `blob:` for what a page itself has fetched piece by piece:
/// a camera's video and its single pictures.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// What a page may ask of the device: the camera for a QR code, passkeys; nothing else.
const PERMISSIONS: &str = "accelerometer=(), camera=(self), display-capture=(), geolocation=(), gyroscope=(), \
                           microphone=(), midi=(), payment=(), publickey-credentials-create=(self), \
                           publickey-credentials-get=(self), usb=()";

/// There is no `Strict-Transport-Security` among them, on purpose: it is about a name and all its ports, would turn the
/// help page on http and every other program of the same machine off, and would lock the owner out of a hub whose
/// authority was lost. What it would protect is protected by the cookie's own name (`__Host-`, TLS only).
const ALWAYS: [(&str, &str); 8] = [
    ("content-security-policy", POLICY),
    ("permissions-policy", PERMISSIONS),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Not `no-referrer`: with it a browser sends `Origin: null` with every form, and our own could not be told from others'.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-robots-tag", "noindex, nofollow"),
];

/// The number of a request, in the log and in the answer.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts all of it around a router.
pub fn around(router: Router<Desk>, desk: &Desk) -> Router<Desk> {
    router.layer(CompressionLayer::new().compress_when(HoldsNoSecret)).layer(from_fn_with_state(desk.clone(), dress))
}

async fn dress(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    let id = number();
    request.extensions_mut().insert(RequestId(id.clone()));
    let reached = request.extensions().get::<Reached>().copied();
    let mut response = match judge(&desk, request.uri(), request.headers(), reached) {
        Ok(()) => next.run(request).await,
        Err((status, text)) => (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What is a household's must not lie in a cache; files that name their content say so themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn number() -> String {
    let bytes = domovoi_vault::random::<8>().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The host of a request, without its port, in lower case; an address without brackets.
pub fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(header::HOST).iter();
    let line = match (lines.next(), lines.next()) {
        (_, Some(_)) => return None,
        (line, None) => line.map(|line| line.to_str().unwrap_or("")),
    };
    let authority = match (uri.authority(), line) {
        // HTTP/2 says it in the address. Where both are there, they have to say the same (RFC 9113 section 8.3.1).
        (Some(authority), Some(line)) if !authority.as_str().eq_ignore_ascii_case(line) => return None,
        (Some(authority), _) => authority.clone(),
        (None, Some(line)) => line.parse().ok()?,
        (None, None) => return None,
    };
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

/// A page of a stranger can make a name of its own lead to our address (DNS rebinding) and would then be of our origin. It
/// cannot make the browser ask for our name, nor for an address that is not its own.
fn judge(desk: &Desk, uri: &Uri, headers: &HeaderMap, reached: Option<Reached>) -> Result<(), (StatusCode, String)> {
    let web = &desk.settings.web;
    let Some(host) = host_of(uri, headers) else {
        return Err((StatusCode::BAD_REQUEST, "the request does not say which host it asks\n".into()));
    };
    let address: Option<std::net::IpAddr> = host.parse().ok();
    let known = match address {
        Some(address) => {
            let own = reached.map(|Reached(own)| own.ip().to_canonical());
            own == Some(address.to_canonical()) || web.names.contains(&WebName::Address(address))
        }
        None => host == "localhost" || web.dns_names().contains(&host.as_str()),
    };
    if known {
        return Ok(());
    }
    let text = format!(
        "This hub does not answer to that name. Its name is {0}; others can be added with web.names in domovoi.toml.\n\
         У хаба другое имя: {0}. Другие имена добавляются в domovoi.toml, ключ web.names.\n",
        web.host
    );
    Err((StatusCode::MISDIRECTED_REQUEST, text))
}

/// Compression shows by its length what repeats what (BREACH): an answer that holds a secret (a session's token in a form,
/// a household's data) beside something that a stranger chose must not be compressed. Styles, scripts and drawings are
/// the same for everybody and hold neither.
#[derive(Clone, Copy)]
struct HoldsNoSecret;

impl Predicate for HoldsNoSecret {
    fn should_compress<B: axum::body::HttpBody>(&self, response: &HttpResponse<B>) -> bool {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let large = response.body().size_hint().exact().is_none_or(|bytes| bytes >= 512);
        large && matches!(kind, "text/css" | "text/javascript" | "image/svg+xml" | "application/manifest+json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::HOST, HeaderValue::from_static(line));
        }
        host_of(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn the_host_is_read_wherever_it_stands() {
        assert_eq!(host("/", &["Domovoi.Local:8443"]).as_deref(), Some("domovoi.local"));
        assert_eq!(host("/", &["domovoi.local."]).as_deref(), Some("domovoi.local"));
        assert_eq!(host("/", &["[FD00::1]:8443"]).as_deref(), Some("fd00::1"));
        assert_eq!(host("https://domovoi.local:8443/x", &[]).as_deref(), Some("domovoi.local"));
        assert_eq!(host("https://domovoi.local:8443/x", &["domovoi.local:8443"]).as_deref(), Some("domovoi.local"));
    }

    #[test]
    fn two_hosts_are_none() {
        assert_eq!(host("/", &[]), None);
        assert_eq!(host("/", &["a.local", "a.local"]), None);
        assert_eq!(host("https://a.local/", &["b.local"]), None);
        assert_eq!(host("/", &["a@b.local"]), None);
        assert_eq!(host("/", &[""]), None);
    }
}
