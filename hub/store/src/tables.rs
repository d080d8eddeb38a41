//! The sealed tables by name, and sealing for them. Adding a table means one line here; rotation and verification then
//! walk over it too.

use domovoi_vault::{Place, Vault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::StoreError;

/// A table whose rows have an `id` and a `sealed`.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: &'static str,
    /// Whether `id` is an INTEGER; otherwise it is a BLOB.
    pub numbered: bool,
    /// The format of the plaintext, bound into the seal. A migration that changes the format seals anew.
    pub version: u16,
    /// How many rows rotation and verification take at once: few where rows are large.
    pub batch: i64,
}

const fn table(name: &'static str) -> Table {
    Table { name, numbered: false, version: 1, batch: 100 }
}

pub(crate) static JOURNAL: Table = Table { name: "journal", numbered: true, version: 1, batch: 50 };
pub(crate) static BOOT: Table = table("boot");
pub(crate) static CURSOR: Table = table("cursor");
pub(crate) static ACCOUNT: Table = table("account");
pub(crate) static POINT: Table = table("point");
pub(crate) static METER: Table = table("meter");
pub(crate) static LEDGER: Table = Table { name: "ledger", numbered: true, version: 1, batch: 200 };
pub(crate) static ACT: Table = table("act");
pub(crate) static PHOTO: Table = Table { name: "photo", numbered: false, version: 1, batch: 1 };
pub(crate) static SECRET: Table = table("secret");
pub(crate) static CREDENTIAL: Table = table("credential");
pub(crate) static NOTICE: Table = table("notice");
pub(crate) static PERSON: Table = table("person");
pub(crate) static FACTOR: Table = table("factor");
pub(crate) static SESSION: Table = table("session");
pub(crate) static ACCESS_TOKEN: Table = table("access_token");
pub(crate) static CONSENT: Table = table("consent");
pub(crate) static PERSON_KEY: Table = table("person_key");
pub(crate) static AUDIT: Table = Table { name: "audit", numbered: true, version: 1, batch: 200 };
pub(crate) static AUDIT_HEAD: Table = Table { name: "audit_head", numbered: true, version: 1, batch: 1 };
pub(crate) static SERIES: Table = Table { name: "series", numbered: true, version: 1, batch: 200 };
pub(crate) static BLOCK: Table = Table { name: "block", numbered: true, version: 1, batch: 50 };
pub(crate) static ROLLUP: Table = Table { name: "rollup", numbered: true, version: 1, batch: 50 };
pub(crate) static HISTORY_MARK: Table = Table { name: "history_mark", numbered: true, version: 1, batch: 10 };
pub(crate) static BROKER_LOG: Table = Table { name: "broker_log", numbered: true, version: 1, batch: 50 };
pub(crate) static ROOM: Table = table("room");
pub(crate) static DEVICE: Table = table("device");
pub(crate) static DEVICE_WORD: Table = Table { name: "device_word", numbered: false, version: 1, batch: 4 };
pub(crate) static FAREWELL: Table = table("farewell");

pub(crate) static SAFETY_RULE: Table = table("safety_rule");
pub(crate) static DANGER: Table = table("danger");

pub(crate) static CAMERA: Table = Table { name: "camera", numbered: false, version: 1, batch: 4 };
pub(crate) static CAMERA_DAY: Table = Table { name: "camera_day", numbered: true, version: 1, batch: 200 };
pub(crate) static SEGMENT: Table = Table { name: "segment", numbered: false, version: 1, batch: 200 };
pub(crate) static CAMERA_MARK: Table = table("camera_mark");

pub(crate) static ALERT: Table = table("alert");
pub(crate) static ALERT_MARK: Table = table("alert_mark");
pub(crate) static ALERT_FEED: Table = table("alert_feed");

pub(crate) static TELLING_WISH: Table = table("telling_wish");
pub(crate) static TELLING: Table = Table { name: "telling", numbered: false, version: 1, batch: 200 };

pub(crate) static CALENDAR_EVENT: Table = table("calendar_event");
pub(crate) static CALENDAR_MARK: Table = table("calendar_mark");
pub(crate) static CALENDAR_SOURCE: Table = table("calendar_source");
pub(crate) static CALENDAR_DOCUMENT: Table = Table { name: "calendar_document", numbered: false, version: 1, batch: 1 };
pub(crate) static CALENDAR_FEED: Table = table("calendar_feed");
pub(crate) static CLOUD_LINK: Table = table("cloud_link");
pub(crate) static CLOUD_THING: Table = table("cloud_thing");
pub(crate) static MESSAGE: Table = table("message");
pub(crate) static MESSAGE_OUT: Table = table("message_out");
pub(crate) static MESSAGE_MARK: Table = table("message_mark");

