//! The cameras of the home as the household knows them, and their going. Keeps what the room of cameras decides; what a code
//! means is known there. The keys of their days are in `days`, what was recorded in `segments`.

mod card;
mod days;

use std::sync::Arc;

use domovoi_model::Id;
use sqlx::Row;

pub use card::{CameraCard, PlanSpan, RecordingPlan, StreamTrust};
pub use days::CameraDay;
pub(crate) use days::date_of;

use crate::db::Db;
use crate::error::StoreError;
use crate::papers::write_anew;
use crate::rows::id_of;
use crate::tables::{CAMERA, CAMERA_DAY};
use card::CameraRow;

/// The largest document of a camera, in bytes: an authority's certificates are most of it.
pub const CAMERA_LIMIT: usize = 384 << 10;

/// The shelf.
#[derive(Clone)]
pub struct CameraShelf {
    db: Arc<Db>,
}

impl CameraShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        CameraShelf { db }
    }

    /// Every camera, in no order that means anything. One that does not open is told and passed over: the others record.
    pub async fn cards(&self) -> Result<Vec<CameraCard>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM camera").fetch_all(reader.conn()).await?;
        let mut cards = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.card_of(row.try_get(0)?, row.try_get(1)?) {
                Ok(card) => cards.push(card),
                Err(error) => tracing::error!("a camera does not open: {error}"),
            }
        }
        Ok(cards)
    }

    /// One camera.
    pub async fn card(&self, id: Id) -> Result<Option<CameraCard>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, sealed FROM camera WHERE id = ?1")
            .bind(id.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.card_of(row.try_get(0)?, row.try_get(1)?)).transpose()
    }

    /// Keeps a camera, in the place of what was known of it before. Durable when this returns.
    pub async fn put(&self, card: &CameraCard) -> Result<(), StoreError> {
        let sealed = CAMERA.seal_json(&self.db.vault, &card.id.0, &CameraRow::from(card))?;
        if sealed.len() > CAMERA_LIMIT {
            return Err(StoreError::TooLarge { what: "what is known of a camera", limit: CAMERA_LIMIT });
        }
        let mut tx = self.db.begin().await?;
        sqlx::query(
            "INSERT INTO camera (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(card.id.0.to_vec())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// Forgets a camera in one step: its password, and the keys of all its days, so that nothing it recorded can be seen
    /// again. Both are overwritten in the database file and in its log. What is left of its files is
    /// [`crate::Segments::discard`]'s.
    ///
    /// An error after the step was made durable means that the bytes may still be in the log, where the next checkpoint
    /// overwrites them; calling again is harmless.
    pub async fn forget(&self, camera: Id) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("DELETE FROM camera WHERE id = ?1").bind(camera.0.to_vec()).execute(tx.conn()).await?;
        sqlx::query("DELETE FROM camera_day WHERE camera = ?1").bind(camera.0.to_vec()).execute(tx.conn()).await?;
        write_anew(&mut tx, &CAMERA, false).await?;
        days::write_anew(&mut tx).await?;
        tx.commit().await?;
        self.db.empty_log().await
    }

    fn card_of(&self, id: &[u8], sealed: &[u8]) -> Result<CameraCard, StoreError> {
        let row: CameraRow = CAMERA.open_json(&self.db.vault, id, sealed)?;
        row.card(id_of(id)?, &self.db).map_err(|bad| CAMERA.damaged(id, bad))
    }

    fn damaged_day(&self, id: i64, why: impl std::fmt::Display) -> StoreError {
        CAMERA_DAY.damaged(&id.to_be_bytes(), why)
    }
}
