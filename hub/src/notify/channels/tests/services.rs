//! The channels against pretended services of the outside world, with their faults. What a sentence or a log could give away is
//! looked for in every failure.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domovoi_config::{Language, Settings};
use domovoi_model::{Id, Timestamp};
use domovoi_store::{Settings as StoreSettings, Store};
use domovoi_vault::MasterKey;
use firmware_sim::services::Fault;
use firmware_sim::services::bot::BotServer;
use firmware_sim::services::ntfy::NtfyServer;
use firmware_sim::services::push::{PushService, Subscription};
use firmware_sim::services::sms::{Gateway as Pretended, SmsFault, SmsGateways};
use firmware_sim::services::smtp::{SmtpFault, SmtpServer, SmtpSettings};
use firmware_sim::services::webhook::WebhookSink;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::letters::{TOKEN, letter};
use crate::clock::Clock;
use crate::notify::Subject;
use crate::notify::channels::{
    Address, Channel, Ears, Failed, Fate, Heard, Letter, Pressing, Publication, Tools, all, application_server_key,
};

/// Noon of a day in November.
const NOON: Timestamp = Timestamp(1_795_521_600_000);
const NUMBER: &str = "+79161234567";
const BOT_TOKEN: &str = "1000:AAH-bot-secret_token";

/// A home with the settings that it is given, and what its broker was told.
struct Home {
    _folder: tempfile::TempDir,
    store: Store,
    channels: Vec<Arc<dyn Channel>>,
    said: Arc<Mutex<Vec<Publication>>>,
}

impl Home {
    async fn new(settings: &str) -> Home {
        Home::at(settings, Clock::by_hand(Id([7; 16]), NOON)).await
    }

