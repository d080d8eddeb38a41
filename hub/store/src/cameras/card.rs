//! What is known of a camera, and how it is written. Codes (`tcp`, `main`, `event`) are the room's own words: they are
//! given back as they came.

use std::fmt;

use domovoi_model::{Id, Moment};
use domovoi_vault::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::db::Db;
use crate::rows::{BadRow, Hex, MomentRow, Spelled};

/// A camera.
#[derive(Clone)]
pub struct CameraCard {
    /// Random.
    pub id: Id,
    /// What the household calls it.
    pub name: String,
    /// The room it is in.
    pub room: Option<Id>,
    /// How it was added: a code.
    pub kind: String,
    /// Whether its stream comes over TLS.
    pub tls: bool,
    /// A name or an address.
    pub host: String,
    /// Where RTSP listens.
    pub port: u16,
    /// Path and query of the main stream. Some firmware puts a password there.
    pub main_path: String,
    /// Of the small stream.
    pub sub_path: Option<String>,
    /// Whom it knows the house as.
    pub login: Option<String>,
    /// What that one signs in with.
    pub password: Option<Secret<String>>,
    /// How packets travel: a code.
    pub transport: String,
    /// Whose certificate is the right one.
    pub trust: StreamTrust,
    /// Habits of its firmware that need another reading: codes.
    pub quirks: Vec<String>,
    /// Whether sound is kept.
    pub sound: bool,
    /// Which stream is recorded: a code.
    pub recorded: String,
    /// Where to: the name of a place of the settings; `None`: the folder of this machine.
    pub place: Option<String>,
    /// When.
    pub plan: RecordingPlan,
    /// What starts a recording on event: codes.
    pub starts: Vec<String>,
    /// So much before the event, from memory.
    pub pre_roll_secs: u32,
    /// So much after it.
    pub post_roll_secs: u32,
    /// How much of the disk it may take; `None`: as the settings say.
    pub quota_bytes: Option<u64>,
    /// How long recordings are kept; `None`: as the settings say.
    pub keep_days: Option<u32>,
    /// Whether anything is to be done with it at all.
    pub enabled: bool,
    /// By which it is found again under another address.
    pub mac: Option<[u8; 6]>,
    /// Likewise.
    pub host_name: Option<String>,
    /// Where it answers ONVIF.
    pub onvif: Option<String>,
    /// What it calls itself there, for ever.
    pub onvif_id: Option<String>,
    /// Maker, model and firmware, as it said itself.
    pub made: Option<String>,
    /// When it was last found.
    pub found_at: Option<Moment>,
    /// When it was added.
    pub added_at: Moment,
}

/// Neither the password nor a path, in which another may stand.
impl fmt::Debug for CameraCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CameraCard")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Whose certificate is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamTrust {
    /// Nobody's yet.
    Unknown,
    /// Exactly this one: its SHA-256.
    Pinned([u8; 32]),
    /// One that this authority signed.
    Authority {
        /// Its certificates, PEM.
        pem: String,
        /// Whether the certificate must name the camera's address too.
        names_checked: bool,
    },
}

/// When a camera is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingPlan {
    /// Always, never, by the week, on event: a code.
    pub mode: String,
    /// Of the week.
    pub spans: Vec<PlanSpan>,
}

/// A span of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSpan {
    /// On which days it begins: bit 0 is Monday.
    pub days: u8,
    /// In minutes after midnight.
    pub from: u16,
    /// Likewise; not after `from`: on the next day.
    pub to: u16,
}

/// Goes from the sealed document into a secret and back without an owner in between.
struct SecretRow(Secret<String>);

