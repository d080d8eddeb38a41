//! The channels against servers of our own: a mail server and a gateway that write down what they hear.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi_config::{MailTls, SmsFormat};
use domovoi_model::Timestamp;
use domovoi_store::{Settings as StoreSettings, Store};
use domovoi_vault::MasterKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

const CODE: &str = "314159";
const ADDRESS: &str = "anna@example.org";

fn to(kind: ContactKind, value: &str) -> Contact {
    Contact { kind, value: value.into(), confirmed_at: Some(Timestamp(1)), vouched: false }
}

fn message() -> Message {
    Message {
        subject: "Код для входа: Дом".into(), text: format!("Дом: код {CODE}, никому его не сообщайте.")
    }
}

/// A store with the two secrets in it.
struct Vault {
    folder: tempfile::TempDir,
    store: Store,
}

impl Vault {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings::new(folder.path().join("data"));
        let store = Store::open(&settings, &MasterKey::generate().unwrap()).await.unwrap();
        store.secrets().put("owner.key", "пароль-hunter2".as_bytes()).await.unwrap();
        store.secrets().put("owner.ascii", b"hunter2").await.unwrap();
        Vault { folder, store }
    }

    fn key(&self, name: &str) -> Option<Key> {
        Some(Key::new(&self.store, name, |name| format!("owner.{name}"), "test.key"))
    }
}

// --- a mail server

#[derive(Clone, Default)]
struct Sink {
    heard: Arc<Mutex<Vec<String>>>,
    /// What RCPT is answered with instead.
    refuses: Option<&'static str>,
    offers_starttls: bool,
    implicit: bool,
    silent: bool,
    auth_fails: bool,
    tls: Option<TlsAcceptor>,
}

impl Sink {
    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    async fn start(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sink = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = sink.clone();
                tokio::spawn(async move { sink.serve(stream).await });
            }
        });
        port
    }

    async fn serve(&self, mut stream: TcpStream) {
        if self.silent {
            let mut bytes = [0; 64];
            while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
            return;
        }
        if self.implicit {
            if let Ok(stream) = self.tls.clone().unwrap().accept(stream).await {
                self.talk(stream, true).await;
            }
            return;
        }
        let Some(stream) = self.talk(stream, true).await else { return };
        if let Ok(stream) = self.tls.clone().unwrap().accept(stream).await {
            self.heard.lock().unwrap().push("<tls>".into());
            self.talk(stream, false).await;
        }
    }

    /// Until the peer goes, or asks for TLS: then the stream comes back.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, greet: bool) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if greet {
            stream.write_all(b"220 sink ESMTP\r\n").await.ok()?;
        }
        let mut data = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            self.heard.lock().unwrap().push(line.trim_end_matches("\r\n").to_owned());
            let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
            let answer = match verb.as_str() {
                _ if data && line == ".\r\n" => {
                    data = false;
                    "250 taken\r\n"
                }
                _ if data => continue,
                "EHLO" if self.offers_starttls => "250-sink\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
                "EHLO" => "250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
                "STARTTLS" => {
                    stream.write_all(b"220 go\r\n").await.ok()?;
                    return Some(stream.into_inner());
                }
                "AUTH" if self.auth_fails => "535 5.7.8 no, hunter2 is wrong\r\n",
                "AUTH" => "235 in\r\n",
                "RCPT" if self.refuses.is_some() => self.refuses.unwrap_or_default(),
                "DATA" => {
                    data = true;
                    "354 go\r\n"
                }
                _ => "250 yes\r\n",
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }
}

/// A certificate for 127.0.0.1 that signs for itself, in a file, and the server's side of it.
fn certificate(vault: &Vault) -> (std::path::PathBuf, TlsAcceptor) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let path = vault.folder.path().join("authority.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    let der: CertificateDer<'static> = certificate.der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der], key)
        .unwrap();
    (path, TlsAcceptor::from(Arc::new(config)))
}

fn section(port: u16, tls: MailTls) -> domovoi_config::Mail {
    domovoi_config::Mail {
        host: "127.0.0.1".into(),
        port,
        tls,
        from: "home@example.org".into(),
        username: None,
        password_secret: None,
        ca_file: None,
        timeout: Duration::from_secs(8),
    }
}

fn mail(section: &domovoi_config::Mail, password: Option<Key>) -> Courier {
    Courier::new(vec![Box::new(Mail::open(Post::open(section, "Дом\r\nBcc: spy@example.org", password).unwrap()))])
}

