//! The steps of signing in: a password, a passkey, a code that was sent, the portal's account, a PIN; and what is shown
//! again for a dangerous verb. Each wrong answer is the same answer.

use domovoi_model::PersonId;
use domovoi_store::Drawer;
use domovoi_vault::Secret;
use serde_json::Value;

use super::acquaintance::Lane;
use super::begun::{Begun, LIFE_MILLIS, TRIES};
use super::factors::code::{self, CodeCheck};
use super::factors::passkey::PersonsChallenge;
use super::factors::{KeptFactor, StoredFactor};
use super::kept::{passkeys_of, second_factors};
use super::news::News;
use super::session::{Pinned, Shown, assurance};
use super::throttle::{Pace, at_home, neighbourhood};
use super::view::{Answer, FactorKind, Opened, Step};
use super::{Result, SignIn, SignInError, Why, could_be_secret, locked, new_secret};
use crate::audit::{Actor, Origin, Outcome};
use crate::people::{Contact, Person};
use crate::policy::{Assurance, Role};

impl SignIn {
    /// Login and password. The same work is done for a login that does not exist.
    pub async fn with_password(&self, login: &str, password: Secret<String>, from: &Origin) -> Result<Step> {
        let account = self.account(login);
        let admission = self.admit(Lane::Password, &account, from).await?;
        let person = account.person.as_ref();
        let right = self.try_password(person, &password, admission.closed).await?;
        match person.filter(|person| right && self.is_welcome(person)) {
            Some(person) => {
                self.was_right(&admission, person.id).await?;
                self.has_let_in(person.id, |kept| kept.kind() == FactorKind::Password).await?;
                self.go_on(person, Shown::Password, from).await
            }
            None => Err(self.was_wrong("password", person.map(|person| person.id), from).await),
        }
    }

    /// Answers the second factor that a `Step::SecondFactor` asked for.
    pub async fn second_factor(&self, pending: &str, answer: Answer, from: &Origin) -> Result<Step> {
        let Some((Begun::Second { person, epoch, shown, challenge, wrong }, left)) = self.take_step(pending) else {
            return Err(SignInError::Expired);
        };
        let person = self.0.people.get(person).filter(|person| person.epoch == epoch && self.is_welcome(person));
        let Some(person) = person else { return Err(SignInError::Expired) };
        let is_passkey = matches!(answer, Answer::Passkey(..));
        if matches!(answer, Answer::Password(_)) {
            // It was shown already: twice the same is one proof.
            return Err(self.was_wrong("second", Some(person.id), from).await);
        }
        let again = |challenge, wrong| Begun::Second { person: person.id, epoch, shown, challenge, wrong };
        // A passkey's answer cannot be guessed, and so needs no counter.
        let admission = if is_passkey {
            None
        } else {
            match self.admit(Lane::Second, &self.account_of(person.clone()), from).await {
                Ok(admission) => Some(admission),
                Err(error) => {
                    self.hold(pending, again(challenge, wrong), from, left);
                    return Err(error);
                }
            }
        };
        let closed = admission.as_ref().is_some_and(|admission| admission.closed);
        // A challenge is good for one answer, whatever the answer is.
        let (challenge, kept_back) = if is_passkey { (challenge, None) } else { (None, challenge) };
        let second = match self.judge(&person, answer, challenge, closed, from).await {
            Ok(Some(second)) => second,
            Ok(None) => {
                if wrong + 1 < TRIES {
                    self.hold(pending, again(kept_back, wrong + 1), from, left);
                }
                return Err(self.was_wrong("second", Some(person.id), from).await);
            }
            Err(error) => {
                self.hold(pending, again(kept_back, wrong), from, left);
                return Err(error);
            }
        };
        if let Some(admission) = &admission {
            self.was_right(admission, person.id).await?;
        }
        Ok(Step::Done(self.open_session(&person, &[shown, second], from).await?))
    }

