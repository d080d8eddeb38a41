//! Scenarios in a pretended home: a clock that is turned by hand, a disk that can be left at any moment, and devices that do
//! what they are told.

mod crashes;
mod living;
mod modes;
mod room;
mod times;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use domovoi_model::{BootId, DeviceRef, Id, PersonId, Timestamp, Value};
use domovoi_store::{ScenarioBatch, ScenarioDrawer};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use super::due::Now;
use super::hall::{Hall, MarkRow, Offered, TraceRow, Way};
use super::plan::{Place, Scenario, SunEvent};
use super::run::{Cause, Run};
use super::values::Values;
use super::view::End;
use super::world::World;
use super::{Deed, DeedWhat, Outcome, ScenarioPaper};

/// 2026-11-23 06:00 in Moscow, a Monday.
pub const MONDAY: Timestamp = Timestamp(1_795_402_800_000);

pub const ANNA: PersonId = PersonId(Id([0xa; 16]));

/// The world, as a test says that it is.
pub struct Pretend {
    pub values: Arc<Values>,
    pub others: Mutex<HashMap<Place, Value>>,
    pub homes: Mutex<HashMap<PersonId, bool>>,
    pub zone: TimeZone,
}

impl World for Pretend {
    fn value(&self, at: &Place) -> Option<Value> {
        match self.values.get(at) {
            Some(Some(value)) => Some(value),
            _ => self.others.lock().unwrap().get(at).cloned(),
        }
    }

    fn find(&self, text: &str) -> Option<DeviceRef> {
        DeviceRef::parse(text)
    }

    fn home(&self, person: Option<PersonId>) -> Option<bool> {
        let homes = self.homes.lock().unwrap();
        match person {
            Some(person) => homes.get(&person).copied(),
            None => (!homes.is_empty()).then(|| homes.values().any(|home| *home)),
        }
    }

    fn person(&self, name: &str) -> Option<PersonId> {
        (name == "Анна").then_some(ANNA)
    }

    fn sun(&self, event: SunEvent, on: Date) -> Option<Timestamp> {
        let hour = if event == SunEvent::Rise { 8 } else { 16 };
        let at = on.at(hour, 0, 0, 0).to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp(at.timestamp().as_millisecond()))
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// What is left when the power goes.
#[derive(Default, Clone)]
pub struct Disk {
    pub marks: BTreeMap<Id, Vec<u8>>,
    pub runs: BTreeMap<Id, Vec<u8>>,
    pub traces: BTreeMap<Id, Vec<u8>>,
    pub writes: usize,
}

impl Disk {
    fn apply(&mut self, batch: &ScenarioBatch) {
        if !batch.is_empty() {
            self.writes += 1;
        }
        for (drawer, id) in &batch.remove {
            assert_eq!(*drawer, ScenarioDrawer::Run);
            self.runs.remove(id);
        }
        for (drawer, id, body) in &batch.put {
            match drawer {
                ScenarioDrawer::Run => self.runs.insert(*id, body.to_vec()),
                ScenarioDrawer::Mark => self.marks.insert(*id, body.to_vec()),
                ScenarioDrawer::Scenario => unreachable!("the room writes these itself"),
            };
        }
        for trace in &batch.traces {
            self.traces.insert(trace.id, trace.body.to_vec());
        }
    }
}

/// A home with scenarios.
pub struct Home {
    pub world: Arc<Pretend>,
    pub hall: Hall,
    pub now: Now,
    pub disk: Disk,
    pub plans: BTreeMap<Id, Arc<Scenario>>,
    /// What was done, in order, with what the clock said.
    pub done: Vec<(i64, Deed)>,
    /// Whether devices report what they were told.
    pub reports: bool,
    /// Which deeds were reported.
    pub reported: Vec<Id>,
    /// What was said again although it had been reported.
    pub in_vain: Vec<String>,
    /// What comes of a deed.
    pub answers: Box<dyn FnMut(&Deed) -> Outcome>,
    boots: u8,
}

fn hall(world: &Arc<Pretend>, boot: u8) -> Hall {
    let mut next: u64 = 0;
    let new_id = move || {
        next += 1;
        let mut id = [boot; 16];
        id[8..].copy_from_slice(&next.to_be_bytes());
        Id(id)
    };
    let world_of: Arc<dyn World> = Arc::clone(world) as Arc<dyn World>;
    Hall::new(world_of, Arc::clone(&world.values), Box::new(new_id))
}

impl Home {
    pub fn new() -> Self {
        Self::in_zone("Europe/Moscow")
    }

