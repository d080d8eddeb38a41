//! Regular expressions in templates: Python's, look-around included, with a limit on what a pattern may become and on how
//! often it may turn back. Deliberately no cache: a pattern is compiled where it stands, and its price says so.

use fancy_regex::{Regex, RegexBuilder};
use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::engine::{MAX_OUTPUT, Purse};
use super::filters::{named, print, undefined, wrong};

type Answer = Result<Value, Error>;
type Args = Rest<ValueOrKwargs>;

/// Bytes of a pattern.
const MAX_PATTERN: usize = 1024;
/// What compiling a pattern costs: fifty of them, and the purse is empty.
const COMPILING: u64 = 20_000;
/// How often a pattern with look-around may turn back.
const MAX_BACKTRACKS: usize = 20_000;
/// Bytes that a compiled pattern may take.
const MAX_SIZE: usize = 256 << 10;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    environment.add_filter("regex_match", |state: &mut State<'_, '_>, args: Args| search(state, args, true));
    environment.add_filter("regex_search", |state: &mut State<'_, '_>, args: Args| search(state, args, false));
    environment.add_test("match", |state: &mut State<'_, '_>, args: Args| search(state, args, true));
    environment.add_test("search", |state: &mut State<'_, '_>, args: Args| search(state, args, false));
    environment.add_filter("regex_replace", replace);
    environment.add_filter("regex_findall", |state: &mut State<'_, '_>, args: Args| {
        let [text, find, ignore] = named(args, ["value", "find", "ignorecase"])?;
        find_all(state, &text, &find, &ignore).map(Value::from)
    });
    environment.add_filter("regex_findall_index", |state: &mut State<'_, '_>, args: Args| {
        let [text, find, index, ignore] = named(args, ["value", "find", "index", "ignorecase"])?;
        let all = find_all(state, &text, &find, &ignore)?;
        let length = i64::try_from(all.len()).unwrap_or(0);
        let at = index.as_i64().unwrap_or(0);
        let at = usize::try_from(if at < 0 { length.saturating_add(at) } else { at }).ok();
        at.and_then(|at| all.get(at).cloned()).ok_or_else(|| wrong("regex_findall_index: there are not so many"))
    });
}

/// Python's `match` begins at the beginning, `search` anywhere.
fn search(state: &mut State<'_, '_>, args: Args, at_start: bool) -> Result<bool, Error> {
    let [text, find, ignore] = named(args, ["value", "find", "ignorecase"])?;
    let regex = regex(state, &text, find.as_str().unwrap_or_default(), &ignore)?;
    let found = regex.find(&subject(&text)?).map_err(slow)?.map(|found| found.start());
    Ok(found.is_some_and(|start| !at_start || start == 0))
}

fn subject(value: &Value) -> Result<String, Error> {
    if value.is_undefined() { Err(undefined("a regular expression")) } else { print(value) }
}

fn slow(_: fancy_regex::Error) -> Error {
    wrong("the regular expression takes too long")
}

fn regex(state: &mut State<'_, '_>, text: &Value, pattern: &str, ignore: &Value) -> Result<Regex, Error> {
    let length = text.as_str().map_or(64, str::len) as u64;
    Purse::pay(state, COMPILING + length)?;
    if pattern.len() > MAX_PATTERN {
        return Err(wrong("the regular expression is longer than 1 KiB"));
    }
    RegexBuilder::new(pattern)
        .case_insensitive(ignore.is_true())
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

fn replace(state: &mut State<'_, '_>, args: Args) -> Answer {
    let [text, find, with, ignore] = named(args, ["value", "find", "replace", "ignorecase"])?;
    let regex = regex(state, &text, find.as_str().unwrap_or_default(), &ignore)?;
    let (text, with) = (subject(&text)?, replacement(with.as_str().unwrap_or_default()));
    let mut out = String::new();
    let mut end = 0;
    for found in regex.captures_iter(&text) {
        let found = found.map_err(slow)?;
        Purse::pay(state, 50)?;
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
fn find_all(state: &mut State<'_, '_>, text: &Value, find: &Value, ignore: &Value) -> Result<Vec<Value>, Error> {
    let regex = regex(state, text, find.as_str().unwrap_or_default(), ignore)?;
    let text = subject(text)?;
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
        // A pattern that looks around may turn back as often for each.
        Purse::pay(state, 50 + groups as u64)?;
    }
    Ok(out)
}
