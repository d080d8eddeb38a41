//! One session: what is kept of it, and when it is over. Pure values; where they lie is in `sessions`.
//!
//! Time is counted twice. With a trusted clock the wall says when a session is over. Without one (a Pi that booted
//! without a network) wall times are neither written nor believed; what counts then is this run's own monotonic time, so
//! that sessions neither all die at such a boot nor live for ever in it.

use std::net::IpAddr;
use std::time::Duration;

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};

use super::throttle::Key;
use super::view::{Policy, SessionView};
use crate::clock::Clock;
use crate::policy::Assurance;

/// How long a shown factor counts for a dangerous verb.
pub(super) const PROVED_MILLIS: i64 = 5 * 60_000;
/// How long a PIN on a wall tablet holds without use.
pub(super) const PIN_IDLE_MILLIS: i64 = 10 * 60_000;
/// How often the last use is written down: a page that is open all day costs the card a hundred rows, not a million.
const FLUSH_MILLIS: i64 = 10 * 60_000;

/// What was shown for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shown {
    Password,
    Passkey,
    Totp,
    Recovery,
    /// A code that was sent to a contact.
    Code,
    Portal,
    /// Another device approved this one.
    Paired,
    /// A link that the console printed: whoever holds the machine.
    Console,
    /// A link that another person handed on.
    Invited,
    Pin,
}

/// How surely that tells who it is. A passkey has checked its bearer itself; otherwise it takes two different proofs.
/// Being let in by a link or another device is worth one, once something is known or had beside it.
pub(super) fn assurance(shown: &[Shown]) -> Assurance {
    let kinds = |shown: &[Shown]| {
        let proofs = [Shown::Password, Shown::Totp, Shown::Recovery, Shown::Code, Shown::Portal];
        proofs.iter().filter(|proof| shown.contains(proof)).count()
    };
    if shown.is_empty() {
        Assurance::None
    } else if shown.contains(&Shown::Passkey) || shown.contains(&Shown::Console) || kinds(shown) >= 2 {
        Assurance::Strong
    } else if shown == [Shown::Pin] {
        Assurance::Pin
    } else {
        Assurance::Single
    }
}

/// Now, in the three ways in which it is asked here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    /// True or not.
    pub wall: Timestamp,
    /// If it can be true.
    pub trusted: Option<Timestamp>,
    /// Milliseconds of this run; never goes back.
    pub run: i64,
}

impl Moments {
    pub fn of(clock: &Clock) -> Self {
        Moments { wall: clock.wall(), trusted: clock.trusted(), run: clock.since_boot_millis() }
    }
}

/// A session as it lies in its drawer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SessionRow {
    /// The keyed hash of the cookie. The document's own id stays when the cookie changes.
    pub cookie: Key,
    /// Whose; a tablet's is nobody's.
    pub person: Option<[u8; 16]>,
    /// The person's rights when it was opened.
    pub epoch: u32,
    /// Milliseconds UTC; `None` while no clock was trusted.
    pub opened_at: Option<i64>,
    pub used_at: Option<i64>,
    pub name: String,
    pub tablet: bool,
    pub address: Option<IpAddr>,
    pub shown: Vec<Shown>,
}

/// A person who typed a PIN on a tablet. Not written down: after a restart the PIN is typed again.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    pub person: PersonId,
    pub epoch: u32,
    pub used_run: i64,
    /// The PIN, and what was shown after it.
    pub shown: Vec<Shown>,
}

/// A session as it lives.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub id: Id,
    pub row: SessionRow,
    /// In this run's time; `None`: not in this run.
    pub opened_run: Option<i64>,
    pub used_run: Option<i64>,
    pub flushed_run: i64,
    /// When a factor was shown last. Not written down: after a restart it is shown again.
    pub proved_run: Option<i64>,
    pub pinned: Option<Pinned>,
    /// Wrong answers to step-ups in a row.
    pub wrong: u8,
}

impl Live {
    /// One from the drawer.
    pub fn kept(id: Id, row: SessionRow) -> Self {
        Live { id, row, opened_run: None, used_run: None, flushed_run: 0, proved_run: None, pinned: None, wrong: 0 }
    }

    /// Whose it is now.
    pub fn person(&self) -> Option<PersonId> {
        self.row.person.map(|id| PersonId(Id(id))).or(self.pinned.as_ref().map(|pinned| pinned.person))
    }

