//! An ONVIF device that a test plays: the device and the media services over HTTP and its answer to a Probe, written after
//! the specifications and not after our client, with a clock, a password and habits of its own.
//! Deliberately one request a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// How the device wants to be told who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Nobody,
    /// A token of WS-Security, no more than five seconds off its own clock.
    Token,
    /// HTTP's digest, with SHA-256.
    Digest,
    /// A password in clear.
    Basic,
}

#[derive(Clone)]
pub(crate) struct Habits {
    pub wants: Wants,
    /// By its own clock, which stands still.
    pub now_ms: i64,
    pub media2: bool,
    /// GetServices is not known.
    pub old: bool,
    /// The host that stands in its answers; `None`: the one it is reached at.
    pub says: Option<String>,
    /// Instead of any answer.
    pub instead: Option<Vec<u8>>,
    /// In the place of an answer's status line and headers, too.
    pub raw: Option<Vec<u8>>,
    pub endpoint: String,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            wants: Wants::Token,
            now_ms: 1_600_000_000_000,
            media2: true,
            old: false,
            says: None,
            instead: None,
            raw: None,
            endpoint: "urn:uuid:5f5a69c2-e0ae-504f-829b-00fc4a111111".to_owned(),
        }
    }
}

pub(crate) struct Device {
    pub at: SocketAddr,
    pub udp: SocketAddr,
    /// Names of the calls, and whole requests.
    pub heard: Arc<Mutex<Vec<(String, String)>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

const USER: &str = "admin";
const PASSWORD: &str = "пароль & <1>";

impl Device {
    pub(crate) fn login() -> crate::address::Login {
        let password = domovoi_vault::Secret::new(PASSWORD.to_owned());
        crate::address::Login { user: USER.to_owned(), password }
    }

    pub(crate) async fn start(habits: Habits) -> Device {
        Device::start_at("127.0.0.1:0".parse().unwrap(), habits, None).await
    }

    pub(crate) async fn start_at(at: SocketAddr, habits: Habits, tls: Option<tokio_rustls::TlsAcceptor>) -> Device {
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let udp = UdpSocket::bind(SocketAddr::new(at.ip(), 0)).await.unwrap();
        let udp_at = udp.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tasks = vec![
            tokio::spawn(serve(listener, habits.clone(), Arc::clone(&heard), tls)),
            tokio::spawn(answer_probes(udp, format!("{scheme}://{at}/onvif/device_service"), habits.endpoint)),
        ];
        Device { at, udp: udp_at, heard, tasks }
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }
}

pub(crate) async fn answer_probes(socket: UdpSocket, service: String, endpoint: String) {
    let mut buffer = vec![0; 65_536];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let Some(id) = between(&text, "MessageID>", "</") else { continue };
        if !text.contains("NetworkVideoTransmitter") {
            continue;
        }
        let scopes = "onvif://www.onvif.org/name/Porch onvif://www.onvif.org/hardware/PTZ-1";
        let answer = super::super::message::probe_matches(&id, &endpoint, &service, scopes);
        let _ = socket.send_to(answer.as_bytes(), from).await;
    }
}

async fn serve(
    listener: TcpListener,
    habits: Habits,
    heard: Arc<Mutex<Vec<(String, String)>>>,
    tls: Option<tokio_rustls::TlsAcceptor>,
) {
    let at = listener.local_addr().unwrap();
    let mut talks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (habits, heard, tls) = (habits.clone(), Arc::clone(&heard), tls.clone());
        talks.spawn(async move {
            match tls {
                None => talk(stream, at, &habits, &heard).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, at, &habits, &heard).await,
                    Err(_) => None,
                },
            }
        });
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    at: SocketAddr,
    habits: &Habits,
    heard: &Mutex<Vec<(String, String)>>,
) -> Option<()> {
    let mut request = Vec::new();
    let (head, body) = loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = between(&head.to_ascii_lowercase(), "content-length: ", "\r\n");
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
    };
    if let Some(raw) = &habits.raw {
        let _ = stream.write_all(raw).await;
        let _ = stream.shutdown().await;
        return None;
    }
    let call = body.split("Body><").nth(1).unwrap_or_default();
    let call: String = call.chars().take_while(char::is_ascii_alphanumeric).collect();
    heard.lock().unwrap().push((call.clone(), format!("{head}\r\n\r\n{body}")));
    let (status, extra, content) = answer(&call, &head, &body, at, habits);
    let content = habits.instead.clone().unwrap_or_else(|| content.into_bytes());
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/soap+xml\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.write_all(&content).await.ok()?;
    stream.shutdown().await.ok()
}

