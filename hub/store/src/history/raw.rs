//! Samples as they came, of a few series: blocks, what the journal holds, and both in the order of time. What does not open
//! is told, and the rest is read.
//!
//! A page takes bounded memory whatever the blocks are like: blocks of late samples lie over one another, so of all that
//! were opened only the earliest samples are kept. Opening is work for threads that nobody else waits for.

use std::sync::Arc;

use domovoi_model::{Timestamp, Unit};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::archive::{Archive, BlockHead, Held, head_of, open_block, open_row, point_of, spelled};
use super::block;
use super::read::{Point, Trouble};
use super::series::Series;
use crate::error::StoreError;

/// How many rows of the journal are read at once.
const ROWS_AT_ONCE: i64 = 64;

/// How many blocks are looked up at once.
const HEADS_AT_ONCE: i64 = 64;

/// Texts of one page together; the page is cut shorter for their sake.
const PAGE_TEXT: usize = 4 << 20;

/// So many samples of one moment are shown at most: a page cannot be cut within a moment. No device says as much in a
/// millisecond; a file that is brought in may.
const MOST_OF_A_MOMENT: usize = 20_000;

/// And so many bytes of texts.
const MOMENT_TEXT: usize = 4 * PAGE_TEXT;

/// Samples and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// In the order of time.
    pub points: Vec<Point>,
    /// Where to go on, if `limit` cut it short.
    pub next: Option<i64>,
    pub troubles: Vec<Trouble>,
}

/// The last sample before some moment, and what could not be read of the time after it.
#[derive(Debug, Default)]
pub(super) struct Last {
    pub point: Option<Point>,
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
        if series.is_empty() || from >= to || limit == 0 {
            return Ok(Raw::default());
        }
        let mut page = Earliest::new(from, to, limit);
        // Blocks are taken in the order of their beginnings until the page is full before the next one.
        let mut behind = (i64::MIN, 0);
        let mut reader = self.db.read().await?;
        'page: loop {
            let heads = heads_from(reader.conn(), series, from, page.until, behind).await?;
            for head in &heads {
                if head.from >= page.until {
                    break 'page;
                }
                let Some(sealed) = sealed_of(reader.conn(), head).await? else { continue };
                let (db, unit, head) = (Arc::clone(&self.db), unit_of(series, head), *head);
                page = elsewhere(move || {
                    match open_block(&db, &head, unit, &sealed) {
                        Ok(points) => page.add(points),
                        Err(StoreError::Damaged { what }) => page.troubles.push(trouble(head.from, head.to, what)),
                        Err(other) => return Err(other),
                    }
                    Ok(page)
                })
                .await?;
            }
            match heads.last() {
                Some(last) if heads.len() as i64 == HEADS_AT_ONCE => behind = (last.from, last.id),
                _ => break,
            }
        }
        drop(reader);
        let mut troubles = std::mem::take(&mut page.troubles);
        // Behind the blocks: of one moment, what came first stands first.
        let journal = self.journal(held, series, from, page.until, &mut troubles).await?;
        page.add(journal);
        page.troubles.append(&mut troubles);
        Ok(page.close())
    }

    /// The last sample at or before a moment that is wanted.
    pub async fn last_of(
        &self,
        held: &Held<'_>,
        series: &[Arc<Series>],
        at: i64,
        wanted: fn(&Point) -> bool,
    ) -> Result<Last, StoreError> {
        let mut last = Last::default();
        if series.is_empty() {
            return Ok(last);
        }
        let journal = self.journal(held, series, i64::MIN, at.saturating_add(1), &mut last.troubles).await?;
        last.point = journal.into_iter().filter(wanted).max_by_key(|point| point.at);
        let mut behind = (i64::MAX, i64::MAX);
        let mut reader = self.db.read().await?;
        'found: loop {
            let heads = heads_until(reader.conn(), series, at, behind).await?;
            for head in &heads {
                if last.point.as_ref().is_some_and(|last| last.at.0 >= head.to.min(at)) {
                    break 'found;
                }
                let Some(sealed) = sealed_of(reader.conn(), head).await? else { continue };
                let (db, unit, head) = (Arc::clone(&self.db), unit_of(series, head), *head);
                let found = elsewhere(move || match open_block(&db, &head, unit, &sealed) {
                    Ok(points) => Ok(Ok(points.into_iter().rfind(|point| point.at.0 <= at && wanted(point)))),
                    Err(StoreError::Damaged { what }) => Ok(Err(trouble(head.from, head.to.min(at), what))),
                    Err(other) => Err(other),
                });
                match found.await? {
                    Ok(Some(found)) if last.point.as_ref().is_none_or(|last| last.at < found.at) => {
                        last.point = Some(found);
                    }
                    Ok(_) => {}
                    // One that does not open may have held a later one: that is told with the answer.
                    Err(trouble) => last.troubles.push(trouble),
                }
            }
            match heads.last() {
                Some(last) if heads.len() as i64 == HEADS_AT_ONCE => behind = (last.to.min(at), last.id),
                _ => break,
            }
        }
        if let Some(point) = &last.point {
            last.troubles.retain(|trouble| trouble.to >= point.at);
        }
        Ok(last)
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
        let (mut found, whole_from) = self.recent.of(&numbers, from, to, |at| self.db.resolve(at));
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
            let Some(last) = rows.last() else { break };
            after = last.try_get(0)?;
            let end = (rows.len() as i64) < ROWS_AT_ONCE;
            let (db, catalogue, numbers) = (Arc::clone(&self.db), Arc::clone(&self.catalogue), numbers.clone());
            let opened = elsewhere(move || {
                let mut opened = Vec::with_capacity(rows.len());
                for row in &rows {
                    let newest: Option<i64> = row.try_get(3)?;
                    let samples = match open_row(&db, &catalogue, row) {
                        Ok(row) => {
                            let mut samples = Vec::new();
                            for (seq, mut sample) in (row.first..).zip(row.samples) {
                                let wanted = numbers.iter().find(|(number, _)| *number == sample.series);
                                let Some((_, unit)) = wanted else { continue };
                                sample.at = db.resolve(sample.at);
                                let point = point_of(sample, *unit).filter(|point| (from..to).contains(&point.at.0));
                                samples.extend(point.map(|point| (seq, point)));
                            }
                            Ok(samples)
                        }
                        Err(StoreError::Damaged { what }) => Err(what),
                        Err(other) => return Err(other),
                    };
                    opened.push((newest, samples));
                }
                Ok(opened)
            });
            for (newest, samples) in opened.await? {
                match samples {
                    Ok(samples) => found.extend(samples),
                    Err(what) => {
                        let (begin, end) = span_of_damaged(newest_before, newest);
                        if begin < to && end >= from {
                            troubles.push(trouble(begin.max(from), end.min(to), what));
                        }
                    }
                }
                newest_before = newest.or(newest_before);
            }
            if end {
                break;
            }
        }
        found.sort_by_key(|(seq, _)| *seq);
        Ok(found.into_iter().map(|(_, point)| point).collect())
    }
}

