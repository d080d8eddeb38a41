//! What a crash of the broker leaves: everything that was acknowledged, and nothing twice that must not be.
//!
//! A crash is a second broker on what the first one's storage has kept at that moment; the first is left to itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domovoi_broker::{Publish as Message, QoS, Resumed, Settings};

use crate::{
    client::{Client, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, message, v3, v5},
    gate::Rig,
    shelf::Shelf,
};

async fn rig(shelf: &Arc<Shelf>) -> Rig {
    Rig::resume(Settings::default(), shelf.clone(), Vec::new()).await.0
}

/// Another broker on what a crash leaves now.
async fn crash(shelf: &Shelf, settings: Settings) -> (Rig, Resumed, Arc<Shelf>) {
    let frames = shelf.after_a_crash();
    let wall = shelf.wall.load(Ordering::SeqCst);
    let new = Shelf::of(frames.clone()).at(wall);
    let (rig, resumed) = Rig::resume(settings, new.clone(), frames).await;
    assert_eq!(resumed.unreadable, 0);
    (rig, resumed, new)
}

async fn gone(rig: &Rig, client: Client) {
    let before = rig.gate.with(|log| log.endings.len());
    drop(client);
    rig.gate.until(|log| log.endings.len() > before).await;
}

fn at_least_once(topic: &str, payload: &str) -> Message {
    Message::new(topic, payload.to_owned()).with_qos(QoS::AtLeastOnce)
}

fn puback(id: u16) -> Packet {
    Packet::Ack { kind: PUBACK, id, code: 0 }
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let shelf = Shelf::new();
    let first = rig(&shelf).await;
    let lasting = v5("a").keep().expiry(1000);
    let mut client = Client::connect(first.address, &lasting).await;
    client.subscribe("t/#", 2).await;
    client.subscribe("never", 1).await;
    client.unsubscribe(&["never"]).await;
    let mut sender = Client::connect(first.address, &v3("sender")).await;
    for n in 1..=3u16 {
        sender.publish(&message("t/x", &n.to_string()).qos(1, n)).await;
        assert_eq!(sender.recv().await, puback(n));
    }
    // In flight: 1 acknowledged, 2 and 3 not; 4 at QoS 2 released but not complete; the rest comes while it is away.
    let sent = [client.recv().await, client.recv().await, client.recv().await];
    client.ack(PUBACK, sent[0].id()).await;
    first.broker.publish(Message::new("t/x", "4").with_qos(QoS::ExactlyOnce)).unwrap();
    let fourth = client.recv().await;
    client.ack(PUBREC, fourth.id()).await;
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: fourth.id(), code: 0 });
    gone(&first, client).await;
    for payload in ["5", "6"] {
        first.broker.publish(at_least_once("t/y", payload)).unwrap();
    }
    first.broker.publish(Message::new("t/y", "never promised")).unwrap();
    first.broker.publish(at_least_once("never", "unsubscribed")).unwrap();
    first.broker.publish(Message::new("kept/a", "old").retained()).unwrap();
    first.broker.publish(Message::new("kept/a", "new").retained()).unwrap();
    first.broker.publish(Message::new("kept/b", "deleted").retained()).unwrap();
    first.broker.publish(Message::new("kept/b", "").retained()).unwrap();

    let (second, resumed, shelf) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.retained, resumed.queued), (1, 1, 4));
    assert_eq!(second.broker.retained("kept/a").unwrap().payload, "new");
    let (mut client, ack) = Client::dial(second.address, &lasting).await;
    assert!(matches!(ack, Packet::ConnAck { present: true, .. }));
    // What was on the way comes as before, with its ids and in its order; then what waited.
    for before in &sent[1..] {
        let packet = client.recv().await;
        assert!(matches!(packet, Packet::Publish { dup: true, .. }), "{packet:?}");
        assert_eq!((packet.payload(), packet.id()), (before.payload(), before.id()));
        client.ack(PUBACK, packet.id()).await;
    }
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: fourth.id(), code: 0 });
    client.ack(PUBCOMP, fourth.id()).await;
    for payload in ["5", "6"] {
        let packet = client.recv().await;
        assert!(matches!(packet, Packet::Publish { dup: false, .. }), "{packet:?}");
        assert_eq!(packet.payload(), payload);
        client.ack(PUBACK, packet.id()).await;
    }
    client.silent().await;
    second.broker.publish(at_least_once("t/z", "alive")).unwrap();
    let packet = client.recv().await;
    assert_eq!(packet.payload(), "alive");
    client.ack(PUBACK, packet.id()).await;
    client.ping().await;
    client.disconnect().await;
    second.until(|counters| counters.connected == 0).await;
    let (_, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.queued, resumed.wills), (1, 0, 0));
}

