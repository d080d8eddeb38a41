//! One device's connection: an outbox of its own in front of `rumqttc`, because that crate forgets what it holds when a
//! session is not resumed, and stalls on collisions. A message leaves the outbox at its PUBACK (QoS 1) or when written
//! (QoS 0). On any error client and loop are thrown away and built anew after a growing pause.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rumqttc::{AsyncClient, ConnectionError, Event, LastWill, MqttOptions, Outgoing, Packet, QoS, SubscribeReasonCode};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

/// `bridge/devices` of a large home does not fit into rumqttc's default of 10 KiB.
const PACKET_CAP_BYTES: usize = 2 * 1024 * 1024;
/// Handed to rumqttc and not yet acknowledged.
const OUTSTANDING: usize = 20;
/// The broker owes an acknowledgement longer than this: the connection is given up and everything sent again.
const ACK_PATIENCE: Duration = Duration::from_secs(20);
/// A broker that stays away for long does not fill the memory; what comes later is not kept.
const OUTBOX_CAP: usize = 100_000;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub client_id: String,
    pub username: String,
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &"***")
            .finish()
    }
}

/// How a device's connection fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkTruth {
    pub connected: bool,
    /// CONNACKs so far.
    pub connections: u64,
    /// QoS 1 publishes that the device wanted to make.
    pub published: u64,
    /// QoS 1 publishes with a PUBACK.
    pub acknowledged: u64,
    /// CONNACKs that said no.
    pub refused: u64,
    /// Subscriptions that the broker refused.
    pub filters_refused: u64,
    /// Publishes heard where it subscribed without having any business there.
    pub overheard: u64,
}

/// What changes on a connection when the device misbehaves.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    NoWill,
    ClientId(String),
    Subscribe(String),
    /// All of that is over.
    Honest,
}

#[derive(Debug, Clone)]
pub(crate) struct BrokerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl Message {
    pub(crate) fn once(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), qos: QoS::AtLeastOnce, retain: false }
    }

    pub(crate) fn retained(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { retain: true, ..Self::once(topic, payload) }
    }
}

pub(crate) struct LinkSettings {
    pub(crate) broker: BrokerAddress,
    pub(crate) credentials: Credentials,
    pub(crate) will: Option<Message>,
    pub(crate) subscriptions: Vec<String>,
    /// Sent after each CONNACK, before anything else.
    pub(crate) birth: Arc<dyn Fn() -> Vec<Message> + Send + Sync>,
}

/// What a device hears.
pub(crate) enum Heard {
    Command {
        topic: String,
        payload: Vec<u8>,
    },
    /// The broker has the message with this number.
    Acknowledged(u64),
}

enum Wish {
    Send(u64, Message),
    Reconnect(u32),
    Change(Change),
    Stop(oneshot::Sender<()>),
}

/// The device's end of the connection.
pub(crate) struct Link {
    wishes: mpsc::UnboundedSender<Wish>,
    truth: watch::Sender<LinkTruth>,
    next: u64,
    task: JoinHandle<()>,
}

impl Link {
    pub(crate) fn start(settings: LinkSettings) -> (Self, mpsc::UnboundedReceiver<Heard>) {
        let (wishes, wished) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::unbounded_channel();
        let truth = watch::Sender::new(LinkTruth::default());
        let driver = Driver {
            settings,
            wished,
            tell,
            truth: truth.clone(),
            outbox: VecDeque::new(),
            storm: 0,
            no_will: false,
            client_id: None,
            nosy: Vec::new(),
            goodbye: None,
        };
        let task = tokio::spawn(driver.run());
        (Self { wishes, truth, next: 0, task }, heard)
    }

    /// The number by which its acknowledgement is told.
    pub(crate) fn send(&mut self, message: Message) -> u64 {
        self.next += 1;
        if message.qos == QoS::AtLeastOnce {
            self.truth.send_modify(|truth| truth.published += 1);
        }
        // A closed channel means that the device is stopping.
        let _ = self.wishes.send(Wish::Send(self.next, message));
        self.next
    }

    pub(crate) fn reconnect(&self, times: u32) {
        let _ = self.wishes.send(Wish::Reconnect(times));
    }

    pub(crate) fn change(&self, change: Change) {
        let _ = self.wishes.send(Wish::Change(change));
    }

    pub(crate) fn watch(&self) -> watch::Receiver<LinkTruth> {
        self.truth.subscribe()
    }

