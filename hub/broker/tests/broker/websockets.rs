//! MQTT inside WebSockets: a library's client, and frames written by hand that no library would write.

use std::sync::Arc;

use bytes::Bytes;
use domovoi_broker::{Door, Settings, WebSockets};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Response},
    },
};

use crate::{
    client::{PATIENCE, message, v3},
    doors::{WELCOME, always, ends, hears, identity, server, tls},
    gate::Rig,
};

const PAGE: &str = "https://domovoi.local:8443";

async fn rig() -> Rig {
    let websockets = WebSockets { origins: Arc::new([PAGE.to_owned()]), max_message_bytes: None };
    Rig::behind(Settings::default(), Door { websockets: Some(websockets), ..Door::plain() }).await
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(WebSocketStream<S>, Response<Option<Vec<u8>>>), Error> {
    let mut request = format!("ws://broker.test{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    timeout(PATIENCE, client_async(request, stream)).await.expect("an answer in time")
}

async fn opened(rig: &Rig) -> WebSocketStream<TcpStream> {
    let socket = TcpStream::connect(rig.address).await.unwrap();
    upgrade(socket, "/mqtt", &[("Sec-WebSocket-Protocol", "mqtt")]).await.unwrap().0
}

/// Collects the payload of binary frames until so many bytes are there.
async fn collects<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, bytes: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    while heard.len() < bytes {
        match timeout(PATIENCE, socket.next()).await.expect("a frame in time") {
            Some(Ok(Message::Binary(part))) => heard.extend(part),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("not a binary frame: {other:?}"),
        }
    }
    heard
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

#[tokio::test]
async fn packets_and_frames_have_nothing_to_do_with_one_another() {
    let rig = rig().await;
    let socket = TcpStream::connect(rig.address).await.unwrap();
    let asked = [("Sec-WebSocket-Protocol", "soap, mqtt")];
    let (mut socket, answer) = upgrade(socket, "/mqtt", &asked).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "mqtt");
    // One packet in many frames, an empty one among them.
    for byte in v3("pieces").bytes() {
        socket.send(binary(&[byte])).await.unwrap();
        socket.send(binary(&[])).await.unwrap();
    }
    assert_eq!(collects(&mut socket, 4).await, WELCOME);
    // Many packets in one frame, and the head of one more.
    let subscribe = [&[0x82, 6, 0, 1, 0, 1][..], b"t", &[0]].concat();
    let pings = [0xC0, 0].repeat(50);
    socket.send(binary(&[&subscribe[..], &pings, &[0x30]].concat())).await.unwrap();
    assert_eq!(collects(&mut socket, 5 + 100).await, [&[0x90, 3, 0, 1, 0][..], &[0xD0, 0].repeat(50)].concat());
    let publish = message("t", "живой").bytes(false);
    socket.send(binary(&publish[1..])).await.unwrap();
    assert_eq!(collects(&mut socket, publish.len()).await, publish);
    rig.gate.with(|log| assert!(log.connects[0].road.websocket && !log.connects[0].road.tls));
    // A ping of the WebSocket's own is answered, and a close too.
    socket.send(Message::Ping(Bytes::from_static(b"you"))).await.unwrap();
    let pong = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"you")));
    socket.close(None).await.unwrap();
    let closed = timeout(PATIENCE, socket.next()).await.unwrap();
    assert!(matches!(closed, None | Some(Ok(Message::Close(_)))), "{closed:?}");
    rig.gate.until(|log| !log.endings.is_empty()).await;
}

#[tokio::test]
async fn fragments_of_a_message_are_one_stream() {
    let rig = rig().await;
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    by_hand(&mut socket, &[("Sec-WebSocket-Protocol", "mqtt")]).await;
    let connect = v3("fragments").bytes();
    let (first, rest) = connect.split_at(5);
    socket.write_all(&frame(0x02, first)).await.unwrap();
    // A control frame may come between fragments.
    socket.write_all(&frame(0x89, b"hm")).await.unwrap();
    socket.write_all(&frame(0x80, rest)).await.unwrap();
    hears(&mut socket, &[&[0x8A, 2][..], b"hm", &[0x82, 4], &WELCOME].concat()).await;
}

#[tokio::test]
async fn who_may_open_a_websocket() {
    let rig = rig().await;
    let mqtt = ("Sec-WebSocket-Protocol", "mqtt");
    for (path, headers, wanted) in [
        ("/mqtt", vec![mqtt], 101),
        ("/", vec![mqtt], 101),
        ("/mqtt", vec![mqtt, ("Origin", PAGE)], 101),
        ("/mqtt", vec![mqtt, ("Origin", "HTTPS://DOMOVOI.local:8443")], 101),
        ("/mqtt?client=1", vec![mqtt], 101),
        ("/elsewhere", vec![mqtt], 404),
        ("/mqtt/", vec![mqtt], 404),
        ("/mqtt", vec![], 400),
        ("/mqtt", vec![("Sec-WebSocket-Protocol", "mqttv3.1")], 400),
        ("/mqtt", vec![mqtt, ("Origin", "https://evil.example")], 403),
        ("/mqtt", vec![mqtt, ("Origin", "https://domovoi.local")], 403),
        ("/mqtt", vec![mqtt, ("Origin", "https://domovoi.local:8443.evil.example")], 403),
        ("/mqtt", vec![mqtt, ("Origin", "null")], 403),
        ("/mqtt", vec![mqtt, ("Origin", "")], 403),
        ("/mqtt", vec![mqtt, ("Origin", PAGE), ("Origin", "https://evil.example")], 403),
    ] {
        let socket = TcpStream::connect(rig.address).await.unwrap();
        let status = match upgrade(socket, path, &headers).await {
            Ok((_, answer)) => answer.status(),
            Err(Error::Http(answer)) => answer.status(),
            Err(other) => panic!("{path} {headers:?}: {other}"),
        };
        assert_eq!(status.as_u16(), wanted, "{path} {headers:?}");
    }
    // A page that is merely visited.
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: broker.test\r\n\r\n").await.unwrap();
    ends(&mut socket).await;
    rig.gate.with(|log| assert!(log.connects.is_empty()));
}