    pub fn in_zone(zone: &str) -> Self {
        let world = Arc::new(Pretend {
            values: Arc::default(),
            others: Mutex::default(),
            homes: Mutex::default(),
            zone: TimeZone::get(zone).unwrap(),
        });
        Home {
            hall: hall(&world, 1),
            world,
            now: Now { wall: Some(MONDAY), boot: BootId(Id([1; 16])), millis: 0 },
            disk: Disk::default(),
            plans: BTreeMap::new(),
            done: Vec::new(),
            reports: true,
            reported: Vec::new(),
            in_vain: Vec::new(),
            answers: Box::new(|_| Outcome::Done(String::new())),
            boots: 1,
        }
    }

    /// Writes a scenario down; the fields that a test does not name are as ever.
    pub fn put(&mut self, n: u8, parts: Json) -> Id {
        let id = Id([n; 16]);
        let mut paper = json!({"id": id.to_string(), "name": format!("scenario {n}")});
        for (name, value) in parts.as_object().unwrap() {
            paper[name] = value.clone();
        }
        let paper: ScenarioPaper = serde_json::from_value(paper).unwrap();
        let mut scenario = paper.scenario(&DeviceRef::parse).unwrap();
        scenario.author = Some(ANNA);
        let scenario = Arc::new(scenario);
        self.plans.insert(id, Arc::clone(&scenario));
        self.hall.put(scenario, &self.now);
        self.settle();
        id
    }

    pub fn arm(&mut self) {
        self.hall.arm(&self.now);
        self.settle();
    }

    /// Keeps and does all that there is.
    pub fn settle(&mut self) {
        self.settle_until(&mut || false);
    }

    /// The same; `cut` is asked between any two things, and may cut the power.
    pub fn settle_until(&mut self, cut: &mut dyn FnMut() -> bool) -> bool {
        loop {
            if cut() {
                return true;
            }
            self.hall.tick(&self.now);
            self.hall.go_on(&self.now);
            if !self.hall.has_work(&self.now) {
                return false;
            }
            let work = self.hall.take_work(false, &self.now);
            if cut() {
                return true;
            }
            self.disk.apply(&work.batch);
            for deed in work.deeds {
                if cut() {
                    return true;
                }
                if self.reported.contains(&deed.id) {
                    self.in_vain.push(said(&deed));
                }
                let outcome = (self.answers)(&deed);
                self.done.push((self.now.wall.map_or(self.now.millis, |at| at.0), deed.clone()));
                if cut() {
                    return true;
                }
                if let (DeedWhat::Command(command), Outcome::Done(_)) = (&deed.what, &outcome)
                    && self.reports
                {
                    let target = &command.target;
                    let place = Place { device: target.device.clone(), property: target.property.clone() };
                    self.world.others.lock().unwrap().insert(place, command.value.clone());
                    self.hall.stands(&target.device, &target.property, Some(&command.value), &self.now);
                    self.reported.push(deed.id);
                }
                if cut() {
                    return true;
                }
                self.hall.outcome(deed.scenario, deed.run, deed.id, outcome, &self.now);
            }
        }
    }

