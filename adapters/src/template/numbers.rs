//! Numbers in templates, as Home Assistant takes them: what cannot be a number is the default, and without a default the
//! template fails, so that a sensor keeps what it had rather than becoming zero.

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error};

use super::filters::{Args, given_or, named, pay, priced, undefined, wrong};

type Answer = Result<Value, Error>;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    macro_rules! both {
        ($($name:literal $function:expr),* $(,)?) => {$(
            environment.add_filter($name, priced($function));
            environment.add_function($name, priced($function));
        )*};
    }
    both!(
        "float" to_float, "int" to_int, "bool" to_bool, "log" log, "clamp" clamp, "remap" remap, "wrap" wrap,
        "atan2" atan2, "ordinal" ordinal,
        "bitwise_and" |args| bits(args, |a, b| a & b), "bitwise_or" |args| bits(args, |a, b| a | b),
        "bitwise_xor" |args| bits(args, |a, b| a ^ b), "average" average, "median" median,
        "statistical_mode" mode, "multiply" multiply, "add" add,
        "is_number" |args| one(args).map(|value| Value::from(is_number(&value))),
    );
    environment.add_filter("round", priced(round));
    environment.add_test("is_number", priced(|args| one(args).map(|value| is_number(&value))));
    macro_rules! functions {
        ($($name:literal $function:expr),* $(,)?) => {$(
            let function = |args: Args| {
                let [value, default] = named(args, ["value", "default"])?;
                let function: fn(f64) -> f64 = $function;
                with(&value, given_or(&default), $name, |number| Some(function(number)))
            };
            environment.add_filter($name, priced(function));
            environment.add_function($name, priced(function));
        )*};
    }
    functions!(
        "sqrt" f64::sqrt, "sin" f64::sin, "cos" f64::cos, "tan" f64::tan, "asin" f64::asin, "acos" f64::acos,
        "atan" f64::atan,
    );
    environment.add_global("pi", std::f64::consts::PI);
    environment.add_global("e", std::f64::consts::E);
    environment.add_global("tau", std::f64::consts::TAU);
    environment
        .add_function("min", |state: &mut minijinja::State<'_, '_>, args: Rest<Value>| most(state, "min", &args));
    environment
        .add_function("max", |state: &mut minijinja::State<'_, '_>, args: Rest<Value>| most(state, "max", &args));
}

fn one(args: Args) -> Result<Value, Error> {
    named(args, ["value"]).map(|[value]| value)
}

fn multiply(args: Args) -> Answer {
    let [value, by, default] = named(args, ["value", "amount", "default"])?;
    with(&value, given_or(&default), "multiply", |number| Some(number * float(&by)?))
}

fn add(args: Args) -> Answer {
    let [value, by, default] = named(args, ["value", "amount", "default"])?;
    with(&value, given_or(&default), "add", |number| Some(number + float(&by)?))
}

/// `{{ value | log(10) }}` and `{{ log(value, 10) }}` alike.
fn log(args: Args) -> Answer {
    let [value, base, default] = named(args, ["value", "base", "default"])?;
    with(&value, given_or(&default), "log", |number| {
        let base = if base.is_undefined() { std::f64::consts::E } else { float(&base)? };
        Some(if base == 10.0 { number.log10() } else { number.ln() / base.ln() })
    })
}

fn atan2(args: Args) -> Answer {
    let [y, x, default] = named(args, ["y", "x", "default"])?;
    with(&y, given_or(&default), "atan2", |y| Some(y.atan2(float(&x)?)))
}

fn clamp(args: Args) -> Answer {
    let [value, low, high] = named(args, ["value", "min_value", "max_value"])?;
    with(&value, None, "clamp", |number| {
        let (low, high) = (float(&low)?, float(&high)?);
        Some(number.max(low).min(high.max(low)))
    })
}

/// From one range to another, as Home Assistant has it; `edges` says what becomes of what lies outside.
fn remap(args: Args) -> Answer {
    let names = ["value", "in_min", "in_max", "out_min", "out_max", "steps", "edges"];
    let [value, in_min, in_max, out_min, out_max, steps, edges] = named(args, names)?;
    with(&value, None, "remap", |number| {
        let (from, to) = ((float(&in_min)?, float(&in_max)?), (float(&out_min)?, float(&out_max)?));
        let span = from.1 - from.0;
        let share = match edges.as_str().unwrap_or("none") {
            "clamp" => ((number - from.0) / span).clamp(0.0, 1.0),
            "wrap" => ((number - from.0) / span).rem_euclid(1.0),
            _ => (number - from.0) / span,
        };
        let share = match float(&steps).filter(|steps| *steps >= 1.0) {
            Some(steps) => (share * steps).round() / steps,
            None => share,
        };
        Some(to.0 + share * (to.1 - to.0))
    })
}

