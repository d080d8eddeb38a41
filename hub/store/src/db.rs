//! The one database: opening it, one writer, a few readers, and transactions. Knows nothing of what the rooms keep.
//!
//! sqlx's own transactions are not used by the rooms: SQLite ends a transaction by itself when the disk is full, sqlx
//! 0.9 then still counts it as open, and the connection is lost for `BEGIN IMMEDIATE`. Here a transaction that ended in
//! any way but a commit is rolled back by whoever writes next.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use domovoi_model::{BootId, Moment, Timestamp};
use domovoi_vault::{MasterId, MasterKey, Purpose, Vault, WrappedKey};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, Sqlite, SqliteConnection, SqlitePool};

use crate::at_hand::AtHand;
use crate::audit;
use crate::error::{OpenError, StoreError, is_not_a_database};
use crate::schema::{self, Found};
use crate::tables::Table;

/// `data_key.seals` is kept ahead of the truth by up to so many: a seal is counted on the disk before it is made, at the
/// price of one more written page in so many commits, and of a count that runs ahead a little with every start.
const SEALS_STEP: u64 = 1 << 16;

/// At the end of the id of a row that was put aside.
const ASIDE: &[u8] = b" damaged";

/// Where a row is put aside.
pub(crate) fn aside(id: &[u8; 32]) -> Vec<u8> {
    [&id[..], ASIDE].concat()
}

/// Whether a row was put aside: its id is longer than any.
pub(crate) fn is_aside(id: &[u8]) -> bool {
    id.len() > 32 && id.ends_with(ASIDE)
}

pub(crate) struct Db {
    pub vault: std::sync::Arc<Vault>,
    /// For rotation. The data keys in `vault` open as much; keeping it gives nothing more away.
    pub master: Mutex<MasterKey>,
    /// One rotation at a time.
    pub rotation: tokio::sync::Mutex<()>,
    /// Wall time of the start of each settled run.
    boots: RwLock<HashMap<BootId, i64>>,
    /// Who may connect to the broker.
    pub at_hand: AtHand,
    writer: tokio::sync::Mutex<Writer>,
    /// How the writer's connection is made, and another one for the checkpoints.
    pub(crate) writing: SqliteConnectOptions,
    readers: SqlitePool,
    /// Held by whoever folds the log in on a connection of its own, and taken before the writer.
    pub(crate) folding: tokio::sync::Mutex<()>,
    /// About how many pages were written since the log was last folded in whole.
    pub(crate) frames: AtomicU64,
    pub(crate) due: std::sync::Arc<tokio::sync::Notify>,
    /// Held shared from the reading of a blob until it is opened, so that a key is not forgotten in between.
    pub opening: tokio::sync::RwLock<()>,
}

pub(crate) struct Writer {
    conn: SqliteConnection,
    /// A transaction was begun and not seen to its end.
    open: bool,
    /// A commit failed in another way than for lack of room: the connection is given up. What an fsync has failed to
    /// write the kernel forgets, and a second fsync that succeeds says nothing about it.
    broken: bool,
    /// Deleted content is not overwritten.
    careless: bool,
    /// Which data key, and up to which count its seals are counted on the disk.
    counted: (u32, u64),
}

impl Writer {
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    /// A transaction is about to begin.
    pub fn begins(&mut self) {
        self.open = true;
    }

    async fn start(&mut self) -> Result<(), StoreError> {
        self.open = true;
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await.map_err(StoreError::from);
        self.broken |= matches!(begun, Err(StoreError::Io(_)));
        begun.map(drop)
    }

    /// How it ended.
    pub fn ended<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.open = false,
            Err(StoreError::Io(_)) => self.broken = true,
            Err(_) => {}
        }
        outcome
    }
}

/// A transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
pub(crate) struct Tx<'a> {
    db: &'a Db,
    writer: tokio::sync::MutexGuard<'a, Writer>,
}

/// A connection that only reads.
pub(crate) struct Reader<'a> {
    conn: PoolConnection<Sqlite>,
    _opening: tokio::sync::RwLockReadGuard<'a, ()>,
}

impl Reader<'_> {
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }
}

