//! What the house asks of others over HTTP: one way to make a client, to read an answer under a cap, to say what went wrong
//! without the address (its path or query may be the secret that opens it), and one guard over addresses that somebody
//! gave. No redirects by themselves, no proxy of the environment, no compression, TLS by rustls.
//!
//! Deliberately ignorant of what is asked and of what an answer means: OAuth, CAP, iCalendar and letters are read by the
//! rooms that want them.

mod document;
mod guard;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, RETRY_AFTER};

pub use document::{Ask, Fetched, Known, Trouble, document};
pub use guard::{Barred, Guard, Reach};

/// How a client behaves where rooms differ.
#[derive(Default)]
pub struct Terms {
    /// A connection is there within this time or not at all.
    pub connect: Duration,
    /// So is a whole answer; `None`: whoever asks sees to it.
    pub whole: Option<Duration>,
    /// Connections that are kept open to a host for the next question; 0: none.
    pub idle: usize,
    /// Where names may lead.
    pub guard: Option<Arc<Guard>>,
    /// The oldest TLS that is spoken; `None`: 1.2.
    pub tls: Option<reqwest::tls::Version>,
    /// Authorities besides the machine's, PEM.
    pub roots: Option<Vec<reqwest::Certificate>>,
}

/// So long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Makes a client. A machine without certificate authorities gets one that trusts nobody: it still reaches what is on the
/// machine itself; the log says so.
pub fn client(terms: Terms) -> Result<reqwest::Client, String> {
    // reqwest takes the process's provider; another room may have installed it already, with the same choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("domovoi/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry secrets to an address that nobody checked.
            .redirect(reqwest::redirect::Policy::none())
            // What the environment says about proxies is no setting of this program.
            .no_proxy()
            .referer(false)
            // What is asked twice may cost money, or switch something twice.
            .retry(reqwest::retry::never())
            .connect_timeout(terms.connect)
            .pool_max_idle_per_host(terms.idle)
            .pool_idle_timeout(IDLE);
        if let Some(whole) = terms.whole {
            builder = builder.timeout(whole);
        }
        if let Some(guard) = &terms.guard {
            builder = builder.dns_resolver(Arc::clone(guard));
        }
        if let Some(tls) = terms.tls {
            builder = builder.tls_version_min(tls);
        }
        builder
    };
    if let Some(roots) = terms.roots.clone() {
        return builder().tls_certs_merge(roots).build().map_err(|error| cause(&error));
    }
    builder().build().or_else(|error| {
        tracing::warn!(why = %cause(&error), "no certificate authorities: nothing is reached by https; install ca-certificates");
        builder().tls_certs_only([]).build().map_err(|error| cause(&error))
    })
}

/// Why no whole answer came.
#[derive(Debug)]
pub enum Cut {
    /// It is longer than what is taken.
    TooLong,
    /// The connection broke, or took too long.
    Broken(reqwest::Error),
}

/// The rest of an answer, `most` bytes at the most. One that says beforehand that it is longer is not read.
pub async fn take(response: &mut reqwest::Response, most: usize) -> Result<Bytes, Cut> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(Cut::TooLong);
    }
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) > most => return Err(Cut::TooLong),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(Cut::Broken(error)),
        }
    }
}

/// Retry-After in seconds, `most` at the most: nobody puts us off for ever. The form with a date is rare and would need a
/// clock that both trust; it counts as absent.
pub fn retry_after(headers: &HeaderMap, most: Duration) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(most))
}

/// What lies under an error, in one line of 200 characters at the most. The uppermost one repeats the address.
pub fn cause(error: &reqwest::Error) -> String {
    let mut under = error.source();
    let mut text = None;
    while let Some(inner) = under {
        text = Some(inner.to_string());
        under = inner.source();
    }
    match text {
        Some(text) => tame(&text, 200),
        None if error.is_timeout() => "timed out".to_owned(),
        None => "no cause given".to_owned(),
    }
}

/// A stranger's words in one line: no control characters, nothing that turns or hides what stands beside it.
pub fn tame(text: &str, most_chars: usize) -> String {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !hidden(*c)).take(most_chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn nobody_puts_us_off_for_ever() {
        let of = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            retry_after(&headers, Duration::from_secs(3600)).map(|wait| wait.as_secs())
        };
        assert_eq!(of("30"), Some(30));
        assert_eq!(of(" 99999999 "), Some(3600));
        for absent in ["-1", "soon", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999999999999999"] {
            assert_eq!(of(absent), None, "{absent}");
        }
    }

    #[test]
    fn a_strangers_words_stay_in_their_line() {
        assert_eq!(tame("a\r\nb\u{202e}c\u{1b}[31m", 6), "a  bc ");
    }
}
