//! The rules are enforced: every caller goes to every door with a real request. Whoever is refused hears why and changes
//! nothing; whoever is allowed is not turned away by the policy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use domovoi::people::{NewPerson, Profile};
use domovoi::policy::{Decision, Refusal, Role, decide};
use domovoi::web::{self, Desk, Door, Doors, Whose, api, ics, pages};
use domovoi_config::Language;
use domovoi_model::PersonId;
use domovoi_store::{ActFilter, Drawer};
use tower::ServiceExt as _;

use super::callers::{self, Caller, now};
use super::{Others, Tried, doors, object, opened, variants};

/// The people of the home.
#[derive(Clone, Copy)]
struct Household {
    me: PersonId,
    others: Others,
}

impl Household {
    /// Whoever an allowed request has erased, or made into somebody else, is made anew.
    async fn whole(desk: &Desk, before: Option<Household>) -> Household {
        let before = |pick: fn(&Household) -> PersonId| before.as_ref().map(pick);
        let me = somebody(desk, before(|before| before.me), "Анна", Role::Adult).await;
        let other = somebody(desk, before(|before| before.others.other), "Борис", Role::Adult).await;
        let ward = somebody(desk, before(|before| before.others.ward), "Миша", Role::Child).await;
        Household { me, others: Others { other, ward } }
    }
}

async fn somebody(desk: &Desk, before: Option<PersonId>, name: &str, role: Role) -> PersonId {
    match before.filter(|id| desk.people.get(*id).is_some_and(|person| person.role == role)) {
        Some(id) => id,
        None => {
            let profile = Profile::default();
            let new = NewPerson { name: name.into(), role, contacts: Vec::new(), profile, until: None };
            desk.people.add(new).await.unwrap().id
        }
    }
}

