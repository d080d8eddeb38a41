//! Short messages through an HTTP gateway: one POST, filled in from the owner's template. Two gateways are known by name, and
//! their answers are understood; of any other it is only known whether it took the message. Numbers and texts reach neither
//! log nor sentence.

use std::time::Duration;

use bytes::Bytes;
use domovoi_config::{SmsFormat, SmsGateway};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{ChannelError, Key};
use crate::outside::{self, Cut, Terms};

/// An answer is a line or two.
const ANSWER_CAP: usize = 64 * 1024;
/// What a gateway that was asked too often is left alone for.
const PAUSE: Duration = Duration::from_secs(60);

/// The gateway.
pub struct Gateway {
    client: reqwest::Client,
    section: domovoi_config::Sms,
    template: Template,
    header: Option<HeaderName>,
    key: Option<Key>,
}

/// A message was not taken, or nothing was learned about it; the sentence names neither number nor text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// It may be taken later, after so long if it is known.
    #[error("{why}")]
    Later {
        /// In a sentence.
        why: String,
        /// How long to wait.
        after: Option<Duration>,
    },
    /// There is no such number, or none that the gateway reaches.
    #[error("{0}")]
    NoSuchNumber(String),
    /// It will not be taken until somebody changes something.
    #[error("{0}")]
    Never(String),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// On its way, or nobody knows.
    UnderWay,
    /// On the phone.
    Delivered,
    /// It will not arrive any more.
    Lost,
}

enum Template {
    Json(Value),
    Form(Vec<(String, String)>),
}

/// What a template's places stand for.
struct Filling<'a> {
    to: &'a str,
    text: &'a str,
    secret: &'a str,
}

impl Gateway {
    /// With the settings.
    pub fn open(section: &domovoi_config::Sms, key: Option<Key>) -> Result<Self, ChannelError> {
        let template = match section.format {
            SmsFormat::Form => {
                Template::Form(form_urlencoded::parse(section.template.as_bytes()).into_owned().collect())
            }
            SmsFormat::Json => Template::Json(serde_json::from_str(&section.template).map_err(|error| {
                ChannelError(format!("sms.template: is not JSON ({error}); places stand in strings: \"{{to}}\""))
            })?),
        };
        let header = section.header.as_ref().map(|name| HeaderName::from_bytes(name.as_bytes()));
        let header = header.transpose().map_err(|_| ChannelError("sms.header: is not the name of a header".into()))?;
        // A code is sent once: twice costs money and makes the first one worthless.
        let terms = Terms { connect: section.timeout, whole: Some(section.timeout), ..Terms::default() };
        let client = outside::client(terms).map_err(|why| ChannelError(format!("sms: no HTTP client: {why}")))?;
        Ok(Gateway { client, section: section.clone(), template, header, key })
    }

    /// Hands in a message for a number (`+79161234567`); the answer is what the gateway calls it, if it does.
    pub async fn hand_in(&self, to: &str, text: &str) -> Result<Option<String>, GatewayError> {
        let answer = self.post(self.section.url.clone(), &self.template, to, text).await?;
        match self.section.gateway {
            SmsGateway::SmsRu => sms_ru(&answer, to),
            SmsGateway::SmscRu => smsc_ru(&answer),
            SmsGateway::Other => match &self.section.answer {
                Some(wanted) if !String::from_utf8_lossy(&answer).contains(wanted.as_str()) => {
                    Err(GatewayError::Never(format!(
                        "the gateway {} did not take the message: sms.answer is not in its answer",
                        self.host()
                    )))
                }
                _ => Ok(None),
            },
        }
    }

    /// What became of a message that was handed in; `None`: this gateway cannot be asked.
    pub async fn ask(&self, to: &str, receipt: &str) -> Result<Option<Standing>, GatewayError> {
        let Template::Form(pairs) = &self.template else { return Ok(None) };
        let (script, own): (&str, &[(&str, &str)]) = match self.section.gateway {
            SmsGateway::SmsRu => ("status", &[("sms_id", receipt)]),
            SmsGateway::SmscRu => ("status.php", &[("phone", "{digits}"), ("id", receipt)]),
            SmsGateway::Other => return Ok(None),
        };
        // Who asks, and in which form: what of the template is not the message.
        let of_the_message = |text: &str| ["{to}", "{digits}", "{text}"].iter().any(|place| text.contains(place));
        let mut asked: Vec<_> = pairs.iter().filter(|(_, value)| !of_the_message(value)).cloned().collect();
        asked.extend(own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut url = self.section.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push(script);
        }
        let answer = self.post(url, &Template::Form(asked), to, "").await?;
        Ok(Some(match self.section.gateway {
            SmsGateway::SmsRu => sms_ru_standing(&answer, receipt),
            _ => smsc_ru_standing(&answer),
        }))
    }

