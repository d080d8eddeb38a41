//! Metering: from what devices say of registers to signed acts. This file is the room's front door; the rules are in
//! `judge` and `act` (pure), their performers in `ledger` and `clerk`.

pub mod act;
mod clerk;
mod gather;
pub mod insight;
pub mod judge;
mod ledger;
mod operations;
pub mod photo;
pub mod register;
pub mod sign;
mod signing;
mod spelling;
pub mod terms;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use domovoi_model::{AccountId, Act, ActId, ActState, DeviceRef, Period, Sample, Timestamp};
use domovoi_store::{ActFilter, LedgerEntry, Recorded, Seq, Store, StoreError};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;

use crate::bus::{Bus, Event};
use crate::clock::Clock;
use ledger::Standings;
use register::Register;
use sign::{ActKey, SignatureError};
use terms::Terms;

pub use clerk::{Rules, due_at, is_reminded, is_time_to_warn};
pub use ledger::source_in_words;
pub use operations::{NewMeter, NewPoint, Submitted};
pub use spelling::{parse_binding, parse_values};

/// The name under which the ledger's place in the journal is kept: what it has not read stays in the journal.
pub const JOURNAL_READER: &str = ledger::CURSOR;

/// Under this name the store keeps the key for acts.
const ACT_KEY: &str = "act.key";
/// Under this name the store keeps the owner's standing consent.
const STANDING_CONSENT: &str = "consent.standing";
/// How many journal samples the ledger takes at once.
const BATCH: usize = 1024;
/// Of how many damaged rows the owner is told one by one: a card that dies has thousands.
const SET_ASIDE_TOLD: u32 = 20;
/// The ledger's cursor is moved at least this often, so that a restart does not read a day of lamps,
const CURSOR_EVERY: u64 = 2000;
/// but not more often than this: each move is a commit of its own.
const CURSOR_PAUSE: Duration = Duration::from_secs(1);
/// How long the clerk lets nudges gather.
const CLERK_BREATH: Duration = Duration::from_millis(100);
/// How long the ledger waits after the store failed it.
const STORE_BACKOFF: Duration = Duration::from_secs(2);

/// Why something in this room was not done.
#[derive(Debug, thiserror::Error)]
pub enum MeteringError {
    /// The store would not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key for acts cannot be used.
    #[error("the key for acts: {0}")]
    Key(#[from] SignatureError),
    /// There is no such thing; the word says what.
    #[error("there is no such {0}")]
    NoSuch(String),
    /// The words of a person cannot be taken as they are.
    #[error("{0}")]
    Invalid(String),
    /// The account's supplier is not in the settings.
    #[error("the supplier «{0}» is not in the settings: add a [[supplier]] with this id")]
    NoSupplier(String),
    /// Only a checked act is signed.
    #[error(
        "act {0} is not checked: `domovoi act show` says what stands against it; `act approve --incomplete` signs it \
         without those readings"
    )]
    NotChecked(ActId),
    /// Only what the portal has, or has refused, is corrected.
    #[error("act {id} is {state}: only an act that the portal has, or has refused, can be corrected")]
    NotCorrectable {
        /// Which.
        id: ActId,
        /// How it stands.
        state: &'static str,
    },
    /// A later month is stated already.
    #[error("{later} is stated already: an act of {period} signed now would overlap it; tell the supplier instead")]
    LaterMonthStated {
        /// Of which month the act is.
        period: Period,
        /// Which month is stated.
        later: Period,
    },
    /// A correction without a single reading.
    #[error("there is nothing to state: {0}")]
    NothingToSay(String),
    /// Something that metering needs does not open.
    #[error("metering stands still: some of what it keeps cannot be read; `domovoi doctor --verify` says what")]
    Closed,
    /// No act is signed while the clock may be wrong.
    #[error("the clock is not trusted yet: nothing is signed until it is set (the hub waits for network time)")]
    ClockNotTrusted,
    /// The document could not be written.
    #[error("{0}")]
    Document(String),
    /// The machine gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

/// How far what a property shows is the word of the meter itself, now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PropertyWord {
    /// Why it is not: `estimated`, `overheard`.
    pub hearsay: Option<&'static str>,
    /// It shows what the meter had on another day, which comes with the sample.
    pub is_dated: bool,
}

type PropertyWords = Box<dyn Fn(&DeviceRef, &str) -> PropertyWord + Send + Sync>;

/// The room. Clones are the same room.
#[derive(Clone)]
pub struct Metering(Arc<Inner>);

