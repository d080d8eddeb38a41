//! History through the API's router, with a whole house behind it.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use domovoi_model::{DeviceRef, Moment, Quality, Sample, Unit, Value as Said};
use domovoi_store::Urgency;
use rust_decimal::Decimal;
use serde_json::Value;
use tower::ServiceExt as _;

use super::tests::{Answer, Home, NOON, answered, is_problem};
use crate::policy::Role;

fn sample(property: &str, value: Said, at: i64) -> Sample {
    Sample {
        device: DeviceRef::new("tasmota", "plug"),
        property: property.to_owned(),
        value,
        unit: Unit::Watt,
        quality: Quality::Good,
        at: Moment::Wall(NOON.plus_millis(at)),
        device_time: None,
    }
}

impl Home {
    async fn recorded(&self, count: i64) {
        let samples = (0..count).map(|n| sample("power", Said::Number(Decimal::new(n, 1)), n * 1000 - 3_600_000));
        self.desk.store.history().record(samples.collect(), Urgency::Now).await.unwrap();
    }

    async fn brought(&self, text: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post("/api/v1/history/import").header(header::CONTENT_TYPE, "text/csv");
        let response = self.console.clone().oneshot(request.body(text.into()).unwrap()).await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap())
    }

    async fn ask_with(&self, request: axum::http::request::Builder, kind: &str, text: String) -> Answer {
        let request = request.header(header::CONTENT_TYPE, kind).body(Body::from(text)).unwrap();
        answered(&self.page, request).await
    }

    async fn taken(&self, uri: &str) -> Response {
        self.console.clone().oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap()
    }
}

async fn text(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(to_bytes(response.into_body(), 8 << 20).await.unwrap().to_vec()).unwrap()
}

const SPAN: &str = "device=tasmota:plug&property=power&from=2026-11-21T11:00:00Z&to=2026-11-21T12:00:00Z";

#[tokio::test]
async fn a_span_is_read_in_pages_that_join() {
    let home = Home::new().await;
    home.recorded(25).await;
    let (mut seen, mut from) = (Vec::new(), "2026-11-21T11:00:00Z".to_owned());
    loop {
        let uri = format!(
            "/api/v1/history/samples?device=tasmota:plug&property=power&from={from}&to=2026-11-21T12:00:00Z&limit=10"
        );
        let page = home.console(Method::GET, &uri, None).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert_eq!(page.headers.contains_key(header::LINK), page.body["next"].is_string());
        let samples = page.body["samples"].as_array().unwrap();
        seen.extend(samples.iter().map(|one| one["value"].as_str().unwrap().parse::<Decimal>().unwrap()));
        assert!(seen.len() <= 25, "pages repeat");
        match page.body["next"].as_str() {
            Some(next) => from = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..25).map(|n| Decimal::new(n, 1)).collect::<Vec<_>>());
    let series = home.console(Method::GET, "/api/v1/history/series", None).await;
    assert_eq!(series.body["series"][0]["device"], "tasmota:plug");
    assert_eq!(series.body["series"][0]["unit"], "W");
}

