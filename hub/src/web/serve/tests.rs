//! The real listeners against clients that are slow, many, half there, or call the hub by another's name.

use std::path::Path;

use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use domovoi_config::Settings;
use domovoi_model::{Id, Timestamp};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::house::House;
use crate::tests::until_async;

/// 2026-11-20T12:00:00Z.
const NOON: Timestamp = Timestamp(1_795_176_000_000);

/// So short that a test ends soon, and so long that a loaded machine does not fail it.
fn short() -> Patience {
    let short = Duration::from_millis(300);
    Patience { handshake: short, headers: short, silence: short, body: short * 4, stall: short, grace: short }
}

struct Running {
    at: SocketAddr,
    stop: Sender<bool>,
    ended: JoinHandle<()>,
    seats: Places,
}

async fn run(way: Way, router: Router, seats: Places) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let entrance =
        Entrance { way, router, seats: seats.clone(), private_only: true, certificates: None, patience: short() };
    Running { at, stop, ended: tokio::spawn(entrance.take_in(listener, stopped)), seats }
}

fn plain() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/panic", get(|| async { if true { panic!("a mistake") } else { "" } }))
        .route("/body", post(|body: axum::body::Bytes| async move { body.len().to_string() }))
        .route(
            "/events",
            get(|| async {
                let first = futures_util::stream::iter([Ok::<_, Infallible>(Event::default().data("one"))]);
                Sse::new(first.chain(futures_util::stream::pending()))
            }),
        )
}

async fn to(at: SocketAddr) -> TcpStream {
    TcpStream::connect(at).await.unwrap()
}

/// Everything that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

