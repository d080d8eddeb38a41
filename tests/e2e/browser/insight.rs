//! What was used, what it costs and how warm it was, on a small phone and without scripts: a tariff is written, the month is
//! shown with its picture, a room is watched; nothing on these pages is too small, too pale or beside the window.

use domovoi_model::{DeviceRef, Moment, Quality, Sample, Unit, Value};
use e2e::{Browser, BrowserSettings, NOON, PASSWORD, POINT, Site, WATER_ACCOUNT, WATER_ID, hand_clock, settings_text};
use rust_decimal::Decimal;
use serde_json::json;

use super::look::faults;

async fn home(folder: &std::path::Path) -> Site {
    let site = Site::in_clear(folder, &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let post = reqwest::Method::POST;
    let point = json!({
        "supplier": "vodokanal", "account": WATER_ACCOUNT, "resource": "cold_water", "name": POINT,
        "meter": { "serial": WATER_ID, "digits": "5.3", "tariffs": 1, "multiplier": "1", "installed": "2024-03-01",
                   "start": "100" },
    });
    let (status, answer) = site.ask(&owner, post.clone(), "/api/v1/meters", Some(point)).await;
    assert!(status < 300, "{status}: {answer}");
    let id = answer["id"].as_str().unwrap().to_owned();
    let (status, answer) =
        site.ask(&owner, post, &format!("/api/v1/meters/{id}/readings"), Some(json!({ "values": "123.456" }))).await;
    assert!(status < 300, "{status}: {answer}");
    let sample = |n: i64| Sample {
        device: DeviceRef::new("tasmota", "nursery"),
        property: "temperature".into(),
        value: Value::Number(Decimal::new(165, 1)),
        unit: Unit::Celsius,
        quality: Quality::Good,
        at: Moment::Wall(NOON.plus_millis(-n * 600_000)),
        device_time: None,
    };
    site.desk.store.history().import((1..200).map(sample).collect()).await.unwrap();
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn a_tariff_is_written_the_month_is_seen_and_a_cold_room_is_shown_on_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let site = home(folder.path()).await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.resize((390, 844)).await;
    browser.open(&site.at("/tariffs/new")).await;
    browser.fill("#login", "anna").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main form button[type=submit]").await;
    browser.find("#name").await;
    let mut wrong = faults(&browser).await;
    // Without a name it is not taken, and the form says why and keeps what was typed.
    browser.fill("#prices-0-1", "50,25").await;
    browser.click("main form .actions button[type=submit]").await;
    browser.find("#name[aria-invalid=true]").await;
    wrong.extend(faults(&browser).await);
    browser.fill("#name", "Водоканал").await;
    browser.fill("#prices-0-1", "50,25").await;
    browser.script("document.getElementById('from-0').value = '2024-01-01'", vec![]).await;
    browser.click("main form .actions button[type=submit]").await;
    browser.says("50,25").await;
    wrong.extend(faults(&browser).await);

    browser.open(&site.at("/consumption")).await;
    browser.says("Водоканал").await;
    wrong.extend(faults(&browser).await);
    browser.click("main .cards a").await;
    browser.find("svg.chart").await;
    wrong.extend(faults(&browser).await);
    // The years have what the meter counted since it was put in, nobody knows when.
    browser.click("a[href$='unit=year']").await;
    browser.says("23,456").await;
    wrong.extend(faults(&browser).await);

    browser.open(&site.at("/warmth")).await;
    browser.fill("#room", "Детская").await;
    browser.click("section.panel form button[type=submit]").await;
    browser.find("svg.chart").await;
    browser.says("Детская").await;
    browser.says("16,5").await;
    wrong.extend(faults(&browser).await);
    browser.click("a[href*='/print']").await;
    browser.find(".printed").await;
    browser.says("SHA-256").await;
    wrong.extend(faults(&browser).await);
    assert_eq!(wrong, Vec::<String>::new());
    browser.quit().await;
    site.stop().await;
}
