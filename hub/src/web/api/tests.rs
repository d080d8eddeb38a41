//! The API through its router, with a whole house behind it: who is let through, what a stranger's browser cannot do, and
//! whether what is written about the API is true of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::middleware::from_fn_with_state;
use domovoi_config::Settings;
use domovoi_model::{Id, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::openapi::{document, names_in, rule_in_words};
use super::{doors, no_such_method, no_such_route};
use crate::clock::Clock;
use crate::house::House;
use crate::people::{NewPerson, Profile};
use crate::policy::Role;
use crate::web::{Desk, Peer, cookies, know_the_caller};

/// 2026-11-21T12:00:00Z.
pub(super) const NOON: Timestamp = Timestamp(1_795_262_400_000);

const ORIGIN: &str = "https://domovoi.local:8443";

pub(super) struct Home {
    _folder: tempfile::TempDir,
    _house: House,
    pub desk: Desk,
    pub page: Router,
    pub console: Router,
}

pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

/// A browser that is signed in.
pub(super) struct Browser {
    cookie: String,
    csrf: String,
}

impl Home {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// The same with more in its settings.
    pub async fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[mqtt]\nlisten = [\"127.0.0.1:1\"]\n{more}");
        let settings = Settings::parse(&text, "test.toml", folder.path()).unwrap();
        let clock = Clock::by_hand(Id([7; 16]), NOON);
        let house = Box::pin(House::open(settings, clock, None)).await.unwrap();
        let mut desk = house.desk(false);
        desk.front.origins = Arc::new(vec![ORIGIN.to_owned()]);
        desk.front.secure = true;
        let page = doors(&desk)
            .into_router()
            .fallback(no_such_route)
            .method_not_allowed_fallback(no_such_method)
            .layer(from_fn_with_state(desk.clone(), know_the_caller))
            .with_state(desk.clone());
        let console = crate::web::router(desk.clone());
        Home { _folder: folder, _house: house, desk, page, console }
    }

    pub async fn ask(&self, request: axum::http::request::Builder, body: Option<Value>) -> Answer {
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        answered(&self.page, request.unwrap()).await
    }

    pub async fn console(&self, method: Method, uri: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        answered(&self.console, request.body(body).unwrap()).await
    }

    /// A person of this role, signed in with a password that was chosen by a one-time link.
    pub async fn signed_in(&self, name: &str, role: Role) -> (String, Browser) {
        let until = (role == Role::Guest).then(|| NOON.plus_millis(86_400_000));
        let new = NewPerson {
            name: name.into(),
            role,
            contacts: vec![format!("login-{name}")],
            profile: Profile::default(),
            until,
        };
        let person = self.desk.people.add(new).await.unwrap().id;
        (person.to_string(), self.enter(person).await)
    }

    /// The same person once more, with what they may now.
    pub async fn enter(&self, person: domovoi_model::PersonId) -> Browser {
        let token = self.desk.signin.entry_token(person, true).await.unwrap();
        let form = json!({ "token": token.expose(), "password": "восемь тёплых валенок на печи" });
        let request = post("/api/v1/entry").header(header::ORIGIN, ORIGIN);
        let answer = self.ask(request, Some(form)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        Browser { cookie, csrf: answer.body["csrf"].as_str().unwrap().to_owned() }
    }
}

pub(super) async fn answered(router: &Router, mut request: Request<Body>) -> Answer {
    request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, 8 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}

fn get(uri: &str) -> axum::http::request::Builder {
    Request::builder().uri(uri)
}

fn post(uri: &str) -> axum::http::request::Builder {
    Request::builder().method(Method::POST).uri(uri)
}

impl Browser {
    pub fn get(&self, uri: &str) -> axum::http::request::Builder {
        get(uri).header(header::COOKIE, &self.cookie)
    }

    pub fn change(&self, method: Method, uri: &str) -> axum::http::request::Builder {
        self.get(uri).method(method).header(header::ORIGIN, ORIGIN).header("x-csrf-token", &self.csrf)
    }
}

pub(super) fn is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.body["type"], format!("https://domovoi.local/problems/{code}"), "{}", answer.body);
    let title = answer.body["title"].as_str().unwrap();
    assert!(title.contains(' ') && !title.starts_with("refusal-") && !title.starts_with("request-"), "{title}");
}

