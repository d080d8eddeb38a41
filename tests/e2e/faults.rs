//! What the house bears while it is under load: `kill -9` at random moments, a full disk, a slow one, one whose fsync
//! fails. After each of them everything that was acknowledged is there, once where once was promised, and sessions and
//! retained messages are what they were. The disk's faults are made by a shim between the daemon and its files.

pub mod reflex;
mod scenarios;
mod siege;
mod telling;

use e2e::{Dice, seed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;

use siege::Siege;

/// What is made of the disk before each kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Sound,
    /// Full to the last byte when the daemon dies, and free when it comes back.
    Full,
    /// Each fsync takes half a second longer, all the time.
    Slow,
    /// An fsync fails, and what it was to make durable is gone.
    Failing,
}

/// 2,000 messages a second from 20 connections, and a kill at so many random moments.
async fn killed(qos: u8, disk: Disk, kills: u64) {
    let seed = seed();
    println!("DOMOVOI_SEED={seed} qos={qos} disk={disk:?} kills={kills}");
    let mut dice = Dice(seed);
    let siege = Siege::lay().await;
    let mut daemon = siege.start().await;
    if disk == Disk::Slow {
        siege.disk("delay_ms 500");
    }
    let load = siege.load(qos);
    let mut reached = 0;
    for _ in 0..kills {
        reached += 1 + dice.below(900);
        load.reaches(reached).await;
        match disk {
            Disk::Sound | Disk::Slow => {}
            Disk::Full => {
                siege.disk(&format!("room {}", dice.below(40_000)));
                load.stalls().await;
            }
            Disk::Failing => siege.disk(&format!("fail_sync {}", 1 + dice.below(5))),
        }
        // No condition: the point is to hit what nobody thought of.
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(120))).await;
        kill(&mut daemon).await;
        if disk != Disk::Slow {
            siege.disk("");
        }
        reached = load.acknowledged();
        daemon = siege.start().await;
    }
    load.reaches(reached + 1000).await;
    // A listener at QoS 2 gets twenty messages for two commits: on the slow disk it would be at it for minutes.
    siege.disk("");
    let outcome = load.ended().await;
    kill(&mut daemon).await;
    siege.nothing_is_lost(qos, &outcome).await;
    let mut daemon = siege.start().await;
    siege.last_words_are_retained(&outcome).await;
    kill(&mut daemon).await;
}

async fn kill(daemon: &mut Child) {
    daemon.kill().await.unwrap();
}

