//! Reading and closing of sockets, whatever they are made of.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

/// What one read may bring.
const CHUNK_BYTES: usize = 16 << 10;

/// Appends what the socket has; 0 means that it has closed. Cancel-safe.
///
/// The buffer for it exists on the stack for the moment of a poll only, so a connection that waits holds none.
pub(crate) async fn fill<R: AsyncRead + Unpin>(reader: &mut R, input: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut chunk = [const { MaybeUninit::<u8>::uninit() }; CHUNK_BYTES];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(&mut *reader).poll_read(cx, &mut chunk))?;
        input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    })
    .await
}

const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

/// Sends what is left and closes. With `linger` it reads on for a moment: closing a socket with unread input makes a
/// reset of it, and the reset can overtake the last packet, which says why.
pub(crate) async fn close<R, W>(reader: &mut R, writer: &mut W, output: &[u8], limit: Duration, linger: bool)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let farewell = async {
        writer.write_all(output).await?;
        writer.shutdown().await
    };
    if !matches!(timeout(limit, farewell).await, Ok(Ok(()))) || !linger {
        return;
    }
    let discard = async {
        let mut left = LINGER_BYTES;
        let mut scrap = [0; 512];
        while left > 0 {
            match reader.read(&mut scrap).await {
                Ok(0) | Err(_) => return,
                Ok(n) => left = left.saturating_sub(n),
            }
        }
    };
    let _ = timeout(LINGER.min(limit), discard).await;
}
