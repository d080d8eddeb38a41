//! Promises that change hands, are not kept at once, or cannot be kept: messages for groups, wills, and what a connection
//! leaves behind.

use std::sync::{Arc, atomic::Ordering};

use domovoi_broker::{NotKept, Publish as Message, QoS, Settings};

use crate::{
    client::{Client, PUBACK, PUBREC, Packet, message, v3, v5},
    gate::Rig,
    shelf::Shelf,
};

async fn rig(shelf: &Arc<Shelf>) -> Rig {
    Rig::resume(Settings::default(), shelf.clone(), Vec::new()).await.0
}

async fn crash(shelf: &Shelf) -> (Rig, domovoi_broker::Resumed) {
    let frames = shelf.after_a_crash();
    Rig::resume(Settings::default(), Shelf::of(frames.clone()), frames).await
}

fn ack(kind: u8, id: u16) -> Packet {
    Packet::Ack { kind, id, code: 0 }
}

#[tokio::test]
async fn a_message_for_many_groups_of_one_session_is_written_down_once() {
    const GROUPS: usize = 40;
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let lasting = v5("lasting").keep().expiry(1000);
    let mut client = Client::connect(rig.address, &lasting).await;
    for group in 0..GROUPS {
        client.subscribe(&format!("$share/g{group}/t"), 1).await;
    }
    client.disconnect().await;
    rig.until(|counters| counters.connected == 0).await;
    let payload = "x".repeat(10_000);
    let written = || shelf.after_a_crash().iter().map(Vec::len).sum::<usize>();
    let before = written();
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("t", &payload).qos(1, 1)).await;
    assert_eq!(sender.recv().await, ack(PUBACK, 1));
    // The other road: nobody has read it from a client, so it is written down as it is passed on.
    rig.broker.publish(Message::new("t", payload.clone()).with_qos(QoS::AtLeastOnce)).unwrap();
    assert!(written() - before < 3 * payload.len(), "{} bytes", written() - before);
    let (second, resumed) = crash(&shelf).await;
    assert_eq!(resumed.queued, 2 * GROUPS);
    let mut client = Client::connect(second.address, &lasting).await;
    for _ in 0..2 * GROUPS {
        let packet = client.recv().await;
        assert_eq!(packet.payload(), payload);
        client.ack(PUBACK, packet.id()).await;
    }
    client.silent().await;
}

#[tokio::test]
async fn what_was_promised_to_a_session_for_a_group_is_promised_to_its_heir_before_it_is_acknowledged() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut first = Client::connect(rig.address, &v3("first").keep()).await;
    first.subscribe("$share/g/slow/x", 1).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("slow/x", "for one of you").qos(1, 1)).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    let mut heir = Client::connect(rig.address, &v3("heir").keep()).await;
    heir.subscribe("$share/g/slow/x", 1).await;
    let _first = Client::connect(rig.address, &v3("first")).await;
    shelf.hold();
    rig.commit(Ok(())).await;
    assert_eq!(sender.recv().await, ack(PUBACK, 1));
    let (second, _) = crash(&shelf).await;
    let mut heir = Client::connect(second.address, &v3("heir").keep()).await;
    assert_eq!(heir.recv().await.payload(), "for one of you");
}

#[tokio::test]
async fn a_cancelled_message_is_not_the_heirs_either() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut first = Client::connect(rig.address, &v3("first").keep()).await;
    first.subscribe("$share/g/slow/x", 1).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("slow/x", "lost").qos(1, 1)).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    let mut heir = Client::connect(rig.address, &v3("heir").keep()).await;
    heir.subscribe("$share/g/slow/x", 1).await;
    let _first = Client::connect(rig.address, &v3("first")).await;
    rig.commit(Err(NotKept)).await;
    assert_eq!(sender.closed().await, []);
    assert_eq!(crash(&shelf).await.1.queued, 0);
    heir.silent().await;
}

#[tokio::test]
async fn what_was_kept_before_a_hole_survives_the_rewrite_that_mends_it() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("slow/x", "kept").qos(1, 1).retain()).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    sender.ping().await;
    shelf.fail(true);
    rig.broker.publish(Message::new("other", "lost").retained()).unwrap();
    shelf.fail(false);
    rig.until(|_| shelf.rewrites.load(Ordering::SeqCst) > 0).await;
    rig.commit(Ok(())).await;
    assert_eq!(sender.recv().await, ack(PUBACK, 1));
    let (second, _) = crash(&shelf).await;
    assert_eq!(second.broker.retained("slow/x").unwrap().payload, "kept");
}

