//! Promise: what is acknowledged is kept, and the reader of a socket never waits for a commit.

use domovoi_broker::{Ending, NotKept, Publish as Message, Settings};

use crate::{
    client::{Client, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, message, v3, v5},
    gate::Rig,
};

fn puback(id: u16) -> Packet {
    Packet::Ack { kind: PUBACK, id, code: 0 }
}

#[tokio::test]
async fn a_commit_that_never_comes_holds_up_the_acknowledgement_and_nothing_else() {
    let rig = Rig::new().await;
    for connect in [v3("a"), v5("b")] {
        let mut client = Client::connect(rig.address, &connect).await;
        let mut other = Client::connect(rig.address, &v3("other")).await;
        other.subscribe("#", 1).await;
        client.publish(&message("slow/x", "one").qos(1, 7)).await;
        client.ping().await;
        client.subscribe("news", 0).await;
        other.publish(&message("news", "two").qos(1, 9)).await;
        assert_eq!(client.recv().await.payload(), "two");
        // The other client gets its own acknowledgement and message, and not the uncommitted one.
        let seen = [other.recv().await, other.recv().await];
        assert!(seen.contains(&puback(9)), "{seen:?}");
        assert!(seen.iter().any(|p| matches!(p, Packet::Publish { topic, .. } if topic == "news")), "{seen:?}");
        other.silent().await;
        client.silent().await;

        rig.commit(Ok(())).await;
        assert_eq!(client.recv().await, puback(7));
        assert_eq!(other.recv().await.payload(), "one");
        client.disconnect().await;
        other.disconnect().await;
    }
}

#[tokio::test]
async fn acknowledgements_and_forwarding_keep_the_order_of_reading() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    let mut other = Client::connect(rig.address, &v5("b")).await;
    other.subscribe("#", 0).await;
    client.publish(&message("slow/1", "1").qos(1, 1)).await;
    client.publish(&message("fast", "2").qos(1, 2)).await;
    client.publish(&message("slow/3", "3").qos(2, 3)).await;
    client.publish(&message("deny/4", "4").qos(1, 4)).await;
    client.publish(&message("slow/5", "5")).await;
    rig.gate.until(|log| log.offered.len() == 5).await;
    client.silent().await;
    // The later commits resolve first; order is kept all the same.
    let mut commits = rig.gate.with(|log| std::mem::take(&mut log.commits));
    while let Some(commit) = commits.pop_back() {
        commit.send(Ok(())).unwrap();
    }
    assert_eq!(client.recv().await, puback(1));
    assert_eq!(client.recv().await, puback(2));
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 3, code: 0 });
    assert_eq!(client.recv().await, Packet::Ack { kind: PUBACK, id: 4, code: 0x87 });
    for payload in ["1", "2", "3", "5"] {
        assert_eq!(other.recv().await.payload(), payload);
    }
}

#[tokio::test]
async fn what_was_not_kept_is_neither_acknowledged_nor_forwarded() {
    for (qos, failure) in [(1, true), (2, true), (1, false)] {
        let rig = Rig::new().await;
        let mut other = Client::connect(rig.address, &v3("other")).await;
        other.subscribe("#", 2).await;
        let mut client = Client::connect(rig.address, &v5("a")).await;
        client.publish(&message("slow/x", "lost").qos(qos, 1)).await;
        if failure {
            rig.commit(Err(NotKept)).await;
        } else {
            rig.gate.until(|log| !log.commits.is_empty()).await;
            rig.gate.with(|log| log.commits.clear());
        }
        assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x89 }]);
        rig.gate.until(|log| log.endings == [("a".to_owned(), Ending::NotKept)]).await;
        other.silent().await;
        assert_eq!(rig.broker.counters().not_kept, 1);

        let mut old = Client::connect(rig.address, &v3("b")).await;
        old.publish(&message("slow/x", "lost").qos(qos, 1)).await;
        rig.commit(Err(NotKept)).await;
        assert_eq!(old.closed().await, []);
    }
}

