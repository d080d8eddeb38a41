//! A second, small link to the broker that a home already has: what warns of danger and what answers it is heard there a
//! second time, at QoS 0, and what the reflex says goes out there first.
//!
//! The first link acknowledges after the commit, and a broker of others stops sending when so many messages are not
//! acknowledged (Mosquitto: `max_inflight_messages`, 20): on a stalled disk, or in a flood, a leak would wait there behind
//! telemetry. Nothing is acknowledged here, so nothing waits. Nothing that is heard here is recorded either: it is looked
//! at and felt, and the first link brings it again. A danger that is felt twice is one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domovoi_adapters::Road;
use domovoi_model::DeviceRef;
use rumqttc::{AsyncClient, Event, Incoming, Outgoing, QoS, SubscribeReasonCode};
use tokio::sync::watch;

use super::external::{self, ExternalBroker, FILTERS_AT_ONCE, UNACKNOWLEDGED};
use super::{Arrival, Ingest};

/// Beside the first link's. A broker that ties client ids to users must know both.
const SUFFIX: &str = "-reflex";

const AGAIN: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// As many filters; a home has a few dozen sensors of danger and valves.
const MAX_FILTERS: usize = 1024;

impl Ingest {
    /// Whose words the reflex waits for: told when the home is another.
    pub fn listen_closely(&self, devices: &[DeviceRef]) {
        let directory = self.directory();
        let known = devices.iter().filter_map(|device| directory.known(device));
        let (filters, left_out) = filters(known.map(|known| known.speaks.iter().chain(&known.shares)));
        drop(directory);
        let before = std::mem::replace(&mut self.ear_stands().left_out, left_out);
        if left_out > 0 && before == 0 {
            tracing::warn!(left_out, "the reflex has no room for some topics: it hears them by the first link only");
        }
        self.close.send_if_modified(|before| {
            let differs = *before != filters;
            if differs {
                *before = filters;
            }
            differs
        });
    }
}

/// How the reflex's own link hears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EarStanding {
    /// It has joined.
    pub joined: bool,
    /// So many filters the broker does not let it hear.
    pub refused: usize,
    /// So many topics there was no room for.
    pub left_out: usize,
}

impl EarStanding {
    /// What is wrong with it, each with what to do.
    pub fn troubles(self) -> Vec<(String, &'static str)> {
        let refused = format!("it does not let the reflex's own link hear {} topic(s)", self.refused);
        let left_out =
            format!("the reflex's own link has no room for {} topic(s); the first link brings them", self.left_out);
        let mut troubles = Vec::new();
        if self.refused > 0 {
            troubles.push((refused, "let the same user read the same under every client id"));
        }
        if self.left_out > 0 {
            troubles.push((left_out, ""));
        }
        troubles
    }
}

impl Ingest {
    /// How the reflex's own link hears.
    pub fn ear(&self) -> EarStanding {
        *self.ear_stands()
    }

    fn ear_stands(&self) -> std::sync::MutexGuard<'_, EarStanding> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the reflex waits for what is said on a topic.
    pub(super) fn is_close(&self, topic: &str) -> bool {
        let close = self.close.borrow();
        let mut above = Some(topic);
        while let Some(level) = above {
            if close.contains(&format!("{level}/#")) {
                return true;
            }
            above = level.rsplit_once('/').map(|(above, _)| above);
        }
        false
    }
}

/// The filters for what devices speak on, one topic of each device after the other, so that none goes without; and how many
/// there was no room for. Where a device is announced (Home Assistant's `…/config`) nothing is felt: those come last.
fn filters<'a, T>(devices: impl Iterator<Item = T>) -> (BTreeSet<String>, usize)
where
    T: Iterator<Item = &'a String>,
{
    let fits = |topic: &&String| !topic.is_empty() && !topic.contains(['#', '+']);
    let mut ranked: Vec<(bool, usize, &String)> = Vec::new();
    for topics in devices {
        let mut topics: Vec<&String> = topics.filter(fits).collect();
        topics.sort_by_key(|topic| topic.ends_with("/config"));
        ranked.extend(topics.into_iter().enumerate().map(|(place, topic)| (topic.ends_with("/config"), place, topic)));
    }
    ranked.sort();
    let (mut filters, mut beyond) = (BTreeSet::new(), BTreeSet::new());
    for (_, _, topic) in ranked {
        // A filter with `/#` at its end has what is above it, too (MQTT 4.7.1.2).
        let filter = format!("{topic}/#");
        if filters.len() < MAX_FILTERS {
            filters.insert(filter);
        } else if !filters.contains(&filter) {
            beyond.insert(filter);
        }
    }
    (filters, beyond.len())
}

