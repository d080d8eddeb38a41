//! The rooms together, on real files.

mod alerts;
mod at_hand;
mod audit;
mod cameras;
mod full;
mod history;
mod journal;
mod keys;
mod notify;
mod opening;
mod papers;
mod rooms;
mod sealing;
mod standby;

use std::path::{Path, PathBuf};
use std::time::Duration;

use domovoi_model::*;
use domovoi_vault::MasterKey;
use rust_decimal::Decimal;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::*;

/// A data folder and the key to it.
struct House {
    folder: tempfile::TempDir,
    master: MasterKey,
    settings: Settings,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Some of these tests search every file for every word.
        let settings = Settings { ballast: 0, ..Settings::new(folder.path().join("data")) };
        House { folder, master: MasterKey::generate().unwrap(), settings }
    }

    async fn open(&self) -> Store {
        Store::open(&self.settings, &self.master).await.unwrap()
    }

    fn path(&self) -> &Path {
        &self.settings.data_dir
    }

    /// What a power cut would leave: the files as they are now, in a folder of their own.
    fn cut(&self, name: &str) -> Settings {
        cut(&self.settings, &self.folder.path().join(name))
    }

    async fn raw(&self) -> SqliteConnection {
        raw(self.path().join("domovoi.db")).await
    }
}

fn cut(settings: &Settings, to: &Path) -> Settings {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(&settings.data_dir).unwrap() {
        let entry = entry.unwrap();
        // SQLite rebuilds the index of the log, as after a power cut.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    Settings { data_dir: to.to_owned(), ..settings.clone() }
}

async fn raw(path: PathBuf) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false).connect().await.unwrap()
}

