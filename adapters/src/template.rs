//! Templates of configs and of the owner's own mappings: what `value_template` and its kin make of a payload, `command_template` of a command.
//!
//! The plain ones (`{{ value }}`, `{{ value_json.a['b'].0 }}`), which are most of them, never see the engine: they walk
//! the raw JSON, so that a meter's number stays the digits that the meter wrote. The rest goes to [`engine`], which has a
//! price on everything that costs time or memory.

mod bytes;
mod check;
mod document;
mod engine;
mod filters;
mod formula;
mod lists;
mod numbers;
mod plain;
mod python;
mod regexes;
#[cfg(test)]
mod tests;
mod times;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use domovoi_model::Timestamp;

use self::document::{Found, Index};
use self::engine::{Budget, Program};
pub(crate) use self::formula::{Asked, Formula};
use self::plain::Step;
use crate::fault::{DecodeError, Fault, What};
use crate::json::{self, Json, MAX_PAYLOAD};

/// Bytes of a template's source. The longest honest ones seen have four thousand.
pub(crate) const MAX_SOURCE: usize = 16 << 10;

/// A template, by what it takes to evaluate it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Template {
    /// The payload as it came.
    Value,
    /// One place in the JSON of the payload.
    Path(Arc<[Step]>),
    /// Anything else, compiled. All who have the same text share it, see [`engine`].
    Engine(Arc<Program>),
}

impl Template {
    /// Reads a template; the error is the engine's sentence.
    pub(crate) fn new(source: &str) -> Result<Self, String> {
        if source.len() > MAX_SOURCE {
            return Err(format!("the template is longer than {} KiB", MAX_SOURCE >> 10));
        }
        if let Some(plain) = plain::read(source) {
            return Ok(plain);
        }
        engine::program(source).map(Template::Engine)
    }

    /// What it makes of a payload.
    pub(crate) fn read<'m>(&self, message: &Message<'m>) -> Result<Out<'m>, Fault> {
        match self {
            Template::Value => Ok(Out::Text(Cow::Borrowed(message.text))),
            Template::Path(steps) => match message.walk(steps) {
                Found::Nothing => Ok(Out::Nothing),
                Found::Once(raw) => place(raw, steps),
                Found::Twice(raws) => {
                    Err(Fault::new(What::SaidTwice, &plain::spell(steps), raws.first().copied().unwrap_or_default()))
                }
            },
            Template::Engine(program) => match message.render(program) {
                Ok(Some(text)) => Ok(Out::Text(Cow::Owned(text.as_ref().to_owned()))),
                Ok(None) => Ok(Out::Nothing),
                Err(why) => Err(Fault::new(What::Template, &why, program.source())),
            },
        }
    }

    /// All that it may have meant, where a payload says the same thing twice.
    pub(crate) fn read_each<'m>(&self, message: &Message<'m>) -> Vec<Out<'m>> {
        let Template::Path(steps) = self else { return Vec::new() };
        match message.walk(steps) {
            Found::Twice(raws) => raws.into_iter().filter_map(|raw| place(raw, steps).ok()).collect(),
            Found::Nothing | Found::Once(_) => Vec::new(),
        }
    }

    /// Whether it takes of what the renderings of a message have together.
    pub(crate) fn is_paid(&self) -> bool {
        matches!(self, Template::Engine(_))
    }

    /// What it makes of a command with these variables.
    pub(crate) fn say(&self, given: &[(&str, Given<'_>)]) -> Result<String, String> {
        match self {
            Template::Value => {
                let value = given.iter().find(|(name, _)| *name == "value").map(|(_, value)| value.to_string());
                Ok(value.unwrap_or_default())
            }
            Template::Path(_) => Ok(String::new()),
            Template::Engine(program) => {
                let budget = Arc::new(Budget::new(engine::MESSAGE, None));
                let said = engine::render(program, engine::told(given, &budget), &budget)?;
                // What is made of something that does not exist is no command, least of all an empty one.
                said.ok_or_else(|| "it needs something that a command does not have".to_owned())
            }
        }
    }
}

/// What stands at a place of a payload.
fn place<'m>(raw: &'m str, steps: &[Step]) -> Result<Out<'m>, Fault> {
    match Json::of(raw) {
        Json::Null => Ok(Out::Unknown),
        Json::Text(_) => match json::string(raw) {
            Ok(text) => Ok(Out::Text(Cow::Owned(text))),
            Err(what) => Err(Fault::new(what, &plain::spell(steps), raw)),
        },
        Json::Number(number) => Ok(Out::Text(Cow::Borrowed(number))),
        Json::Bool(flag) => Ok(Out::Text(Cow::Borrowed(if flag { "True" } else { "False" }))),
        Json::Array(_) | Json::Object(_) => Ok(Out::Json(raw)),
    }
}

