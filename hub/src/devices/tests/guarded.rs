//! What strangers, codes and brokers that are away must not bring about.

use super::*;

const LOCK: &str = "0x00124b0000000002";

fn lock() -> DeviceRef {
    DeviceRef::new("zigbee2mqtt", LOCK)
}

/// A lock whose codes are set by a composite beside the bolt.
fn list_with_lock() -> String {
    format!(
        r#"[{{"ieee_address":"{LOCK}","type":"EndDevice","friendly_name":"door","supported":true,"disabled":false,
        "interview_state":"SUCCESSFUL","definition":{{"model":"T","vendor":"T","description":"T","exposes":[
        {{"type":"lock","features":[{{"type":"binary","name":"state","property":"state","access":7,"value_on":"LOCK",
        "value_off":"UNLOCK"}}]}},
        {{"type":"composite","name":"pin_code","property":"pin_code","access":2,"features":[
        {{"type":"numeric","name":"user","property":"user","access":2}},
        {{"type":"numeric","name":"pin_code","property":"pin_code","access":2}}]}}]}}}}]"#
    )
}

fn to(device: &DeviceRef, property: &str, value: &str) -> Command {
    let target = CommandTarget { device: device.clone(), property: property.into() };
    Command { target, value: Value::Text(value.into()) }
}

#[tokio::test]
async fn a_code_for_the_door_is_dangerous_and_told_to_nobody() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list_with_lock());
    home.found(&lock()).await;
    home.devices.accept(&lock(), Wish::default()).await.unwrap();
    let mut ears = home.house.bus().listen();
    let code = to(&lock(), "pin_code", r#"{"user":1,"pin_code":4321}"#);
    assert!(home.devices.is_dangerous(&code));
    let life = home.devices.command(asker(), code).unwrap();
    let told = |life: &crate::bus::CommandLife| life.command.value == Value::Text("***".into());
    assert!(told(&life) && told(&home.devices.lives_of(&lock())[0]));
    while let Ok(event) = ears.try_recv() {
        if let Event::Command(life) = event {
            assert!(told(&life), "{life:?}");
        }
    }
    let journal = home.house.desk(false).journal;
    let written = until_async("it stands in the journal", async || {
        let page = journal.search(&crate::audit::Query { limit: 100, ..Default::default() }).await.unwrap();
        let records: Vec<String> = page.records.iter().map(|record| format!("{record:?}")).collect();
        records.into_iter().find(|record| record.contains("device.commanded"))
    })
    .await;
    assert!(written.contains("pin_code") && !written.contains("4321"), "{written}");
}

#[tokio::test]
async fn a_command_that_was_not_said_takes_no_place_of_one_that_was() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    home.devices.accept(&lamp(), Wish::default()).await.unwrap();
    let first = home.devices.command(asker(), switch(true)).unwrap();
    // From here on it is heard behind a broker that is away.
    let payload = br#"{"linkquality":7}"#;
    let (road, sender, topic) = (Road::External, "home", "zigbee2mqtt/desk");
    drop(home.ingest.take(Arrival { road, sender, topic, payload, retained: false, again: false }));
    let second = home.devices.command(asker(), switch(false)).unwrap();
    assert_eq!(second.state, CommandState::Refused);
    assert_eq!(home.devices.life(first.id).unwrap().state, CommandState::Sent);
    home.hear("zigbee2mqtt/desk", r#"{"state":"ON"}"#);
    assert_eq!(home.devices.life(first.id).unwrap().state, CommandState::Confirmed);
}

#[tokio::test]
async fn a_stranger_that_calls_itself_as_ours_makes_no_name_ambiguous() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("boiler"));
    home.found(&lamp()).await;
    let named =
        |id: &str| format!(r#"{{"uniq_id":"{id}","stat_t":"{id}/s","dev":{{"ids":["{id}"],"name":"boiler"}}}}"#);
    home.hear_from("stranger", "homeassistant/sensor/x1/config", &named("x1"));
    until("the stranger is in the inbox", || (home.devices.list().len() == 2).then_some(())).await;
    assert_eq!(home.devices.find("boiler"), None, "neither is ours yet");
    home.devices.accept(&lamp(), Wish::default()).await.unwrap();
    assert_eq!(home.devices.find("Boiler"), Some(lamp()));
}

#[tokio::test]
async fn who_claims_a_name_gets_nothing_that_was_given_to_another() {
    let home = Home::new().await;
    home.hear_from("boiler-1", "tele/boiler/STATE", r#"{"POWER":"ON"}"#);
    let makeshift = DeviceRef::new("tasmota", "topic:boiler");
    home.found(&makeshift).await;
    home.devices.accept(&makeshift, Wish { name: Some("Котёл".into()), ..Wish::default() }).await.unwrap();
    let claim = |mac: &str| {
        format!(
            r#"{{"ip":"192.168.1.9","dn":"T","fn":["T"],"hn":"t","mac":"{mac}","md":"T","ty":0,"if":0,"ofln":"Offline",
            "onln":"Online","state":["OFF","ON","TOGGLE","HOLD"],"sw":"14.0","t":"boiler","ft":"%prefix%/%topic%/",
            "tp":["cmnd","stat","tele"],"rl":[1,0,0,0],"swc":[-1],"swn":[null],"btn":[0],"so":{{}},"lk":0,"lt_st":0,
            "sho":[0],"sht":[[0,0,0]],"ver":1}}"#
        )
    };
    let evil = DeviceRef::new("tasmota", "AABBCCDDEEFF");
    home.hear_from("evil", "tasmota/discovery/AABBCCDDEEFF/config", &claim("AABBCCDDEEFF"));
    let view = home.found(&evil).await;
    assert_eq!((Standing::of(&view.card), &view.card.name), (Standing::Waiting, &None));
    let view = home.devices.show(&makeshift).expect("what was given stays with whom it was given to");
    assert_eq!(view.card.name.as_deref(), Some("Котёл"));
    // The same words from the one who was heard under the name are his.
    let own = DeviceRef::new("tasmota", "001122334455");
    home.hear_from("boiler-1", "tasmota/discovery/001122334455/config", &claim("001122334455"));
    let view = home.found(&own).await;
    assert_eq!((view.card.name.as_deref(), Standing::of(&view.card)), (Some("Котёл"), Standing::Accepted));
}

