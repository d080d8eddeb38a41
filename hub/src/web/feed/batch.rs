//! News as text, written once for all watchers: the lines of server-sent events, and where in them each piece of news and
//! its JSON begin and end. What a sample's property is called stands ready from the last time, so that a sample costs the
//! writing of its value and little else.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domovoi_model::{DeviceRef, Sample, Timestamp, Unit, Value};
use domovoi_store::Recorded;
use serde::Serialize;
use serde_json::json;

use crate::bus::{AlertChange, CameraChange, CommandLife, Event, PropertyState, SafetyNews};
use crate::policy::{Kind, Object};

/// As many properties are remembered as a home has tens of times over; a publisher that invents them has all forgotten.
const SUBJECTS: usize = 16_384;

/// What a piece of news is about: what a watcher has to be allowed to see.
#[derive(Debug)]
pub struct About {
    /// The same for all news about one thing, while it is remembered: what the policy said can be remembered under it.
    /// `None`: this has no name to be remembered under.
    pub name: Option<u64>,
    /// What kind of news: `sample`, `reading`, `act`, `register`, `notice`, `safety`, `danger`.
    pub kind: &'static str,
    /// The thing.
    pub object: Object,
}

/// News that became known together, in the order in which they are numbered.
#[derive(Debug)]
pub struct Batch {
    first: u64,
    text: Bytes,
    places: Vec<Place>,
}

/// Where a piece of news ends, and where its JSON lies.
#[derive(Debug)]
struct Place {
    end: u32,
    data: Range<u32>,
    about: Arc<About>,
}

/// A piece of news.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// Its number in this run of the daemon.
    pub number: u64,
    /// What it is about.
    pub about: &'a Arc<About>,
    /// Its JSON.
    pub data: &'a [u8],
}

impl Batch {
    /// The number of the first piece.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number of the last piece.
    pub fn last(&self) -> u64 {
        self.first + (self.places.len() as u64).saturating_sub(1)
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.places.len() * size_of::<Place>() + 128
    }

    /// The pieces behind a number.
    pub fn after(&self, number: u64) -> impl Iterator<Item = News<'_>> {
        let skip = usize::try_from((number + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.places.iter().enumerate().skip(skip).map(|(at, place)| News {
            number: self.first + at as u64,
            about: &place.about,
            data: self.text.get(place.data.start as usize..place.data.end as usize).unwrap_or_default(),
        })
    }

    /// The pieces from one number to another, both included, as server-sent events. Costs nothing: it is a part of the text
    /// that all have.
    pub fn events(&self, from: u64, to: u64) -> Bytes {
        let end_of = |number: u64| {
            let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| self.places.get(at)).map_or(0, |place| place.end as usize)
        };
        let start = if from <= self.first { 0 } else { end_of(from - 1) };
        let end = end_of(to);
        if start < end { self.text.slice(start..end) } else { Bytes::new() }
    }
}

/// Writes batches.
pub struct Writer {
    boot: String,
    /// Where in `known` a property of a device stands, in each of its units.
    places: HashMap<DeviceRef, HashMap<String, Vec<(Unit, usize)>>>,
    known: Vec<Subject>,
    names: u64,
    stamp: Option<(Timestamp, String)>,
}

struct Subject {
    about: Arc<About>,
    /// `"device":…,"property":…,"unit":…,"value":`
    words: String,
}

impl Writer {
    /// For this run of the daemon.
    pub fn new(boot: &str) -> Self {
        Writer { boot: boot.to_owned(), places: HashMap::new(), known: Vec::new(), names: 0, stamp: None }
    }

    /// An event of the bus, numbered from `first` on; `None` if it is no news.
    pub fn write(&mut self, first: u64, event: &Event) -> Option<Batch> {
        match event {
            Event::Recorded(samples) => return self.samples(first, samples),
            Event::State(states) => return self.states(first, states),
            _ => {}
        }
        let (kind, object, body) = told(event)?;
        let mut page = Page::new(first, 256);
        page.one(&self.boot, &Arc::new(About { name: None, kind, object }), |text| json_to(text, &body));
        if let Event::Safety(news) = event
            && let Some(body) = danger_told(news)
        {
            let object = Object::all(Kind::Home);
            page.one(&self.boot, &Arc::new(About { name: None, kind: "danger", object }), |text| json_to(text, &body));
        }
        page.into_batch()
    }

    /// Each sample is a question of its own to the policy: a right may name one capability of a device.
    fn samples(&mut self, first: u64, samples: &[Recorded<Sample>]) -> Option<Batch> {
        let mut page = Page::new(first, samples.len() * 224);
        for Recorded { item: sample, .. } in samples {
            let at = sample.at.wall();
            if self.stamp.as_ref().map(|(at, _)| *at) != at {
                self.stamp = at.map(|at| (at, at.to_string()));
            }
            let at = self.place(sample);
            let Some(subject) = self.known.get(at) else { continue };
            let stamp = &self.stamp;
            page.one(&self.boot, &subject.about, |text| {
                match stamp {
                    Some((_, at)) => {
                        [&b"{\"at\":\""[..], at.as_bytes(), b"\","].iter().for_each(|part| text.extend_from_slice(part))
                    }
                    None => text.extend_from_slice(b"{\"at\":null,"),
                }
                text.extend_from_slice(subject.words.as_bytes());
                value_to(text, &sample.value);
                text.push(b'}');
            });
        }
        page.into_batch()
    }

