//! Sealed at rest: after a whole journey, nothing that says who lives here or opens a door is in the raw files of the
//! data folder, neither while the hub runs nor after it has stopped.

use std::path::{Path, PathBuf};

use domovoi::alerts::FeedRef;
use domovoi::calendar::{Draft, EventKind, Priority};
use domovoi::metering::{NewMeter, NewPoint, parse_binding, parse_values, photo};
use domovoi::notify::NewWay;
use domovoi::notify::channels::Address;
use domovoi::notify::record::HouseUse;
use domovoi::people::{NewPerson, Profile};
use domovoi::policy::Role;
use domovoi_model::{AlertOrigin, Id, Moment, PersonId, Reminder, Resource};
use domovoi_store::{Deed, Drawer, Notice, Paper};
use e2e::{
    Home, NOON, POINT, SUPPLIER, WATER_ACCOUNT, WATER_ID, hand_clock, png, sandbox, settings_text, until, water_world,
};
use firmware_sim::portal::{MeteringPointSpec, SandboxPortal};

const ELS: &str = "90АБ114477";
const BOILER: &str = "Ванная, бойлер";
const BOILER_SERIAL: &str = "СГВ-15 №88231746";
const PERSON: &str = "Аграфена Кондратьевна";
const TENANT: &str = "tenant-of-flat-47";
const TOPIC: &str = "balcony/ветряк";
const SECRET: &str = "correct horse battery staple";
const PHONE: &str = "+79161230047";
const DEED: &str = "contact.confirmed";
const NOTED: &str = "Соседка снизу жаловалась";
const WARNING: &str = "Плотина в Нижних Выселках";
const WARNED_BY: &str = "dispatcher@vyselki.example";
const HOOK: &str = "https://hooks.example.org/agrafena-8814";
const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const BIRTHDAY: &str = "День рождения Аграфены";
const TOLD: &str = "Квартплата за подвал номер семь";

/// Something that must not be found, and how it is spelt.
struct Needle {
    what: String,
    bytes: Vec<u8>,
}

/// A text in the encodings that a database, a log or a dump of memory would have it in.
fn text(what: &str, text: &str) -> Vec<Needle> {
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let needle = |how: &str, bytes| Needle { what: format!("{what} ({how})"), bytes };
    vec![needle("UTF-8", text.as_bytes().to_vec()), needle("UTF-16LE", utf16)]
}

/// Bytes, and their usual spellings.
fn bytes(what: &str, raw: &[u8]) -> Vec<Needle> {
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = base64(raw, b"-_");
    let mut needles = vec![Needle { what: format!("{what} (raw)"), bytes: raw.to_vec() }];
    for (how, spelling) in [("hex", hex.clone()), ("HEX", hex.to_uppercase()), ("base64url", url)] {
        needles.extend(text(&format!("{what} {how}"), &spelling));
    }
    needles.extend(text(&format!("{what} base64"), &base64(raw, b"+/")));
    needles
}

/// Without padding: the padded spelling begins with it.
fn base64(raw: &[u8], last_two: &[u8; 2]) -> String {
    let letter = |bits: u32| match bits & 63 {
        n @ 0..26 => char::from(b'A' + n as u8),
        n @ 26..52 => char::from(b'a' + (n - 26) as u8),
        n @ 52..62 => char::from(b'0' + (n - 52) as u8),
        n => char::from(last_two[n as usize - 62]),
    };
    let mut out = String::new();
    for three in raw.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        out.extend((0..=three.len()).map(|at| letter(bits >> (18 - 6 * at))));
    }
    out
}

/// Every regular file of a folder, at any depth. Sockets hold nothing.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| byte == first) {
        if hay[from + at + 1..].starts_with(rest) {
            return true;
        }
        from += at + 1;
    }
    false
}

/// What of the needles is in which file.
fn grep(folder: &Path, needles: &[Needle]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(folder) {
        let hay = match std::fs::read(&file) {
            // Removed since it was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            hay => hay.unwrap(),
        };
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(needles.iter().filter(|n| holds(&hay, &n.bytes)).map(|n| format!("{} in {name}", n.what)));
    }
    found
}

