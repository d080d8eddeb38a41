//! MQTT messages that no meter would send. After each of them a good reading goes through.

use std::sync::atomic::Ordering::Relaxed;

use e2e::{Dice, Home, NOON, POINT, Speaker, WATER_ID, hand_clock, seed, settings_text, until};
use firmware_sim::world::Credentials;
use rust_decimal::Decimal;

const TOPIC: &str = "wmbusmeters/ColdWater";

fn telegram(value: &str) -> String {
    format!(r#"{{"_":"telegram","media":"water","meter":"iperl","id":"{WATER_ID}","total_m3":{value},"status":"OK"}}"#)
}

/// A home with its water meter, and a hand on the meter's connection.
struct Kitchen {
    home: Home,
    credentials: Credentials,
    radio: Option<Speaker>,
    /// What the dial shows.
    dial: Decimal,
}

impl Kitchen {
    async fn new(folder: &std::path::Path) -> Kitchen {
        let home = Home::start(folder, &settings_text(None), hand_clock(NOON)).await;
        home.add_water().await;
        let credentials = home.credential("wmbusmeters", &["wmbusmeters/#", "юрта/#"], &[]).await;
        Kitchen { home, credentials, radio: None, dial: "123.500".parse().unwrap() }
    }

    /// The meter's connection; made anew where the last message ended it.
    async fn radio(&mut self) -> &mut Speaker {
        if self.radio.is_none() {
            self.radio = Some(Speaker::connect(self.home.mqtt, &self.credentials).await.expect("it is let in"));
        }
        self.radio.as_mut().unwrap()
    }

    /// Publishes; whether the broker acknowledged it or closed the connection is told.
    async fn say(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), String> {
        let said = self.radio().await.say(topic, payload).await;
        if said.is_err() {
            self.radio = None;
        }
        said
    }

    /// A reading that has to be acknowledged. What was acknowledged is durable, so it need not be waited for here.
    async fn good_reading(&mut self) -> String {
        self.dial += Decimal::new(1, 3);
        let value = self.dial.to_string();
        let said = self.say(TOPIC, telegram(&value)).await;
        assert_eq!(said, Ok(()), "the good reading {value}");
        value
    }

    /// Everything that was said well is believed, in its order and nothing else.
    async fn believes(&self, values: &[String]) {
        let last = values.last().expect("values");
        until("the last good reading is in the ledger", || async {
            (self.home.ledger(POINT).await.last() == Some(last)).then_some(())
        })
        .await;
        assert_eq!(self.home.ledger(POINT).await[1..], *values, "behind the installation");
    }
}

/// What is said of a bad message.
enum Says {
    /// The doctor, about a message that could not be read.
    Misread(&'static str),
    /// The doctor, about a client that was sent away.
    SentAway(&'static str),
    /// The ledger, about a value: its verdict and why.
    Ledger(&'static str, &'static str),
    /// The doctor counts it as refused.
    Refused,
    /// Nobody: it is of no dialect, and only counted.
    Unclaimed,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_message_is_named_and_the_next_good_reading_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut kitchen = Kitchen::new(folder.path()).await;
    let mut good = vec![kitchen.good_reading().await];
    let wide = format!(
        r#"{{"_":"telegram","id":"{WATER_ID}",{}"total_m3":124.9}}"#,
        (0..10_000).map(|n| format!("\"p{n}_c\":{n},")).collect::<String>()
    );
    let deep = format!(r#"{{"_":"telegram","id":"{WATER_ID}","total_m3":{}1{}}}"#, "[".repeat(100), "]".repeat(100));
    let padded = |bytes: usize| {
        let mut payload = telegram("124.9");
        payload.push_str(&" ".repeat(bytes - payload.len()));
        payload
    };
    let cut = telegram("124.9");
    let cut = cut[..cut.len() - 10].to_owned();
    // A packet is a payload, its topic with two bytes of length, the packet's id, and up to five bytes of header.
    let cap = 2 << 20;
    let most = cap - 5 - 2 - TOPIC.len() - 2;
    for (what, topic, payload, says) in [
        ("2 MB", TOPIC, padded(2_000_000).into_bytes(), Says::Misread("too large")),
        ("just under the cap", TOPIC, padded(most).into_bytes(), Says::Misread("too large")),
        ("over the cap", TOPIC, padded(cap).into_bytes(), Says::SentAway("larger than allowed")),
        ("NaN", TOPIC, telegram("NaN").into_bytes(), Says::Misread("NaN or infinite")),
        ("NaN in quotes", TOPIC, telegram("\"NaN\"").into_bytes(), Says::Misread("NaN or infinite")),
        ("infinity", TOPIC, telegram("1e999").into_bytes(), Says::Misread("exact decimal")),
        ("negative", TOPIC, telegram("-7.5").into_bytes(), Says::Ledger("ignored", "negative")),
        ("zero", TOPIC, telegram("0").into_bytes(), Says::Ledger("ignored", "glitch_to_zero")),
        ("huge", TOPIC, telegram("100000").into_bytes(), Says::Ledger("ignored", "too_many_digits")),
        ("jump", TOPIC, telegram("99999").into_bytes(), Says::Ledger("held", "implausible_jump")),
        ("cut", TOPIC, cut.into_bytes(), Says::Misread("not JSON")),
        ("deep", TOPIC, deep.into_bytes(), Says::Misread("nested deeper than 32")),
        ("10,000 properties", TOPIC, wide.into_bytes(), Says::Misread("too many properties")),
        ("not text", TOPIC, vec![0xFF, 0xFE, 0x00], Says::Misread("not UTF-8")),
        ("empty", TOPIC, Vec::new(), Says::Unclaimed),
        ("a topic with «ю»", "юрта/счётчик", telegram("124.9").into_bytes(), Says::Unclaimed),
        ("another's topic", "tele/plug/SENSOR", telegram("124.9").into_bytes(), Says::Refused),
        ("a topic of our own", "domovoi/status", b"gone".to_vec(), Says::Refused),
    ] {
        let home = &kitchen.home;
        let refused = home.ingest.counters().refused.load(Relaxed);
        let misread = home.ingest.counters().misread.load(Relaxed);
        let said = kitchen.say(topic, payload).await;
        assert_eq!(said.is_err(), matches!(says, Says::SentAway(_)), "{what}: {said:?}");
        let home = &kitchen.home;
        match says {
            Says::Misread(words) => {
                let newest = home.ingest.misread_lately();
                assert_eq!(home.ingest.counters().misread.load(Relaxed), misread + 1, "{what}: once: {newest:?}");
                let again = newest.iter().filter(|one| one.what == newest[0].what).count();
                assert_eq!(again, 1, "{what}: the same sentence is told once: {newest:?}");
                assert!(newest[0].what.contains(words) && newest[0].topic == topic, "{what}: {:?}", newest[0]);
                assert!(newest[0].what.chars().count() <= 300);
                home.doctor_says(&["wmbusmeters", topic, words]).await;
            }
            Says::SentAway(words) => {
                home.doctor_says(&["wmbusmeters", "was turned away", words]).await;
            }
            Says::Ledger(verdict, finding) => {
                until(&format!("the ledger says {verdict}: {finding}"), || async {
                    let rows = home.metering.history(POINT, 5).await.unwrap();
                    let newest = &rows[0].reading.verdict;
                    (newest.code() == verdict && newest.finding()?.code() == finding).then_some(())
                })
                .await;
            }
            Says::Refused => {
                let now = home.ingest.counters().refused.load(Relaxed);
                assert_eq!(now, refused + 1, "{what}");
                home.doctor_says(&["refused: the topic is not the credential's"]).await;
            }
            Says::Unclaimed => assert_eq!(home.ingest.counters().misread.load(Relaxed), misread, "{what}"),
        }
        good.push(kitchen.good_reading().await);
        kitchen.believes(&good).await;
    }
    kitchen.home.stop().await;
}

/// Noise, telegrams cut anywhere, telegrams with a byte in them that no text has.
fn noise(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = telegram("124.9").into_bytes();
    let at = dice.below(bytes.len() as u64) as usize;
    match dice.below(3) {
        0 => return (0..dice.below(400)).map(|_| dice.next() as u8).collect(),
        1 => bytes.truncate(at),
        _ => bytes.insert(at, 0xFF),
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_on_a_bound_topic_never_loses_the_next_good_reading() {
    let (seed, rounds) = (seed(), if std::env::var_os("DOMOVOI_FULL").is_some() { 3000 } else { 300 });
    eprintln!("DOMOVOI_SEED={seed}");
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut kitchen = Kitchen::new(folder.path()).await;
    let mut good = Vec::new();
    for _ in 0..rounds {
        let bytes = noise(&mut dice);
        let said = kitchen.say(TOPIC, bytes.clone()).await;
        assert_eq!(said, Ok(()), "unreadable is not forbidden: {bytes:?}");
        good.push(kitchen.good_reading().await);
    }
    kitchen.believes(&good).await;
    kitchen.home.stop().await;
}
