//! What carries the hall: hears the bus, keeps what is to be kept, and only then has it done. One commit is under way at a
//! time, and whatever gathers meanwhile goes with the next; hearing never waits for the disk.

use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Id, Value};
use domovoi_store::{Notice, StoreError};
use futures_util::FutureExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::hall::Work;
use super::happening::Happening;
use super::plan::{AlertMoment, Place};
use super::view::End;
use super::{Deed, DeedWhat, Inner, Outcome, Scenarios, rights};
use crate::bus::{AlertChange, AlertNews, Ears, Event, PropertyState};

/// How long a deed may take before the run goes on without it.
const DEED_TAKES: Duration = Duration::from_secs(60);

/// After the disk refused.
const RETRY: Duration = Duration::from_secs(2);

/// How much that happens is taken in before the disk and the clock are looked at.
const AT_ONCE: usize = 256;

/// How long deeds that are under way are waited for when the house stops.
const FAREWELL: Duration = Duration::from_secs(3);

const THIN_EVERY: Duration = Duration::from_secs(3600);
const DAY_MILLIS: i64 = 86_400_000;

enum Job {
    Kept(Work, Result<(), StoreError>),
    Came(Deed, Outcome),
    Thinned,
}

impl Scenarios {
    /// Listens, follows the clock and does what is to be done, until `stop` turns true.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let inner = &self.0;
        let ears = inner.ears.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(ears) = ears else { return };
        inner.is_running.store(true, std::sync::atomic::Ordering::SeqCst);
        Box::pin(Engine::new(Arc::clone(inner), ears).run(stop)).await;
        inner.is_running.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}

struct Engine {
    inner: Arc<Inner>,
    ears: Ears,
    jobs: JoinSet<Job>,
    is_keeping: bool,
    retry_at: Option<Instant>,
    began: Instant,
    /// When something became known that was not, before states have settled.
    learned: Instant,
    thin_at: Instant,
}

