//! Nine ordinary events that have taken a broker down for good (`docs/decisions/0001`), and one that closed strangers:
//! each is done here, and afterwards everybody is served as before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domovoi_broker::{Door, Publish as Message, QoS, Settings};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    },
};

use crate::{
    client::{Client, Connect, Packet, message, packet, text, v3, v5},
    gate::Rig,
};

/// New clients of both versions come in, and a message reaches its subscriber.
async fn serves(rig: &Rig) {
    for connect in [v3("witness"), v5("witness")] {
        let mut client = Client::connect(rig.address, &connect).await;
        client.subscribe("witness/+", 1).await;
        client.publish(&message("witness/x", "alive").qos(1, 9)).await;
        let seen = [client.recv().await, client.recv().await];
        assert!(seen.iter().any(|packet| matches!(packet, Packet::Publish { payload, .. } if payload == b"alive")));
        client.disconnect().await;
    }
    assert_eq!(rig.broker.counters().failed_tasks, 0);
}

#[tokio::test]
async fn one_a_topic_may_begin_with_any_letter() {
    let rig = Rig::new().await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    for filter in ["über/+", "ю/#", "+/temp", "$share/ш/日/本", "日/#"] {
        client.subscribe(filter, 0).await;
    }
    for topic in ["über/temp", "ю/temp", "日/本", "🏠/temp", "\u{301}/temp", "é", "/", " "] {
        client.publish(&message(topic, "x").qos(1, 1)).await;
        while !matches!(client.recv().await, Packet::Ack { id: 1, code: 0, .. }) {}
    }
    assert_eq!(rig.broker.counters().routed, 8);
    serves(&rig).await;
}

#[tokio::test]
async fn two_a_subscriber_may_leave_in_the_middle_of_a_burst() {
    let rig = Rig::new().await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    let burst: Vec<u8> = (0..400).flat_map(|_| message("t", "x").bytes(false)).collect();
    for n in 0..50 {
        let mut leaver = Client::connect(rig.address, &v3(&format!("l{n}"))).await;
        leaver.subscribe("t", 0).await;
        sender.send(&burst).await;
        if n % 2 == 0 {
            leaver.stream.set_zero_linger().unwrap();
        }
        drop(leaver);
    }
    sender.ping().await;
    rig.until(|counters| counters.connected == 1).await;
    serves(&rig).await;
}

#[tokio::test]
async fn three_a_member_of_a_group_may_leave_with_a_message_unacknowledged() {
    let rig = Rig::new().await;
    for keeping in [v3("member").keep(), v5("member").expiry(100)] {
        let mut member = Client::connect(rig.address, &keeping).await;
        member.subscribe("$share/g/t", 1).await;
        let publish = |payload: &'static str| {
            rig.broker.publish(Message::new("t", payload).with_qos(QoS::AtLeastOnce)).unwrap();
        };
        publish("unacknowledged");
        assert_eq!(member.recv().await.payload(), "unacknowledged");
        let before = rig.gate.with(|log| log.endings.len());
        member.disconnect().await;
        rig.gate.until(|log| log.endings.len() > before).await;
        publish("while away");
        serves(&rig).await;
        let mut member = Client::connect(rig.address, &Connect { clean: false, ..keeping }).await;
        let seen = [member.recv().await, member.recv().await];
        assert_eq!(seen.each_ref().map(Packet::payload), ["unacknowledged", "while away"]);
        drop(Client::connect(rig.address, &v3("member")).await);
    }
}

