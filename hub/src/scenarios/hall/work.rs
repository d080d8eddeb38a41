//! What is to be kept, and what is to be done after it was: everything that has gathered since the last time goes to the
//! disk in one step. What may wait for company does; what came to nothing was never there.

use std::collections::{BTreeMap, BTreeSet};

use domovoi_model::{Id, Timestamp};
use domovoi_store::{ScenarioBatch, ScenarioDrawer, ScenarioTrace};
use serde::Serialize;
use zeroize::Zeroizing;

use super::super::Deed;
use super::super::due::Now;
use super::super::run::Run;
use super::super::view::End;
use super::{Hall, TraceRow};

/// What no run depends on may wait so long for company on its way to the disk.
const LATER_MILLIS: i64 = 30_000;

/// Something that the household should know about a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub scenario: Id,
    /// What people call it.
    pub name: String,
    /// What.
    pub end: End,
}

/// What has gathered.
#[derive(Debug, Default)]
pub struct Changes {
    pub runs: BTreeSet<(Id, Id)>,
    pub marks: BTreeSet<Id>,
    pub deeds: Vec<Deed>,
    pub news: BTreeSet<Id>,
    gone: BTreeSet<Id>,
    traces: BTreeMap<Id, ScenarioTrace>,
    troubles: Vec<Trouble>,
    later: BTreeSet<Id>,
    since_millis: Option<i64>,
}

/// What is to be kept, and then done.
#[derive(Debug, Default)]
pub struct Work {
    /// For the disk.
    pub batch: ScenarioBatch,
    /// After that.
    pub deeds: Vec<Deed>,
    /// Scenarios that are otherwise.
    pub news: BTreeSet<Id>,
    /// For the household.
    pub troubles: Vec<Trouble>,
    runs: BTreeSet<(Id, Id)>,
    marks: BTreeSet<Id>,
}

impl Changes {
    /// A mark that may wait for company.
    pub fn later(&mut self, scenario: Id, now: &Now) {
        self.later.insert(scenario);
        self.since_millis.get_or_insert(now.millis);
    }

    pub fn trouble(&mut self, scenario: Id, name: &str, end: End) {
        self.troubles.push(Trouble { scenario, name: name.to_owned(), end });
    }

    /// A run is over: its row goes, its trace stays.
    pub fn over(&mut self, run: Run, end: End, now: &Now) -> TraceRow {
        self.runs.remove(&(run.scenario, run.id));
        self.gone.insert(run.id);
        // What is not done yet is not done any more.
        self.deeds.retain(|deed| deed.run != run.id);
        let at = now.wall.unwrap_or(Timestamp(0));
        let (id, scenario) = (run.id, run.scenario);
        let row = TraceRow { run, ended: now.moment().into(), end: end.code().to_owned() };
        self.traces.insert(id, ScenarioTrace { id, scenario, at, body: body(&row) });
        row
    }

    /// A scenario was forgotten with all that belongs to it.
    pub fn forget(&mut self, scenario: Id, runs: &[Id]) {
        self.runs.retain(|(of, _)| *of != scenario);
        self.marks.remove(&scenario);
        self.later.remove(&scenario);
        self.deeds.retain(|deed| deed.scenario != scenario);
        self.traces.retain(|_, trace| trace.scenario != scenario);
        runs.iter().for_each(|run| {
            self.gone.insert(*run);
        });
        self.news.insert(scenario);
    }
}

/// A row of ours always can be written.
pub fn body(row: &impl Serialize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(serde_json::to_vec(row).unwrap_or_default())
}

impl Hall {
    /// Whether something is to be kept or done now.
    pub fn has_work(&self, now: &Now) -> bool {
        let changes = &self.changes;
        let urgent = !changes.runs.is_empty()
            || !changes.marks.is_empty()
            || !changes.deeds.is_empty()
            || !changes.gone.is_empty()
            || !changes.traces.is_empty()
            || !changes.news.is_empty()
            || !changes.troubles.is_empty();
        urgent || changes.since_millis.is_some_and(|since| now.millis.saturating_sub(since) >= LATER_MILLIS)
    }

    /// Takes all that has gathered, also what may wait if there is anything to write.
    pub fn take_work(&mut self, all: bool, now: &Now) -> Work {
        let changes = &mut self.changes;
        let writes = all
            || !changes.runs.is_empty()
            || !changes.marks.is_empty()
            || !changes.gone.is_empty()
            || !changes.traces.is_empty()
            || changes.since_millis.is_some_and(|since| now.millis.saturating_sub(since) >= LATER_MILLIS);
        if writes {
            changes.marks.append(&mut changes.later);
            changes.since_millis = None;
        }
        let runs = std::mem::take(&mut changes.runs);
        let marks = std::mem::take(&mut changes.marks);
        let mut batch = ScenarioBatch {
            put: Vec::new(),
            remove: std::mem::take(&mut changes.gone).into_iter().map(|run| (ScenarioDrawer::Run, run)).collect(),
            traces: std::mem::take(&mut changes.traces).into_values().collect(),
        };
        let (deeds, news) = (std::mem::take(&mut changes.deeds), std::mem::take(&mut changes.news));
        let troubles = std::mem::take(&mut changes.troubles);
        for (scenario, id) in &runs {
            let run = self.actors.get(scenario).and_then(|actor| actor.runs.iter().find(|run| run.id == *id));
            if let Some(run) = run {
                batch.put.push((ScenarioDrawer::Run, *id, body(run)));
            }
        }
        for scenario in &marks {
            if let Some(actor) = self.actors.get(scenario) {
                batch.put.push((ScenarioDrawer::Mark, *scenario, body(&actor.mark())));
            }
        }
        Work { batch, deeds, news, troubles, runs, marks }
    }

    /// It could not be kept: it comes again with the next, and nothing of it is done before.
    pub fn give_back(&mut self, work: Work) {
        let changes = &mut self.changes;
        changes.runs.extend(work.runs);
        changes.marks.extend(work.marks);
        changes.gone.extend(work.batch.remove.into_iter().map(|(_, id)| id));
        for trace in work.batch.traces {
            changes.traces.entry(trace.id).or_insert(trace);
        }
        let gone = &changes.gone;
        let mut deeds: Vec<Deed> = work.deeds.into_iter().filter(|deed| !gone.contains(&deed.run)).collect();
        deeds.append(&mut changes.deeds);
        changes.deeds = deeds;
        changes.news.extend(work.news);
        changes.troubles.extend(work.troubles);
    }
}
