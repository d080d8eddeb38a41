//! Fetching a feed or a message, from where the settings allow. It knows no XML; how HTTP is asked stands in
//! [`crate::outside`].

use std::time::Duration;

use domovoi_config::AlertFeed;
use url::{Host, Url};

use crate::outside::{self, Ask, Fetched, Known, Terms, Trouble};

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(20);

/// A feed cannot put us off for longer than this.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

const ACCEPTED: &str =
    "application/cap+xml, application/atom+xml, application/rss+xml, application/xml, text/xml;q=0.9, */*;q=0.1";

/// From where a feed's documents may come.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    hosts: Vec<String>,
    /// The feed itself is on this machine and in clear, as in tests.
    in_clear: bool,
}

impl Allowed {
    pub fn of(feed: &AlertFeed) -> Self {
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

/// The client of this room. The settings name the hosts, so no guard looks at where their names lead.
pub(super) fn client() -> Result<reqwest::Client, Trouble> {
    let terms = Terms { connect: CONNECT, whole: Some(WHOLE), idle: 2, ..Terms::default() };
    outside::client(terms).map_err(|why| Trouble::new("no-client", why))
}

/// Fetches once.
pub(super) async fn fetch(
    client: &reqwest::Client,
    url: &Url,
    allowed: &Allowed,
    most: usize,
    known: &Known,
) -> Result<Fetched, Trouble> {
    let ask = Ask { url, accept: ACCEPTED, known, most, patience: PATIENCE };
    outside::document(client, &ask, |url| allowed.check(url)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(text: &str) -> AlertFeed {
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
