//! ntfy: a server of the owner's choice, which shows messages on phones. One POST of JSON. The server reads what is sent, so a
//! server of one's own is better; the name of a topic is all that keeps strangers away, and is treated as a secret.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use url::Url;

use super::http::Http;
use super::wording::{fit_bytes, one_line, say, severity};
use super::{Address, Channel, Failed, Fate, Field, Letter, Pressing, Sent};
use crate::courier::Key;
use crate::words::words;
use domovoi_model::Severity;

const FIELDS: &[Field] = &[Field { name: "topic", secret: true, required: true }];
const WHOM: &str = "the ntfy server";
/// Servers take 4,096 bytes; what is longer becomes a file that has to be opened.
const LONGEST: usize = 3800;
const LONGEST_TITLE: usize = 250;
/// Where the token of a letter is handed in (docs/reference/api.md).
const ANSWER_DOOR: &str = "/api/v1/telling/answer";

/// An ntfy server.
pub(super) struct Ntfy {
    http: Http,
    address: Url,
    token: Option<Key>,
}

impl Ntfy {
    pub(super) fn open(http: Http, address: Url, token: Option<Key>) -> Self {
        Ntfy { http, address, token }
    }

    async fn carry(&self, to: &Address, letter: &Letter) -> Result<Sent, Failed> {
        let topic = topic(to).map_err(Failed::Refused)?;
        let mut request = self.http.post(self.address.clone()).json(&written(topic, letter));
        if let Some(token) = &self.token {
            let token = token.read().await.map_err(|why| Failed::Refused(why.0))?;
            request = request.bearer_auth(token.expose().trim());
        }
        let answer = self.http.send(request, WHOM).await?;
        match answer.status.as_u16() {
            200..=299 => {
                let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let receipt = said.get("id").and_then(Value::as_str).filter(|id| id.len() <= 64).map(str::to_owned);
                Ok(Sent { fate: Fate::Sent, receipt })
            }
            _ => Err(answer.failure(WHOM)),
        }
    }
}

fn topic(to: &Address) -> Result<&str, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let topic =
        to.get("topic").map(str::trim).filter(|topic| (1..=64).contains(&topic.len()) && topic.chars().all(fits));
    topic.ok_or_else(|| "a topic has 1 to 64 of A-Z, a-z, 0-9, - and _: choose one that nobody guesses".to_owned())
}

fn written(topic: &str, letter: &Letter) -> Value {
    let mut text = String::new();
    if let Some(severity) = severity(letter) {
        text = words(letter.language).say("channel-level", &[("severity", &severity)]);
    }
    if !letter.body.is_empty() {
        text = if text.is_empty() { letter.body.clone() } else { format!("{text}\n{}", letter.body) };
    }
    if text.is_empty() {
        // An empty message would be shown as «triggered».
        text = if letter.over { say(letter, "channel-over") } else { letter.title.clone() };
    }
    let mut message = json!({
        "topic": topic,
        "title": fit_bytes(&one_line(&letter.title), LONGEST_TITLE),
        "message": fit_bytes(&text, LONGEST),
        "priority": match letter.pressing {
            Pressing::Low => 2,
            Pressing::Normal => 3,
            Pressing::High => 4,
            Pressing::Life => 5,
        },
        "tags": [tag(letter)],
    });
    let mut actions = Vec::new();
    // The door that the page's own button uses. On a phone away from home nothing answers there.
    let door = letter.answer.as_ref().and_then(|answer| Url::parse(&answer.page).ok()?.join(ANSWER_DOOR).ok());
    if let (Some(answer), Some(door)) = (&letter.answer, door) {
        actions.push(json!({
            "action": "http",
            "label": say(letter, "channel-know"),
            "url": door.as_str(),
            "method": "POST",
            "headers": { "Content-Type": "application/json" },
            "body": json!({ "token": answer.token }).to_string(),
            "clear": true,
        }));
    }
    if let Some(link) = &letter.link {
        actions.push(json!({ "action": "view", "label": say(letter, "channel-more"), "url": link }));
    }
    if let Some(members) = message.as_object_mut() {
        if let Some(link) = &letter.link {
            members.insert("click".to_owned(), link.as_str().into());
        }
        if !actions.is_empty() {
            members.insert("actions".to_owned(), actions.into());
        }
    }
    message
}

/// Shown as a picture.
fn tag(letter: &Letter) -> &'static str {
    match (letter.over, letter.severity) {
        (true, _) => "white_check_mark",
        (false, Severity::Extreme) => "sos",
        (false, Severity::Severe) => "rotating_light",
        (false, Severity::Moderate) => "warning",
        (false, Severity::Minor | Severity::Unknown) => "information_source",
    }
}

impl Channel for Ntfy {
    fn name(&self) -> &'static str {
        "ntfy"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        topic(to).map(|_| ())
    }

    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.carry(to, letter))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letters::{golden, letter, sorted};
    use super::*;

    #[test]
    fn it_reads_as_it_should() {
        golden("ntfy", |letter| serde_json::to_string_pretty(&sorted(&written("dom-7f3a", letter))).unwrap());
    }

    #[test]
    fn a_long_letter_stays_a_message() {
        let long = Letter { title: "ж".repeat(300), body: "щ".repeat(4000), ..letter() };
        let written = written("dom", &long);
        assert!(written["message"].as_str().unwrap().len() <= LONGEST);
        assert!(written["title"].as_str().unwrap().len() <= LONGEST_TITLE);
    }

    #[test]
    fn a_topic_cannot_leave_its_place() {
        let of = |text: &str| topic(&Address([("topic".to_owned(), text.to_owned())].into())).is_ok();
        assert!(of("dom-7f3a_X") && !of("") && !of("a/b") && !of("a?x=1") && !of("дом") && !of(&"x".repeat(65)));
    }
}
