//! A browser without scripts: it keeps cookies, fills forms with what they bring along, says where it comes from, and
//! follows redirects.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use domovoi_config::Settings;
use domovoi_model::{Id, Reminder, Resource, Timestamp};
use tower::ServiceExt as _;

use super::html;
use crate::House;
use crate::clock::Clock;
use crate::metering::{NewMeter, NewPoint, parse_values};
use crate::web::serve::{Reached, site};
use crate::web::{Desk, Peer};

/// 21 November 2026, 12:00 in Moscow.
pub const NOON: Timestamp = Timestamp(1_795_251_600_000);

/// The hub's own name, as the default settings have it.
pub const ORIGIN: &str = "https://domovoi.local:8443";

/// A house in this process.
pub struct Home {
    pub desk: Desk,
    pub clock: Clock,
    pub house: House,
    rooms: tokio::task::JoinSet<()>,
    _folder: tempfile::TempDir,
}

const SETTINGS: &str = r#"
[home]
name = "Дом на Садовой"

[store]
data_dir = "hub"

[[supplier]]
id = "vodokanal"
name = "Водоканал"
resources = ["cold_water"]
window = [{ start = { day = 1 }, end = { last_day = true } }]

[portal]
issuer = "https://portal.invalid"
api_base = "https://portal.invalid/api"
"#;

/// Opens a house with nobody in it.
pub async fn home() -> Home {
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let settings = match Settings::parse(SETTINGS, "test.toml", folder.path()) {
        Ok(settings) => settings,
        Err(mistakes) => panic!("{mistakes:?}"),
    };
    let clock = Clock::by_hand(Id(*uuid::Uuid::new_v4().as_bytes()), NOON);
    let house = House::open(settings, clock.clone(), None).await.unwrap();
    Home { desk: house.desk(false), clock, house, rooms: tokio::task::JoinSet::new(), _folder: folder }
}

impl Home {
    /// Adds a cold water meter and gives its point's id.
    pub async fn add_water(&self, name: &str) -> String {
        let point = NewPoint {
            supplier: "vodokanal".into(),
            account_number: "771234567".into(),
            els: None,
            resource: Resource::ColdWater,
            name: name.into(),
            binding: None,
            reminder: Reminder::Never,
            meter: NewMeter {
                serial: "12345699".into(),
                model: None,
                digits_int: 5,
                digits_frac: 3,
                tariffs: 1,
                multiplier: 1.into(),
                installed: "2024-03-01".parse().unwrap(),
                start: parse_values("100", 1).unwrap(),
                verified: None,
                valid_until: None,
            },
        };
        self.desk.metering.add(point).await.unwrap().id.to_string()
    }

    /// Starts what keeps the registry of devices, among others.
    pub fn starts(&mut self) {
        self.house.start_rooms(&mut self.rooms);
    }

    /// A device says something at the broker.
    pub fn hears(&self, sender: &str, topic: &str, payload: &str) {
        let road = domovoi_adapters::Road::Embedded;
        let payload = payload.as_bytes();
        let arrival = crate::ingest::Arrival { road, sender, topic, payload, retained: false, again: false };
        drop(self.desk.ingest.take(arrival));
    }

    /// Waits until there is what is looked for.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Desk) -> Option<T>) -> T {
        crate::tests::until(what, || look(&self.desk)).await
    }

    /// A bridge with a lamp, a leak sensor and a valve, heard and not accepted; `name` is what each calls itself.
    pub async fn has_devices(&mut self, name: &str) {
        self.starts();
        let state = |on: &str, off: &str, of: &str| {
            serde_json::json!([{"type": of, "features": [{"type": "binary", "name": "state", "property": "state",
                "access": 7, "value_on": on, "value_off": off}]}])
        };
        let leak = serde_json::json!([{"type": "binary", "name": "water_leak", "property": "water_leak", "access": 1,
            "value_on": true, "value_off": false}]);
        let one = |end: u32, what: &str, exposes: serde_json::Value| {
            serde_json::json!({"ieee_address": format!("0x00124b000000000{end}"), "type": "Router",
                "friendly_name": format!("{name} {what}"), "supported": true, "disabled": false,
                "interview_state": "SUCCESSFUL",
                "definition": {"model": name, "vendor": "T", "description": name, "exposes": exposes}})
        };
        let list = serde_json::json!([
            one(1, "lamp", state("ON", "OFF", "light")),
            one(2, "leak", leak),
            one(3, "valve", state("OPEN", "CLOSE", "switch")),
        ]);
        self.hears("bridge", "zigbee2mqtt/bridge/devices", &list.to_string());
        for end in 1..4 {
            let device = domovoi_model::DeviceRef::new("zigbee2mqtt", format!("0x00124b000000000{end}"));
            self.until("the devices are known", |desk| desk.devices.show(&device)).await;
        }
    }

    /// A browser that has not been here.
    pub fn visitor(&self) -> Visitor {
        Visitor {
            router: site(&self.desk),
            cookies: BTreeMap::new(),
            path: "/".into(),
            page: String::new(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            language: "ru",
        }
    }

    /// The owner, signed in by the set-up page.
    pub async fn owner(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        let token = self.desk.signin.setup_token().await.unwrap();
        visitor.get("/setup").await;
        visitor
            .send("/setup", &[("token", token.expose()), ("name", name), ("login", LOGIN), ("password", PASSWORD)])
            .await;
        assert_eq!(visitor.path, "/", "{}", visitor.page);
        visitor
    }
}

