//! One camera's services over HTTP: where it is, whether it may be there, who it is (TLS), who we are (digest), and how
//! much of an answer is read. Redirects are not followed, proxies not asked, and every request goes to the very host that
//! was reached first, whatever addresses stand in answers.
//! Deliberately no `Basic`: whoever answers at the address would read the password.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_auth::DigestClient;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::Failure;
use super::soap::{self, Token};
use super::xml::Element;
use crate::address::{Login, Policy, resolved};
use crate::session::{Excess, Step, Trouble, WallClock, clean};
use crate::trust::{Certificate, Judge, Trust};

/// Of one answer. The profiles of a recorder with 64 channels are about half of it.
const LARGEST_ANSWER: usize = 1 << 20;
/// Longest address that is looked at.
const LONGEST_ADDRESS: usize = 1024;
const CONNECT: Duration = Duration::from_secs(5);

/// Whose address counts: the one that was reached, or those in the camera's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerHosts {
    /// Cameras behind a router's forwarded port answer with an address that only their own network has, and several
    /// (Xiongmai boards among them) go on with the one they had before DHCP gave them another.
    #[default]
    AsReached,
    /// For a recorder that stands for cameras which stream from addresses of their own. Each is checked like any other.
    AsGiven,
}

/// By which clock the user's token is dated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenClock {
    /// As ONVIF wants it: by what GetSystemDateAndTime says, however wrong that is.
    #[default]
    Cameras,
    /// For firmware whose GetSystemDateAndTime gives local time as UTC, while its tokens are judged by the true one.
    Hubs,
}

/// Why an address is none of a device service. It does not repeat the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("it is no web address (http://192.168.1.20/onvif/device_service)")]
    NotAnAddress,
    #[error("it begins with neither http:// nor https://")]
    Scheme,
    #[error("a name and a password have fields of their own")]
    Login,
    #[error("it is longer than {LONGEST_ADDRESS} characters")]
    TooLong,
}

/// Reads the address of a device service. A bare host gets the path that all have (ONVIF Core, 5.1.1).
pub fn device_service(typed: &str) -> Result<Url, PlaceError> {
    let typed = typed.trim();
    if typed.len() > LONGEST_ADDRESS {
        return Err(PlaceError::TooLong);
    }
    let with_scheme = if typed.contains("://") { typed.to_owned() } else { format!("http://{typed}") };
    let mut url = Url::parse(&with_scheme).map_err(|_| PlaceError::NotAnAddress)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(PlaceError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(PlaceError::Login);
    }
    if url.host().is_none() || url.port_or_known_default().is_none_or(|port| port == 0) {
        return Err(PlaceError::NotAnAddress);
    }
    url.set_fragment(None);
    if url.path() == "/" && url.query().is_none() {
        url.set_path("/onvif/device_service");
    }
    Ok(url)
}