#[tokio::test]
async fn four_properties_do_not_hurt_a_subscriber_that_has_none() {
    let rig = Rig::new().await;
    let mut old = Client::connect(rig.address, &v3("old").keep()).await;
    old.subscribe("t", 2).await;
    let mut new = Client::connect(rig.address, &v5("new")).await;
    let pair = [text("k"), text("v")].concat();
    let rich = message("t", "x")
        .prop(0x01, &[1])
        .prop(0x02, &60u32.to_be_bytes())
        .prop(0x03, &text("text/plain"))
        .prop(0x08, &text("answer"))
        .prop(0x09, &text("id"))
        .prop(0x23, &1u16.to_be_bytes())
        .prop(0x26, &pair);
    for _ in 0..3 {
        new.publish(&rich.clone().qos(1, 1)).await;
        new.recv().await;
        let packet = old.recv().await;
        assert_eq!(packet.payload(), "x");
        old.ack(crate::client::PUBACK, packet.id()).await;
        old.ping().await;
        // Its automatic reconnect, twice: with its session and at once again.
        for _ in 0..2 {
            drop(old);
            old = Client::connect(rig.address, &v3("old").keep()).await;
        }
    }
    serves(&rig).await;
}

#[tokio::test]
async fn five_a_client_id_may_hold_what_topics_are_made_of() {
    let rig = Rig::new().await;
    for id in ["a+b", "$a", "a#", "a/b", "+/#", "$share/x/y", "\u{301}"] {
        let mut first = Client::connect(rig.address, &v3(id)).await;
        first.ping().await;
        let mut second = Client::connect(rig.address, &v5(id)).await;
        assert_eq!(first.closed().await, []);
        second.ping().await;
        let mut third = Client::connect(rig.address, &v5(id)).await;
        assert_eq!(second.closed().await, [Packet::Disconnect { code: 0x8E }]);
        third.ping().await;
    }
    serves(&rig).await;
}

#[tokio::test]
async fn six_a_device_may_lose_its_radio_right_after_connect() {
    let rig = Rig::new().await;
    for round in 0..20 {
        let connect = if round % 2 == 0 { v3("sensor").keep() } else { v5("sensor").expiry(60) };
        let mut lost = Client::open(rig.address, connect.v5).await;
        lost.stream.set_zero_linger().unwrap();
        lost.send(&connect.bytes()).await;
        drop(lost);
        let mut back = Client::connect(rig.address, &connect).await;
        back.subscribe("t", 0).await;
        back.ping().await;
    }
    rig.until(|counters| counters.connected == 0).await;
    serves(&rig).await;
}

#[tokio::test]
async fn seven_one_client_too_many_may_try_again_and_again() {
    let rig = Rig::with(Settings { max_connections: 3, ..Settings::default() }).await;
    let mut inside = Vec::new();
    for n in 0..3 {
        inside.push(Client::connect(rig.address, &v3(&format!("c{n}"))).await);
    }
    for _ in 0..50 {
        let mut outside = Client::open(rig.address, false).await;
        let _ = outside.stream.write_all(&v3("one too many").bytes()).await;
        assert_eq!(outside.closed().await, []);
    }
    for client in &mut inside {
        client.ping().await;
    }
    assert_eq!(rig.broker.counters().refused_sockets, 50);
    drop(inside);
    rig.until(|counters| counters.connected == 0).await;
    // The place is given back a moment after the session.
    let mut next = loop {
        let mut next = Client::open(rig.address, false).await;
        let _ = next.stream.write_all(&v3("next").bytes()).await;
        if next.next().await.is_some() {
            break next;
        }
    };
    next.ping().await;
    next.disconnect().await;
    rig.until(|counters| counters.connected == 0).await;
    assert_eq!(rig.broker.counters().failed_tasks, 0);
}

#[tokio::test]
async fn eight_a_client_may_send_what_only_a_server_sends() {
    let rig = Rig::new().await;
    let packets = [
        packet(0x20, &[0, 0, 0]),
        packet(0xB0, &[0, 1, 0, 0]),
        packet(0x90, &[0, 1, 0, 0]),
        packet(0xD0, &[]),
        packet(0xF0, &[0x18, 0]),
        packet(0x20, &[]),
        packet(0xB0, &[]),
    ];
    for bytes in packets {
        for connect in [v5("confused").expiry(60), v3("confused").keep()] {
            let mut client = Client::connect(rig.address, &connect).await;
            client.send(&bytes).await;
            let said = client.closed().await;
            assert_eq!(said.len(), usize::from(connect.v5), "{said:?}");
            let mut again = Client::connect(rig.address, &connect).await;
            again.ping().await;
        }
    }
    serves(&rig).await;
}

