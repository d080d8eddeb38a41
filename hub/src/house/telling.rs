//! From what happens to what people are told: alerts, reminders and messages become news, and answers go back to where they
//! belong. Whether, when and how somebody is told is not decided here; nothing is kept here either: after a restart, and
//! when news was missed, everything that stands is handed over again, and what was told before is known to be the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use domovoi_config::Language;
use domovoi_model::{Alert, AlertOrigin, AlertStatus, Id, Peril, PersonId, Severity};
use domovoi_store::StoreError;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};

use crate::alerts::{Alerts, AlertsError, steps};
use crate::bus::{AlertChange, AlertNews, Bus, Event};
use crate::calendar::{Calendar, Due, EventKind, Priority};
use crate::notify::{Audience, Bilingual, News, Notify, Subject, Topic};
use crate::people::People;
use crate::scenarios::Scenarios;

/// How many answers may wait for their room.
const ANSWERS: usize = 256;

/// How many characters of a title and of a text are handed over.
const TITLE: usize = 200;
const BODY: usize = 4000;

/// So many of the recommended steps go along where the sender recommends nothing.
const STEPS: usize = 4;

/// What carries it.
pub struct Telling {
    alerts: Alerts,
    calendar: Calendar,
    notify: Notify,
    ears: broadcast::Receiver<Event>,
    answers: mpsc::Receiver<(Subject, PersonId)>,
}

impl Telling {
    /// Listens from now on: what happens before it runs is not missed.
    pub fn connect(bus: &Bus, alerts: &Alerts, calendar: &Calendar, notify: &Notify, scenarios: &Scenarios) -> Self {
        let (sender, answers) = mpsc::channel(ANSWERS);
        notify.on_answer(move |subject, by| {
            if sender.try_send((subject, by)).is_err() {
                tracing::warn!("more people answer than can be listened to: one is not written down");
            }
        });
        // Before anything is carried: what was known before the restart is nobody's question any more.
        for alert in alerts.standing() {
            for one in &alert.acknowledged {
                notify.answered(&Subject::Alert(alert.id), one.by);
            }
        }
        let (told, begun) = (notify.clone(), scenarios.clone());
        calendar.on_due(move |due| {
            begun.reminder(&due.title.ru);
            told.tell(of_due(&due));
        });
        Telling {
            alerts: alerts.clone(),
            calendar: calendar.clone(),
            notify: notify.clone(),
            ears: bus.listen(),
            answers,
        }
    }

    /// Hands over what happens, until the house stops.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.tell_what_stands().await;
        loop {
            tokio::select! {
                biased;
                heard = self.ears.recv() => match heard {
                    Ok(Event::Alert(news)) => self.tell(&news),
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "news was missed: everything that stands is told again");
                        self.tell_what_stands().await;
                    }
                    Err(RecvError::Closed) => return,
                },
                Some((subject, by)) = self.answers.recv() => self.answered(subject, by).await,
                () = stopped(&mut stop) => return,
            }
        }
    }

    fn tell(&self, news: &AlertNews) {
        let alert = &news.alert;
        let subject = Subject::Alert(alert.id);
        match news.change {
            AlertChange::Raised | AlertChange::Updated { .. } => self.notify.tell(of_alert(alert)),
            AlertChange::Over => self.notify.over(&subject, None),
            AlertChange::Acknowledged => self.tell_answers(alert),
        }
    }

    fn tell_answers(&self, alert: &Alert) {
        for one in &alert.acknowledged {
            self.notify.answered(&Subject::Alert(alert.id), one.by);
        }
    }

    /// What stands is told, and what was told and does not stand any more is over.
    async fn tell_what_stands(&self) {
        let standing = self.alerts.standing();
        let told: BTreeSet<Subject> = self.notify.unfinished().into_iter().collect();
        for alert in &standing {
            // Somebody knows, and nobody remembers who was told: then nobody is told now.
            if alert.acknowledged.is_empty() || told.contains(&Subject::Alert(alert.id)) {
                self.notify.tell(of_alert(alert));
            }
            self.tell_answers(alert);
        }
        let there: BTreeSet<Id> = standing.iter().map(|alert| alert.id).collect();
        for subject in told {
            // What has no place in memory may stand in history all the same.
            if let Subject::Alert(id) = subject
                && !there.contains(&id)
                && self.alerts.get(id).await.map_or_else(|error| is_gone(&error), |alert| !alert.stands())
            {
                self.notify.over(&subject, None);
            }
        }
    }

    /// Somebody said "I know" by a channel.
    async fn answered(&self, subject: Subject, by: PersonId) {
        match subject {
            Subject::Alert(id) => {
                let Ok(kept) = self.alerts.acknowledge(id, by) else { return };
                // Whoever answered by a channel is told nothing more: it is tried again until the disk takes it.
                if let Err(error) = kept.written().await {
                    tracing::warn!("an answer to an alert waits for the disk: {error}");
                }
            }
            Subject::Reminder(event, occurrence) => {
                if let Err(error) = self.calendar.answered(event, occurrence).await {
                    tracing::warn!("an answer to a reminder could not be written down: {error}");
                }
            }
            Subject::Message(_) | Subject::Scenario(_) | Subject::Test(_) | Subject::Digest(_) => {}
        }
    }
}

