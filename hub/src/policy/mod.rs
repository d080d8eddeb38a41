//! The one policy of the house: `decide(who, verb, object, now)`. Pure: it reads no clock, no store and no settings, and
//! every way in asks it. What it does not allow is refused, and every refusal explains itself.

mod decide;
mod object;
mod who;

pub use decide::{Decision, Now, Refusal, decide};
pub use object::{Kind, Object, Verb};
pub use who::{Assurance, Effect, Grant, Hours, Network, Role, Scope, Subject, Who};
