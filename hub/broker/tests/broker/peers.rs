//! A client that nobody here wrote, in both versions.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::time::timeout;

use crate::{client::PATIENCE, gate::Rig};

#[tokio::test]
async fn rumqttc_v4_publishes_and_hears_itself_at_every_qos() {
    let rig = Rig::new().await;
    let mut options = MqttOptions::new("peer-v4", rig.address.ip().to_string(), rig.address.port());
    options.set_keep_alive(Duration::from_secs(5)).set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("über/#", QoS::ExactlyOnce).await.unwrap();
    let run = async {
        let mut seen = Vec::new();
        while seen.len() < 30 {
            match events.poll().await.unwrap() {
                Event::Incoming(Packet::SubAck(_)) => {
                    let client = client.clone();
                    tokio::spawn(async move {
                        for n in 0..30 {
                            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3];
                            client.publish(format!("über/{n}"), qos, n == 7, n.to_string()).await.unwrap();
                        }
                    });
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    assert_eq!(publish.topic, format!("über/{}", String::from_utf8_lossy(&publish.payload)));
                    seen.push(publish.payload);
                }
                _ => {}
            }
        }
        seen
    };
    let seen = timeout(PATIENCE, run).await.unwrap();
    assert_eq!(seen, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(rig.broker.retained("über/7").unwrap().payload, "7");
}

#[tokio::test]
async fn rumqttc_v5_keeps_properties_and_its_session() {
    use rumqttc::v5::{
        AsyncClient, Event, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{ConnectProperties, Packet, PublishProperties},
        },
    };
    let rig = Rig::new().await;
    let connect = || {
        let mut options = MqttOptions::new("peer-v5", rig.address.ip().to_string(), rig.address.port());
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(60);
        options.set_keep_alive(Duration::from_secs(5)).set_clean_start(false).set_connect_properties(properties);
        options.set_outgoing_inflight_upper_limit(10);
        AsyncClient::new(options, 10)
    };
    let (client, mut events) = connect();
    client.subscribe("t/#", QoS::AtLeastOnce).await.unwrap();
    let properties =
        PublishProperties { user_properties: vec![("кто".into(), "я".into())], ..PublishProperties::default() };
    client.publish_with_properties("t/1", QoS::AtLeastOnce, false, "1", properties).await.unwrap();
    let run = async {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                return publish;
            }
        }
    };
    let publish = timeout(PATIENCE, run).await.unwrap();
    let properties = publish.properties.unwrap();
    assert_eq!(properties.user_properties, [("кто".to_owned(), "я".to_owned())]);
    drop((client, events));
    rig.gate.until(|log| log.endings.len() == 1).await;
    let late = domovoi_broker::Publish::new("t/2", "2").with_qos(domovoi_broker::QoS::AtLeastOnce);
    rig.broker.publish(late).unwrap();

    let (_client, mut events) = connect();
    let run = async {
        let mut resumed = false;
        loop {
            match events.poll().await.unwrap() {
                Event::Incoming(Packet::ConnAck(ack)) => resumed = ack.session_present,
                Event::Incoming(Packet::Publish(publish)) if publish.payload == "2" => return resumed,
                _ => {}
            }
        }
    };
    assert!(timeout(PATIENCE, run).await.unwrap(), "the session was resumed");
}
