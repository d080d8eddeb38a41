//! Inventions of a hostile camera beside floods: lies about lengths, channels, places, parameters and times, at each step
//! of a session. Each ends with a reason that says what it was, or costs nothing; and all of them together cost another
//! camera not one picture.

use tokio::sync::watch;

use super::camera::{Camera, SDP_PCMU, SDP_VIDEO, Talk};
use super::*;
use crate::picture::tests::h264_pcm;

const SDP_H265: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n\
    a=fmtp:96 sprop-vps=QAEM;sprop-sps=QgEB;sprop-pps=RAE=\r\na=control:video\r\n";
const SDP_JPEG: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:video\r\n";

/// An invention and the codes of trouble that are right for it; `plays`: it does no harm and pictures come.
const INVENTIONS: [(&str, &[&str]); 28] = [
    ("never-answers", &["timeout"]),
    ("length-negative", &["protocol"]),
    ("length-beyond-64-bits", &["protocol"]),
    ("length-no-number", &["protocol"]),
    ("length-too-short", &["protocol", "no-video"]),
    ("challenge-of-200-kb", &["unauthorized", "protocol", "refused"]),
    ("thousand-challenges", &["unauthorized", "protocol"]),
    ("challenge-for-ever", &["unauthorized"]),
    ("redirect", &["refused"]),
    ("prose-among-the-streams", &["plays"]),
    ("base-elsewhere", &["plays"]),
    ("five-thousand-streams", &["no-video", "protocol", "plays", "too-much"]),
    ("endless-session-id", &["plays", "protocol", "too-much", "timeout"]),
    ("channels-out-of-range", &["protocol"]),
    ("channels-all-the-same", &["protocol", "plays"]),
    ("sound-on-the-pictures-channel", &["protocol", "closed"]),
    ("sps-of-65520", &["plays", "protocol"]),
    ("sps-of-nonsense", &["protocol", "timeout", "no-key-frame"]),
    ("sps-of-each-frame", &["too-much"]),
    ("times-at-random", &["too-much", "plays"]),
    ("fragments-without-end", &["protocol", "timeout", "no-key-frame"]),
    ("aggregates-that-lie", &["protocol", "timeout", "no-key-frame"]),
    ("rtp-headers-that-lie", &["protocol"]),
    ("reports-of-nonsense", &["plays", "protocol"]),
    ("h265-of-nonsense", &["protocol", "timeout", "no-key-frame"]),
    ("jpeg-of-nonsense", &["protocol", "timeout", "plays"]),
    ("requests-of-the-camera", &["plays", "protocol"]),
    ("answers-nobody-asked-for", &["plays", "protocol", "too-much"]),
];

/// Parameter sets of pictures that are 65,520 wide. Made before the camera plays: it takes a while.
static HUGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();

/// Bytes that are the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

