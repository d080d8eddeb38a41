//! Makers' clouds and the rooms that they need: what the house says to their devices, what becomes of it, what the household
//! has. They know nothing of each other.

use std::sync::Arc;

use domovoi_adapters::Outgoing;
use domovoi_config::CloudsSection;
use domovoi_model::DeviceRef;
use domovoi_store::{Store, StoreError};

use crate::bus::Bus;
use crate::clock::Clock;
use crate::clouds::{Clouds, Hooks};
use crate::devices::{Devices, Forget};
use crate::ingest::Ingest;
use crate::web;

/// Opens the room and connects it, before anything runs.
pub(super) async fn open(
    store: &Store,
    clock: &Clock,
    bus: &Bus,
    section: &CloudsSection,
    devices: &Devices,
    ingest: &Arc<Ingest>,
) -> Result<Clouds, StoreError> {
    let (store, clock, bus) = (store.clone(), clock.clone(), bus.clone());
    let clouds = Clouds::open(store, clock, bus, Arc::clone(ingest), section, web::secret_name).await?;
    connect(&clouds, devices, ingest);
    Ok(clouds)
}

fn connect(clouds: &Clouds, devices: &Devices, ingest: &Arc<Ingest>) {
    // The clouds hold ingest, and ingest must not hold them: the hook would keep both for ever.
    let told = clouds.told();
    ingest.hooks().clouds_told_by(move |outgoing, seconds| told.say(outgoing, seconds));
    clouds.connect(|| {
        let [known, taken, waiting, refusing, forgetting] = std::array::from_fn(|_| devices.clone());
        Hooks {
            knows: Box::new(move |device| known.knows(device)),
            is_taken: Box::new(move |device| taken.is_accepted(device)),
            is_waited_for: Box::new(move |device: &DeviceRef, said: &Outgoing| waiting.is_waited_for(device, said)),
            refused: Box::new(move |device: &DeviceRef, said: &Outgoing, why: &str| {
                refusing.was_refused(device, said, why)
            }),
            forget: Box::new(move |gone| {
                let devices = forgetting.clone();
                Box::pin(async move { forget(&devices, gone).await })
            }),
        }
    });
}

/// With everything that they said. One that cannot be forgotten is told, and is no reason to keep the others.
async fn forget(devices: &Devices, gone: Vec<DeviceRef>) -> usize {
    let mut forgotten = 0;
    for device in gone.iter().filter(|device| devices.knows(device)) {
        match devices.forget(device, Forget { history: true, leave: false }).await {
            Ok(_) => forgotten += 1,
            Err(error) => tracing::error!(%device, "it is not forgotten: {error}"),
        }
    }
    forgotten
}
