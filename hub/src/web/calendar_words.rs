//! What the calendar says, as people read it: why something cannot be, how a calendar elsewhere stands.

use domovoi_config::Language;

use crate::calendar::{CalendarError, ElsewhereView};
use crate::words::words;

/// Why something of the calendar cannot be done.
pub fn error(error: &CalendarError, language: Language) -> String {
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    match error {
        CalendarError::NoSuch(what) => say(&format!("calendar-no-{}", what.replace(' ', "-")), &[]),
        CalendarError::ReadOnly(_) => say("calendar-read-only", &[]),
        CalendarError::Wrong(wrong) => {
            let failed = format!("calendar-failed-{}", wrong.code);
            let known = if wrong.field == "address" { say(&failed, &[("detail", &wrong.why)]) } else { failed.clone() };
            if known != failed {
                return known;
            }
            say(&format!("calendar-wrong-{}", wrong.code), &[])
        }
        CalendarError::Full { most, .. } => say("calendar-full", &[("most", &most.to_string())]),
        CalendarError::NoClock => say("calendar-no-clock", &[]),
        CalendarError::Store(error) => error.to_string(),
    }
}

/// How a calendar elsewhere stands.
pub fn standing(view: &ElsewhereView, language: Language) -> String {
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    match (&view.failure, view.read_at) {
        (Some((code, detail)), _) => say(&format!("calendar-failed-{code}"), &[("detail", detail)]),
        (None, Some(_)) if view.left_out > 0 => say("calendar-read-in-part", &[("count", &view.left_out.to_string())]),
        (None, Some(_)) => say("calendar-read", &[]),
        (None, None) => say("calendar-not-read-yet", &[]),
    }
}
