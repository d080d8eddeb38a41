//! The broker as its owner holds it: serve a listener, publish, look at what is retained, count, disconnect.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    carrier::{Reader, Writer},
    connection::Connection,
    counters::{Counters, count},
    door::{Door, Entered},
    gate::{Ending, Gate},
    handshake::{Arriving, handshake},
    message::{Message, Publish},
    places::{Displaced, OwnMachine, Place, Places},
    router::Router,
    settings::Settings,
    storage::{Forgetful, Storage},
    topic::{TopicError, check_name},
};

/// What all connections share.
pub(crate) struct Shared<G: Gate> {
    pub(crate) gate: Arc<G>,
    pub(crate) router: Router<G::Access>,
    pub(crate) orphaned_bytes: AtomicUsize,
    places: Places,
}

/// What a broker found in its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resumed {
    pub sessions: usize,
    pub retained: usize,
    pub queued: usize,
    /// Of clients that were connected, or whose will had not fallen due.
    pub wills: usize,
    /// Frames that are not what the broker writes; they were passed over.
    pub unreadable: usize,
}

/// An MQTT broker behind a gate. Cloning it clones the handle.
pub struct Broker<G: Gate> {
    shared: Arc<Shared<G>>,
}

impl<G: Gate> Clone for Broker<G> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<G: Gate> Broker<G> {
    pub fn new(settings: Settings, gate: Arc<G>) -> Self {
        Self::resume(settings, gate, Arc::new(Forgetful), Vec::new()).0
    }

    /// A broker that goes on where the log ends: `frames` are what the storage kept, oldest first.
    pub fn resume(
        settings: Settings,
        gate: Arc<G>,
        storage: Arc<dyn Storage>,
        frames: Vec<Vec<u8>>,
    ) -> (Self, Resumed) {
        let places = Places::new(settings.max_connections, settings.max_connections_per_address, OwnMachine::InAllOnly);
        let (router, mut resumed) = Router::resume(settings, storage, &frames);
        resumed.retained -= router.retain(|topic| gate.may_stay_retained(topic));
        let broker = Self { shared: Arc::new(Shared { gate, router, orphaned_bytes: AtomicUsize::new(0), places }) };
        (broker, resumed)
    }

    /// Serves whoever comes without TLS; see [`Broker::serve_door`].
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        self.serve_door(listener, Door::plain(), shutdown).await;
    }

    /// Serves clients until `shutdown` resolves, then says goodbye and returns when every connection is closed, or
    /// `stop_timeout` later. May be called for several listeners at once: they share sessions and limits.
    ///
    /// At a stop wills are not published, and nothing that was not acknowledged is waited for.
    pub async fn serve_door(&self, listener: TcpListener, door: Door, shutdown: impl Future<Output = ()>) {
        let door = Arc::new(door);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut house = tasks.spawn(self.shared.clone().keep_house(stopped.clone())).id();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
                // A finished task keeps its memory until it is collected.
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        count(&self.shared.router.tally.failed_tasks);
                        tracing::error!(%error, "a task failed; what it held is let go");
                        if error.id() == house {
                            // Half a broker is worse than none: sessions must go on expiring.
                            house = tasks.spawn(self.shared.clone().keep_house(stopped.clone())).id();
                        }
                    }
                    continue;
                }
            };
            match accepted {
                Ok((stream, address)) => {
                    let tally = &self.shared.router.tally;
                    let Some(place) = self.shared.places.take_arriving(address.ip()) else {
                        count(&tally.refused_sockets);
                        tracing::warn!(%address, "connection closed: as many are open as allowed");
                        continue;
                    };
                    count(&tally.accepted_sockets);
                    tasks.spawn(attend(self.shared.clone(), door.clone(), stream, address, stopped.clone(), place));
                }
                Err(error) => {
                    // Usually no file descriptor is left. Accepting again at once would spin.
                    tracing::error!(%error, "no connection can be accepted now; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(listener);
        let _ = stop.send(true);
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.shared.router.settings.stop_timeout, all).await.is_err() {
            tracing::warn!(left = tasks.len(), "connections did not close in time and are cut off");
            tasks.shutdown().await;
        }
    }

    /// Publishes from inside the owner, who has seen to its durability: retained if asked to, and sent to subscribers.
    /// Does not pass the gate; may use topics that begin with `$`.
    pub fn publish(&self, publish: Publish) -> Result<(), TopicError> {
        check_name(&publish.topic, self.shared.router.settings.max_topic_levels)?;
        self.shared.router.route([(Message::new(publish, None, Instant::now()), 0)]);
        Ok(())
    }

    pub fn retained(&self, topic: &str) -> Option<Publish> {
        self.shared.router.retained(topic)
    }

    pub fn counters(&self) -> Counters {
        self.shared.router.counters()
    }

    /// Closes the connections of an owner's clients ([`Gate::owner`]); their sessions stay. Returns how many there were.
    pub fn disconnect(&self, owner: Option<&str>) -> usize {
        self.shared.router.close(owner, Ending::Administrative)
    }

    /// The same, and their sessions end: the owner is none any more.
    pub fn forget(&self, owner: &str) -> usize {
        self.shared.router.forget(owner, Ending::Administrative)
    }
}

