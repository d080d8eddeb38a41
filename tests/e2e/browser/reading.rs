//! Handing a reading in: with the keyboard alone, and without scripts.

use e2e::{Browser, BrowserSettings, NOON, PASSWORD, POINT, Site, WATER_ACCOUNT, WATER_ID, hand_clock, settings_text};
use serde_json::json;
use thirtyfour::Key;

/// A home with one meter and one owner.
async fn home(folder: &std::path::Path) -> Site {
    let site = Site::in_clear(folder, &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let point = json!({
        "supplier": "vodokanal", "account": WATER_ACCOUNT, "resource": "cold_water", "name": POINT,
        "meter": { "serial": WATER_ID, "digits": "5.3", "tariffs": 1, "multiplier": "1", "installed": "2024-03-01",
                   "start": "100" },
    });
    let (status, answer) = site.ask(&owner, reqwest::Method::POST, "/api/v1/meters", Some(point)).await;
    assert!(status < 300, "{status}: {answer}");
    site
}

async fn history(site: &Site) -> Vec<String> {
    let rows = site.desk.metering.history(POINT, 10).await.unwrap();
    rows.iter().map(|row| row.reading.value.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn the_keyboard_is_enough_to_hand_a_reading_in() {
    let folder = tempfile::tempdir().unwrap();
    let site = home(folder.path()).await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.open(&site.at("/meters")).await;
    browser.tab_to("#login").await;
    browser.press("anna").await;
    browser.press(Key::Tab).await;
    browser.press(PASSWORD).await;
    browser.press(Key::Enter).await;
    // The sign-in page leads on to where the person wanted to go.
    browser.find("#points a").await;
    browser.tab_to("#points a").await;
    browser.press(Key::Enter).await;
    browser.find("#submit input.value").await;
    browser.tab_to("#submit input.value").await;
    browser.press("123,456").await;
    browser.press(Key::Enter).await;
    browser.find("[role=status]").await;
    browser.says("123,456").await;
    assert!(history(&site).await.contains(&"123.456".to_owned()));
    browser.quit().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn no_script_is_needed_to_hand_a_reading_in() {
    let folder = tempfile::tempdir().unwrap();
    let site = home(folder.path()).await;
    let browser = Browser::start(BrowserSettings { no_scripts: true, ..BrowserSettings::default() }).await;
    browser.open(&site.at("/meters")).await;
    browser.fill("#login", "anna").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main form button[type=submit]").await;
    browser.click("#points a").await;
    browser.fill("#submit input.value", "не число").await;
    browser.click("#submit button[type=submit]").await;
    browser.find("#submit [role=alert]").await;
    browser.fill("#submit input.value", "101,5").await;
    browser.click("#submit button[type=submit]").await;
    browser.find("[role=status]").await;
    assert!(history(&site).await.iter().any(|value| value.starts_with("101.5")));
    browser.quit().await;
    site.stop().await;
}
