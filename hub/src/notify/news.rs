//! What people may have to be told, whatever it came from: plain values that other rooms hand over.

use std::fmt;
use std::str::FromStr;

use domovoi_model::{Id, Moment, PersonId, Severity};

/// What a piece of news is about. One subject has one life: told, told anew when it is worse, over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An alert.
    Alert(Id),
    /// A message of the portal.
    Message(Id),
    /// A reminder of the calendar: the event, and which of its occurrences.
    Reminder(Id, i64),
    /// Something that a scenario tells.
    Scenario(Id),
    /// A test of a channel.
    Test(Id),
    /// What was kept back for somebody, all of it in one letter.
    Digest(Id),
}

impl Subject {
    /// Its code on the wire and in the store, before the id.
    pub fn code(&self) -> &'static str {
        match self {
            Subject::Alert(_) => "alert",
            Subject::Message(_) => "message",
            Subject::Reminder(..) => "reminder",
            Subject::Scenario(_) => "scenario",
            Subject::Test(_) => "test",
            Subject::Digest(_) => "digest",
        }
    }

    /// The id of what it is about.
    pub fn id(&self) -> Id {
        match self {
            Subject::Alert(id)
            | Subject::Message(id)
            | Subject::Reminder(id, _)
            | Subject::Scenario(id)
            | Subject::Test(id)
            | Subject::Digest(id) => *id,
        }
    }
}

/// `alert:6f1e…`, `reminder:6f1e…:1795300000000`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.code(), self.id())?;
        match self {
            Subject::Reminder(_, occurrence) => write!(f, ":{occurrence}"),
            _ => Ok(()),
        }
    }
}

/// The text names no subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSubject;

impl FromStr for Subject {
    type Err = NoSubject;

    fn from_str(text: &str) -> Result<Self, NoSubject> {
        let mut parts = text.splitn(3, ':');
        let (Some(code), Some(id), rest) = (parts.next(), parts.next(), parts.next()) else { return Err(NoSubject) };
        let id: Id = id.parse().map_err(|_| NoSubject)?;
        match (code, rest) {
            ("alert", None) => Ok(Subject::Alert(id)),
            ("message", None) => Ok(Subject::Message(id)),
            ("scenario", None) => Ok(Subject::Scenario(id)),
            ("test", None) => Ok(Subject::Test(id)),
            ("digest", None) => Ok(Subject::Digest(id)),
            ("reminder", Some(at)) => at.parse().map(|at| Subject::Reminder(id, at)).map_err(|_| NoSubject),
            _ => Err(NoSubject),
        }
    }
}

/// What people choose by: each may be subscribed to or not, but for what life hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Gas, smoke, water, frost at home.
    Danger,
    /// Warnings of the weather and emergency services.
    Emergency,
    /// Something of the utilities is or will be off.
    Outage,
    /// A device of the home fails.
    Device,
    /// A camera, or its archive.
    Camera,
    /// Meters and readings.
    Meter,
    /// Bills and payments.
    Money,
    /// Sign-in, rights, strangers.
    Security,
    /// The hub itself.
    House,
    /// The calendar's reminders.
    Calendar,
    /// Anything else from the portal.
    Message,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 11] = [
        Topic::Danger,
        Topic::Emergency,
        Topic::Outage,
        Topic::Device,
        Topic::Camera,
        Topic::Meter,
        Topic::Money,
        Topic::Security,
        Topic::House,
        Topic::Calendar,
        Topic::Message,
    ];

    /// Its code on the wire, in the store and in the locale files (`topic-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            Topic::Danger => "danger",
            Topic::Emergency => "emergency",
            Topic::Outage => "outage",
            Topic::Device => "device",
            Topic::Camera => "camera",
            Topic::Meter => "meter",
            Topic::Money => "money",
            Topic::Security => "security",
            Topic::House => "house",
            Topic::Calendar => "calendar",
            Topic::Message => "message",
        }
    }

    /// The topic of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.code() == code)
    }
}

/// A text in both languages of the house. A stranger's text that has one only stands in both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bilingual {
    /// Russian.
    pub ru: String,
    /// English.
    pub en: String,
}

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who may see such things here.
    Household,
    /// These.
    People(Vec<PersonId>),
}

/// A piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What it is about.
    pub subject: Subject,
    /// Grows when whoever was told is to be told anew; the same one twice is the same news.
    pub telling: u32,
    /// What people choose by.
    pub topic: Topic,
    /// How bad.
    pub severity: Severity,
    /// Somebody may die of not hearing it now.
    pub life: bool,
    /// It is an exercise or a test, and is said to be one.
    pub drill: bool,
    /// Somebody is to say "I know": repeated, and handed on to the next person, until then.
    pub wants_answer: bool,
    /// One line, ≤ 200 characters.
    pub title: Bilingual,
    /// The rest, ≤ 4,000 characters.
    pub body: Bilingual,
    /// Where on the page more of it stands: `/alerts/<id>`.
    pub link: Option<String>,
    /// The room it is about: whoever follows some rooms only hears of these.
    pub room: Option<String>,
    /// Who is meant.
    pub audience: Audience,
    /// When it happened.
    pub at: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_spelled_and_read_back() {
        let id = Id([7; 16]);
        for subject in [
            Subject::Alert(id),
            Subject::Message(id),
            Subject::Reminder(id, -5),
            Subject::Scenario(id),
            Subject::Test(id),
            Subject::Digest(id),
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        for bad in ["", "alert", "alert:", "alert:7", "gas:07070707-0707-0707-0707-070707070707"] {
            assert_eq!(bad.parse::<Subject>(), Err(NoSubject), "{bad}");
        }
        let more = format!("{}:1", Subject::Alert(id));
        assert_eq!(more.parse::<Subject>(), Err(NoSubject));
    }
}
