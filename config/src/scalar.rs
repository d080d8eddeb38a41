//! What single texts of the settings file mean: durations, sizes, addresses, names. Pure; knows no key and no place.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use url::{Host, Url};

use crate::mistake::{Wrong, nearest};

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// `20 ms`, `2 s`, `5 min`, `3 h`, `2 d`: a whole number and its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    let example = "write a whole number and its unit, like \"20 ms\", \"2 s\", \"5 min\", \"3 h\" or \"2 d\"";
    let wrong = || Wrong::new(format!("{} is not a duration", quoted(text))).hint(example);
    quantity(text, &DURATION_UNITS).map(Duration::from_millis).ok_or_else(wrong)
}

/// `500 MB` (millions), `2 MiB` (powers of two).
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    let example = "write a whole number and its unit, like \"64 KiB\", \"2 MiB\" or \"500 MB\"";
    quantity(text, &SIZE_UNITS).ok_or_else(|| Wrong::new(format!("{} is not a size", quoted(text))).hint(example))
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

pub(crate) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

pub(crate) fn show_size(size: u64) -> String {
    show(size, &SIZE_UNITS)
}

/// In the largest unit that needs no fraction.
fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().filter(|(_, factor)| value > 0 && value.is_multiple_of(*factor));
    let (unit, factor) =
        fitting.max_by_key(|(_, factor)| *factor).copied().unwrap_or(units.first().copied().unwrap_or(("", 1)));
    format!("{} {unit}", value / factor)
}

/// Text of 1..=`max` bytes without control characters.
pub(crate) fn plain(text: &str, max: usize) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("must not be empty"));
    }
    if text.len() > max {
        return Err(Wrong::new(format!("is {} bytes long, at most {max} are allowed", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("holds a control character"));
    }
    Ok(text.to_owned())
}

/// A name of our own: `[a-z0-9_-]{1,64}`.
pub(crate) fn name(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("{} is not a name: 1 to 64 of a-z, 0-9, `_` and `-`", quoted(text))))
}

/// The name of a systemd credential: a file name (systemd.exec(5), `LoadCredential=`).
pub(crate) fn credential(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !text.is_empty() && text.len() <= 255 && text.bytes().all(fits) && !text.starts_with('.') {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(format!("{} is not the name of a systemd credential", quoted(text)));
    Err(wrong.hint("write its name only, like \"domovoi-passphrase\"; a path goes into `passphrase_file`"))
}

pub(crate) fn choice<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, Wrong> {
    let known = || words.iter().map(|(word, _)| *word);
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<String> = known().map(|word| format!("\"{word}\"")).collect();
        Wrong::new(format!("{} is none of {}", quoted(text), all.join(", "))).hint_nearest(text, known())
    })
}

/// A path; a relative one starts from `from`. Nothing is looked up: the file may be made later.
pub(crate) fn path(text: &str, from: &Path) -> Result<PathBuf, Wrong> {
    plain(text, 1024)?;
    if text == "~" || text.starts_with("~/") {
        return Err(Wrong::new("`~` is a thing of the shell and means nothing here").hint("write the whole path"));
    }
    let path = Path::new(text);
    Ok(from.join(path.strip_prefix(".").unwrap_or(path)))
}

/// An address that may be called with a token in hand. `localhost` is a name, which a resolver may answer as it likes
/// (RFC 8252 section 8.3 advises the literal for the same reason); only a literal loopback address goes without TLS.
pub(crate) fn url(text: &str) -> Result<Url, Wrong> {
    plain(text, 2048)?;
    let example = "write for example \"https://portal.example/api/v1\"";
    let url = Url::parse(text).map_err(|e| Wrong::new(format!("is not a web address: {e}")).hint(example))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("an address with a name or password in it is a secret in this file")
            .hint("remove the part before `@`"));
    }
    if url.fragment().is_some() {
        return Err(Wrong::new("an address must not have a fragment").hint("remove everything from `#` on"));
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(Wrong::new("plain http would show the tokens to everybody on the way")
            .hint("write https; http is only for a literal loopback address like http://127.0.0.1:8080")),
        _ => Err(Wrong::new("an address must begin with https://").hint(example)),
    }
}

/// An IANA time zone name.
pub(crate) fn time_zone(text: &str) -> Result<TimeZone, Wrong> {
    plain(text, 64)?;
    TimeZone::get(text).map_err(|_| {
        // Abbreviations lie near one another and half a world apart: MSK is not MST.
        let names: Vec<String> =
            jiff::tz::db().available().map(|name| name.as_str().to_owned()).filter(|name| name.contains('/')).collect();
        let wrong = Wrong::new(format!("{} is no time zone of the IANA database", quoted(text)));
        match nearest(text, names.iter().map(String::as_str)) {
            Some(name) => wrong.hint(format!("did you mean `{name}`?")),
            None => wrong.hint("write for example \"Europe/Moscow\""),
        }
    })
}