#[tokio::test]
async fn sessions_that_end_with_their_connection_leave_nothing() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.subscribe("t", 2).await;
    client.publish(&message("t", "x").qos(2, 1)).await;
    let first = client.recv().await;
    let second = client.recv().await;
    assert!([&first, &second].iter().any(|packet| matches!(packet, Packet::Ack { kind: PUBREC, .. })));
    gone(&rig, client).await;
    assert_eq!(shelf.appended(), 0);
    // A lasting one that is made to end is forgotten.
    let client = Client::connect(rig.address, &v5("b").expiry(100)).await;
    gone(&rig, client).await;
    assert_eq!(crash(&shelf, Settings::default()).await.1.sessions, 1);
    let client = Client::connect(rig.address, &v5("b")).await;
    assert_eq!(crash(&shelf, Settings::default()).await.1.sessions, 0);
    gone(&rig, client).await;
    // Taken up again without expiry it ends with this connection, and so with the process.
    let client = Client::connect(rig.address, &v5("c").expiry(100)).await;
    gone(&rig, client).await;
    let (_client, ack) = Client::dial(rig.address, &v5("c").keep()).await;
    assert!(matches!(ack, Packet::ConnAck { present: true, .. }));
    assert_eq!(crash(&shelf, Settings::default()).await.1.sessions, 0);
}

#[tokio::test]
async fn a_slow_log_holds_up_what_must_be_kept_and_nothing_else() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut lasting = Client::connect(rig.address, &v3("lasting").keep()).await;
    lasting.subscribe("t", 1).await;
    let mut clean = Client::connect(rig.address, &v3("clean")).await;
    clean.subscribe("#", 1).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    shelf.hold();
    sender.publish(&message("kept", "retained").qos(1, 1).retain()).await;
    sender.publish(&message("t", "promised").qos(1, 2)).await;
    // Ordinary things stay ordinary: pings, QoS 0 that is retained, others' messages, new clients, their SUBACK.
    sender.ping().await;
    clean.silent().await;
    assert!(rig.broker.retained("kept").is_none());
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.subscribe("elsewhere", 0).await;
    other.publish(&message("elsewhere", "passes").qos(1, 7)).await;
    let seen = [other.recv().await, other.recv().await];
    assert!(seen.contains(&puback(7)), "{seen:?}");
    assert_eq!(clean.recv().await.payload(), "passes");
    // The subscription of a lasting session is not confirmed; its pings are.
    lasting.send(&lasting.subscribe_bytes(5, &[("more", 1)], None)).await;
    lasting.ping().await;
    assert_eq!(crash(&shelf, Settings::default()).await.1.retained, 0);
    shelf.release();
    let seen = [lasting.recv().await, lasting.recv().await];
    assert!(seen.contains(&Packet::SubAck { id: 5, codes: vec![1] }), "{seen:?}");
    assert!(seen.iter().any(|p| matches!(p, Packet::Publish { payload, .. } if payload == b"promised")), "{seen:?}");
    assert_eq!([sender.recv().await, sender.recv().await], [puback(1), puback(2)]);
    assert_eq!([clean.recv().await.payload(), clean.recv().await.payload()], ["retained", "promised"]);
    let resumed = crash(&shelf, Settings::default()).await.1;
    assert_eq!((resumed.retained, resumed.queued), (1, 1));
}