impl Engine {
    fn new(inner: Arc<Inner>, ears: Ears) -> Self {
        let now = Instant::now();
        Engine {
            inner,
            ears,
            jobs: JoinSet::new(),
            is_keeping: false,
            retry_at: None,
            began: now,
            learned: now,
            thin_at: now,
        }
    }

    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.inner.hall().learn_all();
        loop {
            let rest = self.turn();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(job) = self.jobs.join_next(), if !self.jobs.is_empty() => self.done(job.ok()),
                heard = self.ears.recv() => self.heard(heard),
                () = self.inner.bell.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
            for _ in 0..AT_ONCE {
                match self.ears.recv().now_or_never() {
                    Some(heard) => self.heard(heard),
                    None => break,
                }
            }
        }
        self.farewell().await;
    }

    /// Looks at the clock, keeps what is to be kept; how long nothing will be due.
    fn turn(&mut self) -> Duration {
        let now = self.inner.now();
        let mut hall = self.inner.hall();
        let mut rest = Duration::from_millis(u64::try_from(hall.rest(&now)).unwrap_or(0));
        if !hall.is_armed() {
            let section = &self.inner.section;
            let (quiet, all) = (self.learned.elapsed(), self.began.elapsed());
            if quiet >= section.settles_in || all >= section.settles_at_latest {
                hall.learn_all();
                hall.arm(&now);
                tracing::info!(scenarios = hall.len(), "states have settled: scenarios are armed");
            } else {
                rest = (section.settles_in - quiet).min(section.settles_at_latest - all);
            }
        }
        hall.tick(&now);
        if hall.go_on(&now) {
            rest = Duration::ZERO;
        }
        let may_keep = !self.is_keeping && self.retry_at.is_none_or(|at| at <= Instant::now());
        let work = (may_keep && hall.has_work(&now)).then(|| hall.take_work(false, &now));
        if hall.is_armed() && rest != Duration::ZERO {
            rest = Duration::from_millis(u64::try_from(hall.rest(&now)).unwrap_or(0)).max(Duration::from_millis(5));
        }
        drop(hall);
        if let Some(work) = work {
            self.keep(work);
        }
        if let Some(at) = self.retry_at {
            rest = rest.min(at.saturating_duration_since(Instant::now()).max(Duration::from_millis(5)));
        }
        if self.thin_at <= Instant::now() && !self.is_keeping {
            self.thin();
        }
        rest
    }

    fn keep(&mut self, work: Work) {
        if work.batch.is_empty() {
            return self.kept(work);
        }
        self.is_keeping = true;
        self.retry_at = None;
        let shelf = self.inner.store.scenarios();
        self.jobs.spawn(async move {
            let kept = shelf.commit(&work.batch).await;
            Job::Kept(work, kept)
        });
    }

    /// It is durable: now it is done and told.
    fn kept(&mut self, work: Work) {
        for deed in work.deeds {
            let inner = Arc::clone(&self.inner);
            self.jobs.spawn(async move {
                let outcome = inner.perform(&deed).await;
                Job::Came(deed, outcome)
            });
        }
        for scenario in work.news {
            self.inner.bus.tell(Event::Scenario(scenario));
        }
        for trouble in work.troubles {
            let inner = Arc::clone(&self.inner);
            self.jobs.spawn(async move {
                inner.notice(trouble.scenario, &trouble.name, trouble.end).await;
                Job::Thinned
            });
        }
    }

    fn done(&mut self, job: Option<Job>) {
        match job {
            Some(Job::Kept(work, Ok(()))) => {
                self.is_keeping = false;
                self.kept(work);
            }
            Some(Job::Kept(work, Err(error))) => {
                self.is_keeping = false;
                self.retry_at = Some(Instant::now() + RETRY);
                tracing::error!(
                    "what scenarios are about to do cannot be written down, so it is not done yet: {error}"
                );
                self.inner.hall().give_back(work);
            }
            Some(Job::Came(deed, outcome)) => {
                let now = self.inner.now();
                self.inner.hall().outcome(deed.scenario, deed.run, deed.id, outcome, &now);
            }
            Some(Job::Thinned) | None => {}
        }
    }

    fn thin(&mut self) {
        self.thin_at = Instant::now() + THIN_EVERY;
        let Some(now) = self.inner.clock.trusted() else { return };
        let before = now.plus_millis(-i64::from(self.inner.section.keep_days) * DAY_MILLIS);
        let (shelf, keep) = (self.inner.store.scenarios(), self.inner.section.keep_traces);
        self.jobs.spawn(async move {
            if let Err(error) = shelf.thin(before, keep).await {
                tracing::warn!("old traces of scenarios are not forgotten yet: {error}");
            }
            Job::Thinned
        });
    }

    fn heard(&mut self, heard: Result<Event, (RecvError, bool)>) {
        match heard {
            Ok(Event::Recorded(samples)) => {
                let now = self.inner.now();
                let mut hall = self.inner.hall();
                for sample in samples.iter().map(|recorded| &recorded.item) {
                    if !hall.is_armed() && hall.is_unknown(&sample.device, &sample.property) {
                        self.learned = Instant::now();
                    }
                    hall.stands(&sample.device, &sample.property, Some(&sample.value), &now);
                }
            }
            Ok(Event::State(states)) => states.iter().for_each(|state| self.state(state)),
            Ok(Event::Presence(news)) => {
                let now = self.inner.now();
                self.inner.hall().person(news.person, news.home, news.anybody, &now);
            }
            Ok(Event::Alert(news)) => self.alert(&news),
            Ok(_) => {}
            Err((RecvError::Lagged(missed), _)) => {
                tracing::warn!(missed, "scenarios have missed what happened: how everything stands is asked again");
                self.ask_again();
            }
            Err((RecvError::Closed, _)) => {}
        }
    }

    /// Only whether a property is known comes from here: its values count when they are recorded.
    fn state(&mut self, state: &PropertyState) {
        let now = self.inner.now();
        let mut hall = self.inner.hall();
        if state.expired || state.value.is_none() {
            hall.stands(&state.device, &state.property, None, &now);
        } else if hall.is_unknown(&state.device, &state.property) {
            if !hall.is_armed() {
                self.learned = Instant::now();
            }
            match &state.value {
                Some(value) if state.restored => hall.learn(&state.device, &state.property, value, &now),
                value => hall.stands(&state.device, &state.property, value.as_ref(), &now),
            }
        }
    }

    fn ask_again(&mut self) {
        let Some(around) = self.inner.around.get() else { return };
        let now = self.inner.now();
        let places: Vec<Place> = self.inner.values.places();
        let standing: Vec<(Place, Option<Value>)> = places
            .into_iter()
            .map(|place| ((around.state)(&place), place))
            .map(|(value, place)| (place, value))
            .collect();
        let mut hall = self.inner.hall();
        for (place, value) in standing {
            hall.stands(&place.device, &place.property, value.as_ref(), &now);
        }
    }

    fn alert(&mut self, news: &AlertNews) {
        let alert = &news.alert;
        let moment = match news.change {
            AlertChange::Raised | AlertChange::Updated { worse: true } => AlertMoment::Raised,
            AlertChange::Over => AlertMoment::Over,
            AlertChange::Updated { worse: false } | AlertChange::Acknowledged => return,
        };
        // An exercise moves nobody's valves.
        if alert.status != domovoi_model::AlertStatus::Actual {
            return;
        }
        let happening = Happening::Alert {
            peril: alert.peril,
            severity: alert.severity,
            life: alert.life,
            moment,
            title: alert.peril.code().to_owned(),
        };
        let now = self.inner.now();
        self.inner.hall().happened(happening, &now);
    }

    /// What is under way is waited for a little; what was not handed over yet is as if it had not begun.
    async fn farewell(mut self) {
        let over = Instant::now() + FAREWELL;
        while let Ok(Some(job)) = tokio::time::timeout_at(over, self.jobs.join_next()).await {
            match job.ok() {
                Some(Job::Kept(work, Ok(()))) => self.inner.hall().undo(&work.deeds),
                Some(Job::Kept(work, Err(_))) => self.inner.hall().give_back(work),
                other => self.done(other),
            }
        }
        let work = {
            let now = self.inner.now();
            let mut hall = self.inner.hall();
            let mut work = hall.take_work(true, &now);
            let deeds = std::mem::take(&mut work.deeds);
            if !deeds.is_empty() {
                hall.undo(&deeds);
                hall.give_back(work);
                work = hall.take_work(true, &now);
            }
            work
        };
        if let Err(error) = self.inner.store.scenarios().commit(&work.batch).await {
            tracing::error!("how far scenarios have come could not be written down: {error}");
        }
    }
}

