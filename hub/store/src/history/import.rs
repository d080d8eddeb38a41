//! Samples of the past from elsewhere, straight into blocks. What is there already (the same series, time and value) is
//! left out, so that an import that was cut short is simply done again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domovoi_model::{DeviceRef, Moment, Sample, Timestamp, Unit, Value};

use super::archive::{Archive, BlockHead, blocks_of, head_of, open_block};
use super::raw::elsewhere;
use super::read::{Imported, Point};
use super::series::Series;
use crate::error::StoreError;

/// So many samples are taken at a time.
pub const IMPORT_LIMIT: usize = 20_000;

/// 9999-12-31T23:59:59.999Z.
const LATEST: i64 = 253_402_300_799_999;

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
        let mut of_names: HashMap<(DeviceRef, String, Unit), Vec<Point>> = HashMap::new();
        for sample in samples {
            let name = (sample.device.clone(), sample.property.clone(), sample.unit);
            of_names.entry(name).or_default().extend(Point::of(sample));
        }
        let mut known: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
        let mut unnamed = Vec::new();
        for (name, points) in of_names {
            let series = self.catalogue.names().find(&name.0, &name.1, name.2).cloned();
            let before = points.len();
            let points = self.leave_out_known(series.as_ref(), points).await?;
            imported.duplicates += (before - points.len()) as u64;
            imported.kept += points.len() as u64;
            match series {
                _ if points.is_empty() => {}
                Some(series) => drop(known.insert(series.number, points)),
                None => unnamed.push((name, points)),
            }
        }
        if imported.kept == 0 {
            return Ok(imported);
        }
        let (names, unnamed): (Vec<_>, Vec<_>) = unnamed.into_iter().unzip();
        known.extend(self.number_series(&names).await?.into_iter().zip(unnamed));
        let due = self.days_of(&known).await?;
        let blocks = elsewhere(move || {
            Ok(known.into_iter().flat_map(|(series, points)| blocks_of(series, points)).collect::<Vec<_>>())
        });
        let blocks = blocks.await?;
        let mut ready = self.seal_blocks(blocks).await?;
        let mut tally = self.tally();
        // Before the writer: who reads for long holds up nobody who commits.
        let nobody_reads = self.layout.write().await;
        let mut tx = self.db.begin().await?;
        self.insert_blocks(&mut tx, &mut ready, &mut tally).await?;
        self.mark_due(&mut tx, due).await?;
        self.commit(tx, tally).await?;
        drop(nobody_reads);
        Ok(imported)
    }

    /// Without what is stored already, and what is said twice. Whoever holds `work` need not hold `layout` to read blocks:
    /// nothing moves. Each block that may hold one of them is opened once.
    async fn leave_out_known(
        &self,
        series: Option<&Arc<Series>>,
        mut points: Vec<Point>,
    ) -> Result<Vec<Point>, StoreError> {
        points.sort_by_key(|point| point.at);
        let mut known: HashSet<Same> = HashSet::new();
        if let (Some(series), Some(first), Some(last)) = (series, points.first(), points.last()) {
            let (from, to) = (first.at.0, last.at.0.saturating_add(1));
            let wanted: Vec<i64> = points.iter().map(|point| point.at.0).collect();
            let journal = {
                let held = self.layout.read().await;
                self.journal(&held, std::slice::from_ref(series), from, to, &mut Vec::new()).await?
            };
            known.extend(journal.iter().filter(|point| is_among(&wanted, point.at.0, point.at.0)).map(same));
            let rows = {
                let mut reader = self.db.read().await?;
                sqlx::query(
                    "SELECT id, series, from_at, to_at, samples FROM block
                     WHERE series = ?1 AND from_at < ?3 AND to_at >= ?2",
                )
                .bind(i64::from(series.number))
                .bind(from)
                .bind(to)
                .fetch_all(reader.conn())
                .await?
            };
            for row in &rows {
                let head = head_of(row)?;
                if is_among(&wanted, head.from, head.to) {
                    known.extend(self.of_block(head, &wanted).await?);
                }
            }
        }
        elsewhere(move || {
            points.retain(|point| known.insert(same(point)));
            Ok(points)
        })
        .await
    }

    /// What a block holds of some moments. One that does not open tells nothing: its samples are gone.
    async fn of_block(&self, head: BlockHead, wanted: &[i64]) -> Result<Vec<Same>, StoreError> {
        let sealed = self.fetch_blocks(self.db.read().await?.conn(), &[head.id]).await?.remove(&head.id);
        let Some(sealed) = sealed else { return Ok(Vec::new()) };
        let (db, of_block) = (Arc::clone(&self.db), within(wanted, head.from, head.to).to_vec());
        elsewhere(move || match open_block(&db, &head, Unit::None, &sealed) {
            Ok(points) => {
                let wanted = points.iter().filter(|point| is_among(&of_block, point.at.0, point.at.0));
                Ok(wanted.map(same).collect())
            }
            Err(StoreError::Damaged { .. }) => Ok(Vec::new()),
            Err(other) => Err(other),
        })
        .await
    }
}

/// Those of the moments, which rise, that lie in a span.
fn within(moments: &[i64], from: i64, to: i64) -> &[i64] {
    let (begin, end) = (moments.partition_point(|at| *at < from), moments.partition_point(|at| *at <= to));
    moments.get(begin..end).unwrap_or_default()
}

fn is_among(moments: &[i64], from: i64, to: i64) -> bool {
    !within(moments, from, to).is_empty()
}
