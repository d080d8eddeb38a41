//! The filters, tests and functions that templates of real producers use, as Home Assistant has them, and the price of
//! each. What the engine brings along is kept under its name with an `!`, and stands behind one that is paid for.
//!
//! Deliberately no `states()`, `is_state()` and their kin: a device's template knows nothing of other devices.

use std::fmt::{self, Write as _};

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters as builtin, tests};

use super::Given;
use super::engine::{MAX_OUTPUT, Purse};
use super::{regexes, times};

/// Values within values, beyond which nothing is looked at: the depth that documents may have, and a little.
const MAX_DEPTH: u32 = 40;
/// Values and sixteenths of text in one value.
const MAX_SIZE: u64 = 40_000;

type Answer = Result<Value, Error>;

pub(super) fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// What is not there cannot be reckoned with; that is no mistake of the template's, and the state stays as it was.
pub(super) fn undefined(what: &str) -> Error {
    Error::new(ErrorKind::UndefinedError, format!("{what} of what does not exist"))
}

/// Arguments that are paid for.
pub(super) type Args = Vec<Value>;

/// A function of ours that is paid for by the size of what it is given.
pub(super) fn priced<T>(
    function: impl Fn(Args) -> Result<T, Error>,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<T, Error> {
    move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        pay(state, &args)?;
        function(args)
    }
}

/// The same for one that wants to pay more by itself, or to know when the message came.
pub(super) fn priced_in<T>(
    function: impl Fn(&mut State<'_, '_>, Args) -> Result<T, Error>,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<T, Error> {
    move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        pay(state, &args)?;
        function(state, args)
    }
}

/// Arguments by place or by name, as Python gives them; what is not given is undefined.
pub(super) fn named<const N: usize>(mut values: Args, names: [&str; N]) -> Result<[Value; N], Error> {
    let by_name = match values.pop_if(|last| last.is_kwargs()) {
        Some(last) => Kwargs::try_from(last)?,
        None => Kwargs::from_iter(Vec::<(String, Value)>::new()),
    };
    if values.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut out = [(); N].map(|()| Value::UNDEFINED);
    for (at, (slot, name)) in out.iter_mut().zip(names).enumerate() {
        *slot = match values.get(at) {
            Some(value) => value.clone(),
            None => by_name.get::<Option<Value>>(name)?.unwrap_or(Value::UNDEFINED),
        };
    }
    by_name.assert_all_used()?;
    Ok(out)
}

/// What is given, if it is.
pub(super) fn given_or(value: &Value) -> Option<Value> {
    if value.is_undefined() { None } else { Some(value.clone()) }
}

