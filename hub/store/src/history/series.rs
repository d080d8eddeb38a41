//! The series by number: one property of one device in one unit, as journal rows and blocks name it. All of them are in
//! memory; a new one is written in the transaction that first uses it, and is known only once that is durable.
//!
//! Knows nothing of samples but whose they are. Numbers begin at 1 and are never given to another series.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domovoi_model::{DeviceRef, Sample, Timestamp, Unit};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection};

use super::encoding::Numbered;
use super::{NotKept, unit_code, unit_from_code};
use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::group::write_series;
use crate::tables::SERIES;

/// So many series and no more: a publisher that invents devices must not fill the memory. A home has some thousands.
pub(super) const SERIES_LIMIT: usize = 100_000;

/// The longest name of a series (dialect, device and property together), in bytes, for the same reason.
pub const NAME_LIMIT: usize = 1024;

/// The dialect of series whose device was forgotten. No dialect of devices is called so.
const ERASED: &str = "erased";

/// A series.
#[derive(Debug)]
pub(super) struct Series {
    pub number: u32,
    pub device: DeviceRef,
    pub property: String,
    pub unit: Unit,
    /// The newest wall time since the start; `i64::MIN` before there is one.
    newest: AtomicI64,
}

impl Series {
    fn new(number: u32, device: DeviceRef, property: String, unit: Unit) -> Arc<Self> {
        Arc::new(Series { number, device, property, unit, newest: AtomicI64::new(i64::MIN) })
    }

    /// The newest sample since the start of the daemon.
    pub fn newest(&self) -> Option<Timestamp> {
        let newest = self.newest.load(Ordering::Relaxed);
        (newest != i64::MIN).then_some(Timestamp(newest))
    }

    /// A sample of that time is durable.
    pub fn heard(&self, at: Timestamp) {
        self.newest.fetch_max(at.0, Ordering::Relaxed);
    }
}

/// As a row keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    dialect: String,
    id: String,
    property: String,
    unit: u8,
}

/// The parts of a name, borrowed from wherever they are: a look-up allocates nothing.
trait Named {
    fn parts(&self) -> (&str, &str, &str);
}

impl Named for (&DeviceRef, &str) {
    fn parts(&self) -> (&str, &str, &str) {
        (&self.0.dialect, &self.0.id, self.1)
    }
}

/// A key of the map: the name of any series of the property.
struct ByName(Arc<Series>);

impl Named for ByName {
    fn parts(&self) -> (&str, &str, &str) {
        (&self.0.device.dialect, &self.0.device.id, &self.0.property)
    }
}

impl<'a> Borrow<dyn Named + 'a> for ByName {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for ByName {}

/// The series that are durable.
pub(super) struct Names {
    /// The units of a property, each a series.
    by_name: HashMap<ByName, Vec<Arc<Series>>>,
    by_number: HashMap<u32, Arc<Series>>,
    /// Rows that do not open, by their keyed hash: once their series is heard of again, they are written anew.
    damaged: HashMap<Vec<u8>, u32>,
    next: u32,
}

impl Names {
    /// A sample with the name of its series, if that is known.
    pub fn named(&self, sample: Numbered) -> Option<Sample> {
        let series = self.by_number(sample.series)?;
        Some(Sample {
            device: series.device.clone(),
            property: series.property.clone(),
            value: sample.value,
            unit: series.unit,
            quality: sample.quality,
            at: sample.at,
            device_time: sample.device_time,
        })
    }

    pub fn by_number(&self, number: u32) -> Option<&Arc<Series>> {
        self.by_number.get(&number)
    }

    pub fn find(&self, device: &DeviceRef, property: &str, unit: Unit) -> Option<&Arc<Series>> {
        let name: &dyn Named = &(device, property);
        self.by_name.get(name)?.iter().find(|series| series.unit == unit)
    }

    fn learn(&mut self, series: Arc<Series>) {
        self.next = self.next.max(series.number.saturating_add(1));
        if self.by_number.insert(series.number, Arc::clone(&series)).is_none() {
            self.by_name.entry(ByName(Arc::clone(&series))).or_default().push(series);
        }
    }
}

/// Every series.
pub(super) struct Catalogue {
    names: RwLock<Names>,
    /// Held from the choice of a number until it is known or given up: two transactions do not choose the same.
    minting: tokio::sync::Mutex<()>,
    /// A transaction with new series failed, and may be durable all the same: the table is asked before the next.
    in_doubt: AtomicBool,
    limit: usize,
}

impl Catalogue {
    /// Reads all of them. Damaged rows are reported and stay where they are.
    pub async fn load(db: &Db, limit: usize) -> Result<Self, StoreError> {
        let names = Names { by_name: HashMap::new(), by_number: HashMap::new(), damaged: HashMap::new(), next: 1 };
        let catalogue = Catalogue {
            names: RwLock::new(names),
            minting: tokio::sync::Mutex::new(()),
            in_doubt: AtomicBool::new(false),
            limit,
        };
        catalogue.read_rows(db, db.read().await?.conn()).await?;
        Ok(catalogue)
    }