    /// WebAuthn options for `navigator.credentials.get` without a login (discoverable); the pending id goes back.
    pub async fn passkey_challenge(&self, from: &Origin) -> Result<(String, Value)> {
        let (options, challenge) =
            self.passkeys()?.challenge().map_err(|error| SignInError::Refused(error.to_string()))?;
        let pending = new_secret()?.expose().clone();
        self.hold(&pending, Begun::Anyone(challenge), from, LIFE_MILLIS);
        Ok((pending, options))
    }

    /// A passkey's answer.
    pub async fn with_passkey(&self, pending: &str, response: Value, from: &Origin) -> Result<Step> {
        let Some((Begun::Anyone(challenge), _)) = self.take_step(pending) else { return Err(SignInError::Expired) };
        let passkeys = self.passkeys()?;
        let claimed = passkeys.claimed(&response).ok().and_then(|person| self.0.people.get(person));
        let Some(person) = claimed else { return Err(self.was_wrong("passkey", None, from).await) };
        let shown = {
            let _turn = self.0.changing.lock().await;
            let kept = self.kept(person.id).await?;
            let (ids, mut keys) = passkeys_of(&kept);
            let place = passkeys.answer(challenge, response, &mut keys);
            self.passkey_was_used(&person, place, &ids, keys, kept, from).await?
        };
        match shown.filter(|_| self.is_welcome(&person)) {
            // It has verified its bearer: two factors at once.
            Some(shown) => Ok(Step::Done(self.open_session(&person, &[shown], from).await?)),
            None => Err(self.was_wrong("passkey", Some(person.id), from).await),
        }
    }

    /// Sends a one-time code to a login, if it is a confirmed contact. The answer is the same if it is not, and comes
    /// before anything is carried, so that time does not tell either.
    pub async fn send_code(&self, login: &str, from: &Origin) -> Result<String> {
        let account = self.account(login);
        let lines =
            [self.sending_line(&account, from), self.line("address", &[&neighbourhood(from.address)], Pace::ADDRESS)];
        self.take_some(&lines, Some(at_home(from.address)))?;
        let pending = new_secret()?.expose().clone();
        let (code, sent) = code::issue(&self.0.store.papers(), &pending, self.0.clock.since_boot_millis())?;
        let reached = self.0.people.reached_by(login).filter(|(person, contact)| {
            self.is_welcome(person) && person.role != Role::Service && self.0.courier.reaches(contact.kind)
        });
        let begun = Begun::Code { account, reached: reached.is_some(), sent };
        self.hold(&pending, begun, from, code::LIFE_MILLIS);
        if let Some((person, contact)) = reached {
            self.carry_code(person, contact, code, from);
        }
        Ok(pending)
    }

    /// The code that was sent.
    pub async fn with_code(&self, pending: &str, code: &str, from: &Origin) -> Result<Step> {
        let Some((Begun::Code { account, reached, mut sent }, left)) = self.take_step(pending) else {
            return Err(SignInError::Expired);
        };
        let admission = match self.admit(Lane::Code, &account, from).await {
            Ok(admission) => admission,
            Err(error) => {
                self.hold(pending, Begun::Code { account, reached, sent }, from, left);
                return Err(error);
            }
        };
        let now = self.0.clock.since_boot_millis();
        let check = sent.check(&self.0.store.papers(), pending, code, now);
        let right = check == CodeCheck::Right && reached && !admission.closed;
        let person = account.person.clone().filter(|person| right && self.is_welcome(person));
        match person {
            Some(person) => {
                self.was_right(&admission, person.id).await?;
                self.go_on(&person, Shown::Code, from).await
            }
            None => {
                let person = account.person.as_ref().map(|person| person.id);
                if check == CodeCheck::Wrong {
                    self.hold(pending, Begun::Code { account, reached, sent }, from, left);
                }
                Err(self.was_wrong("code", person, from).await)
            }
        }
    }

