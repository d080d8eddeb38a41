//! The room against real handshakes and a clock turned by hand.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use domovoi_config::Settings;
use domovoi_model::{Id, Timestamp};
use domovoi_store::Store;
use domovoi_vault::MasterKey;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;

/// 2026-11-20T12:00:00Z.
const NOON: Timestamp = Timestamp(1_795_176_000_000);
const DAY: i64 = 86_400_000;

struct Home {
    folder: tempfile::TempDir,
    master: MasterKey,
    clock: Clock,
}

impl Home {
    fn new(at: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Home { folder, master: MasterKey::generate().unwrap(), clock: Clock::by_hand(Id([7; 16]), at) }
    }

    async fn store(&self) -> Store {
        Store::open(&domovoi_store::Settings::new(self.folder.path()), &self.master).await.unwrap()
    }

    async fn open(&self, web: &str) -> Certificates {
        let text = format!("[web]\n{web}");
        let web = Settings::parse(&text, "test.toml", self.folder.path()).unwrap().web;
        Certificates::open(self.store().await, self.clock.clone(), Bus::default(), web).await.unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[derive(Debug)]
struct At(Timestamp);

impl rustls::time_provider::TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_millis(u64::try_from(self.0.0).unwrap())))
    }
}

/// A browser that trusts one authority: what it says after the handshake, and the certificate that it was shown.
fn visit(
    room: &Certificates,
    root: &[u8],
    name: &str,
    at: Timestamp,
    own: Option<&IssuedClient>,
) -> Result<(Paper, Option<Vec<u8>>), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).unwrap();
    let config = ClientConfig::builder_with_details(provider(), Arc::new(At(at)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(own.key.expose().as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(room.tls()).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    let shown = Paper::read(&client.peer_certificates().unwrap()[0]).unwrap();
    Ok((shown, server.peer_certificates().map(|chain| chain[0].to_vec())))
}

fn root(room: &Certificates) -> Vec<u8> {
    room.authority().unwrap().der
}

#[tokio::test]
async fn a_browser_that_trusts_the_authority_believes_names_and_addresses_of_the_home() {
    let home = Home::new(NOON);
    let room = home.open("names = [\"dom.lan\", \"192.168.77.5\"]\n").await;
    let trusted = root(&room);
    for name in ["domovoi.local", "dom.lan", "localhost", "192.168.77.5", "127.0.0.1", "::1"] {
        let (shown, _) = visit(&room, &trusted, name, NOON, None).unwrap();
        assert!((shown.not_after.0 - shown.not_before.0) <= 397 * DAY, "browsers want short lives");
        assert!(shown.not_before < NOON, "a clock that is a little behind");
    }
    assert!(visit(&room, &trusted, "other.local", NOON, None).is_err(), "a name that nobody configured");
    let stranger = Home::new(NOON).open("").await;
    assert!(visit(&room, &root(&stranger), "domovoi.local", NOON, None).is_err());
}

#[tokio::test]
async fn the_authority_cannot_pretend_to_be_a_bank() {
    let home = Home::new(NOON);
    let room = home.open("").await;
    let authority = room.current();
    let bank = authority.sign_server(&["bank.example".into()], &[], NOON, Timestamp(NOON.0 + DAY)).unwrap();
    let address = authority.sign_server(&[], &[IpAddr::from([8, 8, 8, 8])], NOON, Timestamp(NOON.0 + DAY)).unwrap();
    let root = root(&room);
    for (pair, name) in [(bank, "bank.example"), (address, "8.8.8.8")] {
        room.0.shown.put(vec![shown::Ready::new(&pair, &room.0.provider).unwrap()]);
        let refused = visit(&room, &root, name, NOON, None).unwrap_err();
        assert!(format!("{refused:?}").contains("NameConstraint"), "{refused:?}");
    }
}

#[tokio::test]
async fn the_same_authority_and_certificate_are_there_after_a_restart_and_nothing_of_them_lies_open() {
    let home = Home::new(NOON);
    let (before, shown, key) = {
        let room = home.open("").await;
        (room.authority().unwrap(), room.standing().papers, room.current().pair.key.clone())
    };
    let room = home.open("").await;
    assert_eq!(room.authority().unwrap().fingerprint, before.fingerprint);
    assert_eq!(room.standing().papers, shown);
    assert_eq!(before.fingerprint.len(), 95, "32 bytes as telephones show them");
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    let mut files = 0;
    for file in std::fs::read_dir(home.folder.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        let text = STANDARD.encode(key.expose());
        assert!(!holds(&bytes, &key.expose()[36..68]) && !holds(&bytes, text.as_bytes()), "{:?}", file.path());
        files += 1;
    }
    assert!(files > 0);
}

#[tokio::test]
async fn a_certificate_is_renewed_at_two_thirds_of_its_life_without_a_new_authority() {
    let home = Home::new(NOON);
    let room = home.open("").await;
    let (root, first) = (root(&room), room.standing().papers);
    home.clock.set(Timestamp(NOON.0 + 260 * DAY));
    room.look().await.unwrap();
    assert_eq!(room.standing().papers, first, "not yet two thirds");
    let later = Timestamp(NOON.0 + 266 * DAY);
    home.clock.set(later);
    room.look().await.unwrap();
    let second = room.standing().papers;
    assert!(second[0].not_after > first[0].not_after);
    let (shown, _) = visit(&room, &root, "domovoi.local", Timestamp(first[0].not_after.0 + DAY), None).unwrap();
    assert_eq!(shown, second[0], "the next handshake has it, and the old trust is enough");
}

#[tokio::test]
async fn on_a_clock_that_nobody_believes_only_the_first_certificate_is_made() {
    let home = Home::new(Timestamp(5_000));
    let room = home.open("").await;
    let first = room.standing().papers;
    assert!(first[0].not_before.0 > 1_700_000_000_000, "it counts from when this program was built, not from 1970");
    home.clock.set(Timestamp(9_000));
    room.look().await.unwrap();
    assert_eq!(room.standing().papers, first);
    assert!(room.issue_client("phone", 30).is_err());
    home.clock.set(NOON);
    room.look().await.unwrap();
    assert!(visit(&room, &root(&room), "domovoi.local", NOON, None).is_ok());
    // A step back to 1970 after that takes nothing away either.
    home.clock.set(Timestamp(10_000));
    let kept = room.standing().papers;
    room.look().await.unwrap();
    assert_eq!(room.standing().papers, kept);
}

#[tokio::test]
async fn a_name_of_the_public_internet_gets_its_own_certificate_and_widens_the_authority_only_for_itself() {
    let home = Home::new(NOON);
    let old = root(&home.open("").await);
    let room = home.open("names = [\"dom.example.org\"]\n").await;
    let new = root(&room);
    assert_ne!(old, new);
    assert!(visit(&room, &new, "dom.example.org", NOON, None).is_ok());
    assert!(visit(&room, &old, "domovoi.local", NOON, None).is_ok(), "devices that trust the old one lose nothing");
    assert!(visit(&room, &old, "dom.example.org", NOON, None).is_err());
    let open = home.store().await.notices().open().await.unwrap();
    assert!(open.iter().any(|notice| notice.notice.kind == "certificate_authority_new"), "{open:?}");
}

#[tokio::test]
async fn a_clients_certificate_is_believed_here_only_and_in_its_time_only() {
    let home = Home::new(NOON);
    let room = home.open("").await;
    let root = root(&room);
    let client = room.issue_client("Планшет на кухне", 30).unwrap();
    let (_, shown) = visit(&room, &root, "domovoi.local", NOON, Some(&client)).unwrap();
    let fingerprint: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), shown.unwrap()))
            .into();
    assert_eq!(fingerprint, client.fingerprint);
    assert!(visit(&room, &root, "domovoi.local", NOON, None).unwrap().1.is_none(), "nobody has to show one");
    let other = Home::new(NOON).open("").await.issue_client("thief", 30).unwrap();
    assert!(visit(&room, &root, "domovoi.local", NOON, Some(&other)).is_err(), "another hub's");
    home.clock.set(Timestamp(client.until.0 + DAY));
    room.look().await.unwrap();
    assert!(visit(&room, &root, "domovoi.local", home.clock.wall(), Some(&client)).is_err(), "over");
    for (name, days) in [("", 30), ("a\nb", 30), ("x", 0), ("x", 826)] {
        assert!(room.issue_client(name, days).is_err());
    }
    assert!(!format!("{client:?}").contains("PRIVATE KEY"));
}

