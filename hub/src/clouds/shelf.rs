//! What the room keeps: the link with each cloud, and what each cloud has. Sealed rows whose JSON is this room's own and
//! versioned; nobody else reads it.

use std::collections::BTreeMap;

use domovoi_model::Id;
use domovoi_store::{CloudDrawer, CloudPaper, CloudShelf, StoreError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const VERSION: u8 = 1;

/// How a link stands, as far as the cloud has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub(super) enum Standing {
    /// It works.
    Good,
    /// It cannot be renewed; what there is of it counts to its end.
    Ending { why: String },
    /// It is over until the owner links again.
    Relink { why: String },
}

/// All that a link is. Times are milliseconds of wall time.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredLink {
    pub version: u8,
    pub cloud: String,
    pub client_id: String,
    pub access: Option<String>,
    pub refresh: Option<String>,
    pub obtained_at: i64,
    pub expires_at: Option<i64>,
    pub granted: Vec<String>,
    pub since: i64,
    /// New tokens are being asked for: if this is read after a restart, the answer may have been lost with the power.
    pub renewing: bool,
    #[serde(flatten)]
    pub standing: Standing,
}

impl std::fmt::Debug for StoredLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredLink")
            .field("cloud", &self.cloud)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl StoredLink {
    pub const VERSION: u8 = VERSION;
}

/// A thing that a cloud has, or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thing {
    pub version: u8,
    pub cloud: String,
    pub id: String,
    pub name: String,
    pub room: Option<String>,
    /// It came from this very hub.
    pub ours: bool,
    pub since: i64,
    /// The cloud has it no more since then.
    pub gone_at: Option<i64>,
}

/// The shelf.
#[derive(Clone)]
pub(super) struct Shelf(pub CloudShelf);

impl Shelf {
    fn link_id(&self, cloud: &str) -> Id {
        self.0.id_of("cloud-link", &[cloud.as_bytes()])
    }

    fn thing_id(&self, cloud: &str, id: &str) -> Id {
        self.0.id_of("cloud-thing", &[cloud.as_bytes(), id.as_bytes()])
    }

    /// What this hub is called at a cloud: the same after every restart, and says nothing.
    pub fn device_id(&self, cloud: &str) -> String {
        self.0.id_of("cloud-device", &[cloud.as_bytes()]).to_string().replace('-', "")
    }

    /// The links that can be read, by their clouds, and how many cannot.
    pub async fn links(&self) -> Result<(BTreeMap<String, StoredLink>, usize), StoreError> {
        let (papers, mut damaged) = self.0.all(CloudDrawer::Link).await?;
        let mut links = BTreeMap::new();
        for paper in papers {
            match serde_json::from_slice::<StoredLink>(&paper.body) {
                Ok(link) if link.version == VERSION => drop(links.insert(link.cloud.clone(), link)),
                _ => damaged += 1,
            }
        }
        Ok((links, damaged))
    }

    /// The things that can be read.
    pub async fn things(&self) -> Result<Vec<Thing>, StoreError> {
        let (papers, _) = self.0.all(CloudDrawer::Thing).await?;
        let read = |paper: &CloudPaper| serde_json::from_slice::<Thing>(&paper.body).ok();
        Ok(papers.iter().filter_map(read).filter(|thing| thing.version == VERSION).collect())
    }

    /// Keeps a link; when this returns, it survives a power cut.
    pub async fn save(&self, link: &StoredLink) -> Result<(), StoreError> {
        let body = Zeroizing::new(serde_json::to_vec(link).unwrap_or_default());
        self.0.put(CloudDrawer::Link, &[CloudPaper { id: self.link_id(&link.cloud), body }]).await
    }

    pub async fn keep(&self, things: &[Thing]) -> Result<(), StoreError> {
        let paper = |thing: &Thing| CloudPaper {
            id: self.thing_id(&thing.cloud, &thing.id),
            body: Zeroizing::new(serde_json::to_vec(thing).unwrap_or_default()),
        };
        let papers: Vec<CloudPaper> = things.iter().map(paper).collect();
        self.0.put(CloudDrawer::Thing, &papers).await
    }

    /// Forgets a link and the things of its cloud in one step.
    pub async fn forget<'t>(&self, cloud: &str, things: impl Iterator<Item = &'t str>) -> Result<(), StoreError> {
        let things = things.map(|id| (CloudDrawer::Thing, self.thing_id(cloud, id)));
        let gone: Vec<_> = std::iter::once((CloudDrawer::Link, self.link_id(cloud))).chain(things).collect();
        self.0.remove(&gone).await
    }
}
