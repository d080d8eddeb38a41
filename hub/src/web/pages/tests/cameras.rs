//! Cameras on the page, without scripts: a form that says what is wrong, a plan of the week, a day of the archive, erasing.

use axum::http::StatusCode;
use domovoi_vault::Secret;

use super::things::signed_in;
use super::visitor::home;
use crate::cameras::Draft;
use crate::policy::Role;

const ADDRESS: &str = "rtsp://192.168.1.20/secret-path";

#[tokio::test]
async fn a_camera_is_added_by_its_maker_and_what_is_wrong_stands_at_its_field() {
    let home = home().await;
    let mut owner = home.owner("Анна").await;
    owner.get("/cameras").await;
    assert!(owner.page.contains("Камер пока нет"), "{}", owner.page);
    owner.get("/cameras/new").await;
    assert_eq!(owner.status, StatusCode::OK);
    owner.send("/cameras", &[("kind", "ip"), ("name", ""), ("host", "192.168.1.20")]).await;
    assert_eq!(owner.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(owner.page.contains("Назовите камеру"), "{}", owner.page);
    let plan = [
        ("kind", "ip"),
        ("name", "Двор"),
        ("maker", "hikvision"),
        ("host", "192.168.1.20"),
        ("login", "admin"),
        ("password", "hunter2"),
        ("mode", "week"),
        ("days-1", "1"),
        ("days-1", "7"),
        ("from-1", "22:00"),
        ("to-1", "6:00"),
        ("sound", "yes"),
        ("unchecked", "yes"),
    ];
    let wrong: Vec<_> =
        plan.iter().map(|(name, value)| if *name == "to-1" { (*name, "25:00") } else { (*name, *value) }).collect();
    owner.send("/cameras", &wrong).await;
    assert_eq!(owner.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!owner.page.contains("hunter2"), "a password does not come back");
    assert!(owner.page.contains("value=\"22:00\""), "what was typed does: {}", owner.page);
    owner.send("/cameras", &plan).await;
    let camera = home.desk.cameras.find("двор").expect("it is known by its name");
    assert!(owner.path.starts_with(&format!("/cameras/{camera}")), "{}: {}", owner.path, owner.page);
    let card = home.desk.cameras.view(camera).await.unwrap().card;
    assert_eq!(
        (card.host.as_str(), card.port, card.main_path.as_str()),
        ("192.168.1.20", 554, "/Streaming/Channels/101")
    );
    assert_eq!(card.sub_path.as_deref(), Some("/Streaming/Channels/102"));
    let span = card.plan.spans[0];
    assert_eq!((span.days, span.from, span.to), (0b100_0001, 1320, 360));
    owner.get(&format!("/cameras/{camera}")).await;
    assert!(owner.page.contains("data-camera="), "{}", owner.page);
    owner.get(&format!("/cameras/{camera}/settings")).await;
    assert!(owner.page.contains("rtsp://192.168.1.20:554") && !owner.page.contains("/Streaming/"), "{}", owner.page);
    // An empty password and an empty address leave both as they are.
    let fields =
        [("kind", "rtsp"), ("name", "Двор и ворота"), ("login", "admin"), ("mode", "always"), ("enabled", "yes")];
    owner.send(&format!("/cameras/{camera}/settings"), &fields).await;
    assert!(owner.page.contains("Сохранено"), "{}", owner.page);
    let card = home.desk.cameras.view(camera).await.unwrap().card;
    assert_eq!((card.name.as_str(), card.main_path.as_str()), ("Двор и ворота", "/Streaming/Channels/101"));
    assert_eq!(card.password.map(|password| password.expose().clone()).as_deref(), Some("hunter2"));
}

#[tokio::test]
async fn an_empty_day_of_the_archive_says_so_and_a_child_sees_no_camera() {
    let home = home().await;
    let mut owner = home.owner("Анна").await;
    let draft =
        Draft { name: "Двор".into(), address: Secret::new(ADDRESS.to_owned()), enabled: false, ..Draft::default() };
    let camera = home.desk.cameras.add(&draft).await.unwrap().id;
    owner.get(&format!("/cameras/{camera}/archive?day=2026-11-20")).await;
    assert!(owner.page.contains("В этот день ничего не записано"), "{}", owner.page);
    assert!(owner.page.contains("day=2026-11-19") && !owner.page.contains("secret-path"));
    for day in ["", "yesterday", "2026-13-01", "1900-01-01"] {
        owner.get(&format!("/cameras/{camera}/archive?day={day}")).await;
        assert_eq!(owner.status, StatusCode::OK, "{day}");
    }
    owner.get("/cameras").await;
    assert!(owner.page.contains("Двор"));
    let mut child = signed_in(&home, "Петя", Role::Child).await;
    child.get("/cameras").await;
    assert!(!child.page.contains("Двор"), "{}", child.page);
    for path in ["", "/archive", "/settings"] {
        child.get(&format!("/cameras/{camera}{path}")).await;
        assert_eq!(child.status, StatusCode::FORBIDDEN, "{path}");
    }
    owner.get(&format!("/cameras/{camera}/settings")).await;
    owner.send(&format!("/cameras/{camera}/forget"), &[("recordings", "erase")]).await;
    assert!(owner.page.contains("Камер пока нет"), "{}", owner.page);
    owner.get(&format!("/cameras/{camera}")).await;
    assert_eq!(owner.status, StatusCode::NOT_FOUND);
}
