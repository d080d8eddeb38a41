//! Finding a camera again whose address has changed: by its name, by ONVIF, by its hardware address in the kernel's table
//! of neighbours; and making sure that it is the same one before its name and password are ever sent there (`decide`).
//! Nothing is said to who is found but a TLS handshake and a question that holds no secret.
//! Deliberately no memory and no schedule: when to look, and what becomes of the answer, the hub decides.

mod decide;
mod mdns;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use decide::{Outcome, Proof, Shown, Sighting, decide};

use crate::address::{Address, Policy, resolved};
use crate::network;
use crate::onvif::{Found, Multicast, Search, search};
use crate::session::WallClock;
use crate::trust::{Judge, Trust};

/// Hosts that are looked at closely.
const MOST_CANDIDATES: usize = 16;
/// Neighbours that are called up: four networks of a home.
const MOST_NEIGHBOURS: usize = 1024;
/// The kernel keeps at least so many neighbours without forgetting others (gc_thresh1).
const CALLED_AT_ONCE: usize = 64;

/// What is known of a camera.
#[derive(Clone, Debug)]
pub struct Known {
    /// The stream as it is in use.
    pub stream: Address,
    pub trust: Trust,
    /// The name it gives itself in the network.
    pub host_name: Option<String>,
    pub mac: Option<[u8; 6]>,
    /// Its ONVIF endpoint reference.
    pub endpoint: Option<String>,
}

/// Where and how to look.
#[derive(Clone)]
pub struct Seeking {
    pub policy: Policy,
    /// Whether the network may be asked; otherwise only names are looked up and known neighbours looked at.
    pub network: Multicast,
    /// Each of three steps.
    pub within: Duration,
    /// Milliseconds since 1970, for the dates of certificates.
    pub wall: WallClock,
    /// Hosts that are asked directly too.
    pub also: Vec<SocketAddr>,
}

impl Seeking {
    pub fn new(policy: Policy, wall: WallClock) -> Seeking {
        Seeking { policy, network: Multicast::EachInterface, within: Duration::from_secs(3), wall, also: Vec::new() }
    }
}

/// The hardware address of a host of this network with which there has been a connection: to be kept when a camera is
/// added, so that it can be found again.
pub fn hardware_address(ip: IpAddr) -> Option<[u8; 6]> {
    let listed = std::fs::read_to_string(network::ARP).unwrap_or_default();
    network::hardware_of(ip, &network::neighbours(&listed))
}

/// Looks for a camera.
pub async fn find(known: &Known, seeking: &Seeking) -> Outcome {
    let place = |ip| SocketAddr::new(ip, known.stream.port);
    let was: Vec<IpAddr> = resolved(&known.stream.host(), known.stream.port, &seeking.policy, seeking.within)
        .await
        .map(|found| found.iter().map(SocketAddr::ip).collect())
        .unwrap_or_default();
    let asked = Search {
        policy: seeking.policy.clone(),
        within: seeking.within,
        multicast: seeking.network,
        also: seeking.also.clone(),
    };
    let (named, discovered) = tokio::join!(named(known, seeking), search(&asked));
    let discovered = discovered.unwrap_or_default();
    let is_it = |found: &&Found| {
        known.endpoint.as_deref().is_some_and(|known| decide::same_endpoint(known, &found.endpoint))
            || known.mac.is_some() && known.mac == found.mac
    };
    let mut candidates: Vec<IpAddr> = Vec::new();
    candidates.extend(discovered.iter().filter(is_it).flat_map(Found::addresses));
    candidates.extend(&named);
    candidates.extend(known.mac.into_iter().flat_map(neighbours_of));
    if candidates.iter().all(|ip| was.contains(ip)) && known.mac.is_some() {
        if seeking.network == Multicast::EachInterface {
            call_up(&seeking.policy, seeking.within).await;
        }
        candidates.extend(known.mac.into_iter().flat_map(neighbours_of));
    }
    // Also where it was: perhaps it is back.
    candidates.extend(&was);
    let mut unique: Vec<IpAddr> = Vec::new();
    for ip in candidates {
        let ip = ip.to_canonical();
        if unique.len() < MOST_CANDIDATES && !unique.contains(&ip) && seeking.policy.check(place(ip)).is_ok() {
            unique.push(ip);
        }
    }
    let seen = look_closely(known, seeking, &unique, &named, &discovered).await;
    decide(known, &was, &seen)
}

/// Where the camera's names lead.
async fn named(known: &Known, seeking: &Seeking) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let stream = Some(known.stream.host()).filter(|host| host.parse::<IpAddr>().is_err());
    for name in known.host_name.iter().chain(&stream) {
        let port = known.stream.port;
        if let Ok(addresses) = resolved(name, port, &seeking.policy, seeking.within).await {
            found.extend(addresses.iter().map(SocketAddr::ip));
        }
        let local = match name.trim_end_matches('.') {
            bare if !bare.contains('.') => Some(format!("{bare}.local")),
            dotted => dotted.to_ascii_lowercase().ends_with(".local").then(|| dotted.to_owned()),
        };
        if let Some(local) = local.filter(|_| found.is_empty() && seeking.network == Multicast::EachInterface) {
            found.extend(mdns::ask(&local, seeking.within, seeking.policy.loopback).await);
        }
    }
    found
}

