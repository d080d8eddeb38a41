//! Webhooks: a signed POST of JSON to an address of somebody's own. The headers are those of Standard Webhooks: id, time, and
//! HMAC-SHA-256 over `id.time.body`. What it says is in docs/reference/channels.md.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use ring::hmac;

use super::http::Http;
use super::wording::document;
use super::{Address, Channel, Failed, Fate, Field, Letter, Sent};
use crate::clock::Clock;

const FIELDS: &[Field] =
    &[Field { name: "url", secret: true, required: true }, Field { name: "secret", secret: true, required: true }];
const WHOM: &str = "the webhook";
/// Bytes of the key; Standard Webhooks wants 24 to 64.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Before the key in base64.
const PREFIX: &str = "whsec_";

/// Addresses of somebody's own.
pub(super) struct Webhook {
    http: Http,
    clock: Clock,
}

impl Webhook {
    pub(super) fn open(http: Http, clock: Clock) -> Self {
        Webhook { http, clock }
    }

    async fn carry(&self, to: &Address, letter: &Letter) -> Result<Sent, Failed> {
        let url = self.http.check(to.get("url").unwrap_or_default(), true).map_err(Failed::Refused)?;
        let key = key(to).map_err(Failed::Refused)?;
        let body = document(letter).to_string();
        // The wall clock, true or not: a receiver may refuse what looks old, but what presses is worth the try.
        let now = self.clock.wall().0.div_euclid(1000);
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", letter.id.to_string())
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature(&key, &letter.id.to_string(), now, &body))
            .body(body);
        let answer = self.http.send(request, WHOM).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(Sent { fate: Fate::Sent, receipt: None }),
            // Standard Webhooks: gone for good. A 404 may be a mistake of today.
            410 => Err(Failed::Gone(format!("{WHOM} answered with status 410"))),
            _ => Err(answer.failure(WHOM)),
        }
    }
}

fn key(to: &Address) -> Result<hmac::Key, String> {
    let wrong = || format!("a secret is {PREFIX} and 24 to 64 random bytes in base64");
    let text = to.get("secret").and_then(|text| text.trim().strip_prefix(PREFIX)).ok_or_else(wrong)?;
    let bytes = STANDARD.decode(text).ok().filter(|bytes| KEY_BYTES.contains(&bytes.len())).ok_or_else(wrong)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn signature(key: &hmac::Key, id: &str, at_seconds: i64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{at_seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        self.http.check(to.get("url").unwrap_or_default(), true)?;
        key(to).map(|_| ())
    }

    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.carry(to, letter))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letters::{golden, sorted};
    use super::*;

    #[test]
    fn it_says_what_it_should() {
        golden("webhook", |letter| serde_json::to_string_pretty(&sorted(&document(letter))).unwrap());
    }

    /// The example of the Standard Webhooks specification's libraries.
    #[test]
    fn the_signature_is_the_one_that_others_make() {
        let to = |secret: &str| Address([("secret".to_owned(), secret.to_owned())].into());
        let key_of = key(&to("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signed = signature(&key_of, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for bad in ["", "hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
            assert!(key(&to(bad)).is_err(), "{bad}");
        }
    }
}
