//! New samples and the small blocks of their series, together: which blocks are worth it, and the blocks that come of it.
//! Writes nothing.
//!
//! Small blocks are merged when that makes one of a good size, or when there are many of them: a sample is written into
//! blocks two or three times in all, not with every batch anew. A few series at a time: the small blocks of all of them
//! would be more than the batch itself.
//!
//! A block of long texts has few samples and is none the smaller for it: half of what a block may hold is a good size.
//! That shows only when it is opened, newest first, until what was opened is enough for a block.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domovoi_model::Unit;
use sqlx::{Row, SqliteConnection};

use super::archive::{Archive, BlockHead, NewBlock, Place, blocks_of, head_of, open_block};
use super::block::{MAX_SAMPLES, MAX_TEXT_BYTES, text_bytes};
use super::calendar::DAY;
use super::raw::elsewhere;
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

/// And so many bytes of sealed blocks and of new texts.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Texts of a block from which on it is left as it is.
const FULL_TEXT: usize = MAX_TEXT_BYTES / 2;

/// Once a batch has written so many bytes of blocks, what else there is of small ones waits for the next.
const MERGE_BYTES: usize = 8 << 20;

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

/// One series of a batch: its new points, and the small blocks that may be put in front of them, newest first.
struct Part {
    series: u32,
    points: Vec<Point>,
    small: Vec<(BlockHead, Vec<u8>)>,
}

/// A small block and how many bytes it has in its row.
type Small = (BlockHead, usize);

impl Archive {
    /// Makes blocks of new points.
    pub(super) async fn merge(&self, by_series: BTreeMap<u32, Vec<Point>>) -> Result<Merged, StoreError> {
        let mut merged = Merged::default();
        let mut small = self.small_blocks(self.db.read().await?.conn()).await?;
        let (mut parts, mut samples, mut bytes, mut written) = (Vec::new(), 0, 0, 0);
        for (series, points) in by_series {
            let mut heads = candidates(small.remove(&series).unwrap_or_default(), &points);
            if written > MERGE_BYTES {
                heads.clear();
            }
            let ids: Vec<i64> = heads.iter().map(|head| head.id).collect();
            let mut sealed = self.fetch_blocks(self.db.read().await?.conn(), &ids).await?;
            samples += points.len() as u64 + heads.iter().map(|head| head.samples).sum::<u64>();
            bytes += points.iter().map(text_bytes).sum::<usize>() + sealed.values().map(Vec::len).sum::<usize>();
            let small = heads.into_iter().filter_map(|head| Some((head, sealed.remove(&head.id)?))).collect();
            parts.push(Part { series, points, small });
            if samples >= SAMPLES_AT_ONCE || bytes >= BYTES_AT_ONCE {
                (samples, bytes) = (0, 0);
                self.pack(std::mem::take(&mut parts), &mut merged).await?;
                written = merged.blocks.iter().map(|block| block.plain.len()).sum();
            }
        }
        self.pack(parts, &mut merged).await?;
        Ok(merged)
    }

    /// Not on a thread that others wait for: compressing takes its time.
    async fn pack(&self, parts: Vec<Part>, merged: &mut Merged) -> Result<(), StoreError> {
        let db = Arc::clone(&self.db);
        let packed = elsewhere(move || {
            let mut packed = Merged::default();
            for part in parts {
                pack_part(&db, part, &mut packed)?;
            }
            Ok(packed)
        });
        let packed = packed.await?;
        merged.blocks.extend(packed.blocks);
        merged.gone.extend(packed.gone);
        merged.rewritten += packed.rewritten;
        merged.aside.extend(packed.aside);
        Ok(())
    }

    /// The small blocks of every series, newest first, those that were set aside left out.
    async fn small_blocks(&self, conn: &mut SqliteConnection) -> Result<HashMap<u32, Vec<Small>>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, series, from_at, to_at, samples, length(sealed) FROM block
             WHERE samples < 1024 AND NOT EXISTS (SELECT 1 FROM set_aside WHERE place = 1 AND row = block.id)
             ORDER BY id DESC",
        )
        .fetch_all(conn)
        .await?;
        let mut small: HashMap<u32, Vec<Small>> = HashMap::new();
        for row in &rows {
            let (head, length): (_, i64) = (head_of(row)?, row.try_get(5)?);
            small.entry(head.series).or_default().push((head, length.unsigned_abs() as usize));
        }
        Ok(small)
    }
}

/// Whether blocks of together so many samples and texts make one of a good size, or are too many.
fn is_worth_merging(blocks: usize, samples: u64, text: usize) -> bool {
    blocks > 0 && (samples >= SMALL || blocks >= MANY || text >= FULL_TEXT)
}

/// The newest small blocks, no more than fit into a block, as far as their rows tell.
fn candidates(mut small: Vec<Small>, points: &[Point]) -> Vec<BlockHead> {
    let oldest = points.iter().map(|point| point.at.0).min().unwrap_or(0);
    small.retain(|(head, _)| head.to >= oldest.saturating_sub(MERGE_WITHIN));
    let samples = small.iter().map(|(head, _)| head.samples).sum::<u64>() + points.len() as u64;
    let text = points.iter().map(text_bytes).sum::<usize>();
    // Numbers are packed well below what half a block of texts takes.
    let bytes = text + small.iter().map(|(_, bytes)| bytes).sum::<usize>();
    if !is_worth_merging(small.len(), samples, bytes) {
        return Vec::new();
    }
    let (mut samples, mut bytes) = (0, text);
    let fits = |(head, length): &Small| {
        samples += head.samples;
        bytes += length;
        samples <= MAX_SAMPLES as u64 && bytes <= 2 * MAX_TEXT_BYTES
    };
    small.into_iter().take_while(fits).map(|(head, _)| head).collect()
}

fn pack_part(db: &Db, part: Part, packed: &mut Merged) -> Result<(), StoreError> {
    let mut points = part.points;
    let mut text = points.iter().map(text_bytes).sum::<usize>();
    let mut samples = points.len() as u64;
    let mut opened: Vec<(BlockHead, Vec<Point>)> = Vec::new();
    for (head, sealed) in part.small {
        // A block does not say its unit: the series does.
        match open_block(db, &head, Unit::None, &sealed) {
            Ok(before) => {
                let more = before.iter().map(text_bytes).sum::<usize>();
                // It is full, or this makes it so: what is older has been full for longer.
                if more >= FULL_TEXT || text + more > MAX_TEXT_BYTES {
                    break;
                }
                text += more;
                samples += head.samples;
                opened.push((head, before));
            }
            Err(StoreError::Damaged { what }) => packed.aside.push((Place::Block, head.id, what)),
            Err(other) => return Err(other),
        }
    }
    if is_worth_merging(opened.len(), samples, text) {
        for (head, mut before) in opened {
            before.append(&mut points);
            points = before;
            packed.gone.push(head.id);
            packed.rewritten += head.samples;
        }
    }
    packed.blocks.extend(blocks_of(part.series, points));
    Ok(())
}
