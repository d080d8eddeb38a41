//! A scenario as a plain value: what begins it, what must be so, what it does, and how much of it may be at once. Nothing
//! here is spelled, stored or performed; the wire form is [`super::paper`], what comes of it is decided in
//! [`super::machine`].

use domovoi_model::{DeviceRef, Id, Peril, PersonId, PointId, Severity, Timestamp, Value};
use jiff::civil::Time;

/// What the family wants to happen by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Random; stays through all changes.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// A remark of whoever wrote it.
    pub note: String,
    /// A hint for a page: the name of a picture.
    pub icon: Option<String>,
    /// A hint for a page: the room it belongs to.
    pub room: Option<Id>,
    /// The preset it was made from.
    pub preset: Option<String>,
    /// Whether its triggers begin anything. By hand it can be started all the same.
    pub is_on: bool,
    /// Whoever saved it last; it may do what they may. `None`: whoever held the machine.
    pub author: Option<PersonId>,
    /// Its author showed a factor when saving it, so that it may do what is dangerous.
    pub sure: bool,
    /// What happens when it is to begin while it runs.
    pub mode: Mode,
    /// What begins it: any of these.
    pub triggers: Vec<Trigger>,
    /// What must be so when it begins: all of these.
    pub conditions: Vec<Condition>,
    /// What it does, one after the other.
    pub actions: Vec<Step>,
    /// What keeps it from running wild.
    pub guards: Guards,
    /// When it was saved last.
    pub changed_at: Timestamp,
}

/// What happens when a scenario is to begin while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: the run goes on.
    Single,
    /// The run is stopped where it is, and another begins.
    Restart,
    /// It begins when the run is over.
    Queued {
        /// So many may wait.
        most: u16,
    },
    /// It begins beside the run.
    Parallel {
        /// So many may run.
        most: u16,
    },
}

/// What begins a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Short; `trigger.id` in expressions.
    pub id: String,
    /// A trigger that is off begins nothing.
    pub is_on: bool,
    /// When.
    pub when: When,
    /// What of it is made up for that was missed.
    pub catch_up: CatchUp,
    /// What is longer ago is not made up for, in seconds.
    pub max_age_s: u32,
}

/// What of a trigger is made up for that was missed: the hub was off, its clock was not set or was put forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    Skip,
    /// The last time.
    Once,
    /// Each time.
    All,
}

/// A property of a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which device.
    pub device: DeviceRef,
    /// Which of its properties.
    pub property: String,
}

/// How a property has to stand.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// At this value. Words are compared without regard to case.
    Equals(Value),
    /// At any other known value.
    Differs(Value),
    /// Above this number.
    Above(Value),
    /// Below this number.
    Below(Value),
    /// It is otherwise than before; only for triggers, and without `for`.
    Changed,
    /// Nobody knows: it never said anything, or has been silent for too long.
    Unknown,
}

/// When a scenario begins.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// A property begins to stand so; with `for_s`, has stood so for that long.
    State {
        /// Which.
        at: Place,
        /// How.
        is: Test,
        /// In seconds.
        for_s: Option<u32>,
    },
    /// A property goes from one value to another; `None` is any value.
    Edge {
        /// Which.
        at: Place,
        /// From.
        from: Option<Value>,
        /// To.
        to: Option<Value>,
    },
    /// At these times of the home's day.
    Time {
        /// The times.
        at: Vec<Time>,
        /// On which days.
        days: Days,
    },
    /// Again and again, counted from the home's midnight.
    Every {
        /// In seconds.
        seconds: u32,
        /// On which days.
        days: Days,
    },
    /// At sunrise or sunset.
    Sun {
        /// Which.
        event: SunEvent,
        /// So many minutes after it; before it where negative.
        offset_minutes: i16,
        /// On which days.
        days: Days,
    },
    /// Somebody comes home; `None`: anybody.
    Arrives(Option<PersonId>),
    /// Somebody leaves; `None`: the last one.
    Leaves(Option<PersonId>),
    /// The scenario's secret address is called.
    Webhook {
        /// Keyed hash of the secret, which itself is nowhere; `None` until it is saved.
        key: Option<Id>,
    },
    /// An alert.
    Alert {
        /// About one of these; empty: about anything.
        perils: Vec<Peril>,
        /// At least so bad.
        at_least: Option<Severity>,
        /// Only those on which lives hang.
        life_only: bool,
        /// Which moment of its life.
        moment: AlertMoment,
    },
    /// A reminder of the calendar is due.
    Calendar {
        /// Its title has these words; empty: any.
        title_has: String,
    },
    /// The hub has started and knows how everything stands.
    HouseStart,
}

