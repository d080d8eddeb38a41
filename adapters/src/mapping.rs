//! The owner's own mapping: which topics are which property of which device, for whatever speaks no dialect that the house
//! knows. A plain value that a page writes; it is checked here, once, and read by the dialect `mapping`.
//!
//! A row takes a value out of a payload by a path (`battery.voltage`, `readings[0]['t in']`) or, where that is not enough, by
//! a template in the words of Home Assistant's (`{{ value_json.a | float / 10 }}`). One mapping may mean a whole family of
//! devices: what stands in a topic for its first `+` is `{1}` in the id, the name, and the topics of commands.

use std::fmt;
use std::sync::Arc;

use domovoi_model::{Hazard, Unit};
use rust_decimal::Decimal;

use crate::bases::is_base;
use crate::filters::fits;
use crate::json::is_name;
use crate::template::{MAX_SOURCE, Template};
use crate::{Hearsay, Shape, Warning, is_secret};

/// Mappings of a home.
pub const MAX_MAPPINGS: usize = 128;
/// Rows of one.
pub const MAX_ROWS: usize = 64;
/// Levels of a topic that a family may differ in.
const MAX_WILD: usize = 4;
/// Bytes of a filter.
const MAX_FILTER: usize = 256;

/// What the owner says of one device, or of a family of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its identity, which never changes: `greenhouse`, `sensor-{1}`.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// It sleeps to spare its battery.
    pub sleeps: bool,
    /// It speaks at least once in so many seconds.
    pub silent_after_s: Option<u32>,
    /// What it measures and does.
    pub rows: Vec<Row>,
    /// Where it says whether it is there, and how: the topic, the word for yes, the word for no.
    pub presence: Option<(String, String, String)>,
}

/// One property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub property: String,
    /// What people call it.
    pub label: Option<String>,
    /// Where its value comes from: a topic, or a filter with `+`.
    pub topic: String,
    /// What of the payload it is: nothing for all of it, a path, or a template.
    pub read: String,
    /// What values it has. A switch names the words that the device writes.
    pub shape: Shape,
    /// The unit of its numbers, after `factor` and `offset`.
    pub unit: Unit,
    /// What it measures or does, in the words of Home Assistant's device classes.
    pub class: Option<String>,
    /// Its numbers are multiplied by this: what a pulse weighs.
    pub factor: Option<Decimal>,
    /// And then this is added: what the meter showed before its pulses were counted.
    pub offset: Option<Decimal>,
    /// Where it is told something.
    pub told: Option<Told>,
    /// The danger that it reports.
    pub hazard: Option<Hazard>,
    /// What it warns of.
    pub warning: Option<Warning>,
    /// Why its value is not the word of the thing itself.
    pub hearsay: Option<Hearsay>,
    /// It happens: what a broker retained of it is over.
    pub is_event: bool,
    /// Its value says nothing any more so many seconds after it came.
    pub expires_after_s: Option<u32>,
}

impl Row {
    /// One that reads all of a topic's payload.
    pub fn new(property: impl Into<String>, topic: impl Into<String>, shape: Shape) -> Self {
        Row {
            property: property.into(),
            label: None,
            topic: topic.into(),
            read: String::new(),
            shape,
            unit: Unit::None,
            class: None,
            factor: None,
            offset: None,
            told: None,
            hazard: None,
            warning: None,
            hearsay: None,
            is_event: false,
            expires_after_s: None,
        }
    }
}

/// How a property is told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where.
    pub topic: String,
    /// What: nothing for the value as it is (a switch's own words), or a template of `value`.
    pub payload: String,
}

/// What is wrong with a mapping, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// Which of them, from 0.
    pub mapping: usize,
    /// Which row, from 0; `None`: the mapping itself.
    pub row: Option<usize>,
    /// What.
    pub why: MappingFault,
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingFault {
    /// There are more of them than [`MAX_MAPPINGS`].
    TooMany,
    /// Another one has this id.
    SameId(String),
    /// Its id is empty, too long, or has characters that it cannot have.
    BadId,
    /// It has no rows, or more than [`MAX_ROWS`].
    Rows,
    /// The words for being there and being away are the same.
    SameWords,
    /// A property without a name, or with one that is kept secret.
    BadProperty,
    /// Another row has the same property.
    SameProperty,
    /// A topic that is empty, too long, begins with $, + or domovoi/, has a # or a + that is no whole level.
    BadTopic,
    /// More levels of its topic may be anything than can be told apart.
    TooWild,
    /// Its topic has no `+` for this number in braces.
    NoLevel(usize),
    /// A unit, a factor and an offset are for numbers.
    NotANumber,
    /// A danger or a warning is told by yes and no, or by a word.
    NumberWarns,
    /// What it is read by is longer than [`MAX_SOURCE`].
    TooLong,
    /// What it is read by, or told with, cannot be read itself: why, in the template's words.
    Template(String),
    /// The topic for commands cannot be one.
    BadTarget,
}

