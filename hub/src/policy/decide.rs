//! The decision itself. Which reason is named when several speak against: first what concerns the person as a whole
//! (sign in, locked, expired), then what no grant could mend (taken away), then what a grant could (role, not yours,
//! hours, home), then what another way to sign in could (scope, stronger), and last what takes a moment (step up): whoever
//! mends the reason that was named comes nearer, and showing a factor again is never asked for in vain.

use domovoi_model::Timestamp;

use super::table::{Column, Whose, has, opens_a_way_in};
use super::topic::decide_topic;
use super::{Assurance, Hours, Kind, Network, Object, Role, Subject, Verb, Who};

/// How long a factor that was shown counts for what is dangerous.
const PROOF_MILLIS: i64 = 5 * 60_000;

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

impl Decision {
    /// Whether it is a yes.
    pub fn is_allowed(&self) -> bool {
        *self == Decision::Allow
    }
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
    /// One of each, for tables and tests.
    pub const ALL: [Refusal; 12] = [
        Refusal::SignIn,
        Refusal::Locked,
        Refusal::Expired,
        Refusal::Role,
        Refusal::NotYours,
        Refusal::Denied,
        Refusal::Hours(Hours { from_minute: 480, to_minute: 1320 }),
        Refusal::HomeOnly,
        Refusal::Scope,
        Refusal::Topic,
        Refusal::Stronger,
        Refusal::StepUp,
    ];

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

    /// What its sentence needs beside its code: `$from` and `$to` as `HH:MM`.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        match self {
            Refusal::Hours(hours) => vec![("from", clock(hours.from_minute)), ("to", clock(hours.to_minute))],
            _ => Vec::new(),
        }
    }
}

/// The policy's yes to something dangerous: a factor was shown lately, or the console asks. Rooms take it where what they do
/// is dangerous, so that no door can forget to ask; only `surely` makes one.
#[derive(Debug)]
pub struct Sure {
    verb: Verb,
    object: Object,
}

impl Sure {
    /// Whether the policy was asked about this very thing.
    pub fn is_for(&self, verb: Verb, kind: Kind, id: &str) -> bool {
        self.verb == verb && self.object.kind == kind && self.object.id.as_deref() == Some(id)
    }
}

/// Whether `who` may do `verb` to `object` now, which is dangerous.
pub fn surely(who: &Who, verb: Verb, object: Object, now: Now) -> Result<Sure, Refusal> {
    let object = Object { dangerous: true, ..object };
    match decide(who, verb, &object, now) {
        Decision::Allow => Ok(Sure { verb, object }),
        Decision::Refuse(refusal) => Err(refusal),
    }
}