    async fn at(settings: &str, clock: Clock) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let kept = StoreSettings::new(folder.path().join("data"));
        let store = Store::open(&kept, &MasterKey::generate().unwrap()).await.unwrap();
        for (name, secret) in [("bot", BOT_TOKEN), ("sms", "sms-key"), ("ntfy", "tk_hunter2")] {
            store.secrets().put(&format!("owner.{name}"), secret.as_bytes()).await.unwrap();
        }
        let settings = Settings::parse(settings, "domovoi.toml", folder.path()).unwrap();
        let said: Arc<Mutex<Vec<Publication>>> = Arc::default();
        let heard = Arc::clone(&said);
        let tools = Tools {
            store: store.clone(),
            clock,
            vault_name: |name| format!("owner.{name}"),
            own: vec!["0.0.0.0:8443".parse().unwrap()],
            publish: Arc::new(move |one| {
                heard.lock().unwrap().push(one);
                Ok(())
            }),
            switch: Arc::new(|_, _| Box::pin(async { Ok(()) })),
        };
        let (channels, missing) = all(&settings, &tools);
        assert!(missing.is_empty(), "{missing:?}");
        Home { _folder: folder, store, channels, said }
    }

    fn channel(&self, name: &str) -> Arc<dyn Channel> {
        Arc::clone(self.channels.iter().find(|channel| channel.name() == name).unwrap())
    }
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn to(fields: &[(&str, &str)]) -> Address {
    Address(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
}

/// A failure, and that it gives nothing away.
async fn fails(channel: &Arc<dyn Channel>, to: &Address, letter: &Letter) -> Failed {
    let failed = channel.send(to, letter).await.unwrap_err();
    discreet(&failed, to);
    failed
}

fn discreet(failed: &Failed, to: &Address) {
    let text = format!("{failed} {failed:?}");
    let mut private: Vec<&str> = to.0.values().map(String::as_str).filter(|value| value.len() > 3).collect();
    private.extend([BOT_TOKEN, "sms-key", "hunter2", "Протечка", "раковиной", "9161234567", TOKEN]);
    for secret in private {
        assert!(!text.contains(secret), "{text}");
    }
}

fn again(failed: &Failed) -> Option<Duration> {
    let Failed::Again { after, .. } = failed else { panic!("another try is wanted: {failed:?}") };
    *after
}

#[tokio::test]
async fn the_settings_say_which_channels_there_are() {
    let names = |home: &Home| home.channels.iter().map(|channel| channel.name()).collect::<Vec<_>>();
    let bare = Home::new("").await;
    assert_eq!(names(&bare), ["inbox", "web-push", "unified-push", "webhook", "mqtt"]);
    let full = "[mail]\nhost = \"mail.example.org\"\nfrom = \"home@example.org\"\n[sms]\ngateway = \"sms.ru\"\n\
                key_secret = \"sms\"\n[channels.ntfy]\naddress = \"https://ntfy.example.org\"\n[channels.bot]\n\
                token_secret = \"bot\"\n[channels.voice]\nsites = [\"hall\"]\n[channels.siren]\ndevices = [\"a:1\"]\n";
    let full = Home::new(full).await;
    assert_eq!(names(&full)[5..], ["mail", "sms", "ntfy", "bot", "voice", "siren"]);
    let of_the_house: Vec<_> = full.channels.iter().filter(|one| one.is_of_the_house()).map(|one| one.name()).collect();
    assert_eq!(of_the_house, ["mqtt", "voice", "siren"]);
    let costly: Vec<_> = full.channels.iter().filter(|one| one.costs()).map(|one| one.name()).collect();
    assert_eq!(costly, ["sms"]);
    for channel in full.channels.iter().filter(|one| one.fields().is_empty()) {
        assert_eq!(channel.check(&Address::default()), Ok(()), "{}", channel.name());
    }
    assert_eq!(full.channel("inbox").send(&Address::default(), &letter()).await.unwrap().fate, Fate::Delivered);
}

// --- push

fn target(of: &Subscription) -> Address {
    to(&[("endpoint", &of.endpoint), ("p256dh", &of.p256dh), ("auth", &of.auth)])
}

const LOOPBACK: &str = "[channels]\nallow = [\"127.0.0.1\"]\npush_contact = \"home@example.org\"\n";

async fn push_service() -> PushService {
    PushService::start(any(), Arc::new(|| NOON.0)).await.unwrap()
}

#[tokio::test]
async fn a_push_is_signed_sealed_and_opens_in_the_browser() {
    let home = Home::new(LOOPBACK).await;
    let service = push_service().await;
    let key = application_server_key(&home.store).await.unwrap();
    let browser = target(&service.subscribe(Some(&key)));
    for name in ["web-push", "unified-push"] {
        let sent = home.channel(name).send(&browser, &letter()).await.unwrap();
        assert_eq!(sent.fate, Fate::Sent);
    }
    let pushed = service.pushed.all();
    let said: Value = serde_json::from_str(&pushed[0].text).unwrap();
    assert_eq!(said["title"], "Протечка: ванная");
    assert_eq!(said["answer"]["token"], TOKEN);
    assert_eq!((said["know"].as_str(), said["severity"].as_str()), (Some("Я знаю"), Some("severe")));
    assert_eq!(pushed[0].signed_by, Some(Some("mailto:home@example.org".to_owned())));
    assert_eq!((pushed[0].ttl_seconds, pushed[0].urgency.as_deref()), (3600, Some("high")));
    assert_eq!((pushed[0].length, &pushed[0].topic), (3103, &pushed[1].topic), "one subject, one topic");

    let other = Letter { subject: Subject::Message(Id([3; 16])), pressing: Pressing::Low, ..letter() };
    let other = Letter { body: "щ".repeat(4000), language: Language::English, ..other };
    home.channel("web-push").send(&browser, &other).await.unwrap();
    let pushed = service.pushed.all();
    assert_eq!((pushed[2].length, pushed[2].urgency.as_deref()), (3103, Some("low")));
    assert_ne!(pushed[2].topic, pushed[0].topic);
    assert!(service.refused.is_empty(), "{:?}", service.refused.all());
    assert_eq!(application_server_key(&home.store).await.unwrap(), key, "it stays");
}

#[tokio::test]
async fn what_a_push_service_answers_is_understood() {
    let home = Home::new(LOOPBACK).await;
    let push = home.channel("web-push");
    let service = push_service().await;
    let browser = target(&service.subscribe(None));
    let minute = Duration::from_secs(60);
    service.faults.add(Fault::TryLater(429, minute), 1);
    assert_eq!(again(&fails(&push, &browser, &letter()).await), Some(minute));
    service.faults.add(Fault::TryLater(503, Duration::from_secs(1 << 40)), 1);
    assert_eq!(again(&fails(&push, &browser, &letter()).await), Some(Duration::from_secs(86_400)));
    for fault in [Fault::Status(500), Fault::Status(502)] {
        service.faults.add(fault, 1);
        assert_eq!(again(&fails(&push, &browser, &letter()).await), None);
    }
    for code in [400, 401, 403, 413] {
        service.faults.add(Fault::Status(code), 1);
        assert!(matches!(fails(&push, &browser, &letter()).await, Failed::Refused(_)), "{code}");
    }
    service.faults.add(Fault::Redirect("http://127.0.0.1:1/".into()), 1);
    assert!(matches!(fails(&push, &browser, &letter()).await, Failed::Refused(_)), "a redirect is not followed");
    service.faults.add(Fault::Huge, 1);
    again(&fails(&push, &browser, &letter()).await);
    service.faults.add(Fault::Slow(Duration::from_millis(50)), 1);
    assert!(push.send(&browser, &letter()).await.is_ok());
    service.unsubscribe(0);
    assert!(matches!(fails(&push, &browser, &letter()).await, Failed::Gone(_)));
    let stranger = to(&[
        ("endpoint", &browser.get("endpoint").unwrap().replace("/0", "/9")),
        ("p256dh", browser.get("p256dh").unwrap()),
        ("auth", browser.get("auth").unwrap()),
    ]);
    assert!(matches!(fails(&push, &stranger, &letter()).await, Failed::Gone(_)));
    drop(service);
    assert_eq!(again(&fails(&push, &browser, &letter()).await), None);
}

#[tokio::test]
async fn an_endpoint_leads_nowhere_into_the_house() {
    let home = Home::new("").await;
    let service = push_service().await;
    let subscription = service.subscribe(None);
    for endpoint in [subscription.endpoint.as_str(), "https://127.0.0.1:8443/api", "https://localhost/x", "ftp://x", ""]
    {
        let address = target(&Subscription { endpoint: endpoint.into(), ..subscription.clone() });
        if endpoint != "https://localhost/x" {
            assert!(home.channel("web-push").check(&address).is_err(), "{endpoint}");
        }
        assert!(
            matches!(home.channel("web-push").send(&address, &letter()).await, Err(Failed::Refused(_))),
            "{endpoint}"
        );
    }
    let keyless = to(&[("endpoint", "https://push.example/x"), ("p256dh", "AAAA"), ("auth", "AAAA")]);
    assert!(home.channel("web-push").check(&keyless).unwrap_err().contains("subscribe once more"));
    assert!(service.pushed.is_empty() && service.refused.is_empty());
}

/// A Raspberry Pi before its clock was set: services that want no signature are reached all the same.
#[tokio::test]
async fn nothing_is_signed_by_a_clock_that_nobody_believes() {
    let home = Home::at(LOOPBACK, Clock::by_hand(Id([7; 16]), Timestamp(0))).await;
    let service = push_service().await;
    home.channel("web-push").send(&target(&service.subscribe(None)), &letter()).await.unwrap();
    assert_eq!(service.pushed.all()[0].signed_by, None);
}

// --- mail

#[tokio::test]
async fn mail_arrives_with_everything_that_a_reader_sorts_by() {
    let server = SmtpServer::start(any(), SmtpSettings::default()).await.unwrap();
    let settings = format!(
        "[home]\nname = \"Дача\"\n[mail]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"home@example.org\"\n",
        server.address().port()
    );
    let home = Home::new(&settings).await;
    let mail = home.channel("mail");
    let anna = to(&[("address", "anna@example.org")]);
    let over = Letter { id: Id([0xb2; 16]), over: true, answer: None, pressing: Pressing::Normal, ..letter() };
    let life = Letter { pressing: Pressing::Life, ..letter() };
    mail.send(&anna, &life).await.unwrap();
    mail.send(&anna, &over).await.unwrap();
    let kept = server.mail.all();
    let header = |at: usize, name: &str| kept[at].header(name).unwrap_or_default();
    assert_eq!(
        (kept[0].from.as_str(), kept[0].to.as_slice()),
        ("home@example.org", ["anna@example.org".to_owned()].as_slice())
    );
    assert_eq!(header(0, "Message-ID"), "<a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1@example.org>");
    assert_eq!(header(0, "References"), "<alert-11111111-1111-1111-1111-111111111111@example.org>");
    assert_eq!(header(0, "References"), header(1, "References"), "they stand together");
    assert_ne!(header(0, "Message-ID"), header(1, "Message-ID"));
    assert_eq!(
        (header(0, "Auto-Submitted").as_str(), header(0, "List-Id").as_str()),
        ("auto-generated", "<domovoi.example.org>")
    );
    assert_eq!((header(0, "X-Priority").as_str(), header(1, "X-Priority").as_str()), ("1 (Highest)", "3 (Normal)"));
    assert_eq!(header(0, "Date"), "Tue, 24 Nov 2026 12:00:00 +0000");
    assert!(header(0, "Content-Type").starts_with("multipart/alternative"), "{}", kept[0].text);
    assert!(kept[0].text.is_ascii() && kept[0].text.lines().all(|line| line.len() <= 998));
}

#[tokio::test]
async fn what_a_mail_server_answers_is_understood() {
    let server = SmtpServer::start(any(), SmtpSettings::default()).await.unwrap();
    let settings = format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"home@example.org\"\n",
        server.address().port()
    );
    let home = Home::new(&settings).await;
    let mail = home.channel("mail");
    let anna = to(&[("address", "anna@example.org")]);
    server.faults.add(SmtpFault::Addressee("451 4.3.0 anna@example.org later"), 1);
    again(&fails(&mail, &anna, &letter()).await);
    server.faults.add(SmtpFault::Message("452 4.2.2 full"), 1);
    again(&fails(&mail, &anna, &letter()).await);
    server.faults.add(SmtpFault::CutInData, 1);
    again(&fails(&mail, &anna, &letter()).await);
    server.faults.add(SmtpFault::Addressee("550 5.1.1 <anna@example.org> is nobody"), 1);
    assert!(matches!(fails(&mail, &anna, &letter()).await, Failed::Gone(_)));
    server.faults.add(SmtpFault::Message("554 5.7.1 this looks like advertising"), 1);
    assert!(matches!(fails(&mail, &anna, &letter()).await, Failed::Refused(_)));
    assert!(server.mail.is_empty());
    server.faults.add(SmtpFault::CutAfterData, 1);
    again(&fails(&mail, &anna, &letter()).await);
    mail.send(&anna, &letter()).await.unwrap();
    let ids: Vec<_> = server.mail.all().iter().map(|mail| mail.header("Message-ID")).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "the double can be told by its id: {ids:?}");
    server.faults.add(SmtpFault::Slow(Duration::from_millis(5)), 1);
    mail.send(&anna, &letter()).await.unwrap();
    for bad in ["", "anna", "анна@example.org", "a@b.ru\r\nRCPT TO:<c@d.ru>"] {
        assert!(mail.check(&to(&[("address", bad)])).is_err(), "{bad:?}");
        assert!(matches!(mail.send(&to(&[("address", bad)]), &letter()).await, Err(Failed::Refused(_))), "{bad:?}");
    }
    assert_eq!(server.mail.len(), 3);
}

