//! `GET /acts/{act_id}`: what the portal holds under an id. `CallError::NotFound` is a definite "never received".

use domovoi_model::{ActId, PortalVerdict, ReadingId, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use super::wire;
use crate::outside::tame;
use crate::portal::http::Answer;
use crate::portal::{CallError, Portal};

/// An act as the portal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActStatus {
    /// Which act; the one that was asked about.
    pub act_id: ActId,
    /// How far the portal is with it.
    pub status: ActProgress,
    /// SHA-256 of the bytes that the portal holds.
    pub sha256: [u8; 32],
    /// When the portal received it.
    pub received_at: Timestamp,
    /// Each reading's verdict.
    pub readings: Vec<ReadingStatus>,
}

/// How far the portal is with an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActProgress {
    /// Verdicts are pending.
    Processing,
    /// Every reading was taken.
    Accepted,
    /// Some were, some were not.
    PartiallyAccepted,
    /// None was.
    Rejected,
}

/// What the portal said of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingStatus {
    /// Which.
    pub reading_id: ReadingId,
    /// The verdict.
    pub verdict: PortalVerdict,
}

#[derive(Deserialize)]
struct ActStatusDto {
    act_id: String,
    status: String,
    sha256: String,
    received_at: String,
    readings: Vec<ReadingDto>,
}

#[derive(Deserialize)]
struct ReadingDto {
    reading_id: String,
    verdict: String,
    unique_number: Option<String>,
    code: Option<String>,
    detail: Option<String>,
}

/// Asks what became of an act.
pub async fn call(portal: &Portal, act_id: ActId) -> Result<ActStatus, CallError> {
    let answer = portal.send(wire::request(portal, Method::GET, &["acts", &act_id.to_string()])).await?;
    status(&answer, act_id)
}

pub(super) fn status(answer: &Answer, act_id: ActId) -> Result<ActStatus, CallError> {
    let dto: ActStatusDto = wire::read(answer)?;
    if wire::id("act_id", &dto.act_id)? != act_id.0 {
        return Err(wire::odd("act_id", &dto.act_id, &format!("{act_id}, which was asked about")));
    }
    let status = match dto.status.as_str() {
        "processing" => ActProgress::Processing,
        "accepted" => ActProgress::Accepted,
        "partially_accepted" => ActProgress::PartiallyAccepted,
        "rejected" => ActProgress::Rejected,
        other => return Err(wire::odd("status", other, "processing, accepted, partially_accepted or rejected")),
    };
    Ok(ActStatus {
        act_id,
        status,
        sha256: wire::sha256("sha256", &dto.sha256)?,
        received_at: wire::time("received_at", &dto.received_at)?,
        readings: dto.readings.into_iter().map(reading).collect::<Result<_, _>>()?,
    })
}

fn reading(dto: ReadingDto) -> Result<ReadingStatus, CallError> {
    let verdict = match dto.verdict.as_str() {
        "pending" => PortalVerdict::Pending,
        "accepted" => PortalVerdict::Accepted { portal_number: dto.unique_number.map(|text| tame(&text, 64)) },
        "rejected" => PortalVerdict::Rejected {
            code: tame(&dto.code.unwrap_or_else(|| "rejected".to_owned()), 64),
            detail: tame(&dto.detail.unwrap_or_default(), 500),
        },
        other => return Err(wire::odd("verdict", other, "pending, accepted or rejected")),
    };
    Ok(ReadingStatus { reading_id: ReadingId(wire::id("reading_id", &dto.reading_id)?), verdict })
}
