//! A right is about a thing, however it is spelled; and no spelling of a path leads where it should not.

use domovoi::policy::{Effect, Grant, Kind, Role, Verb};
use e2e::{NOON, POINT, Site, WATER_ACCOUNT, WATER_ID, hand_clock, settings_text};
use reqwest::{Method, Url};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_away_under_one_name_is_not_there_under_another() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let owner = site.owner().await;
    let adult = site.person("Борис", "boris", Role::Adult).await;
    let point = json!({
        "supplier": "vodokanal", "account": WATER_ACCOUNT, "resource": "cold_water", "name": POINT,
        "meter": { "serial": WATER_ID, "digits": "5.3", "tariffs": 1, "multiplier": "1", "installed": "2024-03-01",
                   "start": "100" },
    });
    let (status, added) = site.ask(&owner, Method::POST, "/api/v1/meters", Some(point)).await;
    assert!(status < 300, "{status}: {added}");
    let id = added["id"].as_str().unwrap();
    let spellings = [id.to_owned(), format!(" {id}"), POINT.to_owned(), POINT.to_uppercase(), WATER_ID.to_owned()];
    let readings = |spelling: &str| {
        let mut url = Url::parse("http://x").unwrap();
        url.path_segments_mut().unwrap().extend(["api", "v1", "meters", spelling, "readings"]);
        url.path().to_owned()
    };
    for spelling in &spellings {
        let (status, answer) = site.ask(&adult, Method::GET, &readings(spelling), None).await;
        assert_eq!(status, 200, "{spelling}: {answer}");
    }
    let deny = Grant {
        id: String::new(),
        effect: Effect::Deny,
        verbs: Verb::ALL.to_vec(),
        kind: Kind::Meter,
        id_is: Some(id.to_owned()),
        room: None,
        capability: None,
        hours: None,
        home_only: false,
        until: None,
        from: None,
    };
    site.desk.people.grant(adult.person.id, deny).await.unwrap();
    // Rights have changed: what was open is over, and Boris signs in again.
    let link = site.desk.signin.entry_token(adult.person.id, true).await.unwrap();
    let adult = site.enter(&link).await;
    for spelling in &spellings {
        let path = readings(spelling);
        let (status, answer) = site.ask(&adult, Method::GET, &path, None).await;
        assert_eq!(status, 403, "{spelling}: {answer}");
        let (status, answer) = site.ask(&adult, Method::POST, &path, Some(json!({ "values": "123" }))).await;
        assert_eq!(status, 403, "{spelling}: {answer}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_out_of_the_embedded_files() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    site.owner().await;
    let asked = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", site.port);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(asked("/sign-in").await.starts_with("HTTP/1.1 200"), "what is there is found");
    for path in [
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..\\..\\etc\\passwd",
        "/assets//etc/passwd",
        "/assets/%00",
        "/trust/../../etc/passwd",
        "//etc/passwd",
    ] {
        let answer = asked(path).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "400" | "404"), "{path}: {answer}");
        assert!(!answer.contains("root:"), "{path}: {answer}");
    }
    site.stop().await;
}
