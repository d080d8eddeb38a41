//! Who is told by which way, when, and why so. Pure: no clock, no disk, no channel; everything is handed in. What it decides
//! is performed by the desk.

mod decide;
mod ladder;
mod quiet;
mod reason;
#[cfg(test)]
mod tests;
mod wishes;

pub use decide::{Call, Decision, Habits, Later, Listener, Matter, Now, Way, decide, quiet};
pub use ladder::{Rung, Step, next};
pub use quiet::{DAY_MINUTES, EVERY_DAY, QuietSpan, longest_quiet, quiet_until};
pub use reason::{Reason, clock_of};
pub use wishes::{
    MOST_NAMES, Mute, Place, Reachable, TopicWish, WayRule, WishRefusal, Wishes, accepts, somebody_for_life,
};