fn write(home: &Home, names: &[&str], until: Timestamp) -> Paper {
    let authority = Authority::make(Purpose::Clients, NOON, &[]).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pair = authority.sign_server(&names, &[], NOON, until).unwrap();
    std::fs::write(home.path("c.pem"), pem("CERTIFICATE", pair.certificate())).unwrap();
    std::fs::write(home.path("k.pem"), pem("PRIVATE KEY", pair.key.expose())).unwrap();
    Paper::read(pair.certificate()).unwrap()
}

/// Files that are written within the same tick of the file system's clock would look unchanged.
fn touch(path: &Path, seconds: u64) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    let at = file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(seconds);
    file.set_modified(at).unwrap();
}

const FILES: &str =
    "host = \"dom.example.org\"\ncertificate = \"files\"\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"\n";

async fn kinds(home: &Home) -> Vec<String> {
    let open = home.store().await.notices().open().await.unwrap();
    open.into_iter().map(|notice| notice.notice.kind).filter(|kind| kind != "certificate_authority_new").collect()
}

#[tokio::test]
async fn files_are_read_again_when_they_change_and_the_old_ones_serve_while_they_are_broken() {
    let home = Home::new(NOON);
    let first = write(&home, &["*.example.org"], Timestamp(NOON.0 + 90 * DAY));
    let room = home.open(FILES).await;
    assert_eq!(room.standing().papers[0], first);
    assert_eq!(kinds(&home).await, Vec::<String>::new());

    std::fs::write(home.path("k.pem"), "half").unwrap();
    room.look().await.unwrap();
    let standing = room.standing();
    assert_eq!(standing.papers[0], first);
    assert!(standing.trouble.unwrap().contains("k.pem: holds no private key"));
    assert_eq!(kinds(&home).await, ["certificate_unusable"]);

    let second = write(&home, &["dom.example.org"], Timestamp(NOON.0 + 80 * DAY));
    touch(&home.path("c.pem"), 2);
    room.look().await.unwrap();
    assert_eq!((room.standing().papers[0].clone(), room.standing().trouble), (second, None));
    assert_eq!(kinds(&home).await, Vec::<String>::new());
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused_with_the_reason_and_the_hubs_own_certificate_stands_in() {
    let home = Home::new(NOON);
    let room = home.open(FILES).await;
    assert!(room.standing().trouble.unwrap().contains("c.pem: No such file"));
    assert!(visit(&room, &root(&room), "dom.example.org", NOON, None).is_ok(), "the page answers all the same");

    write(&home, &["elsewhere.example.org"], Timestamp(NOON.0 + 90 * DAY));
    room.look().await.unwrap();
    assert!(room.standing().trouble.unwrap().contains("is not for dom.example.org, but for: elsewhere.example.org"));

    let certificate = {
        write(&home, &["dom.example.org"], Timestamp(NOON.0 + 90 * DAY));
        std::fs::read(home.path("c.pem")).unwrap()
    };
    write(&home, &["dom.example.org"], Timestamp(NOON.0 + 90 * DAY));
    std::fs::write(home.path("c.pem"), certificate).unwrap();
    room.look().await.unwrap();
    let trouble = room.standing().trouble.unwrap();
    assert!(trouble.contains("k.pem is not the one of"), "{trouble}");
}

#[tokio::test]
async fn the_end_of_a_certificate_of_others_is_told_three_weeks_before() {
    let home = Home::new(NOON);
    write(&home, &["dom.example.org"], Timestamp(NOON.0 + 30 * DAY));
    let room = home.open(FILES).await;
    home.clock.set(Timestamp(NOON.0 + 8 * DAY));
    room.look().await.unwrap();
    assert_eq!(kinds(&home).await, Vec::<String>::new());
    home.clock.set(Timestamp(NOON.0 + 10 * DAY));
    room.look().await.unwrap();
    assert_eq!(kinds(&home).await, ["certificate_ending"]);
    write(&home, &["dom.example.org"], Timestamp(NOON.0 + 90 * DAY));
    touch(&home.path("c.pem"), 2);
    room.look().await.unwrap();
    assert_eq!(kinds(&home).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_authority_that_cannot_be_reached_is_asked_ever_more_rarely_and_the_page_stays() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let home = Home::new(NOON);
    let web = "host = \"dom.example.org\"\ncertificate = \"acme\"\nacme_terms_accepted = true\n\
               acme_directory = \"https://127.0.0.1:1/dir\"\n";
    let room = home.open(web).await;
    room.ask_the_authority().await.unwrap();
    assert_eq!(kinds(&home).await, ["certificate_not_renewed"]);
    assert!(room.standing().trouble.is_some());
    assert!(visit(&room, &root(&room), "dom.example.org", NOON, None).is_ok());
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let state = room.0.state.lock().await;
        let next = state.next_try_millis();
        drop(state);
        pauses.push(next - home.clock.since_boot_millis());
        home.clock.set(Timestamp(NOON.0 + next));
        room.ask_the_authority().await.unwrap();
    }
    assert!((60_000..=75_000).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 15 * 3_600_000) && pauses[11] >= 12 * 3_600_000, "{pauses:?}");
}

