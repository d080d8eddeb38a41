//! Values of another day: a meter tells besides what it showed on the last day of the month, and names that day in a property
//! of its own. Such a value is of that day, whenever it comes.

use domovoi_adapters::{Decoded, Directory};
use domovoi_model::{Observation, Timestamp, Value};

/// Nine in the morning in Greenwich is the same day from the Aleutians to Kamchatka and beyond: whoever asks for the day of
/// it in any zone of a home is told the day that the meter named.
const MORNING_MS: i64 = 9 * 3_600_000;

/// Gives the values of a message their days. One whose day is not in the same message, or is no day, has no time of its own.
pub(super) fn date(decoded: &mut Decoded, directory: &Directory) {
    // Most messages have neither a day nor a time of their own: of those nothing has to be asked.
    let says_when = |one: &Observation| one.device_time.is_some() || matches!(one.value, Value::Text(_));
    if !decoded.observations.iter().any(says_when) {
        return;
    }
    let mut days: Vec<(usize, Option<Timestamp>)> = Vec::new();
    for (at, one) in decoded.observations.iter().enumerate() {
        let fresh = decoded.announcements.iter().filter(|about| about.device == one.device);
        let fresh = fresh.filter_map(|about| about.property(&one.property)).next();
        let Some(info) = fresh.or_else(|| directory.property(&one.device, &one.property)) else { continue };
        let Some(dated_by) = &info.dated_by else { continue };
        let day = decoded.observations.iter().find(|day| day.device == one.device && day.property == **dated_by);
        days.push((at, day.and_then(|day| day_of(&day.value))));
    }
    for (at, day) in days {
        if let Some(one) = decoded.observations.get_mut(at) {
            one.device_time = day;
        }
    }
}

/// `2026-10-31`, also with a time behind it.
fn day_of(value: &Value) -> Option<Timestamp> {
    let Value::Text(text) = value else { return None };
    let date: jiff::civil::Date = text.trim().get(..10)?.parse().ok()?;
    let midnight = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    // A date that no meter has lived in is a fault of its clock.
    (1990..2100).contains(&date.year()).then_some(Timestamp(midnight.saturating_add(MORNING_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_meters_name_them() {
        let of = |text: &str| day_of(&Value::Text(text.to_owned())).map(|at| at.to_string());
        assert_eq!(of("2026-10-31").as_deref(), Some("2026-10-31T09:00:00.000Z"));
        assert_eq!(of(" 2026-10-31 23:59").as_deref(), Some("2026-10-31T09:00:00.000Z"));
        for bad in ["", "31.10.2026", "2026-02-30", "2127-01-01", "1979-12-31", "ключ ключ"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
