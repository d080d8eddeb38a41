//! The folder of an archive: what its files are called, which are ours, how much room there is, and whether it is the
//! disk that was there yesterday. It deletes nothing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::format::{HEADING, Heading, HeadingError, Id};

const EXTENSION: &str = "segment";

/// The file that names the disk: the folder of a disk that is not mounted is there too, and empty.
const IDENTITY: &str = "domovoi-archive";

/// Where files go that nobody can explain.
const ASIDE: &str = "lost+found";

/// More files than a year of minutes; a folder with more is not read to its end.
const MOST_FILES: usize = 1 << 20;

/// The name of a segment's file.
pub fn file_name(segment: &Id) -> String {
    format!("{}.{EXTENSION}", hex(segment))
}

/// A file in the folder that is called like a segment.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    pub bytes: u64,
    /// What its clear bytes say; whether they are true, [`super::verify`] finds out.
    pub heading: Result<Heading, HeadingError>,
}

/// The segment files of a folder, and those of its folders down to `depth`, in no order. `lost+found` is passed over.
pub fn scan(folder: &Path, depth: u32) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    walk(folder, depth, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, depth: u32, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A symbolic link is neither: what it points at is not the archive's.
        let kind = entry.file_type()?;
        let path = entry.path();
        if found.len() >= MOST_FILES {
            return Ok(());
        }
        if kind.is_dir() && depth > 0 && entry.file_name() != ASIDE {
            walk(&path, depth - 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == EXTENSION) {
            let mut bytes = Vec::with_capacity(HEADING);
            File::open(&path)?.take(HEADING as u64).read_to_end(&mut bytes)?;
            found.push(Found { bytes: entry.metadata()?.len(), heading: Heading::parse(&bytes), path });
        }
    }
    Ok(())
}

/// Moves a file to `lost+found` in `folder`, under its own name or the first free one.
pub fn set_aside(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = folder.join(ASIDE);
    fs::create_dir_all(&aside)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    let target = (0..1000)
        .map(|number| aside.join(if number == 0 { name.clone() } else { format!("{name}.{number}") }))
        .find(|target| !target.exists())
        .ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(path, &target)?;
    sync_folder(&aside)?;
    if let Some(parent) = path.parent() {
        sync_folder(parent)?;
    }
    Ok(target)
}

/// Makes names durable: those that came and those that went.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Room on the disk of a folder, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    /// What a program without privileges may still write.
    pub free: u64,
}

pub fn space(folder: &Path) -> io::Result<Space> {
    let told = rustix::fs::statvfs(folder)?;
    Ok(Space { total: told.f_frsize.saturating_mul(told.f_blocks), free: told.f_frsize.saturating_mul(told.f_bavail) })
}

/// Which archive lies in the folder; `None` if none does: then the disk is not the one that was there.
pub fn identity(folder: &Path) -> io::Result<Option<Id>> {
    let mut text = String::new();
    match File::open(folder.join(IDENTITY)) {
        Ok(file) => file.take(64).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(unhex(text.trim_end()))
}

/// Gives the folder an identity, or says the one it has.
pub fn identify(folder: &Path) -> io::Result<Id> {
    let id: Id = domovoi_vault::random().map_err(io::Error::other)?;
    match File::options().write(true).create_new(true).mode(0o600).open(folder.join(IDENTITY)) {
        Ok(mut file) => {
            file.write_all(format!("{}\n", hex(&id)).as_bytes())?;
            file.sync_all()?;
            sync_folder(folder)?;
            Ok(id)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => identity(folder)?.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{IDENTITY} in {} is not one that this program wrote", folder.display()),
            )
        }),
        Err(error) => Err(error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Id> {
    let mut id = Id::default();
    if text.len() != 2 * id.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in id.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(id)
}
