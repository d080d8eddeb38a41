//! The keys under which the journal of deeds keeps what is personal, one for each person. Erasing a person overwrites
//! the key with nothing, and nothing is kept for that person from then on.

use domovoi_model::PersonId;
use domovoi_vault::PersonalKey;
use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::tables::PERSON_KEY;

/// What is known of a person's key.
pub(crate) enum Found {
    /// Nothing personal was ever kept.
    Never,
    /// This is it.
    Key(PersonalKey),
    /// The person was erased.
    Erased,
}

/// A person's key. The plaintext is the 32 bytes, or nothing once the person was erased.
pub(crate) async fn find(db: &Db, conn: &mut SqliteConnection, person: PersonId) -> Result<Found, StoreError> {
    let id = person.0.0;
    let row = sqlx::query("SELECT sealed FROM person_key WHERE id = ?1").bind(id.to_vec()).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(Found::Never) };
    let plaintext = PERSON_KEY.open(&db.vault, &id, row.try_get(0)?)?;
    if plaintext.is_empty() {
        return Ok(Found::Erased);
    }
    let raw = <[u8; 32]>::try_from(plaintext.as_slice()).map(Zeroizing::new);
    let raw = raw.map_err(|_| PERSON_KEY.damaged(&id, "its content is not what this program writes"))?;
    Ok(Found::Key(PersonalKey::from_raw(raw)))
}

/// A person's key, made if there is none yet. `None`: the person was erased.
pub(crate) async fn find_or_make(
    db: &Db,
    tx: &mut Tx<'_>,
    person: PersonId,
) -> Result<Option<PersonalKey>, StoreError> {
    match find(db, tx.conn(), person).await? {
        Found::Key(key) => Ok(Some(key)),
        Found::Erased => Ok(None),
        Found::Never => {
            let key = PersonalKey::generate().map_err(|error| StoreError::Io(error.to_string()))?;
            write(db, tx, person, key.raw()).await?;
            Ok(Some(key))
        }
    }
}

/// Overwrites a person's key with nothing.
pub(crate) async fn erase(db: &Db, tx: &mut Tx<'_>, person: PersonId) -> Result<(), StoreError> {
    write(db, tx, person, &[]).await
}

async fn write(db: &Db, tx: &mut Tx<'_>, person: PersonId, plaintext: &[u8]) -> Result<(), StoreError> {
    let id = person.0.0;
    sqlx::query(
        "INSERT INTO person_key (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(id.to_vec())
    .bind(PERSON_KEY.seal(&db.vault, &id, plaintext)?)
    .execute(tx.conn())
    .await?;
    Ok(())
}
