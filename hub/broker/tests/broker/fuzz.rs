//! Any bytes, and any packets that are nearly right, over several connections at once, in any pieces: the broker does
//! not panic, serves everybody else, and stays within its bounds; and what it wrote down meanwhile can be read back.
//!
//! A few seconds by default, ten minutes with `DOMOVOI_FULL=1`; `DOMOVOI_SEED` repeats a run.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use domovoi_broker::{
    Admission, Broker, ConnectRefusal, ConnectRequest, Durable, Gate, NotKept, Peer, Publish, Refusal, Rewritten,
    Settings, Storage, Verdict,
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::client::{Client, Connect, PATIENCE, Packet, Will, message, packet, text, v3, v5, varint};

/// Decides by what a message is, so that every verdict and every way of becoming durable comes up.
struct Whim;

impl Gate for Whim {
    type Access = ();

    async fn connect(&self, request: ConnectRequest) -> Result<(), ConnectRefusal> {
        if request.client_id == "x2" { Err(ConnectRefusal::NotAuthorized) } else { Ok(()) }
    }

    fn publish(&self, _peer: &Peer<()>, publish: &Publish) -> Admission {
        let verdict = match publish.payload.first() {
            Some(1) => Verdict::Keep,
            Some(2) => Verdict::Refuse(Refusal::QuotaExceeded),
            Some(3) => Verdict::Disconnect(Refusal::PayloadInvalid),
            Some(4) => Verdict::ForwardUnretained,
            _ => Verdict::Forward,
        };
        let durable = match publish.payload.last() {
            Some(0..64) => Durable::when(async {
                tokio::task::yield_now().await;
                Ok(())
            }),
            Some(64..70) => Durable::when(async { Err(NotKept) }),
            _ => Durable::Now,
        };
        Admission { verdict, durable }
    }

    fn subscribe(&self, _peer: &Peer<()>, filter: &str) -> bool {
        !filter.starts_with('b')
    }
}

/// Keeps the log in memory, a moment late.
#[derive(Default)]
struct Paper(Mutex<Sheets>);

#[derive(Default)]
struct Sheets {
    frames: Vec<Vec<u8>>,
    /// Numbers before the first of `frames`.
    before: u64,
}

impl Storage for Paper {
    fn append(&self, frame: Vec<u8>) -> u64 {
        let mut sheets = self.0.lock().unwrap();
        sheets.frames.push(frame);
        sheets.before + sheets.frames.len() as u64
    }

