//! What waits to be sent to a place, and its sending: one file after another, the oldest first, with patience while the
//! store is away and a bound on what may wait. Nothing is lost before that bound is reached.
//! Deliberately no rows and no deleting: a file that was sent is reported, and whoever keeps the books first writes down
//! that it is elsewhere, then lets the copy here go. At the start it adds again what the rows say waits.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Kept, Place, Trouble};
use crate::archive::Id;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A store that refuses the key is not asked every second: some shut a key out that fails too often.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// A closed segment that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub segment: Id,
    /// Of the object, below the place's prefix.
    pub key: String,
    pub path: PathBuf,
    pub bytes: u64,
}

/// What becomes of recordings when no more may wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest that wait are given up for the newest.
    #[default]
    OldestGo,
    /// Nothing new is recorded there until something was sent.
    RecordingPauses,
}

/// What waits now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub items: usize,
    pub bytes: u64,
}

/// What to do before a segment is opened that is to go to the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// There is room, when these have gone: their rows to garbage, then [`Spool::forget`], then their files.
    Room { give_up: Vec<Id> },
    /// There is none: recording pauses.
    Pause,
}

/// Which of those that wait, oldest first, have to go for `next` bytes to fit below `limit`. The one that is being sent
/// goes last: most of it may be there already.
pub fn beyond(waiting: &[(Id, u64)], sending: Option<Id>, next: u64, limit: u64, rule: WhenFull) -> Beyond {
    let mut over = waiting.iter().map(|(_, bytes)| *bytes).fold(next, u64::saturating_add).saturating_sub(limit);
    if over == 0 {
        return Beyond::Room { give_up: Vec::new() };
    }
    if rule == WhenFull::RecordingPauses {
        return Beyond::Pause;
    }
    let mut give_up = Vec::new();
    let is_sent = |(id, _): &&(Id, u64)| Some(*id) == sending;
    for (id, bytes) in waiting.iter().filter(|one| !is_sent(one)).chain(waiting.iter().filter(is_sent)) {
        if over == 0 {
            break;
        }
        give_up.push(*id);
        over = over.saturating_sub(*bytes);
    }
    // One segment may be larger than all that may wait; then it waits alone.
    Beyond::Room { give_up }
}

/// What the spool tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is there and was looked at: the row may say so, and then the file here may go.
    Sent { item: Item, kept: Kept },
    /// Sending fails since now, or fails otherwise than before.
    Failing { trouble: Trouble },
    /// It goes again, after `Failing`.
    Going,
    /// The file here is not to be read: it waits no longer.
    Unreadable { item: Item, why: String },
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Item>,
    sending: Option<Id>,
    /// What was being sent when it was forgotten.
    forgotten: Option<Id>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something waits that did not.
    news: Notify,
    /// Somebody does not want to wait.
    hurry: Notify,
}

