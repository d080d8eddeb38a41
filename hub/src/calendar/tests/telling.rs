//! Reminders at their time, after the hub was off, without a clock; what is overdue; dates of other rooms.

use super::*;

fn told(title: &str) -> Vec<(String, bool, u32)> {
    vec![(title.to_owned(), false, 0)]
}

#[tokio::test]
async fn a_reminder_is_told_once_at_its_time() {
    let room = Room::new().await;
    // 08:00 in Moscow is 05:00 UTC; told an hour before and at its time.
    let event = room.add(Draft { remind: Some(vec![60, 0]), ..draft("dentist", "2026-11-23T08:00") }).await;
    assert_eq!(room.at("2026-11-23T03:59:59Z").await, []);
    let wait = room.calendar.run_once().await;
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    assert_eq!(room.at("2026-11-23T04:00:00Z").await, told("dentist"));
    assert_eq!(room.at("2026-11-23T04:30:00Z").await, []);
    room.turn("2026-11-23T05:00:00Z");
    let due = room.look().await.remove(0);
    assert_eq!((due.event, due.telling, due.late), (event.id, 1, false));
    assert_eq!((due.body.ru.as_str(), due.body.en.as_str()), ("23.11.2026, 08:00", "2026-11-23, 08:00"));
    assert_eq!(room.at("2026-12-23T05:00:00Z").await, []);
}

#[tokio::test]
async fn what_was_missed_is_told_once_with_its_number() {
    let room = Room::new().await;
    room.add(ruled("pill", "2026-11-22T08:00", "FREQ=DAILY")).await;
    room.add(draft("once", "2026-11-24T08:00")).await;
    assert_eq!(room.at("2026-11-22T05:00:00Z").await, told("pill"));
    let room = room.again().await;
    room.turn("2026-12-01T18:00:00Z");
    let mut dues = room.look().await;
    dues.sort_by(|a, b| a.title.en.cmp(&b.title.en));
    assert_eq!(dues.len(), 2, "one for each event and no flood: {dues:?}");
    assert_eq!((dues[0].title.en.as_str(), dues[0].late, dues[0].missed), ("once", true, 0));
    // The 23rd to the 1st are nine; the last is told, eight went by.
    assert_eq!((dues[1].title.en.as_str(), dues[1].late, dues[1].missed), ("pill", true, 8));
    assert!(dues[1].body.ru.contains("пропущено ещё 8 раз"), "{}", dues[1].body.ru);
    assert!(dues[1].body.en.contains("01, 08:00"), "{}", dues[1].body.en);
    let room = room.again().await;
    assert_eq!(room.look().await, [], "told is told, also after another start");
    assert_eq!(room.at("2026-12-02T05:00:00Z").await, told("pill"));
}

#[tokio::test]
async fn killed_between_telling_and_writing_tells_at_most_twice() {
    let room = Room::new().await;
    room.add(draft("x", "2026-11-23T08:00")).await;
    room.turn("2026-11-23T05:00:00Z");
    // Handed over and not written down: the store is left as it was.
    let found = room.calendar.state().agenda.due(Timestamp(NOW + 2 * DAY)).unwrap();
    assert_eq!(found.event.title.en, "x");
    let room = room.again().await;
    assert_eq!(room.look().await.len(), 1);
    let room = room.again().await;
    assert_eq!(room.look().await.len(), 0);
}

#[tokio::test]
async fn without_a_clock_it_waits_and_catches_up() {
    let room = Room::new().await;
    room.add(draft("x", "2026-11-23T08:00")).await;
    room.clock.set(Timestamp(5_000));
    assert_eq!(room.look().await, []);
    assert!(matches!(room.calendar.add(&draft("y", "2026-11-23"), None).await, Err(CalendarError::NoClock)));
    assert_eq!(room.at("2026-11-25T05:00:00Z").await, [("x".to_owned(), true, 0)]);
}

#[tokio::test]
async fn what_is_to_be_done_is_overdue_until_it_is_ticked_off() {
    let room = Room::new().await;
    let event = room.add(Draft { todo: true, kind: EventKind::Task, ..draft("filter", "2026-11-23") }).await;
    assert_eq!(room.at("2026-11-23T06:00:00Z").await, told("filter"));
    assert_eq!(room.at("2026-11-24T05:59:00Z").await, []);
    assert_eq!(room.at("2026-11-24T06:00:00Z").await, told("Overdue: filter"));
    room.turn("2027-06-01T00:00:00Z");
    let filter = Filter { from: Timestamp(NOW + 400 * DAY), to: Timestamp(NOW + 500 * DAY), ..all() };
    let (entries, more) = room.calendar.list(&filter);
    assert_eq!((entries.len(), more), (1, false), "listed wherever one looks");
    assert_eq!(entries[0].standing, Standing::Overdue);
    let key = entries[0].occurrence.key;
    room.calendar.tick(event.id, key, true).await.unwrap();
    assert_eq!(room.calendar.list(&filter).0, []);
    let room = room.again().await;
    assert_eq!(room.calendar.entry(event.id, key).unwrap().standing, Standing::Done);
    room.calendar.tick(event.id, key, false).await.unwrap();
    assert_eq!(room.calendar.entry(event.id, key).unwrap().standing, Standing::Overdue);
    assert!(matches!(room.calendar.tick(event.id, key + 1, true).await, Err(CalendarError::NoSuch(_))));
}

