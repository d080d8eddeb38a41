//! Lists and dictionaries in templates: slices as Python cuts them, sets as Home Assistant reckons with them.
//!
//! A set is a list in which nothing stands twice: templates only ask what is in it.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error};

use super::filters::{Args, named, priced, undefined, wrong};

type Answer = Result<Value, Error>;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    macro_rules! both {
        ($($name:literal $function:expr),* $(,)?) => {$(
            environment.add_filter($name, priced($function));
            environment.add_function($name, priced($function));
        )*};
    }
    both!(
        "set" |args| items_of(args).map(|items| Value::from(once(items))),
        "tuple" |args| items_of(args).map(Value::from),
        "flatten" flatten, "combine" combine, "typeof" kind,
        "union" |args| two(args, |a, b| once(a.into_iter().chain(b).collect())),
        "intersect" |args| two(args, |a, b| once(a.into_iter().filter(|item| b.contains(item)).collect())),
        "difference" |args| two(args, |a, b| once(a.into_iter().filter(|item| !b.contains(item)).collect())),
        "symmetric_difference" |args| two(args, |a, b| {
            let apart = |one: &[Value], other: &[Value]| -> Vec<Value> {
                one.iter().filter(|item| !other.contains(item)).cloned().collect()
            };
            once(apart(&a, &b).into_iter().chain(apart(&b, &a)).collect())
        }),
    );
    environment.add_test("list", |value: &Value| value.kind() == ValueKind::Seq);
    environment.add_test("string_like", |value: &Value| value.as_str().is_some());
}

/// Values of one list that are compared with each other.
const MAX_COMPARED: usize = 256;

fn list(value: &Value) -> Result<Vec<Value>, Error> {
    if value.is_undefined() {
        return Err(undefined("a list"));
    }
    let items: Vec<Value> = value.try_iter()?.take(MAX_COMPARED + 1).collect();
    if items.len() > MAX_COMPARED { Err(wrong("a set has at most 256 values")) } else { Ok(items) }
}

fn items_of(args: Args) -> Result<Vec<Value>, Error> {
    let [value] = named(args, ["value"])?;
    if value.is_undefined() { Ok(Vec::new()) } else { list(&value) }
}

fn once(items: Vec<Value>) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        if !out.contains(&item) {
            out.push(item);
        }
    }
    out
}

fn two(args: Args, function: impl Fn(Vec<Value>, Vec<Value>) -> Vec<Value>) -> Answer {
    let [a, b] = named(args, ["value", "other"])?;
    Ok(Value::from(function(list(&a)?, list(&b)?)))
}

fn flatten(args: Args) -> Answer {
    fn walk(value: &Value, levels: usize, out: &mut Vec<Value>) -> Result<(), Error> {
        for item in value.try_iter()? {
            if item.kind() == ValueKind::Seq && levels > 0 {
                walk(&item, levels - 1, out)?;
            } else {
                out.push(item);
            }
        }
        Ok(())
    }
    let [value, levels] = named(args, ["value", "levels"])?;
    if value.is_undefined() {
        return Err(undefined("flatten"));
    }
    // Nothing is nested deeper: its price was found before.
    let mut out = Vec::new();
    walk(&value, levels.as_usize().unwrap_or(40).min(40), &mut out)?;
    Ok(Value::from(out))
}

