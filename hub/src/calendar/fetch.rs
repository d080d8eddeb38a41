//! Reads an address that a person gave: https only, to addresses of the internet or to those that the settings allow, not
//! more than so many bytes and seconds, redirects looked at like addresses. What it says is read elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domovoi_config::Network;
use reqwest::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ETAG, HeaderMap, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use url::{Host, Url};

/// The largest calendar.
pub const MAX_BYTES: usize = 2 << 20;
const MAX_REDIRECTS: usize = 3;
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Which addresses may be asked.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Arc<Vec<Network>>,
}

/// Why an address was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The key of the sentence, without `calendar-failed-`.
    pub code: &'static str,
    /// What else is known; no address, no text of the answer.
    pub detail: String,
    /// When the other side wants to be asked again.
    pub after: Option<Duration>,
}

fn failed(code: &'static str, detail: impl Into<String>) -> Failed {
    Failed { code, detail: detail.into(), after: None }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The same as before.
    NotModified,
    /// A document.
    Document {
        /// To be given back next time.
        etag: Option<String>,
        /// As it came.
        body: Bytes,
    },
}

impl Guard {
    /// The internet's addresses, and these.
    pub fn new(allow: &[Network]) -> Self {
        Guard { allow: Arc::new(allow.to_vec()) }
    }

    /// Whether an address may be asked.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allow.iter().any(|network| network.contains(ip)) || is_of_the_internet(ip)
    }

    /// Reads and checks an address as a person writes it; `webcal://` is https.
    pub fn parse(&self, text: &str) -> Result<Url, Failed> {
        let text = text.trim();
        if text.len() > 2000 {
            return Err(failed("address", "longer than 2000 characters"));
        }
        let text = match text.split_once("://") {
            Some(("webcal" | "webcals", rest)) => format!("https://{rest}"),
            _ => text.to_owned(),
        };
        let mut url = Url::parse(&text).map_err(|_| failed("address", "not an address"))?;
        url.set_fragment(None);
        self.check(&url)?;
        Ok(url)
    }

    fn check(&self, url: &Url) -> Result<(), Failed> {
        let literal = match url.host() {
            None => return Err(failed("address", "it names no host")),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed("address", "it carries a name or a password"));
        }
        if literal.is_some_and(|ip| !self.permits(ip)) {
            return Err(failed("forbidden", "an address of this home or of nobody"));
        }
        match url.scheme() {
            "https" => Ok(()),
            // In the clear only to this very machine, and only where the settings name it.
            "http" if literal.is_some_and(|ip| ip.is_loopback() && self.permits(ip)) => Ok(()),
            _ => Err(failed("https", "only https is read")),
        }
    }

    /// Reads an address. `etag`: what it came with last time.
    pub async fn read(&self, url: &Url, etag: Option<&str>) -> Result<Fetched, Failed> {
        match tokio::time::timeout(WHOLE, self.read_on(url.clone(), etag)).await {
            Ok(read) => read,
            Err(_) => Err(failed("timeout", "no whole answer in 30 s")),
        }
    }

    async fn read_on(&self, mut url: Url, etag: Option<&str>) -> Result<Fetched, Failed> {
        let client = self.client()?;
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url)?;
            let mut request = client.get(url.clone()).header("accept", "text/calendar, text/plain;q=0.5, */*;q=0.1");
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let response = request.send().await.map_err(|error| said(&error))?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED {
                return Ok(Fetched::NotModified);
            }
            if status.is_redirection() {
                let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                url = to.and_then(|to| url.join(to).ok()).ok_or_else(|| failed("status", status.as_str()))?;
                continue;
            }
            if !status.is_success() {
                return Err(Failed { after: retry_after(response.headers()), ..failed("status", status.as_str()) });
            }
            return take(response).await;
        }
        Err(failed("redirects", "more than 3 redirects"))
    }

    fn client(&self) -> Result<reqwest::Client, Failed> {
        // The process's provider; another room may have installed it already, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("domovoi/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .dns_resolver(Arc::new(Resolver(self.clone())))
                .connect_timeout(CONNECT)
                .pool_max_idle_per_host(0)
        };
        // A machine without authorities still reaches one of its own; it trusts nobody else.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        client.map_err(|_| failed("unreachable", "no HTTP client can be made"))
    }
}