async fn invent(mut talk: Talk, kind: &str) -> Option<()> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let long = "x".repeat(200_000);
    let said = |length: &str| {
        format!(
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP_VIDEO}"
        )
    };
    // What goes wrong before PLAY.
    match kind {
        "never-answers" => return std::future::pending().await,
        "length-negative" | "length-beyond-64-bits" | "length-no-number" | "length-too-short" => {
            talk.request().await?;
            let length = match kind {
                "length-negative" => "-1",
                "length-beyond-64-bits" => "18446744073709551616",
                "length-no-number" => "12abc",
                _ => "20",
            };
            talk.send(said(length).as_bytes()).await?;
            return talk.stay().await;
        }
        "challenge-of-200-kb" | "thousand-challenges" | "challenge-for-ever" => loop {
            let request = talk.request().await?;
            let challenge = match kind {
                "challenge-of-200-kb" => format!("WWW-Authenticate: Digest realm=\"{long}\", nonce=\"1\"\r\n"),
                "thousand-challenges" => {
                    "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", qop=\"auth\"\r\n".repeat(1000)
                }
                _ => format!("WWW-Authenticate: Digest realm=\"a\", nonce=\"{}\", stale=TRUE\r\n", noise.next()),
            };
            talk.answer(&request, "401 Unauthorized", &challenge, "").await?;
        },
        "redirect" => loop {
            let request = talk.request().await?;
            talk.answer(&request, "302 Found", "Location: rtsp://169.254.169.254/latest\r\n", "").await?;
        },
        _ => {}
    }
    let sdp = match kind {
        "five-thousand-streams" => format!("{SDP_VIDEO}{}", SDP_PCMU.repeat(3_000)),
        "h265-of-nonsense" => SDP_H265.to_owned(),
        "jpeg-of-nonsense" => SDP_JPEG.to_owned(),
        // sdp-types 0.1.8 panics where a line that is no `x=…` comes before a stream.
        "prose-among-the-streams" => SDP_VIDEO.replace("m=video", "This is my stream:\r\nm=video"),
        "channels-all-the-same" | "sound-on-the-pictures-channel" => [SDP_VIDEO, SDP_PCMU].concat(),
        _ => SDP_VIDEO.to_owned(),
    };
    loop {
        let request = talk.request().await?;
        match (kind, request.method.as_str()) {
            ("base-elsewhere", "DESCRIBE") => {
                let headers = "Content-Type: application/sdp\r\nContent-Base: rtsp://169.254.169.254/x/\r\n";
                let sdp = SDP_VIDEO.replace("a=control:video", "a=control:rtsp://169.254.169.254:1/video");
                talk.answer(&request, "200 OK", headers, &sdp).await?;
            }
            ("endless-session-id", "SETUP") => {
                let headers = format!("Session: {long}\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
                talk.answer(&request, "200 OK", &headers, "").await?;
            }
            ("channels-out-of-range", "SETUP") => {
                let headers = "Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=255-256\r\n";
                talk.answer(&request, "200 OK", headers, "").await?;
            }
            ("channels-all-the-same", "SETUP") => {
                let headers = "Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
                talk.answer(&request, "200 OK", headers, "").await?;
            }
            _ => talk.obey(&request, &sdp).await?,
        }
        if request.method == "PLAY" {
            break;
        }
    }
    // What goes wrong after it.
    for n in 0u32..2_000 {
        let ticks = n * 6_000;
        match kind {
            "sound-on-the-pictures-channel" => {
                let sound = talk.packet(2, ticks, false, &[0xd5; 160]);
                talk.send(&[&[b'$', 0][..], &sound[2..]].concat()).await?;
            }
            "sps-of-65520" => {
                for set in nal::annex_b_units(HUGE.get()?) {
                    talk.rtp(0, ticks, false, set).await?;
                }
                talk.rtp(0, ticks, true, &[0x65, 0x88, 0x84, 0]).await?;
            }
            "sps-of-nonsense" => {
                let set = [&[0x67][..], &noise.bytes(40)].concat();
                talk.rtp(0, ticks, false, &set).await?;
                talk.rtp(0, ticks, false, &[&[0x68][..], &noise.bytes(9)].concat()).await?;
                talk.rtp(0, ticks, true, &[0x65, 0x88, 0x84, 0]).await?;
            }
            "sps-of-each-frame" => talk.key(ticks, n % 3 + 1).await?,
            "times-at-random" => talk.key(noise.next() as u32, 1).await?,
            "fragments-without-end" => {
                // A beginning, then the beginning of another.
                talk.rtp(0, ticks, false, &[&[0x7c, 0x85][..], &noise.bytes(900)].concat()).await?;
                talk.rtp(0, ticks, n % 2 == 0, &[&[0x7c, 0x05][..], &noise.bytes(900)].concat()).await?;
            }
            "aggregates-that-lie" => talk.rtp(0, ticks, true, &[0x78, 0xff, 0xff, 0x65, 1, 0, 0, 0, 9]).await?,
            "rtp-headers-that-lie" => {
                // 15 contributing sources, an extension and padding, none of which is there.
                let mut packet = talk.packet(0, ticks, true, &[0x65; 8]);
                packet[4] = 0xbf;
                talk.send(&packet).await?;
            }
            "reports-of-nonsense" => {
                let length = 4 + (noise.next() % 60) as usize;
                let report = noise.bytes(length);
                talk.send(&[&[b'$', 1, 0, length as u8][..], &report].concat()).await?;
                talk.key(ticks, 1).await?;
            }
            "h265-of-nonsense" => {
                let kind = [32u8, 33, 34, 19, 21, 49, 48][n as usize % 7];
                let unit = [&[kind << 1, 1][..], &noise.bytes(60)].concat();
                talk.rtp(0, ticks, n % 3 == 0, &unit).await?;
            }
            "jpeg-of-nonsense" => {
                // Offset 0, type 1, Q 255 with tables whose length is a lie; sizes of 0 and of 2040.
                let size = if n % 2 == 0 { 0 } else { 255 };
                let tables = (noise.next() % 200) as u8;
                let header = [0, 0, 0, 0, (n % 130) as u8, 255, size, size, 0, 0, 0, tables];
                talk.rtp(0, ticks, true, &[&header[..], &noise.bytes(100)].concat()).await?;
            }
            "requests-of-the-camera" => {
                let request = format!("ANNOUNCE rtsp://127.0.0.1/x RTSP/1.0\r\nCSeq: {n}\r\nSession: 7\r\n\r\n");
                talk.send(request.as_bytes()).await?;
                talk.key(ticks, 1).await?;
            }
            "answers-nobody-asked-for" => {
                talk.send(format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\n\r\n", n + 100).as_bytes()).await?;
                talk.key(ticks, 1).await?;
            }
            _ => talk.key(ticks, 1).await?,
        }
    }
    talk.stay().await
}

fn against(url: &str) -> Options {
    let mut options = Options { login: login("admin", "s3cret"), ..options(url) };
    options.limits.step = SHORT * 2;
    options.limits.frame = SHORT * 2;
    options.limits.key_frame = SHORT * 2;
    options
}

async fn outcome(options: Options) -> (&'static str, String) {
    let mut session = match Session::open(options).await {
        Ok(session) => session,
        Err(trouble) => return (trouble.code(), trouble.to_string()),
    };
    let mut pictures = 0;
    while pictures < 200 {
        match session.next().await {
            Ok(Item::Frame(_)) => pictures += 1,
            Ok(_) => {}
            Err(trouble) => return (trouble.code(), trouble.to_string()),
        }
    }
    ("plays", String::new())
}

#[tokio::test]
async fn inventions_end_with_a_reason_or_do_no_harm() {
    HUGE.get_or_init(|| h264_pcm(4095, 9, 9, 9).0);
    for (kind, right) in INVENTIONS {
        let camera = Camera::start(move |talk, _| async move { invent(talk, kind).await }).await;
        let (code, words) = outcome(against(&camera.url())).await;
        println!("{kind}: {code} {words}");
        assert!(right.contains(&code), "{kind}: {code} {words}");
        assert!(!words.contains("s3cret") && words.chars().count() < 400, "{kind}: {words}");
        assert!(camera.heard().len() < 12, "{kind}: {:?}", camera.heard());
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_and_one_that_is_noise_are_left() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtsps://{}/live", silent.local_addr().unwrap());
    let (code, _) = outcome(against(&url)).await;
    assert_eq!(code, "timeout");
    let noisy = Camera::start(|mut talk, _| async move {
        let mut noise = Noise(7);
        loop {
            talk.send(&noise.bytes(4096)).await?;
        }
    })
    .await;
    let (code, words) = outcome(against(&noisy.url().replace("rtsp:", "rtsps:"))).await;
    assert_eq!(code, "tls", "{words}");
    assert!(noisy.sent() < 16 << 20, "{}", noisy.sent());
}

/// A certificate that no server would take.
#[derive(Debug)]
struct Given(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Given {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn a_certificate_of_megabytes_is_refused() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["camera".to_owned()]).unwrap();
    let ballast = vec![0x55; 10 << 20];
    parameters.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 1], ballast));
    let certificate = parameters.self_signed(&key).unwrap();
    let chain = vec![certificate.der().clone()];
    let der = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let signing = rustls::crypto::ring::sign::any_ecdsa_type(&der).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let given = Given(Arc::new(rustls::sign::CertifiedKey::new(chain, signing)));
    let server = config.with_no_client_auth().with_cert_resolver(Arc::new(given));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let at = "127.0.0.1:0".parse().unwrap();
    let camera = Camera::start_at(at, Some(acceptor), |mut talk, _| async move { talk.stay().await }).await;
    let url = camera.url().replace("rtsp:", "rtsps:");
    let (code, words) = outcome(Options { limits: Limits::default(), ..against(&url) }).await;
    assert_eq!(code, "tls", "{words}");
}

