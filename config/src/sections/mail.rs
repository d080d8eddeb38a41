//! `[mail]`: the mail server through which the hub writes to the people of the home. The password is in the vault.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

/// How to hand in mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// A name or an address, without scheme and port.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The address that the hub writes from.
    pub from: String,
    /// Who the hub is there, if the server wants to know.
    pub username: Option<String>,
    /// The name in the vault under which the password is kept.
    pub password_secret: Option<String>,
    /// A PEM file of the authorities to trust instead of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// A message takes no longer.
    pub timeout: Duration,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (RFC 8314 section 3).
    Implicit,
    /// After STARTTLS, without which nothing is sent (RFC 3207).
    StartTls,
    /// Not at all: a server on this machine.
    None,
}

const MODES: [(&str, MailTls); 3] =
    [("implicit", MailTls::Implicit), ("starttls", MailTls::StartTls), ("none", MailTls::None)];

pub(crate) fn read(mut section: Section<'_>) -> Mail {
    section.must_have("host", "\"smtp.example.org\"");
    section.must_have("from", "\"home@example.org\"");
    let place = |key| section.place_of(key);
    let (tls_at, ca_at, username_at, password_at) =
        (place("tls"), place("ca_file"), place("username"), place("password_secret"));
    let base_dir = section.base_dir();
    let tls = section.take_enum("tls", &MODES).unwrap_or(MailTls::Implicit);
    let port = match tls {
        MailTls::Implicit => 465,
        MailTls::StartTls => 587,
        MailTls::None => 25,
    };
    let mail = Mail {
        host: section.take_parsed("host", scalar::host).unwrap_or_default(),
        port: section.take_int("port", 1..=65_535).and_then(|port| u16::try_from(port).ok()).unwrap_or(port),
        tls,
        from: section.take_parsed("from", address).unwrap_or_default(),
        username: section.take_string("username", 256),
        password_secret: section.take_parsed("password_secret", scalar::name),
        ca_file: section.take_path("ca_file", base_dir),
        timeout: section
            .take_duration("timeout", Duration::from_secs(1)..=Duration::from_secs(10))
            .unwrap_or(Duration::from_secs(10)),
    };
    let loopback = mail.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if tls == MailTls::None && !mail.host.is_empty() && !loopback {
        let wrong = Wrong::new("without TLS everybody on the way reads the codes");
        section.wrong_at(tls_at, "tls", wrong.hint("write \"implicit\" or \"starttls\"; \"none\" is for 127.0.0.1"));
    }
    if tls == MailTls::None && ca_at.is_some() {
        section.wrong_at(ca_at, "ca_file", Wrong::new("has no effect without TLS").hint("remove it"));
    }
    if username_at.is_some() != password_at.is_some() {
        let (at, key) =
            if username_at.is_some() { (username_at, "username") } else { (password_at, "password_secret") };
        let wrong = Wrong::new("a user name and a password go together");
        section.wrong_at(at, key, wrong.hint("write both `username` and `password_secret`, or neither"));
    }
    section.finish();
    mail
}

/// An address in ASCII, as a mail server is told it. What a person may be called is for others.
pub(crate) fn address(text: &str) -> Result<String, Wrong> {
    scalar::plain(text, 254)?;
    let wrong = || {
        Wrong::new(format!("{} is not an e-mail address", scalar::quoted(text)))
            .hint("write for example \"home@example.org\", without a name")
    };
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let right = !local.is_empty()
        && local.len() <= 64
        && local.chars().all(fits)
        && !local.split('.').any(str::is_empty)
        && domain.split('.').all(label);
    if right { Ok(text.to_owned()) } else { Err(wrong()) }
}
