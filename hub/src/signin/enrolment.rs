//! A person's ways in: shown, added, changed, removed. The last one stays, and a short password never stays alone.

use std::sync::atomic::Ordering;

use domovoi_model::{Id, PersonId};
use domovoi_store::Drawer;
use domovoi_vault::Secret;
use serde_json::Value;

use super::begun::{Begun, LIFE_MILLIS, TRIES};
use super::factors::{KeptFactor, StoredFactor, password, pin, recovery, totp};
use super::kept::{Kept, lets_in, passkeys_of, password_of, second_factors};
use super::news::News;
use super::view::{FactorKind, FactorView, TotpOffer, Unmet};
use super::{Result, SignIn, SignInError, Why, label, locked, new_secret};
use crate::audit::Origin;
use crate::people::Person;
use crate::policy::Role;

/// Factors of one kind that a person may have beside passkeys, which have a number of their own.
const APPS_MAX: usize = 5;
const PORTALS_MAX: usize = 3;
/// Nobody chooses a longer one; what is longer is judged as too long without being looked at.
const LONGEST_ISSUER: usize = 1_024;

/// Judging takes milliseconds of processor time, which the home's other work need not wait for.
pub(super) async fn judge(chosen: &Secret<String>, about: Vec<String>, alone: bool) -> Vec<Unmet> {
    let chosen = chosen.clone();
    let judged = tokio::task::spawn_blocking(move || password::judge(chosen.expose(), &about, alone)).await;
    // A judge that died has not said yes.
    judged.unwrap_or_else(|_| vec![Unmet { code: "guessable", number: None }])
}

/// A password that may be set.
pub(super) struct Chosen {
    phc: Secret<String>,
    stands_alone: bool,
}

impl SignIn {
    /// A person's factors.
    pub async fn factors(&self, person: PersonId) -> Result<Vec<FactorView>> {
        let kept = self.kept(self.person(person)?.id).await?;
        Ok(kept.iter().map(|kept| kept.factor.view(kept.id.to_string())).collect())
    }

    /// Every rule that a password would not meet for this person, without setting it.
    pub async fn judge_password(&self, person: Option<PersonId>, password: &Secret<String>) -> Vec<Unmet> {
        let Some(person) = person.and_then(|person| self.0.people.get(person)) else {
            return judge(password, self.about("", &[]), true).await;
        };
        // What cannot be read is judged as if it were not there: the stricter rule.
        let kept = self.kept(person.id).await.unwrap_or_default();
        self.unmet(&person, &kept, password).await
    }

    /// Sets a password; every other session of the person ends.
    pub async fn set_password(&self, person: PersonId, password: Secret<String>, keep: Option<&str>) -> Result<()> {
        let person = self.signs_in(person)?;
        {
            let _turn = self.0.changing.lock().await;
            let kept = self.kept(person.id).await?;
            let chosen = self.choose(&person, &kept, &password).await?;
            self.keep_password(&person, &kept, chosen).await?;
        }
        self.end_sessions(person.id, keep).await?;
        Ok(())
    }

    /// Options for `navigator.credentials.create`.
    pub async fn passkey_offer(&self, person: PersonId) -> Result<(String, Value)> {
        let person = self.signs_in(person)?;
        let (_, keys) = passkeys_of(&self.kept(person.id).await?);
        let offer = self.passkeys()?.offer(person.id, &person.name, &keys);
        let (options, registration) = offer.map_err(|error| SignInError::Refused(error.to_string()))?;
        let pending = new_secret()?.expose().clone();
        self.hold(&pending, Begun::Registration(registration), &Origin::default(), LIFE_MILLIS);
        Ok((pending, options))
    }

    /// Keeps the passkey that was made.
    pub async fn add_passkey(
        &self,
        person: PersonId,
        pending: &str,
        name: &str,
        response: Value,
    ) -> Result<FactorView> {
        let person = self.signs_in(person)?;
        let name = label(name)?;
        let Some((Begun::Registration(registration), _)) = self.take_step(pending) else {
            return Err(SignInError::Expired);
        };
        let key = self.passkeys()?.add(&registration, person.id, response).map_err(|error| {
            tracing::debug!("a new passkey was refused: {error}");
            SignInError::Wrong
        })?;
        let _turn = self.0.changing.lock().await;
        let (_, keys) = passkeys_of(&self.kept(person.id).await?);
        if keys.len() >= super::factors::passkey::KEYS_MAX {
            return Err(Why::TooMany.into());
        }
        self.add(&person, &name, StoredFactor::Passkey { key: Box::new(key) }).await
    }