#[tokio::test]
async fn every_door_turns_a_stranger_away_or_lies_on_the_threshold() {
    let home = Home::new().await;
    for door in doors(&home.desk).list() {
        let uri = names_in(door.path).iter().fold(door.path.to_owned(), |uri, name| {
            uri.replace(&format!("{{{name}}}"), "00000000-0000-0000-0000-00000000000a")
        });
        let request = Request::builder().method(door.method.clone()).uri(&uri).header(header::ORIGIN, ORIGIN);
        let answer = home.ask(request, None).await;
        if door.rule.kind == crate::policy::Kind::Threshold {
            assert_ne!(answer.body["type"], "https://domovoi.local/problems/sign-in", "{uri}");
        } else {
            is_problem(&answer, 401, "sign-in");
            assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
        }
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{uri}");
    }
}

#[tokio::test]
async fn a_change_needs_our_own_page_and_the_sessions_mark() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let uri = format!("/api/v1/people/{me}/lock");
    let put = |request: axum::http::request::Builder| request.method(Method::PUT);
    let foreign = anna.get(&uri).header("x-csrf-token", &anna.csrf);
    is_problem(&home.ask(put(foreign).header(header::ORIGIN, "https://evil.example"), None).await, 403, "foreign-site");
    let silent = anna.get(&uri).header("x-csrf-token", &anna.csrf);
    is_problem(&home.ask(put(silent), None).await, 403, "foreign-site");
    let unmarked = anna.get(&uri).header(header::ORIGIN, ORIGIN);
    is_problem(&home.ask(put(unmarked), None).await, 403, "forged");
    let wrong = anna.get(&uri).header(header::ORIGIN, ORIGIN).header("x-csrf-token", "x");
    is_problem(&home.ask(put(wrong), None).await, 403, "forged");
    assert!(!home.desk.people.list()[0].locked, "nothing of it was done");
    // A stranger's sign-in from another site's page is refused too: it would sign the victim in as the attacker.
    let form = json!({ "login": "login-anna", "password": "x" });
    let answer = home.ask(post("/api/v1/sign-in/password").header(header::ORIGIN, "null"), Some(form)).await;
    is_problem(&answer, 403, "foreign-site");
    let answer = home.ask(anna.change(Method::PUT, &uri), None).await;
    assert_eq!((answer.status, &answer.body["locked"]), (StatusCode::OK, &json!(true)));
    is_problem(&home.ask(anna.get("/api/v1/people"), None).await, 401, "sign-in");
}

#[tokio::test]
async fn a_bad_token_is_an_error_and_a_secret_in_an_address_is_refused() {
    let home = Home::new().await;
    let request = get("/api/v1/session").header(header::AUTHORIZATION, "Bearer dmv_nonsense");
    let answer = home.ask(request, None).await;
    is_problem(&answer, 401, "bad-token");
    assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    for uri in ["/api/v1/session?access_token=dmv_1", "/api/v1/session?a=b&token=dmv_1"] {
        is_problem(&home.ask(get(uri), None).await, 400, "token-in-address");
    }
    let russian = home.ask(get("/api/v1/people").header(header::ACCEPT_LANGUAGE, "ru"), None).await;
    let english = home.ask(get("/api/v1/people").header(header::ACCEPT_LANGUAGE, "en-GB,ru;q=0.5"), None).await;
    assert_ne!(russian.body["title"], english.body["title"]);
}

