//! Who watches the recorder: whether what is said is kept. Tells the owner, and takes it back when it is over; mends nothing
//! itself. Of what does not open of the past the ledger tells, which reads all of it.

use std::time::Duration;

use domovoi_store::{Health, Notice, Store, StoreError};
use tokio::sync::watch;

use crate::bus::{Bus, Event};
use crate::clock::Clock;

/// What could not be written down for want of room is tried again so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Notices about the disk; one of them is open at a time.
const DISK: [&str; 3] = ["disk_nearly_full", "disk_full", "disk_failing"];

/// The room.
pub struct Recorder {
    store: Store,
    bus: Bus,
    clock: Clock,
}

impl Recorder {
    /// With nothing told yet.
    pub fn new(store: Store, bus: Bus, clock: Clock) -> Self {
        Recorder { store, bus, clock }
    }

    /// Watches until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut health = self.store.history().health();
        loop {
            let now = health.borrow_and_update().clone();
            if let Err(error) = self.look(&now).await {
                // A full disk has no room for the notice either; the page and the doctor say it all the same.
                tracing::warn!("the recorder's notices wait for the store: {error}");
            }
            let closed = tokio::select! {
                changed = health.changed() => changed.is_err(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if closed {
                // The store is closed: the house stops, or is about to.
                let _ = stop.wait_for(|stop| *stop).await;
                return;
            }
        }
    }

    /// Says what is so now, once, and takes back what is so no more.
    pub async fn look(&self, health: &Health) -> Result<(), StoreError> {
        let said = match health {
            Health::Healthy => None,
            Health::TelemetryStopped { free } => Some((DISK[0], vec![("free", (free >> 20).to_string())])),
            Health::RegistersStopped => Some((DISK[1], Vec::new())),
            Health::Failing(why) => Some((DISK[2], vec![("why", why.chars().take(300).collect())])),
        };
        for kind in DISK.iter().filter(|kind| said.as_ref().is_none_or(|(said, _)| said != *kind)) {
            if self.store.notices().clear(kind).await? {
                tracing::info!(kind, "this is over");
                self.bus.tell(Event::Notice((*kind).into()));
            }
        }
        if let Some((kind, params)) = said {
            self.raise(kind, params).await?;
        }
        Ok(())
    }

    /// Says that pieces of the broker's log did not open at the start. What was in them, nobody knows.
    pub async fn log_was_damaged(&self, pieces: usize) {
        let told = self.raise("broker_log_damaged", vec![("pieces", pieces.to_string())]).await;
        if let Err(error) = told {
            tracing::warn!("a notice of the damaged log cannot be kept: {error}");
        }
    }

    async fn raise(&self, kind: &str, params: Vec<(&str, String)>) -> Result<(), StoreError> {
        let params = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
        if self.store.notices().raise(kind, &notice).await? {
            tracing::warn!(kind, "notice raised: see `domovoi notices`");
            self.bus.tell(Event::Notice(kind.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domovoi_config::Settings;
    use domovoi_model::{Id, Timestamp};

    use super::*;
    use crate::house::House;

    #[tokio::test]
    async fn what_is_so_is_told_once_and_taken_back_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::parse("", "test.toml", folder.path()).unwrap();
        let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
        let house = Box::pin(House::open(settings, clock.clone(), None)).await.unwrap();
        let (store, bus) = (house.store().clone(), Bus::default());
        let mut heard = bus.listen();
        let recorder = Recorder::new(store.clone(), bus, clock);
        let open = async || {
            let open = store.notices().open().await.unwrap();
            open.into_iter().map(|open| open.notice.kind).collect::<Vec<_>>()
        };
        recorder.look(&Health::Healthy).await.unwrap();
        assert!(open().await.is_empty() && heard.try_recv().is_err());
        for _ in 0..2 {
            recorder.look(&Health::TelemetryStopped { free: 5 << 20 }).await.unwrap();
            assert_eq!(open().await, ["disk_nearly_full"]);
        }
        assert!(heard.try_recv().is_ok() && heard.try_recv().is_err(), "told once");
        recorder.look(&Health::RegistersStopped).await.unwrap();
        assert_eq!(open().await, ["disk_full"]);
        recorder.look(&Health::Failing("EIO".into())).await.unwrap();
        assert_eq!(open().await, ["disk_failing"]);
        recorder.look(&Health::Healthy).await.unwrap();
        assert!(open().await.is_empty());
        recorder.log_was_damaged(3).await;
        recorder.look(&Health::Healthy).await.unwrap();
        assert_eq!(open().await, ["broker_log_damaged"], "a healthy disk does not bring it back");
    }
}