#[tokio::test]
async fn qos_2_waits_for_the_log_at_each_of_its_steps() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    client.subscribe("t", 2).await;
    shelf.hold();
    client.publish(&message("t", "x").qos(2, 9)).await;
    client.ping().await;
    shelf.release();
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 9, code: 0 });
    let packet = client.recv().await;
    assert_eq!(packet.payload(), "x");
    shelf.hold();
    client.ack(PUBREL, 9).await;
    client.ack(PUBREC, packet.id()).await;
    client.ping().await;
    shelf.release();
    let mut seen = [client.recv().await, client.recv().await];
    seen.sort_by_key(|packet| matches!(packet, Packet::Ack { kind: PUBREL, .. }));
    let ack = |kind, id| Packet::Ack { kind, id, code: 0 };
    assert_eq!(seen, [ack(PUBCOMP, 9), ack(PUBREL, packet.id())]);
    client.ack(PUBCOMP, packet.id()).await;
    // The id of an outgoing message is in the log before the message is on the wire.
    shelf.hold();
    rig.broker.publish(Message::new("t", "y").with_qos(QoS::ExactlyOnce)).unwrap();
    client.ping().await;
    client.ping().await;
    shelf.release();
    assert_eq!(client.recv().await.payload(), "y");
}

#[tokio::test]
async fn what_the_disk_refuses_is_neither_acknowledged_nor_passed_on_and_it_heals_by_itself() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let lasting = v3("lasting").keep();
    let mut client = Client::connect(rig.address, &lasting).await;
    client.subscribe("#", 1).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("kept", "old").qos(1, 1).retain()).await;
    assert_eq!(sender.recv().await, puback(1));
    let packet = client.recv().await;
    client.ack(PUBACK, packet.id()).await;

    shelf.fail(true);
    sender.publish(&message("kept", "new").qos(1, 2).retain()).await;
    assert_eq!(sender.closed().await, []);
    assert_eq!(rig.broker.retained("kept").unwrap().payload, "old");
    client.silent().await;
    // QoS 0 waits for nobody, and the lasting client waits for its SUBACK without being thrown out.
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("kept/0", "in memory").retain()).await;
    assert_eq!(client.recv().await.payload(), "in memory");
    client.send(&client.subscribe_bytes(7, &[("more", 1)], None)).await;
    client.ping().await;
    assert_eq!(rig.broker.counters().not_kept, 1);

    shelf.fail(false);
    assert_eq!(client.recv().await, Packet::SubAck { id: 7, codes: vec![1] });
    assert!(shelf.rewrites.load(Ordering::SeqCst) > 0);
    sender.publish(&message("kept", "newer").qos(1, 3).retain()).await;
    assert_eq!(sender.recv().await, puback(3));
    let (second, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.retained, resumed.queued), (1, 2, 1));
    assert_eq!(second.broker.retained("kept").unwrap().payload, "newer");
    assert_eq!(second.broker.counters().subscriptions, 2);
}

#[tokio::test]
async fn a_message_that_the_owner_could_not_keep_leaves_the_log_too() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let lasting = v3("lasting").keep();
    let mut client = Client::connect(rig.address, &lasting).await;
    client.subscribe("#", 2).await;
    let mut sender = Client::connect(rig.address, &v3("sender").keep()).await;
    sender.publish(&message("slow/x", "first").qos(1, 1).retain()).await;
    rig.commit(Ok(())).await;
    assert_eq!(sender.recv().await, puback(1));
    let packet = client.recv().await;
    client.ack(PUBACK, packet.id()).await;
    client.ping().await;
    sender.publish(&message("slow/x", "lost").qos(2, 2).retain()).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    rig.commit(Err(domovoi_broker::NotKept)).await;
    sender.closed().await;
    let (second, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!(second.broker.retained("slow/x").unwrap().payload, "first");
    // Only an acknowledgement that lingered may be missing.
    assert!(resumed.queued <= 1, "{resumed:?}");
    // The sender's id is free: its message, sent again, is taken.
    let mut sender = Client::connect(second.address, &v3("sender").keep()).await;
    sender.publish(&message("slow/x", "again").qos(2, 2).retain().dup()).await;
    second.commit(Ok(())).await;
    assert_eq!(sender.recv().await, Packet::Ack { kind: PUBREC, id: 2, code: 0 });
    second.until(|counters| counters.routed == 1).await;
    assert_eq!(second.broker.retained("slow/x").unwrap().payload, "again");
}

