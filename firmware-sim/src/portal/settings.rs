//! What the sandbox portal is told at start: where it listens, whom it serves and how patient it is. No files are read.

use std::{net::SocketAddr, path::PathBuf};

use crate::{Clock, system_clock};

/// Every scope that `config/portal-api.yaml` names.
pub const ALL_SCOPES: [&str; 11] = [
    "accounts.read",
    "acts.write",
    "acts.read",
    "charges.read",
    "notifications.read",
    "notifications.write",
    "alerts.read",
    "devices.write",
    "requests.read",
    "requests.write",
    "offline_access",
];

#[derive(Clone)]
pub struct PortalSettings {
    /// Port 0 asks the system for a free one; [`super::SandboxPortal::base_url`] tells which.
    pub listen: SocketAddr,
    /// With a folder everything accepted is on disk before the answer; without one the portal forgets at stop.
    pub data_dir: Option<PathBuf>,
    /// Device codes are approved at their second poll, and the authorization endpoint redirects without a page.
    pub auto_approve: bool,
    pub client_ids: Vec<String>,
    /// Loopback redirects (RFC 8252 7.3): the port may differ; scheme, host as it is written, path and query may not.
    pub redirect_uris: Vec<String>,
    /// What this portal grants at most. A client that asks for more of the known ones gets these only.
    pub scopes: Vec<String>,
    pub accounts: Vec<AccountSpec>,
    /// The portal's own id of its one citizen, in an id_token.
    pub citizen: String,
    pub clock: Clock,
    pub lifetimes: Lifetimes,
    /// What the device grant tells the client; polling faster gives `slow_down`. Zero never does.
    pub poll_interval_s: u64,
    pub require_dpop: bool,
    /// Every proof must carry a nonce of ours (RFC 9449 8), not only after a misbehaviour asked for one.
    pub require_nonce: bool,
    /// How many read-backs see `processing` before the verdicts show.
    pub verdict_after_polls: u32,
    /// Opens `/_sandbox/…` to loopback peers. Whoever reaches it steers the portal.
    pub sandbox_calls: bool,
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: None,
            auto_approve: false,
            client_ids: vec!["domovoi-hub".into()],
            redirect_uris: ["/callback", "/domovoi/linked", "/sign-in/portal/return"]
                .iter()
                .flat_map(|path| [format!("http://127.0.0.1{path}"), format!("http://[::1]{path}")])
                .chain(std::iter::once("http://localhost/sign-in/portal/return".into()))
                .collect(),
            scopes: ALL_SCOPES.iter().map(ToString::to_string).collect(),
            accounts: vec![AccountSpec::default()],
            citizen: "citizen-1".into(),
            clock: system_clock(),
            lifetimes: Lifetimes::default(),
            poll_interval_s: 5,
            require_dpop: true,
            require_nonce: false,
            verdict_after_polls: 0,
            sandbox_calls: false,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Lifetimes {
    pub access_token_s: i64,
    pub refresh_token_s: i64,
    pub authorization_code_s: i64,
    pub device_code_s: i64,
    /// How far a proof's `iat` may be from our clock, either way.
    pub dpop_proof_s: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access_token_s: 3600,
            refresh_token_s: 30 * 86_400,
            authorization_code_s: 60,
            device_code_s: 600,
            dpop_proof_s: 60,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    Active,
    /// The citizen has to confirm it in person first.
    Pending,
    /// Remote submission is closed, for example after three months without readings.
    Blocked,
}

#[derive(Debug, Clone)]
pub struct AccountSpec {
    pub supplier_id: String,
    pub supplier_name: String,
    pub account_number: String,
    pub els: Option<String>,
    pub jku_id: Option<String>,
    pub status: AccountState,
    /// IANA name; the window's days are days there.
    pub time_zone: String,
    pub takes_t4: bool,
    pub window: WindowSpec,
    /// Readings of a period whose window has passed are taken too.
    pub takes_late: bool,
    pub metering_points: Vec<MeteringPointSpec>,
}

impl Default for AccountSpec {
    fn default() -> Self {
        Self {
            supplier_id: "vodokanal".into(),
            supplier_name: "Водоканал".into(),
            account_number: "1234567890".into(),
            els: None,
            jku_id: None,
            status: AccountState::Active,
            time_zone: "Europe/Moscow".into(),
            takes_t4: false,
            window: WindowSpec::whole_month(),
            takes_late: false,
            metering_points: vec![MeteringPointSpec::default()],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpec {
    pub start: WindowDay,
    pub end: WindowDay,
}

impl WindowSpec {
    /// Open on every day of the period's own month.
    pub fn whole_month() -> Self {
        Self { start: WindowDay::Date { date: 1, next_month: false }, end: WindowDay::LastDay { next_month: false } }
    }
}

/// One edge of a `PeriodMetering`. A date past the month's end means its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowDay {
    Date { date: i8, next_month: bool },
    LastDay { next_month: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    ColdWater,
    HotWater,
    Electricity,
    Gas,
    Heat,
}

impl Resource {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ColdWater => "cold_water",
            Self::HotWater => "hot_water",
            Self::Electricity => "electricity",
            Self::Gas => "gas",
            Self::Heat => "heat",
        }
    }
}

#[derive(Debug, Clone)]
pub struct MeteringPointSpec {
    pub resource: Resource,
    pub serial: String,
    pub tariff_count: u8,
    pub digits_int: Option<u8>,
    pub digits_frac: Option<u8>,
    /// `YYYY-MM-DD`; readings dated later are rejected.
    pub verification_valid_until: Option<String>,
    /// T1, T2, … as decimal strings.
    pub last_accepted: Vec<String>,
    pub last_accepted_on: Option<String>,
}

impl Default for MeteringPointSpec {
    fn default() -> Self {
        Self {
            resource: Resource::ColdWater,
            serial: "12345699".into(),
            tariff_count: 1,
            digits_int: None,
            digits_frac: None,
            verification_valid_until: None,
            last_accepted: Vec::new(),
            last_accepted_on: None,
        }
    }
}
