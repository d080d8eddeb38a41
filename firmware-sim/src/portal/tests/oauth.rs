//! The authorization server: grants, rotation, proofs.

use serde_json::Value;

use super::client::{Hub, settings};
use crate::portal::jose::{EcKey, b64, sha256, unb64};
use crate::portal::{ALL_SCOPES, Lifetimes, Misbehaviour, PortalSettings, SandboxPortal};

const PKCE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PKCE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn metadata_names_the_issuer_and_what_is_offered() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::new(&portal);
    let url = format!("{}/.well-known/oauth-authorization-server", portal.issuer());
    let metadata: Value = hub.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["issuer"], portal.issuer());
    assert_eq!(metadata["code_challenge_methods_supported"][0], "S256");
    assert_eq!(metadata["dpop_signing_alg_values_supported"][0], "ES256");
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    portal.stop().await;
}

#[tokio::test]
async fn device_grant_goes_from_pending_to_tokens_and_a_second_redemption_kills_the_grant() {
    let portal = SandboxPortal::start(PortalSettings { auto_approve: false, ..settings() }).await.unwrap();
    let mut hub = Hub::new(&portal);
    let device = hub.device("accounts.read offline_access").await;
    assert_eq!(hub.poll(&device).await["error"], "authorization_pending");

    let page = hub.http.get(device["verification_uri_complete"].as_str().unwrap()).send().await.unwrap();
    let page = page.text().await.unwrap();
    let code = device["user_code"].as_str().unwrap();
    assert!(page.contains(code) && page.contains("видеть лицевые счета") && page.contains("domovoi-hub"), "{page}");

    // As a person would type it: lower case, no dash.
    let typed = code.replace('-', "").to_lowercase();
    let form = [("user_code", typed.as_str()), ("decision", "allow")];
    hub.http.post(device["verification_uri"].as_str().unwrap()).form(&form).send().await.unwrap();

    let tokens = hub.poll(&device).await;
    hub.take(&tokens);
    assert_eq!(tokens["scope"], "accounts.read offline_access");
    assert_eq!(hub.get("/accounts").await.0, 200);
    assert_eq!(hub.get("/charges").await.0, 403, "a scope that was not granted");

    assert_eq!(hub.poll(&device).await["error"], "invalid_grant");
    assert_eq!(hub.get("/accounts").await.0, 401);
}

#[tokio::test]
async fn device_grant_can_be_denied_expire_and_be_told_to_slow_down() {
    let expiring = Lifetimes { device_code_s: 0, ..Lifetimes::default() };
    let portal = SandboxPortal::start(PortalSettings { lifetimes: expiring, ..settings() }).await.unwrap();
    let hub = Hub::new(&portal);
    let device = hub.device("accounts.read").await;
    assert_eq!(hub.poll(&device).await["error"], "expired_token");

    let portal = SandboxPortal::start(PortalSettings { poll_interval_s: 60, ..settings() }).await.unwrap();
    let hub = Hub::new(&portal);
    let device = hub.device("accounts.read").await;
    assert_eq!(hub.poll(&device).await["error"], "authorization_pending");
    assert_eq!(hub.poll(&device).await["error"], "slow_down");

    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::new(&portal);
    let device = hub.device("accounts.read").await;
    portal.misbehave(Misbehaviour::SlowDown);
    assert_eq!(hub.poll(&device).await["error"], "slow_down");
    assert!(portal.deny(device["user_code"].as_str().unwrap()));
    assert_eq!(hub.poll(&device).await["error"], "access_denied");
}

#[tokio::test]
async fn refresh_rotates_and_the_old_token_takes_the_grant_along() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let mut hub = Hub::linked(&portal).await;
    let old = hub.refresh.clone();
    let tokens: Value = hub.refresh(&old).await.unwrap().json().await.unwrap();
    hub.take(&tokens);
    assert_ne!(hub.refresh, old);
    assert_eq!(hub.get("/accounts").await.0, 200);

    let again: Value = hub.refresh(&old).await.unwrap().json().await.unwrap();
    assert_eq!(again["error"], "invalid_grant");
    let newest = hub.refresh.clone();
    let killed: Value = hub.refresh(&newest).await.unwrap().json().await.unwrap();
    assert_eq!(killed["error"], "invalid_grant", "the whole grant is dead");
    assert_eq!(hub.get("/accounts").await.0, 401);
    assert_eq!(portal.view().live_grants, 0);
}

