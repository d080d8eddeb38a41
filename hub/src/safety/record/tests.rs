//! What is written down, told and owed, with a store that fails and one that does not.

use domovoi_model::{DeviceRef, Hazard, Value};

use super::super::danger::{Now, Open, Why};
use super::super::rule::Danger;
use super::*;

fn key(name: &str) -> Key {
    let place = Place::new(DeviceRef::new("zigbee2mqtt", name), "alarm");
    Key { danger: Danger::of(Hazard::Gas), place, test: None }
}

fn turn(record: &Record, name: &str, accepted: bool, began: bool) {
    let at = Moment::Wall(domovoi_model::Timestamp(0));
    let open = Open::begun(Value::Bool(true), accepted, Now { millis: 0, moment: at });
    let news = if began { News::Began(key(name), open) } else { News::Over(key(name), open, Why::Said) };
    record.note(news, name.to_owned(), at);
}

#[test]
fn what_comes_and_goes_is_written_a_few_times_and_then_as_it_stands() {
    let record = Record::default();
    for n in 0..1001 {
        turn(&record, "flapping", false, n % 2 == 0);
    }
    turn(&record, "real", true, true);
    let queue = record.queue.lock().unwrap();
    let waiting: Vec<(&str, bool)> =
        queue.waiting.iter().map(|one| (one.name.as_str(), matches!(one.news, News::Began(..)))).collect();
    assert_eq!(waiting.len(), 7, "four turns, that it burns, how it stands, and the real one: {waiting:?}");
    assert_eq!(waiting[3], ("flapping", false), "people were told that it is over");
    assert_eq!(waiting[4], ("flapping", true), "and that it is not, at once");
    assert_eq!(waiting[5], ("flapping", true), "the last of them");
    let now = Instant::now();
    assert!(queue.waiting[4].due <= now && queue.waiting[5].due > now && queue.waiting[6].due <= now);
}

#[test]
fn strangers_make_room_for_what_is_accepted() {
    let record = Record::default();
    turn(&record, "real", true, true);
    for n in 0..WAITING * 2 {
        turn(&record, &format!("stranger{n}"), false, true);
    }
    let queue = record.queue.lock().unwrap();
    assert_eq!(queue.waiting.len(), WAITING);
    assert_eq!(queue.waiting[0].name, "real");
}

fn of_valve(record: &Record, tell: impl FnOnce(Place, Pursuit) -> News, of: impl FnOnce(&mut Pursuit)) {
    let at = Moment::Wall(domovoi_model::Timestamp(0));
    let mut pursuit = Pursuit::begun(Value::Bool(false), Danger::WaterLeak, None, Now { millis: 0, moment: at });
    (pursuit.tries, pursuit.was_said) = (1, true);
    of(&mut pursuit);
    let place = Place::new(DeviceRef::new("zigbee2mqtt", "v"), "state");
    record.note(tell(place, pursuit), "v".into(), at);
}

#[test]
fn a_device_that_confirms_and_undoes_all_the_time_is_written_a_few_times_and_pushes_no_danger_out() {
    let record = Record::default();
    turn(&record, "real", true, true);
    for _ in 0..WAITING {
        of_valve(&record, News::Said, |_| ());
        of_valve(&record, News::Confirmed, |_| ());
        of_valve(&record, News::Undone, |_| ());
    }
    let queue = record.queue.lock().unwrap();
    assert_eq!(queue.waiting.len(), 2 + super::super::turns::TURNS_OF_PLACE as usize, "and how it stands");
    assert_eq!(queue.waiting[0].name, "real");
    let last = queue.waiting.back().unwrap();
    assert!(matches!(last.news, News::Undone(..)) && last.due > Instant::now());
}

#[test]
fn that_a_danger_began_goes_last() {
    let record = Record::default();
    turn(&record, "real", true, true);
    for n in 0..WAITING * 2 {
        turn(&record, &format!("other{n}"), true, false);
    }
    let queue = record.queue.lock().unwrap();
    assert_eq!((queue.waiting.len(), queue.waiting[0].name.as_str()), (WAITING, "real"));
}

