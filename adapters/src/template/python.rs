//! What templates have from Python: operators, methods of texts, lists and dictionaries, `dict` and `range`. All of it is
//! paid for like the filters ([`super::filters`]).

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::engine::{MAX_OUTPUT, Purse};
use super::filters::{grows, pay, print, undefined, wrong};
use super::times;

type Answer = Result<Value, Error>;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    operators(environment);
    environment.add_function("range", range);
    environment.add_global("dict", Value::from_object(Dict));
    environment.set_unknown_method_callback(method);
}

/// What the compiled template calls in the place of operators.
fn operators(environment: &mut Environment<'static>) {
    environment.add_filter("concat!", |state: &mut State<'_, '_>, a: Value, b: Value| {
        pay(state, &[a.clone(), b.clone()])?;
        if a.is_undefined() && b.is_undefined() {
            return Ok(Value::UNDEFINED);
        }
        let text = print(&a)? + &print(&b)?;
        if text.len() > 4 * MAX_OUTPUT { Err(wrong("the text is too long")) } else { Ok(Value::from(text)) }
    });
    macro_rules! compare {
        ($($name:literal $op:tt),*) => {$(
            environment.add_filter($name, |state: &mut State<'_, '_>, a: Value, b: Value| -> Answer {
                pay(state, &[a.clone(), b.clone()])?;
                Ok(Value::from(counted(a) $op counted(b)))
            });
        )*};
    }
    compare!("eq!" ==, "ne!" !=);
    macro_rules! order {
        ($($name:literal $op:tt),*) => {$(
            environment.add_filter($name, |state: &mut State<'_, '_>, a: Value, b: Value| -> Answer {
                pay(state, &[a.clone(), b.clone()])?;
                let (a, b) = comparable(a, b)?;
                Ok(Value::from(a $op b))
            });
        )*};
    }
    order!("lt!" <, "le!" <=, "gt!" >, "ge!" >=);
    environment.add_filter("in!", |state: &mut State<'_, '_>, a: Value, b: Value| -> Answer {
        pay(state, &[a.clone(), b.clone()])?;
        state.perform_test("in!", &[a, b]).map(Value::from)
    });
    environment.add_filter("item!", item);
    environment.add_filter("add!", |state: &mut State<'_, '_>, a: Value, b: Value| {
        pay(state, &[a.clone(), b.clone()])?;
        match (a.as_str(), b.as_str()) {
            (Some(one), Some(two)) => Ok(Value::from([one, two].concat())),
            _ if a.kind() == ValueKind::Seq && b.kind() == ValueKind::Seq => {
                Ok(a.try_iter()?.chain(b.try_iter()?).collect())
            }
            _ => match times::add(&a, &b) {
                Some(sum) => Ok(sum),
                None => super::numbers::reckon('+', &a, &b),
            },
        }
    });
    environment.add_filter("sub!", |a: Value, b: Value| match times::sub(&a, &b) {
        Some(difference) => Ok(difference),
        None => super::numbers::reckon('-', &a, &b),
    });
    environment.add_filter("mul!", |a: Value, b: Value| super::numbers::reckon('*', &a, &b));
    environment.add_filter("rem!", |state: &mut State<'_, '_>, a: Value, b: Value| {
        if a.as_str().is_none() {
            return super::numbers::reckon('%', &a, &b);
        }
        // Python's oldest way to write numbers into a text: `'%.1f' % value`.
        let parts = [a, b];
        pay(state, &parts)?;
        let [text, value] = parts;
        let mut args = vec![text];
        match value.kind() {
            ValueKind::Seq => args.extend(value.try_iter()?),
            _ => args.push(value),
        }
        grows("format", &args)?;
        state.apply_filter("format!", &args)
    });
    environment.add_filter(
        "cut!",
        |state: &mut State<'_, '_>, value: Value, start: Value, stop: Value, step: Value| {
            pay(state, std::slice::from_ref(&value))?;
            super::lists::cut(&value, &start, &stop, &step)
        },
    );
    environment.add_function("list!", |state: &mut State<'_, '_>, items: Rest<Value>| {
        pay(state, &items)?;
        Ok::<_, Error>(Value::from(items.0))
    });
    environment.add_function("map!", |state: &mut State<'_, '_>, items: Rest<Value>| {
        pay(state, &items)?;
        let pairs = items.chunks_exact(2).filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone())));
        Ok::<_, Error>(Value::from_pairs(pairs))
    });
}

