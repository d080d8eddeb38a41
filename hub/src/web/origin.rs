//! From which site a request was made: what a browser says of it (RFC 6454, Fetch Metadata), held against our own
//! origins. It looks at headers only and knows nobody.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, Uri, header};

use super::Front;

/// The most that `to` may be long.
const MAX_OWN_PATH: usize = 512;

/// Where a request comes from, as a browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// A page of ours.
    Own,
    /// Another site's page.
    Foreign,
    /// Nothing was said: no browser, or one that was told to go there by its owner.
    Unsaid,
}

/// Reads `Origin`, and `Sec-Fetch-Site` where there is none. What they say against each other counts as foreign.
pub fn site(front: &Front, headers: &HeaderMap, uri: &Uri) -> Site {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let fetched = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    match (origins.next(), origins.next()) {
        (_, Some(_)) => Site::Foreign,
        (Some(origin), None) => match origin.to_str() {
            Ok(origin) if is_own(front, origin, headers, uri) => match fetched {
                // `same-site` and `cross-site` contradict an own origin.
                None | Some(b"same-origin" | b"none") => Site::Own,
                Some(_) => Site::Foreign,
            },
            _ => Site::Foreign,
        },
        (None, None) => match fetched {
            None | Some(b"none") => Site::Unsaid,
            Some(b"same-origin") => Site::Own,
            Some(_) => Site::Foreign,
        },
    }
}

/// Whether this origin is ours: one that is configured, or the bare address under which the hub is asked. A name that is
/// not configured is never ours, though it be the `Host`: that is what DNS rebinding looks like. An address cannot be
/// rebound.
fn is_own(front: &Front, origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    if front.origins.iter().any(|own| own == origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if scheme != if front.secure { "https" } else { "http" } {
        return false;
    }
    let asked = uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    asked == Some(authority) && authority.parse::<Uri>().ok().and_then(|uri| address_in(&uri)).is_some()
}

fn address_in(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether a request with this method changes something.
pub fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A path of our own to go on to, out of a stranger's `to`; `None` where it might lead elsewhere. `//host`, `/\host` and
/// control characters are what browsers read as another host.
pub fn own_path(to: &str) -> Option<&str> {
    let plain = to.len() <= MAX_OWN_PATH && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !plain || !to.starts_with('/') || to.starts_with("//") {
        return None;
    }
    // Once more as a browser would: joined to an origin, the origin stays.
    let base = url::Url::parse("https://own.invalid/").ok()?;
    let joined = base.join(to).ok()?;
    (joined.origin() == base.origin()).then_some(to)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn front() -> Front {
        Front { origins: Arc::new(vec!["https://domovoi.local:8443".into()]), secure: true }
    }

    fn said(pairs: &[(&'static str, &str)]) -> Site {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        site(&front(), &headers, &Uri::from_static("/api/v1/session"))
    }

    #[test]
    fn only_configured_origins_and_the_bare_address_are_own() {
        assert_eq!(said(&[("origin", "https://domovoi.local:8443")]), Site::Own);
        assert_eq!(said(&[("origin", "https://192.168.1.7:8443"), ("host", "192.168.1.7:8443")]), Site::Own);
        assert_eq!(said(&[("origin", "https://[fd00::7]:8443"), ("host", "[fd00::7]:8443")]), Site::Own);
        for foreign in [
            "https://domovoi.local",
            "http://domovoi.local:8443",
            "https://domovoi.local:8443.evil.example",
            "https://evil.example",
            "null",
            "",
        ] {
            assert_eq!(said(&[("origin", foreign), ("host", "domovoi.local:8443")]), Site::Foreign, "{foreign}");
        }
        let rebound = [("origin", "https://evil.example:8443"), ("host", "evil.example:8443")];
        assert_eq!(said(&rebound), Site::Foreign, "a name that is rebound to our address");
        let other = [("origin", "https://192.168.1.8:8443"), ("host", "192.168.1.7:8443")];
        assert_eq!(said(&other), Site::Foreign);
    }

    #[test]
    fn fetch_metadata_speaks_where_no_origin_does_and_contradiction_is_foreign() {
        assert_eq!(said(&[]), Site::Unsaid);
        assert_eq!(said(&[("sec-fetch-site", "none")]), Site::Unsaid);
        assert_eq!(said(&[("sec-fetch-site", "same-origin")]), Site::Own);
        assert_eq!(said(&[("sec-fetch-site", "same-site")]), Site::Foreign);
        assert_eq!(said(&[("sec-fetch-site", "cross-site")]), Site::Foreign);
        assert_eq!(said(&[("origin", "https://domovoi.local:8443"), ("sec-fetch-site", "cross-site")]), Site::Foreign);
        let two = [("origin", "https://domovoi.local:8443"), ("origin", "https://evil.example")];
        assert_eq!(said(&two), Site::Foreign);
    }

    #[test]
    fn the_way_on_never_leads_to_another_house() {
        for good in ["/", "/people", "/meters/1?show=all", "/a//b", "/%2F%2Fevil.example"] {
            assert_eq!(own_path(good), Some(good));
        }
        for bad in [
            "",
            "people",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a b",
            "/\r\nSet-Cookie: a=b",
        ] {
            assert_eq!(own_path(bad), None, "{bad:?}");
        }
        assert_eq!(own_path(&format!("/{}", "a".repeat(512))), None);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_at_our_origin(to in "[/\\\\:@?#a.\\t\\n %-]{0,24}") {
            if let Some(path) = own_path(&to) {
                let base = url::Url::parse("https://domovoi.local:8443/sign-in").unwrap();
                prop_assert_eq!(base.join(path).unwrap().origin(), base.origin());
            }
        }
    }
}