pub const LOGIN: &str = "anna";
pub const PASSWORD: &str = "ветер уносит семь зелёных лодок";

pub struct Visitor {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub path: String,
    pub page: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub language: &'static str,
}

impl Visitor {
    async fn once(&mut self, request: Request<Body>) {
        let mut request = request;
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = request.headers_mut();
        headers.insert(header::HOST, "domovoi.local:8443".parse().unwrap());
        headers.insert(header::ACCEPT_LANGUAGE, self.language.parse().unwrap());
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let address: SocketAddr = "127.0.0.1:8443".parse().unwrap();
        request.extensions_mut().insert(Reached(address));
        request.extensions_mut().insert(Peer { address: "192.168.1.7".parse().unwrap(), certificate: None });
        let response = self.router.clone().oneshot(request).await.unwrap();
        self.status = response.status();
        self.headers = response.headers().clone();
        for cookie in self.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let bytes = to_bytes(response.into_body(), 1 << 22).await.unwrap();
        self.page = String::from_utf8(bytes.to_vec()).unwrap();
    }

    /// Opens a page, and goes where it leads.
    pub async fn get(&mut self, path: &str) {
        self.path = path.to_owned();
        for _ in 0..6 {
            let request = Request::get(self.path.as_str()).body(Body::empty()).unwrap();
            self.once(request).await;
            if !self.follow() {
                return;
            }
        }
        panic!("round and round: {}", self.path);
    }

    fn follow(&mut self) -> bool {
        if self.status != StatusCode::SEE_OTHER {
            return false;
        }
        self.path = self.headers[header::LOCATION].to_str().unwrap().to_owned();
        true
    }

    /// The token in the forms of the page that is open.
    pub fn csrf(&self) -> String {
        let page = html::read(&self.page);
        let field = page.tags.iter().find(|tag| tag.get("name") == Some("csrf"));
        field.and_then(|tag| tag.get("value")).unwrap_or_default().to_owned()
    }

    /// Sends a form of the open page and goes where it leads. The form has to be there.
    pub async fn send(&mut self, action: &str, fields: &[(&str, &str)]) {
        let page = html::read(&self.page);
        let is_form = |tag: &html::Tag| tag.name == "form" && tag.get("action") == Some(action);
        assert!(page.tags.iter().any(is_form), "{} has no form {action}: {}", self.path, self.page);
        let csrf = self.csrf();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        self.post(action, &all, Some(ORIGIN)).await;
    }

    /// Sends any fields from any origin.
    pub async fn post(&mut self, action: &str, fields: &[(&str, &str)], origin: Option<&str>) {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::post(action)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::REFERER, format!("{ORIGIN}{}", self.path))
            .body(Body::from(body))
            .unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        }
        self.path = action.to_owned();
        self.once(request).await;
        if self.follow() {
            let path = self.path.clone();
            self.get(&path).await;
        }
    }

    /// Sends a form with a file.
    pub async fn upload(&mut self, action: &str, fields: &[(&str, &str)], file: &[u8]) {
        let csrf = self.csrf();
        let mut body = Vec::new();
        for (name, value) in fields.iter().chain(&[("csrf", csrf.as_str())]) {
            let part = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(
            b"--xyz\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n",
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--xyz--\r\n");
        let request = Request::post(action)
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=xyz")
            .header(header::ORIGIN, ORIGIN)
            .body(Body::from(body))
            .unwrap();
        self.path = action.to_owned();
        self.once(request).await;
        if self.follow() {
            let path = self.path.clone();
            self.get(&path).await;
        }
    }

    /// What is wrong with the page that is open.
    pub fn complaints(&self) -> Vec<String> {
        html::complaints(&self.page)
    }
}
