//! Makers' clouds through the whole house, against a pretended Yandex: linked by a code, devices found and accepted, a command
//! and what became of it, tokens that end, are renewed, get lost and are taken back; what vanishes, what is our own, what lies.

use std::path::Path;
use std::time::Duration;

use domovoi::audit::{Actor, Origin};
use domovoi::bus::CommandState;
use domovoi::devices::{Asker, Standing};
use domovoi_model::{Command, CommandTarget, DeviceRef, Value as Said};
use e2e::{NOON, Site, Speaker, Visitor, hand_clock, issue, settings_text, until};
use firmware_sim::services::Fault;
use firmware_sim::services::yandex::{Call, CloudFault, YandexCloud, lamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::devices::list;

const LAMP: &str = "yandex_smart_home:lamp-0001";
const LEAK: &str = "yandex_smart_home:leak-0001";
const PROGRAM: (&str, &str) = ("program-of-the-test", "password-of-the-test");

async fn cloud() -> YandexCloud {
    YandexCloud::start(([127, 0, 0, 1], 0).into(), std::sync::Arc::new(|| NOON.0), PROGRAM.0, PROGRAM.1).await.unwrap()
}

async fn open(folder: &Path, cloud: &YandexCloud) -> Site {
    let url = cloud.url();
    let text = format!(
        "{}\n[clouds.yandex]\nclient_id = \"{}\"\napp_secret = \"program\"\npoll_every = \"10 s\"\nper_hour = 2000\n\
         own_skills = [\"our-skill\"]\napi = \"{url}\"\nissuer = \"{url}\"\n",
        settings_text(None),
        PROGRAM.0
    );
    let site = Site::in_clear(folder, &text, hand_clock(NOON)).await;
    site.desk.store.secrets().put("owner.program", PROGRAM.1.as_bytes()).await.unwrap();
    site
}

async fn see(site: &Site, who: &Visitor) -> Value {
    let (status, body) = site.ask(who, Method::GET, "/api/v1/clouds/yandex", None).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// Links by a code that is typed in there, as the page and the command line do it.
async fn link(site: &Site, who: &Visitor, cloud: &YandexCloud) {
    let form = json!({ "way": "device" });
    let (status, begun) = site.ask(who, Method::POST, "/api/v1/clouds/yandex/link", Some(form)).await;
    assert_eq!(status, 200, "{begun}");
    let code = until("a code is shown", || async {
        see(site, who).await["linking"]["code"]["user_code"].as_str().map(str::to_owned)
    })
    .await;
    assert!(cloud.approve(&code));
    until("it is linked", || async { (see(site, who).await["state"] == "linked").then_some(()) }).await;
    until("it was looked", || async { (see(site, who).await["rounds"] != 0).then_some(()) }).await;
}

/// Looks once more, and waits until that is done.
async fn look(site: &Site, who: &Visitor) -> Value {
    let before = see(site, who).await["rounds"].as_u64().unwrap();
    let (status, body) = site.ask(who, Method::POST, "/api/v1/clouds/yandex/look", Some(json!({}))).await;
    assert_eq!(status, 200, "{body}");
    until("it was looked again", || async {
        let now = see(site, who).await;
        (now["rounds"].as_u64().unwrap() > before).then_some(now)
    })
    .await
}

fn device(text: &str) -> DeviceRef {
    DeviceRef::parse(text).unwrap()
}

async fn accept(site: &Site, text: &str) {
    until("the device is found", || async { site.desk.devices.show(&device(text)) }).await;
    site.desk.devices.accept(&device(text), Default::default()).await.unwrap();
}

/// What a property says now.
async fn property(site: &Site, who: &Visitor, text: &str, name: &str) -> Value {
    let (_, body) = site.ask(who, Method::GET, &format!("/api/v1/devices/{text}"), None).await;
    let found = body["properties"].as_array().into_iter().flatten().find(|one| one["name"] == name).cloned();
    found.unwrap_or(Value::Null)
}

/// Gives a command and waits for its end.
async fn command(site: &Site, text: &str, name: &str, value: Said) -> (CommandState, Option<String>) {
    let target = CommandTarget { device: device(text), property: name.to_owned() };
    let by = Asker { actor: Actor::House, origin: Origin::default() };
    let life = site.desk.devices.command(by, Command { target, value }).unwrap();
    let life = site.desk.devices.outcome(life.id, Duration::from_secs(60)).await.unwrap();
    (life.state, life.why.clone())
}

fn times(calls: &[Call], what: &str) -> usize {
    calls.iter().filter(|call| call.what == what).count()
}

async fn notices(site: &Site) -> Vec<String> {
    site.desk.store.notices().open().await.unwrap().into_iter().map(|open| open.notice.kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_is_linked_its_devices_come_in_obey_and_are_heard_and_the_link_is_taken_back() {
    let (folder, cloud) = (tempfile::tempdir().unwrap(), cloud().await);
    let site = open(folder.path(), &cloud).await;
    let owner = site.owner().await;
    let before = see(&site, &owner).await;
    assert_eq!((before["state"].as_str(), before["set"].as_bool()), (Some("unlinked"), Some(true)), "{before}");
    assert!(before["asks_for"][0]["words"].as_str().unwrap().contains("видеть"), "{before}");
    link(&site, &owner, &cloud).await;

    // Found, named, with the room it has there; nothing is accepted by itself.
    let lamp = until("the lamp is found", || async { site.desk.devices.show(&device(LAMP)) }).await;
    assert_eq!((lamp.name.as_str(), site.desk.devices.standing_of(&device(LAMP))), ("Лампа", Some(Standing::Waiting)));
    let known = site.desk.ingest.directory();
    assert_eq!(known.known(&device(LAMP)).unwrap().area.as_deref(), Some("Кухня"));
    drop(known);
    let (status, refused) = site
        .ask(
            &owner,
            Method::POST,
            &format!("/api/v1/devices/{LAMP}/commands"),
            Some(json!({ "property": "on", "value": true })),
        )
        .await;
    assert_eq!(status, 409, "not accepted, not told: {refused}");

    // A command, and the thing's own word that it was done.
    accept(&site, LAMP).await;
    assert_eq!(command(&site, LAMP, "on", Said::Bool(true)).await, (CommandState::Confirmed, None));
    assert_eq!(cloud.stands("lamp-0001", "on"), json!(true));
    assert_eq!(command(&site, LAMP, "brightness", Said::Number(70.into())).await, (CommandState::Confirmed, None));
    until("its state is shown", || async {
        (property(&site, &owner, LAMP, "brightness").await["value"] == "70").then_some(())
    })
    .await;

    // A hazard counts, however late it comes.
    accept(&site, LEAK).await;
    until("the reflex knows it", || async { (site.desk.safety.standing().sensors == 1).then_some(()) }).await;
    cloud.happens("leak-0001", "water_leak", json!("leak"));
    look(&site, &owner).await;
    until("the danger stands", || async {
        let (_, alerts) = site.ask(&owner, Method::GET, "/api/v1/alerts", None).await;
        let leak = alerts["alerts"].as_array().unwrap().iter().find(|one| one["peril"] == "water-leak")?.clone();
        assert!(leak.to_string().contains("опозданием"), "it is said that it is late: {leak}");
        Some(())
    })
    .await;
    cloud.happens("leak-0001", "water_leak", json!("dry"));

    // The token has ended: it is renewed, and nobody notices.
    cloud.end_access();
    look(&site, &owner).await;
    let calls = cloud.calls.all();
    assert_eq!(times(&calls, "POST /token refresh_token"), 1, "{calls:#?}");
    assert_eq!(see(&site, &owner).await["state"], "linked");
    assert_eq!(command(&site, LAMP, "on", Said::Bool(false)).await.0, CommandState::Confirmed);

    // Tokens are sealed: what lies on the disk does not name one.
    let kept = site.desk.store.clouds().all(domovoi_store::CloudDrawer::Link).await.unwrap().0;
    assert!(String::from_utf8_lossy(&kept[0].body).contains("y0_access"));

    let (status, gone) = site.ask(&owner, Method::DELETE, "/api/v1/clouds/yandex/link", None).await;
    assert_eq!((status, gone["told_cloud"].as_bool()), (200, Some(true)), "{gone}");
    assert_eq!((cloud.tokens(), see(&site, &owner).await["state"].as_str()), (0, Some("unlinked")));
    assert!(site.desk.devices.is_accepted(&device(LAMP)), "what came from there is kept");
    let (state, why) = command(&site, LAMP, "on", Said::Bool(true)).await;
    assert_eq!(state, CommandState::Refused, "{why:?}");
    site.stop().await;
    drop(cloud);

    // The raw file has no token in it.
    for file in std::fs::read_dir(folder.path().join("hub")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(9).any(|window| window == b"y0_access"), "a token lies in the clear");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_end_honestly_and_none_is_said_twice_blindly() {
    let (folder, cloud) = (tempfile::tempdir().unwrap(), cloud().await);
    let site = open(folder.path(), &cloud).await;
    let owner = site.owner().await;
    link(&site, &owner, &cloud).await;
    accept(&site, LAMP).await;
    const ACT: &str = "POST /v1.0/devices/actions";

    cloud.act_faults.add(CloudFault::Refuse("INVALID_VALUE"), 1);
    let (state, why) = command(&site, LAMP, "on", Said::Bool(true)).await;
    assert_eq!(state, CommandState::Refused);
    assert!(why.as_deref().unwrap().contains("INVALID_VALUE"), "{why:?}");
    assert_eq!(times(&cloud.calls.all(), ACT), 1, "the cloud said no: it is not asked again");

    // Busy: certainly not done, and told again.
    cloud.act_faults.add(CloudFault::Refuse("DEVICE_BUSY"), 1);
    assert_eq!(command(&site, LAMP, "on", Said::Bool(true)).await.0, CommandState::Confirmed);
    cloud.act_faults.add(CloudFault::Http(Fault::TryLater(429, Duration::from_secs(1))), 1);
    assert_eq!(command(&site, LAMP, "on", Said::Bool(false)).await.0, CommandState::Confirmed);

    // Done, and the answer lost: the thing is asked, and nothing is said again.
    let before = cloud.calls.len();
    cloud.act_faults.add(CloudFault::DoneAndLost, 1);
    assert_eq!(command(&site, LAMP, "brightness", Said::Number(33.into())).await.0, CommandState::Confirmed);
    let calls = cloud.calls.all();
    assert_eq!(times(&calls[before..], ACT), 1, "{:#?}", &calls[before..]);
    assert!(times(&calls[before..], "GET /v1.0/devices/lamp-0001") >= 1);

    // Not done, and the answer lost: said again only after the thing was asked.
    let before = cloud.calls.len();
    cloud.act_faults.add(CloudFault::Http(Fault::Status(500)), 1);
    assert_eq!(command(&site, LAMP, "brightness", Said::Number(44.into())).await.0, CommandState::Confirmed);
    let calls = cloud.calls.all();
    let order: Vec<&str> =
        calls[before..].iter().map(|call| call.what.as_str()).filter(|what| !what.ends_with("info")).collect();
    let acts: Vec<usize> = order.iter().enumerate().filter(|(_, what)| **what == ACT).map(|(at, _)| at).collect();
    assert_eq!(acts.len(), 2, "{order:?}");
    assert!(order[acts[0]..acts[1]].iter().any(|what| what.starts_with("GET /v1.0/devices/lamp-0001")), "{order:?}");

    // A group is set like one device, and a scenario of the cloud's own is started.
    let group = "yandex_smart_home:group.g1";
    accept(&site, group).await;
    assert_eq!(command(&site, group, "on", Said::Bool(true)).await.0, CommandState::Confirmed);
    let start = "/api/v1/clouds/yandex/scenarios/s1/start";
    assert_eq!(site.ask(&owner, Method::POST, start, Some(json!({}))).await.0, 200);
    assert_eq!(times(&cloud.calls.all(), "POST /v1.0/scenarios/s1/actions"), 1);
    let (status, _) =
        site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/scenarios/other/start", Some(json!({}))).await;
    assert_eq!(status, 404);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vanishes_is_kept_what_is_ours_stays_out_and_a_lying_cloud_changes_nothing() {
    let (folder, cloud) = (tempfile::tempdir().unwrap(), cloud().await);
    let site = open(folder.path(), &cloud).await;
    let owner = site.owner().await;
    // A device of the hub's own, which Yandex has from it.
    let credentials = issue(&site.desk.store, "bridge", &["zigbee2mqtt/#"], &["zigbee2mqtt/#"]).await;
    let mut bridge = Speaker::connect(site.mqtt, &credentials).await.unwrap();
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    until("the bridge's lamp is found", || async { site.desk.devices.show(&device(crate::devices::LAMP)) }).await;
    let mut own = lamp("own-0001", "Своя");
    own["external_id"] = json!(crate::devices::LAMP);
    cloud.put(own);
    let mut given = lamp("given-0001", "Отданная");
    given["skill_id"] = json!("our-skill");
    cloud.put(given);

    link(&site, &owner, &cloud).await;
    accept(&site, LAMP).await;
    let things = see(&site, &owner).await["things"].as_array().unwrap().clone();
    let ours: Vec<&str> =
        things.iter().filter(|one| one["ours"] == true).filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(ours, ["Отданная", "Своя"], "{things:#?}");
    for id in ["own-0001", "given-0001"] {
        assert!(
            site.desk.devices.show(&DeviceRef::new("yandex_smart_home", id)).is_none(),
            "{id} came back to where it is from"
        );
    }

    // Nothing of what a lying cloud says is believed, and nothing is lost by it.
    for lie in ["<html>", "{\"status\":\"ok\",\"devices\":{}}", "{\"status\":\"error\"}", &"[".repeat(100_000)] {
        cloud.list_faults.add(CloudFault::Says(lie.to_owned()), 1);
        look(&site, &owner).await;
        assert!(site.desk.devices.is_accepted(&device(LAMP)));
    }
    cloud.list_faults.add(CloudFault::Http(Fault::Redirect("http://127.0.0.1:1/".into())), 1);
    assert!(look(&site, &owner).await["trouble"].is_string());

    let before = look(&site, &owner).await;
    assert!(before["trouble"].is_null(), "{before}");
    cloud.remove("lamp-0001");
    until("that it is gone is told", || async {
        look(&site, &owner).await;
        notices(&site).await.contains(&"cloud_vanished".to_owned()).then_some(())
    })
    .await;
    assert!(site.desk.devices.is_accepted(&device(LAMP)), "kept until somebody forgets it");
    cloud.put(lamp("lamp-0001", "Лампа"));
    until("that it is back is told", || async {
        look(&site, &owner).await;
        (!notices(&site).await.contains(&"cloud_vanished".to_owned())).then_some(())
    })
    .await;
    assert_eq!(command(&site, LAMP, "on", Said::Bool(true)).await.0, CommandState::Confirmed);

    let (status, gone) = site.ask(&owner, Method::DELETE, "/api/v1/clouds/yandex/link?forget=true", None).await;
    assert_eq!(status, 200, "{gone}");
    assert!(site.desk.devices.show(&device(LAMP)).is_none(), "forgotten, as the owner wished: {gone}");
    assert!(see(&site, &owner).await["things"].as_array().unwrap().is_empty());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_whose_answer_is_lost_ends_in_a_link_that_is_made_again_and_nothing_else_is_lost() {
    let (folder, cloud) = (tempfile::tempdir().unwrap(), cloud().await);
    let site = open(folder.path(), &cloud).await;
    let owner = site.owner().await;
    link(&site, &owner, &cloud).await;
    accept(&site, LAMP).await;

    // Busy, then lost before anything was done: the next try renews.
    cloud.end_access();
    cloud.token_faults.add(CloudFault::Http(Fault::TryLater(503, Duration::from_secs(0))), 1);
    cloud.token_faults.add(CloudFault::Http(Fault::Status(500)), 1);
    until("it is renewed all the same", || async {
        let now = look(&site, &owner).await;
        now["trouble"].is_null().then_some(())
    })
    .await;
    assert_eq!(see(&site, &owner).await["state"], "linked");

    // Renewed there, and the answer lost: the old one counts for nothing any more, and that is told.
    cloud.end_access();
    cloud.token_faults.add(CloudFault::DoneAndLost, 1);
    until("the owner is told", || async {
        let now = see(&site, &owner).await;
        if now["state"] == "linked" {
            look(&site, &owner).await;
        }
        notices(&site).await.contains(&"cloud_relink".to_owned()).then_some(())
    })
    .await;
    let now = see(&site, &owner).await;
    assert_eq!(now["state"], "relink", "{now}");
    assert!(now["words"].as_str().unwrap().contains("lost"), "{now}");
    assert_eq!(command(&site, LAMP, "on", Said::Bool(true)).await.0, CommandState::Refused);

    // Linked again by the page whose code is copied (PKCE); a code of another asking is worth nothing.
    let (_, begun) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", Some(json!({ "way": "page" }))).await;
    let old = cloud.agree_on(begun["linking"]["page"].as_str().unwrap()).unwrap();
    let (_, begun) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", Some(json!({ "way": "page" }))).await;
    let code = |code: &str| Some(json!({ "code": code }));
    let (status, wrong) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link/code", code(&old)).await;
    assert_eq!(status, 502, "{wrong}");
    let (status, _) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link/code", code("again")).await;
    assert_eq!(status, 409, "one page, one code");
    drop(begun);
    let (_, begun) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", Some(json!({ "way": "page" }))).await;
    let copied = cloud.agree_on(begun["linking"]["page"].as_str().unwrap()).unwrap();
    let (status, linked) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link/code", code(&copied)).await;
    assert_eq!((status, linked["state"].as_str()), (200, Some("linked")), "{linked}");
    until("the notice is taken back", || async {
        (!notices(&site).await.contains(&"cloud_relink".to_owned())).then_some(())
    })
    .await;
    assert!(site.desk.devices.is_accepted(&device(LAMP)), "the same devices as before");
    assert_eq!(command(&site, LAMP, "on", Said::Bool(true)).await.0, CommandState::Confirmed);
    site.stop().await;

    // After a restart the link is there, and so are the devices, before the cloud has said a word.
    let site = open(folder.path(), &cloud).await;
    assert!(site.desk.devices.is_accepted(&device(LAMP)));
    assert!(site.desk.ingest.directory().known(&device(LAMP)).is_some(), "known again before anybody speaks");
    until("it is looked", || async { (site.desk.clouds.show("yandex").unwrap().rounds > 0).then_some(()) }).await;
    assert_eq!(command(&site, LAMP, "on", Said::Bool(false)).await.0, CommandState::Confirmed);

    // The owner takes it back there: told, and nothing is asked any more.
    cloud.take_back();
    site.desk.clouds.look("yandex").unwrap();
    until("the owner is told", || async { notices(&site).await.contains(&"cloud_relink".to_owned()).then_some(()) })
        .await;
    let (before, _) = (times(&cloud.calls.all(), "GET /v1.0/user/info"), ());
    assert_eq!(command(&site, LAMP, "on", Said::Bool(true)).await.0, CommandState::Refused);
    assert_eq!(times(&cloud.calls.all(), "GET /v1.0/user/info"), before);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linking_can_be_refused_cancelled_and_is_the_owners_alone() {
    let (folder, cloud) = (tempfile::tempdir().unwrap(), cloud().await);
    let site = open(folder.path(), &cloud).await;
    let owner = site.owner().await;
    let adult = site.person("Борис", "boris", domovoi::policy::Role::Adult).await;
    let form = || Some(json!({ "way": "device" }));
    let (status, refused) = site.ask(&adult, Method::POST, "/api/v1/clouds/yandex/link", form()).await;
    assert_eq!(status, 403, "{refused}");

    let (status, _) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", form()).await;
    assert_eq!(status, 200);
    let code = until("a code is shown", || async {
        see(&site, &owner).await["linking"]["code"]["user_code"].as_str().map(str::to_owned)
    })
    .await;
    assert!(see(&site, &adult).await["linking"]["code"].is_null(), "the code is for whoever may link");
    let (status, busy) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", form()).await;
    assert_eq!(status, 409, "{busy}");
    assert!(cloud.refuse(&code));
    until("that is told", || async { (see(&site, &owner).await["linking"]["state"] == "failed").then_some(()) }).await;

    let (status, _) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", form()).await;
    assert_eq!(status, 200);
    let (status, _) = site.ask(&owner, Method::DELETE, "/api/v1/clouds/yandex/linking", None).await;
    assert_eq!((status, see(&site, &owner).await["linking"]["state"].as_str()), (200, Some("idle")));

    // Without the program's password nothing is granted, and the reason is told.
    site.desk.store.secrets().delete("owner.program").await.unwrap();
    let (_, told) = site.ask(&owner, Method::POST, "/api/v1/clouds/yandex/link", Some(json!({ "way": "page" }))).await;
    assert!(told["title"].as_str().unwrap().contains("domovoi secret set program"), "{told}");
    let (status, _) = site.ask(&owner, Method::GET, "/api/v1/clouds/other", None).await;
    assert_eq!(status, 404);
    site.stop().await;
}
