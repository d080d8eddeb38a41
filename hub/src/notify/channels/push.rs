//! What Web Push and UnifiedPush have in common: the letter as JSON, sealed for the one device (RFC 8291, in the vault), handed
//! to the push service (RFC 8030) with the hub's signature (VAPID, RFC 8292). The service sees when, how urgent and how long
//! a message may wait, and nothing of what it says: all bodies have one length.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use domovoi_store::{Store, StoreError};
use domovoi_vault::PushTarget;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use url::Url;

use super::http::Http;
use super::wording::{document, fit_bytes, one_line, say, subject_code};
use super::{Address, Failed, Fate, Field, Letter, Pressing, Sent};
use crate::clock::Clock;

/// Where the hub's key for push services is kept. No owner's secret is called so: those begin with `owner.`.
const KEY: &str = "notify.vapid";
/// Bytes of text in each message, filled up. With everything around it 3,103: every service takes 4,096.
const PADDED: usize = 3000;
/// RFC 8292 section 2: a day at the most. Half of it forgives clocks that differ.
const SIGNED_FOR_SECONDS: i64 = 12 * 3600;
/// What services keep a message for at the most.
const LONGEST_TTL: Duration = Duration::from_secs(28 * 86_400);
const WHOM: &str = "the push service";

/// A subscription, as a browser or a distributor tells it.
pub(super) const FIELDS: &[Field] = &[
    Field { name: "endpoint", secret: true, required: true },
    Field { name: "p256dh", secret: true, required: true },
    Field { name: "auth", secret: true, required: true },
];

/// The road to push services. Clones are the same road.
#[derive(Clone)]
pub(super) struct Push {
    http: Http,
    store: Store,
    clock: Clock,
    contact: Option<String>,
    key: Arc<OnceCell<SigningKey>>,
}

/// The hub's public key, as a browser wants it to subscribe (`applicationServerKey`, base64url). It is made when it is asked
/// for first, and stays: a new one would end every subscription.
pub async fn application_server_key(store: &Store) -> Result<String, StoreError> {
    Ok(spelled(&own_key(store).await?))
}

fn spelled(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.verifying_key().to_sec1_point(false).as_bytes())
}

async fn kept_key(store: &Store) -> Result<Option<SigningKey>, StoreError> {
    let kept = store.secrets().get(KEY).await?;
    Ok(kept.and_then(|bytes| SigningKey::from_slice(bytes.expose()).ok()))
}

async fn own_key(store: &Store) -> Result<SigningKey, StoreError> {
    if let Some(key) = kept_key(store).await? {
        return Ok(key);
    }
    let secrets = store.secrets();
    let made = SigningKey::generate();
    if secrets.put_if_absent(KEY, &made.to_bytes()).await? {
        return Ok(made);
    }
    match kept_key(store).await? {
        Some(key) => Ok(key),
        // What stands there is no key: nothing can have subscribed with it.
        None => secrets.put(KEY, &made.to_bytes()).await.map(|()| made),
    }
}

impl Push {
    pub(super) fn open(http: Http, store: &Store, clock: &Clock, contact: Option<String>) -> Self {
        Push { http, store: store.clone(), clock: clock.clone(), contact, key: Arc::default() }
    }

    /// The key is in memory before it is needed, if there is one. Where nobody has subscribed yet it is not made either.
    pub(super) async fn read_ahead(&self) {
        if let Ok(Some(key)) = kept_key(&self.store).await {
            let _ = self.key.set(key);
        }
    }

    pub(super) fn check(&self, to: &Address) -> Result<(), String> {
        self.target(to).map(|_| ())
    }

    fn target(&self, to: &Address) -> Result<(Url, PushTarget), String> {
        let field = |name: &str| to.get(name).ok_or_else(|| format!("{name} is missing: subscribe once more"));
        let url = self.http.check(field("endpoint")?, false)?;
        let keys = PushTarget::new(&bytes(field("p256dh")?), &bytes(field("auth")?));
        Ok((url, keys.map_err(|why| format!("{why}: subscribe once more"))?))
    }

