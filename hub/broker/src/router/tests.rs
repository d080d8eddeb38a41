//! The log against the state it describes: replayed it gives what the router had in memory, and so does a rewrite made
//! at any moment with what was appended behind it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::*;
use crate::{
    gate::Durable,
    message::Message,
    outbox::{Held, Outgoing},
    pending::{Entry, Plan, Receipt},
    storage::Rewritten,
};

#[derive(Default)]
struct Paper(Mutex<Sheets>);

#[derive(Default)]
struct Sheets {
    /// Everything ever appended.
    frames: Vec<Vec<u8>>,
    rewritten: Option<(usize, Vec<Vec<u8>>)>,
}

impl Storage for Paper {
    fn append(&self, frame: Vec<u8>) -> u64 {
        let mut sheets = self.0.lock().unwrap();
        sheets.frames.push(frame);
        sheets.frames.len() as u64
    }

    fn settled(&self) -> Durable {
        Durable::Now
    }

    fn rewrite(&self, up_to: u64, _whole_to: u64, frames: Vec<Vec<u8>>) -> Rewritten {
        self.0.lock().unwrap().rewritten = Some((up_to as usize, frames));
        Box::pin(std::future::ready(Ok(())))
    }

    fn first_lost(&self) -> Option<u64> {
        None
    }

    fn now_millis(&self) -> Option<i64> {
        Some(1_000_000)
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Attach { client: usize, clean: bool, lasting: bool, will: bool },
    Detach { client: usize, politely: bool },
    Subscribe { client: usize, filter: usize, qos: u8 },
    Unsubscribe { client: usize, filter: usize },
    Publish { client: usize, topic: usize, qos: u8, retain: bool, empty: bool },
    Settle { which: usize, kept: bool },
    Owner { topic: usize, qos: u8, retain: bool },
    Pull { client: usize, room: usize },
    Acknowledge { client: usize, which: usize },
    Release { client: usize, id: u16 },
}

const FILTERS: [&str; 5] = ["a", "+", "a/#", "$share/g/#", "b/+"];
const TOPICS: [&str; 4] = ["a", "a/b", "b/c", "b"];

fn a_deed() -> impl Strategy<Value = Deed> {
    let client = || 0..3usize;
    let flag = any::<bool>;
    prop_oneof![
        2 => (client(), prop::bool::weighted(0.2), prop::bool::weighted(0.8), flag())
            .prop_map(|(client, clean, lasting, will)| Deed::Attach { client, clean, lasting, will }),
        2 => (client(), flag()).prop_map(|(client, politely)| Deed::Detach { client, politely }),
        3 => (client(), 0..FILTERS.len(), 0..3u8)
            .prop_map(|(client, filter, qos)| Deed::Subscribe { client, filter, qos }),
        1 => (client(), 0..FILTERS.len()).prop_map(|(client, filter)| Deed::Unsubscribe { client, filter }),
        6 => (client(), 0..TOPICS.len(), 0..3u8, flag(), prop::bool::weighted(0.2)).prop_map(
            |(client, topic, qos, retain, empty)| Deed::Publish { client, topic, qos, retain, empty }
        ),
        5 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(which, kept)| Deed::Settle { which, kept }),
        1 => (0..TOPICS.len(), 0..3u8, flag()).prop_map(|(topic, qos, retain)| Deed::Owner { topic, qos, retain }),
        4 => (client(), 1..3000usize).prop_map(|(client, room)| Deed::Pull { client, room }),
        4 => (client(), any::<usize>()).prop_map(|(client, which)| Deed::Acknowledge { client, which }),
        2 => (client(), 1..4u16).prop_map(|(client, id)| Deed::Release { client, id }),
    ]
}

/// A router with its clients, and the messages that were read and wait for their fate.
struct World {
    paper: Arc<Paper>,
    router: Router<()>,
    claims: BTreeMap<usize, (Claim, bool)>,
    waiting: Vec<(Claim, Entry)>,
    payload: u32,
    /// The last QoS 2 id that was used.
    ids: u16,
}

impl World {
    fn new() -> Self {
        let paper = Arc::new(Paper::default());
        let router = Router::new(settings(), paper.clone());
        Self { paper, router, claims: BTreeMap::new(), waiting: Vec::new(), payload: 0, ids: 0 }
    }

    fn message(&mut self, topic: usize, qos: u8, retain: bool, empty: bool) -> Publish {
        self.payload += 1;
        let payload = if empty { String::new() } else { self.payload.to_string() };
        let publish = Publish::new(TOPICS[topic], payload).with_qos(QoS::try_from(qos).unwrap());
        if retain { publish.retained() } else { publish }
    }

