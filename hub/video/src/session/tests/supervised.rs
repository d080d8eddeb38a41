//! Cameras that go and come back, and hubs that give way: what is told meanwhile, and that it goes on.

use std::sync::atomic::AtomicUsize;

use tokio::sync::watch;

use super::camera::{Camera, SDP_VIDEO, Talk};
use super::*;

async fn plays(mut talk: Talk) -> Option<()> {
    talk.until_play(SDP_VIDEO).await?;
    for n in 0.. {
        if n % 5 == 0 {
            talk.key(n * 6_000, 1).await?
        } else {
            talk.delta(n * 6_000).await?
        }
        talk.pause(Duration::from_millis(10)).await?;
    }
    None
}

#[tokio::test]
async fn a_camera_that_goes_comes_back_and_its_state_is_told() {
    let first = Camera::start(|talk, _| plays(talk)).await;
    let at = first.at;
    let (feed, mut reader) = feed(8 << 20);
    let (status, mut told) = watch::channel(Status::starting());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(supervise(options(&first.url()), feed, status, stopped));
    assert!(matches!(reader.next().await, Some(Item::Begins { .. })));
    told.wait_for(|status| matches!(status.state, State::Online { .. })).await.unwrap();
    drop(first);
    let offline = told.wait_for(|status| matches!(status.state, State::Offline { .. })).await.unwrap().clone();
    assert!(matches!(&offline.state, State::Offline { trouble: Trouble::Closed, since } if *since >= MIDNIGHT));
    // Its port is refused now, which is another trouble of the same absence.
    let gone =
        told.wait_for(|status| matches!(status.state, State::Offline { trouble: Trouble::NoConnection { .. }, .. }));
    let gone = gone.await.unwrap().clone();
    let (State::Offline { since, .. }, State::Offline { since: first_since, .. }) = (&gone.state, &offline.state)
    else {
        panic!()
    };
    assert_eq!(since, first_since, "it is gone since it went");
    let second = Camera::start_at(at, None, |talk, _| plays(talk)).await;
    told.wait_for(|status| matches!(status.state, State::Online { .. })).await.unwrap();
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(told.borrow().state, State::Stopped);
    assert_eq!(second.heard().last().unwrap(), "TEARDOWN");
    let mut begun = 0;
    while let Some(item) = reader.next().await {
        begun += usize::from(matches!(item, Item::Begins { .. }));
    }
    assert_eq!(begun, 1, "the second run followed, then the reader's end");
}

#[tokio::test]
async fn a_panic_is_a_trouble_like_another_and_the_next_try_succeeds() {
    let camera = Camera::start(|talk, _| plays(talk)).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let wall: WallClock = {
        let calls = Arc::clone(&calls);
        Arc::new(move || if calls.fetch_add(1, Ordering::SeqCst) == 3 { panic!("a bug") } else { MIDNIGHT })
    };
    let (feed, mut reader) = feed(8 << 20);
    let (status, mut told) = watch::channel(Status::starting());
    let (_stop, stopped) = watch::channel(false);
    let running = tokio::spawn(supervise(Options { wall, ..options(&camera.url()) }, feed, status, stopped));
    let offline = told.wait_for(|status| matches!(status.state, State::Offline { .. })).await.unwrap().clone();
    let State::Offline { trouble, .. } = offline.state else { panic!() };
    assert_eq!(trouble, Trouble::Ours { text: "a bug".to_owned() });
    told.wait_for(|status| matches!(status.state, State::Online { .. })).await.unwrap();
    // Nobody reads any more: that is an end as well.
    while !matches!(reader.next().await, Some(Item::Frame(_))) {}
    drop(reader);
    running.await.unwrap();
}

#[tokio::test]
async fn a_hostile_neighbour_does_not_cost_another_camera_a_frame() {
    let hostile = Camera::start(|mut talk, _| async move {
        talk.request().await?;
        talk.send(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 2000000000\r\n\r\n").await?;
        loop {
            talk.send(&[0; 65536]).await?;
        }
    })
    .await;
    let (hostile_feed, _hostile_reader) = feed(1 << 20);
    let (status, mut told) = watch::channel(Status::starting());
    let (_stop, stopped) = watch::channel(false);
    let attacked = tokio::spawn(supervise(options(&hostile.url()), hostile_feed, status, stopped));
    let kind = Camera::start(|talk, _| plays(talk)).await;
    let mut session = Session::open(options(&kind.url())).await.unwrap();
    let mut items = items(&mut session, 1).await;
    told.wait_for(|status| status.tries >= 2).await.unwrap();
    while frames(&items).count() < 40 {
        items.push(session.next().await.unwrap());
    }
    assert_eq!(runs(&items), 1);
    assert!(frames(&items).zip(0..).all(|(frame, n)| frame.decoded == n * 6_000));
    attacked.abort();
}
