//! Whether history can be kept, and what is done while it cannot. Of a full disk telemetry feels it first: below the
//! reserve it is refused at once, so that registers and hazards find room; when even they do not, a file of ballast is
//! given up for them. All of it mends by itself. Reflexes do not come by here at all.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::queue::Queue;
use crate::error::StoreError;

/// How often the free space is asked for, at most, while there is something to write.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether what is recorded is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All of it.
    Healthy,
    /// The disk is nearly full: registers and hazards are kept, telemetry is refused.
    TelemetryStopped {
        /// Free bytes that were left.
        free: u64,
    },
    /// The disk is full: nothing is kept.
    RegistersStopped,
    /// The disk or the database fails.
    Failing(String),
}

/// The room on the disk.
pub(super) struct Space {
    folder: PathBuf,
    reserve: u64,
    ballast: u64,
    health: watch::Sender<Health>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    looked_at: Option<Instant>,
    free: u64,
    refusing: bool,
    #[cfg(test)]
    pretended: Option<u64>,
}

impl Space {
    pub fn new(folder: &Path, reserve: u64, ballast: u64) -> Arc<Self> {
        let (health, _) = watch::channel(Health::Healthy);
        Arc::new(Space { folder: folder.to_owned(), reserve, ballast, health, inner: Mutex::default() })
    }

    pub fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Looks how much room there is, if it was not looked at just now.
    pub fn look(&self, queue: &Queue) {
        let mut inner = self.lock();
        if inner.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        inner.looked_at = Some(Instant::now());
        let free = match self.free(&inner) {
            Ok(free) => free,
            Err(error) => {
                tracing::debug!(%error, "the free space is not known");
                return;
            }
        };
        inner.free = free;
        // A little more room than there has to be, or it would go on and off.
        let enough = if inner.refusing { self.reserve + self.reserve / 8 } else { self.reserve };
        let refusing = free < enough;
        if refusing != inner.refusing {
            inner.refusing = refusing;
            queue.refuse(refusing);
        }
        drop(inner);
        let fits = matches!(*self.health.borrow(), Health::Healthy | Health::TelemetryStopped { .. });
        if fits {
            self.turn(self.by_room());
        }
    }

    /// Something was just kept.
    pub fn is_well(&self, queue: &Queue) {
        let was_ill = matches!(*self.health.borrow(), Health::RegistersStopped | Health::Failing(_));
        if was_ill {
            self.lock().looked_at = None;
            self.turn(self.by_room());
            self.look(queue);
        }
    }

    /// Not even what is urgent was kept.
    pub fn is_ill(&self, error: &StoreError) {
        self.turn(match error {
            StoreError::Full => Health::RegistersStopped,
            other => Health::Failing(other.to_string()),
        });
    }

    fn by_room(&self) -> Health {
        let inner = self.lock();
        if inner.refusing { Health::TelemetryStopped { free: inner.free } } else { Health::Healthy }
    }

    fn turn(&self, to: Health) {
        let turned = self.health.send_if_modified(|health| {
            // Another number of free bytes is no news.
            let same = std::mem::discriminant(health) == std::mem::discriminant(&to);
            if !same {
                *health = to.clone();
            }
            !same
        });
        match &to {
            _ if !turned => {}
            Health::Healthy => tracing::info!("everything is kept again"),
            Health::TelemetryStopped { free } => {
                tracing::warn!(free, reserve = self.reserve, "the disk is nearly full: telemetry is not kept");
            }
            Health::RegistersStopped => tracing::error!("the disk is full: nothing is kept"),
            Health::Failing(what) => tracing::error!(what, "the disk fails: nothing is kept"),
        }
    }

    /// Makes room for what is urgent. Whether there was any to make.
    pub fn give_up_ballast(&self) -> bool {
        let given = std::fs::remove_file(self.ballast_path()).is_ok();
        if given {
            tracing::warn!("the ballast was given up so that registers and hazards are kept");
        }
        given
    }

    /// Puts the ballast back where there is plenty of room.
    fn take_ballast(&self) {
        let plenty = self.reserve + self.reserve / 8 + 2 * self.ballast;
        let path = self.ballast_path();
        let room = self.free(&self.lock()).is_ok_and(|free| free >= plenty);
        if self.ballast == 0 || !room || std::fs::metadata(&path).is_ok_and(|meta| meta.len() == self.ballast) {
            return;
        }
        let made =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).and_then(|file| {
                // Real blocks: a file of holes would give nothing back.
                rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.ballast)?;
                Ok(())
            });
        if let Err(error) = made {
            let _ = std::fs::remove_file(&path);
            tracing::debug!(%error, "no ballast could be laid by");
        }
    }

    fn ballast_path(&self) -> PathBuf {
        self.folder.join("domovoi.ballast")
    }

    fn free(&self, inner: &Inner) -> std::io::Result<u64> {
        #[cfg(test)]
        if let Some(free) = inner.pretended {
            return Ok(free);
        }
        let _ = inner;
        let room = rustix::fs::statvfs(&self.folder)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    #[cfg(test)]
    pub fn pretend(&self, free: u64) {
        let mut inner = self.lock();
        inner.pretended = Some(free);
        inner.looked_at = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after the room while nothing is recorded, and tries whether the disk is back.
pub(super) async fn watch(space: Arc<Space>, queue: Weak<Queue>) {
    let mut turns = space.watch();
    loop {
        let folder = Arc::clone(&space);
        let _ = tokio::task::spawn_blocking(move || folder.take_ballast()).await;
        let health = turns.borrow_and_update().clone();
        let while_ill = Duration::from_secs(if health == Health::Healthy { 10 } else { 1 });
        if tokio::time::timeout(while_ill, turns.changed()).await.is_ok() {
            continue;
        }
        let Some(queue) = queue.upgrade() else { return };
        space.look(&queue);
        if matches!(health, Health::RegistersStopped | Health::Failing(_)) {
            queue.probe();
        }
    }
}
