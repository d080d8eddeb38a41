//! What the interoperability tests of Eclipse Paho ask of a broker, asked in our own way, for both versions: the names
//! are theirs, the questions are the standard's. [`crate::paho3`] and [`crate::paho5`] ask them one by one.

use domovoi_broker::{Publish as Message, QoS};

use crate::{
    client::{Client, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, message, packet, text, v3, v5},
    gate::Rig,
};

pub fn clean(v5_too: bool, id: &str) -> Connect {
    if v5_too { v5(id) } else { v3(id) }
}

/// With a session that outlives its connection.
pub fn keeping(v5_too: bool, id: &str) -> Connect {
    if v5_too { v5(id).keep().expiry(1000) } else { v3(id).keep() }
}

/// Publishes and goes through with the whole exchange; messages that come meanwhile are an error.
pub async fn deliver(client: &mut Client, topic: &str, payload: &str, qos: u8, retain: bool) {
    let mut publish = message(topic, payload).qos(qos, 77);
    publish.retain = retain;
    client.publish(&publish).await;
    if qos == 1 {
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBACK, id: 77, code: 0 });
    }
    if qos == 2 {
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 77, code: 0 });
        client.ack(PUBREL, 77).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBCOMP, id: 77, code: 0 });
    }
}

/// Takes `count` messages, each acknowledged to the end; returns topic, payload and QoS.
pub async fn collect(client: &mut Client, count: usize) -> Vec<(String, String, u8)> {
    let mut seen = Vec::new();
    let mut open = 0;
    while seen.len() < count || open > 0 {
        let packet = client.recv().await;
        match &packet {
            Packet::Publish { topic, qos, id, .. } => {
                seen.push((topic.clone(), packet.payload().to_owned(), *qos));
                match qos {
                    1 => client.ack(PUBACK, *id).await,
                    2 => {
                        open += 1;
                        client.ack(PUBREC, *id).await;
                    }
                    _ => {}
                }
            }
            Packet::Ack { kind: PUBREL, id, code: 0 } => {
                open -= 1;
                client.ack(PUBCOMP, *id).await;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    seen
}

pub async fn gone(rig: &Rig, client: Client) {
    let before = rig.gate.with(|log| log.endings.len());
    client.disconnect().await;
    rig.gate.until(|log| log.endings.len() > before).await;
}

pub fn from_owner(rig: &Rig, topic: &str, payload: &str, qos: QoS) {
    rig.broker.publish(Message::new(topic.to_owned(), payload.to_owned()).with_qos(qos)).unwrap();
}

pub const THREE: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Connect, leave, come again; hear oneself at each QoS; a second CONNECT and a strange protocol are the end.
pub async fn basic(new: bool) {
    let rig = Rig::new().await;
    gone(&rig, Client::connect(rig.address, &clean(new, "a")).await).await;
    let (mut client, ack) = Client::dial(rig.address, &clean(new, "a")).await;
    assert!(matches!(ack, Packet::ConnAck { present: false, code: 0, .. }));
    client.subscribe("A", 2).await;
    let mut sender = Client::connect(rig.address, &clean(new, "b")).await;
    for qos in 0..3 {
        deliver(&mut sender, "A", &format!("qos {qos}"), qos, false).await;
    }
    let seen = collect(&mut client, 3).await;
    assert_eq!(seen.iter().map(|(_, _, qos)| *qos).collect::<Vec<_>>(), [0, 1, 2]);
    client.send(&clean(new, "a").bytes()).await;
    assert_eq!(client.closed().await, if new { vec![Packet::Disconnect { code: 0x82 }] } else { vec![] });
    let mut stranger = Client::open(rig.address, new).await;
    stranger.send(&packet(0x10, &[text("hj"), vec![4, 2, 0, 0], text("x")].concat())).await;
    stranger.v5 = false;
    assert!(matches!(stranger.closed().await[..], [] | [Packet::ConnAck { code: 1, .. }]));
}

/// Retained at each QoS, found by a wildcard at the QoS they were published with, and deleted by empty ones.
pub async fn retained(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &clean(new, "a")).await;
    for qos in 0..3 {
        deliver(&mut client, &format!("A/{qos}"), "kept", qos, true).await;
    }
    let mut reader = Client::connect(rig.address, &clean(new, "b")).await;
    reader.subscribe("+/+", 2).await;
    let mut seen = collect(&mut reader, 3).await;
    seen.sort();
    assert_eq!(seen.iter().map(|(_, _, qos)| *qos).collect::<Vec<_>>(), [0, 1, 2]);
    for qos in 0..3 {
        deliver(&mut client, &format!("A/{qos}"), "", qos, true).await;
    }
    assert_eq!(rig.broker.counters().retained, 0);
    let mut late = Client::connect(rig.address, &clean(new, "c")).await;
    late.subscribe("+/+", 2).await;
    late.silent().await;
}

/// A socket that is cut, and one that falls silent: both have their will.
pub async fn will(new: bool) {
    let rig = Rig::new().await;
    let mut watcher = Client::connect(rig.address, &keeping(new, "watcher")).await;
    watcher.subscribe("W", 2).await;
    drop(Client::connect(rig.address, &clean(new, "a").will("W", "cut", 2)).await);
    assert_eq!(collect(&mut watcher, 1).await, [("W".into(), "cut".into(), 2)]);
    let mut silent = clean(new, "a").will("W", "silent", 1);
    silent.keep_alive = 1;
    let _silent = Client::connect(rig.address, &silent).await;
    assert_eq!(collect(&mut watcher, 1).await, [("W".into(), "silent".into(), 1)]);
}

/// What was published while a client was away is there when it comes back; QoS 0 need not be.
pub async fn offline_message_queueing(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &keeping(new, "a")).await;
    client.subscribe("+/+", 2).await;
    gone(&rig, client).await;
    let mut sender = Client::connect(rig.address, &clean(new, "b")).await;
    for qos in 0..3 {
        deliver(&mut sender, &format!("A/{qos}"), "x", qos, false).await;
    }
    let (mut client, ack) = Client::dial(rig.address, &keeping(new, "a")).await;
    assert!(matches!(ack, Packet::ConnAck { present: true, code: 0, .. }));
    let seen = collect(&mut client, 2).await;
    assert_eq!(seen.iter().map(|(_, _, qos)| *qos).collect::<Vec<_>>(), [1, 2]);
    client.silent().await;
}

/// One copy at the highest QoS of the filters that match.
pub async fn overlapping_subscriptions(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &clean(new, "a")).await;
    assert_eq!(client.try_subscribe(&[("A/#", 2), ("A/+", 1)]).await, [2, 1]);
    for qos in THREE {
        from_owner(&rig, "A/C", "overlapping", qos);
    }
    let seen = collect(&mut client, 3).await;
    assert_eq!(seen.iter().map(|(_, _, qos)| *qos).collect::<Vec<_>>(), [0, 1, 2]);
    client.silent().await;
}

