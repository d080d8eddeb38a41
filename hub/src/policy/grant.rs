//! Rights beside those of the role: what a grant reaches, when it counts, and what can be handed on. Where it is not
//! certain that a grant reaches a thing, one that gives does not and one that takes away does.

use super::table::{Column, Whose, can_be_given, has};
use super::{Effect, Grant, Hours, Network, Now, Object, Refusal, Role, Verb, Who};

impl Hours {
    /// Whether this minute of the day is one of them.
    pub fn contains(self, minute: u16) -> bool {
        let (from, to) = (self.from_minute, self.to_minute);
        if from == to {
            true
        } else if from < to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }

    fn lie_within(self, other: Hours) -> bool {
        (0..24 * 60).all(|minute| !self.contains(minute) || other.contains(minute))
    }
}

/// Whether something narrowed to `wanted` reaches a thing of which `is` is known.
fn reaches(wanted: Option<&String>, is: Option<&String>, if_unknown: bool) -> bool {
    match (wanted, is) {
        (None, _) => true,
        (Some(_), None) => if_unknown,
        (Some(wanted), Some(is)) => wanted == is,
    }
}

impl Grant {
    /// Whether it speaks of this verb and thing. A whole kind has no id: one that gives a single thing does not give the
    /// whole, one that takes a single thing away takes the whole too, since the whole has it in it.
    fn speaks_of(&self, verb: Verb, object: &Object) -> bool {
        let if_unknown = self.effect == Effect::Deny;
        self.kind == object.kind
            && self.verbs.contains(&verb)
            && reaches(self.id_is.as_ref(), object.id.as_ref(), if_unknown)
            && reaches(self.room.as_ref(), object.room.as_ref(), if_unknown)
            && reaches(self.capability.as_ref(), object.capability.as_ref(), if_unknown)
    }

    /// Whether it takes this away now. Nobody knows the time: it does.
    pub(super) fn takes(&self, verb: Verb, object: &Object, network: Network, now: Now) -> bool {
        self.effect == Effect::Deny
            && self.speaks_of(verb, object)
            && !self.until.is_some_and(|until| now.trusted && until <= now.at)
            && !self.hours.is_some_and(|hours| now.trusted && !hours.contains(now.minute))
            && !(self.home_only && network == Network::Outside)
    }

    /// Whether it gives this now; `None`: it does not speak of it, or is over. Nobody knows the time: it is over.
    pub(super) fn gives(&self, verb: Verb, object: &Object, network: Network, now: Now) -> Option<Result<(), Refusal>> {
        let speaks = self.effect == Effect::Allow
            && can_be_given(verb, object.kind)
            && self.speaks_of(verb, object)
            && !self.until.is_some_and(|until| !now.trusted || until <= now.at);
        speaks.then(|| match self.hours {
            // Coming home at the wrong hour would not help, so the hour is named first.
            Some(hours) if !now.trusted || !hours.contains(now.minute) => Err(Refusal::Hours(hours)),
            _ if self.home_only && network == Network::Outside => Err(Refusal::HomeOnly),
            _ => Ok(()),
        })
    }

    /// Whether all that `other` gives with this verb lies within this one.
    fn contains(&self, verb: Verb, other: &Grant) -> bool {
        let within = |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        self.effect == Effect::Allow
            && self.kind == other.kind
            && self.verbs.contains(&verb)
            && within(&self.id_is, &other.id_is)
            && within(&self.room, &other.room)
            && within(&self.capability, &other.capability)
            && self.hours.is_none_or(|mine| other.hours.is_some_and(|theirs| theirs.lie_within(mine)))
            && (!self.home_only || other.home_only)
            && self.until.is_none_or(|mine| other.until.is_some_and(|theirs| theirs <= mine))
    }

    /// Whether this one, taking away, and `other`, giving, can meet in one thing.
    fn can_touch(&self, verb: Verb, other: &Grant) -> bool {
        let meet = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        self.effect == Effect::Deny
            && self.kind == other.kind
            && self.verbs.contains(&verb)
            && meet(&self.id_is, &other.id_is)
            && meet(&self.room, &other.room)
            && meet(&self.capability, &other.capability)
    }
}

/// Whether `giver` may hand this on, and whether it still counts: asked when a right is delegated, and again each time
/// the receiver's rights are gathered. Owners and adults hand on what is theirs by role or by a grant of their own; what
/// was handed to them they do not hand further, so that every delegation has one giver who can be asked.
pub fn may_delegate(giver: &Who, grant: &Grant, now: Now) -> Result<(), Refusal> {
    super::decide::standing(giver, now)?;
    let role = match giver.role {
        Some(role @ (Role::Owner | Role::Adult)) => role,
        _ => return Err(Refusal::Role),
    };
    if grant.effect == Effect::Deny || grant.verbs.is_empty() {
        return Err(Refusal::Role);
    }
    for verb in &grant.verbs {
        if giver.grants.iter().any(|own| own.can_touch(*verb, grant)) {
            return Err(Refusal::Denied);
        }
        let by_role = has(Column::Role(role), grant.kind, Whose::Any, *verb);
        let by_grant = || giver.grants.iter().any(|own| own.from.is_none() && own.contains(*verb, grant));
        if !can_be_given(*verb, grant.kind) || !(by_role || by_grant()) {
            return Err(Refusal::Role);
        }
    }
    Ok(())
}
