//! Letters as programs that nobody here wrote receive them: Web Push by http-ece and cryptography, mail by aiosmtpd and
//! Python's own reader of mail.

use std::sync::Arc;
use std::time::Duration;

use domovoi::notify::channels::{Address, Answer, Channel, Letter, Pressing, Tools, all};
use domovoi::notify::{Subject, Topic};
use domovoi_config::{Language, Settings};
use domovoi_model::{Id, Moment, Severity};
use domovoi_store::{Settings as StoreSettings, Store};
use domovoi_vault::MasterKey;
use e2e::{NOON, hand_clock};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::Running;

fn python(script: &str) -> Running {
    let Some(peers) = std::env::var_os("DOMOVOI_PEERS").map(std::path::PathBuf::from) else {
        panic!("DOMOVOI_PEERS names no folder: run .ci/run");
    };
    let mut command = Command::new(peers.join("python/bin/python"));
    command.arg(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script));
    Running::start(command)
}

async fn channel(folder: &TempDir, settings: &str, name: &str) -> Arc<dyn Channel> {
    let kept = StoreSettings::new(folder.path().join("data"));
    let store = Store::open(&kept, &MasterKey::generate().unwrap()).await.unwrap();
    let tools = Tools {
        store,
        clock: hand_clock(NOON),
        vault_name: str::to_owned,
        own: Vec::new(),
        publish: Arc::new(|_| Ok(())),
        switch: Arc::new(|_, _| Box::pin(async { Ok(()) })),
    };
    let settings = Settings::parse(settings, "domovoi.toml", folder.path()).unwrap();
    let (channels, missing) = all(&settings, &tools);
    assert!(missing.is_empty(), "{missing:?}");
    channels.into_iter().find(|channel| channel.name() == name).unwrap()
}

fn letter() -> Letter {
    Letter {
        id: Id([0xa1; 16]),
        subject: Subject::Alert(Id([0x11; 16])),
        topic: Topic::Danger,
        severity: Severity::Extreme,
        pressing: Pressing::Life,
        language: Language::Russian,
        title: "Газ: кухня".into(),
        body: "Датчик чувствует газ. Кран закрыт.\n.\n🚨 Не включайте свет.".into(),
        link: Some("https://domovoi.local:8443/alerts/1".into()),
        answer: Some(Answer {
            page: "https://domovoi.local:8443/known#k7mQ2xVb9sTq4LhZ0wYc8A".into(),
            token: "k7mQ2xVb9sTq4LhZ0wYc8A".into(),
        }),
        over: false,
        at: Moment::Wall(NOON),
        good_for: Duration::from_secs(3600),
    }
}

#[tokio::test]
#[ignore = "needs http-ece"]
async fn http_ece_opens_a_pushed_letter_and_cryptography_believes_its_signature() {
    let mut service = python("push_endpoint.py");
    let subscription = service.line("the subscription", |line| line.starts_with('{')).await;
    let to = Address(serde_json::from_str(&subscription).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let settings = "[channels]\nallow = [\"127.0.0.1\"]\npush_contact = \"home@example.org\"\n";
    let push = channel(&folder, settings, "web-push").await;
    push.send(&to, &letter()).await.unwrap();
    let said: Value = serde_json::from_str(&service.line("a message", |line| line.starts_with('{')).await).unwrap();
    let text: Value = serde_json::from_str(said["text"].as_str().unwrap()).unwrap();
    assert_eq!((text["title"].as_str(), text["body"].as_str()), (Some("Газ: кухня"), Some(letter().body.as_str())));
    assert_eq!((said["ttl"].as_str(), said["encoding"].as_str()), (Some("3600"), Some("aes128gcm")));
    let claims = &said["claims"];
    assert_eq!(claims["sub"], "mailto:home@example.org");
    assert_eq!(claims["aud"].as_str(), to.get("endpoint").and_then(|endpoint| endpoint.strip_suffix("/push")));
    let ends = claims["exp"].as_i64().unwrap() * 1000;
    assert!(ends > NOON.0 && ends <= NOON.0 + 86_400_000);
}

#[tokio::test]
#[ignore = "needs aiosmtpd"]
async fn aiosmtpd_takes_a_letter_and_python_reads_it_without_a_defect() {
    let mut server = python("mail_server.py");
    let port = server.line("the port", |line| line.parse::<u16>().is_ok()).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[home]\nname = \"Дача\"\n[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"home@example.org\"\n"
    );
    let mail = channel(&folder, &settings, "mail").await;
    let to = Address([("address".to_owned(), "anna@example.org".to_owned())].into());
    mail.send(&to, &letter()).await.unwrap();
    let said: Value = serde_json::from_str(&server.line("a message", |line| line.starts_with('{')).await).unwrap();
    assert_eq!(said["defects"], serde_json::json!([]));
    assert_eq!((said["from"].as_str(), said["to"][0].as_str()), (Some("home@example.org"), Some("anna@example.org")));
    let header = |name: &str| said["headers"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(header("subject"), "🆘 Газ: кухня");
    assert!(header("from").contains("Дача") && header("x-priority").starts_with('1'), "{}", said["headers"]);
    let (plain, html) = (said["parts"]["text/plain"].as_str().unwrap(), said["parts"]["text/html"].as_str().unwrap());
    assert!(plain.contains("🚨 Не включайте свет.") && html.contains("Я знаю"), "{plain}\n{html}");
}
