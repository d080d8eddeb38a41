//! Tests of what stands in the raw files, and of forged rows.

use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::tables::SEALED;

/// Everything that a thief would look for, put into every room by `furnish` and here.
const TELLING: &[&str] = &[
    "SERIAL-0",
    "wmbusmeters",
    "total_m3",
    "SN-77-0042",
    "SN-SWAPPED",
    "ACCOUNT-",
    "vodokanal",
    "ELS0123456",
    "Ивановых",
    "Кухня",
    "Пульсар",
    "Мария",
    "123.529",
    "99.125",
    "2026-11",
    "ждём",
    "eyJhbGci",
    "approved",
    "accepted",
    "glitch",
    "image/png",
    "PNG-PICTURE",
    "portal token",
    "TOKEN-abc123",
    "kitchen-plug",
    "плита",
    "kitchen/set",
    "bridge",
    "window_closes",
    "window 0",
    "reader 0",
    "LEAKAGE",
    "ONNEWS",
    "refresh-xyz",
    "Клавдия",
    "79161234567",
    "person.edited",
    "Калитка",
    "ch1/main?pass",
    "camera-secret",
    "h265 2560x1440",
    "run_ended",
    "garage-nas",
    "FEED000",
    "DEAD000",
    "Детская",
    "Ночник",
    "nursery",
    "linkquality",
    "burst-pipe",
    "under-the-sink",
    "stopcock",
    "flood-",
    "storm-warning",
    "web@mecom",
    "feeds.example",
    "grandma@",
    "Котёл погас",
    "alert:0707",
    "dentist-appointment",
    "nightly-lamp-scenario",
    "webhook-secret-",
    "feed-secret",
    "cloud-token-31415",
    "greenhouse-",
    "portal-message-",
    "water-cut-off",
    "cursor-value-77",
    "phone-of-anna",
];

fn assert_silent(folder: &Path, extra: &[String]) {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Closing empties the log and then removes it, perhaps just now.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        files += 1;
        for telling in TELLING.iter().copied().chain(extra.iter().map(String::as_str)) {
            let utf16: Vec<u8> = telling.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let utf16_be: Vec<u8> = telling.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for needle in [telling.as_bytes(), &utf16, &utf16_be] {
                assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{telling} in {}", path.display());
            }
        }
    }
    assert!(files >= 1);
}

#[tokio::test]
async fn the_raw_files_tell_nothing() {
    let house = House::new();
    let store = house.open().await;
    let (accounts, meters) = furnish(&store).await;
    let mut old = meters[0].clone();
    old.removed = Some((Date::new(2026, 11, 2).unwrap(), RegisterValues::single(dec("99.125"))));
    let new = Meter { id: MeterId(id()), serial: "SN-SWAPPED".into(), ..meters[0].clone() };
    let mut told = reading(&new, "99.125", 900, Verdict::Held(Finding::DeviceComplaint("LEAKAGE".into())));
    told.source = Source::Person("Мария".into());
    store.register().swap_meter(&old, &new, &[LedgerEntry { reading: told, seq: None }]).await.unwrap();
    store.ledger().decide(3, Verdict::Ignored(Finding::GlitchToZero)).await.unwrap();
    let mut draft = act(&accounts[0], &meters[0], 12);
    store.acts().insert(&draft).await.unwrap();
    draft = signed(draft);
    store.acts().update(&draft).await.unwrap();
    let mut text = sample(1);
    text.value = Value::Text("ONNEWS".into());
    text.quality = Quality::Suspect("LEAKAGE".into());
    store.history().record(vec![text], Urgency::Now).await.unwrap();
    store.secrets().put("portal token 0", b"refresh-xyz").await.unwrap();
    let password = store.credentials().issue(&info("kitchen-plug-x")).await.unwrap();
    let extra = [password.expose().clone(), accounts[0].number.clone(), draft.id.to_string()];

    assert_silent(house.path(), &extra);
    store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert_silent(house.path(), &extra);
    store.close().await;
    assert_silent(house.path(), &extra);
}

#[tokio::test]
async fn the_search_would_find_something() {
    let folder = tempfile::tempdir().unwrap();
    for planted in
        ["...vodokanal...".as_bytes().to_vec(), "Ивановых".encode_utf16().flat_map(u16::to_le_bytes).collect()]
    {
        std::fs::write(folder.path().join("domovoi.db"), planted).unwrap();
        assert!(std::panic::catch_unwind(|| assert_silent(folder.path(), &[])).is_err());
    }
}

