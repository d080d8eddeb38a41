//! The lines on which other brokers were compared, each held by a test. Those that are not here:
//!
//! | line | test |
//! |---|---|
//! | the nine crash probes, wrong closes under churn, client id `a/b` | `triggers` |
//! | fuzz | `fuzz` |
//! | 500 retained to a subscriber at QoS 0, 1, 2 | `retained::five_hundred_retained_messages_reach_a_subscriber_at_every_qos` |
//! | QoS = min(pub, sub) | `protocol::delivery_is_at_the_lower_of_the_two_qos` |
//! | receive maximum, maximum packet size | `protocol::receive_maximum_and_the_broker_own_window_are_respected`, `protocol::a_packet_larger_than_the_client_takes_is_left_out`, `hostile::receive_maximum_is_enforced` |
//! | acknowledgements out of order | `protocol::acknowledgements_out_of_order_and_for_nothing_are_borne` |
//! | 3.1.1 and 5 on one port | `protocol::both_versions_meet_on_one_port`; MQTT 3.1 here |
//! | a dead peer that is sent to | `wills::a_silent_client_is_lost_even_while_it_is_sent_to` |
//! | QoS 2 across a reconnect, and repeated | `protocol::qos_2_is_taken_once_however_often_it_is_sent` |

use std::collections::HashMap;

use domovoi_broker::{Protocol, Publish as Message, QoS, Settings};

use crate::{
    client::{Client, PUBACK, Packet, message, packet, prop, text, v3, v5},
    gate::Rig,
};

fn publish(rig: &Rig, topic: &str, payload: &str) {
    rig.broker.publish(Message::new(topic.to_owned(), payload.to_owned()).with_qos(QoS::AtLeastOnce)).unwrap();
}

#[tokio::test]
async fn aliases_towards_a_wildcard_subscriber_name_the_right_topic() {
    let rig = Rig::new().await;
    for max in [0u16, 1, 2, 100] {
        let mut client = Client::connect(rig.address, &v5("a").prop(0x22, &max.to_be_bytes())).await;
        client.subscribe("a/+", 1).await;
        let mut known = HashMap::new();
        let mut spared = 0;
        for n in 0..60 {
            // One topic is busier than the others, and there are more of them than numbers.
            let real = if n % 2 == 0 { "a/busy".to_owned() } else { format!("a/{}", n % 30) };
            publish(&rig, &real, &real);
            let received = client.recv().await;
            let Packet::Publish { topic, props, id, .. } = &received else { panic!("{received:?}") };
            let alias = prop(props, 0x23).map(|value| u16::from_be_bytes(value.try_into().unwrap()));
            let meant = match (topic.is_empty(), alias) {
                (false, None) => topic.clone(),
                (false, Some(alias)) => {
                    assert!((1..=max).contains(&alias), "{alias} of {max}");
                    known.insert(alias, topic.clone());
                    topic.clone()
                }
                (true, Some(alias)) => {
                    spared += 1;
                    known[&alias].clone()
                }
                (true, None) => panic!("neither topic nor alias"),
            };
            assert_eq!((&*meant, received.payload()), (&*real, &*real));
            client.ack(PUBACK, *id).await;
        }
        assert!(if max == 0 { spared == 0 } else { spared >= 20 }, "{spared} of {max}");
    }
}

#[tokio::test]
async fn aliases_end_with_their_connection_and_are_not_used_up_by_what_was_not_sent() {
    let rig = Rig::new().await;
    let connect = v5("a").expiry(100).prop(0x22, &1u16.to_be_bytes()).prop(0x27, &60u32.to_be_bytes());
    let mut client = Client::connect(rig.address, &connect).await;
    client.subscribe("#", 0).await;
    // Larger than the client takes: it never learns of the number that this topic would have had.
    publish(&rig, "big", &"x".repeat(100));
    publish(&rig, "t", "1");
    publish(&rig, "t", "2");
    let named = |packet: Packet| match packet {
        Packet::Publish { topic, props, .. } => (topic, prop(&props, 0x23).map(<[u8]>::to_vec)),
        other => panic!("{other:?}"),
    };
    assert_eq!(named(client.recv().await), ("t".into(), Some(vec![0, 1])));
    assert_eq!(named(client.recv().await), (String::new(), Some(vec![0, 1])));
    drop(client);
    rig.gate.until(|log| log.endings.len() == 1).await;
    let mut client = Client::connect(rig.address, &connect.keep()).await;
    publish(&rig, "t", "3");
    assert_eq!(named(client.recv().await), ("t".into(), Some(vec![0, 1])));
}

