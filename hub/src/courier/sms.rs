//! Short messages through an HTTP gateway: one POST, filled in from the owner's template. What a gateway answers beyond
//! "taken" or "not taken" is nobody's business; it knows no gateway by name.

use domovoi_config::SmsFormat;
use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use url::form_urlencoded;

use super::{Channel, ChannelError, Key, Message, Undelivered, root_cause};
use crate::people::{Contact, ContactKind};

/// An answer is a line or two.
const ANSWER_CAP: usize = 64 * 1024;

/// The gateway.
pub struct Sms {
    client: reqwest::Client,
    section: domovoi_config::Sms,
    template: Template,
    header: Option<HeaderName>,
    key: Option<Key>,
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

impl Sms {
    pub(super) fn open(section: &domovoi_config::Sms, key: Option<Key>) -> Result<Self, ChannelError> {
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
        // The process's provider; another room may have installed it already, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("domovoi/", env!("CARGO_PKG_VERSION")))
                // A redirect would carry the key and the code to an address that nobody checked.
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                // A code is sent once: twice costs money and makes the first one worthless.
                .retry(reqwest::retry::never())
                .timeout(section.timeout)
                .connect_timeout(section.timeout)
                .pool_max_idle_per_host(0)
        };
        // A machine without authorities still reaches a gateway of its own; it trusts nobody else.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        let client = client.map_err(|error| ChannelError(format!("sms: no HTTP client: {}", root_cause(&error))))?;
        Ok(Sms { client, section: section.clone(), template, header, key })
    }

    async fn send(&self, to: &Contact, message: &Message) -> Result<(), Undelivered> {
        let secret = match &self.key {
            Some(key) => Some(key.read().await?),
            None => None,
        };
        let filling = Filling {
            to: &to.value,
            text: &message.text,
            secret: secret.as_ref().map_or("", |secret| secret.expose().as_str()),
        };
        let (media_type, body) = match &self.template {
            Template::Json(template) => ("application/json", filling.json(template).to_string()),
            Template::Form(pairs) => ("application/x-www-form-urlencoded", filling.form(pairs)),
        };
        let mut request = self.client.post(self.section.url.clone()).header(CONTENT_TYPE, media_type).body(body);
        if let (Some(name), Some(value)) = (&self.header, &self.section.header_value) {
            let mut value = HeaderValue::from_str(&filling.text(value))
                .map_err(|_| Undelivered("sms.key_secret: the secret does not fit into a header".into()))?;
            value.set_sensitive(true);
            request = request.header(name.clone(), value);
        }
        let mut response = request.send().await.map_err(|error| self.why(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(Undelivered(format!("the gateway {} answered with status {}", self.host(), status.as_u16())));
        }
        let Some(wanted) = &self.section.answer else { return Ok(()) };
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.why(&error))? {
            if answer.len() + chunk.len() > ANSWER_CAP {
                return Err(Undelivered(format!("the answer of the gateway {} is too long", self.host())));
            }
            answer.extend_from_slice(&chunk);
        }
        if String::from_utf8_lossy(&answer).contains(wanted.as_str()) {
            return Ok(());
        }
        Err(Undelivered(format!(
            "the gateway {} did not take the message: sms.answer is not in its answer",
            self.host()
        )))
    }

    fn host(&self) -> &str {
        self.section.url.host_str().unwrap_or_default()
    }

    fn why(&self, error: &reqwest::Error) -> Undelivered {
        Undelivered(if error.is_timeout() {
            format!("the gateway {} did not answer in time", self.host())
        } else {
            format!("the gateway {} cannot be reached: {}", self.host(), root_cause(error))
        })
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

impl Channel for Sms {
    fn name(&self) -> &'static str {
        "sms"
    }

    fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Phone
    }

    fn deliver<'a>(&'a self, to: &'a Contact, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(self.send(to, message))
    }
}
