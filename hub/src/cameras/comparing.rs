//! What a store elsewhere has, against what the rows say it has: once a day, and when a place comes into use. A recording
//! that is gone there, or is of another length, is told and marked; objects that no row knows are counted and told, never
//! deleted: they may be another home's, or this one's from before its store was put back from a backup.

use std::collections::HashMap;
use std::time::Duration;

use domovoi_model::{Id, Timestamp};
use domovoi_store::{LOOK_LIMIT, Segment, SegmentPlace, SegmentState, StoreError};
use domovoi_video::places::{Place, Trouble, compare};

use super::{Inner, naming};

/// Between two comparisons; after one that the store did not let through.
pub(super) const EVERY: Duration = Duration::from_secs(24 * 3600);
pub(super) const AGAIN: Duration = Duration::from_secs(3600);

/// The objects of one camera that are looked at: two months of segments of a minute.
const MOST: usize = 100_000;

/// Why a comparison did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    #[error("the store elsewhere: {0}")]
    There(#[from] Trouble),
    #[error("the store here: {0}")]
    Here(#[from] StoreError),
}

impl Inner {
    /// Compares all cameras' objects at a place with their rows.
    pub(super) async fn compare(&self, name: &str, place: &Place) -> Result<(), Interrupted> {
        let mut strangers = 0;
        for seat in self.seats().values() {
            let listed = place.list(&naming::camera_folder(seat.id), MOST).await?;
            let rows = self.rows_at(seat.id, name).await?;
            let difference = compare(&listed, rows.iter().map(|(key, segment)| (key.clone(), segment.bytes)));
            for key in &difference.missing {
                // It may have been sent since the listing began.
                if let (Err(Trouble::NotFound), Some(segment)) = (place.stat(key).await, rows.get(key)) {
                    self.found_damaged(segment, SegmentState::Missing, "missing").await?;
                }
            }
            for segment in difference.altered.iter().filter_map(|key| rows.get(key)) {
                self.found_damaged(segment, SegmentState::Damaged, "altered").await?;
            }
            for orphan in &difference.orphans {
                strangers += usize::from(!self.is_known(place, &orphan.key).await?);
            }
        }
        self.tell_strangers(name, strangers).await;
        Ok(())
    }

    /// What the rows say that a place has, by the keys there.
    async fn rows_at(&self, camera: Id, name: &str) -> Result<HashMap<String, Segment>, StoreError> {
        let mut rows = HashMap::new();
        let mut after = None;
        loop {
            let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            let looked = self.store.segments().list(camera, from, to, after, LOOK_LIMIT).await?;
            for segment in looked.segments {
                let whole = matches!(segment.state, SegmentState::Done);
                if segment.place == SegmentPlace::Remote && segment.store == name && whole {
                    rows.insert(naming::object_key("", segment.camera, segment.day, segment.id), segment);
                }
            }
            match looked.next {
                Some(next) => after = Some(next),
                None => return Ok(rows),
            }
        }
    }

    /// Whether an object is one of ours after all: it waits to be deleted, was marked, or went since the listing.
    async fn is_known(&self, place: &Place, key: &str) -> Result<bool, Interrupted> {
        let Some((_, _, segment)) = naming::parse(key) else { return Ok(false) };
        if !self.store.segments().known(&[segment]).await?.is_empty() {
            return Ok(true);
        }
        Ok(matches!(place.stat(key).await, Err(Trouble::NotFound)))
    }
}
