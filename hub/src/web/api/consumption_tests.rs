//! Consumption, tariffs and evidence through their doors, with a whole house behind them: what the ledger holds comes out as
//! tables that were worked out by hand, the watch raises its notices once and clears them, and rights hold.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use domovoi_model::{
    Binding, DeviceRef, Finding, Moment, PointId, Quality, RegisterReading, RegisterValues, Reminder, Resource, Sample,
    Source, Tariff, Timestamp, Unit, Value as Said, Verdict,
};
use domovoi_store::LedgerEntry;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::{Answer, Browser, Home, NOON, is_problem};
use crate::metering::{NewMeter, NewPoint};
use crate::policy::Role;

const HOUR: i64 = 3_600_000;

const SUPPLIER: &str = "\n[[supplier]]\nid = \"all\"\nname = \"Всё\"\n\
    resources = [\"cold_water\", \"hot_water\", \"electricity\"]\n\
    window = [{ start = { day = 1 }, end = { last_day = true } }]\n";

async fn house() -> Home {
    Home::with(SUPPLIER).await
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn device() -> DeviceRef {
    DeviceRef::new("tasmota", "water")
}

fn meter(serial: &str, tariffs: u8, start: &str, installed: &str) -> NewMeter {
    let mut values = RegisterValues::default();
    for tariff in &Tariff::ALL[..usize::from(tariffs)] {
        values.set(*tariff, dec(start));
    }
    NewMeter {
        serial: serial.into(),
        model: None,
        digits_int: 5,
        digits_frac: 3,
        tariffs,
        multiplier: Decimal::ONE,
        installed: installed.parse().unwrap(),
        start: values,
        verified: None,
        valid_until: None,
    }
}

impl Home {
    async fn has(&self, resource: Resource, name: &str, meter: NewMeter, bound: bool) -> PointId {
        let binding = bound.then(|| Binding {
            device: device(),
            registers: vec![(Tariff::T1, "total".into())],
            unit: Some(Unit::CubicMetre),
        });
        let new = NewPoint {
            supplier: "all".into(),
            account_number: "1".into(),
            els: None,
            resource,
            name: name.into(),
            binding,
            reminder: Reminder::Never,
            meter,
        };
        self.desk.metering.add(new).await.unwrap().id
    }

    /// What the ledger was told and how it judged it.
    async fn told(&self, point: PointId, tariff: Tariff, rows: &[(&str, &str, Verdict)]) {
        let register = self.desk.metering.register();
        let meter = register.meter_at(point).unwrap().id;
        let entries: Vec<LedgerEntry> = rows
            .iter()
            .map(|(when, value, verdict)| LedgerEntry {
                reading: RegisterReading {
                    point,
                    meter,
                    tariff,
                    value: dec(value),
                    at: Moment::Wall(at(when)),
                    source: Source::Device(device()),
                    raw_sha256: [0; 32],
                    verdict: verdict.clone(),
                },
                seq: None,
            })
            .collect();
        self.desk.store.ledger().append(&entries, None).await.unwrap();
    }

    async fn said(&self, property: &str, unit: Unit, values: impl IntoIterator<Item = (i64, Decimal)>) {
        let sample = |(at, value): (i64, Decimal)| Sample {
            device: device(),
            property: property.into(),
            value: Said::Number(value),
            unit,
            quality: Quality::Good,
            at: Moment::Wall(Timestamp(at)),
            device_time: None,
        };
        let samples: Vec<Sample> = values.into_iter().map(sample).collect();
        for some in samples.chunks(1000) {
            self.desk.store.history().import(some.to_vec()).await.unwrap();
        }
    }

    async fn notices(&self) -> Vec<String> {
        let open = self.desk.store.notices().open().await.unwrap();
        let mut kinds: Vec<String> =
            open.into_iter().filter(|open| open.key.starts_with("insight-")).map(|open| open.notice.kind).collect();
        kinds.sort();
        kinds
    }
}

async fn change(home: &Home, browser: &Browser, method: Method, uri: &str, body: Value) -> Answer {
    home.ask(browser.change(method, uri), Some(body)).await
}

async fn got(home: &Home, browser: &Browser, uri: &str) -> Value {
    let answer = home.ask(browser.get(uri), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.body);
    answer.body
}

fn of(periods: &Value, key: &str) -> Vec<String> {
    let texts = periods["periods"].as_array().unwrap().iter().map(|period| period[key].as_str().unwrap().to_owned());
    texts.collect()
}

const OK: Verdict = Verdict::Accepted(None);

/// Moscow's midnights are 21:00Z. T1 5 and 7, T2 3 and 1, T3 2 and 4; at 6.50, 2.50 and 4.00 the 10th costs 32.50 + 7.50 +
/// 8.00 = 48.00, the 11th 45.50 + 2.50 + 16.00 = 64.00; the month 112.00 and 100.00 for itself, 212.00.
#[tokio::test]
async fn three_zones_are_read_from_the_ledger_priced_and_billed() {
    let home = house().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let point = home.has(Resource::Electricity, "Свет", meter("1", 3, "0", "2026-11-09"), false).await;
    for (tariff, values) in [
        (Tariff::T1, ["1000", "1005", "1012"]),
        (Tariff::T2, ["500", "503", "504"]),
        (Tariff::T3, ["200", "202", "206"]),
    ] {
        let moments = ["2026-11-09T21:00:00Z", "2026-11-10T21:00:00Z", "2026-11-11T21:00:00Z"];
        let rows: Vec<_> = moments.into_iter().zip(values).map(|(when, value)| (when, value, OK)).collect();
        // The first stretch, from the day it was put in, is of the 9th.
        home.told(point, tariff, &rows).await;
    }
    let form = json!({ "name": "Трёхзонный", "charge": "electricity", "currency": "RUB", "versions": [
        { "from": "2026-11-10", "fee": "100", "steps": [{ "prices": ["6,50", "2.50", "4"] }] }] });
    let added = change(&home, &anna, Method::POST, "/api/v1/tariffs", form).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);

    let uri = format!("/api/v1/consumption/{point}?unit=day&from=2026-11-10&to=2026-11-11");
    let days = got(&home, &anna, &uri).await;
    assert_eq!(of(&days, "total"), ["10", "12"]);
    assert_eq!(days["periods"][0]["zones"], json!(["5", "3", "2"]));
    assert_eq!(days["periods"][1]["zones"], json!(["7", "1", "4"]));
    let costs = |n: usize| days["periods"][n]["costs"][0]["total"].clone();
    assert_eq!((costs(0), costs(1)), (json!("48.00"), json!("64.00")));
    assert_eq!((&days["total"], &days["measure"]), (&json!("22"), &json!("kWh")));
    assert!(days["chart"].as_str().unwrap().starts_with("<svg"));
    let sentence = days["sentences"][0].as_str().unwrap();
    assert!(sentence.contains("22"), "{sentence}");

    // 1000 + 500 + 200 came on the 9th, before any price: that has none, and the bill says so.
    let bill = got(&home, &anna, "/api/v1/bill?month=2026-11").await;
    let line = &bill["lines"][0];
    assert_eq!((&line["total"], &line["fee"], &line["unpriced"]), (&json!("212.00"), &json!("100.00"), &json!("1700")));
    assert_eq!(bill["totals"], json!([{ "currency": "RUB", "total": "212.00" }]));
    let october = got(&home, &anna, "/api/v1/bill?month=2026-10").await;
    assert_eq!(october["lines"], json!([]));

    let month = got(&home, &anna, &format!("/api/v1/consumption/{point}?unit=month&from=2026-11-01")).await;
    assert_eq!(of(&month, "total"), ["1722"]);
    let list = got(&home, &anna, "/api/v1/consumption").await;
    assert_eq!(list["points"][0]["month"], "1722");
}

