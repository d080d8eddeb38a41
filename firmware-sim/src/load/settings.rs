//! What a run is asked to do, and which device says which message.

use std::path::PathBuf;
use std::time::Duration;

use super::payload::Shape;
use super::wire::Version;

/// How fast it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Messages a second of all connections together, whatever the broker makes of it (open loop).
    PerSecond(f64),
    /// So many unacknowledged messages of all connections together, as fast as that goes (closed loop). At least one of
    /// each connection.
    InFlight(usize),
}

/// Who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Each of them subscribes to this.
    pub filter: String,
    /// How many there are.
    pub subscribers: usize,
    /// At most this is asked for.
    pub qos: u8,
    /// Their sessions outlive their connections.
    pub persistent: bool,
}

/// A run of the load generator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host and port.
    pub connect: String,
    /// The protocol.
    pub version: Version,
    /// User names and passwords, given to the connections in turn. Empty: nobody logs in.
    pub logins: Vec<(String, String)>,
    /// Client ids begin so.
    pub client_prefix: String,
    /// How many devices speak.
    pub devices: u64,
    /// Where; `{n}` is the device's number.
    pub topic: String,
    /// Connections that publish.
    pub connections: usize,
    /// Of what is published.
    pub qos: u8,
    /// Whether everything is retained.
    pub retain: bool,
    /// Whether the publishers' sessions outlive their connections.
    pub persistent: bool,
    pub pace: Pace,
    /// How long it goes on.
    pub duration: Option<Duration>,
    /// How many messages there are in all. With neither this nor a duration nothing is published.
    pub count: Option<u64>,
    pub shape: Shape,
    /// The number of the first message: two runs that are compared have different ones.
    pub first: u64,
    pub listening: Option<Listening>,
    /// Connections that only stay open.
    pub idle: usize,
    /// They say that they are there so often, and how long the answer took is measured.
    pub ping_every: Duration,
    pub keep_alive_s: u16,
    /// Deliveries that are waited for beside those of the run's own messages: retained ones.
    pub expected: u64,
    /// How long the last answers and deliveries are waited for.
    pub drain: Duration,
    /// Unacknowledged messages of one connection at most, whatever the pace: brokers have bounds of their own.
    pub most_in_flight: usize,
    /// Every acknowledged number is appended to this file, one on a line.
    pub ledger: Option<PathBuf>,
}

impl Settings {
    /// One connection of a hundred devices, QoS 1, one message in flight.
    pub fn new(connect: impl Into<String>) -> Self {
        Settings {
            connect: connect.into(),
            version: Version::V311,
            logins: Vec::new(),
            client_prefix: "load".to_owned(),
            devices: 100,
            topic: Shape::Zigbee.topic().to_owned(),
            connections: 1,
            qos: 1,
            retain: false,
            persistent: false,
            pace: Pace::InFlight(1),
            duration: None,
            count: None,
            shape: Shape::Zigbee,
            first: 1,
            listening: None,
            idle: 0,
            ping_every: Duration::from_secs(30),
            keep_alive_s: 60,
            expected: 0,
            drain: Duration::from_secs(10),
            most_in_flight: 500,
            ledger: None,
        }
    }

    /// The user name and password of one connection.
    pub(super) fn login(&self, index: usize) -> Option<(&str, &str)> {
        let login = self.logins.get(index.checked_rem(self.logins.len())?)?;
        Some((&login.0, &login.1))
    }

    /// Each connection's share of what is in flight.
    pub(super) fn window(&self) -> usize {
        let share = match self.pace {
            Pace::PerSecond(_) => self.most_in_flight,
            Pace::InFlight(all) => (all / self.connections.max(1)).max(1),
        };
        share.clamp(1, usize::from(u16::MAX))
    }

    /// Which device says message `id`. A device speaks through one connection only, so that its messages keep their order.
    pub fn device_of(&self, id: u64) -> u64 {
        let connections = self.connections.max(1) as u64;
        let offset = id.saturating_sub(self.first);
        let (turn, connection) = (offset / connections, offset % connections);
        if connection >= self.devices {
            return connection % self.devices.max(1);
        }
        let own = (self.devices - connection).div_ceil(connections);
        connection + connections * (turn % own)
    }

    /// The topic of a device.
    pub fn topic_of(&self, device: u64) -> String {
        self.topic.replace("{n}", &device.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_device_speaks_and_through_one_connection() {
        for (devices, connections) in [(100, 7), (3, 5), (1, 1), (20, 20)] {
            let settings = Settings { devices, connections, first: 1000, ..Settings::new("localhost:1") };
            let mut speakers: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for id in 1000..1000 + 200 * connections as u64 {
                speakers.entry(settings.device_of(id)).or_default().insert((id - 1000) % connections as u64);
            }
            assert_eq!(speakers.keys().copied().collect::<Vec<_>>(), (0..devices).collect::<Vec<_>>());
            if devices >= connections as u64 {
                assert!(speakers.values().all(|through| through.len() == 1));
            }
        }
        assert_eq!(Settings::new("localhost:1").topic_of(7), "zigbee2mqtt/load-7");
    }
}