    async fn post(&self, url: Url, template: &Template, to: &str, text: &str) -> Result<Bytes, GatewayError> {
        let secret = match &self.key {
            Some(key) => Some(key.read().await.map_err(|why| GatewayError::Never(why.0))?),
            None => None,
        };
        let filling = Filling { to, text, secret: secret.as_ref().map_or("", |secret| secret.expose().as_str()) };
        let (media_type, body) = match template {
            Template::Json(template) => ("application/json", filling.json(template).to_string()),
            Template::Form(pairs) => ("application/x-www-form-urlencoded", filling.form(pairs)),
        };
        let mut request = self.client.post(url).header(CONTENT_TYPE, media_type).body(body);
        if let (Some(name), Some(value)) = (&self.header, &self.section.header_value) {
            let mut value = HeaderValue::from_str(&filling.text(value))
                .map_err(|_| GatewayError::Never("sms.key_secret: the secret does not fit into a header".into()))?;
            value.set_sensitive(true);
            request = request.header(name.clone(), value);
        }
        let mut response = request.send().await.map_err(|error| self.why(&error))?;
        let status = response.status();
        if !status.is_success() {
            let why = format!("the gateway {} answered with status {}", self.host(), status.as_u16());
            return Err(match status.as_u16() {
                429 => GatewayError::Later { why, after: Some(PAUSE) },
                408 | 500..=599 => GatewayError::Later { why, after: None },
                _ => GatewayError::Never(why),
            });
        }
        match outside::take(&mut response, ANSWER_CAP).await {
            Ok(answer) => Ok(answer),
            Err(Cut::Broken(error)) => Err(self.why(&error)),
            Err(Cut::TooLong) => {
                let why = format!("the answer of the gateway {} is too long", self.host());
                Err(GatewayError::Later { why, after: None })
            }
        }
    }

    fn host(&self) -> &str {
        self.section.url.host_str().unwrap_or_default()
    }

    fn why(&self, error: &reqwest::Error) -> GatewayError {
        let why = if error.is_timeout() {
            format!("the gateway {} did not answer in time", self.host())
        } else {
            format!("the gateway {} cannot be reached: {}", self.host(), outside::cause(error))
        };
        GatewayError::Later { why, after: None }
    }
}

/// `{"status":"OK","status_code":100,"sms":{"7…":{"status":"OK","status_code":100,"sms_id":"…"}}}`.
fn sms_ru(answer: &[u8], to: &str) -> Result<Option<String>, GatewayError> {
    let answer = json(answer)?;
    let whole = code(&answer, "status_code");
    if whole != Some(100) {
        return Err(sms_ru_refusal(whole));
    }
    let one = answer.get("sms").and_then(Value::as_object);
    let one = one.and_then(|all| all.get(to.trim_start_matches('+')).or_else(|| all.values().next()));
    match one.and_then(|one| code(one, "status_code")) {
        Some(100) => Ok(one.and_then(|one| text(one, "sms_id"))),
        code => Err(sms_ru_refusal(code)),
    }
}

fn sms_ru_refusal(code: Option<i64>) -> GatewayError {
    let Some(code) = code else { return unknown_answer() };
    let why = |said: &str| format!("sms.ru: {said} (code {code})");
    match code {
        200 | 300..=305 => GatewayError::Never(why("the key is not right: check sms.key_secret")),
        201 => GatewayError::Never(why("there is no money on the account")),
        202 | 207 => GatewayError::NoSuchNumber(why("there is no such number, or no way to it")),
        206 | 230 => GatewayError::Later { why: why("the limit of a day is reached"), after: Some(60 * PAUSE) },
        220 | 500 => GatewayError::Later { why: why("the gateway is out of order"), after: None },
        231 | 232 => GatewayError::Later { why: why("the same message was sent too often"), after: Some(PAUSE) },
        209 => GatewayError::Never(why("the number is on the account's own list of those who get nothing")),
        _ => GatewayError::Never(why("the message was not taken")),
    }
}

/// 103: delivered, 110: read; from 104 on it is lost; below, on its way.
fn sms_ru_standing(answer: &[u8], receipt: &str) -> Standing {
    let answer = json(answer).unwrap_or_default();
    let one = answer.get("sms").and_then(|all| all.get(receipt));
    match one.and_then(|one| code(one, "status_code")) {
        Some(103 | 110) => Standing::Delivered,
        Some(104..=108 | 150) => Standing::Lost,
        _ => Standing::UnderWay,
    }
}

/// `{"id":1,"cnt":1}`, or `{"error":"…","error_code":7,"id":1}`.
fn smsc_ru(answer: &[u8]) -> Result<Option<String>, GatewayError> {
    let answer = json(answer)?;
    let Some(code) = code(&answer, "error_code") else {
        return text(&answer, "id").map(Some).ok_or_else(unknown_answer);
    };
    let why = |said: &str| format!("smsc.ru: {said} (code {code})");
    Err(match code {
        2 => GatewayError::Never(why("the key is not right: check sms.key_secret")),
        3 => GatewayError::Never(why("there is no money on the account")),
        4 | 9 => GatewayError::Later { why: why("too many requests"), after: Some(PAUSE) },
        7 => GatewayError::NoSuchNumber(why("there is no such number")),
        _ => GatewayError::Never(why("the message was not taken")),
    })
}

