//! Tests only: a portal whose every answer is written in the test. It knows no OAuth and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response};
use domovoi_model::{Id, Timestamp};
use domovoi_store::Store;
use domovoi_vault::MasterKey;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::shelf::{Shelf, Standing, StoredLink};
use super::{Portal, PortalSettings};
use crate::clock::Clock;

/// A request as it arrived.
#[derive(Clone)]
pub(super) struct Asked {
    pub method: String,
    /// As on the wire, still percent-encoded, with the query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn form(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(&self.body);
        pairs.find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn is(&self, method: &str, target: &str) -> bool {
        self.method == method && self.target == target
    }
}

pub(super) type Told = Response<Body>;

pub(super) fn told(status: u16, media_type: &str, body: impl Into<Body>) -> Told {
    Response::builder().status(status).header("content-type", media_type).body(body.into()).unwrap()
}

pub(super) fn told_json(status: u16, body: &Value) -> Told {
    told(status, "application/json", body.to_string())
}

pub(super) fn told_problem(status: u16, code: &str) -> Told {
    let body = json!({
        "type": format!("https://portal.example/problems/{code}"),
        "title": code, "status": status, "detail": format!("words about {code}"),
    });
    told(status, "application/problem+json", body.to_string())
}

/// The server; stops when the runtime of the test ends.
#[derive(Clone)]
pub(super) struct Fake {
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// `answer` gets the server's own address and the request. Metadata is served unless it answers for it.
    pub async fn start(answer: impl Fn(&str, &Asked) -> Option<Told> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let fake = Fake { base: base.clone(), asked: Arc::default() };
        let (asked, answer) = (Arc::clone(&fake.asked), Arc::new(answer));
        let app = axum::Router::new().fallback(move |request: Request<Body>| {
            let (asked, answer, base) = (Arc::clone(&asked), Arc::clone(&answer), base.clone());
            async move {
                let (parts, body) = request.into_parts();
                let target = parts.uri.path_and_query().map_or(String::new(), ToString::to_string);
                let body = axum::body::to_bytes(body, 8 * 1024 * 1024).await.unwrap();
                let request = Asked { method: parts.method.to_string(), target, headers: parts.headers, body };
                asked.lock().unwrap().push(request.clone());
                let told = answer(&base, &request);
                told.or_else(|| metadata(&base, &request))
                    .unwrap_or_else(|| told_problem(404, "not-written-in-the-test"))
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    /// What was asked, without the metadata.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| !asked.target.starts_with("/.well-known/")).cloned().collect()
    }

    pub fn settings(&self) -> PortalSettings {
        let mut settings = PortalSettings::new(&self.base, &format!("{}/api/v1", self.base), "hub").unwrap();
        settings.total_timeout = std::time::Duration::from_secs(20);
        settings
    }

    pub async fn open(&self, shelf: &TestShelf) -> Portal {
        Portal::open(self.settings(), shelf.shelf.clone(), clock()).await.unwrap()
    }

    /// A portal with a link that was made earlier: access token `at-1`, refresh token `rt-1`, no DPoP.
    pub async fn linked(&self) -> (Portal, TestShelf) {
        let shelf = shelf().await;
        shelf.save(&self.link()).await.unwrap();
        (self.open(&shelf).await, shelf)
    }

    pub fn link(&self) -> StoredLink {
        let now = clock().wall().0;
        StoredLink {
            version: StoredLink::VERSION,
            issuer: self.base.clone(),
            client_id: "hub".to_owned(),
            token_endpoint: format!("{}/token", self.base),
            revocation_endpoint: Some(format!("{}/revoke", self.base)),
            access_token: Some("at-1".to_owned()),
            refresh_token: Some("rt-1".to_owned()),
            obtained_at: now,
            expires_at: Some(now + 3_600_000),
            dpop_key: None,
            asked: vec!["acts.write".to_owned()],
            granted: vec!["acts.write".to_owned()],
            subject: None,
            since: now,
            standing: Standing::Good,
        }
    }
}

pub(super) fn clock() -> Clock {
    Clock::by_hand(Id([7; 16]), Timestamp(1_800_000_000_000))
}

/// A store in a folder of its own, and the shelf in it.
#[derive(Clone)]
pub(super) struct TestShelf {
    pub shelf: Shelf,
    pub store: Store,
    _folder: Arc<TempDir>,
}

impl std::ops::Deref for TestShelf {
    type Target = Shelf;

    fn deref(&self) -> &Shelf {
        &self.shelf
    }
}

pub(super) async fn shelf() -> TestShelf {
    let folder = tempfile::tempdir().unwrap();
    let settings = domovoi_store::Settings::new(folder.path().join("data"));
    let store = Store::open(&settings, &MasterKey::generate().unwrap()).await.unwrap();
    TestShelf { shelf: Shelf::new(store.clone()), store, _folder: Arc::new(folder) }
}

fn metadata(base: &str, asked: &Asked) -> Option<Told> {
    let document = json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/auth"),
        "token_endpoint": format!("{base}/token"),
        "device_authorization_endpoint": format!("{base}/device"),
        "revocation_endpoint": format!("{base}/revoke"),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "something_new": { "of": ["no", "concern"] },
    });
    asked.is("GET", "/.well-known/oauth-authorization-server").then(|| told_json(200, &document))
}

/// A token response with the n-th tokens.
pub(super) fn tokens(n: u32, kind: &str) -> Told {
    told_json(
        200,
        &json!({
            "access_token": format!("at-{n}"), "refresh_token": format!("rt-{n}"),
            "token_type": kind, "expires_in": 3600, "scope": "acts.write",
        }),
    )
}