/// 99 998.5 → 0.7 is held as a rollover; decided, it is 1.5 + 0.7 = 2.2. A zero in between is a glitch that the ledger
/// ignored, and a jump to 40 000 nobody confirmed: neither is use.
#[tokio::test]
async fn a_rollover_counts_once_it_is_confirmed_and_what_is_not_believed_never_does() {
    let home = house().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let point = home.has(Resource::ColdWater, "Вода", meter("1", 1, "99998", "2026-11-08"), false).await;
    let held = Verdict::Held(Finding::Rollover);
    home.told(
        point,
        Tariff::T1,
        &[
            ("2026-11-09T21:00:00Z", "99998.5", OK),
            ("2026-11-10T06:00:00Z", "0", Verdict::Ignored(Finding::GlitchToZero)),
            ("2026-11-10T07:00:00Z", "40000", Verdict::Held(Finding::ImplausibleJump)),
            ("2026-11-10T21:00:00Z", "0.7", held),
            ("2026-11-11T21:00:00Z", "1.7", OK),
        ],
    )
    .await;
    let rows = home.desk.metering.history(&point.to_string(), 10).await.unwrap();
    let row = rows.iter().find(|row| row.reading.value == dec("0.7")).unwrap().id;
    home.desk.metering.decide(row, true).await.unwrap();
    let uri = format!("/api/v1/consumption/{point}?from=2026-11-10&to=2026-11-11");
    assert_eq!(of(&got(&home, &anna, &uri).await, "total"), ["2.2", "1"]);
}