#[tokio::test]
async fn of_two_that_are_retained_under_one_topic_the_later_stays_whichever_is_kept_first() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut slow = Client::connect(rig.address, &v3("slow")).await;
    slow.publish(&message("slow/x", "earlier").qos(1, 1).retain()).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.publish(&message("slow/x", "").qos(1, 1).retain()).await;
    rig.gate.until(|log| log.commits.len() == 2).await;
    let later = rig.gate.with(|log| log.commits.pop_back()).unwrap();
    later.send(Ok(())).unwrap();
    assert_eq!(other.recv().await, puback(1));
    rig.commit(Ok(())).await;
    assert_eq!(slow.recv().await, puback(1));
    slow.ping().await;
    assert!(rig.broker.retained("slow/x").is_none());
    assert_eq!(crash(&shelf, Settings::default()).await.1.retained, 0);
}

fn brief() -> Settings {
    Settings { will_grace: Duration::from_millis(300), ..Settings::default() }
}

#[tokio::test]
async fn a_will_outlives_the_broker_unless_its_client_comes_back() {
    let shelf = Shelf::new();
    let (mut first, _) = Rig::resume(brief(), shelf.clone(), Vec::new()).await;
    let will = |client: Connect| {
        let topic = format!("will/{}", client.id);
        client.will(&topic, "gone", 1)
    };
    let mut clients = Vec::new();
    for id in ["lost", "back", "stranger", "clean"] {
        let connect = if id == "clean" { v3(id) } else { v3(id).keep() };
        clients.push(Client::connect(first.address, &will(connect)).await);
    }
    let polite = Client::connect(first.address, &will(v3("polite").keep())).await;
    polite.disconnect().await;
    first.gate.until(|log| log.endings.len() == 1).await;
    // A stop is no end of the clients: it is the same as a crash.
    first.stop().await;
    let (second, resumed, shelf) = crash(&shelf, brief()).await;
    assert_eq!(resumed.wills, 4);
    let mut watcher = Client::connect(second.address, &v5("watcher")).await;
    watcher.subscribe("will/#", 1).await;
    let _back = Client::connect(second.address, &v3("back").keep()).await;
    let mut seen = [watcher.recv().await, watcher.recv().await];
    seen.sort_by_key(|packet| matches!(packet, Packet::Publish { topic, .. } if topic == "will/lost"));
    let topics = seen.map(|packet| match packet {
        Packet::Publish { topic, .. } => topic,
        other => panic!("{other:?}"),
    });
    assert_eq!(topics, ["will/clean", "will/lost"]);
    second.until(|counters| counters.refused_publishes == 1).await;
    watcher.silent().await;
    // Each was one message, and none stands in the log any more.
    assert_eq!(crash(&shelf, brief()).await.1.wills, 0);
}

#[tokio::test]
async fn sessions_and_messages_expire_over_a_restart_by_the_wall_clock() {
    let shelf = Shelf::new().at(1_000_000);
    let rig = rig(&shelf).await;
    for (id, secs) in [("short", 100), ("long", 1000)] {
        let mut client = Client::connect(rig.address, &v5(id).keep().expiry(secs)).await;
        client.subscribe("t", 1).await;
        gone(&rig, client).await;
    }
    let mut sender = Client::connect(rig.address, &v5("sender")).await;
    let expiring = |payload: &str, id, secs: u32| message("t", payload).qos(1, id).prop(2, &secs.to_be_bytes());
    sender.publish(&expiring("stale", 1, 150)).await;
    sender.publish(&expiring("fresh", 2, 500)).await;
    assert_eq!([sender.recv().await, sender.recv().await], [puback(1), puback(2)]);

    shelf.wall.store(1_000_000 + 200_000, Ordering::SeqCst);
    let (second, ..) = crash(&shelf, Settings::default()).await;
    second.until(|counters| counters.sessions == 1).await;
    let mut client = Client::connect(second.address, &v5("long").keep().expiry(1000)).await;
    let packet = client.recv().await;
    assert_eq!(packet.payload(), "fresh");
    let Packet::Publish { props, .. } = packet else { unreachable!() };
    let left = crate::client::prop(&props, 2).map(|secs| u32::from_be_bytes(secs.try_into().unwrap()));
    assert!(left.is_some_and(|left| (295..=300).contains(&left)), "{left:?}");
    client.silent().await;

    // Without a clock that can be trusted their time begins anew.
    shelf.wall.store(i64::MIN, Ordering::SeqCst);
    let (third, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.queued), (2, 4));
    assert_eq!(third.broker.counters().sessions, 2);
}

