//! The way in, as people take it: the first owner's link, a password, a passkey, a code of an authenticator app; with the
//! keyboard alone, without scripts, and on https under the hub's own authority.

use domovoi::signin::FactorKind;
use e2e::{Browser, BrowserSettings, HOST, NOON, PASSWORD, Site, hand_clock, settings_text, until};
use thirtyfour::Key;
use tokio::process::Command;

async fn set_up(site: &Site, browser: &Browser) {
    let token = site.desk.signin.setup_token().await.unwrap();
    browser.open(&site.at(&format!("/setup#{}", token.expose()))).await;
    browser.fill("#name", "Анна").await;
    browser.fill("#login", "anna").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main form button[type=submit]").await;
    browser.find("form[action='/sign-out']").await;
    let address = browser.address().await;
    assert!(!address.contains(token.expose().as_str()), "the link's secret is left in the address: {address}");
}

async fn sign_out(browser: &Browser) {
    browser.click("form[action='/sign-out'] button").await;
    browser.find("#login").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn a_passkey_is_made_and_used_on_https_under_the_hubs_own_authority() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::https(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let settings =
        BrowserSettings { trusts: Some(site.authority()), hosts: vec![HOST.into()], ..BrowserSettings::default() };
    let browser = Browser::start(settings).await;
    browser.add_authenticator().await;
    set_up(&site, &browser).await;
    browser.open(&site.at("/security")).await;
    browser.fill("#passkey-name", "Ноутбук").await;
    browser.click("form[data-passkey-new] button[type=submit]").await;
    browser.says("Ноутбук").await;
    browser.click("form[action='/sign-out'] button").await;
    // The page offers passkeys in the login field at once, and this authenticator says yes at once: on a busy machine the
    // field is gone before anybody has seen it. The button is for browsers that do not offer.
    let owner = site.desk.people.by_login("anna").unwrap();
    until("the passkey is used", async || {
        if let Ok(button) = browser.driver.find(thirtyfour::By::Css("[data-passkey-sign-in] button")).await {
            let _ = button.click().await;
        }
        let factors = site.desk.signin.factors(owner.id).await.unwrap();
        factors.iter().any(|factor| factor.kind == FactorKind::Passkey && factor.used_at.is_some()).then_some(())
    })
    .await;
    browser.find("form[action='/sign-out']").await;
    let cookies = browser.driver.get_all_cookies().await.unwrap();
    let cookie = cookies.iter().find(|cookie| cookie.name == "__Host-domovoi").expect("the cookie has its prefix");
    assert_eq!(cookie.secure, Some(true));
    assert_eq!(browser.script("return document.cookie", vec![]).await, "", "no script reads it");
    browser.quit().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn the_keyboard_is_enough_to_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.open(&site.at("/sign-in")).await;
    browser.tab_to("#login").await;
    browser.press("anna").await;
    browser.press(Key::Tab).await;
    browser.press(PASSWORD).await;
    browser.press(Key::Enter).await;
    browser.says(&owner.person.name).await;
    browser.quit().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn without_scripts_the_first_owner_is_set_up_signs_out_and_in() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let browser = Browser::start(BrowserSettings { no_scripts: true, ..BrowserSettings::default() }).await;
    let token = site.desk.signin.setup_token().await.unwrap();
    browser.open(&site.at("/setup")).await;
    browser.fill("#token", token.expose()).await;
    browser.fill("#name", "Анна").await;
    browser.fill("#login", "anna").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main form button[type=submit]").await;
    sign_out(&browser).await;
    browser.fill("#login", "ANNA").await;
    browser.fill("#password", "не тот пароль, который нужен").await;
    browser.click("main form button[type=submit]").await;
    browser.find("[role=alert]").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main form button[type=submit]").await;
    browser.find("form[action='/sign-out']").await;
    browser.quit().await;
    site.stop().await;
}

/// A code as Debian's `oathtool` makes it, which knows nothing of ours.
async fn code_of_another(secret: &str, at_millis: i64) -> String {
    let now = format!("@{}", at_millis / 1000);
    let made = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output().await;
    let made = made.unwrap_or_else(|error| panic!("oathtool: {error}: apt-get install oathtool"));
    assert!(made.status.success(), "oathtool: {}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and oathtool"]
async fn an_app_of_others_makes_the_codes_of_the_second_factor() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let site = Site::in_clear(folder.path(), &settings_text(None), clock.clone()).await;
    let browser = Browser::start(BrowserSettings::default()).await;
    set_up(&site, &browser).await;
    browser.open(&site.at("/security")).await;
    browser.click("details:has(#totp) summary").await;
    browser.click("#totp").await;
    let secret = browser.find(".qr ~ p code").await.text().await.unwrap().replace(' ', "");
    let code = code_of_another(&secret, clock.wall().0).await;
    browser.fill("#totp", &code).await;
    browser.click("form[action='/security/totp'] button[type=submit]").await;
    browser.find("#factors").await;
    sign_out(&browser).await;

    let sign_in = async |code: &str| {
        browser.open(&site.at("/sign-in")).await;
        browser.fill("#login", "anna").await;
        browser.fill("#password", PASSWORD).await;
        browser.click("main form button[type=submit]").await;
        browser.fill("input[name=code]", code).await;
        browser.click("main form:has(input[name=code]) button[type=submit]").await;
    };
    sign_in(&code).await;
    browser.find("[role=alert]").await;
    assert!(!browser.has("form[action='/sign-out']").await, "a code is good for one use");
    clock.set(clock.wall().plus_millis(60_000));
    sign_in(&code_of_another(&secret, clock.wall().0).await).await;
    browser.find("form[action='/sign-out']").await;
    browser.quit().await;
    site.stop().await;
}