/// Old meter: 523 on the 10th, taken out today with 524; the new one begins with 3 and shows 3.25 when it is read by hand.
#[tokio::test]
async fn a_swap_through_the_house_leaves_no_step() {
    let home = house().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let point = home.has(Resource::ColdWater, "Вода", meter("1", 1, "520", "2026-11-05"), false).await;
    let rows = [("2026-11-19T21:00:00Z", "523", OK), ("2026-11-20T21:00:00Z", "523.5", OK)];
    home.told(point, Tariff::T1, &rows).await;
    let end = RegisterValues::single(dec("524"));
    home.desk.metering.replace(&point.to_string(), end, meter("2", 1, "3", "2026-11-21")).await.unwrap();
    home.desk.clock.set(NOON.plus_millis(6 * HOUR));
    let read = RegisterValues::single(dec("3.25"));
    assert!(home.desk.metering.submit(&point.to_string(), read, "anna", None, false).await.unwrap().taken);
    let uri = format!("/api/v1/consumption/{point}?from=2026-11-20&to=2026-11-21");
    let days = got(&home, &anna, &uri).await;
    // The 20th: 0.5; the 21st: 524 − 523.5 and 3.25 − 3: 0.75, and the day says that a person read.
    assert_eq!(of(&days, "total"), ["0.5", "0.75"]);
    assert_eq!(of(&days, "by_hand")[1], "0.25");
}

#[tokio::test]
async fn water_that_never_rests_is_said_once_and_its_end_too() {
    let home = house().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let point = home.has(Resource::ColdWater, "Вода", meter("1", 1, "100", "2026-11-01"), true).await;
    // A litre every five minutes for 26 hours, up to now; said in litres.
    let begin = NOON.0 - 26 * HOUR;
    let values = (0..=26 * 12).map(|n| (begin + n * 300_000, Decimal::from(100_000 + n)));
    home.said("total", Unit::Litre, values).await;
    home.desk.insight.look().await.unwrap();
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, ["water_may_leak"]);
    let said = got(&home, &anna, &format!("/api/v1/consumption/{point}")).await;
    assert_eq!(said["findings"]["leak"], "never_rests");
    assert!(said["sentences"][0].as_str().unwrap().contains("24"), "{}", said["sentences"]);

    // Nothing is heard for a day: nobody knows, and what was said stands.
    home.desk.clock.set(NOON.plus_millis(25 * HOUR));
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, ["water_may_leak"]);
    // It rested for hours.
    let last = Decimal::from(100_000 + 26 * 12);
    home.said("total", Unit::Litre, (0..=48).map(|n| (NOON.0 + 21 * HOUR + n * 300_000, last))).await;
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, Vec::<String>::new());
}

