//! A sandbox portal: all of `config/portal-api.yaml` with an OAuth server of its own, which verifies what a real portal
//! would verify, keeps what it accepted, and misbehaves on request. It shows itself to tests (`view`, `wait_for`) and to
//! the demo (`events`). It is not hardened for the internet and has no accounts of people.
//!
//! On disk (when given a folder): `oauth.json` (grants; hashes of tokens only), `keys.json`, `home.json`,
//! `acts/<ordinal>.json` (exact bytes, signature, verdicts, receipt), `photos/<sha256>.<ext>`. Each is synced before the
//! answer that depends on it.

mod acts;
mod calls;
mod disk;
mod guard;
mod jose;
mod line;
mod misbehave;
mod oauth;
mod problem;
mod sandbox;
mod settings;
mod state;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use tokio::{
    net::TcpListener,
    sync::{broadcast, oneshot, watch},
    task::JoinHandle,
};

pub(crate) use disk::replace_file;
pub(crate) use jose::random as random_bytes;
pub use misbehave::{Endpoint, Misbehaviour, Reach};
pub use settings::{
    ALL_SCOPES, AccountSpec, AccountState, Lifetimes, MeteringPointSpec, PortalSettings, Resource, WindowDay,
    WindowSpec,
};
pub use state::{HeldAct, HeldReading, PortalView};

use disk::Disk;
use oauth::grants::{Decision, OauthState};
use state::State;

/// How long a stop waits for requests under way.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the sandbox portal cannot listen on {addr}: {source}; choose another address or port 0")]
    Listen { addr: SocketAddr, source: io::Error },
    #[error("the sandbox portal cannot use its folder {folder}: {source}; mend or empty the folder")]
    Folder { folder: PathBuf, source: io::Error },
}

/// A line for the demo's screen: never a token, never a person's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalEvent {
    /// By the portal's clock.
    pub at_ms: i64,
    pub line: String,
}

pub(crate) struct Portal {
    settings: PortalSettings,
    base_url: String,
    disk: Option<Disk>,
    identity_key: oauth::identity::IdentityKey,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// A request that outlived the stop must not write into the folder, which may be another portal's by then.
    over: AtomicBool,
    events: broadcast::Sender<PortalEvent>,
}

/// A running portal. Dropping it stops it too, without waiting.
pub struct SandboxPortal {
    portal: Arc<Portal>,
    addr: SocketAddr,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl SandboxPortal {
    /// Loads what the folder holds, then listens.
    pub async fn start(settings: PortalSettings) -> Result<Self, StartError> {
        let mut state = State { accounts: settings.accounts.clone(), ..State::default() };
        let disk = match &settings.data_dir {
            None => None,
            Some(folder) => {
                Some(load(folder, &mut state).map_err(|source| StartError::Folder { folder: folder.clone(), source })?)
            }
        };
        let refused = |source| StartError::Listen { addr: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let portal = Arc::new(Portal {
            base_url: format!("http://{addr}"),
            settings,
            disk,
            identity_key: oauth::identity::IdentityKey::generate(),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            over: AtomicBool::new(false),
            events: broadcast::Sender::new(256),
        });
        let service = router(portal.clone()).into_make_service_with_connect_info::<line::Line>();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let served = axum::serve(line::CuttableListener(listener), service)
                .with_graceful_shutdown(async move {
                    // An error means that the portal was dropped: the same wish.
                    let _ = stopped.await;
                })
                .await;
            if let Err(error) = served {
                tracing::warn!(%error, "the sandbox portal stopped listening");
            }
        });
        Ok(Self { portal, addr, running: Mutex::new(Some((stop, task))) })
    }

