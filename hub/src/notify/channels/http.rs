//! The HTTP under the channels: rustls with ring, no redirects, no proxy of the environment, answers and times capped. Where
//! the address was given by somebody, the hub cannot be made to talk to itself or to what only it can reach.
//!
//! Its sentences name neither address nor body: both hold secrets of people.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domovoi_config::Network;
use domovoi_video::address::Policy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, StatusCode};
use url::{Host, Url};

use super::Failed;
use crate::courier::ChannelError;

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

/// Which addresses that somebody gave may lead where.
struct Guard {
    allow: Vec<Network>,
    own: Vec<SocketAddr>,
    strict: Policy,
}

/// An address leads where it must not.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the address leads to the hub's own machine or to no host of others")]
struct Barred;

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Guard {
    fn new(allow: &[Network], own: &[SocketAddr]) -> Self {
        // Any address of this machine: no port is known where names are looked up, and nothing that people are reached
        // through is on the hub itself, unless its owner says so.
        let strict = Policy { own: vec![SocketAddr::from(([0, 0, 0, 0], 0))], ..Policy::default() };
        Guard { allow: allow.to_vec(), own: own.to_vec(), strict }
    }

    fn is_named(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(ip))
    }

    fn admits(&self, ip: IpAddr) -> Result<(), Barred> {
        if self.is_named(ip) {
            return Ok(());
        }
        self.strict.check(SocketAddr::new(ip, 0)).map_err(|_| Barred)
    }

    /// Even where the owner lets in all of this machine: never the hub itself.
    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let here =
            |own: &SocketAddr| own.ip() == ip || own.ip().is_unspecified() && (ip.is_loopback() || self.is_named(ip));
        self.own.iter().any(|own| own.port() == port && here(own))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Guard { allow: self.allow.clone(), own: Vec::new(), strict: self.strict.clone() };
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One bad address among good ones is no accident.
            for address in &found {
                guard.admits(address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Http {
    /// `None`: for addresses from the owner's settings.
    pub(super) fn new(guard: Option<(&[Network], &[SocketAddr])>) -> Result<Self, ChannelError> {
        let guard = guard.map(|(allow, own)| Arc::new(Guard::new(allow, own)));
        // The process's provider; another room may have installed it already, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("domovoi/", env!("CARGO_PKG_VERSION")))
                // A redirect would carry secrets to an address that nobody checked.
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .retry(reqwest::retry::never())
                .timeout(LONGEST)
                .connect_timeout(CONNECT)
                .pool_max_idle_per_host(2)
                .pool_idle_timeout(Duration::from_secs(30));
            match &guard {
                Some(guard) => builder.dns_resolver(guard.clone()),
                None => builder,
            }
        };
        // A machine without authorities still reaches a server of its own; it trusts nobody else.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        let client = client.map_err(|error| ChannelError(format!("channels: no HTTP client: {}", cause(&error))))?;
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
        if let (Some(guard), Some(ip)) = (&self.guard, ip) {
            let port = url.port_or_known_default().unwrap_or(0);
            let barred = guard.admits(ip).is_err() || guard.is_own(ip, port);
            if barred {
                return Err(format!("{Barred}: write another, or name it in channels.allow"));
            }
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
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        // The form with a date is rare, and wants a clock that both trust.
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error, whom))? {
            if body.len() + chunk.len() > ANSWER_CAP {
                return Err(Failed::Again { why: format!("the answer of {whom} is too long"), after: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after: retry_after.map(|after| after.min(RETRY_AFTER_MAX)), body })
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
    let mut source = error.source();
    while let Some(found) = source {
        if found.is::<Barred>() {
            return Failed::Refused(Barred.to_string());
        }
        source = found.source();
    }
    let why = if error.is_timeout() {
        format!("{whom} did not answer in time")
    } else {
        format!("{whom} cannot be reached: {}", cause(error))
    };
    Failed::Again { why, after: None }
}

/// What lies under an error. The uppermost one repeats the address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = "no cause given".to_owned();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    super::wording::one_line(&text).chars().take(200).collect()
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
