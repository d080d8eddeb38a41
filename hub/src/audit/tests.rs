//! Tests of the journal on a real store: what is written is found, crowds are counted, what is erased is gone, and every
//! deed has words.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use domovoi_store::{KeptDeed, Settings};
use domovoi_vault::MasterKey;
use proptest::prelude::*;

use super::sentence::deed_key;
use super::*;

const BOTH: [Language; 2] = [Language::Russian, Language::English];

const NOON: Timestamp = Timestamp(1_795_348_800_000);

struct House {
    _folder: tempfile::TempDir,
    store: Store,
    clock: Clock,
    journal: Journal,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("data"));
    let store = Store::open(&settings, &MasterKey::generate().unwrap()).await.unwrap();
    let clock = Clock::by_hand(Id([1; 16]), NOON);
    let journal = Journal::new(store.clone(), clock.clone());
    House { _folder: folder, store, clock, journal }
}

fn person(n: u8) -> PersonId {
    PersonId(Id([n; 16]))
}

fn names() -> NameOf {
    Arc::new(|id| (id == person(1)).then(|| "Анна".to_owned()))
}

fn deed(actor: Actor, deed: &str, outcome: Outcome) -> Entry {
    let origin =
        Origin { road: Road::Page, address: Some([192, 168, 1, 7].into()), device: Some("Firefox, Android".into()) };
    Entry { actor, origin, deed: deed.into(), object: None, outcome, changes: Vec::new() }
}

fn guess(from: IpAddr) -> Entry {
    let mut entry = deed(Actor::Nobody, "session.opened", Outcome::Refused("wrong".into()));
    entry.origin.address = Some(from);
    entry
}

fn change(field: &str, of: Option<PersonId>) -> Change {
    Change {
        field: field.into(), before: Some(format!("{field} было")), after: Some(format!("{field} стало")), of
    }
}

