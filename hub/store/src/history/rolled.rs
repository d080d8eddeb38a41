//! Answers from rollups: buckets of a span, and what a counter counted where the samples are gone. What is not rolled yet is
//! rolled from the samples on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domovoi_model::{Timestamp, Value};
use rust_decimal::Decimal;
use sqlx::Row;

use super::archive::{Archive, Held, is_number, open_chunk};
use super::read::{Bucket, Change, Level, Point, Rolled, Trouble};
use super::rollup::rise;
use super::series::Series;
use crate::error::StoreError;

/// How many samples a counter's change takes into memory at once.
const POINTS_AT_ONCE: usize = 50_000;

impl Archive {
    /// Buckets of one series whose beginnings lie in `from <= begin < to`.
    pub async fn rolled_of(
        &self,
        series: &Arc<Series>,
        level: Level,
        from: i64,
        to: i64,
    ) -> Result<Rolled, StoreError> {
        let mut answer = Rolled::default();
        if from >= to {
            return Ok(answer);
        }
        let home = &self.settings.home_time;
        let held = self.layout.read().await;
        let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
        {
            let mut reader = self.db.read().await?;
            let rows = sqlx::query(
                "SELECT id, from_at, sealed FROM rollup
                 WHERE series = ?1 AND level = ?2 AND from_at >= ?3 AND from_at < ?4 ORDER BY from_at",
            )
            .bind(i64::from(series.number))
            .bind(level.code())
            .bind(level.chunk_of(from))
            .bind(to)
            .fetch_all(reader.conn())
            .await?;
            for row in &rows {
                let (id, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                match open_chunk(&self.db, id, series.number, level, at, row.try_get(2)?) {
                    Ok(chunk) => buckets.extend(chunk.buckets.into_iter().map(|bucket| (bucket.from.0, bucket))),
                    Err(StoreError::Damaged { what }) => {
                        let begin = level.chunk_of(at);
                        let end = begin.saturating_add(level.chunk_millis());
                        answer.troubles.push(Trouble { from: Timestamp(begin), to: Timestamp(end), what });
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        // The borders may lie within a day that is not rolled yet: whole days are rolled and then cut.
        for day in self.unrolled(&held, series, home.day_of(from).0, home.day_of(to.saturating_sub(1)).1).await? {
            let (begin, end) = home.day_of(day);
            let ([five, hours, days], troubles) = self.roll_day(&held, series, day).await?;
            let fresh = match level {
                Level::FiveMinutes => five,
                Level::Hour => hours,
                Level::Day => days,
            };
            let stored = buckets.split_off(&begin);
            let mut of_day = stored;
            let mut later = of_day.split_off(&end);
            let put = self.put(of_day.into_values().collect(), fresh, begin, end);
            buckets.extend(put.into_iter().map(|bucket| (bucket.from.0, bucket)));
            buckets.append(&mut later);
            answer.troubles.extend(troubles);
        }
        answer.buckets = buckets.into_values().filter(|bucket| (from..to).contains(&bucket.from.0)).collect();
        Ok(answer)
    }

    /// The days in a span that hold samples which are not in the rollups.
    async fn unrolled(
        &self,
        held: &Held<'_>,
        series: &Arc<Series>,
        from: i64,
        to: i64,
    ) -> Result<BTreeSet<i64>, StoreError> {
        let journal = self.journal(held, std::slice::from_ref(series), i64::MIN, i64::MAX, &mut Vec::new()).await?;
        let mut of_journal = BTreeMap::new();
        of_journal.insert(series.number, journal);
        let mut days: BTreeSet<i64> = self.days_of(&of_journal).await?.into_iter().map(|(_, day)| day).collect();
        days.retain(|day| (from..to).contains(day));
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT day_at FROM roll_due WHERE series = ?1 AND day_at >= ?2 AND day_at < ?3")
            .bind(i64::from(series.number))
            .bind(from)
            .bind(to)
            .fetch_all(reader.conn())
            .await?;
        for row in &rows {
            days.insert(row.try_get(0)?);
        }
        Ok(days)
    }

    /// What a counter counted in `from < at <= to`, and from the sample at or before `from` on.
    pub async fn change_of(&self, series: &[Arc<Series>], from: i64, to: i64) -> Result<Option<Change>, StoreError> {
        if from > to {
            return Ok(None);
        }
        let first = {
            let held = self.layout.read().await;
            self.last_number(&held, series, from).await?
        };
        let begin = first.as_ref().map_or(from, |first| first.at.0);
        if self.tally().thinned_to.is_some_and(|thinned| begin <= thinned || (first.is_none() && from <= thinned)) {
            return self.change_of_rollups(series, from, to).await;
        }
        let mut change = Change { first, last: None, increase: Decimal::ZERO, resets: 0, exact: true };
        // Before its first sample a counter is not known to have counted: the first one begins.
        let mut at = from.saturating_add(1);
        let mut before = change.first.as_ref().and_then(|first| first.value.number());
        loop {
            let raw = self.raw(series, at, to.saturating_add(1), POINTS_AT_ONCE).await?;
            change.exact &= raw.troubles.is_empty();
            for point in raw.points.into_iter().filter(is_number) {
                let Some(value) = point.value.number() else { continue };
                if let Some(before) = before {
                    change.count(before, value);
                }
                before = Some(value);
                change.last = Some(point);
            }
            match raw.next {
                Some(next) => at = next,
                None => break,
            }
        }
        if change.last.is_none() {
            change.last = change.first.clone();
        }
        Ok(change.last.is_some().then_some(change))
    }

    /// From the finest rollups that reach back to the beginning, or else from those that reach back furthest.
    async fn change_of_rollups(
        &self,
        series: &[Arc<Series>],
        from: i64,
        to: i64,
    ) -> Result<Option<Change>, StoreError> {
        let home = &self.settings.home_time;
        let mut found: Option<(i64, Change)> = None;
        for level in Level::ALL {
            let mut change = Change { first: None, last: None, increase: Decimal::ZERO, resets: 0, exact: false };
            let mut begins = i64::MAX;
            for series in series {
                // One chunk before the span too: it holds where the counter stood.
                let since = from.saturating_sub(level.chunk_millis());
                let rolled = self.rolled_of(series, level, since, to.saturating_add(1)).await?;
                let mut before: Option<Decimal> = None;
                for bucket in &rolled.buckets {
                    let end = home.end_of(level, bucket.from.0);
                    let point = Point {
                        at: Timestamp(end.saturating_sub(1)),
                        value: Value::Number(bucket.last),
                        unit: series.unit,
                        quality: domovoi_model::Quality::Good,
                        device_time: None,
                    };
                    if end <= from.saturating_add(1) {
                        begins = begins.min(bucket.from.0);
                        change.first = Some(point.clone());
                    } else if end <= to.saturating_add(1) {
                        begins = begins.min(bucket.from.0);
                        change.increase = change.increase.checked_add(bucket.increase).unwrap_or(Decimal::MAX);
                        change.resets += u32::from(before.is_some_and(|before| bucket.last < before));
                    } else {
                        continue;
                    }
                    before = Some(bucket.last);
                    change.last = Some(point);
                }
            }
            if change.last.is_none() {
                continue;
            }
            if begins <= from {
                return Ok(Some(change));
            }
            if found.as_ref().is_none_or(|(earlier, _)| begins < *earlier) {
                found = Some((begins, change));
            }
        }
        Ok(found.map(|(_, change)| change))
    }
}

impl Change {
    fn count(&mut self, before: Decimal, after: Decimal) {
        self.increase = self.increase.checked_add(rise(before, after)).unwrap_or(Decimal::MAX);
        self.resets += u32::from(after < before);
    }
}