/// Dictionaries laid over each other; with `recursive`, those within them too.
fn combine(mut args: Args) -> Answer {
    fn over(one: &Value, two: &Value, recursive: bool) -> Answer {
        let mut out: Vec<(Value, Value)> = Vec::new();
        for key in one.try_iter()? {
            let (old, new) = (one.get_item(&key)?, two.get_item(&key)?);
            let is_map = |value: &Value| value.kind() == ValueKind::Map;
            let value = match new.is_undefined() {
                true => old,
                false if recursive && is_map(&old) && is_map(&new) => over(&old, &new, true)?,
                false => new,
            };
            out.push((key, value));
        }
        for key in two.try_iter()? {
            if one.get_item(&key)?.is_undefined() {
                let value = two.get_item(&key)?;
                out.push((key, value));
            }
        }
        Ok(Value::from_pairs(out))
    }
    let mut recursive = false;
    if args.last().is_some_and(Value::is_kwargs)
        && let Some(last) = args.pop()
    {
        recursive = minijinja::value::Kwargs::try_from(last)?.get::<Option<bool>>("recursive")?.unwrap_or(false);
    }
    let mut all = args.into_iter();
    let first = all.next().ok_or_else(|| wrong("combine: there is nothing to combine"))?;
    all.try_fold(first, |one, two| over(&one, &two, recursive))
}

/// What Python calls the type of a value.
fn kind(args: Args) -> Answer {
    let [value] = named(args, ["value"])?;
    Ok(Value::from(match value.kind() {
        ValueKind::Undefined => "LoggingUndefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Map => "dict",
        _ => "list",
    }))
}

/// `value[start:stop:step]`. Of what does not exist there is no part.
pub(super) fn cut(value: &Value, start: &Value, stop: &Value, step: &Value) -> Answer {
    if value.is_undefined() || value.is_none() {
        return Err(undefined("a slice"));
    }
    let place = |value: &Value| {
        if value.is_none() || value.is_undefined() {
            Ok(None)
        } else {
            value.as_i64().map(Some).ok_or_else(|| wrong("a slice is told in whole numbers"))
        }
    };
    let (start, stop, step) = (place(start)?, place(stop)?, place(step)?.unwrap_or(1));
    if let Some(text) = value.as_str() {
        let chars: Vec<char> = text.chars().collect();
        return Ok(Value::from(parts(&chars, start, stop, step)?.into_iter().collect::<String>()));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            Ok(Value::from(parts(&items, start, stop, step)?))
        }
        ValueKind::Bytes => {
            let bytes = value.as_bytes().unwrap_or_default();
            Ok(Value::from_bytes(parts(bytes, start, stop, step)?))
        }
        other => Err(wrong(format!("a {other} cannot be cut"))),
    }
}

fn parts<T: Clone>(all: &[T], start: Option<i64>, stop: Option<i64>, step: i64) -> Result<Vec<T>, Error> {
    let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |at: Option<i64>, usual: i64| at.map_or(usual, |at| from_end(at).clamp(low, high));
    let (mut at, stop) = match step {
        0 => return Err(wrong("a slice goes on by at least one")),
        1.. => (bound(start, 0), bound(stop, length)),
        _ => (bound(start, length - 1), bound(stop, -1)),
    };
    let mut out = Vec::new();
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        out.extend(usize::try_from(at).ok().and_then(|at| all.get(at)).cloned());
        at = at.saturating_add(step);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_pythons() {
        let all = [0, 1, 2, 3, 4];
        for (start, stop, step, wanted) in [
            (None, None, 1, &[0, 1, 2, 3, 4][..]),
            (Some(1), Some(3), 1, &[1, 2]),
            (Some(-2), None, 1, &[3, 4]),
            (None, Some(-1), 2, &[0, 2]),
            (None, None, -1, &[4, 3, 2, 1, 0]),
            (Some(1), Some(4), -1, &[]),
            (Some(3), Some(0), -2, &[3, 1]),
            (Some(-100), Some(100), 3, &[0, 3]),
            (Some(100), None, -4, &[4, 0]),
            (Some(i64::MIN), Some(i64::MAX), i64::MAX, &[0]),
            (Some(i64::MAX), Some(i64::MIN), i64::MIN, &[4]),
        ] {
            assert_eq!(parts(&all, start, stop, step).unwrap(), wanted, "{start:?}:{stop:?}:{step}");
        }
        assert_eq!(parts::<i32>(&[], None, None, -1).unwrap(), Vec::<i32>::new());
        assert!(parts(&all, None, None, 0).is_err());
    }
}
