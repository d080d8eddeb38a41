//! Kills between any two steps: the store is what it was, and another room is opened on it. The writer is taken step by step:
//! a room that does not run writes nothing, which is what a disk that stands still looks like.

use std::sync::Arc;

use domovoi_model::{PersonId, Severity};

use super::room::Home;
use super::scene::{Post, gas, news, storm};
use crate::notify::channels::{Channel, Failed, Fate, Sent};
use crate::notify::record::{Delivery, LetterState};
use crate::notify::{LedgerFilter, News, Notify, Topic};

async fn write(room: &Notify) -> usize {
    let jobs = room.0.writer.write(room.0.clock.at_least()).await.unwrap();
    let count = jobs.len();
    room.start_all(jobs);
    count
}

async fn carried(post: &Arc<Post>, count: usize) {
    for _ in 0..2000 {
        if post.carried.lock().unwrap().len() >= count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{} of {count} letters", post.carried.lock().unwrap().len());
}

/// Until what was carried is known to the desk.
async fn settled(room: &Notify, person: PersonId) {
    for _ in 0..2000 {
        let waits = |one: &Delivery| one.person == Some(person) && one.state == LetterState::Queued;
        let waiting = room.desk().letters().any(waits);
        if !waiting {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("a letter is still under way");
}

#[tokio::test]
async fn life_is_handed_over_before_the_disk_and_the_rest_after_it() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    room.tell(gas());
    carried(&push, 1).await;
    room.tell(news(1, Topic::House, Severity::Minor));
    settled_life(&room, home.anna).await;
    assert_eq!(push.carried.lock().unwrap().len(), 1, "nothing was written, so nothing else was carried");
    write(&room).await;
    carried(&push, 2).await;
}

/// Until what life hangs on is carried; what waits for the disk still does.
async fn settled_life(room: &Notify, person: PersonId) {
    for _ in 0..2000 {
        let queued = |one: &&Delivery| one.person == Some(person) && one.state == LetterState::Queued;
        let waiting = room.desk().letters().filter(queued).any(|one| one.life);
        if !waiting {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("a letter is still under way");
}

#[tokio::test]
async fn what_cannot_be_written_is_carried_when_patience_is_over() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    room.tell(news(1, Topic::House, Severity::Minor));
    home.clock.set(home.clock.wall().plus_millis(crate::notify::writer::PATIENCE_MILLIS));
    room.step();
    carried(&push, 1).await;
}

#[tokio::test]
async fn killed_before_anything_was_written_it_is_told_when_it_is_told_again() {
    let home = Home::new().await;
    let (first, push) = home.room().await;
    first.tell(gas());
    carried(&push, 1).await;
    drop(first);
    let (second, push) = home.room().await;
    second.tell(gas());
    carried(&push, 1).await;
    assert_eq!(push.carried.lock().unwrap().len(), 1, "one double, by each channel");
}

#[tokio::test]
async fn killed_between_writing_and_sending_it_is_sent() {
    let home = Home::new().await;
    let (first, push) = home.room().await;
    first.tell(news(1, Topic::House, Severity::Minor));
    // Written, and what may be done now is never done.
    assert_eq!(first.0.writer.write(first.0.clock.at_least()).await.unwrap().len(), 1);
    assert!(push.carried.lock().unwrap().is_empty());
    drop(first);
    let (second, push) = home.room().await;
    second.step();
    write(&second).await;
    carried(&push, 1).await;
    // The house tells everything that stands once more at the start: nothing comes of it.
    second.tell(news(1, Topic::House, Severity::Minor));
    write(&second).await;
    settled(&second, home.anna).await;
    assert_eq!(push.carried.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_never_said_to_be_over_keeps_its_words_until_it_is_sent() {
    let home = Home::new().await;
    let (first, _) = home.room().await;
    let message = News {
        subject: crate::notify::Subject::Message(domovoi_model::Id([6; 16])),
        ..news(1, Topic::Message, Severity::Minor)
    };
    first.tell(message.clone());
    assert_eq!(first.0.writer.write(first.0.clock.at_least()).await.unwrap().len(), 1);
    drop(first);
    let (second, push) = home.room().await;
    second.step();
    write(&second).await;
    carried(&push, 1).await;
    assert_eq!(push.carried.lock().unwrap()[0].title, message.title.ru);
    settled(&second, home.anna).await;
    write(&second).await;
    drop(second);
    let (third, push) = home.room().await;
    third.tell(message);
    write(&third).await;
    assert!(push.carried.lock().unwrap().is_empty(), "it is known, though no more at hand");
}

#[tokio::test]
async fn killed_between_sending_and_writing_there_is_one_double_of_the_same_letter() {
    let home = Home::new().await;
    let (first, push) = home.room().await;
    first.tell(news(1, Topic::House, Severity::Minor));
    write(&first).await;
    carried(&push, 1).await;
    settled(&first, home.anna).await;
    let id = push.carried.lock().unwrap()[0].id;
    drop(first);
    let (second, push) = home.room().await;
    second.step();
    write(&second).await;
    carried(&push, 1).await;
    assert_eq!(push.carried.lock().unwrap()[0].id, id, "so that who can tells doubles apart");
    settled(&second, home.anna).await;
    write(&second).await;
    drop(second);
    let (third, push) = home.room().await;
    third.step();
    write(&third).await;
    settled(&third, home.anna).await;
    assert!(push.carried.lock().unwrap().is_empty(), "and no more");
}

#[tokio::test]
async fn killed_after_an_answer_it_stays_answered() {
    let home = Home::new().await;
    let (first, push) = home.room().await;
    first.tell(storm());
    write(&first).await;
    carried(&push, 1).await;
    settled(&first, home.anna).await;
    let token = push.carried.lock().unwrap()[0].answer.clone().unwrap().token;
    write(&first).await;
    drop(first);

    let (second, push) = home.room().await;
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let ears = heard.clone();
    second.on_answer(move |subject, person| ears.lock().unwrap().push((subject, person)));
    assert!(second.answer_by_token("AAAAAAAAAAAAAAAAAAAAAA").is_err());
    assert_eq!(
        second.answer_by_token(&token).unwrap(),
        (storm().subject, home.anna),
        "a letter from before the restart"
    );
    assert_eq!(second.answer_by_token(&token).unwrap(), (storm().subject, home.anna), "twice is harmless");
    assert_eq!(heard.lock().unwrap()[0], (storm().subject, home.anna));
    write(&second).await;
    drop(second);

    let (third, _) = home.room().await;
    third.tell(storm());
    home.clock.set(home.clock.wall().plus_millis(3_600_000));
    third.step();
    write(&third).await;
    settled(&third, home.anna).await;
    assert!(push.carried.lock().unwrap().is_empty());
    assert_eq!(third.desk().standing(&storm().subject), Some((Some(home.anna), false)));
}

#[tokio::test]
async fn what_was_kept_back_and_the_inbox_survive() {
    let home = Home::new().await;
    home.clock.set(home.at("2026-11-25T02:00"));
    let (first, push) = home.room().await;
    for n in 1..=3 {
        first.tell(news(n, Topic::House, Severity::Minor));
    }
    write(&first).await;
    drop(first);
    let (second, _) = home.room().await;
    second.step();
    assert_eq!(second.inbox(home.anna).1, 3);
    home.clock.set(home.at("2026-11-25T07:31"));
    second.step();
    write(&second).await;
    let again = second.0.channels.iter().find(|one| one.name() == "push").cloned().unwrap();
    assert_eq!(again.name(), "push");
    settled(&second, home.anna).await;
    let ledger =
        second.ledger(&LedgerFilter { person: Some(home.anna), limit: 9, ..LedgerFilter::default() }).await.unwrap();
    assert_eq!(ledger.len(), 1);
    assert!(ledger[0].letter.text.as_ref().is_some_and(|(title, _)| title.contains('3')));
    assert!(push.carried.lock().unwrap().is_empty());
    write(&second).await;
    drop(second);
    let (third, push) = home.room().await;
    third.step();
    write(&third).await;
    assert!(push.carried.lock().unwrap().is_empty(), "a digest is told once");
}

#[tokio::test]
async fn a_channel_that_breaks_or_hangs_keeps_nobody_waiting() {
    struct Breaks;
    impl Channel for Breaks {
        fn name(&self) -> &'static str {
            "breaks"
        }
        fn fields(&self) -> &'static [crate::notify::channels::Field] {
            &[]
        }
        fn check(&self, _: &crate::notify::channels::Address) -> Result<(), String> {
            Ok(())
        }
        fn send<'a>(
            &'a self,
            _: &'a crate::notify::channels::Address,
            _: &'a crate::notify::channels::Letter,
        ) -> futures_util::future::BoxFuture<'a, Result<Sent, Failed>> {
            Box::pin(async { panic!("broken") })
        }
    }
    let home = Home::new().await;
    let (room, push) = home.room_with(vec![Arc::new(Breaks)]).await;
    let new = crate::notify::NewWay {
        channel: "breaks".into(),
        label: "a broken one".into(),
        address: Default::default(),
        used: crate::notify::record::HouseUse::Last,
        test_anyway: false,
    };
    let way = room.add_route(Some(home.anna), new).await.unwrap();
    assert!(room.test_route(Some(home.anna), way.id).await.is_err());
    room.tell(gas());
    carried(&push, 1).await;
    settled(&room, home.anna).await;
    let ledger = room.ledger(&LedgerFilter { person: Some(home.anna), limit: 9, ..LedgerFilter::default() }).await;
    // Nothing is written yet; what waits to be is told all the same.
    let broken = ledger.unwrap().into_iter().find(|one| one.letter.channel == "breaks" && one.letter.life).unwrap();
    assert_eq!(broken.letter.state, LetterState::Failed);
    assert!(broken.letter.why.is_some());
}

#[tokio::test]
async fn a_carrier_is_asked_what_became_of_a_letter() {
    let home = Home::new().await;
    let (room, push) = home.room().await;
    push.fates.lock().unwrap().push(Ok(Sent { fate: Fate::Sent, receipt: Some("r1".into()) }));
    room.tell(News { drill: false, ..gas() });
    carried(&push, 1).await;
    settled(&room, home.anna).await;
    let state = |room: &Notify| {
        room.desk().letters().find(|one| one.person == Some(home.anna)).map(|one| (one.state, one.asked))
    };
    assert_eq!(state(&room), Some((LetterState::Sent, 0)));
    // It never knows more: after a question nothing is waited for.
    home.clock.set(home.clock.wall().plus_millis(11_000));
    room.step();
    for _ in 0..2000 {
        if room.desk().weight().1 > 0 && !room.desk().is_live(home.anna) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it is still being asked");
}