/// Whether `who` may do `verb` to `object` now.
pub fn decide(who: &Who, verb: Verb, object: &Object, now: Now) -> Decision {
    if object.kind == Kind::Topic {
        return match &object.id {
            Some(topic) => decide_topic(who, verb, topic),
            None => decide_topic(who, verb, "#"),
        };
    }
    match judge(who, verb, object, now) {
        Ok(()) => Decision::Allow,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn judge(who: &Who, verb: Verb, object: &Object, now: Now) -> Result<(), Refusal> {
    // What lies on the threshold guards itself: a password, a one-time token, a code on another device.
    if object.kind == Kind::Threshold {
        return Ok(());
    }
    let whose = Whose::of(object, who);
    let by_table = |column| if has(column, object.kind, whose, verb) { Ok(()) } else { Err(Refusal::Role) };
    let role = match (&who.subject, who.role) {
        (Subject::Nobody, _) => return Err(Refusal::SignIn),
        // Both hold the keys already: what they may do is limited to keep mistakes and other people's affairs away.
        (Subject::Console, _) => return by_table(Column::Console),
        (Subject::House, _) => return by_table(Column::House),
        (Subject::Credential { .. }, _) | (Subject::Person(_), None) => return Err(Refusal::Role),
        (Subject::Person(_), Some(role)) => role,
    };
    standing(who, now)?;
    if who.grants.iter().any(|grant| grant.takes(verb, object, who.network, now)) {
        return Err(Refusal::Denied);
    }
    let dangerous = object.dangerous || opens_a_way_in(verb, object.kind);
    right(who, role, verb, object, whose, dangerous, now)?;
    covered_by_token(who, role, verb, object)?;
    surely_enough(who, role, verb, object, whose, dangerous)?;
    if dangerous && !lately(who.proved_at, now) { Err(Refusal::StepUp) } else { Ok(()) }
}

/// What concerns the person as a whole.
pub(super) fn standing(who: &Who, now: Now) -> Result<(), Refusal> {
    if who.assurance == Assurance::None {
        return Err(Refusal::SignIn);
    }
    if who.locked {
        return Err(Refusal::Locked);
    }
    let over = match who.until {
        Some(until) => !now.trusted || until <= now.at,
        None => who.role == Some(Role::Guest),
    };
    if over { Err(Refusal::Expired) } else { Ok(()) }
}

/// Whether the role has it or a grant gives it; what speaks against is the nearest miss.
fn right(
    who: &Who,
    role: Role,
    verb: Verb,
    object: &Object,
    whose: Whose,
    dangerous: bool,
    now: Now,
) -> Result<(), Refusal> {
    // A program has nobody to show a factor, and a mistake of its author would bill the home.
    if role == Role::Service && dangerous {
        return Err(Refusal::Role);
    }
    let mut nearest = match by_role(who, role, verb, object, whose, dangerous) {
        Ok(()) => return Ok(()),
        Err(refusal) => refusal,
    };
    for given in who.grants.iter().filter_map(|grant| grant.gives(verb, object, who.network, now)) {
        match given {
            Ok(()) => return Ok(()),
            Err(miss) if matches!(nearest, Refusal::Role | Refusal::NotYours) => nearest = miss,
            Err(_) => {}
        }
    }
    Err(nearest)
}

fn by_role(who: &Who, role: Role, verb: Verb, object: &Object, whose: Whose, dangerous: bool) -> Result<(), Refusal> {
    let column = Column::Role(role);
    if !has(column, object.kind, whose, verb) {
        let of_another = object.owner.is_some() && has(column, object.kind, Whose::Own, verb);
        return Err(if of_another { Refusal::NotYours } else { Refusal::Role });
    }
    if whose == Whose::Own || matches!(role, Role::Owner | Role::Adult) {
        return Ok(());
    }
    // A child and a guest do by role what can be undone; what floods, bills or locks out is given to them by name.
    if dangerous {
        return Err(Refusal::Role);
    }
    let at_home_only = match role {
        Role::Child => verb != Verb::See,
        _ => true,
    };
    if at_home_only && who.network == Network::Outside { Err(Refusal::HomeOnly) } else { Ok(()) }
}

/// A token narrows. A program has nothing but what its token names.
fn covered_by_token(who: &Who, role: Role, verb: Verb, object: &Object) -> Result<(), Refusal> {
    let covered = match &who.scopes {
        None => role != Role::Service,
        Some(scopes) => {
            scopes.iter().any(|scope| scope.verb == verb && scope.kind.is_none_or(|kind| kind == object.kind))
        }
    };
    if covered { Ok(()) } else { Err(Refusal::Scope) }
}

/// Whether the way of signing in is enough.
fn surely_enough(
    who: &Who,
    role: Role,
    verb: Verb,
    object: &Object,
    whose: Whose,
    dangerous: bool,
) -> Result<(), Refusal> {
    if who.assurance == Assurance::Pin && (dangerous || !has(Column::Pin, object.kind, whose, verb)) {
        return Err(Refusal::Stronger);
    }
    // From outside a stolen password alone changes nothing. Ending a session of one's own is let through: it is what
    // one does from far away when a phone is lost. A program's token is no password: it has 256 bits and its scopes.
    let ends_own_session = object.kind == Kind::Session && whose == Whose::Own && !dangerous;
    let from_outside = who.network == Network::Outside && verb != Verb::See && !ends_own_session;
    if from_outside && role != Role::Service && who.assurance < Assurance::Strong {
        return Err(Refusal::Stronger);
    }
    Ok(())
}

fn lately(proved_at: Option<Timestamp>, now: Now) -> bool {
    proved_at.is_some_and(|at| (0..=PROOF_MILLIS).contains(&now.at.0.saturating_sub(at.0)))
}
