//! `$SYS`: told to those who ask, and harmless to ask for.

use std::time::Duration;

use domovoi_broker::Settings;

use crate::{
    client::{Client, Packet, message, v3, v5},
    gate::Rig,
};

async fn values(client: &mut Client, until: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    loop {
        let packet = client.recv().await;
        let Packet::Publish { topic, qos: 0, retain: false, .. } = &packet else { panic!("{packet:?}") };
        seen.push((topic.clone(), packet.payload().to_owned()));
        if topic.ends_with(until) {
            return seen;
        }
    }
}

#[tokio::test]
async fn who_subscribes_is_told_at_once_and_then_again() {
    let rig = Rig::with(Settings { sys_interval: Duration::from_millis(50), ..Settings::default() }).await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    sender.publish(&message("t", "x").qos(1, 1)).await;
    sender.recv().await;
    let mut client = Client::connect(rig.address, &v5("watcher")).await;
    client.subscribe("$SYS/#", 2).await;
    for _ in 0..3 {
        let seen = values(&mut client, "store/messages/bytes").await;
        let value = |name: &str| seen.iter().find(|(topic, _)| topic == &format!("$SYS/broker/{name}")).map(|v| &*v.1);
        assert_eq!(value("clients/connected"), Some("2"));
        assert_eq!(value("clients/total"), Some("2"));
        assert_eq!(value("subscriptions/count"), Some("1"));
        assert_eq!(value("retained messages/count"), Some("0"));
        assert_eq!(value("publish/messages/received"), Some("1"));
        assert!(value("version").is_some_and(|version| version.starts_with("domovoi-broker ")));
        assert!(value("uptime").is_some_and(|uptime| uptime.ends_with(" seconds")));
        assert!(value("bytes/received").is_some_and(|bytes| bytes.parse::<u64>().unwrap() > 0));
    }
    // A wildcard at the front does not reach them.
    let mut other = Client::connect(rig.address, &v3("other")).await;
    other.subscribe("#", 0).await;
    other.subscribe("+/broker/uptime", 0).await;
    values(&mut client, "store/messages/bytes").await;
    other.silent().await;
}

#[tokio::test]
async fn it_costs_nothing_while_nobody_listens_and_can_be_turned_off() {
    let rig = Rig::with(Settings { sys_interval: Duration::from_millis(1), ..Settings::default() }).await;
    let mut client = Client::connect(rig.address, &v5("a").expiry(100)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    client.ping().await;
    assert_eq!(rig.broker.counters().routed, 0);
    client.subscribe("$SYS/broker/uptime", 1).await;
    client.recv().await;
    // Nothing is kept for a subscriber that is away, nor retained for the next.
    drop(client);
    rig.gate.until(|log| log.endings.len() == 1).await;
    assert_eq!(rig.broker.counters().queued_bytes, 0);
    assert_eq!(rig.broker.counters().retained, 0);

    let rig = Rig::with(Settings { sys_interval: Duration::ZERO, ..Settings::default() }).await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.subscribe("$SYS/#", 0).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    client.silent().await;
    assert_eq!(rig.broker.counters().routed, 0);
}

#[tokio::test]
async fn nobody_publishes_there_but_the_broker() {
    let rig = Rig::new().await;
    let mut watcher = Client::connect(rig.address, &v5("watcher")).await;
    watcher.subscribe("$SYS/fake/#", 0).await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    client.publish(&message("$SYS/fake/uptime", "forged").qos(1, 1).retain()).await;
    assert_eq!(client.recv().await, Packet::Ack { kind: crate::client::PUBACK, id: 1, code: 0x87 });
    watcher.silent().await;
    assert_eq!(rig.broker.retained("$SYS/fake/uptime"), None);
}
