//! Which addresses a camera may have. A person or a portal gives the address, so without this the hub could be made to
//! talk to itself or to what only it can reach (SSRF).
//! Deliberately no ban of public addresses: a camera of a summer house is reached through one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    #[default]
    No,
    Yes,
}

/// A socket at which the hub itself listens. An unspecified address stands for each address of the machine.
pub type OwnSocket = SocketAddr;

#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Cameras at 127.0.0.0/8 and ::1: for tests, and for a restreamer on the same machine when its owner says so.
    pub loopback: Allow,
    /// 169.254.0.0/16 and fe80::/10: a camera plugged straight into the hub.
    pub link_local: Allow,
    /// Never, whatever else is allowed.
    pub own: Vec<OwnSocket>,
    /// Nowhere but in these networks: an address and how many of its bits count; `None`: anywhere.
    pub networks: Option<Vec<(IpAddr, u8)>>,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is the hub's own machine")]
    Loopback,
    #[error("it is a link-local address")]
    LinkLocal,
    #[error("it is a multicast or broadcast address")]
    Multicast,
    #[error("it is no host's address")]
    Unspecified,
    #[error("the hub itself listens there")]
    Own,
    #[error("it is in none of the networks in which cameras may be")]
    Outside,
}

impl Policy {
    pub fn check(&self, address: SocketAddr) -> Result<(), Refusal> {
        let ip = canonical(address.ip());
        match ip {
            IpAddr::V4(v4) if v4.is_broadcast() || v4.is_multicast() => return Err(Refusal::Multicast),
            // 0.0.0.0/8 is "this host" to some systems, 240.0.0.0/4 is nobody's.
            IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => return Err(Refusal::Unspecified),
            IpAddr::V6(v6) if v6.is_multicast() => return Err(Refusal::Multicast),
            IpAddr::V6(v6) if v6.is_unspecified() => return Err(Refusal::Unspecified),
            IpAddr::V4(v4) if v4.is_link_local() && self.link_local == Allow::No => return Err(Refusal::LinkLocal),
            IpAddr::V6(v6) if v6.is_unicast_link_local() && self.link_local == Allow::No => {
                return Err(Refusal::LinkLocal);
            }
            _ => {}
        }
        if ip.is_loopback() && self.loopback == Allow::No {
            return Err(Refusal::Loopback);
        }
        for own in &self.own {
            let same_host = if own.ip().is_unspecified() { is_of_this_machine(ip) } else { canonical(own.ip()) == ip };
            if own.port() == address.port() && same_host {
                return Err(Refusal::Own);
            }
        }
        let is_in = |(first, bits): &(IpAddr, u8)| is_within(ip, *first, *bits);
        if self.networks.as_ref().is_some_and(|networks| !networks.iter().any(is_in)) {
            return Err(Refusal::Outside);
        }
        Ok(())
    }
}

fn is_within(ip: IpAddr, first: IpAddr, bits: u8) -> bool {
    let front = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => u128::from(v6),
    };
    let counts = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
    ip.is_ipv4() == first.is_ipv4() && front(ip) & counts == front(first) & counts
}

/// IPv4 in its IPv6 disguises: mapped (::ffff:127.0.0.1), compatible (::127.0.0.1) and NAT64's well-known prefix.
fn canonical(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let segments = v6.segments();
    let low = || {
        let [.., a, b, c, d] = v6.octets();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => low(),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => low(),
        _ => ip,
    }
}

/// The kernel routes packets for an own address from that very address; connecting a UDP socket asks it without sending
/// anything.
fn is_of_this_machine(ip: IpAddr) -> bool {
    if ip.is_loopback() {
        return true;
    }
    let any: SocketAddr = match ip {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let asked = UdpSocket::bind(any).and_then(|socket| socket.connect((ip, 9)).and_then(|()| socket.local_addr()));
    asked.is_ok_and(|local| local.ip() == ip)
}
