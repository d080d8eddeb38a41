//! What the services that speak HTTP have in common: a port, the end of it, and the faults that HTTP itself has.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::StartError;

/// What can go wrong with an answer, whatever the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, and an answer without meaning.
    Status(u16),
    /// This status, and `Retry-After`.
    TryLater(u16, Duration),
    /// The right answer, but only after so long.
    Slow(Duration),
    /// No answer as long as the client waits.
    Silent,
    /// The connection breaks in the middle of an answer.
    Cut,
    /// A redirect to this address.
    Redirect(String),
    /// Two hundred kilobytes where a line is wanted.
    Huge,
}

/// A port that listens until it is dropped.
#[derive(Debug)]
pub(super) struct Served {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    pub async fn start(what: &'static str, at: SocketAddr, router: Router) -> Result<Self, StartError> {
        let failed = |source| StartError { what, source };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the pretended {what} stopped listening");
            }
        });
        Ok(Served { address, task })
    }

    /// Anything that listens, by hand.
    pub fn of(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Served { address, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Lets a fault happen. `Some`: it takes the place of the answer. What only delays has passed when this returns.
pub(super) async fn happen(fault: Option<Fault>) -> Option<Response> {
    match fault? {
        Fault::Status(code) => Some((status(code), "no").into_response()),
        Fault::TryLater(code, after) => {
            Some((status(code), [(header::RETRY_AFTER, after.as_secs().to_string())], "later").into_response())
        }
        Fault::Slow(time) => {
            tokio::time::sleep(time).await;
            None
        }
        Fault::Silent => std::future::pending().await,
        Fault::Cut => {
            // More is promised than comes.
            let pieces = [Ok("{\"ok\":"), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
            let mut response = Response::new(Body::from_stream(futures_util::stream::iter(pieces)));
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("1000"));
            Some(response)
        }
        Fault::Redirect(to) => Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()),
        Fault::Huge => Some(" ".repeat(200_000).into_response()),
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) fn json(code: u16, value: Value) -> Response {
    (status(code), Json(value)).into_response()
}
