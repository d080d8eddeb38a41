//! Pebble, the ACME server that its authors test their clients with: the hub gets a certificate of it by either challenge,
//! which pebble comes to look at itself, through a DNS server that leads every name here.

use std::net::TcpListener;
use std::path::Path;

use e2e::{Home, hand_clock, settings_text, until};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Running, fed};

const NAME: &str = "hub.example.org";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The machine's time: what pebble signs is judged by it.
fn now() -> domovoi_model::Timestamp {
    let millis = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    domovoi_model::Timestamp(i64::try_from(millis).unwrap())
}

/// A certificate for pebble's own doors, which its clients trust by name.
async fn own_certificate(folder: &Path) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    command.args(["-days", "2", "-subj", "/CN=pebble", "-keyout", "key.pem", "-out", "cert.pem"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    let made = fed(command, b"").await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

struct Pebble {
    management: u16,
    _running: [Running; 2],
}

/// `http` and `tls`: the ports on which it looks for the answers.
async fn pebble(folder: &TempDir, listen: u16, http: u16, tls: u16) -> Pebble {
    let (management, dns, names) = (free_port(), free_port(), free_port());
    let settings = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{listen}"), "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": folder.path().join("cert.pem"), "privateKey": folder.path().join("key.pem"),
        "httpPort": http, "tlsPort": tls, "ocspResponderURL": "", "externalAccountBindingRequired": false,
    }});
    let file = folder.path().join("pebble.json");
    std::fs::write(&file, settings.to_string()).unwrap();
    let mut resolver = Command::new("pebble-challtestsrv");
    resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
    resolver.args(["-dns01", &format!("127.0.0.1:{dns}"), "-management", &format!("127.0.0.1:{names}")]);
    let mut server = Command::new("pebble");
    server.arg("-config").arg(&file).args(["-dnsserver", &format!("127.0.0.1:{dns}")]);
    server.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "20")]);
    let _running = [Running::start(resolver), Running::start(server)];
    Pebble { management, _running }
}

async fn a_certificate_is_given(challenge: &str) {
    let folder = tempfile::tempdir().unwrap();
    own_certificate(folder.path()).await;
    let listen = free_port();
    let web = format!(
        "[web]\nhost = \"{NAME}\"\ncertificate = \"acme\"\nacme_directory = \"https://127.0.0.1:{listen}/dir\"\n\
         acme_terms_accepted = true\nacme_contact = \"owner@example.org\"\nacme_challenge = \"{challenge}\"\n\
         acme_ca_file = \"cert.pem\"\n"
    );
    let clock = hand_clock(now());
    let home = Home::start(folder.path(), &settings_text(None).replace("[web]\n", &web), clock).await;
    let room = home.desk.certificates.clone().expect("the page is served");
    let server = pebble(&folder, listen, home.help.port(), home.https.port()).await;
    // The hub may have asked before there was anybody to answer; it asks again when its pause is over.
    until("pebble's certificate is shown", || async {
        home.clock.set(domovoi_model::Timestamp(home.clock.wall().0 + 3_600_000));
        room.ask_the_authority().await.unwrap();
        let standing = room.standing();
        (standing.papers[0].names == [NAME] && standing.trouble.is_none()).then_some(())
    })
    .await;
    let own = reqwest::Certificate::from_pem(&std::fs::read(folder.path().join("cert.pem")).unwrap()).unwrap();
    let client = |root| reqwest::Client::builder().tls_certs_only([root]).resolve(NAME, home.https).build().unwrap();
    let root = client(own).get(format!("https://127.0.0.1:{}/roots/0", server.management));
    let root = root.send().await.unwrap().bytes().await.unwrap();
    let page = client(reqwest::Certificate::from_pem(&root).unwrap());
    let answer = page.get(format!("https://{NAME}:{}/trust", home.https.port())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!room.is_challenged(), "the answers are put away");
    let open = home.store.notices().open().await.unwrap();
    assert!(!open.iter().any(|open| open.notice.kind == "certificate_not_renewed"), "{open:?}");
    let before = room.standing().papers[0].clone();
    room.ask_the_authority().await.unwrap();
    assert_eq!(room.standing().papers[0], before, "a fresh certificate is not asked for twice");
    home.stop().await;
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_public_authority_finds_its_answer_on_http() {
    a_certificate_is_given("http-01").await;
}

#[tokio::test]
#[ignore = "needs pebble"]
async fn a_public_authority_finds_its_answer_in_the_handshake() {
    a_certificate_is_given("tls-alpn-01").await;
}
