//! What people agreed to, what is told to them, and what is left of them when they are erased.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domovoi_config::Language;
use domovoi_model::{PhotoId, Source};
use domovoi_store::Paper;
use serde_json::{Value, json};

use super::*;
use crate::audit::{Change, Entry, Origin, Outcome, Query};
use crate::policy::{Kind, Verb};

fn readings(text: &str) -> Consent {
    Consent {
        id: String::new(),
        purpose: READINGS.into(),
        recipient: "https://portal.example/api".into(),
        what: "показания".into(),
        text: text.into(),
        given_at: None,
        until: None,
        withdrawn_at: None,
    }
}

/// Counts how often a purpose was stopped.
fn watch(people: &People) -> Arc<AtomicUsize> {
    let stopped = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&stopped);
    people.when_nobody_consents(move |purpose| {
        assert_eq!(purpose, READINGS);
        counter.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(())))
    });
    stopped
}

#[tokio::test]
async fn a_consent_is_kept_in_its_words_and_only_ever_withdrawn() {
    let home = Home::new();
    let people = home.people().await;
    let stopped = watch(&people);
    let anna = add(&people, "Анна", Role::Owner).await;
    let text = "Я согласна,\n  чтобы «дом» передавал показания. ";
    let given = people.give_consent(anna, readings(text)).await.unwrap();
    assert_eq!((given.text.as_str(), given.given_at), (text, Some(NOW)));
    assert_eq!(people.give_consent(anna, readings(text)).await.unwrap().id, given.id, "said twice is said once");
    home.later(1000);
    let other = people.give_consent(anna, readings("Другими словами")).await.unwrap();
    let kept = home.people().await.consents(anna).await.unwrap();
    assert_eq!(kept.iter().map(|consent| &consent.id).collect::<Vec<_>>(), [&other.id, &given.id], "newest first");
    assert!(kept[1].withdrawn_at.is_some() && kept[1].text == text, "{kept:?}");
    assert_eq!(stopped.load(Ordering::SeqCst), 0);

    people.withdraw_consent(anna, &other.id).await.unwrap();
    people.withdraw_consent(anna, &other.id).await.unwrap();
    assert_eq!(stopped.load(Ordering::SeqCst), 1);
    assert!(people.who_consents(READINGS).await.unwrap().is_empty());
    assert!(matches!(people.withdraw_consent(anna, "x").await, Err(PeopleError::NoSuch("consent"))));

    let with = |change: fn(&mut Consent)| {
        let mut consent = readings(text);
        change(&mut consent);
        people.give_consent(anna, consent)
    };
    invalid(with(|consent| consent.purpose = "marketing".into()).await);
    invalid(with(|consent| consent.text = " \n".into()).await);
    invalid(with(|consent| consent.text = "я".repeat(8001)).await);
    invalid(with(|consent| consent.what = "a\nb".into()).await);
    invalid(with(|consent| consent.recipient = String::new()).await);
    invalid(with(|consent| consent.until = Some(NOW.plus_millis(DAY))).await);
    invalid(with(|consent| (consent.purpose, consent.until) = ("code.sms".into(), Some(NOW))).await);
}