#[tokio::test]
async fn the_log_is_written_anew_before_it_outgrows_what_it_tells() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    client.subscribe("t/#", 1).await;
    gone(&rig, client).await;
    shelf.fail_rewrites(true);
    for n in 0..40 {
        rig.broker.publish(Message::new(format!("t/{}", n % 4), "x".repeat(40_000)).retained()).unwrap();
    }
    for n in 0..3 {
        rig.broker.publish(at_least_once("t/queued", &n.to_string())).unwrap();
    }
    // A rewrite that fails in the middle changes nothing.
    let (_, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.retained, resumed.queued), (1, 4, 3));
    shelf.fail_rewrites(false);
    while shelf.rewrites.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let bytes: usize = shelf.after_a_crash().iter().map(Vec::len).sum();
    assert!(bytes < 200_000, "{bytes}");
    rig.broker.publish(at_least_once("t/queued", "3")).unwrap();
    let (second, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.retained, resumed.queued), (1, 4, 4));
    let mut client = Client::connect(second.address, &v3("a").keep()).await;
    for n in 0..4 {
        let packet = client.recv().await;
        assert_eq!(packet.payload(), n.to_string());
        client.ack(PUBACK, packet.id()).await;
    }
}

#[tokio::test]
async fn a_slow_log_is_bounded_like_a_slow_owner() {
    let shelf = Shelf::new();
    let settings = Settings { max_uncommitted_packets: 5, ..Settings::default() };
    let (rig, _) = Rig::resume(settings, shelf.clone(), Vec::new()).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    shelf.hold();
    for n in 1..=9u16 {
        sender.publish(&message("kept", &n.to_string()).qos(1, n).retain()).await;
    }
    sender.ping().await;
    assert_eq!(rig.broker.counters().overflowed, 4);
    // Answers are bounded too: who asks for more than may wait is closed and asks again.
    let mut lasting = Client::connect(rig.address, &v3("lasting").keep()).await;
    for id in 1..=6 {
        lasting.send(&lasting.subscribe_bytes(id, &[("t", 1)], None)).await;
    }
    assert_eq!(lasting.closed().await, []);
    shelf.release();
    let acks: Vec<_> = sender.closed().await.iter().map(Packet::id).collect();
    assert_eq!(acks, [1, 2, 3, 4, 5]);
    let (second, ..) = crash(&shelf, Settings::default()).await;
    assert_eq!(second.broker.retained("kept").unwrap().payload, "5");
    assert_eq!(second.broker.counters().subscriptions, 1);
}

