//! Regular expressions in templates: Python's, look-around included, with a limit on what a pattern may become and on how
//! often it may turn back. Deliberately no cache: a pattern is compiled where it stands, and its price says so.

use fancy_regex::{Regex, RegexBuilder};
use minijinja::value::Value;
use minijinja::{Environment, Error, State};

use super::engine::{MAX_OUTPUT, Purse};
use super::filters::{Args, named, priced_in, print, undefined, wrong};

type Answer = Result<Value, Error>;

/// Bytes of a pattern.
const MAX_PATTERN: usize = 1024;
/// What compiling a pattern costs: fifty of them, and the purse is empty.
const COMPILING: u64 = 20_000;
/// How often a pattern with look-around or references may turn back at each match, and the longest text it may be held
/// against: to turn back may mean to compare so much again.
const MAX_BACKTRACKS: usize = 5_000;
const MAX_FANCY: usize = 8 << 10;
/// Bytes that a compiled pattern may take.
const MAX_SIZE: usize = 256 << 10;

pub(super) fn furnish(environment: &mut Environment<'static>) {
    environment.add_filter("regex_match", priced_in(|state, args| search(state, args, true)));
    environment.add_filter("regex_search", priced_in(|state, args| search(state, args, false)));
    environment.add_test("match", priced_in(|state, args| search(state, args, true)));
    environment.add_test("search", priced_in(|state, args| search(state, args, false)));
    environment.add_filter("regex_replace", priced_in(replace));
    environment.add_filter(
        "regex_findall",
        priced_in(|state, args| {
            let [text, find, ignore] = named(args, ["value", "find", "ignorecase"])?;
            find_all(state, &text, &find, &ignore).map(Value::from)
        }),
    );
    environment.add_filter(
        "regex_findall_index",
        priced_in(|state, args| {
            let [text, find, index, ignore] = named(args, ["value", "find", "index", "ignorecase"])?;
            let all = find_all(state, &text, &find, &ignore)?;
            let length = i64::try_from(all.len()).unwrap_or(0);
            let at = index.as_i64().unwrap_or(0);
            let at = usize::try_from(if at < 0 { length.saturating_add(at) } else { at }).ok();
            at.and_then(|at| all.get(at).cloned()).ok_or_else(|| wrong("regex_findall_index: there are not so many"))
        }),
    );
}

/// A pattern, the text that it is held against, and what each look for a match costs.
struct Search {
    regex: Regex,
    text: String,
    fancy: bool,
}

impl Search {
    fn of(state: &mut State<'_, '_>, text: &Value, pattern: &Value, ignore: &Value) -> Result<Self, Error> {
        let pattern = pattern.as_str().unwrap_or_default();
        if pattern.len() > MAX_PATTERN {
            return Err(wrong("the regular expression is longer than 1 KiB"));
        }
        let text = subject(text)?;
        let fancy = is_fancy(pattern);
        if fancy && text.len() > MAX_FANCY {
            return Err(wrong("the text is too long for a regular expression that looks around"));
        }
        Purse::pay(state, COMPILING)?;
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(ignore.is_true())
            .backtrack_limit(MAX_BACKTRACKS)
            .delegate_size_limit(MAX_SIZE)
            .delegate_dfa_size_limit(MAX_SIZE)
            .build()
            .map_err(|_| wrong("the regular expression cannot be read"))?;
        let search = Search { regex, text, fancy };
        search.pay(state, 0)?;
        Ok(search)
    }

    /// Pays for looking from here: whatever is found, all that is left may be looked through.
    fn pay(&self, state: &mut State<'_, '_>, from: usize) -> Result<(), Error> {
        let left = self.text.len().saturating_sub(from) as u64;
        let back = if self.fancy { MAX_BACKTRACKS as u64 } else { 0 };
        Purse::pay(state, 50 + left / 2 + back)
    }
}

/// Whether a pattern may need to turn back: look-around, references, conditions, what is atomic. Rather too often yes.
fn is_fancy(pattern: &str) -> bool {
    let mut bytes = pattern.bytes().peekable();
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        let next = bytes.peek().copied().unwrap_or(0);
        match byte {
            b'\\' => {
                if matches!(next, b'1'..=b'9' | b'k' | b'g' | b'G' | b'K' | b'R' | b'X' | b'O') {
                    return true;
                }
                bytes.next();
                before = 0;
                continue;
            }
            b'(' if next == b'*' => return true,
            b'?' if before == b'(' => {
                let named = next == b'P' || next == b'<';
                if named {
                    bytes.next();
                }
                let mark = if named { bytes.peek().copied().unwrap_or(0) } else { next };
                let known = if named {
                    mark == b'<' || mark == b'_' || mark.is_ascii_alphabetic()
                } else {
                    mark == b':' || mark == b'-' || matches!(mark, b'i' | b'm' | b's' | b'x' | b'u' | b'U')
                };
                if !known {
                    return true;
                }
            }
            b'+' if matches!(before, b'+' | b'*' | b'?' | b'}') => return true,
            _ => {}
        }
        before = byte;
    }
    false
}

/// Python's `match` begins at the beginning, `search` anywhere.
fn search(state: &mut State<'_, '_>, args: Args, at_start: bool) -> Result<bool, Error> {
    let [text, find, ignore] = named(args, ["value", "find", "ignorecase"])?;
    let search = Search::of(state, &text, &find, &ignore)?;
    let found = search.regex.find(&search.text).map_err(slow)?.map(|found| found.start());
    Ok(found.is_some_and(|start| !at_start || start == 0))
}

fn subject(value: &Value) -> Result<String, Error> {
    if value.is_undefined() { Err(undefined("a regular expression")) } else { print(value) }
}

fn slow(_: fancy_regex::Error) -> Error {
    wrong("the regular expression takes too long")
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
    let search = Search::of(state, &text, &find, &ignore)?;
    let (text, with) = (&search.text, replacement(with.as_str().unwrap_or_default()));
    let mut out = String::new();
    let mut end = 0;
    for found in search.regex.captures_iter(text) {
        let found = found.map_err(slow)?;
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(end..whole.start()).unwrap_or_default());
        found.expand(&with, &mut out);
        end = whole.end();
        search.pay(state, end)?;
        if out.len() > 4 * MAX_OUTPUT {
            return Err(wrong("regex_replace: the text becomes too long"));
        }
    }
    out.push_str(text.get(end..).unwrap_or_default());
    Ok(Value::from(out))
}

/// As Python has it: texts for a pattern without groups or with one, lists of texts for one with more.
fn find_all(state: &mut State<'_, '_>, text: &Value, find: &Value, ignore: &Value) -> Result<Vec<Value>, Error> {
    let search = Search::of(state, text, find, ignore)?;
    let groups = search.regex.captures_len();
    let mut out = Vec::new();
    for found in search.regex.captures_iter(&search.text) {
        let found = found.map_err(slow)?;
        let group = |at: usize| Value::from(found.get(at).map_or("", |group| group.as_str()));
        out.push(match groups {
            0 | 1 => group(0),
            2 => group(1),
            many => (1..many).map(group).collect(),
        });
        search.pay(state, found.get(0).map_or(0, |whole| whole.end()))?;
        Purse::pay(state, groups as u64)?;
    }
    Ok(out)
}
