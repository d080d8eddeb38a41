//! A store that a test plays: as much of the protocol of Amazon S3 as our client speaks, with the signature of each request
//! checked after Amazon's description (Signature Version 4), and everything that a store could do wrong.
//! Deliberately one request a connection, and all objects in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ring::{digest, hmac};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) const ACCESS_KEY: &str = "domovoi";
pub(super) const KEY: &str = "s3cret/key+";
pub(super) const REGION: &str = "eu-north-1";
pub(super) const BUCKET: &str = "cameras";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// Says this to every request.
    Says(u16, &'static str),
    /// Hangs up in the middle of each upload.
    HangsUp,
    /// Takes an upload and keeps less of it, or something else.
    KeepsLess,
    KeepsOther,
    /// Sends these bytes to every request, status line and all.
    Sends(Vec<u8>),
    /// Every page of a listing has a next one.
    ListsForEver,
    /// Puts this key into a listing.
    Lists(&'static str),
    /// Answers a range with another one.
    OtherRange,
    /// Does not answer before it is in another mood.
    Waits,
    /// Says 400 to everything about objects whose key has this in it.
    Refuses(&'static str),
}

#[derive(Default)]
pub(super) struct Shelf {
    pub objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    /// Method and path of each request.
    pub heard: Vec<String>,
}

pub(super) struct Store {
    pub at: SocketAddr,
    pub shelf: Arc<Mutex<Shelf>>,
    pub mood: Arc<Mutex<Mood>>,
    accepting: JoinHandle<()>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Store {
    pub(super) async fn start() -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let mood = Arc::new(Mutex::new(Mood::Good));
        let (all, humour) = (Arc::clone(&shelf), Arc::clone(&mood));
        let accepting = tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (shelf, mood) = (Arc::clone(&all), Arc::clone(&humour));
                talks.spawn(async move { talk(stream, &shelf, &mood).await });
            }
        });
        Store { at, shelf, mood, accepting }
    }

    pub(super) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.shelf.lock().unwrap().heard.clone()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.shelf.lock().unwrap().objects.keys().cloned().collect()
    }

    pub(super) fn half_uploads(&self) -> usize {
        self.shelf.lock().unwrap().uploads.len()
    }
}

struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

async fn read(stream: &mut TcpStream, mood: &Mood) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 65_536];
    let at = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
    };
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |text: &str| {
        text.split_once('=').map_or((text.to_owned(), String::new()), |(a, b)| (a.to_owned(), b.to_owned()))
    };
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
        headers,
        body: bytes[at + 4..].to_vec(),
    };
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    while request.body.len() < length {
        if *mood == Mood::HangsUp && request.body.len() > length / 2 {
            return None;
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.body.extend_from_slice(&part[..read]),
        }
    }
    Some(request)
}

async fn talk(mut stream: TcpStream, shelf: &Mutex<Shelf>, mood: &Mutex<Mood>) -> Option<()> {
    let humour = mood.lock().unwrap().clone();
    let request = read(&mut stream, &humour).await?;
    shelf.lock().unwrap().heard.push(format!("{} {}", request.method, request.path));
    while *mood.lock().unwrap() == Mood::Waits {
        tokio::task::yield_now().await;
    }
    if let Mood::Sends(bytes) = &humour {
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        return None;
    }
    let (status, headers, body) = match humour {
        Mood::Says(status, code) => refusal(status, code),
        Mood::Refuses(key) if request.path.contains(key) => refusal(400, "InvalidRequest"),
        _ if !is_signed(&request) => refusal(403, "SignatureDoesNotMatch"),
        humour => answer(&request, &mut shelf.lock().unwrap(), &humour),
    };
    let body = if request.method == "HEAD" { Vec::new() } else { body };
    let length =
        if headers.contains("Content-Length") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status} X\r\n{headers}{length}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.shutdown().await.ok()
}

type Answer = (u16, String, Vec<u8>);

fn refusal(status: u16, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
    (status, String::new(), body.into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn is_signed(request: &Request) -> bool {
    let authorization = request.header("authorization");
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name)?;
        Some(rest.split(',').next()?.trim().to_owned())
    };
    let parts = (|| Some((part("Credential=")?, part("SignedHeaders=")?, part("Signature=")?)))();
    let Some((credential, signed, signature)) = parts else { return false };
    let sent = request.header("x-amz-content-sha256");
    if sent != hex(&sha256(&request.body)) {
        return false;
    }
    let mut query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort();
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let canonical = format!("{}\n{}\n{}\n{headers}\n{signed}\n{sent}", request.method, request.path, query.join("&"));
    let scope = credential.strip_prefix(&format!("{ACCESS_KEY}/")).unwrap_or_default();
    let date = scope.split('/').next().unwrap_or_default();
    if scope != format!("{date}/{REGION}/s3/aws4_request") {
        return false;
    }
    let text =
        format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", request.header("x-amz-date"), hex(&sha256(canonical.as_bytes())));
    let sign =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = [date, REGION, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{KEY}").into_bytes(), |key, text| sign(&key, text));
    hex(&sign(&key, &text)) == signature
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(&sha256(bytes))[..32])
}

