//! A camera's address as a person types it, and where it may lead: parsed, shown without its secrets, resolved once, each
//! resolved address checked, and exactly the checked ones handed on to be connected to.
//! Deliberately no connecting (`relay`), and no search for cameras.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use domovoi_vault::Secret;

mod policy;
#[cfg(test)]
mod tests;

pub use policy::{Allow, OwnSocket, Policy, Refusal};

use crate::session::{Step, Trouble, clean};

/// Longest address that is looked at.
const LONGEST: usize = 2048;
/// Addresses of one name that are tried, in the resolver's order.
const ADDRESSES_TRIED: usize = 4;

/// rtsp:// or rtsps://, a host, a port, a path with its query. `Display` and `Debug` show it without what looks like a
/// password in the path (XMeye and Dahua firmware put it there).
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub tls: bool,
    host: Host,
    pub port: u16,
    /// Begins with `/`; printable ASCII only.
    path: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    Ip(IpAddr),
}

/// What stood before the `@`.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Secret<String>,
}

/// Why a text is no camera's address. Never repeats the text: a password may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("the address is longer than {LONGEST} characters")]
    TooLong,
    #[error("the address begins with neither rtsp:// nor rtsps://")]
    Scheme,
    #[error("there is no host after ://")]
    NoHost,
    #[error("the host contains a character that no host name has")]
    Host,
    #[error("the address in brackets is no IPv6 address")]
    Ipv6,
    #[error("an IPv6 address stands in brackets: rtsp://[fd00::5]:554/")]
    Ipv6Bare,
    #[error("the port is no number from 1 to 65535")]
    Port,
    #[error("a name or password with / ? or # does not fit in an address: type it in its own field")]
    Login,
    #[error("the address contains a blank or a control character")]
    Blank,
}

impl Address {
    /// Reads `rtsp://[user[:password]@]host[:port][/path]`; the login is handed back beside the address, percent-decoded.
    pub fn parse(typed: &str) -> Result<(Address, Option<Login>), AddressError> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(AddressError::Empty);
        }
        if typed.len() > LONGEST {
            return Err(AddressError::TooLong);
        }
        if typed.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(AddressError::Blank);
        }
        let (scheme, rest) = typed.split_once("://").ok_or(AddressError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "rtsp" => false,
            "rtsps" => true,
            _ => return Err(AddressError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A password may contain an @ that nobody encoded: the last one of the authority counts.
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = match host_and_port(place, if tls { 322 } else { 554 }) {
            // rtsp://admin:a/b@host/: the authority ended inside the password.
            Err(_) if login.is_none() && path.contains('@') => return Err(AddressError::Login),
            other => other?,
        };
        let address = Address { tls, host, port, path: encoded_path(path) };
        Ok((address, login.map(read_login)))
    }

    /// The host as a name or a literal, without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
        }
    }

    /// The path with its query, whole: it may contain a password.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same stream at another host, for a camera that was found again elsewhere.
    pub fn moved_to(&self, ip: IpAddr) -> Address {
        Address { host: Host::Ip(ip), ..self.clone() }
    }

    /// The same stream at another host, a name or a literal with or without brackets; `None` if it is neither.
    pub(crate) fn at_host(&self, host: &str) -> Option<Address> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match bare.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => host_and_port(bare, self.port).ok()?.0,
        };
        Some(Address { host, ..self.clone() })
    }

    /// What of the path must not be shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        secret_of_path(&self.path).map(|at| self.path.get(at..).unwrap_or_default().to_owned()).into_iter().collect()
    }

    /// Resolves the name once and checks each address. What comes back is to be connected to as it stands: a second look-up
    /// could lead elsewhere (DNS rebinding).
    pub async fn resolve(&self, policy: &Policy, within: std::time::Duration) -> Result<Vec<SocketAddr>, Trouble> {
        resolved(&self.host(), self.port, policy, within).await
    }
}

/// The same for a name or a literal, without brackets.
pub(crate) async fn resolved(
    host: &str,
    port: u16,
    policy: &Policy,
    within: std::time::Duration,
) -> Result<Vec<SocketAddr>, Trouble> {
    let found: Vec<SocketAddr> = match host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => {
            let looked_up = tokio::time::timeout(within, tokio::net::lookup_host((host, port)));
            match looked_up.await {
                Err(_) => return Err(Trouble::Timeout { step: Step::Resolve, after: within }),
                Ok(Err(error)) => {
                    return Err(Trouble::Unresolved { host: host.to_owned(), why: clean(&error.to_string(), &[]) });
                }
                Ok(Ok(addresses)) => addresses.take(ADDRESSES_TRIED * 4).collect(),
            }
        }
    };
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in found {
        match policy.check(address) {
            Ok(()) if !allowed.contains(&address) => allowed.push(address),
            Ok(()) => {}
            Err(why) => refused = refused.or(Some(Trouble::RefusedAddress { address, why })),
        }
    }
    allowed.truncate(ADDRESSES_TRIED);
    if allowed.is_empty() {
        return Err(refused.unwrap_or(Trouble::Unresolved { host: host.to_owned(), why: "no address".to_owned() }));
    }
    Ok(allowed)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rtsps" } else { "rtsp" };
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        write!(f, "{scheme}://{host}:{}", self.port)?;
        match secret_of_path(&self.path) {
            Some(at) => write!(f, "{}***", self.path.get(..at).unwrap_or_default()),
            None => f.write_str(&self.path),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn host_and_port(place: &str, default_port: u16) -> Result<(Host, u16), AddressError> {
    let port_of = |text: &str| match text {
        "" => Ok(default_port),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(AddressError::Port),
        },
        _ => Err(AddressError::Port),
    };
    if let Some(rest) = place.strip_prefix('[') {
        let (literal, after) = rest.split_once(']').ok_or(AddressError::Ipv6)?;
        let ip: std::net::Ipv6Addr = literal.parse().map_err(|_| AddressError::Ipv6)?;
        let port = match after.strip_prefix(':') {
            Some(port) => port_of(port)?,
            None if after.is_empty() => default_port,
            None => return Err(AddressError::Port),
        };
        return Ok((Host::Ip(IpAddr::V6(ip)), port));
    }
    if place.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(AddressError::Ipv6Bare);
    }
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, port_of(port)?),
        None => (place, default_port),
    };
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    // Names in other letters go to the resolver as they are; what could end a name in a URL or a header is refused.
    let bad = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_');
    if host.len() > 253 || host.chars().any(bad) {
        return Err(AddressError::Host);
    }
    Ok((host.parse().map_or_else(|_| Host::Name(host.to_owned()), |ip| Host::Ip(IpAddr::V4(ip))), port))
}

/// The path for a request line: begins with `/`, everything that is not printable ASCII percent-encoded, the fragment
/// kept as `%23` since cameras have been seen with a # in a channel's name.
fn encoded_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        out.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'`') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn read_login(login: &str) -> Login {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Login { user: decoded(user), password: Secret::new(decoded(password)) }
}

/// Percent-decodes where every `%` is followed by two hexadecimal digits and the result is text; a password with a bare
/// `%` stays as it was typed.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return text.to_owned(),
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Where in a path a password begins: `?user=admin&password=…`, XMeye's `/user=admin_password=…_channel=1.sdp`. All that
/// follows is hidden, since nothing says where such a password ends.
fn secret_of_path(path: &str) -> Option<usize> {
    let lower = path.to_ascii_lowercase();
    ["password=", "passwd=", "pass=", "pwd=", "psw=", "token=", "auth=", "secret=", "key="]
        .iter()
        .filter_map(|name| lower.find(name).map(|at| at + name.len()))
        .min()
}
