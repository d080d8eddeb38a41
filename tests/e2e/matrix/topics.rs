//! Topics at the broker's own gate: what credentials of each sort may publish and subscribe to, asked of the real gate.

use std::net::SocketAddr;
use std::sync::Arc;

use domovoi::ingest::{Access, HubGate};
use domovoi_broker::{ConnectRequest, Gate as _, Peer, Properties, Protocol, Publish, QoS, Road, Verdict, WillSummary};
use e2e::issue_as;

use super::{Opened, table};

/// A name, a role, what it may publish, what it may subscribe to.
const CREDENTIALS: &[(&str, &str, &[&str], &[&str])] = &[
    ("one-meter", "device", &["wmbusmeters/12345699"], &[]),
    ("bridge", "bridge", &["zigbee2mqtt/#"], &["zigbee2mqtt/+/set"]),
    ("device", "device", &["zigbee2mqtt/#"], &["zigbee2mqtt/+/set"]),
    ("panel", "display", &["zigbee2mqtt/+/set"], &["zigbee2mqtt/#"]),
    ("voice", "voice", &["zigbee2mqtt/+/set"], &[]),
    ("everything", "service", &["#"], &["#"]),
    ("our-prefix", "service", &["domovoi/#"], &["domovoi/#"]),
    ("nothing", "service", &[], &[]),
];

/// Names to publish to beside those of the dialects: ours, the broker's, a stranger's.
const NAMES: &[&str] = &[
    "wmbusmeters/12345699",
    "wmbusmeters/87654321",
    "zigbee2mqtt/lamp",
    "zigbee2mqtt/lamp/set",
    "domovoi",
    "domovoi/valve/set",
    "domovoid/x",
    "anything/else",
];

/// Filters to subscribe to beside those of the dialects.
const FILTERS: &[&str] =
    &["#", "+/#", "zigbee2mqtt/+/set", "zigbee2mqtt/lamp/set", "zigbee2mqtt/#", "domovoi/#", "$SYS/#"];

fn peer() -> SocketAddr {
    "192.168.1.77:50000".parse().unwrap()
}

fn request(username: &str, password: &str, will: Option<&str>) -> ConnectRequest {
    ConnectRequest {
        client_id: format!("{username}-{}", will.unwrap_or_default()),
        username: Some(username.to_owned()),
        password: Some(password.to_owned().into()),
        peer: peer(),
        protocol: Protocol::V5,
        road: Road::default(),
        certificate: None,
        will: will.map(|topic| WillSummary {
            topic: topic.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            payload_bytes: 0,
        }),
    }
}

fn word(yes: bool) -> String {
    if yes { "yes" } else { "topic" }.to_owned()
}

/// One line per name and verb, with a head.
pub async fn lines(opened: &Opened) -> Vec<String> {
    let gate = HubGate::new(Arc::clone(&opened.desk.ingest), opened.desk.settings.mqtt.clone());
    let mut peers: Vec<(Peer<Access>, String)> = Vec::new();
    for (username, role, publish, subscribe) in CREDENTIALS {
        let issued = issue_as(&opened.desk.store, username, role, publish, subscribe).await;
        let connect = request(username, &issued.password, None);
        let (client_id, protocol) = (connect.client_id.clone(), connect.protocol);
        let Ok(access) = gate.connect(connect).await else { panic!("{username} is let in") };
        let username = Some((*username).to_owned());
        peers.push((Peer { client_id, username, address: peer(), protocol, access }, issued.password));
    }
    let mut rows = vec![vec!["topic".to_owned()]];
    rows[0].extend(CREDENTIALS.iter().map(|(name, role, publish, subscribe)| {
        format!("{name}, a {role} ({}; {})", publish.join(" "), subscribe.join(" "))
    }));
    for name in NAMES {
        let publish = Publish {
            topic: (*name).into(),
            payload: "0".into(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: Properties::default(),
        };
        let may = |peer: &Peer<Access>| matches!(gate.publish(peer, &publish).verdict, Verdict::Forward);
        let mut row = vec![format!("publish {name}")];
        row.extend(peers.iter().map(|(peer, _)| word(may(peer))));
        rows.push(row);
        // A will is a publish that has not happened yet.
        let mut row = vec![format!("will {name}")];
        for (peer, password) in &peers {
            let username = peer.username.as_deref().unwrap_or_default();
            row.push(word(gate.connect(request(username, password, Some(name))).await.is_ok()));
        }
        rows.push(row);
    }
    let dialects = opened.desk.ingest.topics();
    for filter in FILTERS.iter().copied().chain(dialects.iter().map(String::as_str)) {
        let mut row = vec![format!("subscribe {filter}")];
        row.extend(peers.iter().map(|(peer, _)| word(gate.subscribe(peer, filter))));
        rows.push(row);
    }
    table(&rows)
}
