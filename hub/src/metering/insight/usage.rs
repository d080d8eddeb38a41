//! Use by days, months and years: stretches cut at midnights of the home's zone. What a stretch gives to its days adds up to
//! what it is, to the last decimal: each day gets the difference of two rounded running sums. Pure.

use domovoi_model::{Date, Tariff, Timestamp};
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use super::days::{Unit, day_at, each, start_of};
use super::stretches::{Kind, Stretch};

/// A millilitre, a milliwatt-hour: how finely a stretch is cut.
const DECIMALS: u32 = 6;

/// Use of each tariff register.
pub type ByTariff = [Decimal; 4];

/// What was used in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The first day.
    pub from: Date,
    /// The day behind the last.
    pub to: Date,
    /// When it begins and ends.
    pub begin: Timestamp,
    /// The first instant behind it.
    pub end: Timestamp,
    /// What was used when is known, by register.
    pub amounts: ByTariff,
    /// Of it, what a long stretch without readings gave by spreading.
    pub spread: Decimal,
    /// Of it, what rests on readings by hand.
    pub hand: Decimal,
    /// What was used somewhen in stretches that lie in it whole. Not among `amounts`.
    pub unknown: Decimal,
    /// A stretch of unknown use reaches in or out: more was used than is said.
    pub touches_unknown: bool,
    /// For how long of it every register's use is known or spread.
    pub covered_millis: i64,
}

impl Use {
    /// How long it is: a day can have 23 or 25 hours.
    pub fn millis(&self) -> i64 {
        self.end.0 - self.begin.0
    }

    /// Of all registers together, what was used when is not known included.
    pub fn total(&self) -> Decimal {
        self.amounts.iter().sum::<Decimal>() + self.unknown
    }

    /// Nothing of it is missing.
    pub fn is_whole(&self) -> bool {
        self.covered_millis >= self.millis() && !self.touches_unknown
    }
}

/// A stretch whose use cannot be laid on days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSpan {
    /// Of which register.
    pub tariff: Tariff,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// How much.
    pub amount: Decimal,
}

/// Those among the stretches.
pub fn unknown(stretches: &[Stretch]) -> Vec<UnknownSpan> {
    let unknown = stretches.iter().filter(|stretch| stretch.kind == Kind::Unknown);
    unknown.map(|s| UnknownSpan { tariff: s.tariff, from: s.from, to: s.to, amount: s.amount }).collect()
}

/// How much of a stretch was used up to an instant, if it was used evenly.
fn used_until(stretch: &Stretch, at: Timestamp) -> Decimal {
    let (part, whole) = (at.0 - stretch.from.0, stretch.to.0 - stretch.from.0);
    if part <= 0 {
        return Decimal::ZERO;
    }
    if part >= whole {
        return stretch.amount;
    }
    let (part, whole) = (Decimal::from(part), Decimal::from(whole));
    let exact = stretch.amount.checked_mul(part).map_or_else(|| stretch.amount / whole * part, |all| all / whole);
    let digits = DECIMALS.max(stretch.amount.scale());
    exact.round_dp_with_strategy(digits, RoundingStrategy::ToZero).min(stretch.amount)
}

/// What a stretch gives to `from <= t < to`.
fn share(stretch: &Stretch, from: Timestamp, to: Timestamp) -> Decimal {
    used_until(stretch, to) - used_until(stretch, from)
}

