//! `[web]`: the page and the API on https, the page on http that helps to trust the certificate, and where the
//! certificate comes from. Plain http never carries the page itself, so there is no way to write that.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use url::{Host, Url};

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

/// Names that no public authority signs for (RFC 6761, RFC 6762, RFC 8375, and the two that routers like).
const HOME_ENDINGS: [&str; 7] = ["local", "localhost", "home.arpa", "internal", "lan", "home", "test"];

/// The page and the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Whether they are served at all. The command line works without.
    pub enabled: bool,
    /// The name that people type, in lower case. Passkeys belong to it.
    pub host: String,
    /// Other names and addresses by which the hub is reached.
    pub names: Vec<WebName>,
    /// Where https listens.
    pub listen: Vec<SocketAddr>,
    /// Where the help page listens, without TLS.
    pub help_listen: Vec<SocketAddr>,
    /// Whether peers from public addresses are refused.
    pub private_peers_only: bool,
    /// Where the certificate comes from.
    pub certificate: Certificate,
    /// Connections at a time.
    pub max_connections: u32,
    /// Connections at a time from one IPv4 address, or from one IPv6 network of 64 bits.
    pub max_connections_per_peer: u32,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WebName {
    /// A DNS name, in lower case, without a dot at the end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// The hub's own authority, which every device of the home is told once to trust.
    OwnCa,
    /// Files that somebody else renews.
    Files {
        /// The certificate and those between it and its authority, PEM.
        certificate: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
    },
    /// A public authority that speaks ACME (RFC 8555).
    Acme(Acme),
}

/// How to ask a public authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// Its directory.
    pub directory: Url,
    /// Where it writes to when something is wrong: an e-mail address.
    pub contact: Option<String>,
    /// How it is shown that the names are ours.
    pub challenge: Challenge,
    /// A PEM file of the authority to trust instead of the usual ones when speaking to the directory.
    pub ca_file: Option<PathBuf>,
}

/// How it is shown that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// A file under `/.well-known/acme-challenge/` on port 80 (RFC 8555 section 8.3).
    Http01,
    /// A certificate shown on port 443 (RFC 8737).
    TlsAlpn01,
}

impl Web {
    /// The host and the other DNS names.
    pub fn dns_names(&self) -> Vec<&str> {
        let others = self.names.iter().filter_map(|name| match name {
            WebName::Name(name) => Some(name.as_str()),
            WebName::Address(_) => None,
        });
        std::iter::once(self.host.as_str()).chain(others).collect()
    }

    /// The origins of the page: each name with each port of https, the host's first. `443` is not written.
    pub fn origins(&self) -> Vec<String> {
        let ports: BTreeSet<u16> = self.listen.iter().map(SocketAddr::port).collect();
        let mut hosts = vec![self.host.clone()];
        hosts.extend(self.names.iter().map(|name| match name {
            WebName::Name(name) => name.clone(),
            WebName::Address(IpAddr::V6(address)) => format!("[{address}]"),
            WebName::Address(address) => address.to_string(),
        }));
        let origin = |host: &String, port: &u16| match port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        };
        hosts.iter().flat_map(|host| ports.iter().map(move |port| origin(host, port))).collect()
    }
}

/// What the key `certificate` says.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    OwnCa,
    Files,
    Acme,
}

const KINDS: [(&str, Kind); 3] = [("own-ca", Kind::OwnCa), ("files", Kind::Files), ("acme", Kind::Acme)];