impl Serialize for SecretRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for SecretRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| SecretRow(Secret::new(text)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TrustRow {
    Unknown,
    Pinned(Hex),
    Authority { pem: String, names_checked: bool },
}

#[derive(Serialize, Deserialize)]
pub(super) struct CameraRow {
    name: String,
    room: Option<Spelled<Id>>,
    kind: String,
    tls: bool,
    host: String,
    port: u16,
    main_path: SecretRow,
    sub_path: Option<SecretRow>,
    login: Option<String>,
    password: Option<SecretRow>,
    transport: String,
    trust: TrustRow,
    quirks: Vec<String>,
    sound: bool,
    recorded: String,
    place: Option<String>,
    plan: String,
    spans: Vec<(u8, u16, u16)>,
    starts: Vec<String>,
    pre_roll_secs: u32,
    post_roll_secs: u32,
    quota_bytes: Option<u64>,
    keep_days: Option<u32>,
    enabled: bool,
    mac: Option<Hex>,
    host_name: Option<String>,
    onvif: Option<String>,
    onvif_id: Option<String>,
    made: Option<String>,
    found_at: Option<MomentRow>,
    added_at: MomentRow,
}

impl From<&CameraCard> for CameraRow {
    fn from(card: &CameraCard) -> Self {
        let secret = |text: &String| SecretRow(Secret::new(text.clone()));
        CameraRow {
            name: card.name.clone(),
            room: card.room.map(Spelled),
            kind: card.kind.clone(),
            tls: card.tls,
            host: card.host.clone(),
            port: card.port,
            main_path: secret(&card.main_path),
            sub_path: card.sub_path.as_ref().map(secret),
            login: card.login.clone(),
            password: card.password.clone().map(SecretRow),
            transport: card.transport.clone(),
            trust: match &card.trust {
                StreamTrust::Unknown => TrustRow::Unknown,
                StreamTrust::Pinned(sha256) => TrustRow::Pinned(Hex(sha256.to_vec())),
                StreamTrust::Authority { pem, names_checked } => {
                    TrustRow::Authority { pem: pem.clone(), names_checked: *names_checked }
                }
            },
            quirks: card.quirks.clone(),
            sound: card.sound,
            recorded: card.recorded.clone(),
            place: card.place.clone(),
            plan: card.plan.mode.clone(),
            spans: card.plan.spans.iter().map(|span| (span.days, span.from, span.to)).collect(),
            starts: card.starts.clone(),
            pre_roll_secs: card.pre_roll_secs,
            post_roll_secs: card.post_roll_secs,
            quota_bytes: card.quota_bytes,
            keep_days: card.keep_days,
            enabled: card.enabled,
            mac: card.mac.map(|mac| Hex(mac.to_vec())),
            host_name: card.host_name.clone(),
            onvif: card.onvif.clone(),
            onvif_id: card.onvif_id.clone(),
            made: card.made.clone(),
            found_at: card.found_at.map(Into::into),
            added_at: card.added_at.into(),
        }
    }
}

impl CameraRow {
    pub fn card(self, id: Id, db: &Db) -> Result<CameraCard, BadRow> {
        Ok(CameraCard {
            id,
            name: self.name,
            room: self.room.map(|room| room.0),
            kind: self.kind,
            tls: self.tls,
            host: self.host,
            port: self.port,
            main_path: self.main_path.0.expose().clone(),
            sub_path: self.sub_path.map(|path| path.0.expose().clone()),
            login: self.login,
            password: self.password.map(|password| password.0),
            transport: self.transport,
            trust: match self.trust {
                TrustRow::Unknown => StreamTrust::Unknown,
                TrustRow::Pinned(sha256) => StreamTrust::Pinned(sha256.array()?),
                TrustRow::Authority { pem, names_checked } => StreamTrust::Authority { pem, names_checked },
            },
            quirks: self.quirks,
            sound: self.sound,
            recorded: self.recorded,
            place: self.place,
            plan: RecordingPlan {
                mode: self.plan,
                spans: self.spans.into_iter().map(|(days, from, to)| PlanSpan { days, from, to }).collect(),
            },
            starts: self.starts,
            pre_roll_secs: self.pre_roll_secs,
            post_roll_secs: self.post_roll_secs,
            quota_bytes: self.quota_bytes,
            keep_days: self.keep_days,
            enabled: self.enabled,
            mac: self.mac.map(|mac| mac.array().map_err(|_| BadRow("MAC address"))).transpose()?,
            host_name: self.host_name,
            onvif: self.onvif,
            onvif_id: self.onvif_id,
            made: self.made,
            found_at: self.found_at.map(|at| db.resolve(at.into())),
            added_at: db.resolve(self.added_at.into()),
        })
    }
}
