//! Sessions: resumed with what was in flight, taken over, expired; queues that are bounded.

use std::sync::atomic::Ordering;

use domovoi_broker::{Ending, Publish as Message, QoS, Settings};

use crate::{
    client::{Client, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, message, v3, v5},
    gate::Rig,
};

fn at_least_once(topic: &str, payload: &str) -> Message {
    Message::new(topic, payload.to_owned()).with_qos(QoS::AtLeastOnce)
}

async fn gone(rig: &Rig, client: Client) {
    let before = rig.gate.with(|log| log.endings.len());
    drop(client);
    rig.gate.until(|log| log.endings.len() > before).await;
}

#[tokio::test]
async fn a_resumed_session_gets_the_unacknowledged_again_and_then_the_queue() {
    for connect in [v3("a").keep(), v5("a").keep().expiry(100)] {
        let rig = Rig::new().await;
        let (mut client, ack) = Client::dial(rig.address, &connect).await;
        assert!(matches!(ack, Packet::ConnAck { present: false, .. }));
        client.subscribe("t", 2).await;
        for payload in ["1", "2"] {
            rig.broker.publish(at_least_once("t", payload)).unwrap();
        }
        rig.broker.publish(Message::new("t", "3").with_qos(QoS::ExactlyOnce)).unwrap();
        let sent = [client.recv().await, client.recv().await, client.recv().await];
        client.ack(PUBACK, sent[0].id()).await;
        client.ack(PUBREC, sent[2].id()).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: sent[2].id(), code: 0 });
        gone(&rig, client).await;
        rig.broker.publish(at_least_once("t", "4")).unwrap();
        rig.broker.publish(Message::new("t", "never promised")).unwrap();

        let (mut client, ack) = Client::dial(rig.address, &connect).await;
        assert!(matches!(ack, Packet::ConnAck { present: true, code: 0, .. }));
        let again = client.recv().await;
        assert_eq!((again.payload(), again.id()), ("2", sent[1].id()));
        assert!(matches!(again, Packet::Publish { dup: true, .. }));
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: sent[2].id(), code: 0 });
        let queued = client.recv().await;
        assert_eq!(queued.payload(), "4");
        assert!(matches!(queued, Packet::Publish { dup: false, .. }));
        client.ack(PUBCOMP, sent[2].id()).await;
        client.silent().await;
    }
}

#[tokio::test]
async fn a_clean_session_leaves_nothing_behind() {
    let rig = Rig::new().await;
    for connect in [v3("a"), v5("a"), v5("a").keep()] {
        let mut client = Client::connect(rig.address, &connect).await;
        client.subscribe("t", 1).await;
        gone(&rig, client).await;
        let counters = rig.broker.counters();
        assert_eq!((counters.sessions, counters.subscriptions), (0, 0));
        let (_client, ack) = Client::dial(rig.address, &connect.clone().keep()).await;
        assert!(matches!(ack, Packet::ConnAck { present: false, .. }));
        gone(&rig, _client).await;
        // The last one asked 3.1.1 to be remembered; forget it for the next round.
        let client = Client::connect(rig.address, &v3("a")).await;
        gone(&rig, client).await;
    }
}

#[tokio::test]
async fn clean_start_discards_and_the_disconnect_may_change_the_expiry() {
    let rig = Rig::new().await;
    let lasting = v5("a").keep().expiry(1000);
    let mut client = Client::connect(rig.address, &lasting).await;
    client.subscribe("t", 1).await;
    gone(&rig, client).await;
    let (client, ack) = Client::dial(rig.address, &v5("a").expiry(1000)).await;
    assert!(matches!(ack, Packet::ConnAck { present: false, .. }));
    assert_eq!(rig.broker.counters().subscriptions, 0);
    gone(&rig, client).await;
    let (mut client, ack) = Client::dial(rig.address, &lasting).await;
    assert!(matches!(ack, Packet::ConnAck { present: true, .. }));
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    client.closed().await;
    rig.until(|counters| counters.sessions == 0).await;
    // The other way round is not allowed.
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]).await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x82 }]);
}

#[tokio::test]
async fn sessions_expire() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a").expiry(1)).await;
    client.subscribe("t", 1).await;
    drop(client);
    rig.until(|counters| counters.expired_sessions == 1 && counters.sessions == 0).await;
    assert_eq!(rig.broker.counters().subscriptions, 0);
}

