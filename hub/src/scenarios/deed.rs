//! What is done outside of this room, and what came of it. Plain values.

use domovoi_model::{Command, Id, PersonId, PointId, Severity};
use rust_decimal::Decimal;

use crate::policy::Refusal;

/// Something that is to be done outside of this room.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// Made before it is tried for the first time.
    pub id: Id,
    /// In which run.
    pub run: Id,
    /// Of which scenario.
    pub scenario: Id,
    /// What people call it.
    pub name: String,
    /// As whom; `None`: as whoever holds the machine.
    pub author: Option<PersonId>,
    /// They showed a factor when saving it, so that it may do what is dangerous.
    pub sure: bool,
    /// It may have been done before a power cut.
    pub again: bool,
    /// What.
    pub what: DeedWhat,
}

/// See [`Deed`].
#[derive(Debug, Clone, PartialEq)]
pub enum DeedWhat {
    /// A command.
    Command(Command),
    /// People are told.
    Notify {
        /// Who; empty: everybody.
        to: Vec<PersonId>,
        /// How bad it is.
        severity: Severity,
        /// One line.
        title: String,
        /// The rest.
        text: String,
    },
    /// A reading.
    Reading {
        /// Of which metering point.
        point: PointId,
        /// T1 to T4.
        values: Vec<Decimal>,
    },
}

/// What came of a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; what there is to say about it.
    Done(String),
    /// It was not, and why.
    Failed(String),
    /// The author may not do it, and why.
    Refused(Refusal),
}
