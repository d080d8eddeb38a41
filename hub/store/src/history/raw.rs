//! Samples as they came, of a few series: blocks, what the journal holds, and both in the order of time. What does not open
//! is told, and the rest is read.

use std::cmp::Reverse;
use std::sync::Arc;

use domovoi_model::{Timestamp, Unit};
use sqlx::{AssertSqlSafe, Row};

use super::archive::{Archive, BlockHead, Held, head_of, is_number, open_row, point_of, spelled};
use super::read::{Point, Trouble};
use super::series::Series;
use crate::error::StoreError;

/// How many rows of the journal are read at once.
const ROWS_AT_ONCE: i64 = 64;

/// Samples and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// In the order of time.
    pub points: Vec<Point>,
    /// Where to go on, if `limit` cut it short.
    pub next: Option<i64>,
    pub troubles: Vec<Trouble>,
}

impl Archive {
    /// Samples of some series in `from <= at < to`; about `limit` of them, but samples of one moment stay together, so
    /// that whoever goes on at `next` misses none and sees none twice.
    pub async fn raw(&self, series: &[Arc<Series>], from: i64, to: i64, limit: usize) -> Result<Raw, StoreError> {
        let held = self.layout.read().await;
        self.raw_held(&held, series, from, to, limit).await
    }