/// The address of another service of the same camera, by what an answer says: its path at the place that was reached, and
/// its port where the host is the same one. Never another host, never back from https to http.
pub(super) fn service_at(reached: &Url, given: &str) -> Option<Url> {
    if given.len() > LONGEST_ADDRESS {
        return None;
    }
    let given = Url::parse(given.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let mut url = reached.clone();
    url.set_path(given.path());
    url.set_query(given.query());
    if given.scheme() == reached.scheme() && given.host() == reached.host() {
        url.set_port(given.port()).ok()?;
    }
    Some(url)
}

pub(super) struct Client {
    http: reqwest::Client,
    judge: Arc<Judge>,
    login: Option<Login>,
    /// Once the camera has asked for it, instead of the token.
    digest: Option<DigestClient>,
    policy: Policy,
    wall: WallClock,
    /// What is added to our time for a token.
    pub(super) token_offset_ms: i64,
    until: Instant,
    within: Duration,
    pub(super) reached: Option<IpAddr>,
    addresses: Vec<IpAddr>,
}

impl Client {
    /// Looks the host up once and checks where it leads; nothing is sent yet.
    pub(super) async fn prepare(
        device: &Url,
        login: Option<Login>,
        trust: &Trust,
        policy: &Policy,
        wall: &WallClock,
        until: Instant,
    ) -> Result<Client, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        let port = device.port_or_known_default().unwrap_or(80);
        let (name, found) = match device.host() {
            Some(Host::Ipv4(ip)) => (None, resolved(&ip.to_string(), port, policy, left).await?),
            Some(Host::Ipv6(ip)) => (None, resolved(&ip.to_string(), port, policy, left).await?),
            Some(Host::Domain(name)) => (Some(name), resolved(name, port, policy, left).await?),
            None => (None, Vec::new()),
        };
        let judge = Judge::new(trust)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(judge.client(Arc::clone(wall))?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(1);
        if let Some(name) = name {
            builder = builder.resolve_to_addrs(name, &found);
        }
        let http = builder.build().map_err(|error| Trouble::Ours { text: clean(&error.to_string(), &[]) })?;
        Ok(Client {
            http,
            judge,
            login,
            digest: None,
            policy: policy.clone(),
            wall: Arc::clone(wall),
            token_offset_ms: 0,
            until,
            within: left,
            reached: None,
            addresses: found.iter().map(SocketAddr::ip).collect(),
        })
    }

    /// The certificate that the camera showed; `None` over plain http.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        self.judge.seen()
    }

    pub(super) fn now_ms(&self) -> i64 {
        (self.wall)()
    }

    /// Without a name and a password: for what a camera tells anybody.
    pub(super) async fn ask_openly(&mut self, at: &Url, call: &'static str, body: &str) -> Result<Element, Failure> {
        let (status, _, bytes) = self.post(at, call, soap::envelope(body, None), None).await?;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Trouble::Unauthorized { given: false }.into());
        }
        soap::opened(call, &bytes)
    }

    /// With the token; and once more with HTTP's digest where the camera wants that.
    pub(super) async fn ask(&mut self, at: &Url, call: &'static str, body: &str) -> Result<Element, Failure> {
        let Some(login) = self.login.clone() else {
            return self.ask_openly(at, call, body).await.map_err(|failure| match failure {
                Failure::Trouble(Trouble::Unauthorized { .. }) => Trouble::Unauthorized { given: false }.into(),
                other => other,
            });
        };
        // A nonce that was used for long is called stale, so a known challenge may have to give way to another one.
        for _ in 0..3 {
            let (envelope, authorization) = match &mut self.digest {
                Some(digest) => {
                    let text = soap::envelope(body, None);
                    let answer = respond(digest, &login, at, text.as_bytes());
                    (text, answer)
                }
                None => {
                    let nonce = domovoi_vault::random().map_err(|error| Trouble::Ours { text: error.to_string() })?;
                    let now = self.now_ms().saturating_add(self.token_offset_ms);
                    (soap::envelope(body, Some(&Token::new(&login, nonce, now))), None)
                }
            };
            let answered = authorization.is_some();
            let (status, headers, bytes) = self.post(at, call, envelope, authorization).await?;
            if status == StatusCode::UNAUTHORIZED
                && let Some((challenge, stale)) = challenge(&headers)
                && (!answered || stale)
            {
                self.digest = Some(challenge);
                continue;
            }
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                return Err(Trouble::Unauthorized { given: true }.into());
            }
            return soap::opened(call, &bytes);
        }
        Err(Trouble::Unauthorized { given: true }.into())
    }

    /// A picture or another thing that is simply there.
    pub(super) fn is_allowed(&self, at: &Url) -> Result<(), Failure> {
        let port = at.port_or_known_default().unwrap_or(80);
        for ip in &self.addresses {
            let address = SocketAddr::new(*ip, port);
            self.policy.check(address).map_err(|why| Trouble::RefusedAddress { address, why })?;
        }
        Ok(())
    }

    async fn post(
        &mut self,
        at: &Url,
        call: &'static str,
        envelope: String,
        authorization: Option<String>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
        self.is_allowed(at)?;
        // SOAP 1.2 (Part 2, 6.5.3) has no SOAPAction; the action is left out too, for one that is not known word for word
        // is refused by more cameras than none is.
        let mut request =
            self.http.post(at.clone()).header(CONTENT_TYPE, "application/soap+xml; charset=utf-8").body(envelope);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let (until, within) = (self.until, self.within);
        let late = || Failure::from(Trouble::Timeout { step: Step::Describe, after: within });
        let response = timeout_at(until, request.send()).await.map_err(|_| late())?;
        let response = response.map_err(|error| self.sent(at, &error))?;
        if let Some(address) = response.remote_addr() {
            self.reached = Some(address.ip());
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = timeout_at(until, body(response)).await.map_err(|_| late())??;
        // A fault comes with 400, 401 or 500, and from some with 200: what is an envelope is read, whatever the status.
        if status.is_success() || status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return Ok((status, headers, bytes));
        }
        if (status.is_client_error() || status.is_server_error())
            && let Err(failure @ (Failure::Fault { .. } | Failure::Trouble(_))) = soap::opened(call, &bytes)
        {
            return Err(failure);
        }
        Err(match status {
            StatusCode::NOT_FOUND => Trouble::NotFound,
            _ => Trouble::Refused { status: status.as_u16() },
        }
        .into())
    }

    fn sent(&self, at: &Url, error: &reqwest::Error) -> Failure {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why = cause.to_string();
            source = cause.source();
        }
        let address = || {
            let ip = self.addresses.first().copied().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            SocketAddr::new(ip, at.port_or_known_default().unwrap_or(80))
        };
        if error.is_timeout() {
            Trouble::Timeout { step: Step::Connect, after: CONNECT }.into()
        } else if at.scheme() == "https" && self.judge.seen().is_some() && error.is_connect() {
            self.judge.trouble(&std::io::Error::other(why)).into()
        } else if error.is_connect() {
            Trouble::NoConnection { address: address(), why: clean(&why, &[]) }.into()
        } else {
            Trouble::Protocol { text: clean(&why, &[]) }.into()
        }
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let too_much = || Failure::from(Trouble::TooMuch { of: Excess::Unanswered, limit: LARGEST_ANSWER as u64 });
    if response.content_length().is_some_and(|length| length > LARGEST_ANSWER as u64) {
        return Err(too_much());
    }
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > LARGEST_ANSWER => return Err(too_much()),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(_) => return Err(Trouble::Closed.into()),
        }
    }
}

