//! `[mqtt]`: the embedded broker, its doors and what one client may take of it. Plain MQTT has no business on a public
//! address, so there is no way to write one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// What session expiry of MQTT 5 means by "never" (section 3.1.2.11.2) is not offered: a lost device must be forgotten.
const MAX_EXPIRY: Duration = Duration::from_secs(365 * 86_400);
/// What its field can say (section 3.1.2.10): 18 hours, 12 minutes and 15 seconds.
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(u16::MAX as u64);

/// The embedded broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// Whether it runs at all.
    pub enabled: bool,
    /// Where it listens without TLS; loopback, private, link-local or unspecified addresses only.
    pub listen: Vec<SocketAddr>,
    /// Where it listens with TLS; any address.
    pub listen_tls: Vec<SocketAddr>,
    /// The oldest TLS that is spoken there.
    pub oldest_tls: OldestTls,
    /// Pages whose scripts may connect by WebSocket, beside the hub's own.
    pub websocket_origins: Vec<String>,
    /// Whether peers from public addresses are refused.
    pub private_peers_only: bool,
    /// The largest packet that is read, in bytes.
    pub max_packet: u64,
    /// Clients at a time.
    pub max_connections: u32,
    /// Of these, from one IPv4 address or one IPv6 network of 64 bits; not from the machine itself.
    pub max_connections_per_peer: u32,
    /// What a credential of a bridge or a service may send.
    pub max_rate: Rate,
    /// What one of a device, a display or a voice may.
    pub device_max_rate: Rate,
    /// The largest message of such a one, in bytes.
    pub device_max_message: u64,
    /// How a client of MQTT 3.1.1 is refused what it may not publish.
    pub refusals_311: Refusal311,
    /// The same for what is beyond its rate.
    pub over_limit_311: Refusal311,
    /// What becomes of a command that is to be retained.
    pub retained_commands: RetainedCommands,
    /// Messages that wait for one client.
    pub queue_messages: u32,
    /// Bytes that wait for one client.
    pub queue_size: u64,
    /// Bytes of all retained messages together.
    pub retained_size: u64,
    /// How long a session is kept for a client that is away, whatever the client asked for.
    pub max_session_expiry: Duration,
    /// Prescribed to clients of MQTT 5 that ask for a longer keep-alive or for none; zero takes what they ask for.
    pub max_keep_alive: Duration,
    /// How often the `$SYS` topics are told; zero tells nobody anything.
    pub sys_interval: Duration,
    /// How topics for answers begin, for clients of MQTT 5 that ask; empty tells nothing.
    pub response_information: String,
}

/// How much in a second; 0 is no limit. Twice as much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Messages.
    pub messages: u32,
    /// Bytes of topics and payloads.
    pub bytes: u64,
}

/// The oldest version of TLS that is spoken with devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldestTls {
    /// What everything of this decade speaks.
    V1_3,
    /// For BearSSL, which Tasmota has on the ESP8266 and the ESP32, and for ESP-IDF before 5: they speak 1.2 only.
    V1_2,
}

/// MQTT 3.1.1 has no reason codes: either the client hears nothing of a refusal, or it loses its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal311 {
    /// It is acknowledged and dropped.
    Drop,
    /// The connection is closed, without an acknowledgement.
    Disconnect,
}

/// What becomes of a command that is to be retained: its device would carry it out again at each reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetainedCommands {
    /// It is carried out once and not retained.
    Strip,
    /// It is refused.
    Refuse,
}

const TLS: [(&str, OldestTls); 2] = [("1.3", OldestTls::V1_3), ("1.2", OldestTls::V1_2)];
const REFUSALS: [(&str, Refusal311); 2] = [("drop", Refusal311::Drop), ("disconnect", Refusal311::Disconnect)];
const COMMANDS: [(&str, RetainedCommands); 2] =
    [("strip", RetainedCommands::Strip), ("refuse", RetainedCommands::Refuse)];
const MAX_MESSAGES_PER_SECOND: i64 = 1_000_000;

