//! The room on a real store with real people.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use domovoi_config::Language;
use domovoi_model::{Id, PersonId, Severity, Timestamp};
use domovoi_store::{Settings as StoreSettings, Store};
use domovoi_vault::MasterKey;
use jiff::tz::TimeZone;

use super::scene::{Post, gas, news, section, storm};
use crate::audit::{Actor, Journal};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::notify::channels::{Address, Channel, Failed};
use crate::notify::policy::{QuietSpan, TopicWish, WishRefusal, Wishes};
use crate::notify::record::{HouseUse, Household, LetterState, Off};
use crate::notify::{LedgerFilter, NewWay, Notify, NotifyError, Subject, Topic};
use crate::people::{NewPerson, People, Profile};
use crate::policy::Role;

/// A home with a store.
pub struct Home {
    _folder: tempfile::TempDir,
    pub store: Store,
    pub clock: Clock,
    pub people: People,
    pub anna: PersonId,
    pub kolya: PersonId,
    pub zone: TimeZone,
}

impl Home {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("data");
        let settings = StoreSettings { ballast: 0, ..StoreSettings::new(path) };
        let store = Store::open(&settings, &MasterKey::generate().unwrap()).await.unwrap();
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let clock = Clock::by_hand(Id([9; 16]), Timestamp(1_795_510_800_000));
        let journal = Journal::new(store.clone(), clock.clone());
        let people = People::open(store.clone(), clock.clone(), journal).await.unwrap();
        let person = |name: &str, role| NewPerson {
            name: name.into(),
            role,
            contacts: Vec::new(),
            profile: Profile::default(),
            until: None,
        };
        let anna = people.add(person("Анна", Role::Owner)).await.unwrap().id;
        let kolya = people.add(person("Коля", Role::Child)).await.unwrap().id;
        let home = Home { _folder: folder, store, clock, people, anna, kolya, zone };
        home.clock.set(home.at("2026-11-24T12:00"));
        let (room, _) = home.room().await;
        room.add_route(Some(anna), way("push", "anna's phone", "anna")).await.unwrap();
        home
    }

    pub fn at(&self, text: &str) -> Timestamp {
        let local: jiff::civil::DateTime = text.parse().unwrap();
        Timestamp(local.to_zoned(self.zone.clone()).unwrap().timestamp().as_millisecond())
    }

    /// A room on this store, as after a start; with a push, a mail and a siren.
    pub async fn room(&self) -> (Notify, Arc<Post>) {
        self.room_with(Vec::new()).await
    }

    pub async fn room_with(&self, more: Vec<Arc<dyn Channel>>) -> (Notify, Arc<Post>) {
        let push = Post::new("push");
        let mut channels: Vec<Arc<dyn Channel>> = vec![push.clone(), Post::new("mail"), Post::new("siren")];
        channels.extend(more);
        let room = Notify::open(
            self.store.clone(),
            self.clock.clone(),
            Bus::default(),
            self.people.clone(),
            self.zone.clone(),
            Language::Russian,
            section(),
            channels,
        )
        .await;
        room.page_is_at(Some("https://domovoi.local:8443".into()));
        (room, push)
    }
}

pub fn way(channel: &str, label: &str, to: &str) -> NewWay {
    NewWay {
        channel: channel.into(),
        label: label.into(),
        address: Address(BTreeMap::from([("to".to_owned(), to.to_owned())])),
        used: HouseUse::Last,
        test_anyway: false,
    }
}

async fn write(room: &Notify) {
    let jobs = room.0.writer.write(room.0.clock.at_least()).await.unwrap();
    room.start_all(jobs);
}

#[tokio::test]
async fn wishes_are_kept_and_count_at_once() {
    let home = Home::new().await;
    let (room, _) = home.room().await;
    let wishes = Wishes {
        language: Some(Language::English),
        quiet: Some(vec![QuietSpan::daily(60, 120)]),
        topics: [(Topic::Money, TopicWish { on: false, from: Severity::Severe })].into(),
        rooms: vec!["hall".into()],
        ..Wishes::default()
    };
    assert!(room.set_wishes(home.anna, wishes.clone()).await.unwrap());
    assert_eq!(room.wishes(home.anna), wishes);
    room.set_household(Household { order: vec![home.anna, PersonId(Id([8; 16])), home.anna] }).await.unwrap();
    let (again, _) = home.room().await;
    assert_eq!(again.wishes(home.anna), wishes);
    assert_eq!(again.household().order, [home.anna], "who is not there, or is there twice, is left out");
    assert!(matches!(
        room.set_wishes(PersonId(Id([8; 16])), Wishes::default()).await,
        Err(NotifyError::NoSuch("person"))
    ));
}