impl MappingFault {
    /// A short, stable word for machines, and for the sentences of people.
    pub fn code(&self) -> &'static str {
        match self {
            MappingFault::TooMany => "too-many",
            MappingFault::SameId(_) => "same-id",
            MappingFault::BadId => "bad-id",
            MappingFault::Rows => "rows",
            MappingFault::SameWords => "same-words",
            MappingFault::BadProperty => "bad-property",
            MappingFault::SameProperty => "same-property",
            MappingFault::BadTopic => "bad-topic",
            MappingFault::TooWild => "too-wild",
            MappingFault::NoLevel(_) => "no-level",
            MappingFault::NotANumber => "not-a-number",
            MappingFault::NumberWarns => "number-warns",
            MappingFault::TooLong => "too-long",
            MappingFault::Template(_) => "template",
            MappingFault::BadTarget => "bad-target",
        }
    }

    /// The name, number or reason that the sentence has a place for.
    pub fn detail(&self) -> String {
        match self {
            MappingFault::SameId(id) => id.clone(),
            MappingFault::NoLevel(n) => n.to_string(),
            MappingFault::Template(why) => why.clone(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mapping {}", self.mapping + 1)?;
        if let Some(row) = self.row {
            write!(f, ", row {}", row + 1)?;
        }
        write!(f, ": {} {}", self.why.code(), self.why.detail())
    }
}

impl std::error::Error for MappingError {}

/// A mapping that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// What the owner said.
    pub mapping: Arc<Mapping>,
    /// How each row reads, in order.
    pub(crate) reads: Vec<Template>,
    /// How each row is told, in order.
    pub(crate) tells: Vec<Option<Template>>,
}

impl Mapped {
    /// Checks mappings; the first thing that is wrong.
    pub(crate) fn all(mappings: Vec<Mapping>) -> Result<Vec<Mapped>, MappingError> {
        if mappings.len() > MAX_MAPPINGS {
            return Err(MappingError { mapping: MAX_MAPPINGS, row: None, why: MappingFault::TooMany });
        }
        let mut out: Vec<Mapped> = Vec::new();
        for (at, mapping) in mappings.into_iter().enumerate() {
            if out.iter().any(|other| other.mapping.id == mapping.id) {
                return Err(MappingError { mapping: at, row: None, why: MappingFault::SameId(mapping.id) });
            }
            out.push(Mapped::one(at, mapping)?);
        }
        Ok(out)
    }

