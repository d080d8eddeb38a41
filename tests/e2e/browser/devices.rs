//! Devices on the page: from the text of a QR code to a lamp that is really on; a leak, the valve that is really shut, and the
//! alert; and how all of it looks on a phone, a tablet and a desk.

use std::sync::Arc;
use std::time::Duration;

use e2e::{Browser, BrowserSettings, NOON, Site, hand_clock, until};
use firmware_sim::world::{BridgeSettings, Credentials, Esp, EspSettings, Order, Simulator, Thing};
use serde_json::json;

use super::look::faults;

/// A phone, a tablet, a desk.
const SIZES: [(&str, (u32, u32)); 3] = [("360", (360, 740)), ("768", (768, 1024)), ("1280", (1280, 800))];

fn clock() -> firmware_sim::Clock {
    Arc::new(|| NOON.0)
}

async fn site(folder: &std::path::Path) -> (Site, Browser) {
    let site = Site::in_clear(folder, &crate::connecting::settings(), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.open(&site.at("/sign-in")).await;
    let (name, value) = owner.cookie.split_once('=').unwrap();
    let cookie = json!({ "name": name, "value": value, "url": site.origin, "httpOnly": true });
    browser.devtools("Network.setCookie", cookie).await;
    (site, browser)
}

/// Looks at what is shown in all sizes; gives what is wrong.
async fn look(browser: &Browser, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (size, pixels) in SIZES {
        browser.resize(pixels).await;
        let at = |fault: String| format!("{name} at {size}: {fault}");
        wrong.extend(faults(browser).await.into_iter().map(at));
        browser.picture(&format!("devices-{name}-{size}")).await;
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn from_a_qr_code_to_a_lamp_that_is_on() {
    let folder = tempfile::tempdir().unwrap();
    let (site, browser) = site(folder.path()).await;
    let setup = Some("127.0.0.1:0".parse().unwrap());
    let esp = Esp::start(EspSettings { setup, ..EspSettings::default() }, clock()).await.unwrap();
    browser.open(&site.at("/rooms")).await;
    browser.fill("#name", "Кухня").await;
    browser.click("main section.panel button[type=submit]").await;
    browser.open(&site.at("/connect")).await;
    let mut wrong = look(&browser, "connect").await;
    browser.fill("#code", &esp.qr_text()).await;
    browser.click("form[action=\"/connect\"] button[type=submit]").await;
    let lamp = esp.connected().await;
    browser.find("#progress .done").await;
    wrong.extend(look(&browser, "connected").await);
    browser.click("#progress a.button").await;
    browser.find("[data-turns]").await;
    wrong.extend(look(&browser, "lamp").await);
    assert!(!lamp.truth().link.connected || matches!(lamp.truth().thing("lamp"), Some(Thing::Lamp { on: false, .. })));
    browser.click("[data-turns]").await;
    let is_on = |truth: &firmware_sim::world::Truth| matches!(truth.thing("lamp"), Some(Thing::Lamp { on: true, .. }));
    let truth = tokio::time::timeout(Duration::from_secs(30), lamp.wait_until(is_on)).await.expect("the lamp is on");
    assert!(is_on(&truth));
    browser.find("[data-command=confirmed]").await;
    browser.says("подтверждено устройством").await;
    // Somebody switches it by hand: the page follows without a reload.
    browser.script("window.same = true", vec![]).await;
    lamp.touch("lamp", Order::On(false));
    until("the page says that it is off", || async {
        let said = browser.script("return document.querySelector('[data-turns]').value", vec![]).await;
        (said == "on" && browser.text().await.contains("Выключено")).then_some(())
    })
    .await;
    assert_eq!(browser.script("return window.same === true", vec![]).await, true, "the page was not loaded anew");
    browser.open(&site.at("/devices")).await;
    browser.says("Лампа на кухне").await;
    wrong.extend(look(&browser, "list").await);
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    browser.quit().await;
    drop(lamp);
    esp.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn a_leak_shuts_the_valve_and_is_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let (site, browser) = site(folder.path()).await;
    // The bridge is connected on the page, too: its access is read from there, as a person would.
    browser.open(&site.at("/connect/zigbee2mqtt")).await;
    browser.click("main form button[type=submit]").await;
    let text = async |css: &str| browser.find(css).await.text().await.unwrap();
    let (username, password) = (text("#access-user").await, text("#access-password").await);
    let mut wrong = look(&browser, "access").await;
    let credentials = Credentials { client_id: "z2m".into(), username, password };
    let settings = BridgeSettings { credentials, interval: None, ..BridgeSettings::default() };
    let bridge = Simulator::bridge(&site.mqtt.to_string(), settings, clock()).unwrap();
    browser.find("#progress .done").await;
    let truth = bridge.truth();
    let id = |wanted: fn(&Thing) -> bool| truth.things.iter().find(|(_, thing)| wanted(thing)).unwrap().0.clone();
    let leak = id(|thing| matches!(thing, Thing::Alarm { hazard: firmware_sim::world::Hazard::Leak, .. }));
    let valve = id(|thing| matches!(thing, Thing::Valve { .. }));
    browser.open(&site.at("/inbox")).await;
    for device in [&leak, &valve] {
        let form = format!("form[action*=\"{device}/acceptance\"] button");
        browser.click(&form).await;
        browser.find("[role=status]").await;
        browser.open(&site.at("/inbox")).await;
    }
    wrong.extend(look(&browser, "inbox").await);
    let open =
        |truth: &firmware_sim::world::Truth| matches!(truth.thing(&valve), Some(Thing::Valve { open: true, .. }));
    bridge.touch(&valve, Order::On(true));
    bridge.wait_until(open).await;
    browser.open(&site.at("/safety")).await;
    browser.says("Ни один датчик не сообщает об опасности").await;
    until("the reflex knows what was accepted", || async {
        let standing = site.desk.safety.standing();
        (standing.sensors >= 1 && standing.valves >= 1).then_some(())
    })
    .await;
    // What it would do, first in words.
    browser.click("form[action$=\"/water-leak/tests\"] button").await;
    browser.find("[data-test]").await;
    assert!(open(&bridge.truth()), "a test in words moves nothing");
    bridge.touch(&leak, Order::On(true));
    browser.find("[data-danger]").await;
    let shut = |truth: &firmware_sim::world::Truth| !open(truth);
    let truth =
        tokio::time::timeout(Duration::from_secs(30), bridge.wait_until(shut)).await.expect("the valve is shut");
    assert!(shut(&truth));
    browser.find("[data-confirmed=true]").await;
    wrong.extend(look(&browser, "danger").await);
    browser.open(&site.at("/")).await;
    browser.says("ротечк").await;
    wrong.extend(look(&browser, "home").await);
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    browser.quit().await;
    bridge.stop().await;
    site.stop().await;
}
