//! A push service, and the browsers behind it: gives out subscriptions, checks the hub's signature (RFC 8292), opens what was
//! sealed for the browser (RFC 8291) and keeps it. Written down on ring's primitives, apart from the one that it cannot do
//! twice with a key, so that it shares no mistake with whoever seals.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use p256::elliptic_curve::{Generate as _, sec1::ToSec1Point as _};
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use serde_json::Value;

use super::served::{Fault, Served, happen};
use super::{Record, Script, StartError};
use crate::Clock;

/// RFC 8030 section 7.2.
const MOST: usize = 4096;

/// What a page hands to its server after it subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub endpoint: String,
    pub p256dh: String,
    pub auth: String,
}

/// A message as the browser has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Which subscription, counted from 0.
    pub to: usize,
    /// What it says, without the padding.
    pub text: String,
    /// Bytes of the whole body, as the service saw it.
    pub length: usize,
    pub ttl_seconds: u64,
    pub urgency: Option<String>,
    pub topic: Option<String>,
    /// The subject of the signature (`mailto:…`), if there was a signature.
    pub signed_by: Option<Option<String>>,
}

/// A push service. It listens until it is dropped.
pub struct PushService {
    served: Served,
    shared: Arc<Shared>,
    /// What arrived and could be opened.
    pub pushed: Record<Pushed>,
    /// What was wrong with what did not, in words.
    pub refused: Record<String>,
    pub faults: Script<Fault>,
}

struct Shared {
    clock: Clock,
    origin: Mutex<String>,
    browsers: Mutex<HashMap<usize, Browser>>,
    pushed: Record<Pushed>,
    refused: Record<String>,
    faults: Script<Fault>,
}

#[derive(Clone)]
struct Browser {
    key: SecretKey,
    auth: [u8; 16],
    /// The server that it subscribed with, if it named one.
    only: Option<String>,
    gone: bool,
}

impl PushService {
    pub async fn start(at: SocketAddr, clock: Clock) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            clock,
            origin: Mutex::default(),
            browsers: Mutex::default(),
            pushed: Record::default(),
            refused: Record::default(),
            faults: Script::default(),
        });
        let router = Router::new()
            .route("/push/{number}", post(take))
            .layer(DefaultBodyLimit::max(64 * 1024))
            .with_state(Arc::clone(&shared));
        let served = Served::start("push service", at, router).await?;
        *shared.origin.lock().unwrap_or_else(PoisonError::into_inner) = served.url("");
        let (pushed, refused, faults) = (shared.pushed.clone(), shared.refused.clone(), shared.faults.clone());
        Ok(PushService { served, shared, pushed, refused, faults })
    }

    pub fn address(&self) -> SocketAddr {
        self.served.address
    }

    /// A browser subscribes. `server_key` is the page's `applicationServerKey`: then nobody else may write to it.
    pub fn subscribe(&self, server_key: Option<&str>) -> Subscription {
        let mut auth = [0; 16];
        auth.copy_from_slice(&crate::portal::random_bytes(16));
        let key = SecretKey::generate();
        let p256dh = URL_SAFE_NO_PAD.encode(key.public_key().to_sec1_point(false).as_bytes());
        let mut browsers = self.shared.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = browsers.len();
        browsers.insert(number, Browser { key, auth, only: server_key.map(str::to_owned), gone: false });
        Subscription {
            endpoint: self.served.url(&format!("/push/{number}")),
            p256dh,
            auth: URL_SAFE_NO_PAD.encode(auth),
        }
    }

    /// The person took the permission back: from now on 410.
    pub fn unsubscribe(&self, number: usize) {
        let mut browsers = self.shared.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(browser) = browsers.get_mut(&number) {
            browser.gone = true;
        }
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    Path(number): Path<usize>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(fault) = happen(shared.faults.next()).await {
        return fault;
    }
    let browser = shared.browsers.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
    let refuse = |status: StatusCode, why: String| {
        shared.refused.push(why.clone());
        (status, why).into_response()
    };
    let Some(browser) = browser else { return refuse(StatusCode::NOT_FOUND, "no such subscription".into()) };
    if browser.gone {
        return refuse(StatusCode::GONE, "the subscription has ended".into());
    }
    if body.len() > MOST {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("{} bytes", body.len()));
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Some(ttl_seconds) = text("ttl").and_then(|ttl| ttl.parse().ok()) else {
        return refuse(StatusCode::BAD_REQUEST, "RFC 8030 5.2: no TTL".into());
    };
    if text("content-encoding").as_deref() != Some("aes128gcm") {
        return refuse(StatusCode::BAD_REQUEST, "RFC 8291 4: not aes128gcm".into());
    }
    let urgency = text("urgency");
    if urgency.as_deref().is_some_and(|urgency| !["very-low", "low", "normal", "high"].contains(&urgency)) {
        return refuse(StatusCode::BAD_REQUEST, "RFC 8030 5.3: no such urgency".into());
    }
    let topic = text("topic");
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if topic.as_deref().is_some_and(|topic| topic.len() > 32 || !topic.chars().all(fits)) {
        return refuse(StatusCode::BAD_REQUEST, "RFC 8030 5.4: 32 characters of base64url at the most".into());
    }
    let origin = shared.origin.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let signed_by = match text(header::AUTHORIZATION.as_str()) {
        None if browser.only.is_some() => return refuse(StatusCode::UNAUTHORIZED, "RFC 8292 4.2: not signed".into()),
        None => None,
        Some(signed) => match verify(&signed, &origin, (shared.clock)() / 1000, browser.only.as_deref()) {
            Ok(subject) => Some(subject),
            Err(why) => return refuse(StatusCode::FORBIDDEN, format!("RFC 8292: {why}")),
        },
    };
    // A real service could not: it is the browser that opens it.
    match open(&browser, &body).and_then(|text| String::from_utf8(text).map_err(|_| "it is not text")) {
        Ok(text) => {
            let length = body.len();
            shared.pushed.push(Pushed { to: number, text, length, ttl_seconds, urgency, topic, signed_by });
            (StatusCode::CREATED, [(header::LOCATION, format!("{origin}/message/{}", shared.pushed.len()))])
                .into_response()
        }
        Err(why) => refuse(StatusCode::BAD_REQUEST, format!("RFC 8291: {why}")),
    }
}