    fn one(at: usize, mapping: Mapping) -> Result<Mapped, MappingError> {
        let wrong = |row: Option<usize>, why: MappingFault| MappingError { mapping: at, row, why };
        let fixed = mapping.id.replace("{1}", "").replace("{2}", "").replace("{3}", "").replace("{4}", "");
        if mapping.id.is_empty() || mapping.id.len() > 128 || !is_name(&mapping.id) || fixed.contains(['{', '}', ':']) {
            return Err(wrong(None, MappingFault::BadId));
        }
        if mapping.rows.is_empty() || mapping.rows.len() > MAX_ROWS {
            return Err(wrong(None, MappingFault::Rows));
        }
        if let Some((topic, online, offline)) = &mapping.presence {
            check_filter(topic).map_err(|why| wrong(None, why))?;
            if online == offline {
                return Err(wrong(None, MappingFault::SameWords));
            }
        }
        let wild = |filter: &str| filter.split('/').filter(|level| *level == "+").count();
        let wanted = (1..=MAX_WILD).filter(|n| mentions(&mapping, *n)).max().unwrap_or(0);
        let (mut reads, mut tells) = (Vec::new(), Vec::new());
        for (n, row) in mapping.rows.iter().enumerate() {
            let wrong = |why: MappingFault| wrong(Some(n), why);
            if !is_name(&row.property) || is_secret(&row.property) {
                return Err(wrong(MappingFault::BadProperty));
            }
            if mapping.rows.iter().take(n).any(|other| other.property == row.property) {
                return Err(wrong(MappingFault::SameProperty));
            }
            check_filter(&row.topic).map_err(wrong)?;
            if wild(&row.topic) > MAX_WILD {
                return Err(wrong(MappingFault::TooWild));
            }
            if wild(&row.topic) < wanted {
                return Err(wrong(MappingFault::NoLevel(wanted)));
            }
            let is_numeric = matches!(row.shape, Shape::Number { .. });
            if (row.factor.is_some() || row.offset.is_some() || row.unit != Unit::None) && !is_numeric {
                return Err(wrong(MappingFault::NotANumber));
            }
            if (row.hazard.is_some() || row.warning.is_some()) && is_numeric {
                return Err(wrong(MappingFault::NumberWarns));
            }
            reads.push(template(&row.read).map_err(wrong)?);
            tells.push(match &row.told {
                None => None,
                Some(told) => {
                    if !is_base(&filled(&told.topic, &[])) {
                        return Err(wrong(MappingFault::BadTarget));
                    }
                    let says = if told.payload.is_empty() { "{{ value }}" } else { told.payload.as_str() };
                    // A payload without a template is said as it stands, whatever the value.
                    Some(Template::new(says).map_err(|why| wrong(MappingFault::Template(why)))?)
                }
            });
        }
        Ok(Mapped { mapping: Arc::new(mapping), reads, tells })
    }

    /// What of a topic differs, if some row or the presence means it.
    pub(crate) fn hears(&self, topic: &str) -> Option<Vec<String>> {
        let rows = self.mapping.rows.iter().map(|row| row.topic.as_str());
        let mut filters = rows.chain(self.mapping.presence.iter().map(|(topic, ..)| topic.as_str()));
        filters.find(|filter| fits(filter, topic)).map(|filter| captures(filter, topic))
    }
}

/// Whether a mapping names the n-th level that differs.
fn mentions(mapping: &Mapping, n: usize) -> bool {
    let word = format!("{{{n}}}");
    let told = mapping.rows.iter().filter_map(|row| row.told.as_ref());
    mapping.id.contains(&word)
        || mapping.name.as_ref().is_some_and(|name| name.contains(&word))
        || told.into_iter().any(|told| told.topic.contains(&word))
}

fn check_filter(filter: &str) -> Result<(), MappingFault> {
    let is_sound = !filter.is_empty()
        && filter.len() <= MAX_FILTER
        && !filter.starts_with(['$', '+'])
        && filter != "domovoi"
        && !filter.starts_with("domovoi/")
        && !filter.contains('#')
        && !filter.chars().any(char::is_control)
        && filter.split('/').all(|level| level == "+" || !level.contains('+'));
    if is_sound { Ok(()) } else { Err(MappingFault::BadTopic) }
}

/// A path, a template, or all of the payload.
fn template(read: &str) -> Result<Template, MappingFault> {
    let read = read.trim();
    if read.len() > MAX_SOURCE {
        return Err(MappingFault::TooLong);
    }
    if read.is_empty() {
        return Ok(Template::Value);
    }
    if read.contains("{{") || read.contains("{%") {
        return Template::new(read).map_err(MappingFault::Template);
    }
    let path = read.strip_prefix("$.").or_else(|| read.strip_prefix('$')).unwrap_or(read);
    let source = if path.starts_with('[') {
        format!("{{{{ value_json{path} }}}}")
    } else {
        format!("{{{{ value_json.{path} }}}}")
    };
    Template::new(&source).map_err(MappingFault::Template)
}

/// What stands in a topic for each `+` of a filter.
pub(crate) fn captures(filter: &str, topic: &str) -> Vec<String> {
    let levels = filter.split('/').zip(topic.split('/'));
    levels.filter(|(wanted, _)| *wanted == "+").map(|(_, level)| level.to_owned()).take(MAX_WILD).collect()
}

/// A text with `{1}` and so on filled in; with `x` where nothing is known.
pub(crate) fn filled(text: &str, captures: &[String]) -> String {
    (1..=MAX_WILD).fold(text.to_owned(), |text, n| {
        let level = captures.get(n - 1).map_or("x", String::as_str);
        text.replace(&format!("{{{n}}}"), level)
    })
}
