//! When the sun rises and sets. Pure arithmetic after J. Meeus, *Astronomical Algorithms* (2nd ed.), chapters 15, 25 and 28:
//! the low-precision position of the sun, good to a second of arc or so, which is a second of time in the middle latitudes
//! and less certain the flatter the sun meets the horizon. What mountains, houses and the weather do to it is not its
//! business: the upper edge of the disc stands on a sea's horizon with usual refraction (34′ and 16′ below).

use jiff::civil::Date;

/// Degrees from the zenith at which the sun is said to rise and to set.
const ZENITH: f64 = 90.0 + 50.0 / 60.0;

/// 2000-01-01T12:00Z in seconds of Unix: the moment from which Meeus counts.
const J2000_SECOND: f64 = 946_728_000.0;

const DAY_SECONDS: f64 = 86_400.0;

/// How many days are looked through for the next one: somewhere beyond the polar circles it may be half a year.
const DAYS_AHEAD: i32 = 370;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sun {
    /// The upper edge comes up.
    Rise,
    /// The upper edge goes down.
    Set,
}

/// Sunrise of the day whose solar noon at `lon` falls next to 12:00 of `date` in that longitude's own mean time, which is
/// the date of the calendar there wherever clocks follow the sun. `None`: it does not rise that day, because it does not
/// set or because it stays below. Degrees, north and east positive.
pub fn rise(lat: f64, lon: f64, date: Date) -> Option<jiff::Timestamp> {
    at(Sun::Rise, lat, lon, date)
}

/// Sunset of the same day, likewise.
pub fn set(lat: f64, lon: f64, date: Date) -> Option<jiff::Timestamp> {
    at(Sun::Set, lat, lon, date)
}

/// The next one after a moment, whatever clocks say there: east of the date line days are called otherwise than the sun
/// has them.
pub fn next(which: Sun, lat: f64, lon: f64, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
    let today = after.to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |ahead: i32| today.checked_add(jiff::Span::new().days(ahead)).ok();
    (-2..DAYS_AHEAD).filter_map(|ahead| at(which, lat, lon, day(ahead)?)).find(|found| *found > after)
}

/// Whether the sun is up.
pub fn is_up(lat: f64, lon: f64, now: jiff::Timestamp) -> bool {
    let second = now.as_millisecond() as f64 / 1000.0;
    let (declination, equation) = position(second);
    // Hours of the sun since its noon here, in degrees.
    let hour = (second / 240.0 + equation / 4.0 + lon - 180.0).to_radians();
    let lat = lat.to_radians();
    let height = lat.sin() * declination.sin() + lat.cos() * declination.cos() * hour.cos();
    height > ZENITH.to_radians().cos()
}

fn at(which: Sun, lat: f64, lon: f64, date: Date) -> Option<jiff::Timestamp> {
    if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon) {
        return None;
    }
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second() as f64;
    let mean_noon = midnight + DAY_SECONDS / 2.0 - lon * 240.0;
    let mut second = mean_noon;
    // The sun moves on between noon and the horizon: three rounds bring it below a second.
    for _ in 0..4 {
        let (declination, equation) = position(second);
        let lat = lat.to_radians();
        let hour = (ZENITH.to_radians().cos() - lat.sin() * declination.sin()) / (lat.cos() * declination.cos());
        // Beyond ±1, and on the poles where nothing divides, there is no such moment.
        if !(-1.0..=1.0).contains(&hour) {
            return None;
        }
        let half_day = hour.acos().to_degrees() * 240.0;
        let noon = mean_noon - equation * 60.0;
        second = match which {
            Sun::Rise => noon - half_day,
            Sun::Set => noon + half_day,
        };
    }
    jiff::Timestamp::from_millisecond((second * 1000.0).round() as i64).ok()
}

