//! An act as the portal holds it: the exact bytes, what was decided about each reading, and how much of that the hub is
//! told already. The decision itself is made in `judge`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredAct {
    pub(crate) ordinal: u64,
    pub(crate) act_id: String,
    pub(crate) period: (i16, i8),
    pub(crate) supplier_id: String,
    pub(crate) account_number: String,
    pub(crate) supersedes: Option<String>,
    pub(crate) key_id: String,
    pub(crate) sha256: String,
    pub(crate) body_base64: String,
    pub(crate) jws: String,
    pub(crate) received_at: String,
    /// Read-backs that still see every verdict pending.
    pub(crate) polls_left: u32,
    pub(crate) readings: Vec<StoredReading>,
    /// The exact bytes that are handed out, made once.
    pub(crate) receipt: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredReading {
    pub(crate) reading_id: String,
    pub(crate) serial: String,
    pub(crate) resource: String,
    pub(crate) values: Vec<String>,
    pub(crate) date_value: String,
    pub(crate) photo_sha256: Option<String>,
    /// The portal's own number of an accepted reading.
    pub(crate) unique_number: String,
    pub(crate) rejected: Option<Rejection>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl StoredAct {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.body_base64).unwrap_or_default()
    }

    pub(crate) fn encoded(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    pub(crate) fn any_accepted(&self) -> bool {
        self.readings.iter().any(|reading| reading.rejected.is_none())
    }

    pub(crate) fn is_of(&self, supplier_id: &str, account_number: &str) -> bool {
        self.supplier_id == supplier_id && self.account_number == account_number
    }

    pub(crate) fn shown_status(&self) -> &'static str {
        let rejected = self.readings.iter().filter(|reading| reading.rejected.is_some()).count();
        match rejected {
            _ if self.polls_left > 0 => "processing",
            0 => "accepted",
            all if all == self.readings.len() => "rejected",
            _ => "partially_accepted",
        }
    }

    /// `ActStatus` of the contract.
    pub(crate) fn status(&self) -> Value {
        json!({
            "act_id": self.act_id,
            "status": self.shown_status(),
            "sha256": self.sha256,
            "received_at": self.received_at,
            "readings": self.verdicts(),
        })
    }

    fn verdicts(&self) -> Vec<Value> {
        let verdict = |reading: &StoredReading| match &reading.rejected {
            _ if self.polls_left > 0 => json!({ "reading_id": reading.reading_id, "verdict": "pending" }),
            None => json!({
                "reading_id": reading.reading_id, "verdict": "accepted", "unique_number": reading.unique_number,
            }),
            Some(why) => json!({
                "reading_id": reading.reading_id, "verdict": "rejected", "code": why.code, "detail": why.detail,
            }),
        };
        self.readings.iter().map(verdict).collect()
    }

    /// Once every verdict shows and one of them is good.
    pub(crate) fn issue_receipt(&mut self, issued_at: String) {
        if self.receipt.is_none() && self.polls_left == 0 && self.any_accepted() {
            let receipt = json!({
                "receipt_id": format!("R-{:08}", self.ordinal),
                "act_id": self.act_id,
                "act_sha256": self.sha256,
                "issued_at": issued_at,
                "readings": self.verdicts(),
            });
            self.receipt = Some(receipt.to_string());
        }
    }
}
