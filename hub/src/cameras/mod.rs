//! Cameras of the home: which there are, how each stands, when it is recorded, what is kept of it and for how long, who is
//! told when something is wrong with it. Its rules are pure (`schedule`, `event`, `retention`, `naming`); streams and files
//! are `domovoi-video`'s, rows the store's.
//!
//! Each camera has tasks of its own, and nothing that befalls one reaches another. Video never meets the bus. Who may see
//! what is asked by whoever opens the door, with [`Cameras::object`] and [`Cameras::recordings_object`].

mod archive;
mod asked;
mod books;
mod care;
mod comparing;
mod draft;
mod elsewhere;
pub mod event;
mod habits;
mod happenings;
mod inspecting;
pub mod naming;
mod notices;
mod pictures;
mod recording;
mod recovering;
mod removing;
pub mod retention;
mod room;
pub mod schedule;
mod seat;
mod seeking;
// Against the pretend camera of the outside world, which comes with the demo.
#[cfg(feature = "demo")]
#[cfg(test)]
mod tests;
mod verifying;
mod view;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use domovoi_config::CamerasSection;
use domovoi_model::{DeviceRef, Id, Timestamp};
use domovoi_store::{CameraCard, Store, StoreError};
use domovoi_video::address::OwnSocket;
use domovoi_video::check::{self, Report};
use domovoi_video::live::Live;
use domovoi_video::picture::{Darkroom, PictureError};
use domovoi_video::session::Trouble;
use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};

use crate::bus::{Bus, CameraChange, CameraNews, Event};
use crate::clock::Clock;
use crate::policy::{Kind, Object};
use seat::Seat;

pub use archive::ArchiveState;
pub use draft::{CameraKind, Draft, Stream, TrustWish, Wrong, plan_of, starts_of};
pub use habits::{quirks_from, spelled_quirks, spelled_transport};
pub use pictures::Kept;
pub use removing::Recordings;
pub use verifying::Finding;
pub use view::{ArchiveView, CameraView, Off, Piece, Recording, SegmentFile, Timeline, trouble_message};

/// So many cameras are checked at the same time.
const CHECKS: usize = 2;

/// Where cameras' ids come from and how a camera that is gone is kept apart: of one that is forgotten while its recordings
/// stay, the card has this kind.
const FORMER: &str = "former";

