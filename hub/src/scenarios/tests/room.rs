//! The room with a real store and a real bus: what is saved is there after a restart, whoever may not does not, a webhook
//! begins what it belongs to, and a run goes on after the house was dropped in its midst.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi_config::Settings;
use domovoi_model::{DeviceRef, Id, Moment, PersonId, Quality, Sample, Timestamp, Unit, Value};
use domovoi_store::{Recorded, Seq, Store};
use domovoi_vault::MasterKey;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::super::{Deed, End, Outcome, ScenarioPaper, Scenarios, ScenariosError, Surroundings};
use super::{ANNA, MONDAY, said};
use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::policy::{Assurance, Kind, Network, Object, Refusal, Role, Subject, Who};

struct Room {
    folder: tempfile::TempDir,
    store: Store,
    bus: Bus,
    clock: Clock,
    room: Scenarios,
    done: Arc<Mutex<Vec<Deed>>>,
    stop: watch::Sender<bool>,
    running: Option<tokio::task::JoinHandle<()>>,
}

fn anna(proved_at: Option<Timestamp>) -> Who {
    Who {
        subject: Subject::Person(ANNA),
        role: Some(Role::Adult),
        assurance: Assurance::Strong,
        proved_at,
        ..Who::nobody(Network::Home)
    }
}

/// Anna lives here; Boris did.
fn around(done: &Arc<Mutex<Vec<Deed>>>) -> Surroundings {
    let done = Arc::clone(done);
    Surroundings {
        find: Arc::new(DeviceRef::parse),
        state: Arc::new(|_| None),
        object: Arc::new(|at| Object::one(Kind::Device, at.device.to_string())),
        is_dangerous: Arc::new(|at, _| at.property == "lock"),
        author: Arc::new(|person| (person == ANNA).then(|| anna(None))),
        home: Arc::new(|_| None),
        person: Arc::new(|_| None),
        perform: Arc::new(move |deed| {
            done.lock().unwrap().push(deed);
            Box::pin(async { Outcome::Done(String::new()) })
        }),
    }
}

impl Room {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::by_hand(Id([7; 16]), MONDAY);
        Self::on(folder, clock).await
    }

    async fn on(folder: tempfile::TempDir, clock: Clock) -> Self {
        let hub = folder.path().join("hub");
        std::fs::create_dir_all(&hub).unwrap();
        let key = folder.path().join("master.key");
        let master = if key.exists() { MasterKey::from_file(&key) } else { MasterKey::create_file(&key) }.unwrap();
        let store = Store::open(&domovoi_store::Settings::new(&hub), &master).await.unwrap();
        let bus = Bus::default();
        let mut section = Settings::parse("", "test.toml", folder.path()).unwrap().scenarios;
        (section.settles_in, section.settles_at_latest) = (Duration::ZERO, Duration::ZERO);
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let room = Scenarios::open(store.clone(), clock.clone(), bus.clone(), zone, None, &section).await;
        let done = Arc::default();
        room.surroundings_are(around(&done));
        let (stop, _) = watch::channel(false);
        Room { folder, store, bus, clock, room, done, stop, running: None }
    }

    async fn run(&mut self) {
        let (room, stop) = (self.room.clone(), self.stop.subscribe());
        self.running = Some(tokio::spawn(async move { room.run(stop).await }));
        let room = self.room.clone();
        until(|| room.is_armed()).await;
    }

    async fn save(&self, by: &Who, parts: Json) -> Result<super::super::Saved, ScenariosError> {
        let mut paper = json!({"name": "scenario"});
        paper.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        let paper: ScenarioPaper = serde_json::from_value(paper).unwrap();
        self.room.save(by, self.room.read(&paper).unwrap()).await
    }

    fn did(&self) -> Vec<String> {
        self.done.lock().unwrap().iter().map(said).collect()
    }

    /// As the power does it: nothing is written any more.
    async fn kill(mut self) -> (tempfile::TempDir, Vec<String>) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
        let did = self.did();
        (self.folder, did)
    }

    fn says(&self, value: i64) {
        let sample = Sample {
            device: DeviceRef::new("d", "s"),
            property: "p".into(),
            value: Value::Number(value.into()),
            unit: Unit::None,
            quality: Quality::Good,
            at: Moment::Wall(MONDAY),
            device_time: None,
        };
        self.bus.tell(Event::Recorded(Arc::new(vec![Recorded { seq: Seq(1), item: sample }])));
    }
}

