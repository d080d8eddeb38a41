//! Bytes to text: by the byte order mark, the XML declaration, or what the bytes look like. A wrong byte is replaced, never
//! a reason to lose a warning.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252};

use super::CapNote;
use super::tree::short;

/// The declaration is looked for in so many bytes.
const DECLARATION: usize = 256;

/// The text, without a byte order mark, and what was odd about it.
pub(super) fn decode(bytes: &[u8]) -> (String, Vec<CapNote>) {
    let mut notes = Vec::new();
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if bytes.starts_with(b"<\0") => UTF_16LE,
        None if bytes.starts_with(b"\0<") => UTF_16BE,
        None => declared(bytes, &mut notes),
    };
    let (text, _, had_errors) = encoding.decode(bytes);
    if !had_errors {
        return (text.into_owned(), notes);
    }
    if encoding == UTF_8 {
        // Whoever calls it UTF-8 and writes one byte for a letter writes in the language of the country.
        let guessed = if looks_cyrillic(bytes) { WINDOWS_1251 } else { WINDOWS_1252 };
        let (text, _, _) = guessed.decode(bytes);
        notes.push(CapNote { code: "encoding-guessed", at: guessed.name().to_owned() });
        return (text.into_owned(), notes);
    }
    notes.push(CapNote { code: "encoding-errors", at: encoding.name().to_owned() });
    (text.into_owned(), notes)
}

fn declared(bytes: &[u8], notes: &mut Vec<CapNote>) -> &'static Encoding {
    let head = bytes.get(..DECLARATION.min(bytes.len())).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let head = head.trim_start();
    let Some(declaration) = head.strip_prefix("<?xml").and_then(|rest| rest.split("?>").next()) else {
        return UTF_8;
    };
    let Some((_, label)) = declaration.split_once("encoding") else { return UTF_8 };
    let label = label.trim_start().trim_start_matches('=').trim_start();
    let quote = label.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else { return UTF_8 };
    let label = label.get(1..).unwrap_or_default().split(quote).next().unwrap_or_default();
    match Encoding::for_label(label.as_bytes()) {
        // One that was read byte by byte up to here is not what it says.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => UTF_8,
        Some(encoding) if encoding != encoding_rs::REPLACEMENT => encoding,
        _ => {
            notes.push(CapNote { code: "encoding-unknown", at: short(label) });
            UTF_8
        }
    }
}

/// Whether most bytes over 127 stand beside another one, as the letters of a Cyrillic word do.
fn looks_cyrillic(bytes: &[u8]) -> bool {
    let high = bytes.iter().filter(|byte| **byte >= 0xC0).count();
    let beside = bytes.array_windows().filter(|[one, next]| *one >= 0xC0 && *next >= 0xC0).count();
    beside.saturating_mul(2) > high
}
