//! `[external_broker]`: a broker that the home already has, which the hub joins as a client.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;
use crate::sections::mqtt::Mqtt;

/// How to join the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBroker {
    /// A name or an address, without scheme and port.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Who the hub is there, if the broker wants to know.
    pub username: Option<String>,
    /// The name in the vault under which the password is kept.
    pub password_secret: Option<String>,
    /// Whether to speak TLS.
    pub tls: bool,
    /// A PEM file of the authorities to trust instead of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// The MQTT client id; its session at the broker hangs on it.
    pub client_id: String,
    /// Whole seconds.
    pub keep_alive: Duration,
}

pub(crate) fn read(mut section: Section<'_>, mqtt: &Mqtt, mqtt_line: usize) -> ExternalBroker {
    section.must_have("host", "\"192.168.1.10\"");
    let place = |key| section.place_of(key);
    let (host_at, password_at, ca_at, keep_alive_at) =
        (place("host"), place("password_secret"), place("ca_file"), place("keep_alive"));
    let has_username = place("username").is_some();
    let base_dir = section.base_dir();
    let host = section.take_parsed("host", scalar::host);
    let tls_at = section.place_of("tls");
    let tls = section.take_bool("tls");
    let broker = ExternalBroker {
        host: host.unwrap_or_default(),
        port: section.take_int("port", 1..=65_535).and_then(|port| u16::try_from(port).ok()).unwrap_or(1883),
        username: section.take_string("username", 256),
        password_secret: section.take_parsed("password_secret", scalar::name),
        tls: tls.unwrap_or(false),
        ca_file: section.take_path("ca_file", base_dir),
        client_id: section.take_parsed("client_id", scalar::name).unwrap_or_else(|| "domovoi".to_owned()),
        keep_alive: section
            .take_duration("keep_alive", Duration::from_secs(5)..=Duration::from_secs(3600))
            .unwrap_or(Duration::from_secs(30)),
    };
    if broker.keep_alive.subsec_nanos() != 0 {
        section.wrong_at(keep_alive_at, "keep_alive", Wrong::new("MQTT counts this in whole seconds"));
    }
    if password_at.is_some() && !has_username {
        // MQTT 3.1.1 section 3.1.2.9: without a user name there must be no password.
        let wrong = Wrong::new("a password without a `username` is not possible in MQTT 3.1.1");
        section.wrong_at(password_at, "password_secret", wrong.hint("write `username` too"));
    }
    if ca_at.is_some() && (tls == Some(false) || tls_at.is_none()) {
        section.wrong_at(ca_at, "ca_file", Wrong::new("has no effect without TLS").hint("write `tls = true`"));
    }
    if is_ourselves(&broker, mqtt) {
        let at = if mqtt_line > 0 { format!(" (line {mqtt_line})") } else { String::new() };
        let wrong = Wrong::new(format!("this is the hub's own broker of `[mqtt]`{at}, which it need not join"));
        section.wrong_at(host_at, "host", wrong.hint("write `enabled = false` in `[mqtt]`, or another host or port"));
    }
    section.finish();
    broker
}

fn is_ourselves(broker: &ExternalBroker, mqtt: &Mqtt) -> bool {
    let host: Option<IpAddr> = broker.host.parse().ok();
    let loopback = host.map_or(broker.host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
    mqtt.enabled
        && mqtt.listen.iter().any(|own| {
            let reaches = Some(own.ip()) == host || (loopback && (own.ip().is_unspecified() || own.ip().is_loopback()));
            own.port() == broker.port && reaches
        })
}
