//! What scenarios keep: themselves, their marks, runs that are under way, and traces of those that are over. Documents of the
//! room, sealed whole; what they say is known there. A row that does not open is told and passed over.

use std::sync::Arc;

use domovoi_model::{Id, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{SCENARIO, SCENARIO_MARK, SCENARIO_RUN, SCENARIO_TRACE, Table};

/// The largest document, in bytes.
pub const SCENARIO_LIMIT: usize = 256 << 10;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScenarioDrawer {
    /// Scenarios.
    Scenario,
    /// What a scenario must not forget between its runs; under the scenario's id.
    Mark,
    /// Runs that are under way.
    Run,
}

impl ScenarioDrawer {
    /// All of them.
    pub const ALL: [ScenarioDrawer; 3] = [ScenarioDrawer::Scenario, ScenarioDrawer::Mark, ScenarioDrawer::Run];

    fn table(self) -> &'static Table {
        match self {
            ScenarioDrawer::Scenario => &SCENARIO,
            ScenarioDrawer::Mark => &SCENARIO_MARK,
            ScenarioDrawer::Run => &SCENARIO_RUN,
        }
    }
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioTrace {
    /// The run.
    pub id: Id,
    /// Of which scenario.
    pub scenario: Id,
    /// When it ended, as the hub's clock stood.
    pub at: Timestamp,
    /// The room's own words.
    pub body: Zeroizing<Vec<u8>>,
}

/// What is written and forgotten in one step.
#[derive(Debug, Default)]
pub struct ScenarioBatch {
    /// Kept, each in the place of the one with the same id.
    pub put: Vec<(ScenarioDrawer, Id, Zeroizing<Vec<u8>>)>,
    /// Forgotten.
    pub remove: Vec<(ScenarioDrawer, Id)>,
    /// Traces that are added.
    pub traces: Vec<ScenarioTrace>,
}

impl ScenarioBatch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.traces.is_empty()
    }
}

/// The shelf.
#[derive(Clone)]
pub struct ScenarioShelf {
    db: Arc<Db>,
}