#[tokio::test]
async fn what_is_ticked_off_in_time_is_not_told() {
    let room = Room::new().await;
    let event = room.add(Draft { todo: true, ..ruled("water", "2026-11-23T08:00", "FREQ=DAILY") }).await;
    let (entries, _) = room.calendar.list(&all());
    room.calendar.tick(event.id, entries[0].occurrence.key, true).await.unwrap();
    assert_eq!(room.at("2026-11-23T12:00:00Z").await, []);
    assert_eq!(room.at("2026-11-24T05:00:00Z").await, told("Overdue: water"), "its time and its end are one moment");
}

#[tokio::test]
async fn one_occurrence_is_moved_and_another_cancelled() {
    let room = Room::new().await;
    let event = room.add(ruled("gym", "2026-11-23T08:00", "FREQ=DAILY;COUNT=4")).await;
    let keys: Vec<i64> = room.calendar.list(&all()).0.iter().map(|entry| entry.occurrence.key).collect();
    room.calendar.change_occurrence(event.id, keys[0], &OccurrenceChange::Cancel).await.unwrap();
    let to = OccurrenceChange::Move { start: "2026-11-26T20:00".into(), minutes: None, title: Some("late gym".into()) };
    room.calendar.change_occurrence(event.id, keys[1], &to).await.unwrap();
    let day = OccurrenceChange::Move { start: "2026-11-26".into(), minutes: None, title: None };
    assert!(matches!(room.calendar.change_occurrence(event.id, keys[1], &day).await, Err(CalendarError::Wrong(_))));
    let room = room.again().await;
    let titles: Vec<String> = room
        .calendar
        .list(&all())
        .0
        .iter()
        .map(|entry| entry.title(domovoi_config::Language::English).to_owned())
        .collect();
    assert_eq!(titles, ["gym", "gym", "late gym"]);
    assert_eq!(room.at("2026-11-24T06:00:00Z").await, []);
    assert_eq!(room.at("2026-11-25T05:00:00Z").await, told("gym"));
    assert_eq!(room.at("2026-11-26T05:00:00Z").await, told("gym"));
    assert_eq!(room.at("2026-11-26T17:00:00Z").await, told("late gym"));
    room.calendar.change_occurrence(event.id, keys[0], &OccurrenceChange::Restore).await.unwrap();
    assert_eq!(room.calendar.list(&all()).0.len(), 4);
    room.calendar.remove(event.id).await.unwrap();
    let room = room.again().await;
    assert_eq!(room.calendar.list(&all()).0, []);
}

#[tokio::test]
async fn a_changed_event_is_told_at_its_new_time() {
    let room = Room::new().await;
    let event = room.add(draft("x", "2026-11-23T08:00")).await;
    assert_eq!(room.at("2026-11-23T05:00:00Z").await, told("x"));
    room.calendar
        .change(event.id, &Draft { notes: "bring papers".into(), ..draft("x", "2026-11-23T08:00") })
        .await
        .unwrap();
    assert_eq!(room.at("2026-11-23T05:01:00Z").await, [], "what was told is not told for a note");
    room.calendar.change(event.id, &draft("x", "2026-11-24T08:00")).await.unwrap();
    assert_eq!(room.at("2026-11-24T05:00:00Z").await, told("x"));
}

fn bill(day: &str, done: bool) -> Given {
    Given {
        key: "bill-7".into(),
        title: Text { ru: "Вода".into(), en: "Water".into() },
        notes: Text::default(),
        kind: EventKind::Bill,
        priority: Priority::High,
        when: GivenWhen::Day(day.parse().unwrap()),
        remind: None,
        todo: true,
        done,
        link: Some("/bills".into()),
    }
}

