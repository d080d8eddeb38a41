//! How many acknowledged publishes a second the broker takes, and what each costs it, without anybody's commit.
//!
//! `cargo run --release -p domovoi-broker --example throughput -- --connections 1 --window 200 --seconds 5`
//!
//! Each connection keeps `--window` QoS 1 publishes in flight over loopback; `--subscribers` read everything at
//! `--subscriber-qos` 0 (or 1). `--v5` speaks MQTT 5. `--peer host:port` measures another broker in place of this one
//! in the same run, `--peer-pid` its CPU. It measures; it judges nothing, and it is no test.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use domovoi_broker::{Admission, Broker, ConnectRefusal, ConnectRequest, Gate, Peer, Publish, Settings};

struct Open;

impl Gate for Open {
    type Access = ();

    async fn connect(&self, _request: ConnectRequest) -> Result<(), ConnectRefusal> {
        Ok(())
    }

    fn publish(&self, _peer: &Peer<()>, _publish: &Publish) -> Admission {
        Admission::forward_now()
    }

    fn subscribe(&self, _peer: &Peer<()>, _filter: &str) -> bool {
        true
    }
}

#[derive(Clone)]
struct Load {
    connections: usize,
    window: usize,
    seconds: f64,
    payload_bytes: usize,
    subscribers: usize,
    subscriber_qos: u8,
    v5: bool,
    workers: usize,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut load = Load {
        connections: 1,
        window: 200,
        seconds: 3.0,
        payload_bytes: 100,
        subscribers: 1,
        subscriber_qos: 0,
        v5: false,
        workers: 2,
    };
    let (mut peer, mut peer_pid) = (None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match &*word {
            "--connections" => load.connections = value()?.parse()?,
            "--window" => load.window = value()?.parse()?,
            "--seconds" => load.seconds = value()?.parse()?,
            "--payload" => load.payload_bytes = value()?.parse()?,
            "--subscribers" => load.subscribers = value()?.parse()?,
            "--subscriber-qos" => load.subscriber_qos = value()?.parse()?,
            "--workers" => load.workers = value()?.parse()?,
            "--v5" => load.v5 = true,
            "--peer" => peer = Some(value()?),
            "--peer-pid" => peer_pid = Some(value()?.parse::<u32>()?),
            other => return Err(format!("what is {other}?").into()),
        }
    }
    if let Some(peer) = peer {
        let address = peer.to_socket_addrs()?.next().ok_or("no such peer")?;
        let cpu = move || peer_pid.map_or(0.0, |pid| cpu_seconds(&format!("/proc/{pid}/task"), ""));
        return measure("peer", address, &load, cpu);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(load.workers)
        .thread_name("broker")
        .enable_all()
        .build()?;
    let settings =
        Settings { queue_messages_per_session: 1_000_000, queue_bytes_per_session: 64 << 20, ..Settings::default() };
    let broker = Broker::new(settings, Arc::new(Open));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let serving = broker.clone();
    runtime.spawn(async move { serving.serve(listener, std::future::pending()).await });
    measure("domovoi", address, &load, || cpu_seconds("/proc/self/task", "broker"))?;
    let counters = broker.counters();
    println!("  queue_dropped {} delivered {}", counters.queue_dropped, counters.delivered);
    runtime.shutdown_background();
    Ok(())
}

/// CPU that the threads of a process have used, those of one name only if it is not empty.
fn cpu_seconds(tasks: &str, name: &str) -> f64 {
    let Ok(entries) = std::fs::read_dir(tasks) else { return 0.0 };
    let spent: u64 = entries
        .flatten()
        .filter(|task| {
            name.is_empty() || std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        })
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    spent as f64 / 1e9
}

fn measure(name: &str, address: SocketAddr, load: &Load, cpu: impl Fn() -> f64) -> Result<(), Failure> {
    let (stop, acked, delivered) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| -> Result<(), Failure> {
        for n in 0..load.subscribers {
            let mut socket = dial(address, &format!("sub-{n}"), load.v5)?;
            let mut subscribe = vec![0, 1];
            if load.v5 {
                subscribe.push(0);
            }
            subscribe.extend([0, 3, b't', b'/', b'#', load.subscriber_qos]);
            socket.write_all(&packet(0x82, &subscribe))?;
            let (stop, delivered) = (&stop, &delivered);
            scope.spawn(move || take(socket, stop, delivered));
        }
        for n in 0..load.connections {
            let socket = dial(address, &format!("pub-{n}"), load.v5)?;
            let (stop, acked) = (&stop, &acked);
            scope.spawn(move || give(socket, n, load, stop, acked));
        }
        thread::sleep(Duration::from_millis(300));
        let before = (Instant::now(), cpu(), acked.load(Ordering::Relaxed), delivered.load(Ordering::Relaxed));
        thread::sleep(Duration::from_secs_f64(load.seconds));
        let (seconds, used) = (before.0.elapsed().as_secs_f64(), cpu() - before.1);
        let (acks, copies) = (acked.load(Ordering::Relaxed) - before.2, delivered.load(Ordering::Relaxed) - before.3);
        stop.store(true, Ordering::Relaxed);
        println!(
            "{name}: {} connections, window {}, MQTT {}: {:.0} acked/s, {:.0} delivered/s, {:.2} µs CPU per message",
            load.connections,
            load.window,
            if load.v5 { "5" } else { "3.1.1" },
            acks as f64 / seconds,
            copies as f64 / seconds,
            used * 1e6 / acks.max(1) as f64,
        );
        Ok(())
    })
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let byte = (left & 0x7F) as u8;
        left >>= 7;
        out.push(if left > 0 { byte | 0x80 } else { byte });
        if left == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

fn dial(address: SocketAddr, id: &str, v5: bool) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', if v5 { 5 } else { 4 }, 2, 0, 0];
    if v5 {
        body.push(0);
    }
    body.extend([0, id.len() as u8]);
    body.extend(id.as_bytes());
    socket.write_all(&packet(0x10, &body))?;
    let mut head = [0; 2];
    socket.read_exact(&mut head)?;
    let mut rest = vec![0; usize::from(head[1])];
    socket.read_exact(&mut rest)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok(socket)
}

