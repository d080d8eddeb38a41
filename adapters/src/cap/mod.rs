//! Warnings as weather and emergency services write them: CAP 1.0, 1.1 and 1.2 (OASIS), and the Atom and RSS feeds that carry
//! them. One lenient reader: what is written badly is read as far as it can be meant, and each such place becomes a note;
//! an alert that concerns somebody must not be lost over a comma. It fetches nothing, checks no signature, knows no home
//! and does not decide what is told.
//!
//! A document with a DOCTYPE is refused: no entity is ever expanded or fetched. Sizes, depth and counts are capped.

mod encoding;
mod feed;
mod message;
mod numbers;
#[cfg(test)]
mod tests;
mod time;
mod tree;
mod words;

use domovoi_model::{AlertCategory, AlertStatus, AlertUrgency, Certainty, Severity, Timestamp};

pub use feed::{CapFeed, CapLink, FeedEntry};

/// A CAP document is not larger.
pub const MAX_MESSAGE: usize = 1 << 20;

/// A feed is not larger.
pub const MAX_FEED: usize = 4 << 20;

/// Why a document is not read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// It has a DOCTYPE.
    #[error("it has a DOCTYPE, which no warning needs: refused unread")]
    Doctype,
    /// It is too large.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Elements within elements without an end.
    #[error("its elements are nested more than {0} deep")]
    TooDeep(usize),
    /// Neither a CAP message nor a feed.
    #[error("it is no CAP message and no feed: it begins with {0}")]
    Other(String),
    /// It is not XML.
    #[error("it is no XML: {0}")]
    NotXml(String),
}

/// Something about a document that is not as it should be, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapNote {
    /// A code: `severity-unknown`, `time-without-offset`.
    pub code: &'static str,
    /// The words that gave rise to it, short.
    pub at: String,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Something new.
    Alert,
    /// In the place of those it refers to.
    Update,
    /// Those it refers to are taken back.
    Cancel,
    /// Somebody has received them.
    Ack,
    /// Somebody has rejected them.
    Error,
}

/// A message that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Whose it is.
    pub sender: String,
    /// Its identifier.
    pub identifier: String,
    /// When it was sent; `None` if that could not be read.
    pub sent: Option<Timestamp>,
}

/// A CAP message.
#[derive(Debug, Clone, PartialEq)]
pub struct CapMessage {
    /// Unique with its sender. Where there was none: made of the content, and begins with `~`.
    pub identifier: String,
    /// Who says so; empty if nobody does.
    pub sender: String,
    /// When it was written.
    pub sent: Option<Timestamp>,
    /// What it is for; `None`: a draft.
    pub status: Option<AlertStatus>,
    /// Its part in the chain.
    pub kind: MessageType,
    /// `Public`, `Restricted`, `Private`, as it was written.
    pub scope: String,
    /// For whoever distributes it.
    pub note: String,
    /// The messages it is about.
    pub references: Vec<Reference>,
    /// Languages and phases.
    pub infos: Vec<CapInfo>,
    /// It carries a signature, which nobody here checks.
    pub is_signed: bool,
    /// It breaks off: more may have been said.
    pub is_cut: bool,
    /// What is not as it should be.
    pub notes: Vec<CapNote>,
}

/// One `info`: a language, or a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct CapInfo {
    /// Lower case; empty where it was not said.
    pub language: String,
    /// Kinds.
    pub categories: Vec<AlertCategory>,
    /// What kind of event, in the sender's words.
    pub event: String,
    /// `AllClear` is among what should be done.
    pub is_all_clear: bool,
    /// How soon.
    pub urgency: AlertUrgency,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// Codes of the event, each with the name of its list.
    pub event_codes: Vec<(String, String)>,
    /// From when it is said.
    pub effective: Option<Timestamp>,
    /// From when it is so.
    pub onset: Option<Timestamp>,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// Who says so, as people read it.
    pub sender_name: String,
    /// One line.
    pub headline: String,
    /// What happens.
    pub description: String,
    /// What to do.
    pub instruction: String,
    /// The official page.
    pub web: String,
    /// Whom to ask.
    pub contact: String,
    /// Whatever the sender adds, by name.
    pub parameters: Vec<(String, String)>,
    /// Where.
    pub areas: Vec<CapArea>,
}

/// A point: latitude −90 to 90 and longitude −360 to 360 degrees, WGS 84. A line of longitudes may run over 180.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoPoint {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east, as it was written.
    pub longitude: f64,
}

/// A circle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoCircle {
    /// Its middle.
    pub middle: GeoPoint,
    /// Its radius in kilometres; 0 is a point.
    pub radius_km: f64,
}

/// Where.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CapArea {
    /// As people call it.
    pub name: String,
    /// Closed lines, the last point the first one again; each of at least three points that differ.
    pub polygons: Vec<Vec<GeoPoint>>,
    /// Circles.
    pub circles: Vec<GeoCircle>,
    /// Codes, each with its kind.
    pub codes: Vec<(String, String)>,
}

/// A document, whichever it is.
#[derive(Debug, Clone, PartialEq)]
pub enum CapDocument {
    /// One message; or several in an envelope of another standard.
    Messages(Vec<CapMessage>),
    /// A feed.
    Feed(CapFeed),
}

/// Reads one CAP message: the document itself, or the first that an envelope carries.
pub fn read_message(bytes: &[u8]) -> Result<CapMessage, CapError> {
    if bytes.len() > MAX_MESSAGE {
        return Err(CapError::TooLarge(MAX_MESSAGE));
    }
    match read_document(bytes)? {
        CapDocument::Messages(messages) => {
            messages.into_iter().next().ok_or_else(|| CapError::Other("an envelope without a message".to_owned()))
        }
        CapDocument::Feed(_) => Err(CapError::Other("a feed".to_owned())),
    }
}

/// Reads a feed.
pub fn read_feed(bytes: &[u8]) -> Result<CapFeed, CapError> {
    match read_document(bytes)? {
        CapDocument::Feed(feed) => Ok(feed),
        CapDocument::Messages(_) => Err(CapError::Other("a CAP message".to_owned())),
    }
}

/// Reads whatever it is.
pub fn read_document(bytes: &[u8]) -> Result<CapDocument, CapError> {
    if bytes.len() > MAX_FEED {
        return Err(CapError::TooLarge(MAX_FEED));
    }
    let (text, mut notes) = encoding::decode(bytes);
    let tree = tree::read(&text)?;
    notes.extend(tree.notes);
    let root = &tree.root;
    match root.name.as_str() {
        "alert" if bytes.len() > MAX_MESSAGE => Err(CapError::TooLarge(MAX_MESSAGE)),
        "alert" => Ok(CapDocument::Messages(vec![message::read(root, tree.is_cut, notes)])),
        "feed" | "rss" | "rdf" | "channel" => Ok(CapDocument::Feed(feed::read(root, tree.is_cut, notes))),
        other => {
            let found = root.below("alert", message::MAX_IN_ENVELOPE);
            if found.is_empty() {
                return Err(CapError::Other(format!("<{}>", tree::short(other))));
            }
            let read = |alert: &&tree::Element| message::read(alert, tree.is_cut, notes.clone());
            Ok(CapDocument::Messages(found.iter().map(read).collect()))
        }
    }
}
