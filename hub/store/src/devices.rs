//! Rooms, devices, and the last words with which devices were announced. Keeps what the room of devices decides, and gives
//! back exactly that; what a word means is known to the dialects.

use std::sync::Arc;

use domovoi_model::{DeviceRef, Id, Moment};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use zeroize::Zeroizing;

use crate::db::{Db, Tx, aside, is_aside};
use crate::error::StoreError;
use crate::rows::{DeviceRow, MomentRow, Spelled, id_of};
use crate::tables::{DEVICE, DEVICE_WORD, FAREWELL, ROOM};

/// The largest publish that is kept, in bytes: a list of a thousand devices.
pub const WORD_LIMIT: usize = 4 << 20;

/// What was decided about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCard {
    /// Which.
    pub device: DeviceRef,
    /// What the household calls it; `None`: as it calls itself.
    pub name: Option<String>,
    /// The room it is in.
    pub room: Option<Id>,
    /// Whether it was accepted, waits, or is none of ours: a code of the room of devices.
    pub standing: String,
    /// It is left out of lists.
    pub hidden: bool,
    /// Properties that are left out of lists.
    pub hidden_properties: Vec<String>,
    /// The presets that were chosen for it.
    pub presets: Vec<String>,
    /// The credential that was issued for it alone.
    pub credential: Option<String>,
    /// It speaks through a broker that the home already had.
    pub external: bool,
    /// Whose connection it was first heard on: a credential's user name, or the link's name.
    pub heard_from: Option<String>,
    /// When it was first heard of.
    pub found_at: Moment,
    /// When it was accepted.
    pub accepted_at: Option<Moment>,
    /// Where it took commands when it was accepted; `None`: it had not said so yet.
    pub agreed: Option<Vec<String>>,
    /// It was there for danger when it was described last: a sensor of one, a valve, a siren.
    pub guards: bool,
}

impl DeviceCard {
    /// Of one about which nothing was decided but its standing.
    pub fn new(device: DeviceRef, standing: &str, found_at: Moment) -> Self {
        DeviceCard {
            device,
            name: None,
            room: None,
            standing: standing.to_owned(),
            hidden: false,
            hidden_properties: Vec::new(),
            presets: Vec::new(),
            credential: None,
            external: false,
            heard_from: None,
            found_at,
            accepted_at: None,
            agreed: None,
            guards: false,
        }
    }
}

/// A room of the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomCard {
    /// Random.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// Where it stands among the rooms.
    pub position: i64,
}

/// A publish that announced devices.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceWord {
    /// The dialect that read it.
    pub dialect: String,
    /// Its topic.
    pub topic: String,
    /// Its payload, at most [`WORD_LIMIT`].
    pub payload: Vec<u8>,
    /// It came through a broker that the home already had.
    pub external: bool,
    /// Its place in the order in which topics first announced something: what was first to have a name keeps it.
    pub first: u64,
    /// The credential that said it; empty where there are none, and of what was kept before it was noted.
    pub sender: String,
}

/// A device that was forgotten, and what is still to be cleared at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Which.
    pub device: DeviceRef,
    /// The topics whose retained messages go.
    pub topics: Vec<String>,
    /// At the broker that the home already had.
    pub external: bool,
}

