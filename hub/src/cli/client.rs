//! How a command reaches the house: over the control socket where a daemon runs, else by opening the house itself. Both
//! ways speak the same API, so a command has one implementation.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use domovoi_config::{Master, PassphraseFrom, Settings};
use domovoi_vault::Secret;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{Failure, exit};
use crate::clock::Clock;
use crate::house::{House, HouseError};
use crate::web::{self, ApiProblem};

/// The longest answer that is read: a year of readings is a tenth of it.
const MAX_ANSWER: usize = 32 << 20;

/// As much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// As many things as the API gives at once.
const LARGEST_PAGE: usize = 500;

/// Rotation goes on in the background; verification of years on a slow card is the longest single call.
const CALL_TIMEOUT: Duration = Duration::from_secs(3600);

/// A way to the house.
pub enum Client {
    /// A daemon answers on its socket.
    Daemon(reqwest::Client),
    /// No daemon runs: the house is open in this process.
    Here(Box<House>, Router),
}

impl Client {
    /// Finds the daemon, or opens the house.
    pub async fn connect(settings: Settings) -> Result<Self, Failure> {
        let socket = settings.control.socket.clone();
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return Self::over(&socket);
        }
        let passphrase = ask_passphrase(&settings)?;
        let house = Box::pin(House::open(settings, system_clock()?, passphrase)).await;
        let house = house.map_err(|error| match error {
            // A daemon that is just starting, or one of another user whose socket we may not open.
            HouseError::Locked(error) => Failure::new(exit::REFUSED, error.to_string()),
            other => house_failure(other),
        })?;
        let router = web::router(house.desk(false));
        Ok(Client::Here(Box::new(house), router))
    }

    /// Over a socket that is known to answer.
    pub fn over(socket: &Path) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .unix_socket(socket.to_owned())
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| Failure::new(exit::FAILED, format!("the control socket cannot be used: {error}")))?;
        Ok(Client::Daemon(client))
    }

    /// Whether a daemon answers.
    pub fn is_daemon(&self) -> bool {
        matches!(self, Client::Daemon(_))
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// A whole list, page after page, or its first `most` things.
    pub async fn list(&self, path: &str, key: &str, most: usize) -> Result<Value, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let limit = (most - all.len()).min(LARGEST_PAGE);
            let joint = if path.contains('?') { '&' } else { '?' };
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let mut page = self.get(&format!("{path}{joint}limit={limit}{after}")).await?;
            if let Some(things) = page[key].as_array_mut() {
                all.append(things);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() || all.len() >= most {
                return Ok(serde_json::json!({ key: all }));
            }
        }
    }

    /// Changes what stands there now, and nothing that somebody else has made of it meanwhile.
    pub async fn patch(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let (_, tag, _) = self.raw(Method::GET, path, None, None).await?;
        self.understood(self.raw(Method::PATCH, path, Some(body), tag).await?)
    }

    /// An answer that is no JSON document.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        let (status, tag, bytes) = self.raw(Method::GET, path, None, None).await?;
        if status.is_success() {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        self.understood((status, tag, bytes)).map(|value| value.to_string())
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        self.understood(self.raw(method, path, body, None).await?)
    }

    async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        if_match: Option<HeaderValue>,
    ) -> Result<(StatusCode, Option<HeaderValue>, Bytes), Failure> {
        match self {
            Client::Daemon(client) => {
                let mut request = client.request(method, format!("http://localhost{path}"));
                if let Some(body) = body {
                    request = request.json(&body);
                }
                if let Some(tag) = if_match {
                    request = request.header(header::IF_MATCH, tag);
                }
                let answer = request.send().await.map_err(lost)?;
                let (status, tag) = (answer.status(), answer.headers().get(header::ETAG).cloned());
                Ok((status, tag, answer.bytes().await.map_err(lost)?))
            }
            Client::Here(_, router) => {
                let mut request = Request::builder().method(method).uri(path);
                if let Some(tag) = if_match {
                    request = request.header(header::IF_MATCH, tag);
                }
                let body = match body {
                    Some(body) => {
                        request = request.header(header::CONTENT_TYPE, "application/json");
                        Body::from(body.to_string())
                    }
                    None => Body::empty(),
                };
                let internal = |error: String| Failure::new(exit::FAILED, error);
                let request = request.body(body).map_err(|error| internal(error.to_string()))?;
                let answer = router.clone().oneshot(request).await;
                let answer = answer.unwrap_or_else(|never| match never {});
                let (status, tag) = (answer.status(), answer.headers().get(header::ETAG).cloned());
                let bytes = http_body_util::Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
                Ok((status, tag, bytes.map_err(|error| internal(error.to_string()))?.to_bytes()))
            }
        }
    }

    /// Writes an answer of any length as it comes; how many bytes it had.
    pub async fn download(&self, path: &str, out: &mut dyn std::io::Write) -> Result<u64, Failure> {
        let broken = |error: String| Failure::new(exit::FAILED, format!("the answer did not arrive whole: {error}"));
        let (status, mut stream) = match self {
            Client::Daemon(client) => {
                let answer = client.get(format!("http://localhost{path}")).send().await.map_err(lost)?;
                (answer.status(), answer.bytes_stream().map_err(|error| error.to_string()).boxed())
            }
            Client::Here(_, router) => {
                let request = Request::get(path).body(Body::empty());
                let request = request.map_err(|error| Failure::new(exit::FAILED, error.to_string()))?;
                let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
                let (parts, body) = answer.into_parts();
                let stream = futures_util::TryStreamExt::map_err(body.into_data_stream(), |error| error.to_string());
                (parts.status, stream.boxed())
            }
        };
        let (mut count, mut refusal) = (0, Vec::new());
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(broken)?;
            if status.is_success() {
                count += super::history::write_all(out, &bytes)?;
            } else if refusal.len() < MAX_ANSWER {
                refusal.extend_from_slice(&bytes);
            }
        }
        if status.is_success() {
            return Ok(count);
        }
        self.understood((status, None, refusal.into())).map(|_| 0)
    }

    /// Hands in something of any length.
    pub async fn upload(
        &self,
        path: &str,
        kind: &str,
        mut from: Box<dyn std::io::Read + Send>,
    ) -> Result<Value, Failure> {
        // A thread of its own reads: what comes from a pipe may take its time.
        let (chunks, fed) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
        let reading = tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let next = match from.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(count) => {
                        chunk.truncate(count);
                        Ok(Bytes::from(chunk))
                    }
                    Err(error) => Err(error),
                };
                let last = next.is_err();
                if chunks.blocking_send(next).is_err() || last {
                    return;
                }
            }
        });
        let stream = futures_util::stream::unfold(fed, |mut fed| async move { Some((fed.recv().await?, fed)) });
        let answer = match self {
            Client::Daemon(client) => {
                let request = client.post(format!("http://localhost{path}")).header(header::CONTENT_TYPE, kind);
                let answer = request.body(reqwest::Body::wrap_stream(stream)).send().await.map_err(lost)?;
                (answer.status(), None, answer.bytes().await.map_err(lost)?)
            }
            Client::Here(_, router) => {
                let request = Request::post(path).header(header::CONTENT_TYPE, kind).body(Body::from_stream(stream));
                let request = request.map_err(|error| Failure::new(exit::FAILED, error.to_string()))?;
                let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
                let status = answer.status();
                let bytes = http_body_util::Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
                (status, None, bytes.map_err(|error| Failure::new(exit::FAILED, error.to_string()))?.to_bytes())
            }
        };
        // The thread ends by itself once nobody takes what it reads; a pipe that says nothing must not keep the process.
        drop(reading);
        self.understood(answer)
    }

    fn understood(&self, (status, _, bytes): (StatusCode, Option<HeaderValue>, Bytes)) -> Result<Value, Failure> {
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| Failure::new(exit::FAILED, format!("the daemon's answer cannot be read: {error}")));
        }
        let code = match status.as_u16() {
            404 => exit::NOT_FOUND,
            403 | 409 | 412 => exit::REFUSED,
            _ => exit::FAILED,
        };
        Err(match serde_json::from_slice::<ApiProblem>(&bytes) {
            Ok(problem) => Failure::new(code, problem.title),
            Err(_) => Failure::new(code, String::from_utf8_lossy(&bytes).chars().take(500).collect::<String>()),
        })
    }

    /// Closes the house, if it was opened here.
    pub async fn close(self) {
        if let Client::Here(house, router) = self {
            drop(router);
            house.close(tokio::task::JoinSet::new()).await;
        }
    }
}

