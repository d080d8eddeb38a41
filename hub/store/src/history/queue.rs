//! What waits for the next commit: samples with their senders, and frames of the broker's log. Whoever leaves something
//! here goes at once; what is taken leaves in the order in which it came. Bounded: what does not fit is refused.
//!
//! The lock is held for the length of a push; nothing is packed or sealed under it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use domovoi_model::Sample;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::pace;
use super::{Kept, NotKept, Seq, Urgency};
use crate::error::StoreError;

pub(super) type Answer = Result<Seq, NotKept>;

/// Frames in the queue, at most. Past it they are lost, and the broker has to write its log anew.
const MAX_FRAME_BYTES: usize = 32 << 20;

pub(super) struct Offer {
    pub samples: Vec<Sample>,
    pub urgent: bool,
    pub answer: oneshot::Sender<Answer>,
}

/// What one commit takes.
#[derive(Default)]
pub(super) struct Batch {
    pub offers: Vec<Offer>,
    /// Offers that are not to be kept, because frames that belong to them are behind a hole of the log: a sample would
    /// be there after a restart, and nothing would say that its message had come.
    pub severed: Vec<Offer>,
    pub frames: Vec<Vec<u8>>,
    /// The number of the first frame.
    pub first_frame: u64,
    /// The highest number of a frame that was lost before.
    pub lost: u64,
    /// How many offers it is, for the pace: frames count as well.
    pub arrivals: usize,
    pub first_at: Duration,
    /// Something has to be written, to see whether it can be.
    pub probe: bool,
}

#[derive(Default)]
struct Held {
    offers: Vec<Offer>,
    samples: usize,
    bytes: usize,
    arrivals: usize,
    first_at: Duration,
    last_at: Duration,
    /// Somebody does not want to wait for company.
    urgent: bool,
    probe: bool,
    closed: bool,
    /// The bell is rung at so many arrivals; 0 while nobody listens.
    ring_at: usize,
    /// No room on the disk but for what is urgent.
    refusing: bool,
    log: Log,
}

/// The frames of the broker's log. Numbers are those of the log as a whole, which began some runs ago.
#[derive(Default)]
struct Log {
    frames: Vec<Vec<u8>>,
    bytes: usize,
    /// Those who wait for frames that wait; and for those that are being written.
    settlers: Vec<oneshot::Sender<Answer>>,
    flying: Vec<oneshot::Sender<Answer>>,
    in_flight: bool,
    /// The number of the first frame that is being written.
    first_flying: u64,
    /// The number of the newest frame; `None` before the log was read.
    newest: Option<u64>,
    /// Where this run began to count.
    base: u64,
    /// The highest number of a frame that was lost, and up to which a rewrite has replaced them.
    lost: u64,
    replaced: u64,
    /// While there is a hole: the first frame of it.
    first_lost: u64,
    /// A frame was lost since the last batch was taken: what was left together with frames is not whole any more.
    cut: bool,
    why: Option<NotKept>,
}

impl Log {
    fn torn(&self) -> bool {
        self.lost > self.replaced
    }

    fn lose(&mut self, first: u64, last: u64, why: NotKept) {
        self.first_lost = if self.torn() { self.first_lost.min(first) } else { first };
        self.lost = self.lost.max(last);
        self.cut = true;
        self.why = Some(why);
    }
}

pub(crate) struct Queue {
    held: Mutex<Held>,
    bell: Notify,
    /// Rung when a batch with frames has met its fate.
    landing: Notify,
    /// Held for reading while somebody leaves things that belong together, for writing while a commit takes what waits.
    sections: RwLock<()>,
    max_samples: usize,
    max_bytes: usize,
    began: Instant,
}