    /// `http://address:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.portal.base_url
    }

    /// Equal to [`Self::base_url`]: the metadata hangs at its root.
    pub fn issuer(&self) -> &str {
        &self.portal.base_url
    }

    /// Where the paths of `portal-api.yaml` begin.
    pub fn api_base(&self) -> String {
        format!("{}/api/v1", self.portal.base_url)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more connections, lets requests under way finish, at most for a few seconds. The port is free then.
    pub async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, mut task)) = running {
            let _ = stop.send(());
            if tokio::time::timeout(STOP_PATIENCE, &mut task).await.is_err() {
                task.abort();
            }
        }
        self.portal.over.store(true, Ordering::SeqCst);
    }

    /// The citizen types this code and allows. `false`: no such code waits.
    pub fn approve(&self, user_code: &str) -> bool {
        self.portal.decide(user_code, true).unwrap_or(false)
    }

    pub fn deny(&self, user_code: &str) -> bool {
        self.portal.decide(user_code, false).unwrap_or(false)
    }

    /// Once, at the next request that it usually concerns ([`Misbehaviour::usual_reach`]).
    pub fn misbehave(&self, what: Misbehaviour) {
        let reach = what.usual_reach();
        self.misbehave_at(reach, what, 1);
    }

    pub fn misbehave_at(&self, reach: Reach, what: Misbehaviour, times: u32) {
        self.portal.queue(reach, what, times);
    }

    /// Forgets the misbehaviours not yet spent. What they have done stays done.
    pub fn clear(&self) {
        self.portal.update(|state| {
            state.faults.0.clear();
            state.nonces.asked = false;
        });
    }

    pub fn view(&self) -> PortalView {
        self.portal.read(State::view)
    }

    /// Every act taken, in the order of arrival; also the rejected and superseded ones.
    pub fn accepted_acts(&self) -> Vec<HeldAct> {
        self.view().acts
    }

    pub fn live_acts(&self, account_number: &str, period: (i16, i8)) -> usize {
        self.view().live_acts(account_number, period)
    }

    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.view().requests_to(endpoint)
    }

    /// Thumbprints.
    pub fn registered_keys(&self) -> Vec<String> {
        self.view().keys
    }

    /// The exact bytes of an act and its detached JWS.
    pub fn act_bytes(&self, act_id: &str) -> Option<(Vec<u8>, String)> {
        self.portal
            .read(|state| state.acts.iter().find(|act| act.act_id == act_id).map(|act| (act.bytes(), act.jws.clone())))
    }

    pub fn receipt(&self, act_id: &str) -> Option<String> {
        self.portal.read(|state| state.acts.iter().find(|act| act.act_id == act_id).and_then(|act| act.receipt.clone()))
    }

    /// Resolves as soon as the condition holds; it is asked after every change. Bound it with a timeout of your own.
    pub async fn wait_for(&self, condition: impl Fn(&PortalView) -> bool) -> PortalView {
        let mut changed = self.portal.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let view = self.view();
            // The sender lives as long as `self`, so an error cannot come; leaving is better than spinning all the same.
            if condition(&view) || changed.changed().await.is_err() {
                return view;
            }
        }
    }

    /// What happens from now on; a slow reader loses the oldest lines.
    pub fn events(&self) -> broadcast::Receiver<PortalEvent> {
        self.portal.events.subscribe()
    }

    pub fn set_account_state(&self, account_number: &str, to: AccountState) {
        self.portal.update(|state| {
            for account in state.accounts.iter_mut().filter(|account| account.account_number == account_number) {
                account.status = to;
            }
        });
    }

    /// Replaces what the portal knows of the citizen's accounts (a new window, a swapped meter).
    pub fn set_accounts(&self, accounts: Vec<AccountSpec>) {
        self.portal.update(|state| state.accounts = accounts);
    }

    /// A supplier writes to the household. `kind` is one of the contract's.
    pub fn notify_household(&self, kind: &str, text: &str, account_number: Option<&str>) -> io::Result<()> {
        self.portal.post_to_household(kind, text, account_number)
    }

    /// `period` is year and month, `due` a date as `YYYY-MM-DD`.
    pub fn add_charge(
        &self,
        account: &AccountSpec,
        period: (i16, i8),
        amount_kopecks: i64,
        due: &str,
    ) -> io::Result<()> {
        self.portal.charge(account, period, amount_kopecks, due)
    }

    /// The citizen reads a notification on the portal's own page, which the hub then learns of. `false`: there is none.
    pub fn read_on_the_portal(&self, id: &str) -> io::Result<bool> {
        self.portal.read_there(id)
    }

    /// The citizen pays a charge; ids are `c1`, `c2`, … in the order of their adding. `false`: there is none.
    pub fn pay_charge(&self, id: &str) -> io::Result<bool> {
        self.portal.pay(id)
    }

    /// A CAP 1.2 document for the feed. Kept until the portal stops.
    pub fn publish_alert(&self, id: &str, cap_xml: &str) {
        self.portal.update(|state| {
            state.alerts.retain(|(held, _)| held != id);
            state.alerts.push((id.to_owned(), cap_xml.to_owned()));
        });
    }

    /// As [`Misbehaviour::WithdrawConsent`], but now.
    pub fn withdraw_consent(&self) -> io::Result<()> {
        self.portal.update_oauth(|oauth| oauth.revoke_all(state::Revoked::ConsentWithdrawn))
    }
}

