//! What a crash, a thief and a failing disk leave behind, and what is made of it.

use std::path::Path;

use domovoi_model::Date;
use domovoi_store::{SegmentPlace, SegmentStart, new_segment_id};
use domovoi_video::archive::{Heading, Media, Reason, SegmentWriter};
use domovoi_video::mp4::Fragment;

use super::*;
use crate::cameras::archive::make_folder;
use crate::cameras::verifying::Finding;

/// How far a segment came before the crash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Closed,
    Open,
    /// Nothing but a heading.
    Created,
}

struct Made {
    start: SegmentStart,
    path: PathBuf,
    closed: Option<domovoi_video::archive::Closed>,
}

impl Room {
    /// Writes a segment as the recorder does, and leaves it as a crash does. Its row is nobody's yet.
    async fn make(&self, camera: Id, at: i64, left: Left) -> Made {
        let day = self.cameras.0.day_of(Timestamp(at));
        let key = self.store.cameras().day_key(camera, day).await.unwrap();
        let id = new_segment_id(Timestamp(at)).unwrap();
        let heading = Heading::new(Media::Jpeg, key.id, camera.0, id.0, at).unwrap();
        let path = self.archive().join(naming::segment_file(camera, day, id));
        make_folder(path.parent().unwrap()).unwrap();
        let previous = self.segments().last_of(camera).await.unwrap();
        let mut writer = SegmentWriter::create(path.parent().unwrap(), heading, &key.key, previous, None).unwrap();
        let mut closed = None;
        if left != Left::Created {
            for number in 0..4u8 {
                let picture = vec![number; 2000];
                writer.append(Fragment::of(&picture, u64::from(number) * 90_000, 90_000, true)).unwrap();
            }
        }
        if left == Left::Closed {
            closed = Some(writer.close(Reason::Turn).unwrap());
        }
        let start = SegmentStart {
            id,
            camera,
            key: key.id,
            day,
            started: Timestamp(at),
            place: SegmentPlace::Local,
            store: String::new(),
            run: "jpeg".to_owned(),
        };
        Made { start, path, closed }
    }

    /// The same with a row.
    async fn make_known(&self, camera: Id, at: i64, left: Left) -> Made {
        let made = self.make(camera, at, left).await;
        self.segments().begin(&made.start).await.unwrap();
        if let Some(closed) = &made.closed {
            let finished = books::finished(closed, 4, SegmentState::Done, "");
            self.segments().finish(made.start.id, &finished).await.unwrap();
        }
        made
    }

    async fn with_archive() -> (Self, Id) {
        let room = Room::new().await;
        let card = Draft {
            name: "Двор".to_owned(),
            address: Secret::new("rtsp://127.0.0.1:9/".to_owned()),
            enabled: false,
            ..Draft::default()
        };
        let id = room.cameras.add(&card).await.unwrap().id;
        room.cameras.accept_archive().await.unwrap();
        room.cameras.0.archive.set_state(ArchiveState::There);
        (room, id)
    }

    async fn state_of(&self, made: &Made) -> Option<SegmentState> {
        self.segments().get(made.start.id).await.unwrap().map(|segment| segment.state)
    }
}

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn after_a_crash_files_and_rows_agree() {
    let (room, id) = Room::with_archive().await;
    let first = room.make_known(id, NOW, Left::Closed).await;
    let no_row = room.make(id, NOW + MINUTE, Left::Closed).await;
    let open = room.make_known(id, NOW + 2 * MINUTE, Left::Open).await;
    let open_no_row = room.make(id, NOW + 3 * MINUTE, Left::Open).await;
    let created = room.make_known(id, NOW + 4 * MINUTE, Left::Created).await;
    let bin = room.make_known(id, NOW + 5 * MINUTE, Left::Closed).await;
    room.segments().to_garbage(&[bin.start.id]).await.unwrap();
    let gone = room.make_known(id, NOW + 6 * MINUTE, Left::Open).await;
    std::fs::remove_file(&gone.path).unwrap();
    let foreign = first.path.with_file_name(format!("{}.segment", "ab".repeat(16)));
    std::fs::write(&foreign, b"not a segment of anybody, but called like one").unwrap();
    let empty = first.path.with_file_name(format!("{}.segment", "cd".repeat(16)));
    std::fs::write(&empty, [0; 4096]).unwrap();

    let tidied = room.cameras.0.recover().await.unwrap();
    assert_eq!((tidied.recovered, tidied.adopted, tidied.aside), (1, 3, 1), "{tidied:?}");
    for made in [&first, &no_row, &open, &open_no_row] {
        assert_eq!(room.state_of(made).await, Some(SegmentState::Done));
    }
    assert_eq!(room.segments().get(open.start.id).await.unwrap().unwrap().reason, "recovered");
    assert_eq!((room.state_of(&created).await, room.state_of(&bin).await), (None, None));
    assert_eq!(room.state_of(&gone).await, Some(SegmentState::Missing));
    assert!(!empty.exists() && !bin.path.exists() && !created.path.exists());
    let aside = room.archive().join("lost+found").join(foreign.file_name().unwrap());
    assert!(aside.exists() && !foreign.exists(), "nothing is deleted that somebody might miss");
    let kept: BTreeSet<Id> = room.done(id).await.iter().map(|segment| segment.id).collect();
    assert_eq!(room.files(id), kept);
    let told = room.notices().await;
    assert!(told.contains("camera_files_set_aside") && told.contains("camera_damaged"), "{told:?}");
    // Once more: there is nothing left to do.
    assert_eq!(room.cameras.0.recover().await.unwrap(), Default::default());
    let findings = room.cameras.verify(id).await.unwrap();
    assert!(findings.iter().all(|one| matches!(one, Finding::Missing { .. })), "{findings:?}");
}