/// Keeps the window full: as many publishes go out as acknowledgements have come.
fn give(mut socket: TcpStream, number: usize, load: &Load, stop: &AtomicBool, acked: &AtomicU64) {
    let frames: Vec<Vec<u8>> = (1..=load.window as u16)
        .map(|id| {
            let topic = format!("t/{number:03}/state");
            let mut body = vec![0, topic.len() as u8];
            body.extend(topic.as_bytes());
            body.extend(id.to_be_bytes());
            if load.v5 {
                body.push(0);
            }
            body.extend(vec![b'x'; load.payload_bytes]);
            packet(0x32, &body)
        })
        .collect();
    let frame = frames.first().map_or(1, Vec::len);
    let ring = frames.concat();
    let (mut next, mut may) = (0, load.window);
    let (mut input, mut waiting) = (vec![0; 64 << 10], Vec::new());
    while !stop.load(Ordering::Relaxed) {
        while may > 0 {
            let run = may.min(load.window - next);
            if socket.write_all(&ring[next * frame..(next + run) * frame]).is_err() {
                return;
            }
            next = (next + run) % load.window;
            may -= run;
        }
        match socket.read(&mut input) {
            Ok(0) => return,
            Ok(n) => waiting.extend_from_slice(&input[..n]),
            Err(_) => continue,
        }
        may = frames_in(&mut waiting);
        acked.fetch_add(may as u64, Ordering::Relaxed);
    }
}

fn take(mut socket: TcpStream, stop: &AtomicBool, delivered: &AtomicU64) {
    let (mut input, mut waiting) = (vec![0; 256 << 10], Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match socket.read(&mut input) {
            Ok(0) => return,
            Ok(n) => waiting.extend_from_slice(&input[..n]),
            Err(_) => continue,
        }
        let mut acks = Vec::new();
        for_each_frame(&mut waiting, |frame| {
            delivered.fetch_add(1, Ordering::Relaxed);
            if frame[0] & 0x06 == 2 {
                let body = 1 + frame[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
                let id = body + 2 + usize::from(u16::from_be_bytes([frame[body], frame[body + 1]]));
                acks.extend([0x40, 2, frame[id], frame[id + 1]]);
            }
        });
        if socket.write_all(&acks).is_err() {
            return;
        }
    }
}

fn frames_in(waiting: &mut Vec<u8>) -> usize {
    let mut count = 0;
    for_each_frame(waiting, |_| count += 1);
    count
}

fn for_each_frame(waiting: &mut Vec<u8>, mut found: impl FnMut(&[u8])) {
    let mut at = 0;
    loop {
        let left = &waiting[at..];
        let Some(header) = left.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0) else { break };
        let length = left[1..=header + 1].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7F));
        let total = 2 + header + length;
        if left.len() < total {
            break;
        }
        found(&left[..total]);
        at += total;
    }
    waiting.drain(..at);
}
