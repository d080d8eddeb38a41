//! The way in, as people take it: the first owner's link, a password, a passkey, a code of an authenticator app; with the
//! keyboard alone, without scripts, and on https under the hub's own authority.

use e2e::{Browser, BrowserSettings, HOST, NOON, PASSWORD, Site, hand_clock, settings_text};
use thirtyfour::Key;

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
    browser.click("[data-passkey-add] button").await;
    browser.says("Ноутбук").await;
    sign_out(&browser).await;
    browser.click("[data-passkey-sign-in] button").await;
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
