//! What the sections mean to the crates that own those rooms. Nothing is decided here.

use domovoi_broker as broker;
use domovoi_store as store;
use domovoi_vault as vault;

use crate::sections::history::{HistorySection, Kept};
use crate::sections::mqtt::Mqtt;
use crate::sections::store::StoreSection;
use crate::sections::vault::{Master, PassphraseFrom, VaultSection};

impl Mqtt {
    /// The bounds of the embedded broker; what the file does not speak of is as the broker has it.
    pub fn to_broker(&self) -> broker::Settings {
        let defaults = broker::Settings::default();
        broker::Settings {
            max_packet_bytes: bytes(self.max_packet),
            max_connections: count(self.max_connections),
            max_connections_per_address: count(self.max_connections_per_peer),
            max_sessions: defaults.max_sessions.max(count(self.max_connections)),
            queue_messages_per_session: count(self.queue_messages),
            queue_bytes_per_session: bytes(self.queue_size),
            queue_bytes_total: defaults.queue_bytes_total.max(bytes(self.queue_size)),
            retained_bytes: bytes(self.retained_size),
            max_session_expiry: self.max_session_expiry,
            max_keep_alive_secs: u16::try_from(self.max_keep_alive.as_secs()).ok().filter(|secs| *secs > 0),
            sys_interval: self.sys_interval,
            response_information: Some(self.response_information.clone()).filter(|text| !text.is_empty()),
            ..defaults
        }
    }
}

impl StoreSection {
    /// Where and at what pace the store writes; what the file does not speak of is as the store has it.
    pub fn to_store(&self) -> store::Settings {
        store::Settings {
            commit_every: self.commit_every,
            write_budget_per_day: self.write_budget_per_day,
            reserve: self.reserve,
            ..store::Settings::new(&self.data_dir)
        }
    }
}

impl HistorySection {
    /// How much history keeps. Who reads its journal and what time it is at home are the hub's to say.
    pub fn to_store(&self) -> store::HistorySettings {
        let budget = |kept: Kept| store::Budget {
            bytes: kept.size,
            days: u32::try_from(kept.time.as_secs() / 86_400).unwrap_or(u32::MAX),
        };
        store::HistorySettings {
            compact_over: u64::from(self.compact_over),
            compact_after: self.compact_after,
            raw: budget(self.raw),
            five_minutes: budget(self.five_minutes),
            hours: budget(self.hours),
            ..store::HistorySettings::default()
        }
    }
}

impl VaultSection {
    /// Where the vault gets its master key.
    pub fn to_vault(&self) -> vault::Settings {
        let master = match &self.master {
            Master::KeyFile(path) => vault::MasterSource::File(path.clone()),
            Master::Passphrase(from) => vault::MasterSource::Passphrase(match from {
                PassphraseFrom::File(path) => vault::PassphraseSource::File(path.clone()),
                PassphraseFrom::Credential(name) => vault::PassphraseSource::SystemdCredential(name.clone()),
                PassphraseFrom::Person => vault::PassphraseSource::Given,
            }),
        };
        vault::Settings { master }
    }
}

/// The sections allow far less than 32 bits of address can say.
fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