impl Inner {
    async fn perform(&self, deed: &Deed) -> Outcome {
        let Some(around) = self.around.get() else { return Outcome::Failed("the house is not open".to_owned()) };
        if let Err(refusal) = rights::may(deed, around, self.policy_now()) {
            return Outcome::Refused(refusal);
        }
        match tokio::time::timeout(DEED_TAKES, (around.perform)(deed.clone())).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let what = match deed.what {
                    DeedWhat::Command(_) => "the command",
                    DeedWhat::Notify { .. } => "the message",
                    DeedWhat::Reading { .. } => "the reading",
                };
                Outcome::Failed(format!("{what} took longer than {} s", DEED_TAKES.as_secs()))
            }
        }
    }

    /// The household is told that something is wrong with a scenario; told once until somebody has seen to it.
    async fn notice(&self, scenario: Id, name: &str, end: End) {
        let kind = match end {
            End::NotAllowed => "scenario_not_allowed",
            _ => "scenario_too_often",
        };
        let key = format!("{kind}:{scenario}");
        let params = vec![("scenario".to_owned(), name.to_owned())];
        let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
        match self.store.notices().raise(&key, &notice).await {
            Ok(true) => self.bus.tell(Event::Notice(key.into())),
            Ok(false) => {}
            Err(error) => tracing::error!("a notice of a scenario cannot be kept: {error}"),
        }
    }
}
