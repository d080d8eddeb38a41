//! What the two protocol versions promise a well-behaved client, one connection at a time.

use domovoi_broker::{Protocol, Settings};

use crate::{
    client::{Client, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, Publish, message, prop, text, v3, v5},
    gate::Rig,
};

fn qos_of(packet: &Packet) -> u8 {
    match packet {
        Packet::Publish { qos, .. } => *qos,
        other => panic!("not a publish: {other:?}"),
    }
}

fn props_of(packet: &Packet) -> &Vec<(u8, Vec<u8>)> {
    match packet {
        Packet::Publish { props, .. } | Packet::ConnAck { props, .. } => props,
        other => panic!("no properties: {other:?}"),
    }
}

#[tokio::test]
async fn both_versions_meet_on_one_port() {
    let rig = Rig::new().await;
    let mut old = Client::connect(rig.address, &v3("old")).await;
    let mut new = Client::connect(rig.address, &v5("new").login("me", "secret")).await;
    old.subscribe("ю/+", 1).await;
    new.subscribe("ю/+", 1).await;
    // A property that 3.1.1 cannot carry is left out for it and kept for the other.
    let hello = message("ю/темп", "21").qos(1, 5).prop(0x26, &[text("k"), text("v")].concat());
    new.publish(&hello).await;
    let seen = [new.recv().await, new.recv().await];
    assert!(seen.contains(&Packet::Ack { kind: PUBACK, id: 5, code: 0 }));
    let copy = seen.iter().find(|p| matches!(p, Packet::Publish { .. })).expect("its own message");
    assert_eq!(prop(props_of(copy), 0x26), Some(&b"k=v"[..]));
    assert_eq!(old.recv().await.payload(), "21");
    rig.gate.with(|log| {
        assert_eq!(log.connects[0].protocol, Protocol::V311);
        assert_eq!(log.connects[1].protocol, Protocol::V5);
        assert_eq!(log.connects[1].username.as_deref(), Some("me"));
        assert_eq!(log.connects[1].password.as_deref(), Some(&b"secret"[..]));
        assert!(!format!("{:?}", log.connects[1]).contains("secret"));
    });
}

#[tokio::test]
async fn delivery_is_at_the_lower_of_the_two_qos() {
    let rig = Rig::new().await;
    for sub in 0..=2 {
        let mut client = Client::connect(rig.address, &v5("a")).await;
        let mut sender = Client::connect(rig.address, &v3("b")).await;
        client.subscribe("t", sub).await;
        for published in 0..=2 {
            sender.publish(&message("t", "x").qos(published, 1)).await;
            let packet = client.recv().await;
            assert_eq!(qos_of(&packet), sub.min(published));
            match qos_of(&packet) {
                1 => client.ack(PUBACK, packet.id()).await,
                2 => {
                    client.ack(PUBREC, packet.id()).await;
                    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: packet.id(), code: 0 });
                    client.ack(PUBCOMP, packet.id()).await;
                }
                _ => {}
            }
            if published == 2 {
                assert_eq!(sender.recv().await, Packet::Ack { kind: PUBREC, id: 1, code: 0 });
                sender.ack(PUBREL, 1).await;
                assert_eq!(sender.recv().await, Packet::Ack { kind: PUBCOMP, id: 1, code: 0 });
            } else if published == 1 {
                sender.recv().await;
            }
        }
    }
}

#[tokio::test]
async fn qos_2_is_taken_once_however_often_it_is_sent() {
    let rig = Rig::new().await;
    for connect in [v3("a").keep(), v5("b").expiry(100)] {
        let mut other = Client::connect(rig.address, &v3("other")).await;
        other.subscribe("t", 0).await;
        let once = message("t", "once").qos(2, 11);
        let mut client = Client::connect(rig.address, &connect).await;
        client.publish(&once).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 11, code: 0 });
        client.publish(&once.clone().dup()).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 11, code: 0 });
        drop(client);
        // The same across a reconnect.
        let (mut client, ack) = Client::dial(rig.address, &connect.clone().keep()).await;
        assert!(matches!(ack, Packet::ConnAck { present: true, code: 0, .. }), "{ack:?}");
        client.publish(&once.clone().dup()).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 11, code: 0 });
        client.ack(PUBREL, 11).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBCOMP, id: 11, code: 0 });
        // Released: the id names a new message now.
        client.publish(&message("t", "twice").qos(2, 11)).await;
        assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 11, code: 0 });
        assert_eq!(other.recv().await.payload(), "once");
        assert_eq!(other.recv().await.payload(), "twice");
        other.silent().await;
    }
}