// --- SMS

async fn sms_home(gateways: &SmsGateways, which: Pretended) -> Home {
    let name = if which == Pretended::SmsRu { "sms.ru" } else { "smsc.ru" };
    let url = gateways.url(which);
    Home::new(&format!("[sms]\ngateway = \"{name}\"\nurl = \"{url}\"\nkey_secret = \"sms\"\n")).await
}

#[tokio::test]
async fn a_short_message_goes_out_and_is_asked_about() {
    let gateways = SmsGateways::start(any(), "sms-key").await.unwrap();
    for (which, delivered, lost) in [(Pretended::SmsRu, 103, 104), (Pretended::SmscRu, 1, 20)] {
        let home = sms_home(&gateways, which).await;
        let sms = home.channel("sms");
        let anna = to(&[("number", "8 (916) 123-45-67")]);
        let sent = sms.send(&anna, &letter()).await.unwrap();
        let taken = gateways.taken.all().pop().unwrap();
        assert_eq!((taken.gateway, taken.to.as_str()), (which, "79161234567"));
        assert!(taken.text.starts_with("Протечка: ванная. Датчик"), "{}", taken.text);
        let receipt = sent.receipt.unwrap();
        assert_eq!((sent.fate, &receipt), (Fate::Sent, &taken.id));
        assert_eq!(sms.ask(&anna, &receipt).await, Ok(None));
        gateways.stands(&receipt, delivered);
        assert_eq!(sms.ask(&anna, &receipt).await, Ok(Some(Fate::Delivered)));
        gateways.stands(&receipt, lost);
        assert!(matches!(sms.ask(&anna, &receipt).await, Err(Failed::Refused(_))));
        assert_eq!(sms.ask(&anna, "no-such").await, Ok(None));
        assert_eq!(gateways.asked.all().pop().as_deref(), Some("no-such"));
    }
}

