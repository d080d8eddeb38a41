//! Bodies that do not last for ever: a request's has to come at a human pace, and a stream of events ends when the house
//! stops.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a body must bring beyond its allowance: the worst mobile network brings ten times as much.
const BYTES_PER_SECOND: u64 = 4096;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, if it comes in time.
pub struct Paced<B> {
    body: B,
    silence: Duration,
    /// When it has to be there, were it empty.
    due: Instant,
    bytes: u64,
    /// Made when there is something to wait for, which with most requests there is not.
    wait: Option<Pin<Box<Sleep>>>,
}

/// The peer takes its time on purpose, or is gone.
#[derive(Debug, thiserror::Error)]
#[error("the request came too slowly")]
pub struct TooSlow;

impl<B> Paced<B> {
    /// From now on: never longer silent than `silence`, and there within `allowance` and what its length adds.
    pub fn new(body: B, silence: Duration, allowance: Duration) -> Self {
        Paced { body, silence, due: Instant::now() + allowance, bytes: 0, wait: None }
    }

    fn due(&self) -> Instant {
        self.due + Duration::from_secs(self.bytes / BYTES_PER_SECOND)
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    self.bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                }
                self.wait = None;
                // Bytes that trickle in one by one are never waited for long, and still come too slowly.
                let late = Instant::now() > self.due();
                if late && frame.is_some() {
                    return Poll::Ready(Some(Err(TooSlow.into())));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let deadline = self.due().min(Instant::now() + self.silence);
                let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                wait.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that ends cleanly when the house stops: the browser comes back by itself and says how far it had read.
pub struct Ending {
    body: Body,
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ending {
    /// Until then.
    pub fn new(body: Body, mut stop: watch::Receiver<bool>) -> Self {
        let stopped = async move {
            let _ = stop.wait_for(|stop| *stop).await;
        };
        Ending { body, stopped: Some(Box::pin(stopped)) }
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(stopped) = &mut self.stopped else { return Poll::Ready(None) };
        if stopped.as_mut().poll(cx).is_ready() {
            self.stopped = None;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}