/// Which moment of an alert's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertMoment {
    /// It is new, or worse than before.
    Raised,
    /// It does not stand any more.
    Over,
}

/// Sunrise or sunset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SunEvent {
    /// The sun's upper edge comes up.
    Rise,
    /// It goes down.
    Set,
}

/// On which days: all that is named must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Days {
    /// Days of the week, 1 (Monday) to 7; empty: all.
    pub week: Vec<u8>,
    /// Days of the month, 1 to 31; empty: all.
    pub month: Vec<u8>,
}

/// What must be so. What is not known is not so.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A property stands so.
    State {
        /// Which.
        at: Place,
        /// How; never [`Test::Changed`].
        is: Test,
    },
    /// It is between two times of the home's day, which may have midnight between them.
    Time {
        /// From this minute of the day.
        from: Time,
        /// Until before it; equal to `from`: the whole day.
        to: Time,
        /// On which days; after midnight it is still the day on which it began.
        days: Days,
    },
    /// Somebody is at home, or is not; `None`: anybody.
    Home {
        /// Who.
        person: Option<PersonId>,
        /// Whether.
        is: bool,
    },
    /// The sun is up, or is not.
    SunUp(bool),
    /// An expression that comes to true.
    Expression(String),
    /// All of these.
    All(Vec<Condition>),
    /// Any of these.
    Any(Vec<Condition>),
    /// Known not to be so.
    Not(Box<Condition>),
}

/// A value, or an expression that comes to one.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// As it stands here.
    Value(Value),
    /// Worked out when its step is done.
    Expression(String),
}

/// One thing that a scenario does. Its path is where it stands: `3.then.1`, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is called in the trace.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// When it cannot be done, the run goes on all the same.
    pub go_on: bool,
}

/// What is done in a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A property of a device is set.
    Command {
        /// Which.
        at: Place,
        /// To what.
        value: Given,
        /// What is done after a power cut when it is not known whether it was said; `None`: as the value is.
        doubt: Option<Doubt>,
    },
    /// Many are, one after the other; that one of them fails keeps none of the others.
    Scene {
        /// What people call it.
        name: String,
        /// Which, and to what.
        commands: Vec<(Place, Given)>,
    },
    /// Time passes.
    Wait {
        /// In seconds.
        seconds: Given,
    },
    /// It goes on as soon as this is so.
    Until {
        /// What.
        awaited: Awaited,
        /// At the latest after so many seconds.
        timeout_s: Option<u32>,
        /// After that time it goes on; otherwise the run stops.
        go_on: bool,
    },
    /// The first branch whose conditions are so.
    Choose {
        /// The branches.
        branches: Vec<Branch>,
        /// When none is so.
        otherwise: Vec<Step>,
    },
    /// Steps are done again and again.
    Repeat {
        /// How often.
        turns: Turns,
        /// Which.
        steps: Vec<Step>,
    },
    /// People are told.
    Notify {
        /// Who; empty: everybody here, as each of them wishes.
        to: Vec<PersonId>,
        /// How bad it is.
        severity: Severity,
        /// One line; `{{ … }}` in it is worked out.
        title: String,
        /// The rest, likewise.
        text: String,
    },
    /// A reading of a meter is handed in.
    Reading {
        /// Of which metering point.
        point: PointId,
        /// T1 to T4 as far as the meter has them.
        values: Vec<Given>,
    },
    /// Another scenario is started.
    Start(Id),
    /// The runs of another scenario are stopped.
    Stop(Id),
    /// A variable of this run is set: `vars.name` in expressions.
    Set {
        /// Its name.
        name: String,
        /// Its value.
        value: Given,
    },
    /// The run ends here.
    End,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Awaited {
    /// A condition.
    So(Condition),
    /// Something that happens.
    Happens(When),
}

