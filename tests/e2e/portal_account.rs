//! The story of a citizen who signs in with the account at the sandbox portal: who it is, in the portal's words, is all
//! that the home hears of it.

use domovoi::clock::Clock;
use domovoi::portal::{Identity, LinkState, Portal, PortalSettings, Shelf};
use domovoi_model::Id;
use domovoi_store::Store;
use domovoi_vault::MasterKey;
use e2e::{NOON, crypto};
use firmware_sim::portal::SandboxPortal;
use reqwest::{Client, Url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_portals_citizen_is_identified_and_no_link_is_made() {
    crypto();
    let sandbox = SandboxPortal::start(firmware_sim::portal::PortalSettings {
        auto_approve: true,
        clock: std::sync::Arc::new(|| NOON.0),
        ..firmware_sim::portal::PortalSettings::default()
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kept = domovoi_store::Settings::new(folder.path().join("hub"));
    let store = Store::open(&kept, &MasterKey::generate().unwrap()).await.unwrap();
    let settings = PortalSettings::new(sandbox.issuer(), &sandbox.api_base(), "domovoi-hub").unwrap();
    let clock = Clock::by_hand(Id([7; 16]), NOON);
    let portal = Portal::open(settings, Shelf::new(store.clone()), clock).await.unwrap();

    let browser = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    for _ in 0..2 {
        let home = Url::parse("http://localhost:8080/sign-in/portal/return").unwrap();
        let (pending, address) = Box::pin(portal.begin_sign_in(home)).await.unwrap();
        let answer = browser.get(address).send().await.unwrap();
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!(
            (back.host_str(), back.port(), back.path()),
            (Some("localhost"), Some(8080), "/sign-in/portal/return")
        );
        let identity = Box::pin(portal.finish_sign_in(pending, back.query().unwrap())).await.unwrap();
        assert_eq!(identity, Identity { issuer: sandbox.issuer().to_owned(), subject: "citizen-1".to_owned() });
    }
    assert_eq!(portal.status(), LinkState::Unlinked);
    assert!(store.secrets().get("portal.link").await.unwrap().is_none());
}