/// Whether a text is what a pattern of a config describes; a pattern that cannot be read lets everything through.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    regexes::whole(pattern, text)
}

/// A variable of a command's template.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(rust_decimal::Decimal),
    /// No such thing in this command.
    None,
}

impl std::fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Given::Text(text) => f.write_str(text),
            Given::Number(number) => number.fmt(f),
            Given::None => f.write_str("None"),
        }
    }
}

/// Results that are kept for the rest of their message, and the bytes that one of them may have.
const MAX_RESULTS: usize = 2048;
const MAX_RESULT: usize = 1024;

/// What a template made of a message, or the sentence for why it failed.
type Rendered = Result<Option<Arc<str>>, Arc<str>>;

/// A payload that templates look at; it becomes a document once, however many look, and each template is rendered once,
/// however many have it.
#[derive(Debug)]
pub(crate) struct Message<'m> {
    /// The payload.
    pub(crate) text: &'m str,
    document: &'m OnceCell<Option<Cow<'m, str>>>,
    index: RefCell<Index<'m>>,
    root: OnceCell<Result<minijinja::Value, Arc<str>>>,
    budget: Arc<Budget>,
    /// By the place of a program in memory, which is its own as long as it is held here.
    rendered: RefCell<HashMap<*const Program, (Arc<Program>, Rendered)>>,
}

impl<'m> Message<'m> {
    pub(crate) fn new(
        payload: &'m [u8],
        at: Option<Timestamp>,
        document: &'m OnceCell<Option<Cow<'m, str>>>,
    ) -> Result<Self, DecodeError> {
        Ok(Message {
            text: json::text(payload, MAX_PAYLOAD)?,
            document,
            index: RefCell::default(),
            root: OnceCell::new(),
            budget: Arc::new(Budget::new(0, at)),
            rendered: RefCell::default(),
        })
    }

    /// Its templates may take so many per cent more of what there is for a message; it is divided evenly between those
    /// that still come, and what one of them leaves is for the next.
    pub(crate) fn share(&self, per_cent: u64, among: usize) {
        self.budget.share(engine::MESSAGE / 100 * per_cent, among);
    }

    /// Whether there is nothing left for whoever reads now.
    pub(crate) fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }

    /// The payload as a JSON document, if it is one.
    pub(crate) fn document(&self) -> Option<&'m str> {
        self.document.get_or_init(|| json::document(self.text.as_bytes(), MAX_PAYLOAD).ok()).as_deref()
    }

    fn walk(&self, steps: &[Step]) -> Found<'m> {
        match self.document() {
            Some(document) => self.index.borrow_mut().walk(document, steps),
            None => Found::Nothing,
        }
    }

    fn render(&self, program: &Arc<Program>) -> Rendered {
        let key = Arc::as_ptr(program);
        if let Some((_, known)) = self.rendered.borrow().get(&key) {
            return known.clone();
        }
        let root = self.root.get_or_init(|| {
            let values = self.document().and_then(engine::values);
            engine::heard(self.text, values.as_ref(), &self.budget).map_err(Arc::from)
        });
        let rendered = match root {
            Ok(root) => engine::render(program, root.clone(), &self.budget),
            Err(why) => return Err(Arc::clone(why)),
        };
        let rendered: Rendered = rendered.map(|text| text.map(Arc::from)).map_err(Arc::from);
        let small = !matches!(&rendered, Ok(Some(text)) if text.len() > MAX_RESULT);
        // Another who has the same template may have been given more than was left here.
        if small && !self.is_spent() && self.rendered.borrow().len() < MAX_RESULTS {
            self.rendered.borrow_mut().insert(key, (Arc::clone(program), rendered.clone()));
        }
        rendered
    }
}

/// What a template made of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Out<'m> {
    /// A text; a number in its own digits; `True` and `False`.
    Text(Cow<'m, str>),
    /// An array or an object, raw.
    Json(&'m str),
    /// The payload says that it does not know.
    Unknown,
    /// The payload says nothing of it: there is no such key. What was known stays.
    Nothing,
}

impl Out<'_> {
    /// The text, if it says anything: neither empty nor Python's word for nothing.
    pub(crate) fn said(&self) -> Option<&str> {
        match self {
            Out::Text(text) => Some(text.as_ref()).filter(|text| !matches!(text.trim(), "" | "None")),
            Out::Json(raw) => Some(raw),
            Out::Unknown | Out::Nothing => None,
        }
    }
}
