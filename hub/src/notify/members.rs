//! Who lives here, as this room asks: the people's room, judged by the policy as every way in is judged. It tells nobody
//! anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use domovoi_config::Language;
use domovoi_model::PersonId;

use super::desk::{Member, Members};
use super::{News, Topic};
use crate::people::{ContactKind, People, Person};
use crate::policy::{self, Assurance, Kind, Network, Now, Object, Role, Verb, Who};

/// Says whether somebody is at home, as far as it is known.
pub type Presence = Arc<dyn Fn(PersonId) -> Option<bool> + Send + Sync>;

/// The people at one moment.
pub struct Household {
    people: Vec<Person>,
    now: Now,
    presence: Option<Presence>,
}

impl Household {
    /// Everybody but programs.
    pub fn of(people: &People, now: Now, presence: Option<Presence>) -> Self {
        let people = people.list().into_iter().filter(|person| person.role != Role::Service).collect();
        Household { people, now, presence }
    }

    /// Everybody, and whether they are grown up and let in.
    pub fn adults(&self) -> Vec<(PersonId, bool)> {
        let grown = |person: &Person| matches!(person.role, Role::Owner | Role::Adult) && self.is_let_in(person);
        self.people.iter().map(|person| (person.id, grown(person))).collect()
    }

    /// Confirmed contacts: whose, of which kind, and what.
    pub fn contacts(&self) -> impl Iterator<Item = (PersonId, ContactKind, &str)> {
        self.people.iter().flat_map(|person| {
            let confirmed = person.contacts.iter().filter(|contact| contact.is_confirmed());
            confirmed.map(move |contact| (person.id, contact.kind, contact.value.as_str()))
        })
    }

    fn is_let_in(&self, person: &Person) -> bool {
        let over = match person.until {
            Some(until) => !self.now.trusted || until <= self.now.at,
            None => person.role == Role::Guest,
        };
        !person.locked && !over
    }

    fn may(&self, person: &Person, news: &News) -> bool {
        let who = Who {
            subject: policy::Subject::Person(person.id),
            role: Some(person.role),
            grants: person.grants.clone(),
            network: Network::Home,
            assurance: Assurance::Strong,
            proved_at: None,
            scopes: None,
            until: person.until,
            locked: person.locked,
        };
        let object = Object { room: news.room.clone(), ..Object::all(kind_of(news.topic)) };
        policy::decide(&who, Verb::See, &object, self.now).is_allowed()
    }
}

impl Members for Household {
    fn about(&self, news: &News) -> Vec<Member> {
        self.people
            .iter()
            .map(|person| {
                let let_in = self.is_let_in(person);
                Member {
                    id: person.id,
                    name: person.name.clone(),
                    adult: matches!(person.role, Role::Owner | Role::Adult),
                    at_home: self.presence.as_ref().and_then(|ask| ask(person.id)),
                    let_in,
                    may: let_in && self.may(person, news),
                }
            })
            .collect()
    }

    fn languages(&self) -> BTreeMap<PersonId, Language> {
        let own = self.people.iter().filter_map(|person| Some((person.id, person.profile.language?)));
        own.collect()
    }
}

/// What somebody has to be allowed to see to hear of a topic.
pub fn kind_of(topic: Topic) -> Kind {
    match topic {
        Topic::Danger | Topic::Emergency | Topic::Outage => Kind::Alert,
        Topic::Device => Kind::Notice,
        Topic::Camera => Kind::Camera,
        Topic::Meter => Kind::Meter,
        Topic::Money | Topic::Message => Kind::Message,
        Topic::Security | Topic::House => Kind::System,
        Topic::Calendar => Kind::Calendar,
    }
}
