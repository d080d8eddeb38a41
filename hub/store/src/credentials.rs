//! MQTT credentials that the hub issues: 160 random bits, shown once, kept as HMAC-SHA-256. Not for passwords that people
//! choose. Whoever shows a certificate has the certificate's fingerprint here, and a password that nobody was told. The topic
//! filters are kept as given; the broker's gate judges by them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use domovoi_model::{Moment, Timestamp};
use domovoi_vault::{Secret, Vault, random};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::at_hand::{Changing, Look};
use crate::db::{Db, Tx, is_aside};
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
    /// What opened it before it was issued anew, until the new one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<BeforeRow>,
    created_at: MomentRow,
}

#[derive(Serialize, Deserialize)]
struct BeforeRow {
    hash: Hex,
    subscribe: Vec<String>,
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
    /// It was issued anew, and nobody has come with the new one yet: until then what opened it before still does.
    before: Option<Before>,
    vault: Arc<Vault>,
}

struct Before {
    hash: [u8; 32],
    certificate: Option<CredentialCertificate>,
}

/// With what somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// When the certificate ends that was shown, if one was.
    pub ends_at: Option<Timestamp>,
    /// The credential was issued anew, and this is the first time that the new one is used: see [`Credentials::used`].
    pub first: bool,
}

impl Credential {
    /// Whether this is the password, in constant time. Whoever has a certificate has no password.
    pub fn verify(&self, password: &str) -> bool {
        self.open(password).is_some()
    }

    /// The same, and whether it is the new one of two.
    pub fn open(&self, password: &str) -> Option<Opened> {
        let is = |hash| self.vault.verify_credential(&self.info.username, password, hash);
        let (now, then) = (is(&self.hash), self.before.as_ref().is_some_and(|before| is(&before.hash)));
        let now = now && self.info.certificate.is_none();
        let then = then && self.before.as_ref().is_some_and(|before| before.certificate.is_none());
        (now || then).then_some(Opened { ends_at: None, first: now && self.before.is_some() })
    }

    /// Whether it is this certificate that stands for it; how long, is the caller's to look at.
    pub fn shown(&self, fingerprint: &[u8; 32]) -> Option<Opened> {
        let is = |tied: &CredentialCertificate| tied.fingerprint == *fingerprint;
        if let Some(tied) = self.info.certificate.filter(is) {
            return Some(Opened { ends_at: Some(tied.ends_at), first: self.before.is_some() });
        }
        let before = self.before.as_ref()?.certificate.filter(is)?;
        Some(Opened { ends_at: Some(before.ends_at), first: false })
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
        self.write(info, password, false).await
    }

    /// Issues a password in the place of the one that the user name has, in one step. The one before still opens it until
    /// somebody comes with the new one ([`Credentials::used`]) or gives up ([`Credentials::give_back`]): a sensor that
    /// works is not locked out by a password that was perhaps entered nowhere.
    pub async fn issue_anew(&self, info: &CredentialInfo) -> Result<Secret<String>, StoreError> {
        let bits: [u8; 20] = random().map_err(|error| StoreError::Io(error.to_string()))?;
        let password = Secret::new(base32(&bits));
        self.adopt_anew(info, &password).await?;
        Ok(password)
    }

    /// The same with the device's own token.
    pub async fn adopt_anew(&self, info: &CredentialInfo, password: &Secret<String>) -> Result<(), StoreError> {
        self.write(info, password, true).await
    }