/// The best digest that is offered, SHA-256 before MD5, and whether only the nonce was too old.
fn challenge(headers: &HeaderMap) -> Option<(DigestClient, bool)> {
    let mut offered: Vec<DigestClient> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .take(8)
        .filter_map(|value| value.to_str().ok().filter(|text| text.len() <= 4096))
        .filter_map(|text| http_auth::parse_challenges(text).ok())
        .flatten()
        .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("digest"))
        .filter_map(|challenge| DigestClient::try_from(&challenge).ok())
        .collect();
    offered.sort_by_key(|digest| digest.algorithm() == http_auth::digest::Algorithm::Md5);
    let best = offered.into_iter().next()?;
    let stale = best.stale();
    Some((best, stale))
}

fn respond(digest: &mut DigestClient, login: &Login, at: &Url, body: &[u8]) -> Option<String> {
    let uri = at.query().map_or_else(|| at.path().to_owned(), |query| format!("{}?{query}", at.path()));
    let parameters = http_auth::PasswordParams {
        username: &login.user,
        password: login.password.expose(),
        uri: &uri,
        method: "POST",
        body: Some(body),
    };
    digest.respond(&parameters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_has_the_usual_path() {
        let path = |typed: &str| device_service(typed).unwrap().to_string();
        assert_eq!(path(" 192.168.1.20 "), "http://192.168.1.20/onvif/device_service");
        assert_eq!(path("cam.lan:2020"), "http://cam.lan:2020/onvif/device_service");
        assert_eq!(path("https://[fd00::5]/onvif/x?y#z"), "https://[fd00::5]/onvif/x?y");
        let error = |typed: &str| device_service(typed).unwrap_err();
        assert_eq!(error("ftp://cam"), PlaceError::Scheme);
        assert_eq!(error("http://a:b@cam/"), PlaceError::Login);
        assert_eq!(error(""), PlaceError::NotAnAddress);
        assert_eq!(error("http://cam:0/"), PlaceError::NotAnAddress);
        assert_eq!(error(&"a".repeat(2000)), PlaceError::TooLong);
    }

    #[test]
    fn other_services_are_at_the_host_that_was_reached() {
        let at =
            |reached: &str, given: &str| service_at(&Url::parse(reached).unwrap(), given).map(|url| url.to_string());
        let reached = "http://10.0.0.5:8080/onvif/device_service";
        // Behind a forwarded port: only the path counts.
        assert_eq!(at(reached, "http://192.168.1.10/onvif/media?x=1").unwrap(), "http://10.0.0.5:8080/onvif/media?x=1");
        assert_eq!(at(reached, "http://10.0.0.5:8899/onvif/media").unwrap(), "http://10.0.0.5:8899/onvif/media");
        assert_eq!(at(reached, "http://10.0.0.5/onvif/media").unwrap(), "http://10.0.0.5/onvif/media");
        assert_eq!(at("https://cam/x", "http://cam/media").unwrap(), "https://cam/media");
        assert_eq!(at(reached, "http://127.0.0.1:8080@evil/").unwrap(), "http://10.0.0.5:8080/");
        assert_eq!(at(reached, "file:///etc/passwd"), None);
        assert_eq!(at(reached, "nonsense"), None);
    }

    #[test]
    fn the_better_digest_is_taken_and_basic_never() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
            }
            headers
        };
        let offered = headers(&[
            "Basic realm=\"a\"",
            "Digest realm=\"a\", nonce=\"n\", qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
        ]);
        assert_eq!(challenge(&offered).unwrap().0.algorithm(), http_auth::digest::Algorithm::Sha256);
        assert!(challenge(&headers(&["Basic realm=\"a\""])).is_none());
        assert!(challenge(&headers(&["Digest ,,, =", "\"", "Digest realm=\"a\""])).is_none());
    }
}
