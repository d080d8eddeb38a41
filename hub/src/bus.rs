//! What rooms tell each other. A broadcast of things that have happened; nobody waits for a listener, and a listener
//! that falls behind is told how much it missed and reads the store instead.

use std::sync::Arc;

use domovoi_model::{Act, PointId, RegisterReading, Sample};
use domovoi_store::Recorded;
use tokio::sync::broadcast;

/// How many events a slow listener may be behind.
const CAPACITY: usize = 1024;

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
}

/// The bus. Clones are the same bus.
#[derive(Debug, Clone)]
pub struct Bus(broadcast::Sender<Event>);

impl Default for Bus {
    fn default() -> Self {
        Bus(broadcast::channel(CAPACITY).0)
    }
}

impl Bus {
    /// Tells everybody who listens.
    pub fn tell(&self, event: Event) {
        // Nobody listening is not an error: the demo and the page come and go.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