async fn undelivered(courier: &Courier, to: &Contact) -> String {
    let why = courier.deliver(to, &message()).await.unwrap_err().to_string();
    for private in [CODE, ADDRESS, "79161234567", "hunter2", "Код для входа"] {
        assert!(!why.contains(private), "{why}");
    }
    why
}

#[tokio::test]
async fn a_letter_goes_through_the_whole_dialogue() {
    let sink = Sink::default();
    let courier = mail(&section(sink.start().await, MailTls::None), None);
    assert!(courier.reaches(ContactKind::Email) && !courier.reaches(ContactKind::Phone));
    courier.deliver(&to(ContactKind::Email, ADDRESS), &message()).await.unwrap();
    let heard = sink.heard();
    let has = |line: &str| heard.iter().any(|heard| heard == line);
    assert!(has("MAIL FROM:<home@example.org>") && has("RCPT TO:<anna@example.org>"), "{heard:?}");
    assert!(has("Auto-Submitted: auto-generated") && has("To: anna@example.org"), "{heard:?}");
    assert!(heard.iter().all(|line| line.is_ascii()), "a server without SMTPUTF8 reads it too");
    assert!(!heard.iter().any(|line| line.starts_with("Bcc")), "{heard:?}");
    let id = heard.iter().find(|line| line.starts_with("Message-ID: <")).unwrap();
    assert!(id.ends_with("@example.org>"), "{id}");
    assert!(!heard.iter().any(|line| line.starts_with("Subject:") && line.contains(CODE)));
}

#[tokio::test]
async fn tls_comes_first_and_the_password_after_it() {
    let vault = Vault::new().await;
    let (authority, tls) = certificate(&vault);
    for mode in [MailTls::StartTls, MailTls::Implicit] {
        let sink = Sink {
            offers_starttls: true,
            implicit: mode == MailTls::Implicit,
            tls: Some(tls.clone()),
            ..Sink::default()
        };
        let section = domovoi_config::Mail {
            username: Some("home".into()),
            ca_file: Some(authority.clone()),
            ..section(sink.start().await, mode)
        };
        let courier = mail(&section, vault.key("key"));
        courier.deliver(&to(ContactKind::Email, ADDRESS), &message()).await.unwrap();
        let heard = sink.heard();
        let at = |what: &str| heard.iter().position(|line| line.starts_with(what));
        assert!(at("AUTH PLAIN").is_some() && at("MAIL FROM").is_some(), "{heard:?}");
        if mode == MailTls::StartTls {
            assert!(at("<tls>") < at("AUTH PLAIN") && at("AUTH PLAIN") < at("MAIL FROM"), "{heard:?}");
        }

        // Without the authority nobody is believed, and nothing is said.
        let before = sink.heard().len();
        let stranger = domovoi_config::Mail { ca_file: None, ..section.clone() };
        let why = undelivered(&mail(&stranger, vault.key("key")), &to(ContactKind::Email, ADDRESS)).await;
        assert!(why.contains("certificate") || why.contains("cannot be reached"), "{why}");
        let said = sink.heard().split_off(before);
        assert!(!said.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{said:?}");
    }
}

#[tokio::test]
async fn a_server_that_offers_no_tls_is_told_nothing() {
    let vault = Vault::new().await;
    let (authority, _) = certificate(&vault);
    let sink = Sink::default();
    let section = domovoi_config::Mail {
        username: Some("home".into()),
        ca_file: Some(authority),
        ..section(sink.start().await, MailTls::StartTls)
    };
    undelivered(&mail(&section, vault.key("key")), &to(ContactKind::Email, ADDRESS)).await;
    let heard = sink.heard();
    assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");
}

#[tokio::test]
async fn what_a_mail_server_says_no_to_is_told_without_the_address() {
    let vault = Vault::new().await;
    let unknown = Sink { refuses: Some("550 5.1.1 <anna@example.org> unknown\r\n"), ..Sink::default() };
    let courier = mail(&section(unknown.start().await, MailTls::None), None);
    let why = undelivered(&courier, &to(ContactKind::Email, ADDRESS)).await;
    assert!(why.contains("code 550"), "{why}");

    let closed = Sink { auth_fails: true, ..Sink::default() };
    let section_of = |port| domovoi_config::Mail { username: Some("home".into()), ..section(port, MailTls::None) };
    let courier = mail(&section_of(closed.start().await), vault.key("key"));
    let why = undelivered(&courier, &to(ContactKind::Email, ADDRESS)).await;
    assert!(why.contains("mail.username"), "{why}");

    let courier = mail(&section_of(Sink::default().start().await), vault.key("forgotten"));
    let why = undelivered(&courier, &to(ContactKind::Email, ADDRESS)).await;
    assert!(why.contains("domovoi secret set forgotten"), "{why}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let why = undelivered(&mail(&section(port, MailTls::None), None), &to(ContactKind::Email, ADDRESS)).await;
    assert!(why.contains("cannot be reached"), "{why}");
}

#[tokio::test]
async fn a_silent_peer_is_waited_for_no_longer_than_the_settings_say() {
    let sink = Sink { silent: true, ..Sink::default() };
    let port = sink.start().await;
    let short = Duration::from_millis(200);
    let courier = mail(&domovoi_config::Mail { timeout: short, ..section(port, MailTls::None) }, None);
    let why = undelivered(&courier, &to(ContactKind::Email, ADDRESS)).await;
    assert!(why.contains("did not answer in time"), "{why}");
    let gateway = domovoi_config::Sms { timeout: short, ..gateway(port) };
    let courier = Courier::new(vec![Box::new(Sms::open(Gateway::open(&gateway, None).unwrap()))]);
    let why = undelivered(&courier, &to(ContactKind::Phone, "+79161234567")).await;
    assert!(why.contains("did not answer in time"), "{why}");
}

/// Addresses come from people: none of them ends a line of the dialogue or of the letter.
#[tokio::test]
async fn an_address_cannot_speak_smtp() {
    let sink = Sink::default();
    let courier = mail(&section(sink.start().await, MailTls::None), None);
    for address in
        ["a@b.ru\r\nRCPT TO:<spy@example.org>", "a@b.ru>\r\nDATA", "a\n@b.ru", "a@b.ru\0", "spy@example.org, a@b.ru"]
    {
        let outcome = courier.deliver(&to(ContactKind::Email, address), &message()).await;
        assert!(outcome.is_err(), "{address:?}");
    }
    let evil = Message {
        subject: "x\r\nBcc: spy@example.org\r\n\r\nbody".into(),
        text: "одна строка\r\n.\r\nMAIL FROM:<spy@example.org>\r\n".into(),
    };
    courier.deliver(&to(ContactKind::Email, ADDRESS), &evil).await.unwrap();
    let heard = sink.heard();
    assert!(!heard.iter().any(|line| line.starts_with("Bcc")), "{heard:?}");
    assert_eq!(heard.iter().filter(|line| line.starts_with("RCPT")).count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|line| line.starts_with("MAIL")).count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|line| *line == ".").count(), 1, "{heard:?}");
}

