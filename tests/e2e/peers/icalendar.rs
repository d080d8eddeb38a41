//! The calendar that phones read, in the eyes of a reader that nobody here wrote: PyPI `icalendar`, which follows the rules
//! of recurrence on the clocks that the file brings along.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domovoi::calendar::{Draft, EventKind, Filter, OccurrenceChange, Priority, Served, Sort};
use domovoi_config::Language;
use domovoi_model::Timestamp;
use e2e::{Home, NOON, hand_clock, settings_text};
use serde_json::Value;
use tokio::process::Command;

use super::fed;

const HOW: &str =
    "run .ci/run, or: python3 -m venv DIR/python; DIR/python/bin/pip install icalendar, and set DOMOVOI_PEERS=DIR";

fn python() -> PathBuf {
    let peers = std::env::var_os("DOMOVOI_PEERS").unwrap_or_else(|| panic!("DOMOVOI_PEERS names no folder: {HOW}"));
    PathBuf::from(peers).join("python/bin/python")
}

fn draft(title: &str, start: &str, rule: Option<&str>) -> Draft {
    Draft {
        title: title.to_owned(),
        notes: "раз; два, три\nчетыре \\ пять".to_owned(),
        kind: EventKind::Appointment,
        priority: Priority::High,
        start: start.to_owned(),
        zone: Some("Europe/Berlin".to_owned()),
        minutes: 0,
        rule: rule.map(str::to_owned),
        remind: Some(vec![1440, 30]),
        todo: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs python with icalendar (DOMOVOI_PEERS)"]
async fn a_reader_of_others_finds_the_same_moments() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let calendar = &home.desk.calendar;
    let long = "Очень длинное название события, которое не помещается в семьдесят пять байт одной строки";
    let drafts = [
        draft("через перевод часов", "2027-03-25T08:00", Some("FREQ=DAILY;COUNT=6")),
        draft("осенью", "2027-10-28T08:00", Some("FREQ=DAILY;UNTIL=20271103T070000Z")),
        draft("конец месяца", "2027-01-31", Some("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=5")),
        draft("последняя пятница", "2027-01-29T18:30", Some("FREQ=MONTHLY;BYDAY=-1FR;COUNT=4")),
        draft("будни", "2027-02-01T09:00", Some("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1;COUNT=6")),
        draft(long, "2027-05-01T10:00", None),
        draft("целый день", "2027-05-09", None),
    ];
    for draft in &drafts {
        calendar.add(draft, None).await.unwrap();
    }
    let weekly = draft("по понедельникам", "2027-03-22T09:00", Some("FREQ=WEEKLY;COUNT=5"));
    let weekly = calendar.add(&weekly, None).await.unwrap();
    let filter = Filter {
        from: NOON,
        to: Timestamp(NOON.0 + 400 * 86_400_000),
        kinds: Vec::new(),
        origin: None,
        text: None,
        overdue_only: false,
        sort: Sort::Date,
        limit: 2000,
    };
    let keys: Vec<i64> = calendar
        .list(&Filter { text: Some("понедельникам".into()), ..filter.clone() })
        .0
        .iter()
        .map(|entry| entry.occurrence.key)
        .collect();
    calendar.change_occurrence(weekly.id, keys[1], &OccurrenceChange::Cancel).await.unwrap();
    let to =
        OccurrenceChange::Move {
            start: "2027-04-06T15:00".into(), minutes: None, title: Some("во вторник".into())
        };
    calendar.change_occurrence(weekly.id, keys[2], &to).await.unwrap();

    let (_, secret) = calendar.make_feed(None, "phone").await.unwrap();
    let Served::Calendar { body, .. } = calendar.serve(secret.expose(), None, Language::Russian).await else {
        panic!("the address answers")
    };
    let file = folder.path().join("calendar.ics");
    std::fs::write(&file, &body).unwrap();
    let mut command = Command::new(python());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/read_calendar.py");
    command.arg(script).arg(&file).arg("100");
    let output = fed(command, b"").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["errors"], serde_json::json!([]));

    let events = read["events"].as_array().unwrap();
    let moved: BTreeSet<(String, String)> = [("по понедельникам".to_owned(), "2027-04-05T07:00".to_owned())].into();
    let own = ["по понедельникам", "во вторник"].into_iter().map(str::to_owned);
    let titles: BTreeSet<String> = drafts.iter().map(|draft| draft.title.clone()).chain(own).collect();
    let theirs: BTreeSet<(String, String)> = events
        .iter()
        .flat_map(|event| {
            let title = event["title"].as_str().unwrap().to_owned();
            let starts = event["starts"].as_array().unwrap().iter();
            starts.map(move |start| (title.clone(), start.as_str().unwrap().to_owned())).collect::<Vec<_>>()
        })
        // Whoever shows the calendar takes the moved one for the one that the rule means. Other parts of the home have dates
        // in it too.
        .filter(|one| !moved.contains(one) && titles.contains(&one.0))
        .collect();
    let ours: BTreeSet<(String, String)> = calendar
        .list(&Filter { origin: Some("own".into()), ..filter })
        .0
        .iter()
        .map(|entry| {
            let at = match entry.event.when.all_day {
                true => entry.occurrence.start.strftime("%Y-%m-%dT%H:%M").to_string(),
                false => entry.begin.to_string().chars().take(16).collect(),
            };
            (entry.title(Language::Russian).to_owned(), at)
        })
        .collect();
    assert!(ours.len() > 30, "{ours:?}");
    assert_eq!(theirs, ours);
    let one = events.iter().find(|event| event["title"] == long).unwrap();
    assert_eq!(one["notes"], "раз; два, три\nчетыре \\ пять");
    assert_eq!(one["alarms"], serde_json::json!([-1440, -30]));
    let day = events.iter().find(|event| event["title"] == "целый день").unwrap();
    assert_eq!(day["alarms"], serde_json::json!([-900, 510]), "from nine in the morning");
    home.stop().await;
}
