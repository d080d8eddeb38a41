//! What a person proves themselves with: passwords, PINs, TOTP, recovery codes, passkeys, codes that were sent, the
//! portal's account. Each file judges, makes and verifies one kind; here is how all of them are kept.
//!
//! Deliberately without flows: who is asked for what, how often, how long an answer may take, and where the documents
//! lie, is the sign-in room's business.

pub mod code;
mod common;
mod keyboard;
pub mod passkey;
pub mod password;
pub mod pin;
pub mod recovery;
#[cfg(test)]
pub(in crate::signin) mod soft_authenticator;
pub mod totp;

use domovoi_model::Timestamp;
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::passkey::KeptPasskey;
use super::view::{FactorKind, FactorView};

/// A factor as it lies in its drawer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptFactor {
    /// What its owner calls it.
    pub name: String,
    /// When it was added, in milliseconds of the wall clock; `None` while that was not trusted.
    pub added_at: Option<i64>,
    /// When it was last used.
    pub used_at: Option<i64>,
    /// A password that is long enough to be asked for alone.
    #[serde(default)]
    pub stands_alone: bool,
    /// The proof itself.
    pub factor: StoredFactor,
}

/// The kinds, each with what is needed to verify it. `Debug` shows the kind only.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredFactor {
    /// A chosen password.
    Password {
        /// Argon2id.
        #[serde(with = "hidden")]
        phc: Secret<String>,
    },
    /// An authenticator app.
    Totp {
        /// 160 bits in base32.
        #[serde(with = "hidden")]
        secret: Secret<String>,
        /// The newest step of which a code was taken: neither it nor an older one is taken again.
        last_step: Option<u64>,
    },
    /// Codes for the drawer at home.
    Recovery {
        /// Keyed hashes of those that are left.
        hashes: Vec<String>,
    },
    /// Four digits, on a paired tablet only.
    Pin {
        /// Argon2id.
        #[serde(with = "hidden")]
        phc: Secret<String>,
    },
    /// A WebAuthn credential.
    Passkey {
        /// Its public half, and what is known of it.
        key: Box<KeptPasskey>,
    },
    /// An account at the portal.
    Portal {
        /// As the id_token names it, to the letter.
        issuer: String,
        /// The same.
        subject: String,
    },
}

impl std::fmt::Debug for StoredFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredFactor({})", self.kind().code())
    }
}

impl StoredFactor {
    /// Which.
    pub fn kind(&self) -> FactorKind {
        match self {
            StoredFactor::Password { .. } => FactorKind::Password,
            StoredFactor::Totp { .. } => FactorKind::Totp,
            StoredFactor::Recovery { .. } => FactorKind::Recovery,
            StoredFactor::Pin { .. } => FactorKind::Pin,
            StoredFactor::Passkey { .. } => FactorKind::Passkey,
            StoredFactor::Portal { .. } => FactorKind::Portal,
        }
    }
}

impl KeptFactor {
    /// A factor that was added just now.
    pub fn new(name: impl Into<String>, added_at: Option<Timestamp>, factor: StoredFactor) -> Self {
        KeptFactor { name: name.into(), added_at: added_at.map(|at| at.0), used_at: None, stands_alone: false, factor }
    }

    /// The document's body.
    pub fn to_body(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(self).map(Zeroizing::new)
    }

    /// Reads what `to_body` wrote.
    pub fn from_body(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body)
    }

    /// As it is shown. `id` is the document's.
    pub fn view(&self, id: impl Into<String>) -> FactorView {
        let left = match &self.factor {
            StoredFactor::Recovery { hashes } => Some(hashes.len()),
            _ => None,
        };
        FactorView {
            id: id.into(),
            kind: self.factor.kind(),
            name: self.name.clone(),
            added_at: self.added_at.map(Timestamp),
            used_at: self.used_at.map(Timestamp),
            left,
        }
    }
}

/// Secrets go into sealed documents as plain text, and nowhere else.
mod hidden {
    use domovoi_vault::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(secret: &Secret<String>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret<String>, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use domovoi_store::{Papers, Store};
    use domovoi_vault::MasterKey;

    use super::*;

    pub async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let settings = domovoi_store::Settings::new(folder.path().join("data"));
        (Store::open(&settings, &MasterKey::generate().unwrap()).await.unwrap(), folder)
    }

    pub async fn papers() -> (Papers, tempfile::TempDir) {
        let (store, folder) = store().await;
        (store.papers(), folder)
    }

    #[test]
    fn a_factor_comes_back_as_it_was_kept_and_does_not_print() {
        let secret = || Secret::new("s3cret-s3cret".to_owned());
        for factor in [
            StoredFactor::Password { phc: secret() },
            StoredFactor::Totp { secret: secret(), last_step: Some(59) },
            StoredFactor::Recovery { hashes: vec!["s3cret-s3cret".to_owned()] },
            StoredFactor::Pin { phc: secret() },
            StoredFactor::Portal { issuer: "s3cret-s3cret".to_owned(), subject: "42".to_owned() },
        ] {
            let kept = KeptFactor::new("Ключ", Some(Timestamp(5)), factor);
            assert!(!format!("{kept:?}").contains("s3cret-s3cret"));
            let body = kept.to_body().unwrap();
            let back = KeptFactor::from_body(&body).unwrap();
            assert_eq!(back.to_body().unwrap(), body);
            let view = back.view("f-1");
            assert_eq!(
                (view.kind, view.name.as_str(), view.added_at),
                (kept.factor.kind(), "Ключ", Some(Timestamp(5)))
            );
            assert_eq!(view.left, (view.kind == FactorKind::Recovery).then_some(1));
        }
        assert!(KeptFactor::from_body(b"{}").is_err());
    }
}