// --- a gateway

fn gateway(port: u16) -> domovoi_config::Sms {
    domovoi_config::Sms {
        gateway: domovoi_config::SmsGateway::Other,
        url: format!("http://127.0.0.1:{port}/send").parse().unwrap(),
        format: SmsFormat::Json,
        template: r#"{"messages":[{"to":"{to}","text":"{text}"}],"n":1}"#.into(),
        header: None,
        header_value: None,
        answer: None,
        key_secret: None,
        timeout: Duration::from_secs(8),
    }
}

/// Answers every request with `answer`, and writes down heads and bodies.
async fn serve_http(answer: String) -> (u16, Arc<Mutex<Vec<(String, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let asked = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            let _ = stream.read_exact(&mut body).await;
            asked.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, heard)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn sms(section: &domovoi_config::Sms, key: Option<Key>) -> Courier {
    Courier::new(vec![Box::new(Sms::open(Gateway::open(section, key).unwrap()))])
}

#[tokio::test]
async fn a_gateway_is_told_what_the_template_says_and_no_more() {
    let vault = Vault::new().await;
    let phone = to(ContactKind::Phone, "+79161234567");
    let (port, heard) = serve_http(answer("200 OK", "{}")).await;
    let section = domovoi_config::Sms {
        header: Some("Authorization".into()),
        header_value: Some("Bearer {secret}".into()),
        ..gateway(port)
    };
    let quoted = Message { subject: "тема".into(), text: "код \"1\"\n{secret} {to}\\".into() };
    sms(&section, vault.key("ascii")).deliver(&phone, &quoted).await.unwrap();
    let (head, body) = heard.lock().unwrap().remove(0);
    assert!(head.starts_with("POST /send HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer hunter2\r\n"), "{head}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({ "messages": [{ "to": "+79161234567", "text": quoted.text }], "n": 1 });
    assert_eq!(body, expected, "what a message says is no place to be filled in");

    let form = domovoi_config::Sms {
        format: SmsFormat::Form,
        template: "api_id={secret}&to={digits}&msg={text}".into(),
        ..gateway(port)
    };
    let message = Message { subject: String::new(), text: "a&to=1 б".into() };
    sms(&form, vault.key("key")).deliver(&phone, &message).await.unwrap();
    let (_, body) = heard.lock().unwrap().remove(0);
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs, [pair("api_id", "пароль-hunter2"), pair("to", "79161234567"), pair("msg", "a&to=1 б")]);
}

#[tokio::test]
async fn a_gateway_that_did_not_take_the_message_is_not_believed() {
    let vault = Vault::new().await;
    let phone = to(ContactKind::Phone, "+79161234567");
    let refused = |text: &str| answer("200 OK", &format!("{{\"status\":\"{text}\",\"to\":\"+79161234567\"}}"));
    let wants_ok = |port| domovoi_config::Sms { answer: Some("\"status\":\"OK\"".into()), ..gateway(port) };
    let (port, _) = serve_http(refused("ERROR")).await;
    let why = undelivered(&sms(&wants_ok(port), None), &phone).await;
    assert!(why.contains("sms.answer"), "{why}");
    sms(&gateway(port), None).deliver(&phone, &message()).await.unwrap();
    let (port, _) = serve_http(refused("OK")).await;
    sms(&wants_ok(port), None).deliver(&phone, &message()).await.unwrap();
    let (port, _) = serve_http(answer("200 OK", &"x".repeat(100_000))).await;
    let why = undelivered(&sms(&wants_ok(port), None), &phone).await;
    assert!(why.contains("too long"), "{why}");
    let (port, _) = serve_http(answer("500 No", "+79161234567 314159")).await;
    assert!(undelivered(&sms(&gateway(port), None), &phone).await.contains("status 500"));

    // A redirect is not followed: the key would go along.
    let (elsewhere, heard) = serve_http(answer("200 OK", "")).await;
    let (port, _) = serve_http(format!(
        "HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:{elsewhere}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
    .await;
    assert!(undelivered(&sms(&gateway(port), vault.key("key")), &phone).await.contains("status 307"));
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn a_template_that_is_no_json_is_named_at_the_start() {
    let section = domovoi_config::Sms { template: "{to} {text}".into(), ..gateway(1) };
    let why = Gateway::open(&section, None).err().unwrap().to_string();
    assert!(why.starts_with("sms.template"), "{why}");
}

// --- the courier

/// Fails, and says how often it was asked.
struct Broken(Arc<Mutex<usize>>);

impl Channel for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn reaches(&self, _: ContactKind) -> bool {
        true
    }

    fn deliver<'a>(&'a self, _: &'a Contact, _: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        *self.0.lock().unwrap() += 1;
        Box::pin(std::future::ready(Err(Undelivered("broken".into()))))
    }
}

#[tokio::test]
async fn the_next_channel_is_tried_and_nobody_is_reached_by_a_name() {
    let asked = Arc::new(Mutex::new(0));
    let courier = Courier::new(vec![Box::new(Broken(Arc::clone(&asked)))]);
    courier.add(Terminal);
    courier.deliver(&to(ContactKind::Phone, "+79161234567"), &message()).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), 1);
    let courier = Courier::default();
    courier.add(Terminal);
    assert!(!courier.reaches(ContactKind::Name));
    assert!(courier.deliver(&to(ContactKind::Name, "Анна"), &message()).await.is_err());
}

/// Writes into memory what would go into the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_code_and_no_address_gets_into_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // With one subscriber alone, whoever comes first decides for all threads whether a line is of interest.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let vault = Vault::new().await;
    let sink = Sink { refuses: Some("550 <anna@example.org> says 314159\r\n"), ..Sink::default() };
    let section = domovoi_config::Mail { username: Some("home".into()), ..section(sink.start().await, MailTls::None) };
    let courier = mail(&section, vault.key("key"));
    undelivered(&courier, &to(ContactKind::Email, ADDRESS)).await;
    let (port, _) = serve_http(answer("500 No", "314159")).await;
    undelivered(&sms(&gateway(port), vault.key("key")), &to(ContactKind::Phone, "+79161234567")).await;
    tracing::debug!("{:?}", message());
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("a message was not carried"), "{written}");
    for private in [CODE, ADDRESS, "9161234567", "hunter2", "сообщайте"] {
        assert!(!written.contains(private), "{private} is in the log: {written}");
    }
}
