//! `$SYS/broker/…`: what the broker counts, told to whoever may subscribe to it. Names are those of Mosquitto.
//!
//! Nothing is told, and nothing costs anything, while nobody subscribes. The values are ordinary QoS 0 messages that
//! are not retained: a new subscriber makes them be told again, at most once a second, instead of being kept a copy of.

use std::time::Duration;

use tokio::time::Instant;

use super::Router;
use crate::{
    counters::Counters,
    message::{Message, Publish},
};

/// The first level of the topics.
pub(super) const LEVEL: &str = "$SYS";
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Status {
    started: Instant,
    told: Option<Instant>,
    /// Somebody subscribed since.
    wanted: bool,
}

impl Status {
    pub(super) fn new(started: Instant) -> Self {
        Self { started, told: None, wanted: false }
    }

    fn due(&self, every: Duration) -> Option<Instant> {
        let Some(told) = self.told else { return Some(self.started) };
        told.checked_add(if self.wanted { AT_MOST_EVERY.min(every) } else { every })
    }
}

/// Whether a subscription to this filter asks for `$SYS` topics.
pub(super) fn asks(filter: &str) -> bool {
    filter.split('/').next() == Some(LEVEL)
}

impl<A> Router<A> {
    /// Somebody subscribed to `$SYS` topics.
    pub(super) fn want_status(&self, status: &mut Status) {
        status.wanted = true;
        self.housekeeping.notify_one();
    }

    /// Tells the counters if it is time; returns when it will be time again.
    pub(crate) fn tell_status(&self, now: Instant) -> Option<Instant> {
        let every = self.settings.sys_interval;
        if every.is_zero() {
            return None;
        }
        let uptime = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if !state.subscriptions.begins(LEVEL) {
                return None;
            }
            if let Some(due) = state.status.due(every).filter(|due| *due > now) {
                return Some(due);
            }
            state.status.told = Some(now);
            state.status.wanted = false;
            now.saturating_duration_since(state.status.started)
        };
        let told = told(&self.counters(), uptime);
        self.route(
            told.into_iter()
                .map(|(name, value)| Message::new(Publish::new(format!("{LEVEL}/broker/{name}"), value), None, now))
                .map(|message| (message, 0)),
        );
        now.checked_add(every)
    }
}

fn told(counters: &Counters, uptime: Duration) -> [(&'static str, String); 14] {
    let c = counters;
    let number = |n: u64| n.to_string();
    [
        ("version", concat!("domovoi-broker ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("uptime", format!("{} seconds", uptime.as_secs())),
        ("clients/connected", number(c.connected)),
        ("clients/disconnected", number(c.sessions.saturating_sub(c.connected))),
        ("clients/total", number(c.sessions)),
        ("publish/messages/received", number(c.publishes_read)),
        ("publish/messages/sent", number(c.delivered)),
        ("publish/messages/dropped", number(c.queue_dropped + c.overflowed + c.not_kept + c.too_large_for_client)),
        ("bytes/received", number(c.bytes_read)),
        ("bytes/sent", number(c.bytes_written)),
        ("subscriptions/count", number(c.subscriptions)),
        ("retained messages/count", number(c.retained)),
        ("retained messages/bytes", number(c.retained_bytes)),
        ("store/messages/bytes", number(c.queued_bytes)),
    ]
}
