//! A storage for tests: it can be slow, stop keeping at any frame, tear, and be looked into.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use domovoi_broker::{Durable, NotKept, Rewritten, Storage, Torn};
use tokio::sync::watch;

/// A wall clock that nobody trusts.
const UNTRUSTED: i64 = i64::MIN;

pub struct Shelf {
    disk: Mutex<Disk>,
    /// How many of the frames appended are durable at most; the rest waits.
    kept: watch::Sender<u64>,
    pub wall: AtomicI64,
    pub rewrites: AtomicUsize,
    /// Frames appended outside of what is kept together.
    pub loose: AtomicUsize,
    together: AtomicBool,
}

#[derive(Default)]
struct Disk {
    base: Vec<Vec<u8>>,
    /// Behind the base, with their numbers; None where one was lost.
    frames: Vec<(u64, Option<Vec<u8>>)>,
    appended: u64,
    torn: bool,
    failing: bool,
    /// The next rewrites leave what a crash in the middle of them leaves.
    rewrites_fail: bool,
}

impl Disk {
    fn first_lost(&self) -> Option<u64> {
        self.frames.iter().find(|(_, frame)| frame.is_none()).map(|(number, _)| *number)
    }
}

impl Shelf {
    pub fn new() -> Arc<Self> {
        Self::of(Vec::new())
    }

    /// What a restart finds.
    pub fn of(base: Vec<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self {
            disk: Mutex::new(Disk { base, ..Disk::default() }),
            kept: watch::Sender::new(u64::MAX),
            wall: AtomicI64::new(UNTRUSTED),
            rewrites: AtomicUsize::new(0),
            loose: AtomicUsize::new(0),
            together: AtomicBool::new(false),
        })
    }

    pub fn at(self: Arc<Self>, wall_millis: i64) -> Arc<Self> {
        self.wall.store(wall_millis, Ordering::SeqCst);
        self
    }

    /// From now on only so many frames of this run become durable; the others wait.
    pub fn keep_only(&self, frames: u64) {
        self.kept.send_replace(frames);
    }

    pub fn hold(&self) {
        self.keep_only(self.appended());
    }

    pub fn release(&self) {
        self.keep_only(u64::MAX);
    }

    pub fn appended(&self) -> u64 {
        self.disk.lock().unwrap().appended
    }

    /// The disk fails, or works again.
    pub fn fail(&self, failing: bool) {
        self.disk.lock().unwrap().failing = failing;
    }

    pub fn fail_rewrites(&self, failing: bool) {
        self.disk.lock().unwrap().rewrites_fail = failing;
    }

    /// What a power cut leaves: everything durable, nothing else.
    pub fn after_a_crash(&self) -> Vec<Vec<u8>> {
        let disk = self.disk.lock().unwrap();
        let kept = *self.kept.borrow();
        let frames = disk.frames.iter().filter(|(number, _)| *number <= kept).filter_map(|(_, frame)| frame.clone());
        disk.base.iter().cloned().chain(frames).collect()
    }
}

impl Storage for Shelf {
    fn append(&self, frame: Vec<u8>) -> u64 {
        let mut disk = self.disk.lock().unwrap();
        disk.appended += 1;
        self.loose.fetch_add((!self.together.load(Ordering::SeqCst)).into(), Ordering::SeqCst);
        let number = disk.appended;
        disk.torn |= disk.failing;
        let kept = (!disk.torn).then_some(frame);
        disk.frames.push((number, kept));
        number
    }

    fn settled(&self) -> Durable {
        let disk = self.disk.lock().unwrap();
        if disk.torn {
            return Durable::when(async { Err(NotKept) });
        }
        let wanted = disk.appended;
        let mut kept = self.kept.subscribe();
        if *kept.borrow() >= wanted {
            return Durable::Now;
        }
        Durable::when(async move { kept.wait_for(|kept| *kept >= wanted).await.map(drop).map_err(|_| NotKept) })
    }

    fn rewrite(&self, up_to: u64, whole_to: u64, frames: Vec<Vec<u8>>) -> Rewritten {
        let mut disk = self.disk.lock().unwrap();
        let done = if disk.failing || disk.rewrites_fail || disk.first_lost().is_some_and(|lost| lost <= whole_to) {
            Err(Torn)
        } else {
            disk.base = frames;
            disk.frames.retain(|(number, _)| *number > up_to);
            disk.torn = disk.first_lost().is_some();
            self.rewrites.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        Box::pin(std::future::ready(done))
    }

    fn first_lost(&self) -> Option<u64> {
        self.disk.lock().unwrap().first_lost()
    }

    fn together(&self, work: &mut dyn FnMut()) {
        self.together.store(true, Ordering::SeqCst);
        work();
        self.together.store(false, Ordering::SeqCst);
    }

    fn now_millis(&self) -> Option<i64> {
        Some(self.wall.load(Ordering::SeqCst)).filter(|wall| *wall != UNTRUSTED)
    }
}