#[tokio::test]
async fn a_device_that_waits_in_the_inbox_is_welcome_when_somebody_connects_it() {
    let home = Home::new().await;
    home.hear_from("old", "tele/lamp/STATE", r#"{"POWER":"ON"}"#);
    let device = DeviceRef::new("tasmota", "topic:lamp");
    home.found(&device).await;
    let until_then = Instant::now() + Duration::from_secs(60);
    let expected = Expected { username: "lamp-1".into(), wish: Wish::default(), until: until_then };
    home.devices.expect(expected).unwrap();
    home.hear_from("lamp-1", "tele/lamp/STATE", r#"{"POWER":"OFF"}"#);
    // Later, and with an id that comes before it: the first that speaks is the one.
    home.hear_from("lamp-1", "tele/a/STATE", r#"{"POWER":"OFF"}"#);
    until("it is ours", || home.devices.is_accepted(&device).then_some(())).await;
    assert_eq!(home.devices.of_credential("lamp-1"), Some(device));
}

#[tokio::test]
async fn a_device_that_says_again_what_it_is_is_no_news() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    home.devices.0.settle_found().await;
    let mut ears = home.house.bus().listen();
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.devices.0.settle_found().await;
    while let Ok(event) = ears.try_recv() {
        assert!(!matches!(event, Event::Device(_)), "{event:?}");
    }
    home.hear("zigbee2mqtt/bridge/devices", &list("shelf"));
    home.devices.0.settle_found().await;
    let told = std::iter::from_fn(|| ears.try_recv().ok()).any(|event| matches!(event, Event::Device(_)));
    assert!(told, "another name is");
}

#[tokio::test]
async fn what_a_broker_replays_does_not_undo_the_forgetting() {
    let home = Home::new().await;
    let topic = "homeassistant/sensor/x1/config";
    let config = r#"{"uniq_id":"x1","stat_t":"x1/s","dev":{"ids":["x1"],"name":"X"}}"#;
    let hear = |retained: bool| {
        let (road, sender, payload) = (Road::External, "home", config.as_bytes());
        drop(home.ingest.take(Arrival { road, sender, topic, payload, retained, again: false }));
    };
    hear(true);
    let device = until("it is found", || home.devices.list().pop()).await.card.device;
    let forget = Forget::default();
    home.devices.forget(&device, forget).await.unwrap();
    // Its broker is away, so nothing is cleared; it comes back and replays what it retains.
    hear(true);
    home.found(&device).await;
    home.devices.0.say_farewells().await;
    let left = home.house.store().devices().farewells().await.unwrap();
    assert_eq!(left.len(), 1, "what it retains is still to be cleared");
    assert!(left[0].external && left[0].topics.contains(&topic.to_owned()));
    hear(false);
    home.devices.0.say_farewells().await;
    assert!(home.house.store().devices().farewells().await.unwrap().is_empty(), "it has spoken itself");
}

#[tokio::test]
async fn strangers_do_not_take_the_place_of_what_is_ours_in_memory() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    let live = &home.devices.0.live;
    let reached = |id: String| domovoi_adapters::Reached {
        device: DeviceRef::new("zigbee2mqtt", id),
        group: 0,
        source: 0,
        available: true,
    };
    let strangers: Vec<_> = (0..MAX_DEVICES + 10).map(|number| reached(format!("s{number}"))).collect();
    live.reached(&strangers);
    assert!(live.of(&DeviceRef::new("zigbee2mqtt", format!("s{}", MAX_DEVICES + 9))).is_none(), "there is a bound");
    live.reached(&[reached(LAMP.into())]);
    assert!(live.of(&lamp()).is_some());
    home.devices.0.settle_found().await;
    assert!(live.of(&strangers[0].device).is_none() && live.of(&lamp()).is_some());
}

#[tokio::test]
async fn what_safety_hangs_on_leaves_only_as_it_came() {
    let home = Home::new().await;
    home.hear("zigbee2mqtt/bridge/devices", &list("desk"));
    home.found(&lamp()).await;
    let room = home.devices.add_room("Зал").await.unwrap();
    let ignored = Changes { standing: Some(Standing::Ignored), ..Changes::default() };
    let moved = Changes { room: Some(Some(room.id)), ..Changes::default() };
    assert!(!home.devices.is_dangerous_change(&lamp(), &ignored), "it was never ours");
    home.devices.accept(&lamp(), Wish::default()).await.unwrap();
    assert!(home.devices.is_dangerous_change(&lamp(), &ignored));
    assert!(!home.devices.is_dangerous_change(&lamp(), &moved), "a lamp may stand where it will");
    home.hear("zigbee2mqtt/bridge/devices", &list_with_lock());
    home.found(&lock()).await;
    home.devices.accept(&lock(), Wish::default()).await.unwrap();
    assert!(home.devices.is_dangerous_change(&lock(), &moved));
    let named = Changes { name: Some("Дверь".into()), hidden: Some(true), ..Changes::default() };
    assert!(!home.devices.is_dangerous_change(&lock(), &named));
}
