//! What rooms tell each other. A broadcast of things that have happened; nobody waits for a listener, and a listener
//! that falls behind is told how much it missed and reads the store instead.
//!
//! Samples have a line of their own: there are a thousand times as many of them as of everything else, most listeners do not
//! want them, and one that is away for a minute must not hold a minute of samples in memory.

use std::sync::Arc;

use domovoi_model::{Act, PointId, RegisterReading, Sample};
use domovoi_store::Recorded;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many events a slow listener may be behind.
const CAPACITY: usize = 1024;

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
