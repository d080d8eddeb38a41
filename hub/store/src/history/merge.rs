//! New samples and the small blocks of their series, together: which blocks are worth it, and the blocks that come of it.
//! Writes nothing.
//!
//! Small blocks are merged when that makes one of a good size, or when there are many of them: a sample is written into
//! blocks two or three times in all, not with every batch anew. A few series at a time: the small blocks of all of them
//! would be more than the batch itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domovoi_model::Unit;
use sqlx::SqliteConnection;

use super::archive::{Archive, BlockHead, NewBlock, Place, blocks_of, head_of, open_block};
use super::calendar::DAY;
use super::read::Point;
use crate::db::Db;
use crate::error::StoreError;

/// A block with fewer samples is small. The index `block_small` says the same number.
const SMALL: u64 = 1024;

/// So many small blocks of a series become one, even if that is small again.
const MANY: usize = 8;

/// Blocks that ended longer before are not merged with what comes now: a block that spans years is thinned late.
const MERGE_WITHIN: i64 = 45 * DAY;

/// So many samples are unpacked at a time.
const SAMPLES_AT_ONCE: u64 = 16_384;

/// What comes of a batch.
#[derive(Default)]
pub(super) struct Merged {
    pub blocks: Vec<NewBlock>,
    /// Blocks whose samples are in the new ones.
    pub gone: Vec<i64>,
    /// How many samples those had.
    pub rewritten: u64,
    /// Blocks that do not open, and why.
    pub aside: Vec<(Place, i64, String)>,
}

/// One series of a batch: its new points, and the blocks to be put in front of them, newest first.
struct Part {
    series: u32,
    points: Vec<Point>,
    small: Vec<(BlockHead, Vec<u8>)>,
}

impl Archive {
    /// Makes blocks of new points.
    pub(super) async fn merge(&self, by_series: BTreeMap<u32, Vec<Point>>) -> Result<Merged, StoreError> {
        let mut merged = Merged::default();
        let mut small = self.small_blocks(self.db.read().await?.conn()).await?;
        let (mut parts, mut samples) = (Vec::new(), 0);
        for (series, points) in by_series {
            let heads = worth_merging(small.remove(&series).unwrap_or_default(), &points);
            let ids: Vec<i64> = heads.iter().map(|head| head.id).collect();
            let mut sealed = self.fetch_blocks(self.db.read().await?.conn(), &ids).await?;
            samples += points.len() as u64 + heads.iter().map(|head| head.samples).sum::<u64>();
            let small = heads.into_iter().filter_map(|head| Some((head, sealed.remove(&head.id)?))).collect();
            parts.push(Part { series, points, small });
            if samples >= SAMPLES_AT_ONCE {
                samples = 0;
                self.pack(std::mem::take(&mut parts), &mut merged).await?;
            }
        }
        self.pack(parts, &mut merged).await?;
        Ok(merged)
    }

    /// Not on a thread that others wait for: compressing takes its time.
    async fn pack(&self, parts: Vec<Part>, merged: &mut Merged) -> Result<(), StoreError> {
        let db = Arc::clone(&self.db);
        let packed = tokio::task::spawn_blocking(move || {
            let mut packed = Merged::default();
            for part in parts {
                pack_part(&db, part, &mut packed)?;
            }
            Ok::<_, StoreError>(packed)
        });
        let packed = packed.await.map_err(|error| StoreError::Io(error.to_string()))??;
        merged.blocks.extend(packed.blocks);
        merged.gone.extend(packed.gone);
        merged.rewritten += packed.rewritten;
        merged.aside.extend(packed.aside);
        Ok(())
    }

    /// The small blocks of every series, newest first, those that were set aside left out.
    async fn small_blocks(&self, conn: &mut SqliteConnection) -> Result<HashMap<u32, Vec<BlockHead>>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, series, from_at, to_at, samples FROM block
             WHERE samples < 1024 AND NOT EXISTS (SELECT 1 FROM set_aside WHERE place = 1 AND row = block.id)
             ORDER BY id DESC",
        )
        .fetch_all(conn)
        .await?;
        let mut small: HashMap<u32, Vec<BlockHead>> = HashMap::new();
        for row in &rows {
            let head = head_of(row)?;
            small.entry(head.series).or_default().push(head);
        }
        Ok(small)
    }
}

fn worth_merging(mut small: Vec<BlockHead>, points: &[Point]) -> Vec<BlockHead> {
    let oldest = points.iter().map(|point| point.at.0).min().unwrap_or(0);
    small.retain(|head| head.to >= oldest.saturating_sub(MERGE_WITHIN));
    let together = small.iter().map(|head| head.samples).sum::<u64>() + points.len() as u64;
    if together < SMALL && small.len() < MANY {
        small.clear();
    }
    small
}

fn pack_part(db: &Db, part: Part, packed: &mut Merged) -> Result<(), StoreError> {
    let mut points = part.points;
    for (head, sealed) in part.small {
        // A block does not say its unit: the series does.
        match open_block(db, &head, Unit::None, &sealed) {
            Ok(mut before) => {
                before.append(&mut points);
                points = before;
                packed.gone.push(head.id);
                packed.rewritten += head.samples;
            }
            Err(StoreError::Damaged { what }) => packed.aside.push((Place::Block, head.id, what)),
            Err(other) => return Err(other),
        }
    }
    packed.blocks.extend(blocks_of(part.series, points));
    Ok(())
}