impl Queue {
    pub fn new(max_samples: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Queue {
            held: Mutex::default(),
            bell: Notify::new(),
            landing: Notify::new(),
            sections: RwLock::default(),
            max_samples,
            max_bytes,
            began: Instant::now(),
        })
    }

    /// Monotonic time since the start of the queue.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn offer(&self, samples: Vec<Sample>, urgency: Urgency) -> Kept {
        let bytes: usize = samples.iter().map(weight).sum();
        let urgent = urgency == Urgency::Now;
        let mut held = self.lock();
        if held.closed {
            return Kept::refused(NotKept::Closed);
        }
        if held.refusing && !urgent {
            return Kept::refused(NotKept::Full);
        }
        if held.samples + samples.len() > self.max_samples || held.bytes + bytes > self.max_bytes {
            return Kept::refused(NotKept::Overloaded);
        }
        let (answer, kept) = Kept::waiting();
        held.samples += samples.len();
        held.bytes += bytes;
        held.urgent |= urgent || held.bytes > self.max_bytes / 2;
        held.offers.push(Offer { samples, urgent, answer });
        self.arrived(held);
        kept
    }

    /// Does `work`; what it offers and appends is taken by one commit. Not to be nested.
    pub fn together(&self, work: &mut dyn FnMut()) {
        let _section = self.sections.read().unwrap_or_else(PoisonError::into_inner);
        work();
    }

    fn arrived(&self, mut held: MutexGuard<'_, Held>) {
        let now = self.now();
        held.arrivals += 1;
        held.last_at = now;
        if held.arrivals == 1 {
            held.first_at = now;
        }
        let ring = held.ring_at > 0 && (held.urgent || held.arrivals >= held.ring_at);
        if ring {
            held.ring_at = 0;
            drop(held);
            self.bell.notify_one();
        }
    }

    /// What waits is still committed; nothing more is taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    /// Takes only what is urgent, because there is no room for the rest.
    pub fn refuse(&self, refusing: bool) {
        self.lock().refusing = refusing;
    }

    /// Waits until the pace says so. `false` when the queue is closed and empty.
    pub(super) async fn ready(&self, when: impl Fn(&pace::Waiting, Duration) -> pace::When) -> bool {
        loop {
            let at = {
                let mut held = self.lock();
                if held.arrivals == 0 {
                    if held.closed {
                        return false;
                    }
                    held.ring_at = 1;
                    None
                } else {
                    let urgent = held.urgent || held.closed;
                    let waiting =
                        pace::Waiting { offers: held.arrivals, urgent, first_at: held.first_at, last_at: held.last_at };
                    match when(&waiting, self.now()) {
                        pace::When::Now => return true,
                        pace::When::Later { at, offers } => {
                            held.ring_at = offers;
                            Some(at)
                        }
                    }
                }
            };
            // Does not miss a ring between the look and the wait: `notify_one` leaves a permit.
            match at {
                None => self.bell.notified().await,
                Some(at) => {
                    let _ = tokio::time::timeout_at(self.began + at, self.bell.notified()).await;
                }
            }
        }
    }

    pub(super) fn take(&self) -> Batch {
        let _between_sections = self.sections.write().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.lock();
        let mut offers = std::mem::take(&mut held.offers);
        let log = &mut held.log;
        let mut severed = Vec::new();
        if std::mem::take(&mut log.cut) {
            // What is urgent is kept all the same: a hazard twice is better than never.
            (offers, severed) = offers.into_iter().partition(|offer| offer.urgent);
        }
        let frames = std::mem::take(&mut log.frames);
        log.bytes = 0;
        log.in_flight = !frames.is_empty();
        let mut settlers = std::mem::take(&mut log.settlers);
        log.flying.append(&mut settlers);
        let first_frame = (log.newest.unwrap_or(0) + 1).saturating_sub(frames.len() as u64);
        log.first_flying = first_frame;
        let lost = if log.torn() { log.lost } else { 0 };
        held.samples = 0;
        held.bytes = 0;
        held.urgent = false;
        held.ring_at = 0;
        Batch {
            offers,
            severed,
            frames,
            first_frame,
            lost,
            arrivals: std::mem::take(&mut held.arrivals),
            first_at: held.first_at,
            probe: std::mem::take(&mut held.probe),
        }
    }

    /// Has something written, to see whether it can be.
    pub fn probe(&self) {
        let mut held = self.lock();
        if !held.closed {
            held.probe = true;
            held.urgent = true;
            self.arrived(held);
        }
    }

    /// How many offers wait.
    pub fn arrivals(&self) -> usize {
        self.lock().arrivals
    }

    /// The log was read up to `newest`: from here on it can be added to.
    pub fn begin_log(&self, newest: u64) {
        let mut held = self.lock();
        held.log = Log { newest: Some(newest), base: newest, ..Log::default() };
    }

    pub fn append(&self, frame: Vec<u8>) -> u64 {
        let mut held = self.lock();
        let refusal = match (&held.log.newest, held.closed) {
            (None, _) => Some(NotKept::Failed("the log was not read yet".into())),
            (_, true) => Some(NotKept::Closed),
            _ if held.log.bytes + frame.len() > MAX_FRAME_BYTES => Some(NotKept::Overloaded),
            _ => None,
        };
        let log = &mut held.log;
        let number = log.newest.unwrap_or(log.base) + 1;
        log.newest = Some(number);
        let counted = number - log.base;
        match refusal {
            None => {
                log.bytes += frame.len();
                log.frames.push(frame);
                self.arrived(held);
            }
            Some(why) => {
                // What waits is worth nothing without it, and would only be in the way of the rewrite.
                log.lose(number - log.frames.len() as u64, number, why.clone());
                log.frames.clear();
                log.bytes = 0;
                let settlers = std::mem::take(&mut log.settlers);
                drop(held);
                settlers.into_iter().for_each(|settler| drop(settler.send(Err(why.clone()))));
            }
        }
        counted
    }

    pub fn settled(&self) -> Option<Kept> {
        let mut held = self.lock();
        let log = &mut held.log;
        if log.torn() {
            return Some(Kept::refused(log.why.clone().unwrap_or(NotKept::Closed)));
        }
        let waiting = if !log.frames.is_empty() {
            &mut log.settlers
        } else if log.in_flight {
            &mut log.flying
        } else {
            return None;
        };
        let (answer, kept) = Kept::waiting();
        waiting.push(answer);
        Some(kept)
    }

    /// The frames of a batch are durable or not. Returns those who waited for it, and what to tell them.
    pub(super) fn landed(
        &self,
        batch: &Batch,
        outcome: Result<Seq, NotKept>,
    ) -> (Vec<oneshot::Sender<Answer>>, Result<Seq, NotKept>) {
        let mut held = self.lock();
        let log = &mut held.log;
        log.in_flight = false;
        self.landing.notify_waiters();
        let last = (batch.first_frame + batch.frames.len() as u64).saturating_sub(1);
        if let (Err(why), false) = (&outcome, batch.frames.is_empty()) {
            log.lose(batch.first_frame, last, why.clone());
        }
        // What stands before a hole is kept, though nothing behind it is.
        let outcome = match &log.why {
            Some(why) if log.torn() && log.first_lost <= last => Err(why.clone()),
            _ => outcome,
        };
        (std::mem::take(&mut log.flying), outcome)
    }

    /// Waits until it is known of all frames up to `number` whether they are durable.
    pub async fn until_landed(&self, number: u64) {
        loop {
            let mut landing = std::pin::pin!(self.landing.notified());
            landing.as_mut().enable();
            {
                let held = self.lock();
                let log = &held.log;
                let first_waiting = (log.newest.unwrap_or(0) + 1).saturating_sub(log.frames.len() as u64);
                // Batches land in their order; one that was taken meanwhile is not waited for, or under load there would
                // always be another.
                if first_waiting > number && (!log.in_flight || log.first_flying > number) {
                    return;
                }
            }
            landing.await;
        }
    }

    /// The number, in the log as a whole, of a frame that was given out as `counted`.
    pub fn log_number(&self, counted: u64) -> u64 {
        self.lock().log.base + counted
    }

    /// A rewrite has taken the place of all up to `number`, with so many bytes.
    pub fn replaced(&self, number: u64) {
        let mut held = self.lock();
        let log = &mut held.log;
        log.replaced = log.replaced.max(number);
        log.first_lost = log.first_lost.max(log.replaced + 1);
    }

    /// Nothing is durable any more before a rewrite.
    pub fn tear(&self, error: &StoreError) {
        let mut held = self.lock();
        let newest = held.log.newest.unwrap_or(0).max(1);
        held.log.lose(newest, newest, NotKept::Failed(error.to_string()));
    }

    pub fn is_torn(&self) -> bool {
        self.lock().log.torn()
    }

    /// The first frame that was lost, counted like those of [`Queue::append`]; 0 if it is of an earlier run.
    pub fn first_lost(&self) -> Option<u64> {
        let held = self.lock();
        held.log.torn().then(|| held.log.first_lost.saturating_sub(held.log.base))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About what a sample takes in memory.
fn weight(sample: &Sample) -> usize {
    let value = match &sample.value {
        domovoi_model::Value::Text(text) => text.len(),
        _ => 0,
    };
    let complaint = match &sample.quality {
        domovoi_model::Quality::Suspect(text) => text.len(),
        domovoi_model::Quality::Good => 0,
    };
    size_of::<Sample>()
        + sample.device.dialect.len()
        + sample.device.id.len()
        + sample.property.len()
        + value
        + complaint
}
