//! What a person may do, listed for the page: every line of the table that anybody has, asked of `decide` itself, so that
//! what is shown is what is enforced. It speaks of whole kinds; one thing may be allowed where the whole is not.

use domovoi_model::{PersonId, Timestamp};

use super::table::table;
use super::{Assurance, Decision, Grant, Kind, Network, Now, Object, Role, Subject, Verb, Who, Whose, decide};

/// One thing that can be done in this home, and whether this person may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possibility {
    /// What kind of thing.
    pub kind: Kind,
    /// Whose.
    pub whose: Whose,
    /// What is done to it.
    pub verb: Verb,
    /// Whether, and why not.
    pub decision: Decision,
}

impl Who {
    /// A person at home who has just signed in with everything they have: for saying what they may do at best.
    pub fn at_best(
        id: PersonId,
        role: Role,
        grants: Vec<Grant>,
        until: Option<Timestamp>,
        locked: bool,
        now: Now,
    ) -> Who {
        Who {
            subject: Subject::Person(id),
            role: Some(role),
            grants,
            assurance: Assurance::Strong,
            proved_at: Some(now.at),
            until,
            locked,
            ..Who::nobody(Network::Home)
        }
    }
}

/// Everything that somebody may do by the table or by a grant, and what `who` may of it.
pub fn overview(who: &Who, now: Now) -> Vec<Possibility> {
    // Somebody else's, of whom nothing is known.
    let stranger = PersonId(domovoi_model::Id([0; 16]));
    let mut list = Vec::new();
    for (kind, whose, columns) in table().filter(|(kind, ..)| *kind != Kind::Topic) {
        let object = match (whose, who.person()) {
            (Whose::Own, Some(own)) => Object::of(kind, own),
            (Whose::Own, None) => continue,
            (Whose::Ward, _) => Object { owner_role: Some(Role::Child), ..Object::of(kind, stranger) },
            (Whose::Any, _) => Object::all(kind),
        };
        for verb in Verb::ALL {
            if columns.iter().any(|verbs| verbs.contains(&verb)) {
                list.push(Possibility { kind, whose, verb, decision: decide(who, verb, &object, now) });
            }
        }
    }
    list
}
