//! Stories of the room, with a clock that is turned by hand and a real store.

mod corpus;
mod feeds;
mod past;
mod stories;
mod storm;

use std::path::PathBuf;
use std::sync::Arc;

use domovoi_config::{AlertsSection, Home, Settings};
use domovoi_model::{Alert, AlertOrigin, DeviceRef, Id, Moment, Timestamp};
use domovoi_store::Store;
use domovoi_vault::MasterKey;
use tokio::sync::broadcast;

use super::*;
use crate::bus::AlertChange;

/// 2026-11-21T22:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_795_298_400_000);

/// Where the home of the tests is.
pub(super) const HOME: &str = "[home]\nposition = \"55.75, 37.62\"\n\
    codes = [\"EMMA_ID=RU012\", \"OKTMO=46744000\", \"SAME=048113\"]\n\
    regions = [\"Московская область\", \"Москва\", \"Moscow Region\"]\n";

/// A room on a store in a folder of its own.
pub(super) struct Room {
    folder: tempfile::TempDir,
    master: MasterKey,
    settings: Settings,
    pub store: Store,
    pub clock: Clock,
    pub bus: Bus,
    pub alerts: Alerts,
    pub ears: broadcast::Receiver<Event>,
}

impl Room {
    pub async fn new() -> Room {
        Self::with("").await
    }

    /// With more settings.
    pub async fn with(more: &str) -> Room {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::parse(&format!("{HOME}{more}"), "t", folder.path()).unwrap();
        let clock = Clock::by_hand(Id([7; 16]), NOW);
        Self::open(folder, MasterKey::generate().unwrap(), settings, clock).await
    }

    async fn open(folder: tempfile::TempDir, master: MasterKey, settings: Settings, clock: Clock) -> Room {
        let store = Store::open(&domovoi_store::Settings::new(folder.path().join("data")), &master).await.unwrap();
        let bus = Bus::default();
        let ears = bus.listen();
        let (home, section): (&Home, &AlertsSection) = (&settings.home, &settings.alerts);
        let alerts = Alerts::open(store.clone(), clock.clone(), bus.clone(), home, section).await;
        Room { folder, master, settings, store, clock, bus, alerts, ears }
    }

    /// Writes down what waits.
    pub async fn write(&self) {
        let (stop, stopped) = watch::channel(false);
        let shelf = self.store.alerts();
        let writing = self.alerts.0.keeping.run(&shelf, &self.clock, stopped);
        tokio::select! {
            () = writing => {}
            () = self.alerts.settled() => {}
        }
        drop(stop);
    }

    /// As after `kill -9`: only what is on the disk is left.
    pub async fn killed(self) -> Room {
        let Room { folder, master, settings, store, clock, alerts, .. } = self;
        drop(alerts);
        store.close().await;
        Self::open(folder, master, settings, clock).await
    }

    /// What was told since the last time.
    pub fn news(&mut self) -> Vec<(AlertChange, Arc<Alert>)> {
        let mut found = Vec::new();
        while let Ok(event) = self.ears.try_recv() {
            if let Event::Alert(news) = event {
                found.push((news.change, Arc::clone(&news.alert)));
            }
        }
        found
    }

    pub fn changes(&mut self) -> Vec<AlertChange> {
        self.news().into_iter().map(|(change, _)| change).collect()
    }

    pub fn hear(&self, file: &str) -> Heard {
        self.alerts.hear_cap(&feed("meteo"), &read(file))
    }

    pub fn only(&self) -> Arc<Alert> {
        let standing = self.alerts.standing();
        assert_eq!(standing.len(), 1, "{standing:?}");
        Arc::clone(&standing[0])
    }

    pub fn turn(&self, minutes: i64) {
        self.clock.set(self.clock.wall().plus_millis(minutes * 60_000));
    }
}

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../adapters/testdata/cap")
}

pub(super) fn read(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub(super) fn feed(name: &str) -> FeedRef {
    FeedRef { name: name.to_owned(), origin: AlertOrigin::Feed, local: false, senders: Vec::new() }
}

/// What the reflex says.
pub(super) fn felt(what: &'static str, danger: &'static str, name: &str) -> SafetyNews {
    SafetyNews {
        what,
        danger: Some(danger),
        device: Some(DeviceRef::new("zigbee2mqtt", name)),
        name: name.to_owned(),
        property: "alarm".to_owned(),
        value: None,
        tries: 0,
        at: Some(Moment::Wall(NOW)),
        test: false,
        accepted: true,
    }
}

pub(super) fn person(n: u8) -> PersonId {
    PersonId(Id([n; 16]))
}
