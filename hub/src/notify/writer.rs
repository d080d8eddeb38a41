//! Writes down what the desk says, in its own time: what life hangs on is carried before it is written, everything else after.
//! A disk that is full or stalled is tried again; what waits meanwhile is bounded, and what is too much is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{Store, StoreError, TellingKind, TellingRow, WishRow, new_segment_id};
use tokio::sync::Notify as Bell;

use super::desk::Job;

/// So many rows wait for the disk.
const MOST_WAITING: usize = 8192;
/// After so long what waits to be written is carried all the same: a disk that fails is itself something to be told.
pub const PATIENCE_MILLIS: i64 = 30_000;
/// The first wait after a failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// And the longest.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The writer. Clones are the same.
#[derive(Clone)]
pub struct Writer {
    store: Store,
    waiting: Arc<Mutex<Waiting>>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Waiting {
    rows: BTreeMap<Id, TellingRow>,
    ways: BTreeMap<Id, WishRow>,
    /// What is to be done once everything that stands above it is durable: how many additions that were, since when.
    jobs: Vec<(u64, i64, Vec<Job>)>,
    additions: u64,
    written: u64,
    /// What was too much to be written one by one.
    counted: BTreeMap<&'static str, u64>,
}

impl Writer {
    /// Writes into a store.
    pub fn new(store: Store) -> Self {
        Writer { store, waiting: Arc::default(), bell: Arc::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows to be written, ways of which something else is known, and what is to be done after that. `tick`: milliseconds that
    /// always go on.
    pub fn add(&self, rows: Vec<TellingRow>, ways: Vec<WishRow>, jobs: Vec<Job>, tick: i64) {
        if rows.is_empty() && ways.is_empty() && jobs.is_empty() {
            return;
        }
        {
            let mut waiting = self.waiting();
            waiting.rows.extend(rows.into_iter().map(|row| (row.id, row)));
            waiting.ways.extend(ways.into_iter().map(|way| (way.id, way)));
            waiting.additions += 1;
            if !jobs.is_empty() {
                let number = waiting.additions;
                waiting.jobs.push((number, tick, jobs));
            }
            waiting.bound();
        }
        self.bell.notify_one();
    }

    /// What has waited for too long to be written before it is done.
    pub fn impatient(&self, tick: i64) -> Vec<Job> {
        let mut waiting = self.waiting();
        let (late, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting.jobs)
            .into_iter()
            .partition(|(_, since, _)| tick.saturating_sub(*since) >= PATIENCE_MILLIS);
        waiting.jobs = rest;
        late.into_iter().flat_map(|(_, _, jobs)| jobs).collect()
    }

    /// Whether something waits.
    pub fn is_behind(&self) -> bool {
        let waiting = self.waiting();
        waiting.written < waiting.additions
    }

    /// Rows as they will be written, which are newer than those in the store.
    pub fn newer(&self, fits: impl Fn(&TellingRow) -> bool) -> Vec<TellingRow> {
        self.waiting().rows.values().filter(|row| fits(row)).cloned().collect()
    }

    /// Nothing of a person's is written any more.
    pub fn forget(&self, person: PersonId) {
        let mut waiting = self.waiting();
        waiting.rows.retain(|_, row| row.person != Some(person));
        waiting.ways.retain(|_, way| way.person != Some(person));
    }

    /// A way that is gone is not written again.
    pub fn forget_way(&self, id: Id) {
        self.waiting().ways.remove(&id);
    }

    /// Writes everything that waits, once; what may be done now.
    pub async fn write(&self, at: Timestamp) -> Result<Vec<Job>, StoreError> {
        let (rows, ways, number, counted) = {
            let mut waiting = self.waiting();
            let rows = std::mem::take(&mut waiting.rows);
            let ways = std::mem::take(&mut waiting.ways);
            (rows, ways, waiting.additions, std::mem::take(&mut waiting.counted))
        };
        let mut list: Vec<TellingRow> = rows.values().cloned().collect();
        if !counted.is_empty() {
            list.push(summary(&counted, at)?);
        }
        let tellings = self.store.tellings();
        let result = async {
            if !list.is_empty() {
                tellings.put(&list).await?;
            }
            if !ways.is_empty() {
                tellings.put_wishes(&ways.values().cloned().collect::<Vec<_>>(), &[]).await?;
            }
            Ok::<(), StoreError>(())
        };
        let result = result.await;
        let mut waiting = self.waiting();
        match result {
            Ok(()) => {
                waiting.written = waiting.written.max(number);
                let (ready, rest): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut waiting.jobs).into_iter().partition(|(of, _, _)| *of <= number);
                waiting.jobs = rest;
                Ok(ready.into_iter().flat_map(|(_, _, jobs)| jobs).collect())
            }
            Err(error) => {
                // What came meanwhile is newer.
                for (id, row) in rows {
                    waiting.rows.entry(id).or_insert(row);
                }
                for (id, way) in ways {
                    waiting.ways.entry(id).or_insert(way);
                }
                for (kind, count) in counted {
                    *waiting.counted.entry(kind).or_default() += count;
                }
                waiting.bound();
                Err(error)
            }
        }
    }

    /// Writes on and on. `now` says the time, `perform` does what may be done.
    pub async fn run(&self, now: impl Fn() -> Timestamp, perform: impl Fn(Vec<Job>)) {
        let mut wait = FIRST_WAIT;
        loop {
            if !self.is_behind() {
                self.bell.notified().await;
            }
            match self.write(now()).await {
                Ok(jobs) => {
                    wait = FIRST_WAIT;
                    perform(jobs);
                }
                Err(error) => {
                    tracing::error!("what was told is not written down: {error}");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }
}

impl Waiting {
    /// Keeps what waits bounded: what needs nothing more is counted instead, the least telling first.
    fn bound(&mut self) {
        let over = self.rows.len().saturating_sub(MOST_WAITING);
        if over == 0 {
            return;
        }
        let mut left = over;
        for (kind, name) in [
            (TellingKind::Why, "why"),
            (TellingKind::Inbox, "inbox"),
            (TellingKind::Letter, "letters"),
            (TellingKind::News, "news"),
            (TellingKind::KeptBack, "kept"),
        ] {
            let ids: Vec<Id> = self
                .rows
                .values()
                .filter(|row| row.kind == kind && (!row.open || !matches!(kind, TellingKind::Letter)))
                .take(left)
                .map(|row| row.id)
                .collect();
            left -= ids.len();
            *self.counted.entry(name).or_default() += ids.len() as u64;
            for id in ids {
                self.rows.remove(&id);
            }
            if left == 0 {
                return;
            }
        }
    }
}

/// What was too much to be written one by one, counted.
fn summary(counted: &BTreeMap<&'static str, u64>, at: Timestamp) -> Result<TellingRow, StoreError> {
    Ok(TellingRow {
        id: new_segment_id(at)?,
        kind: TellingKind::Summary,
        subject: "summary".to_owned(),
        person: None,
        at,
        open: false,
        body: serde_json::json!({ "left_out": counted }).to_string(),
    })
}