#[tokio::test]
async fn nobody_at_home_makes_a_trickle_a_leak_sooner_and_an_untrusted_clock_says_nothing() {
    let home = house().await;
    let point = home.has(Resource::ColdWater, "Вода", meter("1", 1, "100", "2026-11-01"), true).await;
    let values = (0..=5 * 12).map(|n| (NOON.0 - 5 * HOUR + n * 300_000, Decimal::from(100_000 + n)));
    home.said("total", Unit::Litre, values).await;
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, Vec::<String>::new(), "five hours are no day");
    home.desk.insight.nobody_home_since(Some(NOON.plus_millis(-4 * HOUR)));
    home.desk.clock.set(Timestamp(1_000_000));
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, Vec::<String>::new(), "in 1970 nothing is judged");
    home.desk.clock.set(NOON);
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, ["water_may_leak"]);
    // Somebody took the notice away: the same is not said again.
    home.desk.store.notices().clear(&format!("insight-leak:{point}")).await.unwrap();
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_unusual_day_and_a_silent_meter_are_said() {
    let home = house().await;
    let point = home.has(Resource::ColdWater, "Вода", meter("1", 1, "100", "2026-10-01"), true).await;
    // 0.2 a day for 40 days, and 2.2 yesterday, the 20th.
    let mut rows = Vec::new();
    let first = at("2026-10-11T21:00:00Z");
    for n in 0..=40 {
        let more = if n == 40 { dec("2") } else { Decimal::ZERO };
        let value = dec("102") + Decimal::new(2, 1) * Decimal::from(n) + more;
        rows.push((first.plus_millis(n * 24 * HOUR).to_string(), value.to_string()));
    }
    let rows: Vec<_> = rows.iter().map(|(when, value)| (when.as_str(), value.as_str(), OK)).collect();
    home.told(point, Tariff::T1, &rows).await;
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, ["use_unusual"]);
    // Two days later that day is past, and nothing was heard since.
    home.desk.clock.set(NOON.plus_millis(40 * HOUR));
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, ["readings_stopped"]);
}

