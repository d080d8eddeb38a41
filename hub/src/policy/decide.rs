//! The decision itself.

use domovoi_model::Timestamp;

use super::{Hours, Object, Role, Subject, Verb, Who};

/// The moment that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// UTC.
    pub at: Timestamp,
    /// Minute of the home's own day, 0 to 1439.
    pub minute: u16,
    /// Whether the clock is trusted. What ends at a time has ended while nobody knows the time.
    pub trusted: bool,
}

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No, and why.
    Refuse(Refusal),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is signed in.
    SignIn,
    /// The person's devices are locked.
    Locked,
    /// The guest's time is over.
    Expired,
    /// The role does not have this right, and nothing else gives it.
    Role,
    /// It is another person's.
    NotYours,
    /// A rule takes it away.
    Denied,
    /// Not at this hour.
    Hours(Hours),
    /// Only at home.
    HomeOnly,
    /// The token does not cover it.
    Scope,
    /// The credential does not name this topic.
    Topic,
    /// A stronger way to sign in is wanted than a PIN.
    Stronger,
    /// A factor has to be shown again.
    StepUp,
}

impl Refusal {
    /// Its code on the wire, in the journal and in the locale files (`refusal-<code>`).
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::SignIn => "sign-in",
            Refusal::Locked => "locked",
            Refusal::Expired => "expired",
            Refusal::Role => "role",
            Refusal::NotYours => "not-yours",
            Refusal::Denied => "denied",
            Refusal::Hours(_) => "hours",
            Refusal::HomeOnly => "home-only",
            Refusal::Scope => "scope",
            Refusal::Topic => "topic",
            Refusal::Stronger => "stronger",
            Refusal::StepUp => "step-up",
        }
    }
}

/// Whether `who` may do `verb` to `object` now.
pub fn decide(who: &Who, _verb: Verb, object: &Object, _now: Now) -> Decision {
    // SKELETON: to be written whole.
    if object.kind == super::Kind::Threshold || who.subject == Subject::Console || who.role == Some(Role::Owner) {
        Decision::Allow
    } else {
        Decision::Refuse(Refusal::Role)
    }
}
