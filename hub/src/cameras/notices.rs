//! What people are told of cameras: each thing once, after it has settled, and taken back when it is over. A notice is kept by
//! the store and announced on the bus; the words are made where it is shown. It mends nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use domovoi_model::{Date, Id};
use domovoi_store::{Notice, StoreError};
use domovoi_video::session::{State, Status, Trouble};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::inspecting::Age;
use super::retention::Pause;
use super::seat::{Seat, lock};
use super::{ArchiveState, Inner};
use crate::bus::{CameraChange, Event};

/// A camera that restarts is back by then: nobody is told.
const SETTLED: Duration = Duration::from_secs(60);

/// Where only a person can help, nothing is waited for but a second try.
const SETTLED_HOPELESS: Duration = Duration::from_secs(5);

/// A camera's clock that is further off is told: what it writes into the picture is wrong.
const CLOCK_OFF_MS: u64 = 60_000;

/// And taken back only when it is well within.
const CLOCK_RIGHT_MS: u64 = 30_000;

/// Kinds of notices about one camera, each raised under its name, a slash and the camera's id.
const OFFLINE: &str = "camera_offline";
const BACK: &str = "camera_back";
const CERTIFICATE: &str = "camera_certificate";
const CLOCK: &str = "camera_clock";
const MOVED: &str = "camera_moved";
const MAY_BE: &str = "camera_may_be";
const FIRMWARE: &str = "camera_firmware_old";
const CERTIFICATE_ENDS: &str = "camera_certificate_ends";
const BEHIND: &str = "camera_behind";
const DAMAGED: &str = "camera_damaged";
const PAUSED: [&str; 2] = ["camera_paused_quota", "camera_paused_disk"];
const KEEPS_LESS: [&str; 2] = ["camera_keeps_less_quota", "camera_keeps_less_disk"];
const OF_ONE: [&str; 14] = [
    OFFLINE,
    BACK,
    CERTIFICATE,
    CLOCK,
    MOVED,
    MAY_BE,
    FIRMWARE,
    CERTIFICATE_ENDS,
    BEHIND,
    DAMAGED,
    PAUSED[0],
    PAUSED[1],
    KEEPS_LESS[0],
    KEEPS_LESS[1],
];

/// Of the archive as a whole; one of the first three is open at a time.
const ABSENT: &str = "camera_archive_absent";
const OTHER: &str = "camera_archive_other";
const FAILING: &str = "camera_archive_failing";
const SET_ASIDE: &str = "camera_files_set_aside";

/// Of a store elsewhere: raised under its name, a colon and the place's.
const PLACE: &str = "camera_place_failing";
const STRANGERS: &str = "camera_place_strangers";

/// All kinds, each of which has a sentence.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    OF_ONE.into_iter().chain([ABSENT, OTHER, FAILING, SET_ASIDE, PLACE, STRANGERS])
}

/// What is known to be raised, so that what is well is not looked up in the store with each segment.
#[derive(Default)]
pub(super) struct Notices {
    raised: Mutex<BTreeSet<String>>,
}

fn key(kind: &str, camera: Id) -> String {
    format!("{kind}/{camera}")
}

impl Inner {
    /// Reads what was told before the restart.
    pub(super) async fn recall_notices(&self) {
        match self.store.notices().open().await {
            Ok(open) => {
                let ours = open.into_iter().map(|open| open.key).filter(|key| key.starts_with("camera_"));
                lock(&self.notices.raised).extend(ours);
            }
            Err(error) => tracing::warn!("notices cannot be read: {error}"),
        }
    }

    async fn raise(&self, key: String, kind: &str, params: Vec<(&str, String)>) {
        if lock(&self.notices.raised).contains(&key) {
            return;
        }
        let params = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
        match self.store.notices().raise(&key, &notice).await {
            Ok(is_new) => {
                lock(&self.notices.raised).insert(key.clone());
                if is_new {
                    tracing::warn!(kind, "notice raised: see `domovoi notices`");
                    self.bus.tell(Event::Notice(key.into()));
                }
            }
            Err(error) => tracing::warn!("a notice waits for the store: {error}"),
        }
    }

    /// True if it was open. Somebody may have closed it on the page: then it is told again if it is so again.
    async fn take_back(&self, key: &str) -> bool {
        if !lock(&self.notices.raised).contains(key) {
            return false;
        }
        match self.clear(key).await {
            Ok(was_open) => was_open,
            Err(error) => {
                tracing::warn!("a notice that is over stays: {error}");
                false
            }
        }
    }

