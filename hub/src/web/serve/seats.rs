//! How many connections there are, in all and from one peer, so that one peer cannot take all. It counts; it waits for
//! nobody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The seats. Clones are the same seats.
#[derive(Clone)]
pub struct Seats(Arc<Table>);

struct Table {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A seat that is taken; it is free again when this goes.
pub struct Seat {
    table: Arc<Table>,
    peer: IpAddr,
}

impl Seats {
    /// So many in all, and so many of one peer.
    pub fn new(most: u32, most_of_one: u32) -> Self {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Seats(Arc::new(Table { most: count(most), most_of_one: count(most_of_one), taken: Mutex::default() }))
    }

    /// A seat, if one is free for this peer.
    pub fn take(&self, peer: IpAddr) -> Option<Seat> {
        let peer = network_of(peer);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.all >= self.0.most || of_peer >= self.0.most_of_one {
            return None;
        }
        taken.all += 1;
        taken.by_peer.insert(peer, of_peer + 1);
        Some(Seat { table: Arc::clone(&self.0), peer })
    }

    /// How many are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.table.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_peer) = taken.by_peer.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
            if *of_peer == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// A machine has as many IPv6 addresses as it likes, all in one network of 64 bits.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX))),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_all_whichever_of_its_addresses_it_uses() {
        let seats = Seats::new(5, 2);
        let take = |text: &str| seats.take(text.parse().unwrap());
        let one = [take("fd00::1"), take("fd00::2:0:0:1")];
        assert!(one.iter().all(Option::is_some));
        assert!(take("fd00::3").is_none(), "the same /64");
        let other = take("fd00:0:0:1::1");
        let four = [take("10.0.0.1"), take("::ffff:10.0.0.1")];
        assert!(other.is_some() && four.iter().all(Option::is_some));
        assert!(take("10.0.0.2").is_none(), "all are taken");
        drop(four);
        assert!(take("10.0.0.2").is_some());
        drop((one, other));
        assert_eq!(seats.taken(), 0);
        assert!(seats.0.taken.lock().unwrap().by_peer.is_empty(), "who has gone is forgotten");
    }
}