impl ScenarioShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        ScenarioShelf { db }
    }

    /// An id that only this store can compute: of the secret of a webhook.
    pub fn id_of(&self, secret: &str) -> Id {
        let hash = self.db.vault.keyed_hash("scenario_webhook", &[secret.as_bytes()]);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// All of a drawer that open, and how many do not.
    pub async fn all(&self, drawer: ScenarioDrawer) -> Result<(Vec<(Id, Zeroizing<Vec<u8>>)>, usize), StoreError> {
        let table = drawer.table();
        let mut reader = self.db.read().await?;
        let query = AssertSqlSafe(format!("SELECT id, sealed FROM {} ORDER BY id", table.name));
        let rows = sqlx::query(query).fetch_all(reader.conn()).await?;
        let mut papers = Vec::with_capacity(rows.len());
        for row in &rows {
            let open = || -> Result<_, StoreError> {
                let id: &[u8] = row.try_get(0)?;
                Ok((id_of(id)?, table.open(&self.db.vault, id, row.try_get(1)?)?))
            };
            match open() {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("something of the scenarios does not open: {error}"),
            }
        }
        let damaged = rows.len() - papers.len();
        Ok((papers, damaged))
    }

    /// Writes and forgets in one step: what runs are about to do and how far they came agree after a power cut. Durable
    /// when this returns.
    pub async fn commit(&self, batch: &ScenarioBatch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let limited = |body: &[u8]| {
            if body.len() > SCENARIO_LIMIT {
                return Err(StoreError::TooLarge { what: "a part of a scenario", limit: SCENARIO_LIMIT });
            }
            Ok(())
        };
        let mut tx = self.db.begin().await?;
        for (drawer, id) in &batch.remove {
            let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", drawer.table().name));
            sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        for (drawer, id, body) in &batch.put {
            limited(body)?;
            let table = drawer.table();
            let query = AssertSqlSafe(format!(
                "INSERT INTO {} (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
                table.name
            ));
            sqlx::query(query)
                .bind(id.0.to_vec())
                .bind(table.seal(&self.db.vault, &id.0, body)?)
                .execute(tx.conn())
                .await?;
        }
        for trace in &batch.traces {
            limited(&trace.body)?;
            // The columns are sealed along, so that a trace is not passed off as another scenario's or another day's.
            let mut plaintext = Zeroizing::new(trace.scenario.0.to_vec());
            plaintext.extend_from_slice(&trace.at.0.to_be_bytes());
            plaintext.extend_from_slice(&trace.body);
            sqlx::query(
                "INSERT INTO scenario_trace (id, scenario, at, sealed) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (id) DO UPDATE SET at = excluded.at, sealed = excluded.sealed",
            )
            .bind(trace.id.0.to_vec())
            .bind(trace.scenario.0.to_vec())
            .bind(trace.at.0)
            .bind(SCENARIO_TRACE.seal(&self.db.vault, &trace.id.0, &plaintext)?)
            .execute(tx.conn())
            .await?;
        }
        tx.commit().await
    }

    /// The newest traces, of one scenario or of all; rows that do not open are left out.
    pub async fn traces(&self, scenario: Option<Id>, limit: u32) -> Result<Vec<ScenarioTrace>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = match scenario {
            Some(scenario) => {
                sqlx::query(
                    "SELECT id, scenario, at, sealed FROM scenario_trace WHERE scenario = ?1 ORDER BY at DESC, id DESC LIMIT ?2",
                )
                .bind(scenario.0.to_vec())
                .bind(limit)
                .fetch_all(reader.conn())
                .await?
            }
            None => {
                sqlx::query("SELECT id, scenario, at, sealed FROM scenario_trace ORDER BY at DESC, id DESC LIMIT ?1")
                    .bind(limit)
                    .fetch_all(reader.conn())
                    .await?
            }
        };
        let opened = rows.iter().filter_map(|row| {
            self.open(row).inspect_err(|error| tracing::error!("a trace of a scenario does not open: {error}")).ok()
        });
        Ok(opened.collect())
    }

    /// One trace.
    pub async fn trace(&self, id: Id) -> Result<Option<ScenarioTrace>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, scenario, at, sealed FROM scenario_trace WHERE id = ?1")
            .bind(id.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.open(&row)).transpose()
    }

    /// Forgets traces that are older than this, and all but so many of the newest of each scenario; how many went.
    pub async fn thin(&self, before: Timestamp, keep: u32) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM scenario_trace WHERE at < ?1 OR id IN
             (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY scenario ORDER BY at DESC, id DESC) AS place
                              FROM scenario_trace) WHERE place > ?2)",
        )
        .bind(before.0)
        .bind(keep)
        .execute(tx.conn())
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(gone)
    }

    /// Forgets a scenario, its marks, these runs of it and all of its traces, in one step.
    pub async fn forget(&self, scenario: Id, runs: &[Id]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for (table, id) in [("scenario", scenario), ("scenario_mark", scenario)]
            .into_iter()
            .chain(runs.iter().map(|run| ("scenario_run", *run)))
        {
            let query = AssertSqlSafe(format!("DELETE FROM {table} WHERE id = ?1"));
            sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        sqlx::query("DELETE FROM scenario_trace WHERE scenario = ?1")
            .bind(scenario.0.to_vec())
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }

    fn open(&self, row: &SqliteRow) -> Result<ScenarioTrace, StoreError> {
        let (id, scenario, at): (&[u8], &[u8], i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let plaintext = SCENARIO_TRACE.open(&self.db.vault, id, row.try_get(3)?)?;
        let inside = plaintext.get(..24).filter(|head| head[..16] == *scenario && head[16..] == at.to_be_bytes());
        match (inside, plaintext.get(24..)) {
            (Some(_), Some(body)) => Ok(ScenarioTrace {
                id: id_of(id)?,
                scenario: id_of(scenario)?,
                at: Timestamp(at),
                body: Zeroizing::new(body.to_vec()),
            }),
            _ => Err(SCENARIO_TRACE.damaged(id, "its columns were changed")),
        }
    }
}
