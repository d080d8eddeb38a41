//! A camera in a network of its own: not on loopback, with a cable that can be pulled, and without power. What a person
//! with a real one would do, in network namespaces of Linux.

use std::process::Command;
use std::sync::atomic::AtomicU32;

use tokio::sync::watch;

use super::peers::Camera;
use super::recorded::Recording;
use super::*;

/// From the moment that the camera listens again to its first picture.
const BACK_WITHIN: Duration = Duration::from_secs(5);

static NETWORKS: AtomicU32 = AtomicU32::new(0);

struct Network {
    name: String,
    number: u32,
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Network {
    fn new() -> Network {
        let number = NETWORKS.fetch_add(1, Ordering::SeqCst) % 60;
        let network = Network { name: format!("dv{}n{number}", std::process::id()), number };
        let name = &network.name;
        let third = std::process::id() % 250;
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name}a type veth peer name {name}b netns {name}"));
        ip(&format!("addr add 10.213.{third}.{}/30 dev {name}a", number * 4 + 1));
        ip(&format!("addr add fd00:d0:{third}:{number}::1/64 dev {name}a nodad"));
        ip(&format!("link set {name}a up"));
        ip(&format!("-n {name} addr add {}/30 dev {name}b", network.camera()));
        ip(&format!("-n {name} addr add {}/64 dev {name}b nodad", network.camera_v6()));
        network.plug(true);
        network
    }

    fn camera(&self) -> String {
        format!("10.213.{}.{}", std::process::id() % 250, self.number * 4 + 2)
    }

    fn camera_v6(&self) -> String {
        format!("fd00:d0:{}:{}::2", std::process::id() % 250, self.number)
    }

    /// The cable of the camera.
    fn plug(&self, is_in: bool) {
        ip(&format!("-n {0} link set {0}b {1}", self.name, if is_in { "up" } else { "down" }));
    }

    fn start(&self, host: &str, settings: &[&str]) -> Camera {
        let mut python = Command::new("ip");
        python.args(["netns", "exec", &self.name, "/usr/bin/python3"]);
        Camera::start_by(python, &[&["--host", host][..], settings].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &format!("{}a", self.name)]).status();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

/// As in the house: loopback is no camera's address.
fn from_outside(url: &str) -> Options {
    Options { policy: Policy::default(), ..options(url) }
}

#[tokio::test]
#[ignore = "needs root, ip, gst-rtsp-server and ffmpeg"]
async fn cameras_of_another_machine_are_recorded_whole() {
    let network = Network::new();
    for (host, transport, settings) in [
        (network.camera(), Transport::Tcp, &["--audio", "aac"][..]),
        (network.camera(), Transport::Udp, &["--audio", "pcma"]),
        (network.camera_v6(), Transport::Tcp, &["--video", "h265", "--open-groups"]),
        (network.camera_v6(), Transport::Udp, &["--video", "jpeg"]),
    ] {
        let camera = network.start(&host, settings);
        let options = Options { transport, ..from_outside(&camera.url) };
        let mut session = Session::open(options).await.unwrap();
        let mut recording = Recording::begin(2_500);
        while recording.pictures < 60 {
            recording.item(&session.next().await.unwrap());
        }
        session.close().await;
        let runs = recording.runs.clone();
        assert!(matches!(runs[..], [(60, ms)] if (ms - 59_000 / 15).abs() < 300), "{host} {settings:?}: {runs:?}");
        assert_eq!(recording.judged().pictures, 60, "{host} {settings:?}");
    }
}

#[tokio::test]
#[ignore = "needs root, ip and gst-rtsp-server"]
async fn a_camera_that_was_away_is_back_within_five_seconds() {
    let network = Network::new();
    let mut camera = Some(network.start(&network.camera(), &[]));
    let (url, port) = camera.as_ref().map(|camera| (camera.url.clone(), camera.port())).unwrap();
    for transport in [Transport::Tcp, Transport::Udp] {
        let (feed, mut reader) = feed(8 << 20);
        let (status, mut told) = watch::channel(Status::starting());
        let (stop, stopped) = watch::channel(false);
        let options = Options { transport, ..from_outside(&url) };
        let running = tokio::spawn(supervise(options, feed, status, stopped));
        while !matches!(reader.next().await, Some(Item::Begins { .. })) {}
        // Restarted; without power for a while, its kernel silent; without power for so short that nobody noticed.
        for (pulled, away) in [(false, 1), (true, 25), (false, 12), (true, 6)] {
            if pulled {
                network.plug(false);
            }
            drop(camera.take());
            // What the world does to it takes its time; the hub is not waited for.
            tokio::time::sleep(Duration::from_secs(away)).await;
            network.plug(true);
            camera = Some(network.start(&network.camera(), &["--port", &port]));
            let listens = Instant::now();
            while !matches!(reader.next().await, Some(Item::Begins { .. })) {}
            let back = listens.elapsed();
            println!("{transport:?}, pulled {pulled}, away for {away} s: back after {back:?}");
            assert!(back < BACK_WITHIN, "{transport:?}, pulled {pulled}, away for {away} s: {back:?}");
        }
        told.wait_for(|status| matches!(status.state, State::Online { .. })).await.unwrap();
        stop.send(true).unwrap();
        running.await.unwrap();
    }
    drop(camera);
}
