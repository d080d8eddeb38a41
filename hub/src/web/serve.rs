//! The doors of the network: takes connections on https, on the help page's http, and in the demo on a loopback address in
//! clear, and hands their requests to the site. It bounds how many connections there are, how long each may take over
//! whatever it does, and how large its headers are; who is on the other end is decided elsewhere.

mod bodies;
mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domovoi_broker::{OwnMachine, Places};
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::{ApiProblem, Desk, Peer, api, headers, help, hooks, ics, know_the_caller, pages};
use crate::certificates::{ACME_TLS, Certificates};
use crate::policy::Network;
use bodies::{Ending, Paced};
use stream::Guarded;

/// How long others may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// A handshake takes a round trip; whoever takes longer only wants to be there.
    handshake: Duration,
    /// The headers of one request, and the wait for the next one on the same connection.
    headers: Duration,
    /// The longest silence in the middle of a request's body.
    silence: Duration,
    /// What a body may take whatever its length.
    body: Duration,
    /// A peer that takes not one byte of an answer for this long is gone.
    stall: Duration,
    /// What is under way when the house stops; the house itself waits eight seconds.
    grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            silence: Duration::from_secs(20),
            body: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            grace: Duration::from_secs(4),
        }
    }
}

/// All headers of a request together, give or take what comes in one piece.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// A browser sends about twenty.
const MAX_HEADERS: usize = 64;

/// Requests at a time on one connection of HTTP/2.
const MAX_STREAMS: u32 = 64;

/// A silent connection of HTTP/2 is asked whether it lives, and closed if it does not say so.
const ASK_EVERY: Duration = Duration::from_secs(30);
const ASK_PATIENCE: Duration = Duration::from_secs(20);

/// What a listener serves.
#[derive(Clone)]
pub enum Way {
    /// The site, on TLS.
    Https(Certificates),
    /// How to trust the certificate, in clear. No secret is shown or taken.
    Help,
    /// The site in clear, for loopback peers only.
    InClear,
}

/// The address of ours that a peer has reached; put into each request. Only it, beside the names of the settings, may
/// stand in `Host`.
#[derive(Debug, Clone, Copy)]
pub struct Reached(pub SocketAddr);

/// A peer that is let in for an authority's challenge and for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct ChallengeOnly;

/// The site: the API, the page, and the help about the certificate.
pub fn site(desk: &Desk) -> Router {
    let doors =
        api::doors(desk).and(pages::doors(desk)).and(help::shared(desk)).and(ics::doors(desk)).and(hooks::doors(desk));
    let router = doors.into_router().fallback(no_such_route).method_not_allowed_fallback(no_such_method);
    let router = router.layer(axum::middleware::from_fn_with_state(desk.clone(), know_the_caller));
    headers::around(router, desk).with_state(desk.clone())
}

async fn no_such_route(view: pages::View, request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        api::no_such_route().await.into_response()
    } else {
        pages::no_such_page(view).await
    }
}

async fn no_such_method(request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        api::no_such_method().await.into_response()
    } else {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    }
}

/// So many connections at once, and so many from one address, this machine's own like any other: nothing there needs many.
pub fn seats(most: u32, most_of_one: u32) -> Places {
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    Places::new(count(most), count(most_of_one), OwnMachine::LikeOthers)
}

/// Serves a listener until the house stops. Seats are shared by all listeners.
pub async fn listen(listener: TcpListener, way: Way, desk: Desk, seats: Places, stop: watch::Receiver<bool>) {
    let router = match way {
        Way::Help => help::site(&desk),
        _ => site(&desk),
    };
    let private_only = desk.settings.web.private_peers_only;
    let entrance = Entrance {
        way,
        router,
        seats,
        private_only,
        certificates: desk.certificates.clone(),
        patience: Patience::default(),
    };
    Box::pin(entrance.take_in(listener, stop)).await;
}

/// What stands behind a listener.
struct Entrance {
    way: Way,
    router: Router,
    seats: Places,
    private_only: bool,
    certificates: Option<Certificates>,
    patience: Patience,
}

