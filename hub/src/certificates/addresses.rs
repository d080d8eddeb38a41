//! The machine's own addresses, as the kernel lists them under /proc/net: those of the home go into the certificate. It
//! asks nobody else and opens no socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// More than a machine of a home ever has; a list longer than this makes no better certificate.
const MAX_ADDRESSES: usize = 16;

/// The kernel's tables are small; what is larger is not they.
const MAX_TABLE: u64 = 1 << 20;

/// The private addresses of this machine, sorted. Loopback and link-local ones are not among them: the former need no
/// list, and a browser cannot be pointed at the latter.
pub fn private() -> Vec<IpAddr> {
    let proc = Path::new("/proc/net");
    let mut addresses: Vec<IpAddr> = fib_trie(&read(&proc.join("fib_trie"))).map(IpAddr::V4).collect();
    addresses.extend(if_inet6(&read(&proc.join("if_inet6"))).map(IpAddr::V6));
    addresses.retain(|address| match address {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    });
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// A table that is not there (no IPv6, a container without /proc) has no addresses.
fn read(path: &Path) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    if let Ok(file) = std::fs::File::open(path) {
        // What is not text is no table.
        let _ = file.take(MAX_TABLE).read_to_string(&mut text);
    }
    text
}

/// `|-- 192.168.1.10` with `/32 host LOCAL` below it is an address of this machine.
fn fib_trie(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut last = None;
    table.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
            None
        } else if line == "/32 host LOCAL" {
            last
        } else {
            None
        }
    })
}

/// 32 hexadecimal digits at the beginning of each line.
fn if_inet6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table.lines().filter_map(|line| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Network;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- \
        192.168.1.0/24 2 0 2\n        |-- 192.168.1.0\n           /24 link UNICAST\n        |-- 192.168.1.10\n           \
        /32 host LOCAL\n        |-- 192.168.1.255\n           /32 link BROADCAST\nLocal:\n     |-- 127.0.0.1\n        /32 \
        host LOCAL\n";

    #[test]
    fn the_kernels_tables_are_read() {
        let four: Vec<Ipv4Addr> = fib_trie(TRIE).collect();
        assert_eq!(four, [Ipv4Addr::new(192, 168, 1, 10), Ipv4Addr::LOCALHOST]);
        let table = "fd0011223344000000000000000000aa 02 40 00 80     eth0\n\
                     00000000000000000000000000000001 01 80 10 80       lo\nshort 01\n";
        let six: Vec<Ipv6Addr> = if_inet6(table).collect();
        assert_eq!(six, ["fd00:1122:3344::aa".parse::<Ipv6Addr>().unwrap(), Ipv6Addr::LOCALHOST]);
    }

    #[test]
    fn near_is_the_home_and_no_further() {
        for near in ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"] {
            assert!(Network::of(near.parse().unwrap()) == Network::Home, "{near}");
        }
        for far in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8", "0.0.0.0"] {
            assert!(Network::of(far.parse().unwrap()) == Network::Outside, "{far}");
        }
        assert!(Network::of("::ffff:192.168.1.1".parse().unwrap()) == Network::Home);
    }

    proptest! {
        #[test]
        fn any_table_is_no_panic(text in "\\PC{0,200}|(\\|-- |/32 host LOCAL|[0-9a-f. \n]{0,40}){0,20}") {
            let _ = (fib_trie(&text).count(), if_inet6(&text).count());
        }
    }
}
