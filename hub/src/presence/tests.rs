//! Tests of presence on a real store, with a clock that is turned by hand and devices that say what they are told to.

use std::collections::HashMap;

use domovoi_model::{Unit, Value};
use domovoi_vault::MasterKey;

use super::*;

/// 2026-11-21T16:00:00Z
const NOW: i64 = 1_795_276_800_000;
const QUIET: i64 = 10 * 60_000;

type Says = Arc<Mutex<HashMap<DeviceRef, Value>>>;

struct Room {
    presence: Presence,
    clock: Clock,
    bus: Bus,
    says: Says,
    heard: broadcast::Receiver<Event>,
    master: MasterKey,
    folder: tempfile::TempDir,
}

fn anna() -> PersonId {
    PersonId(Id([1; 16]))
}

fn boris() -> PersonId {
    PersonId(Id([2; 16]))
}

fn phone(name: &str) -> Tracker {
    Tracker { device: DeviceRef::new("ble", name), property: "presence".into(), home: Meaning::Is(vec!["home".into()]) }
}

fn state(device: &DeviceRef, value: &Value) -> PropertyState {
    PropertyState {
        device: device.clone(),
        property: "presence".into(),
        value: Some(value.clone()),
        unit: Unit::None,
        suspect: None,
        at: None,
        restored: false,
        expired: false,
        reachable: None,
    }
}

async fn open(folder: &tempfile::TempDir, master: &MasterKey, clock: &Clock, bus: &Bus, says: &Says) -> Presence {
    let settings = domovoi_store::Settings { ballast: 0, ..domovoi_store::Settings::new(folder.path().join("data")) };
    let store = Store::open(&settings, master).await.unwrap();
    let presence = Presence::open(store, clock.clone(), bus.clone(), Duration::from_secs(600)).await;
    let says = Arc::clone(says);
    presence.states_are(move |device, _| says.lock().unwrap().get(device).map(|value| state(device, value)));
    presence
}

impl Room {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, bus, says) = (Clock::by_hand(Id([7; 16]), Timestamp(NOW)), Bus::default(), Says::default());
        let master = MasterKey::generate().unwrap();
        let presence = open(&folder, &master, &clock, &bus, &says).await;
        let heard = bus.listen();
        Room { presence, clock, bus, says, heard, master, folder }
    }

    async fn again(&mut self) {
        self.presence = open(&self.folder, &self.master, &self.clock, &self.bus, &self.says).await;
    }

    /// A tracker says something, and the room looks.
    async fn says(&self, name: &str, word: &str) {
        let (device, value) = (DeviceRef::new("ble", name), Value::Text(word.into()));
        self.says.lock().unwrap().insert(device.clone(), value.clone());
        self.presence.hear(&[state(&device, &value)]).await;
    }

    async fn passes(&self, millis: i64) {
        self.clock.set(Timestamp(self.clock.wall().0 + millis));
        self.presence.ask_all().await;
    }

    fn told(&mut self) -> Vec<(PersonId, Option<bool>, Option<bool>)> {
        let mut told = Vec::new();
        while let Ok(event) = self.heard.try_recv() {
            if let Event::Presence(news) = event {
                told.push((news.person, news.home, news.anybody));
            }
        }
        told
    }
}

#[tokio::test]
async fn people_come_and_leave_and_the_last_one_empties_the_house() {
    let mut room = Room::new().await;
    assert_eq!(room.presence.anybody(), None);
    room.presence.track(anna(), vec![phone("a")], None).await.unwrap();
    room.presence.track(boris(), vec![phone("b")], Some(1)).await.unwrap();
    room.says("a", "home").await;
    room.says("b", "home").await;
    assert_eq!(room.told(), [(anna(), Some(true), Some(true)), (boris(), Some(true), Some(true))]);
    room.says("a", "not_home").await;
    room.says("b", "not_home").await;
    room.passes(60_000).await;
    assert_eq!(room.told(), [(boris(), Some(false), Some(true))], "his own quiet time is shorter");
    let (to, left) = room.presence.of(anna()).turning.unwrap();
    // The machine's own time goes on beside the one that is turned by hand.
    assert!(to == Some(false) && !left.is_zero() && left <= Duration::from_secs(9 * 60), "{left:?}");
    room.passes(QUIET).await;
    assert_eq!(room.told(), [(anna(), Some(false), Some(false))], "the last one");
    assert_eq!((room.presence.is_home(anna()), room.presence.anybody()), (Some(false), Some(false)));
}

#[tokio::test]
async fn it_stands_after_a_restart_as_it_stood() {
    let mut room = Room::new().await;
    room.presence.track(anna(), vec![phone("a")], None).await.unwrap();
    room.says("a", "home").await;
    room.presence.say(boris(), Some(Hand { home: false, by: By::Person(Some(boris())) })).await.unwrap();
    let before = room.presence.list();
    // The phone's device is not heard of at first.
    room.says.lock().unwrap().clear();
    room.again().await;
    let after = room.presence.list();
    assert!(after[0].last_known && after[0].home == Some(true) && after[0].since == before[0].since, "{after:?}");
    assert_eq!((after[1].home, after[1].hand), (Some(false), before[1].hand));
    room.passes(1000).await;
    assert_eq!(room.presence.is_home(anna()), Some(true), "unknown is not away");
    room.told();
    room.says("a", "home").await;
    assert!(!room.presence.of(anna()).last_known);
    assert_eq!(room.told(), [], "nothing is otherwise");
    room.says("a", "away").await;
    room.again().await;
    room.passes(QUIET - 1).await;
    assert_eq!(room.presence.is_home(anna()), Some(true), "the quiet time begins anew after a restart");
    room.passes(QUIET).await;
    assert_eq!(room.presence.is_home(anna()), Some(false));
}

