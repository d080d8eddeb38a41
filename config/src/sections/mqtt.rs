//! `[mqtt]`: the embedded broker. Plain MQTT has no business on a public address, so there is no way to write one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// What session expiry of MQTT 5 means by "never" (section 3.1.2.11.2) is not offered: a lost device must be forgotten.
const MAX_EXPIRY: Duration = Duration::from_secs(365 * 86_400);

/// The embedded broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// Whether it runs at all.
    pub enabled: bool,
    /// Where it listens without TLS; loopback, private, link-local or unspecified addresses only.
    pub listen: Vec<SocketAddr>,
    /// Whether peers from public addresses are refused.
    pub private_peers_only: bool,
    /// The largest packet that is read, in bytes.
    pub max_packet: u64,
    /// Clients at a time.
    pub max_connections: u32,
    /// Messages that wait for one client.
    pub queue_messages: u32,
    /// Bytes that wait for one client.
    pub queue_size: u64,
    /// Bytes of all retained messages together.
    pub retained_size: u64,
    /// How long a session is kept for a client that is away, whatever the client asked for.
    pub max_session_expiry: Duration,
}

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
    let max_packet = section.take_size("max_packet", 4 * KIB..=64 * MIB);
    let queue_size = section.take_size("queue_size", 4 * KIB..=64 * MIB);
    let sizes_are_read = max_packet.is_some() == packet_at.is_some() && queue_size.is_some() == queue_at.is_some();
    let mqtt = Mqtt {
        enabled: section.take_bool("enabled").unwrap_or(true),
        listen: listen.unwrap_or_else(|| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))]),
        private_peers_only,
        max_packet: max_packet.unwrap_or(2 * MIB),
        max_connections: int(section.take_int("max_connections", 1..=2000), 512),
        queue_messages: int(section.take_int("queue_messages", 1..=100_000), 1000),
        queue_size: queue_size.unwrap_or(2 * MIB),
        retained_size: section.take_size("retained_size", 0..=1024 * MIB).unwrap_or(64 * MIB),
        max_session_expiry: section
            .take_duration("max_session_expiry", Duration::ZERO..=MAX_EXPIRY)
            .unwrap_or(Duration::from_secs(7 * 86_400)),
    };
    if mqtt.enabled && mqtt.listen.is_empty() {
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
