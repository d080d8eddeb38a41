//! `[sign_in]`: how long somebody stays signed in. How often a wrong password may be tried is no setting: a home that
//! could turn it off would.

use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// How long sessions last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInSection {
    /// A session ends after so long without use.
    pub idle: Duration,
    /// And after so long in any case. Not below `idle`.
    pub absolute: Duration,
}

pub(crate) fn read(mut section: Section<'_>) -> SignInSection {
    let idle_at = section.place_of("idle");
    let sign_in = SignInSection {
        idle: section.take_duration("idle", 5 * MINUTE..=365 * DAY).unwrap_or(14 * DAY),
        absolute: section.take_duration("absolute", 60 * MINUTE..=730 * DAY).unwrap_or(90 * DAY),
    };
    if sign_in.idle > sign_in.absolute {
        let (idle, absolute) = (scalar::show_duration(sign_in.idle), scalar::show_duration(sign_in.absolute));
        let wrong =
            Wrong::new(format!("{idle} without use are longer than the {absolute} that a session lasts at all"));
        section.wrong_at(idle_at, "idle", wrong.hint("make `idle` at most as long as `absolute`"));
    }
    section.finish();
    sign_in
}