    /// The same for who holds `layout` already: asking for it twice would wait for a writer that waits for the first.
    pub async fn raw_held(
        &self,
        held: &Held<'_>,
        series: &[Arc<Series>],
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Raw, StoreError> {
        let mut raw = Raw::default();
        if series.is_empty() || from >= to || limit == 0 {
            return Ok(raw);
        }
        let mut journal = self.journal(held, series, from, to, &mut raw.troubles).await?;
        let heads = self.heads(series, "from_at < ?1 AND to_at >= ?2", to, from).await?;
        let mut reader = self.db.read().await?;
        // Blocks are taken in the order of their beginnings until enough lies before the next one.
        let mut until = to;
        for head in &heads {
            let settled = |points: &[Point]| points.iter().filter(|point| point.at.0 < head.from).count();
            if raw.points.len() + journal.len() > limit && settled(&raw.points) + settled(&journal) > limit {
                until = head.from;
                break;
            }
            match self.load(reader.conn(), series, head).await {
                Ok(points) => {
                    raw.points.extend(points.into_iter().filter(|point| (from..to).contains(&point.at.0)));
                }
                Err(StoreError::Damaged { what }) => raw.troubles.push(trouble(head.from, head.to, what)),
                Err(other) => return Err(other),
            }
        }
        drop(reader);
        raw.points.append(&mut journal);
        // Stable: what came first stands first where times are equal.
        raw.points.sort_by_key(|point| point.at);
        if until < to {
            raw.points.retain(|point| point.at.0 < until);
            raw.next = Some(until);
        }
        cut(&mut raw, limit);
        if let Some(next) = raw.next {
            raw.troubles.retain(|trouble| trouble.from.0 < next);
        }
        Ok(raw)
    }

    /// The last sample at or before a moment.
    pub async fn last_point(&self, series: &[Arc<Series>], at: i64) -> Result<Option<Point>, StoreError> {
        let held = self.layout.read().await;
        self.last_of(&held, series, at, |_| true).await
    }

    /// The last number at or before a moment.
    pub async fn last_number(
        &self,
        held: &Held<'_>,
        series: &[Arc<Series>],
        at: i64,
    ) -> Result<Option<Point>, StoreError> {
        self.last_of(held, series, at, is_number).await
    }

    async fn last_of(
        &self,
        held: &Held<'_>,
        series: &[Arc<Series>],
        at: i64,
        wanted: impl Fn(&Point) -> bool,
    ) -> Result<Option<Point>, StoreError> {
        if series.is_empty() {
            return Ok(None);
        }
        let beyond = at.saturating_add(1);
        let journal = self.journal(held, series, i64::MIN, beyond, &mut Vec::new()).await?;
        let mut best = journal.into_iter().filter(&wanted).max_by_key(|point| point.at);
        let mut heads = self.heads(series, "from_at < ?1 AND to_at >= ?2", beyond, i64::MIN).await?;
        heads.sort_by_key(|head| Reverse(head.to.min(at)));
        let mut reader = self.db.read().await?;
        for head in &heads {
            if best.as_ref().is_some_and(|best| best.at.0 >= head.to.min(at)) {
                break;
            }
            // One that does not open tells nothing; the one before it may.
            let Ok(points) = self.load(reader.conn(), series, head).await else { continue };
            let last = points.into_iter().rfind(|point| point.at.0 <= at && wanted(point));
            if let Some(last) = last
                && best.as_ref().is_none_or(|best| best.at < last.at)
            {
                best = Some(last);
            }
        }
        Ok(best)
    }

    /// What the journal holds of some series, in the order of arrival.
    pub(super) async fn journal(
        &self,
        _held: &Held<'_>,
        series: &[Arc<Series>],
        from: i64,
        to: i64,
        troubles: &mut Vec<Trouble>,
    ) -> Result<Vec<Point>, StoreError> {
        let numbers: Vec<(u32, Unit)> = series.iter().map(|series| (series.number, series.unit)).collect();
        let (mut held, whole_from) = self.recent.of(&numbers, from, to, |at| self.db.resolve(at));
        // Rows that the index has no room for: all of them are opened.
        let mut after = 0;
        let mut newest_before = None;
        let mut reader = self.db.read().await?;
        loop {
            let rows = sqlx::query(
                "SELECT id, last_seq, sealed, newest_at FROM journal WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
            )
            .bind(after)
            .bind(i64::try_from(whole_from).unwrap_or(i64::MAX))
            .bind(ROWS_AT_ONCE)
            .fetch_all(reader.conn())
            .await?;
            for row in &rows {
                after = row.try_get(0)?;
                let newest: Option<i64> = row.try_get(3)?;
                match open_row(&self.db, &self.catalogue, row) {
                    Ok(opened) => {
                        for (seq, mut sample) in (opened.first..).zip(opened.samples) {
                            let wanted = numbers.iter().find(|(number, _)| *number == sample.series);
                            let Some((_, unit)) = wanted else { continue };
                            sample.at = self.db.resolve(sample.at);
                            let point = point_of(sample, *unit).filter(|point| (from..to).contains(&point.at.0));
                            held.extend(point.map(|point| (seq, point)));
                        }
                    }
                    Err(StoreError::Damaged { what }) => {
                        // Nobody knows whose samples they were. Their times lie between those of their neighbours.
                        let end = newest.unwrap_or(i64::MAX);
                        let begin = newest_before.unwrap_or(i64::MIN);
                        if begin < to && end >= from {
                            troubles.push(trouble(begin.max(from), end.min(to), what));
                        }
                    }
                    Err(other) => return Err(other),
                }
                newest_before = newest.or(newest_before);
            }
            if (rows.len() as i64) < ROWS_AT_ONCE {
                break;
            }
        }
        held.sort_by_key(|(seq, _)| *seq);
        Ok(held.into_iter().map(|(_, point)| point).collect())
    }

    async fn load(
        &self,
        conn: &mut sqlx::SqliteConnection,
        series: &[Arc<Series>],
        head: &BlockHead,
    ) -> Result<Vec<Point>, StoreError> {
        let unit = series.iter().find(|series| series.number == head.series).map_or(Unit::None, |series| series.unit);
        let row = sqlx::query("SELECT sealed FROM block WHERE id = ?1").bind(head.id).fetch_optional(conn).await?;
        match row {
            Some(row) => self.open_block(head, unit, row.try_get(0)?),
            None => Ok(Vec::new()),
        }
    }

    /// The blocks of some series for which `condition` holds of `?1` and `?2`, in the order of their beginnings.
    async fn heads(
        &self,
        series: &[Arc<Series>],
        condition: &'static str,
        first: i64,
        second: i64,
    ) -> Result<Vec<BlockHead>, StoreError> {
        let list = spelled(series.iter().map(|series| i64::from(series.number)));
        let query = format!(
            "SELECT id, series, from_at, to_at, samples FROM block
             WHERE series IN ({list}) AND {condition} ORDER BY from_at, id"
        );
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(AssertSqlSafe(query)).bind(first).bind(second).fetch_all(reader.conn()).await?;
        rows.iter().map(head_of).collect()
    }
}

fn trouble(from: i64, to: i64, what: String) -> Trouble {
    Trouble { from: Timestamp(from), to: Timestamp(to), what }
}

/// Leaves about `limit` points, and never parts what is of one moment.
fn cut(raw: &mut Raw, limit: usize) {
    let Some(beyond) = raw.points.get(limit).map(|point| point.at) else { return };
    let mut keep = raw.points.partition_point(|point| point.at < beyond);
    if keep == 0 {
        keep = raw.points.partition_point(|point| point.at <= beyond);
    }
    if let Some(next) = raw.points.get(keep) {
        raw.next = Some(next.at.0);
        raw.points.truncate(keep);
    }
}