#[tokio::test]
async fn a_time_is_milliseconds_too_and_what_is_no_time_is_said() {
    let home = Home::new().await;
    home.recorded(3).await;
    let at = NOON.0 - 3_600_000 + 1000;
    let uri = format!("/api/v1/history/at?device=tasmota:plug&property=power&at={at}");
    let one = home.console(Method::GET, &uri, None).await;
    assert_eq!(one.body["sample"]["value"], "0.1", "{}", one.body);
    let before = "/api/v1/history/at?device=tasmota:plug&property=power&at=2020-01-01T00:00:00%2B03:00";
    assert_eq!(home.console(Method::GET, before, None).await.body["sample"], Value::Null);
    for (query, word) in [
        ("samples?device=plug&property=power", "dialect:id"),
        ("samples?device=a:b&property=", "property"),
        ("samples?device=a:b&property=p&from=soon", "from"),
        ("samples?device=a:b&property=p&from=2026-11-21T12:00:00Z&to=2026-11-21T12:00:00Z", "before"),
        ("samples?device=a:b&property=p&limit=10001", "limit"),
        ("rollups?device=a:b&property=p&level=2m", "level"),
        ("rollups?device=a:b&property=p&level=5m&from=2020-01-01T00:00:00Z", "coarser"),
        ("at?device=a:b&property=p&at=99999999999999", "at"),
        ("export?format=xml", "format"),
    ] {
        let answer = home.console(Method::GET, &format!("/api/v1/history/{query}"), None).await;
        is_problem(&answer, 422, "invalid");
        assert!(answer.body["title"].as_str().unwrap().contains(word), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_is_taken_away_is_brought_in_again_once() {
    let home = Home::new().await;
    home.recorded(5).await;
    let mine = vec![
        sample("note", Said::Text("=HYPERLINK(\"http://evil\")".into()), -1000),
        sample("note", Said::Text("'quoted, \"twice\"\nand broken".into()), -500),
    ];
    home.desk.store.history().record(mine, Urgency::Now).await.unwrap();
    let csv = text(home.taken("/api/v1/history/export?format=csv").await).await;
    assert!(csv.starts_with("at,device,property,value,is,unit,suspect,device_time\r\n"), "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""), "{csv}");
    assert_eq!(csv.matches("tasmota:plug").count(), 7);
    let lines = text(home.taken("/api/v1/history/export?format=jsonl&property=note").await).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["value"], "=HYPERLINK(\"http://evil\")");

    let (status, again) = home.brought(csv.clone()).await;
    assert_eq!((status, &again["kept"], &again["duplicates"]), (StatusCode::OK, &0.into(), &7.into()), "{again}");
    let other = Home::new().await;
    let (_, fresh) = other.brought(csv.clone()).await;
    assert_eq!((&fresh["kept"], &fresh["duplicates"], &fresh["refused"]), (&7.into(), &0.into(), &0.into()), "{fresh}");
    assert_eq!(text(other.taken("/api/v1/history/export").await).await, csv, "the copy is the original");
    // What the export could not read is said in the file, and by whoever brings that in.
    let gap = format!("{csv}2026-11-21T11:00:00Z,tasmota:plug,power,block row 7,trouble,,,\r\n");
    let (_, told) = other.brought(gap).await;
    assert_eq!((&told["duplicates"], &told["troubles"], &told["refused"]), (&7.into(), &1.into(), &0.into()), "{told}");
}

#[tokio::test]
async fn what_cannot_be_read_is_said_with_line_and_column_and_its_batch_is_left_out() {
    let home = Home::new().await;
    let good = "2026-11-21T11:00:00Z,tasmota:plug,power,1\n";
    let (status, view) = home.brought(format!("at,device,property,value\n{good}yesterday,a:b,p,1\n")).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    assert_eq!((&view["kept"], &view["refused"]), (&0.into(), &2.into()), "{view}");
    assert_eq!((&view["mistakes"][0]["line"], &view["mistakes"][0]["column"]), (&3.into(), &1.into()), "{view}");
    for (body, said) in [
        ("".to_owned(), "line 1, column 1"),
        ("at,device\n".to_owned(), "line 1, column 3"),
        ("when,device,property,value\n".to_owned(), "line 1, column 1"),
        (format!("at,device,property,value\n{good}\"{}", "x".repeat(100_000)), "longer than"),
    ] {
        let (status, view) = home.brought(body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{view}");
        assert!(view["title"].as_str().unwrap().contains(said), "{view}");
    }
    let (status, view) = home.brought(Body::from(b"at,device,property,value\n0,a:b,p,\xff\n".to_vec())).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(view["title"].as_str().unwrap().contains("line 2, column 4"), "{view}");
    assert!(home.desk.store.history().series().await.unwrap().is_empty(), "nothing of it was kept");
    let plain = home.console(Method::POST, "/api/v1/history/import", Some(Value::Null)).await;
    is_problem(&plain, 415, "not-csv");
}

#[tokio::test]
async fn a_sender_that_goes_away_in_the_middle_leaves_whole_batches() {
    use futures_util::stream;
    let home = Home::new().await;
    let mut first = String::from("at,device,property,value\n");
    for n in 0..4100 {
        first.push_str(&format!("{},tasmota:plug,power,{n}\n", NOON.0 + n));
    }
    let body = stream::iter([Ok(first), Err(std::io::Error::other("the line is dead"))]);
    let (status, view) = home.brought(Body::from_stream(body)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(view["title"].as_str().unwrap().contains("4000 samples before it were kept"), "{view}");
}

#[tokio::test]
async fn an_export_is_read_as_slowly_as_its_reader_likes_and_ends_with_it() {
    use futures_util::StreamExt as _;
    let home = Home::new().await;
    home.recorded(5000).await;
    let mut body = home.taken("/api/v1/history/export").await.into_body().into_data_stream();
    let header = body.next().await.unwrap().unwrap();
    assert!(header.starts_with(b"at,"));
    let page = body.next().await.unwrap().unwrap();
    assert!(page.iter().filter(|byte| **byte == b'\n').count() <= 2000, "a page is all that is in memory");
    drop(body);
    assert_eq!(text(home.taken("/api/v1/history/export").await).await.lines().count(), 5001);
}

#[tokio::test]
async fn who_may_see_take_away_and_bring_in() {
    let home = Home::new().await;
    home.recorded(3).await;
    let (_, owner) = home.signed_in("anna", Role::Owner).await;
    let (_, adult) = home.signed_in("boris", Role::Adult).await;
    let (child, petya) = home.signed_in("petya", Role::Child).await;
    let samples = format!("/api/v1/history/samples?{SPAN}");
    for who in [&owner, &adult, &petya] {
        assert_eq!(home.ask(who.get(&samples), None).await.body["samples"].as_array().unwrap().len(), 3);
    }
    is_problem(&home.ask(adult.get("/api/v1/history/export"), None).await, 403, "role");
    is_problem(&home.ask(adult.change(Method::POST, "/api/v1/history/import"), None).await, 403, "role");
    // What was taken away from one person is not there for them, whichever way they ask.
    let grant = serde_json::json!({
        "effect": "deny", "verbs": ["see"], "kind": "device", "one": "tasmota:plug", "capability": "power",
    });
    let given = home.console(Method::POST, &format!("/api/v1/people/{child}/grants"), Some(grant)).await;
    assert_eq!(given.status, StatusCode::CREATED, "{}", given.body);
    let petya = home.enter(child.parse().unwrap()).await;
    is_problem(&home.ask(petya.get(&samples), None).await, 403, "denied");
    let series = home.ask(petya.get("/api/v1/history/series"), None).await;
    assert_eq!(series.body["series"].as_array().unwrap().len(), 0, "{}", series.body);
}

#[tokio::test]
async fn what_may_not_be_seen_is_neither_taken_away_nor_asked_about_by_bringing_it_in() {
    let home = Home::new().await;
    home.recorded(1).await;
    let note = sample("note", Said::Text("here".into()), -1000);
    home.desk.store.history().record(vec![note], Urgency::Now).await.unwrap();
    let (anna, _) = home.signed_in("anna", Role::Owner).await;
    let (boris, _) = home.signed_in("boris", Role::Adult).await;
    let give = async |person: &str, effect: &str, verb: &str| {
        let grant = serde_json::json!({
            "effect": effect, "verbs": [verb], "kind": "device", "one": "tasmota:plug", "capability": "power",
        });
        let uri = format!("/api/v1/people/{person}/grants");
        let given = home.console(Method::POST, &uri, Some(grant)).await;
        assert_eq!(given.status, StatusCode::CREATED, "{}", given.body);
        (given.body["id"].as_str().unwrap_or_default().to_owned(), home.enter(person.parse().unwrap()).await)
    };
    let export = "/api/v1/history/export?format=jsonl";
    for verb in ["see", "export"] {
        let (grant, anna_now) = give(&anna, "deny", verb).await;
        // One line, and so it is JSON: the other property.
        let answer = home.ask(anna_now.get(export), None).await;
        assert_eq!(
            (answer.status, &answer.body["property"]),
            (StatusCode::OK, &"note".into()),
            "{verb}: {}",
            answer.body
        );
        let named = format!("{export}&device=tasmota:plug&property=power");
        is_problem(&home.ask(anna_now.get(&named), None).await, 403, "denied");
        is_problem(&home.ask(anna_now.get(&format!("{export}&property=power")), None).await, 403, "denied");
        if verb == "see" {
            let at =
                home.desk.store.history().last_at(&DeviceRef::new("tasmota", "plug"), "power", NOON).await.unwrap();
            let line = format!("at,device,property,value,unit\n{},tasmota:plug,power,0.0,W\n", at.point.unwrap().at);
            let request = anna_now.change(Method::POST, "/api/v1/history/import");
            let answer = home.ask_with(request, "text/csv", line.clone()).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            assert_eq!(
                (&answer.body["duplicates"], &answer.body["refused"]),
                (&0.into(), &1.into()),
                "{}",
                answer.body
            );
            assert_eq!(answer.body["mistakes"][0]["column"], 3);
            assert_eq!(home.brought(line).await.1["duplicates"], 1, "who may see it hears so");
        }
        let taken = home.console(Method::DELETE, &format!("/api/v1/people/{anna}/grants/{grant}"), None).await;
        assert!(taken.status.is_success(), "{}", taken.body);
    }
    let (_, boris) = give(&boris, "allow", "export").await;
    let answer = home.ask(boris.get(export), None).await;
    assert_eq!((answer.status, &answer.body["property"]), (StatusCode::OK, &"power".into()), "{}", answer.body);
}

#[tokio::test]
async fn as_long_a_name_as_history_keeps_is_asked_for_and_brought_in() {
    let home = Home::new().await;
    let property = "p".repeat(900);
    let long = sample(&property, Said::Number(Decimal::new(10, 1)), -1000);
    home.desk.store.history().record(vec![long], Urgency::Now).await.unwrap();
    let uri = format!("/api/v1/history/at?device=tasmota:plug&property={property}");
    let answer = home.console(Method::GET, &uri, None).await;
    assert_eq!(answer.body["sample"]["value"], "1.0", "{}", answer.body);
    assert_eq!((&answer.body["exact"], &answer.body["troubles"]), (&true.into(), &serde_json::json!([])));
    let csv = text(home.taken("/api/v1/history/export?format=csv").await).await;
    assert_eq!(home.brought(csv).await.1["duplicates"], 1);
    // A mean has all its digits.
    let other = sample("fine", Said::Number(Decimal::new(123_456, 12)), -500);
    home.desk.store.history().record(vec![other], Urgency::Now).await.unwrap();
    let uri = "/api/v1/history/rollups?device=tasmota:plug&property=fine";
    let answer = home.console(Method::GET, uri, None).await;
    assert_eq!(answer.body["buckets"][0]["mean"], "0.000000123456", "{}", answer.body);
    assert_eq!(answer.body["since"], Value::Null);
    let uri = "/api/v1/history/change?device=tasmota:plug&property=fine";
    let answer = home.console(Method::GET, uri, None).await;
    assert_eq!((&answer.body["exact"], &answer.body["troubles"]), (&true.into(), &serde_json::json!([])));
}