/// What is not there is neither more nor less than anything, and a text is no number: the engine would put them in an order of
/// its own, and `{{ 'ON' if value_json.leak > 0 else 'OFF' }}` would call a leak off in each message that does not speak of it.
/// A truth value is 1 or 0, as in Python.
pub(super) fn comparable(a: Value, b: Value) -> Result<(Value, Value), Error> {
    if a.is_undefined() || b.is_undefined() {
        return Err(undefined("an order"));
    }
    let (a, b) = (counted(a), counted(b));
    if a.kind() == b.kind() && !a.is_none() {
        return Ok((a, b));
    }
    Err(wrong(format!("{} and {} have no order", a.kind(), b.kind())))
}

/// What stands at a place. A truth value is the place 1 or 0: `{{ ['OFF', 'ON'][value_json.relay] }}`.
fn item(value: Value, place: Value) -> Answer {
    let found = value.get_item(&place)?;
    if found.is_undefined() && place.kind() == ValueKind::Bool {
        return value.get_item(&counted(place));
    }
    Ok(found)
}

/// A truth value as a number.
fn counted(value: Value) -> Value {
    if value.kind() == ValueKind::Bool { Value::from(u8::from(value.is_true())) } else { value }
}

/// Python's methods of texts, lists and dictionaries.
pub(super) fn method(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Answer {
    let mut all = vec![value.clone()];
    all.extend_from_slice(args);
    pay(state, &all)?;
    if method == "join" {
        // Here the glue stands before the list.
        all.reverse();
    }
    grows(method, &all)?;
    let first = args.first();
    let out = match (value.as_str(), method, first) {
        (Some(text), "zfill", Some(width)) => {
            let width = usize::try_from(width.as_i64().unwrap_or(0)).unwrap_or(0);
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            let zeros = width.saturating_sub(text.chars().count());
            Value::from(format!("{sign}{}{digits}", "0".repeat(zeros)))
        }
        (Some(text), "ljust" | "rjust" | "center", Some(width)) => {
            let width = usize::try_from(width.as_i64().unwrap_or(0)).unwrap_or(0);
            let fill =
                args.get(1).and_then(Value::as_str).unwrap_or(" ").repeat(width.saturating_sub(text.chars().count()));
            Value::from(match method {
                "ljust" => format!("{text}{fill}"),
                "rjust" => format!("{fill}{text}"),
                _ => format!(
                    "{}{text}{}",
                    &fill.get(..fill.len() / 2).unwrap_or_default(),
                    fill.get(fill.len() / 2..).unwrap_or_default()
                ),
            })
        }
        (Some(text), "removeprefix", Some(prefix)) => {
            Value::from(prefix.as_str().and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text))
        }
        (Some(text), "removesuffix", Some(suffix)) => {
            Value::from(suffix.as_str().and_then(|suffix| text.strip_suffix(suffix)).unwrap_or(text))
        }
        (Some(text), "casefold", None) => Value::from(text.to_lowercase()),
        (Some(text), "rsplit", Some(separator)) if separator.as_str().is_some_and(|text| !text.is_empty()) => {
            let most = args.get(1).and_then(Value::as_i64).and_then(|most| usize::try_from(most).ok());
            let separator = separator.as_str().unwrap_or_default();
            let mut parts: Vec<&str> = text.rsplitn(most.map_or(usize::MAX, |most| most + 1), separator).collect();
            parts.reverse();
            Value::from(parts.into_iter().map(Value::from).collect::<Vec<_>>())
        }
        (None, "is_integer", None) if value.kind() == ValueKind::Number => {
            Value::from(super::numbers::float(value).is_some_and(|number| number.fract() == 0.0))
        }
        (Some(text), "swapcase", None) => Value::from(
            text.chars()
                .map(|c| if c.is_uppercase() { lower(c) } else { c.to_uppercase().collect() })
                .collect::<String>(),
        ),
        (Some(text), "partition" | "rpartition", Some(separator)) => {
            let separator =
                separator.as_str().filter(|text| !text.is_empty()).ok_or_else(|| wrong("an empty separator"))?;
            let parts = match method {
                "partition" => text.split_once(separator).map_or([text, "", ""], |(a, b)| [a, separator, b]),
                _ => text.rsplit_once(separator).map_or(["", "", text], |(a, b)| [a, separator, b]),
            };
            Value::from(parts.map(Value::from).to_vec())
        }
        (Some(text), "index", Some(part)) => {
            let at = part.as_str().and_then(|part| text.find(part)).and_then(|at| text.get(..at));
            Value::from(at.ok_or_else(|| wrong("index: there is no such text"))?.chars().count())
        }
        (Some(text), "isdecimal", None) => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        (None, "index", Some(item)) if value.kind() == ValueKind::Seq => {
            let at = value.try_iter()?.position(|other| other == *item);
            Value::from(at.ok_or_else(|| wrong("index: there is no such item"))?)
        }
        _ if value.is_undefined() => return Err(undefined(method)),
        _ => pycompat::unknown_method_callback(state, value, method, args)?,
    };
    pay(state, std::slice::from_ref(&out))?;
    Ok(out)
}