pub(crate) fn read(mut section: Section<'_>) -> Mqtt {
    let listen_at = section.place_of("listen");
    let (packet_at, queue_at) = (section.place_of("max_packet"), section.place_of("queue_size"));
    let private_peers_only = section.take_bool("private_peers_only").unwrap_or(true);
    let mut seen = Vec::new();
    let listen = section.take_list("listen", 0..=16, |item| {
        item.parsed(|text| {
            let address = listen_address(text, private_peers_only)?;
            if address.port() != 0 && seen.contains(&address) {
                return Err(Wrong::new("is in the list twice"));
            }
            seen.push(address);
            Ok(address)
        })
    });
    let listen_tls = section.take_list("listen_tls", 0..=16, |item| {
        item.parsed(|text| {
            let address: SocketAddr = text.parse().map_err(|_| {
                Wrong::new(format!("{} is not an address with a port", scalar::quoted(text)))
                    .hint("write for example \"0.0.0.0:8883\" or \"[::]:8883\"")
            })?;
            if address.port() != 0 && seen.contains(&address) {
                return Err(Wrong::new("is in the lists twice"));
            }
            seen.push(address);
            Ok(address)
        })
    });
    let websocket_origins = section.take_list("websocket_origins", 0..=16, |item| item.parsed(origin));
    let max_rate = rate(&mut section, ("max_messages_per_second", "max_bytes_per_second"), (100_000, 64 * MIB));
    let device_max_rate =
        rate(&mut section, ("device_max_messages_per_second", "device_max_bytes_per_second"), (1000, 4 * MIB));
    let max_packet = section.take_size("max_packet", 4 * KIB..=64 * MIB);
    let queue_size = section.take_size("queue_size", 4 * KIB..=64 * MIB);
    let sizes_are_read = max_packet.is_some() == packet_at.is_some() && queue_size.is_some() == queue_at.is_some();
    let mqtt = Mqtt {
        enabled: section.take_bool("enabled").unwrap_or(true),
        listen: listen.unwrap_or_else(|| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))]),
        listen_tls: listen_tls.unwrap_or_else(|| vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8883))]),
        oldest_tls: section.take_enum("oldest_tls", &TLS).unwrap_or(OldestTls::V1_3),
        websocket_origins: websocket_origins.unwrap_or_default(),
        private_peers_only,
        max_connections_per_peer: int(section.take_int("max_connections_per_peer", 1..=2000), 128),
        max_rate,
        device_max_rate,
        device_max_message: section.take_size("device_max_message", KIB..=64 * MIB).unwrap_or(256 * KIB),
        refusals_311: section.take_enum("refusals_311", &REFUSALS).unwrap_or(Refusal311::Drop),
        over_limit_311: section.take_enum("over_limit_311", &REFUSALS).unwrap_or(Refusal311::Disconnect),
        retained_commands: section.take_enum("retained_commands", &COMMANDS).unwrap_or(RetainedCommands::Strip),
        max_packet: max_packet.unwrap_or(2 * MIB),
        max_connections: int(section.take_int("max_connections", 1..=2000), 512),
        queue_messages: int(section.take_int("queue_messages", 1..=100_000), 1000),
        queue_size: queue_size.unwrap_or(2 * MIB),
        retained_size: section.take_size("retained_size", 0..=1024 * MIB).unwrap_or(64 * MIB),
        max_session_expiry: section
            .take_duration("max_session_expiry", Duration::ZERO..=MAX_EXPIRY)
            .unwrap_or(Duration::from_secs(7 * 86_400)),
        max_keep_alive: section
            .take_duration("max_keep_alive", Duration::ZERO..=MAX_KEEP_ALIVE)
            .unwrap_or(Duration::ZERO),
        sys_interval: section
            .take_duration("sys_interval", Duration::ZERO..=Duration::from_secs(3600))
            .unwrap_or(Duration::from_secs(10)),
        response_information: section.take_parsed("response_information", answer_topics).unwrap_or_default(),
    };
    if mqtt.enabled && mqtt.listen.is_empty() && mqtt.listen_tls.is_empty() {
        let wrong = Wrong::new("must not be empty while `enabled` is true");
        section.wrong_at(listen_at, "listen", wrong.hint("write an address, or `enabled = false`"));
    }
    if sizes_are_read && mqtt.queue_size < mqtt.max_packet {
        let (queue, packet) = (scalar::show_size(mqtt.queue_size), scalar::show_size(mqtt.max_packet));
        let wrong = Wrong::new(format!("a queue of {queue} cannot hold one packet of {packet}"));
        section.wrong_at(
            queue_at.or(packet_at),
            "queue_size",
            wrong.hint("make `queue_size` at least as large as `max_packet`"),
        );
    }
    section.finish();
    mqtt
}

fn rate(section: &mut Section<'_>, (messages, bytes): (&'static str, &'static str), default: (u32, u64)) -> Rate {
    Rate {
        messages: int(section.take_int(messages, 0..=MAX_MESSAGES_PER_SECOND), default.0),
        bytes: section.take_size(bytes, 0..=1024 * MIB).unwrap_or(default.1),
    }
}

/// As browsers write it in `Origin` (RFC 6454 section 6.2): scheme, name, and the port if it is not the usual one.
fn origin(text: &str) -> Result<String, Wrong> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let origin = url.map(|url| url.origin().ascii_serialization());
    match origin {
        Some(origin) if origin.eq_ignore_ascii_case(text) => Ok(origin),
        other => {
            let wrong = Wrong::new(format!("{} is not the origin of a page", scalar::quoted(text)));
            let example = other.unwrap_or_else(|| "https://panel.home.arpa".to_owned());
            Err(wrong.hint(format!("write for example \"{example}\"")))
        }
    }
}

/// A prefix of topics: it is put before what the client adds, so a wildcard would be one in a topic name.
fn answer_topics(text: &str) -> Result<String, Wrong> {
    if text.len() > 256 || text.contains(['+', '#']) || text.starts_with('$') || text.chars().any(char::is_control) {
        let wrong = Wrong::new(format!("{} cannot begin a topic name", scalar::quoted(text)));
        return Err(wrong.hint("write for example \"answers/\": up to 256 bytes, without + and #"));
    }
    Ok(text.to_owned())
}

fn int(value: Option<i64>, default: u32) -> u32 {
    value.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
}

fn listen_address(text: &str, private_peers_only: bool) -> Result<SocketAddr, Wrong> {
    let wrong = || Wrong::new(format!("{} is not an address with a port", scalar::quoted(text)));
    let address: SocketAddr =
        text.parse().map_err(|_| wrong().hint("write for example \"127.0.0.1:1883\" or \"[::1]:1883\""))?;
    let ip = address.ip().to_canonical();
    if ip.is_unspecified() && !private_peers_only {
        return Err(Wrong::new("would open the broker to everybody").hint("leave `private_peers_only = true`"));
    }
    if ip.is_unspecified() || is_near(ip) {
        return Ok(address);
    }
    Err(Wrong::new(format!("{ip} is a public address, and MQTT without TLS must not be reachable from there"))
        .hint("listen on a private address of this machine, like \"192.168.1.10:1883\""))
}

/// Loopback, private (RFC 1918, RFC 4193) or link-local.
pub(crate) fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
