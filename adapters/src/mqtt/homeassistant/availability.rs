//! `availability`: on which topics an entity says that it can be reached, and what several of them mean together.
//!
//! A list and a single topic exclude each other. Where a device's config has one at its root and a component the other,
//! the component's counts; Home Assistant refuses that component, which helps nobody.

use std::sync::Arc;

use super::options::{Bad, Options};
use crate::template::{Out, Template};
use crate::{Reach, What};

/// Topics of one entity. More is no availability but a mistake.
const MAX_SOURCES: usize = 32;

/// The keys of the root that say where an availability is told: a component that has one of them inherits none.
pub(super) const PLACES: &[&str] = &["availability", "availability_topic", "availability_template"];
/// Those that say what its words mean, each inherited by itself.
pub(super) const WORDS: &[&str] = &["availability_mode", "payload_available", "payload_not_available"];

/// When an entity can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Availability {
    mode: Mode,
    pub(super) sources: Vec<Source>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    All,
    Any,
    Latest,
}

/// One topic that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) topic: Arc<str>,
    template: Template,
    yes: Box<str>,
    no: Box<str>,
}

impl Availability {
    /// What the options say, if anything.
    pub(super) fn read(options: &Options<'_>) -> Result<Option<Self>, Bad> {
        let mode = match options.text("availability_mode").as_deref() {
            Some("all") => Mode::All,
            Some("any") => Mode::Any,
            None | Some("latest") => Mode::Latest,
            Some(_) => return Err(Bad::new(What::WrongType, "availability_mode", "is none of all, any and latest")),
        };
        let mut sources = Vec::new();
        for each in options.objects("availability")? {
            let topic = each.hears("topic")?.ok_or_else(|| Bad::missing("availability.topic"))?;
            let template = each.template("value_template")?.unwrap_or(Template::Value);
            sources.push(Source {
                topic,
                template,
                yes: each.text_or("payload_available", "online").into(),
                no: each.text_or("payload_not_available", "offline").into(),
            });
        }
        if sources.is_empty()
            && let Some(topic) = options.hears("availability_topic")?
        {
            sources.push(Source {
                topic,
                template: options.template("availability_template")?.unwrap_or(Template::Value),
                yes: options.text_or("payload_available", "online").into(),
                no: options.text_or("payload_not_available", "offline").into(),
            });
        }
        if sources.len() > MAX_SOURCES {
            return Err(Bad::new(What::TooMany, "availability", "has more than 32 topics"));
        }
        Ok((!sources.is_empty()).then_some(Availability { mode, sources }))
    }

    /// What its sources mean together.
    pub(super) fn reach(&self) -> Reach {
        match self.mode {
            Mode::All => Reach::All(u8::try_from(self.sources.len()).unwrap_or(u8::MAX)),
            Mode::Any => Reach::Any,
            Mode::Latest => Reach::Latest,
        }
    }
}

impl Source {
    /// What a message on its topic says; other words say nothing.
    pub(super) fn available(&self, message: &crate::template::Message<'_>) -> Result<Option<bool>, crate::Fault> {
        let out = self.template.read(message)?;
        let Out::Text(text) = &out else { return Ok(None) };
        Ok(if same(text, &self.yes) {
            Some(true)
        } else if same(text, &self.no) {
            Some(false)
        } else {
            None
        })
    }
}

/// Whether a text is the payload of a config. `true` in JSON and Python's `True` are the same word.
pub(super) fn same(text: &str, payload: &str) -> bool {
    let flag = |text: &str| match text {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    };
    text == payload || text.trim() == payload || flag(text.trim()).is_some_and(|one| flag(payload) == Some(one))
}
