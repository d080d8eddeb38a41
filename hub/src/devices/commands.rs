//! Commands and their lives: said once, never again by itself, and over when the device itself reports what was wanted, or
//! when that has taken too long. Ordered for each device; a later one for the same property takes the place of an earlier
//! one that still waits. Whether somebody may is asked before; what the device can do, its dialect says.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domovoi_adapters::{EncodeError, Outgoing};
use domovoi_model::{Command, DeviceRef, Id, Observation, Value};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Devices, Inner, danger};
use crate::audit::{Actor, Change, Entry, Origin, Outcome};
use crate::bus::{CommandLife, CommandState, Event};
use crate::ingest::{News, Telling};
use crate::policy::Kind;

/// How many may wait for their confirmation, of one device and in all.
const MAX_OF_DEVICE: usize = 32;
const MAX_WAITING: usize = 4096;

/// How many that are over are remembered, for who asks what became of them.
const REMEMBERED: usize = 4096;

/// A device that sleeps hears what waits for it when it wakes; most do within minutes, thermostats within the hour.
const SLEEPS: Duration = Duration::from_secs(3600);

/// How often a device may say that it is about it before that is no answer any more.
const MAX_UNDERWAY: u32 = 10;

/// The longest text that a command may carry, in bytes.
const MAX_TEXT: usize = 4096;

/// Who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
}

/// Why a command or an errand is not even tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such device.
    #[error("there is no device «{0}»")]
    NoDevice(String),
    /// It was not accepted, so it is told nothing.
    #[error("«{0}» was not accepted yet: accept it first")]
    NotAccepted(String),
    /// It takes its commands elsewhere since it was accepted, and this one is dangerous.
    #[error(
        "«{0}» wants this under {1} now, and not where it did when it was accepted: accept it again if that is right"
    )]
    AcceptAgain(String, String),
    /// Its dialect has no words for it.
    #[error("{0}")]
    Cannot(String),
    /// Too many wait for their confirmation.
    #[error("too many commands wait for their confirmation")]
    TooMany,
}

/// The commands.
#[derive(Default)]
pub(super) struct Commands {
    lives: Mutex<Lives>,
    /// Held while a command is said, so that commands reach a device in the order in which they were given. The table of
    /// lives is not held meanwhile: whoever reads the device's answer looks into it with the broker's locks in hand.
    order: Mutex<()>,
    /// How many wait; asked for each publish that is read.
    waiting: AtomicUsize,
    bell: Notify,
}

#[derive(Default)]
struct Lives {
    all: HashMap<Id, Life>,
    waiting: HashMap<DeviceRef, Vec<Id>>,
    over: VecDeque<Id>,
}

struct Life {
    /// As it was said; what is told of it leaves out what is nobody's business.
    wanted: Command,
    told: watch::Sender<Arc<CommandLife>>,
    ends_at: Instant,
    /// How often a device has said that it is about it.
    underway: u32,
    by: Option<Asker>,
    /// What the property said before.
    before: Option<Value>,
    /// How it was said: whoever carries it may have more to say of it.
    said: Vec<Outgoing>,
}

/// 128 random bits.
pub(super) fn random_id() -> Id {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // The system without randomness has said so at its start: ids then only have to differ.
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        bytes[8..].copy_from_slice(&(NEXT.fetch_add(1, Ordering::Relaxed) as u64).to_be_bytes());
    }
    Id(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
}

impl Devices {
    /// Whether a command needs a factor shown lately, and is written in the journal.
    pub fn is_dangerous(&self, command: &Command) -> bool {
        let directory = self.0.ingest.directory();
        let known = directory.known(&command.target.device);
        danger::is_dangerous(known, &command.target.property, &command.value)
    }

    /// Gives a command. Whoever asks has seen to the right to do so. What becomes of it is told on the bus, and to who asks
    /// for its id.
    pub fn command(&self, by: Asker, command: Command) -> Result<Arc<CommandLife>, Refused> {
        let dangerous = self.is_dangerous(&command);
        let life = self.0.command(by.clone(), &command, dangerous)?;
        if dangerous {
            let state = life.state;
            self.0.journal_soon(by, &life.command, if state == CommandState::Refused { Some(state) } else { None });
        }
        Ok(life)
    }

