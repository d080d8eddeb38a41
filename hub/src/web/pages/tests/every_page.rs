//! What holds on every page: well-formed, labelled, nothing of others in it; and names that were made to break out of
//! their place stay in it.

use axum::http::StatusCode;
use domovoi_model::{Moment, PersonId};

use super::visitor::{Home, NOON, Visitor, home};
use crate::people::{NewPerson, Profile};
use crate::policy::{Effect, Grant, Kind, Role, Verb};
use crate::web::pages;

/// Names that a page must only ever show.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "{{ 7*7 }} </title></main><h1>",
];

async fn furnished(name: &str) -> (Home, Visitor, Vec<String>) {
    let mut home = home().await;
    home.has_devices(&name.chars().take(50).collect::<String>()).await;
    let point = home.add_water(name).await;
    let mut owner = home.owner(name).await;
    let people = &home.desk.people;
    let new = NewPerson {
        name: format!("{name} 2"),
        role: Role::Adult,
        contacts: vec!["+7 916 123-45-67".into()],
        profile: Profile { relation: Some(name.chars().take(40).collect()), ..Profile::default() },
        until: None,
    };
    let other = people.add(new).await.unwrap().id;
    let grant = Grant {
        id_is: Some(name.to_owned()),
        home_only: true,
        until: Some(NOON.plus_millis(86_400_000)),
        ..Grant::new(Effect::Allow, vec![Verb::See], Kind::Camera)
    };
    people.grant(other, grant).await.unwrap();
    let me: PersonId = people.list().iter().find(|person| person.role == Role::Owner).unwrap().id;
    home.desk.signin.issue_token(me, name, Vec::new(), 30).await.unwrap();
    let notice = domovoi_store::Notice {
        kind: "journal_damaged".into(),
        params: vec![("what".into(), name.into())],
        at: Moment::Wall(NOON),
    };
    home.desk.store.notices().raise("a/<key>", &notice).await.unwrap();
    owner.get("/security").await;
    let session = home.desk.signin.sessions(me).await.unwrap()[0].id.clone();
    owner.send(&format!("/security/sessions/{session}/name"), &[("name", name)]).await;
    let device = domovoi_model::DeviceRef::new("zigbee2mqtt", "0x00124b0000000001");
    let room = home.desk.devices.add_room(&name.chars().take(60).collect::<String>()).await.unwrap();
    let wish = crate::devices::Wish { room: Some(room.id), ..Default::default() };
    home.desk.devices.accept(&device, wish.clone()).await.unwrap();
    let how = crate::devices::How::Type {
        id: "esphome".into(),
        serial: Some("bath".into()),
        token: None,
        bridge: None,
        maker_page: None,
    };
    let plan = home.desk.devices.plan(how).unwrap();
    let wish = crate::devices::Wish { name: Some(name.chars().take(60).collect()), ..wish };
    let connection = home.desk.devices.connect(plan, wish, None).await.unwrap().view.id;
    let draft = crate::cameras::Draft {
        name: name.to_owned(),
        address: domovoi_vault::Secret::new("rtsp://192.168.1.20/".to_owned()),
        login: Some(name.to_owned()),
        ..Default::default()
    };
    let camera = home.desk.cameras.add(&draft).await.unwrap().id;
    let feed = crate::alerts::FeedRef {
        name: "meteo".into(),
        origin: domovoi_model::AlertOrigin::Feed,
        local: true,
        senders: Vec::new(),
    };
    let text = name.replace('&', "&amp;").replace('<', "&lt;");
    let cap = format!(
        "<alert><identifier>a-1</identifier><sender>{text}</sender><sent>2026-11-21T12:00:00+00:00</sent>\
         <status>Actual</status><msgType>Alert</msgType><info><event>{text}</event><severity>Extreme</severity>\
         <headline>{text}</headline><description>{text}</description><instruction>{text}</instruction></info></alert>"
    );
    let heard = home.desk.alerts.hear_cap(&feed, cap.as_bytes());
    let alerts = home.desk.alerts.standing();
    let alert = alerts.iter().find(|alert| alert.feed.as_deref() == Some("meteo"));
    let alert = alert.unwrap_or_else(|| panic!("{heard:?}")).id;
    let paper = serde_json::json!({
        "name": name.chars().take(100).collect::<String>(), "note": name,
        "triggers": [{ "id": "a", "when": "calendar", "title_has": name.chars().take(100).collect::<String>() }],
        "actions": [{ "do": "set", "variable": "x", "value": name }],
    });
    let scenario = home.desk.scenarios.read(&serde_json::from_value(paper).unwrap()).unwrap();
    let by = crate::policy::Who { proved_at: Some(NOON), ..crate::policy::Who::console() };
    let scenario = home.desk.scenarios.save(&by, scenario).await.unwrap().scenario.id;
    let hand = crate::presence::Hand { home: true, by: crate::presence::By::Person(Some(other)) };
    home.desk.presence.say(other, Some(hand)).await.unwrap();
    home.desk.presence.make_link(other, &name.chars().take(60).collect::<String>()).await.unwrap();
    let row = crate::ingest::RowPaper { property: "t".into(), topic: "garden/t".into(), ..Default::default() };
    let label = Some(name.to_owned());
    let rows = vec![crate::ingest::RowPaper { label, ..row }];
    let mapping =
        crate::ingest::MappingPaper { id: "garden".into(), name: Some(name.into()), rows, ..Default::default() };
    home.desk.ingest.put_mappings(vec![mapping]).await.unwrap();
    drop(home.desk.ingest.take(crate::ingest::Arrival {
        road: domovoi_adapters::Road::Embedded,
        sender: name,
        topic: "shed/state",
        payload: format!("{{\"a\":{}}}", serde_json::to_string(name).unwrap()).as_bytes(),
        retained: false,
        again: false,
    }));
    let step = crate::metering::insight::StepPaper { up_to: None, prices: vec!["50.25".into()] };
    let version =
        crate::metering::insight::VersionPaper { from: "2026-01-01".into(), fee: "10".into(), steps: vec![step] };
    let tariff = crate::metering::insight::TariffPaper {
        name: name.to_owned(),
        charge: "cold_water".into(),
        points: Vec::new(),
        currency: "RUB".into(),
        versions: vec![version],
    };
    let tariff = home.desk.insight.keep_tariff(None, &tariff).await.unwrap().0;
    let place = crate::metering::insight::WarmthPaper {
        name: name.to_owned(),
        device: "zigbee2mqtt:0x00124b0000000001".into(),
        property: name.to_owned(),
        norm: None,
        corner: false,
        night_tolerance: None,
        night: None,
        holds_minutes: None,
    };
    let place = home.desk.insight.keep_place(None, &place).await.unwrap().0;
    let paths = vec![
        ("{scenario}", scenario.to_string()),
        ("{preset}", "night".to_owned()),
        ("{run}", "00112233-4455-6677-8899-aabbccddeeff".to_owned()),
        ("{mapping}", "garden".to_owned()),
        ("{tariff}", tariff.to_string()),
        ("{place}", place.to_string()),
        ("{alert}", alert.to_string()),
        ("{camera}", camera.to_string()),
        ("{device}", device.to_string()),
        ("{type}", "zigbee-leak".to_owned()),
        ("{connection}", connection.to_string()),
        ("{person}", other.to_string()),
        ("{point}", point),
        ("{file}", "none".to_owned()),
        ("{code}", "ABCD1234".to_owned()),
        ("{act}", "00112233-4455-6677-8899-aabbccddeeff".to_owned()),
    ];
    let doors = pages::doors(&home.desk);
    let mut addresses = Vec::new();
    for door in doors.list().iter().filter(|door| door.method == "GET") {
        let mut path = door.path.to_owned();
        for (name, value) in &paths {
            path = path.replace(name, value);
        }
        assert!(!path.contains('{'), "what stands in {path}?");
        addresses.push(path);
    }
    addresses.push("/people/me".into());
    addresses.push("/no-such-page".into());
    addresses.push("/mappings/new?topic=shed%2Fstate".into());
    addresses
        .push(format!("/journal?text={}", url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>()));
    (home, owner, addresses)
}