/// The beginning of MQTT topics: no wildcards (MQTT 3.1.1 section 4.7.1), no empty level at either end.
pub(crate) fn topic_base(text: &str) -> Result<String, Wrong> {
    plain(text, 128)?;
    if text.contains(['+', '#']) {
        return Err(Wrong::new("a base topic must not hold the wildcards `+` and `#`"));
    }
    if text.split('/').any(str::is_empty) {
        return Err(Wrong::new("a base topic must not begin or end with `/` or hold `//`"));
    }
    if text.starts_with('$') || text == "domovoi" || text.starts_with("domovoi/") {
        return Err(Wrong::new("topics that begin with `$` or `domovoi/` are not for devices"));
    }
    Ok(text.to_owned())
}

/// A host name or an address, without scheme and port.
pub(crate) fn host(text: &str) -> Result<String, Wrong> {
    plain(text, 253)?;
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if text.contains("://") || text.contains('@') {
        return Err(
            Wrong::new("is an address, and only a host is wanted here").hint("write for example \"192.168.1.10\"")
        );
    }
    if text.contains(':') {
        return Err(Wrong::new("is not a host").hint("write the port as `port = …`"));
    }
    match Host::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(e) => Err(Wrong::new(format!("{} is not a host: {e}", quoted(text)))),
    }
}

/// A positive amount, as registers are spelled: up to 15 digits, up to 7 decimals, no sign, no exponent.
pub(crate) fn amount(text: &str) -> Result<Decimal, Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |part: &str, max: usize| !part.is_empty() && part.len() <= max && part.bytes().all(|b| b.is_ascii_digit());
    let amount = if digits(whole, 15) && digits(fraction, 7) { text.parse::<Decimal>().ok() } else { None };
    amount.filter(|a| !a.is_zero()).ok_or_else(|| {
        Wrong::new(format!("{} is not an amount above zero", quoted(text)))
            .hint("write digits and a point in quotes, like \"12.5\"")
    })
}

/// Whether a key is called like something that must not be in a file.
pub(crate) fn names_a_secret(key: &str) -> bool {
    const WORDS: [&str; 9] =
        ["password", "passwd", "passphrase", "token", "secret", "apikey", "api_key", "private_key", "credentials"];
    let key = key.to_lowercase().replace('-', "_");
    key == "pass" || key == "pin" || key == "master_key" || WORDS.iter().any(|word| key.ends_with(word))
}

/// The text in quotes, shortened, for a sentence.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_back() {
        for text in ["0 ms", "20 ms", "2 s", "5 min", "3 h", "2 d", "90 min"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        assert_eq!(duration("2h").unwrap(), Duration::from_secs(7200));
        for text in ["64 KiB", "2 MiB", "500 MB", "1 B", "1 GB"] {
            assert_eq!(show_size(size(text).unwrap()), text);
        }
        for bad in ["", "5", "5 m", "1.5 h", "-1 s", "s", "99999999999999999999 s", "9999999999999999999 d", "5 ч"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_loopback_goes_without_tls() {
        for good in ["https://portal.example/api", "http://127.0.0.1:8080", "http://[::1]:80/x", "https://localhost"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://portal.example",
            "http://localhost:8080",
            "http://127.0.0.1.example",
            "http://0.0.0.0",
            "ftp://127.0.0.1",
            "https://user:hunter2@portal.example",
            "https://portal.example/#x",
            "portal.example",
            "",
        ] {
            let wrong = url(bad).expect_err(bad);
            assert!(!wrong.message.contains("hunter2"), "{wrong:?}");
        }
    }

    #[test]
    fn topics_hosts_amounts() {
        assert!(topic_base("дом/zigbee2mqtt").is_ok());
        for bad in ["", "a/+", "#", "/a", "a/", "a//b", "domovoi/x", "$SYS", "a\u{0}b", &"x".repeat(129)] {
            assert!(topic_base(bad).is_err(), "{bad}");
        }
        for good in ["192.168.1.10", "fe80::1", "[::1]", "broker.lan"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in ["", "mqtt://x", "x:1883", "a b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert_eq!(amount("12.50").unwrap().to_string(), "12.50");
        for bad in ["", "0", "0.0", "-1", "1e3", "1.", ".5", "1.12345678", "1234567890123456"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for key in ["password", "client_secret", "refresh_token", "Token", "api-key"] {
            assert!(names_a_secret(key), "{key}");
        }
        for key in ["port", "username", "token_endpoint"] {
            assert!(!names_a_secret(key), "{key}");
        }
    }
}
