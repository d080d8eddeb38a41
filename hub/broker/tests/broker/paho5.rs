//! The twenty-seven questions for MQTT 5.

use std::time::Duration;

use domovoi_broker::{QoS, Settings};
use tokio::time::Instant;

use crate::{
    client::{Client, PUBACK, Packet, Props, message, packet, prop, text, v5, varint},
    gate::Rig,
    paho::{self, THREE, collect, deliver, from_owner, gone},
};

fn props(packet: &Packet) -> &Props {
    match packet {
        Packet::Publish { props, .. } | Packet::ConnAck { props, .. } => props,
        other => panic!("no properties: {other:?}"),
    }
}

fn pair(key: &str, value: &str) -> Vec<u8> {
    [text(key), text(value)].concat()
}

fn present(ack: &Packet) -> bool {
    matches!(ack, Packet::ConnAck { present: true, code: 0, .. })
}

/// DISCONNECT with a Session Expiry Interval.
async fn leave(rig: &Rig, mut client: Client, expiry_secs: u32) {
    let before = rig.gate.with(|log| log.endings.len());
    client.send(&packet(0xE0, &[&[0, 5, 0x11][..], &expiry_secs.to_be_bytes()].concat())).await;
    client.closed().await;
    rig.gate.until(|log| log.endings.len() > before).await;
}

#[tokio::test]
async fn basic() {
    paho::basic(true).await;
}

#[tokio::test]
async fn retained_message() {
    paho::retained(true).await;
    // Their user properties are kept with them, in order.
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let rich = message("A", "x").retain().prop(0x26, &pair("a", "2")).prop(0x26, &pair("c", "3"));
    client.publish(&rich).await;
    client.subscribe("+", 2).await;
    let packet = client.recv().await;
    let users: Vec<_> = props(&packet).iter().filter(|(id, _)| *id == 0x26).map(|(_, value)| &**value).collect();
    assert_eq!(users, [b"a=2", b"c=3"]);
}

#[tokio::test]
async fn will_message() {
    paho::will(true).await;
    let rig = Rig::new().await;
    let mut watcher = Client::connect(rig.address, &v5("watcher")).await;
    watcher.subscribe("W", 2).await;
    let mut connect = v5("a").will("W", "gone", 0);
    let will = connect.will.as_mut().unwrap();
    will.props = [&[0x26][..], &pair("a", "2"), &[0x26], &pair("c", "3")].concat();
    drop(Client::connect(rig.address, &connect).await);
    let packet = watcher.recv().await;
    let users: Vec<_> = props(&packet).iter().filter(|(id, _)| *id == 0x26).map(|(_, value)| &**value).collect();
    assert_eq!(users, [b"a=2", b"c=3"]);
}

#[tokio::test]
async fn zero_length_clientid() {
    let rig = Rig::new().await;
    for connect in [v5(""), v5("").keep(), v5("").keep().expiry(100)] {
        let (client, ack) = Client::dial(rig.address, &connect).await;
        assert!(matches!(ack, Packet::ConnAck { present: false, code: 0, .. }), "{ack:?}");
        client.disconnect().await;
    }
}

#[tokio::test]
async fn offline_message_queueing() {
    paho::offline_message_queueing(true).await;
}

#[tokio::test]
async fn overlapping_subscriptions() {
    paho::overlapping_subscriptions(true).await;
}

#[tokio::test]
async fn keepalive() {
    paho::keepalive(true).await;
}

#[tokio::test]
async fn redelivery_on_reconnect() {
    paho::redelivery_on_reconnect(true).await;
}

#[tokio::test]
async fn subscribe_failure() {
    paho::subscribe_failure(true).await;
}

#[tokio::test]
async fn dollar_topics() {
    paho::dollar_topics(true).await;
}

#[tokio::test]
async fn unsubscribe() {
    paho::unsubscribe(true).await;
}

