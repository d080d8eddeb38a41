//! How a person's presence is spelled in the store. What a tracker says is not kept, only what it last said for certain; and
//! when somebody will have left is not: after a restart the quiet time begins anew.

use domovoi_model::{DeviceRef, Id, PersonId, Timestamp};
use domovoi_store::PresencePaper;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::rules::{By, Card, Hand, Meaning, Said, Seen, Standing, Tracker, Why};

#[derive(Debug, Serialize, Deserialize)]
pub struct CardRow {
    trackers: Vec<TrackerRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hand: Option<HandRow>,
    home: Option<bool>,
    since: Option<i64>,
    why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet_millis: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TrackerRow {
    device: String,
    property: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    is: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    below: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    definite: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HandRow {
    home: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// A secret address, as the room has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// What its owner calls it.
    pub label: String,
    /// Whose it is.
    pub person: String,
    /// When it was made.
    pub made_at: Option<i64>,
    /// The day on which it was last used.
    pub used_on: Option<i64>,
}

/// A document of the room.
pub fn paper(id: Id, row: &impl Serialize) -> PresencePaper {
    // Plain strings and numbers: writing them cannot fail.
    PresencePaper { id, body: Zeroizing::new(serde_json::to_vec(row).unwrap_or_default()) }
}

/// What a document says.
pub fn row<T: DeserializeOwned>(paper: &PresencePaper) -> Option<T> {
    serde_json::from_slice(&paper.body).ok()
}

impl From<&Card> for CardRow {
    fn from(card: &Card) -> Self {
        CardRow {
            trackers: card.seen.iter().map(TrackerRow::from).collect(),
            hand: card.hand.map(|hand| match hand.by {
                By::Person(person) => HandRow { home: hand.home, person: person.map(|id| id.to_string()), link: None },
                By::Link(link) => HandRow { home: hand.home, person: None, link: Some(link.to_string()) },
            }),
            home: card.standing.home,
            since: card.standing.since.map(|at| at.0),
            why: card.standing.why.code().to_owned(),
            quiet_millis: card.quiet_millis,
        }
    }
}

impl From<&Seen> for TrackerRow {
    fn from(seen: &Seen) -> Self {
        let mut row = TrackerRow {
            device: seen.tracker.device.to_string(),
            property: seen.tracker.property.clone(),
            is: Vec::new(),
            below: None,
            above: None,
            definite: seen.definite,
        };
        match &seen.tracker.home {
            Meaning::Is(words) => row.is.clone_from(words),
            Meaning::Below(most) => row.below = Some(most.to_string()),
            Meaning::Above(least) => row.above = Some(least.to_string()),
        }
        row
    }
}

impl CardRow {
    /// As the room has it after a restart; `None` where a part of it is not what this program writes.
    pub fn card(self) -> Option<Card> {
        let seen = self.trackers.into_iter().map(|row| {
            let home = match (row.below, row.above) {
                (Some(most), _) => Meaning::Below(most.parse().ok()?),
                (None, Some(least)) => Meaning::Above(least.parse().ok()?),
                (None, None) => Meaning::Is(row.is),
            };
            let tracker = Tracker { device: DeviceRef::parse(&row.device)?, property: row.property, home };
            Some(Seen { tracker, now: Said::Unknown, definite: row.definite })
        });
        let hand = match self.hand {
            None => None,
            Some(row) => {
                let by = match (row.person, row.link) {
                    (Some(person), _) => By::Person(Some(person.parse::<PersonId>().ok()?)),
                    (None, Some(link)) => By::Link(link.parse().ok()?),
                    (None, None) => By::Person(None),
                };
                Some(Hand { home: row.home, by })
            }
        };
        Some(Card {
            seen: seen.collect::<Option<_>>()?,
            hand,
            standing: Standing { home: self.home, since: self.since.map(Timestamp), why: Why::from_code(&self.why)? },
            quiet_millis: self.quiet_millis,
            turning: None,
            last_known: self.home.is_some(),
        })
    }
}