#[tokio::test]
async fn a_qos_2_message_whose_commit_outlives_the_connection_is_not_taken_twice() {
    let rig = Rig::new().await;
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.subscribe("slow/x", 0).await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    client.publish(&message("slow/x", "once").qos(2, 3)).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    drop(client);
    rig.gate.until(|log| log.endings.len() == 1).await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    client.publish(&message("slow/x", "once").qos(2, 3).dup()).await;
    client.silent().await;
    rig.commit(Ok(())).await;
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 3, code: 0 });
    assert_eq!(other.recv().await.payload(), "once");
    other.silent().await;
    assert_eq!(rig.gate.with(|log| log.offered.len()), 1);
}

#[tokio::test]
async fn acknowledgements_out_of_order_and_for_nothing_are_borne() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.subscribe("t", 2).await;
    for payload in ["1", "2", "3"] {
        rig.broker
            .publish(domovoi_broker::Publish::new("t", payload).with_qos(domovoi_broker::QoS::AtLeastOnce))
            .unwrap();
    }
    let ids: Vec<u16> =
        [client.recv().await, client.recv().await, client.recv().await].iter().map(Packet::id).collect();
    for id in ids.iter().rev() {
        client.ack(PUBACK, *id).await;
    }
    client.ack(PUBACK, 4242).await;
    client.ack(PUBCOMP, 4242).await;
    client.ack(PUBREC, 4242).await;
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: 4242, code: 0x92 });
    client.ack(PUBREL, 4242).await;
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBCOMP, id: 4242, code: 0x92 });
    client.ping().await;
    assert_eq!(rig.broker.counters().unknown_acks, 3);
}

#[tokio::test]
async fn receive_maximum_and_the_broker_own_window_are_respected() {
    let rig = Rig::with(Settings { max_inflight: 4, ..Settings::default() }).await;
    for (connect, window) in [(v5("a").prop(0x21, &2u16.to_be_bytes()), 2), (v5("b"), 4), (v3("c"), 4)] {
        let mut client = Client::connect(rig.address, &connect).await;
        client.subscribe("t", 1).await;
        for n in 0..10 {
            let message = domovoi_broker::Publish::new("t", n.to_string());
            rig.broker.publish(message.with_qos(domovoi_broker::QoS::AtLeastOnce)).unwrap();
        }
        let mut waiting = std::collections::VecDeque::new();
        for n in 0..10 {
            if waiting.len() == window {
                client.silent().await;
                let id = waiting.pop_front().expect("one in flight");
                client.ack(PUBACK, id).await;
            }
            let packet = client.recv().await;
            assert_eq!(packet.payload(), n.to_string());
            waiting.push_back(packet.id());
        }
    }
}

#[tokio::test]
async fn a_packet_larger_than_the_client_takes_is_left_out() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a").prop(0x27, &100u32.to_be_bytes())).await;
    client.subscribe("t", 1).await;
    for payload in ["x".repeat(200), "small".into()] {
        let message = domovoi_broker::Publish::new("t", payload);
        rig.broker.publish(message.with_qos(domovoi_broker::QoS::AtLeastOnce)).unwrap();
    }
    assert_eq!(client.recv().await.payload(), "small");
    assert_eq!(rig.broker.counters().too_large_for_client, 1);
}

