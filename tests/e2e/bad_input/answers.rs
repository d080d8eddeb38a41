//! A portal that answers with nonsense: the act is not lost, the sentence is there, and when the portal is well again
//! it holds the act once.

use e2e::{Home, NOON, Speaker, WATER_ID, hand_clock, sandbox, settings_text};
use firmware_sim::portal::{Endpoint, Misbehaviour, Reach};

/// Far more often than the hub asks while the doctor is being looked at.
const ALWAYS: u32 = 1_000_000;

async fn told_once_in_spite_of(what: Misbehaviour, reach: Reach, says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |_| {}).await;
    let settings = settings_text(Some(&portal));
    let home = Home::start(folder.path(), &settings, clock.clone()).await;
    home.add_water().await;
    home.metering.set_standing_consent(true).await.unwrap();
    home.link(&portal).await;
    portal.misbehave_at(reach, what.clone(), ALWAYS);
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let mut radio = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    let telegram = format!(r#"{{"_":"telegram","media":"water","id":"{WATER_ID}","total_m3":123.5}}"#);
    radio.say("wmbusmeters/ColdWater", telegram).await.unwrap();

    // Two failures at least, so that the hub has asked again, and not in a way that sends twice what was taken.
    let tries = |view: &firmware_sim::portal::PortalView| {
        [Endpoint::PutAct, Endpoint::GetAct].iter().map(|endpoint| view.requests_to(*endpoint)).sum::<u64>()
    };
    let patience = std::time::Duration::from_secs(60);
    tokio::time::timeout(patience, portal.wait_for(|view| tries(view) >= 3)).await.expect("it asks again");
    let line = home.doctor_says(&[says]).await;
    assert!(line.chars().count() < 400, "a sentence, not the portal's page: {line}");
    let acts = home.acts().await;
    assert_eq!(acts.len(), 1, "{what:?}");
    assert_eq!(acts[0].state.code(), "sent", "{what:?}: nothing is believed of such an answer");
    let signed = acts[0].document.clone();

    portal.clear();
    let acts = home.all_received(1).await;
    assert_eq!(acts.len(), 1, "{what:?}");
    assert_eq!(acts[0].document, signed, "{what:?}: the same bytes");
    let held = portal.accepted_acts();
    assert_eq!(held.len(), 1, "{what:?}");
    assert_eq!(portal.act_bytes(&held[0].act_id).unwrap().0, signed.unwrap());
    assert!(home.doctor().await.iter().all(|line| !line.contains("last call to the portal failed")), "it is over");
    home.stop().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_page_instead_of_the_answer() {
    told_once_in_spite_of(Misbehaviour::Html200, Reach::ActStatus, "a web page (HTML, status 200) instead of JSON")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_page_of_a_proxy() {
    told_once_in_spite_of(Misbehaviour::BadGateway502Html, Reach::ActStatus, "502").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_of_json() {
    told_once_in_spite_of(Misbehaviour::HugeAnswer, Reach::ActStatus, "is larger than").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_calls_itself_text() {
    told_once_in_spite_of(Misbehaviour::WrongContentType, Reach::ActStatus, "`text/plain` (status 20").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_with_the_hash_of_other_bytes() {
    let acts = Reach::ActStatus;
    told_once_in_spite_of(Misbehaviour::WrongHashInStatus, acts, "open notice(s)").await;
}
