//! The desk: what is to be told, was told, is kept back, all in memory, as one thing that is asked and answers at once. It
//! performs what the policy decides, and says what is to be written down and what is to be carried; it waits for nobody,
//! reads no clock, and touches neither disk nor network.

mod book;
mod ending;
mod going;
mod kept;
mod tell;
mod trying;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use domovoi_config::{Language, NotifySection};
use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::TellingRow;
use jiff::tz::TimeZone;

use super::channels::{Address, Channel, Letter};
use super::policy::{Habits, Listener, QuietSpan, Way};
use super::record::{At, Case, Delivery, Household, Route, Seat};
use super::{Audience, News, Subject};

pub use book::{Known, Loaded};

/// So many pieces of news are kept at hand; what is over or told to the end goes first.
const MOST_CASES: usize = 500;

/// So many settled letters are kept at hand, for what is heard of them later.
const MOST_SETTLED: usize = 512;

/// Somebody who may be told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: PersonId,
    /// What the family calls them.
    pub name: String,
    /// An owner or another adult who is let in.
    pub adult: bool,
    /// At home, as far as it is known.
    pub at_home: Option<bool>,
    /// Whether they are let in at all: not locked, and their time is not over.
    pub let_in: bool,
    /// Whether the policy lets them hear of what is asked about.
    pub may: bool,
}

/// Who lives here, as far as this room asks.
pub trait Members {
    /// Everybody but programs; of each, whether they may hear of this news.
    fn about(&self, news: &News) -> Vec<Member>;

    /// Their languages, where they have chosen one.
    fn languages(&self) -> BTreeMap<PersonId, Language>;
}

/// A letter to be carried.
pub struct Dispatch {
    /// Which delivery.
    pub id: Id,
    /// By which channel.
    pub channel: Arc<dyn Channel>,
    /// To where.
    pub to: Address,
    /// What.
    pub letter: Letter,
    /// Life hangs on it.
    pub life: bool,
}

/// What is to be done outside.
pub enum Job {
    /// Carry a letter.
    Send(Box<Dispatch>),
    /// Ask what became of one.
    Ask {
        /// Which delivery.
        id: Id,
        /// By which channel.
        channel: Arc<dyn Channel>,
        /// To where it went.
        to: Address,
        /// What the carrier calls it.
        receipt: String,
    },
    /// Take away what stands.
    Clear {
        /// By which channel.
        channel: Arc<dyn Channel>,
        /// Where.
        to: Address,
        /// About what.
        subject: Subject,
    },
}

impl Job {
    /// Whether it may not wait for the disk.
    pub fn is_life(&self) -> bool {
        match self {
            Job::Send(dispatch) => dispatch.life,
            // Nothing has to be written before.
            Job::Ask { .. } | Job::Clear { .. } => true,
        }
    }
}

/// What comes of a question to the desk.
#[derive(Default)]
pub struct Out {
    /// To be written down.
    pub rows: Vec<TellingRow>,
    /// To be done.
    pub jobs: Vec<Job>,
    /// Ways of which something else is known than before.
    pub ways: Vec<Route>,
    /// Ways that fail, with what is said of it, and those that do again: a notice is raised, or cleared.
    pub standing: Vec<(Route, bool)>,
}

/// The desk.
pub struct Desk {
    pub(super) section: NotifySection,
    pub(super) zone: TimeZone,
    pub(super) language: Language,
    pub(super) quiet: Vec<QuietSpan>,
    pub(super) channels: Vec<Arc<dyn Channel>>,
    pub(super) cases: BTreeMap<Subject, Case>,
    /// Letters of which something is still to come, and when something is to be done about them.
    pub(super) live: BTreeMap<Id, (Delivery, i64)>,
    /// Letters that a channel has in hand: they cannot be held back any more.
    pub(super) flying: BTreeSet<Id>,
    pub(super) settled: VecDeque<Delivery>,
    pub(super) seats: BTreeMap<PersonId, Seat>,
    pub(super) routes: BTreeMap<Id, Route>,
    pub(super) household: Household,
    /// When letters went by a way, and whether life hung on them.
    pub(super) lately: HashMap<Id, VecDeque<(i64, bool)>>,
    /// Told to the end, and no more at hand: their tellings.
    pub(super) known: Known,
    /// What answers' tokens stand for: the subject, the person, the telling.
    pub(super) tokens: HashMap<[u8; 16], (Subject, PersonId, u32)>,
    pub(super) token: Box<dyn Fn(Id, PersonId, u32) -> [u8; 16] + Send + Sync>,
    pub(super) new_id: Box<dyn Fn(Timestamp) -> Id + Send + Sync>,
    /// Where the page is: `https://domovoi.local:8443`.
    pub(super) origin: Option<String>,
    /// Whose language is which, where nothing else is wished.
    tongues: BTreeMap<PersonId, Language>,
}

/// What the desk needs of the house.
pub struct Fittings {
    /// The room's settings.
    pub section: NotifySection,
    /// The home's zone.
    pub zone: TimeZone,
    /// The home's language.
    pub language: Language,
    /// The ways to reach people.
    pub channels: Vec<Arc<dyn Channel>>,
    /// Makes an answer's token of a piece of news, a person and a telling.
    pub token: Box<dyn Fn(Id, PersonId, u32) -> [u8; 16] + Send + Sync>,
    /// Makes a row's id: the time, then random.
    pub new_id: Box<dyn Fn(Timestamp) -> Id + Send + Sync>,
}