async fn all(journal: &Journal) -> Vec<Record> {
    let mut query = Query { limit: 500, ..Query::default() };
    let mut records = Vec::new();
    loop {
        let page = journal.search(&query).await.unwrap();
        records.extend(page.records);
        query.before = page.next;
        if page.next.is_none() {
            return records;
        }
    }
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was_and_without_what_was_an_erased_persons() {
    let house = house().await;
    let mut entry = deed(Actor::Person(person(1)), "person.edited", Outcome::Done);
    entry.object = Some(("person".into(), Some(person(2).to_string())));
    entry.changes = vec![
        change("name", Some(person(2))),
        change("colour", None),
        change("relation", Some(person(1))),
        change("language", Some(person(2))),
    ];
    house.journal.write(entry.clone()).await.unwrap();
    let read = all(&house.journal).await.remove(0);
    assert_eq!(read, Record { row: 1, at: Some(NOON), since: Some(NOON), entry: entry.clone(), times: 1 });

    house.store.papers().erase(person(2)).await.unwrap();
    let mut without = entry.clone();
    for n in [0, 3] {
        (without.changes[n].before, without.changes[n].after) = (None, None);
    }
    assert_eq!(all(&house.journal).await[0].entry, without);
    house.store.papers().erase(person(1)).await.unwrap();
    (without.changes[2].before, without.changes[2].after) = (None, None);
    (without.origin.address, without.origin.device) = (None, None);
    assert_eq!(all(&house.journal).await[0].entry, without, "from where it was is personal too");
    assert_eq!(house.journal.verify().await.unwrap(), Vec::<String>::new());
    house.journal.write(entry).await.unwrap();
    assert_eq!(all(&house.journal).await[0].entry, without, "nothing new is kept of either");
}

#[tokio::test]
async fn search_looks_at_everything_that_is_given() {
    let house = house().await;
    for n in 0..60u8 {
        house.clock.set(NOON.plus_millis(i64::from(n) * 60_000));
        let mut entry = match n % 3 {
            0 => deed(Actor::Person(person(n % 2)), "session.opened", Outcome::Done),
            1 => deed(Actor::Credential(format!("плита-{n}")), "mqtt.publish", Outcome::Refused("topic".into())),
            _ => deed(Actor::Console, "meter.added", Outcome::Failed("409".into())),
        };
        if n == 5 {
            entry.object = Some(("person".into(), Some(person(1).to_string())));
        }
        entry.changes.push(change(&format!("Поле {n}"), (n == 8).then(|| person(1))));
        house.journal.write(entry).await.unwrap();
    }
    let rows = async |query: Query| {
        let page = house.journal.search(&Query { limit: 500, ..query }).await.unwrap();
        page.records.iter().map(|record| record.row - 1).collect::<Vec<_>>()
    };
    let any = Query::default;
    assert_eq!(rows(any()).await, (0..60).rev().collect::<Vec<_>>());
    let of = rows(Query { person: Some(person(1)), ..any() }).await;
    assert_eq!(of, (0..60).rev().filter(|n| n % 6 == 3 || *n == 5).collect::<Vec<_>>());
    assert_eq!(rows(Query { deed: Some("meter.".into()), ..any() }).await.len(), 20);
    assert_eq!(rows(Query { outcome: Some("failed".into()), ..any() }).await.len(), 20);
    assert_eq!(rows(Query { outcome: Some("done".into()), deed: Some("mqtt".into()), ..any() }).await.len(), 0);
    assert_eq!(rows(Query { text: Some("ПОЛЕ 37 ".into()), ..any() }).await, [37]);
    assert_eq!(
        rows(Query { text: Some("плита-4 ".into()), ..any() }).await,
        [4, 40, 43, 46, 49].map(|n| n as u64).into_iter().rev().collect::<Vec<_>>()
    );
    assert_eq!(rows(Query { text: Some("409".into()), ..any() }).await.len(), 20);
    let (since, until) = (NOON.plus_millis(10 * 60_000), NOON.plus_millis(13 * 60_000));
    assert_eq!(rows(Query { since: Some(since), until: Some(until), ..any() }).await, [12, 11, 10]);

    let mut query = Query { deed: Some("session".into()), limit: 7, ..any() };
    let mut found = Vec::new();
    loop {
        let page = house.journal.search(&query).await.unwrap();
        assert!(page.records.len() <= 7);
        found.extend(page.records.iter().map(|record| record.row));
        let Some(next) = page.next else { break };
        query.before = Some(next);
    }
    assert_eq!(found, (0..60).rev().filter(|n| n % 3 == 0).map(|n| n + 1).collect::<Vec<u64>>());
}

#[tokio::test]
async fn one_search_opens_a_bounded_number_of_rows() {
    let house = house().await;
    let deeds: Vec<Deed> =
        (0..500).map(|_| Deed { at: Some(NOON), body: b"not ours".to_vec(), personal: Vec::new() }).collect();
    for _ in 0..13 {
        house.store.audit().append(&deeds).await.unwrap();
    }
    let page =
        house.journal.search(&Query { text: Some("nowhere".into()), limit: 9, ..Query::default() }).await.unwrap();
    assert_eq!((page.records.len(), page.next), (0, Some(1501)));
    let query = Query { text: Some("nowhere".into()), limit: 9, before: page.next, ..Query::default() };
    assert_eq!(house.journal.search(&query).await.unwrap().next, None);
    let seen = house.journal.search(&Query { limit: 2, ..Query::default() }).await.unwrap();
    assert_eq!((seen.records.len(), seen.records[0].entry.deed.as_str()), (2, "journal.unreadable"), "it is shown");
}

#[tokio::test]
async fn ten_thousand_guesses_are_a_few_rows() {
    let house = house().await;
    for n in 0..10_000i64 {
        house.clock.set(NOON.plus_millis(n * 1000));
        house.journal.write(guess([10, 0, 0, 66].into())).await.unwrap();
    }
    let before = house.store.audit().end().await.unwrap().rows;
    // 10,000 s are 17 windows of ten minutes; each is written when the next guess finds it over, or by `run`.
    assert_eq!(before, 3, "nothing else has been done, and nobody has looked");
    let records = all(&house.journal).await;
    assert_eq!(records.len(), 4);
    assert_eq!(records.iter().map(|record| u64::from(record.times)).sum::<u64>(), 10_000);
    assert_eq!(records[0].since, Some(NOON.plus_millis(3000)));
    assert_eq!(records[0].at, Some(NOON.plus_millis(9_999_000)));
    assert_eq!(records[0].entry, guess([10, 0, 0, 66].into()));

    // Looked at every minute, as the journal's room does.
    for n in 10_000..20_000i64 {
        house.clock.set(NOON.plus_millis(n * 1000));
        house.journal.write(guess([10, 0, 0, 66].into())).await.unwrap();
        if n % 60 == 0 {
            house.journal.tell_crowd(false).await.unwrap();
        }
    }
    let records = all(&house.journal).await;
    assert!(records.len() <= 4 + 17, "{}", records.len());
    assert_eq!(records.iter().map(|record| u64::from(record.times)).sum::<u64>(), 20_000);
    assert_eq!(house.journal.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn guesses_from_ten_thousand_addresses_are_a_few_rows_too() {
    let house = house().await;
    for n in 0..10_000u32 {
        house.clock.set(NOON.plus_millis(i64::from(n) * 10));
        let from = match n % 2 {
            0 => IpAddr::from(n.to_be_bytes()),
            _ => IpAddr::from(Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(n))),
        };
        let mut entry = guess(from);
        entry.object = Some(("person".into(), Some(format!("login {n}"))));
        house.journal.write(entry).await.unwrap();
    }
    let records = all(&house.journal).await;
    assert!(records.len() <= 60 + 2 + 64 + 2, "{}", records.len());
    assert_eq!(records.iter().map(|record| u64::from(record.times)).sum::<u64>(), 10_000);
    let sixty_four = records.iter().find(|record| record.times > 1 && record.entry.origin.address.is_none()).unwrap();
    assert_eq!(sixty_four.entry.object, Some(("person".into(), None)), "what differs is not said of all");
    // The household's own deeds are not held up by any of it.
    house.journal.write(deed(Actor::Person(person(1)), "session.opened", Outcome::Done)).await.unwrap();
    let mut refused = deed(Actor::Person(person(1)), "meter.added", Outcome::Refused("role".into()));
    refused.origin.address = Some([10, 0, 0, 3].into());
    let rows = house.store.audit().end().await.unwrap().rows;
    house.journal.write(refused).await.unwrap();
    assert_eq!(house.store.audit().end().await.unwrap().rows, rows + 1);
}

#[tokio::test]
async fn what_was_counted_stands_before_what_is_done_from_the_same_place() {
    let house = house().await;
    for _ in 0..10 {
        house.journal.write(guess([192, 168, 1, 7].into())).await.unwrap();
        house.journal.write(guess([192, 168, 1, 8].into())).await.unwrap();
    }
    let rows = async || house.store.audit().end().await.unwrap().rows;
    assert_eq!(rows().await, 6);
    house.journal.write(deed(Actor::Person(person(1)), "session.opened", Outcome::Done)).await.unwrap();
    assert_eq!(rows().await, 8);
    let page = house.journal.search(&Query { before: Some(9), limit: 2, ..Query::default() }).await.unwrap();
    let told: Vec<_> = page.records.iter().map(|record| (record.entry.deed.as_str(), record.times)).collect();
    assert_eq!(told, [("session.opened", 1), ("session.opened", 7)]);
    // A deed that is done is never counted, however often; an hour later a kind is new again.
    for _ in 0..5 {
        house.journal.write(deed(Actor::Person(person(1)), "meter.added", Outcome::Done)).await.unwrap();
    }
    assert_eq!(rows().await, 13);
    house.journal.flush().await.unwrap();
    assert_eq!(rows().await, 14);
    house.clock.set(NOON.plus_millis(61 * 60_000));
    house.journal.tell_crowd(false).await.unwrap();
    house.journal.write(guess([192, 168, 1, 8].into())).await.unwrap();
    assert_eq!(rows().await, 15);
}

#[tokio::test]
async fn the_room_writes_what_was_counted_when_the_house_stops() {
    let house = house().await;
    let (stop, stopped) = watch::channel(false);
    let journal = house.journal.clone();
    let room = tokio::spawn(async move { journal.run(stopped).await });
    for _ in 0..5 {
        house.journal.note(guess([192, 168, 1, 8].into())).await;
    }
    stop.send_replace(true);
    room.await.unwrap();
    assert_eq!(house.store.audit().end().await.unwrap().rows, 4);
}

#[tokio::test]
async fn whoever_hangs_up_does_not_take_the_entry_along() {
    let house = house().await;
    for n in 0..20u64 {
        let entry = deed(Actor::Console, "meter.added", Outcome::Done);
        let write = house.journal.write(entry);
        // Polled once, at least: then it is on its way.
        let _ = tokio::time::timeout(Duration::from_micros(n * 30), write).await;
    }
    house.journal.write(deed(Actor::Console, "meter.replaced", Outcome::Done)).await.unwrap();
    // The writers take turns: the last one is done when all before it are.
    assert_eq!(house.store.audit().end().await.unwrap().rows, 21);
}

#[tokio::test]
async fn entries_written_at_once_share_their_transactions() {
    let house = house().await;
    let writers: Vec<_> = (0..100)
        .map(|_| {
            let journal = house.journal.clone();
            tokio::spawn(async move { journal.write(deed(Actor::Console, "meter.added", Outcome::Done)).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(all(&house.journal).await.len(), 100);
    assert_eq!(house.journal.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_clock_that_is_not_trusted_dates_nothing() {
    let house = house().await;
    house.clock.set(Timestamp(5));
    house.journal.write(deed(Actor::Console, "meter.added", Outcome::Done)).await.unwrap();
    let record = all(&house.journal).await.remove(0);
    assert_eq!((record.at, record.since), (None, None));
}

#[test]
fn what_could_not_be_written_is_counted_on() {
    let mut crowd = Crowd::default();
    let entry = guess([10, 0, 0, 1].into());
    for n in 0..8 {
        assert_eq!(crowd.offer(&entry, Some(NOON), n), n < 3);
    }
    let due = crowd.due(10, None, true);
    assert_eq!((due.len(), due[0].times), (1, 5));
    crowd.offer(&entry, Some(NOON.plus_millis(7)), 11);
    crowd.take_back(due, 12);
    let due = crowd.due(13, None, true);
    assert_eq!((due.len(), due[0].times, due[0].since), (1, 6, Some(NOON)));
    assert!(crowd.due(14, None, true).is_empty());
}

/// What an entry takes on the card, so that docs/reference/journal.md stays true.
#[tokio::test]
async fn an_entry_takes_less_than_half_a_kilobyte() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("data"));
    let master = MasterKey::generate().unwrap();
    let clock = Clock::by_hand(Id([1; 16]), NOON);
    let mut sizes = Vec::new();
    for entries in [0, 1000] {
        let store = Store::open(&settings, &master).await.unwrap();
        let journal = Journal::new(store.clone(), clock.clone());
        for n in 0..entries {
            // What a door writes when a person changes something from a browser.
            let mut entry = deed(Actor::Person(person(n as u8 % 5)), "person.edited", Outcome::Done);
            entry.origin.device = Some("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0".into());
            entry.object = Some(("person".into(), Some(person(1).to_string())));
            entry.changes.push(change("name", Some(person(1))));
            journal.write(entry).await.unwrap();
        }
        drop(journal);
        store.close().await;
        sizes.push(std::fs::metadata(settings.data_dir.join("domovoi.db")).unwrap().len());
    }
    let each = (sizes[1] - sizes[0]) / 1000;
    println!("{each} bytes an entry");
    assert!((200..600).contains(&each), "{each} bytes an entry");
}

#[test]
fn an_entry_is_a_sentence() {
    let record = |entry: Entry, times: u32| Record { row: 1, at: None, since: None, entry, times };
    let said = |record: &Record| BOTH.map(|language| Journal::sentence(record, language, &names()));
    let mut entry = deed(Actor::Person(person(1)), "meter.replaced", Outcome::Done);
    entry.object = Some(("meter".into(), Some("Кухня".into())));
    assert_eq!(
        said(&record(entry.clone(), 1)),
        ["Анна: замена счётчика — счётчик «Кухня»", "Анна: replacing a meter — meter “Кухня”"]
    );
    entry.outcome = Outcome::Refused("role".into());
    assert_eq!(said(&record(entry, 1))[0], "Анна: замена счётчика — счётчик «Кухня» — отказано: нет такого права");
    let guess = guess([10, 0, 0, 1].into());
    assert_eq!(
        said(&record(guess, 22)),
        [
            "Неизвестный: вход в дом — отказано: неверный логин, пароль или код (22 раза)",
            "Somebody unknown: signing in — refused: wrong login, password or code (22 times)"
        ]
    );
    let mut erased = deed(Actor::Person(person(2)), "person.erased", Outcome::Failed("507".into()));
    erased.object = Some(("person".into(), Some(person(3).to_string())));
    assert_eq!(
        said(&record(erased, 1))[0],
        "Удалённый человек: удаление всех данных человека — человек «Удалённый человек» — не удалось: ошибка 507"
    );
    let unheard = deed(Actor::House, "kettle.boiled", Outcome::Failed("no water".into()));
    assert_eq!(said(&record(unheard, 1))[1], "The house: kettle.boiled — failed: no water");
    for road in [Road::Page, Road::Api, Road::Console, Road::Mqtt, Road::House] {
        assert_ne!(Journal::road(road, Language::Russian), format!("journal-road-{}", road.code()));
        assert_eq!(Road::from_code(road.code()), Some(road));
    }
}

/// The sources of the hub, without comments and test modules.
fn sources(folder: &Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, out);
            }
        } else if name.ends_with(".rs") && !name.contains("tests") && name != "fake.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            out.push((path.display().to_string(), code.join("\n")));
        }
    }
}

/// What stands in quotes in a piece of source.
fn quoted(code: &str) -> impl Iterator<Item = &str> {
    code.split('"').skip(1).step_by(2)
}

/// The deeds that a source names: what is handed to `deed`, `told` and the like, and what a variable `deed` becomes.
fn deeds(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for call in [".deed(", ".told(", "deed:", "tell(", "tell_more(", "tell_issued("] {
        found
            .extend(code.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()));
    }
    for statement in code.split("let deed =").skip(1).filter_map(|rest| rest.split(';').next()) {
        found.extend(quoted(statement));
    }
    for function in code.split("fn deed(").skip(1).filter_map(|rest| rest.split("\n    }").next()) {
        found.extend(quoted(function));
    }
    // Other rooms tell people things too; a deed is of a family.
    found.retain(|deed| deed.contains('.') || code.contains(&format!(".deed(\"{deed}\")")));
    found
}

