//! The portal link against npm `oidc-provider`: linking by device code and by browser, rotation of refresh tokens, tokens
//! bound to a key, revocation. Tokens are read out of the hub's own store, as a thief of it would.

use std::time::Duration;

use domovoi::clock::Clock;
use domovoi::portal::calls::get_accounts;
use domovoi::portal::{CallError, Dpop, LinkError, LinkProgress, LinkState, Portal, PortalSettings, Shelf};
use domovoi_model::Id;
use domovoi_store::Store;
use domovoi_vault::MasterKey;
use e2e::{crypto, until};
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::citizen::Citizen;
use super::{Running, Scripts};

/// Short enough that tokens end while a test looks on, long enough for a call on a loaded machine.
const ACCESS_S: u64 = 3;

/// The authorization server and the API behind it.
pub struct Server {
    pub issuer: String,
    pub api: String,
    http: Client,
    _running: Running,
    _scripts: Scripts,
}

impl Server {
    pub async fn start(options: Value) -> Server {
        crypto();
        let scripts = Scripts::new();
        let mut command = scripts.command("authorization_server.mjs");
        command.env("PEER", options.to_string());
        let mut running = Running::start(command);
        let line = running.line("its addresses", |line| line.starts_with('{')).await;
        let told: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Server { issuer: text("issuer"), api: text("api"), http: Client::new(), _running: running, _scripts: scripts }
    }

    /// What the server and the API have been asked so far.
    pub async fn seen(&self) -> Value {
        let address = Url::parse(&self.api).unwrap().join("/seen").unwrap();
        self.http.get(address).send().await.unwrap().json().await.unwrap()
    }

    /// How many requests for tokens came with this grant type.
    async fn grants(&self, kind: &str) -> usize {
        let seen = self.seen().await;
        seen["grants"].as_array().unwrap().iter().filter(|grant| grant["grant_type"] == kind).count()
    }

    async fn slow_down_once(&self) {
        let address = Url::parse(&self.api).unwrap().join("/slow-down").unwrap();
        self.http.post(address).send().await.unwrap();
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = self.http.post(format!("{}{path}", self.issuer)).form(form).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// A refresh by somebody who has the token and no key.
    async fn refresh_without_proof(&self, client_id: &str, token: &str) -> (StatusCode, Value) {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client_id)];
        self.post("/token", &form).await
    }

    async fn introspect(&self, client_id: &str, token: &str) -> Value {
        self.post("/token/introspection", &[("token", token), ("client_id", client_id)]).await.1
    }
}

/// The portal room of a hub, with a store of its own.
pub struct Hub {
    pub portal: Portal,
    pub store: Store,
    settings: PortalSettings,
    clock: Clock,
    _folder: TempDir,
}

impl Hub {
    pub async fn open(server: &Server, client_id: &str, dpop: Dpop) -> Hub {
        Hub::open_at(server, &server.issuer, client_id, dpop).await
    }

    async fn open_at(server: &Server, issuer: &str, client_id: &str, dpop: Dpop) -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let kept = domovoi_store::Settings::new(folder.path().join("hub"));
        let store = Store::open(&kept, &MasterKey::generate().unwrap()).await.unwrap();
        let mut settings = PortalSettings::new(issuer, &server.api, client_id).unwrap();
        settings.scopes = ["accounts.read", "acts.write", "acts.read", "offline_access"].map(String::from).into();
        settings.resource = Some(Url::parse(&server.api).unwrap());
        settings.dpop = dpop;
        // The server compares a proof's time with its own clock.
        let clock = Clock::system(Id(*uuid::Uuid::new_v4().as_bytes()));
        let portal = Portal::open(settings.clone(), Shelf::new(store.clone()), clock.clone()).await.unwrap();
        Hub { portal, store, settings, clock, _folder: folder }
    }

    /// The same store after a restart.
    async fn reopen(&mut self) {
        self.portal =
            Portal::open(self.settings.clone(), Shelf::new(self.store.clone()), self.clock.clone()).await.unwrap();
    }

    /// Links with a device code that the citizen answers.
    pub async fn link(&self, allow: bool) -> Result<LinkState, LinkError> {
        let mut citizens = tokio::task::JoinSet::new();
        let linked = Box::pin(self.portal.link_device(|step| {
            if let LinkProgress::ShowCode(code) = step {
                let address =
                    code.verification_uri_complete.expect("the server offers the address with the code in it");
                assert!(address.as_str().contains(&code.user_code));
                citizens.spawn(async move { Citizen::new().answer_device(address, allow).await });
            }
        }))
        .await;
        citizens.join_all().await;
        linked
    }

    /// A token as it lies, unsealed, in the store.
    async fn token(&self, name: &str) -> String {
        let secret = self.store.secrets().get("portal.link").await.unwrap().expect("there is a link");
        let link: Value = serde_json::from_slice(secret.expose()).unwrap();
        link[name].as_str().expect("the link has this token").to_owned()
    }

    /// Calls the API until the refresh token is another one than `before`; gives the new one.
    async fn renewed(&self, before: &str) -> String {
        until("the tokens are renewed", || async {
            match Box::pin(get_accounts::call(&self.portal)).await {
                // A token that lives for seconds may end on its way, twice too.
                Ok(_) | Err(CallError::RetryLater { .. }) => {}
                Err(why) => panic!("{why}"),
            }
            let now = self.token("refresh_token").await;
            (now != before).then_some(now)
        })
        .await
    }
}

