//! Recordings that go to a store elsewhere: what waits to be sent, what was sent, what is deleted there, what is read back.
//! A segment is recorded here first; its row says that it is elsewhere before the copy here goes. The protocol is
//! `domovoi-video`'s.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi_config::SpoolFull;
use domovoi_model::Id;
use domovoi_store::{LOOK_LIMIT, Segment, SegmentPlace, SegmentState, StoreError};
use domovoi_vault::Secret;
use domovoi_video::archive::ReadAt;
use domovoi_video::places::{Beyond, FarFile, Item, Place, PlaceOptions, Report, Spool, Trouble, WhenFull};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::comparing;
use super::seat::{Seat, lock};
use super::{CamerasError, Inner, naming};
use crate::bus::CameraChange;

/// What could not be sent for want of a place in memory, or of a key, is looked at again this often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A place that is in use.
struct Spot {
    place: Place,
    spool: Spool,
    /// When what is there is compared with the rows.
    compare_at: Mutex<Instant>,
}

/// The places of the settings.
#[derive(Default)]
pub(super) struct Places {
    all: Mutex<BTreeMap<String, Arc<Spot>>>,
}

impl Inner {
    /// Sends what waits until the house stops. A place whose key is not there yet is looked at again.
    pub(super) async fn send_on(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        if self.settings.places.is_empty() {
            return;
        }
        let mut listening = tokio::task::JoinSet::new();
        loop {
            for section in &self.settings.places {
                if lock(&self.places.all).contains_key(&section.name) {
                    continue;
                }
                match self.place(section).await {
                    Ok(place) => {
                        let when_full = match section.when_full {
                            SpoolFull::OldestGoes => WhenFull::OldestGo,
                            SpoolFull::Pause => WhenFull::RecordingPauses,
                        };
                        let (spool, reports) = Spool::start(place.clone(), section.spool, when_full);
                        let spot = Arc::new(Spot { place, spool, compare_at: Mutex::new(Instant::now()) });
                        lock(&self.places.all).insert(section.name.clone(), spot);
                        let (inner, name) = (Arc::clone(self), section.name.clone());
                        listening.spawn(async move { inner.hear(&name, reports).await });
                    }
                    Err(why) => self.tell_place(&section.name, Some(&why)).await,
                }
            }
            if let Err(error) = self.queue_all().await {
                tracing::warn!("what is to be sent elsewhere waits for the store: {error}");
            }
            self.empty_far_bin().await;
            // A long listing keeps nobody from stopping the house.
            tokio::select! {
                () = self.compare_all() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        lock(&self.places.all).clear();
    }

    /// Places whose turn it is. What a place holds is looked at while recording goes on.
    async fn compare_all(&self) {
        let due: Vec<(String, Arc<Spot>)> = lock(&self.places.all)
            .iter()
            .filter(|(_, spot)| *lock(&spot.compare_at) <= Instant::now())
            .map(|(name, spot)| (name.clone(), Arc::clone(spot)))
            .collect();
        for (name, spot) in due {
            let pause = match Box::pin(self.compare(&name, &spot.place)).await {
                Ok(()) => comparing::EVERY,
                Err(error) => {
                    tracing::info!(place = name, "what is there is compared later: {error}");
                    comparing::AGAIN
                }
            };
            *lock(&spot.compare_at) = Instant::now() + pause;
        }
    }

    async fn place(&self, section: &domovoi_config::CameraPlace) -> Result<Place, String> {
        let name = (self.secret_name)(&section.key_secret);
        let secret = self.store.secrets().get(&name).await.map_err(|error| error.to_string())?;
        let secret = secret.ok_or_else(|| format!("domovoi secret set {}", section.key_secret))?;
        let key = String::from_utf8(secret.expose().clone()).map_err(|_| "the key is not text".to_owned())?;
        let authority = match &section.ca_file {
            None => None,
            Some(path) => {
                let read = tokio::fs::read(path).await;
                Some(read.map_err(|error| format!("{}: {error}", path.display()))?)
            }
        };
        let options = PlaceOptions {
            endpoint: section.endpoint.clone(),
            bucket: section.bucket.clone(),
            prefix: section.prefix.clone(),
            region: section.region.clone(),
            access_key: section.access_key.clone(),
            key: Secret::new(key),
            path_style: section.path_style,
            authority,
        };
        Place::new(&options).map_err(|trouble| trouble.to_string())
    }

    fn spot(&self, name: &str) -> Option<Arc<Spot>> {
        lock(&self.places.all).get(name).cloned()
    }

    /// What the rows say that waits: after a start, and what was closed since the last look.
    async fn queue_all(&self) -> Result<(), StoreError> {
        for segment in self.store.segments().to_send(LOOK_LIMIT).await?.segments {
            self.queue(&segment);
        }
        Ok(())
    }

    /// A closed segment waits to be sent.
    pub(super) fn queue(&self, segment: &Segment) {
        let Some(spot) = self.spot(&segment.store) else { return };
        spot.spool.add(Item {
            segment: segment.id.0,
            key: naming::object_key("", segment.camera, segment.day, segment.id),
            path: self.archive.folder.join(naming::segment_file(segment.camera, segment.day, segment.id)),
            bytes: segment.bytes,
        });
    }

    /// No more may wait than the settings say: the oldest of it goes. False: nothing can be recorded there now.
    pub(super) async fn make_room_in_spool(self: &Arc<Self>, seat: &Seat, next: u64) -> Result<bool, StoreError> {
        let Some(spot) = seat.card().place.and_then(|name| self.spot(&name)) else { return Ok(true) };
        match spot.spool.room_for(next) {
            Beyond::Pause => Ok(false),
            Beyond::Room { give_up } if give_up.is_empty() => Ok(true),
            Beyond::Room { give_up } => {
                let ids: Vec<Id> = give_up.iter().copied().map(Id).collect();
                tracing::warn!(segments = ids.len(), "too much waits to be sent elsewhere: the oldest of it goes");
                self.store.segments().to_garbage(&ids).await?;
                give_up.iter().for_each(|id| spot.spool.forget(*id));
                self.empty_bin().await;
                self.tell(seat.id, CameraChange::Archive);
                Ok(true)
            }
        }
    }

    /// A segment is not to be sent any more.
    pub(super) fn do_not_send(&self, segment: Id) {
        for spot in lock(&self.places.all).values() {
            spot.spool.forget(segment.0);
        }
    }

    async fn hear(self: &Arc<Self>, name: &str, mut reports: mpsc::UnboundedReceiver<Report>) {
        while let Some(report) = reports.recv().await {
            match report {
                Report::Sent { item, .. } => {
                    if let Err(error) = self.was_sent(name, &item).await {
                        // Its row says that it waits still; it is there already, and is not sent twice.
                        tracing::warn!("what was sent elsewhere waits for its row: {error}");
                    }
                }
                Report::Failing { trouble } => self.tell_place(name, Some(trouble.code())).await,
                Report::Going => self.tell_place(name, None).await,
                Report::Unreadable { item, why } => {
                    tracing::error!(segment = %Id(item.segment), "a recording is not sent elsewhere: {why}");
                    if let Ok(Some(segment)) = self.store.segments().get(Id(item.segment)).await
                        && !item.path.exists()
                        && self.archive.is_there()
                    {
                        let missing = self.found_damaged(&segment, SegmentState::Missing, "missing").await;
                        missing.unwrap_or_else(|error| tracing::warn!("a missing recording: {error}"));
                    }
                }
            }
        }
    }

    async fn was_sent(&self, name: &str, item: &Item) -> Result<(), StoreError> {
        self.tell_place(name, None).await;
        let moved = self.store.segments().moved(Id(item.segment), SegmentPlace::Remote, name).await?;
        if !moved {
            // It was deleted meanwhile: it goes there too.
            if let Some(spot) = self.spot(name) {
                let _ = spot.place.delete(&item.key).await;
            }
        }
        let path = item.path.clone();
        let gone = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
        if let Ok(Err(error)) = gone
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("{} is not deleted: {error}", item.path.display());
        }
        Ok(())
    }

    /// Deletes elsewhere what is garbage there.
    pub(super) async fn empty_far_bin(&self) {
        let Ok(looked) = self.store.segments().garbage(LOOK_LIMIT).await else { return };
        let mut gone = Vec::new();
        for segment in looked.segments.iter().filter(|segment| segment.place == SegmentPlace::Remote) {
            let Some(spot) = self.spot(&segment.store) else { continue };
            match spot.place.delete(&naming::object_key("", segment.camera, segment.day, segment.id)).await {
                Ok(()) => gone.push(segment.id),
                Err(trouble) => {
                    tracing::info!("what is to be deleted elsewhere waits: {trouble}");
                    break;
                }
            }
        }
        if let Err(error) = self.store.segments().gone(&gone).await {
            tracing::warn!("rows of what was deleted elsewhere: {error}");
        }
    }

    /// A segment's file in the store that it lies in.
    pub(super) async fn far_file(&self, segment: &Segment) -> Result<Arc<dyn ReadAt>, CamerasError> {
        let spot = self.spot(&segment.store).ok_or(CamerasError::Unreadable("its store is not in use"))?;
        let key = naming::object_key("", segment.camera, segment.day, segment.id);
        let opened = FarFile::open(spot.place.clone(), key, tokio::runtime::Handle::current()).await;
        match opened {
            Ok(file) => Ok(Arc::new(file)),
            Err(Trouble::NotFound) => Err(CamerasError::Unreadable("the store does not have it")),
            Err(_) => Err(CamerasError::Unreadable("the store does not answer")),
        }
    }
}