impl Tx<'_> {
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.writer.conn
    }

    /// Ends a transaction that only looked: whoever reads the file from outside need not wait for the next write.
    pub async fn give_up(mut self) {
        self.writer.open = sqlx::query("ROLLBACK").execute(self.conn()).await.is_err();
    }

    /// Durable when this returns. An error may also mean that it is durable and the answer was lost.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let key = self.db.vault.current_key();
        let seals = self.db.vault.seals(key);
        let mut counted = self.writer.counted;
        if counted.0 != key || seals >= counted.1 {
            counted = (key, seals.saturating_add(SEALS_STEP));
            count_seals(self.conn(), counted).await?;
        }
        let committed = sqlx::query("COMMIT").execute(self.conn()).await.map_err(StoreError::from);
        self.writer.ended(committed)?;
        self.writer.counted = counted;
        self.db.wrote(4);
        Ok(())
    }
}

impl Db {
    pub async fn open(data_dir: &Path, readers: u32, master: &MasterKey) -> Result<Self, OpenError> {
        private_folder(data_dir).map_err(|error| OpenError::Folder { path: data_dir.to_owned(), error })?;
        let path = database_path(data_dir);
        private_file(&path).map_err(|error| OpenError::Folder { path: path.clone(), error })?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        // Deleted content is overwritten: a wrap under a master key that was given up must not linger in a free page.
        // The log is folded in by a task of its own (`checkpoint`); this is for the case that it falls behind.
        let writing = options.clone().pragma("secure_delete", "ON").pragma("wal_autocheckpoint", "6000");
        let mut conn = writing.connect().await.map_err(|error| match is_not_a_database(&error) {
            true => OpenError::NotOurs { path: path.clone() },
            false => StoreError::from(error).into(),
        })?;
        let vault = match schema::inspect(&mut conn, &path).await? {
            Found::Empty => {
                write_ahead(&mut conn).await?;
                create(&mut conn, master).await?
            }
            Found::Ours(version) => {
                // Before the migrations: the wrong master changes nothing. The shape of data_key is the same for ever.
                let vault = open_vault(&mut conn, master).await?;
                write_ahead(&mut conn).await?;
                schema::migrate(&mut conn, version, &vault).await?;
                vault
            }
        };
        let key = vault.current_key();
        let counted = (key, vault.seals(key).saturating_add(SEALS_STEP));
        if let Err(error) = count_seals(&mut conn, counted).await {
            // A full disk must not keep a home from starting.
            tracing::warn!(%error, "this start is not counted among the data key's seals");
        }
        // What is read is seldom read twice: half a megabyte for each reader.
        let reading = options.pragma("query_only", "ON").pragma("cache_size", "-512");
        Ok(Db {
            vault: std::sync::Arc::new(vault),
            master: Mutex::new(master.clone()),
            rotation: tokio::sync::Mutex::new(()),
            boots: RwLock::default(),
            at_hand: AtHand::default(),
            writer: tokio::sync::Mutex::new(Writer { conn, open: false, broken: false, careless: false, counted }),
            writing,
            folding: tokio::sync::Mutex::default(),
            frames: AtomicU64::new(0),
            due: std::sync::Arc::new(tokio::sync::Notify::new()),
            readers: SqlitePoolOptions::new()
                .max_connections(readers.max(1))
                .test_before_acquire(false)
                .connect_lazy_with(reading),
            opening: tokio::sync::RwLock::new(()),
        })
    }