    pub fn names(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn by_number(&self, number: u32) -> Option<Arc<Series>> {
        self.names().by_number(number).cloned()
    }

    /// The series of a property: one for each unit that it ever had, oldest first.
    pub fn of_property(&self, device: &DeviceRef, property: &str) -> Vec<Arc<Series>> {
        let name: &dyn Named = &(device, property);
        self.names().by_name.get(name).cloned().unwrap_or_default()
    }

    /// The series of a device.
    pub fn of_device(&self, device: &DeviceRef) -> Vec<Arc<Series>> {
        self.names().by_number.values().filter(|series| series.device == *device).cloned().collect()
    }

    /// Those that lost their names for good.
    pub fn erased(&self) -> Vec<Arc<Series>> {
        self.names().by_number.values().filter(|series| series.device.dialect == ERASED).cloned().collect()
    }

    /// Takes the names of series out of their rows, within a transaction of somebody who mints. They are known until
    /// [`Catalogue::forget_names`].
    pub(super) async fn take_names(
        &self,
        db: &Db,
        tx: &mut Tx<'_>,
        series: &[Arc<Series>],
    ) -> Result<Vec<Arc<Series>>, StoreError> {
        let mut nameless = Vec::with_capacity(series.len());
        for one in series {
            let device = DeviceRef::new(ERASED, one.number.to_string());
            let row = Sealed {
                dialect: device.dialect.clone(),
                id: device.id.clone(),
                property: ERASED.to_owned(),
                unit: unit_code(one.unit),
            };
            let number = i64::from(one.number);
            sqlx::query("UPDATE series SET once = ?2, sealed = ?3 WHERE id = ?1")
                .bind(number)
                .bind(hash(db, &device, ERASED, one.unit).to_vec())
                .bind(SERIES.seal_json(&db.vault, &number.to_be_bytes(), &row)?)
                .execute(tx.conn())
                .await?;
            nameless.push(Series::new(one.number, device, ERASED.to_owned(), one.unit));
        }
        Ok(nameless)
    }

    /// The transaction is durable.
    pub(super) fn forget_names(&self, nameless: Vec<Arc<Series>>) {
        let mut names = self.write();
        for one in nameless {
            let Some(before) = names.by_number.insert(one.number, Arc::clone(&one)) else { continue };
            let name: &dyn Named = &(&before.device, before.property.as_str());
            let units = names.by_name.get_mut(name).map(|units| {
                units.retain(|series| series.number != one.number);
                units.is_empty()
            });
            if units == Some(true) {
                names.by_name.remove(name);
            }
            names.by_name.entry(ByName(Arc::clone(&one))).or_default().push(one);
        }
    }

    /// All of them that have a name, by number.
    pub fn all(&self) -> Vec<Arc<Series>> {
        let names = self.names();
        let named = names.by_number.values().filter(|series| series.device.dialect != ERASED);
        let mut all: Vec<_> = named.cloned().collect();
        drop(names);
        all.sort_unstable_by_key(|series| series.number);
        all
    }

    /// The numbers of those that have lost their name.
    pub fn nameless(&self) -> Vec<u32> {
        self.names().damaged.values().copied().collect()
    }

    /// Begins to number series, the new ones in a transaction of the caller's: nobody else numbers meanwhile. Taken
    /// before the transaction is begun.
    pub async fn mint(&self, db: &Db) -> Result<Minting<'_>, StoreError> {
        let alone = self.minting.lock().await;
        if self.in_doubt.load(Ordering::Relaxed) {
            self.read_rows(db, db.read().await?.conn()).await?;
            self.in_doubt.store(false, Ordering::Relaxed);
        }
        let next = self.names().next;
        Ok(Minting { catalogue: self, _alone: alone, fresh: HashMap::new(), fresh_count: 0, next })
    }

