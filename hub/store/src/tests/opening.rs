//! Tests of opening, refusing and migrating a store.

use std::os::unix::fs::PermissionsExt;

use domovoi_vault::UnwrapError;
use sqlx::{Row, SqliteConnection};

use super::*;
use crate::schema::{FRESH, MIGRATIONS, VERSION, migrate, number};

#[tokio::test]
async fn a_new_store_is_its_owners_alone() {
    let house = House::new();
    assert!(!Store::exists(house.path()));
    let store = house.open().await;
    furnish(&store).await;
    assert!(Store::exists(house.path()));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(house.path()), 0o700);
    for entry in std::fs::read_dir(house.path()).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn the_database_does_what_the_design_counts_on() {
    let house = House::new();
    let store = house.open().await;
    let mut tx = store.db.begin().await.unwrap();
    for (pragma, want) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA secure_delete", 1)] {
        assert_eq!(number(tx.conn(), pragma).await.unwrap(), want, "{pragma}");
    }
    let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(tx.conn()).await.unwrap().get(0);
    assert_eq!(mode, "wal");
    drop(tx);
    let mut reader = store.db.read().await.unwrap();
    assert!(sqlx::query("DELETE FROM notice").execute(reader.conn()).await.is_err(), "readers only read");
}

#[tokio::test]
async fn the_wrong_master_opens_nothing_and_harms_nothing() {
    let house = House::new();
    let store = house.open().await;
    furnish(&store).await;
    store.close().await;
    let stranger = MasterKey::generate().unwrap();
    let error = Store::open(&house.settings, &stranger).await.err().unwrap();
    assert!(matches!(error, OpenError::Key(UnwrapError::WrongMaster)), "{error}");
    let store = house.open().await;
    assert_eq!(store.register().accounts().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    for content in [b"hello, this is a diary and not a database at all".repeat(40), b"short".to_vec()] {
        let house = House::new();
        std::fs::create_dir(house.path()).unwrap();
        let path = house.path().join("domovoi.db");
        std::fs::write(&path, &content).unwrap();
        let error = Store::open(&house.settings, &house.master).await.err().unwrap();
        assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    let house = House::new();
    std::fs::create_dir(house.path()).unwrap();
    let mut other = house.raw().await;
    sqlx::query("CREATE TABLE bookmarks (url TEXT)").execute(&mut other).await.unwrap();
    let path = house.path().join("domovoi.db");
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&house.settings, &house.master).await.err().unwrap();
    assert!(error.to_string().contains("not a store of this program"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let house = House::new();
    house.open().await.close().await;
    let mut raw = house.raw().await;
    sqlx::query("PRAGMA user_version = 99").execute(&mut raw).await.unwrap();
    let error = Store::open(&house.settings, &house.master).await.err().unwrap().to_string();
    assert!(error.contains("has format 99") && error.contains("newer program"), "{error}");
}

#[tokio::test]
async fn an_interrupted_creation_counts_as_none() {
    let house = House::new();
    std::fs::create_dir(house.path()).unwrap();
    std::fs::write(house.path().join("domovoi.db"), b"").unwrap();
    assert!(!Store::exists(house.path()));
    furnish(&house.open().await).await;
}

#[test]
fn one_daemon_per_folder() {
    let house = House::new();
    let lock = Store::lock(house.path()).unwrap();
    let error = Store::lock(house.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(lock);
    Store::lock(house.path()).unwrap();
}

/// Tables, columns, keys and indexes, without comments and spaces.
async fn shape(conn: &mut SqliteConnection) -> Vec<String> {
    let mut shape = Vec::new();
    let queries = [
        "SELECT t.name, t.type, t.wr, t.strict, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden
         FROM pragma_table_list t, pragma_table_xinfo(t.name) c
         WHERE t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid",
        "SELECT t.name, f.\"table\", f.\"from\", f.\"to\", f.on_update, f.on_delete
         FROM pragma_table_list t, pragma_foreign_key_list(t.name) f ORDER BY 1, 2, 3",
        "SELECT t.name, i.name, i.\"unique\", i.origin, i.partial, c.seqno, c.name, c.\"desc\", c.coll
         FROM pragma_table_list t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) c
         WHERE t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2, 6",
        "SELECT name, sql FROM sqlite_schema WHERE type NOT IN ('table') AND sql IS NOT NULL ORDER BY name",
    ];
    for query in queries {
        for row in sqlx::query(query).fetch_all(&mut *conn).await.unwrap() {
            let cells: Vec<String> = (0..row.len())
                .map(|n| {
                    let number = row.try_get::<Option<i64>, _>(n).map(|cell| format!("{cell:?}"));
                    number.unwrap_or_else(|_| format!("{:?}", row.get::<Option<String>, _>(n)))
                })
                .collect();
            shape.push(cells.join("|").split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    shape
}

#[tokio::test]
async fn every_old_schema_becomes_the_fresh_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut fresh = raw(folder.path().join("fresh.db")).await;
    sqlx::raw_sql(FRESH).execute(&mut fresh).await.unwrap();
    let fresh = shape(&mut fresh).await;
    assert!(fresh.len() > 60, "the comparison sees something: {fresh:#?}");
    for version in 0..=VERSION {
        let mut old = raw(folder.path().join(format!("{version}.db"))).await;
        for step in MIGRATIONS.iter().take(version as usize) {
            sqlx::raw_sql(*step).execute(&mut old).await.unwrap();
        }
        let (vault, _) = domovoi_vault::Vault::create(&MasterKey::generate().unwrap()).unwrap();
        migrate(&mut old, version, &vault).await.unwrap();
        assert_eq!(shape(&mut old).await, fresh, "from version {version}");
    }
}

#[tokio::test]
async fn the_comparison_notices_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let mut fresh = raw(folder.path().join("fresh.db")).await;
    sqlx::raw_sql(FRESH).execute(&mut fresh).await.unwrap();
    let fresh = shape(&mut fresh).await;
    for (n, (from, to)) in [
        ("last_seq  INTEGER NOT NULL", "last_seq  INTEGER"),
        ("(standing, at, id)", "(standing, id, at)"),
        ("WHERE boot IS NOT NULL", "WHERE boot IS NULL"),
        ("REFERENCES account (id)", ""),
        ("WITHOUT ROWID", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut other = raw(folder.path().join(format!("{n}.db"))).await;
        assert!(FRESH.contains(from), "{from}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(FRESH.replace(from, to))).execute(&mut other).await.unwrap();
        assert_ne!(shape(&mut other).await, fresh, "{to}");
    }
}
