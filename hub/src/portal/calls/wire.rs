//! What several calls read and write in the same way: numbers, times, hashes, and the request itself.

use std::fmt::Write as _;

use domovoi_model::{Date, Id, Period, RegisterValues, Resource, Timestamp};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::outside::tame;
use crate::portal::http::{Answer, Outgoing};
use crate::portal::{CallError, Portal, address};

pub(super) const JSON: &str = "application/json";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request to the API; each path segment is percent-encoded.
pub(super) fn request(portal: &Portal, method: Method, segments: &[&str]) -> Outgoing {
    Outgoing::new(method, address::below(&portal.settings().api_base, segments)).accept(JSON)
}

pub(super) fn query(mut outgoing: Outgoing, name: &str, value: Option<&str>) -> Outgoing {
    if let Some(value) = value {
        outgoing.url.query_pairs_mut().append_pair(name, value);
    }
    outgoing
}

pub(super) fn json_body(outgoing: Outgoing, body: &impl Serialize) -> Result<Outgoing, CallError> {
    let body = serde_json::to_vec(body)
        .map_err(|why| CallError::NotSent { detail: format!("the request cannot be written as JSON: {why}") })?;
    Ok(outgoing.body(JSON, body))
}

/// The UUID that was made before the first try, so that a second try is the same request.
pub(super) fn idempotency_key(mut outgoing: Outgoing, key: Id) -> Result<Outgoing, CallError> {
    let value = header(&key.to_string(), "idempotency key")?;
    outgoing.headers.insert(IDEMPOTENCY_KEY, value);
    Ok(outgoing)
}

pub(super) fn header(text: &str, what: &str) -> Result<HeaderValue, CallError> {
    HeaderValue::from_str(text)
        .map_err(|_| CallError::NotSent { detail: format!("the {what} cannot stand in a header") })
}

pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    answer.json().map_err(|detail| CallError::Unknown { detail })
}

/// A member that does not follow the contract: `what` is its name.
pub(super) fn odd(what: &str, text: &str, want: &str) -> CallError {
    let text = tame(text, 60);
    CallError::Unknown { detail: format!("the portal's answer: `{what}` is `{text}`, expected {want}") }
}

pub(super) fn id(what: &str, text: &str) -> Result<Id, CallError> {
    // Upper case is still the same UUID.
    text.to_ascii_lowercase().parse().map_err(|_| odd(what, text, "a UUID"))
}

pub(super) fn time(what: &str, text: &str) -> Result<Timestamp, CallError> {
    let at: jiff::Timestamp = text.parse().map_err(|_| odd(what, text, "a time with an offset (RFC 3339)"))?;
    Ok(Timestamp(at.as_millisecond()))
}

pub(super) fn date(what: &str, text: &str) -> Result<Date, CallError> {
    text.parse().map_err(|_| odd(what, text, "a date YYYY-MM-DD"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn sha256(what: &str, text: &str) -> Result<[u8; 32], CallError> {
    let wrong = || odd(what, text, "64 hex digits");
    let mut hash = [0u8; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (i, byte) in hash.iter_mut().enumerate() {
        let digits = text.get(2 * i..2 * i + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(hash)
}

/// `^\d{1,15}(\.\d{1,7})?$`, exactly.
pub(super) fn decimal(what: &str, text: &str) -> Result<Decimal, CallError> {
    let wrong = || odd(what, text, "digits with at most one point, no sign and no exponent");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, max: usize| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 15) || !digits(fraction, 7) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

pub(super) fn resource(text: &str) -> Result<Resource, CallError> {
    Resource::ALL
        .into_iter()
        .find(|resource| resource.code() == text)
        .ok_or_else(|| odd("resource", text, "cold_water, hot_water, electricity, gas or heat"))
}

#[derive(Deserialize)]
pub(super) struct RegistersDto {
    t1: Option<String>,
    t2: Option<String>,
    t3: Option<String>,
    t4: Option<String>,
}

impl RegistersDto {
    pub fn values(&self, what: &str) -> Result<RegisterValues, CallError> {
        let mut values = RegisterValues::default();
        for (slot, text) in values.0.iter_mut().zip([&self.t1, &self.t2, &self.t3, &self.t4]) {
            *slot = text.as_deref().map(|text| decimal(what, text)).transpose()?;
        }
        Ok(values)
    }
}

#[derive(Deserialize)]
pub(super) struct PeriodDto {
    year: i16,
    month: u8,
}

impl PeriodDto {
    pub fn period(&self) -> Result<Period, CallError> {
        let shown = || format!("{}-{}", self.year, self.month);
        Period::new(self.year, self.month).ok_or_else(|| odd("period", &shown(), "a year and a month"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_contract_exactly() {
        for good in ["0", "123.4567890", "999999999999999", "00042.5"] {
            assert!(decimal("t1", good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1.12345678", "1234567890123456", "NaN", "1.2.3", "١"]
        {
            assert!(decimal("t1", bad).is_err(), "{bad}");
        }
        assert!(sha256("sha256", &"é".repeat(32)).is_err());
        assert_eq!(hex(&sha256("sha256", &"0aff".repeat(16)).unwrap()), "0aff".repeat(16));
    }
}