    /// Takes in the rows that are not known yet.
    async fn read_rows(&self, db: &Db, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let from = self.names().next;
        let rows = sqlx::query("SELECT id, once, sealed FROM series WHERE id >= ?1 ORDER BY id")
            .bind(i64::from(from))
            .fetch_all(conn)
            .await?;
        let mut names = self.write();
        for row in &rows {
            let id: i64 = row.try_get(0)?;
            let once: Vec<u8> = row.try_get(1)?;
            let number = u32::try_from(id).map_err(|_| SERIES.damaged(&id.to_be_bytes(), "its number is none"))?;
            match open(db, id, &once, row.try_get(2)?) {
                Ok(row) => names.learn(Series::new(number, row.0, row.1, row.2)),
                Err(error) => {
                    tracing::error!(%error, "a series has lost its name; its samples wait until it is heard of again");
                    names.damaged.insert(once, number);
                    names.next = names.next.max(number.saturating_add(1));
                }
            }
        }
        Ok(())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(db: &Db, id: i64, once: &[u8], sealed: &[u8]) -> Result<(DeviceRef, String, Unit), StoreError> {
    let row: Sealed = SERIES.open_json(&db.vault, &id.to_be_bytes(), sealed)?;
    let unit = unit_from_code(row.unit).ok_or_else(|| SERIES.damaged(&id.to_be_bytes(), "an unknown unit"))?;
    let device = DeviceRef { dialect: row.dialect, id: row.id };
    if once != hash(db, &device, &row.property, unit) {
        return Err(SERIES.damaged(&id.to_be_bytes(), "its column `once` is not what its content says"));
    }
    Ok((device, row.property, unit))
}

fn hash(db: &Db, device: &DeviceRef, property: &str, unit: Unit) -> [u8; 32] {
    let parts = [device.dialect.as_bytes(), device.id.as_bytes(), property.as_bytes(), &[unit_code(unit)]];
    db.vault.keyed_hash("series", &parts)
}

/// Numbers for the series of one transaction.
pub(super) struct Minting<'a> {
    catalogue: &'a Catalogue,
    _alone: tokio::sync::MutexGuard<'a, ()>,
    fresh: HashMap<ByName, Vec<Fresh>>,
    fresh_count: usize,
    next: u32,
}

struct Fresh {
    series: Arc<Series>,
    once: [u8; 32],
    sealed: Vec<u8>,
}

/// A new series as its row: number, keyed hash of the name, and the sealed name.
pub(crate) type FreshRow = (i64, [u8; 32], Vec<u8>);

impl Minting<'_> {
    /// The number of a sample's series, which may be new.
    pub fn number(&mut self, db: &Db, sample: &Sample) -> Result<u32, NotKept> {
        self.series(db, &sample.device, &sample.property, sample.unit).map(|series| series.number)
    }

    /// A series, which may be new.
    pub fn series(&mut self, db: &Db, device: &DeviceRef, property: &str, unit: Unit) -> Result<Arc<Series>, NotKept> {
        let names = self.catalogue.names();
        if let Some(known) = names.find(device, property, unit) {
            return Ok(Arc::clone(known));
        }
        let name: &dyn Named = &(device, property);
        let minted = self.fresh.get(name).and_then(|units| units.iter().find(|fresh| fresh.series.unit == unit));
        if let Some(minted) = minted {
            return Ok(Arc::clone(&minted.series));
        }
        if device.dialect.len() + device.id.len() + property.len() > NAME_LIMIT {
            return Err(NotKept::Series("its name is too long"));
        }
        if names.by_number.len() + names.damaged.len() + self.fresh_count >= self.catalogue.limit {
            return Err(NotKept::Series("there are too many series already"));
        }
        let once = hash(db, device, property, unit);
        let number = names.damaged.get(once.as_slice()).copied().unwrap_or(self.next);
        drop(names);
        let row = Sealed {
            dialect: device.dialect.clone(),
            id: device.id.clone(),
            property: property.to_owned(),
            unit: unit_code(unit),
        };
        let sealed = SERIES
            .seal_json(&db.vault, &i64::from(number).to_be_bytes(), &row)
            .map_err(|error| NotKept::Failed(error.to_string()))?;
        self.next = self.next.max(number.saturating_add(1));
        self.fresh_count += 1;
        let series = Series::new(number, device.clone(), property.to_owned(), unit);
        let fresh = Fresh { series: Arc::clone(&series), once, sealed };
        self.fresh.entry(ByName(Arc::clone(&series))).or_default().push(fresh);
        Ok(series)
    }

    /// The rows to write. From here on the table is in doubt, until [`Minting::learn`].
    pub fn rows(&self) -> Vec<FreshRow> {
        let fresh = self.fresh.values().flatten();
        let rows: Vec<FreshRow> =
            fresh.map(|fresh| (i64::from(fresh.series.number), fresh.once, fresh.sealed.clone())).collect();
        if !rows.is_empty() {
            self.catalogue.in_doubt.store(true, Ordering::Relaxed);
        }
        rows
    }

    /// Writes the new ones within a transaction.
    pub(super) async fn write(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        write_series(conn, &self.rows()).await
    }

    /// The transaction is durable.
    pub fn learn(self) {
        let mut names = self.catalogue.write();
        for fresh in self.fresh.into_values().flatten() {
            names.damaged.remove(fresh.once.as_slice());
            names.learn(fresh.series);
        }
        self.catalogue.in_doubt.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