    /// How far a command has come.
    pub fn life(&self, id: Id) -> Option<Arc<CommandLife>> {
        self.0.commands.lives().all.get(&id).map(|life| Arc::clone(&life.told.borrow()))
    }

    /// Whether a command that was said so still waits for its confirmation.
    pub fn is_waited_for(&self, device: &DeviceRef, said: &Outgoing) -> bool {
        self.0.said_so(device, said).is_some()
    }

    /// Whoever carries what was said so says that it was not done, and why.
    pub fn was_refused(&self, device: &DeviceRef, said: &Outgoing, why: &str) {
        if let Some(id) = self.0.said_so(device, said) {
            self.0.ends(id, CommandState::Refused, Some(why.to_owned()));
        }
    }

    /// The commands of a device that are remembered, the latest first.
    pub fn lives_of(&self, device: &DeviceRef) -> Vec<Arc<CommandLife>> {
        let lives = self.0.commands.lives();
        let told = lives.all.values().map(|life| Arc::clone(&life.told.borrow()));
        let mut of: Vec<Arc<CommandLife>> = told.filter(|life| life.command.target.device == *device).collect();
        drop(lives);
        of.sort_by_key(|life| std::cmp::Reverse((life.at.wall(), life.id)));
        of
    }

    /// The same once it is over, or when so much time has passed.
    pub async fn outcome(&self, id: Id, wait: Duration) -> Option<Arc<CommandLife>> {
        let mut told = self.0.commands.lives().all.get(&id).map(|life| life.told.subscribe())?;
        // Neither patience that ran out nor a life that was forgotten meanwhile makes it another.
        let _ = tokio::time::timeout(wait, told.wait_for(|life| life.state.is_over())).await;
        let life = Arc::clone(&told.borrow());
        Some(life)
    }
}