#[test]
fn every_deed_has_words() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 60);
    let mut seen = BTreeSet::new();
    let mut silent = Vec::new();
    for (path, code) in &files {
        for deed in deeds(code) {
            seen.insert(deed.to_owned());
            for language in BOTH {
                if Journal::deed(deed, language) == deed {
                    silent.push(format!("{path}: {deed} ({}, {})", deed_key(deed), language.code()));
                }
            }
        }
    }
    for deed in ["meter.replaced", "mqtt.publish", "session.opened", "person.erased"] {
        assert!(seen.contains(deed), "the search does not find {deed}: {seen:?}");
    }
    assert!(silent.is_empty(), "deeds without words in config/locales/*/journal.ftl:\n  {}", silent.join("\n  "));
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[а-яa-z0-9 «»=+\\-\"]{0,30}", "\\PC{0,60}"]
}

fn entries() -> impl Strategy<Value = Entry> {
    let actor = prop_oneof![
        Just(Actor::Nobody),
        Just(Actor::House),
        Just(Actor::Console),
        (0..4u8).prop_map(|n| Actor::Person(person(n))),
        texts().prop_map(Actor::Credential),
    ];
    let outcome =
        prop_oneof![Just(Outcome::Done), texts().prop_map(Outcome::Refused), texts().prop_map(Outcome::Failed),];
    let value = || proptest::option::of(texts());
    let change = (texts(), value(), value(), proptest::option::of((0..4u8).prop_map(person)))
        .prop_map(|(field, before, after, of)| Change { field, before, after, of });
    let origin =
        (any::<Option<IpAddr>>(), value()).prop_map(|(address, device)| Origin { road: Road::Api, address, device });
    (actor, origin, texts(), proptest::option::of((texts(), value())), outcome, prop::collection::vec(change, 0..9))
        .prop_map(|(actor, origin, deed, object, outcome, changes)| Entry {
            actor,
            origin,
            deed,
            object,
            outcome,
            changes,
        })
}