#[tokio::test]
async fn session_expiry() {
    let rig = Rig::new().await;
    // None, or zero: it ends with its connection, whatever Clean Start says.
    for connect in [v5("a"), v5("a").expiry(0), v5("a").keep(), v5("a").keep().expiry(0)] {
        let (mut client, ack) = Client::dial(rig.address, &connect).await;
        assert!(!present(&ack));
        client.subscribe("A", 2).await;
        gone(&rig, client).await;
    }
    assert_eq!(rig.broker.counters().sessions, 0);
    // An interval: there before it is over, gone after.
    gone(&rig, Client::connect(rig.address, &v5("a").expiry(1000)).await).await;
    let (client, ack) = Client::dial(rig.address, &v5("a").keep().expiry(1)).await;
    assert!(present(&ack));
    gone(&rig, client).await;
    rig.until(|counters| counters.sessions == 0 && counters.expired_sessions == 1).await;
    let (client, ack) = Client::dial(rig.address, &v5("a").keep().expiry(1)).await;
    assert!(!present(&ack));
    // DISCONNECT may make it longer, or zero.
    leave(&rig, client, 1000).await;
    let (client, ack) = Client::dial(rig.address, &v5("a").keep().expiry(1000)).await;
    assert!(present(&ack));
    leave(&rig, client, 0).await;
    let (mut client, ack) = Client::dial(rig.address, &v5("a").keep()).await;
    assert!(!present(&ack));
    // But not of a session that was not to last (3.14.2.2.2).
    client.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 9])).await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x82 }]);
}

#[tokio::test]
async fn user_properties() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.subscribe("A", 2).await;
    for qos in 0..3 {
        let rich = message("A", "x").prop(0x26, &pair("a", "2")).prop(0x26, &pair("a", "2")).prop(0x26, &pair("", ""));
        client.publish(&rich.qos(qos, 5)).await;
        loop {
            let packet = client.recv().await;
            let Packet::Publish { qos: got, .. } = &packet else { continue };
            assert_eq!(*got, qos);
            let users: Vec<_> = props(&packet).iter().filter(|(id, _)| *id == 0x26).map(|(_, v)| &**v).collect();
            assert_eq!(users, [&b"a=2"[..], b"a=2", b"="], "order and repetitions are kept");
            break;
        }
        if qos == 2 {
            client.ack(crate::client::PUBREL, 5).await;
        }
    }
}

#[tokio::test]
async fn payload_format() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.subscribe("A", 0).await;
    client.publish(&message("A", "x").prop(0x01, &[1]).prop(0x03, &text("имя"))).await;
    let packet = client.recv().await;
    assert_eq!(prop(props(&packet), 0x01), Some(&[1][..]));
    assert_eq!(prop(props(&packet), 0x03), Some("имя".as_bytes()));
    client.publish(&message("A", "x")).await;
    assert_eq!(props(&client.recv().await), &[]);
}