/// What the room is made of; its functions are in the files beside this one.
pub struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    suppliers: BTreeMap<String, Terms>,
    rules: Rules,
    key: ActKey,
    register: RwLock<Arc<Register>>,
    standings: Mutex<Standings>,
    progress: Mutex<Progress>,
    signing: Mutex<()>,
    look_again: Notify,
    /// What devices say of their properties, for whoever judges what those show.
    words: OnceLock<PropertyWords>,
    /// Something that it needs does not open. What is recorded is told on; it judges nothing, so that the ledger goes on
    /// where it stood once that is mended.
    closed: bool,
}

/// How far the ledger is.
#[derive(Debug, Default)]
struct Progress {
    /// How far it has read the journal in this run, and where the durable cursor stands. `None` at first, and after an
    /// error: then the durable cursor is where it goes on.
    read: Option<(Seq, Seq)>,
    /// What the bus has heard: not again after an error.
    told: Seq,
    /// When the cursor was moved last.
    moved: Option<Instant>,
}

impl std::ops::Deref for Metering {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Metering {
    /// Opens the room: reads the register, makes the key for acts if there is none yet.
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        suppliers: Vec<Terms>,
        rules: Rules,
    ) -> Result<Self, MeteringError> {
        let key = match store.secrets().get(ACT_KEY).await? {
            Some(bytes) => ActKey::from_bytes(bytes.expose())?,
            None => {
                let bytes = new_key_bytes()?;
                store.secrets().put_if_absent(ACT_KEY, &bytes).await?;
                ActKey::from_bytes(&bytes)?
            }
        };
        let metering = Self::with(store, clock, bus, suppliers, rules, key, false);
        metering.reload_register().await?;
        Ok(metering)
    }

    /// The room where something that it needs does not open: it knows no meters, and signs and enters nothing.
    pub fn closed(
        store: Store,
        clock: Clock,
        bus: Bus,
        suppliers: Vec<Terms>,
        rules: Rules,
    ) -> Result<Self, MeteringError> {
        // Nobody sees it: where there are no accounts nothing is signed.
        let key = ActKey::from_bytes(&new_key_bytes()?)?;
        Ok(Self::with(store, clock, bus, suppliers, rules, key, true))
    }

