//! What the reflex has yet to feel. Whoever reads a socket leaves it here and goes on; it waits for nothing but this lock.
//!
//! Bounded without losing a danger: of each property of a device at most one observation of each danger waits, and the
//! last one that says otherwise. What nobody has asked about does not come in at all: thousands of messages a second cost
//! the look at a table. Devices that are not known here have a bound of their own, so that a flood of invented ones keeps
//! no known one out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use domovoi_model::{DeviceRef, Observation};

use super::rule::{Danger, Place};

/// So many properties of unknown devices wait at the same time.
const STRANGERS: usize = 512;

/// What is felt of a device.
#[derive(Debug, Default)]
struct Concern {
    properties: BTreeSet<String>,
    /// When it said anything at all, in the reflex's milliseconds; 0: not since it was last asked.
    heard_ms: AtomicI64,
}

#[derive(Debug, Default)]
struct Concerns {
    always: Arc<HashMap<DeviceRef, Concern>>,
    now: HashMap<DeviceRef, BTreeSet<String>>,
}

/// What waits of one property.
#[derive(Debug, Default)]
struct Waiting {
    dangers: BTreeMap<Danger, Observation>,
    /// Its device was accepted.
    known: bool,
    /// Came after all of them, and is none.
    last: Option<Observation>,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: HashMap<Place, Waiting>,
    /// Dangers that a broker of others replays: said some time or other.
    replayed: BTreeMap<(Danger, Place), Observation>,
    strangers: usize,
    back: Back,
    orders: VecDeque<T>,
}

/// Who can be told something again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Back {
    /// A link to a broker is there again.
    pub all: bool,
    /// Devices that say that they can be reached.
    pub devices: BTreeSet<DeviceRef>,
    /// What somebody subscribed to at our own broker.
    pub filters: BTreeSet<String>,
}

/// What waits to be felt, and orders of kind `T`.
#[derive(Debug)]
pub struct Senses<T> {
    queue: Mutex<Queue<T>>,
    arrived: Condvar,
    concerns: RwLock<Concerns>,
    beyond: AtomicU64,
}

impl<T> Default for Senses<T> {
    fn default() -> Self {
        Senses {
            queue: Mutex::new(Queue {
                waiting: HashMap::new(),
                replayed: BTreeMap::new(),
                strangers: 0,
                back: Back::default(),
                orders: VecDeque::new(),
            }),
            arrived: Condvar::new(),
            concerns: RwLock::default(),
            beyond: AtomicU64::new(0),
        }
    }
}

/// Everything that waited: the dangers first, those of accepted devices before all others and of them the gravest, then what
/// says otherwise, then orders.
#[derive(Debug)]
pub struct Arrived<T> {
    /// In this order.
    pub observations: Vec<Observation>,
    /// Dangers that were replayed, the gravest first.
    pub replayed: Vec<Observation>,
    /// Who is there again.
    pub back: Back,
    /// In the order in which they were given.
    pub orders: Vec<T>,
}