impl Desk {
    /// An empty one.
    pub fn new(fittings: Fittings) -> Self {
        let section = fittings.section;
        let quiet = match section.quiet_from_minute == section.quiet_to_minute {
            true => Vec::new(),
            false => vec![QuietSpan::daily(section.quiet_from_minute, section.quiet_to_minute)],
        };
        Desk {
            quiet,
            zone: fittings.zone,
            language: fittings.language,
            channels: fittings.channels,
            cases: BTreeMap::new(),
            live: BTreeMap::new(),
            flying: BTreeSet::new(),
            settled: VecDeque::new(),
            seats: BTreeMap::new(),
            routes: BTreeMap::new(),
            household: Household::default(),
            lately: HashMap::new(),
            known: Known::default(),
            tokens: HashMap::new(),
            token: fittings.token,
            new_id: fittings.new_id,
            origin: None,
            tongues: BTreeMap::new(),
            section,
        }
    }

    pub(super) fn channel(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.channels.iter().find(|channel| channel.name() == name)
    }

    pub(super) fn seat(&mut self, person: PersonId) -> &mut Seat {
        self.seats.entry(person).or_default()
    }

    /// Notes which language is whose.
    pub(super) fn note_languages(&mut self, members: &dyn Members) {
        self.tongues = members.languages();
    }

    /// In which language somebody is told; the house speaks its own.
    pub(super) fn language_of(&self, person: Option<PersonId>) -> Language {
        let wished = person.and_then(|person| self.seats.get(&person)?.wishes.language);
        let own = person.and_then(|person| self.tongues.get(&person).copied());
        wished.or(own).unwrap_or(self.language)
    }

    /// Somebody's ways in the order in which they are tried: as the person wishes, then those that cost nothing, then by age.
    pub fn ways_of(&self, person: PersonId) -> Vec<&Route> {
        let order = self.seats.get(&person).map(|seat| seat.wishes.order.as_slice()).unwrap_or_default();
        let place = |id: Id| order.iter().position(|wished| *wished == id).unwrap_or(usize::MAX);
        let mut ways: Vec<&Route> = self.routes.values().filter(|route| route.person == Some(person)).collect();
        let costs = |route: &Route| self.channel(&route.channel).is_none_or(|channel| channel.costs());
        ways.sort_by_key(|route| (place(route.id), costs(route), route.added_at, route.id));
        ways
    }

    /// Asks the policy about somebody.
    pub(super) fn ask<T>(&self, member: &Member, now: At, ask: impl FnOnce(&Listener<'_>, &Habits<'_>) -> T) -> T {
        let fallback = Seat::default();
        let seat = self.seats.get(&member.id).unwrap_or(&fallback);
        let ways: Vec<Way<'_>> = self
            .ways_of(member.id)
            .into_iter()
            .map(|route| {
                let channel = self.channel(&route.channel);
                let (lately, life_lately) = self.went_lately(route.id, now);
                Way {
                    id: route.id,
                    channel: &route.channel,
                    costs: channel.is_some_and(|channel| channel.costs()),
                    off: route.off.is_some() || channel.is_none(),
                    lately,
                    life_lately,
                }
            })
            .collect();
        let listener = Listener { wishes: &seat.wishes, ways: &ways, at_home: member.at_home };
        let habits =
            Habits { quiet: &self.quiet, rate: self.section.rate_letters, life_rate: self.section.life_per_minute };
        ask(&listener, &habits)
    }

    /// How many letters went by a way within the time of the rate, and how many about life within a minute.
    fn went_lately(&self, way: Id, now: At) -> (u32, u32) {
        let Some(went) = self.lately.get(&way) else { return (0, 0) };
        let since = |span: std::time::Duration| now.tick.saturating_sub(millis(span));
        let count = |life: bool, since: i64| {
            let counted = went.iter().filter(|(at, of_life)| *of_life == life && *at > since).count();
            u32::try_from(counted).unwrap_or(u32::MAX)
        };
        (count(false, since(self.section.rate_time)), count(true, since(MINUTE)))
    }

    /// Whether one more letter may go by a way now.
    pub(super) fn has_room(&self, way: Id, life: bool, now: At) -> bool {
        let (lately, life_lately) = self.went_lately(way, now);
        if life { life_lately < self.section.life_per_minute } else { lately < self.section.rate_letters }
    }

    pub(super) fn goes(&mut self, way: Id, life: bool, now: At) {
        let longest = millis(self.section.rate_time.max(MINUTE));
        let went = self.lately.entry(way).or_default();
        went.push_back((now.tick, life));
        while went.front().is_some_and(|(at, _)| now.tick.saturating_sub(*at) > longest) {
            went.pop_front();
        }
    }

    /// Who is meant, of those who may hear of it; and who is not, with the reason.
    pub(super) fn meant(&self, news: &News, members: &dyn Members) -> (Vec<Member>, Vec<(Member, bool)>) {
        let (mut meant, mut others) = (Vec::new(), Vec::new());
        for member in members.about(news) {
            let named = match &news.audience {
                Audience::Household => true,
                Audience::People(people) => people.contains(&member.id),
            };
            // Who is named is told: a bill is for whoever pays it.
            let may = member.may || (member.let_in && matches!(news.audience, Audience::People(_)));
            if named && may { meant.push(member) } else { others.push((member, named)) }
        }
        (meant, others)
    }
}

pub(super) const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