    /// Time passes, in steps as the hall wants them.
    pub fn pass(&mut self, millis: i64) {
        let end = self.now.millis + millis;
        while self.now.millis < end {
            let step =
                self.hall.rest(&self.now).clamp(20, end - self.now.millis.min(end - 20)).min(end - self.now.millis);
            self.now.millis += step;
            self.now.wall = self.now.wall.map(|at| at.plus_millis(step));
            self.settle();
        }
    }

    pub fn minutes(&mut self, minutes: i64) {
        self.pass(minutes * 60_000);
    }

    /// Somebody puts the wall clock elsewhere.
    pub fn set_clock(&mut self, to: Option<Timestamp>) {
        self.now.wall = to;
        // Whoever sleeps looks up within seconds.
        self.pass(6_000);
    }

    pub fn says(&mut self, device: &str, property: &str, value: Json) {
        let device = DeviceRef::new("d", device);
        let value = match value {
            Json::Null => None,
            Json::Bool(flag) => Some(Value::Bool(flag)),
            Json::String(text) => Some(Value::Text(text)),
            other => Some(Value::Number(other.to_string().parse::<Decimal>().unwrap())),
        };
        self.hall.stands(&device, property, value.as_ref(), &self.now);
        self.settle();
    }

    pub fn start(&mut self, id: Id) -> Option<Offered> {
        let offered = self.hall.begin(id, Cause::by("hand"), Way::Hand, &self.now);
        self.settle();
        offered
    }

    /// The power goes, and comes back after a while; before states have settled.
    pub fn cut(&mut self, off_millis: i64) {
        self.boots += 1;
        let boot = self.boots;
        self.now =
            Now { wall: self.now.wall.map(|at| at.plus_millis(off_millis)), boot: BootId(Id([boot; 16])), millis: 0 };
        // What the hub knew of the world is asked anew.
        let world = Arc::new(Pretend {
            values: Arc::default(),
            others: Mutex::new(self.world.others.lock().unwrap().clone()),
            homes: Mutex::new(self.world.homes.lock().unwrap().clone()),
            zone: self.world.zone.clone(),
        });
        self.world = world;
        self.hall = hall(&self.world, boot);
        for plan in self.plans.values() {
            let mark = self.disk.marks.get(&plan.id).map(|body| serde_json::from_slice::<MarkRow>(body).unwrap());
            let runs = self.disk.runs.values().map(|body| serde_json::from_slice::<Run>(body).unwrap());
            let runs = runs.filter(|run| run.scenario == plan.id).collect();
            self.hall.adopt(Arc::clone(plan), mark, runs, &self.now);
        }
    }

    /// Everything that was done, in words.
    pub fn did(&self) -> Vec<String> {
        self.done.iter().map(|(_, deed)| said(deed)).collect()
    }

    /// How runs ended, in the order of their ids.
    pub fn ends(&self) -> Vec<End> {
        let rows = self.disk.traces.values().map(|body| serde_json::from_slice::<TraceRow>(body).unwrap());
        rows.map(|row| End::from_code(&row.end).unwrap()).collect()
    }

    /// Why it did not begin.
    pub fn reasons(&self, id: Id) -> Vec<(End, u32)> {
        let runs = self.hall.runs(Some(id), &self.now);
        runs.iter().filter_map(|run| Some((run.end?, run.times))).filter(|(end, _)| end.did_not_begin()).collect()
    }
}

pub fn said(deed: &Deed) -> String {
    match &deed.what {
        DeedWhat::Command(command) => {
            format!("{}.{}={}", command.target.device.id, command.target.property, command.value)
        }
        DeedWhat::Notify { title, .. } => format!("!{title}"),
        DeedWhat::Reading { values, .. } => format!("reading {values:?}"),
    }
}

/// A step that tells.
pub fn tell(title: &str) -> Json {
    json!({"do": "notify", "title": title})
}

/// A step that sets a property.
pub fn command(device: &str, property: &str, value: Json) -> Json {
    json!({"do": "command", "device": format!("d:{device}"), "property": property, "value": value})
}
