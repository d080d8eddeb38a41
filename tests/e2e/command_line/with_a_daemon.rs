//! The same commands over `control.sock`, and those that only a daemon gives something to do: acts and the portal.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use e2e::{NOON, Speaker, hand_clock, sandbox, settings_text, until};
use firmware_sim::portal::{Endpoint, MeteringPointSpec, Misbehaviour, Reach, SandboxPortal};
use firmware_sim::world::Credentials;
use serde_json::Value;

use super::{
    BATH, FAILED, KITCHEN, Program, REFUSED, UNWELL, a_meter_is_replaced, array, credentials_and_secrets_are_kept,
    history, history_goes_in_and_out, keys_are_rotated, meters_are_added_and_listed, readings_are_handed_in,
};

/// The point's meter after the two replacements.
const BATH_SERIAL: &str = "88120078";

/// The public key of RFC 7515, appendix A.3: nobody's here.
const OTHER_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRU9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","use":"sig","alg":"ES256"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_does_its_work_over_the_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    let portal = sandbox(&hand_clock(NOON), |settings| {
        // The meters that hung at the second point and were replaced in this month are the portal's business too.
        for serial in ["12345700", "88120077", BATH_SERIAL] {
            let point = MeteringPointSpec { serial: serial.into(), ..MeteringPointSpec::default() };
            settings.accounts[0].metering_points.push(point);
        }
    })
    .await;
    let portal = Arc::new(portal);
    let settings = settings_text(Some(&portal)).replace("127.0.0.1:1\"", "127.0.0.1:0\"");
    let program = Program::new(folder.path(), &settings);
    let daemon = program.daemon().await;
    let socket = program.data().join("control.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let said = program.fails(&["run"], REFUSED).await;
    assert!(said.contains("hub"), "a second daemon is told whose folder it is: {said}");

    credentials_and_secrets_are_kept(&program).await;
    meters_are_added_and_listed(&program).await;
    readings_are_handed_in(&program).await;
    a_meter_is_replaced(&program).await;
    program.well(&["meter", "submit", BATH, "0.9"]).await;
    let act = an_act_is_approved(&program).await;
    the_portal_is_linked(&program, &portal).await;
    let shown = received(&program, &act).await;
    for serial in ["12345699", BATH_SERIAL] {
        let reading = array(&shown, "readings").iter().find(|reading| reading["serial"] == serial);
        assert_eq!(reading.expect("each point's meter is in the act")["portal"]["is"], "accepted");
    }
    assert_eq!(portal.accepted_acts().len(), 1);
    the_act_is_verified_by_anybody(&program, folder.path(), &act).await;
    the_act_is_corrected(&program, &portal, &act).await;
    let held = a_held_reading_is_decided(&program, daemon.mqtt().await).await;
    history_goes_in_and_out(&program).await;
    keys_are_rotated(&program).await;
    let text = program.well(&["doctor", "--verify"]).await;
    assert!(text.contains("the daemon runs") && text.contains("every sealed thing opens"), "{text}");

    the_link_is_ended_and_made_anew(&program, &portal).await;
    daemon.stop().await;
    assert!(!socket.exists(), "the socket goes with the daemon");
    // The same store, opened by the command itself.
    assert_eq!(program.json(&["meter", "decide", &held, "--dismiss"]).await["accepted"], false);
    assert_eq!(history(&program, KITCHEN).await[0], ("50", "ignored"));
    portal.stop().await;
}

/// Without standing consent an act waits for a person; approved without a link, it waits with a notice.
async fn an_act_is_approved(program: &Program) -> String {
    let act = until("an act waits for approval", || async {
        let acts = program.json(&["act", "list"]).await;
        array(&acts, "acts").iter().find(|act| act["state"] == "checked")?["act"].as_str().map(str::to_owned)
    })
    .await;
    until("the draft follows the newest reading", || async {
        let shown = program.json(&["act", "show", &act]).await;
        array(&shown, "readings").iter().any(|reading| reading["values"]["t1"] == "0.9").then_some(())
    })
    .await;
    assert!(program.well(&["act", "list"]).await.contains("checked"));
    let text = program.well(&["doctor"]).await;
    assert!(text.contains("waits for approval") && text.contains(&act), "{text}");
    let exported = ["act", "show", &act, "--export", "too-early"];
    assert!(program.fails(&exported, REFUSED).await.contains("not signed"));
    assert!(program.well(&["act", "approve", &act]).await.contains("approved"));
    assert_eq!(program.json(&["act", "approve", &act]).await["act"], act, "said twice is said once");
    program.fails(&["act", "correct", &act], REFUSED).await;

    let notices = until("the missing link is noticed", || async {
        let notices = program.json(&["notices"]).await;
        (!array(&notices, "notices").is_empty()).then_some(notices)
    })
    .await;
    let notice = &notices["notices"][0];
    assert!(notice["text"].as_str().unwrap().chars().count() > 15, "a sentence: {notice}");
    assert!(program.well(&["notices"]).await.contains(notice["text"].as_str().unwrap()));
    program.well(&["notices", "--done", notice["key"].as_str().unwrap()]).await;
    act
}

