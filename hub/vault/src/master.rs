//! The master key and the file it can live in. It seals nothing itself: it only wraps data keys.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aes_gcm::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::kdf::Kdf;
use crate::{RandomError, random};

/// Names a master key without telling anything about it: 8 bytes of a keyed hash.
pub type MasterId = [u8; 8];

/// 32 bytes that open everything. Wiped on drop; prints as its id only.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why there is no master key. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// There is none, and making a new one now would lock everybody out of what is already sealed.
    #[error("{path} is missing, and the store was sealed with it: put the file back from its backup")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Others may read or change it, so it must be taken for known to them.
    #[error(
        "{path} can be read or changed by others (mode {mode:04o}): run `chmod 600 {path}`, then rotate the master key"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else's file.
    #[error(
        "{path} belongs to user {owner}, neither to this user nor to root: run `chown` on it, or name another file"
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Not what a key (or key parameters) file looks like.
    #[error("{path} is no usable key file: {why}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        why: String,
    },
    /// Something is already there; it is never overwritten.
    #[error("{path} exists already and is not overwritten: move it away first if it is not needed")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The passphrase cannot be used.
    #[error("the passphrase cannot be used: {why}")]
    Passphrase {
        /// What is wrong, and what is expected.
        why: String,
    },
    /// The operating system said no.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl MasterError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> MasterError + '_ {
        move |error| match error.kind() {
            io::ErrorKind::AlreadyExists => MasterError::Exists { path: path.to_owned() },
            io::ErrorKind::NotFound => MasterError::Missing { path: path.to_owned() },
            _ => MasterError::Io { path: path.to_owned(), error },
        }
    }

    fn malformed(path: &Path, why: impl Into<String>) -> Self {
        MasterError::Malformed { path: path.to_owned(), why: why.into() }
    }
}

impl MasterKey {
    /// 32 random bytes, in no file.
    pub fn generate() -> Result<Self, MasterError> {
        Ok(MasterKey(Zeroizing::new(random()?)))
    }

    /// Makes a new key file: 64 hex digits and a line feed, 0600, on the disk (file and directory) when this returns.
    pub fn create_file(path: &Path) -> Result<Self, MasterError> {
        let key = Self::generate()?;
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in key.0.iter() {
            text.push(hex_digit(byte >> 4));
            text.push(hex_digit(byte & 15));
        }
        text.push('\n');
        create_private(path, text.as_bytes())?;
        Ok(key)
    }

    /// Reads a key file, refusing one that others may know or that was damaged.
    pub fn from_file(path: &Path) -> Result<Self, MasterError> {
        let text = read_private(path, 64 + 2)?;
        let digits = text.strip_suffix(b"\n").unwrap_or(&text);
        let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
        if digits.len() != 64 {
            return Err(MasterError::malformed(
                path,
                format!("expected 64 hex digits and a line feed, found {} bytes", text.len()),
            ));
        }
        let mut key = Zeroizing::new([0u8; 32]);
        if !read_hex(digits, &mut *key) {
            return Err(MasterError::malformed(path, "expected 64 hex digits, found other characters"));
        }
        if *key == [0u8; 32] {
            return Err(MasterError::malformed(path, "it is all zeroes, which no random key is"));
        }
        Ok(MasterKey(key))
    }

    /// Stretches a passphrase. The same passphrase with the same `kdf` gives the same key. Takes about a second.
    pub fn from_passphrase(passphrase: &str, kdf: &Kdf) -> Result<Self, MasterError> {
        kdf.stretch(passphrase).map(MasterKey)
    }

    /// Its name.
    pub fn id(&self) -> MasterId {
        let hash = self.derive(b"domovoi master id");
        let mut id = MasterId::default();
        id.copy_from_slice(hash.first_chunk::<8>().unwrap_or(&[0; 8]));
        id
    }

    /// The AES key that wraps data keys: derived, so that the id and the wraps never share a key.
    pub(crate) fn wrapping_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"domovoi wrapping key")
    }

    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut mac = hmac(&self.0);
        mac.update(label);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey(***)")
    }
}

/// HMAC-SHA-256 under a 32-byte key. RFC 2104 pads a short key with zeroes to the block of 64 bytes; done here by hand
/// because the constructor for a whole block cannot fail.
pub(crate) fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0u8; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new((&*block).into())
}

pub(crate) fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble & 15), 16).unwrap_or('0')
}

/// Reads exactly as many hex digits as fill `bytes`.
pub(crate) fn read_hex(digits: &[u8], bytes: &mut [u8]) -> bool {
    if digits.len() != bytes.len() * 2 {
        return false;
    }
    bytes.iter_mut().zip(digits.chunks_exact(2)).all(|(byte, pair)| {
        let value = pair.iter().try_fold(0, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?));
        *byte = value.unwrap_or(0) as u8;
        value.is_some()
    })
}

/// A new file that only its owner reads, durable when this returns.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<(), MasterError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(MasterError::io(path))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key is worse than none: the next start would find it and refuse.
        let _ = std::fs::remove_file(path);
        return Err(MasterError::Io { path: path.to_owned(), error });
    }
    sync_folder(path)
}

/// A file's name is durable only once its folder is.
pub(crate) fn sync_folder(path: &Path) -> Result<(), MasterError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(MasterError::io(folder))
}

/// The content of a file that only we or root can have written and read. At most `limit` + 1 bytes are taken.
pub(crate) fn read_private(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, MasterError> {
    // Looked at before it is opened, because opening a pipe would wait; looked at again through the open file, because
    // the name may point elsewhere by then.
    let before = std::fs::metadata(path).map_err(MasterError::io(path))?;
    if !before.is_file() {
        return Err(MasterError::malformed(path, "it is not a regular file"));
    }
    let file = File::open(path).map_err(MasterError::io(path))?;
    let meta = file.metadata().map_err(MasterError::io(path))?;
    if !meta.is_file() {
        return Err(MasterError::malformed(path, "it is not a regular file"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(MasterError::Exposed { path: path.to_owned(), mode: meta.mode() & 0o7777 });
    }
    // /proc/self belongs to the effective user: the one place std lets us ask who that is.
    let us = std::fs::metadata("/proc/self").map(|meta| meta.uid());
    if meta.uid() != 0 && us.is_ok_and(|us| us != meta.uid()) {
        return Err(MasterError::Foreign { path: path.to_owned(), owner: meta.uid() });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(limit as usize + 1));
    file.take(limit + 1).read_to_end(&mut content).map_err(MasterError::io(path))?;
    Ok(content)
}
