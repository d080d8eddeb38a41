//! Why somebody was, or was not, told: codes with what they need, said in words by the locale files (`why-<code>`).

use domovoi_model::Timestamp;
use jiff::tz::TimeZone;

/// A reason. Several stand in a decision, in the order in which they counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Life is at stake: told at any hour by every way.
    Life,
    /// It is an exercise or a test.
    Drill,
    /// The person may not see such things here.
    MayNotSee,
    /// It was meant for others.
    MeantForOthers,
    /// The person does not want this topic.
    NotWanted,
    /// It is not bad enough by the person's wish.
    NotBadEnough,
    /// It is about a room that the person does not follow.
    OtherRoom,
    /// Muted until then.
    Muted(Timestamp),
    /// Quiet hours until then.
    Quiet(Timestamp),
    /// The home's clock is not trusted: quiet hours do not count.
    ClockUnknown,
    /// A rule of the person says by which ways.
    ByRule(usize),
    /// What is severe comes by all ways that cost nothing.
    AllWays,
    /// The usual: the first way that costs nothing.
    FirstWay,
    /// The person has no way to be reached.
    NoWay,
    /// Only ways that cost money are there.
    OnlyCosts,
    /// A way that costs money is taken now: nobody has answered in time.
    CostsNow,
    /// Too many letters: it comes with others in one.
    TooMany,
    /// Somebody else is asked first.
    OthersFirst(String),
    /// Nobody answered: it is this person's turn.
    YourTurn,
    /// Nobody answered: everybody is told.
    Everybody,
    /// Nobody answered: told again.
    Again,
    /// A way failed: another is tried.
    OtherWay,
    /// Somebody knows already.
    Answered(String),
    /// It is over.
    Over,
    /// It was told anew because it is worse.
    Worse,
    /// It came with others in one letter.
    InDigest,
}

/// Codes of reasons that carry nothing.
const PLAIN: [(&str, Reason); 20] = [
    ("life", Reason::Life),
    ("drill", Reason::Drill),
    ("may-not-see", Reason::MayNotSee),
    ("meant-for-others", Reason::MeantForOthers),
    ("not-wanted", Reason::NotWanted),
    ("not-bad-enough", Reason::NotBadEnough),
    ("other-room", Reason::OtherRoom),
    ("clock-unknown", Reason::ClockUnknown),
    ("all-ways", Reason::AllWays),
    ("first-way", Reason::FirstWay),
    ("no-way", Reason::NoWay),
    ("only-costs", Reason::OnlyCosts),
    ("costs-now", Reason::CostsNow),
    ("too-many", Reason::TooMany),
    ("your-turn", Reason::YourTurn),
    ("everybody", Reason::Everybody),
    ("again", Reason::Again),
    ("other-way", Reason::OtherWay),
    ("over", Reason::Over),
    ("worse", Reason::Worse),
];

impl Reason {
    /// Its code on the wire and in the locale files.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Muted(_) => "muted",
            Reason::Quiet(_) => "quiet",
            Reason::ByRule(_) => "by-rule",
            Reason::OthersFirst(_) => "others-first",
            Reason::Answered(_) => "answered",
            Reason::InDigest => "in-digest",
            plain => PLAIN.iter().find(|(_, reason)| reason == plain).map_or("unknown", |(code, _)| code),
        }
    }

    /// What it carries, as the store spells it.
    pub fn detail(&self) -> Option<String> {
        match self {
            Reason::Muted(until) | Reason::Quiet(until) => Some(until.0.to_string()),
            Reason::ByRule(number) => Some(number.to_string()),
            Reason::OthersFirst(name) | Reason::Answered(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// The reason of a code and what it carries.
    pub fn read(code: &str, detail: Option<&str>) -> Option<Self> {
        let at = || Some(Timestamp(detail?.parse().ok()?));
        match code {
            "muted" => Some(Reason::Muted(at()?)),
            "quiet" => Some(Reason::Quiet(at()?)),
            "by-rule" => Some(Reason::ByRule(detail?.parse().ok()?)),
            "others-first" => Some(Reason::OthersFirst(detail?.to_owned())),
            "answered" => Some(Reason::Answered(detail?.to_owned())),
            "in-digest" => Some(Reason::InDigest),
            _ => PLAIN.iter().find(|(plain, _)| *plain == code).map(|(_, reason)| reason.clone()),
        }
    }

    /// What its sentence needs: `$until` as the home's wall clock says it, `$name`, `$number`.
    pub fn variables(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        match self {
            Reason::Muted(until) | Reason::Quiet(until) => vec![("until", clock_of(*until, zone))],
            Reason::ByRule(number) => vec![("number", (number + 1).to_string())],
            Reason::OthersFirst(name) | Reason::Answered(name) => vec![("name", name.clone())],
            _ => Vec::new(),
        }
    }

    /// One of each, for tables and tests.
    pub fn examples() -> Vec<Self> {
        let more = [
            Reason::Muted(Timestamp(1_795_300_000_000)),
            Reason::Quiet(Timestamp(1_795_300_000_000)),
            Reason::ByRule(0),
            Reason::OthersFirst("Анна".to_owned()),
            Reason::Answered("Анна".to_owned()),
            Reason::InDigest,
        ];
        PLAIN.iter().map(|(_, reason)| reason.clone()).chain(more).collect()
    }
}

/// `23.11 07:30`
pub fn clock_of(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => zone.to_datetime(at).strftime("%d.%m %H:%M").to_string(),
        Err(_) => String::new(),
    }
}
