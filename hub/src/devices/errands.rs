//! What is asked of a bridge rather than of a device: to let new devices join, to rename one, to let one go. Each has a
//! transaction that the bridge's answer repeats; one that does not answer in time has not answered, and nobody guesses.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domovoi_adapters::{Errand, Reply};
use domovoi_model::DeviceRef;
use tokio::sync::watch;
use tokio::time::Instant;

use super::commands::cannot;
use super::{Devices, Inner, Refused};

/// A bridge that interviews or removes a device takes its time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// How many are remembered.
const REMEMBERED: usize = 256;

/// How far an errand has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrandState {
    /// The bridge was asked.
    Sent,
    /// It says that it is done.
    Done,
    /// It says why not.
    Failed,
    /// It has not answered in time.
    TimedOut,
    /// It was said, and this bridge never answers.
    Unconfirmable,
}

impl ErrandState {
    /// Its code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            ErrandState::Sent => "sent",
            ErrandState::Done => "done",
            ErrandState::Failed => "failed",
            ErrandState::TimedOut => "timed-out",
            ErrandState::Unconfirmable => "unconfirmable",
        }
    }
}

/// An errand, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrandLife {
    /// Its transaction.
    pub id: String,
    /// What it is: `permit-join`, `rename`, `remove`, `interview`, `configure`, `refresh`.
    pub errand: &'static str,
    /// The device, or the bridge, that it is about.
    pub device: DeviceRef,
    /// How far it has come.
    pub state: ErrandState,
    /// The bridge's own words, where it says why not.
    pub why: Option<String>,
}

#[derive(Default)]
pub(super) struct Errands(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    all: HashMap<String, (watch::Sender<ErrandLife>, Instant)>,
    order: VecDeque<String>,
}

/// What an errand is called.
pub fn name_of(errand: &Errand) -> &'static str {
    match errand {
        Errand::PermitJoin { .. } => "permit-join",
        Errand::Rename { .. } => "rename",
        Errand::Remove { .. } => "remove",
        Errand::Interview(_) => "interview",
        Errand::Configure(_) => "configure",
        Errand::Refresh(_) => "refresh",
    }
}

impl Errands {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, life: ErrandLife) {
        let mut asked = self.asked();
        if asked.order.len() >= REMEMBERED
            && let Some(oldest) = asked.order.pop_front()
        {
            asked.all.remove(&oldest);
        }
        asked.order.push_back(life.id.clone());
        let ends_at = Instant::now() + ANSWERS_WITHIN;
        asked.all.insert(life.id.clone(), (watch::Sender::new(life), ends_at));
    }

    fn end(&self, id: &str, state: ErrandState, why: Option<String>) {
        if let Some((life, _)) = self.asked().all.get(id) {
            life.send_if_modified(|life| {
                let open = life.state == ErrandState::Sent;
                if open {
                    (life.state, life.why) = (state, why);
                }
                open
            });
        }
    }

    pub fn replied(&self, replies: Vec<Reply>) {
        for reply in replies {
            let state = if reply.error.is_some() { ErrandState::Failed } else { ErrandState::Done };
            self.end(&reply.transaction, state, reply.error);
        }
    }

    /// Ends what has taken too long. Asked also by whoever looks at one.
    pub fn end_late(&self) {
        let now = Instant::now();
        let late: Vec<String> =
            self.asked().all.iter().filter(|(_, (_, at))| *at <= now).map(|(id, _)| id.clone()).collect();
        late.iter().for_each(|id| self.end(id, ErrandState::TimedOut, None));
    }
}

impl Devices {
    /// Asks a bridge for something. Whoever asks has seen to the right to do so.
    pub fn errand(&self, errand: &Errand) -> Result<ErrandLife, Refused> {
        self.0.errand(errand)
    }

    /// How far an errand has come, once it is over or when so much time has passed.
    pub async fn errand_outcome(&self, id: &str, wait: Duration) -> Option<ErrandLife> {
        let (mut told, ends_at) =
            self.0.errands.asked().all.get(id).map(|(life, ends_at)| (life.subscribe(), *ends_at))?;
        let until = (Instant::now() + wait).min(ends_at);
        // Patience that ran out makes it no other.
        let _ = tokio::time::timeout_at(until, told.wait_for(|life| life.state != ErrandState::Sent)).await;
        self.0.errands.end_late();
        let life = told.borrow().clone();
        Some(life)
    }
}

impl Inner {
    pub(super) fn errand(&self, errand: &Errand) -> Result<ErrandLife, Refused> {
        let device = errand.device().clone();
        if !self.knows(&device) {
            return Err(Refused::NoDevice(device.to_string()));
        }
        // A device of the inbox may be let go, and the bridge of one that waits is asked what it is; nothing else.
        let before_accepting =
            matches!(errand, Errand::Remove { .. } | Errand::Interview(_) | Errand::PermitJoin { .. });
        if !before_accepting && !self.is_accepted(&device) {
            return Err(Refused::NotAccepted(device.to_string()));
        }
        if let Errand::PermitJoin { seconds, .. } = errand
            && *seconds > 254
        {
            return Err(Refused::Cannot("at most 254 seconds".into()));
        }
        let dialect = domovoi_adapters::dialect(&device.dialect);
        let dialect = dialect.ok_or_else(|| Refused::Cannot(format!("«{}» is no dialect", device.dialect)))?;
        let id: String = super::commands::random_id().0.iter().map(|byte| format!("{byte:02x}")).collect();
        let outgoing = (dialect.errand)(errand, &id, &self.ingest.directory()).map_err(|error| cannot(&error))?;
        let answers = outgoing.iter().any(|one| contains(&one.payload, id.as_bytes()));
        let state = if answers { ErrandState::Sent } else { ErrandState::Unconfirmable };
        let life = ErrandLife { id: id.clone(), errand: name_of(errand), device, state, why: None };
        self.errands.begin(life.clone());
        // A bridge that comes back days later must not let strangers join.
        if let Err(error) = self.ingest.tell(&life.device, outgoing, ANSWERS_WITHIN) {
            return Err(Refused::Cannot(error.to_string()));
        }
        Ok(life)
    }

    /// Asks a device for what it last knew, where its dialect has words for that.
    pub(super) fn refresh(&self, device: &DeviceRef) {
        if let Err(error) = self.errand(&Errand::Refresh(device.clone())) {
            tracing::debug!(%device, "it is not asked for its state: {error}");
        }
    }
}

/// Whether an errand names its transaction: a bridge that is not told it cannot repeat it.
fn contains(payload: &[u8], id: &[u8]) -> bool {
    payload.windows(id.len()).any(|window| window == id)
}
