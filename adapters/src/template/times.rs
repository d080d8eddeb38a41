//! Times in templates: `as_timestamp`, `timestamp_custom`, `now()` and their kin.
//!
//! Nobody here reads a clock: now is when the message came, and before the clock is trusted there is no now, so that the
//! template says nothing. Nor is there a zone of the house: what is local elsewhere is UTC here, the same moment.

use std::fmt;
use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned, civil, fmt::strtime};
use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Environment, Error, ErrorKind, State};

use super::engine::Purse;
use super::filters::{Args, given_or, named, priced, priced_in, undefined, wrong};
use super::numbers::float;

type Answer = Result<Value, Error>;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    environment.add_function("now", now);
    environment.add_function("utcnow", now);
    environment.add_function("timedelta", timedelta);
    macro_rules! both {
        ($($name:literal $function:expr),* $(,)?) => {$(
            environment.add_filter($name, priced($function));
            environment.add_function($name, priced($function));
        )*};
    }
    both!(
        "as_timestamp" as_timestamp, "as_datetime" as_datetime, "as_local" as_datetime, "as_timedelta" as_timedelta,
        "timestamp_local" iso, "timestamp_utc" iso, "timestamp_custom" custom, "strptime" strptime,
    );
    for name in ["relative_time", "time_since", "time_until"] {
        let sign = if name == "time_until" { -1 } else { 1 };
        environment.add_filter(name, priced_in(move |state, args| ago(state, args, sign)));
        environment.add_function(name, priced_in(move |state, args| ago(state, args, sign)));
    }
    environment.add_test("datetime", |value: &Value| value.downcast_object_ref::<Moment>().is_some());
    environment.add_function("today_at", priced_in(today_at));
}

fn strptime(args: Args) -> Answer {
    let [text, format, default] = named(args, ["string", "fmt", "default"])?;
    let parsed = text.as_str().zip(format.as_str()).and_then(|(text, format)| parse(text, format));
    parsed.map(at).or_else(|| given_or(&default)).ok_or_else(|| wrong("strptime: the text does not fit the format"))
}

fn today_at(state: &mut State<'_, '_>, args: Args) -> Answer {
    let [text] = named(args, ["time_str"])?;
    let today = moment(state)?;
    let text = text.as_str().unwrap_or("00:00");
    let time: Option<civil::Time> = if text.len() > 64 { None } else { text.parse().ok() };
    let time = time.ok_or_else(|| wrong("today_at: this is no time"))?;
    let zoned = today.date().to_datetime(time).to_zoned(TimeZone::UTC);
    zoned.map(|zoned| Value::from_object(Moment(zoned))).map_err(|_| wrong("today_at: there is no such time"))
}

