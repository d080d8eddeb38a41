//! Tests of drawing up an act.

use super::*;
use crate::metering::sign::ActKey;
use crate::metering::terms::tests::terms;
use domovoi_config::{Rounding, Service};
use domovoi_model::{AccountId, ActId, DeviceRef, Id, MeterId, Period, PointId, Reminder, Resource};

fn id(n: u8) -> Id {
    Id([n; 16])
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

const SPAN: Span = Span { period: Period { year: 2026, month: 11 }, until: None };
/// 2026-11-21T22:26:40Z, the 22nd in Moscow.
const SEEN: Timestamp = Timestamp(1_795_300_000_000);

fn facts(value: &str) -> PointFacts {
    PointFacts {
        point: MeteringPoint {
            id: PointId(id(2)),
            account: AccountId(id(3)),
            resource: Resource::ColdWater,
            name: "Кухня, холодная".into(),
            binding: None,
            reminder: Reminder::Never,
        },
        meter: Some(Meter {
            id: MeterId(id(1)),
            point: PointId(id(2)),
            serial: "12345699".into(),
            model: None,
            digits_int: 5,
            digits_frac: 3,
            tariffs: 1,
            multiplier: Decimal::ONE,
            installed: date("2024-01-01"),
            start: RegisterValues::single(Decimal::ZERO),
            verified: None,
            verification_valid_until: Some(date("2030-01-01")),
            removed: None,
        }),
        believed: [Some(believed(value)), None, None, None],
        doubts: vec![],
        taken_out: None,
        awaited: true,
        previous: Some(PreviousReading { values: RegisterValues::single(dec("120.5")), date: date("2026-10-20") }),
        photo: None,
        reading_id: ReadingId(id(9)),
    }
}

fn believed(value: &str) -> Believed {
    Believed {
        value: dec(value),
        seen_at: SEEN,
        source: Source::Device(DeviceRef::new("wmbusmeters", "12345699")),
        raw_sha256: [7; 32],
        confirmed_at: None,
    }
}

fn problems(facts: PointFacts) -> Vec<String> {
    draw_up(&terms(), &[facts], SPAN).problems.into_iter().map(|p| p.what).collect()
}

#[test]
fn a_reading_in_its_window_is_drawn_up_with_its_consumption() {
    let draft = draw_up(&terms(), &[facts("123.5294")], SPAN);
    assert_eq!(draft.problems, []);
    let reading = &draft.readings[0];
    assert_eq!(reading.values.get(Tariff::T1), Some(dec("123.529")), "cut to three decimals, not rounded up");
    assert_eq!(reading.consumption.get(Tariff::T1), Some(dec("3.029")));
    assert_eq!(reading.date_value, date("2026-11-22"));
}

#[test]
fn what_speaks_against_a_reading_is_said_all_at_once() {
    let mut bad = facts("123.5");
    bad.doubts = vec![(Tariff::T1, "held: implausible_jump".into())];
    if let Some(meter) = &mut bad.meter {
        meter.verification_valid_until = Some(date("2026-11-01"));
    }
    let said = problems(bad);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("поверка"));
}

#[test]
fn a_reading_from_outside_the_window_does_not_count() {
    let mut old = facts("123.5");
    old.believed[0] = Some(Believed { seen_at: Timestamp(SEEN.0 - 20 * 86_400_000), ..believed("123.5") });
    assert_eq!(problems(old), ["register T1 was last read on 2026-11-02, outside the window 2026-11-15 – 2026-12-03"]);
    let mut never = facts("1");
    never.believed = [None, None, None, None];
    assert_eq!(problems(never), ["register T1 was never read"]);
    let bare = PointFacts { meter: None, ..facts("1") };
    assert!(problems(bare)[0].starts_with("no meter hangs"));
}

#[test]
fn more_than_plausible_in_the_months_that_passed_asks_a_person() {
    let mut strict = terms();
    strict.services = vec![Service {
        resource: Resource::ColdWater,
        decimals: 0,
        rounding: Rounding::Down,
        max_per_month: Some(dec("11.68")),
    }];
    // 20 October to 22 November is over one month: two months' worth is allowed.
    let within = draw_up(&strict, &[facts("143.9")], SPAN);
    assert_eq!(within.readings[0].values.get(Tariff::T1), Some(dec("143")));
    let over = draw_up(&strict, &[facts("144.9")], SPAN);
    assert!(over.problems[0].what.contains("plausible"), "{:?}", over.problems);
}

#[test]
fn a_fourth_register_goes_only_to_a_supplier_that_takes_it() {
    let mut four = facts("100");
    if let Some(meter) = &mut four.meter {
        meter.tariffs = 4;
    }
    four.believed = [1, 2, 3, 4].map(|n| Some(believed(&format!("{}", 120 + n))));
    let plain = draw_up(&terms(), &[four.clone()], SPAN);
    assert_eq!(plain.readings[0].values.get(Tariff::T4), None);
    let mut wide = terms();
    wide.takes_t4 = true;
    let full = draw_up(&wide, &[four], SPAN);
    assert_eq!(full.readings[0].values.get(Tariff::T4), Some(dec("124")));
}

