//! Versions 3 and 4: each word about a device, a node or a property has a topic of its own, and they come in any order. A
//! property is one as soon as its datatype is known; what it said before waits.

use super::datatype::{self, Words};
use crate::fault::{DecodeError, What, printable};
use crate::json;
use crate::report::Report;
use crate::{Announcement, Envelope, Lore};

/// Properties of a device that are being put together.
const MAX_PROPERTIES: usize = 256;
/// A value that waits.
const MAX_WAITING: usize = 64;

/// What was heard of a device word by word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts(Vec<Part>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    /// `node/property`.
    name: String,
    words: Words,
    waiting: Option<String>,
}

pub(super) fn facts(about: &Announcement) -> Option<&Facts> {
    about.lore.as_ref()?.get()
}

/// `$name`, `node/$name`, `node/property/$datatype` and so on.
pub(super) fn attribute(report: &mut Report<'_>, levels: &[&str], envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let text = json::text(envelope.payload, json::MAX_TEXT)?.trim_matches(['\0', ' ']);
    let some = Some(printable(text)).filter(|text| !text.is_empty());
    let (node, property, word) = match levels {
        ["$name"] => {
            report.about.name = some;
            return Ok(());
        }
        ["$homie"] => {
            let is_known = matches!(text.split('.').next(), Some("2" | "3" | "4") | Some(""));
            return if is_known { Ok(()) } else { Err(DecodeError::new(What::Foreign, "$homie", text)) };
        }
        [node, property, word] => (node, property, word),
        // Versions 3 and 4 list their nodes and properties besides; each is known by its own words.
        _ => return Ok(()),
    };
    let name = format!("{node}/{property}");
    let mut facts = facts(&report.about).cloned().unwrap_or_default();
    let Some(part) = facts.part(&name) else {
        report.fault(What::TooMany, &name, text);
        return Ok(());
    };
    match *word {
        "$name" => part.words.name = some,
        "$datatype" => part.words.datatype = some,
        "$format" => part.words.format = some,
        "$unit" => part.words.unit = some.map(|unit| unit.replace("Â°", "°")),
        "$settable" => part.words.settable = text == "true",
        "$retained" => part.words.transient = text == "false",
        _ => return Ok(()),
    }
    if part.words.datatype.is_some() {
        match datatype::property(&name, &part.words) {
            Some(info) => {
                let waiting = part.waiting.take();
                let topic =
                    report.about.speaks.first().map(|prefix| format!("{prefix}/{name}/set")).unwrap_or_default();
                report.about.listens.retain(|listens| *listens != topic);
                if info.writable {
                    report.about.listens.push(topic);
                }
                report.is_now(info.clone());
                if let Some(text) = waiting {
                    datatype::say(report, info, &text);
                }
            }
            None => report.fault(What::WrongType, &format!("{name}/$datatype"), text),
        }
    }
    facts.keep(&mut report.about);
    Ok(())
}

/// A value whose property is not known yet.
pub(super) fn wait(report: &mut Report<'_>, name: &str, text: &str) {
    let mut facts = facts(&report.about).cloned().unwrap_or_default();
    match facts.part(name) {
        Some(part) if text.len() <= MAX_WAITING => part.waiting = Some(text.to_owned()),
        Some(_) => {}
        None => report.fault(What::TooMany, name, text),
    }
    facts.keep(&mut report.about);
}

impl Facts {
    fn part(&mut self, name: &str) -> Option<&mut Part> {
        let at = match self.0.iter().position(|part| part.name == name) {
            Some(at) => at,
            None if self.0.len() >= MAX_PROPERTIES => return None,
            None => {
                self.0.push(Part { name: name.to_owned(), ..Part::default() });
                self.0.len().checked_sub(1)?
            }
        };
        self.0.get_mut(at)
    }

    fn keep(self, about: &mut Announcement) {
        if facts(about) != Some(&self) {
            about.lore = Some(Lore::new(self));
        }
    }
}
