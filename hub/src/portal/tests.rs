//! Linking, refreshing, unlinking against a portal whose every answer is written here.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi_model::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::calls::get_accounts;
use super::fake::{Asked, Fake, clock, shelf, tokens, told, told_json, told_problem};
use super::*;

fn accounts(asked: &Asked, good_token: &str) -> Option<fake::Told> {
    asked.is("GET", "/api/v1/accounts").then(|| match asked.header("authorization") {
        Some(token) if token == good_token => told_json(200, &json!({ "accounts": [] })),
        _ => told_problem(401, "unauthorized"),
    })
}

fn device_answer(base: &str) -> serde_json::Value {
    json!({
        "device_code": "dc-secret", "user_code": "WDJB-MJHT", "verification_uri": format!("{base}/device-page"),
        "verification_uri_complete": format!("{base}/device-page?code=WDJB-MJHT"), "expires_in": 600,
    })
}

/// Runs the device grant with a clockless wait; gives the result, what was shown, and the waits that were asked for.
async fn device(fake: &Fake) -> (Result<Granted, LinkError>, Option<DeviceCode>, Vec<u64>) {
    let portal = fake.open(&shelf().await).await;
    let metadata = portal.0.metadata(|_| true).await.unwrap();
    let (shown, waits) = (Mutex::new(None), Mutex::new(Vec::new()));
    let wait = |interval: Duration| {
        waits.lock().unwrap().push(interval.as_secs());
        tokio::task::yield_now()
    };
    let show = |code| *shown.lock().unwrap() = Some(code);
    let result = device_grant::run(&portal.0, &metadata, None, Binding::Bearer, show, wait).await;
    (result, shown.into_inner().unwrap(), waits.into_inner().unwrap())
}

/// A portal whose token endpoint answers device polls in turn.
async fn device_portal(answers: Vec<fn() -> fake::Told>) -> (Fake, Arc<AtomicU32>) {
    let polls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&polls);
    let fake = Fake::start(move |base, asked| match asked.target.as_str() {
        "/device" => Some(told_json(200, &device_answer(base))),
        "/token" => {
            assert_eq!(asked.form("device_code").as_deref(), Some("dc-secret"));
            let n = counter.fetch_add(1, Ordering::SeqCst) as usize;
            answers.get(n).map(|answer| answer())
        }
        _ => None,
    })
    .await;
    (fake, polls)
}

fn oauth_error(error: &str) -> fake::Told {
    told_json(400, &json!({ "error": error }))
}

#[tokio::test]
async fn device_polling_slows_down_for_good_and_stops_at_success() {
    let (fake, polls) = device_portal(vec![
        || oauth_error("authorization_pending"),
        || oauth_error("slow_down"),
        || oauth_error("authorization_pending"),
        || told(503, "text/html", "<h1>busy</h1>"),
        || tokens(1, "bearer"),
    ])
    .await;
    let (result, shown, waits) = device(&fake).await;
    let granted = result.unwrap();
    assert_eq!(granted.access_token.secret(), "at-1");
    // No interval in the answer: 5 s; slow_down adds 5 s to all later polls; a failure doubles.
    assert_eq!(waits, [5, 10, 10, 20]);
    assert_eq!(polls.load(Ordering::SeqCst), 5, "never again after success");
    let code = shown.unwrap();
    assert_eq!((code.user_code.as_str(), code.interval), ("WDJB-MJHT", Duration::from_secs(5)));
    assert_eq!(code.expires_at, clock().wall().plus_millis(600_000));
    let asked = fake.asked();
    assert_eq!(asked[0].form("client_id").as_deref(), Some("hub"));
    assert!(asked[0].form("scope").unwrap().contains("acts.write"));
}

