//! How many connections there are, in all and from one address, so that one peer cannot take all. It counts; it waits for
//! nobody.
//!
//! Who is not let in yet holds a place only as long as nobody else wants it: a handshake that is silent, or whose refusal
//! is slow on purpose, must not keep out those who would be through in a moment. So a newcomer who finds no place gets
//! that of the oldest who still arrives.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// What bounds connections that come from this machine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnMachine {
    /// What bounds any other address.
    LikeOthers,
    /// The bound of all together only: a bridge for each kind of radio is usual there, and whoever runs programs here has
    /// other ways to do harm.
    InAllOnly,
}

/// The places for connections. Clones are the same places.
#[derive(Clone)]
pub struct Places(Arc<Table>);

struct Table {
    most: usize,
    most_of_one: usize,
    own_machine: OwnMachine,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Those who are not let in, oldest first, with the word that their place is another's.
    arriving: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
    next: u64,
}

/// A place that is taken; it is free again when this goes.
pub struct Place {
    table: Arc<Table>,
    address: IpAddr,
    arriving: Option<u64>,
}

/// Resolves when the place is another's.
pub(crate) type Displaced = oneshot::Receiver<()>;

impl Places {
    /// So many in all, and so many from one IPv4 address or one IPv6 network of 64 bits.
    pub fn new(most: usize, most_of_one: usize, own_machine: OwnMachine) -> Self {
        Self(Arc::new(Table { most, most_of_one, own_machine, taken: Mutex::default() }))
    }

    /// A place, if one is free for this address.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network_of(address);
        let mut taken = self.0.taken();
        if taken.all >= self.0.most || self.0.has_enough(&taken, address) {
            return None;
        }
        taken.add(address);
        Some(Place { table: self.0.clone(), address, arriving: None })
    }

    /// A place for somebody who is not let in yet, if need be that of the oldest such one, of this very address if that
    /// has all it may have.
    pub(crate) fn take_arriving(&self, address: IpAddr) -> Option<(Place, Displaced)> {
        let address = network_of(address);
        let mut taken = self.0.taken();
        let enough = self.0.has_enough(&taken, address);
        if enough || taken.all >= self.0.most {
            let mut oldest = taken.arriving.iter().filter(|(_, (from, _))| !enough || *from == address);
            let oldest = oldest.next().map(|(number, _)| *number)?;
            if let Some((from, displaced)) = taken.arriving.remove(&oldest) {
                taken.give_back(from);
                // Whoever is gone by now needs no word.
                let _ = displaced.send(());
            }
        }
        taken.add(address);
        let number = taken.next;
        taken.next += 1;
        let (word, displaced) = oneshot::channel();
        taken.arriving.insert(number, (address, word));
        Some((Place { table: self.0.clone(), address, arriving: Some(number) }, displaced))
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.taken().all
    }
}

impl Place {
    /// Its holder is let in and stays. False if the place is another's by now.
    pub(crate) fn settle(&mut self) -> bool {
        let Some(number) = self.arriving else { return true };
        let own = self.table.taken().arriving.remove(&number).is_some();
        if own {
            self.arriving = None;
        }
        own
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.table.taken();
        if self.arriving.is_none_or(|number| taken.arriving.remove(&number).is_some()) {
            taken.give_back(self.address);
        }
    }
}

impl Table {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_enough(&self, taken: &Taken, address: IpAddr) -> bool {
        let is_bounded = self.own_machine == OwnMachine::LikeOthers || !address.is_loopback();
        is_bounded && taken.by_address.get(&address).is_some_and(|count| *count >= self.most_of_one)
    }
}

impl Taken {
    fn add(&mut self, address: IpAddr) {
        self.all += 1;
        *self.by_address.entry(address).or_default() += 1;
    }

    fn give_back(&mut self, address: IpAddr) {
        self.all = self.all.saturating_sub(1);
        if let Some(of_one) = self.by_address.get_mut(&address) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// IPv4 as it is; of IPv6 the 64 bits that one household has, for a machine has as many addresses in it as it likes;
/// except this machine's own address.
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
        let places = Places::new(3, 2, OwnMachine::InAllOnly);
        let held: Vec<Place> = (0..2).map(|_| places.take(ip("192.168.1.5")).unwrap()).collect();
        assert!(places.take(ip("192.168.1.5")).is_none());
        assert!(places.take(ip("::ffff:192.168.1.5")).is_none(), "the same address in another spelling");
        let other = places.take(ip("192.168.1.6")).unwrap();
        assert!(places.take(ip("192.168.1.7")).is_none(), "all are taken");
        drop((held, other));
        assert!(places.0.taken().by_address.is_empty() && places.taken() == 0);
        assert!(places.take(ip("192.168.1.5")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_household_and_the_policy_says_what_this_machine_is() {
        for (own_machine, of_own) in [(OwnMachine::InAllOnly, 4), (OwnMachine::LikeOthers, 2)] {
            let places = Places::new(6, 1, own_machine);
            let first = places.take(ip("2001:db8::1"));
            assert!(first.is_some() && places.take(ip("2001:db8::2")).is_none());
            let second = places.take(ip("2001:db8:0:1::1"));
            assert!(second.is_some());
            let own = |n| places.take(ip(if n % 2 == 0 { "127.0.0.1" } else { "::1" }));
            assert_eq!((0..9).map_while(own).collect::<Vec<_>>().len(), of_own);
        }
    }

    #[test]
    fn who_is_not_let_in_makes_room_oldest_first_and_who_is_let_in_stays() {
        let places = Places::new(4, 2, OwnMachine::LikeOthers);
        let arrive = |text: &str| places.take_arriving(ip(text));
        let (first, mut first_displaced) = arrive("10.0.0.1").unwrap();
        let (mut second, mut second_displaced) = arrive("10.0.0.1").unwrap();
        let (mut other, mut other_displaced) = arrive("10.0.0.2").unwrap();
        // Its own address has all it may have: its own oldest goes.
        let (third, mut third_displaced) = arrive("10.0.0.1").unwrap();
        assert_eq!((first_displaced.try_recv().is_ok(), second_displaced.try_recv().is_ok()), (true, false));
        drop(first);
        assert_eq!(places.taken(), 3, "it was given back already");
        assert!(second.settle() && other.settle());
        let (fourth, _displaced) = arrive("10.0.0.3").unwrap();
        // All are taken: the oldest of whatever address goes, and none who was let in.
        let newcomer = arrive("10.0.0.4").unwrap();
        assert!(third_displaced.try_recv().is_ok() && other_displaced.try_recv().is_err());
        let mut third = third;
        assert!(!third.settle());
        drop(fourth);
        drop((second, other, third, newcomer));
        assert!(places.0.taken().by_address.is_empty() && places.taken() == 0 && places.0.taken().arriving.is_empty());
        let inside: Vec<_> = (1..=4).map(|n| places.take(IpAddr::from([10, 0, 0, n])).unwrap()).collect();
        assert!(arrive("10.0.0.9").is_none(), "those who are let in make no room");
        drop(inside);
    }
}
