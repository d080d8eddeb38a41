//! A file in a store elsewhere, read as if it were here: what a segment's reader asks for, with what stands around it, so
//! that a record and the length before it are one request. Called on threads that may wait, like the reading of a disk.
//! Deliberately one window and no cache on the disk: what was opened is nowhere left behind.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::{Place, Trouble};
use crate::archive::ReadAt;

/// What is fetched at once: a record is at most 1 MiB, but for single frames that are larger.
const WINDOW: u64 = 1 << 20;
/// Before the end: the footer says where the trailer begins, which is just before it.
const TAIL: u64 = 128 << 10;

/// For one part: who plays it has long gone.
const LONGEST: Duration = Duration::from_secs(60);

/// A segment's file in a place.
#[derive(Debug)]
pub struct FarFile {
    place: Place,
    key: String,
    bytes: u64,
    runtime: Handle,
    window: Mutex<(u64, Bytes)>,
}

impl FarFile {
    /// Asks how large it is. `runtime` is where the requests are made while a thread waits for them.
    pub async fn open(place: Place, key: String, runtime: Handle) -> Result<FarFile, Trouble> {
        let bytes = place.stat(&key).await?.bytes;
        Ok(FarFile { place, key, bytes, runtime, window: Mutex::default() })
    }

    /// Asks in a task and waits for it, since waiting in a task's own thread would be a panic.
    fn fetch(&self, wanted: Range<u64>) -> io::Result<Bytes> {
        let (tell, told) = mpsc::sync_channel(1);
        let (place, key) = (self.place.clone(), self.key.clone());
        self.runtime.spawn(async move {
            // Nobody may wait any more.
            let _ = tell.send(place.read_range(&key, wanted).await);
        });
        let fetched = told.recv_timeout(LONGEST).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        fetched.map_err(|trouble| io::Error::other(trouble.to_string()))
    }

    /// What to fetch for these bytes.
    fn around(&self, asked: &Range<u64>) -> Range<u64> {
        let tail = self.bytes.saturating_sub(TAIL);
        let start = if asked.start >= tail { tail } else { asked.start };
        start..asked.end.max(start.saturating_add(WINDOW).min(self.bytes))
    }
}

impl ReadAt for FarFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.bytes).ok_or_else(short)?;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, held) = &*window;
        if !(*start <= at && end <= start + held.len() as u64) {
            let wanted = self.around(&(at..end));
            *window = (wanted.start, self.fetch(wanted)?);
        }
        let (start, held) = &*window;
        let from = usize::try_from(at - start).map_err(|_| short())?;
        let found = held.get(from..).and_then(|rest| rest.get(..buffer.len())).ok_or_else(short)?;
        buffer.copy_from_slice(found);
        Ok(())
    }
}