#[tokio::test]
async fn device_polling_ends_on_refusal_expiry_and_a_cut_success() {
    let (denied, polls) = device_portal(vec![|| oauth_error("access_denied")]).await;
    assert!(matches!(device(&denied).await.0, Err(LinkError::Denied)));
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    let (expired, _) =
        device_portal(vec![|| oauth_error("authorization_pending"), || oauth_error("expired_token")]).await;
    assert!(matches!(device(&expired).await.0, Err(LinkError::Expired)));
    // The grant was made and its answer is too large to be read: a second poll would revoke everything.
    let (cut, polls) = device_portal(vec![|| told(200, "application/json", "x".repeat(300_000))]).await;
    assert!(matches!(device(&cut).await.0, Err(LinkError::Failed(_))));
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_device_code_that_leads_astray_is_not_shown() {
    let fake = Fake::start(|_, asked| {
        asked.is("POST", "/device").then(|| {
            let mut answer = device_answer("http://portal.example");
            answer["expires_in"] = 60.into();
            told_json(200, &answer)
        })
    })
    .await;
    let (result, shown, _) = device(&fake).await;
    assert!(matches!(result, Err(LinkError::Failed(words)) if words.contains("plain http")));
    assert_eq!(shown, None);
}

#[tokio::test]
async fn linking_with_a_code_keeps_the_link_across_a_restart() {
    let fake = Fake::start(|base, asked| match asked.target.as_str() {
        "/device" => Some(told_json(200, &device_answer(base))),
        "/token" => Some(tokens(1, "Bearer")),
        _ => accounts(asked, "Bearer at-1"),
    })
    .await;
    let shelf = shelf().await;
    let portal = fake.open(&shelf).await;
    assert_eq!(portal.status(), LinkState::Unlinked);
    assert!(matches!(get_accounts::call(&portal).await, Err(CallError::NotSent { .. })));
    let mut steps = Vec::new();
    let state = portal.link_device(|step| steps.push(step)).await.unwrap();
    let LinkState::Linked { granted, missing, .. } = &state else { panic!("{state:?}") };
    assert_eq!(granted, &["acts.write"]);
    assert!(missing.contains(&"charges.read".to_owned()) && !missing.contains(&"offline_access".to_owned()));
    assert!(matches!(steps[..], [LinkProgress::Permissions(_), LinkProgress::ShowCode(_), LinkProgress::Linked(_)]));
    assert!(matches!(portal.link_device(|_| ()).await, Err(LinkError::AlreadyLinked)));
    drop(portal);
    let portal = fake.open(&shelf).await;
    assert_eq!(portal.status(), state);
    assert_eq!(get_accounts::call(&portal).await, Ok(vec![]));
}

#[tokio::test]
async fn cancelled_linking_leaves_no_trace() {
    let fake = Fake::start(|base, asked| match asked.target.as_str() {
        "/device" => Some(told_json(200, &device_answer(base))),
        "/token" => Some(oauth_error("authorization_pending")),
        _ => None,
    })
    .await;
    let portal = fake.open(&shelf().await).await;
    let (shown, waiting) = tokio::sync::oneshot::channel();
    let mut shown = Some(shown);
    let linking = {
        let portal = portal.clone();
        tokio::spawn(async move {
            let step = |step| {
                if let LinkProgress::ShowCode(_) = step {
                    shown.take().unwrap().send(()).unwrap();
                }
            };
            portal.link_device(step).await
        })
    };
    waiting.await.unwrap();
    assert_eq!(portal.status(), LinkState::Linking);
    assert!(matches!(portal.link_device(|_| ()).await, Err(LinkError::Busy)));
    linking.abort();
    assert!(linking.await.unwrap_err().is_cancelled());
    assert_eq!(portal.status(), LinkState::Unlinked);
}

async fn get(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let request = format!("GET {}{query} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", url.path());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn linking_through_the_browser() {
    let challenge = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&challenge);
    let fake = Fake::start(move |_, asked| {
        asked.is("POST", "/token").then(|| {
            let verifier = oauth2::PkceCodeVerifier::new(asked.form("code_verifier").unwrap());
            let expected = oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            assert_eq!(expected.as_str(), *seen.lock().unwrap());
            assert_eq!(asked.form("code").as_deref(), Some("code-1"));
            assert!(asked.form("redirect_uri").unwrap().starts_with("http://127.0.0.1:"));
            tokens(1, "Bearer")
        })
    })
    .await;
    let portal = fake.open(&shelf().await).await;
    let (opened, opening) = tokio::sync::oneshot::channel();
    let mut opened = Some(opened);
    let linking = {
        let portal = portal.clone();
        tokio::spawn(async move {
            portal
                .link_browser(|step| {
                    if let LinkProgress::OpenBrowser(url) = step {
                        opened.take().unwrap().send(url).unwrap();
                    }
                })
                .await
        })
    };
    let url = opening.await.unwrap();
    let query = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    assert_eq!((query("response_type"), query("code_challenge_method")), ("code".into(), "S256".into()));
    *challenge.lock().unwrap() = query("code_challenge");
    let (redirect, state) = (query("redirect_uri"), query("state"));
    assert!(get(&format!("{redirect}?code=evil&state=guessed&iss={}", fake.base)).await.starts_with("HTTP/1.1 400"));
    assert!(get(&redirect.replace("/domovoi/linked", "/favicon.ico")).await.starts_with("HTTP/1.1 404"));
    let page = get(&format!("{redirect}?code=code-1&state={state}&iss={}", fake.base)).await;
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("lang=\"ru\"") && page.contains("You can close"),
        "{page}"
    );
    assert!(matches!(linking.await.unwrap(), Ok(LinkState::Linked { .. })));
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_refresh_for_twenty_callers_and_durable_before_use() {
    let shelf = shelf().await;
    let early = Arc::new(AtomicU32::new(0));
    let (kept, too_early) = (shelf.clone(), Arc::clone(&early));
    let fake = Fake::start(move |_, asked| match asked.target.as_str() {
        "/token" => {
            assert_eq!(asked.form("refresh_token").as_deref(), Some("rt-1"));
            Some(tokens(2, "Bearer"))
        }
        _ => {
            // The first use of the new access token: its refresh token must be durable by now.
            if asked.header("authorization") == Some("Bearer at-2") {
                let reading = || tokio::runtime::Handle::current().block_on(kept.load());
                let found = tokio::task::block_in_place(reading).unwrap().unwrap();
                if found.refresh_token.as_deref() != Some("rt-2") {
                    too_early.fetch_add(1, Ordering::SeqCst);
                }
            }
            accounts(asked, "Bearer at-2")
        }
    })
    .await;
    shelf.save(&fake.link()).await.unwrap();
    let portal = fake.open(&shelf).await;
    let calls = (0..20).map(|_| {
        let portal = portal.clone();
        tokio::spawn(async move { get_accounts::call(&portal).await })
    });
    for call in futures_util::future::join_all(calls).await {
        assert_eq!(call.unwrap(), Ok(vec![]));
    }
    assert_eq!(fake.asked().iter().filter(|asked| asked.target == "/token").count(), 1);
    assert_eq!(early.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_ended_token_is_renewed_before_use_and_clock_steps_do_no_harm() {
    let fake = Fake::start(|_, asked| match asked.target.as_str() {
        "/token" => Some(tokens(2, "Bearer")),
        _ => accounts(asked, "Bearer at-2"),
    })
    .await;
    let shelf = shelf().await;
    let mut link = fake.link();
    link.expires_at = Some(link.obtained_at + 30_000);
    shelf.save(&link).await.unwrap();
    let clock = clock();
    clock.set(Timestamp(link.obtained_at + 29_000));
    let portal = Portal::open(fake.settings(), shelf.shelf.clone(), clock.clone()).await.unwrap();
    assert_eq!(get_accounts::call(&portal).await, Ok(vec![]));
    let targets: Vec<String> = fake.asked().iter().map(|asked| asked.target.clone()).collect();
    assert_eq!(targets, ["/token", "/api/v1/accounts"], "renewed without a 401");
    for step in [-86_400_000, -60_000, 60_000] {
        clock.set(Timestamp(link.obtained_at + step));
        assert_eq!(get_accounts::call(&portal).await, Ok(vec![]));
    }
    assert_eq!(fake.asked().iter().filter(|asked| asked.target == "/token").count(), 1);
}

#[tokio::test]
async fn a_grant_that_is_gone_asks_for_linking_and_never_loops() {
    let fake = Fake::start(|_, asked| match asked.target.as_str() {
        "/token" => Some(oauth_error("invalid_grant")),
        _ => accounts(asked, "Bearer none"),
    })
    .await;
    let (portal, shelf) = fake.linked().await;
    for _ in 0..3 {
        assert!(matches!(get_accounts::call(&portal).await, Err(CallError::RelinkNeeded(_))));
    }
    assert!(matches!(portal.status(), LinkState::RelinkNeeded { .. }));
    assert_eq!(fake.asked().len(), 2, "one call, one refresh, then silence");
    let again = fake.open(&shelf).await;
    assert!(matches!(again.status(), LinkState::RelinkNeeded { .. }), "it survives a restart");
    assert_eq!(shelf.load().await.unwrap().unwrap().refresh_token, None);
}

#[tokio::test]
async fn a_lost_refresh_answer_is_asked_for_once_more_only() {
    let refreshes = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&refreshes);
    let fake = Fake::start(move |_, asked| match asked.target.as_str() {
        "/token" => match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Some(told(500, "text/html", "<h1>after the rotation</h1>")),
            _ => Some(oauth_error("invalid_grant")),
        },
        _ => accounts(asked, "Bearer at-2"),
    })
    .await;
    let (portal, _) = fake.linked().await;
    assert!(matches!(get_accounts::call(&portal).await, Err(CallError::RelinkNeeded(_))));
    assert_eq!(refreshes.load(Ordering::SeqCst), 2);

    let down = Fake::start(|_, asked| match asked.target.as_str() {
        "/token" => Some(told(500, "text/html", "<h1>down</h1>")),
        _ => accounts(asked, "Bearer at-2"),
    })
    .await;
    let (portal, _) = down.linked().await;
    assert!(matches!(get_accounts::call(&portal).await, Err(CallError::NotSent { .. })));
    assert_eq!(down.asked().iter().filter(|asked| asked.target == "/token").count(), 2);
    assert!(matches!(portal.status(), LinkState::Linked { .. }), "a portal that is down ends no link");
}

#[tokio::test]
async fn withdrawn_consent_pending_and_blocked_accounts_show_in_the_state() {
    let code = Arc::new(Mutex::new("account-pending"));
    let now = Arc::clone(&code);
    let fake = Fake::start(move |_, asked| {
        let code = *now.lock().unwrap();
        asked.is("GET", "/api/v1/accounts").then(|| match code {
            "fine" => told_json(200, &json!({ "accounts": [] })),
            code => told_problem(403, code),
        })
    })
    .await;
    let (portal, _) = fake.linked().await;
    assert_eq!(get_accounts::call(&portal).await, Err(CallError::AccountPending));
    assert_eq!(portal.status(), LinkState::AccountPending);
    *code.lock().unwrap() = "account-blocked";
    assert_eq!(get_accounts::call(&portal).await, Err(CallError::AccountBlocked));
    assert_eq!(portal.status(), LinkState::AccountBlocked { detail: "words about account-blocked".to_owned() });
    *code.lock().unwrap() = "fine";
    assert!(get_accounts::call(&portal).await.is_ok());
    assert!(matches!(portal.status(), LinkState::Linked { .. }));
    *code.lock().unwrap() = "consent-withdrawn";
    assert!(matches!(get_accounts::call(&portal).await, Err(CallError::RelinkNeeded(_))));
    assert!(matches!(portal.status(), LinkState::RelinkNeeded { .. }));
}

#[tokio::test]
async fn proofs_are_sent_and_a_nonce_is_taken_up_at_both_endpoints() {
    let with_nonce = |mut told: fake::Told, nonce: &'static str| {
        told.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
        told
    };
    let nonce_of = |asked: &Asked| {
        use base64::Engine as _;
        let proof = asked.header("dpop")?;
        let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(proof.split('.').nth(1)?).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        Some((claims["nonce"].as_str().map(str::to_owned), claims["ath"].is_string()))
    };
    let fake = Fake::start(move |base, asked| match asked.target.as_str() {
        "/.well-known/oauth-authorization-server" => Some(told_json(
            200,
            &json!({
                "issuer": base, "token_endpoint": format!("{base}/token"),
                "device_authorization_endpoint": format!("{base}/device"), "dpop_signing_alg_values_supported": ["ES256"],
            }),
        )),
        "/device" => Some(told_json(200, &device_answer(base))),
        "/token" => Some(match nonce_of(asked).unwrap() {
            (Some(nonce), false) if nonce == "n-1" => with_nonce(tokens(1, "DPoP"), "n-2"),
            _ => with_nonce(oauth_error("use_dpop_nonce"), "n-1"),
        }),
        "/api/v1/accounts" => Some(match nonce_of(asked).unwrap() {
            (Some(nonce), true) if nonce == "n-3" => {
                assert_eq!(asked.header("authorization"), Some("DPoP at-1"));
                told_json(200, &json!({ "accounts": [] }))
            }
            _ => {
                let mut told = with_nonce(told(401, "text/plain", ""), "n-3");
                told.headers_mut().insert("www-authenticate", "DPoP error=\"use_dpop_nonce\"".parse().unwrap());
                told
            }
        }),
        _ => None,
    })
    .await;
    let shelf = shelf().await;
    let mut settings = fake.settings();
    settings.dpop = Dpop::Required;
    let portal = Portal::open(settings, shelf.shelf.clone(), clock()).await.unwrap();
    portal.link_device(|_| ()).await.unwrap();
    assert_eq!(get_accounts::call(&portal).await, Ok(vec![]));
    assert_eq!(get_accounts::call(&portal).await, Ok(vec![]));
    let targets: Vec<String> = fake.asked().iter().map(|asked| asked.target.clone()).collect();
    let api = "/api/v1/accounts";
    assert_eq!(targets, ["/device", "/token", "/token", api, api, api], "one more try each, then the nonce is known");
    assert!(shelf.load().await.unwrap().unwrap().dpop_key.is_some());
}