#[test]
fn a_rollover_that_a_person_let_through_is_counted_over_the_end() {
    let meter = facts("1").meter.unwrap();
    assert_eq!(used(&meter, dec("99999.5"), dec("0.7")), Some(dec("1.2")));
    assert_eq!(used(&Meter { multiplier: dec("40"), ..meter.clone() }, dec("1"), dec("2.5")), Some(dec("60")));
    assert_eq!(used(&meter, dec("1205"), dec("130")), None, "last month's typo was no full register");
}

#[test]
fn what_is_compared_is_cut_alike() {
    let mut whole = terms();
    whole.services =
        vec![Service { resource: Resource::ColdWater, decimals: 0, rounding: Rounding::Down, max_per_month: None }];
    let mut first = facts("100.95");
    first.previous = Some(PreviousReading { values: RegisterValues::single(dec("100.9")), date: date("2026-10-20") });
    let reading = &draw_up(&whole, &[first], SPAN).readings[0];
    assert_eq!(reading.consumption.get(Tariff::T1), Some(dec("0")), "not a turn of the whole register");
    assert_eq!(reading.previous.as_ref().and_then(|p| p.values.get(Tariff::T1)), Some(dec("100")));
}

#[test]
fn a_quarterly_meter_keeps_no_other_month_waiting_but_goes_along_if_it_was_read() {
    let mut unread = facts("1");
    unread.awaited = false;
    unread.believed = [None, None, None, None];
    let draft = draw_up(&terms(), &[unread], SPAN);
    assert_eq!((draft.readings.len(), draft.problems.len()), (0, 0));
    let read = PointFacts { awaited: false, ..facts("123.5") };
    assert_eq!(draw_up(&terms(), &[read], SPAN).readings.len(), 1);
}

#[test]
fn a_meter_that_was_taken_out_states_its_end_whatever_the_window() {
    let mut end = facts("123.5");
    end.taken_out = Some(date("2026-11-02"));
    end.believed[0] = Some(Believed { seen_at: Timestamp(SEEN.0 - 20 * 86_400_000), ..believed("123.5") });
    let reading = &draw_up(&terms(), &[end], SPAN).readings[0];
    assert_eq!(reading.consumption.get(Tariff::T1), Some(dec("3")));
}

#[test]
fn a_correction_may_state_what_was_read_after_the_window() {
    let mut late = facts("123.5");
    late.believed[0] = Some(Believed { seen_at: Timestamp(SEEN.0 + 20 * 86_400_000), ..believed("123.5") });
    assert_eq!(draw_up(&terms(), &[late.clone()], SPAN).readings.len(), 0);
    let span = Span { until: Some(date("2026-12-20")), ..SPAN };
    assert_eq!(draw_up(&terms(), &[late], span).readings.len(), 1);
}

#[test]
fn the_document_is_what_the_contract_says_and_its_signature_holds() {
    let draft = draw_up(&terms(), &[facts("123.529")], SPAN);
    let act = Act {
        id: ActId(id(5)),
        account: AccountId(id(3)),
        period: Period::new(2026, 11).unwrap(),
        supersedes: None,
        created_at: SEEN,
        document: None,
        signature: None,
        readings: draft.readings,
        state: ActState::Checked,
    };
    let account = Account {
        id: AccountId(id(3)),
        supplier: "vodokanal".into(),
        number: "7712345678".into(),
        els: Some("75да533315".into()),
        jku_id: None,
        label: "Квартира".into(),
    };
    let key = ActKey::from_bytes(&[7; 32]).unwrap();
    let meters = [facts("1").meter.unwrap()];
    let kid = key.public().thumbprint();
    let bytes = document(&terms(), &account, &act, &meters, Some([0xAB; 32]), None, &kid).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["type"], "domovoi.meter-act");
    assert_eq!(json["created_at"], "2026-11-22T01:26:40+03:00");
    assert_eq!(json["readings"][0]["values"]["t1"], "123.529");
    assert_eq!(json["readings"][0]["meter"]["unit_okei"], "113");
    assert_eq!(json["readings"][0]["previous"]["values"]["t1"], "120.5");
    assert_eq!(json["readings"][0]["source"]["protocol"], "wmbusmeters");
    assert_eq!(json["previous_act_sha256"], "ab".repeat(32));
    assert_eq!(json["supersedes"], serde_json::Value::Null);
    assert!(json["readings"][0].get("photo").is_none());
    let signature = key.sign(&bytes);
    assert_eq!(key.public().verify(&bytes, &signature), Ok(()));
    assert!(document(&terms(), &account, &act, &[], None, None, &kid).is_err(), "no meter, no document");
}

#[test]
fn the_same_readings_are_not_a_correction() {
    let one = draw_up(&terms(), &[facts("123.529")], SPAN).readings;
    let mut other = facts("123.5291");
    other.reading_id = ReadingId(id(77));
    let two = draw_up(&terms(), &[other], SPAN).readings;
    assert!(says_the_same(&one, &two));
    let three = draw_up(&terms(), &[facts("123.6")], SPAN).readings;
    assert!(!says_the_same(&one, &three));
    // One that stands twice hides none that stands in the other only.
    let (twice, both) = ([one.clone(), one.clone()].concat(), [one.clone(), three.clone()].concat());
    assert!(!says_the_same(&twice, &both) && !says_the_same(&both, &twice));
}
