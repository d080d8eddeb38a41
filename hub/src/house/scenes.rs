//! What scenarios look at and what they do: the rooms are here, and are told each other's words. Commands go the way that
//! everybody's go, readings are handed in as a person's are, people are told as they wish. What may be done was asked
//! before, in the room itself; whether it was done is the other rooms' to say.

use std::sync::Arc;

use domovoi_config::Language;
use domovoi_model::{Command, PersonId, RegisterValues, Tariff, Value};
use domovoi_store::Store;
use rust_decimal::Decimal;

use crate::audit::{Actor, Origin, Road};
use crate::clock::Clock;
use crate::devices::{self, Asker, Devices};
use crate::metering::Metering;
use crate::notify::{Audience, Bilingual, News, Notify, Subject, Topic};
use crate::people::People;
use crate::policy::{self, Assurance, Network, Who};
use crate::presence::Presence;
use crate::scenarios::{Deed, DeedWhat, Outcome, Place, Scenarios, Surroundings};
use crate::words::words;

/// The rooms that scenarios have to do with.
pub struct Rooms<'a> {
    pub devices: &'a Devices,
    pub people: &'a People,
    pub presence: &'a Presence,
    pub notify: &'a Notify,
    pub metering: &'a Metering,
    pub store: &'a Store,
    pub clock: &'a Clock,
}

/// Tells the scenarios what is around them.
pub fn connect(scenarios: &Scenarios, rooms: &Rooms<'_>) {
    let (finding, standing, asked, dangerous) =
        (rooms.devices.clone(), rooms.devices.clone(), rooms.devices.clone(), rooms.devices.clone());
    let (authors, named) = (rooms.people.clone(), rooms.people.clone());
    let presence = rooms.presence.clone();
    let hands = Hands {
        devices: rooms.devices.clone(),
        notify: rooms.notify.clone(),
        metering: rooms.metering.clone(),
        store: rooms.store.clone(),
        clock: rooms.clock.clone(),
    };
    scenarios.surroundings_are(Surroundings {
        find: Arc::new(move |text| finding.find(text)),
        state: Arc::new(move |at| {
            standing.state(&at.device, &at.property).filter(|state| !state.expired).and_then(|state| state.value)
        }),
        object: Arc::new(move |at| asked.object(&at.device, Some(&at.property))),
        is_dangerous: Arc::new(move |at, value| is_dangerous(&dangerous, at, value)),
        author: Arc::new(move |person| author(&authors, person)),
        home: Arc::new(move |person| match person {
            Some(person) => presence.is_home(person),
            None => presence.anybody(),
        }),
        person: Arc::new(move |name| person(&named, name)),
        perform: Arc::new(move |deed| {
            let hands = hands.clone();
            Box::pin(async move { hands.perform(deed).await })
        }),
    });
}

fn is_dangerous(devices: &Devices, at: &Place, value: Option<&Value>) -> bool {
    let target = domovoi_model::CommandTarget { device: at.device.clone(), property: at.property.clone() };
    match value {
        Some(value) => devices.is_dangerous(&Command { target, value: value.clone() }),
        // What it comes to nobody knows yet: what any value could do counts.
        None => devices.show(&at.device).is_none_or(|view| {
            let info = view.properties.iter().find(|property| property.state.property == at.property);
            let info = info.and_then(|property| property.info.as_ref());
            info.is_none_or(|info| devices::can_be_dangerous(view.announcement.as_deref(), info))
        }),
    }
}

/// A person as the policy knows them: what they may do by role and grants, from the home. Nobody signs in for a scenario.
fn author(people: &People, id: PersonId) -> Option<Who> {
    let person = people.get(id)?;
    Some(Who {
        subject: policy::Subject::Person(person.id),
        role: Some(person.role),
        grants: people.grants(person.id),
        network: Network::Home,
        assurance: Assurance::Strong,
        proved_at: None,
        scopes: None,
        until: person.until,
        locked: person.locked,
    })
}

/// The person of this name, if only one has it; or of this id.
fn person(people: &People, name: &str) -> Option<PersonId> {
    if let Ok(id) = name.parse::<PersonId>() {
        return people.get(id).map(|person| person.id);
    }
    let wanted = name.trim().to_lowercase();
    let mut found = people.list().into_iter().filter(|person| person.name.to_lowercase() == wanted);
    match (found.next(), found.next()) {
        (Some(person), None) => Some(person.id),
        _ => None,
    }
}

#[derive(Clone)]
struct Hands {
    devices: Devices,
    notify: Notify,
    metering: Metering,
    store: Store,
    clock: Clock,
}

impl Hands {
    async fn perform(&self, deed: Deed) -> Outcome {
        match &deed.what {
            DeedWhat::Command(command) => self.command(&deed, command.clone()),
            DeedWhat::Notify { to, severity, title, text } => {
                let both = |text: &str| Bilingual { ru: text.to_owned(), en: text.to_owned() };
                // The same subject told twice is known: after a power cut nobody hears it again.
                self.notify.tell(News {
                    subject: Subject::Scenario(deed.id),
                    telling: 1,
                    topic: Topic::House,
                    severity: *severity,
                    life: false,
                    drill: false,
                    wants_answer: false,
                    title: both(title),
                    body: Bilingual {
                        ru: said(Language::Russian, &deed, text),
                        en: said(Language::English, &deed, text),
                    },
                    link: Some(format!("/scenarios/{}", deed.scenario)),
                    room: None,
                    audience: if to.is_empty() { Audience::Household } else { Audience::People(to.clone()) },
                    at: self.clock.moment(),
                });
                Outcome::Done(String::new())
            }
            DeedWhat::Reading { point, values } => {
                if deed.again && self.was_read(*point, values).await {
                    return Outcome::Done(String::new());
                }
                let mut registers = RegisterValues::default();
                for (tariff, value) in Tariff::ALL.into_iter().zip(values) {
                    registers.set(tariff, *value);
                }
                let by = deed.name.clone();
                match self.metering.submit(&point.to_string(), registers, &by, None, false).await {
                    Ok(submitted) if submitted.taken => Outcome::Done(String::new()),
                    Ok(_) => {
                        Outcome::Failed("the ledger holds this reading back: somebody has to look at it".to_owned())
                    }
                    Err(error) => Outcome::Failed(error.to_string()),
                }
            }
        }
    }

    fn command(&self, deed: &Deed, command: Command) -> Outcome {
        let actor = deed.author.map_or(Actor::House, Actor::Person);
        let device = Some(format!("scenario «{}»", deed.name));
        let by = Asker { actor, origin: Origin { road: Road::House, address: None, device } };
        match self.devices.command(by, command) {
            Ok(life) => match (life.state, &life.why) {
                (crate::bus::CommandState::Refused, why) => Outcome::Failed(why.clone().unwrap_or_default()),
                (state, _) => Outcome::Done(state.code().to_owned()),
            },
            Err(refused) => Outcome::Failed(refused.to_string()),
        }
    }

    /// Whether the ledger has this reading already: it was handed in before the power cut.
    async fn was_read(&self, point: domovoi_model::PointId, values: &[Decimal]) -> bool {
        for (tariff, value) in Tariff::ALL.into_iter().zip(values) {
            match self.store.ledger().last_accepted(point, tariff).await {
                Ok(Some(row)) if row.reading.value == *value => {}
                _ => return false,
            }
        }
        true
    }
}

fn said(language: Language, deed: &Deed, text: &str) -> String {
    let from = words(language).say("scenario-from", &[("name", &deed.name)]);
    if text.is_empty() { from } else { format!("{text}\n{from}") }
}
