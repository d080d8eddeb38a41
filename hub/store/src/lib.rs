//! The sealed store of the house: the only crate with SQL. One file per room, each with its own rows and narrow
//! functions; nothing of sqlx is in a public signature. Decides nothing about meters, portals or people: it keeps what
//! the rooms tell it, and gives back exactly that.
//!
//! What stands unsealed, and why, is written in `schema.sql`.

mod acts;
mod alerts;
mod at_hand;
mod audit;
mod boots;
mod broker_log;
mod calendar;
mod cameras;
mod checkpoint;
mod clouds;
mod credentials;
mod db;
mod devices;
mod error;
mod group;
mod history;
mod keys;
mod ledger;
mod lock;
mod mappings;
mod messages;
mod notices;
mod notify;
mod papers;
mod person_keys;
mod photos;
mod presence;
mod register;
mod rows;
mod safety;
mod scenarios;
mod schema;
mod secrets;
mod segments;
mod standby;
mod tables;
mod tariffs;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domovoi_vault::MasterKey;

pub use acts::{ActFilter, Acts};
pub use alerts::{AlertBatch, AlertFeedRow, AlertMark, AlertRow, AlertShelf, AlertSpan};
pub use audit::{Audit, AuditEnd, DEED_LIMIT, DEED_PERSONS, Deed, Flaw, KeptDeed};
pub use boots::Boots;
pub use broker_log::{BrokerLog, LogLeft};
pub use calendar::{CalendarDrawer, CalendarPaper, CalendarShelf, DOCUMENT_LIMIT, EVENT_LIMIT};
pub use cameras::{CAMERA_LIMIT, CameraCard, CameraDay, CameraShelf, PlanSpan, RecordingPlan, StreamTrust};
pub use clouds::{CLOUD_LIMIT, CloudDrawer, CloudPaper, CloudShelf};
pub use credentials::{Credential, CredentialCertificate, CredentialInfo, Credentials, Opened};
pub use devices::{DeviceCard, DeviceShelf, DeviceWord, Farewell, Forgotten, RoomCard, WORD_LIMIT};
pub use error::{OpenError, StoreError};
pub use history::{
    Bucket, Budget, Change, Compacted, Export, Follower, Health, History, HistorySettings, HomeTime, IMPORT_LIMIT,
    Imported, Kept, Latest, Level, NAME_LIMIT, NotKept, Page, Point, Recorded, Rolled, RolledUp, Seq, SeriesInfo,
    SetAside, Stretch, Thinned, Trouble, Urgency, Usage,
};
pub use keys::{Damage, KeyStatus, Keys, Rotation, Status};
pub use ledger::{Appended, Ledger, LedgerEntry, LedgerRow};
pub use lock::{FolderLock, LockError};
pub use mappings::{MAPPING_LIMIT, MappingDrawer, Mappings};
pub use messages::{MESSAGE_LIMIT, MessageBox, MessageRow, MessageShelf};
pub use notices::{Notice, Notices, OpenNotice};
pub use notify::{TELLING_LIMIT, TellingFilter, TellingKind, TellingRow, Tellings, WishRow};
pub use papers::{Drawer, PAPER_LIMIT, Paper, Papers};
pub use photos::{PHOTO_LIMIT, Photo, Photos};
pub use presence::{PRESENCE_LIMIT, PresenceDrawer, PresencePaper, PresenceShelf};
pub use register::Register;
pub use safety::{Safety, SafetyRow};
pub use scenarios::{SCENARIO_LIMIT, ScenarioBatch, ScenarioDrawer, ScenarioShelf, ScenarioTrace};
pub use secrets::{SECRET_LIMIT, Secrets};
pub use segments::{
    Amount, ArchiveTotals, BrokenLink, ChainTag, Chained, Cursor, Finished, LOOK_LIMIT, Looked, Segment, SegmentBrief,
    SegmentPlace, SegmentStart, SegmentState, Segments, Watermark, new_segment_id,
};
pub use standby::{InMemory, MemoryFolder, Standby};
pub use tariffs::{InsightDrawer, InsightPaper, InsightShelf, TARIFF_LIMIT};

use crate::db::Db;

/// The store's section of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where everything lies. Made if need be, and its owner's alone.
    pub data_dir: PathBuf,
    /// How long a sample may wait for company before it is committed.
    pub commit_every: Duration,
    /// How many samples may wait for the disk.
    pub queue_samples: usize,
    /// How much memory they may take, in bytes.
    pub queue_bytes: usize,
    /// How many connections read at the same time.
    pub readers: u32,
    /// How much history keeps.
    pub history: HistorySettings,
    /// How many bytes commits may write in a day before they wait longer for company.
    pub write_budget_per_day: u64,
    /// Below so many free bytes on the disk telemetry is not kept.
    pub reserve: u64,
    /// The size of a file that is given up when even what is urgent finds no room; 0 for none.
    pub ballast: u64,
}

impl Settings {
    /// The defaults, for one data folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Settings {
            data_dir: data_dir.into(),
            commit_every: Duration::from_millis(20),
            queue_samples: 65_536,
            queue_bytes: 8 << 20,
            readers: 3,
            history: HistorySettings::default(),
            write_budget_per_day: 500_000_000,
            reserve: 64 << 20,
            ballast: 8 << 20,
        }
    }
}

/// The open store. Cheap to clone; every room is a handle of its own.
#[derive(Clone)]
pub struct Store {
    db: Arc<Db>,
    history: History,
}

