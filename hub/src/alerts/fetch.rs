//! Fetching a feed or a message: one client, no proxy of the environment, no compression, sizes capped while it streams,
//! redirects followed by hand and only to where the settings allow. It knows no XML.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
    RETRY_AFTER,
};
use url::{Host, Url};

const MAX_REDIRECTS: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(20);

/// A feed cannot put us off for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(6 * 3600);

/// A tag of a server that is longer is not kept.
const MAX_TAG: usize = 1024;

/// Why nothing came: a code with a sentence in the locale files (`alert-feed-<code>`), and the particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub code: &'static str,
    pub detail: String,
    /// The server wants to be left alone so long.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Trouble {
            code,
            detail: detail.into().chars().filter(|c| !c.is_control()).take(200).collect(),
            retry_after: None,
        }
    }
}

/// From where a feed's documents may come.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    hosts: Vec<String>,
    /// The feed itself is on this machine and in clear, as in tests.
    in_clear: bool,
}

impl Allowed {
    pub fn of(feed: &domovoi_config::AlertFeed) -> Self {
        let own = feed.address.host_str().unwrap_or_default();
        let hosts = feed.hosts.iter().map(String::as_str).chain([own]).map(str::to_ascii_lowercase).collect();
        Allowed { hosts, in_clear: feed.address.scheme() == "http" }
    }

    /// Whether an address may be asked. A feed cannot make the hub ask other machines of the home: the hosts are the feed's
    /// own and those that the settings name.
    pub fn check(&self, url: &Url) -> Result<(), Trouble> {
        let is_loopback = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            _ => false,
        };
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback && self.in_clear);
        if !is_safe || !url.username().is_empty() || url.password().is_some() {
            return Err(Trouble::new("not-https", host));
        }
        if !self.hosts.contains(&host) {
            return Err(Trouble::new("other-host", host));
        }
        Ok(())
    }
}

/// What came.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The same as the last time.
    Same,
    /// A document.
    Document { bytes: Vec<u8>, etag: Option<String>, modified: Option<String> },
}

/// The client of this room.
pub(super) fn client() -> Result<reqwest::Client, Trouble> {
    // reqwest takes the process's provider; another room may have installed it already, with the same choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("domovoi/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(2)
            .pool_idle_timeout(Duration::from_secs(30))
    };
    // A bare machine has no certificate authorities: then no https feed can be read, and the reason is told with the feed.
    let made = builder().build().or_else(|_| builder().tls_certs_only([]).build());
    made.map_err(|error| Trouble::new("no-client", error.to_string()))
}

/// Fetches once. What the server said of the document the last time is sent along.
pub(super) async fn fetch(
    client: &reqwest::Client,
    from: &Url,
    allowed: &Allowed,
    most: usize,
    known: (Option<&str>, Option<&str>),
) -> Result<Fetched, Trouble> {
    let mut url = from.clone();
    for _ in 0..=MAX_REDIRECTS {
        allowed.check(&url)?;
        let request = client.get(url.clone()).headers(headers(known));
        let mut response = request.send().await.map_err(|error| unsent(&error))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::Same);
        }
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let to = to.and_then(|to| url.join(to).ok());
            url = to.ok_or_else(|| Trouble::new("status", status.as_u16().to_string()))?;
            continue;
        }
        if !status.is_success() {
            let mut trouble = Trouble::new("status", status.as_u16().to_string());
            trouble.retry_after = retry_after(response.headers());
            return Err(trouble);
        }
        let tag = |name| {
            let value: Option<&HeaderValue> = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).filter(|tag| tag.len() <= MAX_TAG).map(str::to_owned)
        };
        let (etag, modified) = (tag(ETAG), tag(LAST_MODIFIED));
        let too_large = || Trouble::new("too-large", most.to_string());
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len().saturating_add(chunk.len()) > most => return Err(too_large()),
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(Fetched::Document { bytes, etag, modified }),
                Err(error) => return Err(unsent(&error)),
            }
        }
    }
    Err(Trouble::new("redirects", MAX_REDIRECTS.to_string()))
}

fn headers((etag, modified): (Option<&str>, Option<&str>)) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/cap+xml, application/atom+xml, application/rss+xml, application/xml, text/xml;q=0.9, */*;q=0.1"),
    );
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, modified)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Retry-After in seconds. The form with a date would need a clock that is true; it counts as absent.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Without the address: its query is nobody's business.
fn unsent(error: &reqwest::Error) -> Trouble {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let code = if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "broken"
    };
    Trouble::new(code, cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(text: &str) -> domovoi_config::AlertFeed {
        let text = format!("[[alerts.feeds]]\nname = \"f\"\nlocal = true\n{text}");
        let settings = domovoi_config::Settings::parse(&text, "t", std::path::Path::new("/")).unwrap();
        settings.alerts.feeds.into_iter().next().unwrap()
    }

    #[test]
    fn a_feed_leads_nowhere_but_where_the_settings_say() {
        let allowed =
            Allowed::of(&feed("address = \"https://meteo.example/feed\"\nhosts = [\"files.meteo.example\"]\n"));
        for good in ["https://meteo.example/1.xml", "https://FILES.meteo.example:8443/1.xml"] {
            assert_eq!(allowed.check(&Url::parse(good).unwrap()), Ok(()), "{good}");
        }
        for bad in [
            "http://meteo.example/1.xml",
            "https://192.168.1.1/",
            "https://evil.example/",
            "https://meteo.example.evil.example/",
            "https://user@meteo.example/",
            "http://127.0.0.1/",
            "file:///etc/passwd",
            "https://[::1]/",
        ] {
            assert!(allowed.check(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
        let here = Allowed::of(&feed("address = \"http://127.0.0.1:8080/feed\"\n"));
        assert_eq!(here.check(&Url::parse("http://127.0.0.1:9999/1.xml").unwrap()), Ok(()));
        assert!(here.check(&Url::parse("http://127.0.0.2/1.xml").unwrap()).is_err());
    }
}