fn wrap(args: Args) -> Answer {
    let [value, low, high] = named(args, ["value", "min_value", "max_value"])?;
    with(&value, None, "wrap", |number| {
        let (low, high) = (float(&low)?, float(&high)?);
        Some(if high > low { low + (number - low).rem_euclid(high - low) } else { low })
    })
}

fn bits(args: Args, operator: fn(i64, i64) -> i64) -> Answer {
    let [a, b] = named(args, ["first_value", "second_value"])?;
    if a.is_undefined() {
        return Err(undefined("bits"));
    }
    let whole = |value: &Value| value.as_i64().filter(|_| value.kind() == ValueKind::Number);
    match (whole(&a), whole(&b)) {
        (Some(a), Some(b)) => Ok(Value::from(operator(a, b))),
        _ => Err(wrong("bits: these are no whole numbers")),
    }
}

/// 1st, 2nd, 3rd, 11th.
fn ordinal(args: Args) -> Answer {
    let number = one(args)?;
    let Some(whole) = float(&number).filter(|number| number.abs() < 9e15).map(|number| number as i64) else {
        return Err(if number.is_undefined() { undefined("ordinal") } else { wrong("ordinal: this is no number") });
    };
    let ending = match (whole.unsigned_abs() % 100, whole.unsigned_abs() % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    Ok(Value::from(format!("{whole}{ending}")))
}

/// `max(a, b)` and `max([a, b])` are the same.
fn most(state: &mut minijinja::State<'_, '_>, name: &str, args: &[Value]) -> Answer {
    pay(state, args)?;
    let list = match args {
        [list] => list.clone(),
        many => Value::from(many.to_vec()),
    };
    state.apply_filter(name, &[list])
}

/// The values of a list, or of all arguments; and the default that stands behind a list or has a name.
fn series(mut args: Args) -> Result<(Vec<Value>, Option<Value>), Error> {
    let mut default = None;
    if args.last().is_some_and(Value::is_kwargs)
        && let Some(last) = args.pop()
    {
        let by_name = minijinja::value::Kwargs::try_from(last)?;
        default = by_name.get::<Option<Value>>("default")?;
        by_name.assert_all_used()?;
    }
    match args.first() {
        Some(first) if first.is_undefined() => Err(undefined("statistics")),
        Some(first) if matches!(first.kind(), ValueKind::Seq | ValueKind::Iterable) => {
            let default = default.or_else(|| args.get(1).cloned());
            Ok((first.try_iter()?.collect(), default))
        }
        _ => Ok((args, default)),
    }
}

fn floats(values: &[Value]) -> Option<Vec<f64>> {
    let numbers: Option<Vec<f64>> = values.iter().map(float).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

fn average(args: Args) -> Answer {
    let (values, default) = series(args)?;
    let mean = floats(&values).map(|numbers| Value::from(numbers.iter().sum::<f64>() / numbers.len() as f64));
    mean.or(default).ok_or_else(|| wrong("average: these are no numbers"))
}

fn median(args: Args) -> Answer {
    let (values, default) = series(args)?;
    let middle = floats(&values).and_then(|mut numbers| {
        numbers.sort_by(f64::total_cmp);
        let (half, odd) = (numbers.len() / 2, numbers.len() % 2 == 1);
        let upper = numbers.get(half).copied()?;
        if odd { Some(upper) } else { Some((upper + numbers.get(half.checked_sub(1)?)?) / 2.0) }
    });
    middle.map(Value::from).or(default).ok_or_else(|| wrong("median: these are no numbers"))
}

/// The most frequent value; of several the first.
fn mode(args: Args) -> Answer {
    let (values, default) = series(args)?;
    let mut counted: std::collections::BTreeMap<&Value, (usize, usize)> = std::collections::BTreeMap::new();
    for (at, value) in values.iter().enumerate() {
        counted.entry(value).or_insert((0, at)).0 += 1;
    }
    let most = counted.into_iter().max_by_key(|(_, (count, at))| (*count, std::cmp::Reverse(*at)));
    let most = most.map(|(value, _)| value.clone());
    most.or(default).ok_or_else(|| wrong("statistical_mode: there are no values"))
}

/// A number, a text that is one, a truth value.
pub(super) fn float(value: &Value) -> Option<f64> {
    if let Some(text) = value.as_str() {
        return text.trim().parse().ok();
    }
    match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn is_number(value: &Value) -> bool {
    float(value).is_some_and(f64::is_finite) && value.kind() != ValueKind::Bool
}

fn with(value: &Value, default: Option<Value>, name: &str, f: impl FnOnce(f64) -> Option<f64>) -> Answer {
    let out = float(value).and_then(f).filter(|number| number.is_finite());
    match (out, default) {
        (Some(number), _) => Ok(Value::from(number)),
        (None, Some(default)) => Ok(default),
        (None, None) if value.is_undefined() => Err(undefined(name)),
        (None, None) => Err(wrong(format!("{name}: this is no number, and no default is given"))),
    }
}

fn to_float(args: Args) -> Answer {
    let [value, default] = named(args, ["value", "default"])?;
    with(&value, given_or(&default), "float", Some)
}

fn to_int(args: Args) -> Answer {
    let [value, default, base] = named(args, ["value", "default", "base"])?;
    let default = given_or(&default);
    let base = base.as_i64().and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
    let whole = match value.as_str().map(str::trim) {
        Some(text) if base != 10 => {
            let digits = text.trim_start_matches("0x").trim_start_matches("0X").trim_start_matches("0b");
            (2..=36).contains(&base).then(|| i64::from_str_radix(digits, base).ok()).flatten()
        }
        Some(text) => text.parse().ok(),
        None => value.as_i64(),
    };
    let cut = || float(&value).filter(|number| number.abs() < 9e18).map(|number| number as i64);
    match (whole.or_else(|| if base == 10 { cut() } else { None }), default) {
        (Some(whole), _) => Ok(Value::from(whole)),
        (None, Some(default)) => Ok(default),
        (None, None) if value.is_undefined() => Err(undefined("int")),
        (None, None) => Err(wrong("int: this is no number, and no default is given")),
    }
}

fn to_bool(args: Args) -> Answer {
    let [value, default] = named(args, ["value", "default"])?;
    let default = given_or(&default);
    let word = value.as_str().map(str::to_ascii_lowercase);
    let flag = match (word.as_deref(), value.kind()) {
        (Some("true" | "yes" | "on" | "enable" | "1"), _) => Some(true),
        (Some("false" | "no" | "off" | "disable" | "0"), _) => Some(false),
        (None, ValueKind::Bool | ValueKind::Number) => Some(value.is_true()),
        _ => None,
    };
    match (flag, default) {
        (Some(flag), _) => Ok(Value::from(flag)),
        (None, Some(default)) => Ok(default),
        (None, None) if value.is_undefined() => Err(undefined("bool")),
        (None, None) => Err(wrong("bool: this is neither yes nor no, and no default is given")),
    }
}

/// `round(precision, method, default)` with the methods common, ceil, floor and half. Without a precision the answer is
/// a whole number, as Home Assistant has it.
fn round(args: Args) -> Answer {
    let [value, precision, method, default] = named(args, ["value", "precision", "method", "default"])?;
    let default = given_or(&default);
    let places = i32::try_from(precision.as_i64().unwrap_or(0).clamp(-15, 15)).unwrap_or(0);
    let power = 10f64.powi(places);
    let rounded = |number: f64| {
        let out = match method.as_str().unwrap_or("common") {
            "ceil" => (number * power).ceil() / power,
            "floor" => (number * power).floor() / power,
            "half" => (number * 2.0).round() / 2.0,
            // Python rounds the decimal digits half to even, not the product: 2.675 is a little less than it looks.
            _ if places >= 0 => format!("{number:.*}", usize::try_from(places).unwrap_or(0)).parse().ok()?,
            _ => (number * power).round_ties_even() / power,
        };
        Some(out)
    };
    match float(&value).and_then(rounded) {
        Some(number) if places == 0 && number.abs() < 9e15 => Ok(Value::from(number as i64)),
        Some(number) if number.is_finite() => Ok(Value::from(number)),
        // What is left has no number; `with` says so, or takes the default.
        _ => with(&value, default, "round", |_| None),
    }
}

/// Addition, subtraction, multiplication and remainder of numbers; whole ones stay whole, as in Python.
pub(super) fn reckon(operator: char, a: &Value, b: &Value) -> Answer {
    if a.is_undefined() || b.is_undefined() {
        return Err(undefined("arithmetic"));
    }
    let whole = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true())),
        ValueKind::Number if value.is_integer() => value.as_i64(),
        _ => None,
    };
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        let out = match operator {
            '+' => a.checked_add(b),
            '-' => a.checked_sub(b),
            '%' if b == 0 => return Err(wrong("a remainder of a division by zero")),
            // It has the sign of what is divided by.
            '%' => a.checked_rem(b).map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
            _ => a.checked_mul(b),
        };
        if let Some(out) = out {
            return Ok(Value::from(out));
        }
    }
    let number = |value: &Value| if value.as_str().is_some() { None } else { float(value) };
    let (Some(x), Some(y)) = (number(a), number(b)) else {
        return Err(wrong(format!("{} {operator} {} is not available", a.kind(), b.kind())));
    };
    Ok(Value::from(match operator {
        '+' => x + y,
        '-' => x - y,
        '%' if y == 0.0 => return Err(wrong("a remainder of a division by zero")),
        '%' => x - y * (x / y).floor(),
        _ => x * y,
    }))
}
