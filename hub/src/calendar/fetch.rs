//! Reads an address that a person gave: https only, to addresses of the internet or to those that the settings allow, not
//! more than so many bytes and seconds. What it says is read elsewhere; how HTTP is asked stands in [`crate::outside`].

use std::sync::Arc;
use std::time::Duration;

use domovoi_config::Network;
use url::{Host, Url};

use crate::outside::{self, Ask, Fetched, Known, Reach, Terms, Trouble};

/// The largest calendar.
pub const MAX_BYTES: usize = 2 << 20;
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
const LONGEST: usize = 2000;

/// Which addresses may be asked.
#[derive(Debug, Clone)]
pub struct Guard(Arc<outside::Guard>);

impl Guard {
    /// The internet's addresses, and these.
    pub fn new(allow: &[Network]) -> Self {
        Guard(Arc::new(outside::Guard::new(Reach::Internet, allow, &[])))
    }

    /// Reads and checks an address as a person writes it; `webcal://` is https.
    pub fn parse(&self, text: &str) -> Result<Url, Trouble> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(Trouble::new("address", format!("longer than {LONGEST} characters")));
        }
        let text = match text.split_once("://") {
            Some(("webcal" | "webcals", rest)) => format!("https://{rest}"),
            _ => text.to_owned(),
        };
        let mut url = Url::parse(&text).map_err(|_| Trouble::new("address", "not an address"))?;
        url.set_fragment(None);
        self.check(&url)?;
        Ok(url)
    }

    fn check(&self, url: &Url) -> Result<(), Trouble> {
        if url.host().is_none() {
            return Err(Trouble::new("address", "it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Trouble::new("address", "it carries a name or a password"));
        }
        self.0.check(url).map_err(|barred| Trouble::new("forbidden", barred.to_string()))?;
        let is_here = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            _ => false,
        };
        match url.scheme() {
            "https" => Ok(()),
            // In the clear only to this very machine, and only where the settings name it.
            "http" if is_here => Ok(()),
            _ => Err(Trouble::new("https", "only https is read")),
        }
    }

    /// Reads an address. `etag`: what it came with last time.
    pub async fn read(&self, url: &Url, etag: Option<&str>) -> Result<Fetched, Trouble> {
        let terms =
            Terms { connect: CONNECT, whole: Some(WHOLE), guard: Some(Arc::clone(&self.0)), ..Terms::default() };
        let client = outside::client(terms).map_err(|why| Trouble::new("unreachable", why))?;
        let known = Known { etag: etag.map(str::to_owned), modified: None };
        let accept = "text/calendar, text/plain;q=0.5, */*;q=0.1";
        let ask = Ask { url, accept, known: &known, most: MAX_BYTES, patience: PATIENCE };
        let reading = outside::document(&client, &ask, |url| self.check(url));
        match tokio::time::timeout(WHOLE, reading).await {
            Ok(read) => read,
            Err(_) => Err(Trouble::new("timeout", "no whole answer in 30 s")),
        }
    }
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
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused() {
        let guard = Guard::new(&[]);
        let url = guard.parse("https://localhost/a.ics").unwrap();
        let refused = guard.read(&url, None).await;
        assert_eq!(refused.map_err(|failed| failed.code), Err("forbidden"));
    }
}