/// Why something about a camera is not done.
#[derive(Debug, thiserror::Error)]
pub enum CamerasError {
    /// There is no such camera.
    #[error("there is no such camera")]
    NoCamera,
    /// There is no such segment, or nothing is left of it.
    #[error("there is no such recording")]
    NoSegment,
    /// The recording is there, and cannot be played: its key or its file is gone, or lies elsewhere.
    #[error("the recording cannot be read: {0}")]
    Unreadable(&'static str),
    /// What was stated cannot be taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// No more cameras.
    #[error("there may be {0} cameras: max_cameras in the settings")]
    Full(u32),
    /// Others are being checked.
    #[error("other cameras are being checked: try again in a few seconds")]
    Busy,
    /// The camera does not answer as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// No picture can be made of what it sends.
    #[error(transparent)]
    NoPicture(#[from] PictureError),
    /// It is not online.
    #[error("the camera shows nothing now")]
    Dark,
    /// The archive's disk is not there.
    #[error("the archive's disk is not there")]
    NoArchive,
    /// The disk.
    #[error("the archive: {0}")]
    Disk(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CamerasError {
    /// The sentence for people.
    pub fn message(&self) -> &'static str {
        match self {
            CamerasError::NoCamera => "camera-none",
            CamerasError::NoSegment => "camera-no-recording",
            CamerasError::Unreadable(_) => "camera-recording-unreadable",
            CamerasError::Wrong(wrong) => wrong.message,
            CamerasError::Full(_) => "camera-full",
            CamerasError::Busy => "camera-busy-checking",
            CamerasError::Trouble(trouble) => trouble_message(trouble),
            CamerasError::NoPicture(_) => "camera-no-picture",
            CamerasError::Dark => "camera-dark",
            CamerasError::NoArchive => "camera-no-archive",
            CamerasError::Disk(_) => "camera-archive-failing",
            CamerasError::Store(_) => "camera-store-failing",
        }
    }
}

/// What a check found, and of what draft.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What it sends.
    pub report: Report,
    /// How long it took.
    pub took: Duration,
}

/// Says in which room a device is.
type Whereabouts = Box<dyn Fn(&DeviceRef) -> Option<Id> + Send + Sync>;

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Cameras(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    settings: CamerasSection,
    zone: TimeZone,
    darkroom: Darkroom,
    checks: Semaphore,
    seats: RwLock<BTreeMap<Id, Arc<Seat>>>,
    /// One change of the cameras at a time.
    turn: tokio::sync::Mutex<()>,
    archive: archive::Archive,
    room: room::Room,
    notices: notices::Notices,
    pictures: pictures::Pictures,
    places: elsewhere::Places,
    /// Under which name the store has a secret of the settings.
    secret_name: fn(&str) -> String,
    /// Where the hub itself listens: no camera is there.
    own: RwLock<Vec<OwnSocket>>,
    whereabouts: OnceLock<Whereabouts>,
    /// True while the room runs: a camera that is added then begins at once.
    running: watch::Sender<bool>,
}

impl Cameras {
    /// Reads which cameras there are. Nothing is connected to before [`Cameras::run`].
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        settings: CamerasSection,
        zone: TimeZone,
        secret_name: fn(&str) -> String,
    ) -> Self {
        let cards = store.cameras().cards().await.unwrap_or_else(|error| {
            tracing::error!("the cameras cannot be read: {error}");
            Vec::new()
        });
        let seats = cards.into_iter().map(|card| (card.id, Arc::new(Seat::new(card)))).collect();
        let archive = archive::Archive::new(settings.folder.clone(), settings.sync_every, settings.fragment);
        Cameras(Arc::new(Inner {
            store,
            clock,
            bus,
            zone,
            darkroom: Darkroom::default(),
            checks: Semaphore::new(CHECKS),
            seats: RwLock::new(seats),
            turn: tokio::sync::Mutex::default(),
            archive,
            room: room::Room::default(),
            notices: notices::Notices::default(),
            pictures: pictures::Pictures::default(),
            places: elsewhere::Places::default(),
            secret_name,
            own: RwLock::default(),
            whereabouts: OnceLock::new(),
            running: watch::Sender::new(false),
            settings,
        }))
    }

    /// Who says in which room a device is; told once.
    pub fn devices_are_in(&self, room: impl Fn(&DeviceRef) -> Option<Id> + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.0.whereabouts.set(Box::new(room));
    }

    /// Where the hub listens: no camera is there.
    pub fn hub_listens_at(&self, sockets: Vec<SocketAddr>) {
        *self.0.own.write().unwrap_or_else(PoisonError::into_inner) = sockets;
    }

    /// What is asked of the policy about a camera: to see what it shows now, to take a picture, to change it.
    pub fn object(&self, camera: Id) -> Object {
        self.0.object(Kind::Camera, camera)
    }

    /// The same about what it recorded: to play it, to take it away, to erase it.
    pub fn recordings_object(&self, camera: Id) -> Object {
        self.0.object(Kind::Recording, camera)
    }

    /// Looks at a camera that is not kept yet, or that is to be changed, within ten seconds, with a picture of what it sees.
    /// `of` is the camera that is changed: a password that was not typed again is its.
    pub async fn check(&self, draft: &Draft, of: Option<Id>) -> Result<Checked, CamerasError> {
        let begun = tokio::time::Instant::now();
        let before = of.map(|id| self.0.seat(id)).transpose()?.map(|seat| seat.card());
        let card = draft.card(Id([0; 16]), before.as_ref(), &self.0.settings, self.0.clock.moment())?;
        let _place = self.0.checks.try_acquire().map_err(|_| CamerasError::Busy)?;
        let mut options = self.0.options(&card)?;
        if let Some(seat) = of.and_then(|id| self.0.seat(id).ok()) {
            options.visits = seat.visits.clone();
        }
        let report = Box::pin(check::check(options, &self.0.darkroom)).await?;
        Ok(Checked { report, took: begun.elapsed() })
    }

    /// Adds a camera, and begins with it at once.
    pub async fn add(&self, draft: &Draft) -> Result<CameraCard, CamerasError> {
        let _turn = self.0.turn.lock().await;
        let most = self.0.settings.max_cameras;
        if self.0.seats().values().filter(|seat| !seat.is_former()).count() >= most as usize {
            return Err(CamerasError::Full(most));
        }
        let id = Id(domovoi_vault::random().map_err(|error| CamerasError::Disk(error.to_string()))?);
        let card = draft.card(id, None, &self.0.settings, self.0.clock.moment())?;
        self.0.store.cameras().put(&card).await?;
        let seat = Arc::new(Seat::new(card.clone()));
        self.0.seats.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&seat));
        self.0.begin(&seat);
        self.0.tell(id, CameraChange::Card);
        Ok(card)
    }

    /// Changes a camera. Its session is begun anew if it has to be.
    pub async fn change(&self, id: Id, draft: &Draft) -> Result<CameraCard, CamerasError> {
        let _turn = self.0.turn.lock().await;
        let seat = self.0.seat(id)?;
        let card = draft.card(id, Some(&seat.card()), &self.0.settings, self.0.clock.moment())?;
        self.0.put(&seat, card.clone()).await?;
        Ok(card)
    }

    /// A camera was found elsewhere in the network: by its ONVIF id, its host name, its MAC address. Its owner is told.
    /// False: that is where it is known to be.
    pub async fn found(&self, id: Id, host: &str, onvif: Option<&str>) -> Result<bool, CamerasError> {
        let _turn = self.0.turn.lock().await;
        let seat = self.0.seat(id)?;
        let before = seat.card();
        let mut card = before.clone();
        card.found_at = Some(self.0.clock.moment());
        if let Some(onvif) = onvif {
            card.onvif = Some(onvif.to_owned());
        }
        let moved = card.host != host;
        if moved {
            card.host = host.to_owned();
            // Where it may be is asked anew with each session.
            self.0.options(&card)?;
        }
        if card.host == before.host && card.onvif == before.onvif {
            return Ok(false);
        }
        self.0.put(&seat, card).await?;
        if moved {
            self.0.tell_moved(&seat, &before.host, host).await;
        }
        Ok(moved)
    }

    /// What a camera sends, for whoever shows it live. It lives as long as the camera is known.
    pub fn live(&self, id: Id) -> Result<Live, CamerasError> {
        let seat = self.0.seat(id)?;
        if seat.is_former() { Err(CamerasError::Dark) } else { Ok(seat.live.clone()) }
    }

    /// An alarm of the household was raised: whatever is recorded on alarm begins.
    pub async fn alarm(&self) {
        self.0.happened(&event::Happened::Alarm, None).await;
    }

    /// How the archive's disk stands.
    pub fn archive(&self) -> ArchiveState {
        self.0.archive.state()
    }
}

