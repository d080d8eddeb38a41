//! Rights beside those of the role: given, taken away, delegated, withdrawn. Whether a right is enough is for the policy;
//! here it is only made sure that nobody hands on more than they have.

use domovoi_model::{PersonId, Timestamp};

use super::{People, PeopleError, Person, new_id, roster};
use crate::policy::{Assurance, Decision, Effect, Grant, Kind, Network, Object, Subject, Verb, Who, decide};

const MAX_GRANTS: usize = 50;
const MAX_TEXT: usize = 200;
const LONGEST_DELEGATION_MILLIS: i64 = 90 * 86_400_000;

/// What is nobody's to hand on: with it a delegate could make the right last, or take another person's place.
const NEVER_DELEGATED: [Kind; 10] = [
    Kind::Person,
    Kind::Rights,
    Kind::Factor,
    Kind::Session,
    Kind::Token,
    Kind::Consent,
    Kind::Credential,
    Kind::Topic,
    Kind::Secret,
    Kind::System,
];

impl People {
    /// Gives or takes away a right; the grant's `id` is made here.
    pub async fn grant(&self, id: PersonId, grant: Grant) -> Result<Grant, PeopleError> {
        if grant.from.is_some() {
            return Err(PeopleError::Invalid("what one person hands on to another is a delegation".into()));
        }
        self.add_grant(id, grant).await
    }

    /// Hands a right on, at most as much as the giver has and for as long as the giver has it, until a moment at most
    /// ninety days away. What was handed on cannot be handed on again.
    pub async fn delegate(
        &self,
        from: PersonId,
        to: PersonId,
        verbs: Vec<Verb>,
        kind: Kind,
        id_is: Option<String>,
        until: Timestamp,
    ) -> Result<Grant, PeopleError> {
        if from == to {
            return Err(PeopleError::Invalid("a right is handed on to somebody else".into()));
        }
        if NEVER_DELEGATED.contains(&kind) {
            return Err(PeopleError::Refused("rights over people, keys and the hub itself cannot be handed on".into()));
        }
        let now = self.clock.trusted().ok_or_else(no_time)?;
        if until.0.saturating_sub(now.0) > LONGEST_DELEGATION_MILLIS {
            return Err(PeopleError::Invalid("a delegation lasts at most 90 days".into()));
        }
        let grant = Grant {
            id: String::new(),
            effect: Effect::Allow,
            verbs,
            kind,
            id_is,
            room: None,
            capability: None,
            hours: None,
            home_only: false,
            until: Some(until),
            from: Some(from),
        };
        let giver = self.existing(from)?;
        let missing = grant.verbs.iter().find(|verb| self.reach_of(&giver, **verb, &grant).is_none());
        if let Some(verb) = missing {
            return Err(PeopleError::Refused(format!("the right «{}» is not the giver's to hand on", verb.code())));
        }
        self.add_grant(to, grant).await
    }

    /// Withdraws a grant.
    pub async fn withdraw_grant(&self, id: PersonId, grant: &str) -> Result<(), PeopleError> {
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        let before = person.grants.len();
        person.grants.retain(|there| there.id != grant);
        if person.grants.len() == before {
            return Err(PeopleError::NoSuch("grant"));
        }
        person.epoch = person.epoch.wrapping_add(1);
        self.keep(changes, vec![person]).await
    }

    /// Withdraws a delegation: whoever gave it may, and whoever has it.
    pub async fn withdraw_delegation(&self, by: PersonId, grant: &str) -> Result<(), PeopleError> {
        let whose = self.seen(|roster| {
            let theirs = |person: &&Person| {
                person
                    .grants
                    .iter()
                    .any(|there| there.id == grant && there.from.is_some_and(|from| from == by || person.id == by))
            };
            roster.iter().find(theirs).map(|person| person.id)
        });
        self.withdraw_grant(whose.ok_or(PeopleError::NoSuch("grant"))?, grant).await
    }

    /// What a person handed on, and to whom.
    pub fn delegated_by(&self, id: PersonId) -> Vec<(PersonId, Grant)> {
        self.seen(|roster| {
            let of = |person: &Person| {
                let given = person.grants.iter().filter(|grant| grant.from == Some(id));
                given.map(|grant| (person.id, grant.clone())).collect::<Vec<_>>()
            };
            roster.iter().flat_map(of).collect()
        })
    }

