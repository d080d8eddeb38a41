//! How many sockets are open, in all and from one address, so that one peer cannot take all. It counts; it waits for
//! nobody.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The places for sockets.
pub(crate) struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is taken; it is free again when this goes.
pub(crate) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, taken: Mutex::default() })
    }

    /// A place, if one is free for this address. What comes from this machine itself is bounded in all only: a bridge
    /// for each kind of radio is usual there, and whoever runs programs here has other ways to do harm.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= self.most || (of_one >= self.most_of_one && !address.is_loopback()) {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, of_one + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_one) = taken.by_address.get_mut(&self.address) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// IPv4 as it is; of IPv6 the 64 bits that one household has, except this machine's own address.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_all_places_and_gives_them_back() {
        let places = Places::new(3, 2);
        let held: Vec<Place> = (0..2).map(|_| places.take(ip("192.168.1.5")).unwrap()).collect();
        assert!(places.take(ip("192.168.1.5")).is_none());
        assert!(places.take(ip("::ffff:192.168.1.5")).is_none(), "the same address in another spelling");
        let other = places.take(ip("192.168.1.6")).unwrap();
        assert!(places.take(ip("192.168.1.7")).is_none(), "all are taken");
        drop((held, other));
        assert!(places.taken.lock().unwrap().by_address.is_empty());
        assert!(places.take(ip("192.168.1.5")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_household_and_this_machine_is_bounded_in_all_only() {
        let places = Places::new(5, 1);
        let first = places.take(ip("2001:db8::1"));
        assert!(first.is_some() && places.take(ip("2001:db8::2")).is_none());
        assert!(places.take(ip("2001:db8:0:1::1")).is_some());
        let own: Vec<_> = (0..4).map_while(|n| places.take(ip(if n % 2 == 0 { "127.0.0.1" } else { "::1" }))).collect();
        assert_eq!(own.len(), 4);
    }
}
