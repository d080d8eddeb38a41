//! Viewers that come late, are slow, or go; parameters that change; what is held in memory for all of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::film;
use crate::frame::AudioCodec;

/// 15 a second.
const STEP: i64 = 6_000;
const GROUP: u32 = 10;

fn begins(tracks: &Arc<Tracks>) -> Item {
    Item::Begins { tracks: Arc::clone(tracks), started: 1_000_000 }
}

fn picture(number: u32, bytes: usize) -> Item {
    Item::Frame(film::picture(number, GROUP, STEP, bytes))
}

fn at(start: Instant, number: u32) -> Instant {
    start + Duration::from_millis(u64::from(number) * 1000 / 15)
}

/// Everything that is there for a viewer now.
fn drain(viewer: &mut Viewer) -> Vec<Watched> {
    std::iter::from_fn(|| viewer.next().now_or_never().flatten()).collect()
}

/// The pictures' numbers in what was sent since the last beginning, as a player reads them.
fn numbers(sent: &[Watched]) -> Vec<u32> {
    let begin = sent.iter().rposition(|sent| matches!(sent, Watched::Begins { .. })).expect("an initialisation");
    let mut file = Vec::new();
    for sent in &sent[begin..] {
        match sent {
            Watched::Begins { init, .. } => file.extend_from_slice(init),
            Watched::Piece { bytes, .. } => file.extend_from_slice(bytes),
            _ => {}
        }
    }
    let found = film::read(&file);
    found.samples.iter().map(|sample| u32::from_be_bytes(sample.data[..4].try_into().unwrap())).collect()
}

#[test]
fn who_comes_in_the_middle_of_a_group_sees_it_from_its_beginning() {
    let live = Live::new(LiveLimits::default());
    let mut early = live.watch().unwrap();
    assert!(drain(&mut early).is_empty(), "nothing came yet");
    live.push(&begins(&film::tracks(None)));
    for number in 0..17 {
        live.push(&picture(number, 100));
    }
    let mut late = live.watch().unwrap();
    for number in 17..25 {
        live.push(&picture(number, 100));
    }
    // The last picture waits for the next one, whose time is its end.
    assert_eq!(numbers(&drain(&mut early)), (0..24).collect::<Vec<_>>());
    let sent = drain(&mut late);
    assert_eq!(numbers(&sent), (10..24).collect::<Vec<_>>());
    let Watched::Begins { mime, .. } = &sent[0] else { panic!("{sent:?}") };
    assert_eq!(mime, "video/mp4; codecs=\"avc1.42C01E\"");
    let Watched::Piece { wall_ms, duration_ms, starts_group, .. } = &sent[1] else { panic!("{sent:?}") };
    assert_eq!((*wall_ms, *duration_ms, *starts_group), (1_000_000 + 10 * 6000 / 90, 66, true));
}

#[test]
fn a_slow_viewer_loses_whole_groups_and_is_told_and_the_others_lose_nothing() {
    let limits = LiveLimits { group_bytes: 20_000, queue_bytes: 60_000, ..LiveLimits::default() };
    let live = Live::new(limits);
    let start = Instant::now();
    let (mut slow, mut quick) = (live.watch_at(start).unwrap(), live.watch_at(start).unwrap());
    live.push_at(&begins(&film::tracks(None)), start);
    let mut seen = Vec::new();
    for number in 0..200 {
        live.push_at(&picture(number, 1_000), at(start, number));
        seen.extend(drain(&mut quick));
        let waiting = live.state().viewers.iter().map(|slot| slot.bytes()).max().unwrap();
        assert!(waiting <= 60_000, "{waiting} wait");
        // Two seconds of it at most, and a frame.
        assert!(waiting <= 32 * 1_200, "{waiting} wait after {number}");
        assert!(live.kept_bytes() <= 20_000);
    }
    assert_eq!(numbers(&seen), (0..199).collect::<Vec<_>>());
    let sent = drain(&mut slow);
    let place = sent.iter().position(|sent| matches!(sent, Watched::Dropped(_))).unwrap();
    assert!(matches!(&sent[0], Watched::Begins { .. }));
    assert!(matches!(&sent[place + 1], Watched::Piece { starts_group: true, .. }));
    let shown = numbers(&sent);
    let Watched::Dropped(lost) = sent[place] else { panic!() };
    assert_eq!(shown.len() + lost as usize, 199, "each picture was shown or counted");
    assert_eq!(shown.last(), Some(&198));
}

