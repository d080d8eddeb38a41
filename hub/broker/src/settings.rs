//! The broker's limits and times, with defaults for a home. Plain numbers: reading them from a file is the owner's job.

use std::time::Duration;

/// Every bound the broker keeps. What happens at a bound is in `docs/reference/mqtt.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Largest whole packet accepted, fixed header included. Announced to MQTT 5 clients.
    pub max_packet_bytes: usize,
    /// Largest packet that is not a PUBLISH, and largest property section of a PUBLISH: parsed forms of lists and
    /// properties are an order of magnitude bigger than their bytes. It is also the bound before CONNECT is done.
    pub max_control_packet_bytes: usize,
    /// User properties in one message.
    pub max_user_properties: usize,
    /// Levels of a topic name or filter.
    pub max_topic_levels: usize,
    /// Sockets at once; one more takes the place of the oldest that is not let in yet, or is closed as soon as it is
    /// accepted.
    pub max_connections: usize,
    /// Of these, from one IPv4 address or one IPv6 network of 64 bits; this machine's own address is not bounded so.
    pub max_connections_per_address: usize,
    /// Sessions, connected or not; one more is refused as unavailable.
    pub max_sessions: usize,
    /// From accept to CONNACK, the gate's answer included.
    pub connect_timeout: Duration,
    /// A peer that takes none of the waiting bytes for this long is closed.
    pub write_timeout: Duration,
    /// How long a stop waits for connections to say goodbye.
    pub stop_timeout: Duration,
    /// QoS 1 and 2 messages on the way to one client; the client's Receive Maximum may lower it.
    pub max_inflight: u16,
    pub queue_bytes_per_session: usize,
    pub queue_messages_per_session: usize,
    /// Queued bytes of all sessions together.
    pub queue_bytes_total: usize,
    pub max_subscriptions_per_session: usize,
    /// What the filters of one session may cost in memory, and those of all together.
    pub filter_bytes_per_session: usize,
    pub filter_bytes_total: usize,
    /// Topics, payloads and bookkeeping of all retained messages.
    pub retained_bytes: usize,
    /// Longest a session outlives its connection; MQTT 3.1.1 `clean_session = 0` gets exactly this.
    pub max_session_expiry: Duration,
    /// After a restart: how long a client of the run before may take to come back before it counts as lost and its will
    /// is published, unless the will's own delay is longer.
    pub will_grace: Duration,
    /// Publishes read from one connection and not yet durable, and QoS 2 packet ids of one session that its client has
    /// not released. Announced to MQTT 5 clients as Receive Maximum.
    pub max_uncommitted_packets: u16,
    pub max_uncommitted_bytes: usize,
    /// Publishes of all closed connections that still wait to become durable.
    pub max_orphaned_bytes: usize,
    /// Topic aliases a client may set up on one connection, and the most that are set up towards it.
    pub max_topic_aliases: u16,
    /// Prescribed to MQTT 5 clients that ask for a longer keep-alive or for none; `None` takes what the client says.
    pub max_keep_alive_secs: Option<u16>,
    /// Told to MQTT 5 clients that ask for Response Information: by custom, how topics for answers begin. `None` tells
    /// nothing, which is the standard's default.
    pub response_information: Option<String>,
    /// How often the `$SYS` topics are told to those who subscribed to them; zero tells nobody anything.
    pub sys_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_packet_bytes: 2 << 20,
            max_control_packet_bytes: 64 << 10,
            max_user_properties: 128,
            max_topic_levels: 128,
            max_connections: 512,
            max_connections_per_address: 128,
            max_sessions: 2048,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
            max_inflight: 20,
            queue_bytes_per_session: 1 << 20,
            queue_messages_per_session: 1000,
            queue_bytes_total: 64 << 20,
            max_subscriptions_per_session: 1000,
            filter_bytes_per_session: 4 << 20,
            filter_bytes_total: 32 << 20,
            retained_bytes: 64 << 20,
            max_session_expiry: Duration::from_secs(7 * 24 * 3600),
            will_grace: Duration::from_secs(30),
            max_uncommitted_packets: 1000,
            max_uncommitted_bytes: 1 << 20,
            max_orphaned_bytes: 8 << 20,
            max_topic_aliases: 16,
            max_keep_alive_secs: None,
            response_information: None,
            sys_interval: Duration::from_secs(10),
        }
    }
}
