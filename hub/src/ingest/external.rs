//! A broker that the home already has (Mosquitto, the one inside another system), joined through `rumqttc`.
//!
//! Delivery grade: at least once *from that broker's queue on*. What that broker acknowledged and then lost, in a crash
//! or past its queue limit, never reached us; the embedded broker makes the stronger promise. The traps of the client
//! are worked around here: one task owns the event loop and only polls; acknowledgements are manual, in order, after
//! the commit, and never cross a reconnect; after any error client and loop are built anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domovoi_adapters::Road;
use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, MqttOptions, Outgoing, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
    Transport,
};
use tokio::sync::{mpsc, watch};

use super::{Arrival, Commit, Ingest};

/// zigbee2mqtt's list of 300 devices is a megabyte; the client's default of 10 KiB breaks the connection for ever.
const MAX_PACKET: usize = 4 * 1024 * 1024;

/// As many messages as there are packet ids may wait for their commit, each without its payload: the socket is read on
/// while the disk is stalled, for pings and acknowledgements come on it, too. What may wait to be written is bounded by
/// the store.
const IN_FLIGHT: usize = 65_535;

/// As many as there are packet ids: an acknowledgement never waits for room, so that the loop and the acknowledger cannot
/// wait for each other when a broker without a window of its own replays a long queue.
pub(super) const REQUESTS: usize = 65_535;

/// How many filters are asked for in one packet.
pub(super) const FILTERS_AT_ONCE: usize = 64;

/// How long devices are waited for that are announced one after another.
const FOUND_TOGETHER: Duration = Duration::from_millis(200);

/// How much of what is said may be unacknowledged.
const INFLIGHT: u16 = 20;

/// A broker that has not acknowledged something for so long is joined anew: the client then never says anything again
/// (rumqttc 0.25 waits for a packet id that is taken, for good).
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
const SUBACK_TIMEOUT: Duration = Duration::from_secs(20);

const NOT_KEPT: &str = "a message could not be made durable; it will be sent again";

/// What could not be kept the broker sends again when it is joined again: not at once, since the disk is as full then, and
/// what else it has to say is read meanwhile.
const FIRST_KEPT_AGAIN: Duration = Duration::from_secs(5);
const LONGEST_KEPT_AGAIN: Duration = Duration::from_secs(300);

/// Where the broker is and how to get in.
#[derive(Clone)]
pub struct ExternalBroker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Stable: the broker keeps the session under it.
    pub client_id: String,
    /// User name and password, where the broker wants them.
    pub login: Option<(String, String)>,
    /// How often a ping is sent.
    pub keep_alive: Duration,
    /// TLS, where the broker speaks it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// How the link stands, and with it what may be promised about deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// No answer yet.
    #[default]
    Joining,
    /// Not connected; why, in a sentence.
    Down(String),
    /// Connected; the broker kept no session for us, so what came while we were away is lost.
    Fresh,
    /// Connected; the broker kept our session.
    Resumed,
}