    /// How properties stand: each a question of its own, too.
    fn states(&mut self, first: u64, states: &[PropertyState]) -> Option<Batch> {
        let mut page = Page::new(first, states.len() * 256);
        for state in states {
            let object = Object {
                capability: Some(state.property.clone()),
                ..Object::one(Kind::Device, state.device.to_string())
            };
            let about = Arc::new(About { name: None, kind: "state", object });
            page.one(&self.boot, &about, |text| json_to(text, &state_view(state)));
        }
        page.into_batch()
    }

    /// Where a sample's subject stands; a new one is written down.
    fn place(&mut self, sample: &Sample) -> usize {
        let known = self.places.get(&sample.device).and_then(|properties| properties.get(&sample.property));
        if let Some((_, at)) = known.and_then(|units| units.iter().find(|(unit, _)| *unit == sample.unit)) {
            return *at;
        }
        if self.known.len() >= SUBJECTS {
            self.places.clear();
            self.known.clear();
        }
        self.names += 1;
        let device = sample.device.to_string();
        let mut words = b"\"device\":".to_vec();
        json_to(&mut words, &device);
        words.extend_from_slice(b",\"property\":");
        json_to(&mut words, &sample.property);
        words.extend_from_slice(b",\"unit\":");
        json_to(&mut words, sample.unit.symbol());
        words.extend_from_slice(b",\"value\":");
        let object = Object { capability: Some(sample.property.clone()), ..Object::one(Kind::Device, device) };
        let about = Arc::new(About { name: Some(self.names), kind: "sample", object });
        let at = self.known.len();
        self.known.push(Subject { about, words: String::from_utf8(words).unwrap_or_default() });
        let properties = self.places.entry(sample.device.clone()).or_default();
        properties.entry(sample.property.clone()).or_default().push((sample.unit, at));
        at
    }
}

/// A batch that is being written.
struct Page {
    first: u64,
    text: Vec<u8>,
    places: Vec<Place>,
}

impl Page {
    fn new(first: u64, bytes: usize) -> Self {
        Page { first, text: Vec::with_capacity(bytes), places: Vec::new() }
    }

    fn one(&mut self, boot: &str, about: &Arc<About>, body: impl FnOnce(&mut Vec<u8>)) {
        let number = self.first + self.places.len() as u64;
        // Writing into memory does not fail.
        let _ = write!(self.text, "id: {boot}-{number}\nevent: {}\ndata: ", about.kind);
        let from = place(self.text.len());
        body(&mut self.text);
        let to = place(self.text.len());
        self.text.extend_from_slice(b"\n\n");
        self.places.push(Place { end: place(self.text.len()), data: from..to, about: Arc::clone(about) });
    }

    fn into_batch(self) -> Option<Batch> {
        // A place is 32 bits: what does not fit is no batch of ours (a commit is a few megabytes).
        let fits = !self.places.is_empty() && u32::try_from(self.text.len()).is_ok();
        fits.then(|| Batch { first: self.first, text: Bytes::from(self.text), places: self.places })
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn json_to<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    // Plain strings and values: writing them into memory does not fail.
    let _ = serde_json::to_writer(text, value);
}

/// A value as a JSON string: exact, as it was said.
fn value_to(text: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            let _ = write!(text, "\"{number}\"");
        }
        Value::Bool(flag) => text.extend_from_slice(if *flag { b"\"true\"" } else { b"\"false\"" }),
        Value::Text(words) => json_to(text, words),
    }
}

/// A danger to life that begins or ends, for everybody who is let in: which it is, and not where.
fn danger_told(news: &SafetyNews) -> Option<serde_json::Value> {
    let danger = news.danger.filter(|danger| ["gas", "carbon-monoxide", "smoke", "water-leak"].contains(danger))?;
    let moves = !news.test && ["began", "remembered", "over"].contains(&news.what);
    moves.then(|| json!({ "danger": danger, "what": news.what }))
}