fn lost(error: reqwest::Error) -> Failure {
    Failure::new(exit::FAILED, format!("the daemon did not answer: {error}"))
}

/// A path segment of a stranger's making.
pub fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

pub fn house_failure(error: HouseError) -> Failure {
    let code = match &error {
        HouseError::Locked(_) | HouseError::Master(_) => exit::REFUSED,
        HouseError::Open(domovoi_store::OpenError::Key(_)) => exit::REFUSED,
        HouseError::Setting(_) => exit::SETTINGS,
        _ => exit::FAILED,
    };
    Failure::new(code, error.to_string())
}

/// The clock of this run.
pub fn system_clock() -> Result<Clock, Failure> {
    Clock::for_this_run().map_err(|error| Failure::new(exit::FAILED, format!("no random bytes: {error}")))
}

/// Asks the person for the passphrase where the settings say that one types it.
pub fn ask_passphrase(settings: &Settings) -> Result<Option<Secret<String>>, Failure> {
    if settings.vault.master != Master::Passphrase(PassphraseFrom::Person) {
        return Ok(None);
    }
    let typed = rpassword::prompt_password("Passphrase / Парольная фраза: ");
    let typed = typed.map_err(|error| Failure::new(exit::REFUSED, format!("no passphrase was typed: {error}")))?;
    Ok(Some(Secret::new(typed)))
}