/// What goes in one step when a device is forgotten.
#[derive(Debug, Clone)]
pub struct Forgotten {
    /// What is to be cleared at the broker afterwards.
    pub farewell: Farewell,
    /// Topics whose words spoke of this device alone.
    pub words: Vec<String>,
    /// The credential that was issued for it alone.
    pub credential: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct DeviceCardRow {
    device: DeviceRow,
    name: Option<String>,
    room: Option<Spelled<Id>>,
    standing: String,
    hidden: bool,
    hidden_properties: Vec<String>,
    presets: Vec<String>,
    credential: Option<String>,
    external: bool,
    #[serde(default)]
    heard_from: Option<String>,
    found_at: MomentRow,
    accepted_at: Option<MomentRow>,
    /// Cards that were written before it was noted have none.
    #[serde(default)]
    agreed: Option<Vec<String>>,
    #[serde(default)]
    guards: bool,
}

#[derive(Serialize, Deserialize)]
struct RoomRow {
    name: String,
    position: i64,
}

#[derive(Serialize, Deserialize)]
struct FarewellRow {
    device: DeviceRow,
    topics: Vec<String>,
    external: bool,
}

/// The shelf.
#[derive(Clone)]
pub struct DeviceShelf {
    db: Arc<Db>,
}

impl DeviceShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        DeviceShelf { db }
    }

    /// Every device that was decided about, or waits for it, and how many cards do not open. Those are passed over: the device
    /// is found anew when it speaks, and what there is of its card is put aside then.
    pub async fn cards(&self) -> Result<(Vec<DeviceCard>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM device").fetch_all(reader.conn()).await?;
        let (mut cards, mut damaged) = (Vec::with_capacity(rows.len()), 0);
        for row in &rows {
            let id: &[u8] = row.try_get(0)?;
            if is_aside(id) {
                continue;
            }
            match self.card(id, row.try_get(1)?) {
                Ok(card) => cards.push(card),
                Err(error) => {
                    tracing::error!("a device's card does not open: {error}");
                    damaged += 1;
                }
            }
        }
        Ok((cards, damaged))
    }

    /// Keeps cards, each in the place of the one before it. Durable when this returns.
    pub async fn put(&self, cards: &[DeviceCard]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for card in cards {
            self.write_card(&mut tx, card).await?;
        }
        tx.commit().await
    }

    /// Keeps cards, and drops those of other devices, in one step: what was heard under a makeshift name has its own.
    pub async fn replace(&self, gone: &[DeviceRef], cards: &[DeviceCard]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for device in gone {
            let id = self.device_id(device);
            sqlx::query("DELETE FROM device WHERE id = ?1").bind(id.to_vec()).execute(tx.conn()).await?;
        }
        for card in cards {
            self.write_card(&mut tx, card).await?;
        }
        tx.commit().await
    }

    /// The rooms. One that does not open is told and passed over, as cards are: a valve closes without its name.
    pub async fn rooms(&self) -> Result<Vec<RoomCard>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM room").fetch_all(reader.conn()).await?;
        let mut rooms = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: &[u8] = row.try_get(0)?;
            let opened: Result<RoomRow, StoreError> = ROOM.open_json(&self.db.vault, id, row.try_get(1)?);
            match opened.and_then(|content| Ok((id_of(id)?, content))) {
                Ok((id, RoomRow { name, position })) => rooms.push(RoomCard { id, name, position }),
                Err(error) => tracing::error!("a room of the home does not open: {error}"),
            }
        }
        Ok(rooms)
    }

    /// Keeps rooms.
    pub async fn put_rooms(&self, rooms: &[RoomCard]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for room in rooms {
            let row = RoomRow { name: room.name.clone(), position: room.position };
            sqlx::query(
                "INSERT INTO room (id, sealed) VALUES (?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
            )
            .bind(room.id.0.to_vec())
            .bind(ROOM.seal_json(&self.db.vault, &room.id.0, &row)?)
            .execute(tx.conn())
            .await?;
        }
        tx.commit().await
    }

    /// Drops a room; the cards are those of the devices that were in it and are in none now.
    pub async fn remove_room(&self, room: Id, cards: &[DeviceCard]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("DELETE FROM room WHERE id = ?1").bind(room.0.to_vec()).execute(tx.conn()).await?;
        for card in cards {
            self.write_card(&mut tx, card).await?;
        }
        tx.commit().await
    }

    /// The words, in the order of writing. One that does not open is told and passed over.
    pub async fn words(&self) -> Result<Vec<DeviceWord>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM device_word ORDER BY rowid").fetch_all(reader.conn()).await?;
        let mut words = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: &[u8] = row.try_get(0)?;
            let opened = DEVICE_WORD.open(&self.db.vault, id, row.try_get(1)?);
            match opened.and_then(|plain| unpack(&plain).ok_or_else(|| DEVICE_WORD.damaged(id, "not a word"))) {
                Ok(word) => words.push(word),
                Err(error) => tracing::error!("what a device said about itself does not open: {error}"),
            }
        }
        Ok(words)
    }

    /// Keeps words, each in the place of the topic's last one; one without a payload takes the last one away.
    pub async fn put_words(&self, words: &[DeviceWord]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for word in words {
            let id = self.word_id(&word.dialect, &word.topic);
            sqlx::query("DELETE FROM device_word WHERE id = ?1").bind(id.to_vec()).execute(tx.conn()).await?;
            if word.payload.is_empty() {
                continue;
            }
            if word.payload.len() > WORD_LIMIT {
                return Err(StoreError::TooLarge { what: "a device's announcement", limit: WORD_LIMIT });
            }
            sqlx::query("INSERT INTO device_word (id, sealed) VALUES (?1, ?2)")
                .bind(id.to_vec())
                .bind(DEVICE_WORD.seal(&self.db.vault, &id, &pack(word))?)
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await
    }

    /// Forgets a device in one step: its card, its own words, its own credential; what is to be cleared at the broker is
    /// noted in the same step.
    pub async fn forget(&self, forgotten: &Forgotten) -> Result<(), StoreError> {
        let Forgotten { farewell, words, credential } = forgotten;
        let id = self.device_id(&farewell.device);
        let credential =
            credential.as_ref().map(|name| self.db.vault.keyed_hash("credential.username", &[name.as_bytes()]));
        let changing = match credential {
            Some(id) => Some(self.db.at_hand.changes(id).await),
            None => None,
        };
        let mut tx = self.db.begin().await?;
        // What was put aside of it, too: whoever forgets it has seen enough.
        sqlx::query("DELETE FROM device WHERE id IN (?1, ?2)")
            .bind(id.to_vec())
            .bind(aside(&id))
            .execute(tx.conn())
            .await?;
        for topic in words {
            let word = self.word_id(&farewell.device.dialect, topic);
            sqlx::query("DELETE FROM device_word WHERE id = ?1").bind(word.to_vec()).execute(tx.conn()).await?;
        }
        if let Some(credential) = credential {
            sqlx::query("DELETE FROM credential WHERE id = ?1").bind(credential.to_vec()).execute(tx.conn()).await?;
        }
        let row = FarewellRow {
            device: (&farewell.device).into(),
            topics: farewell.topics.clone(),
            external: farewell.external,
        };
        sqlx::query(
            "INSERT INTO farewell (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(FAREWELL.seal_json(&self.db.vault, &id, &row)?)
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        if let Some(changing) = changing {
            changing.ends(None);
        }
        Ok(())
    }

    /// Devices whose retained messages are still to be cleared. What does not open is told and passed over.
    pub async fn farewells(&self) -> Result<Vec<Farewell>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM farewell").fetch_all(reader.conn()).await?;
        let mut farewells = Vec::with_capacity(rows.len());
        for row in &rows {
            let opened: Result<FarewellRow, StoreError> =
                FAREWELL.open_json(&self.db.vault, row.try_get(0)?, row.try_get(1)?);
            match opened {
                Ok(FarewellRow { device, topics, external }) => {
                    farewells.push(Farewell { device: device.into(), topics, external });
                }
                Err(error) => tracing::error!("what a forgotten device left at the broker does not open: {error}"),
            }
        }
        Ok(farewells)
    }

    /// A device's retained messages were cleared, or it is there again.
    pub async fn said_farewell(&self, device: &DeviceRef) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let id = self.device_id(device);
        sqlx::query("DELETE FROM farewell WHERE id = ?1").bind(id.to_vec()).execute(tx.conn()).await?;
        tx.commit().await
    }

    async fn write_card(&self, tx: &mut Tx<'_>, card: &DeviceCard) -> Result<(), StoreError> {
        let id = self.device_id(&card.device);
        let row = DeviceCardRow {
            device: (&card.device).into(),
            name: card.name.clone(),
            room: card.room.map(Spelled),
            standing: card.standing.clone(),
            hidden: card.hidden,
            hidden_properties: card.hidden_properties.clone(),
            presets: card.presets.clone(),
            credential: card.credential.clone(),
            external: card.external,
            heard_from: card.heard_from.clone(),
            found_at: card.found_at.into(),
            accepted_at: card.accepted_at.map(Into::into),
            agreed: card.agreed.clone(),
            guards: card.guards,
        };
        self.db.keep_damaged(tx, &DEVICE, &id, |sealed| self.card(&id, sealed).is_ok()).await?;
        sqlx::query(
            "INSERT INTO device (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(DEVICE.seal_json(&self.db.vault, &id, &row)?)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    fn card(&self, id: &[u8], sealed: &[u8]) -> Result<DeviceCard, StoreError> {
        let row: DeviceCardRow = DEVICE.open_json(&self.db.vault, id, sealed)?;
        let device: DeviceRef = row.device.into();
        if id != self.device_id(&device) {
            return Err(DEVICE.damaged(id, "it belongs to another device"));
        }
        Ok(DeviceCard {
            device,
            name: row.name,
            room: row.room.map(|room| room.0),
            standing: row.standing,
            hidden: row.hidden,
            hidden_properties: row.hidden_properties,
            presets: row.presets,
            credential: row.credential,
            external: row.external,
            heard_from: row.heard_from,
            found_at: self.db.resolve(row.found_at.into()),
            accepted_at: row.accepted_at.map(|at| self.db.resolve(at.into())),
            agreed: row.agreed,
            guards: row.guards,
        })
    }

    fn device_id(&self, device: &DeviceRef) -> [u8; 32] {
        self.db.vault.keyed_hash("device", &[device.dialect.as_bytes(), device.id.as_bytes()])
    }

    fn word_id(&self, dialect: &str, topic: &str) -> [u8; 32] {
        self.db.vault.keyed_hash("device.word", &[dialect.as_bytes(), topic.as_bytes()])
    }
}

