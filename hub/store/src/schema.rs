//! The shape of the database: made at once for a new home, reached step by step by an old one. Knows versions and
//! statements, not what is in the rows.

use std::path::Path;

use domovoi_vault::Vault;
use sqlx::{Connection, Row, SqliteConnection};

use crate::audit;
use crate::error::{OpenError, StoreError, is_not_a_database};

/// `DOMO` in the file's header: this file is ours.
const APPLICATION_ID: i64 = 0x444F_4D4F;

pub(crate) const FRESH: &str = include_str!("../schema.sql");

/// Each takes the database one version further; the first one starts from nothing.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_people.sql"),
    include_str!("../migrations/0003_history.sql"),
    include_str!("../migrations/0004_devices.sql"),
    include_str!("../migrations/0005_cameras.sql"),
    include_str!("../migrations/0006_alerts.sql"),
    include_str!("../migrations/0007_notify.sql"),
    include_str!("../migrations/0008_calendar.sql"),
    include_str!("../migrations/0009_scenarios.sql"),
    include_str!("../migrations/0010_clouds.sql"),
    include_str!("../migrations/0011_tariffs.sql"),
    include_str!("../migrations/0012_mappings.sql"),
    include_str!("../migrations/0013_presence.sql"),
];

pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What was found in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet: the caller makes the tables and the first keys in one transaction.
    Empty,
    /// Ours, of this version or an older one.
    Ours(i64),
}

/// Looks at the file and changes nothing: it may be somebody else's.
pub(crate) async fn inspect(conn: &mut SqliteConnection, path: &Path) -> Result<Found, OpenError> {
    let not_ours = || OpenError::NotOurs { path: path.to_owned() };
    let tables = match number(conn, "SELECT count(*) FROM sqlite_schema").await {
        Err(error) if is_not_a_database(&error) => return Err(not_ours()),
        other => other.map_err(StoreError::from)?,
    };
    let application = number(conn, "PRAGMA application_id").await.map_err(StoreError::from)?;
    let version = number(conn, "PRAGMA user_version").await.map_err(StoreError::from)?;
    if tables == 0 && application == 0 && version == 0 {
        return Ok(Found::Empty);
    }
    if application != APPLICATION_ID || version < 1 {
        return Err(not_ours());
    }
    if version > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    Ok(Found::Ours(version))
}

/// Makes all tables. Inside the caller's transaction.
pub(crate) async fn create(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::raw_sql(FRESH).execute(&mut *conn).await?;
    stamp(conn, VERSION).await
}

/// The version in which the journal of deeds begins: a row of it is written with the table.
const AUDIT_BEGINS: i64 = 2;

/// From `version` to this program's, each step in a transaction of its own.
pub(crate) async fn migrate(conn: &mut SqliteConnection, version: i64, vault: &Vault) -> Result<(), StoreError> {
    for (step, statements) in (1..).zip(MIGRATIONS).skip(usize::try_from(version).unwrap_or(0)) {
        // sqlx's own transaction serves here: after an error this connection is given up.
        let mut tx = conn.begin().await?;
        sqlx::raw_sql(*statements).execute(&mut *tx).await?;
        if step == AUDIT_BEGINS {
            audit::begin(vault, &mut tx).await?;
        }
        stamp(&mut tx, step).await?;
        tx.commit().await?;
        tracing::info!(step, "the store was brought to a newer format");
    }
    Ok(())
}

async fn stamp(conn: &mut SqliteConnection, version: i64) -> Result<(), StoreError> {
    // PRAGMA takes no bound parameters; both are numbers of ours.
    let pragmas = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas)).execute(&mut *conn).await?;
    Ok(())
}

pub(crate) async fn number(conn: &mut SqliteConnection, query: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(query).fetch_one(conn).await?.try_get(0)
}
