//! Use and cost against tables that were worked out by hand; the arithmetic stands beside each.

use domovoi_model::{Date, Id, MeterId, PointId, Resource, Tariff, Timestamp};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::days::{HOUR, Unit, start_of};
use super::evidence::{Norm, Told, evidence};
use super::flow::{Leak, LeakRules, Shown, flow, leak};
use super::forecast::{Forecast, Method, forecast};
use super::stretches::{Face, Gaps, How, Kind, Reading, Turn, stretches};
use super::tariff::{Charge, Cost, Step, Tariffs, Version, Wrong, month, rounded, span};
use super::unusual::{median, unusual};
use super::usage::{Use, by_day, gathered, together, unknown, whole};

pub(super) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// A moment as it is spelled in RFC 3339.
fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn moscow() -> TimeZone {
    TimeZone::get("Europe/Moscow").unwrap()
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn meter(n: u8) -> MeterId {
    MeterId(Id([n; 16]))
}

pub(super) fn face(n: u8, digits: u32) -> Face {
    Face { meter: meter(n), rollover_at: Decimal::from(10u64.pow(digits)), multiplier: Decimal::ONE }
}

fn of(n: u8, tariff: Tariff, when: &str, value: &str) -> Reading {
    let (at, value) = (at(when), dec(value));
    Reading { at, order: at.0, meter: meter(n), tariff, value, how: How::Device, turn: Turn::None }
}

fn read(when: &str, value: &str) -> Reading {
    of(1, Tariff::T1, when, value)
}

fn by_hand(when: &str, value: &str) -> Reading {
    Reading { how: How::Hand, ..read(when, value) }
}

/// What each day used of T1, as text.
fn used(days: &[Use]) -> Vec<String> {
    days.iter().map(|day| day.amounts[0].normalize().to_string()).collect()
}

fn water(readings: &[Reading], zone: &TimeZone, from: &str, to: &str) -> Vec<Use> {
    let stretches = stretches(readings, Tariff::T1, &[face(1, 5)], Gaps::USUAL);
    by_day(&stretches, 1, zone, day(from), day(to))
}

/// Moscow is three hours ahead of UTC: its midnight is 21:00Z.
///
/// | stretch (local)          | used | laid on                                            |
/// |--------------------------|------|----------------------------------------------------|
/// | 10th 00:00 – 10th 18:00  | 0.9  | 10th 0.9                                           |
/// | 10th 18:00 – 11th 06:00  | 0.6  | 12 h: 6 h on the 10th = 0.3, 6 h on the 11th = 0.3 |
/// | 11th 06:00 – 12th 00:00  | 0.4  | 11th 0.4                                           |
#[test]
fn use_is_cut_at_midnight_of_the_home() {
    let readings = [
        read("2026-11-09T21:00:00Z", "100"),
        read("2026-11-10T15:00:00Z", "100.9"),
        read("2026-11-11T03:00:00Z", "101.5"),
        read("2026-11-11T21:00:00Z", "101.9"),
    ];
    let days = water(&readings, &moscow(), "2026-11-09", "2026-11-13");
    // 10th: 0.9 + 0.3 = 1.2; 11th: 0.3 + 0.4 = 0.7; sum 1.9 = 101.9 − 100.
    assert_eq!(used(&days), ["0", "1.2", "0.7", "0"]);
    assert_eq!(days.iter().map(Use::is_whole).collect::<Vec<_>>(), [false, true, true, false]);
}

/// A register of five digits goes from 99 999 to 0: 99 998.5 → 0.7 is (100 000 − 99 998.5) + 0.7 = 1.5 + 0.7 = 2.2, and
/// with a current transformer of 40 it is 2.2 × 40 = 88.
#[test]
fn a_register_that_rolls_over_used_what_was_left_and_what_came() {
    let readings = [
        read("2026-11-09T21:00:00Z", "99998.5"),
        read("2026-11-10T21:00:00Z", "0.7"),
        read("2026-11-11T21:00:00Z", "1.7"),
    ];
    assert_eq!(used(&water(&readings, &moscow(), "2026-11-10", "2026-11-12")), ["2.2", "1"]);
    let behind = Face { multiplier: dec("40"), ..face(1, 5) };
    let multiplied = stretches(&readings, Tariff::T1, &[behind], Gaps::USUAL);
    assert_eq!(multiplied.iter().map(|s| s.amount).collect::<Vec<_>>(), [dec("88"), dec("40")]);
    // From the middle of its digits it does not roll over; unless a person said so: 100 000 − 50 000 + 0.7.
    let early = [read("2026-11-09T21:00:00Z", "50000"), Reading { turn: Turn::Rollover, ..readings[1].clone() }];
    assert_eq!(used(&water(&early, &moscow(), "2026-11-10", "2026-11-11")), ["50000.7"]);
}

/// The old meter stood at 523.4 and was taken out at noon of the 11th at 524.0; the new one began with 3.0.
///
/// | day  | old                    | new               | sum |
/// |------|------------------------|-------------------|-----|
/// | 10th | 523.4 − 523.0 = 0.4    |                   | 0.4 |
/// | 11th | 524.0 − 523.4 = 0.6    | 3.5 − 3.0 = 0.5   | 1.1 |
/// | 12th |                        | 3.9 − 3.5 = 0.4   | 0.4 |
#[test]
fn a_swap_counts_the_end_of_the_old_meter_and_the_start_of_the_new_one() {
    let put = |reading: Reading| Reading { how: How::Installation, ..reading };
    let readings = [
        read("2026-11-09T21:00:00Z", "523"),
        read("2026-11-10T21:00:00Z", "523.4"),
        put(read("2026-11-11T09:00:00Z", "524")),
        put(of(2, Tariff::T1, "2026-11-11T09:00:00Z", "3")),
        of(2, Tariff::T1, "2026-11-11T21:00:00Z", "3.5"),
        of(2, Tariff::T1, "2026-11-12T21:00:00Z", "3.9"),
    ];
    let faces = [face(1, 5), face(2, 5)];
    let all = stretches(&readings, Tariff::T1, &faces, Gaps::USUAL);
    let days = by_day(&all, 1, &moscow(), day("2026-11-10"), day("2026-11-13"));
    assert_eq!(used(&days), ["0.4", "1.1", "0.4"]);
    assert!(days.iter().all(Use::is_whole), "no hole between the two: {days:?}");
    // Told only the day after, with the new meter's start dated back: the meters are counted apart, and nothing is lost.
    let mut late = readings.clone();
    late[2].at = at("2026-11-12T06:00:00Z");
    let all = stretches(&late, Tariff::T1, &faces, Gaps::USUAL);
    let days = by_day(&all, 1, &moscow(), day("2026-11-10"), day("2026-11-13"));
    assert_eq!(whole(&days, &[]).unwrap().amounts[0], dec("1.9"));
}

/// Without a word for four days, then 12 more: 12 / 4 = 3 a day, and each of them says that it was spread.
/// Without a word from 1 August to 1 November, 92 days: it is not spread. Each month says that it is missing, the year has it.
#[test]
fn a_gap_is_spread_and_says_so_and_a_long_one_stands_as_it_is() {
    let four = [read("2026-11-09T21:00:00Z", "100"), read("2026-11-13T21:00:00Z", "112")];
    let days = water(&four, &moscow(), "2026-11-10", "2026-11-14");
    assert_eq!(used(&days), ["3", "3", "3", "3"]);
    assert!(days.iter().all(|day| day.spread == dec("3") && day.is_whole()));

    let long = [
        read("2026-07-30T21:00:00Z", "50"),
        read("2026-07-31T21:00:00Z", "51"),
        read("2026-10-31T21:00:00Z", "81"),
        read("2026-11-01T21:00:00Z", "82"),
    ];
    let all = stretches(&long, Tariff::T1, &[face(1, 5)], Gaps::USUAL);
    assert_eq!(all[1].kind, Kind::Unknown);
    let days = by_day(&all, 1, &moscow(), day("2026-01-01"), day("2027-01-01"));
    let spans = unknown(&all);
    let months = gathered(&days, &spans, Unit::Month);
    assert_eq!(used(&months[6..12]), ["1", "0", "0", "0", "1", "0"]);
    assert_eq!(months.iter().map(|m| m.touches_unknown).collect::<Vec<_>>()[6..11], [false, true, true, true, false]);
    let year = &gathered(&days, &spans, Unit::Year)[0];
    // 1 + 30 + 1 = 82 − 50.
    assert_eq!((year.amounts[0], year.unknown, year.total()), (dec("2"), dec("30"), dec("32")));
    // Asked for nothing estimated, the four days stand as unknown too: no day has a spike, the month has all 12.
    let strict = stretches(&four, Tariff::T1, &[face(1, 5)], Gaps::STRICT);
    let days = by_day(&strict, 1, &moscow(), day("2026-11-01"), day("2026-12-01"));
    assert!(days.iter().all(|day| day.total().is_zero()));
    assert_eq!(gathered(&days, &unknown(&strict), Unit::Month)[0].total(), dec("12"));
}

/// Read by hand at the beginning of the 25th of each month. 25 October – 24 November: 31 days, 15.5, so 0.5 a day; 24 of
/// them are in November, 12. 25 November – 24 December: 30 days, 9, so 0.3 a day; 6 of them are in November, 1.8.
#[test]
fn readings_by_hand_make_months() {
    let readings = [
        by_hand("2026-10-24T21:00:00Z", "100"),
        by_hand("2026-11-24T21:00:00Z", "115.5"),
        by_hand("2026-12-24T21:00:00Z", "124.5"),
    ];
    let days = water(&readings, &moscow(), "2026-11-01", "2026-12-01");
    let november = whole(&days, &[]).unwrap();
    assert_eq!(november.amounts[0], dec("13.8"), "24 × 0.5 + 6 × 0.3");
    assert_eq!(november.spread, dec("13.8"));
    let near = [read("2026-11-09T21:00:00Z", "1"), by_hand("2026-11-10T09:00:00Z", "2")];
    assert_eq!(water(&near, &moscow(), "2026-11-10", "2026-11-11")[0].hand, Decimal::ONE);
}

/// A meter of three tariffs; the days are UTC+3.
///
/// | day  | T1 day          | T2 night        | T3 half-peak    | all |
/// |------|-----------------|-----------------|-----------------|-----|
/// | 10th | 1005 − 1000 = 5 | 503 − 500 = 3   | 202 − 200 = 2   | 10  |
/// | 11th | 1012 − 1005 = 7 | 504 − 503 = 1   | 206 − 202 = 4   | 12  |
///
/// At 6.50, 2.50 and 4.00 a kWh, 22 kWh: T1 12 × 6.50 = 78.00; T2 4 × 2.50 = 10.00; T3 6 × 4.00 = 24.00; 112.00.
#[test]
fn three_tariff_zones_are_counted_and_priced_apart() {
    let rows = [("2026-11-09T21:00:00Z", ["1000", "500", "200"]), ("2026-11-10T21:00:00Z", ["1005", "503", "202"])];
    let rows = rows.into_iter().chain([("2026-11-11T21:00:00Z", ["1012", "504", "206"])]);
    let readings: Vec<Reading> = rows
        .flat_map(|(when, values)| Tariff::ALL.into_iter().zip(values).map(move |(t, value)| of(1, t, when, value)))
        .collect();
    let all: Vec<_> =
        Tariff::ALL[..3].iter().flat_map(|tariff| stretches(&readings, *tariff, &[face(1, 6)], Gaps::USUAL)).collect();
    let days = by_day(&all, 3, &moscow(), day("2026-11-10"), day("2026-11-12"));
    assert_eq!(days[0].amounts, [dec("5"), dec("3"), dec("2"), Decimal::ZERO]);
    assert_eq!(days[1].amounts, [dec("7"), dec("1"), dec("4"), Decimal::ZERO]);
    assert!(days.iter().all(Use::is_whole));
    let tariffs = priced(vec![version("2026-01-01", "0", &[(None, &["6.50", "2.50", "4.00"])])]);
    let cost = span(&tariffs, &days, &[], day("2026-11-10"), false);
    assert_eq!(cost, Cost { used: dec("112"), fee: Decimal::ZERO, unpriced: Decimal::ZERO });
    // Two prices for three zones: the 6 kWh of T3 have none, and that is said.
    let two = priced(vec![version("2026-01-01", "0", &[(None, &["6.50", "2.50"])])]);
    let cost = span(&two, &days, &[], day("2026-11-10"), false);
    assert_eq!((cost.used, cost.unpriced), (dec("88"), dec("6")));
}

/// Berlin, 2026-03-29: from 02:00 to 03:00 the clocks leave an hour out, the day has 23. The register moves 0.1 an hour.
/// 28th: 24 × 0.1 = 2.4; 29th: 23 × 0.1 = 2.3; 30th: 2.4.
/// 2026-10-25 has 25 hours: 24th 2.4, 25th 25 × 0.1 = 2.5, 26th 2.4.
#[test]
fn days_of_23_and_25_hours_use_what_their_hours_use() {
    for (first, hours, table) in
        [("2026-03-28", [24, 23, 24], ["2.4", "2.3", "2.4"]), ("2026-10-24", [24, 25, 24], ["2.4", "2.5", "2.4"])]
    {
        let zone = berlin();
        let begin = start_of(&zone, day(first));
        let readings: Vec<Reading> = (0..=71)
            .map(|hour| Reading {
                at: begin.plus_millis(hour * HOUR),
                value: dec("100") + Decimal::new(hour, 1),
                ..read("2026-01-01T00:00:00Z", "0")
            })
            .chain([Reading {
                at: begin.plus_millis(73 * HOUR),
                value: dec("107.3"),
                ..read("2026-01-01T00:00:00Z", "0")
            }])
            .collect();
        let days = water(&readings, &zone, first, &day(first).plus_days(3).unwrap().to_string());
        assert_eq!(used(&days), table);
        assert_eq!(days.iter().map(|day| day.millis() / HOUR).collect::<Vec<_>>(), hours);
        assert!(days.iter().all(Use::is_whole));
        // A stretch of 48 hours over the turn, 4.8 in all: the short day gets 23/48 of 4.8, and so on.
        let two = [readings[0].clone(), readings[48].clone()];
        let spread = water(&two, &zone, first, &day(first).plus_days(2).unwrap().to_string());
        assert_eq!(used(&spread)[0], "2.4");
        assert_eq!(used(&spread)[1], if hours[1] == 23 { "2.3" } else { "2.4" });
    }
}

/// Somebody typed 1150 instead of 115, and confirmed it; next day 116 was read and confirmed. What was typed is taken back:
/// the two days from 114 on used 116 − 114 = 2, one each, and not 1036 and nothing.
#[test]
fn a_value_that_is_taken_back_leaves_no_spike() {
    let readings = [
        read("2026-11-08T21:00:00Z", "113"),
        read("2026-11-09T21:00:00Z", "114"),
        by_hand("2026-11-10T21:00:00Z", "1150"),
        by_hand("2026-11-11T21:00:00Z", "116"),
        read("2026-11-12T21:00:00Z", "117.5"),
    ];
    let days = water(&readings, &moscow(), "2026-11-09", "2026-11-13");
    assert_eq!(used(&days), ["1", "1", "1", "1.5"]);
    assert_eq!(whole(&days, &[]).unwrap().amounts[0], dec("4.5"), "117.5 − 113");
}

/// A counter of pulses lost its memory at 100.4 and went on from 0.1; a person let it through. Nobody knows what flowed
/// between the two: (100.4 − 100) + (0.6 − 0.1) = 0.4 + 0.5, and what was before stands.
#[test]
fn a_register_that_began_anew_takes_nothing_back() {
    let readings: Vec<Reading> = (0..5)
        .map(|n| read(&format!("2026-11-1{n}T00:00:00Z"), &format!("100.{n}")))
        .chain([read("2026-11-15T00:00:00Z", "0.1"), read("2026-11-16T00:00:00Z", "0.6")])
        .collect();
    let all = stretches(&readings, Tariff::T1, &[face(1, 5)], Gaps::USUAL);
    assert_eq!(all.iter().map(|s| s.amount).sum::<Decimal>(), dec("0.9"));
    assert!(!all.iter().any(|s| s.from == at("2026-11-14T00:00:00Z")), "the use between is not known: {all:?}");
    // The same where it was held as a suspected swap, after one reading.
    let anew = [
        read("2026-11-10T00:00:00Z", "100"),
        Reading { turn: Turn::Anew, ..read("2026-11-10T12:00:00Z", "0.1") },
        read("2026-11-11T00:00:00Z", "0.3"),
    ];
    let all = stretches(&anew, Tariff::T1, &[face(1, 5)], Gaps::USUAL);
    assert_eq!(all.iter().map(|s| s.amount).collect::<Vec<_>>(), [dec("0.2")]);
}

/// What came late stands where it belongs: entered last, said of the 10th at noon.
#[test]
fn a_reading_that_comes_late_is_put_in_its_place() {
    let readings = [
        read("2026-11-09T21:00:00Z", "100"),
        read("2026-11-11T21:00:00Z", "104"),
        Reading { order: i64::MAX, ..by_hand("2026-11-10T21:00:00Z", "101") },
    ];
    assert_eq!(used(&water(&readings, &moscow(), "2026-11-10", "2026-11-12")), ["1", "3"]);
}

fn version(from: &str, fee: &str, steps: &[(Option<&str>, &[&str])]) -> Version {
    let step = |(up_to, prices): &(Option<&str>, &[&str])| Step {
        up_to: up_to.map(dec),
        prices: prices.iter().map(|price| dec(price)).collect(),
    };
    Version { from: day(from), fee: dec(fee), steps: steps.iter().map(step).collect() }
}

fn priced(versions: Vec<Version>) -> Tariffs {
    let tariffs =
        Tariffs { name: "x".into(), charge: Charge::Electricity, points: vec![], currency: "RUB".into(), versions };
    tariffs.checked().unwrap()
}

fn zones(t1: &str, t2: &str) -> [Decimal; 4] {
    [dec(t1), dec(t2), Decimal::ZERO, Decimal::ZERO]
}

/// The social norm is 100 kWh a month: T1 4.00 and T2 2.00 up to it, 6.00 and 3.00 above; 50.00 a month.
///
/// | day | T1 | T2 | used before | to the norm | above | cost                                                     |
/// |-----|----|----|-------------|-------------|-------|----------------------------------------------------------|
/// | 1st | 60 | 20 | 0           | 80          | 0     | 60×4 + 20×2 = 240 + 40 = 280                             |
/// | 2nd | 30 | 10 | 80          | 20 of 40    | 20    | half: 15×4 + 5×2 = 70; half: 15×6 + 5×3 = 105; 175       |
/// | 3rd | 0  | 10 | 120         | 0           | 10    | 10×3 = 30                                                |
///
/// 280 + 175 + 30 = 485; with the fee 535.
#[test]
fn steps_count_from_the_first_of_the_month_and_the_fee_comes_once() {
    let steps: &[(Option<&str>, &[&str])] = &[(Some("100"), &["4", "2"]), (None, &["6", "3"])];
    let tariffs = priced(vec![version("2026-11-01", "50", steps)]);
    let days = [
        (day("2026-11-01"), zones("60", "20")),
        (day("2026-11-02"), zones("30", "10")),
        (day("2026-11-03"), zones("0", "10")),
    ];
    let cost = month(&tariffs, &days, Decimal::ZERO);
    assert_eq!((cost.used, cost.fee, cost.total()), (dec("485"), dec("50"), dec("535.00")));
    // 10 more, nobody knows when: as if last, above the norm, in T1: 60.
    assert_eq!(month(&tariffs, &days, dec("10")).used, dec("545"));
}

/// Prices rise on the 16th, from 5.00 to 5.50; 10 a day. 1st–15th: 150 × 5.00 = 750; 16th–30th: 150 × 5.50 = 825; 1575.
/// The fee is the one of the 1st, 20. Before the first version nothing has a price.
#[test]
fn prices_change_on_their_day() {
    let tariffs =
        priced(vec![version("2026-11-16", "25", &[(None, &["5.5"])]), version("2026-11-01", "20", &[(None, &["5"])])]);
    let days: Vec<_> = (1..=30).map(|n| (Date::new(2026, 11, n).unwrap(), zones("10", "0"))).collect();
    let cost = month(&tariffs, &days, Decimal::ZERO);
    assert_eq!((cost.used, cost.fee), (dec("1575"), dec("20")));
    let october = [(day("2026-10-31"), zones("7", "1"))];
    let none = Cost { used: Decimal::ZERO, fee: Decimal::ZERO, unpriced: dec("8") };
    assert_eq!(month(&tariffs, &october, Decimal::ZERO), none);
}

/// Sewage is cold and hot together: (3 + 2) × 40.25 = 201.25. Halves go away from zero: 1.005 → 1.01.
#[test]
fn sewage_takes_cold_and_hot_water() {
    let tariffs = Tariffs { charge: Charge::Sewage, ..priced(vec![version("2026-01-01", "0", &[(None, &["40.25"])])]) };
    let point = PointId(Id([1; 16]));
    assert!(tariffs.takes(point, Resource::ColdWater) && tariffs.takes(point, Resource::HotWater));
    assert!(!tariffs.takes(point, Resource::Gas));
    let cold = [read("2026-11-09T21:00:00Z", "0"), read("2026-11-10T21:00:00Z", "3")];
    let hot = [read("2026-11-09T21:00:00Z", "10"), read("2026-11-10T21:00:00Z", "12")];
    let lists = [cold, hot].map(|readings| water(&readings, &moscow(), "2026-11-10", "2026-11-11"));
    let both = together(lists.into_iter());
    assert_eq!(span(&tariffs, &both, &[], day("2026-11-10"), true).total(), dec("201.25"));
    assert_eq!(rounded(dec("1.005")).to_string(), "1.01");
    assert_eq!(rounded(dec("7")).to_string(), "7.00");
}

#[test]
fn a_tariff_that_cannot_be_is_refused() {
    let good = priced(vec![version("2026-01-01", "0", &[(Some("10"), &["1"]), (None, &["2"])])]);
    let with = |change: &dyn Fn(&mut Tariffs)| {
        let mut tariffs = good.clone();
        change(&mut tariffs);
        tariffs.checked().unwrap_err()
    };
    assert_eq!(with(&|t| t.name = " ".into()), Wrong::Name);
    assert_eq!(with(&|t| t.currency = "rub".into()), Wrong::Currency);
    assert_eq!(with(&|t| t.versions.clear()), Wrong::NoVersion);
    assert_eq!(with(&|t| t.versions.push(t.versions[0].clone())), Wrong::SameDay);
    assert_eq!(with(&|t| t.versions[0].steps.clear()), Wrong::NoStep);
    assert_eq!(with(&|t| t.versions[0].steps[0].up_to = None), Wrong::StepsOrder);
    assert_eq!(with(&|t| t.versions[0].steps[1].up_to = Some(dec("20"))), Wrong::StepsOrder);
    assert_eq!(with(&|t| t.versions[0].steps[1].prices.clear()), Wrong::Prices);
    assert_eq!(with(&|t| t.versions[0].steps[1].prices = vec![dec("-1")]), Wrong::Amount);
    assert_eq!(with(&|t| t.versions[0].fee = dec("0.0000001")), Wrong::Amount);
}

/// Whole days of an amount each, the last one today.
fn whole_days(first: &str, amounts: &[&str]) -> Vec<Use> {
    let first = day(first);
    let zone = TimeZone::UTC;
    let all = amounts.iter().enumerate().map(|(n, amount)| {
        let from = first.plus_days(n as i64).unwrap();
        let (to, begin) = (from.plus_days(1).unwrap(), start_of(&zone, from));
        Use {
            from,
            to,
            begin,
            end: begin.plus_millis(24 * HOUR),
            amounts: zones(amount, "0"),
            spread: Decimal::ZERO,
            hand: Decimal::ZERO,
            unknown: Decimal::ZERO,
            touches_unknown: false,
            covered_millis: 24 * HOUR,
        }
    });
    all.collect()
}

/// 1st–9th: 2 4 2 4 2 4 2 4 3, the mean is 27 / 9 = 3. Today, the 10th, 1 until now. So far 27 + 1 = 28. Ahead: today
/// 3 − 1 = 2 and 20 days of 3 = 60; 62, so 90. Deviations from 3: eight of 1 and one of 0, the median is 1; 21 days ahead:
/// 90 ± 21.
#[test]
fn the_forecast_is_the_mean_of_the_days_and_says_how_sure_it_is() {
    let days = whole_days("2026-11-01", &["2", "4", "2", "4", "2", "4", "2", "4", "3", "1"]);
    let Some(Forecast::Says { so_far, likely, low, high, method, days: of, ahead }) = forecast(&days) else { panic!() };
    assert_eq!((so_far, likely, low, high), (dec("28"), dec("90"), dec("69"), dec("111")));
    assert_eq!((method, of, ahead.len()), (Method::Mean, 9, 21));
    let few = forecast(&days[3..]).unwrap();
    assert_eq!(few, Forecast::TooEarly { days: 6, wanted: 7 });
    assert_eq!(forecast(&[]), None);
}

/// Three weeks of 1 on weekdays and 5 on Saturday and Sunday, from Monday 2 November on; today is Monday the 23rd, nothing
/// yet. So far 3 × (5 × 1 + 2 × 5) = 45. Ahead: 23rd–27th 5 × 1, 28th and 29th 2 × 5, 30th 1; 16. 61, and no deviation.
#[test]
fn the_forecast_knows_weekends_where_there_are_enough_of_them() {
    let week = ["1", "1", "1", "1", "1", "5", "5"];
    let amounts: Vec<&str> = week.into_iter().cycle().take(21).chain(["0"]).collect();
    let Some(Forecast::Says { so_far, likely, low, high, method, .. }) = forecast(&whole_days("2026-11-02", &amounts))
    else {
        panic!()
    };
    assert_eq!(method, Method::Weekdays);
    assert_eq!((so_far, likely, low, high), (dec("45"), dec("61"), dec("61"), dec("61")));
}

/// Four Mondays of 1.0 1.2 0.9 1.1, the median is (1.0 + 1.1) / 2 = 1.05, deviations 0.05 0.15 0.15 0.05, median 0.1, five
/// of them 0.5; half the median 0.525; the least excess of water 0.3. The greatest of the three is 0.525: above 1.575.
#[test]
fn a_day_is_unusual_against_its_own_weekday() {
    let mondays = ["1.0", "1.2", "0.9", "1.1"];
    let series = |last: &str| {
        let mut amounts: Vec<String> = Vec::new();
        for monday in mondays {
            amounts.push(monday.into());
            amounts.extend(std::iter::repeat_n("9".to_owned(), 6));
        }
        amounts.push(last.into());
        let amounts: Vec<&str> = amounts.iter().map(String::as_str).collect();
        whole_days("2026-10-26", &amounts)
    };
    assert_eq!(unusual(&series("1.575"), Resource::ColdWater), None);
    let said = unusual(&series("1.6"), Resource::ColdWater).unwrap();
    assert_eq!((said.used, said.usual, said.days, said.same_weekday), (dec("1.6"), dec("1.05"), 4, true));
    assert_eq!(unusual(&series("1.6"), Resource::Electricity), None, "less than 5 kWh more is nothing");
    assert_eq!(unusual(&series("50")[20..], Resource::ColdWater), None, "nine days say nothing");
    assert_eq!(median(&[]), None);
}

/// Values every ten minutes. A litre in each of them for a day: the longest rest between two rises is 20 minutes. With an
/// hour in the night in which nothing moved it is 80: from the last value before it to the first behind it.
#[test]
fn water_that_never_rests_is_suspected_and_a_night_of_rest_is_not() {
    let zero = at("2026-11-10T00:00:00Z");
    let every = |litres: &dyn Fn(i64) -> i64| -> Vec<Shown> {
        let mut sum = 0;
        let one = |n: i64| {
            sum += litres(n);
            Shown { at: zero.plus_millis(n * 600_000), value: Decimal::new(sum, 3) }
        };
        (0..=144).map(one).collect()
    };
    let now = zero.plus_millis(24 * HOUR);
    let always = every(&|_| 1);
    let seen = flow(&always, zero, now);
    assert_eq!((seen.longest_rest_millis / 60_000, seen.used, seen.rises), (20, dec("0.144"), 144));
    let rules = LeakRules::default();
    assert_eq!(leak(&always, now, &[], None, &rules), Some(Leak::NeverRests { hours: 24, used: dec("0.144") }));
    // No rise at the steps 13 to 18: between the values 12 and 18 the register stood still for an hour.
    let rests = every(&|n| i64::from(!(13..=18).contains(&n)));
    assert_eq!(flow(&rests, zero, now).longest_rest_millis / 60_000, 80);
    assert_eq!(leak(&rests, now, &[], None, &rules), None);
    // Nobody at home for four hours, and it flows: said at once.
    let since = now.plus_millis(-4 * HOUR);
    assert_eq!(leak(&rests, now, &[], Some(since), &rules), Some(Leak::NobodyHome { hours: 4, used: dec("0.024") }));
    // A meter that was heard for half the day only says nothing.
    assert_eq!(leak(&always[..70], now, &[], None, &rules), None);
}

/// A counter of 10 l pulses and a cistern of 15 l an hour: a pulse every 40 minutes may all be rest in between, but three
/// nights with 60 l each between one and five are none.
#[test]
fn pulses_in_every_night_are_suspected() {
    let zero = at("2026-11-08T00:00:00Z");
    let shown: Vec<Shown> =
        (0..=108).map(|n| Shown { at: zero.plus_millis(n * 2_400_000), value: Decimal::new(n, 2) }).collect();
    let now = at("2026-11-11T00:00:00Z");
    let night = |n: u8| (at(&format!("2026-11-{n:02}T01:00:00Z")), at(&format!("2026-11-{n:02}T05:00:00Z")));
    let rules = LeakRules::default();
    let Some(Leak::Nights { nights: 3, least }) = leak(&shown, now, &[night(10), night(9), night(8)], None, &rules)
    else {
        panic!()
    };
    // 01:00–05:00 of the 8th: pulses 2 (01:20) to 7 (04:40), five rises of 0.01.
    assert_eq!(least, dec("0.05"));
    assert_eq!(leak(&shown, now, &[night(10), night(9)], None, &rules), None, "two nights are not three");
}

/// A thermometer every hour, each value holds for that hour; Moscow, 10 November. Allowed: 15 from 00:00 to 05:00, 18 else.
///
/// | hours       | °C   | allowed | below   |
/// |-------------|------|---------|---------|
/// | 00:00–05:00 | 16   | 15      | –       |
/// | 05:00–08:00 | 16   | 18      | 3 h × 2 |
/// | 08:00–10:00 | 17.5 | 18      | 2 h × 0.5 |
/// | 10:00–20:00 | 19   | 18      | –       |
/// | 20:00–24:00 | nothing was said; the value of 19:00 holds an hour longer, to 21:00 | | 3 h unknown |
///
/// 5 h below, 3 × 2 + 2 × 0.5 = 7 degree hours, mean (3 × 16 + 2 × 17.5) / 5 = 83 / 5 = 16.6, 21 h known.
#[test]
fn hours_below_the_norm_are_counted_with_the_night_and_the_gaps() {
    let zone = moscow();
    let begin = start_of(&zone, day("2026-11-10"));
    let told = |hour: i64, degrees: &str| Told {
        from: begin.plus_millis(hour * HOUR),
        millis: HOUR,
        count: 2,
        min: dec(degrees) - dec("0.1"),
        mean: dec(degrees),
        max: dec(degrees),
    };
    let degrees = |hour: i64| match hour {
        0..8 => "16",
        8..10 => "17.5",
        _ => "19",
    };
    let all: Vec<Told> = (0..20).map(|hour| told(hour, degrees(hour))).collect();
    let norm = Norm { holds_minutes: 60, ..Norm::ROOM };
    let said = evidence(&all, &norm, &zone, begin, begin.plus_millis(24 * HOUR));
    assert_eq!(said.cold.len(), 1);
    let cold = &said.cold[0];
    assert_eq!((cold.from, cold.to), (begin.plus_millis(5 * HOUR), begin.plus_millis(10 * HOUR)));
    assert_eq!((cold.lowest, cold.mean), (dec("15.9"), dec("16.6")));
    assert_eq!(said.gaps.len(), 1);
    assert_eq!(said.gaps[0].from, begin.plus_millis(21 * HOUR));
    let month = &said.months[0];
    assert_eq!((month.below_millis, month.known_millis, month.gap_millis), (5 * HOUR, 21 * HOUR, 3 * HOUR));
    assert_eq!((month.degree_hours, said.samples), (dec("7"), 40));
    // A corner room wants 20, at night 17: 1 h-degrees: 5 × 1 + 3 × 4 + 2 × 2.5 + 11 × 1 = 5 + 12 + 5 + 11 = 33, all 21 h.
    let corner =
        evidence(&all, &Norm { holds_minutes: 60, ..Norm::CORNER }, &zone, begin, begin.plus_millis(24 * HOUR));
    assert_eq!((corner.months[0].degree_hours, corner.months[0].below_millis), (dec("33"), 21 * HOUR));
}

/// Berlin's night of 25 October has six hours to five o'clock, and that of 29 March four.
#[test]
fn the_night_of_evidence_follows_the_clocks() {
    let zone = berlin();
    for (which, below) in [("2026-10-25", 19), ("2026-03-29", 19)] {
        let begin = start_of(&zone, day(which));
        let end = start_of(&zone, day(which).plus_days(1).unwrap());
        let hours = (end.0 - begin.0) / HOUR;
        let cold = dec("16");
        let told: Vec<Told> = (0..hours)
            .map(|h| Told {
                from: begin.plus_millis(h * HOUR),
                millis: HOUR,
                count: 1,
                min: cold,
                mean: cold,
                max: cold,
            })
            .collect();
        let said = evidence(&told, &Norm::ROOM, &zone, begin, end);
        // 25 − 6 = 19, 23 − 4 = 19: the tolerance takes exactly the hours that the clock calls night.
        assert_eq!(said.months[0].below_millis, below * HOUR, "{which}");
        assert!(said.gaps.is_empty());
    }
    // A month ends at its midnight, and a stretch of cold goes on over it.
    let begin = at("2026-11-30T12:00:00Z");
    let told = Told { from: begin, millis: 24 * HOUR, count: 1, min: dec("10"), mean: dec("10"), max: dec("10") };
    let said = evidence(&[told], &Norm::ROOM, &moscow(), begin, begin.plus_millis(24 * HOUR));
    assert_eq!(said.cold.len(), 1);
    // 15:00–24:00 in November, 00:00–15:00 in December.
    assert_eq!(said.months.iter().map(|m| m.below_millis / HOUR).collect::<Vec<_>>(), [9, 15]);
}
