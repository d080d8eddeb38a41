//! Regular expressions in templates: Python's, look-around included, with a limit on what a pattern may become and on how
//! often it may turn back. Deliberately no cache: a pattern is compiled where it stands, and its price says so.

use fancy_regex::{Regex, RegexBuilder};
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, State};

use super::engine::{MAX_OUTPUT, Purse};
use super::filters::{print, undefined, wrong};

type Answer = Result<Value, Error>;

/// Bytes of a pattern.
const MAX_PATTERN: usize = 1024;
/// What compiling a pattern costs: fifty of them, and the purse is empty.
const COMPILING: u64 = 20_000;
/// How often a pattern with look-around may turn back.
const MAX_BACKTRACKS: usize = 20_000;
/// Bytes that a compiled pattern may take.
const MAX_SIZE: usize = 256 << 10;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    let matches = |state: &mut State<'_, '_>, text: Value, pattern: &str, ignore: Option<bool>| {
        // Python's `match` begins at the beginning.
        Ok::<_, Error>(
            regex(state, &text, pattern, ignore)?
                .find(&subject(&text)?)
                .map_err(slow)?
                .is_some_and(|found| found.start() == 0),
        )
    };
    let search = |state: &mut State<'_, '_>, text: Value, pattern: &str, ignore: Option<bool>| {
        regex(state, &text, pattern, ignore)?.is_match(&subject(&text)?).map_err(slow)
    };
    environment.add_filter("regex_match", matches);
    environment.add_filter("regex_search", search);
    environment.add_test("match", matches);
    environment.add_test("search", search);
    environment.add_filter("regex_replace", replace);
    environment.add_filter("regex_findall", find_all);
    environment.add_filter(
        "regex_findall_index",
        |state: &mut State<'_, '_>, text: Value, pattern: &str, index: Option<i64>, ignore: Option<bool>| {
            let all = find_all(state, text, pattern, ignore)?;
            let length = i64::try_from(all.len().unwrap_or(0)).unwrap_or(0);
            let at = index.unwrap_or(0);
            let at = if at < 0 { length + at } else { at };
            let found = usize::try_from(at).ok().filter(|at| i64::try_from(*at).is_ok_and(|at| at < length));
            all.get_item_by_index(found.ok_or_else(|| wrong("regex_findall_index: there are not so many"))?)
        },
    );
}

fn subject(value: &Value) -> Result<String, Error> {
    if value.is_undefined() { Err(undefined("a regular expression")) } else { print(value) }
}

fn slow(_: fancy_regex::Error) -> Error {
    wrong("the regular expression takes too long")
}

fn regex(state: &mut State<'_, '_>, text: &Value, pattern: &str, ignore: Option<bool>) -> Result<Regex, Error> {
    let length = text.as_str().map_or(64, str::len) as u64;
    Purse::pay(state, COMPILING + length)?;
    if pattern.len() > MAX_PATTERN {
        return Err(wrong("the regular expression is longer than 1 KiB"));
    }
    RegexBuilder::new(pattern)
        .case_insensitive(ignore.unwrap_or(false))
        .backtrack_limit(MAX_BACKTRACKS)
        .delegate_size_limit(MAX_SIZE)
        .delegate_dfa_size_limit(MAX_SIZE)
        .build()
        .map_err(|_| wrong("the regular expression cannot be read"))
}

/// Whether a pattern describes the whole of a text.
pub(super) fn whole(pattern: &str, text: &str) -> bool {
    if pattern.len() > MAX_PATTERN || text.len() > MAX_PATTERN {
        return true;
    }
    let built = RegexBuilder::new(&format!("^(?:{pattern})$"))
        .backtrack_limit(MAX_BACKTRACKS)
        .delegate_size_limit(MAX_SIZE)
        .build();
    built.map_or(true, |regex| regex.is_match(text).unwrap_or(false))
}

/// Python writes `\1` and `\g<name>` where this engine has `${1}`.
fn replacement(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '$']) {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let after = tail.get(1..).unwrap_or_default();
        if tail.starts_with('$') {
            out.push_str("$$");
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix("g<").and_then(|after| after.split_once('>')) {
            out.push_str(&format!("${{{name}}}"));
            rest = after;
        } else {
            let digits = after.bytes().take(2).take_while(u8::is_ascii_digit).count();
            let (group, after) = after.split_at(digits);
            if group.is_empty() {
                out.push_str(match after.chars().next() {
                    Some('n') => "\n",
                    Some('t') => "\t",
                    Some('\\') => "\\",
                    _ => "\\",
                });
                rest = after.strip_prefix(['n', 't', '\\']).unwrap_or(after);
            } else {
                out.push_str(&format!("${{{group}}}"));
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn replace(
    state: &mut State<'_, '_>,
    text: Value,
    find: Option<&str>,
    with: Option<&str>,
    ignore: Option<bool>,
) -> Answer {
    let regex = regex(state, &text, find.unwrap_or_default(), ignore)?;
    let (text, with) = (subject(&text)?, replacement(with.unwrap_or_default()));
    let mut out = String::new();
    let mut end = 0;
    for found in regex.captures_iter(&text) {
        let found = found.map_err(slow)?;
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(end..whole.start()).unwrap_or_default());
        found.expand(&with, &mut out);
        end = whole.end();
        if out.len() > 4 * MAX_OUTPUT {
            return Err(wrong("regex_replace: the text becomes too long"));
        }
    }
    out.push_str(text.get(end..).unwrap_or_default());
    Ok(Value::from(out))
}

/// As Python has it: texts for a pattern without groups or with one, lists of texts for one with more.
fn find_all(state: &mut State<'_, '_>, text: Value, pattern: &str, ignore: Option<bool>) -> Answer {
    let regex = regex(state, &text, pattern, ignore)?;
    let text = subject(&text)?;
    let groups = regex.captures_len();
    let mut out = Vec::new();
    for found in regex.captures_iter(&text) {
        let found = found.map_err(slow)?;
        let group = |at: usize| Value::from(found.get(at).map_or("", |group| group.as_str()));
        out.push(match groups {
            0 | 1 => group(0),
            2 => group(1),
            many => (1..many).map(group).collect(),
        });
        Purse::pay(state, 1 + groups as u64)?;
    }
    debug_assert!(out.iter().all(|item| matches!(item.kind(), ValueKind::String | ValueKind::Seq)));
    Ok(Value::from(out))
}