#[tokio::test]
async fn what_a_gateway_answers_is_understood() {
    let gateways = SmsGateways::start(any(), "sms-key").await.unwrap();
    let anna = to(&[("number", NUMBER)]);
    for (which, number, money, often) in [(Pretended::SmsRu, 202, 201, 231), (Pretended::SmscRu, 7, 3, 9)] {
        let home = sms_home(&gateways, which).await;
        let sms = home.channel("sms");
        gateways.faults.add(SmsFault::Code(number), 1);
        assert!(matches!(fails(&sms, &anna, &letter()).await, Failed::Gone(_)), "{which:?}");
        gateways.faults.add(SmsFault::Code(money), 1);
        assert!(matches!(fails(&sms, &anna, &letter()).await, Failed::Refused(_)), "{which:?}");
        gateways.faults.add(SmsFault::Code(often), 1);
        assert_eq!(again(&fails(&sms, &anna, &letter()).await), Some(Duration::from_secs(60)), "{which:?}");
        for fault in [Fault::Status(500), Fault::Huge, Fault::Cut, Fault::TryLater(429, Duration::from_secs(5))] {
            gateways.faults.add(SmsFault::Http(fault), 1);
            again(&fails(&sms, &anna, &letter()).await);
        }
        gateways.faults.add(SmsFault::Http(Fault::Redirect("http://127.0.0.1:1/".into())), 1);
        assert!(matches!(fails(&sms, &anna, &letter()).await, Failed::Refused(_)));
        home.store.secrets().put("owner.sms", b"another").await.unwrap();
        assert!(matches!(fails(&sms, &anna, &letter()).await, Failed::Refused(_)), "{which:?}");
        home.store.secrets().delete("owner.sms").await.unwrap();
        let why = fails(&sms, &anna, &letter()).await.to_string();
        assert!(why.contains("domovoi secret set sms"), "{why}");
    }
    assert!(gateways.taken.is_empty());
}