    /// What was shown, by whoever it is now.
    pub fn shown(&self) -> &[Shown] {
        self.pinned.as_ref().map_or(&self.row.shown, |pinned| &pinned.shown)
    }

    /// Whether it is over. A tablet on the wall is nobody's and gives no right: it stays paired for as long as it is
    /// used now and then.
    pub fn is_over(&self, now: Moments, policy: &Policy) -> bool {
        let (idle, absolute) = (millis(policy.idle), millis(policy.absolute));
        let idle = if self.row.tablet { absolute } else { idle };
        let unused_in_run = now.run.saturating_sub(self.used_run.unwrap_or(0));
        match now.trusted {
            None => {
                let open_in_run = now.run.saturating_sub(self.opened_run.unwrap_or(0));
                unused_in_run > idle || (!self.row.tablet && open_in_run > absolute)
            }
            Some(at) => {
                let since = |then: Option<i64>| then.map_or(0, |then| at.0.saturating_sub(then));
                // It may have been used while the clock was not trusted, and so without a wall time.
                let unused = match self.used_run {
                    Some(_) => unused_in_run.min(since(self.row.used_at)),
                    None => since(self.row.used_at),
                };
                unused.max(if self.row.used_at.is_none() { unused_in_run } else { 0 }) > idle
                    || (!self.row.tablet && since(self.row.opened_at) > absolute)
            }
        }
    }

    /// It was used. Wall times that nobody could write before, or that lie in a future which a wrong clock invented,
    /// are mended. Says whether it should be written down.
    pub fn used(&mut self, now: Moments) -> bool {
        let mut mended = false;
        if let Some(at) = now.trusted {
            if self.row.opened_at.is_none_or(|opened| opened > at.0) {
                let open_in_run = self.opened_run.map_or(0, |opened| now.run.saturating_sub(opened));
                self.row.opened_at = Some(at.0.saturating_sub(open_in_run));
                mended = true;
            }
            self.row.used_at = Some(at.0);
        }
        self.used_run = Some(now.run);
        if let Some(pinned) = &mut self.pinned {
            pinned.used_run = now.run;
        }
        let due = mended || now.run.saturating_sub(self.flushed_run) >= FLUSH_MILLIS;
        if due {
            self.flushed_run = now.run;
        }
        due
    }

    /// When a factor was shown, on the clock as it is now, if that still counts.
    pub fn proved_at(&self, now: Moments) -> Option<Timestamp> {
        let ago = now.run.saturating_sub(self.proved_run?);
        (0..PROVED_MILLIS).contains(&ago).then(|| now.wall.plus_millis(-ago))
    }

