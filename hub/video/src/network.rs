//! The network that the hub itself is in, as the kernel tells it: interfaces to ask by multicast, neighbours with their
//! hardware addresses, networks without a router in between. Read from /proc/net, so that no foreign function is needed.
//! Deliberately nothing but reading and opening sockets; IPv6 neighbours are in no file of the kernel's, and an address
//! that was made of a hardware address (EUI-64) tells it without one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::address::Allow;

pub(crate) const DEV: &str = "/proc/net/dev";
pub(crate) const INET6: &str = "/proc/net/if_inet6";
pub(crate) const ARP: &str = "/proc/net/arp";
pub(crate) const ROUTE: &str = "/proc/net/route";

const MOST_SOCKETS: usize = 32;
const MOST_LINES: usize = 8192;

/// A socket, and where it is to ask.
pub(crate) type Road = (UdpSocket, Vec<SocketAddr>);

/// For a multicast group of each protocol: a socket on each interface.
pub(crate) fn each_interface(four: Ipv4Addr, six: Ipv6Addr, port: u16, loopback: Allow) -> Vec<Road> {
    let loopback = loopback == Allow::Yes;
    let group = vec![SocketAddr::from((four, port))];
    let listed = std::fs::read_to_string(DEV).unwrap_or_default();
    let names = interfaces_4(&listed).filter(|name| loopback || *name != "lo").take(MOST_SOCKETS);
    let open = |interface| socket_4(interface).ok().map(|socket| (socket, group.clone()));
    let mut roads: Vec<Road> = names.filter_map(|name| open(Some(name))).collect();
    if roads.is_empty() {
        // Binding to an interface is for everybody since Linux 5.7; before it the kernel's choice must do.
        roads.extend(open(None));
    }
    let listed = std::fs::read_to_string(INET6).unwrap_or_default();
    for index in interfaces_6(&listed, loopback).into_iter().take(MOST_SOCKETS) {
        let group = SocketAddr::V6(SocketAddrV6::new(six, port, 0, index));
        roads.extend(socket_6(index).ok().map(|socket| (socket, vec![group])));
    }
    roads
}

/// For hosts that are asked directly.
pub(crate) fn direct(hosts: impl Iterator<Item = SocketAddr>) -> Vec<Road> {
    let (four, six): (Vec<SocketAddr>, Vec<SocketAddr>) = hosts.partition(SocketAddr::is_ipv4);
    let four = (!four.is_empty()).then(|| socket_4(None).ok().map(|socket| (socket, four))).flatten();
    let six = (!six.is_empty()).then(|| socket_6(0).ok().map(|socket| (socket, six))).flatten();
    four.into_iter().chain(six).collect()
}

fn socket_4(interface: Option<&str>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    // What is asked stays in the network it is asked in.
    socket.set_multicast_ttl_v4(1)?;
    bound(socket, (Ipv4Addr::UNSPECIFIED, 0).into())
}

fn socket_6(index: u32) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    socket.set_multicast_hops_v6(1)?;
    socket.set_multicast_if_v6(index)?;
    bound(socket, (Ipv6Addr::UNSPECIFIED, 0).into())
}

fn bound(socket: Socket, at: SocketAddr) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    UdpSocket::from_std(socket.into())
}

/// The names in `/proc/net/dev`: two lines of headings, then `  eth0: …`.
fn interfaces_4(listed: &str) -> impl Iterator<Item = &str> {
    let names = listed.lines().skip(2).filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    names.filter(|name| !name.is_empty())
}

/// The numbers of interfaces with a link-local address in `/proc/net/if_inet6`: `fe80…  02 40 20 80 eth0`, in hex digits.
fn interfaces_6(listed: &str, loopback: bool) -> Vec<u32> {
    let mut indexes = Vec::new();
    for line in listed.lines().take(MOST_LINES) {
        let mut fields = line.split_ascii_whitespace();
        let (address, index) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let local = address.starts_with("fe8") || loopback && address == "00000000000000000000000000000001";
        match u32::from_str_radix(index, 16) {
            Ok(index) if local && !indexes.contains(&index) => indexes.push(index),
            _ => {}
        }
    }
    indexes
}

/// The neighbours in `/proc/net/arp` that have answered: address, type, flags (2: complete), hardware address, mask, device.
pub(crate) fn neighbours(listed: &str) -> Vec<(Ipv4Addr, [u8; 6])> {
    let read = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let ip = fields.next()?.parse().ok()?;
        let flags = u32::from_str_radix(fields.nth(1)?.trim_start_matches("0x"), 16).ok()?;
        (flags & 2 != 0).then_some((ip, mac(fields.next()?)?))
    };
    listed.lines().take(MOST_LINES).filter_map(read).collect()
}

/// The hardware address of a host that we have spoken with.
pub(crate) fn hardware_of(ip: IpAddr, neighbours: &[(Ipv4Addr, [u8; 6])]) -> Option<[u8; 6]> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => neighbours.iter().find(|(known, _)| *known == ip).map(|(_, mac)| *mac),
        // RFC 4291, appendix A: ff:fe in the middle, and the second bit of the first byte turned.
        IpAddr::V6(ip) => match ip.octets() {
            [.., a, b, c, 0xff, 0xfe, d, e, f] => Some([a ^ 2, b, c, d, e, f]).filter(|mac| mac[0] & 1 == 0),
            _ => None,
        },
    }
}

