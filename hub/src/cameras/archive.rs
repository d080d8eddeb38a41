//! The archive's folder and the thread that writes there: whether the disk is the one that was there yesterday, what is being
//! written now. It keeps no rows (`books`) and deletes nothing (`removing`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use domovoi_model::{Id, Timestamp};
use domovoi_store::SegmentStart;
use domovoi_vault::DayKey;
use domovoi_video::archive::{
    Behind, ChainTag, Desk, Disk, DiskLimits, Heading, Opening, Reason, Report, Space, Trailer, identify, identity,
    space,
};
use domovoi_video::mp4::{Cut, Fragment};
use tokio::sync::{mpsc, oneshot, watch};

use super::seat::lock;

/// Under this name the store keeps which archive is the home's.
pub(super) const KEPT_AS: &str = "cameras.archive";

/// A disk that does not answer for so long is not there.
const ANSWERS_IN: Duration = Duration::from_secs(20);

/// How the archive's disk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveState {
    /// Nobody has looked yet, or what a crash left is being brought into order.
    Starting,
    /// It is there and can be written to.
    There,
    /// The folder is empty: its disk is not mounted. Nothing is written, so that the system's disk does not fill.
    Absent,
    /// Another archive lies there.
    Other,
    /// It cannot be read or written.
    Failing(String),
}

/// What a segment that is being written is like.
#[derive(Debug, Clone)]
pub(super) struct Growing {
    pub start: SegmentStart,
    pub path: PathBuf,
    pub day: DayKey,
    /// As far as it is durable; `None`: not a second of it yet.
    pub durable: Option<(u64, Trailer)>,
    /// Its file is there.
    pub created: bool,
}

/// The house stops, or has not begun.
const NO_DISK: Behind = Behind { behind_ms: 0, behind_bytes: 0 };

/// Asks for room for a lane, and waits for the answer.
pub(super) type Plea = (u64, std::sync::mpsc::SyncSender<bool>);

pub(super) struct Archive {
    pub folder: PathBuf,
    /// So often everything is made durable.
    pub sync_every: Duration,
    pub cut: Cut,
    known: Mutex<Option<[u8; 16]>>,
    state: watch::Sender<ArchiveState>,
    disk: RwLock<Option<Disk>>,
    writing: Arc<Mutex<Writing>>,
    /// Frames of video of segments that were closed and are not in the books yet.
    pub frames: Mutex<HashMap<Id, u32>>,
    /// Segments that began before the clock was trusted, with how far the wall clock was ahead of the time since the start.
    pub undated: Mutex<Vec<(Id, i64)>>,
}

/// Segments that are being written, or whose rows are.
#[derive(Default)]
struct Writing {
    all: HashMap<Id, Growing>,
    /// Which one a lane writes to, as the disk's thread sees it: the next may be asked for already.
    current: HashMap<u64, Id>,
}

/// What the disk's thread says and asks.
pub(super) struct Asked {
    pub reports: mpsc::UnboundedReceiver<Report>,
    pub pleas: mpsc::UnboundedReceiver<Plea>,
}

