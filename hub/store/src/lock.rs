//! One daemon per data folder. The lock goes with the process, however it ends: the file that stays behind means
//! nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Held as long as this value lives.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    /// Closing the file is not enough: a program that this process is just starting shares the lock until its `exec`,
    /// and would keep the next holder out for that moment.
    fn drop(&mut self) {
        // The lock that cannot be given back goes with the file.
        let _ = self.file.unlock();
    }
}

/// Why the folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody works in it.
    #[error("{path} is in use by process {holder}: stop it first, or name another data folder")]
    Held {
        /// The data folder.
        path: PathBuf,
        /// The holder's process id, as it wrote it down; `unknown` if it did not get to it.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("{path}: {error}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

pub(crate) fn lock(data_dir: &Path) -> Result<FolderLock, LockError> {
    let path = data_dir.join("domovoi.lock");
    let failed = |error| LockError::Io { path: path.clone(), error };
    crate::db::private_folder(data_dir).map_err(failed)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // A pid is short; whatever else is in the file is not read.
            let _ = file.take(20).read_to_string(&mut holder);
            let holder = holder.trim();
            let holder = if holder.is_empty() { "unknown" } else { holder };
            return Err(LockError::Held { path: data_dir.to_owned(), holder: holder.to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // A full disk must not keep the daemon from starting: the pid is a courtesy, the lock is held without it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(FolderLock { file })
}

#[cfg(test)]
mod tests {
    use super::lock;

    #[test]
    fn a_lock_given_back_is_free_also_while_a_program_being_started_still_shares_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        // What a fork has until its exec: the same open file.
        let shared = held.file.try_clone().unwrap();
        assert!(lock(folder.path()).is_err(), "held");
        drop(held);
        lock(folder.path()).unwrap();
        drop(shared);
    }
}
