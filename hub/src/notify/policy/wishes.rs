//! What a person wants to be told, and by which ways: plain values, and whether they can be taken.

use std::collections::BTreeMap;

use domovoi_config::Language;
use domovoi_model::{Id, PersonId, Severity, Timestamp};

use super::quiet::{QuietSpan, longest_quiet};
use crate::notify::Topic;

/// So many spans of quiet hours somebody may have.
pub const MOST_SPANS: usize = 14;
/// So many rules for ways.
pub const MOST_RULES: usize = 24;
/// So many channels, rooms or routes in one list.
pub const MOST_NAMES: usize = 32;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The language of letters; `None`: the person's own, or the home's.
    pub language: Option<Language>,
    /// When nothing is told that can wait; `None`: the home's quiet hours.
    pub quiet: Option<Vec<QuietSpan>>,
    /// What is wanted of a topic; one that is not here is wanted as usual.
    pub topics: BTreeMap<Topic, TopicWish>,
    /// By which ways; the first that fits counts. None that fits: the usual ways.
    pub rules: Vec<WayRule>,
    /// By which channels what life hangs on comes; empty: by all.
    pub life_by: Vec<String>,
    /// Only what these rooms are about; empty: all rooms. What has no room is told in any case.
    pub rooms: Vec<String>,
    /// What is not wanted for a time.
    pub muted: Vec<Mute>,
    /// The person's ways in the order in which they are tried; those that are not here come after.
    pub order: Vec<Id>,
}

/// What is wanted of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicWish {
    /// Anything of it.
    pub on: bool,
    /// Only what is at least so bad comes by a way of its own; the rest is in the inbox.
    pub from: Severity,
}

/// Where the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Wherever.
    Any,
    /// At home.
    Home,
    /// Not at home.
    Away,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 3] = [Place::Any, Place::Home, Place::Away];

    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Place::Any => "any",
            Place::Home => "home",
            Place::Away => "away",
        }
    }

    /// The place of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.code() == code)
    }

    fn fits(self, at_home: Option<bool>) -> bool {
        match self {
            Place::Any => true,
            Place::Home => at_home == Some(true),
            Place::Away => at_home == Some(false),
        }
    }
}

/// By which ways something comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayRule {
    /// Of these topics; empty: of any.
    pub topics: Vec<Topic>,
    /// At least so bad.
    pub from: Severity,
    /// While the person is there.
    pub place: Place,
    /// At these hours; `None`: at any.
    pub hours: Option<QuietSpan>,
    /// By these channels; empty: only in the inbox.
    pub by: Vec<String>,
}

impl WayRule {
    /// Whether it is about this.
    pub fn fits(&self, topic: Topic, severity: Severity, at_home: Option<bool>, in_hours: bool) -> bool {
        (self.topics.is_empty() || self.topics.contains(&topic))
            && severity >= self.from
            && self.place.fits(at_home)
            && (self.hours.is_none() || in_hours)
    }
}

/// Not wanted for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mute {
    /// What; `None`: everything.
    pub topic: Option<Topic>,
    /// Until then.
    pub until: Timestamp,
}

/// Why wishes are not taken. The sentence is `wish-<code>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishRefusal {
    /// Nobody of the home could be reached when life is at stake.
    #[error("with this, nobody of the home could be reached when life is at stake")]
    NobodyForLife,
    /// A span of hours is none.
    #[error("days are 1 to 7, and hours are from 0:00 to 23:59")]
    BadHours,
    /// They are too long.
    #[error("{0} minutes on end would be quiet, at most 36 hours may be")]
    QuietTooLong(usize),
    /// There is too much of it.
    #[error("too many {0}: at most {1}")]
    TooMany(&'static str, usize),
    /// There is no such channel here.
    #[error("there is no channel «{0}» here")]
    NoSuchChannel(String),
    /// A mute that is over, or lasts for more than a month.
    #[error("something is muted for a month at most, and not into the past")]
    BadMute,
}

