//! A day that used far more than such days do: against the same weekdays before it, by median and median deviation, so that
//! one wild day does not hide the next. A small amount is never unusual. Pure.

use domovoi_model::{Date, Resource};
use rust_decimal::Decimal;

use super::days::weekday;
use super::usage::Use;

/// So many weeks are looked at.
const WEEKS: i64 = 8;

/// With so many of the same weekday it is compared with them;
const LEAST_SAME: usize = 4;

/// else with so many days of any kind, or with nothing.
const LEAST_ANY: usize = 14;

/// How many median deviations above the median are still usual.
const DEVIATIONS: Decimal = Decimal::from_parts(5, 0, 0, false, 0);

/// A day that used far more than others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusual {
    /// Which.
    pub day: Date,
    /// What it used.
    pub used: Decimal,
    /// What such days use.
    pub usual: Decimal,
    /// From how many days that is known.
    pub days: usize,
    /// Of the same weekday only.
    pub same_weekday: bool,
}

/// What more than usual is worth a word, in the resource's unit: a full bath, a day of an iron left on, a day of heating.
pub fn least_excess(resource: Resource) -> Decimal {
    match resource {
        Resource::ColdWater | Resource::HotWater => Decimal::new(3, 1),
        Resource::Electricity => Decimal::new(5, 0),
        Resource::Gas => Decimal::new(3, 0),
        Resource::Heat => Decimal::new(5, 2),
    }
}

/// The value in the middle; of an even number the mean of the two.
pub fn median(values: &[Decimal]) -> Option<Decimal> {
    let mut sorted = values.to_vec();
    sorted.sort();
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle - 1)? + sorted.get(middle)?) / Decimal::TWO),
    }
}

/// Whether the last of the days, which is over, is unusual. Days before it may be missing or half known.
pub fn unusual(days: &[Use], resource: Resource) -> Option<Unusual> {
    let (last, before) = days.split_last()?;
    if !last.is_whole() || !last.spread.is_zero() {
        return None;
    }
    let oldest = last.from.plus_days(-7 * WEEKS)?;
    let known: Vec<&Use> =
        before.iter().filter(|day| day.from >= oldest && day.is_whole() && day.spread.is_zero()).collect();
    let same = |day: &&&Use| weekday(day.from) == weekday(last.from);
    let of_weekday: Vec<Decimal> = known.iter().filter(same).map(|day| day.total()).collect();
    let (others, same_weekday) = if of_weekday.len() >= LEAST_SAME {
        (of_weekday, true)
    } else if known.len() >= LEAST_ANY {
        (known.iter().map(|day| day.total()).collect(), false)
    } else {
        return None;
    };
    let usual = median(&others)?;
    let deviations: Vec<Decimal> = others.iter().map(|other| (*other - usual).abs()).collect();
    let room = (median(&deviations)? * DEVIATIONS).max(usual / Decimal::TWO).max(least_excess(resource));
    let used = last.total();
    (used > usual + room).then_some(Unusual { day: last.from, used, usual, days: others.len(), same_weekday })
}