async fn take(mut response: reqwest::Response) -> Result<Fetched, Failed> {
    let too_large = || failed("too-large", format!("more than {MAX_BYTES} bytes"));
    let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.len() <= 256);
    let etag = etag.map(str::to_owned);
    if response.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BYTES => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Fetched::Document { etag, body: body.freeze() }),
            Err(error) => return Err(said(&error)),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

/// What went wrong, without the address: its path may be the secret that opens it.
fn said(error: &reqwest::Error) -> Failed {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        if one.downcast_ref::<Forbidden>().is_some() {
            return failed("forbidden", "the name leads to an address of this home or of nobody");
        }
        cause = one.source();
    }
    if error.is_timeout() {
        failed("timeout", "no connection in time")
    } else if error.is_connect() {
        failed("unreachable", "no connection")
    } else {
        failed("broken", "the connection broke")
    }
}

/// A name leads only where it may: whoever answers for it cannot send us into the home.
struct Resolver(Guard);

#[derive(Debug, thiserror::Error)]
#[error("the name leads only to addresses that may not be asked")]
struct Forbidden;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let some = !found.is_empty();
            let permitted: Vec<SocketAddr> = found.into_iter().filter(|at| guard.permits(at.ip())).collect();
            if some && permitted.is_empty() {
                return Err(Box::new(Forbidden) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// Addresses that somebody on the internet has, by the registries of special addresses (RFC 6890 and its followers).
fn is_of_the_internet(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => four(ip),
        IpAddr::V6(ip) => six(ip),
    }
}

fn four(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && (b == 18 || b == 19)
        || a >= 224)
}

fn six(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        four(Ipv4Addr::new(w, x, y, z))
    };
    // NAT64 and 6to4 carry an address of IPv4 with them, which may be one of the home.
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        return embedded(g, h);
    }
    if a == 0x2002 {
        return embedded(b, c);
    }
    // What is given out to anybody lies in 2000::/3; documentation and special uses lie in it too.
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && b == 0xdb8)
        && !(a == 0x2001 && b < 0x200)
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_and_what_is_allowed() {
        let guard = Guard::new(&[Network::parse("192.168.1.20").unwrap()]);
        for good in [
            "https://calendar.example/a.ics",
            "webcal://calendar.example/x",
            "https://8.8.8.8/",
            "https://192.168.1.20/a",
        ] {
            assert!(guard.parse(good).is_ok(), "{good}");
        }
        for (bad, code) in [
            ("http://calendar.example/a.ics", "https"),
            ("ftp://calendar.example/a.ics", "https"),
            ("file:///etc/passwd", "address"),
            ("https://user:pw@calendar.example/", "address"),
            ("https://127.0.0.1/", "forbidden"),
            ("http://127.0.0.1/", "forbidden"),
            ("https://0x7f000001/", "forbidden"),
            ("https://2130706433/", "forbidden"),
            ("https://[::1]/", "forbidden"),
            ("https://[::ffff:10.0.0.1]/", "forbidden"),
            ("https://[64:ff9b::a00:1]/", "forbidden"),
            ("https://[fd00::1]/", "forbidden"),
            ("https://[fe80::1]/", "forbidden"),
            ("https://192.168.1.21/", "forbidden"),
            ("https://169.254.169.254/latest", "forbidden"),
            ("https://100.64.0.1/", "forbidden"),
            ("https://0.0.0.0/", "forbidden"),
            ("https://224.0.0.1/", "forbidden"),
            ("", "address"),
            ("calendar.example", "address"),
        ] {
            assert_eq!(guard.parse(bad).map_err(|failed| failed.code), Err(code), "{bad}");
        }
        assert!(is_of_the_internet("2a00:1450::1".parse().unwrap()));
        assert!(!is_of_the_internet("2002:c0a8:0101::1".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused() {
        let guard = Guard::default();
        let url = guard.parse("https://localhost/a.ics").unwrap();
        let refused = guard.read(&url, None).await;
        assert_eq!(refused.map_err(|failed| failed.code), Err("forbidden"));
    }
}
