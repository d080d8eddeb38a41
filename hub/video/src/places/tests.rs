//! Places against a store that the tests play, good and hostile, and against a server that nobody here wrote.

mod store;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use store::{Mood, Store};
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;

fn options(endpoint: &str) -> PlaceOptions {
    PlaceOptions {
        endpoint: Url::parse(endpoint).unwrap(),
        bucket: store::BUCKET.to_owned(),
        prefix: "home/1".to_owned(),
        region: store::REGION.to_owned(),
        access_key: store::ACCESS_KEY.to_owned(),
        key: Secret::new(store::KEY.to_owned()),
        path_style: true,
        authority: None,
    }
}

fn place(store: &Store) -> Place {
    Place::new(&options(&format!("http://{}", store.at))).unwrap()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

fn file(folder: &tempfile::TempDir, name: &str, length: usize) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes(length)).unwrap();
    path
}

#[tokio::test]
async fn what_is_put_is_read_listed_and_deleted() {
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    let place = place(&store);
    place.check().await.unwrap();
    assert_eq!(store.keys(), [] as [String; 0], "a check leaves nothing");
    for (key, length) in [("a/1", 0), ("a/2", 100), ("a/3", 200_000), ("ab/1", PART), ("b/1", 2 * PART + 7)] {
        let kept = place.put(key, &file(&folder, "f", length)).await.unwrap();
        assert_eq!(kept.bytes, length as u64);
    }
    assert!(store.keys().iter().all(|key| key.starts_with("home/1/")));
    assert_eq!(store.half_uploads(), 0);
    let all = bytes(2 * PART + 7);
    let end = all.len() as u64;
    for range in [0..1, 5..100_000, end - 3..end, 7..7] {
        let read = place.read_range("b/1", range.clone()).await.unwrap();
        assert_eq!(read, all[range.start as usize..range.end as usize]);
    }
    let listed = place.list("", 100).await.unwrap();
    let keys: Vec<&str> = listed.iter().map(|listed| listed.key.as_str()).collect();
    assert_eq!(keys, ["a/1", "a/2", "a/3", "ab/1", "b/1"]);
    let sizes: Vec<u64> = place.list("a", 100).await.unwrap().iter().map(|listed| listed.bytes).collect();
    assert_eq!(sizes, [0, 100, 200_000], "below a whole part of a key");
    assert_eq!(place.list("", 4).await, Err(Trouble::TooMuch));
    place.delete("a/2").await.unwrap();
    place.delete("a/2").await.unwrap();
    assert_eq!(place.stat("a/2").await, Err(Trouble::NotFound));
    assert_eq!(place.read_range("a/2", 0..1).await, Err(Trouble::NotFound));
    assert_eq!(place.read_range("a/3", 0..LARGEST_READ + 1).await, Err(Trouble::TooMuch));
    assert!(place.read_range("a/3", 0..200_001).await.is_err(), "more than is there");
    for key in ["", "/a", "a//b", "../a", "a/./b", "a b", &"a".repeat(600)] {
        assert_eq!(place.stat(key).await.unwrap_err().code(), "setup", "{key}");
    }
}

#[tokio::test]
async fn what_is_there_already_is_not_sent_again() {
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    let place = place(&store);
    let path = file(&folder, "f", 300_000);
    place.put("a", &path).await.unwrap();
    place.put("a", &path).await.unwrap();
    assert_eq!(store.heard().iter().filter(|heard| heard.starts_with("PUT")).count(), 1);
    // Something else under the same name is.
    store.shelf.lock().unwrap().objects.get_mut("home/1/a").unwrap()[299_999] ^= 1;
    place.put("a", &path).await.unwrap();
    assert_eq!(store.shelf.lock().unwrap().objects["home/1/a"], bytes(300_000));
}

