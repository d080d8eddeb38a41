//! XML to a small tree of local names and texts, within bounds. Namespaces are left out, mistakes of nesting are mended, an
//! unknown entity stays as it was written; a document that breaks off gives what was whole before.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{CapError, CapNote};

/// Elements within elements.
pub(super) const MAX_DEPTH: usize = 40;

/// Elements in a document.
const MAX_ELEMENTS: usize = 60_000;

/// Bytes of an attribute.
const MAX_ATTRIBUTE: usize = 4096;

/// Elements that are made of elements.
const MADE_OF_OTHERS: [&str; 8] = ["alert", "info", "area", "feed", "rss", "channel", "entry", "item"];

/// Notes of one document.
pub(super) const MAX_NOTES: usize = 64;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Its local name, lower case.
    pub name: String,
    /// Attributes that a feed's links are described by.
    pub attributes: Vec<(String, String)>,
    /// Its own text, that of its children left out.
    pub text: String,
    /// What is in it.
    pub children: Vec<Element>,
    /// Its end was there.
    pub is_whole: bool,
}

impl Element {
    /// The children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub fn first(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name that has any, trimmed; else empty.
    pub fn text_of(&self, name: &str) -> &str {
        self.children
            .iter()
            .filter(|child| child.name == name)
            .map(|child| child.text.trim())
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Elements of a name, however deep, those within one another left out; at most so many.
    pub fn below<'a>(&'a self, name: &str, most: usize) -> Vec<&'a Element> {
        let (mut found, mut open) = (Vec::new(), vec![self]);
        while let Some(element) = open.pop() {
            for child in &element.children {
                if child.name != name {
                    open.push(child);
                } else if found.len() < most {
                    found.push(child);
                }
            }
        }
        found
    }
}

/// A document.
pub(super) struct Tree {
    pub root: Element,
    pub is_cut: bool,
    pub notes: Vec<CapNote>,
}

/// The first words of a text, for a note.
pub(super) fn short(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Reads a document.
pub(super) fn read(text: &str) -> Result<Tree, CapError> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut growing = Growing::default();
    loop {
        match reader.read_event() {
            Ok(Event::DocType(_)) => return Err(CapError::Doctype),
            Ok(Event::Start(start)) => growing.start(&start, false)?,
            Ok(Event::Empty(start)) => growing.start(&start, true)?,
            Ok(Event::End(end)) => growing.end(&local(end.local_name().as_ref())),
            Ok(Event::Text(words)) => growing.say(&String::from_utf8_lossy(&words)),
            Ok(Event::CData(words)) => growing.say(&String::from_utf8_lossy(&words)),
            Ok(Event::GeneralRef(name)) => growing.entity(&String::from_utf8_lossy(&name)),
            Ok(Event::Eof) => break,
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
            Err(error) => {
                let why = short(&error.to_string());
                if growing.root.is_none() && growing.open.is_empty() {
                    return Err(CapError::NotXml(why));
                }
                growing.note("cut", &why);
                growing.is_cut |= !growing.open.is_empty();
                break;
            }
        }
        if growing.root.is_some() {
            break;
        }
    }
    growing.finish()
}

fn local(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

#[derive(Default)]
struct Growing {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    is_cut: bool,
    notes: Vec<CapNote>,
}

impl Growing {
    fn note(&mut self, code: &'static str, at: &str) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(CapNote { code, at: short(at) });
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, is_empty: bool) -> Result<(), CapError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(CapError::TooDeep(MAX_DEPTH));
        }
        self.elements = self.elements.saturating_add(1);
        if self.elements > MAX_ELEMENTS {
            return Err(CapError::TooLarge(super::MAX_FEED));
        }
        let mut element = Element { name: local(start.local_name().as_ref()), ..Element::default() };
        for attribute in start.attributes().with_checks(false).flatten().take(16) {
            if attribute.value.len() > MAX_ATTRIBUTE {
                continue;
            }
            let raw = String::from_utf8_lossy(&attribute.value);
            let value = quick_xml::escape::unescape(&raw).map_or_else(|_| raw.to_string(), |text| text.into_owned());
            element.attributes.push((local(attribute.key.local_name().as_ref()), value));
        }
        self.open.push(element);
        if is_empty {
            self.close(true);
        }
        Ok(())
    }

    /// Ends the innermost element of this name and what was left open within it.
    fn end(&mut self, name: &str) {
        let Some(place) = self.open.iter().rposition(|element| element.name == name) else {
            self.note("stray-end", name);
            return;
        };
        while self.open.len() > place.saturating_add(1) {
            let left = self.open.last().map(|element| element.name.clone()).unwrap_or_default();
            self.note("not-ended", &left);
            self.close(true);
            self.give_back();
        }
        self.close(true);
    }

    fn close(&mut self, is_whole: bool) {
        let Some(mut element) = self.open.pop() else { return };
        element.is_whole = is_whole;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    /// An element without its end took in what stood beside it: that goes back where it was meant. One that is made of others
    /// keeps them, but for its like: an area within an area is the next one.
    fn give_back(&mut self) {
        let Some(parent) = self.open.last_mut() else { return };
        let Some(element) = parent.children.last_mut() else { return };
        let name = element.name.clone();
        let (back, kept) = match MADE_OF_OTHERS.contains(&name.as_str()) {
            true => std::mem::take(&mut element.children).into_iter().partition(|child| child.name == name),
            false => (std::mem::take(&mut element.children), Vec::new()),
        };
        element.children = kept;
        parent.children.extend(back);
    }

    fn say(&mut self, words: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(words);
        }
    }

    fn entity(&mut self, name: &str) {
        let meant = match name.strip_prefix('#') {
            Some(number) => {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => number.parse().ok(),
                };
                // The C0 letters that XML does not have are left out.
                code.and_then(char::from_u32).filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).map(String::from)
            }
            None => quick_xml::escape::resolve_xml_entity(name).or(html_entity(name)).map(str::to_owned),
        };
        match meant {
            Some(meant) => self.say(&meant),
            None => {
                self.note("entity-unknown", name);
                self.say(&format!("&{name};"));
            }
        }
    }

    fn finish(mut self) -> Result<Tree, CapError> {
        if self.root.is_none() {
            if self.open.is_empty() {
                return Err(CapError::NotXml("there is no element in it".to_owned()));
            }
            self.is_cut = true;
            if !self.notes.iter().any(|note| note.code == "cut") {
                self.note("cut", "it breaks off");
            }
            while !self.open.is_empty() {
                self.close(false);
            }
        }
        let root = self.root.ok_or_else(|| CapError::NotXml("there is no element in it".to_owned()))?;
        Ok(Tree { root, is_cut: self.is_cut, notes: self.notes })
    }
}

/// Entities of HTML that people write into XML all the same.
fn html_entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "nbsp" => "\u{a0}",
        "deg" => "°",
        "ndash" => "–",
        "mdash" => "—",
        "laquo" => "«",
        "raquo" => "»",
        "hellip" => "…",
        _ => return None,
    })
}