impl Commands {
    /// As if everything that waits had waited long enough.
    #[cfg(test)]
    pub(super) fn let_time_pass(&self) {
        self.lives().all.values_mut().for_each(|life| life.ends_at = Instant::now());
        self.bell.notify_one();
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn command(&self, by: Asker, command: &Command, dangerous: bool) -> Result<Arc<CommandLife>, Refused> {
        let device = &command.target.device;
        if !self.knows(device) {
            return Err(Refused::NoDevice(device.to_string()));
        }
        if !self.is_accepted(device) {
            return Err(Refused::NotAccepted(device.to_string()));
        }
        if matches!(&command.value, Value::Text(text) if text.len() > MAX_TEXT) {
            return Err(Refused::Cannot(format!("a text of at most {MAX_TEXT} bytes")));
        }
        let dialect = domovoi_adapters::dialect(&device.dialect);
        let dialect = dialect.ok_or_else(|| Refused::Cannot(format!("«{}» is no dialect", device.dialect)))?;
        let (outgoing, reported, sleeps, settles, reach, shown) = {
            let directory = self.ingest.directory();
            let outgoing = dialect.say(command, &directory).map_err(|error: EncodeError| cannot(&error))?;
            let card = self.cards().get(device).cloned().filter(|_| dangerous);
            if let Some(topic) = card.as_ref().and_then(|card| super::agreed::not_agreed(card, &outgoing, &directory)) {
                return Err(Refused::AcceptAgain(device.to_string(), topic.to_owned()));
            }
            let info = directory.property(device, &command.target.property);
            let sleeps = directory.known(device).is_some_and(|known| known.sleeps);
            let settles =
                info.and_then(|info| info.settles_within_s).map_or(Duration::ZERO, |s| Duration::from_secs(s.into()));
            let shown = danger::shown(directory.known(device), command);
            let reported = info.is_none_or(|info| info.reported);
            (outgoing, reported, sleeps, settles, info.map_or(0, |info| info.reach), shown)
        };
        let within = dialect.confirms_within.max(settles);
        let within = if sleeps { SLEEPS.max(within) } else { within };
        let life = Arc::new(CommandLife {
            id: random_id(),
            command: shown,
            at: self.clock.moment(),
            state: if reported { CommandState::Sent } else { CommandState::Unconfirmable },
            why: None,
            within_millis: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            unreachable: self.reachable(device, reach) == Some(false),
            sleeps,
        });
        let _order = self.commands.order.lock().unwrap_or_else(PoisonError::into_inner);
        let superseded = self.begin(&life, (command, &outgoing), within, dangerous.then_some(by))?;
        self.bus.tell(Event::Command(Arc::clone(&life)));
        match self.ingest.tell(device, outgoing, within) {
            Ok(()) => superseded.into_iter().for_each(|old| self.ends(old, CommandState::Superseded, None)),
            // The one before it was said, and may still be confirmed.
            Err(error) => self.ends(life.id, CommandState::Refused, Some(error.to_string())),
        }
        // It may be over by now: the device was quick, or nobody is there.
        Ok(self.commands.lives().all.get(&life.id).map_or(life, |life| Arc::clone(&life.told.borrow())))
    }

    /// Writes a life down before the first byte leaves, so that no answer is too quick for it. Returns the one whose place
    /// it takes once it is said.
    fn begin(
        &self,
        life: &Arc<CommandLife>,
        (wanted, said): (&Command, &[Outgoing]),
        within: Duration,
        by: Option<Asker>,
    ) -> Result<Option<Id>, Refused> {
        let target = &life.command.target;
        let known = self.live.of(&target.device);
        let before = known.and_then(|known| super::live::lock(&known).properties.get(&target.property)?.value.clone());
        let mut lives = self.commands.lives();
        let of_device = lives.waiting.get(&target.device).cloned().unwrap_or_default();
        let same = |id: &&Id| lives.all.get(*id).is_some_and(|life| life.told.borrow().command.target == *target);
        let superseded = of_device.iter().find(same).copied();
        let waits = !life.state.is_over();
        let left = of_device.len() - usize::from(superseded.is_some());
        if waits && (left >= MAX_OF_DEVICE || self.commands.waiting.load(Ordering::Relaxed) >= MAX_WAITING) {
            return Err(Refused::TooMany);
        }
        let told = watch::Sender::new(Arc::clone(life));
        let (wanted, ends_at) = (wanted.clone(), Instant::now() + within);
        // On other roads nobody asks.
        let is_carried = domovoi_adapters::clouds::speaking(&target.device.dialect).is_some();
        let said = if is_carried { said.to_vec() } else { Vec::new() };
        lives.all.insert(life.id, Life { wanted, told, ends_at, underway: 0, by, before, said });
        if waits {
            lives.waiting.entry(target.device.clone()).or_default().push(life.id);
            self.commands.waiting.fetch_add(1, Ordering::Relaxed);
            self.commands.bell.notify_one();
        } else {
            lives.is_over(life.id);
        }
        Ok(superseded)
    }

    /// The command that was said so and waits.
    fn said_so(&self, device: &DeviceRef, said: &Outgoing) -> Option<Id> {
        let lives = self.commands.lives();
        let is_it = |id: &&Id| lives.all.get(*id).is_some_and(|life| life.said.contains(said));
        lives.waiting.get(device)?.iter().find(is_it).copied()
    }

    /// A command is over.
    fn ends(&self, id: Id, state: CommandState, why: Option<String>) {
        let mut lives = self.commands.lives();
        let Some(life) = lives.all.get(&id) else { return };
        let before = Arc::clone(&life.told.borrow());
        let refused_at_once = state == CommandState::Refused && before.state == CommandState::Unconfirmable;
        if before.state.is_over() && !refused_at_once {
            return;
        }
        let now = Arc::new(CommandLife { state, why, ..(*before).clone() });
        life.told.send_replace(Arc::clone(&now));
        let by = life.by.clone();
        if !before.state.is_over() {
            let device = &before.command.target.device;
            if let Some(waiting) = lives.waiting.get_mut(device) {
                waiting.retain(|one| *one != id);
                if waiting.is_empty() {
                    lives.waiting.remove(device);
                }
            }
            self.commands.waiting.fetch_sub(1, Ordering::Relaxed);
            lives.is_over(id);
        }
        drop(lives);
        if let Some(by) = by.filter(|_| state == CommandState::TimedOut) {
            self.journal_soon(by, &now.command, Some(state));
        }
        self.bus.tell(Event::Command(now));
    }

    /// What a device just said may be what it was told to do.
    pub(super) fn confirm(&self, observations: &[Observation], telling: &Telling<'_>) {
        if telling.news == News::Replayed || self.commands.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        for observation in observations {
            let wanted = self.waiting_for(observation);
            if wanted.is_empty() {
                continue;
            }
            let Some(dialect) = domovoi_adapters::dialect(&observation.device.dialect) else { continue };
            let directory = self.ingest.directory();
            let (mut done, mut underway) = (Vec::new(), Vec::new());
            for (id, command, before) in &wanted {
                if command.target.property == observation.property
                    && !is_as_before(command, observation, before.as_ref())
                    && (dialect.confirms)(command, observation, &directory)
                {
                    done.push(*id);
                } else if (dialect.underway)(command, observation, &directory) {
                    underway.push(*id);
                }
            }
            drop(directory);
            done.into_iter().for_each(|id| self.ends(id, CommandState::Confirmed, None));
            self.commands.lives().go_on(&underway);
        }
    }

    /// The commands to a device that wait, each with what its property said before.
    fn waiting_for(&self, observation: &Observation) -> Vec<(Id, Command, Option<Value>)> {
        let lives = self.commands.lives();
        let Some(waiting) = lives.waiting.get(&observation.device) else { return Vec::new() };
        let of = |id: &Id| {
            let life = lives.all.get(id)?;
            Some((*id, life.wanted.clone(), life.before.clone()))
        };
        waiting.iter().filter_map(of).collect()
    }

    /// Ends what has taken too long, until the house stops.
    pub(super) async fn end_commands(&self, mut stop: watch::Receiver<bool>) {
        loop {
            let next = {
                let lives = self.commands.lives();
                lives.waiting.values().flatten().filter_map(|id| Some(lives.all.get(id)?.ends_at)).min()
            };
            let over = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => {
                    let now = Instant::now();
                    let late: Vec<Id> = {
                        let lives = self.commands.lives();
                        let waiting = lives.waiting.values().flatten();
                        waiting.filter(|id| lives.all.get(*id).is_some_and(|life| life.ends_at <= now)).copied().collect()
                    };
                    late.into_iter().for_each(|id| self.ends(id, CommandState::TimedOut, None));
                    self.errands.end_late();
                }
                () = self.commands.bell.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Whether the group of properties can be reached, as far as the device says.
    pub(super) fn reachable(&self, device: &DeviceRef, group: u8) -> Option<bool> {
        let directory = self.ingest.directory();
        let announcement = directory.known(device);
        match self.live.of(device) {
            Some(known) => super::live::lock(&known).reachable(announcement, group),
            None => super::live::LiveDevice::default().reachable(announcement, group),
        }
    }

    /// Has a dangerous command, as it is shown, written into the journal.
    fn journal_soon(&self, by: Asker, command: &Command, failed: Option<CommandState>) {
        let changes = vec![
            Change { field: "property".into(), before: None, after: Some(command.target.property.clone()), of: None },
            Change { field: "value".into(), before: None, after: Some(command.value.to_string()), of: None },
        ];
        let entry = Entry {
            actor: by.actor,
            origin: by.origin,
            deed: "device.commanded".into(),
            object: Some((Kind::Device.code().into(), Some(command.target.device.to_string()))),
            outcome: failed.map_or(Outcome::Done, |state| Outcome::Failed(state.code().into())),
            changes,
        };
        self.deeds.note(entry);
    }
}

impl Lives {
    /// The device is about them: the wait begins anew.
    fn go_on(&mut self, ids: &[Id]) {
        for id in ids {
            if let Some(life) = self.all.get_mut(id)
                && life.underway < MAX_UNDERWAY
            {
                life.underway += 1;
                let within = Duration::from_millis(life.told.borrow().within_millis);
                life.ends_at = life.ends_at.max(Instant::now() + within);
            }
        }
    }

    fn is_over(&mut self, id: Id) {
        self.over.push_back(id);
        if self.over.len() > REMEMBERED
            && let Some(oldest) = self.over.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

/// Whether a report only says again what was so before something else was wanted: a number within a device's rounding, a
/// switch that was to be turned over. A bridge sends the whole of a cached state whenever any part of it changes.
fn is_as_before(command: &Command, report: &Observation, before: Option<&Value>) -> bool {
    let is_old = before == Some(&report.value) && report.value != command.value;
    let turns_over = matches!(&command.value, Value::Text(word) if word.eq_ignore_ascii_case("toggle"));
    is_old && (report.value.number().is_some() || turns_over)
}

/// Why a dialect has no words for a command.
pub(super) fn cannot(error: &EncodeError) -> Refused {
    Refused::Cannot(error.to_string())
}