    pub(crate) async fn stop(self) {
        let (done, gone) = oneshot::channel();
        let mut task = self.task;
        if self.wishes.send(Wish::Stop(done)).is_ok() {
            let _ = tokio::time::timeout(GOODBYE_PATIENCE, gone).await;
        }
        if tokio::time::timeout(GOODBYE_PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Driver {
    settings: LinkSettings,
    wished: mpsc::UnboundedReceiver<Wish>,
    tell: mpsc::UnboundedSender<Heard>,
    truth: watch::Sender<LinkTruth>,
    /// Oldest first. The first `handed` of a connection are with rumqttc.
    outbox: VecDeque<(u64, Message)>,
    /// Connections still to be dropped right after their CONNACK.
    storm: u32,
    no_will: bool,
    /// Another's.
    client_id: Option<String>,
    /// Filters beyond its business, subscribed at each connection.
    nosy: Vec<String>,
    goodbye: Option<oneshot::Sender<()>>,
}

enum End {
    Again,
    Stopped,
}

/// State of one connection, gone with it.
#[derive(Default)]
struct Connection {
    /// Given to rumqttc, not yet written: `None` is a birth message, which is not in the outbox.
    unwritten: VecDeque<Option<u64>>,
    by_packet_id: HashMap<u16, u64>,
    up: bool,
    handed: usize,
    /// Something left the outbox since this was looked at.
    settled: bool,
    /// So many of the filters beyond its business are subscribed to.
    nosy: usize,
}

impl Driver {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.truth.borrow().connections;
            if let End::Stopped = self.connect().await {
                break;
            }
            self.truth.send_modify(|truth| truth.connected = false);
            let lived = self.truth.borrow().connections > before;
            pause = if lived { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            let rest = tokio::time::sleep(pause);
            tokio::pin!(rest);
            loop {
                tokio::select! {
                    () = &mut rest => break,
                    wish = self.wished.recv() => if !self.take(wish) { return self.leave() },
                }
            }
        }
        self.leave();
    }

    fn leave(&mut self) {
        self.truth.send_modify(|truth| truth.connected = false);
        if let Some(done) = self.goodbye.take() {
            let _ = done.send(());
        }
    }

    /// `false`: stop.
    fn take(&mut self, wish: Option<Wish>) -> bool {
        match wish {
            Some(Wish::Send(number, message)) if self.outbox.len() < OUTBOX_CAP => {
                self.outbox.push_back((number, message))
            }
            Some(Wish::Send(..)) => tracing::debug!("a pretend device's outbox is full; a message is dropped"),
            Some(Wish::Reconnect(times)) => self.storm = self.storm.saturating_add(times),
            Some(Wish::Change(change)) => self.misbehave(change),
            Some(Wish::Stop(done)) => {
                self.goodbye = Some(done);
                return false;
            }
            None => return false,
        }
        true
    }

    /// What is said at CONNECT changes by a new connection.
    fn misbehave(&mut self, change: Change) {
        match change {
            Change::NoWill => self.no_will = true,
            Change::ClientId(other) => self.client_id = Some(other),
            Change::Subscribe(filter) => return self.nosy.push(filter),
            Change::Honest => {
                self.nosy.clear();
                if !std::mem::take(&mut self.no_will) & self.client_id.take().is_none() {
                    return;
                }
            }
        }
        self.storm = self.storm.max(1);
    }

    fn options(&self) -> MqttOptions {
        let Credentials { client_id, username, password } = &self.settings.credentials;
        let BrokerAddress { host, port } = &self.settings.broker;
        let mut options = MqttOptions::new(self.client_id.as_ref().unwrap_or(client_id), host, *port);
        options.set_max_packet_size(PACKET_CAP_BYTES, PACKET_CAP_BYTES);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_clean_session(true);
        if !username.is_empty() {
            options.set_credentials(username, password);
        }
        if let Some(will) = self.settings.will.as_ref().filter(|_| !self.no_will) {
            options.set_last_will(LastWill::new(&will.topic, will.payload.clone(), will.qos, will.retain));
        }
        options
    }

    async fn connect(&mut self) -> End {
        let (client, mut eventloop) = AsyncClient::new(self.options(), 256);
        let (events, mut happened) = mpsc::channel(64);
        // `poll` is not known to be cancel-safe, so it has a task of its own and is never an arm of a select.
        let poller = tokio::spawn(async move {
            loop {
                let event = eventloop.poll().await;
                let over = event.is_err();
                if events.send(event).await.is_err() || over {
                    break;
                }
            }
        });
        let mut connection = Connection::default();
        let mut progress = Instant::now();
        let end = loop {
            tokio::select! {
                () = tokio::time::sleep_until(progress + ACK_PATIENCE), if connection.handed > 0 => break End::Again,
                event = happened.recv() => match event {
                    Some(Ok(event)) => if !self.on_event(&client, &mut connection, event) { break End::Again },
                    Some(Err(error)) => {
                        if matches!(error, ConnectionError::ConnectionRefused(_)) {
                            self.truth.send_modify(|truth| truth.refused += 1);
                        }
                        tracing::debug!(%error, client = self.settings.credentials.client_id, "pretend device: offline");
                        break End::Again;
                    }
                    None => break End::Again,
                },
                wish = self.wished.recv() => {
                    if !self.take(wish) { break End::Stopped }
                    if self.storm > 0 && connection.up {
                        self.storm -= 1;
                        break End::Again;
                    }
                    if connection.up {
                        while let Some(filter) = self.nosy.get(connection.nosy) {
                            if client.try_subscribe(filter, QoS::AtLeastOnce).is_err() { break }
                            connection.nosy += 1;
                        }
                    }
                }
            }
            if connection.handed == 0 || connection.settled {
                progress = Instant::now();
                connection.settled = false;
            }
            self.hand_over(&client, &mut connection);
        };
        if matches!(end, End::Stopped) && connection.up && client.try_disconnect().is_ok() {
            // A goodbye is on the wire when the loop has written it; then the broker keeps its will to itself.
            let written = async {
                while let Some(Ok(event)) = happened.recv().await {
                    if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(GOODBYE_PATIENCE, written).await;
        }
        poller.abort();
        // The socket closes when the task is gone.
        let _ = poller.await;
        end
    }

    /// `false`: drop the connection.
    fn on_event(&mut self, client: &AsyncClient, connection: &mut Connection, event: Event) -> bool {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                connection.up = true;
                self.truth.send_modify(|truth| {
                    truth.connected = true;
                    truth.connections += 1;
                });
                if self.storm > 0 {
                    self.storm -= 1;
                    return false;
                }
                connection.nosy = self.nosy.len();
                for filter in self.settings.subscriptions.iter().chain(&self.nosy) {
                    if client.try_subscribe(filter, QoS::AtLeastOnce).is_err() {
                        return false;
                    }
                }
                for message in (self.settings.birth)() {
                    if publish(client, &message).is_err() {
                        return false;
                    }
                    connection.unwritten.push_back(None);
                }
            }
            Event::Outgoing(Outgoing::Publish(packet_id)) => {
                if let Some(Some(number)) = connection.unwritten.pop_front() {
                    if packet_id == 0 {
                        self.settle(connection, number);
                    } else {
                        connection.by_packet_id.insert(packet_id, number);
                    }
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                if let Some(number) = connection.by_packet_id.remove(&ack.pkid) {
                    self.truth.send_modify(|truth| truth.acknowledged += 1);
                    self.settle(connection, number);
                    let _ = self.tell.send(Heard::Acknowledged(number));
                }
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                let refused = ack.return_codes.iter().filter(|code| **code == SubscribeReasonCode::Failure).count();
                self.truth.send_modify(|truth| truth.filters_refused += refused as u64);
            }
            Event::Incoming(Packet::Publish(publish)) => {
                if !self.settings.subscriptions.iter().any(|filter| rumqttc::matches(&publish.topic, filter)) {
                    self.truth.send_modify(|truth| truth.overheard += 1);
                    return true;
                }
                let _ = self.tell.send(Heard::Command { topic: publish.topic, payload: publish.payload.to_vec() });
            }
            _ => {}
        }
        true
    }

    fn settle(&mut self, connection: &mut Connection, number: u64) {
        if let Some(at) = self.outbox.iter().position(|(held, _)| *held == number) {
            self.outbox.remove(at);
            connection.settled = true;
            connection.handed = connection.handed.saturating_sub(1);
        }
    }

    fn hand_over(&self, client: &AsyncClient, connection: &mut Connection) {
        while connection.up && connection.handed < OUTSTANDING {
            let Some((number, message)) = self.outbox.get(connection.handed) else { break };
            if publish(client, message).is_err() {
                break;
            }
            connection.unwritten.push_back(Some(*number));
            connection.handed += 1;
        }
    }
}

fn publish(client: &AsyncClient, message: &Message) -> Result<(), rumqttc::ClientError> {
    client.try_publish(&message.topic, message.qos, message.retain, message.payload.clone())
}
