//! The eleven questions for MQTT 3.1.1.

use crate::{
    client::{Client, Packet, v3},
    gate::Rig,
    paho,
};

#[tokio::test]
async fn basic() {
    paho::basic(false).await;
}

#[tokio::test]
async fn retained_messages() {
    paho::retained(false).await;
}

#[tokio::test]
async fn will_message_test() {
    paho::will(false).await;
}

#[tokio::test]
async fn zero_length_clientid() {
    let rig = Rig::new().await;
    // Without a name there is nothing to keep a session under (3.1.3.1).
    let (mut client, ack) = Client::dial(rig.address, &v3("").keep()).await;
    assert!(matches!(ack, Packet::ConnAck { code: 2, .. }));
    assert_eq!(client.closed().await, []);
    let mut first = Client::connect(rig.address, &v3("")).await;
    let mut second = Client::connect(rig.address, &v3("")).await;
    first.ping().await;
    second.ping().await;
}

#[tokio::test]
async fn offline_message_queueing() {
    paho::offline_message_queueing(false).await;
}

#[tokio::test]
async fn overlapping_subscriptions() {
    paho::overlapping_subscriptions(false).await;
}

#[tokio::test]
async fn keepalive() {
    paho::keepalive(false).await;
}

#[tokio::test]
async fn redelivery_on_reconnect() {
    paho::redelivery_on_reconnect(false).await;
}

#[tokio::test]
async fn subscribe_failure() {
    paho::subscribe_failure(false).await;
}

#[tokio::test]
async fn dollar_topics() {
    paho::dollar_topics(false).await;
}

#[tokio::test]
async fn unsubscribe() {
    paho::unsubscribe(false).await;
}
