//! Samples of the past from elsewhere, straight into blocks. What is there already (the same series, time and value) is
//! left out, so that an import that was cut short is simply done again.

use std::collections::{BTreeMap, HashMap, HashSet};

use domovoi_model::{DeviceRef, Moment, Sample, Timestamp, Unit, Value};

use super::NotKept;
use super::archive::{Archive, blocks_of};
use super::read::{Imported, Point};
use crate::error::StoreError;

/// So many samples are taken at a time.
pub const IMPORT_LIMIT: usize = 20_000;

/// 9999-12-31T23:59:59.999Z.
const LATEST: i64 = 253_402_300_799_999;

/// How many samples that are there already are read at once.
const POINTS_AT_ONCE: usize = 20_000;

/// What makes a sample the same: `==` of decimals does not see zeros at the end, and neither does this.
type Same = (i64, String);

fn same(point: &Point) -> Same {
    let value = match &point.value {
        Value::Number(number) => format!("n{}", number.normalize()),
        Value::Bool(flag) => format!("b{flag}"),
        Value::Text(text) => format!("t{text}"),
    };
    (point.at.0, value)
}

impl Archive {
    pub async fn import(&self, samples: Vec<Sample>) -> Result<Imported, StoreError> {
        if samples.len() > IMPORT_LIMIT {
            return Err(StoreError::TooLarge { what: "an import at once, in samples,", limit: IMPORT_LIMIT });
        }
        let possible = |at: Moment| at.wall().is_some_and(|Timestamp(at)| (0..=LATEST).contains(&at));
        if let Some(sample) = samples.iter().find(|sample| !possible(sample.at)) {
            let what = format!("{} {}: its time is no date of the years 1970 to 9999", sample.device, sample.property);
            return Err(StoreError::conflict(what));
        }
        let _alone = self.work.lock().await;
        let mut imported = Imported::default();
        let mut known: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
        let mut unnamed: HashMap<(DeviceRef, String, Unit), Vec<Point>> = HashMap::new();
        for sample in samples {
            let number = {
                let names = self.catalogue.names();
                names.find(&sample.device, &sample.property, sample.unit).map(|series| series.number)
            };
            match number {
                Some(number) => known.entry(number).or_default().extend(Point::of(sample)),
                None => {
                    let key = (sample.device.clone(), sample.property.clone(), sample.unit);
                    unnamed.entry(key).or_default().extend(Point::of(sample));
                }
            }
        }
        for (number, points) in &mut known {
            imported.duplicates += self.leave_out_known(Some(*number), points).await?;
        }
        for points in unnamed.values_mut() {
            imported.duplicates += self.leave_out_known(None, points).await?;
        }
        known.retain(|_, points| !points.is_empty());
        // Commits of samples wait from here on for the numbers, and no longer than one write takes.
        let mut names = self.catalogue.mint(&self.db).await?;
        for ((device, property, unit), points) in unnamed {
            let series = names.series(&self.db, &device, &property, unit).map_err(|refused| match refused {
                NotKept::Series(why) => StoreError::conflict(format!("{device} {property}: {why}")),
                other => StoreError::Io(other.to_string()),
            })?;
            known.entry(series.number).or_default().extend(points);
        }
        imported.kept = known.values().map(|points| points.len() as u64).sum();
        if imported.kept == 0 {
            return Ok(imported);
        }
        let due = self.days_of(&known).await?;
        let blocks = tokio::task::spawn_blocking(move || {
            known.into_iter().flat_map(|(series, points)| blocks_of(series, points)).collect::<Vec<_>>()
        });
        let blocks = blocks.await.map_err(|error| StoreError::Io(error.to_string()))?;
        let mut tally = self.tally();
        let mut tx = self.db.begin().await?;
        names.write(tx.conn()).await?;
        self.insert_blocks(&mut tx, &blocks, &mut tally).await?;
        self.mark_due(&mut tx, due).await?;
        {
            let _nobody_reads = self.layout.write().await;
            self.commit(tx, tally).await?;
        }
        names.learn();
        Ok(imported)
    }

    /// Takes out what is stored already, and what is said twice. How many those were.
    async fn leave_out_known(&self, number: Option<u32>, points: &mut Vec<Point>) -> Result<u64, StoreError> {
        let before = points.len();
        points.sort_by_key(|point| point.at);
        let mut known: HashSet<Same> = HashSet::new();
        if let Some(series) = number.and_then(|number| self.catalogue.by_number(number))
            && let (Some(first), Some(last)) = (points.first(), points.last())
        {
            let (mut at, to) = (first.at.0, last.at.0 + 1);
            let wanted: HashSet<i64> = points.iter().map(|point| point.at.0).collect();
            loop {
                let raw = self.raw(std::slice::from_ref(&series), at, to, POINTS_AT_ONCE).await?;
                known.extend(raw.points.iter().filter(|point| wanted.contains(&point.at.0)).map(same));
                match raw.next {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
        points.retain(|point| known.insert(same(point)));
        Ok((before - points.len()) as u64)
    }
}
