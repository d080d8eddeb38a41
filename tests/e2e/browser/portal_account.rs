//! Signing in with the portal's account, in a browser: tied once by somebody who is signed in, and then a way in.

use domovoi::signin::FactorKind;
use e2e::{Browser, BrowserSettings, NOON, PASSWORD, Site, hand_clock, sandbox, settings_text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn the_portals_account_is_tied_by_its_owner_and_opens_the_home() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |settings| settings.auto_approve = true).await;
    let site = Site::in_clear(folder.path(), &settings_text(Some(&portal)), clock).await;
    let owner = site.owner().await;
    let browser = Browser::start(BrowserSettings::default()).await;
    let factors = async || site.desk.signin.factors(owner.person.id).await.unwrap();

    // An account that nobody has tied opens nothing.
    browser.open(&site.at("/sign-in")).await;
    browser.click("a[href^='/sign-in/portal']").await;
    browser.find("[role=alert]").await;
    assert!(!browser.has("form[action='/sign-out']").await);

    browser.open(&site.at("/sign-in")).await;
    browser.fill("#login", "anna").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main form button[type=submit]").await;
    browser.find("form[action='/sign-out']").await;
    browser.open(&site.at("/security")).await;
    browser.click("details:has(#portal-account) summary").await;
    browser.click("#portal-account").await;
    browser.click(&format!("main a[href^='{}']", portal.issuer())).await;
    browser.find("#factors").await;
    assert!(factors().await.iter().any(|factor| factor.kind == FactorKind::Portal));

    browser.click("form[action='/sign-out'] button").await;
    browser.find("#login").await;
    browser.click("a[href^='/sign-in/portal']").await;
    browser.find("form[action='/sign-out']").await;
    assert!(factors().await.iter().any(|factor| factor.kind == FactorKind::Portal && factor.used_at.is_some()));
    browser.quit().await;
    site.stop().await;
}
