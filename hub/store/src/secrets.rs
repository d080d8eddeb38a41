//! Named secrets: tokens, signing keys, the owner's consent. What they mean is known to those who put them there.

use std::sync::Arc;

use domovoi_vault::Secret;
use sqlx::Row;
use zeroize::Zeroizing;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::tables::SECRET;

/// The largest secret taken, in bytes.
pub const SECRET_LIMIT: usize = 1 << 20;

/// The longest name, in bytes.
const NAME_LIMIT: usize = 1024;

/// The named secrets.
#[derive(Clone)]
pub struct Secrets {
    db: Arc<Db>,
}

impl Secrets {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Secrets { db }
    }

    /// Keeps a secret, in the place of the one before it. Durable when this returns: only then may a refresh token that
    /// replaces another one be used.
    pub async fn put(&self, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write(&mut tx, name, secret).await?;
        tx.commit().await
    }

    /// Keeps a secret unless there is one of that name, and says whether it did.
    pub async fn put_if_absent(&self, name: &str, secret: &[u8]) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let there = sqlx::query("SELECT 1 FROM secret WHERE id = ?1")
            .bind(self.id(name).to_vec())
            .fetch_optional(tx.conn())
            .await?;
        if there.is_some() {
            return Ok(false);
        }
        self.write(&mut tx, name, secret).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A secret.
    pub async fn get(&self, name: &str) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let id = self.id(name);
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT sealed FROM secret WHERE id = ?1")
            .bind(id.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let plaintext = SECRET.open(&self.db.vault, &id, row.try_get(0)?)?;
        let secret = plaintext
            .split_first_chunk::<2>()
            .and_then(|(len, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*len))))
            .filter(|(stored, _)| *stored == name.as_bytes())
            .map(|(_, secret)| Secret::new(secret.to_vec()));
        secret.map(Some).ok_or_else(|| SECRET.damaged(&id, "its content is not what this program writes"))
    }

    /// Forgets a secret, and says whether there was one. Its bytes are overwritten in the database.
    pub async fn delete(&self, name: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let deleted =
            sqlx::query("DELETE FROM secret WHERE id = ?1").bind(self.id(name).to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// The plaintext is `len(name) u16 BE | name | secret`.
    async fn write(&self, tx: &mut Tx<'_>, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        if secret.len() > SECRET_LIMIT {
            return Err(StoreError::TooLarge { what: "the secret", limit: SECRET_LIMIT });
        }
        if name.len() > NAME_LIMIT {
            return Err(StoreError::TooLarge { what: "the name of the secret", limit: NAME_LIMIT });
        }
        let id = self.id(name);
        let mut plaintext = Zeroizing::new(Vec::with_capacity(2 + name.len() + secret.len()));
        plaintext.extend_from_slice(&(name.len() as u16).to_be_bytes());
        plaintext.extend_from_slice(name.as_bytes());
        plaintext.extend_from_slice(secret);
        sqlx::query(
            "INSERT INTO secret (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(SECRET.seal(&self.db.vault, &id, &plaintext)?)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    fn id(&self, name: &str) -> [u8; 32] {
        self.db.vault.keyed_hash("secret", &[name.as_bytes()])
    }
}