/// A store that does not answer says nothing about an alert.
fn is_gone(error: &AlertsError) -> bool {
    matches!(error, AlertsError::NoAlert)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the house is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The rooms that keep something about people here.
pub type Keepers = (Notify, Calendar, Alerts);

/// What is kept about somebody here is told to that person, and forgotten when they are erased. What comes back is kept as
/// long as the house stands: the notify room holds the people, and the calendar holds it, so the people must hold neither.
#[must_use]
pub fn keep_with(people: &People, alerts: &Alerts, notify: &Notify, calendar: &Calendar) -> Arc<Keepers> {
    let kept: Arc<Keepers> = Arc::new((notify.clone(), calendar.clone(), alerts.clone()));
    let rooms = Arc::downgrade(&kept);
    people.also_keeps(
        "telling",
        Arc::new(move |person| {
            let rooms = rooms.upgrade();
            Box::pin(async move {
                let rooms = rooms.ok_or("the house is closed")?;
                rooms.0.export(person).await.map_err(|error| error.to_string())
            })
        }),
    );
    let rooms = Arc::downgrade(&kept);
    people.also_forgets(move |person| {
        let rooms = rooms.upgrade();
        Box::pin(async move {
            let rooms = rooms.ok_or_else(|| not_forgotten(&"the house is closed"))?;
            let (notify, calendar, alerts) = &*rooms;
            notify.forget_person(person).await.map_err(|error| not_forgotten(&error))?;
            calendar.forget_person(person).await.map_err(|error| not_forgotten(&error))?;
            alerts.forget_person(person).await.map_err(|error| not_forgotten(&error))?;
            Ok(())
        })
    });
    kept
}

fn not_forgotten(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Io(error.to_string())
}

/// By what people choose.
fn topic_of(alert: &Alert) -> Topic {
    match alert.origin {
        _ if alert.peril == Peril::Outage => Topic::Outage,
        AlertOrigin::Hazard => Topic::Danger,
        AlertOrigin::Feed | AlertOrigin::Portal => Topic::Emergency,
        AlertOrigin::Device => Topic::Device,
        AlertOrigin::Camera => Topic::Camera,
        AlertOrigin::Metering | AlertOrigin::Submission => Topic::Meter,
        AlertOrigin::Security => Topic::Security,
        AlertOrigin::House => Topic::House,
    }
}

/// An alert as news.
pub fn of_alert(alert: &Alert) -> News {
    let is_actual = alert.status == AlertStatus::Actual;
    News {
        subject: Subject::Alert(alert.id),
        telling: alert.telling,
        topic: topic_of(alert),
        severity: alert.severity,
        life: alert.life && is_actual,
        drill: !is_actual,
        wants_answer: is_actual && (alert.life || alert.severity >= Severity::Severe),
        title: said(|language| title_of(alert, language)),
        body: said(|language| body_of(alert, language)),
        link: Some(format!("/alerts/{}", alert.id)),
        room: alert.room.clone(),
        audience: Audience::Household,
        at: alert.changed_at,
    }
}

fn said(in_language: impl Fn(Language) -> String) -> Bilingual {
    Bilingual { ru: in_language(Language::Russian), en: in_language(Language::English) }
}

fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn title_of(alert: &Alert, language: Language) -> String {
    let Some(text) = alert.text(language.code()) else { return alert.sender.clone() };
    let line = if text.headline.is_empty() { &text.event } else { &text.headline };
    clipped(line, TITLE)
}

/// What happens, where, and what to do: the sender's own words, or the house's where it has none.
fn body_of(alert: &Alert, language: Language) -> String {
    let text = alert.text(language.code());
    let mut parts: Vec<String> = Vec::new();
    if let Some(text) = text {
        parts.push(text.description.clone());
    }
    if !alert.areas.is_empty() {
        parts.push(alert.areas.join(", "));
    }
    match text.map(|text| text.instruction.as_str()).filter(|instruction| !instruction.is_empty()) {
        Some(instruction) => parts.push(instruction.to_owned()),
        None if alert.life => {
            let steps = steps(alert.peril, language);
            parts.extend(
                steps.iter().take(STEPS).enumerate().map(|(at, step)| format!("{}. {}", at + 1, step.sentence)),
            );
        }
        None => {}
    }
    parts.retain(|part| !part.trim().is_empty());
    clipped(&parts.join("\n"), BODY)
}

/// A reminder as news.
pub fn of_due(due: &Due) -> News {
    let topic = match due.kind {
        EventKind::Bill => Topic::Money,
        EventKind::Window | EventKind::Verification => Topic::Meter,
        EventKind::Certificate | EventKind::Task | EventKind::Appointment | EventKind::Birthday | EventKind::Other => {
            Topic::Calendar
        }
    };
    News {
        subject: Subject::Reminder(due.event, due.occurrence),
        telling: due.telling,
        topic,
        severity: match due.priority {
            Priority::High => Severity::Moderate,
            Priority::Normal | Priority::Low => Severity::Minor,
        },
        life: false,
        drill: false,
        wants_answer: false,
        title: Bilingual { ru: clipped(&due.title.ru, TITLE), en: clipped(&due.title.en, TITLE) },
        body: Bilingual { ru: clipped(&due.body.ru, BODY), en: clipped(&due.body.en, BODY) },
        link: due.link.clone(),
        room: None,
        audience: Audience::Household,
        at: domovoi_model::Moment::Wall(due.at),
    }
}