#[tokio::test]
async fn publication_expiry() {
    let rig = Rig::new().await;
    let absent = v5("absent").keep().expiry(1000);
    let mut client = Client::connect(rig.address, &absent).await;
    client.subscribe("A", 2).await;
    gone(&rig, client).await;
    let mut sender = Client::connect(rig.address, &v5("s")).await;
    for (payload, secs) in [("short", 1u32), ("long", 600)] {
        // Retained so that the broker itself can be asked whether the time is over.
        sender.publish(&message("A", payload).qos(1, 1).retain().prop(0x02, &secs.to_be_bytes())).await;
        sender.recv().await;
        if payload == "short" {
            while rig.broker.retained("A").is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let begun = Instant::now();
    let mut client = Client::connect(rig.address, &absent).await;
    let packet = client.recv().await;
    assert_eq!(packet.payload(), "long");
    let left = u32::from_be_bytes(prop(props(&packet), 0x02).unwrap().try_into().unwrap());
    assert!(left <= 600 && u64::from(left) + begun.elapsed().as_secs() + 60 > 600, "{left}");
    client.silent().await;
}

#[tokio::test]
async fn subscribe_options() {
    let rig = Rig::new().await;
    let mut a = Client::connect(rig.address, &v5("a")).await;
    let mut b = Client::connect(rig.address, &v5("b")).await;
    // No Local: everybody but the sender.
    a.subscribe("A", 0b110).await;
    b.subscribe("A", 0b110).await;
    a.publish(&message("A", "from a")).await;
    assert_eq!(b.recv().await.payload(), "from a");
    a.silent().await;
    // Retain As Published: the flag as it was; without it, cleared.
    a.subscribe("B", 0b1010).await;
    b.subscribe("B", 2).await;
    for retain in [false, true] {
        let mut kept = message("B", "x");
        kept.retain = retain;
        a.publish(&kept).await;
        assert!(matches!(a.recv().await, Packet::Publish { retain: got, .. } if got == retain));
        assert!(matches!(b.recv().await, Packet::Publish { retain: false, .. }));
    }
    // Retain Handling: 0 always, 1 if the subscription is new, 2 never; first and second time.
    for (handling, expected) in [(0, [1, 1]), (1, [1, 0]), (2, [0, 0])] {
        let mut client = Client::connect(rig.address, &v5("c")).await;
        for count in expected {
            client.subscribe("B", handling << 4).await;
            for _ in 0..count {
                assert!(matches!(client.recv().await, Packet::Publish { retain: true, .. }));
            }
            client.silent().await;
        }
    }
}

#[tokio::test]
async fn assigned_clientid() {
    let rig = Rig::new().await;
    let (first, ack) = Client::dial(rig.address, &v5("").expiry(1000)).await;
    let id = String::from_utf8(prop(props(&ack), 0x12).expect("an assigned id").to_vec()).unwrap();
    gone(&rig, first).await;
    // It can be come back under.
    let (_client, ack) = Client::dial(rig.address, &v5(&id).keep().expiry(1000)).await;
    assert!(present(&ack));
    let (_other, ack) = Client::dial(rig.address, &v5("")).await;
    assert_ne!(prop(props(&ack), 0x12), Some(id.as_bytes()));
    let (_named, ack) = Client::dial(rig.address, &v5("named")).await;
    assert_eq!(prop(props(&ack), 0x12), None);
}

#[tokio::test]
async fn subscribe_identifiers() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let subscribe = |filter: &str, identifier: usize| {
        let property = [vec![0x0B], varint(identifier)].concat();
        packet(0x82, &[vec![0, 1], varint(property.len()), property, text(filter), vec![2]].concat())
    };
    for (filter, identifier) in [("A", 456_789), ("A/#", 3), ("other", 4)] {
        client.send(&subscribe(filter, identifier)).await;
        assert_eq!(client.recv().await, Packet::SubAck { id: 1, codes: vec![2] });
    }
    let identifiers = |packet: &Packet| {
        let mut found: Vec<Vec<u8>> =
            props(packet).iter().filter(|(id, _)| *id == 0x0B).map(|(_, value)| value.clone()).collect();
        found.sort();
        found
    };
    from_owner(&rig, "A", "x", QoS::AtMostOnce);
    assert_eq!(identifiers(&client.recv().await), [varint(3), varint(456_789)]);
    // The latest SUBSCRIBE of a filter has the word.
    client.send(&subscribe("A", 9)).await;
    client.recv().await;
    from_owner(&rig, "A", "x", QoS::AtMostOnce);
    assert_eq!(identifiers(&client.recv().await), [varint(3), varint(9)]);
    client.send(&subscribe("A", 0)).await;
    assert!(matches!(client.closed().await[..], [Packet::Disconnect { code: 0x81 | 0x82 }]));
}

#[tokio::test]
async fn request_response() {
    let rig = Rig::new().await;
    let mut asker = Client::connect(rig.address, &v5("asker").prop(0x19, &[1])).await;
    let mut answerer = Client::connect(rig.address, &v5("answerer")).await;
    asker.subscribe("answers/asker", 0b100).await;
    answerer.subscribe("questions", 0b100).await;
    asker.publish(&message("questions", "?").prop(0x08, &text("answers/asker")).prop(0x09, &text("334"))).await;
    let question = answerer.recv().await;
    let topic = String::from_utf8(prop(props(&question), 0x08).unwrap().to_vec()).unwrap();
    let correlation = prop(props(&question), 0x09).unwrap().to_vec();
    let answer = message(&topic, "!").prop(0x09, &[&(correlation.len() as u16).to_be_bytes(), &*correlation].concat());
    answerer.publish(&answer).await;
    let heard = asker.recv().await;
    assert_eq!((heard.payload(), prop(props(&heard), 0x09)), ("!", Some(&b"334"[..])));
}

#[tokio::test]
async fn client_topic_alias() {
    let rig = Rig::new().await;
    let alias = |n: u16| n.to_be_bytes();
    for (bad, codes) in [
        (message("A", "x").prop(0x23, &alias(0)), [0x81, 0x94]),
        (message("A", "x").prop(0x23, &alias(17)), [0x94, 0x94]),
        (message("", "x").prop(0x23, &alias(1)), [0x82, 0x82]),
    ] {
        let mut client = Client::connect(rig.address, &v5("a")).await;
        client.publish(&bad).await;
        let said = client.closed().await;
        assert!(matches!(said[..], [Packet::Disconnect { code }] if codes.contains(&code)), "{said:?}");
    }
    let mut client = Client::connect(rig.address, &v5("a").expiry(1000)).await;
    client.subscribe("A", 0).await;
    for alias in [message("A", "1").prop(0x23, &alias(1)), message("", "2").prop(0x23, &alias(1))] {
        client.publish(&alias).await;
        assert!(matches!(client.recv().await, Packet::Publish { topic, .. } if topic == "A"));
    }
    // The subscription outlives the connection, the alias does not.
    gone(&rig, client).await;
    let mut client = Client::connect(rig.address, &v5("a").keep()).await;
    client.publish(&message("A", "3")).await;
    assert_eq!(client.recv().await.payload(), "3");
    client.publish(&message("", "4").prop(0x23, &alias(1))).await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x82 }]);
}