impl WishRefusal {
    /// Its code on the wire and in the locale files.
    pub fn code(&self) -> &'static str {
        match self {
            WishRefusal::NobodyForLife => "nobody-for-life",
            WishRefusal::BadHours => "bad-hours",
            WishRefusal::QuietTooLong(_) => "quiet-too-long",
            WishRefusal::TooMany(..) => "too-many",
            WishRefusal::NoSuchChannel(_) => "no-such-channel",
            WishRefusal::BadMute => "bad-mute",
        }
    }

    /// What its sentence needs.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            WishRefusal::QuietTooLong(minutes) => vec![("hours", minutes.div_ceil(60).to_string())],
            WishRefusal::TooMany(what, most) => vec![("what", (*what).to_owned()), ("most", most.to_string())],
            WishRefusal::NoSuchChannel(name) => vec![("channel", name.clone())],
            _ => Vec::new(),
        }
    }
}

/// What somebody mutes comes back by itself: a month at most.
const LONGEST_MUTE_MILLIS: i64 = 31 * 86_400_000;

impl Wishes {
    /// Whether they can be taken for themselves, whoever else there is. `knows` says whether a channel is there; `now` is
    /// unknown while the clock is not trusted.
    pub fn check(&self, knows: impl Fn(&str) -> bool, now: Option<Timestamp>) -> Result<(), WishRefusal> {
        let most = |what: &'static str, count: usize, most: usize| match count <= most {
            true => Ok(()),
            false => Err(WishRefusal::TooMany(what, most)),
        };
        let spans = self.quiet.as_deref().unwrap_or_default();
        most("quiet", spans.len(), MOST_SPANS)?;
        most("rules", self.rules.len(), MOST_RULES)?;
        most("rooms", self.rooms.len(), MOST_NAMES)?;
        most("muted", self.muted.len(), MOST_NAMES)?;
        most("order", self.order.len(), MOST_NAMES)?;
        most("life_by", self.life_by.len(), MOST_NAMES)?;
        let hours = spans.iter().chain(self.rules.iter().filter_map(|rule| rule.hours.as_ref()));
        if !hours.clone().all(QuietSpan::is_sound) {
            return Err(WishRefusal::BadHours);
        }
        longest_quiet(spans).map_err(WishRefusal::QuietTooLong)?;
        for rule in &self.rules {
            most("by", rule.by.len(), MOST_NAMES)?;
            most("topics", rule.topics.len(), MOST_NAMES)?;
        }
        let mut named = self.rules.iter().flat_map(|rule| &rule.by).chain(&self.life_by);
        if let Some(unknown) = named.find(|name| !knows(name)) {
            return Err(WishRefusal::NoSuchChannel(unknown.chars().take(64).collect()));
        }
        let in_time =
            |mute: &Mute| now.is_none_or(|now| (1..=LONGEST_MUTE_MILLIS).contains(&mute.until.0.saturating_sub(now.0)));
        if self.muted.iter().all(in_time) { Ok(()) } else { Err(WishRefusal::BadMute) }
    }

    /// What is wanted of a topic.
    pub fn of(&self, topic: Topic) -> TopicWish {
        self.topics.get(&topic).copied().unwrap_or(TopicWish { on: true, from: Severity::Unknown })
    }

    /// Until when something is muted, if it is now.
    pub fn muted_until(&self, topic: Topic, now: Timestamp) -> Option<Timestamp> {
        let about = self.muted.iter().filter(|mute| mute.topic.is_none_or(|muted| muted == topic));
        about.map(|mute| mute.until).filter(|until| *until > now).max()
    }
}

/// Of somebody of the home, what is asked before wishes are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachable {
    /// Who.
    pub person: PersonId,
    /// An owner or another adult who is let in.
    pub adult: bool,
    /// By which channels what life hangs on comes; empty: by all.
    pub life_by: Vec<String>,
    /// The channels by which the person can be reached outside of the house's page.
    pub channels: Vec<String>,
}

impl Reachable {
    /// Whether what life hangs on reaches this person at any hour.
    pub fn for_life(&self) -> bool {
        self.channels.iter().any(|channel| self.life_by.is_empty() || self.life_by.contains(channel))
    }
}

/// Whether somebody grown up can be reached at any hour when life is at stake.
pub fn somebody_for_life(home: &[Reachable]) -> bool {
    home.iter().any(|one| one.adult && one.for_life())
}

/// Whether a change can be taken: nobody may be able to take the last one away. `Ok(false)`: nobody could be reached
/// before, and nobody can be now, which the home is to be warned of.
pub fn accepts(before: &[Reachable], after: &[Reachable]) -> Result<bool, WishRefusal> {
    match (somebody_for_life(before), somebody_for_life(after)) {
        (true, false) => Err(WishRefusal::NobodyForLife),
        (_, after) => Ok(after),
    }
}
