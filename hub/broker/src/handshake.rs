//! From an accepted socket to a session: CONNECT, the gate's answer, CONNACK. All of it within the connect timeout.
//!
//! Until it is done only one packet of at most `max_control_packet_bytes` is read; what follows the CONNECT in the
//! same read waits, and is thrown away if the client is refused.

use std::{net::SocketAddr, num::NonZeroU16, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use rmqtt_codec::{v3, v5};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

use crate::{
    broker::Shared,
    connect::{self, Connect, Refused},
    connection::Seat,
    counters::count,
    gate::{ConnectRefusal, ConnectRequest, Durable, Ending, Gate, Peer, Protocol, Refusal, Road, WillSummary},
    packet::{Violation, code},
    router::{Arrival, Attached},
    session::{Identity, Speaker, Will},
    stream::{close, fill},
    topic::share,
    wire::{Wire, frame},
};

/// A client that has been let in. Its CONNACK waits in `output`.
pub(crate) struct Admitted<G: Gate> {
    pub(crate) peer: Arc<Peer<G::Access>>,
    pub(crate) seat: Seat<G>,
    /// The will of the connection or session that this one ended.
    pub(crate) will_due: Option<Will<G::Access>>,
    pub(crate) logged: bool,
    pub(crate) wire: Wire,
    pub(crate) output: BytesMut,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) expiry: Duration,
}

/// What is known of a connection before its first packet.
pub(crate) struct Arriving {
    pub(crate) address: SocketAddr,
    pub(crate) road: Road,
    /// DER of what the client showed in the TLS handshake.
    pub(crate) certificate: Option<Bytes>,
    /// Of the connect timeout.
    pub(crate) deadline: Instant,
}

/// None if there is nobody to talk to: the socket has been answered, if there was an answer, and closed.
pub(crate) async fn handshake<G, R, W>(
    shared: &Arc<Shared<G>>,
    reader: &mut R,
    writer: &mut W,
    input: &mut BytesMut,
    arriving: Arriving,
) -> Option<Admitted<G>>
where
    G: Gate,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let settings = &shared.router.settings;
    let address = arriving.address;
    let refusal = match timeout_at(arriving.deadline, read_connect(shared, reader, input)).await {
        Ok(Ok((protocol, connect))) => match admit(shared, protocol, connect, arriving).await {
            Ok(admitted) => return Some(admitted),
            Err(refused) => Some((Some(protocol), refused)),
        },
        Ok(Err(Unreadable::Refused(protocol, refused))) => Some((protocol, refused)),
        Ok(Err(Unreadable::Closed)) | Err(_) => None,
    };
    count(&shared.router.tally.failed_handshakes);
    if let Some((protocol, refused)) = refusal {
        tracing::info!(%address, "connection refused: {}", refused.what);
        let reply = reply(protocol, refused, shared);
        close(reader, writer, &reply, settings.stop_timeout, true).await;
    }
    None
}

enum Unreadable {
    Closed,
    Refused(Option<Protocol>, Refused),
}

async fn read_connect<G: Gate, R: AsyncRead + Unpin>(
    shared: &Arc<Shared<G>>,
    reader: &mut R,
    input: &mut BytesMut,
) -> Result<(Protocol, Connect), Unreadable> {
    let settings = &shared.router.settings;
    let refused = |violation: Violation| Unreadable::Refused(None, violation.into());
    loop {
        if input.first().is_some_and(|first| *first != 0x10) {
            return Err(refused(Violation::protocol("the first packet is not a CONNECT")));
        }
        let limit = settings.max_control_packet_bytes;
        if let Some(total) = frame(input, limit, limit).map_err(refused)?
            && input.len() >= total
        {
            let Some(protocol) = connect::protocol(input) else {
                let unacceptable = Refused { v3: Some(1), v5: 0x84, what: "an unknown protocol or version" };
                return Err(Unreadable::Refused(Some(Protocol::V311), unacceptable));
            };
            return connect::read(protocol, input, total, settings)
                .map(|connect| (protocol, connect))
                .map_err(|refused| Unreadable::Refused(Some(protocol), refused));
        }
        if !matches!(fill(reader, input).await, Ok(1..)) {
            return Err(Unreadable::Closed);
        }
    }
}