/// The days of `from <= day < to`. `tariffs`: how many registers must be known for a day to be covered.
pub fn by_day(stretches: &[Stretch], tariffs: usize, zone: &TimeZone, from: Date, to: Date) -> Vec<Use> {
    let mut days: Vec<Use> = each(from, to)
        .map(|day| {
            let next = Unit::Day.end(day);
            Use {
                from: day,
                to: next,
                begin: start_of(zone, day),
                end: start_of(zone, next),
                amounts: ByTariff::default(),
                spread: Decimal::ZERO,
                hand: Decimal::ZERO,
                unknown: Decimal::ZERO,
                touches_unknown: false,
                covered_millis: 0,
            }
        })
        .collect();
    let (Some(begin), Some(end)) = (days.first().map(|day| day.begin), days.last().map(|day| day.end)) else {
        return days;
    };
    let mut covered = vec![[0i64; 4]; days.len()];
    for stretch in stretches.iter().filter(|stretch| stretch.to > begin && stretch.from < end) {
        let first = day_at(zone, stretch.from.max(begin)).days_since_epoch() - from.days_since_epoch();
        for (place, day) in days.iter_mut().enumerate().skip(usize::try_from(first.max(0)).unwrap_or(0)) {
            if day.begin >= stretch.to {
                break;
            }
            if stretch.kind == Kind::Unknown {
                if stretch.from >= day.begin && stretch.to <= day.end {
                    day.unknown += stretch.amount;
                } else {
                    day.touches_unknown = true;
                }
                continue;
            }
            let amount = share(stretch, day.begin, day.end);
            day.amounts[stretch.tariff.index()] += amount;
            match stretch.kind {
                Kind::Spread => day.spread += amount,
                Kind::Hand => day.hand += amount,
                Kind::Measured | Kind::Unknown => {}
            }
            let overlap = stretch.to.0.min(day.end.0) - stretch.from.0.max(day.begin.0);
            covered[place][stretch.tariff.index()] += overlap.max(0);
        }
    }
    for (day, covered) in days.iter_mut().zip(covered) {
        let least = covered.iter().take(tariffs.clamp(1, 4)).copied().min().unwrap_or(0);
        day.covered_millis = least.min(day.millis());
    }
    days
}

/// Days gathered into longer periods. Unknown use that lies in a period whole is counted in it, though no day has it.
pub fn gathered(days: &[Use], unknown: &[UnknownSpan], unit: Unit) -> Vec<Use> {
    let mut periods: Vec<Use> = Vec::new();
    for day in days {
        match periods.last_mut().filter(|last| unit.begin(last.from) == unit.begin(day.from)) {
            None => periods.push(Use { unknown: Decimal::ZERO, touches_unknown: false, ..day.clone() }),
            Some(period) => {
                period.to = day.to;
                period.end = day.end;
                for (sum, amount) in period.amounts.iter_mut().zip(day.amounts) {
                    *sum += amount;
                }
                period.spread += day.spread;
                period.hand += day.hand;
                period.covered_millis += day.covered_millis;
            }
        }
    }
    for period in &mut periods {
        for span in unknown.iter().filter(|span| span.to > period.begin && span.from < period.end) {
            if span.from >= period.begin && span.to <= period.end {
                period.unknown += span.amount;
            } else {
                period.touches_unknown = true;
            }
        }
    }
    periods
}

/// All of it in one.
pub fn whole(days: &[Use], unknown: &[UnknownSpan]) -> Option<Use> {
    let (first, last) = (days.first()?, days.last()?);
    let mut sum = Use { to: last.to, end: last.end, unknown: Decimal::ZERO, touches_unknown: false, ..first.clone() };
    for day in &days[1..] {
        for (sum, amount) in sum.amounts.iter_mut().zip(day.amounts) {
            *sum += amount;
        }
        sum.spread += day.spread;
        sum.hand += day.hand;
        sum.covered_millis += day.covered_millis;
    }
    for span in unknown.iter().filter(|span| span.to > sum.begin && span.from < sum.end) {
        if span.from >= sum.begin && span.to <= sum.end {
            sum.unknown += span.amount;
        } else {
            sum.touches_unknown = true;
        }
    }
    Some(sum)
}

/// The same days of several points, added up. All lists must be of the same days.
pub fn together(mut lists: impl Iterator<Item = Vec<Use>>) -> Vec<Use> {
    let Some(mut sum) = lists.next() else { return Vec::new() };
    for list in lists {
        for (sum, day) in sum.iter_mut().zip(list) {
            for (sum, amount) in sum.amounts.iter_mut().zip(day.amounts) {
                *sum += amount;
            }
            sum.spread += day.spread;
            sum.hand += day.hand;
            sum.unknown += day.unknown;
            sum.touches_unknown |= day.touches_unknown;
            sum.covered_millis = sum.covered_millis.min(day.covered_millis);
        }
    }
    sum
}
