//! Quotas, the floor, a disk that goes and comes back.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_kept_by_deleting_the_oldest() {
    let sim = camera().await;
    let mut room = Room::with(tempfile::tempdir().unwrap(), |section| {
        // Two seconds of this camera are some 25 KB; what is asked for before it is known is two seconds of 6 Mbit/s.
        section.quota = 1_700_000;
    })
    .await;
    room.run();
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    let seat = room.cameras.0.seat(id).unwrap();
    let first = until("a segment", async || room.done(id).await.into_iter().next()).await;
    // Beside what the next one will take there is room for three or four.
    seat.rate.store(800_000, std::sync::atomic::Ordering::Relaxed);
    until("the oldest to go", async || room.segments().get(first.id).await.unwrap().is_none().then_some(())).await;
    room.end().await;
    assert!(!room.files(id).contains(&first.id));
    assert!(room.cameras.verify(id).await.unwrap().is_empty(), "what the house deleted is not missed");
    assert!(room.segments().bytes_of(id).await.unwrap().bytes() <= 1_700_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_recording_pauses_and_goes_on() {
    let sim = camera().await;
    let mut room = Room::with(tempfile::tempdir().unwrap(), |section| section.quota = 1_000_000).await;
    room.run();
    // Two seconds of what an unknown camera may send are more than its share.
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    until("the pause", async || {
        let view = room.cameras.view(id).await.unwrap();
        (view.recording == Recording::Off(Off::Paused(retention::Pause::Quota))).then_some(())
    })
    .await;
    room.told("camera_paused_quota", true).await;
    let seat = room.cameras.0.seat(id).unwrap();
    seat.rate.store(20_000, std::sync::atomic::Ordering::Relaxed);
    seat.go_on();
    until("a segment", async || (!room.done(id).await.is_empty()).then_some(())).await;
    room.told("camera_paused_quota", false).await;
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_not_mounted_is_not_written_to() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    until("a segment", async || (!room.done(id).await.is_empty()).then_some(())).await;
    // What is mounted there goes: its folder is there still, and empty.
    let (folder, away) = (room.archive(), room.archive().with_file_name("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::create_dir(&folder).unwrap();
    until("the disk to be missed", async || (room.cameras.archive() == ArchiveState::Absent).then_some(())).await;
    until("the pause", async || {
        let recording = room.cameras.view(id).await.unwrap().recording;
        (recording == Recording::Off(Off::Archive(ArchiveState::Absent))).then_some(())
    })
    .await;
    room.told("camera_archive_absent", true).await;
    let played = sim.truth().frames;
    until("a second of frames", async || (sim.truth().frames > played + 30).then_some(())).await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing was put there");
    assert!(room.cameras.live(id).unwrap().still().is_some(), "it is live all the same");
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    until("the disk to be back", async || (room.cameras.archive() == ArchiveState::There).then_some(())).await;
    let before = room.done(id).await.len();
    until("another segment", async || (room.done(id).await.len() > before).then_some(())).await;
    room.told("camera_archive_absent", false).await;
    room.end().await;
    assert!(room.cameras.verify(id).await.unwrap().is_empty());
    assert_eq!(room.files(id), room.done(id).await.iter().map(|segment| segment.id).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_archive_in_its_place_is_not_touched() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    until("a segment", async || (!room.done(id).await.is_empty()).then_some(())).await;
    room.end().await;
    let folder = room.archive();
    std::fs::remove_file(folder.join("domovoi-archive")).unwrap();
    domovoi_video::archive::identify(&folder).unwrap();
    let mut room = room.again().await;
    room.run();
    until("the other archive", async || (room.cameras.archive() == ArchiveState::Other).then_some(())).await;
    room.told("camera_archive_other", true).await;
    room.cameras.accept_archive().await.unwrap();
    let before = room.done(id).await.len();
    until("another segment", async || (room.done(id).await.len() > before).then_some(())).await;
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_disk_is_full_the_oldest_of_all_goes() {
    let sim = camera().await;
    let mut room = Room::running().await;
    let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
    let first = until("two segments", async || {
        let done = room.done(id).await;
        (done.len() >= 2).then(|| done.into_iter().next()).flatten()
    })
    .await;
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    let (pleas, heard) = tokio::sync::mpsc::unbounded_channel();
    pleas.send((0, answer)).unwrap();
    drop(pleas);
    room.cameras.0.hear_pleas(heard).await;
    assert_eq!(answered.recv(), Ok(true));
    assert!(room.segments().get(first.id).await.unwrap().is_none() && !room.files(id).contains(&first.id));
    room.end().await;
    assert!(room.cameras.verify(id).await.unwrap().is_empty());
}

/// A disk of so many megabytes, gone with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=700");
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &size, "small"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success(), "a disk is mounted");
        SmallDisk(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root: it mounts a small disk"]
async fn three_cameras_go_on_for_ever_on_a_disk_that_is_full() {
    let disk = SmallDisk::new(8);
    let folder = disk.0.path().to_owned();
    let mut room = Room::with(tempfile::tempdir().unwrap(), move |section| {
        section.folder = folder.clone();
        section.free_space_floor = 0;
    })
    .await;
    room.run();
    let mut sims = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let settings = CameraSettings { width: 160, height: 160, group: 5, ..CameraSettings::default() };
        let sim = Camera::start(settings).await.unwrap();
        let id = room.cameras.add(&draft(&sim)).await.unwrap().id;
        // Nothing is asked for before it is written: the disk fills to the brim in the middle of segments.
        room.cameras.0.seat(id).unwrap().rate.store(1, std::sync::atomic::Ordering::Relaxed);
        ids.push(id);
        sims.push(sim);
    }
    for id in &ids {
        let first = until("a segment", async || room.done(*id).await.into_iter().next()).await;
        until("the oldest to go", async || room.segments().get(first.id).await.unwrap().is_none().then_some(())).await;
    }
    for id in &ids {
        let newest = room.done(*id).await.last().map(|segment| segment.started);
        let newer = async || room.done(*id).await.iter().any(|segment| Some(segment.started) > newest).then_some(());
        until("a newer segment", newer).await;
    }
    room.end().await;
    for id in &ids {
        assert!(room.cameras.verify(*id).await.unwrap().is_empty());
        assert_eq!(room.files(*id), room.done(*id).await.iter().map(|segment| segment.id).collect());
    }
    let notices = room.notices().await;
    assert!(!notices.contains("camera_archive_failing"), "{notices:?}");
}
