//! Performs what the desk says: letters to their channels, questions about them, what stands taken away; and goes on with what
//! is due. Every letter is on a task of its own: a channel that hangs or breaks keeps nothing else waiting.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Id, PersonId};
use domovoi_store::{Notice, StoreError, TellingFilter, TellingKind};
use tokio::sync::watch;

use super::channels::{Address, Ears, Failed, Heard, Sent};
use super::desk::{Dispatch, Job, Loaded};
use super::record::{At, HouseUse, Route};
use super::{NewWay, Notify, NotifyError, Subject, paper, trial, wish_paper};
use crate::bus::Event;

/// A channel answers within twenty seconds of its own; who does not is given up.
const LONGEST_SEND: Duration = Duration::from_secs(25);
/// How often it is looked after what is kept back.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// And after anything else.
const REST: Duration = Duration::from_secs(20);
/// How often what is too old is taken away.
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 3600);
/// So much at once.
const PRUNE_AT_ONCE: u32 = 2000;
/// So many rows are looked through at the start.
const LOAD_ROWS: u32 = 5000;
/// So much is taken up that is not over; of what is older only the telling is known.
const LOAD_CASES: usize = 400;

impl Notify {
    /// Carries what is due, writes down what was told, until told to stop.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let writing = self.0.writer.run(|| self.0.clock.at_least(), |jobs| self.start_all(jobs));
        tokio::select! {
            () = writing => {}
            () = self.go_on() => {}
            () = self.listen(stop.clone()) => {}
            () = self.prune() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        // What was said last is written too, if the disk takes it.
        match tokio::time::timeout(Duration::from_secs(2), self.0.writer.write(self.0.clock.at_least())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!("what was told last is not written down: {error}"),
            Err(_) => tracing::error!("what was told last is not written down: the disk does not answer"),
        }
    }

    /// Hears what comes back by the channels: answers, and people who show where they are reached.
    async fn listen(&self, stop: watch::Receiver<bool>) {
        let (answers, links) = (self.clone(), self.clone());
        let ears = Ears {
            answered: Arc::new(move |token| {
                let heard = if answers.answer_by_token(&token).is_ok() { Heard::Taken } else { Heard::Stale };
                Box::pin(async move { heard })
            }),
            linked: Arc::new(move |channel, code, address| {
                let room = links.clone();
                Box::pin(async move { room.linked(channel, &code, address).await })
            }),
        };
        let listening = self.0.channels.iter().map(|channel| {
            let (channel, ears, stop) = (Arc::clone(channel), ears.clone(), stop.clone());
            // One that breaks is deaf from then on, and takes nobody with it.
            tokio::spawn(async move { channel.listen(&ears, stop).await })
        });
        for one in listening.collect::<Vec<_>>() {
            if let Err(error) = one.await {
                tracing::error!("a channel hears nothing any more: {error}");
            }
        }
        std::future::pending::<()>().await;
    }

    /// Somebody showed a code at the other end of a channel: that is where they are reached.
    async fn linked(&self, channel: &'static str, code: &str, address: Address) -> Heard {
        let Some(person) = self.0.links.take(code) else { return Heard::Stale };
        let new = NewWay {
            channel: channel.to_owned(),
            label: String::new(),
            address,
            used: HouseUse::Last,
            test_anyway: false,
        };
        match self.add_route(Some(person), new).await {
            Ok(_) => Heard::Taken,
            Err(error) => {
                tracing::warn!(channel, "whoever showed a code there is not reached there: {error}");
                Heard::Stale
            }
        }
    }

    /// A code for somebody to show at the other end of a channel, within a quarter of an hour.
    pub fn link_code(&self, person: PersonId) -> Result<String, NotifyError> {
        let random = |error: domovoi_vault::RandomError| StoreError::Io(error.to_string());
        Ok(self.0.links.offer(person).map_err(random)?)
    }

    /// Wakes the room: a clock was turned, a setting changed.
    pub fn look(&self) {
        self.0.bell.notify_one();
    }

    async fn go_on(&self) {
        loop {
            self.step();
            let wait = {
                let desk = self.desk();
                let longest = if desk.keeps_back() || self.0.writer.is_behind() { LOOK_EVERY } else { REST };
                let now = self.at().tick;
                let due = desk.next_due().map(|due| u64::try_from(due.saturating_sub(now)).unwrap_or(0));
                due.map_or(longest, |millis| Duration::from_millis(millis.max(10)).min(longest))
            };
            let _ = tokio::time::timeout(wait, self.0.bell.notified()).await;
        }
    }