#[tokio::test]
async fn a_token_does_what_it_names_and_no_more() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Owner).await;
    let form = json!({ "name": "табло", "scopes": ["see:meter"], "days": 30 });
    let uri = format!("/api/v1/people/{me}/tokens");
    let issued = home.ask(anna.change(Method::POST, &uri), Some(form)).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.body);
    let token = format!("Bearer {}", issued.body["token"].as_str().unwrap());
    let with = |uri: &str| get(uri).header(header::AUTHORIZATION, &token);
    assert_eq!(home.ask(with("/api/v1/meters"), None).await.status, StatusCode::OK);
    let answer = home.ask(with("/api/v1/people"), None).await;
    is_problem(&answer, 403, "scope");
    assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("insufficient_scope"));
    let listed = home.ask(anna.get(&uri), None).await;
    assert!(!listed.body.to_string().contains(issued.body["token"].as_str().unwrap()), "shown once");
    for days in [0, 366] {
        let form = json!({ "name": "x", "scopes": [], "days": days });
        is_problem(&home.ask(anna.change(Method::POST, &uri), Some(form)).await, 422, "invalid");
    }
}

#[tokio::test]
async fn errors_of_every_layer_are_problem_documents() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    is_problem(&home.ask(get("/api/v1/unicorns"), None).await, 404, "not-found");
    let answer = home.ask(get("/api/v1/people").method(Method::PUT).header(header::ORIGIN, ORIGIN), None).await;
    is_problem(&answer, 405, "no-such-method");
    assert!(answer.headers[header::ALLOW].to_str().unwrap().contains("POST"));
    let add = || anna.change(Method::POST, "/api/v1/people");
    let answer = home.ask(add(), Some(json!({ "name": "a", "role": "adult", "admin": true }))).await;
    is_problem(&answer, 422, "invalid");
    assert!(answer.body["title"].as_str().unwrap().contains("`admin`"), "the unknown field is named");
    let raw = |kind: &str, body: String| add().header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap();
    is_problem(&answered(&home.page, raw("application/json", "{".into())).await, 400, "unreadable");
    is_problem(&answered(&home.page, raw("text/plain", "{}".into())).await, 415, "not-json");
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(300 * 1024));
    is_problem(&answered(&home.page, raw("application/json", large)).await, 413, "too-large");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(answered(&home.page, raw("application/json", deep)).await.status.is_client_error());
    is_problem(&home.ask(anna.get("/api/v1/people?limit=0"), None).await, 422, "invalid");
    is_problem(&home.ask(anna.get("/api/v1/people?limit=many"), None).await, 400, "unreadable");
    is_problem(&home.ask(anna.get("/api/v1/people?who=me"), None).await, 400, "unreadable");
    is_problem(
        &home.ask(anna.change(Method::POST, "/api/v1/readings/x/decision"), Some(json!({"accept": true}))).await,
        400,
        "unreadable",
    );
}

#[tokio::test]
async fn only_who_sees_people_learns_who_is_not_there() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let (ivan, guest) = home.signed_in("ivan", Role::Guest).await;
    let (olga, _) = home.signed_in("olga", Role::Adult).await;
    let nobody = "00000000-0000-0000-0000-00000000000a";
    is_problem(&home.ask(anna.get(&format!("/api/v1/people/{nobody}")), None).await, 404, "not-found");
    is_problem(&home.ask(anna.get("/api/v1/people/nonsense"), None).await, 404, "not-found");
    let there = home.ask(guest.get(&format!("/api/v1/people/{olga}")), None).await;
    let not_there = home.ask(guest.get(&format!("/api/v1/people/{nobody}")), None).await;
    assert_eq!((there.status, &there.body), (not_there.status, &not_there.body), "a guest cannot tell the two apart");
    assert_eq!(there.status, StatusCode::FORBIDDEN);
    let me = home.ask(guest.get("/api/v1/people/me"), None).await;
    assert_eq!(me.body["id"], ivan.as_str());
}