fn between(text: &str, from: &str, to: &str) -> Option<String> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to).map_or(rest, |(inner, _)| inner).to_owned())
}

fn envelope(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:tt=\"http://www.onvif.org/ver10/schema\" xmlns:tds=\"http://www.onvif.org/ver10/device/wsdl\" \
         xmlns:trt=\"http://www.onvif.org/ver10/media/wsdl\" xmlns:tr2=\"http://www.onvif.org/ver20/media/wsdl\" \
         xmlns:ter=\"http://www.onvif.org/ver10/error\"><env:Body>{content}</env:Body></env:Envelope>"
    )
}

fn fault(code: &str, reason: &str) -> String {
    envelope(&format!(
        "<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode><env:Value>ter:{code}</env:Value></env:Subcode>\
         </env:Code><env:Reason><env:Text xml:lang=\"en\">{reason}</env:Text></env:Reason></env:Fault>"
    ))
}

fn is_known(head: &str, body: &str, habits: &Habits) -> bool {
    match habits.wants {
        Wants::Nobody => true,
        Wants::Basic => head.contains("authorization: Basic"),
        Wants::Token => (|| {
            let nonce = BASE64_STANDARD.decode(between(&between(body, "Nonce ", "</")?, ">", "<")?).ok()?;
            let created = between(body, "Created>", "</")?;
            let minute = &super::super::date::iso(habits.now_ms)[..16];
            let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
            hash.update(&nonce);
            hash.update(created.as_bytes());
            hash.update(PASSWORD.as_bytes());
            let said = between(&between(body, "Password ", "</")?, ">", "<")?;
            let right = BASE64_STANDARD.encode(hash.finish()) == said;
            Some(right && created.starts_with(minute) && body.contains("Username>admin</"))
        })()
        .unwrap_or(false),
        Wants::Digest => (|| {
            let given = between(head, "authorization: Digest ", "\r\n")?;
            let part = |name: &str| -> Option<String> {
                let rest = between(&given, &format!("{name}="), ",")?;
                Some(rest.trim_matches('"').to_owned())
            };
            let path = head.split(' ').nth(1)?;
            let hex = |text: String| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let one = hex(format!("{USER}:cam:{PASSWORD}"));
            let two = hex(format!("POST:{path}"));
            let (nc, cnonce) = (part(" nc")?, part("cnonce")?);
            let right = hex(format!("{one}:abc123:{nc}:{cnonce}:auth:{two}"));
            Some(part("response")? == right && !body.contains("UsernameToken"))
        })()
        .unwrap_or(false),
    }
}