#[tokio::test]
async fn each_trouble_has_its_name() {
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    let place = place(&store);
    let path = file(&folder, "f", 2 * PART);
    for (mood, code) in [
        (Mood::Says(503, "SlowDown"), "away"),
        (Mood::Says(500, "InternalError"), "away"),
        (Mood::Says(429, ""), "away"),
        (Mood::Says(403, "AccessDenied"), "refused"),
        (Mood::Says(403, "RequestTimeTooSkewed"), "clock"),
        (Mood::Says(507, "XMinioStorageFull"), "full"),
        (Mood::Says(400, "Whatever"), "protocol"),
        (Mood::Says(302, ""), "protocol"),
        (Mood::HangsUp, "away"),
        (Mood::KeepsLess, "untrue"),
        (Mood::KeepsOther, "untrue"),
        (Mood::Sends(b"SSH-2.0-x\r\n".to_vec()), "away"),
        (Mood::Sends(Vec::new()), "away"),
        (Mood::Sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec()), "away"),
    ] {
        store.is(mood.clone());
        let trouble = place.put("a", &path).await.unwrap_err();
        assert_eq!(trouble.code(), code, "{mood:?}: {trouble}");
        let shown = trouble.to_string();
        assert!(!shown.contains(store::KEY) && shown.len() < 400, "{shown}");
    }
    store.is(Mood::Good);
    let gone = place.put("a", &folder.path().join("none")).await.unwrap_err();
    assert_eq!(gone.code(), "local");
    drop(store);
    assert_eq!(place.put("a", &path).await.unwrap_err().code(), "away");
}

#[tokio::test]
async fn another_key_or_bucket_is_told() {
    let store = Store::start().await;
    let at = format!("http://{}", store.at);
    let wrong_key = PlaceOptions { key: Secret::new("other".to_owned()), ..options(&at) };
    let refused = Place::new(&wrong_key).unwrap().check().await.unwrap_err();
    assert_eq!(refused, Trouble::Refused { code: "SignatureDoesNotMatch".to_owned() });
    let wrong_bucket = PlaceOptions { bucket: "other".to_owned(), ..options(&at) };
    assert_eq!(Place::new(&wrong_bucket).unwrap().check().await, Err(Trouble::NoBucket));
    let authority = PlaceOptions { authority: Some(b"nothing".to_vec()), ..options("https://127.0.0.1:1") };
    assert_eq!(Place::new(&authority).unwrap_err().code(), "setup");
    assert!(!format!("{:?}", place(&store)).contains(store::KEY));
}

#[tokio::test]
async fn a_hostile_store_gets_neither_memory_nor_time() {
    let store = Store::start().await;
    let place = place(&store);
    store.shelf.lock().unwrap().objects.insert("home/1/a".to_owned(), bytes(1000));
    let head = "HTTP/1.1 206 OK\r\nContent-Range: bytes 5-9/1000\r\nETag: \"e\"\r\nLast-Modified: Sun, 22 Nov 2026 17:27:14 GMT\r\n";
    let sends = |text: String| Mood::Sends(text.into_bytes());
    for mood in [
        Mood::OtherRange,
        sends(format!("{head}Content-Length: 2000000000\r\n\r\n{}", "x".repeat(1 << 20))),
        sends(format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{}",
            format!("10000\r\n{}\r\n", "x".repeat(65_536)).repeat(64)
        )),
        sends(format!("{head}Content-Length: 3\r\n\r\nxxx")),
        sends(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Sun, 22 Nov 2026 17:27:14 GMT\r\n\r\nxxxxx"
                .to_owned(),
        ),
        sends(format!("HTTP/1.1 403 No\r\nContent-Length: 900000000\r\n\r\n{}", "<a>".repeat(100_000))),
    ] {
        store.is(mood.clone());
        let trouble = place.read_range("a", 5..10).await.unwrap_err();
        assert!(matches!(trouble.code(), "protocol" | "too-much" | "untrue" | "refused" | "away"), "{trouble}");
    }
    // A reader that calls itself for each element within another would have no stack left, and that ends a process.
    let deep = "<a>".repeat(1_200_000);
    let contents = format!("<ListBucketResult><Contents><Key>{}", "<Key>".repeat(700_000));
    let apart = format!("<ListBucketResult>{}", "<Contents></Contents><b></b>".repeat(100_000));
    let bomb =
        "<!DOCTYPE l [<!ENTITY a \"ha\">]><ListBucketResult><Contents><Key>&a;</Key></Contents></ListBucketResult>";
    for text in [format!("<ListBucketResult>{deep}"), deep, contents, apart, bomb.to_owned()] {
        store.is(sends(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())));
        let trouble = place.list("", 1000).await.unwrap_err();
        assert_eq!(trouble.code(), "protocol", "{trouble}");
    }
    for (mood, code) in [
        (Mood::ListsForEver, "too-much"),
        (Mood::Lists("elsewhere/x"), "protocol"),
        (Mood::Lists("home/1//x"), "protocol"),
        (Mood::Lists("home/1/../x"), "protocol"),
        (sends(format!("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n{}", "x".repeat(9_000_000))), "too-much"),
        (sends("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".to_owned()), "protocol"),
    ] {
        store.is(mood.clone());
        let trouble = place.list("", 1000).await.unwrap_err();
        assert_eq!(trouble.code(), code, "{mood:?}: {trouble}");
    }
}