#[tokio::test]
async fn nobody_takes_the_last_way_away() {
    let home = Home::new().await;
    let (room, _) = home.room().await;
    let push = room.routes(Some(home.anna))[0].clone();
    let only_mail = Wishes { life_by: vec!["mail".into()], ..Wishes::default() };
    let refused = |result: Result<(), NotifyError>| {
        assert!(matches!(result, Err(NotifyError::Wish(WishRefusal::NobodyForLife))), "{result:?}");
    };
    refused(room.set_wishes(home.anna, only_mail.clone()).await.map(drop));
    refused(room.remove_route(Some(home.anna), push.id).await);
    refused(room.switch_route(Some(home.anna), push.id, false).await.map(drop));
    // A child's does not count.
    room.add_route(Some(home.kolya), way("push", "", "kolya")).await.unwrap();
    refused(room.remove_route(Some(home.anna), push.id).await);
    let mail = room.add_route(Some(home.anna), way("mail", "", "anna@example.org")).await.unwrap();
    assert!(room.set_wishes(home.anna, only_mail).await.unwrap());
    room.remove_route(Some(home.anna), push.id).await.unwrap();
    refused(room.remove_route(Some(home.anna), mail.id).await);
    let (again, _) = home.room().await;
    let left: Vec<String> = again.routes(Some(home.anna)).iter().map(|route| route.channel.clone()).collect();
    assert_eq!(left, ["mail"]);
}

#[tokio::test]
async fn addresses_are_checked_and_the_same_one_is_one_way() {
    let home = Home::new().await;
    let (room, _) = home.room().await;
    let add = async |new: NewWay| room.add_route(Some(home.anna), new).await;
    assert!(matches!(add(way("pager", "", "x")).await, Err(NotifyError::NoSuch("channel"))));
    assert!(matches!(add(way("siren", "", "x")).await, Err(NotifyError::NoSuch("channel"))), "it is the house's");
    assert!(matches!(add(way("push", "", " ")).await, Err(NotifyError::Address(_))));
    assert!(matches!(add(way("push", "", "nowhere")).await, Err(NotifyError::Address(_))));
    assert!(matches!(add(way("push", "", &"x".repeat(3000))).await, Err(NotifyError::Address(_))));
    let mut strange = way("push", "", "x");
    strange.address.0.insert("colour".into(), "red".into());
    assert!(matches!(add(strange).await, Err(NotifyError::Address(_))));
    let first = room.routes(Some(home.anna))[0].clone();
    let again = add(way("push", "another name", "anna")).await.unwrap();
    assert_eq!((again.id, again.label.as_str()), (first.id, "another name"));
    assert!(!format!("{again:?}").contains("anna\""), "an address is not printed");
}

#[tokio::test]
async fn the_house_has_its_own_means_from_the_start() {
    let home = Home::new().await;
    let (room, _) = home.room().await;
    let house = room.routes(None);
    assert_eq!(house.len(), 1);
    assert_eq!((house[0].channel.as_str(), house[0].used), ("siren", HouseUse::Last));
    let off = room.switch_route(None, house[0].id, false).await.unwrap();
    assert_eq!(off.off, Some(Off::ByOwner));
    let (again, _) = home.room().await;
    assert_eq!(again.routes(None)[0].off, Some(Off::ByOwner));
}

#[tokio::test]
async fn a_way_that_fails_is_noted_and_one_that_does_again_is_not() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    let way = room.routes(Some(home.anna))[0].id;
    push.fates.lock().unwrap().push(Err(Failed::Refused("the key is wrong".into())));
    assert!(
        matches!(room.test_route(Some(home.anna), way).await, Err(NotifyError::NotCarried(why)) if why.contains("key"))
    );
    let open = async || {
        let open = home.store.notices().open().await.unwrap();
        open.iter().any(|one| one.notice.kind == "telling_way_failing")
    };
    let until = async |wanted: bool| {
        for _ in 0..2000 {
            if open().await == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("the notice is not as it should be");
    };
    until(true).await;
    assert!(room.way(Some(home.anna), way).unwrap().last_failure.is_some());
    home.clock.set(home.clock.wall().plus_millis(60_000));
    room.test_route(Some(home.anna), way).await.unwrap();
    until(false).await;
    assert!(push.carried.lock().unwrap().iter().all(|letter| matches!(letter.subject, Subject::Test(_))));
}

