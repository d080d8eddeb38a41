//! The end of a link: the portal is told (RFC 7009), refresh token first, and the tokens are forgotten whether or not
//! it heard.
//!
//! Written without the `oauth2` crate's revocation, which refuses plain http even to a literal loopback address.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use url::{Url, form_urlencoded};

use super::http::{Outgoing, SendError};
use super::link::Inner;
use super::shelf::{ShelfError, StoredLink};

const TRIES: u32 = 3;
/// A person waits for this; a portal cannot make it longer.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What became of an unlinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
    /// Whether there was a link at all.
    pub was_linked: bool,
    /// Whether the portal confirmed that the tokens are worthless now.
    pub told_portal: bool,
    /// Where it did not: why, and what the owner can do.
    pub detail: Option<String>,
}

impl Inner {
    pub async fn unlink(&self) -> Result<Unlinked, ShelfError> {
        let mut held = self.held.lock().await;
        let Some(link) = held.link.clone() else {
            // A half-written link that nobody could read goes too.
            self.shelf.clear().await?;
            return Ok(Unlinked { was_linked: false, told_portal: false, detail: None });
        };
        let told = self.revoke(&link).await;
        self.shelf.clear().await?;
        held.install(None, None);
        self.publish(&held);
        Ok(match told {
            Ok(()) => Unlinked { was_linked: true, told_portal: true, detail: None },
            Err(why) => {
                let detail = format!(
                    "unlinked here; the portal does not know of it: {why}. Withdraw the consent in the portal's own cabinet"
                );
                Unlinked { was_linked: true, told_portal: false, detail: Some(detail) }
            }
        })
    }

    async fn revoke(&self, link: &StoredLink) -> Result<(), String> {
        // The refresh token first: as long as it lives, it could bring a new access token into the world.
        let tokens = [("refresh_token", &link.refresh_token), ("access_token", &link.access_token)];
        if tokens.iter().all(|(_, token)| token.is_none()) {
            return Ok(());
        }
        let endpoint = link.revocation_endpoint.as_deref().and_then(|text| Url::parse(text).ok());
        let Some(endpoint) = endpoint else { return Err("it names no revocation endpoint".to_owned()) };
        for (hint, token) in tokens {
            let Some(token) = token else { continue };
            self.revoke_one(&endpoint, &link.client_id, hint, token).await?;
        }
        Ok(())
    }

    async fn revoke_one(&self, endpoint: &Url, client_id: &str, hint: &str, token: &str) -> Result<(), String> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", hint)
            .append_pair("client_id", client_id)
            .finish();
        let outgoing = Outgoing::new(Method::POST, endpoint.clone())
            .accept("application/json")
            .body("application/x-www-form-urlencoded", form);
        let mut tries = 1;
        loop {
            let (why, wait) = match self.http.send(&outgoing).await {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(()),
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                    // RFC 7009 section 2.2.1: the token still exists; come back.
                    (format!("{} is busy", answer.from), answer.retry_after())
                }
                Ok(answer) => return Err(format!("{} answered with status {}", answer.from, answer.status.as_u16())),
                Err(SendError::NotSent(why)) => (why, None),
                // A portal that hangs once hangs again, and a person waits.
                Err(why) => return Err(why.to_string()),
            };
            if tries >= TRIES {
                return Err(why);
            }
            tokio::time::sleep(wait.unwrap_or(Duration::from_millis(300) * tries).min(WAIT_MAX)).await;
            tries += 1;
        }
    }
}