/// The lane of a camera: its random id is wide enough for that.
pub(super) fn lane(camera: Id) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = camera.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Archive {
    /// What is in memory of a fragment that is being made is lost with the power as well: both together are what was
    /// promised.
    pub fn new(folder: PathBuf, promised: Duration, fragment: Duration) -> Self {
        let fragment = fragment.min(promised / 2);
        let sync_every = promised.saturating_sub(fragment).max(Duration::from_millis(500));
        Archive {
            folder,
            sync_every,
            cut: Cut::Group { longest_ms: u32::try_from(fragment.as_millis()).unwrap_or(2_000) },
            known: Mutex::default(),
            state: watch::Sender::new(ArchiveState::Starting),
            disk: RwLock::new(None),
            writing: Arc::default(),
            frames: Mutex::default(),
            undated: Mutex::default(),
        }
    }

    pub fn state(&self) -> ArchiveState {
        self.state.borrow().clone()
    }

    /// True if that is news.
    pub fn set_state(&self, state: ArchiveState) -> bool {
        self.state.send_if_modified(|now| {
            let is_news = *now != state;
            *now = state;
            is_news
        })
    }

    pub fn is_there(&self) -> bool {
        *self.state.borrow() == ArchiveState::There
    }

    pub fn changes(&self) -> watch::Receiver<ArchiveState> {
        self.state.subscribe()
    }

    pub fn is_known(&self) -> bool {
        lock(&self.known).is_some()
    }

    pub fn know(&self, id: [u8; 16]) {
        *lock(&self.known) = Some(id);
    }

    /// Looks whether the folder is the archive's. `Absent` with nothing known yet: it can be founded.
    pub async fn look(&self) -> ArchiveState {
        let (folder, known) = (self.folder.clone(), *lock(&self.known));
        let looked = tokio::task::spawn_blocking(move || identity(&folder));
        match tokio::time::timeout(ANSWERS_IN, looked).await {
            Err(_) => ArchiveState::Failing(format!("no answer for {} s", ANSWERS_IN.as_secs())),
            Ok(Err(error)) => ArchiveState::Failing(error.to_string()),
            Ok(Ok(Err(error))) => ArchiveState::Failing(error.to_string()),
            Ok(Ok(Ok(None))) => ArchiveState::Absent,
            Ok(Ok(Ok(Some(found)))) => match known {
                Some(known) if known != found => ArchiveState::Other,
                _ => ArchiveState::There,
            },
        }
    }

    /// Makes the folder the home's archive, or says which it is already.
    pub async fn found(&self) -> Result<[u8; 16], String> {
        let folder = self.folder.clone();
        let made = tokio::task::spawn_blocking(move || {
            make_folder(&folder)?;
            identify(&folder)
        });
        made.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    pub async fn space(&self) -> Option<Space> {
        let folder = self.folder.clone();
        let asked = tokio::task::spawn_blocking(move || space(&folder));
        tokio::time::timeout(ANSWERS_IN, asked).await.ok()?.ok()?.ok()
    }

    /// Starts the disk's thread.
    pub fn start(&self, limits: DiskLimits) -> std::io::Result<Asked> {
        let (to_books, reports) = mpsc::unbounded_channel();
        let (to_room, pleas) = mpsc::unbounded_channel();
        let writing = Arc::clone(&self.writing);
        let report = move |report: Report| {
            match report {
                Report::Synced { lane, bytes, trailer } => {
                    let mut writing = lock(&writing);
                    let current = writing.current.get(&lane).copied();
                    if let Some(growing) = current.and_then(|current| writing.all.get_mut(&current)) {
                        growing.durable = Some((bytes, trailer));
                    }
                    return;
                }
                Report::Opened { lane, ref heading, .. } => {
                    let mut writing = lock(&writing);
                    writing.current.insert(lane, Id(heading.segment));
                    if let Some(growing) = writing.all.get_mut(&Id(heading.segment)) {
                        growing.created = true;
                    }
                }
                Report::Closed { .. } | Report::Failed { .. } => {}
            }
            // Who reads them ends after the disk: the send cannot fail before.
            let _ = to_books.send(report);
        };
        let make_room = move |lane| {
            let (answer, answered) = std::sync::mpsc::sync_channel(1);
            to_room.send((lane, answer)).is_ok() && answered.recv_timeout(ANSWERS_IN).unwrap_or(false)
        };
        let desk = Desk { report: Box::new(report), make_room: Box::new(make_room) };
        let disk = Disk::start(limits, desk)?;
        *self.disk.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(disk);
        Ok(Asked { reports, pleas })
    }

    /// Closes what is open and ends the thread; waits for the disk.
    pub async fn stop(&self) {
        let disk = self.disk.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let (ended, has_ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("archive-end".to_owned()).spawn(move || {
            drop(disk);
            let _ = ended.send(());
        });
        if thread.is_ok() {
            let _ = has_ended.await;
        }
    }

    fn with_disk<T>(&self, what: impl FnOnce(&Disk) -> T) -> Option<T> {
        self.disk.read().unwrap_or_else(std::sync::PoisonError::into_inner).as_ref().map(what)
    }

    /// Begins a segment; its row follows when its file is there.
    pub fn open(
        &self,
        growing: Growing,
        heading: Heading,
        previous: Option<ChainTag>,
        init: Option<bytes::Bytes>,
    ) -> Result<(), Behind> {
        let (lane, segment) = (lane(growing.start.camera), growing.start.id);
        let folder = growing.path.parent().unwrap_or(Path::new(".")).to_owned();
        let opening = Opening { folder, heading, day: growing.day.clone(), previous, init };
        lock(&self.writing).all.insert(segment, growing);
        let opened = self.with_disk(|disk| disk.open(lane, opening)).unwrap_or(Err(NO_DISK));
        if opened.is_err() {
            self.ended(segment);
        }
        opened
    }

    pub fn append(&self, lane: u64, fragment: Fragment) -> Result<(), Behind> {
        self.with_disk(|disk| disk.append(lane, fragment)).unwrap_or(Err(NO_DISK))
    }

    pub fn close(&self, lane: u64, reason: Reason) {
        self.with_disk(|disk| disk.close(lane, reason));
    }

    pub fn sync_all(&self) {
        self.with_disk(Disk::sync_all);
    }

    /// What is known of a segment that is being written.
    pub fn growing(&self, segment: Id) -> Option<Growing> {
        lock(&self.writing).all.get(&segment).cloned()
    }

    /// A segment is over, and its row says so.
    pub fn ended(&self, segment: Id) {
        lock(&self.writing).all.remove(&segment);
    }

    /// Whether a segment is being written, or about to be, or its row is.
    pub fn is_growing(&self, segment: Id) -> bool {
        lock(&self.writing).all.contains_key(&segment)
    }

    /// So many bytes of a camera's open segments are durable.
    pub fn growing_bytes(&self, camera: Id) -> u64 {
        let writing = lock(&self.writing);
        let ours = writing.all.values().filter(|one| one.start.camera == camera);
        ours.filter_map(|one| one.durable.as_ref()).map(|(bytes, _)| *bytes).fold(0, u64::saturating_add)
    }

    /// The clock is right from now on: what began before is put where it belongs. By how much, each.
    pub fn take_undated(&self, boot_began: Timestamp) -> Vec<(Id, i64)> {
        std::mem::take(&mut *lock(&self.undated)).into_iter().map(|(id, wrong)| (id, boot_began.0 - wrong)).collect()
    }
}

/// A folder that only the daemon reads, durable with its name.
pub(super) fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        std::fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}