async fn journey(home: &Home, portal: &SandboxPortal) -> Vec<Needle> {
    home.add_water().await;
    let boiler = NewPoint {
        supplier: SUPPLIER.into(),
        account_number: "4490011223".into(),
        els: Some(ELS.into()),
        resource: Resource::ColdWater,
        name: BOILER.into(),
        binding: Some(parse_binding("zigbee2mqtt:0x00158d0001aa55ff", &["t1=water_l".into()], None).unwrap()),
        reminder: Reminder::Monthly,
        meter: NewMeter {
            serial: BOILER_SERIAL.into(),
            model: Some("Бетар СГВ-15".into()),
            digits_int: 5,
            digits_frac: 3,
            tariffs: 1,
            multiplier: 1.into(),
            installed: "2024-03-01".parse().unwrap(),
            start: parse_values("4711.042", 1).unwrap(),
            verified: None,
            valid_until: None,
        },
    };
    home.metering.add(boiler).await.unwrap();
    home.metering.set_standing_consent(true).await.unwrap();
    home.link(portal).await;
    let tenant = home.credential(TENANT, &[&format!("{TOPIC}/#")], &[]).await;
    let picture = photo::clean(&png(64, 7)).unwrap();
    let kept = picture.bytes.clone();
    let values = parse_values("4712.815", 1).unwrap();
    home.metering.submit(BOILER, values, PERSON, Some(picture), false).await.unwrap();
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let world = water_world(home.mqtt, credentials.clone(), &home.clock, None);
    let water = world.water.as_ref().unwrap();
    water.telegram_now();
    water.wait_until(|truth| !truth.acknowledged_m3.is_empty()).await;
    let notice =
        Notice { kind: "reading_rejected".into(), params: vec![("why".into(), NOTED.into())], at: Moment::Wall(NOON) };
    home.store.notices().raise("raw-files", &notice).await.unwrap();
    home.store.secrets().put("owner.broker", SECRET.as_bytes()).await.unwrap();
    let person = PersonId(Id([0x5a; 16]));
    for drawer in Drawer::ALL {
        let body = format!("{{\"name\":\"{PERSON}\",\"contact\":\"{PHONE}\"}}").into_bytes().into();
        home.store
            .papers()
            .put(drawer, &Paper { id: Id([drawer as u8; 16]), person: Some(person), body })
            .await
            .unwrap();
    }
    let personal = vec![(person, format!("{PERSON} {PHONE}").into_bytes().into())];
    let deed = Deed { at: Some(NOON), body: DEED.as_bytes().to_vec(), personal };
    home.store.audit().append(&[deed]).await.unwrap();
    let acts = home.all_received(2).await;
    world.stop().await;
    told(home, portal).await;

    let mut needles = Vec::new();
    for (what, said) in [
        ("serial number", WATER_ID),
        ("serial number", BOILER_SERIAL),
        ("serial number", "88231746"),
        ("account", WATER_ACCOUNT),
        ("account", "4490011223"),
        ("els", ELS),
        ("place", POINT),
        ("place", "Кухня"),
        ("place", BOILER),
        ("person", PERSON),
        ("person", "Аграфена"),
        ("maker", "Бетар"),
        ("supplier", SUPPLIER),
        ("device", "0x00158d0001aa55ff"),
        ("property", "total_m3"),
        ("user name", TENANT),
        ("user name", "wmbusmeters"),
        ("topic", TOPIC),
        ("MQTT password", &tenant.password),
        ("MQTT password", &credentials.password),
        ("secret", SECRET),
        ("secret's name", "owner.broker"),
        ("notice", NOTED),
        ("alert", WARNING),
        ("alert's sender", WARNED_BY),
        ("way", HOOK),
        ("way", "agrafena-8814"),
        ("way's secret", HOOK_SECRET),
        ("event", BIRTHDAY),
        ("message", TOLD),
        ("phone", PHONE),
        ("deed", DEED),
        ("notice's kind", "reading_rejected"),
        ("value", "4712.815"),
        ("value", "123.529"),
        ("portal", portal.issuer()),
        ("name of a secret of ours", "portal.link"),
    ] {
        needles.extend(text(what, said));
    }
    let link = home.store.secrets().get("portal.link").await.unwrap().expect("linked");
    let link: serde_json::Value = serde_json::from_slice(link.expose()).unwrap();
    for name in ["access_token", "refresh_token", "dpop_key", "subject", "client_id"] {
        let Some(value) = link[name].as_str().filter(|value| value.len() >= 8) else {
            assert_eq!(name, "subject", "the link has no {name}");
            continue;
        };
        needles.extend(text(name, value));
        if name == "dpop_key" {
            needles.extend(bytes("DPoP key", &unbase64(value)));
        }
    }
    let key = home.store.secrets().get("act.key").await.unwrap().expect("there is a key for acts");
    assert_eq!(key.expose().len(), 32);
    needles.extend(bytes("key for acts", key.expose()));
    for act in &acts {
        let document = act.document.as_deref().unwrap();
        needles.push(Needle { what: "act".into(), bytes: document[..60].to_vec() });
        needles.extend(text("signature", &act.signature.clone().unwrap()[..60]));
    }
    needles.push(Needle { what: "photo".into(), bytes: kept[100..160].to_vec() });
    needles
}

