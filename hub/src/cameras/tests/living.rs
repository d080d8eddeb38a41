//! A camera from its adding to its forgetting.

use domovoi_model::Hazard;
use domovoi_store::StreamTrust;
use domovoi_video::session::State;

use super::*;
use crate::cameras::event::{Happened, Start};
use crate::cameras::schedule::Mode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_is_checked_added_recorded_and_shown() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let checked = room.cameras.check(&draft(&sim), None).await.unwrap();
    assert_eq!((checked.report.video.width, checked.report.video.height), (64, 64));
    assert!(checked.report.picture.is_ok(), "{:?}", checked.report.picture);
    let card = room.cameras.add(&draft(&sim)).await.unwrap();
    let done = until("two segments", async || Some(room.done(card.id).await).filter(|done| done.len() >= 2)).await;
    for segment in &done {
        assert!(segment.frames > 0 && segment.records > 0 && segment.bytes > 1000, "{segment:?}");
        assert!(segment.run.starts_with("h264 64x64 avc1."), "{}", segment.run);
    }
    let view = room.cameras.view(card.id).await.unwrap();
    assert!(matches!(view.status.state, State::Online { .. }));
    assert_eq!(view.recording, Recording::On { event_until: None });
    assert!(view.kept.local.bytes > 0);
    let picture = room.cameras.snapshot(card.id).await.unwrap();
    assert!(picture.jpeg.starts_with(&[0xff, 0xd8]) && (picture.width, picture.height) == (64, 64));
    // What is being written is on the timeline as well, and can be read as far as it is durable.
    let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
    let open = until("an open segment", async || {
        let timeline = room.cameras.timeline(card.id, from, to, None).await.unwrap();
        let open = timeline.pieces.into_iter().find(|piece| piece.is_open && piece.until > piece.from)?;
        room.cameras.segment(card.id, open.id).await.ok().filter(|file| file.growing.is_some())
    })
    .await;
    assert!(open.path.exists());
    assert!(room.cameras.live(card.id).unwrap().still().is_some());
    room.end().await;
    assert!(room.cameras.verify(card.id).await.unwrap().is_empty());
    let done = room.done(card.id).await;
    assert_eq!(room.files(card.id), done.iter().map(|segment| segment.id).collect());
    // One follows the other without a gap, because the camera never paused.
    for two in done.windows(2) {
        let gap = two[1].started.0 - two[0].ended.unwrap().0;
        assert!(gap.abs() <= 300, "{gap} ms");
    }
    assert_eq!(sim.truth().plays, 2, "the check and the session, and no other");
    assert_eq!(sim.truth().farewells, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_drops_comes_back_by_itself() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    until("a segment", async || (!room.done(id).await.is_empty()).then_some(())).await;
    sim.drop_viewers();
    until("a second session", async || (sim.truth().plays >= 2).then_some(())).await;
    let before = room.done(id).await.len();
    until("another segment", async || (room.done(id).await.len() > before + 1).then_some(())).await;
    room.end().await;
    assert!(room.done(id).await.iter().any(|segment| segment.reason == "run-ended"));
    assert!(room.cameras.verify(id).await.unwrap().is_empty());
}