fn answer(call: &str, head: &str, body: &str, at: SocketAddr, habits: &Habits) -> (&'static str, String, String) {
    let host = habits.says.clone().unwrap_or_else(|| at.to_string());
    let date = super::super::date::iso(habits.now_ms);
    let number = |range: std::ops::Range<usize>| date[range].parse::<u32>().unwrap();
    let good = |content: String| ("200 OK", String::new(), envelope(&content));
    if call == "GetSystemDateAndTime" {
        return good(format!(
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>\
             <tt:UTCDateTime><tt:Time><tt:Hour>{}</tt:Hour><tt:Minute>{}</tt:Minute><tt:Second>{}</tt:Second></tt:Time>\
             <tt:Date><tt:Year>{}</tt:Year><tt:Month>{}</tt:Month><tt:Day>{}</tt:Day></tt:Date></tt:UTCDateTime>\
             </tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
            number(11..13),
            number(14..16),
            number(17..19),
            number(0..4),
            number(5..7),
            number(8..10),
        ));
    }
    if !is_known(head, body, habits) {
        return match habits.wants {
            Wants::Digest => {
                let challenge =
                    "WWW-Authenticate: Digest realm=\"cam\", nonce=\"abc123\", qop=\"auth\", algorithm=SHA-256\r\n";
                ("401 Unauthorized", challenge.to_owned(), String::new())
            }
            Wants::Basic => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"cam\"\r\n".to_owned(), String::new()),
            _ => ("400 Bad Request", String::new(), fault("NotAuthorized", "Sender not authorized")),
        };
    }
    let (space, second) = if body.contains("ver20/media") { ("tr2", true) } else { ("trt", false) };
    let encoder = |codec: &str, width: u32, height: u32, fps: u32, kbps: u32| {
        let name = if second { "tr2:VideoEncoder" } else { "tt:VideoEncoderConfiguration" };
        format!(
            "<{name} token=\"e\"><tt:Name>e</tt:Name><tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width>\
             <tt:Height>{height}</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>{fps}</tt:FrameRateLimit>\
             <tt:BitrateLimit>{kbps}</tt:BitrateLimit></tt:RateControl></{name}>"
        )
    };
    let profile = |token: &str, encoder: String| {
        let (open, close, source) = if second {
            ("<tr2:Configurations>", "</tr2:Configurations>", "tr2:VideoSource")
        } else {
            ("", "", "tt:VideoSourceConfiguration")
        };
        format!(
            "<{space}:Profiles token=\"{token}\" fixed=\"true\"><{}>{token}</{}>{open}<{source} token=\"s\"><tt:SourceToken>\
             VS0</tt:SourceToken></{source}>{encoder}{close}</{space}:Profiles>",
            if second { "tr2:Name" } else { "tt:Name" },
            if second { "tr2:Name" } else { "tt:Name" },
        )
    };
    match call {
        "GetDeviceInformation" => good(
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Acme &amp; Co</tds:Manufacturer><tds:Model>C1</tds:Model>\
             <tds:FirmwareVersion>V5.5 build 190909</tds:FirmwareVersion><tds:SerialNumber>SN\u{202e}7</tds:SerialNumber>\
             <tds:HardwareId>88</tds:HardwareId></tds:GetDeviceInformationResponse>"
                .to_owned(),
        ),
        "GetNetworkInterfaces" => {
            let one = |name: &str, mac: &str, ip: String| {
                format!(
                    "<tds:NetworkInterfaces token=\"{name}\"><tt:Enabled>true</tt:Enabled><tt:Info><tt:Name>{name}</tt:Name>\
                     <tt:HwAddress>{mac}</tt:HwAddress></tt:Info><tt:IPv4><tt:Enabled>true</tt:Enabled><tt:Config><tt:FromDHCP>\
                     <tt:Address>{ip}</tt:Address><tt:PrefixLength>24</tt:PrefixLength></tt:FromDHCP></tt:Config></tt:IPv4>\
                     </tds:NetworkInterfaces>"
                )
            };
            good(format!(
                "<tds:GetNetworkInterfacesResponse>{}{}</tds:GetNetworkInterfacesResponse>",
                one("wlan0", "02-00-00-00-00-01", "10.9.9.9".to_owned()),
                one("eth0", "02:00:00:00:00:02", at.ip().to_string()),
            ))
        }
        "GetServices" if habits.old => ("400 Bad Request", String::new(), fault("ActionNotSupported", "Optional action")),
        "GetServices" => {
            let second = if habits.media2 {
                format!(
                    "<tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace><tds:XAddr>http://{host}\
                     /onvif/media2</tds:XAddr></tds:Service>"
                )
            } else {
                String::new()
            };
            good(format!(
                "<tds:GetServicesResponse>{second}<tds:Service><tds:Namespace>http://www.onvif.org/ver10/media/wsdl\
                 </tds:Namespace><tds:XAddr>http://{host}/onvif/media</tds:XAddr></tds:Service></tds:GetServicesResponse>"
            ))
        }
        "GetCapabilities" => good(format!(
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>http://{host}/onvif/media</tt:XAddr></tt:Media>\
             </tds:Capabilities></tds:GetCapabilitiesResponse>"
        )),
        "GetProfiles" => {
            let main = encoder(if second { "H265" } else { "H264" }, 2560, 1440, 20, 4096);
            good(format!(
                "<{space}:GetProfilesResponse>{}{}</{space}:GetProfilesResponse>",
                profile("main", main),
                profile("sub&amp;1", encoder("H264", 640, 360, 15, 512)),
            ))
        }
        "GetStreamUri" => {
            let path = if body.contains("sub&amp;1<") { "/Streaming/2?a=1&amp;b=2" } else { "/Streaming/1" };
            let address = format!("rtsp://{}:554{path}", host.split(':').next().unwrap());
            good(if second {
                format!("<tr2:GetStreamUriResponse><tr2:Uri>{address}</tr2:Uri></tr2:GetStreamUriResponse>")
            } else {
                format!(
                    "<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{address}</tt:Uri><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>\
                     </trt:GetStreamUriResponse>"
                )
            })
        }
        "GetSnapshotUri" if second => {
            good(format!("<tr2:GetSnapshotUriResponse><tr2:Uri>http://{host}/snap.jpg</tr2:Uri></tr2:GetSnapshotUriResponse>"))
        }
        _ => ("500 Internal Server Error", String::new(), fault("ActionNotSupported", "no")),
    }
}