/// A branch.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// All of these.
    pub conditions: Vec<Condition>,
    /// What is done then.
    pub steps: Vec<Step>,
}

/// How often steps are done. There is a cap on all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Turns {
    /// So often.
    Count(u32),
    /// While these are so, looked at before each turn.
    While(Vec<Condition>),
    /// Once for each: `repeat.item` in expressions.
    Each(Vec<Given>),
}

/// What is done after a power cut when it is not known whether a command was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is said again unless the device reports what was wanted: twice «on» is no more than once.
    Again,
    /// It is not said again: twice «toggle» is not once.
    Once,
}

/// What keeps a scenario from running wild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    /// How often it may begin in an hour.
    pub runs_per_hour: u32,
    /// How deep in a chain of scenarios that cause each other it may stand.
    pub max_depth: u8,
    /// A run that takes longer is stopped, in seconds.
    pub max_run_s: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Guards { runs_per_hour: 120, max_depth: 5, max_run_s: 7 * 86_400 }
    }
}

impl CatchUp {
    /// All of them.
    pub const ALL: [CatchUp; 3] = [CatchUp::Skip, CatchUp::Once, CatchUp::All];

    /// Its code on the wire and in the locale files (`scenario-catch-up-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            CatchUp::Skip => "skip",
            CatchUp::Once => "once",
            CatchUp::All => "all",
        }
    }

    /// That of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }
}

impl Mode {
    /// Its code on the wire and in the locale files (`scenario-mode-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            Mode::Single => "single",
            Mode::Restart => "restart",
            Mode::Queued { .. } => "queued",
            Mode::Parallel { .. } => "parallel",
        }
    }
}

impl Doubt {
    /// What is done where nobody said: what leaves things as they are wanted, however often it is said, is said again.
    pub fn of(value: &Value) -> Self {
        const STANDS: [&str; 8] = ["on", "off", "open", "close", "closed", "true", "false", "auto"];
        match value {
            Value::Bool(_) | Value::Number(_) => Doubt::Again,
            Value::Text(text) if STANDS.iter().any(|word| text.eq_ignore_ascii_case(word)) => Doubt::Again,
            Value::Text(_) => Doubt::Once,
        }
    }
}

impl When {
    /// Its code on the wire and in the locale files (`scenario-when-<code>`).
    pub fn code(&self) -> &'static str {
        match self {
            When::State { .. } => "state",
            When::Edge { .. } => "edge",
            When::Time { .. } => "time",
            When::Every { .. } => "every",
            When::Sun { .. } => "sun",
            When::Arrives(_) => "arrives",
            When::Leaves(_) => "leaves",
            When::Webhook { .. } => "webhook",
            When::Alert { .. } => "alert",
            When::Calendar { .. } => "calendar",
            When::HouseStart => "house-start",
        }
    }

    /// The property that it watches.
    pub fn place(&self) -> Option<&Place> {
        match self {
            When::State { at, .. } | When::Edge { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Whether the clock says when it is.
    pub fn is_of_the_clock(&self) -> bool {
        matches!(self, When::Time { .. } | When::Every { .. } | When::Sun { .. })
    }
}

impl Action {
    /// Its code on the wire and in the locale files (`scenario-action-<code>`).
    pub fn code(&self) -> &'static str {
        match self {
            Action::Command { .. } => "command",
            Action::Scene { .. } => "scene",
            Action::Wait { .. } => "wait",
            Action::Until { .. } => "until",
            Action::Choose { .. } => "choose",
            Action::Repeat { .. } => "repeat",
            Action::Notify { .. } => "notify",
            Action::Reading { .. } => "reading",
            Action::Start(_) => "start",
            Action::Stop(_) => "stop",
            Action::Set { .. } => "set",
            Action::End => "end",
        }
    }
}