/// By default few, so that every test run has some; with `DOMOVOI_FULL=1` thirty.
fn kills(few: u64) -> u64 {
    if std::env::var_os("DOMOVOI_FULL").is_some() { 30 } else { few }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_nothing_acknowledged_is_missing() {
    Box::pin(killed(1, Disk::Sound, kills(3))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_nothing_of_qos_2_is_missing_or_there_twice() {
    Box::pin(killed(2, Disk::Sound, kills(3))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_full_disk_nothing_acknowledged_is_missing() {
    Box::pin(killed(1, Disk::Full, kills(2))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_full_disk_nothing_of_qos_2_is_missing_or_there_twice() {
    Box::pin(killed(2, Disk::Full, kills(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_slow_disk_nothing_acknowledged_is_missing() {
    Box::pin(killed(1, Disk::Slow, kills(2))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_slow_disk_nothing_of_qos_2_is_missing_or_there_twice() {
    Box::pin(killed(2, Disk::Slow, kills(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_an_fsync_failed_nothing_acknowledged_is_missing() {
    Box::pin(killed(1, Disk::Failing, kills(2))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_full_is_written_again_without_anybody_s_help() {
    let seed = seed();
    println!("DOMOVOI_SEED={seed}");
    let mut dice = Dice(seed);
    let siege = Siege::lay().await;
    let mut daemon = siege.start().await;
    let load = siege.load(1);
    load.reaches(500).await;
    siege.disk(&format!("room {}", dice.below(40_000)));
    load.stalls().await;
    let full = load.acknowledged();
    // Full, and still there: who asks is answered.
    let mut asking = Wire::connect(&siege, "asking").await;
    asking.say(&[0xC0, 0]).await;
    assert_eq!(asking.hear().await[0], 0xD0);
    siege.disk("");
    load.reaches(full + 500).await;
    let outcome = load.ended().await;
    assert!(daemon.try_wait().unwrap().is_none(), "the daemon went on\n{}", siege.log());
    kill(&mut daemon).await;
    siege.nothing_is_lost(1, &outcome).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_fsync_that_fails_is_believed_and_the_house_goes_on() {
    let siege = Siege::lay().await;
    let mut daemon = siege.start().await;
    let load = siege.load(1);
    load.reaches(500).await;
    siege.disk("fail_sync 2");
    load.reaches(3000).await;
    let outcome = load.ended().await;
    assert!(daemon.try_wait().unwrap().is_none(), "the daemon went on\n{}", siege.log());
    kill(&mut daemon).await;
    siege.disk("");
    siege.nothing_is_lost(1, &outcome).await;
}

/// While one message waits for the disk: its own connection is answered, others are served, and the acknowledgement
/// comes after all of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_holds_up_nothing_but_the_acknowledgement() {
    let siege = Siege::lay().await;
    let mut daemon = siege.start().await;
    let mut device = Wire::connect(&siege, "device").await;
    let mut talker = Wire::connect(&siege, "talker").await;
    let mut listener = Wire::connect(&siege, "listener").await;
    // SUBSCRIBE to load/# with QoS 0.
    listener.say(&[0x82, 11, 0, 1, 0, 6, b'l', b'o', b'a', b'd', b'/', b'#', 0]).await;
    assert_eq!(listener.hear().await[0], 0x90);
    // Longer than everything below takes; the file is replaced before it is over.
    siege.disk("delay_ms 3000");
    device.say(&publish(1, b"zigbee2mqtt/x", br#"{"n":1}"#)).await;
    device.say(&[0xC0, 0]).await;
    assert_eq!(device.hear().await[0], 0xD0, "the answer to PINGREQ goes before the acknowledgement");
    talker.say(&publish(0, b"load/a", b"7")).await;
    assert_eq!(listener.hear().await[0], 0x30, "others talk");
    let mut late = Wire::connect(&siege, "late").await;
    late.say(&[0xC0, 0]).await;
    assert_eq!(late.hear().await[0], 0xD0, "others come in");
    assert!(device.is_silent(), "nothing was acknowledged before the disk had it");
    siege.disk("");
    assert_eq!(device.hear().await, [0x40, 2, 0, 1]);
    kill(&mut daemon).await;
    assert_eq!(siege.history().await.get(&1), Some(&1));
}

fn publish(qos: u8, topic: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x30 | qos << 1, 0, 0, topic.len() as u8];
    bytes.extend_from_slice(topic);
    if qos > 0 {
        bytes.extend_from_slice(&[0, 1]);
    }
    bytes.extend_from_slice(payload);
    bytes[1] = (bytes.len() - 2) as u8;
    bytes
}

/// A connection whose every byte the test says itself: small packets of 3.1.1 only.
struct Wire {
    stream: TcpStream,
}

impl Wire {
    async fn connect(siege: &Siege, client_id: &str) -> Wire {
        let (user, password) = (&siege.credentials().username, &siege.credentials().password);
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2, 0, 0];
        for text in [client_id, user, password] {
            body.extend_from_slice(&(text.len() as u16).to_be_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        assert!(body.len() < 128);
        let mut wire = Wire { stream: TcpStream::connect(siege.broker()).await.unwrap() };
        wire.say(&[0x10, body.len() as u8]).await;
        wire.say(&body).await;
        assert_eq!(wire.hear().await, [0x20, 2, 0, 0]);
        wire
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet.
    async fn hear(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        let heard = async {
            self.stream.read_exact(&mut packet).await.unwrap();
            let length = usize::from(packet[1]);
            packet.resize(2 + length, 0);
            self.stream.read_exact(&mut packet[2..]).await.unwrap();
            packet
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), heard).await.expect("the daemon answers")
    }

    fn is_silent(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
