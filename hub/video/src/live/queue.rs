//! What waits for one viewer, bounded in bytes and in time. Who writes never waits; who reads too slowly loses what waited
//! and goes on with the next group.
//! Deliberately time on the clock and not of the pictures: a camera that was cut off for three seconds and then sends them
//! all at once has not made its viewers slow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{FRAME_COST, LiveLimits, Run, cost};
use crate::frame::{Frame, Kind, Tracks};

/// What is read from a queue.
pub(super) enum Sent {
    Begins(Arc<Tracks>),
    Frame {
        frame: Frame,
        wall_ms: i64,
    },
    /// Pictures that are not shown, before the frame that follows.
    Dropped(u32),
}

struct Waiting {
    sent: Sent,
    since: Instant,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Waiting>,
    bytes: usize,
    /// Nothing is taken in before the next group begins.
    until_group: bool,
    /// Pictures that were left out since the last one that was taken in.
    left_out: u32,
    /// A picture of this run was taken in: before it nobody misses any.
    begun: bool,
    closed: bool,
}

pub(super) struct Slot {
    limit_bytes: usize,
    behind: Duration,
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Slot {
    pub fn new(limits: &LiveLimits) -> Self {
        Slot {
            // The group that is there from the beginning has to find room.
            limit_bytes: limits.queue_bytes.max(limits.group_bytes.saturating_add(FRAME_COST)),
            behind: limits.behind,
            queue: Mutex::new(Queue { until_group: true, ..Queue::default() }),
            changed: Notify::new(),
        }
    }

    /// Nothing of the run before is of use any more.
    pub fn begins(&self, run: &Run, now: Instant) {
        let mut queue = self.queue();
        queue.items.clear();
        queue.bytes = 0;
        queue.left_out = 0;
        queue.begun = false;
        queue.until_group = true;
        queue.add(Sent::Begins(Arc::clone(&run.tracks)), now);
        drop(queue);
        self.changed.notify_one();
    }

    /// Frames are missing at the camera's end.
    pub fn lost(&self) {
        let mut queue = self.queue();
        queue.until_group = true;
        queue.leave_out(1);
    }

    pub fn frame(&self, frame: &Frame, wall_ms: i64, now: Instant) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        let late = queue.items.front().is_some_and(|first| now.saturating_duration_since(first.since) > self.behind);
        let full = !queue.items.is_empty() && queue.bytes.saturating_add(cost(frame)) > self.limit_bytes;
        if late || full {
            queue.drop_all(now);
        }
        let picture = frame.kind == Kind::Video;
        if queue.until_group && !(picture && frame.starts_group) {
            queue.leave_out(u32::from(picture));
            return;
        }
        queue.until_group = false;
        queue.begun = true;
        let left_out = std::mem::take(&mut queue.left_out);
        if left_out > 0 {
            queue.add(Sent::Dropped(left_out), now);
        }
        queue.add(Sent::Frame { frame: frame.clone(), wall_ms }, now);
        drop(queue);
        self.changed.notify_one();
    }

    pub fn close(&self) {
        let mut queue = self.queue();
        queue.items.clear();
        queue.bytes = 0;
        queue.closed = true;
        drop(queue);
        self.changed.notify_one();
    }

    /// The next one; `None` once it is closed.
    pub async fn next(&self) -> Option<Sent> {
        loop {
            {
                let mut queue = self.queue();
                if queue.closed {
                    return None;
                }
                if let Some(first) = queue.items.pop_front() {
                    queue.bytes = queue.bytes.saturating_sub(first.sent.cost());
                    return Some(first.sent);
                }
            }
            self.changed.notified().await;
        }
    }

    /// Bytes that wait.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.queue().bytes
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn add(&mut self, sent: Sent, now: Instant) {
        self.bytes = self.bytes.saturating_add(sent.cost());
        self.items.push_back(Waiting { sent, since: now });
    }

    fn leave_out(&mut self, pictures: u32) {
        if self.begun {
            self.left_out = self.left_out.saturating_add(pictures);
        }
    }

    /// Everything but the beginning of the run, without which nothing after it can be read.
    fn drop_all(&mut self, now: Instant) {
        let left_out = self.items.iter().map(|item| match &item.sent {
            Sent::Frame { frame, .. } => u32::from(frame.kind == Kind::Video),
            Sent::Dropped(pictures) => *pictures,
            Sent::Begins(_) => 0,
        });
        self.left_out = left_out.fold(self.left_out, u32::saturating_add);
        self.items.retain(|item| matches!(item.sent, Sent::Begins(_)));
        for item in &mut self.items {
            item.since = now;
        }
        self.bytes = self.items.iter().map(|item| item.sent.cost()).sum();
        self.until_group = true;
    }
}

impl Sent {
    fn cost(&self) -> usize {
        match self {
            Sent::Frame { frame, .. } => cost(frame),
            Sent::Begins(_) | Sent::Dropped(_) => FRAME_COST,
        }
    }
}
