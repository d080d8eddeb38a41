//! A second, small link to the broker that a home already has: what warns of danger and what answers it is heard there a
//! second time, at QoS 0, and what the reflex says goes out there first.
//!
//! The first link acknowledges after the commit, and a broker of others stops sending when so many messages are not
//! acknowledged (Mosquitto: `max_inflight_messages`, 20): on a stalled disk, or in a flood, a leak would wait there behind
//! telemetry. Nothing is acknowledged here, so nothing waits. Nothing that is heard here is recorded either: it is looked
//! at and felt, and the first link brings it again. A danger that is felt twice is one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domovoi_adapters::Road;
use domovoi_model::DeviceRef;
use rumqttc::{AsyncClient, Event, Incoming, QoS};
use tokio::sync::watch;

use super::external::{self, ExternalBroker, FILTERS_AT_ONCE};
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
        let filter = |topic: &String| (!topic.is_empty() && !topic.contains(['#', '+'])).then(|| format!("{topic}/#"));
        let known = devices.iter().filter_map(|device| directory.known(device));
        let topics = known.flat_map(|known| known.speaks.iter().chain(&known.shares));
        // A filter with `/#` at its end has what is above it, too (MQTT 4.7.1.2).
        let filters: BTreeSet<String> = topics.filter_map(filter).take(MAX_FILTERS).collect();
        drop(directory);
        self.close.send_if_modified(|before| {
            let differs = *before != filters;
            if differs {
                *before = filters;
            }
            differs
        });
    }
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
        loop {
            match events.poll().await {
                Err(error) => return error.to_string(),
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    joined.send_replace(true);
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
