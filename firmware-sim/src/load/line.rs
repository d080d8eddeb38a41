//! A connection to the broker: bytes out in as few writes as possible, packets read in place. It knows no sessions.

use std::io::{self, ErrorKind};
use std::time::Duration;

use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::wire::{self, Connect, Incoming, Version, WireError};

/// How long a connection and its CONNACK may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// So much is read at once.
const READ_AT_ONCE: usize = 64 << 10;

/// Why a connection is no more.
#[derive(Debug, Error)]
pub(super) enum Lost {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the broker closed the connection")]
    Closed,
    #[error("the broker refused the connection: code {0}")]
    Refused(u8),
    #[error("the broker refused the subscription")]
    NotSubscribed,
    #[error("the broker said goodbye: code {0:#04x}")]
    Bye(u8),
    #[error("no answer to CONNECT")]
    Silent,
    #[error("{0}")]
    Wire(#[from] WireError),
}

/// What the broker said to CONNECT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Welcome {
    pub session_present: bool,
    pub receive_maximum: Option<u16>,
}

pub(super) struct Line {
    stream: TcpStream,
    version: Version,
    /// To be written; up to `written` it is.
    pub out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    /// Filled up to here.
    filled: usize,
    /// Packets came behind the CONNACK that nobody has taken yet.
    left_over: bool,
}

impl Line {
    pub async fn open(address: &str, connect: &Connect<'_>) -> Result<(Line, Welcome), Lost> {
        timeout(CONNECT_TIMEOUT, Line::greet(address, connect)).await.unwrap_or(Err(Lost::Silent))
    }

    async fn greet(address: &str, connect: &Connect<'_>) -> Result<(Line, Welcome), Lost> {
        let stream = TcpStream::connect(address).await?;
        // Somebody waits for each small packet.
        stream.set_nodelay(true)?;
        let mut line = Line {
            stream,
            version: connect.version,
            out: Vec::new(),
            written: 0,
            input: vec![0; 256],
            filled: 0,
            left_over: false,
        };
        connect.write(&mut line.out);
        loop {
            line.flush()?;
            line.ready(None).await?;
            line.read()?;
            let Some((packet, used)) = wire::read(&line.input[..line.filled], line.version)? else { continue };
            let Incoming::Connected { session_present, code, receive_maximum } = packet else {
                return Err(WireError::Malformed.into());
            };
            if code != 0 {
                return Err(Lost::Refused(code));
            }
            // A session that goes on does so in the same breath: what came behind is for whoever takes packets.
            line.consume(used);
            return Ok((line, Welcome { session_present, receive_maximum }));
        }
    }

    /// Writes what goes without waiting.
    pub fn flush(&mut self) -> Result<(), Lost> {
        while let Some(left) = self.out.get(self.written..).filter(|left| !left.is_empty()) {
            match self.stream.try_write(left) {
                Ok(0) => return Err(Lost::Closed),
                Ok(wrote) => self.written += wrote,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// Gives every packet that is there to `each`, with the buffer that answers go to.
    pub fn take(&mut self, mut each: impl FnMut(Incoming<'_>, &mut Vec<u8>)) -> Result<(), Lost> {
        loop {
            let more = self.read()?;
            let mut at = 0;
            while let Some((packet, used)) = wire::read(&self.input[at..self.filled], self.version)? {
                if let Incoming::Bye { code } = packet {
                    return Err(Lost::Bye(code));
                }
                each(packet, &mut self.out);
                at += used;
            }
            self.consume(at);
            self.left_over = false;
            // There may be more, but the answers to this should not wait for it.
            if !more || self.out.len() > READ_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Reads once, without waiting; whether the room for it was filled.
    fn read(&mut self) -> Result<bool, Lost> {
        if self.filled == self.input.len() {
            // A connection that hears little keeps little.
            let more = (self.input.len() * 4).clamp(READ_AT_ONCE, wire::MAX_PACKET + READ_AT_ONCE);
            self.input.resize(more, 0);
        }
        match self.stream.try_read(&mut self.input[self.filled..]) {
            Ok(0) => return Err(Lost::Closed),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.filled == self.input.len())
    }

    fn consume(&mut self, bytes: usize) {
        self.input.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
        self.left_over = self.filled > 0;
    }

    /// Waits until there is something to read, or room for what waits to be written, or until `wake`.
    pub async fn ready(&self, wake: Option<Instant>) -> Result<(), Lost> {
        if self.left_over {
            return Ok(());
        }
        let interest = if self.waiting() > 0 { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        match wake {
            None => self.stream.ready(interest).await.map(drop)?,
            Some(wake) => {
                if let Ok(ready) = tokio::time::timeout_at(wake, self.stream.ready(interest)).await {
                    ready?;
                }
            }
        }
        Ok(())
    }
}