    pub(super) async fn send(&self, to: &Address, letter: &Letter) -> Result<Sent, Failed> {
        let (url, target) = self.target(to).map_err(Failed::Refused)?;
        let sealed = target.seal(&payload(letter), PADDED).map_err(|why| Failed::Refused(why.to_string()))?;
        let topic: String =
            URL_SAFE_NO_PAD.encode(Sha256::digest(subject_code(&letter.subject))).chars().take(32).collect();
        let mut request = self
            .http
            .post(url.clone())
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("ttl", letter.good_for.min(LONGEST_TTL).as_secs())
            .header("urgency", urgency(letter.pressing))
            // What was not fetched yet gives way to what is newer of the same subject (RFC 8030 section 5.4).
            .header("topic", topic)
            .body(sealed);
        if let Some(signed) = self.signed(&url).await? {
            request = request.header("authorization", signed);
        }
        let answer = self.http.send(request, WHOM).await?;
        match answer.status.as_u16() {
            // 202: it will be tried; RFC 8030 section 5.1.
            200..=202 | 204 => Ok(Sent { fate: Fate::Sent, receipt: None }),
            404 | 410 => Err(Failed::Gone("the subscription has ended".to_owned())),
            413 => Err(Failed::Refused(format!("{WHOM} takes no message of this length"))),
            _ => Err(answer.failure(WHOM)),
        }
    }

    /// `vapid t=…, k=…`. Without a clock that can be trusted nothing is signed, and most services want a signature: but a
    /// service of one's own may not, and what presses is worth the try.
    async fn signed(&self, endpoint: &Url) -> Result<Option<String>, Failed> {
        let Some(now) = self.clock.trusted() else { return Ok(None) };
        let key = self.key.get_or_try_init(|| own_key(&self.store)).await;
        let key =
            key.map_err(|why| Failed::Again { why: format!("the hub's key cannot be read: {why}"), after: None })?;
        let mut claims = json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": now.0.div_euclid(1000) + SIGNED_FOR_SECONDS,
        });
        if let (Some(contact), Some(members)) = (&self.contact, claims.as_object_mut()) {
            members.insert("sub".to_owned(), format!("mailto:{contact}").into());
        }
        let header = r#"{"typ":"JWT","alg":"ES256"}"#;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature: Signature = key.sign(signed.as_bytes());
        Ok(Some(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.to_bytes()), spelled(key))))
    }
}

/// Browsers write base64url without padding; some libraries add it.
fn bytes(text: &str) -> Vec<u8> {
    let text = text.trim();
    URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).unwrap_or_default()
}

fn urgency(pressing: Pressing) -> &'static str {
    match pressing {
        Pressing::Low => "low",
        Pressing::Normal => "normal",
        Pressing::High | Pressing::Life => "high",
    }
}

/// What the page's program on the device reads: the letter, how it is answered, and the words on its buttons. What does not
/// fit is left out of the body; the whole of it stands behind the link.
pub(super) fn payload(letter: &Letter) -> Vec<u8> {
    let fits = |most: usize| Some(shortened(letter, most)).filter(|text| text.len() <= PADDED);
    if let Some(whole) = fits(letter.body.len()) {
        return whole.into_bytes();
    }
    // A character may be longer in JSON than it is, so the length is found by trying.
    let (mut least, mut most) = (0, letter.body.len().min(PADDED));
    while most - least > 1 {
        let middle = least + (most - least) / 2;
        if fits(middle).is_some() { least = middle } else { most = middle }
    }
    shortened(letter, least).into_bytes()
}

/// With so many bytes of the body. Without any it always fits: everything else is capped.
fn shortened(letter: &Letter, most: usize) -> String {
    const TITLE: usize = 600;
    const ADDRESS: usize = 500;
    let mut whole = document(letter);
    if let Some(members) = whole.as_object_mut() {
        members.insert("title".to_owned(), fit_bytes(&one_line(&letter.title), TITLE).into());
        members.insert("body".to_owned(), fit_bytes(&letter.body, most).into());
        members.insert("more".to_owned(), say(letter, "channel-more").into());
        if letter.link.as_ref().is_some_and(|link| link.len() > ADDRESS) {
            members.remove("link");
        }
        if let Some(answer) = letter.answer.as_ref().filter(|answer| answer.page.len() + answer.token.len() <= ADDRESS)
        {
            members.insert("answer".to_owned(), json!({ "page": answer.page, "token": answer.token }));
            members.insert("know".to_owned(), say(letter, "channel-know").into());
        }
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::tests::letters::letter;
    use super::*;

    proptest! {
        #[test]
        fn every_letter_fits(title in "\\PC{0,200}", body in proptest::collection::vec(any::<char>(), 0..4000)) {
            let letter = Letter { title, body: body.into_iter().collect(), ..letter() };
            let bytes = payload(&letter);
            prop_assert!(bytes.len() <= PADDED);
            let read: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&read["id"], &json!(letter.id.to_string()));
            let kept = read["body"].as_str().unwrap();
            prop_assert!(kept == letter.body || bytes.len() > PADDED - 16, "nothing is left out in vain");
        }
    }
}