fn id() -> Id {
    Id(uuid::Uuid::new_v4().into_bytes())
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn sample(n: i64) -> Sample {
    Sample {
        device: DeviceRef::new("wmbusmeters", format!("SERIAL-{}", n % 3)),
        property: "total_m3".into(),
        value: Value::Number(Decimal::new(123_000 + n, 3)),
        unit: Unit::CubicMetre,
        quality: Quality::Good,
        at: Moment::Wall(Timestamp(1_795_300_000_000 + n)),
        device_time: None,
    }
}

fn account() -> Account {
    Account {
        id: AccountId(id()),
        supplier: "vodokanal".into(),
        number: format!("ACCOUNT-{}", id()),
        els: Some("ELS0123456".into()),
        jku_id: Some("ELS0123456-01".into()),
        label: "Квартира Ивановых".into(),
    }
}

fn point(account: &Account) -> MeteringPoint {
    MeteringPoint {
        id: PointId(id()),
        account: account.id,
        resource: Resource::ColdWater,
        name: "Кухня, холодная".into(),
        binding: Some(Binding {
            device: DeviceRef::new("wmbusmeters", "SERIAL-0"),
            registers: vec![(Tariff::T1, "total_m3".into())],
            unit: Some(Unit::Litre),
        }),
        reminder: Reminder::Quarterly,
    }
}

fn meter(point: &MeteringPoint) -> Meter {
    Meter {
        id: MeterId(id()),
        point: point.id,
        serial: "SN-77-0042".into(),
        model: Some("Пульсар".into()),
        digits_int: 5,
        digits_frac: 3,
        tariffs: 1,
        multiplier: dec("1"),
        installed: Date::new(2024, 2, 29).unwrap(),
        start: RegisterValues::single(dec("0.017")),
        verified: Date::new(2024, 1, 15),
        verification_valid_until: Date::new(2030, 1, 15),
        removed: None,
    }
}

fn reading(meter: &Meter, value: &str, at: i64, verdict: Verdict) -> RegisterReading {
    RegisterReading {
        point: meter.point,
        meter: meter.id,
        tariff: Tariff::T1,
        value: dec(value),
        at: Moment::Wall(Timestamp(at)),
        source: Source::Device(DeviceRef::new("wmbusmeters", "SERIAL-0")),
        raw_sha256: [9; 32],
        verdict,
    }
}

fn act(account: &Account, meter: &Meter, month: u8) -> Act {
    Act {
        id: ActId(id()),
        account: account.id,
        period: Period::new(2026, month).unwrap(),
        supersedes: None,
        created_at: Timestamp(1_795_300_000_000 + i64::from(month)),
        document: None,
        signature: None,
        readings: vec![ActReading {
            id: ReadingId(id()),
            point: meter.point,
            meter: meter.id,
            serial: meter.serial.clone(),
            resource: Resource::ColdWater,
            values: RegisterValues::single(dec("123.529")),
            taken_at: Timestamp(1_795_200_000_000),
            date_value: Date::new(2026, month, 20).unwrap(),
            source: Source::Photo { person: "Мария".into(), photo: PhotoId(id()) },
            raw_sha256: [3; 32],
            previous: Some(PreviousReading {
                values: RegisterValues::single(dec("120")),
                date: Date::new(2026, month, 1).unwrap(),
            }),
            consumption: RegisterValues::single(dec("3.529")),
            photo: Some(PhotoRef { id: PhotoId(id()), sha256: [4; 32], media_type: "image/jpeg".into() }),
            portal_verdict: PortalVerdict::Pending,
        }],
        state: ActState::Draft { problems: vec!["ждём показания".into()] },
    }
}

fn signed(mut act: Act) -> Act {
    act.document = Some(format!("{{\"id\":\"{}\"}}", act.id).into_bytes());
    act.signature = Some("eyJhbGciOiJFUzI1NiJ9..c2ln".into());
    act.state = ActState::Approved;
    act
}

fn info(username: &str) -> CredentialInfo {
    CredentialInfo {
        username: username.into(),
        publish: vec!["domovoi/плита/#".into()],
        subscribe: vec!["domovoi/kitchen/set".into()],
        role: "bridge".into(),
        created_at: Moment::Wall(Timestamp(5)),
        certificate: None,
    }
}

fn notice() -> Notice {
    Notice {
        kind: "window_closes".into(),
        params: vec![("supplier".into(), "vodokanal".into())],
        at: Moment::Wall(Timestamp(6)),
    }
}

fn paper(person: PersonId) -> Paper {
    Paper { id: id(), person: Some(person), body: "Клавдия +79161234567".as_bytes().to_vec().into() }
}

fn deed(at: i64, person: PersonId) -> Deed {
    Deed {
        at: Some(Timestamp(at)),
        body: b"{\"deed\":\"person.edited\"}".to_vec(),
        personal: vec![(person, "Клавдия Львовна".as_bytes().to_vec().into())],
    }
}

fn photo() -> Photo {
    Photo { id: PhotoId(id()), media_type: "image/png".into(), sha256: [1; 32], bytes: b"PNG-PICTURE-BYTES".to_vec() }
}

/// Two rows or more in every table; `audit_head` and `history_mark` have one.
async fn furnish(store: &Store) -> (Vec<Account>, Vec<Meter>) {
    let (mut accounts, mut meters) = (Vec::new(), Vec::new());
    for n in 0..2u8 {
        store.history().record(vec![sample(n.into())], Urgency::Now).await.unwrap();
        store.boots().begin(BootId(id())).await.unwrap();
        let account = account();
        store.register().save_account(&account).await.unwrap();
        let point = point(&account);
        store.register().save_point(&point).await.unwrap();
        let meter = meter(&point);
        store.register().save_meter(&meter).await.unwrap();
        let entry =
            LedgerEntry { reading: reading(&meter, "1.5", 100, Verdict::Accepted(None)), seq: Some(Seq(u64::from(n))) };
        store.ledger().append(&[entry], Some((&format!("reader {n}"), Seq(7)))).await.unwrap();
        store.acts().insert(&signed(act(&account, &meter, 11))).await.unwrap();
        store.photos().put(&photo()).await.unwrap();
        store.secrets().put(&format!("portal token {n}"), b"TOKEN-abc123").await.unwrap();
        store.credentials().issue(&info(&format!("kitchen-plug-{n}"))).await.unwrap();
        store.notices().raise(&format!("window {n}"), &notice()).await.unwrap();
        let camera = cameras::camera();
        store.cameras().put(&camera).await.unwrap();
        cameras::record(store, camera.id, 1_795_300_000_000, None).await;
        let person = PersonId(id());
        for drawer in Drawer::ALL {
            store.papers().put(drawer, &paper(person)).await.unwrap();
        }
        store.audit().append(&[deed(5, person)]).await.unwrap();
        let log = store.broker_log();
        if n == 0 {
            log.load().await.unwrap();
        }
        log.append(b"retained: kitchen/set".to_vec());
        if let Some(kept) = log.settled() {
            kept.await.unwrap();
        }
        furnish_devices(store, n).await;
        notify::furnish(store, person, n).await;
        furnish_calendar(store, n).await;
        furnish_scenarios(store, n).await;
        furnish_presence(store, n).await;
        furnish_mappings(store, n).await;
        // Into blocks and rollups, and not into the journal.
        let past = Sample { at: Moment::Wall(Timestamp(1_000_000 + i64::from(n))), ..sample(n.into()) };
        store.history().import(vec![past]).await.unwrap();
        store.history().roll_at(Timestamp(1_000_000_000)).await.unwrap();
        accounts.push(account);
        meters.push(meter);
    }
    (accounts, meters)
}

/// A mapping and a meter's key.
async fn furnish_mappings(store: &Store, n: u8) {
    for drawer in MappingDrawer::ALL {
        let body = zeroize::Zeroizing::new(b"{\"topic\":\"greenhouse-climate\"}".to_vec());
        store.mappings().put(drawer, &[(&format!("greenhouse-{n}"), body)]).await.unwrap();
    }
}

/// A row in every table of the calendar and of messages.
async fn furnish_calendar(store: &Store, n: u8) {
    let calendar = store.calendar();
    for drawer in CalendarDrawer::ALL {
        let body = zeroize::Zeroizing::new(b"{\"title\":\"dentist-appointment\"}".to_vec());
        let hashed = calendar.id_of("calendar_feed", &[&[n], b"feed-secret"]);
        calendar.put(drawer, &[CalendarPaper { id: hashed, body }]).await.unwrap();
    }
    let clouds = store.clouds();
    for drawer in CloudDrawer::ALL {
        let body = zeroize::Zeroizing::new(b"{\"token\":\"cloud-token-31415\"}".to_vec());
        clouds.put(drawer, &[CloudPaper { id: clouds.id_of("cloud", &[&[n], b"yandex"]), body }]).await.unwrap();
    }
    for drawer in InsightDrawer::ALL {
        let id = calendar.id_of("insight", &[&[n]]);
        let body = zeroize::Zeroizing::new(b"{\"name\":\"night-tariff-777\"}".to_vec());
        store.insight().put(drawer, &InsightPaper { id, body }).await.unwrap();
    }
    let messages = store.messages();
    for which in [MessageBox::In, MessageBox::Out] {
        let id = messages.id_of(&format!("portal-message-{n}"));
        let row = MessageRow { id, at: Timestamp(1_795_300_000_000 + i64::from(n)), body: b"water-cut-off".to_vec() };
        messages.put(which, &[row], Some((&format!("cursor-{n}"), "cursor-value-77"))).await.unwrap();
    }
}

/// A row in every table of presence.
async fn furnish_presence(store: &Store, n: u8) {
    let shelf = store.presence();
    for drawer in PresenceDrawer::ALL {
        let body = zeroize::Zeroizing::new(b"{\"label\":\"phone-of-anna\"}".to_vec());
        let id = shelf.id_of(&[n, b's']);
        shelf.put(drawer, &PresencePaper { id, body }).await.unwrap();
    }
}

/// A row in every table of scenarios.
async fn furnish_scenarios(store: &Store, n: u8) {
    let body = || zeroize::Zeroizing::new(b"{\"name\":\"nightly-lamp-scenario\"}".to_vec());
    let shelf = store.scenarios();
    let id = shelf.id_of(&format!("webhook-secret-{n}"));
    let at = Timestamp(1_795_300_000_000 + i64::from(n));
    let batch = ScenarioBatch {
        put: ScenarioDrawer::ALL.map(|drawer| (drawer, id, body())).to_vec(),
        remove: Vec::new(),
        traces: vec![ScenarioTrace { id, scenario: id, at, body: body() }],
    };
    shelf.commit(&batch).await.unwrap();
}

/// A row in every table of devices and of safety.
async fn furnish_devices(store: &Store, n: u8) {
    let device = DeviceRef::new("zigbee2mqtt", format!("0x00158d00FEED000{n}"));
    let room = RoomCard { id: id(), name: format!("Детская {n}"), position: n.into() };
    let card = DeviceCard {
        name: Some("Ночник".into()),
        room: Some(room.id),
        hidden_properties: vec!["linkquality".into()],
        presets: vec!["burst-pipe".into()],
        credential: Some("lamp-nursery".into()),
        heard_from: Some("lamp-nursery".into()),
        agreed: Some(vec!["z2m/nursery/set".into()]),
        ..DeviceCard::new(device.clone(), "accepted", Moment::Wall(Timestamp(1)))
    };
    let word = DeviceWord {
        dialect: "zigbee2mqtt".into(),
        topic: format!("z2m/nursery-{n}"),
        payload: b"{\"friendly_name\":\"nursery\"}".to_vec(),
        external: false,
        first: n.into(),
        sender: "lamp-nursery".into(),
    };
    let gone = DeviceRef::new("zigbee2mqtt", format!("0x00158d00DEAD000{n}"));
    let farewell = Farewell { device: gone, topics: vec!["z2m/nursery-old".into()], external: false };
    let shelf = store.devices();
    shelf.put_rooms(&[room]).await.unwrap();
    shelf.put(&[card]).await.unwrap();
    shelf.put_words(&[word]).await.unwrap();
    shelf.forget(&Forgotten { farewell, words: vec![], credential: None }).await.unwrap();
    let rule = SafetyRow { id: format!("rule-under-the-sink-{n}"), body: b"{\"close\":\"stopcock\"}".to_vec() };
    store.safety().put_rule(&rule).await.unwrap();
    let (mut dangers, damaged) = store.safety().dangers().await.unwrap();
    assert_eq!(damaged, 0);
    dangers.push(SafetyRow { id: format!("flood-{n}"), body: b"{\"where\":\"stopcock\"}".to_vec() });
    store.safety().keep_dangers(&dangers).await.unwrap();
    alerts::furnish(store, n).await;
}

fn entry(reading: RegisterReading, seq: u64) -> LedgerEntry {
    LedgerEntry { reading, seq: Some(Seq(seq)) }
}

const HOUR: Duration = Duration::from_secs(3600);
