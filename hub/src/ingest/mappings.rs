//! The owner's own mappings: kept, loaded at the start, changed while the house runs, tried out on what was heard. What one
//! means is read by the dialect `mapping`; who may change one is asked by whoever opens the door.

use std::cell::OnceCell;
use std::sync::{Arc, PoisonError};

use domovoi_adapters::{Directory, Envelope, Road};
use domovoi_store::{MappingDrawer, StoreError};
use zeroize::Zeroizing;

use super::overheard::Overheard;
use super::{Ingest, MappingPaper, MappingWrong};

/// The dialect that reads them.
const MAPPING: &str = "mapping";

/// Why a mapping is not taken.
#[derive(Debug, thiserror::Error)]
pub enum MappingRefused {
    /// Something in it is wrong.
    #[error("mapping «{}»: {} {}", .0.id, .0.code, .0.detail)]
    Wrong(MappingWrong),
    /// There is none of this id.
    #[error("there is no mapping «{0}»")]
    NoSuch(String),
    /// The dialect is switched off in the settings: nothing would be read.
    #[error("mappings are switched off: dialects.bases.mapping is empty")]
    Silenced,
    /// The store would not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a mapping makes of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// None of its rows means the topic.
    pub unheard: bool,
    /// The device's id, where its rows mean the topic.
    pub device: Option<String>,
    /// What it would be called.
    pub name: Option<String>,
    /// What it says.
    pub said: Vec<TriedValue>,
    /// What could not be read: a code of [`domovoi_adapters::What`], where, and what stands there.
    pub faults: Vec<(&'static str, String, String)>,
    /// Whether the device can be reached, if that is what the message says.
    pub reachable: Option<bool>,
    /// A dialect that knows this topic and is asked first: the mapping will not hear it.
    pub claimed_by: Option<&'static str>,
}

/// A value that a mapping reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedValue {
    /// The property.
    pub property: String,
    /// The value, exactly.
    pub value: String,
    /// Its unit.
    pub unit: &'static str,
    /// It tells of a danger.
    pub danger: bool,
    /// It warns.
    pub warns: bool,
}

impl Ingest {
    /// Reads the owner's mappings and the keys of meters from the store. What cannot be used is told and left out.
    pub async fn load_own(&self) -> Result<(), StoreError> {
        self.load_meter_keys().await?;
        let (bodies, _) = self.store().mappings().all(MappingDrawer::Mapping).await?;
        let mut papers: Vec<MappingPaper> = Vec::new();
        for body in bodies {
            match serde_json::from_slice::<MappingPaper>(&body) {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("a mapping cannot be read: {error}"),
            }
        }
        papers.sort_by(|a, b| a.id.cmp(&b.id));
        // What an older program took and this one does not: the others are heard all the same.
        while let Err(wrong) = check(&papers) {
            tracing::error!(id = %wrong.id, row = ?wrong.row, "a mapping is left out: {} {}", wrong.code, wrong.detail);
            papers.retain(|paper| paper.id != wrong.id);
        }
        self.apply_mappings(papers);
        Ok(())
    }

    /// The mappings, by their ids.
    pub fn mappings(&self) -> Vec<MappingPaper> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps mappings, each in the place of the one of the same id; all of them or none. They count when this returns.
    pub async fn put_mappings(&self, some: Vec<MappingPaper>) -> Result<(), MappingRefused> {
        let _turn = self.mapping_turn.lock().await;
        if self.directory().bases(MAPPING).is_empty() {
            return Err(MappingRefused::Silenced);
        }
        let mut papers = self.mappings();
        for (at, paper) in some.iter().enumerate() {
            if some.iter().take(at).any(|other| other.id == paper.id) {
                let wrong = MappingWrong { id: paper.id.clone(), row: None, code: "same-id", detail: paper.id.clone() };
                return Err(MappingRefused::Wrong(wrong));
            }
            papers.retain(|other| other.id != paper.id);
        }
        papers.extend(some.iter().cloned());
        papers.sort_by(|a, b| a.id.cmp(&b.id));
        check(&papers).map_err(MappingRefused::Wrong)?;
        let mut rows = Vec::with_capacity(some.len());
        for paper in &some {
            let body = serde_json::to_vec(paper).map_err(|error| StoreError::Io(error.to_string()))?;
            rows.push((paper.id.as_str(), Zeroizing::new(body)));
        }
        self.store().mappings().put(MappingDrawer::Mapping, &rows).await?;
        self.apply_mappings(papers);
        Ok(())
    }

