//! Recordings in a store elsewhere, which is another project's server: they wait while it is away, are sent, played from
//! there and deleted there; what is missing there, and what nobody knows there, is told.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use domovoi::cameras::{Cameras, Draft, Recordings};
use domovoi_model::Id;
use domovoi_store::{SegmentPlace, SegmentState};
use e2e::{Home, until};

use super::real::{Camera, draft, ends, files, judged, pieces, recorded_for, settings};
use super::{attacks, has_boxes, house};

/// The server of the Python package `moto`. It takes any key, and forgets everything at its end.
struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Moto {
    fn start(at: SocketAddr) -> Moto {
        let peers = std::env::var_os("DOMOVOI_PEERS").expect("DOMOVOI_PEERS names no folder: run .ci/run");
        let mut server = Command::new(PathBuf::from(peers).join("python/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &at.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server in the folder of peers");
        let mut lines = std::io::BufReader::new(server.stderr.take().unwrap()).lines();
        while !lines.next().expect("it says where it listens").unwrap().contains("Running on ") {}
        // It writes a line for each request, and would wait for them to be read.
        std::thread::spawn(move || lines.for_each(drop));
        Moto(server)
    }
}

/// What another client of the same protocol does there: its client is `s3`, `deed` a line of Python.
fn theirs(at: SocketAddr, deed: &str) -> String {
    let peers = std::env::var_os("DOMOVOI_PEERS").expect("DOMOVOI_PEERS names no folder: run .ci/run");
    let program = format!(
        "import boto3\ns3 = boto3.client('s3', endpoint_url='http://{at}', region_name='us-east-1', \
         aws_access_key_id='home', aws_secret_access_key='the key of the store')\n{deed}"
    );
    let done = Command::new(PathBuf::from(peers).join("python/bin/python")).args(["-c", &program]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The keys of everything that is there.
fn keys(at: SocketAddr) -> Vec<String> {
    let listed = theirs(at, "for one in s3.list_objects_v2(Bucket='cameras').get('Contents', []): print(one['Key'])");
    listed.lines().map(str::to_owned).collect()
}

async fn notices(home: &Home) -> Vec<String> {
    home.store.notices().open().await.unwrap().into_iter().map(|open| open.key).collect()
}

async fn is_told(home: &Home, key: &str) {
    until(&format!("{key} is told"), || async { notices(home).await.iter().any(|told| told == key).then_some(()) })
        .await;
}

async fn places(home: &Home, ids: &[Id]) -> Vec<SegmentPlace> {
    let mut places = Vec::new();
    for id in ids {
        places.push(home.store.segments().get(*id).await.unwrap().unwrap().place);
    }
    places
}

async fn ids(cameras: &Cameras, camera: Id) -> Vec<Id> {
    pieces(cameras, camera).await.iter().map(|piece| piece.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs gst-rtsp-server, ffmpeg and moto_server (DOMOVOI_PEERS)"]
async fn recordings_wait_for_a_store_elsewhere_play_from_it_and_what_is_wrong_there_is_told() {
    let (folder, at) = (tempfile::tempdir().unwrap(), attacks::port());
    let text = format!(
        "{}\n[[cameras.place]]\nname = \"nas\"\nendpoint = \"http://{at}\"\nbucket = \"cameras\"\nprefix = \"home\"\n\
         access_key = \"home\"\nkey_secret = \"cameras_nas\"\n",
        settings()
    );
    let real = Camera::start(&["--audio", "aac"]);
    let home = house(folder.path(), &text).await;
    let camera =
        home.desk.cameras.add(&Draft { place: Some("nas".to_owned()), ..draft("yard", &real.url) }).await.unwrap().id;
    is_told(&home, "camera_place_failing:nas").await;
    let name = domovoi::web::secret_name("cameras_nas");
    home.store.secrets().put(&name, b"the key of the store").await.unwrap();
    home.stop().await;
    // The store is away: what is recorded waits here.
    let home = house(folder.path(), &text).await;
    let cameras = &home.desk.cameras;
    recorded_for(cameras, camera, 5).await;
    ends(cameras, camera).await;
    let all = ids(cameras, camera).await;
    assert!(!all.is_empty());
    is_told(&home, "camera_place_failing:nas").await;
    assert!(places(&home, &all).await.iter().all(|place| *place == SegmentPlace::Spool));
    let here = folder.path().join("hub/cameras");
    assert_eq!(files(&here).len(), all.len());
    let seen = judged(cameras, camera, folder.path()).await.pictures;
    // It is back: everything goes there, and nothing stays here.
    let _moto = Moto::start(at);
    theirs(at, "s3.create_bucket(Bucket='cameras')");
    until("all of it is elsewhere", || async {
        let there = places(&home, &all).await.iter().all(|place| *place == SegmentPlace::Remote);
        (there && files(&here).is_empty()).then_some(())
    })
    .await;
    until("nothing is the matter", || async {
        (!notices(&home).await.iter().any(|key| key.starts_with("camera_place_"))).then_some(())
    })
    .await;
    assert_eq!(judged(cameras, camera, folder.path()).await.pictures, seen);
    // What lies there is sealed, under the names of the archive.
    let segment = home.store.segments().get(all[0]).await.unwrap().unwrap();
    let hex = |id: Id| id.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let day = format!("{:04}{:02}{:02}", segment.day.year(), segment.day.month(), segment.day.day());
    let below = format!("home/{}/{day}", hex(camera));
    let key = |id: Id| format!("{below}/{}.segment", hex(id));
    let first = key(all[0]);
    let copy = folder.path().join("first");
    theirs(at, &format!("s3.download_file('cameras', '{first}', '{}')", copy.display()));
    let sealed = std::fs::read(&copy).unwrap();
    assert_eq!(sealed.len() as u64, segment.bytes);
    assert!(!has_boxes(&sealed));
    // Somebody deletes one there, and there is one of which nobody knows.
    let stranger = format!("{below}/{}.segment", "5a".repeat(16));
    theirs(at, &format!("s3.put_object(Bucket='cameras', Key='{stranger}', Body=b'?')"));
    theirs(at, &format!("s3.delete_object(Bucket='cameras', Key='{first}')"));
    home.stop().await;
    let home = house(folder.path(), &text).await;
    is_told(&home, "camera_place_strangers:nas").await;
    is_told(&home, &format!("camera_damaged/{camera}")).await;
    let cameras = &home.desk.cameras;
    let found = pieces(cameras, camera).await;
    assert!(
        found.iter().all(|piece| (piece.id == all[0]) == matches!(piece.state, SegmentState::Missing)),
        "{found:?}"
    );
    // With the camera everything of it goes, and what is nobody's stays.
    cameras.forget(camera, Recordings::Erase).await.unwrap();
    home.stop().await;
    let home = house(folder.path(), &text).await;
    until("its recordings are deleted there, and nothing else", || async {
        (keys(at) == [stranger.as_str()]).then_some(())
    })
    .await;
    home.stop().await;
}
