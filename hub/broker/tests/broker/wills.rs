//! Wills: published when a client is lost, not when it says goodbye; delayed, cancelled, cut short.

use domovoi_broker::Settings;

use crate::{
    client::{Client, Packet, message, v3, v5},
    gate::Rig,
};

async fn watcher(rig: &Rig) -> Client {
    let mut client = Client::connect(rig.address, &v5("watcher")).await;
    client.subscribe("will/#", 2).await;
    client
}

async fn endings(rig: &Rig, n: usize) {
    rig.gate.until(|log| log.endings.len() >= n).await;
}

#[tokio::test]
async fn a_lost_client_has_its_will_and_one_that_says_goodbye_has_not() {
    let rig = Rig::new().await;
    let mut watcher = watcher(&rig).await;
    for (n, connect) in [v3("a"), v5("a")].into_iter().enumerate() {
        let connect = connect.will("will/a", "gone", 1);
        let client = Client::connect(rig.address, &connect).await;
        client.disconnect().await;
        endings(&rig, 2 * n + 1).await;
        watcher.silent().await;
        let client = Client::connect(rig.address, &connect).await;
        drop(client);
        let packet = watcher.recv().await;
        assert_eq!(packet.payload(), "gone");
        assert!(matches!(packet, Packet::Publish { qos: 1, retain: false, .. }));
        endings(&rig, 2 * n + 2).await;
    }
    // MQTT 5: goodbye with the wish that the will be published.
    let mut client = Client::connect(rig.address, &v5("a").will("will/a", "wish", 0)).await;
    client.send(&[0xE0, 1, 4]).await;
    assert_eq!(watcher.recv().await.payload(), "wish");
    // Thrown out counts as lost; the will is retained if it asks for it.
    let mut connect = v5("a").will("will/a", "thrown out", 0);
    connect.will.as_mut().unwrap().retain = true;
    let mut client = Client::connect(rig.address, &connect).await;
    client.publish(&message("kick/x", "x")).await;
    assert_eq!(watcher.recv().await.payload(), "thrown out");
    assert_eq!(rig.broker.retained("will/a").unwrap().payload, "thrown out");
}

#[tokio::test]
async fn a_silent_client_is_lost_even_while_it_is_sent_to() {
    let rig = Rig::new().await;
    let mut watcher = watcher(&rig).await;
    let mut connect = v3("a").will("will/a", "silent", 0);
    connect.keep_alive = 1;
    let mut client = Client::connect(rig.address, &connect).await;
    client.subscribe("traffic", 0).await;
    let packets = async {
        loop {
            rig.broker.publish(domovoi_broker::Publish::new("traffic", "x")).unwrap();
            client.recv().await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        packet = watcher.recv() => assert_eq!(packet.payload(), "silent"),
        _ = packets => {}
    }
    let mut new = Client::connect(rig.address, &{
        let mut connect = v5("b");
        connect.keep_alive = 1;
        connect
    })
    .await;
    assert_eq!(new.closed().await, [Packet::Disconnect { code: 0x8D }]);
}

#[tokio::test]
async fn the_gate_is_asked_about_wills() {
    let rig = Rig::new().await;
    let mut watcher = Client::connect(rig.address, &v5("watcher")).await;
    watcher.subscribe("#", 0).await;
    for topic in ["deny/x", "keep/x", "slow/x"] {
        drop(Client::connect(rig.address, &v3("a").will(topic, "x", 0)).await);
    }
    rig.gate.until(|log| log.offered.len() == 3).await;
    watcher.silent().await;
    rig.commit(Ok(())).await;
    assert_eq!(watcher.recv().await.payload(), "x");
    let will = rig.gate.with(|log| log.connects[1].will.clone()).expect("the will is announced");
    assert_eq!((&*will.topic, will.payload_bytes), ("deny/x", 1));
}

#[tokio::test]
async fn a_takeover_publishes_the_old_will_before_anything_new() {
    let rig = Rig::new().await;
    let mut watcher = watcher(&rig).await;
    let _old = Client::connect(rig.address, &v3("a").will("will/a", "offline", 0)).await;
    let mut new = Client::connect(rig.address, &v3("a")).await;
    new.publish(&message("will/a", "online")).await;
    assert_eq!(watcher.recv().await.payload(), "offline");
    assert_eq!(watcher.recv().await.payload(), "online");
}

#[tokio::test]
async fn a_delayed_will_waits_and_is_cancelled_by_the_clients_return() {
    let rig = Rig::new().await;
    let mut watcher = watcher(&rig).await;
    let connect = v5("a").keep().expiry(100).will("will/a", "late", 0).will_delay(1);
    drop(Client::connect(rig.address, &connect).await);
    endings(&rig, 1).await;
    watcher.silent().await;
    assert_eq!(watcher.recv().await.payload(), "late");

    let patient = v5("a").keep().expiry(100).will("will/a", "never", 0).will_delay(50);
    drop(Client::connect(rig.address, &patient).await);
    endings(&rig, 2).await;
    let client = Client::connect(rig.address, &patient).await;
    client.disconnect().await;
    endings(&rig, 3).await;
    watcher.silent().await;

    // The session's end cuts the delay short: by its expiry, and by a clean start.
    let brief = v5("b").expiry(1).will("will/b", "expired", 0).will_delay(1000);
    drop(Client::connect(rig.address, &brief).await);
    assert_eq!(watcher.recv().await.payload(), "expired");
    let patient = v5("c").expiry(100).will("will/c", "started anew", 0).will_delay(1000);
    drop(Client::connect(rig.address, &patient).await);
    endings(&rig, 5).await;
    let _client = Client::connect(rig.address, &v5("c")).await;
    assert_eq!(watcher.recv().await.payload(), "started anew");
    assert_eq!(rig.broker.counters().wills_published, 3);
}

#[tokio::test]
async fn a_stop_is_no_disaster() {
    let mut rig = Rig::with(Settings::default()).await;
    let _client = Client::connect(rig.address, &v3("a").will("will/a", "gone", 0)).await;
    rig.stop().await;
    assert!(rig.gate.with(|log| log.offered.is_empty()));
    assert_eq!(rig.broker.counters().connected, 0);
}