#[tokio::test]
async fn unsuback_is_one_whatever_is_in_the_list() {
    let rig = Rig::new().await;
    for connect in [v3("a").keep(), v5("a").keep().expiry(100)] {
        let mut client = Client::connect(rig.address, &connect).await;
        for filter in ["a", "b/#", "c/+"] {
            client.subscribe(filter, 1).await;
        }
        drop(client);
        // After a resumed session too.
        let mut client = Client::connect(rig.address, &connect).await;
        for (filters, codes) in
            [(&["never"][..], &[0x11][..]), (&["a", "b/#", "a", "never"], &[0, 0, 0x11, 0x11]), (&["c/+"], &[0])]
        {
            let codes = if connect.v5 { codes.to_vec() } else { vec![] };
            assert_eq!(client.unsubscribe(filters).await, Packet::UnsubAck { id: 901, codes });
            client.silent().await;
        }
        publish(&rig, "a", "x");
        publish(&rig, "c/d", "x");
        client.silent().await;
        assert_eq!(rig.broker.counters().subscriptions, 0);
        client.disconnect().await;
    }
}

#[tokio::test]
async fn a_publish_to_a_filter_closes() {
    let rig = Rig::new().await;
    for topic in ["a/#", "#", "a/+/b", "+"] {
        for connect in [v3("a"), v5("a")] {
            let mut client = Client::connect(rig.address, &connect).await;
            client.publish(&message(topic, "x").qos(1, 1)).await;
            let wanted = if connect.v5 { vec![Packet::Disconnect { code: 0x90 }] } else { vec![] };
            assert_eq!(client.closed().await, wanted);
        }
    }
    assert!(rig.gate.with(|log| log.offered.is_empty()));
}

/// What is acknowledged is delivered, or it is counted: `queue` messages and those in flight are the bound.
async fn five_thousand(queue: usize) -> (usize, u64) {
    let settings =
        Settings { queue_messages_per_session: queue, queue_bytes_per_session: 64 << 20, ..Settings::default() };
    let rig = Rig::with(settings).await;
    let mut paused = Client::connect(rig.address, &v3("paused")).await;
    paused.subscribe("t", 1).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    for chunk in 0..50u16 {
        let burst: Vec<u8> =
            (1..=100).flat_map(|n| message("t", &format!("{chunk}.{n}")).qos(1, n).bytes(false)).collect();
        sender.send(&burst).await;
        for n in 1..=100 {
            assert_eq!(sender.recv().await, Packet::Ack { kind: PUBACK, id: n, code: 0 });
        }
    }
    let dropped = rig.broker.counters().queue_dropped;
    let expected = 5000 - dropped as usize;
    let mut seen = Vec::new();
    while seen.len() < expected {
        let packet = paused.recv().await;
        paused.ack(PUBACK, packet.id()).await;
        seen.push(packet.payload().to_owned());
    }
    paused.silent().await;
    let order = (0..50).flat_map(|chunk| (1..=100).map(move |n| format!("{chunk}.{n}")));
    assert!(seen.into_iter().eq(order.take(expected)), "in order, the oldest");
    (expected, dropped)
}

#[tokio::test]
async fn five_thousand_to_a_paused_subscriber() {
    assert_eq!(five_thousand(1000).await, (1020, 3980));
    assert_eq!(five_thousand(5000).await, (5000, 0));
}

#[tokio::test]
async fn two_thousand_to_an_absent_session() {
    let settings = Settings { queue_messages_per_session: 2000, ..Settings::default() };
    let rig = Rig::with(settings).await;
    for keeping in [v3("a").keep(), v5("b").keep().expiry(1000)] {
        let mut client = Client::connect(rig.address, &keeping).await;
        client.subscribe("t", 1).await;
        let before = rig.gate.with(|log| log.endings.len());
        drop(client);
        rig.gate.until(|log| log.endings.len() > before).await;
        for n in 0..2000 {
            publish(&rig, "t", &n.to_string());
        }
        let mut client = Client::connect(rig.address, &keeping).await;
        for n in 0..2000 {
            let packet = client.recv().await;
            assert_eq!(packet.payload(), n.to_string());
            client.ack(PUBACK, packet.id()).await;
        }
        client.silent().await;
        client.unsubscribe(&["t"]).await;
    }
}

#[tokio::test]
async fn mqtt_3_1_is_spoken_too() {
    let rig = Rig::new().await;
    let connect = |level: u8, id: &str| {
        let body = [text("MQIsdp"), vec![level, 2, 0, 30], text(id)].concat();
        packet(0x10, &body)
    };
    let mut client = Client::open(rig.address, false).await;
    client.send(&connect(3, "old")).await;
    assert_eq!(client.recv().await, Packet::ConnAck { present: false, code: 0, props: vec![] });
    client.subscribe("t", 1).await;
    client.publish(&message("t", "x").qos(1, 1)).await;
    let seen = [client.recv().await, client.recv().await];
    assert!(seen.contains(&Packet::Ack { kind: PUBACK, id: 1, code: 0 }));
    assert_eq!(rig.gate.with(|log| log.connects[0].protocol), Protocol::V311);
    // Versions that nobody speaks: said once, then closed.
    for (name, level) in [("MQTT", 6), ("MQTT", 0x84), ("MQIsdp", 7), ("MQTT", 0)] {
        let mut client = Client::open(rig.address, false).await;
        client.send(&packet(0x10, &[text(name), vec![level, 2, 0, 30], text("x")].concat())).await;
        assert_eq!(
            client.closed().await,
            [Packet::ConnAck { present: false, code: 1, props: vec![] }],
            "{name} {level}"
        );
    }
}

