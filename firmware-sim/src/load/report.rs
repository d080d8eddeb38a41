//! What one connection counted, and what is told of all of them.

use serde::Serialize;

use super::histogram::{Histogram, Percentiles};
use super::line::Lost;

/// What one connection counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub sent: u64,
    pub resent: u64,
    pub acked: u64,
    pub refused: u64,
    pub unacknowledged: u64,
    pub delivered: u64,
    pub repeated: u64,
    pub strays: u64,
    pub errors: u64,
    pub reconnects: u64,
    pub sessions_lost: u64,
    pub last_error: Option<String>,
    pub ack: Histogram,
    pub delivery: Histogram,
    pub ping: Histogram,
}

impl Tally {
    /// A connection is gone, or did not come about.
    pub fn lost(&mut self, lost: &Lost) {
        self.errors += 1;
        self.last_error = Some(lost.to_string());
    }

    pub fn merge(&mut self, other: Tally) {
        self.sent += other.sent;
        self.resent += other.resent;
        self.acked += other.acked;
        self.refused += other.refused;
        self.unacknowledged += other.unacknowledged;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.strays += other.strays;
        self.errors += other.errors;
        self.reconnects += other.reconnects;
        self.sessions_lost += other.sessions_lost;
        self.last_error = other.last_error.or_else(|| self.last_error.take());
        self.ack.merge(&other.ack);
        self.delivery.merge(&other.delivery);
        self.ping.merge(&other.ping);
    }
}

/// A run in figures. Times in milliseconds unless the name says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// From the first connection that was ready until the last answer.
    pub elapsed_s: f64,
    /// Different messages.
    pub sent: u64,
    /// Of these, sent once more after a loss of connection.
    pub resent: u64,
    /// Of these, acknowledged: PUBACK, PUBCOMP; with QoS 0 all that were sent.
    pub acked: u64,
    pub acked_per_s: f64,
    /// Answered with a reason code that refuses.
    pub refused: u64,
    /// Not answered in the end.
    pub unacknowledged: u64,
    /// Different messages that came to listeners, of all of them together.
    pub delivered: u64,
    pub delivered_per_s: f64,
    /// Acknowledged, and not come to a listener.
    pub missing: u64,
    /// Came to a listener more than once.
    pub repeated: u64,
    /// Packets that nobody waited for: messages of others, acknowledgements of nothing.
    pub strays: u64,
    /// Connections lost, and attempts that failed.
    pub errors: u64,
    /// Connections that came about after another was lost.
    pub reconnects: u64,
    /// Of these, connections whose session was to be kept and was not.
    pub sessions_lost: u64,
    pub last_error: Option<String>,
    /// Idle connections that came in.
    pub idle_opened: u64,
    /// From a message to its acknowledgement.
    pub ack_ms: Percentiles,
    /// From a message to a listener.
    pub delivery_ms: Percentiles,
    /// From PINGREQ to PINGRESP, of the idle connections.
    pub ping_ms: Percentiles,
    /// CPU time of the whole process of the generator during the run.
    pub cpu_s: f64,
    /// The same for each message sent, in microseconds.
    pub cpu_us_per_message: f64,
}
