//! The one cookie: it carries a session and says nothing. It is written and read here; what it is worth is known to the
//! sign-in room.

use axum::http::{HeaderMap, HeaderValue, header};

use super::Front;
use crate::signin::Opened;

/// Behind TLS. The prefix binds it to this very host, to `/` and to TLS (RFC 6265bis, 4.1.3.2): neither a neighbour's
/// subdomain nor plain http can put one of theirs in its place.
const SECURE_NAME: &str = "__Host-domovoi";

/// On the demo's `http://localhost`, where browsers take no `__Host-` cookie.
const PLAIN_NAME: &str = "domovoi";

/// 400 days, the longest that browsers keep a cookie. When a session ends is decided by the session.
const MAX_AGE_SECONDS: u32 = 34_560_000;

/// No value of ours is longer.
const MAX_VALUE: usize = 256;

/// The cookie of a session that was opened just now.
pub fn session(front: &Front, opened: &Opened) -> HeaderValue {
    written(front, opened.cookie.expose(), MAX_AGE_SECONDS)
}

/// Takes the cookie away.
pub fn cleared(front: &Front) -> HeaderValue {
    written(front, "", 0)
}

/// The cookie that a request brings. Two that differ are none: somebody has planted one, and which is not to be known.
pub fn read(front: &Front, headers: &HeaderMap) -> Option<String> {
    let mut found: Option<&str> = None;
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    for pair in lines.flat_map(|line| line.split(';')) {
        let Some((name, value)) = pair.trim().split_once('=') else { continue };
        if name != name_of(front) {
            continue;
        }
        if found.is_some_and(|before| before != value) {
            return None;
        }
        found = Some(value);
    }
    let value = found.filter(|value| !value.is_empty() && value.len() <= MAX_VALUE)?;
    value.bytes().all(|byte| byte.is_ascii_graphic()).then(|| value.to_owned())
}

/// Whether a request brings one, of either name.
pub fn is_there(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let names =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('=')).map(|(name, _)| name);
    names.into_iter().any(|name| name == SECURE_NAME || name == PLAIN_NAME)
}

fn name_of(front: &Front) -> &'static str {
    if front.secure { SECURE_NAME } else { PLAIN_NAME }
}

/// `Lax`, not `Strict`: a link in a letter and the portal's way back should find the person signed in. Changes are kept
/// from other sites by Origin and the session's token, not by this attribute alone.
fn written(front: &Front, value: &str, max_age: u32) -> HeaderValue {
    let name = name_of(front);
    let secure = if front.secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
    // Cookies are made of letters and digits; a value that a header cannot carry would be a session that nobody has.
    let mut line = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    line.set_sensitive(true);
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn front(secure: bool) -> Front {
        Front { origins: Arc::new(vec!["https://domovoi.local:8443".into()]), secure }
    }

    fn with(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_bound_to_this_host_and_hidden_from_scripts() {
        let line = written(&front(true), "abc", 60);
        assert_eq!(line.to_str().unwrap(), "__Host-domovoi=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert!(line.is_sensitive());
        assert!(cleared(&front(false)).to_str().unwrap().starts_with("domovoi=; Path=/; Max-Age=0;"));
    }

    #[test]
    fn the_own_cookie_is_found_among_others_and_a_planted_second_one_is_noticed() {
        let secure = front(true);
        assert_eq!(read(&secure, &with(&["a=1; __Host-domovoi=abc; b=2"])).as_deref(), Some("abc"));
        assert_eq!(read(&secure, &with(&["a=1", "__Host-domovoi=abc"])).as_deref(), Some("abc"));
        assert_eq!(read(&secure, &with(&["domovoi=abc"])), None, "the plain name counts for nothing behind TLS");
        assert_eq!(read(&secure, &with(&["__Host-domovoi=abc; __Host-domovoi=def"])), None);
        assert_eq!(read(&secure, &with(&["__Host-domovoi="])), None);
        assert_eq!(read(&secure, &with(&[&format!("__Host-domovoi={}", "a".repeat(257))])), None);
        assert_eq!(read(&front(false), &with(&["domovoi=abc"])).as_deref(), Some("abc"));
    }
}
