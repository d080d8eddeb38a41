//! What a person hears about their own account: codes, new devices, links that were used. Carried in the background to
//! every contact that the person confirmed; a mail server that is slow or away keeps nobody from signing in. Security
//! news are no offer of anything, and so ask for no consent.

use domovoi_config::Language;
use domovoi_model::PersonId;
use domovoi_store::Notice;
use domovoi_vault::Secret;

use super::{Result, SignIn, locked};
use crate::audit::{Actor, Origin, Outcome};
use crate::courier::Message;
use crate::people::Person;
use crate::words::words;

/// What is told.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// A one-time code.
    Code {
        code: Secret<String>,
    },
    /// Signed in from a device not seen before.
    NewDevice {
        name: String,
    },
    /// A one-time link was used; all other devices are signed out.
    Recovered,
    /// A recovery code was used; so many are left.
    RecoveryUsed {
        left: String,
    },
    /// A way in was added or removed.
    FactorAdded,
    FactorRemoved,
    /// A passkey's counter went back.
    PasskeyCopied,
    /// The password from devices not seen before is closed after wrong tries.
    Attacked,
}

impl News {
    fn code(&self) -> &'static str {
        match self {
            News::Code { .. } => "code",
            News::NewDevice { .. } => "new-device",
            News::Recovered => "recovered",
            News::RecoveryUsed { .. } => "recovery-used",
            News::FactorAdded => "factor-added",
            News::FactorRemoved => "factor-removed",
            News::PasskeyCopied => "passkey-copied",
            News::Attacked => "attacked",
        }
    }
}

impl SignIn {
    /// The home's language, for people who have chosen none.
    pub fn speaking(self, language: Language) -> Self {
        let _ = self.0.language.set(language);
        self
    }

    /// Tells a person in the background.
    pub(super) fn news(&self, person: &Person, news: News, from: &Origin) {
        let message = self.message(person, &news);
        let contacts: Vec<_> = person
            .contacts
            .iter()
            .filter(|contact| contact.is_confirmed() && self.0.courier.reaches(contact.kind))
            .cloned()
            .collect();
        if contacts.is_empty() {
            return;
        }
        let (room, from, person) = (self.clone(), from.clone(), person.id);
        tokio::spawn(async move {
            let mut reached = 0usize;
            for contact in &contacts {
                match room.0.courier.deliver(contact, &message).await {
                    Ok(()) => reached += 1,
                    Err(why) => tracing::warn!("news about an account could not be sent: {why}"),
                }
            }
            let outcome = if reached > 0 { Outcome::Done } else { Outcome::Failed("undelivered".to_owned()) };
            room.tell_more("news.sent", Actor::House, Some(person), &from, outcome, &[("what", news.code())]).await;
        });
    }

    /// In the person's language.
    pub(super) fn message(&self, person: &Person, news: &News) -> Message {
        let home_language = self.0.language.get().copied().unwrap_or(Language::Russian);
        let words = words(person.profile.language.unwrap_or(home_language));
        let home = self.0.policy.home.as_str();
        let mut variables = vec![("home", home), ("person", person.name.as_str())];
        match news {
            News::Code { code } => variables.push(("code", code.expose())),
            News::NewDevice { name } => variables.push(("device", name)),
            News::RecoveryUsed { left } => variables.push(("left", left)),
            _ => {}
        }
        let key = news.code();
        Message {
            subject: words.say(&format!("signin-news-{key}-subject"), &variables),
            text: words.say(&format!("signin-news-{key}-text"), &variables),
        }
    }

    /// Strangers have used up the guesses at a person's secret: the household sees it, the person hears of it.
    pub(super) async fn under_attack(&self, person: PersonId) {
        let Some(person) = self.0.people.get(person) else { return };
        let notice = Notice {
            kind: "sign_in_attacked".to_owned(),
            params: vec![("person".to_owned(), person.name.clone())],
            at: self.0.clock.moment(),
        };
        match self.0.store.notices().raise(&attack_key(person.id), &notice).await {
            Ok(true) => self.news(&person, News::Attacked, &Origin::default()),
            Ok(false) => {}
            Err(error) => tracing::warn!("a notice could not be raised: {error}"),
        }
        locked(&self.0.attacked).insert(person.id);
    }

    /// Those that a run before this one raised.
    pub(super) async fn look_for_attacks(&self) -> Result<()> {
        let open = self.0.store.notices().open().await?;
        let people = open.iter().filter_map(|open| open.key.strip_prefix(ATTACK_KEYS)?.parse::<PersonId>().ok());
        locked(&self.0.attacked).extend(people);
        Ok(())
    }

    /// The person came in. No write where nothing was raised.
    pub(super) async fn attack_is_over(&self, person: PersonId) {
        let raised = locked(&self.0.attacked).remove(&person);
        if raised && let Err(error) = self.0.store.notices().clear(&attack_key(person)).await {
            tracing::warn!("a notice could not be cleared: {error}");
        }
    }
}

/// What such notices are raised under.
const ATTACK_KEYS: &str = "signin.attacked.";

fn attack_key(person: PersonId) -> String {
    format!("{ATTACK_KEYS}{person}")
}
