//! What the house itself says to devices: commands, questions, greetings. By the road on which a device is heard it is
//! spoken to, never retained unless something retained is taken back. It decides nothing about who may be told what, and
//! waits for nobody: neither for the disk nor for a broker that is away.
//!
//! What is to be said because of a packet in hand is handed to a task of its own: the packet is read while the broker
//! and the store hold their locks.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use domovoi_adapters::{Outgoing, Road};
use domovoi_broker::{Broker, Publish, QoS};
use domovoi_model::DeviceRef;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Back, HubGate, Ingest, printable};

/// How many batches may wait to be said. A bridge that lists 300 devices asks for 300 states in one.
const WAITING: usize = 256;

/// After somebody subscribed, so long is waited before what he wants to hear is said: he subscribes to more, and the
/// broker has to be done with it.
const SETTLES_IN: Duration = Duration::from_millis(500);

/// A greeting is not repeated on its topic sooner.
const GREETING_EVERY: Duration = Duration::from_secs(30);

/// How many filters of newcomers are remembered until they are greeted.
const NEWCOMERS: usize = 512;

/// Why something was not said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    /// There is no broker on that road, or it is away.
    #[error("the broker or cloud that leads to it is not connected")]
    NobodyThere,
    /// It is not a topic that can be published to.
    #[error("«{0}» is not a topic that can be published to")]
    Topic(String),
    /// More waits for the broker than may.
    #[error("too much waits to be said already")]
    Full,
}

/// What waits to be said, and where.
type Said = (Road, Vec<Outgoing>);

/// The mouth.
pub struct Mouth {
    embedded: OnceLock<Weak<Broker<HubGate>>>,
    external: Mutex<Option<rumqttc::AsyncClient>>,
    /// The reflex's own link.
    urgent: Mutex<Option<rumqttc::AsyncClient>>,
    later: mpsc::Sender<Said>,
    queue: Mutex<Option<mpsc::Receiver<Said>>>,
    /// Filters that somebody subscribed to lately and whose greetings are due.
    newcomers: Mutex<BTreeSet<String>>,
    somebody_came: tokio::sync::Notify,
}

impl Default for Mouth {
    fn default() -> Self {
        let (later, queue) = mpsc::channel(WAITING);
        Mouth {
            embedded: OnceLock::new(),
            external: Mutex::default(),
            urgent: Mutex::default(),
            later,
            queue: Mutex::new(Some(queue)),
            newcomers: Mutex::default(),
            somebody_came: tokio::sync::Notify::new(),
        }
    }
}

impl Ingest {
    /// Says something at once. Not from within a hook: the broker holds its locks there.
    pub fn say(&self, road: Road, outgoing: Vec<Outgoing>) -> Result<(), NotSaid> {
        self.say_for(road, outgoing, None)
    }

