//! What is done at a start with a segment that was being written when the power went: it is read to the first record
//! that is not whole, cut there, and given a trailer that says so; from then on a cut shows again.
//!
//! It cuts nothing from a file whose first record does not open, because then the key may be the wrong one, and nothing
//! from a file that is closed.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use domovoi_vault::{DayKey, RECORD_SALT, RECORD_TAG};

use super::file::{OpenFailure, Opened, TRAILER_POSITION, recovered_key};
use super::folder::sync_folder;
use super::format::{ChainTag, FOOTER, FRAMING, HEADING, HeadingError, Kind, MOST_RECORDS, Media, footer, framing};
use super::trailer::{Entry, Reason, Trailer};
use super::writer::Closed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// It had been closed; the crash came before its row was told.
    AlreadyClosed(Closed),
    /// Closed now; so many bytes at its end were of no whole record.
    Recovered { closed: Closed, cut: u64 },
    /// Not one picture is whole in it: the file can go.
    Nothing { bytes: u64 },
}

#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error("{path} was not recovered: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// Not ours, or altered: nothing was changed.
    #[error("{path} was left as it is: {source}")]
    Heading { path: PathBuf, source: HeadingError },
    /// Its first record is framed whole and does not open: another key, or altered. Nothing was changed.
    #[error("{0} was left as it is: it does not open with this key")]
    WrongKey(PathBuf),
    /// No random bytes, or a trailer that cannot be sealed.
    #[error("{path} was not closed: {why}")]
    Unsealed { path: PathBuf, why: String },
}

/// Closes what a crash left open. `previous` is the tag of the camera's segment before it.
pub fn recover(path: &Path, day: &DayKey, previous: Option<ChainTag>) -> Result<Recovery, RecoverError> {
    let io_error = |source| RecoverError::Io { path: path.to_owned(), source };
    let opened = match Opened::open(path, day, true) {
        Ok(opened) => opened,
        Err(OpenFailure::Io(source)) => return Err(io_error(source)),
        Err(OpenFailure::Heading(HeadingError::Short)) => {
            let bytes = std::fs::metadata(path).map_err(io_error)?.len();
            return Ok(Recovery::Nothing { bytes });
        }
        // A power cut may leave the file's length on the disk and zeros in its place.
        Err(OpenFailure::Heading(source)) => {
            return if is_zeros(path).map_err(io_error)? {
                Ok(Recovery::Nothing { bytes: std::fs::metadata(path).map_err(io_error)?.len() })
            } else {
                Err(RecoverError::Heading { path: path.to_owned(), source })
            };
        }
    };
    let mut entries = Vec::new();
    let mut end = HEADING as u64;
    while entries.len() < MOST_RECORDS {
        let Some(framed) = opened.framed(end).map_err(io_error)? else { break };
        if framed.kind.is_trailer() {
            match opened.trailer(&framed, day).map_err(io_error)? {
                Some((trailer, tag)) if trailer.entries == entries => {
                    return close_again(&opened, path, trailer, tag, framed.at, framed.end()).map_err(io_error);
                }
                _ => break,
            }
        }
        let position = entries.len() as u32;
        let Some((facts, buffer)) = opened.record(&framed, position).map_err(io_error)? else {
            if position == 0 {
                return Err(RecoverError::WrongKey(path.to_owned()));
            }
            break;
        };
        if (framed.kind == Kind::Init) != (position == 0 && opened.heading.media == Media::Mp4) {
            break;
        }
        entries.push(Entry {
            is_init: framed.kind == Kind::Init,
            starts_group: facts.starts_group,
            start: facts.start,
            duration: facts.duration,
            bytes: u32::try_from(buffer.len() - super::format::FACTS).unwrap_or(u32::MAX),
        });
        end = framed.end();
    }
    let trailer = Trailer { reason: Reason::Recovered, previous, entries };
    if trailer.fragments() == 0 {
        return Ok(Recovery::Nothing { bytes: opened.len });
    }
    let (buffer, tag) =
        sealed(&opened, day, &trailer).map_err(|why| RecoverError::Unsealed { path: path.to_owned(), why })?;
    let cut = opened.len - end;
    opened.file.set_len(end).map_err(io_error)?;
    opened.file.write_all_at(&buffer, end).map_err(io_error)?;
    make_durable(&opened, path).map_err(io_error)?;
    let bytes = end + buffer.len() as u64;
    let closed = Closed { path: path.to_owned(), heading: opened.heading, bytes, trailer, tag };
    Ok(Recovery::Recovered { closed, cut })
}

/// The trailer's record and the footer.
fn sealed(opened: &Opened, day: &DayKey, trailer: &Trailer) -> Result<(Vec<u8>, ChainTag), String> {
    let salt: [u8; RECORD_SALT] = domovoi_vault::random().map_err(|error| error.to_string())?;
    let key = recovered_key(day, &salt, &opened.heading);
    let text = trailer.to_bytes();
    let said = framing(RECORD_SALT + text.len() + RECORD_TAG, Kind::Recovered);
    let mut buffer = said.to_vec();
    buffer.extend_from_slice(&salt);
    buffer.extend_from_slice(&text);
    key.seal(TRAILER_POSITION, true, &said, &mut buffer, FRAMING + RECORD_SALT).map_err(|error| error.to_string())?;
    let tag = buffer.last_chunk().copied().unwrap_or_default();
    let end = footer(buffer.len());
    buffer.extend_from_slice(&end);
    Ok((buffer, tag))
}

/// The trailer is whole; the footer may not be.
fn close_again(
    opened: &Opened,
    path: &Path,
    trailer: Trailer,
    tag: ChainTag,
    at: u64,
    end: u64,
) -> io::Result<Recovery> {
    let length = usize::try_from(end - at).unwrap_or_default();
    opened.file.set_len(end)?;
    opened.file.write_all_at(&footer(length), end)?;
    make_durable(opened, path)?;
    let heading = opened.heading.clone();
    Ok(Recovery::AlreadyClosed(Closed { path: path.to_owned(), heading, bytes: end + FOOTER as u64, trailer, tag }))
}

fn make_durable(opened: &Opened, path: &Path) -> io::Result<()> {
    opened.file.sync_all()?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn is_zeros(path: &Path) -> io::Result<bool> {
    let file = std::fs::File::open(path)?;
    let mut bytes = [0; HEADING];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}
