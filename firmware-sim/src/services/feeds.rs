//! Feeds of warnings: Atom or RSS documents and the CAP messages that they lead to, with ETag, Last-Modified and 304, and with
//! everything that can be wrong with a feed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::served::{Fault, Served, happen};
use super::{Record, Script, StartError};
use crate::Clock;

const ATOM: &str = "application/atom+xml; charset=utf-8";
const CAP: &str = "application/cap+xml";

/// Something that lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub media_type: String,
    pub body: Vec<u8>,
}

/// What goes wrong with the next answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedFault {
    /// As with any HTTP.
    Http(Fault),
    /// Half of the document, as if it were whole.
    Truncated,
    /// A document that never ends, in pieces; it ends after so many megabytes all the same.
    Endless(usize),
    /// A byte a second.
    Trickle,
    /// A DOCTYPE with entities before the document.
    Doctype,
    /// A web page, with the media type of one.
    WebPage,
    /// What is not asked for comes whole: no 304, no ETag.
    Forgetful,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    /// With `If-None-Match` or `If-Modified-Since`.
    pub conditional: bool,
    /// What it was answered with.
    pub status: u16,
}

/// A server of feeds. It listens until it is dropped.
pub struct FeedServer {
    served: Served,
    shared: Arc<Shared>,
    pub asked: Record<Asked>,
    /// The next answers, whatever is asked.
    pub faults: Script<FeedFault>,
}

struct Shared {
    clock: Clock,
    shelf: Mutex<Shelf>,
    asked: Record<Asked>,
    faults: Script<FeedFault>,
}

#[derive(Default)]
struct Shelf {
    documents: HashMap<String, Document>,
    /// Path and title of each message in the feed, newest first.
    entries: Vec<(String, String, i64)>,
}

impl FeedServer {
    pub async fn start(at: SocketAddr, clock: Clock) -> Result<Self, StartError> {
        let shared =
            Arc::new(Shared { clock, shelf: Mutex::default(), asked: Record::default(), faults: Script::default() });
        let router = Router::new().fallback(give).with_state(Arc::clone(&shared));
        let served = Served::start("feed", at, router).await?;
        let (asked, faults) = (shared.asked.clone(), shared.faults.clone());
        let feeds = FeedServer { served, shared, asked, faults };
        feeds.write_feed();
        Ok(feeds)
    }

    pub fn address(&self) -> SocketAddr {
        self.served.address
    }

    /// The address of a path: `/atom.xml` is the feed that [`Self::publish`] writes.
    pub fn url(&self, path: &str) -> String {
        self.served.url(path)
    }

    /// Puts a document at a path.
    pub fn put(&self, path: &str, media_type: &str, body: impl Into<Vec<u8>>) {
        let document = Document { media_type: media_type.to_owned(), body: body.into() };
        self.shared.shelf().documents.insert(path.to_owned(), document);
    }

    pub fn remove(&self, path: &str) {
        self.shared.shelf().documents.remove(path);
    }

    /// A CAP message appears: at `/cap/<name>.xml`, and as an entry of `/atom.xml`. The same name again replaces it there, and
    /// is a new entry, as services do it.
    pub fn publish(&self, name: &str, title: &str, cap: impl Into<Vec<u8>>) {
        let path = format!("/cap/{name}.xml");
        self.put(&path, CAP, cap);
        let now = (self.shared.clock)();
        self.shared.shelf().entries.insert(0, (path, title.to_owned(), now));
        self.write_feed();
    }

    /// Only the newest entries stay in the feed; the documents stay where they are.
    pub fn forget_entries_but(&self, newest: usize) {
        self.shared.shelf().entries.truncate(newest);
        self.write_feed();
    }

    fn write_feed(&self) {
        let now = stamp((self.shared.clock)());
        let mut feed = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
             <id>{}</id>\n<title>Pretended warnings</title>\n<updated>{now}</updated>\n",
            self.url("/atom.xml")
        );
        for (path, title, at) in &self.shared.shelf().entries {
            let url = self.url(path);
            feed.push_str(&format!(
                "<entry>\n<id>{url}</id>\n<title>{}</title>\n<updated>{}</updated>\n\
                 <link rel=\"related\" type=\"{CAP}\" href=\"{url}\"/>\n</entry>\n",
                escaped(title),
                stamp(*at)
            ));
        }
        feed.push_str("</feed>\n");
        self.put("/atom.xml", ATOM, feed);
    }
}

impl Shared {
    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn stamp(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map(|at| at.to_string()).unwrap_or_default()
}

async fn give(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().to_owned();
    let has = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (match_, since) = (has(header::IF_NONE_MATCH), has(header::IF_MODIFIED_SINCE));
    let conditional = match_.is_some() || since.is_some();
    let told = |response: Response| {
        let status = response.status().as_u16();
        shared.asked.push(Asked { path: path.clone(), conditional, status });
        response
    };
    let fault = match shared.faults.next() {
        Some(FeedFault::Http(fault)) => match happen(Some(fault)).await {
            Some(response) => return told(response),
            None => None,
        },
        other => other,
    };
    let document = shared.shelf().documents.get(&path).cloned();
    let Some(Document { media_type, body }) = document else { return told(StatusCode::NOT_FOUND.into_response()) };
    let tag: String = Sha256::digest(&body).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    if fault != Some(FeedFault::Forgetful) && match_.as_deref() == Some(tag.as_str()) {
        return told((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let with = |media_type: String, body: Body| {
        (StatusCode::OK, [(header::CONTENT_TYPE, media_type), (header::ETAG, tag.clone())], body).into_response()
    };
    told(match fault {
        Some(FeedFault::Truncated) => {
            let half = body.get(..body.len() / 2).unwrap_or_default().to_vec();
            with(media_type, half.into())
        }
        Some(FeedFault::Endless(megabytes)) => {
            let piece = axum::body::Bytes::from(vec![b' '; 1 << 20]);
            let pieces = std::iter::repeat_n(piece, megabytes).map(Ok::<_, std::io::Error>);
            with(media_type, Body::from_stream(futures_util::stream::iter(pieces)))
        }
        Some(FeedFault::Trickle) => {
            let bytes = futures_util::stream::unfold((body, 0usize), |(body, at)| async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let byte = body.get(at).copied()?;
                Some((Ok::<_, std::io::Error>(vec![byte]), (body, at + 1)))
            });
            with(media_type, Body::from_stream(bytes))
        }
        Some(FeedFault::Doctype) => {
            let text = String::from_utf8_lossy(&body);
            let text = text.split_once("?>").map_or(text.as_ref(), |(_, rest)| rest);
            let evil =
                "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\n";
            with(media_type, format!("{evil}{text}").into())
        }
        Some(FeedFault::WebPage) => {
            with("text/html; charset=utf-8".into(), "<!doctype html><title>Sign in</title><p>Sign in first".into())
        }
        Some(FeedFault::Forgetful) => (StatusCode::OK, [(header::CONTENT_TYPE, media_type)], body).into_response(),
        Some(FeedFault::Http(_)) | None => with(media_type, body.into()),
    })
}