#[test]
fn a_burst_of_the_camera_makes_no_viewer_slow() {
    let live = Live::new(LiveLimits::default());
    let start = Instant::now();
    let mut viewer = live.watch_at(start).unwrap();
    live.push_at(&begins(&film::tracks(None)), start);
    for number in 0..100 {
        live.push_at(&picture(number, 100), start);
    }
    let sent = drain(&mut viewer);
    assert!(!sent.iter().any(|sent| matches!(sent, Watched::Dropped(_))));
    assert_eq!(numbers(&sent).len(), 99);
}

#[test]
fn other_parameters_begin_anew() {
    let live = Live::new(LiveLimits::default());
    let mut viewer = live.watch().unwrap();
    live.push(&begins(&film::tracks(None)));
    live.push(&picture(0, 100));
    live.push(&picture(1, 100));
    let first = drain(&mut viewer);
    live.push(&picture(2, 100));
    live.push(&begins(&film::tracks(Some(AudioCodec::Pcma))));
    live.push(&picture(3, 100));
    for number in 10..13 {
        live.push(&picture(number, 100));
    }
    live.push(&Item::Frame(film::sound(1_000, 160)));
    let second = drain(&mut viewer);
    let Watched::Begins { init, mime } = &second[0] else { panic!("{second:?}") };
    let Watched::Begins { init: before, .. } = &first[0] else { panic!("{first:?}") };
    assert_ne!(init, before);
    assert_eq!(mime, "video/mp4; codecs=\"avc1.42C01E,flac\"");
    assert_eq!(numbers(&second), [10, 11], "what was decided under the old parameters is gone");
    assert!(
        !second.iter().any(|sent| matches!(sent, Watched::Dropped(_))),
        "before the first picture nobody misses any"
    );
}

#[test]
fn where_frames_are_missing_pictures_go_on_with_the_next_group() {
    let live = Live::new(LiveLimits::default());
    let mut viewer = live.watch().unwrap();
    live.push(&begins(&film::tracks(None)));
    for number in 0..4 {
        live.push(&picture(number, 100));
    }
    live.push(&Item::Gap { frames: 3 });
    for number in 7..10 {
        live.push(&picture(number, 100));
    }
    assert_eq!(live.kept_bytes(), 0);
    let mut late = live.watch().unwrap();
    for number in 10..13 {
        live.push(&picture(number, 100));
    }
    let sent = drain(&mut viewer);
    assert_eq!(numbers(&sent), [0, 1, 2, 3, 10, 11]);
    let place = sent.iter().position(|sent| *sent == Watched::Dropped(4)).unwrap();
    assert!(matches!(&sent[place + 1], Watched::Piece { starts_group: true, .. }));
    assert_eq!(numbers(&drain(&mut late)), [10, 11]);
}

#[test]
fn a_group_that_is_too_long_is_not_kept() {
    let live = Live::new(LiveLimits { group_bytes: 2_000, ..LiveLimits::default() });
    live.push(&begins(&film::tracks(None)));
    for number in 0..5 {
        live.push(&picture(number, 1_000));
        assert!(live.kept_bytes() <= 2_000);
    }
    let still = live.still().expect("a picture is there all the same");
    assert_eq!((still.data.len(), still.number), (1_000, 1));
    let mut viewer = live.watch().unwrap();
    live.push(&picture(5, 100));
    live.push(&picture(10, 100));
    live.push(&picture(11, 100));
    assert_eq!(numbers(&drain(&mut viewer)), [10]);
}

#[test]
fn viewers_are_counted_and_not_too_many() {
    let live = Live::new(LiveLimits { viewers: 2, ..LiveLimits::default() });
    let (one, mut other) = (live.watch().unwrap(), live.watch().unwrap());
    assert_eq!(live.watch().unwrap_err(), TooMany { viewers: 2 });
    drop(one);
    assert_eq!(live.viewers(), 1);
    let _third = live.watch().unwrap();
    live.close();
    assert_eq!(other.next().now_or_never(), Some(None));
    assert_eq!(live.viewers(), 0);
}