    /// A PIN on a paired wall tablet; `device` is the tablet's own session cookie.
    pub async fn with_pin(&self, device: &str, person: PersonId, pin: &str, from: &Origin) -> Result<Opened> {
        let Some(tablet) = self.tablet(device) else { return Err(SignInError::Expired) };
        let found = self.0.people.get(person).filter(|person| self.is_welcome(person));
        let kept = self.kept(person).await?;
        let phc = kept.iter().find_map(|kept| match &kept.factor.factor {
            StoredFactor::Pin { phc } => Some(phc.clone()),
            _ => None,
        });
        let (Some(person), Some(phc)) = (found, phc) else { return Err(SignInError::Wrong) };
        let counted = locked(&self.0.acquaintances).entry(person.id).or_default().count_pin(&tablet.id.to_string());
        if counted.closed {
            self.tell_refused("pin", Some(person.id), from, "locked").await;
            return Err(Why::PinLocked.into());
        }
        self.write_acquaintance(person.id).await?;
        let verdict = self.0.hasher.verify(&Secret::new(pin.to_owned()), Some(&phc)).await?;
        if verdict == domovoi_vault::Verdict::Wrong {
            return Err(self.was_wrong("pin", Some(person.id), from).await);
        }
        locked(&self.0.acquaintances).entry(person.id).or_default().pin_was_right();
        self.write_acquaintance(person.id).await?;
        let pinned = Pinned {
            person: person.id,
            epoch: person.epoch,
            used_run: self.0.clock.since_boot_millis(),
            shown: vec![Shown::Pin],
        };
        let opened = self.raise_session(tablet.id, Shown::Pin, Some(pinned)).await?;
        let (actor, facts) = (Actor::Person(person.id), [("how", "pin")]);
        self.tell_more("session.opened", actor, Some(person.id), from, Outcome::Done, &facts).await;
        Ok(opened)
    }

    /// People who may sign in with a PIN on this tablet: id and name.
    pub async fn pin_people(&self, device: &str) -> Result<Vec<(PersonId, String)>> {
        if self.tablet(device).is_none() {
            return Err(SignInError::Expired);
        }
        let mut with_pin = Vec::new();
        for paper in self.0.store.papers().all(Drawer::Factor).await? {
            let is_pin = KeptFactor::from_body(&paper.body)
                .is_ok_and(|factor| matches!(factor.factor, StoredFactor::Pin { .. }));
            with_pin.extend(paper.person.filter(|_| is_pin));
        }
        let people = self.0.people.list();
        let welcome = people.iter().filter(|person| with_pin.contains(&person.id) && self.is_welcome(person));
        Ok(welcome.map(|person| (person.id, person.name.clone())).collect())
    }

    /// Opens a session for a person whom the portal's id_token names by this issuer and subject.
    pub async fn with_portal_account(&self, issuer: &str, subject: &str, from: &Origin) -> Result<Step> {
        let tied = self.tied_to(issuer, subject).await?;
        let found = tied.and_then(|(person, kept)| Some((self.0.people.get(person)?, kept.id)));
        match found.filter(|(person, _)| self.is_welcome(person)) {
            Some((person, id)) => {
                self.has_let_in(person.id, |kept| kept.id == id).await?;
                self.go_on(&person, Shown::Portal, from).await
            }
            None => Err(self.was_wrong("portal", None, from).await),
        }
    }

    /// Shows a factor again, for a dangerous verb: five minutes of trust for this session (`SessionView::id`). The
    /// session gets a new cookie; the old one is worth nothing from then on.
    pub async fn step_up(&self, session: &str, answer: Answer, from: &Origin) -> Result<Opened> {
        let Some((live, person)) = self.session_by_id(session) else { return Err(SignInError::NoSuch("session")) };
        let (lane, how) = match &answer {
            Answer::Password(_) => (Some(Lane::Password), "password"),
            Answer::Totp(_) => (Some(Lane::Second), "totp"),
            Answer::Recovery(_) => (Some(Lane::Second), "recovery"),
            Answer::Passkey(..) => (None, "passkey"),
        };
        let challenge = match &answer {
            Answer::Passkey(pending, _) => self.take_challenge(pending),
            _ => None,
        };
        let admission = match lane {
            Some(lane) => Some(self.admit(lane, &self.account_of(person.clone()), from).await?),
            None => None,
        };
        let closed = admission.as_ref().is_some_and(|admission| admission.closed);
        let Some(shown) = self.judge(&person, answer, challenge, closed, from).await? else {
            self.wrong_step_up(live.id).await?;
            let refused = Outcome::Refused("wrong".to_owned());
            let actor = Actor::Person(person.id);
            self.tell_more("session.proved", actor, Some(person.id), from, refused, &[("how", how)]).await;
            return Err(SignInError::Wrong);
        };
        if let Some(admission) = &admission {
            self.was_right(admission, person.id).await?;
            // Whoever is in and has shown it again is no stranger whose tries count.
            let forgotten = locked(&self.0.acquaintances).entry(person.id).or_default().came_in();
            if forgotten {
                self.write_acquaintance(person.id).await?;
            }
        }
        let opened = self.raise_session(live.id, shown, None).await?;
        let actor = Actor::Person(person.id);
        self.tell_more("session.proved", actor, Some(person.id), from, Outcome::Done, &[("how", how)]).await;
        Ok(opened)
    }