/// A connection from its first byte to its end. What its arrival needs lies in a box of its own, which is gone when the
/// client is let in: a task keeps room for the largest future in it for as long as it lives, and a connection lives long
/// in a phase that needs little.
fn attend<G: Gate>(
    shared: Arc<Shared<G>>,
    door: Arc<Door>,
    stream: TcpStream,
    address: SocketAddr,
    stop: watch::Receiver<bool>,
    place: (Place, Displaced),
) -> impl Future<Output = ()> + Send {
    let arriving = Box::pin(arrive(shared, door, stream, address, stop.clone(), place));
    async move {
        let arrived = arriving.await;
        if let Some((connection, reader, writer, place)) = arrived {
            connection.run(reader, writer, stop, place).await;
        }
    }
}

type Arrived<G> = (Box<Connection<G>>, Reader, Writer, Place);

/// From the socket to a session, within the connect timeout. None if there is nobody to talk to.
async fn arrive<G: Gate>(
    shared: Arc<Shared<G>>,
    door: Arc<Door>,
    stream: TcpStream,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
    (mut place, displaced): (Place, Displaced),
) -> Option<Arrived<G>> {
    // Answers are small and somebody waits for each. If it cannot be set, they are slower, no more.
    let _ = stream.set_nodelay(true);
    let let_in = tokio::select! {
        let_in = introduce(&shared, &door, stream, address) => let_in,
        Ok(()) = displaced => None,
        _ = stop.changed() => return None,
    };
    if !place.settle() {
        count(&shared.router.tally.failed_handshakes);
        tracing::info!(%address, "connection closed: it was slow to say who it is, and its place was wanted");
        return None;
    }
    let_in.map(|(connection, reader, writer)| (connection, reader, writer, place))
}

async fn introduce<G: Gate>(
    shared: &Arc<Shared<G>>,
    door: &Door,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<(Box<Connection<G>>, Reader, Writer)> {
    let settings = &shared.router.settings;
    let deadline = Instant::now() + settings.connect_timeout;
    // The upgrade to a WebSocket has its own bound in the library, which is 64 KiB.
    let allowance = settings.max_control_packet_bytes.saturating_add(80 << 10);
    let Entered { mut reader, mut writer, mut input, road, certificate } =
        match door.enter(stream, deadline, allowance).await {
            Ok(entered) => entered,
            Err(why) => {
                count(&shared.router.tally.failed_handshakes);
                tracing::info!(%address, "connection refused: {why}");
                return None;
            }
        };
    let arriving = Arriving { address, road, certificate, deadline };
    let admitted = handshake(shared, &mut reader, &mut writer, &mut input, arriving).await?;
    reader.let_in();
    // Boxed here: whoever holds what is admitted keeps room for it as long as the connection lives.
    Some((Box::new(Connection::new(shared.clone(), admitted, input)), reader, writer))
}
