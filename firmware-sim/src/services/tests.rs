//! The services as their clients see them, without anything of the hub.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Fault;
use super::feeds::{FeedFault, FeedServer};
use super::ntfy::NtfyServer;
use super::smtp::{SmtpFault, SmtpServer, SmtpSettings};
use super::webhook::WebhookSink;

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn dialogue(at: SocketAddr, lines: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    stream.write_all(lines.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn a_message_is_kept_as_it_came() {
    let server = SmtpServer::start(any(), SmtpSettings::default()).await.unwrap();
    let said =
        "EHLO x\nMAIL FROM:<home@example.org>\nRCPT TO:<anna@example.org>\nDATA\nSubject: a\n b\n\n..dot\n.\nQUIT\n";
    let heard = dialogue(server.address(), said).await;
    assert!(heard.contains("250 2.0.0 taken") && heard.ends_with("221 2.0.0 bye\r\n"), "{heard}");
    let mail = server.mail.all().remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("home@example.org", ["anna@example.org".to_owned()].as_slice())
    );
    assert_eq!((mail.header("subject").as_deref(), mail.text.ends_with("\r\n\r\n.dot\r\n")), (Some("a b"), true));
    server.faults.add(SmtpFault::Addressee("451 4.3.0 later"), 1);
    let heard = dialogue(server.address(), said).await;
    assert!(heard.contains("451 4.3.0 later") && server.mail.len() == 1, "{heard}");
}

#[tokio::test]
async fn a_message_without_a_right_signature_is_not_believed() {
    let sink = WebhookSink::start(any()).await.unwrap();
    let response = client().post(sink.url()).header("webhook-id", "1").body("{}").send().await.unwrap();
    assert_eq!((response.status().as_u16(), sink.hooked.len(), sink.forged.len()), (401, 0, 1));
}

#[tokio::test]
async fn faults_come_in_their_order_and_then_no_more() {
    let server = NtfyServer::start(any(), Some("tk_1")).await.unwrap();
    server.faults.add(Fault::TryLater(429, Duration::from_secs(7)), 1);
    server.faults.add(Fault::Cut, 1);
    let send = |token: &'static str| {
        let request = client().post(server.url()).bearer_auth(token).json(&json!({ "topic": "dom", "message": "x" }));
        async move { request.send().await }
    };
    let first = send("tk_1").await.unwrap();
    assert_eq!((first.status().as_u16(), first.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    // Before or after the head of the answer.
    if let Ok(answer) = send("tk_1").await {
        assert!(answer.bytes().await.is_err(), "cut");
    }
    assert_eq!(send("tk_2").await.unwrap().status().as_u16(), 403);
    let taken = send("tk_1").await.unwrap().bytes().await.unwrap();
    let taken: Value = serde_json::from_slice(&taken).unwrap();
    assert_eq!((taken["topic"].as_str(), server.messages.len()), (Some("dom"), 1));
}

#[tokio::test]
async fn a_feed_is_given_once_and_then_not_modified() {
    let feeds = FeedServer::start(any(), crate::system_clock()).await.unwrap();
    feeds.publish("one", "Ветер <сильный>", "<alert/>");
    let get = |path: &str, tag: Option<String>| {
        let mut request = client().get(feeds.url(path));
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        async move { request.send().await.unwrap() }
    };
    let first = get("/atom.xml", None).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let text = first.text().await.unwrap();
    assert!(text.contains(&feeds.url("/cap/one.xml")) && text.contains("&lt;сильный>"), "{text}");
    assert_eq!(get("/atom.xml", Some(tag.clone())).await.status().as_u16(), 304);
    feeds.publish("two", "Снег", "<alert/>");
    assert_eq!(get("/atom.xml", Some(tag.clone())).await.status().as_u16(), 200);
    for fault in [FeedFault::Truncated, FeedFault::Doctype, FeedFault::WebPage, FeedFault::Endless(2)] {
        feeds.faults.add(fault, 1);
    }
    assert!(!get("/atom.xml", None).await.text().await.unwrap().ends_with("</feed>\n"));
    assert!(get("/atom.xml", None).await.text().await.unwrap().contains("<!DOCTYPE"));
    assert!(get("/atom.xml", None).await.headers()["content-type"].to_str().unwrap().contains("html"));
    assert_eq!(get("/atom.xml", None).await.bytes().await.unwrap().len(), 2 << 20);
    assert_eq!(get("/no.xml", None).await.status().as_u16(), 404);
    assert_eq!(feeds.asked.all().iter().filter(|asked| asked.status == 304).count(), 1);
}
