//! Answers that rollups have a part in: the buckets of a span, the last value where samples are gone, what a counter
//! counted. Where they come from samples alone they are exact; where not, they say so.

use std::sync::Arc;

use domovoi_model::{Quality, Timestamp, Value};
use rust_decimal::Decimal;
use sqlx::Row;

use super::archive::{Archive, is_number};
use super::read::{Bucket, Change, Latest, Level, Point, Rolled, Trouble};
use super::rollup::rise;
use super::series::Series;
use crate::error::StoreError;

/// How many samples a counter's change takes into memory at once.
const POINTS_AT_ONCE: usize = 10_000;

/// So many troubles one number is told with; who wants all of them asks for the samples.
const TROUBLES_TOLD: usize = 100;

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
        let mut walk = self.walk(series, level, from, to).await?;
        while let Some(piece) = walk.next().await? {
            answer.buckets.extend(piece.buckets);
            answer.troubles.extend(piece.troubles);
        }
        let since = self.rolled_since(series, level).await?;
        answer.since = since.filter(|since| from < *since).map(Timestamp);
        Ok(answer)
    }

    /// Since when there are buckets of this level, if older ones have been thinned out: days never are, and tell so.
    async fn rolled_since(&self, series: &Arc<Series>, level: Level) -> Result<Option<i64>, StoreError> {
        if level == Level::Day {
            return Ok(None);
        }
        let mut reader = self.db.read().await?;
        let mut chunks = [None, None];
        for (chunk, level) in chunks.iter_mut().zip([level, Level::Day]) {
            let row = sqlx::query("SELECT min(from_at) FROM rollup WHERE series = ?1 AND level = ?2")
                .bind(i64::from(series.number))
                .bind(level.code())
                .fetch_one(reader.conn())
                .await?;
            *chunk = row.try_get(0)?;
        }
        let [of_level, Some(of_days)] = chunks else { return Ok(None) };
        let of_level = of_level.map_or(i64::MAX, |at| level.chunk_of(at));
        let first = match self.chunk(reader.conn(), series.number, Level::Day, of_days).await? {
            Some((_, Ok(chunk))) => chunk.buckets.first().map_or(i64::MAX, |bucket| bucket.from.0),
            // Nobody knows: what cannot be shown was there.
            _ => of_days,
        };
        drop(reader);
        if self.settings.home_time.day_of(first).1 > of_level {
            return Ok(None);
        }
        if of_level < i64::MAX {
            return Ok(Some(of_level));
        }
        let last = self.rolled_before(series.number, Level::Day, i64::MAX).await?;
        Ok(last.map(|day| self.settings.home_time.day_of(day.from.0).1))
    }

    /// The finest level of which there is everything about the day that holds a moment.
    async fn finest(&self, series: &Arc<Series>, at: i64) -> Result<Level, StoreError> {
        let day = self.settings.home_time.day_of(at).0;
        for level in [Level::FiveMinutes, Level::Hour] {
            if self.rolled_since(series, level).await?.is_none_or(|since| since <= day) {
                return Ok(level);
            }
        }
        Ok(Level::Day)
    }

    /// The last bucket that begins before a border of intervals, as the point that its end was: its last number stood then.
    async fn last_before(
        &self,
        series: &Arc<Series>,
        level: Level,
        border: i64,
        troubles: &mut Vec<Trouble>,
    ) -> Result<Option<Point>, StoreError> {
        let home = &self.settings.home_time;
        let (day, next) = home.day_of(border.saturating_sub(1));
        let whole = if next == border { border } else { day };
        let earlier = self.rolled_before(series.number, Level::Day, whole).await?.map_or(i64::MIN, |day| day.from.0);
        // Of the day itself as fine as there is, and before it the last day that has something.
        for (level, from, to) in [(level, day, border), (Level::Day, earlier, whole)] {
            let mut walk = self.walk(series, level, from, to).await?;
            let mut last = None;
            while let Some(mut piece) = walk.next().await? {
                tell(troubles, piece.troubles);
                last = piece.buckets.pop().or(last);
            }
            if let Some(bucket) = last {
                return Ok(Some(self.standing(series, level, &bucket)));
            }
        }
        Ok(None)
    }

    /// Where a counter stood at the end of an interval.
    fn standing(&self, series: &Arc<Series>, level: Level, bucket: &Bucket) -> Point {
        let end = self.settings.home_time.end_of(level, bucket.from.0);
        Point {
            at: Timestamp(end.saturating_sub(1)),
            value: Value::Number(bucket.last),
            unit: series.unit,
            quality: Quality::Good,
            device_time: None,
        }
    }

    /// The last border of intervals at or before the end of a moment.
    fn border(&self, level: Level, at: i64) -> i64 {
        self.settings.home_time.interval_of(level, at.saturating_add(1))
    }

    /// The last sample at or before a moment. Where samples have been thinned out it is what the rollups say of the last
    /// interval that had ended.
    pub async fn latest(&self, series: &[Arc<Series>], at: i64) -> Result<Latest, StoreError> {
        let last = {
            let held = self.layout.read().await;
            self.last_of(&held, series, at, |_| true).await?
        };
        let (mut point, mut troubles) = (last.point, last.troubles);
        let begin = point.as_ref().map_or(i64::MIN, |point| point.at.0);
        // Asked after the samples were: what went meanwhile is seen.
        let gone = self.tally().thinned_to.is_some_and(|thinned| begin <= thinned);
        if gone {
            for series in series {
                let level = self.finest(series, at).await?;
                let rolled = self.last_before(series, level, self.border(level, at), &mut troubles).await?;
                if rolled.as_ref().map(|rolled| rolled.at) > point.as_ref().map(|point| point.at) {
                    point = rolled;
                }
            }
        }
        troubles.truncate(TROUBLES_TOLD);
        Ok(Latest { exact: !gone && troubles.is_empty(), point, troubles })
    }

    /// Of the series of one property the one that was heard last, also where that was before the daemon's start.
    pub async fn heard_last(&self, series: Vec<Arc<Series>>) -> Result<Option<Arc<Series>>, StoreError> {
        let mut newest: Option<(Option<Timestamp>, Arc<Series>)> = None;
        let alone = series.len() == 1;
        for series in series {
            let at = if alone { None } else { self.newest_of(&series).await? };
            if newest.as_ref().is_none_or(|(before, _)| *before <= at) {
                newest = Some((at, series));
            }
        }
        Ok(newest.map(|(_, series)| series))
    }

    async fn newest_of(&self, series: &Arc<Series>) -> Result<Option<Timestamp>, StoreError> {
        let held = self.layout.read().await;
        let last = self.last_of(&held, std::slice::from_ref(series), i64::MAX - 1, |_| true).await?;
        Ok(last.point.map(|point| point.at))
    }

    /// What a counter counted in `from < at <= to`, and from the sample at or before `from` on.
    pub async fn change_of(&self, series: &Arc<Series>, from: i64, to: i64) -> Result<Option<Change>, StoreError> {
        if from > to {
            return Ok(None);
        }
        let one = std::slice::from_ref(series);
        let first = {
            let held = self.layout.read().await;
            self.last_of(&held, one, from, is_number).await?
        };
        let begin = first.point.as_ref().map_or(from, |first| first.at.0);
        let gone = || self.tally().thinned_to.is_some_and(|thinned| begin <= thinned);
        if gone() {
            return self.change_of_rollups(series, from, to).await;
        }
        let mut change = Change::begun(first.point);
        tell(&mut change.troubles, first.troubles);
        // Before its first sample a counter is not known to have counted: the first one begins.
        let mut next = Some(from.saturating_add(1));
        while let Some(at) = next {
            let raw = self.raw(one, at, to.saturating_add(1), POINTS_AT_ONCE).await?;
            tell(&mut change.troubles, raw.troubles);
            raw.points.into_iter().filter(is_number).for_each(|point| change.count(point));
            next = raw.next;
        }
        // What went while it was counted was not counted.
        if gone() {
            return self.change_of_rollups(series, from, to).await;
        }
        change.exact = change.troubles.is_empty();
        Ok(change.last.is_some().then_some(change))
    }

    /// From border to border: at both ends the finest intervals that there are, and whole days in between.
    async fn change_of_rollups(&self, series: &Arc<Series>, from: i64, to: i64) -> Result<Option<Change>, StoreError> {
        let home = &self.settings.home_time;
        let (fine, fine_end) = (self.finest(series, from).await?, self.finest(series, to).await?);
        let (begin, end) = (self.border(fine, from), self.border(fine_end, to));
        let mut troubles = Vec::new();
        let first = self.last_before(series, fine, begin, &mut troubles).await?;
        let mut change = Change { exact: false, troubles, ..Change::begun(first) };
        // Where `begin` is the beginning of a day there is nothing before the days.
        let whole = match home.day_of(begin) {
            (day, _) if day == begin => day,
            (_, next) => next,
        };
        let last_day = home.day_of(end).0;
        let pieces = if whole <= last_day {
            [(fine, begin, whole), (Level::Day, whole, last_day), (fine_end, last_day, end)]
        } else {
            [(fine, begin, end), (Level::Day, end, end), (fine_end, end, end)]
        };
        for (level, from, to) in pieces {
            let mut walk = self.walk(series, level, from, to).await?;
            while let Some(piece) = walk.next().await? {
                tell(&mut change.troubles, piece.troubles);
                for bucket in &piece.buckets {
                    change.add(bucket, self.standing(series, level, bucket));
                }
            }
        }
        Ok(change.last.is_some().then_some(change))
    }
}