async fn next(reports: &mut UnboundedReceiver<Report>) -> Report {
    tokio::time::timeout(Duration::from_secs(60), reports.recv()).await.expect("a report in time").unwrap()
}

fn item(folder: &tempfile::TempDir, number: u8, length: usize) -> Item {
    let path = file(folder, &number.to_string(), length);
    Item { segment: [number; 16], key: format!("c/{number}"), path, bytes: length as u64 }
}

#[tokio::test]
async fn what_waits_is_sent_when_the_store_is_back() {
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    store.is(Mood::Says(503, "SlowDown"));
    let (spool, mut reports) = Spool::start_with(place(&store), 1 << 20, WhenFull::OldestGo, Duration::from_millis(5));
    for number in 1..=3 {
        spool.add(item(&folder, number, 1000));
        spool.add(item(&folder, number, 1000));
    }
    let Report::Failing { trouble } = next(&mut reports).await else { panic!("it fails first") };
    assert_eq!(trouble.code(), "away");
    assert_eq!(spool.held(), Held { items: 3, bytes: 3000 });
    store.is(Mood::Good);
    spool.hurry();
    let mut told = VecDeque::new();
    while told.len() < 4 {
        told.push_back(next(&mut reports).await);
    }
    assert_eq!(told.pop_front(), Some(Report::Going), "told once how it fails, and once that it goes");
    for (number, report) in (1..=3).zip(told) {
        let Report::Sent { item, kept } = report else { panic!("{report:?}") };
        assert_eq!((item.segment, kept.bytes), ([number; 16], 1000), "the oldest first");
        assert!(item.path.exists(), "who keeps the books deletes it");
    }
    assert_eq!(spool.held(), Held::default());
    assert_eq!(store.keys().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_sent_does_not_hold_the_others() {
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    let (spool, mut reports) = Spool::start_with(place(&store), 1 << 20, WhenFull::OldestGo, Duration::from_millis(5));
    store.is(Mood::Refuses("c/2"));
    let gone = Item { path: folder.path().join("nothing"), ..item(&folder, 1, 10) };
    for item in [gone.clone(), item(&folder, 2, 10), item(&folder, 3, 10)] {
        spool.add(item);
    }
    let Report::Unreadable { item: told, .. } = next(&mut reports).await else { panic!("it is not there") };
    assert_eq!(told, gone);
    let Report::Failing { trouble } = next(&mut reports).await else { panic!("this one is refused") };
    assert_eq!(trouble.code(), "protocol");
    assert_eq!(next(&mut reports).await, Report::Going);
    let Report::Sent { item: sent, .. } = next(&mut reports).await else { panic!("the next one goes") };
    assert_eq!(sent.segment, [3; 16]);
    assert_eq!(spool.held().items, 1, "the other waits on");
}

#[tokio::test]
async fn what_is_forgotten_while_it_is_sent_is_deleted_there() {
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    store.is(Mood::Waits);
    let (spool, mut reports) = Spool::start_with(place(&store), 1 << 20, WhenFull::OldestGo, Duration::from_millis(5));
    spool.add(item(&folder, 1, 10));
    while store.heard().is_empty() {
        tokio::task::yield_now().await;
    }
    spool.forget([1; 16]);
    assert_eq!(spool.held(), Held::default());
    spool.add(item(&folder, 2, 10));
    store.is(Mood::Good);
    let Report::Sent { item: sent, .. } = next(&mut reports).await else { panic!("the second one goes") };
    assert_eq!(sent.segment, [2; 16], "of the first one nothing is told");
    assert_eq!(store.keys(), ["home/1/c/2"]);
}

#[test]
fn the_oldest_goes_and_not_one_more_than_needed() {
    let waiting = [([1; 16], 10), ([2; 16], 10), ([3; 16], 10)];
    let gone = |sending, next, limit| beyond(&waiting, sending, next, limit, WhenFull::OldestGo);
    let room = |ids: &[u8]| Beyond::Room { give_up: ids.iter().map(|id| [*id; 16]).collect() };
    assert_eq!(gone(None, 10, 40), room(&[]));
    assert_eq!(gone(None, 11, 40), room(&[1]));
    assert_eq!(gone(Some([1; 16]), 11, 40), room(&[2]));
    assert_eq!(gone(Some([1; 16]), 100, 40), room(&[2, 3, 1]));
    assert_eq!(beyond(&waiting, None, 11, 40, WhenFull::RecordingPauses), Beyond::Pause);
    assert_eq!(beyond(&waiting, None, 10, 40, WhenFull::RecordingPauses), room(&[]));
}

proptest! {
    #[test]
    fn what_is_left_fits(sizes in proptest::collection::vec(0u64..1000, 0..20), next in 0u64..500, limit in 500u64..5000) {
        let waiting: Vec<([u8; 16], u64)> = (0..).zip(&sizes).map(|(id, bytes)| ([id; 16], *bytes)).collect();
        let Beyond::Room { give_up } = beyond(&waiting, None, next, limit, WhenFull::OldestGo) else { panic!("no pause") };
        let left: Vec<u64> = waiting.iter().filter(|(id, _)| !give_up.contains(id)).map(|(_, bytes)| *bytes).collect();
        let sum = left.iter().sum::<u64>() + next;
        prop_assert!(sum <= limit);
        if let Some(last) = give_up.last() {
            let spared = waiting.iter().find(|(id, _)| id == last).unwrap().1;
            prop_assert!(sum + spared > limit, "one less would not have been enough");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_elsewhere_is_read_as_if_it_were_here() {
    use crate::archive::ReadAt;
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    let place = place(&store);
    let all = bytes(3 << 20);
    place.put("a", &file(&folder, "f", all.len())).await.unwrap();
    let far = FarFile::open(place, "a".to_owned(), tokio::runtime::Handle::current()).await.unwrap();
    // In a task too, where it holds the task's thread up and no more.
    far.read_exact_at(&mut [0; 1], 0).unwrap();
    let before = store.heard().len();
    let reading = tokio::task::spawn_blocking(move || {
        assert_eq!(far.bytes(), all.len() as u64);
        let mut buffer = vec![0; 96];
        for at in [0, 96, 200_000, all.len() - 96, all.len() - 100_000] {
            far.read_exact_at(&mut buffer, at as u64).unwrap();
            assert_eq!(buffer, all[at..at + 96]);
        }
        assert!(far.read_exact_at(&mut buffer, all.len() as u64 - 95).is_err());
        let mut large = vec![0; 2 << 20];
        far.read_exact_at(&mut large, 11).unwrap();
        assert_eq!(large, all[11..11 + (2 << 20)]);
    });
    reading.await.unwrap();
    assert_eq!(store.heard().len() - before, 2, "what lies together is one request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_elsewhere_plays_as_it_did_here_and_a_forged_one_not_at_all() {
    use crate::archive::tests::{day, segment, whole};
    use crate::archive::{ReadAt, ReadError, SegmentReader, Source};
    let (store, folder) = (Store::start().await, tempfile::tempdir().unwrap());
    let place = place(&store);
    let closed = segment(folder.path(), &day(1));
    place.put("c/d/s.segment", &closed.path).await.unwrap();
    let here = whole(&SegmentReader::open(&closed.path, &day(1)).unwrap());
    std::fs::remove_file(&closed.path).unwrap();
    let runtime = tokio::runtime::Handle::current();
    let open = async || {
        let far = FarFile::open(place.clone(), "c/d/s.segment".to_owned(), runtime.clone()).await.unwrap();
        Arc::new(far) as Arc<dyn ReadAt>
    };
    let source = Source::elsewhere(closed.path.clone(), day(1), open().await);
    let there = tokio::task::spawn_blocking(move || whole(&source.open().unwrap())).await.unwrap();
    assert!(here == there, "byte for byte");
    // The store knows no key: what it changes is found out before it is played.
    let middle = here.len() / 2;
    store.shelf.lock().unwrap().objects.get_mut("home/1/c/d/s.segment").unwrap()[middle] ^= 1;
    let forged = open().await;
    let path = closed.path.clone();
    let read = move || {
        let reader = SegmentReader::elsewhere(forged, &path, &day(1))?;
        (0..reader.trailer().entries.len() as u32).try_for_each(|record| reader.read(record).map(drop))
    };
    let error = tokio::task::spawn_blocking(read).await.unwrap().unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
}

/// The server of the Python package `moto`, on a port of its choice. It takes any key.
struct Moto {
    process: std::process::Child,
    at: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    fn start() -> Moto {
        use std::io::BufRead;
        let peers =
            std::env::var_os("DOMOVOI_PEERS").expect("DOMOVOI_PEERS names a folder with python/bin/moto_server");
        let mut process = std::process::Command::new(PathBuf::from(peers).join("python/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("pip install 'moto[server]' into $DOMOVOI_PEERS/python");
        let mut lines = io::BufReader::new(process.stderr.take().unwrap()).lines();
        let at = loop {
            let line = lines.next().expect("it says where it listens").unwrap();
            if let Some((_, at)) = line.split_once("Running on ") {
                break at.trim().to_owned();
            }
        };
        // It writes a line for each request, and would wait for them to be read.
        std::thread::spawn(move || lines.for_each(drop));
        Moto { process, at }
    }
}

#[tokio::test]
#[ignore = "needs moto_server (pip install 'moto[server]') in DOMOVOI_PEERS/python"]
async fn a_server_of_others_keeps_what_is_put() {
    let moto = Moto::start();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = client.put(format!("{}/cameras", moto.at)).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(&PlaceOptions { region: "us-east-1".to_owned(), ..options(&moto.at) }).unwrap();
    place.check().await.unwrap();
    let length = 2 * PART + 7;
    for (key, length) in [("c/1", 100), ("c/2", length), ("d/1", 0)] {
        assert_eq!(place.put(key, &file(&folder, "f", length)).await.unwrap().bytes, length as u64);
    }
    let end = length as u64;
    let tail = place.read_range("c/2", end - 100..end).await.unwrap();
    assert_eq!(tail, bytes(length)[length - 100..]);
    assert!(place.read_range("c/1", 50..200).await.is_err());
    let keys: Vec<String> = place.list("c", 10).await.unwrap().into_iter().map(|listed| listed.key).collect();
    assert_eq!(keys, ["c/1", "c/2"]);
    for key in ["c/1", "c/2", "d/1"] {
        place.delete(key).await.unwrap();
        assert_eq!(place.stat(key).await, Err(Trouble::NotFound));
    }
    assert_eq!(place.list("", 10).await.unwrap(), []);
}
