//! The two halves of a connection, whatever carries its bytes. TCP goes without detours; TLS and WebSockets, which have
//! state that both directions share, go through one box. What the bytes mean is not known here.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// A stream in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Where a connection is read.
pub(crate) enum Reader {
    Plain(OwnedReadHalf),
    Carried { half: ReadHalf<Carried>, allowance: Option<Allowance> },
}

impl Reader {
    /// The client was let in: what it sends is bounded by the packets' own limits from now on.
    pub(crate) fn let_in(&self) {
        if let Reader::Carried { allowance: Some(allowance), .. } = self {
            allowance.lift();
        }
    }
}

/// Where it is written.
pub(crate) enum Writer {
    Plain(OwnedWriteHalf),
    Carried(WriteHalf<Carried>),
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Reader::Plain(half) => Pin::new(half).poll_read(cx, buf),
            Reader::Carried { half, .. } => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Writer::Plain(half) => Pin::new(half).poll_write(cx, buf),
            Writer::Carried(half) => Pin::new(half).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writer::Plain(half) => Pin::new(half).poll_flush(cx),
            Writer::Carried(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writer::Plain(half) => Pin::new(half).poll_shutdown(cx),
            Writer::Carried(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

/// A stream that encrypts or frames, and so holds back bytes that it has taken. They are pushed on whenever the
/// connection is read or written: its loop does not flush. Until they are gone no more are taken, so that the write
/// timeout sees a peer that takes nothing.
pub(crate) struct Carried {
    inner: Box<dyn Duplex>,
    held_back: bool,
}

impl Carried {
    pub(crate) fn split(inner: Box<dyn Duplex>, allowance: Option<Allowance>) -> (Reader, Writer) {
        let (reader, writer) = tokio::io::split(Self { inner, held_back: false });
        (Reader::Carried { half: reader, allowance }, Writer::Carried(writer))
    }

    fn push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held_back {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.held_back = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Carried {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(Err(error)) = this.push(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Carried {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.push(cx))?;
        let taken = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.held_back = true;
        match this.push(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().push(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.push(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

/// A stream of which a little was read already.
pub(crate) struct Prefixed<S> {
    pub(crate) prefix: BytesMut,
    pub(crate) inner: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.prefix.is_empty() {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        let length = this.prefix.len().min(buf.remaining());
        buf.put_slice(&this.prefix[..length]);
        this.prefix.advance(length);
        if this.prefix.is_empty() {
            this.prefix = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// How much a peer may still send before it has been let in. A frame of a WebSocket is gathered whole, and what is
/// gathered for strangers has to be little.
#[derive(Clone)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(crate) fn of(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }
}

/// Reads no more than an allowance.
pub(crate) struct Metered<S> {
    pub(crate) inner: S,
    pub(crate) allowance: Allowance,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let left = this.allowance.0.load(Ordering::Relaxed);
        if left != usize::MAX {
            let Some(left) = left.checked_sub(buf.filled().len() - before) else {
                return Poll::Ready(Err(io::Error::other("too much was sent before the client was let in")));
            };
            this.allowance.0.store(left, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