    /// A passkey challenge for a signed-in person's step-up or second factor.
    pub async fn passkey_challenge_for(&self, person: PersonId) -> Result<(String, Value)> {
        let kept = self.kept(self.person(person)?.id).await?;
        let (options, challenge) = self.challenge_for(person, &kept).ok_or(SignInError::NoSuch("passkey"))?;
        let pending = new_secret()?.expose().clone();
        self.hold(&pending, Begun::Person(challenge), &Origin::default(), LIFE_MILLIS);
        Ok((pending, options))
    }

    /// A first proof was right: the second is asked for, if the person has one.
    async fn go_on(&self, person: &Person, shown: Shown, from: &Origin) -> Result<Step> {
        let kept = self.kept(person.id).await?;
        let offered = second_factors(&kept);
        if offered.is_empty() || assurance(&[shown]) == Assurance::Strong {
            return Ok(Step::Done(self.open_session(person, &[shown], from).await?));
        }
        let (passkey, challenge) = match self.challenge_for(person.id, &kept) {
            Some((options, challenge)) if offered.contains(&FactorKind::Passkey) => (Some(options), Some(challenge)),
            _ => (None, None),
        };
        let pending = new_secret()?.expose().clone();
        let begun = Begun::Second { person: person.id, epoch: person.epoch, shown, challenge, wrong: 0 };
        self.hold(&pending, begun, from, LIFE_MILLIS);
        Ok(Step::SecondFactor { pending, offered, passkey })
    }

    fn challenge_for(&self, person: PersonId, kept: &[super::kept::Kept]) -> Option<(Value, PersonsChallenge)> {
        let (_, keys) = passkeys_of(kept);
        self.passkeys().ok()?.challenge_for(person, &keys).ok()
    }

    fn take_challenge(&self, pending: &str) -> Option<PersonsChallenge> {
        match self.take_step(pending) {
            Some((Begun::Person(challenge), _)) => Some(challenge),
            _ => None,
        }
    }

    pub(super) fn hold(&self, pending: &str, begun: Begun, from: &Origin, life_millis: i64) {
        let (from, now) = (neighbourhood(from.address), self.0.clock.since_boot_millis());
        locked(&self.0.steps).hold(pending, begun, from, now, life_millis);
    }

    pub(super) fn take_step(&self, pending: &str) -> Option<(Begun, i64)> {
        let now = self.0.clock.since_boot_millis();
        could_be_secret(pending).then(|| locked(&self.0.steps).take(pending, now)).flatten()
    }

    /// Carried in the background: a mail server that answers slowly says nothing about who lives here.
    fn carry_code(&self, person: Person, contact: Contact, code: Secret<String>, from: &Origin) {
        let (room, from) = (self.clone(), from.clone());
        tokio::spawn(async move {
            let message = room.message(&person, &News::Code { code });
            let outcome = match room.0.courier.deliver(&contact, &message).await {
                Ok(()) => Outcome::Done,
                Err(why) => {
                    tracing::warn!("a sign-in code could not be sent: {why}");
                    Outcome::Failed("undelivered".to_owned())
                }
            };
            room.tell("code.sent", Actor::Nobody, Some(person.id), &from, outcome).await;
        });
    }
}