/// An alert, an event, a way to be told, a message to the portal: each with words that must not be found.
async fn told(home: &Home, portal: &SandboxPortal) {
    let desk = &home.desk;
    let feed = FeedRef { name: "meteo".into(), origin: AlertOrigin::Feed, local: true, senders: Vec::new() };
    let sent = NOON.to_string().replace(".000Z", "+00:00");
    let cap = format!(
        "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>a-1</identifier><sender>{WARNED_BY}</sender>\
         <sent>{sent}</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope><info>\
         <language>ru</language><category>Infra</category><event>{WARNING}</event><urgency>Expected</urgency>\
         <severity>Minor</severity><certainty>Likely</certainty><headline>{WARNING}</headline></info></alert>"
    );
    let heard = desk.alerts.hear_cap(&feed, cap.as_bytes());
    let stands = |alert: &std::sync::Arc<domovoi_model::Alert>| alert.origin == AlertOrigin::Feed;
    assert!(desk.alerts.standing().iter().any(stands), "{heard:?}");
    desk.alerts.settled().await;
    let draft = Draft {
        title: BIRTHDAY.into(),
        notes: BIRTHDAY.into(),
        kind: EventKind::Birthday,
        priority: Priority::Normal,
        start: "2026-12-01".into(),
        zone: None,
        minutes: 1440,
        rule: None,
        remind: None,
        todo: false,
    };
    desk.calendar.add(&draft, None).await.unwrap();
    let person = NewPerson {
        name: PERSON.into(),
        role: Role::Owner,
        contacts: vec!["agrafena".into()],
        profile: Profile::default(),
        until: None,
    };
    let person = desk.people.add(person).await.unwrap().id;
    let address = [("url", HOOK), ("secret", HOOK_SECRET)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let way = NewWay {
        channel: "webhook".into(),
        label: PERSON.into(),
        address: Address(address.into()),
        used: HouseUse::Silent,
        test_anyway: false,
    };
    desk.notify.add_route(Some(person), way).await.unwrap();
    portal.notify_household("charge", TOLD, None).unwrap();
    until("the portal's message is here", || async {
        desk.messages.nudge();
        let page = desk.messages.list(None, 10, false).await.ok()?;
        page.iter().any(|message| message.text == TOLD).then_some(())
    })
    .await;
}

/// The DPoP key's 32 bytes, however the link spells them.
fn unbase64(spelled: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for four in spelled.trim_end_matches('=').as_bytes().chunks(4) {
        let bits =
            four.iter().fold(0u32, |bits, letter| bits << 6 | u32::from(value(*letter))) << (6 * (4 - four.len()));
        out.extend((0..four.len().saturating_sub(1)).map(|at| (bits >> (16 - 8 * at)) as u8));
    }
    assert_eq!(out.len(), 32, "the DPoP key is not base64 of 32 bytes any more: mend this test");
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_household_is_in_the_raw_files() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |settings| {
        let point = |serial: &str| MeteringPointSpec { serial: serial.into(), ..MeteringPointSpec::default() };
        let mut second = settings.accounts[0].clone();
        second.account_number = "4490011223".into();
        second.els = Some(ELS.into());
        second.metering_points = vec![point(BOILER_SERIAL)];
        settings.accounts.push(second);
    })
    .await;
    let settings = settings_text(Some(&portal));
    let home = Home::start(folder.path(), &settings, clock.clone()).await;
    let data = folder.path().join("hub");
    let needles = journey(&home, &portal).await;

    // Running: the write-ahead log is there and has something in it, so the grep looks at the right thing.
    let log = std::fs::metadata(data.join("domovoi.db-wal")).expect("a write-ahead log while it runs").len();
    assert!(log > 0, "an empty write-ahead log proves nothing");
    assert_eq!(grep(&data, &needles), Vec::<String>::new(), "while it runs");
    home.stop().await;
    // SQLite closes on a thread of its own; the last connection empties the log into the database and removes it.
    let log = data.join("domovoi.db-wal");
    until("the write-ahead log is gone", || async { (!log.exists()).then_some(()) }).await;
    assert_eq!(grep(&data, &needles), Vec::<String>::new(), "after it stopped");

    // The control: what is there is found, and every needle is found where it is planted.
    let there = text("schema", "CREATE TABLE ledger").swap_remove(0);
    // The database, and the copy of a part of it that the reflex stands on when the database does not open.
    assert_eq!(grep(&data, &[there]).len(), 2, "the grep does not read the databases");
    let planted = folder.path().join("planted");
    std::fs::create_dir(&planted).unwrap();
    for needle in &needles {
        std::fs::write(planted.join("file"), [b"before", needle.bytes.as_slice(), b"after"].concat()).unwrap();
        assert_eq!(grep(&planted, std::slice::from_ref(needle)).len(), 1, "{} is not found", needle.what);
    }
    portal.stop().await;
}

#[test]
fn the_spellings_are_right() {
    assert_eq!(base64(b"\xFB\xFFdo", b"-_"), "-_9kbw");
    assert_eq!(base64(b"\xFB\xFFd", b"+/"), "+/9k");
    assert!(holds(b"aaab", b"aab") && !holds(b"aaab", b"abb") && holds(b"x", b""));
}
