//! MQTT inside a WebSocket (MQTT 5 section 6): the upgrade and who may ask for it, and the frames as a stream of bytes.
//! Where packets begin and end has nothing to do with frames, so nothing of MQTT is known here.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error, Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderMap, HeaderValue, StatusCode, header},
        protocol::WebSocketConfig,
    },
};

use crate::carrier::{Allowance, Duplex, Metered};

/// Which WebSockets are let in.
#[derive(Clone, Default)]
pub struct WebSockets {
    /// The pages (scheme, name, port: `https://domovoi.local:8443`) whose scripts may connect. A program sends no origin
    /// and needs none. `Host` is not looked at: a page that makes its own name point to this address (DNS rebinding)
    /// still says in `Origin` what it is.
    pub origins: Arc<[String]>,
    /// The largest message. It may hold several packets.
    pub max_message_bytes: Option<usize>,
}

impl fmt::Debug for WebSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.origins.iter()).finish()
    }
}

/// Where clients are used to find the broker.
const PATHS: [&str; 2] = ["/", "/mqtt"];
const SUBPROTOCOL: &str = "mqtt";

/// The largest message if nothing else is said.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Held for each WebSocket as long as it lives, so not much.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// What is put into one frame.
const FRAME_BYTES: usize = 64 << 10;
/// Frames that carry nothing for us which are looked at before others get a turn.
const IDLE_FRAMES: usize = 32;

/// Answers the request for an upgrade. The error is for the log.
pub(crate) async fn accept(
    stream: Box<dyn Duplex>,
    rule: &WebSockets,
    allowance: usize,
) -> Result<(Box<dyn Duplex>, Allowance), String> {
    let allowance = Allowance::of(allowance);
    let max = rule.max_message_bytes.unwrap_or(MAX_MESSAGE_BYTES);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * FRAME_BYTES)
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    let stream = Metered { inner: stream, allowance: allowance.clone() };
    let judge = Judge { origins: rule.origins.clone() };
    match accept_hdr_async_with_config(stream, judge, Some(config)).await {
        Ok(frames) => Ok((Box::new(Framed { frames, message: Bytes::new() }), allowance)),
        Err(Error::Http(answer)) => Err(format!("it was answered {}", answer.status())),
        Err(error) => Err(error.to_string()),
    }
}

struct Judge {
    origins: Arc<[String]>,
}

impl tokio_tungstenite::tungstenite::handshake::server::Callback for Judge {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        match refusal(request.uri().path(), request.headers(), &self.origins) {
            None => {
                let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
                response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
                Ok(response)
            }
            Some(status) => {
                let mut answer = ErrorResponse::new(None);
                *answer.status_mut() = status;
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
                Err(answer)
            }
        }
    }
}

/// Why a request is refused.
fn refusal(path: &str, headers: &HeaderMap, origins: &[String]) -> Option<StatusCode> {
    if !PATHS.contains(&path) {
        return Some(StatusCode::NOT_FOUND);
    }
    let mut asked = headers.get_all(header::ORIGIN).iter();
    let allowed =
        |origin: &HeaderValue| origins.iter().any(|one| origin.as_bytes().eq_ignore_ascii_case(one.as_bytes()));
    if !asked.all(allowed) {
        return Some(StatusCode::FORBIDDEN);
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let speaks_mqtt = offered.flat_map(|value| value.split(',')).any(|name| name.trim() == SUBPROTOCOL);
    // MQTT 6: the client must offer it, and a server that is not asked for it has nothing to say.
    (!speaks_mqtt).then_some(StatusCode::BAD_REQUEST)
}

/// The binary frames of a WebSocket as a stream.
struct Framed<S> {
    frames: WebSocketStream<S>,
    message: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Framed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        for _ in 0..IDLE_FRAMES {
            if !this.message.is_empty() {
                let length = this.message.len().min(buf.remaining());
                buf.put_slice(&this.message[..length]);
                this.message.advance(length);
                if this.message.is_empty() {
                    // It may be the last that keeps a large buffer alive.
                    this.message = Bytes::new();
                }
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut this.frames).poll_next(cx)) {
                Some(Ok(Message::Binary(message))) => this.message = message,
                // Pings are answered below us.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(_))) => {
                    // MQTT 6.0.0-1: the server must close the connection.
                    return Poll::Ready(Err(io::Error::other("a frame of text, where only binary ones may be")));
                }
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let frames = Pin::new(&mut self.get_mut().frames);
        let mut frames = frames;
        ready!(frames.as_mut().poll_ready(cx)).map_err(io_error)?;
        let piece = &buf[..buf.len().min(FRAME_BYTES)];
        frames.start_send(Message::Binary(Bytes::copy_from_slice(piece))).map_err(io_error)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().frames).poll_flush(cx).map_err(io_error)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().frames).poll_close(cx).map_err(io_error)
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