#[tokio::test]
async fn refresh_token_is_bound_to_the_key() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let thief = Hub::new(&portal);
    let answer: Value = thief.refresh(&hub.refresh).await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"], "invalid_grant");
    assert_eq!(portal.view().live_grants, 1, "a thief without the key cannot kill the grant either");
}

#[tokio::test]
async fn lost_refresh_answer_ends_in_relinking() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    portal.misbehave(Misbehaviour::RefreshAnswerLost);
    assert!(hub.refresh(&hub.refresh).await.is_err());
    let answer: Value = hub.refresh(&hub.refresh).await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"], "invalid_grant");
}

#[tokio::test]
async fn proofs_are_checked_for_signature_address_token_and_repetition() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let url = format!("{}/accounts", portal.api_base());
    let good = hub.proof("GET", &url, true, None);
    let ask = async |proof: &str| {
        let request = hub.http.get(&url).header("authorization", format!("DPoP {}", hub.access)).header("dpop", proof);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&good).await, 200);
    assert_eq!(ask(&good).await, 401, "a replay");
    assert_eq!(ask(&hub.proof("PUT", &url, true, None)).await, 401, "another method");
    assert_eq!(ask(&hub.proof("GET", &format!("{url}x"), true, None)).await, 401, "another address");
    assert_eq!(ask(&hub.proof("GET", &url, false, None)).await, 401, "no ath");
    assert_eq!(ask(&Hub::new(&portal).proof("GET", &url, false, None)).await, 401, "another key");
    let mut forged = hub.proof("GET", &url, true, None);
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    assert_eq!(ask(&forged).await, 401, "a broken signature");
    let bearer = hub.http.get(&url).bearer_auth(&hub.access).send().await.unwrap();
    assert_eq!(bearer.status(), 401);
    assert!(bearer.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn nonce_is_asked_for_and_accepted_at_both_servers() {
    let portal = SandboxPortal::start(PortalSettings { require_nonce: true, ..settings() }).await.unwrap();
    let hub = Hub::new(&portal);
    let fields = [("client_id", "domovoi-hub"), ("grant_type", "refresh_token"), ("refresh_token", "unknown")];
    let refused = hub.post_form("/oauth/token", &fields, None).await;
    assert_eq!(refused.status(), 400);
    let nonce = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "use_dpop_nonce");
    let second: Value = hub.post_form("/oauth/token", &fields, Some(&nonce)).await.json().await.unwrap();
    assert_eq!(second["error"], "invalid_grant", "past the nonce, the token is looked at");

    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    portal.misbehave(Misbehaviour::NonceChallenge);
    let refused = hub.call("GET", "/accounts").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let nonce = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let retried = hub.call_with("GET", "/accounts", Some(&nonce)).send().await.unwrap();
    assert_eq!(retried.status(), 200);
}

#[tokio::test]
async fn code_grant_wants_pkce_a_loopback_redirect_and_answers_with_iss() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::new(&portal);
    let authorize = async |redirect: &str, method: &str| {
        let query = [
            ("response_type", "code"),
            ("client_id", "domovoi-hub"),
            ("redirect_uri", redirect),
            ("scope", "accounts.read offline_access"),
            ("state", "s-1"),
            ("code_challenge", PKCE_CHALLENGE),
            ("code_challenge_method", method),
        ];
        hub.http.get(format!("{}/oauth/authorize", hub.base)).query(&query).send().await.unwrap()
    };
    assert_eq!(authorize("http://evil.example/callback", "S256").await.status(), 400);
    assert_eq!(authorize("http://127.0.0.1:5/other", "S256").await.status(), 400);
    let location =
        |response: &reqwest::Response| url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let plain = authorize("http://127.0.0.1:5/callback", "plain").await;
    assert!(location(&plain).query().unwrap().contains("error=invalid_request"));

    let redirect = "http://127.0.0.1:45123/callback";
    let back = location(&authorize(redirect, "S256").await);
    let query: std::collections::HashMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!((query["state"].as_str(), query["iss"].as_str()), ("s-1", portal.issuer()));
    let redeem = async |verifier: &str| {
        let fields = [
            ("client_id", "domovoi-hub"),
            ("grant_type", "authorization_code"),
            ("code", query["code"].as_str()),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        hub.post_form("/oauth/token", &fields, None).await.json::<Value>().await.unwrap()
    };
    assert_eq!(redeem(&PKCE_VERIFIER.to_lowercase()).await["error"], "invalid_grant");
    assert_eq!(redeem(PKCE_VERIFIER).await["token_type"], "DPoP");
    assert_eq!(redeem(PKCE_VERIFIER).await["error"], "invalid_grant");
    assert_eq!(portal.view().live_grants, 0);
}

