//! What is wrong with a peer's bytes or with a command: what, where, and a short excerpt that is safe to print.
//! Deliberately says nothing of what to do about a device: the hub knows who sent it.

use std::fmt;

use domovoi_model::DeviceRef;

/// The longest excerpt, in characters.
const MAX_EXCERPT: usize = 80;

/// What is wrong with a piece of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// More bytes than a message of its kind may have.
    TooLarge,
    /// Not UTF-8.
    NotText,
    /// Not JSON.
    NotJson,
    /// Arrays and objects nested deeper than 32.
    TooDeep,
    /// More than 512 properties (2048 devices of a bridge).
    TooMany,
    /// A text of more than 4 KiB.
    TooLong,
    /// A text where a number should be, a number where an object should be, and so on.
    WrongType,
    /// NaN or an infinity, bare or in quotes.
    NotANumber,
    /// A number that an exact decimal of 28 digits cannot hold.
    OutOfRange,
    /// The same name twice in one object with different values.
    SaidTwice,
    /// A name, id or topic that is empty, too long, or has characters that it cannot have.
    BadName,
    /// A template that cannot be read, or that fails on what it is given.
    Template,
    /// Well formed, but not a message of this dialect.
    Foreign,
}

impl What {
    /// A short, stable word for machines.
    pub fn code(self) -> &'static str {
        match self {
            What::TooLarge => "too_large",
            What::NotText => "not_text",
            What::NotJson => "not_json",
            What::TooDeep => "too_deep",
            What::TooMany => "too_many",
            What::TooLong => "too_long",
            What::WrongType => "wrong_type",
            What::NotANumber => "not_a_number",
            What::OutOfRange => "out_of_range",
            What::SaidTwice => "said_twice",
            What::BadName => "bad_name",
            What::Template => "template",
            What::Foreign => "foreign",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::TooLarge => "the message is too large",
            What::NotText => "the message is not UTF-8 text",
            What::NotJson => "the message is not JSON",
            What::TooDeep => "the message is nested deeper than 32 levels",
            What::TooMany => "the message has too many properties",
            What::TooLong => "the text is longer than 4 KiB",
            What::WrongType => "the value is of the wrong type",
            What::NotANumber => "the value is NaN or infinite",
            What::OutOfRange => "the number does not fit an exact decimal",
            What::SaidTwice => "the same name is given twice with different values",
            What::BadName => "the name cannot be used",
            What::Template => "the template does not work",
            What::Foreign => "the message is not of this dialect",
        })
    }
}

/// A piece of a message that could not be read, while the rest could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub what: What,
    /// Where: a path of property names, or `byte 17`. Without control characters.
    pub at: String,
    /// The bytes in question, at most 80 characters and without control characters.
    pub excerpt: String,
}

impl Fault {
    /// Makes both texts safe to print.
    pub fn new(what: What, at: &str, excerpt: &str) -> Self {
        Fault { what, at: printable(at), excerpt: printable(excerpt) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.what, self.at)?;
        if self.excerpt.is_empty() { Ok(()) } else { write!(f, ": «{}»", self.excerpt) }
    }
}

/// Nothing of the message could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(pub Fault);

impl DecodeError {
    pub(crate) fn new(what: What, at: &str, excerpt: &str) -> Self {
        DecodeError(Fault::new(what, at, excerpt))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DecodeError {}

/// Why a command cannot be said in a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// The dialect does not know where the device listens.
    UnknownDevice(DeviceRef),
    /// The device has no such property.
    UnknownProperty {
        /// Which device.
        device: DeviceRef,
        /// What was asked of it.
        property: String,
    },
    /// The property can be read and not written.
    ReadOnly {
        /// Which device.
        device: DeviceRef,
        /// What was asked of it.
        property: String,
    },
    /// The property does not take this value.
    BadValue {
        /// Which device.
        device: DeviceRef,
        /// What was asked of it.
        property: String,
        /// What it takes instead, in words.
        wanted: String,
    },
    /// Nothing stands between the hub and the device that could do this.
    NoBridge(DeviceRef),
    /// It has nothing that it could be asked for.
    Unasked(DeviceRef),
    /// The topic where it wants its commands is not its own.
    NotItsTopic {
        /// Which device.
        device: DeviceRef,
        /// Where it wants them.
        topic: String,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::UnknownDevice(device) => {
                write!(f, "{device} has not said where it listens; wait until it announces itself")
            }
            EncodeError::UnknownProperty { device, property } => write!(f, "{device} has no property «{property}»"),
            EncodeError::ReadOnly { device, property } => write!(f, "«{property}» of {device} cannot be set"),
            EncodeError::BadValue { device, property, wanted } => {
                write!(f, "«{property}» of {device} does not take this value; it takes {wanted}")
            }
            EncodeError::NoBridge(device) => write!(f, "{device} has no bridge that could do this"),
            EncodeError::NotItsTopic { device, topic } => {
                write!(
                    f,
                    "{device} wants its commands under {topic}, which is not its own; let its credential subscribe there, or give it another topic"
                )
            }
            EncodeError::Unasked(device) => {
                write!(f, "{device} cannot be asked for anything; wait until it reports by itself")
            }
        }
    }
}

impl std::error::Error for EncodeError {}

/// Cuts to 80 characters and replaces what could move a cursor or turn the writing direction in a log.
pub(crate) fn printable(text: &str) -> String {
    let mut out: String =
        text.chars().take(MAX_EXCERPT).map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_EXCERPT).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
