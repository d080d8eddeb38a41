//! Tests of the room with a whole house behind it, against a pretend camera that talks RTSP.

mod crashes;
mod keeping;
mod living;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use domovoi_config::Settings;
use domovoi_store::{Segment, SegmentState, Segments};
use domovoi_vault::Secret;
use firmware_sim::camera::{Camera, CameraSettings};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::house::House;

/// 2026-11-21T16:00:00Z
const NOW: i64 = 1_795_276_800_000;

/// A clock that is right; it stands still where nobody turns it.
fn clock() -> Clock {
    Clock::by_hand(Id([7; 16]), Timestamp(NOW))
}

struct Room {
    cameras: Cameras,
    store: Store,
    bus: Bus,
    clock: Clock,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<()>>,
    turning: Option<JoinHandle<()>>,
    house: House,
    folder: tempfile::TempDir,
}

impl Room {
    async fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), |_| {}).await
    }

    async fn with(folder: tempfile::TempDir, change: impl Fn(&mut CamerasSection)) -> Self {
        let settings = Settings::parse("", "test.toml", folder.path()).unwrap();
        let clock = clock();
        let house = Box::pin(House::open(settings.clone(), clock.clone(), None)).await.unwrap();
        let mut section = settings.cameras;
        section.allow = vec![domovoi_config::Network::parse("127.0.0.0/8").unwrap()];
        section.segment = Duration::from_secs(2);
        section.fragment = Duration::from_millis(500);
        section.sync_every = Duration::from_secs(1);
        section.free_space_floor = 1 << 20;
        change(&mut section);
        let (store, bus) = (house.store().clone(), Bus::default());
        let zone = TimeZone::UTC;
        let cameras = Cameras::open(store.clone(), clock.clone(), bus.clone(), section, zone, str::to_owned).await;
        let stop = watch::Sender::new(false);
        Room { cameras, store, bus, clock, stop, running: None, turning: None, house, folder }
    }

    /// Runs it, and lets the hand-turned clock go.
    fn run(&mut self) {
        let (cameras, stop) = (self.cameras.clone(), self.stop.subscribe());
        self.running = Some(tokio::spawn(cameras.run(stop)));
        let clock = self.clock.clone();
        self.turning = Some(tokio::spawn(async move {
            let (begun, wall) = (Instant::now(), clock.wall());
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let since = i64::try_from(begun.elapsed().as_millis()).unwrap();
                clock.set(wall.plus_millis(since));
            }
        }));
    }

    async fn running() -> Self {
        let mut room = Self::new().await;
        room.run();
        room
    }

    /// Ends it as the house does.
    async fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
        if let Some(turning) = self.turning.take() {
            turning.abort();
        }
    }

    /// The same home after a restart.
    async fn again(mut self) -> Self {
        self.end().await;
        let Room { house, folder, cameras, store, .. } = self;
        drop((cameras, store));
        house.close(tokio::task::JoinSet::new()).await;
        Self::with(folder, |_| {}).await
    }

    fn archive(&self) -> PathBuf {
        self.cameras.0.archive.folder.clone()
    }

    fn segments(&self) -> Segments {
        self.store.segments()
    }

    async fn all(&self, camera: Id) -> Vec<Segment> {
        let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        self.segments().list(camera, from, to, None, domovoi_store::LOOK_LIMIT).await.unwrap().segments
    }

    async fn done(&self, camera: Id) -> Vec<Segment> {
        let mut all = self.all(camera).await;
        all.retain(|segment| segment.state == SegmentState::Done);
        all
    }

    async fn notices(&self) -> BTreeSet<String> {
        self.store.notices().open().await.unwrap().into_iter().map(|open| open.notice.kind).collect()
    }

    /// Waits until a notice is open, or is taken back.
    async fn told(&self, kind: &str, is_open: bool) {
        until(kind, async || (self.notices().await.contains(kind) == is_open).then_some(())).await;
    }

    /// What lies in the archive, by name.
    fn files(&self, camera: Id) -> BTreeSet<Id> {
        let folder = self.archive().join(naming::camera_folder(camera));
        let days = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let files = days.flat_map(|day| std::fs::read_dir(day.path()).unwrap().flatten());
        files.filter_map(|file| naming::segment_of(&file.path())).collect()
    }
}

/// Waits for a condition; what never comes true ends the test.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn camera() -> Camera {
    Camera::start(CameraSettings { group: 8, ..CameraSettings::default() }).await.unwrap()
}

fn draft(camera: &Camera) -> Draft {
    Draft { name: "Двор".to_owned(), address: Secret::new(camera.url()), ..Draft::default() }
}
