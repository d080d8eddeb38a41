//! How much will have been used at the end of the month: what was used, and what the days that are left use as a rule. It
//! says how far it may be off, and says nothing before there are enough days to judge by. Pure.

use domovoi_model::Date;
use rust_decimal::Decimal;

use super::days::{Unit, each, weekday};
use super::unusual::median;
use super::usage::Use;

/// Fewer whole days than these are no ground for a forecast.
pub const LEAST_DAYS: usize = 7;

/// With so many of each weekday its own mean counts.
const LEAST_OF_WEEKDAY: usize = 3;

/// Days further back say little of these.
pub const LOOKS_BACK_DAYS: i64 = 56;

/// By what days were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The mean of the same weekday.
    Weekdays,
    /// The mean of all days.
    Mean,
}

impl Method {
    /// `weekdays`, `mean`.
    pub fn code(self) -> &'static str {
        match self {
            Method::Weekdays => "weekdays",
            Method::Mean => "mean",
        }
    }
}

/// What the month will have used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forecast {
    /// There are too few whole days.
    TooEarly {
        /// How many there are,
        days: usize,
        /// and how many it takes.
        wanted: usize,
    },
    /// So much.
    Says {
        /// What was used until now.
        so_far: Decimal,
        /// At the end of the month, most likely.
        likely: Decimal,
        /// Not much less,
        low: Decimal,
        /// not much more.
        high: Decimal,
        /// How days were told.
        method: Method,
        /// From how many whole days.
        days: usize,
        /// What each day that is left is likely to use, today's rest first.
        ahead: Vec<(Date, Decimal)>,
    },
}

/// `days` end with today, which is not over, and reach back at least to the first of the month.
pub fn forecast(days: &[Use]) -> Option<Forecast> {
    let (today, past) = days.split_last()?;
    let oldest = today.from.plus_days(-LOOKS_BACK_DAYS)?;
    // A day that was filled by spreading is like its neighbours by construction, and no witness.
    let whole: Vec<(Date, Decimal)> = past
        .iter()
        .filter(|day| day.from >= oldest && day.is_whole() && day.spread.is_zero())
        .map(|day| (day.from, day.total()))
        .collect();
    if whole.len() < LEAST_DAYS {
        return Some(Forecast::TooEarly { days: whole.len(), wanted: LEAST_DAYS });
    }
    let mean = |days: &[Decimal]| days.iter().sum::<Decimal>() / Decimal::from(days.len().max(1));
    let of_weekday = |wanted: usize| -> Vec<Decimal> {
        whole.iter().filter(|(day, _)| weekday(*day) == wanted).map(|(_, used)| *used).collect()
    };
    let by_weekday: Vec<Vec<Decimal>> = (0..7).map(of_weekday).collect();
    let method =
        if by_weekday.iter().all(|days| days.len() >= LEAST_OF_WEEKDAY) { Method::Weekdays } else { Method::Mean };
    let all: Vec<Decimal> = whole.iter().map(|(_, used)| *used).collect();
    let plain = mean(&all);
    let usual = |day: Date| match method {
        Method::Weekdays => mean(&by_weekday[weekday(day)]),
        Method::Mean => plain,
    };
    let off: Vec<Decimal> = whole.iter().map(|(day, used)| (*used - usual(*day)).abs()).collect();
    let off = median(&off).unwrap_or_default();
    let so_far: Decimal = days.iter().filter(|day| day.from.period() == today.from.period()).map(Use::total).sum();
    let rest_of_today = (usual(today.from) - today.total()).max(Decimal::ZERO);
    let mut ahead = vec![(today.from, rest_of_today)];
    ahead.extend(each(Unit::Day.end(today.from), Unit::Month.end(today.from)).map(|day| (day, usual(day))));
    let rest: Decimal = ahead.iter().map(|(_, used)| used).sum();
    let range = off * Decimal::from(ahead.len());
    let short = |amount: Decimal| amount.round_dp(3);
    Some(Forecast::Says {
        so_far,
        likely: short(so_far + rest),
        low: short(so_far + (rest - range).max(Decimal::ZERO)),
        high: short(so_far + rest + range),
        method,
        days: whole.len(),
        ahead: ahead.into_iter().map(|(day, used)| (day, short(used))).collect(),
    })
}