    /// A TOTP secret to scan; it counts once a code of it was given.
    pub async fn totp_offer(&self, person: PersonId) -> Result<TotpOffer> {
        let person = self.signs_in(person)?;
        let apps = self.kept(person.id).await?.iter().filter(|kept| kept.kind() == FactorKind::Totp).count();
        if apps >= APPS_MAX {
            return Err(Why::TooMany.into());
        }
        let secret = totp::new_secret()?;
        let uri = totp::uri(&secret, &self.0.policy.home, &person.name).ok_or(Why::Keep)?;
        let pending = new_secret()?.expose().clone();
        let begun = Begun::Totp { person: person.id, secret: secret.clone(), wrong: 0 };
        self.hold(&pending, begun, &Origin::default(), 2 * LIFE_MILLIS);
        Ok(TotpOffer { pending, uri, secret })
    }

    /// Confirms the offered TOTP secret with a code.
    pub async fn add_totp(&self, person: PersonId, pending: &str, code: &str) -> Result<FactorView> {
        let person = self.signs_in(person)?;
        let Some(now) = self.0.clock.trusted() else { return Err(Why::ClockUnset.into()) };
        let Some((Begun::Totp { person: begun, secret, wrong }, left)) = self.take_step(pending) else {
            return Err(SignInError::Expired);
        };
        if begun != person.id {
            return Err(SignInError::Expired);
        }
        let Some(step) = totp::check(&secret, code, now, None) else {
            if wrong + 1 < TRIES {
                let begun = Begun::Totp { person: person.id, secret, wrong: wrong + 1 };
                self.hold(pending, begun, &Origin::default(), left);
            }
            return Err(SignInError::Wrong);
        };
        let _turn = self.0.changing.lock().await;
        // The code that confirms it signs nobody in.
        self.add(&person, "", StoredFactor::Totp { secret, last_step: Some(step) }).await
    }

    /// Ten new recovery codes, shown this once; the old ones are worth nothing now.
    pub async fn new_recovery_codes(&self, person: PersonId) -> Result<Vec<Secret<String>>> {
        let person = self.signs_in(person)?;
        let codes = recovery::generate()?;
        let hashes = recovery::kept(&self.0.store.papers(), person.id, &codes);
        let _turn = self.0.changing.lock().await;
        let id = self.id_of_kind(person.id, FactorKind::Recovery).await?;
        let factor = StoredFactor::Recovery { hashes };
        self.put_factor(&person, id, KeptFactor::new("", self.0.clock.trusted(), factor)).await?;
        Ok(codes)
    }

    /// Sets the four-digit PIN for paired tablets.
    pub async fn set_pin(&self, person: PersonId, pin: Secret<String>) -> Result<()> {
        let person = self.signs_in(person)?;
        let unmet = pin::judge(pin.expose());
        if !unmet.is_empty() {
            return Err(SignInError::Weak(unmet));
        }
        let phc = self.0.hasher.hash(&pin).await?;
        let _turn = self.0.changing.lock().await;
        let id = self.id_of_kind(person.id, FactorKind::Pin).await?;
        let factor = StoredFactor::Pin { phc };
        self.put_factor(&person, id, KeptFactor::new("", self.0.clock.trusted(), factor)).await?;
        locked(&self.0.acquaintances).entry(person.id).or_default().pin_was_right();
        self.write_acquaintance(person.id).await
    }

    /// Ties a portal account to a person who is signed in.
    pub async fn add_portal_account(&self, person: PersonId, issuer: &str, subject: &str) -> Result<FactorView> {
        let person = self.signs_in(person)?;
        if issuer.len() > LONGEST_ISSUER || subject.len() > LONGEST_ISSUER {
            return Err(SignInError::Wrong);
        }
        let _turn = self.0.changing.lock().await;
        match self.tied_to(issuer, subject).await? {
            Some((other, _)) if other != person.id => return Err(Why::OthersAccount.into()),
            Some((_, kept)) => return Ok(kept.factor.view(kept.id.to_string())),
            None => {}
        }
        let portals = self.kept(person.id).await?.iter().filter(|kept| kept.kind() == FactorKind::Portal).count();
        if portals >= PORTALS_MAX {
            return Err(Why::TooMany.into());
        }
        let factor = StoredFactor::Portal { issuer: issuer.to_owned(), subject: subject.to_owned() };
        self.add(&person, "", factor).await
    }

