//! Wishes: asked for, changed, and what goes with a person.

use domovoi_model::{Id, PersonId};
use serde_json::{Value, json};

use super::policy::{Wishes, accepts};
use super::record::Household;
use super::{Notify, NotifyError, wish_paper};

impl Notify {
    /// What somebody wants.
    pub fn wishes(&self, person: PersonId) -> Wishes {
        self.desk().wishes(person)
    }

    /// Somebody wants otherwise, from now on. `Ok(false)`: nobody of the home can be reached when life is at stake, as it was
    /// before; the home is to be warned.
    pub async fn set_wishes(&self, person: PersonId, wishes: Wishes) -> Result<bool, NotifyError> {
        let _turn = self.0.turn.lock().await;
        if self.0.people.get(person).is_none() {
            return Err(NotifyError::NoSuch("person"));
        }
        let knows = |name: &str| self.channels().any(|channel| channel.name() == name);
        wishes.check(knows, self.0.clock.trusted())?;
        let somebody = {
            let home = self.home();
            let adults = home.adults();
            let mut desk = self.desk();
            self.sync_contacts(&mut desk, &home);
            let before = desk.reachable(&adults, None, None);
            accepts(&before, &desk.reachable(&adults, Some((person, &wishes)), None))?
        };
        let row = wish_paper::of_wishes(self.wishes_id(person), person, &wishes);
        self.0.store.tellings().put_wishes(&[row], &[]).await?;
        self.desk().set_wishes(person, wishes);
        self.look();
        Ok(somebody)
    }

    /// Whether somebody grown up can be reached when life is at stake.
    pub fn reaches_somebody(&self) -> bool {
        let home = self.home();
        let adults = home.adults();
        let mut desk = self.desk();
        self.sync_contacts(&mut desk, &home);
        super::policy::somebody_for_life(&desk.reachable(&adults, None, None))
    }

    /// What the household chose.
    pub fn household(&self) -> Household {
        self.desk().household()
    }

    /// The household chooses otherwise. Whoever is not there any more is left out.
    pub async fn set_household(&self, mut household: Household) -> Result<(), NotifyError> {
        let _turn = self.0.turn.lock().await;
        let mut seen = Vec::new();
        household.order.retain(|id| {
            let fresh = self.0.people.get(*id).is_some() && !seen.contains(id);
            seen.push(*id);
            fresh
        });
        let row = wish_paper::of_household(self.household_id(), &household);
        self.0.store.tellings().put_wishes(&[row], &[]).await?;
        self.desk().set_household(household);
        self.look();
        Ok(())
    }

    /// Takes everything of a person's away: wishes, ways, inbox, what was told to them and why.
    pub async fn forget_person(&self, person: PersonId) -> Result<u64, NotifyError> {
        let _turn = self.0.turn.lock().await;
        let (household, routes, again) = {
            let mut desk = self.desk();
            let routes = desk.routes().filter(|route| route.person == Some(person)).map(|route| route.id).collect();
            desk.forget(person);
            let routes: Vec<Id> = routes;
            (desk.household(), routes, desk.cases_again(self.at()))
        };
        self.0.writer.forget(person);
        self.0.links.forget(person);
        let row = wish_paper::of_household(self.household_id(), &household);
        let gone = self.0.store.tellings().forget(person, &[row]).await?;
        for id in routes {
            self.0.store.notices().clear(&format!("notify.way.{id}")).await?;
        }
        self.perform(again);
        // A letter that was under way meanwhile may have been written again.
        self.0.writer.forget(person);
        Ok(gone)
    }

    /// What is kept about a person here, for the person. Without what a way keeps secret.
    pub async fn export(&self, person: PersonId) -> Result<Value, NotifyError> {
        let (wishes, routes, lines) = self.desk().of(person);
        let secret = |channel: &str, field: &str| {
            let found = self.channels().find(|one| one.name() == channel);
            found.is_none_or(|one| one.fields().iter().any(|known| known.name == field && known.secret))
        };
        let letters =
            self.ledger(&super::LedgerFilter { person: Some(person), limit: 1000, ..Default::default() }).await?;
        Ok(json!({
            "language": wishes.language.map(|language| language.code()),
            "quiet": wishes.quiet.map(|spans| spans.iter().map(|span| json!({
                "days": span.days, "from_minute": span.from_minute, "to_minute": span.to_minute,
            })).collect::<Vec<_>>()),
            "topics": wishes.topics.iter().map(|(topic, wish)| json!({
                "topic": topic.code(), "on": wish.on, "from": wish.from.code(),
            })).collect::<Vec<_>>(),
            "ways": routes.iter().map(|route| json!({
                "channel": route.channel,
                "label": route.label,
                "address": route.address.0.iter().filter(|(field, _)| !secret(&route.channel, field)).collect::<Vec<_>>(),
                "added_at": route.added_at.map(|at| at.to_string()),
                "last_ok": route.last_ok.map(|at| at.to_string()),
                "off": route.off.map(|off| off.code()),
            })).collect::<Vec<_>>(),
            "inbox": lines.iter().map(|line| json!({
                "at": line.at.to_string(),
                "title": line.title,
                "body": line.body,
                "seen": line.seen.map(|at| at.to_string()),
            })).collect::<Vec<_>>(),
            "letters": letters.iter().map(|one| json!({
                "at": one.letter.times.first().map(|(_, at)| at.to_string()),
                "subject": one.letter.subject.to_string(),
                "channel": one.letter.channel,
                "state": one.letter.state.code(),
            })).collect::<Vec<_>>(),
        }))
    }

    fn wishes_id(&self, person: PersonId) -> Id {
        self.0.store.papers().id_of("telling.wishes", &[&person.0.0])
    }

    fn household_id(&self) -> Id {
        self.0.store.papers().id_of("telling.household", &[])
    }
}
