//! A house that is damaged opens, says what it had to be opened without, and closes its valves.

use std::path::Path;

use domovoi_adapters::Road;
use domovoi_model::{DeviceRef, Id, Timestamp, Value};
use domovoi_store::{Drawer, Paper};
use tokio::task::JoinSet;

use super::*;
use crate::devices::{DeviceView, Wish};
use crate::ingest::Arrival;
use crate::tests::until_async;

const SETTINGS: &str = "[web]\nenabled = false\n\n[mqtt]\nlisten_tls = []\n\n\
    [portal]\nissuer = \"https://id.example.org\"\napi_base = \"https://api.example.org\"\nclient_id = \"hub\"\n\n\
    [external_broker]\nhost = \"192.0.2.9\"\nusername = \"domovoi\"\npassword_secret = \"nobody_set_it\"\n";

async fn open(folder: &Path, settings: &str) -> House {
    let settings = Settings::parse(settings, "test.toml", folder).unwrap();
    let clock = Clock::by_hand(Id([7; 16]), Timestamp(1_795_262_400_000));
    Box::pin(House::open(settings, clock, None)).await.unwrap()
}

fn hear(desk: &Desk, topic: &str, payload: &str) {
    let (road, sender, payload) = (Road::Embedded, "bridge", payload.as_bytes());
    drop(desk.ingest.take(Arrival { road, sender, topic, payload, retained: false, again: false }));
}

async fn a_valve_and_a_leak_sensor(desk: &Desk) -> DeviceRef {
    let mut devices = Vec::new();
    for (component, id, more) in
        [("valve", "v1", r#""cmd_t":"v1/set","#), ("binary_sensor", "s1", r#""dev_cla":"moisture","#)]
    {
        let config =
            format!(r#"{{"uniq_id":"{id}","stat_t":"{id}/state",{more}"dev":{{"ids":["{id}"],"name":"{id}"}}}}"#);
        hear(desk, &format!("homeassistant/{component}/{id}/config"), &config);
        let named = |view: &DeviceView| view.name == id;
        let view = until_async(id, async || desk.devices.list().into_iter().find(named)).await;
        desk.devices.accept(view.device(), Wish::default()).await.unwrap();
        devices.push(view.device().clone());
    }
    devices.swap_remove(0)
}

#[tokio::test]
async fn a_house_with_damaged_parts_opens_without_them_and_closes_its_valve() {
    let folder = tempfile::tempdir().unwrap();
    let house = open(folder.path(), "[web]\nenabled = false\n\n[mqtt]\nlisten_tls = []\n").await;
    let mut rooms = JoinSet::new();
    house.start_rooms(&mut rooms);
    let valve = a_valve_and_a_leak_sensor(&house.desk(false)).await;
    let papers = house.store().papers();
    for (number, drawer) in (1u8..).zip([Drawer::Person, Drawer::Session, Drawer::Token]) {
        let body = zeroize::Zeroizing::new("мусор".as_bytes().to_vec());
        papers.put(drawer, &Paper { id: Id([number; 16]), person: None, body }).await.unwrap();
    }
    for name in ["portal.link", "act.key"] {
        house.store().secrets().put(name, b"garbage").await.unwrap();
    }
    house.close(rooms).await;

    let house = open(folder.path(), SETTINGS).await;
    let desk = house.desk(true);
    assert!(!desk.signin.needs_owner(), "a damaged paper may be the owner's: nobody else becomes one");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(Box::pin(house.run(Sockets::default(), async {
        let _ = stopped.await;
    })));
    let wanted = ["external-broker", "metering", "people", "portal"].map(|part| format!("opened_without:{part}"));
    until_async("it says what is missing", async || {
        let open = desk.store.notices().open().await.ok()?;
        let mut keys: Vec<String> = open.into_iter().map(|one| one.key).collect();
        keys.retain(|key| key.starts_with("opened_without"));
        keys.sort();
        (keys == wanted).then_some(())
    })
    .await;
    hear(&desk, "s1/state", "ON");
    until_async("the valve is told to close", async || {
        let standing = desk.safety.standing();
        let told = standing.pursuits.iter().find(|(place, ..)| place.device == valve)?;
        (told.1.tries > 0 && told.1.value == Value::Bool(false)).then_some(())
    })
    .await;
    // What is recorded is told all the same, though nobody judges it.
    hear(&desk, "v1/state", "open");
    until_async("the state is shown", async || {
        let view = desk.devices.show(&valve)?;
        view.properties.iter().any(|one| one.state.value.is_some() && !one.state.restored).then_some(())
    })
    .await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
