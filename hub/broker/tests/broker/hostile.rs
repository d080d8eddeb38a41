//! Peers that break the rules, by malice or by a bad radio: the broker stays, and stays bounded.

use std::time::Duration;

use domovoi_broker::Settings;
use tokio::io::AsyncWriteExt;

use crate::{
    client::{Client, Packet, message, packet, text, v3, v5, varint},
    gate::Rig,
};

/// What a MQTT 5 client hears for these bytes; a 3.1.1 client must hear nothing and be closed too.
async fn closes(rig: &Rig, bytes: impl Fn(bool) -> Vec<u8>, code: u8) {
    for version in [true, false] {
        let connect = if version { v5("hostile") } else { v3("hostile") };
        let mut client = Client::connect(rig.address, &connect).await;
        client.send(&bytes(version)).await;
        let wanted = if version { vec![Packet::Disconnect { code }] } else { vec![] };
        assert_eq!(client.closed().await, wanted, "{:x?}", bytes(version));
    }
}

#[tokio::test]
async fn broken_packets_end_the_connection_with_the_right_code() {
    let rig = Rig::new().await;
    for topic in ["a/#", "+", "a\0b", &"/".repeat(200)] {
        closes(&rig, |v5| message(topic, "x").bytes(v5), 0x90).await;
    }
    closes(&rig, |v5| if v5 { v5_connect() } else { v3("x").bytes() }, 0x82).await;
    // Types that only a server sends.
    closes(&rig, |v5| packet(0x20, if v5 { &[0, 0, 0] } else { &[0, 0] }), 0x82).await;
    closes(&rig, |_| packet(0xD0, &[]), 0x82).await;
    closes(&rig, |v5| packet(0xB0, if v5 { &[0, 1, 0, 0] } else { &[0, 1] }), 0x82).await;
    // Reserved types and flags, packet id 0, QoS 3, a repetition of QoS 0, a length of five bytes.
    closes(&rig, |_| packet(0x00, &[]), 0x81).await;
    closes(&rig, |v5| [vec![0x80], message("a", "").bytes(v5)[1..].to_vec()].concat(), 0x81).await;
    closes(&rig, |_| packet(0x32, &[0, 1, b'a', 0, 0, 0]), 0x81).await;
    closes(&rig, |_| packet(0x36, &[0, 1, b'a', 0, 1, 0]), 0x81).await;
    closes(&rig, |_| packet(0x38, &[0, 1, b'a', 0]), 0x81).await;
    closes(&rig, |_| vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], 0x81).await;
    // Larger than announced, and seen from the header alone.
    closes(&rig, |_| [vec![0x30], varint(3 << 20)].concat(), 0x95).await;
    closes(&rig, |_| [vec![0x82], varint(100 << 10)].concat(), 0x95).await;
    let counters = rig.broker.counters();
    assert!(counters.violations >= 26, "{counters:?}");
    assert_eq!(counters.failed_tasks, 0);
}

fn v5_connect() -> Vec<u8> {
    v5("x").bytes()
}

#[tokio::test]
async fn properties_are_bounded_and_checked() {
    let settings = Settings { max_user_properties: 10, ..Settings::default() };
    let rig = Rig::with(settings).await;
    let pair = [text("k"), text("v")].concat();
    let many = (0..11).fold(message("t", "x"), |m, _| m.prop(0x26, &pair));
    let flood = message("t", "x").prop(0x26, &[text(&"k".repeat(60_000)), text(&"v".repeat(10_000))].concat());
    let cases = [
        (many, 0x97),
        (flood, 0x97),
        (message("t", "x").prop(0x26, &[text("k\0"), text("v")].concat()), 0x81),
        (message("t", "x").prop(0x08, &text("answer/#")), 0x82),
        (message("t", "x").prop(0x0B, &[1]), 0x82),
        (message("", "x"), 0x82),
    ];
    for (bad, code) in cases {
        let mut client = Client::connect(rig.address, &v5("a")).await;
        client.publish(&bad).await;
        assert_eq!(client.closed().await, [Packet::Disconnect { code }], "{:?}", bad.props.len());
    }
}

#[tokio::test]
async fn receive_maximum_is_enforced() {
    let rig = Rig::with(Settings { max_uncommitted_packets: 5, ..Settings::default() }).await;
    let mut client = Client::connect(rig.address, &v5("a")).await;
    for id in 1..=6 {
        client.publish(&message("t", "x").qos(2, id)).await;
    }
    assert_eq!(client.closed().await.last(), Some(&Packet::Disconnect { code: 0x93 }));
}

