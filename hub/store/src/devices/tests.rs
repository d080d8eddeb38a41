//! What is put on the shelf of devices comes back, goes with its device, and is not lost by one damaged row.

use super::*;
use crate::Store;

async fn shelf(folder: &std::path::Path) -> Store {
    let settings = crate::Settings { ballast: 0, ..crate::Settings::new(folder) };
    let master = domovoi_vault::MasterKey::generate().unwrap();
    Store::open(&settings, &master).await.unwrap()
}

fn card(id: &str) -> DeviceCard {
    let found_at = Moment::Wall(domovoi_model::Timestamp(1));
    DeviceCard {
        name: Some("Лампа".into()),
        room: Some(Id([4; 16])),
        hidden_properties: vec!["linkquality".into()],
        credential: Some("lamp".into()),
        external: true,
        heard_from: Some("bridge".into()),
        agreed: Some(vec!["lamp/set".into()]),
        guards: true,
        ..DeviceCard::new(DeviceRef::new("zigbee2mqtt", id), "accepted", found_at)
    }
}

#[tokio::test]
async fn cards_rooms_and_words_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let store = shelf(folder.path()).await;
    let devices = store.devices();
    devices.put(&[card("0x1"), card("0x2")]).await.unwrap();
    let renamed = DeviceCard { name: None, ..card("0x1") };
    devices.replace(&[card("0x2").device], std::slice::from_ref(&renamed)).await.unwrap();
    assert_eq!(devices.cards().await.unwrap().0, std::slice::from_ref(&renamed));

    let room = RoomCard { id: Id([4; 16]), name: "Кухня".into(), position: 2 };
    devices.put_rooms(std::slice::from_ref(&room)).await.unwrap();
    assert_eq!(devices.rooms().await.unwrap(), std::slice::from_ref(&room));
    let moved = DeviceCard { room: None, ..renamed };
    devices.remove_room(room.id, std::slice::from_ref(&moved)).await.unwrap();
    assert!(devices.rooms().await.unwrap().is_empty());
    assert_eq!(devices.cards().await.unwrap().0, [moved]);

    let word = |topic: &str, payload: &str| DeviceWord {
        dialect: "homeassistant".into(),
        topic: topic.into(),
        payload: payload.repeat(100).into_bytes(),
        external: topic == "a",
        first: topic.len() as u64 + 6,
        sender: if topic == "a" { "лампа".into() } else { String::new() },
    };
    devices.put_words(&[word("a", "1"), word("b", "2")]).await.unwrap();
    devices.put_words(&[word("a", "3")]).await.unwrap();
    let topics = devices.words().await.unwrap();
    assert!(topics == [word("b", "2"), word("a", "3")], "what was written last is read last");
    devices.put_words(&[DeviceWord { payload: Vec::new(), ..word("b", "") }]).await.unwrap();
    assert_eq!(devices.words().await.unwrap().len(), 1);
    let large = DeviceWord { payload: vec![0; WORD_LIMIT + 1], ..word("c", "") };
    assert!(matches!(devices.put_words(&[large]).await, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn one_damaged_row_of_each_table_takes_nothing_else_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = shelf(folder.path()).await;
    let devices = store.devices();
    let word = |topic: &str| DeviceWord {
        dialect: "zigbee2mqtt".into(),
        topic: topic.into(),
        payload: b"x".to_vec(),
        external: false,
        first: 0,
        sender: String::new(),
    };
    let room = |id: u8| RoomCard { id: Id([id; 16]), name: format!("{id}"), position: 0 };
    let bye = |id: &str| Forgotten {
        farewell: Farewell { device: card(id).device, topics: Vec::new(), external: false },
        words: Vec::new(),
        credential: None,
    };
    devices.put(&[card("0x1"), card("0x2")]).await.unwrap();
    devices.put_rooms(&[room(1), room(2)]).await.unwrap();
    devices.put_words(&[word("a"), word("b")]).await.unwrap();
    for id in ["0x3", "0x4"] {
        devices.forget(&bye(id)).await.unwrap();
    }
    for table in ["device", "room", "device_word", "farewell"] {
        let mut tx = devices.db.begin().await.unwrap();
        let spoil =
            format!("UPDATE {table} SET sealed = randomblob(80) WHERE rowid = (SELECT min(rowid) FROM {table})");
        let spoilt = sqlx::query(sqlx::AssertSqlSafe(spoil)).execute(tx.conn()).await.unwrap();
        assert_eq!(spoilt.rows_affected(), 1, "{table}");
        tx.commit().await.unwrap();
    }
    assert_eq!(devices.cards().await.unwrap().0, [card("0x2")]);
    assert_eq!(devices.rooms().await.unwrap(), [room(2)]);
    assert!(devices.words().await.unwrap() == [word("b")]);
    assert_eq!(devices.farewells().await.unwrap(), [bye("0x4").farewell]);
}

#[tokio::test]
async fn a_device_is_forgotten_in_one_step_and_the_rest_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let store = shelf(folder.path()).await;
    let devices = store.devices();
    devices.put(&[card("0x1"), card("0x2")]).await.unwrap();
    let info = crate::CredentialInfo {
        username: "lamp".into(),
        publish: vec!["lamp/#".into()],
        subscribe: Vec::new(),
        role: "device".into(),
        certificate: None,
        created_at: Moment::Wall(domovoi_model::Timestamp(1)),
    };
    store.credentials().issue(&info).await.unwrap();
    let word = |topic: &str| DeviceWord {
        dialect: "zigbee2mqtt".into(),
        topic: topic.into(),
        payload: b"x".to_vec(),
        external: false,
        first: 0,
        sender: String::new(),
    };
    devices.put_words(&[word("own"), word("of all")]).await.unwrap();
    let farewell = Farewell { device: card("0x1").device, topics: vec!["zigbee2mqtt/lamp".into()], external: false };
    let forgotten =
        Forgotten { farewell: farewell.clone(), words: vec!["own".into()], credential: Some("lamp".into()) };
    devices.forget(&forgotten).await.unwrap();
    devices.forget(&forgotten).await.unwrap();
    assert_eq!(devices.cards().await.unwrap().0, [card("0x2")]);
    assert_eq!(devices.words().await.unwrap().len(), 1);
    assert!(store.credentials().find("lamp").await.unwrap().is_none());
    assert_eq!(devices.farewells().await.unwrap(), std::slice::from_ref(&farewell));
    devices.said_farewell(&farewell.device).await.unwrap();
    assert!(devices.farewells().await.unwrap().is_empty());
}
