//! The room's running: the disk is looked at and made durable every few seconds, cameras begin and end with the house, and
//! once in a while what is too old goes. Each of these is a loop of its own; what they do stands elsewhere.

use std::sync::Arc;
use std::time::Duration;

use domovoi_video::archive::DiskLimits;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::archive::KEPT_AS;
use super::{ArchiveState, Cameras, Inner};

/// What is too old, days of which nothing is left, promises that cannot be kept.
const CARE_EVERY: Duration = Duration::from_secs(600);

/// Files and rows are compared after a start, when everything else has begun, and then once a day.
const RECONCILE_AFTER: Duration = Duration::from_secs(30);
const RECONCILE_EVERY: Duration = Duration::from_secs(86_400);

/// A disk that failed is well after so long without another failure.
const WELL: Duration = Duration::from_secs(300);

/// Where the folder cannot be read, it is looked at again this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Cameras {
    /// Serves the cameras until `stop` turns true; then takes leave of them, and closes what is open.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let inner = Arc::clone(&self.0);
        inner.recall_notices().await;
        inner.recall_archive().await;
        let asked = match inner.archive.start(DiskLimits::default()) {
            Ok(asked) => asked,
            Err(error) => {
                // The rest of the house has work to do.
                tracing::error!("the archive has no thread, and nothing is recorded: {error}");
                let _ = stop.wait_for(|stop| *stop).await;
                return;
            }
        };
        let (books, stopped) = (Arc::clone(&inner), stop.clone());
        let books = tokio::spawn(async move { books.keep_books(asked.reports, stopped).await });
        let room = Arc::clone(&inner);
        let room = tokio::spawn(async move { room.hear_pleas(asked.pleas).await });
        inner.running.send_replace(true);
        for seat in inner.seats().values() {
            inner.begin(seat);
        }
        let (listening, verifying, sending) = (stop.clone(), stop.clone(), stop.clone());
        let loops = async {
            tokio::join!(
                inner.watch_archive(),
                inner.listen(listening),
                inner.verify_on(verifying),
                inner.send_on(sending),
                inner.seek_on(),
                inner.inspect_on(),
                inner.care(),
                inner.reconcile_on(),
                inner.date_again(),
            );
        };
        tokio::select! {
            () = loops => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        inner.running.send_replace(false);
        let leaving: Vec<_> = inner
            .seats()
            .into_values()
            .map(|seat| {
                tokio::spawn(async move {
                    seat.leave().await;
                    seat.live.close();
                })
            })
            .collect();
        for left in leaving {
            let _ = left.await;
        }
        inner.archive.stop().await;
        let _ = books.await;
        let _ = room.await;
    }

    /// The disk that is there now is the home's archive from now on: the owner has put another one in. What lay on the one
    /// before is missed from then on.
    pub async fn accept_archive(&self) -> Result<(), super::CamerasError> {
        let failed = super::CamerasError::Disk;
        let id = self.0.archive.found().await.map_err(failed)?;
        self.0.store.secrets().put(KEPT_AS, &id).await?;
        self.0.archive.know(id);
        Ok(())
    }
}

impl Inner {
    async fn recall_archive(&self) {
        match self.store.secrets().get(KEPT_AS).await {
            Ok(Some(kept)) => match <[u8; 16]>::try_from(kept.expose().as_slice()) {
                Ok(id) => self.archive.know(id),
                Err(_) => tracing::error!("which archive is the home's cannot be read"),
            },
            Ok(None) => {}
            Err(error) => tracing::error!("which archive is the home's cannot be read: {error}"),
        }
    }

    /// Looks whether the disk is there, and makes durable what is open, every few seconds.
    async fn watch_archive(self: &Arc<Self>) {
        let mut tick = tokio::time::interval(self.archive.sync_every.min(LOOK_EVERY));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut synced = Instant::now();
        let mut is_recovered = false;
        loop {
            tick.tick().await;
            let state = match self.archive.look().await {
                ArchiveState::Absent if !self.archive.is_known() => self.found_archive().await,
                ArchiveState::There if !self.archive.is_known() => self.found_archive().await,
                state => state,
            };
            let was_there = self.archive.is_there();
            if state == ArchiveState::There && (!is_recovered || !was_there) {
                match self.recover().await {
                    Ok(_) => is_recovered = true,
                    Err(error) => {
                        tracing::error!("the archive cannot be brought into order: {error}");
                        self.tell_failing(&error.to_string()).await;
                        continue;
                    }
                }
            }
            if self.archive.set_state(state.clone()) {
                self.seats().values().for_each(|seat| seat.go_on());
                tracing::info!(?state, folder = %self.archive.folder.display(), "the archive");
                self.tell_archive(&state).await;
            }
            if synced.elapsed() >= self.archive.sync_every.mul_f32(0.9) {
                synced = Instant::now();
                self.archive.sync_all();
            }
        }
    }

    /// The first time: the folder becomes the home's archive, as soon as there is a camera.
    async fn found_archive(&self) -> ArchiveState {
        if self.seats().is_empty() {
            return ArchiveState::Starting;
        }
        let id = match self.archive.found().await {
            Ok(id) => id,
            Err(why) => return ArchiveState::Failing(why),
        };
        match self.store.secrets().put(KEPT_AS, &id).await {
            Ok(()) => {
                self.archive.know(id);
                ArchiveState::There
            }
            Err(error) => ArchiveState::Failing(error.to_string()),
        }
    }

    async fn care(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(CARE_EVERY).await;
            if !self.archive.is_there() {
                continue;
            }
            if let Err(error) = self.clear_old().await {
                tracing::warn!("what is too old stays: {error}");
            }
            self.empty_bin().await;
            self.clear_pictures().await;
            self.clear_days().await;
            self.tell_outlooks().await;
            let seats = self.seats();
            let pauses = seats.values().any(|seat| seat.paused().is_some());
            if !pauses && seats.values().any(|seat| seat.is_recording_for(WELL)) {
                self.tell_well().await;
            }
        }
    }

    async fn reconcile_on(self: &Arc<Self>) {
        let mut pause = RECONCILE_AFTER;
        loop {
            tokio::time::sleep(pause).await;
            if !self.archive.is_there() {
                continue;
            }
            match self.reconcile().await {
                Ok(tidied) => {
                    tracing::debug!(?tidied, "files and rows were compared");
                    self.look_for_removed().await;
                    pause = RECONCILE_EVERY;
                }
                Err(error) => tracing::warn!("files and rows cannot be compared: {error}"),
            }
        }
    }

    /// What was recorded before the clock was right is put where it belongs, when it is.
    async fn date_again(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.redate().await;
        }
    }

    pub(super) async fn redate(&self) {
        let Some(began) = self.clock.boot_began_at() else { return };
        for (segment, by_millis) in self.archive.take_undated(began) {
            match self.store.segments().redate(&[segment], by_millis).await {
                Ok(0) => {}
                Ok(_) => tracing::info!(%segment, by_millis, "a recording was dated again"),
                Err(error) => tracing::warn!(%segment, "a recording keeps a wrong time: {error}"),
            }
        }
    }
}