#[tokio::test]
async fn a_blob_in_another_row_is_noticed() {
    let house = House::new();
    let store = house.open().await;
    furnish(&store).await;
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    let mut raw = house.raw().await;
    for table in SEALED {
        let rows =
            sqlx::query(AssertSqlSafe(format!("SELECT CAST(id AS BLOB), sealed FROM {} ORDER BY id", table.name)))
                .fetch_all(&mut raw)
                .await
                .unwrap();
        if table.name == "audit_head" {
            let strange = sqlx::query("UPDATE audit_head SET sealed = (SELECT sealed FROM audit WHERE id = 1)");
            strange.execute(&mut raw).await.unwrap();
            continue;
        }
        if table.name == "history_mark" {
            let strange = sqlx::query("UPDATE history_mark SET sealed = (SELECT sealed FROM block WHERE id = 1)");
            strange.execute(&mut raw).await.unwrap();
            continue;
        }
        assert!(rows.len() >= 2, "{}", table.name);
        let (id, sealed) = (|n: usize| rows[n].get::<Vec<u8>, _>(0), |n: usize| rows[n].get::<Vec<u8>, _>(1));
        let put = AssertSqlSafe(format!("UPDATE {} SET sealed = ?1 WHERE CAST(id AS BLOB) = ?2", table.name));
        for (from, to) in [(0, 1), (1, 0)] {
            sqlx::query(AssertSqlSafe(put.0.as_str())).bind(sealed(from)).bind(id(to)).execute(&mut raw).await.unwrap();
        }
    }
    let damaged = store.keys().verify(|_, _| {}).await.unwrap();
    for table in SEALED {
        let rows = if ["audit_head", "history_mark"].contains(&table.name) { 1 } else { 2 };
        assert_eq!(damaged.iter().filter(|damage| damage.table == table.name).count(), rows, "{}", table.name);
    }
    assert!(damaged.iter().all(|damage| damage.why.contains("belongs to another row") && !damage.row.is_empty()));
    assert!(matches!(store.register().accounts().await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_column_that_says_something_else_than_the_blob_is_noticed() {
    let house = House::new();
    let store = house.open().await;
    let (accounts, meters) = furnish(&store).await;
    let act = store.acts().list(ActFilter::default()).await.unwrap()[0].id;
    let camera = store.cameras().cards().await.unwrap()[0].id;
    let segment = store.segments().oldest(camera, None, 1).await.unwrap()[0].id;
    let key = store.cameras().days(camera).await.unwrap()[0].1;
    let alert = store.alerts().page(&AlertSpan::default(), 1).await.unwrap().0[0].id;
    let mut raw = house.raw().await;
    let tricks: [&'static str; 22] = [
        "UPDATE telling SET open = 1 - open",
        "UPDATE telling SET person = NULL",
        "UPDATE telling_wish SET person = randomblob(32)",
        "UPDATE account SET once = randomblob(32)",
        "UPDATE point SET account = (SELECT id FROM account ORDER BY rowid DESC LIMIT 1)",
        "UPDATE meter SET hanging = NULL",
        "UPDATE ledger SET at = at + 1",
        "UPDATE ledger SET at = at - 1, standing = randomblob(32) WHERE id = 1",
        "UPDATE act SET created_at = 5",
        "UPDATE act SET created_at = 1795300000011, chain = 7",
        "UPDATE journal SET last_seq = last_seq + 5",
        "UPDATE factor SET person = NULL",
        "UPDATE consent SET person = randomblob(16)",
        "UPDATE audit SET at = at + 1",
        "UPDATE segment SET started = started - 1",
        "UPDATE segment SET started = started + 1, state = 2",
        "UPDATE segment SET state = 1, camera = randomblob(16)",
        "UPDATE camera_day SET day = day + 1",
        "UPDATE alert SET raised_at = raised_at + 1",
        "UPDATE alert SET ended_at = 7",
        "UPDATE alert_mark SET keep_until = keep_until + 1",
        "UPDATE message SET at = at + 1",
    ];
    for trick in tricks {
        sqlx::query(trick).execute(&mut raw).await.unwrap();
        let (register, ledger, acts) = (store.register(), store.ledger(), store.acts());
        let damaged = match trick.split_whitespace().nth(1).unwrap() {
            "account" => register.account(accounts[0].id).await.err(),
            "point" => register.points().await.err(),
            "meter" => register.meter(meters[0].id).await.err(),
            "ledger" => ledger.row(1).await.err(),
            "factor" => store.papers().all(Drawer::Factor).await.err(),
            "consent" => store.papers().all(Drawer::Consent).await.err(),
            "audit" => store.audit().before(None, None, None, 1).await.unwrap().remove(0).1.err(),
            "segment" => store.segments().get(segment).await.err(),
            "telling" => {
                let (found, damaged) = store.tellings().find(&notify::everything()).await.unwrap();
                assert!(found.is_empty() && damaged == 2, "{trick}: they are passed over, not believed");
                continue;
            }
            "telling_wish" => {
                let (found, damaged) = store.tellings().wishes().await.unwrap();
                assert!(found.is_empty() && damaged == 2, "{trick}: they are passed over, not believed");
                continue;
            }
            "message" => {
                let told = store.messages().id_of("portal-message-0");
                store.messages().get(MessageBox::In, told).await.err()
            }
            "camera_day" => store.cameras().key(key).await.err(),
            "alert" => store.alerts().get(alert).await.err(),
            "alert_mark" => {
                let (marks, damaged) = store.alerts().marks(9).await.unwrap();
                assert!(marks.is_empty() && damaged > 0, "{trick}: it is passed over, not believed");
                continue;
            }
            "act" => {
                let listed = acts.list(ActFilter::default()).await.unwrap();
                assert!(listed.iter().all(|other| other.id != act), "{trick}: it is passed over, not believed");
                acts.get(act).await.err()
            }
            _ => Store::open(&house.settings, &house.master).await.unwrap().history().after(Seq(0), 9).await.err(),
        };
        assert!(matches!(damaged, Some(StoreError::Damaged { .. })), "{trick}: {damaged:?}");
    }
}