#[tokio::test]
async fn a_portal_without_dpop_is_refused_where_it_is_required() {
    let fake = Fake::start(|_, _| None).await;
    let mut settings = fake.settings();
    settings.dpop = Dpop::Required;
    let portal = Portal::open(settings, shelf().await.shelf.clone(), clock()).await.unwrap();
    assert!(matches!(portal.link_device(|_| ()).await, Err(LinkError::NotOffered(_))));
    assert_eq!(portal.status(), LinkState::Unlinked);
}

#[tokio::test]
async fn metadata_of_another_issuer_and_of_plain_http_endpoints_is_refused() {
    let other = Fake::start(|base, asked| {
        asked.target.starts_with("/.well-known/").then(|| {
            told_json(200, &json!({ "issuer": format!("{base}/"), "token_endpoint": format!("{base}/token") }))
        })
    })
    .await;
    let portal = other.open(&shelf().await).await;
    let Err(LinkError::Failed(words)) = portal.link_device(|_| ()).await else { panic!() };
    assert!(words.contains("equal to the letter"), "{words}");

    let plain = Fake::start(|base, asked| {
        asked
            .target
            .starts_with("/.well-known/")
            .then(|| told_json(200, &json!({ "issuer": base, "token_endpoint": "http://portal.example/token" })))
    })
    .await;
    let portal = plain.open(&shelf().await).await;
    let Err(LinkError::Failed(words)) = portal.link_device(|_| ()).await else { panic!() };
    assert!(words.contains("token_endpoint") && words.contains("plain http"), "{words}");

    let page = Fake::start(|_, asked| {
        asked.target.starts_with("/.well-known/").then(|| told(200, "text/html", "<html>login</html>"))
    })
    .await;
    let portal = page.open(&shelf().await).await;
    let Err(LinkError::Failed(words)) = portal.link_device(|_| ()).await else { panic!() };
    assert!(words.contains("web page (HTML"), "{words}");
}