#[tokio::test]
async fn a_message_expires_wherever_it_waits() {
    let rig = Rig::new().await;
    let second = 1u32.to_be_bytes();
    let hour = 3600u32.to_be_bytes();
    // Behind a window that is shut, and retained under a cursor that waits for that window.
    let mut slow = Client::connect(rig.address, &v5("slow").prop(0x21, &1u16.to_be_bytes())).await;
    slow.subscribe("t/#", 1).await;
    publish(&rig, "t/first", "holds the window");
    let first = slow.recv().await;
    let mut sender = Client::connect(rig.address, &v5("sender")).await;
    for (payload, expiry) in [("short", second), ("long", hour)] {
        let timed = message(&format!("t/{payload}"), payload).qos(1, 1).retain().prop(0x02, &expiry);
        sender.publish(&timed).await;
        sender.recv().await;
    }
    while rig.broker.retained("t/short").is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    slow.ack(PUBACK, first.id()).await;
    assert_eq!(slow.recv().await.payload(), "long");
    let mut late = Client::connect(rig.address, &v5("late")).await;
    late.subscribe("t/#", 0).await;
    let retained = late.recv().await;
    assert_eq!(retained.payload(), "long");
    let Packet::Publish { props, .. } = &retained else { panic!("{retained:?}") };
    let left = u32::from_be_bytes(prop(props, 0x02).unwrap().try_into().unwrap());
    assert!((1..=3600).contains(&left), "{left}");
    late.silent().await;
}

#[tokio::test]
async fn response_information_is_for_those_who_ask() {
    let settings = Settings { response_information: Some("answers".into()), ..Settings::default() };
    let rig = Rig::with(settings).await;
    for (connect, told) in [(v5("a").prop(0x19, &[1]), true), (v5("b").prop(0x19, &[0]), false), (v5("c"), false)] {
        let (_client, ack) = Client::dial(rig.address, &connect).await;
        let Packet::ConnAck { props, .. } = ack else { panic!("{ack:?}") };
        assert_eq!(prop(&props, 0x1A), told.then_some(&b"answers"[..]));
    }
}

#[tokio::test]
async fn bits_that_are_reserved_in_a_subscribe_close() {
    let rig = Rig::new().await;
    for (connect, options) in
        [(v3("a"), 4u8), (v3("a"), 0x80), (v3("a"), 3), (v5("a"), 0x40), (v5("a"), 0x30), (v5("a"), 3)]
    {
        let mut client = Client::connect(rig.address, &connect).await;
        let bytes = client.subscribe_bytes(1, &[("fine", 0), ("t", options)], None);
        client.send(&bytes).await;
        let wanted = if connect.v5 { vec![Packet::Disconnect { code: 0x81 }] } else { vec![] };
        assert_eq!(client.closed().await, wanted, "{options:#x}");
    }
    assert_eq!(rig.broker.counters().subscriptions, 0);
}

#[tokio::test]
async fn connack_says_what_holds() {
    let settings = Settings {
        max_keep_alive_secs: Some(60),
        max_topic_aliases: 5,
        max_uncommitted_packets: 77,
        max_packet_bytes: 100_000,
        max_session_expiry: std::time::Duration::from_secs(50),
        ..Settings::default()
    };
    let rig = Rig::with(settings).await;
    let (mut client, ack) = Client::dial(rig.address, &v5("").expiry(100)).await;
    let Packet::ConnAck { present: false, code: 0, props } = ack else { panic!("{ack:?}") };
    let number = |id: u8| prop(&props, id).map(|v| v.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)));
    assert_eq!(number(0x11), Some(50), "session expiry, because it was shortened");
    assert_eq!(number(0x13), Some(60), "server keep alive");
    assert_eq!(number(0x21), Some(77), "receive maximum");
    assert_eq!(number(0x22), Some(5), "topic alias maximum");
    assert_eq!(number(0x27), Some(100_000), "maximum packet size");
    assert!(prop(&props, 0x12).is_some(), "assigned client id");
    // Maximum QoS, retain, wildcards, identifiers, sharing: available, so not mentioned. No response information.
    assert!([0x24, 0x25, 0x28, 0x29, 0x2A, 0x1A].iter().all(|id| prop(&props, *id).is_none()), "{props:?}");
    // And it is so.
    let bytes = client.subscribe_bytes(1, &[("t/#", 2)], Some(1));
    client.send(&bytes).await;
    assert_eq!(client.recv().await, Packet::SubAck { id: 1, codes: vec![2] });
    client.send(&[vec![0x30], crate::client::varint(100_000)].concat()).await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x95 }]);
}
