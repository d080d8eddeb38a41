//! What the portal knows, as plain values under one lock, and what it shows of that to a test. Who may ask is decided in
//! `guard`; what is kept on disk in which file is said in `mod.rs`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    acts::held::StoredAct,
    jose::{EcKey, random_token},
    misbehave::{Endpoint, Queue},
    oauth::grants::OauthState,
    settings::AccountSpec,
};

/// Why a grant is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoked {
    /// A refresh token, a device code or an authorization code came a second time.
    Reuse,
    ConsentWithdrawn,
    /// RFC 7009, by the client.
    ByClient,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) accounts: Vec<AccountSpec>,
    pub(crate) oauth: OauthState,
    /// In the order of their arrival.
    pub(crate) acts: Vec<StoredAct>,
    /// PUT requests per act id since the start, whatever came of them.
    pub(crate) act_puts: HashMap<String, u64>,
    pub(crate) keys: BTreeMap<String, RegisteredKey>,
    pub(crate) photos: BTreeMap<String, String>,
    pub(crate) home: HomeState,
    pub(crate) alerts: Vec<(String, String)>,
    pub(crate) faults: Queue,
    pub(crate) requests: BTreeMap<Endpoint, u64>,
    pub(crate) nonces: Nonces,
    /// Proofs seen, with the time until which a repetition must be recognised.
    pub(crate) proofs: HashMap<String, i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RegisteredKey {
    #[serde(flatten)]
    pub(crate) key: EcKey,
    pub(crate) deleted: bool,
}

/// What the household's hub posted, and what suppliers sent it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct HomeState {
    pub(crate) notifications: Vec<serde_json::Value>,
    pub(crate) charges: Vec<serde_json::Value>,
    pub(crate) devices: Vec<serde_json::Value>,
    pub(crate) service_requests: Vec<serde_json::Value>,
    pub(crate) from_hub: Vec<serde_json::Value>,
    /// By idempotency key: the hash of the body and the answer.
    pub(crate) answers: BTreeMap<String, (String, serde_json::Value)>,
}

/// DPoP nonces (RFC 9449 8): the last few stay good, so that a request under way is not refused.
#[derive(Default)]
pub(crate) struct Nonces {
    good: Vec<String>,
    /// A challenge stands: the next proof must carry a nonce.
    pub(crate) asked: bool,
}

impl Nonces {
    pub(crate) fn issue(&mut self, asked: bool) -> String {
        let nonce = random_token();
        self.good.push(nonce.clone());
        if self.good.len() > 8 {
            self.good.remove(0);
        }
        self.asked |= asked;
        nonce
    }

    /// `false` means: challenge.
    pub(crate) fn accept(&mut self, nonce: Option<&str>, always: bool) -> bool {
        match nonce {
            Some(nonce) if self.good.iter().any(|good| good == nonce) => {
                self.asked = false;
                true
            }
            Some(_) => false,
            None => !(always || self.asked),
        }
    }
}

/// An act as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldAct {
    pub act_id: String,
    /// Year and month.
    pub period: (i16, i8),
    pub supplier_id: String,
    pub account_number: String,
    pub supersedes: Option<String>,
    /// Of the exact bytes.
    pub sha256: String,
    /// `processing`, `accepted`, `partially_accepted` or `rejected`, as the hub is told.
    pub status: &'static str,
    pub readings: Vec<HeldReading>,
    /// PUT requests that arrived for this id since the portal started, answered or not.
    pub puts: u64,
    /// Neither superseded nor wholly rejected.
    pub live: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldReading {
    pub reading_id: String,
    pub serial: String,
    /// T1, T2, … as the act spells them.
    pub values: Vec<String>,
    /// What was decided, even while the hub is told `pending`.
    pub accepted: bool,
}

/// A look at everything, taken at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PortalView {
    pub acts: Vec<HeldAct>,
    /// Answered requests and others, by kind, since the start.
    pub requests: BTreeMap<Endpoint, u64>,
    /// Thumbprints of the keys that may sign.
    pub keys: Vec<String>,
    pub live_grants: usize,
    /// Photos held, by hash.
    pub photos: Vec<String>,
    /// Notifications to the household, with whether they were read.
    pub notifications: Vec<serde_json::Value>,
    /// Notifications that the hub posted.
    pub notifications_from_hub: Vec<serde_json::Value>,
    pub devices: Vec<serde_json::Value>,
    pub service_requests: Vec<serde_json::Value>,
    /// User codes that wait for a decision.
    pub waiting_user_codes: Vec<String>,
    /// Misbehaviours not yet spent.
    pub faults_left: usize,
}

impl PortalView {
    /// Live acts of one account and period; "exactly once" means 1.
    pub fn live_acts(&self, account_number: &str, period: (i16, i8)) -> usize {
        self.acts.iter().filter(|act| act.live && act.account_number == account_number && act.period == period).count()
    }

    pub fn requests_to(&self, endpoint: Endpoint) -> u64 {
        self.requests.get(&endpoint).copied().unwrap_or(0)
    }
}

impl State {
    pub(crate) fn view(&self) -> PortalView {
        PortalView {
            acts: self.acts.iter().map(|act| self.held(act)).collect(),
            requests: self.requests.clone(),
            keys: self.keys.iter().filter(|(_, key)| !key.deleted).map(|(kid, _)| kid.clone()).collect(),
            live_grants: self.oauth.live_grants(),
            photos: self.photos.keys().cloned().collect(),
            notifications: self.home.notifications.clone(),
            notifications_from_hub: self.home.from_hub.clone(),
            devices: self.home.devices.clone(),
            service_requests: self.home.service_requests.clone(),
            waiting_user_codes: self.oauth.waiting_user_codes(),
            faults_left: self.faults.0.len(),
        }
    }

    fn held(&self, act: &StoredAct) -> HeldAct {
        HeldAct {
            act_id: act.act_id.clone(),
            period: act.period,
            supplier_id: act.supplier_id.clone(),
            account_number: act.account_number.clone(),
            supersedes: act.supersedes.clone(),
            sha256: act.sha256.clone(),
            status: act.shown_status(),
            readings: act
                .readings
                .iter()
                .map(|reading| HeldReading {
                    reading_id: reading.reading_id.clone(),
                    serial: reading.serial.clone(),
                    values: reading.values.clone(),
                    accepted: reading.rejected.is_none(),
                })
                .collect(),
            puts: self.act_puts.get(&act.act_id).copied().unwrap_or(0),
            live: self.is_live(act),
        }
    }

    pub(crate) fn is_live(&self, act: &StoredAct) -> bool {
        act.any_accepted()
            && !self.acts.iter().any(|other| other.supersedes.as_deref() == Some(&act.act_id) && other.any_accepted())
    }
}
