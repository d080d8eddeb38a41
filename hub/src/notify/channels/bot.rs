//! A bot with the HTTP API of Telegram's (others speak it too, at addresses of their own). A letter is a message with a button
//! «I know»; what comes back is asked for with long polling, so that the hub needs no address on the internet: pressed
//! buttons, and `/start <code>`, by which somebody shows that a chat is theirs.
//!
//! The bot's token is part of every address: no address is in any sentence or log here.

use std::time::Duration;

use domovoi_config::Language;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use url::Url;

use super::http::{Answer, Http};
use super::wording::{fit_utf16, say, severity, sign};
use super::{Address, Channel, Ears, Failed, Fate, Field, Heard, Letter, Pressing, Sent};
use crate::courier::Key;
use crate::words::words;

const NAME: &str = "bot";
const FIELDS: &[Field] = &[Field { name: "chat", secret: true, required: true }];
const WHOM: &str = "the bot's server";
/// Characters of a message, in units of UTF-16.
const LONGEST: usize = 4096;
/// Bytes that a button carries, and what ours begins with.
const LONGEST_BUTTON: usize = 64;
const KNOW: &str = "know:";
/// How long the server keeps a question open when nothing happens, and how long is waited for its answer.
const POLL: Duration = Duration::from_secs(25);
const POLL_PATIENCE: Duration = Duration::from_secs(35);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// A bot.
pub(super) struct Bot {
    http: Http,
    address: Url,
    token: Key,
    language: Language,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize, Default)]
struct Parameters {
    retry_after: Option<u64>,
}

/// Something that somebody did. What of it is missing or strange is passed over.
#[derive(Deserialize)]
struct Update {
    update_id: i64,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    callback_query: Value,
}

impl Bot {
    pub(super) fn open(http: Http, address: Url, token: Key, language: Language) -> Self {
        Bot { http, address, token, language }
    }

    async fn carry(&self, to: &Address, letter: &Letter) -> Result<Sent, Failed> {
        let chat = chat(to).map_err(Failed::Refused)?;
        let result = self.call("sendMessage", &written(chat, letter), None).await?;
        let receipt = result.get("message_id").and_then(Value::as_i64).map(|id| id.to_string());
        Ok(Sent { fate: Fate::Sent, receipt })
    }

