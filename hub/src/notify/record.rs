//! What the room remembers, as values: a piece of news and how far it has come, letters and their fates, why somebody was or
//! was not told, inboxes, what is kept back. How the store spells them is in `paper`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domovoi_model::{Id, PersonId, Severity, Timestamp};

use super::channels::Address;
use super::policy::{Call, Later, Reason, Wishes};
use super::{News, Subject, Topic};

/// A moment as this room counts: milliseconds that always go on, and the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Milliseconds that always go on.
    pub tick: i64,
    /// The wall clock; of an untrusted one, the latest moment that is known to have been.
    pub wall: Timestamp,
    /// Whether the clock is trusted.
    pub trusted: bool,
}

/// How far a letter has come, from the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LetterState {
    /// It is to be handed over.
    Queued,
    /// It was not taken, and will not be.
    Failed,
    /// Nobody needs it any more: somebody knows, it is over, or a later one says more.
    Dropped,
    /// Somebody took it who is to carry it on.
    Sent,
    /// It is on the person's device.
    Delivered,
    /// The person saw it.
    Seen,
    /// The person said "I know".
    Answered,
}

impl LetterState {
    /// All of them.
    pub const ALL: [LetterState; 7] = [
        LetterState::Queued,
        LetterState::Failed,
        LetterState::Dropped,
        LetterState::Sent,
        LetterState::Delivered,
        LetterState::Seen,
        LetterState::Answered,
    ];

    /// Its code on the wire, in the store and in the locale files (`letter-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            LetterState::Queued => "queued",
            LetterState::Failed => "failed",
            LetterState::Dropped => "dropped",
            LetterState::Sent => "sent",
            LetterState::Delivered => "delivered",
            LetterState::Seen => "seen",
            LetterState::Answered => "answered",
        }
    }

    /// The state of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether somebody took it.
    pub fn was_taken(self) -> bool {
        self >= LetterState::Sent
    }
}

/// A letter to one person by one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The letter's; the same in every retry.
    pub id: Id,
    /// What it is about.
    pub subject: Subject,
    /// Of which telling.
    pub telling: u32,
    /// To whom; `None`: the house itself.
    pub person: Option<PersonId>,
    /// By which way.
    pub way: Id,
    /// By which channel.
    pub channel: String,
    /// Why it was sent.
    pub call: Call,
    /// Life hangs on it.
    pub life: bool,
    /// How bad.
    pub severity: Severity,
    /// What people choose by.
    pub topic: Topic,
    /// What it says, where that is not what the news says.
    pub text: Option<(String, String)>,
    /// How far it has come.
    pub state: LetterState,
    /// When it came there.
    pub times: Vec<(LetterState, Timestamp)>,
    /// Why it failed.
    pub why: Option<String>,
    /// What the carrier calls it.
    pub receipt: Option<String>,
    /// So often it was tried.
    pub tries: u32,
    /// So often its carrier was asked.
    pub asked: u32,
    /// After this nobody wants it.
    pub until: Timestamp,
}

/// What was decided about somebody, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// Why then.
    pub call: Call,
    /// By which channels.
    pub by: Vec<String>,
    /// Not now.
    pub later: Option<Later>,
    /// Why so.
    pub why: Vec<Reason>,
}

/// Everything that was decided about somebody and one piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The row's.
    pub id: Id,
    /// About what.
    pub subject: Subject,
    /// About whom.
    pub person: PersonId,
    /// In their order; the newest last.
    pub decided: Vec<Decided>,
    /// So many were left out in the middle.
    pub left_out: u32,
}

/// So many decisions are remembered one by one.
const MOST_DECIDED: usize = 40;

impl Why {
    /// Remembers a decision. The first ones say how it began, the last ones how it stands.
    pub fn add(&mut self, decided: Decided) {
        if self.decided.len() >= MOST_DECIDED {
            self.decided.remove(MOST_DECIDED / 2);
            self.left_out = self.left_out.saturating_add(1);
        }
        self.decided.push(decided);
    }
}

/// A piece of news, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The row's; answers' tokens are made of it.
    pub id: Id,
    /// What happened. Its body is empty in memory once nothing is to be sent any more.
    pub news: News,
    /// When it came.
    pub at: Timestamp,
    /// When this telling began.
    pub began: i64,
    /// When it was last told, first or again.
    pub told_at: i64,
    /// So often it was told again.
    pub again: u32,
    /// When somebody was last added.
    pub widened: i64,
    /// Who was told by some way, and by which ways.
    pub told: BTreeMap<PersonId, BTreeSet<Id>>,
    /// The house's ways that spoke.
    pub house_ways: BTreeSet<Id>,
    /// Who of the order was asked.
    pub asked: BTreeSet<PersonId>,
    /// Everybody was told.
    pub everybody: bool,
    /// The house itself has spoken.
    pub house: bool,
    /// Ways that cost money were taken.
    pub costs: bool,
    /// Who said "I know".
    pub answered: Option<(PersonId, Timestamp)>,
    /// It does not stand any more.
    pub over: Option<Timestamp>,
    /// Nothing more is repeated or handed on.
    pub quiet: bool,
    /// Why somebody was told or not.
    pub why: BTreeMap<PersonId, Why>,
}