    /// The writer, with no transaction open; waits for whoever has it.
    pub(crate) async fn writer(&self) -> Result<tokio::sync::MutexGuard<'_, Writer>, StoreError> {
        let mut writer = self.writer.lock().await;
        if writer.broken {
            let conn = self.writing.connect().await?;
            let old = std::mem::replace(&mut writer.conn, conn);
            // Its transaction ends with it. The new one is there already, so nothing is folded in by its going.
            let _ = old.close().await;
            writer.open = false;
            writer.careless = false;
            // Frames of the failed commit may lie in the log, known to the kernel and not to the disk. A log that is
            // folded in is begun anew, and they are in nobody's way.
            match sqlx::query("PRAGMA wal_checkpoint(RESTART)")
                .execute(&mut writer.conn)
                .await
                .map_err(StoreError::from)
            {
                Ok(_) | Err(StoreError::Full) => writer.broken = false,
                Err(error) => return Err(error),
            }
            tracing::warn!("the database was opened anew after a failure of the disk");
        }
        if writer.open {
            // Fails where SQLite has ended the transaction by itself: that is as good.
            let _ = sqlx::query("ROLLBACK").execute(&mut writer.conn).await;
            writer.open = false;
        }
        if writer.careless {
            overwrite_deleted(&mut writer.conn, true).await?;
            writer.careless = false;
        }
        Ok(writer)
    }

    /// Whether more seals were made than are counted on the disk.
    pub(crate) fn must_count_seals(&self, writer: &Writer) -> bool {
        let key = self.vault.current_key();
        writer.counted.0 != key || self.vault.seals(key) >= writer.counted.1
    }

    /// Begins a transaction that may write; waits for the one before it.
    pub async fn begin(&self) -> Result<Tx<'_>, StoreError> {
        let mut writer = self.writer().await?;
        writer.start().await?;
        Ok(Tx { db: self, writer })
    }

    /// Begins a transaction that does not overwrite what it deletes, for rows that say nothing without a key that is
    /// not among them: overwriting would write each of them to the card once more.
    pub async fn begin_careless(&self) -> Result<Tx<'_>, StoreError> {
        let mut writer = self.writer().await?;
        overwrite_deleted(&mut writer.conn, false).await?;
        writer.careless = true;
        writer.start().await?;
        Ok(Tx { db: self, writer })
    }

    /// Puts a row that is about to be written over, or removed, aside if it does not open: it is what there is to find out from
    /// what became of it. `opens` tells whether it does.
    pub async fn keep_damaged(
        &self,
        tx: &mut Tx<'_>,
        table: &Table,
        id: &[u8; 32],
        opens: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let look = format!("SELECT sealed FROM {} WHERE id = ?1", table.name);
        let found = sqlx::query(sqlx::AssertSqlSafe(look)).bind(id.to_vec()).fetch_optional(tx.conn()).await?;
        let Some(row) = found else { return Ok(()) };
        if opens(row.try_get(0)?) {
            return Ok(());
        }
        let put = format!("UPDATE OR REPLACE {} SET id = ?2 WHERE id = ?1", table.name);
        sqlx::query(sqlx::AssertSqlSafe(put)).bind(id.to_vec()).bind(aside(id)).execute(tx.conn()).await?;
        tracing::error!(table = table.name, "a row that does not open is kept aside");
        Ok(())
    }

    /// A connection to read with. Not to be asked for while one is held: see `opening`.
    pub async fn read(&self) -> Result<Reader<'_>, StoreError> {
        let opening = self.opening.read().await;
        Ok(Reader { conn: self.readers.acquire().await?, _opening: opening })
    }

    /// Moves the write-ahead log into the database and empties it, if no reader is in the way.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut writer.conn).await?;
        Ok(())
    }

    /// Moves the write-ahead log into the database and empties it: what was overwritten is then in neither. Waits for
    /// those who read, and lets nobody begin to read meanwhile.
    pub async fn empty_log(&self) -> Result<(), StoreError> {
        // SQLite does not wait for another checkpoint, it gives up at once.
        let _nobody_folds = self.folding.lock().await;
        // The writer before the readers: whoever writes may still ask for a reader.
        let mut writer = self.writer().await?;
        let _nobody_reads = self.opening.write().await;
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut writer.conn).await?;
        let busy: i64 = row.try_get(0)?;
        if busy == 0 { Ok(()) } else { Err(StoreError::Io("the log is in use and could not be emptied".into())) }
    }

    /// Where the database lies.
    pub(crate) fn path(&self) -> &Path {
        self.writing.get_filename()
    }

    pub async fn close_readers(&self) {
        self.readers.close().await;
    }

    pub fn settled(&self, boot: BootId) -> Option<i64> {
        self.boots.read().unwrap_or_else(PoisonError::into_inner).get(&boot).copied()
    }

    pub fn set_settled(&self, boot: BootId, wall_at_start: Option<i64>) {
        let mut boots = self.boots.write().unwrap_or_else(PoisonError::into_inner);
        match wall_at_start {
            Some(wall) => boots.insert(boot, wall),
            None => boots.remove(&boot),
        };
    }

    /// Wall time, where the start of the run is known by now.
    pub fn resolve(&self, moment: Moment) -> Moment {
        match moment {
            Moment::SinceBoot { boot, millis } => match self.settled(boot) {
                Some(wall) => Moment::Wall(Timestamp(wall).plus_millis(millis)),
                None => moment,
            },
            wall => wall,
        }
    }

    /// As after a commit that failed for another reason than a full disk.
    #[cfg(test)]
    pub async fn break_writer(&self) {
        self.writer.lock().await.broken = true;
    }

    #[cfg(test)]
    pub async fn limit_pages(&self, pages: u32) {
        let mut writer = self.writer.lock().await;
        let pragma = format!("PRAGMA max_page_count = {pages}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(&mut writer.conn).await.unwrap();
    }
}

