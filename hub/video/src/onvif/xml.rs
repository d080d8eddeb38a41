//! XML of a camera as a small tree: names by the URI of their namespace, text with its references resolved, and nothing
//! that could cost more than the bytes it came in. Whoever answers on the network may be anybody, so a document type
//! definition, an entity of one's own, depth and numbers beyond what ONVIF needs end the reading.
//! Deliberately no schema, no writing of trees, and no way to ask for an element by its prefix.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// Elements within elements. `GetProfilesResponse` goes eleven deep.
const DEEPEST: usize = 32;
/// Elements in all. The profiles of a recorder with 64 channels are below half of it.
const MOST_ELEMENTS: usize = 16_384;
/// Attributes of one element, declarations of namespaces among them. gSOAP, which is in most firmware, declares all of its
/// seventy on the envelope.
const MOST_ATTRIBUTES: usize = 160;
/// Declarations of namespaces in all that are open at a time: each name is looked up among them.
const MOST_DECLARATIONS: usize = 512;
/// Of one element, in bytes.
const LONGEST_TEXT: usize = 8 * 1024;

/// Why an answer was not read. It quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("it is not in UTF-8")]
    Encoding,
    #[error("it has a document type definition or an entity of its own")]
    Definition,
    #[error("it is nested more than {DEEPEST} deep")]
    Deep,
    #[error("it has too many elements, attributes or namespaces")]
    Many,
    #[error("a text of it is longer than {LONGEST_TEXT} bytes")]
    Long,
    #[error("it is not well-formed XML")]
    Malformed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Empty where the name is in none.
    pub(super) space: String,
    pub(super) name: String,
    /// By their local names: ONVIF has none that are in a namespace and none whose names clash.
    attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn is(&self, spaces: &[&str], name: &str) -> bool {
        self.name == name && spaces.contains(&self.space.as_str())
    }

    /// The first child of this name.
    pub(super) fn child(&self, spaces: &[&str], name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(spaces, name))
    }

    pub(super) fn all<'a>(&'a self, spaces: &'a [&'a str], name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.is(spaces, name))
    }

    /// From child to child, all of the same namespaces.
    pub(super) fn at(&self, spaces: &[&str], path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(spaces, name))
    }

    /// What stands between elements is layout. A text may come in parts: only a whole one says whether it is blank.
    fn forget_layout(&mut self) {
        if self.text.trim().is_empty() {
            self.text.clear();
        }
    }

    /// The trimmed text at a path; `None` where it is empty too.
    pub(super) fn text_at(&self, spaces: &[&str], path: &[&str]) -> Option<&str> {
        self.at(spaces, path).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }
}

/// Reads one document. The caller has bounded its bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Element, XmlError> {
    // Firmware that declares GB2312 sends ASCII all the same; where it does not, the name of a place is spoilt, not the
    // answer.
    if bytes.contains(&0) {
        return Err(XmlError::Encoding);
    }
    let text = String::from_utf8_lossy(bytes);
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    reader.resolver_mut().set_max_declarations_per_element(MOST_ATTRIBUTES);
    let mut reading = Reading::default();
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|_| XmlError::Malformed)?;
        match event {
            Event::Start(start) => {
                let element = reading.element(&resolved, &start)?;
                reading.open(element)?;
            }
            Event::Empty(start) => {
                let element = reading.element(&resolved, &start)?;
                reading.open(element)?;
                reading.close()?;
            }
            Event::End(_) => reading.close()?,
            Event::Text(text) => reading.text(&text.decode().map_err(|_| XmlError::Encoding)?)?,
            Event::CData(text) => reading.text(&text.decode().map_err(|_| XmlError::Encoding)?)?,
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|_| XmlError::Encoding)?;
                let mut buffer = [0; 4];
                match reference.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
                    Some(c) => reading.text(c.encode_utf8(&mut buffer))?,
                    None => reading.text(predefined(&name).ok_or(XmlError::Definition)?)?,
                }
            }
            Event::DocType(_) => return Err(XmlError::Definition),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return reading.root.filter(|_| reading.open.is_empty()).ok_or(XmlError::Malformed),
        }
    }
}

/// The five references that XML has without a definition (XML 1.0, 4.6).
fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

#[derive(Default)]
struct Reading {
    root: Option<Element>,
    /// With the number of namespaces that each declares.
    open: Vec<(Element, usize)>,
    elements: usize,
    declared: usize,
    declares: usize,
}

