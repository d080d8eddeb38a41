//! A household, a desk and a clock that is turned by hand. Letters are carried, or not, as the test says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domovoi_config::{Language, NotifySection, Settings};
use domovoi_model::{Id, Moment, PersonId, Severity, Timestamp};
use domovoi_store::{TellingKind, TellingRow};
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use crate::notify::channels::{Address, Channel, Failed, Fate, Field, Letter, Sent};
use crate::notify::desk::{Desk, Fittings, Job, Member, Members, Out};
use crate::notify::record::{At, HouseUse, Route};
use crate::notify::{Audience, Bilingual, News, Subject, Topic};

pub const ANNA: PersonId = PersonId(Id([1; 16]));
pub const BORIS: PersonId = PersonId(Id([2; 16]));
pub const KOLYA: PersonId = PersonId(Id([3; 16]));
pub const GUEST: PersonId = PersonId(Id([4; 16]));

/// A channel that carries to a list.
pub struct Post {
    pub name: &'static str,
    pub costs: bool,
    pub house: bool,
    /// What was carried.
    pub carried: Mutex<Vec<Letter>>,
    /// What comes of the next letters; when it is empty, they are delivered.
    pub fates: Mutex<Vec<Result<Sent, Failed>>>,
    pub cleared: Mutex<Vec<Subject>>,
}

impl Post {
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Post {
            name,
            costs: name == "sms",
            house: matches!(name, "siren" | "mqtt" | "voice"),
            carried: Mutex::default(),
            fates: Mutex::default(),
            cleared: Mutex::default(),
        })
    }
}

const TO: &[Field] = &[Field { name: "to", secret: false, required: true }];

impl Channel for Post {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fields(&self) -> &'static [Field] {
        if self.house { &[] } else { TO }
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        match to.get("to") {
            Some("nowhere") => Err("write where".into()),
            _ => Ok(()),
        }
    }

    fn is_of_the_house(&self) -> bool {
        self.house
    }

    fn costs(&self) -> bool {
        self.costs
    }

    fn send<'a>(&'a self, _to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(async {
            self.carried.lock().unwrap().push(letter.clone());
            let mut fates = self.fates.lock().unwrap();
            if fates.is_empty() { Ok(Sent { fate: Fate::Delivered, receipt: None }) } else { fates.remove(0) }
        })
    }

    fn clear<'a>(&'a self, _to: &'a Address, subject: &'a Subject) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(async {
            self.cleared.lock().unwrap().push(subject.clone());
            Ok(())
        })
    }
}

/// Who lives there.
#[derive(Clone)]
pub struct Family(pub Vec<Member>);

impl Members for Family {
    fn about(&self, news: &News) -> Vec<Member> {
        let mut people = self.0.clone();
        for member in &mut people {
            let guests = matches!(news.topic, Topic::Danger | Topic::Emergency | Topic::Outage);
            member.may = member.let_in && (member.id != GUEST || guests);
        }
        people
    }

    fn languages(&self) -> BTreeMap<PersonId, Language> {
        BTreeMap::from([(GUEST, Language::English)])
    }
}

pub fn member(id: PersonId, name: &str, adult: bool) -> Member {
    Member { id, name: name.into(), adult, at_home: None, let_in: true, may: true }
}

/// A letter that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Went {
    pub to: Option<PersonId>,
    pub channel: &'static str,
    pub title: String,
    pub tick: i64,
    pub life: bool,
    pub over: bool,
}

