//! RFC 3339 times as peers write them. A local time without a zone is no time at all here: nobody says which zone.

use domovoi_model::{Date, Timestamp};

/// Reads `2026-11-21T22:25:00[.123]` followed by `Z`, `+03:00` or `+0300`. `None` for anything else and for years
/// outside 2000..=2199: wmbusmeters writes 1111 for a simulated telegram, a device without a clock 1970.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', ' '])?;
    let date: Date = date.parse().ok()?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(|part| two_digits(part, 60));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || second > 60 || minute > 59 {
        return None;
    }
    let millis = millis(fraction)?;
    let offset_minutes = offset(zone)?;
    let days = date.days_since_epoch();
    let at = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60_000 + second * 1000 + millis;
    plausible(at)
}

/// Milliseconds since 1970, if they fall into the same years.
pub(crate) fn plausible(millis: i64) -> Option<Timestamp> {
    // 2000-01-01 and 2200-01-01.
    (946_684_800_000..7_258_118_400_000).contains(&millis).then_some(Timestamp(millis))
}

fn two_digits(text: &str, most: i64) -> Option<i64> {
    let ok = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    ok.then(|| text.parse().ok()).flatten().filter(|n| *n <= most)
}

fn millis(fraction: &str) -> Option<i64> {
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}").get(..3)?.parse().ok()
}

fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    Some(sign * (two_digits(hours, 23)? * 60 + two_digits(minutes, 59)?))
}
