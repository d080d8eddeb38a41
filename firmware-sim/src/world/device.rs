//! What every pretend device does alike: tick, obey knobs and faults, hear commands, count acknowledgements, show its
//! truth. What it says is the business of each `Body`.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    faults::{Fault, Faults, Ghost, Now},
    link::{Change, Heard, Link, LinkTruth, Message},
    pause,
};

pub(crate) trait Body: Send + 'static {
    type Knob: Send + 'static;
    type Truth: Clone + Send + Sync + 'static;

    /// Time has passed: registers go on.
    fn advance(&mut self);
    /// Says the present state.
    fn publish(&mut self, faults: &mut Faults, link: &mut Link);
    /// The broker greeted us, the first time or again.
    fn connected(&mut self, faults: &mut Faults, link: &mut Link);
    fn turn(&mut self, knob: Self::Knob, faults: &mut Faults, link: &mut Link);
    fn heard(&mut self, topic: &str, payload: &[u8], faults: &mut Faults, link: &mut Link);
    fn acknowledged(&mut self, number: u64);
    /// When something that was begun goes on by itself: an order that takes its time, a shutter on its way.
    fn next_due(&self) -> Option<Instant> {
        None
    }
    /// It is that time.
    fn due(&mut self, _faults: &mut Faults, _link: &mut Link) {}
    /// Commands that somebody careless left on the broker, retained, and the discovery of a device that is no more.
    fn ghosts(&self, _ghost: Ghost) -> Vec<Message> {
        Vec::new()
    }
    fn truth(&self, link: LinkTruth) -> Self::Truth;
}

enum Wish<K> {
    Interval(Option<Duration>),
    Publish,
    Fault(Fault),
    ClearFaults,
    Knob(K),
    Stop(oneshot::Sender<()>),
}

pub(crate) struct Handle<K, T> {
    wishes: mpsc::UnboundedSender<Wish<K>>,
    truth: watch::Receiver<T>,
    task: JoinHandle<()>,
}

impl<K: Send + 'static, T: Clone + Send + Sync + 'static> Handle<K, T> {
    pub(crate) fn start(
        body: impl Body<Knob = K, Truth = T>,
        interval: Option<Duration>,
        (link, heard): (Link, mpsc::UnboundedReceiver<Heard>),
    ) -> Self {
        let (wishes, wished) = mpsc::unbounded_channel();
        let show = watch::Sender::new(body.truth(LinkTruth::default()));
        let truth = show.subscribe();
        let task = tokio::spawn(run(body, interval, link, heard, wished, show));
        Self { wishes, truth, task }
    }

    pub(crate) fn truth(&self) -> T {
        self.truth.borrow().clone()
    }

    /// Resolves when the truth is so, at once if it is already.
    pub(crate) async fn wait_until(&self, mut condition: impl FnMut(&T) -> bool) -> T {
        let mut truth = self.truth.clone();
        let found = truth.wait_for(|truth| condition(truth)).await.map(|truth| truth.clone());
        found.unwrap_or_else(|_| self.truth())
    }

    // A closed channel below means that the device is stopping: nothing left to tell it.

    pub(crate) fn knob(&self, knob: K) {
        let _ = self.wishes.send(Wish::Knob(knob));
    }

    pub(crate) fn set_interval(&self, interval: Option<Duration>) {
        let _ = self.wishes.send(Wish::Interval(interval));
    }

    pub(crate) fn publish_now(&self) {
        let _ = self.wishes.send(Wish::Publish);
    }

    pub(crate) fn fault(&self, fault: Fault) {
        let _ = self.wishes.send(Wish::Fault(fault));
    }

    pub(crate) fn clear_faults(&self) {
        let _ = self.wishes.send(Wish::ClearFaults);
    }

    pub(crate) async fn stop(self) {
        let (done, gone) = oneshot::channel();
        if self.wishes.send(Wish::Stop(done)).is_ok() {
            let _ = gone.await;
        }
        let _ = self.task.await;
    }
}