#[test]
fn what_is_kept_is_written_at_once_where_something_is_new_and_once_a_second_where_it_flaps() {
    let record = Record::default();
    let of = |names: &[&str]| {
        let one = |name: &&str| super::super::danger::Remembered {
            key: key(name),
            since: Moment::Wall(domovoi_model::Timestamp(0)),
            value: Value::Bool(true),
            answered: false,
            hushed: false,
        };
        Keep { dangers: names.iter().map(one).collect(), ..Keep::default() }
    };
    let (sender, receiver) = watch::channel(None);
    assert_eq!(record.keep_due(&receiver), None, "nobody has remembered yet");
    sender.send_replace(Some(of(&[])));
    assert_eq!(record.keep_due(&receiver), None, "nothing was, and nothing is");
    sender.send_replace(Some(of(&["a"])));
    assert!(record.keep_due(&receiver).unwrap() <= Instant::now());
    let written = Instant::now();
    *record.kept.lock().unwrap() = Some((of(&["a"]), written));
    assert_eq!(record.keep_due(&receiver), None);
    sender.send_replace(Some(of(&[])));
    assert_eq!(record.keep_due(&receiver).unwrap(), written + KEPT_AGAIN_AFTER, "one that flaps");
    sender.send_replace(Some(of(&["a", "b"])));
    assert_eq!(record.keep_due(&receiver).unwrap(), written + KEPT_ANEW_AFTER);
}

fn kinds(record: &Record) -> Vec<(String, Option<String>)> {
    let queue = record.queue.lock().unwrap();
    let all = queue.waiting.iter().flat_map(notices);
    all.map(|(key, notice)| (key.split(':').next().unwrap().to_owned(), notice.map(|notice| notice.kind))).collect()
}

#[test]
fn a_test_raises_no_notice_and_what_is_told_of_a_device_is_taken_back() {
    let record = Record::default();
    for tell in [News::Unanswered, News::NotSaid, News::Undone] {
        of_valve(&record, tell, |pursuit| pursuit.test = Some(1));
    }
    assert!(kinds(&record).is_empty());
    let raised = |tell: fn(Place, Pursuit) -> News, of: fn(&mut Pursuit)| {
        let record = Record::default();
        of_valve(&record, tell, of);
        kinds(&record).into_iter().filter_map(|(key, kind)| kind.map(|kind| (key, kind))).next_back()
    };
    let of = |key: &str, kind: &str| Some((key.to_owned(), kind.to_owned()));
    assert_eq!(raised(News::Unanswered, |_| ()), of("unanswered", "device_unanswered"));
    assert_eq!(raised(News::Undone, |pursuit| pursuit.undone = 1), of("unanswered", "device_undone"));
    assert_eq!(raised(News::NotSaid, |pursuit| pursuit.accept_again = true), of("unanswered", "device_accept_again"));
    assert_eq!(raised(News::Ended, |pursuit| pursuit.outlives_until_ms = Some(1)), of("left", "device_left"));
    assert_eq!(raised(News::Ended, |_| ()), None);
    let record = Record::default();
    of_valve(&record, News::Confirmed, |pursuit| pursuit.undone = 2);
    assert!(kinds(&record).is_empty(), "a word from memory takes nothing back");
    of_valve(&record, News::Confirmed, |_| ());
    assert_eq!(kinds(&record), [("unanswered".to_owned(), None), ("left".to_owned(), None)]);
}

#[test]
fn the_words_of_a_danger_have_what_is_done_about_it_and_why_it_is_over() {
    let at = Moment::Wall(domovoi_model::Timestamp(0));
    let param = |news: News, name: &str| {
        let noted =
            Noted { number: 0, news, name: "s".into(), at, due: Instant::now(), in_log: true, in_journal: true };
        let notice = notices(&noted).into_iter().find_map(|(_, notice)| notice).unwrap();
        notice.params.into_iter().find_map(|(key, value)| (key == name).then_some(value)).unwrap()
    };
    let open = Open::begun(Value::Bool(true), true, Now { millis: 0, moment: at });
    assert_eq!(param(News::Began(key("s"), open.clone()), "closing"), "nobody");
    let closes = Open { doing: Doing::Setting(2), ..open.clone() };
    assert_eq!(param(News::Began(key("s"), closes), "count"), "2");
    assert_eq!(param(News::Over(key("s"), open, Why::RanOut), "why"), "ran-out");
}
