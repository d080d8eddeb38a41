//! Retained messages: kept, replaced, deleted, and all of them sent however many there are.

use domovoi_broker::{Publish as Message, QoS, Settings};

use crate::{
    client::{Client, PUBACK, PUBCOMP, PUBREC, Packet, message, v3, v5},
    gate::Rig,
};

#[tokio::test]
async fn five_hundred_retained_messages_reach_a_subscriber_at_every_qos() {
    // A queue far smaller than what is retained: retained messages are drawn, not queued.
    let rig = Rig::with(Settings { queue_messages_per_session: 10, ..Settings::default() }).await;
    for n in 0..500 {
        let message = Message::new(format!("t/{n:03}"), n.to_string()).with_qos(QoS::ExactlyOnce).retained();
        rig.broker.publish(message).unwrap();
    }
    for (qos, connect) in [(0, v3("a")), (1, v5("b")), (2, v3("c")), (2, v5("d"))] {
        let mut client = Client::connect(rig.address, &connect).await;
        client.subscribe("t/+", qos).await;
        let mut seen = 0;
        while seen < 500 {
            match client.recv().await {
                Packet::Publish { topic, payload, qos: at, id, retain, .. } => {
                    assert_eq!((topic, at, retain), (format!("t/{seen:03}"), qos, true));
                    assert_eq!(payload, seen.to_string().as_bytes());
                    seen += 1;
                    match at {
                        1 => client.ack(PUBACK, id).await,
                        2 => client.ack(PUBREC, id).await,
                        _ => {}
                    }
                }
                Packet::Ack { id, .. } => client.ack(PUBCOMP, id).await,
                other => panic!("unexpected {other:?}"),
            }
        }
    }
    assert_eq!(rig.broker.counters().queue_dropped, 0);
}

#[tokio::test]
async fn only_a_retained_empty_message_deletes() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v3("a")).await;
    client.publish(&message("t", "1").retain().qos(1, 1)).await;
    client.recv().await;
    client.publish(&message("t", "").qos(1, 2)).await;
    client.recv().await;
    assert_eq!(rig.broker.retained("t").unwrap().payload, "1");
    client.publish(&message("t", "2").qos(1, 3)).await;
    client.recv().await;
    assert_eq!(rig.broker.retained("t").unwrap().payload, "1");
    client.publish(&message("t", "").retain().qos(1, 4)).await;
    client.recv().await;
    assert_eq!(rig.broker.retained("t"), None);
    assert_eq!(rig.broker.counters().retained_bytes, 0);
}

#[tokio::test]
async fn a_second_subscribe_sends_retained_messages_again() {
    let rig = Rig::new().await;
    rig.broker.publish(Message::new("t", "x").retained()).unwrap();
    let mut client = Client::connect(rig.address, &v3("a")).await;
    for _ in 0..3 {
        client.subscribe("t", 0).await;
        assert!(matches!(client.recv().await, Packet::Publish { retain: true, .. }));
    }
}

#[tokio::test]
async fn a_retained_value_never_follows_a_newer_one() {
    let rig = Rig::with(Settings { max_inflight: 1, ..Settings::default() }).await;
    for topic in ["a", "b", "c"] {
        rig.broker.publish(Message::new(topic, "old").with_qos(QoS::AtLeastOnce).retained()).unwrap();
    }
    let mut client = Client::connect(rig.address, &v5("x")).await;
    client.subscribe("#", 1).await;
    let first = client.recv().await;
    assert_eq!(first.payload(), "old");
    // The window is shut: `b` and `c` change before their old values could be sent.
    for topic in ["b", "c"] {
        rig.broker.publish(Message::new(topic, "new").with_qos(QoS::AtLeastOnce).retained()).unwrap();
    }
    client.ack(PUBACK, first.id()).await;
    for topic in ["b", "c"] {
        let packet = client.recv().await;
        assert!(matches!(&packet, Packet::Publish { topic: t, retain: false, .. } if t == topic), "{packet:?}");
        assert_eq!(packet.payload(), "new");
        client.ack(PUBACK, packet.id()).await;
    }
    client.silent().await;
}

#[tokio::test]
async fn the_bound_of_retained_bytes_is_counted_not_hidden() {
    let rig = Rig::with(Settings { retained_bytes: 10_000, ..Settings::default() }).await;
    for n in 0..100 {
        rig.broker.publish(Message::new(format!("t/{n}"), "x".repeat(100)).retained()).unwrap();
    }
    let counters = rig.broker.counters();
    assert!(counters.retained_bytes <= 10_000);
    assert_eq!(counters.retained + counters.retained_refused, 100);
}
