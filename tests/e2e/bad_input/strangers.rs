//! Those who have no business here: no password, a wrong one, no MQTT at all; and one who uses somebody
//! else's client id, which is nobody's business.

use e2e::{Home, NOON, POINT, Speaker, WATER_ID, hand_clock, settings_text, until};
use firmware_sim::world::Credentials;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_turned_away_by_name_and_the_meter_is_heard_all_the_while() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    home.add_water().await;
    let meter = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let plug = home.credential("plug", &["tele/plug/#"], &[]).await;
    let mut radio = Speaker::connect(home.mqtt, &meter).await.unwrap();
    let mut dial = 123_500u32;
    let mut reading = async |radio: &mut Speaker| {
        dial += 1;
        let value = format!("{}.{:03}", dial / 1000, dial % 1000);
        let telegram = format!(r#"{{"_":"telegram","media":"water","id":"{WATER_ID}","total_m3":{value}}}"#);
        radio.say("wmbusmeters/ColdWater", telegram).await.expect("the meter's connection lives");
        until("the reading is believed", || async { (home.ledger(POINT).await.last() == Some(&value)).then_some(()) })
            .await;
    };
    reading(&mut radio).await;

    let nobody = Credentials { client_id: "guest".into(), username: String::new(), password: String::new() };
    let guessed = Credentials { client_id: "guesser".into(), password: "123456".into(), ..meter.clone() };
    let unknown = Credentials { client_id: "who".into(), username: "root".into(), ..meter.clone() };
    let swapped = Credentials { client_id: "swapped".into(), password: plug.password.clone(), ..meter.clone() };
    for (who, credentials, code, says) in [
        ("guest", &nobody, "BadUserNamePassword", "no user name and password"),
        ("guesser", &guessed, "BadUserNamePassword", "user name or password is wrong"),
        ("who", &unknown, "BadUserNamePassword", "user name or password is wrong"),
        ("swapped", &swapped, "BadUserNamePassword", "user name or password is wrong"),
    ] {
        let refused = Speaker::connect(home.mqtt, credentials).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{who} was let in"));
        assert!(refused.contains(code), "{who}: {refused}");
        let line = home.doctor_says(&[who, "was turned away", says]).await;
        assert!(!line.contains(&credentials.password) || credentials.password.is_empty(), "{line}");
        reading(&mut radio).await;
    }
    // Under the meter's client id the plug is the plug, and the meter is heard.
    let posing = Credentials { client_id: meter.client_id.clone(), ..plug.clone() };
    let mut posing = Speaker::connect(home.mqtt, &posing).await.expect("a client id is its owner's");
    posing.say("tele/plug/LWT", "Online".to_owned()).await.expect("its own topics");
    reading(&mut radio).await;
    // Counted, not listed a hundred times.
    for _ in 0..5 {
        assert!(Speaker::connect(home.mqtt, &guessed).await.is_err());
    }
    home.doctor_says(&["guesser", "(6 times)"]).await;

    // No MQTT at all: a browser, and bytes that announce 256 MB.
    for greeting in [&b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"[..], &[0x10, 0xFF, 0xFF, 0xFF, 0x7F], &[0u8; 64]] {
        let mut socket = TcpStream::connect(home.mqtt).await.unwrap();
        socket.write_all(greeting).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end: both say that the broker has closed.
        let _ = socket.read_to_end(&mut answer).await;
        assert!(answer.len() < 16, "{answer:?}");
        reading(&mut radio).await;
    }
    home.stop().await;
}