/// The hosts of the networks in `/proc/net/route` that are reached without a router, the smallest networks first, and not
/// more than `most` in all. A network that does not fit is left out whole.
pub(crate) fn hosts_around(listed: &str, most: usize) -> Vec<Ipv4Addr> {
    let mut networks: Vec<(u32, u32)> = Vec::new();
    for line in listed.lines().skip(1).take(MOST_LINES) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // The kernel prints the bytes of the network's order as a number of its own.
        let number = |at: usize| {
            fields
                .get(at)
                .and_then(|field| u32::from_str_radix(field, 16).ok())
                .map(|n| u32::from_be_bytes(n.to_ne_bytes()))
        };
        let (Some(network), Some(0), Some(mask)) = (number(1), number(2), number(7)) else { continue };
        let is_mask = mask.leading_ones() + mask.trailing_zeros() == 32;
        if mask != 0 && mask != u32::MAX && is_mask && !networks.contains(&(network, mask)) {
            networks.push((network, mask));
        }
    }
    networks.sort_by_key(|(_, mask)| std::cmp::Reverse(*mask));
    let mut hosts = Vec::new();
    for (network, mask) in networks {
        let last = (network & mask) | !mask;
        let count = usize::try_from(!mask).unwrap_or(usize::MAX);
        if hosts.len().saturating_add(count) <= most {
            hosts.extend(((network & mask).saturating_add(1)..last).map(Ipv4Addr::from));
        }
    }
    hosts
}

/// A hardware address with colons, hyphens or nothing between its digits; `None` for a group's or nobody's.
pub(crate) fn mac(text: &str) -> Option<[u8; 6]> {
    let digits: Vec<u8> = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.'))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .take(13)
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let mac: [u8; 6] = bytes.try_into().ok().filter(|_| rest.is_empty())?;
    (mac != [0; 6] && mac[0] & 1 == 0).then_some(mac)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interfaces_are_read_as_the_kernel_writes_them() {
        let dev = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3\nwlan0.5: 4 5\n";
        assert_eq!(interfaces_4(dev).collect::<Vec<_>>(), ["lo", "wlan0.5"]);
        let six = "00000000000000000000000000000001 01 80 10 80       lo\n\
                   fe800000000000000042acfffe110002 0a 40 20 80     eth0\nfd00000000000000 0a 40 00 80 eth0\nx\n";
        assert_eq!(interfaces_6(six, false), [10]);
        assert_eq!(interfaces_6(six, true), [1, 10]);
    }

    #[test]
    fn neighbours_are_those_that_answered() {
        let arp = "IP address       HW type     Flags       HW address            Mask     Device\n\
                   192.168.1.20     0x1         0x2         44:19:b6:01:02:ff     *        eth0\n\
                   192.168.1.21     0x1         0x0         00:00:00:00:00:00     *        eth0\n\
                   192.168.1.22     0x1         0x6         44:19:b6:01:02:fe     *        eth0\nnonsense\n";
        let found = neighbours(arp);
        assert_eq!(found.iter().map(|(ip, _)| ip.to_string()).collect::<Vec<_>>(), ["192.168.1.20", "192.168.1.22"]);
        let hardware = |ip: &str| hardware_of(ip.parse().unwrap(), &found);
        assert_eq!(hardware("192.168.1.20"), Some([0x44, 0x19, 0xb6, 1, 2, 0xff]));
        assert_eq!(hardware("::ffff:192.168.1.20"), hardware("192.168.1.20"));
        assert_eq!(hardware("192.168.1.21"), None);
        assert_eq!(hardware("fe80::4619:b6ff:fe01:2ff"), hardware("192.168.1.20"));
        assert_eq!(hardware("fe80::1"), None);
    }

    #[test]
    fn the_hosts_around_are_few() {
        let line = |network: [u8; 4], gateway: [u8; 4], mask: [u8; 4]| {
            let number = |bytes| format!("{:08X}", u32::from_ne_bytes(bytes));
            format!("eth0\t{}\t{}\t0001\t0\t0\t0\t{}\t0\t0\t0\n", number(network), number(gateway), number(mask))
        };
        let listed = [
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n".to_owned(),
            line([0, 0, 0, 0], [192, 168, 1, 1], [0, 0, 0, 0]),
            line([10, 0, 0, 0], [0, 0, 0, 0], [255, 0, 0, 0]),
            line([192, 168, 1, 0], [0, 0, 0, 0], [255, 255, 255, 0]),
            line([192, 168, 1, 0], [0, 0, 0, 0], [255, 255, 255, 0]),
            line([192, 168, 9, 0], [192, 168, 1, 7], [255, 255, 255, 0]),
            line([172, 16, 0, 0], [0, 0, 0, 0], [255, 255, 255, 252]),
        ]
        .concat();
        let hosts = hosts_around(&listed, 1024);
        assert_eq!(hosts.len(), 254 + 2);
        assert_eq!(
            hosts[..3].iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["172.16.0.1", "172.16.0.2", "192.168.1.1"]
        );
        assert_eq!(hosts_around(&listed, 100).len(), 2);
    }

    #[test]
    fn hardware_addresses_are_read_in_all_spellings() {
        let wanted = Some([0x44, 0x19, 0xb6, 1, 2, 0xff]);
        for good in ["44:19:b6:01:02:ff", "44-19-B6-01-02-FF", "4419b60102ff", " 4419.b601.02ff "] {
            assert_eq!(mac(good), wanted, "{good}");
        }
        let group = ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00"];
        for bad in ["", "44:19:b6:01:02", "44:19:b6:01:02:ff:00", "zz"].iter().chain(&group) {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_listing_breaks_it(listed in "(\\PC{0,10}[ \t\n]){0,40}") {
            let _ = (interfaces_4(&listed).count(), interfaces_6(&listed, true), neighbours(&listed));
            prop_assert!(hosts_around(&listed, 1024).len() <= 1024);
        }
    }
}