async fn until(mut so: impl FnMut() -> bool) {
    let waits = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits).await.expect("it does not come");
}

fn command(property: &str) -> Json {
    json!({"do": "command", "device": "d:lamp", "property": property, "value": true})
}

#[tokio::test]
async fn a_value_that_is_recorded_begins_what_it_is_meant_for() {
    let mut room = Room::new().await;
    room.save(
        &anna(None),
        json!({"triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"above": 5}}],
               "actions": [command("on"), {"do": "notify", "title": "{{ trigger.value }}"}]}),
    )
    .await
    .unwrap();
    room.run().await;
    for value in [1, 4, 6, 7, 3] {
        room.says(value);
    }
    until(|| room.did().len() == 2).await;
    assert_eq!(room.did(), ["lamp.on=true", "!6"]);
    let scenario = room.room.list()[0].scenario.id;
    let (of, who) = (room.room.clone(), room.room.list()[0].scenario.author);
    assert_eq!(who, Some(ANNA));
    until(|| of.get(scenario).unwrap().last.is_some_and(|last| last.end == End::Done)).await;
    let runs = room.room.runs(Some(scenario), 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    let trace = room.room.trace(runs[0].id).await.unwrap();
    assert_eq!((trace.trigger.as_str(), trace.cause.as_str()), ("t", "d:s/p = 6"));
}

#[tokio::test]
async fn what_is_saved_is_there_after_a_restart_and_a_run_goes_on_where_it_was() {
    let mut room = Room::new().await;
    let saved = room
        .save(
            &anna(None),
            json!({"actions": [command("on"), {"do": "wait", "seconds": 600}, {"do": "notify", "title": "after"}]}),
        )
        .await
        .unwrap();
    room.run().await;
    let id = saved.scenario.id;
    room.room.start(Some(ANNA), id).await.unwrap();
    until(|| room.did().len() == 1).await;
    let shelf = room.store.scenarios();
    // The wait is on the disk when the outcome of the command is.
    let waits = async || {
        let (runs, _) = shelf.all(domovoi_store::ScenarioDrawer::Run).await.unwrap();
        runs.iter().any(|(_, body)| String::from_utf8_lossy(body).contains("\"wait\""))
    };
    while !waits().await {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (folder, did) = room.kill().await;
    assert_eq!(did, ["lamp.on=true"]);
    let clock = Clock::by_hand(Id([8; 16]), MONDAY.plus_millis(60_000));
    let mut room = Room::on(folder, clock).await;
    assert_eq!(*room.room.get(id).unwrap().scenario, *saved.scenario);
    assert_eq!(room.room.get(id).unwrap().running, 1);
    room.run().await;
    assert!(room.did().is_empty());
    room.clock.set(MONDAY.plus_millis(601_000));
    room.room.nudge();
    until(|| room.did().len() == 1).await;
    assert_eq!(room.did(), ["!after"]);
    let of = room.room.clone();
    until(|| of.get(id).unwrap().running == 0).await;
}

#[tokio::test]
async fn whoever_may_not_does_not_and_what_is_dangerous_wants_a_factor() {
    let mut room = Room::new().await;
    let dangerous = json!({"actions": [{"do": "repeat", "count": 1, "steps": [command("lock")]}]});
    let refused = room.save(&anna(None), dangerous.clone()).await.unwrap_err();
    assert!(
        matches!(&refused, ScenariosError::Refused { path, refusal: Refusal::StepUp } if path == "actions[0].steps[0]"),
        "{refused}"
    );
    let guest = Who { role: Some(Role::Child), ..anna(None) };
    let reading = json!({"actions": [{"do": "reading", "point": Id([1; 16]).to_string(), "values": [1]}]});
    assert!(matches!(room.save(&guest, reading).await, Err(ScenariosError::Refused { refusal: Refusal::Role, .. })));
    let saved = room.save(&anna(Some(MONDAY)), dangerous).await.unwrap();
    assert!(saved.scenario.sure);
    room.run().await;
    room.room.start(Some(ANNA), saved.scenario.id).await.unwrap();
    until(|| room.did().len() == 1).await;
    assert_eq!(room.did(), ["lamp.lock=true"], "nobody is there to show a factor again");
    // Somebody who is not here any more.
    let boris = Who { subject: Subject::Person(PersonId(Id([0xb; 16]))), ..anna(None) };
    let his = room.save(&boris, json!({"actions": [command("on")]})).await.unwrap().scenario.id;
    room.room.start(Some(ANNA), his).await.unwrap();
    let of = room.room.clone();
    until(|| of.get(his).unwrap().last.is_some_and(|last| last.end == End::NotAllowed)).await;
    assert_eq!(room.did().len(), 1);
    let store = room.store.clone();
    let told = async {
        loop {
            let open = store.notices().open().await.unwrap();
            if open.iter().any(|open| open.notice.kind == "scenario_not_allowed") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("the household is told");
}

#[tokio::test]
async fn a_webhook_keeps_its_secret_as_long_as_its_trigger_and_nobody_guesses_it() {
    let mut room = Room::new().await;
    let parts =
        json!({"triggers": [{"id": "hook", "when": "webhook"}], "actions": [{"do": "notify", "title": "hooked"}]});
    let saved = room.save(&anna(None), parts.clone()).await.unwrap();
    let [(trigger, secret)] = &saved.webhooks[..] else { panic!("one secret") };
    let secret = secret.expose().clone();
    assert_eq!((trigger.as_str(), secret.len()), ("hook", 64));
    assert!(!format!("{saved:?}").contains(&secret));
    room.run().await;
    assert!(matches!(room.room.webhook("0000"), Err(ScenariosError::NoSuch(_))));
    assert_eq!(room.room.webhook(&secret).unwrap(), saved.scenario.id);
    until(|| room.did().len() == 1).await;
    let mut again = parts;
    again["id"] = json!(saved.scenario.id.to_string());
    again["note"] = json!("another remark");
    assert!(room.save(&anna(None), again).await.unwrap().webhooks.is_empty());
    assert!(room.room.webhook(&secret).is_ok());
    room.room.delete(saved.scenario.id).await.unwrap();
    assert!(room.room.webhook(&secret).is_err());
    assert!(room.room.list().is_empty());
    assert!(room.room.runs(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_house_that_stops_in_order_leaves_what_was_not_begun_for_the_next() {
    let mut room = Room::new().await;
    let steps: Vec<Json> = (0..20).map(|n| json!({"do": "notify", "title": n.to_string()})).collect();
    let id = room.save(&anna(None), json!({"actions": steps})).await.unwrap().scenario.id;
    room.run().await;
    room.room.start(Some(ANNA), id).await.unwrap();
    until(|| !room.did().is_empty()).await;
    room.stop.send_replace(true);
    room.running.take().unwrap().await.unwrap();
    let (folder, mut did) = room.kill().await;
    let mut room = Room::on(folder, Clock::by_hand(Id([8; 16]), MONDAY)).await;
    room.run().await;
    let of = room.room.clone();
    until(|| of.get(id).unwrap().running == 0).await;
    did.extend(room.did());
    assert_eq!(did, (0..20).map(|n| format!("!{n}")).collect::<Vec<_>>());
}