/// Listens until `stop` turns true. Without it the first link does all: it is told once and tried again.
pub async fn run(broker: ExternalBroker, ingest: Arc<Ingest>, mut stop: watch::Receiver<bool>) {
    let broker = ExternalBroker { client_id: format!("{}{SUFFIX}", broker.client_id), ..broker };
    let mut filters = ingest.close.subscribe();
    let (mut pause, mut told) = (AGAIN, false);
    loop {
        let outcome = tokio::select! {
            outcome = listen(&broker, &ingest, &mut filters) => outcome,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        ingest.speaks_urgently(None);
        ingest.twice.near_is(false);
        (ingest.ear_stands().joined, ingest.ear_stands().refused) = (false, 0);
        let (was_there, why) = outcome;
        if was_there {
            (pause, told) = (AGAIN, false);
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(host = %broker.host, client = %broker.client_id, "the reflex has no link of its own: {why}");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// One connection; whether it was there, and why it ended.
async fn listen(
    broker: &ExternalBroker,
    ingest: &Arc<Ingest>,
    filters: &mut watch::Receiver<BTreeSet<String>>,
) -> (bool, String) {
    // Nobody to listen to: no connection is made for nothing.
    if filters.wait_for(|filters| !filters.is_empty()).await.is_err() {
        return (false, "the house stops".into());
    }
    let mut options = external::options(broker);
    options.set_clean_session(true);
    let (client, mut events) = AsyncClient::new(options, external::REQUESTS);
    let mut heard: BTreeSet<String> = BTreeSet::new();
    let mut there = false;
    let (joined, mut is_joined) = watch::channel(false);
    let hearing = async {
        // As on the first link: the client says nothing more, for good, where a broker does not acknowledge.
        let mut unacknowledged: BTreeMap<u16, tokio::time::Instant> = BTreeMap::new();
        loop {
            let event = match unacknowledged.values().min().map(|said| *said + UNACKNOWLEDGED) {
                None => events.poll().await,
                Some(by) => match tokio::time::timeout_at(by, events.poll()).await {
                    Ok(event) => event,
                    Err(_) => return "it does not acknowledge what is said to it".to_owned(),
                },
            };
            match event {
                Err(error) => return error.to_string(),
                Ok(Event::Outgoing(Outgoing::Publish(id) | Outgoing::AwaitAck(id))) if id > 0 => {
                    unacknowledged.entry(id).or_insert_with(tokio::time::Instant::now);
                }
                Ok(Event::Incoming(Incoming::PubAck(ack))) => drop(unacknowledged.remove(&ack.pkid)),
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    ingest.twice.near_is(true);
                    ingest.ear_stands().joined = true;
                    joined.send_replace(true);
                }
                Ok(Event::Incoming(Incoming::SubAck(suback))) => {
                    let failed = |code: &&SubscribeReasonCode| **code == SubscribeReasonCode::Failure;
                    let refused = suback.return_codes.iter().filter(failed).count();
                    if refused > 0 {
                        let before = ingest.ear_stands().refused;
                        ingest.ear_stands().refused = before + refused;
                        if before == 0 {
                            tracing::warn!(refused, "the home's broker does not let the reflex hear some devices");
                        }
                    }
                }
                // Only what is said now: what is replayed the first link hears too.
                Ok(Event::Incoming(Incoming::Publish(publish))) if !publish.retain => {
                    ingest.feel(&Arrival {
                        road: Road::External,
                        sender: &broker.client_id,
                        topic: &publish.topic,
                        payload: &publish.payload,
                        retained: false,
                        again: publish.dup,
                    });
                }
                Ok(_) => {}
            }
        }
    };
    let asking = async {
        if is_joined.wait_for(|joined| *joined).await.is_err() {
            return "the client has ended".to_owned();
        }
        there = true;
        tracing::info!(host = %broker.host, "the reflex has joined the home's broker by a link of its own");
        ingest.speaks_urgently(Some(client.clone()));
        loop {
            let wanted = filters.borrow_and_update().clone();
            let new: Vec<_> = wanted
                .difference(&heard)
                .map(|topic| rumqttc::SubscribeFilter::new(topic.clone(), QoS::AtMostOnce))
                .collect();
            for some in new.chunks(FILTERS_AT_ONCE) {
                if client.try_subscribe_many(some.to_vec()).is_err() {
                    return "the subscriptions could not be queued".to_owned();
                }
            }
            for topic in heard.difference(&wanted) {
                if client.try_unsubscribe(topic.clone()).is_err() {
                    return "the subscriptions could not be taken back".to_owned();
                }
            }
            heard = wanted;
            if filters.changed().await.is_err() {
                return "the house stops".to_owned();
            }
        }
    };
    let why = tokio::select! {
        why = hearing => why,
        why = asking => why,
    };
    (there, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_heard_closely_and_what_has_no_room_is_counted() {
        let topics = |n: usize| -> Vec<String> {
            let entity = |k: usize| format!("homeassistant/sensor/d{n}/e{k}/config");
            // Announced forty times over, and all of it speaks on two topics; one stands there twice.
            let state = [format!("d{n}/state"), format!("d{n}/alarm"), format!("d{n}/state")];
            (0..40).map(entity).chain(state).collect()
        };
        let devices: Vec<Vec<String>> = (0..100).map(topics).collect();
        let (heard, left_out) = filters(devices.iter().map(|device| device.iter()));
        assert_eq!(heard.len(), MAX_FILTERS);
        assert_eq!(left_out, 100 * 42 - MAX_FILTERS);
        assert!((0..100).all(|n| heard.contains(&format!("d{n}/alarm/#")) && heard.contains(&format!("d{n}/state/#"))));
        let few = [vec!["leak".to_owned(), "+/x".to_owned(), String::new()]];
        assert_eq!(filters(few.iter().map(|device| device.iter())), (BTreeSet::from(["leak/#".to_owned()]), 0));
    }
}
