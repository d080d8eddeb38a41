//! MQTT credentials that the hub issues: 160 random bits, shown once, kept as HMAC-SHA-256. Not for passwords that people
//! choose. Whoever shows a certificate has the certificate's fingerprint here, and a password that nobody was told. The topic
//! filters are kept as given; the broker's gate judges by them.

use std::fmt;
use std::sync::Arc;

use domovoi_model::{Moment, Timestamp};
use domovoi_vault::{Secret, Vault, random};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::{Hex, MomentRow};
use crate::tables::CREDENTIAL;

#[derive(Serialize, Deserialize)]
struct CredentialRow {
    username: String,
    hash: Hex,
    publish: Vec<String>,
    subscribe: Vec<String>,
    /// Before roles meant anything "device" was written here for everybody, so it is not read.
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mqtt_role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateRow>,
    created_at: MomentRow,
}

#[derive(Serialize, Deserialize)]
struct CertificateRow {
    fingerprint: Hex,
    ends_at: i64,
}

/// What a credential is that was issued before there were roles.
const FIRST_ROLE: &str = "service";

/// A client certificate that stands for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialCertificate {
    /// SHA-256.
    pub fingerprint: [u8; 32],
    /// Until when.
    pub ends_at: Timestamp,
}

/// What is known of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialInfo {
    /// Who speaks.
    pub username: String,
    /// The topic filters it may publish to.
    pub publish: Vec<String>,
    /// The topic filters it may subscribe to.
    pub subscribe: Vec<String>,
    /// What it is: a device, a bridge, …, by the policy's code.
    pub role: String,
    /// The certificate that is shown instead of a password, if it is one.
    pub certificate: Option<CredentialCertificate>,
    /// When it was issued.
    pub created_at: Moment,
}

/// A credential that a password can be checked against.
pub struct Credential {
    /// What is known of it.
    pub info: CredentialInfo,
    hash: [u8; 32],
    vault: Arc<Vault>,
}

impl Credential {
    /// Whether this is the password, in constant time.
    pub fn verify(&self, password: &str) -> bool {
        self.vault.verify_credential(&self.info.username, password, &self.hash)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.fmt(f)
    }
}

/// The credentials.
#[derive(Clone)]
pub struct Credentials {
    db: Arc<Db>,
}

impl Credentials {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Credentials { db }
    }

    /// Issues a password of 32 letters and digits, and tells it this once. `Conflict` when the user name has one:
    /// revoke it first.
    pub async fn issue(&self, info: &CredentialInfo) -> Result<Secret<String>, StoreError> {
        let bits: [u8; 20] = random().map_err(|error| StoreError::Io(error.to_string()))?;
        let password = Secret::new(base32(&bits));
        self.adopt(info, &password).await?;
        Ok(password)
    }

    /// The same with a token that the device has from its factory. It has to have 128 bits at least: what people choose would
    /// be guessed behind HMAC.
    pub async fn adopt(&self, info: &CredentialInfo, password: &Secret<String>) -> Result<(), StoreError> {
        let id = self.id(&info.username);
        let row = CredentialRow {
            username: info.username.clone(),
            hash: Hex(self.db.vault.credential_hash(&info.username, password.expose()).to_vec()),
            publish: info.publish.clone(),
            subscribe: info.subscribe.clone(),
            role: info.role.clone(),
            mqtt_role: Some(info.role.clone()),
            certificate: info
                .certificate
                .map(|tied| CertificateRow { fingerprint: Hex(tied.fingerprint.to_vec()), ends_at: tied.ends_at.0 }),
            created_at: info.created_at.into(),
        };
        let mut tx = self.db.begin().await?;
        let inserted = sqlx::query("INSERT INTO credential (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING")
            .bind(id.to_vec())
            .bind(CREDENTIAL.seal_json(&self.db.vault, &id, &row)?)
            .execute(tx.conn())
            .await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::conflict("this user name has a password already: revoke it first"));
        }
        tx.commit().await?;
        Ok(())
    }

    /// The credential of a user name.
    pub async fn find(&self, username: &str) -> Result<Option<Credential>, StoreError> {
        let id = self.id(username);
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT sealed FROM credential WHERE id = ?1")
            .bind(id.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.read(&id, row.try_get(0)?)).transpose()
    }

    /// All of them, by user name.
    pub async fn list(&self) -> Result<Vec<CredentialInfo>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM credential").fetch_all(reader.conn()).await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            // Whose row does not open is let in by nobody; the others are.
            match self.read(row.try_get(0)?, row.try_get(1)?) {
                Ok(credential) => all.push(credential.info),
                Err(error) => tracing::error!("a credential does not open: {error}"),
            }
        }
        all.sort_by(|a, b| a.username.cmp(&b.username));
        Ok(all)
    }

    /// Forgets a credential, and says whether there was one. Whoever is connected with it is the broker's to drop.
    pub async fn revoke(&self, username: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let deleted = sqlx::query("DELETE FROM credential WHERE id = ?1")
            .bind(self.id(username).to_vec())
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    fn id(&self, username: &str) -> [u8; 32] {
        self.db.vault.keyed_hash("credential.username", &[username.as_bytes()])
    }

    fn read(&self, id: &[u8], sealed: &[u8]) -> Result<Credential, StoreError> {
        let row: CredentialRow = CREDENTIAL.open_json(&self.db.vault, id, sealed)?;
        if id != self.id(&row.username) {
            return Err(CREDENTIAL.damaged(id, "it belongs to another user name"));
        }
        let certificate = match row.certificate {
            None => None,
            Some(tied) => Some(CredentialCertificate {
                fingerprint: tied.fingerprint.array().map_err(|bad| CREDENTIAL.damaged(id, bad))?,
                ends_at: Timestamp(tied.ends_at),
            }),
        };
        Ok(Credential {
            hash: row.hash.array().map_err(|bad| CREDENTIAL.damaged(id, bad))?,
            info: CredentialInfo {
                username: row.username,
                publish: row.publish,
                subscribe: row.subscribe,
                role: row.mqtt_role.unwrap_or_else(|| FIRST_ROLE.to_owned()),
                certificate,
                created_at: self.db.resolve(row.created_at.into()),
            },
            vault: Arc::clone(&self.db.vault),
        })
    }
}

/// RFC 4648 base32 in lower case: what a person can type into a device's settings page. 20 bytes, 32 characters.
fn base32(bytes: &[u8; 20]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (groups, _) = bytes.as_chunks::<5>();
    let mut text = String::with_capacity(32);
    for group in groups {
        let bits = group.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            text.push(char::from(ALPHABET[(bits >> (place * 5) & 31) as usize]));
        }
    }
    text
}