#[tokio::test]
async fn each_way_is_tried_once_a_week() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    let tests = || push.carried.lock().unwrap().len();
    let look = async |at: &str| {
        home.clock.set(home.at(at));
        room.step();
        write(&room).await;
        for _ in 0..200 {
            if !room.desk().is_live(home.anna) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    look("2026-11-28T12:00").await;
    assert_eq!(tests(), 0);
    look("2026-11-29T12:00").await;
    look("2026-11-29T12:10").await;
    assert_eq!(tests(), 1, "on Sunday at noon, once");
    look("2026-12-07T03:00").await;
    assert_eq!(tests(), 1, "missed, and not made up for at night");
    look("2026-12-07T09:00").await;
    assert_eq!(tests(), 2);
    let route = room.routes(Some(home.anna)).remove(0);
    assert!(route.tested_at.is_some() && route.last_ok.is_some());
    assert!(room.routes(None)[0].tested_at.is_none(), "a siren is not sounded for a test");
}

#[tokio::test]
async fn the_ledger_and_the_reasons_are_found_again() {
    let home = Home::new().await;
    let (room, _) = home.room().await;
    room.tell(gas());
    room.tell(storm());
    for _ in 0..3 {
        write(&room).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(room);
    let (room, _) = home.room().await;
    let ledger = async |filter: LedgerFilter| room.ledger(&LedgerFilter { limit: 50, ..filter }).await.unwrap();
    let of_gas = ledger(LedgerFilter { subject: Some(gas().subject), ..LedgerFilter::default() }).await;
    assert!(of_gas.iter().all(|one| one.letter.subject == gas().subject) && !of_gas.is_empty());
    assert!(of_gas.iter().any(|one| one.label.as_deref() == Some("anna's phone")));
    let why = room.why(&gas().subject, home.anna).await.unwrap().unwrap();
    let words = room.reason_in_words(&why.decided[0].why[0], Language::English);
    assert!(words.starts_with("Life is at stake"), "{words}");
    assert_eq!(room.why(&gas().subject, PersonId(Id([8; 16]))).await.unwrap(), None);
    // A child has no way, and finds it in the inbox; and sees why.
    assert_eq!(room.inbox(home.kolya).1, 2);
    assert_eq!(room.seen(home.kolya, None), 2);
    assert_eq!((room.inbox(home.kolya).1, room.seen(home.kolya, None)), (0, 0));
    write(&room).await;
    let (room, _) = home.room().await;
    assert_eq!(room.inbox(home.kolya).1, 0);
}

#[tokio::test]
async fn what_somebody_saw_is_seen_in_the_ledger() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    room.tell(gas());
    for _ in 0..400 {
        if !push.carried.lock().unwrap().is_empty() && !room.desk().is_live(home.anna) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let letter = push.carried.lock().unwrap()[0].id;
    room.seen_letter(home.kolya, letter);
    let state = || room.desk().letters().find(|one| one.id == letter).map(|one| one.state);
    assert_eq!(state(), Some(LetterState::Delivered), "not by somebody else");
    room.seen_letter(home.anna, letter);
    assert_eq!(state(), Some(LetterState::Seen));
    room.know(&gas().subject, home.anna);
    assert_eq!(state(), Some(LetterState::Answered));
    room.seen_letter(home.anna, letter);
    assert_eq!(state(), Some(LetterState::Answered), "never back");
}

#[tokio::test]
async fn whoever_goes_is_forgotten() {
    let home = Home::new().await;
    let (room, _) = home.room().await;
    let boris = NewPerson {
        name: "Борис".into(),
        role: Role::Adult,
        contacts: vec!["boris@example.org".into()],
        profile: Profile::default(),
        until: None,
    };
    let boris = home.people.add(boris).await.unwrap().id;
    room.add_route(Some(boris), way("push", "boris's phone", "boris")).await.unwrap();
    room.set_wishes(boris, Wishes { rooms: vec!["hall".into()], ..Wishes::default() }).await.unwrap();
    room.set_household(Household { order: vec![boris, home.anna] }).await.unwrap();
    room.tell(storm());
    write(&room).await;
    let export = room.export(boris).await.unwrap();
    assert!(export["ways"][0]["label"] == "boris's phone" && !export["inbox"].as_array().unwrap().is_empty());
    assert!(!export.to_string().is_empty());
    room.forget_person(boris).await.unwrap();
    home.people.erase(boris, Actor::House).await.unwrap();
    write(&room).await;
    let (again, _) = home.room().await;
    for room in [&room, &again] {
        assert!(room.routes(Some(boris)).is_empty());
        assert_eq!(room.wishes(boris), Wishes::default());
        assert_eq!(room.household().order, [home.anna]);
        assert!(room.inbox(boris).0.is_empty());
        assert_eq!(room.why(&storm().subject, boris).await.unwrap(), None);
        let filter = LedgerFilter { person: Some(boris), limit: 9, ..LedgerFilter::default() };
        assert!(room.ledger(&filter).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_room_runs_and_stops() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = room.clone();
    let task = tokio::spawn(async move { running.run(stopped).await });
    room.tell(news(1, Topic::House, Severity::Minor));
    for _ in 0..2000 {
        if !push.carried.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(push.carried.lock().unwrap().len(), 1);
    stop.send_replace(true);
    task.await.unwrap();
    assert!(!room.0.writer.is_behind(), "what was told last is written too");
}
