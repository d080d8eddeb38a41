//! A connection that holds its seat, that does not wait for ever for a peer which reads nothing, and that ends when the
//! house stops, whatever is spoken on it (a WebSocket has left HTTP behind and hears no farewell from it).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use domovoi_broker::Place;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

/// The connection.
pub struct Guarded<I> {
    io: I,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    stall: Pin<Box<Sleep>>,
    patience: Duration,
    waits: bool,
    _seat: Place,
}

impl<I> Guarded<I> {
    /// Waits `stall` for a peer that takes nothing, and ends `grace` after the house begins to stop.
    pub fn new(io: I, seat: Place, mut stop: watch::Receiver<bool>, stall: Duration, grace: Duration) -> Self {
        let over = async move {
            // An error means that the house is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
            sleep(grace).await;
        };
        let (over, timer) = (Box::pin(over), Box::pin(sleep(stall)));
        Guarded { io, over, stall: timer, patience: stall, waits: false, _seat: seat }
    }

    fn watched<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.waits = false;
            return progress;
        }
        if !self.waits {
            self.waits = true;
            let until = Instant::now() + self.patience;
            self.stall.as_mut().reset(until);
        }
        self.stall.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.over.as_mut().poll(cx).is_ready() {
            // Asked again after its end, a future would panic; this one only says so once more.
            self.over = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watched(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.watched(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
