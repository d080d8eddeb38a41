//! Photos of meter faces, sealed. Takes bytes as they come: decoding, re-encoding and hashing them is metering's work.

use std::sync::Arc;

use domovoi_model::PhotoId;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::Hex;
use crate::tables::PHOTO;

/// The largest photo taken, in bytes: the portal's 5 MB, and some room for a re-encoding that came out larger.
pub const PHOTO_LIMIT: usize = 6 << 20;

/// A photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Ours.
    pub id: PhotoId,
    /// `image/jpeg` or `image/png`.
    pub media_type: String,
    /// SHA-256 of `bytes`, as the act names it.
    pub sha256: [u8; 32],
    /// The picture.
    pub bytes: Vec<u8>,
}

/// What stands before the picture, with its length as a u32 BE before it.
#[derive(Serialize, Deserialize)]
struct HeadRow {
    media_type: String,
    sha256: Hex,
}

/// The photos.
#[derive(Clone)]
pub struct Photos {
    db: Arc<Db>,
}

impl Photos {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Photos { db }
    }

    /// Keeps a photo. `Conflict` when the id is taken: a photo never changes.
    pub async fn put(&self, photo: &Photo) -> Result<(), StoreError> {
        if photo.bytes.len() > PHOTO_LIMIT {
            return Err(StoreError::TooLarge { what: "the photo", limit: PHOTO_LIMIT });
        }
        let id = photo.id.0.0;
        let head = HeadRow { media_type: photo.media_type.clone(), sha256: Hex(photo.sha256.to_vec()) };
        let head = serde_json::to_vec(&head).map_err(|error| PHOTO.damaged(&id, error))?;
        let mut plaintext = Zeroizing::new(Vec::with_capacity(4 + head.len() + photo.bytes.len()));
        plaintext.extend_from_slice(&(head.len() as u32).to_be_bytes());
        plaintext.extend_from_slice(&head);
        plaintext.extend_from_slice(&photo.bytes);
        let mut tx = self.db.begin().await?;
        let taken =
            sqlx::query("SELECT 1 FROM photo WHERE id = ?1").bind(id.to_vec()).fetch_optional(tx.conn()).await?;
        if taken.is_some() {
            return Err(StoreError::conflict("this photo is kept already"));
        }
        sqlx::query("INSERT INTO photo (id, sealed) VALUES (?1, ?2)")
            .bind(id.to_vec())
            .bind(PHOTO.seal(&self.db.vault, &id, &plaintext)?)
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }

    /// A photo.
    pub async fn get(&self, id: PhotoId) -> Result<Option<Photo>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT sealed FROM photo WHERE id = ?1")
            .bind(id.0.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let plaintext = PHOTO.open(&self.db.vault, &id.0.0, row.try_get(0)?)?;
        let photo = parse(id, &plaintext);
        photo.map(Some).ok_or_else(|| PHOTO.damaged(&id.0.0, "its content is not what this program writes"))
    }
}

fn parse(id: PhotoId, plaintext: &[u8]) -> Option<Photo> {
    let (len, rest) = plaintext.split_first_chunk::<4>()?;
    let (head, bytes) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    let head: HeadRow = serde_json::from_slice(head).ok()?;
    Some(Photo { id, media_type: head.media_type, sha256: head.sha256.array().ok()?, bytes: bytes.to_vec() })
}
