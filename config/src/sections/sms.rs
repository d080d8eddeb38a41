//! `[sms]`: an HTTP gateway that sends short messages. What a gateway wants to hear is a template of the owner, but for two
//! that are known; its key is in the vault.

use std::time::Duration;

use url::Url;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

/// How to hand in a short message: one POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// Which one it is: how its answers are read.
    pub gateway: SmsGateway,
    /// Where to.
    pub url: Url,
    /// How the template is written.
    pub format: SmsFormat,
    /// The body, with `{to}` or `{digits}`, `{text}` and perhaps `{secret}` in its values.
    pub template: String,
    /// A header that the gateway wants.
    pub header: Option<String>,
    /// What it says; `{secret}` is filled in.
    pub header_value: Option<String>,
    /// What the answer says when the message was taken, for gateways that say 200 to everything.
    pub answer: Option<String>,
    /// The name in the vault under which the gateway's key is kept.
    pub key_secret: Option<String>,
    /// A message takes no longer.
    pub timeout: Duration,
}

/// Whose answers the gateway gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsGateway {
    /// sms.ru.
    SmsRu,
    /// smsc.ru.
    SmscRu,
    /// One of which only the template is known.
    Other,
}

impl SmsGateway {
    /// Where it takes messages, and what it wants to hear.
    fn manner(self) -> Option<(&'static str, &'static str)> {
        match self {
            SmsGateway::SmsRu => Some(("https://sms.ru/sms/send", "api_id={secret}&to={digits}&msg={text}&json=1")),
            SmsGateway::SmscRu => {
                Some(("https://smsc.ru/sys/send.php", "apikey={secret}&phones={digits}&mes={text}&charset=utf-8&fmt=3"))
            }
            SmsGateway::Other => None,
        }
    }
}

const GATEWAYS: [(&str, SmsGateway); 3] =
    [("sms.ru", SmsGateway::SmsRu), ("smsc.ru", SmsGateway::SmscRu), ("other", SmsGateway::Other)];

/// How a template is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsFormat {
    /// JSON text; values in strings are filled in.
    Json,
    /// `name=value&…`, as a form is sent.
    Form,
}

const PLACES: [&str; 4] = ["{to}", "{digits}", "{text}", "{secret}"];

/// `None` if what is there cannot be used at all; a mistake has been reported then.
pub(crate) fn read(mut section: Section<'_>) -> Option<Sms> {
    let gateway = section.take_enum("gateway", &GATEWAYS).unwrap_or(SmsGateway::Other);
    let manner = gateway.manner();
    if manner.is_none() {
        section.must_have("url", "\"https://sms.example/send\"");
        section.must_have("template", "'{\"to\": \"{to}\", \"text\": \"{text}\"}'");
    }
    let answer_at = section.place_of("answer");
    let place = |key| section.place_of(key);
    let (header_at, value_at, key_at) = (place("header"), place("header_value"), place("key_secret"));
    let url = section.take_url("url").or_else(|| manner.and_then(|(url, _)| Url::parse(url).ok()));
    let format = section.take_enum("format", &[("json", SmsFormat::Json), ("form", SmsFormat::Form)]);
    let own = section.take_parsed("template", template);
    let template = own.or_else(|| manner.map(|(_, template)| template.to_owned()));
    let header = section.take_parsed("header", header_name);
    let header_value = section.take_parsed("header_value", header_value);
    let answer = section.take_string("answer", 200);
    let key_secret = section.take_parsed("key_secret", scalar::name);
    let timeout = section
        .take_duration("timeout", Duration::from_secs(1)..=Duration::from_secs(10))
        .unwrap_or(Duration::from_secs(10));
    if header_at.is_some() != value_at.is_some() {
        let (at, key) = if header_at.is_some() { (header_at, "header") } else { (value_at, "header_value") };
        let wrong = Wrong::new("a header has a name and a value");
        section.wrong_at(at, key, wrong.hint("write both `header` and `header_value`, or neither"));
    }
    let wants_key = [&template, &header_value].into_iter().flatten().any(|text| text.contains("{secret}"));
    if key_at.is_some() && !wants_key && template.is_some() {
        let wrong = Wrong::new("is used nowhere");
        section.wrong_at(key_at, "key_secret", wrong.hint("write {secret} into `header_value` or `template`"));
    }
    if wants_key && key_at.is_none() {
        let wrong = Wrong::new("is missing, and {secret} stands for it");
        section.wrong_at(None, "key_secret", wrong.hint("write for example `key_secret = \"sms\"`"));
    }
    if answer_at.is_some() && manner.is_some() {
        let wrong = Wrong::new("has no effect with a gateway whose answers are known");
        section.wrong_at(answer_at, "answer", wrong.hint("remove it"));
    }
    section.finish();
    let usual = if manner.is_some() { SmsFormat::Form } else { SmsFormat::Json };
    Some(Sms {
        gateway,
        url: url?,
        format: format.unwrap_or(usual),
        template: template?,
        header,
        header_value,
        answer,
        key_secret,
        timeout,
    })
}

fn template(text: &str) -> Result<String, Wrong> {
    scalar::plain(text, 2048)?;
    if !text.contains("{text}") || !(text.contains("{to}") || text.contains("{digits}")) {
        return Err(Wrong::new("does not say where the message and the number go")
            .hint("write {text}, and {to} for +79161234567 or {digits} for 79161234567"));
    }
    Ok(text.to_owned())
}

/// RFC 9110 section 5.6.2. What HTTP itself writes is not for a setting.
fn header_name(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let taken = ["host", "content-length", "content-type", "transfer-encoding", "connection"];
    if text.is_empty()
        || text.len() > 64
        || !text.bytes().all(fits)
        || taken.iter().any(|t| text.eq_ignore_ascii_case(t))
    {
        let wrong = Wrong::new(format!("{} is not the name of a header that can be set", scalar::quoted(text)));
        return Err(wrong.hint("write for example \"Authorization\""));
    }
    Ok(text.to_owned())
}

fn header_value(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new("is not the value of a header").hint("write for example \"Bearer {secret}\"");
    scalar::plain(text, 512)?;
    if !text.is_ascii() || PLACES.iter().any(|place| *place != "{secret}" && text.contains(place)) {
        return Err(wrong());
    }
    Ok(text.to_owned())
}