/// The path of a door, filled in. Things that are named do not exist: an allowed request finds nothing to break.
fn path(door: &Door, tried: Tried, home: Household) -> String {
    let person = match tried {
        Tried::Ward => home.others.ward,
        Tried::Other => home.others.other,
        Tried::Own | Tried::Home => home.me,
    };
    let part = |part: &str| match door.rule.whose {
        Whose::Of(param) if part == format!("{{{param}}}") => person.to_string(),
        _ if part.starts_with('{') => "7".to_owned(),
        _ => part.to_owned(),
    };
    door.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What the listener and the front of the hub would have made of this caller.
fn caller(caller: &Caller) -> web::Caller {
    web::Caller { who: caller.who.clone(), ..web::Caller::console(Language::English) }
}

async fn ask(app: &Router, door: &Door, path: &str, by: &Caller) -> Response {
    let form = if door.path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
    let body = if door.path.starts_with("/api/") { "{}" } else { "" };
    let mut request = Request::builder().method(door.method.clone()).uri(path).header(header::CONTENT_TYPE, form);
    if let Some(extensions) = request.extensions_mut() {
        extensions.insert(caller(by));
    }
    let request = request.body(Body::from(body)).unwrap();
    let answer = app.clone().oneshot(request);
    tokio::time::timeout(std::time::Duration::from_secs(60), answer).await.expect("an answer").unwrap()
}

/// What is wrong with an answer, if something is.
async fn complaint(door: &Door, decision: &Decision, response: Response) -> Option<String> {
    let status = response.status();
    let location =
        response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default().to_owned();
    let of_the_api = door.path.starts_with("/api/");
    let problem = if of_the_api && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        problem["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
    } else {
        String::new()
    };
    let to = |page: &str| location == page || location.starts_with(&format!("{page}?"));
    match decision {
        Decision::Refuse(refusal) => {
            let fine = match (of_the_api, refusal) {
                (true, Refusal::SignIn) => status == StatusCode::UNAUTHORIZED && problem == refusal.code(),
                (true, _) => status == StatusCode::FORBIDDEN && problem == refusal.code(),
                (false, Refusal::SignIn) => status == StatusCode::SEE_OTHER && to("/sign-in"),
                (false, Refusal::StepUp) => status == StatusCode::SEE_OTHER && to("/step-up"),
                (false, _) => status == StatusCode::FORBIDDEN,
            };
            (!fine).then(|| format!("is to be refused ({}) and got {status} {problem}{location}", refusal.code()))
        }
        Decision::Allow => {
            // A handler may say no in words of its own: a wrong password, a form without its token.
            let refused = if of_the_api {
                Refusal::ALL.iter().any(|refusal| refusal.code() == problem)
            } else {
                let form = door.method == axum::http::Method::POST;
                to("/step-up") && door.path != "/step-up" || (status == StatusCode::FORBIDDEN && !form)
            };
            refused.then(|| format!("is to be allowed and got {status} {problem}{location}"))
        }
    }
}

/// What the home keeps, as text: two that are equal say that nothing was changed in between.
async fn contents(desk: &Desk) -> String {
    let store = &desk.store;
    let mut text = format!("{:?}", desk.people.list());
    for drawer in [Drawer::Person, Drawer::Factor, Drawer::Session, Drawer::Token, Drawer::Consent] {
        let mut papers: Vec<String> =
            store.papers().all(drawer).await.unwrap().iter().map(|paper| format!("{paper:?}")).collect();
        papers.sort();
        text.push_str(&papers.join("\n"));
    }
    text.push_str(&format!("{:?}", store.credentials().list().await.unwrap()));
    text.push_str(&format!("{:?}", store.acts().list(ActFilter::default()).await.unwrap()));
    text.push_str(&format!("{:?}", store.notices().open().await.unwrap().len()));
    text.push_str(&format!("{:?}", store.secrets().get("owner.7").await.unwrap().is_some()));
    text.push_str(&format!("{}", desk.metering.standing_consent().await.unwrap()));
    text
}

/// Every rule of the real doors, before handlers that only count: they run if and only if the policy says yes.
#[tokio::test]
async fn a_refused_request_never_reaches_its_handler() {
    let opened = opened().await;
    let desk = &opened.desk;
    let home = Household::whole(desk, None).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let real = doors(desk);
    let mut planted = Doors::new(desk, 1024);
    for door in &real {
        let runs = Arc::clone(&runs);
        let handler = move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async { "ran" }
        };
        planted = planted.door(&door.method, door.path, door.rule, handler);
    }
    let app = planted.into_router().with_state(desk.clone());
    let mut complaints = Vec::new();
    for door in &real {
        for by in callers::known_as(home.me) {
            for tried in variants(door) {
                let Some(object) = object(door, *tried, &by, home.others) else { continue };
                let decision = decide(&by.who, door.rule.verb, &object, now());
                let before = runs.load(Ordering::SeqCst);
                ask(&app, door, &path(door, *tried, home), &by).await;
                let ran = runs.load(Ordering::SeqCst) - before;
                if ran != usize::from(decision.is_allowed()) {
                    complaints.push(format!("{} {} {tried:?} by {}: ran {ran}", door.method, door.path, by.name));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(runs.load(Ordering::SeqCst) > 100, "the handlers did not run at all");
}

/// The real handlers: first everybody who is to be refused, and nothing has changed; then everybody who is not.
#[tokio::test]
async fn every_caller_hears_at_every_door_what_the_matrix_says() {
    let opened = opened().await;
    let desk = &opened.desk;
    let app = api::doors(desk).and(pages::doors(desk)).and(ics::doors(desk)).into_router().with_state(desk.clone());
    let mut home = Household::whole(desk, None).await;
    let mut complaints = Vec::new();
    let before = contents(desk).await;
    for allowed in [false, true] {
        for door in &doors(desk) {
            for at in 0..callers::all().len() {
                for tried in variants(door) {
                    // Anew each time: what was allowed before may have erased the one who asked.
                    let by = callers::known_as(home.me).swap_remove(at);
                    let Some(object) = object(door, *tried, &by, home.others) else { continue };
                    let decision = decide(&by.who, door.rule.verb, &object, now());
                    if decision.is_allowed() != allowed {
                        continue;
                    }
                    let response = ask(&app, door, &path(door, *tried, home), &by).await;
                    if let Some(what) = complaint(door, &decision, response).await {
                        complaints.push(format!("{} {} {tried:?} by {} {what}", door.method, door.path, by.name));
                    }
                    if allowed {
                        home = Household::whole(desk, Some(home)).await;
                    }
                }
            }
        }
        if !allowed {
            assert_eq!(before, contents(desk).await, "a refused request has changed something");
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The positive control: a handler without a guard, and one that refuses everybody, are found.
#[tokio::test]
async fn a_door_that_does_not_ask_is_found() {
    use domovoi::policy::{Kind, Verb};
    let door = Door { method: axum::http::Method::GET, path: "/api/v1/x", rule: web::rule(Verb::See, Kind::Secret) };
    let nobody = &callers::all()[0];
    let refused = Decision::Refuse(Refusal::SignIn);
    let open = Router::new().route("/api/v1/x", axum::routing::get(|| async { "secret" }));
    let found = complaint(&door, &refused, ask(&open, &door, "/api/v1/x", nobody).await).await;
    assert!(found.is_some_and(|what| what.contains("to be refused")));
    let opened = opened().await;
    let shut = Doors::new(&opened.desk, 1024).door(&door.method, door.path, door.rule, || async { "secret" });
    let shut = shut.into_router().with_state(opened.desk.clone());
    assert_eq!(complaint(&door, &refused, ask(&shut, &door, "/api/v1/x", nobody).await).await, None);
    let found = complaint(&door, &Decision::Allow, ask(&shut, &door, "/api/v1/x", nobody).await).await;
    assert!(found.is_some_and(|what| what.contains("to be allowed")));
}