/// `vapid t=<jwt>, k=<key>` (RFC 8292 section 3). Answers with the subject.
fn verify(header: &str, origin: &str, now: i64, only: Option<&str>) -> Result<Option<String>, &'static str> {
    let parts = header.strip_prefix("vapid ").ok_or("the scheme is not vapid")?;
    let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name));
    let (token, key) = (part("t=").ok_or("no t")?, part("k=").ok_or("no k")?);
    if only.is_some_and(|only| only != key) {
        return Err("the subscription is for another server's key");
    }
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64url");
    let key = VerifyingKey::from_sec1_bytes(&decode(key)?).map_err(|_| "k is no key")?;
    let (signed, signature) = token.rsplit_once('.').ok_or("t is no JWT")?;
    let (head, claims) = signed.split_once('.').ok_or("t is no JWT")?;
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| "no signature of 64 bytes")?;
    key.verify(signed.as_bytes(), &signature).map_err(|_| "the signature is wrong")?;
    let json = |text: &str| serde_json::from_slice::<Value>(&decode(text)?).map_err(|_| "not JSON");
    let (head, claims) = (json(head)?, json(claims)?);
    if head.get("alg").and_then(Value::as_str) != Some("ES256") {
        return Err("alg is not ES256");
    }
    if claims.get("aud").and_then(Value::as_str) != Some(origin) {
        return Err("aud is not this service");
    }
    let ends = claims.get("exp").and_then(Value::as_i64).ok_or("no exp")?;
    if ends <= now || ends > now + 86_400 {
        return Err("exp is past, or more than a day ahead");
    }
    let subject = claims.get("sub").and_then(Value::as_str).map(str::to_owned);
    if subject.as_ref().is_some_and(|subject| !subject.starts_with("mailto:") && !subject.starts_with("https:")) {
        return Err("sub is neither mailto nor https");
    }
    Ok(subject)
}

/// So many bytes of HKDF's output.
struct Bytes32(usize);

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(salt: &[u8], from: &[u8], info: &[&[u8]], bytes: usize) -> Result<Vec<u8>, &'static str> {
    let key = Salt::new(HKDF_SHA256, salt).extract(from);
    let mut out = vec![0; bytes];
    let filled = key.expand(info, Bytes32(bytes)).and_then(|okm| okm.fill(&mut out));
    filled.map(|()| out).map_err(|_| "HKDF")
}

/// RFC 8188 section 2, and RFC 8291 section 3 for the key.
fn open(browser: &Browser, body: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (salt, rest) = body.split_first_chunk::<16>().ok_or("no salt")?;
    let (size, rest) = rest.split_first_chunk::<4>().ok_or("no record size")?;
    let (length, rest) = rest.split_first().ok_or("no key id")?;
    let (theirs, mut sealed) = rest.split_at_checked(usize::from(*length)).ok_or("the key id is cut")?;
    let size = usize::try_from(u32::from_be_bytes(*size)).map_err(|_| "the record size")?;
    let sender = PublicKey::from_sec1_bytes(theirs).map_err(|_| "the key id is no point")?;
    let own = browser.key.public_key().to_sec1_point(false);
    let shared = browser.key.diffie_hellman(&sender);
    let keying =
        expand(&browser.auth, shared.raw_secret_bytes(), &[b"WebPush: info", &[0], own.as_bytes(), theirs], 32)?;
    let key = expand(salt, &keying, &[b"Content-Encoding: aes128gcm", &[0]], 16)?;
    let nonce: [u8; 12] =
        expand(salt, &keying, &[b"Content-Encoding: nonce", &[0]], 12)?.try_into().map_err(|_| "nonce")?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|_| "the key")?);
    let mut text = Vec::new();
    let mut counter = 0u8;
    loop {
        let (record, after) = sealed.split_at(size.min(sealed.len()));
        let mut own_nonce = nonce;
        if let Some(last) = own_nonce.last_mut() {
            *last ^= counter;
        }
        let mut record = record.to_vec();
        let plain = key.open_in_place(Nonce::assume_unique_for_key(own_nonce), Aad::empty(), &mut record);
        let plain = plain.map_err(|_| "it does not open")?;
        let end = plain.iter().rposition(|byte| *byte != 0).ok_or("a record of zeros only")?;
        let wanted = if after.is_empty() { 2 } else { 1 };
        if plain.get(end) != Some(&wanted) {
            return Err("the delimiter of the record");
        }
        text.extend_from_slice(plain.get(..end).unwrap_or_default());
        if after.is_empty() {
            return Ok(text);
        }
        sealed = after;
        counter = counter.checked_add(1).ok_or("more records than any push has")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8291 appendix A, from the browser's side.
    #[test]
    fn it_opens_what_the_rfc_sealed() {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let browser = Browser {
            key: SecretKey::from_slice(&bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap(),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap(),
            only: None,
            gone: false,
        };
        let body = bytes(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6\
             PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        assert_eq!(open(&browser, &body).unwrap(), b"When I grow up, I want to be a watermelon");
        let mut changed = body.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(open(&browser, &changed), Err("it does not open"));
        for length in [0, 15, 20, 50, 86, 90] {
            assert!(open(&browser, &body[..length]).is_err());
        }
    }
}