/// Nobody knows whose samples a damaged row of the journal held. Their times lie between the newest of the row before and
/// its own; where the clock was put back in between, its own is all that is known, and it holds what came in a few seconds.
fn span_of_damaged(newest_before: Option<i64>, newest: Option<i64>) -> (i64, i64) {
    let end = newest.unwrap_or(i64::MAX);
    let begin = newest_before.unwrap_or(i64::MIN);
    (if begin <= end { begin } else { end.saturating_sub(60_000) }, end)
}

/// Work that takes its time, on a thread that others do not wait for.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Io(error.to_string()))?
}

fn unit_of(series: &[Arc<Series>], head: &BlockHead) -> Unit {
    series.iter().find(|series| series.number == head.series).map_or(Unit::None, |series| series.unit)
}

async fn sealed_of(conn: &mut SqliteConnection, head: &BlockHead) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM block WHERE id = ?1").bind(head.id).fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The next blocks of some series that touch `from <= at < to`, in the order of their beginnings.
async fn heads_from(
    conn: &mut SqliteConnection,
    series: &[Arc<Series>],
    from: i64,
    to: i64,
    behind: (i64, i64),
) -> Result<Vec<BlockHead>, StoreError> {
    let list = spelled(series.iter().map(|series| i64::from(series.number)));
    let query = format!(
        "SELECT id, series, from_at, to_at, samples FROM block
         WHERE series IN ({list}) AND from_at < ?1 AND to_at >= ?2 AND (from_at, id) > (?3, ?4)
         ORDER BY from_at, id LIMIT ?5"
    );
    let query = sqlx::query(AssertSqlSafe(query)).bind(to).bind(from).bind(behind.0).bind(behind.1);
    query.bind(HEADS_AT_ONCE).fetch_all(conn).await?.iter().map(head_of).collect()
}

/// The next blocks of some series that begin at or before a moment, those first that reach furthest up to it.
async fn heads_until(
    conn: &mut SqliteConnection,
    series: &[Arc<Series>],
    at: i64,
    behind: (i64, i64),
) -> Result<Vec<BlockHead>, StoreError> {
    let list = spelled(series.iter().map(|series| i64::from(series.number)));
    let query = format!(
        "SELECT id, series, from_at, to_at, samples FROM block WHERE id IN
             (SELECT id FROM block WHERE series IN ({list}) AND from_at <= ?1 AND (min(to_at, ?1), id) < (?2, ?3)
              ORDER BY min(to_at, ?1) DESC, id DESC LIMIT ?4)
         ORDER BY min(to_at, ?1) DESC, id DESC"
    );
    let query = sqlx::query(AssertSqlSafe(query)).bind(at).bind(behind.0).bind(behind.1);
    query.bind(HEADS_AT_ONCE).fetch_all(conn).await?.iter().map(head_of).collect()
}

