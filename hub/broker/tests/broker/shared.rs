//! Shared subscriptions (MQTT 5, 4.8.2): one of the group gets the message, and somebody does as long as there is one.

use domovoi_broker::{Publish as Message, QoS};

use crate::{
    client::{Client, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, message, prop, v3, v5},
    gate::Rig,
};

const FILTER: &str = "$share/g/t/+";

async fn member(rig: &Rig, connect: &Connect, qos: u8) -> Client {
    let mut client = Client::connect(rig.address, connect).await;
    client.subscribe(FILTER, qos).await;
    client
}

fn publish(rig: &Rig, payload: &str, qos: QoS) {
    rig.broker.publish(Message::new("t/x", payload.to_owned()).with_qos(qos)).unwrap();
}

/// Reads publishes until a ping's answer; acknowledges nothing.
async fn drain(client: &mut Client) -> Vec<Packet> {
    client.send(&[0xC0, 0]).await;
    let mut seen = Vec::new();
    loop {
        match client.recv().await {
            Packet::Pong => return seen,
            packet => seen.push(packet),
        }
    }
}

#[tokio::test]
async fn each_message_goes_to_one_member_and_they_take_turns() {
    let rig = Rig::new().await;
    let mut members =
        [member(&rig, &v3("a"), 0).await, member(&rig, &v5("b"), 0).await, member(&rig, &v5("c"), 0).await];
    let mut other_group = Client::connect(rig.address, &v5("d")).await;
    other_group.subscribe("$share/h/t/#", 0).await;
    let mut outsider = Client::connect(rig.address, &v5("e")).await;
    outsider.subscribe("t/x", 0).await;
    for n in 0..30 {
        publish(&rig, &n.to_string(), QoS::AtMostOnce);
    }
    let mut all = Vec::new();
    for client in &mut members {
        let seen = drain(client).await;
        assert_eq!(seen.len(), 10);
        all.extend(seen.iter().map(|packet| packet.payload().parse::<u32>().unwrap()));
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(0..30));
    assert_eq!(drain(&mut other_group).await.len(), 30);
    assert_eq!(drain(&mut outsider).await.len(), 30);
    assert_eq!(rig.broker.counters().subscriptions, 5);
}

#[tokio::test]
async fn an_absent_member_gets_a_message_only_if_nobody_is_there() {
    let rig = Rig::new().await;
    let keeping = v5("absent").expiry(100);
    drop(member(&rig, &keeping, 1).await);
    rig.gate.until(|log| log.endings.len() == 1).await;
    let mut present = member(&rig, &v3("present"), 1).await;
    for payload in ["1", "2", "3"] {
        publish(&rig, payload, QoS::AtLeastOnce);
    }
    for packet in drain(&mut present).await {
        present.ack(PUBACK, packet.id()).await;
    }
    present.disconnect().await;
    rig.gate.until(|log| log.endings.len() == 2).await;
    publish(&rig, "4", QoS::AtLeastOnce);
    let mut absent = Client::connect(rig.address, &keeping.keep()).await;
    let seen = drain(&mut absent).await;
    assert_eq!(seen.iter().map(Packet::payload).collect::<Vec<_>>(), ["4"]);
}

#[tokio::test]
async fn what_an_ended_session_did_not_take_goes_to_another_member() {
    let rig = Rig::new().await;
    let keeping = v5("heir").expiry(100);
    drop(member(&rig, &keeping, 2).await);
    rig.gate.until(|log| log.endings.len() == 1).await;
    // Two in flight (one of them at QoS 2, begun), two queued behind the window.
    let narrow = v5("mortal").prop(0x21, &2u16.to_be_bytes());
    let mut mortal = member(&rig, &narrow, 2).await;
    publish(&rig, "flying 1", QoS::AtLeastOnce);
    publish(&rig, "flying 2", QoS::ExactlyOnce);
    publish(&rig, "queued 1", QoS::AtLeastOnce);
    publish(&rig, "queued 2", QoS::ExactlyOnce);
    assert_eq!(drain(&mut mortal).await.len(), 2);
    drop(mortal);
    rig.gate.until(|log| log.endings.len() == 2).await;
    let mut heir = Client::connect(rig.address, &keeping.keep()).await;
    let seen = drain(&mut heir).await;
    // 4.8.2-5: a QoS 2 exchange that has begun is not continued with somebody else.
    assert_eq!(seen.iter().map(Packet::payload).collect::<Vec<_>>(), ["flying 1", "queued 1", "queued 2"]);
    assert!(seen.iter().all(|packet| matches!(packet, Packet::Publish { dup: false, .. })));
}