// --- ntfy

#[tokio::test]
async fn ntfy_takes_the_letter_and_its_buttons() {
    let server = NtfyServer::start(any(), Some("tk_hunter2")).await.unwrap();
    let settings = format!("[channels.ntfy]\naddress = \"{}\"\ntoken_secret = \"ntfy\"\n", server.url());
    let home = Home::new(&settings).await;
    let ntfy = home.channel("ntfy");
    let anna = to(&[("topic", "dom-7f3a9c")]);
    let sent = ntfy.send(&anna, &Letter { pressing: Pressing::Life, ..letter() }).await.unwrap();
    assert_eq!(sent.receipt.as_deref(), Some("m00000000000"));
    let said = server.messages.all().remove(0);
    assert_eq!(
        (said["priority"].as_i64(), said["actions"][0]["body"].as_str()),
        (Some(5), Some(format!("{{\"token\":\"{TOKEN}\"}}").as_str()))
    );
    ntfy.send(&anna, &Letter { body: "щ".repeat(4000), ..letter() }).await.unwrap();
    server.faults.add(Fault::TryLater(429, Duration::from_secs(9)), 1);
    assert_eq!(again(&fails(&ntfy, &anna, &letter()).await), Some(Duration::from_secs(9)));
    server.faults.add(Fault::Status(507), 1);
    again(&fails(&ntfy, &anna, &letter()).await);
    home.store.secrets().put("owner.ntfy", b"tk_other").await.unwrap();
    assert!(matches!(fails(&ntfy, &anna, &letter()).await, Failed::Refused(_)));
    assert_eq!(server.messages.len(), 2);
}