#[tokio::test]
async fn nobody_gets_far_before_connect() {
    let settings = Settings { connect_timeout: Duration::from_millis(300), ..Settings::default() };
    let rig = Rig::with(settings).await;
    let mut malformed = v3("a").bytes();
    malformed[9] |= 1;
    let openings = [
        message("t", "x").bytes(false),
        vec![0xC0, 0],
        [vec![0x10], varint(70 << 10)].concat(),
        vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF],
        packet(0x10, &[]),
        packet(0x10, &text("HTTP")),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        malformed,
        [packet(0x10, &[0; 20]), message("t", "x").bytes(false)].concat(),
        // These wait for more, and the timeout ends them.
        vec![],
        vec![0x10],
        v3("a").bytes()[..9].to_vec(),
    ];
    let openings_len = openings.len() as u64;
    for bytes in openings {
        let mut client = Client::open(rig.address, false).await;
        client.send(&bytes).await;
        for packet in client.closed().await {
            assert!(matches!(packet, Packet::ConnAck { code: 1.., .. }), "{packet:?}");
        }
    }
    rig.until(|counters| counters.failed_handshakes == openings_len).await;
    assert!(rig.gate.with(|log| log.connects.is_empty() && log.offered.is_empty()));
    // A gate that does not answer in time.
    let (_, ack) = Client::dial(rig.address, &v3("hang")).await;
    assert!(matches!(ack, Packet::ConnAck { code: 3, .. }));
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed_and_the_next_is_served() {
    let rig = Rig::with(Settings { max_connections: 2, ..Settings::default() }).await;
    let a = Client::connect(rig.address, &v3("a")).await;
    let _b = Client::connect(rig.address, &v3("b")).await;
    for _ in 0..5 {
        let mut c = Client::open(rig.address, false).await;
        assert_eq!(c.closed().await, []);
    }
    assert_eq!(rig.broker.counters().refused_sockets, 5);
    a.disconnect().await;
    let mut c = loop {
        let mut c = Client::open(rig.address, false).await;
        let _ = c.stream.write_all(&v3("c").bytes()).await;
        if c.next().await.is_some() {
            break c;
        }
    };
    c.ping().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed() {
    let settings = Settings {
        write_timeout: Duration::from_millis(200),
        queue_messages_per_session: 10_000,
        queue_bytes_per_session: 64 << 20,
        ..Settings::default()
    };
    let rig = Rig::with(settings).await;
    let mut client = Client::connect(rig.address, &v3("a")).await;
    client.subscribe("t", 0).await;
    // More than the kernel buffers on both sides take.
    for _ in 0..40 {
        rig.broker.publish(domovoi_broker::Publish::new("t", vec![0; 1 << 20])).unwrap();
    }
    rig.gate.until(|log| log.endings.len() == 1).await;
    assert_eq!(rig.gate.with(|log| log.endings[0].1), domovoi_broker::Ending::WriteTimeout);
}

#[tokio::test]
async fn resets_right_after_connect_hurt_nobody() {
    let rig = Rig::new().await;
    let mut witness = Client::connect(rig.address, &v3("witness")).await;
    for n in 0..200 {
        let mut client = Client::open(rig.address, false).await;
        // Linger 0 makes the close a reset.
        client.stream.set_zero_linger().unwrap();
        let connect = if n % 2 == 0 { v3("w/i+f$i#") } else { v3("w/i+f$i#").keep() };
        client.send(&connect.bytes()).await;
        if n % 3 == 0 {
            client.recv().await;
        }
        drop(client);
    }
    witness.ping().await;
    let mut client = Client::connect(rig.address, &v3("w/i+f$i#")).await;
    client.ping().await;
    drop(client);
    rig.until(|counters| counters.connected == 1 && counters.failed_tasks == 0).await;
}

#[tokio::test]
async fn a_burst_to_subscribers_that_leave_hurts_nobody() {
    let rig = Rig::new().await;
    let mut sender = Client::connect(rig.address, &v3("sender")).await;
    let burst: Vec<u8> = (0..500).flat_map(|_| message("t", "x").bytes(false)).collect();
    for n in 0..30 {
        let mut leaver = Client::connect(rig.address, &if n % 2 == 0 { v3("l") } else { v3("l").keep() }).await;
        leaver.subscribe("t", (n % 3) as u8).await;
        sender.send(&burst).await;
        drop(leaver);
    }
    sender.ping().await;
    // All of a burst reaches a subscriber that reads.
    let mut reader = Client::connect(rig.address, &v3("reader")).await;
    reader.subscribe("t", 0).await;
    sender.send(&burst).await;
    for _ in 0..500 {
        assert_eq!(reader.recv().await.payload(), "x");
    }
}
