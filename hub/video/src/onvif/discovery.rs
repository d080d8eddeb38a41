//! Which cameras are in the network: a Probe on each interface, by IPv4 and IPv6, and who answers within the time. Answers
//! are datagrams of anybody: their sizes, numbers and addresses are bounded, one device is told once, and an address that
//! the house would not connect to is left out.
//! Deliberately passive afterwards: nobody who was found is connected to here, and nothing listens for announcements.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::message::{Match, Wanted, literal, matches, message_id, probe};
use crate::address::Policy;
use crate::network::{self, Road};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const GROUP_6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xc);
const PORT: u16 = 3702;

/// What a home has not; beyond it nobody is listened to.
const MOST_DEVICES: usize = 256;
const MOST_ANSWERS: usize = 4096;
/// Of one host: it is asked two questions twice, on perhaps two interfaces, and may stand for a few cameras.
const ANSWERS_OF_ONE: u32 = 32;
/// Larger ones are not looked at. A datagram beyond one frame is rare; gSOAP's seventy namespaces make 4 KiB.
const LARGEST_ANSWER: usize = 16 * 1024;
const MOST_SERVICES: usize = 8;
/// Datagrams get lost: each question is asked again after so long (SOAP over UDP has 50 to 250 ms).
const AGAIN: Duration = Duration::from_millis(200);

/// Whether the network is asked, or only who is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multicast {
    #[default]
    EachInterface,
    Nowhere,
}

/// How to search.
#[derive(Clone, Debug)]
pub struct Search {
    pub policy: Policy,
    /// Cameras wait up to half a second before they answer (`APP_MAX_DELAY`), Wi-Fi longer.
    pub within: Duration,
    pub multicast: Multicast,
    /// Hosts that are asked directly too: where one was known, or in another network. At most 512.
    pub also: Vec<SocketAddr>,
}

impl Default for Search {
    fn default() -> Search {
        Search {
            policy: Policy::default(),
            within: Duration::from_secs(3),
            multicast: Multicast::default(),
            also: Vec::new(),
        }
    }
}

impl Search {
    /// A host to be asked directly, at the port of WS-Discovery.
    pub fn also_at(mut self, ip: IpAddr) -> Search {
        self.also.push(SocketAddr::new(ip, PORT));
        self
    }
}

/// A device that answered. All of it is its own claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it calls itself for ever (`urn:uuid:…`).
    pub endpoint: String,
    /// From where it answered.
    pub from: IpAddr,
    /// Device services, the best first; at literal addresses to which the house may connect.
    pub services: Vec<Url>,
    pub name: Option<String>,
    pub hardware: Option<String>,
    pub location: Option<String>,
    pub mac: Option<[u8; 6]>,
}

/// Searches once. No interface at all is an error; that nobody answers is not.
pub async fn search(search: &Search) -> io::Result<Vec<Found>> {
    let until = Instant::now() + search.within;
    let mut ids = Vec::new();
    let mut questions = Vec::new();
    for wanted in [Wanted::Transmitter, Wanted::Device] {
        let id = message_id(domovoi_vault::random().map_err(io::Error::other)?);
        questions.push(probe(wanted, &id));
        ids.push(id);
    }
    let roads = roads(search);
    if roads.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, "there is no network to search in"));
    }
    let questions = Arc::new(questions);
    let (answers, mut heard) = mpsc::channel::<(SocketAddr, Vec<u8>)>(64);
    let mut asking = tokio::task::JoinSet::new();
    for (socket, to) in roads {
        asking.spawn(ask(socket, to, Arc::clone(&questions), answers.clone(), until));
    }
    drop(answers);
    let mut gathered = Gathered::default();
    while let Ok(Some((from, bytes))) = timeout_at(until, heard.recv()).await {
        gathered.take(from, &bytes, &ids, &search.policy);
        if gathered.is_full() {
            break;
        }
    }
    Ok(gathered.found)
}

/// Asks twice and hands on what comes back, until the time is over.
async fn ask(
    socket: UdpSocket,
    to: Vec<SocketAddr>,
    questions: Arc<Vec<String>>,
    answers: mpsc::Sender<(SocketAddr, Vec<u8>)>,
    until: Instant,
) {
    let mut buffer = vec![0; LARGEST_ANSWER + 1];
    for time in 0..2 {
        for question in questions.iter() {
            for to in &to {
                // One that is not to be reached is only silent.
                let _ = socket.send_to(question.as_bytes(), to).await;
            }
        }
        let listened = if time == 0 { until.min(Instant::now() + AGAIN) } else { until };
        loop {
            match timeout_at(listened, socket.recv_from(&mut buffer)).await {
                Err(_) => break,
                Ok(Ok((length, from))) if length <= LARGEST_ANSWER => {
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    if answers.send((from, bytes)).await.is_err() {
                        return;
                    }
                }
                Ok(Ok(_)) => {}
                // The report of a host where nothing listens (ECONNREFUSED) says nothing about the others.
                Ok(Err(_)) => tokio::task::yield_now().await,
            }
        }
    }
}

#[derive(Default)]
struct Gathered {
    found: Vec<Found>,
    answers: usize,
    of_one: HashMap<IpAddr, u32>,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.answers >= MOST_ANSWERS || self.found.len() >= MOST_DEVICES
    }

    fn take(&mut self, from: SocketAddr, bytes: &[u8], ids: &[String], policy: &Policy) {
        self.answers += 1;
        let of_one = self.of_one.entry(from.ip()).or_default();
        *of_one += 1;
        if *of_one > ANSWERS_OF_ONE {
            return;
        }
        for answered in matches(bytes, ids).unwrap_or_default() {
            let Some(new) = found(from.ip(), answered, policy) else { continue };
            let room = self.found.len() < MOST_DEVICES;
            match self.found.iter_mut().find(|known| known.endpoint == new.endpoint) {
                Some(known) => known.join(new),
                None if room => self.found.push(new),
                None => {}
            }
        }
    }
}

