//! Room for what is to be recorded: asks the rules of retention before a segment is opened, and does what they say. One at a
//! time, because all cameras share the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domovoi_model::{Id, Timestamp};
use domovoi_store::{SegmentBrief, SegmentPlace, StoreError};
use tokio::sync::mpsc;

use super::Inner;
use super::archive::{Plea, lane};
use super::retention::{self, Deletion, Disk, Held, Old, Pause, Verdict};
use super::seat::Seat;
use crate::bus::CameraChange;

/// So many of a camera's oldest segments are looked at in a step.
const A_STEP: u32 = 24;

/// No call takes more steps: a disk that is far over its floor is brought down over several calls.
const STEPS: usize = 64;

/// Of a camera that has recorded nothing yet: six megabits, which is more than most send.
const UNKNOWN_BYTES_PER_SECOND: u64 = 750_000;

/// So much is freed when the disk is full in spite of everything: a twentieth of it, within these.
const IN_NEED: std::ops::RangeInclusive<u64> = 1 << 20..=64 << 20;

/// How a day is reckoned from what there is: not before an hour.
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// One at a time.
#[derive(Default)]
pub(super) struct Room {
    turn: tokio::sync::Mutex<()>,
    /// What is in the bin could not be deleted: files that are pending make no room.
    pub bin_is_stuck: AtomicBool,
}

impl Inner {
    /// What stays free of the disk.
    pub(super) fn floor(&self) -> u64 {
        let seats = self.seats();
        let rates = seats.values().filter(|seat| seat.card().enabled && !seat.is_former());
        retention::floor(self.settings.free_space_floor, rates.map(|seat| seat.bytes_per_second()))
    }

    /// How large a camera's next segment will be.
    fn next_bytes(&self, seat: &Seat) -> u64 {
        let rate = match seat.bytes_per_second() {
            0 => UNKNOWN_BYTES_PER_SECOND,
            rate => rate,
        };
        rate.saturating_mul(self.settings.segment.as_secs().max(1))
    }

    /// How much of a camera comes in a day, its pauses counted in: by what is kept, and by how far that reaches back.
    pub(super) async fn bytes_per_day(&self, seat: &Seat, kept: u64) -> Result<u64, StoreError> {
        let oldest = self.store.segments().oldest(seat.id, None, 1).await?;
        let Some((oldest, now)) = oldest.first().zip(self.clock.trusted()) else { return Ok(0) };
        let span = now.0.saturating_sub(oldest.started.0);
        let kept = kept.saturating_add(self.archive.growing_bytes(seat.id));
        if span < HOUR {
            return Ok(0);
        }
        Ok(u64::try_from(u128::from(kept) * u128::from(DAY.unsigned_abs()) / u128::from(span.unsigned_abs()))
            .unwrap_or(u64::MAX))
    }

    /// Makes room for a camera's next segment. `Some`: there is none, and it pauses.
    pub(super) async fn make_room(self: &Arc<Self>, seat: &Seat) -> Result<Option<Pause>, StoreError> {
        let _turn = self.room.turn.lock().await;
        let next = self.next_bytes(seat);
        if !self.make_room_in_spool(seat, next).await? {
            return Ok(Some(Pause::Disk));
        }
        self.keep_house(Some((seat.id, next))).await
    }

    /// The same with nothing to be opened: what is too old goes, of cameras too that are not recorded any more.
    pub(super) async fn clear_old(self: &Arc<Self>) -> Result<(), StoreError> {
        let _turn = self.room.turn.lock().await;
        self.keep_house(None).await.map(drop)
    }

    async fn keep_house(self: &Arc<Self>, opening: Option<(Id, u64)>) -> Result<Option<Pause>, StoreError> {
        // What is too old and what is over a quota goes wherever it lies; for the disk's sake only what lies on it.
        if let Some(why) = self.decide_and_perform(opening, Of::Quotas).await? {
            return Ok(Some(why));
        }
        self.decide_and_perform(opening, Of::Disk).await
    }

    async fn decide_and_perform(
        self: &Arc<Self>,
        opening: Option<(Id, u64)>,
        of: Of,
    ) -> Result<Option<Pause>, StoreError> {
        for _ in 0..STEPS {
            let held = self.held(opening, of).await?;
            let verdict = match of {
                Of::Quotas => retention::decide(self.clock.trusted(), None, &held),
                Of::Disk => {
                    let Some(space) = self.archive.space().await else { return Ok(None) };
                    let disk = Disk { free: space.free, floor: self.floor(), pending: 0 };
                    retention::decide(None, Some(disk), &held)
                }
            };
            self.perform(&verdict).await?;
            if verdict.again && !verdict.delete.is_empty() {
                continue;
            }
            let paused = opening.and_then(|(camera, _)| verdict.pause.iter().find(|(whose, _)| *whose == camera));
            return Ok(paused.map(|(_, why)| *why));
        }
        // There is always more: let it be recorded, the rest goes next time.
        Ok(None)
    }

