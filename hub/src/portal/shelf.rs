//! Where the link is kept: one sealed secret of the store, `portal.link`, durable before a save returns.
//!
//! Its JSON is this room's own and versioned; nobody else reads it.

use std::time::Duration;

use domovoi_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

const NAME: &str = "portal.link";
const VERSION: u8 = 1;

/// The link could not be read or kept.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ShelfError(String);

/// How the link stands, as far as the portal has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub(crate) enum Standing {
    Good,
    Relink { why: String },
    Pending,
    Blocked { detail: String },
}

/// All that a link is. Times are milliseconds of wall time.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredLink {
    pub version: u8,
    pub issuer: String,
    pub client_id: String,
    pub token_endpoint: String,
    pub revocation_endpoint: Option<String>,
    pub access_token: Option<String>,
    pub refresh_token: Option<String>,
    pub obtained_at: i64,
    pub expires_at: Option<i64>,
    /// The secret scalar of the DPoP key; `None` for bearer tokens.
    pub dpop_key: Option<String>,
    pub asked: Vec<String>,
    pub granted: Vec<String>,
    pub subject: Option<String>,
    pub since: i64,
    #[serde(flatten)]
    pub standing: Standing,
}

impl StoredLink {
    pub const VERSION: u8 = VERSION;

    /// How long the access token lives in all, if the portal said.
    pub fn life(&self) -> Option<Duration> {
        let millis = self.expires_at?.saturating_sub(self.obtained_at);
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }
}

impl std::fmt::Debug for StoredLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredLink")
            .field("issuer", &self.issuer)
            .field("granted", &self.granted)
            .field("since", &self.since)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl From<StoreError> for ShelfError {
    fn from(why: StoreError) -> Self {
        ShelfError(format!("the portal link in the store: {why}"))
    }
}

/// The one place of the link.
#[derive(Clone)]
pub struct Shelf(Store);

impl Shelf {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Shelf(store)
    }

    /// Forgets the link. Forgetting nothing is fine.
    pub(crate) async fn clear(&self) -> Result<(), ShelfError> {
        self.0.secrets().delete(NAME).await?;
        Ok(())
    }

    /// The link, if there is one.
    pub(crate) async fn load(&self) -> Result<Option<StoredLink>, ShelfError> {
        let Some(bytes) = self.0.secrets().get(NAME).await? else { return Ok(None) };
        match serde_json::from_slice::<StoredLink>(bytes.expose()) {
            Ok(link) if link.version == VERSION => Ok(Some(link)),
            Ok(link) => Err(ShelfError(format!(
                "the portal link was kept by another version of this program (form {}, this one knows {VERSION}): \
                 delete the secret `{NAME}` and link again",
                link.version
            ))),
            // serde_json's message may quote what it found, so it stays out.
            Err(_) => Err(ShelfError(format!("the secret `{NAME}` cannot be read: delete it and link again"))),
        }
    }

    /// Keeps the link; when this returns, it survives a power cut.
    pub(crate) async fn save(&self, link: &StoredLink) -> Result<(), ShelfError> {
        let bytes = serde_json::to_vec(link).map_err(|_| ShelfError("the portal link cannot be written".to_owned()))?;
        self.0.secrets().put(NAME, &bytes).await?;
        Ok(())
    }
}
