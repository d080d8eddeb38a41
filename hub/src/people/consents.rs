//! What people agreed to have sent where (152-ФЗ): each consent a record of its own, in the words that were shown, never
//! changed, only withdrawn. This room sends nothing; the rooms that do ask whether the consent stands.

use std::sync::{Arc, PoisonError};

use domovoi_model::PersonId;
use domovoi_store::{Drawer, StoreError};
use futures_util::future::BoxFuture;

use super::{Consent, People, PeopleError, finish, new_id, paper, roster};

/// Acts with readings are approved without asking each time, signed and sent to the portal.
pub const READINGS: &str = "portal.readings";

/// The hub's own messages (a reading was accepted, an alert is known, something fails) are sent to the portal.
pub const MESSAGES: &str = "portal.messages";

/// What a consent can be for. The locale files name each `purpose-<code>`, dots as hyphens.
pub const PURPOSES: [&str; 5] = [READINGS, MESSAGES, "portal.profile", "code.mail", "code.sms"];

/// Consents of one person, withdrawn ones among them.
const MAX_CONSENTS: usize = 200;
const MAX_TEXT: usize = 8000;
const MAX_LINE: usize = 500;

/// Stops what the last consent for a purpose allowed.
pub(super) type Stop = Arc<dyn Fn(&'static str) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

impl People {
    /// What is to happen when the last consent for a purpose is withdrawn, before the withdrawal is written.
    pub fn when_nobody_consents(
        &self,
        stop: impl Fn(&'static str) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync + 'static,
    ) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).stop = Some(Arc::new(stop));
    }

    /// What a person agreed to, withdrawn ones too, newest first.
    pub async fn consents(&self, id: PersonId) -> Result<Vec<Consent>, PeopleError> {
        self.existing(id)?;
        let papers = self.store.papers().of(Drawer::Consent, id).await?;
        let consents: Result<Vec<Consent>, StoreError> = papers.iter().map(paper::to_consent).collect();
        let mut consents = consents?;
        consents.sort_by(|a, b| (b.given_at, &b.id).cmp(&(a.given_at, &a.id)));
        Ok(consents)
    }

    /// Who agreed to a purpose and has not withdrawn it.
    pub async fn who_consents(&self, purpose: &str) -> Result<Vec<(PersonId, Consent)>, PeopleError> {
        let mut standing = Vec::new();
        for paper in self.store.papers().all(Drawer::Consent).await? {
            let consent = paper::to_consent(&paper)?;
            if let Some(person) = paper.person
                && consent.purpose == purpose
                && self.stands(&consent)
            {
                standing.push((person, consent));
            }
        }
        Ok(standing)
    }

    /// Whether a consent counts now.
    pub fn stands(&self, consent: &Consent) -> bool {
        let now = self.clock.trusted();
        consent.withdrawn_at.is_none() && consent.until.is_none_or(|until| now.is_some_and(|now| until > now))
    }

    /// Records a consent: what is sent, to whom, what for, in the words that were shown. It takes the place of one for
    /// the same purpose and recipient; the same words once more change nothing.
    pub async fn give_consent(&self, id: PersonId, consent: Consent) -> Result<Consent, PeopleError> {
        let consent = Consent {
            id: new_id()?.to_string(),
            given_at: Some(self.at()),
            withdrawn_at: None,
            ..self.valid_consent(consent)?
        };
        let changes = self.changes().await;
        let before = self.consents(id).await?;
        let stands: Vec<Consent> = before
            .iter()
            .filter(|there| there.purpose == consent.purpose && there.recipient == consent.recipient)
            .filter(|there| self.stands(there))
            .cloned()
            .collect();
        let same =
            |there: &&Consent| (&there.what, &there.text, there.until) == (&consent.what, &consent.text, consent.until);
        if let Some(same) = stands.iter().find(same) {
            return Ok(same.clone());
        }
        if before.len() >= MAX_CONSENTS {
            return Err(PeopleError::Refused(format!("at most {MAX_CONSENTS} consents are kept for a person")));
        }
        let room = self.clone();
        finish(async move {
            let papers = room.store.papers();
            papers.put(Drawer::Consent, &paper::of_consent(id, &consent)?).await?;
            for replaced in stands {
                let replaced = Consent { withdrawn_at: consent.given_at, ..replaced };
                papers.put(Drawer::Consent, &paper::of_consent(id, &replaced)?).await?;
            }
            drop(changes);
            Ok(consent)
        })
        .await
    }

    /// Withdraws a consent. What nobody else allows stops before the withdrawal is written: a power cut in between leaves
    /// too little sent rather than too much.
    pub async fn withdraw_consent(&self, id: PersonId, consent: &str) -> Result<(), PeopleError> {
        let changes = self.changes().await;
        let there = self.consents(id).await?.into_iter().find(|there| there.id == consent);
        let there = there.ok_or(PeopleError::NoSuch("consent"))?;
        if there.withdrawn_at.is_some() {
            return Ok(());
        }
        let room = self.clone();
        finish(async move {
            room.stop_without(&there.purpose, |_, other| other.id == there.id).await?;
            let withdrawn = Consent { withdrawn_at: Some(room.at()), ..there };
            room.store.papers().put(Drawer::Consent, &paper::of_consent(id, &withdrawn)?).await?;
            drop(changes);
            Ok(())
        })
        .await
    }

    /// Stops a purpose if no consent stands but those that `goes` names.
    pub(super) async fn stop_without(
        &self,
        purpose: &str,
        goes: impl Fn(PersonId, &Consent) -> bool,
    ) -> Result<(), PeopleError> {
        let Some(known) = PURPOSES.into_iter().find(|known| *known == purpose) else { return Ok(()) };
        if self.who_consents(known).await?.iter().any(|(person, consent)| !goes(*person, consent)) {
            return Ok(());
        }
        let stop = self.hooks.read().unwrap_or_else(PoisonError::into_inner).stop.clone();
        if let Some(stop) = stop {
            stop(known).await?;
        }
        Ok(())
    }

    fn valid_consent(&self, consent: Consent) -> Result<Consent, PeopleError> {
        let invalid = |why: &str| PeopleError::Invalid(why.into());
        if !PURPOSES.contains(&consent.purpose.as_str()) {
            return Err(PeopleError::Invalid(format!("a consent is for one of {}", PURPOSES.join(", "))));
        }
        let line = |text: &str| roster::line(text, MAX_LINE);
        let recipient = line(&consent.recipient).ok_or_else(|| invalid("say who receives it, on one line"))?;
        let what = line(&consent.what).ok_or_else(|| invalid("say what is sent, on one line"))?;
        // The words stay as they were shown, to the letter.
        let shown = consent.text.chars().count();
        let prints = consent.text.chars().all(|c| c == '\n' || !c.is_control());
        if consent.text.trim().is_empty() || shown > MAX_TEXT || !prints {
            return Err(invalid("the words that were shown are kept whole: 1 to 8000 characters"));
        }
        match (consent.until, self.clock.trusted()) {
            (None, _) => {}
            (Some(_), _) if consent.purpose == READINGS => {
                return Err(invalid("this consent ends when it is withdrawn, not by itself"));
            }
            (Some(until), Some(now)) if until > now => {}
            _ => return Err(invalid("the end of a consent lies in the future")),
        }
        Ok(Consent { recipient, what, ..consent })
    }
}