#[tokio::test]
async fn what_was_done_to_the_archive_is_named() {
    let (room, id) = Room::with_archive().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(room.make_known(id, NOW + number * MINUTE, Left::Closed).await);
    }
    assert!(room.cameras.verify(id).await.unwrap().is_empty());
    flip(&made[0].path, 3000);
    let whole = std::fs::read(&made[1].path).unwrap();
    std::fs::write(&made[1].path, &whole[..whole.len() - 100]).unwrap();
    std::fs::copy(&made[3].path, &made[2].path).unwrap();
    std::fs::remove_file(&made[4].path).unwrap();
    let findings = room.cameras.verify(id).await.unwrap();
    let of = |made: &Made| {
        findings.iter().find_map(|finding| match finding {
            Finding::Damaged { segment, what } if *segment == made.start.id => Some(what.clone()),
            Finding::Missing { segment } if *segment == made.start.id => Some("missing".to_owned()),
            _ => None,
        })
    };
    assert_eq!(of(&made[0]).as_deref(), Some("altered 1"));
    assert!(of(&made[1]).is_some_and(|what| what.starts_with("truncated") || what.starts_with("no-trailer")));
    assert_eq!(of(&made[2]), Some(format!("swapped {}", made[3].start.id)));
    assert_eq!((of(&made[3]), of(&made[4]).as_deref()), (None, Some("missing")));
    let timeline = room.cameras.timeline(id, Timestamp(0), Timestamp(i64::MAX), None).await.unwrap();
    assert_eq!(timeline.pieces.iter().filter(|piece| !piece.trouble.is_empty()).count(), 4);
    assert!(room.notices().await.contains("camera_damaged"));
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_destroyed_key_makes_its_day_unreadable_and_nothing_else() {
    let (room, id) = Room::with_archive().await;
    let today = room.make_known(id, NOW, Left::Closed).await;
    let tomorrow = room.make_known(id, NOW + 24 * 60 * MINUTE, Left::Closed).await;
    let (a, b): (Date, Date) = (today.start.day, tomorrow.start.day);
    assert_ne!(a, b);
    room.store.cameras().destroy_day(id, a).await.unwrap();
    assert!(matches!(room.cameras.segment(id, today.start.id).await, Err(CamerasError::Unreadable(_))));
    let file = room.cameras.segment(id, tomorrow.start.id).await.unwrap();
    assert!(domovoi_video::archive::SegmentReader::open(&file.path, &file.day).is_ok());
    let no_key = Finding::NoKey { segment: today.start.id };
    assert_eq!(room.cameras.verify(id).await.unwrap(), [no_key]);
}

#[tokio::test]
async fn days_of_which_nothing_is_left_lose_their_key() {
    let (room, id) = Room::with_archive().await;
    let day = 24 * 60 * MINUTE;
    let old = room.make_known(id, NOW - 10 * day, Left::Closed).await;
    room.make_known(id, NOW, Left::Closed).await;
    assert_eq!(room.store.cameras().days(id).await.unwrap().len(), 2);
    room.cameras.erase(id, Timestamp(NOW - 11 * day), Timestamp(NOW - 9 * day)).await.unwrap();
    assert!(!old.path.exists() && !old.path.parent().unwrap().exists());
    room.cameras.0.clear_days().await;
    assert_eq!(room.store.cameras().days(id).await.unwrap().len(), 1);
    assert_eq!(room.done(id).await.len(), 1);
}

#[tokio::test]
async fn what_began_before_the_clock_was_right_is_dated_again() {
    let (room, id) = Room::with_archive().await;
    // 1970, five seconds after the boot.
    let clock = Clock::by_hand(Id([9; 16]), Timestamp(0));
    clock.set(Timestamp(5_000));
    assert_eq!(clock.trusted(), None);
    let made = room.make_known(id, 5_000, Left::Closed).await;
    let ahead = clock.wall().0 - clock.since_boot_millis();
    room.cameras.0.archive.undated.lock().unwrap().push((made.start.id, ahead));
    clock.set(Timestamp(NOW));
    let began = clock.boot_began_at().unwrap();
    for (segment, by) in room.cameras.0.archive.take_undated(began) {
        room.segments().redate(&[segment], by).await.unwrap();
    }
    let row = room.segments().get(made.start.id).await.unwrap().unwrap();
    assert_eq!(row.started, Timestamp(NOW), "five seconds after a boot that was five seconds ago");
    let file = room.cameras.segment(id, made.start.id).await.unwrap();
    assert_eq!(file.later_ms, NOW - 5_000);
    assert!(room.cameras.verify(id).await.unwrap().is_empty(), "the file is as it was written");
}