/// What looking at all of a value costs.
pub(super) fn price(value: &Value) -> Result<u64, Error> {
    fn walk(value: &Value, depth: u32, left: &mut u64) -> Result<(), Error> {
        let mut pay = |price: u64| -> Result<(), Error> {
            *left = left.checked_sub(price).ok_or_else(|| wrong("the value is too large"))?;
            Ok(())
        };
        if let Some(text) = value.as_str() {
            return pay(1 + text.len() as u64 / 16);
        }
        pay(1)?;
        if depth > MAX_DEPTH {
            return Err(wrong("the value is nested too deep"));
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    walk(&item, depth + 1, left)?;
                }
            }
            ValueKind::Map => {
                for key in value.try_iter()? {
                    walk(&key, depth + 1, left)?;
                    walk(&value.get_item(&key)?, depth + 1, left)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
    let mut left = MAX_SIZE;
    walk(value, 0, &mut left)?;
    Ok(MAX_SIZE - left)
}

pub(super) fn pay(state: &mut State<'_, '_>, values: &[Value]) -> Result<(), Error> {
    let mut total = 1;
    for value in values {
        total += price(value)?;
    }
    Purse::pay(state, total)
}

/// A text that stops growing.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > 4 * MAX_OUTPUT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// A value in Python's spelling.
pub(super) fn print(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let mut out = Bounded(String::new());
    write!(out, "{value}").map_err(|_| wrong("the text is too long"))?;
    Ok(out.0)
}

/// A variable of a command.
pub(super) fn given(given: Given<'_>) -> Value {
    match given {
        Given::Text(text) => Value::from(text),
        Given::None => Value::from(()),
        Given::Number(number) => {
            let number = number.normalize();
            match i64::try_from(number) {
                Ok(whole) if number.fract().is_zero() => Value::from(whole),
                _ => number.to_string().parse::<f64>().map_or(Value::from(()), Value::from),
            }
        }
    }
}

/// One of the engine's own filters, paid for.
fn paid(inner: &'static str) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Answer {
    move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        pay(state, &args)?;
        grows(inner.trim_end_matches('!'), &args)?;
        // What puts in order compares each with many.
        if matches!(inner, "sort!" | "unique!" | "groupby!" | "dictsort!") {
            Purse::pay(state, 8 * args.first().map_or(Ok(0), price)?)?;
        }
        let out = state.apply_filter(inner, &args)?;
        pay(state, std::slice::from_ref(&out))?;
        Ok(out)
    }
}

/// The tests that put two values in an order.
const ORDERS: &[&str] = &["lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">="];

fn paid_test(inner: &'static str) -> impl Fn(&mut State<'_, '_>, Rest<Value>) -> Result<bool, Error> {
    move |state: &mut State<'_, '_>, args: Rest<Value>| {
        pay(state, &args)?;
        if let [a, b] = &*args.0
            && ORDERS.contains(&inner.trim_end_matches('!'))
        {
            let (a, b) = super::python::comparable(a.clone(), b.clone())?;
            return state.perform_test(inner, &[a, b]);
        }
        state.perform_test(inner, &args)
    }
}

/// Refuses what would make a text much longer than what it is made of.
pub(super) fn grows(name: &str, args: &[Value]) -> Result<(), Error> {
    let length = |at: usize| args.get(at).and_then(Value::as_str).map_or(8, str::len);
    let items = args.first().and_then(Value::len).unwrap_or(0);
    let becomes = match name {
        // One more than there are characters, for an empty text to look for.
        "replace" => length(0) + (length(0) / length(1).max(1) + 1) * length(2),
        "join" => items.saturating_mul(length(1)),
        // Widths are said in digits: within a format, or as an argument.
        "format" | "indent" | "batch" | "slice" | "tojson" | "center" | "ljust" | "rjust" | "zfill" => {
            let digits = |text: &str| {
                text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.trim_start_matches('0').len() > 3)
                    || text.contains('*')
            };
            let wide = |value: &Value| value.as_i64().is_some_and(|number| number.unsigned_abs() > 999);
            let text = args.first().and_then(Value::as_str).unwrap_or_default();
            let is_format = name == "format";
            if (is_format && digits(text)) || (!is_format && args.iter().skip(1).any(wide)) {
                return Err(wrong(format!("{name}: more than 999 places")));
            }
            let lines = if name == "indent" { text.lines().count() * 999 } else { 0 };
            lines.max(length(0))
        }
        _ => 0,
    };
    if becomes > 4 * MAX_OUTPUT { Err(wrong(format!("{name}: the text becomes too long"))) } else { Ok(()) }
}

macro_rules! engine_filters {
    ($environment:ident: $($name:literal $function:path),* $(,)?) => {$(
        $environment.add_filter(concat!($name, "!"), $function);
        $environment.add_filter($name, paid(concat!($name, "!")));
    )*};
}

macro_rules! engine_tests {
    ($environment:ident: $($name:literal $function:path),* $(,)?) => {$(
        $environment.add_test(concat!($name, "!"), $function);
        $environment.add_test($name, paid_test(concat!($name, "!")));
    )*};
}

/// Furnishes an environment.
pub(super) fn furnish(environment: &mut Environment<'static>) {
    for name in ["escape", "e", "pprint", "lines"] {
        environment.remove_filter(name);
    }
    for name in ["debug", "range", "dict", "cycler", "joiner", "lipsum"] {
        environment.remove_global(name);
    }
    engine_filters!(environment:
        "lower" builtin::lower, "upper" builtin::upper, "title" builtin::title, "capitalize" builtin::capitalize,
        "length" builtin::length, "count" builtin::length, "dictsort" builtin::dictsort,
        "items" builtin::items, "reverse" builtin::reverse, "trim" builtin::trim, "join" builtin::join,
        "split" builtin::split, "abs" builtin::abs, "attr" builtin::attr, "first" builtin::first,
        "last" builtin::last, "sort" builtin::sort, "list" builtin::list, "string" builtin::string,
        "batch" builtin::batch, "slice" builtin::slice, "sum" builtin::sum, "indent" builtin::indent,
        "select" builtin::select, "reject" builtin::reject, "selectattr" builtin::selectattr,
        "rejectattr" builtin::rejectattr, "map" builtin::map, "groupby" builtin::groupby, "unique" builtin::unique,
        "chain" builtin::chain, "zip" builtin::zip, "format" builtin::format, "min" builtin::min, "max" builtin::max,
        "default" builtin::default, "d" builtin::default,
    );
    engine_tests!(environment:
        "eq" tests::is_eq, "equalto" tests::is_eq, "==" tests::is_eq, "ne" tests::is_ne, "!=" tests::is_ne,
        "lt" tests::is_lt, "lessthan" tests::is_lt, "<" tests::is_lt, "le" tests::is_le, "<=" tests::is_le,
        "gt" tests::is_gt, "greaterthan" tests::is_gt, ">" tests::is_gt, "ge" tests::is_ge, ">=" tests::is_ge,
        "in" tests::is_in, "sameas" tests::is_sameas, "lower" tests::is_lower, "upper" tests::is_upper,
        "startingwith" tests::is_startingwith, "endingwith" tests::is_endingwith,
    );
    super::python::furnish(environment);
    super::numbers::furnish(environment);
    super::lists::furnish(environment);
    super::bytes::furnish(environment);
    times::furnish(environment);
    regexes::furnish(environment);
    environment.add_filter(
        "is_defined",
        |value: Value| {
            if value.is_undefined() { Err(undefined("is_defined")) } else { Ok(value) }
        },
    );
    environment.add_filter("safe", |value: Value| value);
    environment.add_filter("replace", priced(replace));
    environment.add_filter(
        "wordcount",
        priced(|args| {
            let [text] = named(args, ["s"])?;
            Ok(Value::from(print(&text)?.split_whitespace().count()))
        }),
    );
    environment.add_filter("center", |state: &mut State<'_, '_>, text: Value, width: Option<Value>| {
        super::python::method(state, &text, "center", &[width.unwrap_or_else(|| Value::from(80))])
    });
    environment.add_filter("iif", priced(iif));
    environment.add_function("iif", priced(iif));
    environment.add_filter("to_json", priced(to_json));
    environment.add_filter("tojson", priced(to_json));
    environment.add_filter("from_json", priced_in(from_json));
    environment.add_filter("truncate", priced(truncate));
    environment.add_filter("slugify", priced(slugify));
    environment.add_function("slugify", priced(slugify));
    environment.add_filter("contains", |state: &mut State<'_, '_>, list: Value, item: Value| {
        pay(state, &[list.clone(), item.clone()])?;
        state.perform_test("in!", &[item, list]).map(Value::from)
    });
    environment.add_test("contains", |state: &mut State<'_, '_>, list: Value, item: Value| {
        pay(state, &[list.clone(), item.clone()])?;
        state.perform_test("in!", &[item, list])
    });
    environment.add_function("zip", |state: &mut State<'_, '_>, args: Rest<Value>| {
        pay(state, &args)?;
        state.apply_filter("zip!", &args)
    });
}

/// `replace(old, new, count)`.
fn replace(args: Args) -> Answer {
    grows("replace", &args)?;
    let [text, old, new, count] = named(args, ["s", "old", "new", "count"])?;
    if text.is_undefined() {
        return Ok(Value::from(""));
    }
    let (text, old, new) = (print(&text)?, print(&old)?, print(&new)?);
    let count = count.as_i64().and_then(|count| usize::try_from(count).ok());
    Ok(Value::from(count.map_or_else(|| text.replace(&old, &new), |count| text.replacen(&old, &new, count))))
}

fn slugify(args: Args) -> Answer {
    let [text, separator] = named(args, ["value", "separator"])?;
    if text.is_undefined() {
        return Err(undefined("slugify"));
    }
    let text = print(&text)?;
    Ok(Value::from(crate::slug::slug_with(&text, separator.as_str().unwrap_or("_"))))
}

/// `iif(if_true, if_false, if_none)`.
fn iif(args: Args) -> Answer {
    let [value, yes, no, none] = named(args, ["value", "if_true", "if_false", "if_none"])?;
    Ok(match given_or(&none) {
        Some(none) if value.is_none() => none,
        _ if value.is_true() => given_or(&yes).unwrap_or_else(|| Value::from(true)),
        _ => given_or(&no).unwrap_or_else(|| Value::from(false)),
    })
}

fn to_json(args: Args) -> Answer {
    let [value, _, pretty, _, indent] = named(args, ["value", "ensure_ascii", "pretty_print", "sort_keys", "indent"])?;
    if value.is_undefined() {
        return Err(undefined("to_json"));
    }
    let written = if pretty.is_true() || indent.is_true() {
        serde_json::to_string_pretty(&value)
    } else {
        serde_json::to_string(&value)
    };
    written.map(Value::from).map_err(|error| wrong(format!("to_json: {error}")))
}

/// What comes out of a text takes many times its room, so that it is paid for as well.
fn from_json(state: &mut State<'_, '_>, args: Args) -> Answer {
    let [text, default] = named(args, ["value", "default"])?;
    let parsed = text.as_str().and_then(|text| {
        let text = crate::json::document(text.as_bytes(), 2 * MAX_OUTPUT).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    });
    if let Some(parsed) = &parsed {
        Purse::pay(state, 8 * price(parsed)?)?;
    }
    match parsed.or_else(|| given_or(&default)) {
        Some(value) => Ok(value),
        None if text.is_undefined() => Err(undefined("from_json")),
        None => Err(wrong("from_json: this is no JSON")),
    }
}

/// Jinja's `truncate(length, killwords, end, leeway)`.
fn truncate(args: Args) -> Answer {
    let [text, length, whole, end, leeway] = named(args, ["s", "length", "killwords", "end", "leeway"])?;
    if text.is_undefined() {
        return Err(undefined("truncate"));
    }
    let text = print(&text)?;
    let (length, end) = (length.as_usize().unwrap_or(255), end.as_str().unwrap_or("..."));
    if text.chars().count() <= length.saturating_add(leeway.as_usize().unwrap_or(5)) {
        return Ok(Value::from(text));
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let at_word = kept.rsplit_once(' ').map_or(kept.as_str(), |(head, _)| head);
    Ok(Value::from(format!("{}{end}", if whole.is_true() { &kept } else { at_word })))
}
