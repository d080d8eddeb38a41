//! The mail server of the settings: SMTP submission (RFC 6409), over TLS. One connection a message: a home writes a few a day.
//! It takes messages as others wrote them, keeps no queue, and knows nobody's reasons.

use std::time::Duration;

use domovoi_config::MailTls;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{ChannelError, Key, one_line, root_cause};

/// RFC 3463 section 3.2 and RFC 7505: bad mailbox, bad system, bad syntax, moved; the domain takes no mail.
const NO_SUCH_ADDRESSEE: [&str; 5] = ["5.1.1 ", "5.1.2 ", "5.1.3 ", "5.1.6 ", "5.1.10 "];

/// The mail server. Clones are the same one.
#[derive(Clone)]
pub struct Post {
    host: String,
    port: u16,
    tls: Tls,
    from: Mailbox,
    username: Option<String>,
    password: Option<Key>,
    timeout: Duration,
}

/// A message was not taken; the sentence names neither the addressee nor the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It may be taken later: the server is away, busy, or says so (4xx).
    #[error("{0}")]
    Later(String),
    /// There is no such addressee, in the words of RFC 3463. A 550 alone may mean that the text looks like advertising.
    #[error("{0}")]
    NoSuchAddressee(String),
    /// It will not be taken until somebody changes something.
    #[error("{0}")]
    Never(String),
}

impl Post {
    /// With the settings. `home` is the name that mail is from.
    pub fn open(section: &domovoi_config::Mail, home: &str, password: Option<Key>) -> Result<Self, ChannelError> {
        let from: Address =
            section.from.parse().map_err(|error| ChannelError(format!("mail.from: {error}: write another address")))?;
        let tls = match section.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(parameters(section)?),
            MailTls::Implicit => Tls::Wrapper(parameters(section)?),
        };
        Ok(Post {
            host: section.host.clone(),
            port: section.port,
            tls,
            from: Mailbox::new(Some(one_line(home)), from),
            username: section.username.clone(),
            password,
            timeout: section.timeout,
        })
    }

    /// Whom mail is from.
    pub fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Hands in a message.
    pub async fn hand_in(&self, letter: lettre::Message) -> Result<(), PostError> {
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host.clone())
            .port(self.port)
            .tls(self.tls.clone())
            .timeout(Some(self.timeout));
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            let password = password.read().await.map_err(|why| PostError::Never(why.0))?;
            transport = transport.credentials(Credentials::new(username.clone(), password.expose().clone()));
        }
        // The transport's own time limit ends with the connection being made.
        match tokio::time::timeout(self.timeout, transport.build().send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.why(&error)),
            Err(_) => Err(PostError::Later(format!("the mail server {} did not answer in time", self.host))),
        }
    }

    /// What a server answers may repeat the address that it was told: only its code is taken from it.
    fn why(&self, error: &lettre::transport::smtp::Error) -> PostError {
        let host = &self.host;
        match error.status() {
            Some(code) if code.to_string().starts_with("53") => PostError::Never(format!(
                "the mail server {host} does not let the hub in (code {code}): check mail.username and the secret"
            )),
            Some(code) => {
                let code = code.to_string();
                let why = format!("the mail server {host} refused the message (code {code})");
                if !code.starts_with('5') {
                    PostError::Later(why)
                } else if NO_SUCH_ADDRESSEE.iter().any(|status| root_cause(error).contains(status)) {
                    PostError::NoSuchAddressee(why)
                } else {
                    PostError::Never(why)
                }
            }
            None if error.is_client() => {
                PostError::Never(format!("the mail server {host} cannot do what is needed: {}", root_cause(error)))
            }
            None if error.is_response() => PostError::Later(format!("what answers at {host} is not a mail server")),
            None => PostError::Later(format!("the mail server {host} cannot be reached: {}", root_cause(error))),
        }
    }
}

fn parameters(section: &domovoi_config::Mail) -> Result<TlsParameters, ChannelError> {
    let mut builder = TlsParameters::builder(section.host.clone());
    if let Some(path) = &section.ca_file {
        let wrong = |why: String| ChannelError(format!("mail.ca_file: {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let authority = Certificate::from_pem(&pem).map_err(|_| wrong("holds no certificate in PEM form".into()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    builder.build().map_err(|error| ChannelError(format!("mail: no TLS can be spoken: {}", root_cause(&error))))
}