/// Beside the road in the first byte: the place follows, the sender follows. Words of before have neither.
const HAS_PLACE: u8 = 2;
const HAS_SENDER: u8 = 4;

/// `flags u8 | [place u64 BE |] [len(sender) u16 BE | sender |] len(dialect) u16 BE | dialect | len(topic) u16 BE | topic |
/// lz4(payload)`. Announcements are JSON that says the same for every device: a tenth of it is written to the card.
fn pack(word: &DeviceWord) -> Zeroizing<Vec<u8>> {
    let packed = lz4_flex::compress_prepend_size(&word.payload);
    let size = 15 + word.sender.len() + word.dialect.len() + word.topic.len() + packed.len();
    let mut plain = Zeroizing::new(Vec::with_capacity(size));
    let sender = Some(&word.sender).filter(|sender| !sender.is_empty());
    plain.push(u8::from(word.external) | HAS_PLACE | if sender.is_some() { HAS_SENDER } else { 0 });
    plain.extend_from_slice(&word.first.to_be_bytes());
    for text in sender.into_iter().chain([&word.dialect, &word.topic]) {
        // All are bounded far below this by whoever read them: 512 bytes of topic, names of ours.
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        plain.extend_from_slice(&len.to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    plain.extend_from_slice(&packed);
    plain
}

fn unpack(plain: &[u8]) -> Option<DeviceWord> {
    let (flags, rest) = plain.split_first()?;
    let (first, mut rest) = match flags & HAS_PLACE {
        0 => (0, rest),
        _ => rest.split_first_chunk::<8>().map(|(first, rest)| (u64::from_be_bytes(*first), rest))?,
    };
    let text = |bytes: &[u8]| -> Option<(String, usize)> {
        let (len, rest) = bytes.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        Some((String::from_utf8(rest.get(..len)?.to_vec()).ok()?, 2 + len))
    };
    let mut sender = String::new();
    if flags & HAS_SENDER != 0 {
        let read;
        (sender, read) = text(rest)?;
        rest = rest.get(read..)?;
    }
    let (dialect, read) = text(rest)?;
    let rest = rest.get(read..)?;
    let (topic, read) = text(rest)?;
    let packed = rest.get(read..)?;
    let size = u32::from_le_bytes(*packed.first_chunk::<4>()?) as usize;
    if size > WORD_LIMIT {
        return None;
    }
    let payload = lz4_flex::decompress_size_prepended(packed).ok()?;
    Some(DeviceWord { dialect, topic, payload, external: flags & 1 != 0, first, sender })
}

#[cfg(test)]
mod tests;
