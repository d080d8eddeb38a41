//! `[submission]`: when acts are handed in inside a supplier's window, and when the owner is warned.

use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;
use crate::sections::supplier::Supplier;

/// The shortest pace. Nobody wants it at home, where a portal would call it an attack; a hub that is tested against the
/// sandbox portal on the same machine lives through a winter of failures in seconds with it.
const SHORTEST: Duration = Duration::from_millis(10);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The pace of submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// An act is handed in at a random moment of this span from the window's opening, so that homes do not come all at
    /// once. 0..=7 d.
    pub jitter: Duration,
    /// How long after a failed try the next one comes; a server's `Retry-After` goes before it.
    pub retry_every: Duration,
    /// How often the portal is asked what became of an act that it has taken.
    pub read_back_every: Duration,
    /// How long before a window's end the owner is warned of an act that is not confirmed.
    pub warn_before_end: Duration,
    /// The day of the month on which the owner is warned at the latest, 1..=28: the law says the 25th unless a contract
    /// says otherwise (ПП 354).
    pub warn_no_later_than_day: u8,
    /// How often windows, warnings and reminders are looked at.
    pub check_every: Duration,
}

pub(crate) fn read(mut section: Section<'_>, suppliers: &[(usize, Supplier)]) -> Submission {
    let jitter_at = section.place_of("jitter");
    let submission = Submission {
        jitter: section.take_duration("jitter", Duration::ZERO..=7 * DAY).unwrap_or(6 * HOUR),
        retry_every: section.take_duration("retry_every", SHORTEST..=DAY).unwrap_or(HOUR),
        read_back_every: section.take_duration("read_back_every", SHORTEST..=DAY).unwrap_or(10 * MINUTE),
        warn_before_end: section.take_duration("warn_before_end", Duration::ZERO..=14 * DAY).unwrap_or(2 * DAY),
        warn_no_later_than_day: section
            .take_int("warn_no_later_than_day", 1..=28)
            .and_then(|day| u8::try_from(day).ok())
            .unwrap_or(23),
        check_every: section.take_duration("check_every", SHORTEST..=HOUR).unwrap_or(MINUTE),
    };
    let windows = suppliers.iter().flat_map(|(line, supplier)| supplier.windows.iter().map(move |w| (*line, w)));
    if let Some((line, days)) = windows.map(|(line, w)| (line, w.shortest_days())).min_by_key(|(_, days)| *days)
        && submission.jitter.as_secs() >= u64::try_from(days).unwrap_or(1).saturating_mul(DAY.as_secs())
    {
        let (jitter, window) =
            (scalar::show_duration(submission.jitter), scalar::show_duration(DAY * days.clamp(1, 62) as u32));
        let wrong = Wrong::new(format!("{jitter} do not fit into a window of {window} of the supplier at line {line}"));
        section.wrong_at(jitter_at, "jitter", wrong.hint("make it shorter than the shortest window"));
    }
    section.finish();
    submission
}
