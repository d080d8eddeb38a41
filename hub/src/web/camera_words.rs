//! How a camera stands, in words: for pages, for programs, for a live socket. One place, so that all of them say the same.

use domovoi_config::Language;
use domovoi_model::Id;
use domovoi_video::session::{State, Step, Trouble};

use super::Desk;
use crate::cameras::{CamerasError, Off, Recording, trouble_message};
use crate::words::words;

/// Why there are no frames, and what to do about it.
pub fn trouble(trouble: &Trouble, language: Language) -> String {
    let variables = variables(trouble);
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    words(language).say(trouble_message(trouble), &variables)
}

/// What a trouble's sentence needs beside its key.
fn variables(trouble: &Trouble) -> Vec<(&'static str, String)> {
    match trouble {
        Trouble::Unresolved { host, why } => vec![("host", host.clone()), ("why", why.clone())],
        Trouble::RefusedAddress { address, why } => vec![("address", address.to_string()), ("why", why.to_string())],
        Trouble::NoConnection { address, why } => vec![("address", address.to_string()), ("why", why.clone())],
        Trouble::Timeout { step, after } => {
            let step = if *step == Step::Frame { "frame" } else { step.code() };
            vec![("step", step.to_owned()), ("seconds", after.as_secs().to_string())]
        }
        Trouble::Busy { status } | Trouble::Refused { status } => vec![("status", status.to_string())],
        Trouble::CertificateUnknown { found } => vec![("found", found.fingerprint.to_string())],
        Trouble::CertificateChanged { pinned, found } => {
            vec![("pinned", pinned.to_string()), ("found", found.fingerprint.to_string())]
        }
        Trouble::Tls { why } => vec![("why", why.clone())],
        Trouble::NoVideo { offered } => vec![("offered", offered.join(", "))],
        Trouble::Unsupported { codec } => vec![("codec", codec.clone())],
        Trouble::NoKeyFrame { within } => vec![("seconds", within.as_secs().to_string())],
        Trouble::TooMuch { limit, .. } => vec![("limit", limit.to_string())],
        Trouble::Silent { seconds } => vec![("seconds", seconds.as_secs().to_string())],
        Trouble::Protocol { text } | Trouble::Ours { text } => vec![("why", text.clone())],
        Trouble::Unauthorized { .. }
        | Trouble::NotFound
        | Trouble::TransportRefused
        | Trouble::UdpOverTls
        | Trouble::Closed => Vec::new(),
    }
}

/// Why something about a camera is not done.
pub fn error(error: &CamerasError, language: Language) -> String {
    match error {
        CamerasError::Trouble(found) => trouble(found, language),
        CamerasError::Full(most) => words(language).say(error.message(), &[("most", &most.to_string())]),
        CamerasError::Unreadable(why) => words(language).say(error.message(), &[("why", why)]),
        CamerasError::Wrong(wrong) => {
            let number = wrong.number.unwrap_or_default().to_string();
            let most = crate::cameras::schedule::MOST_SPANS.to_string();
            words(language).say(wrong.message, &[("number", &number), ("most", &most)])
        }
        other => words(language).say(other.message(), &[("why", &other.to_string())]),
    }
}

/// How a camera's session stands: a code and the words for it.
pub fn state(state: &State, language: Language) -> (&'static str, String) {
    let say = |key| words(language).say(key, &[]);
    match state {
        State::Starting => ("starting", say("camera-state-starting")),
        State::Online { .. } => ("online", say("camera-state-online")),
        State::Offline { trouble: why, .. } => ("offline", trouble(why, language)),
        State::Stopped => ("off", say("camera-state-off")),
    }
}

/// The same of one camera.
pub fn state_of(desk: &Desk, camera: Id, language: Language) -> (&'static str, String) {
    match desk.cameras.standing(camera) {
        Some((status, _)) => state(&status.state, language),
        None => ("gone", words(language).say("camera-none", &[])),
    }
}

/// Whether it is recorded: a code and the words for it. `moment` spells a moment in the home's zone.
pub fn recording(
    recording: &Recording,
    language: Language,
    moment: impl Fn(domovoi_model::Timestamp) -> String,
) -> (&'static str, String) {
    let until = |key: &str, at: Option<domovoi_model::Timestamp>| match at {
        Some(at) => words(language).say(&format!("{key}-until"), &[("until", &moment(at))]),
        None => words(language).say(key, &[]),
    };
    match recording {
        Recording::On { event_until: None } => ("on", words(language).say("camera-recording-on", &[])),
        Recording::On { event_until: at } => ("event", until("camera-recording-event", *at)),
        Recording::Off(Off::Plan { until: at }) => ("plan", until("camera-off-plan", *at)),
        Recording::Off(off) => (off.code(), words(language).say(&format!("camera-off-{}", off.code()), &[])),
    }
}