#[tokio::test]
async fn who_edits_a_person_names_the_version_and_a_role_is_a_right() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let (olga, adult) = home.signed_in("olga", Role::Adult).await;
    let uri = format!("/api/v1/people/{olga}");
    let read = home.ask(anna.get(&uri), None).await;
    let tag = read.headers[header::ETAG].to_str().unwrap().to_owned();
    let again = home.ask(anna.get(&uri).header(header::IF_NONE_MATCH, &tag), None).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let edit = |name: &str| Some(json!({ "name": name }));
    is_problem(&home.ask(anna.change(Method::PATCH, &uri), edit("Оля")).await, 428, "if-match");
    let matching = |browser: &Browser| browser.change(Method::PATCH, &uri).header(header::IF_MATCH, &tag);
    let answer = home.ask(matching(&anna), edit("Оля")).await;
    assert_eq!((answer.status, &answer.body["name"]), (StatusCode::OK, &json!("Оля")));
    is_problem(&home.ask(matching(&anna), edit("Лёля")).await, 412, "changed-meanwhile");
    // Her own record is hers to edit; her own role is not.
    let read = home.ask(adult.get(&uri), None).await;
    let tag = read.headers[header::ETAG].to_str().unwrap().to_owned();
    let request = adult.change(Method::PATCH, &uri).header(header::IF_MATCH, &tag);
    let answer = home.ask(request, Some(json!({ "role": "owner" }))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert_eq!(home.desk.people.get(olga.parse().unwrap()).unwrap().role, Role::Adult);
}

#[tokio::test]
async fn lists_come_in_pages_that_link_to_each_other() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    for name in ["b", "c", "d"] {
        home.signed_in(name, Role::Adult).await;
    }
    let (mut names, mut uri) = (Vec::new(), "/api/v1/people?limit=3".to_owned());
    loop {
        let answer = home.ask(anna.get(&uri), None).await;
        let people = answer.body["people"].as_array().unwrap().clone();
        names.extend(people.iter().map(|person| person["name"].as_str().unwrap().to_owned()));
        let Some(link) = answer.headers.get(header::LINK) else {
            assert_eq!(answer.body["next"], Value::Null);
            break;
        };
        let link = link.to_str().unwrap();
        assert!(link.ends_with("; rel=\"next\""), "{link}");
        uri = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(names.len(), 4);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 4, "{names:?}");
}

#[tokio::test]
async fn a_flood_from_one_address_is_told_to_wait() {
    let home = Home::new().await;
    for _ in 0..10_000 {
        let answer = home.ask(get("/api/v1/session"), None).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            is_problem(&answer, 429, "too-many");
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
            assert!(answer.headers["ratelimit"].to_str().unwrap().contains("r=0"));
            let console = home.console(Method::GET, "/api/v1/people", None).await;
            assert_eq!(console.status, StatusCode::OK, "whoever holds the machine is never locked out");
            return;
        }
        assert!(answer.headers.contains_key("ratelimit"));
    }
    panic!("nobody stopped the flood");
}

#[tokio::test]
async fn the_console_lets_a_locked_out_owner_in_and_makes_no_second_first_owner() {
    let home = Home::new().await;
    let link = home.console(Method::POST, "/api/v1/setup-link", None).await;
    assert!(link.body["link"].as_str().unwrap().starts_with("https://domovoi.local:8443/setup#"), "{}", link.body);
    let (me, anna) = home.signed_in("anna", Role::Owner).await;
    is_problem(&home.console(Method::POST, "/api/v1/setup-link", None).await, 409, "refused");
    // To change everybody's factors is the console's alone.
    is_problem(&home.ask(anna.change(Method::POST, "/api/v1/setup-link"), None).await, 403, "role");
    let link = home.console(Method::POST, &format!("/api/v1/people/{me}/entry-link"), None).await;
    assert_eq!((link.status, &link.body["minutes"]), (StatusCode::OK, &json!(10)));
}

#[test]
fn cookies_are_read_by_their_own_name() {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, "__Host-domovoi=abc".parse().unwrap());
    let front = crate::web::Front { origins: Arc::new(Vec::new()), secure: true };
    assert_eq!(cookies::read(&front, &headers).as_deref(), Some("abc"));
}

/// A stream of events as a watcher reads it.
struct Watching(axum::body::BodyDataStream);

impl Home {
    async fn watch(&self, request: axum::http::request::Builder) -> Watching {
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
        let response = self.page.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut watching = Watching(response.into_body().into_data_stream());
        assert_eq!(watching.next().await.as_deref(), Some("retry: 3000\n\n"));
        watching
    }
}

