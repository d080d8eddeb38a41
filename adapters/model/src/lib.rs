//! The vocabulary of the house: what every room means by an observation, a sample, a reading, an act.
//!
//! Deliberately without I/O, without clocks and without serialization: a type that crosses a wire belongs to the
//! module that owns the wire, which writes a small DTO of its own and a `From`.

mod act;
mod alert;
mod codes;
mod command;
mod id;
mod metering;
mod observation;
mod quantity;
mod time;

pub use act::{Act, ActReading, ActState, PhotoRef, PortalVerdict, PreviousReading, Receipt};
pub use alert::{
    Acknowledged, Alert, AlertCategory, AlertOrigin, AlertState, AlertStatus, AlertText, AlertUrgency, Certainty,
    Concern, Peril, Severity,
};
pub use command::{Command, CommandTarget};
pub use id::{AccountId, ActId, BootId, Id, MeterId, ParseIdError, PersonId, PhotoId, PointId, ReadingId};
pub use metering::{
    Account, Binding, Finding, Meter, MeteringPoint, RegisterReading, RegisterValues, Reminder, Source, Tariff, Verdict,
};
pub use observation::{DeviceRef, Hazard, Observation, Quality, Sample, Value};
pub use quantity::{Resource, Unit, UnitError};
pub use time::{Date, Moment, Period, Timestamp};