/// The sun's declination in radians, and by how many minutes it is ahead of mean time.
fn position(unix_second: f64) -> (f64, f64) {
    let century = (unix_second - J2000_SECOND) / DAY_SECONDS / 36_525.0;
    let longitude = (280.466_46 + century * (36_000.769_83 + century * 0.000_303_2)).to_radians();
    let anomaly = (357.529_11 + century * (35_999.050_29 - century * 0.000_153_7)).to_radians();
    let eccentricity = 0.016_708_634 - century * 0.000_042_037;
    let centre = anomaly.sin() * (1.914_602 - century * 0.004_817)
        + (2.0 * anomaly).sin() * (0.019_993 - century * 0.000_101)
        + (3.0 * anomaly).sin() * 0.000_289;
    let node = (125.04 - 1_934.136 * century).to_radians();
    let apparent = longitude + (centre - 0.005_69 - 0.004_78 * node.sin()).to_radians();
    let tilt = (23.439_291 - 0.013_004_2 * century + 0.002_56 * node.cos()).to_radians();
    let declination = (tilt.sin() * apparent.sin()).asin();
    let y = (tilt / 2.0).tan().powi(2);
    let equation = y * (2.0 * longitude).sin() - 2.0 * eccentricity * anomaly.sin()
        + 4.0 * eccentricity * y * anomaly.sin() * (2.0 * longitude).cos()
        - 0.5 * y * y * (4.0 * longitude).sin()
        - 1.25 * eccentricity * eccentricity * (2.0 * anomaly).sin();
    (declination, equation.to_degrees() * 4.0)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    /// Sunrise and sunset in UTC−7 on the first of each month of 2023 at 36°57′ N, 112°31′ W (Fredonia, Arizona), as the U.S.
    /// Naval Observatory publishes them to the minute: <https://aa.usno.navy.mil/data/RS_OneYear>.
    const FREDONIA: [(&str, &str); 12] = [
        ("07:43", "17:24"),
        ("07:33", "17:55"),
        ("07:01", "18:24"),
        ("06:16", "18:52"),
        ("05:36", "19:19"),
        ("05:12", "19:44"),
        ("05:14", "19:54"),
        ("05:35", "19:37"),
        ("06:01", "18:59"),
        ("06:25", "18:14"),
        ("06:54", "17:33"),
        ("07:24", "17:14"),
    ];

    /// The same for some days of April 2001 at 43°40′ N, 79°25′ W (Toronto), in UTC−4.
    const TORONTO: [(i8, &str, &str); 3] = [(1, "06:59", "19:45"), (15, "06:35", "20:01"), (30, "06:11", "20:19")];

    const MURMANSK: (f64, f64) = (68.9585, 33.0827);

    fn utc(text: &str) -> jiff::Timestamp {
        text.replace('Z', ":00Z").parse().unwrap()
    }

    #[test]
    fn it_rises_and_sets_as_the_almanac_says() {
        let close = |found: Option<jiff::Timestamp>, day: Date, said: &str, hours: i8| {
            let there = jiff::tz::TimeZone::fixed(jiff::tz::offset(hours));
            let said = day.at(0, 0, 0, 0).with().time(said.parse().unwrap()).build().unwrap().to_zoned(there).unwrap();
            let off = found.unwrap().as_second() - said.timestamp().as_second();
            assert!(off.abs() <= 35, "{day}: {off} s from {said}");
        };
        for (month, (up, down)) in (1..).zip(FREDONIA) {
            let (lat, lon, day) = (36.95, -112.52, date(2023, month, 1));
            close(rise(lat, lon, day), day, up, -7);
            close(set(lat, lon, day), day, down, -7);
        }
        for (day, up, down) in TORONTO {
            let (lat, lon, day) = (43.0 + 40.0 / 60.0, -79.0 - 25.0 / 60.0, date(2001, 4, day));
            close(rise(lat, lon, day), day, up, -4);
            close(set(lat, lon, day), day, down, -4);
        }
    }

    /// Polar night from 2 December to 11 January (Murmansk Hydrometeorological Centre, <https://arctic.ru/>, 2016-12-02),
    /// polar day from 22 May to 22 July (<https://visitmurmansk.info/>).
    #[test]
    fn murmansk_has_a_polar_night_and_a_polar_day() {
        let (lat, lon) = MURMANSK;
        for dark in [date(2016, 12, 3), date(2016, 12, 21), date(2017, 1, 9)] {
            assert_eq!((rise(lat, lon, dark), set(lat, lon, dark)), (None, None), "{dark}");
        }
        for light in [date(2016, 5, 23), date(2016, 6, 21), date(2016, 7, 21)] {
            assert_eq!((rise(lat, lon, light), set(lat, lon, light)), (None, None), "{light}");
            assert!(is_up(lat, lon, utc("2016-06-21T22:00Z")));
        }
        for day in [date(2016, 11, 30), date(2017, 1, 13), date(2016, 5, 20), date(2016, 7, 24)] {
            assert!(rise(lat, lon, day).is_some() && set(lat, lon, day).is_some(), "{day}");
        }
        let back = next(Sun::Rise, lat, lon, utc("2016-12-10T00:00Z")).unwrap();
        let (first, last) = (utc("2017-01-10T00:00Z"), utc("2017-01-13T00:00Z"));
        assert!((first..last).contains(&back), "the first sunrise of the year: {back}");
        let down = next(Sun::Set, lat, lon, utc("2016-06-01T12:00Z")).unwrap();
        assert!((utc("2016-07-21T00:00Z")..utc("2016-07-24T12:00Z")).contains(&down), "{down}");
    }

    #[test]
    fn beyond_the_map_there_is_none_and_on_the_poles_nothing_divides() {
        for (lat, lon) in [(91.0, 0.0), (0.0, 181.0), (f64::NAN, 0.0), (0.0, f64::INFINITY), (90.0, 0.0), (-90.0, 0.0)]
        {
            assert_eq!(rise(lat, lon, date(2016, 6, 1)), None, "{lat} {lon}");
        }
    }

    #[test]
    fn the_next_one_is_found_where_the_day_has_another_name() {
        // Lorino keeps UTC+12 and lies east of the 180th meridian: its 3 February is the 2nd for its longitude.
        let (lat, lon) = (64.4996, -171.7157);
        let up = next(Sun::Rise, lat, lon, utc("2016-02-02T19:30Z")).unwrap();
        assert!((up.as_second() - utc("2016-02-02T20:15Z").as_second()).abs() < 600, "{up}");
        assert_eq!(rise(lat, lon, date(2016, 2, 2)), Some(up));
    }

    proptest! {
        /// Between a rise and the set that follows it the sun is up, and after the set it is not.
        #[test]
        fn it_is_up_between(lat in -64.0f64..64.0, lon in -180.0f64..180.0, second in 1_700_000_000i64..2_000_000_000) {
            let from = jiff::Timestamp::from_second(second).unwrap();
            let up = next(Sun::Rise, lat, lon, from).unwrap();
            let down = next(Sun::Set, lat, lon, up).unwrap();
            let minute = jiff::SignedDuration::from_mins(2);
            prop_assert!(down > up && down.duration_since(up) < jiff::SignedDuration::from_hours(25));
            if down.duration_since(up) > 3 * minute {
                prop_assert!(is_up(lat, lon, up + minute) && is_up(lat, lon, down - minute));
                prop_assert!(!is_up(lat, lon, up - minute) && !is_up(lat, lon, down + minute));
            }
        }
    }
}