#[tokio::test]
async fn a_second_connection_takes_over() {
    let rig = Rig::new().await;
    let mut new = Client::connect(rig.address, &v5("a").expiry(100)).await;
    new.subscribe("t", 1).await;
    let (mut old, ack) = Client::dial(rig.address, &v3("a").keep()).await;
    assert!(matches!(ack, Packet::ConnAck { present: true, .. }));
    assert_eq!(new.closed().await, [Packet::Disconnect { code: 0x8E }]);
    rig.broker.publish(at_least_once("t", "x")).unwrap();
    assert_eq!(old.recv().await.payload(), "x");
    let mut third = Client::connect(rig.address, &v3("a")).await;
    assert_eq!(old.closed().await, []);
    third.ping().await;
    rig.gate.until(|log| log.endings.iter().filter(|(_, ending)| *ending == Ending::TakenOver).count() == 2).await;
    let counters = rig.broker.counters();
    assert_eq!((counters.connected, counters.sessions, counters.takeovers), (1, 1, 2));
}

#[tokio::test]
async fn a_session_is_not_handed_to_another_user() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v3("a").keep().login("alice", "x")).await;
    client.subscribe("secret", 1).await;
    gone(&rig, client).await;
    rig.broker.publish(at_least_once("secret", "x")).unwrap();
    let (mut client, ack) = Client::dial(rig.address, &v3("a").keep().login("bob", "x")).await;
    assert!(matches!(ack, Packet::ConnAck { present: false, code: 0, .. }));
    client.silent().await;
}

#[tokio::test]
async fn what_may_no_longer_be_subscribed_is_dropped_on_resume() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    client.subscribe("t", 1).await;
    gone(&rig, client).await;
    rig.gate.revoke_subscriptions.store(true, Ordering::SeqCst);
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    rig.broker.publish(at_least_once("t", "x")).unwrap();
    client.silent().await;
}

#[tokio::test]
async fn the_queue_of_an_absent_client_is_bounded_and_keeps_the_oldest() {
    let rig = Rig::with(Settings { queue_messages_per_session: 50, ..Settings::default() }).await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    client.subscribe("t", 1).await;
    gone(&rig, client).await;
    for n in 0..200 {
        rig.broker.publish(at_least_once("t", &n.to_string())).unwrap();
    }
    assert_eq!(rig.broker.counters().queue_dropped, 150);
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    for n in 0..50 {
        let packet = client.recv().await;
        assert_eq!(packet.payload(), n.to_string());
        client.ack(PUBACK, packet.id()).await;
    }
    client.silent().await;
    assert_eq!(rig.broker.counters().queued_bytes, 0);
}

#[tokio::test]
async fn all_queues_together_are_bounded() {
    let rig = Rig::with(Settings { queue_bytes_total: 20_000, ..Settings::default() }).await;
    for id in ["a", "b", "c"] {
        let mut client = Client::connect(rig.address, &v3(id).keep()).await;
        client.subscribe("t", 1).await;
        gone(&rig, client).await;
    }
    for _ in 0..100 {
        rig.broker.publish(at_least_once("t", &"x".repeat(500))).unwrap();
    }
    let counters = rig.broker.counters();
    assert!(counters.queued_bytes <= 20_000, "{counters:?}");
    assert!(counters.queue_dropped > 0);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_costs_its_queue_and_not_the_publisher() {
    let rig = Rig::with(Settings { queue_messages_per_session: 100, ..Settings::default() }).await;
    let mut slow = Client::connect(rig.address, &v3("slow")).await;
    slow.subscribe("t", 1).await;
    let mut quick = Client::connect(rig.address, &v3("quick")).await;
    quick.subscribe("t", 0).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    for n in 1..=1000u16 {
        sender.publish(&message("t", &"x".repeat(1000)).qos(1, n)).await;
        assert_eq!(sender.recv().await.id(), n);
        quick.recv().await;
    }
    // Twenty in flight, a hundred queued, the rest dropped and counted.
    assert_eq!(rig.broker.counters().queue_dropped, 880);
}

#[tokio::test]
async fn more_sessions_than_allowed_are_refused() {
    let rig = Rig::with(Settings { max_sessions: 2, ..Settings::default() }).await;
    let _a = Client::connect(rig.address, &v3("a")).await;
    let b = Client::connect(rig.address, &v3("b").keep()).await;
    gone(&rig, b).await;
    let (_, ack) = Client::dial(rig.address, &v3("c")).await;
    assert!(matches!(ack, Packet::ConnAck { code: 3, .. }));
    let (_, ack) = Client::dial(rig.address, &v5("c")).await;
    assert!(matches!(ack, Packet::ConnAck { code: 0x97, .. }));
    Client::connect(rig.address, &v3("b").keep()).await;
}