impl Watching {
    async fn next(&mut self) -> Option<String> {
        use futures_util::StreamExt as _;
        let bytes = self.0.next().await?.unwrap();
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// The next piece of news and its id; signs of life are passed over.
    async fn news(&mut self) -> Option<(String, String)> {
        loop {
            let text = self.next().await?;
            if let Some(rest) = text.strip_prefix("id: ") {
                let (id, rest) = rest.split_once("\nevent: ").unwrap();
                return Some((id.to_owned(), rest.trim_end().to_owned()));
            }
        }
    }
}

#[tokio::test]
async fn a_watcher_sees_what_it_may_and_nothing_once_the_session_is_over() {
    use crate::bus::Event;
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let (petya, child) = home.signed_in("petya", Role::Child).await;
    let (_, guest) = home.signed_in("gleb", Role::Guest).await;
    let mut owner = home.watch(anna.get("/api/v1/events")).await;
    let mut small = home.watch(child.get("/api/v1/events")).await;
    let mut visitor = home.watch(guest.get("/api/v1/events")).await;
    home.desk.bus.tell(Event::Notice("one".into()));
    home.desk.bus.tell(Event::RegisterChanged(None));
    let (first, news) = owner.news().await.unwrap();
    assert_eq!(news, "notice\ndata: {\"key\":\"one\"}");
    assert_eq!(small.news().await.unwrap().1, news, "a child may see notices");
    assert!(owner.news().await.unwrap().1.starts_with("register\n"));
    // A guest may see neither notices nor meters: the first thing they are told is what they may see.
    let device = domovoi_model::Sample {
        device: domovoi_model::DeviceRef { dialect: "tasmota".into(), id: "lamp".into() },
        property: "power".into(),
        value: domovoi_model::Value::Bool(true),
        unit: domovoi_model::Unit::None,
        quality: domovoi_model::Quality::Good,
        at: domovoi_model::Moment::Wall(NOON),
        device_time: None,
    };
    let recorded = domovoi_store::Recorded { seq: domovoi_store::Seq(1), item: device };
    home.desk.bus.tell(Event::Recorded(Arc::new(vec![recorded])));
    assert!(visitor.news().await.unwrap().1.starts_with("sample\n"));
    // Who comes back goes on after what they saw; another run's id begins anew.
    let mut back = home.watch(anna.get("/api/v1/events").header("last-event-id", &first)).await;
    assert!(back.news().await.unwrap().1.starts_with("register\n"));
    let strange = format!("00000000-0000-0000-0000-000000000000-{}", 1);
    let mut lost = home.watch(anna.get(&format!("/api/v1/events?after={strange}"))).await;
    assert!(lost.news().await.unwrap().1.starts_with("reset\n"));
    // The child's role changes: the stream is over before the next piece of news.
    home.console(Method::PUT, &format!("/api/v1/people/{petya}/lock"), None).await;
    home.desk.bus.tell(Event::Notice("two".into()));
    loop {
        match small.news().await {
            None => break,
            Some((_, news)) => assert!(!news.contains("two"), "{news}"),
        }
    }
    home.desk.feed.end();
    while owner.news().await.is_some() {}
}

#[tokio::test]
async fn another_sites_page_watches_nothing() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    for uri in ["/api/v1/events", "/api/v1/live"] {
        let foreign = anna.get(uri).header(header::ORIGIN, "https://evil.example");
        let upgrade = foreign.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "websocket");
        is_problem(&home.ask(upgrade, None).await, 403, "foreign-site");
    }
    let plain = home.ask(anna.get("/api/v1/live"), None).await;
    assert!(plain.status.is_client_error(), "{}", plain.status);
    assert_eq!(plain.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn a_header_cannot_be_broken_out_of() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let uri = "/api/v1/journal?limit=1&text=%0d%0aSet-Cookie:%20a=b";
    let answer = home.ask(anna.get(uri), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
    for value in answer.headers.values() {
        assert!(value.as_bytes().iter().all(|byte| *byte != b'\r' && *byte != b'\n'));
    }
}

#[tokio::test]
async fn a_reading_is_handed_in_in_ones_own_name() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let uri = "/api/v1/meters/nowhere/readings";
    let form = json!({ "values": "1", "person": "Кто-то другой" });
    let answer = home.ask(anna.change(Method::POST, uri), Some(form)).await;
    is_problem(&answer, 422, "invalid");
    let answer = home.ask(anna.change(Method::POST, uri), Some(json!({ "values": "1" }))).await;
    is_problem(&answer, 404, "not-found");
}

