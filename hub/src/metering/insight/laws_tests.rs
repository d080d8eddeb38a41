//! What holds for any ledger that is believed: days add up to months and to what the registers moved, nothing is negative,
//! spreading loses nothing; and no input makes it panic.

use domovoi_model::{Id, MeterId, Tariff, Timestamp};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::days::{HOUR, Unit, day_at, weekday};
use super::evidence::{Norm, Told, evidence};
use super::flow::{LeakRules, Shown, flow, leak};
use super::forecast::forecast;
use super::stretches::{Face, Gaps, How, Reading, Turn, stretches};
use super::tables_tests::{day, face};
use super::tariff::{Charge, Step, Tariffs, Version, span};
use super::usage::{by_day, gathered, unknown, whole};

const BEGIN: i64 = 1_790_000_000_000;

fn zone(n: usize) -> TimeZone {
    TimeZone::get(["Europe/Berlin", "Europe/Moscow", "Asia/Kamchatka", "America/St_Johns", "UTC"][n % 5]).unwrap()
}

/// Steps in time and value; what a ledger believes never goes down but over its end.
fn ledger(digits: u32) -> impl Strategy<Value = (Vec<Reading>, Decimal)> {
    let limit = 10i64.pow(digits) * 1000;
    let step = (1i64..200 * HOUR, 0..limit / 20, any::<bool>());
    (0..limit, prop::collection::vec(step, 1..60)).prop_map(move |(start, steps)| {
        let mut readings = Vec::new();
        let (mut at, mut value, mut moved) = (BEGIN, start, 0i64);
        let read = |at: i64, value: i64, order: usize, by_hand: bool| Reading {
            at: Timestamp(at),
            order: order as i64,
            meter: MeterId(Id([1; 16])),
            tariff: Tariff::T1,
            value: Decimal::new(value, 3),
            how: if by_hand { How::Hand } else { How::Device },
            turn: Turn::None,
        };
        readings.push(read(at, value, 0, false));
        for (place, (millis, more, by_hand)) in steps.into_iter().enumerate() {
            at += millis;
            moved += more;
            let before = value;
            value = (value + more) % limit;
            let turn = if value < before { Turn::Rollover } else { Turn::None };
            readings.push(Reading { turn, ..read(at, value, place + 1, by_hand) });
        }
        (readings, Decimal::new(moved, 3))
    })
}

