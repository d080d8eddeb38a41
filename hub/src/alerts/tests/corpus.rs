//! The corpus of warnings, each as the first that this home hears; and rubbish.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn said(heard: &[Heard]) -> &'static str {
    let is = |wanted: fn(&Heard) -> bool| heard.iter().any(wanted);
    if is(|heard| matches!(heard, Heard::Raised(_))) {
        "raised"
    } else if is(|heard| matches!(heard, Heard::TooLate)) {
        "too-late"
    } else if is(|heard| matches!(heard, Heard::Elsewhere)) {
        "elsewhere"
    } else if is(|heard| matches!(heard, Heard::Ignored(_))) {
        "ignored"
    } else if is(|heard| matches!(heard, Heard::Remembered)) {
        "remembered"
    } else {
        "-"
    }
}

#[tokio::test]
async fn the_corpus_is_heard_as_its_table_says() {
    let table = std::fs::read_to_string(folder().join("outcomes.tsv")).unwrap();
    let room = Room::new().await;
    let mut wrong = Vec::new();
    let mut files = BTreeSet::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [file, _, _, _, heard, peril, life] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        files.insert(file.to_owned());
        // A home that has heard nothing yet.
        *room.alerts.0.board() = Board::default();
        let found = said(&room.alerts.hear_feed(&feed("meteo"), &read(file)));
        let standing = room.alerts.standing();
        let of =
            standing.first().map_or(("-", "-"), |alert| (alert.peril.code(), if alert.life { "yes" } else { "no" }));
        if (found, of) != (heard, (peril, life)) {
            wrong.push(format!("{file}: expected {heard} {peril} {life}, found {found} {of:?}"));
        }
        for alert in &standing {
            assert!(!alert.texts.is_empty() && !alert.categories.is_empty() && !alert.concerns.is_empty(), "{file}");
            assert!(alert.expires.is_some(), "{file}: nothing stands for ever");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() >= 40);
}

#[tokio::test]
async fn ten_megabytes_are_not_read() {
    let room = Room::new().await;
    let huge = format!("<alert><note>{}</note></alert>", "x".repeat(10 << 20));
    assert!(matches!(room.alerts.hear_cap(&feed("meteo"), huge.as_bytes()), Heard::Refused(_)));
    assert!(room.alerts.standing().is_empty());
}

#[tokio::test]
async fn a_home_that_nobody_placed_hears_local_feeds_only() {
    let mut room = Room::new().await;
    room.settings = Settings::defaults(std::path::Path::new("/"));
    let (store, clock, bus) = (room.store.clone(), room.clock.clone(), room.bus.clone());
    let alerts = Alerts::open(store, clock, bus, &room.settings.home, &room.settings.alerts).await;
    assert_eq!(alerts.hear_cap(&feed("meteo"), &read("plain.cap")), Heard::Elsewhere);
    let local = FeedRef { local: true, ..feed("here") };
    assert!(matches!(alerts.hear_cap(&local, &read("no-area.cap")), Heard::Raised(_)));
    assert_eq!(alerts.standing()[0].concerns, [domovoi_model::Concern::LocalFeed]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever order the corpus comes in, and however often: no panic, each alert once, nothing that is over stands.
    #[test]
    fn any_order_of_messages_is_borne(order in proptest::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let files: Vec<String> = {
            let mut names: Vec<String> = std::fs::read_dir(folder())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .filter(|name| name.ends_with(".cap"))
                .collect();
            names.sort();
            names
        };
        let mut board = Board::default();
        let settings = Settings::parse(HOME, "t", std::path::Path::new("/")).unwrap();
        let place = Place::of(&settings.home);
        let now = Now { moment: Moment::Wall(NOW), trusted: Some(NOW), at_least: NOW };
        let mut telling = std::collections::HashMap::new();
        for index in order {
            let Ok(message) = cap::read_message(&read(&files[index.index(files.len())])) else { continue };
            let (_, news) = board.hear(&message, &feed("meteo"), &place, Language::Russian, new_id, now);
            for news in news {
                let before = telling.insert(news.alert.id, news.alert.telling).unwrap_or(0);
                prop_assert!(news.alert.telling >= before);
                let is_worse = matches!(news.change, AlertChange::Raised | AlertChange::Updated { worse: true });
                prop_assert_eq!(is_worse, news.alert.telling > before && news.alert.stands());
            }
        }
        let again = files.iter().filter_map(|file| cap::read_message(&read(file)).ok());
        let all: Vec<_> = again.collect();
        for message in &all {
            board.hear(message, &feed("meteo"), &place, Language::Russian, new_id, now);
        }
        let standing = board.standing().len();
        for message in &all {
            let (heard, news) = board.hear(message, &feed("meteo"), &place, Language::Russian, new_id, now);
            prop_assert!(news.is_empty(), "{heard:?} {news:?}");
        }
        prop_assert_eq!(board.standing().len(), standing, "heard again, nothing is new");
        for alert in board.standing() {
            prop_assert!(board.marks.has_live(alert.id));
        }
    }
}