#[tokio::test]
async fn pictures_are_fetched_one_by_one() {
    let live = Live::new(LiveLimits::default());
    live.push(&begins(&film::jpeg_tracks()));
    let mut viewer = live.watch().unwrap();
    let waiting = live.still_after(0);
    let shown = |number: u32| {
        let mut frame = film::picture(number, 1, STEP, 100);
        frame.starts_group = true;
        Item::Frame(frame)
    };
    live.push(&shown(1));
    let first = waiting.await.unwrap();
    assert_eq!((first.number, first.taken_ms), (1, 1_000_066));
    assert!(live.still_after(1).now_or_never().is_none(), "there is no other yet");
    live.push(&shown(2));
    live.push(&shown(3));
    assert_eq!(live.still_after(1).await.unwrap().number, 3, "the newest, not the next");
    assert_eq!(drain(&mut viewer), [Watched::Pictures]);
    assert_eq!(live.kept_bytes(), 0);
}

#[test]
fn what_no_browser_shows_is_said() {
    let live = Live::new(LiveLimits::default());
    let mut tracks = Tracks::clone(&film::tracks(None));
    tracks.video.sample_entry = Bytes::from_static(b"not a box");
    live.push(&begins(&Arc::new(tracks)));
    live.push(&picture(0, 100));
    let mut viewer = live.watch().unwrap();
    assert!(matches!(&drain(&mut viewer)[..], [Watched::Unplayable(_)]));
}

#[derive(Debug, Clone)]
enum Deed {
    Picture { group: bool, step: i64, bytes: usize, wait_ms: u64 },
    Sound { step: i64, bytes: usize },
    Begins { sound: bool },
    Gap,
    Read(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        10 => (prop::bool::weighted(0.2), -100_000i64..100_000, 0usize..4_000, 0u64..900)
            .prop_map(|(group, step, bytes, wait_ms)| Deed::Picture { group, step, bytes, wait_ms }),
        3 => (-9_000i64..9_000, 0usize..2_000).prop_map(|(step, bytes)| Deed::Sound { step, bytes }),
        1 => any::<bool>().prop_map(|sound| Deed::Begins { sound }),
        1 => Just(Deed::Gap),
        3 => (0usize..20).prop_map(Deed::Read),
    ]
}

proptest! {
    /// Whatever comes in whatever order: nothing panics, memory stays in its bounds, each piece stands after an
    /// initialisation, and after each loss comes a beginning.
    #[test]
    fn whatever_comes(deeds in prop::collection::vec(deed(), 1..120)) {
        let limits = LiveLimits { group_bytes: 8_000, queue_bytes: 12_000, ..LiveLimits::default() };
        let live = Live::new(limits);
        let mut viewer = live.watch().unwrap();
        let mut now = Instant::now();
        let (mut video, mut audio) = (0, 0);
        let mut sent = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Picture { group, step, bytes, wait_ms } => {
                    now += Duration::from_millis(wait_ms);
                    video += step;
                    let data = vec![7; bytes].into();
                    let frame = Frame { kind: Kind::Video, starts_group: group, decoded: video, shown: video, data };
                    live.push_at(&Item::Frame(frame), now);
                }
                Deed::Sound { step, bytes } => {
                    audio += step;
                    let data = vec![3; bytes].into();
                    let frame = Frame { kind: Kind::Audio, starts_group: true, decoded: audio, shown: audio, data };
                    live.push_at(&Item::Frame(frame), now);
                }
                Deed::Begins { sound } => {
                    live.push_at(&begins(&film::tracks(sound.then_some(AudioCodec::Pcmu))), now);
                }
                Deed::Gap => live.push_at(&Item::Gap { frames: 1 }, now),
                Deed::Read(most) => {
                    sent.extend(std::iter::from_fn(|| viewer.next().now_or_never().flatten()).take(most));
                }
            }
            prop_assert!(live.kept_bytes() <= 8_000);
            prop_assert!(live.state().viewers.iter().all(|slot| slot.bytes() <= 12_000 + 4_200));
        }
        sent.extend(drain(&mut viewer));
        let mut begun = false;
        let mut lost = false;
        for sent in sent {
            match sent {
                Watched::Begins { .. } => (begun, lost) = (true, false),
                Watched::Dropped(pictures) => {
                    prop_assert!(pictures > 0);
                    lost = true;
                }
                Watched::Piece { bytes, starts_group, .. } => {
                    prop_assert!(begun && !bytes.is_empty());
                    prop_assert!(starts_group || !lost, "a picture that looks back at one that was dropped");
                    lost = false;
                }
                Watched::Pictures | Watched::Unplayable(_) => prop_assert!(false),
            }
        }
    }
}
