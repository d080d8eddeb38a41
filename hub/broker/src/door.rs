//! What a listener lets in, and how the first bytes of a connection say what it is: TLS, a WebSocket, or MQTT itself.
//! All of it happens in the connection's own task and within the connect timeout, so that a silent peer holds up nobody
//! but itself. Who the peer is, is not asked here.

use std::{fmt, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::{
    carrier::{Carried, Duplex, Prefixed, Reader, Writer},
    gate::Road,
    stream::fill,
    websocket::{self, WebSockets},
};

/// Says with what TLS is spoken; asked anew for each connection, so that a renewed certificate needs no restart.
pub type TlsSource = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// What a listener lets in.
#[derive(Clone)]
pub struct Door {
    /// Whether MQTT and WebSockets are let in without TLS.
    pub plain: bool,
    /// TLS, if it is spoken here.
    pub tls: Option<TlsSource>,
    /// WebSockets, if they are let in.
    pub websockets: Option<WebSockets>,
}

impl Door {
    /// MQTT and WebSockets of programs, without TLS.
    pub fn plain() -> Self {
        Self { plain: true, tls: None, websockets: Some(WebSockets::default()) }
    }

    /// The same on TLS, and nothing without.
    pub fn tls(tls: TlsSource) -> Self {
        Self { plain: false, tls: Some(tls), websockets: Some(WebSockets::default()) }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("plain", &self.plain)
            .field("tls", &self.tls.is_some())
            .field("websockets", &self.websockets)
            .finish()
    }
}

/// The first byte of a TLS record that begins a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Of "GET": no MQTT packet begins so (2.1.2: 4 is PUBACK, whose low bits are 0).
const HTTP_GET: u8 = b'G';

/// A connection on which MQTT can be spoken.
pub(crate) struct Entered {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    /// What was read already.
    pub(crate) input: BytesMut,
    pub(crate) road: Road,
    pub(crate) certificate: Option<Bytes>,
}

/// Why a connection got no further than the doorstep.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnedBack {
    #[error("it said nothing that could be answered in time")]
    Silent,
    #[error("it closed the connection")]
    Closed,
    #[error("it came without TLS, which this listener wants")]
    NoTls,
    #[error("no TLS connection came about: {0}")]
    Tls(io::Error),
    #[error("no WebSocket came about: {0}")]
    WebSocket(String),
}

impl Door {
    /// Finds out what a connection is and makes of it one that carries MQTT. `allowance` is what a peer may send inside
    /// a WebSocket before it has been let in.
    pub(crate) async fn enter(
        &self,
        stream: TcpStream,
        deadline: Instant,
        allowance: usize,
    ) -> Result<Entered, TurnedBack> {
        timeout_at(deadline, self.find_out(stream, allowance)).await.unwrap_or(Err(TurnedBack::Silent))
    }

    async fn find_out(&self, stream: TcpStream, allowance: usize) -> Result<Entered, TurnedBack> {
        let mut first = [0];
        if !matches!(stream.peek(&mut first).await, Ok(1)) {
            return Err(TurnedBack::Closed);
        }
        match (&self.tls, &self.websockets) {
            (Some(tls), _) if first[0] == TLS_HANDSHAKE => Box::pin(self.shake(stream, tls(), allowance)).await,
            _ if !self.plain => Err(TurnedBack::NoTls),
            (_, Some(rule)) if first[0] == HTTP_GET => {
                let road = Road { tls: false, websocket: true };
                upgrade(Box::new(stream), rule, road, None, allowance).await
            }
            _ => {
                let (reader, writer) = stream.into_split();
                Ok(Entered {
                    reader: Reader::Plain(reader),
                    writer: Writer::Plain(writer),
                    input: BytesMut::new(),
                    road: Road::default(),
                    certificate: None,
                })
            }
        }
    }

    async fn shake(&self, stream: TcpStream, tls: Arc<ServerConfig>, allowance: usize) -> Result<Entered, TurnedBack> {
        let mut stream = TlsAcceptor::from(tls).accept(stream).await.map_err(TurnedBack::Tls)?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.map(|der| Bytes::copy_from_slice(der));
        let mut input = BytesMut::new();
        if !matches!(fill(&mut stream, &mut input).await, Ok(1..)) {
            return Err(TurnedBack::Closed);
        }
        if let Some(rule) = self.websockets.as_ref().filter(|_| input.first() == Some(&HTTP_GET)) {
            let stream = Box::new(Prefixed { prefix: input, inner: stream });
            let road = Road { tls: true, websocket: true };
            return upgrade(stream, rule, road, certificate, allowance).await;
        }
        let (reader, writer) = Carried::split(Box::new(stream), None);
        Ok(Entered { reader, writer, input, road: Road { tls: true, websocket: false }, certificate })
    }
}

async fn upgrade(
    stream: Box<dyn Duplex>,
    rule: &WebSockets,
    road: Road,
    certificate: Option<Bytes>,
    allowance: usize,
) -> Result<Entered, TurnedBack> {
    let (stream, allowance) =
        Box::pin(websocket::accept(stream, rule, allowance)).await.map_err(TurnedBack::WebSocket)?;
    let (reader, writer) = Carried::split(stream, Some(allowance));
    Ok(Entered { reader, writer, input: BytesMut::new(), road, certificate })
}
