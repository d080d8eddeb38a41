//! From what happens to who is told, through the whole house: a leak on the broker, in the API and in a signed webhook, known
//! by who said so and over when it is over; a warning of a feed on a phone; what quiet hours kept, and why.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use domovoi::notify::NewWay;
use domovoi::notify::channels::{Address, application_server_key};
use domovoi::notify::record::HouseUse;
use domovoi_model::PersonId;

use e2e::{NOON, Site, Speaker, Visitor, hand_clock, issue, settings_text, until};
use firmware_sim::Clock;
use firmware_sim::services::feeds::FeedServer;
use firmware_sim::services::push::PushService;
use firmware_sim::services::webhook::WebhookSink;
use reqwest::Method;
use serde_json::{Value, json};

use crate::devices::list;
use crate::safety::LEAK;

/// Everything of this machine may be reached: the pretended services are here.
pub const HERE: &str =
    "\n[channels]\nallow = [\"127.0.0.0/8\"]\n\n[notify]\nlife_repeat = \"10 min\"\nlife_repeat_then = \"20 min\"\n";

fn noon() -> Clock {
    Arc::new(|| NOON.0)
}

pub fn way(channel: &str, fields: &[(&str, &str)]) -> NewWay {
    let fields: BTreeMap<String, String> = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    NewWay {
        channel: channel.into(),
        label: "the test's".into(),
        address: Address(fields),
        used: HouseUse::Silent,
        test_anyway: false,
    }
}

async fn site(folder: &Path, more: &str) -> (Site, Visitor) {
    let text = format!("{}{HERE}{more}", settings_text(None));
    let site = Site::in_clear(folder, &text, hand_clock(NOON)).await;
    let owner = site.owner().await;
    (site, owner)
}

