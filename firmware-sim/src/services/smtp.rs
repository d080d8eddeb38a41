//! A mail server that keeps what it is handed (RFC 5321), with STARTTLS if it is given a certificate, and a password if one is
//! wanted. It delivers nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::served::Served;
use super::{Record, Script, StartError};

/// RFC 5321 section 4.5.3.1.6, and what a message of a house never reaches.
const LONGEST_LINE: u64 = 1000;
const LONGEST_MESSAGE: usize = 1 << 20;

/// What it wants to see.
#[derive(Clone, Default)]
pub struct SmtpSettings {
    /// STARTTLS is offered, and nothing is taken without it.
    pub tls: Option<Arc<ServerConfig>>,
    /// A user and a password (AUTH PLAIN) without which nothing is taken.
    pub login: Option<(String, String)>,
}

/// What goes wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpFault {
    /// The addressee is answered with this line: `451 4.3.0 try later`, `550 5.1.1 nobody here`.
    Addressee(&'static str),
    /// The whole message is answered with this line.
    Message(&'static str),
    /// Every answer takes so long.
    Slow(Duration),
    /// The connection breaks in the middle of the message.
    CutInData,
    /// The message is taken, and the connection breaks before that is said.
    CutAfterData,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Header and body as they came, lines ending in CRLF, dots unstuffed.
    pub text: String,
    pub over_tls: bool,
}

impl Mail {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?;
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// A mail server. It listens until it is dropped.
pub struct SmtpServer {
    served: Served,
    /// What was taken, in order.
    pub mail: Record<Mail>,
    pub faults: Script<SmtpFault>,
}

struct Session {
    settings: SmtpSettings,
    mail: Record<Mail>,
    fault: Option<SmtpFault>,
}

impl SmtpServer {
    pub async fn start(at: SocketAddr, settings: SmtpSettings) -> Result<Self, StartError> {
        let failed = |source| StartError { what: "mail server", source };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (mail, faults) = (Record::default(), Script::default());
        let (taken, script) = (Record::clone(&mail), Script::clone(&faults));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session { settings: settings.clone(), mail: taken.clone(), fault: script.next() };
                // One who goes is no failure of the server.
                tokio::spawn(async move { session.serve(stream).await.ok() });
            }
        });
        Ok(SmtpServer { served: Served::of(address, task), mail, faults })
    }

    pub fn address(&self) -> SocketAddr {
        self.served.address
    }
}

impl Session {
    async fn serve(self, stream: TcpStream) -> std::io::Result<()> {
        let Some(stream) = self.talk(stream, false).await? else { return Ok(()) };
        if let Some(tls) = &self.settings.tls {
            let stream = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?;
            self.talk(stream, true).await?;
        }
        Ok(())
    }

    /// Until the peer goes, or wants TLS: then the stream comes back.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, over_tls: bool) -> std::io::Result<Option<S>> {
        let mut stream = BufReader::new(stream);
        if !over_tls {
            self.say(&mut stream, "220 pretended.example ESMTP").await?;
        }
        let (mut from, mut to): (Option<String>, Vec<String>) = (None, Vec::new());
        let mut let_in = self.settings.login.is_none();
        while let Some(line) = line(&mut stream).await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let open = (over_tls || self.settings.tls.is_none()) && let_in;
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "HELO" => {
                    let mut offers = vec!["pretended.example", "8BITMIME", "SIZE 1048576"];
                    if self.settings.tls.is_some() && !over_tls {
                        offers.push("STARTTLS");
                    }
                    if self.settings.login.is_some() {
                        offers.push("AUTH PLAIN");
                    }
                    let last = offers.len() - 1;
                    for (at, offer) in offers.iter().enumerate() {
                        let joint = if at == last { ' ' } else { '-' };
                        self.say(&mut stream, &format!("250{joint}{offer}")).await?;
                    }
                }
                "STARTTLS" if self.settings.tls.is_some() && !over_tls => {
                    self.say(&mut stream, "220 go ahead").await?;
                    return Ok(Some(stream.into_inner()));
                }
                "AUTH" => {
                    let said = rest.strip_prefix("PLAIN ").and_then(|text| STANDARD.decode(text.trim()).ok());
                    let wanted = self.settings.login.as_ref().map(|(user, password)| format!("\0{user}\0{password}"));
                    let_in = said.is_some() && said == wanted.map(String::into_bytes);
                    self.say(&mut stream, if let_in { "235 2.7.0 come in" } else { "535 5.7.8 no" }).await?;
                }
                "MAIL" if !open => self.say(&mut stream, "530 5.7.0 not like this").await?,
                "MAIL" => {
                    from = Some(path(rest));
                    to.clear();
                    self.say(&mut stream, "250 2.1.0 yes").await?;
                }
                "RCPT" if from.is_none() => self.say(&mut stream, "503 5.5.1 MAIL first").await?,
                "RCPT" => match &self.fault {
                    Some(SmtpFault::Addressee(answer)) => self.say(&mut stream, answer).await?,
                    _ => {
                        to.push(path(rest));
                        self.say(&mut stream, "250 2.1.5 yes").await?;
                    }
                },
                "DATA" if to.is_empty() => self.say(&mut stream, "503 5.5.1 RCPT first").await?,
                "DATA" => {
                    self.say(&mut stream, "354 go ahead").await?;
                    let Some(text) = self.data(&mut stream).await? else { return Ok(None) };
                    if let Some(SmtpFault::Message(answer)) = &self.fault {
                        self.say(&mut stream, answer).await?;
                        continue;
                    }
                    self.mail.push(Mail {
                        from: from.take().unwrap_or_default(),
                        to: std::mem::take(&mut to),
                        text,
                        over_tls,
                    });
                    if self.fault == Some(SmtpFault::CutAfterData) {
                        return Ok(None);
                    }
                    self.say(&mut stream, "250 2.0.0 taken").await?;
                }
                "RSET" | "NOOP" => self.say(&mut stream, "250 2.0.0 yes").await?,
                "QUIT" => {
                    self.say(&mut stream, "221 2.0.0 bye").await?;
                    return Ok(None);
                }
                _ => self.say(&mut stream, "502 5.5.1 what?").await?,
            }
        }
        Ok(None)
    }

    async fn say<S: AsyncWrite + Unpin>(&self, stream: &mut S, line: &str) -> std::io::Result<()> {
        if let Some(SmtpFault::Slow(time)) = &self.fault {
            tokio::time::sleep(*time).await;
        }
        stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        stream.flush().await
    }

    /// `None`: the connection is to break.
    async fn data<S: AsyncRead + Unpin>(&self, stream: &mut BufReader<S>) -> std::io::Result<Option<String>> {
        let mut text = String::new();
        while let Some(line) = line(stream).await? {
            if line == "." {
                return Ok(Some(text));
            }
            if self.fault == Some(SmtpFault::CutInData) && text.len() > 100 || text.len() > LONGEST_MESSAGE {
                return Ok(None);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        Ok(None)
    }
}

/// A line without its end. One that never ends is not waited for.
async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

/// What stands between `<` and `>`.
fn path(rest: &str) -> String {
    let inner = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}