#[tokio::test]
async fn topic_aliases_name_the_topic_they_were_given_with() {
    let rig = Rig::new().await;
    let (mut client, ack) = Client::dial(rig.address, &v5("a")).await;
    assert_eq!(prop(props_of(&ack), 0x22), Some(&[0, 16][..]));
    let mut other = Client::connect(rig.address, &v5("b")).await;
    other.subscribe("a/+", 0).await;
    let alias = |n: u16| n.to_be_bytes();
    client.publish(&message("a/1", "1").prop(0x23, &alias(1))).await;
    client.publish(&message("a/2", "2").prop(0x23, &alias(2))).await;
    client.publish(&message("", "3").prop(0x23, &alias(1))).await;
    client.publish(&message("a/4", "4").prop(0x23, &alias(1))).await;
    client.publish(&message("", "5").prop(0x23, &alias(1))).await;
    for (wanted, payload) in [("a/1", "1"), ("a/2", "2"), ("a/1", "3"), ("a/4", "4"), ("a/4", "5")] {
        let packet = other.recv().await;
        assert_eq!(packet.payload(), payload);
        assert!(matches!(&packet, Packet::Publish { topic, .. } if topic == wanted), "{packet:?}");
    }
    for (bad, code) in
        [(message("", "x").prop(0x23, &alias(9)), 0x82), (message("a", "x").prop(0x23, &alias(17)), 0x94)]
    {
        let mut client = Client::connect(rig.address, &v5("c")).await;
        client.publish(&bad).await;
        assert_eq!(client.closed().await, [Packet::Disconnect { code }]);
    }
}

#[tokio::test]
async fn properties_travel_with_the_message() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let bytes = client.subscribe_bytes(1, &[("t", 1)], Some(77));
    client.send(&bytes).await;
    client.recv().await;
    let bytes = client.subscribe_bytes(2, &[("+", 0)], Some(78));
    client.send(&bytes).await;
    client.recv().await;
    let user = |k: &str, v: &str| [text(k), text(v)].concat();
    let rich = message("t", "x")
        .prop(0x01, &[1])
        .prop(0x02, &60u32.to_be_bytes())
        .prop(0x03, &text("text/plain"))
        .prop(0x08, &text("answer/here"))
        .prop(0x09, &text("correlated"))
        .prop(0x26, &user("b", "2"))
        .prop(0x26, &user("a", "1"))
        .prop(0x26, &user("b", "3"));
    client.publish(&rich).await;
    let packet = client.recv().await;
    let props = props_of(&packet);
    assert_eq!(prop(props, 0x01), Some(&[1][..]));
    assert_eq!(prop(props, 0x02), Some(&60u32.to_be_bytes()[..]));
    assert_eq!(prop(props, 0x03), Some(&b"text/plain"[..]));
    assert_eq!(prop(props, 0x08), Some(&b"answer/here"[..]));
    assert_eq!(prop(props, 0x09), Some(&b"correlated"[..]));
    let users: Vec<_> = props.iter().filter(|(id, _)| *id == 0x26).map(|(_, value)| &**value).collect();
    assert_eq!(users, [b"b=2", b"a=1", b"b=3"]);
    let mut ids: Vec<_> = props.iter().filter(|(id, _)| *id == 0x0B).map(|(_, value)| value[0]).collect();
    ids.sort_unstable();
    assert_eq!(ids, [77, 78], "one copy, both subscriptions");
    assert!(prop(props, 0x23).is_none());
    client.silent().await;
}

#[tokio::test]
async fn subscription_options_do_what_they_say() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let mut other = Client::connect(rig.address, &v5("b")).await;
    client.subscribe("t", 0b100).await; // No Local
    client.subscribe("r", 0b1000).await; // Retain As Published
    client.publish(&message("t", "mine")).await;
    client.silent().await;
    other.publish(&message("t", "theirs")).await;
    assert_eq!(client.recv().await.payload(), "theirs");
    let retained = |packet: Packet| matches!(packet, Packet::Publish { retain: true, .. });
    other.publish(&message("r", "x").retain()).await;
    assert!(retained(client.recv().await));
    client.subscribe("plain", 0).await;
    other.publish(&message("plain", "x").retain()).await;
    assert!(!retained(client.recv().await));
    // Retain handling: 0 sends always, 1 only if the subscription is new, 2 never.
    client.subscribe("plain", 0).await;
    assert!(retained(client.recv().await));
    client.subscribe("plain", 1 << 4).await;
    client.silent().await;
    client.unsubscribe(&["plain"]).await;
    client.subscribe("plain", 2 << 4).await;
    client.silent().await;
    client.unsubscribe(&["plain"]).await;
    client.subscribe("plain", 1 << 4).await;
    assert!(retained(client.recv().await));
}

