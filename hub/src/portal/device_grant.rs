//! Linking without a browser on this machine (RFC 8628): a code and an address are shown, the owner allows the link on
//! any screen, the hub polls until then. The `oauth2` crate does the polling by the RFC; waiting is ours.
//!
//! Polling stops for good at the first success, refusal or expiry; dropping the future cancels it.

use std::future::Future;
use std::time::Duration;

use domovoi_model::Timestamp;
use oauth2::{
    DeviceAuthorizationUrl, DeviceCodeErrorResponseType, RequestTokenError, StandardDeviceAuthorizationResponse,
};
use tokio::time::Instant;
use url::Url;

use super::LinkError;
use super::address;
use super::discovery::Metadata;
use super::dpop::DpopKey;
use super::link::Inner;
use super::tokens::{Binding, Granted, granted, oauth_client, scopes, token_error};
use crate::outside::tame;

const LIFE_MAX: Duration = Duration::from_secs(3600);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(120);
/// After a lost connection the interval doubles up to here.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What the owner is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// To be typed in, or compared with what the portal shows.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it, for a QR code; the owner should still compare the code.
    pub verification_uri_complete: Option<Url>,
    /// Until when, by this hub's wall clock.
    pub expires_at: Timestamp,
    /// How long it counts, for a clock that is not trusted.
    pub expires_in: Duration,
    /// How often the portal wants to be asked at most.
    pub interval: Duration,
}

/// Asks for a code, shows it, polls. `wait` is `tokio::time::sleep`, except in tests.
pub(crate) async fn run<F: Future<Output = ()> + Send>(
    inner: &Inner,
    metadata: &Metadata,
    key: Option<&DpopKey>,
    binding: Binding,
    show: impl FnOnce(DeviceCode),
    wait: impl Fn(Duration) -> F + Send + Sync,
) -> Result<Granted, LinkError> {
    let Some(endpoint) = &metadata.device_authorization_endpoint else {
        return Err(LinkError::NotOffered("the portal offers no device codes; link through the browser".to_owned()));
    };
    let settings = &inner.settings;
    let client = oauth_client(&settings.client_id, &metadata.token_endpoint)
        .set_device_authorization_url(DeviceAuthorizationUrl::from_url(endpoint.clone()));
    // No proof here: the key is bound at the token endpoint (RFC 9449 section 5).
    let plain = inner.token_http(None);
    let mut request = client.exchange_device_code().add_scopes(scopes(&settings.scopes));
    if let Some(resource) = &settings.resource {
        request = request.add_extra_param("resource", resource.as_str());
    }
    let details: StandardDeviceAuthorizationResponse =
        request.request_async(&plain).await.map_err(token_error).map_err(LinkError::from)?;
    show(code(inner, &details)?);

    let started = Instant::now();
    let http = inner.token_http(key);
    let mut request = client
        .exchange_device_access_token(&details)
        // The crate would read the machine's wall clock, whose steps would end the code early or never.
        .set_time_fn(move || (std::time::UNIX_EPOCH + started.elapsed()).into())
        .set_max_backoff_interval(BACKOFF_MAX);
    if let Some(resource) = &settings.resource {
        request = request.add_extra_param("resource", resource.as_str());
    }
    let life = details.expires_in().min(LIFE_MAX);
    let answer = request.request_async(&http, |interval| wait(interval.max(INTERVAL_MIN)), Some(life)).await;
    match answer {
        Ok(answer) => Ok(granted(answer, binding)?),
        Err(RequestTokenError::ServerResponse(error)) => Err(match error.error() {
            DeviceCodeErrorResponseType::AccessDenied => LinkError::Denied,
            DeviceCodeErrorResponseType::ExpiredToken => LinkError::Expired,
            _ => token_error(RequestTokenError::ServerResponse(error)).into(),
        }),
        Err(why) => Err(token_error(why).into()),
    }
}

/// The portal's answer, checked: it is shown to a person, and its numbers rule our waiting.
fn code(inner: &Inner, details: &StandardDeviceAuthorizationResponse) -> Result<DeviceCode, LinkError> {
    let wrong = |what: &str| LinkError::Failed(format!("the portal's device code cannot be used: {what}"));
    let user_code = tame(details.user_code().secret(), 64);
    if user_code.trim().is_empty() {
        return Err(wrong("it is empty"));
    }
    if details.interval() > INTERVAL_MAX {
        return Err(wrong("the polling interval is longer than two minutes"));
    }
    let verification_uri = details.verification_uri().url().clone();
    address::check(&verification_uri).map_err(|why| wrong(&why.to_string()))?;
    let complete = match details.verification_uri_complete() {
        Some(text) => Some(address::parse(text.secret()).map_err(|why| wrong(&why.to_string()))?),
        None => None,
    };
    let expires_in = details.expires_in().min(LIFE_MAX);
    Ok(DeviceCode {
        user_code,
        verification_uri,
        verification_uri_complete: complete,
        expires_at: inner.clock.wall().plus_millis(i64::try_from(expires_in.as_millis()).unwrap_or(i64::MAX)),
        expires_in,
        interval: details.interval().max(INTERVAL_MIN),
    })
}