/// Conversations that were right, with bytes changed on their way.
#[tokio::test]
async fn changed_bytes_of_a_session_are_survived() {
    let full = std::env::var_os("DOMOVOI_FULL").is_some();
    let seed = std::process::id().into();
    println!("seed {seed}");
    let mut noise = Noise(seed);
    for round in 0..if full { 3_000 } else { 150 } {
        let (at, bits) = (noise.next() % 6_000, noise.next());
        let camera = Camera::start(move |mut talk, _| async move {
            talk.spoil(at, bits);
            talk.until_play(&[SDP_VIDEO, SDP_PCMU].concat()).await?;
            for n in 0..12 {
                talk.key(n * 6_000, 1).await?;
                talk.rtp(2, n * 530, false, &[0xd5; 160]).await?;
            }
            None
        })
        .await;
        let mut options = against(&camera.url());
        options.limits.frame = Duration::from_millis(100);
        options.limits.step = Duration::from_millis(100);
        let (code, words) = outcome(options).await;
        assert_ne!(code, "ours", "round {round} of {seed}: {words}");
    }
}

#[tokio::test]
async fn all_of_them_at_once_do_not_cost_another_camera_a_picture() {
    HUGE.get_or_init(|| h264_pcm(4095, 9, 9, 9).0);
    let mut told = Vec::new();
    let mut keep = Vec::new();
    let (stop, stopped) = watch::channel(false);
    let mut running = tokio::task::JoinSet::new();
    for (kind, _) in INVENTIONS {
        let camera = Camera::start(move |talk, _| async move { invent(talk, kind).await }).await;
        let (feed, mut reader) = feed(1 << 20);
        let (status, watched) = watch::channel(Status::starting());
        running.spawn(supervise(against(&camera.url()), feed, status, stopped.clone()));
        running.spawn(async move { while reader.next().await.is_some() {} });
        told.push((kind, watched));
        keep.push(camera);
    }
    let kind = Camera::start(|mut talk, _| async move {
        talk.until_play(SDP_VIDEO).await?;
        for n in 0.. {
            if n % 5 == 0 {
                talk.key(n * 6_000, 1).await?
            } else {
                talk.delta(n * 6_000).await?
            }
            talk.pause(Duration::from_millis(20)).await?;
        }
        None
    })
    .await;
    let mut session = Session::open(options(&kind.url())).await.unwrap();
    let items = items(&mut session, 150).await;
    assert_eq!(runs(&items), 1);
    assert!(frames(&items).zip(0..).all(|(frame, n)| frame.decoded == n * 6_000));
    for (kind, watched) in &mut told {
        let had_an_end = |status: &Status| !matches!(status.state, State::Starting);
        watched.wait_for(had_an_end).await.unwrap_or_else(|_| panic!("{kind}"));
    }
    stop.send(true).unwrap();
    while running.join_next().await.is_some() {}
}
