//! The same period before: of a month the month before, of a year the year before, of any other span one of the same length.
//! A span that is not over is compared with as much of the other as has passed of it. Pure.

use domovoi_model::Date;
use rust_decimal::Decimal;

use super::days::Unit;
use super::usage::Use;

/// The days of the same period before `from <= day < to`.
pub fn span_before(from: Date, to: Date) -> (Date, Date) {
    for unit in [Unit::Month, Unit::Year] {
        if unit.begin(from) == from && unit.end(from) == to {
            let before = from.plus_days(-1).unwrap_or(from);
            return (unit.begin(before), from);
        }
    }
    let days = to.days_since_epoch() - from.days_since_epoch();
    (from.plus_days(-days).unwrap_or(from), from)
}

/// A span against the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// What was used now.
    pub now: Decimal,
    /// What was used before, as far as this span has come.
    pub before: Decimal,
    /// More by so many hundredths; negative: less. `None` where nothing was used before.
    pub percent: Option<i64>,
}

/// Compares days with days, the first with the first. `today` cuts what has not been; it itself is not over and counts on
/// neither side, unless it is all there is. `None` where before is not known whole.
pub fn compared(now: &[Use], before: &[Use], today: Date) -> Option<Compared> {
    let passed = now.iter().filter(|day| day.from < today).count();
    let before = before.get(..passed.min(before.len()))?;
    let now = now.get(..passed)?;
    if passed == 0 || before.is_empty() || !before.iter().chain(now).all(Use::is_whole) {
        return None;
    }
    let sum = |days: &[Use]| days.iter().map(Use::total).sum::<Decimal>();
    let (now, before) = (sum(now), sum(before));
    let percent = (!before.is_zero()).then(|| (now - before) * Decimal::ONE_HUNDRED / before);
    let percent = percent.and_then(|percent| i64::try_from(percent.round()).ok());
    Some(Compared { now, before, percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn months_and_years_have_one_before_and_other_spans_their_length() {
        let before = |from: &str, to: &str| {
            let (from, to) = span_before(day(from), day(to));
            (from.to_string(), to.to_string())
        };
        let of = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(before("2026-03-01", "2026-04-01"), of("2026-02-01", "2026-03-01"));
        assert_eq!(before("2026-01-01", "2027-01-01"), of("2025-01-01", "2026-01-01"));
        assert_eq!(before("2026-03-10", "2026-03-17"), of("2026-03-03", "2026-03-10"));
    }
}
