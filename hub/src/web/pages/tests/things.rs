//! Devices, rooms and connecting, walked without scripts; and what a child and a stranger get to see of it.

use axum::http::StatusCode;
use domovoi_model::DeviceRef;

use super::visitor::{Home, PASSWORD, Visitor, home};
use crate::audit::Origin;
use crate::bus::CommandState;
use crate::devices::Wish;
use crate::people::{NewPerson, Profile};
use crate::policy::Role;

pub const LAMP: &str = "zigbee2mqtt:0x00124b0000000001";
pub const LEAK: &str = "zigbee2mqtt:0x00124b0000000002";
pub const VALVE: &str = "zigbee2mqtt:0x00124b0000000003";

pub fn path(device: &str) -> String {
    format!("/devices/{}", device.replace(':', "%3A"))
}

pub fn device(text: &str) -> DeviceRef {
    DeviceRef::parse(text).unwrap()
}

async fn accept(anna: &mut Visitor, which: &str, name: &str) {
    anna.get("/inbox").await;
    anna.send(&format!("{}/acceptance", path(which)), &[("name", name), ("room", "Кухня")]).await;
    assert_eq!(anna.path, format!("{}?new", path(which)), "{}", anna.page);
    assert_eq!(anna.complaints(), Vec::<String>::new());
}

pub async fn signed_in(home: &Home, name: &str, role: Role) -> Visitor {
    let new = NewPerson {
        name: name.into(),
        role,
        contacts: vec![format!("login-{}", role.code())],
        profile: Profile::default(),
        until: (role == Role::Guest).then(|| home.clock.wall().plus_millis(86_400_000)),
    };
    let person = home.desk.people.add(new).await.unwrap();
    let link = home.desk.signin.entry_token(person.id, true).await.unwrap();
    let password = domovoi_vault::Secret::new(PASSWORD.to_owned());
    home.desk.signin.enter(link.expose(), Some(password), &Origin::default()).await.unwrap();
    let mut visitor = home.visitor();
    visitor.get("/sign-in").await;
    let login = format!("login-{}", role.code());
    visitor.send("/sign-in", &[("login", &login), ("password", PASSWORD), ("next", "/devices")]).await;
    assert_eq!(visitor.path, "/devices", "{}", visitor.page);
    visitor
}