fn granted(state: &LinkState) -> (&[String], &[String]) {
    let LinkState::Linked { granted, missing, .. } = state else { panic!("{state:?}") };
    (granted, missing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn a_device_link_survives_rotation_and_ends_when_a_refresh_token_is_used_twice() {
    let server = Server::start(json!({ "access_s": ACCESS_S, "interval_s": 1 })).await;
    let mut hub = Hub::open(&server, "hub-bearer", Dpop::Off).await;
    // One scope more than this server knows.
    hub.settings.scopes.push("charges.read".into());
    hub.reopen().await;
    server.slow_down_once().await;
    let state = hub.link(true).await.unwrap();
    let (has, lacks) = granted(&state);
    for scope in ["accounts.read", "acts.write", "acts.read"] {
        assert!(has.iter().any(|granted| granted == scope), "{scope} in {has:?}");
    }
    assert_eq!(lacks, ["charges.read"]);
    let seen = server.seen().await;
    assert_eq!(seen["grants"][0]["error"], "slow_down");
    assert_eq!(seen["grants"].as_array().unwrap().last().unwrap()["error"], Value::Null);

    // Many ask at once when a token has ended; a second use of one refresh token would end everything.
    let mut tokens = vec![hub.token("refresh_token").await];
    for round in 0..4 {
        let before = tokens.last().unwrap().clone();
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let portal = hub.portal.clone();
            callers.spawn(async move { get_accounts::call(&portal).await });
        }
        for answer in callers.join_all().await {
            assert!(matches!(answer, Ok(_) | Err(CallError::RetryLater { .. })), "{answer:?}");
        }
        if hub.token("refresh_token").await == before {
            hub.renewed(&before).await;
        }
        let now = hub.token("refresh_token").await;
        assert!(!tokens.contains(&now), "each refresh brings a new one");
        tokens.push(now);
        if round == 1 {
            hub.reopen().await;
        }
    }
    assert!(server.grants("refresh_token").await >= 4);

    // A thief comes with a token that was used already: the server ends the grant, for the hub too.
    let (status, why) = server.refresh_without_proof("hub-bearer", &tokens[0]).await;
    assert_eq!((status, &why["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    until("the hub hears of it", || async {
        let answer = Box::pin(get_accounts::call(&hub.portal)).await;
        matches!(answer, Err(CallError::RelinkNeeded(_))).then_some(())
    })
    .await;
    assert!(matches!(hub.portal.status(), LinkState::RelinkNeeded { .. }));
    let asked = server.grants("refresh_token").await;
    for _ in 0..5 {
        assert!(matches!(get_accounts::call(&hub.portal).await, Err(CallError::RelinkNeeded(_))));
    }
    hub.reopen().await;
    assert!(matches!(get_accounts::call(&hub.portal).await, Err(CallError::RelinkNeeded(_))));
    assert_eq!(server.grants("refresh_token").await, asked, "what is over is not asked for again");
    granted(&hub.link(true).await.unwrap());
    get_accounts::call(&hub.portal).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn a_hub_restored_from_a_backup_with_an_old_refresh_token_asks_once_and_wants_a_new_link() {
    let server = Server::start(json!({ "access_s": ACCESS_S, "interval_s": 1 })).await;
    let mut hub = Hub::open(&server, "hub-bearer", Dpop::Off).await;
    hub.link(true).await.unwrap();
    let old = hub.store.secrets().get("portal.link").await.unwrap().unwrap();
    hub.renewed(&hub.token("refresh_token").await).await;
    hub.store.secrets().put("portal.link", old.expose()).await.unwrap();
    hub.reopen().await;
    let before = server.grants("refresh_token").await;
    until("the old token is refused", || async {
        matches!(Box::pin(get_accounts::call(&hub.portal)).await, Err(CallError::RelinkNeeded(_))).then_some(())
    })
    .await;
    for _ in 0..3 {
        assert!(matches!(get_accounts::call(&hub.portal).await, Err(CallError::RelinkNeeded(_))));
    }
    assert_eq!(server.grants("refresh_token").await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn tokens_bound_to_a_key_are_of_no_use_without_it() {
    let server = Server::start(json!({ "access_s": ACCESS_S, "interval_s": 1 })).await;
    let mut hub = Hub::open(&server, "hub-dpop", Dpop::Required).await;
    granted(&hub.link(true).await.unwrap());
    get_accounts::call(&hub.portal).await.unwrap();
    let seen = server.seen().await;
    assert_eq!(seen["calls"].as_array().unwrap().last().unwrap()["bound"], true);
    let stolen = hub.token("refresh_token").await;
    let (status, why) = server.refresh_without_proof("hub-dpop", &stolen).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
    // The bound access token, as a bearer token.
    let answer =
        server.http.get(format!("{}/accounts", server.api)).bearer_auth(hub.token("access_token").await).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
    // With its proofs the hub goes on, after a restart too: the key is kept with the link.
    let next = hub.renewed(&stolen).await;
    hub.reopen().await;
    let last = hub.renewed(&next).await;
    assert_ne!(last, stolen);
    let told = server.introspect("hub-dpop", &hub.token("access_token").await).await;
    assert!(told["cnf"]["jkt"].is_string() || told["active"] == false, "{told}");
    let seen = server.seen().await;
    let refreshes: Vec<&Value> =
        seen["grants"].as_array().unwrap().iter().filter(|grant| grant["grant_type"] == "refresh_token").collect();
    assert!(refreshes.iter().all(|grant| grant["proof"].as_bool() == Some(grant["error"].is_null())), "{refreshes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn a_browser_link_has_pkce_and_believes_only_its_own_issuer() {
    for (client_id, dpop) in [("hub-bearer", Dpop::Off), ("hub-dpop", Dpop::IfOffered)] {
        let server = Server::start(json!({ "access_s": 60 })).await;
        let hub = Hub::open(&server, client_id, dpop).await;
        let stranger = through_browser(&hub, |redirect| with(redirect, "iss", "https://evil.example")).await;
        let Err(LinkError::Failed(words)) = stranger else { panic!("{stranger:?}") };
        assert!(words.contains("evil.example"), "{words}");
        let silent = through_browser(&hub, |redirect| without(redirect, "iss")).await;
        assert!(matches!(silent, Err(LinkError::Failed(_))), "the server says that it always names itself: {silent:?}");
        assert_eq!(server.grants("authorization_code").await, 0, "no code of theirs is tried");
        let state = through_browser(&hub, |redirect| {
            let issuer = redirect.query_pairs().find(|(name, _)| name == "iss").expect("RFC 9207").1.into_owned();
            assert_eq!(issuer, server.issuer);
            redirect
        })
        .await
        .unwrap();
        assert_eq!(granted(&state).1, [""; 0]);
        get_accounts::call(&hub.portal).await.unwrap();
        let seen = server.seen().await;
        assert_eq!(seen["calls"][0]["bound"], dpop != Dpop::Off);
        assert_eq!(server.grants("authorization_code").await, 1);
    }
}

/// Links through the browser; `bend` is what happens to the redirect on its way.
async fn through_browser(hub: &Hub, bend: impl FnOnce(Url) -> Url) -> Result<LinkState, LinkError> {
    let (open, opened) = tokio::sync::oneshot::channel();
    let mut open = Some(open);
    let linking = hub.portal.link_browser(|step| {
        if let LinkProgress::OpenBrowser(address) = step {
            open.take().expect("the browser is opened once").send(address).expect("somebody is at the browser");
        }
    });
    let browsing = async {
        let address = opened.await.unwrap();
        let given = |name: &str| address.query_pairs().find(|(given, _)| given == name).map(|(_, v)| v.into_owned());
        assert_eq!(given("code_challenge_method").as_deref(), Some("S256"));
        assert_eq!(given("response_type").as_deref(), Some("code"));
        assert!(given("state").is_some_and(|state| state.len() >= 32));
        // The server insists: without the challenge it gives no code.
        let bare = Citizen::new().allow_in_browser(without(address.clone(), "code_challenge")).await;
        assert!(bare.query_pairs().any(|(name, value)| name == "error" && value == "invalid_request"), "{bare}");
        let redirect = Citizen::new().allow_in_browser(address).await;
        Client::new().get(bend(redirect)).send().await.unwrap();
    };
    tokio::join!(Box::pin(linking), Box::pin(browsing)).0
}

fn without(mut address: Url, name: &str) -> Url {
    let rest: Vec<(String, String)> =
        address.query_pairs().filter(|(given, _)| given != name).map(|(n, v)| (n.into(), v.into())).collect();
    address.query_pairs_mut().clear().extend_pairs(rest);
    address
}

fn with(address: Url, name: &str, value: &str) -> Url {
    let mut address = without(address, name);
    address.query_pairs_mut().append_pair(name, value);
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn unlinking_makes_both_tokens_worthless_at_the_server() {
    for (client_id, dpop) in [("hub-bearer", Dpop::Off), ("hub-dpop", Dpop::Required)] {
        let server = Server::start(json!({ "access_s": 60, "interval_s": 1 })).await;
        let hub = Hub::open(&server, client_id, dpop).await;
        hub.link(true).await.unwrap();
        let tokens = [hub.token("access_token").await, hub.token("refresh_token").await];
        for token in &tokens {
            assert_eq!(server.introspect(client_id, token).await["active"], true);
        }
        let done = hub.portal.unlink().await.unwrap();
        assert!(done.was_linked && done.told_portal, "{done:?}");
        for token in &tokens {
            assert_eq!(server.introspect(client_id, token).await["active"], false);
        }
        assert_eq!(hub.portal.status(), LinkState::Unlinked);
        assert!(hub.store.secrets().get("portal.link").await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn no_link_is_made_with_another_issuer_after_a_refusal_or_after_the_time_is_over() {
    let impostor = Server::start(json!({ "issuer": "https://portal.example" })).await;
    let hub = Hub::open(&impostor, "hub-bearer", Dpop::Off).await;
    let Err(LinkError::Failed(words)) = hub.link(true).await else { panic!("an impostor was linked") };
    assert!(words.contains("https://portal.example") && words.contains(&impostor.issuer), "{words}");

    let server = Server::start(json!({ "device_code_s": 2 })).await;
    let hub = Hub::open_at(&server, &format!("{}/", server.issuer), "hub-bearer", Dpop::Off).await;
    assert!(matches!(hub.link(true).await, Err(LinkError::Failed(_))), "equal to the letter, RFC 8414 section 3.3");

    let hub = Hub::open(&server, "hub-bearer", Dpop::Off).await;
    let slow = Box::pin(hub.portal.link_device(|_| {})).await;
    assert!(matches!(slow, Err(LinkError::Expired)), "{slow:?}");

    let server = Server::start(json!({ "interval_s": 1 })).await;
    let hub = Hub::open(&server, "hub-bearer", Dpop::Off).await;
    let refused = hub.link(false).await;
    assert!(matches!(refused, Err(LinkError::Denied)), "{refused:?}");
    assert_eq!(hub.portal.status(), LinkState::Unlinked);
    // The server names no interval here: five seconds pass between polls.
    let server = Server::start(json!({})).await;
    let hub = Hub::open(&server, "hub-bearer", Dpop::Off).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let linking = hub.portal.link_device(|step| {
        if let LinkProgress::ShowCode(code) = step {
            tell.take().expect("one code is shown").send(code.interval).expect("the test listens");
        }
    });
    tokio::select! {
        ended = Box::pin(linking) => panic!("nobody has answered: {ended:?}"),
        interval = told => assert_eq!(interval.unwrap(), Duration::from_secs(5)),
    }
}