proptest! {
    #[test]
    fn days_add_up_to_months_and_to_what_the_register_moved(
        (readings, moved) in ledger(5), n in 0usize..5, strict in any::<bool>(),
    ) {
        let zone = zone(n);
        let gaps = if strict { Gaps::STRICT } else { Gaps::USUAL };
        let all = stretches(&readings, Tariff::T1, &[face(1, 5)], gaps);
        let from = day_at(&zone, readings[0].at);
        let to = day_at(&zone, readings[readings.len() - 1].at).plus_days(1).unwrap();
        let days = by_day(&all, 1, &zone, from, to);
        let spans = unknown(&all);
        let sum = whole(&days, &spans).unwrap();
        prop_assert_eq!(sum.total(), moved);
        let of_days: Decimal = days.iter().map(|day| day.amounts[0]).sum();
        let of_spans: Decimal = spans.iter().map(|span| span.amount).sum();
        prop_assert_eq!(of_days + of_spans, moved);
        for unit in Unit::ALL {
            let periods = gathered(&days, &spans, unit);
            prop_assert_eq!(periods.iter().map(|period| period.amounts[0]).sum::<Decimal>(), of_days);
            prop_assert!(periods.iter().all(|p| p.covered_millis <= p.millis() && p.unknown >= Decimal::ZERO));
            prop_assert!(periods.windows(2).all(|pair| pair[0].end == pair[1].begin));
        }
        prop_assert!(days.iter().all(|day| day.amounts[0] >= Decimal::ZERO));
        prop_assert!(days.iter().all(|day| [23, 24, 25].contains(&(day.millis() / HOUR))));
    }

    #[test]
    fn spreading_conserves_wherever_it_is_cut(
        amount in 0i64..1_000_000_000, millis in 1i64..62 * 24 * HOUR, n in 0usize..5, late in 0i64..365 * 24 * HOUR,
    ) {
        let zone = zone(n);
        let read = |at: i64, value: Decimal| Reading {
            at: Timestamp(at), order: at, meter: MeterId(Id([1; 16])), tariff: Tariff::T1, value, how: How::Device,
            turn: Turn::None,
        };
        let ends = [
            read(BEGIN + late, Decimal::ZERO),
            read(BEGIN + late + millis, Decimal::new(amount, 4)),
        ];
        let all = stretches(&ends, Tariff::T1, &[face(1, 9)], Gaps::USUAL);
        let to = day_at(&zone, ends[1].at).plus_days(1).unwrap();
        let days = by_day(&all, 1, &zone, day_at(&zone, ends[0].at), to);
        prop_assert_eq!(days.iter().map(|day| day.amounts[0]).sum::<Decimal>(), Decimal::new(amount, 4));
        prop_assert_eq!(days.iter().map(|day| day.covered_millis).sum::<i64>(), millis);
        // Days of one stretch use as their lengths are, but for the rounding of the cut.
        let per = Decimal::new(amount, 4) / Decimal::from(millis);
        for day in &days {
            let fair = per * Decimal::from(day.covered_millis);
            prop_assert!((day.amounts[0] - fair).abs() <= Decimal::new(2, 6), "{} {fair}", day.amounts[0]);
        }
    }

    #[test]
    fn no_readings_make_a_negative_use_or_a_panic(
        rows in prop::collection::vec((any::<i64>(), any::<i64>(), 0u32..8, 0u8..3, 0u8..3, 0u8..3), 0..40),
    ) {
        let readings: Vec<Reading> = rows
            .into_iter()
            .map(|(at, value, scale, meter, how, turn)| Reading {
                at: Timestamp(at % (4_000_000_000_000)),
                order: at,
                meter: MeterId(Id([meter; 16])),
                tariff: Tariff::T1,
                value: Decimal::new(value, scale).abs(),
                how: [How::Device, How::Hand, How::Installation][usize::from(how)],
                turn: [Turn::None, Turn::Rollover, Turn::Anew][usize::from(turn)],
            })
            .collect();
        let faces: Vec<Face> = (0..3).map(|n| Face { multiplier: Decimal::from(40), ..face(n, 15) }).collect();
        let all = stretches(&readings, Tariff::T1, &faces, Gaps::USUAL);
        prop_assert!(all.iter().all(|stretch| stretch.amount >= Decimal::ZERO && stretch.from < stretch.to));
        let days = by_day(&all, 1, &zone(0), day("2026-01-01"), day("2026-03-01"));
        prop_assert!(days.iter().all(|day| day.amounts[0] >= Decimal::ZERO));
        let _ = forecast(&days);
        let shown: Vec<Shown> = readings.iter().map(|r| Shown { at: r.at, value: r.value }).collect();
        let _ = leak(&shown, Timestamp(BEGIN), &[], Some(Timestamp(0)), &LeakRules::default());
        prop_assert!(flow(&shown, Timestamp(i64::MIN), Timestamp(i64::MAX)).used >= Decimal::ZERO);
    }

    /// With one price a month costs what it used times the price, however steps and days cut it.
    #[test]
    fn equal_prices_make_steps_and_days_vanish((readings, _) in ledger(5), up_to in 1i64..10_000) {
        let zone = zone(1);
        let all = stretches(&readings, Tariff::T1, &[face(1, 5)], Gaps::USUAL);
        let from = Unit::Month.begin(day_at(&zone, readings[0].at));
        let to = day_at(&zone, readings[readings.len() - 1].at).plus_days(1).unwrap();
        let days = by_day(&all, 1, &zone, from, to);
        let price = Decimal::new(725, 2);
        let steps = vec![
            Step { up_to: Some(Decimal::from(up_to)), prices: vec![price] },
            Step { up_to: None, prices: vec![price] },
        ];
        let version = Version { from: day("2020-01-01"), fee: Decimal::ZERO, steps };
        let tariffs = Tariffs {
            name: "x".into(), charge: Charge::ColdWater, points: vec![], currency: "EUR".into(), versions: vec![version],
        };
        let cost = span(&tariffs, &days, &[], from, true);
        let used: Decimal = days.iter().map(|day| day.amounts[0]).sum();
        prop_assert!((cost.used - used * price).abs() < Decimal::new(1, 12));
    }

    #[test]
    fn every_instant_of_evidence_is_known_or_a_gap(
        rows in prop::collection::vec((0i64..400, 50i64..300, 1i64..7), 0..80), n in 0usize..5, span in 1i64..500,
    ) {
        let zone = zone(n);
        let mut at = BEGIN;
        let told: Vec<Told> = rows
            .into_iter()
            .map(|(minutes, degrees, twelfths)| {
                let millis = twelfths * 300_000;
                at += millis + minutes * 60_000;
                let degrees = Decimal::new(degrees, 1);
                Told { from: Timestamp(at), millis, count: 1, min: degrees, mean: degrees, max: degrees }
            })
            .collect();
        let end = Timestamp(BEGIN + span * HOUR);
        let said = evidence(&told, &Norm::ROOM, &zone, Timestamp(BEGIN), end);
        let known: i64 = said.months.iter().map(|m| m.known_millis).sum();
        let gaps: i64 = said.months.iter().map(|m| m.gap_millis).sum();
        let below: i64 = said.months.iter().map(|m| m.below_millis).sum();
        prop_assert_eq!(known + gaps, span * HOUR);
        prop_assert_eq!(gaps, said.gaps.iter().map(|gap| gap.to.0 - gap.from.0).sum::<i64>());
        prop_assert_eq!(below, said.cold.iter().map(|cold| cold.to.0 - cold.from.0).sum::<i64>());
        prop_assert!(said.cold.iter().all(|cold| cold.lowest <= cold.mean && cold.mean < Norm::ROOM.day));
    }
}

#[test]
fn monday_is_the_first_day() {
    assert_eq!((weekday(day("2026-11-23")), weekday(day("2026-11-22"))), (0, 6));
}
