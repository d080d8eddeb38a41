//! Where the broker's log lies: its frames go into the store, into the same commits as the samples that came with them.
//! What a frame means is the broker's business, how it is sealed and when it is durable the store's.

use domovoi_broker::{Durable, NotKept, Resumed, Rewritten, Storage, Torn};
use domovoi_store::{BrokerLog, LogLeft};

use crate::clock::Clock;

/// The store as the broker sees it.
pub struct BrokerShelf {
    log: BrokerLog,
    clock: Clock,
}

impl BrokerShelf {
    /// A shelf for one broker; the clock says how long sessions and messages last over a restart.
    pub fn new(log: BrokerLog, clock: Clock) -> Self {
        BrokerShelf { log, clock }
    }
}

impl Storage for BrokerShelf {
    fn append(&self, frame: Vec<u8>) -> u64 {
        self.log.append(frame)
    }

    fn settled(&self) -> Durable {
        match self.log.settled() {
            None => Durable::Now,
            Some(kept) => Durable::when(async { kept.await.map(drop).map_err(|_| NotKept) }),
        }
    }

    fn rewrite(&self, up_to: u64, whole_to: u64, frames: Vec<Vec<u8>>) -> Rewritten {
        let log = self.log.clone();
        Box::pin(async move {
            log.rewrite(up_to, whole_to, frames).await.map_err(|error| {
                tracing::error!("the broker's log could not be written anew: {error}");
                Torn
            })
        })
    }

    fn together(&self, work: &mut dyn FnMut()) {
        self.log.together(work);
    }

    fn first_lost(&self) -> Option<u64> {
        self.log.first_lost()
    }

    fn now_millis(&self) -> Option<i64> {
        self.clock.trusted().map(|now| now.0)
    }
}

/// Says what was found of the broker's last run, and above all what was not.
pub fn report(left: &LogLeft, resumed: &Resumed) {
    for damage in &left.damaged {
        tracing::error!("a piece of the broker's log is damaged and set aside: {damage}");
    }
    if resumed.unreadable > 0 || !left.damaged.is_empty() {
        tracing::error!(
            unreadable = resumed.unreadable,
            damaged = left.damaged.len(),
            "sessions or retained messages of the last run may be missing; devices that subscribe anew get everything"
        );
    }
    tracing::info!(
        sessions = resumed.sessions,
        retained = resumed.retained,
        queued = resumed.queued,
        wills = resumed.wills,
        "the broker goes on where it stopped"
    );
}
