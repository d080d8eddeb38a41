//! What a client of the broker is, beside the topics that it was given: what it may do by itself, and what it may not
//! whatever topics it has. Plain values; the gate performs what they say.

/// What a client of the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MqttRole {
    /// One device: it says how it is, and commands nobody.
    Device,
    /// Speaks for many devices.
    Bridge,
    /// Hears what people say and sends commands; it speaks for no device.
    Voice,
    /// Shows and switches; it speaks for no device.
    Display,
    /// Any other program. What was issued before there were roles is this.
    Service,
}

impl MqttRole {
    /// All of them.
    pub const ALL: [MqttRole; 5] =
        [MqttRole::Device, MqttRole::Bridge, MqttRole::Voice, MqttRole::Display, MqttRole::Service];

    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            MqttRole::Device => "device",
            MqttRole::Bridge => "bridge",
            MqttRole::Voice => "voice",
            MqttRole::Display => "display",
            MqttRole::Service => "service",
        }
    }

    /// The role of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Filters that it may subscribe to without having been given them: who watches over others reads how the broker is.
    pub fn subscribes(self) -> &'static [&'static str] {
        match self {
            MqttRole::Bridge | MqttRole::Display | MqttRole::Service => &["$SYS/#"],
            MqttRole::Device | MqttRole::Voice => &[],
        }
    }

    /// Whether it may publish where devices take commands. A device that was broken into could switch its neighbours.
    pub fn may_command(self) -> bool {
        self != MqttRole::Device
    }

    /// Whether what it publishes is taken for what a device says. A panel on the wall has no business to read a meter.
    pub fn speaks_for_devices(self) -> bool {
        matches!(self, MqttRole::Device | MqttRole::Bridge | MqttRole::Service)
    }

    /// Whether it is one thing in the home, which says little, or many.
    pub fn is_one_thing(self) -> bool {
        matches!(self, MqttRole::Device | MqttRole::Voice | MqttRole::Display)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for role in MqttRole::ALL {
            assert_eq!(MqttRole::from_code(role.code()), Some(role));
        }
        assert_eq!(MqttRole::from_code("owner"), None);
    }

    #[test]
    fn a_device_watches_nobody_and_commands_nobody() {
        let device = MqttRole::Device;
        assert!(device.subscribes().is_empty() && !device.may_command() && device.speaks_for_devices());
        for role in [MqttRole::Voice, MqttRole::Display] {
            assert!(role.may_command() && !role.speaks_for_devices(), "{role:?}");
        }
    }
}