#[tokio::test]
async fn nine_a_silent_peer_on_the_tls_port_holds_up_nobody() {
    let rig = Rig::new().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = certificate.der().clone();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![der.clone()], private).unwrap();
    let server = Arc::new(server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broker, stop) = (rig.broker.clone(), Arc::new(tokio::sync::Notify::new()));
    let stopped = stop.clone();
    let serving = tokio::spawn(async move {
        let door = Door::tls(Arc::new(move || server.clone()));
        broker.serve_door(listener, door, stopped.notified()).await;
    });
    let silent =
        [Client::open(address, false).await, Client::open(address, false).await, Client::open(address, false).await];
    let mut begun = Client::open(address, false).await;
    begun.send(&[0x16, 3, 1]).await;
    let mut plain = Client::open(address, false).await;
    plain.send(&v3("no tls").bytes()).await;

    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    for n in 0..5 {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = TlsConnector::from(config.clone()).connect(name, socket).await.unwrap();
        tls.write_all(&v3(&format!("tls-{n}")).bytes()).await.unwrap();
        let mut ack = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut tls, &mut ack).await.unwrap();
        assert_eq!(ack, [0x20, 2, 0, 0]);
    }
    serves(&rig).await;
    drop((silent, begun, plain));
    stop.notify_one();
    tokio::time::timeout(crate::client::PATIENCE, serving).await.unwrap().unwrap();
}

/// Places of closed connections are used again at once; whatever still comes of the old one must not reach the new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_disconnect_never_closes_a_stranger() {
    let rounds = if std::env::var_os("DOMOVOI_FULL").is_some() { 4000 } else { 300 };
    let rig = Arc::new(Rig::new().await);
    let over = Arc::new(AtomicBool::new(false));
    let mut churn = Vec::new();
    for worker in 0..4 {
        let (rig, over) = (rig.clone(), over.clone());
        churn.push(tokio::spawn(async move {
            let mut n = 0u32;
            while !over.load(Ordering::Relaxed) {
                n += 1;
                // Some share an id and throw each other out; none of them is a resident.
                let id = if n.is_multiple_of(3) { "shared".to_owned() } else { format!("w{worker}-{}", n % 5) };
                let connect = if n.is_multiple_of(2) { v3(&id).keep() } else { v5(&id).will("w", "x", 0) };
                let mut client = Client::open(rig.address, connect.v5).await;
                client.send(&connect.bytes()).await;
                match n % 4 {
                    0 => client.stream.set_zero_linger().unwrap(),
                    1 => {
                        client.next().await;
                        let _ = client.stream.write_all(&[0xE0, 0]).await;
                    }
                    2 => drop(client.next().await),
                    _ => {
                        let _ = client.stream.write_all(&message("t", "x").bytes(connect.v5)).await;
                    }
                }
                drop(client);
            }
        }));
    }
    // Residents come in the middle of it, and each is still there after the next ones have come.
    let mut residents = std::collections::VecDeque::new();
    for n in 0..rounds {
        let connect = if n % 2 == 0 { v3(&format!("resident-{n}")) } else { v5(&format!("resident-{n}")) };
        residents.push_back(Client::connect(rig.address, &connect).await);
        for resident in &mut residents {
            resident.ping().await;
        }
        if residents.len() > 10
            && let Some(oldest) = residents.pop_front()
        {
            oldest.disconnect().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for task in churn {
        task.await.unwrap();
    }
    for mut resident in residents {
        resident.ping().await;
    }
    serves(&rig).await;
}
