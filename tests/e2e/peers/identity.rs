//! Signing in with the portal account against npm `oidc-provider`: each algorithm that it signs id_tokens with, bound
//! tokens or not, and what comes back to another sign-in.

use domovoi::portal::{Dpop, Identity, IdentityError, LinkState};
use reqwest::Url;
use serde_json::json;

use super::authorization::{Hub, Server};
use super::citizen::{Citizen, SIGN_IN_PATH};

fn redirect() -> Url {
    Url::parse(&format!("http://127.0.0.1:8443{SIGN_IN_PATH}")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn the_citizen_of_another_ones_portal_signs_in() {
    for (algorithm, client_id, dpop) in [
        ("ES256", "hub-bearer", Dpop::Off),
        ("RS256", "hub-dpop", Dpop::Required),
        ("PS256", "hub-bearer", Dpop::IfOffered),
        ("EdDSA", "hub-bearer", Dpop::Off),
    ] {
        let server = Server::start(json!({ "id_token": algorithm })).await;
        let hub = Hub::open(&server, client_id, dpop).await;
        let expected = Identity { issuer: server.issuer.clone(), subject: "citizen-1".to_owned() };
        for _ in 0..2 {
            let (pending, address) = Box::pin(hub.portal.begin_sign_in(redirect())).await.unwrap();
            let back = Citizen::new().allow_in_browser(address).await;
            let signed_in = Box::pin(hub.portal.finish_sign_in(pending, back.query().unwrap())).await;
            assert_eq!(signed_in.as_ref(), Ok(&expected), "{algorithm}");
        }
        assert_eq!(hub.portal.status(), LinkState::Unlinked);
        assert!(hub.store.secrets().get("portal.link").await.unwrap().is_none(), "nothing of it is kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider (DOMOVOI_PEERS)"]
async fn an_answer_counts_for_the_sign_in_that_asked_and_once() {
    let server = Server::start(json!({})).await;
    let hub = Hub::open(&server, "hub-bearer", Dpop::Off).await;
    let (first, address) = Box::pin(hub.portal.begin_sign_in(redirect())).await.unwrap();
    let (second, _) = Box::pin(hub.portal.begin_sign_in(redirect())).await.unwrap();
    let back = Citizen::new().allow_in_browser(address.clone()).await;
    let query = back.query().unwrap();
    assert_eq!(Box::pin(hub.portal.finish_sign_in(second, query)).await, Err(IdentityError::Stranger));
    Box::pin(hub.portal.finish_sign_in(first, query)).await.unwrap();
    // The code of another browser, brought in with our own state: PKCE holds it, and the server knows that it was used.
    let (third, address) = Box::pin(hub.portal.begin_sign_in(redirect())).await.unwrap();
    let own = |name: &str, at: &Url| at.query_pairs().find(|(given, _)| given == name).unwrap().1.into_owned();
    let mut bent = back.clone();
    bent.query_pairs_mut().clear().extend_pairs([
        ("code", own("code", &back)),
        ("state", own("state", &address)),
        ("iss", server.issuer.clone()),
    ]);
    let refused = Box::pin(hub.portal.finish_sign_in(third, bent.query().unwrap())).await;
    assert!(matches!(refused, Err(IdentityError::Refused(_))), "{refused:?}");
}