/// What is written about the API is the API.
#[tokio::test]
async fn the_description_names_every_door_and_nothing_else() {
    let home = Home::new().await;
    let all = doors(&home.desk);
    let document = document(all.list());
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            let place = format!("{method} {path}");
            assert!(operation["x-rule"].as_str().is_some_and(|rule| !rule.is_empty()), "{place} has no rule");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place} has no summary");
            assert!(operation["security"].is_array(), "{place}");
            let parameters = operation["parameters"].as_array().unwrap();
            for name in names_in(path) {
                assert!(
                    parameters.iter().any(|one| one["in"] == "path" && one["name"] == name.as_str()),
                    "{place}: {name}"
                );
            }
            let names: BTreeSet<String> =
                parameters.iter().map(|one| format!("{} {}", one["in"], one["name"])).collect();
            assert_eq!(names.len(), parameters.len(), "{place} names a parameter twice");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2') || status == "101"), "{place}");
        }
    }
    let there: BTreeSet<(String, String)> =
        all.list().iter().map(|door| (door.method.to_string(), door.path.to_owned())).collect();
    assert_eq!(described, there);
    let mut references = BTreeSet::new();
    gather(&document, &mut references);
    for reference in references {
        let name = reference.trim_start_matches("#/components/schemas/");
        assert!(document["components"]["schemas"][name].is_object(), "{reference} is nowhere");
    }
    let ids: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values().map(|operation| &operation["operationId"]))
        .collect();
    let distinct: BTreeSet<String> = ids.iter().map(|id| id.to_string()).collect();
    assert_eq!(distinct.len(), ids.len(), "two operations have one operationId");
}

fn gather(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                references.insert(reference.to_owned());
            }
            fields.values().for_each(|value| gather(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, references)),
        _ => {}
    }
}

/// docs/reference/api.md: `DOMOVOI_BLESS=1` writes the table anew.
#[tokio::test]
async fn the_reference_page_has_every_door_as_it_is() {
    const BEGIN: &str = "<!-- doors: written by the test, see hub/src/web/api/tests.rs -->\n";
    const END: &str = "<!-- end of doors -->\n";
    let home = Home::new().await;
    let all = doors(&home.desk);
    let document = document(all.list());
    let mut table = String::from("| door | what | who may | journal | takes | gives |\n|---|---|---|---|---|---|\n");
    for door in all.list() {
        let operation = &document["paths"][door.path][door.method.as_str().to_ascii_lowercase()];
        let shape = |content: &Value| {
            let content = content.as_object().and_then(|kinds| kinds.iter().next());
            let Some((kind, media)) = content else { return String::new() };
            let name = media["schema"]["$ref"].as_str().map(|text| text.trim_start_matches("#/components/schemas/"));
            match (name, kind.as_str()) {
                (Some(name), "application/json") => format!("`{name}`"),
                (Some(name), kind) => format!("`{name}` as `{kind}`"),
                (None, "application/json") => "JSON".to_owned(),
                (None, kind) => format!("`{kind}`"),
            }
        };
        let good = operation["responses"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(status, _)| status.starts_with('2') || *status == "101");
        let (status, gives) = good.map(|(status, said)| (status.clone(), shape(&said["content"]))).unwrap();
        table.push_str(&format!(
            "| `{} {}` | {} | {} | {} | {} | {} {} |\n",
            door.method,
            door.path,
            operation["summary"].as_str().unwrap().replace('\n', " "),
            rule_in_words(door),
            door.rule.deed.map(|deed| format!("`{deed}`")).unwrap_or_default(),
            shape(&operation["requestBody"]["content"]),
            status,
            gives,
        ));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/api.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the doors");
    let (written, after) = rest.split_once(END).expect("the place for the doors ends");
    if std::env::var_os("DOMOVOI_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert!(written == table, "docs/reference/api.md is out of date: run this test with DOMOVOI_BLESS=1");
    }
}