fn neighbours_of(mac: [u8; 6]) -> Vec<IpAddr> {
    let listed = std::fs::read_to_string(network::ARP).unwrap_or_default();
    network::neighbours(&listed).into_iter().filter(|(_, known)| *known == mac).map(|(ip, _)| ip.into()).collect()
}

/// A datagram to nobody's port (9, discard) of each host around, so that the kernel asks each for its hardware address.
async fn call_up(policy: &Policy, within: Duration) {
    let until = Instant::now() + within;
    let listed = std::fs::read_to_string(network::ROUTE).unwrap_or_default();
    let hosts: Vec<Ipv4Addr> = network::hosts_around(&listed, MOST_NEIGHBOURS);
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await else { return };
    for some in hosts.chunks(CALLED_AT_ONCE) {
        for ip in some {
            let to = SocketAddr::from((*ip, 9));
            if policy.check(to).is_ok() {
                let _ = socket.send_to(&[], to).await;
            }
        }
        // An answer takes some milliseconds, of a camera on Wi-Fi that sleeps some hundred.
        sleep(Duration::from_millis(50)).await;
        if Instant::now() >= until {
            return;
        }
    }
    sleep(Duration::from_millis(500).min(until.saturating_duration_since(Instant::now()))).await;
}

/// Connects to each candidate, looks at its certificate, and asks it by name.
async fn look_closely(
    known: &Known,
    seeking: &Seeking,
    candidates: &[IpAddr],
    named: &[IpAddr],
    discovered: &[Found],
) -> Vec<Sighting> {
    let mut knocking = tokio::task::JoinSet::new();
    for (order, ip) in candidates.iter().enumerate() {
        let (known, wall, ip, within) = (known.clone(), Arc::clone(&seeking.wall), *ip, seeking.within);
        knocking.spawn(async move { (order, knock(&known, ip, wall, within).await) });
    }
    // Who has not answered the search may answer when it is asked by itself.
    let silent = candidates.iter().filter(|ip| !discovered.iter().any(|found| found.addresses().contains(ip)));
    let asked = Search {
        policy: seeking.policy.clone(),
        within: seeking.within.min(Duration::from_secs(1)),
        multicast: Multicast::Nowhere,
        also: Vec::new(),
    };
    let asked = silent.fold(asked, |asked, ip| asked.also_at(*ip));
    let answered = if asked.also.is_empty() { Vec::new() } else { search(&asked).await.unwrap_or_default() };
    let mut knocked: Vec<Option<(bool, Shown)>> = vec![None; candidates.len()];
    while let Some(done) = knocking.join_next().await {
        if let Ok((order, found)) = done
            && let Some(slot) = knocked.get_mut(order)
        {
            *slot = Some(found);
        }
    }
    // After the knocking, since it is what makes the kernel know them.
    let neighbours = network::neighbours(&std::fs::read_to_string(network::ARP).unwrap_or_default());
    let sighting = |(ip, knocked): (&IpAddr, Option<(bool, Shown)>)| {
        let (serves, certificate) = knocked.unwrap_or_default();
        let at = |found: &&Found| found.addresses().iter().any(|at| at.to_canonical() == *ip);
        // The camera's own name first: of one address that answers for several devices.
        let of_it = |found: &&Found| {
            known.endpoint.as_deref().is_some_and(|known| decide::same_endpoint(known, &found.endpoint))
        };
        let all = || discovered.iter().chain(&answered).filter(at);
        let found = all().find(of_it).or_else(|| all().next());
        let service = found.and_then(|found| found.services.iter().find(|url| is_at(url, *ip)).cloned());
        Sighting {
            ip: *ip,
            serves,
            certificate,
            endpoint: found.map(|found| found.endpoint.clone()),
            // What the kernel knows before what a datagram says.
            mac: network::hardware_of(*ip, &neighbours).or(found.and_then(|found| found.mac)),
            named: named.iter().any(|named| named.to_canonical() == *ip),
            service,
        }
    };
    candidates.iter().zip(knocked).map(sighting).collect()
}

fn is_at(url: &url::Url, ip: IpAddr) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(at)) => IpAddr::V4(at) == ip,
        Some(url::Host::Ipv6(at)) => IpAddr::V6(at).to_canonical() == ip,
        _ => false,
    }
}

/// Whether the stream's port takes a connection, and with TLS whose certificate is there. Not a byte of RTSP is sent.
async fn knock(known: &Known, ip: IpAddr, wall: WallClock, within: Duration) -> (bool, Shown) {
    let until = Instant::now() + within;
    let at = SocketAddr::new(ip, known.stream.port);
    let Ok(Ok(stream)) = timeout(within, TcpStream::connect(at)).await else { return (false, Shown::Nothing) };
    if !known.stream.tls || matches!(known.trust, Trust::Unknown) {
        return (true, Shown::Nothing);
    }
    let Ok(judge) = Judge::new(&known.trust) else { return (true, Shown::Nothing) };
    let Ok(config) = judge.client(wall) else { return (true, Shown::Nothing) };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    match timeout_at(until, connector.connect(ip.into(), stream)).await {
        Ok(Ok(_)) => (true, Shown::Right),
        Ok(Err(_)) if judge.seen().is_some() => (true, Shown::Wrong),
        _ => (true, Shown::Nothing),
    }
}