/// Joins, and goes on joining until `stop` turns true. How the link stands is told to ingest, where `doctor` finds it.
pub async fn run(broker: ExternalBroker, ingest: Arc<Ingest>, mut stop: watch::Receiver<bool>) {
    let (mut backoff, mut unkept) = (FIRST_BACKOFF, FIRST_KEPT_AGAIN);
    loop {
        let outcome = tokio::select! {
            outcome = run_once(&broker, &ingest, &mut unkept) => outcome,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if matches!(ingest.external(), Standing::Fresh | Standing::Resumed) {
            backoff = FIRST_BACKOFF;
        }
        ingest.external_stands(Standing::Down(outcome.clone()));
        tracing::warn!(host = %broker.host, port = broker.port, "the home's broker cannot be used: {outcome}; trying again");
        let wait = backoff.mul_f64(0.5 + jitter());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// 0.0..1.0, so that a street of hubs does not come back in one instant after a power cut.
fn jitter() -> f64 {
    let mut byte = [0u8; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 256.0,
        Err(_) => 0.5,
    }
}

/// What both links have in common.
pub(super) fn options(broker: &ExternalBroker) -> MqttOptions {
    let mut options = MqttOptions::new(&broker.client_id, &broker.host, broker.port);
    options.set_keep_alive(broker.keep_alive);
    options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
    options.set_inflight(INFLIGHT);
    if let Some((username, password)) = &broker.login {
        options.set_credentials(username, password);
    }
    if let Some(tls) = &broker.tls {
        options.set_transport(Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(Arc::clone(tls))));
    }
    options
}

/// One connection, from CONNECT to its end. Returns why it ended.
async fn run_once(broker: &ExternalBroker, ingest: &Arc<Ingest>, unkept: &mut Duration) -> String {
    let mut options = options(broker);
    options.set_clean_session(false);
    options.set_manual_acks(true);
    let (client, events) = AsyncClient::new(options, REQUESTS);
    let (offer, offered) = mpsc::channel(IN_FLIGHT);
    // Both end with the connection: acks of this one must not reach the next, where packet ids mean something else.
    // The loop is not cancelled in the middle of a packet and used again: after either ends it is thrown away.
    let (granted, is_granted) = watch::channel(false);
    let outcome = tokio::select! {
        why = poll(broker, ingest, &client, events, offer, &granted) => why,
        why = listen(ingest, &client, is_granted) => why,
        () = acknowledge(ingest, client.clone(), offered, unkept) => NOT_KEPT.into(),
    };
    ingest.speaks_out(None);
    outcome
}

async fn poll(
    broker: &ExternalBroker,
    ingest: &Arc<Ingest>,
    client: &AsyncClient,
    mut events: EventLoop,
    offer: mpsc::Sender<Offer>,
    granted: &watch::Sender<bool>,
) -> String {
    let mut wanted = 0usize;
    // Told once the subscriptions are granted: before that nothing is heard, and a broker that refuses them every time
    // must not be asked every second.
    let mut standing = Standing::Joining;
    let mut suback_by: Option<tokio::time::Instant> = None;
    let mut unacknowledged: BTreeMap<u16, tokio::time::Instant> = BTreeMap::new();
    loop {
        let acknowledged_by = unacknowledged.values().min().map(|said| *said + UNACKNOWLEDGED);
        let by = suback_by.into_iter().chain(acknowledged_by).min();
        // Cut off in the middle of a packet the loop is thrown away and not polled again.
        let event = match by {
            None => events.poll().await,
            Some(by) => match tokio::time::timeout_at(by, events.poll()).await {
                Ok(event) => event,
                Err(_) if suback_by == Some(by) => return "it did not answer the subscription".into(),
                Err(_) => return "it does not acknowledge what is said to it".into(),
            },
        };
        match event {
            Err(error) => return error.to_string(),
            Ok(Event::Outgoing(Outgoing::Publish(id) | Outgoing::AwaitAck(id))) if id > 0 => {
                unacknowledged.entry(id).or_insert_with(tokio::time::Instant::now);
            }
            Ok(Event::Incoming(Incoming::PubAck(ack))) => {
                unacknowledged.remove(&ack.pkid);
            }
            Ok(Event::Incoming(Incoming::ConnAck(connack))) => {
                if !connack.session_present {
                    ingest.twice.begins_anew();
                }
                standing = if connack.session_present { Standing::Resumed } else { Standing::Fresh };
                tracing::info!(host = %broker.host, resumed = connack.session_present, "joined the home's broker");
                // Asked for even when the session is there: a setting may have changed since, and it replays retained
                // messages, which is how the list of devices comes back after our own restart.
                for topic in &ingest.base_topics {
                    if client.try_subscribe(topic, QoS::AtLeastOnce).is_err() {
                        return format!("the subscription to {topic} could not be queued");
                    }
                    wanted += 1;
                }
                suback_by = (wanted > 0).then(|| tokio::time::Instant::now() + SUBACK_TIMEOUT);
            }
            // What was asked for later, for one device: the others are heard all the same.
            Ok(Event::Incoming(Incoming::SubAck(suback))) if wanted == 0 => {
                let refused = suback.return_codes.iter().filter(|code| **code == SubscribeReasonCode::Failure).count();
                if refused > 0 {
                    tracing::warn!(
                        refused,
                        "the home's broker does not let us hear some devices: check what its user may read"
                    );
                }
            }
            Ok(Event::Incoming(Incoming::SubAck(suback))) => {
                if suback.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return "it refused a subscription: check what its user may read".into();
                }
                wanted = wanted.saturating_sub(1);
                if wanted == 0 {
                    suback_by = None;
                    ingest.external_stands(standing.clone());
                    ingest.speaks_out(Some(client.clone()));
                    ingest.greet(Road::External);
                    granted.send_replace(true);
                }
            }
            Ok(Event::Incoming(Incoming::Publish(publish))) => {
                let commit = ingest.take(Arrival {
                    road: Road::External,
                    sender: &broker.client_id,
                    topic: &publish.topic,
                    payload: &publish.payload,
                    retained: publish.retain,
                    again: publish.dup,
                });
                if publish.qos != QoS::AtMostOnce {
                    let mark = ingest.twice.waits(&publish.topic, &publish.payload);
                    // The acknowledgement wants the number and the quality.
                    let stub = Publish { payload: Default::default(), topic: String::new(), ..publish };
                    if offer.send(Offer { stub, commit, mark }).await.is_err() {
                        return NOT_KEPT.into();
                    }
                }
            }
            Ok(_) => {}
        }
    }
}

/// Subscribes to what devices say that they speak on, as they are found, and lets go of what nobody speaks on any more.
async fn listen(ingest: &Arc<Ingest>, client: &AsyncClient, mut granted: watch::Receiver<bool>) -> String {
    const GONE: &str = "the client has ended";
    if granted.wait_for(|granted| *granted).await.is_err() {
        return GONE.into();
    }
    let mut learnt = ingest.learnt.subscribe();
    let mut heard: BTreeSet<String> = ingest.base_topics.iter().cloned().collect();
    loop {
        learnt.borrow_and_update();
        let wanted: BTreeSet<String> = ingest.topics().into_iter().collect();
        let new: Vec<SubscribeFilter> =
            wanted.difference(&heard).map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce)).collect();
        for some in new.chunks(FILTERS_AT_ONCE) {
            if client.subscribe_many(some.to_vec()).await.is_err() {
                return GONE.into();
            }
        }
        for topic in heard.difference(&wanted) {
            if client.unsubscribe(topic.clone()).await.is_err() {
                return GONE.into();
            }
        }
        heard = wanted;
        if learnt.changed().await.is_err() {
            return GONE.into();
        }
        // A home is announced device by device; the list of its topics is made once for many of them.
        tokio::time::sleep(FOUND_TOGETHER).await;
    }
}