    async fn clear(&self, key: &str) -> Result<bool, StoreError> {
        let was_open = self.store.notices().clear(key).await?;
        lock(&self.notices.raised).remove(key);
        if was_open {
            self.bus.tell(Event::Notice(key.into()));
        }
        Ok(was_open)
    }

    /// Nothing more is told of a camera that is gone.
    pub(super) async fn take_back_all(&self, camera: Id) {
        for kind in OF_ONE {
            self.take_back(&key(kind, camera)).await;
        }
    }

    /// Tells of a camera's coming and going until its tasks end.
    pub(super) async fn watch_status(
        &self,
        seat: &Seat,
        mut changes: watch::Receiver<Status>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut gone_at: Option<Instant> = None;
        let mut told = false;
        let mut shown = None;
        loop {
            let status = changes.borrow_and_update().clone();
            let state = std::mem::discriminant(&status.state);
            if shown.replace(state) != Some(state) {
                self.tell(seat.id, CameraChange::Standing);
            }
            let tell_at = match &status.state {
                State::Online { .. } => {
                    (gone_at, told) = (None, false);
                    self.is_online(seat, &status).await;
                    None
                }
                State::Offline { trouble, .. } => {
                    let since = *gone_at.get_or_insert_with(Instant::now);
                    self.tell_certificate(seat, trouble).await;
                    let settled = if trouble.needs_somebody() { SETTLED_HOPELESS } else { SETTLED };
                    (!told).then_some(since + settled)
                }
                State::Starting | State::Stopped => None,
            };
            let tells = async {
                match tell_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let settled = tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
                () = tells => true,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if settled && let State::Offline { trouble, .. } = &status.state {
                told = true;
                self.tell_offline(seat, trouble).await;
            }
        }
    }

    pub(super) async fn tell_offline(&self, seat: &Seat, trouble: &Trouble) {
        self.take_back(&key(BACK, seat.id)).await;
        let params = vec![("camera", seat.name()), ("why", trouble.code().to_owned())];
        self.raise(key(OFFLINE, seat.id), OFFLINE, params).await;
    }

    pub(super) async fn is_online(&self, seat: &Seat, status: &Status) {
        if self.take_back(&key(OFFLINE, seat.id)).await {
            self.raise(key(BACK, seat.id), BACK, vec![("camera", seat.name())]).await;
        }
        self.take_back(&key(CERTIFICATE, seat.id)).await;
        self.take_back(&key(MAY_BE, seat.id)).await;
        if let Some(off) = status.clock_offset_ms {
            self.tell_clock(seat, off.unsigned_abs()).await;
        }
    }

    /// How far a camera's clock is off, as it says.
    pub(super) async fn tell_clock(&self, seat: &Seat, off: u64) {
        if off >= CLOCK_OFF_MS {
            let minutes = (off / 60_000).to_string();
            self.raise(key(CLOCK, seat.id), CLOCK, vec![("camera", seat.name()), ("minutes", minutes)]).await;
        } else if off < CLOCK_RIGHT_MS {
            self.take_back(&key(CLOCK, seat.id)).await;
        }
    }

    /// What is old about a camera, as it says.
    pub(super) async fn tell_age(&self, seat: &Seat, age: Age) {
        let date = |date: Date| format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year());
        for (kind, on) in [(FIRMWARE, age.built), (CERTIFICATE_ENDS, age.ends.map(|ends| self.day_of(ends)))] {
            match on {
                Some(on) => {
                    let params = vec![("camera", seat.name()), ("date", date(on))];
                    self.raise(key(kind, seat.id), kind, params).await;
                }
                None => drop(self.take_back(&key(kind, seat.id)).await),
            }
        }
    }

    async fn tell_certificate(&self, seat: &Seat, trouble: &Trouble) {
        if let Trouble::CertificateChanged { found, .. } = trouble {
            let params = vec![("camera", seat.name()), ("fingerprint", found.fingerprint.to_string())];
            self.raise(key(CERTIFICATE, seat.id), CERTIFICATE, params).await;
        }
    }

    pub(super) async fn tell_moved(&self, seat: &Seat, before: &str, after: &str) {
        let of = key(MOVED, seat.id);
        // The latest address is the one that matters.
        self.take_back(&of).await;
        let params = vec![("camera", seat.name()), ("before", before.to_owned()), ("after", after.to_owned())];
        self.raise(of, MOVED, params).await;
    }