async fn the_portal_is_linked(program: &Program, portal: &Arc<SandboxPortal>) {
    let text = program.well(&["portal", "status"]).await;
    assert!(text.contains("link: unlinked") && text.contains("approved 1"), "{text}");
    assert!(program.well(&["portal", "unlink"]).await.contains("there was no link"));
    assert!(program.fails(&["portal", "accounts"], REFUSED).await.contains("not linked"));
    assert!(program.fails(&["portal", "link"], REFUSED).await.contains("--yes"));

    // A provider's login page stands in between.
    portal.misbehave_at(Reach::Only(Endpoint::Metadata), Misbehaviour::Html200, 1);
    let said = program.say(&["portal", "link", "--yes"]).await;
    assert_eq!(said.code, FAILED, "{said:?}");
    assert!(said.err.contains("answered with a web page (HTML, status 200) instead of JSON"), "{said:?}");

    let approver = Arc::clone(portal);
    let (tell, told) = std::sync::mpsc::channel();
    let said = program.follow(&["portal", "link", "--yes"], move |line| {
        let _ = tell.send(line.to_owned());
        if let Some((_, code)) = line.split_once("Код: ") {
            assert!(approver.approve(code.trim()), "the portal knows the code");
        }
    });
    let said = said.await;
    assert_eq!((said.code, said.out.trim_end()), (0, "linked / связано"), "{said:?}");
    let shown: Vec<String> = told.try_iter().collect();
    for scope in ["[acts.write]", "[accounts.read]"] {
        let line = shown.iter().position(|line| line.contains(scope)).expect("scopes in words");
        let code = shown.iter().position(|line| line.contains("Код: ")).unwrap();
        assert!(line < code, "the scopes come before the code: {shown:?}");
    }
    assert!(program.fails(&["portal", "link", "--yes"], REFUSED).await.contains("linked already"));
    let text = program.well(&["portal", "status"]).await;
    assert!(text.contains("link: linked") && text.contains("[acts.write]"), "{text}");
    let text = program.well(&["portal", "accounts"]).await;
    assert!(text.contains("7712345678") && text.contains(BATH_SERIAL), "{text}");
    let json = program.json(&["portal", "accounts"]).await;
    assert_eq!(json["accounts"][0]["points"].as_array().unwrap().len(), 4);
}

/// Both ways as text and as JSON.
async fn the_link_is_ended_and_made_anew(program: &Program, portal: &Arc<SandboxPortal>) {
    let text = program.well(&["portal", "unlink"]).await;
    assert!(text.contains("the portal has confirmed"), "{text}");
    assert_eq!(program.json(&["portal", "status"]).await["link"]["is"], "unlinked");
    assert_eq!(program.json(&["portal", "unlink"]).await["was_linked"], false);
    let approver = Arc::clone(portal);
    let said = program.follow(&["--json", "portal", "link"], move |line| {
        if let Ok(view) = serde_json::from_str::<Value>(line) {
            assert!(approver.approve(view["code"]["user_code"].as_str().expect("a code to type in")));
        }
    });
    let said = said.await;
    assert_eq!((said.code, &said.json()["is"]), (0, &Value::from("linked")), "{said:?}");
    assert_eq!(program.json(&["portal", "unlink"]).await["told_portal"], true);
}

async fn received(program: &Program, act: &str) -> Value {
    until("the act has its receipt", || async {
        let shown = program.json(&["act", "show", act]).await;
        (shown["state"]["is"] == "received").then_some(shown)
    })
    .await
}

