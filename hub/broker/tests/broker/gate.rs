//! The owner in these tests: what it does with a message is written in the message's topic.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use domovoi_broker::{
    Absent, Admission, Broker, ConnectRefusal, ConnectRequest, Counters, Door, Durable, Ending, Forgetful, Gate,
    NotKept, Peer, Publish, Refusal, Resumed, Settings, Storage, Verdict,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::client::PATIENCE;

#[derive(Default)]
pub struct Log {
    pub connects: Vec<ConnectRequest>,
    /// Topic and payload of every publish offered, in order.
    pub offered: Vec<(String, String)>,
    pub overflowed: Vec<String>,
    pub endings: Vec<(String, Ending)>,
    /// Publishes under `slow/` that wait to be committed.
    pub commits: VecDeque<oneshot::Sender<Result<(), NotKept>>>,
}

/// `slow/…` waits for [`Rig::commit`]; `keep/…`, `deny/…`, `quota/…`, `bad/…`, `kick/…` get the verdict of their name;
/// everything else is forwarded at once. User `mallory` is not let in, client `hang` never gets an answer.
#[derive(Default)]
pub struct TestGate {
    log: Mutex<Log>,
    changed: Notify,
    pub revoke_subscriptions: AtomicBool,
}

impl TestGate {
    pub fn with<T>(&self, f: impl FnOnce(&mut Log) -> T) -> T {
        let result = f(&mut self.log.lock().unwrap());
        self.changed.notify_waiters();
        result
    }

    /// Waits until the log looks as wanted.
    pub async fn until(&self, mut wanted: impl FnMut(&Log) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if wanted(&self.log.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the gate sees what is expected");
    }
}

impl Gate for TestGate {
    type Access = ();

    async fn connect(&self, request: ConnectRequest) -> Result<(), ConnectRefusal> {
        let answer = match (&*request.client_id, request.username.as_deref()) {
            ("hang", _) => std::future::pending().await,
            (_, Some("mallory")) => Err(ConnectRefusal::BadCredentials),
            ("forbidden", _) => Err(ConnectRefusal::NotAuthorized),
            ("unavailable", _) => Err(ConnectRefusal::Unavailable),
            ("wrong id", _) => Err(ConnectRefusal::BadClientId),
            _ => Ok(()),
        };
        self.with(|log| log.connects.push(request));
        answer
    }

    fn publish(&self, _peer: &Peer<()>, publish: &Publish) -> Admission {
        let payload = String::from_utf8_lossy(&publish.payload).into_owned();
        self.with(|log| log.offered.push((publish.topic.to_string(), payload)));
        let verdict = match publish.topic.split('/').next() {
            Some("keep") => Verdict::Keep,
            Some("deny") => Verdict::Refuse(Refusal::NotAuthorized),
            Some("quota") => Verdict::Refuse(Refusal::QuotaExceeded),
            Some("bad") => Verdict::Refuse(Refusal::PayloadInvalid),
            Some("kick") => Verdict::Disconnect(Refusal::NotAuthorized),
            Some("panic") => panic!("a defect of the owner, on purpose"),
            _ => Verdict::Forward,
        };
        let durable = if publish.topic.starts_with("slow/") {
            let (sender, receiver) = oneshot::channel();
            self.with(|log| log.commits.push_back(sender));
            Durable::when(async { receiver.await.unwrap_or(Err(NotKept)) })
        } else {
            Durable::Now
        };
        Admission { verdict, durable }
    }

    fn overflow(&self, _peer: &Peer<()>, publish: &Publish) {
        self.with(|log| log.overflowed.push(String::from_utf8_lossy(&publish.payload).into_owned()));
    }

    fn subscribe(&self, _peer: &Peer<()>, filter: &str) -> bool {
        !filter.starts_with("deny/") && !self.revoke_subscriptions.load(Ordering::SeqCst)
    }

    /// Knows everybody but `stranger`.
    async fn recall(&self, absent: &Absent) -> Option<()> {
        (absent.client_id != "stranger").then_some(())
    }

    fn disconnected(&self, peer: &Peer<()>, ending: &Ending) {
        self.with(|log| log.endings.push((peer.client_id.clone(), *ending)));
    }
}

/// A broker that runs.
pub struct Rig {
    pub gate: Arc<TestGate>,
    pub broker: Broker<TestGate>,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub task: JoinHandle<()>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::resume(settings, Arc::new(Forgetful), Vec::new()).await.0
    }

    /// A broker behind another door than the plain one.
    pub async fn behind(settings: Settings, door: Door) -> Self {
        Self::open(settings, Arc::new(Forgetful), Vec::new(), door).await.0
    }

    /// A broker that goes on where `frames` end.
    pub async fn resume(settings: Settings, storage: Arc<dyn Storage>, frames: Vec<Vec<u8>>) -> (Self, Resumed) {
        Self::open(settings, storage, frames, Door::plain()).await
    }

    async fn open(settings: Settings, storage: Arc<dyn Storage>, frames: Vec<Vec<u8>>, door: Door) -> (Self, Resumed) {
        let gate = Arc::new(TestGate::default());
        let (broker, resumed) = Broker::resume(settings, gate.clone(), storage, frames);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its number");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = broker.clone();
        let task = tokio::spawn(async move {
            serving.serve_door(listener, door, async { stopped.await.unwrap_or(()) }).await;
        });
        (Self { gate, broker, address, stop: Some(stop), task }, resumed)
    }

    /// Resolves the oldest waiting commit.
    pub async fn commit(&self, result: Result<(), NotKept>) {
        self.gate.until(|log| !log.commits.is_empty()).await;
        let sender = self.gate.with(|log| log.commits.pop_front()).expect("a commit that waits");
        let _ = sender.send(result);
    }

    /// Waits until the counters look as wanted.
    pub async fn until(&self, wanted: impl Fn(&Counters) -> bool) {
        let wait = async {
            while !wanted(&self.broker.counters()) {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("never seen; the counters are {:?}", self.broker.counters());
        }
    }

    pub async fn stop(&mut self) {
        drop(self.stop.take());
        timeout(PATIENCE, &mut self.task).await.expect("the broker stops").expect("without a panic");
    }
}