#[tokio::test]
async fn a_will_that_is_not_kept_is_tried_again_and_is_in_the_log_meanwhile() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut watcher = Client::connect(rig.address, &v3("watcher")).await;
    watcher.subscribe("slow/#", 0).await;
    drop(Client::connect(rig.address, &v3("a").will("slow/will", "gone", 1)).await);
    rig.commit(Err(NotKept)).await;
    rig.until(|counters| counters.not_kept == 1).await;
    assert_eq!(crash(&shelf).await.1.wills, 1);
    watcher.silent().await;
    rig.commit(Ok(())).await;
    assert_eq!(watcher.recv().await.payload(), "gone");
    rig.until(|counters| counters.wills_published == 1).await;
    assert_eq!(crash(&shelf).await.1.wills, 0);
    // Whoever is back is not gone.
    drop(Client::connect(rig.address, &v3("a").will("slow/will", "never", 1)).await);
    rig.commit(Err(NotKept)).await;
    rig.until(|counters| counters.not_kept == 2).await;
    let _back = Client::connect(rig.address, &v3("a")).await;
    assert_eq!(crash(&shelf).await.1.wills, 0);
    drop(Client::connect(rig.address, &v3("b").will("slow/will", "last", 1)).await);
    rig.commit(Ok(())).await;
    assert_eq!(watcher.recv().await.payload(), "last");
    assert!(rig.gate.with(|log| log.commits.is_empty()));
}

#[tokio::test]
async fn a_will_and_what_the_owner_keeps_of_it_are_kept_together() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut connect = v3("a").will("will", "gone", 1);
    connect.will.as_mut().unwrap().retain = true;
    let client = Client::connect(rig.address, &connect).await;
    let before = shelf.loose.load(Ordering::SeqCst);
    drop(client);
    rig.until(|counters| counters.retained == 1).await;
    assert_eq!(shelf.loose.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_connection_that_fails_leaves_no_plan_and_no_id_behind() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let lasting = v3("lasting").keep();
    let mut client = Client::connect(rig.address, &lasting).await;
    client.publish(&message("slow/x", "neither").qos(2, 1).retain()).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    client.ping().await;
    assert_eq!(crash(&shelf).await.1.retained, 1, "it waits for its owner");
    client.publish(&message("panic/x", "nor").qos(2, 7)).await;
    rig.until(|counters| counters.failed_tasks == 1).await;
    assert_eq!(crash(&shelf).await.1.retained, 0);
    let mut client = Client::connect(rig.address, &lasting).await;
    for id in [1, 7] {
        client.publish(&message("t", "again").qos(2, id).dup()).await;
        assert_eq!(client.recv().await, ack(PUBREC, id));
    }
    assert_eq!(rig.gate.with(|log| log.offered.iter().filter(|(_, payload)| payload == "again").count()), 2);
}

#[tokio::test]
async fn ids_that_a_client_does_not_release_are_bounded_over_its_connections() {
    let rig = Rig::with(Settings { max_uncommitted_packets: 3, ..Settings::default() }).await;
    let lasting = v3("a").keep();
    let mut client = Client::connect(rig.address, &lasting).await;
    for id in 1..=3 {
        client.publish(&message("t", "x").qos(2, id)).await;
        assert_eq!(client.recv().await, ack(PUBREC, id));
    }
    drop(client);
    rig.until(|counters| counters.connected == 0).await;
    let mut client = Client::connect(rig.address, &lasting).await;
    client.publish(&message("t", "known").qos(2, 2).dup()).await;
    assert_eq!(client.recv().await, ack(PUBREC, 2));
    client.publish(&message("t", "one too many").qos(2, 4)).await;
    assert_eq!(client.closed().await, []);
    rig.gate.until(|log| log.overflowed == ["one too many"]).await;
    let mut client = Client::connect(rig.address, &lasting).await;
    client.ack(crate::client::PUBREL, 1).await;
    assert_eq!(client.recv().await, ack(crate::client::PUBCOMP, 1));
    client.publish(&message("t", "now").qos(2, 4)).await;
    assert_eq!(client.recv().await, ack(PUBREC, 4));
}