    /// The rights that count now: own grants, and delegated ones as far as their giver still has the right.
    pub fn grants(&self, id: PersonId) -> Vec<Grant> {
        let Some(person) = self.get(id) else { return Vec::new() };
        let now = self.at();
        let trusted = self.clock.trusted().is_some();
        let counts =
            |grant: &Grant| grant.until.is_none_or(|until| trusted && until > now) || grant.effect == Effect::Deny;
        person.grants.into_iter().filter(counts).filter_map(|grant| self.as_far_as_given(grant)).collect()
    }

    fn as_far_as_given(&self, mut grant: Grant) -> Option<Grant> {
        let Some(from) = grant.from else { return Some(grant) };
        let giver = self.get(from)?;
        let reaches: Vec<(Verb, Network)> =
            grant.verbs.iter().filter_map(|verb| Some((*verb, self.reach_of(&giver, *verb, &grant)?))).collect();
        grant.home_only |= reaches.iter().any(|(_, network)| *network == Network::Home);
        grant.verbs = reaches.into_iter().map(|(verb, _)| verb).collect();
        (!grant.verbs.is_empty()).then_some(grant)
    }

    /// From how far the giver's own right reaches; `None` if the giver does not have it now.
    fn reach_of(&self, giver: &Person, verb: Verb, grant: &Grant) -> Option<Network> {
        let own: Vec<Grant> = giver.grants.iter().filter(|grant| grant.from.is_none()).cloned().collect();
        // A right to all of a kind with a hole in it would be handed on without the hole.
        let holed = |there: &Grant| {
            there.effect == Effect::Deny
                && there.kind == grant.kind
                && there.verbs.contains(&verb)
                && (there.id_is.is_none() || grant.id_is.is_none() || there.id_is == grant.id_is)
        };
        if own.iter().any(holed) {
            return None;
        }
        let object = Object { id: grant.id_is.clone(), ..Object::all(grant.kind) };
        let now = self.now();
        [Network::Outside, Network::Home].into_iter().find(|network| {
            let who = Who {
                subject: Subject::Person(giver.id),
                role: Some(giver.role),
                grants: own.clone(),
                network: *network,
                assurance: Assurance::Strong,
                proved_at: Some(now.at),
                scopes: None,
                until: giver.until,
                locked: giver.locked,
            };
            decide(&who, verb, &object, now) == Decision::Allow
        })
    }

    async fn add_grant(&self, id: PersonId, grant: Grant) -> Result<Grant, PeopleError> {
        let grant = Grant { id: new_id()?.to_string(), ..self.valid(grant)? };
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        // What is over makes room; nobody has to clear it away.
        let now = self.clock.trusted();
        person.grants.retain(|there| there.until.zip(now).is_none_or(|(until, now)| until > now));
        if person.grants.len() >= MAX_GRANTS {
            return Err(PeopleError::Refused(format!("a person has at most {MAX_GRANTS} grants: withdraw some")));
        }
        person.grants.push(grant.clone());
        person.epoch = person.epoch.wrapping_add(1);
        self.keep(changes, vec![person]).await?;
        Ok(grant)
    }

    fn valid(&self, mut grant: Grant) -> Result<Grant, PeopleError> {
        let invalid = |why: &str| Err(PeopleError::Invalid(why.into()));
        grant.verbs.sort();
        grant.verbs.dedup();
        if grant.verbs.is_empty() {
            return invalid("say what may be done: see, command, edit, submit or export");
        }
        if grant.kind == Kind::Threshold {
            return invalid("what everybody may see needs no grant");
        }
        for text in [&mut grant.id_is, &mut grant.room, &mut grant.capability].into_iter().flatten() {
            // An id names a thing exactly: it is refused rather than mended.
            if roster::line(text, MAX_TEXT).as_ref() != Some(&*text) {
                return invalid("names of things have 1 to 200 characters, on one line");
            }
        }
        if grant.hours.is_some_and(|hours| hours.from_minute > 1439 || hours.to_minute > 1439) {
            return invalid("hours lie between 00:00 and 23:59");
        }
        if let Some(until) = grant.until {
            let now = self.clock.trusted().ok_or_else(no_time)?;
            if until <= now {
                return invalid("the end lies in the past");
            }
        }
        Ok(grant)
    }
}

fn no_time() -> PeopleError {
    PeopleError::Invalid("the hub does not know the time yet, so it cannot tell when this ends: try again later".into())
}
