//! A device in a network of its own that changes its address, found by real multicast, by the kernel's table and by who it
//! says it is. The device is the Python package WSDiscovery, in a network namespace of Linux.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::*;

const UUID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

struct Network {
    name: String,
    third: u32,
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Network {
    fn new() -> Network {
        let network = Network { name: format!("dvm{}", std::process::id()), third: std::process::id() % 250 };
        let Network { name, third } = &network;
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name}a type veth peer name {name}b netns {name}"));
        ip(&format!("addr add 10.214.{third}.1/24 dev {name}a"));
        ip(&format!("link set {name}a up"));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set {name}b up"));
        network
    }

    /// The device gets another address, and has no longer the one it had.
    fn give(&self, last: u8) -> IpAddr {
        let Network { name, third } = self;
        ip(&format!("-n {name} -4 addr flush dev {name}b"));
        ip(&format!("-n {name} addr add 10.214.{third}.{last}/24 dev {name}b"));
        ip(&format!("-n {name} route replace 224.0.0.0/4 dev {name}b"));
        self.at(last)
    }

    fn at(&self, last: u8) -> IpAddr {
        format!("10.214.{}.{last}", self.third).parse().unwrap()
    }

    fn mac(&self) -> [u8; 6] {
        let words = ["-n", &self.name, "-br", "link", "show", &format!("{}b", self.name)];
        let told = Command::new("ip").args(words).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        network::mac(told.split_whitespace().nth(2).unwrap()).unwrap()
    }

    fn device(&self, uuid: &str, ip: IpAddr) -> Device {
        let peers = PathBuf::from(std::env::var_os("DOMOVOI_PEERS").expect("DOMOVOI_PEERS names a folder"));
        let mut process = Command::new("ip")
            .args(["netns", "exec", &self.name])
            .arg(peers.join("python/bin/python"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers/discovered.py"))
            .args([uuid, &ip.to_string(), "554"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Its watch over the machine's addresses fails where an interface has none.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "READY", "pip install WSDiscovery into $DOMOVOI_PEERS/python");
        Device(process)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &format!("{}a", self.name)]).status();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

struct Device(Child);

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs root, ip and WSDiscovery (pip install WSDiscovery) in DOMOVOI_PEERS/python"]
async fn a_device_of_others_is_discovered_and_found_again() {
    let network = Network::new();
    let first = network.give(20);
    let device = network.device(UUID, first);
    let everywhere = Search { within: Duration::from_secs(2), ..Search::default() };
    let found = loop {
        let found = search(&everywhere).await.unwrap();
        if let Some(found) = found.into_iter().find(|found| found.endpoint.contains(UUID)) {
            break found;
        }
    };
    assert_eq!((found.from, found.name.as_deref()), (first, Some("Gate")));
    assert_eq!(found.services[0].host_str(), Some(first.to_string().as_str()));
    let seeking = Seeking::new(Policy::default(), Arc::new(|| 1_795_368_434_000));
    let stream = Address::parse(&format!("rtsp://{first}/a")).unwrap().0;
    let known = Known {
        stream: stream.clone(),
        trust: Trust::Unknown,
        host_name: None,
        mac: Some(network.mac()),
        endpoint: Some(found.endpoint.clone()),
    };
    let until = async |known: &Known, seeking: &Seeking, wanted: Outcome| {
        loop {
            let outcome = find(known, seeking).await;
            match outcome {
                Outcome::Unseen => {}
                outcome => break assert_eq!(outcome, wanted),
            }
        }
    };
    until(&known, &seeking, Outcome::Unmoved).await;
    drop(device);
    let second = network.give(77);
    let device = network.device(UUID, second);
    let service = url::Url::parse(&format!("http://{second}:8000/onvif/device_service")).ok();
    let moved = |proof, service| Outcome::Moved { to: second, proof, service };
    until(&known, &seeking, moved(Proof::EndpointAndMac, service.clone())).await;
    // Without ONVIF: each neighbour is called up, and the kernel tells which one it is.
    drop(device);
    let third = network.give(99);
    let device = network.device("00000000-5717-4562-b3fc-2c963f66afa6", third);
    let by_mac = Known { endpoint: None, ..known.clone() };
    let Outcome::Moved { to, proof, .. } = find(&by_mac, &seeking).await else { panic!("it is there") };
    assert_eq!((to, proof), (third, Proof::Mac));
    assert_eq!(hardware_address(third), known.mac);
    // It calls itself something else now: somebody has to say whether it is the same one.
    until(&known, &seeking, Outcome::Doubtful { at: vec![third] }).await;
    drop(device);
}