#[tokio::test]
async fn what_filters_may_cost_is_bounded_for_each_session_and_for_all() {
    let settings = Settings { filter_bytes_per_session: 3500, filter_bytes_total: 5000, ..Settings::default() };
    let rig = Rig::with(settings).await;
    let mut first = Client::connect(rig.address, &v5("first")).await;
    let mut second = Client::connect(rig.address, &v5("second")).await;
    let ask = async |client: &mut Client, filter: &str| {
        client.send(&client.subscribe_bytes(5, &[(filter, 0)], None)).await;
        match client.recv().await {
            Packet::SubAck { codes, .. } => codes[0],
            other => panic!("{other:?}"),
        }
    };
    // A level and a bit of text are about 1,000 each.
    for filter in ["a", "b", "a"] {
        assert_eq!(ask(&mut first, filter).await, 0);
    }
    assert_eq!(ask(&mut first, "a/b/c").await, 0x97, "as much as one may have");
    assert_eq!(ask(&mut first, &format!("long{}", "x".repeat(900))).await, 0x97);
    for filter in ["a", "b"] {
        assert_eq!(ask(&mut second, filter).await, 0);
    }
    assert_eq!(ask(&mut second, "c").await, 0x97, "as much as all may have");
    first.unsubscribe(&["a"]).await;
    assert_eq!(ask(&mut second, "c").await, 0);
    drop(second);
    rig.until(|counters| counters.connected == 1).await;
    assert_eq!(ask(&mut first, "a").await, 0, "a session that ends gives back what it had");
}

#[tokio::test]
async fn a_client_id_is_its_owners_and_another_with_the_same_takes_nothing_from_it() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let own = || v3("sensor").keep().login("alice", "x").will("will/alice", "gone", 0);
    let foreign = || v3("sensor").login("bob", "x");
    let mut alice = Client::connect(rig.address, &own()).await;
    alice.subscribe("t", 1).await;
    let mut bob = Client::connect(rig.address, &foreign()).await;
    bob.subscribe("will/#", 0).await;
    alice.ping().await;
    rig.broker.publish(Message::new("t", "1").with_qos(QoS::AtLeastOnce)).unwrap();
    assert_eq!(alice.recv().await.payload(), "1");
    drop(alice);
    assert_eq!(bob.recv().await.payload(), "gone");
    // Absent, too, it keeps its session; also over a restart.
    bob.disconnect().await;
    let mut bob = Client::connect(rig.address, &foreign().keep()).await;
    bob.silent().await;
    let (second, resumed) = crash(&shelf).await;
    assert_eq!((resumed.sessions, resumed.queued), (2, 1));
    let (mut alice, answer) = Client::dial(second.address, &own()).await;
    assert!(matches!(answer, Packet::ConnAck { present: true, .. }));
    assert_eq!(alice.recv().await.payload(), "1");
    let (_bob, answer) = Client::dial(second.address, &foreign().keep()).await;
    assert!(matches!(answer, Packet::ConnAck { present: true, .. }));
    alice.ping().await;
    assert_eq!(second.broker.disconnect(Some("alice")), 1);
    alice.closed().await;
}

#[tokio::test]
async fn while_the_log_has_a_hole_nobody_is_asked_about_a_message_that_must_come_once() {
    let shelf = Shelf::new();
    let rig = rig(&shelf).await;
    let mut sender = Client::connect(rig.address, &v5("sender").keep().expiry(1000)).await;
    shelf.fail(true);
    rig.broker.publish(Message::new("other", "lost").retained()).unwrap();
    sender.publish(&message("t", "once").qos(2, 1)).await;
    assert!(sender.closed().await.iter().all(|packet| *packet != ack(PUBREC, 1)));
    rig.gate.until(|log| log.overflowed == ["once"]).await;
    shelf.fail(false);
    rig.until(|_| shelf.rewrites.load(Ordering::SeqCst) > 0).await;
    let mut sender = Client::connect(rig.address, &v5("sender").keep().expiry(1000)).await;
    sender.publish(&message("t", "once").qos(2, 1).dup()).await;
    assert_eq!(sender.recv().await, ack(PUBREC, 1));
}