    async fn write(&self, info: &CredentialInfo, password: &Secret<String>, anew: bool) -> Result<(), StoreError> {
        let id = self.id(&info.username);
        let changing = self.db.at_hand.changes(id).await;
        let mut tx = self.db.begin().await?;
        let found = self.row(&mut tx, &id).await?;
        if found.is_some() && !anew {
            // One that does not open goes on being asked for at the disk.
            if found.is_some_and(|row| row.is_some()) {
                changing.changed_nothing();
            }
            return Err(StoreError::conflict("this user name has a password already: revoke it first"));
        }
        let before = found.flatten().map(|row| {
            let own = BeforeRow {
                hash: row.hash,
                subscribe: row.subscribe,
                certificate: row.certificate,
                created_at: row.created_at,
            };
            // Begun anew once more: the one that is in use is still the first.
            row.before.unwrap_or(own)
        });
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
            before,
            created_at: info.created_at.into(),
        };
        self.keep(tx, changing, &id, row).await
    }

    /// Somebody has come with the new one of two: the one before opens nothing any more once this returns.
    pub async fn used(&self, username: &str) -> Result<(), StoreError> {
        self.settle(username, |row| {
            let two = row.before.is_some();
            row.before = None;
            two
        })
        .await?;
        Ok(())
    }

    /// Nobody has come with the new one of two: the one before is what it was. Whether there was one.
    pub async fn give_back(&self, username: &str) -> Result<bool, StoreError> {
        self.settle(username, |row| {
            let Some(before) = row.before.take() else { return false };
            (row.hash, row.certificate) = (before.hash, before.certificate);
            (row.subscribe, row.created_at) = (before.subscribe, before.created_at);
            true
        })
        .await
    }

    async fn settle(
        &self,
        username: &str,
        change: impl FnOnce(&mut CredentialRow) -> bool,
    ) -> Result<bool, StoreError> {
        let id = self.id(username);
        let changing = self.db.at_hand.changes(id).await;
        let mut tx = self.db.begin().await?;
        let Some(Some(mut row)) = self.row(&mut tx, &id).await? else { return Ok(false) };
        if !change(&mut row) {
            changing.changed_nothing();
            return Ok(false);
        }
        self.keep(tx, changing, &id, row).await?;
        Ok(true)
    }

    async fn keep(
        &self,
        mut tx: Tx<'_>,
        changing: Changing<'_>,
        id: &[u8; 32],
        row: CredentialRow,
    ) -> Result<(), StoreError> {
        self.db.keep_damaged(&mut tx, &CREDENTIAL, id, |sealed| self.read(id, sealed).is_ok()).await?;
        sqlx::query(
            "INSERT INTO credential (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(CREDENTIAL.seal_json(&self.db.vault, id, &row)?)
        .execute(tx.conn())
        .await?;
        let credential = self.opened(id, row)?;
        tx.commit().await?;
        changing.ends(Some(Arc::new(credential)));
        Ok(())
    }

    /// The row of an id, if there is one; and within, what is in it, if it opens.
    async fn row(&self, tx: &mut Tx<'_>, id: &[u8; 32]) -> Result<Option<Option<CredentialRow>>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM credential WHERE id = ?1")
            .bind(id.to_vec())
            .fetch_optional(tx.conn())
            .await?;
        row.map(|row| Ok(CREDENTIAL.open_json(&self.db.vault, id, row.try_get(0)?).ok())).transpose()
    }

    /// The credential of a user name, as the disk has it.
    pub async fn find(&self, username: &str) -> Result<Option<Credential>, StoreError> {
        let id = self.id(username);
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT sealed FROM credential WHERE id = ?1")
            .bind(id.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.read(&id, row.try_get(0)?)).transpose()
    }

    /// The same from memory, once they were read: the disk is asked only about a name that is being changed or whose row does
    /// not open.
    pub async fn at_hand(&self, username: &str) -> Result<Option<Arc<Credential>>, StoreError> {
        match self.db.at_hand.look(&self.id(username)) {
            Look::Sure(credential) => Ok(credential),
            Look::Unsure => Ok(self.find(username).await?.map(Arc::new)),
        }
    }

    /// Whether it was issued anew and nobody has come with the new one yet, as far as memory knows.
    pub fn waits_for_the_new(&self, username: &str) -> bool {
        let look = self.db.at_hand.look(&self.id(username));
        matches!(look, Look::Sure(Some(credential)) if credential.before.is_some())
    }

    /// Reads all of them into memory: for the start. All that open, by user name, and how many do not.
    pub async fn read_all(&self) -> Result<(Vec<CredentialInfo>, usize), StoreError> {
        let _still = self.db.at_hand.still().await;
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM credential").fetch_all(reader.conn()).await?;
        drop(reader);
        let (mut all, mut damaged, mut infos) = (HashMap::new(), HashSet::new(), Vec::with_capacity(rows.len()));
        for row in &rows {
            let id: &[u8] = row.try_get(0)?;
            let Ok(whole) = <[u8; 32]>::try_from(id) else { continue };
            // Whose row does not open is let in by nobody; the others are.
            match self.read(id, row.try_get(1)?) {
                Ok(credential) => {
                    infos.push(credential.info.clone());
                    all.insert(whole, Arc::new(credential));
                }
                Err(error) => {
                    tracing::error!("a credential does not open: {error}");
                    damaged.insert(whole);
                }
            }
        }
        let bad = damaged.len();
        self.db.at_hand.is(all, damaged);
        infos.sort_by(|a, b| a.username.cmp(&b.username));
        Ok((infos, bad))
    }

    /// All of them, by user name.
    pub async fn list(&self) -> Result<Vec<CredentialInfo>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM credential").fetch_all(reader.conn()).await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: &[u8] = row.try_get(0)?;
            if is_aside(id) {
                continue;
            }
            match self.read(id, row.try_get(1)?) {
                Ok(credential) => all.push(credential.info),
                Err(error) => tracing::error!("a credential does not open: {error}"),
            }
        }
        all.sort_by(|a, b| a.username.cmp(&b.username));
        Ok(all)
    }

    /// Forgets a credential, and says whether there was one. Whoever is connected with it is the broker's to drop.
    pub async fn revoke(&self, username: &str) -> Result<bool, StoreError> {
        let id = self.id(username);
        let changing = self.db.at_hand.changes(id).await;
        let mut tx = self.db.begin().await?;
        let found = self.row(&mut tx, &id).await?;
        if found.is_some() {
            self.db.keep_damaged(&mut tx, &CREDENTIAL, &id, |sealed| self.read(&id, sealed).is_ok()).await?;
            sqlx::query("DELETE FROM credential WHERE id = ?1").bind(id.to_vec()).execute(tx.conn()).await?;
        }
        tx.commit().await?;
        changing.ends(None);
        Ok(found.is_some())
    }

    fn id(&self, username: &str) -> [u8; 32] {
        self.db.vault.keyed_hash("credential.username", &[username.as_bytes()])
    }

    fn read(&self, id: &[u8], sealed: &[u8]) -> Result<Credential, StoreError> {
        let row: CredentialRow = CREDENTIAL.open_json(&self.db.vault, id, sealed)?;
        if id != self.id(&row.username) {
            return Err(CREDENTIAL.damaged(id, "it belongs to another user name"));
        }
        self.opened(id, row)
    }

    fn opened(&self, id: &[u8], row: CredentialRow) -> Result<Credential, StoreError> {
        let tied = |row: Option<CertificateRow>| -> Result<Option<CredentialCertificate>, StoreError> {
            let Some(tied) = row else { return Ok(None) };
            let fingerprint = tied.fingerprint.array().map_err(|bad| CREDENTIAL.damaged(id, bad))?;
            Ok(Some(CredentialCertificate { fingerprint, ends_at: Timestamp(tied.ends_at) }))
        };
        let hash = |hash: Hex| hash.array().map_err(|bad| CREDENTIAL.damaged(id, bad));
        let before = match row.before {
            None => None,
            Some(before) => Some(Before { hash: hash(before.hash)?, certificate: tied(before.certificate)? }),
        };
        Ok(Credential {
            hash: hash(row.hash)?,
            before,
            info: CredentialInfo {
                username: row.username,
                publish: row.publish,
                subscribe: row.subscribe,
                role: row.mqtt_role.unwrap_or_else(|| FIRST_ROLE.to_owned()),
                certificate: tied(row.certificate)?,
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