impl Reading {
    fn element(&mut self, resolved: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<Element, XmlError> {
        let space = match resolved {
            ResolveResult::Bound(space) => text_of(space.as_ref())?,
            ResolveResult::Unbound => String::new(),
            // A prefix that nothing declares: the name is nobody's.
            ResolveResult::Unknown(_) => return Err(XmlError::Malformed),
        };
        let mut element = Element { space, name: text_of(start.local_name().as_ref())?, ..Element::default() };
        self.declares = 0;
        let mut attributes = start.attributes();
        for (number, attribute) in attributes.with_checks(false).enumerate() {
            if number >= MOST_ATTRIBUTES {
                return Err(XmlError::Many);
            }
            let attribute = attribute.map_err(|_| XmlError::Malformed)?;
            if attribute.key.as_namespace_binding().is_some() {
                self.declares += 1;
                continue;
            }
            let raw = std::str::from_utf8(&attribute.value).map_err(|_| XmlError::Encoding)?;
            let value = quick_xml::escape::unescape(raw).map_err(|_| XmlError::Definition)?;
            if value.len() > LONGEST_TEXT {
                return Err(XmlError::Long);
            }
            element.attributes.push((text_of(attribute.key.local_name().as_ref())?, value.into_owned()));
        }
        Ok(element)
    }

    fn open(&mut self, element: Element) -> Result<(), XmlError> {
        self.elements += 1;
        self.declared += self.declares;
        if self.root.is_some() {
            return Err(XmlError::Malformed);
        }
        if self.open.len() >= DEEPEST {
            return Err(XmlError::Deep);
        }
        if self.elements > MOST_ELEMENTS || self.declared > MOST_DECLARATIONS {
            return Err(XmlError::Many);
        }
        if let Some((parent, _)) = self.open.last_mut() {
            parent.forget_layout();
        }
        self.open.push((element, self.declares));
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlError> {
        let (mut element, declares) = self.open.pop().ok_or(XmlError::Malformed)?;
        element.forget_layout();
        self.declared = self.declared.saturating_sub(declares);
        match self.open.last_mut() {
            Some((parent, _)) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some((element, _)) = self.open.last_mut() else {
            // Before and after the root there is room for blanks only.
            return if text.trim().is_empty() { Ok(()) } else { Err(XmlError::Malformed) };
        };
        if element.text.len() + text.len() > LONGEST_TEXT {
            return Err(XmlError::Long);
        }
        element.text.push_str(text);
        Ok(())
    }
}

fn text_of(bytes: &[u8]) -> Result<String, XmlError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| XmlError::Encoding)
}

/// A text for the inside of an element or of an attribute in double quotes. What no XML can carry is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_of_their_namespace_whatever_the_prefix() {
        let one = r#"<?xml version="1.0" encoding="utf-8"?><a:E xmlns:a="urn:x"><a:T k="1&amp;2">a &lt; &#x62;<![CDATA[ & c]]></a:T></a:E>"#;
        let two = r#"<E xmlns="urn:x"> <T k='1&amp;2'>a &lt; b<![CDATA[ & c]]></T> </E>"#;
        let (one, two) = (read(one.as_bytes()).unwrap(), read(two.as_bytes()).unwrap());
        assert_eq!(one, two);
        assert_eq!(one.text_at(&["urn:x"], &["T"]), Some("a < b & c"));
        assert_eq!(one.child(&["urn:x"], "T").unwrap().attribute("k"), Some("1&2"));
        assert_eq!(one.text_at(&["urn:y"], &["T"]), None);
        let within = read(br#"<E xmlns="urn:x"><T xmlns="urn:y">1</T><T>2</T></E>"#).unwrap();
        assert_eq!(within.text_at(&["urn:x"], &["T"]), Some("2"));
    }

    #[test]
    fn bombs_do_not_go_off() {
        let laughs = br#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>"#;
        assert_eq!(read(laughs), Err(XmlError::Definition));
        assert_eq!(read(br#"<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>"#), Err(XmlError::Definition));
        assert_eq!(read(b"<l>&b;</l>"), Err(XmlError::Definition));
        assert_eq!(read(br#"<l a="&b;"/>"#), Err(XmlError::Definition));
        assert_eq!(read("<a>".repeat(100).as_bytes()), Err(XmlError::Deep));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS));
        assert_eq!(read(wide.as_bytes()), Err(XmlError::Many));
        let attributes: String = (0..200).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(read(format!("<a{attributes}/>").as_bytes()), Err(XmlError::Many));
        let spaces: String = (0..100).map(|n| format!(" xmlns:a{n}='u'")).collect();
        let nested = format!("<a{spaces}>").repeat(10);
        assert_eq!(read(nested.as_bytes()), Err(XmlError::Many));
        assert_eq!(read(format!("<a>{}</a>", "x".repeat(9000)).as_bytes()), Err(XmlError::Long));
        assert_eq!(read("<a>&#1114112;</a>".as_bytes()), Err(XmlError::Malformed));
        for bad in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<p:a/>", "</a>", "<a", "<a/>x"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16), Err(XmlError::Encoding));
    }

    fn written(element: &Element) -> String {
        let attributes: String =
            element.attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
        let children: String = element.children.iter().map(written).collect();
        format!(
            "<n:{}{attributes} xmlns:n=\"urn:x\">{}{children}</n:{}>",
            element.name,
            escaped(&element.text),
            element.name
        )
    }

    fn tree() -> impl Strategy<Value = Element> {
        let leaf =
            ("[a-z]{1,8}", proptest::option::of("[a-z]{1,3}"), "\\PC{0,20}").prop_map(|(name, key, text)| Element {
                space: "urn:x".to_owned(),
                name,
                attributes: key.map(|key| (key, text.clone())).into_iter().collect(),
                text: if text.trim().is_empty() { String::new() } else { text },
                children: Vec::new(),
            });
        leaf.prop_recursive(4, 24, 4, |inner| {
            ("[a-z]{1,8}", proptest::collection::vec(inner, 0..4)).prop_map(|(name, children)| Element {
                space: "urn:x".to_owned(),
                name,
                children,
                ..Element::default()
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tree in tree()) {
            prop_assert_eq!(read(written(&tree).as_bytes()).unwrap(), tree);
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_damage_breaks_it(tree in tree(), cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = written(&tree).into_bytes();
            for (at, byte) in cuts {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read(&bytes);
        }
    }
}
