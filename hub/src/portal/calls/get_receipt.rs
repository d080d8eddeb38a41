//! `GET /acts/{act_id}/receipt`: the portal's acknowledgement. Its exact bytes are kept as evidence.

use domovoi_model::{ActId, Receipt};
use reqwest::Method;
use serde::Deserialize;

use super::wire;
use crate::outside::tame;
use crate::portal::http::RECEIPT_CAP;
use crate::portal::{CallError, Portal};

#[derive(Deserialize)]
struct ReceiptDto {
    receipt_id: String,
    act_id: String,
    act_sha256: String,
    issued_at: String,
}

/// While the portal has not decided yet (`not-ready`) this is `CallError::RetryLater`. Whether `act_sha256` is ours is
/// for the caller to compare: it has the act.
pub async fn call(portal: &Portal, act_id: ActId) -> Result<Receipt, CallError> {
    let mut outgoing = wire::request(portal, Method::GET, &["acts", &act_id.to_string(), "receipt"]);
    outgoing.cap = RECEIPT_CAP;
    let answer = portal.send(outgoing).await?;
    let dto: ReceiptDto = wire::read(&answer)?;
    if wire::id("act_id", &dto.act_id)? != act_id.0 {
        return Err(wire::odd("act_id", &dto.act_id, &format!("{act_id}, which was asked about")));
    }
    Ok(Receipt {
        id: tame(&dto.receipt_id, 64),
        issued_at: wire::time("issued_at", &dto.issued_at)?,
        act_sha256: wire::sha256("act_sha256", &dto.act_sha256)?,
        document: answer.body.to_vec(),
    })
}