#[tokio::test]
async fn subscribe_and_unsubscribe_are_answered_filter_by_filter() {
    let rig = Rig::with(Settings { max_subscriptions_per_session: 8, ..Settings::default() }).await;
    let filters =
        [("a", 2), ("a/#/b", 0), ("a+", 0), ("deny/x", 0), ("$share/g", 0), ("$house/#", 1), ("#", 0), ("ю/#", 1)];
    let mut client = Client::connect(rig.address, &v5("a")).await;
    assert_eq!(client.try_subscribe(&filters).await, [2, 0x8F, 0x8F, 0x87, 0x8F, 1, 0, 1]);
    assert_eq!(client.try_subscribe(&[("", 0)]).await, [0x8F]);
    assert_eq!(
        client.unsubscribe(&["a", "never", "a+"]).await,
        Packet::UnsubAck { id: 901, codes: vec![0, 0x11, 0x8F] }
    );
    client.silent().await;
    for n in 0..6 {
        let granted = client.try_subscribe(&[(&format!("more/{n}"), 0)]).await;
        assert_eq!(granted, [if n < 5 { 0 } else { 0x97 }]);
    }
    let mut client = Client::connect(rig.address, &v3("b")).await;
    assert_eq!(client.try_subscribe(&filters).await, [2, 0x80, 0x80, 0x80, 0x80, 1, 0, 1]);
    assert_eq!(client.unsubscribe(&["a", "never"]).await, Packet::UnsubAck { id: 901, codes: vec![] });
    client.silent().await;
}

#[tokio::test]
async fn an_empty_client_id_gets_one() {
    let rig = Rig::new().await;
    for connect in [v5(""), v5("").keep()] {
        let (_client, ack) = Client::dial(rig.address, &connect).await;
        let assigned = prop(props_of(&ack), 0x12).expect("an assigned id").to_vec();
        assert!(assigned.len() > 20);
    }
    let (_client, ack) = Client::dial(rig.address, &v3("")).await;
    assert!(matches!(ack, Packet::ConnAck { code: 0, .. }));
    let (mut client, ack) = Client::dial(rig.address, &v3("").keep()).await;
    assert!(matches!(ack, Packet::ConnAck { code: 2, .. }));
    client.closed().await;
}

#[tokio::test]
async fn refusals_at_connect_have_the_code_of_their_version() {
    let rig = Rig::new().await;
    let cases = [
        (v3("a").login("mallory", "x"), 4, 0x86),
        (v3("forbidden"), 5, 0x87),
        (v3("unavailable"), 3, 0x88),
        (v3("wrong id"), 2, 0x85),
        (v3("a\u{1}"), 2, 0x85),
        (v3("a").will("$SYS/x", "x", 0), 5, 0x87),
    ];
    for (mut connect, old, new) in cases {
        for (version, wanted) in [(false, old), (true, new)] {
            connect.v5 = version;
            // A publish in the same breath must not be handled.
            let mut client = Client::open(rig.address, version).await;
            let bytes = [connect.bytes(), message("sneaked", "in").bytes(version)].concat();
            client.send(&bytes).await;
            assert!(matches!(client.recv().await, Packet::ConnAck { code, present: false, .. } if code == wanted));
            assert_eq!(client.closed().await, []);
        }
    }
    assert!(rig.gate.with(|log| log.offered.is_empty()));
    let (mut client, ack) = Client::dial(rig.address, &v5("a").prop(0x15, &text("SCRAM"))).await;
    assert!(matches!(ack, Packet::ConnAck { code: 0x8C, .. }));
    client.closed().await;
    // An unknown level of the protocol.
    let mut bytes = v3("a").bytes();
    bytes[8] = 9;
    let mut client = Client::open(rig.address, false).await;
    client.send(&bytes).await;
    assert!(matches!(client.recv().await, Packet::ConnAck { code: 1, .. }));
    // MQTT 3.1 has another name for itself and is served.
    let mut client = Client::open(rig.address, false).await;
    let body = [text("MQIsdp"), vec![3, 2, 0, 0], text("veteran")].concat();
    client.send(&crate::client::packet(0x10, &body)).await;
    assert!(matches!(client.recv().await, Packet::ConnAck { code: 0, .. }));
}

