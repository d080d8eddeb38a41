//! Numbers, units, dates and ages as the two languages write them. Pure; it does not know what the numbers mean.

use domovoi_config::Language;
use domovoi_model::{Date, Timestamp, Unit};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::view::View;

const MONTHS_RU: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];
const MONTHS_NAMED_RU: [&str; 12] = [
    "январь",
    "февраль",
    "март",
    "апрель",
    "май",
    "июнь",
    "июль",
    "август",
    "сентябрь",
    "октябрь",
    "ноябрь",
    "декабрь",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn month(names: &'static [&'static str; 12], number: usize) -> &'static str {
    names.get(number.wrapping_sub(1)).copied().unwrap_or_default()
}

/// «21 ноября 2026 года» is a letter's style; a page says «21 ноября 2026».
pub fn date(language: Language, date: Date) -> String {
    let names = if language == Language::Russian { &MONTHS_RU } else { &MONTHS_EN };
    format!("{} {} {}", date.day(), month(names, usize::from(date.month())), date.year())
}

/// «ноябрь 2026».
pub fn period(language: Language, period: domovoi_model::Period) -> String {
    let names = if language == Language::Russian { &MONTHS_NAMED_RU } else { &MONTHS_EN };
    let text = period.to_string();
    let (year, number) = text.split_once('-').unwrap_or((&text, ""));
    format!("{} {year}", month(names, number.parse().unwrap_or_default()))
}

/// The day and the minute in a zone; the year only where it is not the present one.
pub fn moment(language: Language, at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let (Some(at), now) = (local(at, zone), local(now, zone)) else { return at.to_string() };
    let names = if language == Language::Russian { &MONTHS_RU } else { &MONTHS_EN };
    let name = month(names, usize::from(at.month().unsigned_abs()));
    let year = if now.is_some_and(|now| now.year() == at.year()) { String::new() } else { format!(" {}", at.year()) };
    format!("{} {name}{year}, {:02}:{:02}", at.day(), at.hour(), at.minute())
}

/// The day in a zone.
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    let at = local(at, zone)?;
    Date::new(at.year(), at.month().unsigned_abs(), at.day().unsigned_abs())
}

/// The last moment of a day in a zone.
pub fn end_of_day(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    let next = date.plus_days(1)?;
    Some(start_of_day(next, zone)?.plus_millis(-1))
}

/// The first moment of a day in a zone.
pub fn start_of_day(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    let civil = jiff::civil::Date::new(date.year(), date.month().cast_signed(), date.day().cast_signed()).ok()?;
    Some(Timestamp(civil.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
}

fn local(at: Timestamp, zone: &TimeZone) -> Option<jiff::Zoned> {
    Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone()))
}

/// «5 минут назад». Older than a month is said as a date.
pub fn age(view: &View, at: Timestamp) -> String {
    let seconds = (view.now.0 - at.0) / 1000;
    match seconds {
        ..0 => view.moment(&at),
        0..60 => view.t("page-age-now"),
        60..3600 => view.t1("page-age-minutes", "count", seconds / 60),
        3600..86_400 => view.t1("page-age-hours", "count", seconds / 3600),
        86_400..2_678_400 => view.t1("page-age-days", "count", seconds / 86_400),
        _ => view.moment(&at),
    }
}

/// What a browser says it is, as people call it: «Firefox, Android». A name that a person gave stays as it is. Every
/// browser claims to be several others; the list has the most particular first.
pub fn device(name: &str) -> String {
    if !name.starts_with("Mozilla/") {
        return name.to_owned();
    }
    let of = |known: &[(&str, &'static str)]| known.iter().find(|(sign, _)| name.contains(sign)).map(|(_, word)| *word);
    let browser = of(&[
        ("YaBrowser/", "Яндекс Браузер"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = of(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => name.to_owned(),
    }
}

/// `1234.5` is «1 234,5» in Russian and `1,234.5` in English.
pub fn number(language: Language, value: Decimal) -> String {
    let text = value.to_string();
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |text| ("−", text));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    // A narrow space that does not break, and the decimal sign.
    let (group, point) = if language == Language::Russian { ("\u{202f}", ",") } else { (",", ".") };
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        // Four digits are read at a glance and are left together (Мильчин; the same in the SI brochure).
        if place > 0 && (whole.len() - place).is_multiple_of(3) && whole.len() > 4 {
            grouped.push_str(group);
        }
        grouped.push(digit);
    }
    if part.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}{point}{part}") }
}

/// A unit's sign.
pub fn unit(language: Language, unit: Unit) -> &'static str {
    match (language, unit) {
        (Language::Russian, Unit::CubicMetre) => "м³",
        (Language::Russian, Unit::KilowattHour) => "кВт·ч",
        (Language::Russian, Unit::Gigacalorie) => "Гкал",
        (_, unit) => unit.symbol(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_language_writes_them() {
        let of = |text: &str| number(Language::Russian, text.parse().unwrap());
        assert_eq!(of("123.456"), "123,456");
        assert_eq!(of("1234"), "1234");
        assert_eq!(of("1234567.80"), "1\u{202f}234\u{202f}567,80");
        assert_eq!(of("-12345"), "−12\u{202f}345");
        assert_eq!(number(Language::English, "12345.6".parse().unwrap()), "12,345.6");
    }

    #[test]
    fn a_browser_is_called_what_people_call_it() {
        let chrome =
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36";
        assert_eq!(device(chrome), "Chrome, Android");
        assert_eq!(device("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"), "Firefox, Windows");
        assert_eq!(device("Mozilla/5.0 (Nobody knows)"), "Mozilla/5.0 (Nobody knows)");
        assert_eq!(device("Телефон Анны"), "Телефон Анны");
    }

    #[test]
    fn a_day_has_its_ends_in_the_home_s_zone() {
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let day = Date::new(2026, 11, 21).unwrap();
        let end = end_of_day(day, &zone).unwrap();
        assert_eq!(end.to_string(), "2026-11-21T20:59:59.999Z");
        assert_eq!(day_of(end, &zone), Some(day));
        assert_eq!(day_of(end.plus_millis(1), &zone), day.plus_days(1));
        assert_eq!(moment(Language::Russian, end, &zone, end), "21 ноября, 23:59");
        assert_eq!(moment(Language::English, end, &zone, Timestamp(0)), "21 November 2026, 23:59");
    }
}