#[tokio::test]
async fn unlinking_revokes_the_refresh_token_first() {
    let busy = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&busy);
    let fake = Fake::start(move |_, asked| {
        asked.is("POST", "/revoke").then(|| match counter.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let mut told = told(503, "text/html", "");
                told.headers_mut().insert("retry-after", "0".parse().unwrap());
                told
            }
            _ => told(200, "text/plain", ""),
        })
    })
    .await;
    let (portal, shelf) = fake.linked().await;
    let unlinked = portal.unlink().await.unwrap();
    assert_eq!(unlinked, Unlinked { was_linked: true, told_portal: true, detail: None });
    let revoked: Vec<(String, String)> = fake
        .asked()
        .iter()
        .map(|asked| (asked.form("token").unwrap(), asked.form("token_type_hint").unwrap()))
        .collect();
    let (refresh, access) = (("rt-1".into(), "refresh_token".into()), ("at-1".into(), "access_token".into()));
    assert_eq!(revoked, [refresh.clone(), refresh, access]);
    assert!(shelf.load().await.unwrap().is_none());
    assert_eq!(portal.status(), LinkState::Unlinked);
    assert!(!portal.unlink().await.unwrap().was_linked);
}

#[tokio::test]
async fn unlinking_succeeds_without_the_portal_and_says_so() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let fake = Fake::start(|_, _| None).await;
    let shelf = shelf().await;
    let mut link = fake.link();
    link.revocation_endpoint = Some(format!("{gone}/revoke"));
    shelf.save(&link).await.unwrap();
    let portal = fake.open(&shelf).await;
    let unlinked = portal.unlink().await.unwrap();
    assert!(!unlinked.told_portal && unlinked.detail.unwrap().contains("Withdraw the consent"));
    assert_eq!((portal.status(), shelf.load().await.unwrap().is_none()), (LinkState::Unlinked, true));
}

