//! The standby copy: what is in it, what is not, who can open it, when it is written.

use domovoi_vault::UnwrapError;

use super::*;

fn credential(username: &str) -> CredentialInfo {
    CredentialInfo {
        username: username.into(),
        publish: vec!["zigbee2mqtt/#".into()],
        subscribe: Vec::new(),
        role: "service".into(),
        certificate: None,
        created_at: Moment::Wall(Timestamp(1)),
    }
}

fn rule(id: &str) -> SafetyRow {
    SafetyRow { id: id.into(), body: format!("rule {id}").into_bytes() }
}

#[tokio::test]
async fn a_store_is_made_of_the_copy_when_the_one_it_was_made_of_is_gone() {
    let house = House::new();
    let store = house.open().await;
    furnish(&store).await;
    let password = store.credentials().issue(&credential("leak")).await.unwrap();
    store.safety().put_rule(&rule("own")).await.unwrap();
    store.safety().keep_dangers(&[rule("open")]).await.unwrap();
    store.secrets().put("broker", b"of others").await.unwrap();
    assert!(!Store::has_standby(house.path()));
    let mut standby = store.standby(house.path());
    assert!(standby.refresh().await.unwrap());
    assert!(Store::has_standby(house.path()));
    assert!(!standby.refresh().await.unwrap(), "nothing has changed");
    store.safety().put_rule(&rule("later")).await.unwrap();
    assert!(standby.refresh().await.unwrap(), "a rule came");
    store.close().await;
    std::fs::write(house.path().join("domovoi.db"), vec![0x5A; 1 << 20]).unwrap();
    assert!(Store::open(&house.settings, &house.master).await.is_err());

    let memory = tempfile::tempdir().unwrap();
    let opened = Store::open_standby(&house.settings, memory.path(), &house.master).await.unwrap();
    let found = opened.store.credentials().find("leak").await.unwrap().unwrap();
    assert!(found.verify(password.expose()) && !found.verify("a guess"));
    let ids = |rows: Vec<SafetyRow>| rows.into_iter().map(|row| row.id).collect::<std::collections::BTreeSet<_>>();
    let (rules, damaged) = opened.store.safety().rules().await.unwrap();
    let rules = ids(rules);
    assert!(["later", "own"].iter().all(|id| rules.contains(*id)) && damaged == 0, "{rules:?}");
    assert_eq!(ids(opened.store.safety().dangers().await.unwrap().0), ["open".to_owned()].into());
    assert_eq!(opened.store.secrets().get("broker").await.unwrap().unwrap().expose(), b"of others");
    assert!(opened.store.register().accounts().await.unwrap().is_empty(), "it is no second home");
    let folder = opened.folder.path().to_owned();
    opened.store.close().await;
    drop(opened.folder);
    assert!(!folder.exists(), "nothing of it stays");
}

#[tokio::test]
async fn the_copy_opens_with_the_key_of_the_store_and_is_gone_when_that_is_given_up() {
    let house = House::new();
    let store = house.open().await;
    store.standby(house.path()).refresh().await.unwrap();
    let memory = tempfile::tempdir().unwrap();
    let stranger = MasterKey::generate().unwrap();
    let error = Store::open_standby(&house.settings, memory.path(), &stranger).await.err().unwrap();
    assert!(matches!(error, OpenError::Key(UnwrapError::WrongMaster)), "{error}");
    assert_eq!(std::fs::read_dir(memory.path()).unwrap().count(), 0, "what did not open leaves nothing");
    store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert!(!Store::has_standby(house.path()), "it named a key that was forgotten");
    store.close().await;
}

#[tokio::test]
async fn half_a_copy_is_none_and_a_copy_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new();
    let store = house.open().await;
    std::fs::write(house.path().join("standby.part"), b"half").unwrap();
    assert!(!Store::has_standby(house.path()));
    store.standby(house.path()).refresh().await.unwrap();
    let mode = std::fs::metadata(house.path().join("standby.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(!house.path().join("standby.part").exists());
    let memory = tempfile::tempdir().unwrap();
    assert!(Store::open_standby(&house.settings, memory.path(), &house.master).await.is_ok());
    store.close().await;
}
