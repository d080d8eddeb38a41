//! What the broker counts: one struct of atomics inside, one plain snapshot outside. No history, no export format.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident ),+ $(,)?) => {
        #[derive(Default)]
        pub(crate) struct Tally { $( pub(crate) $name: AtomicU64 ),+ }

        /// A snapshot; every number but the gauges at the end only grows while the broker lives.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $( $(#[$doc])* pub $name: u64, )+
            /// Gauge: clients connected now.
            pub connected: u64,
            /// Gauge: sessions, connected or waiting for their client.
            pub sessions: u64,
            pub subscriptions: u64,
            pub retained: u64,
            pub retained_bytes: u64,
            /// Gauge: bytes queued for all sessions.
            pub queued_bytes: u64,
        }

        impl Tally {
            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $( $name: self.$name.load(Ordering::Relaxed), )+ ..Counters::default() }
            }
        }
    };
}

counters! {
    accepted_sockets,
    /// Sockets closed at once because `max_connections` were open.
    refused_sockets,
    /// Connections that never came to a successful CONNACK.
    failed_handshakes,
    /// Connections closed because the peer broke the protocol or a limit.
    violations,
    takeovers,
    /// Bytes of connected clients: what came before their CONNACK is not in it.
    bytes_read,
    bytes_written,
    publishes_read,
    /// Messages handed to the router (after they became durable).
    routed,
    /// PUBLISH packets written to clients, repetitions included.
    delivered,
    /// Publishes that the gate refused.
    refused_publishes,
    /// Publishes that the owner could not keep.
    not_kept,
    /// Publishes past the bound of uncommitted ones: shown to the gate, neither acknowledged nor forwarded.
    overflowed,
    /// Publishes of closed connections that could not wait for their commit.
    orphans_dropped,
    /// Messages not queued, or pushed out of a queue, because a client is slow or away.
    queue_dropped,
    /// Messages that their receiver's Maximum Packet Size forbids.
    too_large_for_client,
    expired_messages,
    /// Retained messages not stored because `retained_bytes` was reached.
    retained_refused,
    expired_sessions,
    wills_published,
    /// Connections whose task panicked, which is a defect of the broker or of its owner.
    failed_tasks,
    /// Acknowledgements for packet ids that are not in flight.
    unknown_acks,
}

pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