    /// As it is shown; `csrf` is empty where another's list is shown.
    pub fn view(&self, now: Moments, policy: &Policy, csrf: Secret<String>) -> SessionView {
        let back = |run: Option<i64>| now.wall.plus_millis(-now.run.saturating_sub(run.unwrap_or(0)));
        let opened_at = self.row.opened_at.map_or_else(|| back(self.opened_run), Timestamp);
        let used_at = self.row.used_at.map_or_else(|| back(self.used_run), Timestamp);
        let (idle, absolute) = (millis(policy.idle), millis(policy.absolute));
        let ends_at = match (self.row.tablet, &self.pinned) {
            (_, Some(pinned)) => back(Some(pinned.used_run)).plus_millis(PIN_IDLE_MILLIS),
            (true, None) => used_at.plus_millis(absolute),
            (false, None) => Timestamp(used_at.plus_millis(idle).0.min(opened_at.plus_millis(absolute).0)),
        };
        SessionView {
            id: self.id.to_string(),
            person: self.person(),
            name: self.row.name.clone(),
            tablet: self.row.tablet,
            address: self.row.address,
            opened_at,
            used_at,
            ends_at,
            csrf,
        }
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: i64 = 1_800_000_000_000;

    fn policy() -> Policy {
        Policy {
            host: "domovoi.local".into(),
            origins: Vec::new(),
            home: "Дом".into(),
            idle: Duration::from_secs(14 * 86_400),
            absolute: Duration::from_secs(90 * 86_400),
        }
    }

    fn session(opened_at: Option<i64>, used_at: Option<i64>) -> Live {
        let row = SessionRow {
            cookie: [0; 16],
            person: Some([1; 16]),
            epoch: 1,
            opened_at,
            used_at,
            name: String::new(),
            tablet: false,
            address: None,
            shown: vec![Shown::Password],
        };
        Live::kept(Id([2; 16]), row)
    }

    fn trusted(at: i64, run: i64) -> Moments {
        Moments { wall: Timestamp(at), trusted: Some(Timestamp(at)), run }
    }

    fn untrusted(run: i64) -> Moments {
        Moments { wall: Timestamp(run), trusted: None, run }
    }

    #[test]
    fn two_weeks_without_use_or_ninety_days_in_all() {
        let live = session(Some(NOW), Some(NOW));
        assert!(!live.is_over(trusted(NOW + 14 * DAY, 0), &policy()));
        assert!(live.is_over(trusted(NOW + 14 * DAY + 1, 0), &policy()));
        let live = session(Some(NOW), Some(NOW + 89 * DAY));
        assert!(!live.is_over(trusted(NOW + 90 * DAY, 0), &policy()));
        assert!(live.is_over(trusted(NOW + 90 * DAY + 1, 0), &policy()));
    }

    #[test]
    fn a_boot_in_1970_ends_no_session_but_counts_its_own_time() {
        let live = session(Some(NOW), Some(NOW));
        assert!(!live.is_over(untrusted(5_000), &policy()));
        assert!(live.is_over(untrusted(14 * DAY + 1), &policy()), "unused for a fortnight of this run");
        let mut used = live.clone();
        used.used(untrusted(13 * DAY));
        assert_eq!(used.row.used_at, Some(NOW), "no wall time is written without a trusted clock");
        assert!(!used.is_over(untrusted(20 * DAY), &policy()));
        used.used(untrusted(90 * DAY));
        assert!(used.is_over(untrusted(90 * DAY + 1), &policy()), "not for ever either");
        // The network is back: what was used lately is no idle session, whatever was written before.
        let mut used = live.clone();
        used.used(untrusted(20 * DAY));
        assert!(!used.is_over(trusted(NOW + 40 * DAY, 20 * DAY + 1_000), &policy()));
        assert!(used.is_over(trusted(NOW + 91 * DAY, 20 * DAY + 1_000), &policy()), "the absolute end holds");
        assert!(live.is_over(trusted(NOW + 40 * DAY, 1_000), &policy()), "one that was not used is idle");
    }

    #[test]
    fn a_session_that_was_opened_before_the_time_was_known_gets_its_time_later() {
        let mut live = session(None, None);
        live.opened_run = Some(1_000);
        live.used_run = Some(1_000);
        assert!(!live.is_over(untrusted(2_000), &policy()));
        assert!(live.used(trusted(NOW, 61_000)), "it is written down at once");
        assert_eq!(live.row.opened_at, Some(NOW - 60_000));
        assert!(live.is_over(trusted(NOW + 91 * DAY, 91 * DAY), &policy()));
        // A wrong clock of the past said 2040.
        let mut live = session(Some(NOW + 5_000 * DAY), Some(NOW + 5_000 * DAY));
        live.used(trusted(NOW, 0));
        assert_eq!(live.row.opened_at, Some(NOW));
    }

    #[test]
    fn five_minutes_of_proof_whatever_the_wall_clock_does() {
        let mut live = session(Some(NOW), Some(NOW));
        assert_eq!(live.proved_at(trusted(NOW, 0)), None);
        live.proved_run = Some(10_000);
        assert_eq!(live.proved_at(trusted(NOW, 70_000)), Some(Timestamp(NOW - 60_000)));
        assert_eq!(live.proved_at(trusted(NOW - 50 * DAY, 70_000)), Some(Timestamp(NOW - 50 * DAY - 60_000)));
        assert_eq!(live.proved_at(trusted(NOW, 10_000 + PROVED_MILLIS)), None);
    }

    #[test]
    fn strong_is_a_passkey_or_two_different_proofs() {
        assert_eq!(assurance(&[]), Assurance::None);
        assert_eq!(assurance(&[Shown::Pin]), Assurance::Pin);
        for one in [Shown::Password, Shown::Totp, Shown::Code, Shown::Portal, Shown::Paired, Shown::Invited] {
            assert_eq!(assurance(&[one]), Assurance::Single, "{one:?}");
            assert_eq!(assurance(&[one, one]), Assurance::Single, "{one:?} twice is one");
        }
        assert_eq!(assurance(&[Shown::Passkey]), Assurance::Strong);
        assert_eq!(assurance(&[Shown::Password, Shown::Totp]), Assurance::Strong);
        assert_eq!(assurance(&[Shown::Paired, Shown::Password]), Assurance::Single);
    }
}
