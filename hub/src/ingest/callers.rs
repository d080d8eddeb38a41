//! What becomes of a device that is being connected: whether it came, with the right password, whether it stays within its
//! topics, whether what it says is understood. Watched are only those that somebody waits for; for all others this costs one
//! look at a number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::printable;

/// More than are ever connected at a time.
const MAX_WATCHED: usize = 128;

/// What was seen of a credential since it has been watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often its name came with a wrong password.
    pub wrong_passwords: u32,
    /// How many connections it has now. One that takes the place of another comes before that one goes.
    pub connections: u32,
    /// It was connected at some time.
    pub came: bool,
    /// A topic that it published to, or a filter that it subscribed to, and may not.
    pub refused: Option<String>,
    /// How many of its publishes were let through.
    pub said: u64,
    /// The last of them.
    pub topic: String,
}

/// Those who are watched.
#[derive(Default)]
pub(super) struct Callers {
    watched: AtomicUsize,
    seen: Mutex<HashMap<String, Seen>>,
    told: watch::Sender<u64>,
}

impl Callers {
    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, username: &str, change: impl FnOnce(&mut Seen)) {
        if self.watched.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut seen = self.seen();
        let Some(one) = seen.get_mut(username) else { return };
        let before = one.clone();
        change(one);
        // How much it says is no news; that it says something is.
        let news = before.said == 0 || (&before.refused, before.connections) != (&one.refused, one.connections);
        if news || before.wrong_passwords != one.wrong_passwords {
            self.told.send_modify(|times| *times = times.wrapping_add(1));
        }
    }

    pub(super) fn watch(&self, username: &str) {
        let mut seen = self.seen();
        if seen.len() < MAX_WATCHED || seen.contains_key(username) {
            seen.insert(username.to_owned(), Seen::default());
        }
        self.watched.store(seen.len(), Ordering::Relaxed);
    }

    pub(super) fn leave(&self, username: &str) {
        let mut seen = self.seen();
        seen.remove(username);
        self.watched.store(seen.len(), Ordering::Relaxed);
    }

    pub(super) fn of(&self, username: &str) -> Option<Seen> {
        self.seen().get(username).cloned()
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    pub(super) fn wrong_password(&self, username: &str) {
        self.note(username, |seen| seen.wrong_passwords = seen.wrong_passwords.saturating_add(1));
    }

    pub(super) fn came(&self, username: &str) {
        self.note(username, |seen| {
            (seen.connections, seen.came) = (seen.connections.saturating_add(1), true);
            // What was wrong before was mended, or is seen again.
            (seen.wrong_passwords, seen.refused) = (0, None);
        });
    }

    pub(super) fn went(&self, username: &str) {
        self.note(username, |seen| seen.connections = seen.connections.saturating_sub(1));
    }

    pub(super) fn refused(&self, username: &str, topic: &str) {
        self.note(username, |seen| seen.refused = Some(printable(topic)));
    }

    pub(super) fn said(&self, username: &str, topic: &str) {
        self.note(username, |seen| {
            seen.said = seen.said.saturating_add(1);
            seen.topic = printable(topic);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_waited_for_is_watched_and_what_was_mended_is_forgotten() {
        let callers = Callers::default();
        callers.wrong_password("lamp");
        assert_eq!(callers.of("lamp"), None);
        callers.watch("lamp");
        let mut news = callers.news();
        callers.wrong_password("lamp");
        callers.wrong_password("stove");
        assert!(news.has_changed().unwrap());
        assert_eq!(callers.of("lamp").map(|seen| seen.wrong_passwords), Some(1));
        callers.came("lamp");
        callers.refused("lamp", "others/state");
        callers.said("lamp", "lamp/state");
        let seen = callers.of("lamp").unwrap();
        assert!(seen.connections == 1 && seen.wrong_passwords == 0 && seen.said == 1);
        assert_eq!(seen.refused.as_deref(), Some("others/state"));
        news.mark_unchanged();
        callers.said("lamp", "lamp/state");
        assert!(!news.has_changed().unwrap(), "that it goes on talking is no news");
        callers.went("lamp");
        assert!(callers.of("lamp").is_some_and(|seen| seen.came && seen.connections == 0));
        callers.leave("lamp");
        assert_eq!(callers.of("lamp"), None);
        for n in 0..MAX_WATCHED + 9 {
            callers.watch(&n.to_string());
        }
        assert_eq!(callers.seen().len(), MAX_WATCHED);
    }
}