#[tokio::test]
async fn server_topic_alias() {
    let rig = Rig::new().await;
    for (connect, allowed) in
        [(v5("a").prop(0x22, &[0, 1]), true), (v5("a"), false), (v5("a").prop(0x22, &[0, 0]), false)]
    {
        let mut client = Client::connect(rig.address, &connect).await;
        client.subscribe("A", 2).await;
        for (n, qos) in THREE.into_iter().enumerate() {
            from_owner(&rig, "A", "x", qos);
            let packet = client.recv().await;
            let Packet::Publish { topic, props, .. } = &packet else { panic!("{packet:?}") };
            assert_eq!(prop(props, 0x23), allowed.then_some(&[0, 1][..]));
            assert_eq!(topic, if allowed && n > 0 { "" } else { "A" });
        }
    }
}

#[tokio::test]
async fn maximum_packet_size() {
    let rig = Rig::with(Settings { max_packet_bytes: 1000, ..Settings::default() }).await;
    let (mut client, ack) = Client::dial(rig.address, &v5("a")).await;
    let max = u32::from_be_bytes(prop(props(&ack), 0x27).unwrap().try_into().unwrap()) as usize;
    // To the byte: two of length, one of properties, two of topic length, one of topic.
    client.publish(&message("A", &"x".repeat(max - 7))).await;
    client.ping().await;
    client.publish(&message("A", &"x".repeat(max - 6))).await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x95 }]);

    let mut client = Client::connect(rig.address, &v5("b").prop(0x27, &64u32.to_be_bytes())).await;
    client.subscribe("A", 2).await;
    // A packet of 64 bytes: two of header, three of topic, two of id, one of properties.
    for (payload, fits) in [(56, true), (57, false), (200, false)] {
        from_owner(&rig, "A", &"x".repeat(payload), QoS::AtLeastOnce);
        if fits {
            let packet = client.recv().await;
            assert_eq!(packet.payload().len(), payload);
            client.ack(PUBACK, packet.id()).await;
        }
        client.silent().await;
    }
    assert_eq!(rig.broker.counters().too_large_for_client, 2);
}

#[tokio::test]
async fn server_keep_alive() {
    let rig = Rig::with(Settings { max_keep_alive_secs: Some(60), ..Settings::default() }).await;
    for (asked, told) in [(120, Some(60u16)), (0, Some(60)), (61, Some(60)), (60, None), (1, None)] {
        let mut connect = v5("a");
        connect.keep_alive = asked;
        let (_client, ack) = Client::dial(rig.address, &connect).await;
        let secs = prop(props(&ack), 0x13).map(|value| u16::from_be_bytes(value.try_into().unwrap()));
        assert_eq!(secs, told, "{asked}");
    }
}

