//! Everybody who may come to a door.

use domovoi::policy::{Assurance, Network, Now, Role, Scope, Subject, Verb, Who};
use domovoi_model::{Id, PersonId, Timestamp};
use e2e::NOON;

/// Whoever asks, where it is a person.
pub const ME: PersonId = PersonId(Id([1; 16]));

/// Another adult.
pub const OTHER: PersonId = PersonId(Id([2; 16]));

/// One of them.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: &'static str,
    pub who: Who,
}

/// Noon, of which the clock is sure.
pub fn now() -> Now {
    // Winter time in Moscow, where the home is unless its settings say otherwise; no caller here has hours.
    Now { at: NOON, minute: 15 * 60, trusted: true }
}

fn person(role: Role) -> Who {
    let until = (role == Role::Guest).then_some(Timestamp(NOON.0 + 86_400_000));
    Who::at_best(ME, role, Vec::new(), until, false, now())
}

/// Everything that a token can name.
fn everything() -> Option<Vec<Scope>> {
    Some(Verb::ALL.into_iter().map(|verb| Scope { verb, kind: None }).collect())
}

/// All of them, in the order of the columns.
pub fn all() -> Vec<Caller> {
    known_as(ME)
}

/// The same, by the id under which the home knows whoever asks.
pub fn known_as(me: PersonId) -> Vec<Caller> {
    let caller = |name, mut who: Who| {
        if who.person().is_some() {
            who.subject = Subject::Person(me);
        }
        Caller { name, who }
    };
    let token = |role| Who { assurance: Assurance::Single, proved_at: None, scopes: everything(), ..person(role) };
    let outside = |role, assurance| Who { network: Network::Outside, assurance, ..person(role) };
    let narrow = Some(vec![Scope { verb: Verb::See, kind: Some(domovoi::policy::Kind::Meter) }]);
    vec![
        caller("nobody", Who::nobody(Network::Home)),
        caller("console", Who::console()),
        caller("owner", person(Role::Owner)),
        caller("owner an hour later", Who { proved_at: Some(Timestamp(NOON.0 - 3_600_000)), ..person(Role::Owner) }),
        caller("owner outside by password", outside(Role::Owner, Assurance::Single)),
        caller("owner by PIN", Who { assurance: Assurance::Pin, ..person(Role::Owner) }),
        caller("owner's token", token(Role::Owner)),
        caller("owner's token: see meter", Who { scopes: narrow, ..token(Role::Owner) }),
        caller("adult", person(Role::Adult)),
        caller("child", person(Role::Child)),
        caller("child outside", outside(Role::Child, Assurance::Strong)),
        caller("guest", person(Role::Guest)),
        caller("guest outside", outside(Role::Guest, Assurance::Strong)),
        caller("guest expired", Who { until: Some(NOON), ..person(Role::Guest) }),
        caller("adult locked", Who { locked: true, ..person(Role::Adult) }),
        caller("program's token", token(Role::Service)),
        caller("program without scopes", Who { scopes: None, ..token(Role::Service) }),
    ]
}