fn kept(deed: Deed, erased: Option<PersonId>) -> KeptDeed {
    let personal = deed.personal.into_iter().map(|(of, text)| (of, (Some(of) != erased).then_some(text))).collect();
    KeptDeed { row: 7, at: deed.at, body: deed.body, personal }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(entry in entries(), times in 1u32.., since in any::<Option<i64>>(), erased in 0..5u8) {
        let (since, at) = (since.map(Timestamp), Some(NOON));
        let counted = Counted { entry: entry.clone(), times, since, at };
        let record = form::of_deed(&kept(to_deed(&counted), None)).unwrap();
        prop_assert_eq!(&record.entry, &entry);
        prop_assert_eq!((record.times, record.at, record.since), (times, at, since.or(at)));

        let gone = person(erased);
        let left = form::of_deed(&kept(to_deed(&counted), Some(gone))).unwrap();
        for (change, was) in left.entry.changes.iter().zip(&entry.changes) {
            let expected = if was.of == Some(gone) { (&None, &None) } else { (&was.before, &was.after) };
            prop_assert_eq!((&change.before, &change.after, change.of), (expected.0, expected.1, was.of));
        }
    }

    #[test]
    fn whatever_is_told_fits(
        mut entry in entries(), size in 0..3000usize, many in 0..200usize, what in "\\PC|[\u{0}-\u{1f}]"
    ) {
        let long = what.repeat(size);
        entry.origin.device = Some(long.clone());
        entry.changes = (0..many)
            .map(|n| Change { field: long.clone(), before: Some(long.clone()), after: None, of: Some(person(n as u8)) })
            .collect();
        let deed = to_deed(&Counted { entry, times: 1, since: None, at: None });
        let total = deed.body.len() + deed.personal.iter().map(|(_, text)| text.len()).sum::<usize>();
        prop_assert!(total <= domovoi_store::DEED_LIMIT && deed.personal.len() <= domovoi_store::DEED_PERSONS);
        prop_assert!(form::of_deed(&kept(deed, None)).is_some());
    }

    #[test]
    fn whatever_is_found_in_a_row_is_read_or_passed_over(body in "\\PC{0,80}", personal in prop::collection::vec("\\PC{0,30}", 0..3)) {
        let deed = |body: String| KeptDeed {
            row: 1,
            at: None,
            body: body.into_bytes(),
            personal: personal.iter().map(|text| (person(1), Some(text.as_bytes().to_vec().into()))).collect(),
        };
        form::of_deed(&deed(body.clone()));
        form::of_deed(&deed(format!(r#"{{"d":"x","w":{{"p":{}}},"r":"page","c":[{{"f":"{}","p":1}}]}}"#, body.len(), body.len())));
    }

    #[test]
    fn crowds_lose_nothing_and_are_bounded(steps in prop::collection::vec((0..3u8, 0..200u8, 0..400_000i64), 1..400)) {
        let mut crowd = Crowd::default();
        let (mut now, mut one_by_one, mut rows, mut counted) = (0, 0u64, 0u64, 0u64);
        for (what, from, later) in &steps {
            now += later;
            let mut entry = guess([10, 0, 0, *from].into());
            entry.deed = format!("deed {what}");
            if crowd.offer(&entry, None, now) {
                one_by_one += 1;
            }
            for due in crowd.due(now, None, false) {
                rows += 1;
                counted += u64::from(due.times);
            }
        }
        for due in crowd.due(now, None, true) {
            rows += 1;
            counted += u64::from(due.times);
        }
        prop_assert_eq!(one_by_one + counted, steps.len() as u64);
        prop_assert!(one_by_one <= 60 + now as u64 / 60_000 + 1);
        prop_assert!(rows <= (now as u64 / 600_000 + 2) * (64 + 3));
    }
}