    async fn held(&self, opening: Option<(Id, u64)>, of: Of) -> Result<Vec<Held>, StoreError> {
        let mut all = Vec::new();
        let segments = self.store.segments();
        for seat in self.seats().values() {
            let card = seat.card();
            let oldest = segments.oldest(seat.id, None, A_STEP).await?;
            let totals = segments.bytes_of(seat.id).await?;
            let growing = self.archive.growing_bytes(seat.id);
            let (bytes, quota) = match of {
                Of::Quotas => (totals.bytes(), card.quota_bytes.unwrap_or(self.settings.quota)),
                Of::Disk => (totals.here(), u64::MAX),
            };
            all.push(Held {
                camera: seat.id,
                bytes: bytes.saturating_add(growing),
                quota,
                keep_days: card.keep_days.unwrap_or(self.settings.keep_days),
                next: opening.filter(|(camera, _)| *camera == seat.id).map_or(0, |(_, next)| next),
                more: oldest.len() >= A_STEP as usize,
                oldest: oldest.iter().map(|brief| old(brief, of)).collect(),
            });
        }
        Ok(all)
    }

    async fn perform(self: &Arc<Self>, verdict: &Verdict) -> Result<(), StoreError> {
        if verdict.delete.is_empty() {
            return Ok(());
        }
        let ids: Vec<Id> = verdict.delete.iter().map(|gone| gone.id).collect();
        for some in ids.chunks(domovoi_store::LOOK_LIMIT as usize) {
            self.store.segments().to_garbage(some).await?;
        }
        ids.iter().for_each(|id| self.do_not_send(*id));
        self.empty_bin().await;
        let mut cameras: Vec<Id> = verdict.delete.iter().map(|gone| gone.camera).collect();
        cameras.sort_unstable();
        cameras.dedup();
        for camera in cameras {
            self.tell(camera, CameraChange::Archive);
        }
        Ok(())
    }

    /// The disk was full in the middle of a segment: the oldest go, whosever they are. False: there is nothing left.
    async fn in_need(self: &Arc<Self>) -> bool {
        let _turn = self.room.turn.lock().await;
        let Ok(held) = self.held(None, Of::Disk).await else { return false };
        let mut all: Vec<(Timestamp, Deletion)> = held
            .iter()
            .flat_map(|held| {
                held.oldest.iter().filter(|old| old.bytes > 0).map(|old| {
                    let why = retention::Why::Disk;
                    (old.started, Deletion { camera: held.camera, id: old.id, bytes: old.bytes, why })
                })
            })
            .collect();
        all.sort_by_key(|(started, _)| *started);
        let total = self.archive.space().await.map_or(0, |space| space.total);
        let needed = (total / 20).clamp(*IN_NEED.start(), *IN_NEED.end());
        let mut verdict = Verdict::default();
        let mut freed = 0u64;
        for (_, deletion) in all {
            if freed >= needed {
                break;
            }
            freed = freed.saturating_add(deletion.bytes);
            verdict.delete.push(deletion);
        }
        freed > 0 && self.perform(&verdict).await.is_ok() && !self.room.bin_is_stuck.load(Ordering::Relaxed)
    }

    /// Answers the disk's thread until that has ended.
    pub(super) async fn hear_pleas(self: &Arc<Self>, mut pleas: mpsc::UnboundedReceiver<Plea>) {
        while let Some((whose, answer)) = pleas.recv().await {
            let made = self.in_need().await;
            let camera = self.seats().keys().copied().find(|camera| lane(*camera) == whose);
            tracing::warn!(camera = camera.map(|camera| camera.to_string()), made, "the archive's disk was full");
            // Nobody waits any more: it took too long.
            let _ = answer.send(made);
        }
    }
}

/// Of what room is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Of the cameras' shares, wherever their recordings lie.
    Quotas,
    /// Of the disk here.
    Disk,
}

fn old(brief: &SegmentBrief, of: Of) -> Old {
    let counts = brief.state.counts() && (of == Of::Quotas || brief.place != SegmentPlace::Remote);
    Old {
        id: brief.id,
        started: brief.started,
        ended: brief.ended.unwrap_or(brief.started),
        bytes: if counts { brief.bytes } else { 0 },
    }
}
