//! The portal's memory over restarts: small files, each written beside its place, fsynced, then renamed over it. No
//! database on purpose: a test or a person can read what the portal holds. The calls block; the files are a few kB.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        for folder in ["acts", "photos"] {
            fs::create_dir_all(root.join(folder))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Returns when the bytes survive a power cut: file synced, renamed, folder synced.
    pub(crate) fn write(&self, relative: &str, bytes: &[u8]) -> io::Result<()> {
        replace_file(&self.root.join(relative), bytes)
    }

    pub(crate) fn write_json<T: Serialize>(&self, relative: &str, value: &T) -> io::Result<()> {
        self.write(relative, &serde_json::to_vec_pretty(value)?)
    }

    /// `None` when there is no such file; an error names the file.
    pub(crate) fn read_json<T: DeserializeOwned>(&self, relative: &str) -> io::Result<Option<T>> {
        let path = self.root.join(relative);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(&path, &error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| named(&path, &error))
    }

    /// Every `.json` of a folder. A half-written temporary file has another ending and is passed over.
    pub(crate) fn read_folder<T: DeserializeOwned>(&self, folder: &str) -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") {
                found.extend(self.read_json(&format!("{folder}/{name}"))?);
            }
        }
        Ok(found)
    }

    pub(crate) fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(folder))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("part");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
