//! The rooms of the home: a name and a place among the others. What is in a room stands on the devices' cards.

use std::sync::{Arc, PoisonError};

use domovoi_model::Id;
use domovoi_store::{DeviceCard, RoomCard};

use super::card::named;
use super::{Devices, DevicesError, Inner};
use crate::bus::Event;

/// More than any home has.
const MAX_ROOMS: usize = 256;

/// As they are listed.
pub(super) fn in_order(mut rooms: Vec<RoomCard>) -> Vec<RoomCard> {
    rooms.sort_by(|a, b| (a.position, &a.name, a.id).cmp(&(b.position, &b.name, b.id)));
    rooms
}

impl Devices {
    /// The rooms, in order.
    pub fn rooms(&self) -> Vec<RoomCard> {
        self.0.rooms()
    }

    /// The room that a text means: its id, or its name.
    pub fn find_room(&self, text: &str) -> Option<RoomCard> {
        let wanted = text.trim().to_lowercase();
        let rooms = self.0.rooms();
        let by_id = text.parse().ok().and_then(|id: Id| rooms.iter().find(|room| room.id == id));
        by_id.or_else(|| rooms.iter().find(|room| room.name.to_lowercase() == wanted)).cloned()
    }

    /// Adds a room, the last of them.
    pub async fn add_room(&self, name: &str) -> Result<RoomCard, DevicesError> {
        let _turn = self.0.turn.lock().await;
        let name = self.0.room_name(name, None)?;
        let rooms = self.0.rooms();
        if rooms.len() >= MAX_ROOMS {
            return Err(DevicesError::Conflict(format!("there are {MAX_ROOMS} rooms already")));
        }
        let position = rooms.iter().map(|room| room.position).max().unwrap_or(-1) + 1;
        let room = RoomCard { id: super::commands::random_id(), name, position };
        self.0.put_rooms(std::slice::from_ref(&room)).await?;
        Ok(room)
    }

    /// Names a room otherwise, or puts it elsewhere among the others; returns it as it was.
    pub async fn edit_room(
        &self,
        room: Id,
        name: Option<&str>,
        position: Option<usize>,
    ) -> Result<RoomCard, DevicesError> {
        let _turn = self.0.turn.lock().await;
        let mut rooms = self.0.rooms();
        let at = rooms.iter().position(|one| one.id == room).ok_or_else(|| DevicesError::NoRoom(room.to_string()))?;
        let before = rooms.remove(at);
        let name = match name {
            Some(name) => self.0.room_name(name, Some(room))?,
            None => before.name.clone(),
        };
        let to = position.unwrap_or(at).min(rooms.len());
        rooms.insert(to, RoomCard { name, ..before.clone() });
        for (place, room) in rooms.iter_mut().enumerate() {
            room.position = i64::try_from(place).unwrap_or(i64::MAX);
        }
        self.0.put_rooms(&rooms).await?;
        Ok(before)
    }

    /// Removes a room; what was in it is in none.
    pub async fn remove_room(&self, room: Id) -> Result<RoomCard, DevicesError> {
        let _turn = self.0.turn.lock().await;
        let found = self.0.rooms().into_iter().find(|one| one.id == room);
        let found = found.ok_or_else(|| DevicesError::NoRoom(room.to_string()))?;
        let emptied: Vec<DeviceCard> = self
            .0
            .cards()
            .values()
            .filter(|card| card.room == Some(room))
            .map(|card| DeviceCard { room: None, ..card.clone() })
            .collect();
        self.0.store.devices().remove_room(room, &emptied).await?;
        self.0.rooms_mut().retain(|one| one.id != room);
        for card in emptied {
            let device = card.device.clone();
            self.0.cards_mut().insert(device.clone(), card);
            self.0.bus.tell(Event::Device(Arc::new(device)));
        }
        self.0.bus.tell(Event::Rooms);
        Ok(found)
    }
}

impl Inner {
    pub(super) fn rooms(&self) -> Vec<RoomCard> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn has_room(&self, room: Id) -> bool {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.id == room)
    }

    fn rooms_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<RoomCard>> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn room_name(&self, name: &str, own: Option<Id>) -> Result<String, DevicesError> {
        let name = named("the room's name", name)?.ok_or_else(|| DevicesError::Invalid("a room has a name".into()))?;
        let same = |room: &RoomCard| Some(room.id) != own && room.name.to_lowercase() == name.to_lowercase();
        if self.rooms().iter().any(same) {
            return Err(DevicesError::Conflict(format!("there is a room «{name}» already")));
        }
        Ok(name)
    }

    async fn put_rooms(&self, changed: &[RoomCard]) -> Result<(), DevicesError> {
        self.store.devices().put_rooms(changed).await?;
        let mut rooms = self.rooms();
        rooms.retain(|room| !changed.iter().any(|one| one.id == room.id));
        rooms.extend(changed.iter().cloned());
        *self.rooms_mut() = in_order(rooms);
        self.bus.tell(Event::Rooms);
        Ok(())
    }
}