#[tokio::test]
async fn dates_of_other_rooms_come_go_and_are_not_told_twice() {
    let room = Room::new().await;
    room.calendar.feed("bills", vec![bill("2026-11-25", false)]);
    // Three days before at nine in Moscow.
    assert_eq!(room.at("2026-11-22T06:00:00Z").await, told("Water"));
    room.calendar.feed("bills", vec![bill("2026-11-25", false)]);
    let room = room.again().await;
    assert_eq!(room.calendar.list(&all()).0, [], "nobody has given them yet");
    room.calendar.feed("bills", vec![bill("2026-11-25", false)]);
    assert_eq!(room.look().await, [], "the same key is the same bill after a restart");
    assert_eq!(room.at("2026-11-24T06:00:00Z").await, told("Water"));
    assert_eq!(room.at("2026-11-26T06:00:00Z").await, told("Overdue: Water"));
    let (entries, _) = room.calendar.list(&Filter { overdue_only: true, ..all() });
    assert_eq!(entries.len(), 1);
    room.calendar.feed("bills", vec![bill("2026-11-25", true)]);
    assert_eq!(room.calendar.list(&Filter { overdue_only: true, ..all() }).0, [], "its source says that it is paid");
    room.calendar.feed("bills", Vec::new());
    assert_eq!(room.calendar.list(&Filter { from: Timestamp(0), ..all() }).0, []);
}

#[tokio::test]
async fn a_date_that_is_new_here_is_told_if_it_lies_ahead_or_is_overdue() {
    let room = Room::new().await;
    room.turn("2026-11-24T12:00:00Z");
    let other = |key: &str, given: Given| Given { key: key.into(), ..given };
    room.calendar.feed(
        "bills",
        vec![
            bill("2026-11-25", false),
            other("old", bill("2026-11-01", false)),
            other("paid", bill("2026-11-02", true)),
            other("past", Given { todo: false, ..bill("2026-11-03", false) }),
        ],
    );
    let mut titles: Vec<String> = room.look().await.into_iter().map(|due| due.title.en).collect();
    titles.sort();
    assert_eq!(titles, ["Overdue: Water", "Water"]);
    assert_eq!(room.look().await, []);
}

#[tokio::test]
async fn lists_are_sorted_and_filtered() {
    let room = Room::new().await;
    room.add(Draft { kind: EventKind::Task, priority: Priority::Low, ..draft("b", "2026-11-23T08:00") }).await;
    room.add(Draft { kind: EventKind::Appointment, priority: Priority::High, ..draft("c", "2026-11-24T08:00") }).await;
    room.add(Draft { kind: EventKind::Birthday, notes: "Торт".into(), ..draft("a", "2026-11-25") }).await;
    let titles = |filter: Filter| -> Vec<String> {
        let entries = room.calendar.list(&filter).0;
        entries.iter().map(|entry| entry.event.title.en.clone()).collect()
    };
    assert_eq!(titles(all()), ["b", "c", "a"]);
    assert_eq!(titles(Filter { sort: Sort::Priority, ..all() }), ["c", "a", "b"]);
    assert_eq!(titles(Filter { sort: Sort::Kind, ..all() }), ["b", "c", "a"]);
    assert_eq!(titles(Filter { kinds: vec![EventKind::Birthday], ..all() }), ["a"]);
    assert_eq!(titles(Filter { text: Some("торт".into()), ..all() }), ["a"]);
    assert_eq!(titles(Filter { to: Timestamp(NOW + 2 * DAY), ..all() }), ["b"]);
    let (entries, more) = room.calendar.list(&Filter { limit: 2, ..all() });
    assert_eq!((entries.len(), more), (2, true));
}

#[tokio::test]
async fn there_are_bounds() {
    let mut room = Room::new().await;
    room.section.max_events = 2;
    let room = room.again().await;
    room.add(draft("1", "2026-11-23")).await;
    room.add(draft("2", "2026-11-23")).await;
    assert!(matches!(room.calendar.add(&draft("3", "2026-11-23"), None).await, Err(CalendarError::Full { .. })));
    let many = (0..3000).map(|n| Given { key: n.to_string(), ..bill("2027-11-25", false) }).collect();
    room.calendar.feed("bills", many);
    assert_eq!(room.calendar.list(&Filter { to: Timestamp(NOW + 900 * DAY), limit: 9999, ..all() }).0.len(), 2000);
}

#[tokio::test]
async fn the_room_wakes_by_itself() {
    let room = Room::new().await;
    let (stop, stopped) = watch::channel(false);
    let calendar = room.calendar.clone();
    let running = tokio::spawn(async move { calendar.run(stopped).await });
    room.add(draft("x", "2026-11-23T08:00")).await;
    room.turn("2026-11-23T05:00:00Z");
    room.calendar.nudge();
    while room.told.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    running.await.unwrap();
}
