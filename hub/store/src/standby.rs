//! The standby: a small copy, beside the store, of what a home needs in danger: its keys, credentials, secrets, rooms,
//! devices and what they said about themselves, the reflex's rules, and the dangers that are open. The rows are copied as
//! they are sealed; whoever could not open the store cannot open these. Where the store does not open, or takes its time,
//! a store is made of the copy in memory, for as long as that lasts: what is written there is gone with it.
//!
//! No history, no people, no portal: nobody signs in there, and nothing is told twice.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domovoi_vault::MasterKey;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::db::{Db, database_path, private_file, private_folder};
use crate::error::{OpenError, StoreError};
use crate::{Settings, Store, audit, schema};

const FILE: &str = "standby.db";

/// What is being written; a power cut leaves it, and the next writing begins it anew.
const PART: &str = "standby.part";

/// How a table is copied, and how it is told whether it has changed: every seal has a nonce of its own near its beginning.
const COPIED: [(&str, &str); 8] = [
    (
        "SELECT master_id, wrapped FROM data_key ORDER BY key_id, master_id",
        "INSERT INTO main.data_key SELECT * FROM home.data_key",
    ),
    ("SELECT id, substr(sealed, 1, 64) FROM secret ORDER BY id", "INSERT INTO main.secret SELECT * FROM home.secret"),
    (
        "SELECT id, substr(sealed, 1, 64) FROM credential ORDER BY id",
        "INSERT INTO main.credential SELECT * FROM home.credential",
    ),
    ("SELECT id, substr(sealed, 1, 64) FROM room ORDER BY id", "INSERT INTO main.room SELECT * FROM home.room"),
    ("SELECT id, substr(sealed, 1, 64) FROM device ORDER BY id", "INSERT INTO main.device SELECT * FROM home.device"),
    (
        "SELECT id, substr(sealed, 1, 64) FROM device_word ORDER BY id",
        "INSERT INTO main.device_word SELECT * FROM home.device_word",
    ),
    (
        "SELECT id, substr(sealed, 1, 64) FROM safety_rule ORDER BY id",
        "INSERT INTO main.safety_rule SELECT * FROM home.safety_rule",
    ),
    ("SELECT id, substr(sealed, 1, 64) FROM danger ORDER BY id", "INSERT INTO main.danger SELECT * FROM home.danger"),
];

/// Keeps the copy.
pub struct Standby {
    db: Arc<Db>,
    folder: PathBuf,
    written: Option<u64>,
}

impl Standby {
    pub(crate) fn new(db: Arc<Db>, folder: &Path) -> Self {
        Standby { db, folder: folder.to_owned(), written: None }
    }

    /// Writes the copy anew if what it is made of has changed since this last did; whether it was written.
    pub async fn refresh(&mut self) -> Result<bool, StoreError> {
        let digest = self.digest().await?;
        if self.written == Some(digest) && self.folder.join(FILE).exists() {
            return Ok(false);
        }
        self.write().await?;
        self.written = Some(digest);
        Ok(true)
    }

    async fn digest(&self) -> Result<u64, StoreError> {
        let mut reader = self.db.read().await?;
        let mut hasher = DefaultHasher::new();
        for (look, _) in COPIED {
            for row in sqlx::query(look).fetch_all(reader.conn()).await? {
                row.try_get::<Vec<u8>, _>(0)?.hash(&mut hasher);
                row.try_get::<Vec<u8>, _>(1)?.hash(&mut hasher);
            }
            look.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }

    /// Whole under another name first, and then in the place of the one before it.
    async fn write(&self) -> Result<(), StoreError> {
        let part = self.folder.join(PART);
        let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", part.display()));
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        private_file(&part).map_err(failed)?;
        let mut conn = SqliteConnectOptions::new()
            .filename(&part)
            .create_if_missing(false)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .disable_statement_logging()
            .connect()
            .await?;
        // Nobody's rollback journal is needed for a file that is thrown away when it is not finished.
        sqlx::query("PRAGMA journal_mode = OFF").execute(&mut conn).await?;
        sqlx::query("ATTACH DATABASE ?1 AS home")
            .bind(self.db.path().to_string_lossy().into_owned())
            .execute(&mut conn)
            .await?;
        // No key is forgotten between the copying of it and of what it opens.
        let opening = self.db.opening.read().await;
        sqlx::query("BEGIN").execute(&mut conn).await?;
        schema::create(&mut conn).await?;
        for (_, copy) in COPIED {
            sqlx::query(copy).execute(&mut conn).await?;
        }
        audit::begin(&self.db.vault, &mut conn).await?;
        sqlx::query("COMMIT").execute(&mut conn).await?;
        drop(opening);
        conn.close().await?;
        let (folder, path) = (self.folder.clone(), self.folder.join(FILE));
        let renamed = tokio::task::spawn_blocking(move || {
            std::fs::File::open(&part)?.sync_all()?;
            std::fs::rename(&part, path)?;
            std::fs::File::open(folder)?.sync_all()
        });
        let renamed = renamed.await.map_err(|error| StoreError::Io(error.to_string()))?;
        renamed.map_err(|error| StoreError::Io(format!("{}: {error}", self.folder.join(FILE).display())))
    }
}

/// Removes the copy: it has keys in it that were given up.
pub(crate) fn forget(db: &Db) -> Result<(), StoreError> {
    let Some(folder) = db.path().parent() else { return Ok(()) };
    for name in [FILE, PART] {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Io(format!("{}: {error}", folder.join(name).display())));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A store in memory, made of the copy; its folder goes with it.
pub struct InMemory {
    /// The store.
    pub store: Store,
    /// Where it lies while it is there.
    pub folder: MemoryFolder,
}

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub struct MemoryFolder(PathBuf);

impl MemoryFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        // It lies in memory: the next boot removes what this does not.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether there is a copy to stand on.
pub fn is_there(data_dir: &Path) -> bool {
    std::fs::metadata(data_dir.join(FILE)).is_ok_and(|meta| meta.len() > 0)
}

/// Opens a store in memory that is made of the copy. `memory` is a folder on a file system in memory; the store gets one of
/// its own in there, private from its first moment.
pub async fn open(settings: &Settings, memory: &Path, master: &MasterKey) -> Result<InMemory, OpenError> {
    let copy = settings.data_dir.join(FILE);
    let mut name = DefaultHasher::new();
    settings.data_dir.hash(&mut name);
    let path = memory.join(format!("domovoi-standby-{}-{:016x}", std::process::id(), name.finish()));
    let made = tokio::task::spawn_blocking(move || {
        let failed = |error| OpenError::Folder { path: path.clone(), error };
        // Left by a process of the same number that was killed. Somebody else's cannot be removed, and is not used.
        let _ = std::fs::remove_dir_all(&path);
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&path).map_err(failed)?;
        let folder = MemoryFolder(path.clone());
        private_folder(&path).map_err(failed)?;
        let database = database_path(&path);
        private_file(&database).map_err(failed)?;
        std::fs::copy(&copy, &database).map_err(|error| OpenError::Folder { path: copy.clone(), error })?;
        Ok::<_, OpenError>(folder)
    });
    let folder = made.await.map_err(|error| StoreError::Io(error.to_string()))??;
    let settings = Settings { data_dir: folder.0.clone(), reserve: 0, ballast: 0, ..settings.clone() };
    let store = Store::open(&settings, master).await?;
    Ok(InMemory { store, folder })
}
