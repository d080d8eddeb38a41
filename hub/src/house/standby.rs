//! The daemon from its first moment: the house on its store or, where the store does not open or takes its time, a house
//! on the standby copy of it in memory, until the store is there. The standby has the broker, the link to a broker of
//! others and the reflex with the rules, devices and credentials of the home; no page, no portal, no readings. What asks
//! to be durable is not acknowledged there, so whoever sent it sends it again to the house.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domovoi_config::Settings;
use domovoi_store::{FolderLock, MemoryFolder, OpenError, Standby, Store};
use domovoi_vault::{MasterKey, Secret};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;

use super::settings::store_settings;
use super::{House, HouseError, Sockets, Stage, unlock};
use crate::bus::{Bus, Event};
use crate::clock::Clock;

/// A store that is well opens in a second. After so long the standby begins.
const OPENS_WITHIN: Duration = Duration::from_secs(4);

/// A store that did not open is tried again so often: a disk comes back, somebody restores a backup.
const AGAIN: Duration = Duration::from_secs(15);

/// The copy is looked at so often, or this soon after something of it may have changed, and written at most so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const SETTLES_IN: Duration = Duration::from_secs(2);
const WRITTEN_EVERY: Duration = Duration::from_secs(20);

/// When the house stops, the disk is waited for so long.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// Opens the house and runs it until `shutdown`; meanwhile, if need be, the standby. `opened` is told of each that opens,
/// with its sockets, before it runs.
pub async fn keep(
    settings: Settings,
    clock: Clock,
    passphrase: Option<Secret<String>>,
    opened: impl AsyncFn(&House, &Sockets),
    shutdown: impl Future<Output = ()>,
) -> Result<(), HouseError> {
    let (lock, master) = unlock(&settings, passphrase).await?;
    let lock = Arc::new(lock);
    let has_standby = Store::has_standby(&settings.store.data_dir);
    let mut shutdown = pin!(shutdown);
    let mut opening = begin(&settings, &clock, &master, &lock, false);
    let why = match tokio::time::timeout(OPENS_WITHIN, &mut opening).await {
        Ok(house) => match joined(house) {
            Err(error) if has_standby && can_be_stood_in(&error) => error.to_string(),
            house => return live(house?, None, &settings, opened, shutdown).await,
        },
        Err(_) if has_standby => "it takes its time".to_owned(),
        Err(_) => return live(joined(opening.await)?, None, &settings, opened, shutdown).await,
    };
    tracing::error!("the store does not open: {why}");
    let (standby, _folder) = match stand_in(&settings, &clock, &master).await {
        Ok(standby) => standby,
        Err(error) => {
            tracing::error!("nor does the standby: {error}");
            return live(
                joined(finish(opening, &settings, &clock, &master, &lock).await)?,
                None,
                &settings,
                opened,
                shutdown,
            )
            .await;
        }
    };
    if opening.is_finished() {
        opening = begin(&settings, &clock, &master, &lock, true);
    }
    let sockets = Sockets::bind(&settings).await?;
    let spare = sockets.spare()?;
    tracing::error!(
        "the STANDBY runs from memory: broker and reflex are there, pages, readings and the portal are not"
    );
    opened(&standby, &sockets).await;
    let safety = standby.safety.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut running = pin!(standby.run(sockets, async move {
        let _ = stopped.await;
    }));
    let house = tokio::select! {
        ended = &mut running => return ended,
        house = async {
            loop {
                match joined((&mut opening).await) {
                    // It took its time, and then failed.
                    Err(error) if can_be_stood_in(&error) => {
                        tracing::error!("the store does not open: {error}");
                        opening = begin(&settings, &clock, &master, &lock, true);
                    }
                    house => break house,
                }
            }
        } => house,
        () = &mut shutdown => {
            let _ = stop.send(());
            return running.await;
        }
    };
    let _ = stop.send(());
    if let Err(error) = running.await {
        tracing::error!("the standby did not end well: {error}");
    }
    let house = house?;
    tracing::warn!("the store is open: the house takes over from the standby");
    // Only now: a leak may have been felt while it stopped, or may have come when nobody felt any more.
    house.safety.take_over(safety.hand_over());
    live(house, Some(spare), &settings, opened, shutdown).await
}

/// The house on its store.
async fn live(
    house: House,
    sockets: Option<Sockets>,
    settings: &Settings,
    opened: impl AsyncFn(&House, &Sockets),
    shutdown: impl Future<Output = ()>,
) -> Result<(), HouseError> {
    let sockets = match sockets {
        None => Sockets::bind(settings).await?,
        Some(spare) => Sockets { control: Some(Sockets::bind_control_only(settings)?), ..spare },
    };
    opened(&house, &sockets).await;
    Box::pin(house.run(sockets, shutdown)).await
}

