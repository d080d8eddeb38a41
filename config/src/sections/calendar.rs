//! `[calendar]`: how often calendars elsewhere are looked at and where they may be, how many events there may be, and when
//! reminders come where nobody said. Events themselves are in the store.

use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;
use crate::sections::cameras::Network;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarSection {
    /// How often calendars elsewhere are looked at.
    pub poll_every: Duration,
    /// How many events the household may write down.
    pub max_events: u32,
    /// How many calendars elsewhere there may be.
    pub max_elsewhere: u32,
    /// How many events are read of each of them.
    pub max_elsewhere_events: u32,
    /// How long before an event written down here its reminders come, where nobody said otherwise.
    pub reminders: Vec<Duration>,
    /// The minute of the day from which reminders of whole-day events are counted.
    pub all_day_minute: u16,
    /// Networks of the home in which a calendar elsewhere may be; the internet's addresses need not be named.
    pub allow: Vec<Network>,
}

pub(crate) fn read(mut section: Section<'_>) -> CalendarSection {
    let mut count = |key, most: i64, default: u32| {
        section.take_int(key, 0..=most).and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
    };
    let (max_events, max_elsewhere) = (count("max_events", 20_000, 2000), count("max_elsewhere", 64, 16));
    let max_elsewhere_events = count("max_elsewhere_events", 20_000, 5000);
    let reminders = section.take_list("reminders", 0..=8, |item| item.parsed(reminder));
    let allow = section.take_list("allow", 0..=16, |item| item.parsed(network));
    let calendar = CalendarSection {
        poll_every: section.take_duration("poll_every", 5 * MINUTE..=7 * DAY).unwrap_or(60 * MINUTE),
        max_events,
        max_elsewhere,
        max_elsewhere_events,
        reminders: reminders.unwrap_or_else(|| vec![30 * MINUTE]),
        all_day_minute: section.take_parsed("all_day_at", minute_of_day).unwrap_or(9 * 60),
        allow: allow.unwrap_or_default(),
    };
    section.finish();
    calendar
}

fn reminder(text: &str) -> Result<Duration, Wrong> {
    let before = scalar::duration(text)?;
    if before > 366 * DAY || !before.as_secs().is_multiple_of(60) || before.subsec_nanos() != 0 {
        return Err(
            Wrong::new("a reminder comes whole minutes before, up to a year").hint("write \"30 min\" or \"1 d\"")
        );
    }
    Ok(before)
}

fn network(text: &str) -> Result<Network, Wrong> {
    Network::parse(text).ok_or_else(|| {
        Wrong::new(format!("{} is not a network", scalar::quoted(text))).hint("write \"192.168.1.0/24\"")
    })
}

fn minute_of_day(text: &str) -> Result<u16, Wrong> {
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let read = || {
        let (hour, minute) = text.split_once(':').filter(|(hour, minute)| digits(hour) && digits(minute))?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    read().ok_or_else(|| Wrong::new(format!("{} is not a time of day", scalar::quoted(text))).hint("write \"09:00\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_two_digits_twice() {
        assert_eq!(minute_of_day("09:05").ok(), Some(545));
        assert_eq!(minute_of_day("23:59").ok(), Some(1439));
        for bad in ["9:05", "24:00", "09:60", "0905", "+9:00", "", "09:05:00"] {
            assert!(minute_of_day(bad).is_err(), "{bad}");
        }
        assert!(reminder("1 d").is_ok() && reminder("1 s").is_err() && reminder("800 d").is_err());
    }
}