    /// Removes a factor; the last way to sign in stays.
    pub async fn remove_factor(&self, person: PersonId, factor: &str) -> Result<()> {
        let person = self.person(person)?;
        let id: Id = factor.parse().map_err(|_| SignInError::NoSuch("factor"))?;
        {
            let _turn = self.0.changing.lock().await;
            let mut kept = self.kept(person.id).await?;
            let place = kept.iter().position(|kept| kept.id == id).ok_or(SignInError::NoSuch("factor"))?;
            let could_come_in = lets_in(&kept);
            kept.remove(place);
            if could_come_in && !lets_in(&kept) {
                return Err(Why::LastWayIn.into());
            }
            // What was judged beside a second factor is not left alone.
            let stands_alone = password_of(&kept).is_none_or(|(kept, _)| kept.factor.stands_alone);
            if second_factors(&kept).is_empty() && !stands_alone {
                return Err(Why::ShortPassword.into());
            }
            self.0.store.papers().delete(Drawer::Factor, id).await?;
        }
        self.news(&person, News::FactorRemoved, &Origin::default());
        Ok(())
    }

    /// Whose portal account this is. The drawer is small, and nobody signs in by the portal ten times a second.
    pub(super) async fn tied_to(&self, issuer: &str, subject: &str) -> Result<Option<(PersonId, Kept)>> {
        for paper in self.0.store.papers().all(Drawer::Factor).await? {
            let (Some(person), Ok(factor)) = (paper.person, KeptFactor::from_body(&paper.body)) else { continue };
            let is_it =
                matches!(&factor.factor, StoredFactor::Portal { issuer: i, subject: s } if i == issuer && s == subject);
            if is_it {
                return Ok(Some((person, Kept { id: paper.id, factor })));
            }
        }
        Ok(None)
    }

    /// What a password is judged by: nobody's should be made of what everybody knows of them.
    pub(super) fn about(&self, name: &str, contacts: &[String]) -> Vec<String> {
        let mut about = vec![name.to_owned(), self.0.policy.home.clone()];
        about.extend(contacts.iter().cloned());
        about
    }

    /// Every rule that a password does not meet for this person.
    pub(super) async fn unmet(&self, person: &Person, kept: &[Kept], chosen: &Secret<String>) -> Vec<Unmet> {
        let contacts: Vec<String> = person.contacts.iter().map(|contact| contact.value.clone()).collect();
        judge(chosen, self.about(&person.name, &contacts), second_factors(kept).is_empty()).await
    }

    /// Judges and hashes a password.
    pub(super) async fn choose(&self, person: &Person, kept: &[Kept], password: &Secret<String>) -> Result<Chosen> {
        let unmet = self.unmet(person, kept, password).await;
        if !unmet.is_empty() {
            return Err(SignInError::Weak(unmet));
        }
        let stands_alone = second_factors(kept).is_empty() || self.unmet(person, &[], password).await.is_empty();
        Ok(Chosen { phc: self.0.hasher.hash(password).await?, stands_alone })
    }

    /// Keeps a password in the place of the one before. Under `changing`.
    pub(super) async fn keep_password(&self, person: &Person, kept: &[Kept], chosen: Chosen) -> Result<()> {
        let there = kept.iter().find(|kept| kept.kind() == FactorKind::Password).map(|kept| kept.id);
        let id = match there {
            Some(id) => id,
            None => Id(domovoi_vault::random()?),
        };
        let factor = KeptFactor::new("", self.0.clock.trusted(), StoredFactor::Password { phc: chosen.phc });
        self.put_factor(person, id, KeptFactor { stands_alone: chosen.stands_alone, ..factor }).await?;
        Ok(())
    }

    async fn add(&self, person: &Person, name: &str, factor: StoredFactor) -> Result<FactorView> {
        let factor = KeptFactor::new(name, self.0.clock.trusted(), factor);
        self.put_factor(person, Id(domovoi_vault::random()?), factor).await
    }

    async fn put_factor(&self, person: &Person, id: Id, factor: KeptFactor) -> Result<FactorView> {
        self.keep(person.id, id, &factor).await?;
        if person.role == Role::Owner {
            self.0.owned.fetch_or(self.can_come_in(person.id).await?, Ordering::SeqCst);
        }
        self.news(person, News::FactorAdded, &Origin::default());
        Ok(factor.view(id.to_string()))
    }

    async fn id_of_kind(&self, person: PersonId, kind: FactorKind) -> Result<Id> {
        match self.kept(person).await?.iter().find(|kept| kept.kind() == kind) {
            Some(kept) => Ok(kept.id),
            None => Ok(Id(domovoi_vault::random()?)),
        }
    }

    /// A person who signs in at all.
    fn signs_in(&self, person: PersonId) -> Result<Person> {
        let person = self.person(person)?;
        if person.role == Role::Service { Err(Why::Services.into()) } else { Ok(person) }
    }
}