/// How long ago a moment was, in words: the largest unit, or as many units as are asked for. A moment on the other side
/// of now is given back as it is.
fn ago(state: &mut State<'_, '_>, args: Args, sign: i64) -> Answer {
    let [value, precision] = named(args, ["value", "precision"])?;
    let Some(then) = value.downcast_object_ref::<Moment>().map(|moment| moment.0.timestamp()) else {
        return if value.is_undefined() { Err(undefined("relative_time")) } else { Ok(value) };
    };
    let mut left = sign * (moment(state)?.timestamp().as_second() - then.as_second());
    if left < 0 {
        return Ok(value);
    }
    let units =
        [("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)];
    let wanted = precision.as_usize().unwrap_or(1).clamp(1, units.len());
    let mut words = Vec::new();
    for (name, seconds) in units {
        let count = left / seconds;
        if count > 0 && words.len() < wanted {
            words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
            left %= seconds;
        }
    }
    Ok(Value::from(if words.is_empty() { "0 seconds".to_owned() } else { words.join(" ") }))
}

/// A span as Python writes it (`1 day, 2:03:04`), or as a number of seconds.
fn as_timedelta(args: Args) -> Answer {
    let [value, default] = named(args, ["value", "default"])?;
    let seconds = match value.as_str() {
        Some(text) if text.len() <= 64 => span(text.trim()),
        Some(_) => None,
        None => float(&value),
    };
    let found = seconds
        .filter(|seconds| seconds.abs() < 1e11)
        .map(|seconds| Value::from_object(Span(SignedDuration::from_secs_f64(seconds))));
    or(&value, found, given_or(&default), "as_timedelta")
}

fn span(text: &str) -> Option<f64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let (days, clock) = match text.split_once("day") {
        Some((days, rest)) => {
            (days.trim().parse::<f64>().ok()?, rest.trim_start_matches('s').trim_start_matches(',').trim())
        }
        // «1 02:03:04».
        None => match text.split_once(' ') {
            Some((days, rest)) if rest.contains(':') => (days.parse::<f64>().ok()?, rest.trim()),
            _ => (0.0, text),
        },
    };
    let mut seconds = 0.0;
    for part in clock.split(':').filter(|part| !part.is_empty()) {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(sign * (days * 86_400.0 + seconds))
}

fn moment(state: &mut State<'_, '_>) -> Result<Zoned, Error> {
    let millis = Purse::of(state).at.ok_or_else(|| undefined("now"))?.0;
    let at = Timestamp::from_millisecond(millis).map_err(|_| undefined("now"))?;
    Ok(at.to_zoned(TimeZone::UTC))
}

fn now(state: &mut State<'_, '_>) -> Answer {
    moment(state).map(|zoned| Value::from_object(Moment(zoned)))
}

fn at(timestamp: Timestamp) -> Value {
    Value::from_object(Moment(timestamp.to_zoned(TimeZone::UTC)))
}

/// From seconds since 1970, a moment, or a text in ISO 8601.
fn read(value: &Value) -> Option<Timestamp> {
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return Some(moment.0.timestamp());
    }
    if let Some(seconds) = float(value) {
        return Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok().filter(|_| seconds.abs() < 2e11);
    }
    let text = value.as_str()?.trim();
    if text.len() > 64 {
        return None;
    }
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil: civil::DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

fn or(value: &Value, found: Option<Value>, default: Option<Value>, name: &str) -> Answer {
    match found.or(default) {
        Some(out) => Ok(out),
        None if value.is_undefined() => Err(undefined(name)),
        None => Err(wrong(format!("{name}: this is no time, and no default is given"))),
    }
}

fn as_timestamp(args: Args) -> Answer {
    let [value, default] = named(args, ["value", "default"])?;
    let default = given_or(&default);
    let found = read(&value).map(|at| Value::from(at.as_microsecond() as f64 / 1e6));
    or(&value, found, default, "as_timestamp")
}

fn as_datetime(args: Args) -> Answer {
    let [value, default] = named(args, ["value", "default"])?;
    let default = given_or(&default);
    or(&value, read(&value).map(at), default, "as_datetime")
}

fn iso(args: Args) -> Answer {
    let [value, default] = named(args, ["value", "default"])?;
    let default = given_or(&default);
    let found = read(&value).map(|at| Value::from(isoformat(&at.to_zoned(TimeZone::UTC), 'T')));
    or(&value, found, default, "timestamp_local")
}

fn custom(args: Args) -> Answer {
    let [value, format, _, default] = named(args, ["value", "date_format", "local", "default"])?;
    let default = given_or(&default);
    let format = format.as_str().unwrap_or("%Y-%m-%d %H:%M:%S");
    let found = read(&value).map(|at| strftime(&at.to_zoned(TimeZone::UTC), format)).transpose()?.map(Value::from);
    or(&value, found, default, "timestamp_custom")
}

fn strftime(zoned: &Zoned, format: &str) -> Result<String, Error> {
    // A width in a format (`%99999d`) is nothing that Python knows.
    if format.len() > 256 || format.split('%').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(wrong("the format of the time cannot be read"));
    }
    strtime::format(format, zoned).map_err(|_| wrong("the format of the time cannot be read"))
}

fn parse(text: &str, format: &str) -> Option<Timestamp> {
    if text.len() > 256 || format.len() > 256 {
        return None;
    }
    let parsed = strtime::parse(format, text).ok()?;
    if let Ok(at) = parsed.to_timestamp() {
        return Some(at);
    }
    let date = parsed.to_date().unwrap_or(civil::date(1900, 1, 1));
    let time = parsed.to_time().unwrap_or(civil::Time::midnight());
    date.to_datetime(time).to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn isoformat(zoned: &Zoned, between: char) -> String {
    let offset: Offset = zoned.offset();
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let micros = zoned.subsec_nanosecond() / 1000;
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (date, time) = (zoned.date(), zoned.time());
    format!(
        "{date}{between}{:02}:{:02}:{:02}{fraction}{sign}{hours:02}:{minutes:02}",
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Python's `datetime` with a zone.
#[derive(Debug)]
struct Moment(Zoned);

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(match key.as_str()? {
            "year" => i64::from(self.0.year()),
            "month" => i64::from(self.0.month()),
            "day" => i64::from(self.0.day()),
            "hour" => i64::from(self.0.hour()),
            "minute" => i64::from(self.0.minute()),
            "second" => i64::from(self.0.second()),
            "microsecond" => i64::from(self.0.subsec_nanosecond() / 1000),
            _ => return None,
        }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Answer {
        match method {
            "timestamp" => Ok(Value::from(self.0.timestamp().as_microsecond() as f64 / 1e6)),
            "isoformat" => Ok(Value::from(isoformat(&self.0, 'T'))),
            "strftime" => {
                let (format,): (&str,) = from_args(args)?;
                strftime(&self.0, format).map(Value::from)
            }
            "weekday" => Ok(Value::from(self.0.weekday().to_monday_zero_offset())),
            "isoweekday" => Ok(Value::from(self.0.weekday().to_monday_one_offset())),
            "date" => Ok(Value::from(self.0.date().to_string())),
            "replace" => {
                let parts: Kwargs = from_args::<(Kwargs,)>(args)?.0;
                let part = |name| parts.get::<Option<i8>>(name).ok().flatten();
                let mut with = self.0.with();
                if let Some(hour) = part("hour") {
                    with = with.hour(hour);
                }
                if let Some(minute) = part("minute") {
                    with = with.minute(minute);
                }
                if let Some(second) = part("second") {
                    with = with.second(second);
                }
                if part("microsecond").is_some() {
                    with = with.subsec_nanosecond(0);
                }
                with.build().map(|zoned| Value::from_object(Moment(zoned))).map_err(|_| wrong("there is no such time"))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&isoformat(&self.0, ' '))
    }
}

/// Python's `timedelta`.
#[derive(Debug)]
struct Span(SignedDuration);

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let seconds = self.0.as_secs();
        Some(Value::from(match key.as_str()? {
            "days" => seconds.div_euclid(86_400),
            "seconds" => seconds.rem_euclid(86_400),
            _ => return None,
        }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Answer {
        match method {
            "total_seconds" => Ok(Value::from(self.0.as_secs_f64())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        match days {
            0 => {}
            1 | -1 => write!(f, "{days} day, ")?,
            _ => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}

fn timedelta(parts: Kwargs) -> Answer {
    let mut seconds = 0.0;
    for (name, each) in [
        ("weeks", 604_800.0),
        ("days", 86_400.0),
        ("hours", 3600.0),
        ("minutes", 60.0),
        ("seconds", 1.0),
        ("milliseconds", 0.001),
    ] {
        if let Some(part) = parts.get::<Option<Value>>(name)? {
            seconds += each * float(&part).ok_or_else(|| wrong(format!("timedelta: {name} is no number")))?;
        }
    }
    if seconds.abs() > 1e11 {
        return Err(wrong("timedelta: this is longer than any house stands"));
    }
    Ok(Value::from_object(Span(SignedDuration::from_secs_f64(seconds))))
}

/// A moment and a span, or two spans.
pub(super) fn add(a: &Value, b: &Value) -> Option<Value> {
    let span = |value: &Value| value.downcast_object_ref::<Span>().map(|span| span.0);
    match (a.downcast_object_ref::<Moment>(), span(a), span(b)) {
        (Some(moment), _, Some(span)) => Some(Value::from_object(Moment(moment.0.checked_add(span).ok()?))),
        (None, Some(one), Some(two)) => Some(Value::from_object(Span(one.checked_add(two)?))),
        (None, Some(_), None) => add(b, a).filter(|_| b.downcast_object_ref::<Moment>().is_some()),
        _ => None,
    }
}

/// A span less than a moment or a span, or what lies between two moments.
pub(super) fn sub(a: &Value, b: &Value) -> Option<Value> {
    if let (Some(one), Some(two)) = (a.downcast_object_ref::<Moment>(), b.downcast_object_ref::<Moment>()) {
        return Some(Value::from_object(Span(one.0.duration_since(&two.0))));
    }
    let span = b.downcast_object_ref::<Span>()?;
    add(a, &Value::from_object(Span(span.0.checked_neg()?)))
}
