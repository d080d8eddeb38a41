//! What the portal and the home write to each other: the portal's messages become news, its bills dates, its feed alerts; and
//! what the household agreed to tell is told. Whether it was agreed to, and whether the portal granted it, is asked when it
//! goes, not here.

use domovoi_config::Language;
use domovoi_model::{Act, ActState, Alert, AlertOrigin, AlertStatus, Moment, Peril, Severity};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::bus::{AlertChange, Bus, Event};
use crate::calendar::{Calendar, EventKind, Given, GivenWhen, Priority, Text};
use crate::metering::Metering;
use crate::notify::{Audience, Bilingual, News, Notify, Subject, Topic};
use crate::people::{MESSAGES, People};
use crate::portal::calls::get_charges::Charge;
use crate::portal::calls::get_notifications::NotificationKind;
use crate::portal::{Messages, OwnMessage, PortalMessage};
use crate::words::words;

/// What carries it.
pub struct Correspondence {
    messages: Messages,
    metering: Metering,
    language: Language,
    ears: broadcast::Receiver<Event>,
}

impl Correspondence {
    /// Listens from now on, and tells the portal's room whom its news concerns.
    pub fn connect(
        bus: &Bus,
        messages: &Messages,
        metering: &Metering,
        calendar: &Calendar,
        notify: &Notify,
        people: &People,
        language: Language,
    ) -> Self {
        let told = notify.clone();
        messages.on_new(move |message| told.tell(of_message(&message)));
        let (diary, meters) = (calendar.clone(), metering.clone());
        messages.on_charges(move |charges| diary.feed("bills", charges.iter().map(|one| bill(one, &meters)).collect()));
        let household = people.clone();
        messages.may_send(move || {
            let household = household.clone();
            Box::pin(async move { household.who_consents(MESSAGES).await.is_ok_and(|whose| !whose.is_empty()) })
        });
        Correspondence { messages: messages.clone(), metering: metering.clone(), language, ears: bus.listen() }
    }

    /// Hands over what the home has to tell, until the house stops.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let own = tokio::select! {
                heard = self.ears.recv() => match heard {
                    Ok(Event::Act(act)) => self.of_act(&act),
                    Ok(Event::Alert(news)) => self.of_alert(&news.alert, news.change),
                    // What was missed is in the page's own lists; a message is a courtesy, not a promise.
                    Ok(_) | Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return,
                },
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Some(own) = own
                && let Err(error) = self.messages.send(&own).await
            {
                tracing::warn!("a message of the home to the portal is not kept: {error}");
            }
        }
    }

    fn say(&self, key: &str, named: &[(&str, &str)]) -> String {
        words(self.language).say(key, named)
    }

    fn of_act(&self, act: &Act) -> Option<OwnMessage> {
        let ActState::Received { receipt } = &act.state else { return None };
        let register = self.metering.register();
        let account = register.account(act.account)?;
        let period = act.period.to_string();
        let named =
            [("period", period.as_str()), ("account", account.label.as_str()), ("receipt", receipt.id.as_str())];
        Some(OwnMessage {
            key: format!("act:{}", act.id),
            kind: NotificationKind::Meter,
            text: self.say("own-act-received", &named),
            account_number: Some(account.number.clone()),
        })
    }

    fn of_alert(&self, alert: &Alert, change: AlertChange) -> Option<OwnMessage> {
        if alert.status != AlertStatus::Actual {
            return None;
        }
        let title = alert.text(self.language.code()).map_or("", |text| text.headline.as_str());
        match change {
            AlertChange::Acknowledged if alert.origin == AlertOrigin::Portal || alert.life => Some(OwnMessage {
                key: format!("known:{}", alert.id),
                kind: NotificationKind::Security,
                text: self.say("own-alert-known", &[("title", title)]),
                account_number: None,
            }),
            AlertChange::Raised if is_a_fault(alert) => Some(OwnMessage {
                key: format!("fault:{}", alert.id),
                kind: if alert.peril == Peril::Meter { NotificationKind::Meter } else { NotificationKind::Other },
                text: self.say("own-fault", &[("title", title)]),
                account_number: None,
            }),
            _ => None,
        }
    }
}

/// A meter that is silent, a device of the home that fails: what a supplier may want to know. Cameras and accounts are nobody
/// else's business.
fn is_a_fault(alert: &Alert) -> bool {
    let kind = matches!(alert.origin, AlertOrigin::Metering | AlertOrigin::Device | AlertOrigin::Hazard);
    kind && alert.severity >= Severity::Moderate
}

/// A message of the portal as news. Its words are a stranger's and stand in both languages.
fn of_message(message: &PortalMessage) -> News {
    let (topic, severity) = match message.kind {
        NotificationKind::Outage => (Topic::Outage, Severity::Moderate),
        NotificationKind::PlannedWork => (Topic::Outage, Severity::Minor),
        NotificationKind::Meter => (Topic::Meter, Severity::Minor),
        NotificationKind::Charge => (Topic::Money, Severity::Minor),
        NotificationKind::Security => (Topic::Security, Severity::Moderate),
        NotificationKind::Other => (Topic::Message, Severity::Minor),
    };
    let title = |language: Language| words(language).say(&format!("message-title-{}", topic.code()), &[]);
    News {
        subject: Subject::Message(message.id),
        telling: 1,
        topic,
        severity,
        life: false,
        drill: false,
        wants_answer: false,
        title: Bilingual { ru: title(Language::Russian), en: title(Language::English) },
        body: Bilingual { ru: message.text.clone(), en: message.text.clone() },
        link: None,
        room: None,
        audience: Audience::Household,
        at: Moment::Wall(message.at),
    }
}

/// What is to be paid, as a date.
fn bill(charge: &Charge, metering: &Metering) -> Given {
    let register = metering.register();
    let account = register.accounts.iter().find(|account| account.number == charge.account_number);
    let account = account.map_or(charge.account_number.as_str(), |account| account.label.as_str());
    let sum = charge.amount_kopecks.unsigned_abs();
    let amount = format!("{}{},{:02}", if charge.amount_kopecks < 0 { "-" } else { "" }, sum / 100, sum % 100);
    let (period, due) = (charge.period.to_string(), charge.due.to_string());
    let named = [("account", account), ("amount", &amount), ("period", &period), ("due", &due)];
    let said = |key: &str| Text {
        ru: words(Language::Russian).say(key, &named),
        en: words(Language::English).say(key, &named),
    };
    Given {
        key: charge.id.clone(),
        title: said("diary-bill"),
        notes: said("diary-bill-notes"),
        kind: EventKind::Bill,
        priority: Priority::High,
        when: GivenWhen::Day(charge.due),
        remind: None,
        todo: charge.amount_kopecks > 0,
        done: charge.paid || charge.amount_kopecks <= 0,
        link: None,
    }
}