    fn perform(&mut self, deed: &Deed) {
        match *deed {
            Deed::Attach { client, clean, lasting, will } => {
                let client_id = format!("client {client}");
                let will = will.then(|| {
                    Box::new(Will {
                        publish: self.message(0, 1, false, false),
                        delay: Duration::from_secs(5),
                        speaker: Speaker::Absent(crate::gate::Absent {
                            client_id: client_id.clone(),
                            username: None,
                            address: ([127, 0, 0, 1], 1).into(),
                            protocol: crate::gate::Protocol::V5,
                        }),
                        number: 0,
                    })
                });
                let expiry = Duration::from_secs(if lasting { 1000 } else { 0 });
                let arrival = Arrival {
                    identity: Identity { owner: None, client_id: client_id.into() },
                    clean_start: clean,
                    expiry,
                    window: 3,
                    will,
                };
                let Ok(attached) = self.router.attach(arrival) else { panic!("there is room") };
                self.claims.insert(client, (attached.claim, attached.logged));
            }
            Deed::Detach { client, politely } => {
                if let Some((claim, _)) = self.claims.remove(&client) {
                    let ending = if politely { Ending::Disconnected { will: false } } else { Ending::Lost };
                    if let Some(will) = self.router.detach(&claim, &ending, None) {
                        self.router.drop_will(will.number);
                    }
                }
            }
            Deed::Subscribe { client, filter, qos } => {
                if let Some((claim, _)) = self.claims.get(&client) {
                    let qos = QoS::try_from(qos).unwrap();
                    let subscription =
                        Subscription { qos, no_local: false, retain_as_published: true, identifier: None };
                    self.router.subscribe(claim, &FILTERS[filter].into(), subscription, RetainHandling::Send);
                }
            }
            Deed::Unsubscribe { client, filter } => {
                if let Some((claim, _)) = self.claims.get(&client) {
                    self.router.unsubscribe(claim, FILTERS[filter]);
                }
            }
            Deed::Publish { client, topic, qos, retain, empty } => {
                let publish = self.message(topic, qos, retain, empty);
                let Some((claim, logged)) = self.claims.get(&client).cloned() else { return };
                let mut taken = None;
                let mut receipt = Receipt::None;
                if qos == 2 {
                    self.ids = self.ids % 5 + 1;
                    if self.router.begin_qos2(&claim, self.ids) != Begun::New {
                        return;
                    }
                    receipt = Receipt::PubRec { id: self.ids, refusal: None };
                    taken = logged.then_some((claim.session, self.ids));
                }
                let plan = if taken.is_some() || self.router.needs_plan(&publish) {
                    Plan::Wanted { taken }
                } else {
                    Plan::Number(0)
                };
                let forward = Some(Message::new(publish, Some(claim.session), Instant::now()));
                let mut entry = Entry { receipt, forward, durable: Durable::Now, plan, bytes: 0 };
                self.router.plan(std::iter::once(&mut entry));
                self.waiting.push((claim, entry));
            }
            Deed::Settle { which, kept } => {
                if !self.waiting.is_empty() {
                    let (claim, entry) = self.waiting.remove(which % self.waiting.len());
                    self.settle(&claim, entry, kept);
                }
            }
            Deed::Owner { topic, qos, retain } => {
                let publish = self.message(topic, qos, retain, false);
                self.router.route([(Message::new(publish, None, Instant::now()), 0)]);
            }
            Deed::Pull { client, room } => {
                if let Some((claim, _)) = self.claims.get(&client) {
                    let mut out = Vec::<Outgoing>::new();
                    self.router.pull(claim, room, &mut out);
                }
            }
            Deed::Acknowledge { client, which } => {
                let Some((claim, _)) = self.claims.get(&client) else { return };
                let acknowledgement = {
                    let state = self.router.lock();
                    let Some(session) = state.sessions.get(&claim.session) else { return };
                    let due: Vec<_> = session
                        .outbox
                        .held()
                        .filter_map(|held| match held {
                            Held::Queued(_) => None,
                            Held::Releasing { id, .. } => Some(Acknowledgement::PubComp(id)),
                            Held::InFlight { id, delivery } if delivery.qos == QoS::ExactlyOnce => {
                                Some(Acknowledgement::PubRec { id, accepted: true })
                            }
                            Held::InFlight { id, .. } => Some(Acknowledgement::PubAck(id)),
                        })
                        .collect();
                    if due.is_empty() {
                        return;
                    }
                    due[which % due.len()]
                };
                self.router.acknowledge(claim, acknowledgement);
            }
            Deed::Release { client, id } => {
                if let Some((claim, _)) = self.claims.get(&client) {
                    self.router.release_qos2(claim, id);
                }
            }
        }
    }