/// RFC 8737: whoever asks by the protocol's name is shown the answer, and nobody else ever is.
#[tokio::test]
async fn an_answer_to_a_challenge_is_shown_to_the_authority_only() {
    let home = Home::new(NOON);
    let room = home.open("").await;
    let answer = acme::alpn_certificate("domovoi.local", &[7; 32], &room.0.provider).unwrap();
    room.0.shown.challenge(vec![("domovoi.local".into(), answer.clone())]);
    assert!(room.is_challenged());
    let asked = |protocol: &[u8]| {
        let config = ClientConfig::builder_with_details(provider(), Arc::new(At(NOON)))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(RootCertStore::empty());
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from("domovoi.local").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut acceptor = rustls::server::Acceptor::default();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        acceptor.read_tls(&mut &wire[..]).unwrap();
        let accepted = acceptor.accept().unwrap().unwrap();
        let shown: Arc<dyn rustls::server::ResolvesServerCert> = Arc::clone(&room.0.shown) as _;
        shown.resolve(accepted.client_hello()).map(|key| Paper::read(&key.cert[0]).unwrap())
    };
    assert_eq!(asked(ACME_TLS), Some(answer.paper));
    assert_eq!(asked(b"h2").as_ref(), room.standing().papers.first());
    room.0.shown.challenge(Vec::new());
    assert_eq!(asked(ACME_TLS), None);
}