async fn the_act_is_verified_by_anybody(program: &Program, folder: &Path, act: &str) {
    let text = program.well(&["act", "show", "2026-11", "--export", "out"]).await;
    assert!(text.contains("signature: holds") && text.contains("receipt"), "{text}");
    let file = format!("out/act-{act}.json");
    let verify = ["act", "verify", &file, "--key", "out/act-key.jwk"];
    assert!(program.well(&verify).await.contains("the signature holds"));
    assert_eq!(program.json(&verify).await["holds"], true);
    let shown = program.json(&["act", "show", act, "--export", "again"]).await;
    assert_eq!(shown["act"], act, "JSON writes the files too");
    let signature = format!("again/act-{act}.json.jws");
    program.well(&["act", "verify", &file, "--signature", &signature, "--key", "again/act-key.jwk"]).await;

    std::fs::write(folder.join("other.jwk"), OTHER_KEY).unwrap();
    let other = ["act", "verify", &file, "--key", "other.jwk"];
    program.fails(&other, UNWELL).await;
    assert_eq!(program.fails_json(&other, UNWELL).await["holds"], false);
    let path = folder.join(&file);
    let document = std::fs::read_to_string(&path).unwrap();
    assert!(document.contains("\"0.9\""), "{document}");
    std::fs::write(&path, document.replace("\"0.9\"", "\"0.8\"")).unwrap();
    program.fails(&verify, UNWELL).await;
    std::fs::write(&path, format!("{document} ")).unwrap();
    program.fails(&verify, UNWELL).await;
    program.fails(&["act", "verify", &file, "--key", "nowhere.jwk"], FAILED).await;
    program.fails(&["act", "verify", &file, "--key", &file], FAILED).await;
}

async fn the_act_is_corrected(program: &Program, portal: &SandboxPortal, act: &str) {
    program.well(&["portal", "consent", "on"]).await;
    program.well(&["meter", "submit", BATH, "1.1"]).await;
    let corrected = program.json(&["act", "correct", act]).await;
    assert_eq!(corrected["supersedes"], act);
    let correction = corrected["act"].as_str().unwrap();
    received(program, correction).await;
    assert_eq!(program.json(&["act", "show", act]).await["state"]["is"], "superseded");
    assert_eq!(program.json(&["act", "show", "2026-11"]).await["act"], correction);
    assert_eq!(portal.live_acts("7712345678", (2026, 11)), 1);
    program.well(&["meter", "submit", BATH, "1.2"]).await;
    let text = program.well(&["act", "correct", correction]).await;
    let second = text.trim_end().strip_prefix("corrected by act ").unwrap_or_else(|| panic!("{text}"));
    received(program, second).await;
}

/// A device's implausible value is held until a person decides. Leaves another one held, and gives its number.
async fn a_held_reading_is_decided(program: &Program, broker: std::net::SocketAddr) -> String {
    let issued = program.json(&["mqtt", "add", "radio", "--publish", "wmbusmeters/#"]).await;
    let credentials = Credentials {
        client_id: "radio-1".into(),
        username: "radio".into(),
        password: issued["password"].as_str().unwrap().into(),
    };
    let mut radio = Speaker::connect(broker, &credentials).await.unwrap();
    let telegram =
        |value: &str| format!(r#"{{"_":"telegram","media":"water","id":"12345699","total_m3":{value},"status":"OK"}}"#);
    let held = async |value: &str| {
        until("the reading is held", || async {
            let rows = program.json(&["meter", "history", KITCHEN]).await;
            let row = array(&rows, "readings").iter().find(|row| row["verdict"]["is"] == "held")?;
            assert_eq!(row["value"], value);
            Some(row["reading"].to_string())
        })
        .await
    };
    radio.say("wmbusmeters/kitchen", telegram("60")).await.unwrap();
    let first = held("60").await;
    assert!(program.well(&["doctor"]).await.contains("wait for a decision"));
    assert_eq!(program.well(&["meter", "decide", &first, "--accept"]).await.trim_end(), "believed");
    assert_eq!(history(program, KITCHEN).await[0], ("60", "accepted"));
    radio.say("wmbusmeters/kitchen", telegram("50")).await.unwrap();
    let second = held("50").await;

    // Withdrawn, the credential's connection is closed at once and does not come back.
    let removed = program.json(&["mqtt", "remove", "radio"]).await;
    assert_eq!(removed["connections_closed"], 1);
    radio.closed().await;
    let again = Speaker::connect(broker, &credentials).await.err().expect("it is not let in again");
    assert!(again.contains("BadUserNamePassword") || again.contains("NotAuthorized"), "{again}");
    second
}