#[tokio::test]
async fn offline_is_told_once_and_back_once() {
    let sim = camera().await;
    let room = Room::new().await;
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    let seat = room.cameras.0.seat(id).unwrap();
    let mut heard = room.bus.listen();
    for _ in 0..3 {
        room.cameras.0.tell_offline(&seat, &Trouble::NotFound).await;
    }
    assert_eq!(room.notices().await, BTreeSet::from(["camera_offline".to_owned()]));
    let online = domovoi_video::session::Status { clock_offset_ms: Some(120_000), ..seat.status() };
    for _ in 0..3 {
        room.cameras.0.is_online(&seat, &online).await;
    }
    assert_eq!(room.notices().await, BTreeSet::from(["camera_back".to_owned(), "camera_clock".to_owned()]));
    let mut told = 0;
    while let Ok(event) = heard.try_recv() {
        told += usize::from(matches!(event, Event::Notice(_)));
    }
    assert_eq!(told, 4, "raised, taken back, back, clock");
    let right = domovoi_video::session::Status { clock_offset_ms: Some(10), ..online };
    room.cameras.0.is_online(&seat, &right).await;
    room.cameras.0.tell_offline(&seat, &Trouble::NotFound).await;
    assert_eq!(room.notices().await, BTreeSet::from(["camera_offline".to_owned()]));
    assert_eq!(room.cameras.view(id).await.unwrap().notices.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_recorded_from_before_it_and_has_a_picture() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let on_event = Draft {
        mode: Mode::OnEvent,
        starts: vec![Start::Hazard(Hazard::WaterLeak)],
        pre_roll_secs: 3,
        post_roll_secs: 1,
        ..draft(&sim)
    };
    let id = room.cameras.add(&on_event).await.unwrap().id;
    let seat = room.cameras.0.seat(id).unwrap();
    until("frames in memory", async || (sim.truth().frames >= 60).then_some(())).await;
    assert_eq!(room.cameras.view(id).await.unwrap().recording, Recording::Off(Off::NoEvent));
    assert!(room.all(id).await.is_empty());
    let mut heard = room.bus.listen();
    let happened = room.clock.wall();
    room.cameras.0.happened(&Happened::Hazard(Hazard::Gas), None).await;
    assert!(lock_events(&seat).is_empty(), "nobody waits for gas");
    room.cameras.0.happened(&Happened::Hazard(Hazard::WaterLeak), None).await;
    let done = until("the recording to its end", async || {
        let done = room.done(id).await;
        done.iter().any(|segment| segment.ended > Some(happened)).then_some(done)
    })
    .await;
    assert!(done[0].started < happened, "it begins before the event: {:?} {happened:?}", done[0].started);
    assert!(done[0].started >= happened.plus_millis(-6_000), "and not long before");
    let kept = until("a picture", async || {
        loop {
            match heard.try_recv() {
                Ok(Event::Camera(news)) => {
                    if let CameraChange::Picture(kept) = news.what {
                        break Some(kept);
                    }
                }
                Ok(_) => {}
                Err(_) => break None,
            }
        }
    })
    .await;
    let jpeg = room.cameras.kept_picture(id, kept).await.unwrap();
    assert!(jpeg.starts_with(&[0xff, 0xd8]));
    assert_eq!(room.cameras.pictures(id).await.unwrap().first().map(|picture| picture.id), Some(kept));
    let waits = async || room.cameras.view(id).await.ok().filter(|view| view.recording == Recording::Off(Off::NoEvent));
    until("its end", waits).await;
    room.end().await;
}

fn lock_events(seat: &Seat) -> Vec<happenings::Lasting> {
    seat.events.lock().unwrap().clone()
}

#[tokio::test]
async fn a_password_is_not_sent_to_another_address() {
    let sim = camera().await;
    let room = Room::new().await;
    let secret = || Some(Secret::new("s3cret".to_owned()));
    let first = Draft { login: Some("admin".to_owned()), password: secret(), ..draft(&sim) };
    let card = room.cameras.add(&first).await.unwrap();
    let known = |card: &CameraCard| card.password.as_ref().map(|password| password.expose().clone());
    let renamed = Draft { name: "Ворота".to_owned(), ..Draft::of(&card) };
    let card = room.cameras.change(card.id, &renamed).await.unwrap();
    assert_eq!((card.name.as_str(), known(&card).as_deref()), ("Ворота", Some("s3cret")));
    let elsewhere = Draft { address: Secret::new("rtsp://127.0.0.9/live".to_owned()), ..Draft::of(&card) };
    for refused in [
        room.cameras.change(card.id, &elsewhere).await.map(drop),
        room.cameras.check(&elsewhere, Some(card.id)).await.map(drop),
    ] {
        assert!(matches!(refused, Err(CamerasError::Wrong(Wrong { field: "password", .. }))), "{refused:?}");
    }
    let typed = Draft { password: secret(), ..elsewhere };
    assert_eq!(room.cameras.change(card.id, &typed).await.unwrap().host, "127.0.0.9");
    let found = room.cameras.found(card.id, "127.0.0.11", None).await.unwrap();
    assert!(found && room.notices().await.contains("camera_moved"));
    assert!(!room.cameras.found(card.id, "127.0.0.11", None).await.unwrap(), "that is known");
}

#[tokio::test]
async fn a_draft_is_refused_with_its_field() {
    let sim = camera().await;
    let room = Room::new().await;
    let good = draft(&sim);
    let with = |change: &dyn Fn(&mut Draft)| {
        let mut draft = good.clone();
        change(&mut draft);
        draft
    };
    let cases: [(&str, Draft); 8] = [
        ("name", with(&|draft| draft.name = " ".into())),
        ("address", with(&|draft| draft.address = Secret::new("http://127.0.0.1/".into()))),
        (
            "transport",
            with(&|draft| {
                draft.address = Secret::new("rtsps://127.0.0.1/".into());
                draft.transport = domovoi_video::session::Transport::Udp;
            }),
        ),
        ("recorded", with(&|draft| draft.recorded = Stream::Sub)),
        ("place", with(&|draft| draft.place = Some("nas".into()))),
        ("spans", with(&|draft| draft.mode = Mode::Week)),
        ("starts", with(&|draft| draft.mode = Mode::OnEvent)),
        ("keep_days", with(&|draft| draft.keep_days = Some(0))),
    ];
    for (field, draft) in cases {
        match room.cameras.add(&draft).await {
            Err(CamerasError::Wrong(wrong)) => {
                assert_eq!(wrong.field, field);
                for language in [domovoi_config::Language::Russian, domovoi_config::Language::English] {
                    let said = crate::words::words(language).say(wrong.message, &[("number", "1"), ("most", "64")]);
                    assert_ne!(said, wrong.message, "there is a sentence");
                }
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(room.cameras.list().await.unwrap().is_empty());
    let quirks = vec!["first-session-id-counts".to_owned(), "stray-channels-ignored".to_owned()];
    assert_eq!(spelled_quirks(quirks_from(&quirks).unwrap()), quirks);
    assert_eq!(quirks_from(&["sometimes".to_owned()]), Err("sometimes".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_is_forgotten_with_its_recordings_or_without() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    until("a segment", async || (!room.done(id).await.is_empty()).then_some(())).await;
    room.cameras.forget(id, Recordings::Keep).await.unwrap();
    let view = room.cameras.view(id).await.unwrap();
    assert!(view.is_former && view.card.password.is_none() && view.card.trust == StreamTrust::Unknown);
    assert!(matches!(room.cameras.live(id), Err(CamerasError::Dark)));
    let done = until("all of it closed", async || {
        let all = room.all(id).await;
        all.iter().all(|segment| segment.state == SegmentState::Done).then_some(all)
    })
    .await;
    let file = room.cameras.segment(id, done[0].id).await.unwrap();
    assert!(domovoi_video::archive::SegmentReader::open(&file.path, &file.day).is_ok());
    room.cameras.forget(id, Recordings::Erase).await.unwrap();
    assert!(matches!(room.cameras.view(id).await, Err(CamerasError::NoCamera)));
    assert!(room.files(id).is_empty() && room.all(id).await.is_empty());
    assert!(room.store.cameras().days(id).await.unwrap().is_empty(), "its keys are gone");
    assert_eq!(sim.truth().farewells, sim.truth().plays);
    room.end().await;
}

#[test]
fn every_sentence_is_there_in_both_languages() {
    let say = |key: &str| {
        [domovoi_config::Language::Russian, domovoi_config::Language::English].map(|language| {
            let all = ["why", "camera", "host", "address", "status", "found", "pinned", "offered", "codec", "limit"];
            let mut variables: Vec<(&str, &str)> = all.iter().map(|name| (*name, "x")).collect();
            variables.extend([("seconds", "5"), ("step", "connect"), ("most", "64"), ("number", "1"), ("until", "x")]);
            crate::words::words(language).say(key, &variables)
        })
    };
    let errors = [
        CamerasError::NoCamera,
        CamerasError::NoSegment,
        CamerasError::Unreadable("x"),
        CamerasError::Full(1),
        CamerasError::Busy,
        CamerasError::Dark,
        CamerasError::NoArchive,
        CamerasError::Disk(String::new()),
        CamerasError::NoPicture(PictureError::Late),
        CamerasError::Store(StoreError::Full),
        CamerasError::Trouble(Trouble::Closed),
        CamerasError::Trouble(Trouble::Unauthorized { given: false }),
    ];
    let offs = [
        Off::Starting,
        Off::Disabled,
        Off::Never,
        Off::Plan { until: None },
        Off::NoEvent,
        Off::Offline,
        Off::Archive(ArchiveState::Absent),
        Off::Archive(ArchiveState::Other),
        Off::Archive(ArchiveState::Starting),
        Off::Paused(retention::Pause::Quota),
        Off::Paused(retention::Pause::Disk),
        Off::Failing,
    ];
    let keys = errors.iter().map(|error| error.message().to_owned());
    for key in keys.chain(offs.iter().map(|off| format!("camera-off-{}", off.code()))) {
        for said in say(&key) {
            assert_ne!(said, key);
        }
    }
    for kind in notices::all() {
        let params: Vec<(String, String)> = ["camera", "why", "fingerprint", "minutes", "before", "after", "seconds"]
            .iter()
            .chain(&["at", "what", "folder", "files", "hours", "promised", "place", "date", "count"])
            .map(|name| ((*name).to_owned(), "x".to_owned()))
            .collect();
        for language in [domovoi_config::Language::Russian, domovoi_config::Language::English] {
            let said = crate::words::words(language).notice(kind, &params);
            assert!(!said.starts_with(kind), "{said}");
        }
    }
}