pub(crate) static SCENARIO: Table = Table { name: "scenario", numbered: false, version: 1, batch: 20 };
pub(crate) static SCENARIO_MARK: Table = table("scenario_mark");
pub(crate) static SCENARIO_RUN: Table = table("scenario_run");
pub(crate) static SCENARIO_TRACE: Table = table("scenario_trace");

pub(crate) static PRESENCE: Table = table("presence");
pub(crate) static PRESENCE_LINK: Table = table("presence_link");
pub(crate) static MAPPING: Table = table("mapping");
pub(crate) static METER_KEY: Table = table("meter_key");

pub(crate) static TARIFF: Table = table("tariff");
pub(crate) static WARMTH_PLACE: Table = table("warmth_place");

pub(crate) static SEALED: [&Table; 60] = [
    &JOURNAL,
    &BOOT,
    &CURSOR,
    &ACCOUNT,
    &POINT,
    &METER,
    &LEDGER,
    &ACT,
    &PHOTO,
    &SECRET,
    &CREDENTIAL,
    &NOTICE,
    &PERSON,
    &FACTOR,
    &SESSION,
    &ACCESS_TOKEN,
    &CONSENT,
    &PERSON_KEY,
    &AUDIT,
    &AUDIT_HEAD,
    &SERIES,
    &BLOCK,
    &ROLLUP,
    &HISTORY_MARK,
    &BROKER_LOG,
    &ROOM,
    &DEVICE,
    &DEVICE_WORD,
    &FAREWELL,
    &SAFETY_RULE,
    &DANGER,
    &CAMERA,
    &CAMERA_DAY,
    &SEGMENT,
    &CAMERA_MARK,
    &ALERT,
    &ALERT_MARK,
    &ALERT_FEED,
    &TELLING_WISH,
    &TELLING,
    &CALENDAR_EVENT,
    &CALENDAR_MARK,
    &CALENDAR_SOURCE,
    &CALENDAR_DOCUMENT,
    &CALENDAR_FEED,
    &MESSAGE,
    &MESSAGE_OUT,
    &MESSAGE_MARK,
    &SCENARIO,
    &SCENARIO_MARK,
    &SCENARIO_RUN,
    &SCENARIO_TRACE,
    &CLOUD_LINK,
    &CLOUD_THING,
    &PRESENCE,
    &PRESENCE_LINK,
    &MAPPING,
    &METER_KEY,
    &TARIFF,
    &WARMTH_PLACE,
];

impl Table {
    fn place<'a>(&self, row: &'a [u8]) -> Place<'a> {
        Place { table: self.name, row, version: self.version }
    }

    pub fn seal(&self, vault: &Vault, row: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(vault.seal(self.place(row), plaintext)?)
    }

    pub fn open(&self, vault: &Vault, row: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        vault.open_sealed(self.place(row), blob).map_err(|error| self.damaged(row, error))
    }

    pub fn seal_json<T: Serialize>(&self, vault: &Vault, row: &[u8], value: &T) -> Result<Vec<u8>, StoreError> {
        let plaintext = serde_json::to_vec(value).map(Zeroizing::new).map_err(|error| self.damaged(row, error))?;
        self.seal(vault, row, &plaintext)
    }

    pub fn open_json<T: DeserializeOwned>(&self, vault: &Vault, row: &[u8], blob: &[u8]) -> Result<T, StoreError> {
        let plaintext = self.open(vault, row, blob)?;
        // The reason is not passed on: serde_json quotes what it could not read.
        serde_json::from_slice(&plaintext).map_err(|_| self.damaged(row, "its content is not what this program writes"))
    }

    pub fn damaged(&self, row: &[u8], why: impl std::fmt::Display) -> StoreError {
        StoreError::damaged(format!("{} row {}: {why}", self.name, self.spell(row)))
    }

    /// A row's id as a person sees it in `sqlite3`: a number, or hex digits.
    pub fn spell(&self, row: &[u8]) -> String {
        match (self.numbered, <[u8; 8]>::try_from(row)) {
            (true, Ok(bytes)) => i64::from_be_bytes(bytes).to_string(),
            _ => row.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
