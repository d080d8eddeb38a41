//! Devices of the owner's own on the page: from a topic that nobody understands to a value with a name, on a phone; what is
//! wrong is told at its field; and the key of a meter.

use e2e::{Browser, BrowserSettings, NOON, Site, Speaker, hand_clock, issue, settings_text, until};
use serde_json::json;

use super::look::faults;

/// A phone, and a desk.
const SIZES: [(&str, (u32, u32)); 2] = [("390", (390, 844)), ("1280", (1280, 800))];

async fn look(browser: &Browser, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (size, pixels) in SIZES {
        browser.resize(pixels).await;
        let at = |fault: String| format!("{name} at {size}: {fault}");
        wrong.extend(faults(browser).await.into_iter().map(at));
        browser.picture(&format!("mappings-{name}-{size}")).await;
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn from_a_topic_that_nobody_understands_to_a_value_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.open(&site.at("/sign-in")).await;
    let (name, value) = owner.cookie.split_once('=').unwrap();
    let cookie = json!({ "name": name, "value": value, "url": site.origin, "httpOnly": true });
    browser.devtools("Network.setCookie", cookie).await;

    let credentials = issue(&site.desk.store, "garden", &["garden/#"], &["garden/#"]).await;
    let mut garden = Speaker::connect(site.mqtt, &credentials).await.unwrap();
    garden.say("garden/climate", r#"{"air":{"t":21.5,"h":40},"battery":"low"}"#).await.unwrap();

    browser.open(&site.at("/mappings")).await;
    browser.says("garden/climate").await;
    let mut wrong = look(&browser, "list").await;
    browser.click("a[href^=\"/mappings/new?topic=garden\"]").await;
    browser.says("air.t").await;
    wrong.extend(look(&browser, "wizard").await);
    browser.click("input[name=read][value=\"air.t\"]").await;
    browser.fill("#property", "temperature").await;
    browser.fill("#unit", "сажень").await;
    browser.click("button[formaction=\"/mappings/trial\"]").await;
    browser.find("#unit[aria-invalid=true]").await;
    wrong.extend(look(&browser, "wrong").await);
    browser.fill("#unit", "°C").await;
    browser.click("button[formaction=\"/mappings/trial\"]").await;
    browser.find("[data-trial]").await;
    browser.says("21.5 °C").await;
    wrong.extend(look(&browser, "tried").await);
    assert!(site.desk.ingest.mappings().is_empty(), "to try keeps nothing");
    browser.fill("#name", "Теплица").await;
    browser.click("form[action=\"/mappings\"] button:not([formaction])").await;
    browser.says("garden/climate").await;
    browser.find("a[href=\"/inbox\"]").await;
    wrong.extend(look(&browser, "kept").await);
    assert_eq!(site.desk.ingest.mappings().len(), 1);
    garden.say("garden/climate", r#"{"air":{"t":22.5,"h":40}}"#).await.unwrap();
    until("it waits in the inbox", || async {
        browser.open(&site.at("/inbox")).await;
        browser.text().await.contains("Теплица").then_some(())
    })
    .await;

    browser.open(&site.at("/meter-keys")).await;
    wrong.extend(look(&browser, "keys").await);
    browser.fill("#meter", "12345678").await;
    browser.fill("#key", "not a key").await;
    browser.click("form[action=\"/meter-keys\"] button[type=submit]").await;
    browser.find("#key[aria-invalid=true]").await;
    browser.fill("#meter", "12345678").await;
    browser.fill("#key", "0102030405060708090A0B0C0D0E0F11").await;
    browser.click("form[action=\"/meter-keys\"] button[type=submit]").await;
    browser.says("Ключ записан").await;
    assert!(!browser.text().await.contains("0102030405"), "a key is never shown");
    wrong.extend(look(&browser, "key").await);
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    browser.quit().await;
    site.stop().await;
}