impl Found {
    /// The same device by another interface, or a second claim to its name: who looks for a camera again verifies each.
    fn join(&mut self, other: Found) {
        for service in other.services {
            if self.services.len() < MOST_SERVICES && !self.services.contains(&service) {
                self.services.push(service);
            }
        }
        self.name = self.name.take().or(other.name);
        self.hardware = self.hardware.take().or(other.hardware);
        self.location = self.location.take().or(other.location);
        self.mac = self.mac.or(other.mac);
    }

    /// Where it may be.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for ip in self.services.iter().filter_map(literal) {
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        addresses
    }
}

/// What of an answer is to be told. The service at the very address that answered comes first. A camera whose services are
/// all elsewhere (one from the factory gives 192.168.1.10, though DHCP has given it another) is looked for where it
/// answered.
fn found(from: IpAddr, answered: Match, policy: &Policy) -> Option<Found> {
    let from = from.to_canonical();
    let allowed = |url: &Url| {
        let port = url.port_or_known_default().unwrap_or(80);
        literal(url).is_some_and(|ip| port != 0 && policy.check(SocketAddr::new(ip, port)).is_ok())
    };
    let same = |url: &Url| literal(url).is_some_and(|ip| ip.to_canonical() == from);
    let mut services: Vec<Url> = Vec::new();
    if !answered.services.iter().any(same)
        && let Some(mut here) = answered.services.first().cloned()
        && here.set_ip_host(from).is_ok()
    {
        services.push(here);
    }
    services.extend(answered.services.iter().filter(|url| same(url)).cloned());
    services.extend(answered.services.iter().filter(|url| !same(url)).cloned());
    services.retain(allowed);
    services.truncate(MOST_SERVICES);
    let Match { endpoint, name, hardware, location, mac, .. } = answered;
    (!services.is_empty()).then_some(Found { endpoint, from, services, name, hardware, location, mac })
}

/// Sockets, and where to each is to ask.
fn roads(search: &Search) -> Vec<Road> {
    let mut roads = match search.multicast {
        Multicast::EachInterface => network::each_interface(GROUP, GROUP_6, PORT, search.policy.loopback),
        Multicast::Nowhere => Vec::new(),
    };
    let allowed = |to: &&SocketAddr| search.policy.check(**to).is_ok();
    roads.extend(network::direct(search.also.iter().take(512).filter(allowed).copied()));
    roads
}

#[cfg(test)]
mod tests {
    use super::super::message::probe_matches;
    use super::*;

    fn gather(policy: &Policy, answers: &[(&str, String)]) -> Vec<Found> {
        let mut gathered = Gathered::default();
        for (from, answer) in answers {
            gathered.take(SocketAddr::new(from.parse().unwrap(), 3702), answer.as_bytes(), &["x".to_owned()], policy);
        }
        gathered.found
    }

    #[test]
    fn a_device_is_told_once_and_first_where_it_answered() {
        let answer = |addresses: &str| probe_matches("x", "urn:uuid:1", addresses, "onvif://www.onvif.org/name/Door");
        let both = answer("http://[fd00::5]/onvif http://192.168.1.20/onvif");
        let told = gather(&Policy::default(), &[("192.168.1.20", both.clone()), ("192.168.1.20", both)]);
        let [one] = &told[..] else { panic!("{told:?}") };
        assert_eq!(one.services[0].as_str(), "http://192.168.1.20/onvif");
        assert_eq!(one.addresses().len(), 2);
        assert_eq!(one.name.as_deref(), Some("Door"));
        let factory = gather(&Policy::default(), &[("10.0.0.7", answer("http://192.168.1.10:8080/onvif"))]);
        assert_eq!(factory[0].services[0].as_str(), "http://10.0.0.7:8080/onvif");
        assert_eq!(factory[0].services[1].as_str(), "http://192.168.1.10:8080/onvif");
    }

    #[test]
    fn nobody_is_sent_where_the_house_would_not_go() {
        let answer = |addresses: &str| probe_matches("x", "urn:uuid:1", addresses, "");
        let to_us = answer("http://127.0.0.1:8443/api http://169.254.169.254/latest http://[::1]/ http://0.0.0.0/");
        let told = gather(&Policy::default(), &[("192.168.1.66", to_us)]);
        assert_eq!(told[0].addresses(), ["192.168.1.66".parse::<IpAddr>().unwrap()]);
        let own = Policy { own: vec!["192.168.1.5:8443".parse().unwrap()], ..Policy::default() };
        let told = gather(&own, &[("192.168.1.5", answer("http://192.168.1.5:8443/api"))]);
        assert_eq!(told, []);
        assert_eq!(gather(&Policy::default(), &[("192.168.1.66", answer("http://name.evil/"))]), []);
        assert_eq!(gather(&Policy::default(), &[("fe80::1", answer("http://[fe80::1]/onvif"))]), []);
    }

    #[test]
    fn one_host_cannot_fill_the_list() {
        let mut gathered = Gathered::default();
        for number in 0..10_000 {
            let answer = probe_matches("x", &format!("urn:{number}"), "http://10.0.0.1/", "");
            gathered.take("10.0.0.1:9".parse().unwrap(), answer.as_bytes(), &["x".to_owned()], &Policy::default());
        }
        assert_eq!(gathered.found.len(), 32);
        assert!(gathered.is_full());
    }
}
