//! `[vault]`: where the master key comes from. The key and the passphrase themselves are never in the file.

use std::path::{Path, PathBuf};

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

/// How the vault is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSection {
    /// What opens it.
    pub master: Master,
}

/// What opens the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// 32 random bytes in a file that only the hub may read.
    KeyFile(PathBuf),
    /// A passphrase, from which Argon2id derives the key.
    Passphrase(PassphraseFrom),
}

/// Where the passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseFrom {
    /// A file that only the hub may read.
    File(PathBuf),
    /// A systemd credential of this name, that is `$CREDENTIALS_DIRECTORY/<name>` (systemd.exec(5)).
    Credential(String),
    /// A person at the terminal, at every start.
    Person,
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Passphrase,
}

pub(crate) fn read(mut section: Section<'_>, data_dir: &Path) -> VaultSection {
    let base_dir = section.base_dir();
    let place = |key| section.place_of(key);
    let (master_at, key_file_at) = (place("master"), place("key_file"));
    let (passphrase_at, credential_at) = (place("passphrase_file"), place("credential"));
    let kind = section.take_enum("master", &[("file", Kind::File), ("passphrase", Kind::Passphrase)]);
    let key_file = section.take_path("key_file", data_dir);
    let passphrase_file = section.take_path("passphrase_file", base_dir);
    let credential = section.take_parsed("credential", scalar::credential);

    let understood = kind.is_some() || master_at.is_none();
    let kind = kind.unwrap_or(Kind::File);
    match kind {
        // What goes with a word that nobody understands is not known.
        _ if !understood => {}
        Kind::File => {
            for (key, at) in [("passphrase_file", passphrase_at), ("credential", credential_at)] {
                if at.is_some() {
                    let wrong = Wrong::new("has no effect while `master` is \"file\"");
                    section.wrong_at(at, key, wrong.hint("write `master = \"passphrase\"`, or remove it"));
                }
            }
        }
        Kind::Passphrase => {
            if key_file_at.is_some() {
                let wrong = Wrong::new("has no effect while `master` is \"passphrase\"");
                section.wrong_at(key_file_at, "key_file", wrong.hint("remove it, or write `master = \"file\"`"));
            }
            if passphrase_at.is_some() && credential_at.is_some() {
                let wrong =
                    Wrong::new("stands beside `passphrase_file`, and the passphrase can come from one place only");
                section.wrong_at(credential_at, "credential", wrong.hint("remove one of them"));
            }
        }
    }
    section.finish();

    let master = match (kind, credential, passphrase_file) {
        (Kind::File, ..) => Master::KeyFile(key_file.unwrap_or_else(|| data_dir.join("master.key"))),
        (Kind::Passphrase, Some(name), _) => Master::Passphrase(PassphraseFrom::Credential(name)),
        (Kind::Passphrase, None, Some(file)) => Master::Passphrase(PassphraseFrom::File(file)),
        (Kind::Passphrase, None, None) => Master::Passphrase(PassphraseFrom::Person),
    };
    VaultSection { master }
}