async fn admit<G: Gate>(
    shared: &Arc<Shared<G>>,
    protocol: Protocol,
    connect: Connect,
    arriving: Arriving,
) -> Result<Admitted<G>, Refused> {
    let settings = &shared.router.settings;
    let Arriving { address, road, certificate, deadline } = arriving;
    let request = ConnectRequest {
        client_id: connect.client_id.to_string(),
        username: connect.username.clone(),
        password: connect.password,
        peer: address,
        protocol,
        road,
        certificate,
        will: connect.will.as_ref().map(|(will, _)| WillSummary {
            topic: will.topic.clone(),
            qos: will.qos,
            retain: will.retain,
            payload_bytes: will.payload.len(),
        }),
    };
    let access = timeout_at(deadline, shared.gate.connect(request))
        .await
        .unwrap_or(Err(ConnectRefusal::Unavailable))
        .map_err(Refused::from)?;
    let owner = shared.gate.owner(&access, connect.username.as_deref());
    let peer =
        Arc::new(Peer { client_id: connect.client_id.to_string(), username: owner.clone(), address, protocol, access });
    let expiry = connect.expiry.min(settings.max_session_expiry);
    let arrival = Arrival {
        identity: Identity { owner, client_id: connect.client_id.clone() },
        clean_start: connect.clean_start,
        expiry,
        window: connect.receive_max.min(settings.max_inflight),
        will: connect
            .will
            .map(|(publish, delay)| Box::new(Will { publish, delay, speaker: Speaker::Peer(peer.clone()), number: 0 })),
    };
    let Attached { claim, present, will_due, filters, logged, ended } =
        shared.router.attach(arrival).map_err(|_| {
            // The gate let it in and counts it as there.
            shared.gate.disconnected(&peer, &Ending::Refused(Refusal::QuotaExceeded));
            Refused { v3: Some(3), v5: code::QUOTA, what: "there are as many sessions as allowed" }
        })?;
    let seat = Seat::new(shared.clone(), peer.clone(), claim);
    if let Durable::When(ended) = ended {
        // Half the time there is, and then it goes on: a disk that keeps nothing must not shut clients out. Should there
        // be a crash too before the disk is back, this client may find its old session again.
        let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
        if timeout_at(half, ended).await.is_err() {
            tracing::warn!(%address, "a session has ended and the log does not have it yet");
        }
    }
    // What the client was allowed when it subscribed may have changed since.
    for filter in filters.iter().filter(|f| !shared.gate.subscribe(&peer, share(f).map_or(f, |s| s.filter))) {
        shared.router.unsubscribe(&seat.claim, filter);
    }
    let mut wire = Wire::new(protocol, settings, connect.max_packet_bytes, connect.topic_aliases);
    let mut output = BytesMut::new();
    let mut keep_alive_secs = connect.keep_alive_secs;
    match protocol {
        Protocol::V311 => {
            let return_code = v3::ConnectAckReason::ConnectionAccepted;
            wire.connack_v3(v3::ConnectAck { return_code, session_present: present }, &mut output);
        }
        Protocol::V5 => {
            let prescribed = settings.max_keep_alive_secs.filter(|max| keep_alive_secs == 0 || keep_alive_secs > *max);
            keep_alive_secs = prescribed.unwrap_or(keep_alive_secs);
            let ack = v5::ConnectAck {
                session_present: present,
                session_expiry_interval_secs: (expiry != connect.expiry)
                    .then(|| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
                receive_max: NonZeroU16::new(settings.max_uncommitted_packets).unwrap_or(NonZeroU16::MIN),
                max_packet_size: Some(u32::try_from(settings.max_packet_bytes).unwrap_or(u32::MAX)),
                assigned_client_id: connect.id_assigned.then_some(connect.client_id),
                topic_alias_max: settings.max_topic_aliases,
                shared_subscription_available: true,
                server_keepalive_sec: prescribed,
                response_info: settings
                    .response_information
                    .as_deref()
                    .filter(|_| connect.wants_response_info)
                    .map(Into::into),
                ..Default::default()
            };
            wire.connack_v5(ack, &mut output);
        }
    }
    // 3.1.2.10: one and a half times the interval; 0 turns it off.
    let keep_alive = (keep_alive_secs > 0).then(|| Duration::from_millis(u64::from(keep_alive_secs) * 1500));
    Ok(Admitted { peer, seat, will_due, logged, wire, output, keep_alive, expiry })
}

fn reply<G: Gate>(protocol: Option<Protocol>, refused: Refused, shared: &Arc<Shared<G>>) -> BytesMut {
    let mut output = BytesMut::new();
    let settings = &shared.router.settings;
    match (protocol, refused.v3) {
        (Some(Protocol::V311), Some(code)) => {
            let return_code = v3::ConnectAckReason::try_from(code).unwrap_or(v3::ConnectAckReason::ServiceUnavailable);
            let ack = v3::ConnectAck { return_code, session_present: false };
            Wire::new(Protocol::V311, settings, usize::MAX, 0).connack_v3(ack, &mut output);
        }
        (Some(Protocol::V5), _) => {
            let reason_code =
                v5::ConnectAckReason::try_from(refused.v5).unwrap_or(v5::ConnectAckReason::UnspecifiedError);
            let ack = v5::ConnectAck { reason_code, ..Default::default() };
            Wire::new(Protocol::V5, settings, usize::MAX, 0).connack_v5(ack, &mut output);
        }
        _ => {}
    }
    output
}