#[tokio::test]
async fn a_lamp_goes_from_the_inbox_into_a_room_and_is_switched_and_says_so_itself() {
    let mut home = home().await;
    home.has_devices("T").await;
    let mut anna = home.owner("Анна").await;
    anna.get("/rooms").await;
    anna.send("/rooms", &[("name", "Кухня")]).await;
    anna.send("/rooms", &[("name", "кухня")]).await;
    assert!(anna.status == StatusCode::UNPROCESSABLE_ENTITY && anna.page.contains("уже есть"), "{}", anna.page);
    anna.get("/devices").await;
    // The bridge is a device, too.
    assert!(anna.page.contains("4 устройства ждут"), "{}", anna.page);
    accept(&mut anna, LAMP, "Лампа").await;
    home.hears("bridge", "zigbee2mqtt/T lamp", r#"{"state":"OFF"}"#);
    home.until("it is known to be off", |desk| {
        desk.devices.state(&device(LAMP), "state").filter(|state| state.value.is_some())
    })
    .await;
    anna.get("/devices").await;
    assert!(anna.page.contains("Лампа") && anna.page.contains("Кухня") && anna.page.contains("Выключено"));
    let said = {
        let (ingest, hears) = (home.desk.ingest.clone(), home.desk.devices.clone());
        tokio::spawn(async move {
            // The lamp obeys once it was told.
            while hears.lives_of(&device(LAMP)).is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let arrival = crate::ingest::Arrival {
                road: domovoi_adapters::Road::Embedded,
                sender: "bridge",
                topic: "zigbee2mqtt/T lamp",
                payload: br#"{"state":"ON"}"#,
                retained: false,
                again: false,
            };
            drop(ingest.take(arrival));
        })
    };
    let fields = [("property", "state"), ("value", "on")];
    anna.send(&format!("{}/commands", path(LAMP)), &fields).await;
    said.await.unwrap();
    assert_eq!(anna.path, path(LAMP), "{}", anna.page);
    let state = home.desk.devices.lives_of(&device(LAMP))[0].state;
    // A broker that nobody reaches is told so; one that is there has the lamp's own word.
    let words = match state {
        CommandState::Confirmed => "подтверждено устройством",
        CommandState::Refused => "передать не удалось",
        _ => "сказано",
    };
    assert!(anna.page.contains(words), "{state:?}: {}", anna.page);
    // What the device cannot do is refused with the reason, at its field.
    anna.send(&format!("{}/commands", path(LAMP)), &[("property", "state"), ("value", "sideways")]).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", anna.page);
    assert!(anna.page.contains("Команда не послана"), "{}", anna.page);
    anna.send(&path(LAMP), &[("name", "Торшер"), ("room", "")]).await;
    assert!(anna.page.contains("Торшер"), "{}", anna.page);
    anna.send(&format!("{}/forget", path(LAMP)), &[]).await;
    assert_eq!(anna.path, "/devices");
    assert!(home.desk.devices.show(&device(LAMP)).is_none());
}

#[tokio::test]
async fn a_child_switches_a_lamp_and_opens_no_valve_and_a_stranger_sees_nothing() {
    let mut home = home().await;
    home.has_devices("T").await;
    let mut anna = home.owner("Анна").await;
    anna.get("/rooms").await;
    anna.send("/rooms", &[("name", "Кухня")]).await;
    accept(&mut anna, LAMP, "Лампа").await;
    accept(&mut anna, VALVE, "Кран").await;
    accept(&mut anna, LEAK, "Протечка").await;
    anna.get(&path(LEAK)).await;
    anna.send(&format!("{}/presets", path(LEAK)), &[("preset", "leak-closes"), ("other", &format!("{VALVE}|state"))])
        .await;
    let unfit = anna.status == StatusCode::UNPROCESSABLE_ENTITY;
    assert!(anna.path == "/safety" || unfit, "{}: {}", anna.path, anna.page);

    let mut petya = signed_in(&home, "Петя", Role::Child).await;
    assert!(petya.page.contains("Лампа") && !petya.page.contains("/connect"), "{}", petya.page);
    petya.get(&path(LAMP)).await;
    assert!(petya.page.contains("/commands") && !petya.page.contains("/forget"), "{}", petya.page);
    petya.get(&path(VALVE)).await;
    assert!(petya.status == StatusCode::OK && !petya.page.contains("/commands"), "{}", petya.page);
    let csrf = petya.csrf();
    let forged = [("csrf", csrf.as_str()), ("property", "state"), ("value", "on")];
    petya.post(&format!("{}/commands", path(VALVE)), &forged, Some(super::visitor::ORIGIN)).await;
    assert!(petya.status == StatusCode::FORBIDDEN || petya.path.starts_with("/step-up"), "{}", petya.path);
    assert!(home.desk.devices.lives_of(&device(VALVE)).is_empty(), "the valve was told nothing");
    petya.get("/connect").await;
    assert_eq!(petya.status, StatusCode::FORBIDDEN);

    let mut stranger = home.visitor();
    for place in ["/devices", "/inbox", "/rooms", "/safety", "/connect", &path(LAMP)] {
        stranger.get(place).await;
        assert!(stranger.path.starts_with("/sign-in"), "{place}: {}", stranger.path);
    }
}

#[tokio::test]
async fn a_device_is_connected_by_its_access_which_is_shown_once() {
    let mut home = home().await;
    home.starts();
    let mut anna = home.owner("Анна").await;
    anna.get("/connect?text=esphome").await;
    assert!(anna.page.contains("/connect/esphome"), "{}", anna.page);
    anna.get("/connect/esphome").await;
    assert_eq!(anna.complaints(), Vec::<String>::new());
    anna.send("/connect", &[("type", "esphome"), ("serial", "a/b"), ("name", "Ванная")]).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(anna.page.contains("value=\"Ванная\""), "what was typed is kept: {}", anna.page);
    anna.send("/connect", &[("type", "esphome"), ("serial", "bath"), ("name", "Ванная")]).await;
    assert_eq!((anna.status, anna.complaints()), (StatusCode::CREATED, Vec::new()), "{}", anna.page);
    let password = anna.page.split("id=\"access-password\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(password.len(), 32, "{}", anna.page);
    let id = home.desk.devices.connections()[0].id;
    let place = format!("/connections/{id}");
    anna.get(&place).await;
    assert!(anna.page.contains("Ждём устройство") && !anna.page.contains(&password), "{}", anna.page);
    let config = r#"{"uniq_id":"bath_t","stat_t":"bath/t","unit_of_meas":"°C","dev":{"ids":["bath"],"name":"bath"}}"#;
    home.hears("esphome-bath", "homeassistant/sensor/bath/t/config", config);
    home.until("it has come", |desk| desk.devices.connection(id).filter(|one| one.progress.is_over())).await;
    anna.get(&place).await;
    assert!(anna.page.contains("всё получилось"), "{}", anna.page);
    anna.get("/devices").await;
    assert!(anna.page.contains("Ванная"), "{}", anna.page);
}

#[tokio::test]
async fn a_code_is_read_from_its_photo_and_a_picture_without_one_is_explained() {
    let home = home().await;
    let mut anna = home.owner("Анна").await;
    anna.get("/connect").await;
    anna.upload("/connect/photo", &[], b"no picture").await;
    assert!(anna.status == StatusCode::UNPROCESSABLE_ENTITY && anna.page.contains("не нашлось кода"), "{}", anna.page);
    let text = "domovoi://device?v=1&serial=ESP-0000000001&token=00112233445566778899aabbccddeeff\
        &publish=esp%2Fesp-0000000001%2F%23";
    let drawn = qrcode::QrCode::new(text).unwrap();
    let (side, colours) = (drawn.width(), drawn.to_colors());
    let picture = image::GrayImage::from_fn((side as u32 + 8) * 5, (side as u32 + 8) * 5, |x, y| {
        let at = |place: u32| (place as usize / 5).checked_sub(4).filter(|place| *place < side);
        let dark = at(x).zip(at(y)).is_some_and(|(x, y)| colours[y * side + x] == qrcode::Color::Dark);
        image::Luma([if dark { 0 } else { 255 }])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    anna.get("/connect").await;
    anna.upload("/connect/photo", &[], png.get_ref()).await;
    assert!(anna.page.contains("serial=ESP-0000000001"), "{}", anna.page);
    anna.send("/connect", &[("code", text)]).await;
    assert!(anna.path.starts_with("/connections/"), "{}: {}", anna.path, anna.page);
    anna.get("/connect").await;
    anna.send("/connect", &[("code", "https://example.org")]).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_another_claims_of_a_valve_is_told_in_words_and_a_moved_one_is_opened_when_it_is_accepted_again() {
    const TOPIC: &str = "homeassistant/valve/v1/config";
    const OURS: &str = "homeassistant:v1";
    let config = |told: &str| {
        format!(
            r#"{{"unique_id":"v1","name":null,"device_class":"water","state_topic":"v1/state","command_topic":"{told}",
            "device":{{"identifiers":["v1"],"name":"Вентиль"}}}}"#
        )
    };
    let mut home = home().await;
    home.starts();
    let mut anna = home.owner("Анна").await;
    home.hears("board", TOPIC, &config("v1/set"));
    home.until("the valve is known", |desk| desk.devices.show(&device(OURS))).await;
    home.desk.devices.accept(&device(OURS), Wish::default()).await.unwrap();
    anna.get(&path(OURS)).await;
    assert!(!anna.page.contains("id=\"contested\""), "{}", anna.page);
    home.hears("stranger", TOPIC, &config("stranger/set"));
    anna.get(&path(OURS)).await;
    assert!(anna.page.contains("Кто-то с доступом «stranger» тоже выдаёт себя за него"), "{}", anna.page);
    assert_eq!(anna.complaints(), Vec::<String>::new());
    home.hears("board", TOPIC, &config("elsewhere/set"));
    let directory = home.desk.devices.show(&device(OURS)).unwrap();
    let valve =
        directory.announcement.unwrap().properties.iter().find(|info| info.is_main_of("valve")).cloned().unwrap();
    let open = [("property", valve.name.as_str()), ("value", "on")];
    anna.send(&format!("{}/commands", path(OURS)), &open).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY, "{}: {}", anna.path, anna.page);
    assert!(anna.page.contains("Команда не послана") && anna.page.contains("elsewhere/set"), "{}", anna.page);
    assert_eq!(anna.complaints(), Vec::<String>::new());
    let mut john = signed_in(&home, "John", Role::Owner).await;
    john.get("/me").await;
    john.send("/look", &[("theme", "auto"), ("language", "en"), ("next", &path(OURS))]).await;
    john.send(&format!("{}/commands", path(OURS)), &open).await;
    assert!(john.page.contains("now wants to be spoken to elsewhere, elsewhere/set"), "{}", john.page);
    assert!(john.page.contains("Somebody with the access “stranger” claims to be it"), "{}", john.page);
    anna.send(&format!("{}/acceptance", path(OURS)), &[]).await;
    anna.send(&format!("{}/commands", path(OURS)), &open).await;
    assert_eq!(anna.path, path(OURS), "{}", anna.page);
    assert!(!anna.page.contains("Команда не послана"), "{}", anna.page);
    assert_eq!(home.desk.devices.show(&device(OURS)).unwrap().name, "Вентиль", "its name is as it was");
}