async fn run<B: Body>(
    mut body: B,
    mut interval: Option<Duration>,
    mut link: Link,
    mut heard: mpsc::UnboundedReceiver<Heard>,
    mut wished: mpsc::UnboundedReceiver<Wish<B::Knob>>,
    show: watch::Sender<B::Truth>,
) {
    let mut fares = link.watch();
    let mut faults = Faults::default();
    let mut greeted = 0;
    let mut tick = Box::pin(pause(interval));
    loop {
        let next_due = body.next_due();
        tokio::select! {
            () = until(next_due) => body.due(&mut faults, &mut link),
            () = &mut tick => {
                tick.set(pause(interval));
                body.advance();
                if !faults.silent {
                    body.publish(&mut faults, &mut link);
                }
            }
            changed = fares.changed() => {
                let now = *fares.borrow_and_update();
                if now.connections > greeted && !faults.silent {
                    body.connected(&mut faults, &mut link);
                }
                greeted = now.connections;
                if changed.is_err() {
                    break;
                }
            }
            word = heard.recv() => match word {
                Some(Heard::Acknowledged(number)) => body.acknowledged(number),
                Some(Heard::Command { topic, payload }) => body.heard(&topic, &payload, &mut faults, &mut link),
                None => break,
            },
            wish = wished.recv() => match wish {
                Some(Wish::Interval(new)) => {
                    interval = new;
                    tick.set(pause(interval));
                }
                Some(Wish::Publish) => {
                    if !faults.silent {
                        body.publish(&mut faults, &mut link);
                    }
                }
                Some(Wish::Fault(fault)) => match faults.begin(fault) {
                    Now::Nothing => {}
                    Now::Publish(times) => (0..times).for_each(|_| body.publish(&mut faults, &mut link)),
                    Now::Reconnect(times) => link.reconnect(times),
                    Now::Change(change) => link.change(change),
                    Now::Say(message) => {
                        link.send(message);
                    }
                    Now::Haunt(ghost) => {
                        for message in body.ghosts(ghost) {
                            link.send(message);
                        }
                    }
                },
                Some(Wish::ClearFaults) => {
                    faults = Faults::default();
                    link.change(Change::Honest);
                }
                Some(Wish::Knob(knob)) => body.turn(knob, &mut faults, &mut link),
                Some(Wish::Stop(done)) => {
                    link.stop().await;
                    let _ = done.send(());
                    return;
                }
                None => break,
            },
        }
        let fares = *fares.borrow();
        show.send_replace(body.truth(fares));
    }
    link.stop().await;
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Sends, and remembers which value waits for its acknowledgement.
pub(crate) struct Register {
    waiting: Vec<(u64, String)>,
    pub(crate) last_published: Option<String>,
    pub(crate) acknowledged: Vec<String>,
}

/// Enough for every test; a demo of weeks forgets the oldest.
const ACKNOWLEDGED_KEPT: usize = 10_000;
const WAITING_KEPT: usize = 100_000;

impl Register {
    pub(crate) fn new() -> Self {
        Self { waiting: Vec::new(), last_published: None, acknowledged: Vec::new() }
    }

    pub(crate) fn send(&mut self, link: &mut Link, message: Message, value: Option<String>) {
        let number = link.send(message);
        if let Some(value) = value {
            self.last_published = Some(value.clone());
            self.waiting.push((number, value));
            // The link keeps no more either.
            if self.waiting.len() > WAITING_KEPT {
                self.waiting.remove(0);
            }
        }
    }

    pub(crate) fn acknowledged(&mut self, number: u64) {
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == number) {
            let (_, value) = self.waiting.remove(at);
            self.acknowledged.push(value);
            if self.acknowledged.len() > ACKNOWLEDGED_KEPT {
                self.acknowledged.remove(0);
            }
        }
    }
}