pub(crate) fn read(mut section: Section<'_>) -> Web {
    let place = |key| section.place_of(key);
    let (listen_at, host_at, names_at) = (place("listen"), place("host"), place("names"));
    let mut seen = Vec::new();
    let mut address = |text: &str| {
        let address = listen_address(text)?;
        if address.port() != 0 && seen.contains(&address) {
            return Err(Wrong::new("is in the lists twice"));
        }
        seen.push(address);
        Ok(address)
    };
    let listen = section.take_list("listen", 0..=16, |item| item.parsed(&mut address));
    let help_listen = section.take_list("help_listen", 0..=16, |item| item.parsed(&mut address));
    let host = section.take_parsed("host", dns_name).unwrap_or_else(|| "domovoi.local".to_owned());
    let mut known = vec![WebName::Name(host.clone())];
    let names = section.take_list("names", 0..=32, |item| {
        item.parsed(|text| {
            let name = web_name(text)?;
            if known.contains(&name) {
                return Err(Wrong::new("is the host, or is in the list twice"));
            }
            known.push(name.clone());
            Ok(name)
        })
    });
    let default = |port| vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))];
    let mut web = Web {
        enabled: section.take_bool("enabled").unwrap_or(true),
        host,
        names: names.unwrap_or_default(),
        listen: listen.unwrap_or_else(|| default(8443)),
        help_listen: help_listen.unwrap_or_else(|| default(8080)),
        private_peers_only: section.take_bool("private_peers_only").unwrap_or(true),
        certificate: Certificate::OwnCa,
        max_connections: int(section.take_int("max_connections", 8..=4000), 256),
        max_connections_per_peer: int(section.take_int("max_connections_per_peer", 4..=4000), 32),
    };
    web.certificate = read_certificate(&mut section);
    if web.enabled && web.listen.is_empty() {
        let wrong = Wrong::new("must not be empty while `enabled` is true");
        section.wrong_at(listen_at, "listen", wrong.hint("write an address, or `enabled = false`"));
    }
    if let Certificate::Acme(acme) = &web.certificate {
        for (name, at) in web.dns_names().iter().zip(std::iter::once(host_at).chain(std::iter::repeat(names_at))) {
            if !is_public(name) {
                let wrong = Wrong::new(format!("no public authority signs for {}", scalar::quoted(name)));
                let key = if *name == web.host { "host" } else { "names" };
                section.wrong_at(at, key, wrong.hint("write a name that you own, or `certificate = \"own-ca\"`"));
            }
        }
        if acme.challenge == Challenge::Http01 && web.help_listen.is_empty() {
            let wrong = Wrong::new("\"http-01\" is answered where `help_listen` listens, and that is empty");
            let hint = "write an address there, or `acme_challenge = \"tls-alpn-01\"`";
            section.wrong_at(None, "acme_challenge", wrong.hint(hint));
        }
    }
    section.finish();
    web
}

fn read_certificate(section: &mut Section<'_>) -> Certificate {
    const KEYS: [(&str, Kind, bool); 7] = [
        ("certificate_file", Kind::Files, true),
        ("key_file", Kind::Files, true),
        ("acme_directory", Kind::Acme, true),
        ("acme_terms_accepted", Kind::Acme, true),
        ("acme_contact", Kind::Acme, false),
        ("acme_challenge", Kind::Acme, false),
        ("acme_ca_file", Kind::Acme, false),
    ];
    let at = section.place_of("certificate");
    let places = KEYS.map(|(key, ..)| section.place_of(key));
    let terms_at = section.place_of("acme_terms_accepted");
    let base_dir = section.base_dir();
    let from = match (section.take_enum("certificate", &KINDS), at) {
        (Some(from), _) => Some(from),
        (None, None) => Some(Kind::OwnCa),
        // Not understood: what the other keys are for cannot be judged.
        (None, Some(_)) => None,
    };
    let certificate = section.take_path("certificate_file", base_dir);
    let key = section.take_path("key_file", base_dir);
    let directory = section.take_url("acme_directory");
    let terms_accepted = section.take_bool("acme_terms_accepted");
    let contact = section.take_parsed("acme_contact", mail_address);
    let challenges = [("http-01", Challenge::Http01), ("tls-alpn-01", Challenge::TlsAlpn01)];
    let challenge = section.take_enum("acme_challenge", &challenges).unwrap_or(Challenge::Http01);
    let ca_file = section.take_path("acme_ca_file", base_dir);
    for ((key, of, needed), place) in KEYS.into_iter().zip(places) {
        let Some(from) = from else { continue };
        let word = KINDS.iter().find(|(_, other)| *other == of).map_or("", |(word, _)| *word);
        if place.is_some() && from != of {
            let wrong = Wrong::new(format!("has no effect unless `certificate` is \"{word}\""));
            section.wrong_at(place, key, wrong.hint(format!("remove it, or write `certificate = \"{word}\"`")));
        } else if place.is_none() && from == of && needed {
            let wrong = Wrong::new(format!("is missing, and `certificate` is \"{word}\""));
            section.wrong_at(at, key, wrong);
        }
    }
    if from == Some(Kind::Acme) && terms_accepted == Some(false) {
        let wrong = Wrong::new("the authority signs for nobody who does not accept its terms");
        section.wrong_at(terms_at, "acme_terms_accepted", wrong.hint("read them, then write `true`"));
    }
    match (from, certificate, key, directory) {
        (Some(Kind::Files), Some(certificate), Some(key), _) => Certificate::Files { certificate, key },
        (Some(Kind::Acme), _, _, Some(directory)) => Certificate::Acme(Acme { directory, contact, challenge, ca_file }),
        _ => Certificate::OwnCa,
    }
}

