//! The control socket: the API for the command line of the same user. Peers of other users are turned away before a byte
//! of theirs is read; everybody else is the console, and the policy knows what that may do.

use std::future::Future;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::net::UnixListener;

use super::{Caller, Desk, api};

/// The API as the console sees it.
pub fn router(desk: Desk) -> Router {
    let console = from_fn_with_state(desk.clone(), as_console);
    let router = api::doors(&desk).into_router().fallback(api::no_such_route);
    router.method_not_allowed_fallback(api::no_such_method).layer(console).with_state(desk)
}

async fn as_console(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::console(desk.settings.home.language));
    next.run(request).await
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
