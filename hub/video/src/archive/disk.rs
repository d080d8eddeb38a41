//! One thread for the files of one disk: segments are created, appended to, synced and closed there, so that no task
//! waits for a disk. What waits for it is bounded for each camera, in time and in bytes; a camera that falls behind loses
//! its segment and not its neighbours', and is told so.
//!
//! It owns no schedule: when to sync all segments at once, and what to delete when the disk is full, the desk says.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use domovoi_vault::DayKey;

use crate::mp4::{Fragment, TICKS_HZ};

use super::format::{ChainTag, Heading};
use super::trailer::{Reason, Trailer};
use super::writer::{Closed, SegmentWriter, WriteError};

/// A segment to be created.
#[derive(Debug)]
pub struct Opening {
    pub folder: PathBuf,
    pub heading: Heading,
    pub day: DayKey,
    /// The tag of the lane's last segment. If the lane has closed one on this disk since it began, that one's tag is
    /// taken instead: it may still wait to be closed when this is asked for.
    pub previous: Option<ChainTag>,
    pub init: Option<Bytes>,
}

/// What became of what was asked. A lane is a camera, in the caller's numbering.
#[derive(Debug)]
pub enum Report {
    /// The file is there, its name durable: its row can be written.
    Opened {
        lane: u64,
        path: PathBuf,
        heading: Heading,
    },
    /// Durable so far; what the index would say.
    Synced {
        lane: u64,
        bytes: u64,
        trailer: Trailer,
    },
    Closed {
        lane: u64,
        closed: Closed,
    },
    /// The lane's segment is over, closed or not; nothing goes into it any more. A path stands there if a file does that
    /// has to be recovered.
    Failed {
        lane: u64,
        error: WriteError,
        left: Option<PathBuf>,
    },
}

/// Who is told, and asked for room. Both are called on the disk's own thread, and it waits for them.
pub struct Desk {
    pub report: Box<dyn FnMut(Report) + Send>,
    /// Makes room for one more record; false if there is nothing more to delete.
    pub make_room: Box<dyn FnMut(u64) -> bool + Send>,
}

/// How far a lane may be behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskLimits {
    pub behind_ms: u64,
    pub behind_bytes: usize,
}

impl Default for DiskLimits {
    fn default() -> Self {
        // 30 s, and for a stream of 16 Mbit/s no more memory than that takes.
        DiskLimits { behind_ms: 30_000, behind_bytes: 64 << 20 }
    }
}

/// The disk is too far behind for this lane: its segment was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk is {behind_ms} ms and {behind_bytes} bytes behind")]
pub struct Behind {
    pub behind_ms: u64,
    pub behind_bytes: usize,
}

enum Job {
    /// With the number of the lane's opening.
    Open(u64, u64, Box<Opening>),
    Append(u64, Fragment),
    Close(u64, Reason),
    SyncAll,
}

#[derive(Debug, Default, Clone, Copy)]
struct Backlog {
    ticks: u64,
    bytes: usize,
    /// Given up: nothing is taken until the next opening.
    over: bool,
    /// How many openings the lane has had: what befalls an earlier segment is no matter of this one's.
    openings: u64,
}

type Backlogs = Arc<Mutex<HashMap<u64, Backlog>>>;

