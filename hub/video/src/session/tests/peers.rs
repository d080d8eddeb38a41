//! Sessions with gst-rtsp-server, which nobody here wrote (`tests/peers/camera.py`), and with what ffprobe makes of them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rcgen::{CertificateParams, KeyPair};
use tokio::sync::watch;

use super::*;
use crate::check::{Group, Playable, check};
use crate::frame::{AudioCodec, Kind, VideoCodec};
use crate::picture::Darkroom;
use crate::trust::Trust;

pub(super) struct Camera {
    program: Child,
    pub(super) url: String,
}

impl Camera {
    pub(super) fn start(settings: &[&str]) -> Camera {
        Camera::start_by(Command::new("/usr/bin/python3"), settings)
    }

    /// `python` may be a command that starts it elsewhere.
    pub(super) fn start_by(mut python: Command, settings: &[&str]) -> Camera {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers/camera.py");
        let mut program =
            python.arg(script).args(settings).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("the camera does not start").unwrap();
        Camera { program, url: ready.strip_prefix("READY ").unwrap().to_owned() }
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.program.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn port(&self) -> String {
        options(&self.url).address.port.to_string()
    }

    pub(super) fn at(&self) -> std::net::SocketAddr {
        format!("127.0.0.1:{}", self.port()).parse().unwrap()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Frames of one run are in order, and there is one run.
fn is_sound(items: &[Item]) -> bool {
    let mut last = -1;
    frames(items).all(|frame| {
        let good = frame.decoded > last && frame.shown >= frame.decoded;
        last = frame.decoded;
        good
    }) && runs(items) == 1
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server"]
async fn codecs_of_a_real_server() {
    for (settings, codec, audio) in [
        (&["--audio", "aac"][..], VideoCodec::H264, Some(AudioCodec::Aac)),
        (&["--audio", "pcma", "--b-frames", "2"], VideoCodec::H264, Some(AudioCodec::Pcma)),
        (&["--audio", "opus"], VideoCodec::H264, None),
        (&["--video", "h265", "--audio", "pcmu"], VideoCodec::H265, Some(AudioCodec::Pcmu)),
        (&["--video", "h265", "--open-groups", "--b-frames", "3"], VideoCodec::H265, None),
        (&["--video", "jpeg", "--audio", "aac"], VideoCodec::Jpeg, Some(AudioCodec::Aac)),
    ] {
        let camera = Camera::start(settings);
        let mut session = Session::open(options(&camera.url)).await.unwrap();
        let items = items(&mut session, 50).await;
        let Item::Begins { tracks, .. } = &items[0] else { panic!("{settings:?}: {:?}", items[0]) };
        assert_eq!((tracks.video.codec, tracks.video.width, tracks.video.height), (codec, 320, 240), "{settings:?}");
        assert_eq!(tracks.audio.as_ref().map(|audio| audio.codec), audio, "{settings:?}");
        assert!(is_sound(&items), "{settings:?}: {items:?}");
        let groups = frames(&items).filter(|frame| frame.starts_group).count();
        assert!(if codec == VideoCodec::Jpeg { groups == 50 } else { (3..=5).contains(&groups) }, "{settings:?}");
        let heard = items.iter().any(|item| matches!(item, Item::Frame(frame) if frame.kind == Kind::Audio));
        assert_eq!(heard, audio.is_some(), "{settings:?}");
        session.close().await;
    }
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server"]
async fn logins_and_transports_of_a_real_server() {
    for (basic, transport) in [(&[][..], Transport::Tcp), (&[], Transport::Udp), (&["--basic"], Transport::Tcp)] {
        let camera = Camera::start(&[&["--login", "admin:p@ss wörd"][..], basic].concat());
        let with = |login| Options { login, transport, ..options(&camera.url) };
        let mut session = Session::open(with(login("admin", "p@ss wörd"))).await.unwrap();
        assert!(is_sound(&items(&mut session, 20).await));
        session.close().await;
        assert_eq!(trouble_of(with(login("admin", "wrong"))).await, Trouble::Unauthorized { given: true });
        assert_eq!(trouble_of(with(None)).await, Trouble::Unauthorized { given: false });
        let elsewhere = camera.url.replace("/live", "/elsewhere");
        let lost = Options { login: login("admin", "p@ss wörd"), ..options(&elsewhere) };
        assert_eq!(trouble_of(lost).await, Trouble::NotFound);
    }
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server"]
async fn rtsps_of_a_real_server_by_its_fingerprint() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec!["camera".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity.pem");
    std::fs::write(&file, [certificate.pem(), key.serialize_pem()].concat()).unwrap();
    let camera = Camera::start(&["--identity", file.to_str().unwrap(), "--login", "admin:s3cret"]);
    let with = Options { login: login("admin", "s3cret"), ..options(&camera.url) };
    let Trouble::CertificateUnknown { found } = trouble_of(with.clone()).await else { panic!() };
    let pinned = Options { trust: Trust::Pinned(found.fingerprint), ..with };
    let mut session = Session::open(pinned).await.unwrap();
    assert!(is_sound(&items(&mut session, 30).await));
    session.close().await;
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server"]
async fn the_one_place_of_a_camera_is_given_back_at_once() {
    let camera = Camera::start(&["--viewers", "1"]);
    let options = options(&camera.url);
    for _ in 0..4 {
        let mut session = Session::open(options.clone()).await.unwrap();
        items(&mut session, 3).await;
        let second = Options { visits: Visits::default(), ..options.clone() };
        assert_eq!(trouble_of(second).await, Trouble::Busy { status: 503 });
        session.close().await;
    }
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server"]
async fn a_camera_that_drops_its_viewers_or_restarts_is_back() {
    let mut camera = Some(Camera::start(&[]));
    let (url, port) = camera.as_ref().map(|camera| (camera.url.clone(), camera.port())).unwrap();
    let (feed, mut reader) = feed(8 << 20);
    let (status, mut told) = watch::channel(Status::starting());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(supervise(options(&url), feed, status, stopped));
    for round in 0..3 {
        told.wait_for(|status| matches!(status.state, State::Online { .. })).await.unwrap();
        while !matches!(reader.next().await, Some(Item::Begins { .. })) {}
        let drops = round == 0;
        if drops {
            camera.as_ref().unwrap().signal("-USR1");
        } else {
            camera = None;
        }
        told.wait_for(|status| matches!(status.state, State::Offline { .. })).await.unwrap();
        if !drops {
            camera = Some(Camera::start(&["--port", &port]));
        }
    }
    told.wait_for(|status| matches!(status.state, State::Online { .. })).await.unwrap();
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server"]
async fn a_check_tells_what_a_real_server_sends() {
    let darkroom = Darkroom::default();
    for (settings, profile, playable) in [
        (&["--fps", "10", "--group", "20", "--audio", "aac"][..], "Constrained Baseline", Playable::Everywhere),
        (&["--video", "h265", "--fps", "10", "--group", "20"], "Main", Playable::WithDecoder),
        (&["--video", "jpeg", "--fps", "10", "--audio", "opus"], "", Playable::AsPictures),
    ] {
        let camera = Camera::start(settings);
        let begun = Instant::now();
        let report = check(options(&camera.url), &darkroom).await.unwrap();
        println!("{settings:?}: {:?}, {report:?}", begun.elapsed());
        assert_eq!((report.profile.as_str(), report.playable), (profile, playable), "{settings:?}");
        assert!(report.millihz.unwrap().abs_diff(10_000) < 500, "{report:?}");
        assert!(report.bits_per_second.unwrap() > 10_000 && report.trouble.is_none());
        let group = if playable == Playable::AsPictures { 100 } else { 2_000 };
        assert!(matches!(report.group, Group::Seen(ms) if (ms - group).abs() < 150), "{:?}", report.group);
        assert!(!report.group.is_long());
        assert!(report.clock_offset_ms.is_some(), "{settings:?}");
        let picture = report.picture.unwrap();
        assert_eq!((picture.width, picture.height), (320, 240));
        assert_eq!(report.audio.is_some(), settings.contains(&"aac"));
        assert_eq!(report.left_out.contains(&"audio/opus".to_owned()), settings.contains(&"opus"));
    }
}