#[test]
fn a_profile_for_telephones_is_the_same_for_the_same_authority_and_quotes_what_it_is_given() {
    let one = mobileconfig(b"der", "Дом <&>");
    assert_eq!(one, mobileconfig(b"der", "Дом <&>"));
    assert!(one.contains("Дом &lt;&amp;&gt;") && one.contains(&STANDARD.encode(b"der")));
    assert_ne!(one, mobileconfig(b"other", "Дом <&>"));
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let paper = Paper {
        names: vec!["*.example.org".into(), "dom.local".into()],
        addresses: Vec::new(),
        not_before: NOON,
        not_after: NOON,
        fingerprint: [0; 32],
    };
    for covered in ["dom.example.org", "DOM.local"] {
        assert!(paper.covers(covered), "{covered}");
    }
    for not in ["example.org", "a.b.example.org", ".example.org", "x.dom.local", ""] {
        assert!(!paper.covers(not), "{not}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = Paper::read(&CertificateDer::from(bytes.clone()));
        let _ = Pair::from_bytes(&bytes);
    }

    #[test]
    fn a_bent_certificate_is_no_panic(at in 0usize..400, with in proptest::prelude::any::<u8>()) {
        let pair = bent();
        let mut der = pair.certificate().to_vec();
        let at = at % der.len();
        der[at] = with;
        let _ = Paper::read(&CertificateDer::from(der));
    }
}

fn bent() -> Pair {
    static ONE: std::sync::OnceLock<Pair> = std::sync::OnceLock::new();
    ONE.get_or_init(|| {
        let authority = Authority::make(Purpose::Page, NOON, &[]).unwrap();
        authority.sign_server(&["domovoi.local".into()], &[IpAddr::from([127, 0, 0, 1])], NOON, NOON).unwrap()
    })
    .clone()
}
