//! The HTTP API of a bot, and the people who talk to it: they write, press buttons, block it.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::served::{Fault, Served, happen, json as answer};
use super::{Record, Script, StartError};

/// A message of the bot.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub chat: i64,
    pub message_id: i64,
    pub text: String,
    /// What its buttons carry.
    pub buttons: Vec<String>,
    pub silent: bool,
}

/// A bot's server. It listens until it is dropped.
pub struct BotServer {
    served: Served,
    shared: Arc<Shared>,
    /// What the bot said.
    pub sent: Record<Sent>,
    /// What it answered to pressed buttons: the query's id, and the text.
    pub answered: Record<(String, String)>,
    /// The next calls of `sendMessage`.
    pub faults: Script<Fault>,
    /// The next calls of `getUpdates`.
    pub poll_faults: Script<Fault>,
}

struct Shared {
    token: String,
    sent: Record<Sent>,
    answered: Record<(String, String)>,
    faults: Script<Fault>,
    poll_faults: Script<Fault>,
    state: Mutex<People>,
    news: Notify,
}

#[derive(Default)]
struct People {
    updates: VecDeque<Value>,
    next: i64,
    blocked: HashSet<i64>,
}

impl BotServer {
    pub async fn start(at: SocketAddr, token: &str) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            token: token.to_owned(),
            sent: Record::default(),
            answered: Record::default(),
            faults: Script::default(),
            poll_faults: Script::default(),
            state: Mutex::default(),
            news: Notify::new(),
        });
        let router = Router::new().route("/{bot}/{method}", post(call)).with_state(Arc::clone(&shared));
        let served = Served::start("bot server", at, router).await?;
        let (sent, answered) = (shared.sent.clone(), shared.answered.clone());
        let (faults, poll_faults) = (shared.faults.clone(), shared.poll_faults.clone());
        Ok(BotServer { served, shared, sent, answered, faults, poll_faults })
    }

    pub fn url(&self) -> String {
        self.served.url("")
    }

    /// Somebody writes to the bot.
    pub fn write(&self, chat: i64, text: &str) {
        let chat = json!({ "id": chat, "type": if chat > 0 { "private" } else { "group" } });
        self.shared.update("message", json!({ "message_id": 1, "chat": chat, "text": text }));
    }

    /// Somebody presses the button that carries this. The query's id comes back.
    pub fn press(&self, chat: i64, data: &str) -> String {
        let id = format!("query-{}", self.shared.people().next);
        let query = json!({ "id": id, "from": { "id": chat }, "data": data });
        self.shared.update("callback_query", query);
        id
    }

    /// Anything that could come.
    pub fn update(&self, kind: &str, what: Value) {
        self.shared.update(kind, what);
    }

    /// Somebody blocks the bot.
    pub fn block(&self, chat: i64) {
        self.shared.people().blocked.insert(chat);
    }
}

impl Shared {
    fn people(&self) -> std::sync::MutexGuard<'_, People> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, kind: &str, what: Value) {
        let mut people = self.people();
        people.next += 1;
        let update = json!({ "update_id": people.next, kind: what });
        people.updates.push_back(update);
        drop(people);
        self.news.notify_waiters();
    }

    /// What is not confirmed yet; the question confirms everything before its offset.
    fn since(&self, offset: i64) -> Vec<Value> {
        let mut people = self.people();
        people.updates.retain(|update| update.get("update_id").and_then(Value::as_i64) >= Some(offset));
        people.updates.iter().take(100).cloned().collect()
    }
}

async fn call(State(shared): State<Arc<Shared>>, Path((bot, method)): Path<(String, String)>, body: Bytes) -> Response {
    let refuse = |code: u16, why: &str| answer(code, json!({ "ok": false, "error_code": code, "description": why }));
    if bot.strip_prefix("bot") != Some(shared.token.as_str()) {
        return refuse(401, "Unauthorized");
    }
    let Ok(said) = serde_json::from_slice::<Value>(&body) else { return refuse(400, "Bad Request: no JSON") };
    let number = |name: &str| said.get(name).and_then(Value::as_i64);
    match method.as_str() {
        "sendMessage" => {
            match shared.faults.next() {
                // The API says it in its own JSON, too.
                Some(Fault::TryLater(code, after)) => {
                    return answer(
                        code,
                        json!({
                            "ok": false, "error_code": code, "description": "Too Many Requests",
                            "parameters": { "retry_after": after.as_secs() },
                        }),
                    );
                }
                fault => {
                    if let Some(response) = happen(fault).await {
                        return response;
                    }
                }
            }
            let Some(chat) = number("chat_id") else { return refuse(400, "Bad Request: chat_id is empty") };
            if shared.people().blocked.contains(&chat) {
                return refuse(403, "Forbidden: bot was blocked by the user");
            }
            let text = said.get("text").and_then(Value::as_str).unwrap_or_default();
            if text.is_empty() || text.encode_utf16().count() > 4096 {
                return refuse(400, "Bad Request: message text is empty or too long");
            }
            if chat == 404 {
                return refuse(400, "Bad Request: chat not found");
            }
            let rows = said.pointer("/reply_markup/inline_keyboard").and_then(Value::as_array);
            let buttons = rows.into_iter().flatten().filter_map(Value::as_array).flatten();
            let data = buttons.filter_map(|button| button.get("callback_data").and_then(Value::as_str));
            let buttons: Vec<String> = data.map(str::to_owned).collect();
            if buttons.iter().any(|data| data.len() > 64) {
                return refuse(400, "Bad Request: BUTTON_DATA_INVALID");
            }
            let message_id = i64::try_from(shared.sent.len()).unwrap_or(0) + 1;
            let silent = said.get("disable_notification").and_then(Value::as_bool).unwrap_or(false);
            shared.sent.push(Sent { chat, message_id, text: text.to_owned(), buttons, silent });
            answer(200, json!({ "ok": true, "result": { "message_id": message_id, "chat": { "id": chat } } }))
        }
        "answerCallbackQuery" => {
            let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            shared.answered.push((text("callback_query_id"), text("text")));
            answer(200, json!({ "ok": true, "result": true }))
        }
        "getUpdates" => {
            if let Some(response) = happen(shared.poll_faults.next()).await {
                return response;
            }
            let offset = number("offset").unwrap_or(0);
            let patience =
                Duration::from_secs(number("timeout").and_then(|time| u64::try_from(time).ok()).unwrap_or(0));
            let waited = tokio::time::timeout(patience, async {
                loop {
                    let news = shared.news.notified();
                    tokio::pin!(news);
                    // Before looking: what comes in between is not missed.
                    news.as_mut().enable();
                    let updates = shared.since(offset);
                    if !updates.is_empty() {
                        return updates;
                    }
                    news.await;
                }
            });
            answer(200, json!({ "ok": true, "result": waited.await.unwrap_or_default() }))
        }
        _ => refuse(404, "Not Found"),
    }
}
