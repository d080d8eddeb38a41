//! What can go wrong between an address and its frames, as a caller tells it apart: who has to do something else, or reads
//! another sentence, gets another variant. Deliberately not the sentences themselves: they are made in two languages by
//! whoever speaks to people, from `code()` and the fields.

use std::net::SocketAddr;
use std::time::Duration;

use crate::address::Refusal;
use crate::trust::{Certificate, Fingerprint};

/// The step of a session that did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Resolve,
    Connect,
    Tls,
    Describe,
    Setup,
    Play,
    /// Playing, but no picture came within the time of a frame.
    Frame,
}

impl Step {
    pub fn code(self) -> &'static str {
        match self {
            Step::Resolve => "resolve",
            Step::Connect => "connect",
            Step::Tls => "tls",
            Step::Describe => "describe",
            Step::Setup => "setup",
            Step::Play => "play",
            Step::Frame => "frame",
        }
    }
}

/// What a peer sent too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Bytes without one frame or answer among them: endless fragments, bodies of gigabytes, floods on other channels.
    Unanswered,
    /// One access unit.
    AccessUnit,
    /// Bytes a second, for longer than a burst.
    Pace,
    /// Frames a second, for longer than a burst.
    Frames,
    /// Runs a minute: parameters or times that change with every key frame.
    Runs,
}

/// Why there are no frames. Texts of peers in it are bounded, without control characters and without our secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error("the name {host} has no address: {why}")]
    Unresolved { host: String, why: String },
    #[error("{address} is refused: {why}")]
    RefusedAddress { address: SocketAddr, why: Refusal },
    #[error("no connection to {address}: {why}")]
    NoConnection { address: SocketAddr, why: String },
    #[error("{} did not end within {} s", step.code(), after.as_secs())]
    Timeout { step: Step, after: Duration },
    /// 401. `given`: a name and a password were sent and not taken.
    #[error("the camera wants another name or password (401)")]
    Unauthorized { given: bool },
    #[error("the camera knows no such stream (404)")]
    NotFound,
    /// 453 or 503: its places are taken.
    #[error("the camera serves no more viewers ({status})")]
    Busy { status: u16 },
    #[error("the camera refuses this transport (461)")]
    TransportRefused,
    #[error("the camera answers {status}")]
    Refused { status: u16 },
    /// rtsps without a certificate that was looked at: nothing was sent to the camera.
    #[error("the camera's certificate {} is not known yet", found.fingerprint)]
    CertificateUnknown { found: Box<Certificate> },
    #[error("the camera's certificate is {} and no longer {pinned}", found.fingerprint)]
    CertificateChanged { pinned: Fingerprint, found: Box<Certificate> },
    #[error("TLS failed: {why}")]
    Tls { why: String },
    /// rtsps is for privacy, RTP over UDP has none.
    #[error("rtsps is not carried over UDP")]
    UdpOverTls,
    #[error("the camera offers no video, only {}", offered.join(", "))]
    NoVideo { offered: Vec<String> },
    #[error("video in {codec} is not understood")]
    Unsupported { codec: String },
    #[error("no key frame within {} s", within.as_secs())]
    NoKeyFrame { within: Duration },
    #[error("too much ({of:?}): more than {limit}")]
    TooMuch { of: Excess, limit: u64 },
    #[error("not a byte for {} s", seconds.as_secs())]
    Silent { seconds: Duration },
    #[error("the camera closed the connection")]
    Closed,
    #[error("the camera does not keep to the protocol: {text}")]
    Protocol { text: String },
    /// Something of ours gave way: no socket, no thread, a panic.
    #[error("the hub itself failed: {text}")]
    Ours { text: String },
}

impl Trouble {
    /// The stable name of the variant, for logs, metrics and the sentences of the page.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Unresolved { .. } => "unresolved",
            Trouble::RefusedAddress { .. } => "refused-address",
            Trouble::NoConnection { .. } => "no-connection",
            Trouble::Timeout { .. } => "timeout",
            Trouble::Unauthorized { .. } => "unauthorized",
            Trouble::NotFound => "not-found",
            Trouble::Busy { .. } => "busy",
            Trouble::TransportRefused => "transport-refused",
            Trouble::Refused { .. } => "refused",
            Trouble::CertificateUnknown { .. } => "certificate-unknown",
            Trouble::CertificateChanged { .. } => "certificate-changed",
            Trouble::Tls { .. } => "tls",
            Trouble::UdpOverTls => "udp-over-tls",
            Trouble::NoVideo { .. } => "no-video",
            Trouble::Unsupported { .. } => "unsupported",
            Trouble::NoKeyFrame { .. } => "no-key-frame",
            Trouble::TooMuch { .. } => "too-much",
            Trouble::Silent { .. } => "silent",
            Trouble::Closed => "closed",
            Trouble::Protocol { .. } => "protocol",
            Trouble::Ours { .. } => "ours",
        }
    }

    /// Trying again by itself cannot help: somebody has to change the address, the password, the trust or the camera.
    pub fn needs_somebody(&self) -> bool {
        matches!(
            self,
            Trouble::RefusedAddress { .. }
                | Trouble::Unauthorized { .. }
                | Trouble::NotFound
                | Trouble::CertificateUnknown { .. }
                | Trouble::CertificateChanged { .. }
                | Trouble::UdpOverTls
                | Trouble::NoVideo { .. }
                | Trouble::Unsupported { .. }
        )
    }

    /// Nothing answers at the address: a bare TCP connection that succeeds is news.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Trouble::Unresolved { .. }
                | Trouble::NoConnection { .. }
                | Trouble::Timeout { step: Step::Resolve | Step::Connect | Step::Tls, .. }
        )
    }

    /// An answer of RTSP that is not a success.
    pub(crate) fn of_status(status: u16, given: bool) -> Trouble {
        match status {
            401 | 403 => Trouble::Unauthorized { given },
            404 => Trouble::NotFound,
            453 | 503 => Trouble::Busy { status },
            461 => Trouble::TransportRefused,
            _ => Trouble::Refused { status },
        }
    }
}

/// Longest text of a peer that is passed on.
const TEXT_CHARS: usize = 240;

/// A peer's text as it may be shown: bounded, on one line, without control characters and without the given secrets.
pub(crate) fn clean(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    let mut out = String::new();
    for c in text.chars() {
        if out.chars().count() >= TEXT_CHARS {
            out.push('…');
            break;
        }
        // Bidirectional marks reorder what stands beside them on a page.
        let unseen =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || unseen || c == ' ' {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_peers_are_bounded_and_without_controls_or_secrets() {
        let text = format!("bad\r\n\x1b[31m \u{202e}header s3cret {}", "x".repeat(1000));
        let shown = clean(&text, &["s3cret", ""]);
        assert!(shown.starts_with("bad [31m header *** xxx"), "{shown}");
        assert!(shown.chars().count() <= TEXT_CHARS + 1);
    }
}