    /// Does once what is due.
    pub fn step(&self) {
        let home = self.home();
        let now = self.at();
        let out = {
            let mut desk = self.desk();
            self.sync_contacts(&mut desk, &home);
            desk.due(&home, now)
        };
        let quiet = out.rows.is_empty() && out.jobs.is_empty() && out.ways.is_empty() && out.standing.is_empty();
        if !quiet {
            self.perform(out);
        }
        self.start_all(self.0.writer.impatient(now.tick));
        self.try_ways(now);
    }

    pub(super) fn start_all(&self, jobs: Vec<Job>) {
        for job in jobs {
            self.start(job);
        }
    }

    /// Starts a job on a task of its own.
    pub(super) fn start(&self, job: Job) {
        let room = self.clone();
        match job {
            Job::Send(dispatch) => {
                self.0.runtime.spawn(async move {
                    let id = dispatch.id;
                    // What waited for the disk may be over by now.
                    if !room.desk().departs(id) {
                        return;
                    }
                    let outcome = room.carry(*dispatch).await;
                    room.came(id, outcome);
                });
            }
            Job::Ask { id, channel, to, receipt } => {
                self.0.runtime.spawn(async move {
                    let asking =
                        tokio::spawn(
                            async move { tokio::time::timeout(LONGEST_SEND, channel.ask(&to, &receipt)).await },
                        );
                    let said = match asking.await {
                        Ok(Ok(said)) => said,
                        Ok(Err(_)) => Err(Failed::Again { why: "no answer in time".into(), after: None }),
                        Err(_) => Ok(None),
                    };
                    let out = room.desk().heard(id, said, room.at());
                    room.perform(out);
                });
            }
            Job::Clear { channel, to, subject } => {
                self.0.runtime.spawn(async move {
                    let name = channel.name();
                    match tokio::time::timeout(LONGEST_SEND, channel.clear(&to, &subject)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::warn!(channel = name, "what stood is not taken away: {error}"),
                        Err(_) => tracing::warn!(channel = name, "what stood is not taken away: no answer in time"),
                    }
                });
            }
        }
    }