    /// Whether it was opened without what it needs.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn must_be_whole(&self) -> Result<(), MeteringError> {
        if self.closed { Err(MeteringError::Closed) } else { Ok(()) }
    }

    fn with(
        store: Store,
        clock: Clock,
        bus: Bus,
        suppliers: Vec<Terms>,
        rules: Rules,
        key: ActKey,
        closed: bool,
    ) -> Self {
        let suppliers = suppliers.into_iter().map(|terms| (terms.id.clone(), terms)).collect();
        Metering(Arc::new(Inner {
            store,
            clock,
            bus,
            suppliers,
            rules,
            key,
            register: RwLock::default(),
            standings: Mutex::default(),
            progress: Mutex::default(),
            signing: Mutex::new(()),
            look_again: Notify::new(),
            words: OnceLock::new(),
            closed,
        }))
    }

    /// The public half of the key for acts.
    pub fn public_key(&self) -> &sign::PublicKey {
        self.key.public()
    }

    /// The same, as the portal call wants it.
    pub fn verifying_key(&self) -> &p256::ecdsa::VerifyingKey {
        self.key.verifying_key()
    }

    /// The register as it stands now.
    pub fn register(&self) -> Arc<Register> {
        Arc::clone(&self.register.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What devices say of their properties; told once, by whoever knows the dialects.
    pub fn properties_are(&self, words: impl Fn(&DeviceRef, &str) -> PropertyWord + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.words.set(Box::new(words));
    }

    fn word_of(&self, device: &DeviceRef, property: &str) -> PropertyWord {
        self.words.get().map(|words| words(device, property)).unwrap_or_default()
    }

    /// A supplier's terms.
    pub fn supplier(&self, id: &str) -> Option<&Terms> {
        self.suppliers.get(id)
    }

    /// Has the clerk look again soon.
    pub fn nudge(&self) {
        self.look_again.notify_one();
    }

    /// Follows the journal until `stop` turns true. Reads on from the ledger's cursor, so nothing recorded is skipped.
    pub async fn run_ledger(&self, mut stop: watch::Receiver<bool>) {
        let mut committed = self.store.history().subscribe();
        loop {
            if let Err(error) = self.follow_once().await {
                tracing::error!("the ledger waits for the store: {error}");
                tokio::select! {
                    () = tokio::time::sleep(STORE_BACKOFF) => continue,
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
            let stopped = tokio::select! {
                changed = committed.changed() => if changed.is_err() { return } else { false },
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if stopped {
                return self.put_down().await;
            }
        }
    }

    /// The house stops: where the next run goes on. Where it cannot be written, the next run reads a little more.
    async fn put_down(&self) {
        let mut progress = self.progress.lock().await;
        if let Some((at, stored)) = progress.read
            && at > stored
            && !self.closed
            && self.store.ledger().append(&[], Some((ledger::CURSOR, at))).await.is_ok()
        {
            progress.read = Some((at, at));
        }
    }

    /// Takes in everything recorded behind the last call; after a start, behind the durable cursor.
    pub async fn follow_once(&self) -> Result<(), MeteringError> {
        let mut progress = self.progress.lock().await;
        let (mut at, mut stored) = match progress.read.take() {
            Some(known) => known,
            None => {
                let stored = self.store.ledger().cursor(ledger::CURSOR).await?;
                (stored, stored)
            }
        };
        while let Some(batch) = self.next_batch(&mut at).await? {
            let Some(newest) = batch.last().map(|recorded| recorded.seq) else { break };
            let batch = Arc::new(batch);
            // Whoever watches does not wait for the ledger, which may have a commit of its own to make.
            self.tell_recorded(&batch, &mut progress.told);
            if self.closed {
                at = newest;
                continue;
            }
            let rested = progress.moved.is_none_or(|moved| moved.elapsed() >= CURSOR_PAUSE);
            let before = stored;
            let entries = self.judge_batch(&batch, newest, &mut stored, rested).await?;
            if stored != before {
                progress.moved = Some(Instant::now());
            }
            at = newest;
            if !entries.is_empty() {
                for entry in entries {
                    self.bus.tell(Event::Reading(Arc::new(entry.reading)));
                }
                self.nudge();
            }
        }
        progress.read = Some((at, stored));
        Ok(())
    }

    /// Tells what was not told yet: after an error a batch is read once more.
    fn tell_recorded(&self, batch: &Arc<Vec<Recorded<Sample>>>, told: &mut Seq) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        if first.seq > *told {
            self.bus.tell(Event::Recorded(Arc::clone(batch)));
        } else if last.seq > *told {
            let rest = batch.iter().filter(|recorded| recorded.seq > *told).cloned().collect();
            self.bus.tell(Event::Recorded(Arc::new(rest)));
        }
        *told = last.seq.max(*told);
    }

    /// The next samples behind `at`, which moves past rows that do not open: the rest of the journal must not wait for
    /// a row that will not heal.
    async fn next_batch(&self, at: &mut Seq) -> Result<Option<Vec<Recorded<Sample>>>, MeteringError> {
        loop {
            match self.store.history().after(*at, BATCH).await {
                Ok(batch) => return Ok((!batch.is_empty()).then_some(batch)),
                Err(StoreError::Damaged { what }) => {
                    tracing::error!("a row of the journal is damaged and is passed over: {what}");
                    self.raise(&format!("damaged:{what}"), "journal_damaged", &[("what", &what)]).await?;
                    match self.store.history().behind_damage(*at).await? {
                        Some(seq) => *at = seq,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tells the owner of rows of old history that do not open. Each once: a notice that is open already stays one.
    async fn tell_set_aside(&self) -> Result<(), MeteringError> {
        for aside in self.store.history().set_aside(SET_ASIDE_TOLD).await? {
            let what = format!("{} {}", aside.table, aside.row);
            self.raise(&format!("set_aside:{what}"), "history_damaged", &[("what", &what)]).await?;
        }
        Ok(())
    }

    /// Judges a batch and enters what is new, together with the cursor.
    async fn judge_batch(
        &self,
        batch: &[Recorded<Sample>],
        newest: Seq,
        stored: &mut Seq,
        rested: bool,
    ) -> Result<Vec<LedgerEntry>, MeteringError> {
        let register = self.register();
        let mut standings = self.standings.lock().await;
        let mut entries = Vec::new();
        // Nearly everything that a home says is no register of a meter: it is let by before anything else is asked.
        let bound =
            |recorded: &&Recorded<Sample>| register.bound(&recorded.item.device, &recorded.item.property).is_some();
        for recorded in batch.iter().filter(bound) {
            let is_dated = self.word_of(&recorded.item.device, &recorded.item.property).is_dated;
            match ledger::take(&self.store, &register, &mut standings, recorded, is_dated).await {
                Ok(entry) => entries.extend(entry),
                Err(StoreError::Damaged { what }) => {
                    // The other registers must not wait for a row that will not heal. The sample stays in the journal.
                    tracing::error!("a register's past does not open, its new reading is passed over: {what}");
                    self.raise(&format!("damaged:{what}"), "ledger_damaged", &[("what", &what)]).await?;
                }
                Err(error) => {
                    // What was noted in memory is not in the store: read it again from there.
                    standings.clear();
                    return Err(error.into());
                }
            }
        }
        if !entries.is_empty() || (rested && newest.0.saturating_sub(stored.0) >= CURSOR_EVERY) {
            if let Err(error) = self.store.ledger().append(&entries, Some((ledger::CURSOR, newest))).await {
                standings.clear();
                return Err(error.into());
            }
            *stored = newest;
        }
        Ok(entries)
    }

    /// Has the clerk look at every account: now, when something changed, and every `every`.
    pub async fn run_clerk(&self, every: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.settle_clock().await {
                tracing::error!("moments of before the clock was set: {error}");
            }
            if let Err(error) = self.tell_set_aside().await {
                tracing::error!("rows of history that do not open were not told: {error}");
            }
            if let Err(error) = self.run_once().await {
                tracing::error!("the clerk will look again: {error}");
            }
            tokio::select! {
                () = self.look_again.notified() => {}
                () = tokio::time::sleep(every) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // A house full of meters nudges many times a second; one look a breath later serves them all.
            tokio::select! {
                () = tokio::time::sleep(CLERK_BREATH.min(every)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Once the clock is trusted, tells the store when this run began: what was measured before gets its wall time.
    pub async fn settle_clock(&self) -> Result<(), MeteringError> {
        let boot = self.clock.boot();
        let Some(began) = self.clock.boot_began_at() else { return Ok(()) };
        if self.store.boots().started_at(boot).is_none() {
            let moved = self.store.boots().settle(boot, began).await?;
            if moved > 0 {
                self.standings.lock().await.clear();
            }
        }
        Ok(())
    }

    /// Whether acts may be approved without asking each time. Off until the owner says so.
    pub async fn standing_consent(&self) -> Result<bool, MeteringError> {
        Ok(self.store.secrets().get(STANDING_CONSENT).await?.is_some())
    }

    /// Gives or withdraws standing consent. The time is kept with it.
    pub async fn set_standing_consent(&self, given: bool) -> Result<(), MeteringError> {
        if given {
            let at = self.clock.wall().to_string();
            self.store.secrets().put(STANDING_CONSENT, at.as_bytes()).await?;
            self.nudge();
        } else {
            self.store.secrets().delete(STANDING_CONSENT).await?;
        }
        Ok(())
    }

    /// The act that stands for an account and period: the last of a chain of corrections.
    pub async fn live_act(&self, account: AccountId, period: Period) -> Result<Option<Act>, MeteringError> {
        let filter = ActFilter { account: Some(account), period: Some(period), on_its_way: None };
        let acts = self.store.acts().list(filter).await?;
        Ok(acts.into_iter().rfind(|act| !matches!(act.state, ActState::Superseded { .. })))
    }

    /// One act.
    pub async fn act(&self, id: ActId) -> Result<Act, MeteringError> {
        self.store.acts().get(id).await?.ok_or_else(|| MeteringError::NoSuch(format!("act: {id}")))
    }

    /// A person approves a checked act: it is signed, and the outbox takes it from there. With `incomplete` also a
    /// draft, with the readings that it has.
    pub async fn approve(&self, id: ActId, incomplete: bool) -> Result<Act, MeteringError> {
        self.must_be_whole()?;
        self.sign(id, incomplete).await
    }

    /// The wall clock, for showing.
    pub fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    async fn reload_register(&self) -> Result<(), MeteringError> {
        let store = self.store.register();
        let register = Register::new(store.accounts().await?, store.points().await?, store.meters().await?);
        *self.register.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(register);
        Ok(())
    }

    fn tell_act(&self, act: &Act) {
        self.bus.tell(Event::Act(Arc::new(act.clone())));
    }
}

/// 32 bytes that are a P-256 key: all but one in 2^32 random strings are.
fn new_key_bytes() -> Result<[u8; 32], MeteringError> {
    loop {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| MeteringError::Random(error.to_string()))?;
        if ActKey::from_bytes(&bytes).is_ok() {
            return Ok(bytes);
        }
    }
}
