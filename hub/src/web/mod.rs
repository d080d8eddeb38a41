//! Our API, spoken over `control.sock` in the data folder: JSON over HTTP, for the command line of the same user only.
//! Alone it knows our JSON. It decides nothing: each call is one named function of a room, said in HTTP.

mod acts;
mod keys;
mod meters;
mod mqtt;
mod portal;
mod problem;
mod system;

use std::future::Future;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use domovoi_config::Settings;
use domovoi_store::Store;
use tokio::net::UnixListener;

use crate::clock::Clock;
use crate::doctor::Doctor;
use crate::ingest::Ingest;
use crate::metering::Metering;
use crate::portal::{Outbox, Portal};

pub use problem::{ApiProblem, status_of};

/// The largest body taken, except for photos.
const MAX_BODY: usize = 256 * 1024;

/// What the API is made of.
#[derive(Clone)]
pub struct Desk {
    pub settings: Arc<Settings>,
    pub store: Store,
    pub metering: Metering,
    pub portal: Option<Portal>,
    pub outbox: Option<Outbox>,
    pub ingest: Arc<Ingest>,
    pub clock: Clock,
    pub doctor: Doctor,
    pub linking: Linking,
    pub rotation: Rotation,
    /// Closes the connection of a client id at the broker.
    pub kick: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

/// A linking under way, as the command line follows it.
#[derive(Clone, Default)]
pub struct Linking(Arc<Mutex<portal::LinkingView>>);

/// A rotation under way, likewise.
#[derive(Clone, Default)]
pub struct Rotation(Arc<Mutex<keys::RotationView>>);

/// Every route. A route that is not here does not exist.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/api/v1/meters", get(meters::list).post(meters::add))
        .route("/api/v1/meters/{point}/replacement", post(meters::replace))
        .route("/api/v1/meters/{point}/verification", put(meters::verify))
        .route("/api/v1/meters/{point}/readings", get(meters::history).post(meters::submit))
        .route("/api/v1/readings/{row}/decision", post(meters::decide))
        .route("/api/v1/acts", get(acts::list))
        .route("/api/v1/acts/{act}", get(acts::show))
        .route("/api/v1/acts/{act}/approval", post(acts::approve))
        .route("/api/v1/acts/{act}/correction", post(acts::correct))
        .route("/api/v1/act-key", get(acts::key))
        .route("/api/v1/portal", get(portal::status))
        .route("/api/v1/portal/link", post(portal::link).delete(portal::unlink))
        .route("/api/v1/portal/linking", get(portal::linking).delete(portal::cancel))
        .route("/api/v1/portal/accounts", get(portal::accounts))
        .route("/api/v1/portal/consent", get(portal::consent).put(portal::set_consent))
        .route("/api/v1/mqtt/credentials", get(mqtt::list).post(mqtt::add))
        .route("/api/v1/mqtt/credentials/{username}", delete(mqtt::remove))
        .route("/api/v1/secrets/{name}", put(system::set_secret))
        .route("/api/v1/keys", get(keys::status))
        .route("/api/v1/keys/rotation", get(keys::rotation).post(keys::rotate))
        .route("/api/v1/notices", get(system::notices))
        .route("/api/v1/notices/{key}", delete(system::clear_notice))
        .route("/api/v1/doctor", get(system::doctor))
        .fallback(problem::no_such_route)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        // A photo comes as base64 in the same body as its reading: 5 MB and a third.
        .route("/api/v1/meters/{point}/readings/with-photo", post(meters::submit).layer(DefaultBodyLimit::max(8 << 20)))
        .with_state(desk)
}

/// Serves the API on the control socket until `shutdown` is there. Peers of other users are turned away before a byte
/// of theirs is read.
pub async fn serve(listener: UnixListener, desk: Desk, shutdown: impl Future<Output = ()> + Send + 'static) {
    let Some(owner) = owner_of(&listener) else {
        tracing::error!("the control socket has no owner: the command line cannot reach this daemon");
        return;
    };
    let app = router(desk);
    if let Err(error) = axum::serve(OwnUser { listener, owner }, app).with_graceful_shutdown(shutdown).await {
        tracing::error!("the control socket failed: {error}");
    }
}

fn owner_of(listener: &UnixListener) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let address = listener.local_addr().ok()?;
    Some(std::fs::metadata(address.as_pathname()?).ok()?.uid())
}

/// Accepts connections of the socket's owner and of root only.
struct OwnUser {
    listener: UnixListener,
    owner: u32,
}

impl axum::serve::Listener for OwnUser {
    type Io = tokio::net::UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == self.owner || peer.uid() == 0 => return (stream, address),
                    Ok(peer) => tracing::warn!(uid = peer.uid(), "turned away from the control socket"),
                    Err(error) => tracing::warn!("turned away from the control socket: {error}"),
                },
                Err(error) => {
                    // Out of file descriptors, most likely; a breath lets others close theirs.
                    tracing::warn!("control socket: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Secrets that a person names are kept apart from those of the house.
pub fn secret_name(name: &str) -> String {
    format!("owner.{name}")
}
