//! Mail by SMTP submission (RFC 6409), over TLS. One connection a message: a home writes a few a day. It keeps no queue:
//! a code that comes late is worth nothing.

use std::time::Duration;

use domovoi_config::MailTls;
use futures_util::future::BoxFuture;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Channel, ChannelError, Key, Message, Undelivered, one_line, root_cause};
use crate::people::{Contact, ContactKind};

/// The mail server.
pub struct Mail {
    host: String,
    port: u16,
    tls: Tls,
    from: Mailbox,
    username: Option<String>,
    password: Option<Key>,
    timeout: Duration,
}

impl Mail {
    pub(super) fn open(
        section: &domovoi_config::Mail,
        home: &str,
        password: Option<Key>,
    ) -> Result<Self, ChannelError> {
        let from: Address =
            section.from.parse().map_err(|error| ChannelError(format!("mail.from: {error}: write another address")))?;
        let tls = match section.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(parameters(section)?),
            MailTls::Implicit => Tls::Wrapper(parameters(section)?),
        };
        Ok(Mail {
            host: section.host.clone(),
            port: section.port,
            tls,
            from: Mailbox::new(Some(one_line(home)), from),
            username: section.username.clone(),
            password,
            timeout: section.timeout,
        })
    }

    /// The message as it travels. Everything in it that people wrote is encoded by the builder or has no line breaks.
    fn letter(&self, to: &Contact, message: &Message) -> Result<lettre::Message, Undelivered> {
        let unwritable = || Undelivered("this e-mail address is not one that mail can be written to".into());
        let to: Address = to.value.parse().map_err(|_| unwritable())?;
        let id = domovoi_vault::random::<16>().map_err(|error| Undelivered(error.to_string()))?;
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter: MessageBuilder = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&message.subject))
            // Of our own making: the builder would tell the name of this machine.
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834 section 5: nobody's holiday notice has to answer.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(message.text.clone());
        letter.singlepart(text).map_err(|_| unwritable())
    }

    async fn send(&self, to: &Contact, message: &Message) -> Result<(), Undelivered> {
        let letter = self.letter(to, message)?;
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host.clone())
            .port(self.port)
            .tls(self.tls.clone())
            .timeout(Some(self.timeout));
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            let password = password.read().await?;
            transport = transport.credentials(Credentials::new(username.clone(), password.expose().clone()));
        }
        // The transport's own time limit ends with the connection being made.
        match tokio::time::timeout(self.timeout, transport.build().send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.why(&error)),
            Err(_) => Err(Undelivered(format!("the mail server {} did not answer in time", self.host))),
        }
    }

    /// What a server answers may repeat the address that it was told: only its code is taken from it.
    fn why(&self, error: &lettre::transport::smtp::Error) -> Undelivered {
        let host = &self.host;
        Undelivered(match error.status() {
            Some(code) if code.to_string().starts_with("53") => format!(
                "the mail server {host} does not let the hub in (code {code}): check mail.username and the secret"
            ),
            Some(code) => format!("the mail server {host} refused the message (code {code})"),
            None if error.is_client() => {
                format!("the mail server {host} cannot do what is needed: {}", root_cause(error))
            }
            None if error.is_response() => format!("what answers at {host} is not a mail server"),
            None => format!("the mail server {host} cannot be reached: {}", root_cause(error)),
        })
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

impl Channel for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Email
    }

    fn deliver<'a>(&'a self, to: &'a Contact, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(self.send(to, message))
    }
}