fn int(value: Option<i64>, default: u32) -> u32 {
    value.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
}

fn listen_address(text: &str) -> Result<SocketAddr, Wrong> {
    let wrong = || Wrong::new(format!("{} is not an address with a port", scalar::quoted(text)));
    text.parse().map_err(|_| wrong().hint("write for example \"0.0.0.0:8443\" or \"[::]:8443\""))
}

/// A DNS name: passkeys belong to a name, never to an address (WebAuthn section 5.1.2).
fn dns_name(text: &str) -> Result<String, Wrong> {
    let example = "write for example \"domovoi.local\"";
    match web_name(text)? {
        WebName::Name(name) => Ok(name),
        WebName::Address(_) => {
            Err(Wrong::new("is an address, and passkeys want a name").hint("put addresses into `names`"))
        }
    }
    .map_err(|wrong| if wrong.suggestion.is_some() { wrong } else { wrong.hint(example) })
}

fn web_name(text: &str) -> Result<WebName, Wrong> {
    let text = scalar::host(text)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(WebName::Address(address));
    }
    let wrong = || Wrong::new(format!("{} is not the name of a host", scalar::quoted(&text)));
    match Host::parse(text.strip_suffix('.').unwrap_or(&text)) {
        // The parser takes what DNS does not; a certificate and a browser take letters, digits and hyphens.
        Ok(Host::Domain(name)) if name.split('.').all(is_label) => Ok(WebName::Name(name.to_lowercase())),
        _ => Err(wrong().hint("write for example \"domovoi.local\"")),
    }
}

fn is_label(label: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_public(name: &str) -> bool {
    name.contains('.')
        && !HOME_ENDINGS
            .iter()
            .any(|ending| name == *ending || name.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.')))
}

fn mail_address(text: &str) -> Result<String, Wrong> {
    let text = scalar::plain(text, 254)?;
    match text.split_once('@') {
        Some((user, host)) if !user.is_empty() && host.contains('.') && !text.contains([' ', '<', '>', ',']) => {
            Ok(text)
        }
        _ => Err(Wrong::new("is not an e-mail address").hint("write for example \"owner@home.example\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_names_are_either() {
        assert_eq!(dns_name("Domovoi.Local.").unwrap(), "domovoi.local");
        assert_eq!(dns_name("дом.рф").unwrap(), "xn--d1aqf.xn--p1ai");
        for bad in ["192.168.1.2", "[fe80::1]", "a_b.local", "-a.local", "a..b", "http://x", "x:8443", "a b", ""] {
            assert!(dns_name(bad).is_err(), "{bad}");
        }
        assert_eq!(web_name("192.168.1.2").unwrap(), WebName::Address("192.168.1.2".parse().unwrap()));
        assert_eq!(web_name("[fd00::1]").unwrap(), WebName::Address("fd00::1".parse().unwrap()));
    }

    #[test]
    fn home_names_are_not_public() {
        for name in ["domovoi.local", "local", "domovoi", "x.home.arpa", "nas.lan"] {
            assert!(!is_public(name), "{name}");
        }
        assert!(is_public("home.example.org") && is_public("notlocal.example"));
    }

    #[test]
    fn origins_name_every_way_in_and_leave_out_443() {
        let web = Web {
            enabled: true,
            host: "domovoi.local".into(),
            names: vec![WebName::Name("dom.lan".into()), WebName::Address("fd00::1".parse().unwrap())],
            listen: vec!["0.0.0.0:8443".parse().unwrap(), "0.0.0.0:443".parse().unwrap()],
            help_listen: Vec::new(),
            private_peers_only: true,
            certificate: Certificate::OwnCa,
            max_connections: 1,
            max_connections_per_peer: 1,
        };
        assert_eq!(
            web.origins(),
            [
                "https://domovoi.local",
                "https://domovoi.local:8443",
                "https://dom.lan",
                "https://dom.lan:8443",
                "https://[fd00::1]",
                "https://[fd00::1]:8443",
            ]
        );
    }
}
