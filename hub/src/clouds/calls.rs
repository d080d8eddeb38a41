//! One call of a cloud's API: within the budget, with a token, once more after a 401 with a fresh one, and what its answer
//! means for the next.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domovoi_adapters::clouds::Request;
use reqwest::StatusCode;
use tokio::time::Instant;

use super::Inner;
use super::http::SendError;
use super::link::NoAccess;
use super::pace::For;

/// Without a word of its own, a cloud that is busy is left alone so long.
const BUSY: Duration = Duration::from_secs(60);

/// Why there is no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The owner has to link.
    #[error("{0}")]
    NoLink(String),
    /// Certainly not done: the hour's budget is spent, or the cloud asked for a pause.
    #[error("{why}")]
    Later {
        /// In words.
        why: String,
        /// For how long.
        after: Duration,
    },
    /// Certainly not done.
    #[error("{0}")]
    NotSent(String),
    /// Perhaps done.
    #[error("{0}")]
    Lost(String),
    /// The cloud says no.
    #[error("the cloud refuses (status {0})")]
    Refused(u16),
    /// The answer is not one of this cloud's.
    #[error("the cloud's answer cannot be read: {0}")]
    Unreadable(String),
}

impl Inner {
    /// Calls, and hands the body back.
    pub(super) async fn call(self: &Arc<Self>, what: For, request: &Request) -> Result<Bytes, CallError> {
        let url =
            self.api.join(&request.path).map_err(|_| CallError::NotSent(format!("{} is no path", request.path)))?;
        let mut access = self.access(None).await.map_err(no_access)?;
        let mut renewed = false;
        loop {
            self.spend(what)?;
            let sent = self.http.call(request.changes, &url, &access.token, &request.body).await;
            let answer = sent.map_err(|error| match error {
                SendError::NotSent(why) => CallError::NotSent(why),
                SendError::Lost(why) => CallError::Lost(why),
            })?;
            match answer.status {
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    access = self.access(Some(access.serial)).await.map_err(no_access)?;
                }
                StatusCode::UNAUTHORIZED => {
                    // A fresh token is refused as well: the cloud is at odds with itself, and the owner cannot mend it.
                    return Err(self.put_off(
                        "the cloud refuses even a fresh token",
                        Some(answer.retry_after.unwrap_or(10 * BUSY)),
                    ));
                }
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let why = format!("the cloud is busy (status {})", answer.status.as_u16());
                    return Err(self.put_off(&why, answer.retry_after));
                }
                status if status.is_success() => return Ok(answer.body),
                status if status.is_server_error() => {
                    return Err(CallError::Lost(format!("the cloud failed (status {})", status.as_u16())));
                }
                status => return Err(CallError::Refused(status.as_u16())),
            }
        }
    }

    /// One call of the budget, unless the cloud asked to be left alone.
    fn spend(&self, what: For) -> Result<(), CallError> {
        let now = Instant::now();
        let until = *self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(after) = until.and_then(|until| until.checked_duration_since(now)).filter(|after| !after.is_zero())
        {
            return Err(CallError::Later { why: "the cloud asked for a pause".to_owned(), after });
        }
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget
            .take(what, now)
            .map_err(|after| CallError::Later { why: "the hour's calls are spent (per_hour)".to_owned(), after })
    }

    fn put_off(&self, why: &str, after: Option<Duration>) -> CallError {
        let after = after.unwrap_or(BUSY);
        let until = Instant::now().checked_add(after);
        *self.left_alone.lock().unwrap_or_else(PoisonError::into_inner) = until;
        CallError::Later { why: why.to_owned(), after }
    }
}

fn no_access(error: NoAccess) -> CallError {
    match error {
        NoAccess::NoLink(why) => CallError::NoLink(why),
        NoAccess::Later(why, after) => CallError::Later { why, after: after.unwrap_or(BUSY) },
    }
}
