//! Cameras through the API's router, with a whole house behind it and an archive on its disk: ranges, damage, rights,
//! downloads. What a camera sends is made up here; real ones are in the end-to-end tests.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use domovoi_model::{Id, Timestamp};
use domovoi_store::{Finished, SegmentPlace, SegmentStart, SegmentState, new_segment_id};
use domovoi_vault::Secret;
use domovoi_video::archive::{Heading, Media, Reason, SegmentWriter};
use domovoi_video::mp4::{Cut, Fragment, Fragmenter, Init};
use domovoi_video::{Frame, Item, Kind as Sort, Tracks, VideoCodec, VideoTrack};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::{Browser, Home, NOON};
use crate::cameras::{Draft, naming};
use crate::policy::Role;

const SPS: [u8; 7] = [0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// `avc1` with its `avcC`, by ISO/IEC 14496-12 section 12.1.3 and 14496-15 section 5.3.3.
fn sample_entry() -> Bytes {
    let mut avcc = vec![1, SPS[1], SPS[2], SPS[3], 0xff, 0xe1, 0, SPS.len() as u8];
    avcc.extend_from_slice(&SPS);
    avcc.extend_from_slice(&[1, 0, PPS.len() as u8]);
    avcc.extend_from_slice(&PPS);
    let mut entry = vec![0; 6];
    entry.extend_from_slice(&[0, 1]);
    entry.extend_from_slice(&[0; 16]);
    entry.extend_from_slice(&[0, 64, 0, 48, 0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    entry.extend_from_slice(&[0; 32]);
    entry.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
    entry.extend_from_slice(&(avcc.len() as u32 + 8).to_be_bytes());
    entry.extend_from_slice(b"avcC");
    entry.extend_from_slice(&avcc);
    let mut whole = (entry.len() as u32 + 8).to_be_bytes().to_vec();
    whole.extend_from_slice(b"avc1");
    whole.extend_from_slice(&entry);
    whole.into()
}

fn tracks(codec: VideoCodec) -> Arc<Tracks> {
    let is_jpeg = codec == VideoCodec::Jpeg;
    let video = VideoTrack {
        codec,
        width: 64,
        height: 48,
        clock_hz: 90_000,
        sample_entry: if is_jpeg { Bytes::new() } else { sample_entry() },
        rfc6381: if is_jpeg { String::new() } else { "avc1.42C01E".to_owned() },
        declared_millihz: None,
        parameter_sets: Bytes::new(),
    };
    Arc::new(Tracks { video, audio: None })
}

/// 15 a second, a key frame each second; its bytes say which it is.
fn frame(number: u32) -> Frame {
    let mut data = vec![number as u8; 400];
    data[..4].copy_from_slice(&396u32.to_be_bytes());
    let decoded = i64::from(number) * 6_000;
    Frame { kind: Sort::Video, starts_group: number.is_multiple_of(15), decoded, shown: decoded, data: data.into() }
}

struct Recorded {
    segment: Id,
    path: PathBuf,
}

impl Home {
    async fn camera(&self, name: &str) -> Id {
        let draft = Draft {
            name: name.to_owned(),
            address: Secret::new("rtsp://192.168.1.20/secret-path".to_owned()),
            login: Some("admin".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
            enabled: false,
            ..Draft::default()
        };
        self.desk.cameras.add(&draft).await.unwrap().id
    }

    /// `seconds` of a camera from a moment on, as the recorder would have left them.
    async fn film(&self, camera: Id, started: Timestamp, seconds: u32, media: Media) -> Recorded {
        let desk = &self.desk;
        let day = domovoi_model::Date::new(2026, 11, 21).unwrap();
        let key = desk.store.cameras().day_key(camera, day).await.unwrap();
        let segment = new_segment_id(started).unwrap();
        let path = desk.settings.cameras.folder.join(naming::segment_file(camera, day, segment));
        let folder = path.parent().unwrap().to_owned();
        std::fs::create_dir_all(&folder).unwrap();
        let heading = Heading::new(media, key.id, camera.0, segment.0, started.0).unwrap();
        let codec = if media == Media::Jpeg { VideoCodec::Jpeg } else { VideoCodec::H264 };
        let init = (media == Media::Mp4).then(|| Init::new(&tracks(codec)).unwrap().bytes);
        let mut writer = SegmentWriter::create(&folder, heading, &key.key, None, init.as_deref()).unwrap();
        if media == Media::Jpeg {
            for second in 0..seconds {
                let picture = [&[0xff, 0xd8][..], &[second as u8; 40], &[0xff, 0xd9]].concat();
                writer.append(Fragment::of(&picture, u64::from(second) * 90_000, 90_000, true)).unwrap();
            }
        } else {
            let mut fragmenter = Fragmenter::new(tracks(codec), Cut::default());
            for number in 0..seconds * 15 {
                if let Some(done) = fragmenter.push(&frame(number)).unwrap() {
                    writer.append(done).unwrap();
                }
            }
            if let Some(done) = fragmenter.finish(Some(i64::from(seconds) * 90_000)).unwrap() {
                writer.append(done).unwrap();
            }
        }
        let closed = writer.close(Reason::Stopped).unwrap();
        let run = if media == Media::Jpeg { "jpeg 64x48 - - -" } else { "h264 64x48 avc1.42C01E - -" };
        let start = SegmentStart {
            id: segment,
            camera,
            key: key.id,
            day,
            started,
            place: SegmentPlace::Local,
            store: String::new(),
            run: run.to_owned(),
        };
        let finished = Finished {
            ended: Timestamp(closed.ended_ms()),
            bytes: closed.bytes,
            state: SegmentState::Done,
            tag: Some(closed.tag),
            previous: None,
            records: closed.trailer.fragments() as u32,
            frames: seconds * 15,
            reason: "stopped".to_owned(),
            trouble: String::new(),
        };
        desk.store.segments().adopt(&start, &finished).await.unwrap();
        Recorded { segment, path }
    }

    async fn bytes(&self, method: Method, uri: &str, range: Option<&str>) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let response = self.console.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        // A body that breaks off is told by its length.
        (parts.status, parts.headers, to_bytes(body, 64 << 20).await.unwrap_or_default())
    }
}

fn span(from: Timestamp, to: Timestamp) -> String {
    format!("from={from}&to={to}")
}

#[tokio::test]
async fn a_film_is_read_by_ranges_that_join_to_the_whole() {
    let home = Home::new().await;
    let camera = home.camera("Двор").await;
    let one = home.film(camera, NOON, 10, Media::Mp4).await;
    let base = format!("/api/v1/cameras/{camera}/segments/{}", one.segment);
    let index = home.console(Method::GET, &base, None).await;
    assert_eq!(index.status, StatusCode::OK, "{}", index.body);
    assert_eq!(index.body["mime"], "video/mp4; codecs=\"avc1.42C01E\"");
    let video = format!("{base}/video");
    let (status, headers, whole) = home.bytes(Method::GET, &video, None).await;
    assert_eq!((status, headers[header::CONTENT_TYPE].as_bytes()), (StatusCode::OK, &b"video/mp4"[..]));
    assert_eq!(whole.len() as u64, index.body["bytes"].as_u64().unwrap());
    assert_eq!(&whole[4..8], b"ftyp");
    let mut joined = Vec::new();
    let mut at = 0;
    while at < whole.len() {
        let range = format!("bytes={at}-{}", at + 776);
        let (status, headers, part) = home.bytes(Method::GET, &video, Some(&range)).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        let end = (at + 777).min(whole.len());
        assert_eq!(headers[header::CONTENT_RANGE], format!("bytes {at}-{}/{}", end - 1, whole.len()).as_str());
        joined.extend_from_slice(&part);
        at += 777;
    }
    assert_eq!(joined, whole);
    for fragment in index.body["fragments"].as_array().unwrap() {
        let (offset, bytes) =
            (fragment["offset"].as_u64().unwrap() as usize, fragment["bytes"].as_u64().unwrap() as usize);
        assert_eq!(&whole[offset + 4..offset + 8], b"moof", "the index says where fragments begin");
        assert!(offset + bytes <= whole.len());
    }
    let (status, headers, _) = home.bytes(Method::GET, &video, Some("bytes=99999999-")).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(headers[header::CONTENT_RANGE], format!("bytes */{}", whole.len()).as_str());
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_the_others_play() {
    let home = Home::new().await;
    let camera = home.camera("Двор").await;
    let one = home.film(camera, NOON, 10, Media::Mp4).await;
    let base = format!("/api/v1/cameras/{camera}/segments/{}", one.segment);
    let index = home.console(Method::GET, &base, None).await.body;
    let (_, _, whole) = home.bytes(Method::GET, &format!("{base}/video"), None).await;
    // A bit of the last record's middle.
    let size = std::fs::metadata(&one.path).unwrap().len();
    let file = std::fs::File::options().read(true).write(true).open(&one.path).unwrap();
    let last = index["fragments"].as_array().unwrap().last().unwrap().clone();
    let trailer = 34 + 30 + 17 * (index["fragments"].as_array().unwrap().len() as u64 + 1);
    let at = size - 8 - trailer - last["bytes"].as_u64().unwrap() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let offset = last["offset"].as_u64().unwrap();
    let range = format!("bytes={offset}-{}", offset + 10);
    let (status, headers, body) = home.bytes(Method::GET, &format!("{base}/video"), Some(&range)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with("recording-damaged"), "{problem}");
    let before = format!("bytes=0-{}", offset - 1);
    let (status, _, part) = home.bytes(Method::GET, &format!("{base}/video"), Some(&before)).await;
    assert_eq!((status, &part[..]), (StatusCode::PARTIAL_CONTENT, &whole[..offset as usize]));
}

#[tokio::test]
async fn the_line_of_time_has_its_gaps_and_a_span_is_taken_as_one_film() {
    let home = Home::new().await;
    let camera = home.camera("Двор").await;
    for (at, seconds) in [(0, 10), (10_000, 10), (60_000, 10)] {
        home.film(camera, NOON.plus_millis(at), seconds, Media::Mp4).await;
    }
    let whole = span(NOON, NOON.plus_millis(120_000));
    let line = home.console(Method::GET, &format!("/api/v1/cameras/{camera}/timeline?{whole}"), None).await;
    assert_eq!(line.status, StatusCode::OK, "{}", line.body);
    let stretches: Vec<(&str, &str)> = line.body["stretches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["from"].as_str().unwrap(), one["to"].as_str().unwrap()))
        .collect();
    let at = |ms: i64| NOON.plus_millis(ms).to_string();
    let wanted = [(at(0), at(20_000)), (at(60_000), at(70_000))];
    assert_eq!(stretches, wanted.each_ref().map(|(from, to)| (from.as_str(), to.as_str())));
    let plan = home.console(Method::GET, &format!("/api/v1/cameras/{camera}/export/plan?{whole}"), None).await.body;
    assert_eq!(plan["parts"].as_array().unwrap().len(), 1, "{plan}");
    let uri = format!("/api/v1/cameras/{camera}/export?{whole}");
    let (status, headers, film) = home.bytes(Method::GET, &uri, None).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&film));
    assert_eq!(film.len() as u64, plan["parts"][0]["bytes"].as_u64().unwrap());
    assert_eq!(headers[header::CONTENT_LENGTH], film.len().to_string().as_str());
    assert!(headers[header::CONTENT_DISPOSITION].to_str().unwrap().ends_with(".mp4\""));
    // Sealed: as long as was promised, and nothing of the film in it.
    let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    let (status, headers, sealed) = home.bytes(Method::GET, &format!("{uri}&recipients={recipient}"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_LENGTH], sealed.len().to_string().as_str());
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    assert!(!sealed.windows(4).any(|four| four == b"moof"));
    let (status, _, _) = home.bytes(Method::GET, &format!("{uri}&recipients=age1nonsense"), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let weak = json!({ "from": at(0), "to": at(20_000), "passphrase": "short" });
    let answer = home.console(Method::POST, &format!("/api/v1/cameras/{camera}/export"), Some(weak)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
    let nothing = span(NOON.plus_millis(-120_000), NOON.plus_millis(-60_000));
    let answer = home.console(Method::GET, &format!("/api/v1/cameras/{camera}/export?{nothing}"), None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pictures_of_an_archive_are_fetched_one_by_one_and_taken_as_one_file() {
    let home = Home::new().await;
    let camera = home.camera("Гараж").await;
    let one = home.film(camera, NOON, 5, Media::Jpeg).await;
    let base = format!("/api/v1/cameras/{camera}/segments/{}", one.segment);
    let index = home.console(Method::GET, &base, None).await.body;
    assert_eq!((index["mime"].as_str(), index["pictures"].as_array().map(Vec::len)), (Some("image/jpeg"), Some(5)));
    let (status, headers, picture) = home.bytes(Method::GET, &format!("{base}/pictures/3"), None).await;
    assert_eq!((status, headers[header::CONTENT_TYPE].as_bytes()), (StatusCode::OK, &b"image/jpeg"[..]));
    assert!(picture.starts_with(&[0xff, 0xd8, 3]));
    assert_eq!(home.bytes(Method::GET, &format!("{base}/pictures/5"), None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(home.bytes(Method::GET, &format!("{base}/video"), None).await.0, StatusCode::NOT_FOUND);
    let part = span(NOON.plus_millis(1_000), NOON.plus_millis(3_000));
    let (status, headers, all) =
        home.bytes(Method::GET, &format!("/api/v1/cameras/{camera}/export?{part}"), None).await;
    assert_eq!((status, headers[header::CONTENT_TYPE].as_bytes()), (StatusCode::OK, &b"video/mp4"[..]));
    let pictures: Vec<u8> =
        (0..5).filter(|second| all.windows(3).any(|three| three == [0xff, 0xd8, *second])).collect();
    assert_eq!(pictures, [1, 2], "the end is not included");
    assert!(all.windows(4).any(|four| four == b"jpeg"));
}

#[tokio::test]
async fn each_camera_has_rights_of_its_own_for_seeing_playing_and_taking() {
    let home = Home::new().await;
    let (yard, nursery) = (home.camera("Двор").await, home.camera("Детская").await);
    let one = home.film(yard, NOON, 5, Media::Mp4).await;
    let play = format!("/api/v1/cameras/{yard}/segments/{}/video", one.segment);
    let take = format!("/api/v1/cameras/{yard}/export?{}", span(NOON, NOON.plus_millis(5_000)));
    let (_, child) = home.signed_in("Петя", Role::Child).await;
    let (_, adult) = home.signed_in("Анна", Role::Adult).await;
    let status = async |who: &Browser, uri: &str| home.ask(who.get(uri), None).await.status;
    assert_eq!(status(&child, &format!("/api/v1/cameras/{yard}")).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&child, &play).await, StatusCode::FORBIDDEN);
    let list = home.ask(child.get("/api/v1/cameras"), None).await;
    assert_eq!(list.body["cameras"], json!([]), "what may not be seen is not there");
    assert_eq!(status(&adult, &format!("/api/v1/cameras/{yard}")).await, StatusCode::OK);
    assert_eq!(status(&adult, &play).await, StatusCode::OK);
    assert_eq!(status(&adult, &take).await, StatusCode::FORBIDDEN, "taking away is the owner's until it is given");
    // One camera is given to the child, to see now.
    let (id, guest) = home.signed_in("Няня", Role::Child).await;
    let grant = json!({ "effect": "allow", "verbs": ["see"], "kind": "camera", "one": nursery.to_string() });
    let given = home.console(Method::POST, &format!("/api/v1/people/{id}/grants"), Some(grant)).await;
    assert!(given.status.is_success(), "{}", given.body);
    drop(guest);
    // Other rights are another session.
    let guest = home.enter(id.parse().unwrap()).await;
    assert_eq!(status(&guest, &format!("/api/v1/cameras/{nursery}")).await, StatusCode::OK);
    assert_eq!(status(&guest, &format!("/api/v1/cameras/{yard}")).await, StatusCode::FORBIDDEN);
    let nothing = span(NOON, NOON.plus_millis(1));
    assert_eq!(status(&guest, &format!("/api/v1/cameras/{nursery}/timeline?{nothing}")).await, StatusCode::FORBIDDEN);
    // By its name it is the same camera.
    assert_eq!(status(&guest, "/api/v1/cameras/%D0%94%D0%B2%D0%BE%D1%80").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn no_answer_tells_a_password_or_a_path() {
    let home = Home::new().await;
    let camera = home.camera("Двор").await;
    for uri in ["/api/v1/cameras".to_owned(), format!("/api/v1/cameras/{camera}")] {
        let text = home.console(Method::GET, &uri, None).await.body.to_string();
        assert!(text.contains("192.168.1.20") && text.contains("admin"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("secret-path"), "{text}");
    }
    // Whoever may change it cannot have the password sent to a machine of theirs.
    let elsewhere = json!({ "address": "rtsp://192.168.1.66/" });
    let answer = home.console(Method::PATCH, &format!("/api/v1/cameras/{camera}"), Some(elsewhere)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
}

#[tokio::test]
async fn a_camera_is_changed_forgotten_and_what_is_wrong_is_named() {
    let home = Home::new().await;
    let camera = home.camera("Двор").await;
    let uri = format!("/api/v1/cameras/{camera}");
    let week = json!({ "mode": "week", "spans": [{ "days": [1, 5], "from": "22:00", "to": "06:00" }], "keep_days": 3 });
    let changed = home.console(Method::PATCH, &uri, Some(week)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let settings = &changed.body["settings"];
    assert_eq!(settings["spans"], json!([{ "days": [1, 5], "from": "22:00", "to": "06:00" }]));
    assert_eq!((settings["mode"].as_str(), settings["keep_days"].as_u64()), (Some("week"), Some(3)));
    for wrong in [
        json!({ "name": "" }),
        json!({ "mode": "sometimes" }),
        json!({ "mode": "week", "spans": [] }),
        json!({ "spans": [{ "days": [9], "from": "1:00", "to": "2:00" }] }),
        json!({ "starts": [{ "on": "ghosts" }] }),
        json!({ "quota_bytes": 5 }),
        json!({ "certificate": "AA" }),
        json!({ "room": "нет такой" }),
        json!({ "colour": "red" }),
    ] {
        let answer = home.console(Method::PATCH, &uri, Some(wrong.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {}", answer.body);
    }
    home.film(camera, NOON, 5, Media::Mp4).await;
    let kept = home.console(Method::DELETE, &uri, None).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.body);
    let former = home.console(Method::GET, &uri, None).await.body;
    assert_eq!(former["kind"], "former", "its recordings are there yet");
    let erased = home.console(Method::DELETE, &format!("{uri}?recordings=erase"), None).await;
    assert_eq!(erased.status, StatusCode::OK, "{}", erased.body);
    assert_eq!(home.console(Method::GET, &uri, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_check_says_in_a_sentence_what_is_wrong() {
    let home = Home::new().await;
    // Loopback is no camera's place unless the settings say so.
    let form = json!({ "name": "x", "address": "rtsp://127.0.0.1:1/", "login": "a", "password": "hunter2" });
    let answer = home.console(Method::POST, "/api/v1/cameras/check", Some(form.clone())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!((answer.body["ok"].as_bool(), answer.body["trouble"].as_str()), (Some(false), Some("refused-address")));
    assert!(answer.body["words"][0].as_str().unwrap().contains("127.0.0.1"));
    let added = home.console(Method::POST, "/api/v1/cameras", Some(form)).await;
    assert_eq!(added.status, StatusCode::BAD_GATEWAY, "{}", added.body);
    assert!(!added.body.to_string().contains("hunter2"));
    for bad in ["", "http://192.168.1.2/", "rtsp://"] {
        let form = json!({ "name": "x", "address": bad });
        let answer = home.console(Method::POST, "/api/v1/cameras/check", Some(form)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_live_picture_is_what_the_camera_sent_last() {
    let home = Home::new().await;
    let camera = home.camera("Двор").await;
    let live = home.desk.cameras.live(camera).unwrap();
    live.push(&Item::Begins { tracks: tracks(VideoCodec::Jpeg), started: NOON.0 });
    let picture = |bytes: &'static [u8]| {
        Item::Frame(Frame { kind: Sort::Video, starts_group: true, decoded: 0, shown: 0, data: bytes.into() })
    };
    live.push(&picture(b"\xff\xd8one\xff\xd9"));
    let uri = format!("/api/v1/cameras/{camera}/picture?live=true");
    let (status, headers, first) = home.bytes(Method::GET, &uri, None).await;
    assert_eq!((status, &first[..]), (StatusCode::OK, &b"\xff\xd8one\xff\xd9"[..]));
    let number = headers["x-domovoi-picture"].to_str().unwrap().to_owned();
    let next = format!("{uri}&after={number}");
    let waiting = home.bytes(Method::GET, &next, None);
    let (second, ()) = tokio::join!(waiting, async { live.push(&picture(b"\xff\xd8two\xff\xd9")) });
    assert_eq!(&second.2[..], b"\xff\xd8two\xff\xd9");
}