impl<T> Senses<T> {
    /// A device said something. Never waits for anything that takes time.
    pub fn feel(&self, observation: &Observation, now_ms: impl FnOnce() -> i64) {
        let (known, asked) = {
            let concerns = self.concerns.read().unwrap_or_else(PoisonError::into_inner);
            let concern = concerns.always.get(&observation.device);
            if let Some(concern) = concern {
                concern.heard_ms.store(now_ms(), Ordering::Relaxed);
            }
            let of_now = concerns.now.get(&observation.device);
            let is_now = of_now.is_some_and(|properties| properties.contains(&observation.property));
            let is_always = concern.is_some_and(|concern| concern.properties.contains(&observation.property));
            // A danger of an accepted device counts, though its description may not have come yet.
            (concern.is_some() || is_now, is_always || is_now)
        };
        if !asked && observation.hazard.is_none() {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::new(observation.device.clone(), observation.property.clone());
        if !queue.waiting.contains_key(&place) && !known {
            if queue.strangers >= STRANGERS {
                self.beyond.fetch_add(1, Ordering::Relaxed);
                return;
            }
            queue.strangers += 1;
        }
        let waiting = queue.waiting.entry(place).or_default();
        waiting.known |= known;
        match observation.hazard {
            Some(hazard) => {
                waiting.dangers.insert(Danger::of(hazard), observation.clone());
                waiting.last = None;
            }
            None => waiting.last = Some(observation.clone()),
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// A broker of others replays what somebody retained there, perhaps weeks ago. A danger in it is asked about, if the
    /// device is known; that there was none says nothing of now.
    pub fn recall(&self, observation: &Observation) {
        let Some(hazard) = observation.hazard else { return };
        let is_known = {
            let concerns = self.concerns.read().unwrap_or_else(PoisonError::into_inner);
            concerns.always.get(&observation.device).is_some_and(|of| of.properties.contains(&observation.property))
        };
        if !is_known {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::new(observation.device.clone(), observation.property.clone());
        queue.replayed.insert((Danger::of(hazard), place), observation.clone());
        drop(queue);
        self.arrived.notify_one();
    }

    /// A device says that it can be reached. It counts while something is being set there.
    pub fn is_back(&self, device: &DeviceRef) {
        if self.concerns.read().unwrap_or_else(PoisonError::into_inner).now.contains_key(device) {
            self.note_back(|back| back.devices.extend([device.clone()]));
        }
    }

    /// A link is there again.
    pub fn link_is_back(&self) {
        self.note_back(|back| back.all = true);
    }

    /// Somebody has subscribed to these at our own broker; whoever calls has bounded them.
    pub fn somebody_came(&self, filters: &BTreeSet<String>) {
        if !self.concerns.read().unwrap_or_else(PoisonError::into_inner).now.is_empty() {
            self.note_back(|back| back.filters.extend(filters.iter().cloned()));
        }
    }

    fn note_back(&self, note: impl FnOnce(&mut Back)) {
        note(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner).back);
        self.arrived.notify_one();
    }

    /// Gives an order. Callers are few and wait for the answer, which bounds them.
    pub fn order(&self, order: T) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).orders.push_back(order);
        self.arrived.notify_one();
    }

    /// Waits for something, at most so long.
    pub fn wait(&self, at_most: Duration) -> Arrived<T> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |queue: &mut Queue<T>| {
            queue.waiting.is_empty()
                && queue.replayed.is_empty()
                && queue.orders.is_empty()
                && queue.back == Back::default()
        };
        let (mut queue, _) =
            self.arrived.wait_timeout_while(queue, at_most, idle).unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut queue.waiting);
        queue.strangers = 0;
        let replayed = std::mem::take(&mut queue.replayed).into_values().collect();
        let back = std::mem::take(&mut queue.back);
        let orders = queue.orders.drain(..).collect();
        drop(queue);
        let mut dangers = Vec::new();
        let mut others = Vec::new();
        for (_, one) in waiting {
            dangers.extend(one.dangers.into_iter().map(|(danger, said)| (!one.known, danger, said)));
            others.extend(one.last);
        }
        dangers.sort_by_key(|(stranger, danger, _)| (*stranger, *danger));
        let observations = dangers.into_iter().map(|(_, _, observation)| observation).chain(others).collect();
        Arrived { observations, replayed, back, orders }
    }

    /// What is felt from now on of each known device.
    pub fn concern(&self, devices: HashMap<DeviceRef, BTreeSet<String>>) {
        let always = devices
            .into_iter()
            .map(|(device, properties)| (device, Concern { properties, heard_ms: AtomicI64::new(0) }))
            .collect();
        self.concerns.write().unwrap_or_else(PoisonError::into_inner).always = Arc::new(always);
    }

    /// What is felt beside that for a while.
    pub fn concern_now(&self, places: BTreeSet<Place>) {
        let mut now: HashMap<DeviceRef, BTreeSet<String>> = HashMap::new();
        for place in places {
            now.entry(place.device).or_default().insert(place.property);
        }
        self.concerns.write().unwrap_or_else(PoisonError::into_inner).now = now;
    }

    /// Who said anything since this was last asked, and when.
    pub fn heard(&self) -> Vec<(DeviceRef, i64)> {
        let always = Arc::clone(&self.concerns.read().unwrap_or_else(PoisonError::into_inner).always);
        let since = |(device, concern): (&DeviceRef, &Concern)| {
            let at = concern.heard_ms.swap(0, Ordering::Relaxed);
            (at > 0).then(|| (device.clone(), at))
        };
        always.iter().filter_map(since).collect()
    }

    /// How many dangers of unknown devices found no room.
    pub fn beyond(&self) -> u64 {
        self.beyond.load(Ordering::Relaxed)
    }
}
