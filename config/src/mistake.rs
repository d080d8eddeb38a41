//! What is wrong with a settings file, and where. Deliberately not one error that stops at the first finding: a person
//! who mends a file wants the whole list at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

/// More than this is not read by anybody; the rest is counted.
const MAX_MISTAKES: usize = 50;

/// One thing to mend in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file as it was named to the hub.
    pub file: String,
    /// From 1; 0 when the mistake is about the file as a whole.
    pub line: usize,
    /// In characters, from 1; 0 when the mistake is about the file as a whole.
    pub column: usize,
    /// Dotted, elements of lists counted from 0: `supplier[1].window[0].start`. Empty when the text is not TOML there.
    pub key: String,
    /// One sentence without a full stop. Never holds the value of a key that looks like a secret.
    pub message: String,
    /// What to do, in a phrase that goes behind the sentence.
    pub suggestion: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

impl Mistake {
    /// A mistake about the file as a whole.
    pub(crate) fn of_file(file: &str, message: String, suggestion: Option<&str>) -> Self {
        Mistake {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            message,
            suggestion: suggestion.map(str::to_owned),
        }
    }
}

/// A sentence and perhaps a suggestion, before it is known where in the file they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub message: String,
    pub suggestion: Option<String>,
}

impl Wrong {
    pub fn new(message: impl Into<String>) -> Self {
        Wrong { message: message.into(), suggestion: None }
    }

    pub fn hint(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Suggests the nearest of `known`, if one is near.
    pub fn hint_nearest<'k>(mut self, word: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        self.suggestion = nearest(word, known).map(|k| format!("did you mean `{k}`?"));
        self
    }
}

/// The known word that a person most likely meant, if any is near enough to be worth saying.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Jaro-Winkler is quadratic in time; nobody meant a word of this length.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&word, &k.to_lowercase()), k))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// The text of a file, and what was found wrong in it so far.
pub(crate) struct Source<'s> {
    file: &'s str,
    text: &'s str,
    /// Where each line begins. A file may have as many mistakes as bytes; none of them may read it from its start.
    lines: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
    unshown: Cell<usize>,
    /// Lines on which the text is not even TOML; what was guessed from them is not worth a second mistake.
    broken_lines: RefCell<BTreeSet<usize>>,
    /// Every key that a reader asked for, with `[]` for the elements of lists. The reference file is tested against it.
    known: RefCell<BTreeSet<String>>,
}

impl<'s> Source<'s> {
    pub fn new(file: &'s str, text: &'s str) -> Self {
        Source {
            file,
            text,
            lines: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            mistakes: RefCell::default(),
            unshown: Cell::new(0),
            broken_lines: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// The text is not TOML here.
    pub fn report_syntax(&self, offset: usize, wrong: Wrong) {
        self.push(offset, "", wrong);
        self.broken_lines.borrow_mut().insert(self.line(offset));
    }

    /// Whether the text was TOML throughout. If it was not, what is missing may only have been lost.
    pub fn is_whole(&self) -> bool {
        self.broken_lines.borrow().is_empty()
    }

    pub fn report(&self, offset: usize, key: &str, wrong: Wrong) {
        if !self.broken_lines.borrow().contains(&self.line(offset)) {
            self.push(offset, key, wrong);
        }
    }

    /// Whether further mistakes are only counted; then a reader need not think about suggestions.
    pub fn is_full(&self) -> bool {
        self.mistakes.borrow().len() >= MAX_MISTAKES
    }

    pub fn knows(&self, key: String) {
        self.known.borrow_mut().insert(key);
    }

    /// From 1.
    pub fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// In characters, from 1.
    fn column(&self, offset: usize) -> usize {
        let start = self.lines.get(self.line(offset).saturating_sub(1)).copied().unwrap_or(0);
        let line = self.text.get(start..).unwrap_or_default();
        line.char_indices().take_while(|(at, _)| start + at < offset).count() + 1
    }

    /// The mistakes in the order of the file, and every key that was asked for.
    pub fn into_findings(self) -> (Vec<Mistake>, BTreeSet<String>) {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|m| (m.line, m.column));
        mistakes.dedup();
        if self.unshown.get() > 0 {
            let rest = format!("{} more mistakes are not shown", self.unshown.get());
            mistakes.push(Mistake::of_file(self.file, rest, Some("mend these first")));
        }
        (mistakes, self.known.into_inner())
    }

    fn push(&self, offset: usize, key: &str, wrong: Wrong) {
        if self.is_full() {
            self.unshown.set(self.unshown.get().saturating_add(1));
            return;
        }
        self.mistakes.borrow_mut().push(Mistake {
            file: self.file.to_owned(),
            line: self.line(offset),
            column: self.column(offset),
            key: key.to_owned(),
            message: wrong.message,
            suggestion: wrong.suggestion,
        });
    }
}