/// An upgrade by hand, whose answer is only looked at for its status.
async fn by_hand(socket: &mut TcpStream, headers: &[(&str, &str)]) {
    let mut request = "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .to_owned();
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    socket.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
}

/// A masked frame, whatever its first byte; the mask is zeros, so that bytes can be read in a dump.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ ..126 => vec![0x80 | short as u8],
        long @ 126..=0xFFFF => [&[0x80 | 126][..], &(long as u16).to_be_bytes()].concat(),
        long => [&[0x80 | 127][..], &(long as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}

#[tokio::test]
async fn frames_that_no_honest_client_sends_end_the_connection_and_nothing_else() {
    let rig = rig().await;
    let connect = v3("hostile").bytes();
    let unmasked = [&[0x82, connect.len() as u8][..], &connect].concat();
    let huge = [&[0x82, 0x80 | 127][..], &(1u64 << 62).to_be_bytes(), &[0; 4], &connect].concat();
    let large = [&[0x82, 0x80 | 127][..], &(5u64 << 20).to_be_bytes(), &[0; 4], &connect].concat();
    for (name, bytes) in [
        ("text", frame(0x81, b"hello")),
        ("text that is a packet", frame(0x81, &[0xC0 & 0x7F, 0])),
        ("unmasked", unmasked),
        ("longer than memory", huge),
        ("longer than allowed", large),
        ("a reserved bit", frame(0xC2, &connect)),
        ("a reserved opcode", frame(0x83, &connect)),
        ("a continuation of nothing", frame(0x80, &connect)),
        ("a ping in pieces", frame(0x09, b"")),
        ("a ping too long", frame(0x89, &[0; 126])),
        ("a message in a message", [frame(0x02, &connect[..3]), frame(0x82, &connect[3..])].concat()),
        ("a close of one byte", frame(0x88, &[3])),
        ("not MQTT", frame(0x82, b"GET / HTTP/1.1")),
    ] {
        let mut socket = TcpStream::connect(rig.address).await.unwrap();
        by_hand(&mut socket, &[("Sec-WebSocket-Protocol", "mqtt")]).await;
        let _ = socket.write_all(&bytes).await;
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.unwrap_or_else(|_| panic!("{name}: stays open"));
        assert!(!rest.ends_with(&WELCOME), "{name}: is let in");
    }
    let counters = rig.broker.counters();
    assert_eq!((counters.failed_handshakes, counters.failed_tasks), (13, 0), "{counters:?}");
    let mut good = opened(&rig).await;
    good.send(binary(&connect)).await.unwrap();
    assert_eq!(collects(&mut good, 4).await, WELCOME);
    // The same after CONNECT: it is over for this one.
    good.send(Message::text("hello")).await.unwrap();
    rig.gate.until(|log| log.endings.len() == 1).await;
}

#[tokio::test]
async fn a_stranger_cannot_have_a_large_message_gathered() {
    let rig = rig().await;
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    by_hand(&mut socket, &[("Sec-WebSocket-Protocol", "mqtt")]).await;
    let head = [&[0x82, 0x80 | 127][..], &(3u64 << 20).to_be_bytes(), &[0; 4]].concat();
    socket.write_all(&head).await.unwrap();
    // Fails at some point, because the other side is gone.
    let _ = timeout(PATIENCE, socket.write_all(&vec![0x10; 3 << 20])).await.expect("it is not read to its end");
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the broker closes");
    rig.until(|counters| counters.failed_handshakes == 1).await;
}

#[tokio::test]
async fn large_messages_go_both_ways_also_through_tls() {
    let own = identity("broker.test");
    let door = Door { tls: Some(always(server(&own, &[]))), ..Door::plain() };
    let rig = Rig::behind(Settings::default(), door).await;
    let ciphered = tls(&rig, &own, None).await;
    let (ciphered, _) = upgrade(ciphered, "/mqtt", &[("Sec-WebSocket-Protocol", "mqtt")]).await.unwrap();
    large(ciphered, "wss").await;
    large(opened(&rig).await, "ws").await;
    rig.gate.with(|log| {
        let roads: Vec<_> = log.connects.iter().map(|connect| (connect.road.tls, connect.road.websocket)).collect();
        assert_eq!(roads, [(true, true), (false, true)]);
    });
}

async fn large<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>, id: &str) {
    let publish = message("big", &"x".repeat(1 << 20)).bytes(false);
    let subscribe = [&[0x82, 8, 0, 1, 0, 3][..], b"big", &[0]].concat();
    socket.send(binary(&v3(id).bytes())).await.unwrap();
    assert_eq!(collects(&mut socket, 4).await, WELCOME);
    socket.send(binary(&subscribe)).await.unwrap();
    assert_eq!(collects(&mut socket, 5).await, [0x90, 3, 0, 1, 0]);
    for _ in 0..3 {
        socket.send(binary(&publish)).await.unwrap();
        assert!(collects(&mut socket, publish.len()).await == publish);
    }
}