    /// Something at these addresses may be it: only its owner can tell.
    pub(super) async fn tell_may_be(&self, seat: &Seat, at: &[IpAddr]) {
        let at: Vec<String> = at.iter().take(4).map(IpAddr::to_string).collect();
        let params = vec![("camera", seat.name()), ("at", at.join(", "))];
        self.raise(key(MAY_BE, seat.id), MAY_BE, params).await;
    }

    pub(super) async fn tell_paused(&self, seat: &Seat, why: Option<Pause>) {
        for kind in PAUSED.iter().filter(|kind| why.is_none_or(|why| why.notice() != **kind)) {
            self.take_back(&key(kind, seat.id)).await;
        }
        if let Some(why) = why {
            self.raise(key(why.notice(), seat.id), why.notice(), vec![("camera", seat.name())]).await;
        }
    }

    pub(super) async fn tell_not_paused(&self, seat: &Seat) {
        self.tell_paused(seat, None).await;
    }

    pub(super) async fn tell_behind(&self, seat: &Seat, behind_ms: u64) {
        let params = vec![("camera", seat.name()), ("seconds", (behind_ms / 1000).to_string())];
        self.raise(key(BEHIND, seat.id), BEHIND, params).await;
    }

    /// A recording is not as it was written: `what` is a verdict's code, `at` its beginning.
    pub(super) async fn tell_damaged(&self, seat: &Seat, what: &str, at: String) {
        let params = vec![("camera", seat.name()), ("what", what.to_owned()), ("at", at)];
        self.raise(key(DAMAGED, seat.id), DAMAGED, params).await;
    }

    pub(super) async fn tell_failing(&self, why: &str) {
        let why = why.chars().take(300).collect();
        self.raise(FAILING.to_owned(), FAILING, vec![("why", why)]).await;
    }

    pub(super) async fn tell_set_aside(&self, files: usize) {
        self.raise(SET_ASIDE.to_owned(), SET_ASIDE, vec![("files", files.to_string())]).await;
    }

    /// How the archive's disk stands. A disk that failed is well again when segments are written for a while, not when its
    /// folder can be read.
    pub(super) async fn tell_archive(&self, state: &ArchiveState) {
        let folder = self.archive.folder.display().to_string();
        let said = match state {
            ArchiveState::Absent => Some(ABSENT),
            ArchiveState::Other => Some(OTHER),
            ArchiveState::Failing(why) => {
                self.tell_failing(why).await;
                None
            }
            ArchiveState::There | ArchiveState::Starting => None,
        };
        for kind in [ABSENT, OTHER].into_iter().filter(|kind| said != Some(kind)) {
            self.take_back(kind).await;
        }
        if let Some(kind) = said {
            self.raise(kind.to_owned(), kind, vec![("folder", folder)]).await;
        }
    }

    /// Whether recordings can be sent to a place.
    pub(super) async fn tell_place(&self, place: &str, why: Option<&str>) {
        let key = format!("{PLACE}:{place}");
        match why {
            None => drop(self.take_back(&key).await),
            Some(why) => {
                let params = vec![("place", place.to_owned()), ("why", why.to_owned())];
                self.raise(key, PLACE, params).await;
            }
        }
    }

    /// How many objects at a place no row knows.
    pub(super) async fn tell_strangers(&self, place: &str, count: usize) {
        let key = format!("{STRANGERS}:{place}");
        if count == 0 {
            self.take_back(&key).await;
            return;
        }
        self.raise(key, STRANGERS, vec![("place", place.to_owned()), ("count", count.to_string())]).await;
    }

    pub(super) async fn tell_well(&self) {
        self.take_back(FAILING).await;
    }

    /// Who is told that what was promised cannot be kept.
    pub(super) async fn tell_outlooks(&self) {
        let Ok(outlooks) = self.outlooks().await else { return };
        for outlook in outlooks {
            let Ok(seat) = self.seat(outlook.camera) else { continue };
            let said = outlook.notice();
            for kind in KEEPS_LESS.into_iter().filter(|kind| said != Some(kind)) {
                self.take_back(&key(kind, seat.id)).await;
            }
            if let Some((kind, hours)) = said.zip(outlook.hours) {
                let promised = outlook.promised_days.to_string();
                let params = vec![("camera", seat.name()), ("hours", hours.to_string()), ("promised", promised)];
                self.raise(key(kind, seat.id), kind, params).await;
            }
        }
    }
}