/// An event of the bus as news; samples are written by themselves.
fn told(event: &Event) -> Option<(&'static str, Object, serde_json::Value)> {
    Some(match event {
        Event::Recorded(_) | Event::State(_) => return None,
        Event::Reading(reading) => {
            let body = json!({
                "point": reading.point.to_string(),
                "tariff": reading.tariff.code(),
                "value": reading.value.to_string(),
                "at": reading.at.wall().map(|at| at.to_string()),
                "verdict": reading.verdict.code(),
            });
            ("reading", Object::one(Kind::Meter, reading.point.to_string()), body)
        }
        Event::Act(act) => {
            let body = json!({
                "act": act.id.to_string(),
                "period": act.period.to_string(),
                "state": act.state.code(),
            });
            ("act", Object::one(Kind::Act, act.id.to_string()), body)
        }
        Event::RegisterChanged(point) => {
            let object = match point {
                Some(point) => Object::one(Kind::Meter, point.to_string()),
                None => Object::all(Kind::Meter),
            };
            ("register", object, json!({ "point": point.map(|point| point.to_string()) }))
        }
        Event::Device(device) => {
            ("device", Object::one(Kind::Device, device.to_string()), json!({ "device": device.to_string() }))
        }
        Event::Rooms => ("rooms", Object::all(Kind::Room), json!({})),
        Event::Command(life) => {
            let target = &life.command.target;
            let device = target.device.to_string();
            let object = Object { capability: Some(target.property.clone()), ..Object::one(Kind::Device, device) };
            ("command", object, command_view(life))
        }
        Event::Safety(news) => {
            let body = json!({
                "what": news.what,
                "danger": news.danger,
                "device": news.device.as_ref().map(ToString::to_string),
                "name": news.name,
                "property": news.property,
                "value": news.value.as_ref().map(ToString::to_string),
                "tries": news.tries,
                "at": news.at.and_then(domovoi_model::Moment::wall).map(|at| at.to_string()),
                "test": news.test,
            });
            // Whoever may not see the device hears nothing of its danger.
            let object = news.device.as_ref().map_or_else(
                || Object::all(Kind::Safety),
                |device| {
                    let capability = Some(news.property.clone()).filter(|property| !property.is_empty());
                    Object { capability, ..Object::one(Kind::Device, device.to_string()) }
                },
            );
            ("safety", object, body)
        }
        Event::Camera(news) => {
            let (what, picture) = match news.what {
                CameraChange::Card => ("card", None),
                CameraChange::Standing => ("standing", None),
                CameraChange::Archive => ("archive", None),
                CameraChange::Picture(id) => ("picture", Some(id.to_string())),
            };
            let camera = news.camera.to_string();
            let body = json!({ "camera": camera, "what": what, "picture": picture });
            ("camera", Object::one(Kind::Camera, camera), body)
        }
        Event::Alert(news) => {
            let alert = &news.alert;
            let change = match news.change {
                AlertChange::Raised => "raised",
                AlertChange::Updated { worse: true } => "worse",
                AlertChange::Updated { worse: false } => "updated",
                AlertChange::Over => "over",
                AlertChange::Acknowledged => "acknowledged",
            };
            let body = json!({
                "alert": alert.id.to_string(),
                "change": change,
                "severity": alert.severity.code(),
                "peril": alert.peril.code(),
                "life": alert.life,
                "status": alert.status.code(),
                "state": alert.state.code(),
            });
            ("alert", Object::one(Kind::Alert, alert.id.to_string()), body)
        }
        Event::Calendar => ("calendar", Object::all(Kind::Calendar), json!({})),
        Event::Messages => ("messages", Object::all(Kind::Message), json!({})),
        Event::Presence(news) => {
            let person = news.person.to_string();
            let body = json!({ "person": person, "home": news.home, "anybody": news.anybody });
            ("presence", Object::of(Kind::Presence, news.person), body)
        }
        Event::Scenario(id) => {
            ("scenario", Object::one(Kind::Scenario, id.to_string()), json!({ "scenario": id.to_string() }))
        }
        Event::Cloud(name) => {
            ("cloud", Object::one(Kind::Cloud, name.to_string()), json!({ "cloud": name.to_string() }))
        }
        Event::Notice(key) => ("notice", Object::one(Kind::Notice, key.to_string()), json!({ "key": key.to_string() })),
    })
}

/// How a property stands, as the API and the stream say it.
pub fn state_view(state: &PropertyState) -> serde_json::Value {
    json!({
        "device": state.device.to_string(),
        "property": state.property,
        "value": state.value.as_ref().map(ToString::to_string),
        "unit": state.unit.symbol(),
        "suspect": state.suspect,
        "at": state.at.and_then(|at| at.wall()).map(|at| at.to_string()),
        "restored": state.restored,
        "expired": state.expired,
        "reachable": state.reachable,
    })
}

/// How far a command has come, likewise.
pub fn command_view(life: &CommandLife) -> serde_json::Value {
    json!({
        "id": life.id.to_string(),
        "device": life.command.target.device.to_string(),
        "property": life.command.target.property,
        "value": life.command.value.to_string(),
        "at": life.at.wall().map(|at| at.to_string()),
        "state": life.state.code(),
        "why": life.why,
        "within_s": life.within_millis.div_ceil(1000),
        "thought_unreachable": life.unreachable,
        "sleeps": life.sleeps,
    })
}
