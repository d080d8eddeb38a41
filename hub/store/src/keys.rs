//! Rotation of the keys, and verification of everything that is sealed. Makes no decision of when: that is the owner's.

use std::sync::{Arc, PoisonError};

use domovoi_model::Timestamp;
use domovoi_vault::{MasterId, Replacement, SEALS_WARNING, key_id_of};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::db::{Db, insert_wrap, read_wrap};
use crate::error::StoreError;
use crate::history;
use crate::tables::{SEALED, Table};

/// A row that does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// In which table.
    pub table: &'static str,
    /// Its id: a number, or hex digits. Empty where the table itself cannot be read on.
    pub row: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key that everything is sealed with now.
    pub current: u32,
    /// How many rows this call sealed anew.
    pub resealed: u64,
    /// The keys that were forgotten.
    pub retired: Vec<u32>,
    /// The rows that do not open. They are left as they are, and the keys they name are kept.
    pub damaged: Vec<Damage>,
}

/// One data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Which.
    pub key_id: u32,
    /// Whether it is the one that seals.
    pub current: bool,
    /// When rotation made it; `None` for the first one.
    pub created_at: Option<Timestamp>,
    /// How many rows are sealed with it.
    pub rows: u64,
    /// About how often it sealed.
    pub seals: u64,
}

/// The keys of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Names the master key.
    pub master_id: MasterId,
    /// The data keys, oldest first.
    pub keys: Vec<KeyStatus>,
    /// The current key has sealed so often that it should be replaced.
    pub rotation_due: bool,
    /// A rotation was cut short; the next call goes on with it.
    pub rotation_unfinished: bool,
}

/// The keys.
#[derive(Clone)]
pub struct Keys {
    db: Arc<Db>,
}