/// One and a half intervals of silence end a connection; with 0 nothing does.
pub async fn keepalive(new: bool) {
    let rig = Rig::new().await;
    let mut watcher = Client::connect(rig.address, &clean(new, "watcher")).await;
    watcher.subscribe("W", 2).await;
    let mut connect = clean(new, "a").will("W", "expired", 2);
    connect.keep_alive = 1;
    let begun = tokio::time::Instant::now();
    let mut client = Client::connect(rig.address, &connect).await;
    assert_eq!(client.closed().await, if new { vec![Packet::Disconnect { code: 0x8D }] } else { vec![] });
    assert!(begun.elapsed() >= std::time::Duration::from_millis(1400), "never earlier");
    assert_eq!(collect(&mut watcher, 1).await, [("W".into(), "expired".into(), 2)]);
    watcher.ping().await;
}

/// What was sent and not acknowledged is sent again, under its id, as a repetition, in its order.
pub async fn redelivery_on_reconnect(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &keeping(new, "a")).await;
    client.subscribe("A/#", 2).await;
    from_owner(&rig, "A/1", "one", QoS::AtLeastOnce);
    from_owner(&rig, "A/2", "two", QoS::ExactlyOnce);
    let first = [client.recv().await, client.recv().await];
    gone(&rig, client).await;
    let mut client = Client::connect(rig.address, &keeping(new, "a")).await;
    for sent in first {
        let again = client.recv().await;
        assert!(matches!(&again, Packet::Publish { dup: true, .. }), "{again:?}");
        assert_eq!((again.id(), again.payload()), (sent.id(), sent.payload()));
        client.ack(if again.payload() == "one" { PUBACK } else { PUBREC }, again.id()).await;
    }
    assert!(matches!(client.recv().await, Packet::Ack { kind: PUBREL, code: 0, .. }));
    // Cut once more between PUBREL and PUBCOMP: the release is repeated, the message is not.
    gone(&rig, client).await;
    let mut client = Client::connect(rig.address, &keeping(new, "a")).await;
    let Packet::Ack { kind: PUBREL, id, .. } = client.recv().await else { panic!("not the release") };
    client.ack(PUBCOMP, id).await;
    client.silent().await;
}

/// A filter that the owner refuses is refused by its own code; its neighbours in the packet are not.
pub async fn subscribe_failure(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &clean(new, "a")).await;
    let refused = if new { 0x87 } else { 0x80 };
    assert_eq!(client.try_subscribe(&[("deny/x", 2), ("allowed", 2)]).await, [refused, 2]);
    from_owner(&rig, "deny/x", "secret", QoS::AtMostOnce);
    from_owner(&rig, "allowed", "open", QoS::AtMostOnce);
    assert_eq!(client.recv().await.payload(), "open");
}

/// A leading wildcard does not match what begins with `$`.
pub async fn dollar_topics(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &clean(new, "a")).await;
    client.subscribe("+/+", 2).await;
    client.subscribe("#", 2).await;
    from_owner(&rig, "$A/B", "hidden", QoS::AtLeastOnce);
    client.silent().await;
    client.publish(&message("$A/B", "mine").qos(1, 1)).await;
    let refused = if new { 0x87 } else { 0 };
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBACK, id: 1, code: refused });
    client.silent().await;
}

/// Nothing comes any more for the filter that was given up, and everything for the others.
pub async fn unsubscribe(new: bool) {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &clean(new, "a")).await;
    for filter in ["A", "A/B", "A/C"] {
        client.subscribe(filter, 2).await;
    }
    let codes = if new { vec![0] } else { vec![] };
    assert_eq!(client.unsubscribe(&["A"]).await, Packet::UnsubAck { id: 901, codes });
    for topic in ["A", "A/B", "A/C"] {
        from_owner(&rig, topic, topic, QoS::AtLeastOnce);
    }
    let seen = collect(&mut client, 2).await;
    assert_eq!(seen.iter().map(|(topic, ..)| &**topic).collect::<Vec<_>>(), ["A/B", "A/C"]);
    client.silent().await;
}