/// The scene.
pub struct Scene {
    pub desk: Desk,
    pub family: Family,
    pub zone: TimeZone,
    pub wall: Timestamp,
    pub tick: i64,
    pub trusted: bool,
    pub went: Vec<Went>,
    pub cleared: Vec<(&'static str, Subject)>,
    pub rows: BTreeMap<Id, TellingRow>,
    /// Letters that are to fail, by channel.
    pub fails: Vec<(&'static str, Failed)>,
    /// The ways by their letters.
    owners: BTreeMap<Id, Option<PersonId>>,
}

pub fn section() -> NotifySection {
    Settings::defaults(Path::new("/")).notify
}

impl Scene {
    /// Anna and Boris, grown up, each with push and mail; Kolya, a child, with push; nobody has an order. Moscow.
    pub fn new(at: &str) -> Self {
        Self::in_zone(at, "Europe/Moscow")
    }

    pub fn in_zone(at: &str, zone: &str) -> Self {
        let zone = TimeZone::get(zone).unwrap();
        let names = ["push", "mail", "sms", "siren", "mqtt", "voice"];
        let channels = names.map(|name| Post::new(name) as Arc<dyn Channel>).to_vec();
        let count = AtomicU64::new(1);
        let desk = Desk::new(Fittings {
            section: section(),
            zone: zone.clone(),
            language: Language::Russian,
            channels,
            token: Box::new(|case, person, telling| {
                std::array::from_fn(|n| if n == 0 { telling as u8 } else { case.0[n] ^ person.0.0[n] })
            }),
            new_id: Box::new(move |at| {
                let (time, count) = (at.0.to_be_bytes(), count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
                Id(std::array::from_fn(
                    |n| if n < 6 { time[n + 2] } else { *count.get(n.wrapping_sub(8)).unwrap_or(&0) },
                ))
            }),
        });
        let mut scene = Scene {
            desk,
            family: Family(vec![
                member(ANNA, "Анна", true),
                member(BORIS, "Борис", true),
                member(KOLYA, "Коля", false),
            ]),
            zone,
            wall: Timestamp(0),
            tick: 1_000_000,
            trusted: true,
            went: Vec::new(),
            cleared: Vec::new(),
            rows: BTreeMap::new(),
            fails: Vec::new(),
            owners: BTreeMap::new(),
        };
        scene.desk.page_is_at(Some("https://domovoi.local:8443".into()));
        scene.wall = scene.moment(at);
        scene.way(Some(ANNA), "push", 11);
        scene.way(Some(ANNA), "mail", 12);
        scene.way(Some(BORIS), "push", 21);
        scene.way(Some(BORIS), "mail", 22);
        scene.way(Some(KOLYA), "push", 31);
        scene
    }

    /// A wall time of the home; of an hour that is there twice, the first.
    pub fn moment(&self, at: &str) -> Timestamp {
        let local: jiff::civil::DateTime = at.parse().unwrap();
        let zoned = self.zone.to_ambiguous_zoned(local).earlier().unwrap();
        Timestamp(zoned.timestamp().as_millisecond())
    }

    pub fn way(&mut self, person: Option<PersonId>, channel: &str, n: u8) -> Id {
        let id = Id([n; 16]);
        let used = match channel {
            "mqtt" => HouseUse::Silent,
            "voice" => HouseUse::Speaks,
            _ => HouseUse::Last,
        };
        self.desk.put_route(Route {
            id,
            person,
            channel: channel.into(),
            label: channel.into(),
            address: Address(BTreeMap::from([("to".to_owned(), format!("{n}@example.org"))])),
            of_contact: false,
            used,
            added_at: Some(Timestamp(i64::from(n))),
            off: None,
            last_ok: None,
            last_failure: None,
            tested_at: None,
            test_anyway: false,
        });
        self.owners.insert(id, person);
        id
    }

    pub fn now(&self) -> At {
        At { tick: self.tick, wall: self.wall, trusted: self.trusted }
    }

    /// Time goes on, in steps of at most ten seconds, as the engine looks.
    pub fn wait(&mut self, seconds: i64) {
        let end = self.tick + seconds * 1000;
        while self.tick < end {
            // The engine looks every second while something is kept back.
            let step = (end - self.tick).min(if self.desk.keeps_back() { 1_000 } else { 10_000 });
            self.pass(step);
            self.step();
        }
    }

    pub fn until(&mut self, at: &str) {
        let to = self.moment(at);
        self.until_instant(to);
    }

    pub fn until_instant(&mut self, to: Timestamp) {
        while self.wall < to {
            let step = (to.0 - self.wall.0).min(60_000);
            self.pass(step);
            self.step();
        }
    }

    fn pass(&mut self, millis: i64) {
        self.tick += millis;
        self.wall = self.wall.plus_millis(millis);
    }

    pub fn step(&mut self) {
        let out = self.desk.due(&self.family, self.now());
        self.carry(out);
    }

    pub fn tell(&mut self, news: News) {
        let out = self.desk.tell(news, &self.family, self.now());
        self.carry(out);
    }

    pub fn over(&mut self, subject: &Subject) {
        let out = self.desk.over(subject, None, &self.family, self.now());
        self.carry(out);
    }

    pub fn answer(&mut self, subject: &Subject, by: PersonId) -> bool {
        let (new, out) = self.desk.answered(subject, by, &self.family, self.now());
        self.carry(out);
        new
    }

    /// Carries what is to be carried, at once.
    pub fn carry(&mut self, out: Out) {
        self.rows.extend(out.rows.into_iter().map(|row| (row.id, row)));
        for job in out.jobs {
            match job {
                Job::Send(dispatch) => {
                    if !self.desk.departs(dispatch.id) {
                        continue;
                    }
                    let channel = dispatch.channel.name();
                    let failing = self.fails.iter().find(|(name, _)| *name == channel).map(|(_, why)| why.clone());
                    let outcome = match failing {
                        Some(why) => Err(why),
                        None => {
                            let to = self.desk.letters().find(|one| one.id == dispatch.id).and_then(|one| one.person);
                            self.went.push(Went {
                                to,
                                channel,
                                title: dispatch.letter.title.clone(),
                                tick: self.tick,
                                life: dispatch.life,
                                over: dispatch.letter.over,
                            });
                            Ok(Sent { fate: Fate::Delivered, receipt: None })
                        }
                    };
                    let out = self.desk.came(dispatch.id, outcome, &self.family, self.now());
                    self.carry(out);
                }
                Job::Ask { .. } => {}
                Job::Clear { channel, subject, .. } => self.cleared.push((channel.name(), subject)),
            }
        }
    }

    /// Letters to somebody, as channels.
    pub fn to(&self, person: PersonId) -> Vec<&'static str> {
        self.went.iter().filter(|one| one.to == Some(person)).map(|one| one.channel).collect()
    }

    pub fn by_house(&self) -> Vec<&'static str> {
        self.went.iter().filter(|one| one.to.is_none()).map(|one| one.channel).collect()
    }

    pub fn titles(&self, person: PersonId) -> Vec<String> {
        self.went.iter().filter(|one| one.to == Some(person)).map(|one| one.title.clone()).collect()
    }

    /// Whether a reason of this code ever counted for somebody.
    pub fn was(&self, subject: &Subject, person: PersonId, code: &str) -> bool {
        let decided = self.desk.why(subject, person).map(|why| why.decided).unwrap_or_default();
        decided.iter().flat_map(|one| &one.why).any(|reason| reason.code() == code)
    }

    pub fn kept(&self) -> usize {
        self.desk.weight().2
    }

    pub fn open_rows(&self, kind: TellingKind) -> usize {
        self.rows.values().filter(|row| row.kind == kind && row.open).count()
    }

    pub fn unseen(&self, person: PersonId) -> usize {
        self.desk.inbox(person).1
    }
}

/// A piece of news.
pub fn news(n: u8, topic: Topic, severity: Severity) -> News {
    News {
        subject: Subject::Alert(Id([n; 16])),
        telling: 1,
        topic,
        severity,
        life: false,
        drill: false,
        wants_answer: false,
        title: Bilingual { ru: format!("Новость {n}"), en: format!("News {n}") },
        body: Bilingual { ru: "Подробности".into(), en: "Details".into() },
        link: Some(format!("/alerts/{n}")),
        room: None,
        audience: Audience::Household,
        at: Moment::Wall(Timestamp(1_795_300_000_000)),
    }
}

/// Gas in the kitchen.
pub fn gas() -> News {
    News { life: true, wants_answer: true, ..news(77, Topic::Danger, Severity::Extreme) }
}

/// A storm, of which somebody should say that it is known.
pub fn storm() -> News {
    News { wants_answer: true, ..news(55, Topic::Emergency, Severity::Severe) }
}

/// A bill.
pub fn bill() -> News {
    news(33, Topic::Money, Severity::Minor)
}