/// Adds troubles that are not told yet, as far as there is room.
fn tell(told: &mut Vec<Trouble>, more: Vec<Trouble>) {
    for trouble in more {
        if told.len() < TROUBLES_TOLD && !told.contains(&trouble) {
            told.push(trouble);
        }
    }
}

impl Change {
    /// Nothing counted yet.
    fn begun(first: Option<Point>) -> Self {
        let last = first.clone();
        Change { first, last, increase: Decimal::ZERO, resets: 0, exact: true, troubles: Vec::new() }
    }

    fn stood(&self) -> Option<Decimal> {
        self.last.as_ref().and_then(|last| last.value.number())
    }

    fn count(&mut self, point: Point) {
        if let (Some(before), Some(after)) = (self.stood(), point.value.number()) {
            self.increase = self.increase.checked_add(rise(before, after)).unwrap_or(Decimal::MAX);
            self.resets += u32::from(after < before);
        }
        self.last = Some(point);
    }

    /// An interval, and where it ended. It rose by more than it is higher: then it fell in between.
    fn add(&mut self, bucket: &Bucket, ended: Point) {
        let fell = |before: Decimal| bucket.last.checked_sub(before).is_some_and(|net| bucket.increase > net);
        self.resets += u32::from(self.stood().is_some_and(fell));
        self.increase = self.increase.checked_add(bucket.increase).unwrap_or(Decimal::MAX);
        self.last = Some(ended);
    }
}
