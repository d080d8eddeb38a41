//! The act («электронный акт»): one account's readings of one period, signed once and never changed.

use crate::id::{AccountId, ActId, MeterId, PhotoId, PointId, ReadingId};
use crate::metering::{RegisterValues, Source};
use crate::quantity::Resource;
use crate::time::{Date, Period, Timestamp};

/// An act and where it stands. The stored bytes and the signature over them are the truth of what was said; these
/// fields are how the hub finds its way around in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Made before the first sending; the portal knows the act by it.
    pub id: ActId,
    /// Whose readings.
    pub account: AccountId,
    /// Of which month.
    pub period: Period,
    /// The act that this one corrects, if it does.
    pub supersedes: Option<ActId>,
    /// When it was drawn up.
    pub created_at: Timestamp,
    /// The exact bytes of the JSON document, once it is signed; `None` while it is a draft.
    pub document: Option<Vec<u8>>,
    /// The detached JWS (`header..signature`) over `document`, once it is signed.
    pub signature: Option<String>,
    /// What it says.
    pub readings: Vec<ActReading>,
    /// Where it stands.
    pub state: ActState,
}

/// One point's registers in an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActReading {
    /// The idempotency key towards the portal; a correction gives the reading a new one.
    pub id: ReadingId,
    /// Which point.
    pub point: PointId,
    /// Which meter.
    pub meter: MeterId,
    /// The meter's number, as it was when the act was drawn up.
    pub serial: String,
    /// What is measured.
    pub resource: Resource,
    /// The registers, in the resource's unit, with no more decimals than the supplier takes.
    pub values: RegisterValues,
    /// When the last of the registers was read.
    pub taken_at: Timestamp,
    /// The day the reading counts for, in the supplier's time zone.
    pub date_value: Date,
    /// Who says so.
    pub source: Source,
    /// SHA-256 of the bytes that the value came in.
    pub raw_sha256: [u8; 32],
    /// What the previous act said of the same meter, if one did.
    pub previous: Option<PreviousReading>,
    /// Consumption since the previous reading per register, multiplied; `None` where there is no previous one.
    pub consumption: RegisterValues,
    /// The photo that goes with it.
    pub photo: Option<PhotoRef>,
    /// What the portal said of this reading.
    pub portal_verdict: PortalVerdict,
}

/// The last reading that an earlier act stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousReading {
    /// Its registers.
    pub values: RegisterValues,
    /// The day it counted for.
    pub date: Date,
}

/// A photo by what ties it to an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoRef {
    /// Where the sealed photo is.
    pub id: PhotoId,
    /// SHA-256 of its re-encoded bytes.
    pub sha256: [u8; 32],
    /// `image/jpeg` or `image/png`.
    pub media_type: String,
}

/// What the portal said of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortalVerdict {
    /// Nothing yet.
    Pending,
    /// Taken, under the portal's own number.
    Accepted {
        /// `UniqueNumber` or its like; opaque to us.
        portal_number: Option<String>,
    },
    /// Not taken, and why, in the portal's words.
    Rejected {
        /// The portal's code.
        code: String,
        /// The portal's words.
        detail: String,
    },
}

/// The portal's acknowledgement of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The portal's id for it.
    pub id: String,
    /// When the portal issued it.
    pub issued_at: Timestamp,
    /// SHA-256 of the act's bytes as the portal has them; equal to ours, or it is no receipt for this act.
    pub act_sha256: [u8; 32],
    /// The exact bytes of the receipt, kept as evidence.
    pub document: Vec<u8>,
}

/// draft → checked → approved → sent → confirmed → received; refused and superseded end it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActState {
    /// Drawn up; not looked at yet.
    Draft {
        /// Why it cannot be checked yet, in words, if it was tried.
        problems: Vec<String>,
    },
    /// The rules found nothing against it; waits for a person's approval.
    Checked,
    /// Approved and signed; from here on its bytes never change. Waits to be sent.
    Approved,
    /// A sending was begun at least once: the portal may have it, whatever the answer was.
    Sent {
        /// How many times it was tried.
        tries: u32,
        /// When it was first tried.
        first_at: Timestamp,
    },
    /// The portal has it: read back, with the same hash and a verdict on every reading.
    Confirmed {
        /// When that was seen.
        at: Timestamp,
    },
    /// Confirmed, and the portal's receipt is kept.
    Received {
        /// The receipt.
        receipt: Receipt,
    },
    /// The portal will not have it; a person must look.
    Refused {
        /// The portal's code.
        code: String,
        /// The portal's words.
        detail: String,
        /// When.
        at: Timestamp,
    },
    /// A correction took its place.
    Superseded {
        /// The act that did.
        by: ActId,
    },
}

impl ActState {
    /// A short, stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            ActState::Draft { .. } => "draft",
            ActState::Checked => "checked",
            ActState::Approved => "approved",
            ActState::Sent { .. } => "sent",
            ActState::Confirmed { .. } => "confirmed",
            ActState::Received { .. } => "received",
            ActState::Refused { .. } => "refused",
            ActState::Superseded { .. } => "superseded",
        }
    }

    /// Whether the bytes are signed and may no longer change.
    pub fn is_signed(&self) -> bool {
        !matches!(self, ActState::Draft { .. } | ActState::Checked)
    }

    /// Whether the portal is known to have it.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, ActState::Confirmed { .. } | ActState::Received { .. })
    }

    /// Whether there is still something for the outbox to do.
    pub fn is_on_its_way(&self) -> bool {
        matches!(self, ActState::Approved | ActState::Sent { .. } | ActState::Confirmed { .. })
    }
}