impl Inner {
    fn seats(&self) -> BTreeMap<Id, Arc<Seat>> {
        self.seats.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn seat(&self, id: Id) -> Result<Arc<Seat>, CamerasError> {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        seats.get(&id).cloned().ok_or(CamerasError::NoCamera)
    }

    fn object(&self, kind: Kind, camera: Id) -> Object {
        let room = self.seat(camera).ok().and_then(|seat| seat.card().room);
        Object { room: room.map(|room| room.to_string()), ..Object::one(kind, camera.to_string()) }
    }

    fn tell(&self, camera: Id, what: CameraChange) {
        self.bus.tell(Event::Camera(Arc::new(CameraNews { camera, what })));
    }

    fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    fn own_sockets(&self) -> Vec<OwnSocket> {
        self.own.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wall(&self) -> domovoi_video::session::WallClock {
        let clock = self.clock.clone();
        Arc::new(move || clock.wall().0)
    }

    /// What a session with the stream that is recorded is opened with.
    fn options(&self, card: &CameraCard) -> Result<domovoi_video::session::Options, Wrong> {
        let stream = Stream::from_code(&card.recorded).unwrap_or_default();
        draft::options(card, stream, &self.settings, self.own_sockets(), self.wall())
    }

    /// Keeps what is known of a camera, and begins anew what it concerns.
    async fn put(self: &Arc<Self>, seat: &Arc<Seat>, card: CameraCard) -> Result<(), CamerasError> {
        self.store.cameras().put(&card).await?;
        seat.become_(card);
        self.begin(seat);
        self.tell(seat.id, CameraChange::Card);
        Ok(())
    }
}