impl Drop for SandboxPortal {
    fn drop(&mut self) {
        self.portal.over.store(true, Ordering::SeqCst);
    }
}

fn load(folder: &std::path::Path, state: &mut State) -> io::Result<Disk> {
    let disk = Disk::open(folder)?;
    state.oauth = disk.read_json("oauth.json")?.unwrap_or_default();
    state.keys = disk.read_json("keys.json")?.unwrap_or_default();
    state.home = disk.read_json("home.json")?.unwrap_or_default();
    state.acts = disk.read_folder("acts")?;
    state.acts.sort_by_key(|act| act.ordinal);
    for name in disk.names("photos")? {
        if let Some((hash, extension)) = name.split_once('.').filter(|(_, extension)| *extension != "part") {
            state.photos.insert(hash.to_owned(), extension.to_owned());
        }
    }
    Ok(disk)
}

fn router(portal: Arc<Portal>) -> Router {
    // Merged with their whole paths: `nest` would hide from DPoP's `htu` where the request came in.
    let mut whole = oauth::routes().merge(acts::routes()).merge(calls::routes());
    if portal.settings.sandbox_calls {
        whole = whole.merge(sandbox::routes());
    }
    whole
        .fallback(|| async { problem::Problem::not_found("the portal has no such path") })
        .layer(axum::middleware::from_fn_with_state(portal.clone(), misbehave::pass))
        .with_state(portal)
}

impl Portal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock())
    }

    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
        result
    }

    /// The change is on disk when this returns; a failed write undoes it.
    pub(crate) fn update_oauth<R>(&self, change: impl FnOnce(&mut OauthState) -> R) -> io::Result<R> {
        self.update(|state| {
            let before = state.oauth.clone();
            let result = change(&mut state.oauth);
            self.keep("oauth.json", &state.oauth).inspect_err(|_| state.oauth = before)?;
            Ok(result)
        })
    }

    pub(crate) fn keep<T: serde::Serialize>(&self, file: &str, value: &T) -> io::Result<()> {
        self.open_disk()?.map_or(Ok(()), |disk| disk.write_json(file, value))
    }

    pub(crate) fn open_disk(&self) -> io::Result<Option<&Disk>> {
        if self.over.load(Ordering::SeqCst) {
            Err(io::Error::other("the portal has stopped"))
        } else {
            Ok(self.disk.as_ref())
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.settings.clock)()
    }

    /// RFC 3339, UTC.
    pub(crate) fn spelt(&self, ms: i64) -> String {
        jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
    }

    pub(crate) fn tell(&self, line: impl Into<String>) {
        let event = PortalEvent { at_ms: self.now_ms(), line: line.into() };
        tracing::debug!(line = event.line, "sandbox portal");
        // Nobody listening is no error.
        let _ = self.events.send(event);
    }

    pub(crate) fn queue(&self, reach: Reach, what: Misbehaviour, times: u32) {
        self.update(|state| state.faults.0.push(misbehave::Queued { what, reach, times: times.max(1) }));
    }

    pub(crate) fn take_fault(&self, fits: impl Fn(&Misbehaviour) -> bool) -> Option<Misbehaviour> {
        let taken = self.update(|state| state.faults.take(|queued| fits(&queued.what)));
        if let Some(what) = &taken {
            self.tell(format!("misbehaves at Token: {what:?}"));
        }
        taken
    }

    pub(crate) fn decide(&self, user_code: &str, allow: bool) -> io::Result<bool> {
        let now = self.now_ms();
        let decided = self.update_oauth(|oauth| {
            let waiting = |device: &&mut oauth::grants::DeviceCode| {
                device.decision == Decision::Pending && device.expires_ms > now
            };
            oauth.device_by_user_code(user_code).filter(waiting).map(|device| {
                device.decision = if allow { Decision::Approved } else { Decision::Denied };
            })
        })?;
        if decided.is_some() {
            self.tell(if allow { "the citizen allowed the link" } else { "the citizen refused the link" });
        }
        Ok(decided.is_some())
    }
}