/// A message that waits to be acknowledged.
struct Offer {
    stub: Publish,
    commit: Option<Commit>,
    /// By which it is known that it was brought already.
    mark: u64,
}

/// Acknowledges in the order of arrival (MQTT 4.6.0-2), each after its commit. Nothing is acknowledged after the first that
/// is not kept; what comes is read on for a while, then the connection is dropped and the broker sends everything that is
/// unacknowledged again. `unkept` grows with each time in a row.
async fn acknowledge(ingest: &Ingest, client: AsyncClient, mut offered: mpsc::Receiver<Offer>, unkept: &mut Duration) {
    while let Some(Offer { stub, commit, mark }) = offered.recv().await {
        if let Some(commit) = commit
            && commit.await.is_err()
        {
            let pause = *unkept;
            *unkept = (pause * 2).min(LONGEST_KEPT_AGAIN);
            tracing::warn!(again_in_s = pause.as_secs(), "{NOT_KEPT}; nothing is acknowledged until then");
            let read_on = async { while offered.recv().await.is_some() {} };
            // Whichever ends first: without the loop there is nothing to read.
            let _ = tokio::time::timeout(pause, read_on).await;
            return;
        }
        *unkept = FIRST_KEPT_AGAIN;
        if client.ack(&stub).await.is_err() {
            return;
        }
        ingest.twice.acknowledged(mark);
    }
}
