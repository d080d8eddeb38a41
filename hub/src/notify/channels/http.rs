//! The HTTP under the channels: rustls with ring, no redirects, no proxy of the environment, answers and times capped. Where
//! the address was given by somebody, the hub cannot be made to talk to itself or to what only it can reach.
//!
//! Its sentences name neither address nor body: both hold secrets of people.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domovoi_config::Network;
use reqwest::{RequestBuilder, StatusCode};
use url::{Host, Url};

use super::Failed;
use crate::courier::ChannelError;
use crate::outside::{self, Barred, Cut, Guard, Reach, Terms};

/// Answers are a line or two.
const ANSWER_CAP: usize = 64 * 1024;
/// A letter is carried within this time or not at all.
const LONGEST: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(10);
/// Nobody can put the hub off for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
const LONGEST_ADDRESS: usize = 2048;

/// The client. Clones are the same one.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    guard: Option<Arc<Guard>>,
}

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub body: Bytes,
}

impl Http {
    /// `None`: for addresses from the owner's settings.
    pub(super) fn new(guard: Option<(&[Network], &[SocketAddr])>) -> Result<Self, ChannelError> {
        let guard = guard.map(|(allow, own)| Arc::new(Guard::new(Reach::BeyondUs, allow, own)));
        let terms = Terms { connect: CONNECT, whole: Some(LONGEST), idle: 2, guard: guard.clone(), ..Terms::default() };
        let client = outside::client(terms).map_err(|why| ChannelError(format!("channels: no HTTP client: {why}")))?;
        Ok(Http { client, guard })
    }

    /// Whether an address that somebody gave may be used: https, or plain http to a literal address of the home where the
    /// channel can live with it. The sentence says what to do.
    pub(super) fn check(&self, address: &str, plain_at_home: bool) -> Result<Url, String> {
        if address.len() > LONGEST_ADDRESS {
            return Err(format!("the address is longer than {LONGEST_ADDRESS} characters"));
        }
        let url = Url::parse(address.trim())
            .map_err(|why| format!("it is not an address ({why}): write it as https://example.org/path"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address may not carry a user name or password: remove the part before @".to_owned());
        }
        let ip = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => None,
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => return Err("the address names no host".to_owned()),
        };
        let named = |ip: &IpAddr| self.guard.as_ref().is_some_and(|guard| guard.is_named(*ip));
        match url.scheme() {
            "https" => {}
            "http" if ip.is_some_and(|ip| named(&ip) || plain_at_home && is_of_a_home(ip)) => {}
            "http" => {
                return Err(
                    "only https addresses are used: plain http shows everybody on the way what is sent".to_owned()
                );
            }
            _ => return Err("only https addresses are used".to_owned()),
        }
        if let Some(Err(barred)) = self.guard.as_ref().map(|guard| guard.check(&url)) {
            return Err(format!("{barred}: write another, or name it in channels.allow"));
        }
        Ok(url)
    }

    /// A request, to be sent by [`Self::send`]. What somebody gave was checked before.
    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends once and reads the whole answer. `whom` stands in the sentences.
    pub(super) async fn send(&self, request: RequestBuilder, whom: &str) -> Result<Answer, Failed> {
        let mut response = request.send().await.map_err(|error| broken(&error, whom))?;
        let status = response.status();
        let retry_after = outside::retry_after(response.headers(), RETRY_AFTER_MAX);
        match outside::take(&mut response, ANSWER_CAP).await {
            Ok(body) => Ok(Answer { status, retry_after, body }),
            Err(Cut::Broken(error)) => Err(broken(&error, whom)),
            Err(Cut::TooLong) => Err(Failed::Again { why: format!("the answer of {whom} is too long"), after: None }),
        }
    }
}

impl Answer {
    /// What a status means that the channel has no other meaning for.
    pub(super) fn failure(&self, whom: &str) -> Failed {
        let code = self.status.as_u16();
        let why = format!("{whom} answered with status {code}");
        match code {
            429 | 503 => Failed::Again { why, after: self.retry_after },
            408 | 425 | 500..=599 => Failed::Again { why, after: None },
            401 | 403 => Failed::Refused(format!("{why}: the hub is not let in there")),
            300..=399 => Failed::Refused(format!("{why}: redirects are not followed, check the address")),
            _ => Failed::Refused(why),
        }
    }
}

/// The home's own networks, where plain http shows nobody else what is sent.
fn is_of_a_home(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

fn broken(error: &reqwest::Error, whom: &str) -> Failed {
    if Guard::barred(error) {
        return Failed::Refused(Barred.to_string());
    }
    let why = if error.is_timeout() {
        format!("{whom} did not answer in time")
    } else {
        format!("{whom} cannot be reached: {}", outside::cause(error))
    };
    Failed::Again { why, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(allow: &[&str], own: &[&str]) -> Http {
        let allow: Vec<_> = allow.iter().filter_map(|text| Network::parse(text)).collect();
        let own: Vec<_> = own.iter().map(|text| text.parse().unwrap()).collect();
        Http::new(Some((&allow, &own))).unwrap()
    }

    #[test]
    fn an_address_leads_out_of_the_hub_or_nowhere() {
        let strict = http(&[], &[]);
        for good in
            ["https://push.example/x?y=1", "https://192.168.77.5/x", "https://[fd00::5]/", "https://93.184.216.34"]
        {
            assert!(strict.check(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "push.example",
            "http://push.example/",
            "http://192.168.77.5/",
            "https://anna:hunter2@push.example/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "ftp://push.example/",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            let why = strict.check(bad, false).expect_err(bad);
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert!(strict.check("http://192.168.77.5/", true).is_ok());
        assert!(strict.check("http://93.184.216.34/", true).is_err(), "plain http only at home");
        assert!(strict.check(&format!("https://push.example/{}", "x".repeat(2048)), false).is_err());
    }

    #[test]
    fn what_the_owner_names_is_reached_but_never_the_hub() {
        let open = http(&["127.0.0.0/8"], &["0.0.0.0:8443", "127.0.0.1:1883"]);
        assert!(open.check("http://127.0.0.1:9000/", false).is_ok());
        assert!(open.check("https://127.0.0.1:8443/", false).is_err());
        assert!(open.check("http://127.0.0.1:1883/", false).is_err());
        assert!(open.check("https://[::1]/", false).is_err(), "only what is named");
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_hub_is_refused_too() {
        let strict = http(&[], &[]);
        let url = strict.check("https://localhost:9/", false).unwrap();
        let refused = strict.send(strict.post(url), "the service").await.err().unwrap();
        assert_eq!(refused, Failed::Refused(Barred.to_string()));
    }
}