#[tokio::test]
async fn hostile_names_stay_in_their_place_on_every_page() {
    for name in HOSTILE {
        let (home, mut owner, addresses) = furnished(name).await;
        let mut seen = 0;
        for address in &addresses {
            owner.get(address).await;
            let kind = owner.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if !kind.starts_with("text/html") {
                continue;
            }
            assert!(owner.status != StatusCode::INTERNAL_SERVER_ERROR, "{address}: {}", owner.page);
            assert_eq!(owner.complaints(), Vec::<String>::new(), "{name} at {address}:\n{}", owner.page);
            for bad in ["<script>alert", "<img src=x", "onmouseover='", "</title></main>"] {
                assert!(!owner.page.contains(bad), "{name} breaks out at {address}: {}", owner.page);
            }
            seen += usize::from(owner.page.contains("alert(1)") || owner.page.contains("7*7"));
        }
        assert!(seen >= 8, "the name was planted and is on {seen} pages only");
        home.house.store().clone().close().await;
    }
}

#[tokio::test]
async fn every_page_is_whole_in_both_languages_and_before_signing_in() {
    let (home, mut owner, addresses) = furnished("Анна").await;
    let mut stranger = home.visitor();
    for language in ["ru", "en"] {
        stranger.language = language;
        for address in &addresses {
            stranger.get(address).await;
            let kind = stranger.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind.starts_with("text/html") {
                assert_eq!(stranger.complaints(), Vec::<String>::new(), "{address} in {language}:\n{}", stranger.page);
            }
        }
    }
    // Large type and English for the owner, who came in speaking Russian.
    owner.get("/people/me").await;
    let me = home.desk.people.list()[0].id.to_string();
    owner.send(&format!("/people/{me}"), &[("name", "Anna"), ("language", "en"), ("large", "yes")]).await;
    assert!(owner.page.contains("data-type=\"large\"") && owner.page.contains("lang=\"en\""), "{}", owner.page);
    for address in &addresses {
        owner.get(address).await;
        let kind = owner.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/html") {
            assert_eq!(owner.complaints(), Vec::<String>::new(), "{address}:\n{}", owner.page);
        }
    }
}
