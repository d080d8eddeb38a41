//! What happens while nobody says "I know": told again, handed on to the next person, to everybody, to the house itself. Pure:
//! how things stand and when they began are handed in, as milliseconds that always go on.

use domovoi_config::NotifySection;
use domovoi_model::Severity;

/// How an unanswered piece of news stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Life is at stake in earnest.
    pub life: bool,
    /// How bad.
    pub severity: Severity,
    /// When this telling began.
    pub began: i64,
    /// When it was last told again, or first.
    pub told: i64,
    /// So often it was told again.
    pub again: u32,
    /// When somebody was last added.
    pub widened: i64,
    /// So many people of the order are left who were not asked.
    pub left: usize,
    /// Everybody was told.
    pub everybody: bool,
    /// The house itself has spoken.
    pub house: bool,
    /// Ways that cost money were taken.
    pub costs: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The next of the order is told.
    NextPerson,
    /// Everybody is told who was not.
    Everybody,
    /// The house speaks: a siren, a voice.
    House,
    /// Ways that cost money are taken.
    Costs,
    /// Whoever was told is told again.
    Again,
    /// Nothing more is done.
    GiveUp,
}

/// The next step, and when it is due. There always is one: giving up is the last.
pub fn next(rung: &Rung, pace: &NotifySection) -> (i64, Step) {
    let after =
        |from: i64, wait: std::time::Duration| from.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    let mut steps = vec![(after(rung.began, pace.give_up_after), Step::GiveUp)];
    let wider = after(rung.widened, pace.escalate_after);
    if !rung.everybody {
        steps.push((wider, if rung.left > 0 { Step::NextPerson } else { Step::Everybody }));
    } else if !rung.house {
        steps.push((wider, Step::House));
    }
    if !rung.costs && !rung.life {
        steps.push((after(rung.began, pace.costs_after), Step::Costs));
    }
    if rung.life {
        let wait = if rung.again < pace.life_repeat_times { pace.life_repeat } else { pace.life_repeat_then };
        steps.push((after(rung.told, wait), Step::Again));
    } else if rung.severity >= Severity::Severe && rung.again < pace.repeat_times {
        steps.push((after(rung.told, pace.repeat), Step::Again));
    }
    steps.into_iter().min().unwrap_or((after(rung.began, pace.give_up_after), Step::GiveUp))
}