/// A thermometer every ten minutes: 19 °C, from the 20th 18:00 (Moscow) to the 21st 02:00 16 °C, silence from 02:00 to
/// 08:00, then 17 °C until noon UTC, which is 15:00. 16 is too cold until midnight, 6 h × 2; between 00:00 and 05:00 15 is
/// allowed. The value of 02:00 holds two hours and five minutes; 17 °C from 08:00 to 15:00: 7 h × 1.
#[tokio::test]
async fn hours_below_the_norm_are_shown_exported_and_written_in_the_journal() {
    let home = house().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let begin = at("2026-11-19T21:00:00Z").0;
    let degrees = |minutes: i64| match minutes / 60 {
        ..18 => Some("19"),
        18..26 => Some("16"),
        26..32 => None,
        _ => Some("17"),
    };
    let values = (0..39 * 6).map(|n| n * 10).filter_map(|m| Some((begin + m * 60_000, dec(degrees(m)?))));
    home.said("temperature", Unit::Celsius, values).await;
    let form = json!({ "name": "Детская", "device": device().to_string(), "property": "temperature" });
    let added = change(&home, &anna, Method::POST, "/api/v1/evidence/places", form).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let place = format!("/api/v1/evidence/places/{}", added.body["place"].as_str().unwrap());
    let span = "from=2026-11-20&to=2026-11-21";
    let shown = got(&home, &anna, &format!("{place}?{span}")).await;
    let month = &shown["months"][0];
    assert_eq!((&month["month"], &month["hours_below"]), (&json!("2026-11"), &json!("13")), "{shown}");
    assert_eq!(month["degree_hours"], "19", "6 × 2 + 7 × 1");
    assert_eq!((&month["lowest"], &shown["samples"]), (&json!("16"), &json!(33 * 6)));
    assert_eq!(shown["cold"].as_array().unwrap().len(), 2);
    assert_eq!(shown["cold"][0]["from"], "2026-11-20T15:00:00.000Z");
    assert_eq!(shown["gaps"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["gaps"][0]["to"], "2026-11-21T05:00:00.000Z");
    assert_eq!(shown["sha256"].as_str().unwrap().len(), 64);

    // Too cold now and for hours: said; warm again: over.
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, ["flat_cold"]);
    home.said("temperature", Unit::Celsius, [(NOON.0 + 60_000, dec("19"))]).await;
    home.desk.clock.set(NOON.plus_millis(600_000));
    home.desk.insight.look().await.unwrap();
    assert_eq!(home.notices().await, Vec::<String>::new());

    let request = Request::get(format!("{place}/export.csv?{span}")).body(Body::empty()).unwrap();
    let response = home.console.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"domovoi-temperature.csv\"");
    let text = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("what,from,to,hours"), "{text}");
    let begins: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(begins, ["below", "no-data", "below"], "{text}");
    let journal = home.console(Method::GET, "/api/v1/journal?deed=evidence.exported", None).await;
    assert_eq!(journal.body["entries"].as_array().unwrap().len(), 1, "{}", journal.body);
    assert!(journal.body.to_string().contains(shown["place"]["name"].as_str().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_is_said_in_words_and_rights_hold() {
    let home = house().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let (_, child) = home.signed_in("ivan", Role::Child).await;
    let (_, guest) = home.signed_in("olga", Role::Guest).await;
    let point = home.has(Resource::ColdWater, "Вода", meter("1", 1, "100", "2026-11-01"), false).await;
    let good = json!({ "name": "Вода", "charge": "cold_water", "currency": "RUB",
        "versions": [{ "from": "2026-01-01", "steps": [{ "prices": ["50.25"] }] }] });
    let with = |path: &[&str], value: Value| {
        let mut form = good.clone();
        let mut place = &mut form;
        for key in path {
            place = match key.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[*key],
            };
        }
        *place = value;
        form
    };
    for bad in [
        with(&["name"], json!(" ")),
        with(&["charge"], json!("air")),
        with(&["currency"], json!("рубли")),
        with(&["versions"], json!([])),
        with(&["versions", "0", "from"], json!("soon")),
        with(&["versions", "0", "fee"], json!("-1")),
        with(&["versions", "0", "steps"], json!([])),
        with(&["versions", "0", "steps", "0", "prices"], json!(["1e9"])),
        with(&["points"], json!(["nonsense"])),
    ] {
        let answer = change(&home, &anna, Method::POST, "/api/v1/tariffs", bad).await;
        is_problem(&answer, 422, "invalid");
        assert!(!answer.body["title"].as_str().unwrap().contains("insight-"), "{}", answer.body);
    }
    for query in ["unit=week", "from=yesterday", "to=2026-11-01", "gaps=none", "from=2001-01-01&to=2026-11-01"] {
        let answer = home.ask(anna.get(&format!("/api/v1/consumption/{point}?{query}")), None).await;
        is_problem(&answer, 422, "invalid");
    }
    let place = json!({ "name": "x", "device": "tasmota:water", "property": "temperature", "norm": "99" });
    is_problem(&change(&home, &anna, Method::POST, "/api/v1/evidence/places", place.clone()).await, 422, "invalid");
    is_problem(&home.ask(anna.get("/api/v1/tariffs/nonsense"), None).await, 404, "not-found");

    let added = change(&home, &anna, Method::POST, "/api/v1/tariffs", good.clone()).await;
    let tariff = format!("/api/v1/tariffs/{}", added.body["tariff"].as_str().unwrap());
    assert_eq!(home.ask(child.get("/api/v1/tariffs"), None).await.status, StatusCode::OK);
    is_problem(&change(&home, &child, Method::PUT, &tariff, good.clone()).await, 403, "role");
    is_problem(&change(&home, &child, Method::POST, "/api/v1/evidence/places", place).await, 403, "role");
    is_problem(&home.ask(guest.get("/api/v1/consumption"), None).await, 403, "role");
    is_problem(&home.ask(guest.get(&format!("/api/v1/consumption/{point}")), None).await, 403, "role");
    let changed = change(&home, &anna, Method::PUT, &tariff, with(&["name"], json!("Другая"))).await;
    assert_eq!((changed.status, &changed.body["name"]), (StatusCode::OK, &json!("Другая")));
    assert_eq!(home.ask(anna.change(Method::DELETE, &tariff), None).await.status, StatusCode::OK);
    assert_eq!(got(&home, &anna, "/api/v1/tariffs").await["tariffs"], json!([]));
}
