//! What `doctor --verify` asks of history's rows once they have opened: that their content can be read to the last sample,
//! and that it says what stands beside it in the row. Mends nothing.

use domovoi_model::Unit;
use sqlx::{Row, SqliteConnection};

use super::archive::head_of;
use super::read::Level;
use super::tally::{TALLY, Tally};
use super::{block, encoding, rollup};
use crate::error::StoreError;
use crate::tables::{BLOCK, HISTORY_MARK, JOURNAL, ROLLUP, Table};

/// Looks into an opened row, if it is one of history's.
pub(crate) async fn verify_row(
    conn: &mut SqliteConnection,
    table: &Table,
    id: i64,
    plain: &[u8],
) -> Result<(), StoreError> {
    let row = id.to_be_bytes();
    let unreadable = || table.damaged(&row, "its content is not what this program writes");
    let columns = || table.damaged(&row, "its columns are not what its content says");
    if std::ptr::eq(table, &BLOCK) {
        let block = block::decode(plain, Unit::None).map_err(|_| unreadable())?;
        let found = sqlx::query("SELECT id, series, from_at, to_at, samples FROM block WHERE id = ?1")
            .bind(id)
            .fetch_optional(conn)
            .await?;
        // Gone meanwhile: thinned, or merged with another.
        let Some(found) = found else { return Ok(()) };
        let head = head_of(&found)?;
        let span = (block.points.first().map(|point| point.at.0), block.points.last().map(|point| point.at.0));
        let says = block.series == u64::from(head.series)
            && span == (Some(head.from), Some(head.to))
            && block.points.len() as u64 == head.samples;
        return if says { Ok(()) } else { Err(columns()) };
    }
    if std::ptr::eq(table, &ROLLUP) {
        let chunk = rollup::decode(plain).map_err(|_| unreadable())?;
        let found = sqlx::query("SELECT series, level, from_at FROM rollup WHERE id = ?1")
            .bind(id)
            .fetch_optional(conn)
            .await?;
        let Some(found) = found else { return Ok(()) };
        let (series, level, from): (i64, i64, i64) = (found.try_get(0)?, found.try_get(1)?, found.try_get(2)?);
        let says =
            i64::try_from(chunk.series).ok() == Some(series) && chunk.level.code() == level && chunk.from == from;
        return if says && Level::ALL.contains(&chunk.level) { Ok(()) } else { Err(columns()) };
    }
    if std::ptr::eq(table, &HISTORY_MARK) && id == TALLY {
        serde_json::from_slice::<Tally>(plain).map_err(|_| unreadable())?;
    }
    if std::ptr::eq(table, &JOURNAL) {
        let found = sqlx::query("SELECT last_seq FROM journal WHERE id = ?1").bind(id).fetch_optional(conn).await?;
        let Some(found) = found else { return Ok(()) };
        let last: i64 = found.try_get(0)?;
        let samples = match encoding::decode(plain).map_err(|_| unreadable())? {
            encoding::Row::Named(samples) => samples.len(),
            encoding::Row::Numbered(samples) => samples.len(),
        };
        let says = i64::try_from(samples).ok() == last.checked_sub(id).and_then(|n| n.checked_add(1));
        return if says { Ok(()) } else { Err(columns()) };
    }
    Ok(())
}
