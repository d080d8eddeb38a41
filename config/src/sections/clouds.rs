//! `[clouds.<name>]`: makers' clouds that the owner has a program registered with. Tokens and the program's password are in
//! the vault; which clouds there are, the adapters know.

use std::time::Duration;

use domovoi_adapters::clouds::CLOUDS;
use url::{Host, Url};

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// The clouds that are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudsSection {
    /// Each once.
    pub named: Vec<CloudSection>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudSection {
    /// Its name among the adapters'.
    pub name: &'static str,
    /// The program, as the cloud knows it.
    pub client_id: String,
    /// The name in the vault under which the program's password is kept, if it has one.
    pub app_secret: Option<String>,
    /// How often everything is asked for.
    pub poll_every: Duration,
    /// No more calls in an hour, commands among them.
    pub per_hour: u32,
    /// Who gives devices to the cloud on behalf of this very hub: what is from there does not come back.
    pub own_skills: Vec<String>,
    /// Another place of its API, on this machine: for tests.
    pub api: Option<Url>,
    /// Another place of its authorization server, on this machine: for tests.
    pub issuer: Option<Url>,
}

impl CloudsSection {
    /// What is said of a cloud.
    pub fn of(&self, name: &str) -> Option<&CloudSection> {
        self.named.iter().find(|one| one.name == name)
    }
}

pub(crate) fn read(mut section: Section<'_>) -> CloudsSection {
    let mut named = Vec::new();
    for cloud in CLOUDS {
        let Some(mut one) = section.take_table(cloud.name) else { continue };
        one.must_have("client_id", "\"0123456789abcdef0123456789abcdef\"");
        let client_id = one.take_parsed("client_id", |text| scalar::plain(text, 128));
        let app_secret = one.take_parsed("app_secret", scalar::name);
        let every = Duration::from_secs(cloud.pace.every_s.into());
        let poll_every = one.take_duration("poll_every", 10 * SECOND..=DAY).unwrap_or(every);
        let per_hour = one.take_int("per_hour", 30..=10_000).and_then(|count| u32::try_from(count).ok());
        let own_skills = one.take_list("own_skills", 0..=16, |item| item.parsed(|text| scalar::plain(text, 128)));
        let (api, issuer) = (one.take_parsed("api", here), one.take_parsed("issuer", here));
        one.finish();
        named.extend(client_id.map(|client_id| CloudSection {
            name: cloud.name,
            client_id,
            app_secret,
            poll_every,
            per_hour: per_hour.unwrap_or(cloud.pace.per_hour),
            own_skills: own_skills.unwrap_or_default(),
            api,
            issuer,
        }));
    }
    section.finish();
    CloudsSection { named }
}

/// A place on this machine: a token goes to the maker and to nobody else.
fn here(text: &str) -> Result<Url, Wrong> {
    let hint = "remove it; it is for tests, and names a pretended cloud like \"http://127.0.0.1:8080\"";
    let url = Url::parse(&scalar::plain(text, 256)?).map_err(|_| Wrong::new("is no address").hint(hint))?;
    let is_here = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    };
    let is_bare = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.fragment().is_none();
    if is_here && is_bare && matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    Err(Wrong::new("may only be a literal loopback address").hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_nowhere_but_to_the_maker() {
        assert!(here("http://127.0.0.1:8080").is_ok() && here("http://[::1]:1/").is_ok());
        for bad in [
            "http://localhost:1",
            "https://evil.example",
            "http://127.0.0.1/x",
            "http://u@127.0.0.1",
            "ftp://127.0.0.1",
            "",
        ] {
            assert!(here(bad).is_err(), "{bad}");
        }
    }
}