    /// One call of the API.
    async fn call(&self, method: &str, what: &Value, patience: Option<Duration>) -> Result<Value, Failed> {
        let token = self.token.read().await.map_err(|why| Failed::Refused(why.0))?;
        let token = token.expose().trim();
        // What is no token must not lead to another place on that server.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
        if token.is_empty() || token.len() > 128 || !token.chars().all(fits) {
            return Err(Failed::Refused("channels.bot.token_secret: the secret is no bot's token".to_owned()));
        }
        let mut url = self.address.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().push(&format!("bot{token}")).push(method),
            Err(()) => return Err(Failed::Refused("channels.bot.address has no path".to_owned())),
        };
        let mut request = self.http.post(url).json(what);
        if let Some(patience) = patience {
            request = request.timeout(patience);
        }
        let answer = self.http.send(request, WHOM).await?;
        read(&answer)
    }

    /// Asks for what happened, and answers it, until told to stop.
    async fn poll(&self, ears: &Ears, mut stop: watch::Receiver<bool>) {
        let mut offset = 0i64;
        let mut pause = FIRST_PAUSE;
        let mut troubled = false;
        loop {
            let asked = json!({
                "offset": offset, "timeout": POLL.as_secs(), "allowed_updates": ["message", "callback_query"],
            });
            let heard = tokio::select! {
                heard = self.call("getUpdates", &asked, Some(POLL_PATIENCE)) => heard,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match heard {
                Ok(result) => {
                    if troubled {
                        tracing::info!("the bot's server answers again");
                    }
                    (pause, troubled) = (FIRST_PAUSE, false);
                    for update in updates(result) {
                        // Confirmed with the next question; the same update twice does no harm.
                        offset = offset.max(update.update_id.saturating_add(1));
                        self.answer(ears, &update).await;
                    }
                }
                Err(why) => {
                    if !troubled {
                        tracing::warn!("what people answer to the bot is not heard for now: {why}");
                    }
                    troubled = true;
                    let wanted = match &why {
                        Failed::Again { after: Some(after), .. } => (*after).min(LONGEST_PAUSE),
                        Failed::Again { .. } => pause,
                        // Until somebody sets the token right.
                        Failed::Refused(_) | Failed::Gone(_) => LONGEST_PAUSE,
                    };
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::select! {
                        () = tokio::time::sleep(wanted) => {}
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                }
            }
        }
    }

    async fn answer(&self, ears: &Ears, update: &Update) {
        let text = |value: &Value| value.as_str().filter(|text| text.len() <= 256).map(str::to_owned);
        let word = |key: &str| words(self.language).say(key, &[]);
        let query = &update.callback_query;
        let message = &update.message;
        let said = if let Some(id) = query.get("id").and_then(text) {
            let token = query.get("data").and_then(text).and_then(|data| data.strip_prefix(KNOW).map(str::to_owned));
            let heard = match token {
                Some(token) => (ears.answered)(token).await,
                None => Heard::Stale,
            };
            let key = if heard == Heard::Taken { "bot-known" } else { "bot-stale" };
            self.call("answerCallbackQuery", &json!({ "callback_query_id": id, "text": word(key) }), None).await
        } else if let Some(chat) = message.pointer("/chat/id").and_then(Value::as_i64) {
            // In a group everybody would be told what is one person's.
            if message.pointer("/chat/type").and_then(Value::as_str).is_some_and(|kind| kind != "private") {
                return;
            }
            let Some(text) = message.get("text").and_then(text) else { return };
            let mut words = text.split_whitespace();
            if words.next() != Some("/start") {
                return;
            }
            let key = match words.next() {
                None => "bot-greeting",
                Some(code) => {
                    let address = Address([("chat".to_owned(), chat.to_string())].into());
                    match (ears.linked)(NAME, code.to_owned(), address).await {
                        Heard::Taken => "bot-linked",
                        Heard::Stale => "bot-not-linked",
                    }
                }
            };
            self.call("sendMessage", &json!({ "chat_id": chat, "text": word(key) }), None).await
        } else {
            return;
        };
        if let Err(why) = said {
            tracing::warn!("the bot could not answer: {why}");
        }
    }
}

/// What the API makes of a call. Its description may repeat what it was told; it is looked at and not handed on.
fn read(answer: &Answer) -> Result<Value, Failed> {
    let Ok(said) = serde_json::from_slice::<Said>(&answer.body) else {
        return Err(match answer.status.as_u16() {
            200..=299 => Failed::Again { why: format!("what answers is not {WHOM}"), after: None },
            _ => answer.failure(WHOM),
        });
    };
    let code = answer.status.as_u16();
    let why = format!("{WHOM} answered with status {code}");
    match code {
        200 if said.ok => Ok(said.result),
        // Blocked by the person, or their account is no more.
        403 => Err(Failed::Gone("the bot may not write to this chat any more".to_owned())),
        400 if said.description.contains("chat not found") => Err(Failed::Gone("there is no such chat".to_owned())),
        401 | 404 => {
            Err(Failed::Refused(format!("{why}: it does not know this token, check channels.bot.token_secret")))
        }
        429 => {
            let after = said.parameters.retry_after.map(|seconds| Duration::from_secs(seconds.min(86_400)));
            Err(Failed::Again { why, after: after.or(answer.retry_after) })
        }
        409 => Err(Failed::Again { why: format!("{why}: another program asks for this bot's messages"), after: None }),
        _ => Err(answer.failure(WHOM)),
    }
}

fn updates(result: Value) -> Vec<Update> {
    let Value::Array(all) = result else { return Vec::new() };
    all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()
}

/// A chat's number; those of groups are negative.
fn chat(to: &Address) -> Result<i64, String> {
    let wrong = || "a chat is a number: press «Start» in the bot with a code of the hub".to_owned();
    to.get("chat").and_then(|text| text.trim().parse().ok()).filter(|chat| *chat != 0).ok_or_else(wrong)
}

fn written(chat: i64, letter: &Letter) -> Value {
    let mut text = format!("{} {}", sign(letter), letter.title);
    if let Some(severity) = severity(letter) {
        text.push_str(&format!("\n{}", words(letter.language).say("channel-level", &[("severity", &severity)])));
    }
    if !letter.body.is_empty() {
        text.push_str(&format!("\n\n{}", letter.body));
    }
    // A button would need an address that the server can see; in the text any will do.
    let more =
        letter.link.as_ref().map(|link| format!("\n\n{}: {link}", say(letter, "channel-more"))).unwrap_or_default();
    let room = LONGEST.saturating_sub(more.encode_utf16().count());
    let mut message = json!({
        "chat_id": chat,
        "text": format!("{}{more}", fit_utf16(&text, room)),
        "disable_notification": letter.pressing == Pressing::Low,
        "link_preview_options": { "is_disabled": true },
    });
    let button = letter.answer.as_ref().map(|answer| format!("{KNOW}{}", answer.token));
    if let (Some(button), Some(members)) =
        (button.filter(|button| button.len() <= LONGEST_BUTTON), message.as_object_mut())
    {
        let know = json!({ "text": say(letter, "channel-know"), "callback_data": button });
        members.insert("reply_markup".to_owned(), json!({ "inline_keyboard": [[know]] }));
    }
    message
}

impl Channel for Bot {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        chat(to).map(|_| ())
    }

    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.carry(to, letter))
    }

    fn listen<'a>(&'a self, ears: &'a Ears, stop: watch::Receiver<bool>) -> BoxFuture<'a, ()> {
        Box::pin(self.poll(ears, stop))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letters::{golden, letter, sorted};
    use super::*;

    #[test]
    fn it_reads_as_it_should() {
        golden("bot", |letter| serde_json::to_string_pretty(&sorted(&written(42, letter))).unwrap());
    }

    #[test]
    fn a_long_letter_fits_with_its_link() {
        let long = Letter { body: "щ🆘".repeat(4000), ..letter() };
        let text = written(42, &long)["text"].as_str().unwrap().to_owned();
        assert!(text.encode_utf16().count() <= LONGEST && text.ends_with(long.link.unwrap().as_str()), "{text}");
    }

    #[test]
    fn strange_updates_are_passed_over() {
        let all =
            json!([{ "update_id": 1 }, 7, { "message": {} }, { "update_id": "x" }, { "update_id": 3, "edited": {} }]);
        assert_eq!(updates(all).iter().map(|update| update.update_id).collect::<Vec<_>>(), [1, 3]);
        assert!(updates(json!({})).is_empty());
    }
}