impl Shared {
    // A panic under this lock leaves a queue that is whole: each change is one call.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits for a place. Dropping it ends the sending where it is; what was not reported waits on.
pub struct Spool {
    shared: Arc<Shared>,
    limit: u64,
    rule: WhenFull,
    sending: JoinHandle<()>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl Spool {
    /// Begins to send. The reports are as many as segments and changes.
    pub fn start(place: Place, limit: u64, rule: WhenFull) -> (Spool, mpsc::UnboundedReceiver<Report>) {
        Spool::start_with(place, limit, rule, FIRST_WAIT)
    }

    pub(super) fn start_with(
        place: Place,
        limit: u64,
        rule: WhenFull,
        first_wait: Duration,
    ) -> (Spool, mpsc::UnboundedReceiver<Report>) {
        let shared = Arc::new(Shared { queue: Mutex::default(), news: Notify::new(), hurry: Notify::new() });
        let (reports, told) = mpsc::unbounded_channel();
        let work = Work { place, shared: Arc::clone(&shared), reports, first_wait };
        (Spool { shared, limit, rule, sending: tokio::spawn(work.run()) }, told)
    }

    /// A closed segment waits from now on; once is enough.
    pub fn add(&self, item: Item) {
        let mut queue = self.shared.queue();
        if !queue.waiting.iter().any(|known| known.segment == item.segment) {
            if queue.forgotten == Some(item.segment) {
                queue.forgotten = None;
            }
            queue.waiting.push_back(item);
        }
        drop(queue);
        self.shared.news.notify_one();
    }

    /// A segment is no longer to be sent: it is deleted. If it is just being sent, it is deleted there too.
    pub fn forget(&self, segment: Id) {
        let mut queue = self.shared.queue();
        queue.waiting.retain(|item| item.segment != segment);
        if queue.sending == Some(segment) {
            queue.forgotten = Some(segment);
        }
    }

    pub fn held(&self) -> Held {
        let queue = self.shared.queue();
        let bytes = queue.waiting.iter().map(|item| item.bytes).fold(0, u64::saturating_add);
        Held { items: queue.waiting.len(), bytes }
    }

    /// What has to go before a segment of about `next` bytes is opened.
    pub fn room_for(&self, next: u64) -> Beyond {
        let queue = self.shared.queue();
        let waiting: Vec<(Id, u64)> = queue.waiting.iter().map(|item| (item.segment, item.bytes)).collect();
        beyond(&waiting, queue.sending, next, self.limit, self.rule)
    }

    /// Tries at once: somebody has put the settings right, or says that the store is back.
    pub fn hurry(&self) {
        self.shared.hurry.notify_one();
    }
}

struct Work {
    place: Place,
    shared: Arc<Shared>,
    reports: mpsc::UnboundedSender<Report>,
    first_wait: Duration,
}

impl Work {
    async fn run(self) {
        let mut failing: Option<&'static str> = None;
        let mut wait = self.first_wait;
        loop {
            let Some(item) = self.next() else {
                self.shared.news.notified().await;
                continue;
            };
            let sent = self.place.put(&item.key, &item.path).await;
            let forgotten = self.ended(&item);
            match sent {
                _ if forgotten => {
                    // It is nobody's any more. If this fails, the next reconciliation finds it.
                    let _ = self.place.delete(&item.key).await;
                }
                Ok(kept) => {
                    self.take_out(&item);
                    if failing.take().is_some() {
                        self.tell(Report::Going);
                    }
                    wait = self.first_wait;
                    self.tell(Report::Sent { item, kept });
                }
                Err(Trouble::Local { why }) => {
                    self.take_out(&item);
                    self.tell(Report::Unreadable { item, why });
                }
                Err(trouble) => {
                    if matches!(trouble, Trouble::Protocol { .. } | Trouble::Untrue { .. } | Trouble::TooMuch) {
                        // Perhaps it is this one only: the others need not wait for it.
                        self.put_last(&item);
                    }
                    if failing != Some(trouble.code()) {
                        failing = Some(trouble.code());
                        self.tell(Report::Failing { trouble: trouble.clone() });
                    }
                    let least = if trouble.needs_somebody() { REFUSED_WAIT.min(wait * 30) } else { wait };
                    self.pause(jittered(least.max(wait))).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Waits, unless somebody is in a hurry. That another segment waits is no reason to try sooner.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            () = self.shared.hurry.notified() => {}
        }
    }

    fn next(&self) -> Option<Item> {
        let mut queue = self.shared.queue();
        let item = queue.waiting.front().cloned();
        queue.sending = item.as_ref().map(|item| item.segment);
        item
    }

    /// Nothing is being sent now; whether what was is still wanted.
    fn ended(&self, item: &Item) -> bool {
        let mut queue = self.shared.queue();
        queue.sending = None;
        queue.forgotten.take() == Some(item.segment)
    }

    fn take_out(&self, item: &Item) {
        self.shared.queue().waiting.retain(|other| other.segment != item.segment);
    }

    fn put_last(&self, item: &Item) {
        let mut queue = self.shared.queue();
        let known = queue.waiting.len();
        queue.waiting.retain(|other| other.segment != item.segment);
        if queue.waiting.len() < known {
            queue.waiting.push_back(item.clone());
        }
    }

    fn tell(&self, report: Report) {
        // Nobody listens any more: the house is stopping, and rows say tomorrow what waits.
        let _ = self.reports.send(report);
    }
}

/// Between half of it and all of it, so that homes do not come back to a store together.
fn jittered(wait: Duration) -> Duration {
    let random = domovoi_vault::random::<1>().map_or(255, |[byte]| byte);
    wait / 2 + wait * u32::from(random) / 510
}