    /// Tells a device something that is worth nothing after so long: our own broker does not hand it to a device that
    /// comes back later, whichever MQTT it speaks. A broker of others is joined by MQTT 3.1.1, which has no word for that.
    pub fn tell(&self, device: &DeviceRef, outgoing: Vec<Outgoing>, worth: Duration) -> Result<(), NotSaid> {
        let seconds = u32::try_from(worth.as_secs()).unwrap_or(u32::MAX);
        self.say_for(self.road_of(device), outgoing, Some(NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN)))
    }

    fn say_for(&self, road: Road, outgoing: Vec<Outgoing>, seconds: Option<NonZeroU32>) -> Result<(), NotSaid> {
        match road {
            Road::Embedded => {
                let broker = self.mouth.embedded.get().and_then(Weak::upgrade).ok_or(NotSaid::NobodyThere)?;
                for one in outgoing {
                    let mut publish = Publish::new(one.topic.as_str(), one.payload).with_qos(quality(one.qos));
                    publish.properties.expiry_secs = seconds;
                    let publish = if one.retain { publish.retained() } else { publish };
                    broker.publish(publish).map_err(|_| NotSaid::Topic(printable(&one.topic)))?;
                }
                Ok(())
            }
            Road::External => {
                let client = self.mouth.external.lock().unwrap_or_else(PoisonError::into_inner).clone();
                say_out(&client.ok_or(NotSaid::NobodyThere)?, outgoing)
            }
            Road::Cloud => self.hooks.clouds.get().ok_or(NotSaid::NobodyThere)?(outgoing, seconds),
        }
    }

    /// The same as `tell` for the reflex: at a broker of others by its own link or, `first`, by the first. Whoever repeats
    /// something to a device takes them in turn, so that every other word comes through when one of them is dead and has
    /// not noticed.
    pub fn tell_urgently(
        &self,
        device: &DeviceRef,
        outgoing: Vec<Outgoing>,
        worth: Duration,
        first: bool,
    ) -> Result<(), NotSaid> {
        let urgent = self.mouth.urgent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let road = self.road_of(device);
        let Some(urgent) = urgent.filter(|_| road == Road::External) else { return self.tell(device, outgoing, worth) };
        if first {
            self.say(road, outgoing.clone()).or_else(|_| say_out(&urgent, outgoing))
        } else {
            say_out(&urgent, outgoing.clone()).or_else(|_| self.say(road, outgoing))
        }
    }

    /// Whether a device takes its commands below one of these filters.
    pub fn listens_to(&self, device: &DeviceRef, filters: &BTreeSet<String>) -> bool {
        let directory = self.directory();
        let listens = directory.known(device).map(|known| known.listens.as_slice()).unwrap_or_default();
        let is_heard = |filter: &String| {
            listens
                .iter()
                .any(|topic| domovoi_broker::matches(filter, topic) || filter.starts_with(&format!("{topic}/")))
        };
        filters.iter().any(is_heard)
    }

    fn is_back(&self, who: Back<'_>) {
        if let Some(back) = self.hooks.back.get() {
            back(who);
        }
    }

    /// Says something once the packet in hand is dealt with. What does not fit any more is dropped: the one who wants to be
    /// asked shows himself again.
    pub(super) fn say_later(&self, road: Road, outgoing: Vec<Outgoing>) {
        if !outgoing.is_empty() && self.mouth.later.try_send((road, outgoing)).is_err() {
            tracing::debug!("too many questions wait to be asked; some are left out");
        }
    }

    /// The embedded broker is there.
    pub fn speaks_through(&self, broker: Weak<Broker<HubGate>>) {
        // Told twice, the first counts.
        let _ = self.mouth.embedded.set(broker);
    }

    /// A credential is none any more: its connections are closed, and what its sessions would have found is for nobody.
    pub fn send_away(&self, username: &str) {
        if let Some(broker) = self.mouth.embedded.get().and_then(Weak::upgrade) {
            broker.forget(username);
        }
    }

    /// The link to the home's broker is there, or gone.
    pub(super) fn speaks_out(&self, client: Option<rumqttc::AsyncClient>) {
        let is_there = client.is_some();
        *self.mouth.external.lock().unwrap_or_else(PoisonError::into_inner) = client;
        if is_there {
            self.is_back(Back::Link);
        }
    }

    /// The reflex's own link is there, or gone.
    pub(super) fn speaks_urgently(&self, client: Option<rumqttc::AsyncClient>) {
        let is_there = client.is_some();
        *self.mouth.urgent.lock().unwrap_or_else(PoisonError::into_inner) = client;
        if is_there {
            self.is_back(Back::Link);
        }
    }

    /// Says to everybody on a road that the house is there again.
    pub(super) fn greet(&self, road: Road) {
        self.say_later(road, self.greetings());
    }

    /// Somebody has subscribed on the embedded road: what the house says in greeting to that topic was said before he could
    /// hear it. A device that comes back after a restart of the hub is asked for its state so.
    pub(super) fn came(&self, filter: &str) {
        let mut newcomers = self.mouth.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
        if newcomers.len() < NEWCOMERS && newcomers.insert(filter.to_owned()) {
            self.mouth.somebody_came.notify_one();
        }
    }

    fn greetings(&self) -> Vec<Outgoing> {
        let directory = self.directory();
        domovoi_adapters::mqtt::DIALECTS.iter().flat_map(|dialect| (dialect.greetings)(&directory)).collect()
    }

    /// Says what was put off, until the house stops. Greets whoever comes on the embedded road.
    pub async fn speak(&self, mut stop: watch::Receiver<bool>) {
        let Some(mut queue) = self.mouth.queue.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut greeted: BTreeMap<String, Instant> = BTreeMap::new();
        if self.say(Road::Embedded, self.greetings()).is_err() {
            tracing::debug!("there is no broker of our own to greet through");
        }
        let mut due: Option<Instant> = None;
        loop {
            let settled = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((road, outgoing)) = queue.recv() => {
                    if let Err(error) = self.say(road, outgoing) {
                        tracing::debug!("a question could not be asked: {error}");
                    }
                }
                () = self.mouth.somebody_came.notified() => {
                    due = due.or_else(|| Some(Instant::now() + SETTLES_IN));
                }
                () = settled => {
                    due = None;
                    self.greet_newcomers(&mut greeted);
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn greet_newcomers(&self, greeted: &mut BTreeMap<String, Instant>) {
        let filters = std::mem::take(&mut *self.mouth.newcomers.lock().unwrap_or_else(PoisonError::into_inner));
        self.is_back(Back::Subscribed(&filters));
        let now = Instant::now();
        greeted.retain(|_, at| now.saturating_duration_since(*at) < GREETING_EVERY);
        let mut outgoing = self.greetings();
        outgoing.retain(|one| {
            !greeted.contains_key(&one.topic)
                && filters.iter().any(|filter| domovoi_broker::matches(filter, &one.topic))
        });
        greeted.extend(outgoing.iter().map(|one| (one.topic.clone(), now)));
        if !outgoing.is_empty() && self.say(Road::Embedded, outgoing).is_err() {
            tracing::debug!("a newcomer was not greeted");
        }
    }
}

fn say_out(client: &rumqttc::AsyncClient, outgoing: Vec<Outgoing>) -> Result<(), NotSaid> {
    for one in outgoing {
        if !rumqttc::valid_topic(&one.topic) || one.topic.is_empty() {
            return Err(NotSaid::Topic(printable(&one.topic)));
        }
        let quality = match one.qos {
            0 => rumqttc::QoS::AtMostOnce,
            // Twice the round trips for what a device confirms by its state anyway; and a broker of others may not grant it.
            _ => rumqttc::QoS::AtLeastOnce,
        };
        client.try_publish(one.topic, quality, one.retain, one.payload).map_err(|_| NotSaid::Full)?;
    }
    Ok(())
}

fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
