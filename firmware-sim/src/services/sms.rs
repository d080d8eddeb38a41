//! Two gateways for short messages on one port: `/sms/send` and `/sms/status` as sms.ru has them, `/sys/send.php` and
//! `/sys/status.php` as smsc.ru does. Each wants its key, counts what it takes, and says later what became of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Router, http::StatusCode, response::IntoResponse};
use serde_json::{Value, json};

use super::served::{Fault, Served, happen, json as answer};
use super::{Record, Script, StartError};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    SmsRu,
    SmscRu,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    pub gateway: Gateway,
    /// Digits only.
    pub to: String,
    pub text: String,
    /// What it is asked about by.
    pub id: String,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmsFault {
    /// As with any HTTP.
    Http(Fault),
    /// The gateway answers 200 with this code of its own: sms.ru 201 (no money), smsc.ru 7 (wrong number).
    Code(i64),
}

/// Both gateways. They listen until they are dropped.
pub struct SmsGateways {
    served: Served,
    standings: Arc<Mutex<HashMap<String, i64>>>,
    pub taken: Record<Sms>,
    /// Who was asked about, by their ids.
    pub asked: Record<String>,
    pub faults: Script<SmsFault>,
}

#[derive(Clone)]
struct Shared {
    key: String,
    standings: Arc<Mutex<HashMap<String, i64>>>,
    taken: Record<Sms>,
    asked: Record<String>,
    faults: Script<SmsFault>,
}

impl SmsGateways {
    pub async fn start(at: SocketAddr, key: &str) -> Result<Self, StartError> {
        let shared = Shared {
            key: key.to_owned(),
            standings: Arc::default(),
            taken: Record::default(),
            asked: Record::default(),
            faults: Script::default(),
        };
        let (standings, taken) = (Arc::clone(&shared.standings), shared.taken.clone());
        let (asked, faults) = (shared.asked.clone(), shared.faults.clone());
        let router = Router::new()
            .route("/sms/send", post(sms_ru_send))
            .route("/sms/status", post(sms_ru_status))
            .route("/sys/send.php", post(smsc_ru_send))
            .route("/sys/status.php", post(smsc_ru_status))
            .with_state(shared);
        let served = Served::start("SMS gateway", at, router).await?;
        Ok(SmsGateways { served, standings, taken, asked, faults })
    }

    /// Where a gateway takes messages.
    pub fn url(&self, gateway: Gateway) -> String {
        self.served.url(match gateway {
            Gateway::SmsRu => "/sms/send",
            Gateway::SmscRu => "/sys/send.php",
        })
    }

    /// What became of a message, in the gateway's own number: 103 of sms.ru and 1 of smsc.ru are "delivered".
    pub fn stands(&self, id: &str, number: i64) {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), number);
    }
}

impl Shared {
    fn standing(&self, id: &str) -> Option<i64> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    fn take(&self, gateway: Gateway, to: &str, text: &str) -> String {
        let id = match gateway {
            Gateway::SmsRu => format!("202611-{:06}", self.taken.len()),
            Gateway::SmscRu => (1000 + self.taken.len()).to_string(),
        };
        self.taken.push(Sms { gateway, to: to.to_owned(), text: text.to_owned(), id: id.clone() });
        let first = if gateway == Gateway::SmsRu { 100 } else { -1 };
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), first);
        id
    }
}

fn form(body: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// Eleven digits that begin with 7.
fn is_number(text: &str) -> bool {
    text.len() == 11 && text.starts_with('7') && text.bytes().all(|byte| byte.is_ascii_digit())
}

async fn next(shared: &Shared) -> Result<Option<i64>, Response> {
    match shared.faults.next() {
        None => Ok(None),
        Some(SmsFault::Code(code)) => Ok(Some(code)),
        Some(SmsFault::Http(fault)) => happen(Some(fault)).await.map_or(Ok(None), Err),
    }
}

async fn sms_ru_send(State(shared): State<Shared>, body: Bytes) -> Response {
    let fault = match next(&shared).await {
        Ok(fault) => fault,
        Err(response) => return response,
    };
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("json") != "1" {
        return "200\n".into_response();
    }
    let whole = |code: i64| answer(200, json!({ "status": "ERROR", "status_code": code, "status_text": "нет" }));
    if field("api_id") != shared.key {
        return whole(200);
    }
    let to = field("to");
    let one = match fault {
        Some(201) => return whole(201),
        Some(code) => json!({ "status": "ERROR", "status_code": code, "status_text": "нет" }),
        None if !is_number(to) => json!({ "status": "ERROR", "status_code": 202, "status_text": "номер" }),
        None if field("msg").is_empty() => json!({ "status": "ERROR", "status_code": 203, "status_text": "текст" }),
        None => json!({ "status": "OK", "status_code": 100, "sms_id": shared.take(Gateway::SmsRu, to, field("msg")) }),
    };
    answer(200, json!({ "status": "OK", "status_code": 100, "sms": { to: one }, "balance": 4122.56 }))
}

async fn sms_ru_status(State(shared): State<Shared>, body: Bytes) -> Response {
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("api_id") != shared.key || field("json") != "1" {
        return answer(200, json!({ "status": "ERROR", "status_code": 200 }));
    }
    let id = field("sms_id");
    shared.asked.push(id.to_owned());
    let one = match shared.standing(id) {
        Some(code) => json!({ "status": "OK", "status_code": code, "cost": "0.50" }),
        None => json!({ "status": "ERROR", "status_code": -1 }),
    };
    answer(200, json!({ "status": "OK", "status_code": 100, "balance": 4122.56, "sms": { id: one } }))
}

/// `apikey`, or `login` and `psw` of which only the password counts here.
fn smsc_ru_key(form: &HashMap<String, String>) -> &str {
    form.get("apikey").or_else(|| form.get("psw")).map(String::as_str).unwrap_or_default()
}

async fn smsc_ru_send(State(shared): State<Shared>, body: Bytes) -> Response {
    let fault = match next(&shared).await {
        Ok(fault) => fault,
        Err(response) => return response,
    };
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("fmt") != "3" || field("charset") != "utf-8" {
        return (StatusCode::OK, "ERROR = 1").into_response();
    }
    let refuse = |code: i64| answer(200, json!({ "error": "нет", "error_code": code }));
    match fault {
        _ if smsc_ru_key(&form) != shared.key => refuse(2),
        Some(code) => refuse(code),
        None if !is_number(field("phones")) => refuse(7),
        None => {
            let id: Value =
                shared.take(Gateway::SmscRu, field("phones"), field("mes")).parse::<i64>().unwrap_or(0).into();
            answer(200, json!({ "id": id, "cnt": 1 }))
        }
    }
}

async fn smsc_ru_status(State(shared): State<Shared>, body: Bytes) -> Response {
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if smsc_ru_key(&form) != shared.key || field("fmt") != "3" || !is_number(field("phone")) {
        return answer(200, json!({ "error": "нет", "error_code": 2 }));
    }
    let id = field("id");
    shared.asked.push(id.to_owned());
    answer(
        200,
        json!({ "status": shared.standing(id).unwrap_or(-3), "last_date": "24.11.2026 12:00:00", "last_timestamp": 1 }),
    )
}
