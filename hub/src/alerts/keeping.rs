//! Writing down what stands: a queue with one place for each alert, emptied by a task that tries again until the disk takes
//! it. Who tells of an alert does not wait for it; who acknowledges one may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domovoi_model::{Alert, Id};
use domovoi_store::{AlertBatch, AlertFeedRow, AlertMark, AlertShelf};
use tokio::sync::{Notify, oneshot, watch};

use super::row::alert_row;
use crate::clock::Clock;

/// While the disk does not answer so many alerts wait for it; then those that are the least go unwritten.
const MAX_WAITING: usize = 3000;

/// Marks that wait.
const MAX_MARKS: usize = 20_000;

/// Rows of one commit.
const BATCH: usize = 200;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Queue {
    next: u64,
    alerts: BTreeMap<Id, (u64, Arc<Alert>)>,
    marks: BTreeMap<String, AlertMark>,
    feeds: BTreeMap<String, Vec<u8>>,
    waiting: Vec<(u64, Id, oneshot::Sender<()>)>,
    /// Alerts that found no place.
    lost: u64,
    /// A commit is under way.
    is_writing: bool,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.marks.is_empty() && self.feeds.is_empty()
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Keeping {
    queue: Mutex<Queue>,
    work: Notify,
    done: Notify,
}

impl Keeping {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An alert is to be kept as it is now.
    pub fn keep(&self, alert: Arc<Alert>) {
        let mut queue = self.queue();
        put(&mut queue, alert);
        drop(queue);
        self.work.notify_one();
    }

    /// Likewise; what is given back is heard when it survives a power cut.
    pub fn keep_and_tell(&self, alert: Arc<Alert>) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let mut queue = self.queue();
        let id = alert.id;
        let number = put(&mut queue, alert);
        queue.waiting.retain(|(_, _, waiting)| !waiting.is_closed());
        queue.waiting.push((number, id, tell));
        drop(queue);
        self.work.notify_one();
        told
    }

    /// Marks are to be kept.
    pub fn keep_marks(&self, marks: impl IntoIterator<Item = AlertMark>) {
        let mut queue = self.queue();
        queue.marks.extend(marks.into_iter().map(|mark| (mark.key.clone(), mark)));
        while queue.marks.len() > MAX_MARKS {
            queue.marks.pop_first();
        }
        drop(queue);
        self.work.notify_one();
    }

    /// How far a feed was read.
    pub fn keep_feed(&self, name: &str, body: Vec<u8>) {
        self.queue().feeds.insert(name.to_owned(), body);
        self.work.notify_one();
    }

    /// One that waits to be written.
    pub fn find(&self, id: Id) -> Option<Arc<Alert>> {
        self.queue().alerts.get(&id).map(|(_, alert)| Arc::clone(alert))
    }

    /// How many alerts found no place in the queue.
    pub fn lost(&self) -> u64 {
        self.queue().lost
    }

    /// Returns when nothing waits.
    pub async fn settled(&self) {
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            done.as_mut().enable();
            {
                let queue = self.queue();
                if queue.is_empty() && !queue.is_writing {
                    return;
                }
            }
            done.await;
        }
    }

    fn take(&self) -> (AlertBatch, Vec<(u64, Arc<Alert>)>) {
        let mut queue = self.queue();
        let ids: Vec<Id> = queue.alerts.keys().take(BATCH).copied().collect();
        let alerts: Vec<(u64, Arc<Alert>)> = ids.iter().filter_map(|id| queue.alerts.remove(id)).collect();
        let keys: BTreeSet<String> = queue.marks.keys().take(BATCH).cloned().collect();
        let marks = keys.iter().filter_map(|key| queue.marks.remove(key)).collect();
        let feeds =
            std::mem::take(&mut queue.feeds).into_iter().map(|(name, body)| AlertFeedRow { name, body }).collect();
        let batch = AlertBatch { alerts: Vec::new(), marks, feeds };
        queue.is_writing = !alerts.is_empty() || !batch.is_empty();
        (batch, alerts)
    }

    /// What could not be written goes back, unless there is a later word.
    fn give_back(&self, batch: AlertBatch, alerts: Vec<(u64, Arc<Alert>)>) {
        let mut queue = self.queue();
        for (number, alert) in alerts {
            queue.alerts.entry(alert.id).or_insert((number, alert));
        }
        for mark in batch.marks {
            queue.marks.entry(mark.key.clone()).or_insert(mark);
        }
        for feed in batch.feeds {
            queue.feeds.entry(feed.name).or_insert(feed.body);
        }
        queue.is_writing = false;
    }

    fn written(&self, alerts: &[(u64, Arc<Alert>)]) {
        let mut queue = self.queue();
        queue.is_writing = false;
        let (ready, rest) = std::mem::take(&mut queue.waiting)
            .into_iter()
            .partition(|(number, id, _)| alerts.iter().any(|(written, alert)| alert.id == *id && written >= number));
        queue.waiting = rest;
        let ready: Vec<(u64, Id, oneshot::Sender<()>)> = ready;
        drop(queue);
        for (_, _, waiting) in ready {
            // Whoever waited may have gone.
            let _ = waiting.send(());
        }
        self.done.notify_waiters();
    }

    /// Writes until `stop`, and once more what waits then.
    pub async fn run(&self, shelf: &AlertShelf, clock: &Clock, mut stop: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let work = self.work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            let (mut batch, alerts) = self.take();
            if batch.is_empty() && alerts.is_empty() {
                self.done.notify_waiters();
                tokio::select! {
                    () = work => continue,
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
            let at_least = clock.at_least();
            batch.alerts = alerts.iter().map(|(_, alert)| alert_row(alert, at_least)).collect();
            match shelf.put(&batch).await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.written(&alerts);
                }
                Err(error) => {
                    tracing::warn!("alerts are not written down yet: {error}");
                    self.give_back(batch, alerts);
                    if *stop.borrow() {
                        return;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = stop.wait_for(|stop| *stop) => {}
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

fn put(queue: &mut Queue, alert: Arc<Alert>) -> u64 {
    queue.next = queue.next.saturating_add(1);
    let number = queue.next;
    queue.alerts.insert(alert.id, (number, alert));
    if queue.alerts.len() > MAX_WAITING {
        let least = queue.alerts.values().min_by_key(|(number, alert)| (alert.life, alert.severity, *number));
        if let Some(id) = least.map(|(_, alert)| alert.id) {
            queue.alerts.remove(&id);
            queue.lost = queue.lost.saturating_add(1);
        }
    }
    number
}