/// A handle to the thread. When it is dropped, what was asked is done, open segments are closed, and the thread ends:
/// it is dropped where waiting for a disk is allowed.
pub struct Disk {
    jobs: Option<Sender<Job>>,
    backlogs: Backlogs,
    limits: DiskLimits,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    pub fn start(limits: DiskLimits, desk: Desk) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let backlogs = Backlogs::default();
        let mut work = Work { desk, writers: HashMap::new(), last: HashMap::new(), backlogs: Arc::clone(&backlogs) };
        let thread = std::thread::Builder::new().name("archive".to_owned()).spawn(move || work.run(&queue))?;
        Ok(Disk { jobs: Some(jobs), backlogs, limits, thread: Some(thread) })
    }

    /// Creates a segment in a lane, whose last one must be closed or given up. Refused while the lane is still more than
    /// half as far behind as it may be.
    pub fn open(&self, lane: u64, opening: Opening) -> Result<(), Behind> {
        let mut backlogs = lock(&self.backlogs);
        let backlog = backlogs.entry(lane).or_default();
        if backlog.ms() > self.limits.behind_ms / 2 || backlog.bytes > self.limits.behind_bytes / 2 {
            return Err(backlog.behind());
        }
        backlog.over = false;
        backlog.openings += 1;
        let number = backlog.openings;
        drop(backlogs);
        self.send(Job::Open(lane, number, Box::new(opening)));
        Ok(())
    }

    /// Appends to the lane's segment. After an error the segment is closed as far as it got.
    pub fn append(&self, lane: u64, fragment: Fragment) -> Result<(), Behind> {
        let mut backlogs = lock(&self.backlogs);
        let backlog = backlogs.entry(lane).or_default();
        if backlog.over {
            return Err(backlog.behind());
        }
        backlog.add(&fragment);
        if backlog.ms() > self.limits.behind_ms || backlog.bytes > self.limits.behind_bytes {
            backlog.remove(&fragment);
            backlog.over = true;
            let behind = backlog.behind();
            drop(backlogs);
            self.send(Job::Close(lane, Reason::Abandoned));
            return Err(behind);
        }
        drop(backlogs);
        self.send(Job::Append(lane, fragment));
        Ok(())
    }

    pub fn close(&self, lane: u64, reason: Reason) {
        self.send(Job::Close(lane, reason));
    }

    /// Makes all open segments durable: one call every few seconds for all cameras.
    pub fn sync_all(&self) {
        self.send(Job::SyncAll);
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread ends with the handle only.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Backlog {
    fn ms(&self) -> u64 {
        self.ticks / u64::from(TICKS_HZ / 1000)
    }

    fn add(&mut self, fragment: &Fragment) {
        self.ticks += u64::from(fragment.duration);
        self.bytes += fragment.payload().len();
    }

    fn remove(&mut self, fragment: &Fragment) {
        self.ticks = self.ticks.saturating_sub(u64::from(fragment.duration));
        self.bytes = self.bytes.saturating_sub(fragment.payload().len());
    }

    fn behind(&self) -> Behind {
        Behind { behind_ms: self.ms(), behind_bytes: self.bytes }
    }
}

// A panic under this lock leaves at worst a count that is a fragment off.
fn lock(backlogs: &Backlogs) -> MutexGuard<'_, HashMap<u64, Backlog>> {
    backlogs.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Work {
    desk: Desk,
    /// With the number of its opening.
    writers: HashMap<u64, (u64, SegmentWriter)>,
    last: HashMap<u64, ChainTag>,
    backlogs: Backlogs,
}

impl Work {
    fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            match job {
                Job::Open(lane, number, opening) => self.open(lane, number, *opening),
                Job::Append(lane, fragment) => self.append(lane, fragment),
                Job::Close(lane, reason) => self.close(lane, reason),
                Job::SyncAll => self.sync_all(),
            }
        }
        let mut open: Vec<u64> = self.writers.keys().copied().collect();
        open.sort_unstable();
        for lane in open {
            self.close(lane, Reason::Stopped);
        }
    }

    fn open(&mut self, lane: u64, number: u64, opening: Opening) {
        self.close(lane, Reason::Abandoned);
        let previous = self.last.get(&lane).copied().or(opening.previous);
        let create = || {
            SegmentWriter::create(
                &opening.folder,
                opening.heading.clone(),
                &opening.day,
                previous,
                opening.init.as_deref(),
            )
        };
        let mut created = create();
        if matches!(created, Err(WriteError::Full(_))) && (self.desk.make_room)(lane) {
            created = create();
        }
        match created {
            Ok(writer) => {
                self.tell(Report::Opened { lane, path: writer.path().to_owned(), heading: opening.heading });
                self.writers.insert(lane, (number, writer));
            }
            Err(error) => self.give_up(lane, number, error, None),
        }
    }

    fn append(&mut self, lane: u64, fragment: Fragment) {
        if let Some(backlog) = lock(&self.backlogs).get_mut(&lane) {
            backlog.remove(&fragment);
        }
        let Some((number, writer)) = self.writers.get_mut(&lane) else { return };
        let number = *number;
        let mut written = writer.append(fragment);
        if matches!(written, Err(WriteError::Full(_))) && (self.desk.make_room)(lane) {
            written = writer.retry();
        }
        if let Err(error) = written {
            let reason = if matches!(error, WriteError::Full(_)) { Reason::DiskFull } else { Reason::Abandoned };
            // What was whole is closed; a trailer needs less room than the record did.
            let closed = self.writers.remove(&lane).map(|(_, writer)| (writer.path().to_owned(), writer.close(reason)));
            let left = match closed {
                Some((_, Ok(closed))) => {
                    self.last.insert(lane, closed.tag);
                    self.tell(Report::Closed { lane, closed });
                    None
                }
                Some((path, Err(_))) => Some(path),
                None => None,
            };
            self.give_up(lane, number, error, left);
        }
    }

    fn close(&mut self, lane: u64, reason: Reason) {
        let Some((number, writer)) = self.writers.remove(&lane) else { return };
        let path = writer.path().to_owned();
        match writer.close(reason) {
            Ok(closed) => {
                self.last.insert(lane, closed.tag);
                self.tell(Report::Closed { lane, closed });
            }
            Err(error) => self.give_up(lane, number, error, Some(path)),
        }
    }

    fn sync_all(&mut self) {
        let mut lanes: Vec<u64> = self.writers.keys().copied().collect();
        lanes.sort_unstable();
        for lane in lanes {
            let Some((number, writer)) = self.writers.get_mut(&lane) else { continue };
            let number = *number;
            match writer.sync() {
                Ok(()) => {
                    let report = Report::Synced { lane, bytes: writer.bytes(), trailer: writer.trailer().clone() };
                    self.tell(report);
                }
                Err(error) => {
                    let left = self.writers.remove(&lane).map(|(_, writer)| writer.path().to_owned());
                    self.give_up(lane, number, error, left);
                }
            }
        }
    }

    fn give_up(&mut self, lane: u64, number: u64, error: WriteError, left: Option<PathBuf>) {
        if let Some(backlog) = lock(&self.backlogs).get_mut(&lane).filter(|backlog| backlog.openings == number) {
            backlog.over = true;
        }
        if left.is_some() {
            // The next segment must not name one that has no trailer yet.
            self.last.remove(&lane);
        }
        self.tell(Report::Failed { lane, error, left });
    }

    fn tell(&mut self, report: Report) {
        (self.desk.report)(report);
    }
}
