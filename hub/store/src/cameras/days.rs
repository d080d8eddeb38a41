//! The keys of the cameras' days. Destroying one makes that day unreadable, wherever copies of its files lie, and nothing
//! else: so the key must not be left in a free page, in a neighbouring one that SQLite once moved it through, or in the log.
//! It does not delete files, and cannot take back a key that is in use.

use domovoi_model::{Date, Id};
use domovoi_vault::DayKey;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

use super::CameraShelf;
use crate::db::Tx;
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::CAMERA_DAY;

const KEY: usize = 32;

/// The key of a camera's day.
#[derive(Debug, Clone)]
pub struct CameraDay {
    /// Which; the files of the day name it. Random, above zero.
    pub id: u64,
    /// Whose.
    pub camera: Id,
    /// Of the home's calendar.
    pub day: Date,
    /// It prints as stars.
    pub key: DayKey,
}

impl CameraShelf {
    /// The key of a camera's day, made if there is none. Durable when this returns. A day whose key was destroyed gets
    /// another one, under another id.
    pub async fn day_key(&self, camera: Id, day: Date) -> Result<CameraDay, StoreError> {
        if let Some(known) = self.known_day(self.db.read().await?.conn(), camera, day).await? {
            return Ok(known);
        }
        let mut tx = self.db.begin().await?;
        if let Some(known) = self.known_day(tx.conn(), camera, day).await? {
            tx.give_up().await;
            return Ok(known);
        }
        let random = |error: domovoi_vault::RandomError| StoreError::Io(error.to_string());
        let raw = Zeroizing::new(domovoi_vault::random::<KEY>().map_err(random)?);
        // 62 bits above zero: two of a home never meet, and if they did the row would be refused.
        let id = (i64::from_be_bytes(domovoi_vault::random().map_err(random)?) & (i64::MAX >> 1)).max(1);
        let days = day.days_since_epoch();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(KEY + 16 + 8));
        plaintext.extend_from_slice(&*raw);
        plaintext.extend_from_slice(&camera.0);
        plaintext.extend_from_slice(&days.to_be_bytes());
        sqlx::query("INSERT INTO camera_day (id, camera, day, sealed) VALUES (?1, ?2, ?3, ?4)")
            .bind(id)
            .bind(camera.0.to_vec())
            .bind(days)
            .bind(CAMERA_DAY.seal(&self.db.vault, &id.to_be_bytes(), &plaintext)?)
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(CameraDay { id: id.unsigned_abs(), camera, day, key: DayKey::from_raw(raw) })
    }

    /// The key that a file names; `None`: it was destroyed, and the file with it.
    pub async fn key(&self, id: u64) -> Result<Option<CameraDay>, StoreError> {
        let Ok(id) = i64::try_from(id) else { return Ok(None) };
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, camera, day, sealed FROM camera_day WHERE id = ?1")
            .bind(id)
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.day_of(&row)).transpose()
    }

    /// The days of a camera that have a key, oldest first, with the ids of their keys.
    pub async fn days(&self, camera: Id) -> Result<Vec<(Date, u64)>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, day FROM camera_day WHERE camera = ?1 ORDER BY day")
            .bind(camera.0.to_vec())
            .fetch_all(reader.conn())
            .await?;
        rows.iter()
            .map(|row| {
                let id: i64 = row.try_get(0)?;
                Ok((date_of(row.try_get(1)?).ok_or_else(|| self.damaged_day(id, "no such day"))?, id.unsigned_abs()))
            })
            .collect()
    }

    /// Destroys the keys of a camera's days before one, and says how many there were. The keys are overwritten in the
    /// database file and in its log.
    ///
    /// An error after the step was made durable means that the bytes may still be in the log, where the next checkpoint
    /// overwrites them; calling again is harmless.
    pub async fn destroy_days(&self, camera: Id, before: Date) -> Result<usize, StoreError> {
        self.destroy("DELETE FROM camera_day WHERE camera = ?1 AND day < ?2", camera, before).await
    }

    /// The same for one day.
    pub async fn destroy_day(&self, camera: Id, day: Date) -> Result<usize, StoreError> {
        self.destroy("DELETE FROM camera_day WHERE camera = ?1 AND day = ?2", camera, day).await
    }

    async fn destroy(&self, query: &'static str, camera: Id, day: Date) -> Result<usize, StoreError> {
        let mut tx = self.db.begin().await?;
        let destroyed = sqlx::query(query)
            .bind(camera.0.to_vec())
            .bind(day.days_since_epoch())
            .execute(tx.conn())
            .await?
            .rows_affected();
        if destroyed > 0 {
            write_anew(&mut tx).await?;
            tx.commit().await?;
        } else {
            tx.give_up().await;
        }
        // Also when nothing was there: the call before this one may have come as far as its commit.
        self.db.empty_log().await?;
        Ok(usize::try_from(destroyed).unwrap_or(usize::MAX))
    }

    async fn known_day(
        &self,
        conn: &mut SqliteConnection,
        camera: Id,
        day: Date,
    ) -> Result<Option<CameraDay>, StoreError> {
        let row = sqlx::query("SELECT id, camera, day, sealed FROM camera_day WHERE camera = ?1 AND day = ?2")
            .bind(camera.0.to_vec())
            .bind(day.days_since_epoch())
            .fetch_optional(conn)
            .await?;
        row.map(|row| self.day_of(&row)).transpose()
    }

    fn day_of(&self, row: &SqliteRow) -> Result<CameraDay, StoreError> {
        let id: i64 = row.try_get(0)?;
        let camera: &[u8] = row.try_get(1)?;
        let day: i64 = row.try_get(2)?;
        let plaintext = CAMERA_DAY.open(&self.db.vault, &id.to_be_bytes(), row.try_get(3)?)?;
        let (raw, rest) = plaintext
            .split_first_chunk::<KEY>()
            .ok_or_else(|| self.damaged_day(id, "its content is not what this program writes"))?;
        let says = rest.split_first_chunk::<16>();
        if says.is_none_or(|(whose, when)| whose != camera || when != day.to_be_bytes()) {
            return Err(self.damaged_day(id, "its columns were changed"));
        }
        Ok(CameraDay {
            id: id.unsigned_abs(),
            camera: id_of(camera)?,
            day: date_of(day).ok_or_else(|| self.damaged_day(id, "no such day"))?,
            key: DayKey::from_raw(Zeroizing::new(*raw)),
        })
    }
}

pub(crate) fn date_of(days: i64) -> Option<Date> {
    Date::new(1970, 1, 1)?.plus_days(days)
}

/// Clears the table's pages and writes its rows again (`papers::write_anew` says why). A few kilobytes: a row for each
/// camera and day that is kept.
pub(super) async fn write_anew(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT id, camera, day, sealed FROM camera_day ORDER BY id").fetch_all(tx.conn()).await?;
    sqlx::query("DELETE FROM camera_day").execute(tx.conn()).await?;
    for row in &rows {
        sqlx::query("INSERT INTO camera_day (id, camera, day, sealed) VALUES (?1, ?2, ?3, ?4)")
            .bind(row.try_get::<i64, _>(0)?)
            .bind(row.try_get::<Vec<u8>, _>(1)?)
            .bind(row.try_get::<i64, _>(2)?)
            .bind(row.try_get::<Vec<u8>, _>(3)?)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}