async fn asked(at: SocketAddr, request: &str) -> String {
    let mut stream = to(at).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

fn get_of(path: &str, host: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n")
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    until_async(what, async || is().await.then_some(())).await;
}

#[tokio::test]
async fn headers_that_never_end_and_silence_are_not_waited_for() {
    let running = run(Way::Help, plain(), seats(8, 8)).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n", "G"] {
        let mut slow = to(running.at).await;
        slow.write_all(beginning.as_bytes()).await.unwrap();
        let said = rest(&mut slow).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    until("the seats are free again", async || running.seats.taken() == 0).await;
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_not_waited_for() {
    let home = Home::new().await;
    let running = run(Way::Https(home.certificates()), plain(), seats(8, 8)).await;
    for beginning in [&b""[..], b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut half = to(running.at).await;
        half.write_all(beginning).await.unwrap();
        rest(&mut half).await;
    }
    until("the seats are free again", async || running.seats.taken() == 0).await;
}

#[tokio::test]
async fn a_body_that_trickles_or_stops_is_refused() {
    let running = run(Way::Help, plain(), seats(8, 8)).await;
    let head = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
    let mut silent = to(running.at).await;
    silent.write_all(format!("{head}abc").as_bytes()).await.unwrap();
    let said = rest(&mut silent).await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");

    let (mut reading, mut writing) = to(running.at).await.into_split();
    writing.write_all(head.as_bytes()).await.unwrap();
    let trickling = tokio::spawn(async move {
        while writing.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut said = Vec::new();
    let _ = reading.read_to_end(&mut said).await;
    assert!(said.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&said));
    drop(reading);
    trickling.await.unwrap();

    let whole =
        format!("{}\r\n{}", "POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n", "abc");
    assert!(asked(running.at, &whole).await.ends_with("\r\n3"));
}

#[tokio::test]
async fn one_peer_gets_its_share_and_no_more() {
    let running = run(Way::Help, plain(), seats(8, 3)).await;
    let mut events = Vec::new();
    for _ in 0..3 {
        let mut stream = to(running.at).await;
        stream.write_all(get_of("/events", "x", "").as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        events.push(stream);
    }
    assert_eq!(asked(running.at, &get_of("/", "x", "")).await, "", "all its seats are taken");
    events.pop();
    until("a seat that was left is given on", async || {
        asked(running.at, &get_of("/", "x", "")).await.ends_with("hello")
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_panics_answers_and_the_next_request_is_served() {
    let running = run(Way::Help, plain(), seats(8, 8)).await;
    let said = asked(running.at, &get_of("/panic", "x", "")).await;
    assert!(said.starts_with("HTTP/1.1 500") && said.contains("problem+json") && !said.contains("a mistake"), "{said}");
    assert!(asked(running.at, &get_of("/", "x", "")).await.ends_with("hello"));
}

#[tokio::test]
async fn too_many_and_too_large_headers_are_refused() {
    let running = run(Way::Help, plain(), seats(8, 8)).await;
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x: {}\r\n", "a".repeat(4 * MAX_HEADER_BYTES));
    for more in [many, large] {
        let said = asked(running.at, &get_of("/", "x", &more)).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{} … {said}", &more[..10]);
    }
}

#[tokio::test]
async fn an_open_stream_ends_cleanly_when_the_house_stops_and_a_stubborn_peer_does_not_hold_it() {
    let running = run(Way::Help, plain(), seats(8, 8)).await;
    let mut events = to(running.at).await;
    events.write_all(get_of("/events", "x", "").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    events.read_exact(&mut first).await.unwrap();
    let mut stubborn = to(running.at).await;
    stubborn.write_all(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    until("both are there", async || running.seats.taken() == 2).await;
    running.stop.send_replace(true);
    let said = rest(&mut events).await;
    assert!(
        said.contains("data: one") && said.ends_with("0\r\n\r\n"),
        "the last chunk says that this is all: {said:?}"
    );
    running.ended.await.unwrap();
    assert!(TcpStream::connect(running.at).await.is_err());
}

struct Home {
    house: House,
    _folder: tempfile::TempDir,
}

impl Home {
    async fn new() -> Self {
        Self::at(NOON).await
    }

    async fn at(at: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "[store]\ndata_dir = \"hub\"\n[web]\nlisten = [\"127.0.0.1:8443\"]\nnames = [\"dom.lan\"]\n";
        let settings = Settings::parse(text, "test.toml", folder.path()).unwrap();
        let clock = Clock::by_hand(Id([7; 16]), at);
        let house = Box::pin(House::open(settings, clock, None)).await.unwrap();
        Home { house, _folder: folder }
    }

    fn certificates(&self) -> Certificates {
        self.house.desk(true).certificates.unwrap()
    }
}

fn status(said: &str) -> &str {
    said.split(' ').nth(1).unwrap_or("")
}

#[tokio::test]
async fn the_help_page_takes_no_secret_knows_its_names_and_leads_everything_else_to_https() {
    let home = Home::new().await;
    let running = run(Way::Help, help::site(&home.house.desk(true)), seats(64, 64)).await;
    let at = running.at;
    let own = at.to_string();
    for host in [own.as_str(), "domovoi.local", "dom.lan:8080", "localhost", "DOMOVOI.LOCAL."] {
        let said = asked(at, &get_of("/", host, "")).await;
        assert_eq!(status(&said), "200", "{host}: {said}");
        assert!(said.contains("content-security-policy: default-src 'none'") && said.contains("no-store"), "{said}");
        assert!(!said.to_lowercase().contains("set-cookie") && !said.to_lowercase().contains("strict-transport"));
    }
    for host in ["evil.example", "127.0.0.2", "192.168.1.1", "domovoi.local.evil.example", ""] {
        let said = asked(at, &get_of("/", host, "")).await;
        assert!(matches!(status(&said), "421" | "400"), "{host}: {said}");
    }
    assert_eq!(status(&asked(at, &get_of("/", "domovoi.local", "Host: evil.example\r\n")).await), "400");
    let fingerprint = home.certificates().authority().unwrap().fingerprint;
    let said = asked(at, &get_of("/", "domovoi.local", "Accept-Language: en\r\n")).await;
    assert!(said.contains(&fingerprint) && said.contains("Trust this home"), "{said}");
    assert!(said.contains("<details open>") || !said.contains("User-Agent"), "{said}");

    let said = asked(at, &get_of("/sign-in?to=%2Fpeople", "domovoi.local", "")).await;
    assert_eq!(status(&said), "307");
    assert!(said.contains("location: https://domovoi.local:8443/sign-in?to=%2Fpeople\r\n"), "{said}");
    let said = asked(at, &get_of("//evil.example/x", "domovoi.local", "")).await;
    assert!(!said.contains("location: https://evil"), "{said}");

    for secret in ["Authorization: Bearer x\r\n", "Cookie: a=b; __Host-domovoi=x\r\n", "Cookie: domovoi=x\r\n"] {
        assert_eq!(status(&asked(at, &get_of("/", "domovoi.local", secret)).await), "400", "{secret}");
    }
    assert_eq!(status(&asked(at, &get_of("/", "domovoi.local", "Cookie: other=1\r\n")).await), "200");
    let form = "POST /sign-in HTTP/1.1\r\nHost: domovoi.local\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(&asked(at, form).await), "405");
    for path in ["/.well-known/acme-challenge/nothing", "/.well-known/acme-challenge/..%2f..%2fetc"] {
        assert_eq!(status(&asked(at, &get_of(path, "domovoi.local", "")).await), "404");
    }
}

#[tokio::test]
async fn the_authority_can_be_downloaded_in_each_form() {
    let home = Home::new().await;
    let running = run(Way::Help, help::site(&home.house.desk(true)), seats(64, 64)).await;
    let authority = home.certificates().authority().unwrap();
    let base = format!("http://{}/trust/domovoi-ca", running.at);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetch = async |ending: &str| reqwest::get(format!("{base}.{ending}")).await.unwrap();
    assert_eq!(fetch("pem").await.text().await.unwrap(), authority.pem);
    let der = fetch("cer").await;
    assert_eq!(der.headers()["content-type"], "application/x-x509-ca-cert");
    assert_eq!(der.bytes().await.unwrap(), authority.der);
    assert!(fetch("mobileconfig").await.text().await.unwrap().contains("com.apple.security.root"));
}

/// The page as a browser reaches it: by its name, with the hub's own authority and nothing else trusted.
#[tokio::test]
async fn the_site_is_there_for_whoever_trusts_the_authority() {
    // The clients of this test have the machine's clock, and so must the hub.
    let home = Home::at(Clock::system(Id([7; 16])).wall()).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let router = site(&home.house.desk(true));
    let running = run(Way::Https(home.certificates()), router, seats(64, 64)).await;
    let root = reqwest::Certificate::from_pem(home.certificates().authority().unwrap().pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("domovoi.local", running.at)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let page = format!("https://domovoi.local:{}", running.at.port());
    let answer = client.get(format!("{page}/trust")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    assert_eq!(answer.headers()["x-request-id"].len(), 16);
    assert!(answer.headers().get("content-encoding").is_none());
    let problem = client.get(format!("{page}/api/v1/nothing")).send().await.unwrap();
    assert_eq!(
        (problem.status().as_u16(), &problem.headers()["content-type"] == "application/problem+json"),
        (404, true)
    );
    let bare = reqwest::Client::builder().resolve("domovoi.local", running.at).build().unwrap();
    assert!(bare.get(&page).send().await.is_err(), "nobody else vouches for it");
    if Path::new("/usr/bin/curl").exists() {
        curl(&home, running.at).await;
    }
}

/// OpenSSL's idea of the same certificate, its constraints on names included.
async fn curl(home: &Home, at: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, home.certificates().authority().unwrap().pem).unwrap();
    let out = tokio::task::spawn_blocking(move || {
        std::process::Command::new("/usr/bin/curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}", "--tlsv1.3", "--cacert"])
            .arg(file)
            .args(["--resolve", &format!("domovoi.local:{}:127.0.0.1", at.port())])
            .arg(format!("https://domovoi.local:{}/trust", at.port()))
            .output()
            .unwrap()
    });
    let out = out.await.unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.ends_with(" 0") && said.starts_with("200"), "{said} {}", String::from_utf8_lossy(&out.stderr));
}
