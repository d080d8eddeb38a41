//! `POST /service-requests`: asks a service for something (a plumber, a verification of a meter).

use domovoi_model::{Id, Timestamp};
use reqwest::Method;

use super::get_service_requests::{RequestDto, ServiceRequest};
use super::wire;
use crate::portal::{CallError, Portal};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServiceRequest {
    /// Whom it is for, by the portal's word.
    pub service: String,
    /// The words, ≤ 4000 characters.
    pub text: String,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
    /// Until when it should be done.
    pub deadline: Option<Timestamp>,
}

/// `key` is made before the first try and is the same in every try. Gives the request as the portal has it.
pub async fn call(portal: &Portal, key: Id, request: &NewServiceRequest) -> Result<ServiceRequest, CallError> {
    let dto = RequestDto {
        id: None,
        service: request.service.clone(),
        text: request.text.clone(),
        account_number: request.account_number.clone(),
        status: None,
        deadline: request.deadline.map(|at| at.to_string()),
    };
    let outgoing = wire::idempotency_key(wire::request(portal, Method::POST, &["service-requests"]), key)?;
    let answer = portal.send(wire::json_body(outgoing, &dto)?).await?;
    wire::read::<RequestDto>(&answer)?.request()
}
