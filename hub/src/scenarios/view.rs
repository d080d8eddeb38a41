//! What is shown of scenarios and their runs: plain values for pages, the API and the command line.

use std::sync::Arc;

use domovoi_model::{Id, Moment, Timestamp};
use domovoi_vault::Secret;

use super::plan::Scenario;

/// A scenario and how it stands.
#[derive(Debug, Clone)]
pub struct ScenarioView {
    /// What it is.
    pub scenario: Arc<Scenario>,
    /// How many runs are under way.
    pub running: usize,
    /// How many wait for their turn.
    pub queued: usize,
    /// Its last run that is over, or the last reason why there was none.
    pub last: Option<LastRun>,
    /// When the clock begins it next.
    pub next_at: Option<Timestamp>,
}

/// See [`ScenarioView`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Which.
    pub run: Id,
    /// When it ended.
    pub at: Moment,
    /// How.
    pub end: End,
}

/// What was saved.
#[derive(Debug)]
pub struct Saved {
    /// As it is now.
    pub scenario: Arc<Scenario>,
    /// The secrets of new webhooks, by trigger: shown now and never again. The address is `/hooks/<secret>`.
    pub webhooks: Vec<(String, Secret<String>)>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// All was done.
    Done,
    /// A step could not be done.
    Failed,
    /// Somebody stopped it, or another scenario did.
    Stopped,
    /// It began anew.
    Restarted,
    /// It took longer than it may.
    TooLong,
    /// The scenario was changed or deleted while it ran.
    Changed,
    /// It did not begin: a condition was not so, or not known to be so.
    NotSo,
    /// It did not begin: it runs already, or too many wait.
    Busy,
    /// It did not begin: it has begun too often lately.
    TooOften,
    /// It did not begin: scenarios cause each other in a circle.
    TooDeep,
    /// It did not begin: what was missed is too long ago.
    Missed,
    /// Whoever wrote it may not do this any more.
    NotAllowed,
}

impl End {
    /// All of them.
    pub const ALL: [End; 12] = [
        End::Done,
        End::Failed,
        End::Stopped,
        End::Restarted,
        End::TooLong,
        End::Changed,
        End::NotSo,
        End::Busy,
        End::TooOften,
        End::TooDeep,
        End::Missed,
        End::NotAllowed,
    ];

    /// Its code on the wire, in the store and in the locale files (`scenario-end-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            End::Done => "done",
            End::Failed => "failed",
            End::Stopped => "stopped",
            End::Restarted => "restarted",
            End::TooLong => "too-long",
            End::Changed => "changed",
            End::NotSo => "not-so",
            End::Busy => "busy",
            End::TooOften => "too-often",
            End::TooDeep => "too-deep",
            End::Missed => "missed",
            End::NotAllowed => "not-allowed",
        }
    }

    /// That of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.code() == code)
    }

    /// Whether nothing was begun at all.
    pub fn did_not_begin(self) -> bool {
        matches!(self, End::NotSo | End::Busy | End::TooOften | End::TooDeep | End::Missed)
    }
}

/// A run: under way, over, or one that did not begin.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Which.
    pub id: Id,
    /// Of which scenario.
    pub scenario: Id,
    /// Its trigger's id; `hand`, `scenario` or `webhook` where there is none.
    pub trigger: String,
    /// What about it: the value that began it, who did.
    pub cause: String,
    /// When it began, or would have.
    pub began: Moment,
    /// When it ended; `None` while it is under way.
    pub ended: Option<Moment>,
    /// How.
    pub end: Option<End>,
    /// The path of the step where it is: `3.then.1`.
    pub path: String,
    /// Until when it waits, as far as the clock can say.
    pub waits_until: Option<Timestamp>,
    /// What happened in it.
    pub lines: Vec<Line>,
    /// So many triggers in a row ended like this one, which only the last is shown of.
    pub times: u32,
}

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Moment,
    /// The path of the step; `if.2` for conditions; empty for the run itself.
    pub path: String,
    /// What.
    pub what: What,
    /// About it, in the words of whoever said it: a value, a refusal.
    pub said: String,
    /// The values that were looked at, by name.
    pub seen: Vec<(String, String)>,
}

macro_rules! whats {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What a line of a trace is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum What { $($(#[$doc])* $name,)* }

        impl What {
            /// All of them.
            pub const ALL: &[What] = &[$(What::$name,)*];

            /// Its code on the wire, in the store and in the locale files (`scenario-line-<code>`).
            pub fn code(self) -> &'static str {
                match self { $(What::$name => $code,)* }
            }

            /// That of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|what| what.code() == code)
            }
        }
    };
}

whats! {
    /// It began.
    Began = "began",
    /// What was missed is made up for.
    Late = "late",
    /// A condition was so.
    So = "so",
    /// A condition was not so.
    NotSo = "not-so",
    /// A condition is not known to be so.
    Unknown = "unknown",
    /// An expression could not be worked out.
    Wrong = "wrong",
    /// Something is about to be done.
    Doing = "doing",
    /// It was done.
    Did = "did",
    /// It was not done.
    DidNot = "did-not",
    /// After a power cut it is not known whether it was done, and it is not done again.
    Doubt = "doubt",
    /// After a power cut it is done again.
    Again = "again",
    /// It waits.
    Waits = "waits",
    /// What it waited for is here.
    Came = "came",
    /// The time is over.
    TimedOut = "timed-out",
    /// This branch is taken.
    Branch = "branch",
    /// A turn of a repetition.
    Turn = "turn",
    /// There were too many turns or steps.
    TooMany = "too-many",
    /// A variable was set.
    Set = "set",
    /// The hub was started again meanwhile.
    Resumed = "resumed",
    /// Lines are left out.
    LeftOut = "left-out",
    /// It is over.
    Over = "over",
}

/// What would happen if it began now.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// Whether it would begin.
    pub begins: bool,
    /// What would happen, as far as it can be said without doing it: waits pass at once, commands are not given.
    pub lines: Vec<Line>,
}