#[tokio::test]
async fn what_two_agreed_to_stops_with_the_second() {
    let home = Home::new();
    let people = home.people().await;
    let stopped = watch(&people);
    let (anna, boris) = (add(&people, "Анна", Role::Owner).await, add(&people, "Борис", Role::Owner).await);
    let hers = people.give_consent(anna, readings("да")).await.unwrap();
    people.give_consent(boris, readings("да")).await.unwrap();
    let codes = Consent { purpose: "code.sms".into(), until: Some(NOW.plus_millis(DAY)), ..readings("да") };
    let codes = people.give_consent(anna, codes).await.unwrap();
    people.withdraw_consent(anna, &hers.id).await.unwrap();
    assert_eq!(stopped.load(Ordering::SeqCst), 0);
    assert!(people.stands(&codes));
    home.later(DAY);
    assert!(!people.stands(&codes));
    people.erase(boris, Actor::Console).await.unwrap();
    assert_eq!(stopped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failed_stop_leaves_the_consent_standing() {
    let home = Home::new();
    let people = home.people().await;
    people.when_nobody_consents(|_| Box::pin(std::future::ready(Err(StoreError::Full))));
    let anna = add(&people, "Анна", Role::Owner).await;
    let given = people.give_consent(anna, readings("да")).await.unwrap();
    let outcome = people.withdraw_consent(anna, &given.id).await;
    assert!(matches!(outcome, Err(PeopleError::Store(StoreError::Full))), "{outcome:?}");
    assert_eq!(people.who_consents(READINGS).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_export_tells_a_person_everything_and_nothing_of_others() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна Каренина", Role::Owner).await;
    let boris = add(&people, "Борис Годунов", Role::Adult).await;
    people.vouch(anna, "+79161234567").await.unwrap();
    people.give_consent(anna, readings("слова согласия")).await.unwrap();
    people.delegate(anna, boris, vec![Verb::Submit], Kind::Act, None, NOW.plus_millis(DAY)).await.unwrap();
    people.also_keeps("readings", Arc::new(|_| Box::pin(std::future::ready(Ok(json!([{ "value": "4712.815" }]))))));
    let entry = |actor: Actor, of: PersonId, value: &str| Entry {
        actor,
        origin: Origin { device: Some("Firefox на Linux".into()), ..Origin::default() },
        deed: "person.changed".into(),
        object: Some(("person".into(), Some(of.to_string()))),
        outcome: Outcome::Done,
        changes: vec![Change { field: "name".into(), before: None, after: Some(value.into()), of: Some(of) }],
    };
    people.journal.write(entry(Actor::Person(anna), anna, "Анна К.")).await.unwrap();
    people.journal.write(entry(Actor::Person(boris), anna, "Анна Б.")).await.unwrap();
    people.journal.write(entry(Actor::Person(boris), boris, "Тайна Бориса")).await.unwrap();
    for _ in 0..600 {
        people.journal.write(entry(Actor::Person(anna), boris, "Имя Бориса")).await.unwrap();
    }

    let export = people.export(anna).await.unwrap();
    let text = serde_json::to_string_pretty(&export).unwrap();
    for told in
        ["Анна Каренина", "+79161234567", "слова согласия", "4712.815", "Анна К.", "Анна Б.", "submit", "read_me"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    for secret in ["Борис Годунов", "Тайна Бориса", "Имя Бориса", "epoch"] {
        assert!(!text.contains(secret), "{secret} is not hers");
    }
    let journal = export["journal"].as_array().unwrap();
    assert_eq!(export["journal_is_whole"], true);
    assert_eq!(journal.len(), 602, "every page of the journal is turned");
    let others: Vec<&Value> = journal.iter().filter(|entry| entry["by"] == "another").collect();
    assert!(others.len() == 1 && others[0]["device"].is_null(), "{others:?}");
    assert!(matches!(people.export(PersonId(Id([9; 16]))).await, Err(PeopleError::NoSuch("person"))));
}

/// What another room cannot tell is not left out in silence.
#[tokio::test]
async fn half_an_export_is_none() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    people.also_keeps("sign_in", Arc::new(|_| Box::pin(std::future::ready(Err("away".into())))));
    assert!(matches!(people.export(anna).await, Err(PeopleError::Store(_))));
}

#[tokio::test]
async fn an_erased_person_is_gone_from_the_raw_files_and_the_journal_holds() {
    const NAME: &str = "Пелагея Удалённая-Иглова";
    const PHONE: &str = "+79265550199";
    const MAIL: &str = "pelageya.needle@example.org";
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let mut gone = new(NAME, Role::Adult);
    gone.contacts = vec![PHONE.into(), MAIL.into()];
    let gone = people.add(gone).await.unwrap().id;
    people.give_consent(gone, readings("Пелагея согласна")).await.unwrap();
    let papers = people.store.papers();
    for drawer in [Drawer::Factor, Drawer::Session, Drawer::Token] {
        let paper = Paper { id: new_id().unwrap(), person: Some(gone), body: MAIL.as_bytes().to_vec().into() };
        papers.put(drawer, &paper).await.unwrap();
    }
    let renamed = Change { field: "name".into(), before: Some(NAME.into()), after: Some(MAIL.into()), of: Some(gone) };
    let entry = Entry {
        actor: Actor::Person(anna),
        origin: Origin::default(),
        deed: "person.changed".into(),
        object: Some(("person".into(), Some(gone.to_string()))),
        outcome: Outcome::Done,
        changes: vec![renamed],
    };
    people.journal.write(entry).await.unwrap();
    // What stands on the disk is sealed: the bytes of the sealed rows are the needles that matter.
    let sealed = sealed_bytes(&home, gone);
    assert!(sealed.len() >= 6, "{} rows of hers were found", sealed.len());
    assert!(sealed.iter().all(|row| holds(&home, row)));

    people.erase(gone, Actor::Person(anna)).await.unwrap();

    for needle in [NAME.as_bytes(), PHONE.as_bytes(), MAIL.as_bytes(), "Пелагея согласна".as_bytes()] {
        assert!(!holds(&home, needle));
    }
    let left = sealed.iter().filter(|row| holds(&home, row)).count();
    assert_eq!(left, 0, "sealed rows of an erased person are still on the disk");
    assert!(people.get(gone).is_none() && people.by_login(PHONE).is_none());
    for drawer in [Drawer::Person, Drawer::Factor, Drawer::Session, Drawer::Token, Drawer::Consent] {
        assert!(papers.of(drawer, gone).await.unwrap().is_empty(), "{drawer:?}");
    }
    assert!(matches!(people.export(gone).await, Err(PeopleError::NoSuch("person"))));
    assert!(matches!(people.erase(gone, Actor::Console).await, Err(PeopleError::NoSuch("person"))));

    assert_eq!(people.journal.verify().await.unwrap(), Vec::<String>::new());
    let page = people.journal.search(&Query { limit: 500, ..Query::default() }).await.unwrap();
    let told = format!("{page:?}");
    assert!(!told.contains("Пелагея") && !told.contains("needle"), "{told}");
    let proof = page.records.iter().find(|record| record.entry.deed == "person.erased").unwrap();
    assert_eq!(proof.entry.object, Some(("person".into(), Some(gone.to_string()))));
    let counted = proof.entry.changes.iter().find(|change| change.field == "documents").unwrap();
    assert_eq!((counted.before.as_deref(), counted.after.as_deref()), (Some("5"), Some("0")));
    let reopened = home.people().await;
    assert_eq!(reopened.list(), people.list());
}

#[tokio::test]
async fn whoever_read_a_meter_is_called_by_the_name_they_have_now() {
    let home = Home::new();
    let people = home.people().await;
    let anna = add(&people, "Анна", Role::Owner).await;
    let boris = add(&people, "Борис", Role::Adult).await;
    assert_eq!(people.reader(Some(anna), "  "), mark(anna));
    assert_eq!(people.reader(Some(anna), "борис"), mark(boris));
    assert_eq!(people.reader(None, "Сосед"), "Сосед");
    assert_eq!(people.reader(None, &mark(boris)), boris.to_string(), "a mark is not typed");
    assert_eq!(people.reader(None, ""), "");
    add(&people, "Борис", Role::Child).await;
    assert_eq!(people.reader(Some(anna), "Борис"), "Борис", "two of a name are nobody");
    assert_eq!(people.reader(Some(boris), "Борис"), mark(boris));

    let called = |source: Source, language: Language| {
        let mut source = source;
        people.name_reader(&mut source, language);
        source
    };
    let read = || Source::Person(mark(boris));
    people.edit(boris, Edit { name: Some("Боря".into()), ..Edit::default() }).await.unwrap();
    assert_eq!(called(read(), Language::Russian), Source::Person("Боря".into()));
    people.erase(boris, Actor::Console).await.unwrap();
    assert_eq!(called(read(), Language::Russian), Source::Person("удалённый человек".into()));
    let photo = |person: String| Source::Photo { person, photo: PhotoId(Id([3; 16])) };
    assert_eq!(called(photo(mark(boris)), Language::English), photo("an erased person".into()));
    assert_eq!(called(Source::Person("Сосед".into()), Language::English), Source::Person("Сосед".into()));
}

fn files(home: &Home) -> Vec<Vec<u8>> {
    let folder = home.folder.path().join("data");
    let entries = std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file());
    entries.map(|entry| std::fs::read(entry.path()).unwrap()).collect()
}

fn holds(home: &Home, needle: &[u8]) -> bool {
    files(home).iter().any(|file| file.windows(needle.len()).any(|window| window == needle))
}

/// The bytes that follow each mention of a person's id in a row, which is where the sealed part of it lies: the id is a
/// column of its own, and SQLite keeps a row's columns one behind the other.
fn sealed_bytes(home: &Home, person: PersonId) -> Vec<Vec<u8>> {
    const SEALED: usize = 48;
    let mut found = Vec::new();
    for file in files(home) {
        for (at, window) in file.windows(16).enumerate() {
            if window == person.0.0 {
                found.extend(file.get(at + 16 + 8..at + 16 + 8 + SEALED).map(<[u8]>::to_vec));
            }
        }
    }
    found.retain(|bytes| bytes.iter().filter(|byte| **byte == 0).count() < 8);
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn whoever_is_erased_is_forgotten_by_the_other_rooms_first_or_stays() {
    let home = Home::new();
    let people = home.people().await;
    add(&people, "Анна", Role::Owner).await;
    let gone = add(&people, "Гость", Role::Adult).await;
    let (told, fails) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(true)));
    let (heard, failing) = (Arc::clone(&told), Arc::clone(&fails));
    people.also_forgets(move |id| {
        heard.lock().unwrap().push(id);
        let away = failing.load(Ordering::SeqCst);
        Box::pin(std::future::ready(if away { Err(StoreError::Io("the disk is away".into())) } else { Ok(()) }))
    });
    assert!(people.erase(gone, Actor::Console).await.is_err());
    assert!(people.get(gone).is_some(), "a person whose traces stay somewhere is not called erased");
    fails.store(false, Ordering::SeqCst);
    people.erase(gone, Actor::Console).await.unwrap();
    assert!(people.get(gone).is_none());
    assert_eq!(*told.lock().unwrap(), [gone, gone]);
}