impl Keys {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Keys { db }
    }

    /// Seals everything anew under a new data key, then forgets the old one. The store works on meanwhile. `progress`
    /// is told how many rows are done, of how many, after every batch. Cut short at any point (by a power cut, or by
    /// dropping the future) it has lost nothing, and the next call goes on where it stopped. `now` dates the new key.
    pub async fn rotate(
        &self,
        now: Option<Timestamp>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Rotation, StoreError> {
        let _alone = self.db.rotation.lock().await;
        if !self.unfinished().await? {
            self.new_key(now).await?;
        }
        let current = self.db.vault.current_key();
        let mut total = 0;
        for table in SEALED {
            total += self.rows_of(table, |key| key != Some(current)).await?;
        }
        let mut rotation = Rotation { current, resealed: 0, retired: Vec::new(), damaged: Vec::new() };
        progress(0, total);
        for table in SEALED {
            let mut last = None;
            while let Some((next, resealed)) = self.reseal(table, last, current, &mut rotation.damaged).await? {
                last = Some(next);
                if resealed > 0 {
                    rotation.resealed += resealed;
                    progress(rotation.resealed + rotation.damaged.len() as u64, total);
                }
            }
        }
        rotation.retired = self.retire(current).await?;
        self.db.checkpoint().await?;
        crate::standby::forget(&self.db)?;
        Ok(rotation)
    }

    /// Wraps the data keys under another master key. Begin the `replacement` with the file of the settings; a power cut
    /// at any point leaves a store that opens with whichever file is in place then.
    pub async fn rotate_master(&self, replacement: Replacement) -> Result<MasterId, StoreError> {
        let _alone = self.db.rotation.lock().await;
        self.add_wraps(&replacement).await?;
        let master = replacement.finish().map_err(|error| StoreError::Io(error.to_string()))?;
        let id = master.id();
        *self.db.master.lock().unwrap_or_else(PoisonError::into_inner) = master;
        let mut tx = self.db.begin().await?;
        sqlx::query("DELETE FROM data_key WHERE master_id <> ?1").bind(id.to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        // The old wraps are in the log too, until it is emptied, and in the standby, until a daemon makes it anew.
        self.db.checkpoint().await?;
        crate::standby::forget(&self.db)?;
        Ok(id)
    }

    /// Which keys there are and what they hold. Walks over all rows.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let vault = &self.db.vault;
        let master_id = self.master_id();
        let current = vault.current_key();
        let mut keys = Vec::new();
        for key_id in vault.key_ids() {
            let mut rows = 0;
            for table in SEALED {
                rows += self.rows_of(table, |key| key == Some(key_id)).await?;
            }
            let mut reader = self.db.read().await?;
            let row = sqlx::query("SELECT created_at FROM data_key WHERE key_id = ?1 AND master_id = ?2")
                .bind(i64::from(key_id))
                .bind(master_id.to_vec())
                .fetch_optional(reader.conn())
                .await?;
            let created_at: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
            let created_at = created_at.map(Timestamp);
            keys.push(KeyStatus { key_id, current: key_id == current, created_at, rows, seals: vault.seals(key_id) });
        }
        Ok(Status {
            master_id,
            rotation_due: vault.seals(current) >= SEALS_WARNING,
            rotation_unfinished: self.unfinished().await?,
            keys,
        })
    }

    /// Opens every sealed thing, reads those of history to the last sample, and names each that is not as it was written. `progress` is told how many rows are done, of how many.
    pub async fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<Vec<Damage>, StoreError> {
        let mut damaged = self.quick_check().await?;
        let mut total = 0;
        for table in SEALED {
            total += self.rows_of(table, |_| true).await.unwrap_or(0);
        }
        let mut done = 0;
        progress(done, total);
        for table in SEALED {
            let mut last = None;
            loop {
                let mut reader = self.db.read().await?;
                let rows = match batch(reader.conn(), table, last.take()).await {
                    Ok(rows) => rows,
                    Err(StoreError::Damaged { what }) => {
                        damaged.push(Damage { table: table.name, row: String::new(), why: what });
                        break;
                    }
                    Err(other) => return Err(other),
                };
                for (id, sealed) in &rows {
                    let bytes = id.bytes();
                    let opened = table.open(&self.db.vault, &bytes, sealed);
                    let read = match (opened, id) {
                        (Ok(plain), RowId::Number(id)) => history::verify_row(reader.conn(), table, *id, &plain).await,
                        (opened, _) => opened.map(|_| ()),
                    };
                    match read {
                        Ok(()) => {}
                        Err(error @ StoreError::Damaged { .. }) => {
                            damaged.push(Damage { table: table.name, row: table.spell(&bytes), why: reason(error) });
                        }
                        Err(other) => return Err(other),
                    }
                }
                done += rows.len() as u64;
                let Some((id, _)) = rows.into_iter().next_back() else { break };
                last = Some(id);
                progress(done, total);
            }
        }
        Ok(damaged)
    }

    fn master_id(&self) -> MasterId {
        self.db.master.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// SQLite's own opinion of the file.
    async fn quick_check(&self) -> Result<Vec<Damage>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("PRAGMA quick_check(20)").fetch_all(reader.conn()).await?;
        let said: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        let complaints = said?.into_iter().filter(|line| line != "ok");
        Ok(complaints.map(|why| Damage { table: "sqlite", row: String::new(), why }).collect())
    }

    /// Whether an older key waits for a rotation to go on. A key that a whole pass could not empty does not: what names
    /// it is damaged, and waiting changes nothing.
    async fn unfinished(&self) -> Result<bool, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT 1 FROM data_key WHERE purpose = 0 AND passed = 0 AND key_id < ?1 LIMIT 1")
            .bind(i64::from(self.db.vault.current_key()))
            .fetch_optional(reader.conn())
            .await?;
        Ok(row.is_some())
    }

    /// Its wrap is durable before it seals anything. A wrap that is there already, because the call that wrote it was
    /// cut short, is taken up.
    async fn new_key(&self, now: Option<Timestamp>) -> Result<(), StoreError> {
        let master = self.db.master.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut tx = self.db.begin().await?;
        let others = sqlx::query("SELECT 1 FROM data_key WHERE master_id <> ?1 LIMIT 1")
            .bind(master.id().to_vec())
            .fetch_optional(tx.conn())
            .await?;
        if others.is_some() {
            // Which master the next start will find is not known here, and a key wrapped under the other is lost.
            return Err(StoreError::conflict("the replacement of the master key was cut short: restart, then rotate"));
        }
        let newer = sqlx::query("SELECT key_id, master_id, purpose, wrapped FROM data_key WHERE key_id > ?1")
            .bind(i64::from(self.db.vault.current_key()))
            .fetch_optional(tx.conn())
            .await?;
        let pending = match newer {
            Some(row) => {
                let resumed = self.db.vault.resume_rotation(&master, &read_wrap(&row)?);
                resumed.map_err(|error| StoreError::damaged(error.to_string()))?
            }
            None => {
                let pending = self.db.vault.prepare_rotation(&master)?;
                insert_wrap(tx.conn(), pending.wrapped(), now).await?;
                tx.commit().await?;
                pending
            }
        };
        self.db.vault.adopt(pending);
        Ok(())
    }

    /// One batch of a table, in one transaction. The id to go on behind and the number of rows sealed, until the end.
    async fn reseal(
        &self,
        table: &'static Table,
        last: Option<RowId>,
        current: u32,
        damaged: &mut Vec<Damage>,
    ) -> Result<Option<(RowId, u64)>, StoreError> {
        let update = format!("UPDATE {} SET sealed = ?2 WHERE id = ?1", table.name);
        let mut tx = self.db.begin().await?;
        let rows = batch(tx.conn(), table, last).await?;
        let mut resealed = 0;
        for (id, sealed) in &rows {
            if key_id_of(sealed) == Some(current) {
                continue;
            }
            let bytes = id.bytes();
            match table.open(&self.db.vault, &bytes, sealed) {
                Ok(plaintext) => {
                    let sealed = table.seal(&self.db.vault, &bytes, &plaintext)?;
                    let query = sqlx::query(AssertSqlSafe(update.clone()));
                    id.bind(query).bind(sealed).execute(tx.conn()).await?;
                    resealed += 1;
                }
                Err(error) => {
                    damaged.push(Damage { table: table.name, row: table.spell(&bytes), why: reason(error) });
                }
            }
        }
        if resealed > 0 {
            tx.commit().await?;
        }
        Ok(rows.into_iter().next_back().map(|(id, _)| (id, resealed)))
    }

    /// Forgets the old keys that no row names. The others are marked, so that the next rotation is a new one.
    async fn retire(&self, current: u32) -> Result<Vec<u32>, StoreError> {
        let mut retired = Vec::new();
        let old: Vec<u32> = self.db.vault.key_ids().into_iter().filter(|key| *key != current).collect();
        let mut kept = Vec::new();
        for key_id in &old {
            let mut rows = 0;
            for table in SEALED {
                rows += self.rows_of(table, |key| key == Some(*key_id)).await?;
            }
            if rows == 0 { retired.push(*key_id) } else { kept.push(*key_id) }
        }
        let mut tx = self.db.begin().await?;
        for key_id in &kept {
            sqlx::query("UPDATE data_key SET passed = 1 WHERE key_id = ?1")
                .bind(i64::from(*key_id))
                .execute(tx.conn())
                .await?;
        }
        for key_id in &retired {
            sqlx::query("DELETE FROM data_key WHERE key_id = ?1 AND purpose = 0")
                .bind(i64::from(*key_id))
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await?;
        // Whoever has read a blob from before the pass still opens it.
        let _nobody_reads = self.db.opening.write().await;
        retired.iter().for_each(|key_id| self.db.vault.retire(*key_id));
        Ok(retired)
    }

    /// Step 2 of a replacement of the master key: both masters open the store.
    pub(crate) async fn add_wraps(&self, replacement: &Replacement) -> Result<(), StoreError> {
        let old = self.master_id();
        let wraps = self.db.vault.rewrap(replacement.key())?;
        let mut tx = self.db.begin().await?;
        for wrapped in &wraps {
            insert_wrap(tx.conn(), wrapped, None).await?;
            sqlx::query(
                "UPDATE data_key SET (created_at, seals, passed) =
                     (SELECT created_at, seals, passed FROM data_key WHERE key_id = ?1 AND master_id = ?3)
                 WHERE key_id = ?1 AND master_id = ?2",
            )
            .bind(i64::from(wrapped.key_id))
            .bind(wrapped.master_id.to_vec())
            .bind(old.to_vec())
            .execute(tx.conn())
            .await?;
        }
        tx.commit().await
    }

    /// How many rows of a table name a key that `wanted` picks.
    async fn rows_of(&self, table: &Table, wanted: impl Fn(Option<u32>) -> bool) -> Result<u64, StoreError> {
        let query = format!("SELECT substr(sealed, 1, 5), count(*) FROM {} GROUP BY 1", table.name);
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(reader.conn()).await?;
        let mut count = 0;
        for row in &rows {
            let header: &[u8] = row.try_get(0)?;
            let rows: i64 = row.try_get(1)?;
            if wanted(key_id_of(header)) {
                count += u64::try_from(rows).unwrap_or(0);
            }
        }
        Ok(count)
    }
}