#[tokio::test]
async fn a_qos_0_message_that_was_not_kept_costs_nobody_the_connection() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v3("a")).await;
    client.subscribe("#", 0).await;
    client.publish(&message("slow/x", "lost")).await;
    client.publish(&message("x", "kept").qos(1, 1)).await;
    rig.commit(Err(NotKept)).await;
    let seen = [client.recv().await, client.recv().await];
    assert!(seen.contains(&puback(1)));
    assert!(seen.iter().any(|p| matches!(p, Packet::Publish { payload, .. } if payload == b"kept")));
    client.silent().await;
}

#[tokio::test]
async fn verdicts_become_reason_codes_or_silence() {
    let rig = Rig::new().await;
    let mut other = Client::connect(rig.address, &v5("other")).await;
    other.subscribe("#", 0).await;
    let mut new = Client::connect(rig.address, &v5("new")).await;
    let mut old = Client::connect(rig.address, &v3("old")).await;
    for (topic, code) in [("deny/x", 0x87), ("quota/x", 0x97), ("bad/x", 0x99), ("$SYS/x", 0x87), ("keep/x", 0)] {
        for (client, code) in [(&mut new, code), (&mut old, 0)] {
            client.publish(&message(topic, "x").qos(1, 1).retain()).await;
            assert_eq!(client.recv().await, Packet::Ack { kind: PUBACK, id: 1, code }, "{topic}");
            client.publish(&message(topic, "x").qos(2, 2)).await;
            assert_eq!(client.recv().await, Packet::Ack { kind: PUBREC, id: 2, code }, "{topic}");
            if code == 0 {
                client.ack(PUBREL, 2).await;
                assert_eq!(client.recv().await, Packet::Ack { kind: PUBCOMP, id: 2, code: 0 }, "{topic}");
            }
        }
        assert_eq!(rig.broker.retained(topic), None);
    }
    other.silent().await;
    assert!(rig.gate.with(|log| log.offered.iter().all(|(topic, _)| !topic.starts_with('$'))));

    new.publish(&message("kick/x", "x").qos(1, 1)).await;
    assert_eq!(new.closed().await, [Packet::Disconnect { code: 0x87 }]);
    old.publish(&message("kick/x", "x").qos(1, 1)).await;
    assert_eq!(old.closed().await, []);
}

#[tokio::test]
async fn past_the_bound_messages_are_still_shown_and_the_client_is_made_to_send_them_again() {
    let settings = Settings { max_uncommitted_packets: 3, ..Settings::default() };
    let rig = Rig::with(settings).await;
    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    for n in 1..=5u16 {
        client.publish(&message("slow/x", &n.to_string()).qos(1, n)).await;
    }
    client.publish(&message("slow/x", "zero")).await;
    rig.gate.until(|log| log.overflowed == ["4", "5", "zero"]).await;
    client.ping().await;
    for id in 1..=3 {
        rig.commit(Ok(())).await;
        assert_eq!(client.recv().await, puback(id));
    }
    assert_eq!(client.closed().await, []);
    rig.gate.until(|log| log.endings.len() == 1).await;
    assert_eq!(rig.gate.with(|log| log.endings[0].1), Ending::Overflow);
    assert_eq!(rig.broker.counters().overflowed, 3);

    let mut client = Client::connect(rig.address, &v3("a").keep()).await;
    for n in 4..=5 {
        client.publish(&message("slow/x", &n.to_string()).qos(1, n).dup()).await;
        rig.commit(Ok(())).await;
        assert_eq!(client.recv().await, puback(n));
    }
}

#[tokio::test]
async fn the_bound_counts_bytes_too_and_qos_0_alone_closes_nothing() {
    let settings = Settings { max_uncommitted_bytes: 5000, ..Settings::default() };
    let rig = Rig::with(settings).await;
    let mut client = Client::connect(rig.address, &v3("a")).await;
    client.publish(&message("slow/x", &"x".repeat(6000))).await;
    client.publish(&message("slow/x", "next")).await;
    rig.gate.until(|log| log.overflowed == ["next"]).await;
    rig.commit(Ok(())).await;
    client.publish(&message("slow/x", "later").qos(1, 1)).await;
    rig.commit(Ok(())).await;
    assert_eq!(client.recv().await, puback(1));
}