/// 1: delivered, 2: read, 4: its link was opened; 3 and from 20 on it is lost; below 1, on its way.
fn smsc_ru_standing(answer: &[u8]) -> Standing {
    match json(answer).ok().and_then(|answer| code(&answer, "status")) {
        Some(1 | 2 | 4) => Standing::Delivered,
        Some(3 | 20..) => Standing::Lost,
        _ => Standing::UnderWay,
    }
}

fn json(answer: &[u8]) -> Result<Value, GatewayError> {
    serde_json::from_slice(answer).map_err(|_| unknown_answer())
}

fn unknown_answer() -> GatewayError {
    GatewayError::Later { why: "the gateway's answer is not one of its own: check sms.gateway".into(), after: None }
}

/// A number, or one in quotes: gateways write both.
fn code(answer: &Value, name: &str) -> Option<i64> {
    match answer.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn text(answer: &Value, name: &str) -> Option<String> {
    match answer.get(name)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()).filter(|text| (1..=64).contains(&text.len())),
        _ => None,
    }
}

impl Filling<'_> {
    /// Fills places in one go: a message that says `{secret}` stays a message that says so.
    fn text(&self, template: &str) -> String {
        let digits = self.to.trim_start_matches('+');
        let places = [("{to}", self.to), ("{digits}", digits), ("{text}", self.text), ("{secret}", self.secret)];
        let mut filled = String::with_capacity(template.len() + self.text.len());
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            match places.iter().find(|(place, _)| from.starts_with(place)) {
                Some((place, value)) => {
                    filled.push_str(value);
                    rest = from.get(place.len()..).unwrap_or_default();
                }
                None => {
                    filled.push('{');
                    rest = from.get(1..).unwrap_or_default();
                }
            }
        }
        filled.push_str(rest);
        filled
    }

    fn json(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => Value::Array(values.iter().map(|value| self.json(value)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), self.json(value))).collect())
            }
            other => other.clone(),
        }
    }

    fn form(&self, pairs: &[(String, String)]) -> String {
        let filled = pairs.iter().map(|(name, value)| (name, self.text(value)));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(filled).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_sms_ru_are_understood() {
        let taken = br#"{"status":"OK","status_code":100,"sms":{"79161234567":{"status":"OK","status_code":100,"sms_id":"000-1"}},"balance":4.1}"#;
        assert_eq!(sms_ru(taken, "+79161234567"), Ok(Some("000-1".into())));
        let one = |code: u32| {
            let answer = format!(r#"{{"status":"OK","status_code":100,"sms":{{"7":{{"status_code":{code}}}}}}}"#);
            sms_ru(answer.as_bytes(), "+7").unwrap_err()
        };
        assert!(matches!(one(202), GatewayError::NoSuchNumber(_)));
        assert!(matches!(one(201), GatewayError::Never(_)));
        assert!(matches!(one(231), GatewayError::Later { after: Some(PAUSE), .. }));
        let whole = sms_ru(br#"{"status":"ERROR","status_code":"200","status_text":"no"}"#, "+7").unwrap_err();
        assert!(whole.to_string().contains("sms.key_secret"));
        for strange in ["", "100", "<html>", "{}", "[]", r#"{"status_code":100,"sms":[]}"#, r#"{"status_code":1e99}"#] {
            assert!(sms_ru(strange.as_bytes(), "+7").is_err(), "{strange}");
        }
        let standing = |code: u32| {
            sms_ru_standing(format!(r#"{{"sms":{{"000-1":{{"status_code":{code}}}}}}}"#).as_bytes(), "000-1")
        };
        assert_eq!([100, 102, 103, 110, 104, 108].map(standing), {
            use Standing::{Delivered, Lost, UnderWay};
            [UnderWay, UnderWay, Delivered, Delivered, Lost, Lost]
        });
    }

    #[test]
    fn the_answers_of_smsc_ru_are_understood() {
        assert_eq!(smsc_ru(br#"{"id":1234,"cnt":1}"#), Ok(Some("1234".into())));
        let refused =
            |code: u32| smsc_ru(format!(r#"{{"error":"no","error_code":{code},"id":3}}"#).as_bytes()).unwrap_err();
        assert!(matches!(refused(7), GatewayError::NoSuchNumber(_)));
        assert!(matches!(refused(9), GatewayError::Later { after: Some(PAUSE), .. }));
        assert!(matches!(refused(3), GatewayError::Never(_)) && matches!(refused(1), GatewayError::Never(_)));
        assert!(smsc_ru(b"{}").is_err() && smsc_ru(b"OK").is_err());
        let standing = |code: i32| smsc_ru_standing(format!(r#"{{"status":{code},"last_date":"x"}}"#).as_bytes());
        assert_eq!([-1, 0, 1, 2, 3, 20].map(standing), {
            use Standing::{Delivered, Lost, UnderWay};
            [UnderWay, UnderWay, Delivered, Delivered, Lost, Lost]
        });
    }
}