type Opening = JoinHandle<Result<House, HouseError>>;

/// Opens store and rooms on a task of their own: whoever stops waiting for them does not stop them. `again`: a first try
/// has failed; it is tried until it does not.
fn begin(settings: &Settings, clock: &Clock, master: &MasterKey, lock: &Arc<FolderLock>, again: bool) -> Opening {
    let (settings, clock, master, lock) = (settings.clone(), clock.clone(), master.clone(), Arc::clone(lock));
    tokio::spawn(async move {
        loop {
            if again {
                tokio::time::sleep(AGAIN).await;
            }
            let opened = async {
                let store = Store::open(&store_settings(&settings, &clock), &master).await?;
                let lock = Some(Arc::clone(&lock));
                Box::pin(House::furnish(settings.clone(), clock.clone(), Stage::default(), store, lock)).await
            };
            match opened.await {
                Err(error) if again && can_be_stood_in(&error) => {
                    tracing::warn!("the store still does not open: {error}");
                }
                opened => return opened,
            }
        }
    })
}

/// Where there is no standby after all: what was begun, to its end, or the first failure anew.
async fn finish(
    opening: Opening,
    settings: &Settings,
    clock: &Clock,
    master: &MasterKey,
    lock: &Arc<FolderLock>,
) -> Result<Result<House, HouseError>, tokio::task::JoinError> {
    if opening.is_finished() { begin(settings, clock, master, lock, false).await } else { opening.await }
}

fn joined(opened: Result<Result<House, HouseError>, tokio::task::JoinError>) -> Result<House, HouseError> {
    opened.map_err(|error| HouseError::Setting(format!("the house could not be opened: {error}")))?
}

/// Whether it is the store that fails, and not what somebody has to decide first.
fn can_be_stood_in(error: &HouseError) -> bool {
    !matches!(
        error,
        HouseError::Locked(_)
            | HouseError::Master(_)
            | HouseError::Open(OpenError::Key(_) | OpenError::Newer { .. })
            | HouseError::Setting(_)
            | HouseError::Portal(_)
            | HouseError::Bind { .. }
    )
}

/// The house on the copy, in memory.
async fn stand_in(settings: &Settings, clock: &Clock, master: &MasterKey) -> Result<(House, MemoryFolder), HouseError> {
    let mut settings = settings.clone();
    // Without people nobody could sign in, and a stranger must not become the owner; nothing may be told twice.
    settings.web.enabled = false;
    settings.portal = None;
    let made = Store::open_standby(&store_settings(&settings, clock), &memory(), master).await?;
    let stage = Stage { is_standby: true, ..Stage::default() };
    let house = Box::pin(House::furnish(settings, clock.clone(), stage, made.store, None)).await?;
    Ok((house, made.folder))
}

/// A folder of a file system in memory: systemd's for this service, or Linux's for everybody.
fn memory() -> PathBuf {
    let of_service = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let found = of_service.into_iter().chain([PathBuf::from("/dev/shm")]).find(|path| path.is_dir());
    found.unwrap_or_else(std::env::temp_dir)
}

/// Keeps the copy up to date until `stop` turns true, and once more then.
pub(super) async fn keep_copy(mut copy: Standby, bus: Bus, mut stop: watch::Receiver<bool>) {
    let mut ears = bus.listen();
    let mut well = true;
    loop {
        let written = copy.refresh().await;
        if let (true, Err(error)) = (well, &written) {
            tracing::warn!("the standby copy cannot be written: {error}");
        }
        well = written.is_ok();
        let pause = if matches!(written, Ok(true)) { WRITTEN_EVERY } else { SETTLES_IN };
        let changed = async {
            tokio::time::sleep(pause).await;
            loop {
                match ears.recv().await {
                    Ok(Event::Device(_) | Event::Rooms | Event::Safety(_))
                    | Err(broadcast::error::RecvError::Lagged(_)) => {
                        return tokio::time::sleep(SETTLES_IN).await;
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let stops = tokio::select! {
            _ = tokio::time::timeout(LOOK_EVERY, changed) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if stops {
            if tokio::time::timeout(LAST_LOOK, copy.refresh()).await.is_err() {
                tracing::warn!("the disk was not there for the standby copy");
            }
            return;
        }
    }
}