// --- webhook

#[tokio::test]
async fn a_webhook_is_signed_for_its_receiver() {
    let sink = WebhookSink::start(any()).await.unwrap();
    let home = Home::new(LOOPBACK).await;
    let hook = home.channel("webhook");
    let address = to(&[("url", &sink.url()), ("secret", sink.secret())]);
    hook.check(&address).unwrap();
    hook.send(&address, &letter()).await.unwrap();
    let hooked = sink.hooked.all().remove(0);
    assert_eq!((hooked.id.as_str(), hooked.at_seconds), (letter().id.to_string().as_str(), NOON.0 / 1000));
    assert_eq!(hooked.body["title"], "Протечка: ванная");
    assert!(!hooked.body.to_string().contains(TOKEN), "who reads it does not answer for a person");
    let forged = to(&[("url", &sink.url()), ("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
    assert!(matches!(fails(&hook, &forged, &letter()).await, Failed::Refused(_)));
    assert_eq!(sink.forged.len(), 1);
    sink.faults.add(Fault::Status(410), 1);
    assert!(matches!(fails(&hook, &address, &letter()).await, Failed::Gone(_)));
    sink.faults.add(Fault::Status(404), 1);
    assert!(matches!(fails(&hook, &address, &letter()).await, Failed::Refused(_)));
    sink.faults.add(Fault::TryLater(503, Duration::from_secs(3)), 1);
    assert_eq!(again(&fails(&hook, &address, &letter()).await), Some(Duration::from_secs(3)));
    let strict = Home::new("").await;
    assert!(matches!(strict.channel("webhook").send(&address, &letter()).await, Err(Failed::Refused(_))));
}

// --- bot

async fn bot_home(server: &BotServer) -> Home {
    Home::new(&format!("[channels.bot]\naddress = \"{}\"\ntoken_secret = \"bot\"\n", server.url())).await
}

#[tokio::test]
async fn a_bot_writes_and_what_it_is_answered_is_understood() {
    let server = BotServer::start(any(), BOT_TOKEN).await.unwrap();
    let home = bot_home(&server).await;
    let bot = home.channel("bot");
    let anna = to(&[("chat", "100200300")]);
    let sent = bot.send(&anna, &letter()).await.unwrap();
    assert_eq!(sent.receipt.as_deref(), Some("1"));
    let said = server.sent.all().remove(0);
    assert_eq!((said.chat, said.buttons.as_slice()), (100_200_300, [format!("know:{TOKEN}")].as_slice()));
    bot.send(&anna, &Letter { body: "🆘".repeat(4000), pressing: Pressing::Low, ..letter() }).await.unwrap();
    assert!(server.sent.all()[1].silent);
    server.faults.add(Fault::TryLater(429, Duration::from_secs(13)), 1);
    assert_eq!(again(&fails(&bot, &anna, &letter()).await), Some(Duration::from_secs(13)));
    for fault in [Fault::Status(502), Fault::Cut, Fault::Huge] {
        server.faults.add(fault, 1);
        again(&fails(&bot, &anna, &letter()).await);
    }
    assert!(matches!(fails(&bot, &to(&[("chat", "404")]), &letter()).await, Failed::Gone(_)));
    server.block(100_200_300);
    assert!(matches!(fails(&bot, &anna, &letter()).await, Failed::Gone(_)));
    for secret in ["1:other", "../../x", ""] {
        home.store.secrets().put("owner.bot", secret.as_bytes()).await.unwrap();
        assert!(matches!(fails(&bot, &anna, &letter()).await, Failed::Refused(_)), "{secret:?}");
    }
    home.store.secrets().put("owner.bot", BOT_TOKEN.as_bytes()).await.unwrap();
    drop(server);
    again(&fails(&bot, &anna, &letter()).await);
}

#[tokio::test]
async fn pressed_buttons_and_codes_come_back() {
    let server = BotServer::start(any(), BOT_TOKEN).await.unwrap();
    // A hiccup at the beginning does not end the listening.
    server.poll_faults.add(Fault::Status(502), 1);
    let home = bot_home(&server).await;
    let bot = home.channel("bot");
    let (answered, mut answers) = mpsc::unbounded_channel();
    let (linked, mut links) = mpsc::unbounded_channel();
    let heard = |good: bool| if good { Heard::Taken } else { Heard::Stale };
    let ears = Ears {
        answered: Arc::new(move |token| {
            answered.send(token.clone()).unwrap();
            Box::pin(async move { heard(token == TOKEN) })
        }),
        linked: Arc::new(move |channel, code, address| {
            linked.send((channel, code.clone(), address)).unwrap();
            Box::pin(async move { heard(code == "good") })
        }),
    };
    let (stop, stopped) = watch::channel(false);
    let listening = tokio::spawn(async move { bot.listen(&ears, stopped).await });
    let good = server.press(5, &format!("know:{TOKEN}"));
    let stale = server.press(5, "know:old");
    let strange = server.press(5, "delete-everything");
    server.update("message", serde_json::json!({ "chat": { "id": "x" }, "text": 7 }));
    server.write(-77, "/start good");
    server.write(5, "привет");
    server.write(5, "/start");
    server.write(5, "/start good");
    server.write(6, "/start bad");
    server.sent.wait_for(|sent| sent.len() == 3).await;
    assert_eq!([answers.recv().await.unwrap(), answers.recv().await.unwrap()], [TOKEN.to_owned(), "old".to_owned()]);
    assert_eq!(links.recv().await.unwrap(), ("bot", "good".to_owned(), to(&[("chat", "5")])));
    assert_eq!(links.recv().await.unwrap(), ("bot", "bad".to_owned(), to(&[("chat", "6")])));
    assert!(links.try_recv().is_err(), "a group is nobody's chat");
    let ids: Vec<_> = server.answered.all().into_iter().collect();
    assert_eq!(ids.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [good.as_str(), &stale, &strange]);
    assert!(ids[0].1.contains("записано") && ids[1].1 == ids[2].1, "{ids:?}");
    let said: Vec<_> = server.sent.all().into_iter().map(|sent| (sent.chat, sent.text)).collect();
    assert!(said[1] == (5, "Готово: сообщения дома будут приходить сюда.".to_owned()) && said[2].0 == 6, "{said:?}");
    stop.send(true).unwrap();
    listening.await.unwrap();
}

// --- MQTT

#[tokio::test]
async fn an_alert_stands_at_the_broker_until_it_is_over() {
    let home = Home::new("").await;
    let mqtt = home.channel("mqtt");
    let nowhere = Address::default();
    mqtt.send(&nowhere, &letter()).await.unwrap();
    mqtt.send(&nowhere, &Letter { over: true, ..letter() }).await.unwrap();
    mqtt.clear(&nowhere, &letter().subject).await.unwrap();
    let reminder = Letter { subject: Subject::Reminder(Id([2; 16]), 17), ..letter() };
    mqtt.send(&nowhere, &reminder).await.unwrap();
    mqtt.clear(&nowhere, &reminder.subject).await.unwrap();
    let said = home.said.lock().unwrap();
    let topics: Vec<_> = said.iter().map(|one| (one.topic.as_str(), one.payload.is_empty(), one.retain)).collect();
    let alert = "domovoi/alert/11111111-1111-1111-1111-111111111111";
    let news = "domovoi/news/reminder-02020202-0202-0202-0202-020202020202-17";
    assert_eq!(topics, [(alert, false, true), (alert, true, true), (alert, true, true), (news, false, false)]);
    let payload: Value = serde_json::from_slice(&said[0].payload).unwrap();
    assert_eq!((payload["kind"].as_str(), payload["title"].as_str()), (Some("alert"), Some("Протечка: ванная")));
    assert!(!said[0].payload.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()));
}