#[tokio::test]
async fn a_refused_connection_is_certainly_not_sent_and_a_cut_one_is_unknown() {
    let fake = Fake::start(|_, _| None).await;
    let shelf = shelf().await;
    shelf.save(&fake.link()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = fake.settings();
    settings.api_base = Url::parse(&format!("http://{address}/api/v1")).unwrap();
    let portal = Portal::open(settings, shelf.shelf.clone(), clock()).await.unwrap();
    let cutting = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut part = [0u8; 512];
        let _ = stream.read(&mut part).await.unwrap();
    });
    assert!(matches!(get_accounts::call(&portal).await, Err(CallError::Unknown { .. })));
    cutting.await.unwrap();
    let Err(CallError::NotSent { detail }) = get_accounts::call(&portal).await else { panic!() };
    assert!(detail.contains("cannot be reached") && detail.contains(&address.port().to_string()), "{detail}");
}

#[tokio::test]
async fn settings_that_name_another_portal_do_not_use_the_old_tokens() {
    let fake = Fake::start(|_, _| None).await;
    let shelf = shelf().await;
    let mut link = fake.link();
    link.issuer = "https://old.example".to_owned();
    shelf.save(&link).await.unwrap();
    let portal = fake.open(&shelf).await;
    assert!(matches!(get_accounts::call(&portal).await, Err(CallError::RelinkNeeded(_))));
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn secrets_stay_out_of_debug() {
    let fake = Fake::start(|_, _| None).await;
    let (portal, _) = fake.linked().await;
    let mut link = fake.link();
    link.dpop_key = Some(DpopKey::generate().to_text());
    let access = portal.0.access(None).await.unwrap();
    let shown = format!("{portal:?} {link:?} {access:?}");
    for secret in ["at-1", "rt-1", link.dpop_key.as_deref().unwrap()] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn the_futures_can_be_spawned() {
    fn sendable<T: Send>(_: impl Fn(Portal) -> T) {}
    sendable(|portal| async move { portal.link_device(|_| ()).await });
    sendable(|portal| async move { portal.link_browser(|_| ()).await });
    sendable(|portal| async move { portal.unlink().await });
    sendable(|portal| async move { get_accounts::call(&portal).await });
}