#[tokio::test]
async fn consent_page_asks_when_nothing_is_approved_by_itself() {
    let portal = SandboxPortal::start(PortalSettings { auto_approve: false, ..settings() }).await.unwrap();
    let hub = Hub::new(&portal);
    let url = format!(
        "{}/oauth/authorize?response_type=code&client_id=domovoi-hub&redirect_uri=http%3A%2F%2F127.0.0.1%3A5%2Fcallback\
         &scope=acts.write&code_challenge={PKCE_CHALLENGE}&code_challenge_method=S256&state=%22%3E%3Cscript%3E",
        hub.base
    );
    let page = hub.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("передавать подписанные показания") && !page.contains("<script>"), "{page}");
    let request_id = page.split("name=\"request_id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = [("request_id", request_id), ("decision", "deny")];
    let denied = hub.http.post(format!("{}/oauth/authorize", hub.base)).form(&form).send().await.unwrap();
    assert!(denied.headers()["location"].to_str().unwrap().contains("error=access_denied"));
}

#[tokio::test]
async fn revocation_is_idempotent_and_a_refresh_token_takes_everything() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    for token in [hub.refresh.as_str(), hub.refresh.as_str(), "unknown"] {
        let fields = [("client_id", "domovoi-hub"), ("token", token)];
        assert_eq!(hub.post_form("/oauth/revoke", &fields, None).await.status(), 200);
    }
    assert_eq!(hub.get("/accounts").await.0, 401);
}

#[tokio::test]
async fn scopes_offered_narrow_the_wish_and_unknown_ones_are_refused() {
    let portal =
        SandboxPortal::start(PortalSettings { scopes: vec!["accounts.read".into()], ..settings() }).await.unwrap();
    let mut hub = Hub::new(&portal);
    hub.link(&ALL_SCOPES.join(" ")).await;
    assert!(hub.refresh.is_empty(), "offline_access is not offered");
    assert_eq!(hub.device("everything").await["error"], "invalid_scope");
}

#[tokio::test]
async fn an_id_token_says_who_the_citizen_is_and_is_signed_with_the_published_key() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::new(&portal);
    let signed_in = async |scope: &str, redirect: &str| {
        let query = [
            ("response_type", "code"),
            ("client_id", "domovoi-hub"),
            ("redirect_uri", redirect),
            ("scope", scope),
            ("nonce", "n-1"),
            ("code_challenge", PKCE_CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let back = hub.http.get(format!("{}/oauth/authorize", hub.base)).query(&query).send().await.unwrap();
        let back = url::Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let fields = [
            ("client_id", "domovoi-hub"),
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect),
            ("code_verifier", PKCE_VERIFIER),
        ];
        hub.post_form("/oauth/token", &fields, None).await.json::<Value>().await.unwrap()
    };
    let answer = signed_in("openid", "http://localhost:8080/sign-in/portal/return").await;
    assert_eq!((&answer["scope"], answer["refresh_token"].is_null()), (&Value::from("openid"), true));
    let token = answer["id_token"].as_str().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let parts: Vec<Value> =
        signed.split('.').map(|part| serde_json::from_slice(&unb64(part).unwrap()).unwrap()).collect();
    let keys: Value = hub.http.get(format!("{}/oauth/jwks", hub.base)).send().await.unwrap().json().await.unwrap();
    let key: EcKey = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    assert!(key.verifies(signed.as_bytes(), signature));
    assert_eq!((&parts[0]["alg"], &parts[0]["kid"]), (&Value::from("ES256"), &keys["keys"][0]["kid"]));
    assert_eq!(keys["keys"][0].get("d"), None, "the public half");
    let said = |name: &str| parts[1][name].as_str().unwrap().to_owned();
    assert_eq!((said("iss").as_str(), said("sub").as_str()), (portal.issuer(), "citizen-1"));
    assert_eq!((said("aud").as_str(), said("nonce").as_str()), ("domovoi-hub", "n-1"));
    let hash = sha256(answer["access_token"].as_str().unwrap());
    assert_eq!(said("at_hash"), b64(&hash[..16]));
    let link = signed_in("accounts.read", "http://127.0.0.1:5/callback").await;
    assert!(link["id_token"].is_null(), "nobody asked who it is");
}
