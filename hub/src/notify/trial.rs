//! When a way is tried for its own sake: once a week, at a decent hour of the home's own day, and after the hub was off as
//! soon as it is a decent hour again. Pure.

use domovoi_config::NotifySection;
use domovoi_model::Timestamp;
use jiff::ToSpan;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// Hours at which a test that was missed is made up for.
const DECENT: std::ops::RangeInclusive<i8> = 9..=20;

/// The last moment at which every way was to be tried.
pub fn last_slot(section: &NotifySection, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let local = zone.to_datetime(jiff::Timestamp::from_millisecond(now.0).ok()?);
    let hour = Time::new(i8::try_from(section.test_hour).ok()?, 0, 0, 0).ok()?;
    let day = i64::from(local.date().weekday().to_monday_zero_offset());
    let back = (day - i64::from(section.test_day)).rem_euclid(7);
    [back, back + 7].into_iter().find_map(|back| {
        let date = local.date().checked_sub(back.days()).ok()?;
        let at = zone.to_ambiguous_zoned(date.to_datetime(hour)).compatible().ok()?.timestamp().as_millisecond();
        (at <= now.0).then_some(Timestamp(at))
    })
}

/// Whether a way is to be tried now. `last`: when it was tried, or added.
pub fn is_due(section: &NotifySection, last: Option<Timestamp>, now: Timestamp, zone: &TimeZone) -> bool {
    let Some(local) = jiff::Timestamp::from_millisecond(now.0).ok().map(|at| zone.to_datetime(at)) else {
        return false;
    };
    let slot = last_slot(section, now, zone);
    DECENT.contains(&local.hour()) && slot.is_some_and(|slot| last.is_none_or(|last| last < slot))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn once_a_week_at_a_decent_hour_and_made_up_for() {
        let section = domovoi_config::Settings::defaults(Path::new("/")).notify;
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let at = |text: &str| {
            let local: jiff::civil::DateTime = text.parse().unwrap();
            Timestamp(local.to_zoned(zone.clone()).unwrap().timestamp().as_millisecond())
        };
        // 2026-11-22 is a Sunday.
        assert_eq!(last_slot(&section, at("2026-11-22T12:00"), &zone), Some(at("2026-11-22T12:00")));
        assert_eq!(last_slot(&section, at("2026-11-22T11:59"), &zone), Some(at("2026-11-15T12:00")));
        assert_eq!(last_slot(&section, at("2026-12-01T00:00"), &zone), Some(at("2026-11-29T12:00")));
        let added = Some(at("2026-11-20T10:00"));
        let due = |last, now| is_due(&section, last, at(now), &zone);
        assert!(!due(added, "2026-11-21T12:00") && !due(added, "2026-11-22T11:00"));
        assert!(due(added, "2026-11-22T12:00"));
        assert!(!due(Some(at("2026-11-22T12:00")), "2026-11-22T12:01"), "once");
        assert!(!due(added, "2026-11-23T03:00"), "the hub was off: not in the night");
        assert!(due(added, "2026-11-23T09:00"), "but in the morning");
    }
}
