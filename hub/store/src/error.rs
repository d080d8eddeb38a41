//! What can go wrong in the store, by what the caller does about it: make room, tell the person, look for a backup.

use domovoi_vault::{SealError, UnwrapError};

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk. Nothing of this call was kept; the same call works once there is room.
    #[error("the disk is full: nothing was kept; make room in the data folder")]
    Full,
    /// Something stored is not what was stored. Nothing else is affected; it does not heal by trying again.
    #[error("the store is damaged: {what}; run `domovoi doctor --verify` and restore from a backup")]
    Damaged {
        /// Table, row and reason.
        what: String,
    },
    /// It contradicts what is there already. Nothing of this call was kept.
    #[error("{what}")]
    Conflict {
        /// In words.
        what: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// Larger than the store takes.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How much would have been taken.
        limit: usize,
    },
    /// The disk or the database failed in another way. It may work later.
    #[error("the store failed: {0}")]
    Io(String),
}

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file cannot be made, or made private.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: std::path::PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Something else lies there.
    #[error("{path} is not a store of this program: name another data folder, or move the file away")]
    NotOurs {
        /// Which file.
        path: std::path::PathBuf,
    },
    /// Written by a later program; opening it could lose what this one does not know.
    #[error(
        "{path} has format {found}, and this program knows formats up to {known}: start the newer program again, or \
         restore the backup that was made before the upgrade"
    )]
    Newer {
        /// Which file.
        path: std::path::PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The master key does not fit, or the key table is damaged.
    #[error(transparent)]
    Key(#[from] UnwrapError),
    /// Full, damaged, or failing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        StoreError::Damaged { what: what.into() }
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        StoreError::Conflict { what: what.into() }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        StoreError::NotFound { what: what.into() }
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        StoreError::Io(error.to_string())
    }
}

/// SQLite's primary result codes that mean something of their own here (sqlite.org/rescode.html).
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_NOTADB: i32 = 26;
/// The shared-memory file of the WAL could not grow: what a full disk looks like from there.
const SQLITE_IOERR_SHMSIZE: i32 = 4874;

/// The extended result code, if SQLite itself said no.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

pub(crate) fn is_not_a_database(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code & 0xff == SQLITE_NOTADB)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let what = error.to_string();
        match code(&error) {
            Some(SQLITE_IOERR_SHMSIZE) => StoreError::Full,
            Some(code) => match code & 0xff {
                SQLITE_FULL => StoreError::Full,
                SQLITE_CORRUPT | SQLITE_NOTADB => StoreError::Damaged { what },
                SQLITE_CONSTRAINT => StoreError::Conflict { what },
                _ => StoreError::Io(what),
            },
            None => match error {
                sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => StoreError::Full,
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Damaged { what },
                _ => StoreError::Io(what),
            },
        }
    }
}
