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
}

impl Line {
    pub async fn open(address: &str, connect: &Connect<'_>) -> Result<(Line, Welcome), Lost> {
        timeout(CONNECT_TIMEOUT, Line::greet(address, connect)).await.unwrap_or(Err(Lost::Silent))
    }

    async fn greet(address: &str, connect: &Connect<'_>) -> Result<(Line, Welcome), Lost> {
        let stream = TcpStream::connect(address).await?;
        // Somebody waits for each small packet.
        stream.set_nodelay(true)?;
        let mut line =
            Line { stream, version: connect.version, out: Vec::new(), written: 0, input: vec![0; 256], filled: 0 };
        connect.write(&mut line.out);
        let mut welcome = None;
        while welcome.is_none() {
            line.flush()?;
            let mut refused = None;
            line.take(|packet, _| match packet {
                Incoming::Connected { code: 0, session_present, receive_maximum } => {
                    welcome = Some(Welcome { session_present, receive_maximum });
                }
                Incoming::Connected { code, .. } => refused = Some(code),
                _ => {}
            })?;
            if let Some(code) = refused {
                return Err(Lost::Refused(code));
            }
            if welcome.is_none() {
                line.ready(None).await?;
            }
        }
        Ok((line, welcome.unwrap_or(Welcome { session_present: false, receive_maximum: None })))
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
            let Some(room) = self.input.get_mut(self.filled..).filter(|room| !room.is_empty()) else {
                // A connection that hears little keeps little.
                let more = (self.input.len() * 4).clamp(READ_AT_ONCE, wire::MAX_PACKET + READ_AT_ONCE);
                self.input.resize(more, 0);
                continue;
            };
            match self.stream.try_read(room) {
                Ok(0) => return Err(Lost::Closed),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let full = self.filled == self.input.len();
            let mut at = 0;
            while let Some((packet, used)) = wire::read(&self.input[at..self.filled], self.version)? {
                if let Incoming::Bye { code } = packet {
                    return Err(Lost::Bye(code));
                }
                each(packet, &mut self.out);
                at += used;
            }
            self.input.copy_within(at..self.filled, 0);
            self.filled -= at;
            // There may be more, but the answers to this should not wait for it.
            if !full || self.out.len() > READ_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to read, or room for what waits to be written, or until `wake`.
    pub async fn ready(&self, wake: Option<Instant>) -> Result<(), Lost> {
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