    /// Forgets a mapping. Its devices say nothing any more; they stay in the registry until somebody forgets them.
    pub async fn remove_mapping(&self, id: &str) -> Result<MappingPaper, MappingRefused> {
        let _turn = self.mapping_turn.lock().await;
        let mut papers = self.mappings();
        let at = papers.iter().position(|paper| paper.id == id);
        let gone = at.map(|at| papers.remove(at)).ok_or_else(|| MappingRefused::NoSuch(id.to_owned()))?;
        self.store().mappings().remove(MappingDrawer::Mapping, id).await?;
        self.apply_mappings(papers);
        Ok(gone)
    }

    /// Topics that nobody claims, or that a mapping means, with what was heard on them last.
    pub fn overheard(&self) -> Vec<Overheard> {
        self.overheard.all()
    }

    /// One of them.
    pub fn overheard_on(&self, topic: &str) -> Option<Overheard> {
        self.overheard.of(topic)
    }

    /// What a mapping would read out of a message. Nothing is recorded, told or learnt.
    pub fn try_mapping(&self, paper: &MappingPaper, topic: &str, payload: &[u8]) -> Result<Tried, MappingRefused> {
        let mut directory = Directory::default();
        let mapping = paper.to_mapping().map_err(MappingRefused::Wrong)?;
        directory.set_mappings(vec![mapping]).map_err(|error| MappingRefused::Wrong(paper.is_wrong(&error)))?;
        let received_at = self.clock.moment();
        let envelope = Envelope { road: Road::Embedded, sender: "", topic, payload, retained: false, received_at };
        let known = domovoi_adapters::readings(&envelope, &self.directory());
        let first = known.into_iter().map(|reading| reading.dialect.name).find(|name| *name != "esphome");
        let mut tried = Tried { claimed_by: first.filter(|name| *name != MAPPING), ..Tried::default() };
        let dialect = domovoi_adapters::dialect(MAPPING);
        let claimed = dialect.and_then(|dialect| Some((dialect, (dialect.claim)(&envelope, &directory)?)));
        let Some((dialect, claim)) = claimed else {
            tried.unheard = true;
            return Ok(tried);
        };
        tried.device = Some(claim.device.id.clone());
        let decoded = match (dialect.decode)(&claim, &envelope, &directory) {
            Ok(decoded) => decoded,
            Err(error) => {
                tried.faults.push((error.0.what.code(), error.0.at, error.0.excerpt));
                return Ok(tried);
            }
        };
        let said = OnceCell::new();
        let about = |property: &str| {
            let announced = said.get_or_init(|| decoded.announcements.first().cloned());
            announced.as_ref().or_else(|| directory.known(&claim.device)).and_then(|a| a.property(property).cloned())
        };
        tried.name = decoded.announcements.first().and_then(|about| about.name.clone());
        tried.name = tried.name.or_else(|| directory.known(&claim.device).and_then(|about| about.name.clone()));
        tried.reachable = decoded.reached.first().map(|reached| reached.available);
        tried.said = decoded
            .observations
            .iter()
            .map(|one| TriedValue {
                property: one.property.clone(),
                value: one.value.to_string(),
                unit: one.unit.symbol(),
                danger: one.hazard.is_some(),
                warns: about(&one.property).is_some_and(|info| info.cautions(&one.value)),
            })
            .collect();
        let faults = decoded.faults.into_iter().take(64);
        tried.faults = faults.map(|fault| (fault.what.code(), fault.at, fault.excerpt)).collect();
        Ok(tried)
    }

    fn apply_mappings(&self, papers: Vec<MappingPaper>) {
        let mappings = papers.iter().filter_map(|paper| paper.to_mapping().ok()).collect();
        let _turn = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = Arc::make_mut(&mut directory).set_mappings(mappings) {
            // They were checked: what is known stays.
            tracing::error!("the mappings do not count: {error}");
            return;
        }
        drop(directory);
        *self.mapped.lock().unwrap_or_else(PoisonError::into_inner) = papers;
        self.learnt.send_modify(|times| *times += 1);
    }
}

/// The first thing that is wrong.
fn check(papers: &[MappingPaper]) -> Result<(), MappingWrong> {
    let mappings = papers.iter().map(MappingPaper::to_mapping).collect::<Result<Vec<_>, _>>()?;
    Directory::default().set_mappings(mappings).map_err(|error| match papers.get(error.mapping) {
        Some(paper) => paper.is_wrong(&error),
        None => MappingWrong { id: String::new(), row: None, code: error.why.code(), detail: error.why.detail() },
    })
}