fn trouble(from: i64, to: i64, what: String) -> Trouble {
    Trouble { from: Timestamp(from), to: Timestamp(to), what }
}

/// The earliest samples of all that it is given.
struct Earliest {
    from: i64,
    /// What is not before it does not belong here any more; it moves forward as the page fills.
    until: i64,
    to: i64,
    limit: usize,
    points: Vec<Point>,
    troubles: Vec<Trouble>,
}

impl Earliest {
    fn new(from: i64, to: i64, limit: usize) -> Self {
        Earliest { from, until: to, to, limit, points: Vec::new(), troubles: Vec::new() }
    }

    fn add(&mut self, points: Vec<Point>) {
        let inside = self.from..self.until;
        self.points.extend(points.into_iter().filter(|point| inside.contains(&point.at.0)));
        // Stable: what came first stands first where times are equal.
        self.points.sort_by_key(|point| point.at);
        let Some(beyond) = self.points.get(self.room(self.limit, PAGE_TEXT)).map(|point| point.at) else { return };
        let mut keep = self.points.partition_point(|point| point.at < beyond);
        self.until = beyond.0;
        if keep == 0 {
            // What is of one moment is never parted.
            keep = self.points.partition_point(|point| point.at <= beyond);
            self.until = beyond.0.saturating_add(1);
            let shown = self.room(MOST_OF_A_MOMENT.max(self.limit), MOMENT_TEXT).max(1);
            if keep > shown {
                keep = shown;
                let what = "there are more samples of this moment than are shown".to_owned();
                self.troubles.retain(|told| told.what != what);
                self.troubles.push(trouble(beyond.0, beyond.0, what));
            }
        }
        self.points.truncate(keep);
    }

    /// How many of the first points there is room for.
    fn room(&self, limit: usize, most_text: usize) -> usize {
        let mut text = 0;
        let fits = |point: &&Point| {
            text += block::text_bytes(point);
            text <= most_text
        };
        self.points.iter().take(limit).take_while(fits).count()
    }

    fn close(self) -> Raw {
        let next = (self.until < self.to).then_some(self.until);
        let mut troubles = self.troubles;
        troubles.retain(|trouble| next.is_none_or(|next| trouble.from.0 < next));
        Raw { points: self.points, next, troubles }
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::{Quality, Value};

    use super::*;

    fn points(times: impl Iterator<Item = i64>) -> Vec<Point> {
        let point = |at| Point {
            at: Timestamp(at),
            value: Value::Bool(true),
            unit: Unit::None,
            quality: Quality::Good,
            device_time: None,
        };
        times.map(point).collect()
    }

    #[test]
    fn a_page_holds_no_more_than_it_shows() {
        let mut page = Earliest::new(0, i64::MAX, 100);
        for round in 0..50 {
            page.add(points((0..4000).map(|n| n * 50 + round)));
            assert!(page.points.len() <= 100);
        }
        let raw = page.close();
        assert_eq!((raw.points.len(), raw.next), (100, Some(100)));
        assert!(raw.points.iter().zip(0..).all(|(point, at)| point.at.0 == at));
    }

    #[test]
    fn a_moment_of_more_samples_than_can_be_shown_is_told_and_left_behind() {
        let mut page = Earliest::new(0, i64::MAX, 10);
        for _ in 0..10 {
            page.add(points((0..5000).map(|_| 7).chain([9])));
            assert!(page.points.len() <= MOST_OF_A_MOMENT);
        }
        let raw = page.close();
        assert_eq!((raw.points.len(), raw.next, raw.troubles.len()), (MOST_OF_A_MOMENT, Some(8), 1));
        // It is nothing to tell where something else fills the page.
        let mut page = Earliest::new(0, i64::MAX, 10);
        page.add(points((0..30_000).map(|_| 7)));
        page.add(points(0..5));
        let raw = page.close();
        assert_eq!((raw.points.len(), raw.next, raw.troubles.len()), (5, Some(7), 0));
    }

    #[test]
    fn a_damaged_row_lies_somewhere_whatever_the_clock_did() {
        assert_eq!(span_of_damaged(Some(5), Some(9)), (5, 9));
        assert_eq!(span_of_damaged(None, None), (i64::MIN, i64::MAX));
        let (begin, end) = span_of_damaged(Some(5_000_000), Some(1_000_000));
        assert!(begin < end && end == 1_000_000);
    }
}
