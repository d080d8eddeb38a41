//! The stored form of an act. The signed document is kept as the bytes that were signed; the fields beside it are what
//! the hub looks at.

use domovoi_model::{
    AccountId, Act, ActId, ActReading, ActState, MeterId, Period, PhotoId, PhotoRef, PointId, PortalVerdict,
    PreviousReading, ReadingId, Receipt, Resource, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::rows::{BadRow, DateRow, Hex, SourceRow, Spelled, ValuesRow};

#[derive(Serialize, Deserialize)]
pub(super) struct ActRow {
    account: Spelled<AccountId>,
    period: Spelled<Period>,
    supersedes: Option<Spelled<ActId>>,
    created_at: i64,
    document: Option<Hex>,
    signature: Option<String>,
    readings: Vec<ReadingRow>,
    state: StateRow,
    /// Its number in the account's order of signing.
    pub chain: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct ReadingRow {
    id: Spelled<ReadingId>,
    point: Spelled<PointId>,
    meter: Spelled<MeterId>,
    serial: String,
    resource: String,
    values: ValuesRow,
    taken_at: i64,
    date_value: DateRow,
    source: SourceRow,
    raw_sha256: Hex,
    previous: Option<(ValuesRow, DateRow)>,
    consumption: ValuesRow,
    photo: Option<PhotoRow>,
    portal: PortalRow,
}

#[derive(Serialize, Deserialize)]
struct PhotoRow {
    id: Spelled<PhotoId>,
    sha256: Hex,
    media_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PortalRow {
    Pending,
    Accepted { portal_number: Option<String> },
    Rejected { code: String, detail: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateRow {
    Draft { problems: Vec<String> },
    Checked,
    Approved,
    Sent { tries: u32, first_at: i64 },
    Confirmed { at: i64 },
    Received { id: String, issued_at: i64, act_sha256: Hex, document: Hex },
    Refused { code: String, detail: String, at: i64 },
    Superseded { by: Spelled<ActId> },
}

impl ActRow {
    pub fn new(act: &Act, chain: Option<i64>) -> Self {
        ActRow {
            account: Spelled(act.account),
            period: Spelled(act.period),
            supersedes: act.supersedes.map(Spelled),
            created_at: act.created_at.0,
            document: act.document.clone().map(Hex),
            signature: act.signature.clone(),
            readings: act.readings.iter().map(ReadingRow::from).collect(),
            state: (&act.state).into(),
            chain,
        }
    }

    pub fn act(self, id: ActId) -> Result<Act, BadRow> {
        let readings: Result<Vec<ActReading>, BadRow> = self.readings.into_iter().map(ActReading::try_from).collect();
        Ok(Act {
            id,
            account: self.account.0,
            period: self.period.0,
            supersedes: self.supersedes.map(|id| id.0),
            created_at: Timestamp(self.created_at),
            document: self.document.map(|hex| hex.0),
            signature: self.signature,
            readings: readings?,
            state: self.state.try_into()?,
        })
    }
}

impl From<&ActReading> for ReadingRow {
    fn from(reading: &ActReading) -> Self {
        ReadingRow {
            id: Spelled(reading.id),
            point: Spelled(reading.point),
            meter: Spelled(reading.meter),
            serial: reading.serial.clone(),
            resource: reading.resource.code().to_owned(),
            values: reading.values.into(),
            taken_at: reading.taken_at.0,
            date_value: Spelled(reading.date_value),
            source: (&reading.source).into(),
            raw_sha256: Hex(reading.raw_sha256.to_vec()),
            previous: reading.previous.as_ref().map(|previous| (previous.values.into(), Spelled(previous.date))),
            consumption: reading.consumption.into(),
            photo: reading.photo.as_ref().map(|photo| PhotoRow {
                id: Spelled(photo.id),
                sha256: Hex(photo.sha256.to_vec()),
                media_type: photo.media_type.clone(),
            }),
            portal: (&reading.portal_verdict).into(),
        }
    }
}

impl TryFrom<ReadingRow> for ActReading {
    type Error = BadRow;

    fn try_from(row: ReadingRow) -> Result<Self, BadRow> {
        let photo = match row.photo {
            None => None,
            Some(photo) => {
                Some(PhotoRef { id: photo.id.0, sha256: photo.sha256.array()?, media_type: photo.media_type })
            }
        };
        Ok(ActReading {
            id: row.id.0,
            point: row.point.0,
            meter: row.meter.0,
            serial: row.serial,
            resource: Resource::from_code(&row.resource).ok_or(BadRow("resource"))?,
            values: row.values.into(),
            taken_at: Timestamp(row.taken_at),
            date_value: row.date_value.0,
            source: row.source.into(),
            raw_sha256: row.raw_sha256.array()?,
            previous: row.previous.map(|(values, date)| PreviousReading { values: values.into(), date: date.0 }),
            consumption: row.consumption.into(),
            photo,
            portal_verdict: row.portal.into(),
        })
    }
}

impl From<&PortalVerdict> for PortalRow {
    fn from(verdict: &PortalVerdict) -> Self {
        match verdict {
            PortalVerdict::Pending => PortalRow::Pending,
            PortalVerdict::Accepted { portal_number } => PortalRow::Accepted { portal_number: portal_number.clone() },
            PortalVerdict::Rejected { code, detail } => {
                PortalRow::Rejected { code: code.clone(), detail: detail.clone() }
            }
        }
    }
}

impl From<PortalRow> for PortalVerdict {
    fn from(row: PortalRow) -> Self {
        match row {
            PortalRow::Pending => PortalVerdict::Pending,
            PortalRow::Accepted { portal_number } => PortalVerdict::Accepted { portal_number },
            PortalRow::Rejected { code, detail } => PortalVerdict::Rejected { code, detail },
        }
    }
}

impl From<&ActState> for StateRow {
    fn from(state: &ActState) -> Self {
        match state {
            ActState::Draft { problems } => StateRow::Draft { problems: problems.clone() },
            ActState::Checked => StateRow::Checked,
            ActState::Approved => StateRow::Approved,
            ActState::Sent { tries, first_at } => StateRow::Sent { tries: *tries, first_at: first_at.0 },
            ActState::Confirmed { at } => StateRow::Confirmed { at: at.0 },
            ActState::Received { receipt } => StateRow::Received {
                id: receipt.id.clone(),
                issued_at: receipt.issued_at.0,
                act_sha256: Hex(receipt.act_sha256.to_vec()),
                document: Hex(receipt.document.clone()),
            },
            ActState::Refused { code, detail, at } => {
                StateRow::Refused { code: code.clone(), detail: detail.clone(), at: at.0 }
            }
            ActState::Superseded { by } => StateRow::Superseded { by: Spelled(*by) },
        }
    }
}

impl TryFrom<StateRow> for ActState {
    type Error = BadRow;

    fn try_from(row: StateRow) -> Result<Self, BadRow> {
        Ok(match row {
            StateRow::Draft { problems } => ActState::Draft { problems },
            StateRow::Checked => ActState::Checked,
            StateRow::Approved => ActState::Approved,
            StateRow::Sent { tries, first_at } => ActState::Sent { tries, first_at: Timestamp(first_at) },
            StateRow::Confirmed { at } => ActState::Confirmed { at: Timestamp(at) },
            StateRow::Received { id, issued_at, act_sha256, document } => ActState::Received {
                receipt: Receipt {
                    id,
                    issued_at: Timestamp(issued_at),
                    act_sha256: act_sha256.array()?,
                    document: document.0,
                },
            },
            StateRow::Refused { code, detail, at } => ActState::Refused { code, detail, at: Timestamp(at) },
            StateRow::Superseded { by } => ActState::Superseded { by: by.0 },
        })
    }
}