pub(crate) fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join("domovoi.db")
}

/// Makes the folder if need be, and its owner's alone.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Made before SQLite makes it, because SQLite gives the log files the mode that the database has.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// `secure_delete` takes effect when the statement is prepared: it must not come from a cache of prepared ones.
async fn overwrite_deleted(conn: &mut SqliteConnection, overwrite: bool) -> Result<(), StoreError> {
    let pragma = if overwrite { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = OFF" };
    sqlx::raw_sql(pragma).execute(conn).await?;
    Ok(())
}

async fn write_ahead(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA journal_mode = WAL").execute(conn).await?;
    Ok(())
}

/// Tables and first keys in one transaction: a power cut leaves an empty file, which counts as none.
async fn create(conn: &mut SqliteConnection, master: &MasterKey) -> Result<Vault, StoreError> {
    let (vault, wraps) = Vault::create(master)?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    schema::create(conn).await?;
    for wrapped in &wraps {
        insert_wrap(conn, wrapped, None).await?;
    }
    audit::begin(&vault, conn).await?;
    sqlx::query("COMMIT").execute(&mut *conn).await?;
    Ok(vault)
}

async fn open_vault(conn: &mut SqliteConnection, master: &MasterKey) -> Result<Vault, OpenError> {
    let rows = sqlx::query("SELECT key_id, master_id, purpose, wrapped, seals FROM data_key")
        .fetch_all(&mut *conn)
        .await
        .map_err(StoreError::from)?;
    let mut wraps = Vec::new();
    let mut seals = Vec::new();
    for row in &rows {
        let wrapped = read_wrap(row)?;
        let counted: i64 = row.try_get(4).map_err(StoreError::from)?;
        seals.push((wrapped.key_id, u64::try_from(counted).unwrap_or(0)));
        wraps.push(wrapped);
    }
    let vault = Vault::open(master, &wraps)?;
    let id = master.id();
    for (wrapped, (key_id, counted)) in wraps.iter().zip(seals) {
        if wrapped.master_id == id {
            vault.note_seals(key_id, counted);
        }
    }
    // Left over from a replacement of the master key that was cut short, before or after its rename: either way the
    // key that has just opened the vault is the one that counts (vault, Replacement).
    if wraps.iter().any(|wrapped| wrapped.master_id != id) {
        let query = sqlx::query("DELETE FROM data_key WHERE master_id <> ?1").bind(id.to_vec());
        if let Err(error) = query.execute(&mut *conn).await {
            tracing::warn!(%error, "keys wrapped under an earlier master key are still there; the next start tries again");
        }
    }
    Ok(vault)
}

async fn count_seals(conn: &mut SqliteConnection, (key_id, seals): (u32, u64)) -> Result<(), StoreError> {
    sqlx::query("UPDATE data_key SET seals = ?1 WHERE key_id = ?2")
        .bind(i64::try_from(seals).unwrap_or(i64::MAX))
        .bind(i64::from(key_id))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn insert_wrap(
    conn: &mut SqliteConnection,
    wrapped: &WrappedKey,
    created_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO data_key (key_id, master_id, purpose, created_at, wrapped) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(i64::from(wrapped.key_id))
        .bind(wrapped.master_id.to_vec())
        .bind(i64::from(wrapped.purpose.code()))
        .bind(created_at.map(|at| at.0))
        .bind(wrapped.bytes.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) fn read_wrap(row: &SqliteRow) -> Result<WrappedKey, StoreError> {
    let damaged = || StoreError::damaged("data_key: a row is not what this program writes");
    let key_id: i64 = row.try_get(0)?;
    let master_id: Vec<u8> = row.try_get(1)?;
    let purpose: i64 = row.try_get(2)?;
    Ok(WrappedKey {
        key_id: u32::try_from(key_id).map_err(|_| damaged())?,
        master_id: MasterId::try_from(master_id.as_slice()).map_err(|_| damaged())?,
        purpose: u8::try_from(purpose).ok().and_then(Purpose::from_code).ok_or_else(damaged)?,
        bytes: row.try_get(3)?,
    })
}
