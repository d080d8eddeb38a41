//! Reads one table of the settings file key by key. It knows types, ranges and places, never what a key is for.
//!
//! A reader never stops: what is wrong is reported to the `Source` and answered with `None`, so that the section goes on
//! with its default and finds its next mistake.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use crate::mistake::{Source, Wrong};
use crate::scalar;

/// The longest text that any key takes.
const MAX_TEXT: usize = 4096;
/// What a key is shortened to before it is shown.
const MAX_SHOWN_KEY: usize = 64;

/// A table of the file with the keys that nobody has taken yet.
pub(crate) struct Section<'s> {
    source: &'s Source<'s>,
    base_dir: &'s Path,
    path: String,
    at: usize,
    entries: DeTable<'s>,
    known: Vec<&'static str>,
}

/// A value of the file with its key and its place.
pub(crate) struct Item<'s> {
    source: &'s Source<'s>,
    base_dir: &'s Path,
    key: String,
    at: usize,
    value: DeValue<'s>,
}

impl<'s> Section<'s> {
    pub fn root(source: &'s Source<'s>, base_dir: &'s Path, entries: DeTable<'s>) -> Self {
        Section { source, base_dir, path: String::new(), at: 0, entries, known: Vec::new() }
    }

    /// The line of its header, or of its brace.
    pub fn line(&self) -> usize {
        self.line_of(None)
    }

    /// The line of a place that `place_of` told; without one, of the table.
    pub fn line_of(&self, at: Option<usize>) -> usize {
        self.source.line(at.unwrap_or(self.at))
    }