impl Entrance {
    async fn take_in(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            while connections.try_join_next().is_some() {}
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely; a breath lets others close theirs.
                    tracing::warn!("a connection could not be taken: {error}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let peer = address.ip().to_canonical();
            let Some(challenge_only) = self.welcome(peer) else { continue };
            let (Some(seat), Ok(reached)) = (self.seats.take(peer), stream.local_addr()) else { continue };
            // Small answers should not wait for company; where the system refuses, they do.
            let _ = stream.set_nodelay(true);
            let guest = Guest { peer, reached, challenge_only, patience: self.patience };
            let io = Guarded::new(stream, seat, stop.clone(), self.patience.stall, self.patience.grace);
            connections.spawn(Box::pin(connection(io, self.way.clone(), guest, self.router.clone(), stop.clone())));
        }
        drop(listener);
        let grace = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.patience.grace + Duration::from_secs(1), grace).await.is_err() {
            connections.shutdown().await;
        }
    }

    /// Whether a peer may come in, and whether for an authority's challenge only. An authority comes from outside.
    fn welcome(&self, peer: IpAddr) -> Option<bool> {
        match &self.way {
            Way::InClear => peer.is_loopback().then_some(false),
            _ if !self.private_only || Network::of(peer) == Network::Home => Some(false),
            _ => self.certificates.as_ref().is_some_and(Certificates::is_challenged).then_some(true),
        }
    }
}

#[derive(Clone, Copy)]
struct Guest {
    peer: IpAddr,
    reached: SocketAddr,
    challenge_only: bool,
    patience: Patience,
}

async fn connection(io: Guarded<TcpStream>, way: Way, guest: Guest, router: Router, mut stop: watch::Receiver<bool>) {
    let Way::Https(certificates) = way else {
        return speak(io, guest, None, false, router, stop).await;
    };
    let handshake = tokio::time::timeout(guest.patience.handshake, shake(io, certificates.tls()));
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        () = stopped(&mut stop) => return,
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!("no handshake with {}: {error}", guest.peer),
        Err(_) => return tracing::debug!("{} took too long over the handshake", guest.peer),
    };
    let tls = stream.get_ref().1;
    let protocol = tls.alpn_protocol();
    // The handshake was all that the authority wanted (RFC 8737 section 3); others from outside get no further.
    if protocol == Some(ACME_TLS) || guest.challenge_only {
        return;
    }
    let two = protocol == Some(b"h2");
    let certificate = tls.peer_certificates().and_then(<[_]>::first).map(|der| Sha256::digest(der).into());
    speak(stream, guest, certificate, two, router, stop).await;
}

async fn shake(
    io: Guarded<TcpStream>,
    tls: Arc<ServerConfig>,
) -> std::io::Result<tokio_rustls::server::TlsStream<Guarded<TcpStream>>> {
    TlsAcceptor::from(tls).accept(io).await
}

/// HTTP on an open connection. Which version was agreed on in the handshake: nothing is guessed from the first bytes, for
/// which one could wait for ever.
async fn speak<I>(
    io: I,
    guest: Guest,
    certificate: Option<[u8; 32]>,
    two: bool,
    router: Router,
    mut stop: watch::Receiver<bool>,
) where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let peer = Peer { address: guest.peer, certificate };
    let ending = stop.clone();
    let service = tower::service_fn(move |request: hyper::Request<Incoming>| {
        answer(request, peer.clone(), guest, router.clone(), ending.clone())
    });
    let service = TowerToHyperService::new(service);
    let io = TokioIo::new(io);
    let ended = if two {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(ASK_EVERY)
            .keep_alive_timeout(ASK_PATIENCE);
        let mut connection = pin!(builder.serve_connection(io, service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                within(guest.patience.grace, connection).await
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(guest.patience.headers)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES);
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                within(guest.patience.grace, connection).await
            }
        }
    };
    if let Err(error) = ended {
        // A peer that goes away in the middle is everyday life.
        tracing::debug!("the connection with {} ended: {error}", guest.peer);
    }
}

/// Waits for the house to stop. An error means that it is gone, which is a stop too.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn within(grace: Duration, connection: impl Future<Output = hyper::Result<()>>) -> hyper::Result<()> {
    tokio::time::timeout(grace, connection).await.unwrap_or(Ok(()))
}

/// One request. Whatever a handler does, an answer comes of it.
async fn answer(
    request: hyper::Request<Incoming>,
    peer: Peer,
    guest: Guest,
    router: Router,
    stop: watch::Receiver<bool>,
) -> Result<Response, Infallible> {
    let mut request = request.map(|body| Body::new(Paced::new(body, guest.patience.silence, guest.patience.body)));
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(Reached(guest.reached));
    if guest.challenge_only {
        request.extensions_mut().insert(ChallengeOnly);
    }
    let Ok(response) = AssertUnwindSafe(router.oneshot(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a handler panicked; this is a mistake in the program");
        let text = "something is broken inside; the log says more";
        Ok(ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response())
    });
    let lasts = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    Ok(if lasts { response.map(|body| Body::new(Ending::new(body, stop))) } else { response })
}