    /// Hands a letter over.
    pub(super) async fn carry(&self, dispatch: Dispatch) -> Result<Sent, Failed> {
        let Dispatch { channel, to, letter, life, .. } = dispatch;
        let name = channel.name();
        let lane = if life { Some(&self.0.life_lane) } else { self.0.lanes.get(name) };
        let _place = match lane {
            Some(lane) => Arc::clone(lane).acquire_owned().await.ok(),
            None => None,
        };
        // On a task of its own: one that breaks is a letter that was not carried, and nothing worse.
        let sending = tokio::spawn(async move { tokio::time::timeout(LONGEST_SEND, channel.send(&to, &letter)).await });
        match sending.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failed::Again { why: format!("«{name}» did not answer in time"), after: None }),
            Err(error) => {
                tracing::error!(channel = name, "a channel broke: {error}");
                Err(Failed::Refused(format!("«{name}» broke; see the log")))
            }
        }
    }

    pub(super) fn came(&self, id: Id, outcome: Result<Sent, Failed>) {
        if let Err(error) = &outcome {
            tracing::warn!("a letter was not carried: {error}");
        }
        let home = self.home();
        let out = self.desk().came(id, outcome, &home, self.at());
        self.perform(out);
    }

    /// People hear of a way that fails by another way: it is a notice like any other.
    pub(super) fn tell_standing(&self, route: Route, does: bool) {
        let (store, bus, at) = (self.0.store.clone(), self.0.bus.clone(), self.0.clock.moment());
        let name = route.person.and_then(|id| self.0.people.get(id)).map(|person| person.name);
        let key = format!("notify.way.{}", route.id);
        self.0.runtime.spawn(async move {
            let result = if does {
                store.notices().clear(&key).await
            } else {
                let why = route.last_failure.map(|(_, why)| why).unwrap_or_default();
                let params = vec![
                    ("way".to_owned(), if route.label.is_empty() { route.channel.clone() } else { route.label }),
                    ("name".to_owned(), name.unwrap_or_else(|| "Domovoi".to_owned())),
                    ("why".to_owned(), why),
                ];
                store.notices().raise(&key, &Notice { kind: "telling_way_failing".into(), params, at }).await
            };
            match result {
                Ok(true) => bus.tell(Event::Notice(key.as_str().into())),
                Ok(false) => {}
                Err(error) => tracing::error!("that a way fails could not be noted: {error}"),
            }
        });
    }

    /// Ways whose weekly test is due are tried.
    fn try_ways(&self, now: At) {
        if !now.trusted {
            return;
        }
        let (section, zone) = (&self.0.section, &self.0.zone);
        let due: Vec<Id> = {
            let desk = self.desk();
            let wanted = |route: &&Route| {
                let channel = self.0.channels.iter().find(|channel| channel.name() == route.channel);
                let harmless = channel.is_some_and(|channel| !channel.costs() && !channel.is_of_the_house());
                let last = route.tested_at.max(route.added_at);
                route.off.is_none()
                    && (harmless || (route.test_anyway && channel.is_some()))
                    && trial::is_due(section, last, now.wall, zone)
            };
            desk.routes().filter(wanted).map(|route| route.id).collect()
        };
        for way in due {
            let out = self.desk().try_way(way, now);
            self.perform(out);
        }
    }

    /// Takes away what is too old to be known.
    async fn prune(&self) {
        let keep = i64::try_from(self.0.section.keep.as_millis()).unwrap_or(i64::MAX);
        loop {
            if let Some(now) = self.0.clock.trusted() {
                match self.0.store.tellings().prune(now.plus_millis(-keep), PRUNE_AT_ONCE).await {
                    Ok(gone) if gone >= u64::from(PRUNE_AT_ONCE) => continue,
                    Ok(_) => {}
                    Err(error) => tracing::warn!("what was told long ago is not taken away: {error}"),
                }
            }
            tokio::time::sleep(PRUNE_EVERY).await;
        }
    }

    /// Takes up what was left. What cannot be read is told and left out: what is told from now on is told.
    pub(super) async fn load(&self) {
        let tellings = self.0.store.tellings();
        let now = self.at();
        match tellings.wishes().await {
            Ok((rows, _)) => {
                let mut desk = self.desk();
                for wish in rows.iter().filter_map(wish_paper::to_wish) {
                    match wish {
                        wish_paper::Wish::Wishes(person, wishes) => desk.set_wishes(person, wishes),
                        wish_paper::Wish::Way(route) => desk.put_route(route),
                        wish_paper::Wish::Household(household) => desk.set_household(household),
                    }
                }
            }
            Err(error) => tracing::error!("what people want to be told cannot be read: {error}"),
        }
        let find = async |kind: TellingKind, open: bool| {
            let filter = TellingFilter { kind: Some(kind), open, limit: LOAD_ROWS, ..TellingFilter::default() };
            tellings.find(&filter).await.map(|(rows, _)| rows).unwrap_or_else(|error| {
                tracing::error!("what was told cannot be read: {error}");
                Vec::new()
            })
        };
        let mut loaded = Loaded::default();
        let longest = i64::try_from(self.0.section.give_up_after.as_millis()).unwrap_or(i64::MAX);
        loaded.live = find(TellingKind::Letter, true).await.iter().rev().filter_map(paper::to_delivery).collect();
        loaded.kept = find(TellingKind::KeptBack, true).await.iter().rev().filter_map(paper::to_kept).collect();
        // What a letter still has to say stands in its news.
        let needed: BTreeSet<Subject> = loaded
            .live
            .iter()
            .map(|one| one.subject.clone())
            .chain(loaded.kept.iter().map(|one| one.subject.clone()))
            .collect();
        for row in find(TellingKind::News, false).await {
            let Some(case) = paper::to_case(&row, now, longest) else { continue };
            // Newest first. What is still climbing is taken up whatever its age.
            let wanted = (row.open && (loaded.cases.len() < LOAD_CASES || case.climbs()))
                || (case.over.is_none() && needed.contains(&case.news.subject));
            if wanted { loaded.cases.push(case) } else { loaded.known.push((case.news.subject, case.news.telling)) }
        }
        loaded.known.reverse();
        let lines = find(TellingKind::Inbox, false).await;
        loaded.lines = lines.iter().rev().filter_map(|row| Some((row.person?, paper::to_line(row)?))).collect();
        loaded.why = find(TellingKind::Why, false).await.iter().filter_map(paper::to_why).collect();
        self.desk().load(loaded, now);
    }
}