#[tokio::test]
async fn what_is_retained_reaches_a_subscription_that_the_crash_cut_short() {
    let shelf = Shelf::new();
    let first = rig(&shelf).await;
    for n in 0..50 {
        let kept = Message::new(format!("kept/{n:02}"), n.to_string()).retained();
        first.broker.publish(kept.with_qos(QoS::ExactlyOnce)).unwrap();
    }
    let mut client = Client::connect(first.address, &v3("a").keep()).await;
    client.send(&client.subscribe_bytes(1, &[("kept/#", 2)], None)).await;
    let mut got = std::collections::BTreeSet::new();
    let mut held = Vec::new();
    // As many as there may be in flight come, and half of them are acknowledged.
    while got.len() < 20 {
        if let packet @ Packet::Publish { .. } = client.recv().await {
            assert!(got.insert(packet.payload().to_owned()));
            held.push(packet.id());
        }
    }
    for id in held.drain(..10) {
        client.ack(PUBREC, id).await;
    }
    for _ in 0..10 {
        let id = client.recv().await.id();
        client.ack(PUBCOMP, id).await;
    }
    while got.len() < 30 {
        let packet = client.recv().await;
        assert!(got.insert(packet.payload().to_owned()));
        held.push(packet.id());
    }
    client.ping().await;
    let (second, ..) = crash(&shelf, Settings::default()).await;
    let (mut client, ack) = Client::dial(second.address, &v3("a").keep()).await;
    assert!(matches!(ack, Packet::ConnAck { present: true, .. }));
    while got.len() < 50 || !held.is_empty() {
        match client.recv().await {
            packet @ Packet::Publish { .. } => {
                if !held.contains(&packet.id()) {
                    assert!(got.insert(packet.payload().to_owned()), "{packet:?}");
                    held.push(packet.id());
                }
                client.ack(PUBREC, packet.id()).await;
            }
            Packet::Ack { kind: PUBREL, id, .. } => {
                held.retain(|held| *held != id);
                client.ack(PUBCOMP, id).await;
            }
            other => panic!("{other:?}"),
        }
    }
    client.silent().await;
}

#[tokio::test]
async fn a_group_keeps_its_messages_over_a_restart() {
    let shelf = Shelf::new();
    let first = rig(&shelf).await;
    for id in ["a", "b"] {
        let mut client = Client::connect(first.address, &v5(id).keep().expiry(1000)).await;
        client.subscribe("$share/g/t", 1).await;
        gone(&first, client).await;
    }
    let mut sender = Client::connect(first.address, &v3("sender")).await;
    for n in 1..=6u16 {
        sender.publish(&message("t", &n.to_string()).qos(1, n)).await;
        assert_eq!(sender.recv().await, puback(n));
    }
    let (second, resumed, _) = crash(&shelf, Settings::default()).await;
    assert_eq!((resumed.sessions, resumed.queued), (2, 6));
    // One ends: what it held goes to the other.
    Client::connect(second.address, &v5("a")).await.disconnect().await;
    let mut client = Client::connect(second.address, &v5("b").keep().expiry(1000)).await;
    let mut got = Vec::new();
    for _ in 0..6 {
        let packet = client.recv().await;
        got.push(packet.payload().to_owned());
        client.ack(PUBACK, packet.id()).await;
    }
    got.sort();
    assert_eq!(got, ["1", "2", "3", "4", "5", "6"]);
    client.silent().await;
}

#[tokio::test]
async fn frames_that_nobody_here_wrote_are_told_and_passed_over() {
    let shelf = Shelf::new();
    let first = rig(&shelf).await;
    first.broker.publish(Message::new("kept", "x").retained()).unwrap();
    let mut frames = shelf.after_a_crash();
    frames.insert(0, b"something else".to_vec());
    frames.push(Vec::new());
    let (second, resumed) = Rig::resume(Settings::default(), Shelf::of(frames.clone()), frames).await;
    assert_eq!((resumed.unreadable, resumed.retained), (2, 1));
    assert_eq!(second.broker.retained("kept").unwrap().payload, "x");
}

#[tokio::test]
async fn a_message_sent_again_over_a_new_connection_is_asked_for_once_more_if_the_first_was_not_kept() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let lasting = v3("sender").keep();
    let mut sender = Client::connect(rig.address, &lasting).await;
    sender.publish(&message("slow/x", "x").qos(2, 7)).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    gone(&rig, sender).await;
    let mut sender = Client::connect(rig.address, &lasting).await;
    sender.publish(&message("slow/x", "x").qos(2, 7).dup()).await;
    sender.ping().await;
    rig.commit(Err(domovoi_broker::NotKept)).await;
    assert_eq!(sender.closed().await, []);
    let mut sender = Client::connect(rig.address, &lasting).await;
    sender.publish(&message("slow/x", "x").qos(2, 7).dup()).await;
    rig.commit(Ok(())).await;
    assert_eq!(sender.recv().await, Packet::Ack { kind: PUBREC, id: 7, code: 0 });
}
