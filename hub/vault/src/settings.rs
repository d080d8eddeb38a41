//! Where the master key comes from, as the settings file says it, and how it is fetched at start. It asks nobody for
//! anything: a passphrase that a person types is handed in by the program.

use std::path::{Path, PathBuf};

use crate::kdf::Kdf;
use crate::master::{MasterError, MasterKey, read_private};
use crate::secret::Secret;

/// The longest passphrase taken, in bytes.
const PASSPHRASE_LIMIT: u64 = 4096;

/// The vault's section of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where the master key comes from.
    pub master: MasterSource,
}

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterSource {
    /// A 0600 file; a relative path counts from the data folder. Convenient, and whoever takes the card has the key.
    File(PathBuf),
    /// A passphrase, stretched with the parameters in `master.kdf` of the data folder.
    Passphrase(PassphraseSource),
}

impl Default for MasterSource {
    fn default() -> Self {
        MasterSource::File(PathBuf::from("master.key"))
    }
}

/// Where the passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// A file of `$CREDENTIALS_DIRECTORY`, as systemd's `LoadCredential=` and `LoadCredentialEncrypted=` put it there.
    SystemdCredential(String),
    /// A 0600 file, on another disk one hopes; its last line feed does not count.
    File(PathBuf),
    /// The program asks a person and hands it in.
    Given,
}

/// What to do when there is no master key yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing is sealed yet: make one.
    Create,
    /// Something is sealed already: a new key would open none of it.
    Refuse,
}

impl Settings {
    /// The file that rotation of the master replaces: the key itself, or the parameters of the passphrase.
    pub fn master_path(&self, data_dir: &Path) -> PathBuf {
        match &self.master {
            MasterSource::File(path) => data_dir.join(path),
            MasterSource::Passphrase(_) => data_dir.join("master.kdf"),
        }
    }

    /// Whether whoever takes the data folder has the key with it; the owner is told so.
    pub fn key_lies_beside_the_data(&self, data_dir: &Path) -> bool {
        match &self.master {
            MasterSource::File(path) => data_dir.join(path).starts_with(data_dir),
            MasterSource::Passphrase(PassphraseSource::File(path)) => data_dir.join(path).starts_with(data_dir),
            MasterSource::Passphrase(_) => false,
        }
    }

    /// Fetches the master key. `given` is what a person typed, for [`PassphraseSource::Given`]. With a passphrase this
    /// works for about a second and wants 64 MiB: call it off the event loop.
    pub fn obtain(
        &self,
        data_dir: &Path,
        given: Option<&Secret<String>>,
        absent: Absent,
    ) -> Result<MasterKey, MasterError> {
        let path = self.master_path(data_dir);
        let create = absent == Absent::Create && !path.exists();
        match &self.master {
            MasterSource::File(_) if create => MasterKey::create_file(&path),
            MasterSource::File(_) => MasterKey::from_file(&path),
            MasterSource::Passphrase(source) => {
                let passphrase = source.read(data_dir, given)?;
                let kdf = if create {
                    let kdf = Kdf::generate()?;
                    kdf.create_file(&path)?;
                    kdf
                } else {
                    Kdf::from_file(&path)?
                };
                MasterKey::from_passphrase(passphrase.expose(), &kdf)
            }
        }
    }
}

impl PassphraseSource {
    /// Fetches the passphrase.
    pub fn read(&self, data_dir: &Path, given: Option<&Secret<String>>) -> Result<Secret<String>, MasterError> {
        let refused = |why: &str| MasterError::Passphrase { why: why.to_owned() };
        let path = match self {
            PassphraseSource::Given => {
                return given.cloned().ok_or_else(|| {
                    refused("nobody is there to type it: start in a terminal, or use a systemd credential")
                });
            }
            PassphraseSource::File(path) => data_dir.join(path),
            PassphraseSource::SystemdCredential(name) => {
                if name.is_empty() || name.contains('/') || name.starts_with('.') {
                    return Err(refused("the name of the systemd credential must be a plain file name"));
                }
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    refused(
                        "CREDENTIALS_DIRECTORY is not set: add LoadCredential= or LoadCredentialEncrypted= to the unit",
                    )
                })?;
                Path::new(&folder).join(name)
            }
        };
        let content = read_private(&path, PASSPHRASE_LIMIT)?;
        let text = std::str::from_utf8(&content).map_err(|_| refused("it is not UTF-8 text"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        if content.len() as u64 > PASSPHRASE_LIMIT {
            return Err(refused("it is longer than 4096 bytes"));
        }
        Ok(Secret::new(text.to_owned()))
    }
}