#[tokio::test]
async fn what_was_said_by_hand_outlives_a_restart_and_ends_with_another_word_of_a_tracker() {
    let mut room = Room::new().await;
    room.presence.track(anna(), vec![phone("a")], None).await.unwrap();
    room.says("a", "home").await;
    room.presence.say(anna(), Some(Hand { home: false, by: By::Person(None) })).await.unwrap();
    room.again().await;
    room.says("a", "home").await;
    assert_eq!(room.presence.is_home(anna()), Some(false), "it said that before");
    room.says("a", "away").await;
    room.says("a", "home").await;
    assert_eq!(room.presence.is_home(anna()), Some(true));
}

#[tokio::test]
async fn a_phone_speaks_by_its_secret_address_until_that_is_revoked() {
    let mut room = Room::new().await;
    let (link, secret) = room.presence.make_link(anna(), " телефон ").await.unwrap();
    assert!(secret.expose().len() >= 43, "256 bits");
    assert_eq!(link.label, "телефон");
    assert_eq!(room.presence.tapped(secret.expose(), true).await, Tapped::Done(anna()));
    assert_eq!(room.presence.of(anna()).why, Why::Link);
    for wrong in ["", "x", &secret.expose()[1..], &"x".repeat(100_000)] {
        assert_eq!(room.presence.tapped(wrong, true).await, Tapped::Unknown);
    }
    room.again().await;
    assert_eq!(room.presence.tapped(secret.expose(), false).await, Tapped::Done(anna()));
    assert_eq!(room.presence.is_home(anna()), Some(false));
    assert!(room.presence.links(anna())[0].used_on.is_some());
    assert!(matches!(room.presence.revoke_link(boris(), link.id).await, Err(PresenceError::NoLink)), "not his");
    room.presence.revoke_link(anna(), link.id).await.unwrap();
    assert_eq!(room.presence.tapped(secret.expose(), true).await, Tapped::Unknown);
    room.again().await;
    assert_eq!(room.presence.tapped(secret.expose(), true).await, Tapped::Unknown);
}

#[tokio::test]
async fn a_phone_that_speaks_without_end_is_told_to_wait() {
    let room = Room::new().await;
    let (_, secret) = room.presence.make_link(anna(), "x").await.unwrap();
    let mut waits = 0;
    for n in 0..20 {
        match room.presence.tapped(secret.expose(), n % 2 == 0).await {
            Tapped::Done(_) => {}
            Tapped::Busy(seconds) => {
                assert!((1..=15).contains(&seconds));
                waits += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(waits >= 9, "{waits}");
    for n in 0..8 {
        room.presence.make_link(boris(), &n.to_string()).await.unwrap();
    }
    assert!(matches!(room.presence.make_link(boris(), "9").await, Err(PresenceError::Full(_))));
    assert!(matches!(room.presence.make_link(anna(), " ").await, Err(PresenceError::Invalid("label"))));
}

#[tokio::test]
async fn a_person_is_forgotten_with_everything() {
    let mut room = Room::new().await;
    room.presence.track(anna(), vec![phone("a")], None).await.unwrap();
    let (_, secret) = room.presence.make_link(anna(), "x").await.unwrap();
    room.says("a", "home").await;
    assert_eq!(room.presence.export(anna())["home"], true);
    room.told();
    room.presence.forget_person(anna()).await.unwrap();
    assert_eq!(room.told(), [(anna(), None, None)]);
    room.again().await;
    assert_eq!(room.presence.list(), []);
    assert_eq!(room.presence.tapped(secret.expose(), true).await, Tapped::Unknown);
}

#[tokio::test]
async fn who_takes_the_word_back_and_is_seen_by_nothing_is_not_followed() {
    let mut room = Room::new().await;
    room.presence.say(anna(), Some(Hand { home: true, by: By::Person(None) })).await.unwrap();
    room.presence.say(boris(), Some(Hand { home: false, by: By::Person(None) })).await.unwrap();
    room.presence.say(anna(), None).await.unwrap();
    assert_eq!(room.told().last(), Some(&(anna(), None, Some(false))), "the house does not wait for her");
    room.again().await;
    assert_eq!(room.presence.list().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let room = Room::new().await;
    let many = (0..=MAX_TRACKERS).map(|n| phone(&n.to_string())).collect();
    assert!(matches!(room.presence.track(anna(), many, None).await, Err(PresenceError::Full(_))));
    let silent = Tracker { home: Meaning::Is(vec![" ".into()]), ..phone("a") };
    assert!(matches!(room.presence.track(anna(), vec![silent], None).await, Err(PresenceError::Invalid("is"))));
    let bare = Tracker { property: String::new(), ..phone("a") };
    assert!(matches!(room.presence.track(anna(), vec![bare], None).await, Err(PresenceError::Invalid("property"))));
    for minutes in [0, 721] {
        let tried = room.presence.track(anna(), Vec::new(), Some(minutes)).await;
        assert!(matches!(tried, Err(PresenceError::Invalid("quiet_minutes"))));
    }
    assert_eq!(room.presence.list(), []);
}

#[tokio::test]
async fn it_listens_to_the_bus_while_it_runs() {
    let mut room = Room::new().await;
    room.presence.track(anna(), vec![phone("a")], None).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn({
        let presence = room.presence.clone();
        async move { presence.run(stopped).await }
    });
    let (device, value) = (DeviceRef::new("ble", "a"), Value::Text("home".into()));
    room.bus.tell(Event::State(Arc::new(vec![state(&device, &value)])));
    loop {
        if let Event::Presence(news) = room.heard.recv().await.unwrap() {
            assert_eq!((news.person, news.home), (anna(), Some(true)));
            break;
        }
    }
    stop.send_replace(true);
    running.await.unwrap();
}