#[tokio::test]
async fn a_session_that_stays_finishes_its_own_exchange() {
    let rig = Rig::new().await;
    let keeping = v5("a").expiry(100);
    let mut client = member(&rig, &keeping, 2).await;
    publish(&rig, "x", QoS::ExactlyOnce);
    let first = client.recv().await;
    drop(client);
    rig.gate.until(|log| log.endings.len() == 1).await;
    let mut other = member(&rig, &v5("b"), 2).await;
    let mut client = Client::connect(rig.address, &keeping.keep()).await;
    let again = client.recv().await;
    assert!(matches!(&again, Packet::Publish { dup: true, .. }), "{again:?}");
    assert_eq!(again.id(), first.id());
    client.ack(PUBREC, again.id()).await;
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREL, id: again.id(), code: 0 });
    client.ack(PUBCOMP, again.id()).await;
    client.silent().await;
    other.silent().await;
}

#[tokio::test]
async fn nothing_retained_comes_with_a_shared_subscription() {
    let rig = Rig::new().await;
    rig.broker.publish(Message::new("t/x", "old").retained()).unwrap();
    let mut client = member(&rig, &v5("a"), 0).await;
    client.silent().await;
    let mut own = Client::connect(rig.address, &v5("b")).await;
    own.subscribe("t/x", 0).await;
    assert_eq!(own.recv().await.payload(), "old");
}

#[tokio::test]
async fn names_that_are_none_are_refused_and_so_is_no_local() {
    let rig = Rig::new().await;
    let bad =
        ["$share", "$share/g", "$share/g/", "$share//t", "$share/+/t", "$share/#/t", "$share/a#/t", "$share/g/a#"];
    for connect in [v3("a"), v5("a")] {
        let mut client = Client::connect(rig.address, &connect).await;
        for filter in bad {
            let refused = if connect.v5 { 0x8F } else { 0x80 };
            assert_eq!(client.try_subscribe(&[(filter, 0)]).await, [refused], "{filter}");
        }
        // The gate is asked about what is shared, not about how.
        let denied = if connect.v5 { 0x87 } else { 0x80 };
        assert_eq!(client.try_subscribe(&[("$share/g/deny/x", 0), ("$share/g/t", 1)]).await, [denied, 1]);
    }
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let bytes = client.subscribe_bytes(1, &[("$share/g/t", 0b100)], None);
    client.send(&bytes).await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x82 }]);
}

#[tokio::test]
async fn identifiers_and_unsubscribe_are_those_of_the_shared_filter() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    for (filter, identifier) in [(FILTER, 7), ("t/x", 8), ("t/#", 9)] {
        let bytes = client.subscribe_bytes(1, &[(filter, 1)], Some(identifier));
        client.send(&bytes).await;
        client.recv().await;
    }
    client.publish(&message("t/x", "x")).await;
    let mut found = Vec::new();
    for packet in drain(&mut client).await {
        let Packet::Publish { props, .. } = packet else { panic!("{packet:?}") };
        let mut ids: Vec<u8> = props.iter().filter(|(id, _)| *id == 0x0B).map(|(_, value)| value[0]).collect();
        ids.sort_unstable();
        found.push(ids);
    }
    found.sort();
    // One copy for its own subscriptions, one as the chosen member.
    assert_eq!(found, [vec![7], vec![8, 9]]);
    let answer = client.unsubscribe(&[FILTER, "$share/other/t/+", "$share/g"]).await;
    assert_eq!(answer, Packet::UnsubAck { id: 901, codes: vec![0, 0x11, 0x8F] });
    client.publish(&message("t/x", "x")).await;
    assert_eq!(drain(&mut client).await.len(), 1);
    let (_client, ack) = Client::dial(rig.address, &v5("b")).await;
    let Packet::ConnAck { props, .. } = ack else { panic!("{ack:?}") };
    assert_eq!(prop(&props, 0x2A), None, "absent means available");
}

#[tokio::test]
async fn a_member_whose_queue_is_full_is_passed_over() {
    let settings = domovoi_broker::Settings { queue_messages_per_session: 5, ..Default::default() };
    let rig = Rig::with(settings).await;
    let mut slow = member(&rig, &v5("slow").prop(0x21, &1u16.to_be_bytes()), 1).await;
    let mut quick = member(&rig, &v5("quick").prop(0x21, &100u16.to_be_bytes()), 1).await;
    let mut taken = 0;
    for n in 0..40 {
        publish(&rig, &n.to_string(), QoS::AtLeastOnce);
        for packet in drain(&mut quick).await {
            quick.ack(PUBACK, packet.id()).await;
            taken += 1;
        }
    }
    assert_eq!(drain(&mut slow).await.len(), 1);
    // One in flight to the slow one and five queued for it.
    assert_eq!(taken, 34);
    assert_eq!(rig.broker.counters().queue_dropped, 0);
}