fn answer(request: &Request, shelf: &mut Shelf, mood: &Mood) -> Answer {
    let Some(key) = request.path.strip_prefix(&format!("/{BUCKET}")) else { return refusal(404, "NoSuchBucket") };
    let key = key.trim_start_matches('/').to_owned();
    let kept = |bytes: Vec<u8>| match mood {
        Mood::KeepsLess => bytes[..bytes.len().saturating_sub(1)].to_vec(),
        Mood::KeepsOther => bytes.iter().map(|byte| byte ^ 1).collect(),
        _ => bytes,
    };
    let ok = |headers: String, body: Vec<u8>| (200, headers, body);
    match (request.method.as_str(), key.as_str()) {
        ("GET", "") if request.query("list-type") == Some("2") => list(request, shelf, mood),
        ("POST", _) if request.query("uploads").is_some() => {
            let id = format!("upload-{}", shelf.uploads.len());
            shelf.uploads.insert(id.clone(), BTreeMap::new());
            let body =
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
            ok(String::new(), body.into_bytes())
        }
        ("PUT", _) if request.query("uploadId").is_some() => {
            let number = request.query("partNumber").unwrap().parse().unwrap();
            let Some(upload) = shelf.uploads.get_mut(request.query("uploadId").unwrap()) else {
                return refusal(404, "NoSuchUpload");
            };
            let tag = etag(&request.body);
            upload.insert(number, request.body.clone());
            ok(format!("ETag: {tag}\r\n"), Vec::new())
        }
        ("POST", _) => {
            let Some(upload) = shelf.uploads.remove(request.query("uploadId").unwrap()) else {
                return refusal(404, "NoSuchUpload");
            };
            let small = upload.values().rev().skip(1).any(|part| part.len() < 5 << 20);
            if small {
                return refusal(400, "EntityTooSmall");
            }
            let whole = kept(upload.into_values().flatten().collect());
            let tag = etag(&whole);
            shelf.objects.insert(key, whole);
            let body = format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>");
            ok(String::new(), body.into_bytes())
        }
        ("PUT", _) => {
            let whole = kept(request.body.clone());
            let tag = etag(&whole);
            shelf.objects.insert(key, whole);
            ok(format!("ETag: {tag}\r\n"), Vec::new())
        }
        ("DELETE", _) => {
            match request.query("uploadId") {
                Some(id) => drop(shelf.uploads.remove(id)),
                None => drop(shelf.objects.remove(&key)),
            }
            (204, String::new(), Vec::new())
        }
        ("GET" | "HEAD", _) => {
            let Some(object) = shelf.objects.get(&key) else { return refusal(404, "NoSuchKey") };
            let common = format!("ETag: {}\r\nLast-Modified: Sun, 22 Nov 2026 17:27:14 GMT\r\n", etag(object));
            let range = request.header("range").strip_prefix("bytes=").and_then(|range| range.split_once('-'));
            match range {
                None => ok(format!("{common}Content-Length: {}\r\n", object.len()), object.clone()),
                Some((first, last)) => {
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    if first >= object.len() {
                        return refusal(416, "InvalidRange");
                    }
                    let shift = usize::from(*mood == Mood::OtherRange && first > 0);
                    let (first, last) = (first - shift, last.min(object.len() - 1) - shift);
                    let range = format!("Content-Range: bytes {first}-{last}/{}\r\n", object.len());
                    (206, format!("{common}{range}"), object[first..=last].to_vec())
                }
            }
        }
        _ => refusal(405, "MethodNotAllowed"),
    }
}

fn list(request: &Request, shelf: &Shelf, mood: &Mood) -> Answer {
    let prefix = request.query("prefix").unwrap_or_default().replace("%2F", "/");
    let after = request.query("continuation-token").unwrap_or_default().replace("%2F", "/");
    let mut keys: Vec<(&str, usize)> = shelf
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix) && key.as_str() > after.as_str())
        .map(|(key, object)| (key.as_str(), object.len()))
        .collect();
    if let Mood::Lists(key) = mood {
        keys.push((key, 1));
    }
    // Two on a page, so that there are pages.
    let more = keys.len() > 2 || *mood == Mood::ListsForEver;
    if *mood != Mood::ListsForEver {
        keys.truncate(2);
    }
    let next = keys.last().map_or("x", |(key, _)| key);
    let contents: String = keys
        .iter()
        .map(|(key, size)| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-22T17:27:14.000Z</LastModified><ETag>\"e\"</ETag>\
                 <Size>{size}</Size></Contents>"
            )
        })
        .collect();
    let token = if more { format!("<NextContinuationToken>{next}</NextContinuationToken>") } else { String::new() };
    let after = if *mood == Mood::ListsForEver { "" } else { &token };
    let token = if *mood == Mood::ListsForEver { "<NextContinuationToken>0</NextContinuationToken>" } else { after };
    let body = format!("<ListBucketResult>{contents}{token}<IsTruncated>{more}</IsTruncated></ListBucketResult>");
    (200, String::new(), body.into_bytes())
}
