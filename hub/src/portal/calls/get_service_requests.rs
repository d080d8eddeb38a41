//! `GET /service-requests`: requests to the managing company and where they stand, newest first.

use domovoi_model::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::wire;
use crate::outside::tame;
use crate::portal::{CallError, Portal};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRequest {
    /// The portal's id.
    pub id: Option<String>,
    /// Whom it is for.
    pub service: String,
    /// The words.
    pub text: String,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
    /// Where it stands.
    pub status: Option<RequestStatus>,
    /// Until when it is to be done.
    pub deadline: Option<Timestamp>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestStatus {
    /// Nobody has looked at it.
    New,
    /// It will be done.
    Accepted,
    /// It has been done.
    Done,
    /// It will not be done.
    Refused,
}

#[derive(Deserialize)]
struct ListDto {
    requests: Vec<RequestDto>,
}

/// Both directions have it in common.
#[derive(Serialize, Deserialize)]
pub(super) struct RequestDto {
    #[serde(skip_serializing)]
    pub id: Option<String>,
    pub service: String,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_number: Option<String>,
    #[serde(skip_serializing)]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

impl RequestDto {
    pub fn request(self) -> Result<ServiceRequest, CallError> {
        let status = match self.status.as_deref() {
            None => None,
            Some("new") => Some(RequestStatus::New),
            Some("accepted") => Some(RequestStatus::Accepted),
            Some("done") => Some(RequestStatus::Done),
            Some("refused") => Some(RequestStatus::Refused),
            Some(other) => return Err(wire::odd("status", other, "new, accepted, done or refused")),
        };
        Ok(ServiceRequest {
            id: self.id.map(|text| tame(&text, 64)),
            service: tame(&self.service, 64),
            text: tame(&self.text, 4000),
            account_number: self.account_number.map(|text| tame(&text, 30)),
            status,
            deadline: self.deadline.as_deref().map(|text| wire::time("deadline", text)).transpose()?,
        })
    }
}

/// All of them.
pub async fn call(portal: &Portal) -> Result<Vec<ServiceRequest>, CallError> {
    let answer = portal.send(wire::request(portal, Method::GET, &["service-requests"])).await?;
    wire::read::<ListDto>(&answer)?.requests.into_iter().map(RequestDto::request).collect()
}