fn reason(error: StoreError) -> String {
    match error {
        StoreError::Damaged { what } => what,
        other => other.to_string(),
    }
}

/// The id of any row of a sealed table.
enum RowId {
    Number(i64),
    Bytes(Vec<u8>),
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl RowId {
    fn of(table: &Table, row: &SqliteRow) -> Result<Self, sqlx::Error> {
        if table.numbered { row.try_get(0).map(RowId::Number) } else { row.try_get(0).map(RowId::Bytes) }
    }

    /// As it is bound into the seal.
    fn bytes(&self) -> Vec<u8> {
        match self {
            RowId::Number(number) => number.to_be_bytes().to_vec(),
            RowId::Bytes(bytes) => bytes.clone(),
        }
    }

    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        match self {
            RowId::Number(number) => query.bind(*number),
            RowId::Bytes(bytes) => query.bind(bytes.clone()),
        }
    }
}

/// The rows behind `last`, in the order of their ids.
async fn batch(
    conn: &mut SqliteConnection,
    table: &Table,
    last: Option<RowId>,
) -> Result<Vec<(RowId, Vec<u8>)>, StoreError> {
    // Numbers above zero and blobs of some length: the first row is behind these.
    let last = last.unwrap_or(if table.numbered { RowId::Number(i64::MIN) } else { RowId::Bytes(Vec::new()) });
    let query = format!("SELECT id, sealed FROM {} WHERE id > ?1 ORDER BY id LIMIT ?2", table.name);
    let rows = last.bind(sqlx::query(AssertSqlSafe(query))).bind(table.batch).fetch_all(conn).await?;
    let mut batch = Vec::with_capacity(rows.len());
    for row in &rows {
        batch.push((RowId::of(table, row)?, row.try_get(1)?));
    }
    Ok(batch)
}
