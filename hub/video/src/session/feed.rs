//! The way from a session to its one reader: bounded in bytes, and the writer never waits. A reader that is too slow (a disk
//! that stalls, a page on a bad link) loses whole groups and is told how many frames; the camera is read on.
//! Deliberately not a channel of tokio's: those count items, and an item may be four megabytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::frame::{Item, Kind};

/// What an item costs beside its bytes.
const ITEM_BYTES: usize = 256;

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// Frames left out since the last one that was taken in; with any, nothing is taken in before the next group.
    left_out: u32,
    left_out_in_all: u64,
    dropping: bool,
    /// The last run that began while nothing was taken in.
    begins: Option<Item>,
    closed: bool,
}

struct Shared {
    limit_bytes: usize,
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end. The reader's stream ends when it is dropped.
pub struct Feed(Arc<Shared>);

/// The reading end.
pub struct Reader(Arc<Shared>);

/// A feed that holds at most this many bytes.
pub fn feed(limit_bytes: usize) -> (Feed, Reader) {
    let shared = Arc::new(Shared { limit_bytes, queue: Mutex::default(), changed: Notify::new() });
    (Feed(Arc::clone(&shared)), Reader(shared))
}

impl Feed {
    pub fn push(&self, item: Item) {
        let mut queue = self.0.queue();
        if queue.closed {
            return;
        }
        let cost = cost(&item);
        let (picture, group) = match &item {
            Item::Frame(frame) => (frame.kind == Kind::Video, frame.kind == Kind::Video && frame.starts_group),
            _ => (false, false),
        };
        let limit = self.0.limit_bytes;
        if queue.dropping {
            // Some room first, or the reader would get one group's beginning at a time.
            let room = queue.items.is_empty() || queue.bytes.saturating_add(cost) <= limit / 2;
            if group && room {
                queue.dropping = false;
                let frames = std::mem::take(&mut queue.left_out);
                let begins = queue.begins.take();
                queue.add(Item::Gap { frames });
                if let Some(begins) = begins {
                    queue.add(begins);
                }
            }
        } else if queue.bytes.saturating_add(cost) > limit && !queue.items.is_empty() {
            queue.dropping = true;
        }
        if queue.dropping {
            match item {
                Item::Begins { .. } => queue.begins = Some(item),
                Item::Placed { started } => {
                    if let Some(Item::Begins { started: at, .. }) = &mut queue.begins {
                        *at = started;
                    }
                }
                Item::Gap { frames } => queue.left_out = queue.left_out.saturating_add(frames),
                Item::Frame(_) if picture => {
                    queue.left_out = queue.left_out.saturating_add(1);
                    queue.left_out_in_all = queue.left_out_in_all.saturating_add(1);
                }
                Item::Frame(_) => {}
            }
        } else {
            queue.add(item);
        }
        drop(queue);
        self.0.changed.notify_one();
    }

    /// Frames that the reader never saw, in all.
    pub fn left_out(&self) -> u64 {
        self.0.queue().left_out_in_all
    }

    /// Nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.queue().closed
    }
}

impl Queue {
    fn add(&mut self, item: Item) {
        self.bytes = self.bytes.saturating_add(cost(&item));
        self.items.push_back(item);
    }
}

fn cost(item: &Item) -> usize {
    ITEM_BYTES.saturating_add(match item {
        Item::Frame(frame) => frame.data.len(),
        Item::Begins { tracks, .. } => tracks.video.parameter_sets.len().saturating_mul(3),
        Item::Placed { .. } | Item::Gap { .. } => 0,
    })
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.changed.notify_one();
    }
}

impl Reader {
    /// The next item; `None` once the writer is gone and everything is read.
    pub async fn next(&mut self) -> Option<Item> {
        loop {
            {
                let mut queue = self.0.queue();
                if let Some(item) = queue.items.pop_front() {
                    queue.bytes = queue.bytes.saturating_sub(cost(&item));
                    return Some(item);
                }
                if queue.closed {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.closed = true;
        queue.items.clear();
        queue.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::{Frame, Tracks, VideoCodec, VideoTrack};

    fn picture(number: i64, starts_group: bool, bytes: usize) -> Item {
        let data = Bytes::from(vec![0; bytes]);
        Item::Frame(Frame { kind: Kind::Video, starts_group, decoded: number, shown: number, data })
    }

    fn begins(started: i64) -> Item {
        let video = VideoTrack {
            codec: VideoCodec::H264,
            width: 2,
            height: 2,
            clock_hz: 90_000,
            sample_entry: Bytes::new(),
            rfc6381: String::new(),
            declared_millihz: None,
            parameter_sets: Bytes::new(),
        };
        Item::Begins { tracks: Arc::new(Tracks { video, audio: None }), started }
    }

    #[tokio::test]
    async fn a_slow_reader_loses_whole_groups_and_is_told() {
        let (feed, mut reader) = feed(10_000);
        feed.push(begins(1));
        let mut most = 0;
        for number in 0..1000 {
            feed.push(picture(number, number % 10 == 0, 1_000));
            most = most.max(feed.0.queue().bytes);
            if number == 500 {
                feed.push(begins(2));
            }
        }
        assert!(most <= 10_000, "{most}");
        let mut read = Vec::new();
        for _ in 0..8 {
            read.push(reader.next().await.unwrap());
        }
        assert!(matches!(read[0], Item::Begins { started: 1, .. }));
        // There is room again: the next group is taken in, not the rest of this one.
        feed.push(picture(1000, false, 1_000));
        feed.push(picture(1001, true, 1_000));
        drop(feed);
        let mut rest = Vec::new();
        while let Some(item) = reader.next().await {
            rest.push(item);
        }
        let lost = rest.iter().position(|item| matches!(item, Item::Gap { .. })).unwrap();
        let Item::Gap { frames } = rest[lost] else { panic!() };
        let before = read.iter().chain(&rest[..lost]).filter(|item| matches!(item, Item::Frame(_))).count();
        assert_eq!(before + usize::try_from(frames).unwrap(), 1001);
        assert!(matches!(rest[lost + 1], Item::Begins { started: 2, .. }), "the run that began meanwhile");
        assert!(matches!(&rest[lost + 2], Item::Frame(frame) if frame.shown == 1001));
    }

    #[tokio::test]
    async fn one_item_larger_than_the_feed_still_passes() {
        let (feed, mut reader) = feed(100);
        feed.push(picture(0, true, 1_000));
        assert!(matches!(reader.next().await, Some(Item::Frame(_))));
        drop(reader);
        feed.push(picture(1, true, 1_000));
        assert!(feed.is_abandoned() && feed.0.queue().items.is_empty());
    }
}
