//! `[notify]`: what counts for everybody who has not chosen otherwise: quiet hours, how long somebody may stay unreached, how
//! often a message is repeated, how many are too many, when the ways to reach people are tried, how long it is known what
//! was told. What a person wants stands in the store, not here.

use std::time::Duration;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// What counts for everybody who has not chosen otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySection {
    /// Minute of the day at which quiet hours begin; equal to `quiet_to_minute`: there are none.
    pub quiet_from_minute: u16,
    /// Minute of the day at which they end; before `quiet_from_minute` it is the next day's.
    pub quiet_to_minute: u16,
    /// Within so long somebody has to have been tried to be reached when life is at stake.
    pub life_deadline: Duration,
    /// What life hangs on is repeated after so long, so often…
    pub life_repeat: Duration,
    /// (how often)
    pub life_repeat_times: u32,
    /// …and then after so long, until somebody answers or `give_up_after` is over.
    pub life_repeat_then: Duration,
    /// What is severe and wants an answer is repeated after so long…
    pub repeat: Duration,
    /// …so often.
    pub repeat_times: u32,
    /// Without an answer for so long the next person of the household's order is told.
    pub escalate_after: Duration,
    /// Without an answer for so long a way is taken that costs money.
    pub costs_after: Duration,
    /// Nothing is repeated for longer.
    pub give_up_after: Duration,
    /// So many letters go by one way to one person…
    pub rate_letters: u32,
    /// …within so long; what is more becomes one digest.
    pub rate_time: Duration,
    /// So many letters about what life hangs on go by one way to one person within a minute; what is more becomes one letter.
    pub life_per_minute: u32,
    /// The day on which each way is tried: 0 is Monday.
    pub test_day: u8,
    /// And the hour.
    pub test_hour: u8,
    /// How long it is known what was told.
    pub keep: Duration,
}

const DAYS: [(&str, u8); 7] =
    [("monday", 0), ("tuesday", 1), ("wednesday", 2), ("thursday", 3), ("friday", 4), ("saturday", 5), ("sunday", 6)];

pub(crate) fn read(mut section: Section<'_>) -> NotifySection {
    let then_at = section.place_of("life_repeat_then");
    let count = |number: Option<i64>, default: u32| number.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    let small = |number: Option<i64>, default: u8| number.and_then(|n| u8::try_from(n).ok()).unwrap_or(default);
    let notify = NotifySection {
        quiet_from_minute: section.take_parsed("quiet_from", minute_of_day).unwrap_or(22 * 60 + 30),
        quiet_to_minute: section.take_parsed("quiet_to", minute_of_day).unwrap_or(7 * 60 + 30),
        life_deadline: section.take_duration("life_deadline", 10 * SECOND..=10 * MINUTE).unwrap_or(MINUTE),
        life_repeat: section.take_duration("life_repeat", 30 * SECOND..=10 * MINUTE).unwrap_or(MINUTE),
        life_repeat_times: count(section.take_int("life_repeat_times", 1..=60), 10),
        life_repeat_then: section.take_duration("life_repeat_then", MINUTE..=HOUR).unwrap_or(5 * MINUTE),
        repeat: section.take_duration("repeat", MINUTE..=DAY).unwrap_or(10 * MINUTE),
        repeat_times: count(section.take_int("repeat_times", 0..=60), 6),
        escalate_after: section.take_duration("escalate_after", MINUTE..=DAY).unwrap_or(5 * MINUTE),
        costs_after: section.take_duration("costs_after", MINUTE..=DAY).unwrap_or(10 * MINUTE),
        give_up_after: section.take_duration("give_up_after", HOUR..=7 * DAY).unwrap_or(DAY),
        rate_letters: count(section.take_int("rate_letters", 1..=60), 6),
        rate_time: section.take_duration("rate_time", MINUTE..=DAY).unwrap_or(10 * MINUTE),
        life_per_minute: count(section.take_int("life_per_minute", 2..=60), 10),
        test_day: section.take_enum("test_day", &DAYS).unwrap_or(6),
        test_hour: small(section.take_int("test_hour", 8..=20), 12),
        keep: section.take_duration("keep", 31 * DAY..=3660 * DAY).unwrap_or(1096 * DAY),
    };
    if notify.life_repeat_then < notify.life_repeat {
        let (then, first) = (scalar::show_duration(notify.life_repeat_then), scalar::show_duration(notify.life_repeat));
        let wrong = Wrong::new(format!("would be {then}, which is oftener than the {first} of `life_repeat`"));
        section.wrong_at(then_at, "life_repeat_then", wrong.hint("make it at least `life_repeat`"));
    }
    section.finish();
    notify
}

/// `22:30`
fn minute_of_day(text: &str) -> Result<u16, Wrong> {
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let minute = text.split_once(':').filter(|(hour, minute)| digits(hour) && digits(minute) && minute.len() == 2);
    let minute = minute.and_then(|(hour, minute)| Some((hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?)));
    match minute {
        Some((hour, minute)) if hour < 24 && minute < 60 => Ok(hour * 60 + minute),
        _ => {
            Err(Wrong::new(format!("{} is not a time of day", scalar::quoted(text)))
                .hint("write for example \"22:30\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        assert_eq!(minute_of_day("0:00").ok(), Some(0));
        assert_eq!(minute_of_day("07:30").ok(), Some(450));
        assert_eq!(minute_of_day("23:59").ok(), Some(1439));
        for bad in ["", "24:00", "7", "7:5", "7:60", ":30", "+7:30", "007:30", "7:30 "] {
            assert!(minute_of_day(bad).is_err(), "{bad}");
        }
    }
}