impl Store {
    /// Opens the store of a data folder, or makes one where there is none. Take [`Store::lock`] first.
    pub async fn open(settings: &Settings, master: &MasterKey) -> Result<Self, OpenError> {
        let db = Arc::new(Db::open(&settings.data_dir, settings.readers, master).await?);
        boots::load(&db).await?;
        let history = History::open(Arc::clone(&db), settings).await?;
        Ok(Store { db, history })
    }

    /// Whether something is stored in this folder already, and a new master key would be the wrong one.
    pub fn exists(data_dir: &Path) -> bool {
        std::fs::metadata(db::database_path(data_dir)).is_ok_and(|meta| meta.len() > 0)
    }

    /// Makes this process the only one that works in the folder, as long as the value lives.
    pub fn lock(data_dir: &Path) -> Result<FolderLock, LockError> {
        lock::lock(data_dir)
    }

    /// Commits what waits and folds the log into the database. A store that is merely dropped, or killed, is as sound;
    /// it only starts a little slower.
    pub async fn close(self) {
        self.history.close().await;
        self.db.close_readers().await;
        if let Err(error) = self.db.checkpoint().await {
            tracing::warn!(%error, "the log was not folded into the database; the next start does it");
        }
    }

    /// Every sample.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What the broker must not forget.
    pub fn broker_log(&self) -> BrokerLog {
        BrokerLog::new(Arc::clone(&self.db), self.history.clone())
    }

    /// Runs of the daemon, and when they began.
    pub fn boots(&self) -> Boots {
        Boots::new(Arc::clone(&self.db))
    }

    /// Accounts, points and meters.
    pub fn register(&self) -> Register {
        Register::new(Arc::clone(&self.db))
    }

    /// Register readings and their verdicts.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::clone(&self.db))
    }

    /// Acts.
    pub fn acts(&self) -> Acts {
        Acts::new(Arc::clone(&self.db))
    }

    /// Small sealed documents: people, factors, sessions, tokens, consents.
    pub fn papers(&self) -> Papers {
        Papers::new(Arc::clone(&self.db))
    }

    /// The hasher of what people choose, peppered with a key of this store's vault.
    pub fn passwords(&self) -> domovoi_vault::Passwords {
        self.db.vault.passwords()
    }

    /// The journal of deeds.
    pub fn audit(&self) -> Audit {
        Audit::new(Arc::clone(&self.db))
    }

    /// Photos of meters.
    pub fn photos(&self) -> Photos {
        Photos::new(Arc::clone(&self.db))
    }

    /// Rules of the reflex, and dangers that are not over.
    pub fn safety(&self) -> Safety {
        Safety::new(Arc::clone(&self.db))
    }

    /// Named secrets.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(Arc::clone(&self.db))
    }

    /// Rooms, devices, and what devices said about themselves.
    pub fn devices(&self) -> DeviceShelf {
        DeviceShelf::new(Arc::clone(&self.db))
    }

    /// Cameras, and the keys of their days.
    pub fn cameras(&self) -> CameraShelf {
        CameraShelf::new(Arc::clone(&self.db))
    }

    /// What was recorded.
    pub fn segments(&self) -> Segments {
        Segments::new(Arc::clone(&self.db))
    }

    /// The copy of what a home needs in danger, beside the store in its folder.
    pub fn standby(&self, data_dir: &Path) -> Standby {
        Standby::new(Arc::clone(&self.db), data_dir)
    }

    /// Whether there is such a copy in this folder.
    pub fn has_standby(data_dir: &Path) -> bool {
        standby::is_there(data_dir)
    }

    /// A store in memory that is made of the copy; `memory` is a folder of a file system in memory. What is written there
    /// is gone with it.
    pub async fn open_standby(settings: &Settings, memory: &Path, master: &MasterKey) -> Result<InMemory, OpenError> {
        standby::open(settings, memory, master).await
    }

    /// Alerts, their messages, their feeds.
    pub fn alerts(&self) -> AlertShelf {
        AlertShelf::new(Arc::clone(&self.db))
    }

    /// Tariffs, and the rooms whose warmth is watched.
    pub fn insight(&self) -> InsightShelf {
        InsightShelf::new(Arc::clone(&self.db))
    }

    /// The calendar.
    pub fn calendar(&self) -> CalendarShelf {
        CalendarShelf::new(Arc::clone(&self.db))
    }

    /// Scenarios, how far their runs have come, what came of them.
    pub fn scenarios(&self) -> ScenarioShelf {
        ScenarioShelf::new(Arc::clone(&self.db))
    }

    /// Makers' clouds.
    pub fn clouds(&self) -> CloudShelf {
        CloudShelf::new(Arc::clone(&self.db))
    }

    /// The owner's own mappings, and the keys of meters.
    pub fn mappings(&self) -> Mappings {
        Mappings::new(Arc::clone(&self.db))
    }

    /// Messages of the portal, and to it.
    pub fn messages(&self) -> MessageShelf {
        MessageShelf::new(Arc::clone(&self.db))
    }

    /// Who is at home.
    pub fn presence(&self) -> PresenceShelf {
        PresenceShelf::new(Arc::clone(&self.db))
    }

    /// MQTT credentials.
    pub fn credentials(&self) -> Credentials {
        Credentials::new(Arc::clone(&self.db))
    }

    /// Warnings and reminders.
    pub fn notices(&self) -> Notices {
        Notices::new(Arc::clone(&self.db))
    }

    /// What people want to be told, and what was told.
    pub fn tellings(&self) -> Tellings {
        Tellings::new(Arc::clone(&self.db))
    }

    /// Rotation and verification.
    pub fn keys(&self) -> Keys {
        Keys::new(Arc::clone(&self.db))
    }
}