    fn settle(&mut self, claim: &Claim, entry: Entry, kept: bool) {
        let number = match entry.plan {
            Plan::Number(number) => number,
            Plan::Wanted { .. } => unreachable!("it was planned"),
        };
        if let Receipt::PubRec { id, .. } = entry.receipt {
            self.router.settle_qos2(claim, id, kept);
        }
        match entry.forward {
            Some(message) if kept => self.router.route([(message, number)]),
            _ => self.router.cancel(number),
        }
    }

    fn frames(&self) -> Vec<Vec<u8>> {
        self.router.flush();
        self.paper.0.lock().unwrap().frames.clone()
    }
}

fn settings() -> Settings {
    Settings { queue_messages_per_session: 6, retained_bytes: 1 << 20, ..Settings::default() }
}

/// What outlives the process, in an order of its own.
#[derive(Debug, PartialEq)]
struct Lasting {
    sessions: BTreeMap<String, LastingSession>,
    retained: BTreeMap<String, String>,
    wills: Vec<String>,
}

#[derive(Debug, PartialEq)]
struct LastingSession {
    filters: BTreeMap<String, u8>,
    /// By number; what is in flight at QoS 1 is as good as queued.
    messages: BTreeMap<u64, (String, u8, bool)>,
    exchanges: Vec<(u16, Option<String>)>,
    incoming: BTreeMap<u16, ()>,
    cursors: Vec<(String, Option<String>)>,
}

fn text(message: &Message) -> String {
    String::from_utf8(message.publish.payload.to_vec()).unwrap()
}

fn lasting(router: &Router<()>) -> Lasting {
    let state = router.lock();
    let mut sessions = BTreeMap::new();
    for session in state.sessions.values().filter(|session| session.logged) {
        let mut messages = BTreeMap::new();
        let mut exchanges = Vec::new();
        for held in session.outbox.held() {
            match held {
                Held::Releasing { id, .. } => exchanges.push((id, None)),
                Held::InFlight { id, delivery } if delivery.qos == QoS::ExactlyOnce => {
                    exchanges.push((id, Some(text(&delivery.message))));
                }
                Held::InFlight { delivery, .. } | Held::Queued(delivery) if delivery.qos != QoS::AtMostOnce => {
                    let (text, qos) = (text(&delivery.message), u8::from(delivery.qos));
                    let before = messages.insert(delivery.number, (text, qos, delivery.retain));
                    assert!(delivery.number != 0 && before.is_none());
                }
                Held::InFlight { .. } | Held::Queued(_) => {}
            }
        }
        let received = session.incoming.iter().filter(|(_, state)| **state == crate::session::Incoming2::Received);
        let lasting = LastingSession {
            filters: session.subscriptions.iter().map(|(f, s)| (f.to_string(), u8::from(s.qos))).collect(),
            messages,
            exchanges,
            incoming: received.map(|(id, _)| (*id, ())).collect(),
            cursors: session
                .cursors
                .iter()
                .map(|c| (c.filter.to_string(), c.after().map(ToString::to_string)))
                .collect(),
        };
        sessions.insert(session.identity.client_id.to_string(), lasting);
    }
    let retained = state.retained.all().into_iter().map(|(_, m)| (m.publish.topic.to_string(), text(&m))).collect();
    let wills = state.wills.values().map(|will| String::from_utf8_lossy(&will.publish.payload).into_owned()).collect();
    Lasting { sessions, retained, wills }
}

fn replayed(frames: &[Vec<u8>]) -> Lasting {
    let (router, found) = Router::resume(settings(), Arc::new(Paper::default()), frames);
    assert_eq!(found.unreadable, 0);
    lasting(&router)
}

fn cases() -> u32 {
    if std::env::var_os("DOMOVOI_FULL").is_some() { 5000 } else { 100 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn the_log_tells_what_the_router_knows(
        deeds in prop::collection::vec(a_deed(), 1..80),
        rewrite_at in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            let rewrite_at = rewrite_at.index(deeds.len());
            for (at, deed) in deeds.iter().enumerate() {
                if at == rewrite_at {
                    world.router.rewrite().await.unwrap();
                }
                world.perform(deed);
            }
            // The log as it is, and as it would be had the rewrite taken the place of what it describes.
            let short = |world: &World| {
                let frames = world.frames();
                let (up_to, base) = world.paper.0.lock().unwrap().rewritten.clone().unwrap();
                base.into_iter().chain(frames[up_to..].iter().cloned()).collect::<Vec<_>>()
            };
            let whole = replayed(&world.frames());
            assert_eq!(replayed(&short(&world)), whole);
            // With every fate decided, memory says the same.
            for (claim, entry) in std::mem::take(&mut world.waiting) {
                world.settle(&claim, entry, true);
            }
            let whole = replayed(&world.frames());
            assert_eq!(lasting(&world.router), whole);
            assert_eq!(replayed(&short(&world)), whole);
            assert!(world.router.lock().planned.is_empty() && world.router.lock().contests.is_empty());
        });
    }
}
