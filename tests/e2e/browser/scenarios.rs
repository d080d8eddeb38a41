//! Scenarios on the page of a phone, as a person makes one: from a preset, changed in the editor, started, and its trace read.

use std::sync::Arc;

use e2e::{Browser, BrowserSettings, NOON, Site, hand_clock, until};
use firmware_sim::world::{Esp, EspSettings, Thing};
use serde_json::json;

use super::look::faults;

fn clock() -> firmware_sim::Clock {
    Arc::new(|| NOON.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and axe-core"]
async fn a_scenario_is_made_from_a_preset_changed_started_and_its_trace_read() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &crate::connecting::settings(), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let browser = Browser::start(BrowserSettings::default()).await;
    browser.resize((390, 844)).await;
    browser.open(&site.at("/sign-in")).await;
    let (name, value) = owner.cookie.split_once('=').unwrap();
    let cookie = json!({ "name": name, "value": value, "url": site.origin, "httpOnly": true });
    browser.devtools("Network.setCookie", cookie).await;
    // A lamp that is really there.
    let setup = Some("127.0.0.1:0".parse().unwrap());
    let esp = Esp::start(EspSettings { setup, ..EspSettings::default() }, clock()).await.unwrap();
    browser.open(&site.at("/connect")).await;
    browser.fill("#code", &esp.qr_text()).await;
    browser.click("form[action=\"/connect\"] button[type=submit]").await;
    let lamp = esp.connected().await;
    browser.find("#progress .done").await;

    let mut wrong = Vec::new();
    let mut look = async |name: &str| {
        let found = faults(&browser).await;
        wrong.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
        browser.picture(&format!("scenarios-{name}-390")).await;
    };
    browser.open(&site.at("/scenarios")).await;
    look("none").await;
    browser.click("a[href=\"/scenarios/new\"]").await;
    browser.says("Ночь").await;
    look("new").await;
    browser.click("a[href=\"/scenarios/presets/night\"]").await;
    // Nothing was chosen: it says so, at the question.
    browser.click("main form button[type=submit]").await;
    browser.says("Выберите хотя бы одно").await;
    look("nothing-chosen").await;
    browser.click("#switches input[type=checkbox]").await;
    browser.click("main form button[type=submit]").await;
    browser.find("form.editor").await;
    look("draft").await;

    // One step more, first of all.
    browser.script("document.querySelector('select[name=\"kind:actions\"]').value = 'set'", vec![]).await;
    browser.click("button[value=\"add:actions\"]").await;
    browser.find("#open-part").await;
    browser.fill("#part-variable", "evening").await;
    look("step").await;
    browser.click("#open-part button[value=done]").await;
    browser.says("evening").await;
    browser.click("button[value=\"up:actions[1]\"]").await;
    browser.find("button[value=\"down:actions[0]\"]").await;
    browser.click("button[value=text]").await;
    browser.find("#toml").await;
    look("text").await;
    browser.click("button[value=done]:not([hidden])").await;
    browser.click("button[value=try]").await;
    browser.says("Ничего не сделано").await;
    look("tried").await;
    browser.click("button[formaction=\"/scenarios/saved\"]").await;
    browser.find("form[action$=\"/start\"] button").await;
    look("saved").await;
    let scenario = site.desk.scenarios.list().into_iter().next().expect("it was kept");
    assert_eq!((scenario.scenario.name.as_str(), scenario.scenario.actions.len()), ("Ночь", 2));

    lamp.touch("lamp", firmware_sim::world::Order::On(true));
    browser.click("form[action$=\"/start\"] button").await;
    let id = scenario.scenario.id;
    until("the run is over", || async {
        let runs = site.desk.scenarios.runs(Some(id), 1).await.unwrap();
        runs.first().and_then(|run| run.end)
    })
    .await;
    let off = |truth: &firmware_sim::world::Truth| matches!(truth.thing("lamp"), Some(Thing::Lamp { on: false, .. }));
    tokio::time::timeout(std::time::Duration::from_secs(30), lamp.wait_until(off)).await.expect("the lamp is off");
    browser.open(&site.at(&format!("/scenarios/{id}"))).await;
    browser.click("#standing a[href^=\"/runs/\"]").await;
    browser.says("Начался").await;
    look("trace").await;
    browser.open(&site.at("/presence")).await;
    browser.click("button[name=word][value=home]").await;
    browser.says("сказано вручную").await;
    look("presence").await;
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    browser.quit().await;
    drop(lamp);
    esp.stop().await;
    site.stop().await;
}
