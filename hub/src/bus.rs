//! What rooms tell each other. A broadcast of things that have happened; nobody waits for a listener, and a listener
//! that falls behind is told how much it missed and reads the store instead.
//!
//! Samples have a line of their own: there are a thousand times as many of them as of everything else, most listeners do not
//! want them, and one that is away for a minute must not hold a minute of samples in memory.

use std::sync::Arc;

use domovoi_model::{
    Act, Alert, Command, DeviceRef, Id, Moment, PersonId, PointId, RegisterReading, Sample, Unit, Value,
};
use domovoi_store::Recorded;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many events a slow listener may be behind.
const CAPACITY: usize = 4096;

/// How many batches of samples. A batch has up to a thousand, about 300 KB, and under load all of them are full.
const BATCHES: usize = 16;

/// After so many batches of samples in a row other news goes first, once.
const PATIENCE: u8 = 8;

/// Something that has happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Samples that survive a power cut from now on.
    Recorded(Arc<Vec<Recorded<Sample>>>),
    /// The ledger judged a reading.
    Reading(Arc<RegisterReading>),
    /// An act changed its state.
    Act(Arc<Act>),
    /// Points, meters, accounts or a person's readings changed: the clerk looks again.
    RegisterChanged(Option<PointId>),
    /// A notice was raised; the key finds it in the store.
    Notice(Arc<str>),
    /// Properties of devices stand otherwise than before: coalesced, four times a second for each at most.
    State(Arc<Vec<PropertyState>>),
    /// What the household decided about a device, or what the device says that it is, is another; or it is gone.
    Device(Arc<DeviceRef>),
    /// Rooms were added, named or removed.
    Rooms,
    /// A command is at another point of its life.
    Command(Arc<CommandLife>),
    /// The reflex felt or did something; said before anything of it is written down.
    Safety(Arc<SafetyNews>),
    /// Something about a camera is otherwise than before.
    Camera(Arc<CameraNews>),
    /// An alert is otherwise than before; said before it is written down.
    Alert(Arc<AlertNews>),
    /// Something about the calendar is otherwise than before.
    Calendar,
    /// Messages of the portal, or to it, are otherwise than before.
    Messages,
    /// Somebody came home or left, or it is not known any more.
    Presence(PresenceNews),
    /// A scenario, or one of its runs, is otherwise than before.
    Scenario(Id),
    /// The link with a maker's cloud is otherwise than before; its name.
    Cloud(Arc<str>),
}

/// Whether somebody is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceNews {
    /// Who.
    pub person: PersonId,
    /// `None`: nobody can say.
    pub home: Option<bool>,
    /// Whether anybody is at home, after it; `None`: nobody can say.
    pub anybody: Option<bool>,
    /// Since when.
    pub at: Moment,
}

/// What is otherwise about an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertNews {
    /// As it stands now.
    pub alert: Arc<Alert>,
    /// What happened to it.
    pub change: AlertChange,
}

/// See [`AlertNews`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertChange {
    /// It is new.
    Raised,
    /// It says something else; `worse`: who was told is told anew.
    Updated {
        /// Its severity rose, or it came nearer.
        worse: bool,
    },
    /// It does not stand any more.
    Over,
    /// Somebody said "I know", or has done a step.
    Acknowledged,
}

/// What is otherwise about a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraNews {
    /// Which.
    pub camera: Id,
    /// What.
    pub what: CameraChange,
}

/// See [`CameraNews`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraChange {
    /// It was added, changed, found elsewhere or forgotten.
    Card,
    /// It is online or offline, is recorded or is not.
    Standing,
    /// A segment of it ended, or some were deleted.
    Archive,
    /// A picture of an event was kept, under this id.
    Picture(Id),
}

/// How a property stands, as everybody may know who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyState {
    /// Which device.
    pub device: DeviceRef,
    /// Which of its properties.
    pub property: String,
    /// What it said last; `None`: nothing yet.
    pub value: Option<Value>,
    /// The unit of a number.
    pub unit: Unit,
    /// What the device itself held against the value.
    pub suspect: Option<String>,
    /// When it said so.
    pub at: Option<Moment>,
    /// It is from before the hub's restart; the device has said nothing since.
    pub restored: bool,
    /// The device has been silent for longer than it says that its word counts.
    pub expired: bool,
    /// Whether the device can be reached, as far as it says. Advice: a command may be tried all the same.
    pub reachable: Option<bool>,
}