#[tokio::test]
async fn connack_says_what_the_broker_offers() {
    let settings = Settings { max_keep_alive_secs: Some(60), ..Settings::default() };
    let rig = Rig::with(settings).await;
    let (_client, ack) = Client::dial(rig.address, &v5("a").expiry(u32::MAX)).await;
    let props = props_of(&ack);
    assert_eq!(prop(props, 0x21), Some(&1000u16.to_be_bytes()[..]));
    assert_eq!(prop(props, 0x27), Some(&(2u32 << 20).to_be_bytes()[..]));
    assert_eq!(prop(props, 0x13), Some(&60u16.to_be_bytes()[..]));
    // What is not limited is not mentioned: QoS 2, retained messages, wildcards, identifiers, shared subscriptions.
    assert!([0x24, 0x25, 0x28, 0x29, 0x2A].iter().all(|id| prop(props, *id).is_none()), "{props:?}");
    let mut shorter = v5("b");
    shorter.keep_alive = 30;
    let (_client, brief) = Client::dial(rig.address, &shorter).await;
    assert_eq!(prop(props_of(&brief), 0x13), None);
    assert_eq!(prop(props, 0x11), Some(&(7 * 24 * 3600u32).to_be_bytes()[..]));
}

#[tokio::test]
async fn client_ids_may_hold_any_printable_character() {
    let rig = Rig::new().await;
    for id in ["a/b", "+", "#", "$x", "ю", "a b"] {
        for _ in 0..2 {
            let mut client = Client::connect(rig.address, &v3(id)).await;
            client.ping().await;
        }
    }
}

#[tokio::test]
async fn wildcards_do_not_reach_dollar_topics() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v3("a")).await;
    client.subscribe("#", 0).await;
    client.subscribe("+/x", 0).await;
    rig.broker.publish(domovoi_broker::Publish::new("$house/x", "1").retained()).unwrap();
    client.silent().await;
    client.subscribe("$house/#", 0).await;
    assert_eq!(client.recv().await.payload(), "1");
}

#[tokio::test]
async fn expired_messages_are_not_delivered_and_the_rest_of_the_time_is() {
    let rig = Rig::new().await;
    let mut sender = Client::connect(rig.address, &v5("s")).await;
    let mut client = Client::connect(rig.address, &v5("a").expiry(100)).await;
    client.subscribe("t/#", 1).await;
    drop(client);
    rig.gate.until(|log| !log.endings.is_empty()).await;
    let expiring =
        |topic: &str, secs: u32| -> Publish { message(topic, "x").qos(1, 1).retain().prop(0x02, &secs.to_be_bytes()) };
    sender.publish(&expiring("t/short", 1)).await;
    sender.publish(&expiring("t/long", 1000)).await;
    sender.recv().await;
    sender.recv().await;
    while rig.broker.retained("t/short").is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (mut client, _) = Client::dial(rig.address, &v5("a").keep().expiry(100)).await;
    let packet = client.recv().await;
    assert!(matches!(&packet, Packet::Publish { topic, .. } if topic == "t/long"), "{packet:?}");
    let left = u32::from_be_bytes(prop(props_of(&packet), 0x02).unwrap().try_into().unwrap());
    assert!((1..1000).contains(&left), "{left}");
    client.silent().await;
}

#[tokio::test]
async fn a_subscription_is_not_for_what_was_published_before_it() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let subscribe = client.subscribe_bytes(1, &[("t", 0)], None);
    client.send(&[message("t", "before").bytes(true), subscribe, message("t", "after").bytes(true)].concat()).await;
    assert_eq!(client.recv().await, Packet::SubAck { id: 1, codes: vec![0] });
    assert_eq!(client.recv().await.payload(), "after");
}
