//! Which addresses this room talks to: https, or plain http to a literal loopback address. One rule for the settings,
//! for every endpoint that a portal's metadata names, and for what a portal asks a person to open.
//!
//! Deliberately without name resolution: `localhost` is a name that a resolver answers for, so it is refused (RFC 8252
//! 8.3), and which address a https name leads to is the certificate's business.

use url::{Host, Url};

/// The address may not be used, and why; without the address's user name, password or query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

/// Reads an address and applies the rule.
pub fn parse(text: &str) -> Result<Url, AddressError> {
    let url = Url::parse(text.trim())
        .map_err(|why| AddressError(format!("not an address ({why}): write it as https://portal.example/path")))?;
    check(&url)?;
    Ok(url)
}

/// The rule: https; plain http only for 127.0.0.0/8 and [::1]; no credentials; no fragment.
pub fn check(url: &Url) -> Result<(), AddressError> {
    let shown = origin(url);
    let refuse = |why: &str| Err(AddressError(format!("{shown}: {why}")));
    let Some(host) = url.host() else { return refuse("the address names no host") };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("an address may not carry a user name or password");
    }
    if url.fragment().is_some() {
        return refuse("an address may not have a fragment (the part after #)");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" => match host {
            Host::Ipv4(ip) if ip.is_loopback() => Ok(()),
            Host::Ipv6(ip) if ip.is_loopback() => Ok(()),
            _ => refuse("plain http is allowed only to a literal loopback address such as 127.0.0.1; use https"),
        },
        _ => refuse("only https addresses are used"),
    }
}

/// `scheme://host:port`, for messages and for what is remembered per origin.
pub(crate) fn origin(url: &Url) -> String {
    match (url.host(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => format!("{}:", url.scheme()),
    }
}

/// `base` with more path segments, each percent-encoded, so that an id can never climb out of its place.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    // `path_segments_mut` fails only for addresses without a host, which `check` refuses.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty();
        for segment in segments {
            // `push` skips "." and ".."; encoded dots mean the same to a server, so such an id gets an empty segment.
            path.push(if matches!(*segment, "." | "..") { "" } else { segment });
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_a_literal_loopback_address() {
        for good in [
            "https://portal.example",
            "https://portal.example:8443/api/v1",
            "http://127.0.0.1:8080/",
            "http://127.12.0.1/",
            "http://[::1]:9/",
            "https://192.168.1.5/",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://portal.example",
            "http://localhost:8080",
            "http://127.0.0.1.example/",
            "http://192.168.1.5/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "data:text/plain,x",
            "https://user@portal.example/",
            "https://user:hunter2@portal.example/",
            "https://portal.example/#part",
            "portal.example",
            "",
        ] {
            let why = parse(bad).expect_err(bad).to_string();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn path_segments_are_encoded() {
        let base = parse("https://portal.example/api/v1").unwrap();
        assert_eq!(
            below(&base, &["acts", "a/../b?c#d"]).as_str(),
            "https://portal.example/api/v1/acts/a%2F..%2Fb%3Fc%23d"
        );
        assert_eq!(below(&base, &["alerts", ".."]).as_str(), "https://portal.example/api/v1/alerts/");
        let slash = parse("https://portal.example/api/v1/").unwrap();
        assert_eq!(below(&slash, &["accounts"]).as_str(), "https://portal.example/api/v1/accounts");
    }
}
