//! What the household decides about a device: a name, a room, whether it is ours. Each change is kept before it counts.

use domovoi_model::{DeviceRef, Id};
use domovoi_store::DeviceCard;

use super::{Devices, DevicesError, Inner};

/// The longest name that people give, in characters.
pub(super) const MAX_NAME: usize = 64;

/// How many properties may be hidden, and presets chosen.
const MAX_LISTED: usize = 256;

/// How a device stands to the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was heard, and nobody has said yet whether it is ours. It is told nothing.
    Waiting,
    /// It is ours.
    Accepted,
    /// It is a neighbour's, or none that anybody wants to see. It is told nothing.
    Ignored,
}

impl Standing {
    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Standing::Waiting => "waiting",
            Standing::Accepted => "accepted",
            Standing::Ignored => "ignored",
        }
    }

    /// The standing of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Standing::Waiting, Standing::Accepted, Standing::Ignored].into_iter().find(|standing| standing.code() == code)
    }

    /// How a card has it. What this program does not know waits: it is told nothing.
    pub fn of(card: &DeviceCard) -> Self {
        Self::from_code(&card.standing).unwrap_or(Standing::Waiting)
    }
}

/// What is wanted of a device when it is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// What the household calls it.
    pub name: Option<String>,
    /// Its room.
    pub room: Option<Id>,
    /// Presets that fit it.
    pub presets: Vec<String>,
}

/// What becomes another. `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The name; an empty one gives the device its own back.
    pub name: Option<String>,
    /// The room, or none.
    pub room: Option<Option<Id>>,
    /// Whether lists leave it out.
    pub hidden: Option<bool>,
    /// The properties that lists leave out.
    pub hidden_properties: Option<Vec<String>>,
    /// The presets.
    pub presets: Option<Vec<String>>,
    /// Ignored or waiting; accepting has a word of its own.
    pub standing: Option<Standing>,
}

/// A name as it is kept; `None` for an empty one.
pub(super) fn named(what: &str, name: &str) -> Result<Option<String>, DevicesError> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(DevicesError::Invalid(format!("{what}: at most {MAX_NAME} characters, and no line breaks")));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

impl Devices {
    /// Accepts a device: from now on it is ours, and may be told something.
    pub async fn accept(&self, device: &DeviceRef, wish: Wish) -> Result<DeviceCard, DevicesError> {
        let changes = Changes {
            name: wish.name,
            room: wish.room.map(Some),
            presets: (!wish.presets.is_empty()).then_some(wish.presets),
            standing: Some(Standing::Accepted),
            ..Changes::default()
        };
        let (card, _) = self.0.alter(device, changes).await?;
        // What it shows now is not waited for: a device that just became ours is asked.
        self.0.refresh(device);
        Ok(card)
    }

    /// Whether a change takes a device out of the home's care: it is ours no more, or what safety hangs on stands in
    /// another room than the rules for it. Needs a factor shown lately, as accepting does.
    pub fn is_dangerous_change(&self, device: &DeviceRef, changes: &Changes) -> bool {
        let Some(before) = self.0.cards().get(device).cloned() else { return false };
        let is_ours = Standing::of(&before) == Standing::Accepted;
        let leaves = changes.standing.is_some_and(|standing| standing != Standing::Accepted);
        let moves = changes.room.is_some_and(|room| room != before.room);
        is_ours && (leaves || (moves && self.keeps_safe(device)))
    }

    /// Whether the home's safety hangs on a device.
    pub fn keeps_safe(&self, device: &DeviceRef) -> bool {
        super::danger::keeps_safe(self.0.ingest.directory().known(device))
    }

    /// Changes what was decided; returns the card as it is and as it was.
    pub async fn edit(&self, device: &DeviceRef, changes: Changes) -> Result<(DeviceCard, DeviceCard), DevicesError> {
        if changes.standing == Some(Standing::Accepted) {
            return Err(DevicesError::Invalid("a device is accepted by a word of its own".into()));
        }
        self.0.alter(device, changes).await
    }
}

impl Inner {
    async fn alter(&self, device: &DeviceRef, changes: Changes) -> Result<(DeviceCard, DeviceCard), DevicesError> {
        let _turn = self.turn.lock().await;
        let before = self.cards().get(device).cloned();
        let before = before.ok_or_else(|| DevicesError::NoDevice(device.to_string()))?;
        let mut card = before.clone();
        if let Some(name) = &changes.name {
            card.name = named("the name", name)?;
        }
        if let Some(room) = changes.room {
            if let Some(room) = room.filter(|room| !self.has_room(*room)) {
                return Err(DevicesError::NoRoom(room.to_string()));
            }
            card.room = room;
        }
        for list in [&changes.hidden_properties, &changes.presets].into_iter().flatten() {
            if list.len() > MAX_LISTED || list.iter().any(|one| one.is_empty() || one.len() > 256) {
                return Err(DevicesError::Invalid(format!("a list of at most {MAX_LISTED} names")));
            }
        }
        card.hidden = changes.hidden.unwrap_or(card.hidden);
        card.hidden_properties = changes.hidden_properties.unwrap_or(card.hidden_properties);
        card.presets = changes.presets.unwrap_or(card.presets);
        if let Some(standing) = changes.standing {
            card.agreed = match standing {
                Standing::Accepted => super::agreed::listens(self.ingest.directory().known(device)),
                Standing::Waiting | Standing::Ignored => None,
            };
            let known = self.ingest.directory();
            let known = known.known(device);
            card.guards = standing == Standing::Accepted && known.is_some_and(super::danger::is_for_danger);
            card.standing = standing.code().to_owned();
            card.accepted_at = match standing {
                Standing::Accepted => card.accepted_at.or_else(|| Some(self.clock.moment())),
                Standing::Waiting | Standing::Ignored => None,
            };
        }
        if card != before {
            self.store.devices().put(std::slice::from_ref(&card)).await?;
            self.cards_mut().insert(device.clone(), card.clone());
            self.tell(device);
        }
        Ok((card, before))
    }
}