#[tokio::test]
async fn flow_control1() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a").prop(0x21, &2u16.to_be_bytes())).await;
    client.subscribe("A", 2).await;
    for n in 0..5 {
        from_owner(&rig, "A", &n.to_string(), THREE[1 + n % 2]);
    }
    // QoS 0 does not count, but keeps its place in the line.
    from_owner(&rig, "A", "5", QoS::AtMostOnce);
    let first = [client.recv().await, client.recv().await];
    client.silent().await;
    client.ack(PUBACK, first[0].id()).await;
    assert_eq!(client.recv().await.payload(), "2");
    client.silent().await;
    // QoS 2 gives its place back with PUBCOMP only.
    client.ack(crate::client::PUBREC, first[1].id()).await;
    assert!(matches!(client.recv().await, Packet::Ack { kind: crate::client::PUBREL, .. }));
    client.silent().await;
    client.ack(crate::client::PUBCOMP, first[1].id()).await;
    assert_eq!(client.recv().await.payload(), "3");
    client.silent().await;
}

#[tokio::test]
async fn flow_control2() {
    let rig = Rig::new().await;
    let (mut client, ack) = Client::dial(rig.address, &v5("a")).await;
    let max = u16::from_be_bytes(prop(props(&ack), 0x21).unwrap().try_into().unwrap());
    let flood: Vec<u8> = (1..=max + 1).flat_map(|id| message("A", "x").qos(2, id).bytes(true)).collect();
    client.send(&flood).await;
    let said = client.closed().await;
    assert_eq!(said.last(), Some(&Packet::Disconnect { code: 0x93 }));
    assert_eq!(said.len(), usize::from(max) + 1, "what was within the bound is acknowledged");
    // Exactly as many are borne, and as many again after they were released.
    let mut client = Client::connect(rig.address, &v5("a")).await;
    for _ in 0..2 {
        let flood: Vec<u8> = (1..=max).flat_map(|id| message("A", "x").qos(2, id).bytes(true)).collect();
        client.send(&flood).await;
        for id in 1..=max {
            assert_eq!(client.recv().await.id(), id);
        }
        let release: Vec<u8> = (1..=max).flat_map(|id| packet(0x62, &id.to_be_bytes())).collect();
        client.send(&release).await;
        for id in 1..=max {
            assert_eq!(client.recv().await.id(), id);
        }
    }
}

#[tokio::test]
async fn will_delay() {
    let rig = Rig::new().await;
    let mut watcher = Client::connect(rig.address, &v5("watcher")).await;
    watcher.subscribe("W", 2).await;
    // The earlier of delay and session end; neither earlier than that.
    for (delay, expiry, at_least) in [(1, 1000, 1), (1000, 1, 1), (1000, 0, 0)] {
        let connect = v5("a").expiry(expiry).will("W", "late", 0).will_delay(delay);
        let client = Client::connect(rig.address, &connect).await;
        let cut = Instant::now();
        drop(client);
        assert_eq!(watcher.recv().await.payload(), "late");
        assert!(cut.elapsed() >= Duration::from_secs(at_least), "{delay} {expiry}");
    }
}

#[tokio::test]
async fn shared_subscriptions() {
    let rig = Rig::new().await;
    let mut members = [Client::connect(rig.address, &v5("a")).await, Client::connect(rig.address, &v5("b")).await];
    for member in &mut members {
        assert_eq!(member.try_subscribe(&[("$share/name/x", 2), ("A", 2)]).await, [2, 2]);
    }
    let mut sender = Client::connect(rig.address, &v5("s")).await;
    for n in 0..10 {
        deliver(&mut sender, "x", &n.to_string(), 2, false).await;
    }
    deliver(&mut sender, "A", "both", 1, false).await;
    let [a, b] = &mut members;
    let (from_a, from_b) = (collect(a, 6).await, collect(b, 6).await);
    let mut numbers: Vec<u32> = from_a.iter().chain(&from_b).filter_map(|(_, text, _)| text.parse().ok()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..10), "each once, whoever got it");
    a.silent().await;
    b.silent().await;
}