    fn settled(&self) -> Durable {
        Durable::when(async {
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn rewrite(&self, up_to: u64, _whole_to: u64, frames: Vec<Vec<u8>>) -> Rewritten {
        let mut sheets = self.0.lock().unwrap();
        let old = usize::try_from(up_to - sheets.before).unwrap();
        let later = sheets.frames.split_off(old);
        // The rewritten ones have no numbers; what was appended since keeps its own.
        sheets.before = up_to - frames.len() as u64;
        sheets.frames = frames;
        sheets.frames.extend(later);
        Box::pin(std::future::ready(Ok(())))
    }

    fn first_lost(&self) -> Option<u64> {
        None
    }

    fn now_millis(&self) -> Option<i64> {
        Some(1_700_000_000_000)
    }
}

fn settings() -> Settings {
    Settings {
        max_packet_bytes: 8 << 10,
        max_control_packet_bytes: 4 << 10,
        max_sessions: 6,
        max_subscriptions_per_session: 6,
        max_inflight: 4,
        queue_messages_per_session: 20,
        queue_bytes_per_session: 16 << 10,
        queue_bytes_total: 48 << 10,
        retained_bytes: 16 << 10,
        max_uncommitted_packets: 8,
        max_uncommitted_bytes: 8 << 10,
        max_orphaned_bytes: 8 << 10,
        max_topic_aliases: 3,
        connect_timeout: Duration::from_millis(500),
        sys_interval: Duration::from_millis(5),
        ..Settings::default()
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// Whether it is MQTT 5, and the CONNECT.
    Dial(bool, Vec<u8>),
    /// Each packet as 3.1.1 has it and as MQTT 5 has it.
    Say(Vec<[Vec<u8>; 2]>),
    /// Takes what has come.
    Read,
    Leave,
    Reset,
}

fn topic() -> impl Strategy<Value = String> {
    prop_oneof![40 => "[ab]/[ab]", 20 => "[abю]{1,3}", 1 => "\\PC{0,5}", 1 => "[ab+#/$\\u{0}]{0,6}"]
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([ab+]/){0,2}[ab+#]",
        3 => "\\$share/[gh]/([ab+]/){0,2}[ab+#]",
        1 => "\\$share/[gh+]{0,2}/?[a#]{0,2}",
        1 => Just("$SYS/#".to_owned()),
        1 => "[ab+#/$ю]{0,6}",
    ]
}

fn connect() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let will = prop::option::weighted(0.3, (topic(), 0u8..3, any::<bool>(), 0u32..3));
    let numbers = (0u8..5, prop_oneof![Just(0u32), Just(1), Just(1000), Just(u32::MAX)], 0u16..4, 0u16..4, 0u32..200);
    (any::<bool>(), any::<bool>(), 0u16..3, numbers, will).prop_map(
        |(new, clean, keep_alive, (id, expiry, receive_max, aliases, size), will)| {
            let mut connect = if new { v5(&format!("x{id}")) } else { v3(&format!("x{id}")) };
            connect = Connect { clean, keep_alive, ..connect };
            if new {
                connect = connect.expiry(expiry).prop(0x22, &aliases.to_be_bytes());
                if receive_max > 0 {
                    connect = connect.prop(0x21, &receive_max.to_be_bytes());
                }
                if size > 100 {
                    connect = connect.prop(0x27, &size.to_be_bytes());
                }
            }
            if let Some((topic, qos, retain, delay)) = will {
                let props = [&[0x18][..], &delay.to_be_bytes()].concat();
                connect.will = Some(Will { topic, payload: "w".into(), qos, retain, props });
            }
            (new, connect.bytes())
        },
    )
}

/// Packets that are right, or nearly.
fn saying() -> impl Strategy<Value = [Vec<u8>; 2]> {
    let property = prop_oneof![
        Just(vec![0x01, 1]),
        (1u32..3).prop_map(|secs| [&[0x02][..], &secs.to_be_bytes()].concat()),
        (0u16..5).prop_map(|alias| [&[0x23][..], &alias.to_be_bytes()].concat()),
        topic().prop_map(|topic| [vec![0x08], text(&topic)].concat()),
        "[a-z]{0,9}".prop_map(|word| [vec![0x26], text(&word), text("v")].concat()),
    ];
    let publish = (
        prop_oneof![9 => topic(), 1 => Just(String::new())],
        prop::collection::vec(any::<u8>(), 0..200),
        (0u8..3, 1u16..6, any::<bool>(), any::<bool>()),
        prop::collection::vec(property, 0..3),
    )
        .prop_map(|(topic, payload, (qos, id, retain, dup), props)| {
            let mut publish = message(&topic, "").qos(qos, id);
            publish.payload = payload;
            publish.retain = retain;
            publish.dup = dup && qos > 0;
            publish.props = props.concat();
            [publish.bytes(false), publish.bytes(true)]
        });
    let subscribe = (prop::collection::vec((filter(), prop_oneof![5 => 0u8..3, 1 => any::<u8>()]), 1..4), 1u8..4)
        .prop_map(|(filters, kind)| {
            let properties = match kind {
                1 => vec![0],
                _ => [vec![2, 0x0B], varint(kind.into())].concat(),
            };
            let list: Vec<u8> = filters.iter().flat_map(|(f, options)| [text(f), vec![*options]].concat()).collect();
            [vec![], properties].map(|properties| packet(0x82, &[vec![0, 1], properties, list.clone()].concat()))
        });
    let unsubscribe = filter().prop_map(|filter| {
        [vec![], vec![0]].map(|properties| packet(0xA2, &[vec![0, 1], properties, text(&filter)].concat()))
    });
    let ack = (4u8..8, 1u16..6, prop::option::weighted(0.2, any::<u8>())).prop_map(|(kind, id, code)| {
        [None, code].map(|code| {
            packet(kind << 4 | if kind == 6 { 2 } else { 0 }, &[&id.to_be_bytes()[..], &Vec::from_iter(code)].concat())
        })
    });
    let raw = prop::collection::vec(any::<u8>(), 0..60);
    let framed = (any::<u8>(), raw.clone()).prop_map(|(first, body)| packet(first, &body));
    let both = |bytes: Vec<u8>| [bytes.clone(), bytes];
    let right = prop_oneof![
        6 => publish, 4 => subscribe, 1 => unsubscribe, 6 => ack, 1 => Just(vec![0xC0, 0]).prop_map(both),
    ];
    let last = prop_oneof![
        connect().prop_map(|(_, bytes)| bytes),
        Just(vec![0xE0, 0]),
        Just(vec![0xE0, 1, 4]),
        Just(vec![0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]),
    ];
    let changed = (right.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(both, at, byte)| {
        both.map(|mut bytes| {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        })
    });
    let wrong = prop_oneof![framed, raw, last].prop_map(both);
    prop_oneof![40 => right, 2 => changed, 1 => wrong]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => connect().prop_map(|(new, bytes)| Act::Dial(new, bytes)),
        12 => prop::collection::vec(saying(), 1..6).prop_map(Act::Say),
        4 => Just(Act::Read),
        1 => Just(Act::Leave),
        1 => Just(Act::Reset),
    ]
}

async fn say(client: &mut Client, bytes: &[u8], splits: &mut impl Iterator<Item = usize>) {
    let mut left = bytes;
    while !left.is_empty() {
        let (now, later) = left.split_at(splits.next().unwrap_or(left.len()).min(left.len()));
        // The broker may have closed already; that is its right.
        if client.stream.write_all(now).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
        left = later;
    }
}

/// Ends the sending half and waits until the broker has read all of it and closed.
async fn finish(client: Option<Client>) {
    let Some(mut client) = client else { return };
    let _ = client.stream.shutdown().await;
    let mut scrap = [0; 4096];
    let drained = async { while matches!(client.stream.read(&mut scrap).await, Ok(1..)) {} };
    tokio::time::timeout(PATIENCE, drained).await.expect("the broker closes when its peer has");
}

async fn play(broker: &Broker<Whim>, address: std::net::SocketAddr, acts: &[(usize, Act)], splits: &[usize]) {
    let mut splits = splits.iter().copied().cycle();
    let mut clients: [Option<Client>; 3] = [None, None, None];
    for (place, act) in acts {
        let place = &mut clients[*place];
        match act {
            Act::Dial(new, bytes) => {
                finish(place.take()).await;
                let mut client = Client::open(address, *new).await;
                say(&mut client, bytes, &mut splits).await;
                *place = Some(client);
            }
            Act::Say(packets) => {
                if let Some(client) = place {
                    let bytes: Vec<u8> =
                        packets.iter().flat_map(|both| both[usize::from(client.v5)].iter().copied()).collect();
                    say(client, &bytes, &mut splits).await;
                }
            }
            Act::Read => {
                if let Some(client) = place {
                    let mut scrap = [0; 4096];
                    while matches!(client.stream.try_read(&mut scrap), Ok(1..)) {}
                    tokio::task::yield_now().await;
                }
            }
            Act::Leave => finish(place.take()).await,
            Act::Reset => {
                if let Some(client) = place.take() {
                    let _ = client.stream.set_zero_linger();
                }
            }
        }
        let (counters, bounds) = (broker.counters(), settings());
        assert_eq!(counters.failed_tasks, 0, "a panic");
        assert!(counters.sessions as usize <= bounds.max_sessions, "{counters:?}");
        assert!(counters.retained_bytes as usize <= bounds.retained_bytes, "{counters:?}");
        // An empty queue takes one message of any size.
        let slack = bounds.max_sessions * 2 * bounds.max_packet_bytes;
        assert!(counters.queued_bytes as usize <= bounds.queue_bytes_total + slack, "{counters:?}");
        let most = bounds.max_sessions * bounds.max_subscriptions_per_session;
        assert!(counters.subscriptions as usize <= most, "{counters:?}");
    }
    for client in clients {
        finish(client).await;
    }
}

#[test]
fn any_packets_in_any_pieces_leave_the_broker_standing_and_bounded() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let paper = Arc::new(Paper::default());
    let (broker, _) = Broker::resume(settings(), Arc::new(Whim), paper.clone(), Vec::new());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = broker.clone();
    runtime.spawn(async move { serving.serve(listener, std::future::pending()).await });

    let seed = std::env::var("DOMOVOI_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(0u8));
    println!("DOMOVOI_SEED={seed}");
    let full = std::env::var_os("DOMOVOI_FULL").is_some();
    let until = Instant::now() + Duration::from_secs(if full { 600 } else { 0 });
    let case = (prop::collection::vec((0usize..3, act()), 1..40), prop::collection::vec(1usize..60, 1..8));
    let mut rounds = 0u64;
    let mut seen = 0;
    while rounds == 0 || Instant::now() < until {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.wrapping_add(rounds).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
        let outcome = TestRunner::new_with_rng(config, rng).run(&case, |(acts, splits)| {
            runtime.block_on(async {
                play(&broker, address, &acts, &splits).await;
                // The witness has an id of the others, or there might be no session left for it; one of them that was
                // reset may still be on its way in and throw it out.
                let served = async {
                    loop {
                        let mut witness = Client::connect(address, &v5("x0")).await;
                        witness.send(&[0xC0, 0]).await;
                        match witness.next().await {
                            Some(Packet::Pong) => return witness.disconnect().await,
                            Some(Packet::Disconnect { code: 0x8E }) => {}
                            other => panic!("{other:?}"),
                        }
                    }
                };
                tokio::time::timeout(PATIENCE, served).await.expect("somebody else is served");
            });
            Ok(())
        });
        outcome.unwrap();
        rounds += 1;
        // Whatever was said, what the broker wrote down of it makes a broker again.
        let frames = paper.0.lock().unwrap().frames.clone();
        seen += frames.len();
        let (_, resumed) = Broker::resume(settings(), Arc::new(Whim), Arc::new(Paper::default()), frames);
        assert_eq!(resumed.unreadable, 0);
        assert!(resumed.sessions <= settings().max_sessions, "{resumed:?}");
    }
    let counters = broker.counters();
    println!("{rounds} rounds, {seen} frames, {counters:?}");
    // The fuzz gets somewhere: it is not all refused at the door.
    assert!(counters.routed > 0 && counters.delivered > 0 && counters.violations > 0 && seen > 0, "{counters:?}");
}