#[tokio::test]
async fn a_client_that_publishes_and_leaves_at_once_has_published() {
    let rig = Rig::new().await;
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.subscribe("#", 1).await;
    let mut client = Client::connect(rig.address, &v3("a").will("slow/will", "gone", 0)).await;
    let mut bytes = message("slow/x", "hello").bytes(false);
    bytes.extend([0xE0, 0]);
    client.send(&bytes).await;
    assert_eq!(client.closed().await, []);
    rig.gate.until(|log| log.endings.len() == 1).await;
    other.silent().await;
    rig.commit(Ok(())).await;
    assert_eq!(other.recv().await.payload(), "hello");

    // Lost instead of disconnected: the will comes after what was published before it.
    let mut client = Client::connect(rig.address, &v3("a").will("slow/will", "gone", 0)).await;
    client.publish(&message("slow/x", "again")).await;
    rig.gate.until(|log| log.commits.len() == 1).await;
    drop(client);
    rig.gate.until(|log| log.commits.len() == 2).await;
    let mut commits = rig.gate.with(|log| std::mem::take(&mut log.commits));
    while let Some(commit) = commits.pop_back() {
        commit.send(Ok(())).unwrap();
    }
    assert_eq!(other.recv().await.payload(), "again");
    assert_eq!(other.recv().await.payload(), "gone");
}

#[tokio::test]
async fn orphans_are_bounded() {
    let settings = Settings { max_orphaned_bytes: 1000, ..Settings::default() };
    let rig = Rig::with(settings).await;
    for _ in 0..3 {
        let mut client = Client::connect(rig.address, &v3("a")).await;
        client.publish(&message("slow/x", &"x".repeat(300))).await;
        client.disconnect().await;
    }
    rig.until(|counters| counters.orphans_dropped == 2).await;
}

#[tokio::test]
async fn the_owner_publishes_and_reads_what_is_retained() {
    let mut rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.subscribe("#", 1).await;
    client.subscribe("$house/#", 1).await;
    rig.broker.publish(Message::new("ю/дом", "тепло").retained()).unwrap();
    rig.broker.publish(Message::new("$house/uptime", "1")).unwrap();
    assert_eq!(client.recv().await.payload(), "тепло");
    assert_eq!(client.recv().await.payload(), "1");
    assert_eq!(rig.broker.retained("ю/дом").unwrap().payload, "тепло");
    assert!(rig.broker.publish(Message::new("a/#", "x")).is_err());
    assert!(rig.gate.with(|log| log.offered.is_empty()), "the owner does not ask itself");

    assert_eq!(rig.broker.disconnect(Some("nobody")), 0);
    assert_eq!(rig.broker.disconnect(None), 1);
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x98 }]);

    let mut client = Client::connect(rig.address, &v5("b")).await;
    rig.stop().await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x8B }]);
}

#[tokio::test]
async fn a_defect_of_the_owner_costs_one_connection_and_frees_its_session() {
    let rig = Rig::new().await;
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.subscribe("will", 0).await;
    let mut client = Client::connect(rig.address, &v3("a").will("will", "gone", 0)).await;
    client.publish(&message("panic/x", "x")).await;
    assert_eq!(client.closed().await, []);
    assert_eq!(other.recv().await.payload(), "gone");
    rig.until(|counters| counters.failed_tasks == 1 && counters.sessions == 1).await;
}

#[tokio::test]
async fn a_defect_of_the_owner_does_not_end_housekeeping() {
    let rig = Rig::new().await;
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.subscribe("will", 0).await;
    drop(Client::connect(rig.address, &v5("a").expiry(1).will("panic/x", "x", 0).will_delay(9)).await);
    rig.until(|counters| counters.failed_tasks == 1).await;
    drop(Client::connect(rig.address, &v5("b").expiry(1).will("will", "gone", 0).will_delay(9)).await);
    assert_eq!(other.recv().await.payload(), "gone");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_commits() {
    let settings = Settings { stop_timeout: std::time::Duration::from_secs(3600), ..Settings::default() };
    let mut rig = Rig::with(settings).await;
    let mut gone = Client::connect(rig.address, &v3("gone")).await;
    gone.publish(&message("slow/x", "x").qos(1, 1)).await;
    gone.disconnect().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.publish(&message("slow/x", "x").qos(1, 1)).await;
    rig.gate.until(|log| log.commits.len() == 2).await;
    rig.stop().await;
    assert_eq!(client.closed().await, [Packet::Disconnect { code: 0x8B }]);
}
