//! Rights beside those of the role: given, taken away, delegated, withdrawn. Whether a right is enough is for the policy;
//! here it is only made sure that nobody hands on more than they have.

use domovoi_model::{PersonId, Timestamp};

use super::{People, PeopleError, Person, new_id, roster};
use crate::policy::{Assurance, Effect, Grant, Kind, Network, Subject, Verb, Who, can_be_given, may_delegate};

const MAX_GRANTS: usize = 50;
const MAX_TEXT: usize = 200;
const LONGEST_DELEGATION_MILLIS: i64 = 90 * 86_400_000;

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
        if let Some(verb) = grant.verbs.iter().find(|verb| !self.may_hand_on(&giver, **verb, &grant)) {
            return Err(PeopleError::Refused(format!("the right «{}» is not yours to hand on", verb.code())));
        }
        self.add_grant(to, grant).await
    }

    /// Withdraws a grant.
    pub async fn withdraw_grant(&self, id: PersonId, grant: &str) -> Result<(), PeopleError> {
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        let place = person.grants.iter().position(|there| there.id == grant).ok_or(PeopleError::NoSuch("grant"))?;
        if person.grants.remove(place).from.is_none() {
            person.epoch = person.epoch.wrapping_add(1);
        }
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

    /// The rights that count now: own grants, and delegated ones as far as their giver still has the right. When each of
    /// them counts, the policy judges.
    pub fn grants(&self, id: PersonId) -> Vec<Grant> {
        let Some(person) = self.get(id) else { return Vec::new() };
        person.grants.into_iter().filter_map(|grant| self.as_far_as_given(grant)).collect()
    }

    fn as_far_as_given(&self, mut grant: Grant) -> Option<Grant> {
        let Some(from) = grant.from else { return Some(grant) };
        let giver = self.get(from)?;
        let verbs = std::mem::take(&mut grant.verbs);
        grant.verbs = verbs.into_iter().filter(|verb| self.may_hand_on(&giver, *verb, &grant)).collect();
        (!grant.verbs.is_empty()).then_some(grant)
    }

    /// Whether this verb of a delegation is the giver's now.
    fn may_hand_on(&self, giver: &Person, verb: Verb, grant: &Grant) -> bool {
        let now = self.now();
        let who = Who {
            subject: Subject::Person(giver.id),
            role: Some(giver.role),
            grants: giver.grants.clone(),
            network: Network::Home,
            // Not how the giver is signed in just now, but what is theirs.
            assurance: Assurance::Strong,
            proved_at: Some(now.at),
            scopes: None,
            until: giver.until,
            locked: giver.locked,
        };
        may_delegate(&who, &Grant { verbs: vec![verb], ..grant.clone() }, now).is_ok()
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
        // A delegation changes what may be done from the next request on; it throws nobody out, or anybody could throw out
        // whom they like.
        if grant.from.is_none() {
            person.epoch = person.epoch.wrapping_add(1);
        }
        person.grants.push(grant.clone());
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
        if grant.effect == Effect::Allow && !grant.verbs.iter().all(|verb| can_be_given(*verb, grant.kind)) {
            return invalid("this right comes with a role and cannot be given: choose another role, or fewer verbs");
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
