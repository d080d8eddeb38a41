//! Numbers in templates, as Home Assistant takes them: what cannot be a number is the default, and without a default the
//! template fails, so that a sensor keeps what it had rather than becoming zero.

use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error};

use super::filters::{given_or, named, undefined, wrong};

type Args = Rest<ValueOrKwargs>;

type Answer = Result<Value, Error>;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    environment.add_filter("float", to_float);
    environment.add_function("float", to_float);
    environment.add_filter("int", to_int);
    environment.add_function("int", to_int);
    environment.add_filter("bool", to_bool);
    environment.add_function("bool", to_bool);
    environment.add_filter("round", round);
    environment.add_filter("is_number", |value: Value| is_number(&value));
    environment.add_function("is_number", |value: Value| is_number(&value));
    environment.add_test("is_number", |value: &Value| is_number(value));
    environment.add_filter("multiply", |args: Args| {
        let [value, by, default] = named(args, ["value", "amount", "default"])?;
        with(&value, given_or(&default), "multiply", |number| Some(number * float(&by)?))
    });
    environment.add_filter("add", |args: Args| {
        let [value, by, default] = named(args, ["value", "amount", "default"])?;
        with(&value, given_or(&default), "add", |number| Some(number + float(&by)?))
    });
    // `{{ value | log(10) }}` and `{{ log(value, 10) }}` alike.
    let log = |args: Args| {
        let [value, base, default] = named(args, ["value", "base", "default"])?;
        with(&value, given_or(&default), "log", |number| {
            let base = if base.is_undefined() { std::f64::consts::E } else { float(&base)? };
            Some(if base == 10.0 { number.log10() } else { number.ln() / base.ln() })
        })
    };
    environment.add_filter("log", log);
    environment.add_function("log", log);
    macro_rules! functions {
        ($($name:literal $function:expr),* $(,)?) => {$(
            let function = |args: Args| {
                let [value, default] = named(args, ["value", "default"])?;
                let function: fn(f64) -> f64 = $function;
                with(&value, given_or(&default), $name, |number| Some(function(number)))
            };
            environment.add_filter($name, function);
            environment.add_function($name, function);
        )*};
    }
    functions!(
        "sqrt" f64::sqrt, "sin" f64::sin, "cos" f64::cos, "tan" f64::tan, "asin" f64::asin, "acos" f64::acos,
        "atan" f64::atan,
    );
    environment.add_function("atan2", |y: f64, x: f64| y.atan2(x));
    environment.add_global("pi", std::f64::consts::PI);
    environment.add_global("e", std::f64::consts::E);
    environment.add_global("tau", std::f64::consts::TAU);
    environment.add_filter("bitwise_and", |a: i64, b: i64| a & b);
    environment.add_filter("bitwise_or", |a: i64, b: i64| a | b);
    environment.add_filter("bitwise_xor", |a: i64, b: i64| a ^ b);
    environment
        .add_function("min", |state: &mut minijinja::State<'_, '_>, args: Rest<Value>| most(state, "min", &args));
    environment
        .add_function("max", |state: &mut minijinja::State<'_, '_>, args: Rest<Value>| most(state, "max", &args));
    environment.add_filter("average", |list: Value, default: Option<Value>| average(&list, default));
    environment.add_function("average", |list: Value, default: Option<Value>| average(&list, default));
    environment.add_filter("clamp", |value: f64, low: f64, high: f64| value.max(low).min(high.max(low)));
}

/// `max(a, b)` and `max([a, b])` are the same.
fn most(state: &mut minijinja::State<'_, '_>, name: &str, args: &[Value]) -> Answer {
    let list = match args {
        [list] => list.clone(),
        many => Value::from(many.to_vec()),
    };
    state.apply_filter(name, &[list])
}

fn average(list: &Value, default: Option<Value>) -> Answer {
    let numbers: Option<Vec<f64>> = list.try_iter().ok().map(|items| items.map_while(|item| float(&item)).collect());
    match (numbers, default) {
        (Some(numbers), _) if !numbers.is_empty() => {
            Ok(Value::from(numbers.iter().sum::<f64>() / numbers.len() as f64))
        }
        (_, Some(default)) => Ok(default),
        _ => Err(wrong("average: there are no numbers")),
    }
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

/// Addition, subtraction and multiplication of numbers; whole ones stay whole, as in Python.
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
        _ => x * y,
    }))
}