impl Case {
    /// Somebody has to say "I know".
    pub fn wants_answer(&self) -> bool {
        !self.news.drill && (self.news.wants_answer || self.news.life)
    }

    /// Life is at stake in earnest.
    pub fn is_life(&self) -> bool {
        self.news.life && !self.news.drill
    }

    /// Whether it is still repeated and handed on.
    pub fn climbs(&self) -> bool {
        self.wants_answer() && !self.quiet && self.answered.is_none() && self.over.is_none()
    }
}

/// What is kept back for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The row's.
    pub id: Id,
    /// For whom.
    pub person: PersonId,
    /// About what.
    pub subject: Subject,
    /// Of which telling.
    pub telling: u32,
    /// One line, in the person's language.
    pub title: String,
    /// What people choose by.
    pub topic: Topic,
    /// How bad.
    pub severity: Severity,
    /// Life hangs on it.
    pub life: bool,
    /// It is an exercise or a test.
    pub drill: bool,
    /// Since when.
    pub at: Timestamp,
    /// So many more, which were too many to be kept one by one.
    pub more: u32,
}

/// A line of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The row's.
    pub id: Id,
    /// About what.
    pub subject: Subject,
    /// What people choose by.
    pub topic: Topic,
    /// How bad.
    pub severity: Severity,
    /// Life hangs on it.
    pub life: bool,
    /// It is an exercise or a test.
    pub drill: bool,
    /// It says that something is over, or known.
    pub over: bool,
    /// One line.
    pub title: String,
    /// The rest, shortened.
    pub body: String,
    /// Where more of it stands.
    pub link: Option<String>,
    /// When it came.
    pub at: Timestamp,
    /// When it was seen.
    pub seen: Option<Timestamp>,
}

/// When a way of the house is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HouseUse {
    /// At once and at any hour: nobody hears it who does not look. A topic.
    Silent,
    /// At once, but not in quiet hours, unless life is at stake: a voice.
    Speaks,
    /// When nobody has answered: a siren.
    Last,
}

impl HouseUse {
    /// All of them.
    pub const ALL: [HouseUse; 3] = [HouseUse::Silent, HouseUse::Speaks, HouseUse::Last];

    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            HouseUse::Silent => "silent",
            HouseUse::Speaks => "speaks",
            HouseUse::Last => "last",
        }
    }

    /// The use of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }
}

/// Why a way is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Off {
    /// Its owner switched it off.
    ByOwner,
    /// Nobody is at the address any more.
    Gone,
}

impl Off {
    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Off::ByOwner => "by-owner",
            Off::Gone => "gone",
        }
    }

    /// The one of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Off::ByOwner, Off::Gone].into_iter().find(|one| one.code() == code)
    }
}

/// A way by which somebody, or the house, is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which.
    pub id: Id,
    /// Whose; `None`: the house's.
    pub person: Option<PersonId>,
    /// By which channel.
    pub channel: String,
    /// What its owner calls it.
    pub label: String,
    /// Where.
    pub address: Address,
    /// It is a confirmed contact of the person: its address is the contact's, and it goes with it.
    pub of_contact: bool,
    /// Of the house's: when it is taken.
    pub used: HouseUse,
    /// When it was added.
    pub added_at: Option<Timestamp>,
    /// It is not used.
    pub off: Option<Off>,
    /// When a letter last went by it.
    pub last_ok: Option<Timestamp>,
    /// When one last did not, and why.
    pub last_failure: Option<(Timestamp, String)>,
    /// When it was last tried for its own sake.
    pub tested_at: Option<Timestamp>,
    /// The weekly test is wanted although it sounds or costs.
    pub test_anyway: bool,
}

/// Somebody's wishes and ways, and what waits for them.
#[derive(Debug, Clone, Default)]
pub struct Seat {
    /// What the person wants.
    pub wishes: Wishes,
    /// What was kept back.
    pub kept: Vec<Kept>,
    /// The newest lines, the newest last.
    pub inbox: VecDeque<Line>,
}

/// What the household chose together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Household {
    /// Who is asked first, when somebody is to say "I know" and life is not at stake; empty: everybody at once.
    pub order: Vec<PersonId>,
}