    /// The folder that relative paths of the file start from.
    pub fn base_dir(&self) -> &'s Path {
        self.base_dir
    }

    /// Where the key's value stands, for a mistake that needs two keys to be seen.
    pub fn place_of(&self, key: &str) -> Option<usize> {
        self.entries.get(key).map(|value| value.span().start)
    }

    /// Reports a mistake about the table as a whole.
    pub fn wrong(&self, wrong: Wrong) {
        self.report(self.at, &self.path, wrong);
    }

    /// Reports a mistake about one of its keys, at a place that `place_of` told before the key was taken.
    pub fn wrong_at(&self, at: Option<usize>, key: &str, wrong: Wrong) {
        self.report(at.unwrap_or(self.at), &self.dotted(key), wrong);
    }

    /// What needs more than one value to be seen is not told of a text that is not TOML throughout: what is missing may
    /// only have been lost there.
    fn report(&self, at: usize, key: &str, wrong: Wrong) {
        if self.source.is_whole() {
            self.source.report(at, key, wrong);
        }
    }

    /// Says so if a key without which the section means nothing is not there. `example` is what to write.
    pub fn must_have(&self, key: &'static str, example: &str) {
        self.must_have_taken(self.place_of(key), key, example);
    }

    /// The same for a key that has been taken: `at` is what `place_of` said before.
    pub fn must_have_taken(&self, at: Option<usize>, key: &'static str, example: &str) {
        if at.is_none() {
            self.wrong_at(None, key, Wrong::new("is missing").hint(format!("write for example `{key} = {example}`")));
        }
    }

    pub fn take(&mut self, key: &'static str) -> Option<Item<'s>> {
        self.known.push(key);
        self.source.knows(schema_key(&self.dotted(key)));
        let value = self.entries.remove(key)?;
        Some(Item {
            source: self.source,
            base_dir: self.base_dir,
            key: self.dotted(key),
            at: value.span().start,
            value: value.into_inner(),
        })
    }

    /// A string that `parse` makes something of. The text it gets is not longer than any key takes.
    pub fn take_parsed<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        self.take(key)?.parsed(parse)
    }

    /// A string of 1..=`max` bytes without control characters.
    pub fn take_string(&mut self, key: &'static str, max: usize) -> Option<String> {
        self.take_parsed(key, |text| scalar::plain(text, max))
    }

    pub fn take_int(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        self.take(key)?.int(range)
    }

    pub fn take_bool(&mut self, key: &'static str) -> Option<bool> {
        self.take(key)?.bool()
    }

    pub fn take_duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.take_parsed(key, |text| within(scalar::duration(text)?, range, scalar::show_duration))
    }

    pub fn take_size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.take_parsed(key, |text| within(scalar::size(text)?, range, scalar::show_size))
    }

    /// A path; a relative one starts from `from`.
    pub fn take_path(&mut self, key: &'static str, from: &Path) -> Option<PathBuf> {
        self.take_parsed(key, |text| scalar::path(text, from))
    }

    /// An address that may be called with a token in hand: https, or http to a literal loopback address.
    pub fn take_url(&mut self, key: &'static str) -> Option<Url> {
        self.take_parsed(key, scalar::url)
    }

    pub fn take_enum<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        self.take_parsed(key, |text| scalar::choice(text, words))
    }

    /// A list of `count` elements; `None` unless every one of them is right.
    pub fn take_list<T>(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
        element: impl FnMut(Item<'s>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(key)?.list(count, element)
    }

    pub fn take_table(&mut self, key: &'static str) -> Option<Section<'s>> {
        self.take(key)?.table()
    }

    /// The table, or an empty one, so that a section that is not in the file is read into its defaults.
    pub fn take_section(&mut self, key: &'static str) -> Section<'s> {
        let empty = Section {
            source: self.source,
            base_dir: self.base_dir,
            path: self.dotted(key),
            at: self.at,
            entries: DeTable::new(),
            known: Vec::new(),
        };
        self.take_table(key).unwrap_or(empty)
    }

    /// The tables of `[[key]]`, none if there are none.
    pub fn take_tables(&mut self, key: &'static str, max: usize) -> Vec<Section<'s>> {
        let Some(item) = self.take(key) else { return Vec::new() };
        if !matches!(item.value, DeValue::Array(_)) {
            item.wrong(
                Wrong::new(format!("expected a list of tables, found {}", item.type_name())).hint(format!(
                    "begin each with `[[{}]]` in double brackets",
                    schema_key(&item.key).replace("[]", "")
                )),
            );
            return Vec::new();
        }
        let mut tables = Vec::new();
        item.list(0..=max, |element| {
            tables.extend(element.table());
            Some(())
        });
        tables
    }

    /// Every key that is left is one that nobody knows.
    pub fn finish(self) {
        // A header that could not be read drops its keys into the root, or takes one of them for a table.
        if self.path.is_empty() && !self.source.is_whole() {
            return;
        }
        for (key, _) in &self.entries {
            let name: &str = key.get_ref();
            let dotted = self.dotted(&shown(name));
            let wrong = if self.source.is_full() {
                Wrong::new("")
            } else if scalar::names_a_secret(name) {
                let vault_name = dotted.replace(['.', '['], "_").replace(']', "");
                Wrong::new("secrets do not belong in this file, which is copied, mailed and backed up").hint(format!(
                    "remove the line and run `domovoi secret set {vault_name}`, which keeps it sealed in the vault"
                ))
            } else {
                Wrong::new("unknown key").hint_nearest(name, self.known.iter().copied())
            };
            self.source.report(key.span().start, &dotted, wrong);
        }
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'s> Item<'s> {
    pub fn wrong(&self, wrong: Wrong) {
        self.source.report(self.at, &self.key, wrong);
    }

    pub fn parsed<T>(self, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let DeValue::String(text) = &self.value else {
            // What it should have been is best told by the parser itself: it is given a text that it cannot like.
            let wrong = Wrong::new(format!("expected a string in quotes, found {}", self.type_name()));
            let wrong = match parse("").err() {
                Some(Wrong { suggestion: Some(example), .. }) => wrong.hint(example),
                _ => wrong,
            };
            self.wrong(wrong);
            return None;
        };
        let result = if text.len() > MAX_TEXT {
            Err(Wrong::new(format!("is longer than {MAX_TEXT} bytes")))
        } else {
            parse(text)
        };
        result.map_err(|wrong| self.wrong(wrong)).ok()
    }

    pub fn int(self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(digits) = &self.value else { return self.not_a("a whole number without quotes") };
        let number = i64::from_str_radix(digits.as_str(), digits.radix())
            .map_err(|_| Wrong::new("is a number of more than 64 bits"))
            .and_then(|n| within(n, range, |n| n.to_string()));
        number.map_err(|wrong| self.wrong(wrong)).ok()
    }

    pub fn bool(self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(yes) => Some(yes),
            _ => self.not_a("true or false without quotes"),
        }
    }

    pub fn list<T>(
        self,
        count: RangeInclusive<usize>,
        mut element: impl FnMut(Item<'s>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Item { source, base_dir, key, at, value } = self;
        let DeValue::Array(array) = value else {
            return Item { source, base_dir, key, at, value }.not_a("a list in square brackets");
        };
        if !count.contains(&array.len()) {
            let (min, max) = (count.start(), count.end());
            let wrong = match array.len() {
                0 => Wrong::new("must not be empty"),
                n => Wrong::new(format!("has {n} elements, {min} to {max} are allowed")),
            };
            source.report(at, &key, wrong);
            return None;
        }
        let wanted = array.len();
        let items = array.into_iter().enumerate().map(|(n, value)| Item {
            source,
            base_dir,
            key: format!("{key}[{n}]"),
            at: value.span().start,
            value: value.into_inner(),
        });
        let read: Vec<T> = items.filter_map(&mut element).collect();
        (read.len() == wanted).then_some(read)
    }

    pub fn table(self) -> Option<Section<'s>> {
        let Item { source, base_dir, key, at, value } = self;
        match value {
            DeValue::Table(entries) => Some(Section { source, base_dir, path: key, at, entries, known: Vec::new() }),
            value => Item { source, base_dir, key, at, value }.not_a("a table"),
        }
    }

    fn not_a<T>(self, wanted: &str) -> Option<T> {
        self.wrong(Wrong::new(format!("expected {wanted}, found {}", self.type_name())));
        None
    }

    fn type_name(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// `supplier[3].window[0].start` → `supplier[].window[].start`
fn schema_key(dotted: &str) -> String {
    let mut out = String::with_capacity(dotted.len());
    let mut inside = false;
    for c in dotted.chars() {
        inside = match c {
            '[' => true,
            ']' => false,
            _ => inside,
        };
        if !inside || c == '[' {
            out.push(c);
        }
    }
    out
}

/// A key as it may be shown: short, and without control characters.
fn shown(key: &str) -> String {
    key.chars().take(MAX_SHOWN_KEY).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn within<T: PartialOrd + Copy>(value: T, range: RangeInclusive<T>, show: impl Fn(T) -> String) -> Result<T, Wrong> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (min, max) = (show(*range.start()), show(*range.end()));
    Err(Wrong::new(format!("is {}, which is outside {min} to {max}", show(value))))
}

/// The document as far as it can be read; what cannot is reported.
pub(crate) fn document<'s>(source: &Source<'s>, text: &'s str) -> DeTable<'s> {
    let (table, errors): (Spanned<DeTable<'s>>, _) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().lines().next().unwrap_or("not valid TOML");
        source.report_syntax(at, Wrong::new(format!("this is not valid TOML: {message}")));
    }
    table.into_inner()
}
