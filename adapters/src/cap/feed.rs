//! Atom and RSS feeds of CAP messages: entries, the links to their documents, messages that stand within an entry. Which link
//! is followed, and from where, is decided elsewhere.

use domovoi_model::Timestamp;

use super::message::{line, read_inline};
use super::tree::{Element, MAX_NOTES};
use super::{CapMessage, CapNote, encoding, message, time, tree};

/// Entries of a feed; the newest are those that count, and feeds begin with them.
const MAX_ENTRIES: usize = 2000;
const MAX_LINKS: usize = 16;

/// A feed.
#[derive(Debug, Clone, PartialEq)]
pub struct CapFeed {
    /// As it calls itself.
    pub title: String,
    /// Its entries, in their order.
    pub entries: Vec<FeedEntry>,
    /// What is not as it should be.
    pub notes: Vec<CapNote>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEntry {
    /// What it calls itself by; never empty.
    pub id: String,
    /// One line.
    pub title: String,
    /// When it was written or changed.
    pub updated: Option<Timestamp>,
    /// Where its document may be, the likeliest first.
    pub links: Vec<CapLink>,
    /// Messages that stand in it.
    pub messages: Vec<CapMessage>,
    /// A message put together of the elements of the entry, for want of its document.
    pub inline: Option<CapMessage>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapLink {
    /// As it was written: it may be relative.
    pub address: String,
    /// It says of itself that it leads to a CAP document.
    pub is_cap: bool,
}

/// Reads a feed.
pub(super) fn read(root: &Element, is_cut: bool, notes: Vec<CapNote>) -> CapFeed {
    let mut notes = notes;
    let channel = root.first("channel").unwrap_or(root);
    let entries: Vec<&Element> = channel
        .all("entry")
        .chain(channel.all("item"))
        .chain(root.all("item"))
        .filter(|entry| entry.is_whole)
        .collect();
    if entries.len() > MAX_ENTRIES && notes.len() < MAX_NOTES {
        notes.push(CapNote { code: "entries-many", at: entries.len().to_string() });
    }
    if is_cut && notes.len() < MAX_NOTES {
        notes.push(CapNote { code: "feed-cut", at: String::new() });
    }
    let mut read: Vec<FeedEntry> = entries.iter().take(MAX_ENTRIES).filter_map(|element| entry(element)).collect();
    // An item of RSS 1.0 stands beside its channel: it was taken once.
    read.dedup_by(|next, before| next.id == before.id && next.updated == before.updated && next.links == before.links);
    CapFeed { title: line(channel.text_of("title"), 300), entries: read, notes }
}

fn entry(entry: &Element) -> Option<FeedEntry> {
    let links = links(entry);
    let first = links.first().map(|link| link.address.as_str()).unwrap_or_default();
    let title = line(entry.text_of("title"), 300);
    let id = [entry.text_of("id"), entry.text_of("guid"), first, title.as_str()];
    let id = line(id.into_iter().find(|text| !text.is_empty())?, 1000);
    let updated =
        ["updated", "pubdate", "date", "published"].into_iter().find_map(|name| time::read(entry.text_of(name)));
    Some(FeedEntry {
        messages: embedded(entry),
        inline: read_inline(entry, &id),
        id,
        title,
        updated: updated.map(|read| read.at),
        links,
    })
}

/// Messages that stand in an entry as elements, or as text that is XML again.
fn embedded(entry: &Element) -> Vec<CapMessage> {
    let mut found: Vec<CapMessage> = entry
        .below("alert", message::MAX_IN_ENVELOPE)
        .into_iter()
        .filter(|alert| alert.first("identifier").is_some() || alert.first("info").is_some())
        .map(|alert| message::read(alert, false, Vec::new()))
        .collect();
    if !found.is_empty() {
        return found;
    }
    for content in ["content", "description", "encoded"].iter().flat_map(|name| entry.all(name)) {
        let text = content.text.trim();
        let is_xml = text.starts_with('<') && text.contains("alert") && text.len() <= super::MAX_MESSAGE;
        if !is_xml {
            continue;
        }
        let (text, notes) = encoding::decode(text.as_bytes());
        if let Ok(tree) = tree::read(&text)
            && tree.root.name == "alert"
        {
            found.push(message::read(&tree.root, tree.is_cut, notes));
        }
    }
    found
}

/// The likeliest first: those of CAP's media type, then XML by its name, then whatever says nothing of itself.
fn links(entry: &Element) -> Vec<CapLink> {
    let mut found: Vec<(u8, CapLink)> = Vec::new();
    let mut add = |rank: u8, address: &str, is_cap: bool| {
        let address = address.trim();
        let is_new = !found.iter().any(|(_, link)| link.address == address);
        if !address.is_empty() && address.len() <= 2048 && is_new && found.len() < MAX_LINKS {
            found.push((rank, CapLink { address: address.to_owned(), is_cap }));
        }
    };
    let looks_cap = |address: &str| {
        let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        path.ends_with(".xml") || path.ends_with(".cap")
    };
    for element in entry.all("link").chain(entry.all("enclosure")).chain(entry.all("content")) {
        let address = element.attribute("href").or(element.attribute("url")).or(element.attribute("src"));
        let is_content = element.name == "content";
        let address = match address {
            Some(address) => address,
            None if is_content => continue,
            None => element.text.as_str(),
        };
        let rel = element.attribute("rel").unwrap_or("alternate").to_ascii_lowercase();
        let kind = element.attribute("type").unwrap_or_default().to_ascii_lowercase();
        let wanted = ["alternate", "related", "enclosure", "via"].contains(&rel.as_str());
        if kind.contains("cap+xml") {
            add(0, address, true);
        } else if wanted && (kind.is_empty() || kind.contains("xml")) && looks_cap(address) {
            add(1, address, false);
        } else if wanted && (kind.is_empty() || kind.ends_with("/xml")) {
            add(3, address, false);
        }
    }
    for name in ["guid", "id"] {
        let text = entry.text_of(name);
        if text.starts_with("http") && looks_cap(text) {
            add(2, text, false);
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, link)| link).collect()
}