async fn see(site: &Site, who: &Visitor, path: &str) -> Value {
    let (status, body) = site.ask(who, Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// What stands, as the API says it.
async fn standing(site: &Site, who: &Visitor) -> Vec<Value> {
    see(site, who, "/api/v1/alerts").await["alerts"].as_array().unwrap().clone()
}

/// A leak sensor that was accepted, and who speaks for it.
async fn sensor(site: &Site) -> Speaker {
    let credentials = issue(&site.desk.store, "bridge", &["zigbee2mqtt/#"], &["zigbee2mqtt/#"]).await;
    let mut sensor = Speaker::connect(site.mqtt, &credentials).await.unwrap();
    sensor.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    let leak = domovoi_model::DeviceRef::parse(LEAK).unwrap();
    until("the sensor is found", || async { site.desk.devices.show(&leak) }).await;
    site.desk.devices.accept(&leak, Default::default()).await.unwrap();
    until("the reflex knows it", || async { (site.desk.safety.standing().sensors == 1).then_some(()) }).await;
    sensor
}

async fn listener(site: &Site) -> Speaker {
    let credentials = issue(&site.desk.store, "panel", &[], &["domovoi/alert/#"]).await;
    let mut panel = Speaker::connect(site.mqtt, &credentials).await.unwrap();
    panel.hear("domovoi/alert/#").await.unwrap();
    panel
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_stands_everywhere_until_it_is_over_and_is_known_by_who_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let sink = WebhookSink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let (site, owner) = site(folder.path(), "").await;
    let to = way("webhook", &[("url", &sink.url()), ("secret", sink.secret())]);
    site.desk.notify.add_route(Some(owner.person.id), to).await.unwrap();
    let mut sensor = sensor(&site).await;
    let mut panel = listener(&site).await;

    let begun = Instant::now();
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    let (topic, payload) = panel.heard("domovoi/alert/#").await;
    println!("from the leak to the panel: {:?}", begun.elapsed());
    let told: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((told["topic"].as_str(), told["pressing"].as_str()), (Some("danger"), Some("life")), "{told}");
    let hooked = sink.hooked.wait_for(|all| !all.is_empty()).await;
    println!("from the leak to the webhook: {:?}", begun.elapsed());
    let id = told["subject"].as_str().unwrap().to_owned();
    assert_eq!(topic, format!("domovoi/alert/{id}"));
    assert_eq!(hooked[0].body["subject"], json!(id));
    assert!(sink.forged.is_empty(), "{:?}", sink.forged.all());

    let alert = see(&site, &owner, &format!("/api/v1/alerts/{id}")).await;
    assert_eq!((alert["peril"].as_str(), alert["life"].as_bool()), (Some("water-leak"), Some(true)), "{alert}");
    assert!(!alert["steps"].as_array().unwrap().is_empty(), "what to do is there without the internet: {alert}");

    // Who listens later hears of it too.
    let (topic_again, _) = listener(&site).await.heard("domovoi/alert/#").await;
    assert_eq!(topic_again, topic);

    let (status, known) =
        site.ask(&owner, Method::POST, &format!("/api/v1/alerts/{id}/acknowledge"), Some(json!({}))).await;
    assert_eq!(status, 200, "{known}");
    assert_eq!(known["acknowledged"][0]["name"], json!(owner.person.name), "{known}");
    let letters = see(&site, &owner, &format!("/api/v1/deliveries?subject=alert:{id}")).await;
    println!("{letters:#}");

    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    until("what was retained is taken away", || async {
        let credentials = issue(&site.desk.store, "late", &[], &["domovoi/alert/#"]).await;
        let mut late = Speaker::connect(site.mqtt, &credentials).await.unwrap();
        late.hear("domovoi/alert/#").await.unwrap();
        let heard = tokio::time::timeout(std::time::Duration::from_millis(200), late.heard("domovoi/alert/#")).await;
        heard.is_err().then_some(())
    })
    .await;
    until("nothing stands", || async { standing(&site, &owner).await.is_empty().then_some(()) }).await;
    let after = sink.hooked.wait_for(|all| all.iter().any(|one| one.body["over"] == true)).await;
    assert!(after.iter().filter(|one| one.body["over"] != true).count() == 1, "told once: {after:?}");
    site.stop().await;
}

/// A warning for a circle around a place.
fn cap(identifier: &str, place: &str, severity: &str) -> String {
    let sent = NOON.to_string().replace(".000Z", "+00:00");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\
         <identifier>{identifier}</identifier><sender>meteo@example.org</sender><sent>{sent}</sent>\
         <status>Actual</status><msgType>Alert</msgType><scope>Public</scope><info><language>ru</language>\
         <category>Met</category><event>Наводнение</event><urgency>Immediate</urgency><severity>{severity}</severity>\
         <certainty>Observed</certainty><headline>Вода прибывает</headline>\
         <description>Уровень реки растёт.</description><instruction>Поднимитесь выше.</instruction>\
         <area><areaDesc>У реки</areaDesc><circle>{place} 10</circle></area></info></alert>"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_of_a_feed_is_on_the_phone_as_soon_as_the_feed_was_read_and_only_if_it_concerns_the_home() {
    let folder = tempfile::tempdir().unwrap();
    let (feeds, phone) = (
        FeedServer::start(([127, 0, 0, 1], 0).into(), noon()).await.unwrap(),
        PushService::start(([127, 0, 0, 1], 0).into(), noon()).await.unwrap(),
    );
    let more = format!(
        "\n[home]\nposition = \"55.75, 37.62\"\n\n[[alerts.feeds]]\nname = \"meteo\"\naddress = \"{}\"\n",
        feeds.url("/atom.xml")
    );
    let (site, owner) = site(folder.path(), &more).await;
    let key = application_server_key(&site.desk.store).await.unwrap();
    let browser = phone.subscribe(Some(&key));
    let to = way("web-push", &[("endpoint", &browser.endpoint), ("p256dh", &browser.p256dh), ("auth", &browser.auth)]);
    site.desk.notify.add_route(Some(owner.person.id), to).await.unwrap();

    feeds.publish("far", "Далеко", cap("far", "43.1,131.9", "Extreme"));
    feeds.publish("near", "Близко", cap("near", "55.8,37.6", "Extreme"));
    let begun = Instant::now();
    let (status, body) = site.ask(&owner, Method::POST, "/api/v1/alerts/feeds/meteo/poll", Some(json!({}))).await;
    assert!(status < 300, "{status} {body}");
    let pushed = phone.pushed.wait_for(|all| !all.is_empty()).await;
    println!("from the poll to the push: {:?}", begun.elapsed());
    assert!(pushed[0].text.contains("Вода прибывает"), "{pushed:?}");
    assert_eq!(pushed[0].urgency.as_deref(), Some("high"), "{pushed:?}");
    let stands = standing(&site, &owner).await;
    assert_eq!(stands.len(), 1, "the one far away is nobody's here: {stands:?}");
    let alert = see(&site, &owner, &format!("/api/v1/alerts/{}", stands[0]["alert"].as_str().unwrap())).await;
    assert!(!alert["why"].as_array().unwrap().is_empty(), "why it concerns the home: {alert}");
    assert_eq!(phone.pushed.len(), 1);
    assert!(phone.refused.is_empty(), "{:?}", phone.refused.all());
    site.stop().await;
}

/// A leak that is known to one of them is nobody's question any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_by_a_letters_token_is_an_answer_of_its_reader_and_of_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (site, owner) = site(folder.path(), "").await;
    let phone = PushService::start(([127, 0, 0, 1], 0).into(), noon()).await.unwrap();
    let browser = phone.subscribe(None);
    let to = way("web-push", &[("endpoint", &browser.endpoint), ("p256dh", &browser.p256dh), ("auth", &browser.auth)]);
    site.desk.notify.add_route(Some(owner.person.id), to).await.unwrap();
    let mut sensor = sensor(&site).await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    let pushed = phone.pushed.wait_for(|all| !all.is_empty()).await;
    let text: Value = serde_json::from_str(&pushed[0].text).unwrap();
    let token = find_token(&text).expect("a push can be answered");
    let stranger = site.client();
    let wrong =
        stranger.post(site.at("/api/v1/telling/answer")).json(&json!({ "token": "AAAAAAAAAAAAAAAAAAAAAA" })).send();
    assert_eq!(wrong.await.unwrap().status(), 410);
    let right = stranger.post(site.at("/api/v1/telling/answer")).json(&json!({ "token": token })).send().await.unwrap();
    assert!(right.status().is_success(), "{}", right.status());
    let by = until("the answer is the alert's", || async {
        let alerts = site.desk.alerts.standing();
        alerts.first().and_then(|alert| alert.acknowledged.first().map(|one| one.by))
    })
    .await;
    assert_eq!(by, owner.person.id);
    let _: PersonId = by;
    site.stop().await;
}

fn find_token(text: &Value) -> Option<String> {
    match text {
        Value::Object(members) => members.iter().find_map(|(name, value)| match value {
            Value::String(token) if name == "token" || name == "answer" => Some(token.clone()),
            other => find_token(other),
        }),
        _ => None,
    }
}
