//! The one policy of the house: `decide(who, verb, object, now)`. Pure: it reads no clock, no store and no settings, and
//! every way in asks it. What it does not allow is refused, and every refusal explains itself.

mod decide;
mod grant;
mod mqtt_role;
mod object;
mod overview;
mod table;
#[cfg(test)]
mod tests;
mod topic;
mod who;

pub use decide::{Decision, Now, Refusal, Sure, decide, surely};
pub use grant::may_delegate;
pub use mqtt_role::MqttRole;
pub use object::{Kind, Object, Verb};
pub use overview::{Possibility, overview};
pub use table::{Column, Whose, can_be_given, table};
pub use topic::{covers, decide_topic};
pub use who::{Assurance, Effect, Grant, Hours, Network, Role, Scope, Subject, Who};