/// A command, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLife {
    /// Random.
    pub id: Id,
    /// What is wanted.
    pub command: Command,
    /// When it was given.
    pub at: Moment,
    /// How far it has come.
    pub state: CommandState,
    /// Why it was refused.
    pub why: Option<String>,
    /// So long its confirmation is waited for, in milliseconds.
    pub within_millis: u64,
    /// The device was thought to be out of reach when it was tried.
    pub unreachable: bool,
    /// The device sleeps: it may take long.
    pub sleeps: bool,
}

/// How far a command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandState {
    /// It was said to the device.
    Sent,
    /// The device itself reports what was wanted.
    Confirmed,
    /// It reports nothing of the kind, and the time is over.
    TimedOut,
    /// It could not be said.
    Refused,
    /// A later command for the same property took its place.
    Superseded,
    /// It was said, and this device never reports whether it was done.
    Unconfirmable,
}

impl CommandState {
    /// Its code on the wire and in the locale files (`command-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            CommandState::Sent => "sent",
            CommandState::Confirmed => "confirmed",
            CommandState::TimedOut => "timed-out",
            CommandState::Refused => "refused",
            CommandState::Superseded => "superseded",
            CommandState::Unconfirmable => "unconfirmable",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        self != CommandState::Sent
    }
}

/// What the reflex felt or did.
#[derive(Debug, Clone, PartialEq)]
pub struct SafetyNews {
    /// `began`, `remembered`, `over`, `said`, `not-said`, `confirmed`, `unanswered`, `undone`, `hushed`, `tested`.
    pub what: &'static str,
    /// The danger's code.
    pub danger: Option<&'static str>,
    /// The sensor, or the device that is being set.
    pub device: Option<DeviceRef>,
    /// What people call it.
    pub name: String,
    /// Which of its properties.
    pub property: String,
    /// What it said, or is set to.
    pub value: Option<Value>,
    /// How often it was told.
    pub tries: u32,
    /// Since when.
    pub at: Option<Moment>,
    /// It is a test.
    pub test: bool,
    /// Somebody has accepted the sensor; of one that nobody has, it is not known what it is.
    pub accepted: bool,
}

/// The bus. Clones are the same bus.
#[derive(Debug, Clone)]
pub struct Bus {
    news: broadcast::Sender<Event>,
    samples: broadcast::Sender<Event>,
}

impl Default for Bus {
    fn default() -> Self {
        Bus { news: broadcast::channel(CAPACITY).0, samples: broadcast::channel(BATCHES).0 }
    }
}

impl Bus {
    /// Tells everybody who listens.
    pub fn tell(&self, event: Event) {
        let line = if matches!(event, Event::Recorded(_)) { &self.samples } else { &self.news };
        // Nobody listening is not an error: the demo and the page come and go.
        let _ = line.send(event);
    }

    /// Listens from now on to everything but samples.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.news.subscribe()
    }

    /// Listens from now on to everything.
    pub fn listen_to_all(&self) -> Ears {
        Ears { samples: self.samples.subscribe(), news: self.news.subscribe(), in_a_row: 0 }
    }
}

/// Both lines. Samples come first, so that what came of them is heard after them.
#[derive(Debug)]
pub struct Ears {
    samples: broadcast::Receiver<Event>,
    news: broadcast::Receiver<Event>,
    in_a_row: u8,
}

impl Ears {
    /// The next event; or what went wrong, and whether it did with samples. Cancel-safe.
    pub async fn recv(&mut self) -> Result<Event, (RecvError, bool)> {
        if self.in_a_row >= PATIENCE {
            self.in_a_row = 0;
            if let Ok(event) = self.news.try_recv() {
                return Ok(event);
            }
        }
        tokio::select! {
            biased;
            sample = self.samples.recv() => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                sample.map_err(|error| (error, true))
            }
            news = self.news.recv() => {
                self.in_a_row = 0;
                news.map_err(|error| (error, false))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn samples_neither_wait_behind_other_news_nor_starve_them() {
        let bus = Bus::default();
        let (mut all, mut few) = (bus.listen_to_all(), bus.listen());
        bus.tell(Event::Notice("a".into()));
        for _ in 0..=PATIENCE {
            bus.tell(Event::Recorded(Arc::default()));
        }
        for _ in 0..PATIENCE {
            assert!(matches!(all.recv().await, Ok(Event::Recorded(_))));
        }
        assert!(matches!(all.recv().await, Ok(Event::Notice(_))));
        assert!(matches!(all.recv().await, Ok(Event::Recorded(_))));
        assert!(matches!(few.recv().await, Ok(Event::Notice(_))));
        assert!(few.try_recv().is_err(), "who listens to news hears no samples");
    }
}