fn lower(c: char) -> String {
    c.to_lowercase().collect()
}

/// `dict(…)`, and `dict.from_keys(…)`, by which producers make a dictionary of pairs.
#[derive(Debug)]
struct Dict;

impl minijinja::value::Object for Dict {
    fn call(self: &std::sync::Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Answer {
        pay(state, args)?;
        let (pairs, more): (Option<Value>, Kwargs) = minijinja::value::from_args(args)?;
        let mut out: Vec<(Value, Value)> = pairs.map_or(Ok(Vec::new()), |pairs| self::pairs(&pairs))?;
        for name in more.args() {
            out.push((Value::from(name), more.get(name)?));
        }
        Ok(Value::from_pairs(out))
    }

    fn call_method(self: &std::sync::Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Answer {
        pay(state, args)?;
        match (method, args) {
            ("from_keys", [list]) => Ok(Value::from_pairs(pairs(list)?)),
            ("fromkeys", [keys]) => Ok(Value::from_pairs(keys.try_iter()?.map(|key| (key, Value::from(()))))),
            ("fromkeys", [keys, value]) => Ok(Value::from_pairs(keys.try_iter()?.map(|key| (key, value.clone())))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A dictionary, or a list of pairs, as pairs.
fn pairs(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if value.kind() == ValueKind::Map {
        return value.try_iter()?.map(|key| Ok((key.clone(), value.get_item(&key)?))).collect();
    }
    let pair = |item: Value| Ok((item.get_item_by_index(0)?, item.get_item_by_index(1)?));
    value.try_iter()?.map(pair).collect()
}

/// Python's `range`, which a device needs for a few dozen.
fn range(state: &mut State<'_, '_>, first: i64, second: Option<i64>, step: Option<i64>) -> Answer {
    let (start, stop) = second.map_or((0, first), |second| (first, second));
    let step = step.unwrap_or(1);
    let mut out = Vec::new();
    let mut at = start;
    while step != 0 && ((step > 0 && at < stop) || (step < 0 && at > stop)) {
        if out.len() >= 4096 {
            return Err(wrong("range: more than 4096 numbers"));
        }
        out.push(Value::from(at));
        at = at.saturating_add(step);
    }
    Purse::pay(state, out.len() as u64)?;
    Ok(Value::from(out))
}
