//! The plain forms in which the vocabulary is written into sealed blobs, where more than one room writes them. The model
//! itself does not serialize: what is stored must not change because a field was renamed there.

use std::fmt::Display;
use std::str::FromStr;

use domovoi_model::{BootId, Date, DeviceRef, Finding, Id, Moment, RegisterValues, Source, Tariff, Timestamp, Verdict};
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::StoreError;

/// A stored word or number that the vocabulary does not have.
#[derive(Debug)]
pub(crate) struct BadRow(pub &'static str);

impl Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "its {} is not one this program knows", self.0)
    }
}

/// Serialized as its spelling: ids, dates, periods, decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spelled<T>(pub T);

impl<T: Display> Serialize for Spelled<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Spelled).map_err(|_| D::Error::custom("bad spelling"))
    }
}

/// Bytes as hex digits: twice the size and not four times, as JSON's array of numbers would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(self.0.len() * 2);
        for byte in &self.0 {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let byte = |[high, low]: &[u8; 2]| {
            let high = (*high as char).to_digit(16)?;
            Some((high << 4 | (*low as char).to_digit(16)?) as u8)
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.filter(|_| rest.is_empty()).map(Hex).ok_or_else(|| D::Error::custom("bad hex"))
    }
}

impl Hex {
    pub fn array<const N: usize>(&self) -> Result<[u8; N], BadRow> {
        self.0.as_slice().try_into().map_err(|_| BadRow("hash"))
    }
}

/// A 128-bit id from a column.
pub(crate) fn id_of(bytes: &[u8]) -> Result<Id, StoreError> {
    bytes.try_into().map(Id).map_err(|_| StoreError::damaged("an id is not 16 bytes long"))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DeviceRow(String, String);

impl From<&DeviceRef> for DeviceRow {
    fn from(device: &DeviceRef) -> Self {
        DeviceRow(device.dialect.clone(), device.id.clone())
    }
}

impl From<DeviceRow> for DeviceRef {
    fn from(row: DeviceRow) -> Self {
        DeviceRef { dialect: row.0, id: row.1 }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MomentRow {
    Wall(i64),
    SinceBoot(Spelled<BootId>, i64),
}

impl From<Moment> for MomentRow {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Wall(at) => MomentRow::Wall(at.0),
            Moment::SinceBoot { boot, millis } => MomentRow::SinceBoot(Spelled(boot), millis),
        }
    }
}

impl From<MomentRow> for Moment {
    fn from(row: MomentRow) -> Self {
        match row {
            MomentRow::Wall(at) => Moment::Wall(Timestamp(at)),
            MomentRow::SinceBoot(boot, millis) => Moment::SinceBoot { boot: boot.0, millis },
        }
    }
}

/// T1..T4.
#[derive(Serialize, Deserialize)]
pub(crate) struct ValuesRow([Option<Spelled<Decimal>>; 4]);

impl From<RegisterValues> for ValuesRow {
    fn from(values: RegisterValues) -> Self {
        ValuesRow(values.0.map(|value| value.map(Spelled)))
    }
}

impl From<ValuesRow> for RegisterValues {
    fn from(row: ValuesRow) -> Self {
        RegisterValues(row.0.map(|value| value.map(|spelled| spelled.0)))
    }
}

pub(crate) fn tariff(code: &str) -> Result<Tariff, BadRow> {
    Tariff::from_code(code).ok_or(BadRow("tariff"))
}

pub(crate) type DateRow = Spelled<Date>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceRow {
    Device(DeviceRow),
    Person(String),
    Photo { person: String, photo: Spelled<domovoi_model::PhotoId> },
    Installation,
}

impl From<&Source> for SourceRow {
    fn from(source: &Source) -> Self {
        match source {
            Source::Device(device) => SourceRow::Device(device.into()),
            Source::Person(person) => SourceRow::Person(person.clone()),
            Source::Photo { person, photo } => SourceRow::Photo { person: person.clone(), photo: Spelled(*photo) },
            Source::Installation => SourceRow::Installation,
        }
    }
}

impl From<SourceRow> for Source {
    fn from(row: SourceRow) -> Self {
        match row {
            SourceRow::Device(device) => Source::Device(device.into()),
            SourceRow::Person(person) => Source::Person(person),
            SourceRow::Photo { person, photo } => Source::Photo { person, photo: photo.0 },
            SourceRow::Installation => Source::Installation,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingRow {
    GlitchToZero,
    Rollover,
    Decreased,
    ImplausibleJump,
    Gap { hours: u32 },
    Negative,
    TooManyDigits,
    DeviceComplaint(String),
    SwapSuspected,
    WrongUnit,
    ConfirmedByPerson,
    Swapped,
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        match finding {
            Finding::GlitchToZero => FindingRow::GlitchToZero,
            Finding::Rollover => FindingRow::Rollover,
            Finding::Decreased => FindingRow::Decreased,
            Finding::ImplausibleJump => FindingRow::ImplausibleJump,
            Finding::Gap { hours } => FindingRow::Gap { hours: *hours },
            Finding::Negative => FindingRow::Negative,
            Finding::TooManyDigits => FindingRow::TooManyDigits,
            Finding::DeviceComplaint(text) => FindingRow::DeviceComplaint(text.clone()),
            Finding::SwapSuspected => FindingRow::SwapSuspected,
            Finding::WrongUnit => FindingRow::WrongUnit,
            Finding::ConfirmedByPerson => FindingRow::ConfirmedByPerson,
            Finding::Swapped => FindingRow::Swapped,
        }
    }
}

impl From<FindingRow> for Finding {
    fn from(row: FindingRow) -> Self {
        match row {
            FindingRow::GlitchToZero => Finding::GlitchToZero,
            FindingRow::Rollover => Finding::Rollover,
            FindingRow::Decreased => Finding::Decreased,
            FindingRow::ImplausibleJump => Finding::ImplausibleJump,
            FindingRow::Gap { hours } => Finding::Gap { hours },
            FindingRow::Negative => Finding::Negative,
            FindingRow::TooManyDigits => Finding::TooManyDigits,
            FindingRow::DeviceComplaint(text) => Finding::DeviceComplaint(text),
            FindingRow::SwapSuspected => Finding::SwapSuspected,
            FindingRow::WrongUnit => Finding::WrongUnit,
            FindingRow::ConfirmedByPerson => Finding::ConfirmedByPerson,
            FindingRow::Swapped => Finding::Swapped,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictRow {
    Accepted(Option<FindingRow>),
    Held(FindingRow),
    Ignored(FindingRow),
}

impl From<&Verdict> for VerdictRow {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accepted(finding) => VerdictRow::Accepted(finding.as_ref().map(FindingRow::from)),
            Verdict::Held(finding) => VerdictRow::Held(finding.into()),
            Verdict::Ignored(finding) => VerdictRow::Ignored(finding.into()),
        }
    }
}

impl From<VerdictRow> for Verdict {
    fn from(row: VerdictRow) -> Self {
        match row {
            VerdictRow::Accepted(finding) => Verdict::Accepted(finding.map(Finding::from)),
            VerdictRow::Held(finding) => Verdict::Held(finding.into()),
            VerdictRow::Ignored(finding) => Verdict::Ignored(finding.into()),
        }
    }
}
