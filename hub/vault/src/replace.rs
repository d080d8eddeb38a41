//! Replacing the master key so that a power cut at any moment leaves a store that opens.
//!
//! 1. [`Replacement::begin_file`] writes the new key into `master.key.next` (with a passphrase: the new salt into
//!    `master.kdf.next`). The old file still counts.
//! 2. The keeper of the wraps stores every data key wrapped under the new master *beside* the old wraps, durably.
//! 3. [`Replacement::finish`] renames `….next` over the file: the one moment at which the new key begins to count.
//! 4. The keeper deletes the wraps under the old master.
//!
//! Cut before 3: the old file opens the old wraps, and a left-over `….next` counts for nothing; the next attempt
//! removes it. Cut after 3: the new file opens the new wraps, and the keeper deletes the old ones at its next start.

use std::path::{Path, PathBuf};

use crate::kdf::Kdf;
use crate::master::{MasterError, MasterKey, sync_folder};

/// A master key that is about to take the place of another.
#[derive(Debug)]
pub struct Replacement {
    key: MasterKey,
    path: PathBuf,
    next: PathBuf,
}

impl Replacement {
    /// Step 1 for a key file: `path` is the file in use, or the one to be used from now on.
    pub fn begin_file(path: &Path) -> Result<Self, MasterError> {
        let next = Self::clear_next(path)?;
        let key = MasterKey::create_file(&next)?;
        Ok(Replacement { key, path: path.to_owned(), next })
    }

    /// Step 1 for a passphrase: `path` is the file of its parameters. The salt is always a new one.
    pub fn begin_passphrase(path: &Path, passphrase: &str) -> Result<Self, MasterError> {
        let next = Self::clear_next(path)?;
        let kdf = Kdf::generate()?;
        let key = MasterKey::from_passphrase(passphrase, &kdf)?;
        kdf.create_file(&next)?;
        Ok(Replacement { key, path: path.to_owned(), next })
    }

    /// The new key, for step 2.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Step 3. Durable when this returns.
    pub fn finish(self) -> Result<MasterKey, MasterError> {
        std::fs::rename(&self.next, &self.path).map_err(MasterError::io(&self.path))?;
        sync_folder(&self.path)?;
        Ok(self.key)
    }

    fn clear_next(path: &Path) -> Result<PathBuf, MasterError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".next");
        let next = PathBuf::from(name);
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(MasterError::io(&next)(error)),
            _ => Ok(next),
        }
    }
}
